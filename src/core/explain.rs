//! Why a pod has the entries that it has, or has none: what every identity says of it, made readable.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::api::told;
use crate::derive::{CompiledIdentity, Subject, TemplateFacts};
use crate::desired::{ClusterStanding, Hold, Wanted};
use crate::entry::{ClusterTag, EntryId};
use crate::facts::Phase;
use crate::index::{Index, PodView, RegistryView, Told, Verdict};
use crate::ledger::book::{BookEntry, EntryState, PodBook};
use crate::names::{ClusterName, IdentityName};
use crate::near::near;
use crate::reasons;
use crate::select::Refusal;

/// How many of several names are shown where one of them may be meant.
const NAMES: usize = 5;

/// A pod as somebody asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodName {
    /// The registry's name.
    pub cluster: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
}

impl std::str::FromStr for PodName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split('/').collect::<Vec<_>>().as_slice() {
            [cluster, namespace, name] if [cluster, namespace, name].iter().all(|part| !part.is_empty()) => {
                let [cluster, namespace, name] = [*cluster, *namespace, *name].map(str::to_owned);
                Ok(Self { cluster, namespace, name })
            }
            _ => Err(format!("{text:?} must be CLUSTER/NAMESPACE/POD, CLUSTER being the registry's name")),
        }
    }
}

impl fmt::Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.cluster, self.namespace, self.name)
    }
}

/// What somebody asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A pod: why does it have what it has?
    Pod(PodName),
    /// A SPIFFE ID or an entry's id: where does it come from?
    Id(String),
}

impl std::str::FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.contains("://") || !text.contains('/') {
            true if !text.is_empty() => Ok(Self::Id(text.to_owned())),
            _ => text
                .parse()
                .map(Self::Pod)
                .map_err(|error| format!("{error}, or a SPIFFE ID or an entry's id")),
        }
    }
}

/// The pods that are to have an entry with this SPIFFE ID, or the one whose entry has this id; `prefix` is what ids of ours
/// begin with.
pub fn origins(index: &Index, id: &str, prefix: &str) -> Vec<String> {
    let clusters: Vec<&ClusterName> = index.cluster_names().collect();
    let mut names: Vec<String> =
        clusters.iter().flat_map(|cluster| origins_in(index, cluster, id, prefix, usize::MAX)).collect();
    names.sort();
    names
}

/// Those of one cluster, at most so many of them: whoever asks for one cluster after the other lets other work in between.
pub fn origins_in(index: &Index, cluster: &ClusterName, id: &str, prefix: &str, most: usize) -> Vec<String> {
    let own = EntryId::observed(id).own(prefix);
    if own.as_ref().is_some_and(|own| own.cluster != ClusterTag::of(cluster)) {
        return Vec::new();
    }
    let is_it = |wanted: &Wanted| match &own {
        Some(own) => wanted.digest == own.digest,
        None => wanted.entry().is_ok_and(|entry| entry.key.spiffe_id.to_string() == id),
    };
    let pods = index.desired_in(cluster).filter(|(_, desired)| desired.wanted.iter().any(is_it));
    let names = pods.filter_map(|(pod, _)| index.pod_name(cluster, pod));
    let mut names: Vec<String> = names.map(|name| format!("{cluster}/{name}")).take(most).collect();
    names.sort();
    names
}

/// Everything that is known of why a pod has the entries that it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// All of it in one sentence.
    pub answer: String,
    /// The pod.
    pub pod: PodShown,
    /// Its cluster.
    pub cluster: ClusterShown,
    /// Every identity, in the order in which they are asked.
    pub identities: Vec<IdentityShown>,
    /// What holds the entries that no identity wants, where anything does.
    pub held: Option<String>,
    /// What stands in SPIRE; none where nobody asked.
    pub spire: Option<PodBook>,
    /// The agents that the entries name as parents; empty where nobody asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentShown>,
}

