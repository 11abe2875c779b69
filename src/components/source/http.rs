//! Fetches over HTTPS from where it is allowed to: never from addresses that belong to the machine or its network's own
//! services, whatever a name resolves to and wherever an answer points.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, HeaderName, LOCATION};
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use tower::Service;

/// How often an answer may point elsewhere.
const REDIRECTS: usize = 3;
/// How long one exchange may take, the body included.
const TIME: Duration = Duration::from_secs(60);

/// A client that goes only where it may.
#[derive(Clone)]
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Empty<Bytes>>,
    listed: Arc<BTreeSet<String>>,
}

/// An answer whose body has been read.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Http {
    /// A client; the addresses that the configuration lists may be this machine's, and spoken to without TLS there.
    pub(super) fn new(listed: BTreeSet<String>) -> io::Result<Self> {
        let listed = Arc::new(listed);
        let mut tcp = HttpConnector::new_with_resolver(Resolver(listed.clone()));
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(Duration::from_secs(10)));
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let https = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider)?;
        let https = https.https_or_http().enable_http1().enable_http2().wrap_connector(tcp);
        Ok(Self { client: Client::builder(TokioExecutor::new()).build(https), listed })
    }

    /// Whether a host is spoken to without TLS: it is this machine, and listed.
    pub(super) fn is_plain(&self, authority: &str) -> bool {
        let host = host_of(authority);
        let is_here =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        is_here && self.listed.contains(host)
    }

    /// One GET, at most so many bytes of whose answer are read; where the answer points elsewhere, that is followed,
    /// without the headers that were meant for the first host.
    pub(super) async fn get(
        &self,
        url: &str,
        headers: &[(HeaderName, String)],
        max: u64,
    ) -> Result<Answer, String> {
        let got = tokio::time::timeout(TIME, self.follow(url, headers, max)).await;
        got.unwrap_or_else(|_| Err(format!("{url}: no answer within {TIME:?}")))
    }

    async fn follow(&self, url: &str, headers: &[(HeaderName, String)], max: u64) -> Result<Answer, String> {
        let mut uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let mut headers = headers.to_vec();
        for _ in 0..=REDIRECTS {
            let answer = self.once(&uri, &headers, max).await.map_err(|error| format!("{uri}: {error}"))?;
            let Some(to) = answer.headers.get(LOCATION).filter(|_| answer.status.is_redirection()) else {
                return Ok(answer);
            };
            let to = to.to_str().ok().and_then(|to| absolute(&uri, to));
            let next = to.ok_or_else(|| format!("{uri}: it points to no address"))?;
            if next.authority() != uri.authority() {
                headers.retain(|(name, _)| name != AUTHORIZATION);
            }
            uri = next;
        }
        Err(format!("{url}: it points elsewhere more than {REDIRECTS} times"))
    }

    async fn once(&self, uri: &Uri, headers: &[(HeaderName, String)], max: u64) -> Result<Answer, String> {
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        if uri.scheme_str() != Some("https")
            && !(uri.scheme_str() == Some("http") && self.is_plain(authority))
        {
            return Err("must begin with https://".to_owned());
        }
        // The connector asks no resolver for what is an address already.
        if let Ok(address) = host_of(authority).parse::<IpAddr>()
            && is_own(address)
            && !self.listed.contains(host_of(authority))
        {
            return Err(refused(address));
        }
        let mut request = Request::get(uri.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await.map_err(|error| crate::causes::told(&error))?;
        let (parts, body) = answer.into_parts();
        let most = usize::try_from(max).unwrap_or(usize::MAX);
        let body = Limited::new(body, most).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                format!("has more than {max} bytes (plugins.maxSize)")
            } else {
                error.to_string()
            }
        })?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }
}

/// A `Location`, which may be relative to where it was said.
fn absolute(from: &Uri, to: &str) -> Option<Uri> {
    let to: Uri = to.parse().ok()?;
    if to.authority().is_some() {
        return Some(to);
    }
    let mut parts = from.clone().into_parts();
    parts.path_and_query = to.into_parts().path_and_query;
    Uri::from_parts(parts).ok()
}

/// The host of `host:port`.
pub(super) fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

fn refused(address: IpAddr) -> String {
    format!(
        "{address} is an address of the machine itself or of its network's own services, which plugins.allowedSources would \
         have to name as the host"
    )
}

/// Addresses at which no component is fetched: this machine's, those of its link (instance metadata is there), and what
/// AWS keeps for the same services in IPv6.
fn is_own(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(it) => {
            it.is_loopback()
                || it.is_link_local()
                || it.is_unspecified()
                || it.is_multicast()
                || it.is_broadcast()
        }
        IpAddr::V6(it) => {
            let is_aws = it.segments().starts_with(&[0xfd00, 0x0ec2]);
            it.is_loopback()
                || it.is_unicast_link_local()
                || it.is_unspecified()
                || it.is_multicast()
                || is_aws
        }
    }
}

/// Resolves names, and gives no address at which nothing may be fetched.
#[derive(Clone)]
struct Resolver(Arc<BTreeSet<String>>);

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let is_listed = self.0.contains(name.as_str());
        async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            match found.iter().find(|address| is_own(address.ip())) {
                // All or nothing: a name that leads to both is no honest one.
                Some(address) if !is_listed => Err(io::Error::other(refused(address.ip()))),
                _ => Ok(found.into_iter()),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_machine_and_its_link_are_its_own_however_they_are_written() {
        for own in [
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "::ffff:169.254.170.23",
            "fd00:ec2::254",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            assert!(is_own(own.parse().unwrap()), "{own}");
        }
        for other in ["10.0.0.1", "192.168.1.1", "1.1.1.1", "2001:db8::1", "fd12::1"] {
            assert!(!is_own(other.parse().unwrap()), "{other}");
        }
        assert_eq!((host_of("[::1]:5000"), host_of("a:1"), host_of("a")), ("::1", "a", "a"));
    }

    #[tokio::test]
    async fn nothing_is_fetched_from_this_machine_unless_it_is_listed_and_never_without_tls_from_elsewhere() {
        let http = Http::new(BTreeSet::new()).unwrap();
        for (url, told) in [
            ("https://127.0.0.1:1/a", "127.0.0.1 is an address of the machine itself"),
            ("https://169.254.169.254/latest/meta-data", "169.254.169.254 is an address"),
            ("https://[::ffff:127.0.0.1]/a", "is an address of the machine itself"),
            ("https://localhost:1/a", "is an address of the machine itself"),
            ("http://example.com/a", "must begin with https://"),
            ("file:///etc/passwd", "invalid format"),
            ("ftp://example.com/a", "must begin with https://"),
        ] {
            let error = http.get(url, &[], 10).await.err().unwrap();
            assert!(error.contains(told), "{url}: {error}");
        }
    }
}
