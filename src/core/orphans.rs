//! Entries of ours that nobody known wants and whose end nobody saw: listed in plans, and gone only when somebody
//! releases exactly such a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::desired::{Hold, PodKey};
use crate::entry::{ClusterTag, EntryId, short_digest};
use crate::held::EXAMPLES;
use crate::names::{ClusterName, PodUid};

/// Entries that are held for one cause and wait for one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrphanPlan {
    /// [`Hold::UnknownCluster`], [`Hold::UnknownIdentity`] or [`Hold::Predecessor`].
    pub cause: Hold,
    /// The part of the entries' ids that names their cluster.
    pub tag: ClusterTag,
    /// The cluster, where its registry is known.
    pub cluster: Option<ClusterName>,
    /// What releases exactly these entries; none while they can't be released.
    pub digest: Option<String>,
    /// Number of entries.
    pub entries: u64,
    /// Some of them.
    pub examples: Vec<EntryId>,
}

impl fmt::Display for OrphanPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries;
        write!(f, "Entries of ours: {entries} ")?;
        match (self.cause, &self.cluster) {
            (Hold::Predecessor, _) => f.write_str("that the predecessor made and that no pod is to have")?,
            (Hold::UnknownIdentity, Some(cluster)) => write!(
                f,
                "in cluster {cluster} of identities that are not known and were never seen being deleted"
            )?,
            _ => write!(
                f,
                "with the cluster tag {}, of a registry that is not known and was never seen being deleted",
                self.tag
            )?,
        }
        match &self.digest {
            Some(digest) => write!(
                f,
                ". They stay. If they are to go, release exactly them: annotate an EKSClusterRegistry or WorkloadIdentity with {}={digest}",
                crate::api::RELEASE_ANNOTATION
            ),
            None => f.write_str(
                ". They stay, and can't be released before every cluster is in step: its pods may be the ones that are to have them",
            ),
        }
    }
}

/// What plans are made by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    cause: Hold,
    tag: ClusterTag,
}

/// What is told of a group, until its entries change.
#[derive(Debug)]
struct Known {
    digest: String,
    entries: u64,
    examples: Vec<EntryId>,
}

/// Entries that a release lets go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// The plan's digest.
    pub digest: String,
    /// Exactly these.
    pub entries: BTreeSet<EntryId>,
    /// The pods that they are of.
    pub pods: BTreeSet<PodKey>,
}

/// All orphans by pod, and the plans that they make.
#[derive(Debug, Default)]
pub struct Orphans {
    pods: BTreeMap<ClusterTag, BTreeMap<PodUid, Vec<(Hold, EntryId)>>>,
    known: BTreeMap<Group, Known>,
    plans: Vec<OrphanPlan>,
    changed: BTreeSet<Group>,
    is_open: bool,
}

impl Orphans {
    /// Notes what a pod's plan holds.
    pub fn note(&mut self, pod: &PodKey, holds: &[(EntryId, Hold)]) {
        let found = holds.iter().filter(|(_, hold)| hold.is_orphans());
        let found: Vec<(Hold, EntryId)> = found.map(|(id, hold)| (*hold, id.clone())).collect();
        if found.is_empty() && !self.pods.contains_key(&pod.cluster) {
            return;
        }
        let pods = self.pods.entry(pod.cluster).or_default();
        let before = match found.is_empty() {
            true => pods.remove(&pod.pod),
            false if pods.get(&pod.pod) == Some(&found) => return,
            false => pods.insert(pod.pod.clone(), found.clone()),
        };
        if pods.is_empty() {
            self.pods.remove(&pod.cluster);
        }
        let causes = before.unwrap_or_default().into_iter().chain(found).map(|(cause, _)| cause);
        self.changed.extend(causes.map(|cause| Group { cause, tag: pod.cluster }));
    }

    /// Something that decides over plans has changed: what is released, or which clusters are in step.
    pub fn reopen(&mut self) {
        self.is_open |= !self.pods.is_empty();
    }

    /// Whether [`Self::decide`] could come to something new.
    pub fn is_open(&self) -> bool {
        self.is_open || !self.changed.is_empty()
    }

    /// All of them, with their pods.
    pub fn entries(&self) -> impl Iterator<Item = (PodKey, &EntryId)> {
        self.pods.iter().flat_map(|(cluster, pods)| {
            let key = |pod: &PodUid| PodKey { cluster: *cluster, pod: pod.clone() };
            pods.iter().flat_map(move |(pod, entries)| entries.iter().map(move |(_, id)| (key(pod), id)))
        })
    }

    /// The plans that stand.
    pub fn plans(&self) -> &[OrphanPlan] {
        &self.plans
    }

