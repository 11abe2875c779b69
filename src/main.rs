//! Gives every pod of a fleet of EKS clusters its SPIFFE identity, by keeping SPIRE's registration entries in step.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
