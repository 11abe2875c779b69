//! What is told on the objects that users write: conditions and counts, made from what the index and the writer know.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use crate::api::{
    ACCEPT_CLUSTER_ANNOTATION, EKSClusterRegistry, Problem, WorkloadIdentity, WorkloadIdentityStats, told,
};
use crate::brake::Held;
use crate::desired::{ClusterStanding, Hold, IdentityStanding};
use crate::facts::{ClusterIdentity, Phase};
use crate::index::{IdentityView, Index, RegistryView};
use crate::ledger::{Outcome, Tally};
use crate::names::{ClusterName, IdentityName};
use crate::plugin::PluginState;
use crate::reasons::{self, Stage};
use crate::rollout::{RolloutReport, Standing};

/// A condition's `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionStatus {
    /// `True`.
    True,
    /// `False`.
    False,
    /// `Unknown`.
    Unknown,
}

impl ConditionStatus {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A condition without its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionReport {
    /// `type`, such as `Ready`.
    pub kind: &'static str,
    /// `status`.
    pub status: ConditionStatus,
    /// `reason`: a fixed CamelCase word.
    pub reason: &'static str,
    /// `message`, for people.
    pub message: String,
}

/// What is to be done about our finalizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finalizer {
    /// The object has to carry it.
    Keep,
    /// The object is being deleted and nothing of it is left in SPIRE: it may go.
    Release,
}

/// What is told on one `EKSClusterRegistry`.
#[derive(Debug, Clone, PartialEq)]
pub struct RegistryReport {
    /// The object as last seen.
    pub object: Arc<EKSClusterRegistry>,
    /// Conditions in their order.
    pub conditions: Vec<ConditionReport>,
    /// `clusterARN`, `clusterUID`.
    pub identity: Option<ClusterIdentity>,
    /// Number of objects known, by kind.
    pub objects: [(&'static str, usize); 3],
    /// `namespacesCount`.
    pub namespaces: u64,
    /// `entriesRegistered`.
    pub entries: u64,
    /// `lastSync`.
    pub last_sync: Option<Timestamp>,
    /// Our finalizer.
    pub finalizer: Finalizer,
    /// The number of the full reconciliation that the object asks for; none where it asks for none.
    pub request: Option<u64>,
}

/// What is told on one `WorkloadIdentity`.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentityReport {
    /// The object as last seen.
    pub object: Arc<WorkloadIdentity>,
    /// Conditions in their order.
    pub conditions: Vec<ConditionReport>,
    /// `stats`.
    pub stats: WorkloadIdentityStats,
    /// Number of pods whose entry does not come out right, by the reason.
    pub failing: BTreeMap<&'static str, u64>,
    /// `lastReconciliation`.
    pub last_reconciliation: Option<Timestamp>,
    /// With `spec.rollout`: where it stands.
    pub rollout: Option<RolloutReport>,
    /// Our finalizer.
    pub finalizer: Finalizer,
    /// The number of the full reconciliation that the object asks for; none where it asks for none.
    pub request: Option<u64>,
}

/// What is told on all objects.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// By object name.
    pub registries: BTreeMap<ClusterName, RegistryReport>,
    /// By object name.
    pub identities: BTreeMap<IdentityName, IdentityReport>,
}

impl Report {
    /// What is to be told now. `rollouts` is what was decided of them; `previous` is the last report, from which the times of
    /// what did not change are kept.
    pub fn make(
        index: &Index,
        outcome: &Outcome,
        mut rollouts: BTreeMap<IdentityName, RolloutReport>,
        previous: &Self,
        now: Timestamp,
    ) -> Self {
        let registries = index.registries().map(|view| {
            let report = registry(&view, outcome, previous.registries.get(view.name), now);
            (view.name.clone(), report)
        });
        let identities = index.identities().map(|view| {
            let rollout = rollouts.remove(view.name);
            let report = identity(&view, outcome, rollout, previous.identities.get(view.name), now);
            (view.name.clone(), report)
        });
        Self { registries: registries.collect(), identities: identities.collect() }
    }
}

