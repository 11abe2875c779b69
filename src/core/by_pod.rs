//! What is kept of each pod of a fleet, by cluster and uid.

use hashbrown::HashMap;

use crate::desired::PodKey;
use crate::entry::ClusterTag;
use crate::names::PodUid;

/// A map by [`PodKey`]. Each cluster's pods have a table of their own, so that no pod names its cluster again.
#[derive(Debug)]
pub(crate) struct ByPod<V>(HashMap<ClusterTag, HashMap<PodUid, V>>);

impl<V> Default for ByPod<V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<V> ByPod<V> {
    pub(crate) fn get(&self, key: &PodKey) -> Option<&V> {
        self.0.get(&key.cluster)?.get(&key.pod)
    }

    pub(crate) fn insert(&mut self, key: &PodKey, value: V) -> Option<V> {
        self.0.entry(key.cluster).or_default().insert(key.pod.clone(), value)
    }

    pub(crate) fn remove(&mut self, key: &PodKey) -> Option<V> {
        let pods = self.0.get_mut(&key.cluster)?;
        let value = pods.remove(&key.pod)?;
        if pods.is_empty() {
            self.0.remove(&key.cluster);
        }
        Some(value)
    }

    /// All pods of a cluster.
    pub(crate) fn keys_of(&self, cluster: ClusterTag) -> impl Iterator<Item = PodKey> {
        let pods = self.0.get(&cluster).into_iter().flat_map(HashMap::keys);
        pods.map(move |pod| PodKey { cluster, pod: pod.clone() })
    }

    /// All pods.
    pub(crate) fn keys(&self) -> impl Iterator<Item = PodKey> {
        self.0.keys().flat_map(|cluster| self.keys_of(*cluster))
    }
}
