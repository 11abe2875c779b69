//! Writes `src/proto/generated/*.rs` from the protos of `github.com/spiffe/spire-api-sdk`.
//!
//! ```text
//! go mod download github.com/spiffe/spire-api-sdk@v1.2.5-0.20260428072036-00f73a61093a
//! cargo run --manifest-path src/proto/generate/Cargo.toml -- <that module>/proto
//! ```
//!
//! The protos are compiled by `protox`, so no `protoc` is needed here either.

use std::error::Error;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let include = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: generate PROTO_FOLDER")?;
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../generated");
    let files = protox::compile(
        ["spire/api/server/entry/v1/entry.proto", "spire/api/server/agent/v1/agent.proto"],
        [&include],
    )?;
    tonic_prost_build::configure()
        .build_server(true)
        .server_mod_attribute(".", "#[cfg(feature = \"server\")]")
        // The client dials a unix socket through an endpoint of its caller's making.
        .build_transport(false)
        // Comments of the protos would be read as Rust documentation, code examples included.
        .disable_comments(["."])
        .out_dir(&out)
        .compile_fds(files)?;
    Ok(())
}