/// The pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodShown {
    /// `namespace/name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `spec.nodeName`.
    pub node: Option<String>,
    /// `spec.serviceAccountName`.
    pub service_account: Option<String>,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// Why it cannot be read.
    pub problem: Option<String>,
}

/// The pod's cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterShown {
    /// The registry's name.
    pub name: String,
    /// `InStep`, or the reason why nothing is written for it.
    pub standing: String,
    /// That as a sentence.
    pub message: String,
}

/// What one identity says of the pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityShown {
    /// Its name.
    pub name: String,
    /// A fixed word: `Derived`, `Masked`, `Failing`, `Waiting`, `Denied`, `NotSelected`, `Skipped`, `NotNeeded`, `Broken` or
    /// `Deleting`.
    pub verdict: String,
    /// The reason's fixed word, or the rule that said no.
    pub reason: String,
    /// Why, with the values compared.
    pub message: String,
    /// It is only tried.
    pub preview: bool,
    /// Entries that it gives the pod.
    pub entries: Vec<EntryShown>,
    /// The templates that it is made of, with the facts that they name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<TemplateShown>,
    /// How many rules of its selection hold, where it does not select the pod; not told.
    #[serde(skip)]
    nearness: usize,
}

/// One entry as an identity gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryShown {
    /// The SPIFFE ID.
    #[serde(rename = "spiffeID")]
    pub spiffe_id: String,
    /// The parent's SPIFFE ID.
    #[serde(rename = "parentID")]
    pub parent_id: String,
    /// `type:value`.
    pub selectors: Vec<String>,
    /// DNS names.
    #[serde(rename = "dnsNames")]
    pub dns_names: Vec<String>,
}

/// One template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateShown {
    /// The field of the identity.
    pub field: String,
    /// Its text.
    pub text: String,
    /// Each field that it names, and its value for this pod.
    pub facts: Vec<(String, String)>,
}

/// An agent that an entry names as its parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentShown {
    /// Its SPIFFE ID.
    pub id: String,
    /// `Attested`, `NotAttested`, `Banned`, `Expired`, `NotAnAgent` or `Unknown`.
    pub state: String,
    /// That as a sentence.
    pub message: String,
}

/// Why a pod cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotKnown {
    /// No registry has this name.
    #[error("no EKSClusterRegistry {name:?} is known{}", hint(.near))]
    Cluster {
        /// What was asked for.
        name: String,
        /// Names that may be meant.
        near: Vec<String>,
    },
    /// No identity has this name.
    #[error("no WorkloadIdentity {name:?} is known{}", hint(.near))]
    Identity {
        /// What was asked for.
        name: String,
        /// Names that may be meant.
        near: Vec<String>,
    },
    /// The cluster has not told its pods.
    #[error("the pods of cluster {name} are not known: {why}")]
    Pods {
        /// The registry's name.
        name: String,
        /// The cluster's standing: a fixed word.
        standing: String,
        /// Why, as a sentence.
        why: String,
    },
    /// The cluster has no such pod.
    #[error("cluster {cluster} has no pod {name}{}{}", hint(.near), .standing)]
    Pod {
        /// The registry's name.
        cluster: String,
        /// `namespace/name`.
        name: String,
        /// Names that may be meant.
        near: Vec<String>,
        /// What is not as it should be with the cluster, as a clause.
        standing: String,
    },
}

impl NotKnown {
    /// What may be meant instead.
    pub fn near(&self) -> Vec<Near> {
        match self {
            Self::Cluster { near, .. } => near.iter().cloned().map(Near::Cluster).collect(),
            Self::Identity { near, .. } => near.iter().cloned().map(Near::Identity).collect(),
            Self::Pods { .. } => Vec::new(),
            Self::Pod { cluster, near, .. } => {
                near.iter().map(|name| Near::Pod(format!("{cluster}/{name}"))).collect()
            }
        }
    }
}

