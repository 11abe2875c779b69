//! `make bench-fleet`: from a watch's bytes to a batch for SPIRE, at the sizes of a fleet.
//!
//! Each row is measured in a process of its own, so that its memory is its own. CPU is that of the one thread that does
//! everything; making the bytes is not counted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot go on ends"
)]

mod line;
mod measure;
mod world;

use std::collections::BTreeMap;
use std::process::Command;

use line::{Line, latencies, one_event};
use measure::{Spent, peak, percentile, resident};
use serde::Deserialize;
use serde_json::{Value, json};
use world::Pod;

/// What bare serde_json is asked to read: the same fields.
#[derive(Deserialize)]
#[allow(dead_code, reason = "only read for what reading costs")]
struct BarePage {
    items: Vec<BarePod>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only read for what reading costs")]
struct BarePod {
    metadata: BareMeta,
    spec: BareSpec,
    status: BareStatus,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only read for what reading costs")]
struct BareMeta {
    name: String,
    namespace: String,
    uid: String,
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "only read for what reading costs")]
struct BareSpec {
    node_name: Option<String>,
    service_account_name: Option<String>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only read for what reading costs")]
struct BareStatus {
    phase: Option<String>,
}

/// Pods that bare serde_json reads in a second of CPU.
fn bare_rate(pods: usize) -> f64 {
    let page = world::page(0, 0..pods.min(world::PAGE));
    let mut best: f64 = 0.0;
    for _ in 0..8 {
        let spent = Spent::begin();
        let read: BarePage = serde_json::from_slice(page.as_bytes()).unwrap();
        best = best.max(std::hint::black_box(read).items.len() as f64 / spent.seconds());
    }
    best
}

fn row(pods: usize, clusters: usize) -> Value {
    let before = resident();
    let mut line = Line::new(clusters, pods / clusters);
    let start = line.start(clusters, pods);
    let (top, steady) = (peak(), resident());
    assert_eq!(line.writes, pods);
    let plan = start.read + start.settle + start.plan;
    // New pods in numbers above the first ones, on nodes that are there.
    let new = |number: usize| Pod { cluster: number % clusters, number: pods / clusters + number / clusters, revision: 0 };
    let events = 2000;
    let mut costs = [Vec::new(), Vec::new(), Vec::new()];
    for number in 0..events {
        let number = number % (30 * clusters).min(events);
        costs[0].push(one_event(&mut line, new(number), "ADDED", 8, "Pending") * 1e6);
        costs[1].push(one_event(&mut line, new(number), "MODIFIED", 9, "Running") * 1e6);
        costs[2].push(one_event(&mut line, new(number), "DELETED", 10, "Running") * 1e6);
    }
    let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let [added, modified, deleted] = [mean(&costs[0]), mean(&costs[1]), mean(&costs[2])];
    let jobs = (0..2500).flat_map(|number| {
        let pod = new(number % (30 * clusters).min(2500));
        [(pod, "ADDED"), (pod, "DELETED")]
    });
    let mut late = latencies(&mut line, jobs, 1000);
    let spent = Spent::begin();
    line.report();
    let report_ms = spent.seconds() * 1e3;
    json!({
        "pods": pods, "clusters": clusters,
        "cpu_us_per_event": added, "cpu_us_per_status_event": modified, "cpu_us_per_deleted": deleted,
        "p50_ms": percentile(&mut late, 50), "p99_ms": percentile(&mut late, 99),
        "rss_bytes_per_pod": (steady - before) / pods as f64,
        "peak_to_steady": (top - before) / (steady - before),
        "pods_per_core_second": pods as f64 / plan,
        "json_only_pods_per_core_second": bare_rate(pods),
        "read_us_per_pod": start.read * 1e6 / pods as f64, "settle_us_per_pod": start.settle * 1e6 / pods as f64,
        "plan_us_per_pod": start.plan * 1e6 / pods as f64, "write_us_per_pod": start.write * 1e6 / pods as f64,
        "report_ms": report_ms,
    })
}

fn child(arguments: &[String]) -> Value {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let number = |at: usize| arguments.get(at).and_then(|it| it.parse().ok());
    match (arguments.first().map(String::as_str), number(1), number(2)) {
        (Some("row"), Some(pods), Some(clusters)) => println!("{}", row(pods, clusters)),
        _ => {
            for (pods, clusters) in [(1000, 1), (10_000, 1)] {
                println!("{:#}", child(&["row".to_owned(), pods.to_string(), clusters.to_string()]));
            }
        }
    }
}
