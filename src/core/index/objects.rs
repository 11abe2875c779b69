//! The objects of our own kinds as the index keeps them: compiled, and counted for the report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::{Resource, ResourceExt};
use serde::Deserialize;

use super::Settings;
use super::answers::Answers;
use super::candidates::{Place, Rank};
use super::cluster::{Cluster, Told};
use crate::api::{
    ACCEPT_CLUSTER_ANNOTATION, EKSClusterRegistry, Problem, WorkloadIdentity, WorkloadIdentitySpec,
    is_being_deleted, reconcile_request, release,
};
use crate::derive::{ClusterContext, CompiledIdentity};
use crate::desired::{ClusterStanding, Hold, IdentityStanding};
use crate::facts::{ClusterIdentity, Labels, Malformed, Phase};
use crate::guardrails::Guardrails;
use crate::mutants::{self, Mutant};
use crate::names::{ClusterName, IdentityName, PodUid};
use crate::plugin::{PluginState, PluginUse};
use crate::select::{Namespaces, Selection};

/// One `EKSClusterRegistry`.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) name: String,
    pub(super) problem: Option<Malformed>,
    object: Option<Arc<EKSClusterRegistry>>,
    context: Result<Arc<ClusterContext>, Vec<Problem>>,
    is_enabled: bool,
    is_ended: bool,
    /// The number of the full reconciliation that it asks for.
    request: Option<u64>,
}

impl Registry {
    pub(super) fn of(object: Result<Arc<EKSClusterRegistry>, Malformed>, guardrails: &Guardrails) -> Self {
        match object {
            Err(malformed) => Self {
                name: malformed.name.clone(),
                context: Err(vec![Problem::new("InvalidSpec", "(object)", &malformed.problem)]),
                problem: Some(malformed),
                object: None,
                is_enabled: true,
                is_ended: false,
                request: None,
            },
            Ok(object) => {
                let labels: Labels = object.spec.labels.iter().collect();
                let name = ClusterName::new(object.name_any())
                    .map_err(|error| vec![Problem::new("InvalidSpec", "metadata.name", error)]);
                let context = name.and_then(|name| {
                    let (target, own) = object.spec.checked(guardrails)?;
                    let allowed = guardrails.for_cluster(&target.account, &labels, own);
                    Ok(Arc::new(ClusterContext { name, target, labels, allowed }))
                });
                Self {
                    name: object.name_any(),
                    problem: None,
                    context,
                    is_enabled: object.spec.enabled,
                    is_ended: is_being_deleted(&*object),
                    object: Some(object),
                    request: None,
                }
            }
        }
    }

    /// The object as last seen.
    pub(super) fn object(&self) -> Option<&Arc<EKSClusterRegistry>> {
        self.object.as_ref()
    }

    /// Why it cannot be used; empty where it can.
    pub(super) fn problems(&self) -> &[Problem] {
        self.context.as_ref().err().map(Vec::as_slice).unwrap_or_default()
    }

    /// A registry of which only the end was seen.
    pub(super) fn ended() -> Self {
        let (name, context) = (String::new(), Err(Vec::new()));
        Self { name, problem: None, object: None, context, is_enabled: false, is_ended: true, request: None }
    }

    pub(super) fn end(&mut self) {
        self.is_ended = true;
        self.object = None;
    }

    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Which cluster the entries are of, as an earlier time told.
    pub(super) fn pinned(&self) -> Option<ClusterIdentity> {
        let status = self.object.as_ref()?.status.as_ref()?;
        Some(ClusterIdentity { arn: status.cluster_arn.clone()?, uid: status.cluster_uid.clone()? })
    }

    /// Whether the operator takes this cluster in the place of the one that was.
    pub(super) fn accepts(&self, identity: &ClusterIdentity) -> bool {
        let accepted =
            self.object.as_ref().and_then(|object| object.annotations().get(ACCEPT_CLUSTER_ANNOTATION));
        accepted == Some(&identity.uid)
    }

    /// Of two registries of one cluster, the one that sorts first has it.
    pub(super) fn age(&self) -> impl Ord {
        self.object.as_ref().and_then(|object| object.meta().creation_timestamp.as_ref().map(|time| time.0))
    }

