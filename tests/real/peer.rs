//! `make bench-peer`: this registrar beside spire-controller-manager, each alone with the same servers, pods and identity.
//!
//! For each number of pods and each controller: a SPIRE server with an empty database; the controller's start, until every
//! pod has its entry; a quiet while, by which the CPU of doing nothing is known; pods that come one by one; quiet again.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use registrar_proto::types::Entry;
use registrar_world::cpu;
use serde_json::{Value, json};

use crate::bench::{self, Entries, LATER, Memory, Servers};
use crate::child::{Child, output, program};
use crate::spire::{SpireServer, TRUST_DOMAIN};
use crate::wait;
use crate::world::ROOT;

/// How many pods there are; `PEER_PODS=200,400` are others, for a trial. `PEER_ALONE=1` measures the registrar only.
const PODS: [usize; 2] = [2000, 12_000];
/// Until what was begun has ended.
const SETTLING: Duration = Duration::from_secs(15);
/// How long it is looked at what doing nothing costs: three of the peer's comparisons.
const QUIET: Duration = Duration::from_secs(30);
/// Within what all pods have to be registered.
const START: Duration = Duration::from_secs(400);
/// Within what a new pod has to be registered: the peer loses what comes while it reconciles, until `gcInterval` is over.
const NEW_POD: Duration = Duration::from_secs(40);
/// How often it is looked for a new pod's entry.
const LOOK: Duration = Duration::from_millis(2);

const SPIFFE_ID: &str =
    "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}";
const SELECTORS: [&str; 2] = ["k8s:ns:{{ .PodMeta.Namespace }}", "k8s:sa:{{ .PodSpec.ServiceAccountName }}"];
const DNS_NAME: &str = "{{ .PodMeta.Name }}.{{ .PodMeta.Namespace }}.svc";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Controller {
    Registrar,
    Peer,
}

impl Controller {
    fn name(self) -> &'static str {
        match self {
            Self::Registrar => "registrar",
            Self::Peer => "spire-controller-manager",
        }
    }

    /// What each line of its log has that tells of new entries, one line for each pod that comes alone.
    fn mark(self) -> &'static str {
        match self {
            Self::Registrar => "wrote entries to SPIRE",
            Self::Peer => "Created entry",
        }
    }

    /// How many pods come, and how long after each other: so that the controller has come to rest before the next, and each
    /// pays for a status of its own.
    fn new_pods(self) -> (usize, Duration) {
        match self {
            Self::Registrar => (200, Duration::from_millis(600)),
            Self::Peer => (20, Duration::from_secs(3)),
        }
    }

    fn start(self, servers: &Servers, name: &str, spire: &SpireServer) -> Child {
        match self {
            Self::Registrar => servers.start_registrar(name, spire),
            Self::Peer => start_peer(servers, name, spire),
        }
    }
}

/// As its documentation configures it, without what it would share with a second replica, and without its webhook, which
/// takes no part.
fn start_peer(servers: &Servers, name: &str, spire: &SpireServer) -> Child {
    let text = format!(
        r#"
apiVersion: spire.spiffe.io/v1alpha1
kind: ControllerManagerConfig
clusterName: {}
clusterDomain: cluster.local
trustDomain: {TRUST_DOMAIN}
spireServerSocketPath: {}
ignoreNamespaces: [kube-system, kube-public, spire-system]
entryIDPrefix: scm
leaderElection: {{leaderElect: false}}
metrics: {{bindAddress: "0"}}
health: {{healthProbeBindAddress: "0"}}
"#,
        servers.cluster_name(),
        spire.socket.display(),
    );
    let file = servers.folder.join(format!("{name}.yaml"));
    std::fs::write(&file, text).unwrap();
    let mut command = program(servers.parts.join("spire-controller-manager"));
    command.arg("-config").arg(file).env("KUBECONFIG", &servers.cluster.kubeconfig);
    command.env("ENABLE_WEBHOOKS", "false");
    Child::start(name, &mut command, &servers.folder)
}

