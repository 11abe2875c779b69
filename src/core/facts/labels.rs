//! Labels of an object, small: hundreds of thousands of pods have them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Labels as Kubernetes has them, in the order of their keys; clones share them. All text is in one piece: a tree of
/// strings takes three times as much.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Labels(Arc<Texts>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
struct Texts {
    /// Keys and values, one after another.
    text: Box<str>,
    /// Where each of them ends, in bytes.
    ends: Box<[u32]>,
}

impl Texts {
    fn at(&self, index: usize) -> &str {
        let end = |index: usize| self.ends.get(index).copied().unwrap_or_default() as usize;
        let begin = index.checked_sub(1).map_or(0, end);
        self.text.get(begin..end(index)).unwrap_or_default()
    }
}

impl Labels {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.0.at(2 * middle).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(self.0.at(2 * middle + 1)),
            }
        }
        None
    }

    /// Keys and values, in the order of the keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        (0..self.len()).map(|index| (self.0.at(2 * index), self.0.at(2 * index + 1)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.ends.len() / 2
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.ends.is_empty()
    }

    /// Whether both are one and the same, and not only equal.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether others have the same labels, shared with these.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

/// Of a key that comes twice, the last counts.
impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let pairs: Vec<(K, V)> = pairs.into_iter().collect();
        let sorted: BTreeMap<&str, &str> =
            pairs.iter().map(|(key, value)| (key.as_ref(), value.as_ref())).collect();
        let (mut text, mut ends) = (String::new(), Vec::with_capacity(2 * sorted.len()));
        for part in sorted.into_iter().flat_map(|(key, value)| [key, value]) {
            // An object of Kubernetes has at most some megabytes.
            let Ok(end) = u32::try_from(text.len() + part.len()) else { break };
            text.push_str(part);
            ends.push(end);
        }
        ends.truncate(ends.len() / 2 * 2);
        Self(Arc::new(Texts { text: text.into(), ends: ends.into() }))
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_what_a_map_is(
            pairs in prop::collection::vec(("[a-c/é]{0,3}", "[a-cé]{0,3}"), 0..8),
            asked in "[a-c/é]{0,3}",
        ) {
            let map: BTreeMap<String, String> = pairs.iter().cloned().collect();
            let labels: Labels = pairs.into_iter().collect();
            let texts: Vec<(&str, &str)> = map.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            prop_assert_eq!(labels.iter().collect::<Vec<_>>(), texts);
            prop_assert_eq!((labels.len(), labels.is_empty()), (map.len(), map.is_empty()));
            prop_assert_eq!(labels.get(&asked), map.get(&asked).map(String::as_str));
            for (key, value) in &map {
                prop_assert_eq!(labels.get(key), Some(value.as_str()));
            }
        }
    }
}
