//! Kubernetes' quantities, as far as templates see them: parsed, and printed in canonical form.

/// An amount, `value * 10^scale`, and the family of suffixes that it was written with.
#[derive(Debug, Clone, Default)]
pub(super) struct Quantity {
    pub(super) value: i128,
    pub(super) scale: i32,
    format: Format,
    /// As it was written, where that is canonical already.
    written: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Format {
    #[default]
    None,
    DecimalSI,
    DecimalExponent,
    BinarySI,
}

const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

impl Quantity {
    /// Reads `100m`, `1.5Gi`, `1e3`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self { format: Format::DecimalSI, written: text.to_owned(), ..Self::default() });
        }
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let negative = text.starts_with('-');
        let end = unsigned.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        if number.is_empty() || fraction.contains('.') {
            return None;
        }
        let digits = format!("{whole}{fraction}");
        let mut value: i128 = digits.get(..30).map_or_else(|| digits.parse().ok(), |_| None)?;
        let places = i32::try_from(fraction.len()).ok()?;
        let signed = |value: i128| if negative { -value } else { value };
        if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
            let odd = value & 7 != 0;
            let multiplied = value.checked_mul(1_i128 << power)?;
            let exact = places == 0;
            let written = if exact && odd { text } else { "" };
            let mut quantity = Self {
                value: signed(multiplied),
                scale: -places,
                format: Format::BinarySI,
                written: written.to_owned(),
            };
            if quantity.below_one() {
                quantity.format = Format::DecimalSI;
            }
            return Some(quantity);
        }
        let (format, exponent) = match DECIMAL.iter().find(|(name, _)| *name == suffix) {
            Some((_, exponent)) => (Format::DecimalSI, *exponent),
            None => (Format::DecimalExponent, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
        };
        let scale = exponent - places;
        let canonical = scale % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0') && scale >= -9;
        let written = if canonical { text.to_owned() } else { String::new() };
        // Nothing is finer than a billionth: the rest is rounded up.
        let mut scale = scale;
        while scale < -9 {
            value = value / 10 + i128::from(value % 10 != 0);
            scale += 1;
        }
        Some(Self { value: signed(value), scale, format, written })
    }

    /// Zero, of a family of suffixes.
    pub(super) fn none_of(format: &str) -> Self {
        let format = if format == "BinarySI" { Format::BinarySI } else { Format::DecimalSI };
        Self { format, ..Self::default() }
    }

    fn below_one(&self) -> bool {
        self.value != 0 && self.rounded().is_none_or(|whole| whole == 0)
    }

    /// The whole number, if it is one.
    fn rounded(&self) -> Option<i128> {
        match u32::try_from(self.scale) {
            Ok(scale) => self.value.checked_mul(10_i128.checked_pow(scale)?),
            Err(_) => {
                let unit = 10_i128.checked_pow(self.scale.unsigned_abs())?;
                (self.value % unit == 0).then(|| self.value / unit)
            }
        }
    }

    /// The amount in units of `10^-places`, rounded up.
    pub(super) fn scaled(&self, places: i32) -> i64 {
        let scale = self.scale + places;
        let scaled = match u32::try_from(scale) {
            Ok(scale) => 10_i128.checked_pow(scale).and_then(|unit| self.value.checked_mul(unit)),
            Err(_) => 10_i128.checked_pow(scale.unsigned_abs()).map(|unit| {
                let away = if self.value % unit == 0 { 0 } else { self.value.signum() };
                self.value / unit + away
            }),
        };
        scaled.and_then(|it| i64::try_from(it).ok()).unwrap_or(i64::MAX)
    }

    pub(super) fn is_zero(&self) -> bool {
        self.value == 0
    }

    pub(super) fn format(&self) -> &'static str {
        match self.format {
            Format::None => "",
            Format::DecimalSI => "DecimalSI",
            Format::DecimalExponent => "DecimalExponent",
            Format::BinarySI => "BinarySI",
        }
    }

    /// As `String` gives it.
    pub(super) fn text(&self) -> String {
        if !self.written.is_empty() {
            return self.written.clone();
        }
        if self.value == 0 {
            return "0".to_owned();
        }
        if self.format == Format::BinarySI
            && let Some(mut whole) = self.rounded().filter(|whole| !(-1024 < *whole && *whole < 1024))
        {
            let mut power = 0;
            while whole % 1024 == 0 && power < BINARY.len() {
                whole /= 1024;
                power += 1;
            }
            let suffix = power.checked_sub(1).and_then(|at| BINARY.get(at)).map_or("", |(name, _)| name);
            return format!("{whole}{suffix}");
        }
        let (mut value, mut scale) = (self.value, self.scale);
        while value % 10 == 0 {
            value /= 10;
            scale += 1;
        }
        while scale.rem_euclid(3) != 0 {
            value *= 10;
            scale -= 1;
        }
        if self.format != Format::DecimalExponent
            && self.format != Format::None
            && let Some((suffix, _)) = DECIMAL.iter().find(|(_, exponent)| *exponent == scale)
        {
            return format!("{value}{suffix}");
        }
        if scale == 0 { value.to_string() } else { format!("{value}e{scale}") }
    }

    /// As `%v` shows the struct itself.
    pub(super) fn raw(&self) -> String {
        format!("{{{{{} {}}} {{<nil>}} {} {}}}", self.value, self.scale, self.written, self.format())
    }

    pub(super) fn float(&self) -> f64 {
        self.value as f64 * 10_f64.powi(self.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn quantities_are_printed_in_canonical_form() {
        for (written, canonical) in [
            ("100m", "100m"),
            ("0.5", "500m"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("2000", "2k"),
            ("128Mi", "128Mi"),
            ("1e3", "1e3"),
            ("0", "0"),
            ("1000m", "1"),
            ("-1.5", "-1500m"),
            ("64Ki", "64Ki"),
        ] {
            assert_eq!(Quantity::parse(written).unwrap().text(), canonical, "{written}");
        }
        assert!(Quantity::parse("1x").is_none());
        assert_eq!(Quantity::parse("1500m").unwrap().scaled(0), 2);
    }
}
