//! Does this identity want this pod, and if not, which rule said no.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Expression, Selector};
use regex::Regex;

use crate::api::{Problem, WorkloadIdentitySpec};
use crate::facts::{Labels, PodFacts};
use crate::names::NamespaceName;

/// The rules of an identity by which pods are selected.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    clusters: Requirements,
    namespaces: Namespaces,
    pods: Requirements,
    label: Option<(String, String)>,
}

/// The namespaces whose pods an identity may want.
#[derive(Debug, Clone, PartialEq)]
pub enum Namespaces {
    /// None: the identity has no rule for them.
    None,
    /// One, whose labels have to fit too where there is a selector.
    One(NamespaceName, Option<Requirements>),
    /// Those whose labels fit.
    Labelled(Requirements),
}

/// A label selector: all of its requirements have to be met.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Requirements(Vec<Expression>);

impl Requirements {
    /// Whether an object with these labels meets all of them.
    fn fit(&self, labels: &Labels) -> bool {
        self.unmet(labels).is_none()
    }

    fn unmet(&self, labels: &Labels) -> Option<&Expression> {
        self.0.iter().find(|requirement| !is_met(requirement, labels.get(key_of(requirement))))
    }
}

/// As kube's own matching, which takes only maps of strings.
fn is_met(requirement: &Expression, value: Option<&str>) -> bool {
    match requirement {
        Expression::In(_, values) => value.is_some_and(|value| values.contains(value)),
        Expression::NotIn(_, values) => !value.is_some_and(|value| values.contains(value)),
        Expression::Exists(_) => value.is_some(),
        Expression::DoesNotExist(_) => value.is_none(),
        Expression::Equal(_, wanted) => value == Some(wanted),
        Expression::NotEqual(_, unwanted) => value != Some(unwanted),
    }
}

fn key_of(requirement: &Expression) -> &str {
    let (Expression::In(key, _)
    | Expression::NotIn(key, _)
    | Expression::Equal(key, _)
    | Expression::NotEqual(key, _)
    | Expression::Exists(key)
    | Expression::DoesNotExist(key)) = requirement;
    key
}

impl Namespaces {
    /// Checks the identity's rules for namespaces.
    pub fn compile(spec: &WorkloadIdentitySpec) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let labels = spec.namespace_selector.as_ref();
        let labels = labels.map(|it| selector("spec.namespaceSelector", Some(it), &mut problems));
        let name =
            spec.namespace.as_deref().filter(|name| !name.is_empty()).map(NamespaceName::new).transpose();
        let name = name.map_err(|error| problems.push(Problem::new("InvalidSpec", "spec.namespace", error)));
        match (name, labels) {
            _ if !problems.is_empty() => Err(problems),
            (Ok(Some(name)), labels) => Ok(Self::One(name, labels)),
            (_, Some(labels)) => Ok(Self::Labelled(labels)),
            (_, None) => Ok(Self::None),
        }
    }

    /// Whether a namespace of this name and, where it is known, these labels may have selected pods.
    pub fn may_have(&self, namespace: &NamespaceName, labels: Option<&Labels>) -> bool {
        match self {
            Self::None => false,
            Self::One(name, selector) => {
                let fits = selector.as_ref().zip(labels).is_none_or(|(it, labels)| it.fit(labels));
                name == namespace && fits
            }
            Self::Labelled(selector) => labels.is_none_or(|labels| selector.fit(labels)),
        }
    }

    /// Whether the namespace's labels decide.
    pub fn reads_labels(&self) -> bool {
        matches!(self, Self::One(_, Some(_)) | Self::Labelled(_))
    }
}

/// The rule that said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The registry's labels do not fit `clusterSelector`.
    ClusterSelector,
    /// The pod is in another namespace, or its namespace's labels do not fit `namespaceSelector`.
    Namespace,
    /// The namespace's labels decide, and they are not known yet.
    NamespaceUnknown,
    /// The configuration's `ignoreNamespaces` names the pod's namespace.
    IgnoredNamespace,
    /// The pod's labels do not fit `podSelector`.
    PodSelector,
    /// The pod is not bound to a node yet.
    NotBound,
    /// The pod's phase is Succeeded or Failed.
    Finished,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClusterSelector => "the cluster's labels do not fit clusterSelector",
            Self::Namespace => "the pod is in another namespace",
            Self::NamespaceUnknown => "the labels of the pod's namespace are not known yet",
            Self::IgnoredNamespace => "ignoreNamespaces names the pod's namespace",
            Self::PodSelector => "the pod's labels do not fit podSelector",
            Self::NotBound => "the pod is not bound to a node",
            Self::Finished => "the pod has finished",
        })
    }
}

