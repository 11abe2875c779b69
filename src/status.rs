//! Tells the report on the objects themselves: status and our finalizer, by server-side apply, only what changed; what
//! became another of conditions is handed on as Events.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::core::Request;
use kube::{Client, Resource, ResourceExt};
use registrar_core::api::{
    EKSClusterRegistry, EKSClusterRegistryStatus, FINALIZER, RECONCILE_ANNOTATION, WorkloadIdentity,
    WorkloadIdentityStats, WorkloadIdentityStatus, has_finalizer, is_being_deleted, reconcile_request,
};
use registrar_core::report::{ConditionReport, Finalizer, IdentityReport, RegistryReport, Report};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::events::{self, Teller};
use crate::leader::Lead;

/// Who owns what is applied.
const FIELD_MANAGER: &str = "spire-eks-workload-registrar";
/// How many objects are written at once.
const AT_ONCE: usize = 8;
/// How soon objects are tried again that could not be written.
const RETRY: Duration = Duration::from_secs(5);
const CALL_TIME: Duration = Duration::from_secs(20);
/// How soon an object is written again: however much happens, its watchers hear of it no more often.
const APART: Duration = Duration::from_secs(1);
/// How soon one is written again of which nothing but counts is another; and how long entries are still to be written before
/// that is told. With each pod that comes or goes, counts are others: telling them costs more than the pod's entry.
const COUNTS_APART: Duration = Duration::from_secs(5);

/// A kind whose status is ours.
trait Told:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize + Send + Sync + 'static
{
    /// Its status.
    type Status: Serialize + PartialEq + Clone + Send;
    /// What is told of it.
    type Report;
    fn object(report: &Self::Report) -> &Arc<Self>;
    fn finalizer(report: &Self::Report) -> Finalizer;
    /// The number of the full reconciliation that it asks for.
    fn request(report: &Self::Report) -> Option<u64>;
    fn told(&self) -> Option<&Self::Status>;
    fn conditions(status: &Self::Status) -> &[Condition];
    fn status(report: &Self::Report, now: Timestamp) -> Self::Status;
    /// What neither conditions nor counts of it are, nor the time when it was last in step.
    fn rest(status: &Self::Status) -> Self::Status;
    /// Whether it holds for the version of the object that it was made of alone, because what we do depends on it.
    fn is_of_one_version(status: &Self::Status) -> bool;
}

impl Told for EKSClusterRegistry {
    type Status = EKSClusterRegistryStatus;
    type Report = RegistryReport;

    fn object(report: &RegistryReport) -> &Arc<Self> {
        &report.object
    }
    fn finalizer(report: &RegistryReport) -> Finalizer {
        report.finalizer
    }
    fn request(report: &RegistryReport) -> Option<u64> {
        report.request
    }
    fn told(&self) -> Option<&Self::Status> {
        self.status.as_ref()
    }
    fn conditions(status: &Self::Status) -> &[Condition] {
        &status.conditions
    }
    fn status(report: &RegistryReport, now: Timestamp) -> Self::Status {
        let before = report.object.status.as_ref().map(|status| status.conditions.as_slice());
        EKSClusterRegistryStatus {
            observed_generation: report.object.meta().generation,
            last_sync: report.last_sync.and_then(whole_seconds),
            cluster_arn: report.identity.as_ref().map(|identity| identity.arn.clone()),
            cluster_uid: report.identity.as_ref().map(|identity| identity.uid.clone()),
            conditions: conditions(&*report.object, &report.conditions, before.unwrap_or_default(), now),
            namespaces_count: report.namespaces,
            entries_registered: report.entries,
        }
    }
    fn rest(status: &EKSClusterRegistryStatus) -> EKSClusterRegistryStatus {
        EKSClusterRegistryStatus {
            conditions: Vec::new(),
            last_sync: None,
            namespaces_count: 0,
            entries_registered: 0,
            ..status.clone()
        }
    }
    fn is_of_one_version(_: &Self::Status) -> bool {
        false
    }
}

impl Told for WorkloadIdentity {
    type Status = WorkloadIdentityStatus;
    type Report = IdentityReport;

