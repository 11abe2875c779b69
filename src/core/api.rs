//! The two kinds that users write, group `eksclusterregistry.spire.spiffe.io`, version `v1alpha1`.

mod eks_cluster_registry;
mod workload_identity;

use std::collections::BTreeMap;
use std::fmt;

pub use eks_cluster_registry::{
    ClusterAccess, ClusterTarget, EKSClusterRegistry, EKSClusterRegistrySpec, EKSClusterRegistryStatus,
};
use kube::{CustomResourceExt, Resource, ResourceExt};
pub use workload_identity::{
    ConfigMapKey, FailurePolicy, PluginLimits, PluginSource, PluginSpec, RolloutSpec, RolloutStatus,
    RolloutStep, WorkloadIdentity, WorkloadIdentitySpec, WorkloadIdentityStats, WorkloadIdentityStatus,
};

/// The finalizer that both kinds carry, so that their deletion is seen before they are gone.
pub const FINALIZER: &str = "eksclusterregistry.spire.spiffe.io/entries";

/// The annotation of both kinds that asks for a full reconciliation. It is taken away when that is done.
pub const RECONCILE_ANNOTATION: &str = "reconcile";

/// The annotation of a registry that takes another cluster in the place of the one that its status names: the uid of the
/// other's namespace `kube-system`.
pub const ACCEPT_CLUSTER_ANNOTATION: &str = "eksclusterregistry.spire.spiffe.io/accept-cluster";

/// The value of [`RECONCILE_ANNOTATION`].
pub fn reconcile_request<K: Resource>(object: &K) -> Option<&String> {
    object.annotations().get(RECONCILE_ANNOTATION)
}

/// The annotation of both kinds that releases what the brake holds, by the digest that the condition tells.
pub const RELEASE_ANNOTATION: &str = "eksclusterregistry.spire.spiffe.io/release";

/// The value of [`RELEASE_ANNOTATION`].
pub fn release<K: Resource>(object: &K) -> Option<&String> {
    object.annotations().get(RELEASE_ANNOTATION)
}

/// Whether somebody has asked for the object's deletion.
pub fn is_being_deleted<K: Resource>(object: &K) -> bool {
    object.meta().deletion_timestamp.is_some()
}

/// Whether the object carries [`FINALIZER`].
pub fn has_finalizer<K: Resource>(object: &K) -> bool {
    object.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
}

/// Both CustomResourceDefinitions as YAML documents by file name.
pub fn definitions() -> Result<Vec<(String, String)>, serde_saphyr::ser::Error> {
    [EKSClusterRegistry::crd(), WorkloadIdentity::crd()]
        .into_iter()
        .map(|crd| Ok((format!("{}.yaml", crd.name_any()), serde_saphyr::to_string(&crd)?)))
        .collect()
}

/// Something in an object or file that cannot be accepted as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// A fixed CamelCase word: the condition's reason and the metric's label.
    pub reason: &'static str,
    /// The field's path, such as `spec.podSelector.matchExpressions[0].operator`.
    pub field: String,
    /// The value at fault and what would be right.
    pub message: String,
}

