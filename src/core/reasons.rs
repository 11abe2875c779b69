//! Why a cluster is not watched: every fixed reason, which condition it belongs to, and what to do about it.

/// How far the way to a cluster had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// AWS or the API server does not take who we are.
    Credentials,
    /// The cluster itself, the network to it, or what it answers.
    Cluster,
    /// Nobody can say.
    Unknown,
}

/// One reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// The fixed CamelCase word.
    pub name: &'static str,
    /// Which condition is False.
    pub stage: Stage,
    /// The next step, a sentence; empty where it mends by itself.
    pub next: &'static str,
}

const fn reason(name: &'static str, stage: Stage, next: &'static str) -> Reason {
    Reason { name, stage, next }
}

/// All reasons for which a cluster is not, or not wholly, watched.
pub static REASONS: &[Reason] = &[
    reason(
        "NoCredentials",
        Stage::Credentials,
        "Give the process credentials: IRSA, EKS Pod Identity, an instance profile or the environment.",
    ),
    reason(
        "RoleNotAssumable",
        Stage::Credentials,
        "Check that the role exists, that its trust policy names the registrar and the external id (deploy/iam), and that the registrar may call sts:AssumeRole on it.",
    ),
    reason(
        "AssumeRoleFailed",
        Stage::Credentials,
        "Check that the regional STS endpoint can be reached and is enabled in the account.",
    ),
    reason(
        "RoleNotOfAccount",
        Stage::Credentials,
        "Set spec.assumeRoleArn to a role of the cluster's account.",
    ),
    reason(
        "CredentialsRefused",
        Stage::Credentials,
        "AWS does not know the credentials, or not any more: check whether they were revoked, and this machine's clock.",
    ),
    reason("TokenFailed", Stage::Credentials, ""),
    reason(
        "Unauthorized",
        Stage::Credentials,
        "Give the role an access entry in the cluster: aws eks create-access-entry --cluster-name NAME --principal-arn ROLE --kubernetes-groups spire-eks-workload-registrar.",
    ),
    reason(
        "ClockDiffers",
        Stage::Credentials,
        "Set this machine's clock: AWS takes no signature that is more than minutes off.",
    ),
    reason(
        "DescribeClusterDenied",
        Stage::Cluster,
        "Allow the role eks:DescribeCluster on the cluster (deploy/iam).",
    ),
    reason("DescribeClusterFailed", Stage::Cluster, "Check that the regional EKS endpoint can be reached."),
    reason("DescribeClusterUnusable", Stage::Cluster, ""),
    reason("AWSThrottled", Stage::Cluster, ""),
    reason("ClusterNotFound", Stage::Cluster, "Check spec.clusterName, spec.region and spec.accountId."),
    reason("ClusterCreating", Stage::Cluster, ""),
    reason("ClusterDeleting", Stage::Cluster, "Delete the registry if the cluster's entries are to go."),
    reason("ClusterFailed", Stage::Cluster, "See the cluster in EKS."),
    reason("ClusterNotActive", Stage::Cluster, ""),
    reason(
        "AccountMismatch",
        Stage::Cluster,
        "Correct spec.accountId or spec.assumeRoleArn: nothing was sent to the cluster.",
    ),
    reason(
        "AccountNotAllowed",
        Stage::Cluster,
        "Add the account to aws.accountIds in the configuration, or delete the registry: nothing was sent to the cluster.",
    ),
    reason("EndpointUnusable", Stage::Cluster, "Check spec.endpoint and spec.proxyURL."),
    reason(
        "NameNotResolved",
        Stage::Cluster,
        "Resolve the endpoint's name from here: a private endpoint needs its VPC's DNS, or spec.endpoint.",
    ),
    reason("ConnectionRefused", Stage::Cluster, "Check the endpoint, security groups and spec.proxyURL."),
    reason(
        "ConnectTimeout",
        Stage::Cluster,
        "Open the network to the endpoint: its public access list, security groups, or spec.endpoint and spec.proxyURL for a private one.",
    ),
    reason("ConnectionFailed", Stage::Cluster, ""),
    reason(
        "CertificateNotTrusted",
        Stage::Cluster,
        "What answers does not have a certificate of the cluster's authority: look for a proxy that opens TLS.",
    ),
    reason(
        "CertificateExpired",
        Stage::Cluster,
        "The API server's certificate is out of its time: check it, and this machine's clock.",
    ),
    reason(
        "CertificateNameMismatch",
        Stage::Cluster,
        "What answers has a certificate of another name: check spec.endpoint.",
    ),
    reason("TLSFailed", Stage::Cluster, ""),
    reason(
        "ProxyFailed",
        Stage::Cluster,
        "Check that the proxy of spec.proxyURL allows CONNECT to the endpoint.",
    ),
    reason("NoAnswer", Stage::Cluster, ""),
    reason("AnswerTooSlow", Stage::Cluster, ""),
    reason(
        "AnswerTooLarge",
        Stage::Cluster,
        "What answers is hardly a Kubernetes API server, or does not keep to the page's limit.",
    ),
    reason("AnswerUnreadable", Stage::Cluster, ""),
    reason("APIServerThrottled", Stage::Cluster, ""),
    reason("APIServerRefused", Stage::Cluster, ""),
    reason(
        "Forbidden",
        Stage::Cluster,
        "Apply deploy/workload-cluster/rbac.yaml in the cluster and map the role to its group.",
    ),
    reason("PartialPermissions", Stage::Cluster, "Apply deploy/workload-cluster/rbac.yaml in the cluster."),
    reason("Defect", Stage::Unknown, "Report it with the process's log."),
];

/// Which condition a reason belongs to.
pub fn stage(name: &str) -> Stage {
    REASONS.iter().find(|reason| reason.name == name).map_or(Stage::Unknown, |reason| reason.stage)
}

/// What to do about it; empty where it mends by itself.
pub fn next_step(name: &str) -> &'static str {
    REASONS.iter().find(|reason| reason.name == name).map_or("", |reason| reason.next)
}

const OUT_OF_REACH: &str = "see whether the API server of the management cluster can be reached from here";

/// What to do where a kind of ours cannot be read in the management cluster, by the HTTP status of the refusal; 0: there was
/// no answer.
pub fn management_next_step(code: u16) -> &'static str {
    match code {
        404 => "install its definition: kubectl apply -f crds/",
        401 | 403 => "give the registrar's service account its ClusterRole: deploy/kustomize/rbac.yaml",
        _ => OUT_OF_REACH,
    }
}

/// What to do where the Lease cannot be read or written.
pub fn lease_next_step(code: u16) -> &'static str {
    match code {
        401 | 403 => {
            "give the registrar's service account its Role: deploy/kustomize/rbac.yaml, in that namespace"
        }
        404 => "make the namespace, or name another",
        _ => OUT_OF_REACH,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn reasons_are_words_and_next_steps_sentences() {
        let names: BTreeSet<&str> = REASONS.iter().map(|reason| reason.name).collect();
        assert_eq!(names.len(), REASONS.len());
        for Reason { name, next, .. } in REASONS {
            assert!(name.bytes().all(|b| b.is_ascii_alphanumeric()), "{name}");
            assert!(next.is_empty() || next.ends_with('.'), "{next}");
        }
    }
}
