//! One pod looked at as it is when it is settled, but by every identity and without keeping anything.

use std::sync::Arc;

use super::cluster::{Basis, Cluster, Verdict};
use super::objects::Identity;
use super::{IdentityView, Index, Settings};
use crate::api::Problem;
use crate::derive::{ClusterContext, CompiledIdentity};
use crate::desired::PodDesired;
use crate::facts::{Labels, Malformed, NodeFacts, PodFacts};
use crate::names::{ClusterName, IdentityName, PodUid};

/// What is known of one pod, and what each identity says of it.
#[derive(Debug)]
pub struct PodView<'a> {
    /// Its cluster.
    pub cluster: &'a ClusterName,
    /// What the registry says of the cluster.
    pub context: &'a ClusterContext,
    /// `metadata.uid`.
    pub uid: &'a PodUid,
    /// None where the object cannot be read.
    pub facts: Option<&'a Arc<PodFacts>>,
    /// Why it cannot be read.
    pub malformed: Option<&'a Malformed>,
    /// Its node, where it is known.
    pub node: Option<&'a Arc<NodeFacts>>,
    /// The labels of its namespace, where they are known.
    pub namespace_labels: Option<&'a Labels>,
    /// Each identity in the order in which they are asked.
    pub verdicts: Vec<(IdentityName, Verdict)>,
    /// What the pod is to have of all of that.
    pub desired: PodDesired,
}

impl Index {
    /// The uids of a cluster's pods with this `namespace/name`: one, but for a moment when a pod follows another.
    pub fn pods_named<'a>(
        &'a self,
        cluster: &ClusterName,
        name: &'a str,
    ) -> impl Iterator<Item = &'a PodUid> {
        let pods = self.clusters.get(cluster).into_iter().flat_map(Cluster::pods);
        pods.filter(move |(_, pod)| pod.name() == name).map(|(uid, _)| uid)
    }

    /// `namespace/name` of each of a cluster's pods.
    pub fn pod_names(&self, cluster: &ClusterName) -> impl Iterator<Item = String> {
        self.clusters.get(cluster).into_iter().flat_map(Cluster::pods).map(|(_, pod)| pod.name())
    }

    /// The name of the cluster's pod of this uid, as `namespace/name`.
    pub fn pod_name(&self, cluster: &ClusterName, uid: &PodUid) -> Option<String> {
        self.clusters.get(cluster)?.pod_name(uid)
    }

    /// The compiled form of an identity that can be used, as pods of this cluster have to do with it.
    pub fn compiled(&self, name: &IdentityName, cluster: &ClusterName) -> Option<&CompiledIdentity> {
        self.identities.get(name)?.in_cluster(cluster).wanting()
    }

    /// Whether a rollout of an edit of this identity is under way that has not reached this cluster.
    pub fn is_not_reached(&self, name: &IdentityName, cluster: &ClusterName) -> bool {
        let former = self.identities.get(name).and_then(Identity::former);
        former.is_some_and(|(_, updated)| !updated.contains(cluster))
    }

    /// An identity with what is known of its pods.
    pub fn identity(&self, name: &IdentityName) -> Option<IdentityView<'_>> {
        let (name, identity) = self.identities.get_key_value(name)?;
        identity.view(name, &self.registries, &self.clusters, &self.answers)
    }

    /// Why the registry of this name cannot be read at all.
    pub fn unreadable_registry(&self, name: &str) -> Option<&str> {
        let (_, registry) = self.registries.iter().find(|(known, _)| known.as_str() == name)?;
        registry.problem.as_ref().map(|malformed| malformed.problem.as_str())
    }

    /// Why an identity cannot be used for pods of this cluster; empty where it can.
    pub fn problems_of(&self, name: &IdentityName, cluster: &ClusterName) -> &[Problem] {
        self.identities.get(name).map(|it| it.in_cluster(cluster).problems()).unwrap_or_default()
    }

    /// What the index is set up with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// One pod and what every identity says of it, by the same steps as when it is settled; none where it is not known.
    pub fn view(&self, cluster: &ClusterName, uid: &PodUid) -> Option<PodView<'_>> {
        let (name, known) = self.clusters.get_key_value(cluster)?;
        let identities = self.identities.iter().map(|(name, it)| (name, it.in_cluster(cluster)));
        let mut identities: Vec<(&IdentityName, &Identity)> = identities.collect();
        // Whoever has no place is asked last: it is being deleted, or nobody can say what it wants.
        identities.sort_by_key(|(_, it)| it.place().map_or((true, None), |place| (false, Some(&place.rank))));
        let basis = Basis {
            context: known.context(),
            settings: &self.settings,
            answers: &self.answers,
            hold_all: self.holds_all(cluster),
        };
        let (verdicts, desired) = known.explain(uid, &basis, |_| identities.into_iter())?;
        let (uid, pod) = known.pod(uid)?;
        let (facts, name_of_pod) = (known.facts(uid), pod.name());
        let malformed = known.malformed().find(|(kind, it)| *kind == "pod" && it.name == name_of_pod);
        Some(PodView {
            cluster: name,
            context: known.context(),
            uid,
            facts,
            malformed: malformed.map(|(_, it)| it).filter(|_| facts.is_none()),
            node: facts.and_then(|pod| pod.node.as_ref()).and_then(|node| known.node(node)),
            namespace_labels: facts.and_then(|pod| known.namespace(&pod.namespace)),
            verdicts,
            desired,
        })
    }
}
