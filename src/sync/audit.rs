//! The audit record: one event of target `audit` for each entry that a call was to write, with what it was, what it is to
//! be, what caused that, and what came of it.

use registrar_core::desired::{Desired, PodKey};
use registrar_core::entry::{Entry, EntryId};
use registrar_core::ledger::Ledger;
use registrar_core::names::IdentityName;
use registrar_core::plan::{Delete, Write};
use tracing::{Level, enabled, info};

use crate::spire::SpireError;

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

    /// Nobody can say: SPIRE is asked before anything else is written.
    pub(super) fn unknown(problem: &'a str) -> Self {
        Self { outcome: "Unknown", problem: Some(problem) }
    }
}

/// Whether anybody listens: otherwise nothing is put together.
pub(super) fn is_on() -> bool {
    enabled!(target: "audit", Level::INFO)
}

/// An entry was to be created or updated. The book still knows what was there before.
pub(super) fn write(
    ledger: &Ledger,
    action: &str,
    pod: &PodKey,
    write: &Write,
    entry: &Entry,
    came: &Came<'_>,
) {
    if !is_on() {
        return;
    }
    let before = Before::of(ledger, &write.id);
    let identity = &write.wanted.identity;
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
pub(super) fn delete(ledger: &Ledger, pod: &PodKey, delete: &Delete, came: &Came<'_>) {
    if !is_on() {
        return;
    }
    let (before, identity) = (Before::of(ledger, &delete.id), made_for(ledger, pod, &delete.id));
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
pub(super) fn lost(error: &SpireError, each: impl FnOnce(&Came<'_>)) {
    if !is_on() {
        return;
    }
    let problem = error.to_string();
    match error {
        SpireError::Answer { .. } => each(&Came::unknown(&problem)),
        SpireError::Refuse { .. } => each(&Came::refused(&problem)),
        SpireError::Locate { .. } | SpireError::Connect { .. } | SpireError::Send { .. } => {}
    }
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
