//! The interface of `wit/` as Rust, and its values as the core's.
#![allow(unsafe_code, reason = "the generated code implements wasmtime's unsafe traits")]

use registrar_core::api::Problem;
use registrar_core::facts::Labels;
use registrar_core::plugin::{Bounds, Decision, Description, Fact, Proposal, ProposedId, Reads, Workload};

wasmtime::component::bindgen!({
    path: "wit",
    world: "plugin",
    ownership: Borrowing { duplicate_if_necessary: true },
});

pub(super) use exports::spire_eks_workload_registrar::plugin::identity as wit;
pub(super) use wit::Guest;

/// The component's word for itself; a name that does not fit into a message is cut.
pub(super) fn description(it: wit::Description) -> Description {
    let flag = |fact| match fact {
        Fact::Namespace => wit::Facts::NAMESPACE,
        Fact::PodName => wit::Facts::POD_NAME,
        Fact::PodUid => wit::Facts::POD_UID,
        Fact::PodLabels => wit::Facts::POD_LABELS,
        Fact::PodAnnotations => wit::Facts::POD_ANNOTATIONS,
        Fact::OwnerReferences => wit::Facts::OWNER_REFERENCES,
        Fact::ServiceAccount => wit::Facts::SERVICE_ACCOUNT,
        Fact::Containers => wit::Facts::CONTAINERS,
        Fact::NodeName => wit::Facts::NODE_NAME,
        Fact::NodeUid => wit::Facts::NODE_UID,
        Fact::NodeLabels => wit::Facts::NODE_LABELS,
        Fact::NamespaceLabels => wit::Facts::NAMESPACE_LABELS,
        Fact::ClusterName => wit::Facts::CLUSTER_NAME,
        Fact::ClusterLabels => wit::Facts::CLUSTER_LABELS,
        Fact::AccountId => wit::Facts::ACCOUNT_ID,
        Fact::Region => wit::Facts::REGION,
    };
    let reads: Reads =
        Fact::ALL.into_iter().filter(|fact| it.reads & flag(*fact) != wit::Facts::default()).collect();
    let short = |text: &str| Bounds::message(text).chars().take(63).collect();
    Description { name: short(&it.name), version: short(&it.version), reads }
}

/// A problem of the configuration.
pub(super) fn problem(it: wit::Problem) -> Problem {
    let field = Bounds::message(&it.field);
    let field = if field.is_empty() {
        "spec.plugin.config".to_owned()
    } else {
        format!("spec.plugin.config.{field}")
    };
    Problem::new("PluginConfigInvalid", field, Bounds::message(&it.message))
}

/// Why the component did not decide.
pub(super) fn failure(it: wit::Failure) -> Problem {
    Problem::new("PluginFailed", "spec.plugin", Bounds::message(&it.message))
}

/// What the component decided.
pub(super) fn decision(it: wit::Decision) -> Decision {
    match it {
        wit::Decision::Identities(identities) => {
            Decision::Identities(identities.into_iter().map(proposal).collect())
        }
        wit::Decision::Skip(why) => Decision::Skip(why),
        wit::Decision::Deny(why) => Decision::Deny(why),
    }
}

fn proposal(it: wit::Identity) -> Proposal {
    Proposal {
        spiffe_id: match it.spiffe_id {
            wit::SpiffeId::Path(path) => ProposedId::Path(path),
            wit::SpiffeId::Id(id) => ProposedId::Id(id),
        },
        parent_id: it.parent_id,
        selectors: it.selectors.into_iter().map(|selector| (selector.type_, selector.value)).collect(),
        dns_names: it.dns_names,
        hint: it.hint,
    }
}

/// Hands a workload over without a copy of its texts.
pub(super) fn with_workload<T>(workload: &Workload, call: impl FnOnce(wit::Workload<'_>) -> T) -> T {
    fn pairs(labels: &Labels) -> Vec<(&str, &str)> {
        labels.iter().collect()
    }
    let (pod_labels, node_labels) = (pairs(&workload.pod_labels), pairs(&workload.node_labels));
    let (namespace_labels, cluster_labels) =
        (pairs(&workload.namespace_labels), pairs(&workload.cluster_labels));
    let annotations = workload.pod_annotations.iter();
    let annotations: Vec<(&str, &str)> =
        annotations.map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let owners: Vec<wit::OwnerReference<'_>> = workload
        .owner_references
        .iter()
        .map(|owner| wit::OwnerReference {
            api_version: &owner.api_version,
            kind: &owner.kind,
            name: &owner.name,
            uid: &owner.uid,
            controller: owner.controller,
        })
        .collect();
    let containers: Vec<wit::Container<'_>> = workload
        .containers
        .iter()
        .map(|it| wit::Container { name: &it.name, image: &it.image, init: it.init })
        .collect();
    call(wit::Workload {
        trust_domain: &workload.trust_domain,
        application_name: &workload.application_name,
        namespace: &workload.namespace,
        pod_name: &workload.pod_name,
        pod_uid: &workload.pod_uid,
        pod_labels: &pod_labels,
        pod_annotations: &annotations,
        owner_references: &owners,
        service_account: &workload.service_account,
        containers: &containers,
        node_name: &workload.node_name,
        node_uid: &workload.node_uid,
        node_labels: &node_labels,
        namespace_labels: &namespace_labels,
        cluster_name: &workload.cluster_name,
        eks_cluster_name: &workload.eks_cluster_name,
        cluster_labels: &cluster_labels,
        account_id: &workload.account_id,
        region: &workload.region,
    })
}