impl Selection {
    /// Checks the identity's selectors; the error is all problems at once.
    pub fn compile(spec: &WorkloadIdentitySpec) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let clusters = selector("spec.clusterSelector", spec.cluster_selector.as_ref(), &mut problems);
        let pods = selector("spec.podSelector", spec.pod_selector.as_ref(), &mut problems);
        let namespaces = Namespaces::compile(spec).map_err(|found| problems.extend(found));
        let labels = spec.pod_selector.as_ref().and_then(|selector| selector.match_labels.as_ref());
        let label = labels.and_then(|labels| labels.first_key_value());
        let label = label.map(|(key, value)| (key.clone(), value.clone()));
        match namespaces {
            Ok(namespaces) if problems.is_empty() => Ok(Self { clusters, namespaces, pods, label }),
            _ => Err(problems),
        }
    }

    /// The namespaces whose pods can be selected.
    pub fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// A label that every selected pod has, where there is one: by it the identity is found.
    pub fn label(&self) -> Option<(&str, &str)> {
        self.label.as_ref().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether it surely selects every pod that the other selects: of the same namespaces, by some of the same requirements.
    pub fn covers(&self, other: &Self) -> bool {
        let asks_no_more = |ours: &Requirements, theirs: &Requirements| {
            ours.0.iter().all(|requirement| theirs.0.contains(requirement))
        };
        self.namespaces != Namespaces::None
            && self.namespaces == other.namespaces
            && asks_no_more(&self.clusters, &other.clusters)
            && asks_no_more(&self.pods, &other.pods)
    }

    /// Whether a cluster with these labels can have selected pods.
    pub fn wants_cluster(&self, labels: &Labels) -> bool {
        self.clusters.fit(labels)
    }

    /// Whether the pod, in a cluster with these labels and in a namespace with those, is selected; otherwise the first
    /// rule that said no.
    pub fn wants(
        &self,
        cluster_labels: &Labels,
        namespace_labels: Option<&Labels>,
        pod: &PodFacts,
        ignored: &[Regex],
    ) -> Result<(), Refusal> {
        let rules = self.rules(cluster_labels, namespace_labels, pod, ignored);
        rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, refusal)| Err(refusal))
    }
}

impl Selection {
    /// How many of the rules hold for a pod, that of namespaces for two: of several identities that do not select it, that of
    /// the most is the nearest.
    pub fn nearness(
        &self,
        cluster_labels: &Labels,
        namespace_labels: Option<&Labels>,
        pod: &PodFacts,
        ignored: &[Regex],
    ) -> usize {
        let rules = self.rules(cluster_labels, namespace_labels, pod, ignored);
        let weight = |refusal| if refusal == Refusal::Namespace { 2 } else { 1 };
        let sum = rules.into_iter().filter(|(holds, _)| *holds).map(|(_, refusal)| weight(refusal)).sum();
        if self.namespaces == Namespaces::None { 0 } else { sum }
    }

    /// Each rule, whether it holds, in the order in which they are told.
    fn rules(
        &self,
        cluster_labels: &Labels,
        namespace_labels: Option<&Labels>,
        pod: &PodFacts,
        ignored: &[Regex],
    ) -> [(bool, Refusal); 7] {
        let is_known = namespace_labels.is_some() || !self.namespaces.reads_labels();
        [
            (self.wants_cluster(cluster_labels), Refusal::ClusterSelector),
            (self.namespaces.may_have(&pod.namespace, namespace_labels), Refusal::Namespace),
            (!is_ignored(&pod.namespace, ignored), Refusal::IgnoredNamespace),
            (self.pods.fit(&pod.labels), Refusal::PodSelector),
            (pod.node.is_some(), Refusal::NotBound),
            (!pod.finished, Refusal::Finished),
            // Last: whoever is refused by another rule does not have to wait for this one.
            (is_known, Refusal::NamespaceUnknown),
        ]
    }

