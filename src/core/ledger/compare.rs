//! The book compared with a complete list of SPIRE's entries, page by page, while writes go on between the pages.

use k8s_openapi::jiff::Timestamp;

use super::Ledger;
use crate::desired::IdentityStanding;
use crate::drift::Drift;
use crate::entry::EntryId;
use crate::mirror::{Met, Observed, Place, Row};
use crate::mutants::{self, Mutant};
use crate::names::IdentityName;

/// What a comparison with SPIRE's list has come to so far.
#[derive(Debug)]
pub(super) struct Comparison {
    /// What was known before it: otherwise nobody can say whose doing a difference is.
    is_first: bool,
    drift: Drift,
}

impl Ledger {
    /// Takes in a complete list of SPIRE's entries at once; gives what was not as this registrar had left it.
    pub fn observe(&mut self, list: impl IntoIterator<Item = Observed>, now: Timestamp) -> Drift {
        self.begin_list();
        self.page(list, now);
        self.end_list(now)
    }

    /// Begins to compare with a complete list, which comes by pages. Writes may go on between pages.
    pub fn begin_list(&mut self) {
        self.mirror.begin_list();
        self.comparison = Some(Comparison { is_first: !self.listed, drift: Drift::default() });
    }

    /// Takes in a page of the list.
    pub fn page(&mut self, page: impl IntoIterator<Item = Observed>, now: Timestamp) {
        let Some(mut comparison) = self.comparison.take() else { return };
        for observed in page {
            let is_under_our_prefix = observed.id.as_str().starts_with(&self.prefix);
            let drift = &mut comparison.drift;
            match self.take_in(observed, comparison.is_first) {
                Met::Same => {}
                // One that no longer names its pod is the pod's no more.
                Met::Changed { before, .. } => drift.changed += u64::from(before.is_some()),
                Met::New(Some(place)) if !place.pod.cluster.is_predecessor() => drift.appeared += 1,
                Met::New(_) => drift.under_our_prefix += u64::from(is_under_our_prefix),
            }
        }
        self.deletions.forget(now);
        self.comparison = Some(comparison);
    }

    /// Takes in one entry as SPIRE holds it; how it compares. Where that is not what was known, the pods concerned are planned
    /// anew: at the end of a first list all are, so that those of its new entries need not be noted.
    pub(super) fn take_in(&mut self, observed: Observed, is_first: bool) -> Met {
        let met = self.mirror.list(observed);
        if mutants::is_on(Mutant::IgnoreDrift) {
            return Met::Same;
        }
        let concerned = match &met {
            Met::Same => [None, None],
            Met::New(_) if is_first => [None, None],
            Met::New(now) => [None, now.as_ref()],
            Met::Changed { before, now } => [before.as_ref(), now.as_ref()],
        };
        self.stale.extend(concerned.into_iter().flatten().map(|place| place.pod.clone()));
        // After a first list all are looked at together.
        if let [_, Some(now)] = concerned
            && self.listed
        {
            self.note_ended(now);
        }
        met
    }

    /// The list was told to its end; gives what was not as this registrar had left it.
    pub fn end_list(&mut self, now: Timestamp) -> Drift {
        let Some(Comparison { is_first, mut drift }) = self.comparison.take() else {
            return Drift::default();
        };
        for id in self.mirror.unlisted() {
            let Some(row) = self.mirror.remove(&id) else { continue };
            let Some(place) = row.place.clone() else { continue };
            if !is_first {
                drift.deleted += 1;
                self.note_deletion(&id, &row, &place, now);
            }
            self.stale.insert(place.pod);
        }
        self.listed_at = Some(now);
        self.stale.extend(self.leaning.iter().cloned());
        // What waits was planned without what others have made since.
        self.stale.extend(self.brake.waiting().cloned());
        (self.listed, self.in_doubt) = (true, false);
        if is_first {
            let ended: Vec<IdentityName> = self.desired.ended_identities().cloned().collect();
            self.touch_ended(&ended.iter().collect::<Vec<_>>());
            // What is known of new pods is that they have none: in doubt again, they need not wait for the next list.
            let (mirror, stale) = (&self.mirror, &self.stale);
            self.fresh.retain(|pod| mirror.of_pod(pod).next().is_none() && !stale.contains(pod));
            self.touch_all();
            self.stale.retain(|pod| !self.fresh.contains(pod));
            return Drift::default();
        }
        drift
    }

    pub(super) fn note_deletion(&mut self, id: &EntryId, row: &Row, place: &Place, now: Timestamp) {
        let identity = self.desired.identity_of(&place.pod.pod, &place.digest);
        let live = identity.filter(|(_, standing)| *standing == IdentityStanding::Live).map(|(name, _)| name);
        self.deletions.note(row.key, id, live, now);
    }

    /// Notes that the rest of a list can't be had: what was compared so far stays known, and nothing is missed in it.
    pub fn break_list(&mut self) {
        self.comparison = None;
    }

    /// Whether a comparison has begun and not ended.
    pub fn is_listing(&self) -> bool {
        self.comparison.is_some()
    }
}
