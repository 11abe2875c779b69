//! One process: what it hears of the outside, and what it makes of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::{PREFIX, Passed, Scope, Violation, WINDOW};
use crate::brake::Budgets;
use crate::derive::Domains;
use crate::desired::PodKey;
use crate::entry::EntryId;
use crate::facts::demand::{Demand, Source};
use crate::facts::{Change, ClusterChange, ClusterIdentity, Phase};
use crate::guardrails::Guardrails;
use crate::index::{Index, Settings};
use crate::ledger::Ledger;
use crate::ledger::doubt::Intent;
use crate::rollout::Rollouts;
use crate::simulation::host::{Host, News};
use crate::simulation::outside::{self, Item, Kept, Outside, PodId, cluster_name};
use crate::simulation::rules::{Due, Told, Wish};
use crate::simulation::schedule::{CLUSTERS, KINDS, PLUGINS, REGISTRIES, Setup};
use crate::simulation::spire::{Owner, Row, Rows};
use crate::spiffe::TrustDomain;

#[derive(Debug)]
pub(super) struct Watch {
    pub(super) lags: bool,
    pub(super) must_list: bool,
    pub(super) pending: VecDeque<Item>,
    /// The last that it told since its list.
    pub(super) recent: VecDeque<Item>,
    pub(super) demand: Arc<Demand>,
}

/// A connection to one cluster.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) number: u64,
    /// By the rules' own count.
    pub(super) session: u32,
    pub(super) live: bool,
}

/// A list of all that SPIRE holds, of which some pages were told.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The last entry that it told.
    pub(super) last: Option<EntryId>,
    /// All that it told or that was written meanwhile.
    pub(super) told: BTreeSet<EntryId>,
    /// What was in doubt when it began.
    pub(super) in_doubt: Vec<EntryId>,
}

/// One process.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) index: Index,
    pub(super) ledger: Ledger,
    pub(super) rollouts: Rollouts,
    pub(super) told: Told,
    /// So many pods are derived before the writer goes on.
    slice: usize,
    /// What it was told when everything was last derived, and since, while pods are left to be.
    pub(super) before: Vec<Told>,
    /// What its writer knows of SPIRE.
    pub(super) known: Rows,
    pub(super) watches: Vec<Watch>,
    pub(super) connections: [Option<Connection>; CLUSTERS as usize],
    pub(super) demand: Arc<Demand>,
    /// SPIRE is not asked before.
    pub(super) paused_until: Option<Instant>,
    pub(super) must_compare: bool,
    /// A list that has begun.
    pub(super) listing: Option<Listing>,
    /// Which identities each entry may have served since the process began, beside the one that it was made for.
    pub(super) served: BTreeMap<EntryId, BTreeSet<u8>>,
    /// Deletes and changes of identity that were carried out, and against whose budgets they count.
    pub(super) passed: Vec<Passed>,
    /// Whatever was let through, carried out or not: nobody knows of a call whose answer was lost.
    pub(super) let_through: BTreeMap<EntryId, Vec<Scope>>,
    /// What was let through before is carried out late: until then the window says nothing.
    pub(super) blind_until: Option<Instant>,
    /// Entries of which nobody knows what a call has done with them, and their pods.
    pub(super) in_doubt: BTreeMap<EntryId, PodId>,
    /// A call or a write failed, or others altered what stands: what the brake let through counts there, and perhaps was never planned again.
    pub(super) has_failed: bool,
    /// Lists are empty, and what they have comes one by one after them.
    pub(super) hears_singly: bool,
    pub(super) pages_failed: u32,
    /// What ended connections have not told yet.
    pub(super) leftovers: Vec<Leftover>,
    /// Runs its plugins.
    pub(super) host: Host,
    /// Entries that serve another of the same identity than they were made for.
    pub(super) moved: BTreeSet<EntryId>,
    /// Something that the index asked of plugins and that makes no sense.
    pub(super) confusion: Option<Violation>,
    /// How many questions its plugins were asked.
    pub(super) asked: u64,
}

/// Something that an ended connection tells.
#[derive(Debug)]
pub(super) struct Leftover {
    pub(super) watch: u8,
    pub(super) number: u64,
    pub(super) session: u32,
    pub(super) item: Item,
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
    pub(super) fn new(setup: Setup) -> Self {
        let watch = || Watch {
            lags: false,
            must_list: true,
            pending: VecDeque::new(),
            recent: VecDeque::new(),
            demand: Arc::default(),
        };
        Self {
            index: Index::new(settings()),
            rollouts: Rollouts::default(),
            ledger: Ledger::new(PREFIX, setup.mode, budgets(setup)),
            told: Told::default(),
            slice: setup.slice.map_or(usize::MAX, usize::from),
            before: Vec::new(),
            known: Rows::new(),
            watches: (0..=PLUGINS).map(|_| watch()).collect(),
            connections: [const { None }; CLUSTERS as usize],
            demand: Arc::default(),
            paused_until: None,
            must_compare: false,
            listing: None,
            served: BTreeMap::new(),
            passed: Vec::new(),
            let_through: BTreeMap::new(),
            blind_until: None,
            in_doubt: BTreeMap::new(),
            has_failed: false,
            hears_singly: false,
            pages_failed: 0,
            leftovers: Vec::new(),
            host: Host::default(),
            moved: BTreeSet::new(),
            confusion: None,
            asked: 0,
        }
    }

    /// Killed and started again: it knows nothing, and watches that did not answer still do not.
    pub(super) fn restart(&mut self, setup: Setup) {
        let before = std::mem::replace(self, Self::new(setup));
        for (now, before) in self.watches.iter_mut().zip(before.watches) {
            now.lags = before.lags;
        }
    }

