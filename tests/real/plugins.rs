//! Plugins: what the API server refuses of `spec.plugin`, and a component out of a ConfigMap whose entries stand in SPIRE.

use data_encoding::BASE64;
use registrar_core::plugin::Digest;
use serde_json::{Value, json};

use crate::world::{ROOT, World};

const SHA: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn identity(name: &str, spec: &Value) -> Value {
    let mut all = json!({"applicationName": name, "namespace": "plugins"});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({"apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1", "kind": "WorkloadIdentity",
        "metadata": {"name": name}, "spec": all})
}

pub fn combinations_that_make_no_sense_are_refused_with_a_sentence(world: &World) {
    let file = json!({"source": {"file": "/a.wasm"}, "sha256": SHA});
    let with = |key: &str, value: Value| {
        let mut plugin = file.clone();
        plugin[key] = value;
        json!({"plugin": plugin})
    };
    let image = format!("oci://registry.example/a@sha256:{SHA}");
    let template = "spiffe://{{ .TrustDomain }}/a";
    let mut both = with("failurePolicy", json!("Keep"));
    both["spiffeIDTemplate"] = json!(template);
    let refused = [
        (json!({}), "spiffeIDTemplate is required where no plugin decides"),
        (both.clone(), "with failurePolicy Keep a plugin decides alone"),
        (with("failurePolicy", json!("Fallback")), "falls back to spiffeIDTemplate, which is absent"),
        (with("failurePolicy", json!("Never")), "supported values: \"Keep\", \"Fallback\""),
        (with("source", json!({})), "exactly one of image, configMap, url and file is required"),
        (
            with("source", json!({"file": "/a", "url": "https://a/b"})),
            "exactly one of image, configMap, url and file",
        ),
        (json!({"plugin": {"source": {"file": "/a"}}}), "sha256 is required, except for an image"),
        (with("sha256", json!("abc")), "spec.plugin.sha256"),
        (with("pullSecret", json!("login")), "pullSecret is for images"),
        (with("source", json!({"image": "registry.example/a:1.0"})), "spec.plugin.source.image"),
    ];
    for (spec, told) in &refused {
        let object = identity("refused", spec).to_string();
        let error = world.management.try_kubectl(&["apply", "-f", "-"], &object).unwrap_err();
        assert!(error.contains(told), "{spec}: {error}");
    }
    both["plugin"]["failurePolicy"] = json!("Fallback");
    both["plugin"]["config"] = json!({"any": [1, {"json": null}], "text": "x"});
    for spec in [
        both,
        json!({"plugin": {"source": {"image": image}, "pullSecret": "login"}}),
        json!({"plugin": file}),
    ] {
        let object = identity("accepted", &spec).to_string();
        world.management.kubectl_with(&["apply", "--dry-run=server", "-f", "-"], &object);
    }
}

pub fn a_component_in_a_config_map_gives_entries(world: &World) {
    let cluster = world.workload_cluster();
    cluster.node("node-1");
    let component = std::fs::read(format!("{ROOT}/plugins/team-path/team-path.wasm")).unwrap();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "team-path", "namespace": "spire-system"},
        "binaryData": {"team-path.wasm": BASE64.encode(&component)}});
    world.management.kubectl_with(&["apply", "-f", "-"], &map.to_string());
    let source =
        json!({"configMap": {"namespace": "spire-system", "name": "team-path", "key": "team-path.wasm"}});
    let digest = |bytes: &[u8]| Digest::of(bytes).to_string().replace("sha256:", "");
    let config = json!({"path": [{"text": "teams"}, {"label": "app"}],
        "allow": [{"namespaces": ["plugins"], "paths": ["/teams/*"]}]});
    let plugin = |sha: String| {
        identity(
            "team-path",
            &json!({"plugin": {"source": source, "sha256": sha, "config": config},
            "podSelector": {"matchLabels": {"app": "payments"}}, "clusterSelector": {"matchLabels": {"type": "workload"}}}),
        )
        .to_string()
    };
    let apply = |object: &str| drop(world.management.kubectl_with(&["apply", "-f", "-"], object));
    apply(&plugin(digest(&component)));
    let pod = cluster.pod("plugins", "payments-1", "payments", Some("node-1"));
    let entry = world.spire.entry_of(&pod);
    assert_eq!(entry.0["spiffe_id"]["path"], "/teams/payments");
    world.wait_for("workloadidentities/team-path", "Ready", "True");
    let loaded = world.wait_for("workloadidentities/team-path", "PluginLoaded", "True");
    println!("team-path: {}", loaded["message"]);
    // A digest that nothing there has: the entry stands, and why is told.
    apply(&plugin(digest(b"nothing")));
    let told = world.wait_for("workloadidentities/team-path", "PluginLoaded", "False");
    assert_eq!(told["reason"], "PluginDigestMismatch");
    assert_eq!(world.spire.entry_of(&pod).0["id"], entry.0["id"]);
    world.delete("workloadidentities/team-path");
    world.wait_until_gone("workloadidentities/team-path");
    world.spire.wait_for_none_of(&pod.uid);
    pod.delete();
    world.management.kubectl(&["delete", "configmap", "team-path", "--namespace", "spire-system"]);
}
