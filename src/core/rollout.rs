//! An edit of an identity goes through the fleet by clusters in waves: which clusters have it next, and what is in its way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use crate::api::{Problem, RolloutSpec, RolloutStatus, WorkloadIdentitySpec};
use crate::desired::IdentityStanding;
use crate::duration::go_duration;
use crate::index::{Index, RolloutView};
use crate::ledger::Outcome;
use crate::mutants::{self, Mutant};
use crate::names::{ClusterName, IdentityName};

/// `spec.rollout.pause` where it is absent.
const PAUSE: Duration = Duration::from_secs(600);
/// So many steps at most; the CRD says the same.
const MOST_STEPS: usize = 20;

/// `spec.rollout`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waves {
    steps: Vec<Share>,
    /// How long a wave has to be in step without failures.
    pub pause: Duration,
}

/// How many clusters of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    Number(usize),
    Percent(usize),
}

impl Waves {
    /// Checks a spec; the error is all problems at once, each with its field.
    pub fn compile(spec: &RolloutSpec) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut wrong = |field: String, message: String| {
            problems.push(Problem::new("InvalidRollout", &field, message));
        };
        if !(1..=MOST_STEPS).contains(&spec.steps.len()) {
            let count = spec.steps.len();
            wrong("spec.rollout.steps".to_owned(), format!("has {count} steps, must have 1 to {MOST_STEPS}"));
        }
        let mut steps = Vec::new();
        for (at, step) in spec.steps.iter().enumerate() {
            match Share::of(&step.clusters) {
                Some(share) => steps.push(share),
                None => wrong(
                    format!("spec.rollout.steps[{at}].clusters"),
                    format!(
                        "is {}, must be a number above 0 such as 1, or a percentage from \"1%\" to \"100%\"",
                        shown(&step.clusters)
                    ),
                ),
            }
        }
        let pause = match spec.pause.as_deref() {
            None => PAUSE,
            Some(text) => go_duration(text).unwrap_or_else(|error| {
                let message = format!("{text:?} must be a Go duration such as 10m or 1h ({error})");
                wrong("spec.rollout.pause".to_owned(), message);
                PAUSE
            }),
        };
        if problems.is_empty() { Ok(Self { steps, pause }) } else { Err(problems) }
    }

    /// How many of so many clusters have the edit after the wave that follows when so many have it.
    fn next(&self, updated: usize, all: usize) -> usize {
        let counts = self.steps.iter().map(|step| step.of_all(all));
        counts.filter(|count| *count > updated).min().unwrap_or(all)
    }
}

impl Share {
    fn of(text: &IntOrString) -> Option<Self> {
        match text {
            IntOrString::Int(number) => usize::try_from(*number).ok().filter(|it| *it > 0).map(Self::Number),
            IntOrString::String(text) => {
                let percent = text.strip_suffix('%')?;
                let is_plain = percent.bytes().all(|it| it.is_ascii_digit()) && !percent.starts_with('0');
                let percent = percent.parse().ok().filter(|it| is_plain && *it <= 100)?;
                Some(Self::Percent(percent))
            }
        }
    }

    fn of_all(self, all: usize) -> usize {
        match self {
            Self::Number(number) => number.min(all),
            Self::Percent(percent) => (all * percent).div_ceil(100),
        }
    }
}

fn shown(text: &IntOrString) -> String {
    match text {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => format!("{text:?}"),
    }
}

/// What the condition `RolledOut` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Every cluster has the spec.
    Complete,
    /// A wave is on its way, or is watched until the pause is over.
    Progressing(String),
    /// Something that a wave depends on is not there, or waits for somebody.
    Waiting(&'static str, String),
    /// A wave brought failures.
    Stopped(String),
}

/// What is told of one identity with `spec.rollout`.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutReport {
    /// `status.rollout`: what it says is what is the case, so nothing moves before it is written.
    pub status: Option<RolloutStatus>,
    /// For people.
    pub standing: Standing,
}

/// What one process has seen of the waves that are on their way. How far each rollout is stands in the objects alone; a
/// process that starts anew watches the present wave for another whole pause.
#[derive(Debug, Default)]
pub struct Rollouts(BTreeMap<IdentityName, Wave>);

#[derive(Debug)]
struct Wave {
    /// The number of the delta that told the writer of it.
    told_in: Option<u64>,
    /// Since when it has been in step without failures.
    good_since: Option<Instant>,
}

impl Rollouts {
    /// Whether a pause runs that nothing else than time ends.
    pub fn are_under_way(&self) -> bool {
        !self.0.is_empty()
    }