/// The same identity for both.
fn declare(servers: &Servers) {
    let selectors = json!({
        "namespaceSelector": {"matchLabels": {"identities": "fleet"}},
        "podSelector": {"matchLabels": {"tier": "web"}},
        "spiffeIDTemplate": SPIFFE_ID,
        "workloadSelectorTemplates": SELECTORS,
        "dnsNameTemplates": [DNS_NAME],
    });
    let mut ours =
        json!({"applicationName": "fleet", "clusterSelector": {"matchLabels": {"type": "workload"}}});
    ours.as_object_mut().unwrap().extend(selectors.as_object().unwrap().clone());
    servers.object("WorkloadIdentity", "workloadidentities/fleet", &ours);
    // kubectl does not follow a link to a folder.
    let folder = servers.parts.join("spire-controller-manager-crds").canonicalize().unwrap();
    servers.cluster.kubectl(&["apply", "-f", folder.to_str().unwrap()]);
    servers.cluster.kubectl(&["wait", "--for=condition=Established", "crd/clusterspiffeids.spire.spiffe.io"]);
    let theirs = json!({
        "apiVersion": "spire.spiffe.io/v1alpha1",
        "kind": "ClusterSPIFFEID",
        "metadata": {"name": "fleet"},
        "spec": selectors,
    });
    servers.cluster.apply("/apis/spire.spiffe.io/v1alpha1/clusterspiffeids/fleet", &theirs);
}

/// How often a log has a text, read on as it grows.
struct Marks {
    file: File,
    text: &'static str,
    rest: Vec<u8>,
    count: usize,
}

impl Marks {
    /// From now on.
    fn of(log: &Path, text: &'static str) -> Self {
        let mut file = File::open(log).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        Self { file, text, rest: Vec::new(), count: 0 }
    }

    fn count(&mut self) -> usize {
        self.file.read_to_end(&mut self.rest).unwrap();
        let lines = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.rest.drain(..lines).collect();
        self.count += String::from_utf8_lossy(&lines).matches(self.text).count();
        self.count
    }
}

/// What both processes have used.
#[derive(Clone, Copy)]
struct Used {
    controller: Duration,
    spire: Duration,
    at: Instant,
}

impl Used {
    fn now(controller: &Child, spire: &SpireServer) -> Self {
        Self { controller: cpu(controller.pid()), spire: cpu(spire.pid()), at: Instant::now() }
    }

    /// Milliseconds of CPU of controller and server, and of the clock, since then.
    fn since(self, before: Self) -> [f64; 3] {
        [self.controller - before.controller, self.spire - before.spire, self.at - before.at]
            .map(|time| time.as_secs_f64() * 1e3)
    }
}

/// What a controller has that has nothing to do.
fn empty(servers: &Servers, controller: Controller) -> Memory {
    let name = format!("{}-empty", controller.name());
    let spire = servers.spire(&format!("spire-of-{name}"));
    let mut child = controller.start(servers, &name, &spire);
    bench::quiet(SETTLING);
    child.assert_running();
    bench::memory(child.pid())
}

