//! The brake on what is seen, too: deletes and changes of identity beyond a budget are held until somebody releases
//! exactly them. Somebody deletes a definition, a tool prunes, a selector loses a line: all of that is seen, and meant by
//! nobody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use hashbrown::{HashMap, HashSet};

use crate::desired::PodKey;
use crate::entry::{ClusterTag, ContentHash, EntryId, short_digest};
use crate::held::EXAMPLES;
use crate::mutants::{self, Mutant};
use crate::names::IdentityName;
use crate::parallel;

/// While more pods than this wait, it is not decided at each change of them.
const MANY: usize = 1000;
/// How long it is not decided again, for each of them beyond [`MANY`]: a hundred times what deciding over it takes.
const REST_FOR_EACH: Duration = Duration::from_micros(100);

/// How much may be deleted or given another identity at once, or within a time. Both share and number have to be exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgets {
    /// Percent of an identity's or a cluster's entries.
    pub scope_share: u64,
    /// Number of an identity's or a cluster's entries.
    pub scope_number: u64,
    /// Percent of all entries of this registrar.
    pub fleet_share: u64,
    /// Number of all entries of this registrar.
    pub fleet_number: u64,
    /// The time within which they add up.
    pub window: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            scope_share: 20,
            scope_number: 100,
            fleet_share: 10,
            fleet_number: 500,
            window: Duration::from_secs(600),
        }
    }
}

/// What has a budget of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything.
    Fleet,
    /// One cluster.
    Cluster(ClusterTag),
    /// One identity.
    Identity(IdentityName),
}

/// A delete, or an update that changes the entry's SPIFFE ID, parent or selectors.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Braked {
    /// The entry.
    pub id: EntryId,
    /// What it is to become; none where it is deleted.
    pub becomes: Option<ContentHash>,
    /// The identity that it was made for or is updated for, where that is known.
    pub identity: Option<IdentityName>,
}

/// A plan beyond a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose budget.
    pub scope: Scope,
    /// What releases exactly this plan.
    pub digest: String,
    /// Number of deletes.
    pub deletes: u64,
    /// Number of updates that change what a workload is.
    pub updates: u64,
    /// Number of the scope's entries.
    pub size: u64,
    /// Some of the entries that it would delete or change.
    pub examples: Vec<EntryId>,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { digest, deletes, updates, size, .. } = self;
        let entries = match self.scope {
            Scope::Fleet => format!("all {size} entries"),
            Scope::Cluster(_) => format!("the cluster's {size} entries"),
            Scope::Identity(_) => format!("the identity's {size} entries"),
        };
        write!(
            f,
            "Held: {deletes} deletes and {updates} changes of SPIFFE ID, parent or selectors, of {entries}. \
             If they are meant, release exactly them: annotate this object with {}={digest}",
            crate::api::RELEASE_ANNOTATION
        )
    }
}

/// What waits for the brake and what it let through.
#[derive(Debug)]
pub struct Brake {
    budgets: Budgets,
    parked: BTreeMap<PodKey, Vec<Braked>>,
    cleared: HashMap<PodKey, Vec<Braked>>,
    /// What was let through within the window, without a release.
    passed: VecDeque<(Instant, EntryId, Vec<Scope>)>,
    held: Vec<Held>,
    is_open: bool,
    /// Before, it is not decided again.
    rests_until: Option<Instant>,
}

impl Brake {
    /// A brake with nothing before it.
    pub fn new(budgets: Budgets) -> Self {
        let (parked, cleared, passed) = (BTreeMap::new(), HashMap::new(), VecDeque::new());
        Self { budgets, parked, cleared, passed, held: Vec::new(), is_open: false, rests_until: None }
    }

    /// Whether this much of a pod's plan may be carried out now; otherwise it waits for [`Self::decide`].
    pub fn admit(&mut self, pod: &PodKey, braked: Vec<Braked>) -> bool {
        if braked.is_empty() || mutants::is_on(Mutant::ForgetBrake) {
            self.is_open |= self.parked.remove(pod).is_some();
            self.cleared.remove(pod);
            return true;
        }
        if self.cleared.get(pod).is_some_and(|cleared| braked.iter().all(|it| cleared.contains(it))) {
            return true;
        }
        self.cleared.remove(pod);
        if self.parked.get(pod) != Some(&braked) {
            self.parked.insert(pod.clone(), braked);
            self.is_open = true;
        }
        false
    }

