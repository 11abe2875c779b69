//! Waiting for a condition, with a deadline, and telling what was seen instead.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(25);
/// Within what anything has to happen that the registrar does by itself.
pub const SOON: Duration = Duration::from_secs(20);

/// Looks until `probe` gives something; `Err` is what is seen instead.
pub fn until<T>(what: &str, limit: Duration, probe: impl FnMut() -> Result<T, String>) -> T {
    until_each(INTERVAL, what, limit, probe)
}

/// The same, where it matters how often it is looked.
pub fn until_each<T>(
    interval: Duration,
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<T, String>,
) -> T {
    let begin = Instant::now();
    loop {
        match probe() {
            Ok(found) => return found,
            Err(seen) if begin.elapsed() > limit => {
                panic!("waited {limit:?} for {what}; what is seen: {seen}")
            }
            Err(_) => sleep(interval),
        }
    }
}
