//! `make bench-writes`, its half against SPIRE's stand-in: how many entries a second the program writes beside a bare loop
//! in the same run, and a restart with all entries in place beside a bare client that reads the list.

use std::time::{Duration, Instant, SystemTime};

use registrar_proto::entry::entry_client::EntryClient;
use registrar_proto::entry::{BatchCreateEntryRequest, ListEntriesRequest};
use registrar_proto::types::Entry;
use registrar_world::spire::{SpireServer, WriteKind};
use registrar_world::{Replica, World, cpu};
use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};

use crate::fleet::{self, identity, pod};
use crate::replicas::try_get;

const PODS: usize = 50_000;
/// Rounds of writing, each with a world of its own.
const ROUNDS: usize = 3;
const RESTARTS: usize = 5;
/// How many entries the program writes in one call at most, and reads with one page.
const BATCH: usize = 200;
const PAGE: i32 = 500;
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(10);

fn run(world: &mut World) -> Replica {
    world.run_with(crate::PROGRAM, |command| {
        // The test would read a line for each entry, on the cores on which the program runs.
        command.env("LOG_LEVEL", "info,audit=off");
    })
}

fn client(spire: &SpireServer) -> EntryClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("unix:{}", spire.path().display())).unwrap();
    EntryClient::new(endpoint.connect_lazy()).max_decoding_message_size(64 << 20)
}

/// The time from the first of the last writes to the last, in seconds.
fn spread(spire: &SpireServer, count: usize) -> f64 {
    let writes = spire.writes();
    let at = |at: Option<&registrar_world::spire::Write>| at.unwrap().at;
    let first = at(writes.get(writes.len() - count));
    at(writes.last()).duration_since(first).unwrap().as_secs_f64()
}

/// Waits until a condition holds that costs little to look at.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    let mut look = tokio::time::interval(LOOK);
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "{what}: in {PATIENCE:?} not");
        look.tick().await;
    }
}

/// A world with all pods, in which the program runs that has listed them and SPIRE's entries and knows no identity.
async fn started() -> (World, Replica) {
    let mut world = fleet::world(&["east"]).await;
    let election = json!({"leaderElect": false, "leaseDuration": "60s", "renewDeadline": "50s"});
    world.configure(&json!({"gcInterval": "1h", "syncPeriod": "30s", "leaderElection": election}));
    for number in 0..PODS {
        world.cluster("east").put(pod(&format!("web-{number}"), "web"));
    }
    world.register("east");
    let registrar = run(&mut world);
    registrar.until_logged("listed SPIRE's entries", PATIENCE).await;
    registrar.until_logged("the cluster is connected and watched", PATIENCE).await;
    (world, registrar)
}

/// Entries a second of the program, CPU of it for one entry in microseconds, and of the bare loop that writes the same.
async fn write(world: &World, registrar: &Replica) -> [f64; 3] {
    let before = cpu(registrar.pid());
    world.management.put(identity("web", "web"));
    until("all entries", async || world.spire.entry_count() >= PODS).await;
    let used = (cpu(registrar.pid()) - before).as_secs_f64() * 1e6 / PODS as f64;
    let ours = PODS as f64 / spread(&world.spire, PODS);

    let bare = SpireServer::start(world.folder().join("bare.sock"), "example.org");
    let mut client = client(&bare);
    let asked = |entry: Entry| Entry { created_at: 0, revision_number: 0, ..entry };
    let entries: Vec<Entry> = world.spire.entries().into_iter().map(asked).collect();
    for batch in entries.chunks(BATCH) {
        let request = BatchCreateEntryRequest { entries: batch.to_vec(), output_mask: None };
        let answer = client.batch_create_entry(request).await.unwrap().into_inner();
        assert!(answer.results.iter().all(|it| it.status.as_ref().is_some_and(|status| status.code == 0)));
    }
    assert_eq!(bare.entry_count(), PODS);
    [ours, used, PODS as f64 / spread(&bare, PODS)]
}

/// How long a bare client takes to read all entries by pages, in seconds.
async fn read(spire: &SpireServer) -> f64 {
    let (mut client, mut token, mut count) = (client(spire), String::new(), 0);
    let begin = Instant::now();
    loop {
        let request = ListEntriesRequest { page_size: PAGE, page_token: token, ..Default::default() };
        let page = client.list_entries(request).await.unwrap().into_inner();
        count += page.entries.len();
        token = page.next_page_token;
        if token.is_empty() {
            assert_eq!(count, PODS);
            return begin.elapsed().as_secs_f64();
        }
    }
}

/// When a line of the program's log was written; it begins with the time.
fn logged_at(line: &str) -> SystemTime {
    let time: k8s_openapi::jiff::Timestamp = line.split_whitespace().next().unwrap().parse().unwrap();
    time.into()
}

