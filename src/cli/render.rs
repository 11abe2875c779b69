//! `render`: files in, entries out; the same line as in production with both ends replaced.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::ValueEnum;
use registrar_core::derive::Domains;
use registrar_core::entry::{ClusterTag, Entry, EntryId, Nonce};
use registrar_core::facts::demand::Demand;
use registrar_core::facts::{Change, ClusterChange, Malformed, ObjectChange, Phase, Watched, trim};
use registrar_core::index::{Index, Settings, Told};
use registrar_core::names::ClusterName;
use serde_json::{Value, json};

use super::{ConfigFile, Usage, documents};
use crate::components::local::Local;

/// Arguments of `render`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    /// Manifests of EKSClusterRegistry and WorkloadIdentity.
    #[arg(short = 'f', value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// A cluster's dump, as `kubectl get pods,nodes,namespaces -A -o yaml` (or json) prints it; NAME is the registry's.
    #[arg(long = "cluster", value_name = "NAME=FILE", value_parser = name_and_file)]
    clusters: Vec<(ClusterName, PathBuf)>,
    /// A plugin's component; used for identities that name its digest, wherever they say that it comes from.
    #[arg(long = "plugin", value_name = "FILE")]
    plugins: Vec<PathBuf>,
    /// How the entries are printed.
    #[arg(short = 'o', value_name = "FORMAT", default_value = "table")]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Yaml,
    Json,
}

fn name_and_file(text: &str) -> Result<(ClusterName, PathBuf), String> {
    let (name, file) =
        text.split_once('=').ok_or("must be NAME=FILE, NAME being the registry object's name")?;
    Ok((ClusterName::new(name).map_err(|error| error.to_string())?, file.into()))
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    let config = arguments.config.read()?;
    let domains = Domains { trust: config.trust_domain, cluster: config.cluster_domain.into() };
    let max_size = config.plugins.max_size;
    let mut plugins = Local::new(&config.guardrails.plugins.ceilings, max_size, &arguments.plugins)
        .map_err(|error| Usage(vec![error]))?;
    let mut index = Index::new(Settings {
        domains,
        ignore_namespaces: config.ignore_namespaces,
        guardrails: config.guardrails,
    });
    let mut failures = Vec::new();
    let (registries, identities) = manifests(&arguments.files, &mut failures)?;
    index.apply(Change::Registries(ObjectChange::Listed(registries)));
    index.apply(Change::Identities(ObjectChange::Listed(identities)));
    let demand = plugins.settle(&mut index).demand.unwrap_or_default();
    for (name, path) in &arguments.clusters {
        if !index.registries().any(|registry| registry.name == name) {
            let file = path.display();
            failures.push(format!(
                "EKSClusterRegistry/{name}: (object): no manifest of it was given, {file} is not used"
            ));
        }
        let changes = dump(path, &demand)?;
        if let Some(session) = index.session(name).map(|session| session.number) {
            changes
                .into_iter()
                .for_each(|change| index.apply(Change::Cluster(name.clone(), session, change)));
        }
    }
    plugins.settle(&mut index);
    tell(&index, &mut failures);
    let mut rows = Vec::new();
    for (cluster, uid, desired) in index.desired() {
        let previewed = desired.previewed.iter().map(|wanted| (wanted, true));
        for (wanted, is_preview) in desired.wanted.iter().map(|wanted| (wanted, false)).chain(previewed) {
            // No randomness: the same files give the same output.
            let id = EntryId::make(
                &config.entry_id_prefix,
                &ClusterTag::of(cluster),
                &wanted.digest,
                &Nonce::new(0),
            );
            rows.push(Row {
                id,
                cluster,
                pod: uid.as_str(),
                identity: wanted.identity.as_str(),
                is_preview,
                entry: wanted.entry().map_err(|error| Usage(vec![error.to_string()]))?,
            });
        }
    }
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    print(&rows, arguments.output)?;
    failures.iter().for_each(|line| eprintln!("{line}"));
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

struct Row<'a> {
    id: EntryId,
    cluster: &'a ClusterName,
    pod: &'a str,
    identity: &'a str,
    is_preview: bool,
    entry: Arc<Entry>,
}

type Objects<K> = Vec<Result<Arc<K>, Malformed>>;

/// Both kinds out of YAML files of any number of documents and lists.
fn manifests(
    files: &[PathBuf],
    failures: &mut Vec<String>,
) -> Result<
    (Objects<registrar_core::api::EKSClusterRegistry>, Objects<registrar_core::api::WorkloadIdentity>),
    Usage,