    fn object(report: &IdentityReport) -> &Arc<Self> {
        &report.object
    }
    fn finalizer(report: &IdentityReport) -> Finalizer {
        report.finalizer
    }
    fn request(report: &IdentityReport) -> Option<u64> {
        report.request
    }
    fn told(&self) -> Option<&Self::Status> {
        self.status.as_ref()
    }
    fn conditions(status: &Self::Status) -> &[Condition] {
        &status.conditions
    }
    fn status(report: &IdentityReport, now: Timestamp) -> Self::Status {
        let before = report.object.status.as_ref().map(|status| status.conditions.as_slice());
        WorkloadIdentityStatus {
            observed_generation: report.object.meta().generation,
            stats: report.stats,
            conditions: conditions(&*report.object, &report.conditions, before.unwrap_or_default(), now),
            last_reconciliation: report.last_reconciliation.and_then(whole_seconds),
            rollout: report.rollout.as_ref().and_then(|rollout| rollout.status.clone()),
        }
    }
    fn rest(status: &WorkloadIdentityStatus) -> WorkloadIdentityStatus {
        WorkloadIdentityStatus {
            conditions: Vec::new(),
            last_reconciliation: None,
            stats: WorkloadIdentityStats::default(),
            ..status.clone()
        }
    }
    fn is_of_one_version(status: &Self::Status) -> bool {
        // Whoever has seen an older one would take clusters back.
        status.rollout.is_some()
    }
}

/// What the status writer is connected to.
#[derive(Debug)]
pub struct Ends {
    /// From the index.
    pub reports: watch::Receiver<Arc<Report>>,
    /// From the writer: the number of the last full reconciliation among those that were asked for that is done.
    pub reconciled: watch::Receiver<u64>,
    /// Until when this replica may write; none while it does not lead.
    pub leading: watch::Receiver<Option<Lead>>,
    /// To the writer of Events.
    pub events: mpsc::Sender<events::Told>,
}

/// Writes until `shutdown`, or until the index ends; only while this replica leads.
pub async fn run(client: Client, mut ends: Ends, shutdown: CancellationToken) {
    let mut registries = Writer::<EKSClusterRegistry>::new(client.clone(), ends.events.clone());
    let mut identities = Writer::<WorkloadIdentity>::new(client, ends.events.clone());
    loop {
        let (mut any_written, mut all_written, mut next) = (false, true, None);
        let begun = Instant::now();
        let leads = ends.leading.borrow_and_update().is_some_and(|lead| lead.holds());
        let report = ends.reports.borrow_and_update().clone();
        let reconciled = *ends.reconciled.borrow_and_update();
        if leads {
            let written = async {
                tokio::join!(
                    registries.write(report.registries.values(), reconciled),
                    identities.write(report.identities.values(), reconciled),
                )
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                (registries, identities) = written => {
                    any_written = registries.any || identities.any;
                    all_written = registries.all && identities.all;
                    next = [registries.next, identities.next].into_iter().flatten().min();
                }
            }
            registries.tell_due();
            identities.tell_due();
        } else {
            registries.teller.forget();
            identities.teller.forget();
        }
        if any_written {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep_until((begun + APART).into()) => {}
            }
        }
        let told_at = registries.teller.next_at().into_iter().chain(identities.teller.next_at()).min();
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = ends.reports.changed() => if changed.is_err() { return },
            changed = ends.reconciled.changed() => if changed.is_err() { return },
            () = begins_to_lead(&mut ends.leading), if !leads => {}
            () = tokio::time::sleep(RETRY), if !all_written => {}
            () = tokio::time::sleep_until(next.unwrap_or(begun).into()), if next.is_some() => {}
            () = tokio::time::sleep_until(told_at.unwrap_or(begun).into()), if told_at.is_some() => {}
        }
    }
}

/// Ends when this replica begins to lead; each renewal of the lease is no news.
async fn begins_to_lead(leading: &mut watch::Receiver<Option<Lead>>) {
    let leads = |lead: &Option<Lead>| lead.is_some_and(|lead| lead.holds());
    if leading.wait_for(leads).await.is_err() {
        // Nobody will ever lead again: the process is ending, which its other tasks tell.
        std::future::pending::<()>().await;
    }
}

/// Writes one kind.
struct Writer<K: Told> {
    api: Api<K>,
    /// What was last applied, and to which version of the object: until another is seen, it need not be said again.
    applied: BTreeMap<String, Applied<K::Status>>,
    /// Since when each object is told as in step and has entries still to be written.
    writing: BTreeMap<String, Instant>,
    /// The last request of each object that was answered: it is still seen for a while.
    answered: BTreeMap<String, u64>,
    /// Objects whose failure was told.
    failing: BTreeMap<String, String>,
    /// What was told of each object as Events.
    teller: Teller,
    events: mpsc::Sender<events::Told>,
}

