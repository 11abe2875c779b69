//! One cluster: what its registry says, the way through AWS, the network and TLS, and what may be read there.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use serde::{Deserialize, Serialize};

use super::mend::Way;
use super::{Answer, Facts, Failed, Granted, Section, Verdict, failure, listed};
use crate::admission;
use crate::api::{ACCEPT_CLUSTER_ANNOTATION, ClusterTarget, EKSClusterRegistry, Problem};
use crate::config::Config;
use crate::guardrails::Guardrails;
use crate::near::near;
use crate::reasons::{self, Stage};
use crate::rights::{READINGS, Reading};

/// Clocks that differ by more are told; a token is taken for a quarter of an hour.
const CLOCK_SECONDS: u64 = 30;

/// What is known of one registry and its cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Registry {
    /// The object's name.
    pub name: String,
    /// The object; none where there is none of this name.
    pub object: Option<EKSClusterRegistry>,
    /// The role that is assumed; none: the process's own credentials are used.
    pub role: Option<String>,
    /// The proxy by which AWS is asked, without its password; none: it is asked directly.
    pub proxy: Option<String>,
    /// AWS's regional hosts for EKS and STS.
    pub hosts: Vec<Host>,
    /// Whether there are credentials, of the role where there is one.
    pub credentials: Answer<()>,
    /// What EKS says of the cluster.
    pub described: Answer<Described>,
    /// The API server's host; none where a proxy looks it up.
    pub endpoint: Option<Host>,
    /// Whether the API server answers.
    pub reached: Answer<Reached>,
    /// The uid of the cluster's namespace `kube-system`.
    pub uid: Answer<String>,
    /// Each verb on each resource that is read.
    pub rights: Vec<Granted>,
    /// By resource: what came of listing one object.
    pub lists: Vec<(String, Result<(), Failed>)>,
}

/// A host and its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// What it resolves to.
    pub addresses: Result<Vec<String>, Failed>,
}

/// What EKS says of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Described {
    /// Its ARN.
    pub arn: String,
    /// `ACTIVE` or `UPDATING`.
    pub status: String,
    /// Its Kubernetes version.
    #[serde(default)]
    pub version: Option<String>,
    /// `API`, `API_AND_CONFIG_MAP` or `CONFIG_MAP`; clusters of old have none, which is the last.
    #[serde(default)]
    pub authentication_mode: Option<String>,
    /// Where the API server is reached: what EKS says, or the registry.
    pub endpoint: String,
}

/// What the API server's answer says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reached {
    /// Its version; none where it may not be asked for.
    #[serde(default)]
    pub version: Option<String>,
    /// By how many seconds this machine's clock is ahead of the API server's.
    #[serde(default)]
    pub clock_ahead: Option<i64>,
}

/// Judges who the process is.
pub(super) fn judge_caller(facts: &Facts) -> Section {
    let mut section = Section::new("aws", "AWS");
    match &facts.caller {
        None => section.skipped("credentials", "the configuration cannot be used"),
        Some(Ok(arn)) => section.ok("credentials", format!("this process is {arn}")),
        // Each registry names its own region.
        Some(Err(failed)) if failed.reason == "NoRegion" => {
            section.warning("credentials", &failed.message, vec!["Set aws.region.".to_owned()]);
        }
        Some(Err(failed)) => {
            let next = reasons::next_step(&failed.reason);
            section.failure("credentials", &failed.message, vec![next.to_owned()]);
        }
    }
    section
}

