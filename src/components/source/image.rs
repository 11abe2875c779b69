//! Fetches a component out of an OCI registry: by the digest of its manifest, whatever tags say.

use std::collections::BTreeSet;

use data_encoding::BASE64;
use form_urlencoded::Serializer;
use http::StatusCode;
use http::header::{ACCEPT, AUTHORIZATION, HeaderName, WWW_AUTHENTICATE};
use registrar_core::plugin::Digest;
use serde::Deserialize;

use super::http::{Answer, Http};

/// The largest manifest; they have a few hundred bytes.
const MOST_MANIFEST: u64 = 1 << 20;
const MANIFESTS: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
/// What the layer of a Wasm artifact is, in the standard layout and in the one before it.
const LAYERS: [&str; 2] = ["application/wasm", "application/vnd.wasm.content.layer.v1+wasm"];

/// User and password, and the hosts that they may be shown to; none: the registry, and where it lets tokens be asked for.
#[derive(Clone)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) hosts: Option<BTreeSet<String>>,
}

/// With what a registry is asked, and where its user looks when it refuses.
#[derive(Clone, Copy)]
pub(super) struct Access<'a> {
    pub(super) login: Option<&'a Login>,
    pub(super) hint: &'static str,
}

/// An image's place, and which of those there it is.
struct Reference<'a> {
    registry: &'a str,
    repository: &'a str,
    /// None where only a tag says which.
    digest: Option<Digest>,
    /// The digest, or the tag.
    which: &'a str,
}

/// A component and the manifest that leads to it, both as their digests say.
pub(super) struct Pulled {
    pub(super) manifest: Vec<u8>,
    pub(super) component: Vec<u8>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
    size: u64,
}

#[derive(Deserialize)]
struct Token {
    #[serde(alias = "access_token")]
    token: String,
}

impl<'a> Reference<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let (place, digest) = match text.split_once('@') {
            Some((place, digest)) => (place, Some(digest)),
            None => (text, None),
        };
        let (registry, repository) = place.split_once('/').ok_or("names no repository")?;
        let (repository, tag) = match repository.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (repository, None),
        };
        // A tag beside the digest says nothing.
        let which = digest.or(tag).ok_or("names neither a digest nor a tag")?;
        Ok(Self { registry, repository, digest: digest.map(Digest::parse).transpose()?, which })
    }
}

/// Pulls `registry/repository@sha256:…`, or `registry/repository:tag`.
pub(super) async fn pull(
    http: &Http,
    reference: &str,
    access: Access<'_>,
    max: u64,
) -> Result<Pulled, String> {
    let Reference { registry, repository, digest, which } = Reference::parse(reference)?;
    let scheme = if http.is_plain(registry) { "http" } else { "https" };
    let base = format!("{scheme}://{registry}/v2/{repository}");
    let mut registry = Registry { http, host: registry, access, authorization: None };
    let manifest = registry.get(&format!("{base}/manifests/{which}"), MOST_MANIFEST).await?;
    if digest.is_some_and(|digest| digest != Digest::of(&manifest)) {
        return Err(format!("the registry's manifest has {}", Digest::of(&manifest)));
    }
    let (layer, size) = layer(&manifest)?;
    if size > max {
        return Err(format!("has {size} bytes, at most {max} are taken (plugins.maxSize)"));
    }
    let component = registry.get(&format!("{base}/blobs/{layer}"), max).await?;
    if Digest::of(&component) != layer {
        return Err(format!(
            "the registry's layer has {}, its manifest says {layer}",
            Digest::of(&component)
        ));
    }
    Ok(Pulled { manifest, component })
}

/// The digest and the size of the one layer of a manifest, which is the component.
pub(super) fn layer(manifest: &[u8]) -> Result<(Digest, u64), String> {
    let manifest: Manifest =
        serde_json::from_slice(manifest).map_err(|error| format!("its manifest cannot be read: {error}"))?;
    match manifest.layers.as_slice() {
        [layer] if LAYERS.contains(&layer.media_type.as_str()) => Ok((
            Digest::parse(&layer.digest).map_err(|rule| format!("its layer's digest must be {rule}"))?,
            layer.size,
        )),
        [layer] => Err(format!("its layer is {:?}, must be {}", layer.media_type, LAYERS[0])),
        layers => Err(format!("it has {} layers, a Wasm artifact has one", layers.len())),
    }
}

struct Registry<'a> {
    http: &'a Http,
    host: &'a str,
    access: Access<'a>,
    authorization: Option<String>,
}

