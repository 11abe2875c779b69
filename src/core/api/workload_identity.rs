//! `WorkloadIdentity`: which pods get which identity.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Problem, unknown_fields};

/// A duration as Go writes it, where none is the empty text or `0`.
const GO_DURATION: &str = "^[+]?(([0-9]+[.]?[0-9]*|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))*0?$";

/// Which pods get which identity. Templates are Go templates.
#[derive(CustomResource, Serialize, Deserialize, Debug, Clone, PartialEq, Default, JsonSchema)]
#[kube(
    group = "eksclusterregistry.spire.spiffe.io",
    version = "v1alpha1",
    kind = "WorkloadIdentity",
    plural = "workloadidentities",
    singular = "workloadidentity",
    shortname = "wid",
    category = "spire",
    derive = "PartialEq",
    status = "WorkloadIdentityStatus",
    printcolumn = r#"{"name":"Application","type":"string","jsonPath":".spec.applicationName"}"#,
    printcolumn = r#"{"name":"Namespace","type":"string","jsonPath":".spec.namespace"}"#,
    printcolumn = r#"{"name":"Pods","type":"integer","jsonPath":".status.stats.podsSelected"}"#,
    printcolumn = r#"{"name":"Entries","type":"integer","jsonPath":".status.stats.entriesRegistered"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Clusters","type":"integer","priority":1,"jsonPath":".status.stats.clustersTargeted"}"#,
    printcolumn = r#"{"name":"Rollout","type":"string","priority":1,"jsonPath":".status.rollout.progress"}"#,
    printcolumn = r#"{"name":"SPIFFE ID","type":"string","priority":1,"jsonPath":".spec.spiffeIDTemplate"}"#,
    printcolumn = r#"{"name":"Age","type":"date","priority":1,"jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.spiffeIDTemplate) || has(self.plugin)",
     "message": "spiffeIDTemplate is required where no plugin decides"},
    {"rule": "!has(self.plugin) || self.plugin.failurePolicy == 'Fallback' || !(has(self.spiffeIDTemplate) || has(self.dnsNameTemplates) || has(self.workloadSelectorTemplates))",
     "message": "with failurePolicy Keep a plugin decides alone: remove spiffeIDTemplate, dnsNameTemplates and workloadSelectorTemplates, or say failurePolicy: Fallback"},
    {"rule": "!has(self.plugin) || self.plugin.failurePolicy != 'Fallback' || has(self.spiffeIDTemplate)",
     "message": "failurePolicy Fallback falls back to spiffeIDTemplate, which is absent"}
]))]
pub struct WorkloadIdentitySpec {
    /// The application's name: what templates call `.ApplicationName`.
    pub application_name: String,
    /// The namespace, in each workload cluster, whose pods are selected. An identity with neither this nor
    /// `namespaceSelector` selects nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = "^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$"))]
    pub namespace: Option<String>,
    /// The namespaces, by their labels, whose pods are selected; beside `namespace`, both have to fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = with_operators)]
    pub namespace_selector: Option<LabelSelector>,
    /// Go template of the SPIFFE ID; required where no plugin decides.
    #[serde(default, rename = "spiffeIDTemplate", skip_serializing_if = "Option::is_none")]
    pub spiffe_id_template: Option<String>,
    /// Go template of the parent's SPIFFE ID. Empty: the `k8s_psat` agent of the pod's node. With a plugin: the parent of
    /// identities for which it names none.
    #[serde(default, rename = "parentIDTemplate", skip_serializing_if = "Option::is_none")]
    pub parent_id_template: Option<String>,
    /// Which pods of the namespace; absent or empty: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = with_operators)]
    pub pod_selector: Option<LabelSelector>,
    /// Which clusters, by the labels in `EKSClusterRegistry.spec.labels`; absent or empty: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = with_operators)]
    pub cluster_selector: Option<LabelSelector>,
    /// Lifetime of X509-SVIDs as a Go duration such as `1h`; absent or `0s`: the SPIRE server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = GO_DURATION))]
    pub ttl: Option<String>,
    /// Lifetime of JWT-SVIDs as a Go duration such as `5m`; absent or `0s`: the SPIRE server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = GO_DURATION))]
    pub jwt_ttl: Option<String>,
    /// Go templates of DNS names; the first becomes the certificate's common name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_name_templates: Vec<String>,
    /// Go templates of further selectors, `type:value`. `k8s:pod-uid:<uid>` is always there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workload_selector_templates: Vec<String>,
    /// Trust domains whose bundles the workload is given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(min = 1, max = 255), regex(pattern = "^[A-Za-z0-9._-]+$")))]
    pub federates_with: Vec<String>,
    /// Whether the workload may use SPIRE's administrative APIs.
    #[serde(default)]
    pub admin: bool,
    /// Whether the workload is a downstream SPIRE server.
    #[serde(default)]
    pub downstream: bool,
    /// Whether names of the Services that the pod is an endpoint of are added to the DNS names.
    #[serde(default, rename = "autoPopulateDNSNames")]
    pub auto_populate_dns_names: bool,
    /// Of two identities that declare the same entry, the one of higher priority has it; of equal ones, the smaller name.
    #[serde(default)]
    pub priority: i32,
    /// Whether the identity applies only to pods that no other identity selects.
    #[serde(default)]
    pub fallback: bool,
    /// Whether the identity is only tried: what it has stays as it is, and what it would do is counted and told.
    #[serde(default)]
    pub preview: bool,
    /// A hint for the workload, to tell its identities apart; at most 1024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub hint: Option<String>,
    /// A WebAssembly component that decides SPIFFE IDs, selectors and DNS names in the templates' place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginSpec>,
    /// How an edit of the spec goes through the fleet: by clusters in waves; absent: everywhere at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutSpec>,
    /// Fields that this version does not know: the API server keeps them, and the object is not used.
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

impl WorkloadIdentitySpec {
    /// What of the spec this version does not know.
    pub fn unknown_fields(&self) -> impl Iterator<Item = Problem> {
        unknown_fields(&self.unknown)
    }

