//! `plugin run`: one pod from files.

use std::path::PathBuf;
use std::process::ExitCode;

use registrar_core::plugin::DEFAULT_LIMITS;
use registrar_core::spiffe::{TrustDomain, trust_domain};
use serde_json::json;

use super::case::{Case, Decided, Files, Outcome, config};
use super::{FAILED, Loaded, Output, UNUSABLE, Usage, bytes, load, print_json, unusable};
use crate::cli::read;

/// Arguments of `plugin run`.
#[derive(clap::Args)]
#[command(after_help = "Example:
  spire-eks-workload-registrar plugin run my-plugin.wasm --config '{}' --pod pod.yaml")]
pub struct Arguments {
    /// The component.
    #[arg(value_name = "FILE")]
    component: PathBuf,
    /// What spec.plugin.config says: JSON, or @FILE that holds it.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    config: String,
    /// A pod, as `kubectl get pod NAME -o yaml` (or json) prints it.
    #[arg(long, value_name = "FILE")]
    pod: PathBuf,
    /// The pod's node, as kubectl prints it.
    #[arg(long, value_name = "FILE")]
    node: Option<PathBuf>,
    /// The pod's namespace, as kubectl prints it.
    #[arg(long, value_name = "FILE")]
    namespace: Option<PathBuf>,
    /// The manifest of the cluster's EKSClusterRegistry.
    #[arg(long, value_name = "FILE")]
    cluster: Option<PathBuf>,
    /// The SPIRE server's trust domain.
    #[arg(long, value_name = "NAME", default_value = "example.org", value_parser = trust_domain)]
    trust_domain: TrustDomain,
    /// What spec.applicationName says.
    #[arg(long, value_name = "NAME", default_value = "application")]
    application_name: String,
    /// How the decision is told.
    #[arg(short = 'o', value_name = "FORMAT", default_value = "text")]
    output: Output,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    let files = Files {
        pod: &arguments.pod,
        node: arguments.node.as_deref(),
        namespace: arguments.namespace.as_deref(),
        cluster: arguments.cluster.as_deref(),
    };
    let case = Case::read(&files, &arguments.trust_domain, &arguments.application_name)?;
    let config = match arguments.config.strip_prefix('@') {
        Some(path) => config(path, &read(path.as_ref())?)?,
        None => config("--config", &arguments.config)?,
    };
    let path = &arguments.component;
    let loaded = match load(&bytes(path)?) {
        Ok(loaded) => loaded,
        Err(why) => return Ok(unusable(&path.display().to_string(), &why)),
    };
    for (facts, file) in case.missing(&loaded) {
        eprintln!("note: the component reads {facts}, and --{file} is not given");
    }
    let decided = case.decide(&loaded, &config)?;
    match arguments.output {
        Output::Json => {
            let used = decided.used.map(|used| {
                json!({"fuel": used.fuel, "timeMicroseconds": used.time.as_micros() as u64, "memoryBytes": used.memory})
            });
            print_json(&json!({"plugin": loaded.json(), "decision": decided.outcome.json(), "used": used}))?;
        }
        Output::Text => print(&loaded, &decided),
    }
    Ok(match decided.outcome {
        Outcome::Config(_) => ExitCode::from(UNUSABLE),
        Outcome::Failed(_) => ExitCode::from(FAILED),
        Outcome::Entries(_) | Outcome::Skip(_) | Outcome::Deny(_) => ExitCode::SUCCESS,
    })
}

fn print(loaded: &Loaded, decided: &Decided) {
    println!("plugin    {} ({})", loaded.description, loaded.inspection.digest);
    println!("reads     {}", loaded.description.reads);
    match &decided.outcome {
        Outcome::Config(problems) => {
            println!("decision  none: the configuration is not accepted");
            problems.iter().for_each(|problem| println!("  {problem}"));
        }
        Outcome::Skip(why) => println!("decision  skip: {why}"),
        Outcome::Deny(why) => println!("decision  deny: {why}"),
        Outcome::Failed(problem) => println!("decision  none: {}: {}", problem.reason, problem.message),
        Outcome::Entries(entries) => {
            println!("decision  {} of the pod", count(entries.len(), "identity", "identities"));
            for entry in entries {
                println!("  {}", entry.key.spiffe_id);
                println!("    parent    {}", entry.key.parent_id);
                entry.key.selectors.iter().for_each(|selector| println!("    selector  {selector}"));
                entry.dns_names.iter().for_each(|name| println!("    DNS name  {}", name.as_str()));
                if !entry.hint.is_empty() {
                    println!("    hint      {}", entry.hint);
                }
            }
        }
    }
    if let Some(used) = decided.used {
        let limits = DEFAULT_LIMITS;
        println!(
            "used      {} instructions, {:?}, {} KiB of {} MiB memory",
            used.fuel,
            used.time,
            used.memory >> 10,
            limits.memory >> 20
        );
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
