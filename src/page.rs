//! The page for operators at `admin.bindAddress`: what the registrar knows, rendered here, read only.

mod fleet;
mod past;
mod pods;
mod view;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::{Stream, StreamExt, stream};
use http::uri::Authority;
use registrar_core::ledger::{Mode, Outcome};
use registrar_core::report::Report;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::admin::Answers;
use crate::leader::Lead;
use crate::metrics::Metrics;
use crate::sync::audit::Records;

pub use past::{Sample, sample};

/// How often an open page is told of changes at most.
const PAUSE: Duration = Duration::from_secs(1);
/// How many rows of a list are shown at once.
const ROWS: usize = 100;

/// On everything that is answered.
const HEADERS: [(HeaderName, &str); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// What the page shows: the latest values that tasks tell, and whom it asks for more.
#[derive(Debug, Clone)]
pub struct Page {
    /// Whoever owns index and book.
    pub answers: Answers,
    /// What is told on the objects.
    pub reports: watch::Receiver<Arc<Report>>,
    /// Until when this replica may write.
    pub leading: watch::Receiver<Option<Lead>>,
    /// The last writes.
    pub records: watch::Receiver<Records>,
    /// The last hour.
    pub samples: watch::Receiver<Arc<[Sample]>>,
    /// For when each cluster was last heard.
    pub metrics: Metrics,
    /// How much of the plan is carried out.
    pub mode: Mode,
    /// The SPIRE server's trust domain.
    pub trust_domain: String,
    /// `admin.bindAddress`.
    pub address: String,
}

impl Page {
    /// Its routes. Streams of changes end with `shutdown`.
    pub fn router(self, shutdown: CancellationToken) -> Router {
        let host = self.address.rsplit_once(':').map_or("", |(host, _)| host).to_owned();
        let watched = Watched {
            reports: self.reports.clone(),
            outcomes: self.answers.outcomes.clone(),
            leading: self.leading.clone(),
            records: self.records.clone(),
            samples: self.samples.clone(),
        };
        let changes = move || {
            let (watched, shutdown) = (watched.clone(), shutdown.clone());
            async move { Sse::new(changes(watched).take_until(shutdown.cancelled_owned())) }
        };
        Router::new()
            .route("/", get(fleet::fleet))
            .route("/clusters/{cluster}", get(fleet::cluster))
            .route("/identities/{identity}", get(fleet::identity))
            .route("/waiting", get(fleet::waiting))
            .route("/search", get(pods::search))
            .route("/pods/{cluster}/{namespace}/{pod}", get(pods::pod))
            .route("/past", get(past::past))
            .route("/writes", get(past::writes))
            .route("/changes", get(changes))
            .route("/page.css", get(|| asset("text/css; charset=utf-8", include_str!("page/page.css"))))
            .route("/page.js", get(|| asset("text/javascript; charset=utf-8", include_str!("page/page.js"))))
            .fallback(fleet::nothing)
            .with_state(self)
            .layer(from_fn_with_state(Arc::from(host), only_for_us))
            .layer(map_response(async |mut response: Response| {
                let headers = response.headers_mut();
                for (name, value) in HEADERS {
                    headers.insert(name, HeaderValue::from_static(value));
                }
                response
            }))
    }
}

async fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind)], text)
}

/// Refuses a request whose browser was led here by a name that is not ours: whoever owns that name could read the answer.
/// An address is no name; and `localhost` is nobody's.
async fn only_for_us(State(host): State<Arc<str>>, request: Request, next: Next) -> Response {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let named = request.uri().authority().map(Authority::as_str).or(named).unwrap_or_default();
    if is_ours(named, &host) {
        return next.run(request).await;
    }
    let told = format!(
        "the page is not served as {named:?}: ask for it at an IP address, localhost or the host of admin.bindAddress\n"
    );
    (StatusCode::MISDIRECTED_REQUEST, told).into_response()
}

fn is_ours(named: &str, own: &str) -> bool {
    let Ok(authority) = named.parse::<Authority>() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || !own.is_empty() && host.eq_ignore_ascii_case(own)
}

/// What an open page is told of when it changes.
#[derive(Clone)]
struct Watched {
    reports: watch::Receiver<Arc<Report>>,
    outcomes: watch::Receiver<Arc<Outcome>>,
    leading: watch::Receiver<Option<Lead>>,
    records: watch::Receiver<Records>,
    samples: watch::Receiver<Arc<[Sample]>>,
}

impl Watched {
    /// From now on, only what comes is a change.
    fn mark_unchanged(&mut self) {
        self.reports.mark_unchanged();
        self.outcomes.mark_unchanged();
        self.records.mark_unchanged();
        self.samples.mark_unchanged();
    }

    /// Waits until something is another than when it was last marked; none once nobody tells anything any more.
    async fn changed(&mut self) -> Option<()> {
        let Self { reports, outcomes, leading, records, samples } = self;
        let led = leading.borrow().is_some();
        let changed = tokio::select! {
            changed = reports.changed() => changed.is_ok(),
            changed = outcomes.changed() => changed.is_ok(),
            changed = records.changed() => changed.is_ok(),
            changed = samples.changed() => changed.is_ok(),
            // Whoever leads says again and again that it does.
            changed = leading.wait_for(|lead| lead.is_some() != led) => changed.is_ok(),
        };
        changed.then_some(())
    }
}

/// An event at once, because something may have changed since the page was rendered, and one after each change.
fn changes(watched: Watched) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((watched, true), async |(mut watched, is_first)| {
        if !is_first {
            tokio::time::sleep(PAUSE).await;
            watched.changed().await?;
        }
        watched.mark_unchanged();
        Some((Ok(Event::default().event("changed").data("now")), (watched, false)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_nobody_else_has_are_ours() {
        for named in
            ["127.0.0.1:8083", "[::1]:8083", "localhost:9", "LocalHost", "10.1.2.3", "ours.example:1"]
        {
            assert!(is_ours(named, "ours.example"), "{named}");
        }
        for named in ["", "evil.example", "127.0.0.1.evil.example:8083", "localhost.evil.example", "a@b@c"] {
            assert!(!is_ours(named, "ours.example"), "{named}");
        }
        assert!(!is_ours("", "") && !is_ours(":8083", ""));
    }
}
