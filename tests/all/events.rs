//! What became another of an object's conditions is told as Kubernetes Events, once, by the replica that leads.

use registrar_world::kube::Verb;
use registrar_world::spire::Call;
use serde_json::{Value, json};

use crate::fleet::{Fleet, PATIENCE, identity};
use crate::writer::alone;

const EVENTS: &str = "events.events.k8s.io";
const REGISTRIES: &str = "eksclusterregistries";
const IDENTITIES: &str = "workloadidentities";

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
async fn a_held_plan_that_becomes_another_is_told_anew_with_the_digest_that_releases_it() {
    let fleet = Fleet::configured(json!({"brake": {"scopeNumber": 3}})).await;
    fleet.identity(identity("web", "web"));
    (0..6).for_each(|number| {
        fleet.pod("east", &format!("web-{number}"), "web");
    });
    fleet.until_entries(6).await;
    let nobody = json!({"spec": {"podSelector": {"matchLabels": {"app": "nobody"}}}});
    fleet.world.management.patch(IDENTITIES, None, "web", nobody);
    let held = |count: usize| format!("WithinBudgets is False: Held: {count} deletes");
    let until_held = async |count: usize| {
        let is_held = |event: &Value| {
            let (_, reason, about, note) = told(event);
            (reason, &*about) == ("Braked", "WorkloadIdentity web") && note.starts_with(&held(count))
        };
        let events = |view: &registrar_world::kube::View<'_>| view.objects(EVENTS).into_iter().any(is_held);
        fleet.world.management.until(&held(count), PATIENCE, events).await;
        let events = fleet.world.management.objects(EVENTS);
        let digest = told(events.iter().find(|event| is_held(event)).unwrap()).3.rsplit_once('=').unwrap().1;
        fleet.registrar.until_logged(&format!("release={digest}"), PATIENCE).await;
        digest.to_owned()
    };
    let first = until_held(6).await;
    // Its end was seen: nobody has to release that any more.
    fleet.cluster("east").remove("pods", Some("shop"), "web-0");
    let second = until_held(5).await;
    assert_ne!(first, second);
    let lines = |digest: &str| {
        let line = "name=\"web\" condition=\"WithinBudgets\" reason=\"Braked\"";
        let log = fleet.registrar.log();
        log.iter().filter(|it| it.contains(line) && it.contains(digest)).count()
    };
    assert_eq!((lines(&first), lines(&second)), (1, 1));
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

/// The seed's command, on one object of ours.
fn ask(fleet: &Fleet, plural: &str, name: &str) {
    let annotation = json!({"metadata": {"annotations": {"reconcile": "now"}}});
    fleet.world.management.patch(plural, None, name, annotation);
}

fn asks(object: Option<&Value>) -> bool {
    object.is_some_and(|object| object.pointer("/metadata/annotations/reconcile").is_some())
}

async fn until_answered(fleet: &Fleet, plural: &str, name: &str) {
    let what = format!("{plural} {name} asks no more");
    fleet.world.management.until(&what, PATIENCE, |view| !asks(view.get(plural, None, name))).await;
}

#[tokio::test]
async fn a_full_reconciliation_that_was_asked_for_is_told_when_it_is_done_as_often_as_it_is_asked_for() {
    let fleet = alone("1h").await;
    fleet.identity(identity("web", "web"));
    let mut broken = identity("broken", "web");
    broken["spec"]["spiffeIDTemplate"] = json!("{{ .Nothing");
    fleet.identity(broken);
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    fleet.until_condition(IDENTITIES, "web", "Ready", "True", "InStep").await;
    fleet.until_condition(IDENTITIES, "broken", "Stalled", "True", "InvalidTemplate").await;
    let spire = &fleet.world.spire;
    for (plural, name) in
        [(IDENTITIES, "web"), (IDENTITIES, "web"), (IDENTITIES, "broken"), (REGISTRIES, "east")]
    {
        let lists = spire.calls(Call::List);
        ask(&fleet, plural, name);
        until_answered(&fleet, plural, name).await;
        // A page with the entry, and the one that says that there are no more.
        assert_eq!(spire.calls(Call::List), lists + 2, "{plural} {name}");
    }
    for about in ["WorkloadIdentity web", "WorkloadIdentity broken", "EKSClusterRegistry east"] {
        let note = until_told(&fleet, ("Normal", "Reconciled", about)).await;
        assert!(note.contains("reconcile=now"), "{note}");
    }
}

#[tokio::test]
async fn a_list_that_had_begun_is_not_the_one_that_was_asked_for() {
    let fleet = alone("1h").await;
    fleet.identity(identity("first", "web"));
    fleet.identity(identity("second", "web"));
    fleet.until_condition(IDENTITIES, "second", "Ready", "True", "InStep").await;
    let spire = &fleet.world.spire;
    spire.ration_pages(Some(0));
    let lists = spire.calls(Call::List);
    ask(&fleet, IDENTITIES, "first");
    fleet.until("a list has begun", |view| view.calls(Call::List) == lists + 1).await;
    ask(&fleet, IDENTITIES, "second");
    // What follows in the same watch shows that the request was seen.
    fleet.pod("east", "web-1", "web");
    let selects = |view: &registrar_world::kube::View<'_>| {
        let object = view.get(IDENTITIES, None, "second");
        object.map(|it| it["status"]["stats"]["podsSelected"].clone()) == Some(json!(1))
    };
    fleet.world.management.until("the pod is selected", PATIENCE, selects).await;
    spire.ration_pages(Some(1));
    until_answered(&fleet, IDENTITIES, "first").await;
    assert!(asks(fleet.world.management.get(IDENTITIES, None, "second").as_ref()));
    spire.ration_pages(None);
    until_answered(&fleet, IDENTITIES, "second").await;
    // One empty page; a page with the pod's entry, and the one that says that there are no more.
    assert_eq!(spire.calls(Call::List), lists + 3);
}

#[tokio::test]
async fn a_request_that_cannot_be_taken_away_is_done_once_and_tried_to_be_taken_away_again() {
    let fleet = alone("1h").await;
    fleet.identity(identity("web", "web"));
    fleet.until_condition(IDENTITIES, "web", "Ready", "True", "InStep").await;
    let lists = fleet.world.spire.calls(Call::List);
    fleet.world.management.fail_next(Verb::Patch, 1000, 403);
    ask(&fleet, IDENTITIES, "web");
    let patches = fleet.world.management.requests(Verb::Patch, IDENTITIES);
    fleet.registrar.until_logged("cannot write the object's status or finalizer", PATIENCE).await;
    let tried =
        |view: &registrar_world::kube::View<'_>| view.requests(Verb::Patch, IDENTITIES) >= patches + 4;
    fleet.world.management.until("it is tried again", PATIENCE, tried).await;
    assert!(asks(fleet.world.management.get(IDENTITIES, None, "web").as_ref()));
    fleet.world.management.fail_no_more();
    until_answered(&fleet, IDENTITIES, "web").await;
    assert_eq!(fleet.world.spire.calls(Call::List), lists + 1);
}
