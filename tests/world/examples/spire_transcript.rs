//! Prints the transcript of the script at the SPIRE server whose socket is the argument.

use std::path::Path;

#[tokio::main]
async fn main() {
    let Some(socket) = std::env::args_os().nth(1) else {
        eprintln!("usage: spire_transcript SOCKET");
        std::process::exit(2);
    };
    print!("{}", registrar_world::spire::script::transcript(Path::new(&socket)).await);
}
