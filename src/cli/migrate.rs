//! `migrate`: spire-controller-manager's manifests in, this registrar's out, and what has no equal, field by field.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use registrar_core::derive::Domains;
use registrar_core::guardrails::Guardrails;
use registrar_core::migrate::{Additions, Migrated, migrate};
use registrar_core::spiffe::trust_domain;
use serde_json::Value;

use super::{Usage, documents, read_config};

/// What federates with nobody and is nobody's: without a configuration, no trust domain is our own.
const NO_TRUST_DOMAIN: &str = "none.invalid";
/// The group of the kinds that are read.
const GROUP: &str = "spire.spiffe.io/";

/// Arguments of `migrate`.
#[derive(clap::Args)]
#[command(after_help = "Example:
  spire-eks-workload-registrar migrate -f clusterspiffeids.yaml")]
pub struct Arguments {
    /// Manifests of ClusterSPIFFEID, as `kubectl get clusterspiffeids -o yaml` (or json) prints them; - is standard input.
    #[arg(short = 'f', value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// This registrar's configuration file, to check what is made against its trust domain and guardrails.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A label of the clusters that the identities are for, as in EKSClusterRegistry.spec.labels; repeatable.
    #[arg(long = "cluster-label", value_name = "KEY=VALUE", value_parser = key_and_value)]
    cluster_labels: Vec<(String, String)>,
    /// Add the selector k8s:ns:NAMESPACE, so that an entry stands beside spire-controller-manager's for the same pod and
    /// SPIFFE ID and is not the same entry.
    #[arg(long)]
    beside: bool,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("must be KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Exit status: 0 all has an equal, 1 something has none or can't be used, 2 usage.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    let (domains, guardrails) = match &arguments.config {
        Some(path) => {
            let config = read_config(path, false)?;
            let domains = Domains { trust: config.trust_domain, cluster: config.cluster_domain.into() };
            (domains, config.guardrails)
        }
        None => {
            let trust = trust_domain(NO_TRUST_DOMAIN).map_err(|error| Usage(vec![error.to_string()]))?;
            (Domains { trust, cluster: "cluster.local".into() }, Guardrails::default())
        }
    };
    let additions = Additions {
        cluster_labels: arguments.cluster_labels.iter().cloned().collect::<BTreeMap<_, _>>(),
        beside: arguments.beside,
    };
    let mut all_equal = true;
    for path in &arguments.files {
        for object in documents(path)? {
            let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
            let name = text("/metadata/name").unwrap_or("(no name)");
            let (version, kind) =
                (text("/apiVersion").unwrap_or_default(), text("/kind").unwrap_or("(no kind)"));
            if kind != "ClusterSPIFFEID" || !version.starts_with(GROUP) {
                all_equal = false;
                eprintln!("{kind}/{name}: (object): {}", no_equal(kind));
                continue;
            }
            let Migrated { manifest, lost, notes } = migrate(&object, &additions, &domains, &guardrails);
            all_equal &= lost.is_empty();
            lost.iter().for_each(|problem| eprintln!("{kind}/{name}: {problem}"));
            notes.iter().for_each(|note| eprintln!("{kind}/{name}: note: {note}"));
            if let Some(manifest) = manifest {
                print(&manifest).map_err(|error| Usage(vec![error]))?;
            }
        }
    }
    Ok(if all_equal { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What is to be done about an object of another kind.
fn no_equal(kind: &str) -> &'static str {
    match kind {
        "ClusterStaticEntry" => {
            "has no equal: this registrar makes entries of pods only; spire-controller-manager may go on keeping it"
        }
        "ClusterFederatedTrustDomain" => {
            "has no equal: this registrar keeps no bundles; spire-controller-manager may go on keeping it"
        }
        _ => "is no ClusterSPIFFEID of spire.spiffe.io, and is left out",
    }
}

fn print(manifest: &Value) -> Result<(), String> {
    // A template in one piece, however long, and not folded at its spaces.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let yaml = serde_saphyr::to_string_with_options(manifest, options).map_err(|error| error.to_string())?;
    write!(io::stdout(), "---\n{yaml}").map_err(|error| error.to_string())
}
