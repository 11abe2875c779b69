//! Go templates of one entry field, exactly: Go's grammar by our own front end, run by minijinja.
//!
//! `lex` and `parse` make a tree by Go's rules, `lower` turns the tree into the engine's source, `functions` are Go's built-in
//! functions over `value`, `types` is the table of Go's types. There is one engine: nothing here evaluates beside it.

mod format;
mod functions;
mod lex;
mod literal;
mod lower;
mod methods;
mod moment;
mod parse;
mod print;
mod quantity;
mod scope;
#[cfg(test)]
mod tests;
mod types;
mod unicode;
mod value;

use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind, UndefinedBehavior};

pub use self::scope::{Described, Scope, Variables};
use crate::facts::demand::Demand;

/// A longer template is a mistake.
const MAX_SOURCE: usize = 64 << 10;

/// What one rendering may take: about so many steps, or 64 bytes of text each.
const FUEL: u64 = 100_000;

/// How much of an action a message shows.
const SHOWN: usize = 80;

/// A template that does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {action:?}: {problem}")]
pub struct CompileError {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// The action at fault, or its beginning.
    pub action: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// What is worth telling of a template that compiles: a field that no type has fails only when a pod gets there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(CompileError);

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A template that cannot be rendered for one pod.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Go's template package would fail as well.
    #[error("line {line}, column {column}: {action:?}: {problem}")]
    Failed {
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// The action that failed.
        action: String,
        /// Why.
        problem: String,
    },
    /// It was ended.
    #[error("line {line}, column {column}: {action:?}: {limit}")]
    Limit {
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// The action that was being run.
        action: String,
        /// Which limit.
        limit: &'static str,
    },
}

/// A compiled template; clones share it.
#[derive(Clone)]
pub struct Template(Arc<Compiled>);

struct Compiled {
    text: Box<str>,
    engine: Engine,
    lines: Vec<(usize, usize)>,
    demand: Demand,
    warnings: Vec<Warning>,
    mentions: lower::Mentions,
}

type Ready<'a> = minijinja::Template<'a, 'a>;

self_cell::self_cell!(
    /// A template's own environment, and the template in it: found once, where each rendering would hash its name and lock.
    struct Engine {
        owner: Environment<'static>,
        #[covariant]
        dependent: Ready,
    }
);

/// The one name in a template's own environment.
const NAME: &str = "template";

/// Functions and settings that all templates share.
static BASE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment.set_fuel(Some(FUEL));
    if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
        environment.set_syntax(syntax);
    }
    functions::register(&mut environment);
    environment
});

impl Template {
    /// Compiles a template; the error gives the place and what would be right.
    pub fn compile(text: &str) -> Result<Self, CompileError> {
        if text.len() > MAX_SOURCE {
            let problem = format!("the template has {} bytes, at most {MAX_SOURCE} are taken", text.len());
            return Err(located(text, 0, problem));
        }
        let tree = parse::parse(text).map_err(|refusal| located(text, refusal.at, refusal.problem))?;
        let lowered = lower::lower(&tree);
        let mut environment = BASE.clone();
        for (index, constant) in lowered.constants.into_iter().enumerate() {
            environment.add_global(format!("k{index}"), constant);
        }
        let refused = |error: minijinja::Error| {
            let at = place(&lowered.lines, error.line());
            located(text, at, format!("nested too deep for the engine ({error})"))
        };
        environment.add_template_owned(NAME, lowered.source).map_err(refused)?;
        let engine = Engine::try_new(environment, |it| it.get_template(NAME)).map_err(refused)?;
        let warnings = lowered.warnings.into_iter();
        Ok(Self(Arc::new(Compiled {
            text: text.into(),
            engine,
            lines: lowered.lines,
            demand: lowered.demand,
            mentions: lowered.mentions,
            warnings: warnings.map(|(at, problem)| Warning(located(text, at, problem))).collect(),
        })))
    }

    /// The template's text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The fields that it reads beyond those that facts always have.
    pub fn reads(&self) -> &Demand {
        &self.0.demand
    }

    /// Whether it names this variable, such as `ClusterName`.
    pub fn mentions(&self, variable: &str) -> bool {
        self.0.mentions.variables.contains(variable)
    }

