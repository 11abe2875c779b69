//! The writer's book: desired beside observed, which pods are not in step, and what became of each write.

pub mod book;
mod compare;
pub mod difference;
pub mod doubt;
mod failures;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use compare::Comparison;
use doubt::Doubts;
use failures::Failures;
use hashbrown::{HashMap, HashSet};
use k8s_openapi::jiff::Timestamp;

use crate::adopt;
use crate::api::Problem;
use crate::brake::{Brake, Braked, Budgets, Held, Scope};
use crate::by_pod::ByPod;
use crate::desired::{ClusterStanding, Delta, Desired, Hold, IdentityStanding, PodKey, SeenEnd};
use crate::drift::{Deletions, Vanishing};
use crate::entry::{ClusterTag, EntryDigest, EntryId, Nonce};
use crate::held::Anchor;
use crate::mirror::{Mirror, Observed, Ours, Place, Row};
use crate::mutants::{self, Mutant};
use crate::names::{ClusterName, IdentityName, PodUid};
use crate::orphans::{OrphanPlan, Orphans};
use crate::parallel;
use crate::plan::{self, Delete, PlanFault, PodPlan, Would, Write};

/// So many states are shared before it is looked which of them are still in use.
const IN_STEP: usize = 1 << 10;

/// How much one round may do.
#[derive(Debug, Clone, Copy)]
pub struct RoundLimits {
    /// Creates and deletes.
    pub writes: usize,
    /// Updates; fewer, because each makes an agent sign anew. Beyond them only new pods are looked at.
    pub updates: usize,
    /// Pods that are looked at, also where nothing is to be written for them.
    pub pods: usize,
}

/// What one round is to do.
#[derive(Debug, Default)]
pub struct Round {
    /// Pods with something to write.
    pub plans: Vec<PodPlan>,
    /// Plans that the checker refused: a defect, told and tried again later.
    pub faults: Vec<(PodKey, PlanFault)>,
}

/// What became of the entries that one identity wants, or of those in one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Entries in place.
    pub in_place: u64,
    /// Entries that are still to be written.
    pub pending: u64,
    /// Entries that SPIRE refused or that somebody else holds.
    pub failing: u64,
    /// Entries that an identity with `preview: true` would create.
    pub would_create: u64,
    /// Entries that it would update.
    pub would_update: u64,
    /// Entries that it would delete.
    pub would_delete: u64,
}

/// How much of the plan is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// All of it.
    #[default]
    Sync,
    /// No deletes: they are told.
    UpsertOnly,
    /// Nothing: what would be written is told.
    Observe,
}

impl Mode {
    /// As the configuration file has it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "Sync" => Ok(Self::Sync),
            "UpsertOnly" => Ok(Self::UpsertOnly),
            "Observe" => Ok(Self::Observe),
            _ => Err("there is no such mode"),
        }
    }
}

/// What the writer knows, for the report.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// SPIRE was listed completely, and what it holds is known but for single entries that it is being asked for.
    pub listed: bool,
    /// When SPIRE was last listed completely.
    pub listed_at: Option<Timestamp>,
    /// Why SPIRE cannot be written to now, if so.
    pub unavailable: Option<Problem>,
    /// By identity.
    pub identities: BTreeMap<IdentityName, Tally>,
    /// By cluster.
    pub clusters: BTreeMap<ClusterName, Tally>,
    /// One failure for each identity that has some.
    pub examples: BTreeMap<IdentityName, Problem>,
    /// One failure for each identity and cluster where it has some.
    pub failing_in: BTreeMap<IdentityName, BTreeMap<ClusterName, Problem>>,
    /// The number of the last delta that was taken in.
    pub applied: u64,
    /// Number of pods that are to be looked at, beside those that wait to be tried again.
    pub queued: u64,
    /// Entries of ours that stay although no pod is to have them.
    pub held: BTreeMap<Hold, u64>,
    /// Entries of others.
    pub foreign: u64,
    /// Plans that the brake holds for an identity's budget.
    pub braked_identities: BTreeMap<IdentityName, Held>,
    /// Plans that the brake holds for a cluster's budget.
    pub braked_clusters: BTreeMap<ClusterName, Held>,
    /// The plan that the brake holds for the budget of everything.
    pub braked_fleet: Option<Held>,
    /// Entries of ours that nobody known wants and whose end nobody saw.
    pub orphans: Vec<OrphanPlan>,
    /// An object that a release can be written on, if there is any.
    pub anchor: Option<Anchor>,
    /// Entries that somebody else deletes again and again.
    pub vanishing: BTreeMap<IdentityName, Vanishing>,
    /// Identities that were seen being deleted and have no entry left.
    pub released_identities: BTreeSet<IdentityName>,
    /// Registries that were seen being deleted and have no entry left.
    pub released_clusters: BTreeSet<ClusterName>,
}

