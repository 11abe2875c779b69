//! What SPIRE holds, as digests: by id, by key and, for entries of ours, by pod.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::desired::PodKey;
use crate::entry::{ClusterTag, ContentHash, Entry, EntryDigest, EntryId, KeyHash, Nonce, OwnId};
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
        let (key, content) = entry.hashes();
        Self { id, key, content: Some(content), pod }
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
///
/// Rows stand in one list, found by id, key and pod through tables of their numbers: half a million of them are to be small.
#[derive(Debug)]
pub struct Mirror {
    prefix: String,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    by_id: HashTable<u32>,
    by_key: HashTable<u32>,
    by_pod: HashTable<u32>,
    /// Number of entries of ours.
    ours: BTreeMap<ClusterTag, usize>,
    hasher: DefaultHashBuilder,
}

#[derive(Debug)]
struct Slot {
    id: SlotId,
    row: Row,
}

/// An id of ours is written out only where somebody asks for it.
#[derive(Debug, PartialEq, Eq)]
enum SlotId {
    /// With the row's place, all that the id says.
    Own(Nonce),
    Text(EntryId),
}

impl Slot {
    fn id(&self, prefix: &str) -> EntryId {
        match (&self.id, &self.row.place) {
            (SlotId::Text(id), _) => id.clone(),
            (SlotId::Own(nonce), Some(place)) => {
                EntryId::make(prefix, &place.pod.cluster, &place.digest, nonce)
            }
            // Whatever has no place keeps its text.
            (SlotId::Own(_), None) => EntryId::observed(""),
        }
    }

    fn has(&self, id: &EntryId, own: Option<&OwnId>) -> bool {
        match (&self.id, &self.row.place, own) {
            (SlotId::Text(text), _, _) => text == id,
            (SlotId::Own(nonce), Some(place), Some(own)) => {
                (*nonce, place.digest, place.pod.cluster) == (own.nonce, own.digest, own.cluster)
            }
            (SlotId::Own(_), _, _) => false,
        }
    }
}

impl Mirror {
    /// An empty mirror; ids that begin with this prefix and parse are ours.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            slots: Vec::new(),
            free: Vec::new(),
            by_id: HashTable::new(),
            by_key: HashTable::new(),
            by_pod: HashTable::new(),
            ours: BTreeMap::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Replaces everything by a complete list; gives the pods whose entries differ from what was known.
    pub fn replace(&mut self, list: impl IntoIterator<Item = Observed>) -> BTreeSet<PodKey> {
        let before = std::mem::replace(self, Self::new(&self.prefix));
        let mut changed = BTreeSet::new();
        for observed in list {
            let id = observed.id.clone();
            self.insert(observed);
            let row = self.row(&id);
            if before.row(&id) != row
                && let Some(place) = row.and_then(|row| row.place.as_ref())
            {
                changed.insert(place.pod.clone());
            }
        }
        for slot in before.slots.iter().flatten() {
            if let Some(place) = &slot.row.place
                && self.row(&slot.id(&self.prefix)).is_none()
            {
                changed.insert(place.pod.clone());
            }
        }
        changed
    }

