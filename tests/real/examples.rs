//! The seed's manifests as the seed writes them, and what SPIRE then holds.

use serde_json::{Value, json};

use crate::child::output;
use crate::install::KINDS;
use crate::registrar::{self, PREFIX};
use crate::spire::{Entry, TRUST_DOMAIN};
use crate::world::{World, seed};

/// The seed's files, and the names of the identities in them.
const FILES: [&str; 4] = ["kinds.yaml", "example-1.yaml", "example-2.yaml", "example-3.yaml"];

/// An entry as it has to be; `more` is what is not SPIRE's default.
fn expected(spiffe_path: &str, registry: &str, node: &str, selectors: &[String], more: Value) -> Value {
    let id = |path: &str| json!({"trust_domain": TRUST_DOMAIN, "path": path});
    let selectors: Vec<Value> =
        selectors.iter().map(|value| json!({"type": "k8s", "value": value})).collect();
    let mut entry = json!({
        "spiffe_id": id(spiffe_path),
        "parent_id": id(&format!("/spire/agent/k8s_psat/{registry}/{node}")),
        "selectors": selectors,
        "x509_svid_ttl": 0,
        "jwt_svid_ttl": 0,
        "federates_with": [],
        "dns_names": [],
        "admin": false,
        "downstream": false,
        "hint": "",
    });
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    entry
}

/// Says what SPIRE says, and compares it with what has to be.
fn check(entry: &Entry, mut expected: Value) {
    println!("{entry:?}");
    assert!(entry.id().starts_with(&format!("{PREFIX}v1.")), "{entry:?}");
    expected["id"] = entry.id_without_nonce().into();
    assert_eq!(entry.rendered(), expected);
}

pub fn the_kinds_as_the_seed_describes_them(world: &World) {
    world.apply_seed("kinds.yaml");
    let cluster = world.cluster("workload-cluster");
    let node = cluster.node("node-1");
    let pod = cluster.pod("test-app", "test-app-0", "test-app", Some("node-1"));
    let selectors = ["ns:test-app".to_owned(), format!("pod-uid:{}", pod.uid), "sa:test-app".to_owned()];
    // federatesWith names our own trust domain, which would stop every agent that is handed the entry: left out and told.
    let more = json!({
        "x509_svid_ttl": 3600,
        "jwt_svid_ttl": 300,
        "dns_names": ["test-app-0.test-app.svc", "test-app-0.test-app.svc.cluster.local"],
    });
    let entry = world.spire.entry_of(&pod);
    check(&entry, expected("/ns/test-app/sa/test-app", "workload-cluster", &node, &selectors, more));
    let valid = world.wait_for("workloadidentities/test-app-identity", "Valid", "True");
    assert_eq!(valid["reason"], "ValidWithNotes");
    assert!(valid["message"].as_str().unwrap().contains("example.org"), "{valid}");
}

pub fn example_1_basic_web_application(world: &World) {
    world.apply_seed("example-1.yaml");
    let cluster = world.cluster("production-cluster");
    let node = cluster.node("node-1");
    let pod = cluster.pod("default", "web-app-0", "web-app", Some("node-1"));
    let other = cluster.pod("default", "other-0", "other", Some("node-1"));
    let selectors =
        ["ns:default".to_owned(), "pod-name:web-app-0".to_owned(), format!("pod-uid:{}", pod.uid)];
    let more = json!({"x509_svid_ttl": 3600, "jwt_svid_ttl": 300});
    let entry = world.spire.entry_of(&pod);
    check(&entry, expected("/ns/default/sa/web-app", "production-cluster", &node, &selectors, more));
    assert_eq!(world.spire.entries_of(&other), []);
}

pub fn example_2_multi_cluster_microservices(world: &World) {
    world.apply_seed("example-2.yaml");
    let mut tags = Vec::new();
    for registry in ["us-west-cluster", "us-east-cluster"] {
        let cluster = world.cluster(registry);
        let node = cluster.node("node-1");
        let pod = cluster.pod("gateway", "api-gateway-0", "api-gateway", Some("node-1"));
        let selectors = [format!("pod-uid:{}", pod.uid)];
        let entry = world.spire.entry_of(&pod);
        let more = json!({"x509_svid_ttl": 1800});
        check(&entry, expected("/ns/gateway/sa/api-gateway", registry, &node, &selectors, more));
        tags.push(entry.id().split('.').nth(1).unwrap().to_owned());
    }
    assert_ne!(tags[0], tags[1], "each cluster's entries are told apart by their ids");
}

