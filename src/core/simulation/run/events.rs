//! What happens outside, and to the processes.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use super::checks::is_at_rest;
use super::replica::{Replica, Watch, unreachable_phase};
use super::{HOUR, PREFIX, Simulation};
use crate::entry::{ClusterTag, Entry, EntryDigest, EntryId, EntryKey, Nonce};
use crate::names::{IdentityName, PodUid};
use crate::simulation::outside::{
    IdentityState, Item, NamespaceState, NodeState, PodId, PodState, RegistryState, SliceState, cluster_name,
    identity_name,
};
use crate::simulation::schedule::{
    CLUSTERS, Event, IDENTITIES, KINDS, OBJECTS, PLUGINS, Path, PodPhase, REGISTRIES, Reading, Spec,
};
use crate::simulation::spire::Row;
use crate::spiffe::{self, Selector, TrustDomain};

impl Simulation {
    pub(super) fn happen(&mut self, event: Event) {
        if matches!(event, Event::DriftDeleted { .. } | Event::DriftChanged { .. } | Event::Restore) {
            self.replicas.iter_mut().for_each(|replica| replica.has_failed = true);
        }
        match event {
            Event::Pod { cluster, slot, app, namespace, node, role, phase } => {
                self.pod(
                    cluster,
                    slot,
                    PodState { namespace, app, node, role, phase, reading: Reading::Good },
                );
            }
            Event::PodMalformed { cluster, slot, nameless } => {
                let reading = if nameless { Reading::Nameless } else { Reading::Malformed };
                let pods = &mut self.outside.clusters[usize::from(cluster)].pods;
                if let Some((id, state)) = pods.get_mut(&slot) {
                    state.reading = reading;
                    let item = Item::Pod(*id, *state);
                    self.emit(cluster * KINDS, &item);
                }
            }
            Event::PodGone { cluster, slot } => self.pod_gone(cluster, slot),
            Event::Node { cluster, node, fargate } => {
                let state = NodeState { uid: self.outside.make(), fargate, reading: Reading::Good };
                self.outside.clusters[usize::from(cluster)].nodes[usize::from(node)] = Some(state);
                self.emit(cluster * KINDS + 1, &Item::Node(node, state));
            }
            Event::NodeMalformed { cluster, node } => {
                if let Some(state) = &mut self.outside.clusters[usize::from(cluster)].nodes[usize::from(node)]
                {
                    state.reading = Reading::Malformed;
                    let item = Item::Node(node, *state);
                    self.emit(cluster * KINDS + 1, &item);
                }
            }
            Event::NodeGone { cluster, node } => {
                let nodes = &mut self.outside.clusters[usize::from(cluster)].nodes;
                if nodes[usize::from(node)].take().is_some() {
                    self.emit(cluster * KINDS + 1, &Item::NodeGone(node));
                }
            }
            Event::Namespace { cluster, namespace, team } => {
                let state = NamespaceState { team, reading: Reading::Good };
                self.outside.clusters[usize::from(cluster)].namespaces[usize::from(namespace)] = Some(state);
                self.emit(cluster * KINDS + 2, &Item::Namespace(namespace, state));
            }
            Event::NamespaceMalformed { cluster, namespace } => {
                if let Some(state) =
                    &mut self.outside.clusters[usize::from(cluster)].namespaces[usize::from(namespace)]
                {
                    state.reading = Reading::Malformed;
                    let item = Item::Namespace(namespace, *state);
                    self.emit(cluster * KINDS + 2, &item);
                }
            }
            Event::NamespaceGone { cluster, namespace } => {
                let namespaces = &mut self.outside.clusters[usize::from(cluster)].namespaces;
                if namespaces[usize::from(namespace)].take().is_some() {
                    self.emit(cluster * KINDS + 2, &Item::NamespaceGone(namespace));
                }
            }
            Event::Slice { cluster, slice, service, slots } => {
                let it = &mut self.outside.clusters[usize::from(cluster)];
                let chosen = it.pods.iter().filter(|(slot, _)| slots & 1 << **slot != 0);
                let state = SliceState { service, pods: chosen.map(|(_, (id, _))| *id).collect() };
                it.slices[usize::from(slice)] = Some(state.clone());
                self.emit(cluster * KINDS + 3, &Item::Slice(slice, state));
            }
            Event::SliceGone { cluster, slice } => {
                let slices = &mut self.outside.clusters[usize::from(cluster)].slices;
                if slices[usize::from(slice)].take().is_some() {
                    self.emit(cluster * KINDS + 3, &Item::SliceGone(slice));
                }
            }
            Event::Identity { identity, spec, health } => {
                let before = self.outside.identities[usize::from(identity)].as_deref();
                let (deleting, finalizer) = before.map_or((false, false), |it| (it.deleting, it.finalizer));
                let (release, rollout) =
                    (before.and_then(|it| it.release.clone()), before.and_then(|it| it.rollout));
                let state = IdentityState { spec, rollout, health, deleting, finalizer, release };
                self.put_identity(identity, state);
            }
            Event::Path { identity, path } => {
                if let Some(state) = self.outside.identities[usize::from(identity)].as_deref().cloned() {
                    let spec = Spec { path, ..state.spec };
                    self.put_identity(identity, IdentityState { spec, ..state });
                }
            }
            Event::Plugin { identity, plugin } => {
                if let Some(state) = self.outside.identities[usize::from(identity)].as_deref().cloned() {
                    let spec = Spec { plugin, ..state.spec };
                    self.put_identity(identity, IdentityState { spec, ..state });
                }
            }
            Event::Source { component, fetching } => {
                self.outside.sources[usize::from(component)] = fetching;
            }
            Event::Answers { most } => self.outside.answers = most,
            Event::IdentityDeleted { identity } => {
                match self.outside.identities[usize::from(identity)].as_deref().cloned() {
                    Some(state) if state.finalizer => {
                        self.put_identity(identity, IdentityState { deleting: true, ..state });
                    }
                    _ => self.identity_gone(identity),
                }
            }
            Event::IdentityForced { identity } => self.identity_gone(identity),
            Event::Registry { cluster, env, way, enabled, health, lags } => {
                for replica in &mut self.replicas {
                    replica.watches[usize::from(cluster * KINDS)].lags |= lags;
                }
                let before = self.outside.registries[usize::from(cluster)].as_deref();
                let (deleting, finalizer) = before.map_or((false, false), |it| (it.deleting, it.finalizer));
                let release = before.and_then(|it| it.release.clone());
                let state = RegistryState { env, way, enabled, health, deleting, finalizer, release };
                self.put_registry(cluster, state);
            }
            Event::RegistryDeleted { cluster } => {
                match self.outside.registries[usize::from(cluster)].as_deref().cloned() {
                    Some(state) if state.finalizer => {
                        self.put_registry(cluster, RegistryState { deleting: true, ..state });
                    }
                    _ => self.registry_gone(cluster),
                }
            }
            Event::Management { lost } => self.management(lost),
            Event::Lag { replica, watch, lags } => self.watch(replica, watch).lags = lags,
            Event::Relist { replica, watch: PLUGINS } => self.replica(replica).host.tell_anew(),
            Event::Repeat { replica, watch: PLUGINS } => self.replica(replica).host.answer_again(),
            Event::Relist { replica, watch } => self.watch(replica, watch).must_list = true,
            Event::Repeat { replica, watch } => {
                let watch = self.watch(replica, watch);
                // Whose uid cannot be read is not told twice; without it, the last state would not be told last.
                let is_nameless =
                    |item: &Item| matches!(item, Item::Pod(_, it) if it.reading == Reading::Nameless);
                if watch.recent.iter().any(is_nameless) {
                    return;
                }
                let again: Vec<Item> = watch.recent.iter().cloned().collect();
                again.into_iter().rev().for_each(|item| watch.pending.push_front(item));
            }
            Event::Unreachable { cluster } => {
                self.outside.clusters[usize::from(cluster)].is_reachable = false;
                self.replicas.iter_mut().for_each(|replica| replica.tell_phase(cluster, unreachable_phase()));
            }
            Event::Reachable { cluster, resumes } => self.reachable(cluster, resumes),
            Event::Restart { replica, lags } => {
                let setup = self.setup;
                self.replica(replica).restart(setup);
                if let Some(watch) = lags {
                    self.watch(replica, watch).lags = true;
                }
            }
            Event::Crash { calls, done } => self.spire.kill = Some((calls, done)),
            Event::Handover { late } => {
                if self.replicas.len() > 1 {
                    self.handover = Some(late);
                }
            }
            Event::Fail { after, fault } => self.spire.faults.push((after, fault)),
            Event::Down { down } => self.spire.is_down = down,
            Event::Slow { calls } => self.calls_between = calls,
            Event::Foreign { cluster, slot, path, equal, like_ours } => {
                self.foreign(cluster, slot, path, equal, like_ours);
            }
            Event::ForeignGone { nth } => {
                if let Some(id) = self.nth_row(nth, |row| row.owner.is_none()) {
                    self.spire.rows.remove(&id);
                }
            }
            Event::DriftDeleted { nth } => {
                if let Some(id) = self.nth_row(nth, |row| row.owner.is_some()) {
                    self.spire.rows.remove(&id);
                }
            }
            Event::DriftChanged { nth, key } => self.alter(nth, key),
            Event::Backup => self.spire.backup = Some(self.spire.rows.clone()),
            Event::Restore => {
                if let Some(backup) = &self.spire.backup {
                    self.spire.rows.clone_from(backup);
                }
            }
            Event::Compare => self.replicas.iter_mut().for_each(|replica| replica.must_compare = true),
            Event::Hour => self.pass(HOUR),
            Event::Release { nth, wrong } => self.release(nth, wrong),
            Event::Unrelease => self.unrelease(),
            Event::Burst { events } => self.burst = events,
        }
    }

