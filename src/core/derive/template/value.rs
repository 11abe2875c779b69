//! Go's values as the engine holds them: plain ones by the engine's own kinds, typed ones as `Node`, which a clone shares.

use std::fmt;
use std::sync::{Arc, OnceLock};

use minijinja::value::{Enumerator, Object, ObjectRepr, Value, ValueKind};
use minijinja::{Error, ErrorKind};
use serde_json::Value as Json;

use super::moment::Moment;
use super::quantity::Quantity;
use super::types::{self, Kind, Type};

/// A value whose type is not one of the engine's own.
pub(super) struct Node {
    pub(super) ty: &'static Type,
    /// Reached through a pointer: Go can take its address, and so its pointer's methods.
    pub(super) addressable: bool,
    pub(super) data: Data,
}

/// What a node holds, by its type's kind.
pub(super) enum Data {
    /// A nil pointer, slice or map.
    Nil,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Complex(f64, f64),
    Text(Arc<[u8]>),
    Pointer(Value),
    /// Fields that are not zero, by rising index.
    Struct(Vec<(usize, Value)>),
    List(List),
    Map(Map),
    Moment(Moment),
    Quantity(Quantity),
}

/// A map by sorted keys: gone over by number, so that a `range` needs neither a copy nor a borrow of it.
pub(super) struct Map(Box<[(Arc<str>, Value)]>);

