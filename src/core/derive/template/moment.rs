//! Points in time: parsed from RFC 3339, printed and formatted as Go does, always in UTC.

/// Seconds of a day.
const DAY: i64 = 86_400;

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    /// Since 1970.
    pub(super) seconds: i64,
    pub(super) nanos: u32,
}

/// Year, month, day, hour, minute, second.
pub(super) struct Parts {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    /// Sunday is 0.
    pub(super) weekday: i64,
    /// January 1st is 1.
    pub(super) year_day: i64,
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The days from 1970 to a date of the Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl Moment {
    /// Go's zero time, the first second of year 1.
    pub(super) const ZERO: Self = Self { seconds: -62_135_596_800, nanos: 0 };

    /// An RFC 3339 time.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = text.get(from..to)?;
            digits.bytes().all(|it| it.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
        };
        let separated = text.get(4..5)? == "-"
            && text.get(7..8)? == "-"
            && text.get(10..11)? == "T"
            && text.get(13..14)? == ":"
            && text.get(16..17)? == ":";
        if !separated {
            return None;
        }
        let seconds = days(number(0, 4)?, number(5, 7)?, number(8, 10)?) * DAY
            + number(11, 13)? * 3600
            + number(14, 16)? * 60
            + number(17, 19)?;
        let mut rest = text.get(19..)?;
        let mut nanos = 0;
        if let Some(fraction) = rest.strip_prefix('.') {
            let digits: String = fraction.chars().take_while(char::is_ascii_digit).collect();
            rest = fraction.get(digits.len()..)?;
            nanos = format!("{digits:0<9}").get(..9)?.parse().ok()?;
        }
        let offset = match rest {
            "Z" => 0,
            zone => {
                let sign = if zone.starts_with('-') { -1 } else { 1 };
                let hours: i64 = zone.get(1..3)?.parse().ok()?;
                let minutes: i64 = zone.get(4..6)?.parse().ok()?;
                sign * (hours * 3600 + minutes * 60)
            }
        };
        Some(Self { seconds: seconds - offset, nanos })
    }

    pub(super) fn parts(self) -> Parts {
        let days_since = self.seconds.div_euclid(DAY);
        let of_day = self.seconds.rem_euclid(DAY);
        let shifted = days_since + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Parts {
            year,
            month,
            day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            weekday: (days_since + 4).rem_euclid(7),
            year_day: days_since - days(year, 1, 1) + 1,
        }
    }

    /// As `%v` prints it.
    pub(super) fn text(self) -> String {
        self.format("2006-01-02 15:04:05.999999999 -0700 MST")
    }

    /// As `%#v` prints it. What is read from an object is in the local zone, which is UTC here.
    pub(super) fn go_string(self) -> String {
        let Parts { year, month, day, hour, minute, second, .. } = self.parts();
        let month = usize::try_from(month - 1).ok().and_then(|it| MONTHS.get(it)).copied().unwrap_or("");
        let zone = if self == Self::ZERO { "time.UTC" } else { "time.Local" };
        format!("time.Date({year}, time.{month}, {day}, {hour}, {minute}, {second}, {}, {zone})", self.nanos)
    }

    /// By a layout that spells Go's reference time.
    pub(super) fn format(self, layout: &str) -> String {
        let parts = self.parts();
        let mut text = String::new();
        let mut rest = layout;
        while !rest.is_empty() {
            match token(rest, &text) {
                Some((length, token)) => {
                    self.push(&mut text, &parts, token);
                    rest = rest.get(length..).unwrap_or_default();
                }
                None => {
                    let next = rest.chars().next().unwrap_or_default();
                    text.push(next);
                    rest = rest.get(next.len_utf8()..).unwrap_or_default();
                }
            }
        }
        text
    }

