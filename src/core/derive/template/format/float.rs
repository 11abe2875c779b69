//! Floats as text by Go's verbs: shortest or with a precision, decimal, hexadecimal and by mantissa.

/// A number's text for a verb of `f e E g G b x X`; no precision means as short as it can be.
pub(super) fn text(it: f64, verb: char, precision: Option<usize>) -> String {
    if it.is_nan() {
        return "NaN".to_owned();
    }
    if it.is_infinite() {
        return if it < 0.0 { "-Inf" } else { "Inf" }.to_owned();
    }
    match verb {
        'f' => match precision {
            Some(precision) => format!("{it:.precision$}"),
            None => format!("{it}"),
        },
        'e' | 'E' => exponential(it, precision, verb),
        'b' => mantissa(it),
        'x' | 'X' => hexadecimal(it, precision, verb == 'X'),
        _ => general(it, precision, verb),
    }
}

/// Rust's `1.5e3` as Go's `1.5e+03`.
fn exponential(it: f64, precision: Option<usize>, verb: char) -> String {
    let text = match precision {
        Some(precision) => format!("{it:.precision$e}"),
        None => format!("{it:e}"),
    };
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}{verb}{sign}{exponent:0>2}")
}

fn general(it: f64, precision: Option<usize>, verb: char) -> String {
    let letter = if verb == 'G' { 'E' } else { 'e' };
    // The digits that are shown, and the power of ten of the first.
    let scientific = match precision {
        Some(precision) => format!("{it:.*e}", precision.max(1) - 1),
        None => format!("{it:e}"),
    };
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i64 = exponent.parse().unwrap_or_default();
    let trimmed = match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    };
    let shown = i64::try_from(trimmed.bytes().filter(u8::is_ascii_digit).count()).unwrap_or(1);
    let limit = match precision {
        None => SHORTEST,
        Some(precision) => {
            let wanted = i64::try_from(precision.max(1)).unwrap_or(i64::MAX);
            let digits = if it == 0.0 { 0 } else { shown };
            if wanted > digits && digits > exponent { digits.max(1) } else { wanted }
        }
    };
    if exponent < -4 || exponent >= limit {
        let (sign, magnitude) = if exponent < 0 { ('-', -exponent) } else { ('+', exponent) };
        return format!("{trimmed}{letter}{sign}{magnitude:02}");
    }
    let places = usize::try_from((shown - 1 - exponent).max(0)).unwrap_or(0);
    match precision {
        None => format!("{it}"),
        // Through the rounded digits: rounding once more at another place would round twice.
        Some(_) => trimmed_number(trimmed, exponent, places),
    }
}

/// The shortest text changes to an exponent from this power of ten on.
const SHORTEST: i64 = 6;

fn trimmed_number(digits: &str, exponent: i64, places: usize) -> String {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let plain: String = digits.chars().filter(char::is_ascii_digit).collect();
    match usize::try_from(exponent) {
        Ok(exponent) => {
            let whole = exponent + 1;
            let padded = format!("{plain:0<whole$}");
            let (whole, fraction) = padded.split_at(whole);
            if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
        }
        Err(_) => {
            let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
            format!("{sign}0.{zeros}{plain}")
        }
    }
}

fn parts(it: f64) -> (u64, i64) {
    let bits = it.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let exponent = i64::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
    if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) }
}

fn mantissa(it: f64) -> String {
    let (mantissa, exponent) = parts(it);
    let sign = if it.is_sign_negative() { "-" } else { "" };
    format!("{sign}{mantissa}p{exponent:+}")
}

fn hexadecimal(it: f64, precision: Option<usize>, upper: bool) -> String {
    let sign = if it.is_sign_negative() { "-" } else { "" };
    let (mut mantissa, mut exponent) = parts(it);
    if mantissa == 0 {
        exponent = 0;
    } else {
        while mantissa & (1 << 52) == 0 {
            mantissa <<= 1;
            exponent -= 1;
        }
        exponent += 52;
    }
    let mut digits = 13;
    if let Some(precision) = precision.filter(|&it| it < 13) {
        let cut = (13 - precision) * 4;
        let lost = mantissa & ((1 << cut) - 1);
        let half = 1_u64 << (cut - 1);
        mantissa >>= cut;
        if lost > half || lost == half && mantissa & 1 == 1 {
            mantissa += 1;
        }
        mantissa <<= cut;
        if mantissa >> 53 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
        digits = precision;
    }
    let whole = mantissa >> 52;
    let all = format!("{:013x}", mantissa & ((1 << 52) - 1));
    let fraction = match precision {
        Some(precision) => format!("{:0<precision$}", all.get(..digits).unwrap_or(&all)),
        None => all.trim_end_matches('0').to_owned(),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let (direction, magnitude) = if exponent < 0 { ('-', -exponent) } else { ('+', exponent) };
    let text = format!("{sign}0x{whole}{point}{fraction}p{direction}{magnitude:02}");
    if upper { text.to_uppercase() } else { text }
}

/// With the sharp flag: always a point, and trailing zeros up to the precision.
pub(super) fn with_point(number: &str, verb: char, precision: Option<usize>) -> String {
    let mut digits = match verb {
        'v' | 'g' | 'G' | 'x' => precision.map_or(6, |it| i64::try_from(it).unwrap_or(i64::MAX)),
        _ => 0,
    };
    let hexadecimal = matches!(verb, 'x' | 'X');
    let tail_at = number.find(|it: char| matches!(it, 'p' | 'P') || !hexadecimal && matches!(it, 'e' | 'E'));
    let (body, tail) = number.split_at(tail_at.unwrap_or(number.len()));
    let mut seen = false;
    for it in body.chars().filter(|&it| it != '.') {
        seen |= it != '0';
        if seen {
            digits -= 1;
        }
    }
    let mut text = body.to_owned();
    if !body.contains('.') {
        if body == "0" {
            digits -= 1;
        }
        text.push('.');
    }
    text.push_str(&"0".repeat(usize::try_from(digits.clamp(0, 1_000_000)).unwrap_or(0)));
    text + tail
}
