//! The whole line in one thread: a watch's bytes, the index, the ledger, and a stand-in for SPIRE that takes everything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use registrar_core::brake::Budgets;
use registrar_core::derive::Domains;
use registrar_core::entry::{Entry, EntryId, Nonce};
use registrar_core::facts::read::{Event, Pods, Reader};
use registrar_core::facts::{Change, ClusterChange, Phase, Watched, read, trim};
use registrar_core::guardrails::Guardrails;
use registrar_core::index::{Index, Settings};
use registrar_core::ledger::{Ledger, Mode, RoundLimits};
use registrar_core::mirror::Observed;
use registrar_core::names::ClusterName;
use registrar_core::report::Report;
use registrar_core::spiffe::TrustDomain;

use crate::measure::Spent;
use crate::world::{self, Pod};

/// As the writer's rounds are; updates are not paced, because what is measured is their cost.
const ROUND: RoundLimits = RoundLimits { pods: 1000, writes: 400, updates: 400 };

/// As often the writer publishes what it knows.
const PUBLISH_PAUSE: Duration = Duration::from_millis(100);

/// As many pods are settled together as in the registrar's loop.
pub const SLICE: usize = 500;

/// What each part of a start takes, in seconds of CPU.
#[derive(Debug, Default, Clone, Copy)]
pub struct Start {
    pub read: f64,
    pub settle: f64,
    pub plan: f64,
    pub write: f64,
}

pub struct Line {
    pub index: Index,
    pub ledger: Ledger,
    pub writes: usize,
    nonce: u64,
    /// Each cluster's watch has its own.
    readers: Vec<Reader>,
    report: Report,
    published: Instant,
}

impl Line {
    /// Knows our own objects, and of each cluster nodes and namespaces. Nothing that happens is braked.
    pub fn new(clusters: usize, pods_each: usize) -> Self {
        let budgets = Budgets { scope_number: u64::MAX, fleet_number: u64::MAX, ..Budgets::default() };
        Self::with(clusters, pods_each, budgets)
    }

    /// The same, with these budgets.
    pub fn with(clusters: usize, pods_each: usize, budgets: Budgets) -> Self {
        let domains =
            Domains { trust: TrustDomain::new("example.org").unwrap(), cluster: "cluster.local".into() };
        let settings = Settings { domains, ignore_namespaces: Vec::new(), guardrails: Guardrails::default() };
        let mut index = Index::new(settings);
        index.apply(world::registries(clusters));
        index.apply(world::identities());
        let demand = index.settle().demand.unwrap_or_default();
        let ledger = Ledger::new("t-", Mode::Sync, budgets);
        let mut line = Self {
            index,
            ledger,
            writes: 0,
            nonce: 0,
            readers: (0..clusters).map(|_| Reader::new(demand.clone())).collect(),
            report: Report::default(),
            published: Instant::now(),
        };
        for cluster in 0..clusters {
            let demand = demand.clone();
            let items = world::namespaces().map(|it| trim::namespace(&it).unwrap()).collect();
            let namespaces = Watched::Listed { items, malformed: Vec::new(), demand: demand.clone() };
            line.tell(cluster, ClusterChange::Namespaces(namespaces));
            let nodes = world::nodes(cluster, pods_each);
            let items = nodes.iter().map(|it| trim::node(it, &demand).unwrap()).collect();
            line.tell(
                cluster,
                ClusterChange::Nodes(Watched::Listed { items, malformed: Vec::new(), demand }),
            );
        }
        line
    }

    pub fn tell(&mut self, cluster: usize, change: ClusterChange) {
        let name = ClusterName::new(world::cluster_name(cluster)).unwrap();
        let session = self.index.session(&name).map_or(0, |session| session.number);
        self.index.apply(Change::Cluster(name, session, change));
    }

    /// Lists all pods of a cluster; the seconds of CPU that reading took.
    pub fn list(&mut self, cluster: usize, pods: usize) -> f64 {
        let (mut items, mut malformed, mut seconds) = (Vec::new(), Vec::new(), 0.0);
        for numbers in world::pages(pods) {
            let page = world::page(cluster, numbers);
            let spent = Spent::begin();
            read::page::<Pods>(page.as_bytes(), &mut self.readers[cluster], &mut items, &mut malformed)
                .unwrap();
            seconds += spent.seconds();
        }
        let spent = Spent::begin();
        let demand = self.readers[cluster].demand().clone();
        self.tell(cluster, ClusterChange::Pods(Watched::Listed { items, malformed, demand }));
        self.tell(cluster, ClusterChange::Phase(Phase::Live));
        seconds + spent.seconds()
    }

    /// One line of a watch.
    pub fn event(&mut self, cluster: usize, line: &str) {
        let watched = match read::event::<Pods>(line, &mut self.readers[cluster]).unwrap() {
            Event::Deleted(item) => Watched::Gone(item.key.unwrap()),
            Event::Changed(item) => Watched::Applied(item.facts.unwrap()),
            other => panic!("{other:?}"),
        };
        self.tell(cluster, ClusterChange::Pods(watched));
    }

    /// What the index gives out goes to the ledger.
    pub fn settle(&mut self) {
        loop {
            let settled = self.index.settle_some(SLICE);
            self.ledger.apply(&settled.delta);
            if !self.index.is_unsettled() {
                return;
            }
        }
    }

    /// SPIRE's complete list.
    pub fn observe(&mut self, list: impl IntoIterator<Item = Observed>) {
        self.ledger.observe(list, Timestamp::UNIX_EPOCH);
    }

