//! The facts of one workload cluster, found by pod, node and namespace, and what each pod is to have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::Settings;
use super::answers::{Answers, Readiness};
use super::objects::{Identity, Wanting};
use crate::api::Problem;
use crate::by_pod::ByUid;
use crate::derive::{ClusterContext, CompiledIdentity, Derivation, Subject};
use crate::desired::{ClusterStanding, Hold, IdentityStanding, PodDesired, Wanted};
use crate::facts::demand::{Demand, Source};
use crate::facts::{
    ClusterChange, ClusterIdentity, EndpointSliceFacts, Labels, Malformed, NamespaceFacts, NodeFacts, Phase,
    PodFacts, Session, Watched,
};
use crate::mutants::{self, Mutant};
use crate::names::{IdentityName, NamespaceName, NodeName, PodUid};
use crate::plugin::{Answer, Decision, Fact, PluginUse, Question};
use crate::select::{Namespaces, Refusal};

/// What came of one pod and one identity that selects it.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// It is to have the entry.
    Derived,
    /// Another identity, of higher priority or a smaller name, declares the same SPIFFE ID, parent and selectors.
    Masked {
        /// That identity.
        by: IdentityName,
    },
    /// The entry does not come out right.
    Failing(Problem),
    /// Something it depends on is not known yet.
    Waiting(&'static str),
    /// The identity's plugin says that the pod must not have an identity from it, and why.
    Denied(String),
}

/// What one identity says of one pod.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is being deleted and wants nothing.
    Ended,
    /// Its spec cannot be used; it holds what the pod has where nobody can say that it does not want the pod.
    Broken {
        /// Nobody can say so.
        may_want: bool,
    },
    /// It is a fallback, and another identity selects the pod.
    NotNeeded,
    /// A rule of its selection says no.
    Refused(Refusal),
    /// Its plugin leaves the pod to others, and why.
    Skipped(String),
    /// It selects the pod, and this came of it.
    Told(Told),
}

/// So many tellings are shared before it is looked which of them are still in use.
const DERIVED: usize = 1 << 10;

/// Kinds that a cluster can be of use without, as connections name them.
const NODES: &str = "nodes";
const NAMESPACES: &str = "namespaces";
const ENDPOINT_SLICES: &str = "endpointslices";

/// What of a pod and each identity that selects it; shared by pods of which the same is told.
pub(super) type Telling = Arc<[(IdentityName, Told)]>;

/// One pod: its facts, what it is to have, and which identities select it.
#[derive(Debug)]
pub(super) struct Pod {
    facts: Known,
    pub(super) desired: Arc<PodDesired>,
    pub(super) told: Telling,
    /// It was settled once: what it is to have was given out.
    is_settled: bool,
    /// Something that it depends on has changed since, and it is noted to be settled.
    is_noted: bool,
}

/// What is known of a pod.
#[derive(Debug)]
enum Known {
    Facts(Arc<PodFacts>),
    /// The object cannot be read; its `namespace/name`.
    Unreadable(Box<str>),
}

impl Pod {
    fn new(facts: Known) -> Self {
        Self { facts, desired: Arc::default(), told: Telling::default(), is_settled: false, is_noted: false }
    }

    fn facts(&self) -> Option<&Arc<PodFacts>> {
        match &self.facts {
            Known::Facts(facts) => Some(facts),
            Known::Unreadable(_) => None,
        }
    }

    /// Namespace and name.
    pub(super) fn place(&self) -> (&str, &str) {
        match &self.facts {
            Known::Facts(facts) => (facts.namespace.as_str(), facts.name.as_str()),
            Known::Unreadable(name) => name.split_once('/').unwrap_or(("", name)),
        }
    }

    /// `namespace/name`.
    pub(super) fn name(&self) -> String {
        match &self.facts {
            Known::Facts(facts) => format!("{}/{}", facts.namespace, facts.name),
            Known::Unreadable(name) => name.to_string(),
        }
    }
}

/// One cluster's facts.
#[derive(Debug)]
pub(super) struct Cluster {
    context: Arc<ClusterContext>,
    session: Session,
    phase: Phase,
    /// Who answers in this session; none until it was asked.
    identity: Option<ClusterIdentity>,
    /// It is not the cluster that the facts are of: nothing that it tells is taken in.
    is_another: bool,
    /// Kinds that may not be read, with the API server's words.
    denied: BTreeMap<&'static str, String>,
    pods: ByUid<Pod>,
    /// Few on each, so that a table would be larger.
    /// Numbers of pods.
    by_node: HashMap<NodeName, Vec<u32>>,
    by_namespace: HashMap<NamespaceName, HashSet<u32>>,
    nodes: BTreeMap<NodeName, Arc<NodeFacts>>,
    namespaces: BTreeMap<NamespaceName, Labels>,
    slices: HashMap<String, EndpointSliceFacts>,
    slices_of: HashMap<PodUid, BTreeSet<String>>,
    pods_listed: Option<Arc<Demand>>,
    slices_listed: bool,
    nodes_listed: Option<Arc<Demand>>,
    namespaces_listed: bool,
    /// By kind and name.
    malformed: BTreeMap<(&'static str, String), Malformed>,
    /// Names of pods that cannot be read and whose uid is not known: any unknown pod may be one of them.
    nameless: BTreeSet<String>,
    /// What was told of pods that are gone and not settled since: identities still count it.
    uncounted: BTreeMap<PodUid, Telling>,
    /// What is told of pods that one identity selects and that get its entry.
    derived: HashMap<IdentityName, Telling>,
}

/// What identities are asked with, beside the pod.
pub(super) struct Basis<'a> {
    /// What the registry says of the cluster.
    pub(super) context: &'a Arc<ClusterContext>,
    pub(super) settings: &'a Settings,
    pub(super) answers: &'a Answers,
    /// Nobody can say of some identity which pods are its own.
    pub(super) hold_all: bool,
}

