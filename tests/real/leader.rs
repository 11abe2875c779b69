//! Two replicas and one lease: killed, stopped, asked to end, cut off from the API server, at random, while pods come and
//! go. SPIRE's stand-in, which gives each of them a socket of its own, records who wrote when.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use k8s_openapi::jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use registrar_proto::types::Entry;
use registrar_world::spire::{SpireServer, Write, WriteKind};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::child::{Child, program};
use crate::kubernetes::{Cluster, Pod};
use crate::registrar::PROGRAM;
use crate::spire::TRUST_DOMAIN;
use crate::wait;
use crate::world::{World, install};

/// How many rounds there are; `make soak` asks for 200 by `LEADER_ROUNDS`. `LEADER_SEED` repeats a run's choices.
const ROUNDS: u32 = 10;
const LEASE_DURATION: Duration = Duration::from_secs(3);
const RENEW_DEADLINE: Duration = Duration::from_secs(2);
/// Within what another writes after the lease was released, or after it has run out.
const TAKE_OVER: Duration = Duration::from_secs(2);
/// Within what all is in order after a round: the lease, connections that are made anew, failed calls that wait.
const SETTLED: Duration = Duration::from_secs(60);
const PODS: usize = 30;
const REGISTRY: &str = "production-cluster";
const KINDS: &str = "/apis/eksclusterregistry.spire.spiffe.io/v1alpha1";
const LEASE: &str =
    "/apis/coordination.k8s.io/v1/namespaces/spire-system/leases/spire-eks-workload-registrar.spire.io";

/// What happens in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Blow {
    /// The leader is killed.
    Kill,
    /// The leader is asked to end.
    Release,
    /// The leader stands still.
    Pause,
    /// The API server answers nobody.
    Silence,
    /// The API server is killed and started again.
    Outage,
    /// The one that does not lead is killed.
    KillOther,
    /// The one that does not lead stands still.
    PauseOther,
}

/// In the order of the first rounds, which are not left to chance: few rounds have each of them.
const BLOWS: [Blow; 7] =
    [Blow::Kill, Blow::Release, Blow::Pause, Blow::Silence, Blow::Outage, Blow::KillOther, Blow::PauseOther];

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "leader killed",
            Self::Release => "leader asked to end",
            Self::Pause => "leader paused",
            Self::Silence => "API server paused",
            Self::Outage => "API server killed",
            Self::KillOther => "standby killed",
            Self::PauseOther => "standby paused",
        })
    }
}

struct Replica {
    name: String,
    config: PathBuf,
    child: Option<Child>,
    /// How long its log was when it was started the last time.
    log_begin: usize,
}

/// What comes after the first rounds, by chance: more often what hits the leader.
const LATER: [Blow; 15] = [
    Blow::Kill,
    Blow::Kill,
    Blow::Kill,
    Blow::Kill,
    Blow::Release,
    Blow::Release,
    Blow::Pause,
    Blow::Pause,
    Blow::Pause,
    Blow::Pause,
    Blow::Silence,
    Blow::Silence,
    Blow::Outage,
    Blow::KillOther,
    Blow::PauseOther,
];

/// Both replicas and all that is around them.
struct Stage<'a> {
    world: &'a World,
    management: Cluster,
    kubeconfig: PathBuf,
    workload: &'a Cluster,
    spire: SpireServer,
    /// By the number of its socket, less one.
    replicas: [Replica; 2],
    pods: Vec<Pod<'a>>,
    made: u32,
    lifetime: u32,
    chance: StdRng,
}

/// What a round has come to.
struct Told {
    blow: Blow,
    /// How long it lasted, where that is not for ever.
    lasted: Option<Duration>,
    /// From the release of the lease, or the loss of the leader, to the other's first write.
    taken_over: Option<Duration>,
    handed_over: i64,
    /// Calls that a replica began after another's first write.
    late: usize,
    writes: usize,
}

