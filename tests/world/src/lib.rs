//! The simulated outside of the registrar: Kubernetes API servers, a SPIRE server, EKS and STS, on loopback.
//!
//! The program under test runs as a process of its own and is told where all this is by ordinary configuration only.
//! Each part follows the rules of its original as far as clients rely on them, can be told to fail, and lets a test wait
//! for what it expects. [`World`] ties the parts together.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "only tests and the demo use this crate, and what goes wrong in it is to end them with a message"
)]

pub mod aws;
pub mod component;
pub mod kube;
pub mod objects;
mod process;
mod proxy;
pub mod registry;
pub mod secrets;
mod serve;
mod sigv4;
pub mod spire;
mod until;
mod world;

pub use process::{Process, cpu};
pub use proxy::Proxy;
pub use world::{Replica, WorkloadCluster, World, free_port};

/// A random version 4 UUID.
fn random_uuid() -> String {
    let random: u128 = rand::random();
    let hex = format!("{:032x}", (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
