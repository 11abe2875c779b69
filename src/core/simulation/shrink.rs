//! A failing schedule becomes a small one: events are left out as long as the same schedule still fails.

use std::cell::Cell;
use std::sync::Once;

use super::run::{Tally, Violation, run};
use super::schedule::Schedule;

thread_local! {
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Panics of the code under test are reported with their schedule, not as they come.
fn without_messages() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !IS_RUNNING.get() {
                usual(info);
            }
        }));
    });
}

/// Runs a schedule; a panic of the code under test is a violation too.
pub fn outcome(schedule: &Schedule) -> Result<Tally, (usize, Violation)> {
    without_messages();
    IS_RUNNING.set(true);
    let result = std::panic::catch_unwind(|| run(schedule));
    IS_RUNNING.set(false);
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("of an unknown kind");
        Err((schedule.events.len(), format!("panic: {text}")))
    })
}

fn violation(schedule: &Schedule) -> Option<(usize, Violation)> {
    outcome(schedule).err()
}

/// The smallest schedule found that still fails, and how.
pub fn shrink(schedule: &Schedule) -> (Schedule, Violation) {
    let mut best = schedule.clone();
    let Some((at, mut violation_now)) = violation(&best) else {
        return (best, "it does not fail when it is run again".to_owned());
    };
    best.events.truncate(at.max(1));
    match violation(&best) {
        Some((_, shown)) => violation_now = shown,
        None => best.events.clone_from(&schedule.events),
    }
    let mut length = best.events.len().div_ceil(2);
    while length > 0 {
        let mut at = 0;
        let mut is_smaller = false;
        while at < best.events.len() {
            let mut candidate = best.clone();
            candidate.events.drain(at..(at + length).min(best.events.len()));
            match violation(&candidate) {
                Some((_, shown)) => {
                    (best, violation_now, is_smaller) = (candidate, shown, true);
                }
                None => at += length,
            }
        }
        if !is_smaller || length > 1 {
            length /= 2;
        }
    }
    (best, violation_now)
}