pub fn example_3_cross_account_setup(world: &World) {
    world.apply_seed("example-1.yaml");
    world.apply_seed("example-3.yaml");
    let cluster = world.cluster("dev-account-cluster");
    let node = cluster.node("node-1");
    world.wait_for("eksclusterregistries/dev-account-cluster", "Ready", "True");
    // Example 1's identity has no clusterSelector: it is for every cluster.
    let pod = cluster.pod("default", "web-app-0", "web-app", Some("node-1"));
    let selectors =
        ["ns:default".to_owned(), "pod-name:web-app-0".to_owned(), format!("pod-uid:{}", pod.uid)];
    let entry = world.spire.entry_of(&pod);
    let more = json!({"x509_svid_ttl": 3600, "jwt_svid_ttl": 300});
    check(&entry, expected("/ns/default/sa/web-app", "dev-account-cluster", &node, &selectors, more));
    // The cluster let the role in; the registrar's own user it would have refused.
    let log = std::fs::read_to_string(world.folder.join("verifier.log")).unwrap();
    assert!(log.contains("dev-cluster: arn:aws:iam::333333333333:role/SpireControllerRole"), "{log}");
    assert!(!log.contains("dev-cluster: refused"), "{log}");
}

pub fn status_as_kubectl_prints_it(world: &World) {
    for file in FILES {
        world.apply_seed(file);
    }
    for registry in ["workload", "production", "us-west", "us-east", "dev-account"] {
        world.wait_for(&format!("eksclusterregistries/{registry}-cluster"), "Ready", "True");
    }
    for identity in ["test-app-identity", "web-app", "api-gateway"] {
        world.wait_for(&format!("workloadidentities/{identity}"), "Ready", "True");
    }
    // As a pipeline waits for them.
    let waited = world.management.kubectl(&[
        "wait",
        "--for=condition=Ready",
        "wid/api-gateway",
        "ekscr/us-west-cluster",
        "--timeout=20s",
    ]);
    assert_eq!(waited.matches("condition met").count(), 2, "{waited}");
    for path in ["workloadidentities/api-gateway", "eksclusterregistries/us-west-cluster"] {
        let told = world.management.get(&format!("{KINDS}/{path}")).unwrap();
        assert_eq!(told["status"]["observedGeneration"], told["metadata"]["generation"], "{told}");
    }
    let registries = world.management.kubectl(&["get", "eksclusterregistries"]);
    let identities = world.management.kubectl(&["get", "workloadidentities"]);
    println!("{registries}\n{identities}");
    let line = |text: &str, name: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(line(&registries, "NAME"), ["NAME", "CLUSTER", "REGION", "ENABLED", "READY", "LAST", "SYNC"]);
    let dev = line(&registries, "dev-account-cluster");
    assert_eq!(dev[1..5], ["dev-cluster", "us-west-2", "true", "True"]);
    assert!(dev[5].ends_with('Z'), "lastSync is told: {dev:?}");
    assert_eq!(line(&identities, "NAME"), ["NAME", "APPLICATION", "NAMESPACE", "PODS", "ENTRIES", "READY"]);
    assert_eq!(line(&identities, "api-gateway")[1..3], ["api-gateway", "gateway"]);
    // By their short names with more columns, and both kinds by their category.
    let wide = world.management.kubectl(&["get", "ekscr", "-o", "wide"]);
    let dev = line(&wide, "dev-account-cluster");
    assert!(dev.contains(&"Connected".to_owned()) && dev.contains(&"333333333333".to_owned()), "{wide}");
    let wide = world.management.kubectl(&["get", "wid", "-o", "wide"]);
    assert!(line(&wide, "api-gateway").contains(&"InStep".to_owned()), "{wide}");
    let all = world.management.kubectl(&["get", "spire", "-o", "name"]);
    assert!(all.contains("/us-west-cluster") && all.contains("/api-gateway"), "{all}");
    // As many entries as pods, and both are what is there.
    let api_gateway = line(&identities, "api-gateway");
    let count =
        world.clusters().map(|(_, cluster)| pods_of(cluster, "gateway", "api-gateway")).sum::<usize>();
    assert_eq!(api_gateway[3..], [count.to_string(), count.to_string(), "True".to_owned()]);
    let status = world.get("workloadidentities/api-gateway").unwrap()["status"].clone();
    assert_eq!(status["stats"]["clustersTargeted"], 2, "{status}");
    assert!(status["lastReconciliation"].is_string(), "{status}");
    let registry = world.get("eksclusterregistries/us-west-cluster").unwrap();
    let namespaces =
        world.cluster("us-west-cluster").kubectl(&["get", "namespaces", "-o", "name"]).lines().count();
    assert_eq!(registry["status"]["namespacesCount"], namespaces, "{registry}");
    let finalizers = registry["metadata"]["finalizers"].clone();
    assert_eq!(finalizers, json!(["eksclusterregistry.spire.spiffe.io/entries"]));
    let told = world.management.kubectl(&["describe", "eksclusterregistry", "us-west-cluster"]);
    assert!(told.contains("Reason:                Connected"), "{told}");
    let (_, events) = told.split_once("Events:").unwrap();
    println!("Events:{events}");
    assert!(events.contains("Connected") && events.contains("spire-eks-workload-registrar"), "{told}");
}

