//! The management cluster: its API server, both kinds, the registrar's rights, its Lease, its admission webhook.

use std::collections::BTreeMap;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Answer, Configuration, Facts, Failed, Granted, Section, Verdict, listed, mend};
use crate::admission;
use crate::api::{WorkloadIdentity, told};
use crate::config::{Config, LeaderElectionConfig, WebhookConfig};
use crate::index::Settings;
use crate::ledger::Mode;
use crate::reasons;
use crate::rights::{self, Right};

/// A certificate that ends sooner is told.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Clocks that differ by more make a Lease hard to judge.
const CLOCK: SignedDuration = SignedDuration::from_secs(5);
/// What is told of a list of objects at most.
const SHOWN: usize = 5;

/// The command that asks as the registrar.
const IN_THE_POD: &str = "  kubectl -n spire-system exec deployment/spire-eks-workload-registrar -- \\\n      \
     /usr/bin/spire-eks-workload-registrar doctor --config /etc/spire-eks-workload-registrar/config.yaml";

/// What the management cluster said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Management {
    /// Where it is.
    pub server: Answer<Server>,
    /// As whom it knows whoever asks.
    pub user: Answer<String>,
    /// Both own kinds.
    pub kinds: Vec<Kind>,
    /// Each right of [`rights::management`].
    pub rights: Vec<Granted>,
    /// The Lease; none where there is none.
    pub lease: Answer<Option<LeaseSeen>>,
    /// The admission webhook; none where the configuration has none.
    pub webhook: Option<Webhook>,
    /// All identities.
    pub identities: Answer<Vec<WorkloadIdentity>>,
    /// The names of all registries.
    pub registries: Answer<Vec<String>>,
    /// Objects of either kind that are none, `KIND/NAME: why`.
    pub unreadable: Vec<String>,
}

/// An API server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its URL.
    pub url: String,
    /// Its version, such as `v1.34.2`.
    pub version: String,
}

/// One of our kinds as the API server has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// Its plural.
    pub plural: String,
    /// The fields of ours that the API server's definition lacks; none where it does not serve the kind at our version.
    pub missing: Result<Option<Vec<String>>, Failed>,
}

/// The Lease as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseSeen {
    /// Who holds it; empty where nobody does.
    pub holder: String,
    /// When it was last renewed, by the holder's clock.
    pub renewed: Option<Timestamp>,
    /// How many seconds after that another may take it.
    pub seconds: i32,
    /// Whether the holder's pod is there.
    #[serde(default)]
    pub pod: Answer<bool>,
}

/// The admission webhook as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// The name of the ValidatingWebhookConfiguration.
    pub name: String,
    /// What is in it; none where there is none.
    pub configuration: Result<Option<WebhookConfiguration>, Failed>,
    /// The certificate that is served; none where there is none.
    pub certificate: Result<Option<Certificate>, Failed>,
    /// How many ready endpoints its Service has.
    pub endpoints: Result<usize, Failed>,
}

/// What a ValidatingWebhookConfiguration says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfiguration {
    /// The Service that is asked, `namespace/name`.
    pub service: String,
    /// Whether it names an authority for the certificate.
    pub has_authority: bool,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Where it was found.
    pub place: String,
    /// The DNS names that it is of.
    pub names: Vec<String>,
    /// Until when it is good.
    pub ends: Timestamp,
    /// Why the API server does not take it, going by the authority that it was told of.
    pub refused: Option<String>,
}

/// Judges it.
pub(super) fn judge(facts: &Facts) -> Section {
    let management = &facts.management;
    let mut section = match &management.server {
        Some(Ok(server)) => Section::new("management", format!("Management cluster {}", server.url)),
        _ => Section::new("management", "Management cluster"),
    };
    match &management.server {
        None => {
            section.skipped("API server", "it was not asked");
            return section;
        }
        Some(Err(failed)) => {
            section.failure("API server", &failed.message, vec![next_of(failed)]);
            for check in ["definitions", "rights", "lease", "webhook", "identities", "registries"] {
                section.skipped(check, "the API server does not answer");
            }
            return section;
        }
        Some(Ok(server)) => section.ok("API server", format!("it answers, version {}", server.version)),
    }
    management.kinds.iter().for_each(|kind| definition(&mut section, kind));
    rights_of(&mut section, management, facts.configuration.config());
    match facts.configuration.config() {
        None => {
            section.skipped("lease", "the configuration cannot be used");
            section.skipped("webhook", "the configuration cannot be used");
        }
        Some(config) => {
            lease(&mut section, facts, config);
            webhook(&mut section, facts, config);
        }
    }
    identities(&mut section, facts);
    for told in &management.unreadable {
        let mend = "Apply it as the definition says; an object that cannot be read keeps its entries.";
        section.failure("objects", told, vec![mend.to_owned()]);
    }
    match &management.registries {
        None => section.skipped("registries", "they were not asked for"),
        Some(Err(failed)) => section.failure("registries", &failed.message, vec![next_of(failed)]),
        Some(Ok(names)) if names.is_empty() => section.warning(
            "registries",
            "there is none: no cluster is watched",
            vec!["Apply an EKSClusterRegistry for each cluster (README.md, Usage Examples).".to_owned()],
        ),
        Some(Ok(names)) => section.ok("registries", format!("there are {}", names.len())),
    }
    section
}