/// What came of a pod so far, while one identity after another is asked.
#[derive(Default)]
struct Settling {
    wanted: Vec<Wanted>,
    previewed: Vec<Wanted>,
    hold: Option<Hold>,
    told: Vec<(IdentityName, Told)>,
    /// One that is no fallback selects it.
    others_want: bool,
    /// Of one that is no fallback nobody can say whether it does.
    others_may_want: bool,
    /// What plugins are asked of the pod.
    questions: Vec<Arc<Question>>,
}

/// What one identity gives a pod that it selects.
enum Given {
    /// These entries.
    Entries(Vec<Wanted>),
    /// Nothing now, for a reason that is told.
    Nothing(Told),
    /// Its plugin leaves the pod to others, as if it were not selected, and why.
    Skipped(String),
}

/// What a pod is to have, what is told of it, and whether the former is other than before.
pub(super) struct Settlement {
    pub(super) desired: Arc<PodDesired>,
    pub(super) told: Telling,
    pub(super) questions: Vec<Arc<Question>>,
    pub(super) changed: bool,
}

impl Cluster {
    pub(super) fn new(context: Arc<ClusterContext>, session: u64) -> Self {
        Self {
            session: Session { number: session, target: context.target.clone() },
            context,
            phase: Phase::Connecting,
            identity: None,
            is_another: false,
            denied: BTreeMap::new(),
            pods: ByUid::default(),
            by_node: HashMap::new(),
            by_namespace: HashMap::new(),
            nodes: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            slices: HashMap::new(),
            slices_of: HashMap::new(),
            pods_listed: None,
            slices_listed: false,
            nodes_listed: None,
            namespaces_listed: false,
            malformed: BTreeMap::new(),
            nameless: BTreeSet::new(),
            uncounted: BTreeMap::new(),
            derived: HashMap::new(),
        }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Another way, or another name, is connected to anew, and what is known stays: that it is another cluster, only what
    /// answers there can say.
    pub(super) fn set_context(&mut self, context: Arc<ClusterContext>, session: u64) {
        let is_elsewhere = self.context.target != context.target;
        self.context = context;
        if is_elsewhere {
            self.begin(session);
        }
    }

    /// Another session with what is known kept; whatever answers in it has to say first who it is.
    pub(super) fn begin(&mut self, session: u64) {
        self.session = Session { number: session, target: self.context.target.clone() };
        self.phase = Phase::Connecting;
        self.is_another = false;
    }

    /// Who answers in this session, and whether it is the cluster that the facts are of.
    pub(super) fn identify(&mut self, identity: ClusterIdentity, is_another: bool) {
        self.identity = Some(identity);
        self.is_another = is_another;
    }

    pub(super) fn identity(&self) -> Option<&ClusterIdentity> {
        self.identity.as_ref()
    }

    pub(super) fn is_another(&self) -> bool {
        self.is_another
    }

    pub(super) fn denied(&self) -> &BTreeMap<&'static str, String> {
        &self.denied
    }

    pub(super) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn phase(&self) -> &Phase {
        &self.phase
    }

    pub(super) fn standing(&self) -> ClusterStanding {
        let known = |is_listed: bool, kind| is_listed || self.denied.contains_key(kind);
        let listed = self.pods_listed.is_some()
            && known(self.nodes_listed.is_some(), NODES)
            && known(self.namespaces_listed, NAMESPACES);
        match &self.phase {
            _ if self.is_another => ClusterStanding::Held(Hold::AnotherCluster),
            Phase::Unreachable { .. } => ClusterStanding::Held(Hold::Unreachable),
            Phase::Live if listed => ClusterStanding::Synced { complete: self.nameless.is_empty() },
            Phase::Connecting | Phase::Live => ClusterStanding::Held(Hold::Connecting),
        }
    }

    pub(super) fn pod_count(&self) -> usize {
        self.pods.len()
    }

    pub(super) fn namespace_count(&self) -> usize {
        self.namespaces.len()
    }

