//! What cannot be used is told, and costs nobody else anything.

use serde_json::json;

use crate::spire::PARTNER;
use crate::world::World;

pub fn an_identity_that_cannot_be_used_is_alone(world: &World) {
    let cluster = world.workload_cluster();
    cluster.node("node-1");
    // The one whose template cannot be read comes first, to be deleted last: it holds up none of the others.
    let identities = [
        (
            "unreadable-template",
            json!({"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/{{ .PodMeta.Name | nope }}"}),
        ),
        ("federates-with-nobody", json!({"federatesWith": ["unknown.example"]})),
        ("federates-with-a-partner", json!({"federatesWith": [PARTNER, "example.org"]})),
        ("reserved-id", json!({"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/spire/{{ .PodMeta.Name }}"})),
        ("well", json!({})),
    ];
    let pods = identities.clone().map(|(name, more)| {
        world.identity(name, "bad", name, name, more);
        cluster.pod("bad", name, name, Some("node-1"))
    });
    let [unreadable, nobody, partner, reserved, well] = &pods;
    let message = |identity: &str, condition: &str, status: &str| {
        let path = format!("workloadidentities/{identity}");
        let told = world.wait_for(&path, condition, status);
        println!("{identity}: {condition}={status}, {}: {}", told["reason"], told["message"]);
        told["message"].as_str().unwrap().to_owned()
    };
    world.spire.entry_of(well);
    message("well", "Ready", "True");
    assert!(message("federates-with-nobody", "Ready", "False").contains("unknown.example"));
    assert!(message("unreadable-template", "Valid", "False").contains("line 1, column 48"));
    assert!(message("reserved-id", "Ready", "False").contains("/spire/"));
    assert!(message("federates-with-a-partner", "Valid", "True").contains("example.org"));
    let federated = world.spire.entry_of(partner);
    assert_eq!(federated.0["federates_with"], json!([PARTNER]));
    for pod in [nobody, unreadable, reserved] {
        assert_eq!(world.spire.entries_of(pod), []);
    }
    // Mended, it is used.
    world.patch("workloadidentities/federates-with-nobody", &json!({"spec": {"federatesWith": [PARTNER]}}));
    world.spire.entry_of(nobody);
    for (name, _) in identities.iter().rev() {
        world.delete(&format!("workloadidentities/{name}"));
        world.wait_until_gone(&format!("workloadidentities/{name}"));
    }
    for pod in pods {
        world.spire.wait_for_none_of(&pod.uid);
        pod.delete();
    }
}

pub fn a_registry_that_cannot_be_used_is_alone(world: &World) {
    let cluster = world.workload_cluster();
    let spec = |cluster: &str, account: &str, role: Option<&str>| {
        json!({
            "clusterName": cluster,
            "region": "us-west-2",
            "accountId": account,
            "enabled": true,
            "assumeRoleArn": role,
        })
    };
    let stranger = Some("arn:aws:iam::123456789012:role/stranger");
    let cases = [
        ("missing", spec("no-such-cluster", "123456789012", None), "Ready", "ClusterNotFound"),
        ("others", spec("prod-eks-cluster", "111111111111", None), "Ready", "AccountMismatch"),
        ("not-allowed", spec("prod-eks-cluster", "999999999999", None), "Ready", "AccountNotAllowed"),
        ("malformed", spec("prod-eks-cluster", "1234", None), "Valid", "InvalidSpec"),
        // EKS describes the cluster to the role, and its API server does not let the role in.
        ("not-admitted", spec("prod-eks-cluster", "123456789012", stranger), "Ready", "Unauthorized"),
    ];
    for (name, spec, condition, reason) in &cases {
        world.registry(name, spec);
        let told = world.wait_for(&format!("eksclusterregistries/{name}"), condition, "False");
        println!("{name}: {}: {}", told["reason"], told["message"]);
        assert_eq!(told["reason"], *reason);
    }
    // Refused again and again meanwhile; that the API server ends the connection each time is not told for it.
    world.settle(cluster);
    for (name, ..) in &cases {
        world.delete(&format!("eksclusterregistries/{name}"));
        world.wait_until_gone(&format!("eksclusterregistries/{name}"));
    }
}
