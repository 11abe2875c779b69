//! The script of Entry API calls by which the simulated SPIRE server is held to what the real one answers.

use std::path::Path;
use std::process::Command;

use crate::child::output;
use crate::spire::SpireServer;
use crate::world::{ROOT, World};

pub fn spire_answers_as_its_stand_in_does(world: &World) {
    let port = registrar_world::free_port();
    // One of its own: the script begins with a server that has no entries.
    let server = SpireServer::start(&world.parts, &world.folder, "spire-server-of-exchanges", port, None);
    let actual = world.runtime.block_on(registrar_world::spire::script::transcript(&server.socket));
    let path = Path::new(ROOT).join("tests/cases/spire/transcript.json");
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let file = world.folder.join("transcript.json");
    std::fs::write(&file, actual).unwrap();
    // With BLESS=1 the committed one is rewritten.
    output(Command::new("diff").arg("--unified").arg(path).arg(file));
}
