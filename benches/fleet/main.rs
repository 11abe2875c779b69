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

/// As in the program.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

mod line;
mod measure;
mod plot;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use line::{Line, Start, Traffic, one_event, traffic};
use measure::{Spent, peak, percentile, resident};
use registrar_core::brake::Budgets;
use registrar_core::facts::{Change, ObjectChange};
use registrar_core::index::Proposal;
use registrar_core::ledger::difference::Weighing;
use registrar_core::mirror::Observed;
use serde::Deserialize;
use serde_json::{Value, json};
use world::Pod;

/// How many pods a question of a diff looks at, as in the program.
const AT_ONCE: usize = 2000;
/// How many pods are read and planned at least.
const LEAST_READ: usize = 50_000;
/// Events of their own are measured in so many turns, between which there is traffic for a second: what else the machine does
/// for a moment is in one of them, and the middle one counts.
const TURNS: usize = 5;
/// How many of each kind in a turn.
const EVENTS: usize = 400;

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

/// Seconds of CPU in which bare serde_json reads the same pages.
fn bare(pods: usize, clusters: usize) -> f64 {
    let pages =
        (0..clusters).flat_map(|cluster| world::pages(pods / clusters).map(move |page| (cluster, page)));
    let read = |(cluster, numbers)| {
        let page = world::page(cluster, numbers);
        let spent = Spent::begin();
        let read: BarePage = serde_json::from_slice(page.as_bytes()).unwrap();
        std::hint::black_box(read);
        spent.seconds()
    };
    pages.map(read).sum()
}

/// New pods in numbers above the first ones, on a node that is there.
fn new_pod(pods: usize, clusters: usize, number: usize) -> Pod {
    Pod {
        cluster: number % clusters,
        number: pods / clusters + number / clusters,
        revision: 0,
        node: Some(0),
    }
}

/// How many new pods come again and again.
fn few(clusters: usize) -> usize {
    (15 * clusters).min(2000)
}

/// Microseconds of CPU of a pod that comes, of another status of it, and of its end: means of one turn.
fn events(line: &mut Line, pods: usize, clusters: usize, turn: usize) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for number in turn * EVENTS..(turn + 1) * EVENTS {
        let pod = new_pod(pods, clusters, number % few(clusters));
        sums[0] += one_event(line, pod, "ADDED", 8, "Pending");
        sums[1] += one_event(line, pod, "MODIFIED", 9, "Running");
        sums[2] += one_event(line, pod, "DELETED", 10, "Running");
    }
    sums.map(|sum| sum * 1e6 / EVENTS as f64)
}

fn median(mut values: Vec<f64>) -> f64 {
    percentile(&mut values, 50)
}

/// What events cost at 100,000 pods beside what they cost at 1,000, turn by turn in one process: the three kinds together, and
/// each.
fn scale(clusters: usize) -> Value {
    let mut lines = [1000, 100_000].map(|pods| (pods, Line::new(clusters, pods / clusters)));
    for (pods, line) in &mut lines {
        line.start(clusters, *pods);
    }
    let (mut ratios, mut together): ([Vec<f64>; 3], Vec<f64>) = Default::default();
    for turn in 0..10 * TURNS {
        let [few, many] = [0, 1].map(|at| events(&mut lines[at].1, lines[at].0, clusters, turn));
        for (ratios, (few, many)) in ratios.iter_mut().zip(few.into_iter().zip(many)) {
            ratios.push(many / few);
        }
        together.push(many.iter().sum::<f64>() / few.iter().sum::<f64>());
    }
    let [added, modified, deleted] = ratios.map(median);
    json!({"clusters": clusters, "together": median(together), "new": added, "another_status": modified,
        "end": deleted})
}