/// What was last applied to one object.
struct Applied<S> {
    /// The version that it was applied to.
    version: Option<String>,
    status: S,
    at: Instant,
}

/// What came of one round over all objects.
struct Round {
    /// Whether anything was to be written.
    any: bool,
    /// Whether everything was written that was to be.
    all: bool,
    /// When something is to be written that was not yet.
    next: Option<Instant>,
}

/// What there is to write on one object.
struct Writing<K: Told> {
    object: Arc<K>,
    status: Option<K::Status>,
    finalizers: Option<Vec<&'static str>>,
    /// The number of a request that is done.
    answer: Option<u64>,
}

impl<K: Told> Writer<K> {
    fn new(client: Client, events: mpsc::Sender<events::Told>) -> Self {
        Self {
            api: Api::all(client),
            applied: BTreeMap::new(),
            writing: BTreeMap::new(),
            answered: BTreeMap::new(),
            failing: BTreeMap::new(),
            teller: Teller::default(),
            events,
        }
    }

    /// Writes what differs, save what can be told later, and takes away requests up to the one numbered `reconciled`.
    async fn write(&mut self, reports: impl Iterator<Item = &K::Report>, reconciled: u64) -> Round {
        let (now, instant) = (Timestamp::now(), Instant::now());
        let mut next = None;
        let (mut names, mut uids) = (Vec::new(), BTreeSet::new());
        let mut open = Vec::new();
        for report in reports {
            let object = K::object(report);
            names.push(object.name_any());
            uids.extend(object.uid());
            let status = K::status(report, now);
            let finalizers = finalizers(&**object, K::finalizer(report));
            // Setting the finalizer makes another version, which is heard of soon.
            let comes_again = finalizers.is_some() && K::is_of_one_version(&status);
            let answered = self.answered.get(&object.name_any());
            let answer =
                K::request(report).filter(|request| *request <= reconciled && answered != Some(request));
            let due = self.due(object, &status, instant).filter(|_| !comes_again);
            // Where the object is written anyway, all of it is told.
            let is_due = due.is_some_and(|due| due <= instant) || finalizers.is_some() || answer.is_some();
            if !is_due {
                next = next.into_iter().chain(due).min();
            }
            let status = due.is_some_and(|_| is_due).then_some(status);
            let writing = Writing { object: object.clone(), status, finalizers, answer };
            if writing.status.is_some() || writing.finalizers.is_some() || writing.answer.is_some() {
                open.push(writing);
            }
        }
        self.applied.retain(|name, _| names.contains(name));
        self.writing.retain(|name, _| names.contains(name));
        self.answered.retain(|name, _| names.contains(name));
        self.failing.retain(|name, _| names.contains(name));
        self.teller.retain(|uid| uids.contains(uid));
        let any = !open.is_empty();
        let api = &self.api;
        let written = futures::stream::iter(open).map(|writing| async move {
            let result = tokio::time::timeout(CALL_TIME, write_one(api, &writing)).await;
            let late = |_| Err(NotWritten::Failed(format!("no answer within {CALL_TIME:?}")));
            let result = result.unwrap_or_else(late);
            (writing, result)
        });
        let written: Vec<(Writing<K>, Result<(), NotWritten>)> =
            written.buffer_unordered(AT_ONCE).collect().await;
        let mut all_written = true;
        for (writing, result) in written {
            let name = writing.object.name_any();
            match result {
                Ok(()) => {
                    self.failing.remove(&name);
                    if let Some(status) = writing.status {
                        self.tell(&writing.object, &status);
                        let version = writing.object.resource_version();
                        self.applied.insert(name.clone(), Applied { version, status, at: Instant::now() });
                    }
                    if let Some(request) = writing.answer {
                        let asked = reconcile_request(&*writing.object).map_or("", String::as_str);
                        let told = events::reconciled(writing.object.object_ref(&()), asked);
                        self.hand_on(vec![told]);
                        self.answered.insert(name, request);
                    }
                }
                Err(NotWritten::Superseded) => all_written = false,
                Err(NotWritten::Failed(error)) => {
                    all_written = false;
                    if self.failing.get(&name) != Some(&error) {
                        warn!(kind = %K::kind(&()), name, error, "cannot write the object's status or finalizer; trying again");
                        self.failing.insert(name, error);
                    }
                }
            }
        }
        Round { any, all: all_written, next }
    }

