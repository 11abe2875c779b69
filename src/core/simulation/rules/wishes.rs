//! What a pod is to have, of all that was told.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use super::{Known, Texts, Told, ToldCluster, Wish, Wishes, is_deleting, of_cluster};
use crate::plugin::Fact;
use crate::simulation::components::{self, Handed, Question, Said, SaidId, Saying, Use};
use crate::simulation::outside::{
    NodeState, PodId, PodState, SLICES_NAMESPACE, namespace_name, node_name, service_name,
};
use crate::simulation::schedule::{Apps, Health, Path, Place, PodPhase, Reading, Spec};

/// What an identity gives a pod that it selects.
#[derive(Debug, PartialEq, Eq)]
enum Given {
    /// These, each with another key.
    Entries(Vec<Texts>),
    /// Nobody can say, now or for good.
    Unknown,
    /// Nothing, and the pod is left to others.
    Skipped,
    /// Nothing.
    Denied,
}

impl Told {
    pub(super) fn derive(&self, pod: PodId, state: &PodState, cluster: &ToldCluster) -> Wishes {
        let mut wishes = Wishes::default();
        let (mut others_want, mut others_may_want) = (false, false);
        let seen = self.identities.iter().zip(0..).filter_map(|(known, name)| match known {
            Some(Known::Seen(it)) if !is_deleting(it.deleting, it.health) => Some((name, it)),
            _ => None,
        });
        let seen = seen.map(|(name, it)| {
            let (spec, health) = of_cluster(it, pod.cluster);
            (name, spec, health)
        });
        let mut seen: Vec<(u8, Spec, Health)> = seen.collect();
        if seen.iter().any(|(.., health)| *health == Health::Unreadable) {
            wishes.holds = true;
        }
        seen.retain(|(.., health)| *health != Health::Unreadable);
        seen.sort_by_key(|(name, spec, _)| (spec.fallback, std::cmp::Reverse(spec.priority), *name));
        for (name, spec, health) in seen {
            let spec = &spec;
            let (is_fallback, is_tried) = (spec.fallback, spec.preview);
            if is_fallback && others_want {
                continue;
            }
            let selects = self.selects(spec, health, pod.cluster, state, cluster);
            if selects == Some(false) || health != Health::Fine && is_tried {
                continue;
            }
            if selects.is_none() || health != Health::Fine {
                wishes.holds |= !is_tried;
                others_may_want |= !is_fallback && !is_tried;
                continue;
            }
            if is_fallback && others_may_want {
                wishes.holds |= !is_tried;
                continue;
            }
            // Whoever is only tried takes nothing from a fallback.
            let counts = !is_fallback && !is_tried;
            let given = self.give(spec, pod, state, cluster, &mut wishes.questions);
            // A plugin that has not spoken, or not well, may yet leave the pod to others.
            let is_open = spec.plugin.is_some() && given == Given::Unknown;
            others_may_want |= counts && is_open;
            others_want |= counts && !is_open && given != Given::Skipped;
            match given {
                Given::Unknown => wishes.holds |= !is_tried,
                Given::Skipped | Given::Denied => {}
                Given::Entries(_) if is_tried => {}
                Given::Entries(entries) => {
                    for (texts, slot) in entries.into_iter().zip(0..) {
                        if !wishes.has_key(&texts.key) {
                            wishes.entries.push(Wish { identity: name, slot, texts });
                        }
                    }
                }
            }
        }
        wishes
    }

    /// Whether a pod is selected by this spec alone and gets nothing of it, because that does not come out right, is not known
    /// yet, or is denied.
    pub fn is_without(&self, spec: &Spec, pod: PodId) -> bool {
        let cluster = self.clusters[usize::from(pod.cluster)].as_ref();
        let known = cluster.and_then(|it| Some((it, (*it.pods.get(&pod)?)?)));
        let Some((cluster, state)) = known else { return false };
        match self.selects(spec, Health::Fine, pod.cluster, &state, cluster) {
            None => true,
            Some(false) => false,
            Some(true) => {
                let given = self.give(spec, pod, &state, cluster, &mut BTreeSet::new());
                matches!(given, Given::Unknown | Given::Denied)
            }
        }
    }

