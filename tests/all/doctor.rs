//! `doctor`: each step that can fail, with the line that names it and the mend; facts from files, and the world asked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use k8s_openapi::jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use registrar_core::config::Config;
use registrar_core::doctor::{
    Answer, Configuration, Facts, Granted, Management, Registry, Spire, Verdict, diagnose,
};
use registrar_core::rights::{self, READINGS, Right, VERBS};
use registrar_proto::types::{Agent, Spiffeid};
use registrar_world::kube::Shown;
use registrar_world::spire::SpireServer;
use registrar_world::{Proxy, World, aws::Operation, objects};
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::Code;

use crate::fleet::{PATIENCE, identity};

/// As whom deploy/ lets the registrar in.
const ACCOUNT: &str = "system:serviceaccount:spire-system:spire-eks-workload-registrar";
const HOST: &str = "spire-eks-workload-registrar-webhook.spire-system.svc";

/// A file of facts. Rights are shortened: `all`, or those that are missing, each as `[verb, resource]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    place: String,
    config: String,
    spire: Option<Spire>,
    management: Value,
    caller: Answer<String>,
    registries: Vec<Value>,
}

fn granted(all: Vec<Right>, shortened: Option<Value>) -> Vec<Granted> {
    let Some(shortened) = shortened else { return Vec::new() };
    let missing = shortened.as_array().cloned().unwrap_or_default();
    let is_missing = |right: &Right| missing.contains(&json!([right.verb, right.resource_in_rules()]));
    let each = all.into_iter().map(|right| Granted { is_granted: Ok(!is_missing(&right)), right });
    let granted: Vec<Granted> = each.collect();
    let count = granted.iter().filter(|granted| granted.is_granted == Ok(false)).count();
    assert!(count >= missing.len(), "{missing:?} are rights");
    granted
}

fn facts(name: &str) -> Facts {
    let path = Path::new(crate::ROOT).join(format!("tests/cases/doctor/{name}.yaml"));
    let value: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let case: Case = serde_json::from_value(value).unwrap();
    let configuration = Config::parse(&case.config).map_or_else(Configuration::Bad, Configuration::Good);
    let rights_of = |value: &mut Value| value.as_object_mut().unwrap().remove("rights");
    let mut management = case.management;
    let shortened = rights_of(&mut management);
    let all = configuration.config().map(rights::management).unwrap_or_default();
    let management = Management {
        rights: granted(all.into_iter().map(|need| need.right).collect(), shortened),
        ..serde_json::from_value(management).unwrap()
    };
    let registries = case.registries.into_iter().map(|mut value| {
        let shortened = rights_of(&mut value);
        let all = READINGS
            .iter()
            .flat_map(|reading| VERBS.map(|verb| Right::new(reading.group, reading.resource, verb)));
        let registry: Registry = serde_json::from_value(value).unwrap();
        Registry { rights: granted(all.collect(), shortened), ..registry }
    });
    let registries = registries.collect();
    let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
    Facts {
        now,
        place: case.place,
        configuration,
        spire: case.spire,
        management,
        caller: case.caller,
        registries,
    }
}

/// What is printed for a file of facts.
pub fn printed(name: &str) -> String {
    diagnose(&facts(name)).to_string()
}

#[test]
fn every_line_is_what_it_was() {
    for (name, verdict) in [
        ("well", Verdict::Skipped),
        ("nothing", Verdict::Failure),
        ("around", Verdict::Failure),
        ("refused", Verdict::Failure),
        ("stranger", Verdict::Failure),
        ("elsewhere", Verdict::Failure),
    ] {
        let diagnosis = diagnose(&facts(name));
        assert_eq!(diagnosis.verdict, verdict, "{name}");
        crate::golden(&format!("tests/cases/doctor/{name}.txt"), &diagnosis.to_string());
        for line in diagnosis.sections.iter().flat_map(|section| &section.lines) {
            let is_mended = matches!(line.verdict, Verdict::Warning | Verdict::Failure);
            assert_eq!(is_mended, !line.mend.is_empty(), "{line:?}");
            assert!(line.mend.iter().all(|mend| !mend.trim().is_empty()), "{line:?}");
        }
    }
}

/// What the command says of the world, with its configuration in a file.
struct Said {
    status: Option<i32>,
    json: Value,
    text: String,
}

