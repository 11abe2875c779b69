//! What really is: the management cluster, the workload clusters, and what their watches tell of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};

use super::components::COMPONENTS;
use super::host;
use super::schedule::{
    Apps, CLUSTERS, FEW, Fetching, Health, IDENTITIES, KINDS, Path, Place, PodPhase, Reading, Spec,
};
use crate::api::{EKSClusterRegistry, RELEASE_ANNOTATION, WorkloadIdentity};
use crate::facts::demand::{Demand, Source};
use crate::facts::{
    ClusterChange, EndpointSliceFacts, Malformed, NamespaceFacts, NodeFacts, ObjectChange, PodFacts, Watched,
    trim,
};
use crate::names::{ClusterName, NamespaceName, NodeName, PodUid};

/// The namespace of all endpoint slices and their Services; some of the pods that they name are in another.
pub const SLICES_NAMESPACE: u8 = 0;

/// A pod: its cluster, its name, and which pod of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId {
    pub cluster: u8,
    pub slot: u8,
    pub generation: u16,
}

impl PodId {
    /// `metadata.uid`.
    pub fn uid(self) -> String {
        format!("u-{}-{}-{}", self.cluster, self.slot, self.generation)
    }

    /// The pod of this uid.
    pub fn of_uid(uid: &str) -> Option<Self> {
        let mut parts = uid.strip_prefix("u-")?.split('-').map(str::parse::<u16>);
        let mut next = || parts.next()?.ok();
        let (cluster, slot) = (u8::try_from(next()?).ok()?, u8::try_from(next()?).ok()?);
        Some(Self { cluster, slot, generation: next()? })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PodState {
    pub namespace: u8,
    pub app: u8,
    pub node: u8,
    pub role: Option<u8>,
    pub phase: PodPhase,
    pub reading: Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeState {
    pub uid: u16,
    pub fargate: bool,
    pub reading: Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NamespaceState {
    pub team: u8,
    pub reading: Reading,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SliceState {
    pub service: u8,
    pub pods: Vec<PodId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryState {
    pub env: u8,
    pub way: u8,
    pub enabled: bool,
    pub health: Health,
    pub deleting: bool,
    pub finalizer: bool,
    pub release: Option<String>,
}

/// What `status.rollout` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RolloutState {
    pub stable: Spec,
    /// Which clusters have the edit.
    pub updated: [bool; CLUSTERS as usize],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityState {
    pub spec: Spec,
    pub rollout: Option<RolloutState>,
    pub health: Health,
    pub deleting: bool,
    pub finalizer: bool,
    pub release: Option<String>,
}

/// One thing that a watch tells.
#[derive(Debug, Clone)]
pub enum Item {
    Pod(PodId, PodState),
    PodGone(PodId),
    Node(u8, NodeState),
    NodeGone(u8),
    Namespace(u8, NamespaceState),
    NamespaceGone(u8),
    Slice(u8, SliceState),
    SliceGone(u8),
    Registry(u8, Rc<RegistryState>),
    RegistryGone(u8),
    Identity(u8, Rc<IdentityState>),
    IdentityGone(u8),
}

/// One workload cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// By slot.
    pub pods: BTreeMap<u8, (PodId, PodState)>,
    pub nodes: [Option<NodeState>; FEW as usize],
    pub namespaces: [Option<NamespaceState>; FEW as usize],
    pub slices: [Option<SliceState>; FEW as usize],
    pub is_reachable: bool,
}

/// Everything outside but SPIRE.
#[derive(Debug, Clone)]
pub struct Outside {
    pub clusters: Vec<Cluster>,
    pub registries: [Option<Rc<RegistryState>>; CLUSTERS as usize],
    pub identities: [Option<Rc<IdentityState>>; IDENTITIES as usize],
    /// What the management cluster held before it was lost.
    pub lost: Option<LostObjects>,
    /// Where components come from.
    pub sources: [Fetching; COMPONENTS as usize],
    /// How many questions plugins answer between two events.
    pub answers: Option<u8>,
    made: u16,
}

type LostObjects =
    ([Option<Rc<RegistryState>>; CLUSTERS as usize], [Option<Rc<IdentityState>>; IDENTITIES as usize]);

impl Outside {
    /// Two clusters with nodes and namespaces, and their registries.
    pub fn new() -> Self {
        let node = |uid| Some(NodeState { uid, fargate: false, reading: Reading::Good });
        let namespace = |team| Some(NamespaceState { team, reading: Reading::Good });
        let cluster = |_| Cluster {
            pods: BTreeMap::new(),
            nodes: [node(0), node(1)],
            namespaces: [namespace(0), namespace(1)],
            slices: [None, None],
            is_reachable: true,
        };
        let registry = || {
            Some(Rc::new(RegistryState {
                env: 0,
                way: 0,
                enabled: true,
                health: Health::Fine,
                deleting: false,
                finalizer: false,
                release: None,
            }))
        };
        Self {
            clusters: (0..CLUSTERS).map(cluster).collect(),
            registries: [registry(), registry()],
            identities: [const { None }; IDENTITIES as usize],
            lost: None,
            sources: [Fetching::Works; COMPONENTS as usize],
            answers: None,
            made: 1,
        }
    }

    /// A number that no object has.
    pub fn make(&mut self) -> u16 {
        self.made += 1;
        self.made
    }

    /// All that a complete list of this watch has.
    pub fn list(&self, watch: u8) -> Vec<Item> {
        let Some(cluster) = self.clusters.get(usize::from(watch / KINDS)) else {
            let registries = self.registries.iter().zip(0..).filter(|_| watch == super::schedule::REGISTRIES);
            let identities = self.identities.iter().zip(0..).filter(|_| watch == super::schedule::OBJECTS);
            let registries = registries.filter_map(|(it, name)| Some(Item::Registry(name, it.clone()?)));
            let identities = identities.filter_map(|(it, name)| Some(Item::Identity(name, it.clone()?)));
            return registries.chain(identities).collect();
        };
        match watch % KINDS {
            0 => cluster.pods.values().map(|(id, pod)| Item::Pod(*id, *pod)).collect(),
            1 => each(&cluster.nodes, |name, node| Item::Node(name, *node)),
            2 => each(&cluster.namespaces, |name, namespace| Item::Namespace(name, *namespace)),
            _ => each(&cluster.slices, |name, slice| Item::Slice(name, slice.clone())),
        }
    }
}

fn each<T>(all: &[Option<T>], item: impl Fn(u8, &T) -> Item) -> Vec<Item> {
    all.iter().zip(0..).filter_map(|(it, name)| it.as_ref().map(|it| item(name, it))).collect()
}

pub fn cluster_name(cluster: u8) -> ClusterName {
    thread_local! {
        static NAMES: Vec<ClusterName> =
            (0..CLUSTERS).map(|it| ClusterName::new(format!("c{it}")).unwrap()).collect();
    }
    NAMES.with(|names| names[usize::from(cluster)].clone())
}

/// Objects and facts that were made before: a schedule has few that differ, and making them costs more than using them.
#[derive(Default)]
struct Made {
    pods: HashMap<(PodId, PodState, Kept), Result<Arc<PodFacts>, Malformed>>,
    nodes: HashMap<(u8, NodeState), Result<NodeFacts, Malformed>>,
    namespaces: HashMap<(u8, NamespaceState), Result<NamespaceFacts, Malformed>>,
    identities: HashMap<IdentityKey, Read<WorkloadIdentity>>,
    registries: HashMap<RegistryKey, Read<EKSClusterRegistry>>,
}

/// An object as its watch reads it.
type Read<T> = Result<Arc<T>, Malformed>;

/// Name, spec, health, being deleted, rollout.
type IdentityKey = (u8, Spec, Health, bool, Option<RolloutState>);

/// Name, label, way, enabled, health, being deleted.
type RegistryKey = (u8, u8, u8, bool, Health, bool);

const MOST_MADE: usize = 50_000;

thread_local! {
    static MADE: RefCell<Made> = RefCell::default();
}

fn cached<K: std::hash::Hash + Eq, V: Clone>(
    cache: fn(&mut Made) -> &mut HashMap<K, V>,
    key: K,
    make: impl FnOnce(&K) -> V,
) -> V {
    MADE.with_borrow_mut(|made| {
        let cache = cache(made);
        if cache.len() > MOST_MADE {
            cache.clear();
        }
        if let Some(value) = cache.get(&key) {
            return value.clone();
        }
        let value = make(&key);
        cache.insert(key, value.clone());
        value
    })
}

/// Which annotations of pods are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Kept {
    /// The one that templates read.
    pub role: bool,
    /// All of them.
    pub all: bool,
}

impl Kept {
    /// By this demand.
    pub fn by(demand: &Demand) -> Self {
        thread_local! {
            static ROLE: Demand = reading(&["metadata", "annotations", "role"]);
            static ALL: Demand = reading(&["metadata", "annotations"]);
        }
        let covers = |other: &Demand| demand.covers_in(Source::Pod, other);
        Self { role: ROLE.with(covers), all: ALL.with(covers) }
    }
}

fn reading(path: &[&str]) -> Demand {
    let mut demand = Demand::default();
    demand.add(Source::Pod, path.iter().map(|part| (*part).to_owned()).collect());
    demand
}

fn pod(id: PodId, state: PodState, demand: &Demand) -> Result<Arc<PodFacts>, Malformed> {
    cached(
        |made| &mut made.pods,
        (id, state, Kept::by(demand)),
        |_| {
            let mut object = json!({
                "metadata": {"name": pod_name(id.slot), "namespace": namespace_name(state.namespace), "uid": id.uid(),
                    "labels": {"app": format!("a{}", state.app)}},
                "spec": {}, "status": {"phase": "Running"}});
            if let Some(role) = state.role {
                object["metadata"]["annotations"] = json!({"role": format!("r{role}")});
            }
            match state.phase {
                PodPhase::Pending => {}
                PodPhase::Bound => object["spec"] = json!({"nodeName": node_name(state.node)}),
                PodPhase::Finished => {
                    object["spec"] = json!({"nodeName": node_name(state.node)});
                    object["status"] = json!({"phase": "Succeeded"});
                }
            }
            match state.reading {
                Reading::Good => {}
                Reading::Malformed => object["metadata"]["labels"] = json!("none"),
                Reading::Nameless => object["metadata"]["uid"] = Value::Null,
            }
            trim::pod(&object, demand)
        },
    )
}

fn node(name: u8, state: NodeState) -> Result<NodeFacts, Malformed> {
    cached(
        |made| &mut made.nodes,
        (name, state),
        |_| {
            let labels = match (state.reading, state.fargate) {
                (Reading::Good, true) => json!({"eks.amazonaws.com/compute-type": "fargate"}),
                (Reading::Good, false) => json!({}),
                _ => json!(1),
            };
            let object = json!({"metadata": {"name": node_name(name), "uid": format!("n{}", state.uid), "labels": labels}});
            trim::node(&object, &Demand::default())
        },
    )
}

fn namespace(name: u8, state: NamespaceState) -> Result<NamespaceFacts, Malformed> {
    cached(
        |made| &mut made.namespaces,
        (name, state),
        |_| {
            let labels = match state.reading {
                Reading::Good => json!({"team": format!("t{}", state.team)}),
                _ => json!(1),
            };
            trim::namespace(&json!({"metadata": {"name": namespace_name(name), "labels": labels}}))
        },
    )
}

fn slice(name: u8, state: &SliceState) -> Result<EndpointSliceFacts, Malformed> {
    let endpoint = |pod: &PodId| json!({"targetRef": {"kind": "Pod", "uid": pod.uid()}});
    let endpoints: Vec<Value> = state.pods.iter().map(endpoint).collect();
    let labels = json!({"kubernetes.io/service-name": service_name(state.service)});
    let metadata =
        json!({"name": slice_name(name), "namespace": namespace_name(SLICES_NAMESPACE), "labels": labels});
    trim::endpoint_slice(&json!({"metadata": metadata, "endpoints": endpoints}))
}

pub fn pod_name(slot: u8) -> String {
    format!("p{slot}")
}

pub fn node_name(node: u8) -> String {
    format!("n{node}")
}

pub fn namespace_name(namespace: u8) -> String {
    format!("s{namespace}")
}

pub fn service_name(service: u8) -> String {
    format!("v{service}")
}

pub fn identity_name(identity: u8) -> String {
    format!("i{identity}")
}

fn slice_name(slice: u8) -> String {
    format!("e{slice}")
}

fn registry(name: u8, state: &RegistryState) -> Result<Arc<EKSClusterRegistry>, Malformed> {
    let RegistryState { env, way, enabled, health, deleting, .. } = *state;
    let object = cached(
        |made| &mut made.registries,
        (name, env, way, enabled, health, deleting),
        |_| {
            let name = format!("c{name}");
            if health == Health::Unreadable {
                return Err(Malformed { name, uid: None, problem: "spec.enabled: is 1".to_owned() });
            }
            let region = if health == Health::Fine { "us-west-2" } else { "mars" };
            let mut object = json!({"metadata": {"name": name}, "spec": {"clusterName": name, "region": region,
                "accountId": "111111111111", "enabled": enabled, "labels": {"env": format!("e{env}")}}});
            if way > 0 {
                object["spec"]["endpoint"] = json!("https://private.example");
            }
            if deleting {
                object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
            Ok(Arc::new(serde_json::from_value(object).unwrap()))
        },
    );
    with_release(object, state.release.as_ref())
}

fn identity(name: u8, state: &IdentityState) -> Result<Arc<WorkloadIdentity>, Malformed> {
    let IdentityState { spec, health, deleting, rollout, .. } = *state;
    let object = cached(
        |made| &mut made.identities,
        (name, spec, health, deleting, rollout),
        |_| {
            let name = identity_name(name);
            if health == Health::Unreadable {
                return Err(Malformed { name, uid: None, problem: "spec.priority: is a string".to_owned() });
            }
            let mut object = json!({"metadata": {"name": name}, "spec": spec_object(&spec, health)});
            if let Some(RolloutState { stable, updated }) = rollout {
                let updated = updated.iter().zip(0..).filter(|(is_updated, _)| **is_updated);
                let updated: Vec<ClusterName> = updated.map(|(_, cluster)| cluster_name(cluster)).collect();
                let updated: Vec<&str> = updated.iter().map(ClusterName::as_str).collect();
                object["status"] =
                    json!({"rollout": {"stableSpec": stable_spec(&stable), "updatedClusters": updated}});
            }
            if deleting {
                object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
            Ok(Arc::new(serde_json::from_value(object).unwrap()))
        },
    );
    with_release(object, state.release.as_ref())
}

fn with_release<K: kube::ResourceExt + Clone>(
    object: Result<Arc<K>, Malformed>,
    release: Option<&String>,
) -> Result<Arc<K>, Malformed> {
    let Some(digest) = release else { return object };
    object.map(|object| {
        let mut object = (*object).clone();
        object.annotations_mut().insert(RELEASE_ANNOTATION.to_owned(), digest.clone());
        Arc::new(object)
    })
}

fn spec_object(spec: &Spec, health: Health) -> Value {
    let path = match spec.path {
        _ if health == Health::Invalid => "{{ .Nothing".to_owned(),
        Path::Fixed(path) => format!("f{path}"),
        Path::ByApp => "{{ .ClusterName }}/{{ .PodMeta.Labels.app }}".to_owned(),
        Path::ByRole => "role/{{ .PodMeta.Annotations.role }}".to_owned(),
    };
    let mut object = json!({"applicationName": "x", "priority": spec.priority, "fallback": spec.fallback,
        "preview": spec.preview, "autoPopulateDNSNames": spec.services,
        "spiffeIDTemplate": format!("spiffe://{{{{ .TrustDomain }}}}/{path}")});
    if let Some(used) = spec.plugin {
        let policy = if used.falls_back { "Fallback" } else { "Keep" };
        if !used.falls_back && health != Health::Invalid {
            object["spiffeIDTemplate"] = Value::Null;
        }
        object["plugin"] = json!({"source": {"file": "/plugin.wasm"}, "failurePolicy": policy,
            "sha256": host::digest(used.plugin.component), "config": {"v": used.plugin.config}});
    }
    let label = |key: &str, value: String| json!({"matchLabels": {key: value}});
    match spec.apps {
        Apps::Any => {}
        Apps::One(app) => object["podSelector"] = label("app", format!("a{app}")),
        Apps::NotIn(app) => {
            let requirement = json!({"key": "app", "operator": "NotIn", "values": [format!("a{app}")]});
            object["podSelector"] = json!({"matchExpressions": [requirement]});
        }
    }
    if health == Health::BadSelector {
        object["podSelector"] = json!({"matchExpressions": [{"key": "app", "operator": "Near"}]});
    }
    if let Place::Named(namespace) | Place::Both(namespace, _) = spec.place {
        object["namespace"] = json!(namespace_name(namespace));
    }
    if let Place::Team(team) | Place::Both(_, team) = spec.place {
        object["namespaceSelector"] = label("team", format!("t{team}"));
    }
    if let Some(env) = spec.env {
        object["clusterSelector"] = label("env", format!("e{env}"));
    }
    if spec.own_parent {
        object["parentIDTemplate"] = json!("spiffe://{{ .TrustDomain }}/agent/{{ .NodeMeta.Name }}");
    }
    if spec.ttl {
        object["ttl"] = json!("1h");
    }
    if spec.rollout {
        object["rollout"] = json!({"steps": [{"clusters": 1}], "pause": "10m"});
    }
    object
}

/// A spec as `status.rollout.stableSpec` keeps it.
pub fn stable_spec(spec: &Spec) -> Value {
    let object: WorkloadIdentity = serde_json::from_value(
        json!({"metadata": {"name": "x"}, "spec": spec_object(&spec.rolled_out(), Health::Fine)}),
    )
    .unwrap();
    serde_json::to_value(object.spec).unwrap()
}

/// What the watch of a cluster tells with this item.
pub fn told(item: &Item, demand: &Demand) -> ClusterChange {
    fn applied<F, K>(facts: Result<F, Malformed>) -> Watched<F, K> {
        facts.map_or_else(Watched::Malformed, Watched::Applied)
    }
    match item {
        Item::Pod(id, state) => ClusterChange::Pods(applied(pod(*id, *state, demand))),
        Item::PodGone(id) => ClusterChange::Pods(Watched::Gone(PodUid::new(id.uid()).unwrap())),
        Item::Node(name, state) => ClusterChange::Nodes(applied(node(*name, *state))),
        Item::NodeGone(name) => ClusterChange::Nodes(Watched::Gone(NodeName::new(node_name(*name)).unwrap())),
        Item::Namespace(name, state) => ClusterChange::Namespaces(applied(namespace(*name, *state))),
        Item::NamespaceGone(name) => {
            ClusterChange::Namespaces(Watched::Gone(NamespaceName::new(namespace_name(*name)).unwrap()))
        }
        Item::Slice(name, state) => ClusterChange::EndpointSlices(applied(slice(*name, state))),
        Item::SliceGone(name) => {
            let name = format!("{}/{}", namespace_name(SLICES_NAMESPACE), slice_name(*name));
            ClusterChange::EndpointSlices(Watched::Gone(name))
        }
        _ => unreachable!("an object of the management cluster"),
    }
}

/// What a complete list of this kind tells.
pub fn listed(kind: u8, items: &[Item], demand: &Arc<Demand>) -> ClusterChange {
    fn all<F, K>(
        each: impl Iterator<Item = Option<Result<F, Malformed>>>,
        demand: &Arc<Demand>,
    ) -> Watched<F, K> {
        let (mut items, mut malformed) = (Vec::new(), Vec::new());
        for it in each.flatten() {
            match it {
                Ok(facts) => items.push(facts),
                Err(problem) => malformed.push(problem),
            }
        }
        Watched::Listed { items, malformed, demand: demand.clone() }
    }
    let items = items.iter();
    match kind {
        0 => ClusterChange::Pods(all(
            items.map(|item| match item {
                Item::Pod(id, state) => Some(pod(*id, *state, demand)),
                _ => None,
            }),
            demand,
        )),
        1 => ClusterChange::Nodes(all(
            items.map(|item| match item {
                Item::Node(name, state) => Some(node(*name, *state)),
                _ => None,
            }),
            demand,
        )),
        2 => ClusterChange::Namespaces(all(
            items.map(|item| match item {
                Item::Namespace(name, state) => Some(namespace(*name, *state)),
                _ => None,
            }),
            demand,
        )),
        _ => ClusterChange::EndpointSlices(all(
            items.map(|item| match item {
                Item::Slice(name, state) => Some(slice(*name, state)),
                _ => None,
            }),
            demand,
        )),
    }
}

/// What the watch of registries tells with this item.
pub fn told_registry(item: &Item) -> ObjectChange<EKSClusterRegistry> {
    match item {
        Item::Registry(name, state) => ObjectChange::Applied(registry(*name, state)),
        Item::RegistryGone(name) => ObjectChange::Deleted(format!("c{name}")),
        _ => unreachable!("no registry"),
    }
}

/// What the watch of identities tells with this item.
pub fn told_identity(item: &Item) -> ObjectChange<WorkloadIdentity> {
    match item {
        Item::Identity(name, state) => ObjectChange::Applied(identity(*name, state)),
        Item::IdentityGone(name) => ObjectChange::Deleted(identity_name(*name)),
        _ => unreachable!("no identity"),
    }
}

/// A complete list of registries.
pub fn listed_registries(items: &[Item]) -> ObjectChange<EKSClusterRegistry> {
    let each = items.iter().filter_map(|item| match item {
        Item::Registry(name, state) => Some(registry(*name, state)),
        _ => None,
    });
    ObjectChange::Listed(each.collect())
}

/// A complete list of identities.
pub fn listed_identities(items: &[Item]) -> ObjectChange<WorkloadIdentity> {
    let each = items.iter().filter_map(|item| match item {
        Item::Identity(name, state) => Some(identity(*name, state)),
        _ => None,
    });
    ObjectChange::Listed(each.collect())
}
