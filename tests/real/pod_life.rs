//! A pod's life and what SPIRE holds for it meanwhile.

use serde_json::json;

use crate::wait::{self, SOON};
use crate::world::World;

pub fn from_bound_to_gone(world: &World) {
    let cluster = world.workload_cluster();
    world.identity("life", "life", "life", "life", json!({}));
    cluster.node("node-1");
    // Before it is bound nobody knows whose agent is to serve it.
    let pod = cluster.pod("life", "life-0", "life", None);
    world.settle(cluster);
    assert_eq!(world.spire.entries_of(&pod), []);
    pod.bind("node-1");
    let first = world.spire.entry_of(&pod);
    assert_eq!(first.spiffe_id(), "spiffe://example.org/life/life-0");

    pod.relabel(None);
    world.spire.wait_for_none_of(&pod.uid);
    pod.relabel(Some("life"));
    let second = world.spire.entry_of(&pod);
    // An id that came back would make agents serve the old certificate.
    assert_ne!(first.id(), second.id());
    assert_eq!(first.id_without_nonce(), second.id_without_nonce());

    // While it terminates it still has its work to finish.
    pod.terminate();
    world.settle(cluster);
    assert_eq!(world.spire.entries_of(&pod), [second]);
    let uid = pod.uid.clone();
    pod.delete();
    world.spire.wait_for_none_of(&uid);

    let finished = cluster.pod("life", "life-1", "life", Some("node-1"));
    world.spire.entry_of(&finished);
    finished.report(&json!({"phase": "Succeeded"}));
    world.spire.wait_for_none_of(&finished.uid);
    finished.delete();
}

pub fn from_one_identity_to_another(world: &World) {
    let cluster = world.workload_cluster();
    world.identity("move-a", "move", "a", "move/a", json!({"ttl": "1h"}));
    world.identity("move-b", "move", "b", "move/b", json!({"ttl": "1h"}));
    world.identity("move-b-too", "move", "b-too", "move/b", json!({"ttl": "1h"}));
    cluster.node("node-1");
    let pod = cluster.pod("move", "move-0", "a", Some("node-1"));
    let of_a = world.spire.entry_of(&pod);
    pod.relabel(Some("b"));
    // Created first, deleted last: there is no moment without an identity.
    let of_b = wait::until("the pod to have moved", SOON, || {
        let mut entries = world.spire.entries_of(&pod);
        assert!(!entries.is_empty(), "a moment without an identity");
        entries.retain(|entry| entry.id() != of_a.id());
        match entries.pop() {
            Some(entry) if world.spire.entries_of(&pod) == [entry.clone()] => Ok(entry),
            other => Err(format!("{other:?}")),
        }
    });
    assert_eq!(of_b.spiffe_id(), "spiffe://example.org/move/b/move-0");
    // To another identity that declares the same: nobody sees a difference, so nothing is written.
    pod.relabel(Some("b-too"));
    world.wait_for("workloadidentities/move-b-too", "Ready", "True");
    world.settle(cluster);
    assert_eq!(world.spire.entries_of(&pod), std::slice::from_ref(&of_b));
    // An edit that keeps the entry's place updates it.
    world.patch("workloadidentities/move-b-too", &json!({"spec": {"ttl": "2h"}}));
    let edited =
        world.spire.entry_when(&pod, "with the new lifetime", |entry| entry.0["x509_svid_ttl"] == 7200);
    assert_eq!((edited.id(), edited.revision()), (of_b.id(), of_b.revision() + 1));
    pod.delete();
}