    /// Whether the identity selects the pod; none where nobody can say.
    fn selects(
        &self,
        spec: &Spec,
        health: Health,
        cluster: u8,
        pod: &PodState,
        facts: &ToldCluster,
    ) -> Option<bool> {
        let namespace = facts.namespaces[usize::from(pod.namespace)].filter(|it| it.reading == Reading::Good);
        let team = |wanted: u8| namespace.map(|it| it.team == wanted);
        let (is_there, has_team) = match spec.place {
            Place::Nowhere => (false, Some(true)),
            Place::Named(name) => (name == pod.namespace, Some(true)),
            Place::Team(wanted) => (true, team(wanted)),
            Place::Both(name, wanted) => (name == pod.namespace, team(wanted)),
        };
        if health == Health::BadSelector {
            // Nothing of such a selection can be used but what it says of namespaces.
            return if is_there && has_team != Some(false) { None } else { Some(false) };
        }
        let env = match &self.registries[usize::from(cluster)] {
            Some(Known::Seen(it)) => it.env,
            _ => return Some(false),
        };
        let has_app = match spec.apps {
            Apps::Any => true,
            Apps::One(app) => app == pod.app,
            Apps::NotIn(app) => app != pod.app,
        };
        let fits = is_there
            && spec.env.is_none_or(|wanted| wanted == env)
            && has_app
            && pod.phase == PodPhase::Bound;
        if fits { has_team } else { Some(false) }
    }

    /// What an identity gives a pod that it selects; notes what its plugin has to be asked for that.
    fn give(
        &self,
        spec: &Spec,
        pod: PodId,
        state: &PodState,
        cluster: &ToldCluster,
        questions: &mut BTreeSet<Question>,
    ) -> Given {
        let reads_role = spec.path == Path::ByRole && spec.plugin.is_none_or(|used| used.falls_back);
        if reads_role && !cluster.annotations.role || spec.services && !cluster.listed[3] {
            return Given::Unknown;
        }
        let node = cluster.nodes[usize::from(state.node)].filter(|node| node.reading == Reading::Good);
        let Some(node) = node else { return Given::Unknown };
        let subject = Subject { spec, pod, state, node, services: services(spec, pod, state, cluster) };
        let by_templates =
            || by_templates(&subject).map_or(Given::Unknown, |texts| Given::Entries(vec![texts]));
        let Some(used) = spec.plugin else { return by_templates() };
        match self.said(used, &subject, cluster, questions) {
            Err(Silence::Failed) if used.falls_back => by_templates(),
            Err(_) => Given::Unknown,
            Ok(Saying::Skip) => Given::Skipped,
            Ok(Saying::Deny) => Given::Denied,
            Ok(Saying::Identities(said)) => match by_plugin(&subject, &said) {
                Some(entries) => Given::Entries(entries),
                None if used.falls_back => by_templates(),
                None => Given::Unknown,
            },
            Ok(Saying::Trap) if used.falls_back => by_templates(),
            Ok(Saying::Trap) => Given::Unknown,
        }
    }

    /// What a pod's plugin says of it, as far as it has spoken.
    fn said(
        &self,
        used: Use,
        subject: &Subject<'_>,
        cluster: &ToldCluster,
        questions: &mut BTreeSet<Question>,
    ) -> Result<Saying, Silence> {
        match self.stands.get(&used.plugin) {
            None => return Err(Silence::Waits),
            Some(false) => return Err(Silence::Failed),
            Some(true) => {}
        }
        let Subject { pod, state, node, .. } = subject;
        let mut handed = Handed::default();
        for fact in components::reads(used.plugin.component) {
            match fact {
                Fact::PodLabels => handed.app = Some(state.app),
                Fact::PodAnnotations if !cluster.annotations.all => return Err(Silence::Waits),
                Fact::PodAnnotations => handed.role = state.role,
                Fact::Namespace => handed.namespace = Some(state.namespace),
                Fact::PodUid => handed.pod = Some(*pod),
                Fact::NodeUid => handed.node = Some(node.uid),
                Fact::NamespaceLabels => {
                    let namespace = cluster.namespaces[usize::from(state.namespace)];
                    let known = namespace.filter(|it| it.reading == Reading::Good);
                    handed.team = Some(known.ok_or(Silence::Waits)?.team);
                }
                Fact::ClusterLabels => {
                    handed.env = match &self.registries[usize::from(pod.cluster)] {
                        Some(Known::Seen(it)) => Some(it.env),
                        _ => None,
                    };
                }
                _ => unreachable!("no component reads it"),
            }
        }
        let question = (used.plugin, handed);
        questions.insert(question);
        if self.answered.contains(&question) {
            return Ok(components::says(used.plugin, &handed));
        }
        Err(Silence::Waits)
    }
}

