//! `EKSClusterRegistry`: an EKS cluster whose pods are given identities.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Problem;
use crate::guardrails::Pattern;
use crate::names::{AccountId, EksClusterName, InvalidName, Region, RoleArn};

/// An EKS cluster whose pods are given identities. The object's name is what templates call `.ClusterName`.
#[derive(CustomResource, Serialize, Deserialize, Debug, Clone, PartialEq, JsonSchema)]
#[kube(
    group = "eksclusterregistry.spire.spiffe.io",
    version = "v1alpha1",
    kind = "EKSClusterRegistry",
    plural = "eksclusterregistries",
    singular = "eksclusterregistry",
    derive = "PartialEq",
    status = "EKSClusterRegistryStatus",
    printcolumn = r#"{"name":"Cluster","type":"string","jsonPath":".spec.clusterName"}"#,
    printcolumn = r#"{"name":"Region","type":"string","jsonPath":".spec.region"}"#,
    printcolumn = r#"{"name":"Enabled","type":"boolean","jsonPath":".spec.enabled"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Last Sync","type":"string","jsonPath":".status.lastSync"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct EKSClusterRegistrySpec {
    /// The cluster's name in EKS.
    pub cluster_name: String,
    /// The AWS region of the cluster, such as `us-west-2`.
    pub region: String,
    /// The AWS account that owns the cluster: twelve digits.
    pub account_id: String,
    /// Whether the cluster is watched. Entries of a cluster that is no longer watched stay as they are.
    pub enabled: bool,
    /// The IAM role to assume for this cluster. Empty: the configuration's `aws.assumeRoleArn`, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role_arn: Option<String>,
    /// Which SPIFFE IDs the cluster's pods may be given, as patterns of paths such as `/ns/*/sa/*`; absent: what the
    /// configuration's guardrails allow, which this can only narrow.
    #[serde(default, rename = "allowedSPIFFEIDs", skip_serializing_if = "Option::is_none")]
    pub allowed_spiffe_ids: Option<Vec<String>>,
    /// What a WorkloadIdentity's `clusterSelector` selects by, and what templates call `.ClusterLabels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// What the registrar knows of the cluster.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EKSClusterRegistryStatus {
    /// When the cluster was last known to be in step with SPIRE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sync: Option<Time>,
    /// `Valid`: the spec can be used. `Ready`: the cluster is connected and watched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Number of namespaces in the cluster.
    #[serde(default)]
    pub namespaces_count: u64,
    /// Number of SPIRE entries of the cluster's pods that are in place.
    #[serde(default)]
    pub entries_registered: u64,
}

/// What a registry's spec says about reaching its cluster, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterTarget {
    /// `spec.clusterName`.
    pub eks_name: EksClusterName,
    /// `spec.region`.
    pub region: Region,
    /// `spec.accountId`.
    pub account: AccountId,
    /// `spec.assumeRoleArn`; none where it is absent or empty.
    pub role: Option<RoleArn>,
}

impl EKSClusterRegistrySpec {
    /// Checks every field; the error is all problems at once.
    pub fn target(&self) -> Result<ClusterTarget, Vec<Problem>> {
        let mut problems = Vec::new();
        let role =
            self.assume_role_arn.as_deref().filter(|arn| !arn.is_empty()).map(RoleArn::new).transpose();
        let eks_name = checked("spec.clusterName", EksClusterName::new(&self.cluster_name), &mut problems);
        let region = checked("spec.region", Region::new(&self.region), &mut problems);
        let account = checked("spec.accountId", AccountId::new(&self.account_id), &mut problems);
        let role = checked("spec.assumeRoleArn", role, &mut problems);
        match (eks_name, region, account, role) {
            (Some(eks_name), Some(region), Some(account), Some(role)) => {
                Ok(ClusterTarget { eks_name, region, account, role })
            }
            _ => Err(problems),
        }
    }
}

impl EKSClusterRegistrySpec {
    /// The patterns of `allowedSPIFFEIDs`, checked.
    pub fn allowed(&self) -> Result<Option<Vec<Pattern>>, Vec<Problem>> {
        let Some(texts) = &self.allowed_spiffe_ids else { return Ok(None) };
        let mut problems = Vec::new();
        let mut patterns = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let field = format!("spec.allowedSPIFFEIDs[{index}]");
            match Pattern::of_paths(text) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => {
                    let message =
                        format!("{text:?} must be a pattern of paths such as /ns/*/sa/** ({error})");
                    problems.push(Problem::new("InvalidSpec", field, message));
                }
            }
        }
        if problems.is_empty() { Ok(Some(patterns)) } else { Err(problems) }
    }
}

fn checked<T>(field: &str, result: Result<T, InvalidName>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|error| problems.push(Problem::new("InvalidSpec", field, error))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_of_a_registry_are_told_at_once() {
        let spec = EKSClusterRegistrySpec {
            cluster_name: String::new(),
            region: "mars".to_owned(),
            account_id: "1".to_owned(),
            enabled: true,
            assume_role_arn: Some("role".to_owned()),
            allowed_spiffe_ids: None,
            labels: BTreeMap::new(),
        };
        let fields: Vec<String> =
            spec.target().unwrap_err().into_iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["spec.clusterName", "spec.region", "spec.accountId", "spec.assumeRoleArn"]);
    }
}
