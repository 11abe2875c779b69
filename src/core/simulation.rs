//! Index and ledger against a model of the outside: any order of events and failures, and what must hold all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::api::Problem;
use crate::brake::Budgets;
use crate::derive::Domains;
use crate::desired::Hold;
use crate::entry::{ContentHash, EntryId, KeyHash, Nonce};
use crate::facts::demand::Demand;
use crate::facts::{Change, ClusterChange, ObjectChange, Phase, Watched, trim};
use crate::guardrails::Guardrails;
use crate::index::{Index, Settings};
use crate::ledger::{Ledger, Mode, RoundLimits};
use crate::mirror::Observed;
use crate::names::{ClusterName, NodeName, PodUid};
use crate::spiffe::TrustDomain;

const CLUSTERS: [&str; 2] = ["east", "west"];

/// Something that happens outside.
#[derive(Debug, Clone)]
enum Event {
    /// A pod appears, or gets another label.
    Pod {
        cluster: usize,
        pod: u8,
        app: u8,
    },
    PodGone {
        cluster: usize,
        pod: u8,
    },
    /// The node comes back under its name with another uid.
    NodeReplaced {
        cluster: usize,
    },
    NodeGone {
        cluster: usize,
    },
    /// An identity for pods of this app is created or edited.
    Identity {
        identity: u8,
        app: u8,
        path: u8,
        manner: u8,
    },
    /// The namespace gets another label.
    NamespaceLabelled {
        cluster: usize,
        team: u8,
    },
    IdentityDeleted {
        identity: u8,
    },
    Unreachable {
        cluster: usize,
    },
    Reachable {
        cluster: usize,
    },
    /// The process is killed and starts again, knowing nothing.
    Restart,
    /// The next writes are refused.
    Refuse {
        writes: u8,
    },
    /// The next call is carried out and its answer is lost.
    LoseAnswer,
    /// The other replica, which has seen all that happened, leads from now on.
    TakeOver,
    /// The other replica reads what SPIRE holds.
    ReadAlong,
}

fn event() -> impl Strategy<Value = Event> {
    let (cluster, pod, app, identity) = (0..2_usize, 0..5_u8, 0..3_u8, 0..3_u8);
    prop_oneof![
        6 => (cluster.clone(), pod.clone(), app.clone()).prop_map(|(cluster, pod, app)| Event::Pod { cluster, pod, app }),
        3 => (cluster.clone(), pod).prop_map(|(cluster, pod)| Event::PodGone { cluster, pod }),
        1 => cluster.clone().prop_map(|cluster| Event::NodeReplaced { cluster }),
        1 => cluster.clone().prop_map(|cluster| Event::NodeGone { cluster }),
        4 => (identity.clone(), app, 0..3_u8, 0..6_u8)
            .prop_map(|(identity, app, path, manner)| Event::Identity { identity, app, path, manner }),
        1 => (cluster.clone(), 0..2_u8).prop_map(|(cluster, team)| Event::NamespaceLabelled { cluster, team }),
        1 => identity.prop_map(|identity| Event::IdentityDeleted { identity }),
        2 => cluster.clone().prop_map(|cluster| Event::Unreachable { cluster }),
        2 => cluster.prop_map(|cluster| Event::Reachable { cluster }),
        1 => Just(Event::Restart),
        1 => (1..4_u8).prop_map(|writes| Event::Refuse { writes }),
        1 => Just(Event::LoseAnswer),
        2 => Just(Event::TakeOver),
        1 => Just(Event::ReadAlong),
    ]
}

#[derive(Debug, Default)]
struct Cluster {
    pods: BTreeMap<u8, u8>,
    node: Option<u32>,
    team: u8,
    is_reachable: bool,
}

struct World {
    clusters: [Cluster; 2],
    identities: BTreeMap<u8, Value>,
    nodes_made: u32,
    index: Index,
    ledger: Ledger,
    /// Of the replica that does not lead.
    other: Ledger,
    /// What SPIRE holds: id → key, content, pod.
    spire: BTreeMap<EntryId, (KeyHash, ContentHash, PodUid)>,
    /// Every id that SPIRE ever held.
    used: BTreeSet<EntryId>,
    refuse: u8,
    lose_answer: bool,
    nonce: u64,
    now: Instant,
}

fn name(cluster: usize) -> ClusterName {
    ClusterName::new(CLUSTERS[cluster]).unwrap()
}

