//! The methods that templates call on Kubernetes' types: getters, times, quantities, and what prints itself.

use minijinja::Error;
use minijinja::value::Value;

use super::format;
use super::quantity::Quantity;
use super::types::{self, Kind, Stringer, Type};
use super::value::{Data, Node, View, fail, int, node, text, view};

type Answer = Result<Value, Error>;

/// Calls a method of a value at the end of pointers, or of a nil pointer; none where its type has none of the name.
pub(super) fn call(receiver: &Value, name: &str, arguments: &[Value]) -> Option<Answer> {
    let ty = view(receiver).ty()?;
    let holder = ty.pointee();
    if !holder.has_method(name) {
        return None;
    }
    if let View::Node(node) = view(receiver)
        && node.ty.kind == Kind::Struct
        && node.ty.stringer == Stringer::Pointer
        && !node.addressable
    {
        // Only pointers have it, and this value has no address.
        return None;
    }
    Some(dispatch(receiver, holder, name, arguments))
}

/// Whether a value can be handed to a parameter of a type; a pointer to one is followed once.
pub(super) fn assigned(value: &Value, ty: &'static Type) -> Answer {
    match view(value) {
        View::Invalid => Err(fail(format!("invalid value; expected {}", ty.name))),
        View::Node(Node { data: Data::Pointer(inner), ty: pointer, .. }) if pointer.elem == ty.id => {
            Ok(inner.clone())
        }
        View::Node(Node { data: Data::Nil, ty: pointer, .. })
            if pointer.kind == Kind::Pointer && pointer.elem == ty.id =>
        {
            Err(fail(format!("dereference of nil pointer of type {}", ty.name)))
        }
        seen => match seen.ty() {
            Some(of) if of.id == ty.id => Ok(value.clone()),
            of => {
                let of = of.map_or("nil", |of| of.name);
                Err(fail(format!("wrong type for value; expected {}; got {of}", ty.name)))
            }
        },
    }
}

fn dispatch(receiver: &Value, holder: &'static Type, name: &str, arguments: &[Value]) -> Answer {
    let takes = |count: usize| match arguments.len() == count {
        true => Ok(()),
        false => Err(fail(format!("wrong number of args for {name}: want {count} got {}", arguments.len()))),
    };
    let nil = matches!(view(receiver), View::Node(node) if node.is_nil() && node.ty.kind == Kind::Pointer);
    if nil {
        return match (holder.id, name) {
            (types::TIME | types::MICRO_TIME, "IsZero") => takes(0).map(|()| Value::from(true)),
            (_, "String") if holder.stringer == Stringer::Pointer => {
                takes(0)?;
                Ok(Value::from(if holder.id == types::QUANTITY { "<nil>" } else { "nil" }))
            }
            _ => Err(fail(format!(
                "error calling {name}: runtime error: invalid memory address or nil pointer dereference"
            ))),
        };
    }
    if name == "String" {
        takes(0)?;
        let bytes = match view(receiver) {
            View::Node(node) => format::own_text(node),
            // A named string or number: its text is what it prints.
            _ => format::sprint(std::slice::from_ref(receiver), 1 << 20).unwrap_or_default(),
        };
        return Ok(text(types::of(types::STRING), &bytes));
    }
    if holder.name == "v1.ResourceList" {
        let (key, format) = match name {
            "Cpu" => ("cpu", "DecimalSI"),
            "Pods" => ("pods", "DecimalSI"),
            "Memory" => ("memory", "BinarySI"),
            "Storage" => ("storage", "BinarySI"),
            "StorageEphemeral" => ("ephemeral-storage", "BinarySI"),
            _ => ("", ""),
        };
        if !key.is_empty() {
            takes(0)?;
            return Ok(resource(receiver, key, format));
        }
    }
    let unsupported = || fail(format!("method {name} of {} is not supported", holder.name));
    let View::Node(receiver_node) = view(receiver) else { return Err(unsupported()) };
    match &receiver_node.data {
        Data::Moment(_) => moment(receiver_node, name, arguments).unwrap_or_else(|| Err(unsupported())),
        Data::Quantity(quantity) => {
            let answer = match name {
                "Value" => int(types::INT64, quantity.scaled(0)),
                "MilliValue" => int(types::INT64, quantity.scaled(3)),
                "IsZero" => Value::from(quantity.is_zero()),
                "Sign" => int(types::INT, i64::try_from(quantity.value.signum()).unwrap_or(0)),
                "AsApproximateFloat64" | "AsFloat64Slow" => Value::from(quantity.float()),
                _ => return Err(unsupported()),
            };
            takes(0).map(|()| answer)
        }
        _ => {
            if let Some(field) = name.strip_prefix("Get")
                && let Some(index) = holder.fields.iter().position(|known| known.name == field)
            {
                takes(0)?;
                return receiver_node.field(index);
            }
            match (holder.name, name) {
                ("intstr.IntOrString", "IntValue") => {
                    takes(0)?;
                    let string = receiver_node.field(2)?;
                    match view(&receiver_node.field(0)?) {
                        View::Int(1, _) => {
                            Ok(Value::from(string.as_str().and_then(|it| it.parse().ok()).unwrap_or(0_i64)))
                        }
                        _ => match view(&receiver_node.field(1)?) {
                            View::Int(it, _) => Ok(Value::from(it)),
                            _ => Err(unsupported()),
                        },
                    }
                }
                ("v1.Taint", "ToString") => {
                    takes(0)?;
                    taint(receiver_node)
                }
                _ => Err(unsupported()),
            }
        }
    }
}