    /// Whether pods come out the same with either version.
    pub(super) fn same_for_pods(&self, other: &Self) -> bool {
        (self.is_enabled, self.is_ended, &self.context) == (other.is_enabled, other.is_ended, &other.context)
    }

    /// `metadata.generation`: which edit of the spec this is.
    pub(super) fn generation(&self) -> Option<i64> {
        self.object.as_ref()?.meta().generation
    }

    /// What it releases of what the brake holds.
    pub(super) fn release(&self) -> Option<&String> {
        self.object.as_deref().and_then(release)
    }

    /// Numbers the full reconciliation that it asks for.
    pub(super) fn number_request(&mut self, before: Option<&Self>, last: &mut u64) {
        let before = before.and_then(|before| Some((before.object.as_deref()?, before.request?)));
        self.request = request(self.object.as_deref(), before, last);
    }

    /// What is to be connected to.
    pub(super) fn wanted_context(&self) -> Option<Arc<ClusterContext>> {
        let wanted = self.is_enabled && !self.is_ended;
        self.context.as_ref().ok().filter(|_| wanted).cloned()
    }

    /// Why the registry itself keeps its cluster out of step.
    pub(super) fn hold(&self) -> Option<Hold> {
        match self.context {
            _ if !self.is_enabled => Some(Hold::Disabled),
            Err(_) => Some(Hold::InvalidRegistry),
            Ok(_) => None,
        }
    }

    pub(super) fn view<'a>(
        &'a self,
        name: &'a ClusterName,
        standing: ClusterStanding,
        cluster: Option<&'a Cluster>,
        identity: Option<&'a ClusterIdentity>,
        elder: Option<&'a ClusterName>,
    ) -> Option<RegistryView<'a>> {
        let object = self.object.as_ref()?;
        let problems = self.context.as_ref().err().map(Vec::as_slice).unwrap_or_default();
        let malformed = cluster.into_iter().flat_map(Cluster::malformed);
        Some(RegistryView {
            name,
            object,
            problems,
            standing,
            phase: cluster.map(Cluster::phase),
            identity,
            another: cluster.filter(|cluster| cluster.is_another()).and_then(Cluster::identity),
            elder,
            denied: cluster.into_iter().flat_map(Cluster::denied).collect(),
            nodes: cluster.map_or(0, Cluster::node_count),
            namespaces: cluster.map_or(0, Cluster::namespace_count),
            pods: cluster.map_or(0, Cluster::pod_count),
            malformed: malformed.collect(),
            request: self.request,
        })
    }
}

/// What is known of a registry and its cluster.
#[derive(Debug)]
pub struct RegistryView<'a> {
    /// The registry's name.
    pub name: &'a ClusterName,
    /// The object as last seen.
    pub object: &'a Arc<EKSClusterRegistry>,
    /// Why its spec cannot be used; empty where it can.
    pub problems: &'a [Problem],
    /// What may be written for it.
    pub standing: ClusterStanding,
    /// Where the connection stands; none where there is to be none.
    pub phase: Option<&'a Phase>,
    /// The cluster that the entries are of; none until one was connected to.
    pub identity: Option<&'a ClusterIdentity>,
    /// Another that answers in its place.
    pub another: Option<&'a ClusterIdentity>,
    /// An older registry that names the same cluster.
    pub elder: Option<&'a ClusterName>,
    /// Kinds that may not be read, with the API server's words.
    pub denied: Vec<(&'a &'static str, &'a String)>,
    /// Number of nodes.
    pub nodes: usize,
    /// Number of namespaces.
    pub namespaces: usize,
    /// Number of pods.
    pub pods: usize,
    /// Objects of the cluster that cannot be read, with their kind.
    pub malformed: Vec<(&'static str, &'a Malformed)>,
    /// The number of the full reconciliation that it asks for; none where it asks for none.
    pub request: Option<u64>,
}

