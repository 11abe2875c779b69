//! An identity's spec is compiled once; from then on a pod's facts become its entry, or the reason why not.

pub mod template;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use template::{RenderError, Scope, Template, Together, Variables};

use crate::api::{ClusterTarget, FailurePolicy, Problem, WorkloadIdentitySpec};
use crate::duration::go_duration;
use crate::entry::{Entry, EntryKey};
use crate::facts::demand::Demand;
use crate::facts::{Labels, NodeFacts, PodFacts};
use crate::guardrails::{Allowed, Guardrails, Origin};
use crate::names::{ClusterName, IdentityName};
use crate::plugin::{Description, PluginUse, Proposal, ProposedId};
use crate::rollout::Waves;
use crate::select::{Namespaces, Selection};
use crate::spiffe::{self, DnsName, Selector, SpiffeId, TrustDomain};

/// SPIRE keeps at most so many characters of a hint (`pkg/server/api/entry.go` in SPIRE).
const MAX_HINT_CHARACTERS: usize = 1024;
/// The label by which EKS tells what a node is.
/// The field that names a parent.
const PARENT: &str = "spec.parentIDTemplate";
const COMPUTE_TYPE: &str = "eks.amazonaws.com/compute-type";

/// What of the configuration every entry depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domains {
    /// The SPIRE server's trust domain.
    pub trust: TrustDomain,
    /// `.ClusterDomain` of templates.
    pub cluster: Arc<str>,
}

/// What of a registry its pods' entries depend on.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterContext {
    /// The registry's name.
    pub name: ClusterName,
    /// Account, region, name in EKS.
    pub target: ClusterTarget,
    /// `spec.labels`.
    pub labels: Labels,
    /// What its pods may be given.
    pub allowed: Allowed,
}

/// A pod on its node, and what surrounds them.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Trust domain and cluster domain.
    pub domains: &'a Domains,
    /// Its cluster.
    pub cluster: &'a ClusterContext,
    /// The pod.
    pub pod: &'a Arc<PodFacts>,
    /// Its node; none where it is not known.
    pub node: Option<&'a Arc<NodeFacts>>,
    /// The labels of its namespace, where they are known.
    pub namespace_labels: Option<&'a Labels>,
    /// The Services that it is an endpoint of; none where the identity does not ask for their names.
    pub services: Option<&'a Arc<BTreeSet<Arc<str>>>>,
}

/// All that an entry which templates give is made of. The same facts make the same entry, so this is kept and not the
/// entry.
#[derive(Clone)]
pub struct Derivation {
    /// The identity.
    pub compiled: Arc<CompiledIdentity>,
    /// The pod's cluster.
    pub cluster: Arc<ClusterContext>,
    /// The pod.
    pub pod: Arc<PodFacts>,
    /// Its node, where the entry depends on it.
    pub node: Option<Arc<NodeFacts>>,
    /// The Services that it is an endpoint of, where the identity asks for their names.
    pub services: Option<Arc<BTreeSet<Arc<str>>>>,
}

impl Derivation {
    /// The entry; the error is the first field that does not come out right.
    pub fn entry(&self) -> Result<Entry, Problem> {
        self.compiled.derive(&Subject {
            domains: &self.compiled.domains,
            cluster: &self.cluster,
            pod: &self.pod,
            node: self.node.as_ref(),
            namespace_labels: None,
            services: self.services.as_ref(),
        })
    }

    /// Whether it shares its facts with another, and not only has equal ones.
    pub fn is_of_same_facts(&self, other: &Self) -> bool {
        let same = Arc::ptr_eq(&self.compiled, &other.compiled) && Arc::ptr_eq(&self.cluster, &other.cluster);
        let node = |derivation: &Self| derivation.node.as_ref().map(Arc::as_ptr);
        same && Arc::ptr_eq(&self.pod, &other.pod) && node(self) == node(other)
    }
}