impl<'a> Stage<'a> {
    fn set(world: &'a World, chance: StdRng) -> Self {
        let management = world.empty_cluster("leader");
        install(&management);
        let workload = world.cluster(REGISTRY);
        workload.node("node-leader");
        let registry = json!({
            "clusterName": "prod-eks-cluster", "region": "us-west-2", "accountId": "123456789012", "enabled": true,
        });
        let stage_object = |kind: &str, path: &str, spec: Value| {
            let name = path.rsplit_once('/').unwrap().1;
            let object = json!({
                "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1",
                "kind": kind, "metadata": {"name": name}, "spec": spec,
            });
            management.apply(&format!("{KINDS}/{path}"), &object);
        };
        stage_object("EKSClusterRegistry", &format!("eksclusterregistries/{REGISTRY}"), registry);
        let identity = json!({
            "applicationName": "leader",
            "namespace": "leader",
            "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/leader/{{ .PodMeta.Name }}",
            "ttl": "3600s",
        });
        stage_object("WorkloadIdentity", "workloadidentities/leader", identity);

        // As in a pod of its Deployment: the service account's rights and nothing more.
        let account = "spire-eks-workload-registrar";
        let token =
            management.kubectl(&["create", "token", account, "-n", "spire-system", "--duration", "12h"]);
        let kubeconfig = management.kubeconfig_of("replica", token.trim());
        let _inside = world.runtime.enter();
        let spire = SpireServer::start(world.folder.join("leader-spire.sock"), TRUST_DOMAIN);
        let replicas = ["replica-1", "replica-2"].map(|name| {
            let socket = world.folder.join(format!("{name}.sock"));
            spire.add_door(&socket);
            // JSON is YAML.
            let config = json!({
                "trustDomain": TRUST_DOMAIN,
                "spireServerSocketPath": socket,
                "gcInterval": "1m",
                "syncPeriod": "1s",
                "aws": {"region": "us-west-2"},
                "leaderElection": {
                    "leaseDuration": format!("{}s", LEASE_DURATION.as_secs()),
                    "renewDeadline": format!("{}s", RENEW_DEADLINE.as_secs()),
                    "retryPeriod": "500ms",
                },
                "metrics": {"bindAddress": "0"},
                "health": {"healthProbeBindAddress": "0"},
            });
            let path = world.folder.join(format!("{name}.yaml"));
            std::fs::write(&path, config.to_string()).unwrap();
            Replica { name: name.to_owned(), config: path, child: None, log_begin: 0 }
        });
        let mut stage = Self {
            world,
            management,
            kubeconfig,
            workload,
            spire,
            replicas,
            pods: Vec::new(),
            made: 0,
            lifetime: 3600,
            chance,
        };
        (0..PODS).for_each(|_| stage.new_pod());
        (0..2).for_each(|at| stage.start(at));
        stage
    }

    fn start(&mut self, at: usize) {
        let (world, kubeconfig) = (self.world, &self.kubeconfig);
        let replica = &mut self.replicas[at];
        replica.log_begin = log(world, &replica.name).len();
        let mut command = program(PROGRAM);
        command.args(["run", "--config"]).arg(&replica.config).env("KUBECONFIG", kubeconfig);
        command.env("HOSTNAME", &replica.name).envs(world.aws_variables());
        replica.child = Some(Child::start(&replica.name, &mut command, &world.folder));
    }

    /// Starts whoever does not run, and waits until both could lead: SPIRE's entries read, the cluster watched.
    fn wait_for_both(&mut self) {
        (0..2).for_each(|at| {
            if self.replicas[at].child.is_none() {
                self.start(at);
            }
        });
        for replica in &self.replicas {
            wait::until(&format!("{} to be ready", replica.name), SETTLED, || {
                let log = log(self.world, &replica.name).split_off(replica.log_begin);
                let is_there = |text: &str| log.contains(text);
                let is_ready =
                    is_there("listed SPIRE's entries") && is_there("the cluster is connected and watched");
                if is_ready { Ok(()) } else { Err(log) }
            });
        }
    }

