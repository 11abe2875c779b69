//! `make bench-plugin`, its second half: a start of 100,000 pods with a plugin beside one with templates, and what an identity
//! on a slow plugin costs the others.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use registrar_core::plugin::Digest;
use registrar_world::World;
use registrar_world::component::{Guest, argument, reads};
use serde_json::{Value, json};

use crate::fleet::{self, Fleet, identity, uid};

/// As a fleet of 800 Deployments has them.
const PODS: usize = 100_000;
const DEPLOYMENTS: usize = 800;
/// Starts of each kind; they take turns.
const STARTS: usize = 3;
/// Pods that are bound one by one, in each of so many rounds without and with slow calls.
const BOUND: usize = 1000;
/// Pods that the slow plugin is asked about: more than it can answer while the others are bound.
const SLOW: usize = 25;
const ROUNDS: usize = 20;
/// Turns of a loop that take the slow plugin a tenth of a second.
const LOOP: u32 = 60_000_000;
const PATIENCE: Duration = Duration::from_secs(600);

fn sha256(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string().replace("sha256:", "")
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The same SPIFFE IDs, by a template or by the Rust example.
fn by(plugin: bool) -> Value {
    let mut identity = identity("all", "any");
    let spec = identity["spec"].as_object_mut().unwrap();
    spec.remove("podSelector");
    if plugin {
        let path = Path::new(crate::ROOT).join("plugins/team-path/team-path.wasm");
        let sha256 = sha256(&std::fs::read(&path).unwrap());
        let config = json!({"path": [{"text": "teams"}, {"label": "app"}],
            "allow": [{"namespaces": ["shop"], "paths": ["/teams/*"]}]});
        spec.remove("spiffeIDTemplate");
        spec.insert(
            "plugin".to_owned(),
            json!({"source": {"file": path}, "sha256": sha256, "config": config}),
        );
    } else {
        let template = "spiffe://{{ .TrustDomain }}/teams/{{ index .PodMeta.Labels \"app\" }}";
        spec.insert("spiffeIDTemplate".to_owned(), json!(template));
    }
    identity
}

/// From the program's start until every pod has its entry.
async fn start(plugin: bool) -> f64 {
    let mut world = fleet::world(&["east"]).await;
    for number in 0..PODS {
        let app = format!("app-{}", number % DEPLOYMENTS);
        world.cluster("east").put(fleet::pod(&format!("{app}-{number}"), &app));
    }
    world.management.put(by(plugin));
    world.register("east");
    let begun = Instant::now();
    let mut registrar = run(&mut world);
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while world.spire.entry_count() < PODS {
        assert!(begun.elapsed() < PATIENCE, "{} entries", world.spire.entry_count());
        look.tick().await;
    }
    let took = begun.elapsed().as_secs_f64();
    let template = format!("spiffe://example.org/teams/app-{}", DEPLOYMENTS - 1);
    assert!(world.spire.entries().iter().any(|entry| fleet::spiffe_id(entry) == template));
    registrar.kill().await;
    took
}

fn run(world: &mut World) -> registrar_world::Replica {
    world.run_with(crate::PROGRAM, |command| {
        command.env("LOG_LEVEL", "warn");
    })
}

/// None until it was first told.
async fn metric(fleet: &Fleet, name: &str) -> Option<f64> {
    let metrics = crate::replicas::get(fleet.registrar.metrics, "/metrics").await;
    let is_it = |line: &&str| {
        line.strip_prefix("spire_eks_workload_registrar_").is_some_and(|line| line.starts_with(name))
    };
    metrics.lines().find(is_it)?.rsplit_once(' ')?.1.parse().ok()
}

/// Binds pods one by one; milliseconds from each pod's creation to its entry's.
async fn bind(fleet: &Fleet, round: &str) -> Vec<f64> {
    let mut latencies = Vec::new();
    for number in 0..BOUND {
        let at = SystemTime::now();
        let pod = uid(&fleet.cluster("east").put(fleet::pod(&format!("web-{round}-{number}"), "web")));
        let (_, created) = fleet.world.spire.until_entry_of(&pod, "a pod's entry", PATIENCE).await;
        latencies.push(created.duration_since(at).unwrap_or_default().as_secs_f64() * 1e3);
    }
    latencies
}

fn quantile(latencies: &mut [f64], share: f64) -> f64 {
    latencies.sort_by(f64::total_cmp);
    latencies[((latencies.len() - 1) as f64 * share).round() as usize]
}

/// A plugin whose every call takes a tenth of a second, and another for each pod.
fn slow() -> Vec<u8> {
    let spin = format!(
        "(local $turn i32) (loop $on (local.set $turn (i32.add (local.get $turn) (i32.const 1)))
            (br_if $on (i32.lt_u (local.get $turn) (i32.const {LOOP}))))"
    );
    Guest::new("slow", reads::POD_NAME).path_of("/slow/", argument::POD_NAME).before_derive(&spin).component()
}