    /// Whether its text names this field, such as `.PodMeta.Name`.
    pub fn names(&self, path: &str) -> bool {
        let is_word = |it: char| it.is_alphanumeric() || it == '_';
        let text = self.text();
        text.match_indices(path).any(|(at, _)| {
            let before = text.get(..at).unwrap_or_default();
            let after = text.get(at + path.len()..).unwrap_or_default();
            !before.ends_with(is_word) && !after.starts_with(is_word)
        })
    }

    /// Bytes that it prints at least, whatever the pod.
    pub fn shortest(&self) -> usize {
        self.0.mentions.shortest
    }

    /// Whether it names labels or annotations, which whoever may write the pod or node chooses.
    pub fn mentions_labels(&self) -> bool {
        self.0.mentions.labels
    }

    /// Whether it reads anything of the pod's node.
    pub fn reads_node(&self) -> bool {
        self.0.mentions.node
    }

    /// Field paths that no type has.
    pub fn warnings(&self) -> &[Warning] {
        &self.0.warnings
    }

    /// The template's output for one pod.
    pub fn render(&self, scope: &Scope) -> Result<String, RenderError> {
        let compiled = &*self.0;
        let rendered = compiled.engine.borrow_dependent().render(scope.context());
        rendered.map_err(|error| compiled.failure(&error))
    }
}

/// Templates that are rendered by one run of the engine: to begin a run costs more than to print a few fields.
#[derive(Debug, Clone)]
pub struct Together {
    template: Template,
    count: usize,
}

/// Between the outputs of templates that are rendered together: the unit separator of ASCII.
const SEPARATOR: char = '\u{1f}';

impl Together {
    /// Joins templates; none where there is nothing to join, or where they would not mean the same side by side.
    pub fn compile<'t>(templates: impl IntoIterator<Item = &'t Template>) -> Option<Self> {
        let texts: Vec<&str> = templates.into_iter().map(Template::text).collect();
        // What one declares or defines, those after it would find.
        let may_define = |text: &&str| ["$", "define", "block"].iter().any(|it| text.contains(it));
        if texts.len() < 2 || texts.iter().any(may_define) {
            return None;
        }
        let template = Template::compile(&texts.join(&SEPARATOR.to_string())).ok()?;
        Some(Self { template, count: texts.len() })
    }

    /// The outputs of all, for [`Self::split`]. None where one of them fails or where it cannot be told which is which: each
    /// by itself says more then.
    pub fn render(&self, scope: &Scope) -> Option<String> {
        let text = self.template.render(scope).ok()?;
        (text.matches(SEPARATOR).count() + 1 == self.count).then_some(text)
    }

    /// The outputs one by one, in the order of the templates.
    pub fn split(rendered: &str) -> impl Iterator<Item = &str> {
        rendered.split(SEPARATOR)
    }
}

impl Compiled {
    fn failure(&self, error: &minijinja::Error) -> RenderError {
        let at = place(&self.lines, error.line());
        let problem = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        let CompileError { line, column, action, problem } = located(&self.text, at, problem);
        let limit = if error.kind() == ErrorKind::OutOfFuel {
            Some("it takes more steps or makes more text than a template may")
        } else if problem.contains("recursion limit") {
            Some("templates call each other deeper than a template may")
        } else {
            None
        };
        match limit {
            Some(limit) => RenderError::Limit { line, column, action, limit },
            None => RenderError::Failed { line, column, action, problem },
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.text()).finish()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// The byte of the template that a line of the lowered source was made from.
fn place(lines: &[(usize, usize)], line: Option<usize>) -> usize {
    let line = line.unwrap_or(usize::MAX);
    lines.iter().take_while(|(of, _)| *of <= line).last().map_or(0, |(_, at)| *at)
}

/// An error at a byte of a template: line, column, and the action around it.
fn located(text: &str, at: usize, problem: String) -> CompileError {
    let at = (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let (before, after) = text.split_at(at);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    let begin = before.rfind("{{").unwrap_or(at);
    let end = after.find("}}").map_or(text.len(), |end| at + end + 2);
    let action: String = text.get(begin..end).unwrap_or_default().chars().take(SHOWN).collect();
    CompileError { line: before.matches('\n').count() + 1, column, action, problem }
}