fn uid(cluster: usize, pod: u8) -> PodUid {
    PodUid::new(format!("{}-{pod}", CLUSTERS[cluster])).unwrap()
}

fn settings() -> Settings {
    let domains =
        Domains { trust: TrustDomain::new("example.org").unwrap(), cluster: "cluster.local".into() };
    Settings { domains, ignore_namespaces: Vec::new(), guardrails: Guardrails::default() }
}

fn observed(id: &EntryId, (key, content, pod): &(KeyHash, ContentHash, PodUid)) -> Observed {
    Observed { id: id.clone(), key: *key, content: Some(*content), pod: Some(pod.clone()) }
}

fn ledger() -> Ledger {
    Ledger::new("t-", Mode::Sync, Budgets::default())
}

impl World {
    fn new() -> Self {
        let cluster = || Cluster { node: Some(0), is_reachable: true, ..Cluster::default() };
        let mut world = Self {
            clusters: [cluster(), cluster()],
            identities: BTreeMap::new(),
            nodes_made: 0,
            index: Index::new(settings()),
            ledger: ledger(),
            other: ledger(),
            spire: BTreeMap::new(),
            used: BTreeSet::new(),
            refuse: 0,
            lose_answer: false,
            nonce: 0,
            now: Instant::now(),
        };
        world.start();
        world
    }

    fn start(&mut self) {
        self.index = Index::new(settings());
        (self.ledger, self.other) = (ledger(), ledger());
        let registries = CLUSTERS.map(|name| {
            let object = json!({"metadata": {"name": name}, "spec": {"clusterName": name, "region": "us-west-2",
                "accountId": "111111111111", "enabled": true}});
            Ok(Arc::new(serde_json::from_value(object).unwrap()))
        });
        self.index.apply(Change::Registries(ObjectChange::Listed(registries.into())));
        let identities = self
            .identities
            .values()
            .map(|object| Ok(Arc::new(serde_json::from_value(object.clone()).unwrap())));
        self.index.apply(Change::Identities(ObjectChange::Listed(identities.collect())));
        (0..2).for_each(|cluster| self.list(cluster));
    }

    fn tell(&mut self, cluster: usize, change: ClusterChange) {
        if self.clusters[cluster].is_reachable {
            let session = self.index.session(&name(cluster)).map_or(0, |session| session.number);
            self.index.apply(Change::Cluster(name(cluster), session, change));
        }
    }

    fn pod_object(&self, cluster: usize, pod: u8, app: u8) -> Value {
        json!({"metadata": {"name": format!("p{pod}"), "namespace": "shop", "uid": uid(cluster, pod).as_str(),
            "labels": {"app": format!("a{app}")}}, "spec": {"nodeName": "n"}})
    }

    fn namespace_object(team: u8) -> Value {
        json!({"metadata": {"name": "shop", "labels": {"team": format!("t{team}")}}})
    }

    fn node_object(node: u32) -> Value {
        json!({"metadata": {"name": "n", "uid": format!("n{node}")}})
    }

    fn list(&mut self, cluster: usize) {
        let demand = Arc::new(Demand::default());
        let it = &self.clusters[cluster];
        let pods = it
            .pods
            .iter()
            .map(|(pod, app)| trim::pod(&self.pod_object(cluster, *pod, *app), &demand).unwrap());
        let pods = Watched::Listed { items: pods.collect(), malformed: Vec::new(), demand: demand.clone() };
        let nodes = it.node.iter().map(|node| trim::node(&Self::node_object(*node), &demand).unwrap());
        let nodes = Watched::Listed { items: nodes.collect(), malformed: Vec::new(), demand: demand.clone() };
        let namespaces = vec![trim::namespace(&Self::namespace_object(it.team)).unwrap()];
        let namespaces = Watched::Listed { items: namespaces, malformed: Vec::new(), demand };
        self.tell(cluster, ClusterChange::Namespaces(namespaces));
        self.tell(cluster, ClusterChange::Nodes(nodes));
        self.tell(cluster, ClusterChange::Pods(pods));
        self.tell(cluster, ClusterChange::Phase(Phase::Live));
    }

