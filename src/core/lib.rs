//! The pure part of the registrar.

pub mod admission;
pub mod adopt;
pub mod api;
pub mod brake;
mod by_pod;
pub mod config;
pub mod derive;
pub mod desired;
pub mod doctor;
pub mod drift;
mod duration;
pub mod entry;
pub mod explain;
pub mod facts;
pub mod guardrails;
pub mod held;
pub mod index;
pub mod ledger;
pub mod migrate;
pub mod mirror;
mod mutants;
pub mod names;
mod near;
pub mod orphans;
mod parallel;
pub mod plan;
pub mod plugin;
pub mod reasons;
pub mod report;
pub mod rights;
pub mod rollout;
mod rows;
pub mod select;
#[cfg(test)]
mod simulation;
pub mod spiffe;
