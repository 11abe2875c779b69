//! JSON walked as it stands in memory: where a value ends is found without reading what is in it.

use wide::u8x16;

/// How many bytes are looked at together; a bit stands for each.
const BLOCK: usize = 64;

/// A place in JSON. What does not look as expected ends the walk with `None`: whoever walks reads it again with care, and
/// only then is it known what is wrong. What is passed over is not checked but for its strings and brackets.
#[derive(Debug, Clone)]
pub struct Walk<'de> {
    text: &'de [u8],
    at: usize,
}

impl<'de> Walk<'de> {
    pub(super) fn new(text: &'de [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Nothing but space is left.
    pub(super) fn is_done(&mut self) -> bool {
        self.peek().is_none()
    }

    /// An object: `each` is told a name, and walks over its value.
    pub(super) fn members(&mut self, mut each: impl FnMut(&mut Self, &'de str) -> Option<()>) -> Option<()> {
        self.listed(b'{', b'}', |walk| {
            let name = walk.string()?;
            walk.take(b':')?;
            each(walk, name)
        })
    }

    /// A list: `each` walks over an item.
    pub(super) fn items(&mut self, each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.listed(b'[', b']', each)
    }

    /// A string without escapes.
    pub(super) fn string(&mut self) -> Option<&'de str> {
        self.take(b'"')?;
        let begin = self.at;
        loop {
            let rest = self.text.get(self.at..)?;
            let (ends, looked_at) = match rest.first_chunk::<16>() {
                Some(chunk) => {
                    let bytes = u8x16::new(*chunk);
                    let ends = bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\'));
                    let controls = bytes.min(u8x16::splat(0x1f)).simd_eq(bytes);
                    ((ends | controls).to_bitmask(), 16)
                }
                None => (u32::from(ends_string(*rest.first()?)), 1),
            };
            if ends == 0 {
                self.at += looked_at;
                continue;
            }
            let end = self.at + ends.trailing_zeros() as usize;
            self.at = end + 1;
            let is_end = self.text.get(end) == Some(&b'"');
            let text = is_end.then(|| self.text.get(begin..end)).flatten()?;
            return std::str::from_utf8(text).ok();
        }
    }

    /// Any value, passed over: its text.
    pub(super) fn value(&mut self) -> Option<&'de [u8]> {
        let first = self.peek()?;
        let begin = self.at;
        match first {
            b'{' | b'[' | b'"' => self.pass(first == b'"')?,
            _ => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
                self.at += self.text.get(begin..)?.iter().take_while(|byte| is_part(byte)).count();
            }
        }
        self.text.get(begin..self.at).filter(|text| !text.is_empty())
    }

    fn listed(&mut self, open: u8, close: u8, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(open)?;
        if self.peek()? == close {
            return self.take(close);
        }
        loop {
            each(self)?;
            let next = self.peek()?;
            self.at += 1;
            match next {
                b',' => {}
                _ => return (next == close).then_some(()),
            }
        }
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Passes over the string, list or object that begins here.
    fn pass(&mut self, is_string: bool) -> Option<()> {
        let mut strings = Strings::default();
        let mut depth = 0_usize;
        loop {
            let marks = Marks::of(self.text.get(self.at..).filter(|rest| !rest.is_empty())?);
            let (quotes, inside) = strings.next(marks.quotes, marks.backslashes);
            if is_string {
                // The first quote begins it, the second ends it.
                let first = quotes & quotes.wrapping_neg();
                let ends = if depth == 0 { quotes ^ first } else { quotes };
                depth = 1;
                if ends != 0 {
                    self.at += ends.trailing_zeros() as usize + 1;
                    return Some(());
                }
            } else {
                let (opens, closes) = (marks.opens & !inside, marks.closes & !inside);
                let closing = closes.count_ones() as usize;
                if closing < depth {
                    depth = depth + opens.count_ones() as usize - closing;
                } else if let Some(end) = end_of(&mut depth, opens, closes) {
                    self.at += end + 1;
                    return Some(());
                }
            }
            self.at += BLOCK;
        }
    }
}

fn ends_string(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1f)
}

/// The bit of the bracket that closes the outermost, if it is here.
fn end_of(depth: &mut usize, opens: u64, closes: u64) -> Option<usize> {
    let mut left = opens | closes;
    while left != 0 {
        let bit = left & left.wrapping_neg();
        left ^= bit;
        if opens & bit != 0 {
            *depth += 1;
            continue;
        }
        *depth = depth.saturating_sub(1);
        if *depth == 0 {
            return Some(bit.trailing_zeros() as usize);
        }
    }
    None
}

/// What the bytes of a block are, a bit for each.
struct Marks {
    quotes: u64,
    backslashes: u64,
    opens: u64,
    closes: u64,
}

