//! Plugins run here: bytes are checked, compiled and loaded, and each call has a fresh instance under limits. What a
//! component is handed is all that it knows, and what it returns is all that it does.

mod bindings;
mod check;
pub mod compile;
pub mod host;
mod limits;
pub mod local;
pub mod source;
mod turns;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use check::{Inspection, inspect};
pub use compile::Native;
use limits::{Clock, Confined};
use registrar_core::api::Problem;
use registrar_core::plugin::{Answer, Decision, Description, Limits, Workload};
use serde::{Deserialize, Serialize};
use wasmtime::component::Linker;
use wasmtime::{Engine, Store};

/// Why a component cannot be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ComponentError {
    /// More bytes than the configuration takes.
    #[error("has {size} bytes, at most {limit} are taken (plugins.maxSize)")]
    TooLarge {
        /// How many it has.
        size: u64,
        /// How many it may have.
        limit: u64,
    },
    /// The bytes are no WebAssembly.
    #[error("is no WebAssembly: it does not begin with \\0asm{0}")]
    NotWasm(String),
    /// The bytes are code that was compiled before.
    #[error(
        "is native code that wasmtime compiled before: the registrar compiles components itself, anew in each run, and loads \
         no other code"
    )]
    Precompiled,
    /// The bytes are a core module.
    #[error(
        "is a core module and not a component: make one of it with `wasm-tools component new` (the SDK's build does it)"
    )]
    CoreModule,
    /// The bytes end too early or are not valid.
    #[error("is not a valid component: {0}")]
    Invalid(String),
    /// It imports something.
    #[error(
        "imports {0}, and a plugin imports nothing. Build without it: Rust for wasm32-unknown-unknown, JavaScript with \
         componentize-js and disableFeatures random, stdio, clocks, http, fetch-event, Python with componentize-py --stub-wasi"
    )]
    Imports(String),
    /// It is a component of something else.
    #[error("exports {found}; a plugin exports {}/identity@{}", check::PACKAGE, check::VERSIONS.join(" or "))]
    NotAPlugin {
        /// What it exports.
        found: String,
    },
    /// The compiler gave up, or went beyond its limits.
    #[error("cannot be compiled: {0}")]
    NotCompiled(String),
    /// It needs more than any instance may have.
    #[error("cannot be loaded: {0}")]
    NotLoaded(String),
}

impl ComponentError {
    /// A fixed CamelCase word: the condition's reason and the metric's label.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "PluginTooLarge",
            Self::NotWasm(_) => "PluginNotWasm",
            Self::Precompiled => "PluginPrecompiled",
            Self::CoreModule => "PluginCoreModule",
            Self::Invalid(_) => "PluginInvalid",
            Self::Imports(_) => "PluginImports",
            Self::NotAPlugin { .. } => "PluginWorldUnknown",
            Self::NotCompiled(_) => "PluginNotCompiled",
            Self::NotLoaded(_) => "PluginNotLoaded",
        }
    }

    /// As a problem of the identity's plugin.
    pub fn problem(&self) -> Problem {
        Problem::new(self.reason(), "spec.plugin.source", self)
    }
}

/// Why a call came to no end of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// It used up its instructions: the same call comes to the same end, everywhere.
    #[error("did not end within {0:?} of computing (limits.time)")]
    Fuel(Duration),
    /// It used up its CPU time, which says something of the machine: asked again, it may well end.
    #[error("did not end within {0:?} of CPU time; asked again")]
    Time(Duration),
    /// There was no room for another instance, which says something of the machine as well.
    #[error("found no room for an instance; asked again")]
    Busy,
    /// It wanted more memory.
    #[error("wanted {wanted} bytes of memory, {limit} are allowed (limits.memory)")]
    Memory {
        /// How many it wanted.
        wanted: u64,
        /// How many it may have.
        limit: u64,
    },
    /// It wanted more table elements.
    #[error("wanted {wanted} table elements, {limit} are allowed")]
    Table {
        /// How many it wanted.
        wanted: u64,
        /// How many it may have.
        limit: u64,
    },
    /// It recursed too deeply.
    #[error("ran out of stack: {0} bytes are allowed")]
    Stack(usize),
    /// It returned more than may be returned.
    #[error("returned more than {0} bytes (limits.output)")]
    Output(u64),
    /// What it returned is not of the interface: a text that is no UTF-8, a number that names no case.
    #[error("returned what the interface does not allow: {0}")]
    Malformed(String),
    /// It trapped.
    #[error("trapped: {0}")]
    Trap(String),
}

