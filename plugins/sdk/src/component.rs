//! A [`Plugin`] behind the interface's own types.

use std::marker::PhantomData;

use crate::bindings::exports::spire_eks_workload_registrar::plugin::identity::{self as raw, Guest};
use crate::{Failure, Plugin, Problem, Workload};

/// What [`export!`](crate::export) exports.
pub struct Component<P>(PhantomData<P>);

impl<P: Plugin> Guest for Component<P> {
    fn describe() -> raw::Description {
        raw::Description { name: P::NAME.to_owned(), version: P::VERSION.to_owned(), reads: P::reads() }
    }

    fn validate(config: String) -> Result<(), Vec<Problem>> {
        let problems = match parse::<P>(&config) {
            Ok(config) => P::check(&config),
            Err(problem) => vec![problem],
        };
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn derive(workload: Workload, config: String) -> Result<raw::Decision, Failure> {
        let config = parse::<P>(&config).map_err(|problem| Failure::new(located(&problem)))?;
        P::derive(&workload, &config).map(raw::Decision::from)
    }
}

/// A problem of the configuration as one line.
pub(crate) fn located(problem: &Problem) -> String {
    let dot = if problem.field.is_empty() { "" } else { "." };
    format!("config{dot}{}: {}", problem.field, problem.message)
}

pub(crate) fn parse<P: Plugin>(config: &str) -> Result<P::Config, Problem> {
    let mut reader = serde_json::Deserializer::from_str(config);
    let parsed = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        // What the crate calls the whole.
        let field = if path == "." { String::new() } else { path };
        Problem::new(field, error.inner().to_string())
    })?;
    reader.end().map_err(|error| Problem::new("", error.to_string()))?;
    Ok(parsed)
}