async fn doctor(world: &World, config: &Path, arguments: &[&str]) -> Said {
    let ask = |output: &'static str| {
        let mut command = world.command(crate::PROGRAM);
        command.args(["doctor", "-o", output, "--config"]).arg(config).args(arguments);
        async move { command.output().await.unwrap() }
    };
    let output = ask("json").await;
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let json = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
    Said { status: output.status.code(), json, text: stdout }
}

impl Said {
    /// Verdict, what was found and the mend of the first line of a check that is not `ok`, or else the first.
    fn line(&self, about: &str, check: &str) -> (String, String, String) {
        let sections = self.json["sections"].as_array().unwrap();
        let section = sections.iter().find(|section| section["about"] == about);
        let section = section.unwrap_or_else(|| panic!("{about}: {}", self.text));
        let lines: Vec<&Value> =
            section["lines"].as_array().unwrap().iter().filter(|line| line["check"] == check).collect();
        let line = lines.iter().find(|line| line["verdict"] != "ok").or(lines.first());
        let line = line.unwrap_or_else(|| panic!("{about}, {check}: {}", self.text));
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let mend = line["mend"].as_array().into_iter().flatten().filter_map(Value::as_str);
        (text("verdict"), text("found"), mend.collect::<Vec<_>>().join("\n"))
    }

    fn has(&self, about: &str, check: &str, verdict: &str, found: &str, mend: &str) {
        let line = self.line(about, check);
        let is_so = line.0 == verdict && line.1.contains(found) && line.2.contains(mend);
        assert!(is_so, "{about}, {check}: {verdict}, {found:?}, {mend:?} is not {line:#?}");
    }
}

/// A configuration file of its own, for worlds in which no registrar runs.
fn write_config(world: &World, patch: &Value) -> PathBuf {
    let mut config = json!({
        "trustDomain": "example.org",
        "spireServerSocketPath": world.spire.path(),
        "aws": {"region": "us-west-2"},
        "admin": {"bindAddress": "127.0.0.1:8083"},
        "guardrails": {"rules": [{"spiffeIDs": ["/ns/**"]}], "roleARNs": ["arn:aws:iam::*:role/**"]},
    });
    config.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    let path = world.folder().join("doctor.yaml");
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

/// A certificate of the webhook's name in a folder; its authority.
fn write_certificate(folder: &Path, until: i32) -> String {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let mut server = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    server.not_before = rcgen::date_time_ymd(2020, 1, 1);
    server.not_after = rcgen::date_time_ymd(until, 1, 1);
    let server = server.signed_by(&key, &issuer).unwrap();
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("tls.crt"), server.pem()).unwrap();
    pem
}

/// The ValidatingWebhookConfiguration that trusts an authority, and the Service's endpoints.
fn put_webhook(world: &World, authority: &str) {
    let (service, namespace) = HOST.strip_suffix(".svc").unwrap().split_once('.').unwrap();
    world.management.put(json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "spire-eks-workload-registrar"},
        "webhooks": [{
            "name": "validate.eksclusterregistry.spire.spiffe.io", "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {
                "service": {"name": service, "namespace": namespace, "path": "/validate"},
                "caBundle": BASE64.encode(authority.as_bytes()),
            },
        }],
    }));
    world.management.put(json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": format!("{service}-1"), "namespace": namespace, "labels": {"kubernetes.io/service-name": service}},
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}}],
    }));
}

fn attest(spire: &SpireServer) {
    let id =
        Spiffeid { trust_domain: "example.org".to_owned(), path: "/spire/agent/k8s_psat/east/1".to_owned() };
    spire.attest(Agent { id: Some(id), x509svid_expires_at: i64::from(u32::MAX), ..Agent::default() });
}

