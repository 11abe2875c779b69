//! SPIRE's Entry API over the server's unix socket or by mutual TLS: list, get, create, update, delete, and what each answer means.

mod agents;
mod client;
mod connect;
mod convert;
mod framed;

use std::sync::Arc;

pub use client::Spire;
pub use connect::Server;
pub use convert::observe;
use registrar_core::entry::{Entry, EntryId};
use registrar_core::mirror::Observed;

/// An entry with the id that it has or is to have.
pub type Identified = (EntryId, Arc<Entry>);

/// How many entries are written in one call at most.
pub const MAX_BATCH_ENTRIES: usize = 200;

/// How many bytes of entries are written in one call at most; SPIRE refuses messages over 4 MiB.
pub const MAX_BATCH_BYTES: usize = 3 << 20;

/// A part of a complete list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its entries.
    pub entries: Vec<Observed>,
    /// Where the list goes on; none on its last page.
    pub next: Option<String>,
}

/// What became of one entry of a create call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateResult {
    /// SPIRE holds the entry under the id that it was given.
    Created,
    /// Nothing was created, because SPIRE holds this entry of the same key.
    Similar(Observed),
    /// Nothing was created, because an entry of another key has the id.
    IdTaken,
    /// Nothing was created.
    Failed(Failure),
}

/// What became of one entry of an update or delete call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteResult {
    /// Done.
    Done,
    /// SPIRE holds no entry of this id.
    NotFound,
    /// Not done.
    Failed(Failure),
}

/// Why SPIRE did not do something with one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The gRPC code's name, such as `InvalidArgument`.
    pub code: &'static str,
    /// SPIRE's words.
    pub message: String,
}

/// Why a call as a whole gave no results.
#[derive(Debug, thiserror::Error)]
pub enum SpireError {
    /// The configured socket or address cannot be used.
    #[error(
        "the SPIRE server's API at {place:?} (spireServerSocketPath, spireServerAddress) cannot be used: {problem}"
    )]
    Locate {
        /// The configured path or address.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Nothing listens there, or no connection comes about.
    #[error("cannot connect to the SPIRE server at {place:?} ({key}): {problem}. {next}")]
    Connect {
        /// The configuration's key.
        key: &'static str,
        /// The configured path or address.
        place: String,
        /// Why not.
        problem: String,
        /// What is to be done, as a sentence.
        next: &'static str,
    },
    /// The deadline had passed before the call was sent.
    #[error("{call} was not sent: no time is left for it")]
    Send {
        /// The method's name.
        call: &'static str,
    },
    /// SPIRE refused the call as a whole and did nothing.
    #[error("SPIRE refused {call}: {code}: {message}")]
    Refuse {
        /// The method's name.
        call: &'static str,
        /// The gRPC code's name.
        code: &'static str,
        /// SPIRE's words.
        message: String,
    },
    /// The call was sent and no usable answer came: SPIRE may have done it, or a part of it.
    #[error("no answer to {call}: {problem}")]
    Answer {
        /// The method's name.
        call: &'static str,
        /// The gRPC code's name.
        code: &'static str,
        /// What came instead.
        problem: String,
    },
}

impl SpireError {
    /// Whether SPIRE may have carried out what was asked: what it holds has to be asked before anything else.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::Answer { .. })
    }

    /// Whether fewer entries in one call may do: the call was refused for what is in it, and not for who calls.
    pub fn may_be_split(&self) -> bool {
        matches!(self, Self::Refuse { code: "ResourceExhausted" | "InvalidArgument", .. })
    }

    /// A fixed CamelCase word: the condition's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Locate { .. } => "SPIRESocketInvalid",
            Self::Connect { .. } => "SPIREUnreachable",
            Self::Send { .. } => "SPIRECallNotSent",
            Self::Refuse { .. } => "SPIRERefused",
            Self::Answer { .. } => "SPIREAnswerMissing",
        }
    }

    /// The gRPC code's name: the metric's label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Locate { .. } | Self::Connect { .. } => "Unavailable",
            Self::Send { .. } => "DeadlineExceeded",
            Self::Refuse { code, .. } | Self::Answer { code, .. } => code,
        }
    }
}

/// Splits entries, in their order, into the parts that one call may carry; an entry that is too large for any call
/// makes a part of its own, which SPIRE refuses.
pub fn batches(entries: &[Identified]) -> impl Iterator<Item = &[Identified]> {
    let mut rest = entries;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |(id, entry): &&Identified| {
            bytes += convert::encoded_bound(id, entry);
            bytes <= MAX_BATCH_BYTES
        };
        let count = rest.iter().take(MAX_BATCH_ENTRIES).take_while(fits).count().max(1);
        let (batch, after) = rest.split_at_checked(count)?;
        rest = after;
        Some(batch)
    })
}

#[cfg(test)]
mod tests {
    use registrar_core::entry::EntryKey;
    use registrar_core::spiffe::{Selector, SpiffeId};

    use super::*;

    fn entries(hints: impl IntoIterator<Item = usize>) -> Vec<Identified> {
        let entry = |hint: usize| Entry {
            key: EntryKey {
                spiffe_id: SpiffeId::new("spiffe://example.org/a").unwrap(),
                parent_id: SpiffeId::new("spiffe://example.org/b").unwrap(),
                selectors: [Selector::parse("k8s:ns:a").unwrap()].into(),
            },
            x509_svid_ttl: 0,
            jwt_svid_ttl: 0,
            federates_with: Default::default(),
            admin: false,
            downstream: false,
            dns_names: Vec::new(),
            hint: "h".repeat(hint),
        };
        let numbered = hints.into_iter().enumerate();
        numbered.map(|(n, hint)| (EntryId::observed(&n.to_string()), Arc::new(entry(hint)))).collect()
    }

    pub(super) fn one_entry() -> Identified {
        entries([0]).remove(0)
    }

    fn sizes(entries: &[Identified]) -> Vec<usize> {
        let parts: Vec<&[Identified]> = batches(entries).collect();
        assert_eq!(parts.concat(), entries);
        parts.iter().map(|part| part.len()).collect()
    }

    #[test]
    fn batches_are_bounded_in_number() {
        assert_eq!(sizes(&entries([])), Vec::<usize>::new());
        assert_eq!(sizes(&entries([0; 200])), [200]);
        assert_eq!(sizes(&entries([0; 401])), [200, 200, 1]);
    }

    #[test]
    fn batches_are_bounded_in_bytes_and_no_entry_is_left_out() {
        let mega = 1 << 20;
        assert_eq!(sizes(&entries([mega; 5])), [2, 2, 1]);
        assert_eq!(sizes(&entries([4 * mega, 0, 0, 4 * mega, 0])), [1, 2, 1, 1]);
    }
}
