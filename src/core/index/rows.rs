//! What is known of many pods, so many at a time: what lists show.

use super::objects::PodCounts;
use super::{Cluster, Identity, Index};
use crate::explain::{came, held};
use crate::names::{ClusterName, IdentityName, PodUid};

/// Some rows of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many there are in all.
    pub all: usize,
}

/// One pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRow {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The SPIFFE IDs that it is to have.
    pub spiffe_ids: Vec<String>,
    /// What identities that select it say otherwise.
    pub told: Vec<ToldRow>,
    /// What holds whatever else it has, as a clause.
    pub held: Option<&'static str>,
}

/// What came of one pod and one identity, where it is not that the pod gets the identity's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldRow {
    /// The identity.
    pub identity: IdentityName,
    /// The cluster.
    pub cluster: ClusterName,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The verdict's word, as `explain` has it.
    pub verdict: &'static str,
    /// The reason's fixed word.
    pub reason: String,
    /// Why, with the values compared.
    pub message: String,
}

impl Index {
    /// A cluster's pods by namespace and name: `most` of them after the first `skip`.
    pub fn pod_rows(&self, cluster: &ClusterName, skip: usize, most: usize) -> Rows<PodRow> {
        let Some(facts) = self.clusters.get(cluster) else { return Rows { rows: Vec::new(), all: 0 } };
        let mut pods = places(facts, |_, _| true);
        let shown = smallest(&mut pods, skip, most).iter();
        let rows = shown.filter_map(|(namespace, name, uid)| {
            let (_, pod) = facts.pod(uid)?;
            let entries = pod.desired.wanted.iter().filter_map(|wanted| wanted.entry().ok());
            let told = pod.told.iter().filter_map(|(identity, told)| {
                let (verdict, reason, message) = came(told);
                let row = ToldRow {
                    identity: identity.clone(),
                    cluster: cluster.clone(),
                    namespace: (*namespace).to_owned(),
                    name: (*name).to_owned(),
                    verdict,
                    reason,
                    message,
                };
                (verdict != "Derived").then_some(row)
            });
            Some(PodRow {
                namespace: (*namespace).to_owned(),
                name: (*name).to_owned(),
                spiffe_ids: entries.map(|entry| entry.key.spiffe_id.to_string()).collect(),
                told: told.collect(),
                held: pod.desired.hold.map(held),
            })
        });
        Rows { rows: rows.collect(), all: facts.pod_count() }
    }

    /// The pods of a cluster whose name begins so, as `NAME` or `NAMESPACE/NAME`: the first `most`, as `namespace/name`.
    pub fn pods_like(&self, cluster: &ClusterName, begin: &str, most: usize) -> Vec<String> {
        let Some(facts) = self.clusters.get(cluster) else { return Vec::new() };
        let mut pods = places(facts, |namespace, name| match begin.split_once('/') {
            Some((wanted, begin)) => namespace == wanted && name.starts_with(begin),
            None => name.starts_with(begin),
        });
        let shown = smallest(&mut pods, 0, most).iter();
        shown.map(|(namespace, name, _)| format!("{namespace}/{name}")).collect()
    }

    /// The pods that an identity selects and that have no entry by it because that does not come out right or a plugin denies
    /// it: `most` of them after the first `skip`.
    pub fn rows_without_entry(&self, name: &IdentityName, skip: usize, most: usize) -> Rows<ToldRow> {
        let identity = self.identities.get(name);
        let all = identity.into_iter().flat_map(Identity::by_cluster);
        let all: u64 = all.map(|(_, counts)| counts.failing + counts.denied).sum();
        let rows = identity.into_iter().flat_map(Identity::without_entry).skip(skip).take(most);
        let rows = rows.map(|(cluster, uid, told)| {
            let place = self.clusters.get(cluster).and_then(|facts| facts.pod(uid));
            let (namespace, pod) = place.map_or(("", uid.as_str()), |(_, pod)| pod.place());
            let (verdict, reason, message) = came(&told);
            ToldRow {
                identity: name.clone(),
                cluster: cluster.clone(),
                namespace: namespace.to_owned(),
                name: pod.to_owned(),
                verdict,
                reason,
                message,
            }
        });
        Rows { rows: rows.collect(), all: usize::try_from(all).unwrap_or(usize::MAX) }
    }

    /// How many pods an identity selects in each cluster, and what came of them.
    pub fn selected_by_cluster(&self, name: &IdentityName) -> Vec<(ClusterName, PodCounts)> {
        let counts = self.identities.get(name).into_iter().flat_map(Identity::by_cluster);
        counts.map(|(cluster, counts)| (cluster.clone(), counts)).collect()
    }
}

/// Namespace, name and uid of a cluster's pods.
fn places(facts: &Cluster, fits: impl Fn(&str, &str) -> bool) -> Vec<(&str, &str, &PodUid)> {
    let all = facts.pods().map(|(uid, pod)| {
        let (namespace, name) = pod.place();
        (namespace, name, uid)
    });
    all.filter(|(namespace, name, _)| fits(namespace, name)).collect()
}

/// What would stand after the first `skip`, at most so many, if all were sorted; without sorting all.
fn smallest<T: Ord>(all: &mut [T], skip: usize, most: usize) -> &[T] {
    if skip >= all.len() || most == 0 {
        return &[];
    }
    all.select_nth_unstable(skip);
    let (_, rest) = all.split_at_mut(skip);
    let count = most.min(rest.len());
    rest.select_nth_unstable(count - 1);
    let (shown, _) = rest.split_at_mut(count);
    shown.sort_unstable();
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_piece_of_the_sorted_whole() {
        let all: Vec<u32> = (0..1000).map(|number| number * 7919 % 1000).collect();
        let sorted: Vec<u32> = (0..1000).collect();
        for (skip, most) in [(0, 100), (100, 100), (950, 100), (999, 1), (1000, 5), (0, 0), (3, usize::MAX)] {
            let mut pods = all.clone();
            let expected: Vec<u32> = sorted.iter().copied().skip(skip).take(most).collect();
            assert_eq!(smallest(&mut pods, skip, most), expected, "{skip} {most}");
        }
    }
}