    /// When this status is to be written; none where it is told.
    fn due(&mut self, object: &K, status: &K::Status, now: Instant) -> Option<Instant> {
        let name = object.name_any();
        let last = self.applied.get(&name);
        // What was applied is what is told, until another version of the object is seen.
        let applied = last.filter(|last| last.version == object.resource_version());
        let told = applied.map(|last| &last.status).or(object.told());
        let difference = difference::<K>(told, status);
        let since = match difference {
            Difference::Writing => Some(*self.writing.entry(name).or_insert(now)),
            _ => {
                self.writing.remove(&name);
                None
            }
        };
        match difference {
            Difference::None => None,
            Difference::Counts | Difference::Writing => {
                let last = last.map(|last| last.at).max(since);
                Some(last.map_or(now, |last| last + COUNTS_APART))
            }
            Difference::More => Some(now),
        }
    }

    /// Hands out what of it is an Event.
    fn tell(&mut self, object: &K, status: &K::Status) {
        let before = object.told().map(K::conditions).unwrap_or_default();
        let told = self.teller.tell(&object.object_ref(&()), before, K::conditions(status), Instant::now());
        self.hand_on(told);
    }

    /// Hands out what was to wait and whose time has come.
    fn tell_due(&mut self) {
        let told = self.teller.due(Instant::now());
        self.hand_on(told);
    }

    fn hand_on(&self, told: Vec<events::Told>) {
        let Some(first) = told.first() else { return };
        let (name, count) = (first.about().to_owned(), told.len());
        let left_out = told.into_iter().filter_map(|event| self.events.try_send(event).err()).count();
        if left_out > 0 {
            warn!(kind = %K::kind(&()), name, left_out, count, "too many Events wait: some are left out");
        }
    }
}

/// What is another in a status than what is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    None,
    /// Counts, and what conditions that are as they should be say of them.
    Counts,
    /// Entries are still to be written where all was in step; mostly so for a moment.
    Writing,
    /// Anything else.
    More,
}

fn difference<K: Told>(told: Option<&K::Status>, now: &K::Status) -> Difference {
    let Some(told) = told else { return Difference::More };
    if told == now {
        return Difference::None;
    }
    let (before, after) = (K::conditions(told), K::conditions(now));
    if K::rest(told) != K::rest(now) || before.len() != after.len() {
        return Difference::More;
    }
    let mut difference = Difference::Counts;
    for (was, is) in before.iter().zip(after) {
        let is_writing = is.reason == "Writing";
        let is_same = (&was.type_, &was.status, &was.reason) == (&is.type_, &is.status, &is.reason);
        if is_same && (was.message == is.message || is.status == "True" || is_writing) {
            continue;
        }
        if was.type_ != is.type_ || was.reason != "InStep" || !is_writing {
            return Difference::More;
        }
        difference = Difference::Writing;
    }
    difference
}

/// The finalizers that we have to own, where they are others than now.
fn finalizers<K: Resource>(object: &K, wanted: Finalizer) -> Option<Vec<&'static str>> {
    match (is_being_deleted(object), has_finalizer(object), wanted) {
        // Kubernetes takes no new finalizer on an object that is being deleted.
        (false, false, _) => Some(vec![FINALIZER]),
        (true, true, Finalizer::Release) => Some(Vec::new()),
        _ => None,
    }
}

/// Why something was not written.
enum NotWritten {
    /// The object is another by now, and what was to be told is made anew of that.
    Superseded,
    /// It failed.
    Failed(String),
}

