//! What operators and the kubelet ask over HTTP: metrics, what waits for a release, explanations, readiness, liveness.

use std::fmt::Display;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use registrar_core::config::{Config, HealthConfig};
use registrar_core::desired::PodKey;
use registrar_core::entry::ClusterTag;
use registrar_core::explain::{self, Explanation, Near, NotKnown, PodName};
use registrar_core::held;
use registrar_core::index::{Index, Proposal, Settings};
use registrar_core::ledger::difference::{Difference, Weighing};
use registrar_core::ledger::{Ledger, Outcome};
use registrar_core::names::{ClusterName, PodUid};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::metrics::Metrics;
use crate::page::Page;
use crate::pulse::Pulse;
use crate::questions::Asker;
use crate::spire::Spire;

/// How many bytes of manifests may be asked about at once.
const MOST_ASKED: usize = 64 << 20;
/// How many pods a question looks at: some milliseconds of work.
const PODS_AT_ONCE: usize = 2000;

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

/// Who is asked, and for what, at `admin.bindAddress`.
#[derive(Debug, Clone)]
pub struct Answers {
    /// The task that owns the index.
    pub index: Asker<Index>,
    /// The task that owns the writer's book.
    pub ledger: Asker<Ledger>,
    /// What the writer tells.
    pub outcomes: watch::Receiver<Arc<Outcome>>,
    /// To ask SPIRE for agents.
    pub spire: Spire,
}

impl Answers {
    /// What applying something would do to SPIRE's entries; none while the process ends.
    pub async fn difference(&self, proposal: Proposal, full: bool) -> Option<Difference> {
        // Some pods at a time, so that nothing else waits for long.
        let mut trial = self.index.ask(move |index| index.propose(proposal)).await?;
        while !trial.is_done() {
            let some = move |index: &Index| {
                index.try_some(&mut trial, PODS_AT_ONCE);
                trial
            };
            trial = self.index.ask(some).await?;
        }
        let mut weighing = Weighing::new(trial.what(), full);
        while !weighing.is_done() {
            let some = move |ledger: &Ledger| {
                ledger.weigh_some(&mut weighing, PODS_AT_ONCE);
                weighing
            };
            weighing = self.ledger.ask(some).await?;
        }
        self.ledger.ask(move |ledger| ledger.weighed(weighing, Instant::now())).await
    }
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// The thing is not known.
    #[error(transparent)]
    NotKnown(#[from] NotKnown),
    /// Nobody wants it, as a sentence.
    #[error("{0}")]
    Unwanted(String),
    /// The process ends.
    #[error("the registrar is stopping")]
    Stopping,
}

impl Unanswered {
    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NotKnown(_) | Self::Unwanted(_) => StatusCode::NOT_FOUND,
            Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What may have been meant.
    pub fn near(&self) -> Vec<Near> {
        match self {
            Self::NotKnown(why) => why.near(),
            Self::Unwanted(_) | Self::Stopping => Vec::new(),
        }
    }
}

impl IntoResponse for Unanswered {
    fn into_response(self) -> Response {
        refused(self.status(), &self)
    }
}

impl Answers {
    /// Why a pod has the entries that it has, down to its agents.
    pub async fn explain(&self, asked: PodName) -> Result<Explanation, Unanswered> {
        let explained = self.index.ask(move |index| explain::explain(index, &asked)).await;
        let explanation = explained.ok_or(Unanswered::Stopping)??;
        let (Ok(cluster), Ok(pod)) =
            (ClusterName::new(&explanation.cluster.name), PodUid::new(&explanation.pod.uid))
        else {
            return Ok(explanation);
        };
        let key = PodKey { cluster: ClusterTag::of(&cluster), pod };
        let unavailable = self.outcomes.borrow().unavailable.as_ref().map(|problem| problem.message.clone());
        let book = self.ledger.ask(move |ledger| ledger.book(&key, unavailable, Instant::now())).await;
        let book = book.ok_or(Unanswered::Stopping)?;
        let mut agents = Vec::new();
        for parent in explanation.parents() {
            agents.push(self.spire.agent(parent).await);
        }
        Ok(explanation.complete(book, agents))
    }

    /// The pods that an id leads to, at least one and at most so many. One cluster is asked for after the other, so that a
    /// large fleet's events do not wait for all of it.
    pub async fn origins(&self, id: &str, most: usize) -> Result<Vec<String>, Unanswered> {
        let prefix = self.ledger.ask(|ledger| ledger.prefix().to_owned()).await;
        let prefix = prefix.ok_or(Unanswered::Stopping)?;
        let id = id.to_owned();
        let pods = {
            let id = id.clone();
            self.in_each_cluster(most, move |index, cluster, most| {
                explain::origins_in(index, cluster, &id, &prefix, most)
            })
        };
        let pods = pods.await.ok_or(Unanswered::Stopping)?;
        if !pods.is_empty() {
            return Ok(pods);
        }
        let why = self.ledger.ask(move |ledger| ledger.unwanted(&id)).await;
        Err(why.map_or(Unanswered::Stopping, Unanswered::Unwanted))
    }

    /// The pods whose `NAME` or `NAMESPACE/NAME` begins so, at most so many; none while the process ends.
    pub async fn pods_like(&self, begin: &str, most: usize) -> Option<Vec<String>> {
        let begin = begin.to_owned();
        let like = move |index: &Index, cluster: &ClusterName, most: usize| {
            let names = index.pods_like(cluster, &begin, most);
            names.into_iter().map(|name| format!("{cluster}/{name}")).collect()
        };
        self.in_each_cluster(most, like).await
    }

