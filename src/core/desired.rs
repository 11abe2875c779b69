//! What SPIRE is to hold, as the index gives it out: entries by pod, and what a seen fact allows to end.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::api::Problem;
use crate::by_pod::ByPod;
use crate::derive::Derivation;
use crate::entry::{ClusterTag, ContentHash, Entry, EntryDigest, EntryId, KeyHash};
use crate::held::Anchor;
use crate::mutants::{self, Mutant};
use crate::names::{ClusterName, IdentityName, PodUid};

/// A pod of one cluster. Every entry of ours names exactly one pod, so the pod is the unit of planning.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodKey {
    /// Which cluster.
    pub cluster: ClusterTag,
    /// Which pod.
    pub pod: PodUid,
}

/// One entry that a pod is to have: its digests, and what it can be made of again. Most entries are in place and never
/// written again, so none is kept whole.
#[derive(Clone)]
pub struct Wanted {
    /// Which identity wants it.
    pub identity: IdentityName,
    /// The digest that a new id gets.
    pub digest: EntryDigest,
    /// The digest of the entry's key.
    pub key: KeyHash,
    /// The digest of the entry's content.
    pub content: ContentHash,
    source: Source,
}

/// What an entry is made of.
#[derive(Clone)]
enum Source {
    Whole(Arc<Entry>),
    Derived(Derivation),
}

/// An entry that was not made as it was before: a defect, because the same facts make the same entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the entry of identity {identity} for pod {pod} came out otherwise than when it was planned")]
pub struct DerivedOtherwise {
    /// The identity.
    pub identity: IdentityName,
    /// The pod.
    pub pod: PodUid,
}

impl Wanted {
    /// What this identity wants for the pod, kept as it is; `slot` tells its entries apart.
    pub fn new(identity: &IdentityName, pod: &PodUid, slot: usize, entry: Entry) -> Self {
        let (key, content) = entry.hashes();
        let digest = EntryDigest::of(identity, pod, slot);
        Self { identity: identity.clone(), digest, key, content, source: Source::Whole(Arc::new(entry)) }
    }

    /// What this identity wants for the pod, as its templates give it.
    pub fn derived(identity: &IdentityName, derivation: Derivation) -> Result<Self, Problem> {
        let (key, content) = derivation.entry()?.hashes();
        let digest = EntryDigest::of(identity, &derivation.pod.uid, 0);
        Ok(Self { identity: identity.clone(), digest, key, content, source: Source::Derived(derivation) })
    }

    /// The entry.
    pub fn entry(&self) -> Result<Arc<Entry>, DerivedOtherwise> {
        match &self.source {
            Source::Whole(entry) => Ok(entry.clone()),
            Source::Derived(derivation) => match derivation.entry() {
                Ok(entry) if entry.hash() == self.content => Ok(Arc::new(entry)),
                _ => {
                    Err(DerivedOtherwise { identity: self.identity.clone(), pod: derivation.pod.uid.clone() })
                }
            },
        }
    }

    /// Whether both are made of the same facts, and not only the same entry.
    fn has_same_source(&self, other: &Self) -> bool {
        match (&self.source, &other.source) {
            (Source::Whole(_), Source::Whole(_)) => true,
            (Source::Derived(own), Source::Derived(others)) => own.is_of_same_facts(others),
            _ => false,
        }
    }
}

/// By what SPIRE would hold.
impl PartialEq for Wanted {
    fn eq(&self, other: &Self) -> bool {
        let own = (&self.identity, self.digest, self.key, self.content);
        own == (&other.identity, other.digest, other.key, other.content)
    }
}

impl Eq for Wanted {}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wanted({} {} {:?})", self.identity, self.digest, self.entry())
    }
}

