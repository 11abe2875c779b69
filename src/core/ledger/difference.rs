//! What applying something would write: entry by entry, counted by cluster and identity, and whether the brake would hold it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Ledger, Mode, PodState};
use crate::brake::{Braked, Scope};
use crate::desired::{Delta, Desired, PodKey, Wanted};
use crate::entry::{Entry, EntryId, Nonce};
use crate::index::WhatIf;
use crate::names::{ClusterName, IdentityName};
use crate::parallel;
use crate::plan::{self, PodPlan, Write};

/// How many entries of each kind are shown unless all are asked for.
const EXAMPLES: usize = 5;

/// Numbers of writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Entries that would be created.
    pub create: u64,
    /// Entries that would be updated in place.
    pub update: u64,
    /// Of those, the ones that would get another SPIFFE ID, parent or selectors.
    pub become_another: u64,
    /// Entries that would be deleted.
    pub delete: u64,
}

impl Counts {
    fn note(&mut self, kind: Kind, becomes_another: bool) {
        match kind {
            Kind::Create => self.create += 1,
            Kind::Update => self.update += 1,
            Kind::Delete => self.delete += 1,
        }
        self.become_another += u64::from(becomes_another);
    }

    fn add(&mut self, more: &Self) {
        let Self { create, update, become_another, delete } = more;
        self.create += create;
        self.update += update;
        self.become_another += become_another;
        self.delete += delete;
    }

    fn sum(&self) -> u64 {
        self.create + self.update + self.delete
    }

    /// Whether nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.sum() == 0
    }
}

/// What would be done to an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It would be created.
    Create,
    /// It would be updated in place.
    Update,
    /// It would be deleted.
    Delete,
}

/// One entry that would be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What would be done.
    pub kind: Kind,
    /// The pod as `cluster/namespace/name`.
    pub pod: String,
    /// Which identity it is of, where that is known.
    pub identity: Option<String>,
    /// The entry's id; none for a new one.
    pub id: Option<String>,
    /// Each field that would be another: its name, what stands now and what would stand; an absent side is empty.
    pub fields: Vec<(String, String, String)>,
}

/// A plan that the brake would hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WouldHold {
    /// `fleet`, `cluster` or `identity`.
    pub scope: String,
    /// Which cluster or identity.
    pub name: Option<String>,
    /// What would release exactly it.
    pub digest: String,
    /// Entries that would be deleted.
    pub deletes: u64,
    /// Entries that would get another SPIFFE ID, parent or selectors.
    pub updates: u64,
}

/// What applying something would come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Why something of it could not be used; nothing else is said then.
    pub problems: Vec<String>,
    /// What nobody can say beforehand, and what it would do beside entries.
    pub notes: Vec<String>,
    /// All writes.
    pub total: Counts,
    /// By registry.
    pub clusters: BTreeMap<String, Counts>,
    /// By identity; deletes of entries whose identity is not known are in none.
    pub identities: BTreeMap<String, Counts>,
    /// Pods that an identity would newly select and that would get the same entry from another, by identity.
    pub masked: BTreeMap<String, u64>,
    /// Plans that would wait for a release.
    pub held: Vec<WouldHold>,
    /// Entries: some of each kind, or all.
    pub changes: Vec<Change>,
    /// Whether `changes` lacks some.
    pub is_cut: bool,
}

/// What the index says of a proposal, while it is planned, some pods at a time.
#[derive(Debug)]
pub struct Weighing {
    what: WhatIf,
    full: bool,
    /// How many pods were planned.
    planned: usize,
    braked: Vec<(PodKey, Braked)>,
    clusters: BTreeMap<ClusterName, Counts>,
    identities: BTreeMap<IdentityName, Counts>,
    difference: Difference,
}

