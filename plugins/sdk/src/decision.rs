//! What a plugin returns, made so that it is valid.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;

use crate::bindings::exports::spire_eks_workload_registrar::plugin::identity as raw;
use crate::spiffe::{check_dns_name, check_selector};
use crate::{Failure, Invalid, SpiffeId};

/// SPIRE keeps at most so many characters of a hint.
const MAX_HINT_CHARACTERS: usize = 1024;

/// What becomes of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It gets these.
    Identities(Identities),
    /// The plugin has nothing to say of it: other identities may. The text says why.
    Skip(String),
    /// It must not have an identity from this plugin, and is shown as such. The text says why.
    Deny(String),
}

impl Decision {
    /// Several identities of one pod, each with another SPIFFE ID, parent or selectors.
    ///
    /// ```
    /// # use registrar_plugin::{Decision, Workload};
    /// # let workload = Workload::default();
    /// let api = workload.identity(["payments", "api"])?.selector("k8s", "container-name:api")?;
    /// let proxy = workload.identity(["payments", "proxy"])?.selector("k8s", "container-name:proxy")?;
    /// let decision = Decision::identities([api.clone(), proxy])?;
    /// assert_eq!(decision.spiffe_ids(), ["spiffe://example.org/payments/api", "spiffe://example.org/payments/proxy"]);
    /// assert!(Decision::identities([api.clone(), api]).unwrap_err().message.contains("twice"));
    /// # Ok::<(), registrar_plugin::Failure>(())
    /// ```
    pub fn identities(identities: impl IntoIterator<Item = Identity>) -> Result<Self, Failure> {
        let identities: Vec<Identity> = identities.into_iter().collect();
        if identities.is_empty() {
            return Err(Failure::new("the list of identities is empty: skip or deny says why there is none"));
        }
        let mut seen = BTreeSet::new();
        match identities.iter().find(|it| !seen.insert((&it.spiffe_id, &it.parent, &it.selectors))) {
            None => Ok(Self::Identities(Identities(identities))),
            Some(twice) => Err(Failure::new(format!(
                "{} is there twice with the same parent and selectors: SPIRE could not tell them apart",
                twice.spiffe_id
            ))),
        }
    }

    /// Leaves the pod to other identities.
    pub fn skip(why: impl Into<String>) -> Self {
        Self::Skip(why.into())
    }

    /// Says that the pod must not have an identity.
    pub fn deny(why: impl Into<String>) -> Self {
        Self::Deny(why.into())
    }

    /// The SPIFFE IDs, in order; none where it is skipped or denied. For tests.
    pub fn spiffe_ids(&self) -> Vec<&str> {
        match self {
            Self::Identities(identities) => identities.iter().map(|it| it.spiffe_id.as_str()).collect(),
            Self::Skip(_) | Self::Deny(_) => Vec::new(),
        }
    }
}

impl From<Identity> for Decision {
    fn from(identity: Identity) -> Self {
        Self::Identities(Identities(vec![identity]))
    }
}

/// One identity or more, no two alike; read it as a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identities(Vec<Identity>);

impl Deref for Identities {
    type Target = [Identity];

    fn deref(&self) -> &[Identity] {
        &self.0
    }
}

/// One identity of a pod.
///
/// ```
/// # use registrar_plugin::{Failure, Workload};
/// # fn derive(workload: &Workload) -> Result<registrar_plugin::Decision, Failure> {
/// let identity = workload
///     .identity(["payments", "api"])?
///     .selector("k8s", "container-name:api")?
///     .dns_name("api.payments.svc")?
///     .hint("api")?;
/// # Ok(identity.into())
/// # }
/// # assert!(derive(&Workload::default()).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    spiffe_id: SpiffeId,
    parent: Option<SpiffeId>,
    selectors: BTreeSet<(String, String)>,
    dns_names: Vec<String>,
    hint: Option<String>,
}

impl Identity {
    /// An identity of this id; refused are ids under `/spire/`, which are SPIRE's own. Mostly
    /// [`Workload::identity`](crate::Workload::identity) is shorter.
    pub fn new(spiffe_id: SpiffeId) -> Result<Self, Invalid> {
        if spiffe_id.is_reserved() {
            let problem = "ids under /spire/ are reserved for SPIRE's own servers and agents";
            return Err(Invalid::new("SPIFFE ID", spiffe_id.as_str(), problem));
        }
        Ok(Self { spiffe_id, parent: None, selectors: BTreeSet::new(), dns_names: Vec::new(), hint: None })
    }

    /// Another parent than the spec's `parentIDTemplate`, or than the agent of the pod's node.
    pub fn parent(mut self, parent: SpiffeId) -> Self {
        self.parent = Some(parent);
        self
    }

    /// One more selector, such as `k8s` and `container-name:api`. The pod's uid is always added by the registrar.
    pub fn selector(mut self, kind: impl Into<String>, value: impl Into<String>) -> Result<Self, Invalid> {
        let (kind, value) = (kind.into(), value.into());
        check_selector(&kind, &value)?;
        self.selectors.insert((kind, value));
        Ok(self)
    }

    /// One more DNS name; the first becomes the certificate's common name. One that is there already is not added again.
    pub fn dns_name(mut self, name: impl Into<String>) -> Result<Self, Invalid> {
        let name = name.into();
        check_dns_name(&name)?;
        if !self.dns_names.contains(&name) {
            self.dns_names.push(name);
        }
        Ok(self)
    }

    /// What tells the pod's identities apart; without it the spec's `hint` holds.
    pub fn hint(mut self, hint: impl Into<String>) -> Result<Self, Invalid> {
        let hint = hint.into();
        let characters = hint.chars().count();
        if characters > MAX_HINT_CHARACTERS {
            let problem =
                format!("it has {characters} characters, SPIRE keeps at most {MAX_HINT_CHARACTERS}");
            return Err(Invalid::new("hint", &hint, problem));
        }
        self.hint = Some(hint);
        Ok(self)
    }

    /// The SPIFFE ID.
    pub fn spiffe_id(&self) -> &SpiffeId {
        &self.spiffe_id
    }

    /// The selectors as SPIRE writes them, `type:value`, sorted. For tests.
    pub fn selectors(&self) -> Vec<String> {
        self.selectors.iter().map(|(kind, value)| format!("{kind}:{value}")).collect()
    }

    /// The DNS names. For tests.
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.spiffe_id.fmt(f)
    }
}

impl From<Decision> for raw::Decision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Identities(identities) => {
                Self::Identities(identities.0.into_iter().map(raw::Identity::from).collect())
            }
            Decision::Skip(why) => Self::Skip(why),
            Decision::Deny(why) => Self::Deny(why),
        }
    }
}

impl From<Identity> for raw::Identity {
    fn from(identity: Identity) -> Self {
        let selectors = identity.selectors.into_iter();
        Self {
            spiffe_id: raw::SpiffeId::Id(identity.spiffe_id.to_string()),
            parent_id: identity.parent.map(|parent| parent.to_string()),
            selectors: selectors.map(|(type_, value)| raw::Selector { type_, value }).collect(),
            dns_names: identity.dns_names,
            hint: identity.hint,
        }
    }
}
