//! Go's `fmt` over Go's values: verbs, flags, widths and the forms of its errors.

use minijinja::value::Value;

use super::literal;
use super::moment::Moment;
use super::types::{self, Kind, Stringer, Type};
use super::unicode;
use super::value::{Data, Node, View, view};

mod float;
mod generated;

/// Wider than this nothing is asked for in earnest: Go takes such a width for a mistake as well.
const MAX_WIDTH: usize = 1_000_000;

/// `fmt.Sprintf`; none where more than `budget` bytes would come out.
pub(super) fn sprintf(format: &[u8], arguments: &[Value], budget: usize) -> Option<Vec<u8>> {
    let mut printer = Printer::new(budget);
    printer.run(format, arguments);
    printer.finish()
}

/// `fmt.Sprint`: a space between two that are not strings.
pub(super) fn sprint(arguments: &[Value], budget: usize) -> Option<Vec<u8>> {
    let mut printer = Printer::new(budget);
    let mut was_text = false;
    for (index, argument) in arguments.iter().enumerate() {
        // Only what is of a string's kind counts, whatever its type's name.
        let is_text = matches!(view(argument), View::Text(..));
        if index > 0 && !is_text && !was_text {
            printer.out.push(b' ');
        }
        printer.argument(argument, 'v');
        was_text = is_text;
    }
    printer.finish()
}

/// `fmt.Sprintln`.
pub(super) fn sprintln(arguments: &[Value], budget: usize) -> Option<Vec<u8>> {
    let mut printer = Printer::new(budget);
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            printer.out.push(b' ');
        }
        printer.argument(argument, 'v');
    }
    printer.out.push(b'\n');
    printer.finish()
}

/// What an action prints of a value: pointers are followed first.
pub(super) fn printed(value: &Value, budget: usize) -> Option<Vec<u8>> {
    let mut printer = Printer::new(budget);
    printer.printed(value);
    printer.finish()
}

/// What a value's own `String` method gives.
pub(super) fn own_text(node: &Node) -> Vec<u8> {
    generated::string(node)
}

#[derive(Clone, Copy, Default)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    plus_v: bool,
    sharp_v: bool,
}

struct Printer {
    out: Vec<u8>,
    flags: Flags,
    budget: usize,
    exhausted: bool,
    /// An error's form is being printed: nothing prints itself then.
    failing: bool,
    reordered: bool,
    good_index: bool,
}

impl Printer {
    fn new(budget: usize) -> Self {
        Self {
            out: Vec::new(),
            flags: Flags::default(),
            budget,
            exhausted: false,
            failing: false,
            reordered: false,
            good_index: true,
        }
    }

