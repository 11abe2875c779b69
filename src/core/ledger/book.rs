//! What the book says of one pod: each entry that it has or lacks, and what the next plan does with it.

use std::collections::BTreeSet;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Ledger, Mode};
use crate::desired::{Fate, Hold, PodKey};
use crate::entry::{EntryId, Nonce};
use crate::explain::held;
use crate::plan;

/// How an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryState {
    /// It is as it is to be.
    InStep,
    /// It is to be written.
    ToCreate,
    /// It is to be updated in place.
    ToUpdate,
    /// It is to be deleted.
    ToDelete,
    /// It stays although no identity wants it, or waits to be changed.
    Held,
    /// An entry that is not ours holds its SPIFFE ID, parent and selectors.
    Conflict,
}

/// One entry that a pod has in SPIRE or lacks there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BookEntry {
    /// Its id; none for one that is not there.
    pub id: Option<String>,
    /// Which identity wants it.
    pub identity: Option<String>,
    /// Its SPIFFE ID, where an identity wants it.
    #[serde(rename = "spiffeID")]
    pub spiffe_id: Option<String>,
    /// How it stands.
    pub state: EntryState,
    /// Why, where that has a word: what holds it, or the fact that ends it.
    pub reason: Option<String>,
}

/// What is known of one pod's entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodBook {
    /// SPIRE's entries were listed: otherwise nobody can say what the pod has.
    pub listed: bool,
    /// Why SPIRE cannot be written to now, if so.
    pub unavailable: Option<String>,
    /// The configuration says `mode: Observe` or `mode: UpsertOnly`.
    pub mode: Option<String>,
    /// Each entry.
    pub entries: Vec<BookEntry>,
    /// What SPIRE refused when it was last tried.
    pub failures: Vec<String>,
    /// In how many seconds it is tried again.
    pub retry_seconds: Option<u64>,
}

impl Ledger {
    /// What the book says of a pod. Nothing is planned or kept by asking.
    pub fn book(&self, key: &PodKey, unavailable: Option<String>, now: Instant) -> PodBook {
        let no_nonce = Nonce::new(0);
        let plan = plan::plan(key, &self.desired, &self.mirror, |digest| {
            EntryId::make(&self.prefix, &key.cluster, digest, &no_nonce)
        });
        let braked = self.brake.waiting().any(|pod| pod == key);
        let wanted = self.desired.pod(key).map(|pod| &*pod.wanted).unwrap_or_default();
        let mut entries = Vec::new();
        let mut shown: BTreeSet<EntryId> = BTreeSet::new();
        let mut covered = Vec::new();
        let (mode_hold, deletes_too) = match self.mode {
            Mode::Sync => (None, false),
            Mode::UpsertOnly => (Some(Hold::UpsertOnly), false),
            Mode::Observe => (Some(Hold::Observe), true),
        };
        let updates = plan.updates.iter().map(|write| (write, EntryState::ToUpdate));
        let creates = plan.creates.iter().map(|write| (write, EntryState::ToCreate));
        for (write, state) in updates.chain(creates) {
            let row = self.mirror.row(&write.id);
            let waits = braked && row.is_some_and(|row| row.key != write.wanted.key);
            let hold = if deletes_too { mode_hold } else { waits.then_some(Hold::Brake) };
            covered.push(&write.wanted.digest);
            shown.insert(write.id.clone());
            entries.push(BookEntry {
                id: row.map(|_| write.id.to_string()),
                identity: Some(write.wanted.identity.to_string()),
                spiffe_id: write.wanted.entry().ok().map(|entry| entry.key.spiffe_id.to_string()),
                state: if hold.is_some() { EntryState::Held } else { state },
                reason: hold.map(|hold| hold.reason().to_owned()),
            });
        }
        for delete in &plan.deletes {
            let hold = mode_hold.or(braked.then_some(Hold::Brake));
            let (state, reason) = match hold {
                Some(hold) => (EntryState::Held, hold.reason()),
                None => (EntryState::ToDelete, delete.end.reason()),
            };
            shown.insert(delete.id.clone());
            entries.push(unwanted(&delete.id, state, reason));
        }
        for (id, hold) in &plan.holds {
            shown.insert(id.clone());
            entries.push(unwanted(id, EntryState::Held, hold.reason()));
        }
        for want in wanted.iter().filter(|want| !covered.contains(&&want.digest)) {
            let own = self.mirror.of_pod(key).find(|(id, row)| row.key == want.key && !shown.contains(id));
            let other = || self.mirror.with_key(&want.key).next();
            let (id, state) = match own.or_else(other) {
                Some((id, row)) if row.content == Some(want.content) => (Some(id), EntryState::InStep),
                Some((id, row)) if row.place.is_none() => (Some(id), EntryState::Conflict),
                found => (found.map(|(id, _)| id), EntryState::Held),
            };
            shown.extend(id.clone());
            entries.push(BookEntry {
                id: id.map(|id| id.to_string()),
                identity: Some(want.identity.to_string()),
                spiffe_id: want.entry().ok().map(|entry| entry.key.spiffe_id.to_string()),
                state,
                reason: (state == EntryState::Held).then(|| "ClusterNotInStep".to_owned()),
            });
        }
        let failure = self.failures.get(key);
        let problems = failure.into_iter().flat_map(|failure| &failure.problems);
        PodBook {
            listed: self.listed,
            unavailable,
            mode: mode_hold.map(|hold| hold.reason().to_owned()),
            entries,
            failures: problems.map(|(_, problem)| problem.message.clone()).collect(),
            retry_seconds: failure.map(|failure| failure.due.saturating_duration_since(now).as_secs()),
        }
    }
}

impl Ledger {
    /// What the book says of an entry that no pod is to have, as a sentence.
    pub fn unwanted(&self, id: &str) -> String {
        let id = EntryId::observed(id);
        let Some(row) = self.mirror.row(&id) else {
            return format!("no pod is to have {id}, and SPIRE holds no entry of that id");
        };
        let Some(place) = &row.place else {
            return format!("entry {id} is not this registrar's: ids of its own begin with {}", self.prefix);
        };
        match self.desired.fate(&place.pod, &id, &place.digest) {
            Fate::End(end) => {
                format!("entry {id} is of pod uid {} and is to be deleted: {}", place.pod.pod, end.reason())
            }
            Fate::Hold(hold) => {
                format!(
                    "entry {id} is of pod uid {} and stays ({}): {}",
                    place.pod.pod,
                    hold.reason(),
                    held(hold)
                )
            }
        }
    }

    /// What ids of this registrar begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

fn unwanted(id: &EntryId, state: EntryState, reason: &str) -> BookEntry {
    BookEntry {
        id: Some(id.to_string()),
        identity: None,
        spiffe_id: None,
        state,
        reason: Some(reason.to_owned()),
    }
}
