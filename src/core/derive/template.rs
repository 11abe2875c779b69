//! Go templates of one entry field: text, field paths and `index` of a map; anything else of the language is refused.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::facts::demand::{Demand, Source};

/// The variables of one pod.
#[derive(Debug, Clone)]
pub struct Scope {
    /// `.TrustDomain`.
    pub trust_domain: Arc<str>,
    /// `.ClusterName`.
    pub cluster_name: Arc<str>,
    /// `.EKSClusterName`.
    pub eks_cluster_name: Arc<str>,
    /// `.ClusterDomain`.
    pub cluster_domain: Arc<str>,
    /// `.ApplicationName`.
    pub application_name: Arc<str>,
    /// `.AccountID`.
    pub account_id: Arc<str>,
    /// `.Region`.
    pub region: Arc<str>,
    /// `.InstanceID`; empty where the node has no `spec.providerID`.
    pub instance_id: Arc<str>,
    /// `.ClusterLabels`.
    pub cluster_labels: Arc<BTreeMap<String, String>>,
    /// The pod's JSON, `{"metadata": …, "spec": …}`.
    pub pod: Arc<Value>,
    /// The node's JSON, `{"metadata": …, "spec": …}`.
    pub node: Arc<Value>,
}

/// A template that does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {action:?}: {problem}")]
pub struct CompileError {
    line: usize,
    column: usize,
    action: String,
    problem: String,
}

/// A template that cannot be rendered for one pod.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// `.InstanceID` of a node that names none.
    #[error(".InstanceID is not known: the pod's node has no spec.providerID")]
    InstanceUnknown,
}

/// A compiled template; clones share it.
#[derive(Debug, Clone)]
pub struct Template {
    text: Arc<str>,
    parts: Arc<[Part]>,
    demand: Arc<Demand>,
}