/// What is to be done where the management cluster does not give what it is asked for.
fn next_of(failed: &Failed) -> String {
    match failed.next.as_str() {
        "" => "See whether the API server of the management cluster can be reached from here, and as whom (KUBECONFIG, or the pod's ServiceAccount).".to_owned(),
        next => mend::sentence(next),
    }
}

fn definition(section: &mut Section, kind: &Kind) {
    let check = &kind.plural;
    match &kind.missing {
        Err(failed) => section.failure(check, &failed.message, vec![next_of(failed)]),
        Ok(None) => section.failure(
            check,
            "the API server does not serve v1alpha1 of it",
            vec![mend::sentence(reasons::management_next_step(404))],
        ),
        Ok(Some(missing)) if missing.is_empty() => {
            section.ok(check, "its definition has every field of this version");
        }
        Ok(Some(missing)) => section.warning(
            check,
            format!("its definition is of an older version: it lacks {}", listed(missing)),
            vec![
                "Bring it up to date, before the registrar (docs/operations.md, Upgrade):".to_owned(),
                "  kubectl apply --server-side --force-conflicts -f crds/".to_owned(),
            ],
        ),
    }
}

/// A line for all that is there, or one for each thing of which a verb is missing.
fn rights_of(section: &mut Section, management: &Management, config: Option<&Config>) {
    let Some(config) = config else {
        section.skipped("rights", "the configuration cannot be used");
        return;
    };
    let user = match &management.user {
        Some(Ok(user)) => user.as_str(),
        _ => "whoever asks here",
    };
    let needs = rights::management(config);
    let mut missing: BTreeMap<Right, (Vec<&str>, &'static str, bool)> = BTreeMap::new();
    for Granted { right, is_granted } in &management.rights {
        let is_granted = match is_granted {
            Ok(is_granted) => *is_granted,
            Err(failed) => {
                let found =
                    format!("whether {user} may {} {right} is not known: {}", right.verb, failed.message);
                section.failure("rights", found, vec![next_of(failed)]);
                return;
            }
        };
        let need = needs.iter().find(|need| need.right == *right);
        if let Some(need) = need.filter(|_| !is_granted) {
            let what = Right { verb: String::new(), ..right.clone() };
            let (verbs, without, is_vital) = missing.entry(what).or_default();
            verbs.push(&right.verb);
            (*without, *is_vital) = (need.without, *is_vital || need.is_vital);
        }
    }
    for (right, (verbs, without, is_vital)) in &missing {
        let found = format!("{user} may not {} {right}: {without}", listed(verbs));
        let verdict = if *is_vital { Verdict::Failure } else { Verdict::Warning };
        section.add("rights", verdict, found, mend::role(right, verbs));
    }
    match management.rights.len() {
        _ if !missing.is_empty() => {}
        0 => section.skipped("rights", "they were not asked for"),
        // An operator's own rights say nothing of the registrar's.
        _ if !user.starts_with("system:serviceaccount:") => section.warning(
            "rights",
            format!("{user} may do all that the registrar does, which says nothing of the registrar's ServiceAccount"),
            vec![
                "Ask as the registrar, in its pod:".to_owned(),
                IN_THE_POD.to_owned(),
            ],
        ),
        count => section.ok("rights", format!("{user} has all {count} that the registrar uses")),
    }
}

/// Where somebody would look for the replicas.
fn replicas(election: &LeaderElectionConfig) -> String {
    let namespace = &election.resource_namespace;
    format!("  kubectl -n {namespace} get pods -l app=spire-eks-workload-registrar")
}

fn lease(section: &mut Section, facts: &Facts, config: &Config) {
    let election = &config.leader_election;
    let at = format!("Lease {}/{}", election.resource_namespace, election.resource_name);
    if config.mode == Mode::Observe || !election.leader_elect {
        section.ok("lease", "none is used: mode is Observe, or leaderElection.leaderElect is false");
        return;
    }
    let seen = match &facts.management.lease {
        None => return section.skipped("lease", "it was not asked for"),
        Some(Err(failed)) => return section.failure("lease", &failed.message, vec![next_of(failed)]),
        Some(Ok(seen)) => seen,
    };
    let start = |why: &str| vec![why.to_owned(), replicas(election)];
    let Some(seen) = seen else {
        let found = format!("{at} is not there: no replica has led yet, so nothing is written");
        return section.failure("lease", found, start("Start the registrar, or look why it does not run:"));
    };
    let LeaseSeen { holder, renewed, seconds, pod } = seen;
    if holder.is_empty() {
        let found = format!("{at} was given back and nobody holds it, so nothing is written");
        return section.failure("lease", found, start("Start the registrar, or look why it does not run:"));
    }
    let age = renewed.map(|renewed| facts.now.duration_since(renewed));
    let since = age.map_or_else(|| "never".to_owned(), |age| format!("{} s ago", age.as_secs()));
    let held = format!("{at} is held by {holder}, renewed {since}, good for {seconds} s");
    let is_over = age.is_none_or(|age| age.as_secs() >= i64::from(*seconds));
    let pod_name = holder.rsplit_once('_').map_or(holder.as_str(), |(name, _)| name);
    match pod {
        _ if age.is_some_and(|age| age < -CLOCK) => section.warning(
            "lease",
            format!("{held}: the holder's clock is ahead of this machine's"),
            vec!["Set both machines' clocks.".to_owned()],
        ),
        Some(Ok(false)) => {
            let found = format!("{held}, and there is no pod {pod_name}");
            match is_over {
                true => section.failure(
                    "lease",
                    found + ": nothing is written",
                    start("Start a replica, which takes it:"),
                ),
                false => section.warning(
                    "lease",
                    found,
                    start("Another replica takes it once it has run out; see that one runs:"),
                ),
            }
        }
        _ if is_over => section.failure(
            "lease",
            format!("{held}: the holder has stopped renewing it, and nobody took it, so nothing is written"),
            start("Look at the replicas and their logs:"),
        ),
        Some(Ok(true)) => section.ok("lease", format!("{held}; its pod is there")),
        _ => section.ok("lease", format!("{held}; pods may not be looked at from here")),
    }
}

fn webhook(section: &mut Section, facts: &Facts, config: &Config) {
    let Some(configured) = &config.webhook else {
        return section.ok("webhook", "none is configured: bad objects are stored and become conditions");
    };
    let Some(seen) = &facts.management.webhook else {
        return section.skipped("webhook", "it was not asked for");
    };
    let namespace = &config.leader_election.resource_namespace;
    let service = format!("{namespace}/{}", configured.service_name);
    let install =
        || vec!["Apply deploy/kustomize/webhook.yaml, or the chart with config.webhook.".to_owned()];
    // Whether the certificate is one that the registrar makes.
    let is_own = configured.configuration_name.is_some();
    match &seen.configuration {
        // Whoever's certificate comes from files has no business with it.
        Err(failed) if !is_own && failed.reason == "Forbidden" => {
            section.skipped("webhook", "it may not be read from here");
        }
        Err(failed) => section.warning("webhook", &failed.message, vec![next_of(failed)]),
        Ok(None) => {
            let found = format!(
                "there is no ValidatingWebhookConfiguration {}: objects are not looked at before they are stored",
                seen.name
            );
            section.failure("webhook", found, install());
        }
        Ok(Some(told)) if told.service != service => {
            let found = format!(
                "ValidatingWebhookConfiguration {} asks Service {}, and the registrar is behind {service}",
                seen.name, told.service
            );
            let mend = "Set webhook.serviceName in the configuration to the Service that is asked, or apply the chart again.";
            section.failure("webhook", found, vec![mend.to_owned()]);
        }
        Ok(Some(told)) if !told.has_authority => {
            let found = format!(
                "ValidatingWebhookConfiguration {} has no caBundle: the API server does not trust the registrar",
                seen.name
            );
            section.failure("webhook", found, vec![authority(configured, &seen.name)]);
        }
        Ok(Some(_)) => section
            .ok("webhook", format!("ValidatingWebhookConfiguration {} asks Service {service}", seen.name)),
    }
    match &seen.certificate {
        Err(failed) => section.warning("webhook certificate", &failed.message, vec![next_of(failed)]),
        // It is mounted in the registrar's pod, which need not be here.
        Ok(None) if !is_own => {
            let mend = vec!["Look at it where it is mounted:".to_owned(), IN_THE_POD.to_owned()];
            let found = format!("there is none in {} on this machine", configured.cert_dir);
            section.warning("webhook certificate", found, mend);
        }
        Ok(None) => {
            let found = format!(
                "there is none in {} and no Secret {service}: admission is not served",
                configured.cert_dir
            );
            section.failure("webhook certificate", found, vec![renew(configured, &service)]);
        }
        Ok(Some(Certificate { place, names, ends, refused })) => {
            let what = format!("{place} is of {}, good until {ends}", listed(names));
            match refused {
                _ if *ends <= facts.now => {
                    let found = format!("{place} expired at {ends}: the API server asks nobody");
                    section.failure("webhook certificate", found, vec![renew(configured, &service)]);
                }
                Some(why) => {
                    let found = format!("{what}, and the API server does not take it: {why}");
                    section.failure("webhook certificate", found, vec![authority(configured, &seen.name)]);
                }
                None if ends.duration_since(facts.now) < SOON => {
                    section.warning(
                        "webhook certificate",
                        format!("{what}: less than 14 days"),
                        vec![renew(configured, &service)],
                    );
                }
                None => section.ok("webhook certificate", what),
            }
        }
    }
    match &seen.endpoints {
        Err(failed) => section.skipped("webhook endpoints", &failed.message),
        Ok(0) => {
            let mend =
                "See that the registrar's pods are ready and bear the labels that the Service selects:";
            section.failure(
                "webhook endpoints",
                format!("Service {service} has none that is ready"),
                vec![mend.to_owned(), replicas(&config.leader_election)],
            );
        }
        Ok(count) => section.ok("webhook endpoints", format!("Service {service} has {count} that are ready")),
    }
}

/// How the API server is made to trust the certificate.
fn authority(configured: &WebhookConfig, name: &str) -> String {
    match configured.configuration_name {
        Some(_) => "The registrar writes the authority itself while it runs: look for \"no certificate for the admission webhook\" in its log.".to_owned(),
        None => format!("Have cert-manager write it: annotate ValidatingWebhookConfiguration {name} with cert-manager.io/inject-ca-from, or set webhook.configurationName."),
    }
}

/// How there comes a new certificate.
fn renew(configured: &WebhookConfig, service: &str) -> String {
    let (namespace, name) = service.split_once('/').unwrap_or(("", service));
    match configured.configuration_name {
        Some(_) => format!(
            "The registrar makes a new one while it runs; at once after: kubectl -n {namespace} delete secret {name}"
        ),
        None => {
            format!("Renew the certificate that is mounted at webhook.certDir ({}).", configured.cert_dir)
        }
    }
}

fn identities(section: &mut Section, facts: &Facts) {
    let identities = match &facts.management.identities {
        None => return section.skipped("identities", "they were not asked for"),
        Some(Err(failed)) => return section.failure("identities", &failed.message, vec![next_of(failed)]),
        Some(Ok(identities)) => identities,
    };
    let Configuration::Good(config) = &facts.configuration else {
        return section.skipped("identities", "no configuration says what they may have");
    };
    let settings = Settings::of(config);
    let bad: Vec<String> = identities
        .iter()
        .filter_map(|identity| {
            let problems = admission::identity(identity, std::iter::empty(), &settings).problems;
            (!problems.is_empty())
                .then(|| format!("WorkloadIdentity/{}: {}", identity.name_any(), told(&problems)))
        })
        .collect();
    if bad.is_empty() {
        return section.ok("identities", format!("all {} can be used", identities.len()));
    }
    for told in bad.iter().take(SHOWN) {
        let mend = "Correct the field that is named; pods keep the entries that they have until then.";
        section.failure("identities", told, vec![mend.to_owned()]);
    }
    if let Some(more) = bad.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let mend = "See them all: spire-eks-workload-registrar status".to_owned();
        section.failure("identities", format!("{more} more cannot be used"), vec![mend]);
    }
}

