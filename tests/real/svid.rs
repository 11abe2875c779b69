//! The last hop: from a pod to the SVID in its process's hands.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::agent::{Agent, Container};
use crate::aws::CLUSTERS;
use crate::child::{output, program};
use crate::registrar::PROGRAM;
use crate::world::World;

const PODS: usize = 10;
const LIMIT: Duration = Duration::from_secs(30);

/// What `explain` answers of a pod in its first line.
fn explained(world: &World, pod: &str, wanted: &str) {
    let name = format!("{}/test-app/{pod}", CLUSTERS[0].registry);
    let registrar = format!("127.0.0.1:{}", world.admin_port);
    let mut command = program(PROGRAM);
    let told = output(command.args(["explain", &name, "--registrar", &registrar]));
    let answer = told.lines().next().unwrap();
    println!("{answer}");
    assert!(answer.contains(wanted), "{told}");
}

pub fn a_process_in_the_pod_gets_its_svid(world: &World) {
    // The seed's own identity: that it federates with its own trust domain would stop the agent, were it not left out.
    world.apply_seed("kinds.yaml");
    let cluster = world.workload_cluster();
    cluster.node("node-svid");
    let agent = Agent::start(world, world.spire_port, "node-svid");

    let [reload, sync] = crate::spire::intervals();
    let mut times = Vec::new();
    for n in 0..PODS {
        // Else each pod would come right after a tick of the agent, by which the one before was served.
        sleep(Duration::from_millis(rand::random_range(0..1000 * sync)));
        let bound = Instant::now();
        let pod = cluster.pod("test-app", &format!("svid-{n}"), "test-app", Some("node-svid"));
        let id = format!("{n:064x}");
        // Before the process asks: for a container that the kubelet does not know the agent waits long.
        pod.report(&json!({"phase": "Running", "containerStatuses": [{
            "name": "main", "image": "example.org/main", "imageID": "", "ready": true, "restartCount": 0,
            "containerID": format!("containerd://{id}"),
        }]}));
        let container = Container::make(&pod.uid, &id);
        let said = agent.fetch_inside(&container, LIMIT);
        times.push(bound.elapsed());
        let ids: Vec<&str> =
            said.lines().filter_map(|line| line.strip_prefix("SPIFFE ID:")).map(str::trim).collect();
        assert_eq!(ids, ["spiffe://example.org/ns/test-app/sa/test-app"], "{said}");
        assert_eq!(world.spire.entry_of(&pod).spiffe_id(), ids[0]);
        if n == 0 {
            explained(world, &pod.name, &format!("has {}, in step with SPIRE.", ids[0]));
        }
        pod.delete();
    }
    // Where no agent runs, everything else is right.
    cluster.node("node-without-agent");
    let pod = cluster.pod("test-app", "svid-none", "test-app", Some("node-without-agent"));
    world.spire.entry_of(&pod);
    explained(world, &pod.name, "everything is right here, but SPIRE knows no agent");
    pod.delete();
    let outside = agent.fetch_outside();
    let said =
        String::from_utf8_lossy(&outside.stderr).into_owned() + &String::from_utf8_lossy(&outside.stdout);
    assert!(!outside.status.success() && said.contains("no identity issued"), "{said}");

    times.sort();
    let seconds: Vec<String> = times.iter().map(|time| format!("{:.2}", time.as_secs_f64())).collect();
    let seconds = seconds.join(" ");
    println!("from pod bound to SVID, {PODS} pods, server at {reload} s, agent at {sync} s: {seconds} s");
    println!("median {:.2} s, longest {:.2} s", times[PODS / 2].as_secs_f64(), times[PODS - 1].as_secs_f64());
}
