//! What values print of themselves: times, quantities, and the `String` methods that Kubernetes' types have generated.

use minijinja::value::Value;

use super::super::moment::{DAYS, MONTHS};
use super::super::types::{self, How, Show, Type};
use super::super::value::{Data, Node, View, view};
use super::sprint;

/// Nothing of Kubernetes' comes near.
const LIMIT: usize = 16 << 20;

/// A value's `String`.
pub(super) fn string(node: &Node) -> Vec<u8> {
    match &node.data {
        Data::Moment(moment) => moment.text().into_bytes(),
        Data::Quantity(quantity) => quantity.text().into_bytes(),
        _ if node.ty.name == "intstr.IntOrString" => int_or_string(node),
        _ if node.ty.name == "v1.FieldsV1" => match node.field(0) {
            Ok(raw) => bytes(&raw),
            Err(_) => Vec::new(),
        },
        _ => generated(node),
    }
}

/// The `String` of a named number.
pub(super) fn number(ty: &'static Type, int: i64) -> Vec<u8> {
    let index = usize::try_from(int).ok();
    let name = match ty.id {
        types::MONTH => index.and_then(|it| it.checked_sub(1)).and_then(|it| MONTHS.get(it)),
        types::WEEKDAY => index.and_then(|it| DAYS.get(it)),
        _ => None,
    };
    name.map_or_else(|| int.to_string(), |name| (*name).to_owned()).into_bytes()
}

fn bytes(value: &Value) -> Vec<u8> {
    match view(value) {
        View::Node(Node { data: Data::List(list), .. }) => list
            .iter()
            .map(|it| match view(it) {
                View::Uint(it, _) => u8::try_from(it).unwrap_or_default(),
                _ => 0,
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn int_or_string(node: &Node) -> Vec<u8> {
    let of = |index| node.field(index).unwrap_or_default();
    let shown = match view(&of(0)) {
        View::Int(1, _) => of(2),
        _ => of(1),
    };
    plain(&shown)
}

fn plain(value: &Value) -> Vec<u8> {
    sprint(std::slice::from_ref(value), LIMIT).unwrap_or_default()
}

fn generated(node: &Node) -> Vec<u8> {
    let name = node.ty.name.rsplit('.').next().unwrap_or_default();
    let mut out = format!("&{name}{{").into_bytes();
    for show in node.ty.show {
        let Some(index) = node.ty.fields.iter().position(|field| field.name == show.field) else { continue };
        let Ok(value) = node.field(index) else { continue };
        out.extend_from_slice(show.label.as_bytes());
        out.push(b':');
        out.extend_from_slice(&shown(&value, show));
        out.push(b',');
    }
    out.push(b'}');
    out
}

fn shown(value: &Value, show: &Show) -> Vec<u8> {
    let own = |value: &Value| match view(value) {
        View::Node(Node { data: Data::Nil, ty, .. }) => {
            if ty.elem == types::QUANTITY {
                b"<nil>".to_vec()
            } else {
                b"nil".to_vec()
            }
        }
        View::Node(Node { data: Data::Pointer(inner), .. }) => match inner.downcast_object_ref::<Node>() {
            Some(inner) => string(inner),
            None => plain(inner),
        },
        View::Node(node) => string(node),
        _ => plain(value),
    };
    match show.how {
        How::Plain => plain(value),
        How::Pointer => match view(value) {
            View::Node(Node { data: Data::Pointer(inner), .. }) => [b"*".to_vec(), plain(inner)].concat(),
            _ => b"nil".to_vec(),
        },
        How::Kept => replaced(own(value), show.from, show.to),
        How::Nested => replaced(replaced(own(value), show.from, show.to), "&", ""),
        How::Text => replaced(plain(value), show.from, show.to),
        How::TextNested => replaced(replaced(plain(value), show.from, show.to), "&", ""),
        How::List | How::ListPlain => {
            let mut out = show.from.as_bytes().to_vec();
            if let View::Node(Node { data: Data::List(list), .. }) = view(value) {
                let (from, to) = show.to.split_once(' ').unwrap_or_default();
                for item in list.iter() {
                    out.extend(match show.how {
                        How::List => replaced(replaced(own(item), from, to), "&", ""),
                        _ => plain(item),
                    });
                    out.push(b',');
                }
            }
            out.push(b'}');
            out
        }
        How::Map => {
            let mut out = show.from.as_bytes().to_vec();
            if let View::Node(Node { data: Data::Map(map), .. }) = view(value) {
                for (key, item) in map.iter() {
                    out.extend(format!("{key}: ").into_bytes());
                    out.extend(plain(item));
                    out.push(b',');
                }
            }
            out.push(b'}');
            out
        }
    }
}

/// The first occurrence replaced.
fn replaced(bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    let at = bytes.windows(from.len().max(1)).position(|window| window == from.as_bytes());
    match at.filter(|_| !from.is_empty() && from != to) {
        Some(at) => {
            let (before, after) = bytes.split_at(at);
            [before, to.as_bytes(), after.get(from.len()..).unwrap_or_default()].concat()
        }
        None => bytes,
    }
}
