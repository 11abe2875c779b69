//! Where components come from, and what is kept of them: bytes are used only where they have the digest that was asked for.

use std::collections::BTreeSet;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use registrar_core::api::Problem;
use registrar_core::plugin::{Digest, Source};
use tracing::warn;

use super::ComponentError;

const FIELD: &str = "spec.plugin.source";

/// What components are fetched with.
#[derive(Clone)]
pub struct Sources {
    /// The management cluster; none in commands that know none.
    pub client: Option<Client>,
    /// Where fetched bytes are kept.
    pub cache_dir: Option<PathBuf>,
    /// The largest component.
    pub max_size: u64,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sources({:?})", self.cache_dir)
    }
}

impl Sources {
    /// The component's bytes, from the cache or from one of these places.
    pub async fn fetch(&self, digest: Digest, sources: &BTreeSet<Source>) -> Result<Vec<u8>, Problem> {
        if let Some(bytes) = self.cached(digest) {
            return Ok(bytes);
        }
        let mut problem = Problem::new("PluginNotFetched", FIELD, "names no place");
        for source in sources {
            match self.fetch_from(source).await.and_then(|bytes| self.checked(digest, bytes)) {
                Ok(bytes) => {
                    // What is mounted need not be kept a second time.
                    if !matches!(source, Source::File(_)) {
                        self.keep(digest, &bytes);
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

    async fn fetch_from(&self, source: &Source) -> Result<Vec<u8>, Problem> {
        match source {
            Source::File(path) => {
                let (path, max) = (PathBuf::from(path), self.max_size);
                let read = tokio::task::spawn_blocking(move || read_file(&path, max));
                read.await.map_err(|error| not_fetched(error.to_string()))?
            }
            Source::ConfigMap { namespace, name, key } => self.config_map(namespace, name, key).await,
            Source::Url(_) | Source::Image { .. } => {
                Err(not_fetched("components over the network are not supported by this version"))
            }
        }
    }

    async fn config_map(&self, namespace: &str, name: &str, key: &str) -> Result<Vec<u8>, Problem> {
        let Some(client) = &self.client else {
            return Err(not_fetched("there is no management cluster here"));
        };
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
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
        let bytes = read_file(&self.cache_path(digest)?, self.max_size).ok()?;
        // Whoever wrote into the cache got no further than this.
        (Digest::of(&bytes) == digest).then_some(bytes)
    }

    /// Keeps the bytes; without them the next start has to fetch again, and nothing else.
    fn keep(&self, digest: Digest, bytes: &[u8]) {
        let Some(path) = self.cache_path(digest) else { return };
        let written = path.with_extension(format!("{:016x}", rand::random::<u64>()));
        let kept = std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))
            .and_then(|()| std::fs::write(&written, bytes))
            .and_then(|()| std::fs::rename(&written, &path));
        if let Err(error) = kept {
            warn!(path = %path.display(), %error, "a component cannot be kept in plugins.cacheDir");
            let _ = std::fs::remove_file(&written);
        }
    }

    fn cache_path(&self, digest: Digest) -> Option<PathBuf> {
        let name = digest.to_string().replace(':', "-");
        self.cache_dir.as_ref().map(|dir| dir.join(name).with_extension("wasm"))
    }
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
