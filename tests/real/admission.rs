//! The admission webhook as the chart installs it, asked by the API server itself.

use std::path::PathBuf;

use registrar_world::free_port;
use registrar_world::spire::SpireServer;
use serde_json::{Value, json};

use crate::child::{Child, program};
use crate::install::{KINDS, condition, documents, installed_manifests, values};
use crate::kubernetes::Cluster;
use crate::registrar::PROGRAM;
use crate::spire::TRUST_DOMAIN;
use crate::wait::{self, SOON};
use crate::world::World;

const NAMESPACE: &str = "spire-system";
const SERVICE: &str = "spire-eks-workload-registrar-webhook";
const CONFIGURATION: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/spire-eks-workload-registrar";
const LOG: &str = "registrar-admission";

/// What the administrator has installed, and how the registrar is started in it.
struct Installed<'a> {
    world: &'a World,
    cluster: Cluster,
    config: PathBuf,
    kubeconfig: PathBuf,
    /// Kept: what the registrar has for SPIRE.
    _spire: SpireServer,
}

impl<'a> Installed<'a> {
    fn set(world: &'a World) -> Self {
        let cluster = world.empty_cluster("admission");
        let port = free_port();
        let socket = world.folder.join("admission-spire.sock");
        let _inside = world.runtime.enter();
        let spire = SpireServer::start(&socket, TRUST_DOMAIN);
        let chosen = json!({"config": {
            "trustDomain": TRUST_DOMAIN,
            "aws": {"region": "us-west-2"},
            "webhook": {"host": "127.0.0.1", "port": port},
            "metrics": {"bindAddress": "0"},
            "admin": {"bindAddress": "0"},
            "health": {"healthProbeBindAddress": "0"},
        }});
        let manifests = installed_manifests(world, &values(world, "admission", &chosen));
        cluster.kubectl(&["create", "namespace", NAMESPACE]);
        let mut objects = documents(&manifests);
        let of = |objects: &[Value], kind: &str, name: &str| {
            let found = |it: &Value| it["kind"] == kind && it["metadata"]["name"] == name;
            objects.iter().position(found).unwrap_or_else(|| panic!("no {kind} {name}"))
        };
        // There is no kube-proxy here: the Service is this machine, and its port the registrar's.
        let service = of(&objects, "Service", SERVICE);
        objects[service]["spec"] = json!({"type": "ExternalName", "externalName": "127.0.0.1"});
        let hooks = of(&objects, "ValidatingWebhookConfiguration", "spire-eks-workload-registrar");
        objects[hooks]["webhooks"][0]["clientConfig"]["service"]["port"] = json!(port);
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        cluster.kubectl_with(&["apply", "-f", "-"], &list.to_string());
        for kind in ["eksclusterregistries", "workloadidentities"] {
            let kind = format!("crd/{kind}.eksclusterregistry.spire.spiffe.io");
            cluster.kubectl(&["wait", "--for=condition=Established", &kind]);
        }
        let account = "spire-eks-workload-registrar";
        let token = cluster.kubectl(&["create", "token", account, "-n", NAMESPACE]);
        let kubeconfig = cluster.kubeconfig_of("registrar", token.trim());
        let config = &objects[of(&objects, "ConfigMap", "controller-manager-config")]["data"]["config.yaml"];
        let mut config = documents(config.as_str().unwrap()).remove(0);
        config["spireServerSocketPath"] = json!(socket);
        let path = world.folder.join("admission.yaml");
        std::fs::write(&path, config.to_string()).unwrap();
        Self { world, cluster, config: path, kubeconfig, _spire: spire }
    }

    fn start(&self) -> Child {
        let mut command = program(PROGRAM);
        command.args(["run", "--config"]).arg(&self.config).env("KUBECONFIG", &self.kubeconfig);
        command.envs(self.world.aws_variables());
        Child::start(LOG, &mut command, &self.world.folder)
    }

    /// What the API server says to an object, warnings included, which count as errors.
    fn told(&self, object: &Value) -> Result<String, String> {
        let arguments = ["apply", "--warnings-as-errors", "-f", "-"];
        self.cluster.try_kubectl(&arguments, &object.to_string())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.world.folder.join(format!("{LOG}.log"))).unwrap()
    }
}

