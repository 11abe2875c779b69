//! What is known of the world: small facts that the watches hand in, and nothing of an object that nobody reads.

pub mod demand;
mod labels;
pub mod read;
pub mod trim;

use std::sync::Arc;

use serde_json::Value;

use self::demand::Demand;
pub use self::labels::Labels;
use crate::api::{ClusterTarget, EKSClusterRegistry, WorkloadIdentity};
use crate::names::{ClusterName, NamespaceName, NodeName, NodeUid, PodName, PodUid};
use crate::plugin::{Answer, Plugin, PluginState, Question};

/// One pod, as far as identities can depend on it.
#[derive(Debug, Clone, PartialEq)]
pub struct PodFacts {
    /// `metadata.uid`.
    pub uid: PodUid,
    /// `metadata.name`.
    pub name: PodName,
    /// `metadata.namespace`.
    pub namespace: NamespaceName,
    /// `spec.serviceAccountName`; `default` where the pod names none.
    pub service_account: Arc<str>,
    /// `spec.nodeName`; none until the pod is bound.
    pub node: Option<NodeName>,
    /// `metadata.labels`.
    pub labels: Labels,
    /// The pod's phase is Succeeded or Failed: nothing runs in it any more.
    pub finished: bool,
    /// What templates read beyond the fields above, in the shape of the object: `{"metadata": …, "spec": …}`.
    pub demanded: Option<Arc<Value>>,
}

/// One node, as far as identities can depend on it.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeFacts {
    /// `metadata.name`.
    pub name: NodeName,
    /// `metadata.uid`.
    pub uid: NodeUid,
    /// `metadata.labels`.
    pub labels: Labels,
    /// `spec.providerID`; empty where the node has none.
    pub provider_id: Arc<str>,
    /// What templates read beyond the fields above, in the shape of the object.
    pub demanded: Option<Arc<Value>>,
}

impl NodeFacts {
    /// The EC2 instance: the last part of `spec.providerID` (`aws:///us-west-2a/i-0123456789abcdef0`).
    pub fn instance_id(&self) -> &str {
        self.provider_id.rsplit('/').next().unwrap_or_default()
    }
}

/// One namespace.
#[derive(Debug, Clone, PartialEq)]
pub struct NamespaceFacts {
    /// `metadata.name`.
    pub name: NamespaceName,
    /// `metadata.labels`.
    pub labels: Labels,
}

/// One endpoint slice: which pods a Service has.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointSliceFacts {
    /// `namespace/name` of the slice.
    pub name: Arc<str>,
    /// The namespace of slice, Service and pods.
    pub namespace: NamespaceName,
    /// The Service; none where the slice names none.
    pub service: Option<Arc<str>>,
    /// Its pods, ready or not.
    pub pods: Vec<PodUid>,
}

/// An object that is there but cannot be read; whatever belongs to it is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// `namespace/name` or `name`, as far as known.
    pub name: String,
    /// `metadata.uid`, where it could be read.
    pub uid: Option<String>,
    /// The field at fault and what would be right.
    pub problem: String,
}

/// What a list-and-watch of one kind in one workload cluster tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Watched<F, K> {
    /// A complete list: what it does not contain is gone.
    Listed {
        /// All objects that could be read.
        items: Vec<F>,
        /// All objects that could not.
        malformed: Vec<Malformed>,
        /// What was kept of each object.
        demand: Arc<Demand>,
    },
    /// One object was added or modified.
    Applied(F),
    /// One object was added or modified and cannot be read.
    Malformed(Malformed),
    /// The watch told this object's end.
    Gone(K),
}

impl<F, K> Watched<F, K> {
    fn is_of_one(&self) -> bool {
        !matches!(self, Self::Listed { .. })
    }
}

/// Where the connection to a workload cluster stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Not there yet: described, authenticated, listed.
    Connecting,
    /// All watches run.
    Live,
    /// It failed and is tried again; `reason` is a fixed CamelCase word.
    Unreachable {
        /// The condition's reason.
        reason: &'static str,
        /// For people.
        message: String,
    },
}

/// Which cluster it is that answers: not its name, which another may have had before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterIdentity {
    /// Its ARN, as EKS says; another cluster can have the same later.
    pub arn: String,
    /// The uid of its namespace `kube-system`, which is made with the cluster.
    pub uid: String,
}

/// What happened in one workload cluster.
#[derive(Debug, Clone, PartialEq)]
pub enum ClusterChange {
    /// The connection's phase.
    Phase(Phase),
    /// Which cluster it is that answers in this session; told before anything else of it is.
    Identified(ClusterIdentity),
    /// Objects of this kind (in the plural) may not be read; the rest goes on.
    Denied(&'static str, String),
    /// Pods.
    Pods(Watched<Arc<PodFacts>, PodUid>),
    /// Nodes.
    Nodes(Watched<NodeFacts, NodeName>),
    /// Namespaces.
    Namespaces(Watched<NamespaceFacts, NamespaceName>),
    /// Endpoint slices, by `namespace/name`; watched only while some identity asks for names of Services.
    EndpointSlices(Watched<EndpointSliceFacts, String>),
}

/// A connection that the index asks for. Another target, or the same after a pause, is another session: what an ended
/// one still tells is of a cluster that nobody asked for any more, and is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Unlike that of any other session of this process.
    pub number: u64,
    /// What to connect to.
    pub target: ClusterTarget,
}

/// What a watch of one of our own kinds tells.
#[derive(Debug, Clone, PartialEq)]
pub enum ObjectChange<T> {
    /// A complete list. An object that it lacks and whose deletion was never seen is orphaned, not deleted.
    Listed(Vec<Result<Arc<T>, Malformed>>),
    /// One object was added or modified.
    Applied(Result<Arc<T>, Malformed>),
    /// The watch told the object's end.
    Deleted(String),
}

/// One fact handed to the index.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// From the management cluster.
    Registries(ObjectChange<EKSClusterRegistry>),
    /// From the management cluster.
    Identities(ObjectChange<WorkloadIdentity>),
    /// From a workload cluster, in the session of this number.
    Cluster(ClusterName, u64, ClusterChange),
    /// From those who run plugins: where one stands.
    Plugin(Arc<Plugin>, PluginState),
    /// From those who run plugins: what came of questions.
    Decided(Vec<(Arc<Question>, Answer)>),
}

impl Change {
    /// Whether it is of one object of a cluster, such as a pod, and so concerns few pods.
    pub fn is_of_one_object(&self) -> bool {
        match self {
            Self::Cluster(_, _, change) => match change {
                ClusterChange::Pods(watched) => watched.is_of_one(),
                ClusterChange::Nodes(watched) => watched.is_of_one(),
                ClusterChange::EndpointSlices(watched) => watched.is_of_one(),
                // A namespace may have any number of pods.
                ClusterChange::Namespaces(_)
                | ClusterChange::Phase(_)
                | ClusterChange::Identified(_)
                | ClusterChange::Denied(..) => false,
            },
            Self::Registries(_) | Self::Identities(_) | Self::Plugin(..) | Self::Decided(_) => false,
        }
    }
}
