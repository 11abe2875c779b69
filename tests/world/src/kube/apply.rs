//! Server-side apply: who owns which field, and what an applied configuration makes of an object.
//!
//! Ownership is kept per leaf: a scalar, an atomic list, an empty container, a member of a set. What nobody applies any
//! more goes when its last owner lets go of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

/// One step from a value to a part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// A key of an object.
    Field(String),
    /// The item of a list that is a map: the item with this value at its key.
    Item { key: &'static str, value: String },
    /// The member of a list that is a set, as JSON.
    Member(String),
}

/// Where a leaf is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Path(Vec<Step>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| match step {
            Step::Field(name) => write!(f, ".{name}"),
            Step::Item { key, value } => write!(f, "[{key}={value:?}]"),
            Step::Member(json) => write!(f, "[={json}]"),
        })
    }
}

/// A set of leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Fields(BTreeSet<Path>);

/// How a writer wrote: what it applied is compared with what it applies next, what it updated is only its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    Apply,
    Update,
}

/// Who owns fields.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    manager: String,
    /// Empty for the main resource.
    subresource: String,
    operation: Operation,
}

/// All owners of an object's fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ownership(BTreeMap<Owner, Fields>);

/// Fields that others own with other values, each with its owner.
pub(super) type Conflicts = Vec<(String, String)>;

impl Ownership {
    /// Applies what a manager wants of an object, by the main resource or a subresource. Unless forced, fields that
    /// others own with other values are a conflict; where forced they pass over.
    pub(super) fn apply(
        &mut self,
        live: &mut Value,
        wanted: &Value,
        manager: &str,
        subresource: &str,
        force: bool,
    ) -> Result<(), Conflicts> {
        let me = Owner {
            manager: manager.to_owned(),
            subresource: subresource.to_owned(),
            operation: Operation::Apply,
        };
        let wanted = leaves(wanted);
        let now = leaves(live);
        let differs = |path: &Path| now.get(path).is_some_and(|value| Some(value) != wanted.get(path));
        let conflicts: Conflicts = self
            .0
            .iter()
            .filter(|(owner, _)| **owner != me)
            .flat_map(|(owner, fields)| fields.0.iter().map(move |path| (path, owner)))
            .filter(|(path, _)| wanted.contains_key(*path) && differs(path))
            .map(|(path, owner)| (path.to_string(), owner.manager.clone()))
            .collect();
        if !conflicts.is_empty() && !force {
            return Err(conflicts);
        }
        for (owner, fields) in &mut self.0 {
            if *owner != me {
                fields.0.retain(|path| !(wanted.contains_key(path) && differs(path)));
            }
        }
        let before = self.0.remove(&me).unwrap_or_default();
        for path in before.0.iter().filter(|path| !wanted.contains_key(*path)) {
            if !self.0.values().any(|fields| fields.0.contains(path)) {
                remove(live, &path.0);
            }
        }
        for (path, value) in &wanted {
            set(live, &path.0, value);
        }
        self.0.insert(me, Fields(wanted.into_keys().collect()));
        self.0.retain(|_, fields| !fields.0.is_empty());
        Ok(())
    }

    /// Takes down that a manager wrote an object in any other way: what it changed is its own from now on.
    pub(super) fn update(&mut self, before: &Value, after: &Value, manager: &str, subresource: &str) {
        let (before, after) = (leaves(before), leaves(after));
        let changed = |path: &Path| before.get(path) != after.get(path);
        for fields in self.0.values_mut() {
            fields.0.retain(|path| !changed(path));
        }
        let new: BTreeSet<Path> = after.keys().filter(|path| changed(path)).cloned().collect();
        let me = Owner {
            manager: manager.to_owned(),
            subresource: subresource.to_owned(),
            operation: Operation::Update,
        };
        self.0.entry(me).or_default().0.extend(new);
        self.0.retain(|_, fields| !fields.0.is_empty());
    }
}

