//! The book over a server of its own: orphans, adoption, comparisons.

use std::sync::Arc;

use super::doubt::{Intent, Standing};
use super::*;
use crate::desired::{ClusterStanding, PodDesired, Wanted};
use crate::drift::Drift;
use crate::entry::{Entry, EntryKey};
use crate::names::PodUid;
use crate::spiffe::{Selector, SpiffeId};

const LIMITS: RoundLimits = RoundLimits { pods: 1000, writes: 1000, updates: 1000 };
const SYNCED: ClusterStanding = ClusterStanding::Synced { complete: true };
const CONNECTING: ClusterStanding = ClusterStanding::Held(Hold::Connecting);

/// A book and the server that it is about.
struct World {
    ledger: Ledger,
    spire: BTreeMap<EntryId, Entry>,
    /// Every write, in order: `+`, `~`, `-` and the id; `=` and the id of an entry that is there already.
    writes: Vec<String>,
    now: Instant,
    nonce: u64,
}

impl World {
    fn new(ledger: Ledger) -> Self {
        Self { ledger, spire: BTreeMap::new(), writes: Vec::new(), now: Instant::now(), nonce: 0 }
    }

    fn start() -> Self {
        Self::new(Ledger::new("t-", Mode::Sync, Budgets::default()))
    }

    fn observed(&self) -> Vec<Observed> {
        self.spire.iter().map(|(id, entry)| Observed::of(id.clone(), entry)).collect()
    }

    fn list(&mut self) -> Drift {
        let observed = self.observed();
        self.ledger.observe(observed, Timestamp::UNIX_EPOCH)
    }

    /// Rounds until there is nothing to do.
    fn work(&mut self) {
        for _ in 0..100 {
            if !self.ledger.has_work(self.now, true) {
                return;
            }
            let nonce = &mut self.nonce;
            let round = self.ledger.round(self.now, LIMITS, || {
                *nonce += 1;
                Nonce::new(*nonce)
            });
            assert_eq!(round.faults, []);
            for plan in round.plans {
                for write in plan.creates.iter().chain(&plan.updates) {
                    let key = &write.wanted.entry().unwrap().key;
                    let holder = self.spire.iter().find(|(id, it)| it.key == *key && **id != write.id);
                    if let Some((id, entry)) = holder {
                        self.writes.push(format!("={id}"));
                        self.ledger.found(&plan.pod, Observed::of(id.clone(), entry));
                        continue;
                    }
                    let sign = if plan.creates.contains(write) { '+' } else { '~' };
                    self.writes.push(format!("{sign}{}", write.id));
                    self.spire.insert(write.id.clone(), (*write.wanted.entry().unwrap()).clone());
                    self.ledger.written(&plan.pod, write);
                }
                for delete in &plan.deletes {
                    self.writes.push(format!("-{} {}", delete.id, delete.end.reason()));
                    assert!(self.spire.remove(&delete.id).is_some());
                    self.ledger.gone(&plan.pod, &delete.id);
                }
            }
        }
        panic!("the writer does not come to rest");
    }

    /// The only entry of a pod of cluster `east`.
    fn id_of(&self, uid: &str) -> EntryId {
        self.ledger.mirror().of_pod(&key("east", uid)).next().unwrap().0
    }

    /// Rounds until there is nothing to do, of which nobody knows what was done.
    fn lose(&mut self) -> Vec<PodPlan> {
        let mut plans = Vec::new();
        while self.ledger.has_work(self.now, true) {
            let nonce = &mut self.nonce;
            let round = self.ledger.round(self.now, LIMITS, || {
                *nonce += 1;
                Nonce::new(*nonce)
            });
            for plan in &round.plans {
                for write in plan.creates.iter().chain(&plan.updates) {
                    self.ledger.doubt(&plan.pod, &write.id, Intent::Write);
                }
                for delete in &plan.deletes {
                    self.ledger.doubt(&plan.pod, &delete.id, Intent::Delete);
                }
                self.ledger.again(&plan.pod);
            }
            plans.extend(round.plans);
        }
        plans
    }