/// One template of an identity, and what it names of a pod.
#[derive(Debug)]
pub struct TemplateFacts {
    /// The field of the identity.
    pub field: String,
    /// Its text.
    pub text: String,
    /// Paths and their values.
    pub facts: Vec<(String, String)>,
}

/// An identity that can be derived from.
#[derive(Debug, Clone)]
pub struct CompiledIdentity {
    /// Which pods.
    pub selection: Selection,
    /// What is legal and yet worth telling.
    pub notes: Vec<Problem>,
    application_name: Arc<str>,
    trust_domain: Arc<str>,
    /// None where a plugin decides alone.
    spiffe_id: Option<Template>,
    plugin: Option<PluginUse>,
    parent_id: Option<Template>,
    selectors: Vec<Template>,
    dns_names: Vec<Template>,
    /// All of them, in this order.
    together: Option<Together>,
    x509_svid_ttl: i32,
    jwt_svid_ttl: i32,
    federates_with: BTreeSet<TrustDomain>,
    admin: bool,
    downstream: bool,
    hint: String,
    auto_populate: bool,
    demand: Demand,
    domains: Domains,
    needs_node: bool,
}

impl CompiledIdentity {
    /// Checks and compiles an identity's spec; the error is all problems at once, each with its field.
    pub fn compile(
        name: &IdentityName,
        spec: &WorkloadIdentitySpec,
        domains: &Domains,
        guardrails: &Guardrails,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = guardrails.problems_of(name, spec, &domains.trust);
        problems.extend(spec.unknown_fields());
        let mut notes = Vec::new();
        let selection = Selection::compile(spec).map_err(|found| problems.extend(found)).ok();
        let mut compile = |field: &str, text: &str| template(field, text, &mut problems, &mut notes);
        let spiffe_id_text = spec.spiffe_id_template.as_deref().filter(|text| !text.is_empty());
        let spiffe_id = spiffe_id_text.map(|text| compile("spec.spiffeIDTemplate", text));
        let parent_text = spec.parent_id_template.as_deref().filter(|text| !text.is_empty());
        let parent_id = parent_text.map(|text| compile(PARENT, text));
        let ids = [("spec.spiffeIDTemplate", spiffe_id_text), (PARENT, parent_text)];
        let selectors =
            templates("spec.workloadSelectorTemplates", &spec.workload_selector_templates, &mut compile);
        let dns_names = templates("spec.dnsNameTemplates", &spec.dns_name_templates, &mut compile);
        let x509_svid_ttl = ttl("spec.ttl", spec.ttl.as_deref(), &mut problems);
        let jwt_svid_ttl = ttl("spec.jwtTtl", spec.jwt_ttl.as_deref(), &mut problems);
        let federates_with = federation(&spec.federates_with, &domains.trust, &mut problems, &mut notes);
        let plugin = spec.plugin.as_ref().map(|plugin| {
            PluginUse::compile(plugin, &guardrails.plugins).map_err(|found| problems.extend(found))
        });
        let elsewhere = |(field, text): (&str, Option<&str>)| of_another_domain(field, text?, &domains.trust);
        problems.extend(ids.into_iter().filter_map(elsewhere));
        problems.extend(combinations(spec));
        problems.extend(spec.rollout.iter().filter_map(|it| Waves::compile(it).err()).flatten());
        let hint = spec.hint.clone().unwrap_or_default();
        problems.extend(hint_problem(&hint).map(|it| Problem::new("InvalidSpec", "spec.hint", it)));
        if selection.as_ref().is_some_and(|it| *it.namespaces() == Namespaces::None) {
            let message = "is absent, and so is spec.namespaceSelector: the identity selects nothing";
            notes.push(Problem::new("NoNamespaceRule", "spec.namespace", message));
        }
        match selection {
            Some(selection) if problems.is_empty() => {
                let (spiffe_id, parent_id) = (spiffe_id.flatten(), parent_id.flatten());
                let mut demand = Demand::default();
                // The default parent is the agent of the pod's node.
                let mut needs_node = parent_id.is_none();
                let single = [spiffe_id.as_ref(), parent_id.as_ref()];
                let all: Vec<&Template> =
                    single.into_iter().flatten().chain(&selectors).chain(&dns_names).collect();
                for template in &all {
                    demand.merge(template.reads());
                    needs_node |= template.reads_node();
                }
                if spec.auto_populate_dns_names {
                    demand.add_endpoint_slices();
                }
                let together = spiffe_id.as_ref().and_then(|_| Together::compile(all));
                Ok(Self {
                    selection,
                    notes,
                    application_name: spec.application_name.as_str().into(),
                    trust_domain: domains.trust.as_str().into(),
                    spiffe_id,
                    plugin: plugin.and_then(Result::ok),
                    parent_id,
                    selectors,
                    dns_names,
                    together,
                    x509_svid_ttl,
                    jwt_svid_ttl,
                    federates_with,
                    admin: spec.admin,
                    downstream: spec.downstream,
                    hint,
                    auto_populate: spec.auto_populate_dns_names,
                    demand,
                    domains: domains.clone(),
                    needs_node,
                })
            }
            _ => {
                // Whoever mends the rest mends this in the same edit.
                problems.extend(notes.into_iter().filter(|note| note.reason == "UnknownField"));
                Err(problems)
            }
        }
    }

