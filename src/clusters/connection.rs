//! One HTTP/2 connection to one cluster's API server, with a token that is always fresh.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper_rustls::{FixedServerNameResolver, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use k8s_openapi::jiff::{Timestamp, fmt::rfc2822};
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use registrar_core::api::ClusterTarget;
use registrar_core::facts::ClusterIdentity;
use registrar_core::rights::Right;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};

use super::failure::Cause;
use crate::causes;
use crate::eks::{Eks, EksError, Endpoint, Token};

/// How long name, TCP, proxy and TLS may take together.
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
/// How long the rest of an answer may take after its head.
const BODY_TIME: Duration = Duration::from_secs(60);
/// What an answer that is read as a whole may have: an object has 1.5 MiB in etcd at most.
const MAX_BODY_BYTES: usize = 16 << 20;
/// A longer wait than this is not taken from an API server.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// A token is good for a quarter of an hour; clocks that differ by more than this explain why one is refused.
const CLOCK_DIFFERENCE: i64 = 4 * 60;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

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
        /// What it says of its cause.
        cause: Cause,
    },
    /// No answer came in time.
    #[error("no answer to {call} within {time:?}")]
    Wait {
        /// What was asked.
        call: String,
        /// How long it was waited for.
        time: Duration,
    },
    /// The answer began and did not come to its end in time.
    #[error("the answer to {call} was not complete within {time:?}")]
    Trickle {
        /// What was asked.
        call: String,
        /// How long it was waited for.
        time: Duration,
    },
    /// The answer is larger than any that is read.
    #[error("the answer to {call} is larger than {} MiB", MAX_BODY_BYTES >> 20)]
    Oversize {
        /// What was asked.
        call: String,
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
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The API server takes no token, and its clock is not ours.
    #[error(
        "the API server takes no token, and this process's clock is {seconds} s {direction} the API server's"
    )]
    Clock {
        /// By how much.
        seconds: u64,
        /// `ahead of` or `behind`.
        direction: &'static str,
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
            Self::Reach { cause, .. } => cause.reason(),
            Self::Wait { .. } => "NoAnswer",
            Self::Trickle { .. } => "AnswerTooSlow",
            Self::Oversize { .. } => "AnswerTooLarge",
            Self::Clock { .. } => "ClockDiffers",
            Self::Refuse { code: 401, .. } => "Unauthorized",
            Self::Refuse { code: 403, .. } => "Forbidden",
            Self::Refuse { code: 429, .. } => "APIServerThrottled",
            Self::Refuse { .. } => "APIServerRefused",
            Self::Read { .. } => "AnswerUnreadable",
        }
    }

    /// Whether the API server no longer knows the version that was asked from.
    pub fn is_expired(&self) -> bool {
        match self {
            Self::Refuse { code: 410, .. } => true,
            // One that was restored from a backup does not know it yet, and never will.
            Self::Refuse { message, .. } => message.contains("Too large resource version"),
            _ => false,
        }
    }

    /// Whether it is this kind of object that the role may not read, and nothing else is wrong.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refuse { code: 403, .. })
    }

    /// Whether the API server does not take the request as it is: what it asks for is not to be had there.
    pub fn is_of_request(&self) -> bool {
        matches!(self, Self::Refuse { code: 400 | 422, .. })
    }

    /// Whether another endpoint or authority than the one that is kept could explain it.
    pub fn is_of_endpoint(&self) -> bool {
        match self {
            Self::Prepare { .. } => true,
            Self::Reach { cause, .. } => cause.is_of_endpoint(),
            _ => false,
        }
    }

    /// How long the API server asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refuse { retry_after, .. } => *retry_after,
            _ => None,
        }
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
        let access = &target.access;
        let address = access.endpoint.as_ref().map_or(endpoint.url.as_str(), |endpoint| endpoint.as_str());
        let unusable = |problem: String| ConnectionError::Prepare { url: address.to_owned(), problem };
        let url: Uri = address.parse().map_err(|error| unusable(format!("{error}")))?;
        let authority = certificates(&endpoint.authority).map_err(unusable)?;
        let mut config = Config::new(url);
        config.root_cert = Some(authority);
        let tls = config.rustls_client_config().map_err(|error| unusable(error.to_string()))?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIME));
        // What was sent and never acknowledged: PING finds silence of the peer, this finds silence of the network.
        tcp.set_tcp_user_timeout(Some(PING_INTERVAL + PING_TIME));
        let tcp: BoxCloneSyncService<Uri, TokioIo<TcpStream>, BoxError> = match &access.proxy {
            None => BoxCloneSyncService::new(tcp.map_err(BoxError::from)),
            Some(proxy) => {
                let proxy = proxy.as_str().parse().map_err(|error| unusable(format!("{error}")))?;
                BoxCloneSyncService::new(Tunnel::new(proxy, tcp).map_err(BoxError::from))
            }
        };
        // Every Kubernetes API server speaks HTTP/2, and only so do all requests share one connection.
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_only();
        let https = match &access.endpoint {
            None => https.enable_http2().wrap_connector(tcp),
            // A private link has a name of its own, and behind it is the same server with the same certificate.
            Some(_) => {
                let name = endpoint.url.parse::<Uri>().ok();
                let name =
                    name.and_then(|url| url.host().map(|host| host.trim_matches(['[', ']']).to_owned()));
                let name = name.and_then(|host| host.try_into().ok());
                let name = name.ok_or_else(|| unusable(format!("{:?} has no host", endpoint.url)))?;
                let resolver = FixedServerNameResolver::new(name);
                https.with_server_name_resolver(resolver).enable_http2().wrap_connector(tcp)
            }
        };
        let connector = tower::service_fn(move |url: Uri| {
            let mut https = https.clone();
            Box::pin(async move {
                let connected = tokio::time::timeout(CONNECT_TIME, async {
                    std::future::poll_fn(|context| https.poll_ready(context)).await?;
                    https.call(url).await
                });
                connected.await.unwrap_or_else(|_| {
                    let problem = format!("no connection with TLS within {CONNECT_TIME:?}");
                    Err(std::io::Error::new(std::io::ErrorKind::TimedOut, problem).into())
                })
            })
        });
        let service: legacy::Client<_, Body> = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .http2_only(true)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIME)
            .http2_keep_alive_while_idle(true)
            .build(connector);
        let service = tower::ServiceBuilder::new().layer(config.base_uri_layer()).service(service);
        Ok(Self { client: Client::new(service, "default"), eks, target, token: Mutex::default() })
    }

    /// Sends a GET and reads the answer as a whole: bounded in size and time.
    pub async fn read(&self, call: &str, path: &str) -> Result<Bytes, ConnectionError> {
        self.read_with_head(call, path).await.map(|(_, body)| body)
    }

    /// The same, with the answer's headers.
    pub async fn read_with_head(
        &self,
        call: &str,
        path: &str,
    ) -> Result<(HeaderMap, Bytes), ConnectionError> {
        let (head, body) = self.get(call, path).await?.into_parts();
        Ok((head.headers, whole(call, body).await?))
    }

    /// Sends a GET; the error is also what the API server says other than 200. `call` names it for people.
    pub async fn get(&self, call: &str, path: &str) -> Result<Response<Body>, ConnectionError> {
        self.exchange(&Question { call, path, review: None }).await
    }

    /// Asks whether whoever the token speaks for may do this to all objects of a resource; nothing is changed by it.
    pub async fn may(&self, right: &Right) -> Result<bool, ConnectionError> {
        #[derive(Deserialize)]
        struct Review {
            status: Status,
        }
        #[derive(Deserialize)]
        struct Status {
            allowed: bool,
        }
        let call = format!("ask whether it may {} {right}", right.verb);
        let review = serde_json::json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"group": right.group, "resource": right.resource, "verb": right.verb}},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let review = Some(Bytes::from(review.to_string()));
        let answer = self.exchange(&Question { call: &call, path, review }).await?;
        let body = whole(&call, answer.into_body()).await?;
        let read: Result<Review, _> = serde_json::from_slice(&body);
        let problem = "it has no status.allowed".to_owned();
        read.map(|review| review.status.allowed).map_err(|_| ConnectionError::Read { call, problem })
    }

    async fn exchange(&self, question: &Question<'_>) -> Result<Response<Body>, ConnectionError> {
        let call = question.call;
        let answer = self.send(question, false).await?;
        // A token may be refused early: roles change, clocks jump. One new one is tried.
        let answer = match answer.status() {
            StatusCode::UNAUTHORIZED => self.send(question, true).await?,
            _ => answer,
        };
        match answer.status() {
            status if status.is_success() => Ok(answer),
            StatusCode::UNAUTHORIZED => match clock_difference(answer.headers(), Timestamp::now()) {
                Some(error) => Err(error),
                None => Err(refusal(call, answer).await),
            },
            _ => Err(refusal(call, answer).await),
        }
    }

    /// Asks which cluster it is that answers here; `arn` is what EKS says.
    pub async fn identity(&self, arn: &str) -> Result<ClusterIdentity, ConnectionError> {
        #[derive(Deserialize)]
        struct Namespace {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        struct Metadata {
            uid: String,
        }
        let call = "get namespace kube-system";
        let body = self.read(call, "/api/v1/namespaces/kube-system").await?;
        let read: Result<Namespace, _> = serde_json::from_slice(&body);
        let problem = "it has no metadata.uid".to_owned();
        let read = read.map_err(|_| ConnectionError::Read { call: call.to_owned(), problem })?;
        Ok(ClusterIdentity { arn: arn.to_owned(), uid: read.metadata.uid })
    }

    async fn send(&self, question: &Question<'_>, refused: bool) -> Result<Response<Body>, ConnectionError> {
        let token = self.token(refused).await?;
        let answer = match self.ask(question, &token).await? {
            // An API server ends a connection after a refusal, or to share its load, and leaves unanswered what is on its
            // way there: what changes nothing may be asked again, on a new connection.
            Err(error) if was_connected(&error) => self.ask(question, &token).await?,
            answer => answer,
        };
        answer.map_err(|error| reach(question.call, &error))
    }

    async fn ask(
        &self,
        question: &Question<'_>,
        token: &Token,
    ) -> Result<Result<Response<Body>, kube::Error>, ConnectionError> {
        let Question { call, path, review } = question;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.secret()))
            .map_err(|error| reach(call, &error))?;
        // Libraries below log the headers that they send, those apart that are marked.
        bearer.set_sensitive(true);
        let request = match review {
            None => Request::get(*path),
            Some(_) => Request::post(*path).header(CONTENT_TYPE, "application/json"),
        };
        let request = request
            .header(AUTHORIZATION, bearer)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .body(review.as_ref().map_or_else(Body::empty, |review| Body::from(review.clone())))
            .map_err(|error| reach(call, &error))?;
        tokio::time::timeout(ANSWER_TIME, self.client.send(request))
            .await
            .map_err(|_| ConnectionError::Wait { call: (*call).to_owned(), time: ANSWER_TIME })
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
        let token = self.eks.token(&self.target, refused).await?;
        *kept = Some((token.clone(), now));
        Ok(token)
    }
}

