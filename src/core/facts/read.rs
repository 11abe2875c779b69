//! Bytes become facts in one pass: what nobody reads is skipped and never built, and what many objects have alike is kept
//! once.

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashSet};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::demand::{Demand, Source};
use super::trim::{self, at};
use super::{EndpointSliceFacts, Labels, Malformed, NamespaceFacts, NodeFacts, PodFacts};
use crate::names::{NamespaceName, NodeName, PodName, PodUid};

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
        let mut pod = PodParts::default();
        Fields { demand: &reader.demand, level: Level::Object, pod: &mut pod }.deserialize(input)?;
        Ok(pod.item(reader))
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

/// A string, or what stands in its place.
#[derive(Debug, Default)]
enum Text<'de> {
    #[default]
    Absent,
    Is(Cow<'de, str>),
    Not(String),
}

impl Text<'_> {
    fn or_empty(&self, field: &str) -> Result<&str, String> {
        match self {
            Self::Absent => Ok(""),
            Self::Is(text) => Ok(text),
            Self::Not(other) => Err(format!("{field} is {other}, not a string")),
        }
    }

    fn as_str(&self) -> Option<&str> {
        match self {
            Self::Is(text) => Some(text),
            Self::Absent | Self::Not(_) => None,
        }
    }
}

/// What is read of a pod.
#[derive(Default)]
struct PodParts<'de> {
    uid: Text<'de>,
    name: Text<'de>,
    namespace: Text<'de>,
    version: Text<'de>,
    node: Text<'de>,
    account: Text<'de>,
    phase: Text<'de>,
    labels: Vec<(Cow<'de, str>, Cow<'de, str>)>,
    labels_problem: Option<String>,
    demanded: Map<String, Value>,
}

impl PodParts<'_> {
    fn item(self, reader: &mut Reader) -> Item<Pods> {
        let version = self.version.as_str().unwrap_or_default().to_owned();
        let uid = PodUid::new(self.uid.as_str().unwrap_or_default());
        let key = uid.map_err(|error| error.to_string());
        let facts = self.facts(key.as_ref().ok(), reader);
        let facts = facts.map_err(|problem| {
            let name = self.name.as_str().unwrap_or("(no name)");
            let name = match self.namespace.as_str() {
                Some(namespace) => format!("{namespace}/{name}"),
                None => name.to_owned(),
            };
            Malformed { name, uid: self.uid.as_str().map(str::to_owned), problem }
        });
        Item { version, facts, key }
    }

    fn facts(&self, uid: Option<&PodUid>, reader: &mut Reader) -> Result<Arc<PodFacts>, String> {
        let node = match self.node.or_empty("spec.nodeName")? {
            "" => None,
            name => Some(reader.node(name)?),
        };
        let account = match self.account.or_empty("spec.serviceAccountName")? {
            "" => "default",
            name => name,
        };
        let uid = match uid {
            Some(uid) => uid.clone(),
            None => PodUid::new(self.uid.or_empty("metadata.uid")?).map_err(|e| at("metadata.uid", e))?,
        };
        let name = self.name.or_empty("metadata.name")?;
        let name = PodName::new(name).map_err(|e| at("metadata.name", e))?;
        let namespace = reader.namespace(self.namespace.or_empty("metadata.namespace")?)?;
        if let Some(problem) = &self.labels_problem {
            return Err(problem.clone());
        }
        Ok(Arc::new(PodFacts {
            uid,
            name,
            namespace,
            service_account: reader.account(account),
            node,
            labels: if self.labels.is_empty() { Labels::default() } else { reader.labels(&self.labels) },
            finished: matches!(self.phase.or_empty("status.phase")?, "Succeeded" | "Failed"),
            demanded: (!self.demanded.is_empty()).then(|| Arc::new(Value::Object(self.demanded.clone()))),
        }))
    }
}

/// Where in a pod the reader is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Object,
    Metadata,
    Spec,
    Status,
}

impl Level {
    fn of(key: &str) -> Option<Self> {
        match key {
            "metadata" => Some(Self::Metadata),
            "spec" => Some(Self::Spec),
            "status" => Some(Self::Status),
            _ => None,
        }
    }

    fn key(self) -> Option<&'static str> {
        match self {
            Self::Object => None,
            Self::Metadata => Some("metadata"),
            Self::Spec => Some("spec"),
            Self::Status => Some("status"),
        }
    }
}

/// Reads one level of a pod; what is not an object there has no fields.
struct Fields<'a, 'de> {
    demand: &'a Demand,
    level: Level,
    pod: &'a mut PodParts<'de>,
}

