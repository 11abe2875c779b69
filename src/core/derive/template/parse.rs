//! Tokens become a tree, by Go's grammar and with Go's reasons to refuse.

use std::collections::BTreeMap;

use super::lex::{Keyword, Kind, Lexer, Token};
use super::literal::{self, Number};

/// Deeper than this nothing nests: parser, lowering and engine recurse, and a stack ends.
const MAX_NESTING: usize = 60;

/// The name of the text itself among the definitions.
pub(super) const MAIN: &str = "t";

/// The names that a template can call.
pub(super) const FUNCTIONS: &[&str] = &[
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print",
    "printf", "println", "slice", "urlquery",
];

/// All of a text: the main list of nodes, and what `define` and `block` name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    pub(super) main: Vec<Node>,
    pub(super) defined: BTreeMap<Vec<u8>, Vec<Node>>,
}

/// Text or an action; `at` is the byte that it begins at.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Text(String),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template { at: usize, name: Vec<u8>, pipe: Option<Pipe> },
    Break { at: usize },
    Continue { at: usize },
}

/// What `if`, `with` and `range` have in common.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Branch {
    pub(super) at: usize,
    pub(super) pipe: Pipe,
    pub(super) list: Vec<Node>,
    pub(super) otherwise: Option<Vec<Node>>,
}

/// Commands, each handed to the next, and the variables that take the outcome.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pipe {
    pub(super) at: usize,
    pub(super) assigns: bool,
    pub(super) variables: Vec<String>,
    pub(super) commands: Vec<Command>,
}

/// A word and its arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Command {
    pub(super) at: usize,
    pub(super) words: Vec<Operand>,
}

/// One word of a command.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operand {
    pub(super) at: usize,
    pub(super) what: Word,
}

/// What a word is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    Dot,
    Nil,
    Bool(bool),
    Number(Number),
    /// The bytes, and the literal as it was written.
    Text(Vec<u8>, String),
    /// `.A.B`
    Field(Vec<String>),
    /// `$x.A.B`: the name with its dollar, and fields.
    Variable(String, Vec<String>),
    Function(String),
    Pipe(Box<Pipe>),
    /// `(…).A.B`, or a function's name with fields.
    Chain(Box<Operand>, Vec<String>),
}

/// What is wrong and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) at: usize,
    pub(super) problem: String,
}

type Parsed<T> = Result<T, Refusal>;

/// Parses a text.
pub(super) fn parse(text: &str) -> Parsed<Tree> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        ahead: Vec::new(),
        scope: Scope::new(),
        nesting: 0,
        defined: BTreeMap::new(),
        last: 0,
    };
    let mut main = parser.top()?;
    // The main text is itself a definition: an empty one gives way to one of its name.
    if let Some(named) = parser.defined.remove(MAIN.as_bytes()) {
        match (is_empty(&named), is_empty(&main)) {
            (true, _) => {}
            (false, true) => main = named,
            (false, false) => {
                return parser.refuse(format!("template: multiple definition of template {MAIN:?}"));
            }
        }
    }
    Ok(Tree { main, defined: parser.defined })
}

/// What a definition begins anew with: which variables are known, and how many loops are around.
struct Scope {
    variables: Vec<String>,
    loops: usize,
}

impl Scope {
    fn new() -> Self {
        Self { variables: vec!["$".to_owned()], loops: 0 }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// Tokens that were given back; the next one is last.
    ahead: Vec<Token>,
    scope: Scope,
    nesting: usize,
    defined: BTreeMap<Vec<u8>, Vec<Node>>,
    last: usize,
}

/// What ends a list.
enum End {
    End,
    /// The keyword that follows on the same line of the action, if any.
    Else,
}

enum Item {
    Node(Node),
    End(End),
}

impl Parser<'_> {
    fn next(&mut self) -> Token {
        let token = self.ahead.pop().unwrap_or_else(|| self.lexer.next());
        self.last = token.at;
        token
    }

    fn back(&mut self, token: Token) {
        self.ahead.push(token);
    }

    fn peek(&mut self) -> Kind {
        let token = self.next();
        let kind = token.kind;
        self.back(token);
        kind
    }

