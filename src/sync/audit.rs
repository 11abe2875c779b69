//! The audit record: one event of target `audit` for each entry that a call was to write, with what it was, what it is to
//! be, what caused that, and what came of it. The last of them are kept for the page, where it is served.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use registrar_core::desired::{Delta, Desired, PodKey};
use registrar_core::entry::{Entry, EntryId};
use registrar_core::ledger::Ledger;
use registrar_core::names::IdentityName;
use registrar_core::plan::{Delete, Write};
use tokio::sync::watch;
use tracing::{Level, enabled, info};

use super::former::Former;
use crate::spire::SpireError;

/// How many of the last records are kept.
const KEPT: usize = 200;

/// The last records, the oldest first.
pub type Records = VecDeque<Arc<Record>>;

/// What is kept of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// `create`, `update` or `delete`.
    pub action: &'static str,
    /// What came of it, a fixed CamelCase word.
    pub outcome: &'static str,
    /// SPIRE's words, where it has some.
    pub problem: Option<String>,
    /// The entry's id.
    pub entry_id: String,
    /// The pod's cluster.
    pub cluster: String,
    /// The pod's uid.
    pub pod_uid: String,
    /// The identity that wants the entry, or for which it was made.
    pub identity: Option<String>,
    /// What was written; of a delete, what stood there, where that is known.
    pub spiffe_id: Option<String>,
    /// Of a delete, the fact that was seen.
    pub reason: Option<&'static str>,
}

/// Where records go: to the log, and to whoever shows the last of them.
#[derive(Debug)]
pub(super) struct Audit {
    kept: Option<watch::Sender<Records>>,
    former: Former,
    /// Entries of calls whose outcome is not known yet.
    open: HashMap<EntryId, Open>,
}

/// What a call was to do of which nobody knows whether it was done.
#[derive(Debug)]
struct Open {
    pod: PodKey,
    act: Act,
    before: Before,
}

/// What a call was to do with one entry.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Create(Write),
    Update(Write),
    Delete(Delete),
}

/// What came of it, in a fixed CamelCase word, and SPIRE's words where it has some.
pub(super) struct Came<'a> {
    outcome: &'static str,
    problem: Option<&'a str>,
}

impl<'a> Came<'a> {
    pub(super) const DONE: Self = Self { outcome: "Done", problem: None };
    /// SPIRE holds no entry of this id.
    pub(super) const NOT_FOUND: Self = Self { outcome: "NotFound", problem: None };
    /// The entry stands otherwise than it was to.
    const NOT_DONE: Self = Self { outcome: "NotDone", problem: None };

    /// Nothing was done.
    pub(super) fn refused(problem: &'a str) -> Self {
        Self { outcome: "Refused", problem: Some(problem) }
    }

    /// SPIRE holds another entry of the same SPIFFE ID, parent and selectors.
    pub(super) fn exists(other: &'a EntryId) -> Self {
        Self { outcome: "AlreadyExists", problem: Some(other.as_str()) }
    }

    /// Nobody can say: SPIRE is asked before anything else is written for the pod.
    pub(super) fn unknown(problem: &'a str) -> Self {
        Self { outcome: "Unknown", problem: Some(problem) }
    }
}

impl Audit {
    /// `kept` is where the last records are told, if anybody shows them.
    pub(super) fn new(kept: Option<watch::Sender<Records>>) -> Self {
        Self { kept, former: Former::default(), open: HashMap::new() }
    }

    /// A delta that the book has not taken in yet: what pods are not to have any more is named when it goes.
    pub(super) fn note(&mut self, ledger: &Ledger, delta: &Delta) {
        if self.is_on() {
            self.former.note(ledger, delta);
        }
    }

    /// The book has taken in what became of an entry of this pod.
    pub(super) fn taken_in(&mut self, ledger: &Ledger, pod: &PodKey) {
        self.former.settle(ledger, pod);
    }

    /// What became of this entry is not known, and SPIRE is asked.
    pub(super) fn doubt(&mut self, ledger: &Ledger, pod: &PodKey, id: &EntryId, act: impl FnOnce() -> Act) {
        if self.is_on() {
            let before = self.before(ledger, pod, id);
            self.open.insert(id.clone(), Open { pod: pod.clone(), act: act(), before });
        }
    }

    /// SPIRE has said what became of an entry in doubt, and the book has taken that in.
    pub(super) fn known(&mut self, ledger: &Ledger, id: &EntryId) {
        if let Some(open) = self.open.remove(id) {
            self.came_to_light(ledger, id, &open);
            self.former.settle(ledger, &open.pod);
        }
    }

