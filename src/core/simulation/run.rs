//! One schedule from its first event to silence: replicas, what they hear, what their writer does, and what must hold.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;

use super::outside::{
    self, IdentityState, Item, NamespaceState, NodeState, Outside, PodId, PodState, RegistryState,
    SliceState, cluster_name, identity_name,
};
use super::rules::{Due, Known, Texts, Told};
use super::schedule::{
    CLUSTERS, Event, FEW, Health, IDENTITIES, KINDS, OBJECTS, PodPhase, REGISTRIES, Reading, Schedule, Setup,
};
use super::spire::{Answer, CallError, Owner, Row, Rows, Spire, Wish};
use crate::api::Problem;
use crate::brake::Budgets;
use crate::derive::Domains;
use crate::desired::PodKey;
use crate::entry::{ClusterTag, EntryDigest, EntryId, Nonce};
use crate::facts::demand::{Demand, Source};
use crate::facts::{Change, ClusterChange, ClusterIdentity, Phase};
use crate::guardrails::Guardrails;
use crate::index::{Index, Settings};
use crate::ledger::{Ledger, Mode, RoundLimits};
use crate::names::{IdentityName, PodUid};
use crate::plan::PodPlan;
use crate::spiffe::TrustDomain;

/// What broke a rule.
pub type Violation = String;

/// What entry ids of ours begin with.
const PREFIX: &str = "t-";
/// What one round writes at most, and one call: few, so that rounds and calls are many.
const LIMITS: RoundLimits = RoundLimits { writes: 3, updates: 2 };
const BATCH: usize = 2;
/// The brake's window.
const WINDOW: Duration = Duration::from_secs(600);
/// Longer than the brake's window and than any pause.
const HOUR: Duration = Duration::from_secs(3600);
/// How many times the writer may go on before it counts as not coming to rest.
const MOST_TURNS: u32 = 400;

/// Whose budget a write counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Fleet,
    Cluster(u8),
    Identity(u8),
}

/// A write that counts against budgets.
#[derive(Debug)]
struct Passed {
    at: Instant,
    id: EntryId,
    scopes: Vec<Scope>,
}

#[derive(Debug)]
struct Watch {
    lags: bool,
    must_list: bool,
    pending: VecDeque<Item>,
    /// The last that it told since its list.
    recent: VecDeque<Item>,
    demand: Arc<Demand>,
}

/// A connection to one cluster.
#[derive(Debug)]
struct Connection {
    number: u64,
    /// By the rules' own count.
    session: u32,
    live: bool,
}

/// One process.
#[derive(Debug)]
struct Replica {
    index: Index,
    ledger: Ledger,
    told: Told,
    /// What its writer knows of SPIRE.
    known: Rows,
    watches: Vec<Watch>,
    connections: [Option<Connection>; CLUSTERS as usize],
    demand: Arc<Demand>,
    /// SPIRE is not asked before.
    paused_until: Option<Instant>,
    must_compare: bool,
    /// A list that has begun: the last entry that it told, and all that it told or that was written meanwhile.
    listing: Option<(Option<EntryId>, BTreeSet<EntryId>)>,
    /// Which identities each entry may have served since the process began, beside the one that it was made for.
    served: BTreeMap<EntryId, BTreeSet<u8>>,
    /// Deletes and changes of identity that were carried out, and against whose budgets they count.
    passed: Vec<Passed>,
    /// Whatever was let through, carried out or not: nobody knows of a call whose answer was lost.
    let_through: BTreeMap<EntryId, Vec<Scope>>,
    /// What was let through before is carried out late: until then the window says nothing.
    blind_until: Option<Instant>,
    /// Nobody knows what of the last call was done.
    is_in_doubt: bool,
    /// A call failed: what the brake let through counts there, and perhaps was never planned again.
    has_failed: bool,
    /// Lists are empty, and what they have comes one by one after them.
    hears_singly: bool,
    pages_failed: u32,
    /// What ended connections have not told yet.
    leftovers: Vec<Leftover>,
}

/// Something that an ended connection tells.
#[derive(Debug)]
struct Leftover {
    watch: u8,
    number: u64,
    session: u32,
    item: Item,
}

/// What a run counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Schedules.
    pub schedules: u64,
    /// Events.
    pub events: u64,
    /// Calls to SPIRE.
    pub calls: u64,
    /// Entries written.
    pub writes: u64,
    /// Times at which everything was at rest and compared with the rules.
    pub rests: u64,
    /// Entries that stood at the end and that no pod was to have.
    pub held: u64,
}

impl Tally {
    /// Adds what another counted.
    pub fn add(&mut self, other: &Self) {
        self.schedules += other.schedules;
        self.events += other.events;
        self.calls += other.calls;
        self.writes += other.writes;
        self.rests += other.rests;
        self.held += other.held;
    }
}

struct Simulation {
    setup: Setup,
    outside: Outside,
    spire: Spire,
    replicas: Vec<Replica>,
    leader: usize,
    now: Instant,
    nonce: u64,
    listed_at: Timestamp,
    steps: usize,
    /// So many events happen before anybody looks.
    burst: u8,
    calls_between: Option<u8>,
    handover: Option<bool>,
    in_flight: Option<Vec<Wish>>,
    /// Entries that nobody's object is known of, as they were when somebody released them, by digest.
    let_go: BTreeMap<String, BTreeSet<EntryId>>,
    /// What was rightly released, by number of writes.
    released: usize,
    foreign_made: u64,
    tally: Tally,
}

/// Runs one schedule; the error is the rule that was broken, and after how many events.
pub fn run(schedule: &Schedule) -> Result<Tally, (usize, Violation)> {
    let mut simulation = Simulation::new(schedule.setup);
    simulation.proceed().map_err(|violation| (0, violation))?;
    for (at, event) in schedule.events.iter().enumerate() {
        simulation.step(*event).map_err(|violation| (at + 1, violation))?;
    }
    simulation.end().map_err(|violation| (schedule.events.len(), violation))?;
    let mut tally = simulation.tally;
    tally.schedules = 1;
    tally.events = schedule.events.len() as u64;
    tally.calls = simulation.spire.calls;
    tally.writes = simulation.spire.writes;
    Ok(tally)
}

fn settings() -> Settings {
    let domains =
        Domains { trust: TrustDomain::new("example.org").unwrap(), cluster: "cluster.local".into() };
    Settings { domains, ignore_namespaces: Vec::new(), guardrails: Guardrails::default() }
}

fn budgets(setup: Setup) -> Budgets {
    match setup.budget {
        None => Budgets::default(),
        Some((scope, fleet)) => Budgets {
            scope_share: 0,
            scope_number: u64::from(scope),
            fleet_share: 0,
            fleet_number: u64::from(fleet),
            window: WINDOW,
        },
    }
}

impl Replica {
    fn new(setup: Setup) -> Self {
        let watch = || Watch {
            lags: false,
            must_list: true,
            pending: VecDeque::new(),
            recent: VecDeque::new(),
            demand: Arc::default(),
        };
        Self {
            index: Index::new(settings()),
            ledger: Ledger::new(PREFIX, setup.mode, budgets(setup)),
            told: Told::default(),
            known: Rows::new(),
            watches: (0..=OBJECTS).map(|_| watch()).collect(),
            connections: [const { None }; CLUSTERS as usize],
            demand: Arc::default(),
            paused_until: None,
            must_compare: false,
            listing: None,
            served: BTreeMap::new(),
            passed: Vec::new(),
            let_through: BTreeMap::new(),
            blind_until: None,
            is_in_doubt: false,
            has_failed: false,
            hears_singly: false,
            pages_failed: 0,
            leftovers: Vec::new(),
        }
    }

    /// Killed and started again: it knows nothing, and watches that did not answer still do not.
    fn restart(&mut self, setup: Setup) {
        let before = std::mem::replace(self, Self::new(setup));
        for (now, before) in self.watches.iter_mut().zip(before.watches) {
            now.lags = before.lags;
        }
    }

