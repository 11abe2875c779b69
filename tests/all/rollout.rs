//! An edit goes through the fleet by clusters in waves, and stops where it brings failures.

use std::collections::BTreeMap;

use registrar_world::spire::{View, WriteKind};
use serde_json::{Value, json};

use crate::fleet::{Fleet, PATIENCE, identity, pod_uid, spiffe_id};

const CLUSTERS: [&str; 3] = ["east", "north", "west"];
const EDITED: &str = "spiffe://{{ .TrustDomain }}/edited/{{ .PodMeta.Name }}";

/// Three clusters with a pod each, and an identity whose edits go to one of them first; its spec is recorded.
async fn three(pause: &str) -> (Fleet, BTreeMap<&'static str, String>) {
    let fleet = Fleet::start(&CLUSTERS).await;
    let mut web = identity("web", "web");
    web["spec"]["rollout"] = json!({"steps": [{"clusters": 1}, {"clusters": "50%"}], "pause": pause});
    fleet.identity(web);
    let uids = CLUSTERS.map(|cluster| (cluster, fleet.pod(cluster, &format!("{cluster}-1"), "web")));
    fleet.until_entries(3).await;
    let told = fleet.until_condition("workloadidentities", "web", "RolledOut", "True", "Complete").await;
    assert_eq!(told, "Every cluster has the spec.");
    (fleet, uids.into())
}

fn edit(fleet: &Fleet, spec: Value) {
    fleet.world.management.patch("workloadidentities", None, "web", json!({ "spec": spec }));
}

fn rollout(fleet: &Fleet) -> Value {
    fleet.world.management.get("workloadidentities", None, "web").unwrap()["status"]["rollout"].clone()
}

async fn until_progress(fleet: &Fleet, progress: &str) {
    let holds =
        |object: Option<&Value>| object.is_some_and(|it| it["status"]["rollout"]["progress"] == progress);
    let what = format!("the rollout at {progress}");
    fleet
        .world
        .management
        .until(&what, PATIENCE, |view| holds(view.get("workloadidentities", None, "web")))
        .await;
}

/// Whether the pod has the edit.
fn is_edited(view: &View<'_>, uid: &str) -> bool {
    let entry = view.entries.iter().find(|entry| pod_uid(entry) == Some(uid));
    entry.is_some_and(|entry| spiffe_id(entry).contains("/edited/"))
}

#[tokio::test]
async fn an_edit_is_on_one_cluster_first_for_old_and_new_pods_and_can_be_taken_back() {
    let (mut fleet, uids) = three("1h").await;
    let before = fleet.ids();
    edit(&fleet, json!({"spiffeIDTemplate": EDITED}));
    let told = fleet.until_condition("workloadidentities", "web", "RolledOut", "False", "Progressing").await;
    assert_eq!(
        told,
        "1 of 3 clusters have the edit; once they have been in step for 1h without failures, 2 of 3 get it."
    );
    until_progress(&fleet, "1/3").await;
    fleet.until("the edit in east", |view| is_edited(view, &uids["east"])).await;
    let told = rollout(&fleet);
    assert_eq!(told["updatedClusters"], json!(["east"]));
    assert!(!told["stableSpec"]["spiffeIDTemplate"].as_str().unwrap().contains("edited"), "{told}");
    fleet.until_condition("workloadidentities", "web", "Ready", "Unknown", "RollingOut").await;
    // New pods get what their cluster has.
    let new = CLUSTERS.map(|cluster| fleet.pod(cluster, &format!("{cluster}-2"), "web"));
    fleet.until_entries(6).await;
    let has_edit = |fleet: &Fleet| -> Vec<bool> {
        let all = uids.values().chain(&new);
        all.map(|uid| spiffe_id(&fleet.entry(uid)).contains("/edited/")).collect()
    };
    let expected = [true, false, false, true, false, false];
    assert_eq!(has_edit(&fleet), expected);
    // Whoever starts anew goes on from where it is.
    let writes = fleet.world.spire.writes().len();
    fleet.registrar.kill().await;
    fleet.registrar = fleet.world.run(crate::PROGRAM);
    fleet.until_compared().await;
    fleet.until_condition("workloadidentities", "web", "RolledOut", "False", "Progressing").await;
    assert_eq!((has_edit(&fleet), fleet.world.spire.writes().len()), (expected.to_vec(), writes));
    // A second edit: the cluster that has left the former spec follows, the others still have it.
    edit(&fleet, json!({"hint": "second"}));
    fleet
        .until("the second edit in east", |view| {
            view.entries.iter().filter(|entry| entry.hint == "second").count() == 2
        })
        .await;
    assert_eq!(has_edit(&fleet), expected);
    // Taken back: everywhere at once, under the ids that there were.
    edit(
        &fleet,
        json!({"spiffeIDTemplate": identity("web", "web")["spec"]["spiffeIDTemplate"], "hint": null}),
    );
    fleet
        .until("what there was", |view| {
            view.entries.iter().all(|entry| entry.hint.is_empty() && !spiffe_id(entry).contains("/edited/"))
        })
        .await;
    fleet.until_condition("workloadidentities", "web", "RolledOut", "True", "Complete").await;
    assert!(before.is_subset(&fleet.ids()));
    assert_eq!((fleet.writes(WriteKind::Create), fleet.writes(WriteKind::Delete)), (6, 0));
}