> {
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
fn dump(path: &std::path::Path, demand: &Arc<Demand>) -> Result<Vec<ClusterChange>, Usage> {
    let (mut pods, mut nodes, mut namespaces, mut slices) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for object in documents(path)? {
        match object.get("kind").and_then(Value::as_str) {
            Some("Pod") => pods.push(trim::pod(&object, demand)),
            Some("Node") => nodes.push(trim::node(&object, demand)),
            Some("Namespace") => namespaces.push(trim::namespace(&object)),
            Some("EndpointSlice") => slices.push(trim::endpoint_slice(&object)),
            _ => {}
        }
    }
    Ok(vec![
        ClusterChange::Namespaces(listed(namespaces, demand)),
        ClusterChange::Nodes(listed(nodes, demand)),
        ClusterChange::EndpointSlices(listed(slices, demand)),
        ClusterChange::Pods(listed(pods, demand)),
        ClusterChange::Phase(Phase::Live),
    ])
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

/// One line for each thing that fails: object, field, reason.
fn tell(index: &Index, failures: &mut Vec<String>) {
    for object in index.malformed_objects() {
        failures.push(format!("{:?}: {}", object.name, object.problem));
    }
    for registry in index.registries() {
        let name = registry.name;
        failures
            .extend(registry.problems.iter().map(|problem| format!("EKSClusterRegistry/{name}: {problem}")));
        let malformed = registry.malformed.iter();
        failures.extend(
            malformed.map(|(kind, object)| format!("{name}: {kind} {}: {}", object.name, object.problem)),
        );
    }
    for identity in index.identities() {
        let name = identity.name;
        failures
            .extend(identity.problems.iter().map(|problem| format!("WorkloadIdentity/{name}: {problem}")));
        identity.notes.iter().for_each(|note| eprintln!("note: WorkloadIdentity/{name}: {note}"));
    }
    let mut pods: Vec<String> = Vec::new();
    for failure in index.failures() {
        let at = format!("{}: pod {}: WorkloadIdentity/{}", failure.cluster, failure.pod, failure.identity);
        match failure.told {
            Told::Failing(problem) => pods.push(format!("{at}: {problem}")),
            Told::Waiting(reason) => {
                pods.push(format!("{at}: spec.nodeName: {reason}: the dump lacks the pod's node"))
            }
            Told::Masked { by } => eprintln!("note: {at}: WorkloadIdentity/{by} declares the same entry"),
            Told::Denied(why) => eprintln!("note: {at}: denied: {why}"),
            Told::Derived => {}
        }
    }
    pods.sort();
    failures.extend(pods);
}

fn print(rows: &[Row<'_>], output: Output) -> Result<(), Usage> {
    let whole = || json!({"entries": rows.iter().map(row_json).collect::<Vec<_>>()});
    let failed = |error: String| Usage(vec![format!("the entries cannot be written: {error}")]);
    match output {
        Output::Json => {
            println!("{}", serde_json::to_string_pretty(&whole()).map_err(|it| failed(it.to_string()))?)
        }
        Output::Yaml => print!("{}", serde_saphyr::to_string(&whole()).map_err(|it| failed(it.to_string()))?),
        Output::Table => {
            let cells = rows.iter().map(|row| {
                let spiffe_id = row.entry.key.spiffe_id.to_string();
                let preview = if row.is_preview { " (preview)" } else { "" };
                let identity = format!("{}{preview}", row.identity);
                [row.cluster.to_string(), row.pod.to_owned(), identity, spiffe_id]
            });
            table(&["CLUSTER", "POD UID", "IDENTITY", "SPIFFE ID"], &cells.collect::<Vec<_>>());
        }
    }
    Ok(())
}

fn table<const N: usize>(head: &[&str; N], rows: &[[String; N]]) {
    let widths: Vec<usize> = (0..N)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column).map(String::len));
            cells.chain(head.get(column).map(|name| name.len())).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("{}", padded.join("  ").trim_end());
    };
    line(head.to_vec());
    rows.iter().for_each(|row| line(row.iter().map(String::as_str).collect()));
}

/// The shape of `spire-server entry show -output json`, plus `cluster` and `identity`.
fn row_json(row: &Row<'_>) -> Value {
    let entry = &row.entry;
    let id = |id: &registrar_core::spiffe::SpiffeId| json!({"trust_domain": id.trust_domain_name(), "path": id.path()});
    let selectors = entry.key.selectors.iter().map(|it| json!({"type": it.kind(), "value": it.value()}));
    let mut object = json!({
        "id": row.id.as_str(),
        "cluster": row.cluster.as_str(),
        "identity": row.identity,
        "spiffe_id": id(&entry.key.spiffe_id),
        "parent_id": id(&entry.key.parent_id),
        "selectors": selectors.collect::<Vec<_>>(),
        "x509_svid_ttl": entry.x509_svid_ttl,
        "jwt_svid_ttl": entry.jwt_svid_ttl,
        "federates_with": entry.federates_with.iter().map(|domain| domain.as_str()).collect::<Vec<_>>(),
        "admin": entry.admin,
        "downstream": entry.downstream,
        "dns_names": entry.dns_names.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "hint": entry.hint,
    });
    if row.is_preview {
        object["preview"] = true.into();
    }
    object
}
