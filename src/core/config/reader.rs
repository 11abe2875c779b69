//! Reads keys of a YAML mapping one by one and notes every problem with its path; keys nobody asked for are problems.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Duration;

use serde_json::{Map, Value};

use super::INVALID;
use crate::api::Problem;
use crate::duration::go_duration;

/// One mapping of the file.
pub(super) struct Reader<'a> {
    path: String,
    map: Option<&'a Map<String, Value>>,
    known: BTreeSet<&'static str>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// The whole file.
    pub(super) fn root(value: &'a Value, problems: &'a mut Vec<Problem>) -> Self {
        Self::over(String::new(), Some(value), problems)
    }

    fn over(path: String, value: Option<&'a Value>, problems: &'a mut Vec<Problem>) -> Self {
        let map = match value {
            None | Some(Value::Null) => None,
            Some(Value::Object(map)) => Some(map),
            Some(other) => {
                let at = if path.is_empty() { "(file)" } else { &path };
                problems.push(Problem::new(
                    INVALID,
                    at,
                    format!("{other} must be a mapping of keys to values"),
                ));
                None
            }
        };
        Self { path, map, known: BTreeSet::new(), problems }
    }

    /// A mapping below this one.
    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(Reader<'_>) -> T) -> T {
        let value = self.take(key);
        read(Reader::over(self.at(key), value, self.problems))
    }

    /// The mapping under a key; none where it is absent.
    pub(super) fn optional_section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Reader<'_>) -> T,
    ) -> Option<T> {
        let value = self.take(key)?;
        Some(read(Reader::over(self.at(key), Some(value), self.problems)))
    }

    /// A text that is required.
    pub(super) fn required<T, E: Display>(
        &mut self,
        key: &'static str,
        right: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        match self.take(key) {
            None => {
                self.problems.push(Problem::new(INVALID, self.at(key), format!("is required: {right}")));
                None
            }
            Some(value) => self.parse(key, value, right, parse),
        }
    }

    /// A text that may be absent or empty.
    pub(super) fn optional<T, E: Display>(
        &mut self,
        key: &'static str,
        right: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        match self.take(key) {
            None => None,
            Some(Value::String(text)) if text.is_empty() => None,
            Some(value) => self.parse(key, value, right, parse),
        }
    }

    /// A text with a default and a rule.
    pub(super) fn checked<T, E: Display>(
        &mut self,
        key: &'static str,
        default: &str,
        right: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        match self.take(key) {
            None => parse(default).ok(),
            Some(value) => self.parse(key, value, right, parse),
        }
    }

    /// A text with a default.
    pub(super) fn text(&mut self, key: &'static str, default: &str) -> String {
        let read = self.checked(key, default, "a text in quotes", |text| Ok::<_, String>(text.to_owned()));
        read.unwrap_or_else(|| default.to_owned())
    }

    /// `host:port`, `:port`, or `0` for none.
    pub(super) fn address(&mut self, key: &'static str, default: &str) -> String {
        const RIGHT: &str = "host:port, :port, or \"0\" for none";
        let fits = |text: &str| {
            let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>().is_ok());
            if text == "0" || port == Some(true) { Ok(text.to_owned()) } else { Err("it names no port") }
        };
        self.checked(key, default, RIGHT, fits).unwrap_or_else(|| default.to_owned())
    }

    /// A Go duration above zero.
    pub(super) fn duration(&mut self, key: &'static str, default: Duration) -> Duration {
        const RIGHT: &str = "a Go duration above zero such as 30s, 10m or 1h30m";
        match self.take(key) {
            None => default,
            Some(value) => self.parse(key, value, RIGHT, positive).unwrap_or(default),
        }
    }

    /// A number of bytes above zero.
    pub(super) fn bytes(&mut self, key: &'static str, default: u64) -> u64 {
        const RIGHT: &str = "a number of bytes in quotes such as 64Mi or 1Gi";
        let above_zero =
            |text: &str| crate::plugin::bytes(text).filter(|bytes| *bytes > 0).ok_or("it is no such number");
        match self.take(key) {
            None => default,
            Some(value) => self.parse(key, value, RIGHT, above_zero).unwrap_or(default),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        match self.take(key) {
            None => default,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                self.wrong(key, &other.to_string(), "true or false");
                default
            }
        }
    }

    /// A whole number from zero to the greatest that is right.
    pub(super) fn number(&mut self, key: &'static str, default: u64, greatest: u64, right: &str) -> u64 {
        match self.take(key) {
            None => default,
            Some(value) => match value.as_u64().filter(|number| *number <= greatest) {
                Some(number) => number,
                None => {
                    self.wrong(key, &value.to_string(), right);
                    default
                }
            },
        }
    }

    /// A TCP port.
    pub(super) fn port(&mut self, key: &'static str, default: u16) -> u16 {
        self.positive(key, default, "a port from 1 to 65535")
    }

    /// How many of something.
    pub(super) fn count(&mut self, key: &'static str, default: u16) -> u16 {
        self.positive(key, default, "a number from 1 to 65535")
    }

    fn positive(&mut self, key: &'static str, default: u16, right: &str) -> u16 {
        match self.take(key) {
            None => default,
            Some(value) => match value.as_u64().and_then(|it| u16::try_from(it).ok()).filter(|it| *it > 0) {
                Some(it) => it,
                None => {
                    self.wrong(key, &value.to_string(), right);
                    default
                }
            },
        }
    }

    /// A list of texts; absent is empty.
    pub(super) fn list<T, E: Display>(
        &mut self,
        key: &'static str,
        right: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        match self.take(key) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => {
                let at = |index| format!("{key}[{index}]");
                let each = items.iter().enumerate();
                each.filter_map(|(index, item)| self.parse(&at(index), item, right, &parse)).collect()
            }
            Some(other) => {
                self.wrong(key, &other.to_string(), &format!("a list; each item {right}"));
                Vec::new()
            }
        }
    }

    /// A list of texts; none where it is absent, which is not the same as an empty list.
    pub(super) fn optional_list<T, E: Display>(
        &mut self,
        key: &'static str,
        right: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        self.take(key)?;
        Some(self.list(key, right, parse))
    }

    /// A list of mappings; none where it is absent.
    pub(super) fn sections<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(Reader<'_>) -> T,
    ) -> Option<Vec<T>> {
        match self.take(key)? {
            Value::Array(items) => {
                let each = items.iter().enumerate().map(|(index, item)| {
                    let path = format!("{}[{index}]", self.at(key));
                    read(Reader::over(path, Some(item), self.problems))
                });
                Some(each.collect())
            }
            other => {
                self.wrong(key, &other.to_string(), "a list of mappings");
                None
            }
        }
    }

    /// A mapping of texts to texts; absent is empty.
    pub(super) fn texts_by_key(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        match self.take(key) {
            None => {}
            Some(Value::Object(map)) => {
                for (name, value) in map {
                    match value {
                        Value::String(text) => {
                            texts.insert(name.clone(), text.clone());
                        }
                        other => self.wrong(&format!("{key}.{name}"), &other.to_string(), "a text in quotes"),
                    }
                }
            }
            Some(other) => self.wrong(key, &other.to_string(), "a mapping of texts to texts"),
        }
        texts
    }

    /// A key that may be absent and otherwise has just one right value.
    pub(super) fn constant(&mut self, key: &'static str, right: &str) {
        if let Some(value) = self.take(key)
            && value.as_str() != Some(right)
        {
            self.wrong(key, &value.to_string(), right);
        }
    }

    /// A key that is allowed and means nothing here.
    pub(super) fn ignore(&mut self, key: &'static str) {
        self.take(key);
    }

    /// Something other than a value's form is wrong.
    pub(super) fn told(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Notes a problem of a key.
    pub(super) fn wrong(&mut self, key: &str, value: &str, right: &str) {
        self.problems.push(Problem::new(INVALID, self.at(key), format!("{value} must be {right}")));
    }

    /// Notes every key that was not asked for.
    pub(super) fn no_more(self) {
        let Some(map) = self.map else { return };
        for key in map.keys().filter(|key| !self.known.contains(key.as_str())) {
            let near = nearest(key, &self.known).map(|near| format!("; did you mean {near}?"));
            let known: Vec<&str> = self.known.iter().copied().collect();
            let help = near.unwrap_or_else(|| format!("; known keys: {}", known.join(", ")));
            self.problems.push(Problem::new(INVALID, self.at(key), format!("is no key of this file{help}")));
        }
    }

    fn take(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.insert(key);
        self.map.and_then(|map| map.get(key)).filter(|value| !value.is_null())
    }

    fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn parse<T, E: Display>(
        &mut self,
        key: &str,
        value: &Value,
        right: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let Value::String(text) = value else {
            self.wrong(key, &value.to_string(), right);
            return None;
        };
        match parse(text) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.wrong(key, &format!("{text:?}"), &format!("{right} ({error})"));
                None
            }
        }
    }
}

fn positive(text: &str) -> Result<Duration, String> {
    let duration = go_duration(text)?;
    if duration.is_zero() { Err("it is zero".to_owned()) } else { Ok(duration) }
}

/// The known key that shares the longest beginning or differs only in case, if any is near.
fn nearest<'k>(key: &str, known: &BTreeSet<&'k str>) -> Option<&'k str> {
    let lower = key.to_ascii_lowercase();
    let shared = |other: &str| {
        lower
            .bytes()
            .zip(other.to_ascii_lowercase().bytes())
            .take_while(|(mine, theirs)| mine == theirs)
            .count()
    };
    known
        .iter()
        .copied()
        .max_by_key(|other| shared(other))
        .filter(|other| shared(other) >= 4.min(other.len()))
}