/// A pointer to one quantity of a list; to none of it where the list has not got it.
fn resource(list: &Value, key: &str, format: &str) -> Value {
    let found = match view(list) {
        View::Node(Node { data: Data::Map(map), .. }) => match map.get(key).map(view) {
            Some(View::Node(Node { data: Data::Quantity(quantity), .. })) => Some(quantity.clone()),
            _ => None,
        },
        _ => None,
    };
    let quantity = found.unwrap_or_else(|| Quantity::none_of(format));
    let inner = Value::from_object(Node {
        ty: types::of(types::QUANTITY),
        addressable: true,
        data: Data::Quantity(quantity),
    });
    node(types::named("*resource.Quantity"), Data::Pointer(inner))
}

fn taint(taint: &Node) -> Answer {
    let of = |name: &str| -> Result<Vec<u8>, Error> {
        let index = taint.ty.fields.iter().position(|field| field.name == name).unwrap_or_default();
        Ok(match view(&taint.field(index)?) {
            View::Text(bytes, _) => bytes.to_vec(),
            _ => Vec::new(),
        })
    };
    let (mut shown, value, effect) = (of("Key")?, of("Value")?, of("Effect")?);
    if !value.is_empty() {
        shown.push(b'=');
        shown.extend(&value);
    }
    if !value.is_empty() || !effect.is_empty() {
        shown.push(b':');
        shown.extend(&effect);
    }
    Ok(text(types::of(types::STRING), &shown))
}

/// A method of a time; none where it is not one of those that templates have a use for.
fn moment(receiver: &Node, name: &str, arguments: &[Value]) -> Option<Answer> {
    let Data::Moment(moment) = receiver.data else { return None };
    let wanted = usize::from(matches!(name, "Format" | "Before" | "After" | "Equal"));
    if arguments.len() != wanted {
        return Some(Err(fail(format!(
            "wrong number of args for {name}: want {wanted} got {}",
            arguments.len()
        ))));
    }
    let parts = moment.parts();
    let long = |it: i64| int(types::INT64, it);
    Some(Ok(match name {
        "Unix" => long(moment.seconds),
        "UnixMilli" => long(moment.seconds * 1000 + i64::from(moment.nanos / 1_000_000)),
        "UnixMicro" => long(moment.seconds * 1_000_000 + i64::from(moment.nanos / 1000)),
        "UnixNano" => long(moment.seconds.wrapping_mul(1_000_000_000).wrapping_add(moment.nanos.into())),
        "Year" => Value::from(parts.year),
        "Day" => Value::from(parts.day),
        "Hour" => Value::from(parts.hour),
        "Minute" => Value::from(parts.minute),
        "Second" => Value::from(parts.second),
        "Nanosecond" => Value::from(i64::from(moment.nanos)),
        "YearDay" => Value::from(parts.year_day),
        "Month" => int(types::MONTH, parts.month),
        "Weekday" => int(types::WEEKDAY, parts.weekday),
        "IsZero" => Value::from(moment == super::moment::Moment::ZERO),
        "UTC" | "Local" => node(types::of(types::GO_TIME), Data::Moment(moment)),
        "Rfc3339Copy" => node(receiver.ty, Data::Moment(moment)),
        "Format" => {
            let layout = match assigned(arguments.first()?, types::of(types::STRING)) {
                Ok(layout) => layout,
                Err(error) => return Some(Err(error)),
            };
            Value::from(moment.format(layout.as_str()?))
        }
        "Before" | "After" | "Equal" => {
            let argument = arguments.first()?;
            let reached = super::value::indirect(argument);
            let other = match reached.as_ref().map(view) {
                Some(View::Node(Node { data: Data::Moment(other), .. })) => *other,
                _ => return Some(Err(fail(format!("wrong type for value; expected a time for {name}")))),
            };
            Value::from(match name {
                "Before" => moment < other,
                "After" => moment > other,
                _ => moment == other,
            })
        }
        _ => return None,
    }))
}