/// What comes of some pods.
#[derive(Debug, Default)]
struct Part {
    braked: Vec<(PodKey, Braked)>,
    clusters: BTreeMap<ClusterName, Counts>,
    identities: BTreeMap<IdentityName, Counts>,
    total: Counts,
    changes: Vec<Change>,
    /// How many more changes of each kind are to be shown.
    room: [usize; 3],
}

impl Weighing {
    /// Of everything that the index says; whether all entries are shown, or some of each kind.
    pub fn new(what: WhatIf, full: bool) -> Self {
        let difference = Difference {
            problems: what.problems.iter().map(|(object, problem)| format!("{object}: {problem}")).collect(),
            notes: what.notes.clone(),
            masked: what.masked.iter().map(|(name, count)| (name.to_string(), *count)).collect(),
            ..Difference::default()
        };
        Self {
            what,
            full,
            planned: 0,
            braked: Vec::new(),
            clusters: BTreeMap::new(),
            identities: BTreeMap::new(),
            difference,
        }
    }

    /// How many more changes of each kind are to be shown.
    fn room(&self) -> [usize; 3] {
        if self.full {
            return [usize::MAX; 3];
        }
        let shown = |kind| self.difference.changes.iter().filter(|change| change.kind == kind).count();
        [Kind::Create, Kind::Update, Kind::Delete].map(|kind| EXAMPLES.saturating_sub(shown(kind)))
    }

    /// Takes in what came of some more pods.
    fn add(&mut self, part: Part) {
        let Part { braked, clusters, identities, total, changes, room: _ } = part;
        self.braked.extend(braked);
        for (name, more) in &clusters {
            note(&mut self.clusters, Some(name), |counts| counts.add(more));
        }
        for (name, more) in &identities {
            note(&mut self.identities, Some(name), |counts| counts.add(more));
        }
        self.difference.total.add(&total);
        let mut room = self.room();
        for change in changes {
            let Some(room) = room.get_mut(change.kind as usize).filter(|room| **room > 0) else { continue };
            *room -= 1;
            self.difference.changes.push(change);
        }
    }

    /// Whether every pod was planned.
    pub fn is_done(&self) -> bool {
        self.planned == self.what.delta.pods.len() || !self.difference.problems.is_empty()
    }
}

impl Ledger {
    /// What the writer would do of what the index says; some entries of each kind, or all. Nothing is planned or kept.
    pub fn difference(&self, what: WhatIf, full: bool, now: Instant) -> Difference {
        let mut weighing = Weighing::new(what, full);
        while !weighing.is_done() {
            self.weigh_some(&mut weighing, usize::MAX);
        }
        self.weighed(weighing, now)
    }

    /// Plans so many more pods.
    pub fn weigh_some(&self, weighing: &mut Weighing, limit: usize) {
        let room = weighing.room();
        let Weighing { what, planned, .. } = weighing;
        let all = what.delta.pods.iter().zip(&what.pods);
        let some: Vec<_> = all.skip(*planned).take(limit).collect();
        *planned += some.len();
        let after = self.desired.with(&Delta {
            ready: what.delta.ready,
            clusters: what.delta.clusters.clone(),
            identities: what.delta.identities.clone(),
            pods: some.iter().map(|(pod, _)| (*pod).clone()).collect(),
            ..Delta::default()
        });
        let parts = parallel::in_parts(&some, |some| {
            let mut part = Part { room, ..Part::default() };
            for ((key, _), (cluster, pod)) in some {
                self.weigh(key, cluster, pod, &after, &mut part);
            }
            part
        });
        parts.into_iter().for_each(|part| weighing.add(part));
    }

