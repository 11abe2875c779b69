//! `render`: files in, entries out; the same line as in production with both ends replaced.

use std::process::ExitCode;
use std::sync::Arc;

use clap::ValueEnum;
use registrar_core::entry::{ClusterTag, Entry, EntryId, Nonce};
use registrar_core::index::{Index, Told};
use registrar_core::names::ClusterName;
use serde_json::{Value, json};

use super::offline::{Files, Offline};
use super::table::table;
use super::{ConfigFile, Usage};

/// Arguments of `render`.
#[derive(clap::Args)]
#[command(after_help = "Example:
  spire-eks-workload-registrar render --config config.yaml -f manifests.yaml --cluster prod-east=dump.yaml")]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    world: Files,
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

pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    if arguments.world.files.is_empty() {
        return Err(Usage(vec!["-f FILE, the manifests, is needed".to_owned()]));
    }
    let config = arguments.config.read()?;
    let entry_id_prefix = config.entry_id_prefix.clone();
    let Offline { index, mut failures } = arguments.world.read(config, &[])?;
    tell(&index, &mut failures);
    let mut rows = Vec::new();
    for (cluster, uid, desired) in index.desired() {
        let previewed = desired.previewed.iter().map(|wanted| (wanted, true));
        for (wanted, is_preview) in desired.wanted.iter().map(|wanted| (wanted, false)).chain(previewed) {
            // No randomness: the same files give the same output.
            let id =
                EntryId::make(&entry_id_prefix, &ClusterTag::of(cluster), &wanted.digest, &Nonce::new(0));
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
            print!("{}", table(&["CLUSTER", "POD UID", "IDENTITY", "SPIFFE ID"], &cells.collect::<Vec<_>>()));
        }
    }
    Ok(())
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