/// How the items of a list are told apart.
enum ListKind {
    Atomic,
    Map(&'static str),
    Set,
}

/// The lists of the kinds that are served here, by their field's name; no two differ under one name.
fn list_kind(field: Option<&Step>) -> ListKind {
    let Some(Step::Field(name)) = field else { return ListKind::Atomic };
    match name.as_str() {
        "conditions" => ListKind::Map("type"),
        "containers" | "initContainers" => ListKind::Map("name"),
        "ownerReferences" => ListKind::Map("uid"),
        "finalizers" => ListKind::Set,
        _ => ListKind::Atomic,
    }
}

/// The leaves of an object that can have owners, with their values.
fn leaves(object: &Value) -> BTreeMap<Path, Value> {
    let mut found = BTreeMap::new();
    let Value::Object(fields) = object else { return found };
    for (name, value) in fields {
        // What identifies an object, and what the server itself writes, belongs to nobody.
        if name == "apiVersion" || name == "kind" {
            continue;
        }
        if name != "metadata" {
            collect(&mut vec![Step::Field(name.clone())], value, &mut found);
            continue;
        }
        for name in ["labels", "annotations", "finalizers", "ownerReferences"] {
            if let Some(value) = value.get(name) {
                let path = ["metadata", name].map(|name| Step::Field(name.to_owned()));
                collect(&mut path.to_vec(), value, &mut found);
            }
        }
    }
    found
}

fn collect(path: &mut Vec<Step>, value: &Value, found: &mut BTreeMap<Path, Value>) {
    let steps: Vec<(Step, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (Step::Field(name.clone()), value)).collect()
        }
        Value::Array(items) => match list_kind(path.last()) {
            ListKind::Atomic => Vec::new(),
            ListKind::Map(key) => {
                let step = |item: &Value| item.get(key).map(|value| item_step(key, value));
                items.iter().filter_map(|item| step(item).map(|step| (step, item))).collect()
            }
            ListKind::Set => {
                for item in items {
                    path.push(Step::Member(item.to_string()));
                    found.insert(Path(path.clone()), item.clone());
                    path.pop();
                }
                return;
            }
        },
        _ => Vec::new(),
    };
    if steps.is_empty() {
        found.insert(Path(path.clone()), value.clone());
    }
    for (step, value) in steps {
        path.push(step);
        collect(path, value, found);
        path.pop();
    }
}

fn item_step(key: &'static str, value: &Value) -> Step {
    Step::Item { key, value: value.as_str().map_or_else(|| value.to_string(), str::to_owned) }
}

fn is_item(item: &Value, key: &'static str, value: &str) -> bool {
    item.get(key).is_some_and(|found| item_step(key, found) == Step::Item { key, value: value.to_owned() })
}

fn set(place: &mut Value, path: &[Step], leaf: &Value) {
    let Some((step, rest)) = path.split_first() else {
        // An empty container that is wanted is there already when it has content.
        let is_kept = match (leaf, &*place) {
            (Value::Object(wanted), Value::Object(_)) => wanted.is_empty(),
            _ => false,
        };
        if !is_kept {
            *place = leaf.clone();
        }
        return;
    };
    match step {
        Step::Field(name) => {
            let fields = as_object(place);
            set(fields.entry(name.as_str()).or_insert(Value::Null), rest, leaf);
        }
        Step::Item { key, value } => {
            let items = as_array(place);
            let position = items.iter().position(|item| is_item(item, key, value)).unwrap_or_else(|| {
                let mut item = Map::new();
                item.insert((*key).to_owned(), Value::String(value.clone()));
                items.push(Value::Object(item));
                items.len() - 1
            });
            set(&mut items[position], rest, leaf);
        }
        Step::Member(_) => {
            let items = as_array(place);
            if !items.contains(leaf) {
                items.push(leaf.clone());
            }
        }
    }
}

fn as_object(place: &mut Value) -> &mut Map<String, Value> {
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    place.as_object_mut().expect("it was just made one")
}

fn as_array(place: &mut Value) -> &mut Vec<Value> {
    if !place.is_array() {
        *place = Value::Array(Vec::new());
    }
    place.as_array_mut().expect("it was just made one")
}

