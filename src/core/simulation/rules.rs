//! The rules of `docs/architecture.md` once more, small and from scratch: what a process was told, what each pod is to have
//! after that, and what may end. Nothing here calls the code that is under test.

mod wishes;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::components::{Plugin, Question};
use super::outside::{
    IdentityState, Item, Kept, NamespaceState, NodeState, PodId, PodState, RegistryState, RolloutState,
    SliceState,
};
use super::schedule::{CLUSTERS, FEW, Health, IDENTITIES, KINDS, REGISTRIES, Reading, Spec};
use crate::entry::Entry;

/// An object of our own kinds as a process knows it; none where it does not.
#[derive(Debug, Clone)]
pub enum Known<T> {
    /// As last told.
    Seen(Rc<T>),
    /// Its deletion was told.
    Ended,
}

/// A key and all of an entry, as text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Texts {
    /// SPIFFE ID, parent, selectors.
    pub key: Rc<str>,
    /// Everything that a workload can see.
    pub content: Rc<str>,
}

impl Texts {
    /// Of an entry as it is written.
    pub fn of(entry: &Entry) -> Self {
        let Entry { key, x509_svid_ttl, dns_names, .. } = entry;
        let selectors: Vec<String> = key.selectors.iter().map(ToString::to_string).collect();
        let names: Vec<&str> = dns_names.iter().map(|name| name.as_str()).collect();
        let others = (entry.jwt_svid_ttl, &entry.hint, entry.admin, entry.downstream, &entry.federates_with);
        assert_eq!(others, (0, &String::new(), false, false, &BTreeSet::new()), "nobody asks for these");
        Self::new(
            &key.spiffe_id.to_string(),
            &key.parent_id.to_string(),
            &selectors.join(","),
            *x509_svid_ttl,
            &names.join(","),
        )
    }

    fn new(id: &str, parent: &str, selectors: &str, ttl: i32, names: &str) -> Self {
        let key = format!("{id} {parent} {selectors}");
        let content = format!("{key} {ttl} {names}");
        Self { key: key.into(), content: content.into() }
    }
}

/// An entry that a pod is to have.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Which identity gives it.
    pub identity: u8,
    /// Which of those that it gives.
    pub slot: u8,
    /// The entry.
    pub texts: Texts,
}

/// What a pod is to have.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// With different keys.
    pub entries: Vec<Wish>,
    /// Whatever else it has stays.
    pub holds: bool,
    /// What plugins have to be asked for it.
    pub questions: BTreeSet<Question>,
}

impl Wishes {
    /// Whether one of them has this key.
    pub fn has_key(&self, key: &str) -> bool {
        self.entries.iter().any(|wish| *wish.texts.key == *key)
    }
}

const NO_REGISTRY: &str = "the registry is not known";
const NO_IDENTITY: &str = "the identity is not known";
const UNREADABLE: &str = "the pod cannot be read";
const UNDERIVED: &str = "what the pod is to have cannot be derived";

/// Whether this keeps entries from the moment on at which it is heard, and not only when their pods are derived anew.
pub fn is_told_at_once(why: &str) -> bool {
    why != UNREADABLE && why != UNDERIVED
}

/// What becomes of an entry that its pod is not to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It is to go; whether that is because the pod is gone.
    Goes { pod_gone: bool },
    /// It stays, because of this.
    Stays(&'static str),
}

/// One workload cluster as told.
#[derive(Debug, Clone, Default)]
pub struct ToldCluster {
    /// Another way to it is another one.
    pub session: u32,
    live: bool,
    listed: [bool; KINDS as usize],
    /// None where the pod cannot be read.
    pub pods: BTreeMap<PodId, Option<PodState>>,
    /// Pods of which only the name is known, by namespace and slot.
    nameless: BTreeSet<(u8, u8)>,
    nodes: [Option<NodeState>; FEW as usize],
    namespaces: [Option<NamespaceState>; FEW as usize],
    slices: [Option<SliceState>; FEW as usize],
    annotations: Kept,
    /// The namespace that a pod's name was last told with, for those that cannot be read.
    names: BTreeMap<PodId, u8>,
}

