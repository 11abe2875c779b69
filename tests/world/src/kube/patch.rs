//! JSON merge patch (RFC 7386) and JSON patch (RFC 6902).

use serde::Deserialize;
use serde_json::{Map, Value};

/// Merges a patch into a value.
pub(super) fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(fields) = value else { return };
    for (name, patch) in patch {
        if patch.is_null() {
            fields.remove(name);
        } else {
            merge(fields.entry(name.as_str()).or_insert(Value::Null), patch);
        }
    }
}

/// One operation of a JSON patch.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(super) enum Operation {
    /// Adds or replaces a field, or inserts an item.
    Add {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
    /// Removes a field or an item, which must be there.
    Remove {
        /// Which.
        path: String,
    },
    /// Replaces a field or an item, which must be there.
    Replace {
        /// Where.
        path: String,
        /// By what.
        value: Value,
    },
    /// Adds elsewhere what is there.
    Copy {
        /// From where.
        from: String,
        /// To where.
        path: String,
    },
    /// Adds elsewhere what is there, and removes it.
    Move {
        /// From where.
        from: String,
        /// To where.
        path: String,
    },
    /// Fails the patch unless the value is there.
    Test {
        /// Where.
        path: String,
        /// What.
        value: Value,
    },
}

/// Does the operations in their order; the error says which could not be done.
pub(super) fn operate(value: &mut Value, operations: Vec<Operation>) -> Result<(), String> {
    operations.into_iter().try_for_each(|operation| match operation {
        Operation::Add { path, value: added } => add(value, &path, added),
        Operation::Remove { path } => remove(value, &path).map(drop),
        Operation::Replace { path, value: by } => {
            *value.pointer_mut(&path).ok_or_else(|| missing("replace", &path))? = by;
            Ok(())
        }
        Operation::Copy { from, path } => {
            let copy = value.pointer(&from).cloned().ok_or_else(|| missing("copy", &from))?;
            add(value, &path, copy)
        }
        Operation::Move { from, path } => {
            let moved = remove(value, &from)?;
            add(value, &path, moved)
        }
        Operation::Test { path, value: expected } => {
            let is_there = value.pointer(&path).unwrap_or(&Value::Null) == &expected;
            is_there.then_some(()).ok_or_else(|| format!("testing value {path} failed"))
        }
    })
}

fn missing(operation: &str, path: &str) -> String {
    format!("{operation} operation does not apply: doc is missing path: {path:?}")
}

/// The parent's value and the last step, unescaped.
fn parent<'a>(value: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((value.pointer_mut(parent)?, last.replace("~1", "/").replace("~0", "~")))
}

fn add(value: &mut Value, path: &str, added: Value) -> Result<(), String> {
    if path.is_empty() {
        *value = added;
        return Ok(());
    }
    match parent(value, path) {
        Some((Value::Object(fields), name)) => {
            fields.insert(name, added);
            Ok(())
        }
        Some((Value::Array(items), index)) => {
            let index = if index == "-" { Some(items.len()) } else { index.parse().ok() };
            let index = index.filter(|index| *index <= items.len()).ok_or_else(|| missing("add", path))?;
            items.insert(index, added);
            Ok(())
        }
        _ => Err(missing("add", path)),
    }
}

fn remove(value: &mut Value, path: &str) -> Result<Value, String> {
    let removed = match parent(value, path) {
        Some((Value::Object(fields), name)) => fields.remove(&name),
        Some((Value::Array(items), index)) => {
            let index = index.parse().ok().filter(|index| *index < items.len());
            index.map(|index: usize| items.remove(index))
        }
        _ => None,
    };
    removed.ok_or_else(|| missing("remove", path))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_removes_by_null_and_replaces_lists() {
        let mut value = json!({"a": {"b": 1, "c": 2}, "l": [1, 2]});
        merge(&mut value, &json!({"a": {"b": null, "d": {"e": null}}, "l": [3]}));
        assert_eq!(value, json!({"a": {"c": 2, "d": {}}, "l": [3]}));
    }

    #[test]
    fn a_json_patch_ends_at_the_operation_that_does_not_apply() {
        let operations = |patch: Value| serde_json::from_value::<Vec<Operation>>(patch).unwrap();
        let mut value = json!({"metadata": {"finalizers": ["a", "b"]}});
        let patch = json!([
            {"op": "test", "path": "/metadata/finalizers/0", "value": "a"},
            {"op": "remove", "path": "/metadata/finalizers/0"},
            {"op": "add", "path": "/metadata/finalizers/-", "value": "c"},
            {"op": "add", "path": "/metadata/x~1y", "value": 1},
            {"op": "move", "from": "/metadata/x~1y", "path": "/z"},
        ]);
        operate(&mut value, operations(patch)).unwrap();
        assert_eq!(value, json!({"metadata": {"finalizers": ["b", "c"]}, "z": 1}));
        let wrong = json!([{"op": "test", "path": "/z", "value": 2}]);
        assert_eq!(operate(&mut value, operations(wrong)).unwrap_err(), "testing value /z failed");
    }
}