impl<'a, 'de> Fields<'a, 'de> {
    /// What of a field is kept for templates: of each path that leads through it, what is below.
    fn demanded(&self, key: &str) -> Vec<&'a [String]> {
        let below = |path: &'a [String]| match (self.level.key(), path) {
            (_, []) => Some(path),
            (None, [first, rest @ ..]) => (first == key).then_some(rest),
            (Some(level), [first]) => (first == level).then_some(&[][..]),
            (Some(level), [first, second, rest @ ..]) => (first == level && second == key).then_some(rest),
        };
        self.demand.paths_of(Source::Pod).filter_map(below).collect()
    }

    fn keep(&mut self, key: &str, value: &Value, paths: &[&[String]]) {
        let kept = match self.level.key() {
            None => &mut self.pod.demanded,
            Some(level) => {
                let part = self.pod.demanded.entry(level).or_insert_with(|| Value::Object(Map::new()));
                let Value::Object(part) = part else { return };
                part
            }
        };
        paths.iter().for_each(|path| trim::copy_value(key, value, kept, path));
    }

    /// The place of a field that facts always have.
    fn fixed(&mut self, key: &str) -> Option<&mut Text<'de>> {
        match (self.level, key) {
            (Level::Metadata, "uid") => Some(&mut self.pod.uid),
            (Level::Metadata, "name") => Some(&mut self.pod.name),
            (Level::Metadata, "namespace") => Some(&mut self.pod.namespace),
            (Level::Metadata, "resourceVersion") => Some(&mut self.pod.version),
            (Level::Spec, "nodeName") => Some(&mut self.pod.node),
            (Level::Spec, "serviceAccountName") => Some(&mut self.pod.account),
            (Level::Status, "phase") => Some(&mut self.pod.phase),
            _ => None,
        }
    }

    fn is_labels(&self, key: &str) -> bool {
        (self.level, key) == (Level::Metadata, "labels")
    }
}

/// Whoever visits takes anything: what is of another shape is told of the object, and is no error of the input.
macro_rules! takes_anything {
    ($self:ident, $other:ident => $told:expr) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("anything")
        }

        fn visit_bool<E>($self, it: bool) -> Result<Self::Value, E> {
            let $other = it.to_string();
            Ok($told)
        }

        fn visit_i64<E>($self, it: i64) -> Result<Self::Value, E> {
            let $other = it.to_string();
            Ok($told)
        }

        fn visit_u64<E>($self, it: u64) -> Result<Self::Value, E> {
            let $other = it.to_string();
            Ok($told)
        }

        fn visit_f64<E>($self, it: f64) -> Result<Self::Value, E> {
            let $other = it.to_string();
            Ok($told)
        }

        fn visit_seq<A: SeqAccess<'de>>($self, mut list: A) -> Result<Self::Value, A::Error> {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            let $other = "a list".to_owned();
            Ok($told)
        }
    };
}

fn skip<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// A string, or what stands in its place.
struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Text<'de>;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Text<'de>, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Text<'de>;

    takes_anything!(self, other => Text::Not(other));

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text::Is(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text::Is(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Text<'de>, E> {
        Ok(Text::Absent)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text<'de>, A::Error> {
        skip(map)?;
        Ok(Text::Not("an object".to_owned()))
    }
}

/// `metadata.labels`.
struct LabelPairs<'a, 'de>(&'a mut PodParts<'de>);

impl LabelPairs<'_, '_> {
    fn not(self, other: &str) {
        self.0.labels_problem = Some(format!("metadata.labels is {other}, not a map"));
    }
}

