//! What pods would come to have if some objects, or the configuration, were others: settled from the same facts, kept nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::candidates::Candidates;
use super::cluster::{Basis, Cluster, Told, Verdict};
use super::objects::{Identity, Registry};
use super::{Index, Settings, any_unreadable, of_rank};
use crate::api::{EKSClusterRegistry, Problem, WorkloadIdentity};
use crate::derive::ClusterContext;
use crate::desired::{Delta, PodKey};
use crate::entry::ClusterTag;
use crate::facts::{Malformed, PodFacts};
use crate::names::{ClusterName, IdentityName, PodUid};
use crate::parallel;

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
    /// Cluster and `namespace/name` of those pods, in the same order.
    pub pods: Vec<(ClusterName, String)>,
    /// Pods that an identity would newly select and that would get the same entry from another, by identity.
    pub masked: BTreeMap<IdentityName, u64>,
    /// Pods that would newly fail, by identity, with one of them and why.
    pub failing: BTreeMap<IdentityName, (u64, String)>,
    /// Pods of which nobody can say it yet, because fields would be read that are not kept now.
    pub unknown: u64,
}

/// A proposal that is being tried on the pods that it concerns, some at a time: the index's objects with those of the
/// proposal in their places.
#[derive(Debug)]
pub struct Trial {
    settings: Option<Settings>,
    identities: BTreeMap<IdentityName, Identity>,
    contexts: BTreeMap<ClusterName, Arc<ClusterContext>>,
    candidates: Candidates,
    unreadable: BTreeSet<IdentityName>,
    /// Pods that are still to be looked at.
    open: BTreeMap<ClusterName, Vec<PodUid>>,
    what: WhatIf,
}

impl Trial {
    /// Whether every pod was looked at.
    pub fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// What would come of it, as far as pods were looked at.
    pub fn what(self) -> WhatIf {
        self.what
    }

