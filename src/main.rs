//! Gives every pod of a fleet of EKS clusters its SPIFFE identity, by keeping SPIRE's registration entries in step.

mod admin;
mod admission;
mod aside;
mod causes;
mod cli;
mod clusters;
mod components;
mod eks;
mod events;
mod leader;
mod management;
mod metrics;
mod news;
mod page;
mod pulse;
mod questions;
mod registrar;
mod spire;
mod status;
mod sync;

use std::process::ExitCode;

/// Musl's own, which the image would have, takes half as long again for all that the registrar does, and has one lock for all
/// threads; glibc's takes long for what the template engine allocates in each run.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::main()
}
