//! What is kept of each pod of a fleet, by cluster and uid.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::desired::PodKey;
use crate::entry::ClusterTag;
use crate::names::PodUid;
use crate::rows::Rows;

/// A map by pod of one cluster. A table that is half empty, as they are after they have grown, has numbers only.
#[derive(Debug)]
pub(crate) struct ByUid<V> {
    rows: Rows<(PodUid, V)>,
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<V> Default for ByUid<V> {
    fn default() -> Self {
        Self { rows: Rows::default(), numbers: HashTable::new(), hasher: DefaultHashBuilder::default() }
    }
}

impl<V> ByUid<V> {
    pub(crate) fn get(&self, uid: &PodUid) -> Option<&V> {
        self.get_key_value(uid).map(|(_, value)| value)
    }

    pub(crate) fn get_key_value(&self, uid: &PodUid) -> Option<(&PodUid, &V)> {
        self.at(self.number(uid)?)
    }

    pub(crate) fn get_mut(&mut self, uid: &PodUid) -> Option<&mut V> {
        let number = self.number(uid)?;
        self.rows.get_mut(number).map(|(_, value)| value)
    }

    pub(crate) fn contains_key(&self, uid: &PodUid) -> bool {
        self.number(uid).is_some()
    }

    /// Puts a value in the place of the one before, if any; with it, the pod's number: that does not change until it is
    /// removed.
    pub(crate) fn insert(&mut self, uid: PodUid, value: V) -> (u32, Option<V>) {
        if let Some(number) = self.number(&uid)
            && let Some((_, known)) = self.rows.get_mut(number)
        {
            return (number, Some(std::mem::replace(known, value)));
        }
        let hash = self.hasher.hash_one(&uid);
        let number = self.rows.insert((uid, value));
        let (rows, hasher) = (&self.rows, &self.hasher);
        let hash_of = |number: &u32| rows.get(*number).map_or(0, |(uid, _)| hasher.hash_one(uid));
        self.numbers.insert_unique(hash, number, hash_of);
        (number, None)
    }

    pub(crate) fn remove(&mut self, uid: &PodUid) -> Option<V> {
        let rows = &self.rows;
        let is_it = |number: &u32| rows.get(*number).is_some_and(|(known, _)| known == uid);
        let (number, _) = self.numbers.find_entry(self.hasher.hash_one(uid), is_it).ok()?.remove();
        self.rows.remove(number).map(|(_, value)| value)
    }

    /// The pod of a number.
    pub(crate) fn at(&self, number: u32) -> Option<(&PodUid, &V)> {
        self.rows.get(number).map(|(uid, value)| (uid, value))
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PodUid, &V)> {
        self.rows.iter().map(|(uid, value)| (uid, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &PodUid> {
        self.iter().map(|(uid, _)| uid)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    pub(crate) fn number(&self, uid: &PodUid) -> Option<u32> {
        let is_it = |number: &u32| self.rows.get(*number).is_some_and(|(known, _)| known == uid);
        self.numbers.find(self.hasher.hash_one(uid), is_it).copied()
    }
}

/// A map by [`PodKey`]. Each cluster's pods have a map of their own, so that no pod names its cluster again.
#[derive(Debug)]
pub(crate) struct ByPod<V>(HashMap<ClusterTag, ByUid<V>>);

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
        self.0.entry(key.cluster).or_default().insert(key.pod.clone(), value).1
    }

    pub(crate) fn remove(&mut self, key: &PodKey) -> Option<V> {
        let pods = self.0.get_mut(&key.cluster)?;
        let value = pods.remove(&key.pod)?;
        if pods.len() == 0 {
            self.0.remove(&key.cluster);
        }
        Some(value)
    }

    /// All pods of a cluster.
    pub(crate) fn keys_of(&self, cluster: ClusterTag) -> impl Iterator<Item = PodKey> {
        let pods = self.0.get(&cluster).into_iter().flat_map(ByUid::keys);
        pods.map(move |pod| PodKey { cluster, pod: pod.clone() })
    }

    /// All pods.
    pub(crate) fn keys(&self) -> impl Iterator<Item = PodKey> {
        self.0.keys().flat_map(|cluster| self.keys_of(*cluster))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_what_a_map_is(steps in prop::collection::vec((any::<bool>(), 0_u32..40, any::<u8>()), 0..400)) {
            let (mut pods, mut map) = (ByUid::default(), BTreeMap::new());
            for (is_insert, uid, value) in steps {
                let uid = PodUid::new(uid.to_string()).unwrap();
                prop_assert_eq!(pods.get(&uid), map.get(&uid));
                if is_insert {
                    let (number, before) = pods.insert(uid.clone(), value);
                    prop_assert_eq!((pods.number(&uid), pods.at(number)), (Some(number), Some((&uid, &value))));
                    prop_assert_eq!(before, map.insert(uid, value));
                } else {
                    prop_assert_eq!(pods.remove(&uid), map.remove(&uid));
                }
                prop_assert_eq!(pods.len(), map.len());
            }
            let all: BTreeMap<PodUid, u8> = pods.iter().map(|(uid, value)| (uid.clone(), *value)).collect();
            prop_assert_eq!(all, map);
        }
    }
}