/// What an identity wants of a pod in its namespace.
pub(super) enum Wanting<'a> {
    /// It is being deleted.
    Nothing,
    /// Nobody can say what: its spec cannot be used. Of which pods, its selection says, where that can be used.
    Broken(Option<&'a Selection>),
    /// What its selection and templates say.
    Compiled(&'a Arc<CompiledIdentity>),
}

/// A compiled spec, or why it cannot be used.
type Compiled = Result<Arc<CompiledIdentity>, Vec<Problem>>;

/// One `WorkloadIdentity`.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) name: String,
    object: Option<Arc<WorkloadIdentity>>,
    malformed: Option<Malformed>,
    compiled: Compiled,
    selection: Option<Selection>,
    place: Option<Place>,
    is_ended: bool,
    /// While an edit is being rolled out.
    former: Option<Box<Former>>,
    counts: BTreeMap<ClusterName, Counts>,
    /// The number of the full reconciliation that it asks for.
    request: Option<u64>,
    /// The number of the delta that told of it last, after all pods that it concerns; none until then.
    told_in: Option<u64>,
}

/// What an identity said before an edit, for the clusters that the edit's rollout has not reached.
#[derive(Debug)]
struct Former {
    identity: Identity,
    /// Clusters that have the edit.
    updated: BTreeSet<ClusterName>,
}

/// How many pods of one cluster an identity selects, and what came of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PodCounts {
    /// All of them.
    pub selected: u64,
    /// They are to have the identity's entry.
    pub derived: u64,
    /// Another identity declares the same entry.
    pub masked: u64,
    /// Something that they depend on is not known yet.
    pub waiting: u64,
    /// The entry does not come out right.
    pub failing: u64,
    /// The plugin denies them an identity.
    pub denied: u64,
}

/// Pods of one cluster that an identity selects.
#[derive(Debug, Default)]
struct Counts {
    derived: u64,
    masked: u64,
    waiting: u64,
    denied: BTreeMap<PodUid, String>,
    failing: BTreeMap<PodUid, Problem>,
}

impl Counts {
    fn selected(&self) -> u64 {
        self.derived + self.masked + self.waiting + (self.denied.len() + self.failing.len()) as u64
    }
}

/// What an object's spec says, which of its pods it selects where that can be told, and where they are.
fn compile(object: &WorkloadIdentity, settings: &Settings) -> (Compiled, Option<Selection>, Option<Place>) {
    let name = IdentityName::new(object.name_any());
    let spec = &object.spec;
    let compiled = match &name {
        Err(error) => Err(vec![Problem::new("InvalidSpec", "metadata.name", error)]),
        Ok(name) => {
            CompiledIdentity::compile(name, spec, &settings.domains, &settings.guardrails).map(Arc::new)
        }
    };
    let selection = Selection::compile(spec).ok();
    // Of a selection that cannot be used, all pods of its namespaces may be wanted.
    let label = selection.as_ref().and_then(Selection::label);
    let label = label.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let place = Namespaces::compile(spec).ok().zip(name.ok()).map(|(namespaces, name)| Place {
        rank: Rank::new(&name, spec.fallback, spec.priority),
        namespaces,
        label,
    });
    (compiled, selection, place)
}

impl Identity {
    /// The object, with what it said before where `status.rollout` tells that an edit is on its way. `before` is the same
    /// identity as it was with the same settings.
    pub(super) fn of(
        object: Result<Arc<WorkloadIdentity>, Malformed>,
        before: Option<&Self>,
        settings: &Settings,
    ) -> Self {
        let former = object.as_ref().map_or(Ok(None), |object| former(object));
        let mut identity = Self::version(object, before, settings);
        match former {
            Ok(Some((object, updated))) => {
                let before = before.and_then(|before| before.former.as_ref()).map(|it| &it.identity);
                let former = Self::version(Ok(Arc::new(object)), before, settings);
                identity.former = Some(Box::new(Former { identity: former, updated }));
            }
            Ok(None) => {}
            // Nobody can say what clusters have that the edit has not reached.
            Err(problem) => identity.compiled = Err(vec![problem]),
        }
        identity
    }

