//! Go's built-in functions, by Go's rules for arguments, and what a lowered template needs besides.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr, Rest, Value};
use minijinja::{Environment, Error, ErrorKind, Output, State};

use super::format;
use super::methods;
use super::types::{self, Kind, Type};
use super::unicode;
use super::value::{Data, List, Node, View, fail, indirect, text, view, zero};

/// Bytes that one unit of fuel pays for.
const FUEL_BYTES: u64 = 64;

/// No single value is longer: while it is made, several copies of it stand at once.
const MAX_VALUE: usize = 1 << 20;

type Answer = Result<Value, Error>;
type Arguments = Rest<Value>;

/// Registers everything under the names that `lower` writes.
pub(super) fn register(environment: &mut Environment<'static>) {
    environment.set_formatter(print);
    environment.add_function("at", at);
    environment.add_function("put", put);
    environment.add_function("cell", || Value::from_object(Cell::default()));
    environment.add_function("iter", |source: Value| iterable(&source, false));
    environment.add_function("pairs", |source: Value| iterable(&source, true));
    environment.add_function("fail", |problem: &str| -> Answer { Err(fail(problem)) });
    environment.add_function("checked", checked);
    environment.add_function(
        "last_and",
        |last: Value, earlier: Value| if earlier.is_true() { last } else { earlier },
    );
    environment.add_function(
        "last_or",
        |last: Value, earlier: Value| if earlier.is_true() { earlier } else { last },
    );
    environment.add_function("not_", |value: Value| !value.is_true());
    environment.add_function("eq", |state: &State, all: Arguments| with_cost(state, &all, eq));
    environment
        .add_function("ne", |state: &State, all: Arguments| with_cost(state, &all, |all| Ok(!eq(all)?)));
    environment.add_function("lt", |state: &State, all: Arguments| with_cost(state, &all, lt));
    environment.add_function("le", |state: &State, all: Arguments| with_cost(state, &all, le));
    environment
        .add_function("gt", |state: &State, all: Arguments| with_cost(state, &all, |all| Ok(!le(all)?)));
    environment
        .add_function("ge", |state: &State, all: Arguments| with_cost(state, &all, |all| Ok(!lt(all)?)));
    environment.add_function("len", len);
    environment.add_function("index", |all: Arguments| index(&all));
    environment.add_function("slice", |state: &State, all: Arguments| slice(state, &all));
    environment.add_function("print", |state: &State, all: Arguments| {
        formatted(state, |budget| format::sprint(&all, budget))
    });
    environment.add_function("println", |state: &State, all: Arguments| {
        formatted(state, |budget| format::sprintln(&all, budget))
    });
    environment.add_function("printf", printf);
    environment.add_function("html", |state: &State, all: Arguments| escaped(state, &all, html));
    environment.add_function("js", |state: &State, all: Arguments| escaped(state, &all, js));
    environment.add_function("urlquery", |state: &State, all: Arguments| escaped(state, &all, urlquery));
    environment.add_function("call", call);
}

/// How an action prints its value.
fn print(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if let Some(text) = value.as_str() {
        return Ok(out.write_str(text)?);
    }
    // A named string, such as a UID, prints as the string that it is.
    if let Some(Node { data: Data::Text(bytes), .. }) = value.downcast_object_ref()
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        return Ok(out.write_str(text)?);
    }
    let bytes = format::printed(value, budget(state)).ok_or(ErrorKind::OutOfFuel)?;
    state.consume_fuel(cost(bytes.len()))?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => out.write_str(text)?,
        Err(_) => out.write_str(&unicode::lossy(&bytes))?,
    }
    Ok(())
}

fn cost(bytes: usize) -> u64 {
    1 + u64::try_from(bytes).unwrap_or(u64::MAX) / FUEL_BYTES
}

/// The bytes that the fuel which is left can still pay for.
fn budget(state: &State) -> usize {
    let left = state.fuel_levels().map_or(u64::MAX, |(_, left)| left.saturating_mul(FUEL_BYTES));
    usize::try_from(left).unwrap_or(usize::MAX).min(MAX_VALUE)
}

fn formatted(state: &State, make: impl FnOnce(usize) -> Option<Vec<u8>>) -> Answer {
    let bytes = make(budget(state)).ok_or(ErrorKind::OutOfFuel)?;
    state.consume_fuel(cost(bytes.len()))?;
    Ok(text(types::of(types::STRING), &bytes))
}

