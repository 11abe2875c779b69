//! What the index makes of plugins: what it asks, what it holds meanwhile, and that the order of all that says nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::api::Problem;
use crate::facts::{Phase, trim};
use crate::ledger::Outcome;
use crate::plugin::{Answer, Decision, Description, Fact, Proposal, ProposedId, Question};
use crate::report::{ConditionStatus, Report};
use crate::spiffe::TrustDomain;

const SHA: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// An index with one cluster, the pods that there are in it, and what it asks.
struct Asked {
    index: Index,
    pods: BTreeMap<String, Value>,
    demand: Arc<Demand>,
    plugins: Vec<Arc<Plugin>>,
    open: Vec<Arc<Question>>,
    asked: usize,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Pod(&'static str, &'static str),
    Gone(&'static str),
    Ready,
    Answer,
}

fn plugin(policy: &str) -> Value {
    json!({"plugin": {"source": {"file": "/a.wasm"}, "sha256": SHA, "failurePolicy": policy}})
}

/// What the component says, of a pod's annotation.
fn decide(question: &Question) -> Answer {
    let proposal = |path: String| Proposal {
        spiffe_id: ProposedId::Path(path),
        parent_id: None,
        selectors: Vec::new(),
        dns_names: Vec::new(),
        hint: None,
    };
    match question.workload.pod_annotations.get("team").map_or("", String::as_str) {
        "skip" => Answer::Decided(Decision::Skip("not mine".to_owned())),
        "deny" => Answer::Decided(Decision::Deny("never".to_owned())),
        "fail" => Answer::Failed(Problem::new("PluginTrapped", "spec.plugin", "derive trapped")),
        "bad" => Answer::Decided(Decision::Identities(vec![proposal("no-slash".to_owned())])),
        team => {
            let paths = [format!("/{team}/b"), format!("/{team}/a")];
            Answer::Decided(Decision::Identities(paths.map(proposal).into()))
        }
    }
}

impl Asked {
    /// With these identities by name.
    fn new(identities: &[(&str, Value)]) -> Self {
        let domains =
            Domains { trust: TrustDomain::new("example.org").unwrap(), cluster: "cluster.local".into() };
        let guardrails = Guardrails::default();
        let mut index = Index::new(Settings { domains, ignore_namespaces: Vec::new(), guardrails });
        let identities = identities.iter().map(|(name, more)| {
            let mut spec = json!({"applicationName": "a", "namespace": "shop"});
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Ok(Arc::new(serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()))
        });
        index.apply(Change::Identities(ObjectChange::Listed(identities.collect())));
        let registry = json!({"metadata": {"name": "east"}, "spec": {"clusterName": "one", "region": "us-east-1",
            "accountId": "111111111111", "enabled": true}});
        let registry = Ok(Arc::new(serde_json::from_value(registry).unwrap()));
        index.apply(Change::Registries(ObjectChange::Listed(vec![registry])));
        let (plugins, open, asked) = (Vec::new(), Vec::new(), 0);
        let mut it = Self { index, pods: BTreeMap::new(), demand: Arc::default(), plugins, open, asked };
        it.list();
        it.settle();
        it
    }

    fn tell(&mut self, change: ClusterChange) {
        let name = ClusterName::new("east").unwrap();
        let session = self.index.session(&name).unwrap().number;
        self.index.apply(Change::Cluster(name, session, change));
    }

    fn list(&mut self) {
        let demand = self.demand.clone();
        let pods = self.pods.values().map(|pod| trim::pod(pod, &demand).unwrap()).collect();
        let nodes = vec![trim::node(&json!({"metadata": {"name": "n", "uid": "n"}}), &demand).unwrap()];
        let namespaces = vec![trim::namespace(&json!({"metadata": {"name": "shop"}})).unwrap()];
        let malformed = Vec::new;
        self.tell(ClusterChange::Namespaces(Watched::Listed {
            items: namespaces,
            malformed: malformed(),
            demand: demand.clone(),
        }));
        self.tell(ClusterChange::Nodes(Watched::Listed {
            items: nodes,
            malformed: malformed(),
            demand: demand.clone(),
        }));
        self.tell(ClusterChange::Pods(Watched::Listed { items: pods, malformed: malformed(), demand }));
        self.tell(ClusterChange::Phase(Phase::Live));
    }