#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    Variable(Variable),
    /// A key of a map, and whether it was asked for by `index`, which gives "" where Go's field syntax gives
    /// `<no value>`.
    Key {
        map: Map,
        key: String,
        by_index: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Variable {
    TrustDomain,
    ClusterName,
    EksClusterName,
    ClusterDomain,
    ApplicationName,
    AccountId,
    Region,
    InstanceId,
    Object(Source, &'static str, &'static str),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Map {
    ClusterLabels,
    Object(Source, &'static str),
}

const META: &[(&str, &str)] =
    &[("Name", "name"), ("Namespace", "namespace"), ("UID", "uid"), ("GenerateName", "generateName")];
const META_MAPS: &[(&str, &str)] = &[("Labels", "labels"), ("Annotations", "annotations")];
const POD_SPEC: &[(&str, &str)] = &[
    ("ServiceAccountName", "serviceAccountName"),
    ("NodeName", "nodeName"),
    ("Hostname", "hostname"),
    ("Subdomain", "subdomain"),
];
const NODE_SPEC: &[(&str, &str)] = &[("ProviderID", "providerID"), ("PodCIDR", "podCIDR")];
const NAMES: &[&str] = &[
    "TrustDomain",
    "ClusterName",
    "EKSClusterName",
    "ClusterDomain",
    "ApplicationName",
    "AccountID",
    "Region",
    "InstanceID",
    "ClusterLabels",
    "Namespace",
    "ServiceAccount",
    "PodMeta",
    "PodSpec",
    "NodeMeta",
    "NodeSpec",
];
/// What `PodFacts` and `NodeFacts` always keep.
const FIXED: &[&str] =
    &["name", "namespace", "uid", "labels", "nodeName", "serviceAccountName", "providerID"];

impl Template {
    /// Compiles a template; the error gives the place and what would be right.
    pub fn compile(text: &str) -> Result<Self, CompileError> {
        let mut parts = Vec::new();
        let mut demand = Demand::default();
        let mut at = 0;
        let mut trims = false;
        while let Some(begin) = text.get(at..).and_then(|rest| rest.find("{{")).map(|found| at + found) {
            let inside = begin + 2;
            let fail = |problem: &str, end: usize| located(text, begin, end, problem);
            let Some(end) = end_of_action(text, inside) else {
                return Err(fail("the action is not closed: }} is missing", text.len()));
            };
            let mut action = text.get(inside..end).unwrap_or_default();
            let mut before = text.get(at..begin).unwrap_or_default();
            if trims {
                before = before.trim_start_matches(WHITE);
            }
            if let Some(rest) = action.strip_prefix('-').filter(|rest| rest.starts_with(WHITE)) {
                before = before.trim_end_matches(WHITE);
                action = rest;
            }
            let trimmed = action.strip_suffix('-').filter(|rest| rest.ends_with(WHITE));
            trims = trimmed.is_some();
            action = trimmed.unwrap_or(action).trim_matches(WHITE);
            push_text(&mut parts, before);
            if action.starts_with("/*") {
                if !action.ends_with("*/") {
                    return Err(fail("a comment ends with */ right before the action's end", end + 2));
                }
            } else {
                let part = part(action).map_err(|problem| fail(&problem, end + 2))?;
                note(&part, &mut demand);
                match part {
                    Part::Text(text) => push_text(&mut parts, &text),
                    part => parts.push(part),
                }
            }
            at = end + 2;
        }
        let rest = text.get(at..).unwrap_or_default();
        push_text(&mut parts, if trims { rest.trim_start_matches(WHITE) } else { rest });
        Ok(Self { text: text.into(), parts: parts.into(), demand: Arc::new(demand) })
    }

    /// The template's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The fields that it reads beyond those that facts always have.
    pub fn reads(&self) -> &Demand {
        &self.demand
    }

    /// The template's output for one pod.
    pub fn render(&self, scope: &Scope) -> Result<String, RenderError> {
        let mut out = String::new();
        for part in &*self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable(Variable::InstanceId) if scope.instance_id.is_empty() => {
                    return Err(RenderError::InstanceUnknown);
                }
                Part::Variable(variable) => out.push_str(scope.variable(*variable)),
                Part::Key { map, key, by_index } => {
                    let missing = if *by_index { "" } else { "<no value>" };
                    out.push_str(scope.key(*map, key).unwrap_or(missing));
                }
            }
        }
        Ok(out)
    }
}

impl Scope {
    fn variable(&self, variable: Variable) -> &str {
        match variable {
            Variable::TrustDomain => &self.trust_domain,
            Variable::ClusterName => &self.cluster_name,
            Variable::EksClusterName => &self.eks_cluster_name,
            Variable::ClusterDomain => &self.cluster_domain,
            Variable::ApplicationName => &self.application_name,
            Variable::AccountId => &self.account_id,
            Variable::Region => &self.region,
            Variable::InstanceId => &self.instance_id,
            // Go's zero value of a string.
            Variable::Object(source, part, field) => self
                .object(source)
                .get(part)
                .and_then(|part| part.get(field))
                .and_then(Value::as_str)
                .unwrap_or(""),
        }
    }

    fn key(&self, map: Map, key: &str) -> Option<&str> {
        match map {
            Map::ClusterLabels => self.cluster_labels.get(key).map(String::as_str),
            Map::Object(source, field) => self.object(source).get("metadata")?.get(field)?.get(key)?.as_str(),
        }
    }

    fn object(&self, source: Source) -> &Value {
        match source {
            Source::Pod => &self.pod,
            Source::Node => &self.node,
        }
    }
}

/// Go's own white space in templates.
const WHITE: &[char] = &[' ', '\t', '\r', '\n'];

/// Where the action that begins here ends; a `}}` inside a string or a comment does not end it.
fn end_of_action(text: &str, begin: usize) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    let inside = text.get(begin..)?;
    let body = inside.trim_start_matches('-').trim_start_matches(WHITE);
    if body.starts_with("/*") {
        let comment = inside.find("*/")?;
        return inside.get(comment..)?.find("}}").map(|found| begin + comment + found);
    }
    for (at, character) in inside.char_indices() {
        match quote {
            Some(open) => {
                if !escaped && character == open {
                    quote = None;
                }
                escaped = open == '"' && character == '\\' && !escaped;
            }
            None if character == '"' || character == '`' => quote = Some(character),
            None if inside.get(at..).is_some_and(|rest| rest.starts_with("}}")) => return Some(begin + at),
            None => {}
        }
    }
    None
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Part::Text(last)) => last.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

fn located(text: &str, begin: usize, end: usize, problem: &str) -> CompileError {
    let before = text.get(..begin).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let shown: String = text.get(begin..end).unwrap_or_default().chars().take(80).collect();
    CompileError {
        line: before.matches('\n').count() + 1,
        column: before.len() - line_start + 1,
        action: shown,
        problem: problem.to_owned(),
    }
}

fn part(action: &str) -> Result<Part, String> {
    if action.is_empty() {
        return Err("missing value for command".to_owned());
    }
    if let Some(literal) = literal(action) {
        return Ok(Part::Text(literal?));
    }
    if let Some(arguments) = action.strip_prefix("index ").map(str::trim_start) {
        let (path, key) =
            arguments.split_once(char::is_whitespace).ok_or("index needs a map and a key in quotes")?;
        let key = literal(key.trim()).ok_or_else(|| format!("index needs a key in quotes, not {key}"))??;
        return match field(path)? {
            Field::Map(map) => Ok(Part::Key { map, key, by_index: true }),
            Field::Variable(_) | Field::Key(..) => Err(format!("{path} is no map")),
        };
    }
    match field(action)? {
        Field::Variable(variable) => Ok(Part::Variable(variable)),
        Field::Key(map, key) => Ok(Part::Key { map, key, by_index: false }),
        Field::Map(_) => Err(format!(
            "{action} is a map: name one of its keys, as in {action}.app or index {action} \"app\""
        )),
    }
}