    fn finish(self) -> Option<Vec<u8>> {
        (!self.exhausted && self.out.len() <= self.budget).then_some(self.out)
    }

    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn put_char(&mut self, character: char) {
        self.out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn printed(&mut self, value: &Value) {
        let mut value = value.clone();
        while let Some(node) = value.downcast_object_ref::<Node>()
            && node.ty.kind == Kind::Pointer
        {
            let Data::Pointer(inner) = &node.data else { break };
            value = inner.clone();
        }
        match view(&value) {
            View::Invalid => self.put("<no value>"),
            View::Node(node) if node.ty.stringer == Stringer::Pointer && node.addressable => {
                let text = generated::string(node);
                self.text(&text, 'v');
            }
            _ => self.argument(&value, 'v'),
        }
    }

    fn run(&mut self, format: &[u8], arguments: &[Value]) {
        let end = format.len();
        let at = |index: usize| format.get(index).copied();
        let (mut i, mut number) = (0, 0);
        while i < end && !self.exhausted {
            self.good_index = true;
            let begin = i;
            while i < end && at(i) != Some(b'%') {
                i += 1;
            }
            self.out.extend_from_slice(format.get(begin..i).unwrap_or_default());
            if i >= end {
                break;
            }
            i += 1;
            self.flags = Flags::default();
            while let Some(flag) = at(i) {
                match flag {
                    b'#' => self.flags.sharp = true,
                    b'0' => self.flags.zero = true,
                    b'+' => self.flags.plus = true,
                    b'-' => self.flags.minus = true,
                    b' ' => self.flags.space = true,
                    _ => break,
                }
                i += 1;
            }
            let mut after_index;
            (number, i, after_index) = self.index(number, format, i, arguments.len());
            if at(i) == Some(b'*') {
                i += 1;
                let width;
                (width, number) = integer_argument(arguments, number);
                match width {
                    Some(width) => {
                        if width < 0 {
                            self.flags.minus = true;
                            self.flags.zero = false;
                        }
                        self.flags.width = usize::try_from(width.unsigned_abs()).ok();
                    }
                    None => self.put("%!(BADWIDTH)"),
                }
                after_index = false;
            } else {
                let width;
                (width, i) = digits(format, i, end);
                self.flags.width = width;
                if after_index && width.is_some() {
                    self.good_index = false;
                }
            }
            // A point that nothing follows is taken for a verb.
            if at(i) == Some(b'.') && i + 1 < end {
                i += 1;
                if after_index {
                    self.good_index = false;
                }
                (number, i, after_index) = self.index(number, format, i, arguments.len());
                if at(i) == Some(b'*') {
                    i += 1;
                    let precision;
                    (precision, number) = integer_argument(arguments, number);
                    self.flags.precision = precision.and_then(|it| usize::try_from(it).ok());
                    if precision.is_none_or(|it| it < 0) {
                        self.put("%!(BADPREC)");
                    }
                    after_index = false;
                } else {
                    let precision;
                    (precision, i) = digits(format, i, end);
                    self.flags.precision = Some(precision.unwrap_or(0));
                }
            }
            if !after_index {
                (number, i, _) = self.index(number, format, i, arguments.len());
            }
            let Some(rest) = format.get(i..).filter(|rest| !rest.is_empty()) else {
                self.put("%!(NOVERB)");
                break;
            };
            let (verb, size) = unicode::decode(rest);
            i += size;
            self.verb(verb, &mut number, arguments);
        }
        if !self.reordered && number < arguments.len() {
            self.extra(arguments.get(number..).unwrap_or_default());
        }
    }

    fn verb(&mut self, verb: char, number: &mut usize, arguments: &[Value]) {
        let note = |text: &str| format!("%!{verb}({text})");
        if verb == '%' {
            self.put("%");
        } else if !self.good_index {
            self.put(&note("BADINDEX"));
        } else if let Some(argument) = arguments.get(*number) {
            if matches!(verb, 'v' | 'w') {
                self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
                self.flags.plus_v = std::mem::take(&mut self.flags.plus);
            }
            self.argument(argument, verb);
            *number += 1;
        } else {
            self.put(&note("MISSING"));
        }
    }

    fn extra(&mut self, arguments: &[Value]) {
        self.flags = Flags::default();
        self.put("%!(EXTRA ");
        for (index, argument) in arguments.iter().enumerate() {
            if index > 0 {
                self.put(", ");
            }
            match view(argument).ty() {
                None => self.put("<nil>"),
                Some(ty) => {
                    self.put(ty.name);
                    self.put("=");
                    self.argument(argument, 'v');
                }
            }
        }
        self.put(")");
    }

    /// `[3]` before a width, a precision or a verb.
    fn index(&mut self, number: usize, format: &[u8], at: usize, count: usize) -> (usize, usize, bool) {
        if format.get(at) != Some(&b'[') {
            return (number, at, false);
        }
        self.reordered = true;
        let rest = format.get(at..).unwrap_or_default();
        let close =
            if rest.len() < 3 { None } else { rest.iter().position(|&it| it == b']').filter(|&it| it > 0) };
        let Some(close) = close else {
            self.good_index = false;
            return (number, at + 1, false);
        };
        let (index, after) = digits(rest, 1, close);
        let Some(index) = index.filter(|_| after == close) else {
            self.good_index = false;
            return (number, at + close + 1, false);
        };
        match index.checked_sub(1).filter(|&index| index < count) {
            Some(index) => (index, at + close + 1, true),
            None => {
                self.good_index = false;
                (number, at + close + 1, true)
            }
        }
    }

    fn argument(&mut self, argument: &Value, verb: char) {
        let seen = view(argument);
        let Some(ty) = seen.ty() else {
            match verb {
                'T' | 'v' => self.pad("<nil>"),
                _ => self.bad(verb, None),
            }
            return;
        };
        match verb {
            'T' => return self.format_string(ty.name.as_bytes()),
            'p' => return self.pointer(argument, ty, 'p'),
            _ => {}
        }
        if !self.by_method(argument, verb) {
            self.value(argument, verb, 0);
        }
    }

    /// Values that print themselves; whether this one does.
    fn by_method(&mut self, argument: &Value, verb: char) -> bool {
        if self.failing {
            return false;
        }
        if verb == 'w' {
            self.bad(verb, Some(argument));
            return true;
        }
        if self.flags.sharp_v || !matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') {
            return false;
        }
        let seen = view(argument);
        let text = match seen {
            View::Int(int, ty) if ty.stringer == Stringer::Value => generated::number(ty, int),
            View::Text(bytes, ty) if ty.stringer == Stringer::Value => bytes.to_vec(),
            View::Node(node) => match node.ty.kind {
                Kind::Pointer => match (node.ty.elem().stringer, &node.data) {
                    (Stringer::No, _) => return false,
                    // A method of values panics on nil, which is printed so; one of pointers says nil.
                    (Stringer::Value, Data::Nil) => {
                        self.put("<nil>");
                        return true;
                    }
                    (Stringer::Pointer, Data::Nil) => {
                        if node.ty.elem == types::QUANTITY {
                            b"<nil>".to_vec()
                        } else {
                            b"nil".to_vec()
                        }
                    }
                    (_, Data::Pointer(inner)) => match inner.downcast_object_ref::<Node>() {
                        Some(inner) => generated::string(inner),
                        None => return false,
                    },
                    _ => return false,
                },
                _ if node.ty.stringer == Stringer::Value => generated::string(node),
                _ => return false,
            },
            _ => return false,
        };
        self.text(&text, verb);
        true
    }