impl Problem {
    /// A problem of one field.
    pub fn new(reason: &'static str, field: impl Into<String>, message: impl fmt::Display) -> Self {
        Self { reason, field: field.into(), message: message.to_string() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// What a spec has that this version does not know. It may narrow what the rest says (a selector of a newer version), so
/// the object is not used without it.
fn unknown_fields(fields: &BTreeMap<String, serde_json::Value>) -> impl Iterator<Item = Problem> {
    fields.iter().map(|(name, value)| {
        let message = format!(
            "{value} is of a field that this version does not know; remove it or upgrade the registrar"
        );
        Problem::new("InvalidSpec", format!("spec.{name}"), message)
    })
}

/// Several problems as one text, in their order.
pub fn told(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;
    use crate::derive::{CompiledIdentity, Domains};
    use crate::guardrails::Guardrails;
    use crate::names::IdentityName;
    use crate::spiffe::TrustDomain;

    /// What the definition says of a field of the spec: pattern and length.
    fn rule<K: CustomResourceExt>(field: &str) -> (Regex, usize) {
        let schema = serde_json::to_value(K::crd()).unwrap();
        let path = format!("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/{field}");
        let schema: JSONSchemaProps = serde_json::from_value(schema.pointer(&path).unwrap().clone()).unwrap();
        let pattern = schema.pattern.as_deref().unwrap_or("(?s)^.*$");
        (Regex::new(pattern).unwrap(), schema.max_length.map_or(usize::MAX, |most| most as usize))
    }

    fn fits((pattern, most): &(Regex, usize), text: &str) -> bool {
        text.chars().count() <= *most && pattern.is_match(text)
    }

    /// Whether the program takes a registry with this text in this field.
    fn takes_registry(field: &str, text: &str) -> bool {
        let mut spec = serde_json::json!({"clusterName": "a", "region": "us-west-2",
            "accountId": "111122223333", "enabled": true});
        spec[field] = text.into();
        let spec: EKSClusterRegistrySpec = serde_json::from_value(spec).unwrap();
        // That a role is of another account is no matter of its form.
        spec.target().map_or_else(|problems| problems.iter().all(|it| it.reason != "InvalidSpec"), |_| true)
    }

    fn takes_identity(field: &str, value: serde_json::Value) -> bool {
        let mut spec = serde_json::json!({"applicationName": "a", "namespace": "a",
            "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/a"});
        spec[field] = value;
        let spec: WorkloadIdentitySpec = serde_json::from_value(spec).unwrap();
        let domains =
            Domains { trust: TrustDomain::new("example.org").unwrap(), cluster: "cluster.local".into() };
        let name = IdentityName::new("a").unwrap();
        let namespaces = crate::select::Namespaces::compile(&spec);
        CompiledIdentity::compile(&name, &spec, &domains, &Guardrails::default()).is_ok()
            && namespaces.is_ok()
    }

    const REGISTRY_FIELDS: [&str; 7] =
        ["clusterName", "region", "accountId", "assumeRoleArn", "externalId", "endpoint", "proxyURL"];
    const IDENTITY_FIELDS: [&str; 5] = ["namespace", "ttl", "jwtTtl", "hint", "federatesWith/items"];

    /// Texts of which some are right and most are nearly so.
    const PIECES: &str = "(a|Z|b-c|us-west-2|-|_|[.]|/|:|@|[+]|=|,| |\\[::1\\]|\n|é|0|12|1|443|111122223333|arn:aws(-cn)?:iam::\
                          |role/|https?://|h|m|s|ms|1h|30m|.5|x{62}|x{253}){0,5}";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn the_definitions_refuse_nothing_that_the_program_takes(text in PIECES) {
            static RULES: LazyLock<Vec<(&str, (Regex, usize))>> = LazyLock::new(|| {
                let registry = REGISTRY_FIELDS.map(|field| (field, rule::<EKSClusterRegistry>(field)));
                let identity = IDENTITY_FIELDS.map(|field| (field, rule::<WorkloadIdentity>(field)));
                registry.into_iter().chain(identity).collect()
            });
            for (field, _) in RULES.iter().filter(|(_, rule)| !fits(rule, &text)) {
                let is_taken = match *field {
                    "federatesWith/items" => takes_identity("federatesWith", serde_json::json!([text])),
                    field if REGISTRY_FIELDS.contains(&field) => takes_registry(field, &text),
                    field => takes_identity(field, text.clone().into()),
                };
                prop_assert!(!is_taken, "{}: {:?}", field, text);
            }
        }
    }

    #[test]
    fn the_definitions_take_what_is_right_and_refuse_what_is_not() {
        let long = |count: usize| "a".repeat(count);
        let role = "arn:aws:iam::111122223333:role/team/registrar";
        let cases: [(&str, &[&str], &[&str]); 7] = [
            ("clusterName", &["a", "Prod_1-a", &long(100)], &["", "-a", "a.b", "a\n", &long(101)]),
            (
                "region",
                &["us-west-2", "us-gov-east-1", "ap-southeast-10"],
                &["", "mars", "us-west-", "us-west-100"],
            ),
            ("accountId", &["072422391281"], &["", "72422391281", "0724223912811", "07242239128x"]),
            (
                "assumeRoleArn",
                &["", role],
                &["registrar", "arn:aws:iam::1:role/a", "arn:aws:iam::111122223333:role/"],
            ),
            ("externalId", &["", "ab", &long(1224)], &["a", "a b", &long(1225)]),
            (
                "endpoint",
                &["", "https://a.example", "https://[::1]:443/"],
                &["http://a", "https://a/b", "https://u@a", "https://a:x"],
            ),
            ("proxyURL", &["", "http://proxy:3128"], &["https://proxy", "http://u:p@proxy", "socks://a"]),
        ];
        for (field, right, wrong) in cases {
            let rule = rule::<EKSClusterRegistry>(field);
            for text in right {
                assert!(fits(&rule, text) && takes_registry(field, text), "{field}: {text:?}");
            }
            for text in wrong {
                assert!(!fits(&rule, text) && !takes_registry(field, text), "{field}: {text:?}");
            }
        }
        let cases: [(&str, &[&str], &[&str]); 4] = [
            ("namespace", &["", "a", "a-1", &long(63)], &["A", "-a", "a.b", &long(64)]),
            ("ttl", &["", "0", "1h", "1h30m", "1.5h", "2000ms"], &["soon", "1", "1d", "-1h", "1h-5m"]),
            ("jwtTtl", &["5m"], &["5 m"]),
            ("hint", &["", &long(1024)], &[&long(1025)]),
        ];
        for (field, right, wrong) in cases {
            let rule = rule::<WorkloadIdentity>(field);
            for text in right {
                assert!(fits(&rule, text) && takes_identity(field, (*text).into()), "{field}: {text:?}");
            }
            for text in wrong {
                assert!(!fits(&rule, text) && !takes_identity(field, (*text).into()), "{field}: {text:?}");
            }
        }
        let schema = serde_json::to_value(WorkloadIdentity::crd()).unwrap();
        for field in ["namespaceSelector", "podSelector", "clusterSelector"] {
            let path = format!(
                "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/{field}/properties\
                 /matchExpressions/items/properties/operator/enum"
            );
            let operators = schema.pointer(&path).and_then(serde_json::Value::as_array).unwrap();
            for operator in ["In", "NotIn", "Exists", "DoesNotExist", "Near", "in", ""] {
                let values = if operator.ends_with("In") { vec!["a"] } else { Vec::new() };
                let value = serde_json::json!({"matchExpressions":
                    [{"key": "a", "operator": operator, "values": values}]});
                assert_eq!(
                    operators.contains(&operator.into()),
                    takes_identity(field, value),
                    "{field}: {operator}"
                );
            }
        }
    }
}
