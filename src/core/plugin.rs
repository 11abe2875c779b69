//! Plugins as the core sees them: which component with which configuration, what it is asked, and what it may answer.
//! Nothing here runs one: a question goes out, and the answer that comes back is a fact.

mod compile;
mod decision;
mod reads;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use compile::bytes;
pub use compile::{DEFAULT_SOURCES, PluginUse, Rules};
use data_encoding::HEXLOWER;
pub use decision::{Bounds, Decision, Proposal, ProposedId};
pub use reads::{Fact, Reads};
use sha2::{Digest as _, Sha256};

use crate::api::Problem;
use crate::facts::Labels;

/// A SHA-256: of a component's bytes, or of the manifest of the image that holds it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Parses 64 hexadecimal digits, with or without `sha256:` before them.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "64 hexadecimal digits, as sha256sum prints them";
        let digits = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
        let bytes = HEXLOWER.decode(digits.as_bytes()).map_err(|_| RULE)?;
        bytes.try_into().map(Self).map_err(|_| RULE)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What one call may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limits {
    /// Computing time, counted in instructions, so that every replica comes to the same end.
    pub time: Duration,
    /// Bytes of linear memory, all of the component's memories together.
    pub memory: u64,
    /// Bytes of all that it returns.
    pub output: u64,
}

/// What a call may use where neither the identity nor the configuration says otherwise.
pub const DEFAULT_LIMITS: Limits =
    Limits { time: Duration::from_millis(200), memory: 128 << 20, output: 256 << 10 };

/// What no identity may go beyond where the configuration does not say otherwise.
pub const DEFAULT_CEILINGS: Limits =
    Limits { time: Duration::from_secs(1), memory: 256 << 20, output: 1 << 20 };

/// One component as one identity uses it; equal uses share everything, whichever identities they are of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plugin {
    /// The component.
    pub digest: Digest,
    /// `spec.plugin.config` as JSON text.
    pub config: Arc<str>,
    /// What a call may use.
    pub limits: Limits,
}

/// Where a component comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// An OCI image, by the digest of its manifest.
    Image {
        /// `registry/repository@sha256:…`.
        reference: String,
        /// The Secret in the registrar's own namespace that the registry's user and password are in.
        pull_secret: Option<String>,
    },
    /// A key of a ConfigMap in the management cluster.
    ConfigMap {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The key, of `binaryData`.
        key: String,
    },
    /// An `https` address.
    Url(String),
    /// A path that is mounted into the registrar's pod.
    File(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { reference, .. } => write!(f, "oci://{reference}"),
            Self::ConfigMap { namespace, name, key } => write!(f, "ConfigMap {namespace}/{name}, key {key}"),
            Self::Url(url) => f.write_str(url),
            Self::File(path) => write!(f, "file {path}"),
        }
    }
}

/// What a component says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// For messages.
    pub name: String,
    /// The component's own version.
    pub version: String,
    /// The facts that it is handed.
    pub reads: Reads,
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// Where a plugin stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginState {
    /// It can be asked.
    Ready {
        /// What it is and reads.
        description: Arc<Description>,
        /// What works and is yet worth telling.
        note: Option<Problem>,
    },
    /// It cannot be asked now: not fetched, refused, not compiled, or its configuration is not right. All problems at once.
    Failed(Vec<Problem>),
}

/// What is known of one pod, as far as a plugin reads it; what it does not read is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Workload {
    /// The trust domain; always there.
    pub trust_domain: Arc<str>,
    /// `spec.applicationName`; always there.
    pub application_name: Arc<str>,
    /// [`Fact::Namespace`].
    pub namespace: Arc<str>,
    /// [`Fact::PodName`].
    pub pod_name: Arc<str>,
    /// [`Fact::PodUid`].
    pub pod_uid: Arc<str>,
    /// [`Fact::PodLabels`].
    pub pod_labels: Labels,
    /// [`Fact::PodAnnotations`].
    pub pod_annotations: BTreeMap<String, String>,
    /// [`Fact::OwnerReferences`].
    pub owner_references: Vec<OwnerReference>,
    /// [`Fact::ServiceAccount`].
    pub service_account: Arc<str>,
    /// [`Fact::Containers`].
    pub containers: Vec<Container>,
    /// [`Fact::NodeName`].
    pub node_name: Arc<str>,
    /// [`Fact::NodeUid`].
    pub node_uid: Arc<str>,
    /// [`Fact::NodeLabels`].
    pub node_labels: Labels,
    /// [`Fact::NamespaceLabels`].
    pub namespace_labels: Labels,
    /// [`Fact::ClusterName`].
    pub cluster_name: Arc<str>,
    /// [`Fact::ClusterName`].
    pub eks_cluster_name: Arc<str>,
    /// [`Fact::ClusterLabels`].
    pub cluster_labels: Labels,
    /// [`Fact::AccountId`].
    pub account_id: Arc<str>,
    /// [`Fact::Region`].
    pub region: Arc<str>,
}

/// One of `metadata.ownerReferences`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnerReference {
    /// Such as `apps/v1`.
    pub api_version: String,
    /// Such as `ReplicaSet`.
    pub kind: String,
    /// Its `metadata.name`.
    pub name: String,
    /// Its `metadata.uid`.
    pub uid: String,
    /// Whether it is the managing controller.
    pub controller: bool,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Container {
    /// Its name in the pod.
    pub name: String,
    /// Its image as the pod names it.
    pub image: String,
    /// Whether it is an init container.
    pub init: bool,
}

/// A question for a plugin. Pods that are equal in what the plugin reads ask the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// Who is asked.
    pub plugin: Arc<Plugin>,
    /// Of what.
    pub workload: Workload,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What the plugin decided.
    Decided(Decision),
    /// Why it did not: it said so, it went beyond a limit, or it trapped. Asked again it would come to the same.
    Failed(Problem),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_as_sha256sum_prints_it_and_as_registries_do() {
        let digest = Digest::of(b"");
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), format!("sha256:{text}"));
        assert_eq!(Digest::parse(text), Ok(digest));
        assert_eq!(Digest::parse(&format!("sha256:{}", text.to_uppercase())), Ok(digest));
        for bad in ["", "sha256:", &text[1..], &format!("{text}0"), "sha512:00"] {
            assert!(Digest::parse(bad).is_err(), "{bad}");
        }
    }
}
