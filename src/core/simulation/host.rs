//! What runs a process's plugins: it loads the components that are asked for and answers questions, each in its time and in
//! any order.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::components::{self, COMPONENTS, Handed, Question, REFUSED, Said, SaidId, Saying};
use super::outside::{Outside, PodId};
use super::schedule::Fetching;
use crate::api::Problem;
use crate::facts::{Change, Labels};
use crate::index::Asking;
use crate::plugin::{
    Answer, Decision, Description, Digest, Plugin, PluginState, Proposal, ProposedId, Question as Asked,
    Workload,
};

/// Answers that can be told once more.
const MOST_RECENT: usize = 3;

/// The SHA-256 of a component.
pub fn digest(component: u8) -> String {
    thread_local! {
        static DIGESTS: Vec<String> =
            (0..COMPONENTS).map(|it| Digest::of(&[it]).to_string().replace("sha256:", "")).collect();
    }
    DIGESTS.with(|digests| digests[usize::from(component)].clone())
}

/// A process's host.
#[derive(Debug, Default)]
pub struct Host {
    wanted: BTreeSet<Arc<Plugin>>,
    /// What was told since the index asked for these plugins: whether each can be asked.
    stands: BTreeMap<Arc<Plugin>, bool>,
    loaded: BTreeSet<u8>,
    open: Vec<Arc<Asked>>,
    recent: Vec<Arc<Asked>>,
    /// Given once, and about to be given once more.
    again: Vec<Arc<Asked>>,
    /// How many questions it answers before the next event.
    pub left: Option<u8>,
    /// Those that were given once more.
    repeated: BTreeSet<Question>,
}

/// What a host tells the index, and what that means for the rules.
#[derive(Debug)]
pub enum News {
    /// Whether a plugin can be asked.
    Stands(components::Plugin, bool),
    /// A question is answered.
    Answered(Question),
}

impl Host {
    /// Another index may ask for the same.
    pub fn with_loaded_of(other: &Self) -> Self {
        Self { loaded: other.loaded.clone(), ..Self::default() }
    }

    /// Which plugins the index asks for now: what was told before may have been told to nobody.
    pub fn want<'a>(&mut self, plugins: impl Iterator<Item = &'a Arc<Plugin>>) {
        self.wanted = plugins.cloned().collect();
        self.tell_anew();
        let components: BTreeSet<u8> = self.wanted.iter().map(|plugin| of_plugin(plugin).component).collect();
        self.loaded.retain(|component| components.contains(component));
    }

    /// Everything about plugins is told once more.
    pub fn tell_anew(&mut self) {
        self.stands.clear();
    }

    /// The last answers are given once more, whether somebody still waits for them or not.
    pub fn answer_again(&mut self) {
        self.again = self.recent.iter().rev().cloned().collect();
    }

    /// Takes in what the index asks; the question, where it is a new one. The error is a question that is no longer asked
    /// and never was.
    pub fn hear(&mut self, asking: Asking) -> Result<Option<Question>, String> {
        match asking {
            Asking::Open(question) => {
                let asked = of_question(&question);
                self.open.push(question);
                Ok(Some(asked))
            }
            Asking::Closed(question) => {
                // By where it stands in memory, as the program has it.
                let Some(at) = self.open.iter().position(|open| Arc::ptr_eq(open, &question)) else {
                    return Err(format!("{:?} is called off and was never asked", of_question(&question)));
                };
                self.open.remove(at);
                Ok(None)
            }
        }
    }

    /// Whether the question was answered once more: one of the same that was asked meanwhile is then known to the index as
    /// answered, and called off by nobody.
    pub fn was_repeated(&self, question: &Question) -> bool {
        self.repeated.contains(question)
    }

    /// Questions without an answer.
    pub fn open(&self) -> BTreeSet<Question> {
        self.open.iter().map(|question| of_question(question)).collect()
    }

    /// Whether a process that starts now would come to the same with its plugins.
    pub fn would_load_all(&self, outside: &Outside) -> bool {
        self.loaded.iter().all(|component| outside.sources[usize::from(*component)] == Fetching::Works)
    }

    /// What there is to be told by now; `turn` says in which order.
    pub fn news(&mut self, outside: &Outside, turn: usize) -> Vec<(Change, News)> {
        let mut news = Vec::new();
        for plugin in &self.wanted {
            let which = of_plugin(plugin);
            if !self.loaded.contains(&which.component) {
                match outside.sources[usize::from(which.component)] {
                    Fetching::Works => drop(self.loaded.insert(which.component)),
                    Fetching::Fails => {}
                    Fetching::Hangs => continue,
                }
            }
            let is_ready = self.loaded.contains(&which.component) && which.config != REFUSED;
            if self.stands.insert(plugin.clone(), is_ready) != Some(is_ready) {
                let change = Change::Plugin(plugin.clone(), state(which.component, is_ready));
                news.push((change, News::Stands(which, is_ready)));
            }
        }
        let can_answer = |question: &Arc<Asked>| self.loaded.contains(&of_plugin(&question.plugin).component);
        let mut questions: Vec<Arc<Asked>> = self.open.iter().filter(|it| can_answer(it)).cloned().collect();
        if turn % 2 == 1 {
            questions.reverse();
        }
        let middle = turn % questions.len().max(1);
        questions.rotate_left(middle);
        questions.truncate(self.left.map_or(usize::MAX, usize::from));
        self.left = self.left.map(|left| left.saturating_sub(questions.len() as u8));
        self.repeated.extend(self.again.iter().map(|question| of_question(question)));
        questions.append(&mut self.again);
        for question in questions {
            self.open.retain(|open| !Arc::ptr_eq(open, &question));
            let asked = of_question(&question);
            let change = Change::Decided(vec![(question.clone(), answer(&asked))]);
            news.push((change, News::Answered(asked)));
            self.recent.push(question);
        }
        let too_many = self.recent.len().saturating_sub(MOST_RECENT);
        self.recent.drain(..too_many);
        news
    }
}