    /// What the server says of all that is in doubt.
    fn answer(&mut self) -> Vec<(EntryId, Standing)> {
        let ids: Vec<EntryId> = self.ledger.in_doubt().cloned().collect();
        let mut standings = Vec::new();
        for id in ids {
            let found = self.spire.get(&id).map(|entry| Observed::of(id.clone(), entry));
            let (_, standing) = self.ledger.answered(&id, found, Timestamp::UNIX_EPOCH).unwrap();
            standings.push((id, standing));
        }
        standings
    }

    fn apply(&mut self, delta: Delta) {
        self.ledger.apply(&Delta { ready: true, ..delta });
        self.work();
    }

    fn release(&mut self, digests: &[&str]) {
        let released = digests.iter().map(ToString::to_string).collect();
        self.apply(Delta { released: Some(Arc::new(released)), ..Delta::default() });
    }

    fn orphans(&mut self) -> Vec<OrphanPlan> {
        self.ledger.outcome(None).orphans
    }
}

fn cluster(name: &str) -> ClusterName {
    ClusterName::new(name).unwrap()
}

fn identity(name: &str) -> IdentityName {
    IdentityName::new(name).unwrap()
}

fn key(cluster: &str, uid: &str) -> PodKey {
    PodKey { cluster: ClusterTag::of(&self::cluster(cluster)), pod: PodUid::new(uid).unwrap() }
}

fn entry(uid: &str, path: &str, hint: &str) -> Entry {
    let id = |path: &str| SpiffeId::new(format!("spiffe://example.org/{path}")).unwrap();
    let selectors = [Selector::pod_uid(&PodUid::new(uid).unwrap())].into();
    let key = EntryKey { spiffe_id: id(path), parent_id: id("node"), selectors };
    Entry { hint: hint.to_owned(), ..Entry::of_key(key) }
}

/// A pod of cluster `east` that identity `web` gives such an entry.
fn pod(uid: &str, path: &str) -> (PodKey, Option<Arc<PodDesired>>) {
    let pod = PodUid::new(uid).unwrap();
    let wanted = vec![Wanted::new(&identity("web"), &pod, 0, entry(uid, path, ""))];
    (key("east", uid), Some(Arc::new(PodDesired { wanted: wanted.into(), ..PodDesired::default() })))
}

fn own_id(cluster: &str, identity: &str, uid: &str) -> EntryId {
    let key = key(cluster, uid);
    let digest = EntryDigest::of(&self::identity(identity), &key.pod, 0);
    EntryId::make("t-", &key.cluster, &digest, &Nonce::new(u64::MAX))
}

fn predecessors_id(digit: char) -> EntryId {
    EntryId::observed(&format!("t-{}", digit.to_string().repeat(64)))
}

/// Cluster `east` in step, identity `web`, and these pods of it.
fn facts(pods: Vec<(PodKey, Option<Arc<PodDesired>>)>) -> Delta {
    Delta {
        clusters: vec![(cluster("east"), Some(SYNCED))],
        identities: vec![(identity("web"), Some(IdentityStanding::Live))],
        pods,
        ..Delta::default()
    }
}

#[test]
fn orphans_stay_until_exactly_they_are_released() {
    let mut world = World::start();
    for uid in ["u1", "u2"] {
        world.spire.insert(own_id("gone", "web", uid), entry(uid, uid, ""));
    }
    // Of an identity that nobody knows, on a pod that another one wants something of.
    world.spire.insert(own_id("east", "lost", "u3"), entry("u3", "lost", ""));
    world.list();
    world.apply(facts(vec![pod("u3", "three")]));
    let (created, plans) = (world.writes.len(), world.orphans());
    assert_eq!(created, 1, "{:?}", world.writes);
    let causes: Vec<(Hold, u64)> = plans.iter().map(|plan| (plan.cause, plan.entries)).collect();
    assert_eq!(causes, [(Hold::UnknownCluster, 2), (Hold::UnknownIdentity, 1)]);
    assert_eq!(plans[1].cluster, Some(cluster("east")));
    let of_cluster = plans[0].digest.clone().unwrap();
    // One more: the digest is void.
    world.spire.insert(own_id("gone", "web", "u4"), entry("u4", "u4", ""));
    world.list();
    world.release(&[&of_cluster]);
    assert_eq!(world.spire.len(), 5);
    let now = world.orphans()[0].digest.clone().unwrap();
    assert_ne!(now, of_cluster);
    world.release(&[&now]);
    let deleted: Vec<&String> = world.writes[created..].iter().collect();
    assert_eq!(deleted.len(), 3);
    assert!(
        deleted.iter().all(|write| write.starts_with('-') && write.ends_with(" Released")),
        "{deleted:?}"
    );
    assert_eq!(world.orphans().len(), 1, "the other plan was not released");
    // An entry that comes back, from an older database for example, is not what was released.
    world.spire.insert(own_id("gone", "web", "u1"), entry("u1", "u1", ""));
    world.list();
    world.work();
    assert_eq!(world.spire.len(), 3);
    assert_eq!(world.orphans().len(), 2);
}

