//! Ways to the SPIRE server: its unix socket, or TCP with mutual TLS as whom SPIRE itself says that we are.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use k8s_openapi::jiff::Timestamp;
use registrar_core::config::Config;
use registrar_core::spiffe::TrustDomain;
use rustls_pki_types::ServerName;
use spiffe::X509Source;
use spiffe_rustls::{LocalOnly, authorizer, mtls_client};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;
use tracing::info;

/// How long the Workload API may take to give the first SVID, and TCP and TLS together to stand.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the SPIRE server's API is.
#[derive(Debug, Clone)]
pub enum Server {
    /// At a unix socket: whoever can open it may do anything.
    Socket {
        /// `spireServerSocketPath`, absolute.
        path: String,
    },
    /// At a TCP address, where an SVID is asked for whose entry says `admin`.
    Address {
        /// `spireServerAddress`: `host:port`.
        address: String,
        /// `workloadAPISocketPath`: where the agent gives us our SVID.
        workload_api: String,
        /// The server has to be `spiffe://<trust domain>/spire/server`.
        trust_domain: TrustDomain,
    },
}

impl Server {
    /// Where a configuration says that it is.
    pub fn of(config: &Config) -> Self {
        match &config.spire_server_address {
            Some(address) => Self::Address {
                address: address.clone(),
                workload_api: config.workload_api_socket_path.clone(),
                trust_domain: config.trust_domain.clone(),
            },
            None => Self::Socket { path: config.spire_server_socket_path.clone() },
        }
    }

    /// The SVID that would be shown: its SPIFFE ID and until when it is valid, for people; none at a socket, where none is.
    pub async fn svid(&self) -> Option<Result<String, String>> {
        match self {
            Self::Socket { .. } => None,
            Self::Address { workload_api, .. } => {
                let source = source(workload_api).await;
                let svid =
                    source.and_then(|source| source.svid().map_err(|error| no_svid(workload_api, &error)));
                let told = svid.map(|svid| {
                    let read = x509_parser::parse_x509_certificate(svid.leaf().as_bytes()).ok();
                    let ends = read.map(|(_, leaf)| leaf.validity().not_after.timestamp());
                    let ends = ends.and_then(|ends| Timestamp::from_second(ends).ok());
                    let ends = ends.map_or_else(String::new, |ends| format!(", valid until {ends}"));
                    format!("{}{ends}", svid.spiffe_id())
                });
                Some(told.map_err(|error| error.to_string()))
            }
        }
    }

    /// The configuration's key that names it.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Socket { .. } => "spireServerSocketPath",
            Self::Address { .. } => "spireServerAddress",
        }
    }

    /// What messages call it.
    pub fn place(&self) -> &str {
        match self {
            Self::Socket { path } => path,
            Self::Address { address, .. } => address,
        }
    }

    /// A channel that connects when it is first used and again whenever the connection is lost. The error is what is wrong
    /// with the place itself.
    pub fn channel(&self) -> Result<Channel, String> {
        // No HTTP/2 pings: the server counts frequent ones as abuse, and a deadline bounds each call anyway.
        match self {
            Self::Socket { path } if !path.starts_with('/') => Err("must be an absolute path".to_owned()),
            Self::Socket { path } => {
                let endpoint = Endpoint::from_shared(format!("unix:{path}"));
                Ok(endpoint.map_err(|error| error.to_string())?.connect_lazy())
            }
            Self::Address { address, workload_api, trust_domain } => {
                let endpoint = Endpoint::from_shared(format!("https://{address}"));
                let endpoint = endpoint.map_err(|error| error.to_string())?;
                let tls = Arc::new(MutualTls {
                    address: address.clone(),
                    workload_api: workload_api.clone(),
                    trust_domain: trust_domain.clone(),
                    connector: OnceCell::new(),
                });
                let connect = service_fn(move |_| {
                    let tls = tls.clone();
                    async move { tls.connect().await.map(TokioIo::new) }
                });
                Ok(endpoint.connect_with_connector_lazy(connect))
            }
        }
    }
}

/// Connects as the SVID that the Workload API gives now. It is renewed behind our back: each connection shows the newest,
/// and SPIRE's server ends each after three minutes, long before what it was begun with expires.
struct MutualTls {
    address: String,
    workload_api: String,
    trust_domain: TrustDomain,
    connector: OnceCell<TlsConnector>,
}

impl MutualTls {
    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let connector = self.connector.get_or_try_init(|| self.connector()).await?;
        within("connecting", async {
            let stream = TcpStream::connect(&self.address).await?;
            stream.set_nodelay(true)?;
            // Its SPIFFE ID is what is checked; the name is for TLS to have one.
            let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            let name = ServerName::try_from(host).map_err(io::Error::other)?;
            connector.connect(name, stream).await
        })
        .await
    }

    async fn connector(&self) -> io::Result<TlsConnector> {
        let source = source(&self.workload_api).await?;
        let svid = source.svid().map_err(|error| no_svid(&self.workload_api, &error))?;
        info!(spiffeID = %svid.spiffe_id(), server = self.address, "SPIRE is spoken to by mutual TLS");
        let server = format!("spiffe://{}/spire/server", self.trust_domain);
        let config = mtls_client(source)
            .authorize(authorizer::exact([server]).map_err(io::Error::other)?)
            .trust_domain_policy(LocalOnly(self.trust_domain.clone()))
            .with_alpn_protocols([b"h2"])
            .build()
            .map_err(io::Error::other)?;
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// What the Workload API at this socket gives, renewed by itself.
async fn source(place: &str) -> io::Result<X509Source> {
    let source = X509Source::builder().endpoint(format!("unix:{place}")).build();
    let source =
        within("the first SVID", async { Ok(source.await) }).await.map_err(|error| no_svid(place, &error))?;
    source.map_err(|error| no_svid(place, &error))
}

fn no_svid(place: &str, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!(
        "the Workload API at workloadAPISocketPath {place:?} gives this process no SVID: {error}; it needs an agent there \
         and an entry for the registrar's own pod (docs/operations.md, Ways to SPIRE)"
    ))
}

async fn within<T>(what: &str, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("{what} took longer than {PATIENCE:?}")))
        }
    }
}
