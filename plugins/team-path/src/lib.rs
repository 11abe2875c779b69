//! A SPIFFE ID whose path is put together from labels and annotations, and allowed by namespace.

use registrar_plugin::{Decision, Facts, Failure, Plugin, Problem, Workload, export};
use serde::Deserialize;

/// `spec.plugin.config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The path's segments.
    path: Vec<Segment>,
    /// Which namespaces may have which paths; what no rule allows is denied.
    allow: Vec<Rule>,
}

/// A segment: exactly one of `text`, `label`, `annotation`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Segment {
    text: Option<String>,
    label: Option<String>,
    annotation: Option<String>,
    /// Where the pod has no such label or annotation; without a default the pod is skipped.
    default: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Names; `*` stands for any characters.
    namespaces: Vec<String>,
    /// Paths; `*` stands for any characters of one segment, `**` as the last segment for one segment or more.
    paths: Vec<String>,
}

impl Segment {
    fn problem(&self) -> Option<&'static str> {
        match (&self.text, &self.label, &self.annotation, &self.default) {
            (Some(_), None, None, None) | (None, Some(_), None, _) | (None, None, Some(_), _) => None,
            (Some(_), None, None, Some(_)) => Some("default goes with label or annotation, not with text"),
            _ => Some("must have exactly one of text, label and annotation"),
        }
    }

    /// The segment of one pod; the error says what the pod lacks.
    fn of<'a>(&'a self, workload: &'a Workload) -> Result<&'a str, String> {
        let (value, what, key) = match (&self.text, &self.label, &self.annotation) {
            (Some(text), _, _) => return Ok(text),
            (_, Some(key), _) => (workload.pod_label(key), "label", key),
            (_, _, Some(key)) => (workload.pod_annotation(key), "annotation", key),
            (None, None, None) => return Err("config.path has an empty segment".to_owned()),
        };
        value.or(self.default.as_deref()).ok_or_else(|| format!("the pod has no {what} {key}"))
    }
}

impl Rule {
    fn allows(&self, namespace: &str, path: &str) -> bool {
        self.namespaces.iter().any(|pattern| fits(pattern, namespace))
            && self.paths.iter().any(|pattern| fits_path(pattern, path))
    }
}

struct TeamPath;

impl Plugin for TeamPath {
    type Config = Config;
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn reads() -> Facts {
        Facts::NAMESPACE | Facts::POD_LABELS | Facts::POD_ANNOTATIONS
    }

    fn check(config: &Config) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut tell = |field: String, message: &str| problems.push(Problem::new(field, message));
        if config.path.is_empty() {
            tell("path".to_owned(), "must have a segment or more, such as {\"label\": \"team\"}");
        }
        for (index, segment) in config.path.iter().enumerate() {
            if let Some(problem) = segment.problem() {
                tell(format!("path[{index}]"), problem);
            }
        }
        if config.allow.is_empty() {
            tell("allow".to_owned(), "must have a rule or more: without one every pod is denied");
        }
        for (at, rule) in config.allow.iter().enumerate() {
            if rule.namespaces.is_empty() {
                tell(format!("allow[{at}].namespaces"), "must name a namespace or more; [\"*\"] are all");
            }
            if rule.paths.is_empty() {
                tell(format!("allow[{at}].paths"), "must have a path or more, such as \"/teams/blue/**\"");
            }
            for (index, path) in rule.paths.iter().enumerate() {
                let before = path.strip_suffix("/**").unwrap_or(path);
                if !path.starts_with('/') || before.contains("**") {
                    let right = "must begin with / and may have ** as its last segment only";
                    tell(format!("allow[{at}].paths[{index}]"), right);
                }
            }
        }
        problems
    }

    fn derive(workload: &Workload, config: &Config) -> Result<Decision, Failure> {
        let segments: Result<Vec<&str>, String> =
            config.path.iter().map(|segment| segment.of(workload)).collect();
        let identity = match segments {
            Ok(segments) => workload.identity(segments)?,
            Err(lacks) => return Ok(Decision::skip(lacks)),
        };
        let path = identity.spiffe_id().path();
        match config.allow.iter().any(|rule| rule.allows(&workload.namespace, path)) {
            true => Ok(identity.into()),
            false => Ok(Decision::deny(format!(
                "no rule of config.allow lets namespace {} have {path}",
                workload.namespace
            ))),
        }
    }
}

