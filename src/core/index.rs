//! Facts in, ordered deltas out: who wants what for which pod, settled at the cost of what changed.

mod answers;
mod candidates;
mod cluster;
mod explain;
mod objects;
#[cfg(test)]
mod plugin_tests;
mod rollout;
mod rows;
mod what_if;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use answers::Answers;
use candidates::{Candidates, Rank};
use cluster::{Cluster, Settlement};
use kube::ResourceExt;
use objects::{Identity, Registry};
use regex::Regex;

use crate::api::{EKSClusterRegistry, WorkloadIdentity};
use crate::config::Config;
use crate::derive::{CompiledIdentity, Domains};
use crate::desired::{ClusterStanding, Delta, Hold, IdentityStanding, PodDesired, PodKey};
use crate::entry::ClusterTag;
use crate::facts::demand::Demand;
use crate::facts::{
    Change, ClusterChange, ClusterIdentity, Malformed, ObjectChange, PodFacts, Session, Watched,
};
use crate::guardrails::Guardrails;
use crate::mutants::{self, Mutant};
use crate::names::{ClusterName, IdentityName, PodUid};
use crate::plugin::{Plugin, PluginState, Source};

pub use answers::Asking;
pub use cluster::{Told, Verdict};
pub use explain::PodView;
pub use objects::{IdentityView, PodCounts, RegistryView};
pub use rollout::RolloutView;
pub use rows::{PodRow, Rows, ToldRow};
pub use what_if::{Proposal, Trial, WhatIf};

/// A queue of pods that had more room than this gives it back.
const QUEUE: usize = 1 << 12;

/// What of the configuration the index depends on.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Trust domain and cluster domain.
    pub domains: Domains,
    /// Namespaces whose pods get nothing.
    pub ignore_namespaces: Vec<Regex>,
    /// What nobody who writes our objects can take.
    pub guardrails: Guardrails,
}

impl Settings {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            domains: Domains {
                trust: config.trust_domain.clone(),
                cluster: config.cluster_domain.as_str().into(),
            },
            ignore_namespaces: config.ignore_namespaces.clone(),
            guardrails: config.guardrails.clone(),
        }
    }
}

/// What came of the changes since the last time.
#[derive(Debug, Default)]
pub struct Settled {
    /// For the writer.
    pub delta: Delta,
    /// The clusters to be connected to, where that changed.
    pub sessions: Option<Arc<BTreeMap<ClusterName, Session>>>,
    /// The facts that are read, where that changed.
    pub demand: Option<Arc<Demand>>,
    /// The plugins that identities use, each with the places that it may come from, where that changed.
    pub plugins: Option<Arc<BTreeMap<Arc<Plugin>, BTreeSet<Source>>>>,
    /// What plugins are asked, and no longer asked, since the last time.
    pub asking: Vec<Asking>,
    /// Number of pods that were looked at.
    pub pods_settled: usize,
}

/// All facts, and what follows from them.
#[derive(Debug)]
pub struct Index {
    settings: Settings,
    registries: BTreeMap<ClusterName, Registry>,
    identities: BTreeMap<IdentityName, Identity>,
    registries_listed: bool,
    identities_listed: bool,
    candidates: Candidates,
    /// Identities that cannot be read at all, so that nobody can say which pods are theirs.
    unreadable: BTreeSet<IdentityName>,
    clusters: BTreeMap<ClusterName, Cluster>,
    /// Which cluster each registry's entries are of. It outlives the connection, and by the registry's status the process.
    pins: BTreeMap<ClusterName, ClusterIdentity>,
    sessions: Arc<BTreeMap<ClusterName, Session>>,
    sessions_made: u64,
    demand: Arc<Demand>,
    /// Pods to be settled: those that a watch told of go before those that an edit or a list touched.
    urgent: VecDeque<(ClusterName, PodUid)>,
    touched: VecDeque<(ClusterName, PodUid)>,
    /// How many of them are of which cluster.
    unsettled: BTreeMap<ClusterName, usize>,
    changed_clusters: BTreeSet<ClusterName>,
    /// Clusters in step of which it was told that not all pods are known, because some are still to be settled.
    told_incomplete: BTreeSet<ClusterName>,
    changed_identities: BTreeSet<IdentityName>,
    malformed_names: BTreeMap<String, Malformed>,
    /// How many full reconciliations were asked for, and of how many it was told.
    requests: u64,
    requests_told: u64,
    /// Digests that objects name for the brake.
    released: Arc<BTreeSet<String>>,
    /// One of our own objects came since the last time: only then can sessions, demand and releases be others.
    objects_changed: bool,
    ended: Vec<PodKey>,
    answers: Answers,
    /// How many deltas were given out.
    deltas: u64,
}

