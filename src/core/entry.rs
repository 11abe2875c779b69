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
        let [spiffe_id, parent_id] =
            [&self.spiffe_id, &self.parent_id].map(|id| (id.trust_domain_name(), id.path()));
        let selectors = self.selectors.iter().map(|selector| (selector.kind(), selector.value()));
        KeyHash::of(spiffe_id, parent_id, selectors)
    }
}

impl KeyHash {
    /// The digest of a key whose parts are borrowed: SPIFFE ID and parent, each as trust domain and path, and selectors as type
    /// and value, each once and in their order. Of what SPIRE tells, nothing else is kept.
    pub fn of<'a>(
        spiffe_id: (&str, &str),
        parent_id: (&str, &str),
        selectors: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        Self(digest_of(|hasher| {
            for (trust_domain, path) in [spiffe_id, parent_id] {
                hasher.text(trust_domain);
                hasher.text(path);
            }
            hasher.count(selectors.len());
            for (kind, value) in selectors {
                hasher.text(kind);
                hasher.text(value);
            }
        }))
    }
}

/// What an entry says beside its key, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// See [`Entry::x509_svid_ttl`].
    pub x509_svid_ttl: i32,
    /// See [`Entry::jwt_svid_ttl`].
    pub jwt_svid_ttl: i32,
    /// See [`Entry::federates_with`].
    pub federates_with: &'a BTreeSet<TrustDomain>,
    /// See [`Entry::admin`].
    pub admin: bool,
    /// See [`Entry::downstream`].
    pub downstream: bool,
    /// See [`Entry::dns_names`].
    pub dns_names: &'a [DnsName],
    /// See [`Entry::hint`].
    pub hint: &'a str,
}

impl Content<'_> {
    /// The digest of it and of the key that it comes with.
    pub fn hash(&self, key: &KeyHash) -> ContentHash {
        ContentHash(digest_of(|hasher| {
            hasher.0.update(key.0);
            hasher.count(self.x509_svid_ttl.unsigned_abs() as usize);
            hasher.count(self.jwt_svid_ttl.unsigned_abs() as usize);
            hasher.count(self.federates_with.len());
            self.federates_with.iter().for_each(|domain| hasher.text(domain.as_str()));
            hasher.count(usize::from(self.admin));
            hasher.count(usize::from(self.downstream));
            hasher.count(self.dns_names.len());
            self.dns_names.iter().for_each(|name| hasher.text(name.as_str()));
            hasher.text(self.hint);
        }))
    }
}

impl Entry {
    /// One that says nothing but its key.
    #[cfg(test)]
    pub(crate) fn of_key(key: EntryKey) -> Self {
        Self {
            key,
            x509_svid_ttl: 0,
            jwt_svid_ttl: 0,
            federates_with: BTreeSet::new(),
            admin: false,
            downstream: false,
            dns_names: Vec::new(),
            hint: String::new(),
        }
    }

    /// The digest of the entry's content, key included.
    pub fn hash(&self) -> ContentHash {
        self.hashes().1
    }

    /// The digests of the entry's key and of its content, key included.
    pub fn hashes(&self) -> (KeyHash, ContentHash) {
        let key = self.key.hash();
        let content = Content {
            x509_svid_ttl: self.x509_svid_ttl,
            jwt_svid_ttl: self.jwt_svid_ttl,
            federates_with: &self.federates_with,
            admin: self.admin,
            downstream: self.downstream,
            dns_names: &self.dns_names,
            hint: &self.hint,
        };
        (key, content.hash(&key))
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Base32::<DIGEST_CHARACTERS>::of(&self.0).as_str())
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Base32::<DIGEST_CHARACTERS>::of(&self.0).as_str())
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

/// RFC 4648 base32 in lower case, so many characters of it: ids have to be `[A-Za-z0-9._-]`, and case is easily lost. Made
/// without an allocation, because ids are made and read by the million.
struct Base32<const N: usize>([u8; N]);

