//! One HTTP/2 connection to one cluster's API server, with a token that is always fresh.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use registrar_core::api::ClusterTarget;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::causes;
use crate::eks::{Eks, EksError, Endpoint, Token};

const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long the head of an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(30);
/// A connection on which nothing comes back for both together is dead.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const PING_TIME: Duration = Duration::from_secs(5);
/// What is shown of an answer that is no Kubernetes `Status`.
const SHOWN_BYTES: usize = 200;
/// A token that was refused is renewed at once when it is older than this, so that refusals do not become a storm.
const LEAST_TOKEN_AGE: Duration = Duration::from_secs(10);

/// Why a cluster cannot be watched now.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// AWS gave no way to the cluster.
    #[error(transparent)]
    Aws(#[from] EksError),
    /// The endpoint or its authority, as EKS gave them, cannot be used.
    #[error("the API server's endpoint {url:?} or its certificate authority cannot be used: {problem}")]
    Prepare {
        /// The endpoint.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// No connection, or it broke.
    #[error("cannot {call}: {problem}")]
    Reach {
        /// What was asked, for example `list pods`.
        call: String,
        /// Why not.
        problem: String,
    },
    /// No answer came in time.
    #[error("no answer to {call} within {time:?}")]
    Wait {
        /// What was asked.
        call: String,
        /// How long it was waited for.
        time: Duration,
    },
    /// The API server refused.
    #[error("cannot {call}: the API server says {code}: {message}")]
    Refuse {
        /// What was asked.
        call: String,
        /// The HTTP status.
        code: u16,
        /// The API server's words.
        message: String,
    },
    /// The API server's answer is none that Kubernetes gives.
    #[error("the answer to {call} cannot be read: {problem}")]
    Read {
        /// What was asked.
        call: String,
        /// What is wrong with it; never the answer itself, since pods carry secrets.
        problem: String,
    },
}

impl ConnectionError {
    /// A fixed CamelCase word: the condition's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Aws(error) => error.reason(),
            Self::Prepare { .. } => "EndpointUnusable",
            Self::Reach { .. } => "ConnectionFailed",
            Self::Wait { .. } => "NoAnswer",
            Self::Refuse { code: 401, .. } => "Unauthorized",
            Self::Refuse { code: 403, .. } => "Forbidden",
            Self::Refuse { .. } => "APIServerRefused",
            Self::Read { .. } => "AnswerUnreadable",
        }
    }

    /// Whether the API server no longer knows the version that was asked from.
    pub fn is_expired(&self) -> bool {
        matches!(self, Self::Refuse { code: 410, .. })
    }
}

/// A connection to one cluster. Requests share it; the token is renewed by one of them at a time.
pub struct Connection {
    client: Client,
    eks: Arc<Eks>,
    target: ClusterTarget,
    token: Mutex<Option<(Token, Instant)>>,
}