impl Index {
    /// An index that knows nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            registries: BTreeMap::new(),
            identities: BTreeMap::new(),
            registries_listed: false,
            identities_listed: false,
            candidates: Candidates::default(),
            unreadable: BTreeSet::new(),
            clusters: BTreeMap::new(),
            pins: BTreeMap::new(),
            sessions: Arc::default(),
            sessions_made: 0,
            demand: Arc::default(),
            urgent: VecDeque::new(),
            touched: VecDeque::new(),
            unsettled: BTreeMap::new(),
            changed_clusters: BTreeSet::new(),
            told_incomplete: BTreeSet::new(),
            changed_identities: BTreeSet::new(),
            malformed_names: BTreeMap::new(),
            requests: 0,
            requests_told: 0,
            released: Arc::default(),
            objects_changed: false,
            ended: Vec::new(),
            answers: Answers::default(),
            deltas: 0,
        }
    }

    /// Records one fact. Nothing is derived before [`Self::settle`].
    pub fn apply(&mut self, change: Change) {
        if mutants::loses_this_one() {
            return;
        }
        match change {
            Change::Registries(change) => {
                self.objects_changed = true;
                self.apply_registries(change);
            }
            Change::Identities(change) => {
                self.objects_changed = true;
                self.apply_identities(change);
            }
            Change::Cluster(name, session, change) => self.apply_cluster(name, session, change),
            Change::Plugin(plugin, state) => self.apply_plugin(&plugin, state),
            Change::Decided(decided) => {
                let mut touched: BTreeMap<ClusterName, Vec<PodUid>> = BTreeMap::new();
                for (question, answer) in decided {
                    for (cluster, uid) in self.answers.decided(&question, answer) {
                        touched.entry(cluster).or_default().push(uid);
                    }
                }
                touched.into_iter().for_each(|(name, uids)| self.note(&name, uids, false));
            }
        }
    }

    /// Derives what the recorded facts touch and gives out what changed.
    pub fn settle(&mut self) -> Settled {
        self.settle_some(usize::MAX)
    }

    /// Derives at most so many of the pods that the recorded facts touch, and gives out what changed. Until nothing is left
    /// to be settled, what is given out lets less be written than the whole would: what holds comes first, and what lets
    /// go comes last.
    pub fn settle_some(&mut self, limit: usize) -> Settled {
        // What follows from our own objects alone is not looked at for each pod's event.
        let (sessions, plugins, demand, released) = match std::mem::take(&mut self.objects_changed) {
            true => (self.new_sessions(), self.new_plugins(), self.new_demand(), self.newly_released()),
            false => (None, None, None, None),
        };
        let mut pods_settled = 0;
        let mut pods = Vec::new();
        let mut tag: Option<(ClusterName, ClusterTag)> = None;
        while pods_settled < limit
            && let Some((cluster, uid)) = self.urgent.pop_front().or_else(|| self.touched.pop_front())
        {
            if let Some(count) = self.unsettled.get_mut(&cluster) {
                *count -= 1;
                if *count == 0 {
                    self.unsettled.remove(&cluster);
                }
            }
            if self.clusters.get(&cluster).is_some_and(|facts| facts.is_settled(&uid)) {
                continue;
            }
            pods_settled += 1;
            let of_cluster = match &tag {
                Some((name, tag)) if *name == cluster => *tag,
                _ => tag.insert((cluster.clone(), ClusterTag::of(&cluster))).1,
            };
            let settled = self.settle_pod(&cluster, &uid);
            let key = PodKey { cluster: of_cluster, pod: uid };
            match settled {
                SettledPod::Same => {}
                SettledPod::Now(desired) => pods.push((key, Some(desired))),
                SettledPod::Unknown => pods.push((key, None)),
            }
        }
        for queue in [&mut self.urgent, &mut self.touched] {
            if queue.is_empty() && queue.capacity() > QUEUE {
                *queue = VecDeque::new();
            }
        }
        let unsettled = self.is_unsettled() && !mutants::is_on(Mutant::SettledTooEarly);
        let clusters = std::mem::take(&mut self.changed_clusters);
        let clusters = clusters.into_iter().filter_map(|name| {
            let standing = match self.cluster_standing(&name) {
                // Pods of it are still to be given out, so whoever does not know a pod does not know that it is gone.
                Some(ClusterStanding::Synced { .. }) if unsettled && self.unsettled.contains_key(&name) => {
                    self.changed_clusters.insert(name.clone());
                    let is_news = self.told_incomplete.insert(name.clone());
                    return is_news.then_some((name, Some(ClusterStanding::Synced { complete: false })));
                }
                standing => standing,
            };
            self.told_incomplete.remove(&name);
            Some((name, standing))
        });
        let clusters: Vec<_> = clusters.collect();
        self.deltas += 1;
        let (mut identities, mut generations) = (Vec::new(), Vec::new());
        for name in std::mem::take(&mut self.changed_identities) {
            let standing = self.identities.get(&name).map(Identity::standing);
            // Whoever is known to want nothing more of a pod lets its entry end; so the pods come first.
            match standing {
                Some(IdentityStanding::Live | IdentityStanding::Ended) if unsettled => {
                    self.changed_identities.insert(name);
                }
                _ => {
                    if let Some(identity) = self.identities.get_mut(&name) {
                        identity.told_in(self.deltas);
                    }
                    let generation = self.identities.get(&name).and_then(Identity::generation);
                    generations.extend(generation.map(|generation| (name.clone(), generation)));
                    identities.push((name, standing));
                }
            }
        }
        let half_is_enough = mutants::is_on(Mutant::BeginTooEarly);
        let ready = self.registries_listed && (self.identities_listed || half_is_enough);
        let told = std::mem::replace(&mut self.requests_told, self.requests);
        let compare = (self.requests > told).then_some(self.requests);
        let ended = std::mem::take(&mut self.ended);
        let number = self.deltas;
        let delta = Delta {
            number,
            ready,
            unsettled,
            compare,
            released_by: released.as_ref().map(|_| self.released_by()).unwrap_or_default(),
            released,
            ended,
            cluster_generations: self.generations_of(&clusters),
            clusters,
            identities,
            generations,
            pods,
        };
        Settled { delta, sessions, demand, plugins, asking: self.answers.news(), pods_settled }
    }

    /// Whether something is left to be settled.
    pub fn is_unsettled(&self) -> bool {
        !self.urgent.is_empty() || !self.touched.is_empty()
    }

    /// Notes that pods have to be settled, before all others where a watch told of them.
    fn note(&mut self, cluster: &ClusterName, mut uids: Vec<PodUid>, is_urgent: bool) {
        // Tables give them out in no order, and the same facts are to be settled in the same one.
        uids.sort_unstable();
        let mut facts = self.clusters.get_mut(cluster);
        let queue = if is_urgent { &mut self.urgent } else { &mut self.touched };
        let mut count = 0;
        for uid in uids {
            let was_noted = facts.as_mut().is_some_and(|facts| facts.note_changed(&uid));
            if is_urgent || !was_noted {
                queue.push_back((cluster.clone(), uid));
                count += 1;
            }
        }
        if count > 0 {
            *self.unsettled.entry(cluster.clone()).or_default() += count;
        }
    }

    fn new_sessions(&mut self) -> Option<Arc<BTreeMap<ClusterName, Session>>> {
        let sessions = self.clusters.iter().map(|(name, cluster)| (name.clone(), cluster.session().clone()));
        let sessions: BTreeMap<ClusterName, Session> = sessions.collect();
        if *self.sessions == sessions {
            return None;
        }
        self.sessions = Arc::new(sessions);
        Some(self.sessions.clone())
    }

    fn new_plugins(&mut self) -> Option<Arc<BTreeMap<Arc<Plugin>, BTreeSet<Source>>>> {
        let mut wanted: BTreeMap<Arc<Plugin>, BTreeSet<Source>> = BTreeMap::new();
        let compiled = self.identities.values().flat_map(Identity::versions).filter_map(Identity::wanting);
        for plugin in compiled.filter_map(CompiledIdentity::plugin) {
            wanted.entry(plugin.plugin.clone()).or_default().insert(plugin.source.clone());
        }
        self.answers.want(wanted)
    }

    fn apply_plugin(&mut self, plugin: &Arc<Plugin>, state: PluginState) {
        if !self.answers.stands(plugin, state) {
            return;
        }
        // It may read what no watch keeps yet.
        self.objects_changed = true;
        if mutants::is_on(Mutant::ForgetPluginsPods) {
            return;
        }
        let uses = |identity: &&Identity| {
            let used = identity.wanting().and_then(CompiledIdentity::plugin);
            used.is_some_and(|used| used.plugin == *plugin)
        };
        let versions = self.identities.values().flat_map(Identity::versions);
        let users: Vec<&Identity> = versions.filter(uses).collect();
        let touched = self.pods_of(&users, |_| true);
        self.note_all(touched);
    }

    fn new_demand(&mut self) -> Option<Arc<Demand>> {
        let mut demand = Demand::default();
        let versions = self.identities.values().flat_map(Identity::versions);
        for identity in versions.filter_map(Identity::wanting) {
            demand.merge(identity.demand());
            let state = identity.plugin().and_then(|plugin| self.answers.state(&plugin.plugin));
            if let Some(PluginState::Ready { description, .. }) = state {
                demand.merge(&description.reads.demand());
            }
        }
        if *self.demand == demand {
            return None;
        }
        if !demand.reads_endpoint_slices() {
            self.clusters.values_mut().for_each(Cluster::forget_slices);
        }
        self.demand = Arc::new(demand);
        Some(self.demand.clone())
    }

    fn generations_of(&self, clusters: &[(ClusterName, Option<ClusterStanding>)]) -> Vec<(ClusterName, i64)> {
        let each = clusters
            .iter()
            .filter_map(|(name, _)| Some((name.clone(), self.registries.get(name)?.generation()?)));
        each.collect()
    }

    /// The object that names each digest.
    fn released_by(&self) -> BTreeMap<String, String> {
        let registries = self.registries.iter();
        let registries =
            registries.filter_map(|(name, it)| Some((format!("EKSClusterRegistry/{name}"), it.release()?)));
        let identities = self.identities.iter();
        let identities =
            identities.filter_map(|(name, it)| Some((format!("WorkloadIdentity/{name}"), it.release()?)));
        let each = registries.chain(identities);
        let each = each
            .flat_map(|(object, text)| text.split([',', ' ']).map(move |it| (it.to_owned(), object.clone())));
        each.filter(|(digest, _)| !digest.is_empty()).collect()
    }

    fn newly_released(&mut self) -> Option<Arc<BTreeSet<String>>> {
        let registries = self.registries.values().filter_map(Registry::release);
        let identities = self.identities.values().filter_map(Identity::release);
        // Several, where one object releases several plans.
        let each = registries.chain(identities).flat_map(|text| text.split([',', ' ']));
        let released: BTreeSet<String> =
            each.filter(|digest| !digest.is_empty()).map(str::to_owned).collect();
        if *self.released == released {
            return None;
        }
        self.released = Arc::new(released);
        Some(self.released.clone())
    }

    /// Numbers of questions that plugins are asked: all that pods depend on, and those without an answer.
    pub fn question_counts(&self) -> (usize, usize) {
        self.answers.counts()
    }

    /// The session in which a cluster's changes are taken in now.
    pub fn session(&self, name: &ClusterName) -> Option<&Session> {
        self.clusters.get(name).map(Cluster::session)
    }

    /// Number of pods known in all clusters.
    pub fn pod_count(&self) -> usize {
        self.clusters.values().map(Cluster::pod_count).sum()
    }

    /// The clusters of which anything may be known.
    pub fn cluster_names(&self) -> impl Iterator<Item = &ClusterName> {
        self.clusters.keys()
    }

    /// What each known pod of a cluster is to have.
    pub fn desired_in(&self, cluster: &ClusterName) -> impl Iterator<Item = (&PodUid, &Arc<PodDesired>)> {
        let pods = self.clusters.get(cluster).into_iter().flat_map(Cluster::pods);
        pods.map(|(uid, pod)| (uid, &pod.desired))
    }

    /// What one known pod is to have, with the namespace and name of the pod.
    pub fn desired(&self) -> impl Iterator<Item = (&ClusterName, &PodUid, &Arc<PodDesired>)> {
        self.clusters
            .iter()
            .flat_map(|(name, cluster)| cluster.pods().map(move |(uid, pod)| (name, uid, &pod.desired)))
    }

    /// Every pod that an identity selects and that gets no entry of it now, and why.
    pub fn failures(&self) -> impl Iterator<Item = Failure<'_>> {
        self.clusters.iter().flat_map(|(cluster, facts)| {
            facts.pods().flat_map(move |(_, pod)| {
                let told = pod.told.iter();
                told.map(move |(identity, told)| Failure { cluster, pod: pod.name(), identity, told })
            })
        })
    }

    /// The registries with what is known of their clusters.
    pub fn registries(&self) -> impl Iterator<Item = RegistryView<'_>> {
        self.registries.iter().filter_map(|(name, registry)| {
            let standing = self.cluster_standing(name)?;
            let (cluster, pin) = (self.clusters.get(name), self.pins.get(name));
            registry.view(name, standing, cluster, pin, self.elder(name))
        })
    }

    /// The identities with what is known of their pods.
    pub fn identities(&self) -> impl Iterator<Item = IdentityView<'_>> {
        self.identities.iter().filter_map(|(name, identity)| {
            identity.view(name, &self.registries, &self.clusters, &self.answers)
        })
    }

    /// Which of both own kinds were not listed yet.
    pub fn not_listed(&self) -> Vec<&'static str> {
        let kinds = [
            ("eksclusterregistries", self.registries_listed),
            ("workloadidentities", self.identities_listed),
        ];
        kinds.into_iter().filter(|(_, is_listed)| !is_listed).map(|(kind, _)| kind).collect()
    }

    /// Objects whose names even cannot be used; nothing was ever made for them.
    pub fn malformed_objects(&self) -> impl Iterator<Item = &Malformed> {
        self.malformed_names.values()
    }

    fn apply_registries(&mut self, change: ObjectChange<EKSClusterRegistry>) {
        match change {
            ObjectChange::Listed(objects) => {
                self.registries_listed = true;
                let before: BTreeSet<ClusterName> = self.registries.keys().cloned().collect();
                let seen: BTreeSet<ClusterName> =
                    objects.into_iter().filter_map(|object| self.put_registry(object)).collect();
                // Missing and never seen deleted: what is there is orphaned, and stays.
                for name in before.difference(&seen) {
                    if self.registries.get(name).is_some_and(|registry| !registry.is_ended()) {
                        self.registries.remove(name);
                        self.registry_changed(name);
                    }
                }
            }
            ObjectChange::Applied(object) => {
                self.put_registry(object);
            }
            ObjectChange::Deleted(name) => {
                self.malformed_names.remove(&name);
                if let Ok(name) = ClusterName::new(name) {
                    self.registries.entry(name.clone()).or_insert_with(Registry::ended).end();
                    self.registry_changed(&name);
                }
            }
        }
    }

    fn put_registry(&mut self, object: Result<Arc<EKSClusterRegistry>, Malformed>) -> Option<ClusterName> {
        let mut registry = Registry::of(object, &self.settings.guardrails);
        let name =
            self.name_of(ClusterName::new(&registry.name), &registry.name, registry.problem.as_ref())?;
        let before = self.registries.get(&name);
        let same_cluster = before.is_some_and(|before| before.same_for_pods(&registry));
        registry.number_request(before, &mut self.requests);
        if let Some(pinned) = registry.pinned() {
            // What this process has seen itself is newer than what it or another wrote.
            self.pins.entry(name.clone()).or_insert(pinned);
        }
        self.registries.insert(name.clone(), registry);
        if !same_cluster {
            self.registry_changed(&name);
        }
        self.accept(&name);
        Some(name)
    }

    /// The registry's name where it can be one; otherwise the object is noted and nothing else.
    fn name_of<N, E: std::fmt::Display>(
        &mut self,
        name: Result<N, E>,
        text: &str,
        malformed: Option<&Malformed>,
    ) -> Option<N> {
        match name {
            Ok(name) => Some(name),
            Err(error) => {
                let noted = malformed.cloned().unwrap_or_else(|| Malformed {
                    name: text.to_owned(),
                    uid: None,
                    problem: format!("metadata.name: {error}"),
                });
                self.malformed_names.insert(text.to_owned(), noted);
                None
            }
        }
    }

    /// Takes another cluster that answers where the operator now says so: all that it told was not taken in, so it is
    /// connected to once more.
    fn accept(&mut self, name: &ClusterName) {
        let Some(registry) = self.registries.get(name) else { return };
        let Some(cluster) = self.clusters.get_mut(name).filter(|cluster| cluster.is_another()) else {
            return;
        };
        if let Some(identity) = cluster.identity().filter(|identity| registry.accepts(identity)) {
            self.pins.insert(name.clone(), identity.clone());
            self.sessions_made += 1;
            cluster.begin(self.sessions_made);
            self.changed_clusters.insert(name.clone());
        }
    }

    /// Notes which cluster answers, and whether it is the one that the entries are of.
    fn identify(&mut self, name: &ClusterName, identity: ClusterIdentity) {
        let Some(registry) = self.registries.get(name) else { return };
        let pin = self.pins.get(name);
        let is_right = pin.is_none_or(|pin| pin.uid == identity.uid) || registry.accepts(&identity);
        self.changed_clusters.extend(self.namesakes(name));
        if let Some(cluster) = self.clusters.get_mut(name) {
            cluster.identify(identity.clone(), !is_right);
        }
        if is_right {
            self.pins.insert(name.clone(), identity);
        }
        self.changed_clusters.extend(self.namesakes(name));
    }

    /// Registries of the same cluster, this one among them.
    fn namesakes(&self, name: &ClusterName) -> Vec<ClusterName> {
        let identity = self.clusters.get(name).and_then(Cluster::identity);
        let same = |cluster: &&Cluster| {
            identity.is_some_and(|it| cluster.identity().is_some_and(|other| other.uid == it.uid))
        };
        let names = self.clusters.iter().filter(|(_, cluster)| same(cluster)).map(|(name, _)| name.clone());
        names.chain([name.clone()]).collect()
    }

    /// The registry that has the cluster which this one names too: the one that was made first, by name where they were
    /// made in the same second.
    fn elder(&self, name: &ClusterName) -> Option<&ClusterName> {
        let identity = self.clusters.get(name)?.identity()?;
        let age = |name: &ClusterName| self.registries.get(name).map(Registry::age);
        let own = (age(name), name);
        let others = self.clusters.iter().filter(|(_, cluster)| !cluster.is_another());
        let same = others.filter(|(_, cluster)| cluster.identity().is_some_and(|it| it.uid == identity.uid));
        same.map(|(other, _)| (age(other), other)).filter(|other| *other < own).min().map(|(_, other)| other)
    }

    fn registry_changed(&mut self, name: &ClusterName) {
        self.changed_clusters.extend(self.namesakes(name));
        let context = self.registries.get(name).and_then(Registry::wanted_context);
        match context {
            None => {
                if self.registries.get(name).is_none_or(Registry::is_ended) {
                    self.pins.remove(name);
                }
                if let Some(gone) = self.clusters.remove(name) {
                    self.note(name, gone.uids().cloned().collect(), false);
                    gone.counted().for_each(|identity| {
                        if let Some(identity) = self.identities.get_mut(identity) {
                            identity.forget(name);
                        }
                    });
                }
            }
            Some(context) => {
                self.sessions_made += 1;
                let session = self.sessions_made;
                let cluster = self.clusters.entry(name.clone());
                let cluster = cluster.or_insert_with(|| Cluster::new(context.clone(), session));
                let uids = cluster.uids().cloned().collect();
                cluster.set_context(context, session);
                self.note(name, uids, false);
            }
        }
    }

    fn cluster_standing(&self, name: &ClusterName) -> Option<ClusterStanding> {
        let registry = self.registries.get(name)?;
        Some(match (registry.hold(), self.clusters.get(name)) {
            _ if registry.is_ended() => ClusterStanding::Ended,
            (Some(hold), _) => ClusterStanding::Held(hold),
            (None, Some(_)) if self.elder(name).is_some() => ClusterStanding::Held(Hold::SameCluster),
            (None, Some(cluster)) => cluster.standing(),
            (None, None) => ClusterStanding::Held(Hold::Connecting),
        })
    }

    fn apply_identities(&mut self, change: ObjectChange<WorkloadIdentity>) {
        match change {
            ObjectChange::Listed(objects) => {
                self.identities_listed = true;
                let before: BTreeSet<IdentityName> = self.identities.keys().cloned().collect();
                let seen: BTreeSet<IdentityName> =
                    objects.into_iter().filter_map(|object| self.put_identity(object)).collect();
                for name in before.difference(&seen) {
                    let is_ended = |identity: &Identity| identity.standing() == IdentityStanding::Ended;
                    if self.identities.get(name).is_some_and(|identity| !is_ended(identity)) {
                        let ended = mutants::is_on(Mutant::MissingIsDeleted).then(Identity::ended);
                        self.replace_identity(name, ended);
                    }
                }
            }
            ObjectChange::Applied(object) => {
                self.put_identity(object);
            }
            ObjectChange::Deleted(name) => {
                self.malformed_names.remove(&name);
                if let Ok(name) = IdentityName::new(name) {
                    self.replace_identity(&name, Some(Identity::ended()));
                }
            }
        }
    }

    fn put_identity(&mut self, object: Result<Arc<WorkloadIdentity>, Malformed>) -> Option<IdentityName> {
        let name = match &object {
            Ok(object) => object.name_any(),
            Err(malformed) => malformed.name.clone(),
        };
        let name = self.name_of(IdentityName::new(&name), &name, object.as_ref().err())?;
        let identity = Identity::of(object, self.identities.get(&name), &self.settings);
        self.replace_identity(&name, Some(identity));
        Some(name)
    }

    fn replace_identity(&mut self, name: &IdentityName, mut identity: Option<Identity>) {
        let before = self.identities.remove(name);
        if let Some(now) = &mut identity {
            now.number_request(before.as_ref(), &mut self.requests);
        }
        let same =
            before.as_ref().zip(identity.as_ref()).is_some_and(|(before, now)| before.same_for_pods(now));
        if same {
            if let Some((mut now, before)) = identity.zip(before) {
                now.keep_all_of(before);
                self.identities.insert(name.clone(), now);
            }
            return;
        }
        self.changed_identities.insert(name.clone());
        // A wave of a rollout concerns the clusters that it reaches.
        let both = before.as_ref().zip(identity.as_ref());
        let is_other =
            |cluster: &ClusterName| both.is_none_or(|(before, now)| !now.same_for_pods_of(before, cluster));
        let others: BTreeSet<ClusterName> = self.clusters.keys().filter(|it| is_other(it)).cloned().collect();
        let versions: Vec<&Identity> = before.iter().chain(&identity).flat_map(Identity::versions).collect();
        let touched = self.pods_of(&versions, |cluster| others.contains(cluster));
        self.note_all(touched);
        let places = before.iter().flat_map(Identity::versions).filter_map(Identity::place);
        places.for_each(|place| self.candidates.remove(place));
        self.unreadable.remove(name);
        let Some(mut identity) = identity else { return };
        identity.versions().filter_map(Identity::place).for_each(|place| self.candidates.insert(place));
        if identity.versions().any(Identity::is_unreadable) {
            self.unreadable.insert(name.clone());
        }
        if let Some(before) = before {
            identity.keep_counts_of(before);
        }
        self.identities.insert(name.clone(), identity);
    }

    /// Pods that depend on these identities, of the clusters that this fits.
    fn pods_of(
        &self,
        identities: &[&Identity],
        fits: impl Fn(&ClusterName) -> bool,
    ) -> Vec<(ClusterName, Vec<PodUid>)> {
        let uids = |cluster: &Cluster| {
            let uids = identities.iter().flat_map(|identity| cluster.uids_for(identity));
            uids.cloned().collect()
        };
        let clusters = self.clusters.iter().filter(|(name, _)| fits(name));
        clusters.map(|(name, cluster)| (name.clone(), uids(cluster))).collect()
    }

    fn note_all(&mut self, pods: Vec<(ClusterName, Vec<PodUid>)>) {
        pods.into_iter().for_each(|(name, uids)| self.note(&name, uids, false));
    }

    /// Nobody can say of some identity which pods of this cluster are its own.
    fn holds_all(&self, cluster: &ClusterName) -> bool {
        any_unreadable(self.unreadable.iter().filter_map(|name| self.identities.get(name)), cluster)
    }

    fn apply_cluster(&mut self, name: ClusterName, session: u64, change: ClusterChange) {
        let is_current = |cluster: &&mut Cluster| {
            cluster.session().number == session || mutants::is_on(Mutant::HearEndedSessions)
        };
        let cluster = self.clusters.get_mut(&name).filter(is_current);
        let Some(cluster) = cluster else { return };
        if let ClusterChange::Identified(identity) = change {
            self.identify(&name, identity);
            return;
        }
        let before = cluster.standing();
        if let ClusterChange::Pods(Watched::Gone(uid)) = &change {
            self.ended.push(PodKey { cluster: ClusterTag::of(&name), pod: uid.clone() });
        }
        let is_urgent =
            matches!(&change, ClusterChange::Pods(change) if !matches!(change, Watched::Listed { .. }));
        let touched = cluster.apply(change);
        if cluster.standing() != before {
            self.changed_clusters.insert(name.clone());
        }
        self.note(&name, touched, is_urgent);
    }

    fn settle_pod(&mut self, name: &ClusterName, uid: &PodUid) -> SettledPod {
        let hold_all = self.holds_all(name);
        let Some(cluster) = self.clusters.get_mut(name) else {
            self.answers.depends(&(name.clone(), uid.clone()), Vec::new());
            return SettledPod::Unknown;
        };
        let identities = &self.identities;
        let places = &self.candidates;
        let candidates = |pod: &PodFacts| {
            let ranks = places.of(&pod.namespace, &pod.labels).into_iter();
            ranks.filter_map(|rank| of_rank(identities.get(rank.name()), rank, name))
        };
        let (before, outcome) = cluster.settle(uid, &self.settings, &self.answers, hold_all, candidates);
        for (identity, told) in before.iter() {
            if let Some(identity) = self.identities.get_mut(identity) {
                identity.uncount(name, uid, told);
            }
        }
        match outcome {
            None => {
                self.answers.depends(&(name.clone(), uid.clone()), Vec::new());
                SettledPod::Unknown
            }
            Some(Settlement { desired, told, questions, changed }) => {
                self.answers.depends(&(name.clone(), uid.clone()), questions);
                for (identity, told) in told.iter() {
                    if let Some(identity) = self.identities.get_mut(identity) {
                        identity.count(name, uid, told);
                    }
                }
                if changed { SettledPod::Now(desired) } else { SettledPod::Same }
            }
        }
    }
}