fn registry(
    view: &RegistryView<'_>,
    outcome: &Outcome,
    previous: Option<&RegistryReport>,
    now: Timestamp,
) -> RegistryReport {
    let none = Tally::default();
    let tally = outcome.clusters.get(view.name).unwrap_or(&none);
    let is_synced = matches!(view.standing, ClusterStanding::Synced { .. });
    let mut report = RegistryReport {
        object: view.object.clone(),
        conditions: [
            valid(view.problems, &[]),
            connected(view),
            credentials_valid(view),
            reachable(view),
            synced(view, tally, outcome),
            objects_readable(view),
        ]
        .into_iter()
        .chain(stalled(view.problems))
        .chain(within_budgets(outcome.braked_clusters.get(view.name), outcome))
        .chain(entries_known(view.name, outcome))
        .collect(),
        identity: view.identity.cloned(),
        objects: [("pods", view.pods), ("nodes", view.nodes), ("namespaces", view.namespaces)],
        namespaces: view.namespaces as u64,
        entries: tally.in_place,
        last_sync: None,
        finalizer: if outcome.released_clusters.contains(view.name) {
            Finalizer::Release
        } else {
            Finalizer::Keep
        },
        request: view.request,
    };
    let same = |before: &RegistryReport| {
        let object = view.object.clone();
        RegistryReport { last_sync: None, object, request: view.request, ..before.clone() } == report
    };
    let told = view.object.status.as_ref().and_then(|status| status.last_sync.clone());
    report.last_sync = last_time(
        is_synced && tally.pending == 0 && tally.failing == 0,
        previous.filter(|before| same(before)).and_then(|before| before.last_sync),
        previous.and_then(|before| before.last_sync).or(told.map(|Time(time)| time)),
        outcome,
        now,
    );
    report
}

fn identity(
    view: &IdentityView<'_>,
    outcome: &Outcome,
    rollout: Option<RolloutReport>,
    previous: Option<&IdentityReport>,
    now: Timestamp,
) -> IdentityReport {
    let none = Tally::default();
    let tally = outcome.identities.get(view.name).unwrap_or(&none);
    let ready = in_step(view, tally, rollout.as_ref(), outcome);
    let mut report = IdentityReport {
        object: view.object.clone(),
        conditions: [valid(view.problems, view.notes), ready.clone()]
            .into_iter()
            .chain(stalled(view.problems))
            .chain(rollout.as_ref().map(rolled_out))
            .chain(plugin_loaded(view))
            .chain(within_budgets(outcome.braked_identities.get(view.name), outcome))
            .chain(undisturbed(view.name, outcome))
            .collect(),
        failing: view.failing_by.clone(),
        stats: WorkloadIdentityStats {
            clusters_targeted: view.clusters_targeted as u64,
            namespaces_found: view.namespaces_found as u64,
            pods_selected: view.pods_selected,
            entries_registered: tally.in_place,
            entry_failures: view.failing + tally.failing,
            pods_denied: view.denied,
            would_create: tally.would_create,
            would_update: tally.would_update,
            would_delete: tally.would_delete,
        },
        rollout,
        last_reconciliation: None,
        finalizer: if outcome.released_identities.contains(view.name) {
            Finalizer::Release
        } else {
            Finalizer::Keep
        },
        request: view.request,
    };
    let same = |before: &IdentityReport| {
        let object = view.object.clone();
        IdentityReport { last_reconciliation: None, object, request: view.request, ..before.clone() }
            == report
    };
    let told = view.object.status.as_ref().and_then(|status| status.last_reconciliation.clone());
    report.last_reconciliation = last_time(
        ready.status == ConditionStatus::True,
        previous.filter(|before| same(before)).and_then(|before| before.last_reconciliation),
        previous.and_then(|before| before.last_reconciliation).or(told.map(|Time(time)| time)),
        outcome,
        now,
    );
    report
}