    fn touch<'a>(&mut self, cluster: &ClusterName, uids: impl Iterator<Item = &'a PodUid>) {
        self.open.entry(cluster.clone()).or_default().extend(uids.cloned());
    }

    fn candidates<'s>(
        &'s self,
        index: &'s Index,
        cluster: &'s ClusterName,
        pod: &PodFacts,
    ) -> impl Iterator<Item = (&'s IdentityName, &'s Identity)> + use<'s> {
        let ranks = self.candidates.of(&pod.namespace, &pod.labels).into_iter();
        ranks.filter_map(move |rank| of_rank(self.identity(index, rank.name()), rank, cluster))
    }

    fn identity<'s>(&'s self, index: &'s Index, name: &IdentityName) -> Option<&'s Identity> {
        self.identities.get(name).or_else(|| index.identities.get(name))
    }

    /// Nobody can say of some identity which pods of this cluster are its own.
    fn holds_all(&self, index: &Index, cluster: &ClusterName) -> bool {
        any_unreadable(self.unreadable.iter().filter_map(|name| self.identity(index, name)), cluster)
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
        let mut trial = self.propose(proposal);
        while !trial.is_done() {
            self.try_some(&mut trial, usize::MAX);
        }
        trial.what()
    }

    /// Reads a proposal and finds the pods that it concerns.
    pub fn propose(&self, proposal: Proposal) -> Trial {
        let Proposal { mut registries, identities, settings } = proposal;
        let mut trial = Trial {
            settings,
            identities: BTreeMap::new(),
            contexts: BTreeMap::new(),
            candidates: self.candidates.clone(),
            unreadable: self.unreadable.clone(),
            open: BTreeMap::new(),
            what: WhatIf::default(),
        };
        if let Some(settings) = trial.settings.clone() {
            // Every object is read anew: templates, guardrails and domains may come out otherwise.
            let proposed: BTreeSet<String> = identities.iter().map(name_of).collect();
            let others = self.identities.iter().filter(|(name, _)| !proposed.contains(name.as_str()));
            for (name, identity) in others.filter_map(|(name, it)| Some((name, it.object()?))) {
                let identity = Identity::of(Ok(identity.clone()), None, &settings);
                trial.what.judge(&format!("WorkloadIdentity/{name}"), identity.problems());
                trial.identities.insert(name.clone(), identity);
            }
            for (name, cluster) in &self.clusters {
                trial.touch(name, cluster.uids());
            }
            let proposed: BTreeSet<String> = registries.iter().map(name_of).collect();
            let others = self.registries.iter().filter(|(name, _)| !proposed.contains(name.as_str()));
            registries.extend(others.filter_map(|(_, it)| it.object().cloned()).map(Ok));
        }
        identities.into_iter().for_each(|object| self.propose_identity(object, &mut trial));
        registries.into_iter().for_each(|object| self.propose_registry(object, &mut trial));
        for uids in trial.open.values_mut() {
            // Tables give them out in no order, and several objects may concern one pod; they are taken from the end.
            uids.sort_unstable_by(|a, b| b.cmp(a));
            uids.dedup();
        }
        trial.open.retain(|_, uids| !uids.is_empty());
        trial.what.delta.ready = self.not_listed().is_empty();
        trial
    }

    /// Looks at so many more pods.
    pub fn try_some(&self, trial: &mut Trial, limit: usize) {
        let mut left = limit;
        while left > 0
            && let Some(mut entry) = trial.open.first_entry()
        {
            let (name, uids) = (entry.key().clone(), entry.get_mut());
            let mut some = uids.split_off(uids.len().saturating_sub(left));
            some.reverse();
            left -= some.len();
            if uids.is_empty() {
                entry.remove();
            }
            let Some(cluster) = self.clusters.get(&name) else { continue };
            let basis = Basis {
                context: trial.contexts.get(&name).unwrap_or(cluster.context()),
                settings: trial.settings.as_ref().unwrap_or(&self.settings),
                answers: &self.answers,
                hold_all: trial.holds_all(self, &name),
            };
            let tag = ClusterTag::of(&name);
            let parts = parallel::in_parts(&some, |uids| {
                let mut part = WhatIf::default();
                uids.iter()
                    .for_each(|uid| self.compare(trial, &basis, (&name, tag, cluster), uid, &mut part));
                part
            });
            parts.into_iter().for_each(|part| trial.what.add(part));
        }
    }

    /// Settles one pod as it would be, and notes what would be other than it is.
    fn compare(
        &self,
        trial: &Trial,
        basis: &Basis<'_>,
        (name, tag, cluster): (&ClusterName, ClusterTag, &Cluster),
        uid: &PodUid,
        what: &mut WhatIf,
    ) {
        let Some((_, pod)) = cluster.pod(uid) else { return };
        let Some((verdicts, desired)) = cluster.explain(uid, basis, |pod| trial.candidates(self, name, pod))
        else {
            return;
        };
        let before = |identity: &IdentityName| {
            pod.told.iter().find(|(told, _)| told == identity).map(|(_, told)| told)
        };
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
            what.pods.push((name.clone(), pod.name()));
            let key = PodKey { cluster: tag, pod: uid.clone() };
            what.delta.pods.push((key, Some(Arc::new(desired))));
        }
    }

    fn propose_identity(&self, object: Result<Arc<WorkloadIdentity>, Malformed>, trial: &mut Trial) {
        let settings = trial.settings.as_ref().unwrap_or(&self.settings);
        // What is asked is where it leads; `status` may tell of a rollout on the way there.
        let object = object.map(|object| match &object.status {
            None => object,
            Some(_) => Arc::new(WorkloadIdentity { status: None, ..(*object).clone() }),
        });
        let in_waves = object.as_ref().is_ok_and(|object| object.spec.rollout.is_some());
        let identity = Identity::of(object, None, settings);
        let shown = format!("WorkloadIdentity/{}", identity.name);
        let Ok(name) = IdentityName::new(identity.name.as_str()) else {
            trial.what.judge(&shown, identity.problems());
            return;
        };
        let before = self.identities.get(&name);
        if trial.settings.is_none() && before.is_some_and(|before| before.is_same_version(&identity)) {
            return;
        }
        if in_waves && before.is_some_and(Identity::is_rolled_out) {
            let note =
                format!("{shown}: it would reach the clusters in waves (spec.rollout); this is all of it");
            trial.what.notes.push(note);
        }
        trial.what.judge(&shown, identity.problems());
        trial.what.delta.identities.push((name.clone(), Some(identity.standing())));
        for version in before.into_iter().chain([&identity]).flat_map(Identity::versions) {
            for (cluster, known) in &self.clusters {
                trial.touch(cluster, known.uids_for(version));
            }
        }
        let places = before.into_iter().flat_map(Identity::versions).filter_map(Identity::place);
        places.for_each(|place| trial.candidates.remove(place));
        trial.unreadable.remove(&name);
        identity.versions().filter_map(Identity::place).for_each(|place| trial.candidates.insert(place));
        if identity.versions().any(Identity::is_unreadable) {
            trial.unreadable.insert(name.clone());
        }
        trial.identities.insert(name, identity);
    }

    fn propose_registry(&self, object: Result<Arc<EKSClusterRegistry>, Malformed>, trial: &mut Trial) {
        let settings = trial.settings.as_ref().unwrap_or(&self.settings);
        let registry = Registry::of(object, &settings.guardrails);
        let shown = format!("EKSClusterRegistry/{}", registry.name);
        trial.what.judge(&shown, registry.problems());
        let Ok(name) = ClusterName::new(registry.name.as_str()) else { return };
        let known = self.clusters.get(&name);
        let before = self.registries.get(&name).and_then(Registry::wanted_context);
        match (before, registry.wanted_context()) {
            (None, Some(_)) => {
                trial.what.notes.push(format!(
                    "{shown}: the cluster would be connected to; what its pods would get is known then"
                ));
            }
            (Some(_), None) => {
                trial.what.notes.push(format!(
                    "{shown}: the cluster would no longer be watched; its entries stay as they are"
                ));
            }
            (Some(before), Some(after)) if before.target != after.target => {
                trial.what.notes.push(format!("{shown}: the cluster would be connected to anew; until it is listed, its entries stay as they are"));
            }
            (Some(before), Some(after)) if before != after => {
                trial.touch(&name, known.into_iter().flat_map(Cluster::uids));
                trial.contexts.insert(name, after);
            }
            _ => {}
        }
    }
}

impl WhatIf {
    fn judge(&mut self, shown: &str, problems: &[Problem]) {
        self.problems.extend(problems.iter().map(|problem| (shown.to_owned(), problem.clone())));
    }

    /// Takes in what came of some more pods.
    fn add(&mut self, part: Self) {
        let Self { problems: _, notes: _, delta, pods, masked, failing, unknown } = part;
        self.delta.pods.extend(delta.pods);
        self.pods.extend(pods);
        for (identity, count) in masked {
            *self.masked.entry(identity).or_default() += count;
        }
        for (identity, (count, example)) in failing {
            self.failing.entry(identity).or_insert((0, example)).0 += count;
        }
        self.unknown += unknown;
    }
}

fn name_of<K: kube::ResourceExt>(object: &Result<Arc<K>, Malformed>) -> String {
    match object {
        Ok(object) => object.name_any(),
        Err(malformed) => malformed.name.clone(),
    }
}