    /// Notes which identities the known entries may serve now.
    fn note_served(&mut self) {
        for (id, row) in &self.known {
            let Some(owner) = row.owner else { continue };
            let Some(wishes) = self.told.wishes(owner.pod) else { continue };
            let serves = wishes.entries.iter().filter(|wish| wish.texts.key == row.texts.key);
            let others = serves.map(|wish| wish.identity).filter(|identity| *identity != owner.identity);
            for identity in others {
                self.served.entry(id.clone()).or_default().insert(identity);
            }
        }
    }

    /// What may become of an entry that its pod is not to have: an entry that has served several identities may count as
    /// any one's.
    fn dues(&self, row: &Row, owner: Owner) -> Vec<(u8, Due)> {
        let served = self.served.get(&row.observed.id).into_iter().flatten();
        let identities = [owner.identity].into_iter().chain(served.copied());
        identities.map(|identity| (identity, self.told.due(owner.pod, identity))).collect()
    }

    /// Nobody knows what of a call was done, or what others write.
    fn doubt(&mut self) {
        self.ledger.doubt();
        self.listing = None;
    }

    /// Every other page that fails ends its list.
    fn page_failed(&mut self) {
        self.pages_failed += 1;
        if self.pages_failed.is_multiple_of(2) {
            self.ledger.break_list();
            self.listing = None;
            self.must_compare = true;
        }
    }

    /// Notes what is known now of an entry.
    fn note(&mut self, id: &EntryId, row: Option<Rc<Row>>) {
        if let Some((_, listed)) = &mut self.listing {
            listed.insert(id.clone());
        }
        match row {
            Some(row) => drop(self.known.insert(id.clone(), row)),
            None => drop(self.known.remove(id)),
        }
    }

    /// Lets one watch tell what it has to tell.
    fn deliver(&mut self, watch: u8, outside: &Outside) {
        let it = &mut self.watches[usize::from(watch)];
        if it.lags {
            return;
        }
        if watch >= REGISTRIES {
            if std::mem::take(&mut it.must_list) {
                let items = it.begin(outside.list(watch), self.hears_singly);
                self.told.hear_all(watch, &items, false, None);
                self.index.apply(match watch {
                    REGISTRIES => Change::Registries(outside::listed_registries(&items)),
                    _ => Change::Identities(outside::listed_identities(&items)),
                });
            }
            while let Some(item) = self.watches[usize::from(watch)].next() {
                self.told.hear(&item, None);
                self.index.apply(match watch {
                    REGISTRIES => Change::Registries(outside::told_registry(&item)),
                    _ => Change::Identities(outside::told_identity(&item)),
                });
            }
            return;
        }
        let (cluster, kind) = (watch / KINDS, watch % KINDS);
        let Some(connection) = &self.connections[usize::from(cluster)] else { return };
        if !outside.clusters[usize::from(cluster)].is_reachable
            || kind == 3 && !self.demand.reads_endpoint_slices()
        {
            return;
        }
        let (number, session) = (connection.number, connection.session);
        if std::mem::take(&mut it.must_list) {
            it.demand = self.demand.clone();
            let items = it.begin(outside.list(watch), self.hears_singly);
            let change = outside::listed(kind, &items, &self.demand);
            let has_annotations = outside::reads_annotations(&self.demand);
            self.told.hear_all(watch, &items, has_annotations, Some(session));
            self.index.apply(Change::Cluster(cluster_name(cluster), number, change));
        }
        while let Some(item) = self.watches[usize::from(watch)].next() {
            self.tell(cluster, &item, number, session, usize::from(watch));
        }
    }

    fn tell(&mut self, cluster: u8, item: &Item, number: u64, session: u32, watch: usize) {
        match item {
            Item::Pod(..) | Item::PodGone(_) => self.told.hear(item, Some(session)),
            _ => self.told.hear_of(cluster, item, session),
        }
        let change = outside::told(item, &self.watches[watch].demand);
        self.index.apply(Change::Cluster(cluster_name(cluster), number, change));
    }

    fn tell_phase(&mut self, cluster: u8, phase: Phase) {
        let Some(connection) = &mut self.connections[usize::from(cluster)] else { return };
        connection.live = phase == Phase::Live;
        let (number, session) = (connection.number, connection.session);
        self.told.hear_phase(cluster, connection.live, session);
        self.index.apply(Change::Cluster(cluster_name(cluster), number, ClusterChange::Phase(phase)));
    }

    /// Tells that a cluster is live once every kind is listed over a connection that works.
    fn go_live(&mut self, outside: &Outside) {
        for cluster in 0..CLUSTERS {
            let kinds = usize::from(cluster * KINDS)..usize::from(cluster * KINDS + 3);
            let listed = self.watches[kinds].iter().all(|watch| !watch.must_list);
            let is_reachable = outside.clusters[usize::from(cluster)].is_reachable;
            let is_live = self.connections[usize::from(cluster)].as_ref().is_some_and(|it| it.live);
            if listed && is_reachable && !is_live {
                self.tell_phase(cluster, Phase::Live);
            }
        }
    }

    /// Settles what was heard; true where the connections have more to tell after that.
    fn settle(&mut self, outside: &Outside) -> bool {
        let settled = self.index.settle();
        self.told.settle();
        self.ledger.apply(&settled.delta);
        let mut goes_on = false;
        if let Some(demand) = settled.demand {
            for watch in 0..usize::from(REGISTRIES) {
                let kind = watch % usize::from(KINDS);
                let it = &mut self.watches[watch];
                let covered = match kind {
                    0 => it.demand.covers_in(Source::Pod, &demand),
                    1 => it.demand.covers_in(Source::Node, &demand),
                    3 => demand.reads_endpoint_slices() && self.demand.reads_endpoint_slices(),
                    _ => true,
                };
                it.must_list |= !covered;
                goes_on |= !covered;
            }
            self.demand = demand;
        }
        if let Some(sessions) = settled.sessions {
            for cluster in 0..CLUSTERS {
                let wanted = sessions.get(&cluster_name(cluster)).map(|session| session.number);
                let at = usize::from(cluster);
                if self.connections[at].as_ref().map(|it| it.number) == wanted {
                    continue;
                }
                // What the ended connection still has in its queue comes later all the same.
                if let Some(ended) = self.connections[at].take() {
                    let Connection { number, session, .. } = ended;
                    for watch in cluster * KINDS..(cluster + 1) * KINDS {
                        let Watch { recent, pending, .. } = &mut self.watches[usize::from(watch)];
                        let items = recent.drain(..).chain(pending.drain(..));
                        let left = items.map(|item| Leftover { watch, number, session, item });
                        self.leftovers.extend(left);
                    }
                }
                let Some(number) = wanted else { continue };
                let session = self.told.clusters[at].as_ref().map_or(0, |it| it.session);
                self.connections[at] = Some(Connection { number, session, live: false });
                for watch in at * usize::from(KINDS)..(at + 1) * usize::from(KINDS) {
                    self.watches[watch].must_list = true;
                }
                let identity = ClusterIdentity { arn: "arn".to_owned(), uid: format!("k{cluster}") };
                let identified = ClusterChange::Identified(identity);
                self.index.apply(Change::Cluster(cluster_name(cluster), number, identified));
                if !outside.clusters[at].is_reachable {
                    self.tell_phase(cluster, unreachable_phase());
                }
                goes_on = true;
            }
        }
        goes_on
    }
}

impl Watch {
    /// Begins with a complete list; gives what the list has.
    fn begin(&mut self, items: Vec<Item>, singly: bool) -> Vec<Item> {
        self.pending.clear();
        self.recent.clear();
        if singly {
            self.pending.extend(items.into_iter().rev());
            return Vec::new();
        }
        items
    }

    fn next(&mut self) -> Option<Item> {
        let item = self.pending.pop_front()?;
        self.recent.push_back(item.clone());
        if self.recent.len() > 3 {
            self.recent.pop_front();
        }
        Some(item)
    }
}

fn unreachable_phase() -> Phase {
    Phase::Unreachable { reason: "Test", message: String::new() }
}

