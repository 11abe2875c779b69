//! Go's classes of characters, which are not Rust's: letters by category L, digits by Nd, and what is printable.

use std::sync::LazyLock;

use regex::Regex;

static LETTER_OR_DIGIT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\A[\p{L}\p{Nd}]\z").ok());
static PRINTABLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\A[\p{L}\p{M}\p{N}\p{P}\p{S}]\z").ok());

/// A letter, a digit or the underscore.
pub(super) fn is_alphanumeric(character: char) -> bool {
    match character.is_ascii() {
        true => character == '_' || character.is_ascii_alphanumeric(),
        false => is(&LETTER_OR_DIGIT, character),
    }
}

/// What Go prints as it is: letters, marks, numbers, punctuation, symbols and the ASCII space.
pub(super) fn is_print(character: char) -> bool {
    match character.is_ascii() {
        true => (' '..='~').contains(&character),
        false => is(&PRINTABLE, character),
    }
}

fn is(class: &Option<Regex>, character: char) -> bool {
    let mut buffer = [0; 4];
    let text = character.encode_utf8(&mut buffer);
    class.as_ref().is_some_and(|class| class.is_match(text))
}

/// A string's next character and its length in bytes, as Go decodes: a byte that begins none is one U+FFFD.
pub(super) fn decode(bytes: &[u8]) -> (char, usize) {
    let wrong = (char::REPLACEMENT_CHARACTER, 1);
    let Some(&first) = bytes.first() else { return (char::REPLACEMENT_CHARACTER, 0) };
    let length = match first {
        ..0x80 => return (char::from(first), 1),
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return wrong,
    };
    match bytes.get(..length).map(std::str::from_utf8) {
        Some(Ok(text)) => text.chars().next().map_or(wrong, |character| (character, length)),
        _ => wrong,
    }
}

/// Text of bytes that need not be UTF-8: each wrong byte is one U+FFFD.
pub(super) fn lossy(mut bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    while !bytes.is_empty() {
        let (character, length) = decode(bytes);
        text.push(character);
        bytes = bytes.get(length..).unwrap_or_default();
    }
    text
}
