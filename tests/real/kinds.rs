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
