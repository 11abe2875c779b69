//! Components made for tests: core modules in text, well-behaved or hostile, with the plugin's interface around them.

use std::fmt::Write as _;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where each field of `derive`'s arguments begins; a list or text is an address and a length.
pub mod argument {
    /// `workload.namespace`.
    pub const NAMESPACE: u32 = 16;
    /// `workload.pod-name`.
    pub const POD_NAME: u32 = 24;
    /// `workload.service-account`.
    pub const SERVICE_ACCOUNT: u32 = 64;
    /// `config`.
    pub const CONFIG: u32 = 152;
}

/// Where data of the components begins; results are written below it.
const DATA: u32 = 0x1000;
/// Where what the host hands over begins.
const HEAP: u32 = 0x8_0000;
/// Where results are written.
const RESULT: u32 = 0x100;

/// One identity as raw bytes, so that it can be what no language would make.
#[derive(Debug, Clone, Default)]
pub struct RawIdentity {
    /// The id; a path unless it begins with `spiffe://`.
    pub id: Vec<u8>,
    /// Types and values.
    pub selectors: Vec<(Vec<u8>, Vec<u8>)>,
    /// DNS names.
    pub dns_names: Vec<Vec<u8>>,
}

impl RawIdentity {
    /// Only an id.
    pub fn new(id: impl AsRef<[u8]>) -> Self {
        Self { id: id.as_ref().to_vec(), ..Self::default() }
    }
}

/// A component to be made. Its functions are bodies in WebAssembly text: `describe` and `derive` give the address of their
/// result, `derive`'s `$arguments` is that of its arguments, and `$result` is free to be written to.
#[derive(Debug, Clone)]
pub struct Guest {
    fields: String,
    data: Vec<u8>,
    describe: String,
    validate: String,
    derive: String,
    pages: u32,
}

/// Facts by their bit, as the interface orders them.
pub mod reads {
    /// `namespace`.
    pub const NAMESPACE: u16 = 1;
    /// `pod-name`.
    pub const POD_NAME: u16 = 1 << 1;
    /// `pod-labels`.
    pub const POD_LABELS: u16 = 1 << 3;
    /// `service-account`.
    pub const SERVICE_ACCOUNT: u16 = 1 << 6;
}

impl Guest {
    /// One that skips every workload.
    pub fn new(name: &str, reads: u16) -> Self {
        let mut guest = Self {
            fields: String::new(),
            data: Vec::new(),
            describe: String::new(),
            validate: format!("(i32.const {RESULT})"),
            derive: String::new(),
            pages: 16,
        };
        let at = guest.put(name.as_bytes());
        let version = guest.put(b"1.0.0");
        let mut bytes = Vec::new();
        words(&mut bytes, &[at, name.len() as u32, version, 5, u32::from(reads)]);
        guest.describe = format!("(i32.const {})", guest.put(&bytes));
        guest.derive = guest.skip_with(b"nothing to say");
        guest
    }

    /// It gives every workload these identities.
    pub fn identities(mut self, identities: &[RawIdentity]) -> Self {
        let list = self.put_identities(identities);
        self.derive = self.decision(0, list, identities.len() as u32);
        self
    }