    /// A refusal of [`Self::wants`] with what the rule wants and what is there instead.
    pub fn compared(
        &self,
        refusal: Refusal,
        cluster_labels: &Labels,
        namespace_labels: Option<&Labels>,
        pod: &PodFacts,
        ignored: &[Regex],
    ) -> String {
        let namespace = pod.namespace.as_str();
        let compared = match refusal {
            Refusal::ClusterSelector => {
                unmet(&self.clusters, cluster_labels, "the registry's spec.labels have")
                    .map(|it| format!("clusterSelector: {it}"))
            }
            Refusal::PodSelector => {
                unmet(&self.pods, &pod.labels, "the pod has").map(|it| format!("podSelector: {it}"))
            }
            Refusal::Namespace => match &self.namespaces {
                Namespaces::None => {
                    Some("it has neither namespace nor namespaceSelector, so it selects nothing".to_owned())
                }
                Namespaces::One(name, _) if name != &pod.namespace => {
                    Some(format!("namespace: {name} wanted, the pod is in {namespace}"))
                }
                Namespaces::One(_, Some(selector)) | Namespaces::Labelled(selector) => namespace_labels
                    .and_then(|labels| unmet(selector, labels, &format!("namespace {namespace} has")))
                    .map(|it| format!("namespaceSelector: {it}")),
                Namespaces::One(_, None) => None,
            },
            Refusal::IgnoredNamespace => {
                ignored.iter().find(|pattern| pattern.is_match(namespace)).map(|pattern| {
                    format!(
                        "the configuration's ignoreNamespaces has {:?}, which matches {namespace}",
                        pattern.as_str()
                    )
                })
            }
            Refusal::NamespaceUnknown | Refusal::NotBound | Refusal::Finished => None,
        };
        compared.unwrap_or_else(|| refusal.to_string())
    }
}

/// One requirement that is not met, and the label's value.
fn unmet(requirements: &Requirements, labels: &Labels, whose: &str) -> Option<String> {
    let requirement = requirements.unmet(labels)?;
    let key = key_of(requirement);
    let wanted = match requirement {
        Expression::Exists(key) => format!("label {key} wanted"),
        Expression::DoesNotExist(key) => format!("no label {key} wanted"),
        other => format!("{other} wanted"),
    };
    Some(match labels.get(key) {
        Some(value) => format!("{wanted}, {whose} {key}={value}"),
        None => format!("{wanted}, {whose} no {key}"),
    })
}

/// Whether one of the configuration's `ignoreNamespaces` matches.
pub fn is_ignored(namespace: &NamespaceName, ignored: &[Regex]) -> bool {
    ignored.iter().any(|pattern| pattern.is_match(namespace.as_str()))
}

/// An absent or empty selector selects everything, as in Kubernetes' own `LabelSelector`.
fn selector(field: &str, selector: Option<&LabelSelector>, problems: &mut Vec<Problem>) -> Requirements {
    let Some(selector) = selector else { return Requirements::default() };
    // The conversion tells one problem without its place: so the requirements go through it one by one first.
    for (index, requirement) in selector.match_expressions.iter().flatten().enumerate() {
        let single = LabelSelector { match_expressions: Some(vec![requirement.clone()]), match_labels: None };
        let field = format!("{field}.matchExpressions[{index}]");
        let takes_values = matches!(requirement.operator.as_str(), "In" | "NotIn");
        let has_values = requirement.values.as_ref().is_some_and(|values| !values.is_empty());
        if let Err(error) = Selector::try_from(single) {
            problems.push(Problem::new("InvalidSelector", field, error));
        } else if takes_values != has_values {
            let right = if takes_values { "needs at least one value" } else { "takes no values" };
            let message = format!("operator {} {right}", requirement.operator);
            problems.push(Problem::new("InvalidSelector", format!("{field}.values"), message));
        }
    }
    Requirements(Selector::try_from(selector.clone()).unwrap_or_default().into_iter().collect())
}

#[cfg(test)]
mod tests {
    use kube::core::SelectorExt;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::facts::demand::Demand;
    use crate::facts::trim;

    fn spec(value: serde_json::Value) -> WorkloadIdentitySpec {
        serde_json::from_value(value).unwrap()
    }

    fn web() -> PodFacts {
        let object = json!({"metadata": {"name": "web-1", "namespace": "shop", "uid": "u1", "labels": {"app": "web"}},
            "spec": {"nodeName": "n1"}});
        (*trim::pod(&object, &Demand::default()).unwrap()).clone()
    }