#[test]
fn a_release_of_orphans_is_not_held_by_the_brake_and_brakes_nothing_else() {
    let budgets =
        Budgets { scope_share: 0, scope_number: 0, fleet_share: 0, fleet_number: 0, ..Budgets::default() };
    let mut world = World::new(Ledger::new("t-", Mode::Sync, budgets));
    for number in 0..20 {
        let uid = format!("u{number}");
        world.spire.insert(own_id("gone", "web", &uid), entry(&uid, &uid, ""));
    }
    world.list();
    world.apply(facts(Vec::new()));
    let digest = world.orphans()[0].digest.clone().unwrap();
    world.release(&[&digest]);
    assert!(world.spire.is_empty(), "{:?}", world.spire.keys());
    assert!(world.ledger.outcome(None).braked_fleet.is_none());
}

#[test]
fn orphans_are_nobodys_no_more_once_their_registry_or_identity_is_there() {
    let mut world = World::start();
    world.spire.insert(own_id("east", "web", "u1"), entry("u1", "one", ""));
    world.list();
    world.apply(Delta { identities: facts(Vec::new()).identities, ..Delta::default() });
    assert_eq!(world.orphans().len(), 1);
    let digest = world.orphans()[0].digest.clone().unwrap();
    world.apply(facts(vec![pod("u1", "one")]));
    assert_eq!(world.orphans(), []);
    // What was a plan's digest releases nothing now, nor when the registry goes again unseen: it is released already, so
    // the annotation has to be written anew where it is the same plan once more.
    world.release(&[&digest]);
    assert_eq!(world.spire.len(), 1);
    assert_eq!(world.writes, Vec::<String>::new());
}

#[test]
fn with_deletes_forbidden_a_released_plan_is_told_and_stays() {
    let mut world = World::new(Ledger::new("t-", Mode::UpsertOnly, Budgets::default()));
    world.spire.insert(own_id("gone", "web", "u1"), entry("u1", "u1", ""));
    world.list();
    world.apply(facts(Vec::new()));
    let digest = world.orphans()[0].digest.clone().unwrap();
    world.release(&[&digest]);
    assert_eq!(world.spire.len(), 1);
    let held = world.ledger.outcome(None).held;
    assert_eq!((held.get(&Hold::UpsertOnly), held.get(&Hold::UnknownCluster)), (Some(&1), Some(&0)));
}

#[test]
fn the_predecessors_entry_is_kept_or_updated_under_its_id_where_a_pod_is_to_have_its_key() {
    let mut world = World::new(Ledger::new("t-", Mode::Sync, Budgets::default()).adopting());
    let (same, hinted, left) = (predecessors_id('a'), predecessors_id('b'), predecessors_id('c'));
    world.spire.insert(same.clone(), entry("u1", "one", ""));
    world.spire.insert(hinted.clone(), entry("u2", "two", "workloadidentity:web:east"));
    world.spire.insert(left.clone(), entry("u3", "old", ""));
    world.list();
    // Nobody can say whose they are as long as a cluster is not in step.
    let connecting = Some(ClusterStanding::Held(Hold::Connecting));
    world.apply(Delta { clusters: vec![(cluster("east"), connecting)], ..Delta::default() });
    let plans = world.orphans();
    assert_eq!((plans[0].cause, plans[0].entries, &plans[0].digest), (Hold::Predecessor, 3, &None));
    world.apply(facts(vec![pod("u1", "one"), pod("u2", "two"), pod("u3", "three")]));
    assert_eq!(world.writes[0], format!("~{hinted}"));
    assert!(world.writes[1].starts_with("+t-v1."), "{:?}", world.writes);
    assert_eq!(world.writes.len(), 2);
    let plans = world.orphans();
    assert_eq!((plans.len(), plans[0].entries, plans[0].examples.clone()), (1, 1, vec![left.clone()]));
    // A list changes nothing of that, and what is adopted ends as everything else does, after a change of its key too.
    assert!(world.list().is_none());
    world.apply(facts(vec![pod("u1", "new")]));
    assert_eq!(world.writes[2..], [format!("~{same}")]);
    world.apply(Delta { pods: vec![(key("east", "u1"), None)], ..Delta::default() });
    assert_eq!(world.writes[3..], [format!("-{same} PodGone")]);
    let digest = world.orphans()[0].digest.clone().unwrap();
    world.release(&[&digest]);
    assert_eq!(world.writes[4..], [format!("-{left} Released")]);
    assert_eq!(world.orphans(), []);
}

