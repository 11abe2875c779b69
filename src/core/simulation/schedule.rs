//! What happens in one schedule, made from a seed: always the same for the same seed.

use std::fmt;
use std::time::Duration;

use super::components::{COMPONENTS, Plugin, REFUSED, Use};

/// SplitMix64: small, fast, and the same on every machine.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall the same way for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u8) -> u8 {
        (self.next() % u64::from(sides)) as u8
    }

    /// Whether a thing of this many percent happens.
    pub fn chance(&mut self, percent: u8) -> bool {
        self.roll(100) < percent
    }

    fn maybe(&mut self, percent: u8, sides: u8) -> Option<u8> {
        self.chance(percent).then(|| self.roll(sides))
    }
}

/// How many clusters there are.
pub const CLUSTERS: u8 = 2;
/// How many pods a cluster has at once.
pub const SLOTS: u8 = 5;
/// How many nodes a cluster has at once; also namespaces, and endpoint slices.
pub const FEW: u8 = 2;
/// How many identities there are at once.
pub const IDENTITIES: u8 = 4;
/// Watches of one cluster: pods, nodes, namespaces, endpoint slices.
pub const KINDS: u8 = 4;
/// The watch of registries, after those of the clusters; that of identities follows.
pub const REGISTRIES: u8 = CLUSTERS * KINDS;
/// The watch of identities.
pub const OBJECTS: u8 = REGISTRIES + 1;
/// What tells of plugins, after the watches.
pub const PLUGINS: u8 = OBJECTS + 1;

/// Whether an object can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reading {
    /// It can.
    Good,
    /// A field is of another type; who it is can be read.
    Malformed,
    /// Not even its uid can be read. Only pods have a uid that matters.
    Nameless,
}

/// How far a pod's life is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PodPhase {
    /// Not bound to a node yet.
    Pending,
    /// On its node.
    Bound,
    /// Succeeded or failed.
    Finished,
}

/// Which pods of its namespaces an identity selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Apps {
    /// All of them.
    Any,
    /// Those with this label.
    One(u8),
    /// Those whose label is not this one.
    NotIn(u8),
}

/// Which namespaces an identity names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// One by name.
    Named(u8),
    /// By label.
    Team(u8),
    /// Both have to fit.
    Both(u8, u8),
    /// None: it selects nothing.
    Nowhere,
}

/// The SPIFFE ID that an identity gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// The same for each pod of a node: identities that give it declare the same key.
    Fixed(u8),
    /// By a label of the pod.
    ByApp,
    /// By an annotation of the pod, which not all have; annotations are kept on demand.
    ByRole,
}

/// What an identity says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spec {
    /// `podSelector`.
    pub apps: Apps,
    /// `namespace` and `namespaceSelector`.
    pub place: Place,
    /// `clusterSelector`.
    pub env: Option<u8>,
    /// `priority`.
    pub priority: u8,
    /// `fallback`.
    pub fallback: bool,
    /// `preview`.
    pub preview: bool,
    /// `spiffeIDTemplate`.
    pub path: Path,
    /// `parentIDTemplate` by the node's name, so that a replaced node changes nothing.
    pub own_parent: bool,
    /// `ttl`.
    pub ttl: bool,
    /// `autoPopulateDNSNames`.
    pub services: bool,
    /// `plugin`: it decides in the place of the SPIFFE ID's template.
    pub plugin: Option<Use>,
    /// `rollout`: to one cluster, and after [`PAUSE`] to all.
    pub rollout: bool,
}

impl Spec {
    /// What of it a rollout brings from one cluster to the next.
    pub fn rolled_out(self) -> Self {
        Self { rollout: false, preview: false, ..self }
    }
}

/// For how long the first cluster of a rollout is watched.
pub const PAUSE: Duration = Duration::from_secs(600);

