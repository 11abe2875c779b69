//! One schedule from its first event to silence: replicas, what they hear, what their writer does, and what must hold.

mod checks;
mod events;
mod replica;
mod rollout;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use checks::is_at_rest;
use k8s_openapi::jiff::Timestamp;
use replica::{Leftover, Replica};

use super::outside::{Item, Outside};
use super::schedule::{CLUSTERS, Event, Fetching, IDENTITIES, KINDS, PLUGINS, Schedule, Setup};
use super::spire::{Row, Spire, Wish};
use crate::entry::EntryId;
use crate::ledger::RoundLimits;

/// What broke a rule.
pub type Violation = String;

/// What entry ids of ours begin with.
const PREFIX: &str = "t-";
/// What one round looks at and writes at most, and one call: few, so that rounds and calls are many.
const LIMITS: RoundLimits = RoundLimits { pods: 4, writes: 3, updates: 2 };
const BATCH: usize = 2;
/// The brake's window.
const WINDOW: Duration = Duration::from_secs(600);
/// Longer than the brake's window and than any pause.
const HOUR: Duration = Duration::from_secs(3600);
/// How many times the writer may go on before it counts as not coming to rest.
const MOST_TURNS: u32 = 400;
/// How many times a process looks at what follows from what it has asked for: lists of more fields, plugins, their answers.
const MOST_LOOKS: u32 = 8;

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
    /// Entries that SPIRE was asked for one by one.
    pub asked: u64,
    /// Questions that plugins were asked.
    pub questions: u64,
    /// Times at which everything was at rest and compared with the rules.
    pub rests: u64,
    /// Waves of rollouts.
    pub waves: u64,
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
        self.asked += other.asked;
        self.questions += other.questions;
        self.rests += other.rests;
        self.waves += other.waves;
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
    /// Entries that nobody's object was known of when the leader last looked: plans are of these.
    orphans: BTreeSet<EntryId>,
    /// As they were when somebody released them, by digest.
    let_go: BTreeMap<String, BTreeSet<EntryId>>,
    /// What was rightly released, by number of writes.
    released: usize,
    foreign_made: u64,
    /// When each identity was last edited, or its rollout went on.
    edited: [Instant; IDENTITIES as usize],
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
    tally.questions += simulation.replicas.iter().map(|replica| replica.asked).sum::<u64>();
    Ok(tally)
}

impl Simulation {
    fn new(setup: Setup) -> Self {
        let now = Instant::now();
        Self {
            setup,
            outside: Outside::new(),
            spire: Spire { refuses_each: setup.refuses_each, ..Spire::default() },
            replicas: (0..setup.replicas).map(|_| Replica::new(setup)).collect(),
            leader: 0,
            now,
            nonce: 0,
            listed_at: Timestamp::UNIX_EPOCH,
            steps: 0,
            burst: 0,
            calls_between: None,
            handover: None,
            in_flight: None,
            orphans: BTreeSet::new(),
            let_go: BTreeMap::new(),
            released: 0,
            foreign_made: 0,
            edited: [now; IDENTITIES as usize],
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
        if self.steps.is_multiple_of(5) {
            self.read_along();
        }
        let leader = self.leader;
        self.work(leader, self.calls_between)?;
        if let Some(late) = self.handover.take() {
            self.replicas[leader].others_write();
            self.leader = (leader + 1) % self.replicas.len();
            if !late && let Some(batch) = self.in_flight.take() {
                self.spire.carry_out_late(&batch);
            }
            // Its own pauses are not known to the other; that of SPIRE is.
            self.work(self.leader, self.calls_between)?;
        }
        if self.write_status()? {
            self.hear();
            self.work(self.leader, self.calls_between)?;
        }
        let replica = &self.replicas[self.leader];
        let is_orphan =
            |row: &Row| row.owner.is_some_and(|owner| replica.told.is_orphan(owner.pod, owner.identity));
        let orphans = replica.known.iter().filter(|(_, row)| is_orphan(row));
        self.orphans = orphans.map(|(id, _)| id.clone()).collect();
        self.check_rest()
    }

    fn hear(&mut self) {
        let leader = self.leader;
        for (at, replica) in self.replicas.iter_mut().enumerate() {
            replica.host.left = self.outside.answers;
            for _ in 0..MOST_LOOKS {
                // Watches are independent of one another: another one is first each time.
                for watch in 0..=PLUGINS {
                    let watch = (watch + (self.steps % usize::from(PLUGINS)) as u8) % (PLUGINS + 1);
                    replica.deliver(watch, &self.outside, self.steps);
                }
                replica.go_live(&self.outside);
                if !replica.settle(&self.outside) {
                    break;
                }
            }
            // The leader's writer works while the rest is derived.
            while at != leader && replica.index.is_unsettled() {
                replica.settle(&self.outside);
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
        for (at, replica) in self.replicas.iter_mut().enumerate() {
            if at != leader {
                // What others write while we do not lead is not known.
                replica.others_write();
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

    /// Everything works again; what stands is what the rules say, and nothing more is written.
    fn end(&mut self) -> Result<(), Violation> {
        self.burst = 0;
        self.calls_between = None;
        self.spire.mend();
        for replica in &mut self.replicas {
            replica.watches.iter_mut().for_each(|watch| watch.lags = false);
        }
        self.outside.answers = None;
        for fetching in self.outside.sources.iter_mut().filter(|it| **it == Fetching::Hangs) {
            *fetching = Fetching::Works;
        }
        (0..CLUSTERS).for_each(|cluster| self.reachable(cluster, true));
        for _ in 0..12 {
            self.pass(Duration::from_secs(400));
            self.proceed()?;
        }
        self.happen(Event::Compare);
        self.proceed()?;
        // What others have deleted may have held a plan, and that a rollout.
        for _ in 0..4 {
            self.pass(Duration::from_secs(400));
            self.proceed()?;
        }
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
        self.check_rollouts_end()?;
        self.check_questions()?;
        if let Some(question) = self.replicas[self.leader].host.open().first() {
            return Err(format!("{question:?} is never answered"));
        }
        self.check_from_scratch()?;
        // What passed the brake is forgotten with the process; without it, a new process has nothing to do.
        // Nor does it know what an entry served that goes by another identity's id.
        // With a plugin that it cannot load, the templates decide where that is wanted, and everything else stays.
        let leader = &self.replicas[self.leader];
        let is_same = leader.host.would_load_all(&self.outside) || !leader.told.falls_back();
        if self.setup.budget.is_none() && leader.served.is_empty() && is_same {
            self.replicas[self.leader].restart(self.setup);
            self.proceed()?;
            self.proceed()?;
            if self.spire.writes != writes {
                return Err("something is written because the process starts anew".to_owned());
            }
        }
        Ok(())
    }
}
