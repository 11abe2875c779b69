//! What SPIRE holds, as digests: by id, by key and, for entries of ours, by pod.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};

use crate::adopt::is_predecessors;
use crate::desired::PodKey;
use crate::entry::{ClusterTag, ContentHash, Entry, EntryDigest, EntryId, KeyHash, Nonce, OwnId};
use crate::names::PodUid;
use crate::rows::Rows;

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
        let named = entry.key.selectors.iter().filter_map(|selector| selector.named_pod());
        let (key, content) = entry.hashes();
        Self { id, key, content: Some(content), pod: Self::only_pod(named) }
    }

    /// The pod of an entry whose selectors name these pods.
    pub fn only_pod<'a>(mut named: impl Iterator<Item = &'a str>) -> Option<PodUid> {
        match (named.next(), named.next()) {
            (Some(uid), None) => PodUid::new(uid).ok(),
            _ => None,
        }
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

/// An entry of ours.
#[derive(Debug, Clone, Copy)]
pub struct Ours<'a> {
    /// Where it belongs.
    pub place: &'a Place,
    slot: &'a Slot,
    prefix: &'a str,
}

impl Ours<'_> {
    /// Its id, written out.
    pub fn id(&self) -> EntryId {
        self.slot.id(self.prefix)
    }
}

/// How an entry of a list compares with what was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Met {
    /// It is as it was known.
    Same,
    /// It was known otherwise.
    Changed {
        /// Where it belonged.
        before: Option<Place>,
        /// Where it belongs.
        now: Option<Place>,
    },
    /// It was not known, and belongs here.
    New(Option<Place>),
}