    /// Something was released, or no longer is.
    pub fn reopen(&mut self) {
        self.is_open |= !self.parked.is_empty();
        self.rests_until = None;
    }

    /// Whether [`Self::decide`] could come to something new, and may.
    pub fn is_open(&self, now: Instant) -> bool {
        self.is_open && self.rests_until.is_none_or(|at| at <= now)
    }

    /// When it may be decided again, where that could come to something new.
    pub fn opens_at(&self) -> Option<Instant> {
        self.rests_until.filter(|_| self.is_open)
    }

    /// Pods that wait.
    pub fn waiting(&self) -> impl Iterator<Item = &PodKey> {
        self.parked.keys()
    }

    /// Pods that wait with a write that counts against this identity's budget.
    pub fn waiting_for(&self, identity: &IdentityName) -> impl Iterator<Item = &PodKey> {
        let counts = |braked: &Braked| braked.identity.as_ref() == Some(identity);
        self.parked.iter().filter(move |(_, all)| all.iter().any(counts)).map(|(pod, _)| pod)
    }

    /// Plans beyond a budget.
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    /// Which scopes' plans, of all that waits, are beyond their budgets, and which of those are released.
    fn weigh<'a>(
        &self,
        parked: impl Iterator<Item = (&'a Braked, &'a PodKey)>,
        now: Instant,
        released: &BTreeSet<String>,
        size: impl Fn(&Scope) -> u64,
    ) -> (Vec<Held>, BTreeSet<Scope>) {
        let mut all: Vec<(&Braked, &PodKey)> = parked.collect();
        // Sorted once, and so in every scope.
        parallel::sort(&mut all);
        let entries = entries_of(&all);
        let waiting = by_scope(&all, &entries);
        let braked = |number: &usize| all.get(*number).map(|(braked, _)| *braked);
        let entry = |number: &usize| entries.get(*number).copied();
        let mut before: HashMap<&Scope, HashSet<&EntryId>> = HashMap::new();
        let within = |at: &Instant| now.duration_since(*at) < self.budgets.window;
        for (_, id, scopes) in self.passed.iter().filter(|(at, ..)| within(at)) {
            for scope in scopes {
                before.entry(scope).or_default().insert(id);
            }
        }
        let mut many = Vec::new();
        for (scope, numbers) in &waiting {
            // An entry counts once, also where what was let through is not done and has become something else.
            let mut last = None;
            let firsts =
                numbers.iter().filter(|number| entry(number) != std::mem::replace(&mut last, entry(number)));
            let count = match before.get(scope) {
                None => firsts.count(),
                Some(before) => {
                    let is_new = |braked: &&Braked| !before.contains(&braked.id);
                    before.len() + firsts.filter_map(braked).filter(is_new).count()
                }
            } as u64;
            let (number, share) = self.budget(scope);
            if count > number {
                many.push((scope, numbers, count, share));
            }
        }
        if many.is_empty() {
            return (Vec::new(), BTreeSet::new());
        }
        let with_sizes = many
            .into_iter()
            .map(|(scope, numbers, count, share)| (scope, numbers, count, share, size(scope)));
        let beyond: Vec<(&Scope, &Vec<usize>, u64)> = with_sizes
            .filter(|(.., count, share, size)| count.saturating_mul(100) > size.saturating_mul(*share))
            .map(|(scope, numbers, .., size)| (scope, numbers, size))
            .collect();
        let texts = if beyond.is_empty() { Vec::new() } else { texts_of(&all) };
        let digests = parallel::each(&beyond, |(scope, numbers, _)| {
            digest(scope, numbers.iter().filter_map(|number| texts.get(*number)))
        });
        let (mut held, mut let_through) = (Vec::new(), BTreeSet::new());
        for ((scope, numbers, size), digest) in beyond.into_iter().zip(digests) {
            let is_released = match released.contains(&digest) {
                true => !mutants::is_on(Mutant::ForgetReleased),
                false => mutants::is_on(Mutant::ReleaseAnything) && !released.is_empty(),
            };
            if is_released {
                let_through.insert(scope.clone());
                continue;
            }
            let braked = || numbers.iter().filter_map(braked);
            let deletes = braked().filter(|it| it.becomes.is_none()).count() as u64;
            let updates = numbers.len() as u64 - deletes;
            let examples = braked().take(EXAMPLES).map(|it| it.id.clone()).collect();
            held.push(Held { scope: scope.clone(), digest, deletes, updates, size, examples });
        }
        (held, let_through)
    }

    /// Number and share of a scope's budget.
    fn budget(&self, scope: &Scope) -> (u64, u64) {
        match scope {
            Scope::Fleet => (self.budgets.fleet_number, self.budgets.fleet_share),
            _ => (self.budgets.scope_number, self.budgets.scope_share),
        }
    }

    /// The plans that would be beyond a budget if these pods' were added to what waits. Nothing is kept of it.
    pub fn would_hold(
        &self,
        more: &[(PodKey, Braked)],
        now: Instant,
        size: impl Fn(&Scope) -> u64,
    ) -> Vec<Held> {
        // What waits of these pods would be another plan.
        let anew: HashSet<&PodKey> = match self.parked.is_empty() {
            true => HashSet::new(),
            false => more.iter().map(|(pod, _)| pod).collect(),
        };
        let parked = self.parked.iter().filter(|(pod, _)| !anew.contains(pod)).flat_map(of_pod);
        self.weigh(parked.chain(more.iter().map(|(pod, braked)| (braked, pod))), now, &BTreeSet::new(), size)
            .0
    }

    /// Decides over everything that waits, taken together; gives the pods that may go on now. `size` tells the number of
    /// a scope's entries.
    pub fn decide(
        &mut self,
        now: Instant,
        released: &BTreeSet<String>,
        size: impl Fn(&Scope) -> u64,
    ) -> Vec<PodKey> {
        self.is_open = false;
        while self.passed.front().is_some_and(|(at, ..)| now.duration_since(*at) >= self.budgets.window) {
            self.passed.pop_front();
        }
        let (held, let_through) = self.weigh(self.parked.iter().flat_map(of_pod), now, released, size);
        self.held = held;
        let is_held = |scope: &Scope| self.held.iter().any(|held| held.scope == *scope);
        let mut go_on = Vec::new();
        for (pod, all) in &self.parked {
            let stays = all.iter().any(|braked| {
                let mut scopes = scopes(pod, braked).into_iter();
                let is_released = scopes.clone().any(|scope| let_through.contains(&scope));
                !is_released && scopes.any(|scope| is_held(&scope))
            });
            if !stays {
                go_on.push(pod.clone());
            }
        }
        for pod in &go_on {
            let Some(all) = self.parked.remove(pod) else { continue };
            for braked in &all {
                let scopes = scopes(pod, braked);
                // What somebody released is not counted against what comes after it.
                if !scopes.iter().any(|scope| let_through.contains(scope)) {
                    self.passed.push_back((now, braked.id.clone(), scopes));
                }
            }
            self.cleared.insert(pod.clone(), all);
        }
        // What is held now is another plan, or none.
        if self.parked.is_empty() {
            self.held.clear();
        }
        self.is_open = !go_on.is_empty() && !self.parked.is_empty();
        // What waits is looked at as a whole, so that with very much of it not each pod that comes or goes is worth that.
        let many = self.parked.len().saturating_sub(MANY);
        self.rests_until = (many > 0).then(|| now + REST_FOR_EACH * u32::try_from(many).unwrap_or(u32::MAX));
        go_on
    }
}

