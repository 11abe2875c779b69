//! The command line.

mod crds;
mod diff;
mod doctor;
mod explain;
mod manual;
mod migrate;
mod offline;
mod plugin;
mod registrar;
mod release;
mod render;
mod run;
mod status;
mod table;
mod template;
mod token;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use registrar_core::api::Problem;
use registrar_core::config::{self, Config};
use serde::Serialize;
use serde_json::Value;

use crate::components::compile;

/// Gives every pod of a fleet of EKS clusters its SPIFFE identity.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compile a component from standard input to standard output: what the controller starts for each.
    #[command(hide = true)]
    CompileComponent(compile::Arguments),
    /// Print a shell's completions.
    Completions(manual::Completions),
    /// Print the CustomResourceDefinitions of both kinds, or write them into a folder.
    Crds(crds::Arguments),
    /// Say what applying manifests, or another configuration, would do to SPIRE's entries.
    Diff(diff::Arguments),
    /// Look at everything that the registrar depends on, step by step, and say what mends what is not well.
    Doctor(doctor::Arguments),
    /// Say why a pod has the entries that it has, or has none.
    Explain(explain::Arguments),
    /// Print the manual page, or write one of each command into a folder.
    Man(manual::Man),
    /// Print WorkloadIdentity manifests for spire-controller-manager's ClusterSPIFFEIDs, and say what has no equal.
    Migrate(migrate::Arguments),
    /// Write, look at, try and test plugins: components that decide in the templates' place.
    Plugin(plugin::Arguments),
    /// List what waits for somebody's release, or release one plan by its digest.
    Release(release::Arguments),
    /// Print the entries that manifests and dumps of clusters give, without any cluster, cloud or SPIRE.
    Render(render::Arguments),
    /// Print a table of clusters and identities as their status tells them.
    Status(status::Arguments),
    /// Render a template for one pod from files, as the controller would.
    Template(template::Arguments),
    /// Print a kubeconfig for a registry's cluster; its user is `token`.
    Kubeconfig(token::Kubeconfig),
    /// Run the controller: keep SPIRE's entries in step with the pods of all registered clusters.
    Run(run::Arguments),
    /// Print the token that the registrar would show a cluster, as an ExecCredential for kubectl.
    Token(token::Token),
}

/// Runs the command that the process was started with. Exit status: 0 all well, 1 something failed, 2 usage.
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::CompileComponent(arguments) => Ok(compile::run(&arguments)),
        Command::Completions(arguments) => manual::completions::<Arguments>(&arguments),
        Command::Crds(arguments) => crds::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Man(arguments) => manual::man::<Arguments>(&arguments),
        Command::Migrate(arguments) => migrate::run(&arguments),
        Command::Plugin(arguments) => plugin::run(&arguments),
        Command::Release(arguments) => release::run(&arguments),
        Command::Render(arguments) => render::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Template(arguments) => template::run(&arguments),
        Command::Kubeconfig(arguments) => token::kubeconfig(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Token(arguments) => token::token(&arguments),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            for line in failure.0 {
                eprintln!("error: {line}");
            }
            ExitCode::from(2)
        }
    }
}

/// The configuration file, as every command that needs all of it takes it.
#[derive(clap::Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Replace $NAME and ${NAME} in the configuration by environment variables.
    #[arg(long)]
    expand_env: bool,
}

impl ConfigFile {
    fn read(&self) -> Result<Config, Usage> {
        read_config(&self.config, self.expand_env)
    }
}

/// How an answer is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl Output {
    fn print(self, answer: &(impl fmt::Display + Serialize)) -> Result<(), Usage> {
        match self {
            Self::Text => print!("{answer}"),
            Self::Json => {
                let text = serde_json::to_string_pretty(answer);
                println!("{}", text.map_err(|error| Usage(vec![error.to_string()]))?);
            }
        }
        Ok(())
    }
}

/// Why a command could not begin: one line each.
struct Usage(Vec<String>);

/// A file's text; `-` is standard input.
fn read(path: &Path) -> Result<String, Usage> {
    let text = if path == "-" { io::read_to_string(io::stdin()) } else { std::fs::read_to_string(path) };
    text.map_err(|error| Usage(vec![format!("{}: {error}", path.display())]))
}

/// The objects of a file of any number of YAML documents; the items of a `List` one by one.
fn documents(path: &Path) -> Result<Vec<Value>, Usage> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(&read(path)?)
        .map_err(|error| Usage(vec![format!("{}: is not YAML: {error}", path.display())]))?;
    let mut objects = Vec::new();
    for mut document in documents {
        match document.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => objects.extend(items),
            _ if document.is_null() => {}
            _ => objects.push(document),
        }
    }
    Ok(objects)
}

fn read_config(path: &Path, expand_env: bool) -> Result<Config, Usage> {
    let told = |problems: Vec<Problem>| {
        Usage(problems.iter().map(|problem| format!("{}: {problem}", path.display())).collect())
    };
    checked_config(&read(path)?, expand_env).map_err(told)
}

/// A configuration file's text; the error is every problem.
fn checked_config(text: &str, expand_env: bool) -> Result<Config, Vec<Problem>> {
    match expand_env {
        true => Config::parse(&config::expand(text, |name| std::env::var(name).ok())?),
        false => Config::parse(text),
    }
}