/// Judges one registry.
pub(super) fn judge(facts: &Facts, registry: &Registry) -> Section {
    let name = &registry.name;
    let mut section = Section::new(format!("registry/{name}"), format!("Registry {name}"));
    let Some(object) = &registry.object else {
        let names = facts.management.registries.as_ref().and_then(|it| it.as_ref().ok());
        let meant = near(name, names.into_iter().flatten().map(String::as_str));
        let meant = meant.map(|meant| format!(" Did you mean {meant}?")).unwrap_or_default();
        let mend = format!("Name one that is there: kubectl get eksclusterregistries.{meant}");
        match &facts.management.registries {
            Some(Ok(_)) => {
                section.failure("object", format!("there is no EKSClusterRegistry/{name}"), vec![mend])
            }
            _ => section.skipped("object", "the registries cannot be listed"),
        }
        return section;
    };
    let spec = &object.spec;
    section.title = format!(
        "Registry {name} (cluster {} in {}, account {})",
        spec.cluster_name, spec.region, spec.account_id
    );
    let problems = problems(object, facts.configuration.config());
    match problems.as_slice() {
        [] => section.ok("spec", "can be used"),
        problems => {
            for problem in problems {
                let mend = format!("Correct it: kubectl edit eksclusterregistry {name}");
                section.failure("spec", problem.to_string(), vec![mend]);
            }
        }
    }
    status(&mut section, object);
    let caller = facts.caller.as_ref().and_then(|it| it.as_ref().ok());
    let way = Way { registry, object, caller: caller.map(String::as_str) };
    let because = match (problems.is_empty(), facts.configuration.config()) {
        (false, _) => Some("the spec cannot be used"),
        (_, None) => Some("the configuration cannot be used"),
        _ => None,
    };
    let because = through_aws(&mut section, registry, &way, because);
    let because = to_the_server(&mut section, registry, &way, because);
    cluster(&mut section, registry, &way, because);
    READINGS.iter().for_each(|reading| readable(&mut section, registry, &way, reading, because));
    section
}

/// The cluster of a registry whose spec can be used under this configuration.
pub fn target(object: &EKSClusterRegistry, config: &Config) -> Option<ClusterTarget> {
    problems(object, Some(config)).is_empty().then(|| object.spec.target().ok())?
}

/// All problems of the spec, as the index and the webhook find them.
fn problems(object: &EKSClusterRegistry, config: Option<&Config>) -> Vec<Problem> {
    let none = Guardrails::default();
    let guardrails = config.map_or(&none, |config| &config.guardrails);
    admission::registry(object, std::iter::empty(), guardrails).problems
}

/// What the registrar has told on the object.
fn status(section: &mut Section, object: &EKSClusterRegistry) {
    let conditions = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let of = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
    let Some(ready) = of("Ready") else {
        let mend = "See that a registrar runs and leads: the Lease above.";
        return section.warning("status", "no registrar has told anything of it", vec![mend.to_owned()]);
    };
    let told = |condition: &Condition| {
        format!("{} is {}, {}: {}", condition.type_, condition.status, condition.reason, condition.message)
    };
    let is_stale = ready.observed_generation.is_some_and(|seen| Some(seen) != object.metadata.generation);
    let bad: Vec<&Condition> = conditions.iter().filter(|condition| condition.status == "False").collect();
    // What tells the cause rather than that there is one.
    let first = bad.iter().find(|condition| condition.type_ != "Ready").or(bad.first());
    match (first, ready.status.as_str()) {
        (None, "True") if is_stale => {
            let mend = "Wait, or see that a registrar runs and leads: the Lease above.";
            section.warning(
                "status",
                "it is of an older spec: the registrar has not looked at this one",
                vec![mend.to_owned()],
            );
        }
        (None, "True") => section.ok("status", told(ready)),
        (None, _) => {
            section.warning("status", told(ready), vec!["Wait: it becomes True or False.".to_owned()])
        }
        (Some(_), "False") if ready.reason == "Disabled" => {
            let mend = format!(
                "Where it is to be watched: kubectl patch eksclusterregistry {} --type merge -p '{{\"spec\":{{\"enabled\":true}}}}'",
                object.name_any()
            );
            section.warning("status", told(ready), vec![mend]);
        }
        (Some(first), ready) => {
            let verdict = if ready == "True" { Verdict::Warning } else { Verdict::Failure };
            section.add(
                "status",
                verdict,
                told(first),
                vec!["It is the registrar's last word; below is what is found now.".to_owned()],
            );
        }
    }
}

/// Why what follows is not looked at.
type Because = Option<&'static str>;

fn host(section: &mut Section, check: &str, host: &Host, mend: Vec<String>) -> bool {
    match &host.addresses {
        Ok(addresses) => section.ok(check, format!("{} is {}", host.name, listed(addresses))),
        Err(failed) => section.failure(check, format!("{}: {}", host.name, failed.message), mend),
    }
    host.addresses.is_ok()
}

