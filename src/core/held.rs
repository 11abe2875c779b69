//! Everything that waits for somebody's release, as operators are shown it: what, how much, and the command.

use serde::Serialize;

use crate::api::RELEASE_ANNOTATION;
use crate::brake;
use crate::entry::EntryId;
use crate::ledger::Outcome;

/// How many entries a held plan shows.
pub(crate) const EXAMPLES: usize = 5;

/// An object that a release can be written on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anchor {
    /// What kubectl calls its kind.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

impl Anchor {
    /// A registry.
    pub fn registry(name: impl Into<String>) -> Self {
        Self { kind: "eksclusterregistry", name: name.into() }
    }

    /// An identity.
    pub fn identity(name: impl Into<String>) -> Self {
        Self { kind: "workloadidentity", name: name.into() }
    }

    fn command(&self, digest: &str) -> String {
        format!("kubectl annotate {} {} {RELEASE_ANNOTATION}={digest} --overwrite", self.kind, self.name)
    }
}

/// One plan that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// A fixed CamelCase word: `Brake`, or what the entries are held for.
    pub cause: &'static str,
    /// `fleet`, `cluster`, `clusterTag`, `identity` or `predecessor`.
    pub scope: &'static str,
    /// Which cluster, tag or identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Entries that would be deleted.
    pub deletes: u64,
    /// Entries that would get another SPIFFE ID, parent or selectors.
    pub updates: u64,
    /// Some of the entries.
    pub examples: Vec<String>,
    /// What releases exactly this plan; none while it can't be released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The object that the digest is written on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Anchor>,
    /// The command that releases it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// All of that as a sentence.
    pub message: String,
}

/// What an operator who asks is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Whether this replica has listed SPIRE's entries: otherwise it knows of nothing.
    pub listed: bool,
    /// All plans that wait.
    pub held: Vec<Waiting>,
}

impl Told {
    /// What waits now.
    pub fn of(outcome: &Outcome) -> Self {
        Self { listed: outcome.listed, held: waiting(outcome) }
    }
}

/// All plans that wait: those beyond a budget, then orphans.
pub fn waiting(outcome: &Outcome) -> Vec<Waiting> {
    let anchor = outcome.anchor.as_ref();
    let nowhere = Anchor { kind: "eksclusterregistry", name: "NAME".to_owned() };
    let anywhere = anchor.unwrap_or(&nowhere);
    let braked = |held: &brake::Held, scope, name: Option<String>, anchor: &Anchor| Waiting {
        cause: "Brake",
        scope,
        name,
        deletes: held.deletes,
        updates: held.updates,
        examples: texts(&held.examples),
        digest: Some(held.digest.clone()),
        object: Some(anchor.clone()),
        release: Some(anchor.command(&held.digest)),
        message: held.to_string(),
    };
    let fleet = outcome.braked_fleet.iter().map(|held| braked(held, "fleet", None, anywhere));
    let clusters = outcome.braked_clusters.iter().map(|(name, held)| {
        braked(held, "cluster", Some(name.to_string()), &Anchor::registry(name.as_str()))
    });
    let identities = outcome.braked_identities.iter().map(|(name, held)| {
        braked(held, "identity", Some(name.to_string()), &Anchor::identity(name.as_str()))
    });
    let orphans = outcome.orphans.iter().map(|plan| {
        let (scope, name) = match &plan.cluster {
            _ if plan.tag.is_predecessor() => ("predecessor", None),
            Some(cluster) => ("cluster", Some(cluster.to_string())),
            None => ("clusterTag", Some(plan.tag.to_string())),
        };
        let own = plan.cluster.as_ref().map(|cluster| Anchor::registry(cluster.as_str()));
        let anchor = own.as_ref().unwrap_or(anywhere);
        Waiting {
            cause: plan.cause.reason(),
            scope,
            name,
            deletes: plan.entries,
            updates: 0,
            examples: texts(&plan.examples),
            release: plan.digest.as_ref().map(|digest| anchor.command(digest)),
            object: plan.digest.as_ref().map(|_| anchor.clone()),
            digest: plan.digest.clone(),
            message: plan.to_string(),
        }
    });
    fleet.chain(clusters).chain(identities).chain(orphans).collect()
}

/// The digest that the message of a held plan names; none in one that names none.
pub fn digest_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once(RELEASE_ANNOTATION)?;
    let rest = rest.strip_prefix('=')?;
    let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
    Some(&rest[..end]).filter(|digest| !digest.is_empty())
}

fn texts(ids: &[EntryId]) -> Vec<String> {
    ids.iter().map(EntryId::to_string).collect()
}
