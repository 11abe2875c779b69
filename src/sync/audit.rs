//! The audit record: one event of target `audit` for each entry that a call was to write, with what it was, what it is to
//! be, what caused that, and what came of it. The last of them are kept for the page, where it is served.

use std::collections::VecDeque;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use registrar_core::desired::{Desired, PodKey};
use registrar_core::entry::{Entry, EntryId};
use registrar_core::ledger::Ledger;
use registrar_core::names::IdentityName;
use registrar_core::plan::{Delete, Write};
use tokio::sync::watch;
use tracing::{Level, enabled, info};

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
    /// What was written; none of a delete.
    pub spiffe_id: Option<String>,
    /// Of a delete, the fact that was seen.
    pub reason: Option<&'static str>,
}

/// Where records go: to the log, and to whoever shows the last of them.
#[derive(Debug)]
pub(super) struct Audit {
    kept: Option<watch::Sender<Records>>,
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
        Self { kept }
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
        let before = Before::of(ledger, &write.id);
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
            before.key = before.key,
            before.content = before.content,
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

    /// An entry was to be deleted. The book still knows what was there before.
    pub(super) fn delete(&self, ledger: &Ledger, pod: &PodKey, delete: &Delete, came: &Came<'_>) {
        if !self.is_on() {
            return;
        }
        let identity = made_for(ledger, pod, &delete.id);
        self.keep(|| Record {
            at: Timestamp::now(),
            action: "delete",
            outcome: came.outcome,
            problem: came.problem.map(str::to_owned),
            entry_id: delete.id.to_string(),
            cluster: cluster(ledger.desired(), pod),
            pod_uid: pod.pod.to_string(),
            identity: identity.map(ToString::to_string),
            spiffe_id: None,
            reason: Some(delete.end.reason()),
        });
        if !is_logged() {
            return;
        }
        let before = Before::of(ledger, &delete.id);
        info!(
            target: "audit",
            action = "delete",
            outcome = came.outcome,
            problem = came.problem,
            entryID = delete.id.as_str(),
            cluster = cluster(ledger.desired(), pod),
            podUID = pod.pod.as_str(),
            reason = delete.end.reason(),
            object = identity.map(|identity| format!("WorkloadIdentity/{identity}")),
            generation = identity.and_then(|identity| ledger.desired().generation(identity)),
            before.key = before.key,
            before.content = before.content,
            "audit"
        );
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

/// What the book keeps of an entry: digests.
struct Before {
    key: Option<String>,
    content: Option<String>,
}

impl Before {
    fn of(ledger: &Ledger, id: &EntryId) -> Self {
        let row = ledger.mirror().row(id);
        Self {
            key: row.map(|row| row.key.to_string()),
            content: row.and_then(|row| row.content).map(|content| content.to_string()),
        }
    }
}

fn cluster(desired: &Desired, pod: &PodKey) -> String {
    let name = desired.cluster_name(&pod.cluster);
    name.map_or_else(|| pod.cluster.to_string(), ToString::to_string)
}

/// The identity that the entry was made for, where it is known.
fn made_for<'a>(ledger: &'a Ledger, pod: &PodKey, id: &EntryId) -> Option<&'a IdentityName> {
    let place = ledger.mirror().row(id)?.place.as_ref()?;
    ledger.desired().identity_of(&pod.pod, &place.digest).map(|(name, _)| name)
}

/// A JSON array: a selector's value may have any separator in it.
fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let texts = items.into_iter().map(|item| serde_json::Value::from(item.to_string()));
    serde_json::Value::Array(texts.collect()).to_string()
}
