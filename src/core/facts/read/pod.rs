//! What is read of a pod: with care whatever it is, and quicker where it is as API servers write it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::walk::Walk;
use super::{Item, Pods, Reader};
use crate::facts::demand::{Demand, Source};
use crate::facts::trim::{self, at};
use crate::facts::{Labels, Malformed, PodFacts};
use crate::names::{PodName, PodUid};

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
#[derive(Debug, Default)]
pub(super) struct PodParts<'de> {
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

impl<'de> PodParts<'de> {
    /// Whatever the object is.
    pub(super) fn read<D: Deserializer<'de>>(input: D, demand: &Demand) -> Result<Self, D::Error> {
        let mut pod = Self::default();
        Fields { demand, level: Level::Object, pod: &mut pod }.deserialize(input)?;
        Ok(pod)
    }

    /// The same of an object as API servers write it; none where it must be read with care.
    pub(super) fn walk(walk: &mut Walk<'de>, demand: &Demand) -> Option<Self> {
        let mut pod = Self::default();
        Fields { demand, level: Level::Object, pod: &mut pod }.walk(walk)?;
        Some(pod)
    }

    pub(super) fn item(self, reader: &mut Reader) -> Item<Pods> {
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

    fn walk(mut self, walk: &mut Walk<'de>) -> Option<()> {
        walk.members(|walk, key| {
            if let Some(level) = Level::of(key).filter(|_| self.level == Level::Object) {
                return Fields { demand: self.demand, level, pod: &mut *self.pod }.walk(walk);
            }
            let demanded = self.demanded(key);
            if !demanded.is_empty() {
                let value: Value = serde_json::from_slice(walk.clone().value()?).ok()?;
                self.keep(key, &value, &demanded);
            }
            if self.is_labels(key) {
                self.pod.labels.clear();
                let labels = &mut self.pod.labels;
                walk.members(|walk, key| {
                    labels.push((key.into(), walk.string()?.into()));
                    Some(())
                })
            } else if let Some(place) = self.fixed(key) {
                *place = Text::Is(walk.string()?.into());
                Some(())
            } else {
                walk.value().map(drop)
            }
        })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// What may stand where a string is expected.
    fn odd() -> impl Strategy<Value = Value> {
        prop::sample::select(vec![
            json!("a"),
            json!("b-1"),
            json!(""),
            json!("é"),
            json!("quote\"d"),
            json!("line\n"),
            json!("Succeeded"),
            Value::Null,
            json!(5),
            json!(1.5),
            json!(true),
            json!(["a"]),
            json!({"a": "b"}),
        ])
    }

    fn pod() -> impl Strategy<Value = Value> {
        let names = prop::sample::select(vec![
            "uid",
            "name",
            "namespace",
            "resourceVersion",
            "labels",
            "annotations",
            "nodeName",
            "serviceAccountName",
            "phase",
            "spec",
            "managedFields",
            "odd \"name",
        ]);
        let labels = prop::collection::btree_map("[a-c\"]{0,2}", odd(), 0..4)
            .prop_map(|map| map.into_iter().collect::<Value>());
        let value = prop_oneof![4 => Just(json!("a")), 2 => odd(), 2 => labels];
        let level = prop::collection::btree_map(names, value, 0..8)
            .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Value>());
        let level = prop_oneof![8 => level, 1 => odd()];
        let tops = prop::sample::select(vec!["metadata", "spec", "status", "kind"]);
        prop::collection::btree_map(tops, level, 0..4)
            .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn demand() -> impl Strategy<Value = Demand> {
        let paths: [&[&str]; 6] = [
            &["metadata"],
            &["metadata", "labels"],
            &["metadata", "annotations", "a"],
            &["spec"],
            &["status", "phase"],
            &[],
        ];
        prop::sample::subsequence(paths.to_vec(), 0..3).prop_map(|paths| {
            let mut demand = Demand::default();
            for path in paths {
                demand.add(Source::Pod, path.iter().map(|part| (*part).to_owned()).collect());
            }
            demand
        })
    }

    proptest! {
        #[test]
        fn both_ways_give_the_same(pod in pod(), demand in demand()) {
            for text in [pod.to_string(), format!("{pod:#}")] {
                let mut input = serde_json::Deserializer::from_str(&text);
                let careful = PodParts::read(&mut input, &demand).unwrap();
                let mut walk = Walk::new(text.as_bytes());
                if let Some(quick) = PodParts::walk(&mut walk, &demand) {
                    prop_assert!(walk.is_done());
                    prop_assert_eq!(format!("{quick:?}"), format!("{careful:?}"));
                }
            }
        }
    }

    #[test]
    fn a_pod_as_api_servers_write_it_needs_no_care() {
        let pod = json!({"kind": "Pod", "metadata": {"name": "a", "namespace": "shop", "uid": "1", "labels": {"app": "web"},
            "managedFields": [{"fieldsV1": {"f:env": {"k:{\"name\":\"A\"}": {}}}}], "annotations": {"note": "\"a\\b\""}},
            "spec": {"nodeName": "n1", "serviceAccountName": "web", "containers": [{"name": "c"}]}, "status": {"phase": "Running"}});
        let mut demand = Demand::default();
        demand.add(Source::Pod, vec!["metadata".to_owned(), "annotations".to_owned()]);
        let text = pod.to_string();
        let parts = PodParts::walk(&mut Walk::new(text.as_bytes()), &demand).unwrap();
        assert_eq!(parts.uid.as_str(), Some("1"));
        assert_eq!(parts.labels, [("app".into(), "web".into())]);
        assert_eq!(Value::Object(parts.demanded), json!({"metadata": {"annotations": {"note": "\"a\\b\""}}}));
    }
}