    /// Every status that is written comes back as an event, so that what is compiled of an equal spec is kept.
    fn version(
        object: Result<Arc<WorkloadIdentity>, Malformed>,
        before: Option<&Self>,
        settings: &Settings,
    ) -> Self {
        match object {
            Err(malformed) => Self {
                name: malformed.name.clone(),
                object: None,
                former: None,
                compiled: Err(vec![Problem::new("InvalidSpec", "(object)", &malformed.problem)]),
                malformed: Some(malformed),
                selection: None,
                place: None,
                is_ended: false,
                counts: BTreeMap::new(),
                request: None,
                told_in: None,
            },
            Ok(object) => {
                let is_ended = is_being_deleted(&*object);
                let is_same = |before: &&Self| {
                    let says_so = before.object.as_ref().is_some_and(|it| it.spec == object.spec);
                    says_so && before.compiled.is_ok() && before.is_ended == is_ended
                };
                let (compiled, selection, place) = match before.filter(is_same) {
                    Some(before) => (before.compiled.clone(), before.selection.clone(), before.place.clone()),
                    None => compile(&object, settings),
                };
                Self {
                    name: object.name_any(),
                    malformed: None,
                    compiled,
                    selection,
                    place: place.filter(|_| !is_ended),
                    is_ended,
                    former: None,
                    object: Some(object),
                    counts: BTreeMap::new(),
                    request: None,
                    told_in: None,
                }
            }
        }
    }

    /// The object as last seen.
    pub(super) fn object(&self) -> Option<&Arc<WorkloadIdentity>> {
        self.object.as_ref()
    }

    /// An identity of which only the end was seen.
    pub(super) fn ended() -> Self {
        Self {
            name: String::new(),
            object: None,
            malformed: None,
            compiled: Err(Vec::new()),
            selection: None,
            place: None,
            is_ended: true,
            former: None,
            counts: BTreeMap::new(),
            request: None,
            told_in: None,
        }
    }

    /// The version that pods of this cluster have to do with.
    pub(super) fn in_cluster(&self, cluster: &ClusterName) -> &Self {
        match &self.former {
            Some(_) if mutants::is_on(Mutant::RolloutEverywhere) => self,
            Some(former) if mutants::is_on(Mutant::RolloutReachesNobody) => &former.identity,
            Some(former) if !former.updated.contains(cluster) => &former.identity,
            _ => self,
        }
    }

    /// The object as last seen, and what it said before while an edit of it is being rolled out.
    pub(super) fn versions(&self) -> impl Iterator<Item = &Self> {
        [self].into_iter().chain(self.former.iter().map(|former| &former.identity))
    }

    /// What it said before an edit that is being rolled out, and the clusters that have the edit.
    pub(super) fn former(&self) -> Option<(&Self, &BTreeSet<ClusterName>)> {
        self.former.as_ref().map(|former| (&former.identity, &former.updated))
    }

    /// Why it cannot be used; empty where it can.
    pub(super) fn problems(&self) -> &[Problem] {
        self.compiled.as_ref().err().map(Vec::as_slice).unwrap_or_default()
    }

    /// Nobody can say which namespace's pods it wants.
    pub(super) fn is_unreadable(&self) -> bool {
        !self.is_ended && self.place.is_none()
    }

    /// Whether it applies only to pods that no other identity selects.
    pub(super) fn is_fallback(&self) -> bool {
        self.object.as_ref().is_some_and(|object| object.spec.fallback)
    }

    pub(super) fn standing(&self) -> IdentityStanding {
        match self.object.as_ref().is_some_and(|object| object.spec.preview) {
            _ if self.is_ended => IdentityStanding::Ended,
            true => IdentityStanding::Preview,
            false => IdentityStanding::Live,
        }
    }

    /// `metadata.generation`: which edit of the spec this is.
    pub(super) fn generation(&self) -> Option<i64> {
        self.object.as_ref()?.meta().generation
    }

