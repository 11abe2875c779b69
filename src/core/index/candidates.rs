//! Which identities may want a pod, found by its namespace and by one of its labels, in the order of preference.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use crate::facts::Labels;
use crate::names::{IdentityName, NamespaceName};
use crate::select::Namespaces;

/// The order in which identities are asked for a pod: fallbacks last, then higher priority, then smaller name first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    is_fallback: bool,
    priority: Reverse<i32>,
    name: IdentityName,
}

impl Rank {
    pub(super) fn new(name: &IdentityName, is_fallback: bool, priority: i32) -> Self {
        Self { is_fallback, priority: Reverse(priority), name: name.clone() }
    }

    /// Whose it is.
    pub(super) fn name(&self) -> &IdentityName {
        &self.name
    }
}

/// Where an identity is found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    pub(super) rank: Rank,
    pub(super) namespaces: Namespaces,
    /// A label that every pod that it wants has.
    pub(super) label: Option<(String, String)>,
}

/// Identities by where their pods are.
#[derive(Debug, Default, Clone)]
pub(super) struct Candidates {
    by_namespace: HashMap<NamespaceName, Bucket>,
    anywhere: Bucket,
}

#[derive(Debug, Default, Clone)]
struct Bucket {
    any_pod: BTreeSet<Rank>,
    by_label: HashMap<String, HashMap<String, BTreeSet<Rank>>>,
}

impl Candidates {
    pub(super) fn insert(&mut self, place: &Place) {
        let bucket = match &place.namespaces {
            Namespaces::None => return,
            Namespaces::One(name, _) => self.by_namespace.entry(name.clone()).or_default(),
            Namespaces::Labelled(_) => &mut self.anywhere,
        };
        let ranks = match &place.label {
            None => &mut bucket.any_pod,
            Some((key, value)) => {
                let values = bucket.by_label.entry(key.clone()).or_default();
                values.entry(value.clone()).or_default()
            }
        };
        ranks.insert(place.rank.clone());
    }

    pub(super) fn remove(&mut self, place: &Place) {
        let bucket = match &place.namespaces {
            Namespaces::None => return,
            Namespaces::One(name, _) => self.by_namespace.get_mut(name),
            Namespaces::Labelled(_) => Some(&mut self.anywhere),
        };
        let Some(bucket) = bucket else { return };
        match &place.label {
            None => {
                bucket.any_pod.remove(&place.rank);
            }
            Some((key, value)) => {
                let Some(values) = bucket.by_label.get_mut(key) else { return };
                if let Some(ranks) = values.get_mut(value) {
                    ranks.remove(&place.rank);
                    if ranks.is_empty() {
                        values.remove(value);
                    }
                }
                if values.is_empty() {
                    bucket.by_label.remove(key);
                }
            }
        }
        if let Namespaces::One(name, _) = &place.namespaces
            && self.by_namespace.get(name).is_some_and(|it| it.any_pod.is_empty() && it.by_label.is_empty())
        {
            self.by_namespace.remove(name);
        }
    }

    /// All identities that may want a pod of this namespace with these labels, in the order of preference. One of which two
    /// versions are known may be there twice, with the rank of each.
    pub(super) fn of(&self, namespace: &NamespaceName, labels: &Labels) -> Vec<&Rank> {
        let mut ranks: Vec<&Rank> = Vec::new();
        for bucket in self.by_namespace.get(namespace).into_iter().chain([&self.anywhere]) {
            ranks.extend(&bucket.any_pod);
            // Whichever are fewer: labels that identities ask for, or labels of the pod.
            for (key, values) in bucket.by_label.iter().filter(|_| bucket.by_label.len() <= labels.len()) {
                ranks.extend(labels.get(key).and_then(|value| values.get(value)).into_iter().flatten());
            }
            for (key, value) in labels.iter().filter(|_| bucket.by_label.len() > labels.len()) {
                ranks.extend(
                    bucket.by_label.get(key).and_then(|values| values.get(value)).into_iter().flatten(),
                );
            }
        }
        ranks.sort_unstable();
        ranks.dedup();
        ranks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::Requirements;

    fn place(
        name: &str,
        namespace: Option<&str>,
        label: Option<&str>,
        priority: i32,
        is_fallback: bool,
    ) -> Place {
        let name = IdentityName::new(name).unwrap();
        Place {
            rank: Rank::new(&name, is_fallback, priority),
            namespaces: match namespace {
                Some(namespace) => Namespaces::One(NamespaceName::new(namespace).unwrap(), None),
                None => Namespaces::Labelled(Requirements::default()),
            },
            label: label.map(|value| ("app".to_owned(), value.to_owned())),
        }
    }

    #[test]
    fn identities_are_found_by_namespace_and_label_in_the_order_of_preference() {
        let places = [
            place("last", Some("shop"), None, 9, true),
            place("b", Some("shop"), Some("web"), 0, false),
            place("a", None, Some("web"), 0, false),
            place("first", Some("shop"), None, 5, false),
            place("low", None, None, -1, false),
            place("other-app", Some("shop"), Some("api"), 0, false),
            place("other-namespace", Some("else"), None, 0, false),
        ];
        let mut candidates = Candidates::default();
        places.iter().for_each(|place| candidates.insert(place));
        let shop = NamespaceName::new("shop").unwrap();
        let found = |candidates: &Candidates, labels: &[(&str, &str)]| -> Vec<String> {
            let labels: Labels = labels.iter().copied().collect();
            candidates.of(&shop, &labels).into_iter().map(|rank| rank.name.to_string()).collect()
        };
        assert_eq!(found(&candidates, &[("app", "web")]), ["first", "a", "b", "low", "last"]);
        assert_eq!(found(&candidates, &[]), ["first", "low", "last"]);
        assert_eq!(
            found(&candidates, &[("app", "web"), ("x", "y"), ("z", "")]),
            ["first", "a", "b", "low", "last"]
        );
        places.iter().for_each(|place| candidates.remove(place));
        assert!(candidates.by_namespace.is_empty() && candidates.anywhere.by_label.is_empty());
        assert!(candidates.anywhere.any_pod.is_empty());
    }
}