/// What may have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Near {
    /// A registry of this name.
    Cluster(String),
    /// An identity of this name.
    Identity(String),
    /// A pod, as `CLUSTER/NAMESPACE/POD`.
    Pod(String),
}

fn hint(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) }
}

/// Explains a pod from the facts of the index alone; [`Explanation::complete`] adds what SPIRE has.
pub fn explain(index: &Index, asked: &PodName) -> Result<Explanation, NotKnown> {
    let registry = index.registries().find(|registry| registry.name.as_str() == asked.cluster);
    if let Some(problem) = index.unreadable_registry(&asked.cluster) {
        let why = format!("EKSClusterRegistry/{} cannot be read: {problem}", asked.cluster);
        let standing = Hold::InvalidRegistry.reason().to_owned();
        return Err(NotKnown::Pods { name: asked.cluster.clone(), standing, why });
    }
    let (Some(registry), Ok(cluster)) = (registry, ClusterName::new(asked.cluster.as_str())) else {
        return Err(unknown_cluster(index, &asked.cluster));
    };
    let shown = cluster_shown(&registry);
    let name = format!("{}/{}", asked.namespace, asked.name);
    let uid = index.pods_named(&cluster, &name).next().cloned();
    let Some(view) = uid.and_then(|uid| index.view(&cluster, &uid)) else {
        if registry.phase.is_none() || registry.pods == 0 && shown.standing != IN_STEP {
            let (standing, why) = (shown.standing, shown.message);
            return Err(NotKnown::Pods { name: asked.cluster.clone(), standing, why });
        }
        let standing = if shown.standing == IN_STEP { String::new() } else { format!("; {}", shown.message) };
        let names: Vec<String> = index.pod_names(&cluster).collect();
        let near = nearest(&name, names.iter().map(String::as_str));
        return Err(NotKnown::Pod { cluster: asked.cluster.clone(), name, near, standing });
    };
    let mut explanation = Explanation {
        answer: String::new(),
        pod: pod_shown(&view, &name),
        cluster: shown,
        identities: identities_shown(index, &view),
        held: view.desired.hold.map(|hold| held(hold).to_owned()),
        spire: None,
        agents: Vec::new(),
    };
    explanation.answer = answer(&explanation);
    Ok(explanation)
}

/// What is said of a registry that nobody knows.
pub fn unknown_cluster(index: &Index, name: &str) -> NotKnown {
    let names: Vec<String> = index.registries().map(|registry| registry.name.to_string()).collect();
    NotKnown::Cluster { name: name.to_owned(), near: nearest(name, names.iter().map(String::as_str)) }
}

/// What is said of an identity that nobody knows.
pub fn unknown_identity(index: &Index, name: &str) -> NotKnown {
    let names: Vec<String> = index.identities().map(|identity| identity.name.to_string()).collect();
    NotKnown::Identity { name: name.to_owned(), near: nearest(name, names.iter().map(String::as_str)) }
}

const IN_STEP: &str = "InStep";

/// The name that may be meant, or else the first few.
fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<&str> = names.collect();
    if let Some(near) = near(word, names.iter().copied()) {
        return vec![near.to_owned()];
    }
    // One that begins alike, as pods of one Deployment do.
    let stem = word.rsplit_once('-').map_or(word, |(stem, _)| stem);
    let stem =
        stem.rsplit_once('-').map_or(stem, |(shorter, _)| if shorter.contains('/') { shorter } else { stem });
    names.sort_unstable();
    let alike: Vec<String> = names
        .iter()
        .filter(|name| name.starts_with(stem))
        .take(NAMES)
        .map(|name| (*name).to_owned())
        .collect();
    if !alike.is_empty() || word.contains('/') {
        return alike;
    }
    names.into_iter().take(NAMES).map(str::to_owned).collect()
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn pod_shown(view: &PodView<'_>, name: &str) -> PodShown {
    let facts = view.facts;
    PodShown {
        name: name.to_owned(),
        uid: view.uid.to_string(),
        node: facts.and_then(|pod| pod.node.as_ref()).map(ToString::to_string),
        service_account: facts.map(|pod| pod.service_account.to_string()),
        labels: facts.into_iter().flat_map(|pod| pod.labels.iter()).map(owned).collect(),
        problem: match (facts, view.malformed) {
            (Some(_), _) => None,
            (None, Some(malformed)) => Some(malformed.problem.clone()),
            (None, None) => Some("the object cannot be read".to_owned()),
        },
    }
}

