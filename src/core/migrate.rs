//! spire-controller-manager's `ClusterSPIFFEID` as a `WorkloadIdentity`, and field by field what has no equal.

use std::collections::BTreeMap;

use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use crate::api::{Problem, WorkloadIdentity};
use crate::derive::{CompiledIdentity, Domains};
use crate::guardrails::Guardrails;
use crate::names::IdentityName;

/// Fields that both kinds have, with the same meaning.
const EQUAL: [&str; 13] = [
    "spiffeIDTemplate",
    "ttl",
    "jwtTtl",
    "dnsNameTemplates",
    "workloadSelectorTemplates",
    "federatesWith",
    "podSelector",
    "namespaceSelector",
    "admin",
    "downstream",
    "autoPopulateDNSNames",
    "fallback",
    "hint",
];
/// What `kubectl apply` keeps for itself.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Of every process of the pod, whatever else it is.
const BESIDE: &str = "k8s:ns:{{ .PodMeta.Namespace }}";

/// What an identity gets that no `ClusterSPIFFEID` has.
#[derive(Debug, Clone, Default)]
pub struct Additions {
    /// `clusterSelector.matchLabels`: the labels of the clusters that it is for; none: all.
    pub cluster_labels: BTreeMap<String, String>,
    /// One more selector, so that the entry stands beside spire-controller-manager's and is not the same.
    pub beside: bool,
}

/// What became of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Migrated {
    /// The manifest; none where nothing can be made of the object.
    pub manifest: Option<Value>,
    /// What has no equal, or can't be used as it is.
    pub lost: Vec<Problem>,
    /// What is equal and yet worth a look.
    pub notes: Vec<Problem>,
}

/// Makes an identity of a `ClusterSPIFFEID`, and checks it as the registrar would.
pub fn migrate(
    object: &Value,
    additions: &Additions,
    domains: &Domains,
    guardrails: &Guardrails,
) -> Migrated {
    let (mut lost, mut notes) = (Vec::new(), Vec::new());
    let empty = Map::new();
    let source = object.get("spec").and_then(Value::as_object).unwrap_or(&empty);
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let mut spec = Map::new();
    for (field, value) in source {
        match field.as_str() {
            field if EQUAL.contains(&field) => {
                spec.insert(field.to_owned(), value.clone());
            }
            "className" => {
                let message = format!(
                    "{value} has no equal: this registrar keeps every WorkloadIdentity of its management cluster; see that each \
                     is migrated from the class that is meant"
                );
                lost.push(Problem::new("NoEqual", "spec.className", message));
            }
            other => {
                let message =
                    format!("{value} is no field of a ClusterSPIFFEID that is known, and is left out");
                lost.push(Problem::new("NoEqual", format!("spec.{other}"), message));
            }
        }
    }
    spec.insert("applicationName".to_owned(), name.into());
    // There, no selector selects every namespace; here, silence selects none.
    spec.entry("namespaceSelector").or_insert_with(|| json!({}));
    if additions.cluster_labels.is_empty() {
        let message = "is absent, so that pods of every registered cluster are selected; a ClusterSPIFFEID is of one \
                       cluster. --cluster-label KEY=VALUE names its label";
        notes.push(Problem::new("EveryCluster", "spec.clusterSelector", message));
    } else {
        spec.insert("clusterSelector".to_owned(), json!({"matchLabels": additions.cluster_labels}));
    }
    if additions.beside {
        let selectors = spec.entry("workloadSelectorTemplates").or_insert_with(|| json!([]));
        if let Some(selectors) = selectors.as_array_mut().filter(|it| !it.contains(&BESIDE.into())) {
            selectors.push(BESIDE.into());
        }
    }
    notes.extend(of_variables(&spec));
    let crd = WorkloadIdentity::crd().spec;
    let version = crd.versions.first().map(|version| version.name.as_str()).unwrap_or_default();
    let manifest = json!({
        "apiVersion": format!("{}/{version}", crd.group),
        "kind": crd.names.kind,
        "metadata": metadata(object, name),
        "spec": spec,
    });
    let identity: WorkloadIdentity = match serde_path_to_error::deserialize(&manifest) {
        Ok(identity) => identity,
        Err(error) => {
            lost.push(Problem::new("InvalidSpec", error.path().to_string(), error.inner()));
            return Migrated { manifest: None, lost, notes };
        }
    };
    match IdentityName::new(name) {
        Err(error) => lost.push(Problem::new("InvalidSpec", "metadata.name", error)),
        Ok(name) => match CompiledIdentity::compile(&name, &identity.spec, domains, guardrails) {
            Err(problems) => lost.extend(problems),
            Ok(compiled) => {
                let (unknown, others): (Vec<Problem>, Vec<Problem>) =
                    compiled.notes.into_iter().partition(|note| note.reason == "UnknownField");
                lost.extend(unknown);
                notes.extend(others);
            }
        },
    }
    Migrated { manifest: Some(manifest), lost, notes }
}

/// Variables whose values come from elsewhere here.
fn of_variables(spec: &Map<String, Value>) -> Vec<Problem> {
    let mut notes = Vec::new();
    for (variable, what) in [
        (
            ".ClusterName",
            "is metadata.name of the cluster's EKSClusterRegistry: give it the clusterName of spire-controller-manager's \
             configuration, or what is rendered changes",
        ),
        (".ClusterDomain", "is clusterDomain of this registrar's configuration, one for all clusters"),
    ] {
        for (field, value) in spec.iter().filter(|(field, _)| field.contains("Template")) {
            if value.to_string().contains(variable) {
                notes.push(Problem::new(
                    "OtherSource",
                    format!("spec.{field}"),
                    format!("{variable} {what}"),
                ));
            }
        }
    }
    notes
}

/// Name, labels and annotations; the rest is the API server's.
fn metadata(object: &Value, name: &str) -> Value {
    let mut metadata = json!({"name": name});
    for field in ["labels", "annotations"] {
        let Some(Value::Object(texts)) = object.pointer(&format!("/metadata/{field}")) else { continue };
        let mut texts = texts.clone();
        texts.remove(LAST_APPLIED);
        if let Some(metadata) = metadata.as_object_mut().filter(|_| !texts.is_empty()) {
            metadata.insert(field.to_owned(), texts.into());
        }
    }
    metadata
}
