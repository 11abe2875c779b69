//! Silence is not absence: what nobody can say has ended stays.

use registrar_world::kube::Verb;
use registrar_world::objects;
use registrar_world::spire::WriteKind;
use serde_json::{Value, json};

use crate::fleet::{Fleet, PATIENCE, identity, pod, uid};

async fn two_pods() -> (Fleet, String, String) {
    let fleet = Fleet::start(&["east", "west"]).await;
    fleet.identity(identity("web", "web"));
    let (east, west) = (fleet.pod("east", "web-1", "web"), fleet.pod("west", "web-1", "web"));
    fleet.until_entries(2).await;
    (fleet, east, west)
}

#[tokio::test]
async fn a_cluster_that_refuses_connections_keeps_its_entries_and_holds_up_nobody() {
    let (fleet, east, _) = two_pods().await;
    let before = fleet.ids();
    fleet.cluster("east").refuse();
    let message =
        fleet.until_condition("eksclusterregistries", "east", "Ready", "False", "ConnectionFailed").await;
    assert!(message.ends_with("its entries stay as they are."), "{message}");
    fleet.cluster("east").remove("pods", Some("shop"), "web-1");
    fleet.until_compared().await;
    assert_eq!(fleet.ids(), before);
    fleet.pod("west", "web-2", "web");
    fleet.until_entries(3).await;
    // What was missed is told by the watch, which goes on from where it was.
    let lists = fleet.cluster("east").requests(Verb::List, "pods");
    fleet.cluster("east").come_back();
    fleet.until_entries(2).await;
    assert!(fleet.world.spire.entries().iter().all(|entry| crate::fleet::pod_uid(entry) != Some(&east)));
    fleet.until_condition("eksclusterregistries", "east", "Ready", "True", "Connected").await;
    assert_eq!(fleet.cluster("east").requests(Verb::List, "pods"), lists);
}

#[tokio::test]
async fn a_version_that_the_server_forgot_is_listed_anew() {
    let (fleet, _, west) = two_pods().await;
    let east = fleet.cluster("east");
    east.refuse();
    fleet.until_condition("eksclusterregistries", "east", "Ready", "False", "ConnectionFailed").await;
    east.remove("pods", Some("shop"), "web-1");
    east.put(pod("web-2", "web"));
    east.compact();
    east.come_back();
    let expected = ["web-1", "web-2"].map(|name| format!("spiffe://example.org/ns/shop/pod/{name}"));
    fleet.until("web-2 instead of web-1 in east", |view| view.spiffe_ids() == expected).await;
    fleet.entry(&west);
}

#[tokio::test]
async fn a_list_of_many_pages_and_pages_that_expire_lose_nothing() {
    let mut world = crate::fleet::world(&["east"]).await;
    (0..1203).for_each(|number| {
        world.cluster("east").put(pod(&format!("web-{number}"), "web"));
    });
    world.management.put(identity("web", "web"));
    // A page's snapshot is gone once, and the API server fails once: both are asked again.
    world.cluster("east").fail_next(Verb::List, 1, 500);
    world.register("east");
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    fleet.until_entries(1203).await;
    assert_eq!(fleet.writes(WriteKind::Create), 1203);
}

#[tokio::test]
async fn revoked_tokens_are_renewed_and_refused_ones_are_told() {
    let (fleet, _, _) = two_pods().await;
    let (before, east) = (fleet.ids(), fleet.cluster("east"));
    east.refuse_tokens(true);
    east.cut_watches();
    fleet.until_condition("eksclusterregistries", "east", "Ready", "False", "Unauthorized").await;
    fleet.until_compared().await;
    assert_eq!(fleet.ids(), before);
    // Not a storm: each try asks with one token, and once more with a new one at most.
    assert!(east.unauthorized() < 40, "{}", east.unauthorized());
    east.refuse_tokens(false);
    fleet.until_condition("eksclusterregistries", "east", "Ready", "True", "Connected").await;
    fleet.pod("east", "web-2", "web");
    fleet.until_entries(3).await;
}

