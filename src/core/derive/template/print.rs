//! A tree back as Go's template text: for messages, and to show that parsing loses nothing.

#[cfg(test)]
use super::literal;
#[cfg(test)]
use super::parse::{Branch, Node, Tree};
use super::parse::{Operand, Pipe, Word};

/// A whole tree; parsing it again gives the same tree but for places.
#[cfg(test)]
pub(super) fn tree(tree: &Tree) -> String {
    let mut text = String::new();
    for (name, body) in &tree.defined {
        text.push_str(&format!("{{{{define {}}}}}", literal::quote(name, '"', false)));
        list(body, &mut text);
        text.push_str("{{end}}");
    }
    list(&tree.main, &mut text);
    text
}

#[cfg(test)]
fn list(nodes: &[Node], text: &mut String) {
    let mut after_text = false;
    for node in nodes {
        if let Node::Text(it) = node {
            // Texts stay apart, and a brace at a text's end does not join the delimiter that follows.
            text.push_str(if after_text { "{{/**/}}" } else { "" });
            text.push_str(it);
            text.push_str(if it.ends_with('{') { " {{- /**/}}" } else { "" });
        }
        after_text = matches!(node, Node::Text(_));
        match node {
            Node::Text(_) => {}
            Node::Action(it) => text.push_str(&format!("{{{{{}}}}}", pipe(it))),
            Node::If(it) => branch("if", it, text),
            Node::With(it) => branch("with", it, text),
            Node::Range(it) => branch("range", it, text),
            Node::Template { name, pipe: argument, .. } => {
                let argument = argument.as_ref().map(|it| format!(" {}", pipe(it))).unwrap_or_default();
                text.push_str(&format!("{{{{template {}{argument}}}}}", literal::quote(name, '"', false)));
            }
            Node::Break { .. } => text.push_str("{{break}}"),
            Node::Continue { .. } => text.push_str("{{continue}}"),
        }
    }
}

#[cfg(test)]
fn branch(word: &str, branch: &Branch, text: &mut String) {
    text.push_str(&format!("{{{{{word} {}}}}}", pipe(&branch.pipe)));
    list(&branch.list, text);
    if let Some(otherwise) = &branch.otherwise {
        text.push_str("{{else}}");
        list(otherwise, text);
    }
    text.push_str("{{end}}");
}

/// A pipeline without its delimiters.
pub(super) fn pipe(pipe: &Pipe) -> String {
    let mut text = pipe.variables.join(", ");
    if !text.is_empty() {
        text.push_str(if pipe.assigns { " = " } else { " := " });
    }
    let commands = pipe.commands.iter().map(|command| words(&command.words));
    text + &commands.collect::<Vec<_>>().join(" | ")
}

/// A command's words.
pub(super) fn words(words: &[Operand]) -> String {
    words.iter().map(operand).collect::<Vec<_>>().join(" ")
}

/// One word.
pub(super) fn operand(word: &Operand) -> String {
    match &word.what {
        Word::Dot => ".".to_owned(),
        Word::Nil => "nil".to_owned(),
        Word::Bool(it) => it.to_string(),
        Word::Number(it) => it.text.clone(),
        Word::Text(_, written) => written.clone(),
        Word::Field(names) => format!(".{}", names.join(".")),
        Word::Variable(name, fields) => fields.iter().fold(name.clone(), |text, it| text + "." + it),
        Word::Function(name) => name.clone(),
        Word::Pipe(it) => format!("({})", pipe(it)),
        Word::Chain(inner, fields) => fields.iter().fold(operand(inner), |text, it| text + "." + it),
    }
}