#[tokio::test]
async fn where_all_is_well_every_line_is_ok() {
    let mut world = crate::fleet::world(&["east"]).await;
    let certificates = world.folder().join("certificates");
    let authority = write_certificate(&certificates, 2100);
    put_webhook(&world, &authority);
    attest(&world.spire);
    world.management.call_user(ACCOUNT);
    world.management.put(objects::pod("spire-system", "registrar-1", "n1", "default"));
    let webhook = json!({"host": "127.0.0.1", "port": registrar_world::free_port(), "certDir": certificates});
    // Longer than a slow machine pauses.
    world.configure(&json!({
        "leaderElection": {"leaseDuration": "60s", "renewDeadline": "40s"},
        "guardrails": {"rules": [{"spiffeIDs": ["/ns/**"]}], "roleARNs": ["arn:aws:iam::*:role/**"]}, "webhook": webhook,
    }));
    world.register("east");
    world.management.put(identity("web", "web"));
    let registrar = world.run(crate::PROGRAM);
    let mut fleet = crate::fleet::Fleet { world, registrar };
    fleet.until_condition("eksclusterregistries", "east", "Ready", "True", "Connected").await;
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    let before = (fleet.world.spire.writes().len(), fleet.world.management.revision());
    let said = doctor(&fleet.world, &fleet.world.folder().join("config-1.yaml"), &[]).await;
    let lines =
        said.json["sections"].as_array().unwrap().iter().flat_map(|it| it["lines"].as_array().unwrap());
    let others: Vec<&Value> = lines.filter(|line| line["verdict"] != "ok").collect();
    assert!(others.is_empty() && said.status == Some(0) && said.json["verdict"] == "ok", "{others:#?}");
    assert_eq!(fleet.world.spire.writes().len(), before.0, "nothing is written");
    said.has("registry/east", "cluster", "ok", "the one that the entries are of", "");
    said.has("management", "lease", "ok", "held by registrar-1_", "");
    // Another cluster in its place, where no registrar puts the status right.
    fleet.registrar.kill().await;
    let status = json!({"status": {"clusterUID": "00000000-0000-4000-8000-000000000009"}});
    fleet.world.management.patch("eksclusterregistries", None, "east", status);
    let said =
        doctor(&fleet.world, &fleet.world.folder().join("config-1.yaml"), &["--registry", "east"]).await;
    said.has("registry/east", "cluster", "failure", "another cluster answers", "accept-cluster=");
    assert_eq!(said.status, Some(1));
}