/// The text of a Go string literal; none where the action is none.
fn literal(text: &str) -> Option<Result<String, String>> {
    if let Some(raw) = text.strip_prefix('`') {
        let inner = raw.strip_suffix('`').filter(|inner| !inner.contains('`'));
        return Some(inner.map(str::to_owned).ok_or_else(|| format!("{text} is no raw string")));
    }
    let inner = text.strip_prefix('"')?;
    let inner = inner.strip_suffix('"').filter(|inner| !inner.contains(['"', '\\', '\n']));
    Some(inner.map(str::to_owned).ok_or_else(|| format!("{text}: escapes in strings are not supported yet")))
}

enum Field {
    Variable(Variable),
    Map(Map),
    Key(Map, String),
}

fn field(path: &str) -> Result<Field, String> {
    const SUPPORTED: &str =
        "only field paths such as .PodMeta.Name, index of a map, strings and comments are supported yet";
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && name.chars().all(|it| it.is_alphanumeric() || it == '_')
    };
    let names: Vec<&str> = match path.strip_prefix('.') {
        Some(rest) if rest.split('.').all(is_name) => rest.split('.').collect(),
        _ => return Err(SUPPORTED.to_owned()),
    };
    let scalar = |variable| match names.len() {
        1 => Ok(Field::Variable(variable)),
        _ => Err(format!("{path}: a string has no fields")),
    };
    let rest = names.get(1..).unwrap_or_default();
    match names.first().copied().unwrap_or_default() {
        "TrustDomain" => scalar(Variable::TrustDomain),
        "ClusterName" => scalar(Variable::ClusterName),
        "EKSClusterName" => scalar(Variable::EksClusterName),
        "ClusterDomain" => scalar(Variable::ClusterDomain),
        "ApplicationName" => scalar(Variable::ApplicationName),
        "AccountID" => scalar(Variable::AccountId),
        "Region" => scalar(Variable::Region),
        "InstanceID" => scalar(Variable::InstanceId),
        "Namespace" => scalar(Variable::Object(Source::Pod, "metadata", "namespace")),
        "ServiceAccount" => scalar(Variable::Object(Source::Pod, "spec", "serviceAccountName")),
        "ClusterLabels" => in_map(path, Map::ClusterLabels, rest),
        "PodMeta" => member(path, Source::Pod, "metadata", META, META_MAPS, rest),
        "NodeMeta" => member(path, Source::Node, "metadata", META, META_MAPS, rest),
        "PodSpec" => member(path, Source::Pod, "spec", POD_SPEC, &[], rest),
        "NodeSpec" => member(path, Source::Node, "spec", NODE_SPEC, &[], rest),
        unknown => Err(format!("there is no .{unknown}; there are {}", listed(NAMES.iter().copied()))),
    }
}

fn member(
    path: &str,
    source: Source,
    part: &'static str,
    strings: &'static [(&'static str, &'static str)],
    maps: &'static [(&'static str, &'static str)],
    rest: &[&str],
) -> Result<Field, String> {
    let known = || listed(strings.iter().chain(maps).map(|(name, _)| *name));
    let Some((name, deeper)) = rest.split_first() else {
        return Err(format!("{path} needs a field: {}", known()));
    };
    if let Some((_, json)) = strings.iter().find(|(go, _)| go == name) {
        return match deeper.is_empty() {
            true => Ok(Field::Variable(Variable::Object(source, part, json))),
            false => Err(format!("{path}: a string has no fields")),
        };
    }
    match maps.iter().find(|(go, _)| go == name) {
        Some((_, json)) => in_map(path, Map::Object(source, json), deeper),
        None => Err(format!("there is no field {name}, or it is not supported yet; there are {}", known())),
    }
}

fn in_map(path: &str, map: Map, rest: &[&str]) -> Result<Field, String> {
    match rest {
        [] => Ok(Field::Map(map)),
        [key] => Ok(Field::Key(map, (*key).to_owned())),
        _ => Err(format!("{path}: a string has no fields")),
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!(".{name}")).collect::<Vec<_>>().join(" ")
}