/// Why something that may have ended is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hold {
    /// The management cluster's objects are not all known yet.
    Starting,
    /// The cluster's connection is being made.
    Connecting,
    /// The cluster cannot be reached.
    Unreachable,
    /// The registry says `enabled: false`.
    Disabled,
    /// The registry's spec cannot be used.
    InvalidRegistry,
    /// Another cluster answers than the one that the entries are of.
    AnotherCluster,
    /// Another registry, which is older, names the same cluster.
    SameCluster,
    /// An object of the cluster cannot be read, so that nobody can say what is gone.
    Unreadable,
    /// What the pod is to have cannot be derived now.
    NotDerived,
    /// No registry of this cluster is known, and none was seen deleted.
    UnknownCluster,
    /// No identity that it could come from is known, and none was seen deleted.
    UnknownIdentity,
    /// The predecessor made it and no pod is to have its key.
    Predecessor,
    /// Its identity says `preview: true`.
    Preview,
    /// The configuration says `mode: UpsertOnly`.
    UpsertOnly,
    /// The configuration says `mode: Observe`.
    Observe,
    /// The brake holds it.
    Brake,
    /// What the pod is to have instead is held by an entry that is not ours.
    Conflict,
}

impl Hold {
    /// Whether it holds entries that nobody known wants and whose end nobody saw: only a release lets them go.
    pub fn is_orphans(self) -> bool {
        matches!(self, Self::UnknownCluster | Self::UnknownIdentity | Self::Predecessor)
    }

    /// A fixed CamelCase word: the metric's label.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Starting => "Starting",
            Self::Connecting => "Connecting",
            Self::Unreachable => "Unreachable",
            Self::Disabled => "Disabled",
            Self::InvalidRegistry => "InvalidRegistry",
            Self::AnotherCluster => "AnotherCluster",
            Self::SameCluster => "SameCluster",
            Self::Unreadable => "Unreadable",
            Self::NotDerived => "NotDerived",
            Self::UnknownCluster => "UnknownCluster",
            Self::UnknownIdentity => "UnknownIdentity",
            Self::Predecessor => "Predecessor",
            Self::Preview => "Preview",
            Self::UpsertOnly => "UpsertOnly",
            Self::Observe => "Observe",
            Self::Brake => "Brake",
            Self::Conflict => "Conflict",
        }
    }
}

/// What one known pod is to have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodDesired {
    /// Its entries, each with another key.
    pub wanted: Box<[Wanted]>,
    /// Entries that identities with `preview: true` would give it.
    pub previewed: Box<[Wanted]>,
    /// Whatever else of ours it has stays, because of this.
    pub hold: Option<Hold>,
}

impl PodDesired {
    /// Whether it is the same, made of the same facts. What is equal and made of other facts is given out again, so that
    /// nobody keeps the former ones.
    pub fn is_same(&self, other: &Self) -> bool {
        let sources = |own: &[Wanted], others: &[Wanted]| {
            own.iter().zip(others).all(|(own, other)| own.has_same_source(other))
        };
        self == other && sources(&self.wanted, &other.wanted) && sources(&self.previewed, &other.previewed)
    }
}

/// What is known of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterStanding {
    /// Connected, listed and watched: entries are kept in step.
    Synced {
        /// Every pod is known, so that an unknown pod is gone.
        complete: bool,
    },
    /// Nothing is written for it.
    Held(Hold),
    /// Its registry was seen being deleted.
    Ended,
}

/// What is known of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityStanding {
    /// It exists.
    Live,
    /// It exists and is only tried: what it has stays as it is.
    Preview,
    /// It was seen being deleted.
    Ended,
}

/// What changed since the last delta; `None` is what is not known any more.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delta {
    /// Deltas are numbered in the order in which they are given out, from 1 on.
    pub number: u64,
    /// Both own kinds were listed.
    pub ready: bool,
    /// More is still to be settled: what the brake decides over is not complete.
    pub unsettled: bool,
    /// Somebody asked for a full reconciliation: SPIRE's entries are to be listed and compared now. The number of the last
    /// request; they are counted from 1 on.
    pub compare: Option<u64>,
    /// Digests of held plans that objects name, where that changed.
    pub released: Option<Arc<BTreeSet<String>>>,
    /// With them, the object that names each, such as `WorkloadIdentity/web`.
    pub released_by: BTreeMap<String, String>,
    /// Pods whose end was watched, one by one.
    pub ended: Vec<PodKey>,
    /// Clusters.
    pub clusters: Vec<(ClusterName, Option<ClusterStanding>)>,
    /// Identities.
    pub identities: Vec<(IdentityName, Option<IdentityStanding>)>,
    /// `metadata.generation` of those among them that exist.
    pub generations: Vec<(IdentityName, i64)>,
    /// The same of the clusters' registries.
    pub cluster_generations: Vec<(ClusterName, i64)>,
    /// Pods.
    pub pods: Vec<(PodKey, Option<Arc<PodDesired>>)>,
}