#[tokio::test]
async fn waves_follow_one_another_until_every_cluster_has_the_edit() {
    let (fleet, uids) = three("1s").await;
    let before = fleet.ids();
    edit(&fleet, json!({"spiffeIDTemplate": EDITED}));
    for (progress, reached) in [("1/3", &CLUSTERS[..1]), ("2/3", &CLUSTERS[..2])] {
        until_progress(&fleet, progress).await;
        fleet.until(progress, |view| reached.iter().all(|cluster| is_edited(view, &uids[cluster]))).await;
    }
    fleet.until("the edit everywhere", |view| uids.values().all(|uid| is_edited(view, uid))).await;
    fleet.until_condition("workloadidentities", "web", "RolledOut", "True", "Complete").await;
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    let told = rollout(&fleet);
    assert_eq!((&told["progress"], &told["updatedClusters"]), (&Value::Null, &Value::Null));
    assert_eq!(told["stableSpec"]["spiffeIDTemplate"], EDITED);
    // In the order of the waves, each entry once and under its id.
    let updates: Vec<String> = fleet
        .world
        .spire
        .writes()
        .iter()
        .filter(|it| it.kind == WriteKind::Update)
        .map(|it| it.id.clone())
        .collect();
    let expected = CLUSTERS.map(|cluster| fleet.entry(&uids[cluster]).id);
    assert_eq!((updates, fleet.ids()), (expected.to_vec(), before));
}

#[tokio::test]
async fn a_wave_that_brings_failures_is_the_last_until_they_are_mended() {
    let (fleet, uids) = three("1s").await;
    edit(
        &fleet,
        json!({"spiffeIDTemplate":
        "spiffe://{{ .TrustDomain }}/edited/{{ .PodMeta.Annotations.team }}"}),
    );
    let told = fleet.until_condition("workloadidentities", "web", "RolledOut", "False", "Stopped").await;
    assert!(
        told.starts_with("In east, shop/east-1 gets no entry by the edit: spec.spiffeIDTemplate: "),
        "{told}"
    );
    assert!(told.contains("to take it back, apply the spec of status.rollout.stableSpec"), "{told}");
    // Nothing was lost: the pod keeps what it had.
    fleet.until_compared().await;
    assert!(uids.values().all(|uid| !spiffe_id(&fleet.entry(uid)).contains("/edited/")));
    let team = |cluster: &str| {
        let annotations = json!({"metadata": {"annotations": {"team": cluster}}});
        fleet.cluster(cluster).patch("pods", Some("shop"), &format!("{cluster}-1"), annotations);
    };
    // It failed in west before as well: that stops nothing.
    CLUSTERS.into_iter().for_each(team);
    fleet.until("the edit everywhere", |view| uids.values().all(|uid| is_edited(view, uid))).await;
    fleet.until_condition("workloadidentities", "web", "RolledOut", "True", "Complete").await;
}

#[tokio::test]
async fn what_is_no_rollout_is_told_with_its_fields() {
    let fleet = Fleet::start(&["east"]).await;
    let mut web = identity("web", "web");
    web["spec"]["rollout"] = json!({"steps": [{"clusters": 0}, {"clusters": "10 %"}], "pause": "soon"});
    fleet.identity(web);
    let told = fleet.until_condition("workloadidentities", "web", "Valid", "False", "InvalidRollout").await;
    assert_eq!(
        told,
        "spec.rollout.steps[0].clusters: is 0, must be a number above 0 such as 1, or a percentage from \"1%\" to \"100%\"; \
         spec.rollout.steps[1].clusters: is \"10 %\", must be a number above 0 such as 1, or a percentage from \"1%\" to \"100%\"; \
         spec.rollout.pause: \"soon\" must be a Go duration such as 10m or 1h (invalid floating-point number: cannot parse \
         float from empty string)"
    );
}
