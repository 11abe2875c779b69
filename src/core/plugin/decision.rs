//! What a plugin may return, and how much of it.

use crate::api::Problem;
use crate::spiffe::MAX_SPIFFE_ID_BYTES;

/// What becomes of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It gets these.
    Identities(Vec<Proposal>),
    /// The plugin has nothing to say of it; the text says why.
    Skip(String),
    /// It must not have an identity from this plugin; the text says why.
    Deny(String),
}

/// One identity as a plugin returns it, nothing of it checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The SPIFFE ID.
    pub spiffe_id: ProposedId,
    /// The parent's SPIFFE ID; none: what the spec or the pod's node says.
    pub parent_id: Option<String>,
    /// Types and values.
    pub selectors: Vec<(String, String)>,
    /// The first becomes the certificate's common name.
    pub dns_names: Vec<String>,
    /// None: the spec's.
    pub hint: Option<String>,
}

/// A SPIFFE ID as a plugin returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProposedId {
    /// The path alone.
    Path(String),
    /// The whole id.
    Id(String),
}

/// How much a plugin may return.
#[derive(Debug)]
pub struct Bounds;

impl Bounds {
    /// Identities of one workload; no more than an entry's digest can tell apart.
    pub const IDENTITIES: usize = 16;
    /// Selectors of one identity beside the pod's uid.
    pub const SELECTORS: usize = 32;
    /// DNS names of one identity.
    pub const DNS_NAMES: usize = 32;
    /// Bytes of any text that goes into an entry.
    pub const TEXT: usize = MAX_SPIFFE_ID_BYTES;
    /// Characters of a text for people; what is longer is cut.
    pub const MESSAGE: usize = 512;

    /// A text for people as it may be shown: cut, and on one line.
    pub fn message(text: &str) -> String {
        let shown = text.chars().take(Self::MESSAGE).map(|it| if it.is_control() { ' ' } else { it });
        let shown: String = shown.collect();
        let is_cut = text.chars().nth(Self::MESSAGE).is_some();
        if is_cut { format!("{shown}…") } else { shown }
    }
}

const TOO_MUCH: &str = "PluginOutputTooLarge";

impl Decision {
    /// Whether it is small enough to be looked at; the error names what is not.
    pub fn bounded(self) -> Result<Self, Problem> {
        let proposals = match self {
            Self::Skip(why) => return Ok(Self::Skip(Bounds::message(&why))),
            Self::Deny(why) => return Ok(Self::Deny(Bounds::message(&why))),
            Self::Identities(proposals) => proposals,
        };
        if proposals.is_empty() {
            let message = "is empty: a plugin that has no identity for a workload returns skip or deny";
            return Err(Problem::new("PluginOutputInvalid", "identities", message));
        }
        count("identities", proposals.len(), Bounds::IDENTITIES)?;
        for (index, proposal) in proposals.iter().enumerate() {
            let at = |part: &str| format!("identities[{index}].{part}");
            count(&at("selectors"), proposal.selectors.len(), Bounds::SELECTORS)?;
            count(&at("dns-names"), proposal.dns_names.len(), Bounds::DNS_NAMES)?;
            let (ProposedId::Path(id) | ProposedId::Id(id)) = &proposal.spiffe_id;
            length(&at("spiffe-id"), id)?;
            proposal.parent_id.iter().try_for_each(|parent| length(&at("parent-id"), parent))?;
            proposal.hint.iter().try_for_each(|hint| length(&at("hint"), hint))?;
            for (position, (kind, value)) in proposal.selectors.iter().enumerate() {
                length(&at(&format!("selectors[{position}].type")), kind)?;
                length(&at(&format!("selectors[{position}].value")), value)?;
            }
            for (position, name) in proposal.dns_names.iter().enumerate() {
                length(&at(&format!("dns-names[{position}]")), name)?;
            }
        }
        Ok(Self::Identities(proposals))
    }
}

fn count(field: &str, count: usize, most: usize) -> Result<(), Problem> {
    let message = || format!("has {count} items, at most {most} are allowed");
    if count <= most { Ok(()) } else { Err(Problem::new(TOO_MUCH, field, message())) }
}

fn length(field: &str, text: &str) -> Result<(), Problem> {
    let message = || format!("has {} bytes, at most {} are allowed", text.len(), Bounds::TEXT);
    if text.len() <= Bounds::TEXT { Ok(()) } else { Err(Problem::new(TOO_MUCH, field, message())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal(path: &str) -> Proposal {
        Proposal {
            spiffe_id: ProposedId::Path(path.to_owned()),
            parent_id: None,
            selectors: Vec::new(),
            dns_names: Vec::new(),
            hint: None,
        }
    }

    #[test]
    fn what_is_too_much_is_named() {
        let field = |proposals| Decision::Identities(proposals).bounded().unwrap_err().field;
        assert_eq!(field(Vec::new()), "identities");
        assert_eq!(field(vec![proposal("/a"); 17]), "identities");
        assert_eq!(field(vec![proposal("/a"), proposal(&"a".repeat(3000))]), "identities[1].spiffe-id");
        let mut long = proposal("/a");
        long.selectors = vec![("k8s".to_owned(), "a".to_owned()), ("k8s".to_owned(), "b".repeat(3000))];
        assert_eq!(field(vec![long.clone()]), "identities[0].selectors[1].value");
        long.selectors = vec![("k8s".to_owned(), "a".to_owned()); 33];
        assert_eq!(field(vec![long]), "identities[0].selectors");
        assert!(Decision::Identities(vec![proposal("/a"); 16]).bounded().is_ok());
    }

    #[test]
    fn reasons_are_cut_and_stay_on_one_line() {
        let long = format!("a\nb\0{}", "c".repeat(600));
        let Ok(Decision::Deny(why)) = Decision::Deny(long).bounded() else { panic!("refused") };
        assert!(why.starts_with("a b c") && why.ends_with("c…") && why.chars().count() == 513, "{why}");
    }
}
