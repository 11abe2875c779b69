//! The loop that owns the index: facts come in, are settled once a burst, and go out as deltas, sessions and reports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use registrar_core::desired::Delta;
use registrar_core::facts::demand::Demand;
use registrar_core::facts::{Change, Session};
use registrar_core::index::{Asking, Index, Settings};
use registrar_core::ledger::Outcome;
use registrar_core::names::ClusterName;
use registrar_core::report::{ConditionReport, ConditionStatus, Report};
use registrar_core::rollout::Rollouts;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::aside;
use crate::components::host::Wanted;
use crate::metrics::Metrics;
use crate::news::{News, Seen, Verdict};
use crate::pulse::Pulse;
use crate::questions::Questions;

/// How many changes are settled together at most.
const BURST: usize = 8192;
/// How many pods are derived before it is looked whether anything else has happened: about ten milliseconds of work.
const SLICE: usize = 500;
/// How soon after a change the report follows, so that a burst makes one report.
const REPORT_DELAY: Duration = Duration::from_millis(500);
/// Reports follow each other no sooner: statuses are not written more often either.
const REPORTS_APART: Duration = Duration::from_secs(1);

/// How often it is looked whether a rollout can go on.
const ROLLOUT_PERIOD: Duration = Duration::from_secs(1);

/// A change, and when it came.
#[derive(Debug)]
pub struct Arrived {
    at: Instant,
    change: Change,
}

impl Arrived {
    /// One that comes now.
    pub fn now(change: Change) -> Self {
        Self { at: Instant::now(), change }
    }
}

/// What the index gives out, and when the first of the changes came that it is for.
#[derive(Debug)]
pub struct Settled {
    /// When.
    pub since: Instant,
    /// What.
    pub delta: Delta,
}

/// What the index is connected to.
#[derive(Debug)]
pub struct Ends {
    /// From the management cluster and the workload clusters.
    pub changes: mpsc::Receiver<Arrived>,
    /// To the writer.
    pub deltas: mpsc::Sender<Settled>,
    /// From the writer.
    pub outcomes: watch::Receiver<Arc<Outcome>>,
    /// To the connections: which clusters.
    pub sessions: watch::Sender<Arc<BTreeMap<ClusterName, Session>>>,
    /// To the connections: which fields.
    pub demand: watch::Sender<Arc<Demand>>,
    /// To those who run plugins: which.
    pub plugins: watch::Sender<Wanted>,
    /// To those who run plugins: what they are asked. They may wait for us, so we never wait for them.
    pub asking: mpsc::UnboundedSender<Asking>,
    /// To the status writer.
    pub reports: watch::Sender<Arc<Report>>,
    /// From whoever wants to know something of the index.
    pub questions: Questions<Index>,
    /// To the readiness endpoint: which of both own kinds were not listed yet.
    pub missing: watch::Sender<Vec<&'static str>>,
}

