//! Durations as Go writes them, read by kube's own reader, which panics over some texts that Go refuses.

use std::time::Duration;

/// Longer than any duration that somebody would write.
const MOST_BYTES: usize = 64;
/// Of one number. Four of them, which is what fits, are hours that still fit a [`Duration`].
const MOST_DIGITS: usize = 15;

/// Reads a duration such as `1h30m`; the empty text and `0` are none at all. The error says what is wrong.
pub(crate) fn go_duration(text: &str) -> Result<Duration, String> {
    if text.len() > MOST_BYTES {
        return Err(format!("it has more than {MOST_BYTES} bytes"));
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if unsigned.contains(['+', '-']) {
        return Err("a sign stands once and at the beginning".to_owned());
    }
    if unsigned.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > MOST_DIGITS) {
        return Err(format!("a number of more than {MOST_DIGITS} digits"));
    }
    let parsed: kube::core::Duration = text.parse().map_err(|error| format!("{error}"))?;
    if parsed.is_negative() { Err("it is negative".to_owned()) } else { Ok(parsed.into()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_go_writes_is_read_and_what_it_refuses_is_refused() {
        for (text, seconds) in
            [("1h30m", 5400.0), ("1.5s", 1.5), ("300ms", 0.3), ("+2us", 2e-6), ("0", 0.0), ("", 0.0)]
        {
            assert_eq!(go_duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for (text, why) in [
            ("1h-5m", "a sign"),
            ("+-1h", "a sign"),
            ("99999999999999999999h", "more than 15 digits"),
            ("-1h", "negative"),
            ("5", "unit"),
            ("5 m", "float"),
            ("infs", "float"),
        ] {
            let error = go_duration(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much_for_it(
            text in "(1|9|0|999999999999999|[.]|-|[+]|h|ns|m|s|e|inf|nan|µs| ){0,12}"
        ) {
            let _ = go_duration(&text);
        }
    }

    #[test]
    fn the_largest_that_is_read_fits() {
        assert!(go_duration(&"999999999999999h".repeat(4)).is_ok());
    }
}