    /// The template of the SPIFFE ID; none where something else decides it.
    pub fn spiffe_id_template(&self) -> Option<&Template> {
        self.spiffe_id.as_ref()
    }

    /// Every template, with the facts of a pod that it names.
    pub fn templates(&self, subject: &Subject<'_>) -> Vec<TemplateFacts> {
        let described = self.scope(subject).describe();
        let single = [("spec.spiffeIDTemplate", &self.spiffe_id), (PARENT, &self.parent_id)];
        let single = single.into_iter().filter_map(|(field, it)| Some((field.to_owned(), it.as_ref()?)));
        let lists =
            [("spec.workloadSelectorTemplates", &self.selectors), ("spec.dnsNameTemplates", &self.dns_names)];
        let lists = lists.into_iter().flat_map(|(field, list)| {
            list.iter().enumerate().map(move |(index, template)| (format!("{field}[{index}]"), template))
        });
        let with_facts = single.chain(lists).map(|(field, template)| {
            let named = described.iter().filter(|row| template.names(&row.path));
            let facts = named.map(|row| (row.path.clone(), row.value.clone())).collect();
            TemplateFacts { field, text: template.text().to_owned(), facts }
        });
        with_facts.collect()
    }

    /// The facts that the templates read beyond the fixed ones.
    pub fn demand(&self) -> &Demand {
        &self.demand
    }

    /// Whether an entry depends on the pod's node at all.
    pub fn needs_node(&self) -> bool {
        self.needs_node
    }

    /// The plugin that decides in the templates' place.
    pub fn plugin(&self) -> Option<&PluginUse> {
        self.plugin.as_ref()
    }

    /// What templates and plugins call the application's name.
    pub fn application_name(&self) -> &Arc<str> {
        &self.application_name
    }