fn of_pod<'a>((pod, all): (&'a PodKey, &'a Vec<Braked>)) -> impl Iterator<Item = (&'a Braked, &'a PodKey)> {
    all.iter().map(move |braked| (braked, pod))
}

fn scopes(pod: &PodKey, braked: &Braked) -> Vec<Scope> {
    let identity = braked.identity.iter().cloned().map(Scope::Identity);
    [Scope::Fleet, Scope::Cluster(pod.cluster)].into_iter().chain(identity).collect()
}

/// Of which entry each is: equal numbers for equal ids. Ids are long and far apart in memory, so that they are compared once.
fn entries_of(all: &[(&Braked, &PodKey)]) -> Vec<usize> {
    let mut entries = Vec::with_capacity(all.len());
    let (mut entry, mut before) = (0, None);
    for (braked, _) in all {
        entry += usize::from(before.replace(&braked.id).is_some_and(|before| *before != braked.id));
        entries.push(entry);
    }
    entries
}

/// Which of all these, in their order and each once, count in which scope.
fn by_scope(all: &[(&Braked, &PodKey)], entries: &[usize]) -> BTreeMap<Scope, Vec<usize>> {
    let (mut fleet, mut clusters, mut identities) = (Vec::new(), HashMap::new(), HashMap::new());
    for (number, (braked, pod)) in all.iter().enumerate() {
        // Equal ones stand side by side.
        let is_same = |other: &usize| {
            entries.get(*other) == entries.get(number) && all.get(*other).is_some_and(|(it, _)| it == braked)
        };
        let add = |numbers: &mut Vec<usize>| {
            if !numbers.last().is_some_and(is_same) {
                numbers.push(number);
            }
        };
        add(&mut fleet);
        add(clusters.entry(pod.cluster).or_default());
        braked.identity.iter().for_each(|name| add(identities.entry(name).or_default()));
    }
    let fleet = (!fleet.is_empty()).then_some((Scope::Fleet, fleet));
    let clusters = clusters.into_iter().map(|(tag, numbers)| (Scope::Cluster(tag), numbers));
    let identities = identities.into_iter().map(|(name, numbers)| (Scope::Identity(name.clone()), numbers));
    fleet.into_iter().chain(clusters).chain(identities).collect()
}

