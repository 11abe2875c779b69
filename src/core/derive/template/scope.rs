//! The variables of one pod, made once and then handed out by reference count.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, Value};
use serde_json::Value as Json;

use super::format;
use super::types::{self, Kind};
use super::unicode;
use super::value::{Data, Node, View, fail, from_json, present, string_map, view, zero};

/// What a scope is made of.
#[derive(Debug, Clone)]
pub struct Variables {
    /// `.TrustDomain`.
    pub trust_domain: Arc<str>,
    /// `.ClusterName`.
    pub cluster_name: Arc<str>,
    /// `.EKSClusterName`.
    pub eks_cluster_name: Arc<str>,
    /// `.ClusterDomain`.
    pub cluster_domain: Arc<str>,
    /// `.ApplicationName`.
    pub application_name: Arc<str>,
    /// `.AccountID`.
    pub account_id: Arc<str>,
    /// `.Region`.
    pub region: Arc<str>,
    /// `.InstanceID`; none where the node has no `spec.providerID`: reading it fails then.
    pub instance_id: Option<Arc<str>>,
    /// `.ClusterLabels`.
    pub cluster_labels: Arc<BTreeMap<String, String>>,
    /// Whether there are `.EKSClusterName`, `.ClusterLabels`, `.Namespace` and `.ServiceAccount`, which Go's registrar has not.
    pub aliases: bool,
}

/// The variables of one pod on one node.
#[derive(Clone)]
pub struct Scope {
    context: Value,
}

/// A variable or a field, for people: how it is written, its type and what it is for this pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// `.PodMeta.Name`.
    pub path: String,
    /// Go's type.
    pub type_name: &'static str,
    /// As an action prints it.
    pub value: String,
}

impl Scope {
    /// Makes the scope of a pod and a node, each `{"metadata": …, "spec": …}`.
    pub fn new(variables: &Variables, pod: &Json, node: &Json) -> Self {
        let text = |text: &Arc<str>| Value::from(text.clone());
        let part = |ty: u16, object: &Json, part: &str| {
            let pointer = types::of(ty);
            let inner = match object.get(part) {
                Some(json) => from_json(pointer.elem(), json, true),
                None => zero(pointer.elem(), true),
            };
            Value::from_object(Node { ty: pointer, addressable: false, data: Data::Pointer(inner) })
        };
        let of = |index: usize| types::of(types::DATA).fields.get(index).map_or(types::ANY, |field| field.ty);
        let instance = match &variables.instance_id {
            Some(id) => text(id),
            None => Value::from(fail(".InstanceID is not known: the pod's node has no spec.providerID")),
        };
        let mut fields = vec![
            text(&variables.trust_domain),
            text(&variables.cluster_name),
            text(&variables.cluster_domain),
            text(&variables.application_name),
            text(&variables.account_id),
            text(&variables.region),
            instance,
            part(of(7), pod, "metadata"),
            part(of(8), pod, "spec"),
            part(of(9), node, "metadata"),
            part(of(10), node, "spec"),
        ];
        if variables.aliases {
            let of_pod =
                |pointer: &str| Value::from(pod.pointer(pointer).and_then(Json::as_str).unwrap_or_default());
            fields.push(text(&variables.eks_cluster_name));
            fields.push(string_map(variables.cluster_labels.iter()));
            fields.push(of_pod("/metadata/namespace"));
            fields.push(of_pod("/spec/serviceAccountName"));
        }
        let data = Arc::new(Node {
            ty: types::of(types::DATA),
            addressable: true,
            data: Data::Struct(fields.into_iter().enumerate().collect()),
        });
        let dot = Value::from_object(Node {
            ty: types::of(types::ROOT),
            addressable: false,
            data: Data::Pointer(Value::from_dyn_object(data.clone())),
        });
        Self { context: Value::from_object(Context { dot, data }) }
    }

    pub(super) fn context(&self) -> Value {
        self.context.clone()
    }

    /// All that a template can use, with what each is: variables and fields down to those that are zero.
    pub fn describe(&self) -> Vec<Described> {
        let mut rows = Vec::new();
        if let Some(context) = self.context.downcast_object_ref::<Context>() {
            describe(&context.data, "", &mut rows);
        }
        rows
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope")
    }
}

fn describe(node: &Node, path: &str, rows: &mut Vec<Described>) {
    for (index, field) in node.ty.fields.iter().enumerate() {
        let path = format!("{path}.{}", field.name);
        let Ok(value) = node.field(index) else { continue };
        let ty = types::of(field.ty);
        let mut inner = None;
        if let View::Node(it) = view(&value) {
            inner = match &it.data {
                Data::Pointer(to) if ty.elem().kind == Kind::Struct => to.downcast_object::<Node>(),
                Data::Struct(_) => value.downcast_object::<Node>(),
                _ => None,
            };
        }
        match inner.filter(|inner| matches!(inner.data, Data::Struct(_))) {
            Some(inner) => describe(&inner, &path, rows),
            None => {
                let bytes = format::printed(&value, 1 << 16).unwrap_or_default();
                rows.push(Described { path, type_name: ty.name, value: unicode::lossy(&bytes) });
            }
        }
    }
}

/// What a lowered template finds by name: `dot`, and paths of field numbers such as `f7_2`.
#[derive(Debug)]
struct Context {
    dot: Value,
    data: Arc<Node>,
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let Some(path) =
            key.strip_prefix('f').filter(|path| path.starts_with(|it: char| it.is_ascii_digit()))
        else {
            return (key == "dot").then(|| self.dot.clone());
        };
        Some(walk(&self.data, path))
    }
}

/// Goes down a path without taking anything but its end.
fn walk(from: &Node, path: &str) -> Value {
    let mut node = from;
    let mut rest = path;
    loop {
        let (index, after) = first_number(rest);
        while let Data::Pointer(inner) = &node.data
            && let Some(inner) = inner.downcast_object_ref::<Node>()
        {
            node = inner;
        }
        let present = match &node.data {
            Data::Struct(fields) => present(fields, index),
            _ => None,
        };
        match (present, after) {
            (Some(value), None) => return value.clone(),
            (Some(value), Some(after)) => match value.downcast_object_ref::<Node>() {
                Some(inner) => {
                    node = inner;
                    rest = after;
                }
                None => return value.clone(),
            },
            // Zero from here on, or an error.
            (None, after) => return walk_zero(node, index, after),
        }
    }
}

fn walk_zero(node: &Node, index: usize, after: Option<&str>) -> Value {
    match (node.field(index), after) {
        (Err(error), _) => Value::from(error),
        (Ok(value), None) => value,
        (Ok(value), Some(after)) => match value.downcast_object_ref::<Node>() {
            Some(inner) => walk(inner, after),
            None => value,
        },
    }
}

fn first_number(path: &str) -> (usize, Option<&str>) {
    let mut number = 0;
    for (at, byte) in path.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => number = number * 10 + usize::from(byte - b'0'),
            _ => return (number, path.get(at + 1..)),
        }
    }
    (number, None)
}