/// How one pod stands, as counted in the tallies.
#[derive(Debug, Clone, Default, PartialEq)]
struct PodState {
    in_place: Vec<IdentityName>,
    pending: Vec<IdentityName>,
    failing: Vec<(IdentityName, Problem)>,
    holds: Vec<Hold>,
    previews: Vec<(IdentityName, Would)>,
    /// Of what SPIRE holds for the pod beside what is in place, whose entries they are.
    beside: Vec<IdentityName>,
}

/// Desired beside observed.
#[derive(Debug)]
pub struct Ledger {
    prefix: String,
    mode: Mode,
    brake: Brake,
    /// Pods whose end was watched and that may still have entries.
    ended: HashSet<PodKey>,
    desired: Desired,
    mirror: Mirror,
    listed: bool,
    /// What became of calls of ours is not known, and only a list can tell.
    in_doubt: bool,
    doubts: Doubts,
    listed_at: Option<Timestamp>,
    /// Pods that are new: they go before everything else, also when others may have written since SPIRE was listed.
    fresh: BTreeSet<PodKey>,
    /// Other pods that may not be in step.
    stale: BTreeSet<PodKey>,
    failures: Failures,
    states: ByPod<Arc<PodState>>,
    /// States of pods of which all is in place: most are, and few are unlike.
    in_step: HashMap<Vec<IdentityName>, Arc<PodState>>,
    examples: BTreeMap<IdentityName, BTreeMap<ClusterTag, BTreeMap<PodUid, Problem>>>,
    identities: BTreeMap<IdentityName, Tally>,
    clusters: BTreeMap<ClusterTag, Tally>,
    held: BTreeMap<Hold, u64>,
    /// Numbers of entries that SPIRE holds, by the identity whose they are.
    entries: BTreeMap<IdentityName, u64>,
    orphans: Orphans,
    /// A comparison with SPIRE's list that has begun and not ended.
    comparison: Option<Comparison>,
    deletions: Deletions,
    /// Pods whose plan depends on an entry of others; only a complete list tells when that changes.
    leaning: BTreeSet<PodKey>,
    /// The index has more to give out: what the brake would decide over is not complete.
    unsettled: bool,
    /// Clusters of which pods are still to be given out: what nobody knows there is looked at after that.
    incoming: BTreeSet<ClusterTag>,
    /// Identities that were seen being deleted, with the pods that may still have entries of them.
    ending: BTreeMap<IdentityName, BTreeSet<PodKey>>,
    /// The number of the last delta that was taken in.
    applied: u64,
}

impl Ledger {
    /// An empty book; ids that begin with this prefix and parse are ours.
    pub fn new(prefix: &str, mode: Mode, budgets: Budgets) -> Self {
        Self {
            prefix: prefix.to_owned(),
            mode,
            brake: Brake::new(budgets),
            ended: HashSet::new(),
            desired: Desired::default(),
            mirror: Mirror::new(prefix),
            listed: false,
            in_doubt: false,
            doubts: Doubts::default(),
            listed_at: None,
            fresh: BTreeSet::new(),
            stale: BTreeSet::new(),
            failures: Failures::default(),
            states: ByPod::default(),
            in_step: HashMap::new(),
            examples: BTreeMap::new(),
            identities: BTreeMap::new(),
            clusters: BTreeMap::new(),
            held: BTreeMap::new(),
            entries: BTreeMap::new(),
            orphans: Orphans::default(),
            comparison: None,
            deletions: Deletions::default(),
            leaning: BTreeSet::new(),
            unsettled: false,
            incoming: BTreeSet::new(),
            ending: BTreeMap::new(),
            applied: 0,
        }
    }

    /// Entries that the predecessor made are ours as well, where their key is one that a pod is to have.
    pub fn adopting(mut self) -> Self {
        self.mirror = self.mirror.adopting();
        self
    }

