//! What plugins are asked and what they have answered: kept as long as a pod depends on it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::api::Problem;
use crate::facts::demand::Demand;
use crate::mutants::{self, Mutant};
use crate::names::{ClusterName, PodUid};
use crate::plugin::{Answer, Description, Plugin, PluginState, Question, Source};

/// A pod of a cluster, as the index names it.
pub(super) type PodName = (ClusterName, PodUid);

/// Something about a question that those who run plugins have to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asking {
    /// It is to be answered.
    Open(Arc<Question>),
    /// Nobody waits for the answer any more.
    Closed(Arc<Question>),
}

/// All plugins that identities use, and all questions that pods depend on.
#[derive(Debug, Default)]
pub(super) struct Answers {
    wanted: Arc<BTreeMap<Arc<Plugin>, BTreeSet<Source>>>,
    standings: HashMap<Arc<Plugin>, Standing>,
    kept: HashMap<Arc<Question>, Kept>,
    by_pod: HashMap<PodName, Vec<Arc<Question>>>,
    news: Vec<Asking>,
}

/// Where a plugin stands, and what its readiness asks of the watches.
#[derive(Debug)]
struct Standing {
    state: PluginState,
    demand: Demand,
}

#[derive(Debug, Default)]
struct Kept {
    answer: Option<Answer>,
    pods: HashSet<PodName>,
}

/// What can be said of a plugin now.
pub(super) enum Readiness<'a> {
    /// It is being fetched, compiled or checked.
    Loading,
    /// It cannot be used.
    Failed(&'a Problem),
    /// It can be asked.
    Ready(&'a Arc<Description>, &'a Demand),
}

impl Answers {
    /// Takes in which plugins identities use; the answer is them, where they are others than before.
    pub(super) fn want(
        &mut self,
        wanted: BTreeMap<Arc<Plugin>, BTreeSet<Source>>,
    ) -> Option<Arc<BTreeMap<Arc<Plugin>, BTreeSet<Source>>>> {
        if *self.wanted == wanted {
            return None;
        }
        // What is told of one that nobody uses is of a time that is over.
        self.standings.retain(|plugin, _| wanted.contains_key(plugin));
        self.wanted = Arc::new(wanted);
        Some(self.wanted.clone())
    }

    /// Takes in where a plugin stands; whether pods may come out otherwise for it.
    pub(super) fn stands(&mut self, plugin: &Arc<Plugin>, state: PluginState) -> bool {
        if !self.wanted.contains_key(plugin) {
            return false;
        }
        let demand = match &state {
            PluginState::Ready { description, .. } => description.reads.demand(),
            PluginState::Failed(_) => Demand::default(),
        };
        let before = self.standings.get(plugin).map(|standing| &standing.state);
        let same = match (before, &state) {
            (
                Some(PluginState::Ready { description: before, .. }),
                PluginState::Ready { description, .. },
            ) => before == description,
            (before, now) => before == Some(now),
        };
        self.standings.insert(plugin.clone(), Standing { state, demand });
        !same
    }

    /// Where a plugin stands, as far as anything was told.
    pub(super) fn state(&self, plugin: &Plugin) -> Option<&PluginState> {
        self.standings.get(plugin).map(|standing| &standing.state)
    }