impl Delta {
    /// Whether it says anything beside whether both kinds were listed.
    pub fn has_news(&self) -> bool {
        let Self {
            number: _,
            ready: _,
            unsettled: _,
            compare,
            released,
            released_by: _,
            ended,
            clusters,
            identities,
            generations: _,
            cluster_generations: _,
            pods,
        } = self;
        let is_silent = ended.is_empty() && clusters.is_empty() && identities.is_empty() && pods.is_empty();
        compare.is_some() || released.is_some() || !is_silent
    }
}

/// A fact that was seen and says that an entry has ended. A delete can only be made of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenEnd(Cause);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Cause {
    RegistryDeleted,
    IdentityDeleted,
    PodGone,
    NotWanted,
    Released,
}

impl SeenEnd {
    /// Whether it is the pod's end, and not what somebody said of it.
    pub fn is_pods_end(&self) -> bool {
        self.0 == Cause::PodGone
    }

    /// Whether it is the deletion of the cluster's registry.
    pub fn is_registrys_end(&self) -> bool {
        self.0 == Cause::RegistryDeleted
    }

    /// For logs.
    pub fn reason(&self) -> &'static str {
        match self.0 {
            Cause::RegistryDeleted => "RegistryDeleted",
            Cause::IdentityDeleted => "IdentityDeleted",
            Cause::PodGone => "PodGone",
            Cause::NotWanted => "NotWanted",
            Cause::Released => "Released",
        }
    }

    /// Whether somebody released exactly this.
    pub fn is_release(&self) -> bool {
        self.0 == Cause::Released
    }
}

/// What becomes of an entry of ours that no pod is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It goes.
    End(SeenEnd),
    /// It stays.
    Hold(Hold),
}

/// All that SPIRE is to hold.
#[derive(Debug, Default)]
pub struct Desired {
    ready: bool,
    clusters: HashMap<ClusterTag, (ClusterName, ClusterStanding)>,
    identities: BTreeMap<IdentityName, IdentityStanding>,
    generations: BTreeMap<IdentityName, i64>,
    cluster_generations: BTreeMap<ClusterTag, i64>,
    pods: ByPod<Arc<PodDesired>>,
    /// Digests of held plans that objects name.
    released: Arc<BTreeSet<String>>,
    released_by: BTreeMap<String, String>,
    /// The entries of those among them that are plans of orphans.
    let_go: BTreeMap<String, BTreeSet<EntryId>>,
}

impl Desired {
    /// Takes a delta in.
    pub fn apply(&mut self, delta: &Delta) {
        self.ready = delta.ready;
        for (name, standing) in &delta.clusters {
            let tag = ClusterTag::of(name);
            self.cluster_generations.remove(&tag);
            match standing {
                Some(standing) => self.clusters.insert(tag, (name.clone(), *standing)),
                None => self.clusters.remove(&tag),
            };
        }
        for (name, standing) in &delta.identities {
            self.generations.remove(name);
            match standing {
                Some(standing) => self.identities.insert(name.clone(), *standing),
                None => self.identities.remove(name),
            };
        }
        self.generations.extend(delta.generations.iter().cloned());
        let of_clusters = delta.cluster_generations.iter();
        self.cluster_generations
            .extend(of_clusters.map(|(name, generation)| (ClusterTag::of(name), *generation)));
        if let Some(released) = &delta.released {
            self.released = released.clone();
            self.released_by = delta.released_by.clone();
            self.let_go.retain(|digest, _| released.contains(digest));
        }
        for (key, pod) in &delta.pods {
            match pod {
                Some(pod) => self.pods.insert(key, pod.clone()),
                None if mutants::is_on(Mutant::Resurrect) => None,
                None => self.pods.remove(key),
            };
        }
    }