export!(TeamPath);

/// Whether a text fits a pattern in which `*` stands for any characters.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    let ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    ends.into_iter().any(|at| rest.get(at..).is_some_and(|rest| fits(tail, rest)))
}

fn fits_path(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    for part in pattern.split('/') {
        match segments.next() {
            Some(segment) if part == "**" || fits(part, segment) => {}
            _ => return false,
        }
        if part == "**" {
            return true;
        }
    }
    segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use registrar_plugin::testing;

    use super::*;

    const CONFIG: &str = r#"{
        "path": [{"text": "teams"}, {"label": "team"}, {"annotation": "example.org/service", "default": "main"}],
        "allow": [{"namespaces": ["payments", "payments-*"], "paths": ["/teams/payments/**"]}]
    }"#;

    fn workload(namespace: &str, team: &str) -> Workload {
        Workload {
            namespace: namespace.to_owned(),
            pod_labels: testing::labels([("team", team)]),
            ..Workload::default()
        }
    }

    #[test]
    fn a_path_is_put_together_and_allowed_by_namespace() {
        let mut pod = workload("payments-eu", "payments");
        let decision = testing::derive::<TeamPath>(&pod, CONFIG).unwrap();
        assert_eq!(decision.spiffe_ids(), ["spiffe://example.org/teams/payments/main"]);
        pod.pod_annotations = testing::labels([("example.org/service", "ledger")]);
        let decision = testing::derive::<TeamPath>(&pod, CONFIG).unwrap();
        assert_eq!(decision.spiffe_ids(), ["spiffe://example.org/teams/payments/ledger"]);
        assert_eq!(
            testing::derive::<TeamPath>(&workload("search", "payments"), CONFIG).unwrap(),
            Decision::deny("no rule of config.allow lets namespace search have /teams/payments/main")
        );
        let pod = Workload { namespace: "payments".to_owned(), ..Workload::default() };
        assert_eq!(
            testing::derive::<TeamPath>(&pod, CONFIG).unwrap(),
            Decision::skip("the pod has no label team")
        );
    }

    #[test]
    fn a_value_that_is_no_segment_fails() {
        let failure = testing::derive::<TeamPath>(&workload("payments", "payments/../admin"), CONFIG);
        assert!(failure.unwrap_err().message.starts_with("segment 2 of the SPIFFE ID"));
    }

    #[test]
    fn a_configuration_is_checked_as_a_whole() {
        let config = r#"{"path": [{}, {"text": "a", "default": "b"}],
            "allow": [{"namespaces": [], "paths": ["/a/**/b", "a"]}, {"namespaces": ["*"], "paths": []}]}"#;
        let problems = testing::validate::<TeamPath>(config).unwrap_err();
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "path[0]",
                "path[1]",
                "allow[0].namespaces",
                "allow[0].paths[0]",
                "allow[0].paths[1]",
                "allow[1].paths"
            ]
        );
        let problems =
            testing::validate::<TeamPath>(r#"{"path": [{"lable": "a"}], "allow": []}"#).unwrap_err();
        assert_eq!(problems[0].field, "path[0].lable");
        let problems = testing::validate::<TeamPath>(r#"{"path": [], "allow": []}"#).unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
    }

    #[test]
    fn patterns() {
        for (pattern, path, expected) in [
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", false),
            ("/a/*", "/a", false),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/a", false),
            ("/a/b-*-c", "/a/b-x-y-c", true),
            ("/a/b-*-c", "/a/b-c", false),
            ("/a", "/a", true),
            ("/a", "/ab", false),
        ] {
            assert_eq!(fits_path(pattern, path), expected, "{pattern} {path}");
        }
    }
}