fn cluster_shown(registry: &RegistryView<'_>) -> ClusterShown {
    let name = registry.name.to_string();
    let shown = |standing: &str, message: String| ClusterShown {
        name: name.clone(),
        standing: standing.to_owned(),
        message,
    };
    let problems = || registry.problems.first().map(ToString::to_string).unwrap_or_default();
    match (registry.standing, registry.phase) {
        (ClusterStanding::Synced { complete: true }, _) => {
            shown(IN_STEP, format!("cluster {name} is connected, listed and watched"))
        }
        (ClusterStanding::Synced { complete: false }, _) => {
            let which =
                registry.malformed.first().map(|(kind, it)| format!(": {kind} {}: {}", it.name, it.problem));
            let which = which.unwrap_or_default();
            shown(IN_STEP, format!("cluster {name} is watched, but an object of it cannot be read{which}"))
        }
        (ClusterStanding::Ended, _) => {
            shown("Deleting", format!("EKSClusterRegistry/{name} is being deleted, and its entries go"))
        }
        (ClusterStanding::Held(Hold::Disabled), _) => shown(
            "Disabled",
            format!("EKSClusterRegistry/{name} has spec.enabled: false, so the cluster is not watched"),
        ),
        (ClusterStanding::Held(Hold::InvalidRegistry), _) => {
            shown("InvalidRegistry", format!("EKSClusterRegistry/{name} cannot be used: {}", problems()))
        }
        (ClusterStanding::Held(_), Some(Phase::Unreachable { reason, message })) => {
            let next = reasons::next_step(reason);
            let message = format!("cluster {name} cannot be reached ({reason}): {message}. {next}");
            shown(reason, message.trim_end().to_owned())
        }
        (ClusterStanding::Held(Hold::SameCluster), _) => {
            let elder = registry.elder.map(ToString::to_string).unwrap_or_default();
            shown(
                "SameCluster",
                format!("EKSClusterRegistry/{elder}, which is older, names the same cluster as {name}"),
            )
        }
        (ClusterStanding::Held(hold), _) => shown(hold.reason(), format!("cluster {name}: {}", held(hold))),
    }
}

/// What a hold means, as a clause.
pub fn held(hold: Hold) -> &'static str {
    match hold {
        Hold::Starting => "the objects of the management cluster are not all known yet",
        Hold::Connecting => "the connection is being made, and its objects are being listed",
        Hold::Unreachable => "the cluster cannot be reached",
        Hold::Disabled => "the registry says enabled: false",
        Hold::InvalidRegistry => "the registry's spec cannot be used",
        Hold::AnotherCluster => "another cluster answers than the one that the entries are of",
        Hold::SameCluster => "another registry, which is older, names the same cluster",
        Hold::Unreadable => "an object of the cluster cannot be read, so nobody can say what is gone",
        Hold::NotDerived => "what the pod is to have cannot be derived now",
        Hold::UnknownCluster => "no registry of its cluster is known, and none was seen being deleted",
        Hold::UnknownIdentity => {
            "no identity that it could come from is known, and none was seen being deleted"
        }
        Hold::Predecessor => "the predecessor made it, and no pod is to have its key",
        Hold::Preview => "its identity is only tried (preview: true)",
        Hold::UpsertOnly => "the configuration says mode: UpsertOnly",
        Hold::Observe => "the configuration says mode: Observe",
        Hold::Brake => "the brake holds it until somebody releases the plan",
        Hold::Conflict => "an entry that is not ours holds what the pod is to have instead",
    }
}