impl Simulation {
    fn new(setup: Setup) -> Self {
        Self {
            setup,
            outside: Outside::new(),
            spire: Spire::default(),
            replicas: (0..setup.replicas).map(|_| Replica::new(setup)).collect(),
            leader: 0,
            now: Instant::now(),
            nonce: 0,
            listed_at: Timestamp::UNIX_EPOCH,
            steps: 0,
            burst: 0,
            calls_between: None,
            handover: None,
            in_flight: None,
            let_go: BTreeMap::new(),
            released: 0,
            foreign_made: 0,
            tally: Tally::default(),
        }
    }

    fn step(&mut self, event: Event) -> Result<(), Violation> {
        self.steps += 1;
        self.happen(event);
        if self.burst > 0 {
            self.burst -= 1;
            return Ok(());
        }
        self.proceed()
    }

    /// Everybody looks at what happened, and the leader writes.
    fn proceed(&mut self) -> Result<(), Violation> {
        self.now += Duration::from_secs(1);
        self.hear();
        let leader = self.leader;
        self.work(leader, self.calls_between)?;
        if let Some(late) = self.handover.take() {
            self.replicas[leader].doubt();
            self.leader = (leader + 1) % self.replicas.len();
            if !late && let Some(batch) = self.in_flight.take() {
                batch.iter().for_each(|wish| drop(self.spire.carry_out(wish)));
            }
            // Its own pauses are not known to the other; that of SPIRE is.
            self.work(self.leader, self.calls_between)?;
        }
        if self.write_status()? {
            self.hear();
            self.work(self.leader, self.calls_between)?;
        }
        self.check_rest()
    }

    fn hear(&mut self) {
        for replica in &mut self.replicas {
            for _ in 0..4 {
                // Watches are independent of one another: another one is first each time.
                for watch in 0..=OBJECTS {
                    let watch = (watch + (self.steps % 10) as u8) % (OBJECTS + 1);
                    replica.deliver(watch, &self.outside);
                }
                replica.go_live(&self.outside);
                if !replica.settle(&self.outside) {
                    break;
                }
            }
            if replica.leftovers.is_empty() {
                continue;
            }
            for Leftover { watch, number, session, item } in std::mem::take(&mut replica.leftovers) {
                if replica.watches[usize::from(watch)].must_list {
                    replica.leftovers.push(Leftover { watch, number, session, item });
                } else {
                    replica.tell(watch / KINDS, &item, number, session, usize::from(watch));
                }
            }
            replica.settle(&self.outside);
        }
        let leader = self.leader;
        for (at, replica) in self.replicas.iter_mut().enumerate() {
            if at != leader {
                // What others write while we do not lead is not known.
                replica.doubt();
            }
        }
    }

    /// Adds to what the watch of each replica has to tell.
    fn emit(&mut self, watch: u8, item: &Item) {
        for replica in &mut self.replicas {
            replica.watches[usize::from(watch)].pending.push_back(item.clone());
        }
    }

    fn list_anew(&mut self, watch: u8) {
        for replica in &mut self.replicas {
            replica.watches[usize::from(watch)].must_list = true;
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Pod { cluster, slot, app, namespace, node, role, phase } => {
                self.pod(
                    cluster,
                    slot,
                    PodState { namespace, app, node, role, phase, reading: Reading::Good },
                );
            }
            Event::PodMalformed { cluster, slot, nameless } => {
                let reading = if nameless { Reading::Nameless } else { Reading::Malformed };
                let pods = &mut self.outside.clusters[usize::from(cluster)].pods;
                if let Some((id, state)) = pods.get_mut(&slot) {
                    state.reading = reading;
                    let item = Item::Pod(*id, *state);
                    self.emit(cluster * KINDS, &item);
                }
            }
            Event::PodGone { cluster, slot } => self.pod_gone(cluster, slot),
            Event::Node { cluster, node, fargate } => {
                let state = NodeState { uid: self.outside.make(), fargate, reading: Reading::Good };
                self.outside.clusters[usize::from(cluster)].nodes[usize::from(node)] = Some(state);
                self.emit(cluster * KINDS + 1, &Item::Node(node, state));
            }
            Event::NodeMalformed { cluster, node } => {
                if let Some(state) = &mut self.outside.clusters[usize::from(cluster)].nodes[usize::from(node)]
                {
                    state.reading = Reading::Malformed;
                    let item = Item::Node(node, *state);
                    self.emit(cluster * KINDS + 1, &item);
                }
            }
            Event::NodeGone { cluster, node } => {
                let nodes = &mut self.outside.clusters[usize::from(cluster)].nodes;
                if nodes[usize::from(node)].take().is_some() {
                    self.emit(cluster * KINDS + 1, &Item::NodeGone(node));
                }
            }
            Event::Namespace { cluster, namespace, team } => {
                let state = NamespaceState { team, reading: Reading::Good };
                self.outside.clusters[usize::from(cluster)].namespaces[usize::from(namespace)] = Some(state);
                self.emit(cluster * KINDS + 2, &Item::Namespace(namespace, state));
            }
            Event::NamespaceMalformed { cluster, namespace } => {
                if let Some(state) =
                    &mut self.outside.clusters[usize::from(cluster)].namespaces[usize::from(namespace)]
                {
                    state.reading = Reading::Malformed;
                    let item = Item::Namespace(namespace, *state);
                    self.emit(cluster * KINDS + 2, &item);
                }
            }
            Event::NamespaceGone { cluster, namespace } => {
                let namespaces = &mut self.outside.clusters[usize::from(cluster)].namespaces;
                if namespaces[usize::from(namespace)].take().is_some() {
                    self.emit(cluster * KINDS + 2, &Item::NamespaceGone(namespace));
                }
            }
            Event::Slice { cluster, slice, service, slots } => {
                let it = &mut self.outside.clusters[usize::from(cluster)];
                let chosen = it.pods.iter().filter(|(slot, _)| slots & 1 << **slot != 0);
                let state = SliceState { service, pods: chosen.map(|(_, (id, _))| *id).collect() };
                it.slices[usize::from(slice)] = Some(state.clone());
                self.emit(cluster * KINDS + 3, &Item::Slice(slice, state));
            }
            Event::SliceGone { cluster, slice } => {
                let slices = &mut self.outside.clusters[usize::from(cluster)].slices;
                if slices[usize::from(slice)].take().is_some() {
                    self.emit(cluster * KINDS + 3, &Item::SliceGone(slice));
                }
            }
            Event::Identity { identity, spec, health } => {
                let before = self.outside.identities[usize::from(identity)].as_deref();
                let (deleting, finalizer) = before.map_or((false, false), |it| (it.deleting, it.finalizer));
                let release = before.and_then(|it| it.release.clone());
                self.put_identity(identity, IdentityState { spec, health, deleting, finalizer, release });
            }
            Event::IdentityDeleted { identity } => {
                match self.outside.identities[usize::from(identity)].as_deref().cloned() {
                    Some(state) if state.finalizer => {
                        self.put_identity(identity, IdentityState { deleting: true, ..state });
                    }
                    _ => self.identity_gone(identity),
                }
            }
            Event::IdentityForced { identity } => self.identity_gone(identity),
            Event::Registry { cluster, env, way, enabled, health } => {
                let before = self.outside.registries[usize::from(cluster)].as_deref();
                let (deleting, finalizer) = before.map_or((false, false), |it| (it.deleting, it.finalizer));
                let release = before.and_then(|it| it.release.clone());
                let state = RegistryState { env, way, enabled, health, deleting, finalizer, release };
                self.put_registry(cluster, state);
            }
            Event::RegistryDeleted { cluster } => {
                match self.outside.registries[usize::from(cluster)].as_deref().cloned() {
                    Some(state) if state.finalizer => {
                        self.put_registry(cluster, RegistryState { deleting: true, ..state });
                    }
                    _ => self.registry_gone(cluster),
                }
            }
            Event::Management { lost } => self.management(lost),
            Event::Lag { replica, watch, lags } => self.watch(replica, watch).lags = lags,
            Event::Relist { replica, watch } => self.watch(replica, watch).must_list = true,
            Event::Repeat { replica, watch } => {
                let watch = self.watch(replica, watch);
                // Whose uid cannot be read is not told twice; without it, the last state would not be told last.
                let is_nameless =
                    |item: &Item| matches!(item, Item::Pod(_, it) if it.reading == Reading::Nameless);
                if watch.recent.iter().any(is_nameless) {
                    return;
                }
                let again: Vec<Item> = watch.recent.iter().cloned().collect();
                again.into_iter().rev().for_each(|item| watch.pending.push_front(item));
            }
            Event::Unreachable { cluster } => {
                self.outside.clusters[usize::from(cluster)].is_reachable = false;
                self.replicas.iter_mut().for_each(|replica| replica.tell_phase(cluster, unreachable_phase()));
            }
            Event::Reachable { cluster, resumes } => self.reachable(cluster, resumes),
            Event::Restart { replica } => {
                let at = usize::from(replica) % self.replicas.len();
                self.replicas[at].restart(self.setup);
            }
            Event::Crash { calls, done } => self.spire.kill = Some((calls, done)),
            Event::Handover { late } => {
                if self.replicas.len() > 1 {
                    self.handover = Some(late);
                }
            }
            Event::Fail { after, fault } => self.spire.faults.push((after, fault)),
            Event::Down { down } => self.spire.is_down = down,
            Event::Slow { calls } => self.calls_between = calls,
            Event::Foreign { cluster, slot, path, equal, like_ours } => {
                self.foreign(cluster, slot, path, equal, like_ours);
            }
            Event::ForeignGone { nth } => {
                if let Some(id) = self.nth_row(nth, |row| row.owner.is_none()) {
                    self.spire.rows.remove(&id);
                }
            }
            Event::DriftDeleted { nth } => {
                if let Some(id) = self.nth_row(nth, |row| row.owner.is_some()) {
                    self.spire.rows.remove(&id);
                }
            }
            Event::DriftChanged { nth, key } => self.alter(nth, key),
            Event::Backup => self.spire.backup = Some(self.spire.rows.clone()),
            Event::Restore => {
                if let Some(backup) = &self.spire.backup {
                    self.spire.rows.clone_from(backup);
                }
            }
            Event::Compare => self.replicas.iter_mut().for_each(|replica| replica.must_compare = true),
            Event::Hour => self.pass(HOUR),
            Event::Release { nth, wrong } => self.release(nth, wrong),
            Event::Unrelease => self.unrelease(),
            Event::Burst { events } => self.burst = events,
        }
    }

