//! Runs the plugins that the index asks for: each component is fetched, compiled, described and its configurations checked
//! by a task of its own, and questions are answered by a few workers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use registrar_core::api::Problem;
use registrar_core::facts::Change;
use registrar_core::index::Asking;
use registrar_core::plugin::{Answer, Description, Digest, Plugin, PluginState, Question, Source};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::compile::Compiler;
use super::source::Sources;
use super::turns::{Loaded, Turn, Turns};
use super::{Called, Runtime, Stop};
use crate::metrics::Metrics;
use crate::registrar::Arrived;

/// How long one worker stays with one component while others wait.
const TURN: Duration = Duration::from_millis(10);
/// One call of so many is made twice, to see that both come to the same.
const SAMPLE: u32 = 256;
/// The first pause after a component could not be loaded; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Plugins that identities use, with the places that they may come from.
pub type Wanted = Arc<BTreeMap<Arc<Plugin>, BTreeSet<Source>>>;

/// What the host is connected to.
#[derive(Debug)]
pub struct Ends {
    /// From the index: which plugins.
    pub wanted: watch::Receiver<Wanted>,
    /// From the index: questions. Without bound, because the index waits for nobody who may wait for it; what is in it is
    /// no more than the index itself holds.
    pub asking: mpsc::UnboundedReceiver<Asking>,
    /// To the index.
    pub changes: mpsc::Sender<Arrived>,
}

/// What every part of the host needs.
#[derive(Debug, Clone)]
struct Shared {
    runtime: Runtime,
    sources: Arc<Sources>,
    compiler: Arc<Compiler>,
    /// Compiling takes all the memory that it may take once, not as often as there are components.
    compiling: Arc<Semaphore>,
    /// There is room for one instance beside those of the workers.
    checking: Arc<Semaphore>,
    turns: Arc<Turns>,
    changes: mpsc::Sender<Arrived>,
    metrics: Metrics,
    /// What works and is yet worth telling, by plugin.
    notes: Arc<Mutex<BTreeMap<Arc<Plugin>, Problem>>>,
}

/// How much less of a core than others a call of a plugin gets, where both want it.
const NICENESS: i32 = 10;

/// Runs plugins until `shutdown`, or until the index ends.
pub async fn run(
    runtime: Runtime,
    workers: u16,
    sources: Sources,
    compiler: Compiler,
    ends: Ends,
    metrics: Metrics,
    shutdown: CancellationToken,
) {
    let Ends { mut wanted, mut asking, changes } = ends;
    let turns = Arc::new(Turns::new(workers));
    let shared = Shared {
        runtime,
        sources: Arc::new(sources),
        compiler: Arc::new(compiler),
        compiling: Arc::new(Semaphore::new(1)),
        checking: Arc::new(Semaphore::new(1)),
        turns: turns.clone(),
        changes,
        metrics,
        notes: Arc::default(),
    };
    let mut working = JoinSet::new();
    for _ in 0..workers {
        let shared = shared.clone();
        working.spawn_blocking(move || work(&shared));
    }
    let mut tending: JoinSet<()> = JoinSet::new();
    let mut tended: HashMap<Digest, AbortHandle> = HashMap::new();
    loop {
        let digests: BTreeSet<Digest> =
            wanted.borrow_and_update().keys().map(|plugin| plugin.digest).collect();
        tended.retain(|digest, task| {
            let is_wanted = digests.contains(digest);
            if !is_wanted {
                task.abort();
                turns.unloaded(*digest);
            }
            is_wanted
        });
        for digest in digests {
            let tend = || tending.spawn(tend(shared.clone(), digest, wanted.clone()));
            tended.entry(digest).or_insert_with(tend);
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = wanted.changed() => if changed.is_err() { break },
            asked = asking.recv() => match asked {
                None => break,
                Some(asked) => turn(&turns, asked, &mut asking),
            },
            Some(_) = tending.join_next() => {}
        }
    }
    turns.end();
    tending.shutdown().await;
    drop(shared);
    while working.join_next().await.is_some() {}
}

/// Hands questions on, as many as there are by now.
fn turn(turns: &Turns, first: Asking, asking: &mut mpsc::UnboundedReceiver<Asking>) {
    let mut next = Some(first);
    while let Some(asked) = next {
        match asked {
            Asking::Open(question) => turns.open(question),
            Asking::Closed(question) => turns.close(&question),
        }
        next = asking.try_recv().ok();
    }
}

