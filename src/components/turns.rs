//! Whose turn it is: one queue a component, each in its turn, so that a slow one delays no other.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use registrar_core::api::Problem;
use registrar_core::plugin::{DEFAULT_LIMITS, Description, Digest, Question};

use super::{Component, Native, Runtime};

/// Questions of one turn, at most.
const BATCH: usize = 64;
/// The first pause before a question is asked again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A component that can be asked.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub(super) component: Component,
    pub(super) description: Arc<Description>,
}

impl Loaded {
    /// Loads what was compiled and asks it what it is.
    pub(super) fn of(runtime: &Runtime, native: &Native) -> Result<Self, Problem> {
        let component = runtime.load(native).map_err(|error| error.problem())?;
        let described = component.describe(&DEFAULT_LIMITS).outcome;
        let description = Arc::new(described.map_err(|stop| stop.problem("describe"))?);
        Ok(Self { component, description })
    }
}

/// All open questions.
#[derive(Debug)]
pub(super) struct Turns {
    state: Mutex<State>,
    news: Condvar,
    /// How many workers one component may occupy: all but one, where there are several.
    most_running: usize,
}

#[derive(Debug, Default)]
struct State {
    queues: HashMap<Digest, Queue>,
    /// Components with something to do, whoever has waited longest first.
    order: VecDeque<Digest>,
    later: BTreeMap<Instant, Vec<Open>>,
    is_over: bool,
}

#[derive(Debug, Default)]
struct Queue {
    loaded: Option<Loaded>,
    open: VecDeque<Open>,
    /// Questions that somebody waits for, by where they stand in memory: each is held here or by whoever runs it.
    waited_for: HashSet<usize>,
    running: usize,
    is_in_order: bool,
}

/// A question, and how often its time ran out.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) question: Arc<Question>,
    pub(super) tries: u32,
}

/// What one worker does next.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) loaded: Loaded,
    pub(super) questions: VecDeque<Open>,
    digest: Digest,
}

impl Turns {
    pub(super) fn new(workers: u16) -> Self {
        let most_running = usize::from(workers).saturating_sub(1).max(1);
        Self { state: Mutex::default(), news: Condvar::new(), most_running }
    }

    /// Somebody waits for an answer.
    pub(super) fn open(&self, question: Arc<Question>) {
        let mut state = self.lock();
        let digest = question.plugin.digest;
        let queue = state.queues.entry(digest).or_default();
        queue.waited_for.insert(address(&question));
        queue.open.push_back(Open { question, tries: 0 });
        self.line_up(&mut state, digest);
    }

    /// Nobody waits for it any more.
    pub(super) fn close(&self, question: &Arc<Question>) {
        let mut state = self.lock();
        if let Some(queue) = state.queues.get_mut(&question.plugin.digest) {
            queue.waited_for.remove(&address(question));
            // Only those that were never begun; the others are dropped when their turn comes.
            if queue.waited_for.is_empty() {
                queue.open.clear();
            }
        }
    }

    /// A component can be asked from now on.
    pub(super) fn loaded(&self, digest: Digest, loaded: Loaded) {
        let mut state = self.lock();
        state.queues.entry(digest).or_default().loaded = Some(loaded);
        self.line_up(&mut state, digest);
    }

    /// Nobody uses a component any more. Questions that are open all the same wait until it is loaded again.
    pub(super) fn unloaded(&self, digest: Digest) {
        let mut state = self.lock();
        if let Some(queue) = state.queues.get_mut(&digest) {
            queue.loaded = None;
            if queue.waited_for.is_empty() && queue.running == 0 {
                state.queues.remove(&digest);
            }
        }
    }

    /// The next turn; none when all is over. Waits for one.
    pub(super) fn next(&self) -> Option<Turn> {
        let mut state = self.lock();
        loop {
            if state.is_over {
                return None;
            }
            let due = state.bring_back(Instant::now());
            due.into_iter().for_each(|digest| self.line_up(&mut state, digest));
            while let Some(digest) = state.order.pop_front() {
                let Some(queue) = state.queues.get_mut(&digest) else { continue };
                queue.is_in_order = false;
                let Some(loaded) = queue.loaded.clone() else { continue };
                let mut questions = VecDeque::new();
                while questions.len() < BATCH
                    && let Some(open) = queue.open.pop_front()
                {
                    if queue.waited_for.contains(&address(&open.question)) {
                        questions.push_back(open);
                    }
                }
                if questions.is_empty() {
                    continue;
                }
                queue.running += 1;
                self.line_up(&mut state, digest);
                return Some(Turn { loaded, questions, digest });
            }
            let until = state.later.keys().next().map(|at| at.saturating_duration_since(Instant::now()));
            state = match until {
                None => self.news.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(pause) => self.news.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// A turn has ended: what it did not come to goes back to the head of the queue, what ran out of time is asked later.
    pub(super) fn done(&self, turn: Turn, answered: &[Arc<Question>], slow: Vec<Open>) {
        let mut state = self.lock();
        let digest = turn.digest;
        if let Some(queue) = state.queues.get_mut(&digest) {
            queue.running -= 1;
            for question in answered {
                queue.waited_for.remove(&address(question));
            }
            turn.questions.into_iter().rev().for_each(|open| queue.open.push_front(open));
            if queue.loaded.is_none() && queue.waited_for.is_empty() && queue.running == 0 {
                state.queues.remove(&digest);
            }
        }
        for open in slow {
            let factor = 1_u32.checked_shl(open.tries).unwrap_or(u32::MAX);
            let at = Instant::now() + FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE);
            state.later.entry(at).or_default().push(Open { tries: open.tries + 1, ..open });
        }
        self.line_up(&mut state, digest);
    }

    /// Ends every worker after its turn.
    pub(super) fn end(&self) {
        self.lock().is_over = true;
        self.news.notify_all();
    }

    /// Puts a component in the order, where it has something to do and may do it.
    fn line_up(&self, state: &mut State, digest: Digest) {
        let Some(queue) = state.queues.get_mut(&digest) else { return };
        let may_run = queue.loaded.is_some() && queue.running < self.most_running;
        if may_run && !queue.is_in_order && !queue.open.is_empty() {
            queue.is_in_order = true;
            state.order.push_back(digest);
            self.news.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked while it held the lock left nothing half done: every change is one statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Puts back what has paused long enough; gives the components concerned.
    fn bring_back(&mut self, now: Instant) -> Vec<Digest> {
        let mut digests = Vec::new();
        while let Some(entry) = self.later.first_entry()
            && *entry.key() <= now
        {
            for open in entry.remove() {
                let digest = open.question.plugin.digest;
                if let Some(queue) = self.queues.get_mut(&digest) {
                    queue.open.push_back(open);
                    digests.push(digest);
                }
            }
        }
        digests
    }
}

fn address(question: &Arc<Question>) -> usize {
    Arc::as_ptr(question).addr()
}