    /// All of SPIRE's entries were listed.
    pub(super) fn listed(&mut self, ledger: &Ledger) {
        for (id, open) in std::mem::take(&mut self.open) {
            self.came_to_light(ledger, &id, &open);
        }
        self.former.settle_all(ledger);
    }

    fn came_to_light(&self, ledger: &Ledger, id: &EntryId, Open { pod, act, before }: &Open) {
        let row = ledger.mirror().row(id);
        let (action, write) = match act {
            Act::Create(write) => ("create", write),
            Act::Update(write) => ("update", write),
            Act::Delete(delete) => {
                let came = if row.is_some() { Came::NOT_DONE } else { Came::DONE };
                return self.record_delete(ledger, pod, delete, before, &came);
            }
        };
        let came = match row {
            None => Came::NOT_FOUND,
            Some(row) if (row.key, row.content) == (write.wanted.key, Some(write.wanted.content)) => {
                Came::DONE
            }
            Some(_) => Came::NOT_DONE,
        };
        if let Ok(entry) = write.wanted.entry() {
            let written = Written { action, write, entry: &entry };
            self.record_write(ledger, pod, &written, before, &came);
        }
    }

    /// Whether anybody listens: otherwise nothing is put together.
    fn is_on(&self) -> bool {
        self.kept.is_some() || is_logged()
    }

    fn keep(&self, record: impl FnOnce() -> Record) {
        let Some(kept) = &self.kept else { return };
        let record = Arc::new(record());
        kept.send_modify(|records| {
            if records.len() >= KEPT {
                records.pop_front();
            }
            records.push_back(record);
        });
    }

    /// An entry was to be created or updated. The book still knows what was there before.
    pub(super) fn write(
        &self,
        ledger: &Ledger,
        action: &'static str,
        pod: &PodKey,
        write: &Write,
        entry: &Entry,
        came: &Came<'_>,
    ) {
        if self.is_on() {
            let before = self.before(ledger, pod, &write.id);
            self.record_write(ledger, pod, &Written { action, write, entry }, &before, came);
        }
    }

    /// An entry was to be deleted. The book still knows what was there before.
    pub(super) fn delete(&self, ledger: &Ledger, pod: &PodKey, delete: &Delete, came: &Came<'_>) {
        if self.is_on() {
            let before = self.before(ledger, pod, &delete.id);
            self.record_delete(ledger, pod, delete, &before, came);
        }
    }

    fn record_write(
        &self,
        ledger: &Ledger,
        pod: &PodKey,
        written: &Written<'_>,
        before: &Before,
        came: &Came<'_>,
    ) {
        let Written { action, write, entry } = *written;
        let identity = &write.wanted.identity;
        self.keep(|| Record {
            at: Timestamp::now(),
            action,
            outcome: came.outcome,
            problem: came.problem.map(str::to_owned),
            entry_id: write.id.to_string(),
            cluster: cluster(ledger.desired(), pod),
            pod_uid: pod.pod.to_string(),
            identity: Some(identity.to_string()),
            spiffe_id: Some(entry.key.spiffe_id.to_string()),
            reason: None,
        });
        if !is_logged() {
            return;
        }
        info!(
            target: "audit",
            action,
            outcome = came.outcome,
            problem = came.problem,
            entryID = write.id.as_str(),
            cluster = cluster(ledger.desired(), pod),
            podUID = pod.pod.as_str(),
            object = format!("WorkloadIdentity/{identity}"),
            generation = ledger.desired().generation(identity),
            before.key,
            before.content,
            before.spiffeID = before.spiffe_id,
            before.parentID = before.parent_id,
            after.key = write.wanted.key.to_string(),
            after.content = write.wanted.content.to_string(),
            after.spiffeID = entry.key.spiffe_id.to_string(),
            after.parentID = entry.key.parent_id.to_string(),
            after.selectors = list(&entry.key.selectors),
            after.x509SVIDTTL = entry.x509_svid_ttl,
            after.jwtSVIDTTL = entry.jwt_svid_ttl,
            after.federatesWith = list(entry.federates_with.iter().map(|domain| domain.as_str())),
            after.admin = entry.admin,
            after.downstream = entry.downstream,
            after.dnsNames = list(entry.dns_names.iter().map(|name| name.as_str())),
            after.hint = entry.hint,
            "audit"
        );
    }

