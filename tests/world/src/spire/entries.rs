//! The entries of one server, as its datastore keeps them: nothing here checks what an update makes equal.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use registrar_proto::types::{Entry, EntryMask, Selector, Spiffeid};
use tonic::Code;

use super::rules;

/// Why an entry was not written: SPIRE's code, and its words where it says any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: Code,
    pub(super) problem: Option<String>,
    /// Whether it failed before anything stored was looked at, which SPIRE says in other words.
    pub(super) in_conversion: bool,
}

impl Refused {
    /// Refused by what is stored, or by the datastore's own rules.
    pub(super) fn stored(code: Code, problem: Option<String>) -> Self {
        Self { code, problem, in_conversion: false }
    }
}

/// What became of an entry that was to be created.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Created {
    /// It is new.
    New(Entry),
    /// There was one of the same SPIFFE ID, parent and selectors: that one.
    Similar(Entry),
}

/// See the module's documentation.
#[derive(Debug, Clone)]
pub(super) struct Entries {
    home: String,
    /// Trust domains whose bundle is known; one's own is first.
    bundles: Vec<String>,
    rows: BTreeMap<u64, Entry>,
    row_of: BTreeMap<String, u64>,
    rows_of_id: BTreeMap<(String, String), BTreeSet<u64>>,
    /// By the pod's uid that a selector names.
    rows_of_pod: BTreeMap<String, BTreeSet<u64>>,
    rows_made: u64,
}

impl Entries {
    pub(super) fn new(home: &str) -> Self {
        Self {
            home: home.to_owned(),
            bundles: vec![home.to_owned()],
            rows: BTreeMap::new(),
            row_of: BTreeMap::new(),
            rows_of_id: BTreeMap::new(),
            rows_of_pod: BTreeMap::new(),
            rows_made: 0,
        }
    }

    pub(super) fn home(&self) -> &str {
        &self.home
    }

    pub(super) fn add_bundle(&mut self, trust_domain: &str) {
        if !self.bundles.iter().any(|known| known == trust_domain) {
            self.bundles.push(trust_domain.to_owned());
        }
    }

    pub(super) fn all(&self) -> Vec<Entry> {
        self.rows.values().cloned().collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.rows.values()
    }

    /// The entries of one pod.
    pub(super) fn of_pod(&self, uid: &str) -> impl Iterator<Item = &Entry> {
        self.rows_of_pod.get(uid).into_iter().flatten().filter_map(|row| self.rows.get(row))
    }

    pub(super) fn get(&self, id: &str) -> Option<&Entry> {
        self.rows.get(self.row_of.get(id)?)
    }

    /// Entries after a row, each with its row, which tells where to go on.
    pub(super) fn after(&self, row: u64) -> impl Iterator<Item = (u64, &Entry)> {
        self.rows.range(row + 1..).map(|(row, entry)| (*row, entry))
    }

    pub(super) fn create(&mut self, asked: &Entry) -> Result<Created, Refused> {
        let mut entry = rules::converted(asked, &rules::ALL, &self.home).map_err(unconverted)?;
        rules::creatable(&entry).map_err(invalid)?;
        if let Some(similar) = self.similar(&entry) {
            return Ok(Created::Similar(similar.clone()));
        }
        if entry.id.is_empty() {
            entry.id = crate::random_uuid();
        }
        if self.row_of.contains_key(&entry.id) {
            return Err(doubled("registered_entries.entry_id"));
        }
        entry.federates_with = self.federation(&entry.federates_with)?;
        unique(&entry)?;
        entry.created_at = Timestamp::now().as_second();
        self.rows_made += 1;
        self.put(self.rows_made, entry.clone());
        Ok(Created::New(as_answered(entry)))
    }

    pub(super) fn update(&mut self, asked: &Entry, mask: Option<&EntryMask>) -> Result<Entry, Refused> {
        let mask = mask.unwrap_or(&rules::ALL);
        let new = rules::converted(asked, mask, &self.home).map_err(unconverted)?;
        rules::lifetimes(&new).map_err(invalid)?;
        let Some(&row) = self.row_of.get(&asked.id) else {
            return Err(Refused::stored(Code::NotFound, None));
        };
        let Some(mut entry) = self.rows.get(&row).cloned() else {
            return Err(Refused::stored(Code::NotFound, None));
        };
        if mask.store_svid {
            entry.store_svid = new.store_svid;
        }
        if mask.selectors {
            entry.selectors = new.selectors;
            // Those that are not written anew are not looked at.
            if entry.store_svid {
                rules::storable(&entry.selectors).map_err(invalid)?;
            }
        }
        if mask.dns_names {
            entry.dns_names = new.dns_names;
        }
        if mask.spiffe_id {
            entry.spiffe_id = new.spiffe_id;
        }
        if mask.parent_id {
            entry.parent_id = new.parent_id;
        }
        if mask.x509_svid_ttl {
            entry.x509_svid_ttl = new.x509_svid_ttl;
        }
        if mask.jwt_svid_ttl {
            entry.jwt_svid_ttl = new.jwt_svid_ttl;
        }
        if mask.admin {
            entry.admin = new.admin;
        }
        if mask.downstream {
            entry.downstream = new.downstream;
        }
        if mask.expires_at {
            entry.expires_at = new.expires_at;
        }
        if mask.hint {
            entry.hint = new.hint;
        }
        if mask.additional_attributes {
            entry.additional_attributes = new.additional_attributes;
        }
        unique(&entry)?;
        if mask.federates_with {
            entry.federates_with = self.federation(&new.federates_with)?;
        }
        entry.revision_number += 1;
        self.put(row, entry.clone());
        Ok(as_answered(entry))
    }

