//! Which facts a plugin reads: what is kept for it, what it is handed, and by what its answers are shared.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::{Container, OwnerReference, Workload};
use crate::derive::Subject;
use crate::facts::PodFacts;
use crate::facts::demand::{Demand, EACH, Source};

/// A fact that a plugin can ask for; the order and the names are those of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// `metadata.namespace` of the pod.
    Namespace,
    /// `metadata.name` of the pod.
    PodName,
    /// `metadata.uid` of the pod.
    PodUid,
    /// `metadata.labels` of the pod.
    PodLabels,
    /// `metadata.annotations` of the pod.
    PodAnnotations,
    /// `metadata.ownerReferences` of the pod.
    OwnerReferences,
    /// `spec.serviceAccountName` of the pod.
    ServiceAccount,
    /// Names and images of the pod's containers.
    Containers,
    /// `metadata.name` of the pod's node.
    NodeName,
    /// `metadata.uid` of the pod's node.
    NodeUid,
    /// `metadata.labels` of the pod's node.
    NodeLabels,
    /// `metadata.labels` of the pod's namespace.
    NamespaceLabels,
    /// The registry's name, and the cluster's name in EKS.
    ClusterName,
    /// `spec.labels` of the registry.
    ClusterLabels,
    /// `spec.accountId` of the registry.
    AccountId,
    /// `spec.region` of the registry.
    Region,
}

impl Fact {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Namespace,
        Self::PodName,
        Self::PodUid,
        Self::PodLabels,
        Self::PodAnnotations,
        Self::OwnerReferences,
        Self::ServiceAccount,
        Self::Containers,
        Self::NodeName,
        Self::NodeUid,
        Self::NodeLabels,
        Self::NamespaceLabels,
        Self::ClusterName,
        Self::ClusterLabels,
        Self::AccountId,
        Self::Region,
    ];

    /// Its name in the interface.
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::PodName => "pod-name",
            Self::PodUid => "pod-uid",
            Self::PodLabels => "pod-labels",
            Self::PodAnnotations => "pod-annotations",
            Self::OwnerReferences => "owner-references",
            Self::ServiceAccount => "service-account",
            Self::Containers => "containers",
            Self::NodeName => "node-name",
            Self::NodeUid => "node-uid",
            Self::NodeLabels => "node-labels",
            Self::NamespaceLabels => "namespace-labels",
            Self::ClusterName => "cluster-name",
            Self::ClusterLabels => "cluster-labels",
            Self::AccountId => "account-id",
            Self::Region => "region",
        }
    }
}

/// A set of facts.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Reads(u16);

impl Reads {
    /// Whether the fact is among them.
    pub fn has(self, fact: Fact) -> bool {
        self.0 & (1 << fact as u16) != 0
    }

    /// Those among them, in the interface's order.
    pub fn facts(self) -> impl Iterator<Item = Fact> {
        Fact::ALL.into_iter().filter(move |fact| self.has(*fact))
    }

    /// Whether the pod's node has to be known.
    pub fn needs_node(self) -> bool {
        [Fact::NodeName, Fact::NodeUid, Fact::NodeLabels].into_iter().any(|fact| self.has(fact))
    }

    /// What has to be kept of pods and nodes beyond the fixed facts.
    pub fn demand(self) -> Demand {
        let mut demand = Demand::default();
        let mut pod = |path: &[&str]| {
            demand.add(Source::Pod, path.iter().map(|part| (*part).to_owned()).collect());
        };
        if self.has(Fact::PodAnnotations) {
            pod(&["metadata", "annotations"]);
        }
        if self.has(Fact::OwnerReferences) {
            pod(&["metadata", "ownerReferences"]);
        }
        if self.has(Fact::Containers) {
            // Not the containers as a whole: their environment is no business of ours.
            for list in ["initContainers", "containers"] {
                pod(&["spec", list, EACH, "name"]);
                pod(&["spec", list, EACH, "image"]);
            }
        }
        demand
    }

    /// One pod's facts, those that are not read left out.
    pub fn workload(self, application_name: &Arc<str>, subject: &Subject<'_>) -> Workload {
        let Subject { domains, cluster, pod, node, namespace_labels, .. } = subject;
        let mut workload = Workload {
            trust_domain: domains.trust.as_str().into(),
            application_name: application_name.clone(),
            ..Workload::default()
        };
        for fact in self.facts() {
            match fact {
                Fact::Namespace => workload.namespace = pod.namespace.shared(),
                Fact::PodName => workload.pod_name = pod.name.shared(),
                Fact::PodUid => workload.pod_uid = pod.uid.shared(),
                Fact::PodLabels => workload.pod_labels = pod.labels.clone(),
                Fact::PodAnnotations => {
                    let annotations = at(pod, "/metadata/annotations").and_then(Value::as_object);
                    let texts = annotations.into_iter().flatten();
                    workload.pod_annotations = texts
                        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                        .collect();
                }
                Fact::OwnerReferences => {
                    let owners = at(pod, "/metadata/ownerReferences").and_then(Value::as_array);
                    workload.owner_references = owners.into_iter().flatten().map(owner_reference).collect();
                }
                Fact::ServiceAccount => workload.service_account = pod.service_account.clone(),
                Fact::Containers => {
                    let lists = [("/spec/initContainers", true), ("/spec/containers", false)];
                    workload.containers =
                        lists.into_iter().flat_map(|(list, init)| containers(at(pod, list), init)).collect();
                }
                Fact::NodeName | Fact::NodeUid | Fact::NodeLabels => {
                    let Some(node) = node else { continue };
                    match fact {
                        Fact::NodeName => workload.node_name = node.name.shared(),
                        Fact::NodeUid => workload.node_uid = node.uid.shared(),
                        _ => workload.node_labels = node.labels.clone(),
                    }
                }
                Fact::NamespaceLabels => {
                    workload.namespace_labels = namespace_labels.cloned().unwrap_or_default();
                }
                Fact::ClusterName => {
                    workload.cluster_name = cluster.name.shared();
                    workload.eks_cluster_name = cluster.target.eks_name.shared();
                }
                Fact::ClusterLabels => workload.cluster_labels = cluster.labels.clone(),
                Fact::AccountId => workload.account_id = cluster.target.account.shared(),
                Fact::Region => workload.region = cluster.target.region.shared(),
            }
        }
        workload
    }
}

impl FromIterator<Fact> for Reads {
    fn from_iter<I: IntoIterator<Item = Fact>>(facts: I) -> Self {
        Self(facts.into_iter().fold(0, |set, fact| set | 1 << fact as u16))
    }
}

impl fmt::Display for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.facts().map(Fact::name).collect();
        f.write_str(&if names.is_empty() { "nothing".to_owned() } else { names.join(", ") })
    }
}

impl fmt::Debug for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn at<'a>(pod: &'a PodFacts, pointer: &str) -> Option<&'a Value> {
    pod.demanded.as_deref()?.pointer(pointer)
}

fn text(object: &Value, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn owner_reference(owner: &Value) -> OwnerReference {
    OwnerReference {
        api_version: text(owner, "apiVersion"),
        kind: text(owner, "kind"),
        name: text(owner, "name"),
        uid: text(owner, "uid"),
        controller: owner.get("controller").and_then(Value::as_bool).unwrap_or_default(),
    }
}

fn containers(list: Option<&Value>, init: bool) -> impl Iterator<Item = Container> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.map(move |item| Container { name: text(item, "name"), image: text(item, "image"), init })
}
