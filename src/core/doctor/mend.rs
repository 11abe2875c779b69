//! What mends it, ready to be typed or put into a policy: the next step of `reasons`, filled in.

use serde_json::json;

use super::Registry;
use crate::api::{EKSClusterRegistry, EKSClusterRegistrySpec};
use crate::reasons;
use crate::rights::{Reading, Right};

/// The group that deploy/workload-cluster/rbac.yaml is for.
const GROUP: &str = "spire-eks-workload-registrar";

/// Said where a reason has no next step of its own.
const PASSES: &str =
    "It may pass: the registrar tries again by itself. If it stays, see docs/failure-modes.md.";

/// A next step as it stands in a log line, as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

/// What a role in the management cluster lacks.
pub(super) fn role(right: &Right, verbs: &[&str]) -> Vec<String> {
    let mut rule = json!({
        "apiGroups": [right.group],
        "resources": [right.resource_in_rules()],
        "verbs": verbs,
    });
    if let Some(name) = &right.name {
        rule["resourceNames"] = json!([name]);
    }
    let role = match &right.namespace {
        None => "ClusterRole spire-eks-workload-registrar".to_owned(),
        Some(namespace) => format!("Role of the registrar in namespace {namespace}"),
    };
    vec![
        format!("Apply deploy/kustomize/rbac.yaml or the chart again, or add to the {role}:"),
        format!("  - {rule}"),
    ]
}

/// Who asks for a cluster, and how.
pub(super) struct Way<'a> {
    pub(super) registry: &'a Registry,
    pub(super) object: &'a EKSClusterRegistry,
    /// As whom AWS knows the process.
    pub(super) caller: Option<&'a str>,
}

impl Way<'_> {
    fn spec(&self) -> &EKSClusterRegistrySpec {
        &self.object.spec
    }

    /// The IAM principal that the cluster has to know: the role that is assumed, or who the process is.
    fn principal(&self) -> String {
        match (&self.registry.role, self.caller) {
            (Some(role), _) => role.clone(),
            (None, Some(caller)) => principal(caller),
            (None, None) => "PRINCIPAL".to_owned(),
        }
    }

    /// The cluster's authentication mode, where EKS told it.
    fn mode(&self) -> Option<&str> {
        let described = self.registry.described.as_ref()?.as_ref().ok()?;
        described.authentication_mode.as_deref()
    }

    /// What mends a failure of this reason.
    pub(super) fn mend(&self, reason: &str) -> Vec<String> {
        let next = reasons::next_step(reason);
        let mut mend = vec![if next.is_empty() { PASSES.to_owned() } else { next.to_owned() }];
        let spec = self.spec();
        let (name, region, account) = (&spec.cluster_name, &spec.region, &spec.account_id);
        match reason {
            "RoleNotAssumable" => {
                let role = self.principal();
                let caller = self.caller.map_or_else(|| "REGISTRAR".to_owned(), principal);
                let mut trust =
                    json!({"Effect": "Allow", "Principal": {"AWS": caller}, "Action": "sts:AssumeRole"});
                if let Some(id) = spec.external_id.as_ref().filter(|id| !id.is_empty()) {
                    trust["Condition"] = json!({"StringEquals": {"sts:ExternalId": id}});
                }
                let policy = json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role});
                mend.push(format!("In the trust policy of {role}:"));
                mend.push(format!("  {trust}"));
                mend.push(format!("In a policy of {caller}:"));
                mend.push(format!("  {policy}"));
            }
            "DescribeClusterDenied" => {
                let partition = partition(region);
                let cluster = format!("arn:{partition}:eks:{region}:{account}:cluster/{name}");
                let policy = json!({"Effect": "Allow", "Action": "eks:DescribeCluster", "Resource": cluster});
                mend.push(format!("In a policy of {}:", self.principal()));
                mend.push(format!("  {policy}"));
            }
            "ClusterNotFound" => {
                mend.push(format!("What there is, as {}:", self.principal()));
                mend.push(format!("  aws eks list-clusters --region {region}"));
            }
            "AccountNotAllowed" => mend.push(format!("  aws: {{accountIds: [\"{account}\"]}}")),
            "Unauthorized" => mend = self.admission(),
            "Forbidden" => {
                mend.push(self.apply());
                mend.extend(self.group());
            }
            _ => {}
        }
        mend
    }

    /// How the cluster gets to know the principal, by its authentication mode.
    fn admission(&self) -> Vec<String> {
        let mode = self.mode();
        let by_entry = [
            "Give it an access entry, with credentials of the cluster's account:".to_owned(),
            format!(
                "  aws eks create-access-entry --cluster-name {} --region {} \\\n      --principal-arn {} --kubernetes-groups {GROUP}",
                self.spec().cluster_name,
                self.spec().region,
                self.principal()
            ),
        ];
        let by_map = || {
            let mut lines = vec![
                "Add to ConfigMap kube-system/aws-auth in the cluster, and keep what is there:".to_owned(),
            ];
            lines.extend(aws_auth(&self.principal()));
            lines
        };
        let known = format!(
            "The cluster does not know {} (authentication mode {}).",
            self.principal(),
            mode.unwrap_or("not told")
        );
        let mut mend = vec![known];
        match mode {
            Some("CONFIG_MAP") => mend.extend(by_map()),
            Some(_) => mend.extend(by_entry),
            None => {
                mend.extend(by_entry);
                mend.push("Or, where the cluster's authentication mode is CONFIG_MAP:".to_owned());
                mend.extend(by_map());
            }
        }
        mend.push("And see that the cluster has the ClusterRole of the group:".to_owned());
        mend.push(self.apply());
        mend
    }

    /// What gives the group its rights.
    fn apply(&self) -> String {
        let context = &self.spec().cluster_name;
        format!("  kubectl --context {context} apply -f deploy/workload-cluster/rbac.yaml")
    }

    /// Whether the principal is in the group.
    fn group(&self) -> [String; 2] {
        let EKSClusterRegistrySpec { cluster_name, region, .. } = self.spec();
        let principal = self.principal();
        let command = match self.mode() {
            Some("CONFIG_MAP") => {
                format!("  kubectl --context {cluster_name} -n kube-system get configmap aws-auth -o yaml")
            }
            _ => format!(
                "  aws eks describe-access-entry --cluster-name {cluster_name} --region {region} --principal-arn {principal}"
            ),
        };
        [format!("And see that {principal} is in group {GROUP} there:"), command]
    }

    /// What the ClusterRole in the cluster lacks.
    pub(super) fn rule(&self, reading: &Reading, verbs: &[&str]) -> Vec<String> {
        let rule = json!({"apiGroups": [reading.group], "resources": [reading.resource], "verbs": verbs});
        let next = reasons::next_step("PartialPermissions").to_owned();
        vec![next, self.apply(), format!("Its ClusterRole {GROUP} has this rule:"), format!("  - {rule}")]
    }
}

