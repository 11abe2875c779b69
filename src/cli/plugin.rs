//! `plugin`: for people who write plugins. A component runs here as it does in the registrar, and what it returns passes
//! the same checks.

mod case;
mod image;
mod inspect;
mod new;
mod run;
mod test;

use std::path::Path;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use registrar_core::plugin::{DEFAULT_CEILINGS, DEFAULT_LIMITS, Description};
use serde_json::{Value, json};

use super::Usage;
use crate::components::{self, Component, ComponentError, Inspection, Runtime};

/// Exit status: a case differs.
const DIFFERS: u8 = 1;
/// Exit status: the component, or its configuration, cannot be used.
const UNUSABLE: u8 = 3;
/// Exit status: it did not decide, or what it decided is refused.
const FAILED: u8 = 4;

/// Arguments of `plugin`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Begin a plugin in Rust: a project that builds and passes its tests as it is.
    New(new::Arguments),
    /// Tell what a component is: digest, size, version of the interface, what it reads, what it imports.
    Inspect(inspect::Arguments),
    /// Ask a component for one pod's identities, and check them as the registrar would.
    Run(run::Arguments),
    /// Ask a component for each of a folder's cases, and compare the decisions with those that are recorded.
    Test(test::Arguments),
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Exit status: 0 well, 1 a case differs, 2 usage, 3 component or configuration unusable, 4 no decision.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    match &arguments.command {
        Command::New(arguments) => new::run(arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Test(arguments) => test::run(arguments),
    }
}

/// A component that was loaded, and what is known of it.
struct Loaded {
    inspection: Inspection,
    component: Component,
    description: Description,
}

impl Loaded {
    fn json(&self) -> Value {
        json!({
            "name": self.description.name,
            "version": self.description.version,
            "digest": self.inspection.digest.to_string(),
            "reads": self.description.reads.facts().map(|fact| fact.name()).collect::<Vec<_>>(),
        })
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, Usage> {
    std::fs::read(path).map_err(|error| Usage(vec![format!("{}: {error}", path.display())]))
}

/// Checks, compiles and describes; the error is why the registrar would not use it.
fn load(bytes: &[u8]) -> Result<Loaded, String> {
    let told = |error: ComponentError| format!("{}: {error}", error.reason());
    let inspection = components::inspect(bytes).map_err(told)?;
    inspection.check().map_err(told)?;
    let native = components::compile::here(bytes).map_err(told)?;
    let component = Runtime::new(&DEFAULT_CEILINGS, 1).and_then(|it| it.load(&native)).map_err(told)?;
    let described = component.describe(&DEFAULT_LIMITS).outcome;
    let description = described.map_err(|stop| format!("{}: describe {stop}", stop.reason()))?;
    Ok(Loaded { inspection, component, description })
}

/// Tells why a component cannot be used.
fn unusable(place: &str, why: &str) -> ExitCode {
    eprintln!("error: {place}: {why}");
    ExitCode::from(UNUSABLE)
}

fn print_json(value: &Value) -> Result<(), Usage> {
    let text = serde_json::to_string_pretty(value);
    println!("{}", text.map_err(|error| Usage(vec![format!("the answer cannot be written: {error}")]))?);
    Ok(())
}
