//! What the writer does, as `sync` in the program: it plans, calls, and notes what became of it.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use super::checks::{made, number_of, owner_of};
use super::replica::Listing;
use super::{BATCH, LIMITS, MOST_TURNS, Scope, Simulation, Violation};
use crate::api::Problem;
use crate::desired::PodKey;
use crate::entry::{EntryId, Nonce};
use crate::ledger::doubt::{Intent, Standing};
use crate::ledger::{Mode, RoundLimits};
use crate::plan::PodPlan;
use crate::simulation::outside::{PodId, cluster_name, identity_name};
use crate::simulation::rules::{Known, Texts};
use crate::simulation::schedule::Health;
use crate::simulation::spire::{Answer, CallError, Owner, Row, Wish};

impl Simulation {
    /// Lets a writer go on until it has nothing to do, or for so many calls.
    pub(super) fn work(&mut self, at: usize, calls: Option<u8>) -> Result<(), Violation> {
        let last = self.spire.calls + calls.map_or(u64::from(u32::MAX), u64::from);
        for turn in 0..MOST_TURNS {
            // Updates are paced: in some rounds none may be made.
            let may_update = turn % 4 != 2;
            let now = self.now;
            let replica = &mut self.replicas[at];
            if replica.paused_until.is_some_and(|until| until > now) || self.spire.calls >= last {
                return Ok(());
            }
            replica.paused_until = None;
            let was_unsettled = replica.index.is_unsettled();
            if was_unsettled {
                replica.settle(&self.outside);
            }
            // What is new does not wait for the rest of a list, nor for what is asked for.
            let mut result = Ok(());
            let has_work = replica.ledger.has_work(now, true);
            if replica.ledger.has_work(now, may_update) {
                result = self.round(at, may_update)?;
            }
            if result.is_ok() {
                result = self.ask(at);
            }
            let replica = &mut self.replicas[at];
            if result.is_ok() && !replica.ledger.is_in_doubt() {
                if replica.ledger.needs_list() || replica.must_compare || replica.listing.is_some() {
                    result = self.page(at);
                } else if !has_work && !was_unsettled {
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
                Err(_) => {
                    let replica = &mut self.replicas[at];
                    replica.has_failed = true;
                    replica.paused_until = Some(now + Duration::from_millis(500));
                }
            }
        }
        Err("the writer does not come to rest".to_owned())
    }

    /// Who does not lead reads what SPIRE holds, if it can be read; others go on writing.
    pub(super) fn read_along(&mut self) {
        let leader = self.leader;
        for at in (0..self.replicas.len()).filter(|at| *at != leader) {
            while self.ask(at).is_ok() && self.replicas[at].ledger.is_in_doubt() {}
            if !self.replicas[at].ledger.is_in_doubt() {
                while self.page(at).is_ok() && self.replicas[at].listing.is_some() {}
            }
            self.replicas[at].others_write();
        }
    }

    /// Asks for one of the entries of which nobody knows what a call has done with them; where that is refused, a list has
    /// to tell.
    fn ask(&mut self, at: usize) -> Result<(), CallError> {
        let replica = &mut self.replicas[at];
        // Answers come in any order.
        let count = replica.ledger.in_doubt().count().max(1);
        let Some(id) = replica.ledger.in_doubt().nth(self.steps % count).cloned() else { return Ok(()) };
        match self.spire.get(&id) {
            Ok(row) => {
                let observed = row.as_ref().map(|row| row.observed.clone());
                let answered = replica.ledger.answered(&id, observed, self.listed_at);
                // SPIRE may hold an older state of everything.
                replica.must_compare |= answered.is_some_and(|(_, it)| it == Standing::Vanished);
                replica.note(&id, row);
                replica.in_doubt.remove(&id);
                self.tally.asked += 1;
                Ok(())
            }
            Err(CallError::Refused) => {
                replica.doubt_all();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// A page of a list; one that fails is asked for once more, and after that the list begins anew.
    fn page(&mut self, at: usize) -> Result<(), CallError> {
        let replica = &mut self.replicas[at];
        if replica.listing.is_none() {
            replica.ledger.begin_list();
            replica.must_compare = false;
        }
        let in_doubt = &replica.in_doubt;
        let begin = || Listing { in_doubt: in_doubt.keys().cloned().collect(), ..Listing::default() };
        let listing = replica.listing.get_or_insert_with(begin);
        let (rows, has_more) = match self.spire.list(listing.last.as_ref()) {
            Ok(page) => page,
            Err(CallError::Killed) => return Err(CallError::Killed),
            Err(_) => {
                replica.page_failed();
                return Err(CallError::Refused);
            }
        };
        listing.last = rows.keys().next_back().cloned();
        listing.told.extend(rows.keys().cloned());
        replica.ledger.page(rows.values().map(|row| row.observed.clone()), self.listed_at);
        replica.known.extend(rows);
        if has_more {
            return Ok(());
        }
        replica.ledger.end_list(self.listed_at);
        if let Some(listing) = replica.listing.take() {
            replica.known.retain(|id, _| listing.told.contains(id));
            replica.in_doubt.retain(|id, _| !listing.in_doubt.contains(id));
        }
        if let Some(batch) = self.in_flight.take() {
            self.spire.carry_out_late(&batch);
        }
        Ok(())
    }

    fn round(&mut self, at: usize, may_update: bool) -> Result<Result<(), CallError>, Violation> {
        let (nonce, now) = (&mut self.nonce, self.now);
        let replica = &mut self.replicas[at];
        replica.note_served();
        let updates = if may_update { LIMITS.updates } else { 0 };
        let round = replica.ledger.round(now, RoundLimits { updates, ..LIMITS }, || {
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
                    writes.push((plan, write, owner_of(pod, &write.wanted)?));
                }
            }
            let mut batches: VecDeque<_> = writes.chunks(BATCH).collect();
            while let Some(batch) = batches.pop_front() {
                let mut wishes = Vec::new();
                for (_, write, owner) in batch {
                    let entry = made(&write.wanted)?;
                    self.check_write(at, &write.id, &Texts::of(&entry), *owner, is_create)?;
                    wishes.push(match is_create {
                        true => Wish::Create(write.id.clone(), entry, *owner),
                        false => Wish::Update(write.id.clone(), entry),
                    });
                }
                let answers = match self.call(at, &wishes)? {
                    Err(CallError::TooLarge) => {
                        let (first, second) = batch.split_at(batch.len() / 2);
                        batches.push_front(second);
                        batches.push_front(first);
                        continue;
                    }
                    // A call of one entry that is refused as a whole is that entry's failure alone.
                    Err(CallError::Refused) if wishes.len() == 1 && !self.spire.is_down => {
                        vec![Answer::Refused]
                    }
                    Err(error) => {
                        let each = batch.iter().map(|(plan, write, owner)| (owner.pod, &plan.pod, &write.id));
                        self.note_lost(at, error, Intent::Write, each);
                        return Ok(Err(error));
                    }
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
                            let row = Row::of(&write.id, &made(&write.wanted)?, owner);
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
                            replica.has_failed = true;
                            blocked.insert(plan.pod.clone());
                        }
                    }
                }
            }
        }
        let unblocked = plans.iter().filter(|plan| !blocked.contains(&plan.pod));
        let deletes: Vec<_> =
            unblocked.flat_map(|plan| plan.deletes.iter().map(move |delete| (plan, delete))).collect();
        let mut batches: VecDeque<_> = deletes.chunks(BATCH).collect();
        while let Some(batch) = batches.pop_front() {
            let mut wishes = Vec::new();
            for (plan, delete) in batch {
                self.check_delete(at, &delete.id, pod_of(&plan.pod)?)?;
                wishes.push(Wish::Delete(delete.id.clone()));
            }
            let answers = match self.call(at, &wishes)? {
                Err(CallError::TooLarge) => {
                    let (first, second) = batch.split_at(batch.len() / 2);
                    batches.push_front(second);
                    batches.push_front(first);
                    continue;
                }
                Err(error) => {
                    let mut each = Vec::new();
                    for (plan, delete) in batch {
                        each.push((pod_of(&plan.pod)?, &plan.pod, &delete.id));
                    }
                    self.note_lost(at, error, Intent::Delete, each.into_iter());
                    return Ok(Err(error));
                }
                Ok(answers) => answers,
            };
            let replica = &mut self.replicas[at];
            for ((plan, delete), answer) in batch.iter().zip(answers) {
                match answer {
                    Answer::Refused => {
                        let problem = Problem::new("Test", "(entry)", "refused");
                        replica.ledger.failed(&plan.pod, None, problem, self.now);
                        replica.has_failed = true;
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
        let in_doubt = &self.replicas[at].in_doubt;
        let rows = &self.replicas[at].known;
        let pod_of = |wish: &Wish| match wish {
            Wish::Create(_, _, owner) => Some(owner.pod),
            Wish::Update(id, _) | Wish::Delete(id) => rows.get(id)?.owner.map(|owner| owner.pod),
        };
        let mut pods = wishes.iter().filter_map(pod_of);
        if let Some(pod) = pods.find(|pod| in_doubt.values().any(|other| other == pod)) {
            return Err(format!(
                "something is written for {pod:?} although nobody knows what became of a call before"
            ));
        }
        if self.handover.is_some() && self.in_flight.is_none() {
            self.in_flight = Some(wishes.to_vec());
            return Ok(Err(CallError::Unknown));
        }
        Ok(self.spire.write(wishes))
    }

    fn note_lost<'a>(
        &mut self,
        at: usize,
        error: CallError,
        intent: Intent,
        each: impl Iterator<Item = (PodId, &'a PodKey, &'a EntryId)>,
    ) {
        if error == CallError::Unknown {
            each.for_each(|(pod, key, id)| self.replicas[at].doubt(pod, key, id, intent));
        }
    }

    /// Status and finalizers, as the leader writes them; true where something is told after that.
    pub(super) fn write_status(&mut self) -> Result<bool, Violation> {
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
            if let Some(row) = left.filter(|_| !replica.index.is_unsettled()) {
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
        let rolls_on = self.write_rollouts()?;
        Ok(rolls_on || !identities_gone.is_empty() || !registries_gone.is_empty())
    }
}
