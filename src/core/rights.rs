//! Every right that the program uses in Kubernetes, what it is for, and what is off without it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::ledger::Mode;

/// The group of both own kinds.
const OURS: &str = "eksclusterregistry.spire.spiffe.io";
/// Where Events about objects that have no namespace are kept.
const EVENTS_NAMESPACE: &str = "default";

/// One verb on one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Right {
    /// The API group; empty for the core one.
    #[serde(default)]
    pub group: String,
    /// The resource's plural.
    pub resource: String,
    /// Such as `status`; empty for the object itself.
    #[serde(default)]
    pub subresource: String,
    /// The namespace; none: in all, or a resource that has none.
    #[serde(default)]
    pub namespace: Option<String>,
    /// The one object that it is for; none: any.
    #[serde(default)]
    pub name: Option<String>,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`.
    pub verb: String,
}

impl Right {
    /// A verb on all objects of a resource.
    pub fn new(group: &str, resource: &str, verb: &str) -> Self {
        Self {
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: String::new(),
            namespace: None,
            name: None,
            verb: verb.to_owned(),
        }
    }

    /// The resource with its subresource, as rules of roles name it.
    pub fn resource_in_rules(&self) -> String {
        match self.subresource.as_str() {
            "" => self.resource.clone(),
            subresource => format!("{}/{subresource}", self.resource),
        }
    }
}

/// What it is a right to, without the verb.
impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource_in_rules())?;
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        self.namespace.iter().try_for_each(|namespace| write!(f, " in namespace {namespace}"))
    }
}

/// A right of the registrar in the management cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Which.
    pub right: Right,
    /// What is off without it.
    pub without: &'static str,
    /// Whether entries depend on it.
    pub is_vital: bool,
}

/// What the registrar does in the management cluster with this configuration: deploy/helm grants it.
pub fn management(config: &Config) -> Vec<Need> {
    let mut needs = Vec::new();
    let mut need = |right: Right, verbs: &[&str], is_vital: bool, without: &'static str| {
        needs.extend(verbs.iter().map(|verb| Need {
            right: Right { verb: (*verb).to_owned(), ..right.clone() },
            without,
            is_vital,
        }));
    };
    let any = |group: &str, resource: &str| Right::new(group, resource, "");
    let election = &config.leader_election;
    let inside = |right: Right| Right { namespace: Some(election.resource_namespace.clone()), ..right };
    let named = |right: Right, name: &str| Right { name: Some(name.to_owned()), ..right };
    let observes = config.mode == Mode::Observe;
    for plural in ["eksclusterregistries", "workloadidentities"] {
        let what = any(OURS, plural);
        need(what.clone(), &["list", "watch"], true, "nothing of the kind is known, so nothing is written");
        if !observes {
            need(what.clone(), &["patch"], true, "objects get no finalizer: their deletion may pass unseen");
            let status = Right { subresource: "status".to_owned(), ..what };
            need(status, &["patch"], true, "nothing is told on the objects");
        }
    }
    if election.leader_elect && !observes {
        let lease = inside(any("coordination.k8s.io", "leases"));
        let without = "no replica can lead, so nothing is written";
        need(lease.clone(), &["create"], true, without);
        need(named(lease, &election.resource_name), &["get", "update"], true, without);
    }
    if !observes {
        let events = any("events.k8s.io", "events");
        let events = Right { namespace: Some(EVENTS_NAMESPACE.to_owned()), ..events };
        need(events, &["create", "patch"], false, "no Events are told");
    }
    let without = "plugins in ConfigMaps of the registrar's own namespace cannot be fetched";
    need(inside(any("", "configmaps")), &["get"], false, without);
    for secret in config.plugins.pull_secrets.keys() {
        let secret = named(inside(any("", "secrets")), secret);
        need(secret, &["get"], false, "plugins whose registry asks for a password cannot be fetched");
    }
    if let Some(webhook) = &config.webhook
        && let Some(name) = &webhook.configuration_name
    {
        let without = "the admission webhook has no certificate that the API server trusts";
        let configuration = any("admissionregistration.k8s.io", "validatingwebhookconfigurations");
        need(named(configuration, name), &["get", "update"], false, without);
        let secrets = inside(any("", "secrets"));
        need(secrets.clone(), &["create"], false, without);
        need(named(secrets, &webhook.service_name), &["get", "update"], false, without);
    }
    needs
}

/// What is read in workload clusters: deploy/workload-cluster/rbac.yaml grants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The API group; empty for the core one.
    pub group: &'static str,
    /// The resource's plural.
    pub resource: &'static str,
    /// The path of its list.
    pub path: &'static str,
    /// The verbs without which the cluster is not watched at all.
    pub vital: &'static [&'static str],
    /// What is off without it.
    pub without: &'static str,
}

/// The verbs of each [`Reading`].
pub const VERBS: [&str; 3] = ["get", "list", "watch"];

/// Pods.
pub const PODS: Reading = Reading {
    group: "",
    resource: "pods",
    path: "/api/v1/pods",
    vital: &["list", "watch"],
    without: "the cluster is not watched; its entries stay as they are",
};
/// Nodes.
pub const NODES: Reading = Reading {
    group: "",
    resource: "nodes",
    path: "/api/v1/nodes",
    vital: &[],
    without: "pods of nodes that are not known get no entry, unless parentIDTemplate and the other templates read nothing of the node",
};
/// Namespaces.
pub const NAMESPACES: Reading = Reading {
    group: "",
    resource: "namespaces",
    path: "/api/v1/namespaces",
    // Which cluster answers is asked by namespace kube-system.
    vital: &["get"],
    without: "which cluster answers cannot be asked, so the next connection fails; namespaceSelector waits",
};
/// Endpoint slices.
pub const ENDPOINT_SLICES: Reading = Reading {
    group: "discovery.k8s.io",
    resource: "endpointslices",
    path: "/apis/discovery.k8s.io/v1/endpointslices",
    vital: &[],
    without: "entries lack the names of Services (autoPopulateDNSNames)",
};

/// All of them.
pub const READINGS: [Reading; 4] = [PODS, NODES, NAMESPACES, ENDPOINT_SLICES];
