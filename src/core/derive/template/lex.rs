//! Go's template text as tokens: text, delimiters with their trim markers, comments, and what stands inside of actions.

use super::unicode;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The lexer stopped; the token's text says why.
    Error,
    End,
    Text,
    LeftDelim,
    RightDelim,
    Space,
    Assign,
    Declare,
    Pipe,
    LeftParen,
    RightParen,
    /// A printable ASCII character that nothing else begins with, such as the comma.
    Char,
    Identifier,
    Field,
    Variable,
    Dot,
    Bool,
    Nil,
    Number,
    Complex,
    CharConstant,
    String,
    RawString,
    Keyword(Keyword),
}

/// The words that an action can begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

/// A token and where it begins.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: usize,
    pub(super) text: String,
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const LEFT_COMMENT: &str = "/*";
const RIGHT_COMMENT: &str = "*/";
/// The characters that trim markers trim, and that separate inside of actions.
pub(super) const SPACES: &[char] = &[' ', '\t', '\r', '\n'];

/// Reads one token at a call, as the parser asks for them.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    input: &'a str,
    at: usize,
    start: usize,
    parens: usize,
    inside: bool,
    stopped: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(input: &'a str) -> Self {
        Self { input, at: 0, start: 0, parens: 0, inside: false, stopped: false }
    }

    /// The next token; after an error and at the end, `End` for ever.
    pub(super) fn next(&mut self) -> Token {
        if self.stopped {
            return Token { kind: Kind::End, at: self.start, text: "EOF".to_owned() };
        }
        loop {
            let token = if self.inside { Some(self.action()) } else { self.text() };
            if let Some(token) = token {
                self.stopped = matches!(token.kind, Kind::Error | Kind::End);
                return token;
            }
        }
    }

    fn rest(&self) -> &'a str {
        self.input.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn step(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.peek().is_some_and(|next| valid.contains(next));
        if found {
            self.step();
        }
        found
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    fn token(&mut self, kind: Kind) -> Token {
        let text = self.input.get(self.start..self.at).unwrap_or_default().to_owned();
        let token = Token { kind, at: self.start, text };
        self.start = self.at;
        token
    }

    fn error(&self, problem: impl Into<String>) -> Token {
        Token { kind: Kind::Error, at: self.start, text: problem.into() }
    }

    /// Text up to the next action; none where a comment or nothing was read.
    fn text(&mut self) -> Option<Token> {
        let Some(found) = self.rest().find(LEFT) else {
            self.at = self.input.len();
            return Some(match self.at > self.start {
                true => self.token(Kind::Text),
                false => Token { kind: Kind::End, at: self.at, text: "EOF".to_owned() },
            });
        };
        let delimiter = self.at + found;
        let after = self.input.get(delimiter + LEFT.len()..).unwrap_or_default();
        let before = self.input.get(self.start..delimiter).unwrap_or_default();
        let kept = if left_trim(after) { before.trim_end_matches(SPACES) } else { before };
        if !kept.is_empty() {
            let token = Token { kind: Kind::Text, at: self.start, text: kept.to_owned() };
            self.at = delimiter;
            self.start = delimiter;
            return Some(token);
        }
        self.at = delimiter;
        self.start = delimiter;
        self.left_delimiter()
    }

    fn left_delimiter(&mut self) -> Option<Token> {
        self.at += LEFT.len();
        let marker = if left_trim(self.rest()) { 2 } else { 0 };
        if self.input.get(self.at + marker..).is_some_and(|rest| rest.starts_with(LEFT_COMMENT)) {
            self.at += marker;
            self.start = self.at;
            return self.comment();
        }
        let token = self.token(Kind::LeftDelim);
        self.inside = true;
        self.parens = 0;
        self.at += marker;
        self.start = self.at;
        Some(token)
    }

    fn comment(&mut self) -> Option<Token> {
        let body = self.input.get(self.at + LEFT_COMMENT.len()..).unwrap_or_default();
        let Some(end) = body.find(RIGHT_COMMENT) else { return Some(self.error("unclosed comment")) };
        self.at += LEFT_COMMENT.len() + end + RIGHT_COMMENT.len();
        let Some(trim) = self.right_delimiter() else {
            return Some(self.error("comment ends before closing delimiter"));
        };
        self.after_right(trim);
        self.start = self.at;
        None
    }

    /// Whether the action ends here, and if so, with a trim marker or not.
    fn right_delimiter(&self) -> Option<bool> {
        let rest = self.rest();
        if right_trim(rest) && rest.get(2..).is_some_and(|rest| rest.starts_with(RIGHT)) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn after_right(&mut self, trim: bool) {
        self.at += RIGHT.len() + if trim { 2 } else { 0 };
        if trim {
            self.at += self.rest().len() - self.rest().trim_start_matches(SPACES).len();
        }
    }

    fn action(&mut self) -> Token {
        if let Some(trim) = self.right_delimiter() {
            if self.parens > 0 {
                return self.error("unclosed left paren");
            }
            let at = if trim { self.at + 2 } else { self.at };
            self.after_right(trim);
            self.start = self.at;
            self.inside = false;
            return Token { kind: Kind::RightDelim, at, text: RIGHT.to_owned() };
        }
        let Some(next) = self.step() else { return self.error("unclosed action") };
        match next {
            ' ' | '\t' | '\r' | '\n' => self.space(),
            '=' => self.token(Kind::Assign),
            ':' => match self.step() {
                Some('=') => self.token(Kind::Declare),
                _ => self.error("expected :="),
            },
            '|' => self.token(Kind::Pipe),
            '"' => self.quoted('"', Kind::String, "unterminated quoted string"),
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant"),
            '`' => match self.rest().find('`') {
                Some(end) => {
                    self.at += end + 1;
                    self.token(Kind::RawString)
                }
                None => self.error("unterminated raw quoted string"),
            },
            '$' => self.name(Kind::Variable, Kind::Variable),
            '.' if !self.rest().starts_with(|next: char| next.is_ascii_digit())
                && !self.rest().is_empty() =>
            {
                self.name(Kind::Field, Kind::Dot)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.at = self.start;
                self.number()
            }
            '(' => {
                self.parens += 1;
                self.token(Kind::LeftParen)
            }
            ')' => match self.parens.checked_sub(1) {
                Some(parens) => {
                    self.parens = parens;
                    self.token(Kind::RightParen)
                }
                None => self.error("unexpected right paren"),
            },
            _ if unicode::is_alphanumeric(next) => self.identifier(),
            '!'..='~' => self.token(Kind::Char),
            _ => self.error(format!("unrecognized character in action: {}", shown(Some(next)))),
        }
    }

    /// Spaces are a token; one that belongs to a trim marker is left to the delimiter.
    fn space(&mut self) -> Token {
        let run = self.rest();
        self.at += run.len() - run.trim_start_matches(SPACES).len();
        let last = self.at - 1;
        let from_last = self.input.get(last..).unwrap_or_default();
        if right_trim(from_last) && from_last.get(2..).is_some_and(|rest| rest.starts_with(RIGHT)) {
            self.at = last;
            if self.at == self.start {
                return self.action();
            }
        }
        self.token(Kind::Space)
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Token {
        loop {
            match self.step() {
                Some('\\') if !matches!(self.peek(), None | Some('\n')) => {
                    self.step();
                }
                None | Some('\\' | '\n') => return self.error(unterminated),
                Some(next) if next == quote => return self.token(kind),
                Some(_) => {}
            }
        }
    }

    /// A field or a variable, whose first character was read; `bare` where no name follows.
    fn name(&mut self, kind: Kind, bare: Kind) -> Token {
        if self.at_terminator() {
            return self.token(bare);
        }
        self.alphanumeric();
        match self.at_terminator() {
            true => self.token(kind),
            false => self.error(format!("bad character {}", shown(self.peek()))),
        }
    }

    fn alphanumeric(&mut self) {
        while self.peek().is_some_and(unicode::is_alphanumeric) {
            self.step();
        }
    }

    fn identifier(&mut self) -> Token {
        self.alphanumeric();
        if !self.at_terminator() {
            return self.error(format!("bad character {}", shown(self.peek())));
        }
        let kind = match self.input.get(self.start..self.at).unwrap_or_default() {
            "block" => Kind::Keyword(Keyword::Block),
            "break" => Kind::Keyword(Keyword::Break),
            "continue" => Kind::Keyword(Keyword::Continue),
            "define" => Kind::Keyword(Keyword::Define),
            "else" => Kind::Keyword(Keyword::Else),
            "end" => Kind::Keyword(Keyword::End),
            "if" => Kind::Keyword(Keyword::If),
            "range" => Kind::Keyword(Keyword::Range),
            "template" => Kind::Keyword(Keyword::Template),
            "with" => Kind::Keyword(Keyword::With),
            "nil" => Kind::Nil,
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.token(kind)
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(_) => self.rest().starts_with(RIGHT),
        }
    }

    fn number(&mut self) -> Token {
        let bad = |lexer: &Self| {
            let text = lexer.input.get(lexer.start..lexer.at).unwrap_or_default();
            lexer.error(format!("bad number syntax: {text:?}"))
        };
        if !self.scan_number() {
            return bad(self);
        }
        if matches!(self.peek(), Some('+' | '-')) {
            let imaginary =
                self.scan_number() && self.input.get(..self.at).is_some_and(|it| it.ends_with('i'));
            return if imaginary { self.token(Kind::Complex) } else { bad(self) };
        }
        self.token(Kind::Number)
    }

    /// Accepts more than numbers; the parser refuses the rest.
    fn scan_number(&mut self) -> bool {
        const DECIMAL: &str = "0123456789_";
        const HEX: &str = "0123456789abcdefABCDEF_";
        self.accept("+-");
        let mut digits = DECIMAL;
        if self.accept("0") {
            if self.accept("xX") {
                digits = HEX;
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let exponent = match digits {
            DECIMAL => self.accept("eE"),
            HEX => self.accept("pP"),
            _ => false,
        };
        if exponent {
            self.accept("+-");
            self.accept_run(DECIMAL);
        }
        self.accept("i");
        if self.peek().is_some_and(unicode::is_alphanumeric) {
            self.step();
            return false;
        }
        true
    }
}

fn left_trim(text: &str) -> bool {
    text.strip_prefix('-').is_some_and(|rest| rest.starts_with(SPACES))
}

fn right_trim(text: &str) -> bool {
    text.strip_prefix(SPACES).is_some_and(|rest| rest.starts_with('-'))
}

/// A character as `U+0041 'A'`.
fn shown(character: Option<char>) -> String {
    match character {
        None => "U+FFFFFFFFFFFFFFFF".to_owned(),
        Some(it) if unicode::is_print(it) => format!("U+{:04X} '{it}'", u32::from(it)),
        Some(it) => format!("U+{:04X}", u32::from(it)),
    }
}