async fn write_one<K: Told>(api: &Api<K>, writing: &Writing<K>) -> Result<(), NotWritten> {
    let name = writing.object.name_any();
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    // With the uid, an object that is gone is not made anew by this.
    let metadata = json!({"name": name, "uid": writing.object.uid()});
    let part = |metadata: Value, rest: Value| {
        let mut object =
            json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": metadata});
        if let (Value::Object(object), Value::Object(rest)) = (&mut object, rest) {
            object.extend(rest);
        }
        object
    };
    let set_finalizers = async |finalizers: &[&str]| {
        let mut metadata = metadata.clone();
        if let Value::Object(metadata) = &mut metadata {
            metadata.insert("finalizers".to_owned(), json!(finalizers));
        }
        let object = part(metadata, json!({}));
        ignore_gone(api.patch(&name, &parameters, &Patch::Apply(&object)).await)?;
        let done =
            if finalizers.is_empty() { "nothing of it is left in SPIRE: released" } else { "finalizer set" };
        info!(kind = %K::kind(&()), name, "{done}");
        Ok::<(), NotWritten>(())
    };
    // Set before anything is told of the object; gone after everything is, since there may be no object then.
    let (first, last) = match &writing.finalizers {
        Some(finalizers) if finalizers.is_empty() => (None, Some(finalizers)),
        finalizers => (finalizers.as_ref(), None),
    };
    if let Some(finalizers) = first {
        set_finalizers(finalizers).await?;
    }
    if let Some(status) = &writing.status {
        let mut metadata = metadata.clone();
        if let Value::Object(metadata) = &mut metadata
            && K::is_of_one_version(status)
        {
            metadata.insert("resourceVersion".to_owned(), json!(writing.object.resource_version()));
        }
        let status = part(metadata, json!({"status": status}));
        match apply_status(api, &name, &parameters, &status).await {
            Err(kube::Error::Api(status)) if status.code == 409 => return Err(NotWritten::Superseded),
            written => ignore_gone(written)?,
        }
    }
    // One that is about to be gone needs no answer.
    if writing.answer.is_some() && last.is_none() {
        answer(api, &writing.object).await?;
    }
    if let Some(finalizers) = last {
        set_finalizers(finalizers).await?;
    }
    Ok(())
}

/// Nothing is read of the answer, which is the whole object: the watch tells that.
async fn apply_status<K: Told>(
    api: &Api<K>,
    name: &str,
    parameters: &PatchParams,
    status: &Value,
) -> kube::Result<()> {
    let request = Request::new(api.resource_url());
    let request = request.patch_subresource("status", name, parameters, &Patch::Apply(status));
    let request = request.map_err(kube::Error::BuildRequest)?;
    api.clone().into_client().request::<IgnoredAny>(request).await.map(drop)
}

/// Takes the request for a full reconciliation away, unless it is another by now.
async fn answer<K: Told>(api: &Api<K>, object: &K) -> Result<(), NotWritten> {
    let name = object.name_any();
    let path = format!("/metadata/annotations/{RECONCILE_ANNOTATION}");
    let patch = json!([
        {"op": "test", "path": "/metadata/uid", "value": object.uid()},
        {"op": "test", "path": &path, "value": reconcile_request(object)},
        {"op": "remove", "path": &path},
    ]);
    let patch = serde_json::from_value(patch).map_err(|error| NotWritten::Failed(error.to_string()))?;
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch(&name, &parameters, &Patch::Json::<K>(patch)).await {
        // So a test that fails is answered.
        Err(kube::Error::Api(status)) if status.code == 422 => return Err(NotWritten::Superseded),
        written => ignore_gone(written)?,
    }
    info!(kind = %K::kind(&()), name, "the full reconciliation that was asked for is done");
    Ok(())
}

/// An object that is gone, or another of its name, needs nothing of us.
fn ignore_gone<T>(result: Result<T, kube::Error>) -> Result<(), NotWritten> {
    match result {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(NotWritten::Failed(error.to_string())),
    }
}

/// Conditions with their times: a condition keeps its last transition while its status stays the same.
fn conditions<K: Resource>(
    object: &K,
    now: &[ConditionReport],
    before: &[Condition],
    time: Timestamp,
) -> Vec<Condition> {
    let each = now.iter().map(|condition| {
        let status = condition.status.as_str();
        let was = before.iter().find(|was| was.type_ == condition.kind && was.status == status);
        let since = was.map(|was| was.last_transition_time.clone());
        Condition {
            type_: condition.kind.to_owned(),
            status: status.to_owned(),
            reason: condition.reason.to_owned(),
            message: condition.message.clone(),
            observed_generation: object.meta().generation,
            last_transition_time: since.or_else(|| whole_seconds(time)).unwrap_or(Time(time)),
        }
    });
    each.collect()
}

