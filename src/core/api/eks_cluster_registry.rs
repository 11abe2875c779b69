//! `EKSClusterRegistry`: an EKS cluster whose pods are given identities.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Problem, unknown_fields};
use crate::guardrails::{Guardrails, Pattern};
use crate::names::{AccountId, EksClusterName, ExternalId, HttpsUrl, InvalidName, ProxyUrl, Region, RoleArn};

/// An EKS cluster whose pods are given identities. The object's name is what templates call `.ClusterName`.
#[derive(CustomResource, Serialize, Deserialize, Debug, Clone, PartialEq, JsonSchema)]
#[kube(
    group = "eksclusterregistry.spire.spiffe.io",
    version = "v1alpha1",
    kind = "EKSClusterRegistry",
    plural = "eksclusterregistries",
    singular = "eksclusterregistry",
    shortname = "ekscr",
    category = "spire",
    derive = "PartialEq",
    status = "EKSClusterRegistryStatus",
    printcolumn = r#"{"name":"Cluster","type":"string","jsonPath":".spec.clusterName"}"#,
    printcolumn = r#"{"name":"Region","type":"string","jsonPath":".spec.region"}"#,
    printcolumn = r#"{"name":"Enabled","type":"boolean","jsonPath":".spec.enabled"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Last Sync","type":"string","jsonPath":".status.lastSync"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Account","type":"string","priority":1,"jsonPath":".spec.accountId"}"#,
    printcolumn = r#"{"name":"Entries","type":"integer","priority":1,"jsonPath":".status.entriesRegistered"}"#,
    printcolumn = r#"{"name":"Age","type":"date","priority":1,"jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct EKSClusterRegistrySpec {
    /// The cluster's name in EKS.
    #[schemars(length(max = 100), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]*$"))]
    pub cluster_name: String,
    /// The AWS region of the cluster, such as `us-west-2`.
    #[schemars(length(max = 32), regex(pattern = "^[a-z]+(-[a-z]+)+-[0-9]{1,2}$"))]
    pub region: String,
    /// The AWS account that owns the cluster: twelve digits.
    #[schemars(regex(pattern = "^[0-9]{12}$"))]
    pub account_id: String,
    /// Whether the cluster is watched. Entries of a cluster that is no longer watched stay as they are.
    pub enabled: bool,
    /// The IAM role to assume for this cluster. Empty: the configuration's `aws.assumeRoleArn`, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 614),
        regex(
            pattern = "^(arn:aws(-cn|-us-gov)?:iam::[0-9]{12}:role/([A-Za-z0-9+=,.@_/-]*[A-Za-z0-9+=,.@_-]))?$"
        )
    )]
    pub assume_role_arn: Option<String>,
    /// The external id that the role's trust policy asks for, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1224), regex(pattern = "^([A-Za-z0-9_+=,.@:/-]{2}[A-Za-z0-9_+=,.@:/-]*)?$"))]
    pub external_id: Option<String>,
    /// Where the API server is reached instead of at the address that EKS tells, such as a private link:
    /// `https://host[:port]`. Its certificate is still checked against the cluster's own authority and name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(https://([A-Za-z0-9.-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]+)?/?)?$"))]
    pub endpoint: Option<String>,
    /// An HTTP proxy that is asked to CONNECT to the API server: `http://host[:port]`.
    #[serde(default, rename = "proxyURL", skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(http://([A-Za-z0-9.-]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]+)?/?)?$"))]
    pub proxy_url: Option<String>,
    /// Which SPIFFE IDs the cluster's pods may be given, as patterns of paths such as `/ns/*/sa/*`; absent: what the
    /// configuration's guardrails allow, which this can only narrow.
    #[serde(default, rename = "allowedSPIFFEIDs", skip_serializing_if = "Option::is_none")]
    pub allowed_spiffe_ids: Option<Vec<String>>,
    /// What a WorkloadIdentity's `clusterSelector` selects by, and what templates call `.ClusterLabels`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Fields that this version does not know: the API server keeps them, and the object is not used.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, serde_json::Value>,
}

/// What the registrar knows of the cluster.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EKSClusterRegistryStatus {
    /// `metadata.generation` of the object that this was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the cluster was last known to be in step with SPIRE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sync: Option<Time>,
    /// The ARN of the cluster that the entries are of.
    #[serde(default, rename = "clusterARN", skip_serializing_if = "Option::is_none")]
    pub cluster_arn: Option<String>,
    /// The uid of its namespace `kube-system`. Another cluster that answers in its place is held until the annotation
    /// `eksclusterregistry.spire.spiffe.io/accept-cluster` names the other's.
    #[serde(default, rename = "clusterUID", skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
    /// `Valid`: the spec can be used. `Ready`: the cluster is connected and watched. `CredentialsValid`,
    /// `ClusterReachable`, `Synced`: how far it came. `Stalled`, only where it is True: nothing goes on until the object is edited.
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

/// What a registry's spec says about its cluster, checked: which one it is, and the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterTarget {
    /// `spec.clusterName`.
    pub eks_name: EksClusterName,
    /// `spec.region`.
    pub region: Region,
    /// `spec.accountId`.
    pub account: AccountId,
    /// The way to it; another way leads to the same cluster.
    pub access: ClusterAccess,
}

/// The way to a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterAccess {
    /// `spec.assumeRoleArn`; none where it is absent or empty.
    pub role: Option<RoleArn>,
    /// `spec.externalId`; none where it is absent or empty.
    pub external_id: Option<ExternalId>,
    /// `spec.endpoint`; none where it is absent or empty.
    pub endpoint: Option<HttpsUrl>,
    /// `spec.proxyURL`; none where it is absent or empty.
    pub proxy: Option<ProxyUrl>,
}

