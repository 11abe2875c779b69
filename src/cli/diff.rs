//! `diff`: what applying manifests, or another configuration, would do to SPIRE's entries; asked of the running registrar, or
//! told from files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use k8s_openapi::jiff::Timestamp;
use registrar_core::index::Settings;
use registrar_core::ledger::Ledger;
use registrar_core::ledger::difference::Difference;
use registrar_core::names::ClusterName;
use serde_json::{Value, json};

use super::offline::{self, Files, Offline, name_and_file};
use super::registrar::{Registrar, block_on, parsed, unexpected};
use super::{Output, Usage, documents, read, read_config};

/// Arguments of `diff`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  spire-eks-workload-registrar diff -f identity.yaml
  spire-eks-workload-registrar diff --config config.yaml --full
  spire-eks-workload-registrar diff -f identity.yaml --current manifests.yaml --current-config config.yaml \\
      --cluster prod-east=dump.yaml --entries entries.json

Exit status: 0 no entry would change, 1 some would, 2 an error.")]
pub struct Arguments {
    /// Manifests of EKSClusterRegistry and WorkloadIdentity that would be applied.
    #[arg(short = 'f', value_name = "FILE", required_unless_present = "config")]
    files: Vec<PathBuf>,
    /// The configuration file that would be used.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show every entry, not some of each kind.
    #[arg(long)]
    full: bool,
    #[command(flatten)]
    registrar: Registrar,
    /// Without asking any registrar: the manifests as they are applied now.
    #[arg(long, value_name = "FILE", requires = "current_config")]
    current: Vec<PathBuf>,
    /// Without asking any registrar: the configuration file that is used now.
    #[arg(long, value_name = "FILE", requires = "current")]
    current_config: Option<PathBuf>,
    /// Without asking any registrar: a cluster's dump, as `kubectl get pods,nodes,namespaces -A -o yaml` prints it.
    #[arg(long = "cluster", value_name = "NAME=FILE", value_parser = name_and_file, requires = "current")]
    clusters: Vec<(ClusterName, PathBuf)>,
    /// Without asking any registrar: SPIRE's entries, as `spire-server entry show -output json` prints them.
    #[arg(long, value_name = "FILE", requires = "current")]
    entries: Option<PathBuf>,
    /// Without asking any registrar: a plugin's component.
    #[arg(long = "plugin", value_name = "FILE", requires = "current")]
    plugins: Vec<PathBuf>,
    /// How the answer is printed.
    #[arg(short = 'o', value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// Exit status: 0 nothing would change, 1 something would, 2 an error.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    let difference = match &arguments.current_config {
        Some(config) => offline(arguments, config)?,
        None => live(arguments)?,
    };
    arguments.output.print(&difference)?;
    Ok(match (difference.problems.is_empty(), difference.total.is_empty()) {
        (false, _) => ExitCode::from(2),
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::FAILURE,
    })
}

fn live(arguments: &Arguments) -> Result<Difference, Usage> {
    let mut objects: Vec<Value> = Vec::new();
    for path in &arguments.files {
        objects.extend(documents(path)?);
    }
    let config = arguments.config.as_deref().map(checked).transpose()?;
    let asked = json!({"objects": objects, "config": config, "full": arguments.full});
    let (status, text) = block_on(arguments.registrar.post("/diff", asked.to_string()))??;
    match status {
        200 => parsed(&text),
        _ => Err(unexpected(status, &text)),
    }
}

/// A configuration's text, once it can be used.
fn checked(path: &Path) -> Result<String, Usage> {
    read_config(path, false)?;
    read(path)
}

fn offline(arguments: &Arguments, config: &Path) -> Result<Difference, Usage> {
    let config = read_config(config, false)?;
    let (prefix, mode, budgets, adopt) =
        (config.entry_id_prefix.clone(), config.mode, config.brake, config.adopt);
    let world = Files {
        files: arguments.current.clone(),
        clusters: arguments.clusters.clone(),
        plugins: arguments.plugins.clone(),
    };
    let Offline { index, failures } = world.read(config, &[])?;
    failures.iter().for_each(|line| eprintln!("note: {line}"));
    let mut ledger = Ledger::new(&prefix, mode, budgets);
    if adopt {
        ledger = ledger.adopting();
    }
    ledger.apply(&index.whole());
    if let Some(path) = &arguments.entries {
        ledger.observe(offline::entries(path)?, Timestamp::now());
    }
    let mut others = Vec::new();
    let mut proposal = offline::manifests(&arguments.files, &mut others)?;
    if !others.is_empty() {
        return Err(Usage(others));
    }
    if let Some(path) = &arguments.config {
        proposal.settings = Some(Settings::of(&read_config(path, false)?));
    }
    Ok(ledger.difference(index.what_if(proposal), arguments.full, Instant::now()))
}