    fn next_non_space(&mut self) -> Token {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Kind {
        let token = self.next_non_space();
        let kind = token.kind;
        self.back(token);
        kind
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token> {
        let token = self.next_non_space();
        if token.kind == kind { Ok(token) } else { Err(unexpected(&token, context)) }
    }

    fn refuse<T>(&self, problem: impl Into<String>) -> Parsed<T> {
        Err(Refusal { at: self.last, problem: problem.into() })
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return self.refuse(format!("nested deeper than {MAX_NESTING}, the most that is taken"));
        }
        Ok(())
    }

    fn top(&mut self) -> Parsed<Vec<Node>> {
        let mut nodes = Vec::new();
        loop {
            match self.peek() {
                Kind::End => return Ok(nodes),
                Kind::LeftDelim => {
                    let delimiter = self.next();
                    let token = self.next_non_space();
                    if token.kind == Kind::Keyword(Keyword::Define) {
                        self.definition()?;
                        continue;
                    }
                    self.back(token);
                    self.back(delimiter);
                }
                _ => {}
            }
            match self.item()? {
                Item::Node(node) => nodes.push(node),
                Item::End(End::End) => return self.refuse("unexpected {{end}}"),
                Item::End(End::Else) => return self.refuse("unexpected {{else}}"),
            }
        }
    }

    fn definition(&mut self) -> Parsed<()> {
        const CONTEXT: &str = "define clause";
        let token = self.next_non_space();
        let name = self.name(&token, CONTEXT)?;
        self.expect(Kind::RightDelim, CONTEXT)?;
        self.body(name, CONTEXT)
    }

    /// A body up to its `end`, with variables and loops of its own.
    fn body(&mut self, name: Vec<u8>, context: &str) -> Parsed<()> {
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let (list, end) = self.list()?;
        if let End::Else = end {
            return self.refuse(format!("unexpected {{{{else}}}} in {context}"));
        }
        self.scope = outer;
        match self.defined.get(&name) {
            Some(known) if !is_empty(known) => {
                if !is_empty(&list) {
                    let name = literal::quote(&name, '"', false);
                    return self.refuse(format!("template: multiple definition of template {name}"));
                }
            }
            _ => {
                self.defined.insert(name, list);
            }
        }
        Ok(())
    }

    fn name(&mut self, token: &Token, context: &str) -> Parsed<Vec<u8>> {
        match token.kind {
            Kind::String | Kind::RawString => match literal::unquote(&token.text) {
                Some(name) => Ok(name),
                None => self.refuse("invalid syntax"),
            },
            _ => Err(unexpected(token, context)),
        }
    }

    fn list(&mut self) -> Parsed<(Vec<Node>, End)> {
        let mut nodes = Vec::new();
        while self.peek_non_space() != Kind::End {
            match self.item()? {
                Item::Node(node) => nodes.push(node),
                Item::End(end) => return Ok((nodes, end)),
            }
        }
        self.refuse("unexpected EOF")
    }

    fn item(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(token.text))),
            Kind::LeftDelim => self.action(),
            _ => Err(unexpected(&token, "input")),
        }
    }

    fn action(&mut self) -> Parsed<Item> {
        let token = self.next_non_space();
        let at = token.at;
        let node = match token.kind {
            Kind::Keyword(Keyword::Block) => self.block(at)?,
            Kind::Keyword(Keyword::Template) => self.template(at)?,
            Kind::Keyword(Keyword::If) => Node::If(self.branch(at, "if")?),
            Kind::Keyword(Keyword::With) => Node::With(self.branch(at, "with")?),
            Kind::Keyword(Keyword::Range) => Node::Range(self.branch(at, "range")?),
            Kind::Keyword(Keyword::Break) => self.jump(Node::Break { at }, "{{break}}")?,
            Kind::Keyword(Keyword::Continue) => self.jump(Node::Continue { at }, "{{continue}}")?,
            Kind::Keyword(Keyword::End) => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Item::End(End::End));
            }
            Kind::Keyword(Keyword::Else) => {
                // `else if` and `else with` leave their word to whoever asked.
                let follows = self.peek_non_space();
                if !matches!(follows, Kind::Keyword(Keyword::If | Keyword::With)) {
                    self.expect(Kind::RightDelim, "else")?;
                }
                return Ok(Item::End(End::Else));
            }
            _ => {
                self.back(token);
                Node::Action(self.pipe("command", Kind::RightDelim)?)
            }
        };
        Ok(Item::Node(node))
    }

    fn jump(&mut self, node: Node, name: &str) -> Parsed<Node> {
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return Err(unexpected(&token, name));
        }
        if self.scope.loops == 0 {
            return self.refuse(format!("{name} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    fn block(&mut self, at: usize) -> Parsed<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.name(&token, CONTEXT)?;
        let pipe = self.pipe(CONTEXT, Kind::RightDelim)?;
        self.deeper()?;
        self.body(name.clone(), CONTEXT)?;
        self.nesting -= 1;
        Ok(Node::Template { at, name, pipe: Some(pipe) })
    }

    fn template(&mut self, at: usize) -> Parsed<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.name(&token, CONTEXT)?;
        let token = self.next_non_space();
        let pipe = match token.kind {
            Kind::RightDelim => None,
            _ => {
                self.back(token);
                Some(self.pipe(CONTEXT, Kind::RightDelim)?)
            }
        };
        Ok(Node::Template { at, name, pipe })
    }

    fn branch(&mut self, at: usize, context: &str) -> Parsed<Branch> {
        self.deeper()?;
        let known = self.scope.variables.len();
        let pipe = self.pipe(context, Kind::RightDelim)?;
        let loops = usize::from(context == "range");
        self.scope.loops += loops;
        let (list, end) = self.list()?;
        self.scope.loops -= loops;
        let otherwise = match end {
            End::End => None,
            End::Else => Some(self.otherwise(context)?),
        };
        self.scope.variables.truncate(known);
        self.nesting -= 1;
        Ok(Branch { at, pipe, list, otherwise })
    }

    fn otherwise(&mut self, context: &str) -> Parsed<Vec<Node>> {
        let joined = match (context, self.peek()) {
            ("if", Kind::Keyword(Keyword::If)) | ("with", Kind::Keyword(Keyword::With)) => {
                let at = self.next().at;
                let branch = self.branch(at, context)?;
                Some(if context == "if" { Node::If(branch) } else { Node::With(branch) })
            }
            _ => None,
        };
        if let Some(node) = joined {
            return Ok(vec![node]);
        }
        match self.list()? {
            (list, End::End) => Ok(list),
            (_, End::Else) => self.refuse("expected end; found {{else}}"),
        }
    }

    fn pipe(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        self.peek_non_space();
        let at = self.last;
        let mut pipe = Pipe { at, assigns: false, variables: Vec::new(), commands: Vec::new() };
        while self.peek_non_space() == Kind::Variable {
            if !self.declaration(&mut pipe, context)? {
                break;
            }
        }
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.back(token);
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return Err(unexpected(&token, context)),
            }
        }
        if pipe.commands.is_empty() {
            return self.refuse(format!("missing value for {context}"));
        }
        for (index, command) in pipe.commands.iter().enumerate().skip(1) {
            let first = command.words.first().map(|word| &word.what);
            if let Some(Word::Bool(_) | Word::Dot | Word::Nil | Word::Number(_) | Word::Text(..)) = first {
                return self.refuse(format!("non executable command in pipeline stage {}", index + 1));
            }
        }
        Ok(pipe)
    }

    /// Reads `$x :=`, `$x =` or `$x,`; whether another variable may follow. What else begins with a variable is given back.
    fn declaration(&mut self, pipe: &mut Pipe, context: &str) -> Parsed<bool> {
        let variable = self.next_non_space();
        let mut between = None;
        let mut token = self.next();
        while token.kind == Kind::Space {
            between = Some(token);
            token = self.next();
        }
        match token.kind {
            Kind::Assign | Kind::Declare => {
                pipe.assigns = token.kind == Kind::Assign;
                pipe.variables.push(variable.text.clone());
                self.scope.variables.push(variable.text);
                Ok(false)
            }
            Kind::Char if token.text == "," => {
                pipe.variables.push(variable.text.clone());
                self.scope.variables.push(variable.text);
                if context == "range" && pipe.variables.len() < 2 {
                    return match self.peek_non_space() {
                        Kind::Variable | Kind::RightDelim | Kind::RightParen => Ok(true),
                        _ => self.refuse("range can only initialize variables"),
                    };
                }
                self.refuse(format!("too many declarations in {context}"))
            }
            _ => {
                self.back(token);
                between.into_iter().for_each(|space| self.back(space));
                self.back(variable);
                Ok(false)
            }
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        self.peek_non_space();
        let at = self.last;
        let mut words = Vec::new();
        loop {
            self.peek_non_space();
            if let Some(word) = self.operand()? {
                words.push(word);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.back(token),
                Kind::Pipe => {}
                _ => return Err(unexpected(&token, "operand")),
            }
            break;
        }
        if words.is_empty() { self.refuse("empty command") } else { Ok(Command { at, words }) }
    }

    fn operand(&mut self) -> Parsed<Option<Operand>> {
        let Some(mut operand) = self.term()? else { return Ok(None) };
        if self.peek() != Kind::Field {
            return Ok(Some(operand));
        }
        let at = self.last;
        let mut fields = Vec::new();
        while self.peek() == Kind::Field {
            fields.push(field(&self.next().text));
        }
        match &mut operand.what {
            Word::Field(names) | Word::Variable(_, names) => names.extend(fields),
            Word::Bool(_) | Word::Text(..) | Word::Number(_) | Word::Nil | Word::Dot => {
                let shown = super::print::operand(&operand);
                return self.refuse(format!("unexpected . after term {shown:?}"));
            }
            Word::Function(_) | Word::Pipe(_) | Word::Chain(..) => {
                operand = Operand { at, what: Word::Chain(Box::new(operand), fields) };
            }
        }
        Ok(Some(operand))
    }

    fn term(&mut self) -> Parsed<Option<Operand>> {
        let token = self.next_non_space();
        let at = token.at;
        let text = token.text.as_str();
        let number = |parsed: Result<Number, String>| {
            parsed.map(Word::Number).map_err(|problem| Refusal { at, problem })
        };
        let what = match token.kind {
            Kind::Identifier => match FUNCTIONS.contains(&text) {
                true => Word::Function(text.to_owned()),
                false => {
                    let near = crate::near::near(text, FUNCTIONS.iter().copied());
                    let hint = near.map(|it| format!("; did you mean {it}?")).unwrap_or_default();
                    return self.refuse(format!("function {text:?} not defined{hint}"));
                }
            },
            Kind::Dot => Word::Dot,
            Kind::Nil => Word::Nil,
            Kind::Variable => match self.scope.variables.iter().any(|known| known == text) {
                true => Word::Variable(text.to_owned(), Vec::new()),
                false => return self.refuse(format!("undefined variable {text:?}")),
            },
            Kind::Field => Word::Field(vec![field(text)]),
            Kind::Bool => Word::Bool(text == "true"),
            Kind::CharConstant => number(literal::character(text))?,
            Kind::Complex => number(literal::complex(text))?,
            Kind::Number => number(literal::number(text))?,
            Kind::LeftParen => {
                self.deeper()?;
                let pipe = self.pipe("parenthesized pipeline", Kind::RightParen)?;
                self.nesting -= 1;
                Word::Pipe(Box::new(pipe))
            }
            Kind::String | Kind::RawString => match literal::unquote(text) {
                Some(bytes) => Word::Text(bytes, text.to_owned()),
                None => return self.refuse("invalid syntax"),
            },
            _ => {
                self.back(token);
                return Ok(None);
            }
        };
        Ok(Some(Operand { at, what }))
    }
}

fn field(text: &str) -> String {
    text.strip_prefix('.').unwrap_or(text).to_owned()
}

/// Nothing but white space: such a definition does not count as one.
pub(super) fn is_empty(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
}

fn unexpected(token: &Token, context: &str) -> Refusal {
    let problem = match token.kind {
        Kind::Error => token.text.clone(),
        Kind::End => format!("unexpected EOF in {context}"),
        Kind::Keyword(_) => format!("unexpected <{}> in {context}", token.text),
        Kind::Dot => format!("unexpected <.> in {context}"),
        _ => format!("unexpected {:?} in {context}", token.text),
    };
    Refusal { at: token.at, problem }
}
