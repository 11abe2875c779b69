//! `doctor`: asks everything that the registrar depends on, step by step, and prints how each stands and what mends it.

mod management;
mod registry;
mod spire;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use registrar_core::api::Problem;
use registrar_core::config::Config;
use registrar_core::doctor::{Configuration, Facts, Failed, Registry, Verdict, diagnose};

use super::registrar::block_on;
use super::{Output, Usage, checked_config, read};
use crate::eks::Eks;

/// How long one question may take.
const TIME: Duration = Duration::from_secs(15);
/// How many registries are looked at at a time.
const AT_ONCE: usize = 16;
/// What every default is taken from where no file is named.
const LEAST: &str = "trustDomain: example.org";

/// Arguments of `doctor`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  spire-eks-workload-registrar doctor --config config.yaml
  kubectl -n spire-system exec deployment/spire-eks-workload-registrar -- /usr/bin/spire-eks-workload-registrar \\
      doctor --config /etc/spire-eks-workload-registrar/config.yaml --registry prod-east")]
pub struct Arguments {
    /// The configuration file; without it, every default, and no trust domain is compared.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Replace $NAME and ${NAME} in the configuration by environment variables.
    #[arg(long)]
    expand_env: bool,
    /// The name of an EKSClusterRegistry to look at; repeatable. Without it, all of them.
    #[arg(long = "registry", value_name = "NAME")]
    registries: Vec<String>,
    /// How the answer is printed.
    #[arg(short = 'o', value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// Exit status: 0 nothing fails, 1 something does, 2 usage.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    let (place, configuration) = configuration(arguments);
    let facts = block_on(ask(place, configuration, &arguments.registries))?;
    let diagnosis = diagnose(&facts);
    arguments.output.print(&diagnosis)?;
    Ok(if diagnosis.verdict == Verdict::Failure { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn configuration(arguments: &Arguments) -> (String, Configuration) {
    let Some(path) = &arguments.config else {
        return (String::new(), Config::parse(LEAST).map_or_else(Configuration::Bad, Configuration::Absent));
    };
    let text =
        read(path).map_err(|Usage(lines)| vec![Problem::new("InvalidConfig", "(file)", lines.join("; "))]);
    let config = text.and_then(|text| checked_config(&text, arguments.expand_env));
    (path.display().to_string(), config.map_or_else(Configuration::Bad, Configuration::Good))
}

/// Asks all that can be asked; nothing is changed by it.
async fn ask(place: String, configuration: Configuration, named: &[String]) -> Facts {
    let config = configuration.config();
    let is_named = matches!(configuration, Configuration::Good(_));
    let spire = async {
        match config {
            Some(config) => Some(spire::ask(config, is_named).await),
            None => None,
        }
    };
    let clusters = async {
        let eks = match config {
            Some(config) => Some(Arc::new(Eks::new(config.aws.clone()).await)),
            None => None,
        };
        let caller = async {
            match &eks {
                None => None,
                Some(eks) if !eks.has_region() => {
                    let message = "AWS is not asked who this process is: neither aws.region nor AWS_REGION says in which region";
                    Some(Err(Failed::new("NoRegion", message)))
                }
                Some(eks) => {
                    let caller = within("NoCredentials", async {
                        eks.caller().await.map_err(|error| Failed::new("NoCredentials", error))
                    });
                    Some(caller.await)
                }
            }
        };
        let management = async {
            let (management, objects) = management::ask(config).await;
            let all: Vec<String> = objects.iter().map(ResourceExt::name_any).collect();
            let wanted: BTreeSet<&String> =
                if named.is_empty() { all.iter().collect() } else { named.iter().collect() };
            let registries = wanted.into_iter().map(|name| {
                let object = objects.iter().find(|object| object.name_any() == *name).cloned();
                let registry = Registry { name: name.clone(), object, ..Registry::default() };
                registry::ask(eks.as_ref().zip(config), registry)
            });
            let registries: Vec<_> = registries.collect();
            let registries = futures::stream::iter(registries).buffered(AT_ONCE).collect::<Vec<_>>().await;
            (management, registries)
        };
        let (caller, (management, registries)) = tokio::join!(caller, management);
        (caller, management, registries)
    };
    let (spire, (caller, management, registries)) = tokio::join!(spire, clusters);
    Facts { now: Timestamp::now(), place, configuration, spire, management, caller, registries }
}

/// Waits no longer than one question may take; `reason` is what it is called where it does.
async fn within<T>(reason: &str, asked: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let answered = tokio::time::timeout(TIME, asked).await;
    answered.unwrap_or_else(|_| Err(Failed::new(reason, format!("no answer within {TIME:?}"))))
}