/// Loads one component and tells where each plugin made of it stands, again whenever the index asks for other plugins:
/// what was told to one who did not want it then was told to nobody.
async fn tend(shared: Shared, digest: Digest, mut wanted: watch::Receiver<Wanted>) {
    let mut pause = FIRST_PAUSE;
    let loaded = loop {
        let (plugins, sources) = of(&wanted.borrow_and_update(), digest);
        let problem = match shared.load(digest, &sources).await {
            Ok(loaded) => break loaded,
            Err(problem) => problem,
        };
        warn!(component = %digest, reason = problem.reason, "{problem}; trying again in {pause:?}");
        shared.metrics.plugin_not_loaded(problem.reason);
        let again = tokio::time::Instant::now() + pause;
        pause = (pause * 2).min(LONGEST_PAUSE);
        let (mut plugins, mut tried) = (plugins, sources);
        loop {
            for plugin in &plugins {
                shared.tell(plugin, PluginState::Failed(vec![problem.clone()])).await;
            }
            tokio::select! {
                () = tokio::time::sleep_until(again) => break,
                changed = wanted.changed() => if changed.is_err() { return },
            }
            let now = of(&wanted.borrow_and_update(), digest);
            // Somewhere else may have it.
            if now.1 != tried {
                pause = FIRST_PAUSE;
                break;
            }
            (plugins, tried) = now;
        }
    };
    let description = loaded.description.clone();
    info!(component = %digest, plugin = %description, reads = %description.reads, "plugin loaded");
    shared.turns.loaded(digest, loaded.clone());
    let mut checked: BTreeMap<Arc<Plugin>, Result<(), Vec<Problem>>> = BTreeMap::new();
    loop {
        let (plugins, _) = of(&wanted.borrow_and_update(), digest);
        checked.retain(|plugin, _| plugins.contains(plugin));
        let mut is_slow = false;
        for plugin in plugins {
            let outcome = match checked.get(&plugin) {
                Some(outcome) => outcome.clone(),
                None => match shared.validate(&loaded, &plugin).await {
                    Ok(outcome) => {
                        checked.insert(plugin.clone(), outcome.clone());
                        outcome
                    }
                    Err(slow) => {
                        is_slow = true;
                        Err(vec![slow])
                    }
                },
            };
            let state = match outcome {
                Ok(()) => shared.ready(&plugin, &description),
                Err(problems) => PluginState::Failed(problems),
            };
            shared.tell(&plugin, state).await;
        }
        tokio::select! {
            () = tokio::time::sleep(pause), if is_slow => {}
            changed = wanted.changed() => if changed.is_err() { return },
        }
    }
}

/// The plugins of one component, and all places that it may come from.
fn of(wanted: &Wanted, digest: Digest) -> (BTreeSet<Arc<Plugin>>, BTreeSet<Source>) {
    let own = wanted.iter().filter(|(plugin, _)| plugin.digest == digest);
    let (plugins, sources): (BTreeSet<_>, Vec<_>) =
        own.map(|(plugin, sources)| (plugin.clone(), sources)).unzip();
    (plugins, sources.into_iter().flatten().cloned().collect())
}

impl Shared {
    async fn load(&self, digest: Digest, sources: &BTreeSet<Source>) -> Result<Loaded, Problem> {
        let bytes = self.sources.fetch(digest, sources).await?;
        let Ok(_compiling) = self.compiling.acquire().await else {
            return Err(Problem::new("PluginNotCompiled", "spec.plugin.source", "the registrar is ending"));
        };
        let native = self.compiler.compile(&bytes).await.map_err(|error| error.problem())?;
        let runtime = self.runtime.clone();
        self.blocking(move || Loaded::of(&runtime, &native)).await?
    }

    /// Checks a configuration; the error is that it could not be checked, which may pass.
    async fn validate(
        &self,
        loaded: &Loaded,
        plugin: &Arc<Plugin>,
    ) -> Result<Result<(), Vec<Problem>>, Problem> {
        let (component, asked) = (loaded.component.clone(), plugin.clone());
        let validate = move || component.validate(&asked.config, &asked.limits).outcome;
        match self.blocking(validate).await? {
            Ok(problems) if problems.is_empty() => Ok(Ok(())),
            Ok(problems) => Ok(Err(problems)),
            Err(stop) if stop.may_differ() => Err(stop.problem("validate")),
            Err(stop) => Ok(Err(vec![stop.problem("validate")])),
        }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let Ok(_checking) = self.checking.acquire().await else {
            return Err(Problem::new("PluginNotLoaded", "spec.plugin", "the registrar is ending"));
        };
        let ended = tokio::task::spawn_blocking(call).await;
        ended.map_err(|error| Problem::new("PluginNotLoaded", "spec.plugin", error))
    }

    fn ready(&self, plugin: &Arc<Plugin>, description: &Arc<Description>) -> PluginState {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        PluginState::Ready { description: description.clone(), note: notes.get(plugin).cloned() }
    }

    /// Notes something of a plugin that works, or that it is over; from a worker.
    fn note(&self, plugin: &Arc<Plugin>, description: &Arc<Description>, note: Option<Problem>) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match note.clone() {
            Some(note) => notes.insert(plugin.clone(), note),
            None => notes.remove(plugin),
        };
        drop(notes);
        if before != note {
            let state = self.ready(plugin, description);
            let _ = self.changes.blocking_send(Arrived::now(Change::Plugin(plugin.clone(), state)));
        }
    }

    async fn tell(&self, plugin: &Arc<Plugin>, state: PluginState) {
        // An error says that the index has ended, and so does everything.
        let _ = self.changes.send(Arrived::now(Change::Plugin(plugin.clone(), state))).await;
    }
}