#[tokio::test]
async fn what_is_in_the_way_to_each_cluster_is_named_with_its_mend() {
    let names = [
        "name",
        "proxy",
        "role",
        "missing",
        "account",
        "authority",
        "stranger",
        "mapped",
        "partial",
        "clock",
    ];
    let world = crate::fleet::world(&names).await;
    let spec = |world: &World, name: &str, patch: Value| {
        let mut registry = world.registry(name);
        registry["spec"].as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        world.management.put(registry);
    };
    let eks = |world: &World, name: &str| world.workload_cluster(name).eks.clone();
    // Whom AWS knows the program as.
    let user = "arn:aws:iam::111122223333:user/registrar";
    let proxy = Proxy::start(&[]).await;
    let mut nowhere = eks(&world, "name");
    nowhere.endpoint = "https://api.world.invalid".to_owned();
    world.aws.put_cluster(nowhere.clone());
    spec(&world, "name", json!({}));
    spec(&world, "proxy", json!({"proxyURL": proxy.url(), "endpoint": "https://10.255.255.1"}));
    let role = "arn:aws:iam::111122223333:role/registrar";
    world.aws.add_role(role, "111122223333", Some("team-7"));
    spec(&world, "role", json!({"assumeRoleArn": role, "externalId": "another"}));
    spec(&world, "missing", json!({"clusterName": "eks-missed"}));
    let mut others = eks(&world, "account");
    others.arn = "arn:aws:eks:us-west-2:999999999999:cluster/eks-account".to_owned();
    world.aws.put_cluster(others);
    spec(&world, "account", json!({}));
    world.cluster("authority").show(Shown::OfAnotherAuthority);
    spec(&world, "authority", json!({}));
    world.aws.disallow(user, &eks(&world, "stranger"));
    spec(&world, "stranger", json!({}));
    let mut mapped = eks(&world, "mapped");
    mapped.authentication_mode = "CONFIG_MAP".to_owned();
    world.aws.put_cluster(mapped.clone());
    world.aws.disallow(user, &mapped);
    spec(&world, "mapped", json!({}));
    world.cluster("partial").forbid("nodes", true);
    world.cluster("partial").deny("watch", "pods");
    spec(&world, "partial", json!({}));
    world.cluster("clock").set_clock(-120);
    spec(&world, "clock", json!({}));

    let config = write_config(&world, &json!({}));
    let said = doctor(&world, &config, &[]).await;
    assert_eq!(said.status, Some(1));
    said.has("aws", "credentials", "ok", user, "");
    for (name, check, verdict, found, mend) in [
        ("name", "endpoint", "failure", "api.world.invalid", "spec.endpoint"),
        ("name", "connection", "skipped", "because the endpoint's name is not resolved", ""),
        ("proxy", "connection", "failure", "cannot get version", "allows CONNECT"),
        ("proxy", "token", "skipped", "because there is no connection", ""),
        ("role", "role", "failure", role, "\"sts:ExternalId\":\"another\""),
        ("role", "DescribeCluster", "skipped", "because there are no credentials", ""),
        ("missing", "DescribeCluster", "failure", "eks-missed", "aws eks list-clusters --region us-west-2"),
        ("account", "DescribeCluster", "failure", "999999999999", "spec.accountId"),
        ("authority", "connection", "failure", "invalid peer certificate", "look for a proxy that opens TLS"),
        ("authority", "pods", "skipped", "because there is no connection", ""),
        ("stranger", "connection", "ok", "answers", ""),
        (
            "stranger",
            "token",
            "failure",
            "401",
            "aws eks create-access-entry --cluster-name eks-stranger --region us-west-2",
        ),
        (
            "mapped",
            "token",
            "failure",
            "401",
            "mapUsers: |\n    - userarn: arn:aws:iam::111122223333:user/registrar",
        ),
        ("partial", "token", "ok", "takes it", ""),
        (
            "partial",
            "nodes",
            "warning",
            "may not get, list, watch them: pods of nodes",
            "deploy/workload-cluster/rbac.yaml",
        ),
        (
            "partial",
            "pods",
            "failure",
            "may not watch them: the cluster is not watched",
            "apply -f deploy/workload-cluster/rbac.yaml",
        ),
        ("partial", "namespaces", "ok", "did list them", ""),
        ("clock", "clock", "warning", "s ahead of the API server's", "clock"),
        ("clock", "pods", "ok", "did list them", ""),
    ] {
        said.has(&format!("registry/{name}"), check, verdict, found, mend);
    }
    // What AWS denies, and a name that is not there.
    world.aws.fail_next(Operation::DescribeCluster, 1, 403, "AccessDeniedException");
    let said = doctor(&world, &config, &["--registry", "clock", "--registry", "clok"]).await;
    let statement = r#"{"Action":"eks:DescribeCluster","Effect":"Allow","Resource":"arn:aws:eks:us-west-2:111122223333:cluster/eks-clock"}"#;
    said.has("registry/clock", "DescribeCluster", "failure", "AccessDeniedException", statement);
    said.has(
        "registry/clok",
        "object",
        "failure",
        "there is no EKSClusterRegistry/clok",
        "Did you mean clock?",
    );
    assert!(
        said.json["sections"].as_array().unwrap().iter().all(|section| section["about"] != "registry/name")
    );
    // AWS itself out of reach, by name.
    let mut command = world.command(crate::PROGRAM);
    command.args(["doctor", "--registry", "clock", "--config"]).arg(&config);
    command.env("AWS_ENDPOINT_URL_EKS", "http://eks.world.invalid");
    let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("eks.world.invalid"));
    assert!(line.is_some_and(|line| line.contains("FAILURE  AWS's names")), "{text}");
    assert!(text.contains("because AWS's names are not resolved"), "{text}");
}

#[tokio::test]
async fn what_is_wrong_with_spire_is_named_with_its_mend() {
    let world = crate::fleet::world(&[]).await;
    attest(&world.spire);
    let config = write_config(&world, &json!({}));
    world.spire.refuse_calls(2, Code::PermissionDenied);
    let said = doctor(&world, &config, &[]).await;
    said.has("spire", "rights", "failure", "PermissionDenied", "spire-server entry create -admin");
    said.has("spire", "trust domain", "skipped", "does not let the registrar in", "");
    let config = write_config(&world, &json!({"trustDomain": "other.example"}));
    let said = doctor(&world, &config, &[]).await;
    said.has("spire", "trust domain", "failure", "trust domain \"example.org\"", "Set trustDomain");
    said.has("spire", "rights", "ok", "may list entries", "");
    let missing = world.folder().join("missing.sock");
    let config = write_config(&world, &json!({"spireServerSocketPath": missing}));
    let said = doctor(&world, &config, &[]).await;
    said.has("spire", "connection", "failure", "No such file", "mount the folder");
    said.has("spire", "agents", "skipped", "because there is no connection", "");
    let tcp = json!({"spireServerAddress": "127.0.0.1:9", "workloadAPISocketPath": missing});
    let said = doctor(&world, &write_config(&world, &tcp), &[]).await;
    said.has("spire", "own SVID", "failure", "missing.sock", "-selector k8s:sa:spire-eks-workload-registrar");
}