    fn value(&mut self, value: &Value, verb: char, depth: usize) {
        if self.out.len() > self.budget {
            self.exhausted = true;
            return;
        }
        if depth > 0 && self.by_method(value, verb) {
            return;
        }
        match view(value) {
            View::Invalid => match verb {
                'v' => self.put("<nil>"),
                _ => self.bad(verb, None),
            },
            View::Bool(it, _) => match verb {
                't' | 'v' => self.pad(if it { "true" } else { "false" }),
                _ => self.bad(verb, Some(value)),
            },
            View::Int(it, _) => self.integer(it.unsigned_abs(), it < 0, true, verb, value),
            View::Uint(it, _) => self.integer(it, false, false, verb, value),
            View::Float(it) => self.float(it, verb, value),
            View::Complex(real, imaginary) => match verb {
                'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E' => {
                    let plus = self.flags.plus;
                    self.put("(");
                    self.float(real, verb, value);
                    self.flags.plus = true;
                    self.float(imaginary, verb, value);
                    self.put("i)");
                    self.flags.plus = plus;
                }
                _ => self.bad(verb, Some(value)),
            },
            View::Text(bytes, _) => self.string(bytes, verb, value),
            View::Node(node) => self.node(node, value, verb, depth),
        }
    }

    fn node(&mut self, node: &Node, value: &Value, verb: char, depth: usize) {
        let sharp = self.flags.sharp_v;
        match (&node.data, node.ty.kind) {
            (_, Kind::Pointer) => {
                if let (Data::Pointer(inner), 0) = (&node.data, depth)
                    && matches!(node.ty.elem().kind, Kind::Slice | Kind::Struct | Kind::Map)
                {
                    self.put("&");
                    self.value(inner, verb, depth + 1);
                    return;
                }
                self.pointer(value, node.ty, verb);
            }
            (_, Kind::Map) => {
                self.open(node, sharp, "map[");
                if let Data::Map(map) = &node.data {
                    for (index, (key, item)) in map.iter().enumerate() {
                        if index > 0 {
                            self.put(if sharp { ", " } else { " " });
                        }
                        self.value(
                            &super::value::text(types::of(node.ty.key), key.as_bytes()),
                            verb,
                            depth + 1,
                        );
                        self.put(":");
                        self.value(item, verb, depth + 1);
                    }
                }
                self.close(node, sharp);
            }
            (_, Kind::Slice) => self.slice(node, value, verb, depth),
            (Data::Quantity(quantity), _) if !sharp => self.put(&quantity.raw()),
            (Data::Moment(moment), _) if sharp => self.format_string(moment.go_string().as_bytes()),
            (Data::Moment(moment), _) => {
                // The struct's own fields, where it may not print itself.
                let embeds = node.ty.id != types::GO_TIME;
                self.put(if embeds { "{{" } else { "{" });
                let seconds = moment.seconds.wrapping_sub(Moment::ZERO.seconds);
                let wall = super::value::node(types::of(types::UINT64), Data::Uint(moment.nanos.into()));
                self.value(&wall, verb, depth + 1);
                self.put(" ");
                self.value(&super::value::int(types::INT64, seconds), verb, depth + 1);
                self.put(" ");
                match verb {
                    'v' => self.pad("<nil>"),
                    'b' | 'o' | 'd' | 'x' | 'X' => self.integer(0, false, false, verb, value),
                    _ => {
                        self.put("%!");
                        self.put_char(verb);
                        self.put("(*time.Location=");
                        self.pad("<nil>");
                        self.put(")");
                    }
                }
                self.put(if embeds { "}}" } else { "}" });
            }
            _ => {
                if sharp {
                    self.put(node.ty.name);
                }
                self.put("{");
                // What this registrar adds to the variables is not part of Go's.
                let shown = if node.ty.id == types::DATA { types::ALIASES } else { usize::MAX };
                for (index, field) in node.ty.fields.iter().enumerate().take(shown) {
                    if index > 0 {
                        self.put(if sharp { ", " } else { " " });
                    }
                    if sharp || self.flags.plus_v {
                        self.put(field.name);
                        self.put(":");
                    }
                    if let Ok(inner) = node.field(index) {
                        self.value(&inner, verb, depth + 1);
                    }
                }
                self.put("}");
            }
        }
    }