/// What an API server is asked.
struct Question<'a> {
    /// For people.
    call: &'a str,
    path: &'a str,
    /// The body of a review, which is posted and stored nowhere; none: a GET.
    review: Option<Bytes>,
}

/// An answer's body as a whole.
async fn whole(call: &str, body: Body) -> Result<Bytes, ConnectionError> {
    let body = Limited::new(body, MAX_BODY_BYTES).collect();
    match tokio::time::timeout(BODY_TIME, body).await {
        Err(_) => Err(ConnectionError::Trickle { call: call.to_owned(), time: BODY_TIME }),
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(ConnectionError::Oversize { call: call.to_owned() })
        }
        Ok(Err(error)) => Err(reach(call, &*error)),
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
    ConnectionError::Reach { call: call.to_owned(), problem: causes::told(error), cause: Cause::of(error) }
}

/// By how many seconds this process's clock is ahead: the API server tells its time with each answer.
pub fn clock_ahead(headers: &HeaderMap, now: Timestamp) -> Option<i64> {
    let date = rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(now.as_second() - date.timestamp().as_second())
}

fn clock_difference(headers: &HeaderMap, now: Timestamp) -> Option<ConnectionError> {
    let seconds = clock_ahead(headers, now)?;
    let direction = if seconds > 0 { "ahead of" } else { "behind" };
    let seconds = seconds.unsigned_abs();
    (seconds >= CLOCK_DIFFERENCE.unsigned_abs()).then_some(ConnectionError::Clock { seconds, direction })
}

