//! What SPIRE holds, as digests: by id, by key and, for entries of ours, by pod.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::desired::PodKey;
use crate::entry::{ClusterTag, ContentHash, Entry, EntryDigest, EntryId, KeyHash};
use crate::names::{IdentityName, PodUid};

/// An entry as SPIRE tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Its id.
    pub id: EntryId,
    /// Its key's digest.
    pub key: KeyHash,
    /// Its content's digest; none where it has something that no entry of ours has, so that it equals none.
    pub content: Option<ContentHash>,
    /// The pod that its selectors name, where they name exactly one.
    pub pod: Option<PodUid>,
}

impl Observed {
    /// The observation of an entry with this id.
    pub fn of(id: EntryId, entry: &Entry) -> Self {
        let mut named = entry.key.selectors.iter().filter_map(|selector| selector.named_pod());
        let pod = match (named.next(), named.next()) {
            (Some(uid), None) => PodUid::new(uid).ok(),
            _ => None,
        };
        Self { id, key: entry.key.hash(), content: Some(entry.hash()), pod }
    }
}

/// Where an entry of ours belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The pod.
    pub pod: PodKey,
    /// The id's digest.
    pub digest: EntryDigest,
}

/// What is kept of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its key's digest.
    pub key: KeyHash,
    /// Its content's digest, see [`Observed::content`].
    pub content: Option<ContentHash>,
    /// None for a foreign entry.
    pub place: Option<Place>,
}

/// What SPIRE holds, foreign entries included.
#[derive(Debug)]
pub struct Mirror {
    prefix: String,
    rows: HashMap<EntryId, Row>,
    by_key: HashMap<KeyHash, BTreeSet<EntryId>>,
    by_pod: BTreeMap<PodKey, BTreeSet<EntryId>>,
}

impl Mirror {
    /// An empty mirror; ids that begin with this prefix and parse are ours.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            rows: HashMap::new(),
            by_key: HashMap::new(),
            by_pod: BTreeMap::new(),
        }
    }

    /// Replaces everything by a complete list; gives the pods whose entries differ from what was known.
    pub fn replace(&mut self, list: impl IntoIterator<Item = Observed>) -> BTreeSet<PodKey> {
        let before = std::mem::replace(self, Self::new(&self.prefix));
        let mut changed = BTreeSet::new();
        for observed in list {
            let id = observed.id.clone();
            self.insert(observed);
            let row = self.rows.get(&id);
            if before.rows.get(&id) != row
                && let Some(place) = row.and_then(|row| row.place.as_ref())
            {
                changed.insert(place.pod.clone());
            }
        }
        let gone = before.rows.iter().filter(|(id, _)| !self.rows.contains_key(*id));
        changed.extend(gone.filter_map(|(_, row)| row.place.as_ref().map(|place| place.pod.clone())));
        changed
    }

    /// Notes an entry that was created or updated or found.
    pub fn insert(&mut self, observed: Observed) {
        self.remove(&observed.id);
        let Observed { id, key, content, pod } = observed;
        // An id of ours whose entry names no pod was altered by somebody: nobody can say where it belongs.
        let place = id.own(&self.prefix).zip(pod).map(|(own, pod)| {
            let pod = PodKey { cluster: own.cluster, pod };
            Place { pod, digest: own.digest }
        });
        self.by_key.entry(key).or_default().insert(id.clone());
        if let Some(place) = &place {
            self.by_pod.entry(place.pod.clone()).or_default().insert(id.clone());
        }
        self.rows.insert(id, Row { key, content, place });
    }

    /// Notes that an entry is gone.
    pub fn remove(&mut self, id: &EntryId) {
        let Some(row) = self.rows.remove(id) else { return };
        if let Some(ids) = self.by_key.get_mut(&row.key) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_key.remove(&row.key);
            }
        }
        if let Some(place) = row.place
            && let Some(ids) = self.by_pod.get_mut(&place.pod)
        {
            ids.remove(id);
            if ids.is_empty() {
                self.by_pod.remove(&place.pod);
            }
        }
    }

    /// One entry.
    pub fn row(&self, id: &EntryId) -> Option<&Row> {
        self.rows.get(id)
    }

    /// Entries with this key; more than one where updates made them equal.
    pub fn with_key(&self, key: &KeyHash) -> impl Iterator<Item = (&EntryId, &Row)> {
        let ids = self.by_key.get(key).into_iter().flatten();
        ids.filter_map(|id| self.rows.get(id).map(|row| (id, row)))
    }

    /// Entries of ours on this pod.
    pub fn of_pod(&self, pod: &PodKey) -> impl Iterator<Item = (&EntryId, &Row)> {
        let ids = self.by_pod.get(pod).into_iter().flatten();
        ids.filter_map(|id| self.rows.get(id).map(|row| (id, row)))
    }

    /// Pods that have entries of ours.
    pub fn pods(&self) -> impl Iterator<Item = &PodKey> {
        self.by_pod.keys()
    }

    /// Pods of one cluster that have entries of ours.
    pub fn pods_of(&self, cluster: &ClusterTag) -> impl Iterator<Item = &PodKey> {
        self.by_pod.keys().filter(move |pod| pod.cluster == *cluster)
    }

    /// Pods that have an entry of ours made for this identity.
    pub fn pods_with(&self, identity: &IdentityName) -> impl Iterator<Item = &PodKey> {
        self.by_pod.keys().filter(move |pod| {
            let digest = EntryDigest::of(identity, &pod.pod, 0);
            let is_of = |place: &Place| place.digest.is_beside(&digest);
            self.of_pod(pod).any(|(_, row)| row.place.as_ref().is_some_and(is_of))
        })
    }

    /// Number of entries: ours, foreign.
    pub fn counts(&self) -> (usize, usize) {
        let ours = self.by_pod.values().map(BTreeSet::len).sum();
        (ours, self.rows.len() - ours)
    }
}
