//! Where components come from, and what is kept of them: bytes are used only where they have the digest that was asked for.

mod http;
mod image;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use registrar_core::api::Problem;
use registrar_core::config::PluginsConfig;
use registrar_core::guardrails::Pattern;
use registrar_core::plugin::{Digest, Source};
use serde_json::Value;
use tracing::warn;

use self::http::Http;
use self::image::{Access, Login, Pulled};
use super::ComponentError;

const FIELD: &str = "spec.plugin.source";

/// What components are fetched with.
#[derive(Clone)]
pub struct Sources {
    client: Client,
    http: Http,
    cache_dir: Option<PathBuf>,
    max_size: u64,
    /// The registries' hosts that each Secret may be used for.
    pull_secrets: BTreeMap<String, BTreeSet<String>>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sources({:?})", self.cache_dir)
    }
}

impl Sources {
    /// Fetches from the management cluster, and from where these patterns let components come from.
    pub fn new(client: Client, config: &PluginsConfig, allowed: &[Pattern]) -> std::io::Result<Self> {
        let hosts =
            allowed.iter().filter_map(|pattern| written_out(pattern.to_string().split_once("://")?.1));
        Ok(Self {
            client,
            http: Http::new(hosts.collect())?,
            cache_dir: config.cache_dir.clone(),
            max_size: config.max_size,
            pull_secrets: config.pull_secrets.clone(),
        })
    }

    /// The component's bytes, from the cache or from one of these places.
    pub async fn fetch(&self, digest: Digest, sources: &BTreeSet<Source>) -> Result<Vec<u8>, Problem> {
        if let Some(bytes) = self.cached(digest) {
            return Ok(bytes);
        }
        let mut problem = Problem::new("PluginNotFetched", FIELD, "names no place");
        for source in sources {
            let fetched = match self.fetch_from(source).await {
                // The manifest led to the bytes: where its digest is all that was asked for, that is enough.
                Ok(Fetched { bytes, by: Some(manifest) }) if manifest == digest => Ok(bytes),
                Ok(Fetched { bytes, .. }) => self.checked(digest, bytes),
                Err(problem) => Err(problem),
            };
            match fetched {
                Ok(bytes) => {
                    // What is mounted need not be kept a second time.
                    if !matches!(source, Source::File(_)) {
                        self.keep(Digest::of(&bytes), "wasm", &bytes);
                    }
                    return Ok(bytes);
                }
                Err(Problem { reason, field, message }) => {
                    problem = Problem { reason, field, message: format!("{source}: {message}") };
                }
            }
        }
        Err(problem)
    }

    async fn fetch_from(&self, source: &Source) -> Result<Fetched, Problem> {
        let bytes = match source {
            Source::File(path) => {
                let (path, max) = (PathBuf::from(path), self.max_size);
                let read = tokio::task::spawn_blocking(move || read_file(&path, max));
                read.await.map_err(|error| not_fetched(error.to_string()))??
            }
            Source::ConfigMap { namespace, name, key } => self.config_map(namespace, name, key).await?,
            Source::Url(url) => {
                let answer = self.http.get(url, &[], self.max_size).await.map_err(not_fetched)?;
                if !answer.status.is_success() {
                    return Err(not_fetched(format!("the server answers {}", answer.status)));
                }
                answer.body.to_vec()
            }
            Source::Image { reference, pull_secret } => {
                let login = match pull_secret {
                    Some(name) => Some(self.login(name, reference).await?),
                    None => None,
                };
                let access = Access { login: login.as_ref(), hint: "spec.plugin.pullSecret" };
                let pulled = image::pull(&self.http, reference, access, self.max_size).await;
                let Pulled { manifest, component } = pulled.map_err(not_fetched)?;
                let by = Digest::of(&manifest);
                self.keep(by, "json", &manifest);
                return Ok(Fetched { bytes: component, by: Some(by) });
            }
        };
        Ok(Fetched { bytes, by: None })
    }

    /// User and password for an image's registry, out of a Secret in the registrar's own namespace.
    async fn login(&self, name: &str, reference: &str) -> Result<Login, Problem> {
        const FIELD: &str = "spec.plugin.pullSecret";
        let failed = |why: String| Problem::new("PluginNotFetched", FIELD, format!("Secret {name}: {why}"));
        let registry = reference.split('/').next().unwrap_or_default();
        let hosts =
            self.pull_secrets.get(name).filter(|hosts| hosts.contains(registry)).ok_or_else(|| {
                failed(format!("the configuration's plugins.pullSecrets does not list it for {registry}"))
            })?;
        let api: Api<Secret> = Api::default_namespaced(self.client.clone());
        let secret = api.get(name).await.map_err(|error| failed(error.to_string()))?;
        let config = secret.data.and_then(|mut data| data.remove(".dockerconfigjson"));
        let config = config.ok_or_else(|| failed("it has no key .dockerconfigjson".to_owned()))?;
        // What is in it is told to nobody.
        let config: Value = serde_json::from_slice(&config.0)
            .map_err(|_| failed("its .dockerconfigjson is not JSON".to_owned()))?;
        let (user, password) = user_and_password(&config, registry).ok_or_else(|| {
            failed(format!("its .dockerconfigjson has no user and password for {registry}"))
        })?;
        Ok(Login { user, password, hosts: Some(hosts.clone()) })
    }

