//! The registrar's facts out of files: manifests and dumps of clusters, settled as in production, without any network.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use registrar_core::config::Config;
use registrar_core::facts::demand::Demand;
use registrar_core::facts::{Change, ClusterChange, Malformed, ObjectChange, Phase, Watched, trim};
use registrar_core::index::{Index, Proposal, Settings};
use registrar_core::mirror::Observed;
use registrar_core::names::ClusterName;
use registrar_proto::types;
use serde::Deserialize;
use serde_json::Value;

use super::{Usage, documents};
use crate::components::local::Local;
use crate::spire;

/// The files that stand for the management cluster and the workload clusters.
#[derive(clap::Args)]
pub struct Files {
    /// Manifests of EKSClusterRegistry and WorkloadIdentity.
    #[arg(short = 'f', value_name = "FILE")]
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

pub fn name_and_file(text: &str) -> Result<(ClusterName, PathBuf), String> {
    let (name, file) =
        text.split_once('=').ok_or("must be NAME=FILE, NAME being the registry object's name")?;
    Ok((ClusterName::new(name).map_err(|error| error.to_string())?, file.into()))
}

impl Files {
    /// Reads all files; `more` objects are added to the dump of their cluster.
    pub fn read(&self, config: Config, more: &[(ClusterName, Value)]) -> Result<Offline, Usage> {
        let max_size = config.plugins.max_size;
        let mut plugins = Local::new(&config.guardrails.plugins.ceilings, max_size, &self.plugins)
            .map_err(|error| Usage(vec![error]))?;
        let mut index = Index::new(Settings::of(&config));
        let mut failures = Vec::new();
        let Proposal { registries, identities, .. } = manifests(&self.files, &mut failures)?;
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

/// Both kinds out of YAML files of any number of documents and lists; what is of another kind is a failure.
pub fn manifests(files: &[PathBuf], failures: &mut Vec<String>) -> Result<Proposal, Usage> {
    let mut all = Proposal::default();
    for path in files {
        let (proposal, others) = Proposal::of(documents(path)?);
        all.registries.extend(proposal.registries);
        all.identities.extend(proposal.identities);
        failures.extend(others.into_iter().map(|other| format!("{}: {other}", path.display())));
    }
    Ok(all)
}

/// An entry as `spire-server entry show -output json` prints it.
#[derive(Deserialize)]
#[serde(default)]
struct PrintedEntry {
    id: String,
    spiffe_id: PrintedId,
    parent_id: PrintedId,
    selectors: Vec<PrintedSelector>,
    x509_svid_ttl: i32,
    jwt_svid_ttl: i32,
    federates_with: Vec<String>,
    admin: bool,
    downstream: bool,
    dns_names: Vec<String>,
    hint: String,
    store_svid: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PrintedId {
    trust_domain: String,
    path: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PrintedSelector {
    r#type: String,
    value: String,
}

impl Default for PrintedEntry {
    fn default() -> Self {
        let (texts, nobody) = (Vec::new, PrintedId::default);
        Self {
            id: String::new(),
            spiffe_id: nobody(),
            parent_id: nobody(),
            selectors: Vec::new(),
            x509_svid_ttl: 0,
            jwt_svid_ttl: 0,
            federates_with: texts(),
            admin: false,
            downstream: false,
            dns_names: texts(),
            hint: String::new(),
            store_svid: false,
        }
    }
}

/// SPIRE's entries, as `spire-server entry show -output json` prints them.
pub fn entries(path: &Path) -> Result<Vec<Observed>, Usage> {
    let wrong = |what: String| Usage(vec![format!("{}: {what}", path.display())]);
    let printed: Value = serde_json::from_str(&super::read(path)?).map_err(|error| {
        wrong(format!("is not what `spire-server entry show -output json` prints: {error}"))
    })?;
    let list = match &printed {
        Value::Array(list) => list,
        _ => printed["entries"].as_array().ok_or_else(|| wrong("entries: is missing".to_owned()))?,
    };
    let id = |id: PrintedId| Some(types::Spiffeid { trust_domain: id.trust_domain, path: id.path });
    let mut observed = Vec::new();
    for (index, entry) in list.iter().enumerate() {
        let entry: PrintedEntry = serde_json::from_value(entry.clone())
            .map_err(|error| wrong(format!("entries[{index}]: {error}")))?;
        let selectors = entry.selectors.into_iter();
        let proto = types::Entry {
            id: entry.id,
            spiffe_id: id(entry.spiffe_id),
            parent_id: id(entry.parent_id),
            selectors: selectors.map(|it| types::Selector { r#type: it.r#type, value: it.value }).collect(),
            x509_svid_ttl: entry.x509_svid_ttl,
            jwt_svid_ttl: entry.jwt_svid_ttl,
            federates_with: entry.federates_with,
            admin: entry.admin,
            downstream: entry.downstream,
            dns_names: entry.dns_names,
            hint: entry.hint,
            store_svid: entry.store_svid,
            ..types::Entry::default()
        };
        observed.push(spire::observe(proto).map_err(|error| wrong(format!("entries[{index}]: {error}")))?);
    }
    Ok(observed)
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
