//! The program is killed, replaced and doubled: one writes, and nothing is lost.

use std::collections::BTreeSet;

use registrar_world::spire::{Call, WriteKind};
use serde_json::json;

use crate::fleet::{Fleet, PATIENCE, identity, pod};
use crate::writer::foreign;

#[tokio::test]
async fn killed_at_any_moment_it_loses_doubles_and_rewrites_nothing() {
    let mut fleet = Fleet::start(&["east", "west"]).await;
    fleet.identity(identity("web", "web"));
    let mut expected = BTreeSet::new();
    for round in 0..6_u32 {
        for number in 0..60 {
            let name = format!("web-{round}-{number}");
            fleet.pod(if number % 2 == 0 { "east" } else { "west" }, &name, "web");
            expected.insert(format!("spiffe://example.org/ns/shop/pod/{name}"));
        }
        // At a moment that differs: after some of this round's entries were written.
        let some = (round as usize * 60) + (round as usize * 10);
        fleet.until("some of them", |view| view.entries.len() >= some).await;
        fleet.registrar.kill().await;
        fleet.registrar = fleet.world.run(crate::PROGRAM);
    }
    let expected: Vec<String> = expected.into_iter().collect();
    fleet.until("all of them", |view| view.spiffe_ids() == expected).await;
    fleet.until_compared().await;
    let written = [WriteKind::Create, WriteKind::Update, WriteKind::Delete].map(|kind| fleet.writes(kind));
    assert_eq!(written, [expected.len(), 0, 0]);
}

#[tokio::test]
async fn of_two_replicas_one_writes_and_the_other_takes_over() {
    let mut fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.registrar.until_logged("became leader", PATIENCE).await;
    let other = fleet.world.run(crate::PROGRAM);
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    other.until_logged("the cluster is connected and watched", PATIENCE).await;
    assert_eq!(other.logged("became leader"), 0);
    // Killed, its lease has to run out; asked to end, it gives it back.
    fleet.registrar.kill().await;
    fleet.pod("east", "web-2", "web");
    other.until_logged("became leader", PATIENCE).await;
    fleet.until_entries(2).await;
    let third = fleet.world.run(crate::PROGRAM);
    third.until_logged("the cluster is connected and watched", PATIENCE).await;
    let mut other = other;
    other.terminate();
    assert!(other.ended(PATIENCE).await.success());
    third.until_logged("became leader", PATIENCE).await;
    fleet.pod("east", "web-3", "web");
    fleet.until_entries(3).await;
    let lease = fleet.world.management.objects("leases").remove(0);
    assert_eq!(lease["metadata"]["namespace"], "spire-system");
    assert_eq!(fleet.writes(WriteKind::Create), 3);
}

