//! What must hold: of each write before it is made, and of what stands whenever the writer has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Instant;

use super::replica::Replica;
use super::{MOST_LOOKS, Passed, Scope, Simulation, Violation, WINDOW};
use crate::desired::{Hold, PodDesired, Wanted};
use crate::entry::{Entry, EntryDigest, EntryId};
use crate::index::Index;
use crate::ledger::Mode;
use crate::names::{IdentityName, PodUid};
use crate::simulation::components::Question;
use crate::simulation::host::Host;
use crate::simulation::outside::PodId;
use crate::simulation::rules::{Due, Texts, Wish, is_told_at_once};
use crate::simulation::schedule::{FEW, IDENTITIES, PLUGINS};
use crate::simulation::spire::{Owner, Row, Rows};

/// How many entries an identity gives a pod at most.
const MOST_SLOTS: u8 = 4;

impl Simulation {
    /// A rule holds by what the replica was told; or, while it has not derived all pods anew, by what it was told before.
    fn by_what_was_told(
        &mut self,
        at: usize,
        rule: impl Fn(&mut Self) -> Result<(), Violation>,
    ) -> Result<(), Violation> {
        let result = rule(self);
        if result.is_ok() || !self.replicas[at].index.is_unsettled() {
            return result;
        }
        for before in 0..self.replicas[at].before.len() {
            let swap = |it: &mut Self| {
                let replica = &mut it.replicas[at];
                std::mem::swap(&mut replica.told, &mut replica.before[before]);
            };
            swap(self);
            let by_that = rule(self);
            swap(self);
            if by_that.is_ok() {
                return by_that;
            }
        }
        result
    }

    pub(super) fn check_write(
        &mut self,
        at: usize,
        id: &EntryId,
        texts: &Texts,
        owner: Owner,
        is_create: bool,
    ) -> Result<(), Violation> {
        // That a cluster is silent is told at once.
        if !self.replicas[at].told.is_synced(owner.pod.cluster) {
            return Err(format!("{id} of {:?} is written: its cluster is silent", owner.pod));
        }
        self.by_what_was_told(at, |it| it.check_write_now(at, id, texts, owner, is_create))
    }