/// What becomes of a component that is to be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fetching {
    /// It is there, and is what its digest says.
    Works,
    /// It is not.
    Fails,
    /// Nobody knows yet.
    Hangs,
}

/// Whether an object of our own kinds can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// It can.
    Fine,
    /// A template or the region is none.
    Invalid,
    /// The selector of an identity is none: it may want every pod of its namespaces.
    BadSelector,
    /// The object does not fit its definition: nobody can say what it wants.
    Unreadable,
}

/// A way in which one call to SPIRE fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// One entry of a batch is refused.
    Entry,
    /// The call is refused and nothing of it is done.
    Call,
    /// The call is not done and no answer comes.
    LostBefore,
    /// So many entries of the call are done, and no answer comes.
    LostAfter(u8),
    /// No answer comes, and the call is done all the same, after so many calls more than one.
    Late(u8),
    /// A complete list breaks off.
    List,
    /// For so many calls, this one among them, SPIRE takes no batch of more than one entry.
    TooLarge(u8),
    /// For so many calls, this one among them, SPIRE refuses every entry of an identity, as it does where a federated bundle is
    /// not known.
    Identity(u8, u8),
}

/// Something that happens outside, or to the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "a variant's fields are which one, and as what")]
pub enum Event {
    /// A pod appears, or gets another label or annotation, or is bound, or ends.
    Pod { cluster: u8, slot: u8, app: u8, namespace: u8, node: u8, role: Option<u8>, phase: PodPhase },
    /// A pod can no longer be read.
    PodMalformed { cluster: u8, slot: u8, nameless: bool },
    /// A pod goes.
    PodGone { cluster: u8, slot: u8 },
    /// A node appears, or comes back under its name with another uid.
    Node { cluster: u8, node: u8, fargate: bool },
    /// A node can no longer be read.
    NodeMalformed { cluster: u8, node: u8 },
    /// A node goes, before its pods or after them.
    NodeGone { cluster: u8, node: u8 },
    /// A namespace appears or gets another label.
    Namespace { cluster: u8, namespace: u8, team: u8 },
    /// A namespace can no longer be read.
    NamespaceMalformed { cluster: u8, namespace: u8 },
    /// A namespace goes, before its pods or after them.
    NamespaceGone { cluster: u8, namespace: u8 },
    /// A Service's endpoints are the pods of these slots.
    Slice { cluster: u8, slice: u8, service: u8, slots: u8 },
    /// An endpoint slice goes.
    SliceGone { cluster: u8, slice: u8 },
    /// An identity is created or edited.
    Identity { identity: u8, spec: Spec, health: Health },
    /// An identity's SPIFFE ID becomes another and nothing else of it.
    Path { identity: u8, path: Path },
    /// An identity's plugin becomes another and nothing else of it, or its templates decide again.
    Plugin { identity: u8, plugin: Option<Use> },
    /// A component can be loaded or not, by whoever has not yet.
    Source { component: u8, fetching: Fetching },
    /// Plugins answer only so many questions between two events, or as many as there are.
    Answers { most: Option<u8> },
    /// Somebody deletes an identity; our finalizer keeps it until it is released, where it was set.
    IdentityDeleted { identity: u8 },
    /// Somebody takes the finalizer away by hand.
    IdentityForced { identity: u8 },
    /// A registry is created or edited; another way leads to the same cluster, and may not list the pods at first.
    Registry { cluster: u8, env: u8, way: u8, enabled: bool, health: Health, lags: bool },
    /// Somebody deletes a registry.
    RegistryDeleted { cluster: u8 },
    /// The management cluster loses all objects, or has them again as they were; both kinds are listed anew.
    Management { lost: bool },
    /// A watch falls silent without anybody noticing, or tells all that it has to tell; or what tells of plugins does.
    Lag { replica: u8, watch: u8, lags: bool },
    /// A watch is given up and lists anew: the events between are never told.
    Relist { replica: u8, watch: u8 },
    /// A watch tells its last events once more.
    Repeat { replica: u8, watch: u8 },
    /// A cluster falls silent.
    Unreachable { cluster: u8 },
    /// It answers again; its watches go on where they were, or list anew.
    Reachable { cluster: u8, resumes: bool },
    /// A process is killed and starts again, knowing nothing; a watch may not answer it at first.
    Restart { replica: u8, lags: Option<u8> },
    /// The leader is killed at its so-manieth call from now, which is done or not.
    Crash { calls: u8, done: bool },
    /// The other replica leads; the last call of the old leader is cut off or lands after the new one has listed.
    Handover { late: bool },
    /// The so-manieth call from now fails.
    Fail { after: u8, fault: Fault },
    /// SPIRE is down, or up again.
    Down { down: bool },
    /// SPIRE answers only so many calls between two events, or as many as wanted.
    Slow { calls: Option<u8> },
    /// Somebody else makes an entry with a key that a pod is to have, with equal content or other.
    Foreign { cluster: u8, slot: u8, path: Path, equal: bool, like_ours: u8 },
    /// Somebody else's entry goes.
    ForeignGone { nth: u8 },
    /// Somebody deletes an entry of ours.
    DriftDeleted { nth: u8 },
    /// Somebody alters an entry of ours: its lifetime, or its SPIFFE ID.
    DriftChanged { nth: u8, key: bool },
    /// SPIRE's database is copied.
    Backup,
    /// SPIRE's database is put back to the copy.
    Restore,
    /// The interval after which everything is listed and compared has passed.
    Compare,
    /// An hour passes.
    Hour,
    /// An operator releases one of the held plans, or with a digest that is none of them.
    Release { nth: u8, wrong: bool },
    /// An operator takes all releases back.
    Unrelease,
    /// Several things happen before the process looks: as many of the next events.
    Burst { events: u8 },
}

