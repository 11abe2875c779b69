//! What SPIRE holds, as digests: by id, by key and, for entries of ours, by pod.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::adopt::is_predecessors;
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
    /// The list that is being compared told of it, or it was written since that began.
    is_listed: bool,
}

/// How an entry of a list compares with what was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Met {
    /// It is as it was known.
    Same,
    /// It was known otherwise, in this place.
    Changed(Option<Place>),
    /// It was not known.
    New,
}

/// What SPIRE holds, foreign entries included.
#[derive(Debug)]
pub struct Mirror {
    prefix: String,
    adopts: bool,
    rows: HashMap<EntryId, Row>,
    by_key: HashMap<KeyHash, BTreeSet<EntryId>>,
    by_pod: BTreeMap<PodKey, BTreeSet<EntryId>>,
}

impl Mirror {
    /// An empty mirror; ids that begin with this prefix and parse are ours.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            adopts: false,
            rows: HashMap::new(),
            by_key: HashMap::new(),
            by_pod: BTreeMap::new(),
        }
    }

    /// Entries that the predecessor made are ours as well, where a pod claims them.
    pub fn adopting(mut self) -> Self {
        self.adopts = true;
        self
    }

    /// Whether entries that the predecessor made can be ours.
    pub fn adopts(&self) -> bool {
        self.adopts
    }

    /// Begins to compare with a complete list, of which [`Self::list`] is told entry by entry. What is written meanwhile
    /// is newer than what the list can say of it.
    pub fn begin_list(&mut self) {
        self.rows.values_mut().for_each(|row| row.is_listed = false);
    }

    /// Takes in one entry of a list.
    pub fn list(&mut self, observed: Observed) -> Met {
        match self.rows.get_mut(&observed.id) {
            None => {
                self.insert(observed);
                Met::New
            }
            Some(row) => {
                if (row.key, row.content) == (observed.key, observed.content) {
                    row.is_listed = true;
                    return Met::Same;
                }
                let before = row.place.clone();
                self.insert(observed);
                Met::Changed(before)
            }
        }
    }

    /// Entries that the list, now that all of it was told, did not have.
    pub fn unlisted(&self) -> Vec<EntryId> {
        self.rows.iter().filter(|(_, row)| !row.is_listed).map(|(id, _)| id.clone()).collect()
    }

    /// Notes an entry that was created or updated or found.
    pub fn insert(&mut self, observed: Observed) {
        let before = self.remove(&observed.id);
        let Observed { id, key, content, pod } = observed;
        // An id of ours whose entry names no pod was altered by somebody: nobody can say where it belongs.
        let place = pod.and_then(|pod| self.place_of(&id, pod, before));
        self.by_key.entry(key).or_default().insert(id.clone());
        if let Some(place) = &place {
            self.by_pod.entry(place.pod.clone()).or_default().insert(id.clone());
        }
        self.rows.insert(id, Row { key, content, place, is_listed: true });
    }

    fn place_of(&self, id: &EntryId, pod: PodUid, before: Option<Row>) -> Option<Place> {
        if let Some(own) = id.own(&self.prefix) {
            return Some(Place { pod: PodKey { cluster: own.cluster, pod }, digest: own.digest });
        }
        if !self.adopts || !is_predecessors(id, &self.prefix) {
            return None;
        }
        // Whoever has claimed it keeps it, whatever somebody makes of it.
        let claimed = before.and_then(|row| row.place).filter(|place| place.pod.pod == pod);
        claimed.or_else(|| {
            let pod = PodKey { cluster: ClusterTag::predecessor(), pod };
            Some(Place { pod, digest: EntryDigest::of_id(id) })
        })
    }

    /// Whether the predecessor made an entry for this pod that nobody has claimed.
    pub fn has_unclaimed(&self, pod: &PodUid) -> bool {
        let unclaimed = || PodKey { cluster: ClusterTag::predecessor(), pod: pod.clone() };
        self.adopts && self.by_pod.contains_key(&unclaimed())
    }

    /// Gives an entry its place.
    pub fn put(&mut self, id: &EntryId, place: Place) {
        let Some(row) = self.rows.get_mut(id) else { return };
        let before = row.place.replace(place.clone());
        if let Some(before) = before {
            self.leave(&before.pod, id);
        }
        self.by_pod.entry(place.pod).or_default().insert(id.clone());
    }

    /// Notes that an entry is gone; what was known of it.
    pub fn remove(&mut self, id: &EntryId) -> Option<Row> {
        let row = self.rows.remove(id)?;
        if let Some(ids) = self.by_key.get_mut(&row.key) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_key.remove(&row.key);
            }
        }
        if let Some(place) = &row.place {
            self.leave(&place.pod, id);
        }
        Some(row)
    }

    fn leave(&mut self, pod: &PodKey, id: &EntryId) {
        if let Some(ids) = self.by_pod.get_mut(pod) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_pod.remove(pod);
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
