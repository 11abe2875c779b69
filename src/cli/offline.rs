//! The registrar's facts out of files: manifests and dumps of clusters, settled as in production, without any network.

use std::path::PathBuf;
use std::sync::Arc;

use registrar_core::api::{EKSClusterRegistry, WorkloadIdentity};
use registrar_core::config::Config;
use registrar_core::derive::Domains;
use registrar_core::facts::demand::Demand;
use registrar_core::facts::{Change, ClusterChange, Malformed, ObjectChange, Phase, Watched, trim};
use registrar_core::index::{Index, Settings};
use registrar_core::names::ClusterName;
use serde_json::Value;

use super::{Usage, documents};
use crate::components::local::Local;

/// The files that stand for the management cluster and the workload clusters.
#[derive(clap::Args)]
pub struct Files {
    /// Manifests of EKSClusterRegistry and WorkloadIdentity.
    #[arg(short = 'f', value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// A cluster's dump, as `kubectl get pods,nodes,namespaces -A -o yaml` (or json) prints it; NAME is the registry's.
    #[arg(long = "cluster", value_name = "NAME=FILE", value_parser = name_and_file)]
    pub clusters: Vec<(ClusterName, PathBuf)>,
    /// A plugin's component; used for identities that name its digest, wherever they say that it comes from.
    #[arg(long = "plugin", value_name = "FILE")]
    pub plugins: Vec<PathBuf>,
}

/// An index that knows what files say.
pub struct Offline {
    /// Settled.
    pub index: Index,
    /// What of the files could not be used, a line each.
    pub failures: Vec<String>,
}

fn name_and_file(text: &str) -> Result<(ClusterName, PathBuf), String> {
    let (name, file) =
        text.split_once('=').ok_or("must be NAME=FILE, NAME being the registry object's name")?;
    Ok((ClusterName::new(name).map_err(|error| error.to_string())?, file.into()))
}

impl Files {
    /// Reads all files; `more` objects are added to the dump of their cluster.
    pub fn read(&self, config: Config, more: &[(ClusterName, Value)]) -> Result<Offline, Usage> {
        let domains = Domains { trust: config.trust_domain, cluster: config.cluster_domain.into() };
        let max_size = config.plugins.max_size;
        let mut plugins = Local::new(&config.guardrails.plugins.ceilings, max_size, &self.plugins)
            .map_err(|error| Usage(vec![error]))?;
        let mut index = Index::new(Settings {
            domains,
            ignore_namespaces: config.ignore_namespaces,
            guardrails: config.guardrails,
        });
        let mut failures = Vec::new();
        let (registries, identities) = manifests(&self.files, &mut failures)?;
        index.apply(Change::Registries(ObjectChange::Listed(registries)));
        index.apply(Change::Identities(ObjectChange::Listed(identities)));
        let demand = plugins.settle(&mut index).demand.unwrap_or_default();
        for (name, path) in &self.clusters {
            if !index.registries().any(|registry| registry.name == name) {
                let file = path.display();
                failures.push(format!(
                    "EKSClusterRegistry/{name}: (object): no manifest of it was given, {file} is not used"
                ));
            }
            let more = more.iter().filter(|(cluster, _)| cluster == name).map(|(_, object)| object.clone());
            let changes = changes(documents(path)?.into_iter().chain(more), &demand);
            if let Some(session) = index.session(name).map(|session| session.number) {
                changes
                    .into_iter()
                    .for_each(|change| index.apply(Change::Cluster(name.clone(), session, change)));
            }
        }
        plugins.settle(&mut index);
        Ok(Offline { index, failures })
    }
}

type Objects<K> = Vec<Result<Arc<K>, Malformed>>;

/// Both kinds out of YAML files of any number of documents and lists.
fn manifests(
    files: &[PathBuf],
    failures: &mut Vec<String>,
) -> Result<(Objects<EKSClusterRegistry>, Objects<WorkloadIdentity>), Usage> {
    let (mut registries, mut identities) = (Vec::new(), Vec::new());
    for path in files {
        for object in documents(path)? {
            match object.get("kind").and_then(Value::as_str) {
                Some("EKSClusterRegistry") => registries.push(object_of(object)),
                Some("WorkloadIdentity") => identities.push(object_of(object)),
                other => {
                    let name =
                        object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("(no name)");
                    let kind = other.unwrap_or("(no kind)");
                    let right = "kind must be EKSClusterRegistry or WorkloadIdentity";
                    failures.push(format!("{}: {kind}/{name}: {right}", path.display()));
                }
            }
        }
    }
    Ok((registries, identities))
}

fn object_of<K: serde::de::DeserializeOwned>(object: Value) -> Result<Arc<K>, Malformed> {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let (name, uid) = (text("/metadata/name").unwrap_or_default(), text("/metadata/uid"));
    serde_json::from_value(object).map(Arc::new).map_err(|error| Malformed {
        name,
        uid,
        problem: error.to_string(),
    })
}

/// A dump as the changes that a connection would have told.
fn changes(objects: impl Iterator<Item = Value>, demand: &Arc<Demand>) -> Vec<ClusterChange> {
    let (mut pods, mut nodes, mut namespaces, mut slices) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for object in objects {
        match object.get("kind").and_then(Value::as_str) {
            Some("Pod") => pods.push(trim::pod(&object, demand)),
            Some("Node") => nodes.push(trim::node(&object, demand)),
            Some("Namespace") => namespaces.push(trim::namespace(&object)),
            Some("EndpointSlice") => slices.push(trim::endpoint_slice(&object)),
            _ => {}
        }
    }
    vec![
        ClusterChange::Namespaces(listed(namespaces, demand)),
        ClusterChange::Nodes(listed(nodes, demand)),
        ClusterChange::EndpointSlices(listed(slices, demand)),
        ClusterChange::Pods(listed(pods, demand)),
        ClusterChange::Phase(Phase::Live),
    ]
}

fn listed<F, K>(objects: Vec<Result<F, Malformed>>, demand: &Arc<Demand>) -> Watched<F, K> {
    let (mut items, mut malformed) = (Vec::new(), Vec::new());
    for object in objects {
        match object {
            Ok(item) => items.push(item),
            Err(problem) => malformed.push(problem),
        }
    }
    Watched::Listed { items, malformed, demand: demand.clone() }
}
