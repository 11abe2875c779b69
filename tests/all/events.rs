//! What became another of an object's conditions is told as Kubernetes Events, once, by the replica that leads.

use serde_json::Value;

use crate::fleet::{Fleet, PATIENCE, identity};

const EVENTS: &str = "events.events.k8s.io";
const REGISTRIES: &str = "eksclusterregistries";

/// Type, reason, whom it is about, and its words.
fn told(event: &Value) -> (&str, &str, String, &str) {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let regarding = format!("{} {}", text("/regarding/kind"), text("/regarding/name"));
    (text("/type"), text("/reason"), regarding, text("/note"))
}

async fn until_told(fleet: &Fleet, expected: (&str, &str, &str)) -> String {
    let (kind, reason, regarding) = expected;
    let fits = |event: &Value| {
        let (its_kind, its_reason, its_regarding, _) = told(event);
        (its_kind, its_reason, &*its_regarding) == (kind, reason, regarding)
    };
    let what = format!("an Event {expected:?}");
    fleet.world.management.until(&what, PATIENCE, |view| view.objects(EVENTS).into_iter().any(fits)).await;
    let events = fleet.world.management.objects(EVENTS);
    told(events.iter().find(|event| fits(event)).unwrap()).3.to_owned()
}

#[tokio::test]
async fn a_cluster_that_is_lost_and_comes_back_is_told_once_each() {
    let mut fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    until_told(&fleet, ("Normal", "Connected", "EKSClusterRegistry east")).await;
    until_told(&fleet, ("Normal", "InStep", "WorkloadIdentity web")).await;
    let other = fleet.world.run(crate::PROGRAM);
    other.until_logged("the cluster is connected and watched", PATIENCE).await;
    fleet.cluster("east").refuse();
    let lost = ("Warning", "ConnectionFailed", "EKSClusterRegistry east");
    let note = until_told(&fleet, lost).await;
    // The condition that is at fault tells it, not Ready, which names that one.
    assert!(note.starts_with("ClusterReachable is False: cannot "), "{note}");
    until_told(&fleet, ("Warning", "Unreachable", "EKSClusterRegistry east")).await;
    // Each further failure has the same reason, and pods that come and go are no change of a condition.
    fleet.cluster("east").come_back();
    fleet.until_condition(REGISTRIES, "east", "Synced", "True", "InStep").await;
    for number in 2..20 {
        fleet.pod("east", &format!("web-{number}"), "web");
        fleet.until_entries(number).await;
    }
    until_told(&fleet, ("Normal", "Reachable", "EKSClusterRegistry east")).await;
    let events = fleet.world.management.objects(EVENTS);
    let of = |reason: &str, about: &str| {
        let of_it = events.iter().map(told).filter(|it| it.1 == reason && it.2.ends_with(about));
        of_it.count()
    };
    assert_eq!((of("ConnectionFailed", "east"), of("InStep", "web")), (1, 1), "{events:#?}");
    let leader = events[0]["reportingInstance"].as_str().unwrap();
    assert!(events.iter().all(|event| event["reportingInstance"] == leader), "{events:#?}");
    assert!(events.iter().all(|event| event["metadata"]["namespace"] == "default"));
}

#[tokio::test]
async fn without_the_right_to_write_events_all_else_goes_on() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.world.management.forbid(EVENTS, true);
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    fleet.registrar.until_logged("cannot write Kubernetes Events", PATIENCE).await;
    assert_eq!(fleet.registrar.logged("cannot write Kubernetes Events"), 1);
}
