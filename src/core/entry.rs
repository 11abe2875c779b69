//! What SPIRE holds for a workload: the entry, the key by which SPIRE knows it, and the id that we give it once.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};

use crate::mutants::{self, Mutant};
use crate::names::{ClusterName, IdentityName, PodUid};
use crate::spiffe::{DnsName, Selector, SpiffeId, TrustDomain};

/// What makes an entry the same entry to SPIRE: two entries with one key are not allowed to be created.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntryKey {
    /// The id that the workload is given.
    pub spiffe_id: SpiffeId,
    /// The agent (or server) that may hand it out.
    pub parent_id: SpiffeId,
    /// What the workload has to be, all of it.
    pub selectors: BTreeSet<Selector>,
}

/// A registration entry without its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// SPIFFE ID, parent, selectors.
    pub key: EntryKey,
    /// Lifetime of X509-SVIDs in seconds; 0 leaves it to the server.
    pub x509_svid_ttl: i32,
    /// Lifetime of JWT-SVIDs in seconds; 0 leaves it to the server.
    pub jwt_svid_ttl: i32,
    /// Trust domains whose bundles the workload gets.
    pub federates_with: BTreeSet<TrustDomain>,
    /// The workload may use SPIRE's administrative APIs.
    pub admin: bool,
    /// The workload is a downstream SPIRE server.
    pub downstream: bool,
    /// DNS names of the certificate, the first being its common name.
    pub dns_names: Vec<DnsName>,
    /// For the workload, to tell its identities apart.
    pub hint: String,
}

/// A digest of an [`EntryKey`]; equal for equal keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash([u8; 16]);

/// A digest of everything of an entry that a workload can see.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 16]);

impl EntryKey {
    /// The key's digest.
    pub fn hash(&self) -> KeyHash {
        KeyHash(digest_of(|hasher| self.write(hasher)))
    }

    fn write(&self, hasher: &mut Fields) {
        hasher.text(&self.spiffe_id.to_string());
        hasher.text(&self.parent_id.to_string());
        hasher.count(self.selectors.len());
        for selector in &self.selectors {
            hasher.text(selector.kind());
            hasher.text(selector.value());
        }
    }
}

impl Entry {
    /// The digest of the entry's content, key included.
    pub fn hash(&self) -> ContentHash {
        ContentHash(digest_of(|hasher| {
            self.key.write(hasher);
            hasher.count(self.x509_svid_ttl.unsigned_abs() as usize);
            hasher.count(self.jwt_svid_ttl.unsigned_abs() as usize);
            hasher.count(self.federates_with.len());
            self.federates_with.iter().for_each(|domain| hasher.text(domain.as_str()));
            hasher.count(usize::from(self.admin));
            hasher.count(usize::from(self.downstream));
            hasher.count(self.dns_names.len());
            self.dns_names.iter().for_each(|name| hasher.text(name.as_str()));
            hasher.text(&self.hint);
        }))
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32(&self.0, DIGEST_CHARACTERS))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32(&self.0, DIGEST_CHARACTERS))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({self})")
    }
}

/// Fields go in with their length, so that no two lists of fields have one encoding.
struct Fields(Sha256);

impl Fields {
    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.update(text.as_bytes());
    }
}

fn digest_of(write: impl FnOnce(&mut Fields)) -> [u8; 16] {
    let mut fields = Fields(Sha256::new());
    write(&mut fields);
    let full = fields.0.finalize();
    let mut short = [0; 16];
    short.iter_mut().zip(full).for_each(|(to, from)| *to = from);
    short
}

/// RFC 4648 base32 in lower case: ids have to be `[A-Za-z0-9._-]`, and case is easily lost.
fn base32(bytes: &[u8], characters: usize) -> Arc<str> {
    let mut text = BASE32_NOPAD.encode(bytes).to_ascii_lowercase();
    text.truncate(characters);
    text.into()
}

/// A digest of some texts, short enough to be typed: 13 characters (65 bits).
pub fn short_digest(texts: impl IntoIterator<Item = String>) -> String {
    let digest = digest_of(|fields| texts.into_iter().for_each(|text| fields.text(&text)));
    base32(&digest, TAG_CHARACTERS).to_string()
}

/// The part of our ids that names the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterTag(Arc<str>);

/// The part of our ids that names identity, pod and slot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryDigest(Arc<str>);

/// In the place of a cluster's tag, of which it has a character that none has.
const PREDECESSOR: &str = "0predecessor0";
const TAG_CHARACTERS: usize = 13;
const DIGEST_CHARACTERS: usize = 26;
const NONCE_CHARACTERS: usize = 13;
const VERSION: &str = "v1.";

impl ClusterTag {
    /// The tag of a cluster: 13 characters (65 bits) of its name's digest.
    pub fn of(cluster: &ClusterName) -> Self {
        Self(base32(&digest_of(|fields| fields.text(cluster.as_str())), TAG_CHARACTERS))
    }

    /// Where entries stand that the predecessor made and that no pod has claimed: their ids name no cluster.
    pub fn predecessor() -> Self {
        Self(PREDECESSOR.into())
    }

    /// Whether it is [`Self::predecessor`].
    pub fn is_predecessor(&self) -> bool {
        &*self.0 == PREDECESSOR
    }
}