/// Whether one of these identities, as pods of this cluster have to do with it, cannot be read.
fn any_unreadable<'a>(mut identities: impl Iterator<Item = &'a Identity>, cluster: &ClusterName) -> bool {
    identities.any(|identity| identity.in_cluster(cluster).is_unreadable())
}

/// The version of an identity that pods of this cluster have to do with, where this rank is that version's.
fn of_rank<'a>(
    identity: Option<&'a Identity>,
    rank: &'a Rank,
    cluster: &ClusterName,
) -> Option<(&'a IdentityName, &'a Identity)> {
    let version = identity?.in_cluster(cluster);
    let is_its_own = version.place().is_some_and(|place| place.rank == *rank);
    is_its_own.then_some((rank.name(), version))
}

/// A pod that an identity selects, and what became of it.
#[derive(Debug)]
pub struct Failure<'a> {
    /// The cluster.
    pub cluster: &'a ClusterName,
    /// `namespace/name` of the pod.
    pub pod: String,
    /// The identity that selects it.
    pub identity: &'a IdentityName,
    /// What came of it.
    pub told: &'a Told,
}

enum SettledPod {
    Same,
    Now(Arc<PodDesired>),
    Unknown,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::ACCEPT_CLUSTER_ANNOTATION;
    use crate::facts::{Phase, trim};
    use crate::spiffe::TrustDomain;

