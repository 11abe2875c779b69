//! An error and its causes as one text.

use std::error::Error;

/// The error's own text and those of its causes that say something new: many errors repeat their source in their text.
pub fn told(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        match texts.last_mut() {
            Some(outer) if outer.contains(&text) => {}
            // An outer text that only announces the inner one adds nothing.
            Some(outer) if text.contains(outer.as_str()) => *outer = text,
            _ => texts.push(text),
        }
        next = error.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    fn layers(texts: &[&'static str]) -> Layer {
        let (first, rest) = texts.split_first().unwrap();
        let source = (!rest.is_empty()).then(|| Box::new(layers(rest)));
        Layer { text: first, source }
    }

    #[test]
    fn each_cause_is_told_once() {
        for (texts, expected) in [
            (&["cannot read", "broken pipe"][..], "cannot read: broken pipe"),
            (&["cannot read: broken pipe", "broken pipe"], "cannot read: broken pipe"),
            (&["failed", "failed: broken pipe"], "failed: broken pipe"),
            (&["one"], "one"),
        ] {
            assert_eq!(told(&layers(texts)), expected);
        }
    }
}
