//! How many updates may be made now: agents sign anew for each, and SPIRE signs 500 a second for one address.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

/// What was not used adds up for a second.
pub(super) struct Pace {
    /// Updates a second.
    rate: NonZeroU16,
    /// When all of a second's updates may be made.
    full_at: Instant,
}

impl Pace {
    pub(super) fn new(rate: NonZeroU16, now: Instant) -> Self {
        Self { rate, full_at: now }
    }

    fn rate(&self) -> usize {
        usize::from(self.rate.get())
    }

    /// How long so many updates take; rounded down, so that what is made of it is whole updates again.
    fn time(&self, updates: usize) -> Duration {
        let nanos = updates as u128 * NANOS / u128::from(self.rate.get());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    pub(super) fn left(&self, now: Instant) -> usize {
        let open = self.full_at.saturating_duration_since(now).as_nanos();
        let used = (open * u128::from(self.rate.get())).div_ceil(NANOS);
        self.rate().saturating_sub(usize::try_from(used).unwrap_or(usize::MAX))
    }

    pub(super) fn used(&mut self, updates: usize, now: Instant) {
        self.full_at = self.full_at.max(now) + self.time(updates);
    }

    /// When some may be made again; none where they may now.
    pub(super) fn next_at(&self, now: Instant) -> Option<Instant> {
        // A tenth of a second's, so that a mass edit goes in batches and not one by one.
        let enough = (self.rate() / 10).max(1);
        (self.left(now) < enough).then(|| self.full_at - self.time(self.rate() - enough))
    }
}

const NANOS: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_paced_and_what_is_not_used_adds_up_for_a_second_at_most() {
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let mut pace = Pace::new(NonZeroU16::new(200).unwrap(), begin);
        assert_eq!((pace.left(begin), pace.next_at(begin)), (200, None));
        pace.used(200, begin);
        assert_eq!((pace.left(begin), pace.next_at(begin)), (0, Some(at(100))));
        assert_eq!((pace.left(at(100)), pace.next_at(at(100))), (20, None));
        assert_eq!(pace.left(at(500)), 100);
        pace.used(50, at(500));
        assert_eq!(pace.left(at(500)), 50);
        assert_eq!(pace.left(at(60_000)), 200);
    }

    #[test]
    fn at_any_rate_as_many_may_be_made_when_it_says_and_no_more_than_that_in_ten_seconds() {
        for rate in [1, 2, 3, 7, 10, 99, 200, 501, 65_535] {
            let (begin, enough) = (Instant::now(), (usize::from(rate) / 10).max(1));
            let mut pace = Pace::new(NonZeroU16::new(rate).unwrap(), begin);
            let (mut now, mut made) = (begin, 0);
            while now < begin + Duration::from_secs(10) {
                let left = pace.left(now);
                assert!(left >= enough, "{rate} a second: {left} at {:?}", now - begin);
                pace.used(left, now);
                made += left;
                now = pace.next_at(now).unwrap();
            }
            let at_most = usize::from(rate) * 11;
            assert!(made <= at_most && made + enough + 1 >= at_most, "{rate} a second: {made}");
        }
    }
}
