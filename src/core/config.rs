//! `ControllerManagerConfig`: the configuration file, read into checked values with every problem told at once.

mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reader::Reader;
use regex::Regex;

use crate::api::Problem;
use crate::brake::Budgets;
use crate::guardrails::{FederationRule, Guardrails, Pattern, Rule};
use crate::ledger::Mode;
use crate::names::{AccountId, Region, RoleArn};
use crate::plugin;
use crate::spiffe::{TrustDomain, trust_domain};

/// The configuration with every default filled in.
#[derive(Debug, Clone)]
pub struct Config {
    /// `trustDomain`, required: the SPIRE server's trust domain.
    pub trust_domain: TrustDomain,
    /// `clusterName`, default `default`: the management cluster's name, for logs.
    pub cluster_name: String,
    /// `clusterDomain`, default `cluster.local`: what templates call `.ClusterDomain`.
    pub cluster_domain: String,
    /// `spireServerSocketPath`, default `/run/spire/sockets/server.sock`.
    pub spire_server_socket_path: String,
    /// `spireServerAddress`, `host:port`: SPIRE's API by mutual TLS instead of at its socket; absent: at the socket.
    pub spire_server_address: Option<String>,
    /// `workloadAPISocketPath`, default `/spiffe-workload-api/spire-agent.sock`: where the SVID for that comes from.
    pub workload_api_socket_path: String,
    /// `entryIDPrefix`, default `eks-workload-`: what every id of ours begins with.
    pub entry_id_prefix: Arc<str>,
    /// `gcInterval`, default `10m`: how often all entries are listed from SPIRE and compared.
    pub gc_interval: Duration,
    /// `syncPeriod`, default `30s`: how often status is brought up to date when nothing else asks for it.
    pub sync_period: Duration,
    /// `ignoreNamespaces`, default none: regular expressions of namespaces whose pods get nothing.
    pub ignore_namespaces: Vec<Regex>,
    /// `mode`, default `Sync`: how much of the plan is carried out.
    pub mode: Mode,
    /// `adopt`, default false: entries whose ids are those of the predecessor count as ours where a pod is to have them.
    pub adopt: bool,
    /// `brake`: how much may be deleted or given another identity before somebody has to release it.
    pub brake: Budgets,
    /// `updatesPerSecond`, default 200: how many entries are updated a second at most, since agents sign anew for each.
    pub updates_per_second: NonZeroU16,
    /// `guardrails`: what nobody who writes our objects can take; absent: nothing is restricted.
    pub guardrails: Guardrails,
    /// `aws`.
    pub aws: AwsConfig,
    /// `clusters.connectingAtOnce`, default 32: how many clusters are connected to and listed at a time.
    pub connecting_at_once: u16,
    /// `leaderElection`.
    pub leader_election: LeaderElectionConfig,
    /// `metrics.bindAddress`, default `:8080`; `0` serves none.
    pub metrics_bind_address: String,
    /// `admin`.
    pub admin: AdminConfig,
    /// `health`.
    pub health: HealthConfig,
    /// `webhook`; absent: no admission webhook is served.
    pub webhook: Option<WebhookConfig>,
    /// `plugins`, but for what is a guardrail.
    pub plugins: PluginsConfig,
}

/// `plugins`. `allowedSources` and `limits` are in [`Guardrails::plugins`].
#[derive(Debug, Clone)]
pub struct PluginsConfig {
    /// `cacheDir`, default none: where fetched components are kept, so that a start does not depend on their sources.
    pub cache_dir: Option<PathBuf>,
    /// `maxSize`, default `32Mi`: the largest component, in bytes.
    pub max_size: u64,
    /// `workers`, default 2: how many calls run at a time.
    pub workers: u16,
    /// `compileTime`, default `2m`: how long compiling one component may take.
    pub compile_time: Duration,
    /// `compileMemory`, default `2Gi`: how much memory compiling one component may take.
    pub compile_memory: u64,
    /// `pullSecrets`: the registries' hosts that each Secret may be used for.
    pub pull_secrets: BTreeMap<String, BTreeSet<String>>,
}