/// Charges for the strings among the arguments, which may be compared byte by byte.
fn with_cost(
    state: &State,
    all: &[Value],
    run: impl FnOnce(&[Value]) -> Result<bool, Error>,
) -> Result<bool, Error> {
    let bytes: usize = all.iter().filter_map(Value::as_bytes).map(<[u8]>::len).sum();
    state.consume_fuel(cost(bytes))?;
    run(all)
}

/// A variable that is assigned to: it outlives the loop that assigns.
#[derive(Debug, Default)]
struct Cell(Mutex<Option<Value>>);

impl Object for Cell {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value_by_str(self: &Arc<Self>, _key: &str) -> Option<Value> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Some(held.unwrap_or_else(|| Value::from(fail("undefined variable"))))
    }

    fn get_value(self: &Arc<Self>, _key: &Value) -> Option<Value> {
        self.get_value_by_str("")
    }
}

/// Puts a value into a variable and gives it back.
fn put(cell: Value, value: Value) -> Answer {
    let cell = cell.downcast_object_ref::<Cell>().ok_or_else(|| fail("not a variable"))?;
    *cell.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value.clone());
    Ok(value)
}

/// A value handed to a parameter of a type of its own, as `printf` has for its format.
fn checked(value: Value, name: &str) -> Answer {
    let ty = types::named(name);
    methods::assigned(&value, ty)
}

// Fields.

/// `.Name` of a value that is known only now; arguments are for methods.
fn at(state: &State, receiver: Value, name: &str, arguments: Arguments) -> Answer {
    let Some(ty) = view(&receiver).ty() else {
        return Ok(Value::UNDEFINED);
    };
    let inner = indirect(&receiver);
    let reached = inner.clone().unwrap_or_else(|| nearest(&receiver));
    if let Some(answer) = methods::call(&reached, name, &arguments) {
        let answer = answer?;
        state.consume_fuel(1)?;
        return Ok(answer);
    }
    let Some(inner) = inner else {
        let holder = view(&reached).ty().map_or(types::of(types::ANY), |ty| ty.elem());
        let known = holder.kind != Kind::Struct || holder.path(name).is_some();
        return Err(fail(match known {
            true => format!("nil pointer evaluating {}.{name}", ty.name),
            false => format!("can't evaluate field {name} in type {}", ty.name),
        }));
    };
    let unknown = || fail(format!("can't evaluate field {name} in type {}", ty.name));
    let View::Node(node) = view(&inner) else { return Err(unknown()) };
    match node.ty.kind {
        Kind::Struct => {
            let path = node.ty.path(name).ok_or_else(unknown)?;
            if !arguments.is_empty() {
                return Err(fail(format!("{name} has arguments but cannot be invoked as function")));
            }
            let mut value = inner.clone();
            for index in path {
                let next = match view(&value) {
                    View::Node(node) => node.field(index)?,
                    _ => return Err(unknown()),
                };
                value = next;
            }
            Ok(value)
        }
        Kind::Map if node.ty.key == types::STRING => {
            if !arguments.is_empty() {
                return Err(fail(format!("{name} is not a method but has arguments")));
            }
            match &node.data {
                Data::Map(map) => Ok(map.get(name).cloned().unwrap_or(Value::UNDEFINED)),
                _ => Ok(Value::UNDEFINED),
            }
        }
        _ => Err(unknown()),
    }
}

/// The nil pointer that a chain of pointers ends at.
fn nearest(value: &Value) -> Value {
    let mut value = value.clone();
    while let View::Node(Node { data: Data::Pointer(inner), .. }) = view(&value) {
        value = inner.clone();
    }
    value
}

// Ranges.

/// What one `range` goes over. With pairs, each round gives this object itself, whose `.k` and `.v` are the key and the value
/// of the round: nothing is made for a round, and nothing of one is read in another.
#[derive(Debug)]
struct Items {
    source: Value,
    pairs: bool,
    round: AtomicUsize,
}

fn iterable(source: &Value, pairs: bool) -> Answer {
    let Some(inner) = indirect(source) else {
        return Err(fail("range can't iterate over <nil>"));
    };
    match view(&inner) {
        View::Invalid => {}
        View::Int(..) | View::Uint(..) if pairs => {
            let shown = shown(&inner);
            return Err(fail(format!("can't use {shown} to iterate over more than one variable")));
        }
        View::Int(..) | View::Uint(..) => {}
        View::Node(node) if matches!(node.ty.kind, Kind::Slice | Kind::Map) => {}
        _ => return Err(fail(format!("range can't iterate over {}", shown(&inner)))),
    }
    Ok(Value::from_object(Items { source: inner, pairs, round: AtomicUsize::new(0) }))
}