/// What the reason of something that is waited for means, as a clause.
fn waited_for(reason: &str) -> &'static str {
    match reason {
        "FieldsNotListed" => "the pods or nodes are being listed again for fields that it reads",
        "EndpointsNotListed" => "the cluster's endpoint slices are not listed yet",
        "NodeUnknown" => "the pod's node is not known yet",
        "NamespaceUnknown" => "the labels of the pod's namespace are not known yet",
        "OtherIdentityUnknown" => {
            "it is a fallback, and nobody can say whether another identity selects the pod"
        }
        "PluginLoading" => "its plugin is being loaded",
        "PluginAsked" => "its plugin was asked and has not answered yet",
        _ => "something that it depends on is not known yet",
    }
}

/// Which spec was asked, where it is not the one that stands in the object.
const NOT_REACHED: &str =
    "by the spec before the edit that is being rolled out, which has not reached this cluster";

fn identities_shown(index: &Index, view: &PodView<'_>) -> Vec<IdentityShown> {
    let each = view.verdicts.iter().map(|(name, verdict)| identity_shown(index, view, name, verdict));
    each.collect()
}

fn identity_shown(
    index: &Index,
    view: &PodView<'_>,
    name: &IdentityName,
    verdict: &Verdict,
) -> IdentityShown {
    let known = index.identity(name);
    let compiled = index.compiled(name, view.cluster);
    let (word, reason, message) = match verdict {
        Verdict::Ended => ("Deleting", "Deleting".to_owned(), "it is being deleted".to_owned()),
        Verdict::Broken { may_want: true } => {
            let problems = told(index.problems_of(name, view.cluster));
            let message =
                format!("it cannot be used: {problems}; until it is mended, what the pod has stays");
            ("Broken", "InvalidSpec".to_owned(), message)
        }
        Verdict::Broken { may_want: false } => {
            let problems = told(index.problems_of(name, view.cluster));
            let message = format!("it would not select the pod, and cannot be used: {problems}");
            ("Broken", "Elsewhere".to_owned(), message)
        }
        Verdict::NotNeeded => (
            "NotNeeded",
            "Fallback".to_owned(),
            "it is a fallback, and another identity selects the pod".to_owned(),
        ),
        Verdict::Refused(refusal) => {
            ("NotSelected", rule(*refusal).to_owned(), compared(index, view, compiled, *refusal))
        }
        Verdict::Skipped(why) => {
            ("Skipped", "Plugin".to_owned(), format!("its plugin leaves the pod to others: {why}"))
        }
        Verdict::Told(told) => came(told),
    };
    let preview = known.is_some_and(|it| it.object.spec.preview);
    let message = match (word, preview) {
        ("Derived", true) => "it is only tried (preview: true), so nothing is written".to_owned(),
        _ => message,
    };
    let message = match (index.is_not_reached(name, view.cluster), message.is_empty()) {
        (false, _) => message,
        (true, true) => NOT_REACHED.to_owned(),
        (true, false) => format!("{message} ({NOT_REACHED})"),
    };
    let list = if preview { &view.desired.previewed } else { &view.desired.wanted };
    let entries = list.iter().filter(|wanted| wanted.identity == *name).filter_map(entry_shown).collect();
    let nearness = match (verdict, compiled, view.facts) {
        (Verdict::Refused(_), Some(compiled), Some(pod)) => {
            let ignored = &index.settings().ignore_namespaces;
            compiled.selection.nearness(&view.context.labels, view.namespace_labels, pod, ignored)
        }
        _ => 0,
    };
    let shows = matches!(word, "Derived" | "Masked" | "Failing");
    let templates = compiled.filter(|_| shows).map(|compiled| templates_shown(index, view, compiled));
    IdentityShown {
        name: name.to_string(),
        verdict: word.to_owned(),
        reason,
        message,
        preview,
        entries,
        templates: templates.unwrap_or_default(),
        nearness,
    }
}