    /// The spec without what acts at once on all clusters: what a rollout takes through the fleet.
    pub fn rolled_out(&self) -> Self {
        Self { rollout: None, preview: false, ..self.clone() }
    }
}

/// In which waves an edit goes through the fleet. What is being rolled out and how far it is stands in `status.rollout`.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutSpec {
    /// The waves. After the last of them the edit goes to all clusters.
    #[schemars(length(min = 1, max = 20))]
    pub steps: Vec<RolloutStep>,
    /// How long a wave has to be in step without failures before the next, as a Go duration; absent: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub pause: Option<String>,
}

/// One wave.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "type(self.clusters) != int || self.clusters > 0", "message": "clusters must be above 0"}
]))]
pub struct RolloutStep {
    /// How many of the clusters that the identity selects have the edit after this wave: a number such as `1`, or a
    /// percentage such as `10%`, rounded up.
    // A rule on it would cost more than the API server allows: it takes the string for three megabytes long.
    #[schemars(regex(pattern = "^(100|[1-9][0-9]?)%$"))]
    pub clusters: IntOrString,
}

/// Which component decides, and with which configuration.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.sha256) || has(self.source.image)",
     "message": "sha256 is required, except for an image, whose digest says as much"},
    {"rule": "!has(self.pullSecret) || has(self.source.image)",
     "message": "pullSecret is for images: no other source takes one"}
]))]
pub struct PluginSpec {
    /// Where the component comes from: exactly one of these.
    pub source: PluginSource,
    /// SHA-256 of the component's bytes, checked whenever it is loaded; required except for an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9a-fA-F]{64}$"))]
    pub sha256: Option<String>,
    /// The Secret, in the registrar's own namespace, with user and password of the image's registry. Used only for hosts
    /// that the configuration binds it to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub pull_secret: Option<String>,
    /// What the component is handed as its configuration: any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_json")]
    pub config: Option<Value>,
    /// What pods get for which the component cannot decide: the entries that they have, or what the templates say.
    #[serde(default)]
    pub failure_policy: FailurePolicy,
    /// What one call may use, below the configuration's `plugins.limits`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<PluginLimits>,
}