    /// The entry that the templates give a pod; the error is the first field that does not come out right. The
    /// node is missing where none is known, which is right only where none is needed.
    pub fn derive(&self, subject: &Subject<'_>) -> Result<Entry, Problem> {
        let Subject { domains, cluster, pod, .. } = subject;
        let Some(template) = &self.spiffe_id else {
            let message = "is absent: only the plugin can say what the pod gets";
            return Err(Problem::new("InvalidSpec", "spec.spiffeIDTemplate", message));
        };
        let scope = self.scope(subject);
        let rendered = self.together.as_ref().and_then(|together| together.render(&scope));
        let mut rendered = rendered.as_deref().map(Together::split);
        let mut render = |template: &Template| match rendered.as_mut().and_then(Iterator::next) {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => template.render(&scope).map(Cow::Owned),
        };
        let spiffe_id = parsed("spec.spiffeIDTemplate", template, &mut render, |text| {
            spiffe::workload_id(text, &domains.trust)
        })?;
        let parent_id = self.parent(subject, &mut render)?;
        let mut selectors = BTreeSet::from([Selector::pod_uid(&pod.uid)]);
        for (index, template) in self.selectors.iter().enumerate() {
            let field = || format!("spec.workloadSelectorTemplates[{index}]");
            let selector = parsed(field, template, &mut render, Selector::parse)?;
            add_selector(&mut selectors, selector, pod, field)?;
        }
        let mut dns_names = Vec::new();
        for (index, template) in self.dns_names.iter().enumerate() {
            let field = || format!("spec.dnsNameTemplates[{index}]");
            let name = parsed(field, template, &mut render, DnsName::parse)?;
            add_name(&mut dns_names, name);
        }
        let origin = Origin {
            spiffe_id: "spec.spiffeIDTemplate",
            parent_id: self.parent_id.is_some().then_some(PARENT),
            dns_names: "spec.dnsNameTemplates",
            own_dns_names: dns_names.len(),
        };
        self.add_services(&mut dns_names, subject)?;
        let key = EntryKey { spiffe_id, parent_id, selectors };
        let entry = self.entry(key, dns_names, self.hint.clone());
        cluster.allowed.check(&entry, origin)?;
        Ok(entry)
    }