    /// It gives every workload so many times the same identity.
    pub fn many(mut self, identity: &RawIdentity, times: u32) -> Self {
        let one = self.put_identities(std::slice::from_ref(identity));
        // Copies of the record, made at run time: as data they would make the file as large.
        let list = 0x10_0000;
        self.pages = 16 + times * 52 / 65_536 + 1;
        let result = self.decision(0, list, times);
        self.derive = format!(
            "(local $i i32)
             (loop $next
               (memory.copy (i32.add (i32.const {list}) (i32.mul (local.get $i) (i32.const 52))) (i32.const {one}) (i32.const 52))
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $next (i32.lt_u (local.get $i) (i32.const {times}))))
             {result}"
        );
        self
    }

    /// It gives a workload one identity whose path is this text, a slash and a text of the arguments, such as
    /// [`argument::SERVICE_ACCOUNT`].
    pub fn path_of(mut self, before: &str, argument: u32) -> Self {
        let start = self.put(before.as_bytes());
        let length = before.len() as u32;
        let at = self.put_identities(&[RawIdentity::new("/")]);
        let result = self.decision(0, at, 1);
        let path = DATA - 0x800;
        self.derive = format!(
            "(memory.copy (i32.const {path}) (i32.const {start}) (i32.const {length}))
             (memory.copy (i32.const {}) (i32.load offset={argument} (local.get $arguments)) (i32.load offset={} (local.get $arguments)))
             (i32.store offset=4 (i32.const {at}) (i32.const {path}))
             (i32.store offset=8 (i32.const {at}) (i32.add (i32.const {length}) (i32.load offset={} (local.get $arguments))))
             {result}",
            path + length, argument + 4, argument + 4,
        );
        self
    }

    /// It denies every workload.
    pub fn deny(mut self, why: impl AsRef<[u8]>) -> Self {
        let at = self.put(why.as_ref());
        self.derive = self.decision(2, at, why.as_ref().len() as u32);
        self
    }

    /// It denies every workload with so many zero bytes of what its memory begins with.
    pub fn deny_zeros(mut self, length: u32) -> Self {
        self.derive = self.decision(2, 0x10_0000, length);
        self
    }

    /// It skips every workload.
    pub fn skip(mut self, why: impl AsRef<[u8]>) -> Self {
        self.derive = self.skip_with(why.as_ref());
        self
    }

    /// It fails for every workload.
    pub fn fail(mut self, why: &str) -> Self {
        let at = self.put(why.as_bytes());
        let mut bytes = Vec::new();
        words(&mut bytes, &[1, at, why.len() as u32]);
        self.derive = format!("(i32.const {})", self.put(&bytes));
        self
    }

    /// It finds this wrong with every configuration.
    pub fn invalid_config(mut self, field: &str, message: &str) -> Self {
        let (field_at, message_at) = (self.put(field.as_bytes()), self.put(message.as_bytes()));
        let mut problem = Vec::new();
        words(&mut problem, &[field_at, field.len() as u32, message_at, message.len() as u32]);
        let list = self.put(&problem);
        let mut bytes = Vec::new();
        words(&mut bytes, &[1, list, 1]);
        self.validate = format!("(i32.const {})", self.put(&bytes));
        self
    }

    /// Its `describe` does this before it returns.
    pub fn before_describe(mut self, code: &str) -> Self {
        self.describe = format!("{code} {}", self.describe);
        self
    }

    /// Its `validate` does this before it returns.
    pub fn before_validate(mut self, code: &str) -> Self {
        self.validate = format!("{code} {}", self.validate);
        self
    }

    /// Its `derive` does this before it returns.
    pub fn before_derive(mut self, code: &str) -> Self {
        self.derive = format!("{code} {}", self.derive);
        self
    }

    /// More fields of the core module: functions, globals, tables, a start function.
    pub fn fields(mut self, fields: &str) -> Self {
        self.fields.push_str(fields);
        self
    }

    /// Memory that it begins with, in pages of 64 KiB.
    pub fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }

    /// The core module in text.
    pub fn text(&self) -> String {
        let mut data = String::new();
        for byte in &self.data {
            write!(data, "\\{byte:02x}").unwrap();
        }
        let interface = "spire-eks-workload-registrar:plugin/identity@0.1.0";
        let Self { fields, describe, validate, derive, pages, .. } = self;
        format!(
            "(module
               (memory (export \"memory\") {pages})
               (data (i32.const {DATA}) \"{data}\")
               (global $free (mut i32) (i32.const {HEAP}))
               {fields}
               (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32)
                 (local $at i32)
                 (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
                 (global.set $free (i32.add (local.get $at) (local.get 3)))
                 (local.get $at))
               (func (export \"{interface}#describe\") (result i32) {describe})
               (func (export \"{interface}#validate\") (param i32 i32) (result i32) {validate})
               (func (export \"{interface}#derive\") (param $arguments i32) (result i32) {derive}))"
        )
    }

    /// The component.
    pub fn component(&self) -> Vec<u8> {
        component(&self.text(), "plugin", None)
    }

    fn skip_with(&mut self, why: &[u8]) -> String {
        let at = self.put(why);
        self.decision(1, at, why.len() as u32)
    }

    /// A decision of this case, whose payload is an address and a length.
    fn decision(&mut self, case: u32, at: u32, length: u32) -> String {
        let mut bytes = Vec::new();
        words(&mut bytes, &[0, case, at, length]);
        format!("(i32.const {})", self.put(&bytes))
    }

    fn put_identities(&mut self, identities: &[RawIdentity]) -> u32 {
        let mut records = Vec::new();
        for identity in identities {
            let id = self.put(&identity.id);
            let case = u32::from(identity.id.starts_with(b"spiffe://"));
            let mut selectors = Vec::new();
            for (kind, value) in &identity.selectors {
                let (kind_at, value_at) = (self.put(kind), self.put(value));
                words(&mut selectors, &[kind_at, kind.len() as u32, value_at, value.len() as u32]);
            }
            let selectors = self.put(&selectors);
            let mut names = Vec::new();
            for name in &identity.dns_names {
                let at = self.put(name);
                words(&mut names, &[at, name.len() as u32]);
            }
            let names = self.put(&names);
            words(&mut records, &[case, id, identity.id.len() as u32, 0, 0, 0]);
            words(&mut records, &[selectors, identity.selectors.len() as u32, names]);
            words(&mut records, &[identity.dns_names.len() as u32, 0, 0, 0]);
        }
        self.put(&records)
    }

    fn put(&mut self, bytes: &[u8]) -> u32 {
        while !self.data.len().is_multiple_of(4) {
            self.data.push(0);
        }
        let at = DATA + self.data.len() as u32;
        self.data.extend(bytes);
        at
    }
}

fn words(bytes: &mut Vec<u8>, words: &[u32]) {
    words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
}

/// A component of a core module in text, for a world of the plugin's package or, beside it, of more text of WIT.
pub fn component(module: &str, world: &str, more: Option<&str>) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let (mut package, _) = resolve.push_dir(&wit).unwrap();
    if let Some(more) = more {
        package = resolve.push_str("more.wit", more).unwrap();
    }
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}