    async fn config_map(&self, namespace: &str, name: &str, key: &str) -> Result<Vec<u8>, Problem> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let map = api.get(name).await.map_err(|error| match error {
            kube::Error::Api(status) if status.code == 403 => not_fetched(format!(
                "it may not be read: the registrar's ServiceAccount needs get on configmaps in namespace {namespace}"
            )),
            kube::Error::Api(status) if status.code == 404 => not_fetched("there is no such ConfigMap"),
            error => not_fetched(error.to_string()),
        })?;
        let bytes = map.binary_data.and_then(|mut data| data.remove(key)).map(|bytes| bytes.0);
        bytes.ok_or_else(|| not_fetched(format!("its binaryData has no key {key}")))
    }

    /// Nothing is looked at before its digest is known to be right.
    fn checked(&self, digest: Digest, bytes: Vec<u8>) -> Result<Vec<u8>, Problem> {
        let size = bytes.len() as u64;
        if size > self.max_size {
            return Err(ComponentError::TooLarge { size, limit: self.max_size }.problem());
        }
        let found = Digest::of(&bytes);
        if found == digest {
            return Ok(bytes);
        }
        let message = format!("has {found}, and {digest} was asked for");
        Err(Problem::new("PluginDigestMismatch", "spec.plugin.sha256", message))
    }

    fn cached(&self, digest: Digest) -> Option<Vec<u8>> {
        // Whoever wrote into the cache got no further than the digests.
        let whole = |digest: Digest, kind: &str| {
            let bytes = read_file(&self.cache_path(digest, kind)?, self.max_size).ok()?;
            (Digest::of(&bytes) == digest).then_some(bytes)
        };
        whole(digest, "wasm").or_else(|| whole(image::layer(&whole(digest, "json")?).ok()?.0, "wasm"))
    }

    /// Keeps bytes; without them the next start has to fetch again, and nothing else.
    fn keep(&self, digest: Digest, kind: &str, bytes: &[u8]) {
        let Some(path) = self.cache_path(digest, kind) else { return };
        let written = path.with_extension(format!("{:016x}", rand::random::<u64>()));
        let kept = std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))
            .and_then(|()| std::fs::write(&written, bytes))
            .and_then(|()| std::fs::rename(&written, &path));
        if let Err(error) = kept {
            warn!(path = %path.display(), %error, "a component cannot be kept in plugins.cacheDir");
            let _ = std::fs::remove_file(&written);
        }
    }

    fn cache_path(&self, digest: Digest, kind: &str) -> Option<PathBuf> {
        let name = digest.to_string().replace(':', "-");
        self.cache_dir.as_ref().map(|dir| dir.join(name).with_extension(kind))
    }
}

/// One image's component, and the digest of the manifest that leads to it: for a command, whose user says from where and
/// shows the registry what they like to.
pub async fn pull(
    reference: &str,
    login: Option<(String, String)>,
    max_size: u64,
) -> Result<(Digest, Vec<u8>), String> {
    let listed = written_out(reference).into_iter().collect();
    let http = Http::new(listed).map_err(|error| format!("the system's root certificates: {error}"))?;
    let login = login.map(|(user, password)| Login { user, password, hosts: None });
    let access = Access { login: login.as_ref(), hint: "--username, or log in as for docker" };
    let Pulled { manifest, component } = image::pull(&http, reference, access, max_size).await?;
    Ok((Digest::of(&manifest), component))
}

/// The host that a place begins with, where it is an address that is written out: no name that a host's owner lets lead
/// here, and no star.
fn written_out(place: &str) -> Option<String> {
    let host = http::host_of(place.split('/').next()?).to_owned();
    (host == "localhost" || host.parse::<std::net::IpAddr>().is_ok()).then_some(host)
}

/// What came from a place: bytes, and the digest of the manifest that led to them where there is one.
struct Fetched {
    bytes: Vec<u8>,
    by: Option<Digest>,
}

/// What a Docker configuration has for a registry.
fn user_and_password(config: &Value, registry: &str) -> Option<(String, String)> {
    let auth = config.get("auths")?.get(registry)?;
    let text = |key: &str| auth.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let (Some(user), Some(password)) = (text("username"), text("password")) {
        return Some((user.to_owned(), password.to_owned()));
    }
    let decoded = String::from_utf8(BASE64.decode(text("auth")?.as_bytes()).ok()?).ok()?;
    decoded.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// A regular file's bytes, as far as they are not too many.
pub(super) fn read_file(path: &Path, max: u64) -> Result<Vec<u8>, Problem> {
    let failed = |error: std::io::Error| not_fetched(error.to_string());
    // A pipe without a writer would be waited for.
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(not_fetched("is no regular file"));
    }
    if metadata.len() > max {
        return Err(ComponentError::TooLarge { size: metadata.len(), limit: max }.problem());
    }
    let mut bytes = Vec::new();
    // One more than allowed, so that what grew meanwhile is seen.
    file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn not_fetched(why: impl Into<String>) -> Problem {
    Problem::new("PluginNotFetched", FIELD, why.into())
}
