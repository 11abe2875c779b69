//! What a comparison with SPIRE's list finds that nobody here did, and what somebody does again and again.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::entry::{EntryId, KeyHash};
use crate::names::IdentityName;

/// So many deletions of one entry within [`WITHIN`] are no accident.
const OFTEN: usize = 3;
/// How long a deletion counts.
const WITHIN: SignedDuration = SignedDuration::from_hours(1);
/// How many entries are followed: enough to see who cleans up, and no more after a mass deletion.
const FOLLOWED: usize = 10_000;

/// How many entries a comparison found otherwise than this registrar had left them, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drift {
    /// Entries of ours that somebody changed.
    pub changed: u64,
    /// Entries of ours that somebody deleted.
    pub deleted: u64,
    /// Entries with an id of ours that nobody here knows of: an older database, a second registrar of one prefix, or a call
    /// that SPIRE carried out when it was no longer waited for.
    pub appeared: u64,
    /// Entries whose ids begin with our prefix and are not ours.
    pub under_our_prefix: u64,
}

impl Drift {
    /// Whether anything was otherwise.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Each cause with its number.
    pub fn by_cause(&self) -> [(&'static str, u64); 4] {
        [
            ("Changed", self.changed),
            ("Deleted", self.deleted),
            ("Appeared", self.appeared),
            ("UnderOurPrefix", self.under_our_prefix),
        ]
    }
}

/// Entries of one identity that somebody deletes again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vanishing {
    /// Number of entries.
    pub entries: u64,
    /// The id that one of them had last.
    pub example: EntryId,
}

impl fmt::Display for Vanishing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, example } = self;
        write!(
            f,
            "Somebody else deletes {entries} of this identity's entries again and again (three times within an hour and more; one \
             was {example}) and they are made anew each time. The usual cause is a spire-controller-manager at the same \
             SPIRE server without entryIDPrefix: it deletes what it has not declared. Give it a prefix of its own."
        )
    }
}

#[derive(Debug)]
struct Followed {
    identity: Option<IdentityName>,
    last: EntryId,
    at: Vec<Timestamp>,
}

/// Deletions of our entries by others, by the entry's key: it is made anew under another id.
#[derive(Debug, Default)]
pub struct Deletions {
    followed: HashMap<KeyHash, Followed>,
}

impl Deletions {
    /// Notes that somebody deleted an entry.
    pub fn note(&mut self, key: KeyHash, id: &EntryId, identity: Option<&IdentityName>, now: Timestamp) {
        if self.followed.len() >= FOLLOWED && !self.followed.contains_key(&key) {
            self.forget(now);
            if self.followed.len() >= FOLLOWED {
                return;
            }
        }
        let followed = self.followed.entry(key).or_insert_with(|| Followed {
            identity: None,
            last: id.clone(),
            at: Vec::new(),
        });
        followed.identity = identity.cloned();
        followed.last = id.clone();
        followed.at.retain(|at| now.duration_since(*at) < WITHIN);
        followed.at.push(now);
    }

    /// Lets go of what happened too long ago to count.
    pub fn forget(&mut self, now: Timestamp) {
        self.followed.retain(|_, followed| {
            followed.at.retain(|at| now.duration_since(*at) < WITHIN);
            !followed.at.is_empty()
        });
    }

    /// What is deleted again and again, by identity.
    pub fn again(&self) -> BTreeMap<IdentityName, Vanishing> {
        let mut found: BTreeMap<IdentityName, Vanishing> = BTreeMap::new();
        for followed in self.followed.values().filter(|followed| followed.at.len() >= OFTEN) {
            let Some(identity) = &followed.identity else { continue };
            let known = found
                .entry(identity.clone())
                .or_insert_with(|| Vanishing { entries: 0, example: followed.last.clone() });
            known.entries += 1;
            // The same one whatever the order.
            known.example = followed.last.clone().min(known.example.clone());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::EntryKey;
    use crate::spiffe::SpiffeId;

    fn key(path: &str) -> KeyHash {
        let id = |path: &str| SpiffeId::new(format!("spiffe://example.org/{path}")).unwrap();
        EntryKey { spiffe_id: id(path), parent_id: id("node"), selectors: Default::default() }.hash()
    }

    #[test]
    fn three_deletions_within_an_hour_are_told_until_they_are_an_hour_old() {
        let (mut deletions, web) = (Deletions::default(), IdentityName::new("web").unwrap());
        let at = |minutes: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        let id = |number: i64| EntryId::observed(&format!("e{number}"));
        for minute in [0, 40, 80] {
            deletions.note(key("a"), &id(minute), Some(&web), at(minute));
        }
        deletions.note(key("b"), &id(1), Some(&web), at(80));
        assert!(deletions.again().is_empty(), "never three within one hour");
        deletions.note(key("a"), &id(81), Some(&web), at(81));
        let told = deletions.again();
        assert_eq!(told.get(&web), Some(&Vanishing { entries: 1, example: id(81) }));
        deletions.forget(at(139));
        assert!(deletions.again().is_empty());
    }
}
