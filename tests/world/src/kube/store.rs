//! The objects of one API server, with their history: every write has the next revision of the whole server.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::apply::Ownership;
use super::patch::{self, Operation};
use super::refusal::Refusal;
use super::resource::Resource;
use super::selector::Selector;

/// How many changes are kept; older ones are compacted away, as etcd's are by time.
const HISTORY: usize = 20_000;

/// Where an object is. The namespace is empty for what is in none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) resource: &'static Resource,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happening {
    Added,
    Modified,
    Deleted,
}

/// What a watch is told.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) happening: Happening,
    pub(super) object: Arc<Value>,
}

/// A page of a list.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) revision: u64,
    pub(super) items: Vec<Arc<Value>>,
    pub(super) continuation: Option<String>,
    pub(super) remaining: usize,
}

/// How an object is patched.
#[derive(Debug)]
pub(super) enum Patch {
    /// Server-side apply; with force, fields of others are taken over.
    Apply { wanted: Value, force: bool },
    /// JSON merge patch.
    Merge(Value),
    /// JSON patch.
    Json(Vec<Operation>),
}

/// Who writes, and by which subresource (empty for the main resource).
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer<'a> {
    pub(super) manager: &'a str,
    pub(super) subresource: &'a str,
}

#[derive(Debug, Clone)]
struct Stored {
    object: Arc<Value>,
    ownership: Ownership,
}