    fn child(&self, at: usize) -> &Child {
        self.replicas[at].child.as_ref().unwrap()
    }

    /// Who holds the lease, and how often it has changed hands.
    fn lease(&self) -> Result<(usize, i64), String> {
        let lease = self.management.get(LEASE).ok_or("there is no lease")?;
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
        let at = self.replicas.iter().position(|it| holder.starts_with(&format!("{}_", it.name)));
        let transitions = lease["spec"]["leaseTransitions"].as_i64().unwrap_or_default();
        Ok((at.ok_or_else(|| format!("nobody has it: {lease}"))?, transitions))
    }

    fn new_pod(&mut self) {
        let name = format!("leader-{}", self.made);
        self.made += 1;
        self.pods.push(self.workload.pod("leader", &name, "leader", Some("node-leader")));
    }

    /// A pod comes or one goes.
    fn churn(&mut self) {
        if self.pods.len() < PODS || self.chance.random() {
            self.new_pod();
        } else {
            let at = self.chance.random_range(0..self.pods.len());
            self.pods.swap_remove(at).delete();
        }
    }

    fn churn_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.churn();
            let pause = Duration::from_millis(self.chance.random_range(0..100));
            std::thread::sleep(pause.min(end.saturating_duration_since(Instant::now())));
        }
    }

    /// Pods come and go until a replica has written after a moment; when that was.
    fn until_written_by(&mut self, at: usize, since: SystemTime) -> SystemTime {
        self.new_pod();
        let end = Instant::now() + SETTLED;
        loop {
            let writes = self.spire.writes();
            if let Some(write) = writes.iter().find(|it| it.door == at + 1 && it.at > since) {
                return write.at;
            }
            assert!(Instant::now() < end, "{} does not take over", self.replicas[at].name);
            self.churn_for(Duration::from_millis(50));
        }
    }

    /// Each entry's id, by its pod.
    fn ids(&self) -> BTreeMap<String, String> {
        let entries = self.spire.entries();
        entries.into_iter().map(|entry| (pod_uid(&entry), entry.id)).collect()
    }

    /// Waits until there is exactly one entry for each pod, as the identity wants it.
    fn until_right(&self, what: &str) {
        let wanted: BTreeSet<&str> = self.pods.iter().map(|pod| pod.uid.as_str()).collect();
        wait::until(what, SETTLED, || {
            let entries = self.spire.entries();
            let held: BTreeSet<String> = entries.iter().map(pod_uid).collect();
            let new = entries.iter().filter(|it| it.x509_svid_ttl == self.lifetime as i32).count();
            let is_right = held.iter().map(String::as_str).eq(wanted.iter().copied())
                && entries.len() == wanted.len()
                && new == wanted.len();
            let told = || {
                format!(
                    "{} entries of {} pods for {}, {new} as wanted",
                    entries.len(),
                    held.len(),
                    wanted.len()
                )
            };
            if is_right { Ok(()) } else { Err(told()) }
        });
    }

    fn round(&mut self, blow: Blow) -> Told {
        let (leader, term) = wait::until("somebody to lead", SETTLED, || self.lease());
        let other = 1 - leader;
        let before = self.ids();
        let written = self.spire.writes().len();
        self.spire.set_latency(Duration::from_millis(self.chance.random_range(0..200)));
        // All entries are updated while it happens, or only what comes and goes.
        if self.chance.random() {
            self.lifetime += 1;
            let change = json!({"spec": {"ttl": format!("{}s", self.lifetime)}});
            self.management.patch(&format!("{KINDS}/workloadidentities/leader"), &change);
        }
        let warm_up = Duration::from_millis(self.chance.random_range(0..700));
        self.churn_for(warm_up);

        let since = SystemTime::now();
        let (mut lasted, mut limit) = (None, None);
        let (by_lease, mut lost) = (LEASE_DURATION + TAKE_OVER, since);
        match blow {
            Blow::Kill => {
                self.replicas[leader].child.take().unwrap().kill();
                limit = Some(by_lease);
                self.until_written_by(other, since);
            }
            Blow::Release => {
                self.child(leader).signal(Signal::TERM);
                self.until_written_by(other, since);
                self.replicas[leader].child.take().unwrap().stop();
                let replica = &self.replicas[leader];
                let log = log(self.world, &replica.name).split_off(replica.log_begin);
                let line = log.lines().find(|line| line.contains("the lease is given back"));
                let line = line.unwrap_or_else(|| panic!("{} gave nothing back: {log}", replica.name));
                let at: Timestamp = line.split_whitespace().next().unwrap().parse().unwrap();
                (lost, limit) = (at.into(), Some(TAKE_OVER));
            }
            Blow::Pause | Blow::PauseOther => {
                let paused = if blow == Blow::Pause { leader } else { other };
                // Less than the lease takes, or longer than it takes for the other to write.
                let (short, long) = (300..2800, by_lease.as_millis() as u64..7500);
                let range = if self.chance.random() { short } else { long };
                let time = Duration::from_millis(self.chance.random_range(range));
                self.child(paused).signal(Signal::STOP);
                self.churn_for(time);
                self.child(paused).signal(Signal::CONT);
                lasted = Some(time);
                if blow == Blow::Pause && time >= by_lease {
                    limit = Some(by_lease);
                }
            }
            Blow::Silence => {
                let time = Duration::from_millis(self.chance.random_range(300..6000));
                self.management.pause();
                self.churn_for(time);
                self.management.go_on();
                lasted = Some(time);
            }
            Blow::Outage => {
                let time = Duration::from_millis(self.chance.random_range(300..3000));
                self.management.kill();
                self.churn_for(time);
                self.management.launch();
                self.management.wait();
                lasted = since.elapsed().ok();
            }
            Blow::KillOther => self.replicas[other].child.take().unwrap().kill(),
        }
        self.churn_for(Duration::from_millis(300));
        self.until_right(&format!("the right entries after {blow}"));
        self.wait_for_both();
        let (leads, after) = wait::until("somebody to lead", SETTLED, || self.lease());
        let writes = self.spire.writes().split_off(written);
        self.check(&before, &writes);
        let handed_over = after - term;
        let late = late(&writes, leader, leads, handed_over, blow);
        let first = writes.iter().find(|it| it.door == other + 1).map(|it| it.at);
        let taken_over = limit.map(|limit| {
            let first = first.unwrap_or_else(|| panic!("{blow}: nobody took over"));
            let time = first.duration_since(lost).unwrap_or_default();
            assert!(time < limit, "{blow}: the other's first write came after {time:?}");
            time
        });
        let is_others = matches!(blow, Blow::KillOther | Blow::PauseOther);
        assert!(!is_others || handed_over == 0, "{blow}: the lease changed hands");
        Told { blow, lasted, taken_over, handed_over, late, writes: writes.len() }
    }

    /// No pod's entry was made twice, and whoever was there all the time has the entry that it had.
    fn check(&self, before: &BTreeMap<String, String>, writes: &[Write]) {
        let mut created = BTreeSet::new();
        for write in writes.iter().filter(|write| write.kind == WriteKind::Create) {
            assert!(created.insert(&write.spiffe_id), "{} was created twice: {writes:#?}", write.spiffe_id);
        }
        // SPIRE gives up what is on its way when another may write.
        for write in writes {
            let is_within = write.timeout.is_some_and(|timeout| timeout <= RENEW_DEADLINE);
            assert!(is_within, "{write:?} is not told to end within {RENEW_DEADLINE:?}");
        }
        let after = self.ids();
        for pod in &self.pods {
            if let Some(id) = before.get(&pod.uid) {
                assert_eq!(after.get(&pod.uid), Some(id), "{} has another entry: {writes:#?}", pod.name);
            }
        }
    }
}