fn note(part: &Part, demand: &mut Demand) {
    let (source, path) = match part {
        Part::Variable(Variable::Object(source, part, field)) if !FIXED.contains(field) => {
            (*source, [*part, *field])
        }
        Part::Key { map: Map::Object(source, field), .. } if !FIXED.contains(field) => {
            (*source, ["metadata", *field])
        }
        _ => return,
    };
    demand.add(source, path.map(str::to_owned).to_vec());
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn scope() -> Scope {
        Scope {
            trust_domain: "example.org".into(),
            cluster_name: "workload-cluster".into(),
            eks_cluster_name: "prod-eks".into(),
            cluster_domain: "cluster.local".into(),
            application_name: "web".into(),
            account_id: "072422391281".into(),
            region: "us-west-2".into(),
            instance_id: "i-1".into(),
            cluster_labels: Arc::new(BTreeMap::from([("env".to_owned(), "prod".to_owned())])),
            pod: Arc::new(json!({"metadata": {"name": "web-1", "namespace": "shop", "uid": "u1",
                "labels": {"app": "web", "app.kubernetes.io/name": "x"}}, "spec": {"serviceAccountName": "robot", "nodeName": "n1"}})),
            node: Arc::new(json!({"metadata": {"name": "n1"}, "spec": {"providerID": "aws:///a/i-1"}})),
        }
    }

    fn rendered(text: &str) -> String {
        Template::compile(text).unwrap().render(&scope()).unwrap()
    }

    #[test]
    fn the_seeds_templates_render() {
        for (template, expected) in [
            (
                "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}",
                "spiffe://example.org/ns/shop/sa/robot",
            ),
            (
                "spiffe://{{ .TrustDomain }}/ns/{{ .Namespace }}/sa/{{ .ServiceAccount }}",
                "spiffe://example.org/ns/shop/sa/robot",
            ),
            ("{{ .PodMeta.Name }}.{{ .PodMeta.Namespace }}.svc", "web-1.shop.svc"),
            ("k8s:ns:{{.PodMeta.Namespace}}", "k8s:ns:shop"),
            (
                "{{ .AccountID }}/{{ .Region }}/{{ .InstanceID }}/{{ .NodeSpec.ProviderID }}",
                "072422391281/us-west-2/i-1/aws:///a/i-1",
            ),
            ("{{ .PodMeta.Labels.app }} {{ .PodMeta.Labels.nope }}", "web <no value>"),
            (
                "{{ index .PodMeta.Labels \"app.kubernetes.io/name\" }}{{ index .PodMeta.Labels `nope` }}|",
                "x|",
            ),
            ("a {{- /* note }} */ -}} b{{ \" }} \" }}c", "ab }} c"),
            ("{{ .ClusterLabels.env }}", "prod"),
        ] {
            assert_eq!(rendered(template), expected, "{template}");
        }
    }

    #[test]
    fn what_is_not_supported_is_an_error_with_its_place() {
        let error = Template::compile("x\n {{ .PodMeta.Nmae }}").unwrap_err().to_string();
        assert!(
            error.starts_with("line 2, column 2: \"{{ .PodMeta.Nmae }}\": there is no field Nmae"),
            "{error}"
        );
        for bad in [
            "{{ if .A }}",
            "{{ .Foo }}",
            "{{",
            "{{ }}",
            "{{ .PodMeta }}",
            "{{ .PodMeta.Labels }}",
            "{{ .PodMeta.Name | printf }}",
            "{{ .Region.X }}",
        ] {
            assert!(Template::compile(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_template_tells_what_it_reads_beyond_the_fixed_facts() {
        let template = Template::compile(
            "{{ .PodMeta.Labels.app }}{{ .PodMeta.Annotations.team }}{{ .NodeSpec.PodCIDR }}",
        )
        .unwrap();
        let paths = |source| template.reads().paths_of(source).map(|path| path.join(".")).collect::<Vec<_>>();
        assert_eq!(
            (paths(Source::Pod), paths(Source::Node)),
            (vec!["metadata.annotations".to_owned()], vec!["spec.podCIDR".to_owned()])
        );
    }

    #[test]
    fn a_node_without_provider_id_is_told() {
        let scope = Scope { instance_id: "".into(), ..scope() };
        assert_eq!(
            Template::compile("{{ .InstanceID }}").unwrap().render(&scope),
            Err(RenderError::InstanceUnknown)
        );
    }

    proptest! {
        #[test]
        fn compiling_never_panics_and_text_without_actions_is_itself(text in "\\PC*") {
            if let Ok(template) = Template::compile(&text) && !text.contains("{{") {
                prop_assert_eq!(template.render(&scope()).unwrap(), text);
            }
        }

        #[test]
        fn compiling_never_panics_near_actions(text in "([{} .\"`/*a-zA-Z-]|\\{\\{|\\}\\}|\\.PodMeta)*") {
            let _ = Template::compile(&text);
        }
    }
}