/// What came of a pod and an identity that selects it: the verdict's word, the reason's, and why.
pub(crate) fn came(told: &Told) -> (&'static str, String, String) {
    match told {
        Told::Derived => ("Derived", "Derived".to_owned(), String::new()),
        Told::Masked { by } => (
            "Masked",
            "Masked".to_owned(),
            format!(
                "WorkloadIdentity/{by}, which comes first, declares the same SPIFFE ID, parent and selectors"
            ),
        ),
        Told::Failing(problem) => ("Failing", problem.reason.to_owned(), problem.to_string()),
        Told::Waiting(reason) => ("Waiting", (*reason).to_owned(), waited_for(reason).to_owned()),
        Told::Denied(why) => (
            "Denied",
            "Plugin".to_owned(),
            format!("its plugin says that the pod must not have an identity: {why}"),
        ),
    }
}

/// None of one that does not come out as it was planned: a defect, which the writer tells.
fn entry_shown(wanted: &Wanted) -> Option<EntryShown> {
    let entry = wanted.entry().ok()?;
    let selectors = entry.key.selectors.iter().map(|it| format!("{}:{}", it.kind(), it.value()));
    Some(EntryShown {
        spiffe_id: entry.key.spiffe_id.to_string(),
        parent_id: entry.key.parent_id.to_string(),
        selectors: selectors.collect(),
        dns_names: entry.dns_names.iter().map(|name| name.as_str().to_owned()).collect(),
    })
}

fn rule(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::ClusterSelector => "ClusterSelector",
        Refusal::Namespace => "Namespace",
        Refusal::NamespaceUnknown => "NamespaceUnknown",
        Refusal::IgnoredNamespace => "IgnoredNamespace",
        Refusal::PodSelector => "PodSelector",
        Refusal::NotBound => "NotBound",
        Refusal::Finished => "Finished",
    }
}

fn compared(
    index: &Index,
    view: &PodView<'_>,
    compiled: Option<&CompiledIdentity>,
    refusal: Refusal,
) -> String {
    let (Some(compiled), Some(pod)) = (compiled, view.facts) else { return refusal.to_string() };
    let ignored = &index.settings().ignore_namespaces;
    compiled.selection.compared(refusal, &view.context.labels, view.namespace_labels, pod, ignored)
}

fn templates_shown(index: &Index, view: &PodView<'_>, compiled: &CompiledIdentity) -> Vec<TemplateShown> {
    let Some(pod) = view.facts else { return Vec::new() };
    let subject = Subject {
        domains: &index.settings().domains,
        cluster: view.context,
        pod,
        node: view.node,
        namespace_labels: view.namespace_labels,
        services: None,
    };
    let each = compiled.templates(&subject).into_iter();
    each.map(|TemplateFacts { field, text, facts }| TemplateShown { field, text, facts }).collect()
}

/// How near an identity came to giving the pod an entry: the nearest of several is what is told.
fn nearness(identity: &IdentityShown) -> (u8, usize) {
    let came = match (identity.verdict.as_str(), identity.reason.as_str()) {
        ("Derived", _) if identity.preview => 8,
        ("Derived", _) => 10,
        ("Failing", _) => 9,
        ("Waiting", _) => 7,
        ("Denied", _) => 6,
        ("Masked", _) => 5,
        ("Broken", "InvalidSpec") => 4,
        ("Skipped", _) => 3,
        ("NotSelected", _) => 2,
        _ => 1,
    };
    (came, identity.nearness)
}