fn pods_of(cluster: &crate::kubernetes::Cluster, namespace: &str, application: &str) -> usize {
    let selector = format!("app={application}");
    cluster.kubectl(&["get", "pods", "-n", namespace, "-l", &selector, "-o", "name"]).lines().count()
}

pub fn render_gives_the_very_entries(world: &World) {
    let mut command = registrar::command(&["render", "-o", "json", "--config"]);
    command.arg(world.folder.join("config.yaml"));
    for file in FILES {
        world.apply_seed(file);
        command.args(["-f", &seed(file)]);
    }
    for (registry, cluster) in world.clusters() {
        // A pod of each application everywhere, so that who is not selected counts too.
        for (namespace, application) in
            [("test-app", "test-app"), ("default", "web-app"), ("gateway", "api-gateway")]
        {
            cluster.node("node-2");
            cluster.pod(namespace, &format!("{application}-render"), application, Some("node-2"));
        }
        let dump = world.folder.join(format!("{registry}.yaml"));
        let objects = cluster.kubectl(&["get", "pods,nodes,namespaces", "-A", "-o", "yaml"]);
        std::fs::write(&dump, objects).unwrap();
        command.arg("--cluster").arg(format!("{registry}={}", dump.display()));
    }
    let rendered: Value = serde_json::from_str(&output(&mut command)).unwrap();
    let mut rendered = rendered["entries"].as_array().unwrap().clone();
    let mut identities = Vec::new();
    for entry in &mut rendered {
        let fields = entry.as_object_mut().unwrap();
        let id = fields["id"].as_str().unwrap().rsplit_once('.').unwrap().0.to_owned();
        fields.insert("id".to_owned(), id.into());
        fields.remove("cluster").unwrap();
        identities.push(fields.remove("identity").unwrap());
    }
    rendered.sort_by_key(|entry| entry["id"].to_string());
    for identity in ["test-app-identity", "web-app", "api-gateway"] {
        assert!(identities.contains(&identity.into()), "{identities:?}");
    }
    let in_spire = || {
        let mut entries: Vec<Value> = world.spire.entries().iter().map(Entry::rendered).collect();
        // Other tests' identities have paths of their own.
        entries.retain(|entry| entry["spiffe_id"]["path"].as_str().unwrap().starts_with("/ns/"));
        entries.sort_by_key(|entry| entry["id"].to_string());
        entries
    };
    crate::wait::until("SPIRE to hold what render gives", crate::wait::SOON, || {
        let held = in_spire();
        if held == rendered { Ok(()) } else { Err(format!("{held:#?}\nrendered: {rendered:#?}")) }
    });
    println!("{} entries, rendered and held alike", rendered.len());
}