    /// Notes an entry that was created or updated or found.
    pub fn insert(&mut self, observed: Observed) {
        self.remove(&observed.id);
        let Observed { id, key, content, pod } = observed;
        let own = id.own(&self.prefix);
        let id_hash = self.id_hash(&id, own.as_ref());
        // An id of ours whose entry names no pod was altered by somebody: nobody can say where it belongs.
        let (slot_id, place) = match own.zip(pod) {
            Some((own, pod)) => {
                let place = Place { pod: PodKey { cluster: own.cluster, pod }, digest: own.digest };
                (SlotId::Own(own.nonce), Some(place))
            }
            None => (SlotId::Text(id), None),
        };
        let pod_hash = place.as_ref().map(|place| self.hasher.hash_one(&place.pod));
        if let Some(place) = &place {
            *self.ours.entry(place.pod.cluster).or_default() += 1;
        }
        let slot = Some(Slot { id: slot_id, row: Row { key, content, place } });
        let number = match self.free.pop() {
            Some(number) => {
                if let Some(free) = self.slots.get_mut(number as usize) {
                    *free = slot;
                }
                number
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        let (slots, hasher, prefix) = (&self.slots, &self.hasher, &self.prefix);
        let at = |number: &u32| slots.get(*number as usize).and_then(Option::as_ref);
        self.by_id.insert_unique(id_hash, number, |number| {
            at(number).map_or(0, |slot| hash_of_slot(hasher, slot, prefix))
        });
        let hash_of_key = |number: &u32| at(number).map_or(0, |slot| hasher.hash_one(slot.row.key));
        self.by_key.insert_unique(hasher.hash_one(key), number, hash_of_key);
        if let Some(pod_hash) = pod_hash {
            let pod = |number: &u32| at(number).and_then(|slot| slot.row.place.as_ref());
            self.by_pod.insert_unique(pod_hash, number, |number| {
                pod(number).map_or(0, |place| hasher.hash_one(&place.pod))
            });
        }
    }

    /// Notes that an entry is gone.
    pub fn remove(&mut self, id: &EntryId) {
        let own = id.own(&self.prefix);
        let hash = self.id_hash(id, own.as_ref());
        let slots = &self.slots;
        let has = |number: &u32| {
            slots.get(*number as usize).and_then(Option::as_ref).is_some_and(|slot| slot.has(id, own.as_ref()))
        };
        let Ok(found) = self.by_id.find_entry(hash, has) else { return };
        let (number, _) = found.remove();
        let Some(slot) = self.slots.get_mut(number as usize).and_then(Option::take) else { return };
        self.free.push(number);
        if let Ok(found) = self.by_key.find_entry(self.hasher.hash_one(slot.row.key), |it| *it == number) {
            found.remove();
        }
        let Some(place) = slot.row.place else { return };
        if let Ok(found) = self.by_pod.find_entry(self.hasher.hash_one(&place.pod), |it| *it == number) {
            found.remove();
        }
        if let Some(count) = self.ours.get_mut(&place.pod.cluster) {
            *count -= 1;
            if *count == 0 {
                self.ours.remove(&place.pod.cluster);
            }
        }
    }

    /// One entry.
    pub fn row(&self, id: &EntryId) -> Option<&Row> {
        let own = id.own(&self.prefix);
        let hash = self.id_hash(id, own.as_ref());
        let slots = self.by_id.iter_hash(hash).filter_map(|number| self.slot(*number));
        slots.filter(|slot| slot.has(id, own.as_ref())).map(|slot| &slot.row).next()
    }

    /// Entries with this key, in the order of their ids; more than one where updates made them equal.
    pub fn with_key(&self, key: &KeyHash) -> impl Iterator<Item = (EntryId, &Row)> {
        let numbers = self.by_key.iter_hash(self.hasher.hash_one(key));
        self.in_order(numbers, |row| row.key == *key)
    }

    /// Entries of ours on this pod, in the order of their ids.
    pub fn of_pod(&self, pod: &PodKey) -> impl Iterator<Item = (EntryId, &Row)> {
        let numbers = self.by_pod.iter_hash(self.hasher.hash_one(pod));
        self.in_order(numbers, |row| row.place.as_ref().is_some_and(|place| place.pod == *pod))
    }

    fn in_order<'a>(
        &'a self,
        numbers: impl Iterator<Item = &'a u32>,
        fits: impl Fn(&Row) -> bool,
    ) -> impl Iterator<Item = (EntryId, &'a Row)> {
        let slots = numbers.filter_map(|number| self.slot(*number)).filter(|slot| fits(&slot.row));
        let mut rows: Vec<(EntryId, &Row)> =
            slots.map(|slot| (slot.id(&self.prefix), &slot.row)).collect();
        rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        rows.into_iter()
    }

    /// Whether this pod has entries of ours.
    pub fn has_pod(&self, pod: &PodKey) -> bool {
        let numbers = self.by_pod.iter_hash(self.hasher.hash_one(pod));
        let places = numbers.filter_map(|number| self.slot(*number)?.row.place.as_ref());
        places.into_iter().any(|place| place.pod == *pod)
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        self.slots.iter().flatten().filter_map(|slot| slot.row.place.as_ref())
    }

    /// Pods that have entries of ours; a pod comes once for each.
    pub fn pods(&self) -> impl Iterator<Item = &PodKey> {
        self.places().map(|place| &place.pod)
    }

    /// Pods of one cluster that have entries of ours; a pod comes once for each.
    pub fn pods_of(&self, cluster: &ClusterTag) -> impl Iterator<Item = &PodKey> {
        self.pods().filter(move |pod| pod.cluster == *cluster)
    }

    /// Pods that have an entry of ours made for this identity.
    pub fn pods_with(&self, identity: &IdentityName) -> impl Iterator<Item = &PodKey> {
        let made_for = |place: &&Place| EntryDigest::of(identity, &place.pod.pod, 0) == place.digest;
        self.places().filter(made_for).map(|place| &place.pod)
    }

    /// Number of entries of ours in one cluster.
    pub fn count_of(&self, cluster: &ClusterTag) -> usize {
        self.ours.get(cluster).copied().unwrap_or_default()
    }

    /// Number of entries: ours, foreign.
    pub fn counts(&self) -> (usize, usize) {
        let ours = self.ours.values().sum();
        (ours, self.by_id.len() - ours)
    }

    fn slot(&self, number: u32) -> Option<&Slot> {
        self.slots.get(number as usize)?.as_ref()
    }

    fn id_hash(&self, id: &EntryId, own: Option<&OwnId>) -> u64 {
        match own {
            Some(own) => self.hasher.hash_one((own.cluster, own.digest, own.nonce)),
            None => self.hasher.hash_one(id),
        }
    }
}

fn hash_of_slot(hasher: &DefaultHashBuilder, slot: &Slot, prefix: &str) -> u64 {
    match (&slot.id, &slot.row.place) {
        (SlotId::Own(nonce), Some(place)) => hasher.hash_one((place.pod.cluster, place.digest, *nonce)),
        (SlotId::Own(_), None) => 0,
        (SlotId::Text(id), _) => match id.own(prefix) {
            Some(own) => hasher.hash_one((own.cluster, own.digest, own.nonce)),
            None => hasher.hash_one(id),
        },
    }
}