impl Map {
    /// Keys come once each, in any order.
    pub(super) fn new(pairs: impl Iterator<Item = (Arc<str>, Value)>) -> Self {
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Self(pairs.into())
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    pub(super) fn at(&self, index: usize) -> Option<&(Arc<str>, Value)> {
        self.0.get(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Value)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A slice of shared elements; the capacity may reach beyond them, where zero values stand.
#[derive(Clone)]
pub(super) struct List {
    pub(super) items: Arc<[Value]>,
    pub(super) begin: usize,
    pub(super) len: usize,
    pub(super) capacity: usize,
}

impl List {
    pub(super) fn get(&self, index: usize) -> Option<Value> {
        (index < self.len).then(|| self.items.get(self.begin + index).cloned()).flatten()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Value> {
        self.items.iter().skip(self.begin).take(self.len)
    }
}

/// A value looked at as Go's `reflect` would.
pub(super) enum View<'a> {
    /// No value at all: a missing key of a map, or `nil`.
    Invalid,
    Bool(bool, &'static Type),
    Int(i64, &'static Type),
    Uint(u64, &'static Type),
    Float(f64),
    Complex(f64, f64),
    Text(&'a [u8], &'static Type),
    Node(&'a Node),
}

/// Looks at a value.
pub(super) fn view(value: &Value) -> View<'_> {
    match value.kind() {
        ValueKind::Bool => View::Bool(value.is_true(), types::of(types::BOOL)),
        ValueKind::Number => match value.as_i64() {
            Some(int) if value.is_integer() => View::Int(int, types::of(types::INT)),
            _ => View::Float(f64::try_from(value.clone()).unwrap_or_default()),
        },
        ValueKind::String | ValueKind::Bytes => {
            View::Text(value.as_bytes().unwrap_or_default(), types::of(types::STRING))
        }
        _ => match value.downcast_object_ref::<Node>() {
            None => View::Invalid,
            Some(node) => match &node.data {
                Data::Bool(it) => View::Bool(*it, node.ty),
                Data::Int(it) => View::Int(*it, node.ty),
                Data::Uint(it) => View::Uint(*it, node.ty),
                Data::Complex(real, imaginary) => View::Complex(*real, *imaginary),
                Data::Text(it) => View::Text(it, node.ty),
                _ => View::Node(node),
            },
        },
    }
}

impl View<'_> {
    pub(super) fn ty(&self) -> Option<&'static Type> {
        match self {
            View::Invalid => None,
            View::Bool(_, ty) | View::Int(_, ty) | View::Uint(_, ty) | View::Text(_, ty) => Some(ty),
            View::Float(_) => Some(types::of(types::FLOAT64)),
            View::Complex(..) => Some(types::of(types::COMPLEX128)),
            View::Node(node) => Some(node.ty),
        }
    }
}

/// The value at the end of pointers; none where a pointer is nil.
pub(super) fn indirect(value: &Value) -> Option<Value> {
    let mut value = value.clone();
    while let Some(node) = value.downcast_object_ref::<Node>()
        && node.ty.kind == Kind::Pointer
    {
        let Data::Pointer(inner) = &node.data else { return None };
        value = inner.clone();
    }
    Some(value)
}

/// An error of Go's execution, which names no place: the engine's line does.
pub(super) fn fail(problem: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem.into())
}

pub(super) fn node(ty: &'static Type, data: Data) -> Value {
    Value::from_object(Node { ty, addressable: false, data })
}

pub(super) fn int(ty: u16, int: i64) -> Value {
    if ty == types::INT { Value::from(int) } else { node(types::of(ty), Data::Int(int)) }
}

/// A string of a type; bytes that are no UTF-8 are kept.
pub(super) fn text(ty: &'static Type, bytes: &[u8]) -> Value {
    if ty.id != types::STRING {
        return node(ty, Data::Text(bytes.into()));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => Value::from_bytes(bytes.to_vec()),
    }
}

pub(super) fn list(ty: &'static Type, items: Vec<Value>) -> Value {
    let len = items.len();
    node(ty, Data::List(List { items: items.into(), begin: 0, len, capacity: capacity(len) }))
}

/// What the JSON decoder leaves a slice of so many elements: Go doubles while it appends.
fn capacity(len: usize) -> usize {
    if len == 0 { 0 } else { len.next_power_of_two() }
}

/// A map of strings.
pub(super) fn string_map<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let map = Map::new(pairs.map(|(key, value)| (Arc::from(key), Value::from(value))));
    let data = if map.len() == 0 { Data::Nil } else { Data::Map(map) };
    node(types::of(types::STRING_MAP), data)
}

type Zeros = [Vec<OnceLock<Value>>; 2];

static ZEROS: OnceLock<Zeros> = OnceLock::new();

/// A type's zero value.
pub(super) fn zero(ty: &'static Type, addressable: bool) -> Value {
    let all = ZEROS.get_or_init(|| {
        let row = || (0..1024).map(|_| OnceLock::new()).collect();
        [row(), row()]
    });
    let [fixed, reached] = all;
    let row = if addressable { reached } else { fixed };
    match row.get(usize::from(ty.id)) {
        Some(cell) => cell.get_or_init(|| make_zero(ty, addressable)).clone(),
        None => make_zero(ty, addressable),
    }
}

fn make_zero(ty: &'static Type, addressable: bool) -> Value {
    let data = match ty.kind {
        Kind::Bool if ty.id == types::BOOL => return Value::from(false),
        Kind::Int if ty.id == types::INT => return Value::from(0),
        Kind::String if ty.id == types::STRING => return Value::from(""),
        Kind::Float => return Value::from(0.0),
        Kind::Interface => return Value::UNDEFINED,
        Kind::Bool => Data::Bool(false),
        Kind::Int => Data::Int(0),
        Kind::Uint => Data::Uint(0),
        Kind::Complex => Data::Complex(0.0, 0.0),
        Kind::String => Data::Text(Arc::from([])),
        Kind::Pointer | Kind::Slice | Kind::Map => Data::Nil,
        Kind::Struct => match ty.id {
            types::TIME | types::MICRO_TIME | types::GO_TIME => Data::Moment(Moment::ZERO),
            types::QUANTITY => Data::Quantity(Quantity::default()),
            _ => Data::Struct(Vec::new()),
        },
    };
    Value::from_object(Node { ty, addressable, data })
}

/// A value of a type out of JSON. What has another shape than the type is zero, as absent things are.
pub(super) fn from_json(ty: &'static Type, json: &Json, addressable: bool) -> Value {
    made(ty, json, addressable).unwrap_or_else(|| zero(ty, addressable))
}

fn made(ty: &'static Type, json: &Json, addressable: bool) -> Option<Value> {
    let data = match ty.kind {
        Kind::Bool if ty.id == types::BOOL => return json.as_bool().map(Value::from),
        Kind::Int if ty.id == types::INT => return json.as_i64().map(Value::from),
        Kind::Float => return json.as_f64().map(Value::from),
        Kind::String if ty.id == types::STRING => return json.as_str().map(Value::from),
        Kind::Bool => Data::Bool(json.as_bool()?),
        Kind::Int => Data::Int(json.as_i64()?),
        Kind::Uint => Data::Uint(json.as_u64()?),
        Kind::String => Data::Text(json.as_str()?.as_bytes().into()),
        Kind::Interface | Kind::Complex => return None,
        Kind::Pointer if json.is_null() => return None,
        Kind::Pointer => Data::Pointer(from_json(ty.elem(), json, true)),
        Kind::Slice if ty.id == types::BYTES => {
            let bytes = data_encoding::BASE64.decode(json.as_str()?.as_bytes()).ok()?;
            return Some(byte_list(ty, &bytes));
        }
        Kind::Slice => {
            let items: Vec<Value> =
                json.as_array()?.iter().map(|item| from_json(ty.elem(), item, true)).collect();
            let len = items.len();
            Data::List(List { items: items.into(), begin: 0, len, capacity: capacity(len) })
        }
        Kind::Map => {
            let pairs = json.as_object()?.iter();
            Data::Map(Map::new(
                pairs.map(|(key, it)| (Arc::from(key.as_str()), from_json(ty.elem(), it, false))),
            ))
        }
        Kind::Struct => structure(ty, json, addressable)?,
    };
    Some(Value::from_object(Node { ty, addressable, data }))
}

fn byte_list(ty: &'static Type, bytes: &[u8]) -> Value {
    let byte = types::of(types::UINT8);
    list(ty, bytes.iter().map(|&it| node(byte, Data::Uint(it.into()))).collect())
}

fn structure(ty: &'static Type, json: &Json, addressable: bool) -> Option<Data> {
    match ty.id {
        types::TIME | types::MICRO_TIME | types::GO_TIME => {
            return Moment::parse(json.as_str()?).map(Data::Moment);
        }
        types::QUANTITY => {
            let text = match json {
                Json::String(text) => text.clone(),
                Json::Number(number) => number.to_string(),
                _ => return None,
            };
            return Quantity::parse(&text).map(Data::Quantity);
        }
        _ => {}
    }
    let mut fields = Vec::new();
    match (ty.name, json) {
        ("intstr.IntOrString", Json::String(text)) => {
            if let Some(kind) = ty.fields.first() {
                fields.push((0, node(types::of(kind.ty), Data::Int(1))));
            }
            fields.push((2, Value::from(text.as_str())));
        }
        ("intstr.IntOrString", Json::Number(number)) => {
            fields.push((1, int(types::INT32, number.as_i64()?)));
        }
        ("v1.FieldsV1", _) => {
            fields.push((0, byte_list(types::of(types::BYTES), json.to_string().as_bytes())));
        }
        (_, Json::Object(object)) => {
            for (index, field) in ty.fields.iter().enumerate() {
                // The fields of an embedded struct stand in the object itself.
                let inner = if field.json.is_empty() { Some(json) } else { object.get(field.json) };
                if let Some(value) = inner.and_then(|inner| made(types::of(field.ty), inner, addressable)) {
                    fields.push((index, value));
                }
            }
        }
        _ => return None,
    }
    Some(Data::Struct(fields))
}

/// A field that is not zero. It stands at its index, or before by as many as are zero before it.
pub(super) fn present(fields: &[(usize, Value)], index: usize) -> Option<&Value> {
    let last = fields.len().checked_sub(1)?;
    let (at, value) = fields.get(..=index.min(last))?.iter().rev().find(|(at, _)| *at <= index)?;
    (*at == index).then_some(value)
}

impl Node {
    /// A field by its place in the type, of a struct or of what a pointer points to.
    pub(super) fn field(&self, index: usize) -> Result<Value, Error> {
        match &self.data {
            Data::Struct(fields) => {
                if let Some(value) = present(fields, index) {
                    return Ok(value.clone());
                }
                let field = self.ty.fields.get(index).ok_or_else(|| fail("no such field"))?;
                if self.ty.id == types::DATA && index >= types::ALIASES {
                    let name = field.name;
                    return Err(fail(format!(
                        "can't evaluate field {name} in type {}",
                        types::of(types::ROOT).name
                    )));
                }
                Ok(zero(types::of(field.ty), self.addressable))
            }
            Data::Pointer(inner) => match inner.downcast_object_ref::<Node>() {
                Some(node) => node.field(index),
                None => Err(fail("no such field")),
            },
            Data::Nil => {
                let name = self.ty.elem().fields.get(index).map_or("", |field| field.name);
                Err(fail(format!("nil pointer evaluating {}.{name}", self.ty.name)))
            }
            Data::Moment(moment) => Ok(Value::from_object(Self {
                ty: types::of(types::GO_TIME),
                addressable: self.addressable,
                data: Data::Moment(*moment),
            })),
            Data::Quantity(quantity) => Ok(text(types::of(types::FORMAT), quantity.format().as_bytes())),
            _ => Err(fail(format!("can't evaluate field in type {}", self.ty.name))),
        }
    }

    pub(super) fn is_nil(&self) -> bool {
        matches!(self.data, Data::Nil)
    }

    fn truth(&self) -> bool {
        match &self.data {
            Data::Nil => false,
            Data::Bool(it) => *it,
            Data::Int(it) => *it != 0,
            Data::Uint(it) => *it != 0,
            Data::Complex(real, imaginary) => *real != 0.0 || *imaginary != 0.0,
            Data::Text(it) => !it.is_empty(),
            Data::List(list) => list.len > 0,
            Data::Map(map) => map.len() > 0,
            Data::Pointer(_) | Data::Struct(_) | Data::Moment(_) | Data::Quantity(_) => true,
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.ty.name)
    }
}

impl Object for Node {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    /// A map's value by its key, a field by its index: what a lowered template asks for where it knows the type.
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match (&self.data, key.as_str()) {
            // A subscript is Go's `index`, which gives the zero value for what is not there; a field's syntax does not.
            (Data::Map(map), Some(key)) => {
                Some(map.get(key).cloned().unwrap_or_else(|| zero(self.ty.elem(), false)))
            }
            (_, Some(_)) => (self.ty.kind == Kind::Map).then(|| zero(self.ty.elem(), false)),
            (_, None) => Some(self.field(key.as_usize()?).unwrap_or_else(Value::from)),
        }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match &self.data {
            Data::Map(map) => map.get(key).cloned(),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.truth()
    }
}