    fn record_delete(
        &self,
        ledger: &Ledger,
        pod: &PodKey,
        delete: &Delete,
        before: &Before,
        came: &Came<'_>,
    ) {
        let identity = before.made_for.as_ref();
        self.keep(|| Record {
            at: Timestamp::now(),
            action: "delete",
            outcome: came.outcome,
            problem: came.problem.map(str::to_owned),
            entry_id: delete.id.to_string(),
            cluster: cluster(ledger.desired(), pod),
            pod_uid: pod.pod.to_string(),
            identity: identity.map(ToString::to_string),
            spiffe_id: before.spiffe_id.clone(),
            reason: Some(delete.end.reason()),
        });
        if !is_logged() {
            return;
        }
        let Cause { object, generation } = Cause::of(ledger.desired(), pod, delete, before);
        info!(
            target: "audit",
            action = "delete",
            outcome = came.outcome,
            problem = came.problem,
            entryID = delete.id.as_str(),
            cluster = cluster(ledger.desired(), pod),
            podUID = pod.pod.as_str(),
            reason = delete.end.reason(),
            release = before.release.as_ref().map(|(digest, _)| digest),
            object,
            generation,
            before.key,
            before.content,
            before.spiffeID = before.spiffe_id,
            before.parentID = before.parent_id,
            "audit"
        );
    }

    /// What is known of an entry before the book has taken in what came of it.
    fn before(&self, ledger: &Ledger, pod: &PodKey, id: &EntryId) -> Before {
        let Some(row) = ledger.mirror().row(id) else { return Before::default() };
        let desired = ledger.desired();
        let wanted = desired.pod(pod).map(|pod| &*pod.wanted).unwrap_or_default();
        let wanted = wanted.iter().find(|wanted| wanted.key == row.key);
        let entry =
            wanted.and_then(|wanted| wanted.entry().ok()).or_else(|| self.former.entry(pod, &row.key));
        let place = row.place.as_ref();
        let made_for = place.and_then(|place| desired.identity_of(&pod.pod, &place.digest));
        Before {
            key: Some(row.key.to_string()),
            content: row.content.map(|content| content.to_string()),
            spiffe_id: entry.as_ref().map(|entry| entry.key.spiffe_id.to_string()),
            parent_id: entry.as_ref().map(|entry| entry.key.parent_id.to_string()),
            made_for: made_for.map(|(name, _)| name.clone()),
            release: desired
                .let_go_by(id)
                .map(|(digest, object)| (digest.to_owned(), object.map(str::to_owned))),
        }
    }

    /// A call as a whole gave nothing: what came of each entry, where SPIRE was asked at all.
    pub(super) fn lost(&self, error: &SpireError, each: impl FnOnce(&Came<'_>)) {
        if !self.is_on() {
            return;
        }
        let problem = error.to_string();
        match error {
            SpireError::Answer { .. } => each(&Came::unknown(&problem)),
            SpireError::Refuse { .. } => each(&Came::refused(&problem)),
            SpireError::Locate { .. } | SpireError::Connect { .. } | SpireError::Send { .. } => {}
        }
    }
}

fn is_logged() -> bool {
    enabled!(target: "audit", Level::INFO)
}

/// What was to be written.
struct Written<'a> {
    action: &'static str,
    write: &'a Write,
    entry: &'a Entry,
}

/// What is known of an entry: digests, and its names where this process knew what its pod was to have.
#[derive(Debug, Default)]
struct Before {
    key: Option<String>,
    content: Option<String>,
    spiffe_id: Option<String>,
    parent_id: Option<String>,
    /// The identity that it was made for, where that is known.
    made_for: Option<IdentityName>,
    /// The digest by which it was released, and the object that names it.
    release: Option<(String, Option<String>)>,
}

/// The object that said that an entry is to go, and which edit of it.
struct Cause {
    object: Option<String>,
    generation: Option<i64>,
}

impl Cause {
    fn of(desired: &Desired, pod: &PodKey, delete: &Delete, before: &Before) -> Self {
        if delete.end.is_registrys_end() {
            let object = desired.cluster_name(&pod.cluster).map(|name| format!("EKSClusterRegistry/{name}"));
            return Self { object, generation: desired.cluster_generation(&pod.cluster) };
        }
        if delete.end.is_release() {
            let object = before.release.as_ref().and_then(|(_, object)| object.clone());
            return Self { object, generation: None };
        }
        let identity = before.made_for.as_ref();
        Self {
            object: identity.map(|identity| format!("WorkloadIdentity/{identity}")),
            generation: identity.and_then(|identity| desired.generation(identity)),
        }
    }
}

fn cluster(desired: &Desired, pod: &PodKey) -> String {
    let name = desired.cluster_name(&pod.cluster);
    name.map_or_else(|| pod.cluster.to_string(), ToString::to_string)
}

/// A JSON array: a selector's value may have any separator in it.
fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let texts = items.into_iter().map(|item| serde_json::Value::from(item.to_string()));
    serde_json::Value::Array(texts.collect()).to_string()
}