fn state(component: u8, is_ready: bool) -> PluginState {
    if !is_ready {
        return PluginState::Failed(vec![Problem::new("PluginNotFetched", "spec.plugin.source", "gone")]);
    }
    let reads = components::reads(component).iter().copied().collect();
    let description = Description { name: format!("p{component}"), version: "1".to_owned(), reads };
    PluginState::Ready { description: Arc::new(description), note: None }
}

fn answer((plugin, handed): &Question) -> Answer {
    let proposal = |said: Said| Proposal {
        spiffe_id: match said.id {
            SaidId::Path(number) => ProposedId::Path(format!("/f{number}")),
            SaidId::Full(number) => ProposedId::Id(format!("spiffe://example.org/g{number}")),
            SaidId::NoSlash => ProposedId::Path("f0".to_owned()),
            SaidId::Elsewhere => ProposedId::Id("spiffe://example.com/f0".to_owned()),
        },
        parent_id: said.has_parent.then(|| "spiffe://example.org/agent/plugin".to_owned()),
        selectors: said.has_selector.then(|| ("unix".to_owned(), "uid:1".to_owned())).into_iter().collect(),
        dns_names: said.has_name.then(|| "plugin.example".to_owned()).into_iter().collect(),
        hint: None,
    };
    match components::says(*plugin, handed) {
        Saying::Identities(said) => {
            Answer::Decided(Decision::Identities(said.into_iter().map(proposal).collect()))
        }
        Saying::Skip => Answer::Decided(Decision::Skip("not mine".to_owned())),
        Saying::Deny => Answer::Decided(Decision::Deny("never".to_owned())),
        Saying::Trap => Answer::Failed(Problem::new("PluginTrapped", "spec.plugin", "derive trapped")),
    }
}

/// Which plugin this is.
fn of_plugin(plugin: &Plugin) -> components::Plugin {
    thread_local! {
        static KNOWN: RefCell<HashMap<Digest, u8>> = RefCell::default();
    }
    let component = KNOWN.with_borrow_mut(|known| {
        *known.entry(plugin.digest).or_insert_with(|| {
            (0..COMPONENTS).find(|it| Digest::of(&[*it]) == plugin.digest).expect("a component that is none")
        })
    });
    let config: serde_json::Value = serde_json::from_str(&plugin.config).unwrap();
    components::Plugin { component, config: config["v"].as_u64().unwrap() as u8 }
}

fn of_question(question: &Asked) -> Question {
    (of_plugin(&question.plugin), handed(&question.workload))
}

/// What a component makes of what it is handed; whatever else it is handed is a defect.
fn handed(workload: &Workload) -> Handed {
    let number = |text: &str| text[1..].parse().unwrap();
    let label = |labels: &Labels, key: &str| labels.get(key).map(number);
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let others = [&workload.pod_name, &workload.service_account, &workload.node_name, &workload.cluster_name];
    assert!(others.iter().all(|text| text.is_empty()), "nobody reads these");
    Handed {
        app: label(&workload.pod_labels, "app"),
        role: workload.pod_annotations.get("role").map(|role| number(role)),
        namespace: text(&workload.namespace).map(|it| number(&it)),
        pod: text(&workload.pod_uid).and_then(|uid| PodId::of_uid(&uid)),
        node: text(&workload.node_uid).map(|it| it[1..].parse().unwrap()),
        team: label(&workload.namespace_labels, "team"),
        env: label(&workload.cluster_labels, "env"),
    }
}
