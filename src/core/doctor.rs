//! What is in the way, from facts that somebody has asked for: a line for each step, and for all that is not well the mend.

mod configuration;
mod management;
mod mend;
mod registry;
mod spire;

use std::fmt;

use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use management::{
    Certificate, Kind, LeaseSeen, Management, Server, Webhook, WebhookConfiguration, fields_missing,
};
pub use registry::{Described, Host, Reached, Registry, target};
pub use spire::Spire;

use crate::api::Problem;
use crate::config::Config;
use crate::rights::Right;

/// What a question came to; none: it was not asked, because one before it failed.
pub type Answer<T> = Option<Result<T, Failed>>;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// A fixed CamelCase word, one of [`crate::reasons::REASONS`] where it is about a cluster.
    pub reason: String,
    /// What was said, for people.
    pub message: String,
    /// What is to be done, where whoever failed knows it best.
    #[serde(default)]
    pub next: String,
}

impl Failed {
    /// A failure whose next step goes by its reason.
    pub fn new(reason: &str, message: impl fmt::Display) -> Self {
        Self { reason: reason.to_owned(), message: message.to_string(), next: String::new() }
    }
}

/// The right that was asked for, and whether it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// Which.
    pub right: Right,
    /// Whether whoever asks has it.
    pub is_granted: Result<bool, Failed>,
}

/// The configuration as it was found.
#[derive(Debug)]
pub enum Configuration {
    /// No file was named: every default, and nothing is compared with it.
    Absent(Config),
    /// It is good.
    Good(Config),
    /// It has these problems.
    Bad(Vec<Problem>),
}

impl Configuration {
    /// What the rest is looked at by; none where it cannot be used.
    pub fn config(&self) -> Option<&Config> {
        match self {
            Self::Absent(config) | Self::Good(config) => Some(config),
            Self::Bad(_) => None,
        }
    }
}

/// All that was asked.
#[derive(Debug)]
pub struct Facts {
    /// When.
    pub now: Timestamp,
    /// The file's path.
    pub place: String,
    /// What is in it.
    pub configuration: Configuration,
    /// SPIRE; none where the configuration does not say where it is.
    pub spire: Option<Spire>,
    /// The management cluster.
    pub management: Management,
    /// As whom AWS knows this process, an ARN; none where the configuration does not say which region to ask in.
    pub caller: Answer<String>,
    /// The registries that were asked about.
    pub registries: Vec<Registry>,
}

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Not looked at, since something that it depends on failed.
    Skipped,
    /// It works, and somebody should know.
    Warning,
    /// It does not work.
    Failure,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What was looked at.
    pub check: String,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What mends it: sentences, and below each what is to be typed or written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mend: Vec<String>,
}

/// What was looked at in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// `configuration`, `spire`, `management`, `aws`, or `registry/NAME`.
    pub about: String,
    /// For people: where it is.
    pub title: String,
    /// In the order in which one depends on another.
    pub lines: Vec<Line>,
}

impl Section {
    fn new(about: impl Into<String>, title: impl Into<String>) -> Self {
        Self { about: about.into(), title: title.into(), lines: Vec::new() }
    }

    fn add(
        &mut self,
        check: impl Into<String>,
        verdict: Verdict,
        found: impl Into<String>,
        mend: Vec<String>,
    ) {
        let found = found.into().trim_end_matches('.').to_owned();
        self.lines.push(Line { check: check.into(), verdict, found, mend });
    }

    fn ok(&mut self, check: &str, found: impl Into<String>) {
        self.add(check, Verdict::Ok, found, Vec::new());
    }

    fn warning(&mut self, check: &str, found: impl Into<String>, mend: Vec<String>) {
        self.add(check, Verdict::Warning, found, mend);
    }

    fn failure(&mut self, check: &str, found: impl Into<String>, mend: Vec<String>) {
        self.add(check, Verdict::Failure, found, mend);
    }

    fn skipped(&mut self, check: &str, because: &str) {
        self.add(check, Verdict::Skipped, format!("because {because}"), Vec::new());
    }
}

/// All lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The worst of all lines.
    pub verdict: Verdict,
    /// By place.
    pub sections: Vec<Section>,
}

/// Judges the facts.
pub fn diagnose(facts: &Facts) -> Diagnosis {
    let mut sections = vec![
        configuration::judge(facts),
        spire::judge(facts),
        management::judge(facts),
        registry::judge_caller(facts),
    ];
    sections.extend(facts.registries.iter().map(|registry| registry::judge(facts, registry)));
    let lines = sections.iter().flat_map(|section| &section.lines);
    let verdict = lines.map(|line| line.verdict).max().unwrap_or(Verdict::Ok);
    Diagnosis { verdict, sections }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "WARNING",
            Self::Failure => "FAILURE",
        })
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = || self.sections.iter().flat_map(|section| &section.lines);
        let width = all().map(|line| line.check.chars().count()).max().unwrap_or_default();
        for Section { title, lines, .. } in self.sections.iter().filter(|section| !section.lines.is_empty()) {
            writeln!(f, "{title}")?;
            for Line { check, verdict, found, mend } in lines {
                writeln!(f, "  {verdict:7}  {check:width$}  {found}")?;
                mend.iter()
                    .flat_map(|mend| mend.lines())
                    .try_for_each(|mend| writeln!(f, "           {mend}"))?;
            }
            writeln!(f)?;
        }
        let count = |verdict, one: &str, several: &str| {
            let count = all().filter(|line| line.verdict == verdict).count();
            format!("{count} {}", if count == 1 { one } else { several })
        };
        let (ok, skipped) = (count(Verdict::Ok, "ok", "ok"), count(Verdict::Skipped, "skipped", "skipped"));
        let warnings = count(Verdict::Warning, "warning", "warnings");
        let failures = count(Verdict::Failure, "failure", "failures");
        writeln!(f, "{ok}, {warnings}, {failures}, {skipped}")
    }
}

/// Why a question that was asked has no answer.
fn failure<T>(answer: &Answer<T>) -> Option<&Failed> {
    answer.as_ref()?.as_ref().err()
}

/// One or more as text, `a, b`.
fn listed<T: fmt::Display>(all: impl IntoIterator<Item = T>) -> String {
    all.into_iter().map(|it| it.to_string()).collect::<Vec<_>>().join(", ")
}
