//! Gives every pod of a fleet of EKS clusters its SPIFFE identity, by keeping SPIRE's registration entries in step.

#![allow(dead_code, reason = "the command that runs the controller comes with the connections to EKS")]

mod admin;
mod cli;
mod leader;
mod management;
mod metrics;
mod registrar;
mod spire;
mod sync;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
