//! An object's JSON becomes facts: item by item, keeping the fixed fields and what the demand names.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::demand::{Demand, EACH, Source};
use super::{EndpointSliceFacts, Labels, Malformed, NamespaceFacts, NodeFacts, PodFacts};
use crate::names::{InvalidName, NamespaceName, NodeName, NodeUid, PodUid};

/// The label by which a slice names its Service.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// The facts of a `v1.Pod`, or what is wrong with it.
pub fn pod(object: &Value, demand: &Demand) -> Result<Arc<PodFacts>, Malformed> {
    super::read::pod(object, demand)
}

/// The facts of a `v1.Node`, or what is wrong with it.
pub fn node(object: &Value, demand: &Demand) -> Result<NodeFacts, Malformed> {
    let read = || -> Result<NodeFacts, String> {
        Ok(NodeFacts {
            name: NodeName::new(text(object, "/metadata/name")?).map_err(|e| at("metadata.name", e))?,
            uid: NodeUid::new(text(object, "/metadata/uid")?).map_err(|e| at("metadata.uid", e))?,
            labels: labels(object)?,
            provider_id: text(object, "/spec/providerID")?.into(),
            demanded: demanded(object, demand, Source::Node),
        })
    };
    read().map_err(|problem| malformed(object, problem))
}

/// The facts of a `v1.Namespace`, or what is wrong with it.
pub fn namespace(object: &Value) -> Result<NamespaceFacts, Malformed> {
    let read = || -> Result<NamespaceFacts, String> {
        Ok(NamespaceFacts {
            name: NamespaceName::new(text(object, "/metadata/name")?).map_err(|e| at("metadata.name", e))?,
            labels: labels(object)?,
        })
    };
    read().map_err(|problem| malformed(object, problem))
}

/// The facts of a `discovery.k8s.io/v1.EndpointSlice`, or what is wrong with it.
pub fn endpoint_slice(object: &Value) -> Result<EndpointSliceFacts, Malformed> {
    let read = || -> Result<EndpointSliceFacts, String> {
        let namespace = NamespaceName::new(text(object, "/metadata/namespace")?)
            .map_err(|e| at("metadata.namespace", e))?;
        let service = labels(object)?.get(SERVICE_LABEL).map(|service| service.into());
        let endpoints = object.pointer("/endpoints").and_then(Value::as_array).map(Vec::as_slice);
        let mut pods = Vec::new();
        for (index, endpoint) in endpoints.unwrap_or_default().iter().enumerate() {
            if endpoint.pointer("/targetRef/kind").and_then(Value::as_str) == Some("Pod") {
                let uid = PodUid::new(text(endpoint, "/targetRef/uid")?);
                pods.push(uid.map_err(|e| at(&format!("endpoints[{index}].targetRef.uid"), e))?);
            }
        }
        let name = format!("{namespace}/{}", text(object, "/metadata/name")?);
        Ok(EndpointSliceFacts { name: name.into(), namespace, service, pods })
    };
    read().map_err(|problem| malformed(object, problem))
}

impl PodFacts {
    /// The pod as templates see it: `{"metadata": …, "spec": …}` with the kept fields.
    pub fn object(&self) -> Value {
        let mut object = shell(self.demanded.as_deref());
        put(&mut object, "metadata", "uid", self.uid.as_str().into());
        put(&mut object, "metadata", "name", self.name.as_str().into());
        put(&mut object, "metadata", "namespace", self.namespace.as_str().into());
        put_labels(&mut object, &self.labels);
        put(&mut object, "spec", "serviceAccountName", (&*self.service_account).into());
        if let Some(node) = &self.node {
            put(&mut object, "spec", "nodeName", node.as_str().into());
        }
        object
    }
}

impl NodeFacts {
    /// The node as templates see it: `{"metadata": …, "spec": …}` with the kept fields.
    pub fn object(&self) -> Value {
        let mut object = shell(self.demanded.as_deref());
        put(&mut object, "metadata", "uid", self.uid.as_str().into());
        put(&mut object, "metadata", "name", self.name.as_str().into());
        put_labels(&mut object, &self.labels);
        if !self.provider_id.is_empty() {
            put(&mut object, "spec", "providerID", (&*self.provider_id).into());
        }
        object
    }
}

fn shell(demanded: Option<&Value>) -> Value {
    demanded.cloned().unwrap_or_else(|| Value::Object(Map::new()))
}

fn put_labels(object: &mut Value, labels: &Labels) {
    if !labels.is_empty() {
        let map: Map<String, Value> = labels.iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
        put(object, "metadata", "labels", Value::Object(map));
    }
}

fn put(object: &mut Value, part: &str, key: &str, value: Value) {
    if let Value::Object(map) = object {
        let part = map.entry(part).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(part) = part {
            part.insert(key.to_owned(), value);
        }
    }
}

/// Copies the demanded paths out of the object; none where the object has nothing of them.
fn demanded(object: &Value, demand: &Demand, source: Source) -> Option<Arc<Value>> {
    let mut kept = Map::new();
    for path in demand.paths_of(source) {
        if let Value::Object(object) = object {
            copy(object, &mut kept, path);
        }
    }
    if kept.is_empty() { None } else { Some(Arc::new(Value::Object(kept))) }
}