impl EKSClusterRegistrySpec {
    /// Checks every field; the error is all problems at once.
    pub fn target(&self) -> Result<ClusterTarget, Vec<Problem>> {
        let mut problems: Vec<Problem> = unknown_fields(&self.unknown).collect();
        let eks_name = checked("spec.clusterName", EksClusterName::new(&self.cluster_name), &mut problems);
        let region = checked("spec.region", Region::new(&self.region), &mut problems);
        let account = checked("spec.accountId", AccountId::new(&self.account_id), &mut problems);
        let role = optional("spec.assumeRoleArn", &self.assume_role_arn, RoleArn::new, &mut problems);
        let external_id = optional("spec.externalId", &self.external_id, ExternalId::new, &mut problems);
        let endpoint = optional("spec.endpoint", &self.endpoint, HttpsUrl::new, &mut problems);
        let proxy = optional("spec.proxyURL", &self.proxy_url, ProxyUrl::new, &mut problems);
        if let (Some(role), Some(account), Some(region)) = (&role, &account, &region) {
            problems.extend(misplaced_role(role, account, region));
        }
        match (eks_name, region, account) {
            (Some(eks_name), Some(region), Some(account)) if problems.is_empty() => {
                let access = ClusterAccess { role, external_id, endpoint, proxy };
                Ok(ClusterTarget { eks_name, region, account, access })
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

impl EKSClusterRegistrySpec {
    /// All of it, with what the configuration allows; the error is all problems at once.
    pub fn checked(
        &self,
        guardrails: &Guardrails,
    ) -> Result<(ClusterTarget, Option<Vec<Pattern>>), Vec<Problem>> {
        let mut problems = Vec::new();
        let target = self.target().map_err(|found| problems.extend(found)).ok();
        let own = self.allowed().map_err(|found| problems.extend(found)).ok();
        if let Some(role) = target.as_ref().and_then(|target| target.access.role.as_ref()) {
            problems.extend(guardrails.check_role("spec.assumeRoleArn", role).err());
        }
        target.zip(own).filter(|_| problems.is_empty()).ok_or(problems)
    }
}

/// EKS describes a cluster only to a principal of the cluster's own account: a role elsewhere cannot be meant.
fn misplaced_role(role: &RoleArn, account: &AccountId, region: &Region) -> Option<Problem> {
    let message = if role.account() != account.as_str() {
        format!("{role} is a role of account {}, must be one of spec.accountId, {account}", role.account())
    } else if role.partition() != region.partition() {
        let (found, right) = (role.partition(), region.partition());
        format!("{role} is of partition {found}, must be of {right}, which {region} is in")
    } else {
        return None;
    };
    Some(Problem::new("RoleNotOfAccount", "spec.assumeRoleArn", message))
}

fn optional<'a, T>(
    field: &str,
    text: &'a Option<String>,
    parse: impl FnOnce(&'a str) -> Result<T, InvalidName>,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let text = text.as_deref().filter(|text| !text.is_empty())?;
    checked(field, parse(text), problems)
}

fn checked<T>(field: &str, result: Result<T, InvalidName>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|error| problems.push(Problem::new("InvalidSpec", field, error))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(change: serde_json::Value) -> EKSClusterRegistrySpec {
        let mut spec = serde_json::json!({"clusterName": "prod", "region": "us-west-2",
            "accountId": "111122223333", "enabled": true});
        if let (Some(spec), serde_json::Value::Object(change)) = (spec.as_object_mut(), change) {
            spec.extend(change);
        }
        serde_json::from_value(spec).unwrap()
    }

    fn told(change: serde_json::Value) -> Vec<(&'static str, String)> {
        let problems = spec(change).target().err().unwrap_or_default();
        problems.into_iter().map(|problem| (problem.reason, problem.field)).collect()
    }

    #[test]
    fn all_problems_of_a_registry_are_told_at_once() {
        let told = told(serde_json::json!({"clusterName": "", "region": "mars", "accountId": "1",
            "assumeRoleArn": "role", "externalId": "?", "endpoint": "10.0.0.1", "proxyURL": "socks://a"}));
        let fields =
            ["clusterName", "region", "accountId", "assumeRoleArn", "externalId", "endpoint", "proxyURL"];
        let expected: Vec<_> = fields.iter().map(|field| ("InvalidSpec", format!("spec.{field}"))).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_field_of_a_newer_version_is_a_problem_and_not_left_out() {
        let newer = serde_json::json!({"zones": ["a"], "labels": {"x": "y"}});
        assert_eq!(told(newer), [("InvalidSpec", "spec.zones".to_owned())]);
    }

    #[test]
    fn a_role_is_of_the_clusters_account_and_partition() {
        let role = |arn: &str| told(serde_json::json!({"assumeRoleArn": arn}));
        let wrong = [("RoleNotOfAccount", "spec.assumeRoleArn".to_owned())];
        assert_eq!(role("arn:aws:iam::111122223333:role/registrar"), []);
        assert_eq!(role("arn:aws:iam::999999999999:role/registrar"), wrong);
        assert_eq!(role("arn:aws-cn:iam::111122223333:role/registrar"), wrong);
    }

    #[test]
    fn what_is_empty_is_absent() {
        let plain = spec(serde_json::json!({"assumeRoleArn": "", "externalId": ""})).target().unwrap();
        assert_eq!(plain.access, ClusterAccess::default());
    }
}