    fn index() -> Index {
        let domains =
            Domains { trust: TrustDomain::new("example.org").unwrap(), cluster: "cluster.local".into() };
        let mut index = Index::new(Settings {
            domains,
            ignore_namespaces: Vec::new(),
            guardrails: Guardrails::default(),
        });
        index.apply(Change::Identities(ObjectChange::Listed(vec![identity(json!({}))])));
        index
    }

    fn identity(annotations: serde_json::Value) -> Result<Arc<WorkloadIdentity>, Malformed> {
        let object = json!({"metadata": {"name": "web", "annotations": annotations}, "spec": {"applicationName": "web",
            "namespace": "shop", "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/{{ .EKSClusterName }}"}});
        Ok(Arc::new(serde_json::from_value(object).unwrap()))
    }

    fn registry(eks_name: &str, enabled: bool) -> Change {
        let object = json!({"metadata": {"name": "east"}, "spec": {"clusterName": eks_name, "region": "us-east-1",
            "accountId": "111111111111", "enabled": enabled}});
        Change::Registries(ObjectChange::Listed(vec![Ok(Arc::new(serde_json::from_value(object).unwrap()))]))
    }

    fn session(index: &Index) -> u64 {
        index.session(&ClusterName::new("east").unwrap()).unwrap().number
    }