fn shown(value: &Value) -> String {
    let bytes = format::sprint(std::slice::from_ref(value), 4096).unwrap_or_default();
    unicode::lossy(&bytes)
}

type Iter = Box<dyn Iterator<Item = Value> + Send + Sync>;

impl Items {
    /// Round after round.
    fn each(self: &Arc<Self>, rounds: usize) -> Iter {
        let items = self.clone();
        if self.pairs {
            let this = Value::from_dyn_object(self.clone());
            return Box::new((0..rounds).map(move |round| {
                items.round.store(round, Ordering::Relaxed);
                this.clone()
            }));
        }
        Box::new((0..rounds).map(move |round| items.item(round)))
    }

    fn item(&self, round: usize) -> Value {
        let found = match self.source.downcast_object_ref::<Node>().map(|node| &node.data) {
            Some(Data::List(list)) => list.get(round),
            Some(Data::Map(map)) => map.at(round).map(|(_, item)| item.clone()),
            _ => None,
        };
        found.unwrap_or_default()
    }

    fn key(&self, round: usize) -> Value {
        match self.source.downcast_object_ref::<Node>() {
            Some(Node { data: Data::Map(map), ty, .. }) => {
                map.at(round).map(|(key, _)| map_key(types::of(ty.key), key)).unwrap_or_default()
            }
            _ => Value::from(round),
        }
    }
}

impl Object for Items {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let round = self.round.load(Ordering::Relaxed);
        match key {
            "k" => Some(self.key(round)),
            "v" => Some(self.item(round)),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let iter: Iter = match view(&self.source) {
            View::Int(end, ty) => Box::new((0..end).map(move |it| of_type(ty, it))),
            View::Uint(end, ty) => {
                Box::new((0..i64::try_from(end).unwrap_or(i64::MAX)).map(move |it| of_type(ty, it)))
            }
            View::Node(Node { data: Data::List(list), .. }) => self.each(list.len),
            View::Node(Node { data: Data::Map(map), .. }) => self.each(map.len()),
            _ => Box::new(std::iter::empty()),
        };
        Enumerator::Iter(iter)
    }
}

fn of_type(ty: &'static Type, int: i64) -> Value {
    match ty.kind {
        _ if ty.id == types::INT => Value::from(int),
        Kind::Uint => super::value::node(ty, Data::Uint(int.unsigned_abs())),
        _ => super::value::node(ty, Data::Int(int)),
    }
}

fn map_key(ty: &'static Type, key: &Arc<str>) -> Value {
    if ty.id == types::STRING { Value::from(key.clone()) } else { text(ty, key.as_bytes()) }
}

// Comparisons.

#[derive(Clone, Copy, PartialEq, Eq)]
enum Basic {
    None,
    Bool,
    Complex,
    Int,
    Float,
    String,
    Uint,
}

fn basic(seen: &View<'_>) -> Basic {
    match seen {
        View::Invalid | View::Node(_) => Basic::None,
        View::Bool(..) => Basic::Bool,
        View::Int(..) => Basic::Int,
        View::Uint(..) => Basic::Uint,
        View::Float(_) => Basic::Float,
        View::Complex(..) => Basic::Complex,
        View::Text(..) => Basic::String,
    }
}

fn incompatible(a: &View<'_>, b: &View<'_>) -> Error {
    let name = |seen: &View<'_>| seen.ty().map_or("nil", |ty| ty.name);
    fail(format!(
        "error calling a comparison: incompatible types for comparison: {} and {}",
        name(a),
        name(b)
    ))
}