fn identity(name: &str, more: &Value) -> Value {
    let mut spec = json!({
        "applicationName": name,
        "namespace": "shop",
        "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}",
        "podSelector": {"matchLabels": {"app": name}},
        "clusterSelector": {"matchLabels": {"type": "workload"}},
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({
        "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1",
        "kind": "WorkloadIdentity",
        "metadata": {"name": name},
        "spec": spec,
    })
}

fn registry(name: &str) -> Value {
    json!({
        "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1",
        "kind": "EKSClusterRegistry",
        "metadata": {"name": name},
        "spec": {"clusterName": "spire-agent-cluster", "region": "us-west-2", "accountId": "072422391281",
            "enabled": true, "labels": {"type": "workload"}},
    })
}

pub fn the_api_server_asks_before_it_stores(world: &World) {
    let installed = Installed::set(world);
    let bad = identity(
        "bad",
        &json!({
            "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/{{ .PodMeta.Name | nope }}",
            "dnsNameTemplates": ["{{ .PodMeta.Name }}.svc", "{{ if }}"],
            "workloadSelectorTemplates": ["{{ .Nothing }}"],
        }),
    );
    // With the registrar away, it is stored, and the registrar tells on it when it comes.
    installed.told(&bad).unwrap();
    let running = installed.start();
    wait::until("the condition", SOON, || {
        let told = condition(&installed.cluster, "workloadidentities/bad", "Valid");
        if told["status"] == "False" { Ok(()) } else { Err(told.to_string()) }
    });

    // The certificate was made, kept and told, so that the API server trusts it; whom it asks it learns a moment later.
    let problems = wait::until("the API server to ask the registrar", SOON, || {
        let mut other = bad.clone();
        other["metadata"]["name"] = json!("worse");
        match installed.told(&other) {
            Err(told) => Ok(told),
            Ok(_) => {
                installed.cluster.delete(&format!("{}/worse", crate::install::IDENTITIES), 0);
                Err(installed.log())
            }
        }
    });
    println!("{problems}");
    for field in ["spec.spiffeIDTemplate", "spec.dnsNameTemplates[1]", "spec.workloadSelectorTemplates[0]"] {
        assert!(problems.contains(field), "{field} in {problems}");
    }
    assert!(problems.contains("denied the request") && problems.contains("nope"), "{problems}");
    let told = installed.cluster.get(CONFIGURATION).unwrap();
    assert!(told["webhooks"][0]["clientConfig"]["caBundle"].is_string(), "{told}");
    let secret = || {
        let secret =
            installed.cluster.get(&format!("/api/v1/namespaces/{NAMESPACE}/secrets/{SERVICE}")).unwrap();
        secret["data"]["tls.crt"].as_str().unwrap().to_owned()
    };
    let certificate = secret();

    // What is legal and suspicious is a warning, and what is well is neither.
    installed.told(&identity("well", &json!({}))).unwrap();
    let warned = identity("warned", &json!({"podSelector": {}, "clusterSelector": {}}));
    let warnings = installed.told(&warned).unwrap_err();
    println!("{warnings}");
    for field in ["Warning: spec.podSelector", "Warning: spec.spiffeIDTemplate"] {
        assert!(warnings.contains(field), "{field} in {warnings}");
    }
    // Stored all the same; kubectl was told to take a warning for an error.
    assert!(installed.cluster.get(&format!("{}/warned", crate::install::IDENTITIES)).is_some());
    // An edit is looked at too; one that leaves the spec alone is not refused, be it as bad as it may.
    let mut edited = identity("well", &json!({"ttl": "1h"}));
    edited["spec"]["spiffeIDTemplate"] = json!("spiffe://another.example/x");
    let told = installed.told(&edited).unwrap_err();
    assert!(told.contains("spec.spiffeIDTemplate") && told.contains("another.example"), "{told}");
    let labelled = json!({"metadata": {"labels": {"team": "a"}}});
    installed.cluster.patch(&format!("{}/bad", crate::install::IDENTITIES), &labelled);

    // Of a registry, what the definition lets pass.
    let mut bad = registry("bad-cluster");
    bad["spec"]["assumeRoleArn"] = json!("arn:aws:iam::999999999999:role/registrar");
    bad["spec"]["allowedSPIFFEIDs"] = json!(["no path"]);
    let told = installed.told(&bad).unwrap_err();
    println!("{told}");
    for said in ["denied the request", "spec.assumeRoleArn", "999999999999", "spec.allowedSPIFFEIDs[0]"] {
        assert!(told.contains(said), "{said} in {told}");
    }
    assert!(installed.cluster.get(&format!("{KINDS}/eksclusterregistries/bad-cluster")).is_none());

    // What an object would do to entries is told before it is stored, and nothing is done for it.
    let workload = world.workload_cluster();
    workload.node("node-asked");
    let pod = workload.pod("test-app", "asked-1", "asked", Some("node-asked"));
    let registry = registry("workload-cluster");
    installed.cluster.kubectl_with(&["apply", "-f", "-"], &registry.to_string());
    wait::until("the registry", SOON, || {
        let told = condition(&installed.cluster, "eksclusterregistries/workload-cluster", "Ready");
        if told["status"] == "True" { Ok(()) } else { Err(told.to_string()) }
    });
    let asked = identity("asked", &json!({"namespace": "test-app"}));
    let would = wait::until("what it would do", SOON, || {
        let arguments = ["apply", "--dry-run=server", "--warnings-as-errors", "-f", "-"];
        let told = installed.cluster.try_kubectl(&arguments, &asked.to_string());
        told.err()
            .filter(|told| told.contains("would create 1 entry in 1 cluster"))
            .ok_or_else(|| installed.log())
    });
    println!("{would}");
    assert!(installed.cluster.get(&format!("{}/asked", crate::install::IDENTITIES)).is_none());
    pod.delete();
    installed.cluster.delete(&format!("{KINDS}/eksclusterregistries/workload-cluster"), 0);

    // The next one serves with the certificate that the one before has made.
    running.stop();
    let running = installed.start();
    wait::until("the next one to be asked", SOON, || {
        let told = installed.cluster.try_kubectl(
            &["apply", "--dry-run=server", "-f", "-"],
            &identity("again", &json!({"spiffeIDTemplate": "{{ if }}"})).to_string(),
        );
        told.err().ok_or_else(|| installed.log())
    });
    assert_eq!(secret(), certificate);
    for name in ["bad", "well", "warned"] {
        installed.cluster.delete(&format!("{}/{name}", crate::install::IDENTITIES), 0);
    }
    running.stop();
    let log = installed.log();
    assert!(!log.contains("forbidden"), "{log}");
}
