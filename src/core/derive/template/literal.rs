//! Go's literals: quoted strings, characters, and numbers with every kind that one can be.

use super::unicode;

/// A number of Go's syntax and the kinds that it fits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Number {
    pub(super) text: String,
    pub(super) int: Option<i64>,
    pub(super) uint: Option<u64>,
    pub(super) float: Option<f64>,
    pub(super) complex: Option<(f64, f64)>,
}

/// A character constant with its quotes.
pub(super) fn character(text: &str) -> Result<Number, String> {
    let inner = text.get(1..).unwrap_or_default();
    let (unquoted, rest) = unquote_one(inner, '\'').ok_or("invalid syntax")?;
    if rest != "'" {
        return Err(format!("malformed character constant: {text}"));
    }
    let code = match unquoted {
        Unquoted::Char(it) => u32::from(it),
        Unquoted::Byte(it) => u32::from(it),
    };
    Ok(Number {
        text: text.to_owned(),
        int: Some(code.into()),
        uint: Some(code.into()),
        float: Some(code.into()),
        complex: None,
    })
}

/// A number such as `0x1F`, `1_000`, `1e3` or `2i`.
pub(super) fn number(text: &str) -> Result<Number, String> {
    let mut number = Number { text: text.to_owned(), int: None, uint: None, float: None, complex: None };
    if let Some(imaginary) = text.strip_suffix('i').and_then(float) {
        return Ok(simplified(number, 0.0, imaginary));
    }
    number.uint = unsigned(text);
    number.int = integer(text);
    if number.int == Some(0) && number.uint.is_none() {
        number.uint = Some(0);
    }
    // Integers are floats too.
    if let Some(int) = number.int {
        number.float = Some(int as f64);
    } else if let Some(uint) = number.uint {
        number.float = Some(uint as f64);
    } else if let Some(it) = float(text) {
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {text:?}"));
        }
        number.float = Some(it);
        number.int = whole(it);
        number.uint = whole_unsigned(it);
    }
    match number.float {
        Some(_) => Ok(number),
        None => Err(format!("illegal number syntax: {text:?}")),
    }
}

/// A pair such as `1+2i`.
pub(super) fn complex(text: &str) -> Result<Number, String> {
    let number = Number { text: text.to_owned(), int: None, uint: None, float: None, complex: None };
    let wrong = || format!("illegal number syntax: {text:?}");
    let body = text.strip_suffix('i').ok_or_else(wrong)?;
    let signs: Vec<usize> = body
        .char_indices()
        .filter(|&(at, it)| {
            let before = body.get(..at).unwrap_or_default();
            let exponent = match before.trim_start_matches(['+', '-']).starts_with("0x") {
                true => before.ends_with(['p', 'P']),
                false => before.ends_with(['e', 'E', 'p', 'P']),
            };
            at > 0 && matches!(it, '+' | '-') && !exponent
        })
        .map(|(at, _)| at)
        .collect();
    let [split] = signs.as_slice() else { return Err(wrong()) };
    let (real, imaginary) = body.split_at(*split);
    match (float(real), float(imaginary)) {
        (Some(real), Some(imaginary)) => Ok(simplified(number, real, imaginary)),
        _ => Err(wrong()),
    }
}

/// A complex number that has no imaginary part is every other kind that its real part fits.
fn simplified(mut number: Number, real: f64, imaginary: f64) -> Number {
    number.complex = Some((real, imaginary));
    if imaginary == 0.0 {
        number.float = Some(real);
        number.int = whole(real);
        number.uint = whole_unsigned(real);
    }
    number
}

fn whole(it: f64) -> Option<i64> {
    let int = it as i64;
    (int as f64 == it && it < 9_223_372_036_854_775_808.0).then_some(int)
}

fn whole_unsigned(it: f64) -> Option<u64> {
    let uint = it as u64;
    (uint as f64 == it && it < 18_446_744_073_709_551_616.0).then_some(uint)
}

/// `strconv.ParseUint` with base 0.
fn unsigned(text: &str) -> Option<u64> {
    let (digits, radix) = based(text)?;
    if digits.is_empty() || !digits.chars().all(|it| it.is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(&digits, radix).ok()
}

/// `strconv.ParseInt` with base 0.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let magnitude = unsigned(digits)?;
    match negative {
        true => 0_i64.checked_sub_unsigned(magnitude),
        false => i64::try_from(magnitude).ok(),
    }
}