    /// Takes in what the index gives out.
    pub fn apply(&mut self, delta: &Delta) {
        let was_ready = self.desired.is_ready();
        if delta.released.is_some() {
            self.brake.reopen();
        }
        if delta.released.is_some() || !delta.clusters.is_empty() {
            self.orphans.reopen();
        }
        let still_there = |pod: &&PodKey| self.mirror.has_pod(pod) || self.doubts.holds(pod);
        self.unsettled = delta.unsettled;
        self.applied = delta.number;
        self.ended.extend(delta.ended.iter().filter(still_there).cloned());
        for (key, pod) in &delta.pods {
            // The same, made of other facts: `desired` is to keep no others, and that is all.
            if pod.is_some() && self.desired.pod(key) == pod.as_ref() {
                continue;
            }
            self.failures.remove(key);
            if pod.is_some() {
                self.ended.remove(key);
            }
            let is_new = pod.is_some() && self.desired.pod(key).is_none();
            let is_fresh = is_new && (self.listed || self.may_be_first(key));
            let queue = if is_fresh { &mut self.fresh } else { &mut self.stale };
            queue.insert(key.clone());
        }
        // What such an identity no longer wants is not among the changed pods: it did not want it before either.
        let is_preview = |standing: Option<IdentityStanding>| standing == Some(IdentityStanding::Preview);
        let is_turned = |(name, standing): &&(IdentityName, Option<IdentityStanding>)| {
            is_preview(self.desired.identity(name)) != is_preview(*standing)
        };
        let turned: Vec<&IdentityName> =
            delta.identities.iter().filter(is_turned).map(|(name, _)| name).collect();
        let turned = self.pods_with(&turned);
        self.stale.extend(turned.into_values().flatten());
        let is_there =
            |standing| matches!(standing, Some(IdentityStanding::Live | IdentityStanding::Preview));
        let is_known =
            |(name, now): &&(IdentityName, _)| is_there(*now) && !is_there(self.desired.identity(name));
        let known: Vec<&IdentityName> =
            delta.identities.iter().filter(is_known).map(|(name, _)| name).collect();
        let standing = |(name, _): &(ClusterName, Option<ClusterStanding>)| {
            let tag = ClusterTag::of(name);
            (tag, self.desired.standing(&tag))
        };
        let before: Vec<(ClusterTag, Option<ClusterStanding>)> =
            delta.clusters.iter().map(standing).collect();
        self.desired.apply(delta);
        for ((tag, before), (_, now)) in before.iter().zip(&delta.clusters) {
            match (before, now) {
                (before, now) if before == now => {}
                // Only what becomes of pods that are not known depends on whether all are.
                (Some(ClusterStanding::Synced { .. }), Some(ClusterStanding::Synced { .. })) => {
                    self.touch_unknown(tag);
                }
                // Most of those that are not known are known a little later.
                (_, Some(ClusterStanding::Synced { complete: false })) if delta.unsettled => {
                    self.stale.extend(self.desired.pods_of(*tag));
                    self.incoming.insert(*tag);
                }
                _ => self.touch_cluster(tag),
            }
        }
        let mut ended = Vec::new();
        for (name, standing) in &delta.identities {
            match standing {
                Some(IdentityStanding::Live | IdentityStanding::Preview) => drop(self.ending.remove(name)),
                Some(IdentityStanding::Ended) => ended.push(name),
                None => {
                    self.ending.remove(name);
                    // It has no budget any more, and nobody reads on it what is held.
                    self.stale.extend(self.brake.waiting_for(name).cloned());
                }
            }
        }
        self.touch_ended(&ended);
        // What was nobody's may now be somebody's.
        let is_theirs = |(pod, id): &(PodKey, &EntryId)| {
            let place = self.mirror.row(id).and_then(|row| row.place.as_ref());
            place.is_some_and(|place| known.iter().any(|name| place.digest.is_of(name, &pod.pod)))
        };
        let theirs = self.orphans.entries().filter(|it| !known.is_empty() && is_theirs(it));
        self.stale.extend(theirs.map(|(pod, _)| pod));
        if !delta.unsettled {
            let incoming = std::mem::take(&mut self.incoming);
            incoming.iter().for_each(|tag| self.touch_unknown(tag));
        }
        if delta.ready && !was_ready {
            self.touch_all();
        }
    }

    /// Notes that others write: until SPIRE was listed again, from the beginning, nothing is written but the first entries of
    /// new pods. SPIRE itself says where somebody else has made them.
    pub fn others_write(&mut self) {
        self.listed = false;
        self.comparison = None;
    }

    /// Whether a complete list is needed before everything can be written.
    pub fn needs_list(&self) -> bool {
        !self.listed
    }

    /// Whether a pod is one of those that get their first entries while it is not known what others have written.
    fn may_be_first(&self, pod: &PodKey) -> bool {
        let has_any = || self.holds_any_of(pod) || self.mirror.has_unclaimed(&pod.pod);
        self.has_been_listed() && !self.stale.contains(pod) && !has_any()
    }

    fn has_been_listed(&self) -> bool {
        self.listed_at.is_some() && !self.in_doubt
    }

    /// Whether a round at this time would look at any pod; `may_update` is whether it may make updates.
    pub fn has_work(&self, now: Instant, may_update: bool) -> bool {
        let is_due = || self.failures.due(now).any(|pod| !self.doubts.holds(pod));
        let may_decide = !self.unsettled && self.doubts.is_empty();
        let is_open = may_decide && (self.brake.is_open(now) || self.orphans.is_open());
        let others = || !self.stale.is_empty() || is_open || is_due();
        let is_new = self.has_been_listed() && !self.fresh.is_empty();
        self.desired.is_ready() && (is_new || self.listed && may_update && others())
    }