/// Kubernetes keeps times to the second; a finer one would never equal what comes back.
fn whole_seconds(time: Timestamp) -> Option<Time> {
    Timestamp::from_second(time.as_second()).ok().map(Time)
}

#[cfg(test)]
mod tests {
    use kube::client::Body;
    use registrar_core::report::ConditionStatus;

    use super::*;

    fn object(value: Value) -> WorkloadIdentity {
        serde_json::from_value(value).unwrap()
    }

    fn named(metadata: Value) -> WorkloadIdentity {
        object(json!({"metadata": metadata,
            "spec": {"applicationName": "a", "namespace": "b", "spiffeIDTemplate": "c"}}))
    }

    #[test]
    fn the_finalizer_is_set_once_and_goes_when_nothing_is_left() {
        let plain = named(json!({"name": "a"}));
        let set = named(json!({"name": "a", "finalizers": [FINALIZER]}));
        let going = named(
            json!({"name": "a", "finalizers": [FINALIZER], "deletionTimestamp": "2026-01-01T00:00:00Z"}),
        );
        let late = named(json!({"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}));
        assert_eq!(finalizers(&plain, Finalizer::Keep), Some(vec![FINALIZER]));
        assert_eq!(finalizers(&set, Finalizer::Keep), None);
        assert_eq!(finalizers(&set, Finalizer::Release), None, "nobody asked for its deletion");
        assert_eq!(finalizers(&going, Finalizer::Keep), None);
        assert_eq!(finalizers(&going, Finalizer::Release), Some(Vec::new()));
        assert_eq!(finalizers(&late, Finalizer::Release), None);
    }

    #[test]
    fn counts_can_be_told_later_and_nothing_else() {
        let condition = |kind: &str, status: &str, reason: &str, message: &str| {
            json!({"type": kind, "status": status, "reason": reason, "message": message,
                "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let valid = condition("Valid", "True", "Valid", "The spec can be used.");
        let status = |entries: u64, more: Value, ready: Value| -> WorkloadIdentityStatus {
            let mut status = json!({"observedGeneration": 1, "conditions": [valid.clone(), ready],
                "lastReconciliation": format!("2026-01-01T00:00:0{entries}Z"),
                "stats": {"clustersTargeted": 1, "namespacesFound": 1, "podsSelected": entries,
                    "entriesRegistered": entries, "entryFailures": 0}});
            status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value(status).unwrap()
        };
        let ready = |message| condition("Ready", "True", "InStep", message);
        let writing = |message| condition("Ready", "Unknown", "Writing", message);
        let failing = |message| condition("Ready", "False", "SPIRERefused", message);
        let plain = |entries, ready| status(entries, json!({}), ready);
        let rollout = json!({"rollout": {"stableSpec": {}, "updatedClusters": ["a"]}});
        let told = plain(1, ready("all"));
        for (told, now, expected) in [
            (&told, plain(1, ready("all")), Difference::None),
            (&told, plain(2, ready("all")), Difference::Counts),
            (&told, plain(2, ready("all, one of them masked")), Difference::Counts),
            (&told, plain(2, writing("one")), Difference::Writing),
            (&told, plain(1, failing("one")), Difference::More),
            (&told, plain(1, condition("Ready", "Unknown", "Listing", "")), Difference::More),
            (&told, status(1, json!({"observedGeneration": 2}), ready("all")), Difference::More),
            (&told, status(1, rollout, ready("all")), Difference::More),
            (&told, status(1, json!({"conditions": [valid]}), ready("")), Difference::More),
            (&plain(1, writing("one")), plain(1, writing("two")), Difference::Counts),
            (&plain(1, writing("one")), told.clone(), Difference::More),
            (&plain(1, failing("one")), plain(1, failing("two")), Difference::More),
            (&plain(1, failing("one")), plain(2, failing("one")), Difference::Counts),
            (&plain(1, failing("one")), plain(1, writing("one")), Difference::More),
        ] {
            let found = difference::<WorkloadIdentity>(Some(told), &now);
            assert_eq!(found, expected, "{now:?} after {told:?}");
        }
        assert_eq!(difference::<WorkloadIdentity>(None, &told), Difference::More);
        let registry = |entries: u64, reason: &str, uid: &str| -> EKSClusterRegistryStatus {
            let watching = format!("Watching {entries} pods in 1 namespace.");
            let ready = condition("Ready", "True", "Connected", &watching);
            let synced = condition("Synced", if reason == "InStep" { "True" } else { "Unknown" }, reason, "");
            serde_json::from_value(json!({"clusterUID": uid, "conditions": [ready, synced],
                "lastSync": format!("2026-01-01T00:00:0{entries}Z"), "namespacesCount": entries,
                "entriesRegistered": entries}))
            .unwrap()
        };
        let told = registry(1, "InStep", "a");
        for (now, expected) in [
            (registry(2, "InStep", "a"), Difference::Counts),
            (registry(2, "Writing", "a"), Difference::Writing),
            (registry(2, "InStep", "b"), Difference::More),
        ] {
            assert_eq!(difference::<EKSClusterRegistry>(Some(&told), &now), expected, "{now:?}");
        }
    }

    #[tokio::test]
    async fn what_can_be_told_later_waits_five_seconds_after_the_last_that_was_told() {
        let never = tower::service_fn(|_: http::Request<Body>| {
            std::future::pending::<Result<http::Response<Body>, std::convert::Infallible>>()
        });
        let (events, _kept) = mpsc::channel(1);
        let mut writer = Writer::<WorkloadIdentity>::new(Client::new(never, "default"), events);
        let status = |entries: u64, reason: &str| -> WorkloadIdentityStatus {
            let ready = json!({"type": "Ready", "status": if reason == "InStep" { "True" } else { "Unknown" },
                "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
            let stats = json!({"clustersTargeted": 1, "namespacesFound": 1, "podsSelected": entries,
                "entriesRegistered": entries, "entryFailures": 0});
            serde_json::from_value(json!({"stats": stats, "conditions": [ready]})).unwrap()
        };
        let told = status(1, "InStep");
        let mut object = named(json!({"name": "a", "resourceVersion": "2"}));
        object.status = Some(told.clone());
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let due = |writer: &mut Writer<_>, status: &WorkloadIdentityStatus, seconds| {
            writer.due(&object, status, at(seconds)).map(|due| (due - begin).as_secs())
        };
        // Nothing was told for a long time: a pod that comes alone is told at once.
        assert_eq!(due(&mut writer, &status(2, "InStep"), 7), Some(7));
        let applied = Applied { version: Some("1".to_owned()), status: told.clone(), at: at(7) };
        writer.applied.insert("a".to_owned(), applied);
        assert_eq!(due(&mut writer, &told, 8), None);
        assert_eq!(due(&mut writer, &status(2, "InStep"), 8), Some(12));
        assert_eq!(due(&mut writer, &status(2, "Listing"), 8), Some(8));
        // A moment of writing is not told, a long one is.
        assert_eq!(due(&mut writer, &status(2, "Writing"), 20), Some(25));
        assert_eq!(due(&mut writer, &told, 21), None);
        assert_eq!(due(&mut writer, &status(2, "Writing"), 22), Some(27));
        assert_eq!(due(&mut writer, &status(3, "Writing"), 24), Some(27));
        // What was applied to the version that is seen is told, whatever that version says.
        let applied = Applied { version: Some("2".to_owned()), status: status(2, "Writing"), at: at(27) };
        writer.applied.insert("a".to_owned(), applied);
        assert_eq!(due(&mut writer, &status(2, "Writing"), 28), None);
        assert_eq!(due(&mut writer, &told, 28), Some(28));
    }

    #[test]
    fn a_condition_keeps_its_transition_while_its_status_stays() {
        let report = |status, message: &str| ConditionReport {
            kind: "Ready",
            status,
            reason: "InStep",
            message: message.to_owned(),
        };
        let at = |second| Timestamp::from_second(second).unwrap();
        let object = named(json!({"name": "a", "generation": 3}));
        let first = conditions(&object, &[report(ConditionStatus::True, "one")], &[], at(1));
        let second = conditions(&object, &[report(ConditionStatus::True, "two")], &first, at(2));
        let third = conditions(&object, &[report(ConditionStatus::False, "three")], &second, at(3));
        let times: Vec<Timestamp> = [&first, &second, &third].map(|it| it[0].last_transition_time.0).to_vec();
        assert_eq!(times, [at(1), at(1), at(3)]);
        assert_eq!((second[0].message.as_str(), second[0].observed_generation), ("two", Some(3)));
    }
}
