//! Go's types as far as templates reach them: names, kinds, fields and methods.

mod table;

/// A kind of `reflect`, sizes left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Interface,
    Bool,
    Int,
    Uint,
    Float,
    Complex,
    String,
    Slice,
    Map,
    Struct,
    Pointer,
}

/// Whether a type prints itself, and whether its values do or only its pointers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stringer {
    No,
    Value,
    Pointer,
}

/// A Go type. Types are compared by `id`, which is their place in the table.
#[derive(Debug)]
pub(super) struct Type {
    pub(super) id: u16,
    /// As `%T` prints it.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What a pointer, slice or map holds.
    pub(super) elem: u16,
    /// A map's keys.
    pub(super) key: u16,
    pub(super) comparable: bool,
    pub(super) stringer: Stringer,
    pub(super) fields: &'static [Field],
    /// Of the type's pointer, which has all of them.
    pub(super) methods: &'static [&'static str],
    /// How the generated `String` method shows the fields; empty where there is none.
    pub(super) show: &'static [Show],
}

/// A field of a struct.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// Empty where the fields of an embedded struct stand in the object itself.
    pub(super) json: &'static str,
    pub(super) ty: u16,
    pub(super) embedded: bool,
}

/// One line of a generated `String` method.
#[derive(Debug)]
pub(super) struct Show {
    pub(super) label: &'static str,
    pub(super) field: &'static str,
    pub(super) how: How,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
}

/// How a generated `String` method shows a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// `%v`.
    Plain,
    /// `*` and the value, or nil.
    Pointer,
    /// By its own `String`, the first `from` replaced by `to`.
    Kept,
    /// The same without its ampersand.
    Nested,
    /// `%v`, the first `from` replaced by `to`.
    Text,
    /// The same without its ampersand.
    TextNested,
    /// Each element by its own `String`; `to` holds what is replaced and by what.
    List,
    /// Each element by `%v`.
    #[allow(dead_code, reason = "no type of this version has one; the next may")]
    ListPlain,
    /// Keys in order.
    Map,
}

macro_rules! known {
    ($($(#[$doc:meta])* $name:ident = $id:literal),* $(,)?) => { $(pub(super) const $name: u16 = $id;)* };
}

// In the order of `fixed` in tests/gotemplate/types.go.
known! {
    ANY = 0, BOOL = 1, INT = 2, INT64 = 3, UINT8 = 4, FLOAT64 = 5, COMPLEX128 = 6, STRING = 7, STRING_MAP = 8,
    ROOT = 9, GO_TIME = 10, TIME = 11, MICRO_TIME = 12, QUANTITY = 13, MONTH = 14, WEEKDAY = 15,
    INT32 = 17, FORMAT = 18, BYTES = 19, UINT64 = 21, DATA = 23,
}

/// From this field on, the fields of `DATA` are not Go's but ours.
pub(super) const ALIASES: usize = 11;

/// The type of a number; `any` where there is none.
pub(super) fn of(id: u16) -> &'static Type {
    table::TYPES.get(usize::from(id)).unwrap_or(&NONE)
}

static NONE: Type = Type {
    id: ANY,
    name: "interface {}",
    kind: Kind::Interface,
    elem: 0,
    key: 0,
    comparable: true,
    stringer: Stringer::No,
    fields: &[],
    methods: &[],
    show: &[],
};

/// The type of a name, for the few places that make one.
pub(super) fn named(name: &str) -> &'static Type {
    table::TYPES.iter().find(|known| known.name == name).unwrap_or(&NONE)
}

impl Type {
    pub(super) fn elem(&self) -> &'static Type {
        of(self.elem)
    }

    /// The struct itself, or what a pointer to one points to.
    pub(super) fn pointee(&'static self) -> &'static Type {
        if self.kind == Kind::Pointer { self.elem() } else { self }
    }

    /// The way to a field, through embedded structs: the shallowest, as in Go.
    pub(super) fn path(&self, name: &str) -> Option<Vec<usize>> {
        let mut level: Vec<(&Type, Vec<usize>)> = vec![(self, Vec::new())];
        while !level.is_empty() {
            let mut deeper = Vec::new();
            let mut found = None;
            for (ty, path) in level {
                for (index, field) in ty.fields.iter().enumerate() {
                    let mut path = path.clone();
                    path.push(index);
                    if field.name == name {
                        match found {
                            // Two of a depth hide each other.
                            Some(_) => return None,
                            None => found = Some(path),
                        }
                    } else if field.embedded && of(field.ty).pointee().kind == Kind::Struct {
                        deeper.push((of(field.ty).pointee(), path));
                    }
                }
            }
            if found.is_some() {
                return found;
            }
            level = deeper;
        }
        None
    }

    pub(super) fn has_method(&self, name: &str) -> bool {
        self.methods.contains(&name)
    }

    /// All names that can follow a dot: fields, promoted ones too, then methods.
    pub(super) fn members(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for field in self.fields {
            names.push(field.name);
            if field.embedded {
                names.extend(of(field.ty).members());
            }
        }
        names.extend(self.methods);
        names
    }
}