/// When something was last in step: now where it has just changed or SPIRE was listed since, else as told before.
fn last_time(
    is_in_step: bool,
    unchanged_since: Option<Timestamp>,
    before: Option<Timestamp>,
    outcome: &Outcome,
    now: Timestamp,
) -> Option<Timestamp> {
    match (is_in_step && outcome.listed, unchanged_since) {
        (false, _) => before,
        (true, None) => Some(now),
        (true, Some(since)) => Some(outcome.listed_at.map_or(since, |listed| listed.max(since))),
    }
}

fn valid(problems: &[Problem], notes: &[Problem]) -> ConditionReport {
    match problems.first() {
        Some(first) => condition("Valid", ConditionStatus::False, first.reason, told(problems)),
        None if notes.is_empty() => {
            condition("Valid", ConditionStatus::True, "Valid", "The spec can be used.")
        }
        None => condition("Valid", ConditionStatus::True, "ValidWithNotes", told(notes)),
    }
}

/// For those who follow kstatus: Ready being False alone reads as progress, and a spec that cannot be used makes none.
fn stalled(problems: &[Problem]) -> Option<ConditionReport> {
    let first = problems.first()?;
    let message = "Valid is False: nothing goes on until the object is edited.".to_owned();
    Some(condition("Stalled", ConditionStatus::True, first.reason, message))
}

fn connected(view: &RegistryView<'_>) -> ConditionReport {
    let (status, reason, message) = match (view.standing, view.phase) {
        (ClusterStanding::Ended, _) => (
            ConditionStatus::False,
            "Deleting",
            "The registry is being deleted: its entries go first.".to_owned(),
        ),
        (ClusterStanding::Held(hold), None) => {
            let message = match view.problems.first() {
                Some(_) => "Valid is False: the cluster is not watched and its entries stay as they are.",
                None => "spec.enabled is false: the cluster is not watched and its entries stay as they are.",
            };
            (ConditionStatus::False, hold.reason(), message.to_owned())
        }
        (ClusterStanding::Synced { .. }, _) => {
            let (pods, namespaces) =
                (counted(view.pods as u64, "pod"), counted(view.namespaces as u64, "namespace"));
            let message = format!("Watching {pods} in {namespaces}.");
            match view.denied.first() {
                None => (ConditionStatus::True, "Connected", message),
                Some((kind, why)) => {
                    let next = reasons::next_step("PartialPermissions");
                    let message = format!("{message} But {kind} may not be read: {why}. {next}");
                    (ConditionStatus::True, "PartialPermissions", message)
                }
            }
        }
        // What is wrong is told in full once, by the condition that it belongs to.
        (_, Some(Phase::Unreachable { reason, .. })) => {
            let message = format!("{}; its entries stay as they are.", in_the_way(reason));
            (ConditionStatus::False, *reason, message)
        }
        (ClusterStanding::Held(Hold::AnotherCluster | Hold::SameCluster), _) => {
            let message = "Synced is False; its entries stay as they are.";
            (ConditionStatus::False, held_reason(view), message.to_owned())
        }
        _ => (
            ConditionStatus::Unknown,
            "Connecting",
            "The cluster is being connected to and listed.".to_owned(),
        ),
    };
    condition("Ready", status, reason, message)
}

/// The condition that a failure belongs to.
fn in_the_way(reason: &str) -> &'static str {
    match reasons::stage(reason) {
        Stage::Credentials => "CredentialsValid is False",
        Stage::Cluster => "ClusterReachable is False",
        Stage::Unknown => "CredentialsValid is Unknown",
    }
}

/// What a failure is told as, with the next step and what does not happen.
fn told_unreachable(reason: &str, message: &str) -> String {
    match reasons::next_step(reason) {
        "" => format!("{message}; its entries stay as they are."),
        next => format!("{}. {next} Until then its entries stay as they are.", message.trim_end_matches('.')),
    }
}