/// Removes a leaf, and then every container on the way to it that is empty by that.
fn remove(place: &mut Value, path: &[Step]) {
    let Some((step, rest)) = path.split_first() else { return };
    let is_empty = |value: &Value| match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    match (step, place) {
        (Step::Field(name), Value::Object(fields)) => {
            let Some(part) = fields.get_mut(name) else { return };
            remove(part, rest);
            if rest.is_empty() || is_empty(part) {
                fields.remove(name);
            }
        }
        (Step::Item { key, value }, Value::Array(items)) => {
            let Some(position) = items.iter().position(|item| is_item(item, key, value)) else { return };
            remove(&mut items[position], rest);
            if is_empty(&items[position]) {
                items.remove(position);
            }
        }
        (Step::Member(json), Value::Array(items)) => {
            let member: Value = serde_json::from_str(json).expect("what was made from a value");
            items.retain(|item| *item != member);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn apply(ownership: &mut Ownership, live: &mut Value, manager: &str, wanted: Value) {
        ownership.apply(live, &wanted, manager, "", true).unwrap();
    }

    #[test]
    fn what_a_manager_stops_applying_goes_unless_another_owns_it_too() {
        let (mut ownership, mut live) = (Ownership::default(), json!({"metadata": {"name": "x"}}));
        apply(&mut ownership, &mut live, "one", json!({"spec": {"a": 1, "b": {"c": 2}}}));
        apply(&mut ownership, &mut live, "two", json!({"spec": {"a": 1}}));
        apply(&mut ownership, &mut live, "one", json!({"spec": {}}));
        assert_eq!(live, json!({"metadata": {"name": "x"}, "spec": {"a": 1}}));
        apply(&mut ownership, &mut live, "two", json!({"spec": {"d": 4}}));
        assert_eq!(live["spec"], json!({"d": 4}));
    }

    #[test]
    fn conditions_are_merged_by_type_and_finalizers_are_a_set() {
        let (mut ownership, mut live) = (Ownership::default(), json!({}));
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status});
        let both =
            json!({"status": {"conditions": [condition("Ready", "True"), condition("Valid", "True")]}});
        apply(&mut ownership, &mut live, "one", both);
        let other = json!({"status": {"conditions": [condition("Other", "True")]}});
        apply(&mut ownership, &mut live, "two", other);
        let fewer = json!({"status": {"conditions": [condition("Ready", "False")]}});
        apply(&mut ownership, &mut live, "one", fewer);
        let expected = json!([condition("Ready", "False"), condition("Other", "True")]);
        assert_eq!(live["status"]["conditions"], expected);
        apply(&mut ownership, &mut live, "one", json!({"metadata": {"finalizers": ["a"]}}));
        apply(&mut ownership, &mut live, "two", json!({"metadata": {"finalizers": ["b"]}}));
        apply(&mut ownership, &mut live, "one", json!({}));
        assert_eq!(live["metadata"]["finalizers"], json!(["b"]));
        assert_eq!(live["status"], Value::Null);
    }

    #[test]
    fn another_value_of_anothers_field_is_a_conflict_that_force_decides() {
        let (mut ownership, mut live) = (Ownership::default(), json!({}));
        apply(&mut ownership, &mut live, "one", json!({"spec": {"a": 1}}));
        let wanted = json!({"spec": {"a": 2}});
        let conflicts = ownership.apply(&mut live, &wanted, "two", "", false).unwrap_err();
        assert_eq!(conflicts, [(".spec.a".to_owned(), "one".to_owned())]);
        assert_eq!(live["spec"]["a"], 1);
        apply(&mut ownership, &mut live, "two", wanted);
        apply(&mut ownership, &mut live, "one", json!({}));
        assert_eq!(live["spec"]["a"], 2);
    }

    #[test]
    fn a_field_that_somebody_updated_is_no_longer_the_appliers() {
        let (mut ownership, mut live) = (Ownership::default(), json!({}));
        apply(&mut ownership, &mut live, "one", json!({"spec": {"a": 1, "b": 1}}));
        let edited = json!({"spec": {"a": 2, "b": 1}});
        ownership.update(&live, &edited, "kubectl-edit", "");
        live = edited;
        apply(&mut ownership, &mut live, "one", json!({}));
        assert_eq!(live["spec"], json!({"a": 2}));
    }
}