#[test]
fn without_adopt_the_predecessors_entries_are_others() {
    let mut world = World::start();
    world.spire.insert(predecessors_id('a'), entry("u1", "one", ""));
    world.spire.insert(predecessors_id('b'), entry("u2", "two", "its own"));
    world.list();
    world.apply(facts(vec![pod("u1", "one"), pod("u2", "two")]));
    assert_eq!(world.writes, Vec::<String>::new());
    let outcome = world.ledger.outcome(None);
    let tally = &outcome.identities[&identity("web")];
    // Equal, so that it serves; otherwise a conflict that nobody fights over.
    assert_eq!((tally.in_place, tally.failing, outcome.foreign), (1, 1, 2));
    assert_eq!(outcome.orphans, []);
}

#[test]
fn what_is_written_between_pages_is_neither_undone_nor_drift() {
    let mut world = World::start();
    world.list();
    world.apply(facts(vec![pod("u1", "one"), pod("u2", "two"), pod("u3", "three")]));
    let mut pages = world.observed().into_iter();
    world.ledger.begin_list();
    let first: Vec<Observed> = pages.next().into_iter().collect();
    world.ledger.page(first, Timestamp::UNIX_EPOCH);
    // A pod that the rest of the list may tell of or not, one that the list told of, and one that it still tells of.
    world.apply(Delta {
        pods: vec![pod("u4", "four"), (key("east", "u1"), None), (key("east", "u2"), None)],
        ..Delta::default()
    });
    let still_there: Vec<Observed> = pages.filter(|it| world.spire.contains_key(&it.id)).collect();
    world.ledger.page(still_there, Timestamp::UNIX_EPOCH);
    let writes = world.writes.len();
    assert_eq!(world.ledger.end_list(Timestamp::UNIX_EPOCH), Drift::default());
    world.work();
    assert_eq!(world.writes.len(), writes, "{:?}", world.writes);
    assert!(world.list().is_none());
}

#[test]
fn what_others_do_is_counted_by_cause_and_mended() {
    let mut world = World::start();
    world.list();
    world.apply(facts(vec![pod("u1", "one"), pod("u2", "two"), pod("u3", "three")]));
    let ids: Vec<EntryId> = world.spire.keys().cloned().collect();
    world.spire.remove(&ids[0]);
    world.spire.get_mut(&ids[1]).unwrap().hint = "changed".to_owned();
    world.spire.insert(own_id("east", "web", "u9"), entry("u9", "nine", ""));
    world.spire.insert(EntryId::observed("t-workload-1"), entry("u8", "eight", ""));
    world.spire.insert(EntryId::observed("somebody-elses"), entry("u7", "seven", ""));
    let drift = world.list();
    assert_eq!(drift, Drift { changed: 1, deleted: 1, appeared: 1, under_our_prefix: 1 });
    world.work();
    let foreign = ["somebody-elses", "t-workload-1"];
    assert!(foreign.iter().all(|id| world.spire.contains_key(&EntryId::observed(id))));
    assert_eq!(world.spire.len(), 5);
    assert!(world.list().is_none());
}