    /// What is to be told of each identity with `spec.rollout`.
    pub fn decide(
        &mut self,
        index: &Index,
        outcome: &Outcome,
        now: Instant,
    ) -> BTreeMap<IdentityName, RolloutReport> {
        let views: Vec<RolloutView<'_>> = index.rollouts().collect();
        self.0.retain(|name, _| views.iter().any(|view| view.name == name && view.updated.is_some()));
        let report = |view: &RolloutView<'_>| (view.name.clone(), self.report(view, index, outcome, now));
        views.iter().map(report).collect()
    }

    fn report(
        &mut self,
        view: &RolloutView<'_>,
        index: &Index,
        outcome: &Outcome,
        now: Instant,
    ) -> RolloutReport {
        let told = view.object.status.as_ref().and_then(|status| status.rollout.clone());
        let keep = |standing| RolloutReport { status: told.clone(), standing };
        match view.standing {
            IdentityStanding::Live => {}
            IdentityStanding::Preview => {
                let message =
                    "spec.preview is true: the spec is tried on all clusters, and rolled out when that ends.";
                return keep(Standing::Waiting("Preview", message.to_owned()));
            }
            IdentityStanding::Ended => {
                return keep(Standing::Waiting("Deleting", "The identity is being deleted.".to_owned()));
            }
        }
        let waves = match (view.waves(), view.problems.first()) {
            (Ok(waves), None) => waves,
            // Valid is False and says why; clusters that were not reached go on with what they have.
            _ => {
                return keep(Standing::Waiting(
                    "InvalidSpec",
                    "The spec cannot be used; see Valid.".to_owned(),
                ));
            }
        };
        let stable = stable(&view.object.spec);
        let Some(updated) = view.updated else {
            // Nothing was recorded, or every cluster has the spec.
            let status = RolloutStatus { stable_spec: stable, ..RolloutStatus::default() };
            return RolloutReport { status: Some(status), standing: Standing::Complete };
        };
        let all = view.targets.len();
        let updated: BTreeSet<&ClusterName> =
            view.targets.keys().filter(|name| updated.contains(**name)).copied().collect();
        let wave = match self.0.get_mut(view.name) {
            Some(wave) if wave.told_in == view.told_in => wave,
            _ => {
                let wave = Wave { told_in: view.told_in, good_since: None };
                self.0.entry(view.name.clone()).insert_entry(wave).into_mut()
            }
        };
        let blocked = match updated.is_empty() {
            true => None,
            false => is_in_the_way(view, &updated, index, outcome)
                .filter(|_| !mutants::is_on(Mutant::RolloutInBlindFlight)),
        };
        let is_settled = outcome.listed
            && outcome.queued == 0
            && !index.is_unsettled()
            && view.told_in.is_some_and(|told| told <= outcome.applied);
        match &blocked {
            None if is_settled => wave.good_since = wave.good_since.or(Some(now)),
            None => {}
            Some(_) => wave.good_since = None,
        }
        let over = wave.good_since.is_some_and(|since| {
            now.duration_since(since) >= waves.pause || mutants::is_on(Mutant::RolloutWithoutPause)
        });
        // The first wave replaces nothing that has to be watched.
        let is_due = updated.is_empty() || over;
        let next = waves.next(updated.len(), all);
        if is_due && blocked.is_none() && next >= all {
            let status = RolloutStatus { stable_spec: stable, ..RolloutStatus::default() };
            return RolloutReport { status: Some(status), standing: Standing::Complete };
        }
        let mut names: Vec<&ClusterName> = updated.iter().copied().collect();
        if is_due && blocked.is_none() {
            let others = view.targets.keys().filter(|name| !updated.contains(**name));
            names.extend(others.take(next - updated.len()));
            names.sort();
        }
        let count = names.len();
        let standing = blocked.unwrap_or_else(|| {
            let following = waves.next(count, all);
            let pause = humane(waves.pause);
            Standing::Progressing(format!(
                "{count} of {all} clusters have the edit; once they have been in step for {pause} without failures, {following} of {all} get it."
            ))
        });
        let stable_spec = told.map_or(stable, |told| told.stable_spec);
        let status = RolloutStatus {
            stable_spec,
            updated_clusters: names.into_iter().map(ToString::to_string).collect(),
            progress: Some(format!("{count}/{all}")),
        };
        RolloutReport { status: Some(status), standing }
    }
}

/// The spec as `status.rollout.stableSpec` keeps it.
fn stable(spec: &WorkloadIdentitySpec) -> Value {
    // A spec that was read from JSON is some.
    serde_json::to_value(spec.rolled_out()).unwrap_or_default()
}