    /// Whether a plugin can be asked.
    pub(super) fn readiness(&self, plugin: &Plugin) -> Readiness<'_> {
        match self.standings.get(plugin) {
            None => Readiness::Loading,
            Some(Standing { state: PluginState::Ready { description, .. }, demand }) => {
                Readiness::Ready(description, demand)
            }
            Some(Standing { state: PluginState::Failed(problems), .. }) => match problems.first() {
                Some(problem) => Readiness::Failed(problem),
                None => Readiness::Loading,
            },
        }
    }

    /// A question as it is kept, so that equal ones share one, with its answer where that is known.
    pub(super) fn look_up(&self, question: Question) -> (Arc<Question>, Option<&Answer>) {
        match self.kept.get_key_value(&question) {
            Some((question, kept)) => (question.clone(), kept.answer.as_ref()),
            None => {
                let is_other = |it: &&Arc<Question>| it.plugin == question.plugin;
                let others = self.kept.keys().filter(|_| mutants::is_on(Mutant::StaleAnswer));
                let answers = others.filter(is_other).filter_map(|other| self.kept[other].answer.as_ref());
                let stale = answers.min_by_key(|answer| format!("{answer:?}"));
                (Arc::new(question), stale)
            }
        }
    }

    /// Takes in an answer; gives the pods that depend on it.
    pub(super) fn decided(&mut self, question: &Question, answer: Answer) -> Vec<PodName> {
        match self.kept.get_mut(question) {
            Some(kept) if kept.answer.as_ref() != Some(&answer) => {
                kept.answer = Some(answer);
                let most = if mutants::is_on(Mutant::AnswerOne) { 1 } else { usize::MAX };
                kept.pods.iter().take(most).cloned().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Notes which questions a pod depends on now.
    pub(super) fn depends(&mut self, pod: &PodName, questions: Vec<Arc<Question>>) {
        let before = match self.by_pod.get(pod) {
            None if questions.is_empty() => return,
            Some(before) if *before == questions => return,
            _ => self.by_pod.remove(pod).unwrap_or_default(),
        };
        for question in &questions {
            let kept = self.kept.entry(question.clone()).or_insert_with(|| {
                if before.is_empty() || !mutants::is_on(Mutant::ForgetQuestion) {
                    self.news.push(Asking::Open(question.clone()));
                }
                Kept::default()
            });
            kept.pods.insert(pod.clone());
        }
        for question in before.iter().filter(|it| !questions.contains(it)) {
            let Some(kept) = self.kept.get_mut(question) else { continue };
            kept.pods.remove(pod);
            if kept.pods.is_empty() && !mutants::is_on(Mutant::KeepAnswers) {
                let is_open = self.kept.remove(question).is_some_and(|kept| kept.answer.is_none());
                if is_open {
                    self.news.push(Asking::Closed(question.clone()));
                }
            }
        }
        if !questions.is_empty() {
            self.by_pod.insert(pod.clone(), questions);
        }
    }

    /// What those who run plugins have to know and were not told yet.
    pub(super) fn news(&mut self) -> Vec<Asking> {
        std::mem::take(&mut self.news)
    }

    /// Numbers of questions: all, and those without an answer.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.kept.len(), self.kept.values().filter(|kept| kept.answer.is_none()).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::{DEFAULT_LIMITS, Decision, Digest, Workload};

    fn question(namespace: &str) -> Question {
        let plugin = Plugin { digest: Digest::of(b""), config: "{}".into(), limits: DEFAULT_LIMITS };
        let workload = Workload { namespace: namespace.into(), ..Workload::default() };
        Question { plugin: Arc::new(plugin), workload }
    }

    fn pod(uid: &str) -> PodName {
        (ClusterName::new("east").unwrap(), PodUid::new(uid).unwrap())
    }

    #[test]
    fn a_question_is_asked_once_and_kept_until_the_last_pod_is_gone() {
        let mut answers = Answers::default();
        let ask = |answers: &mut Answers, uid: &str| {
            let (question, _) = answers.look_up(question("shop"));
            answers.depends(&pod(uid), vec![question.clone()]);
            question
        };
        let asked = ask(&mut answers, "a");
        ask(&mut answers, "b");
        assert_eq!(answers.news(), [Asking::Open(asked.clone())]);
        let skip = Answer::Decided(Decision::Skip(String::new()));
        assert_eq!(answers.decided(&asked, skip.clone()).len(), 2);
        assert_eq!(answers.decided(&asked, skip.clone()), [], "nothing new");
        answers.depends(&pod("a"), Vec::new());
        assert_eq!(answers.look_up(question("shop")).1, Some(&skip));
        answers.depends(&pod("b"), Vec::new());
        assert_eq!((answers.look_up(question("shop")).1, answers.counts()), (None, (0, 0)));
        assert_eq!(answers.news(), [], "what was answered need not be called off");
        let open = ask(&mut answers, "a");
        answers.depends(&pod("a"), vec![Arc::new(question("other"))]);
        let news = answers.news();
        assert!(news.contains(&Asking::Closed(open)) && news.len() == 3, "{news:?}");
    }
}