#[tokio::test]
async fn what_is_wrong_in_the_management_cluster_is_named_with_its_mend() {
    let world = crate::fleet::world(&[]).await;
    let management = &world.management;
    management.call_user(ACCOUNT);
    management.serve_resource("eksclusterregistries", false);
    management.forget_field("plugin");
    management.deny("watch", "workloadidentities");
    let election = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "spire-eks-workload-registrar.spire.io", "namespace": "spire-system"},
        "spec": {"holderIdentity": "registrar-7_0", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"},
    });
    management.put(election);
    let certificates = world.folder().join("certificates");
    put_webhook(&world, &write_certificate(&certificates, 2021));
    let config = write_config(&world, &json!({"webhook": {"certDir": certificates}, "mode": "Sync"}));
    let mut bad = identity("bad", "bad");
    bad["spec"]["plugin"] =
        json!({"source": {"url": "https://plugins.example/a.wasm"}, "sha256": "00".repeat(32)});
    bad["spec"].as_object_mut().unwrap().remove("spiffeIDTemplate");
    management.put(bad);
    let said = doctor(&world, &config, &[]).await;
    for (check, verdict, found, mend) in [
        ("eksclusterregistries", "failure", "does not serve v1alpha1", "kubectl apply -f crds/"),
        ("workloadidentities", "warning", "it lacks spec.plugin", "--server-side --force-conflicts -f crds/"),
        (
            "rights",
            "failure",
            "may not watch workloadidentities: nothing of the kind is known",
            r#""verbs":["watch"]"#,
        ),
        ("lease", "failure", "there is no pod registrar-7", "get pods -l app=spire-eks-workload-registrar"),
        ("webhook", "ok", "asks Service spire-system/", ""),
        ("webhook certificate", "failure", "expired at 2021-01-01", "webhook.certDir"),
        ("webhook endpoints", "ok", "has 1 that are ready", ""),
        ("identities", "failure", "WorkloadIdentity/bad: spec.plugin.source.url", "Correct the field"),
        ("registries", "failure", "404", "kubectl apply -f crds/"),
    ] {
        said.has("management", check, verdict, found, mend);
    }
    // One that is of another authority than the API server was told of.
    write_certificate(&certificates, 2100);
    let said = doctor(&world, &config, &[]).await;
    said.has("management", "webhook certificate", "failure", "invalid peer certificate", "cert-manager");
    management.refuse();
    let said = doctor(&world, &config, &[]).await;
    said.has("management", "API server", "failure", "", "API server of the management cluster");
    said.has("management", "lease", "skipped", "the API server does not answer", "");
}

#[tokio::test]
async fn a_bad_configuration_is_a_line_for_each_problem_and_bad_usage_is_told() {
    let world = crate::fleet::world(&[]).await;
    let config = world.folder().join("bad.yaml");
    std::fs::write(&config, "trustDomain: https://a/\ngcInterval: soon\n").unwrap();
    let said = doctor(&world, &config, &[]).await;
    assert_eq!(said.json["sections"][0]["lines"].as_array().unwrap().len(), 2, "{}", said.text);
    said.has("configuration", "file", "failure", "trustDomain", "Correct trustDomain in ");
    said.has("spire", "connection", "skipped", "because the configuration cannot be used", "");
    said.has("management", "API server", "ok", "it answers", "");
    let mut command = world.command(crate::PROGRAM);
    let output = tokio::time::timeout(PATIENCE, command.args(["doctor", "--registries"]).output()).await;
    assert_eq!(output.unwrap().unwrap().status.code(), Some(2));
}