/// `aws`.
#[derive(Debug, Clone, Default)]
pub struct AwsConfig {
    /// `region`: the region of the registrar's own AWS calls; default: the SDK's own chain.
    pub region: Option<Region>,
    /// `accountIds`: accounts whose clusters may be connected to; empty: all.
    pub account_ids: BTreeSet<AccountId>,
    /// `assumeRoleArn`: the role for clusters whose registry names none.
    pub assume_role_arn: Option<RoleArn>,
}

/// `leaderElection`.
#[derive(Debug, Clone)]
pub struct LeaderElectionConfig {
    /// `leaderElect`, default true: whether a Lease decides which replica writes.
    pub leader_elect: bool,
    /// `resourceName`, default `spire-eks-workload-registrar.spire.io`.
    pub resource_name: String,
    /// `resourceNamespace`, default `spire-system`.
    pub resource_namespace: String,
    /// `leaseDuration`, default `15s`.
    pub lease_duration: Duration,
    /// `renewDeadline`, default `10s`.
    pub renew_deadline: Duration,
    /// `retryPeriod`, default `2s`.
    pub retry_period: Duration,
}

/// `admin`.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// `bindAddress`, default `0`, which serves none: where `explain` and the page are answered, read only.
    pub bind_address: String,
    /// `page`, default false: whether the page is served there.
    pub page: bool,
}

/// `health`.
#[derive(Debug, Clone)]
pub struct HealthConfig {
    /// `healthProbeBindAddress`, default `:8081`; `0` serves none.
    pub bind_address: String,
    /// `readinessEndpointName`, default `readyz`.
    pub readiness_endpoint_name: String,
    /// `livenessEndpointName`, default `healthz`.
    pub liveness_endpoint_name: String,
    /// `stuckAfter`, default `10m`: how long one turn of the index's or the writer's loop may take before liveness fails.
    pub stuck_after: Duration,
}

/// `webhook`.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// `port`, default 9443.
    pub port: u16,
    /// `host`, default all addresses.
    pub host: String,
    /// `certDir`, default `/tmp/k8s-webhook-server/serving-certs`: where `tls.crt` and `tls.key` are, as cert-manager
    /// writes them; they are read again when they change.
    pub cert_dir: String,
    /// `configurationName`, default none: where `certDir` has no certificate, the registrar makes one and tells its
    /// authority to the ValidatingWebhookConfiguration of this name.
    pub configuration_name: Option<String>,
    /// `serviceName`, default `spire-eks-workload-registrar-webhook`: the Service by which the API server calls, in
    /// `leaderElection.resourceNamespace`; a certificate that the registrar makes is of this name, and is kept in the Secret
    /// of this name.
    pub service_name: String,
}

/// The API version that the file has to name.
pub const API_VERSION: &str = "eksclusterregistry.spire.spiffe.io/v1alpha1";

const INVALID: &str = "InvalidConfig";