impl ToldCluster {
    /// Connected, listed and watched.
    pub fn is_synced(&self) -> bool {
        self.live && self.listed[..3].iter().all(|listed| *listed)
    }
}

/// Everything that one process was told.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Both own kinds were listed.
    pub listed: [bool; 2],
    /// By cluster.
    pub registries: [Option<Known<RegistryState>>; CLUSTERS as usize],
    /// By name.
    pub identities: [Option<Known<IdentityState>>; IDENTITIES as usize],
    /// Of those that are to be connected to.
    pub clusters: [Option<ToldCluster>; CLUSTERS as usize],
    /// Pods whose end was watched.
    pub watched_ends: BTreeSet<PodId>,
    /// Plugins that identities used when the process last looked.
    wanted: BTreeSet<Plugin>,
    /// Whether each can be asked, as far as anything was told.
    stands: BTreeMap<Plugin, bool>,
    /// Questions that were answered since they were last asked.
    answered: BTreeSet<Question>,
    sessions: u32,
    wishes: RefCell<HashMap<PodId, Rc<Wishes>>>,
}

impl Told {
    /// Takes in what a watch tells of one object.
    pub fn hear(&mut self, item: &Item, session: Option<u32>) {
        self.wishes.get_mut().clear();
        match item {
            Item::Registry(name, state) => {
                self.registries[usize::from(*name)] = Some(Known::Seen(state.clone()));
                self.reconnect(*name);
            }
            Item::RegistryGone(name) => {
                self.registries[usize::from(*name)] = Some(Known::Ended);
                self.reconnect(*name);
            }
            Item::Identity(name, state) => {
                self.identities[usize::from(*name)] = Some(Known::Seen(state.clone()));
            }
            Item::IdentityGone(name) => self.identities[usize::from(*name)] = Some(Known::Ended),
            Item::PodGone(id) => {
                if let Some(cluster) = self.cluster(id.cluster, session) {
                    if cluster.pods.remove(id).is_some()
                        && let Some(namespace) = cluster.names.get(id)
                    {
                        cluster.nameless.remove(&(*namespace, id.slot));
                    }
                    self.watched_ends.insert(*id);
                }
            }
            Item::Pod(id, state) => {
                if let Some(cluster) = self.cluster(id.cluster, session) {
                    cluster.hear_pod(*id, state);
                }
            }
            _ => {}
        }
    }

    /// Takes in what a cluster's watch tells of another kind than pods.
    pub fn hear_of(&mut self, cluster: u8, item: &Item, session: u32) {
        self.wishes.get_mut().clear();
        let Some(cluster) = self.cluster(cluster, Some(session)) else { return };
        match item {
            Item::Node(name, state) => cluster.nodes[usize::from(*name)] = Some(*state),
            Item::NodeGone(name) => cluster.nodes[usize::from(*name)] = None,
            Item::Namespace(name, state) => cluster.namespaces[usize::from(*name)] = Some(*state),
            Item::NamespaceGone(name) => cluster.namespaces[usize::from(*name)] = None,
            Item::Slice(name, state) => cluster.slices[usize::from(*name)] = Some(state.clone()),
            Item::SliceGone(name) => cluster.slices[usize::from(*name)] = None,
            _ => unreachable!("not of these kinds"),
        }
    }

