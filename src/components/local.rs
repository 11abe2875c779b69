//! Plugins for commands: loaded from files and asked at once, in this process.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use registrar_core::api::Problem;
use registrar_core::facts::Change;
use registrar_core::index::{Asking, Index, Settled};
use registrar_core::plugin::{Answer, Digest, Limits, Plugin, PluginState, Question, Source};

use super::source::read_file;
use super::turns::Loaded;
use super::{Runtime, compile};

/// Components that a command was given, and those that it loaded.
#[derive(Debug)]
pub struct Local {
    runtime: Runtime,
    max_size: u64,
    given: HashMap<Digest, Vec<u8>>,
    loaded: HashMap<Digest, Result<Loaded, Problem>>,
}

impl Local {
    /// None loaded yet; the files are used for whoever names their digest, wherever it says that they come from.
    pub fn new(ceilings: &Limits, max_size: u64, files: &[impl AsRef<Path>]) -> Result<Self, String> {
        let runtime = Runtime::new(ceilings, 1).map_err(|error| error.to_string())?;
        let mut given = HashMap::new();
        for path in files.iter().map(AsRef::as_ref) {
            let bytes =
                read_file(path, max_size).map_err(|it| format!("{}: {}", path.display(), it.message))?;
            given.insert(Digest::of(&bytes), bytes);
        }
        Ok(Self { runtime, max_size, given, loaded: HashMap::new() })
    }

    /// Settles the index until it asks nothing any more; what it gives out is that of the last time, and demand that of any.
    pub fn settle(&mut self, index: &mut Index) -> Settled {
        let mut demand = None;
        loop {
            let mut settled = index.settle();
            demand = settled.demand.take().or(demand);
            for (plugin, sources) in settled.plugins.as_deref().into_iter().flatten() {
                let state = self.state(plugin, sources);
                index.apply(Change::Plugin(plugin.clone(), state));
            }
            let answers: Vec<(Arc<Question>, Answer)> =
                settled.asking.iter().filter_map(|asking| self.answer(asking)).collect();
            if settled.plugins.is_none() && answers.is_empty() {
                return Settled { demand, ..settled };
            }
            index.apply(Change::Decided(answers));
        }
    }

    fn state(&mut self, plugin: &Plugin, sources: &BTreeSet<Source>) -> PluginState {
        if !self.loaded.contains_key(&plugin.digest) {
            let loaded = self.load(plugin.digest, sources);
            self.loaded.insert(plugin.digest, loaded);
        }
        let loaded = match self.loaded.get(&plugin.digest) {
            Some(Ok(loaded)) => loaded,
            Some(Err(problem)) => return PluginState::Failed(vec![problem.clone()]),
            None => return PluginState::Failed(Vec::new()),
        };
        match loaded.component.validate(&plugin.config, &plugin.limits).outcome {
            Ok(problems) if problems.is_empty() => {
                PluginState::Ready { description: loaded.description.clone(), note: None }
            }
            Ok(problems) => PluginState::Failed(problems),
            Err(stop) => PluginState::Failed(vec![stop.problem("validate")]),
        }
    }

    fn load(&self, digest: Digest, sources: &BTreeSet<Source>) -> Result<Loaded, Problem> {
        let bytes = match self.given.get(&digest) {
            Some(bytes) => bytes.clone(),
            None => self.read(digest, sources)?,
        };
        let native = compile::here(&bytes).map_err(|error| error.problem())?;
        Loaded::of(&self.runtime, &native)
    }

    fn read(&self, digest: Digest, sources: &BTreeSet<Source>) -> Result<Vec<u8>, Problem> {
        let files = sources.iter().filter_map(|source| match source {
            Source::File(path) => Some(path),
            _ => None,
        });
        let mut problem = None;
        for path in files {
            match read_file(Path::new(path), self.max_size) {
                Ok(bytes) if Digest::of(&bytes) == digest => return Ok(bytes),
                Ok(bytes) => {
                    let message =
                        format!("file {path}: has {}, and {digest} was asked for", Digest::of(&bytes));
                    problem = Some(Problem::new("PluginDigestMismatch", "spec.plugin.sha256", message));
                }
                Err(error) => {
                    problem = Some(Problem { message: format!("file {path}: {}", error.message), ..error });
                }
            }
        }
        Err(problem.unwrap_or_else(|| {
            let message = format!("nothing is fetched here: give the file that is {digest} by --plugin");
            Problem::new("PluginNotFetched", "spec.plugin.source", message)
        }))
    }

    fn answer(&self, asking: &Asking) -> Option<(Arc<Question>, Answer)> {
        let Asking::Open(question) = asking else { return None };
        let Some(Ok(loaded)) = self.loaded.get(&question.plugin.digest) else { return None };
        let called =
            loaded.component.derive(&question.workload, &question.plugin.config, &question.plugin.limits);
        let answer = called.outcome.unwrap_or_else(|stop| Answer::Failed(stop.problem("derive")));
        Some((question.clone(), answer))
    }
}