fn eq(all: &[Value]) -> Result<bool, Error> {
    let Some((first, others)) = all.split_first() else {
        return Err(fail("wrong number of args for eq: want at least 1 got 0"));
    };
    if others.is_empty() {
        return Err(fail("error calling eq: missing argument for comparison"));
    }
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(first: &Value, other: &Value) -> Result<bool, Error> {
    let (a, b) = (view(first), view(other));
    Ok(match (&a, &b) {
        (View::Bool(a, _), View::Bool(b, _)) => a == b,
        (View::Int(a, _), View::Int(b, _)) => a == b,
        (View::Uint(a, _), View::Uint(b, _)) => a == b,
        (View::Float(a), View::Float(b)) => a == b,
        (View::Complex(a, b), View::Complex(c, d)) => a == c && b == d,
        (View::Text(a, _), View::Text(b, _)) => a == b,
        // Integers compare whatever their signs.
        (View::Int(int, _), View::Uint(uint, _)) | (View::Uint(uint, _), View::Int(int, _)) => {
            u64::try_from(*int) == Ok(*uint)
        }
        (View::Invalid, View::Invalid) => true,
        (View::Node(node), View::Invalid) | (View::Invalid, View::Node(node)) => node.is_nil(),
        (View::Invalid, _) | (_, View::Invalid) => false,
        (View::Node(x), View::Node(y)) => {
            if x.ty.kind != y.ty.kind {
                return Err(fail(format!(
                    "error calling eq: non-comparable types {}, {}",
                    x.ty.name, y.ty.name
                )));
            }
            if x.is_nil() || y.is_nil() {
                x.is_nil() == y.is_nil()
            } else if !y.ty.comparable {
                return Err(fail(format!("error calling eq: non-comparable type {}", y.ty.name)));
            } else {
                same(first, other)
            }
        }
        _ => return Err(incompatible(&a, &b)),
    })
}

/// `==` of two values of Go: pointers by address, structs field by field.
fn same(first: &Value, other: &Value) -> bool {
    let (Some(a), Some(b)) = (first.downcast_object_ref::<Node>(), other.downcast_object_ref::<Node>())
    else {
        return match (view(first).ty(), view(other).ty()) {
            (Some(a), Some(b)) => a.id == b.id && equal(first, other).unwrap_or(false),
            (a, b) => a.is_none() && b.is_none(),
        };
    };
    if a.ty.id != b.ty.id {
        return false;
    }
    match (&a.data, &b.data) {
        (Data::Pointer(x), Data::Pointer(y)) => match (x.as_object(), y.as_object()) {
            (Some(_), Some(_)) => match (x.downcast_object_ref::<Node>(), y.downcast_object_ref::<Node>()) {
                (Some(x), Some(y)) => std::ptr::eq(x, y),
                _ => false,
            },
            _ => std::ptr::eq(a, b),
        },
        (Data::Nil, Data::Nil) => true,
        (Data::Struct(_), Data::Struct(_)) => {
            (0..a.ty.fields.len()).all(|index| match (a.field(index), b.field(index)) {
                (Ok(x), Ok(y)) => same(&x, &y),
                _ => false,
            })
        }
        (Data::Moment(x), Data::Moment(y)) => x == y,
        (Data::Quantity(x), Data::Quantity(y)) => x.raw() == y.raw(),
        (Data::Bool(x), Data::Bool(y)) => x == y,
        (Data::Int(x), Data::Int(y)) => x == y,
        (Data::Uint(x), Data::Uint(y)) => x == y,
        (Data::Text(x), Data::Text(y)) => x == y,
        _ => false,
    }
}

fn lt(all: &[Value]) -> Result<bool, Error> {
    let [first, second] = all else {
        return Err(fail(format!("wrong number of args: want 2 got {}", all.len())));
    };
    let (a, b) = (view(first), view(second));
    let invalid = || fail("error calling a comparison: invalid type for comparison");
    if basic(&a) == Basic::None || basic(&b) == Basic::None {
        return Err(invalid());
    }
    Ok(match (&a, &b) {
        (View::Int(a, _), View::Int(b, _)) => a < b,
        (View::Uint(a, _), View::Uint(b, _)) => a < b,
        (View::Float(a), View::Float(b)) => a < b,
        (View::Text(a, _), View::Text(b, _)) => a < b,
        (View::Int(int, _), View::Uint(uint, _)) => {
            u64::try_from(*int).is_err() || int.unsigned_abs() < *uint
        }
        (View::Uint(uint, _), View::Int(int, _)) => u64::try_from(*int).is_ok_and(|int| *uint < int),
        (View::Bool(..), View::Bool(..)) | (View::Complex(..), View::Complex(..)) => return Err(invalid()),
        _ => return Err(incompatible(&a, &b)),
    })
}

fn le(all: &[Value]) -> Result<bool, Error> {
    Ok(lt(all)? || eq(all)?)
}

// Collections.

fn len(item: Value) -> Result<usize, Error> {
    let inner = indirect(&item).ok_or_else(|| fail("error calling len: len of nil pointer"))?;
    let wrong = |name: &str| fail(format!("error calling len: len of type {name}"));
    match view(&inner) {
        View::Text(bytes, _) => Ok(bytes.len()),
        View::Node(node) => match (&node.data, node.ty.kind) {
            (Data::List(list), _) => Ok(list.len),
            (Data::Map(map), _) => Ok(map.len()),
            (Data::Nil, Kind::Slice | Kind::Map) => Ok(0),
            _ => Err(wrong(node.ty.name)),
        },
        seen => Err(wrong(seen.ty().map_or("nil", |ty| ty.name))),
    }
}

fn position(index: &Value, most: usize) -> Result<usize, Error> {
    let out_of_range = |shown: String| fail(format!("index out of range: {shown}"));
    match view(index) {
        View::Int(it, _) => match usize::try_from(it) {
            Ok(position) if position <= most => Ok(position),
            _ => Err(out_of_range(it.to_string())),
        },
        View::Uint(it, _) => match usize::try_from(it) {
            Ok(position) if position <= most => Ok(position),
            _ => Err(out_of_range(it.to_string())),
        },
        View::Invalid => Err(fail("cannot index slice/array with nil")),
        seen => {
            let name = seen.ty().map_or("nil", |ty| ty.name);
            Err(fail(format!("cannot index slice/array with type {name}")))
        }
    }
}

fn index(all: &[Value]) -> Answer {
    let Some((item, indexes)) = all.split_first() else {
        return Err(fail("wrong number of args for index: want at least 1 got 0"));
    };
    if let View::Invalid = view(item) {
        return Err(fail("error calling index: index of untyped nil"));
    }
    let mut item = item.clone();
    for key in indexes {
        let inner = indirect(&item).ok_or_else(|| fail("error calling index: index of nil pointer"))?;
        let found = match view(&inner) {
            View::Text(bytes, _) => {
                let at = position(key, bytes.len())?;
                let byte = bytes.get(at).ok_or_else(|| fail(format!("index out of range: {at}")))?;
                super::value::node(types::of(types::UINT8), Data::Uint((*byte).into()))
            }
            View::Node(node) => match (&node.data, node.ty.kind) {
                (Data::List(list), _) => {
                    let at = position(key, list.len)?;
                    list.get(at).ok_or_else(|| fail(format!("index out of range: {at}")))?
                }
                (Data::Nil, Kind::Slice) => {
                    return Err(match position(key, 0) {
                        Ok(at) => fail(format!("index out of range: {at}")),
                        Err(error) => error,
                    });
                }
                (_, Kind::Map) => {
                    let key = map_index(key, types::of(node.ty.key))?;
                    let found = match &node.data {
                        Data::Map(map) => {
                            std::str::from_utf8(&key).ok().and_then(|key| map.get(key)).cloned()
                        }
                        _ => None,
                    };
                    found.unwrap_or_else(|| zero(node.ty.elem(), false))
                }
                _ => {
                    return Err(fail(format!(
                        "error calling index: can't index item of type {}",
                        node.ty.name
                    )));
                }
            },
            seen => {
                let name = seen.ty().map_or("nil", |ty| ty.name);
                return Err(fail(format!("error calling index: can't index item of type {name}")));
            }
        };
        item = found;
    }
    Ok(item)
}

/// A key as a map takes it: of its very type.
fn map_index(key: &Value, ty: &'static Type) -> Result<Vec<u8>, Error> {
    match view(key) {
        View::Invalid => {
            Err(fail(format!("error calling index: value is nil; should be of type {}", ty.name)))
        }
        View::Text(bytes, of) if of.id == ty.id => Ok(bytes.to_vec()),
        seen => {
            let name = seen.ty().map_or("nil", |ty| ty.name);
            Err(fail(format!("error calling index: value has type {name}; should be {}", ty.name)))
        }
    }
}

fn slice(state: &State, all: &[Value]) -> Answer {
    let Some((item, indexes)) = all.split_first() else {
        return Err(fail("wrong number of args for slice: want at least 1 got 0"));
    };
    if let View::Invalid = view(item) {
        return Err(fail("error calling slice: slice of untyped nil"));
    }
    let inner = indirect(item).ok_or_else(|| fail("error calling slice: slice of nil pointer"))?;
    if indexes.len() > 3 {
        return Err(fail(format!("error calling slice: too many slice indexes: {}", indexes.len())));
    }
    let seen = view(&inner);
    let (len, capacity) = match &seen {
        View::Text(..) if indexes.len() == 3 => {
            return Err(fail("error calling slice: cannot 3-index slice a string"));
        }
        View::Text(bytes, _) => (bytes.len(), bytes.len()),
        View::Node(Node { data: Data::List(list), .. }) => (list.len, list.capacity),
        View::Node(Node { data: Data::Nil, ty, .. }) if ty.kind == Kind::Slice => (0, 0),
        seen => {
            let name = seen.ty().map_or("nil", |ty| ty.name);
            return Err(fail(format!("error calling slice: can't slice item of type {name}")));
        }
    };
    let mut bounds = [0, len, capacity];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = position(index, capacity)?;
    }
    let [from, to, most] = bounds;
    if from > to || to > most {
        let (a, b) = if from > to { (from, to) } else { (to, most) };
        return Err(fail(format!("error calling slice: invalid slice index: {a} > {b}")));
    }
    match seen {
        View::Text(bytes, ty) => {
            state.consume_fuel(cost(to - from))?;
            Ok(text(ty, bytes.get(from..to).unwrap_or_default()))
        }
        View::Node(node) => {
            let List { items, begin, .. } = match &node.data {
                Data::List(list) => list.clone(),
                _ => return Ok(inner.clone()),
            };
            // Beyond a slice's length, up to its capacity, stand zero values.
            let items = match begin + to > items.len() {
                true => {
                    let zeros = (items.len()..begin + to).map(|_| zero(node.ty.elem(), true));
                    items.iter().cloned().chain(zeros).collect()
                }
                false => items,
            };
            let list = List { items, begin: begin + from, len: to - from, capacity: most - from };
            Ok(super::value::node(node.ty, Data::List(list)))
        }
        _ => Ok(inner.clone()),
    }
}