    fn watch(&mut self, replica: u8, watch: u8) -> &mut Watch {
        let at = usize::from(replica) % self.replicas.len();
        &mut self.replicas[at].watches[usize::from(watch)]
    }

    fn pod(&mut self, cluster: u8, slot: u8, mut state: PodState) {
        let known = self.outside.clusters[usize::from(cluster)].pods.get(&slot).copied();
        let id = match known {
            Some((_, before)) if before.phase == PodPhase::Finished => {
                self.pod_gone(cluster, slot);
                PodId { cluster, slot, generation: self.outside.make() }
            }
            Some((id, before)) => {
                state.namespace = before.namespace;
                if before.phase == PodPhase::Bound {
                    state.node = before.node;
                    if state.phase == PodPhase::Pending {
                        state.phase = PodPhase::Bound;
                    }
                }
                id
            }
            None => PodId { cluster, slot, generation: self.outside.make() },
        };
        self.outside.clusters[usize::from(cluster)].pods.insert(slot, (id, state));
        self.emit(cluster * KINDS, &Item::Pod(id, state));
    }

    fn pod_gone(&mut self, cluster: u8, slot: u8) {
        match self.outside.clusters[usize::from(cluster)].pods.remove(&slot) {
            // Whose end it is cannot be said: only a list can.
            Some((_, state)) if state.reading == Reading::Nameless => self.list_anew(cluster * KINDS),
            Some((id, _)) => self.emit(cluster * KINDS, &Item::PodGone(id)),
            None => {}
        }
    }

    fn put_identity(&mut self, identity: u8, state: IdentityState) {
        let state = Rc::new(state);
        self.outside.identities[usize::from(identity)] = Some(state.clone());
        self.emit(OBJECTS, &Item::Identity(identity, state));
    }

    fn put_registry(&mut self, cluster: u8, state: RegistryState) {
        let state = Rc::new(state);
        self.outside.registries[usize::from(cluster)] = Some(state.clone());
        self.emit(REGISTRIES, &Item::Registry(cluster, state));
    }

    fn identity_gone(&mut self, identity: u8) {
        if self.outside.identities[usize::from(identity)].take().is_some() {
            self.emit(OBJECTS, &Item::IdentityGone(identity));
        }
    }

    fn registry_gone(&mut self, cluster: u8) {
        if self.outside.registries[usize::from(cluster)].take().is_some() {
            self.emit(REGISTRIES, &Item::RegistryGone(cluster));
        }
    }

    fn management(&mut self, lost: bool) {
        if lost {
            let registries = std::mem::take(&mut self.outside.registries);
            let identities = std::mem::take(&mut self.outside.identities);
            self.outside.lost = Some((registries, identities));
        } else {
            let Some((registries, identities)) = self.outside.lost.take() else { return };
            for (now, before) in self.outside.registries.iter_mut().zip(registries) {
                *now = now.take().or(before);
            }
            for (now, before) in self.outside.identities.iter_mut().zip(identities) {
                *now = now.take().or(before);
            }
        }
        self.list_anew(REGISTRIES);
        self.list_anew(OBJECTS);
    }

    fn reachable(&mut self, cluster: u8, resumes: bool) {
        if std::mem::replace(&mut self.outside.clusters[usize::from(cluster)].is_reachable, true) || resumes {
            return;
        }
        (0..KINDS).for_each(|kind| self.list_anew(cluster * KINDS + kind));
    }

    fn nth_row(&self, nth: u8, is_one: impl Fn(&Row) -> bool) -> Option<EntryId> {
        let ids: Vec<&EntryId> =
            self.spire.rows.iter().filter(|(_, row)| is_one(row)).map(|(id, _)| id).collect();
        ids.get(usize::from(nth) % ids.len().max(1)).map(|id| (*id).clone())
    }

    fn alter(&mut self, nth: u8, key: bool) {
        let Some(id) = self.nth_row(nth, |row| row.owner.is_some()) else { return };
        let Some(row) = self.spire.rows.get(&id) else { return };
        let mut entry = (*row.entry).clone();
        entry.x509_svid_ttl = 99;
        if key {
            let domain = TrustDomain::new("example.org").unwrap();
            entry.key.spiffe_id =
                crate::spiffe::workload_id("spiffe://example.org/altered", &domain).unwrap();
        }
        let row = Row::of(&id, &entry, row.owner);
        if !self.spire.rows.values().any(|other| other.texts.key == row.texts.key && key) {
            self.spire.rows.insert(id, Rc::new(row));
        }
    }

