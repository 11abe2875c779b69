//! The simulated SPIRE server answers one script of calls as the real one does: the answers were recorded from it.

use registrar_world::spire::{SpireServer, script};

#[tokio::test]
async fn the_simulated_server_answers_as_the_real_one_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let server = SpireServer::start(folder.path().join("spire.sock"), "example.org");
    server.add_bundle("partner.example");
    let answers = script::transcript(server.path()).await;
    let path = std::path::Path::new(crate::ROOT).join("tests/cases/spire/transcript.json");
    let recorded = std::fs::read_to_string(path).unwrap();
    // Not blessed from here: `make test-real` records it from the real server.
    assert!(answers == recorded, "the answers differ from the recorded ones:\n{answers}");
}