    fn push(self, text: &mut String, parts: &Parts, token: Token<'_>) {
        let name = |names: &[&str], index: i64, length: Option<usize>| {
            let name = usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or("");
            name.get(..length.unwrap_or(name.len())).unwrap_or(name).to_owned()
        };
        let twelve = match parts.hour % 12 {
            0 => 12,
            hour => hour,
        };
        let shown = match token {
            Token::Word(word) => match word {
                "January" => name(&MONTHS, parts.month - 1, None),
                "Jan" => name(&MONTHS, parts.month - 1, Some(3)),
                "1" => parts.month.to_string(),
                "01" => format!("{:02}", parts.month),
                "Monday" => name(&DAYS, parts.weekday, None),
                "Mon" => name(&DAYS, parts.weekday, Some(3)),
                "2" => parts.day.to_string(),
                "_2" => format!("{:2}", parts.day),
                "02" => format!("{:02}", parts.day),
                "__2" => format!("{:3}", parts.year_day),
                "002" => format!("{:03}", parts.year_day),
                "15" => format!("{:02}", parts.hour),
                "3" => twelve.to_string(),
                "03" => format!("{twelve:02}"),
                "4" => parts.minute.to_string(),
                "04" => format!("{:02}", parts.minute),
                "5" => parts.second.to_string(),
                "05" => format!("{:02}", parts.second),
                "2006" => format!("{:04}", parts.year),
                "06" => format!("{:02}", parts.year.rem_euclid(100)),
                "PM" => if parts.hour >= 12 { "PM" } else { "AM" }.to_owned(),
                "pm" => if parts.hour >= 12 { "pm" } else { "am" }.to_owned(),
                "MST" => "UTC".to_owned(),
                "Z0700" | "Z07:00" | "Z07" | "Z070000" | "Z07:00:00" => "Z".to_owned(),
                "-0700" => "+0000".to_owned(),
                "-07:00" => "+00:00".to_owned(),
                "-07" => "+00".to_owned(),
                "-070000" => "+000000".to_owned(),
                "-07:00:00" => "+00:00:00".to_owned(),
                _ => String::new(),
            },
            Token::Fraction { separator, digits, trims } => {
                let all = format!("{:09}", self.nanos);
                let mut fraction = all.get(..digits).unwrap_or(&all).to_owned();
                if trims {
                    fraction.truncate(fraction.trim_end_matches('0').len());
                }
                if fraction.is_empty() { fraction } else { format!("{separator}{fraction}") }
            }
        };
        text.push_str(&shown);
    }
}

enum Token<'a> {
    Word(&'a str),
    Fraction { separator: char, digits: usize, trims: bool },
}

/// Longest first, where one begins another.
const WORDS: [&str; 29] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "__2",
    "002",
    "_2",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "PM",
    "pm",
    "-07:00:00",
    "-070000",
    "-07:00",
    "-0700",
    "-07",
    "1",
    "2",
    "3",
    "4",
    "5",
    "Z",
];
const ZONES: [&str; 5] = ["Z07:00:00", "Z070000", "Z07:00", "Z0700", "Z07"];

fn token<'a>(rest: &'a str, _before: &str) -> Option<(usize, Token<'a>)> {
    let begins = |word: &str| rest.starts_with(word).then_some(word.len());
    if let Some(separator) = rest.chars().next().filter(|it| matches!(it, '.' | ','))
        && let Some(digit) = rest.chars().nth(1).filter(|it| matches!(it, '0' | '9'))
    {
        let run = rest.chars().skip(1).take_while(|&it| it == digit).count();
        // Digits that go on are no fraction.
        if !rest.chars().nth(1 + run).is_some_and(|it| it.is_ascii_digit()) {
            let digits = run.min(9);
            return Some((1 + run, Token::Fraction { separator, digits, trims: digit == '9' }));
        }
    }
    for zone in ZONES {
        if let Some(length) = begins(zone) {
            return Some((length, Token::Word(rest.get(..length)?)));
        }
    }
    for word in WORDS {
        let Some(length) = begins(word).filter(|_| word != "Z") else { continue };
        // "Jan" of a longer word that is no month, as in "Janet", stays text in Go as well.
        let follows = rest.get(length..).and_then(|it| it.chars().next());
        if word == "Jan" && follows.is_some_and(|it| it.is_ascii_lowercase()) {
            continue;
        }
        if word == "Mon" && follows.is_some_and(|it| it.is_ascii_lowercase()) {
            continue;
        }
        if word == "_2" && rest.starts_with("_2006") {
            return None;
        }
        return Some((length, Token::Word(rest.get(..length)?)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_parsed_taken_apart_and_formatted() {
        let moment = Moment::parse("2025-09-02T08:48:28Z").unwrap();
        assert_eq!(moment.seconds, 1_756_802_908);
        assert_eq!(moment.text(), "2025-09-02 08:48:28 +0000 UTC");
        assert_eq!(moment.format("Mon Jan _2 3:04PM 2006 -07:00 002"), "Tue Sep  2 8:48AM 2025 +00:00 245");
        assert_eq!(Moment::ZERO.text(), "0001-01-01 00:00:00 +0000 UTC");
        let zoned = Moment::parse("2025-09-02T08:48:28.25+02:00").unwrap();
        assert_eq!(zoned.text(), "2025-09-02 06:48:28.25 +0000 UTC");
        assert_eq!(Moment::parse("yesterday"), None);
    }
}