    /// When a failed pod is to be tried again, or the brake decides again.
    pub fn next_due(&self) -> Option<Instant> {
        let failed = self.failures.all().find(|(_, pod)| !self.doubts.holds(pod)).map(|(due, _)| due);
        failed.into_iter().chain(self.brake.opens_at()).min()
    }

    /// Plans pods that may not be in step, new ones first, until the limits are reached.
    pub fn round(&mut self, now: Instant, limits: RoundLimits, mut nonce: impl FnMut() -> Nonce) -> Round {
        let mut round = Round::default();
        if !self.desired.is_ready() || !self.has_been_listed() {
            return round;
        }
        if !mutants::is_on(Mutant::NeverRetry) {
            self.stale.extend(self.failures.due(now).take(limits.pods).cloned());
        }
        let (mut looked_at, mut writes, mut updates) = (0, 0, 0);
        while looked_at < limits.pods && writes < limits.writes {
            looked_at += 1;
            let next = match self.fresh.pop_first() {
                None if self.listed && updates < limits.updates => self.stale.pop_first(),
                fresh => fresh,
            };
            let Some(pod) = next else { break };
            if self.doubts.keep(&pod) {
                continue;
            }
            if !self.listed && !self.may_be_first(&pod) {
                self.stale.insert(pod);
                continue;
            }
            // In both queues, it would be planned twice before the first plan is carried out.
            self.stale.remove(&pod);
            if self.failures.waits(&pod, now) {
                continue;
            }
            if adopt::claim(&pod, &self.desired, &mut self.mirror) {
                self.stale.insert(PodKey { cluster: ClusterTag::predecessor(), pod: pod.pod.clone() });
            }
            let mut plan = plan::plan(&pod, &self.desired, &self.mirror, |digest| {
                let nonce = if mutants::is_on(Mutant::ReuseId) { Nonce::new(0) } else { nonce() };
                EntryId::make(&self.prefix, &pod.cluster, digest, &nonce)
            });
            if let Err(fault) = plan::check(&plan, &self.desired, &self.mirror, &self.prefix) {
                let problem = Problem::new("PlanFault", "(plan)", &fault);
                self.failed(&pod, None, problem, now);
                round.faults.push((pod, fault));
                continue;
            }
            if self.desired.lets_go() {
                let is_kept = |id: &EntryId| !plan.deletes.iter().any(|delete| delete.id == *id);
                let kept = self.mirror.of_pod(&pod).map(|(id, _)| id).filter(is_kept);
                kept.for_each(|id| self.desired.take_back(&id));
            }
            // Its id goes on naming the identity that it was made for, of which perhaps nothing is known any more.
            for (id, digest) in &plan.taken_over {
                self.mirror.put(id, Place { pod: pod.clone(), digest: *digest });
            }
            if self.mode != Mode::Sync {
                let hold = if self.mode == Mode::Observe { Hold::Observe } else { Hold::UpsertOnly };
                plan.holds.extend(plan.deletes.drain(..).map(|delete| (delete.id, hold)));
            }
            self.brake_plan(&mut plan);
            self.note(&plan);
            if plan.is_empty() || self.mode == Mode::Observe {
                self.failures.remove(&pod);
            } else {
                writes += plan.creates.len() + plan.deletes.len();
                updates += plan.updates.len();
                round.plans.push(plan);
            }
        }
        let is_settled = !self.unsettled && self.doubts.is_empty();
        if self.listed && is_settled && self.fresh.is_empty() && self.stale.is_empty() {
            if self.brake.is_open(now) {
                self.decide(now);
            }
            if self.orphans.is_open() {
                self.decide_orphans();
            }
        }
        round
    }

    /// Lets orphans go that somebody released.
    fn decide_orphans(&mut self) {
        let desired = &self.desired;
        let name = |tag: &ClusterTag| desired.cluster_name(tag);
        for plan in self.orphans.decide(desired.released(), desired.all_in_step(), name) {
            self.desired.let_go(&plan.digest, plan.entries);
            self.stale.extend(plan.pods);
        }
    }

    /// Takes out of a plan what has to wait for the brake.
    fn brake_plan(&mut self, plan: &mut PodPlan) {
        let was_watched = self.ended.contains(&plan.pod);
        let braked = self.braked(plan, &self.desired).collect();
        if was_watched && plan.deletes.is_empty() {
            self.ended.remove(&plan.pod);
        }
        if self.brake.admit(&plan.pod, braked) {
            return;
        }
        let (waiting, rest): (Vec<Write>, Vec<Write>) =
            std::mem::take(&mut plan.updates).into_iter().partition(|write| write.becomes_another);
        plan.updates = rest;
        plan.waiting.extend(waiting.into_iter().map(|write| write.wanted.identity));
        if mutants::is_on(Mutant::DeleteFirst) {
            return;
        }
        // All of them: whoever does not get what it is to have keeps what it has.
        let (released, held): (Vec<Delete>, Vec<Delete>) =
            std::mem::take(&mut plan.deletes).into_iter().partition(|delete| delete.end.is_release());
        plan.deletes = released;
        plan.holds.extend(held.into_iter().map(|delete| (delete.id, Hold::Brake)));
    }

