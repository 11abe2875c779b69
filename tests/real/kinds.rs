//! Both kinds as the API server sees them.

use serde_json::Value;

use crate::wait::{SOON, until};
use crate::world::World;

pub fn the_api_server_accepts_both_kinds(world: &World) {
    // World::start applied them: `spire-eks-workload-registrar crds | kubectl apply -f -`.
    let definitions = world.management.kubectl(&["get", "crds", "-o", "json"]);
    let definitions: Value = serde_json::from_str(&definitions).unwrap();
    let definitions = definitions["items"].as_array().unwrap();
    assert_eq!(definitions.len(), 2);
    for definition in definitions {
        let conditions = definition["status"]["conditions"].as_array().unwrap();
        let mut told: Vec<String> = conditions
            .iter()
            .map(|condition| format!("{}={}", condition["type"], condition["status"]).replace('"', ""))
            .collect();
        told.sort();
        // No NonStructuralSchema, nothing refused.
        assert_eq!(told, ["Established=True", "NamesAccepted=True"], "{}", definition["metadata"]["name"]);
    }
    // The API server publishes the schemas of new kinds a moment after it serves them.
    let explained =
        || world.management.try_kubectl(&["explain", "workloadidentities.spec.spiffeIDTemplate"], "");
    let told = until("the kind's schema", SOON, explained);
    assert!(told.contains("Go template of the SPIFFE ID"), "{told}");
    let wrong = r#"{
        "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1",
        "kind": "EKSClusterRegistry",
        "metadata": {"name": "wrong"},
        "spec": {"clusterName": "wrong", "region": "us-west-2", "accountId": 72422391281, "enabled": true}
    }"#;
    let told = world.management.try_kubectl(&["apply", "-f", "-"], wrong).unwrap_err();
    assert!(told.contains("spec.accountId"), "{told}");
    // What is of a wrong form is refused with the field's path, also where there is no webhook.
    let apply = |kind: &str, spec: Value| {
        let object = serde_json::json!({
            "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1",
            "kind": kind, "metadata": {"name": "wrong"}, "spec": spec,
        });
        world.management.try_kubectl(&["apply", "--dry-run=server", "-f", "-"], &object.to_string())
    };
    let registry = serde_json::json!({
        "clusterName": "right", "region": "us-west-2", "accountId": "072422391281", "enabled": true,
        "assumeRoleArn": "", "endpoint": "https://[::1]:6443",
    });
    let identity = serde_json::json!({
        "applicationName": "right", "namespace": "shop", "spiffeIDTemplate": "spiffe://example.org/a", "ttl": "1h30m",
        "hint": "h".repeat(1024), "federatesWith": ["partner.example"],
        "podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
    });
    apply("EKSClusterRegistry", registry.clone()).unwrap();
    apply("WorkloadIdentity", identity.clone()).unwrap();
    for (kind, right, field, value) in [
        ("EKSClusterRegistry", &registry, "accountId", serde_json::json!("1234")),
        ("EKSClusterRegistry", &registry, "region", serde_json::json!("mars")),
        ("EKSClusterRegistry", &registry, "clusterName", serde_json::json!("a/b")),
        ("EKSClusterRegistry", &registry, "assumeRoleArn", serde_json::json!("registrar")),
        ("EKSClusterRegistry", &registry, "externalId", serde_json::json!("a b")),
        ("EKSClusterRegistry", &registry, "endpoint", serde_json::json!("10.0.0.1")),
        ("EKSClusterRegistry", &registry, "proxyURL", serde_json::json!("http://user:password@proxy")),
        ("WorkloadIdentity", &identity, "namespace", serde_json::json!("Shop")),
        ("WorkloadIdentity", &identity, "ttl", serde_json::json!("soon")),
        ("WorkloadIdentity", &identity, "jwtTtl", serde_json::json!("5")),
        ("WorkloadIdentity", &identity, "hint", serde_json::json!("h".repeat(1025))),
        ("WorkloadIdentity", &identity, "federatesWith", serde_json::json!(["https://partner"])),
        (
            "WorkloadIdentity",
            &identity,
            "podSelector",
            serde_json::json!({"matchExpressions": [{"key": "app", "operator": "Near"}]}),
        ),
    ] {
        let mut wrong = right.clone();
        wrong[field] = value;
        let told = apply(kind, wrong).unwrap_err();
        assert!(told.contains(&format!("spec.{field}")), "{told}");
    }
    // A field of a newer version is kept, for the registrar to see.
    let newer = serde_json::json!({
        "clusterName": "newer", "region": "us-west-2", "accountId": "072422391281", "enabled": false, "zones": ["a"],
    });
    world.registry("newer", &newer);
    assert_eq!(world.get("eksclusterregistries/newer").unwrap()["spec"]["zones"], newer["zones"]);
    let told = world.wait_for("eksclusterregistries/newer", "Valid", "False");
    assert!(told["message"].as_str().unwrap().contains("spec.zones: "), "{told}");
    world.delete("eksclusterregistries/newer");
    world.wait_until_gone("eksclusterregistries/newer");
}
