//! One pod from files, and what a component decides over it.

use std::path::Path;
use std::sync::Arc;

use registrar_core::api::{EKSClusterRegistry, PluginSource, PluginSpec, Problem, WorkloadIdentitySpec};
use registrar_core::derive::{ClusterContext, CompiledIdentity, Domains, Subject};
use registrar_core::entry::Entry;
use registrar_core::facts::demand::Demand;
use registrar_core::facts::{Labels, Malformed, NodeFacts, PodFacts, trim};
use registrar_core::guardrails::Guardrails;
use registrar_core::names::{ClusterName, IdentityName, NodeName, NodeUid};
use registrar_core::plugin::{Answer, DEFAULT_LIMITS, Decision, Fact};
use registrar_core::spiffe::TrustDomain;
use serde_json::{Map, Value, json};

use super::{Loaded, Usage};
use crate::cli::template::{object, yaml};
use crate::components::{Called, Used};

/// What facts are called that no file gives.
const UNKNOWN: &str = "unknown";

/// The files that a pod's facts come from.
pub struct Files<'a> {
    pub pod: &'a Path,
    pub node: Option<&'a Path>,
    pub namespace: Option<&'a Path>,
    pub cluster: Option<&'a Path>,
}

/// One pod, its node, namespace and cluster.
pub struct Case {
    domains: Domains,
    application_name: Arc<str>,
    cluster: ClusterContext,
    pod: Value,
    node: Arc<NodeFacts>,
    namespace_labels: Labels,
    /// Facts that stand for what was not given, and the file that would.
    made_up: Vec<(&'static [Fact], &'static str)>,
}

/// What came of it.
pub enum Outcome {
    /// The configuration is not accepted.
    Config(Vec<Problem>),
    /// The pod gets these.
    Entries(Vec<Entry>),
    /// Other identities may have it.
    Skip(String),
    /// It must not have an identity.
    Deny(String),
    /// There is no decision, or it is refused.
    Failed(Problem),
}

/// A decision and what it took.
pub struct Decided {
    pub outcome: Outcome,
    /// Of `derive`; none where it was not called.
    pub used: Option<Used>,
}

impl Case {
    /// Reads the files; what they leave out stands as unknown.
    pub fn read(
        files: &Files<'_>,
        trust_domain: &TrustDomain,
        application_name: &str,
    ) -> Result<Self, Usage> {
        let mut made_up: Vec<(&'static [Fact], &'static str)> = Vec::new();
        let pod = object(files.pod)?;
        let known = trim::pod(&pod, &Demand::default()).map_err(|it| malformed(files.pod, &it))?;
        let node = match files.node {
            Some(path) => {
                trim::node(&object(path)?, &Demand::default()).map_err(|it| malformed(path, &it))?
            }
            None => {
                made_up.push((&[Fact::NodeUid, Fact::NodeLabels], "node"));
                unknown_node(&known)?
            }
        };
        let namespace_labels = match files.namespace {
            Some(path) => trim::namespace(&object(path)?).map_err(|it| malformed(path, &it))?.labels,
            None => {
                made_up.push((&[Fact::NamespaceLabels], "namespace"));
                Labels::default()
            }
        };
        let cluster = match files.cluster {
            Some(path) => registry(&yaml(path)?, &path.display().to_string())?,
            None => {
                let facts = &[Fact::ClusterName, Fact::ClusterLabels, Fact::AccountId, Fact::Region];
                made_up.push((facts, "cluster"));
                let object = json!({
                    "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1", "kind": "EKSClusterRegistry",
                    "metadata": {"name": UNKNOWN},
                    "spec": {"clusterName": UNKNOWN, "region": "us-east-1", "accountId": "000000000000", "enabled": true},
                });
                let object =
                    serde_json::from_value(object).map_err(|error| Usage(vec![error.to_string()]))?;
                registry(&object, UNKNOWN)?
            }
        };
        let domains = Domains { trust: trust_domain.clone(), cluster: "cluster.local".into() };
        let application_name = application_name.into();
        let node = Arc::new(node);
        Ok(Self { domains, application_name, cluster, pod, node, namespace_labels, made_up })
    }

    /// Facts that the component reads and no file gave: what they are, and the file that would give them.
    pub fn missing(&self, loaded: &Loaded) -> Vec<(String, &'static str)> {
        let reads = loaded.description.reads;
        let read = |facts: &[Fact]| {
            let names = facts.iter().filter(|fact| reads.has(**fact)).map(|fact| fact.name());
            names.collect::<Vec<_>>().join(", ")
        };
        let each = self.made_up.iter().map(|(facts, file)| (read(facts), *file));
        each.filter(|(facts, _)| !facts.is_empty()).collect()
    }

