//! `template`: one template for one pod, from files, for people who write templates and for tests.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use registrar_core::derive::template::{Scope, Template, Variables};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Usage, read, read_config};

/// Exit status: the template does not parse.
const PARSE: u8 = 3;
/// Exit status: it fails on execution.
const EXEC: u8 = 4;

/// Arguments of `template`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  spire-eks-workload-registrar template --pod pod.yaml --node node.yaml --config config.yaml --template '{{ .PodMeta.Name }}'
  spire-eks-workload-registrar template --pod pod.yaml --fields")]
pub struct Arguments {
    /// The variables as YAML: trustDomain, clusterName, clusterDomain, applicationName, accountID, region, pod, node.
    /// With --batch, a folder of such files.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pod", "node", "config"])]
    facts: Option<PathBuf>,
    /// A pod, as `kubectl get pod NAME -o yaml` (or json) prints it.
    #[arg(long, value_name = "FILE")]
    pod: Option<PathBuf>,
    /// The pod's node, as `kubectl get node NAME -o yaml` (or json) prints it.
    #[arg(long, value_name = "FILE")]
    node: Option<PathBuf>,
    /// The configuration file, for the trust domain and the cluster domain.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The template; - reads it from standard input.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    template: Option<String>,
    /// List what a template can use and what each is for this pod.
    #[arg(long, conflicts_with_all = ["template", "batch"])]
    fields: bool,
    /// Records {"name", "facts", "template"}, one a line, answered one a line. Variables are those of Go's registrars:
    /// without the aliases that this one adds.
    #[arg(long, value_name = "FILE", conflicts_with = "template", requires = "facts")]
    batch: Option<PathBuf>,
}

/// The variables' file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Facts {
    trust_domain: String,
    cluster_name: String,
    #[serde(rename = "eksClusterName")]
    eks_cluster_name: String,
    cluster_domain: String,
    cluster_labels: BTreeMap<String, String>,
    application_name: String,
    #[serde(rename = "accountID", alias = "accountId")]
    account_id: String,
    region: String,
    pod: Value,
    node: Value,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            trust_domain: String::new(),
            cluster_name: String::new(),
            eks_cluster_name: String::new(),
            cluster_domain: String::new(),
            cluster_labels: BTreeMap::new(),
            application_name: String::new(),
            account_id: String::new(),
            region: String::new(),
            pod: Value::Null,
            node: Value::Null,
        }
    }
}

impl Facts {
    fn read(path: &Path) -> Result<Self, Usage> {
        yaml(path)
    }

    /// `whole` facts are taken as they are; of others, an instance that is not known fails who asks for it.
    fn scope(&self, aliases: bool, whole: bool) -> Scope {
        let provider = self.node.pointer("/spec/providerID").and_then(Value::as_str).unwrap_or_default();
        let instance = provider.rsplit('/').next().unwrap_or_default();
        let text = |text: &str| Arc::from(text);
        let variables = Variables {
            trust_domain: text(&self.trust_domain),
            cluster_name: text(&self.cluster_name),
            eks_cluster_name: text(&self.eks_cluster_name),
            cluster_domain: text(&self.cluster_domain),
            application_name: text(&self.application_name),
            account_id: text(&self.account_id),
            region: text(&self.region),
            instance_id: Some(text(instance)).filter(|id| whole || !id.is_empty()),
            cluster_labels: self.cluster_labels.iter().collect(),
            aliases,
        };
        Scope::new(&variables, &self.pod, &self.node)
    }
}