// Text.

fn printf(state: &State, all: Arguments) -> Answer {
    let Some((format, arguments)) = all.split_first() else {
        return Err(fail("wrong number of args for printf: want at least 1 got 0"));
    };
    let View::Text(format, _) = view(format) else {
        return Err(fail("wrong type for value; expected string"));
    };
    formatted(state, |budget| format::sprintf(format, arguments, budget))
}

fn escaped(state: &State, all: &[Value], escape: fn(&[u8]) -> Vec<u8>) -> Answer {
    formatted(state, |budget| {
        let budget = budget / 8;
        let plain = match all {
            [one] if matches!(view(one), View::Text(_, ty) if ty.id == types::STRING) => match view(one) {
                View::Text(bytes, _) if bytes.len() <= budget => bytes.to_vec(),
                _ => return None,
            },
            _ => {
                let shown: Vec<Value> = all.iter().map(printable).collect();
                format::sprint(&shown, budget)?
            }
        };
        Some(escape(&plain))
    })
}

/// An argument as an action would print it.
fn printable(value: &Value) -> Value {
    let nil = || Value::from("<no value>");
    match view(value) {
        View::Invalid => nil(),
        View::Node(node) if node.ty.kind == Kind::Pointer => match indirect(value) {
            Some(inner) => match view(&inner) {
                // Its pointer prints itself.
                View::Node(node) if node.ty.stringer == types::Stringer::Pointer => value.clone(),
                _ => inner.clone(),
            },
            None => value.clone(),
        },
        _ => value.clone(),
    }
}

fn html(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            _ => out.push(*byte),
        }
    }
    out
}

fn js(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        let (character, length) = unicode::decode(rest);
        match character {
            '\\' => out.extend_from_slice(b"\\\\"),
            '\'' => out.extend_from_slice(b"\\'"),
            '"' => out.extend_from_slice(b"\\\""),
            '<' | '>' | '&' | '=' | '\0'..='\x1f' => {
                out.extend_from_slice(format!("\\u{first:04X}").as_bytes())
            }
            ' '..='\x7f' => out.push(first),
            _ if unicode::is_print(character) => {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => out.extend_from_slice(format!("\\u{:04X}", u32::from(character)).as_bytes()),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    out
}

fn urlquery(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(*byte),
            b' ' => out.push(b'+'),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}

/// No value is a function: there is nothing to call.
fn call(all: Arguments) -> Answer {
    match all.first().map(view) {
        None => Err(fail("wrong number of args for call: want at least 1 got 0")),
        Some(View::Invalid) => Err(fail("error calling call: call of nil")),
        Some(seen) => {
            let name = seen.ty().map_or("nil", |ty| ty.name);
            Err(fail(format!("error calling call: non-function of type {name}")))
        }
    }
}