    fn foreign(&mut self, cluster: u8, slot: u8, path: super::schedule::Path, equal: bool, like_ours: u8) {
        let it = &self.outside.clusters[usize::from(cluster)];
        let Some((pod, state)) = it.pods.get(&slot) else { return };
        let Some(node) = it.nodes[usize::from(state.node)] else { return };
        let super::schedule::Path::Fixed(path) = path else { return };
        let domain = TrustDomain::new("example.org").unwrap();
        let uid = PodUid::new(pod.uid()).unwrap();
        let parent = format!("spiffe://example.org/spire/agent/k8s_psat/c{cluster}/n{}", node.uid);
        let key = crate::entry::EntryKey {
            spiffe_id: crate::spiffe::workload_id(&format!("spiffe://example.org/f{path}"), &domain).unwrap(),
            parent_id: crate::spiffe::parent_id(&parent, &domain).unwrap(),
            selectors: BTreeSet::from([crate::spiffe::Selector::pod_uid(&uid)]),
        };
        let entry = crate::entry::Entry {
            key,
            x509_svid_ttl: if equal { 0 } else { 77 },
            jwt_svid_ttl: 0,
            federates_with: BTreeSet::new(),
            admin: false,
            downstream: false,
            dns_names: Vec::new(),
            hint: String::new(),
        };
        self.foreign_made += 1;
        let tag = ClusterTag::of(&cluster_name(cluster));
        let digest = EntryDigest::of(&IdentityName::new(identity_name(0)).unwrap(), &uid, 0);
        // Bit by bit more like an id of ours.
        let number = self.foreign_made;
        let nonce = Nonce::new(number << 32);
        let id = match like_ours {
            0 => EntryId::observed(&format!("other-{number}")),
            1 => EntryId::observed(&format!("{PREFIX}{number:064x}")),
            2 => EntryId::make(&format!("{PREFIX}x-"), &tag, &digest, &nonce),
            _ => EntryId::observed(&format!("{}.a", EntryId::make(PREFIX, &tag, &digest, &nonce))),
        };
        let row = Row::of(&id, &entry, None);
        if !self.spire.rows.values().any(|other| other.texts.key == row.texts.key) {
            self.spire.rows.insert(id, Rc::new(row));
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for replica in &mut self.replicas {
            // What is left to be done was perhaps let through before the window that begins now.
            if !is_at_rest(replica, self.now) {
                replica.blind_until = Some(self.now + time);
            }
        }
    }

    fn release(&mut self, nth: u8, wrong: bool) {
        let outcome = self.replicas[self.leader].ledger.outcome(None);
        let held: Vec<_> = outcome
            .braked_identities
            .into_values()
            .chain(outcome.braked_clusters.into_values())
            .chain(outcome.braked_fleet)
            .collect();
        let orphans: Vec<String> = outcome.orphans.iter().filter_map(|plan| plan.digest.clone()).collect();
        let digest = match held.get(usize::from(nth) % (held.len() + orphans.len()).max(1)) {
            _ if wrong => "abcdefghijklm".to_owned(),
            Some(held) => {
                self.released += (held.deletes + held.updates) as usize;
                held.digest.clone()
            }
            None => {
                match orphans.get((usize::from(nth) % (held.len() + orphans.len()).max(1)) - held.len()) {
                    None => return,
                    Some(digest) => {
                        let replica = &self.replicas[self.leader];
                        let is_orphan = |row: &&Rc<Row>| {
                            row.owner.is_some_and(|owner| replica.told.is_orphan(owner.pod, owner.identity))
                        };
                        let orphans = replica.known.values().filter(is_orphan);
                        self.let_go
                            .insert(digest.clone(), orphans.map(|row| row.observed.id.clone()).collect());
                        digest.clone()
                    }
                }
            }
        };
        let named = self.outside.identities.iter().position(Option::is_some);
        if let Some(state) = named.and_then(|at| self.outside.identities[at].as_deref().cloned()) {
            let at = named.unwrap_or_default() as u8;
            self.put_identity(at, IdentityState { release: Some(digest), ..state });
            return;
        }
        let named = self.outside.registries.iter().position(Option::is_some);
        if let Some(state) = named.and_then(|at| self.outside.registries[at].as_deref().cloned()) {
            let at = named.unwrap_or_default() as u8;
            self.put_registry(at, RegistryState { release: Some(digest), ..state });
        }
    }

    fn unrelease(&mut self) {
        for at in 0..IDENTITIES {
            if let Some(state) = self.outside.identities[usize::from(at)].as_deref().cloned()
                && state.release.is_some()
            {
                self.put_identity(at, IdentityState { release: None, ..state });
            }
        }
        for at in 0..CLUSTERS {
            if let Some(state) = self.outside.registries[usize::from(at)].as_deref().cloned()
                && state.release.is_some()
            {
                self.put_registry(at, RegistryState { release: None, ..state });
            }
        }
    }

    // What the writer does, as `sync` in the program: it plans, calls, and notes what became of it.

    /// Lets a writer go on until it has nothing to do, or for so many calls.
    fn work(&mut self, at: usize, calls: Option<u8>) -> Result<(), Violation> {
        let last = self.spire.calls + calls.map_or(u64::from(u32::MAX), u64::from);
        for _ in 0..MOST_TURNS {
            let now = self.now;
            let replica = &mut self.replicas[at];
            if replica.paused_until.is_some_and(|until| until > now) || self.spire.calls >= last {
                return Ok(());
            }
            replica.paused_until = None;
            // What is new does not wait for the rest of a list.
            let mut result = Ok(());
            let has_work = replica.ledger.has_work(now, true);
            if has_work {
                result = self.round(at)?;
            }
            let replica = &mut self.replicas[at];
            if result.is_ok() {
                if replica.ledger.needs_list() || replica.must_compare || replica.listing.is_some() {
                    result = self.page(at);
                } else if !has_work {
                    return Ok(());
                }
            }
            match result {
                Ok(()) => {}
                Err(CallError::Killed) => {
                    self.replicas[at].restart(self.setup);
                    self.hear();
                    return Ok(());
                }
                Err(error) => {
                    let replica = &mut self.replicas[at];
                    replica.has_failed = true;
                    if error == CallError::Unknown {
                        replica.doubt();
                        replica.is_in_doubt = true;
                    }
                    replica.paused_until = Some(now + Duration::from_millis(500));
                }
            }
        }
        Err("the writer does not come to rest".to_owned())
    }

    /// A page of a list; one that fails is asked for once more, and after that the list begins anew.
    fn page(&mut self, at: usize) -> Result<(), CallError> {
        let replica = &mut self.replicas[at];
        if replica.listing.is_none() {
            replica.ledger.begin_list();
            replica.must_compare = false;
        }
        let (after, listed) = replica.listing.get_or_insert_default();
        let (rows, has_more) = match self.spire.list(after.as_ref()) {
            Ok(page) => page,
            Err(CallError::Killed) => return Err(CallError::Killed),
            Err(_) => {
                replica.page_failed();
                return Err(CallError::Refused);
            }
        };
        *after = rows.keys().next_back().cloned();
        listed.extend(rows.keys().cloned());
        replica.ledger.page(rows.values().map(|row| row.observed.clone()), self.listed_at);
        replica.known.extend(rows);
        if has_more {
            return Ok(());
        }
        replica.ledger.end_list(self.listed_at);
        if let Some((_, listed)) = replica.listing.take() {
            replica.known.retain(|id, _| listed.contains(id));
        }
        replica.is_in_doubt = false;
        if let Some(batch) = self.in_flight.take() {
            batch.iter().for_each(|wish| drop(self.spire.carry_out(wish)));
        }
        Ok(())
    }

    fn round(&mut self, at: usize) -> Result<Result<(), CallError>, Violation> {
        let (nonce, now) = (&mut self.nonce, self.now);
        let replica = &mut self.replicas[at];
        replica.note_served();
        let round = replica.ledger.round(now, LIMITS, || {
            *nonce += 1;
            Nonce::new(*nonce)
        });
        if let Some((pod, fault)) = round.faults.first() {
            return Err(format!("a plan for {} breaks a rule: {fault}", pod.pod));
        }
        for plan in &round.plans {
            self.note_let_through(at, plan)?;
        }
        let mut blocked = BTreeSet::new();
        let result = self.carry_out(at, &round.plans, &mut blocked)?;
        if result.is_err() {
            let ledger = &mut self.replicas[at].ledger;
            round.plans.iter().for_each(|plan| ledger.again(&plan.pod));
        }
        Ok(result)
    }

    fn note_let_through(&mut self, at: usize, plan: &PodPlan) -> Result<(), Violation> {
        let replica = &mut self.replicas[at];
        let pod = PodId::of_uid(plan.pod.pod.as_str()).ok_or("a pod that never was")?;
        let scopes = |identity| vec![Scope::Fleet, Scope::Cluster(pod.cluster), Scope::Identity(identity)];
        for write in &plan.updates {
            let scopes = scopes(number_of(&write.wanted.identity)?);
            replica.let_through.insert(write.id.clone(), scopes);
        }
        for delete in &plan.deletes {
            if let Some(owner) = replica.known.get(&delete.id).and_then(|row| row.owner) {
                replica.let_through.insert(delete.id.clone(), scopes(owner.identity));
            }
        }
        Ok(())
    }

    fn carry_out(
        &mut self,
        at: usize,
        plans: &[PodPlan],
        blocked: &mut BTreeSet<PodKey>,
    ) -> Result<Result<(), CallError>, Violation> {
        let pod_of = |key: &PodKey| PodId::of_uid(key.pod.as_str()).ok_or("a pod that never was");
        for is_create in [true, false] {
            let mut writes = Vec::new();
            for plan in plans {
                let pod = pod_of(&plan.pod)?;
                for write in if is_create { &plan.creates } else { &plan.updates } {
                    let identity = number_of(&write.wanted.identity)?;
                    writes.push((plan, write, Owner { pod, identity }));
                }
            }
            for batch in writes.chunks(BATCH) {
                let mut wishes = Vec::new();
                for (_, write, owner) in batch {
                    self.check_write(at, &write.id, Texts::of(&write.wanted.entry), *owner, is_create)?;
                    let entry = (*write.wanted.entry).clone();
                    wishes.push(match is_create {
                        true => Wish::Create(write.id.clone(), entry, *owner),
                        false => Wish::Update(write.id.clone(), entry),
                    });
                }
                let answers = match self.call(at, &wishes)? {
                    // A call of one entry that is refused as a whole is that entry's failure alone.
                    Err(CallError::Refused) if wishes.len() == 1 && !self.spire.is_down => {
                        vec![Answer::Refused]
                    }
                    Err(error) => return Ok(Err(error)),
                    Ok(answers) => answers,
                };
                let replica = &mut self.replicas[at];
                for ((plan, write, owner), answer) in batch.iter().zip(answers) {
                    match answer {
                        Answer::Done => {
                            let owner = match replica.known.get(&write.id) {
                                Some(row) if !is_create => row.owner,
                                _ => Some(*owner),
                            };
                            let row = Row::of(&write.id, &write.wanted.entry, owner);
                            replica.note(&write.id, Some(Rc::new(row)));
                            replica.ledger.written(&plan.pod, write);
                        }
                        Answer::Similar(observed) => {
                            blocked.insert(plan.pod.clone());
                            if let Some(row) = self.spire.rows.get(&observed.id) {
                                replica.note(&observed.id, Some(row.clone()));
                            }
                            replica.ledger.found(&plan.pod, observed);
                        }
                        Answer::NotFound => {
                            blocked.insert(plan.pod.clone());
                            replica.note(&write.id, None);
                            // SPIRE may hold an older state of everything.
                            replica.ledger.vanished(&plan.pod, &write.id, self.listed_at);
                            replica.must_compare = true;
                        }
                        Answer::IdTaken => return Err(format!("a new id {} is taken", write.id)),
                        Answer::Refused => {
                            let problem = Problem::new("Test", "(entry)", "refused");
                            let identity = Some(&write.wanted.identity);
                            replica.ledger.failed(&plan.pod, identity, problem, self.now);
                            blocked.insert(plan.pod.clone());
                        }
                    }
                }
            }
        }
        let unblocked = plans.iter().filter(|plan| !blocked.contains(&plan.pod));
        let deletes: Vec<_> =
            unblocked.flat_map(|plan| plan.deletes.iter().map(move |delete| (plan, delete))).collect();
        for batch in deletes.chunks(BATCH) {
            let mut wishes = Vec::new();
            for (plan, delete) in batch {
                self.check_delete(at, &delete.id, pod_of(&plan.pod)?)?;
                wishes.push(Wish::Delete(delete.id.clone()));
            }
            let answers = match self.call(at, &wishes)? {
                Err(error) => return Ok(Err(error)),
                Ok(answers) => answers,
            };
            let replica = &mut self.replicas[at];
            for ((plan, delete), answer) in batch.iter().zip(answers) {
                match answer {
                    Answer::Refused => {
                        let problem = Problem::new("Test", "(entry)", "refused");
                        replica.ledger.failed(&plan.pod, None, problem, self.now);
                    }
                    _ => {
                        replica.note(&delete.id, None);
                        replica.ledger.gone(&plan.pod, &delete.id);
                    }
                }
            }
        }
        Ok(Ok(()))
    }

    fn call(&mut self, at: usize, wishes: &[Wish]) -> Result<Result<Vec<Answer>, CallError>, Violation> {
        if self.replicas[at].is_in_doubt {
            return Err(
                "something is written although nobody knows what became of the call before".to_owned()
            );
        }
        if self.handover.is_some() && self.in_flight.is_none() {
            self.in_flight = Some(wishes.to_vec());
            return Ok(Err(CallError::Unknown));
        }
        Ok(self.spire.write(wishes))
    }

    /// Status and finalizers, as the leader writes them; true where something is told after that.
    fn write_status(&mut self) -> Result<bool, Violation> {
        if self.setup.mode == Mode::Observe {
            return Ok(false);
        }
        let outcome = self.replicas[self.leader].ledger.outcome(None);
        let told = &self.replicas[self.leader].told;
        let mut identities_gone = Vec::new();
        for (at, state) in self.outside.identities.iter_mut().enumerate() {
            let name = at as u8;
            let Some(state) = state else { continue };
            let is_seen =
                matches!(&told.identities[at], Some(Known::Seen(it)) if it.health != Health::Unreadable);
            if !state.deleting && !state.finalizer && is_seen {
                Rc::make_mut(state).finalizer = true;
            }
            let released = outcome.released_identities.iter().any(|it| it.as_str() == identity_name(name));
            if state.deleting && state.finalizer && told.has_ended(name) && released {
                identities_gone.push(name);
            }
        }
        let mut registries_gone = Vec::new();
        for (at, state) in self.outside.registries.iter_mut().enumerate() {
            let name = at as u8;
            let Some(state) = state else { continue };
            let is_seen =
                matches!(&told.registries[at], Some(Known::Seen(it)) if it.health != Health::Unreadable);
            if !state.deleting && !state.finalizer && is_seen {
                Rc::make_mut(state).finalizer = true;
            }
            let released = outcome.released_clusters.contains(&cluster_name(name));
            if state.deleting && state.finalizer && told.registry_has_ended(name) && released {
                registries_gone.push(name);
            }
        }
        for name in &identities_gone {
            let replica = &self.replicas[self.leader];
            let told = &replica.told;
            let left = replica.known.values().find(|row| {
                let has_passed = replica.served.contains_key(&row.observed.id);
                let is_of = |owner: &Owner| owner.identity == *name && !has_passed;
                let is_wanted =
                    |owner: &Owner| told.wishes(owner.pod).is_some_and(|it| it.has_key(&row.texts.key));
                row.owner.as_ref().is_some_and(|owner| is_of(owner) && !is_wanted(owner))
            });
            if let Some(row) = left {
                return Err(format!("identity {name} is released and {} is left of it", row.observed.id));
            }
            self.identity_gone(*name);
        }
        for name in &registries_gone {
            let is_of = |row: &&Rc<Row>| row.owner.is_some_and(|owner| owner.pod.cluster == *name);
            if let Some(row) = self.replicas[self.leader].known.values().find(is_of) {
                return Err(format!("registry {name} is released and {} is left of it", row.observed.id));
            }
            self.registry_gone(*name);
        }
        Ok(!identities_gone.is_empty() || !registries_gone.is_empty())
    }

    // What must hold.

    fn check_write(
        &mut self,
        at: usize,
        id: &EntryId,
        texts: Texts,
        owner: Owner,
        is_create: bool,
    ) -> Result<(), Violation> {
        let Owner { pod, identity } = owner;
        let replica = &self.replicas[at];
        let what = if is_create { "created" } else { "updated" };
        let broken = |rule: &str| Err(format!("{id} of {pod:?} is {what} for {identity}: {rule}"));
        if at != self.leader {
            return broken("this replica does not lead");
        }
        if self.setup.mode == Mode::Observe {
            return broken("nothing is written in mode Observe");
        }
        if !replica.told.is_synced(pod.cluster) {
            return broken("its cluster is silent");
        }
        let Some(wishes) = replica.told.wishes(pod) else { return broken("the pod is not known") };
        if !wishes.entries.iter().any(|wish| wish.identity == identity && wish.texts == texts) {
            return broken("the pod is not to have this");
        }
        let holder = replica.known.iter().find(|(other, row)| row.texts.key == texts.key && *other != id);
        if let Some((holder, _)) = holder {
            return broken(&format!("{holder} has the same key"));
        }
        let known = replica.known.get(id);
        if is_create {
            if known.is_some() || self.spire.used.contains(id) {
                return broken("an id is made once");
            }
            let in_place_of = replica.known.values().find(|row| {
                row.owner == Some(owner)
                    && !wishes.has_key(&row.texts.key)
                    && !replica.served.contains_key(&row.observed.id)
            });
            if let Some(row) = in_place_of {
                return broken(&format!("{} could have been updated in place", row.observed.id));
            }
            return Ok(());
        }
        let Some(known) = known else { return broken("it is not there") };
        let Some(known_owner) = known.owner else { return broken("it is not ours") };
        if known_owner.pod != pod {
            return broken("it is another pod's");
        }
        if known.texts == texts {
            return broken("it is so already");
        }
        if known.texts.key != texts.key {
            let scopes = vec![Scope::Fleet, Scope::Cluster(pod.cluster), Scope::Identity(identity)];
            return self.count(at, id, scopes).or_else(|rule| broken(&rule));
        }
        Ok(())
    }

    fn check_delete(&mut self, at: usize, id: &EntryId, pod: PodId) -> Result<(), Violation> {
        let replica = &self.replicas[at];
        let broken = |rule: &str| Err(format!("{id} of {pod:?} is deleted: {rule}"));
        if at != self.leader {
            return broken("this replica does not lead");
        }
        if self.setup.mode != Mode::Sync {
            return broken("the mode does not delete");
        }
        let Some(known) = replica.known.get(id) else { return broken("it is not there") };
        let Some(owner) = known.owner.filter(|owner| owner.pod == pod) else {
            return broken("it is not ours, or of another pod");
        };
        let is_let_go = || {
            let named = replica.told.releases().filter_map(|digest| self.let_go.get(&digest));
            named.into_iter().any(|entries| entries.contains(id))
        };
        let dues = replica.dues(known, owner);
        let goes = dues.iter().find_map(|(identity, due)| match due {
            Due::Goes { pod_gone } => Some((*identity, *pod_gone)),
            Due::Stays(_) => None,
        });
        let Some((identity, pod_gone)) = goes else {
            let is_orphan = dues.iter().any(|(identity, _)| replica.told.is_orphan(pod, *identity));
            return match dues.first() {
                Some((_, Due::Stays(why))) if !(is_orphan && is_let_go()) => broken(why),
                _ => Ok(()),
            };
        };
        if !replica.told.registry_has_ended(pod.cluster)
            && let Some(wishes) = replica.told.wishes(pod)
        {
            let others = |key: &str| replica.known.iter().any(|(it, row)| it != id && *row.texts.key == *key);
            if wishes.has_key(&known.texts.key) && !others(&known.texts.key) {
                return broken("the pod is to have it");
            }
            let has = |texts: &Texts| replica.known.values().any(|row| row.texts == *texts);
            if let Some(missing) = wishes.entries.iter().find(|wish| !has(&wish.texts)) {
                return broken(&format!("{} does not stand yet", missing.texts.content));
            }
        }
        if pod_gone && replica.told.watched_ends.contains(&pod) {
            return Ok(());
        }
        let is_known = replica.told.identities[usize::from(identity)].is_some() && dues.len() == 1;
        let identity = is_known.then_some(Scope::Identity(identity));
        let scopes = [Scope::Fleet, Scope::Cluster(pod.cluster)].into_iter().chain(identity).collect();
        self.count(at, id, scopes).or_else(|rule| broken(&rule))
    }

    /// Counts a write against its budgets.
    fn count(&mut self, at: usize, id: &EntryId, scopes: Vec<Scope>) -> Result<(), Violation> {
        let Some((scope_budget, fleet_budget)) = self.setup.budget else { return Ok(()) };
        let now = self.now;
        let replica = &mut self.replicas[at];
        // An entry counts once, however often it is written.
        replica.passed.retain(|it| it.id != *id);
        replica.passed.push(Passed { at: now, id: id.clone(), scopes: scopes.clone() });
        if replica.blind_until.is_some_and(|until| now < until) {
            return Ok(());
        }
        for scope in scopes {
            let budget = usize::from(if scope == Scope::Fleet { fleet_budget } else { scope_budget });
            let within = |it: &&Passed| now.duration_since(it.at) < WINDOW && it.scopes.contains(&scope);
            let count = replica.passed.iter().filter(within).count();
            // What was released once can be again while the annotation stands.
            if count > budget + 3 * self.released {
                return Err(format!("the {count}th beyond the budget of {scope:?}"));
            }
        }
        Ok(())
    }

    /// Where the writer has come to rest with nothing left to try, SPIRE is as the rules say.
    fn check_rest(&mut self) -> Result<(), Violation> {
        self.replicas[self.leader].note_served();
        let replica = &self.replicas[self.leader];
        let knows = |rows: &Rows, others: &Rows| {
            rows.len() == others.len()
                && rows.iter().zip(others).all(|(a, b)| a.0 == b.0 && a.1.texts == b.1.texts)
        };
        if !is_at_rest(replica, self.now)
            || self.spire.is_down
            || self.setup.mode == Mode::Observe
            || !replica.told.is_ready()
            || !knows(&replica.known, &self.spire.rows)
        {
            return Ok(());
        }
        self.tally.rests += 1;
        let told = &replica.told;
        let mut rows_of: BTreeMap<PodId, Vec<&Row>> = BTreeMap::new();
        for row in self.spire.rows.values() {
            if let Some(owner) = row.owner {
                rows_of.entry(owner.pod).or_default().push(row);
            }
        }
        let known = told.clusters.iter().flatten().flat_map(|cluster| cluster.pods.keys().copied());
        let pods: BTreeSet<PodId> = known.chain(rows_of.keys().copied()).collect();
        // Deletes and changes of identity that are due and not done, by pod.
        let mut waiting: BTreeMap<PodId, Vec<(EntryId, Vec<Scope>)>> = BTreeMap::new();
        // A pod that does not get what it is to have keeps what it has.
        let mut conflicts = BTreeSet::new();
        for pod in pods {
            let mut rows = rows_of.remove(&pod).unwrap_or_default();
            let is_synced = told.is_synced(pod.cluster);
            let wishes = told.wishes(pod).filter(|_| is_synced);
            let mut open = Vec::new();
            for wish in wishes.iter().flat_map(|wishes| &wishes.entries) {
                let best = rows
                    .iter()
                    .position(|row| row.texts == wish.texts)
                    .or_else(|| rows.iter().position(|row| row.texts.key == wish.texts.key));
                if let Some(at) = best {
                    let row = rows.swap_remove(at);
                    if row.texts != wish.texts {
                        return Err(format!("{} of {pod:?} is not brought up to date", row.observed.id));
                    }
                    continue;
                }
                let is_foreign = |row: &&Rc<Row>| row.owner.is_none() && row.texts.key == wish.texts.key;
                if let Some(foreign) = self.spire.rows.values().find(is_foreign) {
                    // Equal, it is as good as ours; otherwise a conflict, which is told.
                    if foreign.texts != wish.texts {
                        conflicts.insert(pod);
                    }
                    continue;
                }
                open.push(wish);
            }
            // Only of what no key keeps in place: an entry may serve another identity than it was made for.
            for wish in open {
                let old = rows.iter().position(|row| {
                    let served = replica.served.get(&row.observed.id);
                    row.owner.is_some_and(|it| it.identity == wish.identity)
                        || served.is_some_and(|served| served.contains(&wish.identity))
                });
                let Some(old) = old else {
                    // The brake may hold an entry that two of them can be made of.
                    if self.setup.budget.is_some() && !replica.served.is_empty() {
                        continue;
                    }
                    return Err(format!("{pod:?} is without {}", wish.texts.content));
                };
                let row = rows.swap_remove(old);
                let scopes = vec![Scope::Fleet, Scope::Cluster(pod.cluster), Scope::Identity(wish.identity)];
                waiting.entry(pod).or_default().push((row.observed.id.clone(), scopes));
            }
            for row in rows {
                let Some(owner) = row.owner else { continue };
                let dues = replica.dues(row, owner);
                let goes = dues.iter().all(|(_, due)| matches!(due, Due::Goes { .. }));
                let was_watched = dues.iter().all(|(_, due)| *due == Due::Goes { pod_gone: true })
                    && told.watched_ends.contains(&pod);
                if was_watched && self.setup.mode == Mode::Sync && self.setup.budget.is_none() {
                    return Err(format!("{} outlives {pod:?}", row.observed.id));
                }
                if goes && self.setup.mode == Mode::Sync {
                    let known =
                        dues.iter().filter(|(identity, _)| told.identities[usize::from(*identity)].is_some());
                    let identities = known.map(|(identity, _)| Scope::Identity(*identity));
                    let scopes = [Scope::Fleet, Scope::Cluster(pod.cluster)].into_iter().chain(identities);
                    waiting.entry(pod).or_default().push((row.observed.id.clone(), scopes.collect()));
                }
            }
        }
        self.check_brake(&waiting, &conflicts)?;
        let releases: BTreeSet<String> = told.releases().collect();
        let outcome = self.replicas[self.leader].ledger.outcome(None);
        let held = outcome.braked_identities.values().chain(outcome.braked_clusters.values());
        let mut held = held.chain(&outcome.braked_fleet);
        match held.find(|held| releases.contains(&held.digest)) {
            Some(held) => Err(format!("{} is released and still held", held.digest)),
            None => Ok(()),
        }
    }

    /// What is due and not done is beyond some budget and not released.
    fn check_brake(
        &self,
        waiting: &BTreeMap<PodId, Vec<(EntryId, Vec<Scope>)>>,
        conflicts: &BTreeSet<PodId>,
    ) -> Result<(), Violation> {
        let replica = &self.replicas[self.leader];
        let count = |scope: Scope| {
            let now =
                waiting.values().flatten().filter(|(_, scopes)| scopes.contains(&scope)).map(|(id, _)| id);
            let before =
                replica.let_through.iter().filter(|(_, scopes)| scopes.contains(&scope)).map(|(id, _)| id);
            now.chain(before).collect::<BTreeSet<_>>().len()
        };
        let is_beyond = |scope: &Scope| {
            self.setup.budget.is_some_and(|(of_scope, of_fleet)| {
                count(*scope) > usize::from(if *scope == Scope::Fleet { of_fleet } else { of_scope })
            })
        };
        for (pod, writes) in waiting {
            // Whose budget an entry counts against that has served several cannot be said from outside.
            let is_sure = !conflicts.contains(pod) && !replica.has_failed && replica.served.is_empty();
            if is_sure && !writes.iter().flat_map(|(_, scopes)| scopes).any(is_beyond) {
                return Err(format!("nothing holds up what is due for {pod:?}"));
            }
        }
        Ok(())
    }

    /// Everything works again; what stands is what the rules say, and nothing more is written.
    fn end(&mut self) -> Result<(), Violation> {
        self.burst = 0;
        self.calls_between = None;
        self.spire.is_down = false;
        self.spire.faults.clear();
        self.spire.kill = None;
        for replica in &mut self.replicas {
            replica.watches.iter_mut().for_each(|watch| watch.lags = false);
        }
        (0..CLUSTERS).for_each(|cluster| self.reachable(cluster, true));
        for _ in 0..12 {
            self.pass(Duration::from_secs(400));
            self.proceed()?;
        }
        self.happen(Event::Compare);
        self.proceed()?;
        self.pass(Duration::from_secs(400));
        self.proceed()?;
        let replica = &self.replicas[self.leader];
        if !is_at_rest(replica, self.now) {
            return Err("the writer has not come to rest".to_owned());
        }
        let writes = self.spire.writes;
        self.happen(Event::Compare);
        for _ in 0..3 {
            self.pass(Duration::from_secs(400));
            self.proceed()?;
        }
        if self.spire.writes != writes {
            return Err("something is written although nothing happens".to_owned());
        }
        self.check_keys()?;
        self.check_from_scratch()?;
        // What passed the brake is forgotten with the process; without it, a new process has nothing to do.
        // Nor does it know what an entry served that goes by another identity's id.
        if self.setup.budget.is_none() && self.replicas[self.leader].served.is_empty() {
            self.replicas[self.leader].restart(self.setup);
            self.proceed()?;
            self.proceed()?;
            if self.spire.writes != writes {
                return Err("something is written because the process starts anew".to_owned());
            }
        }
        Ok(())
    }

    /// No two entries of ours have one key. Somebody else's can have it too: SPIRE looks at keys of new entries only, and
    /// what was made since the last list is not known when an entry is updated.
    fn check_keys(&mut self) -> Result<(), Violation> {
        let told = &self.replicas[self.leader].told;
        let mut keys = BTreeSet::new();
        for row in self.spire.rows.values().filter(|row| row.owner.is_some()) {
            if !keys.insert(row.texts.key.clone()) {
                return Err(format!("two entries have the key {}", row.texts.key));
            }
            let is_wanted = row.owner.is_none_or(|owner| {
                told.wishes(owner.pod).is_some_and(|wishes| wishes.has_key(&row.texts.key))
            });
            self.tally.held += u64::from(!is_wanted);
        }
        Ok(())
    }

    /// A process that hears everything as it is now, in another order, wants the same.
    fn check_from_scratch(&mut self) -> Result<(), Violation> {
        let told = &self.replicas[self.leader].told;
        for (_, pod, desired) in self.replicas[self.leader].index.desired() {
            let id = PodId::of_uid(pod.as_str()).ok_or("a pod that never was")?;
            let texts = desired.wanted.iter().map(|it| Texts::of(&it.entry));
            let texts: BTreeSet<Texts> = texts.collect();
            let wishes = told.wishes(id).unwrap_or_default();
            let wished: BTreeSet<Texts> = wishes.entries.iter().map(|wish| wish.texts.clone()).collect();
            if texts != wished {
                return Err(format!("{id:?} is to have {texts:?}, by the rules {wished:?}"));
            }
        }
        let mut fresh = Replica::new(self.setup);
        // Item by item and one kind after the other, or as lists in another order.
        fresh.hears_singly = self.steps.is_multiple_of(2);
        for _ in 0..4 {
            for watch in (0..=OBJECTS).rev() {
                fresh.deliver(watch, &self.outside);
            }
            fresh.go_live(&self.outside);
            if !fresh.settle(&self.outside) {
                break;
            }
        }
        let wanted = |index: &Index| -> BTreeMap<String, Vec<(String, Texts)>> {
            let each = index.desired().filter(|(.., desired)| !desired.wanted.is_empty());
            let each = each.map(|(cluster, pod, desired)| {
                let entries = desired.wanted.iter();
                let entries = entries.map(|it| (it.identity.to_string(), Texts::of(&it.entry)));
                (format!("{cluster} {pod}"), entries.collect())
            });
            each.collect()
        };
        let (now, anew) = (wanted(&self.replicas[self.leader].index), wanted(&fresh.index));
        if now != anew {
            return Err(format!("what is wanted is not what it would be from scratch:\n{now:?}\n{anew:?}"));
        }
        Ok(())
    }
}

fn is_at_rest(replica: &Replica, now: Instant) -> bool {
    let ledger = &replica.ledger;
    !ledger.needs_list()
        && !ledger.has_work(now, true)
        && !replica.must_compare
        && replica.listing.is_none()
        && ledger.next_retry().is_none()
        && replica.paused_until.is_none()
}

fn number_of(identity: &IdentityName) -> Result<u8, Violation> {
    let number = identity.as_str().strip_prefix('i').and_then(|it| it.parse().ok());
    number.filter(|it| *it < IDENTITIES).ok_or_else(|| format!("identity {identity} never was"))
}

const _: () = assert!(FEW == 2, "the outside begins with two of each");