#[tokio::test]
async fn a_replica_that_spire_does_not_answer_leaves_the_lease_to_one_that_it_answers() {
    let mut world = crate::fleet::world(&["east"]).await;
    world.register("east");
    let socket = world.spire.path().to_owned();
    world.configure(&json!({"spireServerSocketPath": world.folder().join("nobody.sock")}));
    let mut cut_off = world.run(crate::PROGRAM);
    // Nobody else is there: somebody has to tell on the objects what is wrong.
    cut_off.until_logged("became leader", PATIENCE).await;
    world.configure(&json!({"spireServerSocketPath": socket}));
    let registrar = world.run(crate::PROGRAM);
    cut_off.until_logged("leaves the lease to one that it answers", PATIENCE).await;
    registrar.until_logged("became leader", PATIENCE).await;
    let fleet = Fleet { world, registrar };
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    let leads = |process: &registrar_world::Process| process.logged("became leader");
    let before = leads(&cut_off);
    // Where the other is gone, it tells again.
    let Fleet { mut registrar, world } = fleet;
    registrar.kill().await;
    tokio::time::timeout(PATIENCE, async {
        while leads(&cut_off) == before {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
    cut_off.terminate();
    assert!(cut_off.ended(PATIENCE).await.success());
    drop(world);
}

#[tokio::test]
async fn a_pod_that_comes_while_nobody_leads_has_its_entry_before_spire_is_listed() {
    let mut fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let other = fleet.world.run(crate::PROGRAM);
    other.until_logged("listed SPIRE's entries while another replica writes", PATIENCE).await;
    other.until_logged("the cluster is connected and watched", PATIENCE).await;
    // From now on no list ends.
    fleet.world.spire.ration_pages(Some(0));
    fleet.registrar.kill().await;
    fleet.pod("east", "web-2", "web");
    fleet.until_entries(2).await;
    // The writer may be faster than the line.
    other.until_logged("became leader", PATIENCE).await;
    // What is more than a first entry waits for the list.
    fleet.cluster("east").remove("pods", Some("shop"), "web-1");
    fleet.pod("east", "web-3", "web");
    fleet.until_entries(3).await;
    fleet.world.spire.ration_pages(None);
    fleet.until_entries(2).await;
    assert_eq!((fleet.writes(WriteKind::Create), fleet.writes(WriteKind::Delete)), (3, 1));
}

#[tokio::test]
async fn a_new_pod_waits_for_no_more_of_a_first_list_than_what_was_read_ahead() {
    const OTHERS: usize = 3000;
    let mut fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    (0..OTHERS).for_each(|number| {
        let id = format!("other-{number}");
        fleet.world.spire.insert_foreign(foreign(&id, &format!("/other/{number}"), "unix:uid:0"));
    });
    let other = fleet.world.run(crate::PROGRAM);
    other.until_logged("listed SPIRE's entries while another replica writes", PATIENCE).await;
    other.until_logged("the cluster is connected and watched", PATIENCE).await;
    let pages = fleet.world.spire.calls(Call::List);
    fleet.world.spire.ration_pages(Some(2));
    fleet.registrar.kill().await;
    fleet.until("a third page is asked for", |view| view.calls(Call::List) == pages + 3).await;
    fleet.pod("east", "web-2", "web");
    let selected = |view: &registrar_world::kube::View<'_>| {
        view.get("workloadidentities", None, "web").map(|it| it["status"]["stats"]["podsSelected"].clone())
    };
    // The writer has heard of it.
    fleet.world.management.until("two selected", PATIENCE, |view| selected(view) == Some(json!(2))).await;
    // The third, and the one that is read ahead when it comes.
    fleet.world.spire.ration_pages(Some(2));
    // Sooner than a page that does not come is given up.
    let soon = std::time::Duration::from_secs(15);
    fleet.world.spire.until("a first entry", soon, |view| view.entries.len() == OTHERS + 2).await;
    assert!(fleet.world.spire.calls(Call::List) <= pages + 4 + 1, "the rest of the list is still to come");
    fleet.world.spire.ration_pages(None);
    other.until_logged("listed SPIRE's entries ours=2", PATIENCE).await;
    assert_eq!(fleet.writes(WriteKind::Create), OTHERS + 2);
    assert_eq!(other.logged("were not as this registrar had left them"), 0);
}

#[tokio::test]
async fn however_many_pods_come_and_go_a_status_is_written_once_a_second_at_most() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-0", "web");
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    let written = || {
        ["workloadidentities", "eksclusterregistries"]
            .map(|plural| fleet.world.management.requests(registrar_world::kube::Verb::Patch, plural))
    };
    let (before, begun) = (written(), std::time::Instant::now());
    // A hundred a second, for as long as it takes to see some of what they cost.
    let mut beat = tokio::time::interval(std::time::Duration::from_millis(10));
    for number in 1..400 {
        beat.tick().await;
        fleet.pod("east", &format!("web-{number}"), "web");
    }
    fleet.until_entries(400).await;
    let (after, seconds) = (written(), begun.elapsed().as_secs());
    for (before, after) in before.into_iter().zip(after) {
        let cost = after - before;
        assert!((1..=seconds + 2).contains(&cost), "{cost} writes in {seconds} s");
    }
}

#[tokio::test]
async fn who_is_asked_to_stop_finishes_the_call_that_is_in_flight_begins_no_other_and_gives_the_lease_back() {
    // So that what ends in time does so by itself and not because the lease runs out.
    let lease = json!({"leaderElection": {"leaseDuration": "60s", "renewDeadline": "50s"}});
    let mut fleet = Fleet::configured(lease).await;
    fleet.until_compared().await;
    // More than two calls hold.
    (0..700).for_each(|number| drop(fleet.pod("east", &format!("web-{number}"), "web")));
    fleet.world.spire.set_latency(std::time::Duration::from_secs(2));
    fleet.identity(identity("web", "web"));
    // The first call has what had come until then.
    fleet.until("a round of two calls", |view| view.calls(Call::Create) == 2).await;
    let first = fleet.writes(WriteKind::Create);
    fleet.registrar.terminate();
    assert_eq!(fleet.registrar.ended(PATIENCE).await.code(), Some(0));
    assert_eq!((fleet.world.spire.calls(Call::Create), fleet.writes(WriteKind::Create)), (2, first + 200));
    assert_eq!(holder(&fleet), "");
}

#[tokio::test]
async fn a_spire_server_that_never_answers_does_not_keep_who_is_asked_to_stop() {
    let lease = json!({"leaderElection": {"leaseDuration": "8s", "renewDeadline": "6s"}});
    let mut fleet = Fleet::configured(lease).await;
    fleet.identity(identity("web", "web"));
    fleet.until_compared().await;
    fleet.world.spire.withhold_answers(100);
    fleet.pod("east", "web-1", "web");
    fleet.until("a call is in flight", |view| view.calls(Call::Create) == 1).await;
    fleet.registrar.terminate();
    fleet.registrar.until_logged("asked to stop: finishing what is being written", PATIENCE).await;
    assert_eq!(fleet.registrar.ended(PATIENCE).await.code(), Some(0));
    for told in ["SPIRE cannot be used now", "stopped"] {
        assert!(fleet.registrar.logged(told) > 0, "{told}");
    }
    assert_eq!((fleet.world.spire.calls(Call::Create), holder(&fleet)), (1, String::new()));
}

/// Who holds the lease.
fn holder(fleet: &Fleet) -> String {
    let lease = "spire-eks-workload-registrar.spire.io";
    let lease = fleet.world.management.get("leases", Some("spire-system"), lease).unwrap();
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn each_write_tells_spire_to_give_up_before_the_lease_can_be_anothers() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    fleet.world.management.patch("workloadidentities", None, "web", json!({"spec": {"ttl": "2h"}}));
    fleet.until("an update", |view| view.writes.len() == 2).await;
    fleet.cluster("east").remove("pods", Some("shop"), "web-1");
    fleet.until_entries(0).await;
    // As the world's configuration has it.
    let renew_deadline = std::time::Duration::from_secs(2);
    let writes = fleet.world.spire.writes();
    assert_eq!(writes.len(), 3, "{writes:?}");
    for write in writes {
        assert!(write.timeout.is_some_and(|timeout| timeout <= renew_deadline), "{write:?}");
    }
}

#[tokio::test]
async fn health_and_metrics_are_served() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    assert!(get(fleet.registrar.health, "/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(get(fleet.registrar.health, "/healthz").await.starts_with("HTTP/1.1 200"));
    let metrics = get(fleet.registrar.metrics, "/metrics").await;
    for line in [
        "spire_eks_workload_registrar_cluster_entries{cluster=\"east\",state=\"InPlace\"} 1",
        "spire_eks_workload_registrar_entries{owner=\"ours\"} 1",
        "spire_eks_workload_registrar_ready{kind=\"EKSClusterRegistry\",name=\"east\"} 1",
        "spire_eks_workload_registrar_leading 1",
        "spire_eks_workload_registrar_pods 1",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    // What is new from here on, and what does not come out right.
    const REGISTERED: &str = "spire_eks_workload_registrar_pod_registration_seconds_count ";
    let registered = metrics.lines().find_map(|line| line.strip_prefix(REGISTERED)).unwrap();
    let registered = format!("{REGISTERED}{}\n", registered.parse::<u64>().unwrap() + 1);
    fleet.pod("east", "web-2", "web");
    fleet.until_entries(2).await;
    let mut bad = identity("bad", "bad");
    bad["spec"]["spiffeIDTemplate"] = json!("spiffe://{{ .TrustDomain }}/{{ .PodMeta.Labels.nothing }}");
    fleet.identity(bad);
    fleet.pod("east", "bad-1", "bad");
    let told = fleet.until_condition("workloadidentities", "bad", "Ready", "False", "InvalidSPIFFEID").await;
    assert!(told.contains("bad-1"), "{told}");
    let all = async || get(fleet.registrar.metrics, "/metrics").await;
    for line in [
        &registered,
        "spire_eks_workload_registrar_failing_pods{identity=\"bad\",reason=\"InvalidSPIFFEID\"} 1\n",
        "spire_eks_workload_registrar_changes_waiting 0\n",
    ] {
        let shown = async { while !all().await.contains(line) {} };
        assert!(tokio::time::timeout(PATIENCE, shown).await.is_ok(), "{line} in {}", all().await);
    }
}

#[tokio::test]
async fn readiness_names_what_is_missing_and_liveness_needs_none_of_it() {
    let mut world = crate::fleet::world(&[]).await;
    world.management.refuse();
    let replica = world.run(crate::PROGRAM);
    replica.until_logged("health.healthProbeBindAddress", PATIENCE).await;
    let told = get(replica.health, "/readyz").await;
    assert!(told.starts_with("HTTP/1.1 503"), "{told}");
    for kind in ["eksclusterregistries", "workloadidentities"] {
        assert!(told.contains(&format!("not listed in the management cluster yet: {kind}\n")), "{told}");
    }
    assert!(get(replica.health, "/healthz").await.starts_with("HTTP/1.1 200"));
    world.management.come_back();
    let is_ready = async || get(replica.health, "/readyz").await.starts_with("HTTP/1.1 200");
    tokio::time::timeout(PATIENCE, async { while !is_ready().await {} }).await.unwrap();
}

#[tokio::test]
async fn a_configuration_with_problems_is_told_whole_and_ends_with_status_2() {
    let mut world = crate::fleet::world(&[]).await;
    world.configure(&json!({"gcInterval": "soon", "ignoreNamespaces": ["("], "spireSocket": "/x"}));
    let mut replica = world.run(crate::PROGRAM);
    assert_eq!(replica.ended(PATIENCE).await.code(), Some(2));
    for told in ["gcInterval: \"soon\"", "ignoreNamespaces[0]: \"(\"", "spireSocket: is no key of this file"]
    {
        assert_eq!(replica.logged(told), 1, "{told} in {replica:?}", replica = replica.process);
    }
}

/// What takes long: many kills at random moments, with a fleet that changes meanwhile.
#[tokio::test]
#[ignore = "takes minutes: make soak"]
async fn soak_many_kills_at_random_moments() {
    let mut fleet = Fleet::start(&["east", "west"]).await;
    fleet.identity(identity("web", "web"));
    for round in 0..100_u32 {
        for number in 0..40 {
            let cluster = if number % 2 == 0 { "east" } else { "west" };
            let name = format!("web-{number}");
            if fleet.cluster(cluster).get("pods", Some("shop"), &name).is_some() {
                fleet.cluster(cluster).remove("pods", Some("shop"), &name);
            }
            if (number + round) % 3 > 0 {
                fleet.cluster(cluster).put(pod(&name, "web"));
            }
        }
        let calls = fleet.world.spire.writes().len() + rand::random_range(1..60);
        let moved = fleet.world.spire.until("some writes", PATIENCE, |view| view.writes.len() >= calls);
        // Where there is less to write than that, the kill comes when all is written.
        tokio::select! {
            () = moved => {}
            () = fleet.until_compared() => {}
        }
        fleet.registrar.kill().await;
        fleet.registrar = fleet.world.run(crate::PROGRAM);
    }
    fleet.until_compared().await;
    let mut pods: Vec<String> = Vec::new();
    for cluster in ["east", "west"] {
        pods.extend(fleet.cluster(cluster).objects("pods").iter().map(crate::fleet::uid));
    }
    pods.sort();
    fleet
        .until("an entry for each pod and no other", |view| {
            let mut uids: Vec<&str> =
                view.entries.iter().filter_map(|entry| crate::fleet::pod_uid(entry)).collect();
            uids.sort();
            uids == pods
        })
        .await;
}

pub async fn get(address: std::net::SocketAddr, path: &str) -> String {
    try_get(address, path).await.unwrap()
}

/// As [`get`], of a program that may not listen.
pub async fn try_get(address: std::net::SocketAddr, path: &str) -> std::io::Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