    fn settle(&mut self) {
        loop {
            let settled = self.index.settle();
            if let Some(plugins) = settled.plugins {
                self.plugins = plugins.keys().cloned().collect();
            }
            for asking in settled.asking {
                match asking {
                    Asking::Open(question) => {
                        self.asked += 1;
                        self.open.push(question);
                    }
                    Asking::Closed(question) => self.open.retain(|open| *open != question),
                }
            }
            // The watches list anew where more is read.
            let Some(demand) = settled.demand else { return };
            self.demand = demand;
            self.list();
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Pod(uid, team) => {
                let pod = json!({"metadata": {"name": uid, "namespace": "shop", "uid": uid,
                    "annotations": {"team": team}}, "spec": {"nodeName": "n"}});
                let facts = trim::pod(&pod, &self.demand).unwrap();
                self.pods.insert(uid.to_owned(), pod);
                self.tell(ClusterChange::Pods(Watched::Applied(facts)));
            }
            Step::Gone(uid) => {
                self.pods.remove(uid);
                self.tell(ClusterChange::Pods(Watched::Gone(PodUid::new(uid).unwrap())));
            }
            Step::Ready => {
                let reads = [Fact::PodAnnotations].into_iter().collect();
                let description = Description { name: "it".to_owned(), version: "1".to_owned(), reads };
                let state = PluginState::Ready { description: Arc::new(description), note: None };
                for plugin in self.plugins.clone() {
                    self.index.apply(Change::Plugin(plugin, state.clone()));
                }
            }
            Step::Answer => {
                let answers = self.open.drain(..).map(|question| (question.clone(), decide(&question)));
                let answers = answers.collect();
                self.index.apply(Change::Decided(answers));
            }
        }
        self.settle();
    }

    fn after(identities: &[(&str, Value)], steps: &[Step]) -> Self {
        let mut it = Self::new(identities);
        steps.iter().for_each(|step| it.step(*step));
        it
    }

    /// Of each pod what it is to have, by digest, and why the rest of what it has stays.
    fn desired(&self) -> BTreeMap<String, (BTreeSet<String>, Option<Hold>)> {
        let each = self.index.desired().map(|(_, uid, desired)| {
            let ids = desired
                .wanted
                .iter()
                .map(|it| format!("{} {:?}", it.entry().unwrap().key.spiffe_id.path(), it.digest));
            (uid.to_string(), (ids.collect(), desired.hold))
        });
        each.collect()
    }

    fn paths(&self, uid: &str) -> (Vec<String>, Option<Hold>) {
        let found = self.index.desired().find(|(_, of, _)| of.as_str() == uid);
        let (_, _, desired) = found.unwrap();
        let paths = desired.wanted.iter().map(|it| it.entry().unwrap().key.spiffe_id.path().to_owned());
        (paths.collect(), desired.hold)
    }