fn copy(from: &Map<String, Value>, to: &mut Map<String, Value>, path: &[String]) {
    let Some((key, rest)) = path.split_first() else {
        to.extend(from.iter().map(|(key, value)| (key.clone(), value.clone())));
        return;
    };
    if let Some(value) = from.get(key) {
        copy_value(key, value, to, rest);
    }
}

/// Copies what is below a path in a value, as the field of this name.
pub(super) fn copy_value(key: &str, value: &Value, to: &mut Map<String, Value>, path: &[String]) {
    match value {
        Value::Object(from) if !path.is_empty() => {
            let part = to.entry(key).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(part) = part {
                copy(from, part, path);
            }
        }
        Value::Array(from) if path.first().is_some_and(|part| part == EACH) => {
            let items = to.entry(key).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(items) = items {
                // As many as there are, so that what another path keeps of an item goes into the same one.
                items.resize_with(from.len(), || Value::Object(Map::new()));
                for (from, to) in from.iter().zip(items) {
                    if let (Value::Object(from), Value::Object(to)) = (from, to) {
                        copy(from, to, path.get(1..).unwrap_or_default());
                    }
                }
            }
        }
        value => {
            to.insert(key.to_owned(), value.clone());
        }
    }
}

/// The string at a JSON pointer; empty where absent or null, an error where it is of another type.
fn text<'a>(object: &'a Value, pointer: &str) -> Result<&'a str, String> {
    match object.pointer(pointer) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(other) => {
            Err(format!("{} is {other}, not a string", pointer.trim_start_matches('/').replace('/', ".")))
        }
    }
}

fn labels(object: &Value) -> Result<Labels, String> {
    let map = match object.pointer("/metadata/labels") {
        None | Some(Value::Null) => return Ok(Labels::default()),
        Some(Value::Object(map)) => map,
        Some(other) => return Err(format!("metadata.labels is {other}, not a map")),
    };
    let label = |(key, value): (&'_ String, &'_ Value)| match value {
        Value::String(value) => Ok((key.clone(), value.clone())),
        other => Err(format!("metadata.labels[{key:?}] is {other}, not a string")),
    };
    map.iter().map(label).collect()
}

pub(super) fn at(field: &str, error: InvalidName) -> String {
    format!("{field}: {error}")
}

fn malformed(object: &Value, problem: String) -> Malformed {
    let part = |pointer| object.pointer(pointer).and_then(Value::as_str);
    let name = part("/metadata/name").unwrap_or("(no name)");
    let name = match part("/metadata/namespace") {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    };
    Malformed { name, uid: part("/metadata/uid").map(str::to_owned), problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_keeps_fixed_fields_and_what_is_demanded() {
        let object = json!({"metadata": {"name": "web-1", "namespace": "shop", "uid": "u1", "labels": {"app": "web"},
            "annotations": {"a": "b"}}, "spec": {"nodeName": "n1", "priority": 3}, "status": {"phase": "Running"}});
        let facts = pod(&object, &Demand::default()).unwrap();
        assert_eq!(
            facts.object(),
            json!({"metadata": {"name": "web-1", "namespace": "shop", "uid": "u1", "labels": {"app": "web"}},
                "spec": {"nodeName": "n1", "serviceAccountName": "default"}})
        );
    }

    #[test]
    fn of_each_item_of_a_list_only_what_is_demanded_is_kept() {
        let object = json!({"metadata": {"name": "web-1", "namespace": "shop", "uid": "u1"}, "spec": {"containers": [
            {"name": "a", "image": "x", "env": [{"name": "PASSWORD", "value": "secret"}]}, {"name": "b"}]}});
        let mut demand = Demand::default();
        for part in ["name", "image"] {
            demand.add(Source::Pod, ["spec", "containers", EACH, part].map(str::to_owned).into());
        }
        let kept = pod(&object, &demand).unwrap().demanded.clone().unwrap();
        assert_eq!(*kept, json!({"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b"}]}}));
        // Whoever reads the list as a whole gets it as a whole, whatever else is read.
        demand.add(Source::Pod, ["spec", "containers"].map(str::to_owned).into());
        let kept = pod(&object, &demand).unwrap().demanded.clone().unwrap();
        assert_eq!(*kept.pointer("/spec/containers").unwrap(), object["spec"]["containers"]);
    }

    #[test]
    fn a_pod_without_labels_is_well_and_one_without_uid_is_not() {
        let mut object = json!({"metadata": {"name": "web-1", "namespace": "shop", "uid": "u1"}});
        assert!(pod(&object, &Demand::default()).unwrap().labels.is_empty());
        object["metadata"]["uid"] = Value::Null;
        let problem = pod(&object, &Demand::default()).unwrap_err();
        assert_eq!(problem.name, "shop/web-1");
        assert!(problem.problem.starts_with("metadata.uid: pod uid \"\" is invalid"), "{}", problem.problem);
    }
}