/// The fields of ours, as paths such as `spec.podSelector`, that a served schema of one kind lacks. `ours` is the schema of a
/// CustomResourceDefinition; `served` is the OpenAPI document, version 3, of our group and version.
pub fn fields_missing(kind: &str, ours: &Value, served: &Value) -> Option<Vec<String>> {
    let schemas = served.pointer("/components/schemas")?.as_object()?;
    let served = schemas.values().find(|schema| {
        let names = schema["x-kubernetes-group-version-kind"].as_array();
        names.into_iter().flatten().any(|name| name["kind"] == kind)
    })?;
    let mut missing = Vec::new();
    for part in ["spec", "status"] {
        let path = format!("/properties/{part}");
        missing_in(part, ours.pointer(&path), served.pointer(&path), &mut missing);
    }
    Some(missing)
}

fn missing_in(path: &str, ours: Option<&Value>, served: Option<&Value>, missing: &mut Vec<String>) {
    let Some(ours) = ours else { return };
    let Some(served) = served else { return missing.push(path.to_owned()) };
    for (name, field) in ours["properties"].as_object().into_iter().flatten() {
        missing_in(
            &format!("{path}.{name}"),
            Some(field),
            served.pointer(&format!("/properties/{}", name.replace('/', "~1"))),
            missing,
        );
    }
    if let Some(items) = ours.get("items") {
        missing_in(path, Some(items), served.get("items").or(Some(&Value::Null)), missing);
    }
}