    /// Rounds until nothing is left to be done, each batch with the entries as they are handed to SPIRE. Gives the
    /// seconds for planning, and for all the rest.
    pub fn work(&mut self, mut taken: impl FnMut(&EntryId, &Arc<Entry>)) -> (f64, f64) {
        let (mut plan, mut write) = (0.0, 0.0);
        while self.ledger.has_work(Instant::now(), true) {
            let (planned, written) = self.one_round(&mut taken);
            plan += planned;
            write += written;
        }
        (plan, write)
    }

    /// One round, if there is anything to do.
    pub fn round(&mut self) {
        if self.ledger.has_work(Instant::now(), true) {
            self.one_round(&mut |_, _| {});
        }
    }

    fn one_round(&mut self, taken: &mut impl FnMut(&EntryId, &Arc<Entry>)) -> (f64, f64) {
        let spent = Spent::begin();
        let nonce = &mut self.nonce;
        let round = self.ledger.round(Instant::now(), ROUND, || {
            *nonce += 1;
            Nonce::new(*nonce)
        });
        let planned = spent.seconds();
        assert!(round.faults.is_empty(), "{:?}", round.faults);
        let spent = Spent::begin();
        for plan in &round.plans {
            for write in plan.creates.iter().chain(&plan.updates) {
                let entry = write.wanted.entry().unwrap();
                taken(&write.id, &entry);
                self.ledger.written(&plan.pod, write);
                self.writes += 1;
            }
            for delete in &plan.deletes {
                self.ledger.gone(&plan.pod, &delete.id);
                self.writes += 1;
            }
        }
        if self.published.elapsed() > PUBLISH_PAUSE {
            std::hint::black_box(self.ledger.outcome(None));
            self.published = Instant::now();
        }
        (planned, spent.seconds())
    }

    /// From the connections to a complete plan, and its writes.
    pub fn start(&mut self, clusters: usize, pods: usize) -> Start {
        let mut start = Start::default();
        self.observe([]);
        for cluster in 0..clusters {
            start.read += self.list(cluster, pods / clusters);
            let spent = Spent::begin();
            self.settle();
            start.settle += spent.seconds();
            let (plan, write) = self.work(|_, _| {});
            start.plan += plan;
            start.write += write;
        }
        start
    }

    /// As the registrar's loop makes it every half second.
    pub fn report(&mut self) {
        let outcome = self.ledger.outcome(None);
        self.report =
            Report::make(&self.index, &outcome, BTreeMap::new(), &self.report, Timestamp::UNIX_EPOCH);
    }
}

/// Seconds of CPU for an event of its own: read, settled, planned, written, noted.
pub fn one_event(line: &mut Line, pod: Pod, kind: &str, version: u64, phase: &str) -> f64 {
    let text = pod.event(kind, version, phase);
    let spent = Spent::begin();
    line.event(pod.cluster, &text);
    line.settle();
    line.work(|_, _| {});
    spent.seconds()
}

/// What came of events that came at a rate.
#[derive(Default)]
pub struct Traffic {
    /// Their latencies in milliseconds.
    pub late: Vec<f64>,
    /// Seconds of CPU for settling, and pods that were settled, while more than the events was to be settled.
    pub settle: (f64, usize),
    /// Number of such slices.
    pub slices: usize,
    /// Seconds of CPU of the longest.
    pub longest: f64,
}

/// Events that come at a rate, whatever became of those before; after so many of them, a change of another kind. As the
/// registrar's loops do, in turns: a slice of what is to be settled, a round of what is to be written.
pub fn traffic(
    line: &mut Line,
    pods: impl Iterator<Item = (Pod, &'static str)>,
    rate: u32,
    mut change: Option<(usize, Change)>,
) -> Traffic {
    let lines: Vec<(usize, String)> =
        pods.map(|(pod, kind)| (pod.cluster, pod.event(kind, 9, "Pending"))).collect();
    let due = |number: usize| Duration::from_secs(1) * number as u32 / rate;
    let (started, mut at, mut traffic) = (Instant::now(), 0, Traffic::default());
    let (mut reported, mut waiting) = (Instant::now(), Vec::new());
    loop {
        while at < lines.len() && started.elapsed() >= due(at) {
            line.event(lines[at].0, &lines[at].1);
            waiting.push(at);
            at += 1;
        }
        if let Some((_, change)) = change.take_if(|(after, _)| *after <= at) {
            line.index.apply(change);
        }
        let events = waiting.len();
        let spent = Spent::begin();
        let settled = line.index.settle_some(SLICE);
        line.ledger.apply(&settled.delta);
        if settled.pods_settled > events {
            let seconds = spent.seconds();
            traffic.settle.0 += seconds;
            traffic.settle.1 += settled.pods_settled - events;
            traffic.longest = traffic.longest.max(seconds);
            traffic.slices += 1;
        }
        line.round();
        // What is new was given out first and written first.
        traffic
            .late
            .extend(waiting.drain(..).map(|number| (started.elapsed() - due(number)).as_secs_f64() * 1e3));
        let is_done = !line.index.is_unsettled() && !line.ledger.has_work(Instant::now(), true);
        if at == lines.len() && is_done {
            return traffic;
        }
        if is_done {
            std::thread::yield_now();
        }
        if reported.elapsed() > Duration::from_millis(500) {
            line.report();
            reported = Instant::now();
        }
    }
}
