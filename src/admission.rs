//! The admission webhook: what `src/core/admission.rs` says of an object, told to the API server before it is stored.

pub mod certificate;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use kube::core::Status;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview, Operation};
use kube::core::response::StatusSummary;
use kube::core::{DynamicObject, ResourceExt};
use registrar_core::admission::{self, Review};
use registrar_core::api::{EKSClusterRegistry, Problem, WorkloadIdentity, told};
use registrar_core::config::WebhookConfig;
use registrar_core::index::{Proposal, Settings};
use registrar_core::report::Report;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use self::certificate::Certificates;
use crate::admin::{self, Answers};

/// An object of ours with all its managed fields is far below; etcd itself takes 1.5 MiB.
const MAX_BODY: usize = 4 << 20;
/// How long requests that are in flight may take when the process is asked to stop.
const GRACE: Duration = Duration::from_secs(5);

/// How long the question what an object would do may take: `timeoutSeconds` of the webhook (deploy/) is five.
const ASKING_TIME: Duration = Duration::from_secs(3);

/// An address that cannot be served on, or a certificate that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// `webhook.host` is no address.
    #[error("webhook.host {0:?} is no IP address")]
    Host(String),
    /// The address cannot be listened on.
    #[error("webhook.port {port} cannot be listened on: {source}. Choose another, in the Service too")]
    Listen {
        /// The configured port.
        port: u16,
        /// Why not.
        source: std::io::Error,
    },
    /// The server failed.
    #[error("serving the admission webhook failed: {0}")]
    Serve(std::io::Error),
}

/// What requests are answered from.
struct Known {
    settings: Settings,
    /// Has the objects of both kinds as last seen.
    reports: watch::Receiver<Arc<Report>>,
    /// Say what an object would do to SPIRE's entries.
    answers: Answers,
}

/// Serves the webhook from the first moment on which there is a certificate until `shutdown`.
pub async fn run(
    client: kube::Client,
    config: WebhookConfig,
    namespace: String,
    settings: Settings,
    reports: watch::Receiver<Arc<Report>>,
    answers: Answers,
    shutdown: CancellationToken,
) -> Result<(), AdmissionError> {
    let port = config.port;
    let address = match config.host.as_str() {
        "" => format!(":{port}"),
        host => {
            let address: Result<IpAddr, _> = host.parse();
            let address = address.map_err(|_| AdmissionError::Host(host.to_owned()))?;
            SocketAddr::new(address, port).to_string()
        }
    };
    let mut certificates = Certificates::new(client, &config, namespace);
    let first = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        first = certificates.next() => first,
    };
    // Only now: whoever is refused a connection goes on at once, and whoever hangs in a queue does not.
    let listener = admin::bind(&address).await.map_err(|source| AdmissionError::Listen { port, source })?;
    let tls = RustlsConfig::from_config(first);
    let bound = listener.local_addr().ok().map(|bound| bound.to_string());
    info!(key = "webhook.port", address = bound, "listening");
    let known = Arc::new(Known { settings, reports, answers });
    let router = Router::new().route("/validate", post(validate)).with_state(known);
    let router = router.layer(DefaultBodyLimit::max(MAX_BODY));
    let handle: Handle<SocketAddr> = Handle::new();
    let listener = listener.into_std().map_err(AdmissionError::Serve)?;
    let server = axum_server::from_tcp_rustls(listener, tls.clone()).map_err(AdmissionError::Serve)?;
    let served = server.handle(handle.clone()).serve(router.into_make_service());
    let reload = async {
        loop {
            tls.reload_from_config(certificates.next().await);
            info!("the admission webhook has another certificate");
        }
    };
    let stop = async {
        shutdown.cancelled().await;
        handle.graceful_shutdown(Some(GRACE));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        served = served => served.map_err(AdmissionError::Serve),
        () = reload => Ok(()),
        () = stop => Ok(()),
    }
}

