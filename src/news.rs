//! What of an object's conditions is news: one that has become another, and a plan that is held under another digest.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use registrar_core::held;

/// How soon a plan that has become another is told again: one that changes with each pod is told in the condition alone.
pub const PLAN_PAUSE: Duration = Duration::from_secs(10);

/// A condition, as far as it decides whether there is something to tell.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    kind: &'a str,
    status: &'a str,
    reason: &'a str,
    /// The digest of the plan that it tells of.
    plan: Option<&'a str>,
}

impl<'a> Seen<'a> {
    /// Of these parts of a condition.
    pub fn new(kind: &'a str, status: &'a str, reason: &'a str, message: &'a str) -> Self {
        // Ready only says again what another condition tells.
        let plan = if kind == "Ready" { None } else { held::digest_in(message) };
        Self { kind, status, reason, plan }
    }

    /// Whether it tells of a plan that waits for a release.
    pub fn is_of_plan(&self) -> bool {
        self.plan.is_some()
    }
}

/// What there is to tell of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Nothing,
    /// It has become another.
    Another,
    /// Its plan has become another.
    AnotherPlan,
    /// Its plan has become another, which is told then.
    Later(Instant),
}

/// The conditions of one object as they were told last.
#[derive(Debug, Default)]
pub struct News(BTreeMap<String, Told>);

#[derive(Debug)]
struct Told {
    status: String,
    reason: String,
    plan: Option<String>,
    /// None where another process told it.
    at: Option<Instant>,
}

impl News {
    /// Forgets conditions that are not there any more: one that comes again is told again.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.0.retain(|kind, _| is_there(kind));
    }

    /// What there is to tell at this time.
    pub fn of(&self, seen: &Seen<'_>, now: Instant) -> Verdict {
        let Some(told) = self.0.get(seen.kind) else { return Verdict::Another };
        if (&*told.status, &*told.reason) != (seen.status, seen.reason) {
            return Verdict::Another;
        }
        if seen.plan.is_none() || told.plan.as_deref() == seen.plan {
            return Verdict::Nothing;
        }
        match told.at.map(|at| at + PLAN_PAUSE) {
            Some(at) if at > now => Verdict::Later(at),
            _ => Verdict::AnotherPlan,
        }
    }

    /// Notes what is told; `at` is none where another process told it.
    pub fn told(&mut self, seen: &Seen<'_>, at: Option<Instant>) {
        let Seen { kind, status, reason, plan } = *seen;
        let [status, reason] = [status, reason].map(str::to_owned);
        self.0.insert(kind.to_owned(), Told { status, reason, plan: plan.map(str::to_owned), at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_plan_is_told_when_it_is_time_and_ready_only_repeats_it() {
        let (mut news, begin) = (News::default(), Instant::now());
        let texts = ["a", "b"].map(|digest| {
            format!("Held. annotate it with {}={digest}", registrar_core::api::RELEASE_ANNOTATION)
        });
        let [first, second] =
            texts.each_ref().map(|text| Seen::new("WithinBudgets", "False", "Braked", text));
        assert_eq!(news.of(&first, begin), Verdict::Another);
        news.told(&first, Some(begin));
        assert_eq!(news.of(&first, begin + PLAN_PAUSE), Verdict::Nothing);
        assert_eq!(news.of(&second, begin), Verdict::Later(begin + PLAN_PAUSE));
        assert_eq!(news.of(&second, begin + PLAN_PAUSE), Verdict::AnotherPlan);
        // Of what another process told nobody knows when.
        news.told(&first, None);
        assert_eq!(news.of(&second, begin), Verdict::AnotherPlan);
        let [first, second] = texts.each_ref().map(|text| Seen::new("Ready", "False", "Braked", text));
        news.told(&first, None);
        assert_eq!(news.of(&second, begin), Verdict::Nothing);
        news.retain(|kind| kind == "Ready");
        assert_eq!(
            news.of(&Seen::new("WithinBudgets", "False", "Braked", &texts[0]), begin),
            Verdict::Another
        );
    }
}
