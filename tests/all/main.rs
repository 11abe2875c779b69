//! The integration tests, one binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod access;
mod admission;
mod bench;
mod bench_plugins;
mod bench_writes;
mod browser;
mod chaos;
mod crds;
mod deploy;
mod doctor;
mod events;
mod explain;
mod faults;
mod fleet;
mod holds;
mod line;
mod migrate;
mod operators;
mod page;
mod plugin_commands;
mod plugins;
mod render;
mod replicas;
mod rollout;
mod rules;
mod secrets;
mod spire_rules;
mod template;
mod token;
mod writer;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_spire-eks-workload-registrar");

/// The repository's folder.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Compares a text with a committed file; with BLESS set, writes the file instead.
fn golden(path: &str, actual: &str) {
    let path = std::path::Path::new(ROOT).join(path);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == actual, "{} differs; `make bless` rewrites it. Now it is:\n{actual}", path.display());
}
