//! A server of components: an OCI registry that asks for a token, and files over HTTPS.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64, HEXLOWER};
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde_json::json;

use crate::kube::{Certificates, Shown};
use crate::serve::{Body, Listening, whole};

const TOKEN: &str = "a-token-of-the-registry";

/// A registry at 127.0.0.1, without TLS at one port and with it at another. Dropping it ends it.
pub struct Registry {
    plain: SocketAddr,
    tls: SocketAddr,
    authority: String,
    shared: Arc<Mutex<Shared>>,
    _listening: [Listening; 2],
}

#[derive(Default)]
struct Shared {
    address: String,
    files: BTreeMap<String, Vec<u8>>,
    /// User and password, where they are asked for.
    login: Option<(String, String)>,
    /// Where blobs are instead.
    elsewhere: Option<String>,
    requests: usize,
}

impl Registry {
    /// An empty registry that asks for no login.
    pub async fn start() -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let service = || -> crate::serve::Service {
            let shared = shared.clone();
            Arc::new(move |request| std::future::ready(answer(&shared, &request)).boxed())
        };
        let certificates = Certificates::new();
        let (first, plain) = Listening::at_loopback(None, service()).await;
        let (second, tls) =
            Listening::at_loopback(Some(certificates.acceptor(Shown::Right)), service()).await;
        shared.lock().unwrap_or_else(PoisonError::into_inner).address = plain.to_string();
        let authority = certificates.authority().to_owned();
        Self { plain, tls, authority, shared, _listening: [first, second] }
    }

    /// `host:port` without TLS.
    pub fn host(&self) -> String {
        self.plain.to_string()
    }

    /// `host:port` with TLS.
    pub fn tls_host(&self) -> String {
        self.tls.to_string()
    }

    /// The authority of its certificate, as PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Asks for this user and password from now on.
    pub fn ask_for(&self, user: &str, password: &str) {
        self.change(|shared| shared.login = Some((user.to_owned(), password.to_owned())));
    }

    /// Points to this address for every blob from now on.
    pub fn point_elsewhere(&self, url: &str) {
        self.change(|shared| shared.elsewhere = Some(url.to_owned()));
    }

    /// Has nothing any more.
    pub fn forget(&self) {
        self.change(|shared| shared.files.clear());
    }

    /// How many requests there were.
    pub fn requests(&self) -> usize {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).requests
    }

    /// Puts a file at a path.
    pub fn put_file(&self, path: &str, bytes: &[u8]) {
        self.change(|shared| drop(shared.files.insert(path.to_owned(), bytes.to_vec())));
    }

    /// Pushes a component in the layout of Wasm artifacts; the reference by digest, as an identity names it. It is
    /// tagged `latest`.
    pub fn push(&self, repository: &str, component: &[u8]) -> String {
        let blob = sha256(component);
        let empty = sha256(b"{}");
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": empty, "size": 2},
            "layers": [{"mediaType": "application/wasm", "digest": blob, "size": component.len()}],
        });
        let manifest = manifest.to_string();
        let digest = sha256(manifest.as_bytes());
        self.put_file(&format!("/v2/{repository}/blobs/{blob}"), component);
        for which in [digest.as_str(), "latest"] {
            self.put_file(&format!("/v2/{repository}/manifests/{which}"), manifest.as_bytes());
        }
        format!("oci://{}/{repository}@{digest}", self.host())
    }

    fn change(&self, change: impl FnOnce(&mut Shared)) {
        change(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", HEXLOWER.encode(digest(&SHA256, bytes).as_ref()))
}

fn answer(shared: &Mutex<Shared>, request: &Request<Incoming>) -> Response<Body> {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.requests += 1;
    let path = request.uri().path();
    let shown = request.headers().get("authorization").and_then(|it| it.to_str().ok());
    let basic = shared
        .login
        .as_ref()
        .map(|(user, password)| format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes())));
    let of = |status: StatusCode, bytes: Vec<u8>| Response::builder().status(status).body(whole(bytes));
    let answer = match basic {
        Some(basic) if path == "/token" && shown == Some(&basic) => {
            of(StatusCode::OK, json!({"token": TOKEN}).to_string().into_bytes())
        }
        _ if path == "/token" => of(StatusCode::UNAUTHORIZED, Vec::new()),
        Some(_) if path.starts_with("/v2/") && shown != Some(&format!("Bearer {TOKEN}")) => {
            let realm = format!("http://{}/token", shared.address);
            let asked = format!("Bearer realm=\"{realm}\",service=\"world\",scope=\"repository:any:pull\"");
            Response::builder()
                .status(StatusCode::UNAUTHORIZED)
                .header("www-authenticate", asked)
                .body(whole(Vec::new()))
        }
        _ => match (&shared.elsewhere, shared.files.get(path)) {
            (Some(elsewhere), _) if path.contains("/blobs/") => Response::builder()
                .status(StatusCode::TEMPORARY_REDIRECT)
                .header("location", elsewhere)
                .body(whole(Vec::new())),
            (_, Some(bytes)) => of(StatusCode::OK, bytes.clone()),
            (_, None) => of(StatusCode::NOT_FOUND, Vec::new()),
        },
    };
    answer.expect("an answer of right parts")
}
