//! Servers that are killed, stopped, slowed, restored and rebuilt; the entries are counted all the while.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::aws::CLUSTERS;
use crate::kubernetes::{Cluster, Pod};
use crate::pki::Pki;
use crate::spire::Entry;
use crate::wait::{self, SOON};
use crate::world::{World, install};

/// A cluster that SPIRE does not ask.
const REGISTRY: &str = "production-cluster";
const PODS: usize = 10;
/// Within what a loss is told: PING takes ten seconds, an answer thirty.
const LOSS: Duration = Duration::from_secs(60);

/// All entries of a path, by pod.
fn entries_under(world: &World, path: &str) -> BTreeMap<String, Entry> {
    let begin = format!("spiffe://example.org/{path}/");
    let entries = world.spire.entries().into_iter().filter(|entry| entry.spiffe_id().starts_with(&begin));
    entries.map(|entry| (entry.pod_uid().unwrap().to_owned(), entry)).collect()
}

/// Pods in a cluster, each with its entry.
fn pods<'a>(world: &World, cluster: &'a Cluster, what: &str, count: usize) -> Vec<Pod<'a>> {
    world.identity(what, what, what, what, json!({}));
    cluster.node("node-1");
    let pods: Vec<Pod<'_>> = (0..count)
        .map(|number| cluster.pod(what, &format!("{what}-{number}"), what, Some("node-1")))
        .collect();
    pods.iter().for_each(|pod| drop(world.spire.entry_of(pod)));
    pods
}

/// Waits for something about a registry, and meanwhile that each entry is just as it was.
fn while_all_stay(
    world: &World,
    what: &str,
    stay: &BTreeMap<String, Entry>,
    path: &str,
    limit: Duration,
    is_so: impl Fn() -> Result<(), String>,
) {
    wait::until(what, limit, || {
        let now = entries_under(world, path);
        for (pod, entry) in stay {
            assert_eq!(now.get(pod), Some(entry), "an entry went or changed before this: {what}");
        }
        is_so()
    });
}

fn condition(world: &World, path: &str, kind: &str) -> Value {
    let object = world.get(path).unwrap_or_default();
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().find(|it| it["type"] == kind).cloned().unwrap_or_default()
}

fn is(world: &World, kind: &str, status: &str) -> Result<(), String> {
    let now = condition(world, &format!("eksclusterregistries/{REGISTRY}"), kind);
    if now["status"] == status { Ok(()) } else { Err(now.to_string()) }
}

/// A cluster that fails in one way after another, and its pods.
struct Outage<'a> {
    world: &'a World,
    cluster: &'a Cluster,
    pods: Vec<Pod<'a>>,
    /// Their entries, by pod.
    stay: BTreeMap<String, Entry>,
    made: usize,
}