fn through_aws(section: &mut Section, registry: &Registry, way: &Way<'_>, because: Because) -> Because {
    let mut because = because;
    match (because, &registry.proxy) {
        (Some(because), _) => section.skipped("AWS's names", because),
        (None, Some(proxy)) => {
            section.ok("AWS's names", format!("the proxy {proxy} looks them up (HTTPS_PROXY)"))
        }
        (None, None) => {
            for one in &registry.hosts {
                let mend = "Resolve it from here: by the VPC's DNS, or by an interface endpoint of its own; or name a proxy by HTTPS_PROXY.";
                if !host(section, "AWS's names", one, vec![mend.to_owned()]) {
                    because = Some("AWS's names are not resolved");
                }
            }
        }
    }
    let who = match &registry.role {
        Some(role) => format!("role {role}"),
        None => "this process's own credentials".to_owned(),
    };
    match (because, &registry.credentials) {
        (Some(because), None) => section.skipped("role", because),
        (None, None) => section.skipped("role", "it was not asked for"),
        (_, Some(Ok(()))) if registry.role.is_some() => section.ok("role", format!("{who} is assumed")),
        (_, Some(Ok(()))) => section.ok("role", format!("none is assumed: {who} are used")),
        (_, Some(Err(failed))) => {
            section.failure("role", &failed.message, way.mend(&failed.reason));
            because = because.or(Some("there are no credentials"));
        }
    }
    match &registry.described {
        None => section.skipped("DescribeCluster", because.unwrap_or("it was not asked for")),
        Some(Ok(described)) => {
            let Described { arn, status, version, authentication_mode, .. } = described;
            let version = version.as_deref().unwrap_or("not told");
            let mode = authentication_mode.as_deref().unwrap_or("not told");
            section.ok(
                "DescribeCluster",
                format!("{arn} is {status}, version {version}, authentication mode {mode}"),
            );
        }
        Some(Err(failed)) => {
            section.failure("DescribeCluster", &failed.message, way.mend(&failed.reason));
            because = because.or(Some("EKS did not describe the cluster"));
        }
    }
    because
}

/// Whether a failure is told by an answer of the API server, so that the connection is none of its causes.
fn is_answer(failed: &Failed) -> bool {
    let words = ["Forbidden", "APIServerThrottled", "APIServerRefused", "AnswerUnreadable", "AnswerTooLarge"];
    is_of_token(failed) || words.contains(&failed.reason.as_str())
}

fn is_of_token(failed: &Failed) -> bool {
    reasons::stage(&failed.reason) == Stage::Credentials
}

fn to_the_server(section: &mut Section, registry: &Registry, way: &Way<'_>, because: Because) -> Because {
    let mut because = because;
    let proxy = way.object.spec.proxy_url.as_deref().filter(|proxy| !proxy.is_empty());
    match (because, &registry.endpoint, proxy) {
        (Some(because), ..) => section.skipped("endpoint", because),
        (None, Some(endpoint), _) => {
            if !host(section, "endpoint", endpoint, way.mend("NameNotResolved")) {
                because = Some("the endpoint's name is not resolved");
            }
        }
        (None, None, Some(proxy)) => {
            section.ok("endpoint", format!("the proxy {proxy} looks it up (spec.proxyURL)"))
        }
        (None, None, None) => section.skipped("endpoint", "it was not asked for"),
    }
    let by = proxy.map(|proxy| format!(", through the proxy {proxy}")).unwrap_or_default();
    let described = registry.described.as_ref().and_then(|it| it.as_ref().ok());
    let at = described.map(|described| described.endpoint.as_str()).unwrap_or_default();
    let trusted =
        format!("{at} answers{by}; its certificate is of the cluster's authority and name, and in its time");
    match &registry.reached {
        None => section.skipped("connection", because.unwrap_or("it was not tried")),
        Some(Err(failed)) if !is_answer(failed) => {
            section.failure("connection", &failed.message, way.mend(&failed.reason));
            because = because.or(Some("there is no connection"));
        }
        Some(Err(_)) => section.ok("connection", trusted),
        Some(Ok(Reached { version, .. })) => {
            let version = version.as_ref().map(|version| format!(", version {version}")).unwrap_or_default();
            section.ok("connection", trusted + &version);
        }
    }
    if let Some(Ok(Reached { clock_ahead: Some(seconds), .. })) = registry.reached {
        let direction = if seconds > 0 { "ahead of" } else { "behind" };
        match seconds.unsigned_abs() {
            seconds if seconds > CLOCK_SECONDS => {
                let found = format!("this machine's clock is {seconds} s {direction} the API server's");
                section.warning("clock", found, way.mend("ClockDiffers"));
            }
            seconds => section.ok("clock", format!("within {} s of the API server's", seconds.max(1))),
        }
    }
    let refused = [failure(&registry.reached), failure(&registry.uid)];
    let refused = refused.into_iter().flatten().find(|failed| is_of_token(failed));
    match (refused, &registry.uid) {
        (Some(failed), _) => {
            section.failure("token", &failed.message, way.mend(&failed.reason));
            because = because.or(Some("the API server takes no token"));
        }
        (None, None) => section.skipped("token", because.unwrap_or("it was not shown")),
        (None, Some(Err(failed))) if !is_answer(failed) => {
            section.skipped("token", "there is no answer to it")
        }
        (None, Some(_)) => section.ok("token", "the API server takes it"),
    }
    because
}

