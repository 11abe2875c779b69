//! SPIFFE IDs, trust domains, selectors and DNS names: parsed once, valid from then on.

use std::fmt;
use std::sync::Arc;

pub use spiffe::{SpiffeId, TrustDomain};

/// The longest SPIFFE ID, in bytes: <https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md> section 2.3.
pub const MAX_SPIFFE_ID_BYTES: usize = 2048;

/// A text that SPIRE or an agent would not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpiffe {
    /// The text is no SPIFFE ID.
    #[error("{id:?} is not a valid SPIFFE ID: {problem}")]
    Id {
        /// The text, cut where it is very long.
        id: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The text is no `type:value`.
    #[error("{0:?} is not a valid selector: must be type:value with neither empty, as in k8s:ns:default")]
    Selector(String),
    /// The text is no DNS name.
    #[error("{name:?} is not a valid DNS name: {problem}")]
    DnsName {
        /// The text.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl InvalidSpiffe {
    /// A fixed CamelCase word: the condition's reason and the metric's label.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Id { .. } => "InvalidSPIFFEID",
            Self::Selector(_) => "InvalidSelector",
            Self::DnsName { .. } => "InvalidDNSName",
        }
    }
}

/// Parses a trust domain's name; unlike [`TrustDomain::new`] it takes no SPIFFE ID, whose path would be dropped.
pub fn trust_domain(text: &str) -> Result<TrustDomain, String> {
    if text.contains('/') {
        return Err("it is a URL or a path".to_owned());
    }
    TrustDomain::new(text).map_err(|error| error.to_string())
}

/// Parses an id that a workload may be given in this trust domain: of the trust domain, with a path, not SPIRE's own.
pub fn workload_id(text: &str, trust_domain: &TrustDomain) -> Result<SpiffeId, InvalidSpiffe> {
    let id = id_in(text, trust_domain)?;
    if id.path() == "/spire" || id.path().starts_with("/spire/") {
        return Err(refused(
            text,
            "ids under /spire/ are reserved for SPIRE's own servers and agents".to_owned(),
        ));
    }
    Ok(id)
}

/// Parses an id that an entry's parent may have in this trust domain.
pub fn parent_id(text: &str, trust_domain: &TrustDomain) -> Result<SpiffeId, InvalidSpiffe> {
    id_in(text, trust_domain)
}

/// The id of a trust domain with this path, given by its parts.
pub fn id_of(trust_domain: &TrustDomain, path: &[&str]) -> Result<SpiffeId, InvalidSpiffe> {
    let text = || format!("spiffe://{}/{}", trust_domain.as_str(), path.join("/"));
    SpiffeId::from_segments(trust_domain.clone(), path).map_err(|error| refused(&text(), error.to_string()))
}

fn id_in(text: &str, trust_domain: &TrustDomain) -> Result<SpiffeId, InvalidSpiffe> {
    if text.len() > MAX_SPIFFE_ID_BYTES {
        let problem = format!("it has {} bytes, at most {MAX_SPIFFE_ID_BYTES} are allowed", text.len());
        return Err(refused(text, problem));
    }
    let id = SpiffeId::new(text).map_err(|error| refused(text, error.to_string()))?;
    if !id.is_member_of(trust_domain) {
        let problem =
            format!("its trust domain is {:?}, must be {:?}", id.trust_domain_name(), trust_domain.as_str());
        return Err(refused(text, problem));
    }
    if id.path().is_empty() {
        return Err(refused(text, "it has no path".to_owned()));
    }
    Ok(id)
}

fn refused(text: &str, problem: String) -> InvalidSpiffe {
    let shown: String = text.chars().take(120).collect();
    let id = if shown.len() < text.len() { format!("{shown}…") } else { shown };
    InvalidSpiffe::Id { id, problem }
}

/// A workload selector: a type (an attestor's name, such as `k8s`) and a value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    kind: Arc<str>,
    value: Arc<str>,
}

impl Selector {
    /// Parses `type:value`; the value may contain colons. SPIRE's types are free.
    pub fn parse(text: &str) -> Result<Self, InvalidSpiffe> {
        match text.split_once(':') {
            Some((kind, value)) if !kind.is_empty() && !value.is_empty() => {
                Ok(Self { kind: kind.into(), value: value.into() })
            }
            _ => Err(InvalidSpiffe::Selector(text.to_owned())),
        }
    }

    /// Whether there is a selector of this type and value; a type with a colon would be read back as another.
    pub fn fits(kind: &str, value: &str) -> bool {
        !kind.is_empty() && !kind.contains(':') && !value.is_empty()
    }

    /// `k8s:pod-uid:<uid>`, which pins an entry to one pod.
    pub fn pod_uid(uid: &crate::names::PodUid) -> Self {
        Self { kind: "k8s".into(), value: format!("pod-uid:{uid}").into() }
    }