#[test]
fn a_list_that_breaks_off_loses_nothing_and_deletes_nothing() {
    let mut world = World::start();
    world.list();
    world.apply(facts(vec![pod("u1", "one"), pod("u2", "two"), pod("u3", "three")]));
    let gone = world.spire.keys().next().cloned().unwrap();
    world.spire.remove(&gone);
    world.ledger.begin_list();
    let some: Vec<Observed> = world.observed().into_iter().take(1).collect();
    world.ledger.page(some, Timestamp::UNIX_EPOCH);
    world.ledger.break_list();
    world.work();
    assert_eq!(world.writes.len(), 3);
    // The next one begins from nothing and finds what is missing, and only that.
    assert_eq!(world.list(), Drift { deleted: 1, ..Drift::default() });
    world.work();
    assert_eq!((world.writes.len(), world.spire.len()), (4, 3));
}

#[test]
fn where_only_a_list_can_tell_nothing_is_written_before_one_from_its_beginning() {
    let mut world = World::start();
    world.list();
    world.apply(facts(vec![pod("u1", "one")]));
    world.ledger.begin_list();
    world.ledger.doubt_all();
    world.ledger.page(Vec::new(), Timestamp::UNIX_EPOCH);
    assert_eq!(world.ledger.end_list(Timestamp::UNIX_EPOCH), Drift::default());
    assert!(world.ledger.needs_list(), "a list that began before tells nothing of what came then");
    world.apply(facts(vec![pod("u2", "two")]));
    assert_eq!(world.writes.len(), 1);
    world.list();
    world.work();
    assert_eq!(world.writes.len(), 2);
}

#[test]
fn after_an_unknown_outcome_its_pods_wait_until_spire_was_asked_and_no_others() {
    let mut world = World::start();
    world.list();
    world.apply(facts(vec![pod("u1", "one"), pod("u2", "two"), pod("u3", "three")]));
    let second = world.id_of("u2");
    // One is updated, one is deleted, two are new; the first and the third are done, and no answer comes.
    let changes = vec![pod("u1", "other"), (key("east", "u2"), None), pod("u4", "four"), pod("u5", "five")];
    world.ledger.apply(&Delta { ready: true, pods: changes, ..Delta::default() });
    let plans = world.lose();
    let of = |uid: &str| plans.iter().find(|plan| plan.pod == key("east", uid)).unwrap();
    let (updated, created) = (&of("u1").updates[0], &of("u4").creates[0]);
    let absent = of("u5").creates[0].id.clone();
    for write in [updated, created] {
        world.spire.insert(write.id.clone(), (*write.wanted.entry().unwrap()).clone());
    }
    assert!(world.ledger.is_in_doubt() && !world.ledger.needs_list());
    let writes = world.writes.len();
    // Whatever is told of these pods now waits; others do not.
    let changes = vec![pod("u1", "third"), (key("east", "u4"), None), pod("u6", "six")];
    world.apply(Delta { pods: changes, ..Delta::default() });
    let told = world.writes[writes..].to_vec();
    assert!(told.len() == 1 && world.spire.contains_key(&EntryId::observed(&told[0][1..])), "{told:?}");
    assert!(!world.ledger.has_work(world.now, true), "what waits is no work");
    assert_eq!((world.ledger.backlog(), world.ledger.outcome(None).queued), (4, 4));
    let standings = world.answer();
    assert_eq!(standings.len(), 4);
    let standing = |id: &EntryId| standings.iter().find(|(it, _)| it == id).unwrap().1;
    assert_eq!((standing(&updated.id), standing(&created.id)), (Standing::Stands, Standing::Stands));
    assert_eq!((standing(&second), standing(&absent)), (Standing::Stands, Standing::Absent));
    world.work();
    let told = world.writes[writes + 1..].to_vec();
    let fifth = told.iter().find(|write| write.starts_with('+')).expect("made under a new id");
    assert!(!fifth.contains(absent.as_str()), "{told:?}");
    let deleted = |id: &EntryId| told.contains(&format!("-{id} PodGone"));
    assert!(
        deleted(&second) && deleted(&created.id) && told.contains(&format!("~{}", updated.id)),
        "{told:?}"
    );
    assert_eq!((told.len(), world.spire.len()), (4, 4));
    assert!(world.list().is_none());
}