impl<'a> Outage<'a> {
    fn pod(&mut self, cluster: &'a Cluster) -> Pod<'a> {
        self.made += 1;
        cluster.pod("outage", &format!("outage-new-{}", self.made), "outage", Some("node-1"))
    }

    fn reachable(&self) -> Value {
        condition(self.world, &format!("eksclusterregistries/{REGISTRY}"), "ClusterReachable")
    }

    /// Waits until the loss is told, and meanwhile and afterwards nothing is lost; a cluster that is well goes on.
    fn lost(&mut self, why: &str) -> Value {
        let begin = Instant::now();
        while_all_stay(self.world, "the loss to be told", &self.stay, "outage", LOSS, || {
            is(self.world, "ClusterReachable", "False")
        });
        let told = self.reachable();
        println!("{why}: told after {:.1} s: {}", begin.elapsed().as_secs_f64(), told["message"]);
        let begin = Instant::now();
        let pod = self.pod(self.world.cluster("workload-cluster"));
        self.world.spire.entry_of(&pod);
        println!(
            "{why}: a pod of another cluster has its entry after {:.2} s",
            begin.elapsed().as_secs_f64()
        );
        let uid = pod.uid.clone();
        pod.delete();
        self.world.spire.wait_for_none_of(&uid);
        told
    }

    /// Waits until the cluster is in step again. What happens then is seen: one pod comes, one goes, all others stay.
    fn back(&mut self, why: &str) {
        let begin = Instant::now();
        while_all_stay(self.world, "the cluster to be back", &self.stay, "outage", LOSS * 2, || {
            is(self.world, "Synced", "True")
        });
        println!("{why}: back after {:.1} s", begin.elapsed().as_secs_f64());
        let new = self.pod(self.cluster);
        self.stay.insert(new.uid.clone(), self.world.spire.entry_of(&new));
        let old = std::mem::replace(&mut self.pods[0], new);
        self.pods.rotate_left(1);
        let uid = old.uid.clone();
        old.delete();
        self.stay.remove(&uid);
        self.world.spire.wait_for_none_of(&uid);
        assert_eq!(entries_under(self.world, "outage"), self.stay, "{why}");
    }
}

pub fn an_api_server_killed_stopped_and_given_another_certificate(world: &World) {
    world.apply_seed("example-1.yaml");
    let path = format!("eksclusterregistries/{REGISTRY}");
    world.patch(&path, &json!({"spec": {"labels": {"type": "workload"}}}));
    world.wait_for(&path, "Ready", "True");
    world.workload_cluster().node("node-1");
    let cluster = world.cluster(REGISTRY);
    let pods = pods(world, cluster, "outage", PODS);
    let stay = entries_under(world, "outage");
    assert_eq!(stay.len(), PODS);
    let mut outage = Outage { world, cluster, pods, stay, made: 0 };

    cluster.kill();
    outage.lost("killed");
    cluster.launch();
    cluster.wait();
    outage.back("killed");

    // `make soak` has it stopped for longer.
    let stopped = std::env::var("STOPPED_SECONDS").map_or(15, |seconds| seconds.parse().unwrap());
    cluster.pause();
    outage.lost("stopped");
    let end = Instant::now() + Duration::from_secs(stopped);
    let what = "the end of the time for which it is stopped";
    while_all_stay(world, what, &outage.stay, "outage", Duration::from_secs(stopped) + LOSS, || {
        if Instant::now() >= end { Ok(()) } else { Err("it is stopped".to_owned()) }
    });
    cluster.go_on();
    outage.back("stopped");

    let folder = world.folder.join("another-authority");
    std::fs::create_dir(&folder).unwrap();
    let pki = Pki::make(&folder);
    cluster.kill();
    cluster.trust(&pki);
    cluster.launch();
    cluster.wait();
    // EKS tells the old authority for a while.
    let told = outage.lost("another certificate");
    assert_eq!(told["status"], "False", "{told}");
    wait::until("the certificate to be what is told", LOSS, || {
        let told = outage.reachable();
        if told["reason"] == "CertificateNotTrusted" { Ok(()) } else { Err(told.to_string()) }
    });
    let eks = CLUSTERS.iter().find(|cluster| cluster.registry == REGISTRY).unwrap();
    world.aws.describe(eks, cluster.url(), &pki.authority);
    outage.back("another certificate");
    for pod in outage.pods {
        pod.delete();
    }
}

/// Waits until exactly these pods have an entry each of a path; what came of it.
fn until_exactly(world: &World, path: &str, pods: &[Pod<'_>]) -> BTreeMap<String, Entry> {
    let wanted: Vec<&str> = {
        let mut wanted: Vec<&str> = pods.iter().map(|pod| pod.uid.as_str()).collect();
        wanted.sort_unstable();
        wanted
    };
    wait::until(&format!("exactly the entries of {} pods", pods.len()), Duration::from_secs(90), || {
        let now = entries_under(world, path);
        let held: Vec<&str> = now.keys().map(String::as_str).collect();
        if held == wanted { Ok(now) } else { Err(format!("{} entries", held.len())) }
    })
}

/// One pod goes and another comes, again and again.
fn churn<'a>(cluster: &'a Cluster, churned: &mut Vec<Pod<'a>>, rounds: usize, mut between: impl FnMut()) {
    for _ in 0..rounds {
        churned.remove(0).delete();
        let name = format!("churn-{:016x}", rand::random::<u64>());
        churned.push(cluster.pod("churn", &name, "churn", Some("node-1")));
        between();
    }
}

pub fn spire_stopped_slowed_restarted_and_restored(world: &World) {
    let cluster = world.workload_cluster();
    let same = pods(world, cluster, "still", PODS);
    let still = until_exactly(world, "still", &same);
    let mut churned = pods(world, cluster, "churn", PODS);
    let settled = |churned: &[Pod<'_>], why: &str| {
        let begin = Instant::now();
        let now = until_exactly(world, "churn", churned);
        // Nobody wrote what nothing happened to.
        assert_eq!(entries_under(world, "still"), still, "{why}");
        println!("{why}: {} entries are right after {:.1} s", now.len(), begin.elapsed().as_secs_f64());
    };
    let short = Duration::from_millis(100);

    world.spire.pause();
    churn(cluster, &mut churned, 20, || sleep(short));
    world.spire.go_on();
    settled(&churned, "stopped");

    // Three quarters of the time it does nothing.
    churn(cluster, &mut churned, 20, || {
        world.spire.pause();
        sleep(short * 3);
        world.spire.go_on();
        sleep(short);
    });
    settled(&churned, "slowed");

    churn(cluster, &mut churned, 10, || ());
    world.spire.kill();
    churn(cluster, &mut churned, 10, || ());
    world.spire.launch();
    churn(cluster, &mut churned, 10, || ());
    settled(&churned, "killed and started again");

    world.spire.stop();
    let older = world.spire.database();
    world.spire.launch();
    churn(cluster, &mut churned, PODS + 5, || ());
    settled(&churned, "after the copy");
    world.spire.stop();
    world.spire.restore(&older);
    world.spire.launch();
    // A restored database says nothing of itself; the next comparison finds it, and here it is asked for.
    world.patch("workloadidentities/churn", &json!({"metadata": {"annotations": {"reconcile": "restored"}}}));
    settled(&churned, "restored from an older copy");
    for pod in same.into_iter().chain(churned) {
        pod.delete();
    }
}

pub fn the_management_cluster_emptied_and_rebuilt(world: &World) {
    let cluster = world.workload_cluster();
    let pods = pods(world, cluster, "rebuilt", PODS);
    let before = until_exactly(world, "rebuilt", &pods);
    let saved: Vec<(String, Value)> = ["eksclusterregistries/workload-cluster", "workloadidentities/rebuilt"]
        .map(|path| (path.to_owned(), world.get(path).unwrap()))
        .into();
    let all = world.spire.entries().len();
    world.management.kill();
    world.management.empty();
    world.management.launch();
    world.management.wait();
    // Nothing is installed, then nothing is in it; the registrar is there all the while, and one starts into it.
    let counted = |what: &str, seconds: u64| {
        let end = Instant::now() + Duration::from_secs(seconds);
        while_all_stay(world, what, &before, "rebuilt", Duration::from_secs(seconds + 60), || {
            assert_eq!(world.spire.entries().len(), all, "{what}");
            if Instant::now() >= end { Ok(()) } else { Err("it goes on".to_owned()) }
        });
    };
    counted("nothing is installed", 5);
    install(&world.management);
    counted("there are no objects", 5);
    world.kill_registrar();
    world.start_registrar();
    wait::until("the next one to have listed SPIRE's entries", SOON * 2, || {
        let log = world.registrar_log();
        let (_, since) = log.rsplit_once(" starting").unwrap_or_default();
        if since.contains("listed SPIRE's entries") { Ok(()) } else { Err(since.to_owned()) }
    });
    counted("one starts with no objects", 5);
    for (path, object) in &saved {
        let (kind, name) = path.split_once('/').unwrap();
        let spec = &object["spec"];
        match kind {
            "eksclusterregistries" => world.registry(name, spec),
            _ => world.identity(name, "rebuilt", "rebuilt", "rebuilt", spec.clone()),
        }
    }
    while_all_stay(world, "all to be ready again", &before, "rebuilt", Duration::from_secs(60), || {
        for path in ["eksclusterregistries/workload-cluster", "workloadidentities/rebuilt"] {
            let ready = condition(world, path, "Ready");
            if ready["status"] != "True" {
                return Err(format!("{path}: {ready}"));
            }
        }
        Ok(())
    });
    world.settle(cluster);
    assert_eq!(entries_under(world, "rebuilt"), before, "nothing was written");
    pods.into_iter().for_each(Pod::delete);
}