impl<const N: usize> Base32<N> {
    fn of(bytes: &[u8]) -> Self {
        let mut all = [0; LONGEST_BASE32];
        let length = BASE32_NOPAD.encode_len(bytes.len());
        if let Some(all) = all.get_mut(..length) {
            BASE32_NOPAD.encode_mut(bytes, all);
        }
        let mut text = [0; N];
        text.iter_mut().zip(all).for_each(|(to, from)| *to = from.to_ascii_lowercase());
        Self(text)
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The bytes behind such a text; none where it is not exactly what [`Base32`] makes of them.
fn decoded<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.iter().any(u8::is_ascii_uppercase) || BASE32_NOPAD.decode_len(text.len()).ok()? != N {
        return None;
    }
    let mut upper = [0; LONGEST_BASE32];
    let upper = upper.get_mut(..text.len())?;
    upper.iter_mut().zip(text).for_each(|(to, from)| *to = from.to_ascii_uppercase());
    let mut bytes = [0; N];
    BASE32_NOPAD.decode_mut(upper, &mut bytes).ok()?;
    Some(bytes)
}

/// A digest of a heading and some texts, short enough to be typed: 13 characters (65 bits).
pub fn short_digest(heading: &str, texts: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let digest = digest_of(|fields| {
        fields.text(heading);
        texts.into_iter().for_each(|text| fields.text(text.as_ref()));
    });
    Base32::<TAG_CHARACTERS>::of(&digest).as_str().to_owned()
}

/// The part of our ids that names the cluster: 13 characters, kept where it is used, because every pod's key has one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterTag([u8; TAG_CHARACTERS]);

/// The part of our ids that names identity, pod and slot: what 26 characters hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryDigest([u8; DIGEST_BYTES]);

/// In the place of a cluster's tag, of which it has a character that none has.
const PREDECESSOR: ClusterTag = ClusterTag(*b"0predecessor0");
const TAG_CHARACTERS: usize = 13;
const DIGEST_CHARACTERS: usize = 26;
const DIGEST_BYTES: usize = 17;
/// Those bits of the last byte but one that its last character is made of.
const LAST_CHARACTER: u8 = 0b111;
const NONCE_CHARACTERS: usize = 13;
/// What [`DIGEST_BYTES`], the longest, have.
const LONGEST_BASE32: usize = 28;
const VERSION: &str = "v1.";

impl ClusterTag {
    /// The tag of a cluster: 13 characters (65 bits) of its name's digest.
    pub fn of(cluster: &ClusterName) -> Self {
        Self(Base32::of(&digest_of(|fields| fields.text(cluster.as_str()))).0)
    }

    /// Where entries stand that the predecessor made and that no pod has claimed: their ids name no cluster.
    pub fn predecessor() -> Self {
        PREDECESSOR
    }

    /// Whether it is [`Self::predecessor`].
    pub fn is_predecessor(&self) -> bool {
        *self == PREDECESSOR
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Self> {
        let fits = text.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b));
        text.as_bytes().try_into().ok().filter(|_| fits).map(Self)
    }
}

impl fmt::Display for ClusterTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ClusterTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterTag({self})")
    }
}

impl EntryDigest {
    /// The digest of one entry of a pod; `slot`, below [`SLOTS`], tells several entries of one identity apart.
    pub fn of(identity: &IdentityName, pod: &PodUid, slot: usize) -> Self {
        let mut digest = Self::from(digest_of(|fields| {
            fields.text(identity.as_str());
            fields.text(pod.as_str());
            fields.count(0);
        }));
        // The last character alone: whose an entry is can be said without knowing how many there are.
        let [.., last, beyond] = &mut digest.0;
        let slot = (slot % SLOTS) as u8;
        *last ^= slot >> 2;
        *beyond ^= slot << 6;
        digest
    }

    /// Whether it is the digest of an entry, of any slot, of this identity on this pod.
    pub fn is_of(&self, identity: &IdentityName, pod: &PodUid) -> bool {
        self.is_beside(&Self::of(identity, pod, 0))
    }

    /// Whether both are digests of one identity on one pod, whichever the slots.
    pub fn is_beside(&self, other: &Self) -> bool {
        let whose = |digest: &Self| {
            let [whose @ .., last, _] = digest.0;
            (whose, last & !LAST_CHARACTER)
        };
        whose(self) == whose(other)
    }