fn row(pods: usize, clusters: usize) -> Value {
    let before = resident();
    let mut line = Line::new(clusters, pods / clusters);
    let first = line.start(clusters, pods);
    let (top, steady) = (peak(), resident());
    assert_eq!(line.writes, pods);
    // A few pods are read and planned in no time: again and again, and bare reading beside each.
    let mut starts = vec![first];
    let mut bare_seconds = bare(pods, clusters);
    for _ in 1..(LEAST_READ / pods).max(1) {
        starts.push(Line::new(clusters, pods / clusters).start(clusters, pods));
        bare_seconds += bare(pods, clusters);
    }
    let read = (pods * starts.len()) as f64;
    let sum = |part: fn(&Start) -> f64| starts.iter().map(part).sum::<f64>();
    let plan = sum(|start| start.read + start.settle + start.plan);
    let mut spent: [Vec<f64>; 3] = Default::default();
    let mut late = Vec::new();
    for turn in 0..TURNS {
        for (all, of_turn) in spent.iter_mut().zip(events(&mut line, pods, clusters, turn)) {
            all.push(of_turn);
        }
        let new = |number: usize| new_pod(pods, clusters, number % few(clusters));
        let jobs = (0..500).flat_map(|number| [(new(number), "ADDED"), (new(number), "DELETED")]);
        late.extend(traffic(&mut line, jobs, 1000, None).late);
    }
    let [added, modified, deleted] = spent.map(median);
    let spent = Spent::begin();
    line.report();
    let report_ms = spent.seconds() * 1e3;
    json!({
        "pods": pods, "clusters": clusters,
        "cpu_us_per_event": added, "cpu_us_per_status_event": modified, "cpu_us_per_deleted": deleted,
        "p50_ms": percentile(&mut late, 50), "p99_ms": percentile(&mut late, 99),
        "rss_bytes_per_pod": (steady - before) / pods as f64,
        "peak_to_steady": (top - before) / (steady - before),
        "pods_per_core_second": read / plan,
        "json_only_pods_per_core_second": read / bare_seconds,
        "read_us_per_pod": sum(|start| start.read) * 1e6 / read,
        "settle_us_per_pod": sum(|start| start.settle) * 1e6 / read,
        "plan_us_per_pod": sum(|start| start.plan) * 1e6 / read,
        "write_us_per_pod": sum(|start| start.write) * 1e6 / read,
        "report_ms": report_ms,
    })
}

/// So many pods come and go one after another; what memory they leave.
fn churn(pods: usize) -> Value {
    const STEADY: usize = 10_000;
    let mut line = Line::new(1, STEADY);
    line.start(1, STEADY);
    let mut early = 0.0;
    for number in 0..pods {
        let node = Some(number % (STEADY / 30));
        let pod = Pod { cluster: 0, number: STEADY + number, revision: 0, node };
        one_event(&mut line, pod, "ADDED", 8, "Running");
        one_event(&mut line, pod, "DELETED", 9, "Succeeded");
        if number == pods / 10 {
            early = resident();
        }
    }
    let late = resident();
    json!({"pods": pods, "resident_after_a_tenth": early, "resident_at_the_end": late, "grown_bytes": late - early})
}

/// A start with every entry in place: what SPIRE's list costs to make, and what comparing and planning cost on top.
fn restart(pods: usize) -> Value {
    let mut before = Line::new(1, pods);
    let mut held = Vec::new();
    before.observe([]);
    before.list(0, pods);
    before.settle();
    before.work(|id, entry| held.push((id.clone(), entry.clone())));
    drop(before);
    let mut line = Line::new(1, pods);
    let read = line.list(0, pods);
    let spent = Spent::begin();
    line.settle();
    let settle = spent.seconds();
    let spent = Spent::begin();
    let list: Vec<Observed> = held.iter().map(|(id, entry)| Observed::of(id.clone(), entry)).collect();
    let serve = spent.seconds();
    let spent = Spent::begin();
    line.observe(list);
    line.work(|_, _| {});
    let compare = spent.seconds();
    json!({"pods": pods, "writes": line.writes, "read_s": read, "settle_s": settle, "list_s": serve,
        "compare_and_plan_s": compare, "to_list": (serve + compare) / serve})
}

/// An edit of an identity that gives 10,000 pods another SPIFFE ID, while others come and go at 1,000 a second: once with
/// budgets that are never exceeded, and once with the usual ones, which hold it.
fn edit(pods: usize) -> Value {
    let never = Budgets { scope_number: u64::MAX, fleet_number: u64::MAX, ..Budgets::default() };
    json!({"pods": pods, "free": edit_with(pods, never), "held": edit_with(pods, Budgets::default())})
}

fn edit_with(pods: usize, budgets: Budgets) -> Value {
    let clusters = 10;
    let mut line = Line::with(clusters, pods / clusters, budgets);
    line.start(clusters, pods);
    let new = |number| new_pod(pods, clusters, number);
    let jobs = (0..1000).flat_map(|number| [(new(number), "ADDED"), (new(number), "DELETED")]);
    let before = line.writes;
    let edited = Change::Identities(ObjectChange::Applied(Ok(Arc::new(world::identity(7, "team")))));
    let traffic = traffic(&mut line, jobs, 1000, Some((200, edited)));
    let held = line.ledger.outcome(None).braked_identities.values().map(|held| held.updates).sum::<u64>();
    let Traffic { mut late, settle, slices, longest, .. } = traffic;
    json!({"touched": settle.1, "settle_ms": settle.0 * 1e3, "slices": slices, "longest_slice_ms": longest * 1e3,
        "others_p99_ms": percentile(&mut late, 99), "others_longest_ms": late.iter().copied().fold(0.0, f64::max),
        "writes": line.writes - before, "held": held})
}