    async fn in_each_cluster(
        &self,
        most: usize,
        find: impl Fn(&Index, &ClusterName, usize) -> Vec<String> + Clone + Send + 'static,
    ) -> Option<Vec<String>> {
        let clusters = self.index.ask(|index| index.cluster_names().cloned().collect::<Vec<_>>()).await?;
        let mut found = Vec::new();
        for cluster in clusters {
            let (find, left) = (find.clone(), most - found.len());
            found.extend(self.index.ask(move |index| find(index, &cluster, left)).await?);
            if found.len() >= most {
                break;
            }
        }
        Some(found)
    }
}

/// Answers operators' questions until `shutdown`, and serves the page where there is to be one; reads and never writes.
pub async fn answers(
    address: String,
    answers: Answers,
    page: Option<Page>,
    shutdown: CancellationToken,
) -> Result<(), AdminError> {
    let router = Router::new()
        .route("/explain/{cluster}/{namespace}/{pod}", get(explained))
        .route("/held", get(waiting))
        .route("/origins", get(origins))
        .route("/diff", post(difference))
        .layer(DefaultBodyLimit::max(MOST_ASKED))
        .with_state(answers);
    let page = page.map(|page| page.router(shutdown.clone()));
    serve("admin.bindAddress", address, router.merge(page.unwrap_or_default()), shutdown).await
}

/// The refusal of a question.
fn refused(status: StatusCode, why: &dyn Display) -> Response {
    (status, Json(json!({"error": why.to_string()}))).into_response()
}

/// Where an id comes from.
#[derive(Deserialize)]
struct Sought {
    id: String,
}

async fn origins(
    State(answers): State<Answers>,
    Query(Sought { id }): Query<Sought>,
) -> Result<Json<Value>, Unanswered> {
    let pods = answers.origins(&id, usize::MAX).await?;
    Ok(Json(json!({"pods": pods})))
}

/// A question about manifests, as `diff` asks it.
#[derive(Deserialize)]
struct Asked {
    objects: Vec<Value>,
    /// The text of a configuration file.
    config: Option<String>,
    full: bool,
}

async fn difference(State(answers): State<Answers>, Json(asked): Json<Asked>) -> impl IntoResponse {
    let (mut proposal, mut wrong) = Proposal::of(asked.objects);
    match asked.config.as_deref().map(Config::parse) {
        Some(Ok(config)) => proposal.settings = Some(Settings::of(&config)),
        Some(Err(problems)) => wrong.extend(problems.iter().map(ToString::to_string)),
        None => {}
    }
    if !wrong.is_empty() {
        return refused(StatusCode::BAD_REQUEST, &wrong.join("; "));
    }
    match answers.difference(proposal, asked.full).await {
        Some(difference) => Json(difference).into_response(),
        None => Unanswered::Stopping.into_response(),
    }
}

async fn waiting(State(answers): State<Answers>) -> Json<held::Told> {
    Json(held::Told::of(&answers.outcomes.borrow()))
}

async fn explained(
    State(answers): State<Answers>,
    Path((cluster, namespace, name)): Path<(String, String, String)>,
) -> Result<Json<Explanation>, Unanswered> {
    Ok(Json(answers.explain(PodName { cluster, namespace, name }).await?))
}

/// Serves readiness (both own kinds were listed: this replica can take over) and liveness until `shutdown`. Liveness fails
/// for what a restart mends and nothing else: a loop that is stuck. A part that ends takes the process with it.
pub async fn health(
    config: HealthConfig,
    missing: watch::Receiver<Vec<&'static str>>,
    pulses: Vec<Pulse>,
    shutdown: CancellationToken,
) -> Result<(), AdminError> {
    let address = config.bind_address.clone();
    serve("health.healthProbeBindAddress", address, probes(config, missing, pulses), shutdown).await
}

fn probes(config: HealthConfig, missing: watch::Receiver<Vec<&'static str>>, pulses: Vec<Pulse>) -> Router {
    let readiness = move || {
        let missing = missing.borrow().clone();
        let lines = missing.iter().map(|kind| format!("not listed in the management cluster yet: {kind}"));
        answer(lines.collect())
    };
    let liveness = move || {
        let lines = pulses.iter().filter_map(|pulse| pulse.stuck(config.stuck_after));
        answer(lines.collect())
    };
    Router::new()
        .route(&path(&config.readiness_endpoint_name), get(move || ready(readiness())))
        .route(&path(&config.liveness_endpoint_name), get(move || ready(liveness())))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use axum::extract::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_loop_that_is_stuck_fails_liveness_by_its_name_and_nothing_else_does() {
        let (index, writer) = (Pulse::new("index"), Pulse::new("writer"));
        let (missing, missing_in) = watch::channel(vec!["workloadidentities"]);
        let config = HealthConfig {
            bind_address: "0".to_owned(),
            readiness_endpoint_name: "/readyz".to_owned(),
            liveness_endpoint_name: "healthz".to_owned(),
            stuck_after: Duration::ZERO,
        };
        let router = probes(config, missing_in, vec![index, writer.clone()]);
        let ask = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        let well = (200, "ok\n".to_owned());
        assert_eq!(ask("/healthz").await, well);
        let (status, body) = ask("/readyz").await;
        assert_eq!(status, 503);
        assert!(body.contains("workloadidentities"), "{body}");
        missing.send_replace(Vec::new());
        assert_eq!(ask("/readyz").await, well);
        writer.works();
        let (status, body) = ask("/healthz").await;
        assert_eq!(status, 503);
        assert!(body.starts_with("writer: one turn has taken ") && !body.contains("index"), "{body}");
        assert_eq!(ask("/readyz").await, well, "what is stuck may still be read of");
        writer.waits();
        assert_eq!(ask("/healthz").await, well);
    }
}