    /// Whether this is a `k8s:pod-uid:…` selector.
    pub fn is_pod_uid(&self) -> bool {
        self.named_pod().is_some()
    }

    /// The pod's uid where this is a `k8s:pod-uid:…` selector.
    pub fn named_pod(&self) -> Option<&str> {
        Self::pod_named_by(&self.kind, &self.value)
    }

    /// The pod's uid where a selector of this type and value is a `k8s:pod-uid:…` selector.
    pub fn pod_named_by<'a>(kind: &str, value: &'a str) -> Option<&'a str> {
        if kind == "k8s" { value.strip_prefix("pod-uid:") } else { None }
    }

    /// The attestor's name.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What the attestor says of the workload.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// A DNS name that SPIRE accepts in an entry; the first of an entry becomes the certificate's common name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(Arc<str>);

impl DnsName {
    /// Checks the text as SPIRE does: labels of letters, digits and hyphens, the first may be `*`.
    pub fn parse(text: &str) -> Result<Self, InvalidSpiffe> {
        match dns_problem(text) {
            None => Ok(Self(text.into())),
            Some(problem) => Err(InvalidSpiffe::DnsName { name: text.to_owned(), problem }),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

fn dns_problem(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > 253 {
        return Some("it is longer than 253 characters");
    }
    let labels = text.strip_prefix("*.").unwrap_or(text);
    for label in labels.split('.') {
        if label.is_empty() {
            return Some("a label is empty");
        }
        if label.len() > 63 {
            return Some("a label is longer than 63 characters");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Some("a label begins or ends with a hyphen");
        }
        if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Some("labels may hold letters, digits and hyphens only");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain() -> TrustDomain {
        TrustDomain::new("example.org").unwrap()
    }

    #[test]
    fn workload_ids_stay_in_the_trust_domain_and_out_of_spires_paths() {
        assert!(workload_id("spiffe://example.org/ns/a/sa/b", &domain()).is_ok());
        for bad in [
            "spiffe://other.org/ns/a",
            "spiffe://example.org/spire/agent/x",
            "spiffe://example.org/spire",
            "spiffe://example.org",
            "spiffe://example.org/",
            "spiffe://example.org/ns//sa",
            "spiffe://example.org/a/../b",
            "https://example.org/a",
            "spiffe://example.org/<no value>",
            "",
        ] {
            assert!(workload_id(bad, &domain()).is_err(), "{bad}");
        }
        assert!(workload_id("spiffe://example.org/spiretools/a", &domain()).is_ok());
    }

    /// The SDK for plugins, which cannot use this module, is held against the same file.
    #[test]
    fn what_the_sdk_lets_through_is_taken() {
        let mut count = 0;
        let texts = include_str!("../../plugins/sdk/cases/texts.txt");
        for line in texts.lines().filter(|line| !line.starts_with('#')) {
            let [verdict, kind, text] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                panic!("{line:?}")
            };
            let text = text.replace("<64>", &"a".repeat(64)).replace("<2048>", &"a".repeat(2048));
            let is_taken = match kind {
                "id" => workload_id(&text, &domain()).is_ok(),
                "parent" => parent_id(&text, &domain()).is_ok(),
                // Another pod's uid is refused later; a plugin has no reason to name its own.
                "selector" => Selector::parse(&text).is_ok_and(|selector| !selector.is_pod_uid()),
                "dns" => DnsName::parse(&text).is_ok(),
                other => panic!("{other:?} is no kind"),
            };
            // In upper case, which here becomes lower case, a trust domain is refused by the SDK alone.
            let is_stricter = text.starts_with("spiffe://Example.org");
            assert_eq!(is_taken, verdict == "good" || is_stricter, "{line}");
            count += 1;
        }
        assert!(count > 40, "{count}");
    }

    #[test]
    fn a_long_id_is_refused_without_repeating_all_of_it() {
        let long = format!("spiffe://example.org/{}", "a".repeat(2048));
        let error = workload_id(&long, &domain()).unwrap_err().to_string();
        assert!(error.contains("at most 2048"), "{error}");
        assert!(error.len() < 300, "{error}");
    }

    #[test]
    fn selectors_split_at_the_first_colon() {
        let selector = Selector::parse("k8s:ns:default").unwrap();
        assert_eq!((selector.kind(), selector.value()), ("k8s", "ns:default"));
        for bad in ["", "k8s", "k8s:", ":value"] {
            assert!(Selector::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn dns_names() {
        for good in ["a", "web-1.shop.svc.cluster.local", "*.example.org", "Web.Example"] {
            assert!(DnsName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a..b", "a.", "-a", "a_b", "*", "a.*.b", "ä.example", "<no value>"] {
            assert!(DnsName::parse(bad).is_err(), "{bad}");
        }
    }
}