/// As seconds, which is what API servers send.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

async fn refusal(call: &str, answer: Response<Body>) -> ConnectionError {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    let code = answer.status().as_u16();
    let retry_after = retry_after(answer.headers());
    let body = Limited::new(answer.into_body(), MAX_BODY_BYTES).collect();
    let body = tokio::time::timeout(ANSWER_TIME, body).await;
    let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes()).unwrap_or_default();
    let message = match serde_json::from_slice::<Status>(&body) {
        Ok(status) => status.message,
        Err(_) => String::from_utf8_lossy(body.get(..SHOWN_BYTES).unwrap_or(&body)).into_owned(),
    };
    ConnectionError::Refuse { call: call.to_owned(), code, message, retry_after }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_are_told_and_waits_are_bounded() {
        let mut headers = HeaderMap::new();
        assert!(clock_difference(&headers, Timestamp::now()).is_none());
        headers.insert(DATE, HeaderValue::from_static("Tue, 02 Sep 2025 08:48:28 GMT"));
        let date: Timestamp = "2025-09-02T08:48:28Z".parse().unwrap();
        let told = |seconds: i64| {
            let now = Timestamp::from_second(date.as_second() + seconds).unwrap();
            clock_difference(&headers, now).map(|error| error.to_string())
        };
        assert_eq!(told(60), None);
        assert!(told(600).unwrap().ends_with("clock is 600 s ahead of the API server's"));
        assert!(told(-600).unwrap().ends_with("clock is 600 s behind the API server's"));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("86400"));
        assert_eq!(retry_after(&headers), Some(LONGEST_WAIT));
    }
}
