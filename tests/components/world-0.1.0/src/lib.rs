//! Says back all that it is handed, in every form that the interface has. What is asked for is the configuration's `say`,
//! found by its text alone: `"identities"`, `"skip"`, `"deny"`, `"failure"`, `"problems"`.

wit_bindgen::generate!({ world: "plugin", path: "wit" });

use exports::spire_eks_workload_registrar::plugin::identity::{
    Decision, Description, Facts, Failure, Guest, Identity, Problem, Selector, SpiffeId, Workload,
};

struct Echo;

export!(Echo);

impl Guest for Echo {
    fn describe() -> Description {
        Description { name: "world".to_owned(), version: "0.1.0".to_owned(), reads: Facts::all() }
    }

    fn validate(config: String) -> Result<(), Vec<Problem>> {
        let problem = |field: &str, message: &str| Problem { field: field.to_owned(), message: message.to_owned() };
        match config.contains("problems") {
            true => Err(vec![problem("", "as a whole"), problem("say", "in one field")]),
            false => Ok(()),
        }
    }

    fn derive(workload: Workload, config: String) -> Result<Decision, Failure> {
        let all = said(&workload);
        if config.contains("skip") {
            return Ok(Decision::Skip(all.join(" ")));
        }
        if config.contains("deny") {
            return Ok(Decision::Deny(config));
        }
        if config.contains("failure") {
            return Err(Failure { message: config });
        }
        let selector = |text: String| Selector { type_: "said".to_owned(), value: text };
        let plain = Identity {
            spiffe_id: SpiffeId::Path(format!("/{}/path", workload.namespace)),
            parent_id: None,
            selectors: Vec::new(),
            dns_names: Vec::new(),
            hint: None,
        };
        let full = Identity {
            spiffe_id: SpiffeId::Id(format!("spiffe://{}/{}/id", workload.trust_domain, workload.namespace)),
            parent_id: Some(format!("spiffe://{}/agents/{}", workload.trust_domain, workload.node_name)),
            selectors: all.into_iter().map(selector).collect(),
            dns_names: vec![format!("b.{}", workload.namespace), format!("a.{}", workload.namespace)],
            hint: Some(workload.application_name),
        };
        Ok(Decision::Identities(vec![plain, full]))
    }
}

fn said(workload: &Workload) -> Vec<String> {
    let pairs = |pairs: &[(String, String)]| {
        pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    };
    let owners = workload.owner_references.iter().map(|it| {
        format!("{} {} {} {} {}", it.api_version, it.kind, it.name, it.uid, it.controller)
    });
    let containers = workload.containers.iter().map(|it| format!("{} {} {}", it.name, it.image, it.init));
    vec![
        format!("trust-domain {}", workload.trust_domain),
        format!("application-name {}", workload.application_name),
        format!("namespace {}", workload.namespace),
        format!("pod-name {}", workload.pod_name),
        format!("pod-uid {}", workload.pod_uid),
        format!("pod-labels {}", pairs(&workload.pod_labels)),
        format!("pod-annotations {}", pairs(&workload.pod_annotations)),
        format!("owner-references {}", owners.collect::<Vec<_>>().join(",")),
        format!("service-account {}", workload.service_account),
        format!("containers {}", containers.collect::<Vec<_>>().join(",")),
        format!("node-name {}", workload.node_name),
        format!("node-uid {}", workload.node_uid),
        format!("node-labels {}", pairs(&workload.node_labels)),
        format!("namespace-labels {}", pairs(&workload.namespace_labels)),
        format!("cluster-name {}", workload.cluster_name),
        format!("eks-cluster-name {}", workload.eks_cluster_name),
        format!("cluster-labels {}", pairs(&workload.cluster_labels)),
        format!("account-id {}", workload.account_id),
        format!("region {}", workload.region),
    ]
}