/// Why nothing is known of what a plugin says.
enum Silence {
    /// It may yet say it.
    Waits,
    /// It cannot be asked.
    Failed,
}

/// A pod on its node, and the identity that selects it.
struct Subject<'a> {
    spec: &'a Spec,
    pod: PodId,
    state: &'a PodState,
    node: NodeState,
    /// One bit a Service.
    services: u8,
}

fn services(spec: &Spec, pod: PodId, state: &PodState, cluster: &ToldCluster) -> u8 {
    let slices = cluster.slices.iter().flatten().filter(|_| spec.services);
    let of_pod = slices.filter(|slice| slice.pods.contains(&pod) && state.namespace == SLICES_NAMESPACE);
    of_pod.fold(0_u8, |services, slice| services | 1 << slice.service)
}

/// The entry that the templates give a pod; none where it does not come out right.
fn by_templates(subject: &Subject<'_>) -> Option<Texts> {
    let Subject { spec, pod, state, node, services } = *subject;
    type Made = (Path, bool, bool, PodId, u8, Option<u8>, u8, u16, u8);
    thread_local! {
        static MADE: RefCell<HashMap<Made, Texts>> = RefCell::default();
    }
    if node.fargate && !spec.own_parent || spec.path == Path::ByRole && state.role.is_none() {
        return None;
    }
    let key: Made =
        (spec.path, spec.own_parent, spec.ttl, pod, state.app, state.role, state.node, node.uid, services);
    MADE.with_borrow_mut(|made| {
        if made.len() > 50_000 {
            made.clear();
        }
        let make = || {
            let path = match spec.path {
                Path::Fixed(path) => format!("f{path}"),
                Path::ByApp => format!("c{}/a{}", pod.cluster, state.app),
                Path::ByRole => format!("role/r{}", state.role.unwrap_or_default()),
            };
            subject.write(&path, None, "", "")
        };
        Some(made.entry(key).or_insert_with(make).clone())
    })
}

/// The entries that a plugin's decision gives a pod, in the order of their keys; none where one of them does not come out
/// right.
fn by_plugin(subject: &Subject<'_>, said: &[Said]) -> Option<Vec<Texts>> {
    let mut entries = Vec::new();
    for Said { id, has_parent, has_selector, has_name } in said {
        let path = match id {
            SaidId::Path(number) => format!("f{number}"),
            SaidId::Full(number) => format!("g{number}"),
            SaidId::NoSlash | SaidId::Elsewhere => return None,
        };
        if subject.node.fargate && !subject.spec.own_parent && !has_parent {
            return None;
        }
        let parent = has_parent.then_some("agent/plugin");
        let selector = if *has_selector { ",unix:uid:1" } else { "" };
        let name = if *has_name { "plugin.example" } else { "" };
        entries.push(subject.write(&path, parent, selector, name));
    }
    entries.sort();
    let has_twice = entries.windows(2).any(|pair| pair[0].key == pair[1].key);
    (!has_twice).then_some(entries)
}

impl Subject<'_> {
    fn write(&self, path: &str, parent: Option<&str>, selector: &str, name: &str) -> Texts {
        let Subject { spec, pod, state, node, services } = self;
        let parent = match parent {
            Some(parent) => parent.to_owned(),
            None if spec.own_parent => format!("agent/{}", node_name(state.node)),
            None => format!("spire/agent/k8s_psat/c{}/n{}", pod.cluster, node.uid),
        };
        let namespace = namespace_name(state.namespace);
        let names = (0..8_u8).filter(|service| services & 1 << service != 0).map(service_name).map(|service| {
            format!("{service},{service}.{namespace},{service}.{namespace}.svc,{service}.{namespace}.svc.cluster.local")
        });
        let own = Some(name.to_owned()).filter(|name| !name.is_empty());
        let names: Vec<String> = own.into_iter().chain(names).collect();
        Texts::new(
            &format!("spiffe://example.org/{path}"),
            &format!("spiffe://example.org/{parent}"),
            &format!("k8s:pod-uid:{}{selector}", pod.uid()),
            if spec.ttl { 3600 } else { 0 },
            &names.join(","),
        )
    }
}
