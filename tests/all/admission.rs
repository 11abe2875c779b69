//! The admission webhook as the API server calls it: refusals, warnings, certificates that come and change.

use std::net::SocketAddr;
use std::path::Path;

use data_encoding::BASE64;
use kube::{Client, Config};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use registrar_world::World;
use serde_json::{Value, json};

use crate::fleet::{PATIENCE, identity};

const HOST: &str = "spire-eks-workload-registrar-webhook.spire-system.svc";

/// The API server's side: trusts one authority and calls the Service by its name.
struct Caller {
    client: Client,
}

impl Caller {
    fn new(port: u16, authority: &str) -> Self {
        let mut config = Config::new(format!("https://127.0.0.1:{port}").parse().unwrap());
        let der = rustls_pki_types::pem::PemObject::pem_slice_iter(authority.as_bytes());
        let der: Vec<rustls_pki_types::CertificateDer<'_>> = der.map(Result::unwrap).collect();
        config.root_cert = Some(der.iter().map(|it| it.to_vec()).collect());
        config.tls_server_name = Some(HOST.to_owned());
        Self { client: Client::try_from(config).unwrap() }
    }

    async fn try_ask(&self, operation: &str, object: &Value, before: Option<&Value>) -> kube::Result<Value> {
        let kind = object["kind"].as_str().unwrap();
        let group = "eksclusterregistry.spire.spiffe.io";
        let resource = if kind == "WorkloadIdentity" { "workloadidentities" } else { "eksclusterregistries" };
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u-1", "operation": operation, "name": object["metadata"]["name"], "object": object,
            "oldObject": before, "userInfo": {}, "dryRun": true,
            "kind": {"group": group, "version": "v1alpha1", "kind": kind},
            "resource": {"group": group, "version": "v1alpha1", "resource": resource}}});
        let request = http::Request::post("/validate").header("content-type", "application/json");
        let answer: Value =
            self.client.request(request.body(review.to_string().into_bytes()).unwrap()).await?;
        assert_eq!(answer["response"]["uid"], "u-1");
        Ok(answer["response"].clone())
    }

    async fn ask(&self, operation: &str, object: &Value, before: Option<&Value>) -> Value {
        self.try_ask(operation, object, before).await.unwrap()
    }
}

/// An authority, and a certificate of the webhook's name in a folder.
fn write_certificate(folder: &Path) -> String {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec![HOST.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("tls.crt"), server.pem()).unwrap();
    pem
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().map(|address: SocketAddr| address.port()).unwrap()
}

async fn configured(patch: Value) -> (World, u16) {
    let mut world = crate::fleet::world(&["east"]).await;
    let port = free_port();
    let certificates = world.folder().join("certificates");
    let mut webhook = json!({"host": "127.0.0.1", "port": port, "certDir": certificates});
    webhook.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    world.configure(&json!({"webhook": webhook}));
    (world, port)
}

#[tokio::test]
async fn bad_objects_are_refused_with_all_problems_and_suspicious_ones_with_warnings() {
    let (mut world, port) = configured(json!({})).await;
    let authority = write_certificate(&world.folder().join("certificates"));
    world.register("east");
    world.management.put(identity("web", "web"));
    let registrar = world.run(crate::PROGRAM);
    registrar.until_logged("webhook.port", PATIENCE).await;
    let caller = Caller::new(port, &authority);

    let good = {
        let mut good = identity("good", "good");
        good["spec"]["spiffeIDTemplate"] =
            json!("spiffe://{{ .TrustDomain }}/{{ .ClusterName }}/{{ .PodMeta.Name }}");
        good
    };
    let answer = caller.ask("CREATE", &good, None).await;
    assert_eq!((&answer["allowed"], answer.get("warnings")), (&json!(true), None), "{answer}");

    let mut bad = good.clone();
    bad["spec"]["spiffeIDTemplate"] = json!("spiffe://{{ .TrustDomain }/x");
    bad["spec"]["ttl"] = json!("soon");
    bad["spec"]["podSelector"] = json!({"matchExpressions": [{"key": "a", "operator": "Near"}]});
    let answer = caller.ask("CREATE", &bad, None).await;
    assert_eq!(answer["allowed"], json!(false));
    assert_eq!((&answer["status"]["code"], &answer["status"]["reason"]), (&json!(422), &json!("Invalid")));
    let message = answer["status"]["message"].as_str().unwrap();
    for field in ["spec.spiffeIDTemplate", "spec.ttl", "spec.podSelector.matchExpressions[0]"] {
        assert!(message.contains(field), "{field} in {message}");
    }
    // What was bad before the webhook was there can lose its finalizer, and can go.
    let answer = caller.ask("UPDATE", &bad, Some(&bad)).await;
    assert_eq!(answer["allowed"], json!(true));
    let mut leaving = bad.clone();
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(caller.ask("UPDATE", &leaving, Some(&good)).await["allowed"], json!(true));
    assert_eq!(caller.ask("UPDATE", &bad, Some(&good)).await["allowed"], json!(false));

    // The twin is known from the watch a moment after it was stored.
    let mut twin = good.clone();
    twin["spec"]["podSelector"] = json!({"matchLabels": {"app": "web"}});
    twin["spec"]["fallback"] = json!(false);
    let is_told = async || {
        let answer = caller.ask("CREATE", &twin, None).await;
        assert_eq!(answer["allowed"], json!(true));
        answer["warnings"].to_string().contains("WorkloadIdentity/web selects the same pods")
    };
    tokio::time::timeout(PATIENCE, async { while !is_told().await {} }).await.unwrap();
    let mut registry = world.registry("east");
    registry["metadata"]["name"] = json!("east-again");
    let answer = caller.ask("CREATE", &registry, None).await;
    assert!(
        answer["warnings"][0].as_str().unwrap().contains("EKSClusterRegistry/east names the same"),
        "{answer}"
    );
    registry["spec"]["accountId"] = json!("12");
    let answer = caller.ask("CREATE", &registry, None).await;
    assert!(answer["status"]["message"].as_str().unwrap().contains("spec.accountId"), "{answer}");
}