    /// The entries that a plugin's decision gives one pod, checked as a template's output is; in the order of their keys,
    /// because the order in which a plugin names them says nothing.
    pub fn derive_decided(
        &self,
        subject: &Subject<'_>,
        plugin: &Description,
        proposals: &[Proposal],
    ) -> Result<Vec<Entry>, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        for (index, proposal) in proposals.iter().enumerate() {
            let told = |problem: Problem| {
                let at = match problem.field.as_str() {
                    "" => format!("identities[{index}]"),
                    part if part.starts_with("spec.") || part.starts_with('(') => {
                        format!("identities[{index}] ({part})")
                    }
                    part => format!("identities[{index}].{part}"),
                };
                Problem::new(problem.reason, "spec.plugin", format!("{plugin}: {at}: {}", problem.message))
            };
            let entry = self.proposed(subject, proposal).map_err(told)?;
            if let Some(same) = entries.iter().position(|other| other.key == entry.key) {
                let message = format!("has the SPIFFE ID, parent and selectors of identities[{same}]");
                return Err(told(Problem::new("PluginOutputInvalid", "", message)));
            }
            entries.push(entry);
        }
        entries.sort_by_cached_key(|entry| {
            let EntryKey { spiffe_id, parent_id, selectors } = &entry.key;
            (spiffe_id.to_string(), parent_id.to_string(), selectors.clone())
        });
        Ok(entries)
    }

    fn proposed(&self, subject: &Subject<'_>, proposal: &Proposal) -> Result<Entry, Problem> {
        let Subject { domains, cluster, pod, .. } = subject;
        let invalid = |field: &str, error: spiffe::InvalidSpiffe| Problem::new(error.reason(), field, error);
        let text = match &proposal.spiffe_id {
            ProposedId::Path(path) if !path.starts_with('/') => {
                let message = format!("{path:?} must begin with /, as in /payments/api");
                return Err(Problem::new("InvalidSPIFFEID", "spiffe-id.path", message));
            }
            ProposedId::Path(path) => format!("spiffe://{}{path}", domains.trust.as_str()),
            ProposedId::Id(id) => id.clone(),
        };
        let spiffe_id =
            spiffe::workload_id(&text, &domains.trust).map_err(|error| invalid("spiffe-id", error))?;
        let parent_id = match &proposal.parent_id {
            Some(parent) => {
                spiffe::parent_id(parent, &domains.trust).map_err(|error| invalid("parent-id", error))?
            }
            None => self.parent(subject, |template| template.render(&self.scope(subject)).map(Cow::Owned))?,
        };
        let mut selectors = BTreeSet::from([Selector::pod_uid(&pod.uid)]);
        for (index, (kind, value)) in proposal.selectors.iter().enumerate() {
            let field = || format!("selectors[{index}]");
            // Of type and value each on its own, no colon may move from the one to the other.
            let selector = Selector::parse(&format!("{kind}:{value}")).ok().filter(|it| it.kind() == kind);
            let Some(selector) = selector else {
                let message = format!(
                    "type {kind:?} with value {value:?} is not a valid selector: neither may be empty, and the type has no colon"
                );
                return Err(Problem::new("InvalidSelector", field(), message));
            };
            add_selector(&mut selectors, selector, pod, field)?;
        }
        let mut dns_names = Vec::new();
        for (index, name) in proposal.dns_names.iter().enumerate() {
            let name =
                DnsName::parse(name).map_err(|error| invalid(&format!("dns-names[{index}]"), error))?;
            add_name(&mut dns_names, name);
        }
        let of_plugin = proposal.parent_id.is_some().then_some("parent-id");
        let origin = Origin {
            spiffe_id: "spiffe-id",
            parent_id: of_plugin.or_else(|| self.parent_id.is_some().then_some(PARENT)),
            dns_names: "dns-names",
            own_dns_names: dns_names.len(),
        };
        self.add_services(&mut dns_names, subject)?;
        let hint = proposal.hint.as_ref().unwrap_or(&self.hint);
        if let Some(message) = hint_problem(hint) {
            return Err(Problem::new("InvalidHint", "hint", message));
        }
        let key = EntryKey { spiffe_id, parent_id, selectors };
        let entry = self.entry(key, dns_names, hint.clone());
        cluster.allowed.check(&entry, origin)?;
        Ok(entry)
    }

    /// The parent that the spec names, or the agent of the pod's node.
    fn parent<'r>(
        &self,
        subject: &Subject<'_>,
        render: impl FnOnce(&Template) -> Result<Cow<'r, str>, RenderError>,
    ) -> Result<SpiffeId, Problem> {
        let Subject { domains, cluster, node, .. } = subject;
        match &self.parent_id {
            Some(parent) => parsed(PARENT, parent, render, |text| spiffe::parent_id(text, &domains.trust)),
            None => default_parent(domains, cluster, node.ok_or_else(no_node)?),
        }
    }

    fn add_services(&self, dns_names: &mut Vec<DnsName>, subject: &Subject<'_>) -> Result<(), Problem> {
        let Subject { domains, pod, services, .. } = subject;
        let services = services.iter().flat_map(|services| services.iter());
        for name in services.filter(|_| self.auto_populate).flat_map(|service| {
            let namespace = pod.namespace.as_str();
            let inner = format!("{service}.{namespace}.svc");
            let full = format!("{inner}.{}", domains.cluster);
            [service.to_string(), format!("{service}.{namespace}"), inner, full]
        }) {
            let name = DnsName::parse(&name)
                .map_err(|error| Problem::new(error.reason(), "spec.autoPopulateDNSNames", error))?;
            add_name(dns_names, name);
        }
        Ok(())
    }

    /// What the spec alone says is added to what template or plugin said.
    fn entry(&self, key: EntryKey, dns_names: Vec<DnsName>, hint: String) -> Entry {
        Entry {
            key,
            x509_svid_ttl: self.x509_svid_ttl,
            jwt_svid_ttl: self.jwt_svid_ttl,
            federates_with: self.federates_with.clone(),
            admin: self.admin,
            downstream: self.downstream,
            dns_names,
            hint,
        }
    }

    fn scope(&self, subject: &Subject<'_>) -> Scope {
        let Subject { domains, cluster, pod, node, .. } = *subject;
        let variables = Variables {
            trust_domain: self.trust_domain.clone(),
            cluster_name: cluster.name.shared(),
            eks_cluster_name: cluster.target.eks_name.shared(),
            cluster_domain: domains.cluster.clone(),
            application_name: self.application_name.clone(),
            account_id: cluster.target.account.shared(),
            region: cluster.target.region.shared(),
            instance_id: node.map(|node| node.instance_id()).filter(|id| !id.is_empty()).map(Arc::from),
            cluster_labels: cluster.labels.clone(),
            aliases: true,
        };
        Scope::of(variables, pod.clone(), node.cloned())
    }
}