/// What SPIRE holds, foreign entries included.
///
/// Rows stand in one list, found by id, key and pod through tables of their numbers: half a million of them are to be small.
#[derive(Debug)]
pub struct Mirror {
    prefix: String,
    adopts: bool,
    slots: Rows<Slot>,
    by_id: HashTable<u32>,
    by_key: HashTable<u32>,
    /// Entries of ours.
    by_pod: HashMap<ClusterTag, HashTable<u32>>,
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
            adopts: false,
            slots: Rows::default(),
            by_id: HashTable::new(),
            by_key: HashTable::new(),
            by_pod: HashMap::new(),
            hasher: DefaultHashBuilder::default(),
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
        self.slots.iter_mut().for_each(|slot| slot.row.is_listed = false);
    }

    /// Takes in one entry of a list.
    pub fn list(&mut self, observed: Observed) -> Met {
        let own = observed.id.own(&self.prefix);
        let number = self.number_of(&observed.id, own.as_ref());
        let Some(row) = number.and_then(|number| self.row_mut(number)) else {
            return Met::New(self.add(observed, own, None));
        };
        if (row.key, row.content) == (observed.key, observed.content) {
            row.is_listed = true;
            return Met::Same;
        }
        let row = self.take_out(&observed.id, own.as_ref());
        let before = row.as_ref().and_then(|row| row.place.clone());
        Met::Changed { before, now: self.add(observed, own, row) }
    }

    /// Entries that the list, now that all of it was told, did not have.
    pub fn unlisted(&self) -> Vec<EntryId> {
        let unlisted = self.slots.iter().filter(|slot| !slot.row.is_listed);
        unlisted.map(|slot| slot.id(&self.prefix)).collect()
    }

    /// Notes an entry that was created or updated or found.
    pub fn insert(&mut self, observed: Observed) {
        let own = observed.id.own(&self.prefix);
        let before = self.take_out(&observed.id, own.as_ref());
        self.add(observed, own, before);
    }

    /// Notes an entry that is not there, with what was there before; where it belongs.
    fn add(&mut self, observed: Observed, own: Option<OwnId>, before: Option<Row>) -> Option<Place> {
        let Observed { id, key, content, pod } = observed;
        let id_hash = self.id_hash(&id, own.as_ref());
        // An id of ours whose entry names no pod was altered by somebody: nobody can say where it belongs.
        let (slot_id, place) = match (own, pod) {
            (Some(own), Some(pod)) => {
                let place = Place { pod: PodKey { cluster: own.cluster, pod }, digest: own.digest };
                (SlotId::Own(own.nonce), Some(place))
            }
            (None, Some(pod)) => {
                let place = self.place_of_predecessors(&id, pod, before);
                (SlotId::Text(id), place)
            }
            (_, None) => (SlotId::Text(id), None),
        };
        let row = Row { key, content, place: place.clone(), is_listed: true };
        let number = self.slots.insert(Slot { id: slot_id, row });
        let (slots, hasher, prefix) = (&self.slots, &self.hasher, &self.prefix);
        let at = |number: &u32| slots.get(*number);
        self.by_id.insert_unique(id_hash, number, |number| {
            at(number).map_or(0, |slot| hash_of_slot(hasher, slot, prefix))
        });
        let hash_of_key = |number: &u32| at(number).map_or(0, |slot| hasher.hash_one(slot.row.key));
        self.by_key.insert_unique(hasher.hash_one(key), number, hash_of_key);
        self.enter_pod(number);
        place
    }

    fn place_of_predecessors(&self, id: &EntryId, pod: PodUid, before: Option<Row>) -> Option<Place> {
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
        self.adopts && self.has_pod(&PodKey { cluster: ClusterTag::predecessor(), pod: pod.clone() })
    }

    /// Gives an entry its place: one of the predecessor's that a pod claims, or one of ours that serves another identity
    /// than the one that its id names.
    pub fn put(&mut self, id: &EntryId, place: Place) {
        let Some(number) = self.number_of(id, id.own(&self.prefix).as_ref()) else { return };
        let Some(slot) = self.slots.get_mut(number) else { return };
        // The place is no longer what the id says, so that it has to be kept.
        slot.id = SlotId::Text(id.clone());
        if let Some(before) = slot.row.place.replace(place) {
            self.leave_pod(number, &before.pod);
        }
        self.enter_pod(number);
    }

    /// Notes that an entry is gone; what was known of it.
    pub fn remove(&mut self, id: &EntryId) -> Option<Row> {
        self.take_out(id, id.own(&self.prefix).as_ref())
    }

    fn take_out(&mut self, id: &EntryId, own: Option<&OwnId>) -> Option<Row> {
        let number = self.number_of(id, own)?;
        let hash = self.id_hash(id, own);
        if let Ok(found) = self.by_id.find_entry(hash, |it| *it == number) {
            found.remove();
        }
        let row = self.slots.remove(number)?.row;
        if let Ok(found) = self.by_key.find_entry(self.hasher.hash_one(row.key), |it| *it == number) {
            found.remove();
        }
        if let Some(place) = &row.place {
            self.leave_pod(number, &place.pod);
        }
        Some(row)
    }

    fn number_of(&self, id: &EntryId, own: Option<&OwnId>) -> Option<u32> {
        let mut numbers = self.by_id.iter_hash(self.id_hash(id, own));
        numbers.find(|number| self.slots.get(**number).is_some_and(|slot| slot.has(id, own))).copied()
    }

    fn enter_pod(&mut self, number: u32) {
        let (slots, hasher) = (&self.slots, &self.hasher);
        let place = |number: &u32| slots.get(*number)?.row.place.as_ref();
        let Some(pod) = place(&number).map(|place| &place.pod) else { return };
        let hash = |number: &u32| place(number).map_or(0, |place| hasher.hash_one(&place.pod.pod));
        let of_cluster = self.by_pod.entry(pod.cluster).or_default();
        of_cluster.insert_unique(hasher.hash_one(&pod.pod), number, hash);
    }

    fn leave_pod(&mut self, number: u32, pod: &PodKey) {
        let Some(of_cluster) = self.by_pod.get_mut(&pod.cluster) else { return };
        if let Ok(found) = of_cluster.find_entry(self.hasher.hash_one(&pod.pod), |it| *it == number) {
            found.remove();
        }
        if of_cluster.is_empty() {
            self.by_pod.remove(&pod.cluster);
        }
    }

    /// One entry.
    pub fn row(&self, id: &EntryId) -> Option<&Row> {
        self.slots.get(self.number_of(id, id.own(&self.prefix).as_ref())?).map(|slot| &slot.row)
    }

    fn row_mut(&mut self, number: u32) -> Option<&mut Row> {
        Some(&mut self.slots.get_mut(number)?.row)
    }

    /// Entries with this key, in the order of their ids; more than one where updates made them equal.
    pub fn with_key(&self, key: &KeyHash) -> impl Iterator<Item = (EntryId, &Row)> {
        let numbers = self.by_key.iter_hash(self.hasher.hash_one(key));
        self.in_order(numbers, |row| row.key == *key)
    }

    /// Entries of ours on this pod, in the order of their ids.
    pub fn of_pod(&self, pod: &PodKey) -> impl Iterator<Item = (EntryId, &Row)> {
        let numbers = self.numbers_of(pod);
        self.in_order(numbers, |row| row.place.as_ref().is_some_and(|place| place.pod == *pod))
    }

    /// Where entries of ours on this pod may stand.
    fn numbers_of(&self, pod: &PodKey) -> impl Iterator<Item = &u32> {
        let hash = self.hasher.hash_one(&pod.pod);
        self.by_pod.get(&pod.cluster).into_iter().flat_map(move |numbers| numbers.iter_hash(hash))
    }

    fn in_order<'a>(
        &'a self,
        numbers: impl Iterator<Item = &'a u32>,
        fits: impl Fn(&Row) -> bool,
    ) -> impl Iterator<Item = (EntryId, &'a Row)> {
        let slots = numbers.filter_map(|number| self.slots.get(*number)).filter(|slot| fits(&slot.row));
        let mut rows: Vec<(EntryId, &Row)> = slots.map(|slot| (slot.id(&self.prefix), &slot.row)).collect();
        rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        rows.into_iter()
    }

    /// Whether this pod has entries of ours.
    pub fn has_pod(&self, pod: &PodKey) -> bool {
        self.places_of(pod).next().is_some()
    }

    /// Where each entry of ours on this pod belongs.
    pub fn places_of(&self, pod: &PodKey) -> impl Iterator<Item = &Place> {
        let places = self.numbers_of(pod).filter_map(|number| self.slots.get(*number)?.row.place.as_ref());
        places.filter(move |place| place.pod == *pod)
    }

    /// All entries of ours.
    pub fn ours(&self) -> impl Iterator<Item = Ours<'_>> {
        let slots = self.slots.iter();
        slots.filter_map(|slot| Some(Ours { slot, place: slot.row.place.as_ref()?, prefix: &self.prefix }))
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        self.ours().map(|entry| entry.place)
    }

    /// Pods that have entries of ours; a pod comes once for each.
    pub fn pods(&self) -> impl Iterator<Item = &PodKey> {
        self.places().map(|place| &place.pod)
    }

    /// Pods of one cluster that have entries of ours; a pod comes once for each.
    pub fn pods_of(&self, cluster: &ClusterTag) -> impl Iterator<Item = &PodKey> {
        let numbers = self.by_pod.get(cluster).into_iter().flat_map(HashTable::iter);
        let places = numbers.filter_map(|number| self.slots.get(*number)?.row.place.as_ref());
        places.map(|place| &place.pod)
    }

    /// Number of entries of ours in one cluster.
    pub fn count_of(&self, cluster: &ClusterTag) -> usize {
        self.by_pod.get(cluster).map_or(0, HashTable::len)
    }

    /// Number of entries: ours, foreign.
    pub fn counts(&self) -> (usize, usize) {
        let ours = self.by_pod.values().map(HashTable::len).sum();
        (ours, self.by_id.len() - ours)
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
