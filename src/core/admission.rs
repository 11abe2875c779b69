//! What is said of an object before the API server takes it: every problem at once, and what is legal and yet suspicious.

use kube::ResourceExt;

use crate::api::{ClusterTarget, EKSClusterRegistry, Problem, WorkloadIdentity};
use crate::derive::CompiledIdentity;
use crate::guardrails::Guardrails;
use crate::index::Settings;
use crate::names::{ClusterName, IdentityName};
use crate::select::Selection;

/// MySQL keeps no more of a SPIFFE ID: the datastore column of SPIRE's `registered_entries` is a `varchar(255)`.
const MYSQL_BYTES: usize = 255;

/// What is said of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Review {
    /// Why it cannot be used; none: it can.
    pub problems: Vec<Problem>,
    /// What is legal and worth a second look.
    pub warnings: Vec<Problem>,
}

/// Looks at an identity that is to be beside `others`; one of the same name among them is the version before.
pub fn identity<'a>(
    object: &WorkloadIdentity,
    others: impl Iterator<Item = &'a WorkloadIdentity>,
    settings: &Settings,
) -> Review {
    let name = match IdentityName::new(object.name_any()) {
        Ok(name) => name,
        Err(error) => {
            let problems = vec![Problem::new("InvalidSpec", "metadata.name", error)];
            return Review { problems, warnings: Vec::new() };
        }
    };
    let spec = &object.spec;
    let compiled = CompiledIdentity::compile(&name, spec, &settings.domains, &settings.guardrails);
    let compiled = match compiled {
        Ok(compiled) => compiled,
        Err(problems) => return Review { problems, warnings: Vec::new() },
    };
    let mut warnings = compiled.notes.clone();
    let mut warn = |reason, field: &str, message: String| warnings.push(Problem::new(reason, field, message));
    if spec.pod_selector.as_ref().is_none_or(|it| *it == Default::default()) {
        warn(
            "SelectsAllPods",
            "spec.podSelector",
            "is empty: every pod of the namespaces is selected".to_owned(),
        );
    }
    let all_clusters = spec.cluster_selector.as_ref().is_none_or(|it| *it == Default::default());
    if let Some(template) = compiled.spiffe_id_template() {
        let names = ["ClusterName", "EKSClusterName", "ClusterLabels"];
        if all_clusters && !names.iter().any(|name| template.mentions(name)) {
            warn(
                "SameInAllClusters",
                "spec.spiffeIDTemplate",
                "names no cluster, and spec.clusterSelector is empty: pods of all clusters share the SPIFFE ID".to_owned(),
            );
        }
        if template.mentions_labels() && settings.guardrails.rules.is_none() {
            warn(
                "LabelsDecide",
                "spec.spiffeIDTemplate",
                "reads labels or annotations, which whoever may write pods or nodes chooses, and the configuration's \
                 guardrails.rules set no limit to it"
                    .to_owned(),
            );
        }
        if template.shortest() > MYSQL_BYTES {
            let message = format!(
                "gives at least {} bytes; MySQL cuts a SPIFFE ID after {MYSQL_BYTES}",
                template.shortest()
            );
            warn("LongSPIFFEID", "spec.spiffeIDTemplate", message);
        }
    }
    for other in others {
        if other.name_any() == name.as_str() {
            let knows_former = other.status.as_ref().is_some_and(|status| status.rollout.is_some());
            if spec.rollout.is_some() && !knows_former && other.spec.rolled_out() != spec.rolled_out() {
                warn(
                    "NotRolledOut",
                    "spec.rollout",
                    "is new, and nothing is recorded yet that clusters could keep: this edit reaches all of them at once. \
                     Apply spec.rollout alone first"
                        .to_owned(),
                );
            }
            continue;
        }
        let other_name = other.name_any();
        let hint = spec.hint.as_deref().filter(|hint| !hint.is_empty());
        if hint.is_some() && hint == other.spec.hint.as_deref() {
            let message = format!(
                "WorkloadIdentity/{other_name} has the same: a workload of both cannot tell them apart"
            );
            warn("SameHint", "spec.hint", message);
        }
        let Ok(theirs) = Selection::compile(&other.spec) else { continue };
        let selects = match (theirs.covers(&compiled.selection), compiled.selection.covers(&theirs)) {
            _ if spec.fallback || other.spec.fallback => continue,
            (true, true) => "the same pods",
            (true, false) => "all of these pods too, and others",
            (false, true) => "some of these pods and no others",
            (false, false) => continue,
        };
        let message = format!("WorkloadIdentity/{other_name} selects {selects}: they get an entry of each");
        warn("SamePods", "spec.podSelector", message);
    }
    Review { problems: Vec::new(), warnings }
}

