//! What pods would come to have if some objects, or the configuration, were others: settled from the same facts, kept nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::candidates::Candidates;
use super::cluster::{Basis, Cluster, Told, Verdict};
use super::objects::{Identity, Registry};
use super::{Index, Settings, of_rank};
use crate::api::{EKSClusterRegistry, Problem, WorkloadIdentity};
use crate::derive::ClusterContext;
use crate::desired::{Delta, PodKey};
use crate::entry::ClusterTag;
use crate::facts::{Malformed, PodFacts};
use crate::names::{ClusterName, IdentityName, PodUid};

/// Objects that would be applied, each in the place of the one of its name; and the configuration, where that would be
/// another.
#[derive(Debug, Default)]
pub struct Proposal {
    /// `EKSClusterRegistry` objects.
    pub registries: Vec<Result<Arc<EKSClusterRegistry>, Malformed>>,
    /// `WorkloadIdentity` objects.
    pub identities: Vec<Result<Arc<WorkloadIdentity>, Malformed>>,
    /// What of the configuration the index depends on; none: as it is.
    pub settings: Option<Settings>,
}

impl Proposal {
    /// Takes objects for what they say that they are; those of other kinds are told, a line each.
    pub fn of(objects: impl IntoIterator<Item = Value>) -> (Self, Vec<String>) {
        let (mut proposal, mut others) = (Self::default(), Vec::new());
        for object in objects {
            match object.get("kind").and_then(Value::as_str) {
                Some("EKSClusterRegistry") => proposal.registries.push(object_of(object)),
                Some("WorkloadIdentity") => proposal.identities.push(object_of(object)),
                other => {
                    let name =
                        object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("(no name)");
                    let kind = other.unwrap_or("(no kind)");
                    others
                        .push(format!("{kind}/{name}: kind must be EKSClusterRegistry or WorkloadIdentity"));
                }
            }
        }
        (proposal, others)
    }
}

fn object_of<K: serde::de::DeserializeOwned>(object: Value) -> Result<Arc<K>, Malformed> {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let (name, uid) = (text("/metadata/name").unwrap_or_default(), text("/metadata/uid"));
    serde_json::from_value(object).map(Arc::new).map_err(|error| Malformed {
        name,
        uid,
        problem: error.to_string(),
    })
}

/// What would come of a proposal.
#[derive(Debug, Default)]
pub struct WhatIf {
    /// Objects that could not be used, as `Kind/name`.
    pub problems: Vec<(String, Problem)>,
    /// What nobody can say before it is applied, or what it would do beside entries; a sentence each.
    pub notes: Vec<String>,
    /// What the writer would be told: standings, and the pods that would come to have something else.
    pub delta: Delta,
    /// Cluster and `namespace/name` of those pods.
    pub pods: BTreeMap<PodKey, (ClusterName, String)>,
    /// Pods that an identity would newly select and that would get the same entry from another, by identity.
    pub masked: BTreeMap<IdentityName, u64>,
    /// Pods that would newly fail, by identity, with one of them and why.
    pub failing: BTreeMap<IdentityName, (u64, String)>,
    /// Pods of which nobody can say it yet, because fields would be read that are not kept now.
    pub unknown: u64,
}

/// The index's objects with those of a proposal in their places.
struct Overlay<'a> {
    index: &'a Index,
    settings: &'a Settings,
    identities: BTreeMap<IdentityName, Identity>,
    contexts: BTreeMap<ClusterName, Arc<ClusterContext>>,
    candidates: Candidates,
    unreadable: BTreeSet<IdentityName>,
}

impl<'a> Overlay<'a> {
    fn candidates<'s>(
        &'s self,
        cluster: &'s ClusterName,
        pod: &PodFacts,
    ) -> impl Iterator<Item = (&'s IdentityName, &'s Identity)> + use<'a, 's> {
        let ranks = self.candidates.of(&pod.namespace, &pod.labels).into_iter();
        ranks.filter_map(move |rank| of_rank(self.identity(rank.name()), rank, cluster))
    }

    fn identity(&self, name: &IdentityName) -> Option<&Identity> {
        self.identities.get(name).or_else(|| self.index.identities.get(name))
    }

    /// Nobody can say of some identity which pods of this cluster are its own.
    fn holds_all(&self, cluster: &ClusterName) -> bool {
        let identities = self.unreadable.iter().filter_map(|name| self.identity(name));
        identities.into_iter().any(|identity| identity.in_cluster(cluster).is_unreadable())
    }
}