    /// All that a connection tells before it is live, with one pod.
    fn tell(index: &mut Index, session: u64) {
        let demand = Arc::new(Demand::default());
        let pod =
            json!({"metadata": {"name": "p", "namespace": "shop", "uid": "u"}, "spec": {"nodeName": "n"}});
        let pods = vec![trim::pod(&pod, &demand).unwrap()];
        let nodes = vec![trim::node(&json!({"metadata": {"name": "n", "uid": "n"}}), &demand).unwrap()];
        let (malformed, items) = (Vec::new(), Vec::new());
        let namespaces = Watched::Listed { items, malformed, demand: demand.clone() };
        let nodes = Watched::Listed { items: nodes, malformed: Vec::new(), demand: demand.clone() };
        let pods = Watched::Listed { items: pods, malformed: Vec::new(), demand };
        for change in [
            ClusterChange::Namespaces(namespaces),
            ClusterChange::Nodes(nodes),
            ClusterChange::Pods(pods),
            ClusterChange::Phase(Phase::Live),
        ] {
            index.apply(Change::Cluster(ClusterName::new("east").unwrap(), session, change));
        }
    }

    /// Two pods, of which an identity of all namespaces wants one.
    #[test]
    fn an_edit_touches_the_pods_that_the_identity_may_want() {
        let mut index = index();
        index.apply(registry("one", true));
        index.settle();
        let number = session(&index);
        tell(&mut index, number);
        let pod = json!({"metadata": {"name": "q", "namespace": "shop", "uid": "q", "labels": {"app": "q"}}, "spec": {"nodeName": "n"}});
        let pod = Watched::Applied(trim::pod(&pod, &Demand::default()).unwrap());
        index.apply(Change::Cluster(ClusterName::new("east").unwrap(), number, ClusterChange::Pods(pod)));
        let items = vec![trim::namespace(&json!({"metadata": {"name": "shop"}})).unwrap()];
        let namespaces = Watched::Listed { items, malformed: Vec::new(), demand: Arc::default() };
        let namespaces = ClusterChange::Namespaces(namespaces);
        index.apply(Change::Cluster(ClusterName::new("east").unwrap(), number, namespaces));
        index.settle();
        let mut touched = |spec: serde_json::Value| {
            let mut object = json!({"metadata": {"name": "narrow"}, "spec": {"applicationName": "q", "namespaceSelector": {},
                "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/q"}});
            let fields = object["spec"].as_object_mut().unwrap();
            fields.extend(spec.as_object().unwrap().clone());
            let object = Ok(Arc::new(serde_json::from_value(object).unwrap()));
            index.apply(Change::Identities(ObjectChange::Applied(object)));
            index.settle().pods_settled
        };
        assert_eq!(touched(json!({"podSelector": {"matchLabels": {"app": "none"}}})), 0);
        assert_eq!(touched(json!({"podSelector": {"matchLabels": {"app": "q"}}})), 1);
        assert_eq!(
            touched(json!({"clusterSelector": {"matchLabels": {"region": "west"}}})),
            1,
            "it leaves the pod"
        );
        assert_eq!(touched(json!({"clusterSelector": {"matchLabels": {"region": "north"}}})), 0);
        assert_eq!(touched(json!({})), 2);
    }