    pub(super) fn delete(&mut self, id: &str) -> Option<Entry> {
        let row = self.row_of.remove(id)?;
        let entry = self.rows.remove(&row)?;
        self.unlink(row, &entry);
        Some(entry)
    }

    fn put(&mut self, row: u64, entry: Entry) {
        if let Some(before) = self.rows.remove(&row) {
            self.unlink(row, &before);
        }
        self.row_of.insert(entry.id.clone(), row);
        self.rows_of_id.entry(identity(&entry)).or_default().insert(row);
        for pod in pods(&entry) {
            self.rows_of_pod.entry(pod.to_owned()).or_default().insert(row);
        }
        self.rows.insert(row, entry);
    }

    fn unlink(&mut self, row: u64, entry: &Entry) {
        unlink(&mut self.rows_of_id, &identity(entry), row);
        for pod in pods(entry) {
            unlink(&mut self.rows_of_pod, pod, row);
        }
    }

    fn similar(&self, entry: &Entry) -> Option<&Entry> {
        let wanted = selector_set(&entry.selectors);
        let rows = self.rows_of_id.get(&identity(entry))?.iter();
        rows.filter_map(|row| self.rows.get(row)).find(|other| selector_set(&other.selectors) == wanted)
    }

    /// The known ones of these trust domains, once each and in the order in which they became known.
    fn federation(&self, asked: &[String]) -> Result<Vec<String>, Refused> {
        if let Some(unknown) = asked.iter().find(|name| !self.bundles.contains(name)) {
            let problem = format!("unable to find federated bundle \"spiffe://{unknown}\"");
            return Err(Refused::stored(Code::Internal, Some(problem)));
        }
        Ok(self.bundles.iter().filter(|known| asked.contains(known)).cloned().collect())
    }
}

/// What was just written is read back by an index, which sorts; a list gives it in the order in which it was written.
fn as_answered(mut entry: Entry) -> Entry {
    entry.selectors.sort_by(|one, other| (&one.r#type, &one.value).cmp(&(&other.r#type, &other.value)));
    entry.dns_names.sort();
    entry
}

/// Selectors as a set, as SPIRE compares them.
pub(super) fn selector_set(selectors: &[Selector]) -> BTreeSet<(&str, &str)> {
    selectors.iter().map(|selector| (selector.r#type.as_str(), selector.value.as_str())).collect()
}

fn identity(entry: &Entry) -> (String, String) {
    let text = |id: &Option<Spiffeid>| {
        id.as_ref().map(|id| format!("{}{}", id.trust_domain, id.path)).unwrap_or_default()
    };
    (text(&entry.spiffe_id), text(&entry.parent_id))
}

/// Selectors and DNS names are rows with an index that is unique; a doubled one fails the whole entry.
fn unique(entry: &Entry) -> Result<(), Refused> {
    if selector_set(&entry.selectors).len() < entry.selectors.len() {
        return Err(doubled("selectors.registered_entry_id, selectors.type, selectors.value"));
    }
    let names: BTreeSet<&String> = entry.dns_names.iter().collect();
    if names.len() < entry.dns_names.len() {
        return Err(doubled("dns_names.registered_entry_id, dns_names.value"));
    }
    Ok(())
}

fn doubled(columns: &str) -> Refused {
    let problem = format!("datastore-sql: UNIQUE constraint failed: {columns}");
    Refused::stored(Code::AlreadyExists, Some(problem))
}

fn unconverted(problem: String) -> Refused {
    Refused { code: Code::InvalidArgument, problem: Some(problem), in_conversion: true }
}

fn invalid(problem: String) -> Refused {
    Refused::stored(Code::InvalidArgument, Some(format!("datastore-validation: {problem}")))
}

/// The pods that an entry's selectors name.
fn pods(entry: &Entry) -> impl Iterator<Item = &str> {
    entry.selectors.iter().filter_map(|selector| selector.value.strip_prefix("pod-uid:"))
}

fn unlink<K, Q>(rows: &mut BTreeMap<K, BTreeSet<u64>>, key: &Q, row: u64)
where
    K: Borrow<Q> + Ord,
    Q: Ord + ?Sized,
{
    if let Some(of_key) = rows.get_mut(key) {
        of_key.remove(&row);
        if of_key.is_empty() {
            rows.remove(key);
        }
    }
}