impl Marks {
    /// Of the first bytes of a text; there is nothing after its end.
    fn of(text: &[u8]) -> Self {
        let padded: [u8; BLOCK];
        let block = match text.first_chunk::<BLOCK>() {
            Some(block) => block,
            None => {
                padded = std::array::from_fn(|index| text.get(index).copied().unwrap_or(b' '));
                &padded
            }
        };
        let mut marks = Self { quotes: 0, backslashes: 0, opens: 0, closes: 0 };
        for (index, chunk) in block.as_chunks::<16>().0.iter().enumerate() {
            let bytes = u8x16::new(*chunk);
            // Braces and square brackets differ in this bit.
            let folded = bytes | u8x16::splat(0x20);
            let are = |bytes: u8x16, byte: u8| {
                u64::from(bytes.simd_eq(u8x16::splat(byte)).to_bitmask()) << (16 * index)
            };
            marks.quotes |= are(bytes, b'"');
            marks.backslashes |= are(bytes, b'\\');
            marks.opens |= are(folded, b'{');
            marks.closes |= are(folded, b'}');
        }
        marks
    }
}

/// Where strings are, from one block to the next.
#[derive(Default)]
struct Strings {
    /// All ones where the block before ended inside of a string.
    inside: u64,
    /// One where the block before ended with a backslash that escapes.
    escaped: u64,
}

impl Strings {
    /// The quotes that begin or end a string, and the bytes in strings: from a beginning quote on, without the ending one.
    fn next(&mut self, quotes: u64, backslashes: u64) -> (u64, u64) {
        let mut escaped = std::mem::take(&mut self.escaped);
        let mut left = backslashes & !escaped;
        while left != 0 {
            let bit = left & left.wrapping_neg();
            self.escaped = bit >> (BLOCK - 1);
            escaped |= bit << 1;
            left &= !(bit | bit << 1);
        }
        let quotes = quotes & !escaped;
        let mut inside = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << shift;
        }
        inside ^= self.inside;
        self.inside = 0_u64.wrapping_sub(inside >> (BLOCK - 1));
        (quotes, inside)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::*;

    /// Pieces of JSON, and what looks like them in strings.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            "\"",
            "\"\"",
            "\\",
            "\\\"",
            "\\\\",
            "a",
            "é",
            "12",
            "-1.5e3",
            "true",
            "null",
            " ",
            "\n",
            "\"a\":",
            "\"{[\"",
            "\u{1}",
            "0123456789012345678901234567890123456789012345678901234567890123456789",
        ]);
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    fn json() -> impl Strategy<Value = Value> {
        let text = "[a-z{}\\[\\]\"\\\\é:,]{0,70}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 60, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(text, inner, 0..6).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_ends_where_it_ends(value in json(), before in " {0,70}", after in prop_oneof![Just(""), Just(" ,"), Just("]]}}")]) {
            for value in [value.to_string(), format!("{value:#}")] {
                let text = format!("{before}{value}{after}");
                let mut walk = Walk::new(text.as_bytes());
                prop_assert_eq!(walk.value(), Some(value.as_bytes()));
                prop_assert_eq!(&text[walk.at..], after);
            }
        }

        /// What is JSON is walked as JSON; what is not ends somewhere or nowhere, and in no case out of bounds.
        #[test]
        fn anything_is_walked(text in pieces()) {
            let mut walk = Walk::new(text.as_bytes());
            let walked = walk.value();
            let mut parsed = serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>();
            if let Some(Ok(value)) = parsed.next() {
                prop_assert_eq!(walked, Some(value.get().as_bytes()));
            }
            let mut walk = Walk::new(text.as_bytes());
            if let Some(string) = walk.string() {
                prop_assert_eq!(serde_json::from_str::<String>(&text[..walk.at]).ok(), Some(string.to_owned()));
            }
            let mut names = Vec::new();
            let mut walk = Walk::new(text.as_bytes());
            let members = walk.members(|walk, name| {
                names.push(name);
                walk.value().map(drop)
            });
            if let Ok(Value::Object(map)) = serde_json::from_str(&text) && !text.contains('\\') {
                prop_assert!(members.is_some() && walk.is_done());
                prop_assert!(map.keys().all(|key| names.contains(&key.as_str())));
            }
        }
    }

    #[test]
    fn what_is_cut_off_has_no_end() {
        let text = format!("{{\"a\":[\"{}\\\"]}}\",{{}}]}}", "x".repeat(100));
        assert!(serde_json::from_str::<Value>(&text).is_ok());
        for end in 0..text.len() {
            assert_eq!(Walk::new(&text.as_bytes()[..end]).value(), None, "{end}");
        }
        assert_eq!(Walk::new(text.as_bytes()).value(), Some(text.as_bytes()));
        for text in ["", " ", "\"", "\"a", "\"a\\\"", "}", ","] {
            assert_eq!(Walk::new(text.as_bytes()).value(), None, "{text}");
        }
    }

    #[test]
    fn strings_with_escapes_are_for_others() {
        let mut walk = Walk::new(br#" "one" "t\u0077o" "#);
        assert_eq!((walk.string(), walk.string()), (Some("one"), None));
        assert_eq!(Walk::new(b"\"a\nb\"").string(), None, "a control character");
        assert_eq!(Walk::new(b"\"\xff\"").string(), None, "no UTF-8");
        let long = format!("\"{}\"", "é".repeat(100));
        assert_eq!(Walk::new(long.as_bytes()).string().map(str::len), Some(200));
    }
}