    /// What would be desired after this delta, as far as its pods go: of others nothing is known in it.
    pub fn with(&self, delta: &Delta) -> Self {
        let mut desired = Self {
            ready: self.ready,
            clusters: self.clusters.clone(),
            identities: self.identities.clone(),
            ..Self::default()
        };
        desired.apply(delta);
        desired
    }

    /// Whether both own kinds were listed: before that, nothing is planned.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// What a pod is to have, where it is known.
    pub fn pod(&self, key: &PodKey) -> Option<&Arc<PodDesired>> {
        self.pods.get(key)
    }

    /// All known pods.
    pub fn pods(&self) -> impl Iterator<Item = PodKey> {
        self.pods.keys()
    }

    /// All known pods of one cluster.
    pub fn pods_of(&self, cluster: ClusterTag) -> impl Iterator<Item = PodKey> {
        self.pods.keys_of(cluster)
    }

    /// Digests of held plans that objects name.
    pub fn released(&self) -> &BTreeSet<String> {
        &self.released
    }

    /// Lets the entries of a plan of orphans go, where an object names its digest.
    pub fn let_go(&mut self, digest: &str, entries: BTreeSet<EntryId>) {
        if self.released.contains(digest) {
            self.let_go.insert(digest.to_owned(), entries);
        }
    }

    /// An entry that was let go is gone, or is an orphan no more: what comes after that was not released.
    pub fn take_back(&mut self, id: &EntryId) {
        self.let_go.retain(|_, entries| {
            entries.remove(id);
            !entries.is_empty()
        });
    }

    /// Whether anything was let go that is not gone.
    pub fn lets_go(&self) -> bool {
        !self.let_go.is_empty()
    }

    /// Whether somebody has released this entry.
    pub fn is_let_go(&self, id: &EntryId) -> bool {
        self.let_go.values().any(|entries| entries.contains(id))
    }

    /// The digest by which this entry was let go, and the object that names it.
    pub fn let_go_by(&self, id: &EntryId) -> Option<(&str, Option<&str>)> {
        let (digest, _) = self.let_go.iter().find(|(_, entries)| entries.contains(id))?;
        Some((digest, self.released_by.get(digest).map(String::as_str)))
    }

    /// Whether there are clusters and each of them, save those that are being deleted, told all its pods.
    pub fn all_in_step(&self) -> bool {
        let in_step = |standing: &ClusterStanding| {
            matches!(standing, ClusterStanding::Synced { complete: true } | ClusterStanding::Ended)
        };
        self.ready && !self.clusters.is_empty() && self.clusters.values().all(|(_, it)| in_step(it))
    }

    /// `metadata.generation` of an identity.
    pub fn generation(&self, name: &IdentityName) -> Option<i64> {
        self.generations.get(name).copied()
    }

    /// `metadata.generation` of a cluster's registry.
    pub fn cluster_generation(&self, cluster: &ClusterTag) -> Option<i64> {
        self.cluster_generations.get(cluster).copied()
    }

    /// An object that exists and can carry an annotation: the first registry, or the first identity.
    pub fn anchor(&self) -> Option<Anchor> {
        let exists = |(name, standing): &(ClusterName, ClusterStanding)| {
            (*standing != ClusterStanding::Ended).then(|| name.clone())
        };
        let registry = self.clusters.values().filter_map(exists).min();
        let identities = self.identities.iter().filter(|(_, it)| **it != IdentityStanding::Ended);
        let identity = identities.map(|(name, _)| Anchor::identity(name.as_str())).next();
        registry.map(|name| Anchor::registry(name.as_str())).or(identity)
    }

    /// What is known of a cluster.
    pub fn standing(&self, cluster: &ClusterTag) -> Option<ClusterStanding> {
        self.clusters.get(cluster).map(|(_, standing)| *standing)
    }

    /// Whether entries of this cluster may be created and updated.
    pub fn is_synced(&self, cluster: &ClusterTag) -> bool {
        self.ready && matches!(self.clusters.get(cluster), Some((_, ClusterStanding::Synced { .. })))
    }

