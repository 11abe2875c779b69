//! The writer against a SPIRE server that fails in every way, is restored, is cleaned by others, and is shared.

use std::collections::BTreeSet;
use std::time::Duration;

use registrar_proto::types::{Entry, Selector, Spiffeid};
use registrar_world::spire::{Call, WriteKind};
use serde_json::{Value, json};
use tonic::Code;

use crate::fleet::{Fleet, PATIENCE, identity, pod};
use crate::replicas::{get, try_get};

/// An entry as somebody else would make it.
pub fn foreign(id: &str, path: &str, selector: &str) -> Entry {
    let spiffe_id =
        |path: &str| Some(Spiffeid { trust_domain: "example.org".to_owned(), path: path.to_owned() });
    let (kind, value) = selector.split_once(':').unwrap();
    Entry {
        id: id.to_owned(),
        spiffe_id: spiffe_id(path),
        parent_id: spiffe_id("/spire/agent/k8s_psat/elsewhere/node"),
        selectors: vec![Selector { r#type: kind.to_owned(), value: value.to_owned() }],
        ..Entry::default()
    }
}

/// With no lease, so that on a busy machine nothing is listed anew because it was lost.
pub async fn alone(gc_interval: &str) -> Fleet {
    alone_beside(gc_interval, 0).await
}

/// So, with so many entries of others from the beginning.
async fn alone_beside(gc_interval: &str, others: usize) -> Fleet {
    let mut world = crate::fleet::world(&["east"]).await;
    let election = json!({"leaderElect": false, "leaseDuration": "60s", "renewDeadline": "50s"});
    world.configure(&json!({"gcInterval": gc_interval, "leaderElection": election}));
    (0..others).for_each(|number| {
        let id = format!("other-{number}");
        world.spire.insert_foreign(foreign(&id, &format!("/other/{number}"), "unix:uid:0"));
    });
    world.register("east");
    let registrar = world.run(crate::PROGRAM);
    Fleet { world, registrar }
}

pub fn annotate(fleet: &Fleet, plural: &str, name: &str, digest: &str) {
    let annotations = json!({"eksclusterregistry.spire.spiffe.io/release": digest});
    fleet.world.management.patch(plural, None, name, json!({"metadata": {"annotations": annotations}}));
}

/// What the program says it holds, once that is what the condition says.
pub async fn held(fleet: &Fleet, what: &str, condition: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let told = async {
        loop {
            // A program that has just been started does not listen yet.
            if let Ok(answer) = try_get(fleet.registrar.metrics, "/held").await {
                let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
                let body: Value =
                    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
                let held = body["held"].as_array().unwrap().clone();
                if body["listed"] == true && condition(&held) {
                    return held;
                }
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("{what}: in {PATIENCE:?} not"))
}

#[tokio::test]
async fn one_call_in_ten_fails_and_nothing_is_lost_or_doubled() {
    let mut fleet = Fleet::start(&["east"]).await;
    let spire = &fleet.world.spire;
    // Lists of many pages: one that began anew at each failure would never end.
    (0..6000).for_each(|number| {
        let id = format!("other-{number}");
        spire.insert_foreign(foreign(&id, &format!("/other/{number}"), "unix:uid:0"));
    });
    spire.fail_each(10, Code::Unavailable);
    fleet.identity(identity("web", "web"));
    let of_ours = |view: &registrar_world::spire::View<'_>| view.entries.len() - 6000;
    for wave in 0..3 {
        (0..100).for_each(|number| {
            fleet.pod("east", &format!("web-{wave}-{number}"), "web");
        });
        fleet.until("this wave's entries", |view| of_ours(view) == 100 * (wave + 1)).await;
    }
    (0..100).for_each(|number| {
        fleet.cluster("east").remove("pods", Some("shop"), &format!("web-0-{number}"));
    });
    fleet.until("the first wave gone", |view| of_ours(view) == 200).await;
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    // Started anew it finds everything in place, by a list that fails now and then.
    let writes = fleet.world.spire.writes().len();
    fleet.registrar.kill().await;
    fleet.registrar = fleet.world.run(crate::PROGRAM);
    fleet.registrar.until_logged("listed SPIRE's entries", PATIENCE).await;
    fleet.until_compared().await;
    assert_eq!(fleet.world.spire.writes().len(), writes);
    assert_eq!((fleet.writes(WriteKind::Create), fleet.writes(WriteKind::Delete)), (6000 + 300, 100));
}

#[tokio::test]
async fn after_a_lost_answer_spire_is_asked_for_that_calls_entries_and_other_pods_do_not_wait() {
    const OTHERS: usize = 3000;
    let fleet = alone_beside("10m", OTHERS).await;
    let spire = &fleet.world.spire;
    fleet.identity(identity("web", "web"));
    (0..20).for_each(|number| {
        fleet.pod("east", &format!("old-{number}"), "web");
    });
    fleet.until_entries(OTHERS + 20).await;
    let (lists, before) = (spire.calls(Call::List), spire.writes().len());
    // A call is carried out and the connection breaks; SPIRE is slow to say what it holds.
    spire.ration_gets(Some(0));
    spire.lose_answers(1);
    let new: Vec<(String, String)> = (0..30)
        .map(|number| format!("new-{number}"))
        .map(|name| (fleet.pod("east", &name, "web"), name))
        .collect();
    fleet.until("SPIRE is asked", |view| view.calls(Call::Get) > 0).await;
    let lost: BTreeSet<String> = {
        let writes = spire.writes();
        let of_call = writes[before..].iter().filter(|write| write.call == writes[before].call);
        of_call.map(|write| write.id.clone()).collect()
    };
    // Pods that the call was not for are served; the end of one that it was for is not acted on yet.
    let is_lost = |uid: &str| lost.contains(&fleet.entry(uid).id);
    let doubtful = spire.entries().into_iter().find(|entry| lost.contains(&entry.id)).unwrap();
    let (_, name) = new.iter().find(|(uid, _)| crate::fleet::pod_uid(&doubtful) == Some(uid)).unwrap();
    fleet.cluster("east").remove("pods", Some("shop"), name);
    fleet.cluster("east").remove("pods", Some("shop"), "old-0");
    let meanwhile = fleet.pod("east", "meanwhile", "web");
    fleet
        .until("the others are written", |view| {
            let ids = view.spiffe_ids();
            let has = |name: &str| ids.iter().any(|id| id.ends_with(&format!("/pod/{name}")));
            has("meanwhile") && !has("old-0")
        })
        .await;
    assert!(!is_lost(&meanwhile) && fleet.ids().contains(&doubtful.id));
    spire.ration_gets(None);
    fleet.until("it is gone as well", |view| view.entries.iter().all(|it| it.id != doubtful.id)).await;
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    assert_eq!(spire.asked().into_iter().collect::<BTreeSet<_>>(), lost);
    assert_eq!((fleet.writes(WriteKind::Create), fleet.writes(WriteKind::Delete)), (OTHERS + 51, 2));
    let told = format!("calls whose outcome was not known stood={} absent=0", lost.len());
    assert_eq!(fleet.registrar.logged(&told), 1, "{:?}", fleet.registrar.log());
    // A call that was not carried out: its entries are made under new ids.
    spire.refuse_calls(1, Code::Unavailable);
    fleet.pod("east", "later", "web");
    fleet.until_entries(OTHERS + 50).await;
    let told = "calls whose outcome was not known stood=0 absent=1";
    fleet.registrar.until_logged(told, PATIENCE).await;
    let asked: BTreeSet<String> = spire.asked().into_iter().collect();
    assert_eq!((asked.len(), spire.calls(Call::List)), (lost.len() + 1, lists));
    // Where SPIRE does not say, a list has to.
    spire.refuse_calls(1, Code::Unavailable);
    spire.refuse_calls(1, Code::PermissionDenied);
    fleet.pod("east", "last", "web");
    fleet.until_entries(OTHERS + 51).await;
    assert!(spire.calls(Call::List) > lists);
    assert_eq!((fleet.writes(WriteKind::Create), fleet.writes(WriteKind::Update)), (OTHERS + 53, 0));
}

#[tokio::test]
async fn a_slow_server_that_restarts_in_the_middle_of_a_list_loses_and_doubles_nothing() {
    let fleet = alone("1s").await;
    let spire = &fleet.world.spire;
    (0..1500).for_each(|number| {
        let id = format!("other-{number}");
        spire.insert_foreign(foreign(&id, &format!("/other/{number}"), "unix:uid:0"));
    });
    fleet.identity(identity("web", "web"));
    (0..30).for_each(|number| {
        fleet.pod("east", &format!("web-{number}"), "web");
    });
    fleet.until_entries(1500 + 30).await;
    spire.set_latency(Duration::from_millis(200));
    // The second page of some list waits, and the server ends meanwhile.
    spire.ration_pages(Some(1));
    let calls = spire.calls(Call::List);
    fleet.until("a page that waits", |view| view.calls(Call::List) >= calls + 2).await;
    spire.stop();
    (0..10).for_each(|number| fleet.cluster("east").remove("pods", Some("shop"), &format!("web-{number}")));
    (0..10).for_each(|number| {
        fleet.pod("east", &format!("new-{number}"), "web");
    });
    fleet.registrar.until_logged("SPIRE cannot be used now", PATIENCE).await;
    spire.ration_pages(None);
    spire.come_back();
    fleet
        .until("ten for ten", |view| {
            let ids = view.spiffe_ids();
            let of = |name: &str| ids.iter().filter(|id| id.contains(name)).count();
            (of("/pod/web-"), of("/pod/new-"), ids.len()) == (20, 10, 1530)
        })
        .await;
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    fleet.until_compared().await;
    let writes = [WriteKind::Create, WriteKind::Update, WriteKind::Delete].map(|kind| fleet.writes(kind));
    assert_eq!(writes, [1500 + 40, 0, 10]);
    assert_eq!(fleet.registrar.logged("were not as this registrar had left them"), 0);
}

#[tokio::test]
async fn a_batch_that_is_refused_for_its_size_is_halved_until_it_is_taken() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.world.spire.set_most_entries(7);
    fleet.identity(identity("web", "web"));
    (0..60).for_each(|number| {
        fleet.pod("east", &format!("web-{number}"), "web");
    });
    fleet.until_entries(60).await;
    fleet.world.management.patch("workloadidentities", None, "web", json!({"spec": {"hint": "new"}}));
    fleet.until("all of them updated", |view| view.entries.iter().all(|entry| entry.hint == "new")).await;
    (0..60).for_each(|number| {
        fleet.cluster("east").remove("pods", Some("shop"), &format!("web-{number}"));
    });
    fleet.until_entries(0).await;
    assert_eq!(fleet.writes(WriteKind::Create), 60);
    assert_eq!(fleet.registrar.logged("ResourceExhausted"), 0, "a refusal for size is no outage");
}

#[tokio::test]
async fn an_entry_that_no_call_can_carry_is_its_own_failure_alone() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.world.spire.choke_on("pod/huge");
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "huge-1", "web");
    (0..20).for_each(|number| {
        fleet.pod("east", &format!("web-{number}"), "web");
    });
    fleet.until_entries(20).await;
    let told = fleet.until_condition("workloadidentities", "web", "Ready", "False", "SPIRERefused").await;
    assert!(told.contains("ResourceExhausted") && told.contains("Not in place: 1 entry"), "{told}");
    fleet.pod("east", "web-new", "web");
    fleet.until_entries(21).await;
}

#[tokio::test]
async fn a_restored_database_is_noticed_by_the_first_update_and_listed_once() {
    let fleet = alone("10m").await;
    fleet.identity(identity("web", "web"));
    let spire = &fleet.world.spire;
    (0..10).for_each(|number| {
        fleet.pod("east", &format!("old-{number}"), "web");
    });
    fleet.until_entries(10).await;
    let backup = spire.back_up();
    (0..10).for_each(|number| {
        fleet.pod("east", &format!("new-{number}"), "web");
    });
    fleet.until_entries(20).await;
    (0..2).for_each(|number| fleet.cluster("east").remove("pods", Some("shop"), &format!("old-{number}")));
    fleet.until_entries(18).await;
    spire.restore(&backup);
    let lists = spire.calls(Call::List);
    // Ten updates find nothing.
    fleet.world.management.patch("workloadidentities", None, "web", json!({"spec": {"hint": "new"}}));
    fleet
        .until("all is as it was, edited", |view| {
            view.entries.len() == 18 && view.entries.iter().all(|entry| entry.hint == "new")
        })
        .await;
    fleet.registrar.until_logged("entries in SPIRE were not as this registrar had left them", PATIENCE).await;
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    // One list: the old entries, what was made anew meanwhile, and the page that tells that there is no more.
    let pages = spire.calls(Call::List) - lists;
    assert!(pages == 2 || pages == 3, "{pages}");
    let metrics = get(fleet.registrar.metrics, "/metrics").await;
    for line in ["drift_total{cause=\"Deleted\"} 10", "drift_total{cause=\"Appeared\"} 2"] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn a_new_pod_does_not_wait_for_the_rest_of_a_list() {
    let fleet = alone("10m").await;
    let spire = &fleet.world.spire;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-0", "web");
    fleet.until_entries(1).await;
    (0..2000).for_each(|number| {
        let id = format!("other-{number}");
        spire.insert_foreign(foreign(&id, &format!("/other/{number}"), "unix:uid:0"));
    });
    let (pages, writes) = (spire.calls(Call::List), spire.writes().len());
    spire.ration_pages(Some(1));
    fleet.world.management.patch(
        "workloadidentities",
        None,
        "web",
        json!({"metadata": {"annotations": {"reconcile": "now"}}}),
    );
    fleet.until("the second page is asked for", |view| view.calls(Call::List) == pages + 2).await;
    fleet.pod("east", "web-1", "web");
    fleet.cluster("east").remove("pods", Some("shop"), "web-0");
    // Both facts are with the writer before the page comes: a third one, which changes nothing, shows it.
    fleet.world.management.patch("workloadidentities", None, "web", json!({"spec": {"hint": ""}}));
    let stats = |view: &registrar_world::kube::View<'_>| {
        view.get("workloadidentities", None, "web").map(|it| it["status"]["stats"]["podsSelected"].clone())
    };
    fleet.world.management.until("one pod is selected", PATIENCE, |view| stats(view) == Some(json!(1))).await;
    spire.ration_pages(Some(1));
    fleet
        .until("both written while most of the list is still to come", |view| {
            view.writes.len() == writes + 2 && view.calls(Call::List) < pages + 5
        })
        .await;
    spire.ration_pages(None);
    fleet.registrar.until_logged("garbage collection: compared all entries", PATIENCE).await;
    assert_eq!(spire.writes().len(), writes + 2, "neither undone nor made twice");
    assert_eq!(fleet.registrar.logged("were not as this registrar had left them"), 0);
}

#[tokio::test]
async fn somebody_who_cleans_up_after_us_is_told() {
    let fleet = Fleet::configured(json!({"gcInterval": "1s"})).await;
    fleet.identity(identity("web", "web"));
    let uid = fleet.pod("east", "web-1", "web");
    for _ in 0..3 {
        fleet.until_entries(1).await;
        let id = fleet.entry(&uid).id;
        fleet.world.spire.delete_foreign(&id);
        fleet.until("it is made anew", |view| view.entries.iter().any(|entry| entry.id != id)).await;
    }
    let told =
        fleet.until_condition("workloadidentities", "web", "Undisturbed", "False", "DeletedByOthers").await;
    assert!(told.contains("spire-controller-manager"), "{told}");
    fleet.until_compared().await;
    assert_eq!(
        fleet.registrar.logged("Somebody else deletes 1 of this identity's entries"),
        2,
        "log and condition"
    );
    let metrics = get(fleet.registrar.metrics, "/metrics").await;
    assert!(metrics.contains("spire_eks_workload_registrar_vanishing_entries 1"), "{metrics}");
}

#[tokio::test]
async fn the_backlog_and_its_age_are_metrics() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let age = async || {
        let metrics = get(fleet.registrar.metrics, "/metrics").await;
        let line = metrics
            .lines()
            .find(|line| line.starts_with("spire_eks_workload_registrar_backlog_age_seconds "));
        line.unwrap().rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    fleet.world.spire.stop();
    fleet.pod("east", "web-2", "web");
    let until = async |condition: fn(f64) -> bool| {
        let reached = async {
            while !condition(age().await) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("the age");
    };
    until(|age| age > 1.0).await;
    fleet.world.spire.come_back();
    fleet.until_entries(2).await;
    until(|age| age == 0.0).await;
}

#[tokio::test]
async fn each_write_has_an_audit_record() {
    let mut world = crate::fleet::world(&["east"]).await;
    world.register("east");
    let mut web = identity("web", "web");
    web["metadata"]["generation"] = json!(7);
    web["spec"]["workloadSelectorTemplates"] = json!(["k8s:ns:{{ .PodMeta.Namespace }}"]);
    world.management.put(web);
    world.spire.refuse_entries("pod/bad", Code::Internal);
    let registrar = world.run_with(crate::PROGRAM, |command| {
        command.env("LOG_FORMAT", "json");
    });
    let fleet = Fleet { world, registrar };
    let uid = fleet.pod("east", "web-1", "web");
    fleet.pod("east", "bad-1", "web");
    fleet.until_entries(1).await;
    let id = fleet.entry(&uid).id;
    fleet.world.management.patch("workloadidentities", None, "web", json!({"spec": {"hint": "new"}}));
    fleet.until("the update", |view| view.entries.iter().all(|entry| entry.hint == "new")).await;
    fleet.cluster("east").remove("pods", Some("shop"), "web-1");
    fleet.until_entries(0).await;
    fleet.registrar.until_logged("\"action\":\"delete\"", PATIENCE).await;
    let records = records(&fleet);
    let of = |action: &str| records.iter().find(|it| it["action"] == action && it["entryID"] == *id).unwrap();
    let (created, updated, deleted) = (of("create"), of("update"), of("delete"));
    for record in [created, updated, deleted] {
        assert_eq!(record["outcome"], "Done", "{record}");
        assert_eq!(record["cluster"], "east", "{record}");
        assert_eq!(record["podUID"], *uid, "{record}");
        assert_eq!(record["object"], "WorkloadIdentity/web", "{record}");
    }
    assert_eq!(created["after.spiffeID"], "spiffe://example.org/ns/shop/pod/web-1");
    let selectors: BTreeSet<String> =
        serde_json::from_str(created["after.selectors"].as_str().unwrap()).unwrap();
    assert_eq!(selectors, BTreeSet::from(["k8s:ns:shop".to_owned(), format!("k8s:pod-uid:{uid}")]));
    assert!(created.get("before.key").is_none(), "{created}");
    // What an edit has changed and what not: the key is the same, the content is another.
    assert_eq!(
        (&updated["before.key"], &updated["after.key"]),
        (&created["after.key"], &created["after.key"])
    );
    assert_eq!(updated["before.content"], created["after.content"]);
    assert_ne!(updated["after.content"], created["after.content"]);
    assert_eq!(updated["after.hint"], "new");
    let generations = [created, updated].map(|record| record["generation"].as_i64().unwrap());
    assert!(generations[0] >= 1 && generations[1] == generations[0] + 1, "{generations:?}");
    assert_eq!(
        (&deleted["reason"], &deleted["before.content"]),
        (&json!("PodGone"), &updated["after.content"])
    );
    // Nothing is kept of an entry but what its pod was to have.
    for name in ["spiffeID", "parentID"] {
        assert_eq!(deleted[format!("before.{name}")], created[format!("after.{name}")], "{deleted}");
    }
    let refused = records.iter().find(|it| it["outcome"] == "Refused").unwrap();
    assert_eq!(refused["after.spiffeID"], "spiffe://example.org/ns/shop/pod/bad-1");
    assert!(refused["problem"].as_str().unwrap().contains("told to fail"), "{refused}");
}

/// The audit's records so far.
fn records(fleet: &Fleet) -> Vec<Value> {
    records_in(&fleet.registrar.log())
}

fn records_in(log: &[String]) -> Vec<Value> {
    let lines = log.iter().filter_map(|line| serde_json::from_str(line).ok());
    lines.filter(|record: &Value| record["target"] == "audit").collect()
}

/// These clusters, a log of JSON, and no list but for a reason.
async fn audited(clusters: &[&str]) -> Fleet {
    let mut world = crate::fleet::world(clusters).await;
    world.configure(&json!({"gcInterval": "1h", "leaderElection": {"leaderElect": false}}));
    clusters.iter().for_each(|name| world.register(name));
    let registrar = world.run_with(crate::PROGRAM, |command| {
        command.env("LOG_FORMAT", "json");
    });
    Fleet { world, registrar }
}

#[tokio::test]
async fn the_record_of_a_delete_names_the_object_that_said_so() {
    let mut fleet = audited(&["east", "west"]).await;
    fleet.identity(identity("web", "web"));
    fleet.identity(identity("api", "api"));
    fleet.pod("east", "api-1", "api");
    fleet.pod("west", "web-1", "web");
    fleet.until_entries(2).await;
    fleet.until_condition("workloadidentities", "api", "Ready", "True", "InStep").await;
    let deleted = async |fleet: &Fleet, reason: &str| -> Value {
        fleet.registrar.until_logged(&format!("\"reason\":\"{reason}\""), PATIENCE).await;
        records(fleet).into_iter().find(|it| it["action"] == "delete" && it["reason"] == reason).unwrap()
    };
    let management = &fleet.world.management;
    let generation = |object: &Value| object["metadata"]["generation"].as_i64().unwrap();
    let registered = generation(&management.get("eksclusterregistries", None, "west").unwrap());
    management.remove("eksclusterregistries", None, "west");
    fleet.until_entries(1).await;
    let record = deleted(&fleet, "RegistryDeleted").await;
    assert_eq!(record["object"], "EKSClusterRegistry/west", "{record}");
    assert!(generation(&json!({"metadata": record})) >= registered, "{record}");
    assert_eq!(record["before.spiffeID"], "spiffe://example.org/ns/shop/pod/web-1", "{record}");
    // Of what a process finds nobody knows more than digests.
    fleet.registrar.kill().await;
    let management = &fleet.world.management;
    management.patch("workloadidentities", None, "api", json!({"metadata": {"finalizers": null}}));
    management.remove("workloadidentities", None, "api");
    fleet.registrar = fleet.world.run_with(crate::PROGRAM, |command| {
        command.env("LOG_FORMAT", "json");
    });
    let plans = held(&fleet, "the orphan", |held| held.len() == 1).await;
    let digest = plans[0]["digest"].as_str().unwrap();
    annotate(&fleet, "workloadidentities", "web", digest);
    fleet.until_entries(0).await;
    let record = deleted(&fleet, "Released").await;
    assert_eq!(
        (&record["object"], &record["release"]),
        (&json!("WorkloadIdentity/web"), &json!(digest)),
        "{record}"
    );
    assert!(record.get("before.spiffeID").is_none() && record.get("before.key").is_some(), "{record}");
}

#[tokio::test]
async fn what_came_of_a_call_without_an_answer_is_recorded_when_it_is_known() {
    let fleet = audited(&["east"]).await;
    let spire = &fleet.world.spire;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-0", "web");
    fleet.until_entries(1).await;
    /// The records of a pod's entry whose call was not answered.
    fn unknown(log: &[String], action: &str, name: &str) -> Vec<Value> {
        let spiffe_id = json!(format!("spiffe://example.org/ns/shop/pod/{name}"));
        let is_its = |it: &Value| {
            it["action"] == action && [&it["after.spiffeID"], &it["before.spiffeID"]].contains(&&spiffe_id)
        };
        let all: Vec<Value> = records_in(log).into_iter().filter(is_its).collect();
        let id = all.iter().find(|it| it["outcome"] == "Unknown").map(|it| it["entryID"].clone());
        all.into_iter().filter(|it| Some(&it["entryID"]) == id.as_ref()).collect()
    }
    let until_known = async |action: &str, name: &str, outcomes: &[&str]| -> Vec<Value> {
        let what = format!("{action} {name} {outcomes:?}");
        let is_known = |log: &[String]| {
            let records = unknown(log, action, name);
            records.iter().map(|it| it["outcome"].as_str().unwrap()).eq(outcomes.iter().copied())
        };
        fleet.registrar.until_log(&what, PATIENCE, is_known).await;
        unknown(&fleet.registrar.log(), action, name)
    };
    // Carried out, and the connection broken.
    spire.lose_answers(1);
    let uid = fleet.pod("east", "web-1", "web");
    let both = until_known("create", "web-1", &["Unknown", "Done"]).await;
    assert_eq!(both[1]["entryID"], fleet.entry(&uid).id);
    assert!(both.iter().all(|it| it.get("before.key").is_none()), "{both:#?}");
    // Not carried out: made anew, under another id.
    spire.refuse_calls(1, Code::Unavailable);
    let uid = fleet.pod("east", "web-2", "web");
    let both = until_known("create", "web-2", &["Unknown", "NotFound"]).await;
    fleet.until_entries(3).await;
    assert_ne!(both[1]["entryID"], fleet.entry(&uid).id);
    spire.lose_answers(1);
    fleet.cluster("east").remove("pods", Some("shop"), "web-1");
    let both = until_known("delete", "web-1", &["Unknown", "Done"]).await;
    assert_eq!((&both[1]["reason"], &both[1]["before.key"]), (&json!("PodGone"), &both[0]["before.key"]));
    spire.refuse_calls(1, Code::Unavailable);
    fleet.cluster("east").remove("pods", Some("shop"), "web-2");
    fleet.until_entries(1).await;
    until_known("delete", "web-2", &["Unknown", "NotDone", "Done"]).await;
    // What SPIRE does not say, a list does.
    spire.refuse_calls(1, Code::Unavailable);
    spire.refuse_calls(1, Code::PermissionDenied);
    fleet.pod("east", "web-3", "web");
    until_known("create", "web-3", &["Unknown", "NotFound"]).await;
}

#[tokio::test]
async fn the_audit_can_be_turned_off_by_its_target() {
    let mut world = crate::fleet::world(&["east"]).await;
    world.register("east");
    world.management.put(identity("web", "web"));
    world.cluster("east").put(pod("web-1", "web"));
    let registrar = world.run_with(crate::PROGRAM, |command| {
        command.env("LOG_FORMAT", "json").env("LOG_LEVEL", "info,audit=off");
    });
    let fleet = Fleet { world, registrar };
    fleet.until_entries(1).await;
    fleet.registrar.until_logged("wrote entries to SPIRE", PATIENCE).await;
    assert_eq!(fleet.registrar.logged("\"target\":\"audit\""), 0);
}

#[tokio::test]
async fn orphans_are_listed_and_go_when_exactly_they_are_released() {
    let mut fleet = Fleet::start(&["east", "west"]).await;
    fleet.identity(identity("web", "web"));
    fleet.identity(identity("api", "api"));
    (0..3).for_each(|number| {
        fleet.pod("east", &format!("web-{number}"), "web");
    });
    fleet.pod("west", "api-1", "api");
    let kept = fleet.pod("west", "web-1", "web");
    fleet.until_entries(5).await;
    fleet.until_condition("workloadidentities", "api", "Ready", "True", "InStep").await;
    fleet.registrar.kill().await;
    // Gone while nobody looked, finalizers or not.
    let management = &fleet.world.management;
    for (plural, name) in [("workloadidentities", "api"), ("eksclusterregistries", "east")] {
        management.patch(plural, None, name, json!({"metadata": {"finalizers": null}}));
        management.remove(plural, None, name);
    }
    fleet.registrar = fleet.world.run(crate::PROGRAM);
    let causes = |held: &[Value]| {
        let causes = held.iter().map(|plan| (plan["cause"].clone(), plan["deletes"].as_u64().unwrap()));
        causes.collect::<Vec<_>>()
    };
    let expected = [(json!("UnknownCluster"), 3), (json!("UnknownIdentity"), 1)];
    let plans = held(&fleet, "both plans", |held| causes(held) == expected).await;
    assert_eq!((&plans[0]["scope"], &plans[1]["scope"]), (&json!("clusterTag"), &json!("cluster")));
    assert_eq!(plans[1]["name"], "west");
    let ids = fleet.ids();
    assert!(ids.contains(plans[0]["examples"][0].as_str().unwrap()), "{plans:?}");
    let digest = |plan: &Value| plan["digest"].as_str().unwrap().to_owned();
    let command = plans[0]["release"].as_str().unwrap();
    let annotation = format!("eksclusterregistry.spire.spiffe.io/release={}", digest(&plans[0]));
    assert_eq!(command, format!("kubectl annotate eksclusterregistry west {annotation} --overwrite"));
    fleet.registrar.until_logged("Entries of ours: 3 with the cluster tag", PATIENCE).await;
    let told = fleet
        .until_condition("eksclusterregistries", "west", "EntriesKnown", "False", "UnknownIdentity")
        .await;
    assert!(told.contains(&digest(&plans[1])), "{told}");
    let metrics = get(fleet.registrar.metrics, "/metrics").await;
    assert!(metrics.contains("held_plans{cause=\"UnknownCluster\"} 1"), "{metrics}");
    // Not by another's digest, and then one by one, on any object.
    annotate(&fleet, "workloadidentities", "web", "aaaaaaaaaaaaa");
    fleet.until_compared().await;
    assert_eq!(fleet.ids(), ids);
    annotate(&fleet, "workloadidentities", "web", &digest(&plans[0]));
    fleet.until_entries(2).await;
    let left = held(&fleet, "one plan", |held| held.len() == 1).await;
    assert_eq!(digest(&left[0]), digest(&plans[1]), "it is the same as before");
    annotate(&fleet, "eksclusterregistries", "west", &digest(&plans[1]));
    fleet.until_entries(1).await;
    fleet.entry(&kept);
    held(&fleet, "none", <[Value]>::is_empty).await;
}

#[tokio::test]
async fn what_the_brake_holds_is_listed_with_the_command_that_releases_it() {
    let fleet = Fleet::configured(json!({"brake": {"scopeNumber": 3}})).await;
    fleet.identity(identity("web", "web"));
    (0..4).for_each(|number| {
        fleet.pod("east", &format!("web-{number}"), "web");
    });
    fleet.until_entries(4).await;
    let edit = json!({"spec": {"podSelector": {"matchLabels": {"app": "wbe"}}}});
    fleet.world.management.patch("workloadidentities", None, "web", edit);
    let plans = held(&fleet, "the braked plan", |held| held.len() == 2).await;
    let of_identity = plans.iter().find(|plan| plan["scope"] == "identity").unwrap();
    assert_eq!((&of_identity["cause"], &of_identity["name"]), (&json!("Brake"), &json!("web")));
    assert_eq!((&of_identity["deletes"], of_identity["examples"].as_array().unwrap().len()), (&json!(4), 4));
    let command = of_identity["release"].as_str().unwrap();
    assert!(command.starts_with("kubectl annotate workloadidentity web "), "{command}");
    annotate(&fleet, "workloadidentities", "web", of_identity["digest"].as_str().unwrap());
    fleet.until_entries(0).await;
}

#[tokio::test]
async fn moving_in_keeps_the_predecessors_entries_under_their_ids() {
    let mut world = crate::fleet::world(&["east"]).await;
    world.configure(&json!({"adopt": true}));
    let node = crate::fleet::uid(&world.cluster("east").get("nodes", None, "n1").unwrap());
    let predecessors = |number: u32, name: &str, uid: &str, hint: &str| {
        let mut entry = foreign(
            &format!("eks-workload-{}", format!("{number:04x}").repeat(16)),
            &format!("/ns/shop/pod/{name}"),
            &format!("k8s:pod-uid:{uid}"),
        );
        entry.parent_id.as_mut().unwrap().path = format!("/spire/agent/k8s_psat/east/{node}");
        entry.hint = hint.to_owned();
        entry
    };
    let mut ids = BTreeSet::new();
    for number in 0..4_u32 {
        let name = format!("web-{number}");
        let uid = crate::fleet::uid(&world.cluster("east").put(pod(&name, "web")));
        // It wrote who it was for into the hint.
        let hint = if number == 0 { "" } else { "workloadidentity:web:east;owner:WorkloadIdentity/web" };
        ids.insert(world.spire.insert_foreign(predecessors(number, &name, &uid, hint)).id);
    }
    let left = world.spire.insert_foreign(predecessors(99, "gone", "gone", "")).id;
    world.register("east");
    world.management.put(identity("web", "web"));
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    fleet.until("no hint of the predecessor", |view| view.entries.iter().all(|it| it.hint.is_empty())).await;
    let plans = held(&fleet, "what nobody wants", |held| held.len() == 1).await;
    assert_eq!((&plans[0]["cause"], &plans[0]["deletes"]), (&json!("Predecessor"), &json!(1)));
    assert_eq!(plans[0]["examples"], json!([left]));
    let expected: BTreeSet<String> = ids.iter().cloned().chain([left]).collect();
    assert_eq!(fleet.ids(), expected);
    // Three were updated in place, one was as it should be; nothing was made or deleted. A new pod gets an id of ours.
    assert_eq!((fleet.writes(WriteKind::Create), fleet.writes(WriteKind::Update)), (5, 3));
    fleet.pod("east", "web-new", "web");
    fleet.until_entries(6).await;
    fleet.cluster("east").remove("pods", Some("shop"), "web-0");
    fleet.until_entries(5).await;
    annotate(&fleet, "workloadidentities", "web", plans[0]["digest"].as_str().unwrap());
    fleet.until_entries(4).await;
    assert_eq!(fleet.writes(WriteKind::Delete), 2);
}

#[tokio::test]
async fn several_registrars_and_others_entries_live_in_one_server_untouched() {
    // Two management clusters with a registrar each, at one SPIRE server; one's prefix begins with the other's.
    let mut outer = crate::fleet::world(&["east"]).await;
    outer.configure(&json!({"entryIDPrefix": "eks-"}));
    let mut inner = crate::fleet::world(&["west"]).await;
    inner.configure(&json!({"entryIDPrefix": "eks-workload-", "spireServerSocketPath": outer.spire.path()}));
    let hex = "0123456789abcdef".repeat(4);
    let others = [
        // By hand, by spire-controller-manager, for an agent's alias, by hand with a prefix, by a predecessor of either.
        ("9a3f1c1e-0000-4000-8000-000000000001", "/hand/made", "unix:uid:1000"),
        ("scm.9a3f1c1e-0000-4000-8000-000000000002", "/ns/default/sa/web", "k8s:pod-uid:another"),
        (
            "9a3f1c1e-0000-4000-8000-000000000003",
            "/alias",
            "spiffe_id:spiffe://example.org/spire/agent/join_token/1",
        ),
        ("eks-by-hand", "/hand/made/2", "k8s:pod-uid:gone"),
        (&format!("eks-workload-{hex}"), "/predecessor", "k8s:pod-uid:gone"),
        (&format!("eks-{hex}"), "/predecessor/2", "k8s:pod-uid:gone"),
    ];
    let others = others.map(|(id, path, selector)| outer.spire.insert_foreign(foreign(id, path, selector)));
    for (world, name) in [(&outer, "east"), (&inner, "west")] {
        world.register(name);
        world.management.put(identity("web", "web"));
    }
    let (second, registrar) = (inner.run(crate::PROGRAM), outer.run(crate::PROGRAM));
    let fleet = Fleet { world: outer, registrar };
    let (east, west) = (fleet.cluster("east"), inner.cluster("west"));
    let begin_so = |view: &registrar_world::spire::View<'_>, prefix: &str| {
        view.entries.iter().filter(|entry| entry.id.starts_with(prefix)).count()
    };
    for number in 0..40 {
        east.put(pod(&format!("east-{number}"), "web"));
        west.put(pod(&format!("west-{number}"), "web"));
    }
    let each_has = |view: &registrar_world::spire::View<'_>, count: usize| {
        let found = [begin_so(view, "eks-v1."), begin_so(view, "eks-workload-v1.")];
        found == [count; 2] && view.entries.len() == 2 * count + others.len()
    };
    fleet.until("forty of each", |view| each_has(view, 40)).await;
    // Churn, an edit, and comparisons of both.
    for number in 0..10 {
        east.remove("pods", Some("shop"), &format!("east-{number}"));
        west.remove("pods", Some("shop"), &format!("west-{number}"));
    }
    for management in [&fleet.world.management, &inner.management] {
        management.patch("workloadidentities", None, "web", json!({"spec": {"hint": "new"}}));
    }
    fleet
        .until("thirty of each, edited", |view| {
            each_has(view, 30) && view.entries.iter().filter(|entry| entry.hint == "new").count() == 60
        })
        .await;
    let compared = second.logged("garbage collection");
    fleet.until_compared().await;
    fleet.until("the other has compared, too", |_| second.logged("garbage collection") > compared).await;
    // All of one goes at once, which is an edit and not the other's business.
    fleet.world.management.remove("workloadidentities", None, "web");
    fleet
        .until("only the inner one's", |view| {
            begin_so(view, "eks-v1.") == 0 && begin_so(view, "eks-workload-v1.") == 30
        })
        .await;
    let compared = second.logged("garbage collection");
    fleet.until("the other has compared once more", |_| second.logged("garbage collection") > compared).await;
    fleet.until("it lost nothing", |view| begin_so(view, "eks-workload-v1.") == 30).await;
    inner.management.remove("workloadidentities", None, "web");
    fleet.until("only the others'", |view| view.entries.len() == others.len()).await;
    assert_eq!(fleet.world.spire.entries(), others, "as they were, revision and all");
    assert!(
        second.logged("were not as this registrar had left them") + fleet.registrar.logged("were not as")
            == 0
    );
}
