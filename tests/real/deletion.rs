//! What goes with an object of ours, and what stays.

use serde_json::json;

use crate::world::World;

pub fn a_disabled_registry_keeps_its_entries(world: &World) {
    let cluster = world.workload_cluster();
    world.identity("disabled", "disabled", "disabled", "disabled", json!({}));
    cluster.node("node-1");
    let stays = cluster.pod("disabled", "stays", "disabled", Some("node-1"));
    let ends = cluster.pod("disabled", "ends", "disabled", Some("node-1"));
    let (entry, other) = (world.spire.entry_of(&stays), world.spire.entry_of(&ends));
    world.patch("eksclusterregistries/workload-cluster", &json!({"spec": {"enabled": false}}));
    let told = world.wait_for("eksclusterregistries/workload-cluster", "Ready", "False");
    println!("disabled: {}: {}", told["reason"], told["message"]);
    let (ended, uid) = (ends.uid.clone(), stays.uid.clone());
    ends.delete();
    // Nobody is watching: what was there stays, over a restart too.
    world.stop_registrar();
    world.start_registrar();
    // Another cluster, which is watched, shows that all was looked at. Only one registry of a cluster does anything.
    world.apply_seed("example-3.yaml");
    let labelled = json!({"spec": {"labels": {"type": "workload"}}});
    world.patch("eksclusterregistries/dev-account-cluster", &labelled);
    world.wait_for("eksclusterregistries/dev-account-cluster", "Ready", "True");
    world.settle(world.cluster("dev-account-cluster"));
    assert_eq!(world.spire.entries_of(&stays), std::slice::from_ref(&entry));
    assert!(world.spire.entries().contains(&other));
    world.patch("eksclusterregistries/workload-cluster", &json!({"spec": {"enabled": true}}));
    world.spire.wait_for_none_of(&ended);
    assert_eq!(world.spire.entries_of(&stays), [entry]);
    stays.delete();
    world.spire.wait_for_none_of(&uid);
}

pub fn a_deleted_identity_takes_its_entries_along(world: &World) {
    let cluster = world.workload_cluster();
    world.identity("deleted", "deleted", "deleted", "deleted", json!({}));
    cluster.node("node-1");
    let pod = cluster.pod("deleted", "deleted-0", "deleted", Some("node-1"));
    world.spire.entry_of(&pod);
    world.delete("workloadidentities/deleted");
    world.wait_until_gone("workloadidentities/deleted");
    assert_eq!(world.spire.entries_of(&pod), [], "the finalizer goes last");
    pod.delete();
}

pub fn a_deleted_registry_takes_its_entries_along(world: &World) {
    world.apply_seed("example-1.yaml");
    world.apply_seed("example-3.yaml");
    let cluster = world.cluster("dev-account-cluster");
    cluster.node("node-1");
    let pod = cluster.pod("default", "web-app-deleted", "web-app", Some("node-1"));
    world.spire.entry_of(&pod);
    let parent = "spiffe://example.org/spire/agent/k8s_psat/dev-account-cluster/";
    world.delete("eksclusterregistries/dev-account-cluster");
    world.wait_until_gone("eksclusterregistries/dev-account-cluster");
    let left =
        world.spire.entries().into_iter().filter(|entry| entry.parent_id().starts_with(parent)).count();
    assert_eq!(left, 0, "the finalizer goes last");
    // Registered anew, its pods have their identities again.
    world.apply_seed("example-3.yaml");
    world.spire.entry_of(&pod);
    pod.delete();
}