    fn from(bytes: [u8; 16]) -> Self {
        let mut digest = [0; DIGEST_BYTES];
        digest.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Self(digest)
    }

    fn parse(text: &str) -> Option<Self> {
        // All bits of the last character count: with two more of none, there are whole bytes.
        let mut whole = [b'a'; DIGEST_CHARACTERS + 2];
        let (digest, _) = whole.split_first_chunk_mut()?;
        *digest = <[u8; DIGEST_CHARACTERS]>::try_from(text.as_bytes()).ok()?;
        decoded(&whole).map(Self)
    }

    /// Of an entry that the predecessor made, while nobody has claimed it.
    pub fn of_id(id: &EntryId) -> Self {
        Self::from(digest_of(|fields| fields.text(id.as_str())))
    }
}

impl fmt::Display for EntryDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Base32::<DIGEST_CHARACTERS>::of(&self.0).as_str())
    }
}

impl fmt::Debug for EntryDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryDigest({self})")
    }
}

/// How many entries of one identity on one pod can be told apart: as many as a character of base32 has values.
pub const SLOTS: usize = 32;

/// What makes an id unlike every id before it; random in production, fixed in `render`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce([u8; 8]);

impl Nonce {
    /// From 64 bits of randomness.
    pub fn new(bits: u64) -> Self {
        Self(bits.to_be_bytes())
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
    /// What no other id has.
    pub nonce: Nonce,
}

impl EntryId {
    /// An id as SPIRE tells it.
    pub fn observed(id: &str) -> Self {
        Self(id.into())
    }

    /// A new id of ours: `<prefix>v1.<cluster tag>.<digest>.<nonce>`.
    pub fn make(prefix: &str, cluster: &ClusterTag, digest: &EntryDigest, nonce: &Nonce) -> Self {
        let digest = Base32::<DIGEST_CHARACTERS>::of(&digest.0);
        let nonce = Base32::<NONCE_CHARACTERS>::of(&nonce.0);
        let parts = [prefix, VERSION, cluster.as_str(), ".", digest.as_str(), ".", nonce.as_str()];
        Self(parts.concat().into())
    }

    /// Takes an id of ours apart; none for an id that does not parse exactly so, which is foreign.
    pub fn own(&self, prefix: &str) -> Option<OwnId> {
        let after = self.0.strip_prefix(prefix)?;
        let rest = match mutants::is_on(Mutant::ForeignIsOurs) {
            true => after.split_once(VERSION)?.1,
            false => after.strip_prefix(VERSION)?,
        };
        let mut parts = rest.split('.');
        let (tag, digest, nonce) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let (digest, nonce) = (EntryDigest::parse(digest)?, Nonce(decoded(nonce.as_bytes())?));
        Some(OwnId { cluster: ClusterTag::parse(tag)?, digest, nonce })
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
        assert_eq!(id.own("eks-"), Some(OwnId { cluster: tag, digest, nonce: Nonce::new(u64::MAX) }));
        assert!(id.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{id}");
        let text = id.to_string();
        for foreign in [
            text.replace("v1.", "v2."),
            format!("{text}."),
            format!("{text}.a"),
            text.to_uppercase(),
            format!("x{text}"),
            // The last character's unused bits are not zero.
            text.replace(&text[text.len() - 1..], "b"),
            "eks-1acf83a6-0000-4000-8000-000000000000".to_owned(),
            "eks-v1...".to_owned(),
        ] {
            assert_eq!(EntryId::observed(&foreign).own("eks-"), None, "{foreign}");
        }
    }

    #[test]
    fn an_id_of_any_slot_is_read_back() {
        let (tag, first) = parts();
        for slot in 0..SLOTS {
            let (identity, pod) = (IdentityName::new("web").unwrap(), PodUid::new("u1").unwrap());
            let digest = EntryDigest::of(&identity, &pod, slot);
            let text = digest.to_string();
            assert_eq!(text[..DIGEST_CHARACTERS - 1], first.to_string()[..DIGEST_CHARACTERS - 1]);
            let id = EntryId::make("eks-", &tag, &digest, &Nonce::new(1));
            assert_eq!(EntryId::observed(id.as_str()).own("eks-").map(|own| own.digest), Some(digest));
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
