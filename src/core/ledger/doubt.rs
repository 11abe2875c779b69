//! Calls whose outcome is not known: for which entries SPIRE is to be asked, and which pods wait for its answers.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use super::Ledger;
use crate::desired::PodKey;
use crate::entry::EntryId;
use crate::mirror::Observed;
use crate::mutants::{self, Mutant};
use crate::names::PodUid;

/// As many as this are asked for one by one whatever a list would cost: a third of a second.
const FEW: usize = 1000;
/// To be asked for one entry costs SPIRE as much as to list so many: 0.22 ms of CPU and 0.047 (1.15.3, sqlite3, 20,000 entries).
const ROWS_A_QUESTION: usize = 5;

/// What the call was to do with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Create or update it.
    Write,
    /// Delete it.
    Delete,
}

/// What SPIRE says of an entry in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is there, in whatever form.
    Stands,
    /// It is not there: it was not created, or it was deleted as it was to be.
    Absent,
    /// It is not there although it was, and was to stay.
    Vanished,
}

/// Entries in doubt, and the pods that wait for them.
///
/// Keys of different pods are never equal, because the pod's uid is in each. So only what one uid's entries are has to be
/// known before that uid's pods are planned, in whatever cluster, and no other pod waits.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    entries: BTreeMap<EntryId, (PodKey, Intent)>,
    pods: BTreeMap<PodUid, Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Entries in doubt.
    open: usize,
    /// To be planned when none is left.
    pods: BTreeSet<PodKey>,
}

impl Doubts {
    fn add(&mut self, pod: &PodKey, id: &EntryId, intent: Intent) {
        let is_new = self.entries.insert(id.clone(), (pod.clone(), intent)).is_none();
        let waiting = self.pods.entry(pod.pod.clone()).or_default();
        waiting.open += usize::from(is_new);
        waiting.pods.insert(pod.clone());
    }

    /// Of which pod the entry is and what was to be done with it, and the pods that need wait no longer.
    fn end(&mut self, id: &EntryId) -> Option<(PodKey, Intent, BTreeSet<PodKey>)> {
        let (pod, intent) = self.entries.remove(id)?;
        let waiting = self.pods.get_mut(&pod.pod)?;
        waiting.open -= 1;
        let free = match waiting.open {
            0 => self.pods.remove(&pod.pod).map(|waiting| waiting.pods).unwrap_or_default(),
            _ => BTreeSet::new(),
        };
        Some((pod, intent, free))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of pods that wait.
    pub(super) fn waiting(&self) -> usize {
        self.pods.values().map(|waiting| waiting.pods.len()).sum()
    }

    /// Whether this pod has to wait.
    pub(super) fn holds(&self, pod: &PodKey) -> bool {
        self.pods.contains_key(&pod.pod)
    }

    /// Lets a pod wait that was to be planned; false where it need not.
    pub(super) fn keep(&mut self, pod: &PodKey) -> bool {
        let waiting = self.pods.get_mut(&pod.pod);
        waiting.map(|waiting| waiting.pods.insert(pod.clone())).is_some()
    }
}

impl Ledger {
    /// Notes that nobody knows what a call has done with an entry of this pod: until SPIRE was asked for it, nothing of the
    /// pod is planned. Where a list of all is cheaper than to ask for so many, it is [`Self::doubt_all`].
    pub fn doubt(&mut self, pod: &PodKey, id: &EntryId, intent: Intent) {
        // The list that is to come tells.
        if self.in_doubt || mutants::is_on(Mutant::IgnoreUnknownOutcome) {
            return;
        }
        self.doubts.add(pod, id, intent);
        let (ours, foreign) = self.mirror.counts();
        if self.doubts.entries.len() > FEW.max((ours + foreign) / ROWS_A_QUESTION) {
            self.doubt_all();
        }
    }

    /// Notes that SPIRE cannot be asked for single entries: nothing is written until it was listed again, from the
    /// beginning.
    pub fn doubt_all(&mut self) {
        let waiting = std::mem::take(&mut self.doubts).pods.into_values();
        self.stale.extend(waiting.flat_map(|waiting| waiting.pods));
        self.comparison = None;
        (self.listed, self.in_doubt) = (false, true);
    }

    /// Entries that SPIRE is to be asked for, before a list is begun or gone on with.
    pub fn in_doubt(&self) -> impl Iterator<Item = &EntryId> {
        self.doubts.entries.keys()
    }

    /// Whether SPIRE is to be asked for any entry.
    pub fn is_in_doubt(&self) -> bool {
        !self.doubts.is_empty()
    }

    /// Takes in what SPIRE says of an entry in doubt, by its id; none where it holds no such entry. Gives the pod that the
    /// entry is of; none where it was not in doubt.
    pub fn answered(
        &mut self,
        id: &EntryId,
        found: Option<Observed>,
        now: Timestamp,
    ) -> Option<(PodKey, Standing)> {
        let (pod, intent, free) = self.doubts.end(id)?;
        self.stale.extend(free);
        let standing = match (found, intent) {
            (Some(observed), _) => {
                self.take_in(observed, false);
                Standing::Stands
            }
            (None, _) if mutants::is_on(Mutant::AbsentStands) => Standing::Absent,
            (None, Intent::Write) if self.mirror.row(id).is_some() => {
                self.vanished(&pod, id, now);
                Standing::Vanished
            }
            (None, _) => {
                self.gone(&pod, id);
                Standing::Absent
            }
        };
        Some((pod, standing))
    }
}