    fn check_write_now(
        &mut self,
        at: usize,
        id: &EntryId,
        texts: &Texts,
        owner: Owner,
        is_create: bool,
    ) -> Result<(), Violation> {
        let Owner { pod, identity, slot } = owner;
        let replica = &self.replicas[at];
        let what = if is_create { "created" } else { "updated" };
        let broken = |rule: &str| Err(format!("{id} of {pod:?} is {what} for {identity}: {rule}"));
        if at != self.leader {
            return broken("this replica does not lead");
        }
        if self.setup.mode == Mode::Observe {
            return broken("nothing is written in mode Observe");
        }
        let Some(wishes) = replica.told.wishes(pod) else { return broken("the pod is not known") };
        let is_it = |wish: &Wish| (wish.identity, wish.slot) == (identity, slot) && wish.texts == *texts;
        if !wishes.entries.iter().any(is_it) {
            return broken("the pod is not to have this");
        }
        let has_key = replica.known.get(id).is_some_and(|row| row.texts.key == texts.key);
        let holder = replica.known.iter().find(|(other, row)| row.texts.key == texts.key && *other != id);
        if let Some((holder, _)) = holder.filter(|_| !has_key) {
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
                    && !replica.moved.contains(&row.observed.id)
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
        if known.texts == *texts {
            return broken("it is so already");
        }
        let is_anothers = known_owner.identity != identity && !replica.has_passed(id);
        if wishes.holds && is_anothers && known.texts.key == texts.key {
            return broken("it was made for another, and nobody can say what that one wants");
        }
        if known.texts.key != texts.key {
            let scopes = vec![Scope::Fleet, Scope::Cluster(pod.cluster), Scope::Identity(identity)];
            return self.count(at, id, scopes).or_else(|rule| broken(&rule));
        }
        Ok(())
    }

    pub(super) fn check_delete(&mut self, at: usize, id: &EntryId, pod: PodId) -> Result<(), Violation> {
        let replica = &self.replicas[at];
        let told = &replica.told;
        if replica.index.is_unsettled()
            && let Some(owner) = replica.known.get(id).and_then(|row| row.owner)
            && let Due::Stays(why) = told.due(pod, owner.identity)
            && replica.known.get(id).is_some_and(|row| replica.dues(row, owner).len() == 1)
            && !told.is_orphan(pod, owner.identity)
            && is_told_at_once(why)
        {
            return Err(format!("{id} of {pod:?} is deleted: {why}, which was told at once"));
        }
        self.by_what_was_told(at, |it| it.check_delete_now(at, id, pod))
    }

    fn check_delete_now(&mut self, at: usize, id: &EntryId, pod: PodId) -> Result<(), Violation> {
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
        // An entry counts once, however often it is written, and from when it was let through: a call can be lost.
        let before =
            replica.passed.iter().position(|it| it.id == *id).map(|at| replica.passed.swap_remove(at));
        let since = before.map(|it| it.at).filter(|at| now.duration_since(*at) < WINDOW);
        replica.passed.push(Passed { at: since.unwrap_or(now), id: id.clone(), scopes: scopes.clone() });
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
    pub(super) fn check_rest(&mut self) -> Result<(), Violation> {
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
                    // While some identity has not spoken, what was made for another is left as it is.
                    let is_its =
                        row.owner.is_some_and(|it| (it.identity, it.slot) == (wish.identity, wish.slot))
                            && !replica.has_passed(&row.observed.id);
                    let waits = wishes.as_ref().is_some_and(|wishes| wishes.holds) && !is_its;
                    if row.texts != wish.texts && !waits {
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
            // Only of what no key keeps in place: an entry may serve another identity than it was made for, or another of
            // the same; those that do not come first, since they can be nothing else.
            let is_made_for = |row: &Row, wish: &Wish| {
                !replica.moved.contains(&row.observed.id)
                    && row.owner.is_some_and(|it| (it.identity, it.slot) == (wish.identity, wish.slot))
            };
            let may_serve = |row: &Row, wish: &Wish| {
                let served = replica.served.get(&row.observed.id);
                replica.moved.contains(&row.observed.id)
                    && row.owner.is_some_and(|it| it.identity == wish.identity)
                    || served.is_some_and(|served| served.contains(&wish.identity))
            };
            let mut take = |is_one: &dyn Fn(&Row, &Wish) -> bool| {
                open.retain(|wish: &&Wish| {
                    let Some(old) = rows.iter().position(|row| is_one(row, wish)) else { return true };
                    let row = rows.swap_remove(old);
                    let scopes =
                        vec![Scope::Fleet, Scope::Cluster(pod.cluster), Scope::Identity(wish.identity)];
                    waiting.entry(pod).or_default().push((row.observed.id.clone(), scopes));
                    false
                });
            };
            take(&is_made_for);
            take(&may_serve);
            // The brake may hold an entry that two of them can be made of.
            let is_sure =
                self.setup.budget.is_none() || replica.served.is_empty() && replica.moved.is_empty();
            if let Some(wish) = open.first().filter(|_| is_sure) {
                return Err(format!("{pod:?} is without {}", wish.texts.content));
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
        self.check_questions()?;
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

    /// What plugins have to be asked is asked, and nothing else; and it is asked until it is answered.
    pub(super) fn check_questions(&self) -> Result<(), Violation> {
        let Replica { host, told, index, confusion, .. } = &self.replicas[self.leader];
        if let Some(confusion) = confusion {
            return Err(confusion.clone());
        }
        let questions = told.questions();
        let open: BTreeSet<Question> =
            questions.iter().filter(|(_, answered)| !**answered).map(|(question, _)| *question).collect();
        // One that was answered before it was asked again may be answered once more.
        let asked = host.open().into_iter().filter(|it| questions.contains_key(it) || !host.was_repeated(it));
        let asked: BTreeSet<Question> = asked.filter(|it| questions.get(it) != Some(&true)).collect();
        if asked != open {
            return Err(format!("plugins are asked {asked:?}, by the rules {open:?}"));
        }
        if index.question_counts() != (questions.len(), open.len()) {
            return Err(format!(
                "{:?} questions are kept, by the rules {questions:?}",
                index.question_counts()
            ));
        }
        Ok(())
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
            let is_known = self.setup.budget.is_none() || !replica.has_failed && replica.served.is_empty();
            let is_sure = is_known && !conflicts.contains(pod);
            if is_sure && !writes.iter().flat_map(|(_, scopes)| scopes).any(is_beyond) {
                return Err(format!("nothing holds up what is due for {pod:?}"));
            }
        }
        Ok(())
    }

    /// No two entries of ours have one key. Somebody else's can have it too: SPIRE looks at keys of new entries only, and
    /// what was made since the last list is not known when an entry is updated.
    ///
    /// Where nothing may be deleted, or the brake holds what is, a create that was done late stays beside the entry that
    /// got its key meanwhile.
    pub(super) fn check_keys(&mut self) -> Result<(), Violation> {
        let outcome = self.replicas[self.leader].ledger.outcome(None);
        let brake_holds = outcome.held.get(&Hold::Brake).is_some_and(|entries| *entries > 0);
        let may_stay = self.spire.came_late && (self.setup.mode != Mode::Sync || brake_holds);
        let told = &self.replicas[self.leader].told;
        let mut keys = BTreeSet::new();
        for row in self.spire.rows.values().filter(|row| row.owner.is_some()) {
            if !keys.insert(row.texts.key.clone()) && !may_stay {
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
    pub(super) fn check_from_scratch(&mut self) -> Result<(), Violation> {
        let told = &self.replicas[self.leader].told;
        let index = &self.replicas[self.leader].index;
        for (cluster, pod, desired) in index.desired() {
            // Every identity asked, and not only those that are found for the pod, comes to the same.
            let view = index.view(cluster, pod).ok_or("a pod that is known and cannot be explained")?;
            if view.desired != **desired {
                return Err(format!("{pod} is to have {desired:?}, explained {:?}", view.desired));
            }
            let id = PodId::of_uid(pod.as_str()).ok_or("a pod that never was")?;
            let texts = desired.wanted.iter().map(|it| Ok(Texts::of(&made(it)?)));
            let texts: BTreeSet<Texts> = texts.collect::<Result<_, Violation>>()?;
            let wishes = told.wishes(id).unwrap_or_default();
            let wished: BTreeSet<Texts> = wishes.entries.iter().map(|wish| wish.texts.clone()).collect();
            if texts != wished {
                return Err(format!("{id:?} is to have {texts:?}, by the rules {wished:?}"));
            }
        }
        let mut fresh = Replica::new(self.setup);
        // Item by item and one kind after the other, or as lists in another order.
        fresh.hears_singly = self.steps.is_multiple_of(2);
        fresh.host = Host::with_loaded_of(&self.replicas[self.leader].host);
        for _ in 0..MOST_LOOKS {
            for watch in (0..=PLUGINS).rev() {
                fresh.deliver(watch, &self.outside, self.steps + 1);
            }
            fresh.go_live(&self.outside);
            let mut goes_on = fresh.settle(&self.outside);
            while fresh.index.is_unsettled() {
                goes_on |= fresh.settle(&self.outside);
            }
            if !goes_on {
                break;
            }
        }
        let wanted = |index: &Index| -> BTreeMap<String, (bool, Vec<(String, Texts)>)> {
            // Which pod it is that cannot be read can depend on what was known before.
            let waits = |desired: &PodDesired| desired.hold == Some(Hold::NotDerived);
            let each = index.desired().filter(|(.., it)| !it.wanted.is_empty() || waits(it));
            let each = each.map(|(cluster, pod, desired)| {
                let entries = desired.wanted.iter();
                let entries = entries.map(|it| (it.identity.to_string(), Texts::of(&it.entry().unwrap())));
                (format!("{cluster} {pod}"), (waits(desired), entries.collect()))
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
pub(super) fn is_at_rest(replica: &Replica, now: Instant) -> bool {
    let ledger = &replica.ledger;
    !ledger.needs_list()
        && !ledger.is_in_doubt()
        && !ledger.has_work(now, true)
        && !replica.must_compare
        && replica.listing.is_none()
        && !replica.index.is_unsettled()
        && ledger.next_due().is_none()
        && replica.paused_until.is_none()
}

/// For whom a new entry is made.
pub(super) fn owner_of(pod: PodId, wanted: &Wanted) -> Result<Owner, Violation> {
    let identity = number_of(&wanted.identity)?;
    let uid = PodUid::new(pod.uid()).unwrap();
    let is_it = |slot: &u8| EntryDigest::of(&wanted.identity, &uid, usize::from(*slot)) == wanted.digest;
    let slot = (0..MOST_SLOTS).find(is_it).ok_or("a digest that is none of the identity's")?;
    Ok(Owner { pod, identity, slot })
}

/// The entry, made of its facts once more.
pub(super) fn made(wanted: &Wanted) -> Result<Entry, Violation> {
    wanted.entry().map(|entry| (*entry).clone()).map_err(|error| error.to_string())
}

pub(super) fn number_of(identity: &IdentityName) -> Result<u8, Violation> {
    let number = identity.as_str().strip_prefix('i').and_then(|it| it.parse().ok());
    number.filter(|it| *it < IDENTITIES).ok_or_else(|| format!("identity {identity} never was"))
}

const _: () = assert!(FEW == 2, "the outside begins with two of each");
