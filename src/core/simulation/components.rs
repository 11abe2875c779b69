//! The plugins of the simulation: which facts each component reads, and what it says of them.

use super::outside::PodId;
use crate::plugin::Fact;

/// How many components there are.
pub const COMPONENTS: u8 = 3;
/// The configuration that no component takes.
pub const REFUSED: u8 = 2;

/// A plugin as an identity uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Use {
    /// Which plugin.
    pub plugin: Plugin,
    /// `failurePolicy: Fallback`.
    pub falls_back: bool,
}

/// A component with a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plugin {
    /// Told apart by its digest.
    pub component: u8,
    /// `spec.plugin.config`.
    pub config: u8,
}

/// What a component is handed of a pod; what it does not read is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handed {
    pub app: Option<u8>,
    pub role: Option<u8>,
    pub namespace: Option<u8>,
    pub pod: Option<PodId>,
    pub node: Option<u16>,
    pub team: Option<u8>,
    pub env: Option<u8>,
}

/// A question: who is asked, and of what.
pub type Question = (Plugin, Handed);

/// What a component says of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saying {
    /// It gets these.
    Identities(Vec<Said>),
    /// It is left to others.
    Skip,
    /// It gets none.
    Deny,
    /// The call does not come to an end.
    Trap,
}

/// One identity that a component says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// As it is returned.
    pub id: SaidId,
    /// With a parent of its own.
    pub has_parent: bool,
    /// With a selector of its own.
    pub has_selector: bool,
    /// With a DNS name of its own.
    pub has_name: bool,
}

/// The SPIFFE ID that a component says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaidId {
    /// A path, the same as a template's.
    Path(u8),
    /// A whole id.
    Full(u8),
    /// A path that is none.
    NoSlash,
    /// Of another trust domain.
    Elsewhere,
}

/// What a component says that it reads.
pub fn reads(component: u8) -> &'static [Fact] {
    match component {
        0 => &[Fact::PodLabels],
        1 => &[Fact::PodAnnotations, Fact::Namespace],
        _ => &[Fact::PodUid, Fact::NodeUid, Fact::NamespaceLabels, Fact::ClusterLabels],
    }
}

/// What a plugin says of what it is handed: the same each time.
pub fn says(Plugin { component, config }: Plugin, handed: &Handed) -> Saying {
    let one = |id| Said { id, has_parent: false, has_selector: false, has_name: false };
    let path = |number| one(SaidId::Path(number));
    let small = [handed.app, handed.role, handed.namespace, handed.team, handed.env];
    let small = small.into_iter().map(|it| it.map_or(0, |it| usize::from(it) + 1));
    let facts = small.fold(0, |facts, it| facts * 3 + it) + handed.node.map_or(0, usize::from);
    match (facts * 5 + usize::from(config) * 7 + usize::from(component) * 3) % 13 {
        0 => Saying::Identities(vec![path(0)]),
        1 => Saying::Identities(vec![Said { has_name: true, ..path(1) }]),
        2 => Saying::Identities(vec![path(0), path(1)]),
        3 => Saying::Identities(vec![one(SaidId::Full(0)), path(1), path(0)]),
        4 => Saying::Identities(vec![Said { has_selector: true, ..path(2) }, path(2)]),
        5 => Saying::Identities(vec![Said { has_parent: true, ..path(1) }, one(SaidId::Full(0))]),
        6 | 7 => Saying::Skip,
        8 => Saying::Deny,
        9 => Saying::Trap,
        10 => Saying::Identities(vec![path(0), one(SaidId::NoSlash)]),
        11 => Saying::Identities(vec![one(SaidId::Elsewhere)]),
        _ => Saying::Identities(vec![path(2), path(0), one(SaidId::Path(2))]),
    }
}
