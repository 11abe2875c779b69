//! What a plugin is handed.

use crate::{Facts, Identity, Invalid, OwnerReference, SpiffeId, Workload};

impl Workload {
    /// An identity of the trust domain whose path has these segments, each checked by itself.
    ///
    /// ```
    /// # use registrar_plugin::Workload;
    /// let workload = Workload { service_account: "api".to_owned(), ..Workload::default() };
    /// let identity = workload.identity(["payments", &workload.service_account])?;
    /// assert_eq!(identity.spiffe_id().as_str(), "spiffe://example.org/payments/api");
    /// assert!(workload.identity(["payments", "../admin"]).is_err());
    /// assert!(workload.identity(["payments", &workload.region]).is_err(), "empty, because it is not known");
    /// # Ok::<(), registrar_plugin::Invalid>(())
    /// ```
    pub fn identity<S: AsRef<str>>(
        &self,
        segments: impl IntoIterator<Item = S>,
    ) -> Result<Identity, Invalid> {
        Identity::new(self.spiffe_id(segments)?)
    }

    /// An id of the trust domain whose path has these segments: for [`Identity::parent`].
    pub fn spiffe_id<S: AsRef<str>>(
        &self,
        segments: impl IntoIterator<Item = S>,
    ) -> Result<SpiffeId, Invalid> {
        SpiffeId::new(&self.trust_domain, segments)
    }

    /// A label of the pod.
    pub fn pod_label(&self, key: &str) -> Option<&str> {
        value(&self.pod_labels, key)
    }

    /// An annotation of the pod.
    pub fn pod_annotation(&self, key: &str) -> Option<&str> {
        value(&self.pod_annotations, key)
    }

    /// A label of the pod's node.
    pub fn node_label(&self, key: &str) -> Option<&str> {
        value(&self.node_labels, key)
    }

    /// A label of the pod's namespace.
    pub fn namespace_label(&self, key: &str) -> Option<&str> {
        value(&self.namespace_labels, key)
    }

    /// A label of the `EKSClusterRegistry`.
    pub fn cluster_label(&self, key: &str) -> Option<&str> {
        value(&self.cluster_labels, key)
    }

    /// The owner that manages the pod.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }

    /// What the registrar would hand to a component that reads these facts.
    pub(crate) fn reduced_to(&self, facts: Facts) -> Self {
        let reads = |fact| facts.contains(fact);
        let text = |fact, text: &String| if reads(fact) { text.clone() } else { String::new() };
        let map = |fact, map: &Vec<(String, String)>| if reads(fact) { map.clone() } else { Vec::new() };
        Self {
            trust_domain: self.trust_domain.clone(),
            application_name: self.application_name.clone(),
            namespace: text(Facts::NAMESPACE, &self.namespace),
            pod_name: text(Facts::POD_NAME, &self.pod_name),
            pod_uid: text(Facts::POD_UID, &self.pod_uid),
            pod_labels: map(Facts::POD_LABELS, &self.pod_labels),
            pod_annotations: map(Facts::POD_ANNOTATIONS, &self.pod_annotations),
            owner_references: if reads(Facts::OWNER_REFERENCES) {
                self.owner_references.clone()
            } else {
                Vec::new()
            },
            service_account: text(Facts::SERVICE_ACCOUNT, &self.service_account),
            containers: if reads(Facts::CONTAINERS) { self.containers.clone() } else { Vec::new() },
            node_name: text(Facts::NODE_NAME, &self.node_name),
            node_uid: text(Facts::NODE_UID, &self.node_uid),
            node_labels: map(Facts::NODE_LABELS, &self.node_labels),
            namespace_labels: map(Facts::NAMESPACE_LABELS, &self.namespace_labels),
            cluster_name: text(Facts::CLUSTER_NAME, &self.cluster_name),
            eks_cluster_name: text(Facts::CLUSTER_NAME, &self.eks_cluster_name),
            cluster_labels: map(Facts::CLUSTER_LABELS, &self.cluster_labels),
            account_id: text(Facts::ACCOUNT_ID, &self.account_id),
            region: text(Facts::REGION, &self.region),
        }
    }
}

/// Nothing is known but the trust domain, `example.org`: what tests begin with.
impl Default for Workload {
    fn default() -> Self {
        Self {
            trust_domain: "example.org".to_owned(),
            application_name: String::new(),
            namespace: String::new(),
            pod_name: String::new(),
            pod_uid: String::new(),
            pod_labels: Vec::new(),
            pod_annotations: Vec::new(),
            owner_references: Vec::new(),
            service_account: String::new(),
            containers: Vec::new(),
            node_name: String::new(),
            node_uid: String::new(),
            node_labels: Vec::new(),
            namespace_labels: Vec::new(),
            cluster_name: String::new(),
            eks_cluster_name: String::new(),
            cluster_labels: Vec::new(),
            account_id: String::new(),
            region: String::new(),
        }
    }
}

fn value<'a>(map: &'a [(String, String)], key: &str) -> Option<&'a str> {
    map.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}