    fn happen(&mut self, event: Event) {
        let demand = Demand::default();
        match event {
            Event::Pod { cluster, pod, app } => {
                self.clusters[cluster].pods.insert(pod, app);
                let facts = trim::pod(&self.pod_object(cluster, pod, app), &demand).unwrap();
                self.tell(cluster, ClusterChange::Pods(Watched::Applied(facts)));
            }
            Event::PodGone { cluster, pod } => {
                if self.clusters[cluster].pods.remove(&pod).is_some() {
                    self.tell(cluster, ClusterChange::Pods(Watched::Gone(uid(cluster, pod))));
                }
            }
            Event::NodeReplaced { cluster } => {
                self.nodes_made += 1;
                self.clusters[cluster].node = Some(self.nodes_made);
                let facts = trim::node(&Self::node_object(self.nodes_made), &demand).unwrap();
                self.tell(cluster, ClusterChange::Nodes(Watched::Applied(facts)));
            }
            Event::NodeGone { cluster } => {
                if self.clusters[cluster].node.take().is_some() {
                    self.tell(cluster, ClusterChange::Nodes(Watched::Gone(NodeName::new("n").unwrap())));
                }
            }
            Event::NamespaceLabelled { cluster, team } => {
                self.clusters[cluster].team = team;
                let facts = trim::namespace(&Self::namespace_object(team)).unwrap();
                self.tell(cluster, ClusterChange::Namespaces(Watched::Applied(facts)));
            }
            Event::Identity { identity, app, path, manner } => {
                let mut object = json!({"metadata": {"name": format!("i{identity}")}, "spec": {"applicationName": "x", "namespace": "shop",
                    "spiffeIDTemplate": format!("spiffe://{{{{ .TrustDomain }}}}/{path}"),
                    "podSelector": {"matchLabels": {"app": format!("a{app}")}}}});
                let spec = object["spec"].as_object_mut().unwrap();
                match manner {
                    0 => drop(spec.insert("priority".to_owned(), json!(1))),
                    1 => drop(spec.insert("fallback".to_owned(), json!(true))),
                    2 => drop(spec.remove("podSelector")),
                    3 => {
                        spec.remove("namespace");
                        let team = json!({"matchLabels": {"team": "t1"}});
                        spec.insert("namespaceSelector".to_owned(), team);
                    }
                    _ => {}
                }
                self.identities.insert(identity, object.clone());
                let object = Arc::new(serde_json::from_value(object).unwrap());
                self.index.apply(Change::Identities(ObjectChange::Applied(Ok(object))));
            }
            Event::IdentityDeleted { identity } => {
                if self.identities.remove(&identity).is_some() {
                    self.index.apply(Change::Identities(ObjectChange::Deleted(format!("i{identity}"))));
                    // The finalizer goes only when nothing is left of it: so no restart falls between.
                    self.settle();
                }
            }
            Event::Unreachable { cluster } => {
                let phase = Phase::Unreachable { reason: "Test", message: String::new() };
                self.tell(cluster, ClusterChange::Phase(phase));
                self.clusters[cluster].is_reachable = false;
            }
            Event::Reachable { cluster } => {
                if !std::mem::replace(&mut self.clusters[cluster].is_reachable, true) {
                    self.list(cluster);
                }
            }
            Event::Restart => self.start(),
            Event::Refuse { writes } => self.refuse = writes,
            Event::LoseAnswer => self.lose_answer = true,
            Event::TakeOver => {
                std::mem::swap(&mut self.ledger, &mut self.other);
                self.ledger.doubt();
                self.other.doubt();
            }
            Event::ReadAlong => {
                self.other.observe(self.listed(), Timestamp::UNIX_EPOCH);
                self.other.doubt();
            }
        }
    }

    fn listed(&self) -> Vec<Observed> {
        self.spire.iter().map(|(id, row)| observed(id, row)).collect()
    }

    /// Lets the writer work until it has nothing to do, failures included.
    fn settle(&mut self) {
        let delta = self.index.settle().delta;
        self.ledger.apply(&delta);
        self.other.apply(&delta);
        for _ in 0..100 {
            self.now += Duration::from_secs(400);
            if self.ledger.needs_list() {
                while self.ledger.has_work(self.now, true) {
                    self.round();
                }
                self.ledger.observe(self.listed(), Timestamp::UNIX_EPOCH);
            }
            if !self.ledger.has_work(self.now, true) {
                return;
            }
            self.round();
        }
        panic!("the writer does not come to rest");
    }