#[tokio::test]
async fn a_registry_that_is_disabled_is_no_longer_watched_and_its_entries_stay() {
    let (fleet, east, _) = two_pods().await;
    let management = &fleet.world.management;
    management.patch("eksclusterregistries", None, "east", json!({"spec": {"enabled": false}}));
    fleet.until_condition("eksclusterregistries", "east", "Ready", "False", "Disabled").await;
    fleet.cluster("east").remove("pods", Some("shop"), "web-1");
    fleet.pod("east", "web-2", "web");
    // An edit of the identity reaches west and not east.
    management.patch("workloadidentities", None, "web", json!({"spec": {"hint": "new"}}));
    fleet.until("west's update", |view| view.entries.iter().any(|entry| entry.hint == "new")).await;
    fleet.until_compared().await;
    assert_eq!((fleet.entry(&east).hint.as_str(), fleet.ids().len()), ("", 2));
    management.patch("eksclusterregistries", None, "east", json!({"spec": {"enabled": true}}));
    fleet
        .until("east caught up", |view| {
            view.entries.len() == 2
                && view.entries.iter().all(|it| it.hint == "new" && crate::fleet::pod_uid(it) != Some(&east))
        })
        .await;
}

#[tokio::test]
async fn an_identity_that_breaks_keeps_what_stands() {
    let (fleet, east, _) = two_pods().await;
    let (before, management) = (fleet.ids(), &fleet.world.management);
    for (edit, field) in [
        (
            json!({"spec": {"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/{{ nope }}"}}),
            "spec.spiffeIDTemplate",
        ),
        (json!({"spec": {"spiffeIDTemplate": "x", "ttl": "1ms"}}), "spec.ttl"),
    ] {
        management.patch("workloadidentities", None, "web", edit);
        let what = format!("{field} is told");
        management
            .until(&what, PATIENCE, |view| {
                let valid = crate::fleet::condition(view.get("workloadidentities", None, "web"), "Valid");
                valid.is_some_and(|it| {
                    it["status"] == "False" && it["message"].as_str().unwrap().contains(field)
                })
            })
            .await;
    }
    // Other identities of the namespace are not held up.
    fleet.identity(identity("other", "api"));
    fleet.pod("east", "api-1", "api");
    fleet.until_entries(3).await;
    management.remove("workloadidentities", None, "other");
    fleet.until_entries(2).await;
    management
        .until("it is gone", PATIENCE, |view| view.get("workloadidentities", None, "other").is_none())
        .await;
    fleet.until_compared().await;
    assert_eq!(fleet.ids(), before);
    let mended = json!({"spec": {"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/mended", "ttl": null}});
    management.patch("workloadidentities", None, "web", mended);
    fleet.until("mended", |view| view.spiffe_ids() == ["spiffe://example.org/mended"; 2]).await;
    assert_eq!((fleet.ids(), fleet.entry(&east).id.is_empty()), (before, false));
}

#[tokio::test]
async fn an_object_that_cannot_be_read_costs_itself() {
    let (fleet, east, _) = two_pods().await;
    let before = fleet.ids();
    let api = fleet.cluster("east");
    api.patch("pods", Some("shop"), "web-1", json!({"metadata": {"labels": {"app": 7}}}));
    let message = fleet
        .until_condition("eksclusterregistries", "east", "ObjectsReadable", "False", "MalformedObjects")
        .await;
    assert!(message.contains("pod shop/web-1: metadata.labels[\"app\"] is 7, not a string"), "{message}");
    fleet.pod("east", "web-2", "web");
    fleet.until_entries(3).await;
    assert!(fleet.ids().is_superset(&before));
    api.patch("pods", Some("shop"), "web-1", json!({"metadata": {"labels": {"app": "web"}}}));
    fleet.until_condition("eksclusterregistries", "east", "ObjectsReadable", "True", "Readable").await;
    fleet.entry(&east);
}

#[tokio::test]
async fn objects_that_vanished_while_nobody_looked_are_orphaned_not_deleted() {
    let (mut fleet, _, _) = two_pods().await;
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    let before = fleet.ids();
    fleet.registrar.kill().await;
    // The management cluster was rebuilt: both are gone, finalizers or not.
    let management = &fleet.world.management;
    for (plural, name) in [("workloadidentities", "web"), ("eksclusterregistries", "east")] {
        management.patch(plural, None, name, json!({"metadata": {"finalizers": null}}));
        management.remove(plural, None, name);
    }
    management.put(identity("other", "api"));
    fleet.registrar = fleet.world.run(crate::PROGRAM);
    fleet.until_condition("eksclusterregistries", "west", "Ready", "True", "Connected").await;
    fleet.until_compared().await;
    assert_eq!(fleet.ids(), before);
    // They are restored, and everything is as it was: nothing is written.
    let writes = fleet.world.spire.writes().len();
    fleet.identity(identity("web", "web"));
    fleet.world.register("east");
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    assert_eq!((fleet.ids(), fleet.world.spire.writes().len()), (before, writes));
}