    /// Plans one pod.
    fn weigh(&self, key: &PodKey, cluster: &ClusterName, pod: &str, after: &Desired, part: &mut Part) {
        let no_nonce = Nonce::new(0);
        let make_id = |digest: &_| EntryId::make(&self.prefix, &key.cluster, digest, &no_nonce);
        let would = plan::plan(key, after, &self.mirror, make_id);
        // What is to be written anyway is not its doing; where nothing waits to be looked at, nothing is.
        let is_in_step = !self.fresh.contains(key)
            && !self.stale.contains(key)
            && !self.failures.contains(key)
            && self.listed;
        let anyway = (!is_in_step || !self.waits_for_nothing(key))
            .then(|| plan::plan(key, &self.desired, &self.mirror, make_id));
        part.braked.extend(self.braked(&would, after).map(|braked| (key.clone(), braked)));
        for (kind, id, write) in news(&would, anyway.as_ref()) {
            let identity = match write {
                Some(write) => Some(&write.wanted.identity),
                None => self.made_for(key, id, after),
            };
            let becomes_another = write.is_some_and(|write| write.becomes_another);
            part.total.note(kind, becomes_another);
            note(&mut part.identities, identity, |counts| counts.note(kind, becomes_another));
            note(&mut part.clusters, Some(cluster), |counts| counts.note(kind, becomes_another));
            let Some(room) = part.room.get_mut(kind as usize).filter(|room| **room > 0) else { continue };
            *room -= 1;
            part.changes.push(Change {
                kind,
                pod: format!("{cluster}/{pod}"),
                identity: identity.map(ToString::to_string),
                id: (kind != Kind::Create).then(|| id.to_string()),
                fields: self.fields(key, (kind != Kind::Create).then_some(id), write),
            });
        }
    }

    /// Whether all that the pod is to have is in place, and nothing of it is held.
    fn waits_for_nothing(&self, pod: &PodKey) -> bool {
        self.states.get(pod).is_some_and(|state| {
            let PodState { in_place: _, pending, failing, holds, previews, .. } = &**state;
            pending.is_empty() && failing.is_empty() && holds.is_empty() && previews.is_empty()
        })
    }

    /// What all of it comes to, and what of it the brake would hold.
    pub fn weighed(&self, weighing: Weighing, now: Instant) -> Difference {
        let Weighing { what, braked, clusters, identities, mut difference, .. } = weighing;
        if !difference.problems.is_empty() {
            return difference;
        }
        for (identity, (count, example)) in &what.failing {
            difference.notes.push(format!(
                "WorkloadIdentity/{identity}: {count} more pods would get no entry from it, among them {example}"
            ));
        }
        if what.unknown > 0 {
            difference.notes.push(format!(
                "{} pods: what they would get is known only once the clusters have listed fields that are not read now",
                what.unknown
            ));
        }
        if !self.listed {
            difference
                .notes
                .push("SPIRE's entries are not listed yet: what stands there is not known".to_owned());
        }
        if self.mode != Mode::Sync {
            difference.notes.push(format!(
                "the configuration says mode: {:?}, so not all of it would be done",
                self.mode
            ));
        }
        difference.is_cut = difference.total.sum() > difference.changes.len() as u64;
        difference.clusters = told(clusters);
        difference.identities = told(identities);
        let held = self.brake.would_hold(&braked, now, |scope| self.size(scope));
        difference.held = held
            .into_iter()
            .map(|held| {
                let (scope, name) = match &held.scope {
                    Scope::Fleet => ("fleet", None),
                    Scope::Cluster(tag) => {
                        let name = self.desired.cluster_name(tag);
                        ("cluster", Some(name.map_or_else(|| tag.to_string(), ToString::to_string)))
                    }
                    Scope::Identity(name) => ("identity", Some(name.to_string())),
                };
                WouldHold {
                    scope: scope.to_owned(),
                    name,
                    digest: held.digest,
                    deletes: held.deletes,
                    updates: held.updates,
                }
            })
            .collect();
        parallel::free((what, braked));
        difference
    }

