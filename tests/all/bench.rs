//! `make bench-clusters`: 300 clusters of 200 pods in one process, and the program that is connected to all of them.

use std::time::{Duration, Instant};

use registrar_world::aws::Operation;
use registrar_world::{Replica, World, objects};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fleet::{Fleet, condition, pod};

const CLUSTERS: usize = 300;
const LOST: usize = 100;
const PODS: usize = 200;
const REGISTRIES: &str = "eksclusterregistries";
const PATIENCE: Duration = Duration::from_secs(600);
const QUIET: Duration = Duration::from_secs(20);

/// What the program says of itself.
struct Figures {
    /// Resident, MiB.
    memory: f64,
    /// Seconds of CPU so far.
    cpu: f64,
    /// Open files, connections among them.
    files: f64,
}

async fn figures(replica: &Replica) -> Figures {
    let mut stream = tokio::net::TcpStream::connect(replica.metrics).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\nhost: a\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let figure = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in {text}")).trim().parse().unwrap()
    };
    Figures {
        memory: figure("process_resident_memory_bytes") / f64::from(1 << 20),
        cpu: figure("process_cpu_seconds_total"),
        files: figure("process_open_fds"),
    }
}

/// Waits until so many registries are Ready, or are not.
async fn until_ready(fleet: &Fleet, count: usize) -> Duration {
    let began = Instant::now();
    let is_ready =
        |object: &&Value| condition(Some(object), "Ready").is_some_and(|it| it["status"] == "True");
    let holds = move |objects: Vec<&Value>| objects.iter().filter(|it| is_ready(it)).count() == count;
    let what = format!("{count} clusters are ready");
    fleet.world.management.until(&what, PATIENCE, |view| holds(view.objects(REGISTRIES))).await;
    began.elapsed()
}

async fn round(pods: usize) -> Vec<Value> {
    let mut world = World::start().await;
    world.configure(&json!({"gcInterval": "60s", "syncPeriod": "30s"}));
    let names: Vec<String> = (0..CLUSTERS).map(|number| format!("cluster-{number}")).collect();
    for name in &names {
        world.add_cluster(name).await;
        world.cluster(name).put(objects::node("n1"));
        (0..pods).for_each(|number| drop(world.cluster(name).put(pod(&format!("pod-{number}"), "web"))));
    }
    let registrar = world.run_with(crate::PROGRAM, |command| {
        command.env("LOG_LEVEL", "info");
    });
    let mut fleet = Fleet { world, registrar };
    fleet.registrar.until_logged("became leader", PATIENCE).await;
    let empty = figures(&fleet.registrar).await;
    names.iter().for_each(|name| fleet.world.register(name));
    let started = until_ready(&fleet, CLUSTERS).await;
    let full = figures(&fleet.registrar).await;
    let calls = |fleet: &Fleet| fleet.world.aws.calls(Operation::DescribeCluster);
    let described = calls(&fleet);
    let mut quiet = tokio::time::interval(QUIET);
    quiet.tick().await;
    quiet.tick().await;
    let after = figures(&fleet.registrar).await;
    let row = |step: &str, seconds: f64, figures: &Figures, before: &Figures, described: u64| {
        let each = (figures.memory - empty.memory) * 1024.0 / CLUSTERS as f64;
        println!(
            "{pods:>4} pods  {step:<28} {seconds:>7.1} s  {:>7.1} MiB  {each:>6.0} KiB a cluster  {:>6.2} s CPU  {:>4} files  {described:>4} DescribeCluster",
            figures.memory,
            figures.cpu - before.cpu,
            figures.files
        );
        json!({"pods": pods, "step": step, "seconds": seconds, "memoryMiB": figures.memory, "KiBACluster": each,
            "cpuSeconds": figures.cpu - before.cpu, "files": figures.files, "describeCluster": described})
    };
    let mut rows = vec![
        row("start to all ready", started.as_secs_f64(), &full, &empty, described),
        row("quiet", QUIET.as_secs_f64(), &after, &full, calls(&fleet) - described),
    ];
    names.iter().take(LOST).for_each(|name| fleet.world.cluster(name).refuse());
    let lost = until_ready(&fleet, CLUSTERS - LOST).await;
    let (away, before) = (figures(&fleet.registrar).await, calls(&fleet));
    rows.push(row("100 lost to all told", lost.as_secs_f64(), &away, &after, before - described));
    names.iter().take(LOST).for_each(|name| fleet.world.cluster(name).come_back());
    let back = until_ready(&fleet, CLUSTERS).await;
    let end = figures(&fleet.registrar).await;
    rows.push(row("100 back to all ready", back.as_secs_f64(), &end, &away, calls(&fleet) - before));
    fleet.registrar.kill().await;
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a benchmark: make bench-clusters"]
async fn bench_300_clusters() {
    let mut rows = round(0).await;
    rows.extend(round(PODS).await);
    let folder = std::path::Path::new(crate::ROOT).join("target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!("{:#}\n", json!({ "rows": rows }));
    std::fs::write(folder.join("clusters.json"), text).unwrap();
}