    /// Where the pods are that it may want; none while it is being deleted.
    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    pub(super) fn wants(&self) -> Wanting<'_> {
        match &self.compiled {
            _ if self.is_ended => Wanting::Nothing,
            Err(_) => Wanting::Broken(self.selection.as_ref()),
            Ok(compiled) => Wanting::Compiled(compiled),
        }
    }

    /// The compiled spec, while the identity wants anything.
    pub(super) fn wanting(&self) -> Option<&CompiledIdentity> {
        match self.wants() {
            Wanting::Compiled(compiled) => Some(compiled),
            Wanting::Nothing | Wanting::Broken(_) => None,
        }
    }

    /// Whether it may want pods of a cluster with these labels.
    pub(super) fn may_want_in(&self, labels: &Labels) -> bool {
        match self.wants() {
            Wanting::Compiled(compiled) => compiled.selection.wants_cluster(labels),
            Wanting::Broken(Some(selection)) => selection.wants_cluster(labels),
            Wanting::Broken(None) => true,
            Wanting::Nothing => false,
        }
    }

    /// Whether pods of this cluster come out the same with either.
    pub(super) fn same_for_pods_of(&self, other: &Self, cluster: &ClusterName) -> bool {
        self.in_cluster(cluster).is_same_version(other.in_cluster(cluster))
    }

    /// Whether pods of all clusters come out the same with either.
    pub(super) fn same_for_pods(&self, other: &Self) -> bool {
        let same_former = match (&self.former, &other.former) {
            (None, None) => true,
            (Some(own), Some(others)) => {
                own.updated == others.updated && own.identity.is_same_version(&others.identity)
            }
            _ => false,
        };
        same_former && self.is_same_version(other)
    }

    /// Whether both objects say the same, whatever clusters have of it by now.
    pub(super) fn is_same_version(&self, other: &Self) -> bool {
        let same_spec = match (&self.object, &other.object) {
            (None, None) => true,
            (Some(own), Some(others)) => own.spec == others.spec,
            _ => false,
        };
        same_spec && (self.is_ended, &self.malformed) == (other.is_ended, &other.malformed)
    }

    /// Whether its status records what clusters keep while an edit is rolled out.
    pub(super) fn is_rolled_out(&self) -> bool {
        let status = self.object.as_ref().and_then(|object| object.status.as_ref());
        status.is_some_and(|status| status.rollout.is_some())
    }

    /// What it releases of what the brake holds.
    pub(super) fn release(&self) -> Option<&String> {
        self.object.as_deref().and_then(release)
    }

    /// Numbers the full reconciliation that it asks for.
    pub(super) fn number_request(&mut self, before: Option<&Self>, last: &mut u64) {
        let before = before.and_then(|before| Some((before.object.as_deref()?, before.request?)));
        self.request = request(self.object.as_deref(), before, last);
    }

    /// It is the same as before for all pods.
    pub(super) fn keep_all_of(&mut self, before: Self) {
        self.told_in = before.told_in;
        self.counts = before.counts;
    }

    pub(super) fn keep_counts_of(&mut self, before: Self) {
        self.counts = before.counts;
    }

    /// The delta of this number tells of it, after all pods that it concerns.
    pub(super) fn told_in(&mut self, delta: u64) {
        self.told_in = Some(delta);
    }

    /// The number of the delta that told of it last, after all pods that it concerns.
    pub(super) fn last_told_in(&self) -> Option<u64> {
        self.told_in
    }

    pub(super) fn count(&mut self, cluster: &ClusterName, pod: &PodUid, told: &Told) {
        let counts = self.counts.entry(cluster.clone()).or_default();
        match told {
            Told::Derived => counts.derived += 1,
            Told::Masked { .. } => counts.masked += 1,
            Told::Waiting(_) => counts.waiting += 1,
            Told::Denied(why) => {
                counts.denied.insert(pod.clone(), why.clone());
            }
            Told::Failing(problem) => {
                counts.failing.insert(pod.clone(), problem.clone());
            }
        }
    }

    pub(super) fn uncount(&mut self, cluster: &ClusterName, pod: &PodUid, told: &Told) {
        let Some(counts) = self.counts.get_mut(cluster) else { return };
        let less = |count: &mut u64| *count = count.saturating_sub(1);
        match told {
            Told::Derived => less(&mut counts.derived),
            Told::Masked { .. } => less(&mut counts.masked),
            Told::Waiting(_) => less(&mut counts.waiting),
            Told::Denied(_) => {
                counts.denied.remove(pod);
            }
            Told::Failing(_) => {
                counts.failing.remove(pod);
            }
        }
    }

    /// The pods of a cluster that it selects and that get nothing of it, because that does not come out right or its plugin
    /// denies it, each with why.
    pub(super) fn without(&self, cluster: &ClusterName) -> impl Iterator<Item = (&PodUid, String)> {
        let counts = self.counts.get(cluster).into_iter();
        counts.flat_map(|counts| {
            let failing = counts.failing.iter().map(|(pod, problem)| (pod, problem.to_string()));
            failing.chain(counts.denied.iter().map(|(pod, why)| (pod, why.clone())))
        })
    }

    /// Number of a cluster's pods that it selects and of which something is not known yet.
    pub(super) fn waiting_in(&self, cluster: &ClusterName) -> u64 {
        self.counts.get(cluster).map_or(0, |counts| counts.waiting)
    }

    /// The cluster is no longer known.
    pub(super) fn forget(&mut self, cluster: &ClusterName) {
        self.counts.remove(cluster);
    }

    /// What came of the pods that it selects, by cluster.
    pub(super) fn by_cluster(&self) -> impl Iterator<Item = (&ClusterName, PodCounts)> {
        let counted = self.counts.iter().map(|(cluster, counts)| {
            let counted = PodCounts {
                selected: counts.selected(),
                derived: counts.derived,
                masked: counts.masked,
                waiting: counts.waiting,
                failing: counts.failing.len() as u64,
                denied: counts.denied.len() as u64,
            };
            (cluster, counted)
        });
        counted.filter(|(_, counted)| counted.selected > 0)
    }

    /// The pods that it selects and that have no entry by it, failing ones first in each cluster.
    pub(super) fn without_entry(&self) -> impl Iterator<Item = (&ClusterName, &PodUid, Told)> {
        self.counts.iter().flat_map(|(cluster, counts)| {
            let failing = counts.failing.iter();
            let failing = failing.map(|(pod, problem)| (pod, Told::Failing(problem.clone())));
            let denied = counts.denied.iter().map(|(pod, why)| (pod, Told::Denied(why.clone())));
            failing.chain(denied).map(move |(pod, told)| (cluster, pod, told))
        })
    }

    pub(super) fn view<'a>(
        &'a self,
        name: &'a IdentityName,
        registries: &BTreeMap<ClusterName, Registry>,
        clusters: &'a BTreeMap<ClusterName, Cluster>,
        answers: &'a Answers,
    ) -> Option<IdentityView<'a>> {
        let object = self.object.as_ref()?;
        let targeted = registries.iter().filter(|(_, registry)| {
            let context = registry.wanted_context();
            let wants = |context: &ClusterContext| {
                self.wanting().is_some_and(|compiled| compiled.selection.wants_cluster(&context.labels))
            };
            context.is_some_and(|context| wants(&context))
        });
        let targeted: Vec<&ClusterName> = targeted.map(|(name, _)| name).collect();
        let namespaces_in = |name: &&ClusterName| {
            let cluster = clusters.get(*name).zip(self.place.as_ref());
            cluster.map_or(0, |(cluster, place)| cluster.namespaces_of(&place.namespaces).count())
        };
        let sum = |part: fn(&Counts) -> u64| self.counts.values().map(part).sum();
        let pod_name = |cluster: &ClusterName, pod: &PodUid| {
            let name = clusters.get(cluster).and_then(|cluster| cluster.pod_name(pod));
            name.unwrap_or_else(|| pod.to_string())
        };
        let mut failing = self.counts.iter().flat_map(|(cluster, counts)| {
            counts.failing.iter().map(move |(pod, problem)| (cluster, pod_name(cluster, pod), problem))
        });
        let mut denied = self.counts.iter().flat_map(|(cluster, counts)| {
            counts.denied.iter().map(move |(pod, why)| (cluster, pod_name(cluster, pod), why.as_str()))
        });
        let plugin = self.wanting().and_then(CompiledIdentity::plugin);
        Some(IdentityView {
            name,
            object,
            problems: self.compiled.as_ref().err().map(Vec::as_slice).unwrap_or_default(),
            notes: self.compiled.as_ref().map(|compiled| compiled.notes.as_slice()).unwrap_or_default(),
            standing: self.standing(),
            namespaces_found: targeted.iter().map(namespaces_in).sum(),
            not_synced: targeted
                .iter()
                .filter(|name| {
                    let standing = clusters.get(**name).map(Cluster::standing);
                    !matches!(standing, Some(ClusterStanding::Synced { .. }))
                })
                .count(),
            clusters_targeted: targeted.len(),
            pods_selected: sum(Counts::selected),
            masked: sum(|counts| counts.masked),
            waiting: sum(|counts| counts.waiting),
            failing: sum(|counts| counts.failing.len() as u64),
            failing_by: by_reason(self.counts.values().flat_map(|counts| counts.failing.values())),
            example: failing.next(),
            denied: sum(|counts| counts.denied.len() as u64),
            denied_example: denied.next(),
            plugin: plugin.map(|plugin| (plugin, answers.state(&plugin.plugin))),
            request: self.request,
        })
    }
}

