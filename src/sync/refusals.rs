//! Times in which SPIRE takes nothing: a full disk refuses entry by entry, each for itself.

use std::time::{Duration, Instant};

/// How soon one entry is tried again, whatever its own pause, while SPIRE takes none.
const PROBE_PAUSE: Duration = Duration::from_secs(15);

/// Since when SPIRE has refused all that it was asked for, if it has.
///
/// Whether it is the server's fault or each entry's own, its answers do not say. So each entry has its own pause all the same;
/// but one is tried from time to time, and as soon as SPIRE takes any, those that were first refused meanwhile are due.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    last: Instant,
}

impl Refusals {
    /// Notes how many entries a call that began then took and refused; where SPIRE takes entries again, since when it took
    /// none.
    pub(super) fn heard(
        &mut self,
        started: Instant,
        now: Instant,
        taken: usize,
        refused: usize,
    ) -> Option<Instant> {
        if taken > 0 {
            return self.open.take().map(|open| open.since);
        }
        if refused > 0 {
            self.open.get_or_insert(Open { since: started, last: now }).last = now;
        }
        None
    }

    /// Since when SPIRE took nothing.
    pub(super) fn since(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.since)
    }

    /// When one entry is to be tried before its time; none where SPIRE takes entries.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.last + PROBE_PAUSE)
    }

    /// One is tried.
    pub(super) fn probed(&mut self, now: Instant) {
        if let Some(open) = &mut self.open {
            open.last = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_taken_entry_begins_with_the_first_call_and_ends_with_the_first_entry() {
        let (mut refusals, begin) = (Refusals::default(), Instant::now());
        let at = |second| begin + Duration::from_secs(second);
        assert_eq!(refusals.heard(at(0), at(1), 3, 2), None, "others were taken");
        assert_eq!(refusals.probe_at(), None);
        assert_eq!(refusals.heard(at(2), at(3), 0, 2), None);
        assert_eq!(refusals.heard(at(4), at(5), 0, 0), None, "others had made all of them");
        assert_eq!(refusals.heard(at(6), at(7), 0, 1), None);
        assert_eq!(refusals.probe_at(), Some(at(22)));
        refusals.probed(at(22));
        assert_eq!(refusals.probe_at(), Some(at(37)));
        assert_eq!(refusals.heard(at(23), at(24), 1, 1), Some(at(2)));
        assert_eq!((refusals.heard(at(25), at(26), 1, 0), refusals.probe_at()), (None, None));
    }
}