    #[test]
    fn while_pods_are_to_be_given_out_a_delta_lets_less_be_written() {
        let mut index = index();
        index.apply(registry("one", true));
        index.settle();
        let number = session(&index);
        tell(&mut index, number);
        let east = ClusterName::new("east").unwrap();
        // A second pod, and an edit that touches both.
        let pod =
            json!({"metadata": {"name": "q", "namespace": "shop", "uid": "q"}, "spec": {"nodeName": "n"}});
        let pod = Watched::Applied(trim::pod(&pod, &Demand::default()).unwrap());
        index.apply(Change::Cluster(east.clone(), number, ClusterChange::Pods(pod)));
        index.apply(Change::Identities(ObjectChange::Applied(identity(json!({"edited": "1"})))));
        let first = index.settle_some(1).delta;
        assert!(first.unsettled);
        assert_eq!(first.pods[0].0.pod.as_str(), "q", "what a watch tells goes first");
        assert_eq!(first.clusters, [(east.clone(), Some(ClusterStanding::Synced { complete: false }))]);
        let last = index.settle_some(1).delta;
        assert!(!last.unsettled && last.pods.len() == 1);
        assert_eq!(last.clusters, [(east, Some(ClusterStanding::Synced { complete: true }))]);
        // An identity that is only tried is told before its pods, and one that lives again after them.
        let preview = |preview: bool| {
            let mut object = identity(json!({})).unwrap();
            Arc::make_mut(&mut object).spec.preview = preview;
            Change::Identities(ObjectChange::Applied(Ok(object)))
        };
        index.apply(preview(true));
        let told = index.settle_some(1).delta;
        assert!(told.unsettled && told.identities[0].1 == Some(IdentityStanding::Preview));
        index.settle();
        index.apply(preview(false));
        let early = index.settle_some(1).delta;
        assert!(early.unsettled && early.identities.is_empty());
        let late = index.settle_some(1).delta;
        assert_eq!(late.identities[0].1, Some(IdentityStanding::Live));
    }

