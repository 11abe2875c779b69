//! The pure part of the registrar.

pub mod api;
pub mod config;
pub mod entry;
pub mod facts;
pub mod names;
pub mod report;
pub mod spiffe;
