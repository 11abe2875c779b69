//! `make bench-writes`, its half against a real SPIRE server: how many entries a second the registrar creates, beside a bare
//! loop of BatchCreateEntry over the same entries, with batches as large and one call at a time too.

use std::path::Path;
use std::time::{Duration, Instant};

use registrar_proto::entry::BatchCreateEntryRequest;
use registrar_proto::types::Entry;
use serde_json::json;

use crate::bench::{self, Entries, Servers};
use crate::wait;

const PODS: usize = 5000;
/// Rounds of each kind; they take turns.
const ROUNDS: usize = 3;
/// How many entries the registrar writes in one call at most.
const BATCH: usize = 200;
const PATIENCE: Duration = Duration::from_secs(120);
/// How often entries are counted, which costs SPIRE the same in rounds of both kinds.
const LOOK: Duration = Duration::from_millis(25);

/// Entries a second, from the first that are seen to the last.
fn rate(entries: &Entries<'_>) -> f64 {
    let seen = |what: &str, least: usize| {
        wait::until_each(LOOK, what, PATIENCE, || match entries.count() {
            count if count >= least => Ok((count, Instant::now())),
            count => Err(format!("{count} entries")),
        })
    };
    let (first, begin) = seen("the first entries", 1);
    let (last, end) = seen("all entries", PODS);
    assert_eq!(last, PODS);
    (last - first) as f64 / (end - begin).as_secs_f64()
}

/// The registrar knows every pod before it learns of the identity; what it has written.
fn registrar(servers: &Servers, round: usize) -> (f64, Vec<Entry>) {
    let name = format!("registrar-{round}");
    let spire = servers.spire(&format!("spire-of-{name}"));
    let entries = Entries::of(&spire, &servers.runtime);
    let child = servers.start_registrar(&name, &spire);
    let log = child.log().to_owned();
    for said in ["listed SPIRE's entries", "the cluster is connected and watched"] {
        wait::until(&format!("{said:?} in its log"), PATIENCE, || {
            let text = std::fs::read_to_string(&log).unwrap();
            if text.contains(said) { Ok(()) } else { Err("not yet".to_owned()) }
        });
    }
    let path = "workloadidentities/fleet";
    let template =
        "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}";
    let spec = json!({
        "applicationName": "fleet",
        "namespaceSelector": {"matchLabels": {"identities": "fleet"}},
        "spiffeIDTemplate": template,
    });
    servers.object("WorkloadIdentity", path, &spec);
    let rate = rate(&entries);
    let listed = entries.list();
    // With its finalizer the identity would wait for a registrar, which would delete all entries first.
    child.kill();
    let path = format!("{}/{path}", crate::world::KINDS);
    servers.cluster.patch(&path, &json!({"metadata": {"finalizers": null}}));
    servers.cluster.delete(&path, 0);
    (rate, listed)
}

fn bare(servers: &Servers, round: usize, listed: &[Entry]) -> f64 {
    let spire = servers.spire(&format!("spire-of-bare-{round}"));
    let entries = Entries::of(&spire, &servers.runtime);
    let asked = |entry: &Entry| {
        let mut entry = Entry { created_at: 0, revision_number: 0, ..entry.clone() };
        // SPIRE lists them sorted; the registrar sends the pod's first, which costs SPIRE less.
        entry.selectors.sort_by_key(|selector| !selector.value.starts_with("pod-uid:"));
        entry
    };
    let batches: Vec<Vec<Entry>> =
        listed.chunks(BATCH).map(|batch| batch.iter().map(asked).collect()).collect();
    let (mut client, runtime) = (entries.client.clone(), &servers.runtime);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for entries in batches {
                let request = BatchCreateEntryRequest { entries, output_mask: None };
                let answer = runtime.block_on(client.batch_create_entry(request)).unwrap();
                let results = answer.into_inner().results;
                assert!(results.iter().all(|it| it.status.as_ref().is_some_and(|status| status.code == 0)));
            }
        });
        rate(&entries)
    })
}

pub fn bench_writes(folder: &Path) {
    let servers = Servers::start(folder);
    servers.add_pods(0..PODS);
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let (ours, listed) = registrar(&servers, round);
        let theirs = bare(&servers, round, &listed);
        println!("round {round}: the registrar {ours:.0} entries a second, a bare loop {theirs:.0}");
        rates[0].push(ours);
        rates[1].push(theirs);
    }
    let [ours, theirs] = rates.clone().map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    });
    println!("medians: {ours:.0} and {theirs:.0} entries a second, {:.2} of it (goal: 0.9)", ours / theirs);
    let [all_ours, all_theirs] = rates;
    let row = json!({
        "entries": PODS, "batch": BATCH, "registrar_per_second": ours, "bare_per_second": theirs,
        "ratio": ours / theirs, "registrar_rounds": all_ours, "bare_rounds": all_theirs, "load": bench::load(),
    });
    bench::write("writes-real", &[row]);
}