fn held_reason(view: &RegistryView<'_>) -> &'static str {
    match view.standing {
        ClusterStanding::Held(hold) => hold.reason(),
        _ => "Held",
    }
}

fn held_message(view: &RegistryView<'_>) -> String {
    let who = |identity: Option<&ClusterIdentity>| {
        identity.map_or_else(|| "unknown".to_owned(), |it| format!("{} with kube-system {}", it.arn, it.uid))
    };
    match (view.another, view.elder) {
        (Some(another), _) => format!(
            "The entries are of {}, and what answers now is {}. Nothing of it is taken in and the entries stay as they \
             are, until `kubectl annotate eksclusterregistry {} {ACCEPT_CLUSTER_ANNOTATION}={} --overwrite` says that it \
             takes the other's place.",
            who(view.identity),
            who(Some(another)),
            view.name,
            another.uid,
        ),
        (None, Some(elder)) => format!(
            "Registry {elder}, which is older, names the same cluster: this one does nothing and its entries stay as they \
             are. Delete one of the two."
        ),
        (None, None) => "The cluster is held; its entries stay as they are.".to_owned(),
    }
}

fn credentials_valid(view: &RegistryView<'_>) -> ConditionReport {
    let condition = |status, reason, message: String| condition("CredentialsValid", status, reason, message);
    match view.phase {
        Some(Phase::Unreachable { reason, message }) => match reasons::stage(reason) {
            Stage::Credentials => {
                condition(ConditionStatus::False, reason, told_unreachable(reason, message))
            }
            Stage::Unknown => condition(ConditionStatus::Unknown, reason, message.clone()),
            Stage::Cluster => {
                condition(ConditionStatus::True, "Valid", "AWS takes the credentials.".to_owned())
            }
        },
        Some(Phase::Live) => {
            condition(ConditionStatus::True, "Valid", "AWS and the API server take them.".to_owned())
        }
        Some(Phase::Connecting) => condition(ConditionStatus::Unknown, "Connecting", String::new()),
        None => condition(ConditionStatus::Unknown, "NotWatched", String::new()),
    }
}

fn reachable(view: &RegistryView<'_>) -> ConditionReport {
    let condition = |status, reason, message: String| condition("ClusterReachable", status, reason, message);
    match view.phase {
        Some(Phase::Unreachable { reason, message }) => match reasons::stage(reason) {
            Stage::Cluster => condition(ConditionStatus::False, reason, told_unreachable(reason, message)),
            Stage::Credentials | Stage::Unknown => {
                condition(ConditionStatus::Unknown, "CredentialsFirst", "See CredentialsValid.".to_owned())
            }
        },
        Some(Phase::Live) => {
            condition(ConditionStatus::True, "Reachable", "The API server answers.".to_owned())
        }
        Some(Phase::Connecting) => condition(ConditionStatus::Unknown, "Connecting", String::new()),
        None => condition(ConditionStatus::Unknown, "NotWatched", String::new()),
    }
}

fn synced(view: &RegistryView<'_>, tally: &Tally, outcome: &Outcome) -> ConditionReport {
    let condition = |status, reason, message: String| condition("Synced", status, reason, message);
    match view.standing {
        ClusterStanding::Held(Hold::AnotherCluster | Hold::SameCluster) => {
            condition(ConditionStatus::False, held_reason(view), held_message(view))
        }
        ClusterStanding::Held(hold) => {
            let why = match view.phase {
                Some(Phase::Unreachable { reason, .. }) => in_the_way(reason),
                _ if !view.problems.is_empty() => "Valid is False",
                Some(_) => "it is being connected to and listed",
                None => "spec.enabled is false",
            };
            let message = format!("The cluster is not watched: {why}. Its entries stay as they are.");
            condition(ConditionStatus::False, hold.reason(), message)
        }
        ClusterStanding::Ended => condition(ConditionStatus::False, "Deleting", "Its entries go.".to_owned()),
        ClusterStanding::Synced { .. } if !outcome.listed => condition(
            ConditionStatus::Unknown,
            "Listing",
            "SPIRE's entries have not been listed yet.".to_owned(),
        ),
        ClusterStanding::Synced { .. } if tally.failing > 0 => condition(
            ConditionStatus::False,
            "EntriesFailing",
            format!("{} entries are not in place: see the identities.", tally.failing),
        ),
        ClusterStanding::Synced { .. } if tally.pending > 0 => {
            let message = format!("{} entries are still to be written.", tally.pending);
            condition(ConditionStatus::Unknown, "Writing", message)
        }
        ClusterStanding::Synced { .. } => {
            condition(ConditionStatus::True, "InStep", "Every entry is in place.".to_owned())
        }
    }
}

fn objects_readable(view: &RegistryView<'_>) -> ConditionReport {
    match view.malformed.first() {
        None => {
            condition("ObjectsReadable", ConditionStatus::True, "Readable", "Every object could be read.")
        }
        Some((kind, object)) => {
            let count = view.malformed.len();
            let objects = counted(count as u64, "object");
            let message =
                format!("Cannot read {objects}, among them {kind} {}: {}", object.name, object.problem);
            condition("ObjectsReadable", ConditionStatus::False, "MalformedObjects", message)
        }
    }
}

/// Only while the brake holds something: of the object's own budget, or of that of everything.
fn within_budgets(own: Option<&Held>, outcome: &Outcome) -> Option<ConditionReport> {
    let held = own.or(outcome.braked_fleet.as_ref())?;
    Some(condition("WithinBudgets", ConditionStatus::False, "Braked", held.to_string()))
}

/// Where the identity's plugin stands; none where it has none.
fn plugin_loaded(view: &IdentityView<'_>) -> Option<ConditionReport> {
    let condition = |status, reason, message: String| condition("PluginLoaded", status, reason, message);
    let (used, state) = view.plugin?;
    let digest = used.plugin.digest;
    Some(match state {
        None => {
            let message = format!("{digest} is being fetched from {}, compiled and checked.", used.source);
            condition(ConditionStatus::Unknown, "Loading", message)
        }
        Some(PluginState::Failed(problems)) => {
            let kept =
                if used.falls_back { "pods get what the templates say" } else { "entries stay as they are" };
            let reason = problems.first().map_or("Loading", |problem| problem.reason);
            // A problem of fetching says from where itself.
            let source = used.source.to_string();
            let says_where = problems.iter().any(|problem| problem.message.starts_with(&source));
            let from = if says_where { String::new() } else { format!(" from {source}") };
            let message = format!("{digest}{from}: {}; {kept}.", told(problems));
            condition(ConditionStatus::False, reason, message)
        }
        Some(PluginState::Ready { description, note: None }) => {
            let message = format!("{description}, {digest}; it reads {}.", description.reads);
            condition(ConditionStatus::True, "Loaded", message)
        }
        Some(PluginState::Ready { description, note: Some(note) }) => condition(
            ConditionStatus::True,
            note.reason,
            format!("{description}, {digest}: {}", note.message),
        ),
    })
}

/// Only while entries of the cluster are of identities that nobody knows.
fn entries_known(name: &ClusterName, outcome: &Outcome) -> Option<ConditionReport> {
    let plan = outcome.orphans.iter().find(|plan| plan.cluster.as_ref() == Some(name))?;
    Some(condition("EntriesKnown", ConditionStatus::False, plan.cause.reason(), plan.to_string()))
}

/// Only while somebody else deletes the identity's entries again and again.
fn undisturbed(name: &IdentityName, outcome: &Outcome) -> Option<ConditionReport> {
    let vanishing = outcome.vanishing.get(name)?;
    Some(condition("Undisturbed", ConditionStatus::False, "DeletedByOthers", vanishing.to_string()))
}

/// Where the rollout of the last edit stands.
fn rolled_out(rollout: &RolloutReport) -> ConditionReport {
    let no = |reason, message: &String| condition("RolledOut", ConditionStatus::False, reason, message);
    match &rollout.standing {
        Standing::Complete => {
            condition("RolledOut", ConditionStatus::True, "Complete", "Every cluster has the spec.")
        }
        Standing::Progressing(message) => no("Progressing", message),
        Standing::Waiting(reason, message) => no(reason, message),
        Standing::Stopped(message) => no("Stopped", message),
    }
}

fn in_step(
    view: &IdentityView<'_>,
    tally: &Tally,
    rollout: Option<&RolloutReport>,
    outcome: &Outcome,
) -> ConditionReport {
    let no = |reason, message| condition("Ready", ConditionStatus::False, reason, message);
    let unknown = |reason, message| condition("Ready", ConditionStatus::Unknown, reason, message);
    if view.standing == IdentityStanding::Ended {
        return no("Deleting", "The identity is being deleted: its entries go first.".to_owned());
    }
    if let Some(first) = view.problems.first() {
        return no(first.reason, "The spec cannot be used; entries that stand stay as they are.".to_owned());
    }
    if view.standing == IdentityStanding::Preview {
        let Tally { would_create, would_update, would_delete, .. } = tally;
        let message = format!(
            "spec.preview is true: what it has stays as it is. It would create {would_create}, update {would_update} and delete {would_delete} entries."
        );
        return no("Preview", message);
    }
    if let Some((cluster, pod, problem)) = &view.example {
        let count = view.failing;
        return no(
            problem.reason,
            format!("No entry for {}, among them {pod} in {cluster}: {problem}", counted(count, "pod")),
        );
    }
    if let Some(problem) = outcome.examples.get(view.name) {
        let count = tally.failing;
        return no(
            problem.reason,
            format!("Not in place: {}, because (of one): {}", counted(count, "entry"), problem.message),
        );
    }
    if let Some(problem) = &outcome.unavailable {
        return unknown(problem.reason, problem.message.clone());
    }
    if !outcome.listed {
        return unknown("Listing", "SPIRE's entries have not been listed yet.".to_owned());
    }
    if view.not_synced > 0 {
        let (open, all) = (view.not_synced, view.clusters_targeted);
        return unknown(
            "ClustersNotReady",
            format!("Not connected: {open} of {all} clusters; see their conditions."),
        );
    }
    if view.waiting > 0 {
        let pods = counted(view.waiting, "pod");
        let asked = if view.plugin.is_some() { ", or for the plugin to decide" } else { "" };
        let message = format!("Waiting for the node or fields of {pods} to be listed{asked}.");
        return unknown("WaitingForFacts", message);
    }
    if let Some(held) = outcome.braked_identities.get(view.name) {
        return no("Braked", held.to_string());
    }
    // What the writer has not looked at yet is in none of its counts.
    let derived = view.pods_selected.saturating_sub(view.masked + view.waiting + view.failing + view.denied);
    let unseen = derived.saturating_sub(tally.in_place + tally.pending + tally.failing);
    if tally.pending + unseen > 0 {
        let entries = counted(tally.pending + unseen, "entry");
        return unknown("Writing", format!("Still to be written: {entries}."));
    }
    if rollout.is_some_and(|rollout| rollout.standing != Standing::Complete) {
        return unknown("RollingOut", "Not every cluster has the spec yet; see RolledOut.".to_owned());
    }
    let mut message = match view.masked {
        0 => "Every selected pod has its entry.".to_owned(),
        masked => format!(
            "Every selected pod has its entry, {masked} of them by another identity that declares the same."
        ),
    };
    if let Some((cluster, pod, why)) = &view.denied_example {
        let pods = counted(view.denied, "pod");
        message.push_str(&format!(
            " The plugin denies {pods} an identity, among them {pod} in {cluster}: {why}"
        ));
    }
    condition("Ready", ConditionStatus::True, "InStep", message)
}

/// `1 pod`, `2 pods`, `2 entries`.
fn counted(count: u64, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if count == 1 => format!("1 {noun}"),
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {noun}s"),
    }
}

fn condition(
    kind: &'static str,
    status: ConditionStatus,
    reason: &'static str,
    message: impl Into<String>,
) -> ConditionReport {
    ConditionReport { kind, status, reason, message: message.into() }
}