/// `diff` of an edit of every identity, which touches every pod and is more than any budget, and of one identity: the whole
/// answer, and how long the index and the writer's book are not looked at otherwise.
fn diff(pods: usize) -> Value {
    let clusters = 10;
    let mut line = Line::with(clusters, pods / clusters, Budgets::default());
    line.start(clusters, pods);
    let one = answer(&line, 1);
    let mut all = answer(&line, world::IDENTITIES);
    all["pods"] = pods.into();
    all["one_identity_ms"] = one["diff_ms"].clone();
    all
}

/// What an edit of the first so many identities would do.
fn answer(line: &Line, identities: usize) -> Value {
    let identities = (0..identities).map(|team| Ok(Arc::new(world::identity(team, "team")))).collect();
    let proposal = Proposal { identities, ..Proposal::default() };
    // By the clock, because several threads work at it.
    let begun = Instant::now();
    let mut trial = line.index.propose(proposal);
    let mut longest = begun.elapsed();
    while !trial.is_done() {
        let turn = Instant::now();
        line.index.try_some(&mut trial, AT_ONCE);
        longest = longest.max(turn.elapsed());
    }
    let index = begun.elapsed();
    let mut weighing = Weighing::new(trial.what(), false);
    while !weighing.is_done() {
        let turn = Instant::now();
        line.ledger.weigh_some(&mut weighing, AT_ONCE);
        longest = longest.max(turn.elapsed());
    }
    let book = begun.elapsed() - index;
    let turn = Instant::now();
    let difference = line.ledger.weighed(weighing, Instant::now());
    let brake = turn.elapsed();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    json!({"updates": difference.total.update, "held": difference.held.len(), "index_ms": ms(index),
        "book_ms": ms(book), "brake_ms": ms(brake), "longest_turn_ms": ms(longest.max(brake)),
        "diff_ms": ms(begun.elapsed())})
}

fn child(arguments: &[&str]) -> Value {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn all() {
    println!(
        "{:>8}{:>9}{:>9}{:>9}{:>9}{:>9}{:>8}{:>9}{:>7}{:>11}{:>11}{:>6}",
        "pods",
        "clusters",
        "us new",
        "us seen",
        "us gone",
        "p99 ms",
        "B/pod",
        "peak",
        "",
        "pods/s",
        "json/s",
        "ratio"
    );
    let mut rows = Vec::new();
    for pods in [1000, 10_000, 100_000, 500_000] {
        for clusters in [1, 10, 100] {
            let row = child(&["row", &pods.to_string(), &clusters.to_string()]);
            let of = |key: &str| row[key].as_f64().unwrap_or(f64::NAN);
            println!(
                "{pods:>8}{clusters:>9}{:>9.1}{:>9.1}{:>9.1}{:>9.2}{:>8.0}{:>9.2}{:>7}{:>11.0}{:>11.0}{:>6.2}",
                of("cpu_us_per_event"),
                of("cpu_us_per_status_event"),
                of("cpu_us_per_deleted"),
                of("p99_ms"),
                of("rss_bytes_per_pod"),
                of("peak_to_steady"),
                "",
                of("pods_per_core_second"),
                of("json_only_pods_per_core_second"),
                of("pods_per_core_second") / of("json_only_pods_per_core_second"),
            );
            rows.push(row);
        }
    }
    let scale: Vec<Value> =
        [1, 10, 100].map(|clusters: usize| child(&["scale", &clusters.to_string()])).into();
    scale.iter().for_each(|ratios| println!("100,000 pods to 1,000: {ratios}"));
    let churn = child(&["churn", "1000000"]);
    println!("churn    {churn}");
    let restart = child(&["restart", "100000"]);
    println!("restart  {restart}");
    let edit = child(&["edit", "500000"]);
    println!("edit     {edit}");
    let diff = child(&["diff", "100000"]);
    println!("diff     {diff}");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    plot::write(&folder, &rows);
    let all =
        json!({"rows": rows, "scale": scale, "churn": churn, "restart": restart, "edit": edit, "diff": diff});
    std::fs::write(folder.join("fleet.json"), format!("{all:#}\n")).unwrap();
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let number = |at: usize| arguments.get(at).and_then(|it| it.parse().ok());
    match (arguments.first().map(String::as_str), number(1), number(2)) {
        (Some("row"), Some(pods), Some(clusters)) => println!("{}", row(pods, clusters)),
        (Some("scale"), Some(clusters), _) => println!("{}", scale(clusters)),
        (Some("churn"), Some(pods), _) => println!("{}", churn(pods)),
        (Some("restart"), Some(pods), _) => println!("{}", restart(pods)),
        (Some("edit"), Some(pods), _) => println!("{}", edit(pods)),
        (Some("diff"), Some(pods), _) => println!("{}", diff(pods)),
        _ => all(),
    }
}
