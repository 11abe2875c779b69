//! Native tests of a plugin: the calls that the registrar would make, without Wasm.

use crate::bindings::exports::spire_eks_workload_registrar::plugin::identity::Guest;
use crate::component::{Component, located, parse};
use crate::{Decision, Failure, Plugin, Problem, Workload};

/// What the plugin says of a configuration, as JSON text.
pub fn validate<P: Plugin>(config: &str) -> Result<(), Vec<Problem>> {
    Component::<P>::validate(config.to_owned())
}

/// What the plugin decides over a pod: facts that [`Plugin::reads`] does not name are taken away first, and a
/// configuration that the plugin does not accept is a failure.
pub fn derive<P: Plugin>(workload: &Workload, config: &str) -> Result<Decision, Failure> {
    validate::<P>(config)
        .map_err(|problems| Failure::new(problems.iter().map(located).collect::<Vec<_>>().join("\n")))?;
    let config = parse::<P>(config).map_err(|problem| Failure::new(located(&problem)))?;
    P::derive(&workload.reduced_to(P::reads()), &config)
}

/// Labels or annotations, in the order in which the registrar hands them over.
pub fn labels<const N: usize>(labels: [(&str, &str); N]) -> Vec<(String, String)> {
    let mut labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    labels.sort();
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Facts;

    /// Tells all that it is handed.
    struct Told;

    impl Plugin for Told {
        type Config = serde_json::Value;
        const NAME: &'static str = "told";
        const VERSION: &'static str = "1.0.0";

        fn reads() -> Facts {
            Facts::NAMESPACE | Facts::CLUSTER_NAME
        }

        fn check(config: &Self::Config) -> Vec<Problem> {
            match config.is_object() {
                true => Vec::new(),
                false => vec![Problem::new("", "must be an object")],
            }
        }

        fn derive(workload: &Workload, _: &Self::Config) -> Result<Decision, Failure> {
            Ok(Decision::skip(format!("{workload:?}")))
        }
    }

    crate::export!(Told);

    #[test]
    fn a_plugin_is_handed_what_it_reads_and_nothing_else() {
        let workload = Workload {
            namespace: "shop".to_owned(),
            cluster_name: "blue".to_owned(),
            eks_cluster_name: "blue-eks".to_owned(),
            pod_name: "web-1".to_owned(),
            pod_labels: labels([("app", "web")]),
            ..Workload::default()
        };
        let expected = Workload { pod_name: String::new(), pod_labels: Vec::new(), ..workload.clone() };
        assert_eq!(derive::<Told>(&workload, "{}").unwrap(), Decision::skip(format!("{expected:?}")));
    }

    #[test]
    fn a_configuration_is_told_where_it_is_wrong() {
        let told = |config| validate::<Told>(config).unwrap_err()[0].clone();
        assert_eq!(told("7"), Problem::new("", "must be an object"));
        assert!(told("{").message.contains("EOF"), "{:?}", told("{"));
        assert!(told("{} {}").message.contains("trailing"), "{:?}", told("{} {}"));
        assert_eq!(
            derive::<Told>(&Workload::default(), "7").unwrap_err().message,
            "config: must be an object"
        );
    }
}