#[test]
fn what_was_to_be_deleted_and_is_absent_is_done_and_what_was_to_be_updated_was_deleted_by_others() {
    let mut world = World::start();
    world.list();
    world.apply(facts(vec![pod("u1", "one"), pod("u2", "two")]));
    let (first, second) = (world.id_of("u1"), world.id_of("u2"));
    let changes = vec![(key("east", "u1"), None), pod("u2", "other")];
    world.ledger.apply(&Delta { ready: true, pods: changes, ..Delta::default() });
    world.lose();
    world.spire.clear();
    let standings: BTreeMap<EntryId, Standing> = world.answer().into_iter().collect();
    assert_eq!(standings, [(first, Standing::Absent), (second.clone(), Standing::Vanished)].into());
    let writes = world.writes.len();
    world.work();
    let told = &world.writes[writes..];
    assert!(told.len() == 1 && told[0].starts_with('+') && !told[0].contains(second.as_str()), "{told:?}");
}

#[test]
fn an_identity_is_not_released_while_an_entry_of_it_may_stand() {
    let mut world = World::start();
    world.list();
    world.ledger.apply(&Delta { ready: true, ..facts(vec![pod("u1", "one")]) });
    let created = world.lose()[0].creates[0].clone();
    world.spire.insert(created.id.clone(), (*created.wanted.entry().unwrap()).clone());
    let nothing = Some(Arc::new(PodDesired::default()));
    world.apply(Delta {
        identities: vec![(identity("web"), Some(IdentityStanding::Ended))],
        pods: vec![(key("east", "u1"), nothing)],
        ..Delta::default()
    });
    assert!(world.ledger.outcome(None).released_identities.is_empty());
    assert_eq!(world.answer(), [(created.id.clone(), Standing::Stands)]);
    assert!(world.ledger.outcome(None).released_identities.is_empty());
    world.work();
    assert_eq!(world.writes, [format!("-{} IdentityDeleted", created.id)]);
    assert_eq!(world.ledger.outcome(None).released_identities, [identity("web")].into());
}

#[test]
fn where_more_is_in_doubt_than_is_asked_for_a_list_has_to_tell() {
    let mut world = World::start();
    world.list();
    let pods: Vec<_> = (0..1000).map(|number| pod(&format!("u{number}"), &format!("p{number}"))).collect();
    world.ledger.apply(&Delta { ready: true, ..facts(pods) });
    world.lose();
    assert!(world.ledger.is_in_doubt() && !world.ledger.needs_list());
    world.ledger.apply(&Delta { ready: true, pods: vec![pod("one-more", "one-more")], ..Delta::default() });
    world.lose();
    assert!(!world.ledger.is_in_doubt() && world.ledger.needs_list());
    world.work();
    assert_eq!(world.writes.len(), 0);
    world.list();
    world.work();
    assert_eq!((world.writes.len(), world.spire.len()), (1001, 1001));
}

#[test]
fn after_a_take_over_new_pods_get_their_first_entries_and_all_else_waits_for_a_list() {
    let mut world = World::start();
    world.list();
    world.apply(facts(vec![pod("u1", "one"), pod("u2", "two"), pod("u3", "three")]));
    let others = own_id("east", "web", "u4");
    world.spire.insert(others.clone(), entry("u4", "four", ""));
    world.ledger.others_write();
    // One that another replica has given its entry, one that nobody has, and one that was edited since.
    let new = vec![pod("u4", "four"), pod("u5", "five"), pod("u6", "six")];
    world.ledger.apply(&Delta { ready: true, pods: new, ..Delta::default() });
    let writes = world.writes.len();
    let changes = vec![pod("u1", "changed"), (key("east", "u2"), None), pod("u6", "edited")];
    world.apply(Delta { pods: changes, ..Delta::default() });
    let told = &world.writes[writes..];
    assert!(told.len() == 2 && told[0] == format!("={others}") && told[1].starts_with('+'), "{told:?}");
    world.list();
    world.work();
    assert_eq!((world.writes.len(), world.spire.len()), (writes + 5, 5), "{:?}", world.writes);
    assert!(world.list().is_none());
}