impl Config {
    /// Reads the file's text; the error is every problem with its key's path, the value and what would be right.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let value: serde_json::Value = serde_saphyr::from_str(text)
            .map_err(|error| vec![Problem::new(INVALID, "(file)", format!("is not YAML: {error}"))])?;
        let mut problems = Vec::new();
        let config = Self::read(Reader::root(&value, &mut problems));
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(problems),
        }
    }

    fn read(mut file: Reader<'_>) -> Option<Self> {
        file.constant("apiVersion", API_VERSION);
        file.constant("kind", "ControllerManagerConfig");
        file.ignore("metadata");
        let trust_domain = file.required("trustDomain", "a trust domain such as example.org", trust_domain);
        let cluster_name = file.text("clusterName", "default");
        let cluster_domain = file.text("clusterDomain", "cluster.local");
        let spire_server_socket_path = file.text("spireServerSocketPath", "/run/spire/sockets/server.sock");
        let spire_server_address = file.optional(
            "spireServerAddress",
            "host:port such as spire-server.spire-system:8081",
            host_port,
        );
        let workload_api_socket_path = file.checked(
            "workloadAPISocketPath",
            "/spiffe-workload-api/spire-agent.sock",
            "an absolute path",
            absolute_path,
        );
        let entry_id_prefix = file.checked(
            "entryIDPrefix",
            "eks-workload-",
            "1 to 100 of A-Z, a-z, 0-9, '.', '_', '-'",
            id_prefix,
        );
        let gc_interval = file.duration("gcInterval", Duration::from_secs(600));
        let sync_period = file.duration("syncPeriod", Duration::from_secs(30));
        let ignore_namespaces = file.list("ignoreNamespaces", "a regular expression", Regex::new);
        let mode = file.checked("mode", "Sync", "Sync, UpsertOnly or Observe", Mode::parse);
        let adopt = file.flag("adopt", false);
        let brake = file.section("brake", read_brake);
        let updates_per_second = file.count("updatesPerSecond", 200);
        let guardrails = file.section("guardrails", read_guardrails);
        let aws = file.section("aws", AwsConfig::read);
        let default_role = aws.assume_role_arn.as_ref();
        if let Some(denied) =
            default_role.and_then(|role| guardrails.check_role("aws.assumeRoleArn", role).err())
        {
            file.told(denied);
        }
        let connecting_at_once = file.section("clusters", |mut clusters| {
            let at_once = clusters.count("connectingAtOnce", 32);
            clusters.no_more();
            at_once
        });
        let leader_election = file.section("leaderElection", LeaderElectionConfig::read);
        let metrics_bind_address = file.section("metrics", |mut metrics| {
            let address = metrics.address("bindAddress", ":8080");
            metrics.no_more();
            address
        });
        let admin = file.section("admin", AdminConfig::read);
        let health = file.section("health", HealthConfig::read);
        let webhook = file.optional_section("webhook", WebhookConfig::read);
        let (plugins, plugin_rules) = file.section("plugins", PluginsConfig::read);
        let guardrails = Guardrails { plugins: plugin_rules, ..guardrails };
        file.no_more();
        Some(Self {
            trust_domain: trust_domain?,
            cluster_name,
            cluster_domain,
            spire_server_socket_path,
            spire_server_address,
            workload_api_socket_path: workload_api_socket_path?,
            entry_id_prefix: entry_id_prefix?.into(),
            gc_interval,
            sync_period,
            ignore_namespaces,
            mode: mode?,
            adopt,
            brake,
            updates_per_second: NonZeroU16::new(updates_per_second)?,
            guardrails,
            aws,
            connecting_at_once,
            leader_election,
            metrics_bind_address,
            admin,
            health,
            webhook,
            plugins,
        })
    }
}

impl AwsConfig {
    fn read(mut aws: Reader<'_>) -> Self {
        let region = aws.optional("region", "an AWS region such as us-west-2", |text| Region::new(text));
        let account_ids =
            aws.list("accountIds", "an account id of twelve digits, in quotes", |text| AccountId::new(text));
        let assume_role_arn =
            aws.optional("assumeRoleArn", "arn:aws:iam::<account>:role/<name>", |text| RoleArn::new(text));
        aws.no_more();
        Self { region, account_ids: account_ids.into_iter().collect(), assume_role_arn }
    }
}

fn read_brake(mut section: Reader<'_>) -> Budgets {
    let default = Budgets::default();
    let budgets = Budgets {
        scope_share: section.number("scopeShare", default.scope_share, 100, "a percentage from 0 to 100"),
        scope_number: section.number("scopeNumber", default.scope_number, u64::MAX, "a number of entries"),
        fleet_share: section.number("fleetShare", default.fleet_share, 100, "a percentage from 0 to 100"),
        fleet_number: section.number("fleetNumber", default.fleet_number, u64::MAX, "a number of entries"),
        window: section.duration("window", default.window),
    };
    section.no_more();
    budgets
}