    fn replica(&mut self, replica: u8) -> &mut Replica {
        let at = usize::from(replica) % self.replicas.len();
        &mut self.replicas[at]
    }

    fn watch(&mut self, replica: u8, watch: u8) -> &mut Watch {
        &mut self.replica(replica).watches[usize::from(watch)]
    }

    fn pod(&mut self, cluster: u8, slot: u8, mut state: PodState) {
        let known = self.outside.clusters[usize::from(cluster)].pods.get(&slot).copied();
        let id = match known {
            Some((_, before)) if before.phase == PodPhase::Finished => {
                self.pod_gone(cluster, slot);
                PodId { cluster, slot, generation: self.outside.make() }
            }
            Some((id, before)) => {
                state.namespace = before.namespace;
                if before.phase == PodPhase::Bound {
                    state.node = before.node;
                    if state.phase == PodPhase::Pending {
                        state.phase = PodPhase::Bound;
                    }
                }
                id
            }
            None => PodId { cluster, slot, generation: self.outside.make() },
        };
        self.outside.clusters[usize::from(cluster)].pods.insert(slot, (id, state));
        self.emit(cluster * KINDS, &Item::Pod(id, state));
    }

    fn pod_gone(&mut self, cluster: u8, slot: u8) {
        match self.outside.clusters[usize::from(cluster)].pods.remove(&slot) {
            // Whose end it is cannot be said: only a list can.
            Some((_, state)) if state.reading == Reading::Nameless => self.list_anew(cluster * KINDS),
            Some((id, _)) => self.emit(cluster * KINDS, &Item::PodGone(id)),
            None => {}
        }
    }

