//! The tree becomes source text of the engine: one line for each action, so that an error's line tells the action.
//!
//! Types are followed as far as they are known beforehand. What is known so is read by index, tells which fields of the
//! facts the template needs, and tells a field that no type has before any pod does.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::value::Value;

use super::literal::{self, Number};
use super::parse::{Branch, Command, MAIN, Node, Operand, Pipe, Tree, Word};
use super::print;
use super::types::{self, Kind, Type};
use super::value;
use crate::facts::demand::{Demand, Source};

/// More bodies of `define`, one for each type of argument, are not made.
const MAX_BODIES: usize = 64;

/// Bytes that most values have at most: names, and the uid of a node.
const EMITTED: usize = 40;

/// Bytes from which on an output is so long that copying it is not what costs.
const MAX_ROOM: usize = 1 << 10;

/// Nobody reads more.
const MAX_WARNINGS: usize = 20;

/// What `PodFacts` and `NodeFacts` always keep.
const FIXED: &[(Source, &[&str])] = &[
    (Source::Pod, &["metadata", "name"]),
    (Source::Pod, &["metadata", "namespace"]),
    (Source::Pod, &["metadata", "uid"]),
    (Source::Pod, &["metadata", "labels"]),
    (Source::Pod, &["spec", "nodeName"]),
    (Source::Pod, &["spec", "serviceAccountName"]),
    (Source::Node, &["metadata", "name"]),
    (Source::Node, &["metadata", "uid"]),
    (Source::Node, &["metadata", "labels"]),
    (Source::Node, &["spec", "providerID"]),
];

/// What a tree becomes.
pub(super) struct Lowered {
    pub(super) source: String,
    /// For each line of the source that begins an action, the byte of the template that the action begins at.
    pub(super) lines: Vec<(usize, usize)>,
    /// Values that the source names `k0`, `k1` and so on.
    pub(super) constants: Vec<Value>,
    pub(super) demand: Demand,
    /// Fields that no type has: places and problems.
    pub(super) warnings: Vec<(usize, String)>,
    pub(super) mentions: Mentions,
}

/// What a template names, whether or not facts always have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mentions {
    /// Variables by their first name, such as `ClusterName`.
    pub(super) variables: BTreeSet<&'static str>,
    /// Labels or annotations of pod or node.
    pub(super) labels: bool,
    /// Anything of the node.
    pub(super) node: bool,
    /// Bytes of text outside of actions that are printed whatever the pod.
    pub(super) shortest: usize,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// Computed.
    Nowhere,
    /// All variables.
    Root,
    /// A place in a pod or node. Below a list or a map it is not `open`: paths go no deeper.
    Fact { source: Source, path: Vec<String>, open: bool },
}

/// An expression of the engine.
#[derive(Debug, Clone)]
struct Expr {
    code: String,
    ty: Option<&'static Type>,
    origin: Origin,
    /// The code is a path from the root: cheap to repeat, and the same everywhere.
    path: bool,
    /// Never without a value, as a missing key of a map is.
    sure: bool,
}

impl Expr {
    fn new(code: impl Into<String>) -> Self {
        Self { code: code.into(), ty: None, origin: Origin::Nowhere, path: false, sure: false }
    }

    fn typed(code: impl Into<String>, ty: u16) -> Self {
        Self { ty: Some(types::of(ty)), ..Self::new(code) }
    }

    /// Of a type, and never without a value.
    fn sure(code: impl Into<String>, ty: u16) -> Self {
        Self { sure: true, ..Self::typed(code, ty) }
    }

    fn is(&self, ty: u16) -> bool {
        self.ty.is_some_and(|known| known.id == ty)
    }

    fn fail(problem: &str) -> Self {
        Self::new(format!("fail({})", quoted(problem)))
    }
}

#[derive(Debug, Clone)]
struct Variable {
    name: String,
    value: Expr,
    /// Assigned to somewhere: held in a cell of this name.
    cell: Option<String>,
}

/// A definition for one kind of argument.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Instance {
    name: Vec<u8>,
    ty: Option<u16>,
    origin: Origin,
    /// The code of the argument, where it is a path.
    path: Option<String>,
}

struct Lowering<'t> {
    tree: &'t Tree,
    constants: Vec<Value>,
    demand: Demand,
    mentions: Mentions,
    warnings: Vec<(usize, String)>,
    assigned: BTreeSet<&'t str>,
    instances: BTreeMap<Instance, usize>,
    waiting: Vec<(usize, Instance)>,
    names: usize,
    /// How many values are printed.
    emitted: usize,
    // The body at hand.
    out: String,
    line: usize,
    lines: Vec<(usize, usize)>,
    variables: Vec<Variable>,
    dot: Expr,
    /// Cells that have to stand before the statement at hand.
    cells: Vec<String>,
    /// The loops around, innermost last; for one that stands for a `range`'s else, the cell that tells it to go on.
    leaving: Vec<Option<String>>,
}

