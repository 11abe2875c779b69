//! What every view has in common: its frame, its pages of rows, words for states and times.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use k8s_openapi::jiff::Timestamp;
use registrar_core::explain::Near;
use registrar_core::ledger::book::EntryState;
use registrar_core::report::{ConditionReport, ConditionStatus};
use serde::Deserialize;

use super::{Page, ROWS};
use crate::admin::Unanswered;

/// What stands around a view.
#[derive(Debug)]
pub(super) struct Top {
    pub(super) title: String,
    pub(super) trust_domain: String,
    /// The path of the view that this is, or is below of.
    pub(super) here: &'static str,
    /// What is being looked for.
    pub(super) query: String,
    /// How many seconds have to lie between two looks at it; 0: it is not looked at again.
    pub(super) every: u32,
    pub(super) at: Timestamp,
}

impl Top {
    pub(super) const VIEWS: [(&str, &str); 4] =
        [("/", "Fleet"), ("/waiting", "Held"), ("/past", "Last hour"), ("/writes", "Last writes")];

    pub(super) fn clock(&self) -> String {
        clock(&self.at)
    }
}

impl Page {
    /// The frame of a view that follows what happens.
    pub(super) fn top(&self, title: impl Into<String>, here: &'static str) -> Top {
        let trust_domain = self.trust_domain.clone();
        Top { title: title.into(), trust_domain, here, query: String::new(), every: 1, at: Timestamp::now() }
    }

    /// The view that says why there is none.
    pub(super) fn refused(&self, query: &str, why: &Unanswered) -> Response {
        let links = why.near().into_iter().map(|near| match near {
            Near::Cluster(name) => Link { href: format!("/clusters/{name}"), text: name },
            Near::Identity(name) => Link { href: format!("/identities/{name}"), text: name },
            Near::Pod(name) => Link { href: search(&name), text: name },
        });
        let top = Top { query: query.to_owned(), every: 0, ..self.top("Not found", "") };
        let view = Search { top, answer: format!("{why}."), links: links.collect() };
        (why.status(), rendered(&view)).into_response()
    }
}

/// What was found, or why nothing was.
#[derive(Debug, Template)]
#[template(path = "search.html")]
pub(super) struct Search {
    pub(super) top: Top,
    pub(super) answer: String,
    pub(super) links: Vec<Link>,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) href: String,
    pub(super) text: String,
}

/// The search for something.
pub(super) fn search(query: &str) -> String {
    let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("q", query).finish();
    format!("/search?{query}")
}

/// To another view.
pub(super) fn redirect(path: &str) -> Response {
    Redirect::to(path).into_response()
}

pub(super) fn rendered(view: &impl Template) -> Response {
    match view.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Which rows of a list are shown.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) noun: &'static str,
    all: usize,
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
    from: usize,
}

impl Pages {
    /// Those of page `number`, the first being 1; `href` is where another page is.
    pub(super) fn of(
        noun: &'static str,
        all: usize,
        number: Option<usize>,
        href: impl Fn(usize) -> String,
    ) -> Self {
        let last = all.div_ceil(ROWS).max(1);
        let number = number.unwrap_or(1).max(1);
        Self {
            noun,
            all,
            previous: (number > 1).then(|| href((number - 1).min(last))),
            next: (number < last).then(|| href(number + 1)),
            from: before(Some(number)),
        }
    }

    /// The rows that are shown of all.
    pub(super) fn cut<T>(&self, rows: impl Iterator<Item = T>) -> Vec<T> {
        rows.skip(self.from).take(ROWS).collect()
    }

    pub(super) fn are_several(&self) -> bool {
        self.all > ROWS || self.from > 0
    }

    pub(super) fn text(&self) -> String {
        let Self { from, all, noun, .. } = self;
        if from >= all {
            return format!("There are only {all} {noun}.");
        }
        format!("{} to {} of {all} {noun}.", from + 1, (from + ROWS).min(*all))
    }
}

/// The rows before a page.
pub(super) fn before(number: Option<usize>) -> usize {
    number.unwrap_or(1).saturating_sub(1).saturating_mul(ROWS)
}

/// Which page of a list somebody asks for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Numbers {
    pub(super) clusters: Option<usize>,
    pub(super) identities: Option<usize>,
    pub(super) pods: Option<usize>,
    pub(super) writes: Option<usize>,
}

/// How something stands: the word beside it says it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Open,
    Plain,
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Open => "open",
            Self::Plain => "plain",
        }
    }

    pub(super) fn of_verdict(verdict: &str) -> Self {
        match verdict {
            "Derived" => Self::Good,
            "Failing" | "Broken" | "Denied" => Self::Bad,
            "Waiting" | "Deleting" => Self::Open,
            _ => Self::Plain,
        }
    }

    pub(super) fn of_entry(state: &EntryState) -> Self {
        match state {
            EntryState::InStep => Self::Good,
            EntryState::Conflict => Self::Bad,
            EntryState::ToCreate | EntryState::ToUpdate | EntryState::ToDelete | EntryState::Held => {
                Self::Open
            }
        }
    }

    pub(super) fn of_agent(state: &str) -> Self {
        match state {
            "Attested" => Self::Good,
            "Unknown" => Self::Open,
            _ => Self::Bad,
        }
    }

    pub(super) fn of_outcome(outcome: &str) -> Self {
        match outcome {
            "Done" => Self::Good,
            "Unknown" => Self::Open,
            _ => Self::Bad,
        }
    }
}

