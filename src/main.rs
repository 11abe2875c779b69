//! Gives every pod of a fleet of EKS clusters its SPIFFE identity, by keeping SPIRE's registration entries in step.

mod admin;
mod admission;
mod causes;
mod cli;
mod clusters;
mod components;
mod eks;
mod events;
mod leader;
mod management;
mod metrics;
mod page;
mod pulse;
mod questions;
mod registrar;
mod spire;
mod status;
mod sync;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