fn partition(region: &str) -> &'static str {
    crate::names::Region::new(region).map_or("aws", |region| region.partition())
}

/// The item of `mapRoles` or `mapUsers`. A role's path is left out there.
fn aws_auth(principal: &str) -> Vec<String> {
    let (list, key, arn) = match principal.split_once(":role/") {
        Some((account, path)) => {
            let name = path.rsplit('/').next().unwrap_or(path);
            ("mapRoles", "rolearn", format!("{account}:role/{name}"))
        }
        None => ("mapUsers", "userarn", principal.to_owned()),
    };
    vec![format!("  {list}: |\n    - {key}: {arn}\n      username: {GROUP}\n      groups: [{GROUP}]")]
}

/// The role of an assumed role's session, which is what policies and access entries name; STS does not tell the role's path.
fn principal(caller: &str) -> String {
    let role = caller.split_once(":assumed-role/").and_then(|(account, rest)| {
        let name = rest.split('/').next()?;
        Some(format!("{}:role/{name}", account.replacen(":sts:", ":iam:", 1)))
    });
    role.unwrap_or_else(|| caller.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_known_by_its_role() {
        let session = "arn:aws:sts::111122223333:assumed-role/registrar/botocore-session-1";
        assert_eq!(principal(session), "arn:aws:iam::111122223333:role/registrar");
        let user = "arn:aws:iam::111122223333:user/registrar";
        assert_eq!(principal(user), user);
        assert!(
            aws_auth("arn:aws:iam::111122223333:role/team/a")[0]
                .contains("rolearn: arn:aws:iam::111122223333:role/a\n")
        );
        assert!(aws_auth(user)[0].contains("mapUsers"));
    }
}
