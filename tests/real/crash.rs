//! The registrar's end at any moment, and its next start.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::kubernetes::Pod;
use crate::spire::Entry;
use crate::wait;
use crate::world::World;

/// Within what a registrar that was killed is followed by one that has done all: lease, listing, writing.
const TAKEN_OVER: Duration = Duration::from_secs(30);
const ROUNDS: u32 = 6;
const PODS: usize = 60;
/// How many pods end and come in each round.
const CHANGES: usize = 12;

/// All entries whose SPIFFE ID begins with this path, by id.
fn entries_under(world: &World, path: &str) -> BTreeMap<String, Entry> {
    let begin = format!("spiffe://example.org/{path}/");
    let entries = world.spire.entries().into_iter().filter(|entry| entry.spiffe_id().starts_with(&begin));
    entries.map(|entry| (entry.id().to_owned(), entry)).collect()
}

/// Ten pods that nobody touches, with their entries.
fn undisturbed(world: &World) -> BTreeMap<String, Entry> {
    let cluster = world.workload_cluster();
    world.identity(
        "same",
        "same",
        "same",
        "same",
        json!({"dnsNameTemplates": ["{{ .PodMeta.Name }}.same.svc"]}),
    );
    cluster.node("node-1");
    for n in 0..10 {
        let name = format!("same-{n}");
        // They are there already when another test made them.
        if cluster.get(&format!("/api/v1/namespaces/same/pods/{name}")).is_none() {
            world.spire.entry_of(&cluster.pod("same", &name, "same", Some("node-1")));
        }
    }
    let entries = entries_under(world, "same");
    assert_eq!(entries.len(), 10);
    entries
}

pub fn unchanged_entries_are_not_rewritten(world: &World) {
    undisturbed(world);
    let cluster = world.workload_cluster();
    world.settle(cluster);
    let before = world.spire.entries();
    for (end, name) in
        [(World::kill_registrar as fn(&World), "killed"), (World::stop_registrar, "asked to stop")]
    {
        end(world);
        let begin = Instant::now();
        world.start_registrar();
        world.settle(cluster);
        println!("{name}; the next one has listed and writes after {:.1} s", begin.elapsed().as_secs_f64());
        // Revision and time of creation are the entry's own fields: equal means never written.
        assert_eq!(world.spire.entries(), before);
    }
}

pub fn killed_at_random_moments(world: &World) {
    let same = undisturbed(world);
    let cluster = world.workload_cluster();
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let mut names = 0..;
    let mut new_pod = || {
        let name = format!("kill-{}", names.next().unwrap());
        cluster.pod("kill", &name, "kill", Some("node-1"))
    };
    world.identity("kill", "kill", "kill", "kill", json!({"ttl": "1h"}));
    let mut pods: Vec<Pod<'_>> = (0..PODS).map(|_| new_pod()).collect();
    pods.iter().for_each(|pod| drop(world.spire.entry_of(pod)));
    for round in 1..=ROUNDS {
        let before = entries_under(world, "kill");
        // Every entry is to be updated, some pods end and some come, and in the middle of it the registrar dies.
        let lifetime = 3600 + i64::from(round);
        pods.drain(..CHANGES).for_each(Pod::delete);
        let kept: BTreeSet<String> = pods.iter().map(|pod| pod.uid.clone()).collect();
        pods.extend((0..CHANGES / 2).map(|_| new_pod()));
        world.patch("workloadidentities/kill", &json!({"spec": {"ttl": format!("{lifetime}s")}}));
        sleep(Duration::from_millis(chance.random_range(0..150)));
        world.kill_registrar();
        let has_new = |entry: &Entry| entry.0["x509_svid_ttl"] == lifetime;
        let updated = entries_under(world, "kill").values().filter(|entry| has_new(entry)).count();
        pods.extend((0..CHANGES / 2).map(|_| new_pod()));
        world.start_registrar();
        if round % 2 == 0 {
            // And again, about when it gets the lease and lists.
            sleep(Duration::from_millis(chance.random_range(2500..3600)));
            world.kill_registrar();
            world.start_registrar();
        }
        let wanted: BTreeSet<&str> = pods.iter().map(|pod| pod.uid.as_str()).collect();
        let after = wait::until("one entry for each pod, with the new lifetime", TAKEN_OVER, || {
            let entries = entries_under(world, "kill");
            let held: BTreeSet<&str> = entries.values().filter_map(Entry::pod_uid).collect();
            let new = entries.values().filter(|entry| has_new(entry)).count();
            match held == wanted && entries.len() == wanted.len() && new == wanted.len() {
                true => Ok(entries.clone()),
                false => Err(format!("{} entries, {new} of them new, of {} pods", entries.len(), held.len())),
            }
        });
        println!(
            "round {round}: killed with {updated} of {PODS} entries written; then {} entries of {} pods",
            after.len(),
            pods.len()
        );
        // Whoever was there all the time still has its entry, updated once.
        for (id, entry) in after.iter().filter(|(_, entry)| kept.contains(entry.pod_uid().unwrap())) {
            let earlier = before.get(id).unwrap_or_else(|| panic!("{entry:?} is new"));
            assert_eq!(entry.revision(), earlier.revision() + 1, "{entry:?}");
        }
        assert_eq!(entries_under(world, "same"), same, "rewritten");
    }
    pods.into_iter().for_each(Pod::delete);
}