    /// What of a pod's plan counts against budgets.
    fn braked<'a>(
        &'a self,
        plan: &'a PodPlan,
        desired: &'a Desired,
    ) -> impl Iterator<Item = Braked> + use<'a> {
        let updates = plan.updates.iter().filter(|write| write.becomes_another).map(|write| Braked {
            id: write.id.clone(),
            becomes: Some(write.wanted.content),
            identity: Some(write.wanted.identity.clone()),
        });
        // A pod whose end was watched is one pod, and nobody's mistake.
        let was_watched = self.ended.contains(&plan.pod);
        // What somebody released by its digest has waited once already.
        let is_settled = move |end: &SeenEnd| end.is_release() || was_watched && end.is_pods_end();
        let counts = move |delete: &&Delete| !is_settled(&delete.end);
        let deletes = plan.deletes.iter().filter(counts).map(|delete| {
            let identity = self.made_for(&plan.pod, &delete.id, desired);
            Braked { id: delete.id.clone(), becomes: None, identity: identity.cloned() }
        });
        updates.chain(deletes)
    }

    /// The identity that an entry on this pod was made for, where it is known.
    fn made_for<'a>(&self, pod: &PodKey, id: &EntryId, desired: &'a Desired) -> Option<&'a IdentityName> {
        let place = self.mirror.row(id)?.place.as_ref()?;
        desired.identity_of(&pod.pod, &place.digest).map(|(name, _)| name)
    }

    /// Lets the brake decide over all that waits, once nothing else is left to be planned.
    fn decide(&mut self, now: Instant) {
        let (mirror, entries) = (&self.mirror, &self.entries);
        let size = |scope: &Scope| size(mirror, entries, scope);
        let go_on = self.brake.decide(now, self.desired.released(), size);
        self.stale.extend(go_on);
    }

    /// The number of a scope's entries.
    fn size(&self, scope: &Scope) -> u64 {
        size(&self.mirror, &self.entries, scope)
    }

    /// Notes that an entry stands in SPIRE as wanted.
    pub fn written(&mut self, pod: &PodKey, write: &Write) {
        let is_new = self.mirror.row(&write.id).is_none();
        self.mirror.insert(Observed {
            id: write.id.clone(),
            key: write.wanted.key,
            content: Some(write.wanted.content),
            pod: Some(pod.pod.clone()),
        });
        if !(is_new && self.is_all_created(pod, write)) {
            self.stale.insert(pod.clone());
        }
    }

    /// Counts a created entry as in place where that is all that came of the pod's plan, so that another need not be made:
    /// at a start, pods with nothing but new entries are many.
    fn is_all_created(&mut self, pod: &PodKey, write: &Write) -> bool {
        let Some(state) = self.states.get(pod) else { return false };
        let PodState { in_place, pending, failing, holds, previews, beside } = &**state;
        let wanted = self.desired.pod(pod).map(|pod| &*pod.wanted).unwrap_or_default();
        let is_simple = failing.is_empty() && holds.is_empty() && previews.is_empty() && beside.is_empty();
        let is_wanted = wanted.len() == in_place.len() + pending.len() && wanted.contains(&write.wanted);
        let is_changed = self.stale.contains(pod) || self.fresh.contains(pod) || self.failures.contains(pod);
        let at = pending.iter().position(|identity| *identity == write.wanted.identity);
        let Some(at) = at.filter(|_| is_simple && is_wanted && !is_changed) else { return false };
        let mut state = (**state).clone();
        let identity = state.pending.swap_remove(at);
        state.in_place.push(identity);
        self.set_state(pod, state);
        true
    }

    /// Notes an entry that SPIRE told of and that was not known.
    pub fn found(&mut self, pod: &PodKey, observed: Observed) {
        let id = observed.id.clone();
        self.mirror.insert(observed);
        if let Some(place) = self.mirror.row(&id).and_then(|row| row.place.clone()) {
            self.note_ended(&place);
        }
        self.stale.insert(pod.clone());
    }

    /// Notes that SPIRE holds no entry of this id.
    pub fn gone(&mut self, pod: &PodKey, id: &EntryId) {
        self.mirror.remove(id);
        self.desired.take_back(id);
        self.stale.insert(pod.clone());
    }

    /// Notes that SPIRE holds no entry of this id although nobody here has deleted it.
    pub fn vanished(&mut self, pod: &PodKey, id: &EntryId, now: Timestamp) {
        if let Some(row) = self.mirror.row(id).cloned()
            && let Some(place) = &row.place
        {
            self.note_deletion(id, &row, place, now);
        }
        self.gone(pod, id);
    }

    /// Notes that nothing is known of a pod's planned writes: it is planned again.
    pub fn again(&mut self, pod: &PodKey) {
        self.stale.insert(pod.clone());
    }

    /// Notes that a write was refused; the pod is tried again after a pause.
    pub fn failed(&mut self, pod: &PodKey, identity: Option<&IdentityName>, problem: Problem, now: Instant) {
        self.failures.add(pod, identity, problem, now);
        self.stale.remove(pod);
        let mut state = self.states.get(pod).map(|state| (**state).clone()).unwrap_or_default();
        let refused = self.failures.get(pod).map(|failure| failure.problems.clone()).unwrap_or_default();
        for (identity, problem) in refused {
            if let Some(at) = state.pending.iter().position(|pending| Some(pending) == identity.as_ref()) {
                let identity = state.pending.swap_remove(at);
                state.failing.push((identity, problem));
            }
        }
        self.set_state(pod, state);
    }

    /// SPIRE takes entries again, of which it took none since then: what was first refused meanwhile need not wait.
    pub fn takes_again(&mut self, since: Instant, now: Instant) {
        self.failures.hasten(since, now);
    }

    /// Lets one refused pod of several be tried before its time. One alone is refused for itself.
    pub fn try_one(&mut self, now: Instant) {
        if self.failures.len() > 1 {
            self.failures.hasten_first(now);
        }
    }

    /// What the book says beside entries: what exists and what is wanted.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// Whether SPIRE is known to hold an entry of ours for a pod.
    pub fn holds_any_of(&self, pod: &PodKey) -> bool {
        self.mirror.of_pod(pod).next().is_some()
    }

    /// What SPIRE is known to hold.
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// What the writer knows; `unavailable` is why SPIRE cannot be written to, if so.
    pub fn outcome(&mut self, unavailable: Option<Problem>) -> Outcome {
        let clusters = self.clusters.iter().filter_map(|(tag, tally)| {
            self.desired.cluster_name(tag).map(|name| (name.clone(), tally.clone()))
        });
        let clusters = clusters.collect();
        let (mirror, desired) = (&self.mirror, &self.desired);
        for (name, pods) in &mut self.ending {
            let is_left = |pod: &PodKey| {
                let digest = EntryDigest::of(name, &pod.pod, 0);
                // An entry that another identity has taken over is not left of this one.
                let wanted = desired.pod(pod).map(|pod| &*pod.wanted).unwrap_or_default();
                let is_left = |row: &Row| {
                    row.place.as_ref().is_some_and(|place| place.digest.is_beside(&digest))
                        && !wanted.iter().any(|want| want.key == row.key)
                };
                mirror.of_pod(pod).any(|(_, row)| is_left(row)) && !mutants::is_on(Mutant::ReleaseTooEarly)
            };
            // One that is left is enough: the others are not looked at each time.
            while pods.first().is_some_and(|pod| !is_left(pod)) {
                pods.pop_first();
            }
        }
        let is_free = |tag: &ClusterTag| self.mirror.count_of(tag) == 0;
        // An entry in doubt may be one of theirs.
        let is_known = self.listed && self.doubts.is_empty();
        let ended = self.desired.ended_clusters().filter(|(tag, _)| is_known && is_free(tag));
        let released = self.ending.iter().filter(|(_, pods)| is_known && pods.is_empty());
        let first = |pods: &BTreeMap<PodUid, Problem>| pods.values().next().cloned();
        let failing_in = self.examples.iter().map(|(name, clusters)| {
            let of_cluster = |(tag, pods)| Some((desired.cluster_name(tag)?.clone(), first(pods)?));
            (name.clone(), clusters.iter().filter_map(of_cluster).collect())
        });
        let (mut braked_identities, mut braked_clusters, mut braked_fleet) = Default::default();
        for held in self.brake.held() {
            match &held.scope {
                Scope::Fleet => braked_fleet = Some(held.clone()),
                Scope::Cluster(tag) => {
                    let name = self.desired.cluster_name(tag).cloned();
                    BTreeMap::extend(&mut braked_clusters, name.map(|name| (name, held.clone())));
                }
                Scope::Identity(name) => {
                    BTreeMap::insert(&mut braked_identities, name.clone(), held.clone());
                }
            }
        }
        Outcome {
            orphans: self.orphans.plans().to_vec(),
            anchor: self.desired.anchor(),
            vanishing: self.deletions.again(),
            braked_identities,
            braked_clusters,
            braked_fleet,
            listed: self.listed,
            listed_at: self.listed_at,
            unavailable,
            identities: self.identities.clone(),
            clusters,
            examples: self
                .examples
                .iter()
                .filter_map(|(name, clusters)| Some((name.clone(), first(clusters.values().next()?)?)))
                .collect(),
            failing_in: failing_in.collect(),
            applied: self.applied,
            queued: (self.fresh.len() + self.stale.len() + self.doubts.waiting()) as u64,
            held: self.held.clone(),
            foreign: self.mirror.counts().1 as u64,
            released_identities: released.map(|(name, _)| name.clone()).collect(),
            released_clusters: ended.map(|(_, name)| name.clone()).collect(),
        }
    }

    /// Numbers of entries in SPIRE: ours, foreign.
    pub fn counts(&self) -> (usize, usize) {
        self.mirror.counts()
    }

    /// Number of pods that may not be in step.
    pub fn backlog(&self) -> usize {
        self.fresh.len() + self.stale.len() + self.failures.len() + self.doubts.waiting()
    }

    fn touch_all(&mut self) {
        let desired = &self.desired;
        let unknown = self.mirror.pods().filter(|pod| desired.pod(pod).is_none()).cloned();
        // Sorted together, which is less work than to put one after another in its place.
        let mut all: BTreeSet<PodKey> = desired.pods().chain(unknown).collect();
        self.stale.append(&mut all);
    }

    fn touch_cluster(&mut self, tag: &ClusterTag) {
        self.stale.extend(self.desired.pods_of(*tag).chain(self.mirror.pods_of(tag).cloned()));
    }

    /// Pods of a cluster that have entries and that nobody knows of.
    fn touch_unknown(&mut self, tag: &ClusterTag) {
        let desired = &self.desired;
        let unknown = self.mirror.pods_of(tag).filter(|pod| desired.pod(pod).is_none());
        self.stale.extend(unknown.cloned());
    }

    fn touch_ended(&mut self, names: &[&IdentityName]) {
        for (name, pods) in self.pods_with(names) {
            self.stale.extend(pods.iter().cloned());
            self.ending.insert(name, pods);
        }
    }

    /// Notes an entry that was not known: it may be of an identity that was seen being deleted.
    fn note_ended(&mut self, place: &Place) {
        let mut names = self.desired.ended_identities();
        let Some(name) = names.find(|name| place.digest.is_of(name, &place.pod.pod)) else { return };
        self.ending.entry(name.clone()).or_default().insert(place.pod.clone());
    }

    /// Pods that have an entry made for one of these identities, by one look at each entry. What a pod is to have, by now,
    /// says whose most entries are.
    fn pods_with(&self, names: &[&IdentityName]) -> BTreeMap<IdentityName, BTreeSet<PodKey>> {
        let mut pods: BTreeMap<IdentityName, BTreeSet<PodKey>> =
            names.iter().map(|name| ((*name).clone(), BTreeSet::new())).collect();
        let entries: Vec<Ours<'_>> = if names.is_empty() { Vec::new() } else { self.mirror.ours().collect() };
        let found = parallel::in_parts(&entries, |entries| {
            let whose = |place: &Place| {
                let of_pod = self.desired.pod(&place.pod).filter(|_| names.len() > 1);
                let mut wanted = of_pod.into_iter().flat_map(|pod| pod.wanted.iter());
                match wanted.find(|wanted| wanted.digest.is_beside(&place.digest)) {
                    Some(wanted) => names.iter().find(|name| ***name == wanted.identity),
                    None => names.iter().find(|name| place.digest.is_of(name, &place.pod.pod)),
                }
            };
            let found = entries.iter().filter_map(|entry| Some((*whose(entry.place)?, &entry.place.pod)));
            found.collect::<Vec<_>>()
        });
        for (name, pod) in found.into_iter().flatten() {
            pods.entry(name.clone()).or_default().insert(pod.clone());
        }
        pods
    }

    fn note(&mut self, plan: &PodPlan) {
        let mut state = PodState { in_place: plan.in_place.clone(), ..PodState::default() };
        let to_write = plan.creates.iter().chain(&plan.updates).map(|write| &write.wanted.identity);
        state.pending.extend(to_write.chain(&plan.waiting).cloned());
        for (identity, holder) in &plan.conflicts {
            let message = format!(
                "SPIRE entry {holder} holds the same SPIFFE ID, parent and selectors and is not ours"
            );
            state.failing.push((identity.clone(), Problem::new("Conflict", "(entry)", message)));
        }
        state.holds.extend(plan.holds.iter().map(|(_, hold)| *hold));
        state.previews.clone_from(&plan.previews);
        state.beside = self.beside(&plan.pod, &state.in_place);
        self.orphans.note(&plan.pod, &plan.holds);
        set(&mut self.leaning, &plan.pod, plan.leans_on_others);
        self.set_state(&plan.pod, state);
    }

    /// Whose the entries are that SPIRE holds for a pod, but for these.
    fn beside(&self, pod: &PodKey, in_place: &[IdentityName]) -> Vec<IdentityName> {
        let desired = self.desired.pod(pod);
        let whose = |place: &Place| {
            let mut wanted = desired.into_iter().flat_map(|pod| pod.wanted.iter().chain(&pod.previewed));
            let wanted = wanted.find(|wanted| wanted.digest.is_beside(&place.digest));
            let wanted = wanted.map(|wanted| &wanted.identity);
            wanted.or_else(|| self.desired.identity_of(&pod.pod, &place.digest).map(|(name, _)| name))
        };
        let mut names: Vec<&IdentityName> = self.mirror.places_of(pod).filter_map(whose).collect();
        for name in in_place {
            if let Some(at) = names.iter().position(|other| *other == name) {
                names.swap_remove(at);
            }
        }
        names.into_iter().cloned().collect()
    }

    fn set_state(&mut self, pod: &PodKey, state: PodState) {
        let is_empty = state == PodState::default();
        if let Some(before) = self.states.remove(pod) {
            self.count(pod, &before, |count| *count = count.saturating_sub(1));
            for (identity, _) in &before.failing {
                let Some(clusters) = self.examples.get_mut(identity) else { continue };
                if let Some(pods) = clusters.get_mut(&pod.cluster) {
                    pods.remove(&pod.pod);
                    if pods.is_empty() {
                        clusters.remove(&pod.cluster);
                    }
                }
                if clusters.is_empty() {
                    self.examples.remove(identity);
                }
            }
        }
        self.count(pod, &state, |count| *count += 1);
        for (identity, problem) in &state.failing {
            let clusters = self.examples.entry(identity.clone()).or_default();
            clusters.entry(pod.cluster).or_default().insert(pod.pod.clone(), problem.clone());
        }
        if !is_empty {
            let state = self.shared(state);
            self.states.insert(pod, state);
        }
    }

    fn shared(&mut self, state: PodState) -> Arc<PodState> {
        let PodState { in_place, pending, failing, holds, previews, beside } = &state;
        let is_plain = pending.is_empty() && failing.is_empty() && holds.is_empty();
        if !(is_plain && previews.is_empty() && beside.is_empty()) {
            return Arc::new(state);
        }
        if let Some(same) = self.in_step.get(in_place) {
            return same.clone();
        }
        // Each time that they have doubled: which of them are still in use?
        if self.in_step.len() >= IN_STEP && self.in_step.len().is_power_of_two() {
            self.in_step.retain(|_, state| Arc::strong_count(state) > 1);
        }
        let in_place = in_place.clone();
        let state = Arc::new(state);
        self.in_step.insert(in_place, state.clone());
        state
    }

    fn count(&mut self, pod: &PodKey, state: &PodState, step: impl Fn(&mut u64)) {
        let cluster = self.clusters.entry(pod.cluster).or_default();
        for name in &state.in_place {
            step(&mut self.identities.entry(name.clone()).or_default().in_place);
            step(&mut cluster.in_place);
        }
        for name in &state.pending {
            step(&mut self.identities.entry(name.clone()).or_default().pending);
            step(&mut cluster.pending);
        }
        for (name, _) in &state.failing {
            step(&mut self.identities.entry(name.clone()).or_default().failing);
            step(&mut cluster.failing);
        }
        for (name, would) in &state.previews {
            let tally = self.identities.entry(name.clone()).or_default();
            match would {
                Would::Create => step(&mut tally.would_create),
                Would::Update => step(&mut tally.would_update),
                Would::Delete => step(&mut tally.would_delete),
                Would::Keep => step(&mut tally.in_place),
            }
        }
        for hold in &state.holds {
            step(self.held.entry(*hold).or_default());
        }
        for name in state.in_place.iter().chain(&state.beside) {
            match self.entries.get_mut(name) {
                Some(count) => step(count),
                None => step(self.entries.entry(name.clone()).or_default()),
            }
        }
    }
}

fn size(mirror: &Mirror, entries: &BTreeMap<IdentityName, u64>, scope: &Scope) -> u64 {
    match scope {
        Scope::Fleet => mirror.counts().0 as u64,
        Scope::Cluster(tag) => mirror.count_of(tag) as u64,
        Scope::Identity(name) => entries.get(name).copied().unwrap_or_default(),
    }
}

fn set(pods: &mut BTreeSet<PodKey>, pod: &PodKey, is_member: bool) {
    if is_member {
        pods.insert(pod.clone());
    } else {
        pods.remove(pod);
    }
}
