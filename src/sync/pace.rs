//! How many updates may be made now: agents sign anew for each, and SPIRE signs 500 a second for one address.

use std::time::{Duration, Instant};

const UPDATES_PER_SECOND: u32 = 200;

/// What was not used adds up for a second.
pub(super) struct Pace {
    /// When all of a second's updates may be made.
    full_at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    pub(super) fn left(&self, now: Instant) -> usize {
        let used = self.full_at.saturating_duration_since(now).as_secs_f64() * f64::from(UPDATES_PER_SECOND);
        (UPDATES_PER_SECOND as usize).saturating_sub(used.ceil() as usize)
    }

    pub(super) fn used(&mut self, updates: usize, now: Instant) {
        let seconds = updates as f64 / f64::from(UPDATES_PER_SECOND);
        self.full_at = self.full_at.max(now) + Duration::from_secs_f64(seconds);
    }

    /// When some may be made again; none where they may now.
    pub(super) fn next_at(&self, now: Instant) -> Option<Instant> {
        // A tenth of a second's, so that a mass edit goes in batches and not one by one.
        let enough = UPDATES_PER_SECOND as usize / 10;
        (self.left(now) < enough).then(|| self.full_at - Duration::from_millis(900))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_paced_and_what_is_not_used_adds_up_for_a_second_at_most() {
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let mut pace = Pace::new(begin);
        assert_eq!((pace.left(begin), pace.next_at(begin)), (200, None));
        pace.used(200, begin);
        assert_eq!((pace.left(begin), pace.next_at(begin)), (0, Some(at(100))));
        assert_eq!((pace.left(at(100)), pace.next_at(at(100))), (20, None));
        assert_eq!(pace.left(at(500)), 100);
        pace.used(50, at(500));
        assert_eq!(pace.left(at(500)), 50);
        assert_eq!(pace.left(at(60_000)), 200);
    }
}