/// How one schedule is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// One replica, or two that take turns.
    pub replicas: u8,
    /// As the configuration has it.
    pub mode: crate::ledger::Mode,
    /// How many deletes and changes of identity pass the brake without a release: of one scope and of everything. None
    /// leaves the default, which so few entries never exceed.
    pub budget: Option<(u8, u8)>,
    /// How many pods are derived before the writer goes on; none is all of them.
    pub slice: Option<u8>,
    /// SPIRE refuses each call whose number so many divide.
    pub refuses_each: Option<u8>,
}

/// Setup and events.
#[derive(Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The seed that it was made of.
    pub seed: u64,
    /// How it is set up.
    pub setup: Setup,
    /// What happens.
    pub events: Vec<Event>,
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {:?}", self.seed, self.setup)?;
        self.events.iter().enumerate().try_for_each(|(at, event)| writeln!(f, "  {at:3}  {event:?}"))
    }
}

impl Schedule {
    /// The schedule of this seed.
    pub fn of(seed: u64) -> Self {
        use crate::ledger::Mode;
        let dice = &mut Dice::new(seed);
        let replicas = if dice.chance(20) { 2 } else { 1 };
        let mode = match dice.roll(20) {
            0 => Mode::Observe,
            1 | 2 => Mode::UpsertOnly,
            _ => Mode::Sync,
        };
        let budget = dice.chance(35).then(|| (1 + dice.roll(3), 1 + dice.roll(4)));
        let slice = match seed % 8 {
            0 | 1 => Some(1),
            2 => Some(2),
            _ => None,
        };
        let refuses_each = dice.chance(10).then(|| 3 + dice.roll(8));
        let setup = Setup { replicas, mode, budget, slice, refuses_each };
        let mut events = Vec::new();
        if dice.chance(10) {
            events.push(Event::Answers { most: Some(dice.roll(2)) });
        }
        for identity in 0..1 + dice.roll(3) {
            let spec = spec(dice);
            events.push(Event::Identity { identity, spec, health: Health::Fine });
        }
        for _ in 0..2 + dice.roll(4) {
            events.push(pod(dice));
        }
        let length = 5 + usize::from(dice.roll(35));
        while events.len() < length {
            let event = event(dice, replicas);
            events.push(event);
        }
        Self { seed, setup, events }
    }
}