/// One row, and all entries but those of pods that came later, without what SPIRE and the controller make up.
fn round(servers: &Servers, controller: Controller, pods: usize, empty: Memory) -> (Value, Vec<Entry>) {
    let name = format!("{}-{pods}", controller.name());
    let spire = servers.spire(&format!("spire-of-{name}"));
    let entries = Entries::of(&spire, &servers.runtime);
    let load = bench::load();
    let before = cpu(spire.pid());
    let begin = Instant::now();
    let mut child = controller.start(servers, &name, &spire);
    let all_there = || {
        child.assert_running();
        let count = entries.count();
        if count == pods { Ok(()) } else { Err(format!("{count} entries")) }
    };
    wait::until_each(Duration::from_millis(250), &format!("{pods} entries"), START, all_there);
    let registered = begin.elapsed();
    let started = Used::now(&child, &spire);
    bench::quiet(SETTLING);
    let resting = Used::now(&child, &spire);
    bench::quiet(QUIET);
    let rested = Used::now(&child, &spire);
    let memory = bench::memory(child.pid());

    let (count, pace) = controller.new_pods();
    let mut marks = Marks::of(child.log(), controller.mark());
    let mut latencies = Vec::new();
    let mut later = Vec::new();
    let first = Instant::now();
    for number in 0..count {
        let made = Instant::now();
        later.push(servers.add_later(&format!("{LATER}-{number}")));
        wait::until_each(LOOK, &format!("new pod {number}'s entry"), NEW_POD, || match marks.count() {
            seen if seen > number => Ok(()),
            seen => Err(format!("{seen} entries")),
        });
        latencies.push(made.elapsed().as_secs_f64() * 1e3);
        let next = pace * u32::try_from(number + 1).unwrap();
        bench::quiet(next.saturating_sub(first.elapsed()));
    }
    let after = Used::now(&child, &spire);
    bench::quiet(SETTLING);
    let settled = Used::now(&child, &spire);
    bench::quiet(QUIET);
    let quieted = Used::now(&child, &spire);
    assert_eq!(entries.count(), pods + count, "every new pod has one entry");
    let listed = entries.list();
    drop(child);
    spire.kill();
    later.iter().for_each(|path| drop(servers.cluster.delete(path, 0)));

    latencies.sort_by(f64::total_cmp);
    // Before and after: what SPIRE spends on nothing is as much as what it spends on new pods.
    let quiet = [rested.since(resting), quieted.since(settled)];
    let idle = [0, 1, 2].map(|which| quiet[0][which] + quiet[1][which]);
    let busy = after.since(rested);
    let raw = |which: usize| busy[which] / count as f64;
    let net = |which: usize| (busy[which] - idle[which] / idle[2] * busy[2]) / count as f64;
    let row = json!({
        "controller": controller.name(),
        "pods": pods,
        "registered_seconds": registered.as_secs_f64(),
        "start_controller_cpu_seconds": started.controller.as_secs_f64(),
        "start_spire_cpu_seconds": (started.spire - before).as_secs_f64(),
        "new_pods": count,
        "pace_ms": pace.as_millis(),
        "new_pod_ms_median": latencies[count / 2],
        "new_pod_ms_longest": latencies[count - 1],
        "controller_cpu_ms_per_new_pod": raw(0),
        "controller_cpu_ms_per_new_pod_net": net(0),
        "spire_cpu_ms_per_new_pod": raw(1),
        "spire_cpu_ms_per_new_pod_net": net(1),
        "idle_controller_cpu_ms_per_second": idle[0] / idle[2] * 1e3,
        "idle_spire_cpu_ms_per_second": idle[1] / idle[2] * 1e3,
        "rss_bytes": memory.resident,
        "rss_anon_bytes": memory.anonymous,
        "empty_rss_bytes": empty.resident,
        "empty_rss_anon_bytes": empty.anonymous,
        "pod_bytes": servers.pod_bytes(),
        "load": load,
    });
    print_row(&row);
    (row, comparable(listed))
}