impl Connection {
    /// Prepares the connection; it is made with the first request.
    pub fn new(eks: Arc<Eks>, target: ClusterTarget, endpoint: &Endpoint) -> Result<Self, ConnectionError> {
        let unusable = |problem: String| ConnectionError::Prepare { url: endpoint.url.clone(), problem };
        let url = endpoint.url.parse().map_err(|error| unusable(format!("{error}")))?;
        let authority = certificates(&endpoint.authority).map_err(unusable)?;
        let mut config = Config::new(url);
        config.root_cert = Some(authority);
        let mut tls = config.rustls_client_config().map_err(|error| unusable(error.to_string()))?;
        // Every Kubernetes API server speaks it, and only so do all requests share one connection.
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIME));
        // What was sent and never acknowledged: PING finds silence of the peer, this finds silence of the network.
        tcp.set_tcp_user_timeout(Some(PING_INTERVAL + PING_TIME));
        let https = hyper_rustls::HttpsConnector::from((tcp, Arc::new(tls)));
        let service: legacy::Client<_, Body> = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .http2_only(true)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIME)
            .http2_keep_alive_while_idle(true)
            .build(https);
        let service = tower::ServiceBuilder::new().layer(config.base_uri_layer()).service(service);
        Ok(Self { client: Client::new(service, "default"), eks, target, token: Mutex::default() })
    }

    /// Sends a GET; the error is also what the API server says other than 200. `call` names it for people.
    pub async fn get(&self, call: &str, path: &str) -> Result<Response<Body>, ConnectionError> {
        let answer = self.send(call, path, false).await?;
        // A token may be refused early: roles change, clocks jump. One new one is tried.
        let answer = match answer.status() {
            StatusCode::UNAUTHORIZED => self.send(call, path, true).await?,
            _ => answer,
        };
        if answer.status().is_success() { Ok(answer) } else { Err(refusal(call, answer).await) }
    }

    async fn send(&self, call: &str, path: &str, refused: bool) -> Result<Response<Body>, ConnectionError> {
        let token = self.token(refused).await?;
        let answer = match self.ask(call, path, &token).await? {
            // An API server ends a connection after a refusal, or to share its load, and leaves unanswered what is on its
            // way there: a GET may be asked again, on a new connection.
            Err(error) if was_connected(&error) => self.ask(call, path, &token).await?,
            answer => answer,
        };
        answer.map_err(|error| reach(call, &error))
    }

    async fn ask(
        &self,
        call: &str,
        path: &str,
        token: &Token,
    ) -> Result<Result<Response<Body>, kube::Error>, ConnectionError> {
        let request = Request::get(path)
            .header(AUTHORIZATION, format!("Bearer {}", token.secret()))
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .body(Body::empty())
            .map_err(|error| reach(call, &error))?;
        tokio::time::timeout(ANSWER_TIME, self.client.send(request))
            .await
            .map_err(|_| ConnectionError::Wait { call: call.to_owned(), time: ANSWER_TIME })
    }

    async fn token(&self, refused: bool) -> Result<Token, ConnectionError> {
        // Held over the renewal: whoever comes meanwhile takes the new token.
        let mut kept = self.token.lock().await;
        let now = Instant::now();
        if let Some((token, made)) = kept.as_ref()
            && token.good_until > now
            && !(refused && now.duration_since(*made) >= LEAST_TOKEN_AGE)
        {
            return Ok(token.clone());
        }
        let token = self.eks.token(&self.target).await?;
        *kept = Some((token.clone(), now));
        Ok(token)
    }
}

/// Whether it was on a connection that a request failed, not in making one.
fn was_connected(error: &kube::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<legacy::Error>() {
            return !error.is_connect();
        }
        next = error.source();
    }
    false
}

/// That a request never came to an answer, or the answer not to its end.
pub(super) fn reach(call: &str, error: &(dyn std::error::Error + 'static)) -> ConnectionError {
    ConnectionError::Reach { call: call.to_owned(), problem: causes::told(error) }
}

async fn refusal(call: &str, answer: Response<Body>) -> ConnectionError {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    let code = answer.status().as_u16();
    let body = tokio::time::timeout(ANSWER_TIME, answer.into_body().collect()).await;
    let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
    let message = match serde_json::from_slice::<Status>(&body) {
        Ok(status) => status.message,
        Err(_) => String::from_utf8_lossy(body.get(..SHOWN_BYTES).unwrap_or(&body)).into_owned(),
    };
    ConnectionError::Refuse { call: call.to_owned(), code, message }
}

/// PEM certificates as DER.
fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let each = CertificateDer::pem_slice_iter(pem).map(|certificate| certificate.map(|it| it.to_vec()));
    let certificates: Vec<Vec<u8>> =
        each.collect::<Result<_, _>>().map_err(|error| format!("the certificate authority: {error}"))?;
    if certificates.is_empty() {
        return Err("the certificate authority has no certificate".to_owned());
    }
    Ok(certificates)
}