fn read_guardrails(mut section: Reader<'_>) -> Guardrails {
    const PATHS: &str = "a pattern of paths such as /ns/*/sa/**";
    const NAMES: &str = "a pattern of identity names such as team-a.*";
    let guardrails = Guardrails {
        rules: section.sections("rules", |mut rule| {
            let read = Rule {
                accounts: rule
                    .list("accounts", "an account id of twelve digits, in quotes", |text| {
                        AccountId::new(text)
                    })
                    .into_iter()
                    .collect(),
                cluster_labels: rule.texts_by_key("clusterLabels"),
                spiffe_ids: rule.optional_list("spiffeIDs", PATHS, Pattern::of_paths),
                parent_ids: rule.optional_list("parentIDs", PATHS, Pattern::of_paths),
                dns_names: rule.optional_list(
                    "dnsNames",
                    "a pattern of DNS names such as **.svc.cluster.local",
                    Pattern::of_dns_names,
                ),
            };
            rule.no_more();
            read
        }),
        admin: section.optional_list("admin", NAMES, Pattern::of_names),
        downstream: section.optional_list("downstream", NAMES, Pattern::of_names),
        plugins: plugin::Rules::default(),
        role_arns: section.optional_list(
            "roleARNs",
            "a pattern of roles such as arn:aws:iam::*:role/spire-eks-workload-registrar",
            Pattern::of_role_arns,
        ),
        federates_with: section.sections("federatesWith", |mut rule| {
            let read = FederationRule {
                identities: rule.list("identities", NAMES, Pattern::of_names),
                trust_domains: rule
                    .list("trustDomains", "a trust domain such as partner.example", trust_domain)
                    .into_iter()
                    .collect(),
            };
            rule.no_more();
            read
        }),
    };
    section.no_more();
    guardrails
}

impl PluginsConfig {
    fn read(mut section: Reader<'_>) -> (Self, plugin::Rules) {
        const PLACES: &str = "a pattern of places such as oci://registry.example/plugins/**, https://host/path/*, file:///** or \
                              configmap://namespace/*";
        let allowed = section.optional_list("allowedSources", PLACES, Pattern::of_sources);
        let default = plugin::Rules::default();
        let ceilings = section.section("limits", |mut limits| {
            let default = plugin::DEFAULT_CEILINGS;
            let ceilings = plugin::Limits {
                time: limits.duration("time", default.time),
                memory: limits.bytes("memory", default.memory),
                output: limits.bytes("output", default.output),
            };
            limits.no_more();
            ceilings
        });
        let cache_dir = section.optional("cacheDir", "an absolute path", |text| {
            if text.starts_with('/') { Ok(PathBuf::from(text)) } else { Err("it is not absolute") }
        });
        let config = Self {
            cache_dir,
            max_size: section.bytes("maxSize", 32 << 20),
            workers: section.count("workers", 2),
            compile_time: section.duration("compileTime", Duration::from_secs(120)),
            compile_memory: section.bytes("compileMemory", 2 << 30),
            pull_secrets: section
                .sections("pullSecrets", |mut bound| {
                    let name = bound
                        .required("name", "the name of a Secret", |text| Ok::<_, String>(text.to_owned()));
                    let hosts =
                        bound.list("hosts", "a registry's host such as registry.example:5000", registry_host);
                    bound.no_more();
                    (name, hosts)
                })
                .into_iter()
                .flatten()
                .filter_map(|(name, hosts)| Some((name?, hosts.into_iter().collect())))
                .collect(),
        };
        section.no_more();
        let allowed_sources = allowed.unwrap_or(default.allowed_sources);
        (config, plugin::Rules { allowed_sources, ceilings })
    }
}