impl Registry<'_> {
    async fn get(&mut self, url: &str, max: u64) -> Result<Vec<u8>, String> {
        let mut answer = self.ask(url, max).await?;
        if answer.status == StatusCode::UNAUTHORIZED && self.authorization.is_none() {
            self.authorization = Some(self.log_in(&answer).await?);
            answer = self.ask(url, max).await?;
        }
        match answer.status {
            StatusCode::OK => Ok(answer.body.to_vec()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(format!("{url}: the registry answers {}: see {}", answer.status, self.access.hint))
            }
            status => Err(format!("{url}: the registry answers {status}")),
        }
    }

    async fn ask(&self, url: &str, max: u64) -> Result<Answer, String> {
        let mut headers: Vec<(HeaderName, String)> = vec![(ACCEPT, MANIFESTS.to_owned())];
        headers.extend(self.authorization.clone().map(|it| (AUTHORIZATION, it)));
        self.http.get(url, &headers, max).await
    }

    /// What is to be shown to the registry, as it asks for it.
    async fn log_in(&self, answer: &Answer) -> Result<String, String> {
        let asked =
            answer.headers.get(WWW_AUTHENTICATE).and_then(|asked| asked.to_str().ok()).unwrap_or_default();
        let (scheme, rest) = asked.split_once(' ').unwrap_or((asked, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return self.basic(self.host)?.ok_or_else(|| {
                format!("{} asks for user and password: see {}", self.host, self.access.hint)
            });
        }
        let part = |name: &str| parameter(rest, name);
        let realm = part("realm").filter(|_| scheme.eq_ignore_ascii_case("bearer"));
        let realm =
            realm.ok_or_else(|| format!("{} asks for {asked:?}, which is not known here", self.host))?;
        let uri: http::Uri = realm.parse().map_err(|error| format!("{realm}: {error}"))?;
        let host = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let separator = if uri.query().is_some() { '&' } else { '?' };
        let asked = ["service", "scope"].into_iter().filter_map(|name| Some((name, part(name)?)));
        let url =
            format!("{realm}{separator}{}", Serializer::new(String::new()).extend_pairs(asked).finish());
        let headers: Vec<_> = self.basic(host)?.map(|it| (AUTHORIZATION, it)).into_iter().collect();
        let answer = self.http.get(&url, &headers, MOST_MANIFEST).await?;
        if answer.status != StatusCode::OK {
            return Err(format!("{realm} answers {}: see {}", answer.status, self.access.hint));
        }
        // Nothing of the answer is told: it is a credential.
        let token: Token =
            serde_json::from_slice(&answer.body).map_err(|_| format!("{realm} gives no token"))?;
        Ok(format!("Bearer {}", token.token))
    }

    /// User and password for a host; none where there are none, an error where they are not for it.
    fn basic(&self, host: &str) -> Result<Option<String>, String> {
        let Some(login) = self.access.login else { return Ok(None) };
        if login.hosts.as_ref().is_some_and(|hosts| !hosts.contains(host)) {
            return Err(format!(
                "the registry asks for user and password at {host}, for which the configuration's plugins.pullSecrets does not \
                 list the Secret"
            ));
        }
        let text = BASE64.encode(format!("{}:{}", login.user, login.password).as_bytes());
        Ok(Some(format!("Basic {text}")))
    }
}

/// One of `realm="…",service="…"`.
fn parameter<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split_inclusive('"').collect::<Vec<_>>().chunks(2).find_map(|pair| match pair {
        [key, value] if key.trim_start_matches([',', ' ']).strip_suffix("=\"") == Some(name) => {
            value.strip_suffix('"')
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_asks_for_is_read() {
        let asked = r#"realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push""#;
        assert_eq!(parameter(asked, "realm"), Some("https://auth.example/token"));
        assert_eq!(parameter(asked, "scope"), Some("repository:a/b:pull,push"));
        assert_eq!(parameter(asked, "error"), None);
    }

    #[test]
    fn a_reference_names_one_image_by_digest_or_tag() {
        let digest = Digest::of(b"a").to_string();
        let parsed = |text: &str| {
            Reference::parse(text)
                .map(|it| (it.registry.to_owned(), it.repository.to_owned(), it.which.to_owned()))
        };
        let named = |which: &str| Ok(("host:5000".to_owned(), "a/b".to_owned(), which.to_owned()));
        assert_eq!(parsed("host:5000/a/b:1.0"), named("1.0"));
        for text in [format!("host:5000/a/b@{digest}"), format!("host:5000/a/b:1.0@{digest}")] {
            assert_eq!(parsed(&text), named(&digest));
            assert_eq!(Reference::parse(&text).unwrap().digest, Some(Digest::of(b"a")));
        }
        for (text, told) in [
            ("host:5000/a/b", "names neither a digest nor a tag"),
            ("host", "names no repository"),
            ("host/a@sha256:12", "64 hexadecimal digits"),
        ] {
            assert!(Reference::parse(text).err().unwrap().contains(told), "{text}");
        }
    }

    #[test]
    fn a_manifest_leads_to_one_layer_of_wasm() {
        let of = |layers: &str| layer(format!("{{\"layers\":[{layers}]}}").as_bytes());
        let digest = Digest::of(b"a");
        let wasm = format!(r#"{{"mediaType":"application/wasm","digest":"{digest}","size":1}}"#);
        assert_eq!(of(&wasm), Ok((digest, 1)));
        assert!(of(&format!("{wasm},{wasm}")).unwrap_err().contains("has 2 layers"));
        assert!(
            of(&wasm.replace("application/wasm", "application/tar"))
                .unwrap_err()
                .contains("must be application/wasm")
        );
        assert!(layer(b"[").unwrap_err().contains("cannot be read"));
    }
}