#[derive(Debug)]
struct Happened {
    revision: u64,
    key: Key,
    before: Option<Arc<Value>>,
    /// None when it was deleted.
    after: Option<Arc<Value>>,
    /// As of this revision, for those who are told of a deletion.
    last: Arc<Value>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Store {
    revision: u64,
    compacted: u64,
    objects: BTreeMap<Key, Stored>,
    history: VecDeque<Happened>,
    /// What lists in pages were begun with.
    snapshots: BTreeMap<u64, Snapshot>,
    snapshots_made: u64,
}

#[derive(Debug, Clone)]
struct Snapshot {
    revision: u64,
    items: Vec<Arc<Value>>,
}

impl Default for Store {
    fn default() -> Self {
        // A real server's first revision is not zero, which has a meaning of its own.
        Self {
            revision: 100,
            compacted: 0,
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            snapshots: BTreeMap::new(),
            snapshots_made: 0,
        }
    }
}

impl Store {
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key).map(|stored| &stored.object)
    }

    /// All objects of a resource, in the order of their namespaces and names.
    pub(super) fn all(&self, resource: &'static Resource) -> impl Iterator<Item = &Arc<Value>> {
        let first = Key { resource, namespace: String::new(), name: String::new() };
        let of_it = self.objects.range(first..).take_while(move |(key, _)| key.resource == resource);
        of_it.map(|(_, stored)| &stored.object)
    }

    /// Every object there is.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.objects.values().map(|stored| &stored.object)
    }

    /// Forgets what was before: watches and pages from then are told that it has expired.
    pub(super) fn compact(&mut self) {
        self.history.clear();
        self.snapshots.clear();
        self.compacted = self.revision;
    }

    /// A list or its next page.
    pub(super) fn list(
        &mut self,
        resource: &'static Resource,
        namespace: Option<&str>,
        selector: &Selector,
        limit: usize,
        continuation: Option<&str>,
    ) -> Result<Page, Refusal> {
        let (number, start): (u64, usize) = match continuation {
            None => {
                let fits = |object: &&Arc<Value>| is_in(object, namespace) && selector.fits(object);
                let items = self.all(resource).filter(fits).cloned().collect();
                self.snapshots_made += 1;
                self.snapshots.insert(self.snapshots_made, Snapshot { revision: self.revision, items });
                (self.snapshots_made, 0)
            }
            Some(token) => {
                let numbers = token.split_once('-').map(|(number, start)| (number.parse(), start.parse()));
                let Some((Ok(number), Ok(start))) = numbers else {
                    return Err(Refusal::bad_request(format!("continue key is not valid: {token}")));
                };
                (number, start)
            }
        };
        let Some(Snapshot { revision, items }) = self.snapshots.get(&number).cloned() else {
            let message = "The provided continue parameter is too old to display a consistent list result. You can \
                           start a new list without the continue parameter.";
            return Err(Refusal::expired(message));
        };
        let limit = if limit == 0 { items.len() } else { limit };
        let end = start.saturating_add(limit).min(items.len());
        let remaining = items.len() - end;
        if remaining == 0 {
            self.snapshots.remove(&number);
        }
        let continuation = (remaining > 0).then(|| format!("{number}-{end}"));
        let items = items.into_iter().take(end).skip(start).collect();
        Ok(Page { revision, items, continuation, remaining })
    }

    /// What a watch from this revision on is to be told, and the revision up to which that is.
    pub(super) fn since(
        &self,
        revision: u64,
        resource: &'static Resource,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<(Vec<Told>, u64), Refusal> {
        if revision < self.compacted {
            let message = format!("too old resource version: {revision} ({})", self.compacted);
            return Err(Refusal::expired(message));
        }
        let first = self.history.partition_point(|happened| happened.revision <= revision);
        let of_it = self.history.range(first..).filter(|happened| {
            happened.key.resource == resource && namespace.is_none_or(|name| happened.key.namespace == name)
        });
        let told = of_it.filter_map(|happened| {
            let fits =
                |object: &Option<Arc<Value>>| object.as_ref().is_some_and(|object| selector.fits(object));
            // To a watch with a selector, what begins or ceases to fit appears or disappears.
            let happening = match (fits(&happened.before), fits(&happened.after)) {
                (false, false) => return None,
                (false, true) => Happening::Added,
                (true, true) => Happening::Modified,
                (true, false) => Happening::Deleted,
            };
            Some(Told { happening, object: happened.last.clone() })
        });
        Ok((told.collect(), self.revision.max(revision)))
    }

    /// Writes a whole object, status and all, as the cluster's own controllers together would. Nothing is checked, so
    /// that what a real server would hold from older days can be put as well. An object with another uid is another
    /// object: the one before is deleted first.
    pub(super) fn put(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        let uid_of = |object: &Value| object["metadata"]["uid"].as_str().map(str::to_owned);
        if let Some(stored) = self.objects.get(key).cloned() {
            let new = uid_of(&object);
            if new.is_some() && new != uid_of(&stored.object) {
                self.commit(key, None, Ownership::default());
            } else {
                keep_identity(&stored.object, &mut object);
                if object["metadata"].get("deletionTimestamp").is_none()
                    && let Some(time) = stored.object["metadata"].get("deletionTimestamp")
                {
                    object["metadata"]["deletionTimestamp"] = time.clone();
                }
                bump_generation(key.resource, &stored.object, &mut object);
                return self.commit(key, Some(object), stored.ownership);
            }
        }
        identify(key, &mut object);
        self.commit(key, Some(object), Ownership::default())
    }

    /// Creates an object.
    pub(super) fn create(
        &mut self,
        key: &Key,
        mut object: Value,
        manager: &str,
    ) -> Result<Arc<Value>, Refusal> {
        if self.objects.contains_key(key) {
            return Err(Refusal::already_exists(key.resource, &key.name));
        }
        if key.resource.is_namespaced {
            let namespace = Resource::named("namespaces");
            let home = Key { resource: namespace, namespace: String::new(), name: key.namespace.clone() };
            if !self.objects.contains_key(&home) {
                return Err(Refusal::not_found(namespace, &key.namespace));
            }
        }
        let metadata = fields(&mut object["metadata"]);
        for name in ["uid", "creationTimestamp", "deletionTimestamp", "generation", "managedFields"] {
            metadata.remove(name);
        }
        if key.resource.has_status {
            fields(&mut object).remove("status");
        }
        identify(key, &mut object);
        let mut ownership = Ownership::default();
        ownership.update(&Value::Null, &object, manager, "");
        Ok(self.commit(key, Some(object), ownership))
    }

    /// Replaces an object, or with the subresource `status` its status.
    pub(super) fn replace(
        &mut self,
        key: &Key,
        object: Value,
        writer: Writer<'_>,
    ) -> Result<Arc<Value>, Refusal> {
        let is_conditional =
            object["metadata"]["resourceVersion"].as_str().is_some_and(|text| !text.is_empty());
        let must_be = key.resource.is_custom() || key.resource.plural == "leases";
        if must_be && !is_conditional && self.objects.contains_key(key) {
            let problem = "metadata.resourceVersion: Invalid value: 0: must be specified for an update";
            return Err(Refusal::invalid_field(key.resource, &key.name, problem));
        }
        self.write(key, writer, false, |_, _| Ok(object))
    }

    /// Patches an object, or with the subresource `status` its status. Applying creates what is not there.
    pub(super) fn patch(
        &mut self,
        key: &Key,
        patch: Patch,
        writer: Writer<'_>,
    ) -> Result<Arc<Value>, Refusal> {
        let creates = matches!(patch, Patch::Apply { .. }) && writer.subresource.is_empty();
        if creates && !self.objects.contains_key(key) {
            let Patch::Apply { wanted, force } = patch else { return Err(Refusal::method_not_allowed()) };
            let mut bare = wanted.clone();
            let named = fields(&mut bare);
            named.retain(|name, _| matches!(name.as_str(), "apiVersion" | "kind"));
            named.insert("metadata".to_owned(), json!({"name": key.name}));
            let mut ownership = Ownership::default();
            let applied = ownership.apply(&mut bare, &wanted, writer.manager, "", force);
            applied.map_err(|conflicts| Refusal::apply_conflict(&conflicts))?;
            let created = self.create(key, bare, writer.manager)?;
            if let Some(stored) = self.objects.get_mut(key) {
                stored.ownership = ownership;
            }
            return Ok(created);
        }
        let is_applied = matches!(patch, Patch::Apply { .. });
        self.write(key, writer, is_applied, |ownership, live| {
            let mut after = live.clone();
            match patch {
                Patch::Apply { wanted, force } => {
                    let part = part_of(key.resource, wanted.clone(), writer.subresource);
                    let applied =
                        ownership.apply(&mut after, &part, writer.manager, writer.subresource, force);
                    applied.map_err(|conflicts| Refusal::apply_conflict(&conflicts))?;
                    for name in ["uid", "resourceVersion"] {
                        if let Some(asked) = wanted["metadata"].get(name) {
                            after["metadata"][name] = asked.clone();
                        }
                    }
                }
                Patch::Merge(patch) => patch::merge(&mut after, &patch),
                Patch::Json(operations) => {
                    patch::operate(&mut after, operations).map_err(Refusal::invalid)?;
                }
            }
            Ok(after)
        })
    }

    fn write(
        &mut self,
        key: &Key,
        writer: Writer<'_>,
        is_applied: bool,
        change: impl FnOnce(&mut Ownership, &Value) -> Result<Value, Refusal>,
    ) -> Result<Arc<Value>, Refusal> {
        let stored = self.objects.get(key).ok_or_else(|| Refusal::not_found(key.resource, &key.name))?;
        let live = stored.object.clone();
        let mut ownership = stored.ownership.clone();
        let asked = change(&mut ownership, &live)?;
        let of =
            |object: &Value, name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        let version = of(&asked, "resourceVersion");
        if !version.is_empty() && version != of(&live, "resourceVersion") {
            return Err(Refusal::stale(key.resource, &key.name));
        }
        let (uid, live_uid) = (of(&asked, "uid"), of(&live, "uid"));
        if !uid.is_empty() && uid != live_uid {
            let problem = format!("metadata.uid: Invalid value: {uid:?}: field is immutable");
            return Err(Refusal::invalid_field(key.resource, &key.name, &problem));
        }
        let name = of(&asked, "name");
        if name != key.name {
            return Err(Refusal::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                key.name
            )));
        }
        let mut after = settled(key.resource, &live, asked, writer.subresource);
        if let Some(new) = new_finalizer(&live, &after).filter(|_| is_being_deleted(&live)) {
            let problem = format!(
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found \
                 new finalizers []string{{{new}}}"
            );
            return Err(Refusal::invalid_field(key.resource, &key.name, &problem));
        }
        bump_generation(key.resource, &live, &mut after);
        if !is_applied {
            ownership.update(&live, &after, writer.manager, writer.subresource);
        }
        if is_being_deleted(&after) && has_finalizers(&live) && !has_finalizers(&after) {
            self.commit(key, None, Ownership::default());
            return Ok(Arc::new(after));
        }
        Ok(self.commit(key, Some(after), ownership))
    }

    /// Deletes an object; one with finalizers is marked only, and goes when the last of them does. The answer is the
    /// object as it is or was.
    pub(super) fn delete(
        &mut self,
        key: &Key,
        uid: Option<&str>,
        version: Option<&str>,
    ) -> Result<Arc<Value>, Refusal> {
        let stored = self.objects.get(key).ok_or_else(|| Refusal::not_found(key.resource, &key.name))?;
        let live = stored.object.clone();
        for (name, path, asked) in [("UID", "uid", uid), ("ResourceVersion", "resourceVersion", version)] {
            let is = live["metadata"][path].as_str().unwrap_or_default();
            if let Some(asked) = asked.filter(|asked| *asked != is) {
                let why = format!(
                    "the {name} in the precondition ({asked}) does not match the {name} in record ({is}). The object \
                     might have been deleted and then recreated"
                );
                return Err(Refusal::conflict(key.resource, &key.name, &why));
            }
        }
        if !has_finalizers(&live) {
            self.commit(key, None, Ownership::default());
            return Ok(live);
        }
        if is_being_deleted(&live) {
            return Ok(live);
        }
        let ownership = stored.ownership.clone();
        let mut marked = Value::clone(&live);
        marked["metadata"]["deletionTimestamp"] = now();
        marked["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        if let Some(generation) = live["metadata"]["generation"].as_i64() {
            marked["metadata"]["generation"] = json!(generation + 1);
        }
        Ok(self.commit(key, Some(marked), ownership))
    }

    /// Makes an object what it is now, or nothing, with the next revision; a write that changes nothing has none.
    fn commit(&mut self, key: &Key, object: Option<Value>, ownership: Ownership) -> Arc<Value> {
        let before = self.objects.get(key).map(|stored| stored.object.clone());
        if let (Some(before), Some(after)) = (&before, &object)
            && is_same(before, after)
        {
            let stored = Stored { object: before.clone(), ownership };
            self.objects.insert(key.clone(), stored);
            return before.clone();
        }
        self.revision += 1;
        let version = Value::String(self.revision.to_string());
        let mut last = object.clone().unwrap_or_else(|| before.as_deref().cloned().unwrap_or(Value::Null));
        last["metadata"]["resourceVersion"] = version;
        let last = Arc::new(last);
        let after = object.is_some().then(|| last.clone());
        match &after {
            Some(object) => {
                self.objects.insert(key.clone(), Stored { object: object.clone(), ownership });
            }
            None => {
                self.objects.remove(key);
            }
        }
        let revision = self.revision;
        self.history.push_back(Happened { revision, key: key.clone(), before, after, last: last.clone() });
        while self.history.len() > HISTORY {
            self.compacted = self.history.pop_front().map_or(self.compacted, |oldest| oldest.revision);
        }
        last
    }
}

