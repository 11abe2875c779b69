//! `spec.plugin` checked once: which component, from where, with which configuration and limits.

use std::sync::Arc;
use std::time::Duration;

use super::{DEFAULT_CEILINGS, DEFAULT_LIMITS, Digest, Limits, Plugin, Source};
use crate::api::{FailurePolicy, PluginLimits, PluginSource, PluginSpec, Problem};
use crate::duration::go_duration;
use crate::guardrails::Pattern;

const INVALID: &str = "InvalidSpec";

/// What the configuration says of every plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Where components may come from.
    pub allowed_sources: Vec<Pattern>,
    /// What no identity may go beyond.
    pub ceilings: Limits,
}

impl Default for Rules {
    fn default() -> Self {
        // A pattern that cannot be read would allow nothing.
        let allowed_sources = DEFAULT_SOURCES.iter().filter_map(|text| Pattern::of_sources(text).ok());
        Self { allowed_sources: allowed_sources.collect(), ceilings: DEFAULT_CEILINGS }
    }
}

/// Where components may come from where the configuration does not say: nothing over the network.
pub const DEFAULT_SOURCES: [&str; 2] = ["file:///**", "configmap://**"];

/// One identity's plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginUse {
    /// Component, configuration, limits.
    pub plugin: Arc<Plugin>,
    /// Where it comes from.
    pub source: Source,
    /// `failurePolicy: Fallback`.
    pub falls_back: bool,
}

impl PluginUse {
    /// Checks `spec.plugin`; the error is all problems at once, each with its field.
    pub fn compile(spec: &PluginSpec, rules: &Rules) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let source = source(&spec.source, spec.pull_secret.as_deref(), &mut problems);
        if let Some((_, field, text)) = &source
            && !rules.allowed_sources.iter().any(|pattern| pattern.fits_source(text))
        {
            let allowed: Vec<String> = rules.allowed_sources.iter().map(ToString::to_string).collect();
            let allowed = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
            let message = format!(
                "{text} is not allowed by the configuration's plugins.allowedSources, which allows {allowed}"
            );
            problems.push(Problem::new("GuardrailDenied", *field, message));
        }
        let is_image = spec.source.image.is_some();
        let own = spec.sha256.as_deref().filter(|text| !text.is_empty()).map(|text| {
            Digest::parse(text).map_err(|rule| {
                problems.push(Problem::new(
                    INVALID,
                    "spec.plugin.sha256",
                    format!("{text:?} must be {rule}"),
                ));
            })
        });
        if own.is_none() && !is_image && source.is_some() {
            let message = "is required, except for an image, whose digest says as much";
            problems.push(Problem::new(INVALID, "spec.plugin.sha256", message));
        }
        if spec.pull_secret.as_deref().is_some_and(|name| !name.is_empty()) && !is_image {
            let message = "is for images: no other source takes one";
            problems.push(Problem::new(INVALID, "spec.plugin.pullSecret", message));
        }
        let limits = limits(spec.limits.as_ref(), &rules.ceilings, &mut problems);
        let config = match &spec.config {
            None | Some(serde_json::Value::Null) => "{}".to_owned(),
            Some(config) => config.to_string(),
        };
        let image_digest = source.as_ref().and_then(|(source, _, _)| match source {
            Source::Image { reference, .. } => reference.split_once('@').map(|(_, digest)| digest),
            _ => None,
        });
        let digest = match own {
            Some(own) => own.ok(),
            None => image_digest.and_then(|digest| Digest::parse(digest).ok()),
        };
        match (source, digest) {
            (Some((source, _, _)), Some(digest)) if problems.is_empty() => Ok(Self {
                plugin: Arc::new(Plugin { digest, config: config.into(), limits }),
                source,
                falls_back: spec.failure_policy == FailurePolicy::Fallback,
            }),
            _ => Err(problems),
        }
    }
}