/// What keeps the clusters that have the edit from being in step with it.
fn is_in_the_way(
    view: &RolloutView<'_>,
    updated: &BTreeSet<&ClusterName>,
    index: &Index,
    outcome: &Outcome,
) -> Option<Standing> {
    if let Some((cluster, pod, why)) = updated
        .iter()
        .find_map(|cluster| index.newly_without(view.name, cluster).map(|(pod, why)| (cluster, pod, why)))
    {
        return Some(Standing::Stopped(format!(
            "In {cluster}, {pod} gets no entry by the edit: {why}. No other cluster gets the edit until that is mended; to \
             take it back, apply the spec of status.rollout.stableSpec."
        )));
    }
    let failing = outcome.failing_in.get(view.name);
    if let Some((cluster, problem)) =
        updated.iter().find_map(|cluster| Some((cluster, failing?.get(*cluster)?)))
    {
        return Some(Standing::Stopped(format!(
            "In {cluster}, an entry is not in place: {}. No other cluster gets the edit until that is mended; to take it \
             back, apply the spec of status.rollout.stableSpec.",
            problem.message
        )));
    }
    let of_cluster = updated.iter().find_map(|cluster| outcome.braked_clusters.get(*cluster));
    if let Some(held) =
        outcome.braked_identities.get(view.name).or(of_cluster).or(outcome.braked_fleet.as_ref())
    {
        return Some(Standing::Waiting("Braked", held.to_string()));
    }
    if let Some(problem) = &outcome.unavailable {
        return Some(Standing::Waiting(problem.reason, problem.message.clone()));
    }
    // One that cannot be reached says nothing of the edit; but somebody has to.
    let in_step = |cluster: &&&ClusterName| view.targets.get(**cluster).is_some_and(|is_synced| *is_synced);
    if !updated.iter().any(|cluster| in_step(&cluster)) {
        let first = updated.first().map(ToString::to_string).unwrap_or_default();
        let message = format!(
            "None of the clusters that have the edit is connected, {first} among them; see the conditions of their registries."
        );
        return Some(Standing::Waiting("ClustersNotReady", message));
    }
    let waiting: u64 = updated.iter().filter(in_step).map(|cluster| index.waiting(view.name, cluster)).sum();
    if waiting > 0 {
        let message = format!("Pods of clusters that have the edit wait for facts that it reads: {waiting}.");
        return Some(Standing::Waiting("WaitingForFacts", message));
    }
    None
}

/// `10m`, `1h30m`, `45s`.
fn humane(time: Duration) -> String {
    let seconds = time.as_secs();
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let told: String =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if told.is_empty() { "0s".to_owned() } else { told }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn waves(steps: Value) -> Waves {
        Waves::compile(&serde_json::from_value(json!({ "steps": steps })).unwrap()).unwrap()
    }

    /// How many clusters have the edit after each wave.
    fn course(steps: Value, all: usize) -> Vec<usize> {
        let waves = waves(steps);
        let next = |updated: &usize| (*updated < all).then(|| waves.next(*updated, all));
        std::iter::successors(Some(0), next).skip(1).collect()
    }

    #[test]
    fn waves_grow_by_numbers_and_shares_and_end_with_all() {
        let usual = json!([{"clusters": 1}, {"clusters": "10%"}]);
        assert_eq!(course(usual.clone(), 30), [1, 3, 30]);
        assert_eq!(course(usual.clone(), 31), [1, 4, 31]);
        assert_eq!(course(usual.clone(), 5), [1, 5]);
        assert_eq!(course(usual.clone(), 1), [1]);
        assert_eq!(course(usual, 0), [0; 0]);
        assert_eq!(course(json!([{"clusters": 40}, {"clusters": "100%"}]), 30), [30]);
        // A step that is no more than the one before adds nothing.
        assert_eq!(course(json!([{"clusters": "50%"}, {"clusters": 2}]), 8), [2, 4, 8]);
        assert_eq!(waves(json!([{"clusters": 1}])).pause, Duration::from_secs(600));
    }

    #[test]
    fn what_is_no_share_is_told() {
        let problems = |rollout: Value| {
            let told = Waves::compile(&serde_json::from_value(rollout).unwrap()).unwrap_err();
            told.into_iter().map(|problem| problem.field).collect::<Vec<_>>()
        };
        for share in [
            json!(0),
            json!(-1),
            json!("0%"),
            json!("101%"),
            json!("5"),
            json!("+5%"),
            json!("05%"),
            json!("%"),
        ] {
            let field = "spec.rollout.steps[0].clusters";
            assert_eq!(problems(json!({"steps": [{ "clusters": share }]})), [field], "{share}");
        }
        let none = problems(json!({"steps": [], "pause": "-1s"}));
        assert_eq!(none, ["spec.rollout.steps", "spec.rollout.pause"]);
    }

    #[test]
    fn a_pause_is_told_as_people_write_it() {
        let told = [0, 45, 600, 5400, 3661].map(|seconds| humane(Duration::from_secs(seconds)));
        assert_eq!(told, ["0s", "45s", "10m", "1h30m", "1h1m1s"]);
    }
}