    fn told(&self, uid: &str) -> Vec<(&str, &Told)> {
        let name = format!("shop/{uid}");
        let of_pod = self.index.failures().filter(|failure| failure.pod == name);
        of_pod.map(|failure| (failure.identity.as_str(), failure.told)).collect()
    }
}

fn template(path: &str) -> Value {
    json!({"spiffeIDTemplate": format!("spiffe://{{{{ .TrustDomain }}}}/{path}")})
}

fn fallback() -> Value {
    let mut spec = template("fallback");
    spec["fallback"] = json!(true);
    spec
}

#[test]
fn until_a_plugin_has_spoken_a_pod_keeps_what_it_has_and_gets_nothing_new() {
    let mut it = Asked::new(&[("a", plugin("Keep")), ("z", fallback())]);
    for (step, waits) in [(Step::Pod("p", "blue"), "PluginLoading"), (Step::Ready, "PluginAsked")] {
        it.step(step);
        assert_eq!(it.paths("p"), (Vec::new(), Some(Hold::NotDerived)), "{step:?}");
        assert!(it.told("p").contains(&("a", &Told::Waiting(waits))), "{:?}", it.told("p"));
        // Nobody knows yet whether the pod is left to it.
        assert!(it.told("p").contains(&("z", &Told::Waiting("OtherIdentityUnknown"))), "{:?}", it.told("p"));
    }
    it.step(Step::Answer);
    assert_eq!(it.paths("p"), (vec!["/blue/a".to_owned(), "/blue/b".to_owned()], None));
}

#[test]
fn skip_leaves_the_pod_to_others_deny_to_nobody_and_a_failure_holds() {
    let identities = [("a", plugin("Keep")), ("z", fallback())];
    let of = |team| {
        let it = Asked::after(&identities, &[Step::Ready, Step::Pod("p", team), Step::Answer]);
        (
            it.paths("p"),
            it.told("p").iter().map(|(name, told)| format!("{name} {told:?}")).collect::<Vec<_>>(),
        )
    };
    let (desired, _) = of("skip");
    assert_eq!(desired, (vec!["/fallback".to_owned()], None));
    let (desired, told) = of("deny");
    assert_eq!(desired, (Vec::new(), None), "what it had may go");
    assert_eq!(told, ["a Denied(\"it 1: never\")"]);
    for (team, message) in [("fail", "it 1: derive trapped"), ("bad", "it 1: identities[0].spiffe-id.path")] {
        let (desired, told) = of(team);
        assert_eq!(desired, (Vec::new(), Some(Hold::NotDerived)), "{team}");
        assert!(told[0].contains(message), "{told:?}");
    }
}

#[test]
fn with_fallback_the_templates_say_what_the_plugin_cannot() {
    let mut spec = plugin("Fallback");
    spec["spiffeIDTemplate"] = template("by-template")["spiffeIDTemplate"].clone();
    let identities = [("a", spec)];
    for team in ["fail", "bad"] {
        let it = Asked::after(&identities, &[Step::Ready, Step::Pod("p", team), Step::Answer]);
        assert_eq!(it.paths("p"), (vec!["/by-template".to_owned()], None), "{team}");
    }
    let mut it = Asked::after(&identities, &[Step::Pod("p", "blue")]);
    assert_eq!(it.paths("p").1, Some(Hold::NotDerived), "it may yet be loaded");
    let problem = Problem::new("PluginNotFetched", "spec.plugin.source", "gone");
    let failed = PluginState::Failed(vec![problem]);
    it.index.apply(Change::Plugin(it.plugins[0].clone(), failed));
    it.settle();
    assert_eq!(it.paths("p"), (vec!["/by-template".to_owned()], None));
}

#[test]
fn the_order_of_facts_and_answers_says_nothing() {
    let identities = [("a", plugin("Keep")), ("z", fallback())];
    let steps = [
        Step::Ready,
        Step::Answer,
        Step::Pod("p", "blue"),
        Step::Pod("q", "blue"),
        Step::Pod("r", "skip"),
        Step::Gone("q"),
    ];
    let expected = Asked::after(
        &identities,
        &[Step::Pod("p", "blue"), Step::Pod("r", "skip"), Step::Ready, Step::Answer],
    );
    assert_eq!(expected.desired().len(), 2);
    let mut orders: Vec<Vec<Step>> = vec![Vec::new()];
    for step in steps {
        orders = orders
            .into_iter()
            .flat_map(|order| {
                (0..=order.len()).map(move |at| {
                    let mut longer = order.clone();
                    longer.insert(at, step);
                    longer
                })
            })
            .collect();
    }
    // A pod that went before it came is there.
    let gone_last = |order: &&Vec<Step>| {
        let at = |wanted: fn(&Step) -> bool| order.iter().position(wanted);
        at(|step| matches!(step, Step::Gone(_))) > at(|step| matches!(step, Step::Pod("q", _)))
    };
    let orders: Vec<_> = orders.iter().filter(gone_last).collect();
    assert_eq!(orders.len(), 360);
    for order in orders {
        let mut it = Asked::after(&identities, order);
        it.step(Step::Ready);
        it.step(Step::Answer);
        assert_eq!(it.desired(), expected.desired(), "{order:?}");
        assert_eq!(it.index.question_counts(), (2, 0), "{order:?}");
    }
}

#[test]
fn pods_that_are_equal_in_what_is_read_share_a_question_and_an_identity_that_goes_asks_nothing() {
    let steps =
        [Step::Ready, Step::Pod("p", "blue"), Step::Pod("q", "blue"), Step::Pod("r", "red"), Step::Answer];
    let mut it = Asked::after(&[("a", plugin("Keep"))], &steps);
    assert_eq!((it.asked, it.index.question_counts()), (2, (2, 0)));
    // Under its own names nothing else of the pod is read, so nothing else asks anew.
    it.step(Step::Pod("p", "blue"));
    assert_eq!(it.asked, 2);
    it.index.apply(Change::Identities(ObjectChange::Deleted("a".to_owned())));
    it.settle();
    assert_eq!((it.plugins.len(), it.index.question_counts()), (0, (0, 0)));
    assert!(it.demand.paths_of(crate::facts::demand::Source::Pod).next().is_none());
}

#[test]
fn what_a_working_plugin_is_noted_for_is_told_on_the_identity_and_stops_nothing() {
    let mut it = Asked::after(&[("a", plugin("Keep"))], &[Step::Ready, Step::Pod("p", "blue"), Step::Answer]);
    let reads = [Fact::PodAnnotations].into_iter().collect();
    let description = Arc::new(Description { name: "it".to_owned(), version: "1".to_owned(), reads });
    let told = |it: &Asked| {
        let report = Report::make(
            &it.index,
            &Outcome::default(),
            BTreeMap::new(),
            &Report::default(),
            Timestamp::UNIX_EPOCH,
        );
        let identity = &report.identities[&IdentityName::new("a").unwrap()];
        let found = identity.conditions.iter().find(|condition| condition.kind == "PluginLoaded");
        let found = found.unwrap();
        (found.status, found.reason, found.message.clone())
    };
    assert_eq!(told(&it).1, "Loaded");
    let note = Problem::new("PluginOutputDiffers", "spec.plugin", "the same call came to two different ends");
    let noted = PluginState::Ready { description, note: Some(note) };
    it.index.apply(Change::Plugin(it.plugins[0].clone(), noted));
    it.settle();
    let (status, reason, message) = told(&it);
    assert_eq!((status, reason), (ConditionStatus::True, "PluginOutputDiffers"));
    assert!(message.starts_with("it 1, sha256:") && message.ends_with("two different ends"), "{message}");
    assert_eq!(it.paths("p"), (vec!["/blue/a".to_owned(), "/blue/b".to_owned()], None));
}