    /// The namespaces that fit an identity's rules.
    pub(super) fn namespaces_of<'a>(
        &'a self,
        namespaces: &'a Namespaces,
    ) -> impl Iterator<Item = &'a NamespaceName> {
        let all = self.namespaces.iter();
        all.filter(|(name, labels)| namespaces.may_have(name, Some(labels))).map(|(name, _)| name)
    }

    pub(super) fn malformed(&self) -> impl Iterator<Item = (&'static str, &Malformed)> {
        self.malformed.iter().map(|((kind, _), malformed)| (*kind, malformed))
    }

    pub(super) fn pods(&self) -> impl Iterator<Item = (&PodUid, &Pod)> {
        self.pods.iter()
    }

    /// A pod by its uid.
    pub(super) fn pod(&self, uid: &PodUid) -> Option<(&PodUid, &Pod)> {
        self.pods.get_key_value(uid)
    }

    /// A pod's facts; none where it is not known or cannot be read.
    pub(super) fn facts(&self, uid: &PodUid) -> Option<&Arc<PodFacts>> {
        self.pods.get(uid)?.facts()
    }

    /// The node of this name.
    pub(super) fn node(&self, name: &NodeName) -> Option<&Arc<NodeFacts>> {
        self.nodes.get(name)
    }

    /// The labels of this namespace.
    pub(super) fn namespace(&self, name: &NamespaceName) -> Option<&Labels> {
        self.namespaces.get(name)
    }

    /// What the registry says of the cluster.
    pub(super) fn context(&self) -> &Arc<ClusterContext> {
        &self.context
    }

    pub(super) fn pod_name(&self, uid: &PodUid) -> Option<String> {
        self.pods.get(uid).map(Pod::name)
    }

    /// Whether the pod is known and not noted to be settled.
    pub(super) fn is_settled(&self, uid: &PodUid) -> bool {
        self.pods.get(uid).is_some_and(|pod| !pod.is_noted)
    }

    /// Notes that the pod is to be settled; whether it was noted already.
    pub(super) fn note_changed(&mut self, uid: &PodUid) -> bool {
        self.pods.get_mut(uid).is_some_and(|pod| std::mem::replace(&mut pod.is_noted, true))
    }

    pub(super) fn uids(&self) -> impl Iterator<Item = &PodUid> {
        self.pods.keys()
    }

    /// Pods that may come out otherwise because of this identity. Namespaces are few, their pods are many.
    pub(super) fn uids_for<'a>(&'a self, identity: &'a Identity) -> impl Iterator<Item = &'a PodUid> {
        let all = identity.is_unreadable().then(|| self.uids());
        let place = identity.place().filter(|_| identity.may_want_in(&self.context.labels));
        let some = place.map(|place| {
            let fits = |name: &NamespaceName| place.namespaces.may_have(name, self.namespaces.get(name));
            let has_label = |pod: &Pod| match (&place.label, pod.facts()) {
                (Some((key, value)), Some(facts)) => facts.labels.get(key) == Some(value),
                _ => true,
            };
            let numbers =
                self.by_namespace.iter().filter(move |(name, _)| fits(name)).flat_map(|(_, pods)| pods);
            let pods = numbers.filter_map(|number| self.pods.at(*number));
            pods.filter(move |(_, pod)| has_label(pod)).map(|(uid, _)| uid)
        });
        all.into_iter().flatten().chain(some.into_iter().flatten())
    }

    /// Identities that counted a pod of this cluster.
    pub(super) fn counted(&self) -> impl Iterator<Item = &IdentityName> {
        self.pods.values().flat_map(|pod| pod.told.iter().map(|(identity, _)| identity))
    }

    /// Records a fact; gives the pods that it touches.
    pub(super) fn apply(&mut self, change: ClusterChange) -> Vec<PodUid> {
        match change {
            ClusterChange::Phase(phase) => {
                self.phase = phase;
                Vec::new()
            }
            // The index looks at it: what it is worth depends on more than this cluster.
            ClusterChange::Identified(_) => Vec::new(),
            _ if self.is_another => Vec::new(),
            ClusterChange::Denied(kind, message) => {
                let is_news = self.denied.insert(kind, message).is_none();
                // What waited for a node is told why it waits in vain.
                if is_news && kind == NODES { self.uids().cloned().collect() } else { Vec::new() }
            }
            ClusterChange::Pods(change) => self.apply_pods(change),
            ClusterChange::Nodes(change) => self.apply_nodes(change),
            ClusterChange::Namespaces(change) => self.apply_namespaces(change),
            ClusterChange::EndpointSlices(change) => self.apply_slices(change),
        }
    }

    /// Nobody asks for endpoint slices any more; when somebody does again, they are listed anew.
    pub(super) fn forget_slices(&mut self) {
        self.slices_listed = false;
        self.slices.clear();
        self.slices_of.clear();
    }

    /// The Services that a pod is an endpoint of.
    fn services_of(&self, pod: &PodFacts) -> BTreeSet<Arc<str>> {
        let slices = self.slices_of.get(&pod.uid).into_iter().flatten();
        let slices = slices.filter_map(|name| self.slices.get(name));
        slices
            .filter(|slice| slice.namespace == pod.namespace)
            .filter_map(|slice| slice.service.clone())
            .collect()
    }

    fn apply_slices(&mut self, change: Watched<EndpointSliceFacts, String>) -> Vec<PodUid> {
        let mut touched = BTreeSet::new();
        match change {
            Watched::Listed { items, malformed, .. } => {
                let mut gone: BTreeSet<String> = self.slices.keys().cloned().collect();
                for slice in items {
                    gone.remove(&*slice.name);
                    self.put_slice(slice, &mut touched);
                }
                // What cannot be read now keeps what it last said.
                malformed.iter().for_each(|slice| {
                    gone.remove(&slice.name);
                });
                gone.iter().for_each(|name| self.remove_slice(name, &mut touched));
                self.all_malformed("endpointslice", malformed);
                self.denied.remove(ENDPOINT_SLICES);
                if !std::mem::replace(&mut self.slices_listed, true) {
                    // Whoever waited for the list no longer has to.
                    touched.extend(self.pods.keys().cloned());
                }
            }
            Watched::Applied(slice) => {
                self.readable("endpointslice", &slice.name);
                self.put_slice(slice, &mut touched);
            }
            Watched::Malformed(malformed) => self.note("endpointslice", malformed),
            Watched::Gone(name) => {
                self.readable("endpointslice", &name);
                self.remove_slice(&name, &mut touched);
            }
        }
        touched.into_iter().filter(|uid| self.pods.contains_key(uid)).collect()
    }

    fn put_slice(&mut self, slice: EndpointSliceFacts, touched: &mut BTreeSet<PodUid>) {
        if self.slices.get(&*slice.name) == Some(&slice) {
            return;
        }
        self.remove_slice(&slice.name, touched);
        for pod in &slice.pods {
            self.slices_of.entry(pod.clone()).or_default().insert(slice.name.to_string());
            if !mutants::is_on(Mutant::ForgetEndpoints) {
                touched.insert(pod.clone());
            }
        }
        self.slices.insert(slice.name.to_string(), slice);
    }

    fn remove_slice(&mut self, name: &str, touched: &mut BTreeSet<PodUid>) {
        let Some(slice) = self.slices.remove(name) else { return };
        for pod in slice.pods {
            if let Some(names) = self.slices_of.get_mut(&pod) {
                names.remove(name);
                if names.is_empty() {
                    self.slices_of.remove(&pod);
                }
            }
            touched.insert(pod);
        }
    }

    fn apply_namespaces(&mut self, change: Watched<NamespaceFacts, NamespaceName>) -> Vec<PodUid> {
        let mut changed = Vec::new();
        match change {
            Watched::Listed { items, malformed, .. } => {
                self.denied.remove(NAMESPACES);
                self.namespaces_listed = true;
                self.all_malformed("namespace", malformed);
                let mut before = std::mem::take(&mut self.namespaces);
                for NamespaceFacts { name, labels } in items {
                    if before.remove(&name).as_ref() != Some(&labels) {
                        changed.push(name.clone());
                    }
                    self.namespaces.insert(name, labels);
                }
                changed.extend(before.into_keys());
            }
            Watched::Applied(NamespaceFacts { name, labels }) => {
                self.readable("namespace", name.as_str());
                let before = self.namespaces.insert(name.clone(), labels.clone());
                if before.as_ref() != Some(&labels) && !mutants::is_on(Mutant::ForgetNamespacesPods) {
                    changed.push(name);
                }
            }
            Watched::Malformed(malformed) => {
                // Its labels are not known any more: whoever depends on them waits.
                if let Ok(name) = NamespaceName::new(&malformed.name)
                    && self.namespaces.remove(&name).is_some()
                {
                    changed.push(name);
                }
                self.note("namespace", malformed);
            }
            Watched::Gone(name) => {
                self.readable("namespace", name.as_str());
                self.namespaces.remove(&name);
                changed.push(name);
            }
        }
        let numbers = changed.iter().filter_map(|name| self.by_namespace.get(name)).flatten();
        numbers.filter_map(|number| self.pods.at(*number)).map(|(uid, _)| uid.clone()).collect()
    }

    fn apply_pods(&mut self, change: Watched<Arc<PodFacts>, PodUid>) -> Vec<PodUid> {
        match change {
            Watched::Listed { items, malformed, demand } => {
                let mut touched = Vec::new();
                let mut gone: BTreeSet<PodUid> = self.pods.keys().cloned().collect();
                // With other facts kept, an identity that had to wait for them no longer has to.
                let all = self.pods_listed.as_ref() != Some(&demand);
                self.pods_listed = Some(demand);
                self.all_malformed("pod", Vec::new());
                self.nameless.clear();
                for pod in items {
                    gone.remove(&pod.uid);
                    let uid = pod.uid.clone();
                    if self.put_pod(pod) || all {
                        touched.push(uid);
                    }
                }
                for malformed in malformed {
                    // The pod that had this name when the list before was made may have been another.
                    if malformed.uid.is_none() {
                        self.nameless.insert(malformed.name.clone());
                    }
                    let uid = self.put_unreadable(malformed);
                    uid.iter().for_each(|uid| {
                        gone.remove(uid);
                    });
                    touched.extend(uid);
                }
                gone.iter().for_each(|uid| self.remove_pod(uid));
                touched.extend(gone);
                touched
            }
            Watched::Applied(pod) => {
                if !self.malformed.is_empty() {
                    self.readable("pod", &format!("{}/{}", pod.namespace, pod.name));
                }
                let uid = pod.uid.clone();
                if self.put_pod(pod) { vec![uid] } else { Vec::new() }
            }
            Watched::Malformed(malformed) => self.put_unreadable(malformed).into_iter().collect(),
            Watched::Gone(uid) => {
                if !self.malformed.is_empty()
                    && let Some(name) = self.pod_name(&uid)
                {
                    self.readable("pod", &name);
                }
                self.remove_pod(&uid);
                vec![uid]
            }
        }
    }

    /// Whether the pod is other than it was.
    fn put_pod(&mut self, facts: Arc<PodFacts>) -> bool {
        let pod = self.pods.get_mut(&facts.uid);
        let before = pod.as_ref().and_then(|pod| pod.facts());
        if before.is_some_and(|before| *before == facts) {
            return false;
        }
        let place = |facts: &PodFacts| (facts.node.clone(), facts.namespace.clone());
        let (before, now) = (before.map(|before| place(before)), place(&facts));
        let uid = facts.uid.clone();
        let facts = Known::Facts(facts);
        let number = match pod {
            Some(pod) => {
                pod.facts = facts;
                if before.as_ref() == Some(&now) {
                    return true;
                }
                self.pods.number(&uid)
            }
            None => Some(self.pods.insert(uid, Pod::new(facts)).0),
        };
        let Some(number) = number else { return true };
        if let Some((node, namespace)) = before {
            self.unlink(number, node.as_ref(), &namespace);
        }
        let (node, namespace) = now;
        if let Some(node) = node {
            self.by_node.entry(node).or_default().push(number);
        }
        self.by_namespace.entry(namespace).or_default().insert(number);
        true
    }

    /// Notes a pod that cannot be read; its uid where it is known, by the object or by its name.
    fn put_unreadable(&mut self, malformed: Malformed) -> Option<PodUid> {
        let is_named = |pod: &Pod| match &pod.facts {
            Known::Facts(facts) => {
                let rest = malformed.name.strip_prefix(facts.namespace.as_str());
                rest.and_then(|rest| rest.strip_prefix('/')) == Some(facts.name.as_str())
            }
            Known::Unreadable(name) => **name == malformed.name,
        };
        let of_object = malformed.uid.as_deref().and_then(|uid| PodUid::new(uid).ok());
        // Who has the name now is known, though nothing else of it is.
        if of_object.is_some() {
            self.nameless.remove(&malformed.name);
        }
        let named = || self.pods.iter().find(|(_, pod)| is_named(pod)).map(|(uid, _)| uid.clone());
        let uid = of_object.or_else(named);
        let name = malformed.name.clone();
        self.note("pod", malformed);
        let Some(uid) = uid else {
            self.nameless.insert(name);
            return None;
        };
        let before = self.take_pod(&uid);
        let name = before.as_ref().map_or(name, Pod::name).into();
        let pod = match before {
            Some(before) => Pod { facts: Known::Unreadable(name), ..before },
            None => Pod::new(Known::Unreadable(name)),
        };
        self.pods.insert(uid.clone(), pod);
        Some(uid)
    }

    fn remove_pod(&mut self, uid: &PodUid) {
        let Some(pod) = self.take_pod(uid) else { return };
        if !pod.told.is_empty() {
            self.uncounted.insert(uid.clone(), pod.told);
        }
    }

    /// Takes a pod out of all that names it.
    fn take_pod(&mut self, uid: &PodUid) -> Option<Pod> {
        let number = self.pods.number(uid)?;
        let pod = self.pods.remove(uid)?;
        if let Some(facts) = pod.facts() {
            self.unlink(number, facts.node.as_ref(), &facts.namespace);
        }
        Some(pod)
    }

    fn unlink(&mut self, number: u32, node: Option<&NodeName>, namespace: &NamespaceName) {
        if let Some(node) = node {
            unlink(&mut self.by_node, node, |numbers| {
                numbers.retain(|other| *other != number);
                numbers.is_empty()
            });
        }
        unlink(&mut self.by_namespace, namespace, |numbers| {
            numbers.remove(&number);
            numbers.is_empty()
        });
    }

    fn apply_nodes(&mut self, change: Watched<NodeFacts, NodeName>) -> Vec<PodUid> {
        let mut changed: Vec<NodeName> = Vec::new();
        let mut was_denied = false;
        match change {
            Watched::Listed { items, malformed, demand } => {
                let all = self.nodes_listed.as_ref() != Some(&demand);
                was_denied = self.denied.remove(NODES).is_some();
                self.nodes_listed = Some(demand);
                self.all_malformed("node", malformed);
                let mut before = std::mem::take(&mut self.nodes);
                for node in items {
                    let same = before.remove(&node.name).filter(|before| **before == node);
                    if same.is_none() || all {
                        changed.push(node.name.clone());
                    }
                    self.nodes.insert(node.name.clone(), same.unwrap_or_else(|| Arc::new(node)));
                }
                changed.extend(before.into_keys());
            }
            Watched::Applied(node) => {
                self.readable("node", node.name.as_str());
                let name = node.name.clone();
                if self.nodes.get(&name).is_none_or(|before| **before != node) {
                    self.nodes.insert(name.clone(), Arc::new(node));
                    if mutants::is_on(Mutant::ForgetNodesPods) {
                        return Vec::new();
                    }
                    changed.push(name);
                }
            }
            Watched::Malformed(malformed) => {
                if let Ok(name) = NodeName::new(&malformed.name)
                    && self.nodes.remove(&name).is_some()
                {
                    changed.push(name);
                }
                self.note("node", malformed);
            }
            Watched::Gone(name) => {
                self.readable("node", name.as_str());
                self.nodes.remove(&name);
                changed.push(name);
            }
        }
        if was_denied {
            return self.uids().cloned().collect();
        }
        let numbers = changed.iter().filter_map(|node| self.by_node.get(node)).flatten();
        numbers.filter_map(|number| self.pods.at(*number)).map(|(uid, _)| uid.clone()).collect()
    }

    fn note(&mut self, kind: &'static str, malformed: Malformed) {
        self.malformed.insert((kind, malformed.name.clone()), malformed);
    }

    fn readable(&mut self, kind: &'static str, name: &str) {
        if !self.malformed.is_empty() {
            self.malformed.remove(&(kind, name.to_owned()));
            if kind == "pod" {
                self.nameless.remove(name);
            }
        }
    }

    fn all_malformed(&mut self, kind: &'static str, malformed: Vec<Malformed>) {
        self.malformed.retain(|(noted, _), _| *noted != kind);
        malformed.into_iter().for_each(|malformed| self.note(kind, malformed));
    }

    /// Derives one pod anew. Gives what was told before and, where the pod is known, what it is to have now, what is
    /// told now, and whether the former changed.
    pub(super) fn settle<'i, I>(
        &mut self,
        uid: &PodUid,
        settings: &Settings,
        answers: &Answers,
        hold_all: bool,
        candidates: impl FnOnce(&PodFacts) -> I,
    ) -> (Telling, Option<Settlement>)
    where
        I: Iterator<Item = (&'i IdentityName, &'i Identity)>,
    {
        let Some(pod) = self.pods.get(uid) else {
            return (self.uncounted.remove(uid).unwrap_or_default(), None);
        };
        let mut settling = Settling::default();
        match pod.facts() {
            None => settling.hold = Some(Hold::Unreadable),
            Some(facts) => {
                let basis = Basis { context: &self.context, settings, answers, hold_all };
                for (name, identity) in candidates(facts) {
                    let verdict = self.settle_identity(facts, name, identity, &basis, &mut settling);
                    if let Verdict::Told(told) = verdict {
                        settling.told.push((name.clone(), told));
                    }
                }
                if hold_all {
                    settling.hold = Some(Hold::NotDerived);
                }
            }
        }
        let (told, questions) = (std::mem::take(&mut settling.told), std::mem::take(&mut settling.questions));
        let desired = settling.desired();
        let told = self.telling(told);
        let Some(pod) = self.pods.get_mut(uid) else { return (Telling::default(), None) };
        let before = std::mem::replace(&mut pod.told, told.clone());
        let changed = !pod.is_settled || !pod.desired.is_same(&desired);
        pod.is_noted = false;
        if changed {
            pod.desired = Arc::new(desired);
            pod.is_settled = true;
        }
        (before, Some(Settlement { desired: pod.desired.clone(), told, questions, changed }))
    }

    /// What is told of one pod, shared with the others where it is what is told of most.
    fn telling(&mut self, told: Vec<(IdentityName, Told)>) -> Telling {
        match told.as_slice() {
            [(name, Told::Derived)] => match self.derived.get(name) {
                Some(same) => same.clone(),
                None => {
                    if self.derived.len() >= DERIVED && self.derived.len().is_power_of_two() {
                        self.derived.retain(|_, told| Arc::strong_count(told) > 1);
                    }
                    let name = name.clone();
                    let told: Telling = told.into();
                    self.derived.insert(name, told.clone());
                    told
                }
            },
            _ => told.into(),
        }
    }

    /// Whether another identity's entry was in the way of this one's when the pod was last settled.
    fn was_masked(&self, pod: &PodUid, name: &IdentityName) -> bool {
        let is_masked =
            |(other, told): &(IdentityName, Told)| other == name && matches!(told, Told::Masked { .. });
        self.pods.get(pod).is_some_and(|pod| pod.told.iter().any(is_masked))
    }

    fn settle_identity(
        &self,
        pod: &Arc<PodFacts>,
        name: &IdentityName,
        identity: &Identity,
        basis: &Basis<'_>,
        settling: &mut Settling,
    ) -> Verdict {
        let (cluster_labels, ignored) = (&basis.context.labels, &basis.settings.ignore_namespaces);
        let is_preview = identity.standing() == IdentityStanding::Preview;
        // Fallbacks come last, so what others want is known by now.
        if identity.is_fallback() && settling.others_want {
            return Verdict::NotNeeded;
        }
        let compiled = match identity.wants() {
            Wanting::Nothing => return Verdict::Ended,
            Wanting::Broken(_) if is_preview => return Verdict::Broken { may_want: false },
            Wanting::Broken(selection) => {
                let labels = self.namespaces.get(&pod.namespace);
                let may_want = match selection {
                    Some(selection) => {
                        let wants = selection.wants(cluster_labels, labels, pod, ignored);
                        matches!(wants, Ok(()) | Err(Refusal::NamespaceUnknown))
                    }
                    // The pods that are settled when such an identity changes, and no others.
                    None => {
                        identity.place().is_none_or(|place| place.namespaces.may_have(&pod.namespace, labels))
                    }
                };
                if may_want {
                    settling.hold = Some(Hold::NotDerived);
                    settling.others_may_want |= !identity.is_fallback();
                }
                return Verdict::Broken { may_want };
            }
            Wanting::Compiled(compiled) => compiled,
        };
        let labels = self.namespaces.get(&pod.namespace);
        // Whoever is only tried holds up nobody: what it has is frozen anyway.
        let hold = |settling: &mut Settling| {
            let hold = (!is_preview).then_some(Hold::NotDerived);
            settling.hold = settling.hold.or(hold);
        };
        let wait = |settling: &mut Settling, reason| {
            hold(settling);
            Verdict::Told(Told::Waiting(reason))
        };
        match compiled.selection.wants(cluster_labels, labels, pod, ignored) {
            Ok(()) if identity.is_fallback() && settling.others_may_want => {
                return wait(settling, "OtherIdentityUnknown");
            }
            Ok(()) => {}
            Err(Refusal::NamespaceUnknown) => {
                settling.others_may_want |= !identity.is_fallback() && !is_preview;
                return wait(settling, "NamespaceUnknown");
            }
            Err(refusal) => return Verdict::Refused(refusal),
        }
        let given = self.give(pod, name, compiled, basis, &mut settling.questions);
        // Whoever is only tried takes nothing from a fallback.
        let counts = !identity.is_fallback() && !is_preview;
        let outcome = match given {
            Given::Skipped(why) => return Verdict::Skipped(why),
            Given::Nothing(told) => {
                // A plugin that has not spoken may yet leave the pod to others.
                let is_open =
                    matches!(told, Told::Waiting(_) | Told::Failing(_)) && compiled.plugin().is_some();
                settling.others_want |= counts && !is_open;
                settling.others_may_want |= counts && is_open && !mutants::is_on(Mutant::FallbackWhileAsked);
                told
            }
            Given::Entries(_)
                if mutants::is_on(Mutant::DropMaskedSuccessor) && self.was_masked(&pod.uid, name) =>
            {
                Told::Masked { by: name.clone() }
            }
            Given::Entries(entries) => {
                settling.others_want |= counts;
                settling.want(entries, is_preview)
            }
        };
        let is_lost = mutants::is_on(Mutant::FailureIsDenial) && compiled.plugin().is_some();
        if matches!(outcome, Told::Waiting(_)) || matches!(outcome, Told::Failing(_)) && !is_lost {
            hold(settling);
        }
        Verdict::Told(outcome)
    }

    /// Whether a pod gets nothing of this identity, alone, because that does not come out right or its plugin denies it.
    pub(super) fn is_without(
        &self,
        uid: &PodUid,
        name: &IdentityName,
        identity: &Identity,
        basis: &Basis<'_>,
    ) -> bool {
        let Some(facts) = self.facts(uid) else { return true };
        let verdict = self.settle_identity(facts, name, identity, basis, &mut Settling::default());
        matches!(verdict, Verdict::Told(Told::Failing(_) | Told::Denied(_)) | Verdict::Broken { .. })
    }

    /// What each of these identities says of one pod, asked in this order, and what the pod is to have of them; none where
    /// the pod is not known. Nothing is kept of it.
    pub(super) fn explain<'i, I>(
        &self,
        uid: &PodUid,
        basis: &Basis<'_>,
        identities: impl FnOnce(&PodFacts) -> I,
    ) -> Option<(Vec<(IdentityName, Verdict)>, PodDesired)>
    where
        I: Iterator<Item = (&'i IdentityName, &'i Identity)>,
    {
        let facts = self.pods.get(uid)?.facts();
        let mut settling = Settling::default();
        let Some(facts) = facts else {
            settling.hold = Some(Hold::Unreadable);
            return Some((Vec::new(), settling.desired()));
        };
        let mut verdicts = Vec::new();
        for (name, identity) in identities(facts) {
            let verdict = self.settle_identity(facts, name, identity, basis, &mut settling);
            verdicts.push((name.clone(), verdict));
        }
        if basis.hold_all {
            settling.hold = Some(Hold::NotDerived);
        }
        Some((verdicts, settling.desired()))
    }

    /// What an identity gives a pod that it selects.
    fn give(
        &self,
        pod: &Arc<PodFacts>,
        name: &IdentityName,
        compiled: &Arc<CompiledIdentity>,
        basis: &Basis<'_>,
        questions: &mut Vec<Arc<Question>>,
    ) -> Given {
        let waiting = |reason| Given::Nothing(Told::Waiting(reason));
        let kept = |listed: &Option<Arc<Demand>>, source, demand: &Demand| {
            listed.as_ref().is_some_and(|listed| listed.covers_in(source, demand))
        };
        let needs_node = compiled.needs_node();
        let has_fields = |demand: &Demand| {
            let has_node = !needs_node || kept(&self.nodes_listed, Source::Node, demand);
            kept(&self.pods_listed, Source::Pod, demand) && has_node
        };
        // Where they may not be read, the pod gets its entry without their names: the registry's condition tells.
        let has_services = self.denied.contains_key(ENDPOINT_SLICES) || self.slices_listed;
        let asks_services = compiled.demand().reads_endpoint_slices();
        let node = pod.node.as_ref().and_then(|node| self.nodes.get(node));
        match node {
            None if needs_node && self.denied.contains_key(NODES) => {
                return Given::Nothing(Told::Failing(Problem::new(
                    "NodesForbidden",
                    "(node)",
                    "nodes may not be listed in this cluster, so the pod's parent cannot be derived; apply the ClusterRole of deploy/workload-cluster/rbac.yaml there",
                )));
            }
            _ if !has_fields(compiled.demand()) => return waiting("FieldsNotListed"),
            _ if asks_services && !has_services => return waiting("EndpointsNotListed"),
            None if needs_node => return waiting("NodeUnknown"),
            _ => {}
        }
        let services = asks_services.then(|| Arc::new(self.services_of(pod)));
        let by_templates = || {
            let derivation = Derivation {
                compiled: compiled.clone(),
                cluster: basis.context.clone(),
                pod: pod.clone(),
                node: node.filter(|_| needs_node).cloned(),
                services: services.clone(),
            };
            match Wanted::derived(name, derivation) {
                Ok(wanted) => Given::Entries(vec![wanted]),
                Err(problem) => Given::Nothing(Told::Failing(problem)),
            }
        };
        let Some(plugin) = compiled.plugin() else { return by_templates() };
        let subject = Subject {
            domains: &basis.settings.domains,
            cluster: basis.context,
            pod,
            node,
            namespace_labels: self.namespaces.get(&pod.namespace),
            services: services.as_ref(),
        };
        match by_plugin(&subject, name, compiled, plugin, basis.answers, has_fields, questions) {
            Ok(given) => given,
            Err(_) if plugin.falls_back => by_templates(),
            Err(problem) => Given::Nothing(Told::Failing(problem)),
        }
    }
}

