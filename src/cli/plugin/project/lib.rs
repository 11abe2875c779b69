//! The SPIFFE ID of a pod by its namespace and one of its labels.

use registrar_plugin::{Decision, Facts, Failure, Plugin, Problem, Workload, export};
use serde::Deserialize;

/// `spec.plugin.config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The label whose value ends the path.
    label: String,
}

struct ByLabel;

impl Plugin for ByLabel {
    type Config = Config;
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn reads() -> Facts {
        Facts::NAMESPACE | Facts::POD_LABELS
    }

    fn check(config: &Config) -> Vec<Problem> {
        match config.label.as_str() {
            "" => vec![Problem::new("label", "must name a label, such as app.kubernetes.io/name")],
            _ => Vec::new(),
        }
    }

    fn derive(workload: &Workload, config: &Config) -> Result<Decision, Failure> {
        match workload.pod_label(&config.label) {
            None => Ok(Decision::skip(format!("the pod has no label {}", config.label))),
            Some(value) => Ok(workload.identity(["ns", &workload.namespace, value])?.into()),
        }
    }
}

export!(ByLabel);

#[cfg(test)]
mod tests {
    use registrar_plugin::testing;

    use super::*;

    #[test]
    fn a_label_ends_the_path() {
        let mut workload = Workload { namespace: "shop".to_owned(), ..Workload::default() };
        workload.pod_labels = testing::labels([("app", "web")]);
        let decision = testing::derive::<ByLabel>(&workload, r#"{"label": "app"}"#).unwrap();
        assert_eq!(decision.spiffe_ids(), ["spiffe://example.org/ns/shop/web"]);
    }

    #[test]
    fn a_configuration_without_a_label_is_not_accepted() {
        let problems = testing::validate::<ByLabel>(r#"{"label": ""}"#).unwrap_err();
        assert_eq!(problems[0].field, "label");
    }
}