/// What the object said before the edit that its status tells is on its way, and the clusters that have the edit; none where
/// every cluster has the same.
fn former(object: &WorkloadIdentity) -> Result<Option<(WorkloadIdentity, BTreeSet<ClusterName>)>, Problem> {
    let told = object.status.as_ref().and_then(|status| status.rollout.as_ref());
    // What is only tried is tried on all clusters; what is being deleted is deleted on all.
    let acts_at_once = object.spec.rollout.is_none() || object.spec.preview || is_being_deleted(object);
    let Some(told) = told.filter(|_| !acts_at_once) else { return Ok(None) };
    let spec: WorkloadIdentitySpec =
        WorkloadIdentitySpec::deserialize(&told.stable_spec).map_err(|error| {
            let message = format!(
                "cannot be read: {error}; remove spec.rollout to let every cluster have the spec at once"
            );
            Problem::new("InvalidRollout", "status.rollout.stableSpec", message)
        })?;
    let spec = spec.rolled_out();
    if spec == object.spec.rolled_out() {
        return Ok(None);
    }
    // What is no name is no cluster's.
    let updated = told.updated_clusters.iter().filter_map(|name| ClusterName::new(name).ok()).collect();
    Ok(Some((WorkloadIdentity { metadata: object.metadata.clone(), spec, status: None }, updated)))
}