/// What an identity's plugin gives a pod; the error is why it gives nothing that could be used.
fn by_plugin(
    subject: &Subject<'_>,
    name: &IdentityName,
    compiled: &CompiledIdentity,
    plugin: &PluginUse,
    answers: &Answers,
    has_fields: impl Fn(&Demand) -> bool,
    questions: &mut Vec<Arc<Question>>,
) -> Result<Given, Problem> {
    let waiting = |reason| Ok(Given::Nothing(Told::Waiting(reason)));
    let (description, demand) = match answers.readiness(&plugin.plugin) {
        Readiness::Loading => return waiting("PluginLoading"),
        Readiness::Failed(problem) => return Err(problem.clone()),
        Readiness::Ready(description, demand) => (description, demand),
    };
    if !has_fields(demand) {
        return waiting("FieldsNotListed");
    }
    if description.reads.needs_node() && subject.node.is_none() {
        return waiting("NodeUnknown");
    }
    if description.reads.has(Fact::NamespaceLabels) && subject.namespace_labels.is_none() {
        return waiting("NamespaceUnknown");
    }
    let workload = description.reads.workload(compiled.application_name(), subject);
    let (question, answer) = answers.look_up(Question { plugin: plugin.plugin.clone(), workload });
    questions.push(question);
    let decision = match answer {
        None if mutants::is_on(Mutant::SilenceIsSkip) => return Ok(Given::Skipped(String::new())),
        None => return waiting("PluginAsked"),
        Some(Answer::Failed(problem)) => {
            let told = match problem.field.as_str() {
                "spec.plugin" => problem.message.clone(),
                _ => problem.to_string(),
            };
            return Err(Problem::new(problem.reason, "spec.plugin", format!("{description}: {told}")));
        }
        Some(Answer::Decided(decision)) => decision,
    };
    match decision {
        Decision::Skip(why) => Ok(Given::Skipped(format!("{description}: {why}"))),
        Decision::Deny(why) => Ok(Given::Nothing(Told::Denied(format!("{description}: {why}")))),
        Decision::Identities(proposals) => {
            let entries = compiled.derive_decided(subject, description, proposals)?.into_iter().enumerate();
            let wanted = entries.map(|(slot, entry)| Wanted::new(name, &subject.pod.uid, slot, entry));
            Ok(Given::Entries(wanted.collect()))
        }
    }
}