/// Entries of the pods that were there from the beginning, in an order and without what is made up for each.
fn comparable(entries: Vec<Entry>) -> Vec<Entry> {
    let is_later =
        |entry: &Entry| entry.spiffe_id.as_ref().is_some_and(|id| id.path.ends_with(&format!("/sa/{LATER}")));
    let mut entries: Vec<Entry> = entries.into_iter().filter(|entry| !is_later(entry)).collect();
    for entry in &mut entries {
        entry.id.clear();
        (entry.created_at, entry.revision_number) = (0, 0);
        entry.selectors.sort_by(|one, other| (&one.r#type, &one.value).cmp(&(&other.r#type, &other.value)));
    }
    entries.sort_by(|one, other| one.dns_names.cmp(&other.dns_names));
    entries
}

fn print_head() {
    println!(
        "{:<26}{:>7}{:>9}{:>11}{:>9}{:>11}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}",
        "controller",
        "pods",
        "all in s",
        "ms CPU/pod",
        "net",
        "SPIRE's/pod",
        "net",
        "pod ms",
        "idle ms/s",
        "MB RSS",
        "MB anon",
        "empty"
    );
}

fn print_row(row: &Value) {
    let of = |name: &str| row[name].as_f64().unwrap();
    let mega = |name: &str| of(name) / 1e6;
    println!(
        "{:<26}{:>7}{:>9.1}{:>11.2}{:>9.2}{:>11.2}{:>9.2}{:>9.1}{:>9.1}{:>9.1}{:>9.1}{:>9.1}",
        row["controller"].as_str().unwrap(),
        of("pods"),
        of("registered_seconds"),
        of("controller_cpu_ms_per_new_pod"),
        of("controller_cpu_ms_per_new_pod_net"),
        of("spire_cpu_ms_per_new_pod"),
        of("spire_cpu_ms_per_new_pod_net"),
        of("new_pod_ms_median"),
        of("idle_controller_cpu_ms_per_second"),
        mega("rss_bytes"),
        mega("rss_anon_bytes"),
        mega("empty_rss_anon_bytes")
    );
}

/// How many times the registrar's the peer's figures are, the CPU of doing nothing taken off.
fn compare(peer: &Value, ours: &Value) -> Value {
    let times = |of: &dyn Fn(&Value) -> f64| of(peer) / of(ours);
    let field = |name: &'static str| move |row: &Value| row[name].as_f64().unwrap();
    let grown = |row: &Value| field("rss_anon_bytes")(row) - field("empty_rss_anon_bytes")(row);
    json!({
        "pods": ours["pods"],
        "controller_cpu": times(&field("controller_cpu_ms_per_new_pod_net")),
        "spire_cpu": times(&field("spire_cpu_ms_per_new_pod_net")),
        "memory_above_empty": times(&grown),
        "registered": times(&field("registered_seconds")),
    })
}

pub fn bench_peer(folder: &Path) {
    let parts =
        PathBuf::from(output(Command::new(Path::new(ROOT).join("tests/real/build")).arg("scm")).trim());
    assert!(parts.join("spire-controller-manager").exists());
    let servers = Servers::start(folder);
    declare(&servers);
    if std::env::var_os("PEER_ALONE").is_some() {
        return alone(&servers);
    }
    let both = [Controller::Peer, Controller::Registrar];
    let empties = both.map(|controller| empty(&servers, controller));
    print_head();
    let (mut rows, mut times, mut made) = (Vec::new(), Vec::new(), 0);
    for pods in sizes() {
        servers.add_pods(made..pods);
        made = pods;
        let [peer, ours] = [0, 1].map(|at| round(&servers, both[at], pods, empties[at]));
        assert_eq!(peer.1.len(), ours.1.len(), "both have registered the same pods");
        for (theirs, mine) in peer.1.iter().zip(&ours.1) {
            assert_eq!(theirs, mine, "both make the same entries");
        }
        times.push(compare(&peer.0, &ours.0));
        rows.extend([peer.0, ours.0]);
        bench::write("peer", &rows);
    }
    println!("\nhow many times the registrar's the peer's figures are (goals: 500, 30, 5)");
    for one in &times {
        println!(
            "{:>7} pods: controller's CPU {:.0}, SPIRE's CPU {:.0}, memory above an empty process {:.1}, time to register all {:.2}",
            one["pods"],
            one["controller_cpu"].as_f64().unwrap(),
            one["spire_cpu"].as_f64().unwrap(),
            one["memory_above_empty"].as_f64().unwrap(),
            one["registered"].as_f64().unwrap()
        );
    }
}

/// For a trial: the registrar's rows, with no peer beside them.
fn alone(servers: &Servers) {
    let empty = empty(servers, Controller::Registrar);
    print_head();
    let (mut rows, mut made) = (Vec::new(), 0);
    for pods in sizes() {
        servers.add_pods(made..pods);
        made = pods;
        rows.push(round(servers, Controller::Registrar, pods, empty).0);
        bench::write("peer-alone", &rows);
    }
}

fn sizes() -> Vec<usize> {
    match std::env::var("PEER_PODS") {
        Ok(text) => text.split(',').map(|number| number.parse().unwrap()).collect(),
        Err(_) => PODS.to_vec(),
    }
}
