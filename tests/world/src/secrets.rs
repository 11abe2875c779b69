//! What no program may log, at whatever level: parts of tokens, of presigned URLs, of credentials and of headers.

/// Texts that only a credential has.
const NEVER: [&str; 4] = ["k8s-aws-v1.", "X-Amz-Signature=", "X-Amz-Security-Token=", "Bearer "];
/// How AWS's access keys begin, of users and of sessions; their rest has at least so many capital letters and digits.
const KEYS: [&str; 2] = ["AKIA", "ASIA"];
const KEY_LENGTH: usize = 12;

/// What of a line nobody may see; none where all of it may be seen.
pub fn found(line: &str) -> Option<&'static str> {
    let text = NEVER.into_iter().find(|text| line.contains(text));
    text.or_else(|| KEYS.into_iter().find(|key| has_key(line, key))).or_else(|| header(line))
}

fn has_key(line: &str, begin: &str) -> bool {
    line.match_indices(begin).any(|(at, _)| {
        let rest = line.get(at + begin.len()..).unwrap_or_default().bytes();
        rest.take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()).count() >= KEY_LENGTH
    })
}

/// The header with its value; that libraries say of it that it is sensitive is as it should be.
fn header(line: &str) -> Option<&'static str> {
    const NAME: &str = "authorization";
    let lower = line.to_ascii_lowercase();
    let shown = lower.match_indices(NAME).any(|(at, _)| {
        let rest = lower.get(at + NAME.len()..).unwrap_or_default().trim_start_matches('"');
        rest.strip_prefix(": ").is_some_and(|value| !value.starts_with("sensitive"))
    });
    shown.then_some(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_and_other_texts_are_not() {
        for (line, secret) in [
            ("the token k8s-aws-v1.aHR0", Some("k8s-aws-v1.")),
            ("GET /?X-Amz-Signature=0f", Some("X-Amz-Signature=")),
            ("headers: {\"authorization\": \"Basic eA==\"}", Some("authorization")),
            ("Authorization: AWS4-HMAC-SHA256 x", Some("authorization")),
            ("key AKIAIOSFODNN7EXAMPLE", Some("AKIA")),
            ("session ASIA0000000000000001", Some("ASIA")),
            ("headers: {\"authorization\": Sensitive}", None),
            ("roles.rbac.authorization.k8s.io", None),
            ("ASIA is far, AKIAxyz", None),
        ] {
            assert_eq!(found(line), secret, "{line}");
        }
    }
}