impl Index {
    /// Everything that the index has given out so far, as one delta.
    pub fn whole(&self) -> Delta {
        let pods = self.desired().map(|(cluster, uid, desired)| {
            (PodKey { cluster: ClusterTag::of(cluster), pod: uid.clone() }, Some(desired.clone()))
        });
        let clusters = self.registries.keys().map(|name| (name.clone(), self.cluster_standing(name)));
        let identities = self.identities.iter().map(|(name, it)| (name.clone(), Some(it.standing())));
        Delta {
            ready: self.not_listed().is_empty(),
            clusters: clusters.collect(),
            identities: identities.collect(),
            pods: pods.collect(),
            ..Delta::default()
        }
    }

    /// What would come of a proposal. Answered from the facts as they are; nothing is kept of it.
    pub fn what_if(&self, proposal: Proposal) -> WhatIf {
        let mut what = WhatIf::default();
        let settings = proposal.settings.as_ref().unwrap_or(&self.settings);
        let mut overlay = Overlay {
            index: self,
            settings,
            identities: BTreeMap::new(),
            contexts: BTreeMap::new(),
            candidates: self.candidates.clone(),
            unreadable: self.unreadable.clone(),
        };
        let mut touched: BTreeSet<(ClusterName, PodUid)> = BTreeSet::new();
        if proposal.settings.is_some() {
            // Every object is read anew: templates, guardrails and domains may come out otherwise.
            let named = |it: &Result<Arc<WorkloadIdentity>, Malformed>| name_of(it);
            let proposed: BTreeSet<String> = proposal.identities.iter().map(named).collect();
            let others = self.identities.iter().filter(|(name, _)| !proposed.contains(name.as_str()));
            for (name, identity) in others.filter_map(|(name, it)| Some((name, it.object()?))) {
                let identity = Identity::of(Ok(identity.clone()), settings);
                what.judge(&format!("WorkloadIdentity/{name}"), identity.problems());
                overlay.identities.insert(name.clone(), identity);
            }
            for (name, cluster) in &self.clusters {
                touched.extend(cluster.uids().map(|uid| (name.clone(), uid.clone())));
            }
        }
        for object in proposal.identities {
            self.propose_identity(object, &mut overlay, &mut touched, &mut what);
        }
        let names: BTreeSet<String> = proposal.registries.iter().map(name_of).collect();
        let mut registries = proposal.registries;
        if proposal.settings.is_some() {
            let others = self.registries.iter().filter(|(name, _)| !names.contains(name.as_str()));
            registries.extend(others.filter_map(|(_, it)| it.object().cloned()).map(Ok));
        }
        for object in registries {
            self.propose_registry(object, &mut overlay, &mut touched, &mut what);
        }
        for (cluster, uid) in &touched {
            if let Some(known) = self.clusters.get(cluster) {
                compare(&overlay, cluster, known, uid, &mut what);
            }
        }
        what.delta.ready = self.not_listed().is_empty();
        what
    }

    fn propose_identity(
        &self,
        object: Result<Arc<WorkloadIdentity>, Malformed>,
        overlay: &mut Overlay<'_>,
        touched: &mut BTreeSet<(ClusterName, PodUid)>,
        what: &mut WhatIf,
    ) {
        let identity = Identity::of(object, overlay.settings);
        let shown = format!("WorkloadIdentity/{}", identity.name);
        let Ok(name) = IdentityName::new(identity.name.as_str()) else {
            what.judge(&shown, identity.problems());
            return;
        };
        let before = self.identities.get(&name);
        let is_configured_as_now = std::ptr::eq(overlay.settings, &self.settings);
        if is_configured_as_now && before.is_some_and(|before| before.same_for_pods(&identity)) {
            return;
        }
        what.judge(&shown, identity.problems());
        what.delta.identities.push((name.clone(), Some(identity.standing())));
        for version in before.into_iter().chain([&identity]).flat_map(Identity::versions) {
            for (cluster, known) in &self.clusters {
                let uids: Vec<PodUid> = match version.place() {
                    Some(place) => known.uids_of(&place.namespaces).cloned().collect(),
                    None if version.is_unreadable() => known.uids().cloned().collect(),
                    None => Vec::new(),
                };
                touched.extend(uids.into_iter().map(|uid| (cluster.clone(), uid)));
            }
        }
        let places = before.into_iter().flat_map(Identity::versions).filter_map(Identity::place);
        places.for_each(|place| overlay.candidates.remove(place));
        overlay.unreadable.remove(&name);
        identity.versions().filter_map(Identity::place).for_each(|place| overlay.candidates.insert(place));
        if identity.versions().any(Identity::is_unreadable) {
            overlay.unreadable.insert(name.clone());
        }
        overlay.identities.insert(name, identity);
    }