fn pod(dice: &mut Dice) -> Event {
    let phase = match dice.roll(12) {
        0 => PodPhase::Pending,
        1 => PodPhase::Finished,
        _ => PodPhase::Bound,
    };
    let namespace = if dice.chance(25) { 1 } else { 0 };
    Event::Pod {
        cluster: dice.roll(CLUSTERS),
        slot: dice.roll(SLOTS),
        app: dice.roll(3),
        namespace,
        node: dice.roll(FEW),
        role: dice.maybe(60, 2),
        phase,
    }
}

fn path(dice: &mut Dice) -> Path {
    match dice.roll(10) {
        0 | 1 => Path::ByApp,
        2 | 3 => Path::ByRole,
        other => Path::Fixed(other % 3),
    }
}

fn spec(dice: &mut Dice) -> Spec {
    let apps = match dice.roll(6) {
        0 | 1 => Apps::Any,
        2 => Apps::NotIn(dice.roll(3)),
        _ => Apps::One(dice.roll(3)),
    };
    let namespace = if dice.chance(20) { 1 } else { 0 };
    let place = match dice.roll(12) {
        0 | 1 => Place::Team(dice.roll(2)),
        2 => Place::Both(namespace, dice.roll(2)),
        3 => Place::Nowhere,
        _ => Place::Named(namespace),
    };
    let path = path(dice);
    Spec {
        apps,
        place,
        env: dice.maybe(15, 2),
        priority: dice.roll(2),
        fallback: dice.chance(12),
        preview: dice.chance(10),
        path,
        own_parent: dice.chance(25),
        ttl: dice.chance(30),
        services: dice.chance(20),
        plugin: dice.chance(30).then(|| plugin(dice)),
        rollout: dice.chance(40),
    }
}

fn plugin(dice: &mut Dice) -> Use {
    let config = if dice.chance(6) { REFUSED } else { dice.roll(REFUSED) };
    Use { plugin: Plugin { component: dice.roll(COMPONENTS), config }, falls_back: dice.chance(35) }
}

fn watch(dice: &mut Dice) -> u8 {
    match dice.roll(12) {
        0 => REGISTRIES,
        1 | 2 => OBJECTS,
        3 => PLUGINS,
        4..8 => dice.roll(CLUSTERS) * KINDS,
        _ => dice.roll(CLUSTERS * KINDS),
    }
}

fn fault(dice: &mut Dice) -> Fault {
    match dice.roll(10) {
        0 | 1 => Fault::Entry,
        2 => Fault::Call,
        3 => Fault::LostBefore,
        4 | 5 => Fault::LostAfter(dice.roll(3)),
        6 => Fault::Late(dice.roll(6)),
        7 => Fault::TooLarge(1 + dice.roll(10)),
        8 => Fault::Identity(dice.roll(3), 1 + dice.roll(30)),
        _ => Fault::List,
    }
}

