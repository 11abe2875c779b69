//! What the bytes of a component say before any of it is compiled: what kind they are, what it imports, which version of
//! the interface it speaks.

use registrar_core::plugin::Digest;
use wasmparser::{Encoding, Parser, Payload};

use super::ComponentError;

/// The interface's package.
pub(super) const PACKAGE: &str = "spire-eks-workload-registrar:plugin";
/// Every version of the interface that was ever published: components of all of them are accepted, for good.
pub(super) const VERSIONS: [&str; 1] = ["0.1.0"];

/// What a component's bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The digest of the bytes.
    pub digest: Digest,
    /// How many they are.
    pub size: u64,
    /// Names of what it imports; a plugin has none.
    pub imports: Vec<String>,
    /// Names of what it exports.
    pub exports: Vec<String>,
    /// The version of the plugin interface that it speaks, where it speaks one.
    pub version: Option<String>,
}

impl Inspection {
    /// Whether it is a plugin that can be compiled.
    pub fn check(&self) -> Result<(), ComponentError> {
        if !self.imports.is_empty() {
            return Err(ComponentError::Imports(self.imports.join(", ")));
        }
        match &self.version {
            Some(version) if VERSIONS.contains(&version.as_str()) => Ok(()),
            _ => {
                let found = self.exports.join(", ");
                let found = if found.is_empty() { "nothing".to_owned() } else { found };
                Err(ComponentError::NotAPlugin { found })
            }
        }
    }
}

/// Whether the bytes are native code that wasmtime made of a component or module; they are looked at and not loaded.
pub fn is_precompiled(bytes: &[u8]) -> bool {
    wasmtime::Engine::detect_precompiled(bytes).is_some()
}

/// Reads what the bytes are, as far as the outermost component goes; nothing of it is compiled.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, ComponentError> {
    if is_precompiled(bytes) {
        return Err(ComponentError::Precompiled);
    }
    if !bytes.starts_with(b"\0asm".as_slice()) {
        let hint = match bytes {
            [0x1f, 0x8b, ..] => " (it is compressed by gzip)",
            [b'(', ..] => " (it looks like WebAssembly text)",
            _ => "",
        };
        return Err(ComponentError::NotWasm(hint.to_owned()));
    }
    let invalid = |error: wasmparser::BinaryReaderError| ComponentError::Invalid(error.to_string());
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(ComponentError::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            // The outermost one's end is the end of all.
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(invalid)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(invalid)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    let interface = format!("{PACKAGE}/identity@");
    let version = exports.iter().find_map(|name| name.strip_prefix(&interface)).map(str::to_owned);
    Ok(Inspection { digest: Digest::of(bytes), size: bytes.len() as u64, imports, exports, version })
}