/// Owns the index until `shutdown`, or until one of its ends closes.
pub async fn run(
    settings: Settings,
    sync_period: Duration,
    mut ends: Ends,
    metrics: Metrics,
    pulse: Pulse,
    shutdown: CancellationToken,
) {
    let mut index = Index::new(settings);
    let (mut was_ready, mut was_unsettled) = (false, false);
    let mut burst: Vec<Arrived> = Vec::new();
    let mut report_at: Option<Instant> = None;
    let mut reported_at: Option<Instant> = None;
    let mut rollouts = Rollouts::default();
    let mut teller = Teller::default();
    loop {
        pulse.waits();
        // The pause between two waves ends without anything happening.
        let period = if rollouts.are_under_way() { ROLLOUT_PERIOD.min(sync_period) } else { sync_period };
        let report_due = report_at.unwrap_or_else(|| Instant::now() + period);
        let report_due = teller.next_at.map_or(report_due, |at| report_due.min(at));
        let received = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep_until(report_due.into()) => {
                report_at = None;
                reported_at = Some(Instant::now());
                pulse.works();
                report(&index, &mut rollouts, &mut teller, &ends, &metrics);
                continue;
            }
            changed = ends.outcomes.changed() => {
                if changed.is_err() {
                    return;
                }
                report_at = report_at.or_else(|| Some(next_report(reported_at)));
                continue;
            }
            question = ends.questions.next() => {
                pulse.works();
                aside::turn(true, || question(&index));
                continue;
            }
            count = ends.changes.recv_many(&mut burst, BURST) => count,
            // Nothing has happened meanwhile: the next slice of what is left.
            () = std::future::ready(()), if index.is_unsettled() => 1,
        };
        if received == 0 {
            return;
        }
        let started = Instant::now();
        pulse.works();
        let since = burst.iter().map(|arrived| arrived.at).min().unwrap_or(started);
        metrics.queued(ends.changes.len(), since);
        let is_long = received > aside::FEW
            || index.is_unsettled()
            || burst.iter().any(|arrived| !arrived.change.is_of_one_object());
        let settled = aside::turn(is_long, || {
            burst.drain(..).for_each(|arrived| index.apply(arrived.change));
            index.settle_some(SLICE)
        });
        metrics.settled(started.elapsed().as_secs_f64());
        report_at = report_at.or_else(|| Some(next_report(reported_at)));
        // Before the connections that are to keep it, so that they need not list twice.
        if let Some(demand) = settled.demand {
            ends.demand.send_replace(demand);
        }
        if let Some(sessions) = settled.sessions {
            ends.sessions.send_replace(sessions);
        }
        if let Some(plugins) = settled.plugins {
            ends.plugins.send_replace(plugins);
        }
        for asking in settled.asking {
            // An error says that those who run plugins have ended, which ends the process.
            let _ = ends.asking.send(asking);
        }
        let missing = index.not_listed();
        ends.missing.send_if_modified(|last| {
            let changed = *last != missing;
            *last = missing;
            changed
        });
        let delta = settled.delta;
        for (name, _) in &delta.identities {
            info!(identity = %name, "WorkloadIdentity resource changed, using targeted reconciliation");
        }
        for (name, _) in &delta.clusters {
            info!(cluster = %name, "EKSClusterRegistry or its connection changed, using targeted reconciliation");
        }
        if !delta.has_news() && delta.ready == was_ready && delta.unsettled == was_unsettled {
            continue;
        }
        (was_ready, was_unsettled) = (delta.ready, delta.unsettled);
        // The writer may be behind; that is its own turn.
        pulse.waits();
        if ends.deltas.send(Settled { since, delta }).await.is_err() {
            return;
        }
    }
}

/// When something that has changed now is reported.
fn next_report(last: Option<Instant>) -> Instant {
    let soon = Instant::now() + REPORT_DELAY;
    last.map_or(soon, |last| soon.max(last + REPORTS_APART))
}

fn report(index: &Index, rollouts: &mut Rollouts, teller: &mut Teller, ends: &Ends, metrics: &Metrics) {
    let outcome = ends.outcomes.borrow().clone();
    let previous = ends.reports.borrow().clone();
    let decided = rollouts.decide(index, &outcome, Instant::now());
    let report = Report::make(index, &outcome, decided, &previous, Timestamp::now());
    teller.tell(&report, Instant::now());
    let (all, open) = index.question_counts();
    metrics.questions(all, open);
    let is_other = *previous != report;
    let report = if is_other { Arc::new(report) } else { previous };
    metrics.reported(report.clone(), index.pod_count());
    if is_other {
        ends.reports.send_replace(report);
    }
}

/// Tells in the log what has become another; what merely counts on stays in the status.
#[derive(Default)]
struct Teller {
    /// By kind and name.
    objects: BTreeMap<(&'static str, String), News>,
    /// When something is told that has to wait.
    next_at: Option<Instant>,
}

impl Teller {
    fn tell(&mut self, report: &Report, now: Instant) {
        let mut last = std::mem::take(&mut self.objects);
        self.next_at = None;
        let registries = report.registries.iter();
        let registries = registries.map(|(name, it)| ("EKSClusterRegistry", name.as_str(), &it.conditions));
        let identities = report.identities.iter();
        let identities = identities.map(|(name, it)| ("WorkloadIdentity", name.as_str(), &it.conditions));
        for (kind, name, conditions) in registries.chain(identities) {
            let object = (kind, name.to_owned());
            let mut news = last.remove(&object).unwrap_or_default();
            news.retain(|kind| conditions.iter().any(|condition| condition.kind == kind));
            for condition in conditions {
                let ConditionReport { kind: condition_type, status, reason, message } = condition;
                let seen = Seen::new(condition_type, status.as_str(), reason, message);
                match news.of(&seen, now) {
                    Verdict::Nothing => {}
                    Verdict::Later(at) => self.next_at = Some(self.next_at.map_or(at, |next| next.min(at))),
                    Verdict::Another | Verdict::AnotherPlan => {
                        news.told(&seen, Some(now));
                        line(kind, name, condition);
                    }
                }
            }
            self.objects.insert(object, news);
        }
    }
}

fn line(kind: &str, name: &str, condition: &ConditionReport) {
    let ConditionReport { kind: condition_type, reason, message, .. } = condition;
    if condition.status == ConditionStatus::False {
        warn!(kind, name, condition = condition_type, reason, "{message}");
    } else {
        info!(kind, name, condition = condition_type, reason, "{message}");
    }
}