    /// The name behind a tag, where its registry is known.
    pub fn cluster_name(&self, tag: &ClusterTag) -> Option<&ClusterName> {
        self.clusters.get(tag).map(|(name, _)| name)
    }

    /// What is known of an identity.
    pub fn identity(&self, name: &IdentityName) -> Option<IdentityStanding> {
        self.identities.get(name).copied()
    }

    /// Clusters whose registries were seen being deleted.
    pub fn ended_clusters(&self) -> impl Iterator<Item = (&ClusterTag, &ClusterName)> {
        let ended = self.clusters.iter().filter(|(_, (_, standing))| *standing == ClusterStanding::Ended);
        ended.map(|(tag, (name, _))| (tag, name))
    }

    /// Identities that were seen being deleted.
    pub fn ended_identities(&self) -> impl Iterator<Item = &IdentityName> {
        self.identities
            .iter()
            .filter(|(_, standing)| **standing == IdentityStanding::Ended)
            .map(|(name, _)| name)
    }

    /// What becomes of an entry of ours on this pod that the pod is not to have.
    pub fn fate(&self, key: &PodKey, id: &EntryId, digest: &EntryDigest) -> Fate {
        match self.seen_fate(key, digest) {
            Fate::Hold(hold) if hold.is_orphans() && self.is_let_go(id) => {
                Fate::End(SeenEnd(Cause::Released))
            }
            fate => fate,
        }
    }

    /// What the facts say, beside what somebody said of this very entry.
    fn seen_fate(&self, key: &PodKey, digest: &EntryDigest) -> Fate {
        let end = |cause| Fate::End(SeenEnd(cause));
        if !self.ready {
            return Fate::Hold(Hold::Starting);
        }
        if key.cluster.is_predecessor() {
            return Fate::Hold(Hold::Predecessor);
        }
        let Some((_, standing)) = self.clusters.get(&key.cluster) else {
            return Fate::Hold(Hold::UnknownCluster);
        };
        if *standing == ClusterStanding::Ended {
            return end(Cause::RegistryDeleted);
        }
        match (standing, self.pods.get(key)) {
            (ClusterStanding::Ended, _) => end(Cause::RegistryDeleted),
            (ClusterStanding::Held(_), _) if mutants::is_on(Mutant::DeleteOnSilence) => end(Cause::PodGone),
            (ClusterStanding::Held(hold), _) => Fate::Hold(*hold),
            (ClusterStanding::Synced { complete: true }, None) => end(Cause::PodGone),
            (ClusterStanding::Synced { .. }, None) if mutants::is_on(Mutant::DeleteUnreadable) => {
                end(Cause::PodGone)
            }
            (ClusterStanding::Synced { complete: false }, None) => Fate::Hold(Hold::Unreadable),
            (ClusterStanding::Synced { .. }, Some(pod)) => match pod.hold {
                Some(hold) => Fate::Hold(hold),
                // Only here, where what others want of the pod is known: the entry may have passed from the identity
                // that it was made for to another.
                None => match self.identity_of(&key.pod, digest).map(|(_, standing)| standing) {
                    Some(IdentityStanding::Ended) => end(Cause::IdentityDeleted),
                    // An identity that exists does not want it: it no longer selects the pod, or has another entry in
                    // place.
                    Some(IdentityStanding::Live) => end(Cause::NotWanted),
                    Some(IdentityStanding::Preview) if mutants::is_on(Mutant::DeleteFrozen) => {
                        end(Cause::NotWanted)
                    }
                    Some(IdentityStanding::Preview) => Fate::Hold(Hold::Preview),
                    None if mutants::is_on(Mutant::DeleteOrphans) => end(Cause::NotWanted),
                    None => Fate::Hold(Hold::UnknownIdentity),
                },
            },
        }
    }

    /// The identity that an entry was made for, where it is known.
    pub fn identity_of(
        &self,
        pod: &PodUid,
        digest: &EntryDigest,
    ) -> Option<(&IdentityName, IdentityStanding)> {
        let mut identities = self.identities.iter().map(|(name, standing)| (name, *standing));
        identities.find(|(name, _)| digest.is_of(name, pod))
    }
}