    /// Takes in a complete list.
    pub fn hear_all(&mut self, watch: u8, items: &[Item], annotations: Kept, session: Option<u32>) {
        self.wishes.get_mut().clear();
        if watch >= REGISTRIES {
            self.hear_all_objects(watch, items);
            return;
        }
        let Some(cluster) = self.cluster(watch / KINDS, session) else { return };
        let kind = watch % KINDS;
        cluster.listed[usize::from(kind)] = true;
        match kind {
            0 => {
                cluster.annotations = annotations;
                cluster.nameless.clear();
                let before = std::mem::take(&mut cluster.pods);
                for item in items {
                    let Item::Pod(id, state) = item else { continue };
                    if state.reading == Reading::Nameless {
                        // Whoever is known by this name may be that one.
                        let same = |known: &&PodId| cluster.has_name(**known, state.namespace, id.slot);
                        let known: Vec<PodId> = before.keys().filter(same).copied().collect();
                        cluster.pods.extend(known.into_iter().map(|known| (known, None)));
                        cluster.nameless.insert((state.namespace, id.slot));
                    } else {
                        cluster.hear_pod(*id, state);
                    }
                }
            }
            1 => {
                cluster.nodes = [None; FEW as usize];
                for item in items {
                    let Item::Node(name, state) = item else { continue };
                    cluster.nodes[usize::from(*name)] = Some(*state);
                }
            }
            2 => {
                cluster.namespaces = [None; FEW as usize];
                for item in items {
                    let Item::Namespace(name, state) = item else { continue };
                    cluster.namespaces[usize::from(*name)] = Some(*state);
                }
            }
            _ => {
                cluster.slices = [const { None }; FEW as usize];
                for item in items {
                    let Item::Slice(name, state) = item else { continue };
                    cluster.slices[usize::from(*name)] = Some(state.clone());
                }
            }
        }
    }

    fn hear_all_objects(&mut self, watch: u8, items: &[Item]) {
        self.listed[usize::from(watch - REGISTRIES)] = true;
        // Whoever is missing and was not seen deleted is not known any more.
        if watch == REGISTRIES {
            for name in 0..CLUSTERS {
                let is_listed = items.iter().any(|item| matches!(item, Item::Registry(it, _) if *it == name));
                if !is_listed && !self.registry_has_ended(name) {
                    self.registries[usize::from(name)] = None;
                    self.reconnect(name);
                }
            }
        } else {
            for name in 0..IDENTITIES {
                let is_listed = items.iter().any(|item| matches!(item, Item::Identity(it, _) if *it == name));
                if !is_listed && !self.has_ended(name) {
                    self.identities[usize::from(name)] = None;
                }
            }
        }
        items.iter().for_each(|item| self.hear(item, None));
    }

    /// Takes in where the connection stands.
    pub fn hear_phase(&mut self, cluster: u8, live: bool, session: u32) {
        self.wishes.get_mut().clear();
        if let Some(cluster) = self.cluster(cluster, Some(session)) {
            cluster.live = live;
        }
    }

    /// Takes in whether a plugin can be asked.
    pub fn hear_plugin(&mut self, plugin: Plugin, can_be_asked: bool) {
        if self.wanted.contains(&plugin) {
            self.wishes.get_mut().clear();
            self.stands.insert(plugin, can_be_asked);
        }
    }

    /// A question is asked: no answer is known.
    pub fn ask(&mut self, question: &Question) {
        self.wishes.get_mut().clear();
        self.answered.remove(question);
    }

    /// Takes in that a plugin has spoken.
    pub fn hear_answer(&mut self, question: Question) {
        self.wishes.get_mut().clear();
        self.answered.insert(question);
    }

    /// What the process works out of a burst: endpoint slices that nobody reads are forgotten, and so is where plugins stand
    /// that nobody uses.
    pub fn settle(&mut self) {
        let seen = self.identities.iter().flatten().filter_map(|known| match known {
            Known::Seen(it) if !is_deleting(it.deleting, it.health) => Some(it),
            _ => None,
        });
        let used = seen.flat_map(|it| {
            let now = (it.health == Health::Fine && !it.deleting).then_some(it.spec);
            [now, former(it)].into_iter().flatten()
        });
        let (mut reads_slices, mut wanted) = (false, BTreeSet::new());
        for spec in used {
            reads_slices |= spec.services;
            wanted.extend(spec.plugin.map(|used| used.plugin));
        }
        if !reads_slices {
            self.wishes.get_mut().clear();
            for cluster in self.clusters.iter_mut().flatten() {
                cluster.listed[3] = false;
                cluster.slices = [const { None }; FEW as usize];
            }
        }
        if self.wanted != wanted {
            self.wishes.get_mut().clear();
            self.stands.retain(|plugin, _| wanted.contains(plugin));
            self.wanted = wanted;
        }
    }