/// The one source that is named, its field, and what the configuration's patterns are held against.
fn source(
    spec: &PluginSource,
    pull_secret: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Option<(Source, &'static str, String)> {
    let mut wrong = |field: &str, value: &str, right: &str| {
        problems.push(Problem::new(
            INVALID,
            format!("spec.plugin.source.{field}"),
            format!("{value:?} must be {right}"),
        ));
    };
    match (&spec.image, &spec.config_map, &spec.url, &spec.file) {
        (Some(image), None, None, None) => {
            const RIGHT: &str = "oci://<registry>/<repository>@sha256:<64 hexadecimal digits>";
            let parts = image.strip_prefix("oci://").and_then(|it| Some((it, it.split_once("@sha256:")?)));
            let Some((reference, (place, digest))) = parts else {
                wrong("image", image, RIGHT);
                return None;
            };
            // A tag beside the digest says nothing.
            let has_path = place.split_once('/').is_some_and(|(_, path)| !path.is_empty());
            if !has_path || !is_plain(place) || Digest::parse(digest).is_err() {
                wrong("image", image, RIGHT);
                return None;
            }
            let pull_secret = pull_secret.filter(|name| !name.is_empty()).map(str::to_owned);
            let source = Source::Image { reference: reference.to_owned(), pull_secret };
            Some((source, "spec.plugin.source.image", format!("oci://{place}")))
        }
        (None, Some(key), None, None) => {
            for (field, text) in [("namespace", &key.namespace), ("name", &key.name), ("key", &key.key)] {
                if text.is_empty() || !is_plain(text) || text.contains('/') {
                    wrong(&format!("configMap.{field}"), text, "a name as Kubernetes takes it");
                }
            }
            let text = format!("configmap://{}/{}", key.namespace, key.name);
            let (namespace, name, key) = (key.namespace.clone(), key.name.clone(), key.key.clone());
            Some((Source::ConfigMap { namespace, name, key }, "spec.plugin.source.configMap", text))
        }
        (None, None, Some(url), None) => {
            let rest = url.strip_prefix("https://");
            if !rest.is_some_and(|rest| is_plain(rest) && rest.contains('/')) {
                let right = "https://<host>/<path> of letters, digits and -._~/: alone, without .. and without a query";
                wrong("url", url, right);
                return None;
            }
            Some((Source::Url(url.clone()), "spec.plugin.source.url", url.clone()))
        }
        (None, None, None, Some(file)) => {
            if !file.starts_with('/') || !is_plain(file) {
                wrong("file", file, "an absolute path of letters, digits and -._~/: alone, without ..");
                return None;
            }
            Some((Source::File(file.clone()), "spec.plugin.source.file", format!("file://{file}")))
        }
        _ => {
            let message = "exactly one of image, configMap, url and file is required";
            problems.push(Problem::new(INVALID, "spec.plugin.source", message));
            None
        }
    }
}

/// Whether nothing in a path could make another path of it: no escapes, no `..`, no empty parts, no user, no query.
fn is_plain(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~/:".contains(&b);
    let mut parts = text.trim_start_matches('/').split('/');
    text.bytes().all(fits) && !text.starts_with("//") && parts.all(|part| !matches!(part, "" | "." | ".."))
}

fn limits(spec: Option<&PluginLimits>, ceilings: &Limits, problems: &mut Vec<Problem>) -> Limits {
    let mut limits = Limits {
        time: DEFAULT_LIMITS.time.min(ceilings.time),
        memory: DEFAULT_LIMITS.memory.min(ceilings.memory),
        output: DEFAULT_LIMITS.output.min(ceilings.output),
    };
    let Some(spec) = spec else { return limits };
    let mut wrong = |field: &str, text: &str, right: String| {
        let message = format!("{text:?} must be {right}");
        problems.push(Problem::new(INVALID, format!("spec.plugin.limits.{field}"), message));
    };
    if let Some(text) = &spec.time {
        match go_duration(text)
            .ok()
            .filter(|time| *time >= Duration::from_millis(1) && *time <= ceilings.time)
        {
            Some(time) => limits.time = time,
            None => wrong(
                "time",
                text,
                format!("a Go duration from 1ms to {:?} (plugins.limits.time)", ceilings.time),
            ),
        }
    }
    let most = [
        ("memory", &spec.memory, &mut limits.memory, ceilings.memory, 1 << 16),
        ("output", &spec.output, &mut limits.output, ceilings.output, 1 << 10),
    ];
    for (field, text, limit, ceiling, least) in most {
        let Some(text) = text else { continue };
        match bytes(text).filter(|bytes| (least..=ceiling).contains(bytes)) {
            Some(bytes) => *limit = bytes,
            None => {
                let right = format!(
                    "a number of bytes such as 64Mi, from {least} to {ceiling} (plugins.limits.{field})"
                );
                wrong(field, text, right);
            }
        }
    }
    limits
}

/// A number of bytes: digits alone, or with Ki, Mi or Gi.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let (digits, factor) = [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30)]
        .into_iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, factor)))
        .unwrap_or((text, 1));
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse::<u64>().ok()?.checked_mul(factor))
        .flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SHA: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn rules(sources: &[&str]) -> Rules {
        let allowed_sources = sources.iter().map(|text| Pattern::of_sources(text).unwrap()).collect();
        Rules { allowed_sources, ..Rules::default() }
    }

    fn compiled(spec: serde_json::Value, rules: &Rules) -> Result<PluginUse, Vec<String>> {
        let spec = serde_json::from_value(spec).unwrap();
        let told = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect();
        PluginUse::compile(&spec, rules).map_err(told)
    }

    #[test]
    fn a_file_and_a_config_map_may_be_used_and_nothing_over_the_network() {
        let rules = Rules::default();
        let file =
            json!({"source": {"file": "/plugins/a.wasm"}, "sha256": SHA, "config": {"b": 1, "a": [true]}});
        let used = compiled(file, &rules).unwrap();
        assert_eq!((&*used.plugin.config, used.falls_back), (r#"{"a":[true],"b":1}"#, false));
        let map =
            json!({"source": {"configMap": {"namespace": "a", "name": "b", "key": "c"}}, "sha256": SHA});
        assert_eq!(&*compiled(map, &rules).unwrap().plugin.config, "{}");
        let url = json!({"source": {"url": "https://example.com/a.wasm"}, "sha256": SHA});
        let told = compiled(url.clone(), &rules).unwrap_err();
        assert!(
            told[0].starts_with("spec.plugin.source.url: https://example.com/a.wasm is not allowed"),
            "{told:?}"
        );
        assert!(compiled(url, &tests::rules(&["https://example.com/*"])).is_ok());
    }

    #[test]
    fn an_images_digest_is_the_plugins_unless_the_bytes_own_is_given() {
        let rules = rules(&["oci://registry.example/plugins/**"]);
        let image = format!("oci://registry.example/plugins/a/b:1.0@sha256:{SHA}");
        let used = compiled(json!({"source": {"image": image}, "pullSecret": "s"}), &rules).unwrap();
        assert_eq!(used.plugin.digest, Digest::parse(SHA).unwrap());
        let other = SHA.replace('e', "f");
        let used = compiled(json!({"source": {"image": image}, "sha256": other}), &rules).unwrap();
        assert_eq!(used.plugin.digest, Digest::parse(&other).unwrap());
        for bad in
            ["oci://registry.example/plugins/../x", "registry.example/a", "oci://registry.example/a:1.0"]
        {
            assert!(
                compiled(json!({"source": {"image": format!("{bad}@sha256:{SHA}")}}), &rules).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_field_and_what_would_be_right() {
        let rules = rules(&["https://**", "file:///**"]);
        for (spec, expected) in [
            (json!({"source": {}}), "spec.plugin.source: exactly one"),
            (
                json!({"source": {"file": "/a", "url": "https://a/b"}, "sha256": SHA}),
                "spec.plugin.source: exactly one",
            ),
            (json!({"source": {"file": "/a"}}), "spec.plugin.sha256: is required"),
            (json!({"source": {"file": "/a"}, "sha256": "abc"}), "spec.plugin.sha256: \"abc\" must be 64"),
            (
                json!({"source": {"file": "/a"}, "sha256": SHA, "pullSecret": "x"}),
                "spec.plugin.pullSecret: is for images",
            ),
            (json!({"source": {"file": "a/b"}, "sha256": SHA}), "spec.plugin.source.file: \"a/b\" must be"),
            (
                json!({"source": {"file": "/a/../b"}, "sha256": SHA}),
                "spec.plugin.source.file: \"/a/../b\" must be",
            ),
            (json!({"source": {"url": "https://a/%2e%2e/b"}, "sha256": SHA}), "spec.plugin.source.url: "),
            (json!({"source": {"url": "https://u@a/b"}, "sha256": SHA}), "spec.plugin.source.url: "),
            (
                json!({"source": {"file": "/a"}, "sha256": SHA, "limits": {"time": "2h"}}),
                "spec.plugin.limits.time: \"2h\" must be a Go duration from 1ms to 1s",
            ),
            (
                json!({"source": {"file": "/a"}, "sha256": SHA, "limits": {"memory": "1Ti"}}),
                "spec.plugin.limits.memory: \"1Ti\" must be",
            ),
            (
                json!({"source": {"file": "/a"}, "sha256": SHA, "limits": {"output": "10"}}),
                "spec.plugin.limits.output: \"10\" must be",
            ),
        ] {
            let told = compiled(spec.clone(), &rules).unwrap_err();
            assert!(told.len() == 1 && told[0].starts_with(expected), "{spec}: {told:?}");
        }
    }

    #[test]
    fn limits_are_read() {
        let spec = json!({"source": {"file": "/a"}, "sha256": SHA, "failurePolicy": "Fallback",
            "limits": {"time": "50ms", "memory": "64Mi", "output": "65536"}});
        let used = compiled(spec, &Rules::default()).unwrap();
        let expected = Limits { time: Duration::from_millis(50), memory: 64 << 20, output: 65_536 };
        assert_eq!((used.plugin.limits, used.falls_back), (expected, true));
    }
}