fn cluster(section: &mut Section, registry: &Registry, way: &Way<'_>, because: Because) {
    let uid = match &registry.uid {
        Some(Ok(uid)) => uid,
        Some(Err(failed)) if !is_of_token(failed) => {
            return section.failure("cluster", &failed.message, way.mend(&failed.reason));
        }
        _ => return section.skipped("cluster", because.unwrap_or("it was not asked which it is")),
    };
    let status = way.object.status.as_ref();
    match status.and_then(|status| status.cluster_uid.as_ref()) {
        None => section.ok("cluster", format!("its kube-system is {uid}; no other was known before")),
        Some(known) if known == uid => {
            section.ok("cluster", format!("it is the one that the entries are of: its kube-system is {uid}"))
        }
        Some(known) => {
            let found = format!(
                "another cluster answers: its kube-system is {uid}, and the entries are of the one with {known}"
            );
            let mend = vec![
                "Correct the registry; or where this cluster takes the other's place, say so:".to_owned(),
                format!(
                    "  kubectl annotate eksclusterregistry {} {ACCEPT_CLUSTER_ANNOTATION}={uid} --overwrite",
                    registry.name
                ),
            ];
            section.failure("cluster", found, mend);
        }
    }
}

/// One resource: its verbs, and the list of one object.
fn readable(section: &mut Section, registry: &Registry, way: &Way<'_>, reading: &Reading, because: Because) {
    let resource = reading.resource;
    let asked: Vec<&Granted> =
        registry.rights.iter().filter(|granted| granted.right.resource == resource).collect();
    let missing: Vec<&str> = asked
        .iter()
        .filter(|granted| granted.is_granted == Ok(false))
        .map(|granted| granted.right.verb.as_str())
        .collect();
    if let Some(failed) = asked.iter().find_map(|granted| granted.is_granted.as_ref().err()) {
        let found = format!("whether it may be read is not known: {}", failed.message);
        return section.failure(resource, found, way.mend(&failed.reason));
    }
    if !missing.is_empty() {
        let is_vital = missing.iter().any(|verb| reading.vital.contains(verb));
        let verdict = if is_vital { Verdict::Failure } else { Verdict::Warning };
        let found = format!("may not {} them: {}", listed(&missing), reading.without);
        return section.add(resource, verdict, found, way.rule(reading, &missing));
    }
    let list = registry.lists.iter().find(|(listed, _)| listed == resource);
    match (asked.as_slice(), list) {
        ([], None) => section.skipped(resource, because.unwrap_or("the API server did not answer before")),
        (_, Some((_, Err(failed)))) => {
            section.failure(resource, &failed.message, way.mend(&failed.reason));
        }
        (_, Some((_, Ok(())))) => {
            let verbs = listed(asked.iter().map(|granted| granted.right.verb.as_str()));
            section.ok(resource, format!("may {verbs} them, and did list them"));
        }
        (_, None) => section.skipped(resource, "they were not listed"),
    }
}