    /// Makes the plans anew and gives those that were released. `name` is the cluster behind a tag, and `all_in_step` is
    /// whether every cluster told all its pods, without which nobody can say that the predecessor's entries are unwanted.
    pub fn decide<'a>(
        &mut self,
        released: &BTreeSet<String>,
        all_in_step: bool,
        name: impl Fn(&ClusterTag) -> Option<&'a ClusterName>,
    ) -> Vec<Released> {
        self.is_open = false;
        for group in std::mem::take(&mut self.changed) {
            let ids: BTreeSet<String> = self.entries_of(&group).map(|(_, id)| id.to_string()).collect();
            if ids.is_empty() {
                self.known.remove(&group);
                continue;
            }
            let examples = self.entries_of(&group).take(EXAMPLES).map(|(_, id)| id.clone()).collect();
            let head = format!("orphans {} {}", group.cause.reason(), group.tag);
            let entries = ids.len() as u64;
            self.known.insert(group, Known { digest: short_digest(&head, ids), entries, examples });
        }
        let (mut plans, mut let_go) = (Vec::new(), Vec::new());
        for (group, Known { digest, entries, examples }) in &self.known {
            let is_offered = group.cause != Hold::Predecessor || all_in_step;
            if is_offered && released.contains(digest) {
                let entries = self.entries_of(group).map(|(_, id)| id.clone()).collect();
                let key = |pod: &PodUid| PodKey { cluster: group.tag, pod: pod.clone() };
                let pods = self.entries_of(group).map(|(pod, _)| key(pod)).collect();
                let_go.push(Released { digest: digest.clone(), entries, pods });
            }
            plans.push(OrphanPlan {
                cause: group.cause,
                tag: group.tag,
                cluster: name(&group.tag).cloned(),
                digest: is_offered.then(|| digest.clone()),
                entries: *entries,
                examples: examples.clone(),
            });
        }
        self.plans = plans;
        let_go
    }

    fn entries_of(&self, group: &Group) -> impl Iterator<Item = (&PodUid, &EntryId)> {
        let cause = group.cause;
        self.pods.get(&group.tag).into_iter().flatten().flat_map(move |(pod, entries)| {
            entries.iter().filter(move |(of, _)| *of == cause).map(move |(_, id)| (pod, id))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(cluster: &str, number: usize) -> PodKey {
        let cluster = ClusterTag::of(&ClusterName::new(cluster).unwrap());
        PodKey { cluster, pod: PodUid::new(format!("u{number}")).unwrap() }
    }

    fn id(number: usize) -> EntryId {
        EntryId::observed(&format!("e{number}"))
    }

    fn decide(orphans: &mut Orphans, released: &[&String], all_in_step: bool) -> Vec<Released> {
        let released = released.iter().map(|digest| (*digest).clone()).collect();
        orphans.decide(&released, all_in_step, |_| None)
    }

    #[test]
    fn a_plan_is_of_one_cause_and_cluster_and_its_digest_is_of_exactly_its_entries() {
        let mut orphans = Orphans::default();
        for number in 0..3 {
            orphans.note(&pod("a", number), &[(id(number), Hold::UnknownCluster)]);
        }
        orphans.note(&pod("b", 3), &[(id(3), Hold::UnknownIdentity), (id(4), Hold::Brake)]);
        assert!(orphans.is_open());
        assert_eq!(decide(&mut orphans, &[], true), []);
        let numbers: Vec<u64> = orphans.plans().iter().map(|plan| plan.entries).collect();
        assert_eq!(numbers, [3, 1]);
        let digest = orphans.plans()[0].digest.clone().unwrap();
        // The same again is nothing new; one less is another plan, and the release of the old one is void.
        orphans.note(&pod("a", 0), &[(id(0), Hold::UnknownCluster)]);
        assert!(!orphans.is_open());
        orphans.note(&pod("a", 0), &[]);
        assert_eq!(decide(&mut orphans, &[&digest], true), []);
        orphans.note(&pod("a", 0), &[(id(0), Hold::UnknownCluster)]);
        let let_go = decide(&mut orphans, &[&digest], true);
        assert_eq!(let_go.len(), 1);
        assert_eq!(let_go[0].entries, BTreeSet::from([id(0), id(1), id(2)]));
        assert_eq!(let_go[0].pods.len(), 3);
    }

    #[test]
    fn the_predecessors_entries_are_offered_only_while_every_cluster_is_in_step() {
        let mut orphans = Orphans::default();
        let key = PodKey { cluster: ClusterTag::predecessor(), pod: PodUid::new("u").unwrap() };
        orphans.note(&key, &[(id(0), Hold::Predecessor)]);
        decide(&mut orphans, &[], true);
        let digest = orphans.plans()[0].digest.clone().unwrap();
        orphans.reopen();
        assert_eq!(decide(&mut orphans, &[&digest], false), []);
        assert_eq!(orphans.plans()[0].digest, None);
        assert!(orphans.plans()[0].to_string().contains("before every cluster is in step"));
        assert_eq!(decide(&mut orphans, &[&digest], true).len(), 1);
    }
}
