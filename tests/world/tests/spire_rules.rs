//! The simulated SPIRE server says what a real one says: the script's transcript is the one that a real server gave.

use std::path::Path;

use registrar_world::spire::{SpireServer, script};

#[tokio::test]
async fn the_transcript_is_that_of_a_real_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = SpireServer::start(folder.path().join("server.sock"), "example.org");
    server.add_bundle("partner.example");
    let transcript = script::transcript(server.path()).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases/spire/transcript.json");
    let expected = std::fs::read_to_string(&path).unwrap();
    for (number, (ours, theirs)) in transcript.lines().zip(expected.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {} of {}", number + 1, path.display());
    }
    assert_eq!(transcript.lines().count(), expected.lines().count());
}
