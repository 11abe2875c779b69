//! The resources that the API server has.

/// One resource of the API.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Resource {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) plural: &'static str,
    pub(super) kind: &'static str,
    pub(super) is_namespaced: bool,
    /// Whether status is written by its own subresource only.
    pub(super) has_status: bool,
}

const OURS: &str = "eksclusterregistry.spire.spiffe.io";

static RESOURCES: &[Resource] = &[
    resource("", "v1", "pods", "Pod", true, true),
    resource("", "v1", "nodes", "Node", false, true),
    resource("", "v1", "namespaces", "Namespace", false, true),
    resource("", "v1", "services", "Service", true, true),
    resource("", "v1", "configmaps", "ConfigMap", true, false),
    resource("", "v1", "secrets", "Secret", true, false),
    resource("", "v1", "events", "Event", true, false),
    resource("events.k8s.io", "v1", "events", "Event", true, false),
    resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true, false),
    resource("coordination.k8s.io", "v1", "leases", "Lease", true, false),
    resource(
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        false,
        false,
    ),
    resource(OURS, "v1alpha1", "eksclusterregistries", "EKSClusterRegistry", false, true),
    resource(OURS, "v1alpha1", "workloadidentities", "WorkloadIdentity", false, true),
];

const fn resource(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    is_namespaced: bool,
    has_status: bool,
) -> Resource {
    Resource { group, version, plural, kind, is_namespaced, has_status }
}

impl Resource {
    /// By plural, or by `plural.group` where that is not enough.
    pub(super) fn named(name: &str) -> &'static Self {
        let (plural, group) = name.split_once('.').unwrap_or((name, ""));
        let fits =
            |resource: &&Self| resource.plural == plural && (group.is_empty() || resource.group == group);
        RESOURCES.iter().find(fits).unwrap_or_else(|| panic!("the API server has no resource {name:?}"))
    }

    /// By the path of a request.
    pub(super) fn at(group: &str, version: &str, plural: &str) -> Option<&'static Self> {
        let mut all = RESOURCES.iter();
        all.find(|resource| (resource.group, resource.version, resource.plural) == (group, version, plural))
    }

    /// By an object's `apiVersion` and `kind`.
    pub(super) fn of(api_version: &str, kind: &str) -> &'static Self {
        let fits = |resource: &&Self| resource.kind == kind && resource.api_version() == api_version;
        let found = RESOURCES.iter().find(fits);
        found.unwrap_or_else(|| panic!("the API server has no kind {kind:?} of {api_version:?}"))
    }

    /// `v1`, `coordination.k8s.io/v1`.
    pub(super) fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// `pods`, `leases.coordination.k8s.io`: as messages of the API server name it.
    pub(super) fn qualified(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// Whether the server counts generations: it does so for kinds that a definition brought.
    pub(super) fn is_custom(&self) -> bool {
        self.group == OURS
    }
}