/// The digits without prefix and underscores, and the base; none where underscores stand wrong.
fn based(text: &str) -> Option<(String, u32)> {
    let lower = text.to_ascii_lowercase();
    let (rest, radix) = if let Some(rest) = lower.strip_prefix("0x") {
        (rest, 16)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (rest, 2)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (rest, 8)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (lower.get(1..).unwrap_or_default(), 8)
    } else {
        (lower.as_str(), 10)
    };
    underscores_fit(text).then(|| (rest.replace('_', ""), radix))
}

/// Underscores only between digits, or between a base prefix and a digit.
fn underscores_fit(text: &str) -> bool {
    if !text.contains('_') {
        return true;
    }
    let body = text.trim_start_matches(['+', '-']);
    let lower = body.to_ascii_lowercase();
    let based = ["0x", "0b", "0o"].iter().any(|prefix| lower.starts_with(prefix));
    let hex = lower.starts_with("0x");
    // What was before: a digit, the prefix that counts as one, an underscore or something else.
    let mut before = if based { '0' } else { '^' };
    for it in lower.chars().skip(if based { 2 } else { 0 }) {
        let digit = it.is_ascii_digit() || hex && ('a'..='f').contains(&it);
        if digit {
            before = '0';
        } else if it == '_' {
            if before != '0' {
                return false;
            }
            before = '_';
        } else {
            if before == '_' {
                return false;
            }
            before = '!';
        }
    }
    before != '_'
}

/// `strconv.ParseFloat`, hexadecimal floats and underscores too; none where it is out of range.
pub(super) fn float(text: &str) -> Option<f64> {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = body.to_ascii_lowercase();
    if lower.starts_with("0x") {
        let magnitude = hex_float(&lower, text)?;
        return Some(if text.starts_with('-') { -magnitude } else { magnitude });
    }
    if !underscores_fit(text) || !lower.starts_with(|it: char| it.is_ascii_digit() || it == '.') {
        return None;
    }
    let lower = lower.replace('_', "");
    if !lower.chars().all(|it| it.is_ascii_digit() || matches!(it, '.' | 'e' | '+' | '-')) {
        return None;
    }
    let parsed: f64 = lower.parse().ok()?;
    let parsed = if text.starts_with('-') { -parsed } else { parsed };
    parsed.is_finite().then_some(parsed)
}

fn hex_float(lower: &str, text: &str) -> Option<f64> {
    if !underscores_fit(text) {
        return None;
    }
    let body = lower.get(2..)?.replace('_', "");
    let (mantissa, exponent) = body.split_once('p')?;
    let mut exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = [whole, fraction].concat();
    if digits.is_empty() || !digits.chars().all(|it| it.is_ascii_hexdigit()) {
        return None;
    }
    exponent -= 4 * i64::try_from(fraction.len()).ok()?;
    let significant = digits.trim_start_matches('0');
    let mut value: u128 = 0;
    let mut sticky = false;
    for it in significant.chars() {
        if value >> 120 == 0 {
            value = value * 16 + u128::from(it.to_digit(16)?);
        } else {
            sticky |= it != '0';
            exponent += 4;
        }
    }
    // What was cut off can only break a tie.
    let value = if sticky { value | 1 } else { value };
    let exponent = i32::try_from(exponent.clamp(-4000, 4000)).ok()?;
    let scaled = scale(value, exponent);
    scaled.is_finite().then_some(scaled)
}

/// `value * 2^exponent`, rounded once.
fn scale(value: u128, exponent: i32) -> f64 {
    if value == 0 {
        return 0.0;
    }
    let bits = 128 - i32::try_from(value.leading_zeros()).unwrap_or(0);
    // A result below the normal numbers has fewer bits: cut there first, so that rounding happens once.
    let keep = (bits + exponent + 1074).min(53);
    if keep < 0 {
        return 0.0;
    }
    let cut = bits - keep;
    let (rounded, exponent) = if cut > 0 {
        let (kept, lost, half) = match cut {
            128.. => (0, value, u128::MAX),
            _ => (value >> cut, value & ((1 << cut) - 1), 1_u128 << (cut - 1)),
        };
        let up = lost > half || lost == half && kept & 1 == 1;
        (kept + u128::from(up), exponent + cut)
    } else {
        (value, exponent)
    };
    let half = exponent / 2;
    rounded as f64 * 2_f64.powi(half) * 2_f64.powi(exponent - half)
}