/// Lowers a tree.
pub(super) fn lower(tree: &Tree) -> Lowered {
    let mut assigned = BTreeSet::new();
    collect_assigned(&tree.main, &mut assigned);
    tree.defined.values().for_each(|body| collect_assigned(body, &mut assigned));
    let root = Expr {
        code: "dot".to_owned(),
        ty: Some(types::of(types::ROOT)),
        origin: Origin::Root,
        path: true,
        sure: true,
    };
    let mut lowering = Lowering {
        tree,
        constants: Vec::new(),
        demand: Demand::default(),
        mentions: Mentions::default(),
        warnings: Vec::new(),
        assigned,
        instances: BTreeMap::new(),
        waiting: Vec::new(),
        names: 0,
        emitted: 0,
        out: String::new(),
        line: 1,
        lines: Vec::new(),
        variables: Vec::new(),
        dot: root.clone(),
        cells: Vec::new(),
        leaving: Vec::new(),
    };
    let text = |node: &Node| if let Node::Text(text) = node { text.len() } else { 0 };
    lowering.mentions.shortest = tree.main.iter().map(text).sum();
    let main = lowering.body(&tree.main, root);
    let mut source = String::new();
    let mut lines = Vec::new();
    let mut line = 1;
    let mut append = |(text, of_text): (String, Vec<(usize, usize)>)| {
        lines.extend(of_text.into_iter().map(|(at, place)| (at + line - 1, place)));
        line += text.matches('\n').count();
        source.push_str(&text);
    };
    while let Some((number, instance)) = lowering.waiting.pop() {
        let list = tree.defined.get(&instance.name).unwrap_or(&tree.main);
        let dot = Expr {
            code: instance.path.clone().unwrap_or_else(|| "p".to_owned()),
            ty: instance.ty.map(types::of),
            origin: instance.origin,
            path: instance.path.is_some(),
            sure: instance.path.is_some(),
        };
        let (text, of_text) = lowering.body(list, dot);
        append((format!("{{% macro m{number}(p) %}}{text}{{% endmacro %}}"), of_text));
    }
    append(main);
    source.push_str(&room(source.len(), lowering.emitted));
    let Lowering { constants, demand, mentions, mut warnings, .. } = lowering;
    warnings.sort();
    warnings.dedup();
    Lowered { source, lines, constants, demand, warnings, mentions }
}

/// The engine makes room beforehand for twice the text that stands outside of tags, and the output is copied each time it
/// outgrows that. So there is text that is never printed, as much as what the values will probably need.
fn room(source: usize, emitted: usize) -> String {
    match emitted * EMITTED / 2 {
        0 => String::new(),
        _ if source > MAX_ROOM => String::new(),
        more => format!("{{% if false %}}{}{{% endif %}}", " ".repeat(more.min(MAX_ROOM))),
    }
}

fn collect_assigned<'t>(nodes: &'t [Node], names: &mut BTreeSet<&'t str>) {
    fn of_pipe<'t>(pipe: &'t Pipe, names: &mut BTreeSet<&'t str>) {
        if pipe.assigns {
            names.extend(pipe.variables.iter().map(String::as_str));
        }
        for word in pipe.commands.iter().flat_map(|command| &command.words) {
            of_word(word, names);
        }
    }
    fn of_word<'t>(word: &'t Operand, names: &mut BTreeSet<&'t str>) {
        match &word.what {
            Word::Pipe(pipe) => of_pipe(pipe, names),
            Word::Chain(inner, _) => of_word(inner, names),
            _ => {}
        }
    }
    for node in nodes {
        match node {
            Node::Action(pipe) | Node::Template { pipe: Some(pipe), .. } => of_pipe(pipe, names),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                of_pipe(&branch.pipe, names);
                collect_assigned(&branch.list, names);
                branch.otherwise.iter().for_each(|list| collect_assigned(list, names));
            }
            _ => {}
        }
    }
}

/// A string literal of the engine, on one line.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            _ if character.is_control() || character == '\u{2028}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

impl<'t> Lowering<'t> {
    fn body(&mut self, list: &'t [Node], dot: Expr) -> (String, Vec<(usize, usize)>) {
        let dollar = Variable { name: "$".to_owned(), value: dot.clone(), cell: None };
        let outer = (
            std::mem::take(&mut self.out),
            std::mem::replace(&mut self.line, 1),
            std::mem::take(&mut self.lines),
            std::mem::replace(&mut self.variables, vec![dollar]),
            std::mem::replace(&mut self.dot, dot),
            std::mem::take(&mut self.leaving),
        );
        if self.assigned.contains("$") {
            let dot = self.dot.clone();
            self.used(&dot);
            let cell = self.name('c');
            self.out
                .push_str(&format!("{{% set {cell} = cell() %}}{{% set _ = put({cell}, {}) %}}", dot.code));
            self.variables = vec![Variable {
                name: "$".to_owned(),
                value: Expr::new(format!("{cell}.v")),
                cell: Some(cell),
            }];
        }
        self.list(list);
        let made = (std::mem::take(&mut self.out), std::mem::take(&mut self.lines));
        (self.out, self.line, self.lines, self.variables, self.dot, self.leaving) = outer;
        made
    }

