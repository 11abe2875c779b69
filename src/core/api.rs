//! The two kinds that users write, group `eksclusterregistry.spire.spiffe.io`, version `v1alpha1`.

mod eks_cluster_registry;
mod workload_identity;

use std::collections::BTreeMap;
use std::fmt;

pub use eks_cluster_registry::{
    ClusterAccess, ClusterTarget, EKSClusterRegistry, EKSClusterRegistrySpec, EKSClusterRegistryStatus,
};
use kube::{CustomResourceExt, Resource, ResourceExt};
pub use workload_identity::{
    ConfigMapKey, FailurePolicy, PluginLimits, PluginSource, PluginSpec, RolloutSpec, RolloutStatus,
    RolloutStep, WorkloadIdentity, WorkloadIdentitySpec, WorkloadIdentityStats, WorkloadIdentityStatus,
};

/// The finalizer that both kinds carry, so that their deletion is seen before they are gone.
pub const FINALIZER: &str = "eksclusterregistry.spire.spiffe.io/entries";

/// The annotation of both kinds that asks for a full reconciliation. It is taken away when that is done.
pub const RECONCILE_ANNOTATION: &str = "reconcile";

/// The annotation of a registry that takes another cluster in the place of the one that its status names: the uid of the
/// other's namespace `kube-system`.
pub const ACCEPT_CLUSTER_ANNOTATION: &str = "eksclusterregistry.spire.spiffe.io/accept-cluster";

/// The value of [`RECONCILE_ANNOTATION`].
pub fn reconcile_request<K: Resource>(object: &K) -> Option<&String> {
    object.annotations().get(RECONCILE_ANNOTATION)
}

/// The annotation of both kinds that releases what the brake holds, by the digest that the condition tells.
pub const RELEASE_ANNOTATION: &str = "eksclusterregistry.spire.spiffe.io/release";

/// The value of [`RELEASE_ANNOTATION`].
pub fn release<K: Resource>(object: &K) -> Option<&String> {
    object.annotations().get(RELEASE_ANNOTATION)
}

/// Whether somebody has asked for the object's deletion.
pub fn is_being_deleted<K: Resource>(object: &K) -> bool {
    object.meta().deletion_timestamp.is_some()
}

/// Whether the object carries [`FINALIZER`].
pub fn has_finalizer<K: Resource>(object: &K) -> bool {
    object.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

/// Both CustomResourceDefinitions as YAML documents by file name.
pub fn definitions() -> Result<Vec<(String, String)>, serde_saphyr::ser::Error> {
    [EKSClusterRegistry::crd(), WorkloadIdentity::crd()]
        .into_iter()
        .map(|crd| Ok((format!("{}.yaml", crd.name_any()), serde_saphyr::to_string(&crd)?)))
        .collect()
}

/// Something in an object or file that cannot be accepted as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// A fixed CamelCase word: the condition's reason and the metric's label.
    pub reason: &'static str,
    /// The field's path, such as `spec.podSelector.matchExpressions[0].operator`.
    pub field: String,
    /// The value at fault and what would be right.
    pub message: String,
}

impl Problem {
    /// A problem of one field.
    pub fn new(reason: &'static str, field: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { reason, field: field.into(), message: message.to_string() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// What a spec has that this version does not know. It may narrow what the rest says (a selector of a newer version), so
/// the object is not used without it.
fn unknown_fields(fields: &BTreeMap<String, serde_json::Value>) -> impl Iterator<Item = Problem> {
    fields.iter().map(|(name, value)| {
        let message = format!(
            "{value} is of a field that this version does not know; remove it or upgrade the registrar"
        );
        Problem::new("InvalidSpec", format!("spec.{name}"), message)
    })
}

/// Several problems as one text, in their order.
pub fn told(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}