/// Where a component comes from: exactly one of these.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "[has(self.image), has(self.configMap), has(self.url), has(self.file)].exists_one(it, it)",
     "message": "exactly one of image, configMap, url and file is required"}
]))]
pub struct PluginSource {
    /// An OCI image in the layout of Wasm artifacts, by the digest of its manifest: `oci://<registry>/<repository>@sha256:<digest>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), regex(pattern = "^oci://[^@\\s]+@sha256:[0-9a-f]{64}$"))]
    pub image: Option<String>,
    /// A key of a ConfigMap in the management cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapKey>,
    /// An address that the component is downloaded from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048), regex(pattern = "^https://"))]
    pub url: Option<String>,
    /// A path that is mounted into the registrar's pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), regex(pattern = "^/"))]
    pub file: Option<String>,
}

/// A key of a ConfigMap.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default, JsonSchema)]
pub struct ConfigMapKey {
    /// Its namespace in the management cluster.
    #[schemars(length(max = 63))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The key, of `binaryData`.
    #[schemars(length(max = 253))]
    pub key: String,
}

/// What pods get for which a plugin cannot decide.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema)]
pub enum FailurePolicy {
    /// They keep the entries that they have; new pods wait.
    #[default]
    Keep,
    /// They get what the spec's templates say.
    Fallback,
}

/// What one call of a plugin may use; absent: the registrar's defaults.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default, JsonSchema)]
pub struct PluginLimits {
    /// Computing time as a Go duration such as `50ms`, counted in instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub time: Option<String>,
    /// Memory as a number of bytes such as `64Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub memory: Option<String>,
    /// All that it returns, as a number of bytes such as `128Ki`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub output: Option<String>,
}

/// The operators that a label selector knows.
fn with_operators(selector: &mut schemars::Schema) {
    let operator = "/properties/matchExpressions/items/properties/operator";
    if let Some(Value::Object(operator)) = selector.pointer_mut(operator) {
        operator.insert("enum".to_owned(), json!(["In", "NotIn", "Exists", "DoesNotExist"]));
    }
}

fn any_json(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}

/// Where the rollout of an edit stands.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// The spec that every cluster had last, without `rollout` and `preview`: pods of clusters that the edit has not reached
    /// get what it says.
    #[schemars(schema_with = "any_json")]
    pub stable_spec: Value,
    /// The registries of the clusters that have the edit; absent when nothing is being rolled out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub updated_clusters: Vec<String>,
    /// How many clusters have the edit, of how many, such as `3/30`; absent when nothing is being rolled out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
}

/// Counts over all clusters.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadIdentityStats {
    /// Number of enabled clusters that `clusterSelector` selects.
    #[serde(default)]
    pub clusters_targeted: u64,
    /// Number of clusters among them that have the namespace.
    #[serde(default)]
    pub namespaces_found: u64,
    /// Number of pods selected.
    #[serde(default)]
    pub pods_selected: u64,
    /// Number of SPIRE entries in place.
    #[serde(default)]
    pub entries_registered: u64,
    /// Number of pods for which no entry could be derived or written.
    #[serde(default)]
    pub entry_failures: u64,
    /// Number of pods that a plugin denies an identity.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pods_denied: u64,
    /// With `preview: true`: number of entries that would be created.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub would_create: u64,
    /// With `preview: true`: number of entries that would be updated.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub would_update: u64,
    /// With `preview: true`: number of entries that would be deleted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub would_delete: u64,
}

// By reference, because serde asks for it so.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What the registrar made of the identity.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadIdentityStatus {
    /// `metadata.generation` of the object that this was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Counts over all clusters.
    #[serde(default)]
    pub stats: WorkloadIdentityStats,
    /// `Valid`: the spec can be used. `Ready`: every selected pod has its entry. With `spec.rollout`, `RolledOut`: every
    /// cluster has the spec. `Stalled`, only where it is True: nothing goes on until the object is edited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// When the identity was last known to be in step with SPIRE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_reconciliation: Option<Time>,
    /// With `spec.rollout`: where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
}