    #[test]
    fn each_rule_can_say_no() {
        let selection = Selection::compile(&spec(json!({"applicationName": "a", "namespace": "shop", "spiffeIDTemplate": "x",
            "podSelector": {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]},
            "clusterSelector": {"matchExpressions": [{"key": "env", "operator": "In", "values": ["prod"]}]}})))
        .unwrap();
        let prod = Labels::from_iter([("env", "prod")]);
        let ignored = [Regex::new("^sho").unwrap()];
        assert_eq!(selection.wants(&prod, None, &web(), &[]), Ok(()));
        assert_eq!(selection.wants(&Labels::default(), None, &web(), &[]), Err(Refusal::ClusterSelector));
        assert_eq!(selection.wants(&prod, None, &web(), &ignored), Err(Refusal::IgnoredNamespace));
        let other = PodFacts { namespace: NamespaceName::new("else").unwrap(), ..web() };
        assert_eq!(selection.wants(&prod, None, &other, &[]), Err(Refusal::Namespace));
        let labels = Labels::from_iter([("app", "web"), ("tier", "1")]);
        let tiered = PodFacts { labels, ..web() };
        assert_eq!(selection.wants(&prod, None, &tiered, &[]), Err(Refusal::PodSelector));
        assert_eq!(
            selection.wants(&prod, None, &PodFacts { node: None, ..web() }, &[]),
            Err(Refusal::NotBound)
        );
        assert_eq!(
            selection.wants(&prod, None, &PodFacts { finished: true, ..web() }, &[]),
            Err(Refusal::Finished)
        );
    }

    #[test]
    fn bad_selectors_are_told_with_their_place() {
        let problems = Selection::compile(&spec(json!({"applicationName": "a", "namespace": "Shop", "spiffeIDTemplate": "x",
            "podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}, {"key": "a", "operator": "Near"}]},
            "clusterSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": []}]}})))
        .unwrap_err();
        let fields: Vec<&str> = problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "spec.clusterSelector.matchExpressions[0].values",
                "spec.podSelector.matchExpressions[1]",
                "spec.namespace"
            ]
        );
    }

    #[test]
    fn namespaces_are_selected_by_name_by_labels_or_by_both_and_never_by_silence() {
        let namespaces = |rules: serde_json::Value| {
            let mut value = json!({"applicationName": "a", "spiffeIDTemplate": "x"});
            value.as_object_mut().unwrap().extend(rules.as_object().unwrap().clone());
            Selection::compile(&spec(value)).unwrap()
        };
        let team = |name: &str| -> Labels { Labels::from_iter([("team", name)]) };
        let wants = |selection: &Selection, labels: Option<&Labels>| {
            selection.wants(&Labels::default(), labels, &web(), &[])
        };
        let none = namespaces(json!({}));
        assert_eq!(wants(&none, Some(&team("a"))), Err(Refusal::Namespace));
        assert_eq!(wants(&namespaces(json!({"namespace": ""})), None), Err(Refusal::Namespace));
        let labelled = namespaces(json!({"namespaceSelector": {"matchLabels": {"team": "a"}}}));
        assert_eq!(wants(&labelled, Some(&team("a"))), Ok(()));
        assert_eq!(wants(&labelled, Some(&team("b"))), Err(Refusal::Namespace));
        assert_eq!(wants(&labelled, None), Err(Refusal::NamespaceUnknown));
        assert_eq!(wants(&namespaces(json!({"namespaceSelector": {}})), Some(&team("b"))), Ok(()));
        let both =
            namespaces(json!({"namespace": "shop", "namespaceSelector": {"matchLabels": {"team": "a"}}}));
        assert_eq!(wants(&both, Some(&team("a"))), Ok(()));
        assert_eq!(wants(&both, Some(&team("b"))), Err(Refusal::Namespace));
        let other = namespaces(json!({"namespace": "else", "namespaceSelector": {}}));
        assert_eq!(wants(&other, Some(&team("a"))), Err(Refusal::Namespace));
    }

    fn expression() -> impl Strategy<Value = Expression> {
        let key = || "[a-c]";
        let values = || prop::collection::btree_set("[x-z]", 1..3);
        prop_oneof![
            (key(), values()).prop_map(|(key, values)| Expression::In(key, values)),
            (key(), values()).prop_map(|(key, values)| Expression::NotIn(key, values)),
            key().prop_map(Expression::Exists),
            key().prop_map(Expression::DoesNotExist),
            (key(), "[x-z]").prop_map(|(key, value)| Expression::Equal(key, value)),
            (key(), "[x-z]").prop_map(|(key, value)| Expression::NotEqual(key, value)),
        ]
    }

    proptest! {
        #[test]
        fn labels_fit_as_kube_says(
            expressions in prop::collection::vec(expression(), 0..4),
            labels in prop::collection::btree_map("[a-c]", "[x-z]", 0..4),
        ) {
            let requirements = Requirements(expressions.clone());
            let selector = Selector::from_iter(expressions);
            prop_assert_eq!(requirements.fit(&labels.iter().collect()), selector.matches(&labels));
        }
    }
}