/// Combinations of fields that make no sense together: the same that the CustomResourceDefinition refuses, where it is
/// installed.
fn combinations(spec: &WorkloadIdentitySpec) -> Option<Problem> {
    let has_id = spec.spiffe_id_template.as_deref().is_some_and(|text| !text.is_empty());
    let has_more = !spec.dns_name_templates.is_empty() || !spec.workload_selector_templates.is_empty();
    let (field, message) = match &spec.plugin {
        None if has_id => return None,
        None => {
            ("spec.spiffeIDTemplate", "\"\" must be a Go template of a SPIFFE ID, where no plugin decides")
        }
        Some(plugin) if plugin.failure_policy == FailurePolicy::Fallback && !has_id => {
            ("spec.plugin.failurePolicy", "Fallback falls back to spec.spiffeIDTemplate, which is absent")
        }
        Some(plugin) if plugin.failure_policy == FailurePolicy::Keep && (has_id || has_more) => (
            "spec.plugin.failurePolicy",
            "with Keep a plugin decides alone: remove spec.spiffeIDTemplate, spec.dnsNameTemplates and \
             spec.workloadSelectorTemplates, or say Fallback",
        ),
        Some(_) => return None,
    };
    Some(Problem::new("InvalidSpec", field, message))
}

fn hint_problem(hint: &str) -> Option<String> {
    let characters = hint.chars().count();
    (characters > MAX_HINT_CHARACTERS)
        .then(|| format!("has {characters} characters, SPIRE keeps at most {MAX_HINT_CHARACTERS}"))
}

fn add_selector(
    selectors: &mut BTreeSet<Selector>,
    selector: Selector,
    pod: &PodFacts,
    field: impl FnOnce() -> String,
) -> Result<(), Problem> {
    if selector.is_pod_uid() && !selectors.contains(&selector) {
        let message = format!("\"{selector}\" names another pod than {}: no process would ever fit", pod.uid);
        return Err(Problem::new("InvalidSelector", field(), message));
    }
    selectors.insert(selector);
    Ok(())
}

/// SPIRE refuses an entry that has a name twice.
fn add_name(names: &mut Vec<DnsName>, name: DnsName) {
    if !names.contains(&name) {
        names.push(name);
    }
}

fn no_node() -> Problem {
    Problem::new("NodeUnknown", "(node)", "the pod's node is not known, so its parent cannot be derived")
}

/// The agent that `k8s_psat` attested on the pod's node.
fn default_parent(
    domains: &Domains,
    cluster: &ClusterContext,
    node: &NodeFacts,
) -> Result<SpiffeId, Problem> {
    // Fargate gives each pod a machine of its own, on which no agent runs.
    if node.labels.get(COMPUTE_TYPE).is_some_and(|kind| kind == "fargate") {
        let message = format!(
            "node {} is Fargate's, where no agent runs: the pod needs a parent of another kind",
            node.name
        );
        return Err(Problem::new("NoAgentOnNode", PARENT, message));
    }
    let path = ["spire", "agent", "k8s_psat", cluster.name.as_str(), node.uid.as_str()];
    spiffe::id_of(&domains.trust, &path)
        .map_err(|error| Problem::new(error.reason(), "(default parent)", error))
}