    /// Whether templates decide where some plugin cannot.
    pub fn falls_back(&self) -> bool {
        let mut seen = self.identities.iter().flatten();
        let falls_back = |spec: &Spec| spec.plugin.is_some_and(|used| used.falls_back);
        seen.any(|known| {
            matches!(known, Known::Seen(it) if falls_back(&it.spec) || former(it).is_some_and(|it| falls_back(&it)))
        })
    }

    /// All that plugins have to be asked now, and whether each has spoken.
    pub fn questions(&self) -> BTreeMap<Question, bool> {
        let pods = self.clusters.iter().flatten().flat_map(|cluster| cluster.pods.keys());
        let wishes = pods.filter_map(|pod| self.wishes(*pod));
        let questions = wishes.flat_map(|wishes| wishes.questions.iter().copied().collect::<Vec<_>>());
        questions.map(|question| (question, self.answered.contains(&question))).collect()
    }

    fn cluster(&mut self, cluster: u8, session: Option<u32>) -> Option<&mut ToldCluster> {
        self.clusters[usize::from(cluster)].as_mut().filter(|it| Some(it.session) == session)
    }

    fn reconnect(&mut self, name: u8) {
        let way = match &self.registries[usize::from(name)] {
            Some(Known::Seen(it)) if it.enabled && it.health == Health::Fine && !it.deleting => Some(it.way),
            _ => None,
        };
        let cluster = &mut self.clusters[usize::from(name)];
        let Some(way) = way else {
            *cluster = None;
            return;
        };
        // The low bit tells the way.
        let is_same = cluster.as_ref().is_some_and(|it| it.session % 2 == u32::from(way));
        if !is_same {
            self.sessions += 1;
            let known = cluster.take().unwrap_or_default();
            *cluster =
                Some(ToldCluster { session: self.sessions * 2 + u32::from(way), live: false, ..known });
        }
    }

    /// Both own kinds were listed.
    pub fn is_ready(&self) -> bool {
        self.listed == [true, true]
    }

    /// Whether entries of this cluster may be created and updated.
    pub fn is_synced(&self, cluster: u8) -> bool {
        self.is_ready() && self.clusters[usize::from(cluster)].as_ref().is_some_and(ToldCluster::is_synced)
    }

    /// The identity's deletion was told.
    pub fn has_ended(&self, identity: u8) -> bool {
        match &self.identities[usize::from(identity)] {
            Some(Known::Ended) => true,
            Some(Known::Seen(it)) => is_deleting(it.deleting, it.health),
            None => false,
        }
    }

    /// Whether the registry's deletion was told.
    pub fn registry_has_ended(&self, cluster: u8) -> bool {
        match &self.registries[usize::from(cluster)] {
            Some(Known::Ended) => true,
            Some(Known::Seen(it)) => is_deleting(it.deleting, it.health),
            None => false,
        }
    }

    /// Whether a cluster is to be connected to and selected by one of these specs.
    pub fn is_target(&self, cluster: u8, specs: [&Spec; 2]) -> bool {
        let env = match &self.registries[usize::from(cluster)] {
            Some(Known::Seen(it)) if it.enabled && it.health == Health::Fine && !it.deleting => it.env,
            _ => return false,
        };
        specs.iter().any(|spec| spec.env.is_none_or(|wanted| wanted == env))
    }

    /// The digests that objects name for the brake.
    pub fn releases(&self) -> impl Iterator<Item = String> {
        let registries = self.registries.iter().flatten().filter_map(|known| match known {
            Known::Seen(it) if it.health != Health::Unreadable => it.release.clone(),
            _ => None,
        });
        let identities = self.identities.iter().flatten().filter_map(|known| match known {
            Known::Seen(it) if it.health != Health::Unreadable => it.release.clone(),
            _ => None,
        });
        registries.chain(identities)
    }

