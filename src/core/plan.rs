//! Desired against observed, pod by pod: what to create, update and delete, with a checker that trusts none of it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::adopt::is_predecessors;
use crate::desired::{Desired, Fate, Hold, IdentityStanding, PodKey, SeenEnd, Wanted};
use crate::entry::{EntryDigest, EntryId};
use crate::mirror::{Mirror, Row};
use crate::mutants::{self, Mutant};
use crate::names::IdentityName;

/// An entry that is to be written under this id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// A new id, or the id of the entry that is updated in place.
    pub id: EntryId,
    /// What is to stand there.
    pub wanted: Wanted,
    /// It is an update, and the entry gets another SPIFFE ID, parent or selectors.
    pub becomes_another: bool,
}

/// An entry that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// Its id.
    pub id: EntryId,
    /// The fact that says so.
    pub end: SeenEnd,
}

/// What is to be done for one pod. Creates come first and deletes last, so that it is never without an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodPlan {
    /// The pod.
    pub pod: PodKey,
    /// Entries that SPIRE does not hold.
    pub creates: Vec<Write>,
    /// Entries that SPIRE holds otherwise.
    pub updates: Vec<Write>,
    /// Entries that SPIRE is not to hold any more.
    pub deletes: Vec<Delete>,
    /// Identities whose entry is in place.
    pub in_place: Vec<IdentityName>,
    /// Identities whose entry is not in place and has to wait: until the cluster is in step again, or until it is known
    /// what the identity wants that the entry was made for.
    pub waiting: Vec<IdentityName>,
    /// Identities whose key is held by an entry that is not ours to change.
    pub conflicts: Vec<(IdentityName, EntryId)>,
    /// Entries that stay although the pod is not to have them.
    pub holds: Vec<(EntryId, Hold)>,
    /// What identities with `preview: true` would do.
    pub previews: Vec<(IdentityName, Would)>,
    /// Entries that serve an identity now and were made for another, with the digest that they go by from now on.
    pub taken_over: Vec<(EntryId, EntryDigest)>,
    /// The plan depends on an entry that is not ours: one that serves the pod as it is, or one in conflict.
    pub leans_on_others: bool,
}

/// What an identity with `preview: true` would do with one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Would {
    /// Create it.
    Create,
    /// Update it in place.
    Update,
    /// Delete it.
    Delete,
    /// Nothing: it is in place.
    Keep,
}

impl PodPlan {
    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.creates.is_empty() && self.updates.is_empty() && self.deletes.is_empty()
    }
}

/// Plans one pod; `make_id` makes a new id for a digest.
pub fn plan(
    pod: &PodKey,
    desired: &Desired,
    mirror: &Mirror,
    mut make_id: impl FnMut(&EntryDigest) -> EntryId,
) -> PodPlan {
    let mut plan = PodPlan {
        pod: pod.clone(),
        creates: Vec::new(),
        updates: Vec::new(),
        deletes: Vec::new(),
        in_place: Vec::new(),
        waiting: Vec::new(),
        conflicts: Vec::new(),
        holds: Vec::new(),
        previews: Vec::new(),
        taken_over: Vec::new(),
        leans_on_others: false,
    };
    let synced = desired.is_synced(&pod.cluster);
    let wanted = desired.pod(pod).map(|pod| &*pod.wanted).unwrap_or_default();
    // Of some identity nobody can say what the pod is to have: a plugin that was not asked yet, for one.
    let is_held = desired.pod(pod).is_some_and(|pod| pod.hold.is_some());
    let mut free: BTreeMap<EntryId, &Row> = mirror.of_pod(pod).collect();
    let mut open = Vec::new();
    // By key first: what a workload already has is kept, whichever identity it was made for.
    for want in wanted {
        let with_key = free.iter().filter(|(_, row)| row.key == want.key);
        let best = with_key
            .min_by_key(|(_, row)| row.content != Some(want.content))
            .map(|(id, row)| (id.clone(), *row));
        match best {
            None => open.push(want),
            Some((id, row)) => {
                free.remove(&id);
                let place = row.place.as_ref();
                let is_moved = place.is_some_and(|place| place.digest != want.digest);
                let is_anothers = place.is_some_and(|place| !place.digest.is_beside(&want.digest));
                if is_moved && !is_held {
                    plan.taken_over.push((id.clone(), want.digest));
                }
                if row.content == Some(want.content) && !mutants::is_on(Mutant::WriteWithoutNeed) {
                    plan.in_place.push(want.identity.clone());
                } else if synced && !(is_anothers && is_held) {
                    plan.updates.push(Write { id, wanted: want.clone(), becomes_another: false });
                } else {
                    // Whoever it was made for may yet want it as it is.
                    plan.waiting.push(want.identity.clone());
                }
            }
        }
    }
    for want in open {
        // SPIRE does not check keys on update and refuses a second one on create: whoever holds it keeps it.
        if let Some((id, row)) = mirror.with_key(&want.key).next() {
            plan.leans_on_others = true;
            if row.place.is_none() && row.content == Some(want.content) {
                plan.in_place.push(want.identity.clone());
            } else {
                plan.conflicts.push((want.identity.clone(), id));
            }
            continue;
        }
        if !synced {
            plan.waiting.push(want.identity.clone());
            continue;
        }
        let same_digest = |row: &Row| row.place.as_ref().is_some_and(|place| place.digest == want.digest);
        let by_digest = free.iter().find(|(_, row)| same_digest(row)).map(|(id, _)| id.clone());
        match by_digest.filter(|_| !mutants::is_on(Mutant::MakeAnew)) {
            Some(id) => {
                free.remove(&id);
                plan.updates.push(Write { id, wanted: want.clone(), becomes_another: true });
            }
            None => {
                let id = make_id(&want.digest);
                plan.creates.push(Write { id, wanted: want.clone(), becomes_another: false });
            }
        }
    }
    let mut frozen = BTreeMap::new();
    for (id, row) in free {
        let Some(place) = &row.place else { continue };
        match desired.fate(pod, &id, &place.digest) {
            // As after a refused write: a pod that does not get what it is to have keeps what it has.
            Fate::End(_) if synced && !plan.conflicts.is_empty() => plan.holds.push((id, Hold::Conflict)),
            Fate::End(end) => plan.deletes.push(Delete { id, end }),
            Fate::Hold(hold) => {
                plan.holds.push((id.clone(), hold));
                if hold == Hold::Preview {
                    frozen.insert(id, row);
                }
            }
        }
    }
    let previewed = desired.pod(pod).map(|pod| &*pod.previewed).unwrap_or_default();
    plan.previews = previews(pod, desired, previewed, frozen);
    plan
}