#[tokio::test]
async fn a_registry_is_refused_the_role_that_the_controller_would_not_assume() {
    let (mut world, port) = configured(json!({})).await;
    world.configure(&json!({"guardrails": {"roleARNs": ["arn:aws:iam::*:role/registrar"]}}));
    let authority = write_certificate(&world.folder().join("certificates"));
    let registrar = world.run(crate::PROGRAM);
    registrar.until_logged("webhook.port", PATIENCE).await;
    let caller = Caller::new(port, &authority);
    let mut registry = world.registry("east");
    registry["spec"]["assumeRoleArn"] = json!("arn:aws:iam::111122223333:role/registrar");
    assert_eq!(caller.ask("CREATE", &registry, None).await["allowed"], json!(true));
    registry["spec"]["assumeRoleArn"] = json!("arn:aws:iam::111122223333:role/admin");
    registry["spec"]["allowedSPIFFEIDs"] = json!(["no path"]);
    let answer = caller.ask("CREATE", &registry, None).await;
    assert_eq!(answer["allowed"], json!(false));
    let message = answer["status"]["message"].as_str().unwrap();
    for told in ["spec.assumeRoleArn", "guardrails.roleARNs", "spec.allowedSPIFFEIDs[0]"] {
        assert!(message.contains(told), "{told} in {message}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_there_is_told_and_one_that_changes_is_taken() {
    let (mut world, port) = configured(json!({})).await;
    let folder = world.folder().join("certificates");
    let registrar = world.run(crate::PROGRAM);
    let told = registrar.until_logged("no certificate for the admission webhook", PATIENCE).await;
    assert!(told.contains("tls.crt") && told.contains("webhook.configurationName"), "{told}");
    let object = identity("web", "web");
    for _ in 0..2 {
        let caller = Caller::new(port, &write_certificate(&folder));
        let answered = async || caller.try_ask("CREATE", &object, None).await.is_ok();
        tokio::time::timeout(PATIENCE, async {
            while !answered().await {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        })
        .await
        .unwrap();
    }
    // A pair that does not fit leaves the last one in place.
    std::fs::write(folder.join("tls.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let told = registrar.until_logged("do not fit", PATIENCE).await;
    assert!(told.contains("the last one is served on"), "{told}");
}

#[tokio::test]
async fn without_files_a_certificate_is_made_once_for_all_replicas_and_told_to_the_api_server() {
    const NAME: &str = "spire-eks-workload-registrar";
    const KIND: &str = "validatingwebhookconfigurations";
    let (mut world, port) = configured(json!({"configurationName": NAME})).await;
    let hook = |name: &str| {
        json!({"name": name, "clientConfig": {"service": {"name": "x", "namespace": "y"}},
        "sideEffects": "None", "admissionReviewVersions": ["v1"]})
    };
    world.management.put(
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": NAME}, "webhooks": [hook("a.example"), hook("b.example")]}),
    );
    let bundles = |configuration: Option<&Value>| -> Vec<String> {
        let hooks = configuration.and_then(|it| it["webhooks"].as_array().cloned()).unwrap_or_default();
        hooks.iter().filter_map(|hook| hook["clientConfig"]["caBundle"].as_str().map(str::to_owned)).collect()
    };
    let first = world.run(crate::PROGRAM);
    first.until_logged("webhook.port", PATIENCE).await;
    let told = bundles(world.management.get(KIND, None, NAME).as_ref());
    assert_eq!((told.len(), &told[0]), (2, &told[1]));
    let authority = BASE64.decode(told[0].as_bytes()).unwrap();
    let authority = String::from_utf8(authority).unwrap();
    let caller = Caller::new(port, &authority);
    assert_eq!(caller.ask("CREATE", &identity("web", "web"), None).await["allowed"], json!(true));
    drop(first);
    // The next process serves the same one.
    let secret = |world: &World| {
        world.management.get("secrets", Some("spire-system"), "spire-eks-workload-registrar-webhook").unwrap()
            ["data"]
            .clone()
    };
    let before = secret(&world);
    let second = world.run(crate::PROGRAM);
    second.until_logged("webhook.port", PATIENCE).await;
    assert_eq!(secret(&world), before);
    // One that ends soon is replaced, and the authority before it is trusted for the replicas that still serve it.
    let edit = json!({"metadata": {"annotations":
        {"eksclusterregistry.spire.spiffe.io/certificate-ends": "2026-01-01T00:00:00Z"}}});
    world.management.patch("secrets", Some("spire-system"), "spire-eks-workload-registrar-webhook", edit);
    let is_new =
        |configuration: Option<&Value>| bundles(configuration).first().is_some_and(|it| *it != told[0]);
    world.management.until("another authority", PATIENCE, |view| is_new(view.get(KIND, None, NAME))).await;
    let now = bundles(world.management.get(KIND, None, NAME).as_ref());
    let both = BASE64.decode(now[0].as_bytes()).unwrap();
    let both = String::from_utf8(both).unwrap();
    assert_eq!(both.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(both.contains(authority.trim()), "{both}");
}