/// The line that tells that SPIRE's entries were listed; when, and how long it took, in seconds.
async fn listed(registrar: &Replica) -> (SystemTime, f64) {
    let line = registrar.until_logged("listed SPIRE's entries", PATIENCE).await;
    let field = |name: &str| line.split(' ').find_map(|field| field.strip_prefix(name));
    assert_eq!(field("ours="), Some(PODS.to_string().as_str()));
    (logged_at(&line), field("seconds=").unwrap().parse().unwrap())
}

/// A new program finds everything in place: with SPIRE's list alone, because the cluster does not answer; how long that took,
/// and the CPU of the program from its start on.
async fn restart_alone(world: &mut World) -> [f64; 2] {
    world.cluster("east").refuse();
    let mut registrar = run(world);
    let (_, seconds) = listed(&registrar).await;
    let used = cpu(registrar.pid()).as_secs_f64();
    registrar.kill().await;
    world.cluster("east").come_back();
    [seconds, used]
}

/// A new program finds everything in place, and lists the cluster's pods at the same time: since its start, when SPIRE's list
/// and the pods' list had ended and when the identity was ready, how long SPIRE's list took, and the CPU until then.
async fn restart(world: &mut World) -> [f64; 5] {
    let begin = SystemTime::now();
    let mut registrar = run(world);
    let since = |at: SystemTime| at.duration_since(begin).unwrap().as_secs_f64();
    until("an identity that is Ready by the new program's own word", async || {
        let metrics = try_get(registrar.metrics, "/metrics").await.unwrap_or_default();
        let ready = "spire_eks_workload_registrar_ready{kind=\"WorkloadIdentity\",name=\"web\"} 1";
        metrics.lines().any(|line| line == ready)
    })
    .await;
    let ready = since(SystemTime::now());
    let used = cpu(registrar.pid()).as_secs_f64();
    let (at, seconds) = listed(&registrar).await;
    let watched = registrar.until_logged("the cluster is connected and watched", PATIENCE).await;
    let watched = since(logged_at(&watched));
    let metrics = try_get(registrar.metrics, "/metrics").await.unwrap();
    let backlog = "spire_eks_workload_registrar_backlog_pods 0";
    assert!(metrics.lines().any(|line| line == backlog), "nothing is left to be done");
    registrar.kill().await;
    [since(at), watched, ready, seconds, used]
}

/// The middle one.
fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Restarts in turns with a bare client, so that all are disturbed alike.
async fn restarts(world: &mut World) -> Value {
    let writes = world.spire.writes().len();
    let (mut bare, mut alone, mut both) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RESTARTS {
        bare.push(read(&world.spire).await);
        alone.push(restart_alone(world).await);
        both.push(restart(world).await);
    }
    assert_eq!(world.spire.writes().len(), writes, "a restart writes nothing");
    let [at, watched, ready, seconds, used] =
        [0, 1, 2, 3, 4].map(|column| median(both.iter().map(|row: &[f64; 5]| row[column]).collect()));
    let ratios = alone.iter().zip(&bare).map(|([alone, _], bare)| alone / bare).collect();
    let [alone, alone_used] = [0, 1].map(|column| median(alone.iter().map(|row| row[column]).collect()));
    json!({
        "entries": PODS, "bare_list_seconds": median(bare), "list_alone_seconds": alone,
        "list_alone_cpu_seconds": alone_used,
        "list_alone_ratio": median(ratios), "list_seconds": seconds, "listed_after_seconds": at,
        "pods_listed_after_seconds": watched, "ready_after_seconds": ready, "cpu_seconds": used, "writes": 0,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a benchmark: make bench-writes"]
async fn bench_writes() {
    let mut rows = Vec::new();
    for number in 1..=ROUNDS {
        let (mut world, mut registrar) = started().await;
        let [ours, used, bare] = write(&world, &registrar).await;
        println!(
            "{PODS} entries: {ours:.0} a second, {used:.1} us of CPU each; a bare loop {bare:.0} a second (goal: 20,000)"
        );
        rows.push(json!({"what": "write", "entries": PODS, "batch": BATCH, "registrar_per_second": ours,
            "cpu_us_per_entry": used, "bare_per_second": bare}));
        if number == ROUNDS {
            registrar.until_logged("backlog=0", PATIENCE).await;
            registrar.kill().await;
            let creates = world.spire.writes().iter().filter(|it| it.kind == WriteKind::Create).count();
            assert_eq!(creates, PODS);
            let mut row = restarts(&mut world).await;
            println!("{RESTARTS} restarts with {PODS} entries in place, medians: {row}");
            row["what"] = "restart".into();
            rows.push(row);
        } else {
            registrar.kill().await;
        }
    }
    let folder = std::path::Path::new(crate::ROOT).join("target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("writes.json"), format!("{:#}\n", json!({ "rows": rows }))).unwrap();
}