impl Settling {
    /// What the pod is to have.
    fn desired(self) -> PodDesired {
        let Self { wanted, previewed, hold, .. } = self;
        PodDesired { wanted: wanted.into(), previewed: previewed.into(), hold }
    }

    /// Adds what an identity gives the pod, but for what another that comes before it gives as well.
    fn want(&mut self, entries: Vec<Wanted>, is_preview: bool) -> Told {
        let (mut masked, mut is_given) = (None, false);
        for wanted in entries {
            match self.wanted.iter().find(|other| other.key == wanted.key) {
                Some(other) => masked = Some(other.identity.clone()),
                None => {
                    is_given = true;
                    let list = if is_preview { &mut self.previewed } else { &mut self.wanted };
                    // One is what nearly all pods have.
                    list.reserve_exact(1);
                    list.push(wanted);
                }
            }
        }
        match masked {
            Some(by) if !is_given => Told::Masked { by },
            _ => Told::Derived,
        }
    }
}

/// Takes something out of what an index has of a key; `take` is true where nothing is left.
fn unlink<K: std::hash::Hash + Eq, T>(index: &mut HashMap<K, T>, key: &K, take: impl FnOnce(&mut T) -> bool) {
    if index.get_mut(key).is_some_and(take) {
        index.remove(key);
    }
}