/// How many calls a replica began after another had begun to write: at most the one that was in flight.
fn late(writes: &[Write], before: usize, after: usize, handed_over: i64, blow: Blow) -> usize {
    let calls: BTreeMap<u64, usize> = writes.iter().map(|it| (it.call.unwrap(), it.door - 1)).collect();
    assert!(handed_over <= 1, "{blow}: the lease changed hands {handed_over} times: {calls:?}");
    if handed_over == 0 {
        assert!(before == after && calls.values().all(|door| *door == before), "{blow}: {calls:?}");
        return 0;
    }
    let mut others = calls.iter().skip_while(|(_, door)| **door == before);
    let late = others.by_ref().filter(|(_, door)| **door == before).count();
    assert!(late <= 1, "{blow}: {late} calls after another's first write: {calls:?}");
    late
}

fn pod_uid(entry: &Entry) -> String {
    let uid = entry.selectors.iter().find_map(|it| it.value.strip_prefix("pod-uid:"));
    uid.unwrap_or_else(|| panic!("{entry:?} names no pod")).to_owned()
}

fn log(world: &World, name: &str) -> String {
    std::fs::read_to_string(world.folder.join(format!("{name}.log"))).unwrap_or_default()
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")))
}

pub fn one_writes_whatever_happens_to_either(world: &World) {
    let seed = setting("LEADER_SEED").unwrap_or_else(rand::random);
    let rounds = setting("LEADER_ROUNDS").unwrap_or(ROUNDS);
    println!("{rounds} rounds, LEADER_SEED={seed}");
    let mut stage = Stage::set(world, StdRng::seed_from_u64(seed));
    stage.until_right("the first entries");
    stage.wait_for_both();
    let mut told = Vec::new();
    for number in 0..rounds {
        let later = LATER[stage.chance.random_range(0..LATER.len())];
        let blow = BLOWS.get(number as usize).copied().unwrap_or(later);
        let round = stage.round(blow);
        let seconds =
            |time: Option<Duration>| time.map_or("-".to_owned(), |it| format!("{:.2} s", it.as_secs_f64()));
        println!(
            "round {:3}: {:19} for {:7} taken over after {:7} handed over {} times, {} late calls, {} writes",
            number + 1,
            blow.to_string(),
            seconds(round.lasted),
            seconds(round.taken_over),
            round.handed_over,
            round.late,
            round.writes
        );
        told.push(round);
    }
    for blow in BLOWS {
        let rounds: Vec<&Told> = told.iter().filter(|round| round.blow == blow).collect();
        let mut times: Vec<f64> =
            rounds.iter().filter_map(|it| it.taken_over).map(|it| it.as_secs_f64()).collect();
        times.sort_by(f64::total_cmp);
        let time = times.last().map_or(String::new(), |longest| {
            format!(
                "; taken over after {:.2} s in the median, {longest:.2} s at most",
                times[times.len() / 2]
            )
        });
        println!(
            "{blow}: {} rounds, {} with another leader after it, {} late calls{time}",
            rounds.len(),
            rounds.iter().filter(|it| it.handed_over > 0).count(),
            rounds.iter().map(|it| it.late).sum::<usize>()
        );
    }
    println!("{} writes in all", told.iter().map(|it| it.writes).sum::<usize>());
    for replica in &mut stage.replicas {
        replica.child.take().unwrap().stop();
        let log = log(world, &replica.name);
        for word in ["panicked", "PlanFault", "a part of the registrar ended"] {
            assert!(!log.contains(word), "{}: {word}", replica.name);
        }
    }
    stage.pods.into_iter().for_each(Pod::delete);
}