/// The whole of it in one sentence.
fn answer(it: &Explanation) -> String {
    let pod = format!("{}/{}", it.cluster.name, it.pod.name);
    if let Some(problem) = &it.pod.problem {
        return format!(
            "Pod {pod} cannot be read ({problem}), so what it has stays and nothing new is given."
        );
    }
    let derived: Vec<&IdentityShown> =
        it.identities.iter().filter(|identity| identity.verdict == "Derived" && !identity.preview).collect();
    let waits = |why: &str| format!("Pod {pod} is to have {}, but {why}.", ids(&derived));
    if it.cluster.standing != IN_STEP {
        let message = it.cluster.message.trim_end_matches('.');
        return match derived.is_empty() {
            true => format!("Nothing is written for pod {pod}: {message}."),
            false => waits(message),
        };
    }
    if derived.is_empty() {
        return without(it, &pod);
    }
    let Some(spire) = &it.spire else {
        return format!("Pod {pod} is to have {}.", ids(&derived));
    };
    let wanted = |state: EntryState| {
        spire.entries.iter().find(move |entry| entry.state == state && entry.identity.is_some())
    };
    if !spire.listed {
        return waits(spire.unavailable.as_deref().unwrap_or("SPIRE's entries are not listed yet"));
    }
    if let Some(BookEntry { id, spiffe_id, .. }) = wanted(EntryState::Conflict) {
        let (id, spiffe_id) = (id.as_deref().unwrap_or("?"), spiffe_id.as_deref().unwrap_or("?"));
        return format!(
            "Pod {pod} is to have {spiffe_id}, but entry {id}, which is not ours, holds the same SPIFFE ID, parent and selectors with other content: delete it or change the identity."
        );
    }
    if let Some(failure) = spire.failures.first() {
        let again =
            spire.retry_seconds.map(|seconds| format!("; tried again in {seconds} s")).unwrap_or_default();
        return waits(&format!("{failure}{again}"));
    }
    if let Some(entry) = wanted(EntryState::Held) {
        let reason = entry.reason.as_deref().unwrap_or_default();
        return waits(hold_of(reason).map_or("its cluster is not in step", held));
    }
    if wanted(EntryState::ToCreate).is_some() || wanted(EntryState::ToUpdate).is_some() {
        return waits(spire.unavailable.as_deref().unwrap_or("it is not written yet: it waits for its turn"));
    }
    if let Some(agent) =
        it.agents.iter().find(|agent| !matches!(agent.state.as_str(), "Attested" | "Unknown"))
    {
        return format!(
            "Pod {pod} has {} in SPIRE, and everything is right here, but {}.",
            ids(&derived),
            agent.message
        );
    }
    format!("Pod {pod} has {}, in step with SPIRE.", ids(&derived))
}

fn hold_of(reason: &str) -> Option<Hold> {
    [Hold::Brake, Hold::Observe, Hold::UpsertOnly].into_iter().find(|hold| hold.reason() == reason)
}

/// The answer for a pod that no identity gives an entry.
fn without(it: &Explanation, pod: &str) -> String {
    let most = it.identities.iter().map(nearness).max().unwrap_or_default();
    let Some(nearest) = it.identities.iter().find(|identity| nearness(identity) == most) else {
        return format!("Pod {pod} has no identity: there is no WorkloadIdentity at all.");
    };
    let name = &nearest.name;
    let why = nearest.message.trim_end_matches('.');
    let others = match it.identities.len() {
        1 => String::new(),
        count => format!(" (the nearest of {count})"),
    };
    match nearest.verdict.as_str() {
        "Derived" => {
            let ids =
                nearest.entries.iter().map(|entry| entry.spiffe_id.as_str()).collect::<Vec<_>>().join(", ");
            format!("Pod {pod} has no identity: WorkloadIdentity/{name} would give it {ids}, but {why}.")
        }
        "NotSelected" => {
            format!("Pod {pod} has no identity: no WorkloadIdentity selects it; {name}{others}: {why}.")
        }
        _ => format!("Pod {pod} has no identity: WorkloadIdentity/{name}{others}: {why}."),
    }
}

fn ids(identities: &[&IdentityShown]) -> String {
    let ids = identities.iter().flat_map(|identity| &identity.entries);
    let ids: Vec<&str> = ids.map(|entry| entry.spiffe_id.as_str()).collect();
    ids.join(", ")
}

