//! What is told on the objects that users write: conditions and counts, made from what the index and the writer know.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use crate::api::{EKSClusterRegistry, WorkloadIdentity, WorkloadIdentityStats};
use crate::names::{ClusterName, IdentityName};

/// A condition's `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConditionStatus {
    /// `True`.
    True,
    /// `False`.
    False,
    /// `Unknown`.
    Unknown,
}

/// A condition without its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionReport {
    /// `type`, such as `Ready`.
    pub kind: &'static str,
    /// `status`.
    pub status: ConditionStatus,
    /// `reason`: a fixed CamelCase word.
    pub reason: &'static str,
    /// `message`, for people.
    pub message: String,
}

/// What is to be done about our finalizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finalizer {
    /// The object has to carry it.
    Keep,
    /// The object is being deleted and nothing of it is left in SPIRE: it may go.
    Release,
}

/// What is told on one `EKSClusterRegistry`.
#[derive(Debug, Clone, PartialEq)]
pub struct RegistryReport {
    /// The object as last seen.
    pub object: Arc<EKSClusterRegistry>,
    /// Conditions in their order.
    pub conditions: Vec<ConditionReport>,
    /// `namespacesCount`.
    pub namespaces: u64,
    /// `entriesRegistered`.
    pub entries: u64,
    /// `lastSync`.
    pub last_sync: Option<Timestamp>,
    /// Our finalizer.
    pub finalizer: Finalizer,
}

/// What is told on one `WorkloadIdentity`.
#[derive(Debug, Clone, PartialEq)]
pub struct IdentityReport {
    /// The object as last seen.
    pub object: Arc<WorkloadIdentity>,
    /// Conditions in their order.
    pub conditions: Vec<ConditionReport>,
    /// `stats`.
    pub stats: WorkloadIdentityStats,
    /// `lastReconciliation`.
    pub last_reconciliation: Option<Timestamp>,
    /// Our finalizer.
    pub finalizer: Finalizer,
}

/// What is told on all objects.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// By object name.
    pub registries: BTreeMap<ClusterName, RegistryReport>,
    /// By object name.
    pub identities: BTreeMap<IdentityName, IdentityReport>,
}