    /// The fields of an entry that a write would change, or all of one that would come or go.
    fn fields(
        &self,
        pod: &PodKey,
        id: Option<&EntryId>,
        write: Option<&Write>,
    ) -> Vec<(String, String, String)> {
        let row = id.and_then(|id| self.mirror.row(id));
        let now = self.desired.pod(pod).into_iter().flat_map(|desired| desired.wanted.iter());
        // SPIRE's entries are kept as digests; what is wanted now and has the same says what stands there.
        let stands = |wanted: &&Wanted| row.is_some_and(|row| row.content == Some(wanted.content));
        let now = now.into_iter().find(stands).and_then(|wanted| wanted.entry().ok());
        let after = write.and_then(|write| write.wanted.entry().ok());
        let (now, after) = (now.as_deref().map(fields_of), after.as_deref().map(fields_of));
        match (now, after) {
            (Some(now), Some(after)) => now
                .into_iter()
                .zip(after)
                .filter(|(now, after)| now != after)
                .map(|((field, now), (_, after))| (field.to_owned(), now, after))
                .collect(),
            (Some(now), None) => shown_fields(now).map(|(field, now)| (field, now, String::new())).collect(),
            (None, Some(after)) => {
                shown_fields(after).map(|(field, after)| (field, String::new(), after)).collect()
            }
            (None, None) => Vec::new(),
        }
    }
}

fn note<N: Ord + Clone>(counts: &mut BTreeMap<N, Counts>, name: Option<&N>, note: impl FnOnce(&mut Counts)) {
    let Some(name) = name else { return };
    match counts.get_mut(name) {
        Some(counts) => note(counts),
        None => note(counts.entry(name.clone()).or_default()),
    }
}

fn told<N: ToString>(counts: BTreeMap<N, Counts>) -> BTreeMap<String, Counts> {
    counts.into_iter().map(|(name, counts)| (name.to_string(), counts)).collect()
}

/// What one plan does and another does not.
fn news<'a>(
    would: &'a PodPlan,
    anyway: Option<&'a PodPlan>,
) -> impl Iterator<Item = (Kind, &'a EntryId, Option<&'a Write>)> {
    let known = |writes: &[Write], write: &Write| {
        let is_same =
            |it: &Write| it.wanted.digest == write.wanted.digest && it.wanted.content == write.wanted.content;
        writes.iter().any(is_same)
    };
    let is_new = move |write: &&Write, all: fn(&PodPlan) -> &[Write]| {
        anyway.is_none_or(|anyway| !known(all(anyway), write))
    };
    let creates = would.creates.iter().filter(move |write| is_new(write, |plan| &plan.creates));
    let updates = would.updates.iter().filter(move |write| is_new(write, |plan| &plan.updates));
    let goes_anyway =
        move |id: &EntryId| anyway.is_some_and(|anyway| anyway.deletes.iter().any(|delete| delete.id == *id));
    let deletes = would.deletes.iter().map(|delete| &delete.id).filter(move |id| !goes_anyway(id));
    let creates = creates.map(|write| (Kind::Create, &write.id, Some(write)));
    let updates = updates.map(|write| (Kind::Update, &write.id, Some(write)));
    creates.chain(updates).chain(deletes.map(|id| (Kind::Delete, id, None)))
}

fn fields_of(entry: &Entry) -> Vec<(&'static str, String)> {
    let list = |texts: Vec<String>| texts.join(", ");
    let selectors = entry.key.selectors.iter().map(|it| format!("{}:{}", it.kind(), it.value()));
    vec![
        ("spiffeID", entry.key.spiffe_id.to_string()),
        ("parentID", entry.key.parent_id.to_string()),
        ("selectors", list(selectors.collect())),
        ("x509SVIDTTL", entry.x509_svid_ttl.to_string()),
        ("jwtSVIDTTL", entry.jwt_svid_ttl.to_string()),
        ("dnsNames", list(entry.dns_names.iter().map(|name| name.as_str().to_owned()).collect())),
        ("federatesWith", list(entry.federates_with.iter().map(|it| it.as_str().to_owned()).collect())),
        ("admin", entry.admin.to_string()),
        ("downstream", entry.downstream.to_string()),
        ("hint", entry.hint.clone()),
    ]
}

