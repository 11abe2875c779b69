//! SPIFFE IDs, selectors and DNS names that are valid or not there.

use std::fmt;

/// The longest SPIFFE ID, in bytes (SPIFFE-ID specification, section 2.3).
const MAX_ID_BYTES: usize = 2048;
/// How much of a wrong text is repeated.
const SHOWN_CHARACTERS: usize = 100;

/// A text that cannot be part of an identity: what it was to be, the text, what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    what: String,
    text: String,
    problem: String,
}

impl Invalid {
    pub(crate) fn new(what: impl Into<String>, text: &str, problem: impl Into<String>) -> Self {
        let mut shown: String = text.chars().take(SHOWN_CHARACTERS).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        Self { what: what.into(), text: shown, problem: problem.into() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} is invalid: {}", self.what, self.text, self.problem)
    }
}

impl std::error::Error for Invalid {}

/// A SPIFFE ID with a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiffeId {
    text: String,
    path_at: usize,
}

impl SpiffeId {
    /// An id of a trust domain and the segments of its path, each checked by itself: a `/` within one is an error, not
    /// another segment.
    pub fn new<S: AsRef<str>>(
        trust_domain: &str,
        segments: impl IntoIterator<Item = S>,
    ) -> Result<Self, Invalid> {
        let mut text = format!("spiffe://{trust_domain}");
        check_trust_domain(trust_domain)?;
        let path_at = text.len();
        for (index, segment) in segments.into_iter().enumerate() {
            let segment = segment.as_ref();
            if let Some(problem) = segment_problem(segment) {
                return Err(Invalid::new(
                    format!("segment {} of the SPIFFE ID", index + 1),
                    segment,
                    problem,
                ));
            }
            text.push('/');
            text.push_str(segment);
        }
        Self { text, path_at }.checked()
    }

    /// A whole id, such as `spiffe://example.org/payments/api`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let rest = text.strip_prefix("spiffe://");
        let rest = rest.ok_or_else(|| Invalid::new("SPIFFE ID", text, "it must begin with spiffe://"))?;
        let (trust_domain, path) = rest.split_once('/').unwrap_or((rest, ""));
        if path.is_empty() {
            return Err(Invalid::new("SPIFFE ID", text, "it has no path"));
        }
        Self::new(trust_domain, path.split('/'))
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path, with the slash that it begins with.
    pub fn path(&self) -> &str {
        self.text.get(self.path_at..).unwrap_or_default()
    }

    /// Whether the id is one of SPIRE's own servers and agents.
    pub(crate) fn is_reserved(&self) -> bool {
        self.path() == "/spire" || self.path().starts_with("/spire/")
    }

    fn checked(self) -> Result<Self, Invalid> {
        let problem = match self.text.len() {
            _ if self.path().is_empty() => "it has no path".to_owned(),
            length if length > MAX_ID_BYTES => {
                format!("it has {length} bytes, at most {MAX_ID_BYTES} are allowed")
            }
            _ => return Ok(self),
        };
        Err(Invalid::new("SPIFFE ID", &self.text, problem))
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn check_trust_domain(text: &str) -> Result<(), Invalid> {
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
    let problem = match text.len() {
        0 => "it is empty",
        256.. => "it is longer than 255 characters",
        _ if !text.bytes().all(is_allowed) => "it may hold small letters, digits, '.', '-' and '_' only",
        _ => return Ok(()),
    };
    Err(Invalid::new("trust domain", text, problem))
}

fn segment_problem(segment: &str) -> Option<&'static str> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    match segment {
        "" => Some("it is empty"),
        "." | ".." => Some("it names a folder"),
        _ if !segment.bytes().all(is_allowed) => Some("it may hold letters, digits, '.', '-' and '_' only"),
        _ => None,
    }
}

/// Checks a selector's two parts.
pub(crate) fn check_selector(kind: &str, value: &str) -> Result<(), Invalid> {
    let problem = match (kind, value) {
        ("", _) => "its type is empty",
        (_, "") => "its value is empty",
        (kind, _) if kind.contains(':') => "its type holds a colon",
        ("k8s", value) if value.starts_with("pod-uid:") => "the registrar itself adds the pod's uid",
        _ => return Ok(()),
    };
    Err(Invalid::new("selector", &format!("{kind}:{value}"), problem))
}

/// Checks a DNS name as SPIRE does.
pub(crate) fn check_dns_name(name: &str) -> Result<(), Invalid> {
    let mut labels = name.strip_prefix("*.").unwrap_or(name).split('.');
    let problem = match name.len() {
        0 => Some("it is empty"),
        254.. => Some("it is longer than 253 characters"),
        _ => labels.find_map(|label| match label.len() {
            0 => Some("a label is empty"),
            64.. => Some("a label is longer than 63 characters"),
            _ if label.starts_with('-') || label.ends_with('-') => {
                Some("a label begins or ends with a hyphen")
            }
            _ if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => {
                Some("labels may hold letters, digits and hyphens only")
            }
            _ => None,
        }),
    };
    problem.map_or(Ok(()), |problem| Err(Invalid::new("DNS name", name, problem)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The registrar's own checks are held against the same file: what this crate lets through, the registrar takes.
    #[test]
    fn texts_are_judged_as_the_registrar_judges_them() {
        let mut count = 0;
        for line in include_str!("../cases/texts.txt").lines().filter(|line| !line.starts_with('#')) {
            let [verdict, kind, text] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
                panic!("{line:?} must be VERDICT KIND TEXT")
            };
            let text = text.replace("<64>", &"a".repeat(64)).replace("<2048>", &"a".repeat(2048));
            let result = match kind {
                "id" => SpiffeId::parse(&text).and_then(|id| crate::Identity::new(id).map(|_| ())),
                "parent" => SpiffeId::parse(&text).map(|_| ()),
                "selector" => {
                    let (kind, value) = text.split_once(':').unwrap_or((&text, ""));
                    check_selector(kind, value)
                }
                "dns" => check_dns_name(&text),
                other => panic!("{other:?} is no kind"),
            };
            assert_eq!(result.is_ok(), verdict == "good", "{line}: {result:?}");
            count += 1;
        }
        assert!(count > 40, "{count}");
    }

    #[test]
    fn a_segment_is_never_split() {
        let error = SpiffeId::new("example.org", ["ns", "a/b"]).unwrap_err().to_string();
        assert_eq!(
            error,
            "segment 2 of the SPIFFE ID \"a/b\" is invalid: it may hold letters, digits, '.', '-' and '_' only"
        );
        assert!(SpiffeId::new("example.org", [""; 0]).unwrap_err().to_string().contains("no path"));
        assert!(SpiffeId::new("", ["a"]).unwrap_err().to_string().starts_with("trust domain \"\""));
        assert_eq!(SpiffeId::new("example.org", ["ns", "a"]).unwrap().path(), "/ns/a");
        // The registrar takes capital letters and writes small ones; here they are a mistake that is told.
        assert!(SpiffeId::parse("spiffe://Example.org/a").is_err());
    }

    #[test]
    fn a_long_text_is_not_repeated() {
        let error = SpiffeId::new("example.org", ["ä".repeat(3000)]).unwrap_err().to_string();
        assert!(error.len() < 400 && error.contains('…'), "{error}");
    }
}