    /// What becomes of an entry, made for this identity, that the pod is not to have.
    pub fn due(&self, pod: PodId, identity: u8) -> Due {
        if !self.is_ready() {
            return Due::Stays("not all objects are listed");
        }
        if self.registry_has_ended(pod.cluster) {
            return Due::Goes { pod_gone: false };
        }
        if self.registries[usize::from(pod.cluster)].is_none() {
            return Due::Stays(NO_REGISTRY);
        }
        let Some(cluster) = self.clusters[usize::from(pod.cluster)].as_ref().filter(|it| it.is_synced())
        else {
            return Due::Stays("the cluster is silent");
        };
        match cluster.pods.get(&pod) {
            None if cluster.nameless.is_empty() => return Due::Goes { pod_gone: true },
            None => return Due::Stays("it may be a pod that cannot be read"),
            Some(None) => return Due::Stays(UNREADABLE),
            Some(Some(_)) => {}
        }
        if self.wishes(pod).is_some_and(|wishes| wishes.holds) {
            return Due::Stays(UNDERIVED);
        }
        match &self.identities[usize::from(identity)] {
            _ if self.has_ended(identity) => Due::Goes { pod_gone: false },
            None => Due::Stays(NO_IDENTITY),
            Some(Known::Seen(it)) if it.health != Health::Unreadable && it.spec.preview => {
                Due::Stays("the identity is only tried")
            }
            Some(_) => Due::Goes { pod_gone: false },
        }
    }

    /// Whether an entry stays only because nobody knows the object that it was made for.
    pub fn is_orphan(&self, pod: PodId, identity: u8) -> bool {
        matches!(self.due(pod, identity), Due::Stays(NO_REGISTRY | NO_IDENTITY))
    }

    /// What a known pod is to have; none for one that is not known or cannot be read.
    pub fn wishes(&self, pod: PodId) -> Option<Rc<Wishes>> {
        if let Some(known) = self.wishes.borrow().get(&pod) {
            return Some(known.clone());
        }
        let cluster = self.clusters[usize::from(pod.cluster)].as_ref()?;
        let state = (*cluster.pods.get(&pod)?)?;
        let wishes = Rc::new(self.derive(pod, &state, cluster));
        self.wishes.borrow_mut().insert(pod, wishes.clone());
        Some(wishes)
    }
}

impl ToldCluster {
    fn hear_pod(&mut self, id: PodId, state: &PodState) {
        match state.reading {
            Reading::Good => {
                self.nameless.remove(&(state.namespace, id.slot));
                self.names.insert(id, state.namespace);
                self.pods.insert(id, Some(*state));
            }
            Reading::Malformed => {
                self.nameless.remove(&(state.namespace, id.slot));
                self.names.insert(id, state.namespace);
                self.pods.insert(id, None);
            }
            Reading::Nameless => {
                let same = |known: &&PodId| self.has_name(**known, state.namespace, id.slot);
                let known: Vec<PodId> = self.pods.keys().filter(same).copied().collect();
                // A watch tells the end of a pod before another of its name: it is the one that is known.
                if known.is_empty() {
                    self.nameless.insert((state.namespace, id.slot));
                }
                self.pods.extend(known.into_iter().map(|known| (known, None)));
            }
        }
    }

    fn has_name(&self, pod: PodId, namespace: u8, slot: u8) -> bool {
        pod.slot == slot && self.names.get(&pod) == Some(&namespace)
    }
}

/// What an identity said before the edit that is being rolled out, if one is.
pub fn former(identity: &IdentityState) -> Option<Spec> {
    let IdentityState { spec, health, deleting, rollout, .. } = identity;
    let RolloutState { stable, .. } =
        rollout.as_ref().filter(|_| spec.rollout && !spec.preview && !deleting)?;
    let is_other = spec.rolled_out() != *stable || *health != Health::Fine;
    (is_other && *health != Health::Unreadable).then_some(*stable)
}

/// What pods of this cluster have to do with.
pub fn of_cluster(identity: &IdentityState, cluster: u8) -> (Spec, Health) {
    let is_updated = identity.rollout.is_some_and(|it| it.updated[usize::from(cluster)]);
    match former(identity) {
        Some(stable) if !is_updated => (stable, Health::Fine),
        _ => (identity.spec, identity.health),
    }
}

/// Of an object that cannot be read nobody sees that it is being deleted.
fn is_deleting(deleting: bool, health: Health) -> bool {
    deleting && health != Health::Unreadable
}
