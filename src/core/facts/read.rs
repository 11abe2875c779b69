//! Bytes become facts in one pass: what nobody reads is skipped and never built, and what many objects have alike is kept
//! once.

mod pod;
mod walk;

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashSet};
use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::Value;
use serde_json::value::RawValue;

use self::pod::PodParts;
use self::walk::Walk;
use super::demand::Demand;
use super::trim::{self, at};
use super::{EndpointSliceFacts, Labels, Malformed, NamespaceFacts, NodeFacts, PodFacts};
use crate::names::{NamespaceName, NodeName, PodUid};

/// So many texts or label sets are kept before it is looked which of them are still in use.
const KEPT: usize = 1 << 10;

/// What the bookmark has that ends the objects which were there when a watch began
/// (<https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists>).
const INITIAL_EVENTS_END: &str = "/metadata/annotations/k8s.io~1initial-events-end";

/// A kind whose objects are read.
pub trait Kind: Sized {
    /// Its facts.
    type Facts: fmt::Debug;
    /// By what its end is told.
    type Key: fmt::Debug;
    /// Reads one object, whatever it is: an object that is not as it should be is no error of the input.
    fn read<'de, D: Deserializer<'de>>(input: D, reader: &mut Reader) -> Result<Item<Self>, D::Error>;
    /// Reads the same, quicker, where an object is as API servers write it; none where it must be read with care.
    fn walk(_: &mut Walk<'_>, _: &mut Reader) -> Option<Item<Self>> {
        None
    }
}

/// One object, read.
#[derive(Debug)]
pub struct Item<K: Kind> {
    /// `metadata.resourceVersion`; empty where there is none.
    pub version: String,
    /// The facts, or what is wrong with the object.
    pub facts: Result<K::Facts, Malformed>,
    /// By what its end is told; an error where that cannot be said.
    pub key: Result<K::Key, String>,
}

/// Reads objects of one kind of one cluster, one after another, and knows what they have alike.
#[derive(Debug, Default)]
pub struct Reader {
    demand: Arc<Demand>,
    namespaces: HashSet<NamespaceName>,
    nodes: HashSet<NodeName>,
    accounts: HashSet<Arc<str>>,
    labels: HashMap<u64, Labels>,
    hasher: DefaultHashBuilder,
}

impl Reader {
    /// One that keeps what this demand names.
    pub fn new(demand: Arc<Demand>) -> Self {
        Self { demand, ..Self::default() }
    }

    /// Which fields are kept.
    pub fn demand(&self) -> &Arc<Demand> {
        &self.demand
    }

    /// Keeps other fields from now on.
    pub fn set_demand(&mut self, demand: Arc<Demand>) {
        self.demand = demand;
    }

    fn namespace(&mut self, text: &str) -> Result<NamespaceName, String> {
        if let Some(known) = self.namespaces.get(text) {
            return Ok(known.clone());
        }
        let name = NamespaceName::new(text).map_err(|error| at("metadata.namespace", error))?;
        tidy(&mut self.namespaces, NamespaceName::is_shared);
        self.namespaces.insert(name.clone());
        Ok(name)
    }

    fn node(&mut self, text: &str) -> Result<NodeName, String> {
        if let Some(known) = self.nodes.get(text) {
            return Ok(known.clone());
        }
        let name = NodeName::new(text).map_err(|error| at("spec.nodeName", error))?;
        tidy(&mut self.nodes, NodeName::is_shared);
        self.nodes.insert(name.clone());
        Ok(name)
    }

    fn account(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.accounts.get(text) {
            return known.clone();
        }
        let name: Arc<str> = text.into();
        tidy(&mut self.accounts, |name| Arc::strong_count(name) > 1);
        self.accounts.insert(name.clone());
        name
    }

    /// Pods of one Deployment have the same labels.
    fn labels(&mut self, pairs: &[(Cow<'_, str>, Cow<'_, str>)]) -> Labels {
        let hash = self.hasher.hash_one(pairs);
        let is_same = |known: &&Labels| {
            // As an API server writes them: in the order of their keys.
            let mut both = known.iter().zip(pairs);
            let mut in_order = || both.all(|((key, value), (other, its))| (key, value) == (&**other, &**its));
            let has =
                |(key, value): &(Cow<'_, str>, Cow<'_, str>)| known.get(key).is_some_and(|it| it == value);
            known.len() == pairs.len() && (in_order() || pairs.iter().all(has))
        };
        if let Some(known) = self.labels.get(&hash).filter(is_same) {
            return known.clone();
        }
        let labels: Labels = pairs.iter().map(|(key, value)| (key, value)).collect();
        if self.labels.len() >= KEPT && self.labels.len().is_power_of_two() {
            self.labels.retain(|_, labels| labels.is_shared());
        }
        self.labels.insert(hash, labels.clone());
        labels
    }
}