fn registry_host(text: &str) -> Result<String, &'static str> {
    let is_host = !text.is_empty() && !text.contains(['/', '@', '*', ' ']);
    if is_host { Ok(text.to_owned()) } else { Err("it is no host") }
}

impl LeaderElectionConfig {
    fn read(mut section: Reader<'_>) -> Self {
        let config = Self {
            leader_elect: section.flag("leaderElect", true),
            resource_name: section.text("resourceName", "spire-eks-workload-registrar.spire.io"),
            resource_namespace: section.text("resourceNamespace", "spire-system"),
            lease_duration: section.duration("leaseDuration", Duration::from_secs(15)),
            renew_deadline: section.duration("renewDeadline", Duration::from_secs(10)),
            retry_period: section.duration("retryPeriod", Duration::from_secs(2)),
        };
        if config.lease_duration <= config.renew_deadline {
            let right = format!("longer than renewDeadline ({:?})", config.renew_deadline);
            section.wrong("leaseDuration", &format!("{:?}", config.lease_duration), &right);
        }
        if config.renew_deadline <= config.retry_period {
            let right = format!("longer than retryPeriod ({:?})", config.retry_period);
            section.wrong("renewDeadline", &format!("{:?}", config.renew_deadline), &right);
        }
        section.no_more();
        config
    }
}

impl AdminConfig {
    fn read(mut section: Reader<'_>) -> Self {
        let config =
            Self { bind_address: section.address("bindAddress", "0"), page: section.flag("page", false) };
        if config.page && config.bind_address == "0" {
            section.wrong("page", "true", "false where bindAddress is \"0\": the page is served there");
        }
        section.no_more();
        config
    }
}

impl HealthConfig {
    fn read(mut section: Reader<'_>) -> Self {
        let config = Self {
            bind_address: section.address("healthProbeBindAddress", ":8081"),
            readiness_endpoint_name: section.text("readinessEndpointName", "readyz"),
            liveness_endpoint_name: section.text("livenessEndpointName", "healthz"),
            stuck_after: section.duration("stuckAfter", Duration::from_secs(600)),
        };
        if config.readiness_endpoint_name == config.liveness_endpoint_name {
            let name = format!("{:?}", config.readiness_endpoint_name);
            section.wrong("readinessEndpointName", &name, "another than livenessEndpointName");
        }
        section.no_more();
        config
    }
}

impl WebhookConfig {
    fn read(mut section: Reader<'_>) -> Self {
        let config = Self {
            port: section.port("port", 9443),
            host: section.text("host", ""),
            cert_dir: section.text("certDir", "/tmp/k8s-webhook-server/serving-certs"),
            configuration_name: section.optional("configurationName", "an object's name", object_name),
            service_name: section
                .checked(
                    "serviceName",
                    "spire-eks-workload-registrar-webhook",
                    "an object's name",
                    object_name,
                )
                .unwrap_or_default(),
        };
        section.no_more();
        config
    }
}

fn host_port(text: &str) -> Result<String, &'static str> {
    let port =
        text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(1..)) => Ok(text.to_owned()),
        _ => Err("it names no host and port"),
    }
}

fn absolute_path(text: &str) -> Result<String, &'static str> {
    text.starts_with('/').then(|| text.to_owned()).ok_or("it does not begin with /")
}

fn object_name(text: &str) -> Result<String, &'static str> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b);
    let right = (1..=63).contains(&text.len()) && text.bytes().all(fits);
    right.then(|| text.to_owned()).ok_or("it is not 1 to 63 of a-z, 0-9, '.', '-'")
}

fn id_prefix(text: &str) -> Result<String, &'static str> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let right = (1..=100).contains(&text.len()) && text.bytes().all(fits);
    right.then(|| text.to_owned()).ok_or("it would not make valid entry ids that can be told from others")
}