pub(super) fn yaml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Usage> {
    serde_saphyr::from_str(&read(path)?)
        .map_err(|error| Usage(vec![format!("{}: is not as it should be: {error}", path.display())]))
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    if let (Some(batch), Some(folder)) = (&arguments.batch, &arguments.facts) {
        return self::batch(batch, folder);
    }
    let scope = facts(arguments)?.scope(true, arguments.facts.is_some());
    if arguments.fields {
        for row in scope.describe() {
            told(writeln!(io::stdout(), "{}\t{}\t{}", row.path, row.type_name, row.value))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let text = match arguments.template.as_deref() {
        None => return Err(Usage(vec!["one of --template, --fields and --batch is needed".to_owned()])),
        Some("-") => {
            let mut text = String::new();
            told(io::stdin().read_to_string(&mut text))?;
            text
        }
        Some(text) => text.to_owned(),
    };
    let template = match Template::compile(&text) {
        Ok(template) => template,
        Err(error) => {
            eprintln!("error: {error}");
            return Ok(ExitCode::from(PARSE));
        }
    };
    template.warnings().iter().for_each(|warning| eprintln!("warning: {warning}"));
    match template.render(&scope) {
        Ok(output) => told(io::stdout().write_all(output.as_bytes())).map(|()| ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("error: {error}");
            Ok(ExitCode::from(EXEC))
        }
    }
}

fn told<T>(result: io::Result<T>) -> Result<T, Usage> {
    result.map_err(|error| Usage(vec![error.to_string()]))
}

fn facts(arguments: &Arguments) -> Result<Facts, Usage> {
    if let Some(path) = &arguments.facts {
        return Facts::read(path);
    }
    let Some(pod) = &arguments.pod else {
        return Err(Usage(vec![
            "--facts FILE, or --pod FILE --node FILE --config FILE, is needed".to_owned(),
        ]));
    };
    let mut facts = Facts { pod: object(pod)?, ..Facts::default() };
    if let Some(node) = &arguments.node {
        facts.node = object(node)?;
    }
    if let Some(path) = &arguments.config {
        let config = read_config(path, false)?;
        facts.trust_domain = config.trust_domain.as_str().to_owned();
        facts.cluster_domain = config.cluster_domain;
    }
    // Outside of a cluster's watch nothing has put in what Kubernetes' own admission does.
    if facts.pod.pointer("/spec/serviceAccountName").and_then(Value::as_str).unwrap_or_default().is_empty()
        && let Some(spec) = facts.pod.get_mut("spec").and_then(Value::as_object_mut)
    {
        spec.insert("serviceAccountName".to_owned(), "default".into());
    }
    Ok(facts)
}

/// An object, or the first of a list.
pub(super) fn object(path: &Path) -> Result<Value, Usage> {
    let mut object: Value = yaml(path)?;
    match object.get_mut("items").and_then(Value::as_array_mut) {
        Some(items) if items.is_empty() => Err(Usage(vec![format!("{}: is an empty list", path.display())])),
        Some(items) => Ok(items.remove(0)),
        None => Ok(object),
    }
}

/// A record to try.
#[derive(Deserialize)]
struct Case {
    name: String,
    facts: String,
    template: String,
}

/// What came of it.
#[derive(Serialize)]
struct Answer<'a> {
    name: &'a str,
    output: String,
    fails: Option<&'static str>,
    message: String,
}

fn batch(path: &Path, folder: &Path) -> Result<ExitCode, Usage> {
    let text = read(path)?;
    let mut scopes: BTreeMap<String, Scope> = BTreeMap::new();
    let mut out = io::BufWriter::new(io::stdout().lock());
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |error: String| Usage(vec![format!("{}:{}: {error}", path.display(), index + 1)]);
        let case: Case = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        if !scopes.contains_key(&case.facts) {
            let scope = Facts::read(&folder.join(format!("{}.yaml", case.facts)))?.scope(false, true);
            scopes.insert(case.facts.clone(), scope);
        }
        let Some(scope) = scopes.get(&case.facts) else { continue };
        let answer = |output: String, fails, message| Answer { name: &case.name, output, fails, message };
        let answer = match Template::compile(&case.template) {
            Err(error) => answer(String::new(), Some("parse"), error.to_string()),
            Ok(template) => match template.render(scope) {
                Ok(output) => answer(output, None, String::new()),
                Err(error) => answer(String::new(), Some("exec"), error.to_string()),
            },
        };
        let line = serde_json::to_string(&answer).map_err(|error| wrong(error.to_string()))?;
        told(writeln!(out, "{line}"))?;
    }
    told(out.flush())?;
    Ok(ExitCode::SUCCESS)
}
