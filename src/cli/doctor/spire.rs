//! What the SPIRE server is asked.

use registrar_core::config::Config;
use registrar_core::doctor::{self, Failed};
use tokio::time::Instant;

use super::TIME;
use crate::spire::{Server, Spire, SpireError};

/// Asks the server that the configuration names; whether it is of the configuration's trust domain only where that is known.
pub(super) async fn ask(config: &Config, is_known: bool) -> doctor::Spire {
    let server = Server::of(config);
    let (key, place) = (server.key().to_owned(), server.place().to_owned());
    let svid = server.svid().await.map(|svid| svid.map_err(|error| Failed::new("NoSVID", error)));
    let told = doctor::Spire { key, place, svid, ..doctor::Spire::default() };
    if matches!(told.svid, Some(Err(_))) {
        return told;
    }
    let spire = match Spire::new(&server) {
        Ok(spire) => spire,
        Err(error) => return doctor::Spire { connection: Some(Err(failed(error))), ..told },
    };
    let deadline = Instant::now() + TIME;
    let entries = match spire.count(deadline).await {
        Err(error) if is_of_connection(&error) => {
            return doctor::Spire { connection: Some(Err(failed(error))), ..told };
        }
        answer => answer.map_err(failed),
    };
    let of_trust_domain = async {
        match is_known {
            true => Some(spire.is_of(&config.trust_domain, deadline).await.map_err(failed)),
            false => None,
        }
    };
    let (trust_domain, agents) = tokio::join!(of_trust_domain, spire.count_agents(deadline));
    let agents = Some(agents.map_err(failed));
    doctor::Spire { connection: Some(Ok(())), entries: Some(entries), trust_domain, agents, ..told }
}

/// Whether it was no answer of a server.
fn is_of_connection(error: &SpireError) -> bool {
    matches!(error.code(), "Unavailable" | "DeadlineExceeded" | "Canceled")
        || matches!(error, SpireError::Connect { .. })
}

fn failed(error: SpireError) -> Failed {
    match error {
        SpireError::Connect { problem, next, .. } => Failed {
            reason: "SPIREUnreachable".to_owned(),
            message: format!("no connection: {problem}"),
            next: next.to_owned(),
        },
        SpireError::Refuse { call, code, message } => Failed::new(code, format!("{call}: {code}: {message}")),
        error => Failed::new(error.code(), &error),
    }
}