    fn propose_registry(
        &self,
        object: Result<Arc<EKSClusterRegistry>, Malformed>,
        overlay: &mut Overlay<'_>,
        touched: &mut BTreeSet<(ClusterName, PodUid)>,
        what: &mut WhatIf,
    ) {
        let registry = Registry::of(object, &overlay.settings.guardrails);
        let shown = format!("EKSClusterRegistry/{}", registry.name);
        what.judge(&shown, registry.problems());
        let Ok(name) = ClusterName::new(registry.name.as_str()) else { return };
        let known = self.clusters.get(&name);
        let before = self.registries.get(&name).and_then(Registry::wanted_context);
        match (before, registry.wanted_context()) {
            (None, Some(_)) => {
                what.notes.push(format!(
                    "{shown}: the cluster would be connected to; what its pods would get is known then"
                ));
            }
            (Some(_), None) => {
                what.notes.push(format!(
                    "{shown}: the cluster would no longer be watched; its entries stay as they are"
                ));
            }
            (Some(before), Some(after)) if before.target != after.target => {
                what.notes.push(format!("{shown}: the cluster would be connected to anew; until it is listed, its entries stay as they are"));
            }
            (Some(before), Some(after)) if before != after => {
                let uids = known.into_iter().flat_map(Cluster::uids);
                touched.extend(uids.map(|uid| (name.clone(), uid.clone())));
                overlay.contexts.insert(name, after);
            }
            _ => {}
        }
    }
}

impl WhatIf {
    fn judge(&mut self, shown: &str, problems: &[Problem]) {
        self.problems.extend(problems.iter().map(|problem| (shown.to_owned(), problem.clone())));
    }
}

/// Settles one pod as it would be, and notes what would be other than it is.
fn compare(overlay: &Overlay<'_>, name: &ClusterName, cluster: &Cluster, uid: &PodUid, what: &mut WhatIf) {
    let basis = Basis {
        context: overlay.contexts.get(name).unwrap_or(cluster.context()),
        settings: overlay.settings,
        answers: &overlay.index.answers,
        hold_all: overlay.holds_all(name),
    };
    let Some((_, pod)) = cluster.pod(uid) else { return };
    let Some((verdicts, desired)) = cluster.explain(uid, &basis, |pod| overlay.candidates(name, pod)) else {
        return;
    };
    let before =
        |identity: &IdentityName| pod.told.iter().find(|(told, _)| told == identity).map(|(_, told)| told);
    let mut waits = false;
    for (identity, verdict) in verdicts {
        let Verdict::Told(told) = verdict else { continue };
        let was = before(&identity);
        match told {
            Told::Masked { .. } if !matches!(was, Some(Told::Masked { .. })) => {
                *what.masked.entry(identity).or_default() += 1;
            }
            Told::Failing(problem) if !matches!(was, Some(Told::Failing(_))) => {
                let example = || (0, format!("{name}/{}: {problem}", pod.name()));
                what.failing.entry(identity).or_insert_with(example).0 += 1;
            }
            Told::Waiting(_) if !matches!(was, Some(Told::Waiting(_))) => waits = true,
            _ => {}
        }
    }
    what.unknown += u64::from(waits);
    if *pod.desired != desired {
        let key = PodKey { cluster: ClusterTag::of(name), pod: uid.clone() };
        what.pods.insert(key.clone(), (name.clone(), pod.name()));
        what.delta.pods.push((key, Some(Arc::new(desired))));
    }
}

fn name_of<K: kube::ResourceExt>(object: &Result<Arc<K>, Malformed>) -> String {
    match object {
        Ok(object) => object.name_any(),
        Err(malformed) => malformed.name.clone(),
    }
}
