//! Which fields of pods and nodes are read beyond the fixed facts: what `trim` keeps.

use std::collections::BTreeSet;

/// The object that a path starts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// `v1.Pod`.
    Pod,
    /// `v1.Node`.
    Node,
}

/// The part of a path that stands for every item of a list, as in `spec.containers.[].image`.
pub const EACH: &str = "[]";

/// JSON paths such as `metadata.annotations`; a path stands for everything below it, an empty path for the object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Demand {
    pod: BTreeSet<Vec<String>>,
    node: BTreeSet<Vec<String>>,
    endpoint_slices: bool,
}

impl Demand {
    /// Adds a path.
    pub fn add(&mut self, source: Source, path: Vec<String>) {
        if !self.has(source, &path) {
            let paths = self.paths_mut(source);
            paths.retain(|longer| !longer.starts_with(&path));
            paths.insert(path);
        }
    }

    /// Adds endpoint slices, which are read whole or not at all.
    pub fn add_endpoint_slices(&mut self) {
        self.endpoint_slices = true;
    }

    /// Whether endpoint slices are read.
    pub fn reads_endpoint_slices(&self) -> bool {
        self.endpoint_slices
    }

    /// Adds all that another demand names.
    pub fn merge(&mut self, other: &Self) {
        for source in [Source::Pod, Source::Node] {
            for path in other.paths_of(source) {
                self.add(source, path.to_vec());
            }
        }
        self.endpoint_slices |= other.endpoint_slices;
    }

    /// Whether objects kept by this demand have all that the other needs.
    pub fn covers(&self, other: &Self) -> bool {
        let covers_slices = self.endpoint_slices || !other.endpoint_slices;
        self.covers_in(Source::Pod, other) && self.covers_in(Source::Node, other) && covers_slices
    }

    /// Whether objects of one kind, kept by this demand, have all that the other needs of them.
    pub fn covers_in(&self, source: Source, other: &Self) -> bool {
        other.paths_of(source).all(|path| self.has(source, path))
    }

    /// The paths in one kind of object, none of them below another.
    pub fn paths_of(&self, source: Source) -> impl Iterator<Item = &[String]> {
        match source {
            Source::Pod => &self.pod,
            Source::Node => &self.node,
        }
        .iter()
        .map(Vec::as_slice)
    }

    fn has(&self, source: Source, path: &[String]) -> bool {
        self.paths_of(source).any(|known| path.starts_with(known))
    }

    fn paths_mut(&mut self, source: Source) -> &mut BTreeSet<Vec<String>> {
        match source {
            Source::Pod => &mut self.pod,
            Source::Node => &mut self.node,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn a_path_stands_for_everything_below_it() {
        let mut demand = Demand::default();
        demand.add(Source::Pod, path("metadata.annotations.team"));
        demand.add(Source::Pod, path("metadata.annotations"));
        demand.add(Source::Pod, path("metadata.annotations.owner"));
        assert_eq!(demand.paths_of(Source::Pod).collect::<Vec<_>>(), [path("metadata.annotations")]);
        let mut smaller = Demand::default();
        smaller.add(Source::Pod, path("metadata.annotations.team"));
        assert!(demand.covers(&smaller) && !smaller.covers(&demand) && demand.covers(&Demand::default()));
        smaller.add(Source::Node, path("metadata.annotations"));
        assert!(!demand.covers(&smaller));
    }
}