fn event(dice: &mut Dice, replicas: u8) -> Event {
    let cluster = dice.roll(CLUSTERS);
    let slot = dice.roll(SLOTS);
    let replica = dice.roll(replicas);
    match dice.roll(120) {
        0..22 => pod(dice),
        22..32 => Event::PodGone { cluster, slot },
        32 => Event::PodMalformed { cluster, slot, nameless: dice.chance(40) },
        33..36 => Event::Node { cluster, node: dice.roll(FEW), fargate: dice.chance(10) },
        36 => Event::NodeMalformed { cluster, node: dice.roll(FEW) },
        37 => Event::NodeGone { cluster, node: dice.roll(FEW) },
        38..40 => Event::Namespace { cluster, namespace: dice.roll(FEW), team: dice.roll(2) },
        40 if dice.chance(50) => Event::NamespaceMalformed { cluster, namespace: dice.roll(FEW) },
        40 => Event::NamespaceGone { cluster, namespace: dice.roll(FEW) },
        41..44 => {
            let (slice, service) = (dice.roll(FEW), dice.roll(2));
            Event::Slice { cluster, slice, service, slots: dice.roll(1 << SLOTS) }
        }
        44 => Event::SliceGone { cluster, slice: dice.roll(FEW) },
        45..55 => {
            let health = match dice.roll(16) {
                0 => Health::Invalid,
                1 => Health::BadSelector,
                2 => Health::Unreadable,
                _ => Health::Fine,
            };
            Event::Identity { identity: dice.roll(IDENTITIES), spec: spec(dice), health }
        }
        55..58 => Event::IdentityDeleted { identity: dice.roll(IDENTITIES) },
        58 => Event::IdentityForced { identity: dice.roll(IDENTITIES) },
        59..62 => {
            let health = match dice.roll(10) {
                0 => Health::Invalid,
                1 => Health::Unreadable,
                _ => Health::Fine,
            };
            Event::Registry {
                cluster,
                env: dice.roll(2),
                way: dice.roll(2),
                enabled: dice.chance(80),
                health,
                lags: dice.chance(25),
            }
        }
        62 => Event::RegistryDeleted { cluster },
        63 | 108 => Event::Management { lost: dice.chance(60) },
        64..67 => Event::Lag { replica, watch: watch(dice), lags: dice.chance(60) },
        67 => Event::Relist { replica, watch: watch(dice) },
        68 => Event::Repeat { replica, watch: watch(dice) },
        69..72 => Event::Unreachable { cluster },
        72..74 => Event::Reachable { cluster, resumes: dice.chance(50) },
        74..76 => Event::Restart { replica, lags: dice.chance(35).then(|| watch(dice)) },
        76 => Event::Crash { calls: dice.roll(4), done: dice.chance(50) },
        77 if replicas > 1 => Event::Handover { late: dice.chance(30) },
        77..82 => Event::Fail { after: dice.roll(3), fault: fault(dice) },
        82 => Event::Down { down: dice.chance(60) },
        83 => Event::Slow { calls: dice.maybe(60, 4) },
        84 | 85 => Event::Foreign {
            cluster,
            slot,
            path: Path::Fixed(dice.roll(3)),
            equal: dice.chance(50),
            like_ours: dice.roll(4),
        },
        86 => Event::ForeignGone { nth: dice.roll(4) },
        87 => Event::DriftDeleted { nth: dice.roll(8) },
        88 => Event::DriftChanged { nth: dice.roll(8), key: dice.chance(50) },
        89 if dice.chance(50) => Event::Backup,
        89 => Event::Restore,
        90..92 => Event::Compare,
        92 => Event::Hour,
        93..96 => Event::Release { nth: dice.roll(3), wrong: dice.chance(25) },
        96 => Event::Unrelease,
        97..99 => {
            let plugin = dice.chance(80).then(|| plugin(dice));
            Event::Plugin { identity: dice.roll(IDENTITIES), plugin }
        }
        99..102 => {
            let fetching = match dice.roll(4) {
                0 | 1 => Fetching::Fails,
                2 => Fetching::Hangs,
                _ => Fetching::Works,
            };
            Event::Source { component: dice.roll(COMPONENTS), fetching }
        }
        102..105 => Event::Answers { most: dice.maybe(85, 2) },
        105 => {
            let watch = if dice.chance(50) { OBJECTS } else { PLUGINS };
            Event::Restart { replica, lags: Some(watch) }
        }
        112..118 => Event::Path { identity: dice.roll(IDENTITIES), path: path(dice) },
        118 => Event::Hour,
        _ => Event::Burst { events: 1 + dice.roll(4) },
    }
}
