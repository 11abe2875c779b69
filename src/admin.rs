//! What operators and the kubelet ask over HTTP: metrics, what waits for a release, readiness, liveness.

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

/// An address that cannot be served on.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address cannot be listened on.
    #[error("{key} {address:?} cannot be listened on: {source}")]
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

/// Serves readiness (both own kinds were listed: this replica can take over) and liveness until `shutdown`.
pub async fn health(
    config: HealthConfig,
    ready: watch::Receiver<bool>,
    shutdown: CancellationToken,
) -> Result<(), AdminError> {
    let readiness = move || {
        let is_ready = *ready.borrow();
        async move {
            if is_ready {
                (StatusCode::OK, "ok\n")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "the management cluster's objects are not listed yet\n")
            }
        }
    };
    let router = Router::new()
        .route(&path(&config.readiness_endpoint_name), get(readiness))
        .route(&path(&config.liveness_endpoint_name), get(|| async { "ok\n" }));
    serve("health.healthProbeBindAddress", config.bind_address, router, shutdown).await
}

fn path(name: &str) -> String {
    format!("/{}", name.trim_start_matches('/'))
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
    // Go's ":8080" is every address.
    let full = if address.starts_with(':') { format!("[::]{address}") } else { address.clone() };
    let listener = match TcpListener::bind(&full).await {
        // A machine without IPv6.
        Err(_) if address.starts_with(':') => TcpListener::bind(format!("0.0.0.0{address}")).await,
        bound => bound,
    };
    let listener = listener.map_err(|source| AdminError::Listen { key, address: address.clone(), source })?;
    let bound: Option<SocketAddr> = listener.local_addr().ok();
    info!(key, address = bound.map(|bound| bound.to_string()), "listening");
    let served = axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await;
    served.map_err(|source| AdminError::Serve { key, source })
}