/// Replaces `$NAME` and `${NAME}` by what `lookup` gives, as `--expand-env` does; a name that it does not know is a
/// problem and not an empty text.
pub fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<String, Vec<Problem>> {
    let pattern = match Regex::new(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))") {
        Ok(pattern) => pattern,
        Err(error) => return Err(vec![Problem::new(INVALID, "(file)", error)]),
    };
    let mut problems = Vec::new();
    let expanded = pattern.replace_all(text, |found: &regex::Captures<'_>| {
        let name = found.get(1).or_else(|| found.get(2)).map_or("", |name| name.as_str());
        lookup(name).unwrap_or_else(|| {
            let message =
                format!("${name} is not set; set the environment variable or run without --expand-env");
            problems.push(Problem::new(INVALID, "(file)", message));
            String::new()
        })
    });
    let expanded = expanded.into_owned();
    if problems.is_empty() { Ok(expanded) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_file_gets_every_default() {
        let config = Config::parse("trustDomain: example.org\n").unwrap();
        assert_eq!(&*config.entry_id_prefix, "eks-workload-");
        assert_eq!(config.gc_interval, Duration::from_secs(600));
        assert_eq!(config.updates_per_second.get(), 200);
        assert_eq!(config.leader_election.lease_duration, Duration::from_secs(15));
        assert_eq!(config.health.bind_address, ":8081");
        assert!(config.leader_election.leader_elect);
    }

    #[test]
    fn every_problem_is_told_at_once_with_path_value_and_what_is_right() {
        let text = "trustDomain: https://example.org/\ngcInterval: 10 minutes\nspireSocket: /x\nignoreNamespaces: ['^a', '(']\n\
                    aws: {accountIds: [72422391281], region: mars}\nwebhook: {port: 0}\nleaderElection: {leaderElect: 'yes'}\nmetrics: {bindAdress: ':8080'}\n\
                    spireServerAddress: spire-server\nworkloadAPISocketPath: agent.sock\nupdatesPerSecond: 0\n";
        let told: Vec<String> = Config::parse(text).unwrap_err().iter().map(Problem::to_string).collect();
        for expected in [
            "trustDomain: \"https://example.org/\"",
            "gcInterval: \"10 minutes\"",
            "spireServerAddress: \"spire-server\"",
            "workloadAPISocketPath: \"agent.sock\"",
            "spireSocket: is no key of this file; did you mean spireServerSocketPath?",
            "ignoreNamespaces[1]: \"(\"",
            "metrics.bindAdress: is no key of this file; did you mean bindAddress?",
            "aws.accountIds[0]: 72422391281",
            "aws.region: \"mars\"",
            "webhook.port: 0",
            "updatesPerSecond: 0 must be a number from 1 to 65535",
            "leaderElection.leaderElect: \"yes\"",
        ] {
            assert!(told.iter().any(|line| line.starts_with(expected)), "{expected} in {told:#?}");
        }
        assert_eq!(told.len(), 12, "{told:#?}");
    }

    #[test]
    fn guardrails_are_read_and_an_absent_list_is_not_an_empty_one() {
        let text = "trustDomain: example.org\nguardrails:\n  admin: []\n  rules:\n  - accounts: ['111111111111']\n    \
                    clusterLabels: {env: dev}\n    spiffeIDs: [/ns/*/sa/*]\n  - dnsNames: []\n  federatesWith:\n  - identities: [web]\n    \
                    trustDomains: [partner.example]\n";
        let guardrails = Config::parse(text).unwrap().guardrails;
        let rules = guardrails.rules.unwrap();
        assert_eq!((rules[0].accounts.len(), rules[0].cluster_labels.len()), (1, 1));
        assert_eq!(rules[0].spiffe_ids.as_ref().map(Vec::len), Some(1));
        assert_eq!((rules[0].dns_names.as_ref(), rules[1].dns_names.as_ref().map(Vec::len)), (None, Some(0)));
        assert_eq!((guardrails.admin, guardrails.downstream), (Some(Vec::new()), None));
        let bad = "trustDomain: example.org\nguardrails: {rules: [{spiffeIDs: [ns, /a*], clusterLabels: {a: 1}, x: 1}], admins: []}\n";
        let told: Vec<String> = Config::parse(bad).unwrap_err().iter().map(|it| it.field.clone()).collect();
        for field in [
            "guardrails.rules[0].spiffeIDs[0]",
            "guardrails.rules[0].spiffeIDs[1]",
            "guardrails.rules[0].clusterLabels.a",
            "guardrails.rules[0].x",
            "guardrails.admins",
        ] {
            assert!(told.contains(&field.to_owned()), "{field} in {told:?}");
        }
        assert_eq!(told.len(), 5);
    }

    #[test]
    fn plugins_come_from_files_and_config_maps_unless_the_configuration_says_where_from() {
        let config = Config::parse("trustDomain: example.org\n").unwrap();
        let rules = &config.guardrails.plugins;
        assert!(rules.allowed_sources.iter().any(|it| it.fits_source("file:///plugins/a.wasm")));
        assert!(rules.allowed_sources.iter().all(|it| !it.fits_source("https://example.com/a.wasm")));
        let text = "trustDomain: example.org\nplugins: {allowedSources: ['oci://registry.example/plugins/**'], maxSize: 1Mi, \
                    limits: {time: 50ms, memory: 64Mi}, pullSecrets: [{name: pull, hosts: ['registry.example']}]}\n";
        let config = Config::parse(text).unwrap();
        let rules = &config.guardrails.plugins;
        assert!(rules.allowed_sources[0].fits_source("oci://registry.example/plugins/a/b"));
        for other in ["oci://registry.example/plugins", "oci://registry.example.evil/plugins/a", "file:///a"]
        {
            assert!(!rules.allowed_sources[0].fits_source(other), "{other}");
        }
        assert_eq!((config.plugins.max_size, rules.ceilings.memory), (1 << 20, 64 << 20));
        assert!(config.plugins.pull_secrets["pull"].contains("registry.example"));
        let bad = "trustDomain: example.org\nplugins: {allowedSources: ['http://a/*'], maxSize: big, cacheDir: here, \
                   pullSecrets: [{hosts: ['a/b']}]}\n";
        let told: Vec<String> = Config::parse(bad).unwrap_err().iter().map(|it| it.field.clone()).collect();
        for field in [
            "plugins.allowedSources[0]",
            "plugins.maxSize",
            "plugins.cacheDir",
            "plugins.pullSecrets[0].name",
            "plugins.pullSecrets[0].hosts[0]",
        ] {
            assert!(told.contains(&field.to_owned()), "{field} in {told:?}");
        }
    }

    #[test]
    fn the_default_role_is_one_that_the_guardrails_allow() {
        let with = |roles: &str| {
            let role = "arn:aws:iam::111122223333:role/registrar";
            let text = format!(
                "trustDomain: a.b\nguardrails: {{roleARNs: {roles}}}\naws: {{assumeRoleArn: '{role}'}}\n"
            );
            Config::parse(&text)
                .map_err(|problems| problems.iter().map(Problem::to_string).collect::<Vec<_>>())
        };
        assert!(with("['arn:aws:iam::*:role/registrar']").is_ok());
        let told = with("['arn:aws:iam::*:role/other']").unwrap_err();
        assert_eq!(told.len(), 1);
        assert!(
            told[0]
                .starts_with("aws.assumeRoleArn: arn:aws:iam::111122223333:role/registrar is not allowed by")
        );
        assert!(with("[registrar]").unwrap_err()[0].starts_with("guardrails.roleARNs[0]: \"registrar\""));
    }

    #[test]
    fn environment_variables_expand_and_unknown_ones_are_told() {
        let lookup = |name: &str| (name == "TD").then(|| "example.org".to_owned());
        assert_eq!(expand("a: ${TD}/$TD", lookup).unwrap(), "a: example.org/example.org");
        assert!(expand("a: $NOPE", lookup).unwrap_err()[0].message.contains("$NOPE is not set"));
    }
}