/// Those that say anything, of an entry that would come or go.
fn shown_fields(fields: Vec<(&'static str, String)>) -> impl Iterator<Item = (String, String)> {
    let says = |value: &str| !matches!(value, "" | "0" | "false");
    fields.into_iter().filter(move |(_, value)| says(value)).map(|(field, value)| (field.to_owned(), value))
}

impl Difference {
    /// Everything in one line.
    pub fn summary(&self) -> String {
        if let Some(first) = self.problems.first() {
            return format!("cannot be used: {first}");
        }
        let Counts { create, update, become_another, delete } = self.total;
        if self.total.is_empty() {
            return "would change no entry".to_owned();
        }
        let mut parts = Vec::new();
        if create > 0 {
            parts.push(format!("create {}", grouped(create)));
        }
        if update > 0 {
            let another = if become_another > 0 {
                format!(" ({} of them with another SPIFFE ID, parent or selectors)", grouped(become_another))
            } else {
                String::new()
            };
            parts.push(format!("update {}{another}", grouped(update)));
        }
        if delete > 0 {
            parts.push(format!("delete {}", grouped(delete)));
        }
        let last = parts.pop().unwrap_or_default();
        let writes = if parts.is_empty() { last } else { format!("{} and {last}", parts.join(", ")) };
        let clusters = self.clusters.len();
        let clusters = if clusters == 1 { "1 cluster".to_owned() } else { format!("{clusters} clusters") };
        let one = create + update + delete == 1;
        let entries = if one { "entry" } else { "entries" };
        let held = match self.held.as_slice() {
            [] => "",
            [_] => "; the brake would hold it until somebody releases the plan",
            _ => "; the brake would hold it until somebody releases the plans",
        };
        format!("would {writes} {entries} in {clusters}{held}")
    }
}

/// 3214 as 3,214.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// As people read it: counts first, then by cluster and identity, then entries.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = self.summary();
        let (first, rest) = summary.split_at(summary.chars().next().map_or(0, char::len_utf8));
        writeln!(f, "{}{rest}.", first.to_uppercase())?;
        self.problems.iter().skip(1).try_for_each(|problem| writeln!(f, "cannot be used: {problem}"))?;
        for (what, counts) in [("cluster", &self.clusters), ("identity", &self.identities)] {
            for (name, Counts { create, update, become_another, delete }) in counts {
                writeln!(
                    f,
                    "  {what} {name}: create {create}, update {update} ({become_another} become another), delete {delete}"
                )?;
            }
        }
        for (identity, count) in &self.masked {
            writeln!(
                f,
                "  {count} pods would get the entry of identity {identity} from another, which comes first"
            )?;
        }
        for WouldHold { scope, name, digest, deletes, updates } in &self.held {
            let of = name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
            writeln!(
                f,
                "  held by the budget of {scope}{of}: {deletes} deletes, {updates} changes; digest {digest}"
            )?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "  note: {note}"))?;
        for change in &self.changes {
            let sign = match change.kind {
                Kind::Create => '+',
                Kind::Update => '~',
                Kind::Delete => '-',
            };
            let id = change.id.as_deref().unwrap_or("(new)");
            let of = change.identity.as_deref().map(|name| format!(" of {name}")).unwrap_or_default();
            writeln!(f, "\n{sign} {} {id}{of}", change.pod)?;
            for (field, now, after) in &change.fields {
                match change.kind {
                    Kind::Update => writeln!(f, "    {field}: {now:?} -> {after:?}")?,
                    Kind::Create => writeln!(f, "    {field}: {after}")?,
                    Kind::Delete => writeln!(f, "    {field}: {now}")?,
                }
            }
        }
        if self.is_cut {
            writeln!(f, "\n(some of each kind; --full shows all)")?;
        }
        Ok(())
    }
}