impl<'de> DeserializeSeed<'de> for LabelPairs<'_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        self.0.labels.clear();
        self.0.labels_problem = None;
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for LabelPairs<'_, 'de> {
    type Value = ();

    takes_anything!(self, other => self.not(&other));

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.not(&format!("{text:?}"));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(TextSeed)? {
            let Text::Is(key) = key else { continue };
            match map.next_value_seed(TextSeed)? {
                Text::Is(value) => self.0.labels.push((key, value)),
                other => {
                    let other = if let Text::Not(other) = other { other } else { "null".to_owned() };
                    let problem = format!("metadata.labels[{key:?}] is {other}, not a string");
                    self.0.labels_problem.get_or_insert(problem);
                }
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Fields<'_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_, 'de> {
    type Value = ();

    takes_anything!(self, _other => ());

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(TextSeed)? {
            let key = key.as_str().unwrap_or_default();
            if let Some(level) = Level::of(key).filter(|_| self.level == Level::Object) {
                map.next_value_seed(Fields { demand: self.demand, level, pod: &mut *self.pod })?;
                continue;
            }
            let demanded = self.demanded(key);
            if !demanded.is_empty() {
                let value: Value = map.next_value()?;
                self.keep(key, &value, &demanded);
                let own = A::Error::custom::<serde_json::Error>;
                if self.is_labels(key) {
                    LabelPairs(&mut *self.pod).deserialize(value).map_err(own)?;
                } else if let Some(place) = self.fixed(key) {
                    *place = TextSeed.deserialize(value).map_err(own)?;
                }
            } else if self.is_labels(key) {
                map.next_value_seed(LabelPairs(&mut *self.pod))?;
            } else if let Some(place) = self.fixed(key) {
                *place = map.next_value_seed(TextSeed)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct ItemSeed<'a, K>(&'a mut Reader, PhantomData<K>);

impl<'de, K: Kind> DeserializeSeed<'de> for ItemSeed<'_, K> {
    type Value = Item<K>;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Item<K>, D::Error> {
        K::read(input, self.0)
    }
}

/// One object out of its text.
fn item<K: Kind>(text: &str, reader: &mut Reader) -> Result<Item<K>, Malformed> {
    let mut input = serde_json::Deserializer::from_str(text);
    // Valid JSON by now; what can still fail is its depth or a number's range.
    K::read(&mut input, reader).map_err(|error| Malformed {
        name: "(unreadable)".to_owned(),
        uid: None,
        problem: error.to_string(),
    })
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
    let mut input = serde_json::Deserializer::from_str(line);
    if let Ok(Some(event)) = EventSeed(reader, PhantomData).deserialize(&mut input)
        && input.end().is_ok()
    {
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
        kind => match item(text, reader) {
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

/// An event whose type comes first, as API servers write it, and whose object is of the kind; none otherwise.
struct EventSeed<'a, K>(&'a mut Reader, PhantomData<K>);

impl<'de, K: Kind> DeserializeSeed<'de> for EventSeed<'_, K> {
    type Value = Option<Event<K>>;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de, K: Kind> Visitor<'de> for EventSeed<'_, K> {
    type Value = Option<Event<K>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut kind, mut event) = (Text::Absent, None);
        while let Some(key) = map.next_key_seed(TextSeed)? {
            match (key.as_str(), kind.as_str()) {
                (Some("type"), _) => kind = map.next_value_seed(TextSeed)?,
                (Some("object"), Some(kind)) if !matches!(kind, "ERROR" | "BOOKMARK") => {
                    event = Some(Event::of(kind, map.next_value_seed(ItemSeed(&mut *self.0, PhantomData))?));
                }
                (Some("object"), _) => {
                    map.next_value::<IgnoredAny>()?;
                    event = None;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(event)
    }
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
    let mut input = serde_json::Deserializer::from_slice(text);
    let seed = PageSeed::<'_, K> { reader: &mut *reader, items: &mut *items, malformed: &mut *malformed };
    if let Ok(Some(page)) = seed.deserialize(&mut input)
        && input.end().is_ok()
    {
        return Ok(page);
    }
    // One object that cannot be read at all costs that object.
    items.truncate(before);
    malformed.truncate(malformed_before);
    let page: RawPage<'_> = serde_json::from_slice(text)?;
    for object in page.items.unwrap_or_default() {
        match item::<K>(object.get(), reader).and_then(|item| item.facts) {
            Ok(facts) => items.push(facts),
            Err(problem) => malformed.push(problem),
        }
    }
    Ok(page.metadata.into())
}

struct PageSeed<'a, K: Kind> {
    reader: &'a mut Reader,
    items: &'a mut Vec<K::Facts>,
    malformed: &'a mut Vec<Malformed>,
}

impl<'de, K: Kind> DeserializeSeed<'de> for PageSeed<'_, K> {
    type Value = Option<Page>;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Option<Page>, D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de, K: Kind> Visitor<'de> for PageSeed<'_, K> {
    type Value = Option<Page>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Option<Page>, A::Error> {
        let mut page = None;
        while let Some(key) = map.next_key_seed(TextSeed)? {
            match key.as_str() {
                Some("metadata") => page = Some(map.next_value::<PageMeta>()?.into()),
                Some("items") => map.next_value_seed(Items(&mut self))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(page)
    }
}

struct Items<'b, 'a, K: Kind>(&'b mut PageSeed<'a, K>);

impl<'de, K: Kind> DeserializeSeed<'de> for Items<'_, '_, K> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de, K: Kind> Visitor<'de> for Items<'_, '_, K> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list's items")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element_seed(ItemSeed::<K>(&mut *self.0.reader, PhantomData))? {
            match item.facts {
                Ok(facts) => self.0.items.push(facts),
                Err(problem) => self.0.malformed.push(problem),
            }
        }
        Ok(())
    }
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
        item(&object.to_string(), &mut Reader::new(demand.clone())).unwrap()
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
            |name| item::<Pods>(&pod_named(name).to_string(), &mut reader).unwrap().facts.unwrap();
        let (a, b) = (facts("a"), facts("b"));
        assert!(a.labels.is_same(&b.labels) && Arc::ptr_eq(&a.service_account, &b.service_account));
        assert!(Arc::ptr_eq(&a.namespace.shared(), &b.namespace.shared()));
        drop((a, b));
        for number in 0..3 * KEPT {
            let mut object = pod_named("c");
            object["metadata"]["labels"]["app"] = json!(number.to_string());
            item::<Pods>(&object.to_string(), &mut reader).unwrap().facts.unwrap();
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