    pub(super) fn put_identity(&mut self, identity: u8, state: IdentityState) {
        let before = self.outside.identities[usize::from(identity)].as_deref();
        if before
            .is_none_or(|it| (it.spec, it.health, it.rollout) != (state.spec, state.health, state.rollout))
        {
            self.edited[usize::from(identity)] = self.now;
        }
        let state = Rc::new(state);
        self.outside.identities[usize::from(identity)] = Some(state.clone());
        self.emit(OBJECTS, &Item::Identity(identity, state));
    }

    fn put_registry(&mut self, cluster: u8, state: RegistryState) {
        let state = Rc::new(state);
        self.outside.registries[usize::from(cluster)] = Some(state.clone());
        self.emit(REGISTRIES, &Item::Registry(cluster, state));
    }

    pub(super) fn identity_gone(&mut self, identity: u8) {
        if self.outside.identities[usize::from(identity)].take().is_some() {
            self.emit(OBJECTS, &Item::IdentityGone(identity));
        }
    }

    pub(super) fn registry_gone(&mut self, cluster: u8) {
        if self.outside.registries[usize::from(cluster)].take().is_some() {
            self.emit(REGISTRIES, &Item::RegistryGone(cluster));
        }
    }

    fn management(&mut self, lost: bool) {
        if lost {
            let registries = std::mem::take(&mut self.outside.registries);
            let identities = std::mem::take(&mut self.outside.identities);
            self.outside.lost = Some((registries, identities));
        } else {
            let Some((registries, identities)) = self.outside.lost.take() else { return };
            for (now, before) in self.outside.registries.iter_mut().zip(registries) {
                *now = now.take().or(before);
            }
            for (now, before) in self.outside.identities.iter_mut().zip(identities) {
                *now = now.take().or(before);
            }
        }
        self.list_anew(REGISTRIES);
        self.list_anew(OBJECTS);
    }

    pub(super) fn reachable(&mut self, cluster: u8, resumes: bool) {
        if std::mem::replace(&mut self.outside.clusters[usize::from(cluster)].is_reachable, true) || resumes {
            return;
        }
        (0..KINDS).for_each(|kind| self.list_anew(cluster * KINDS + kind));
    }

    fn nth_row(&self, nth: u8, is_one: impl Fn(&Row) -> bool) -> Option<EntryId> {
        let ids: Vec<&EntryId> =
            self.spire.rows.iter().filter(|(_, row)| is_one(row)).map(|(id, _)| id).collect();
        ids.get(usize::from(nth) % ids.len().max(1)).map(|id| (*id).clone())
    }