/// A template's field: named where it stands, or made only when it has to be told.
trait Field {
    fn name(self) -> String;
}

impl Field for &'static str {
    fn name(self) -> String {
        self.to_owned()
    }
}

impl<F: FnOnce() -> String> Field for F {
    fn name(self) -> String {
        self()
    }
}

/// What a template's output says.
fn parsed<'r, T>(
    field: impl Field,
    template: &Template,
    render: impl FnOnce(&Template) -> Result<Cow<'r, str>, RenderError>,
    parse: impl FnOnce(&str) -> Result<T, spiffe::InvalidSpiffe>,
) -> Result<T, Problem> {
    match render(template) {
        Err(error) => Err(Problem::new("TemplateFailed", field.name(), error)),
        Ok(text) => parse(&text).map_err(|error| {
            let message = format!("{error} (rendered from {:?})", template.text());
            Problem::new(error.reason(), field.name(), message)
        }),
    }
}

fn template(
    field: &str,
    text: &str,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<Problem>,
) -> Option<Template> {
    let template =
        Template::compile(text).map_err(|error| problems.push(Problem::new("InvalidTemplate", field, error)));
    let template = template.ok()?;
    notes.extend(template.warnings().iter().map(|warning| Problem::new("UnknownField", field, warning)));
    Some(template)
}

/// What a template's text itself says of the trust domain, whatever the pod; what is rendered is checked all the same.
fn of_another_domain(field: &str, text: &str, ours: &TrustDomain) -> Option<Problem> {
    let begin = text.split("{{").next().unwrap_or_default();
    let (named, _) = begin.strip_prefix("spiffe://")?.split_once('/')?;
    let message = || {
        format!(
            "its trust domain is {named:?}, must be {:?}, for which {{{{ .TrustDomain }}}} stands",
            ours.as_str()
        )
    };
    (named != ours.as_str()).then(|| Problem::new("InvalidTrustDomain", field, message()))
}

fn templates(
    field: &str,
    texts: &[String],
    compile: &mut impl FnMut(&str, &str) -> Option<Template>,
) -> Vec<Template> {
    let each = texts.iter().enumerate();
    each.filter_map(|(index, text)| compile(&format!("{field}[{index}]"), text)).collect()
}

/// A Go duration as whole seconds; SPIRE has no lifetime below a second.
fn ttl(field: &str, text: Option<&str>, problems: &mut Vec<Problem>) -> i32 {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return 0 };
    let seconds = go_duration(text).and_then(|duration| match i32::try_from(duration.as_secs()) {
        Ok(0) if duration.is_zero() => Ok(0),
        Ok(0) => Err("it is below one second".to_owned()),
        Ok(seconds) => Ok(seconds),
        Err(_) => Err("it is longer than 68 years".to_owned()),
    });
    seconds.unwrap_or_else(|error| {
        let message =
            format!("{text:?} must be a Go duration of at least one second such as 30m or 1h ({error})");
        problems.push(Problem::new("InvalidTTL", field, message));
        0
    })
}

fn federation(
    names: &[String],
    own: &TrustDomain,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<Problem>,
) -> BTreeSet<TrustDomain> {
    let mut domains = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let field = format!("spec.federatesWith[{index}]");
        match spiffe::trust_domain(name) {
            // Agents that are handed an entry which federates with their own trust domain stop syncing.
            Ok(domain) if domain == *own => {
                let message = format!("{name:?} is this server's own trust domain and was left out");
                notes.push(Problem::new("OwnTrustDomain", field, message));
            }
            Ok(domain) => {
                domains.insert(domain);
            }
            Err(error) => {
                let message = format!("{name:?} must be a trust domain such as example.org ({error})");
                problems.push(Problem::new("InvalidTrustDomain", field, message));
            }
        }
    }
    domains
}
