//! The running registrar as commands ask it: through a port-forward to the replica that leads, or at an address.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::Usage;
use crate::causes;

/// How long a whole question may take.
const TIME: Duration = Duration::from_secs(60);
/// No answer is larger.
const MOST: usize = 256 << 20;

/// Where the registrar is asked.
#[derive(clap::Args)]
pub struct Registrar {
    /// host:port of the registrar's admin.bindAddress; without it, a port is forwarded to the replica that leads, by
    /// KUBECONFIG.
    #[arg(long, value_name = "HOST:PORT", env = "SPIRE_EKS_WORKLOAD_REGISTRAR")]
    registrar: Option<String>,
    /// The namespace that the registrar runs in.
    #[arg(long, value_name = "NAME", default_value = "spire-system")]
    namespace: String,
    /// The Lease that names the leading replica.
    #[arg(long, value_name = "NAME", default_value = "spire-eks-workload-registrar.spire.io")]
    lease: String,
    /// The port of admin.bindAddress.
    #[arg(long, value_name = "PORT", default_value_t = 8083)]
    admin_port: u16,
}

impl Registrar {
    /// What the registrar answers to a GET: the status and the body.
    pub async fn get(&self, path: &str) -> Result<(u16, String), Usage> {
        self.request(Method::GET, path, String::new()).await
    }

    /// What it answers to a POST of JSON.
    pub async fn post(&self, path: &str, body: String) -> Result<(u16, String), Usage> {
        self.request(Method::POST, path, body).await
    }

    async fn request(&self, method: Method, path: &str, body: String) -> Result<(u16, String), Usage> {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request =
            request.body(Full::new(Bytes::from(body))).map_err(|error| Usage(vec![error.to_string()]))?;
        let asked = tokio::time::timeout(TIME, self.ask(request)).await;
        let asked = asked.unwrap_or_else(|_| Err(format!("no answer within {TIME:?}")));
        asked.map_err(|why| {
            Usage(vec![
                format!("the registrar cannot be asked: {why}"),
                "its configuration has to say admin.bindAddress, for example 127.0.0.1:8083; without a registrar, name the files: \
                 --config FILE -f MANIFESTS --cluster NAME=DUMP"
                    .to_owned(),
            ])
        })
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<(u16, String), String> {
        if let Some(address) = &self.registrar {
            let stream = TcpStream::connect(address).await.map_err(|error| format!("{address}: {error}"))?;
            return exchange(stream, address, request).await;
        }
        let client = kube::Client::try_default()
            .await
            .map_err(|error| format!("cannot find the management cluster (KUBECONFIG): {error}"))?;
        let leases: Api<Lease> = Api::namespaced(client.clone(), &self.namespace);
        let failed = |what: &str, error: &kube::Error| format!("{what}: {}", causes::told(error));
        let at = format!("Lease {}/{}", self.namespace, self.lease);
        let lease = leases.get(&self.lease).await.map_err(|error| failed(&at, &error))?;
        let holder = lease.spec.and_then(|spec| spec.holder_identity).filter(|holder| !holder.is_empty());
        let holder = holder.ok_or_else(|| format!("{at} has no holder: no replica leads"))?;
        // The holder is the pod's name and a number of the process.
        let name = holder.rsplit_once('_').map_or(holder.as_str(), |(name, _)| name);
        let pods: Api<Pod> = Api::namespaced(client, &self.namespace);
        let what = format!("port {} of pod {}/{name}", self.admin_port, self.namespace);
        let mut forwarded =
            pods.portforward(name, &[self.admin_port]).await.map_err(|error| failed(&what, &error))?;
        let stream =
            forwarded.take_stream(self.admin_port).ok_or_else(|| format!("{what} is not forwarded"))?;
        exchange(stream, name, request).await.map_err(|error| format!("{what}: {error}"))
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    mut request: Request<Full<Bytes>>,
) -> Result<(u16, String), String> {
    let told = |error: hyper::Error| causes::told(&error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(told)?;
    let host = HeaderValue::from_str(host).map_err(|error| error.to_string())?;
    request.headers_mut().insert("host", host);
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(told)?;
        let status = answer.status().as_u16();
        let body =
            Limited::new(answer.into_body(), MOST).collect().await.map_err(|error| error.to_string())?;
        Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
    };
    // The connection only moves bytes; it ends before the answer does where it breaks, which the answer tells.
    let moving = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = exchange => answer,
        () = moving => Err("the connection ended".to_owned()),
    }
}

/// The words of an error that the registrar answers.
pub fn told(text: &str) -> String {
    let error = serde_json::from_str::<Value>(text).ok();
    error.and_then(|it| it["error"].as_str().map(str::to_owned)).unwrap_or_else(|| text.trim().to_owned())
}

/// An answer that is none of those that a command knows.
pub fn unexpected(status: u16, text: &str) -> Usage {
    Usage(vec![format!("the registrar answered {status}: {}", told(text))])
}

/// What a good answer says.
pub fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, Usage> {
    serde_json::from_str(text).map_err(|error| {
        Usage(vec![format!("the registrar's answer cannot be read, it may be of another version: {error}")])
    })
}

/// Runs what a command asks of others.
pub fn block_on<T>(asked: impl Future<Output = T>) -> Result<T, Usage> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Usage(vec![format!("cannot start the runtime: {error}")]))?;
    let answer = runtime.block_on(asked);
    // Not waited for: a name that is still being looked up, beyond the time that its question had.
    runtime.shutdown_background();
    Ok(answer)
}