#[tokio::test]
async fn definitions_that_are_installed_later_are_found() {
    let mut world = crate::fleet::world(&["east"]).await;
    ["eksclusterregistries", "workloadidentities"]
        .iter()
        .for_each(|plural| world.management.serve_resource(plural, false));
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    let line = fleet.registrar.until_logged("cannot watch workloadidentities", PATIENCE).await;
    assert!(line.contains("kubectl apply -f crds/"), "{line}");
    ["eksclusterregistries", "workloadidentities"]
        .iter()
        .for_each(|plural| fleet.world.management.serve_resource(plural, true));
    fleet.world.register("east");
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
}

#[tokio::test]
async fn a_change_of_demand_lists_again_and_reaches_the_entries() {
    let (fleet, east, _) = two_pods().await;
    fleet.cluster("east").patch(
        "pods",
        Some("shop"),
        "web-1",
        json!({"metadata": {"annotations": {"team": "blue"}}}),
    );
    let template =
        "spiffe://{{ .TrustDomain }}/{{ index .PodMeta.Annotations \"team\" }}x/{{ .PodMeta.Name }}";
    let edit = json!({"spec": {"spiffeIDTemplate": template}});
    let id = fleet.entry(&east).id;
    fleet.world.management.patch("workloadidentities", None, "web", edit);
    let expected = ["spiffe://example.org/bluex/web-1", "spiffe://example.org/x/web-1"];
    fleet.until("the annotation is read", |view| view.spiffe_ids() == expected).await;
    assert_eq!(fleet.entry(&east).id, id);
}

#[tokio::test]
async fn a_node_without_provider_id_costs_the_pods_that_ask_for_it() {
    let fleet = Fleet::start(&["east"]).await;
    let mut bare = objects::node("bare");
    bare["spec"] = Value::Object(Default::default());
    fleet.cluster("east").put(bare);
    let mut by_instance = identity("by-instance", "web");
    by_instance["spec"]["spiffeIDTemplate"] =
        json!("spiffe://{{ .TrustDomain }}/{{ .InstanceID }}/{{ .PodMeta.Name }}");
    fleet.identity(by_instance);
    let mut on_bare = pod("web-bare", "web");
    on_bare["spec"]["nodeName"] = json!("bare");
    uid(&fleet.cluster("east").put(on_bare));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let object = || fleet.world.management.get("workloadidentities", None, "by-instance").unwrap();
    fleet
        .world
        .management
        .until("the failure is counted", PATIENCE, |view| {
            let stats = view.get("workloadidentities", None, "by-instance").map(|it| &it["status"]["stats"]);
            stats.is_some_and(|stats| stats["entryFailures"] == 1 && stats["entriesRegistered"] == 1)
        })
        .await;
    let object = object();
    let ready = crate::fleet::condition(Some(&object), "Ready").unwrap();
    assert_eq!(ready["status"], "False", "{ready}");
    assert!(
        ready["message"].as_str().unwrap().contains("No entry for 1 pod, among them shop/web-bare in east"),
        "{ready}"
    );
}

#[tokio::test]
async fn a_manifest_of_a_newer_version_widens_nothing() {
    let (fleet, ..) = two_pods().await;
    let before = fleet.ids();
    // Had it only the fields that this version knows, it would select all pods of all clusters, and none of the two.
    let newer = json!({"spec": {"podSelector": null, "nodeSelector": {"matchLabels": {"zone": "a"}}}});
    fleet.world.management.patch("workloadidentities", None, "web", newer);
    let told = fleet.until_condition("workloadidentities", "web", "Valid", "False", "InvalidSpec").await;
    assert!(told.contains("spec.nodeSelector: "), "{told}");
    fleet.pod("east", "other-1", "other");
    let newer = json!({"spec": {"zones": ["a"], "enabled": false}});
    fleet.world.management.patch("eksclusterregistries", None, "west", newer);
    let told = fleet.until_condition("eksclusterregistries", "west", "Valid", "False", "InvalidSpec").await;
    assert!(told.contains("spec.zones: "), "{told}");
    fleet.until_compared().await;
    assert_eq!(fleet.ids(), before);
    // It can be deleted all the same.
    let plain = json!({"spec": {"zones": null, "enabled": true}});
    fleet.world.management.patch("eksclusterregistries", None, "west", plain);
    fleet.until_condition("eksclusterregistries", "west", "Ready", "True", "Connected").await;
    fleet.world.management.terminate("workloadidentities", None, "web");
    fleet.until_entries(0).await;
}
