//! What a rollout is decided by: who has an edit, who is to have it, and whose pods are worse off with it than before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Index;
use super::cluster::{Basis, Cluster};
use super::objects::Identity;
use crate::api::{Problem, WorkloadIdentity};
use crate::derive::CompiledIdentity;
use crate::desired::{ClusterStanding, IdentityStanding};
use crate::facts::Labels;
use crate::names::{ClusterName, IdentityName};
use crate::rollout::Waves;

/// An identity with `spec.rollout`.
#[derive(Debug)]
pub struct RolloutView<'a> {
    /// Its name.
    pub name: &'a IdentityName,
    /// The object as last seen.
    pub object: &'a Arc<WorkloadIdentity>,
    /// Why its spec cannot be used; empty where it can.
    pub problems: &'a [Problem],
    /// Whether it is tried or being deleted.
    pub standing: IdentityStanding,
    /// The clusters that have the edit that is being rolled out; none where nothing is.
    pub updated: Option<&'a BTreeSet<ClusterName>>,
    /// Enabled clusters that the spec, or what it was before, selects; whether each is connected and listed.
    pub targets: BTreeMap<&'a ClusterName, bool>,
    /// The number of the delta that told of the spec, or of the clusters that have it, after all pods that it concerns.
    pub told_in: Option<u64>,
}

impl RolloutView<'_> {
    /// `spec.rollout`, checked.
    pub fn waves(&self) -> Result<Waves, Vec<Problem>> {
        Waves::compile(&self.object.spec.rollout.clone().unwrap_or_default())
    }
}

impl Index {
    /// The identities with `spec.rollout`.
    pub fn rollouts(&self) -> impl Iterator<Item = RolloutView<'_>> {
        self.identities.iter().filter_map(|(name, identity)| {
            let object = identity.object().filter(|object| object.spec.rollout.is_some())?;
            let wants = |version: &Identity, labels: &Labels| {
                let compiled = version.wanting();
                compiled.is_some_and(|it: &CompiledIdentity| it.selection.wants_cluster(labels))
            };
            let targets = self.clusters.iter().filter(|(_, cluster)| {
                identity.versions().any(|version| wants(version, &cluster.context().labels))
            });
            let is_synced =
                |name| matches!(self.cluster_standing(name), Some(ClusterStanding::Synced { .. }));
            Some(RolloutView {
                name,
                object,
                problems: identity.problems(),
                standing: identity.standing(),
                updated: identity.former().map(|(_, updated)| updated),
                targets: targets.map(|(name, _)| (name, is_synced(name))).collect(),
                told_in: identity.last_told_in(),
            })
        })
    }

    /// Number of a cluster's pods that the identity selects and of which something is not known yet.
    pub fn waiting(&self, name: &IdentityName, cluster: &ClusterName) -> u64 {
        self.identities.get(name).map_or(0, |identity| identity.waiting_in(cluster))
    }

    /// One of a cluster's pods that get nothing of an identity by its spec and got something, or were not selected, by what
    /// it said before: `namespace/name` and why.
    pub fn newly_without(&self, name: &IdentityName, cluster: &ClusterName) -> Option<(String, String)> {
        let identity = self.identities.get(name)?;
        let (former, _) = identity.former()?;
        let facts: &Cluster = self.clusters.get(cluster)?;
        let basis = Basis {
            context: facts.context(),
            settings: &self.settings,
            answers: &self.answers,
            hold_all: false,
        };
        let (uid, why) =
            identity.without(cluster).find(|(uid, _)| !facts.is_without(uid, name, former, &basis))?;
        Some((facts.pod_name(uid)?, why))
    }
}