    fn open(&mut self, node: &Node, sharp: bool, plain: &str) {
        match sharp {
            true => {
                self.put(node.ty.name);
                self.put(if node.is_nil() { "(nil" } else { "{" });
            }
            false => self.put(plain),
        }
    }

    fn close(&mut self, node: &Node, sharp: bool) {
        self.put(match (sharp, node.is_nil()) {
            (true, true) => ")",
            (true, false) => "}",
            (false, _) => "]",
        });
    }

    fn slice(&mut self, node: &Node, value: &Value, verb: char, depth: usize) {
        let items: Vec<Value> = match &node.data {
            Data::List(list) => list.iter().cloned().collect(),
            _ => Vec::new(),
        };
        if matches!(verb, 's' | 'q' | 'x' | 'X') && node.ty.elem().kind == Kind::Uint {
            let bytes: Vec<u8> = items
                .iter()
                .map(|it| match view(it) {
                    View::Uint(it, _) => u8::try_from(it).unwrap_or_default(),
                    _ => 0,
                })
                .collect();
            return self.string(&bytes, verb, value);
        }
        let sharp = self.flags.sharp_v;
        self.open(node, sharp, "[");
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.put(if sharp { ", " } else { " " });
            }
            self.value(item, verb, depth + 1);
        }
        self.close(node, sharp);
    }

    /// A pointer has no address here: nil is told as in Go, another as a number that stands for one.
    fn pointer(&mut self, value: &Value, ty: &'static Type, verb: char) {
        let nil = match view(value) {
            View::Node(node) if matches!(ty.kind, Kind::Pointer | Kind::Slice | Kind::Map) => node.is_nil(),
            _ => return self.bad(verb, Some(value)),
        };
        let address: u64 = if nil { 0 } else { 0xc0_0000_0000 };
        match verb {
            'v' if self.flags.sharp_v => {
                self.put(&format!("({})(", ty.name));
                if nil {
                    self.put("nil")
                } else {
                    self.put(&format!("0x{address:x}"))
                }
                self.put(")");
            }
            'v' if nil => self.pad("<nil>"),
            'v' | 'p' => {
                let sharp = self.flags.sharp;
                self.flags.sharp = !sharp;
                self.format_integer(address, false, 16, 'v', false);
                self.flags.sharp = sharp;
            }
            'b' | 'o' | 'd' | 'x' | 'X' => self.integer(address, false, false, verb, value),
            _ => self.bad(verb, Some(value)),
        }
    }

    fn bad(&mut self, verb: char, argument: Option<&Value>) {
        self.failing = true;
        self.put("%!");
        self.put_char(verb);
        self.put("(");
        match argument.and_then(|it| view(it).ty().map(|ty| (it, ty))) {
            Some((argument, ty)) => {
                self.put(ty.name);
                self.put("=");
                self.value(argument, 'v', 0);
            }
            None => self.put("<nil>"),
        }
        self.put(")");
        self.failing = false;
    }

    fn integer(&mut self, magnitude: u64, negative: bool, signed: bool, verb: char, value: &Value) {
        match verb {
            'v' if self.flags.sharp_v && !signed => {
                let sharp = std::mem::replace(&mut self.flags.sharp, true);
                self.format_integer(magnitude, false, 16, 'v', false);
                self.flags.sharp = sharp;
            }
            'v' | 'd' => self.format_integer(magnitude, negative, 10, verb, false),
            'b' => self.format_integer(magnitude, negative, 2, verb, false),
            'o' | 'O' => self.format_integer(magnitude, negative, 8, verb, false),
            'x' => self.format_integer(magnitude, negative, 16, verb, false),
            'X' => self.format_integer(magnitude, negative, 16, verb, true),
            'c' => {
                let character = character(magnitude, negative);
                self.pad(&character.to_string());
            }
            'q' => {
                let quoted = literal::quote_char(character(magnitude, negative), self.flags.plus);
                self.pad(&quoted);
            }
            'U' => self.unicode(if negative { magnitude.wrapping_neg() } else { magnitude }),
            _ => self.bad(verb, Some(value)),
        }
    }

    fn format_integer(&mut self, magnitude: u64, negative: bool, base: u32, verb: char, upper: bool) {
        let flags = self.flags;
        let mut wanted = 0;
        if let Some(precision) = flags.precision {
            wanted = precision;
            if precision == 0 && magnitude == 0 {
                let zero = std::mem::replace(&mut self.flags.zero, false);
                self.padding(flags.width.unwrap_or(0));
                self.flags.zero = zero;
                return;
            }
        } else if flags.zero
            && !flags.minus
            && let Some(width) = flags.width
        {
            let sign = usize::from(negative || flags.plus || flags.space);
            wanted = width.saturating_sub(sign);
        }
        let digits = match base {
            2 => format!("{magnitude:b}"),
            8 => format!("{magnitude:o}"),
            16 if upper => format!("{magnitude:X}"),
            16 => format!("{magnitude:x}"),
            _ => magnitude.to_string(),
        };
        let mut text = "0".repeat(wanted.min(MAX_WIDTH).saturating_sub(digits.len())) + &digits;
        if flags.sharp {
            let prefix = match base {
                2 => "0b",
                8 if text.starts_with('0') => "",
                8 => "0",
                16 if upper => "0X",
                16 => "0x",
                _ => "",
            };
            text.insert_str(0, prefix);
        }
        if verb == 'O' {
            text.insert_str(0, "0o");
        }
        if negative {
            text.insert(0, '-');
        } else if flags.plus {
            text.insert(0, '+');
        } else if flags.space {
            text.insert(0, ' ');
        }
        let zero = std::mem::replace(&mut self.flags.zero, false);
        self.pad(&text);
        self.flags.zero = zero;
    }

    fn unicode(&mut self, code: u64) {
        let digits = self.flags.precision.filter(|&it| it > 4).unwrap_or(4).min(MAX_WIDTH);
        let mut text = format!("U+{code:0digits$X}");
        if self.flags.sharp
            && let Some(character) = u32::try_from(code).ok().and_then(char::from_u32)
            && unicode::is_print(character)
        {
            text.push_str(&format!(" '{character}'"));
        }
        let zero = std::mem::replace(&mut self.flags.zero, false);
        self.pad(&text);
        self.flags.zero = zero;
    }

    fn float(&mut self, it: f64, verb: char, value: &Value) {
        let text = match verb {
            'v' => float::text(it, 'g', self.flags.precision),
            'g' | 'G' | 'b' | 'x' | 'X' => float::text(it, verb, self.flags.precision),
            'f' | 'F' => float::text(it, 'f', Some(self.flags.precision.unwrap_or(6))),
            'e' | 'E' => float::text(it, verb, Some(self.flags.precision.unwrap_or(6))),
            _ => return self.bad(verb, Some(value)),
        };
        let flags = self.flags;
        let (mut sign, mut number) = match text.strip_prefix('-') {
            Some(number) => ('-', number.to_owned()),
            None => ('+', text),
        };
        if flags.space && sign == '+' && !flags.plus {
            sign = ' ';
        }
        if number == "Inf" || number == "NaN" {
            let zero = std::mem::replace(&mut self.flags.zero, false);
            let shown = sign != '+' || flags.plus;
            self.pad(&if shown { format!("{sign}{number}") } else { number });
            self.flags.zero = zero;
            return;
        }
        if flags.sharp && verb != 'b' {
            number = float::with_point(&number, verb, flags.precision);
        }
        if flags.plus || sign != '+' {
            if flags.zero
                && !flags.minus
                && let Some(width) = flags.width.filter(|&it| it > number.len() + 1)
            {
                self.put_char(sign);
                self.padding(width - number.len() - 1);
                self.put(&number);
                return;
            }
            self.pad(&format!("{sign}{number}"));
            return;
        }
        self.pad(&number);
    }

    fn string(&mut self, bytes: &[u8], verb: char, value: &Value) {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(bytes),
            'v' | 's' => self.format_string(bytes),
            'x' => self.hex(bytes, false),
            'X' => self.hex(bytes, true),
            'q' => self.quoted(bytes),
            _ => self.bad(verb, Some(value)),
        }
    }

    /// What a value's own method gave.
    fn text(&mut self, bytes: &[u8], verb: char) {
        match verb {
            'x' => self.hex(bytes, false),
            'X' => self.hex(bytes, true),
            'q' => self.quoted(bytes),
            _ => self.format_string(bytes),
        }
    }

    fn format_string(&mut self, bytes: &[u8]) {
        let cut = self.cut(bytes);
        self.pad_bytes(cut);
    }

    /// As many characters as the precision allows.
    fn cut<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(precision) = self.flags.precision else { return bytes };
        let mut at = 0;
        for _ in 0..precision {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return bytes;
            }
            at += unicode::decode(rest).1;
        }
        bytes.get(..at).unwrap_or(bytes)
    }

    fn quoted(&mut self, bytes: &[u8]) {
        let cut = self.cut(bytes);
        let quoted = if self.flags.sharp && can_backquote(cut) {
            let mut quoted = b"`".to_vec();
            quoted.extend_from_slice(cut);
            quoted.push(b'`');
            quoted
        } else {
            literal::quote(cut, '"', self.flags.plus).into_bytes()
        };
        self.pad_bytes(&quoted);
    }

    fn hex(&mut self, bytes: &[u8], upper: bool) {
        let flags = self.flags;
        let bytes = bytes.get(..flags.precision.unwrap_or(bytes.len()).min(bytes.len())).unwrap_or(bytes);
        if bytes.is_empty() {
            return self.padding(flags.width.unwrap_or(0));
        }
        let prefix = match (flags.sharp, upper) {
            (false, _) => "",
            (true, false) => "0x",
            (true, true) => "0X",
        };
        let mut text = prefix.to_owned();
        for (index, byte) in bytes.iter().enumerate() {
            if flags.space && index > 0 {
                text.push(' ');
                text.push_str(prefix);
            }
            text.push_str(&if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
        }
        self.pad(&text);
    }

    fn pad(&mut self, text: &str) {
        self.pad_bytes(text.as_bytes());
    }

    fn pad_bytes(&mut self, bytes: &[u8]) {
        let width = self.flags.width.unwrap_or(0);
        let missing = if width == 0 { 0 } else { width.saturating_sub(count(bytes)) };
        if !self.flags.minus {
            self.padding(missing);
        }
        self.out.extend_from_slice(bytes);
        if self.flags.minus {
            self.padding(missing);
        }
        if self.out.len() > self.budget {
            self.exhausted = true;
        }
    }

    fn padding(&mut self, count: usize) {
        if self.out.len().saturating_add(count) > self.budget {
            self.exhausted = true;
            return;
        }
        let with = if self.flags.zero && !self.flags.minus { b'0' } else { b' ' };
        self.out.resize(self.out.len() + count, with);
    }
}