    /// Notes which identities the known entries may serve now.
    pub(super) fn note_served(&mut self) {
        for (id, row) in &self.known {
            let Some(owner) = row.owner else { continue };
            let Some(wishes) = self.told.wishes(owner.pod) else { continue };
            let is_moved = |wish: &Wish| {
                wish.texts.key == row.texts.key && wish.identity == owner.identity && wish.slot != owner.slot
            };
            if wishes.entries.iter().any(is_moved) {
                self.moved.insert(id.clone());
            }
            let serves = wishes.entries.iter().filter(|wish| wish.texts.key == row.texts.key);
            let others = serves.map(|wish| wish.identity).filter(|identity| *identity != owner.identity);
            for identity in others {
                self.served.entry(id.clone()).or_default().insert(identity);
            }
        }
    }

    /// What may become of an entry that its pod is not to have: an entry that has served several identities may count as
    /// any one's.
    pub(super) fn dues(&self, row: &Row, owner: Owner) -> Vec<(u8, Due)> {
        let served = self.served.get(&row.observed.id).into_iter().flatten();
        let identities = [owner.identity].into_iter().chain(served.copied());
        identities.map(|identity| (identity, self.told.due(owner.pod, identity))).collect()
    }

    /// Whether an entry may have served another identity than it was made for, or another of the same.
    pub(super) fn has_passed(&self, id: &EntryId) -> bool {
        self.served.contains_key(id) || self.moved.contains(id)
    }

    /// Nobody knows what of a call was done with this entry.
    pub(super) fn doubt(&mut self, pod: PodId, key: &PodKey, id: &EntryId, intent: Intent) {
        self.ledger.doubt(key, id, intent);
        self.in_doubt.insert(id.clone(), pod);
    }

    /// Only a list can tell what of calls was done.
    pub(super) fn doubt_all(&mut self) {
        self.ledger.doubt_all();
        self.listing = None;
    }

    /// Nobody knows what others write.
    pub(super) fn others_write(&mut self) {
        self.ledger.others_write();
        self.listing = None;
    }

    /// Every other page that fails ends its list.
    pub(super) fn page_failed(&mut self) {
        self.pages_failed += 1;
        if self.pages_failed.is_multiple_of(2) {
            self.ledger.break_list();
            self.listing = None;
            self.must_compare = true;
        }
    }

    /// Notes what is known now of an entry.
    pub(super) fn note(&mut self, id: &EntryId, row: Option<Rc<Row>>) {
        if let Some(listing) = &mut self.listing {
            listing.told.insert(id.clone());
        }
        match row {
            Some(row) => drop(self.known.insert(id.clone(), row)),
            None => drop(self.known.remove(id)),
        }
    }

    /// Lets one watch tell what it has to tell.
    pub(super) fn deliver(&mut self, watch: u8, outside: &Outside, turn: usize) {
        let it = &mut self.watches[usize::from(watch)];
        if it.lags {
            return;
        }
        if watch == PLUGINS {
            for (change, news) in self.host.news(outside, turn) {
                match news {
                    News::Stands(plugin, can_be_asked) => self.told.hear_plugin(plugin, can_be_asked),
                    News::Answered(question) => self.told.hear_answer(question),
                }
                self.index.apply(change);
            }
            return;
        }
        if watch >= REGISTRIES {
            if std::mem::take(&mut it.must_list) {
                let items = it.begin(outside.list(watch), self.hears_singly);
                self.told.hear_all(watch, &items, Kept::default(), None);
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
            self.told.hear_all(watch, &items, Kept::by(&self.demand), Some(session));
            self.index.apply(Change::Cluster(cluster_name(cluster), number, change));
        }
        while let Some(item) = self.watches[usize::from(watch)].next() {
            self.tell(cluster, &item, number, session, usize::from(watch));
        }
    }

    pub(super) fn tell(&mut self, cluster: u8, item: &Item, number: u64, session: u32, watch: usize) {
        match item {
            Item::Pod(..) | Item::PodGone(_) => self.told.hear(item, Some(session)),
            _ => self.told.hear_of(cluster, item, session),
        }
        let change = outside::told(item, &self.watches[watch].demand);
        self.index.apply(Change::Cluster(cluster_name(cluster), number, change));
    }

    pub(super) fn tell_phase(&mut self, cluster: u8, phase: Phase) {
        let Some(connection) = &mut self.connections[usize::from(cluster)] else { return };
        connection.live = phase == Phase::Live;
        let (number, session) = (connection.number, connection.session);
        self.told.hear_phase(cluster, connection.live, session);
        self.index.apply(Change::Cluster(cluster_name(cluster), number, ClusterChange::Phase(phase)));
    }

    /// Tells that a cluster is live once every kind is listed over a connection that works.
    pub(super) fn go_live(&mut self, outside: &Outside) {
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
    pub(super) fn settle(&mut self, outside: &Outside) -> bool {
        let settled = self.index.settle_some(self.slice);
        self.told.settle();
        self.ledger.apply(&settled.delta);
        let mut goes_on = false;
        if let Some(plugins) = settled.plugins {
            self.host.want(plugins.keys());
            goes_on = true;
        }
        for asking in settled.asking {
            goes_on = true;
            match self.host.hear(asking) {
                Ok(Some(question)) => {
                    self.asked += 1;
                    self.told.ask(&question);
                }
                Ok(None) => {}
                Err(confusion) => self.confusion = Some(confusion),
            }
        }
        if self.slice != usize::MAX {
            if !self.index.is_unsettled() {
                self.before.clear();
            }
            // As told until now pods may go on being served that are not derived anew.
            self.before.push(self.told.clone());
        }
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

pub(super) fn unreachable_phase() -> Phase {
    Phase::Unreachable { reason: "Test", message: String::new() }
}
