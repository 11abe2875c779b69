//! Nodes that go and come back under their names.

use serde_json::json;

use crate::world::World;

pub fn replaced_under_the_same_name(world: &World) {
    let cluster = world.workload_cluster();
    world.identity("node", "node", "node", "node", json!({}));
    let old = cluster.node("replaced");
    let pod = cluster.pod("node", "node-0", "node", Some("replaced"));
    let agent = |uid: &str| format!("spiffe://example.org/spire/agent/k8s_psat/workload-cluster/{uid}");
    let before = world.spire.entry_of(&pod);
    assert_eq!(before.parent_id(), agent(&old));
    // Nodes go before their pods: nothing is taken from a pod whose node is not known.
    cluster.delete("/api/v1/nodes/replaced", 0);
    world.settle(cluster);
    assert_eq!(world.spire.entries_of(&pod), std::slice::from_ref(&before));
    let new = cluster.node("replaced");
    assert_ne!(old, new);
    let after = world.spire.entry_when(&pod, "of the new node", |entry| entry.parent_id() == agent(&new));
    assert_eq!((after.id(), after.revision()), (before.id(), before.revision() + 1), "updated in place");
    pod.delete();
}