/// Digits as a number, and where they end. One too large ends the format: it can only be a mistake.
fn digits(format: &[u8], mut at: usize, end: usize) -> (Option<usize>, usize) {
    let mut number: Option<usize> = None;
    while at < end
        && let Some(digit) = format.get(at).filter(|it| it.is_ascii_digit())
    {
        if number.unwrap_or(0) > MAX_WIDTH {
            return (None, end);
        }
        number = Some(number.unwrap_or(0) * 10 + usize::from(digit - b'0'));
        at += 1;
    }
    (number, at)
}

/// The integer that `*` takes, and the next argument's number.
fn integer_argument(arguments: &[Value], number: usize) -> (Option<i64>, usize) {
    let Some(argument) = arguments.get(number) else { return (None, number) };
    let integer = match view(argument) {
        View::Int(it, _) => Some(it),
        View::Uint(it, _) => i64::try_from(it).ok(),
        _ => None,
    };
    let fits = |it: &i64| usize::try_from(it.unsigned_abs()).is_ok_and(|it| it <= MAX_WIDTH);
    (integer.filter(fits), number + 1)
}

fn character(magnitude: u64, negative: bool) -> char {
    let code = if negative { None } else { u32::try_from(magnitude).ok() };
    code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// How many characters, a wrong byte counting as one.
fn count(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while !bytes.is_empty() {
        bytes = bytes.get(unicode::decode(bytes).1..).unwrap_or_default();
        count += 1;
    }
    count
}

fn can_backquote(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        text.chars().all(|it| it == '\t' || it >= ' ' && it != '`' && it != '\x7f' && it != '\u{feff}')
    })
}