/// An object's JSON object, made one where it is none.
fn fields(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was just made one")
}

fn is_in(object: &Value, namespace: Option<&str>) -> bool {
    namespace.is_none_or(|namespace| object["metadata"]["namespace"] == namespace)
}

fn now() -> Value {
    Value::String(Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Gives a new object what a server gives it, where it has not got it.
fn identify(key: &Key, object: &mut Value) {
    let metadata = fields(&mut object["metadata"]);
    metadata.insert("name".to_owned(), Value::String(key.name.clone()));
    if key.resource.is_namespaced {
        metadata.insert("namespace".to_owned(), Value::String(key.namespace.clone()));
    }
    metadata.remove("resourceVersion");
    metadata.entry("uid").or_insert_with(|| Value::String(crate::random_uuid()));
    metadata.entry("creationTimestamp").or_insert_with(now);
    if key.resource.is_custom() {
        metadata.entry("generation").or_insert(json!(1));
    }
    let object = fields(object);
    object.entry("apiVersion").or_insert_with(|| Value::String(key.resource.api_version()));
    object.entry("kind").or_insert_with(|| Value::String(key.resource.kind.to_owned()));
}

/// What no writer changes.
fn keep_identity(live: &Value, after: &mut Value) {
    for name in ["uid", "name", "namespace", "creationTimestamp", "generation"] {
        if let Some(value) = live["metadata"].get(name) {
            after["metadata"][name] = value.clone();
        }
    }
}

/// What a write by this subresource may change of what it asks for.
fn settled(resource: &Resource, live: &Value, asked: Value, subresource: &str) -> Value {
    if subresource == "status" {
        let mut after = live.clone();
        match asked.get("status") {
            Some(status) => after["status"] = status.clone(),
            None => {
                fields(&mut after).remove("status");
            }
        }
        return after;
    }
    let mut after = asked;
    keep_identity(live, &mut after);
    for name in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
        match live["metadata"].get(name) {
            Some(value) => after["metadata"][name] = value.clone(),
            None => {
                fields(&mut after["metadata"]).remove(name);
            }
        }
    }
    fields(&mut after["metadata"]).remove("managedFields");
    if resource.has_status {
        match live.get("status") {
            Some(status) => after["status"] = status.clone(),
            None => {
                fields(&mut after).remove("status");
            }
        }
    }
    // A second finalizer of the same name is no second one.
    if let Some(Value::Array(finalizers)) = after["metadata"].get_mut("finalizers") {
        let mut seen = BTreeSet::new();
        finalizers.retain(|finalizer| seen.insert(finalizer.to_string()));
    }
    after
}

/// The part of an applied configuration that counts for this subresource.
fn part_of(resource: &Resource, mut wanted: Value, subresource: &str) -> Value {
    if subresource == "status" {
        fields(&mut wanted).retain(|name, _| name == "status");
    } else if resource.has_status {
        fields(&mut wanted).remove("status");
    }
    wanted
}

/// A generation counts the changes of what somebody wants: of all but metadata and status.
fn bump_generation(resource: &Resource, live: &Value, after: &mut Value) {
    let wants = |object: &Value| {
        let mut object = object.clone();
        fields(&mut object).retain(|name, _| name != "metadata" && name != "status");
        object
    };
    if resource.is_custom()
        && wants(live) != wants(after)
        && let Some(generation) = live["metadata"]["generation"].as_i64()
    {
        after["metadata"]["generation"] = json!(generation + 1);
    }
}

fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
}