/// One character or one byte of a string that need not be UTF-8.
enum Unquoted {
    Char(char),
    Byte(u8),
}

/// A string literal's bytes; none where it breaks Go's rules.
pub(super) fn unquote(text: &str) -> Option<Vec<u8>> {
    if let Some(raw) = text.strip_prefix('`') {
        let inner = raw.strip_suffix('`')?;
        // Carriage returns are not part of raw strings.
        return Some(inner.bytes().filter(|&it| it != b'\r').collect());
    }
    let mut rest = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let (unquoted, after) = unquote_one(rest, '"')?;
        match unquoted {
            Unquoted::Char(it) => bytes.extend_from_slice(it.encode_utf8(&mut [0; 4]).as_bytes()),
            Unquoted::Byte(it) => bytes.push(it),
        }
        rest = after;
    }
    Some(bytes)
}

fn unquote_one(text: &str, quote: char) -> Option<(Unquoted, &str)> {
    let mut characters = text.chars();
    let first = characters.next()?;
    if first == quote || first == '\n' {
        return None;
    }
    if first != '\\' {
        return Some((Unquoted::Char(first), characters.as_str()));
    }
    let escape = characters.next()?;
    let mut digits = |count: usize, radix: u32| -> Option<u32> {
        let mut value: u32 = 0;
        for _ in 0..count {
            value = value.checked_mul(radix)?.checked_add(characters.next()?.to_digit(radix)?)?;
        }
        Some(value)
    };
    let byte = |code: Option<u32>| Some(Unquoted::Byte(u8::try_from(code?).ok()?));
    let unquoted = match escape {
        'a' => Unquoted::Char('\x07'),
        'b' => Unquoted::Char('\x08'),
        'f' => Unquoted::Char('\x0c'),
        'n' => Unquoted::Char('\n'),
        'r' => Unquoted::Char('\r'),
        't' => Unquoted::Char('\t'),
        'v' => Unquoted::Char('\x0b'),
        '\\' => Unquoted::Char('\\'),
        '\'' | '"' if escape == quote => Unquoted::Char(escape),
        'x' => byte(digits(2, 16))?,
        'u' => Unquoted::Char(char::from_u32(digits(4, 16)?)?),
        'U' => Unquoted::Char(char::from_u32(digits(8, 16)?)?),
        '0'..='7' => {
            let high = escape.to_digit(8)?;
            byte(Some(high * 64 + digits(2, 8)?))?
        }
        _ => return None,
    };
    Some((unquoted, characters.as_str()))
}

/// A string as Go quotes it; with `ascii`, everything beyond ASCII is escaped.
pub(super) fn quote(bytes: &[u8], with: char, ascii: bool) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push(with);
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        let (character, length) = unicode::decode(rest);
        if length == 1 && character == char::REPLACEMENT_CHARACTER {
            text.push_str(&format!("\\x{first:02x}"));
        } else {
            push_quoted(&mut text, character, with, ascii);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    text.push(with);
    text
}

fn push_quoted(text: &mut String, character: char, with: char, ascii: bool) {
    let code = u32::from(character);
    match character {
        _ if character == with || character == '\\' => {
            text.push('\\');
            text.push(character);
        }
        _ if unicode::is_print(character) && (!ascii || character.is_ascii()) => text.push(character),
        '\x07' => text.push_str("\\a"),
        '\x08' => text.push_str("\\b"),
        '\x0c' => text.push_str("\\f"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\x0b' => text.push_str("\\v"),
        _ if code < u32::from(' ') || code == 0x7f => text.push_str(&format!("\\x{code:02x}")),
        _ if code < 0x10000 => text.push_str(&format!("\\u{code:04x}")),
        _ => text.push_str(&format!("\\U{code:08x}")),
    }
}

/// A character as Go quotes it.
pub(super) fn quote_char(character: char, ascii: bool) -> String {
    let mut text = String::from("'");
    push_quoted(&mut text, character, '\'', ascii);
    text.push('\'');
    text
}