#[test]
fn one_round_looks_at_so_many_pods_also_where_all_is_in_place() {
    let mut world = World::start();
    let uids = ["u1", "u2", "u3", "u4", "u5"];
    uids.iter().for_each(|uid| drop(world.spire.insert(own_id("east", "web", uid), entry(uid, uid, ""))));
    world.list();
    let delta = facts(uids.iter().map(|uid| pod(uid, uid)).collect());
    world.ledger.apply(&Delta { ready: true, ..delta });
    let in_place = |world: &mut World| world.ledger.outcome(None).identities[&identity("web")].in_place;
    let in_place = [(); 3].map(|()| {
        assert!(world.ledger.has_work(world.now, true));
        let round = world.ledger.round(world.now, RoundLimits { pods: 2, ..LIMITS }, || Nonce::new(1));
        assert_eq!(round.plans, []);
        in_place(&mut world)
    });
    assert_eq!(in_place, [2, 4, 5]);
    assert!(!world.ledger.has_work(world.now, true));
}

#[test]
fn while_a_clusters_pods_are_given_out_those_that_come_later_are_not_looked_at_before() {
    let mut world = World::start();
    let uids = ["u1", "u2", "u3"];
    uids.iter().for_each(|uid| drop(world.spire.insert(own_id("east", "web", uid), entry(uid, uid, ""))));
    world.list();
    world.apply(Delta { clusters: vec![(cluster("east"), Some(CONNECTING))], ..facts(Vec::new()) });
    let held = |world: &mut World| {
        let held = world.ledger.outcome(None).held.into_iter();
        held.filter(|(_, count)| *count > 0).collect::<Vec<(Hold, u64)>>()
    };
    assert_eq!(held(&mut world), [(Hold::Connecting, 3)]);
    let incomplete = vec![(cluster("east"), Some(ClusterStanding::Synced { complete: false }))];
    let first = Delta { clusters: incomplete, unsettled: true, ..facts(vec![pod("u1", "u1")]) };
    world.apply(first);
    assert_eq!(held(&mut world), [(Hold::Connecting, 2)]);
    world.apply(Delta { unsettled: true, pods: vec![pod("u2", "u2")], ..Delta::default() });
    assert_eq!(held(&mut world), [(Hold::Connecting, 1)]);
    // It stays incomplete: what nobody knows has now another reason to stay.
    world.apply(Delta::default());
    assert_eq!(held(&mut world), [(Hold::Unreadable, 1)]);
    world.apply(Delta { clusters: vec![(cluster("east"), Some(SYNCED))], ..Delta::default() });
    let gone = own_id("east", "web", "u3");
    assert_eq!(world.writes, [format!("-{gone} PodGone")]);
}

#[test]
fn what_a_first_list_tells_of_unknown_pods_is_planned_at_its_end() {
    let mut world = World::start();
    world.ledger.apply(&Delta { ready: true, ..facts(vec![pod("u1", "one")]) });
    world.spire.insert(own_id("east", "web", "u1"), entry("u1", "one", ""));
    world.spire.insert(own_id("east", "web", "u2"), entry("u2", "two", ""));
    world.ledger.begin_list();
    let observed = world.observed();
    world.ledger.page(observed, Timestamp::UNIX_EPOCH);
    // Nothing is deleted by a list that has not ended.
    world.work();
    assert_eq!(world.writes, [""; 0]);
    assert!(world.ledger.end_list(Timestamp::UNIX_EPOCH).is_none());
    world.work();
    let gone = own_id("east", "web", "u2");
    assert_eq!(world.writes, [format!("-{gone} PodGone")]);
}

#[test]
fn an_entry_that_somebody_deletes_again_and_again_is_told_with_its_identity() {
    let mut world = World::start();
    world.list();
    world.apply(facts(vec![pod("u1", "one")]));
    for times in 1..=3 {
        assert!(world.ledger.outcome(None).vanishing.is_empty(), "{times}");
        world.spire.clear();
        assert_eq!(world.list().deleted, 1);
        world.work();
        assert_eq!(world.spire.len(), 1);
    }
    let vanishing = world.ledger.outcome(None).vanishing;
    assert_eq!(vanishing[&identity("web")].entries, 1);
}