    /// Asks the component, and checks what it returns by the core that the registrar runs.
    pub fn decide(&self, loaded: &Loaded, config: &str) -> Result<Decided, Usage> {
        let reads = loaded.description.reads;
        let checked = loaded.component.validate(config, &DEFAULT_LIMITS).outcome;
        let problems = match checked {
            Ok(problems) => problems,
            Err(stop) => vec![stop.problem("validate")],
        };
        if !problems.is_empty() {
            return Ok(Decided { outcome: Outcome::Config(problems), used: None });
        }
        let pod = trim::pod(&self.pod, &reads.demand())
            .map_err(|it| Usage(vec![format!("{}: {}", it.name, it.problem)]))?;
        let pod = Arc::new(pod);
        let subject = Subject {
            domains: &self.domains,
            cluster: &self.cluster,
            pod: &pod,
            node: Some(&self.node),
            namespace_labels: Some(&self.namespace_labels),
            services: None,
        };
        let workload = reads.workload(&self.application_name, &subject);
        let Called { outcome, used } = loaded.component.derive(&workload, config, &DEFAULT_LIMITS);
        let outcome = match outcome {
            Err(stop) => Outcome::Failed(stop.problem("derive")),
            Ok(Answer::Failed(problem)) => Outcome::Failed(problem),
            Ok(Answer::Decided(Decision::Skip(why))) => Outcome::Skip(why),
            Ok(Answer::Decided(Decision::Deny(why))) => Outcome::Deny(why),
            Ok(Answer::Decided(Decision::Identities(proposals))) => {
                let identity = self.identity()?;
                let entries = identity.derive_decided(&subject, &loaded.description, &proposals);
                entries.map_or_else(Outcome::Failed, Outcome::Entries)
            }
        };
        Ok(Decided { outcome, used: Some(used) })
    }

    /// An identity that says nothing but that a plugin decides.
    fn identity(&self) -> Result<CompiledIdentity, Usage> {
        let failed = |what: String| Usage(vec![what]);
        let name = IdentityName::new("plugin").map_err(|error| failed(error.to_string()))?;
        let spec = WorkloadIdentitySpec {
            application_name: self.application_name.to_string(),
            namespace: Some("any".to_owned()),
            plugin: Some(PluginSpec {
                source: PluginSource { file: Some("/plugin.wasm".to_owned()), ..PluginSource::default() },
                sha256: Some("0".repeat(64)),
                ..PluginSpec::default()
            }),
            ..WorkloadIdentitySpec::default()
        };
        CompiledIdentity::compile(&name, &spec, &self.domains, &Guardrails::default())
            .map_err(|problems| Usage(problems.iter().map(ToString::to_string).collect()))
    }
}

impl Outcome {
    /// What golden cases record: only what depends on component, configuration and facts.
    pub fn json(&self) -> Value {
        match self {
            Self::Config(problems) => {
                let each = problems.iter().map(|it| json!({"field": it.field, "message": it.message}));
                json!({"config": each.collect::<Vec<_>>()})
            }
            Self::Entries(entries) => {
                json!({"identities": entries.iter().map(entry_json).collect::<Vec<_>>()})
            }
            Self::Skip(why) => json!({"skip": why}),
            Self::Deny(why) => json!({"deny": why}),
            Self::Failed(problem) => {
                json!({"failure": {"reason": problem.reason, "message": problem.message}})
            }
        }
    }
}

fn entry_json(entry: &Entry) -> Value {
    let mut object = Map::new();
    object.insert("spiffeID".to_owned(), entry.key.spiffe_id.to_string().into());
    object.insert("parentID".to_owned(), entry.key.parent_id.to_string().into());
    let selectors: Vec<String> = entry.key.selectors.iter().map(ToString::to_string).collect();
    object.insert("selectors".to_owned(), selectors.into());
    if !entry.dns_names.is_empty() {
        let names: Vec<&str> = entry.dns_names.iter().map(|name| name.as_str()).collect();
        object.insert("dnsNames".to_owned(), names.into());
    }
    if !entry.hint.is_empty() {
        object.insert("hint".to_owned(), entry.hint.as_str().into());
    }
    Value::Object(object)
}

fn malformed(path: &Path, object: &Malformed) -> Usage {
    Usage(vec![format!("{}: {}: {}", path.display(), object.name, object.problem)])
}

fn unknown_node(pod: &PodFacts) -> Result<NodeFacts, Usage> {
    let failed = |error: registrar_core::names::InvalidName| Usage(vec![error.to_string()]);
    let name = match &pod.node {
        Some(name) => name.clone(),
        None => NodeName::new(UNKNOWN).map_err(failed)?,
    };
    let uid = NodeUid::new(UNKNOWN).map_err(failed)?;
    Ok(NodeFacts { name, uid, labels: Labels::default(), provider_id: "".into(), demanded: None })
}

fn registry(object: &EKSClusterRegistry, from: &str) -> Result<ClusterContext, Usage> {
    let told = |problems: Vec<Problem>| Usage(problems.iter().map(|it| format!("{from}: {it}")).collect());
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let name =
        ClusterName::new(name).map_err(|error| Usage(vec![format!("{from}: metadata.name: {error}")]))?;
    let target = object.spec.target().map_err(told)?;
    let own = object.spec.allowed().map_err(told)?;
    let labels: Labels = object.spec.labels.iter().collect();
    let allowed = Guardrails::default().for_cluster(&target.account, &labels, own);
    Ok(ClusterContext { name, target, labels, allowed })
}

/// A configuration as the registrar hands it over: without the writing that JSON leaves free.
pub fn config(from: &str, text: &str) -> Result<String, Usage> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| Usage(vec![format!("{from}: is not JSON: {error}")]))?;
    Ok(value.to_string())
}
