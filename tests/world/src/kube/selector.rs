//! Label and field selectors of lists and watches.

use serde_json::Value;

/// What a list or watch is limited to.
#[derive(Debug, Clone, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

#[derive(Debug, Clone)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector`.
    pub(super) fn parse(labels: &str, fields: &str) -> Result<Self, String> {
        Ok(Self { labels: requirements(labels)?, fields: requirements(fields)? })
    }

    /// Whether an object is among the selected ones.
    pub(super) fn fits(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let field = |path: &str| path.split('.').try_fold(object, |value, name| value.get(name));
        self.labels.iter().all(|label| label.fits(labels.get(&label.key).and_then(Value::as_str)))
            // A field that is not set is an empty one.
            && self.fields.iter().all(|wanted| {
                wanted.fits(Some(field(&wanted.key).and_then(Value::as_str).unwrap_or_default()))
            })
    }
}

impl Requirement {
    fn fits(&self, value: Option<&str>) -> bool {
        let is_among = |values: &[String]| value.is_some_and(|value| values.iter().any(|one| one == value));
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(values) => is_among(values),
            Test::NotIn(values) => !is_among(values),
        }
    }
}

fn requirements(text: &str) -> Result<Vec<Requirement>, String> {
    split(text).into_iter().filter(|part| !part.is_empty()).map(requirement).collect()
}

/// At commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut parts = vec![];
    let mut start = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let made = |key: &str, test| Ok(Requirement { key: key.trim().to_owned(), test });
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some((key, value)) = text.split_once("!=") {
        return made(key, Test::NotIn(one(value)));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return made(key, Test::In(one(value)));
    }
    if let Some((head, values)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let (key, operator) = head.trim().rsplit_once(' ').unwrap_or_default();
        return match operator {
            "in" => made(key, Test::In(values)),
            "notin" => made(key, Test::NotIn(values)),
            _ => Err(format!("unable to parse requirement: {text}")),
        };
    }
    match text.strip_prefix('!') {
        Some(key) => made(key, Test::Absent),
        None => made(text, Test::Exists),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_select() {
        let object = json!({"metadata": {"name": "p", "labels": {"app": "web", "tier": "x"}}, "spec": {"nodeName": "n1"}});
        for (labels, fields, fits) in [
            ("", "", true),
            ("app=web,tier in (x, y)", "spec.nodeName=n1", true),
            ("app!=web", "", false),
            ("!gone,app", "metadata.name=p", true),
            ("tier notin (x)", "", false),
            ("", "spec.nodeName!=", true),
            ("", "spec.nodeName=n2", false),
            ("", "metadata.namespace=", true),
        ] {
            assert_eq!(Selector::parse(labels, fields).unwrap().fits(&object), fits, "{labels} {fields}");
        }
        assert!(Selector::parse("app near (x)", "").is_err());
    }
}
