//! What operators and the kubelet ask over HTTP: metrics, what waits for a release, readiness, liveness.

use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use registrar_core::config::HealthConfig;
use registrar_core::held;
use registrar_core::ledger::Outcome;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::metrics::Metrics;
use crate::pulse::Pulse;

/// An address that cannot be served on.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address cannot be listened on.
    #[error("{key} {address:?} cannot be listened on: {source}. Choose another; \"0\" is none at all")]
    Listen {
        /// The configuration's key.
        key: &'static str,
        /// The configured address.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The server failed.
    #[error("serving {key} failed: {source}")]
    Serve {
        /// The configuration's key.
        key: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Serves metrics, and what waits for somebody's release, until `shutdown`.
pub async fn metrics(
    address: String,
    metrics: Metrics,
    outcomes: watch::Receiver<Arc<Outcome>>,
    shutdown: CancellationToken,
) -> Result<(), AdminError> {
    let show = move || {
        let metrics = metrics.clone();
        async move {
            match metrics.text() {
                Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
                Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
            }
        }
    };
    let held = move || {
        let outcome = outcomes.borrow().clone();
        async move { Json(held::Told::of(&outcome)) }
    };
    let router = Router::new().route("/metrics", get(show)).route("/held", get(held));
    serve("metrics.bindAddress", address, router, shutdown).await
}

/// Serves readiness (both own kinds were listed: this replica can take over) and liveness until `shutdown`. Liveness fails
/// for what a restart mends and nothing else: a loop that is stuck. A part that ends takes the process with it.
pub async fn health(
    config: HealthConfig,
    missing: watch::Receiver<Vec<&'static str>>,
    pulses: Vec<Pulse>,
    shutdown: CancellationToken,
) -> Result<(), AdminError> {
    let readiness = move || {
        let missing = missing.borrow().clone();
        let lines = missing.iter().map(|kind| format!("not listed in the management cluster yet: {kind}"));
        answer(lines.collect())
    };
    let liveness = move || {
        let lines = pulses.iter().filter_map(|pulse| pulse.stuck(config.stuck_after));
        answer(lines.collect())
    };
    let router = Router::new()
        .route(&path(&config.readiness_endpoint_name), get(move || ready(readiness())))
        .route(&path(&config.liveness_endpoint_name), get(move || ready(liveness())));
    serve("health.healthProbeBindAddress", config.bind_address, router, shutdown).await
}

/// What is in the way, a line each.
fn answer(problems: Vec<String>) -> (StatusCode, String) {
    match problems.is_empty() {
        true => (StatusCode::OK, "ok\n".to_owned()),
        false => (StatusCode::SERVICE_UNAVAILABLE, problems.join("\n") + "\n"),
    }
}

fn path(name: &str) -> String {
    format!("/{}", name.trim_start_matches('/'))
}

/// Listens on `host:port`; Go's `:8080` is every address.
pub async fn bind(address: &str) -> io::Result<TcpListener> {
    if !address.starts_with(':') {
        return TcpListener::bind(address).await;
    }
    match TcpListener::bind(format!("[::]{address}")).await {
        // A machine without IPv6.
        Err(_) => TcpListener::bind(format!("0.0.0.0{address}")).await,
        bound => bound,
    }
}

async fn serve(
    key: &'static str,
    address: String,
    router: Router,
    shutdown: CancellationToken,
) -> Result<(), AdminError> {
    if address == "0" {
        shutdown.cancelled().await;
        return Ok(());
    }
    let listener = bind(&address).await;
    let listener = listener.map_err(|source| AdminError::Listen { key, address: address.clone(), source })?;
    let bound: Option<SocketAddr> = listener.local_addr().ok();
    info!(key, address = bound.map(|bound| bound.to_string()), "listening");
    let served = axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await;
    served.map_err(|source| AdminError::Serve { key, source })
}