/// What would become of frozen entries and of those that their identities would give the pod.
fn previews(
    pod: &PodKey,
    desired: &Desired,
    previewed: &[Wanted],
    mut frozen: BTreeMap<EntryId, &Row>,
) -> Vec<(IdentityName, Would)> {
    let mut previews = Vec::new();
    for want in previewed {
        let same_digest = |row: &Row| row.place.as_ref().is_some_and(|place| place.digest == want.digest);
        let by_key = frozen.iter().find(|(_, row)| row.key == want.key);
        let found = by_key.or_else(|| frozen.iter().find(|(_, row)| same_digest(row)));
        let would = match found.map(|(id, row)| (id.clone(), row.content)) {
            None => Would::Create,
            Some((id, content)) => {
                frozen.remove(&id);
                if content == Some(want.content) { Would::Keep } else { Would::Update }
            }
        };
        previews.push((want.identity.clone(), would));
    }
    let left = frozen
        .values()
        .filter_map(|row| row.place.as_ref())
        .filter_map(|place| desired.identity_of(&pod.pod, &place.digest))
        .filter(|(_, standing)| *standing == IdentityStanding::Preview);
    previews.extend(left.map(|(identity, _)| (identity.clone(), Would::Delete)));
    previews
}

/// A plan that breaks a rule; it is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanFault {
    /// Two writes name one id.
    #[error("{0} is written twice")]
    Twice(EntryId),
    /// An update or delete names an entry that is not an entry of ours on this pod.
    #[error("{0} is not an entry of ours on this pod")]
    NotOurs(EntryId),
    /// A create names an id that is taken or would not be recognised later.
    #[error("{0} is not a new id of ours")]
    NotNew(EntryId),
    /// A write would make a second entry with one key.
    #[error("the key of {0} is held by {1}")]
    KeyTaken(EntryId, EntryId),
    /// A write in a cluster that is not in step.
    #[error("{0} is written while its cluster is not in step")]
    NotSynced(EntryId),
    /// A write that the pod is not to have.
    #[error("{0} is written and the pod is not to have it")]
    NotWanted(EntryId),
    /// A delete for which no fact was seen.
    #[error("{0} is deleted and no fact says so")]
    NotEnded(EntryId),
}

/// Checks a plan against the invariants, by other means than those that made it.
pub fn check(plan: &PodPlan, desired: &Desired, mirror: &Mirror, prefix: &str) -> Result<(), PlanFault> {
    let mut ids = BTreeSet::new();
    let deletes = plan.deletes.iter().map(|delete| &delete.id);
    for id in plan.creates.iter().chain(&plan.updates).map(|write| &write.id).chain(deletes) {
        if !ids.insert(id) {
            return Err(PlanFault::Twice(id.clone()));
        }
    }
    for write in &plan.creates {
        let own = write.id.own(prefix);
        let fits =
            own.is_some_and(|own| own.cluster == plan.pod.cluster && own.digest == write.wanted.digest);
        if !fits || mirror.row(&write.id).is_some() {
            return Err(PlanFault::NotNew(write.id.clone()));
        }
    }
    for write in plan.creates.iter().chain(&plan.updates) {
        if !desired.is_synced(&plan.pod.cluster) {
            return Err(PlanFault::NotSynced(write.id.clone()));
        }
        if !desired.pod(&plan.pod).is_some_and(|pod| pod.wanted.contains(&write.wanted)) {
            return Err(PlanFault::NotWanted(write.id.clone()));
        }
        // What has its key already does not take it: SPIRE lets updates make keys equal.
        let has_key = mirror.row(&write.id).is_some_and(|row| row.key == write.wanted.key);
        if !has_key
            && let Some((holder, _)) = mirror.with_key(&write.wanted.key).find(|(id, _)| *id != write.id)
            && !plan.deletes.iter().any(|delete| delete.id == holder)
        {
            return Err(PlanFault::KeyTaken(write.id.clone(), holder));
        }
    }
    let deletes = plan.deletes.iter().map(|delete| &delete.id);
    for id in plan.updates.iter().map(|write| &write.id).chain(deletes) {
        let place = mirror.row(id).and_then(|row| row.place.as_ref());
        let is_own = id.own(prefix).is_some() || mirror.adopts() && is_predecessors(id, prefix);
        if !is_own || place.is_none_or(|place| place.pod != plan.pod) {
            return Err(PlanFault::NotOurs(id.clone()));
        }
    }
    for delete in &plan.deletes {
        let place = mirror.row(&delete.id).and_then(|row| row.place.as_ref());
        let fate = place.map(|place| desired.fate(&plan.pod, &delete.id, &place.digest));
        if !matches!(fate, Some(Fate::End(_))) {
            return Err(PlanFault::NotEnded(delete.id.clone()));
        }
    }
    Ok(())
}