/// What a digest is made of.
fn texts_of(all: &[(&Braked, &PodKey)]) -> Vec<String> {
    let text = |(braked, _): &(&Braked, &PodKey)| format!("{} {:?}", braked.id, braked.becomes);
    parallel::in_parts(all, |some| some.iter().map(text).collect())
        .into_iter()
        .flat_map(Vec::into_iter)
        .collect()
}

/// The same for the same plan, in every process.
fn digest<'a>(scope: &Scope, braked: impl Iterator<Item = &'a String>) -> String {
    let scope = match scope {
        Scope::Fleet => "fleet".to_owned(),
        Scope::Cluster(tag) => format!("cluster {tag:?}"),
        Scope::Identity(name) => format!("identity {name}"),
    };
    short_digest(&scope, braked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{EntryDigest, Nonce};
    use crate::names::{ClusterName, PodUid};

    fn pod(cluster: &str, number: usize) -> PodKey {
        let cluster = ClusterTag::of(&ClusterName::new(cluster).unwrap());
        PodKey { cluster, pod: PodUid::new(format!("u{number}")).unwrap() }
    }

    fn delete(pod: &PodKey, identity: &str) -> Braked {
        let identity = IdentityName::new(identity).unwrap();
        let digest = EntryDigest::of(&identity, &pod.pod, 0);
        let id = EntryId::make("t-", &pod.cluster, &digest, &Nonce::new(0));
        Braked { id, becomes: None, identity: Some(identity) }
    }

    /// Parks so many deletes of identity `i` and decides; the numbers of pods that may go on and of held plans.
    fn decide(
        brake: &mut Brake,
        count: usize,
        size: u64,
        now: Instant,
        released: &BTreeSet<String>,
    ) -> (usize, usize) {
        for number in 0..count {
            let pod = pod("east", number);
            let braked = delete(&pod, "i");
            brake.admit(&pod, vec![braked]);
        }
        let go_on = brake.decide(now, released, |_| size).len();
        (go_on, brake.held().len())
    }

    #[test]
    fn share_and_number_both_have_to_be_exceeded() {
        let (now, none) = (Instant::now(), BTreeSet::new());
        let fresh = || Brake::new(Budgets::default());
        assert_eq!(decide(&mut fresh(), 100, 100, now, &none), (100, 0), "few");
        assert_eq!(decide(&mut fresh(), 101, 505, now, &none), (101, 0), "a small share");
        // Of the identity and of the cluster; the fleet's number is not exceeded.
        assert_eq!(decide(&mut fresh(), 101, 504, now, &none), (0, 2));
        assert_eq!(decide(&mut fresh(), 501, 5010, now, &none), (501, 0));
        assert_eq!(decide(&mut fresh(), 501, 5009, now, &none), (0, 1), "of the fleet");
    }

    #[test]
    fn what_passed_within_the_window_counts_and_time_alone_releases_nothing() {
        let (now, none) = (Instant::now(), BTreeSet::new());
        let mut brake = Brake::new(Budgets::default());
        assert_eq!(decide(&mut brake, 60, 200, now, &none), (60, 0));
        let more: Vec<PodKey> = (100..160).map(|number| pod("east", number)).collect();
        for pod in &more {
            let braked = vec![delete(pod, "i")];
            assert!(!brake.admit(pod, braked));
        }
        assert_eq!(brake.decide(now, &none, |_| 200), []);
        assert_eq!(brake.held().len(), 2);
        assert!(!brake.is_open(now), "nobody asks again because time passes");
        let mut later = Brake::new(Budgets::default());
        assert_eq!(decide(&mut later, 60, 200, now, &none), (60, 0));
        more.iter().for_each(|pod| {
            later.admit(pod, vec![delete(pod, "i")]);
        });
        assert_eq!(later.decide(now + Duration::from_secs(600), &none, |_| 200).len(), 60);
    }

    #[test]
    fn while_very_many_wait_it_is_not_decided_at_each_change_but_at_once_at_a_release() {
        let (now, none) = (Instant::now(), BTreeSet::new());
        let few = u64::try_from(MANY).unwrap();
        let mut brake = Brake::new(Budgets::default());
        assert_eq!(decide(&mut brake, MANY, few, now, &none).0, 0);
        let end = |brake: &mut Brake, number| brake.admit(&pod("east", number), Vec::new());
        end(&mut brake, 0);
        assert!(brake.is_open(now) && brake.opens_at().is_none());
        assert_eq!(decide(&mut brake, MANY + 200, few, now, &none).0, 0);
        end(&mut brake, 0);
        let later = now + REST_FOR_EACH * 200;
        assert_eq!((brake.is_open(now), brake.opens_at()), (false, Some(later)));
        assert!(brake.is_open(later));
        brake.reopen();
        assert!(brake.is_open(now));
    }

    #[test]
    fn a_release_lets_exactly_that_plan_through() {
        let (now, none) = (Instant::now(), BTreeSet::new());
        let mut brake = Brake::new(Budgets::default());
        assert_eq!(decide(&mut brake, 150, 200, now, &none), (0, 2));
        let of_identity = brake.held().iter().find(|held| matches!(held.scope, Scope::Identity(_))).unwrap();
        let released = BTreeSet::from([of_identity.digest.clone()]);
        // One more delete: another plan.
        let other = pod("east", 150);
        brake.admit(&other, vec![delete(&other, "i")]);
        assert_eq!(brake.decide(now, &released, |_| 200), []);
        // It is gone again, by an edit: the plan is the one that was released, and the cluster's digest is not needed.
        brake.admit(&other, Vec::new());
        assert!(brake.is_open(now));
        assert_eq!(brake.decide(now, &released, |_| 200).len(), 150);
        let first = pod("east", 0);
        assert!(brake.admit(&first, vec![delete(&first, "i")]), "cleared until it is done");
        assert!(brake.admit(&first, Vec::new()));
        assert!(!brake.admit(&first, vec![delete(&first, "i")]), "and no longer");
    }
}