async fn validate(
    State(known): State<Arc<Known>>,
    Json(review): Json<AdmissionReview<DynamicObject>>,
) -> Result<Json<AdmissionReview<DynamicObject>>, (StatusCode, String)> {
    let request: AdmissionRequest<DynamicObject> = review
        .try_into()
        .map_err(|_| (StatusCode::BAD_REQUEST, "the AdmissionReview has no request".to_owned()))?;
    let mut response = known.answer(&request);
    // What is refused does nothing, and what is not looked at changes no spec.
    if let Some(object) =
        request.object.as_ref().filter(|object| response.allowed && !is_quiet(&request, object))
        && let Some(summary) = known.consequence(object).await
    {
        response.warnings.get_or_insert_default().push(summary);
    }
    Ok(Json(response.into_review()))
}

/// Whoever is leaving is let go, and what does not change the spec changes nothing that could be wrong: an object from before
/// the webhook can still lose our finalizer.
fn is_quiet(request: &AdmissionRequest<DynamicObject>, object: &DynamicObject) -> bool {
    let spec = |object: &DynamicObject| object.data.get("spec").cloned();
    let before = request.old_object.as_ref().filter(|_| request.operation == Operation::Update);
    object.metadata.deletion_timestamp.is_some() || before.is_some_and(|it| spec(it) == spec(object))
}

impl Known {
    /// What applying the object would do to SPIRE's entries, in a line; none where it would do nothing, or nobody can say
    /// in time.
    async fn consequence(&self, object: &DynamicObject) -> Option<String> {
        let mut object = serde_json::to_value(object).ok()?;
        // The API server gives no status worth looking at, and a managed field is none of ours.
        if let Some(object) = object.as_object_mut() {
            object.remove("status");
        }
        let (proposal, _) = Proposal::of([object]);
        let asked = self.answers.difference(proposal, false);
        let difference = tokio::time::timeout(ASKING_TIME, asked).await.ok()??;
        let says = difference.problems.is_empty() && !difference.total.is_empty();
        says.then(|| format!("{}: `spire-eks-workload-registrar diff` shows which", difference.summary()))
    }

    fn answer(&self, request: &AdmissionRequest<DynamicObject>) -> AdmissionResponse {
        let mut response = AdmissionResponse::from(request);
        let Some(object) = &request.object else { return response };
        if is_quiet(request, object) {
            return response;
        }
        let report = self.reports.borrow().clone();
        let review = match request.kind.kind.as_str() {
            "WorkloadIdentity" => typed(object, |object: &WorkloadIdentity| {
                let others = report.identities.values().map(|it| &*it.object);
                admission::identity(object, others, &self.settings)
            }),
            "EKSClusterRegistry" => typed(object, |object: &EKSClusterRegistry| {
                let others = report.registries.values().map(|it| &*it.object);
                admission::registry(object, others, &self.settings.guardrails)
            }),
            _ => return response,
        };
        let (kind, name) = (&request.kind.kind, object.name_any());
        debug!(kind, name, problems = told(&review.problems), "reviewed an object");
        let warnings: Vec<String> = review.warnings.iter().map(Problem::to_string).collect();
        response.warnings = (!warnings.is_empty()).then_some(warnings);
        if review.problems.is_empty() {
            return response;
        }
        let mut refused = response.deny(told(&review.problems));
        refused.result = Status {
            status: Some(StatusSummary::Failure),
            code: StatusCode::UNPROCESSABLE_ENTITY.as_u16(),
            reason: "Invalid".to_owned(),
            ..refused.result
        };
        refused
    }
}

/// Reviews an object of one kind; one that is not even that is a problem of the whole.
fn typed<K: DeserializeOwned>(object: &DynamicObject, review: impl FnOnce(&K) -> Review) -> Review {
    let typed = serde_json::to_value(object).and_then(serde_json::from_value::<K>);
    match typed {
        Ok(typed) => review(&typed),
        Err(error) => {
            Review { problems: vec![Problem::new("InvalidSpec", "(object)", error)], warnings: Vec::new() }
        }
    }
}