/// Each time that they have doubled: which of them are still in use?
fn tidy<T: Eq + Hash>(known: &mut HashSet<T>, is_used: impl Fn(&T) -> bool) {
    if known.len() >= KEPT && known.len().is_power_of_two() {
        known.retain(is_used);
    }
}

/// `v1.Pod`.
#[derive(Debug)]
pub struct Pods;
/// `v1.Node`.
#[derive(Debug)]
pub struct Nodes;
/// `v1.Namespace`.
#[derive(Debug)]
pub struct Namespaces;
/// `discovery.k8s.io/v1.EndpointSlice`.
#[derive(Debug)]
pub struct EndpointSlices;

impl Kind for Pods {
    /// Each by itself, so that a long list of them is short.
    type Facts = Arc<PodFacts>;
    type Key = PodUid;
    fn read<'de, D: Deserializer<'de>>(input: D, reader: &mut Reader) -> Result<Item<Self>, D::Error> {
        Ok(PodParts::read(input, &reader.demand)?.item(reader))
    }
    fn walk(walk: &mut Walk<'_>, reader: &mut Reader) -> Option<Item<Self>> {
        Some(PodParts::walk(walk, &reader.demand)?.item(reader))
    }
}

impl Kind for Nodes {
    type Facts = NodeFacts;
    type Key = NodeName;
    fn read<'de, D: Deserializer<'de>>(input: D, reader: &mut Reader) -> Result<Item<Self>, D::Error> {
        let object = Value::deserialize(input)?;
        Ok(Item {
            version: version(&object),
            facts: trim::node(&object, &reader.demand),
            key: NodeName::new(text(&object, "/metadata/name")).map_err(|error| error.to_string()),
        })
    }
}

impl Kind for Namespaces {
    type Facts = NamespaceFacts;
    type Key = NamespaceName;
    fn read<'de, D: Deserializer<'de>>(input: D, _: &mut Reader) -> Result<Item<Self>, D::Error> {
        let object = Value::deserialize(input)?;
        Ok(Item {
            version: version(&object),
            facts: trim::namespace(&object),
            key: NamespaceName::new(text(&object, "/metadata/name")).map_err(|error| error.to_string()),
        })
    }
}