    #[test]
    fn an_entry_of_other_facts_is_given_out_again_though_it_is_the_same() {
        let mut index = index();
        index.apply(registry("one", true));
        let number = session(&index);
        tell(&mut index, number);
        index.settle();
        let mut pod =
            json!({"metadata": {"name": "p", "namespace": "shop", "uid": "u"}, "spec": {"nodeName": "n"}});
        let applied = |index: &mut Index, pod: &serde_json::Value| {
            let facts = Watched::Applied(trim::pod(pod, &Demand::default()).unwrap());
            index.apply(Change::Cluster(
                ClusterName::new("east").unwrap(),
                number,
                ClusterChange::Pods(facts),
            ));
            index.settle().delta.pods
        };
        assert_eq!(applied(&mut index, &pod), [], "the same facts");
        let before = index.desired().next().unwrap().2.clone();
        pod["metadata"]["labels"] = json!({"nobody": "reads this"});
        let again = applied(&mut index, &pod);
        assert_eq!(again[0].1.as_ref(), Some(&before));
        assert!(!again[0].1.as_ref().unwrap().is_same(&before));
    }

    #[test]
    fn an_object_releases_as_many_plans_as_it_names() {
        let mut index = index();
        let release = |text: &str| {
            let object = identity(json!({crate::api::RELEASE_ANNOTATION: text}));
            Change::Identities(ObjectChange::Applied(object))
        };
        let mut released = |text: &str| {
            index.apply(release(text));
            index.settle().delta.released.map(|digests| digests.iter().cloned().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(released("one").as_deref(), Some("one"));
        assert_eq!(released("two, one").as_deref(), Some("one two"));
        assert_eq!(released("one,two"), None, "the same");
        assert_eq!(released("").as_deref(), Some(""));
    }

    #[test]
    fn what_an_ended_session_still_tells_is_dropped() {
        let mut index = index();
        index.apply(registry("one", true));
        let first = session(&index);
        // The registry names another cluster before the first one's list has come out of the queue.
        index.apply(registry("two", true));
        tell(&mut index, first);
        let settled = index.settle();
        assert_eq!(index.pod_count(), 0);
        assert_eq!(settled.delta.clusters.len(), 1);
        assert!(matches!(settled.delta.clusters[0].1, Some(ClusterStanding::Held(Hold::Connecting))));
        let second = session(&index);
        assert_ne!(first, second);
        tell(&mut index, second);
        index.settle();
        let (_, _, desired) = index.desired().next().unwrap();
        assert_eq!(desired.wanted[0].entry().unwrap().key.spiffe_id.to_string(), "spiffe://example.org/two");
    }

    #[test]
    fn a_cluster_that_was_disabled_in_between_is_another_session_and_labels_are_not() {
        let mut index = index();
        index.apply(registry("one", true));
        let first = session(&index);
        index.apply(registry("one", true));
        assert_eq!(session(&index), first);
        index.apply(registry("one", false));
        assert_eq!(index.session(&ClusterName::new("east").unwrap()), None);
        index.apply(registry("one", true));
        assert_ne!(session(&index), first);
    }

    #[test]
    fn another_way_or_another_name_is_another_session_that_forgets_nothing() {
        let mut index = index();
        index.apply(registry("one", true));
        let first = session(&index);
        tell(&mut index, first);
        index.settle();
        let mut sessions = BTreeSet::from([first]);
        for change in [
            json!({"endpoint": "https://private.example"}),
            json!({"assumeRoleArn": "arn:aws:iam::111111111111:role/r"}),
            json!({"region": "us-east-2"}),
            json!({"clusterName": "renamed"}),
        ] {
            let mut object = json!({"metadata": {"name": "east"}, "spec": {"clusterName": "one",
                "region": "us-east-1", "accountId": "111111111111", "enabled": true}});
            object["spec"].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let object = Ok(Arc::new(serde_json::from_value(object).unwrap()));
            index.apply(Change::Registries(ObjectChange::Applied(object)));
            let settled = index.settle();
            assert!(sessions.insert(session(&index)), "{change}");
            assert_eq!(index.pod_count(), 1, "{change}");
            assert!(matches!(settled.delta.clusters[0].1, Some(ClusterStanding::Held(Hold::Connecting))));
        }
    }

    #[test]
    fn a_role_that_the_guardrails_do_not_allow_is_a_problem_of_the_registry() {
        let mut index = index();
        let allowed = crate::guardrails::Pattern::of_role_arns("arn:aws:iam::*:role/registrar").unwrap();
        index.settings.guardrails.role_arns = Some(vec![allowed]);
        for (role, is_allowed) in [("registrar", true), ("admin", false)] {
            let object = json!({"metadata": {"name": "east"}, "spec": {"clusterName": "one", "region": "us-east-1",
                "accountId": "111111111111", "enabled": true,
                "assumeRoleArn": format!("arn:aws:iam::111111111111:role/{role}")}});
            let object = Ok(Arc::new(serde_json::from_value(object).unwrap()));
            index.apply(Change::Registries(ObjectChange::Applied(object)));
            assert_eq!(index.session(&ClusterName::new("east").unwrap()).is_some(), is_allowed);
            let problems = index.registries().next().unwrap().problems;
            assert_eq!(problems.first().map(|it| it.reason), (!is_allowed).then_some("GuardrailDenied"));
        }
    }

    /// Who answers in the registry's session, and with one pod; the registry's standing after that.
    fn answered(index: &mut Index, name: &str, uid: &str) -> Option<ClusterStanding> {
        let name = ClusterName::new(name).unwrap();
        let number = index.session(&name).unwrap().number;
        let identity = ClusterIdentity { arn: "arn".to_owned(), uid: uid.to_owned() };
        index.apply(Change::Cluster(name.clone(), number, ClusterChange::Identified(identity)));
        if name.as_str() == "east" {
            tell(index, number);
        }
        index.settle();
        index.cluster_standing(&name)
    }

    fn put(index: &mut Index, object: serde_json::Value) {
        index.apply(Change::Registries(ObjectChange::Applied(Ok(Arc::new(
            serde_json::from_value(object).unwrap(),
        )))));
        index.settle();
    }

    fn object(
        name: &str,
        created: &str,
        annotations: serde_json::Value,
        status: serde_json::Value,
    ) -> serde_json::Value {
        json!({"metadata": {"name": name, "creationTimestamp": created, "annotations": annotations},
            "spec": {"clusterName": "one", "region": "us-east-1", "accountId": "111111111111", "enabled": true},
            "status": status})
    }

    const THEN: &str = "2026-01-01T00:00:00Z";

    #[test]
    fn another_cluster_in_the_place_of_the_one_that_was_is_held_until_it_is_accepted() {
        let mut index = index();
        let status = json!({"clusterARN": "arn", "clusterUID": "old"});
        put(&mut index, object("east", THEN, json!({}), status.clone()));
        let held = Some(ClusterStanding::Held(Hold::AnotherCluster));
        assert_eq!(answered(&mut index, "east", "new"), held);
        assert_eq!(index.pod_count(), 0, "nothing of it is taken in");
        // One annotation for all times would be none at all.
        put(&mut index, object("east", THEN, json!({ACCEPT_CLUSTER_ANNOTATION: "yes"}), status.clone()));
        assert_eq!(answered(&mut index, "east", "new"), held);
        let before = session(&index);
        put(&mut index, object("east", THEN, json!({ACCEPT_CLUSTER_ANNOTATION: "new"}), status.clone()));
        assert_ne!(session(&index), before, "it is listed anew");
        assert_eq!(answered(&mut index, "east", "new"), Some(ClusterStanding::Synced { complete: true }));
        assert_eq!(answered(&mut index, "east", "third"), held);
    }

    #[test]
    fn of_two_registries_of_one_cluster_the_older_has_it() {
        let mut index = index();
        let later = "2026-01-01T00:00:01Z";
        put(&mut index, object("east", THEN, json!({}), json!({})));
        put(&mut index, object("a-younger", later, json!({}), json!({})));
        let younger = Some(ClusterStanding::Held(Hold::SameCluster));
        assert_ne!(answered(&mut index, "a-younger", "same"), younger);
        assert_eq!(answered(&mut index, "east", "same"), Some(ClusterStanding::Synced { complete: true }));
        assert_eq!(index.cluster_standing(&ClusterName::new("a-younger").unwrap()), younger);
        // The older one goes: the writer is told of the younger too.
        let mut disabled = object("east", THEN, json!({}), json!({}));
        disabled["spec"]["enabled"] = json!(false);
        index.apply(Change::Registries(ObjectChange::Applied(Ok(Arc::new(
            serde_json::from_value(disabled).unwrap(),
        )))));
        let told = index.settle().delta.clusters;
        assert!(
            told.iter().any(|(name, standing)| name.as_str() == "a-younger" && *standing != younger),
            "{told:?}"
        );
    }

    #[test]
    fn nodes_that_may_not_be_read_cost_the_pods_and_not_the_cluster() {
        let mut index = index();
        index.apply(registry("one", true));
        let number = session(&index);
        let denied = ClusterChange::Denied("nodes", "403".to_owned());
        index.apply(Change::Cluster(ClusterName::new("east").unwrap(), number, denied));
        let demand = Arc::new(Demand::default());
        let pod =
            json!({"metadata": {"name": "p", "namespace": "shop", "uid": "u"}, "spec": {"nodeName": "n"}});
        let items = vec![trim::pod(&pod, &demand).unwrap()];
        let pods = Watched::Listed { items, malformed: Vec::new(), demand: demand.clone() };
        let namespaces = Watched::Listed { items: Vec::new(), malformed: Vec::new(), demand };
        for change in [
            ClusterChange::Pods(pods),
            ClusterChange::Namespaces(namespaces),
            ClusterChange::Phase(Phase::Live),
        ] {
            index.apply(Change::Cluster(ClusterName::new("east").unwrap(), number, change));
        }
        let settled = index.settle();
        assert_eq!(settled.delta.clusters[0].1, Some(ClusterStanding::Synced { complete: true }));
        let failure = index.failures().next().unwrap();
        assert!(matches!(failure.told, Told::Failing(problem) if problem.reason == "NodesForbidden"));
        tell(&mut index, number);
        index.settle();
        assert!(index.failures().all(|failure| *failure.told == Told::Derived));
    }

    #[test]
    fn a_full_reconciliation_is_asked_for_by_each_new_value_of_the_annotation() {
        let mut index = index();
        let mut asks = |annotations| {
            index.apply(Change::Identities(ObjectChange::Applied(identity(annotations))));
            let compare = index.settle().delta.compare;
            (compare, index.identities().next().and_then(|view| view.request))
        };
        assert_eq!(asks(json!({})), (None, None));
        assert_eq!(asks(json!({"reconcile": "now"})), (Some(1), Some(1)));
        assert_eq!(asks(json!({"reconcile": "now", "other": "1"})), (None, Some(1)));
        assert_eq!(asks(json!({"reconcile": "again"})), (Some(2), Some(2)));
        assert_eq!(asks(json!({})), (None, None), "it was taken away");
        assert_eq!(asks(json!({"reconcile": "again"})), (Some(3), Some(3)));
    }
}
