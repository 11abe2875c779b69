//! The variables of one pod, made once and then handed out by reference count.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

use minijinja::value::{Object, Value};
use serde_json::{Value as Json, json};

use super::format;
use super::types::{self, Kind};
use super::unicode;
use super::value::{Data, Node, View, fail, from_json, present, string_map, view, zero};
use crate::facts::{Labels, NodeFacts, PodFacts};

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
    pub cluster_labels: Labels,
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
        Self { context: Value::from_object(Context::Made(Whole::new(variables, pod, node))) }
    }

    /// Makes the scope of a pod and a node of which facts are kept. What most templates read is handed out by reference
    /// count; all of a pod and a node is made where a template reads something else. Of a node that is not known, nothing.
    pub fn of(variables: Variables, pod: Arc<PodFacts>, node: Option<Arc<NodeFacts>>) -> Self {
        let facts = Facts { variables, pod, node };
        Self { context: Value::from_object(Context::OnDemand(facts, OnceLock::new())) }
    }

    pub(super) fn context(&self) -> Value {
        self.context.clone()
    }

    /// All that a template can use, with what each is: variables and fields down to those that are zero.
    pub fn describe(&self) -> Vec<Described> {
        let mut rows = Vec::new();
        if let Some(context) = self.context.downcast_object_ref::<Context>() {
            describe(&context.whole().data, "", &mut rows);
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

/// All variables as values.
struct Whole {
    dot: Value,
    data: Arc<Node>,
}

impl Whole {
    fn new(variables: &Variables, pod: &Json, node: &Json) -> Self {
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
        let mut fields = vec![
            text(&variables.trust_domain),
            text(&variables.cluster_name),
            text(&variables.cluster_domain),
            text(&variables.application_name),
            text(&variables.account_id),
            text(&variables.region),
            instance(variables),
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
        Self { dot, data }
    }
}

fn instance(variables: &Variables) -> Value {
    match &variables.instance_id {
        Some(id) => Value::from(id.clone()),
        None => Value::from(fail(".InstanceID is not known: the pod's node has no spec.providerID")),
    }
}

/// What values can be made of when they are asked for.
struct Facts {
    variables: Variables,
    pod: Arc<PodFacts>,
    node: Option<Arc<NodeFacts>>,
}

/// A path whose value facts have at hand.
#[derive(Clone, Copy)]
enum AtHand {
    TrustDomain,
    ClusterName,
    ClusterDomain,
    ApplicationName,
    AccountId,
    Region,
    InstanceId,
    EksClusterName,
    PodName,
    PodNamespace,
    PodUid,
    ServiceAccount,
    NodeName,
    NodeUid,
}

/// Those paths, as a lowered template names them.
static AT_HAND: LazyLock<BTreeMap<String, AtHand>> = LazyLock::new(|| {
    let data = types::of(types::DATA);
    let place = |ty: &types::Type, name: &str| ty.fields.iter().position(|field| field.name == name);
    let variable = |name: &str| place(data, name);
    let inner = |part: &str, name: &str| {
        let at = variable(part)?;
        let ty = types::of(data.fields.get(at)?.ty).elem();
        Some(format!("f{at}_{}", place(ty, name)?))
    };
    let variables = [
        ("TrustDomain", AtHand::TrustDomain),
        ("ClusterName", AtHand::ClusterName),
        ("ClusterDomain", AtHand::ClusterDomain),
        ("ApplicationName", AtHand::ApplicationName),
        ("AccountID", AtHand::AccountId),
        ("Region", AtHand::Region),
        ("InstanceID", AtHand::InstanceId),
        ("EKSClusterName", AtHand::EksClusterName),
        ("Namespace", AtHand::PodNamespace),
        ("ServiceAccount", AtHand::ServiceAccount),
    ];
    let fields = [
        ("PodMeta", "Name", AtHand::PodName),
        ("PodMeta", "Namespace", AtHand::PodNamespace),
        ("PodMeta", "UID", AtHand::PodUid),
        ("PodSpec", "ServiceAccountName", AtHand::ServiceAccount),
        ("NodeMeta", "Name", AtHand::NodeName),
        ("NodeMeta", "UID", AtHand::NodeUid),
    ];
    let variables =
        variables.into_iter().filter_map(|(name, it)| Some((format!("f{}", variable(name)?), it)));
    let fields = fields.into_iter().filter_map(|(part, name, it)| Some((inner(part, name)?, it)));
    variables.chain(fields).collect()
});

/// Go's `types.UID`.
static UID: LazyLock<&'static types::Type> = LazyLock::new(|| {
    let pointer = types::of(types::DATA).fields.iter().find(|field| field.name == "PodMeta");
    let meta = pointer.map(|field| types::of(field.ty).elem());
    let field = meta.and_then(|meta| meta.fields.iter().find(|field| field.name == "UID"));
    types::of(field.map_or(types::STRING, |field| field.ty))
});

fn uid(text: Arc<str>) -> Value {
    Value::from_object(Node { ty: *UID, addressable: true, data: Data::Text(text.into()) })
}

impl Facts {
    fn at_hand(&self, path: &str) -> Option<Value> {
        let Variables { aliases, .. } = self.variables;
        let it = *AT_HAND.get(path)?;
        let text = match it {
            AtHand::TrustDomain => self.variables.trust_domain.clone(),
            AtHand::ClusterName => self.variables.cluster_name.clone(),
            AtHand::ClusterDomain => self.variables.cluster_domain.clone(),
            AtHand::ApplicationName => self.variables.application_name.clone(),
            AtHand::AccountId => self.variables.account_id.clone(),
            AtHand::Region => self.variables.region.clone(),
            AtHand::InstanceId => return Some(instance(&self.variables)),
            AtHand::EksClusterName if aliases => self.variables.eks_cluster_name.clone(),
            AtHand::EksClusterName => return None,
            AtHand::PodName => self.pod.name.shared(),
            AtHand::PodNamespace => self.pod.namespace.shared(),
            AtHand::ServiceAccount => self.pod.service_account.clone(),
            AtHand::NodeName => self.node.as_ref()?.name.shared(),
            AtHand::PodUid => return Some(uid(self.pod.uid.shared())),
            AtHand::NodeUid => return Some(uid(self.node.as_ref()?.uid.shared())),
        };
        Some(Value::from(text))
    }
}

/// What a lowered template finds by name: `dot`, and paths of field numbers such as `f7_2`.
enum Context {
    Made(Whole),
    OnDemand(Facts, OnceLock<Whole>),
}

impl Context {
    fn whole(&self) -> &Whole {
        match self {
            Self::Made(whole) => whole,
            Self::OnDemand(Facts { variables, pod, node }, whole) => {
                let node = || match node {
                    Some(node) => node.object(),
                    None => json!({"metadata": {}, "spec": {}}),
                };
                whole.get_or_init(|| Whole::new(variables, &pod.object(), &node()))
            }
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Context")
    }
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if let Self::OnDemand(facts, _) = &**self
            && let Some(value) = facts.at_hand(key)
        {
            return Some(value);
        }
        let Some(path) =
            key.strip_prefix('f').filter(|path| path.starts_with(|it: char| it.is_ascii_digit()))
        else {
            return (key == "dot").then(|| self.whole().dot.clone());
        };
        Some(walk(&self.whole().data, path))
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