impl Explanation {
    /// Adds what stands in SPIRE, and what is known of the parents.
    pub fn complete(mut self, spire: PodBook, agents: Vec<AgentShown>) -> Self {
        self.spire = Some(spire);
        self.agents = agents;
        self.answer = answer(&self);
        self
    }

    /// The parents of the entries that the pod is to have.
    pub fn parents(&self) -> Vec<&str> {
        let wanted = self.identities.iter().filter(|identity| !identity.preview);
        let mut parents: Vec<&str> =
            wanted.flat_map(|identity| &identity.entries).map(|entry| entry.parent_id.as_str()).collect();
        parents.sort_unstable();
        parents.dedup();
        parents
    }
}

/// As people read it: the answer, then what it is made of.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.answer)?;
        let PodShown { uid, node, service_account, labels, .. } = &self.pod;
        writeln!(f, "\npod             {} (uid {uid})", self.pod.name)?;
        let node = node.as_deref().unwrap_or("(not bound)");
        writeln!(f, "node            {node}")?;
        if let Some(service_account) = service_account {
            writeln!(f, "serviceAccount  {service_account}")?;
        }
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        writeln!(
            f,
            "labels          {}",
            if labels.is_empty() { "(none)".to_owned() } else { labels.join(", ") }
        )?;
        writeln!(f, "cluster         {}: {}", self.cluster.standing, self.cluster.message)?;
        for identity in &self.identities {
            let preview = if identity.preview { " (preview)" } else { "" };
            let why =
                if identity.message.is_empty() { String::new() } else { format!(": {}", identity.message) };
            writeln!(f, "\nWorkloadIdentity/{}{preview}\n  {}{why}", identity.name, identity.verdict)?;
            for entry in &identity.entries {
                writeln!(f, "  spiffeID   {}", entry.spiffe_id)?;
                writeln!(f, "  parentID   {}", entry.parent_id)?;
                writeln!(f, "  selectors  {}", entry.selectors.join(", "))?;
                if !entry.dns_names.is_empty() {
                    writeln!(f, "  dnsNames   {}", entry.dns_names.join(", "))?;
                }
            }
            for template in &identity.templates {
                writeln!(f, "  from {}: {}", template.field, template.text)?;
                template.facts.iter().try_for_each(|(path, value)| writeln!(f, "    {path} = {value:?}"))?;
            }
        }
        if let Some(held) = &self.held {
            writeln!(f, "\nWhatever else the pod has stays: {held}.")?;
        }
        if let Some(spire) = &self.spire {
            self.write_spire(f, spire)?;
        }
        self.agents
            .iter()
            .try_for_each(|agent| writeln!(f, "\nagent {}\n  {}: {}", agent.id, agent.state, agent.message))
    }
}

impl Explanation {
    fn write_spire(&self, f: &mut fmt::Formatter<'_>, spire: &PodBook) -> fmt::Result {
        writeln!(f, "\nSPIRE")?;
        if !spire.listed {
            let why = spire.unavailable.as_deref().unwrap_or("its entries are being listed");
            return writeln!(f, "  not known: {why}");
        }
        if spire.entries.is_empty() {
            writeln!(f, "  no entry of this pod")?;
        }
        for entry in &spire.entries {
            let id = entry.id.as_deref().unwrap_or("(no entry yet)");
            let reason = entry.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            let of = entry
                .identity
                .as_deref()
                .map(|name| format!(" of WorkloadIdentity/{name}"))
                .unwrap_or_default();
            writeln!(f, "  {:?}{reason}: {id}{of}", entry.state)?;
            if let Some(spiffe_id) = &entry.spiffe_id {
                writeln!(f, "    {spiffe_id}")?;
            }
        }
        spire.failures.iter().try_for_each(|failure| writeln!(f, "  refused: {failure}"))
    }
}