impl fmt::Display for ClusterTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl EntryDigest {
    /// The digest of one entry of a pod; `slot`, below [`SLOTS`], tells several entries of one identity apart.
    pub fn of(identity: &IdentityName, pod: &PodUid, slot: usize) -> Self {
        let digest = digest_of(|fields| {
            fields.text(identity.as_str());
            fields.text(pod.as_str());
            fields.count(0);
        });
        let first = base32(&digest, DIGEST_CHARACTERS);
        if slot == 0 {
            return Self(first);
        }
        // The last character alone: whose an entry is can be said without knowing how many there are.
        let (whose, last) = first.split_at(DIGEST_CHARACTERS - 1);
        let last = ALPHABET.find(last).unwrap_or_default() ^ (slot % SLOTS);
        Self(format!("{whose}{}", ALPHABET.get(last..=last).unwrap_or_default()).into())
    }

    /// Whether it is the digest of an entry, of any slot, of this identity on this pod.
    pub fn is_of(&self, identity: &IdentityName, pod: &PodUid) -> bool {
        self.is_beside(&Self::of(identity, pod, 0))
    }

    /// Whether both are digests of one identity on one pod, whichever the slots.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.0.get(..DIGEST_CHARACTERS - 1) == other.0.get(..DIGEST_CHARACTERS - 1)
    }

    /// Of an entry that the predecessor made, while nobody has claimed it.
    pub fn of_id(id: &EntryId) -> Self {
        Self(base32(&digest_of(|fields| fields.text(id.as_str())), DIGEST_CHARACTERS))
    }
}

/// RFC 4648's letters in lower case.
const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz234567";
/// How many entries of one identity on one pod can be told apart.
pub const SLOTS: usize = ALPHABET.len();

/// What makes an id unlike every id before it; random in production, fixed in `render`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(Arc<str>);

impl Nonce {
    /// From 64 bits of randomness.
    pub fn new(bits: u64) -> Self {
        Self(base32(&bits.to_be_bytes(), NONCE_CHARACTERS))
    }
}

/// The id of a registration entry, ours or foreign.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(Arc<str>);

/// An id of ours, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnId {
    /// Which cluster.
    pub cluster: ClusterTag,
    /// Which identity, pod, slot.
    pub digest: EntryDigest,
}

impl EntryId {
    /// An id as SPIRE tells it.
    pub fn observed(id: &str) -> Self {
        Self(id.into())
    }

    /// A new id of ours: `<prefix>v1.<cluster tag>.<digest>.<nonce>`.
    pub fn make(prefix: &str, cluster: &ClusterTag, digest: &EntryDigest, nonce: &Nonce) -> Self {
        Self(format!("{prefix}{VERSION}{}.{}.{}", cluster.0, digest.0, nonce.0).into())
    }

    /// Takes an id of ours apart; none for an id that does not parse exactly so, which is foreign.
    pub fn own(&self, prefix: &str) -> Option<OwnId> {
        let after = self.0.strip_prefix(prefix)?;
        let rest = match mutants::is_on(Mutant::ForeignIsOurs) {
            true => after.split_once(VERSION)?.1,
            false => after.strip_prefix(VERSION)?,
        };
        let parts: Vec<&str> = rest.split('.').collect();
        let &[tag, digest, nonce] = parts.as_slice() else { return None };
        let base32 = |b: u8| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b);
        let fits = |part: &str, characters: usize| part.len() == characters && part.bytes().all(base32);
        let ours =
            fits(tag, TAG_CHARACTERS) && fits(digest, DIGEST_CHARACTERS) && fits(nonce, NONCE_CHARACTERS);
        ours.then(|| OwnId { cluster: ClusterTag(tag.into()), digest: EntryDigest(digest.into()) })
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> (ClusterTag, EntryDigest) {
        let cluster = ClusterName::new("workload-cluster").unwrap();
        let identity = IdentityName::new("web").unwrap();
        (ClusterTag::of(&cluster), EntryDigest::of(&identity, &PodUid::new("u1").unwrap(), 0))
    }

    #[test]
    fn an_id_made_here_parses_and_nothing_else_does() {
        let (tag, digest) = parts();
        let id = EntryId::make("eks-", &tag, &digest, &Nonce::new(u64::MAX));
        assert_eq!(id.own("eks-"), Some(OwnId { cluster: tag, digest }));
        assert!(id.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{id}");
        let text = id.to_string();
        for foreign in [
            text.replace("v1.", "v2."),
            format!("{text}."),
            format!("{text}.a"),
            text.to_uppercase(),
            format!("x{text}"),
            "eks-1acf83a6-0000-4000-8000-000000000000".to_owned(),
            "eks-v1...".to_owned(),
        ] {
            assert_eq!(EntryId::observed(&foreign).own("eks-"), None, "{foreign}");
        }
    }

    #[test]
    fn digests_differ_by_each_part() {
        let name = |n: &str| IdentityName::new(n).unwrap();
        let uid = |u: &str| PodUid::new(u).unwrap();
        let base = EntryDigest::of(&name("ab"), &uid("c"), 0);
        assert_ne!(base, EntryDigest::of(&name("a"), &uid("bc"), 0));
        assert_ne!(base, EntryDigest::of(&name("ab"), &uid("c"), 1));
        let slots: BTreeSet<EntryDigest> =
            (0..SLOTS).map(|slot| EntryDigest::of(&name("ab"), &uid("c"), slot)).collect();
        assert_eq!(slots.len(), SLOTS);
        assert!(
            slots.iter().all(|slot| slot.is_of(&name("ab"), &uid("c")) && !slot.is_of(&name("a"), &uid("c")))
        );
    }
}