#[test]
fn a_round_looks_at_so_many_pods_and_no_more() {
    let mut world = World::start();
    world.list();
    world.apply(facts((0..30).map(|number| pod(&format!("u{number}"), "one")).collect()));
    world.ledger.others_write();
    world.list();
    assert_eq!(world.ledger.backlog(), 30, "after a list all are looked at, though nothing is to be written");
    let few = RoundLimits { pods: 10, ..LIMITS };
    let round = |ledger: &mut Ledger| ledger.round(world.now, few, || Nonce::new(0)).plans.len();
    assert_eq!((round(&mut world.ledger), world.ledger.backlog()), (0, 20));
    world.ledger.apply(&Delta { ready: true, pods: vec![pod("new", "one")], ..Delta::default() });
    assert_eq!((round(&mut world.ledger), world.ledger.backlog()), (1, 11), "what is new goes first");
    assert_eq!(
        (round(&mut world.ledger), world.ledger.backlog()),
        (0, 1),
        "the new pod's create is under way"
    );
}

#[test]
fn what_an_identity_left_and_a_list_tells_later_is_deleted_before_it_is_released() {
    let mut world = World::start();
    world.list();
    world.apply(facts(vec![pod("u1", "one")]));
    let backup = world.spire.clone();
    let ended = Delta {
        ready: true,
        identities: vec![(identity("web"), Some(IdentityStanding::Ended))],
        pods: vec![(key("east", "u1"), Some(Arc::default()))],
        ..Delta::default()
    };
    world.apply(ended);
    let released = |world: &mut World| world.ledger.outcome(None).released_identities.len();
    assert_eq!((world.spire.len(), released(&mut world)), (0, 1));
    // As they are in a copy that is older.
    world.spire = backup;
    assert_eq!(world.list().appeared, 1);
    assert_eq!(released(&mut world), 0);
    world.work();
    assert_eq!((world.spire.len(), released(&mut world)), (0, 1));
}

#[test]
fn entries_count_for_who_wants_them_or_for_whom_they_were_made() {
    let [a, b, c] = ["a", "b", "c"].map(identity);
    // What is not to be is told, and stays.
    let mut world = World::new(Ledger::new("t-", Mode::Observe, Budgets::default()));
    let mut pods = Vec::new();
    for number in 0..30 {
        let uid = format!("u{number}");
        let (owner, cluster) = [(&a, "east"), (&b, "east"), (&c, "west")][number % 3];
        world.spire.insert(own_id(cluster, owner.as_str(), &uid), entry(&uid, "web", ""));
        // Of `a` half are wanted as they are, and half otherwise; of `b` and `c` none.
        if owner == &a {
            let pod = key(cluster, &uid);
            let path = if number % 2 == 0 { "web" } else { "other" };
            let wanted = [Wanted::new(&a, &pod.pod, 0, entry(&uid, path, ""))].into();
            pods.push((pod, Some(Arc::new(PodDesired { wanted, ..PodDesired::default() }))));
        } else if owner == &c {
            pods.push((key(cluster, &uid), Some(Arc::default())));
        }
    }
    world.spire.insert(EntryId::observed("other"), entry("u0", "elsewhere", ""));
    world.list();
    let clusters = ["east", "west"].map(|name| (cluster(name), Some(SYNCED)));
    let standings = [(&a, IdentityStanding::Live), (&b, IdentityStanding::Ended)];
    let identities = standings.map(|(name, standing)| (name.clone(), Some(standing)));
    let (clusters, identities) = (clusters.into(), identities.into());
    world.apply(Delta { ready: true, clusters, identities, pods, ..Delta::default() });
    let [east, west] = ["east", "west"].map(|name| Scope::Cluster(key(name, "u").cluster));
    let of_identities = [&a, &b, &c].map(|name| Scope::Identity(name.clone()));
    let sizes = |world: &World| {
        let scopes = [&Scope::Fleet, &east, &west].into_iter().chain(&of_identities);
        scopes.map(|scope| world.ledger.size(scope)).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&world), [30, 20, 10, 10, 10, 0], "nobody knows `c`");
    let known = vec![(c.clone(), Some(IdentityStanding::Live))];
    world.apply(Delta { ready: true, identities: known, ..Delta::default() });
    assert_eq!(sizes(&world), [30, 20, 10, 10, 10, 10]);
}