/// One condition in a table.
#[derive(Debug)]
pub(super) struct ConditionRow {
    pub(super) kind: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: String,
    status: ConditionStatus,
}

impl ConditionRow {
    pub(super) fn of(condition: &ConditionReport) -> Self {
        let ConditionReport { kind, status, reason, message } = condition;
        Self { kind, reason, message: message.clone(), status: *status }
    }

    pub(super) fn class(&self) -> &'static str {
        // The one that is there only where something is wrong.
        if self.kind == "Stalled" { Tone::Bad.class() } else { tone(self.status).class() }
    }

    pub(super) fn word(&self) -> &'static str {
        self.status.as_str()
    }
}

fn tone(status: ConditionStatus) -> Tone {
    match status {
        ConditionStatus::True => Tone::Good,
        ConditionStatus::False => Tone::Bad,
        ConditionStatus::Unknown => Tone::Open,
    }
}

/// How an object stands, of its conditions: as `status` tells it.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) is_ready: bool,
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Standing {
    pub(super) fn of(conditions: &[ConditionReport]) -> Self {
        let of = |kind: &str| conditions.iter().find(|condition| condition.kind == kind);
        let invalid = of("Valid").filter(|valid| valid.status == ConditionStatus::False);
        let Some(told) = invalid.or_else(|| of("Ready")) else {
            return Self {
                is_ready: false,
                class: Tone::Open.class(),
                word: "Not known yet",
                reason: "NotSeen",
                message: String::new(),
            };
        };
        let word = match told.status {
            ConditionStatus::True => "Ready",
            ConditionStatus::False => "Not ready",
            ConditionStatus::Unknown => "Not known yet",
        };
        Self {
            is_ready: told.status == ConditionStatus::True,
            class: tone(told.status).class(),
            word,
            reason: told.reason,
            message: told.message.clone(),
        }
    }
}

/// A term and what it is.
#[derive(Debug)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) text: String,
    /// The look of `word`, where there is one.
    pub(super) class: Option<&'static str>,
    pub(super) word: &'static str,
    pub(super) is_code: bool,
}

impl Fact {
    pub(super) fn new(name: &'static str, text: impl ToString) -> Self {
        Self { name, text: text.to_string(), class: None, word: "", is_code: false }
    }

    pub(super) fn code(name: &'static str, text: impl ToString) -> Self {
        Self { is_code: true, ..Self::new(name, text) }
    }

    pub(super) fn state(name: &'static str, tone: Tone, word: &'static str, text: impl ToString) -> Self {
        Self { class: Some(tone.class()), word, ..Self::new(name, text) }
    }
}

/// `1 pod`, `2 pods`, `2 entries`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if count == 1 => format!("1 {noun}"),
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {noun}s"),
    }
}

/// The time of day in UTC.
pub(super) fn clock(at: &Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

/// How long ago, in the largest unit that fits.
pub(super) fn ago(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    let units = [(86_400.0, "d"), (3600.0, "h"), (60.0, "min")];
    let (size, unit) = units.into_iter().find(|(size, _)| seconds >= *size).unwrap_or((1.0, "s"));
    format!("{:.0} {unit} ago", (seconds / size).floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_cut_into_pages() {
        let href = |number| format!("/?pods={number}");
        let first = Pages::of("pods", 250, None, href);
        assert_eq!((first.text(), first.previous.as_deref()), ("1 to 100 of 250 pods.".to_owned(), None));
        let beyond = Pages::of("pods", 250, Some(9), href);
        assert_eq!(beyond.text(), "There are only 250 pods.");
        assert_eq!((beyond.previous.as_deref(), beyond.next.as_deref()), (Some("/?pods=3"), None));
        let last = Pages::of("pods", 250, Some(3), href);
        assert_eq!(last.text(), "201 to 250 of 250 pods.");
        assert_eq!((last.previous.as_deref(), last.next.as_deref()), (Some("/?pods=2"), None));
        assert_eq!(last.cut(0..250), (200..250).collect::<Vec<_>>());
        assert_eq!(before(Some(3)), 200);
    }

    #[test]
    fn ages_are_told_in_the_largest_unit() {
        let told = [0.4, 59.9, 60.0, 7200.0, 200_000.0, -1.0].map(ago);
        assert_eq!(told, ["0 s ago", "59 s ago", "1 min ago", "2 h ago", "2 d ago", "0 s ago"]);
    }
}