fn by_reason<'a>(problems: impl Iterator<Item = &'a Problem>) -> BTreeMap<&'static str, u64> {
    problems.fold(BTreeMap::new(), |mut counts, problem| {
        *counts.entry(problem.reason).or_default() += 1;
        counts
    })
}

/// The number of the full reconciliation that an object asks for: as before where it is still the same request, else the next.
fn request<K: Resource>(now: Option<&K>, before: Option<(&K, u64)>, last: &mut u64) -> Option<u64> {
    let now = now?;
    let asked = reconcile_request(now)?;
    let is_same = |before: &K| before.uid() == now.uid() && reconcile_request(before) == Some(asked);
    Some(before.filter(|(before, _)| is_same(before)).map_or_else(
        || {
            *last += 1;
            *last
        },
        |(_, number)| number,
    ))
}

/// What is known of an identity and its pods.
#[derive(Debug)]
pub struct IdentityView<'a> {
    /// The identity's name.
    pub name: &'a IdentityName,
    /// The object as last seen.
    pub object: &'a Arc<WorkloadIdentity>,
    /// Why its spec cannot be used; empty where it can.
    pub problems: &'a [Problem],
    /// What of it is legal and yet worth telling.
    pub notes: &'a [Problem],
    /// Whether it is being deleted.
    pub standing: IdentityStanding,
    /// Number of enabled clusters that it selects.
    pub clusters_targeted: usize,
    /// Number of clusters among them that are not connected and listed.
    pub not_synced: usize,
    /// Number of namespaces, over these clusters, that fit its rules.
    pub namespaces_found: usize,
    /// Number of pods that it selects.
    pub pods_selected: u64,
    /// Number of pods among them whose entry another identity declares.
    pub masked: u64,
    /// Number of pods among them whose node or fields are not known yet, or whose plugin has not decided yet.
    pub waiting: u64,
    /// Number of pods among them whose entry does not come out right.
    pub failing: u64,
    /// The same by the reason.
    pub failing_by: BTreeMap<&'static str, u64>,
    /// One of the failing pods: its cluster, `namespace/name`, and why.
    pub example: Option<(&'a ClusterName, String, &'a Problem)>,
    /// Number of pods among them that its plugin denies an identity.
    pub denied: u64,
    /// One of the denied pods: its cluster, `namespace/name`, and why.
    pub denied_example: Option<(&'a ClusterName, String, &'a str)>,
    /// Its plugin, and where that stands as far as anything was told.
    pub plugin: Option<(&'a PluginUse, Option<&'a PluginState>)>,
    /// The number of the full reconciliation that it asks for; none where it asks for none.
    pub request: Option<u64>,
}
