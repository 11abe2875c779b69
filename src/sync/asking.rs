//! Questions for single entries, after calls whose outcome is not known: some at a time, while the writer does other things.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use futures::future::{BoxFuture, FutureExt, pending};
use futures::stream::{FuturesUnordered, StreamExt};
use registrar_core::entry::EntryId;
use registrar_core::ledger::doubt::Standing;
use registrar_core::mirror::Observed;
use tracing::info;

use super::CALL_TIME;
use crate::spire::{Spire, SpireError};

/// How many entries are asked for at a time.
const IN_FLIGHT: usize = 16;
/// How often SPIRE is asked for one before a list has to tell.
const TRIES: u32 = 3;

/// What came of one question.
pub(super) struct Answer {
    pub(super) id: EntryId,
    pub(super) seconds: f64,
    pub(super) result: Result<Option<Observed>, SpireError>,
}

/// Questions since all was last known.
#[derive(Default)]
pub(super) struct Asking {
    since: Option<Instant>,
    asked: HashSet<EntryId>,
    answers: FuturesUnordered<BoxFuture<'static, Answer>>,
    failed: HashMap<EntryId, u32>,
    stood: u64,
    absent: u64,
}

impl Asking {
    /// Asks for as many of these as may be asked for at a time, each only once.
    pub(super) fn ask<'a>(&mut self, spire: &Spire, ids: impl Iterator<Item = &'a EntryId>) {
        for id in ids {
            if self.answers.len() >= IN_FLIGHT {
                break;
            }
            if self.asked.insert(id.clone()) {
                self.since.get_or_insert_with(Instant::now);
                self.answers.push(question(spire.clone(), id.clone()).boxed());
            }
        }
    }

    /// The next answer; where nothing is asked, it never comes.
    pub(super) async fn next(&mut self) -> Answer {
        let Some(answer) = self.answers.next().await else { return pending().await };
        self.asked.remove(&answer.id);
        answer
    }

    /// An answer that has come already.
    pub(super) fn ready(&mut self) -> Option<Answer> {
        self.next().now_or_never()
    }

    /// Notes that a question failed; whether it need not be asked again, because a list has to tell.
    pub(super) fn is_in_vain(&mut self, id: &EntryId, error: &SpireError) -> bool {
        match error {
            // Nobody was asked.
            SpireError::Connect { .. } | SpireError::Send { .. } => false,
            SpireError::Answer { .. } => {
                let failed = self.failed.entry(id.clone()).or_default();
                *failed += 1;
                *failed >= TRIES
            }
            SpireError::Locate { .. } | SpireError::Refuse { .. } => true,
        }
    }

    /// Notes what SPIRE said of an entry; `is_last` is whether all is known now.
    pub(super) fn told(&mut self, standing: Standing, is_last: bool) {
        match standing {
            Standing::Stands => self.stood += 1,
            Standing::Absent | Standing::Vanished => self.absent += 1,
        }
        if is_last {
            let Self { since, stood, absent, .. } = std::mem::take(self);
            let seconds = since.map(|since| since.elapsed().as_secs_f64());
            info!(stood, absent, seconds, "asked SPIRE for the entries of calls whose outcome was not known");
        }
    }
}

async fn question(spire: Spire, id: EntryId) -> Answer {
    let started = Instant::now();
    let result = spire.get(&id, (started + CALL_TIME).into()).await;
    Answer { id, seconds: started.elapsed().as_secs_f64(), result }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_entry_is_asked_for_three_times_unless_nobody_was_there_or_it_is_refused() {
        let mut asking = Asking::default();
        let (one, other) = (EntryId::observed("one"), EntryId::observed("other"));
        let call = "GetEntry";
        let lost = SpireError::Answer { call, code: "Internal", problem: "failed to fetch entry".to_owned() };
        let away = SpireError::Connect {
            key: "spireServerSocketPath",
            place: "/s".to_owned(),
            problem: "none".to_owned(),
            next: "",
        };
        let refused =
            SpireError::Refuse { call, code: "PermissionDenied", message: "not yet an admin".to_owned() };
        assert!((0..10).all(|_| !asking.is_in_vain(&one, &away)));
        assert_eq!([(); 3].map(|()| asking.is_in_vain(&one, &lost)), [false, false, true]);
        assert!(!asking.is_in_vain(&other, &lost));
        assert!(asking.is_in_vain(&other, &refused));
    }
}