/// One worker: turn after turn until all is over.
fn work(shared: &Shared) {
    // Of this thread alone, on Linux. Everything else in this process comes first: where cores are few, slow calls would
    // otherwise hold up pods that have nothing to do with them.
    if let Err(error) = rustix::process::nice(NICENESS) {
        warn!(%error, "calls of plugins run with the priority of everything else");
    }
    let mut calls = 0_u32;
    while let Some(turn) = shared.turns.next() {
        let answers = take_turn(shared, turn, &mut calls);
        if !answers.is_empty()
            && shared.changes.blocking_send(Arrived::now(Change::Decided(answers))).is_err()
        {
            return;
        }
    }
}

/// Asks until the turn is over; gives the answers.
fn take_turn(shared: &Shared, mut turn: Turn, calls: &mut u32) -> Vec<(Arc<Question>, Answer)> {
    let begun = Instant::now();
    let (mut answers, mut slow) = (Vec::new(), Vec::new());
    while let Some(open) = turn.questions.pop_front() {
        let Question { plugin, workload } = &*open.question;
        let (called, noted) =
            sampled(calls, || turn.loaded.component.derive(workload, &plugin.config, &plugin.limits));
        let outcome = match &called.outcome {
            Ok(Answer::Decided(_)) => "Decided",
            Ok(Answer::Failed(problem)) => problem.reason,
            Err(stop) => stop.reason(),
        };
        shared.metrics.plugin_called(&turn.loaded.description.name, outcome, called.used.time.as_secs_f64());
        let description = &turn.loaded.description;
        match noted {
            Some(note) => shared.note(plugin, description, Some(note)),
            // It was slow, and is no longer.
            None if open.tries > 0 => shared.note(plugin, description, None),
            None => {}
        }
        match called.outcome {
            Ok(answer) => answers.push((open.question, answer)),
            Err(stop) if stop.may_differ() => slow.push(open),
            Err(stop) => answers.push((open.question, Answer::Failed(stop.problem("derive")))),
        }
        if begun.elapsed() >= TURN {
            break;
        }
    }
    let answered: Vec<Arc<Question>> = answers.iter().map(|(question, _)| question.clone()).collect();
    shared.turns.done(turn, &answered, slow);
    answers
}

/// Calls, and one time of so many once more, to compare; what came, and what that says of the plugin beside it.
fn sampled(calls: &mut u32, call: impl Fn() -> Called<Answer>) -> (Called<Answer>, Option<Problem>) {
    *calls = calls.wrapping_add(1);
    let called = call();
    let second = calls.is_multiple_of(SAMPLE).then(|| call().outcome);
    let note = note(&called.outcome, second);
    (called, note)
}

/// What a call says of its plugin beside its answer: that it is slow, or that the same call came to another end.
fn note(first: &Result<Answer, Stop>, second: Option<Result<Answer, Stop>>) -> Option<Problem> {
    match (first, second) {
        (Err(stop), _) if stop.may_differ() => Some(stop.problem("derive")),
        (first, Some(second)) if *first != second && !second.as_ref().is_err_and(Stop::may_differ) => {
            let message = "the same call came to two different ends: what it returns depends on more than what it is handed";
            Some(Problem::new("PluginOutputDiffers", "spec.plugin", message))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use registrar_core::plugin::Decision;

    use super::*;
    use crate::components::Used;

    #[test]
    fn two_ends_of_one_call_are_told_and_a_slow_one_is_no_end() {
        let skip = |why: &str| Ok(Answer::Decided(Decision::Skip(why.to_owned())));
        assert_eq!(note(&skip("a"), None), None);
        assert_eq!(note(&skip("a"), Some(skip("a"))), None);
        assert_eq!(note(&skip("a"), Some(skip("b"))).unwrap().reason, "PluginOutputDiffers");
        assert_eq!(note(&skip("a"), Some(Err(Stop::Time(TURN)))), None);
        assert_eq!(note(&Err(Stop::Time(TURN)), None).unwrap().reason, "PluginSlow");
    }

    /// No component can do it: nothing is in an instance but what it is handed. So what is called here is none.
    #[test]
    fn answers_that_differ_from_call_to_call_are_found_by_a_sample() {
        let number = Cell::new(0);
        let fickle = || {
            number.set(number.get() + 1);
            let outcome = Ok(Answer::Decided(Decision::Skip(number.get().to_string())));
            Called { outcome, used: Used::default() }
        };
        let mut calls = 0;
        let notes: Vec<Problem> = (0..3 * SAMPLE).filter_map(|_| sampled(&mut calls, fickle).1).collect();
        assert_eq!(number.get(), 3 * SAMPLE + 3, "every so many calls one is made twice");
        assert_eq!(notes.iter().map(|it| it.reason).collect::<Vec<_>>(), ["PluginOutputDiffers"; 3]);
    }
}