    fn round(&mut self) {
        let nonce = &mut self.nonce;
        let round = self.ledger.round(self.now, RoundLimits { writes: 3, updates: 2 }, || {
            *nonce += 1;
            Nonce::new(*nonce)
        });
        assert!(round.faults.is_empty(), "{:?}", round.faults);
        let in_doubt = self.ledger.needs_list();
        for plan in round.plans {
            let mut blocked = false;
            let is_more = !plan.updates.is_empty() || !plan.deletes.is_empty();
            assert!(!(in_doubt && is_more), "more than created before it was listed: {plan:?}");
            for write in plan.creates.iter().chain(&plan.updates) {
                if self.refuse > 0 {
                    self.refuse -= 1;
                    blocked = true;
                    let problem = Problem::new("Test", "(entry)", "refused");
                    self.ledger.failed(&plan.pod, Some(&write.wanted.identity), problem, self.now);
                    continue;
                }
                let holder =
                    self.spire.iter().find(|(id, row)| row.0 == write.wanted.key && **id != write.id);
                if let Some((id, row)) = holder {
                    // What the other replica has made; SPIRE says so, of new entries.
                    assert!(in_doubt, "two entries of one key");
                    self.ledger.found(&plan.pod, observed(id, row));
                    continue;
                }
                if plan.creates.contains(write) {
                    assert!(self.used.insert(write.id.clone()), "an id came back");
                }
                let row = (write.wanted.key, write.wanted.content, plan.pod.pod.clone());
                self.spire.insert(write.id.clone(), row);
                if std::mem::take(&mut self.lose_answer) {
                    self.ledger.doubt();
                    return;
                }
                self.ledger.written(&plan.pod, write);
            }
            for delete in plan.deletes.iter().filter(|_| !blocked) {
                assert!(self.spire.remove(&delete.id).is_some());
                self.ledger.gone(&plan.pod, &delete.id);
            }
        }
    }

    fn ids_of(&self, cluster: usize) -> BTreeSet<EntryId> {
        let prefix = format!("{}-", CLUSTERS[cluster]);
        let rows = self.spire.iter().filter(|(_, (_, _, pod))| pod.as_str().starts_with(&prefix));
        rows.map(|(id, _)| id.clone()).collect()
    }

    fn contents(&self) -> BTreeSet<(PodUid, ContentHash)> {
        self.spire.values().map(|(_, content, pod)| (pod.clone(), *content)).collect()
    }
}

/// How many are tried; `PROPTEST_CASES` asks for more.
fn schedules() -> u32 {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    if asked { ProptestConfig::default().cases } else { 400 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: schedules(), ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_or_doubled_under_any_order_of_events(events in prop::collection::vec(event(), 1..60)) {
        let mut world = World::new();
        world.settle();
        for event in events {
            let silent: Vec<usize> = (0..2).filter(|cluster| !world.clusters[*cluster].is_reachable).collect();
            let before: Vec<BTreeSet<EntryId>> = silent.iter().map(|cluster| world.ids_of(*cluster)).collect();
            world.happen(event);
            world.settle();
            for (cluster, before) in silent.iter().zip(before) {
                if !world.clusters[*cluster].is_reachable {
                    prop_assert_eq!(&world.ids_of(*cluster), &before, "a silent cluster keeps its entries");
                }
            }
        }
        // Everything works again: what stands is what a registrar that knows nothing of the past would make.
        for cluster in 0..2 {
            world.happen(Event::Reachable { cluster });
            world.happen(Event::NodeReplaced { cluster });
        }
        world.settle();
        let mut fresh = World::new();
        fresh.clusters = world.clusters;
        fresh.identities = world.identities;
        let stands: BTreeSet<(PodUid, ContentHash)> =
            world.spire.values().map(|(_, content, pod)| (pod.clone(), *content)).collect();
        prop_assert_eq!(stands.len(), world.spire.len(), "nothing stands twice");
        fresh.start();
        fresh.settle();
        let expected = fresh.contents();
        prop_assert!(stands.is_superset(&expected), "{expected:?} in {stands:?}");
        // An entry that passed from a deleted identity to another still bears the first one's digest. When the registrar
        // starts anew and the pod's key changes, nobody can say whose it was: it is held, and told.
        let orphans = world.ledger.outcome(None).held.get(&Hold::UnknownIdentity).copied().unwrap_or_default();
        prop_assert_eq!((stands.len() - expected.len()) as u64, orphans);
    }
}