    fn name(&mut self, letter: char) -> String {
        self.names += 1;
        format!("{letter}{}", self.names)
    }

    // Writing.

    fn text(&mut self, text: &str) {
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            // A brace that could begin a tag, with what follows here or after.
            if character == '{' && matches!(characters.peek(), None | Some('{' | '%' | '#')) {
                self.out.push_str("{{ \"{\" }}");
            } else {
                self.line += usize::from(character == '\n');
                self.out.push(character);
            }
        }
    }

    /// A tag that begins a line of its own, so that the line tells what it was made from.
    fn tag(&mut self, at: usize, content: &str) {
        self.line += 1;
        self.lines.push((self.line, at));
        self.out.push_str("{%\n");
        self.out.push_str(content);
        self.out.push_str(" %}");
    }

    fn emit(&mut self, at: usize, code: &str) {
        self.line += 1;
        self.emitted += 1;
        self.lines.push((self.line, at));
        self.out.push_str("{{\n");
        self.out.push_str(code);
        self.out.push_str(" }}");
    }

    fn set(&mut self, at: usize, name: &str, code: &str) {
        self.tag(at, &format!("set {name} = {code}"));
    }

    fn flush_cells(&mut self, at: usize) {
        for cell in std::mem::take(&mut self.cells) {
            self.set(at, &cell, "cell()");
        }
    }

    // Statements.

    fn list(&mut self, nodes: &'t [Node]) {
        for node in nodes {
            match node {
                Node::Text(text) => self.text(text),
                Node::Action(pipe) => self.action(pipe),
                Node::If(branch) => self.branch(branch, false),
                Node::With(branch) => self.branch(branch, true),
                Node::Range(branch) => self.range(branch),
                Node::Template { at, name, pipe } => self.template(*at, name, pipe.as_ref()),
                Node::Break { at } => self.tag(*at, "break"),
                Node::Continue { at } => match self.leaving.clone().last() {
                    Some(Some(cell)) => {
                        self.set(*at, "_", &format!("put({cell}, true)"));
                        self.tag(*at, "break");
                    }
                    _ => self.tag(*at, "continue"),
                },
            }
        }
    }

    fn action(&mut self, pipe: &'t Pipe) {
        if pipe.variables.is_empty() {
            if self.spelled(pipe) {
                return;
            }
            let value = self.pipe(pipe);
            self.used(&value);
            self.flush_cells(pipe.at);
            self.emit(pipe.at, &value.code);
        } else {
            self.declared(pipe);
        }
    }

    /// A `printf` of nothing but whole strings and integers is text and actions side by side; whether this one was.
    fn spelled(&mut self, pipe: &'t Pipe) -> bool {
        let [Command { words, .. }] = pipe.commands.as_slice() else { return false };
        let [
            Operand { what: Word::Function(name), .. },
            Operand { what: Word::Text(format, _), .. },
            arguments @ ..,
        ] = words.as_slice()
        else {
            return false;
        };
        let simple = |word: &Operand| {
            matches!(word.what, Word::Field(_) | Word::Variable(..) | Word::Dot | Word::Text(..))
        };
        let Some(pieces) = std::str::from_utf8(format).ok().and_then(verbs) else { return false };
        if name != "printf" || pieces.len() != arguments.len() + 1 || !arguments.iter().all(simple) {
            return false;
        }
        let values: Vec<Expr> = arguments.iter().map(|word| self.operand(word)).collect();
        let fits = pieces.iter().zip(&values).all(|((_, verb), value)| {
            value.sure
                && match verb {
                    's' => value.is(types::STRING),
                    'd' => value.is(types::INT),
                    _ => value.is(types::STRING) || value.is(types::INT),
                }
        });
        if !fits {
            return false;
        }
        for (index, (before, _)) in pieces.iter().enumerate() {
            self.text(before);
            if let Some(value) = values.get(index) {
                self.used(value);
                self.emit(pipe.at, &value.code);
            }
        }
        true
    }

    /// A pipeline whose value goes into its variables, as a statement; what the value can be read by afterwards.
    fn declared(&mut self, pipe: &'t Pipe) -> Expr {
        let mut value = self.commands(pipe);
        self.flush_cells(pipe.at);
        let simple =
            !pipe.assigns && pipe.variables.iter().all(|name| !self.assigned.contains(name.as_str()));
        let name = self.name('v');
        // What is kept by a name must be there; what is read of it is asked for where it is read.
        if simple {
            self.truth(&value)
        } else {
            self.used(&value)
        }
        self.set(pipe.at, &name, &value.code);
        if !value.path {
            value.code = name;
        }
        if simple {
            for variable in &pipe.variables {
                self.variables.push(Variable { name: variable.clone(), value: value.clone(), cell: None });
            }
        } else {
            let bound = self.bound(pipe, &value.code);
            self.flush_cells(pipe.at);
            self.set(pipe.at, "_", &bound);
        }
        value
    }

    /// The code that puts a value into all variables of a pipeline and gives it back.
    fn bound(&mut self, pipe: &'t Pipe, code: &str) -> String {
        let mut code = code.to_owned();
        for name in &pipe.variables {
            let cell = match pipe.assigns {
                false => {
                    let cell = self.name('c');
                    self.cells.push(cell.clone());
                    let value = Expr::new(format!("{cell}.v"));
                    self.variables.push(Variable { name: name.clone(), value, cell: Some(cell.clone()) });
                    Some(cell)
                }
                true => self
                    .variables
                    .iter()
                    .rev()
                    .find(|known| known.name == *name)
                    .and_then(|it| it.cell.clone()),
            };
            code = match cell {
                Some(cell) => format!("put({cell}, {code})"),
                None => Expr::fail(&format!("undefined variable: {name}")).code,
            };
        }
        code
    }

    /// The condition of `if` and `with`, as a statement before where it has to be kept.
    fn condition(&mut self, pipe: &'t Pipe, kept: bool) -> Expr {
        if !pipe.variables.is_empty() {
            return self.declared(pipe);
        }
        let mut value = self.pipe(pipe);
        self.flush_cells(pipe.at);
        if kept && !value.path {
            let name = self.name('d');
            self.set(pipe.at, &name, &value.code);
            value.code = name;
        }
        value
    }

    fn branch(&mut self, branch: &'t Branch, with: bool) {
        let known = self.variables.len();
        let value = self.condition(&branch.pipe, with);
        self.truth(&value);
        self.tag(branch.pipe.at, &format!("if {}", value.code));
        let outer = self.dot.clone();
        if with {
            self.dot = value;
        }
        self.list(&branch.list);
        self.dot = outer;
        if let Some(otherwise) = &branch.otherwise {
            self.out.push_str("{% else %}");
            self.list(otherwise);
        }
        self.out.push_str("{% endif %}");
        self.variables.truncate(known);
    }

    fn range(&mut self, branch: &'t Branch) {
        let known = self.variables.len();
        let pipe = &branch.pipe;
        let at = pipe.at;
        let source = if pipe.variables.is_empty() { self.pipe(pipe) } else { self.declared(pipe) };
        self.used(&source);
        self.flush_cells(at);
        let (key_type, item_type) = match source.ty.map(Type::pointee) {
            Some(ty) if ty.kind == Kind::Slice => (Some(types::of(types::INT)), Some(ty.elem())),
            Some(ty) if ty.kind == Kind::Map => (Some(types::of(ty.key)), Some(ty.elem())),
            Some(ty) if matches!(ty.kind, Kind::Int | Kind::Uint) => (None, Some(ty)),
            _ => (None, None),
        };
        let origin = match source.origin.clone() {
            Origin::Fact { source, path, .. } => Origin::Fact { source, path, open: false },
            _ => Origin::Nowhere,
        };
        let element = self.name('e');
        let (over, key, item) = match pipe.variables.len() {
            0 | 1 => ("iter", String::new(), element.clone()),
            _ => ("pairs", format!("{element}.k"), format!("{element}.v")),
        };
        let item_value = Expr { code: item, ty: item_type, origin, path: false, sure: true };
        let key_value = Expr { ty: key_type, sure: true, ..Expr::new(key) };
        // A `break` in the first round is for the engine as if there had been none: its else would run.
        let entered = branch.otherwise.as_ref().filter(|_| breaks(&branch.list)).map(|_| self.flag(at));
        self.tag(at, &format!("for {element} in {over}({})", source.code));
        if let Some(entered) = &entered {
            self.set(at, "_", &format!("put({entered}, true)"));
        }
        let in_body = self.variables.len();
        let values = if pipe.variables.len() > 1 {
            vec![key_value, item_value.clone()]
        } else {
            vec![item_value.clone()]
        };
        for (name, value) in pipe.variables.iter().zip(values) {
            self.loop_variable(pipe, name, value);
        }
        let outer = std::mem::replace(&mut self.dot, item_value);
        self.leaving.push(None);
        self.list(&branch.list);
        self.leaving.pop();
        self.dot = outer;
        // Where nothing was gone over, the variables still hold what was to be.
        self.variables.truncate(in_body);
        match (&branch.otherwise, entered) {
            (Some(otherwise), Some(entered)) => {
                self.out.push_str("{% endfor %}");
                self.tag(at, &format!("if not {entered}.v"));
                self.range_otherwise(at, otherwise);
                self.out.push_str("{% endif %}");
            }
            (Some(otherwise), None) => {
                self.out.push_str("{% else %}");
                self.range_otherwise(at, otherwise);
                self.out.push_str("{% endfor %}");
            }
            (None, _) => self.out.push_str("{% endfor %}"),
        }
        self.variables.truncate(known);
    }

    /// A cell that says no.
    fn flag(&mut self, at: usize) -> String {
        let cell = self.name('c');
        self.set(at, &cell, "cell()");
        self.set(at, "_", &format!("put({cell}, false)"));
        cell
    }

    /// What a `range` over nothing does. A `break` in it ends no more than it, so it becomes a loop of one round then; a
    /// `continue` in it goes on with the loop around.
    fn range_otherwise(&mut self, at: usize, otherwise: &'t [Node]) {
        if !breaks(otherwise) {
            return self.list(otherwise);
        }
        let cell = self.flag(at);
        let round = self.name('e');
        self.tag(at, &format!("for {round} in iter(1)"));
        self.leaving.push(Some(cell.clone()));
        self.list(otherwise);
        self.leaving.pop();
        self.out.push_str("{% endfor %}");
        let nested = matches!(self.leaving.last(), Some(None));
        if nested {
            self.tag(at, &format!("if {cell}.v"));
            self.out.push_str("{% continue %}{% endif %}");
        }
    }

    fn loop_variable(&mut self, pipe: &'t Pipe, name: &'t str, value: Expr) {
        if pipe.assigns {
            let cell = self.variables.iter().rev().find(|it| it.name == name).and_then(|it| it.cell.clone());
            if let Some(cell) = cell {
                self.set(pipe.at, "_", &format!("put({cell}, {})", value.code));
            }
        } else if self.assigned.contains(name) {
            let cell = self.name('c');
            self.set(pipe.at, &cell, "cell()");
            self.set(pipe.at, "_", &format!("put({cell}, {})", value.code));
            let value = Expr::new(format!("{cell}.v"));
            self.variables.push(Variable { name: name.to_owned(), value, cell: Some(cell) });
        } else {
            self.variables.push(Variable { name: name.to_owned(), value, cell: None });
        }
    }

    fn template(&mut self, at: usize, name: &'t [u8], pipe: Option<&'t Pipe>) {
        let known = self.tree.defined.contains_key(name) || name == MAIN.as_bytes();
        if !known {
            let shown = literal::quote(name, '"', false);
            self.emit(at, &Expr::fail(&format!("template {shown} not defined")).code);
            return;
        }
        let argument = match pipe {
            None => Expr::new("none"),
            Some(pipe) => self.pipe(pipe),
        };
        self.flush_cells(at);
        self.truth(&argument);
        let mut instance = Instance {
            name: name.to_vec(),
            ty: argument.ty.map(|ty| ty.id),
            origin: argument.origin.clone(),
            path: argument.path.then(|| argument.code.clone()),
        };
        if !self.instances.contains_key(&instance) && self.instances.len() >= MAX_BODIES {
            self.used(&argument);
            instance = Instance { name: name.to_vec(), ty: None, origin: Origin::Nowhere, path: None };
        }
        let number = match self.instances.get(&instance) {
            Some(number) => *number,
            None => {
                let number = self.instances.len();
                self.instances.insert(instance.clone(), number);
                self.waiting.push((number, instance));
                number
            }
        };
        self.emit(at, &format!("m{number}({})", argument.code));
    }

    // Expressions.

    fn pipe(&mut self, pipe: &'t Pipe) -> Expr {
        let value = self.commands(pipe);
        if pipe.variables.is_empty() {
            return value;
        }
        self.used(&value);
        Expr::new(self.bound(pipe, &value.code))
    }

    fn commands(&mut self, pipe: &'t Pipe) -> Expr {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, last));
        }
        last.unwrap_or_else(|| Expr::new("none"))
    }

    fn command(&mut self, command: &'t Command, last: Option<Expr>) -> Expr {
        let Some((first, arguments)) = command.words.split_first() else { return Expr::new("none") };
        let given = !arguments.is_empty() || last.is_some();
        let not_a_function = |word: &Operand| {
            Expr::fail(&format!("can't give argument to non-function {}", print::operand(word)))
        };
        match &first.what {
            Word::Function(name) => self.call(name, arguments, last),
            Word::Field(names) if given => {
                let dot = self.dot.clone();
                self.method(dot, names, first.at, arguments, last)
            }
            Word::Variable(name, names) if given && !names.is_empty() => {
                let variable = self.variable(name);
                self.method(variable, names, first.at, arguments, last)
            }
            Word::Chain(inner, names) if given => {
                let inner = self.chained(inner);
                self.method(inner, names, first.at, arguments, last)
            }
            _ if given => not_a_function(first),
            Word::Nil => Expr::fail("nil is not a command"),
            _ => self.operand(first),
        }
    }

    fn operand(&mut self, word: &'t Operand) -> Expr {
        match &word.what {
            Word::Dot => self.dot.clone(),
            Word::Nil => Expr::new("none"),
            Word::Bool(it) => Expr::typed(it.to_string(), types::BOOL),
            Word::Number(number) => self.number(number),
            Word::Text(bytes, _) => match std::str::from_utf8(bytes) {
                Ok(text) => Expr::sure(quoted(text), types::STRING),
                Err(_) => self.constant(value::text(types::of(types::STRING), bytes), types::STRING),
            },
            Word::Field(names) => {
                let dot = self.dot.clone();
                self.fields(dot, names, word.at)
            }
            Word::Variable(name, names) => {
                let variable = self.variable(name);
                self.fields(variable, names, word.at)
            }
            Word::Function(name) => self.call(name, &[], None),
            Word::Pipe(pipe) => self.pipe(pipe),
            Word::Chain(inner, names) => {
                let inner = self.chained(inner);
                self.fields(inner, names, word.at)
            }
        }
    }

    fn chained(&mut self, inner: &'t Operand) -> Expr {
        match inner.what {
            Word::Nil => Expr::fail("indirection through explicit nil"),
            _ => self.operand(inner),
        }
    }

    fn variable(&mut self, name: &str) -> Expr {
        match self.variables.iter().rev().find(|known| known.name == name) {
            Some(variable) => variable.value.clone(),
            None => Expr::fail(&format!("undefined variable: {name}")),
        }
    }

    fn constant(&mut self, value: Value, ty: u16) -> Expr {
        self.constants.push(value);
        Expr::typed(format!("k{}", self.constants.len() - 1), ty)
    }

    fn number(&mut self, number: &Number) -> Expr {
        let text = number.text.as_str();
        let hex = text.len() > 2
            && (text.starts_with("0x") || text.starts_with("0X"))
            && !text.contains(['p', 'P']);
        let float_like = !hex && !text.starts_with('\'') && text.contains(['.', 'e', 'E', 'p', 'P']);
        match (number.complex, number.float, number.int) {
            (Some((real, imaginary)), _, _) => {
                let data = value::Data::Complex(real, imaginary);
                self.constant(value::node(types::of(types::COMPLEX128), data), types::COMPLEX128)
            }
            (None, Some(float), _) if float_like => self.constant(Value::from(float), types::FLOAT64),
            (None, _, Some(int)) if int >= 0 => Expr::sure(int.to_string(), types::INT),
            (None, _, Some(int)) => self.constant(Value::from(int), types::INT),
            _ => Expr::fail(&format!("{text} overflows int")),
        }
    }

    /// Fields one after the other.
    fn fields(&mut self, mut receiver: Expr, names: &[String], at: usize) -> Expr {
        for name in names {
            receiver = self.field(receiver, name, at);
        }
        receiver
    }

    fn method(
        &mut self,
        receiver: Expr,
        names: &[String],
        at: usize,
        words: &'t [Operand],
        last: Option<Expr>,
    ) -> Expr {
        let Some((name, before)) = names.split_last() else { return receiver };
        let receiver = self.fields(receiver, before, at);
        self.used(&receiver);
        let mut code = format!("at({}, {}", receiver.code, quoted(name));
        for word in words {
            let argument = self.operand(word);
            self.used(&argument);
            code.push_str(&format!(", {}", argument.code));
        }
        if let Some(last) = last {
            self.used(&last);
            code.push_str(&format!(", {}", last.code));
        }
        code.push(')');
        Expr::new(code)
    }

    fn field(&mut self, receiver: Expr, name: &str, at: usize) -> Expr {
        let unknown = |receiver: &Expr| Expr::new(format!("at({}, {})", receiver.code, quoted(name)));
        let Some(ty) = receiver.ty else {
            self.used(&receiver);
            return unknown(&receiver);
        };
        let holder = ty.pointee();
        if holder.has_method(name) {
            return self.getter(receiver, holder, name);
        }
        match holder.kind {
            Kind::Struct => match holder.path(name) {
                Some(path) => path.into_iter().fold(receiver, |receiver, index| self.step(receiver, index)),
                None => {
                    self.warn(at, name, holder);
                    unknown(&receiver)
                }
            },
            Kind::Map if holder.key == types::STRING => {
                self.used(&receiver);
                let code = match is_attribute(name) {
                    true => format!("{}.{name}", receiver.code),
                    false => unknown(&receiver).code,
                };
                Expr { ty: Some(holder.elem()), origin: below(&receiver.origin), ..Expr::new(code) }
            }
            _ => {
                self.used(&receiver);
                self.warn(at, name, holder);
                unknown(&receiver)
            }
        }
    }

    /// A method without arguments; one that only hands out a field is as narrow as the field.
    fn getter(&mut self, receiver: Expr, holder: &'static Type, name: &str) -> Expr {
        let code = format!("at({}, {})", receiver.code, quoted(name));
        let field = name.strip_prefix("Get").and_then(|field| holder.path(field));
        match field.as_deref() {
            Some([index]) => Expr { code, path: false, sure: false, ..self.step(receiver, *index) },
            _ => {
                self.used(&receiver);
                Expr::new(code)
            }
        }
    }

    /// A field of a struct whose type is known, by its index.
    fn step(&mut self, receiver: Expr, index: usize) -> Expr {
        let holder = receiver.ty.map(Type::pointee);
        let Some(field) = holder.and_then(|holder| holder.fields.get(index)) else { return receiver };
        if receiver.origin == Origin::Root {
            self.mentions.variables.insert(field.name);
        }
        let code = match (receiver.path, receiver.origin == Origin::Root) {
            (true, true) => format!("f{index}"),
            (true, false) => format!("{}_{index}", receiver.code),
            (false, _) => format!("{}[{index}]", receiver.code),
        };
        let fact = |source, part: &str| Origin::Fact { source, path: vec![part.to_owned()], open: true };
        if receiver.origin == Origin::Root {
            self.mentions.node |= matches!(field.name, "NodeMeta" | "NodeSpec" | "InstanceID");
        }
        let origin = match &receiver.origin {
            Origin::Root => match field.name {
                "PodMeta" => fact(Source::Pod, "metadata"),
                "PodSpec" => fact(Source::Pod, "spec"),
                "NodeMeta" => fact(Source::Node, "metadata"),
                "NodeSpec" => fact(Source::Node, "spec"),
                _ => Origin::Nowhere,
            },
            Origin::Fact { source, path, open: true } => {
                let mut path = path.clone();
                if !field.json.is_empty() {
                    path.push(field.json.to_owned());
                }
                Origin::Fact { source: *source, path, open: true }
            }
            closed => closed.clone(),
        };
        Expr { code, ty: Some(types::of(field.ty)), origin, path: receiver.path, sure: receiver.sure }
    }

    fn warn(&mut self, at: usize, name: &str, holder: &'static Type) {
        if self.warnings.len() >= MAX_WARNINGS {
            return;
        }
        let near = crate::near::near(name, holder.members().into_iter());
        let hint = near.map(|it| format!("; did you mean .{it}?")).unwrap_or_default();
        let of =
            if holder.id == types::DATA { "the variables" } else { holder.name.trim_start_matches("v1.") };
        self.warnings.push((at, format!("no field .{name} in {of}{hint}")));
    }

    // Functions.

    fn call(&mut self, name: &str, words: &'t [Operand], last: Option<Expr>) -> Expr {
        let given = words.len() + usize::from(last.is_some());
        let (least, most) = match name {
            "not" | "len" => (1, Some(1)),
            "ne" | "lt" | "le" | "gt" | "ge" => (2, Some(2)),
            "print" | "println" | "html" | "js" | "urlquery" => (0, None),
            _ => (1, None),
        };
        if given < least || most.is_some_and(|most| given > most) {
            let least = if most.is_none() { format!("at least {least}") } else { least.to_string() };
            return Expr::fail(&format!("wrong number of args for {name}: want {least} got {given}"));
        }
        let arguments: Vec<Expr> = words.iter().map(|word| self.operand(word)).collect();
        for argument in arguments.iter().chain(&last) {
            match name {
                "not" | "and" | "or" => self.truth(argument),
                _ => self.used(argument),
            }
        }
        if matches!(name, "and" | "or") {
            return self.junction(name, arguments, last);
        }
        let mut arguments = arguments;
        arguments.extend(last);
        self.function(name, arguments)
    }

    /// `and` and `or`, which leave out what they do not need; what comes through the pipe was computed before.
    fn junction(&mut self, name: &str, arguments: Vec<Expr>, last: Option<Expr>) -> Expr {
        let mut all = arguments.iter().chain(&last);
        let first = all.next().and_then(|it| it.ty);
        let ty = first.filter(|ty| all.all(|it| it.ty.is_some_and(|other| other.id == ty.id)));
        for argument in arguments.iter().chain(&last) {
            self.used(argument);
        }
        let codes: Vec<&str> = arguments.iter().map(|it| it.code.as_str()).collect();
        let joined = format!("({})", codes.join(&format!(" {name} ")));
        let code = match last {
            None => joined,
            Some(last) if codes.is_empty() => last.code,
            Some(last) => format!("last_{name}({}, {joined})", last.code),
        };
        Expr { ty, ..Expr::new(code) }
    }

    fn function(&mut self, name: &str, arguments: Vec<Expr>) -> Expr {
        let codes: Vec<&str> = arguments.iter().map(|it| it.code.as_str()).collect();
        let plain = |name: &str| format!("{name}({})", codes.join(", "));
        match (name, arguments.as_slice()) {
            ("not", [one]) => Expr::typed(format!("(not {})", one.code), types::BOOL),
            // Two plain strings or two plain integers compare as the engine's own do.
            ("eq" | "ne", [a, b])
                if a.is(types::STRING) && b.is(types::STRING) || a.is(types::INT) && b.is(types::INT) =>
            {
                let operator = if name == "eq" { "==" } else { "!=" };
                Expr::typed(format!("({} {operator} {})", a.code, b.code), types::BOOL)
            }
            ("eq" | "ne" | "lt" | "le" | "gt" | "ge", _) => Expr::typed(plain(name), types::BOOL),
            ("len", _) => Expr::typed(plain(name), types::INT),
            // A map that is surely one, by a string: the engine's own subscript, which gives the zero value as Go's does.
            ("index", [map, key]) if map.path && map.is(types::STRING_MAP) && key.code.starts_with('"') => {
                let code = format!("{}[{}]", map.code, key.code);
                Expr { origin: below(&map.origin), ..Expr::sure(code, types::STRING) }
            }
            ("index", [item, _]) => {
                let ty = item.ty.map(Type::pointee);
                let element = ty.filter(|ty| matches!(ty.kind, Kind::Slice | Kind::Map)).map(Type::elem);
                Expr { ty: element, origin: below(&item.origin), ..Expr::new(plain(name)) }
            }
            ("index", [item]) => Expr { ty: item.ty, origin: below(&item.origin), ..Expr::new(plain(name)) },
            ("slice", [item, ..]) if item.ty.is_some_and(|ty| ty.kind != Kind::Pointer) => {
                Expr { ty: item.ty, origin: below(&item.origin), ..Expr::new(plain(name)) }
            }
            ("print" | "println" | "html" | "js" | "urlquery", _) => Expr::typed(plain(name), types::STRING),
            ("printf", [format, rest @ ..]) => {
                let mut code = match format.is(types::STRING) {
                    true => format!("printf({}", format.code),
                    false => format!("printf(checked({}, \"string\")", format.code),
                };
                rest.iter().for_each(|it| code.push_str(&format!(", {}", it.code)));
                Expr::typed(code + ")", types::STRING)
            }
            _ => Expr::new(plain(name)),
        }
    }

    // Demand.

    /// The value itself is needed, not only a field of it.
    fn used(&mut self, value: &Expr) {
        match &value.origin {
            Origin::Nowhere => {}
            Origin::Root => {
                self.mentions.variables.extend(types::of(types::DATA).fields.iter().map(|field| field.name));
                self.mentions.labels = true;
                self.mentions.node = true;
                for source in [Source::Pod, Source::Node] {
                    for part in ["metadata", "spec"] {
                        self.demand.add(source, vec![part.to_owned()]);
                    }
                }
            }
            Origin::Fact { source, path, .. } => {
                let mut path_of = path.iter().map(String::as_str);
                self.mentions.labels |= path_of.next() == Some("metadata")
                    && matches!(path_of.next(), None | Some("labels" | "annotations"));
                let fixed = FIXED.iter().any(|(of, fixed)| {
                    of == source && path.len() >= fixed.len() && path.iter().zip(*fixed).all(|(a, b)| a == b)
                });
                if !fixed {
                    self.demand.add(*source, path.clone());
                }
            }
        }
    }

    /// Only whether it is there is asked for; metadata and spec always are.
    fn truth(&mut self, value: &Expr) {
        match &value.origin {
            Origin::Root => {}
            Origin::Fact { path, .. } if path.len() == 1 => {}
            _ => self.used(value),
        }
    }
}

/// A format's text before each of its verbs, and after the last; none where there is more to it than `%s`, `%d` and `%v`.
fn verbs(format: &str) -> Option<Vec<(String, char)>> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        match characters.next()? {
            '%' => text.push('%'),
            verb @ ('s' | 'd' | 'v') => pieces.push((std::mem::take(&mut text), verb)),
            _ => return None,
        }
    }
    pieces.push((text, ' '));
    Some(pieces)
}

/// Whether a list has a `break` of its own.
fn breaks(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| match node {
        Node::Break { .. } => true,
        Node::If(branch) | Node::With(branch) => {
            breaks(&branch.list) || branch.otherwise.as_ref().is_some_and(|list| breaks(list))
        }
        _ => false,
    })
}

/// Inside of a list or a map: the whole of it was asked for.
fn below(origin: &Origin) -> Origin {
    match origin {
        Origin::Fact { source, path, .. } => {
            Origin::Fact { source: *source, path: path.clone(), open: false }
        }
        _ => Origin::Nowhere,
    }
}

/// Whether the engine reads the name after a dot.
fn is_attribute(name: &str) -> bool {
    const RESERVED: [&str; 12] =
        ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False"];
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_')
        && !RESERVED.contains(&name)
        && name != "None"
}