/// Looks at a registry that is to be beside `others`; one of the same name among them is the version before.
pub fn registry<'a>(
    object: &EKSClusterRegistry,
    others: impl Iterator<Item = &'a EKSClusterRegistry>,
    guardrails: &Guardrails,
) -> Review {
    let mut problems = Vec::new();
    if let Err(error) = ClusterName::new(object.name_any()) {
        problems.push(Problem::new("InvalidSpec", "metadata.name", error));
    }
    let checked = object.spec.checked(guardrails).map_err(|found| problems.extend(found)).ok();
    let Some((target, _)) = checked.filter(|_| problems.is_empty()) else {
        return Review { problems, warnings: Vec::new() };
    };
    let place = |it: &ClusterTarget| (it.eks_name.clone(), it.region.clone(), it.account.clone());
    let same = others
        .filter(|other| other.name_any() != object.name_any())
        .filter(|other| other.spec.target().is_ok_and(|other| place(&other) == place(&target)));
    let warnings = same.map(|other| {
        let message = format!(
            "EKSClusterRegistry/{} names the same cluster: the one that was made first has it, the other does nothing",
            other.name_any()
        );
        Problem::new("SameCluster", "spec.clusterName", message)
    });
    Review { problems, warnings: warnings.collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::derive::Domains;
    use crate::spiffe::TrustDomain;

    fn settings(guardrails: Guardrails) -> Settings {
        let domains =
            Domains { trust: TrustDomain::new("example.org").unwrap(), cluster: "cluster.local".into() };
        Settings { domains, ignore_namespaces: Vec::new(), guardrails }
    }

    fn object(name: &str, spec: Value) -> WorkloadIdentity {
        let mut whole = json!({"applicationName": "a", "namespace": "shop",
            "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/{{ .ClusterName }}/{{ .PodMeta.Name }}",
            "podSelector": {"matchLabels": {"app": "web"}}});
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": whole})).unwrap()
    }

    fn warnings(spec: Value) -> Vec<&'static str> {
        let review = identity(&object("web", spec), std::iter::empty(), &settings(Guardrails::default()));
        assert_eq!(review.problems, []);
        review.warnings.iter().map(|warning| warning.reason).collect()
    }

    #[test]
    fn what_is_suspicious_is_told_and_what_is_not_is_not() {
        assert_eq!(warnings(json!({})), [""; 0]);
        assert_eq!(warnings(json!({"podSelector": {}})), ["SelectsAllPods"]);
        let fixed = json!({"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/web"});
        assert_eq!(warnings(fixed.clone()), ["SameInAllClusters"]);
        let mut one = fixed;
        one["clusterSelector"] = json!({"matchLabels": {"name": "east"}});
        assert_eq!(warnings(one), [""; 0]);
        let labels = json!({"spiffeIDTemplate":
            "spiffe://{{ .TrustDomain }}/{{ $.EKSClusterName }}/{{ with .PodMeta }}{{ index .Labels \"tier\" }}{{ end }}"});
        assert_eq!(warnings(labels.clone()), ["LabelsDecide"]);
        let guarded = settings(Guardrails { rules: Some(Vec::new()), ..Guardrails::default() });
        assert_eq!(identity(&object("web", labels), std::iter::empty(), &guarded).warnings, []);
        let long = format!("spiffe://{{{{ .TrustDomain }}}}/{{{{ .ClusterName }}}}/{}", "x".repeat(260));
        assert_eq!(warnings(json!({"spiffeIDTemplate": long})), ["LongSPIFFEID"]);
        assert_eq!(warnings(json!({"namespace": ""})), ["NoNamespaceRule"]);
    }

    #[test]
    fn others_are_looked_at_and_the_version_before_is_not_another() {
        let mine = object("web", json!({"hint": "main"}));
        let others = [
            object("web", json!({"hint": "main"})),
            object("same", json!({"hint": "main", "namespace": "other"})),
            object("twin", json!({"hint": "else"})),
            object("rest", json!({"fallback": true})),
        ];
        let review = identity(&mine, others.iter(), &settings(Guardrails::default()));
        let told: Vec<String> = review.warnings.iter().map(Problem::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("spec.hint: WorkloadIdentity/same"), "{told:?}");
        assert!(told[1].starts_with("spec.podSelector: WorkloadIdentity/twin"), "{told:?}");
    }

    #[test]
    fn an_edit_that_brings_its_own_rollout_is_told_to_be_everywhere_at_once() {
        let before = object("web", json!({}));
        let rollout = json!({"steps": [{"clusters": 1}]});
        let reasons = |spec: Value, before: &WorkloadIdentity| -> Vec<&str> {
            let settings = settings(Guardrails::default());
            let review = identity(&object("web", spec), [before].into_iter(), &settings);
            review.warnings.iter().map(|warning| warning.reason).collect()
        };
        assert_eq!(reasons(json!({"rollout": rollout, "ttl": "1h"}), &before), ["NotRolledOut"]);
        assert_eq!(reasons(json!({ "rollout": rollout }), &before), [""; 0]);
        let mut recorded = before;
        let status = json!({"rollout": {"stableSpec": {}}});
        recorded.status = Some(serde_json::from_value(status).unwrap());
        assert_eq!(reasons(json!({"rollout": rollout, "ttl": "1h"}), &recorded), [""; 0]);
        let bad = object("web", json!({"rollout": {"steps": [{"clusters": "all"}]}}));
        let review = identity(&bad, std::iter::empty(), &settings(Guardrails::default()));
        assert_eq!(review.problems[0].field, "spec.rollout.steps[0].clusters");
    }

    #[test]
    fn another_trust_domain_is_told_where_the_text_names_it() {
        let problems = |template: &str| {
            let object = object("web", json!({ "spiffeIDTemplate": template }));
            identity(&object, std::iter::empty(), &settings(Guardrails::default())).problems
        };
        for template in
            ["spiffe://example.org/a", "spiffe://{{ .TrustDomain }}/a", "spiffe://exam{{ \"ple.org/a\" }}"]
        {
            assert_eq!(problems(template), [], "{template}");
        }
        let told = problems("spiffe://another.example/{{ .PodMeta.Name }}");
        assert_eq!((told.len(), told[0].reason), (1, "InvalidTrustDomain"));
        assert!(told[0].to_string().starts_with(
            "spec.spiffeIDTemplate: its trust domain is \"another.example\", must be \"example.org\""
        ));
    }

    #[test]
    fn pods_of_two_identities_are_told_also_where_one_selects_more() {
        let told = |mine: Value, other: Value| {
            let (mine, others) = (object("mine", mine), [object("other", other)]);
            let review = identity(&mine, others.iter(), &settings(Guardrails::default()));
            let told = review.warnings.into_iter().filter(|it| it.reason == "SamePods");
            told.map(|it| it.message).next().unwrap_or_default()
        };
        let tier = json!({"podSelector": {"matchLabels": {"app": "web", "tier": "a"}}});
        let west = json!({"clusterSelector": {"matchLabels": {"zone": "west"}}});
        let more =
            "WorkloadIdentity/other selects all of these pods too, and others: they get an entry of each";
        assert_eq!(told(tier.clone(), json!({})), more);
        assert_eq!(told(west.clone(), json!({})), more);
        let fewer =
            "WorkloadIdentity/other selects some of these pods and no others: they get an entry of each";
        assert_eq!(told(json!({}), tier.clone()), fewer);
        assert!(told(tier.clone(), tier.clone()).contains("the same pods"));
        // Neither is sure to select what the other does.
        assert_eq!(told(tier.clone(), west), "");
        assert_eq!(told(tier.clone(), json!({"namespace": "other"})), "");
        assert_eq!(told(tier, json!({"fallback": true})), "");
        assert_eq!(told(json!({"namespace": ""}), json!({"namespace": ""})), "", "they select nothing");
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let bad = object("web", json!({"spiffeIDTemplate": "{{ .Nope", "ttl": "soon", "namespace": "Shop"}));
        let review = identity(&bad, std::iter::empty(), &settings(Guardrails::default()));
        let fields: Vec<&str> = review.problems.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["spec.namespace", "spec.spiffeIDTemplate", "spec.ttl"]);
        let east = |name: &str, account: &str| -> EKSClusterRegistry {
            serde_json::from_value(
                json!({"metadata": {"name": name}, "spec": {"clusterName": "one", "region": "us-east-1",
                "accountId": account, "enabled": true}}),
            )
            .unwrap()
        };
        let others = [east("b", "111111111111"), east("a", "111111111111"), east("c", "222222222222")];
        let any = Guardrails::default();
        let review = registry(&east("a", "111111111111"), others.iter(), &any);
        assert_eq!(review.warnings.len(), 1);
        assert!(review.warnings[0].message.contains("EKSClusterRegistry/b"));
        assert_eq!(registry(&east("a", "1"), others.iter(), &any).problems[0].field, "spec.accountId");
    }
}
