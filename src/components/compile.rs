//! From bytes to native code. The controller compiles in a child process of the same program, whose memory and time are
//! limited, and never loads code that did not come from there in this run.
#![allow(unsafe_code, reason = "native code is loaded, which wasmtime can only take on trust: see `Native`")]

use wasmtime::Engine;
use wasmtime::component::Component;

use super::{ComponentError, inspect, limits};

/// Native code that this process, or a child of it, compiled in this run. Only this module makes one.
#[derive(Clone)]
pub struct Native(Vec<u8>);

impl std::fmt::Debug for Native {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Native({} bytes)", self.0.len())
    }
}

impl Native {
    pub(super) fn load(&self, engine: &Engine) -> Result<Component, ComponentError> {
        // SAFETY: the bytes are what `Engine::precompile_component` gave, here or in a child that runs this same program,
        // which handed them over by a pipe that nobody else holds; nothing of it was ever in a file.
        let component = unsafe { Component::deserialize(engine, &self.0) };
        component.map_err(|error| ComponentError::NotLoaded(format!("{error:#}")))
    }
}

/// Checks and compiles in this process, without limits: for commands, whose user can end them, and for the child.
pub fn here(bytes: &[u8]) -> Result<Native, ComponentError> {
    inspect(bytes)?.check()?;
    let failed = |error: wasmtime::Error| ComponentError::NotCompiled(format!("{error:#}"));
    // How instances are allocated says nothing in the code, so no pool has to be made for this.
    let engine = Engine::new(&limits::config()).map_err(failed)?;
    // What the parser let pass and the compiler does not is not valid either.
    engine
        .precompile_component(bytes)
        .map(Native)
        .map_err(|error| ComponentError::Invalid(format!("{error:#}")))
}