    fn alter(&mut self, nth: u8, key: bool) {
        let Some(id) = self.nth_row(nth, |row| row.owner.is_some()) else { return };
        let Some(row) = self.spire.rows.get(&id) else { return };
        let mut entry = (*row.entry).clone();
        entry.x509_svid_ttl = 99;
        if key {
            let domain = TrustDomain::new("example.org").unwrap();
            entry.key.spiffe_id = spiffe::workload_id("spiffe://example.org/altered", &domain).unwrap();
        }
        let row = Row::of(&id, &entry, row.owner);
        if !self.spire.rows.values().any(|other| other.texts.key == row.texts.key && key) {
            self.spire.rows.insert(id, Rc::new(row));
        }
    }

    fn foreign(&mut self, cluster: u8, slot: u8, path: Path, equal: bool, like_ours: u8) {
        let it = &self.outside.clusters[usize::from(cluster)];
        let Some((pod, state)) = it.pods.get(&slot) else { return };
        let Some(node) = it.nodes[usize::from(state.node)] else { return };
        let Path::Fixed(path) = path else { return };
        let domain = TrustDomain::new("example.org").unwrap();
        let uid = PodUid::new(pod.uid()).unwrap();
        let parent = format!("spiffe://example.org/spire/agent/k8s_psat/c{cluster}/n{}", node.uid);
        let key = EntryKey {
            spiffe_id: spiffe::workload_id(&format!("spiffe://example.org/f{path}"), &domain).unwrap(),
            parent_id: spiffe::parent_id(&parent, &domain).unwrap(),
            selectors: BTreeSet::from([Selector::pod_uid(&uid)]),
        };
        let entry = Entry { x509_svid_ttl: if equal { 0 } else { 77 }, ..Entry::of_key(key) };
        self.foreign_made += 1;
        let tag = ClusterTag::of(&cluster_name(cluster));
        let digest = EntryDigest::of(&IdentityName::new(identity_name(0)).unwrap(), &uid, 0);
        // Bit by bit more like an id of ours.
        let number = self.foreign_made;
        let nonce = Nonce::new(number << 32);
        let id = match like_ours {
            0 => EntryId::observed(&format!("other-{number}")),
            1 => EntryId::observed(&format!("{PREFIX}{number:064x}")),
            2 => EntryId::make(&format!("{PREFIX}x-"), &tag, &digest, &nonce),
            _ => EntryId::observed(&format!("{}.a", EntryId::make(PREFIX, &tag, &digest, &nonce))),
        };
        let row = Row::of(&id, &entry, None);
        if !self.spire.rows.values().any(|other| other.texts.key == row.texts.key) {
            self.spire.rows.insert(id, Rc::new(row));
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        for replica in &mut self.replicas {
            // What is left to be done was perhaps let through before the window that begins now.
            if !is_at_rest(replica, self.now) {
                replica.blind_until = Some(self.now + time);
            }
        }
    }

    fn release(&mut self, nth: u8, wrong: bool) {
        let outcome = self.replicas[self.leader].ledger.outcome(None);
        let held: Vec<_> = outcome
            .braked_identities
            .into_values()
            .chain(outcome.braked_clusters.into_values())
            .chain(outcome.braked_fleet)
            .collect();
        let orphans: Vec<String> = outcome.orphans.iter().filter_map(|plan| plan.digest.clone()).collect();
        let digest = match held.get(usize::from(nth) % (held.len() + orphans.len()).max(1)) {
            _ if wrong => "abcdefghijklm".to_owned(),
            Some(held) => {
                self.released += (held.deletes + held.updates) as usize;
                held.digest.clone()
            }
            None => {
                match orphans.get((usize::from(nth) % (held.len() + orphans.len()).max(1)) - held.len()) {
                    None => return,
                    Some(digest) => {
                        self.let_go.insert(digest.clone(), self.orphans.clone());
                        digest.clone()
                    }
                }
            }
        };
        let named = self.outside.identities.iter().position(Option::is_some);
        if let Some(state) = named.and_then(|at| self.outside.identities[at].as_deref().cloned()) {
            let at = named.unwrap_or_default() as u8;
            self.put_identity(at, IdentityState { release: Some(digest), ..state });
            return;
        }
        let named = self.outside.registries.iter().position(Option::is_some);
        if let Some(state) = named.and_then(|at| self.outside.registries[at].as_deref().cloned()) {
            let at = named.unwrap_or_default() as u8;
            self.put_registry(at, RegistryState { release: Some(digest), ..state });
        }
    }

    fn unrelease(&mut self) {
        for at in 0..IDENTITIES {
            if let Some(state) = self.outside.identities[usize::from(at)].as_deref().cloned()
                && state.release.is_some()
            {
                self.put_identity(at, IdentityState { release: None, ..state });
            }
        }
        for at in 0..CLUSTERS {
            if let Some(state) = self.outside.registries[usize::from(at)].as_deref().cloned()
                && state.release.is_some()
            {
                self.put_registry(at, RegistryState { release: None, ..state });
            }
        }
    }
}