fn is_being_deleted(object: &Value) -> bool {
    object["metadata"].get("deletionTimestamp").is_some()
}

fn new_finalizer<'a>(live: &Value, after: &'a Value) -> Option<&'a Value> {
    let before = live["metadata"]["finalizers"].as_array();
    let is_new = |finalizer: &&Value| !before.is_some_and(|before| before.contains(finalizer));
    after["metadata"]["finalizers"].as_array()?.iter().find(is_new)
}

fn is_same(before: &Value, after: &Value) -> bool {
    let without_version = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("resourceVersion");
        }
        object
    };
    without_version(before) == without_version(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITER: Writer<'static> = Writer { manager: "tester", subresource: "" };
    const STATUS: Writer<'static> = Writer { manager: "tester", subresource: "status" };

    fn key(name: &str) -> Key {
        let resource = Resource::named("workloadidentities");
        Key { resource, namespace: String::new(), name: name.to_owned() }
    }

    fn identity(spec: &str) -> Value {
        json!({"metadata": {"name": "a"}, "spec": {"applicationName": spec}, "status": {"x": 1}})
    }

    fn version(object: &Value) -> u64 {
        object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
    }

    #[test]
    fn status_and_the_rest_are_written_apart_and_only_the_rest_makes_generations() {
        let mut store = Store::default();
        let created = store.create(&key("a"), identity("one"), "t").unwrap();
        assert_eq!((created.get("status"), &created["metadata"]["generation"]), (None, &json!(1)));
        let versioned = |store: &Store, mut object: Value| {
            object["metadata"]["resourceVersion"] = json!(store.revision().to_string());
            object
        };
        let asked = versioned(&store, identity("two"));
        let with_status = store.replace(&key("a"), asked, STATUS).unwrap();
        assert_eq!(with_status["spec"]["applicationName"], "one");
        assert_eq!(
            (&with_status["status"]["x"], &with_status["metadata"]["generation"]),
            (&json!(1), &json!(1))
        );
        let mut asked = versioned(&store, identity("two"));
        asked["status"]["x"] = json!(2);
        let replaced = store.replace(&key("a"), asked, WRITER).unwrap();
        assert_eq!((&replaced["status"]["x"], &replaced["metadata"]["generation"]), (&json!(1), &json!(2)));
        // Nothing changed, nothing is written.
        let asked = versioned(&store, identity("two"));
        let again = store.replace(&key("a"), asked, WRITER).unwrap();
        assert_eq!(version(&again), version(&replaced));
        let mut stale = identity("three");
        stale["metadata"]["resourceVersion"] = created["metadata"]["resourceVersion"].clone();
        assert_eq!(store.replace(&key("a"), stale, WRITER).unwrap_err().code, 409);
        assert_eq!(store.replace(&key("a"), identity("three"), WRITER).unwrap_err().code, 422);
    }

    #[test]
    fn an_object_with_finalizers_goes_with_the_last_of_them() {
        let mut store = Store::default();
        let mut object = identity("one");
        object["metadata"]["finalizers"] = json!(["f"]);
        let created = store.put(&key("a"), object);
        assert_eq!(store.delete(&key("a"), Some("another"), None).unwrap_err().code, 409);
        let marked = store.delete(&key("a"), created["metadata"]["uid"].as_str(), None).unwrap();
        assert!(marked["metadata"]["deletionTimestamp"].is_string());
        assert_eq!(version(&store.delete(&key("a"), None, None).unwrap()), version(&marked));
        let more = Patch::Merge(json!({"metadata": {"finalizers": ["f", "g"]}}));
        assert_eq!(store.patch(&key("a"), more, WRITER).unwrap_err().code, 422);
        let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        store.patch(&key("a"), none, WRITER).unwrap();
        assert!(store.get(&key("a")).is_none());
        let resource = key("a").resource;
        let (told, _) = store.since(version(&marked), resource, None, &Selector::default()).unwrap();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].happening, Happening::Deleted);
        assert_eq!(version(&told[0].object), store.revision());
    }

    #[test]
    fn an_applied_finalizer_is_taken_back_by_applying_without_it() {
        let mut store = Store::default();
        store.put(&key("a"), identity("one"));
        let apply = |wanted: Value| Patch::Apply { wanted, force: true };
        let with = json!({"metadata": {"name": "a", "finalizers": ["f"]}});
        let with = store.patch(&key("a"), apply(with), WRITER).unwrap();
        assert_eq!(with["metadata"]["finalizers"], json!(["f"]));
        assert_eq!(with["spec"]["applicationName"], "one");
        let status = json!({"metadata": {"name": "a"}, "status": {"y": 2}});
        let with = store.patch(&key("a"), apply(status), STATUS).unwrap();
        assert_eq!(with["status"], json!({"x": 1, "y": 2}));
        assert_eq!(with["metadata"]["finalizers"], json!(["f"]));
        store.delete(&key("a"), None, None).unwrap();
        store.patch(&key("a"), apply(json!({"metadata": {"name": "a"}})), WRITER).unwrap();
        assert!(store.get(&key("a")).is_none());
    }

    #[test]
    fn pages_are_of_one_revision_until_it_is_compacted() {
        let mut store = Store::default();
        let resource = key("a").resource;
        for name in ["a", "b", "c", "d", "e"] {
            store.put(&key(name), json!({}));
        }
        let everything = Selector::default();
        let first = store.list(resource, None, &everything, 2, None).unwrap();
        assert_eq!((first.items.len(), first.remaining), (2, 3));
        store.delete(&key("c"), None, None).unwrap();
        store.put(&key("f"), json!({}));
        let second = store.list(resource, None, &everything, 2, first.continuation.as_deref()).unwrap();
        let names = |page: &Page| {
            page.items
                .iter()
                .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!((names(&second), second.revision), (vec!["c".to_owned(), "d".to_owned()], first.revision));
        let third = store.list(resource, None, &everything, 2, second.continuation.as_deref()).unwrap();
        assert_eq!((names(&third), third.continuation), (vec!["e".to_owned()], None));
        store.compact();
        let late = store.list(resource, None, &everything, 2, first.continuation.as_deref());
        assert_eq!(late.unwrap_err().code, 410);
        assert_eq!(store.since(first.revision, resource, None, &everything).unwrap_err().code, 410);
        assert!(store.since(store.revision(), resource, None, &everything).unwrap().0.is_empty());
    }

    #[test]
    fn to_a_watch_with_a_selector_objects_appear_and_disappear() {
        let mut store = Store::default();
        let resource = key("a").resource;
        let begin = store.revision();
        let labelled = |value: &str| json!({"metadata": {"labels": {"app": value}}});
        for value in ["other", "web", "web", "other"] {
            let mut object = labelled(value);
            object["spec"] = json!({"n": store.revision()});
            store.put(&key("a"), object);
        }
        let selector = Selector::parse("app=web", "").unwrap();
        let (told, _) = store.since(begin, resource, None, &selector).unwrap();
        let happenings: Vec<Happening> = told.iter().map(|told| told.happening).collect();
        assert_eq!(happenings, [Happening::Added, Happening::Modified, Happening::Deleted]);
    }

    #[test]
    fn another_uid_is_another_object() {
        let mut store = Store::default();
        let begin = store.revision();
        for uid in ["u1", "u2"] {
            store.put(&key("a"), json!({"metadata": {"uid": uid}}));
        }
        let (told, _) = store.since(begin, key("a").resource, None, &Selector::default()).unwrap();
        let happenings: Vec<Happening> = told.iter().map(|told| told.happening).collect();
        assert_eq!(happenings, [Happening::Added, Happening::Deleted, Happening::Added]);
    }
}