async fn slow_rows() -> Vec<Value> {
    let mut world = fleet::world(&["east"]).await;
    world.register("east");
    let registrar = run(&mut world);
    let fleet = Fleet { world, registrar };
    let bytes = slow();
    let path = fleet.world.folder().join("slow.wasm");
    std::fs::write(&path, &bytes).unwrap();
    let mut slow = identity("slow", "slow");
    slow["spec"].as_object_mut().unwrap().remove("spiffeIDTemplate");
    slow["spec"]["plugin"] =
        json!({"source": {"file": path}, "sha256": sha256(&bytes), "limits": {"time": "1s"}});
    fleet.identity(slow);
    fleet.identity(identity("web", "web"));
    bind(&fleet, "warm").await;
    let (mut without, mut beside, mut with, mut pods) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..ROUNDS {
        without.extend(bind(&fleet, &format!("without-{round}")).await);
        // The same load on the machine, by somebody who has nothing to do with the program.
        let mut busy =
            Command::new("nice").args(["-n", "10", "sh", "-c", "while :; do :; done"]).spawn().unwrap();
        beside.extend(bind(&fleet, &format!("beside-{round}")).await);
        busy.kill().and_then(|()| busy.wait()).unwrap();
        for _ in 0..SLOW {
            pods += 1;
            fleet.pod("east", &format!("slow-{pods}"), "slow");
        }
        // What taking in so many pods at once costs is not what slow calls cost.
        let mut look = tokio::time::interval(Duration::from_millis(20));
        while metric(&fleet, "plugin_questions{state=\"open\"}").await.is_none_or(|open| open == 0.0) {
            look.tick().await;
        }
        with.extend(bind(&fleet, &format!("with-{round}")).await);
        let last = last(&fleet, pods);
        let has_entry = fleet.world.spire.entries().iter().any(|entry| fleet::pod_uid(entry) == Some(&last));
        assert!(!has_entry, "slow calls ran all the while");
        fleet.world.spire.until_entry_of(&last, "the last slow pod's entry", PATIENCE).await;
    }
    let sum = metric(&fleet, "plugin_call_seconds_sum{plugin=\"slow\"}").await.unwrap();
    let call = 1e3 * sum / metric(&fleet, "plugin_call_seconds_count{plugin=\"slow\"}").await.unwrap();
    println!("a slow call takes {call:.0} ms");
    [("without slow calls", without), ("a core busy elsewhere", beside), ("with slow calls", with)]
        .into_iter()
        .map(|(step, mut latencies)| {
            let (p50, p99) = (quantile(&mut latencies, 0.5), quantile(&mut latencies, 0.99));
            println!("{step:<22} pod to entry: {p50:>7.2} ms median, {p99:>7.2} ms p99");
            json!({"step": step, "median_ms": p50, "p99_ms": p99, "pods": latencies.len(), "slow_call_ms": call})
        })
        .collect()
}

/// The uid of the slow pod that came last.
fn last(fleet: &Fleet, number: usize) -> String {
    uid(&fleet.cluster("east").get("pods", Some("shop"), &format!("slow-{number}")).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a benchmark: make bench-plugin"]
async fn bench_plugin_in_the_program() {
    let mut rows = slow_rows().await;
    let (mut templates, mut plugin) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        templates.push(start(false).await);
        plugin.push(start(true).await);
        println!("a start of {PODS} pods: {:?} s by templates, {:?} s by team-path", templates, plugin);
    }
    let (templates, plugin) = (median(templates), median(plugin));
    println!(
        "{PODS} pods: {templates:.2} s by templates, {plugin:.2} s by team-path, {:+.2} s",
        plugin - templates
    );
    for (step, seconds) in [("start by templates", templates), ("start by team-path", plugin)] {
        rows.push(json!({"step": step, "seconds": seconds, "pods": PODS}));
    }
    let folder = Path::new(crate::ROOT).join("target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("plugin-program.json"), format!("{:#}\n", json!({ "rows": rows }))).unwrap();
}