impl Kind for EndpointSlices {
    type Facts = EndpointSliceFacts;
    type Key = String;
    fn read<'de, D: Deserializer<'de>>(input: D, _: &mut Reader) -> Result<Item<Self>, D::Error> {
        let object = Value::deserialize(input)?;
        let (namespace, name) = (text(&object, "/metadata/namespace"), text(&object, "/metadata/name"));
        let key = if name.is_empty() {
            Err("it has no name".to_owned())
        } else {
            Ok(format!("{namespace}/{name}"))
        };
        Ok(Item { version: version(&object), facts: trim::endpoint_slice(&object), key })
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn version(object: &Value) -> String {
    text(object, "/metadata/resourceVersion").to_owned()
}

/// The object that begins here; none where that cannot be said. One that cannot be read at all costs that object.
fn object<K: Kind>(walk: &mut Walk<'_>, reader: &mut Reader) -> Option<Result<Item<K>, Malformed>> {
    let begin = walk.clone();
    if let Some(item) = K::walk(walk, reader) {
        return Some(Ok(item));
    }
    *walk = begin;
    Some(item(walk.value()?, reader))
}

/// One object out of its text, with care.
fn item<K: Kind>(text: &[u8], reader: &mut Reader) -> Result<Item<K>, Malformed> {
    let mut input = serde_json::Deserializer::from_slice(text);
    let read = K::read(&mut input, reader).and_then(|item| input.end().map(|()| item));
    read.map_err(|error| Malformed { name: "(unreadable)".to_owned(), uid: None, problem: error.to_string() })
}

/// One line of a watch.
#[derive(Debug)]
pub enum Event<K: Kind> {
    /// An object was added or modified.
    Changed(Item<K>),
    /// An object has ended.
    Deleted(Item<K>),
    /// Everything up to a version was told.
    Bookmark {
        /// The version.
        version: String,
        /// What came before it was there when the watch began.
        ends_initial: bool,
    },
    /// The API server ends the watch.
    Error {
        /// The status's code; 0 where it has none.
        code: u16,
        /// Its words.
        message: String,
    },
    /// The object cannot be read at all.
    Unreadable(Malformed),
    /// An event of a type that nobody knows.
    Unknown(String),
}

#[derive(Deserialize)]
struct RawEvent<'a> {
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// Reads one line of a watch.
pub fn event<K: Kind>(line: &str, reader: &mut Reader) -> Result<Event<K>, serde_json::Error> {
    if let Some(event) = walked(line, reader) {
        return Ok(event);
    }
    // Rare: the object comes before its type, it is a bookmark or a status, or it cannot be read.
    let event: RawEvent<'_> = serde_json::from_str(line)?;
    let text = event.object.get();
    Ok(match &*event.r#type {
        "ERROR" => {
            let status: Value = serde_json::from_str(text)?;
            let code = status.pointer("/code").and_then(Value::as_u64);
            let code = code.and_then(|code| u16::try_from(code).ok()).unwrap_or_default();
            Event::Error { code, message: self::text(&status, "/message").to_owned() }
        }
        "BOOKMARK" => {
            let object: Value = serde_json::from_str(text)?;
            let ends_initial = object.pointer(INITIAL_EVENTS_END).is_some_and(|it| it == "true");
            Event::Bookmark { version: version(&object), ends_initial }
        }
        kind => match item(text.as_bytes(), reader) {
            Err(malformed) => Event::Unreadable(malformed),
            Ok(item) => Event::of(kind, item),
        },
    })
}

impl<K: Kind> Event<K> {
    fn of(kind: &str, item: Item<K>) -> Self {
        match kind {
            "ADDED" | "MODIFIED" => Self::Changed(item),
            "DELETED" => Self::Deleted(item),
            other => Self::Unknown(other.to_owned()),
        }
    }
}

/// An event as API servers write it: its type first, and an object of the kind.
fn walked<K: Kind>(line: &str, reader: &mut Reader) -> Option<Event<K>> {
    let (mut kind, mut event) = ("", None);
    let mut walk = Walk::new(line.as_bytes());
    walk.members(|walk, name| {
        match name {
            "type" => kind = walk.string()?,
            "object" if matches!(kind, "ADDED" | "MODIFIED" | "DELETED") => {
                event = Some(match object(walk, reader)? {
                    Ok(item) => Event::of(kind, item),
                    Err(malformed) => Event::Unreadable(malformed),
                });
            }
            _ => return None,
        }
        Some(())
    })?;
    event.filter(|_| walk.is_done())
}

/// What a page of a list says beside its objects.
#[derive(Debug, Default)]
pub struct Page {
    /// `metadata.resourceVersion`.
    pub version: String,
    /// `metadata.continue`, where there is more.
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct RawPage<'a> {
    metadata: PageMeta,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct PageMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

impl From<PageMeta> for Page {
    fn from(meta: PageMeta) -> Self {
        Self { version: meta.resource_version, next: meta.next.filter(|next| !next.is_empty()) }
    }
}

/// Reads a page of a list: its objects go to `items`, those that are not as they should be to `malformed`.
pub fn page<K: Kind>(
    text: &[u8],
    reader: &mut Reader,
    items: &mut Vec<K::Facts>,
    malformed: &mut Vec<Malformed>,
) -> Result<Page, serde_json::Error> {
    let (before, malformed_before) = (items.len(), malformed.len());
    if let Some(page) = walked_page(text, reader, &mut |object| keep::<K>(object, items, malformed)) {
        return Ok(page);
    }
    items.truncate(before);
    malformed.truncate(malformed_before);
    let page: RawPage<'_> = serde_json::from_slice(text)?;
    for object in page.items.unwrap_or_default() {
        keep(item::<K>(object.get().as_bytes(), reader), items, malformed);
    }
    Ok(page.metadata.into())
}

fn keep<K: Kind>(
    object: Result<Item<K>, Malformed>,
    items: &mut Vec<K::Facts>,
    malformed: &mut Vec<Malformed>,
) {
    match object.and_then(|item| item.facts) {
        Ok(facts) => items.push(facts),
        Err(problem) => malformed.push(problem),
    }
}

/// A page as API servers write it.
fn walked_page<K: Kind>(
    text: &[u8],
    reader: &mut Reader,
    told: &mut impl FnMut(Result<Item<K>, Malformed>),
) -> Option<Page> {
    let mut page = None;
    let mut walk = Walk::new(text);
    walk.members(|walk, name| match name {
        "metadata" => {
            page = Some(serde_json::from_slice::<PageMeta>(walk.value()?).ok()?.into());
            Some(())
        }
        "items" => walk.items(|walk| {
            told(object(walk, reader)?);
            Some(())
        }),
        _ => walk.value().map(drop),
    })?;
    page.filter(|_| walk.is_done())
}

/// A pod out of JSON that is a tree already, as files are read.
pub(super) fn pod(object: &Value, demand: &Demand) -> Result<Arc<PodFacts>, Malformed> {
    let mut reader = Reader::new(Arc::new(demand.clone()));
    let read = Pods::read(object, &mut reader);
    read.map_err(|error| Malformed {
        name: "(unreadable)".to_owned(),
        uid: None,
        problem: error.to_string(),
    })?
    .facts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::demand::Source;

    fn pod_named(name: &str) -> Value {
        json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "7", "labels": {"app": "web"},
            "annotations": {"team": "a", "other": "b"}, "managedFields": [{"f:x": {}}]},
            "spec": {"nodeName": "n1", "priority": 3, "containers": [{"name": "c"}]}, "status": {"phase": "Running"}})
    }

    fn demanding(paths: &[&[&str]]) -> Arc<Demand> {
        let mut demand = Demand::default();
        for path in paths {
            demand.add(Source::Pod, path.iter().map(|part| (*part).to_owned()).collect());
        }
        Arc::new(demand)
    }

    fn read(object: &Value, demand: &Arc<Demand>) -> Item<Pods> {
        item(object.to_string().as_bytes(), &mut Reader::new(demand.clone())).unwrap()
    }

    #[test]
    fn what_is_demanded_is_kept_and_nothing_else() {
        let facts =
            |paths: &[&[&str]]| read(&pod_named("a"), &demanding(paths)).facts.unwrap().demanded.clone();
        assert_eq!(facts(&[]), None);
        assert_eq!(facts(&[&["metadata", "absent"]]), None);
        let kept = |paths: &[&[&str]]| facts(paths).map(|kept| (*kept).clone()).unwrap();
        assert_eq!(
            kept(&[&["metadata", "annotations", "team"], &["spec", "priority"]]),
            json!({"metadata": {"annotations": {"team": "a"}}, "spec": {"priority": 3}})
        );
        assert_eq!(kept(&[&["spec"]]), json!({"spec": pod_named("a")["spec"]}));
        assert_eq!(kept(&[&[]]), pod_named("a"), "the whole object");
    }

    #[test]
    fn a_part_that_is_demanded_whole_gives_the_fixed_facts_as_well() {
        let all = read(&pod_named("a"), &demanding(&[&["metadata"], &["spec"], &["status"]]));
        let few = read(&pod_named("a"), &Arc::default());
        assert_eq!((all.version, all.key), (few.version, few.key));
        let all = all.facts.unwrap();
        assert_eq!(PodFacts { demanded: None, ..(*all).clone() }, *few.facts.unwrap());
    }

    #[test]
    fn a_tree_and_its_text_give_the_same_facts() {
        let demand = demanding(&[&["metadata", "annotations"]]);
        for object in
            [pod_named("a"), json!({"metadata": {"name": "a", "uid": null, "namespace": "shop"}}), json!(5)]
        {
            assert_eq!(read(&object, &demand).facts, trim::pod(&object, &demand), "{object}");
        }
    }

    #[test]
    fn a_field_of_another_type_is_told_of_its_object() {
        for (pointer, value, told) in [
            ("/metadata/uid", json!(5), "metadata.uid is 5, not a string"),
            ("/metadata/name", json!(["a"]), "metadata.name is a list, not a string"),
            ("/spec/nodeName", json!({"a": 1}), "spec.nodeName is an object, not a string"),
            ("/metadata/labels", json!("a"), "metadata.labels is \"a\", not a map"),
            ("/metadata/labels/app", Value::Null, "metadata.labels[\"app\"] is null, not a string"),
            ("/status/phase", json!(true), "status.phase is true, not a string"),
        ] {
            let mut object = pod_named("a");
            *object.pointer_mut(pointer).unwrap() = value;
            let problem = read(&object, &Arc::default()).facts.unwrap_err();
            assert_eq!(problem.problem, told);
        }
    }

    #[test]
    fn what_pods_have_alike_is_kept_once() {
        let mut reader = Reader::default();
        let mut facts =
            |name| item::<Pods>(pod_named(name).to_string().as_bytes(), &mut reader).unwrap().facts.unwrap();
        let (a, b) = (facts("a"), facts("b"));
        assert!(a.labels.is_same(&b.labels) && Arc::ptr_eq(&a.service_account, &b.service_account));
        assert!(Arc::ptr_eq(&a.namespace.shared(), &b.namespace.shared()));
        drop((a, b));
        for number in 0..3 * KEPT {
            let mut object = pod_named("c");
            object["metadata"]["labels"]["app"] = json!(number.to_string());
            item::<Pods>(object.to_string().as_bytes(), &mut reader).unwrap().facts.unwrap();
        }
        assert!(reader.labels.len() <= 2 * KEPT, "what nobody has any more is let go");
    }

    fn page_of(items: &[String]) -> (Vec<Arc<PodFacts>>, Vec<Malformed>, Page) {
        let (mut facts, mut malformed) = (Vec::new(), Vec::new());
        let text = format!(
            "{{\"items\":[{}],\"metadata\":{{\"resourceVersion\":\"9\",\"continue\":\"c\"}}}}",
            items.join(",")
        );
        let page = page::<Pods>(text.as_bytes(), &mut Reader::default(), &mut facts, &mut malformed).unwrap();
        (facts, malformed, page)
    }

    #[test]
    fn a_bad_object_in_a_page_costs_that_object() {
        let good = pod_named("a").to_string();
        let bad = json!({"metadata": {"name": "bad", "namespace": "shop"}}).to_string();
        let (facts, malformed, page) = page_of(&[good.clone(), bad, good]);
        assert_eq!((facts.len(), malformed.len()), (2, 1));
        assert_eq!(malformed[0].name, "shop/bad");
        assert_eq!((page.version.as_str(), page.next.as_deref()), ("9", Some("c")));
    }

    #[test]
    fn an_object_deeper_than_the_reader_goes_costs_that_object() {
        let good = pod_named("a").to_string();
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        let bad = good.replace("\"annotations\":{", &format!("\"annotations\":{{\"deep\":{deep},"));
        // Nobody reads them: they are skipped.
        let (facts, malformed, _) = page_of(&[good.clone(), bad.clone()]);
        assert_eq!((facts.len(), malformed.len()), (2, 0));
        let mut reader = Reader::new(demanding(&[&["metadata", "annotations"]]));
        let (mut facts, mut malformed) = (Vec::new(), Vec::new());
        let text = format!("{{\"metadata\":{{}},\"items\":[{good},{bad},{good}]}}");
        page::<Pods>(text.as_bytes(), &mut reader, &mut facts, &mut malformed).unwrap();
        assert_eq!((facts.len(), malformed.len()), (2, 1));
        let line = format!("{{\"type\":\"ADDED\",\"object\":{bad}}}");
        assert!(matches!(event::<Pods>(&line, &mut reader).unwrap(), Event::Unreadable(_)));
        assert!(page::<Pods>(b"{\"items\":[{]}", &mut reader, &mut facts, &mut malformed).is_err());
    }

    #[test]
    fn an_event_is_read_in_any_order_of_its_fields() {
        let mut reader = Reader::default();
        let object = pod_named("a").to_string();
        let mut told = |line: &str| event::<Pods>(line, &mut reader).unwrap();
        for line in [
            format!("{{\"type\":\"ADDED\",\"object\":{object}}}"),
            format!("{{\"object\":{object},\"type\":\"MODIFIED\"}}"),
        ] {
            assert!(matches!(told(&line), Event::Changed(item) if item.facts.is_ok() && item.version == "7"));
        }
        let gone = told(&format!("{{\"type\":\"DELETED\",\"object\":{object}}}"));
        assert!(
            matches!(gone, Event::Deleted(item) if item.key.as_ref().is_ok_and(|key| key.as_str() == "a"))
        );
        let bookmark = json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "8",
            "annotations": {"k8s.io/initial-events-end": "true"}}}});
        let bookmark = told(&bookmark.to_string());
        assert!(matches!(bookmark, Event::Bookmark { version, ends_initial: true } if version == "8"));
        let error = told("{\"type\":\"ERROR\",\"object\":{\"code\":410,\"message\":\"too old\"}}");
        assert!(matches!(error, Event::Error { code: 410, message } if message == "too old"));
        assert!(matches!(told("{\"type\":\"NEW\",\"object\":{}}"), Event::Unknown(kind) if kind == "NEW"));
    }
}
