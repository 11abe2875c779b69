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

/// Instead of musl's own, which takes half as long again for all that the registrar does, and one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