impl Stop {
    /// A fixed CamelCase word: the condition's reason and the metric's label.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Fuel(_) => "PluginTimeLimit",
            Self::Time(_) | Self::Busy => "PluginSlow",
            Self::Memory { .. } => "PluginMemoryLimit",
            Self::Table { .. } => "PluginTableLimit",
            Self::Stack(_) => "PluginStackLimit",
            Self::Output(_) => "PluginOutputTooLarge",
            Self::Malformed(_) => "PluginOutputInvalid",
            Self::Trap(_) => "PluginTrapped",
        }
    }

    /// As a problem of the identity's plugin, in one of its functions.
    pub fn problem(&self, function: &str) -> Problem {
        Problem::new(self.reason(), "spec.plugin", format!("{function} {self}"))
    }

    /// Whether the same call may come to another end.
    pub fn may_differ(&self) -> bool {
        matches!(self, Self::Time(_) | Self::Busy)
    }
}

/// What one call used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Instructions, as wasmtime counts them.
    pub fuel: u64,
    /// Real time, the fresh instance included.
    pub time: Duration,
    /// Bytes of linear memory at the most.
    pub memory: u64,
}

/// What came of one call, and what it used.
#[derive(Debug, Clone)]
pub struct Called<T> {
    /// What it returned.
    pub outcome: Result<T, Stop>,
    /// What it used.
    pub used: Used,
}

/// Runs components: one engine, one pool of memory, one clock for all of them.
#[derive(Debug, Clone)]
pub struct Runtime {
    engine: Engine,
    clock: Arc<Clock>,
    linker: Arc<LinkerOfNothing>,
}

/// Nothing is linked: whatever a component imports, it does not get.
struct LinkerOfNothing(Linker<Confined>);

impl std::fmt::Debug for LinkerOfNothing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkerOfNothing")
    }
}

impl Runtime {
    /// A runtime for so many calls at a time, none of which may go beyond these ceilings.
    pub fn new(ceilings: &Limits, at_once: u16) -> Result<Self, ComponentError> {
        let engine = limits::engine(ceilings, at_once).map_err(not_loaded)?;
        let clock = Clock::start(&engine).map_err(|error| ComponentError::NotLoaded(error.to_string()))?;
        let linker = Arc::new(LinkerOfNothing(Linker::new(&engine)));
        Ok(Self { engine, clock: Arc::new(clock), linker })
    }

    /// Loads what this process, or a child of it, compiled in this run.
    pub fn load(&self, native: &Native) -> Result<Component, ComponentError> {
        let component = native.load(&self.engine)?;
        let instance = self.linker.0.instantiate_pre(&component).map_err(not_loaded)?;
        let plugin = bindings::PluginPre::new(instance).map_err(not_loaded)?;
        Ok(Component { runtime: self.clone(), plugin })
    }
}

/// A loaded component. Every call runs in an instance of its own.
#[derive(Clone)]
pub struct Component {
    runtime: Runtime,
    plugin: bindings::PluginPre<Confined>,
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Component")
    }
}

impl Component {
    /// What the component is and reads.
    pub fn describe(&self, limits: &Limits) -> Called<Description> {
        self.call(limits, |guest, store| guest.call_describe(store).map(bindings::description))
    }

    /// Checks a configuration, as JSON text; what is wrong with it, each with its field.
    pub fn validate(&self, config: &str, limits: &Limits) -> Called<Vec<Problem>> {
        self.call(limits, |guest, store| {
            let checked = guest.call_validate(store, config)?;
            Ok(checked.err().into_iter().flatten().map(bindings::problem).collect())
        })
    }

    /// Decides over a workload. The error that the component itself returns is an answer.
    pub fn derive(&self, workload: &Workload, config: &str, limits: &Limits) -> Called<Answer> {
        let called = self.call(limits, |guest, store| {
            Ok(match bindings::with_workload(workload, |it| guest.call_derive(store, it, config))? {
                Ok(decision) => Ok(bindings::decision(decision)),
                Err(failure) => Err(bindings::failure(failure)),
            })
        });
        let answer = |returned: Result<Decision, Problem>| {
            returned.and_then(Decision::bounded).map_or_else(Answer::Failed, Answer::Decided)
        };
        Called { outcome: called.outcome.map(answer), used: called.used }
    }

    fn call<T>(
        &self,
        limits: &Limits,
        call: impl FnOnce(&bindings::Guest, &mut Store<Confined>) -> wasmtime::Result<T>,
    ) -> Called<T> {
        let begun = Instant::now();
        let mut store = limits::confine(&self.runtime.engine, limits);
        let _running = self.runtime.clock.run();
        let outcome = self
            .plugin
            .instantiate(&mut store)
            .and_then(|plugin| call(plugin.spire_eks_workload_registrar_plugin_identity(), &mut store));
        let used = limits::used(&store, limits, begun.elapsed());
        Called { outcome: outcome.map_err(|error| limits::stop(&error, limits)), used }
    }
}

fn not_loaded(error: wasmtime::Error) -> ComponentError {
    ComponentError::NotLoaded(format!("{error:#}"))
}

#[cfg(test)]
mod bench;
#[cfg(test)]
mod tests;
