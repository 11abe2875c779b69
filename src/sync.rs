//! The only writer: keeps SPIRE's entries in step with what the index gives out, and tells what became of each write.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use registrar_core::api::Problem;
use registrar_core::brake::Budgets;
use registrar_core::desired::{Delta, PodKey};
use registrar_core::entry::{EntryId, Nonce};
use registrar_core::ledger::{Ledger, Mode, Outcome, Round, RoundLimits};
use registrar_core::plan::{Delete, PodPlan, Write};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::metrics::Metrics;
use crate::spire::{self, CreateResult, Failure, Identified, Spire, SpireError, WriteResult};

/// What one round writes at most: small enough that a new pod does not wait long behind a mass edit.
const ROUND: RoundLimits = RoundLimits { writes: 400, updates: 200 };
/// How many updates are made a second: agents sign anew for each, and SPIRE signs 500 a second for one address.
const UPDATES_PER_SECOND: u32 = 200;
/// How long one call may take.
const CALL_TIME: Duration = Duration::from_secs(20);
/// How long a complete list may take.
const LIST_TIME: Duration = Duration::from_secs(120);
/// Pauses after SPIRE could not be reached.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How the writer is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What ids of ours begin with.
    pub entry_id_prefix: Arc<str>,
    /// How often all entries are listed and compared.
    pub gc_interval: Duration,
    /// How much of the plan is carried out.
    pub mode: Mode,
    /// How much may be deleted or given another identity before somebody has to release it.
    pub budgets: Budgets,
}

/// What the writer is connected to.
#[derive(Debug)]
pub struct Ends {
    /// From the index.
    pub deltas: mpsc::Receiver<Delta>,
    /// To the report.
    pub outcomes: watch::Sender<Arc<Outcome>>,
    /// Until when this replica may write; none while it does not lead.
    pub leading: watch::Receiver<Option<Instant>>,
}

/// Writes until `shutdown`, or until the index ends.
pub async fn run(
    spire: Spire,
    settings: Settings,
    ends: Ends,
    metrics: Metrics,
    shutdown: CancellationToken,
) {
    let Ends { mut deltas, outcomes, mut leading } = ends;
    let mut writer = Writer {
        ledger: Ledger::new(&settings.entry_id_prefix, settings.mode, settings.budgets),
        spire,
        metrics,
        listed: None,
        unavailable: None,
        pause: FIRST_PAUSE,
        retry_at: None,
        pace: Pace::new(Instant::now()),
    };
    loop {
        while let Ok(delta) = deltas.try_recv() {
            writer.apply(&delta);
        }
        let until = *leading.borrow_and_update();
        let now = Instant::now();
        let paused = writer.retry_at.is_some_and(|at| at > now);
        match until.filter(|until| *until > now) {
            // What others write while we do not lead is not known.
            None => writer.ledger.doubt(),
            Some(until) if !paused => {
                if writer.ledger.needs_list() || writer.is_list_due(now, settings.gc_interval) {
                    writer.list(until).await;
                } else if writer.ledger.has_work(now, writer.pace.left(now) > 0) {
                    writer.round(until).await;
                }
            }
            Some(_) => {}
        }
        writer.publish(&outcomes);
        let leads = until.is_some_and(|until| until > Instant::now());
        writer.metrics.leading(leads);
        if leads && writer.can_go_on(settings.gc_interval) {
            if shutdown.is_cancelled() {
                return;
            }
            continue;
        }
        let wake = writer.wakes_at(settings.gc_interval, leads);
        tokio::select! {
            () = shutdown.cancelled() => return,
            delta = deltas.recv() => match delta {
                Some(delta) => writer.apply(&delta),
                None => return,
            },
            changed = leading.changed() => if changed.is_err() { return },
            () = tokio::time::sleep_until(wake.into()) => {}
        }
    }
}

struct Writer {
    ledger: Ledger,
    spire: Spire,
    metrics: Metrics,
    listed: Option<Instant>,
    unavailable: Option<Problem>,
    pause: Duration,
    /// When SPIRE is asked again after it could not be reached.
    retry_at: Option<Instant>,
    pace: Pace,
}

/// How many updates may be made now: what was not used adds up for a second.
struct Pace {
    /// When all of a second's updates may be made.
    full_at: Instant,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    fn left(&self, now: Instant) -> usize {
        let used = self.full_at.saturating_duration_since(now).as_secs_f64() * f64::from(UPDATES_PER_SECOND);
        (UPDATES_PER_SECOND as usize).saturating_sub(used.ceil() as usize)
    }

    fn used(&mut self, updates: usize, now: Instant) {
        let seconds = updates as f64 / f64::from(UPDATES_PER_SECOND);
        self.full_at = self.full_at.max(now) + Duration::from_secs_f64(seconds);
    }

    /// When some may be made again; none where they may now.
    fn next_at(&self, now: Instant) -> Option<Instant> {
        // A tenth of a second's, so that a mass edit goes in batches and not one by one.
        let enough = UPDATES_PER_SECOND as usize / 10;
        (self.left(now) < enough).then(|| self.full_at - Duration::from_millis(900))
    }
}

impl Writer {
    fn apply(&mut self, delta: &Delta) {
        self.ledger.apply(delta);
        if delta.compare {
            info!("a full reconciliation was asked for");
            self.listed = None;
        }
    }

    fn is_list_due(&self, now: Instant, interval: Duration) -> bool {
        self.listed.is_none_or(|listed| now.duration_since(listed) >= interval)
    }

    /// Whether there is something to do at once.
    fn can_go_on(&self, interval: Duration) -> bool {
        let now = Instant::now();
        let paused = self.retry_at.is_some_and(|at| at > now);
        let has_work = self.ledger.needs_list()
            || self.is_list_due(now, interval)
            || self.ledger.has_work(now, self.pace.next_at(now).is_none());
        !paused && has_work
    }

    fn wakes_at(&self, interval: Duration, leads: bool) -> Instant {
        let now = Instant::now();
        if !leads {
            return now + interval;
        }
        let next_list = self.listed.map_or(now, |listed| listed + interval);
        let paced = self.pace.next_at(now).filter(|_| self.ledger.has_work(now, true));
        let retries =
            [self.retry_at, self.ledger.next_retry(), paced].into_iter().flatten().filter(|at| *at > now);
        match self.retry_at.filter(|at| *at > now) {
            Some(at) => at,
            None => retries.fold(next_list, Instant::min),
        }
    }

    async fn list(&mut self, until: Instant) {
        let started = Instant::now();
        let deadline = (started + LIST_TIME).min(until);
        let first = self.ledger.needs_list();
        let answer = self.spire.list(deadline.into()).await;
        self.called("ListEntries", started, answer.as_ref().err());
        match answer {
            Ok(list) => {
                let repaired = self.ledger.observe(list, Timestamp::now());
                self.listed = Some(Instant::now());
                self.available();
                let (ours, foreign) = self.ledger.counts();
                let took = started.elapsed().as_secs_f64();
                self.metrics.listed(took);
                if repaired > 0 {
                    warn!(pods = repaired, "entries in SPIRE were not as this registrar had left them");
                }
                let message =
                    if first { "listed SPIRE's entries" } else { "garbage collection: compared all entries" };
                info!(ours, foreign, seconds = took, "{message}");
            }
            Err(error) => self.lost(&error),
        }
    }

    async fn round(&mut self, until: Instant) {
        let now = Instant::now();
        let limits = RoundLimits { updates: self.pace.left(now).min(ROUND.updates), ..ROUND };
        let Round { plans, faults } = self.ledger.round(now, limits, || Nonce::new(rand::random()));
        self.pace.used(plans.iter().map(|plan| plan.updates.len()).sum(), now);
        for (pod, fault) in faults {
            error!(pod = %pod.pod, %fault, "a plan breaks a rule and is not carried out");
            self.metrics.entry_failed("PlanFault");
        }
        let mut blocked = HashSet::new();
        let (mut created, mut updated, mut deleted) = (0, 0, 0);
        let started = Instant::now();
        let creates = writes(&plans, |plan| &plan.creates);
        let updates = writes(&plans, |plan| &plan.updates);
        let result = async {
            created = self.create(&creates, until, &mut blocked).await?;
            updated = self.update(&updates, until, &mut blocked).await?;
            // Whoever did not get what it is to have keeps what it has.
            let unblocked = plans.iter().filter(|plan| !blocked.contains(&plan.pod));
            let deletes = unblocked.flat_map(|plan| plan.deletes.iter().map(|delete| (&plan.pod, delete)));
            let deletes: Vec<(&PodKey, &Delete)> = deletes.collect();
            deleted = self.delete(&deletes, until).await?;
            Ok(())
        };
        let result: Result<(), SpireError> = result.await;
        if created + updated + deleted > 0 {
            let seconds = started.elapsed().as_secs_f64();
            info!(
                created,
                updated,
                deleted,
                seconds,
                backlog = self.ledger.backlog(),
                "wrote entries to SPIRE"
            );
        }
        match result {
            Ok(()) => self.available(),
            Err(error) => {
                plans.iter().for_each(|plan| self.ledger.again(&plan.pod));
                self.lost(&error);
            }
        }
    }

    async fn create(
        &mut self,
        writes: &[(&PodKey, &Write)],
        until: Instant,
        blocked: &mut HashSet<PodKey>,
    ) -> Result<usize, SpireError> {
        let (writes, entries) = self.identified(writes, blocked);
        let (mut done, mut at) = (0, 0);
        for batch in spire::batches(&entries) {
            let started = Instant::now();
            let answer = self.spire.create(batch, deadline(until)).await;
            self.called("BatchCreateEntry", started, answer.as_ref().err());
            let results = match answer {
                Ok(results) => results,
                Err(error) => refused_alone(error, batch.len(), CreateResult::Failed)?,
            };
            for (((pod, write), (_, entry)), result) in writes.iter().zip(&entries).skip(at).zip(results) {
                match result {
                    CreateResult::Created => {
                        done += 1;
                        let spiffe_id = &entry.key.spiffe_id;
                        debug!(spiffeID = %spiffe_id, entryID = %write.id, "Successfully created SPIRE entry");
                        self.ledger.written(pod, write);
                    }
                    // Somebody else made it; the next plan knows it.
                    CreateResult::Similar(observed) => {
                        blocked.insert((*pod).clone());
                        self.ledger.found(pod, observed);
                    }
                    CreateResult::IdTaken => {
                        let message = format!("the new id {} is taken in SPIRE", write.id);
                        self.failed(pod, write, Problem::new("IdTaken", "(entry)", message), blocked);
                    }
                    CreateResult::Failed(failure) => self.failed(pod, write, refusal(&failure), blocked),
                }
            }
            at += batch.len();
        }
        Ok(done)
    }

    async fn update(
        &mut self,
        writes: &[(&PodKey, &Write)],
        until: Instant,
        blocked: &mut HashSet<PodKey>,
    ) -> Result<usize, SpireError> {
        let (writes, entries) = self.identified(writes, blocked);
        let (mut done, mut at) = (0, 0);
        for batch in spire::batches(&entries) {
            let started = Instant::now();
            let answer = self.spire.update(batch, deadline(until)).await;
            self.called("BatchUpdateEntry", started, answer.as_ref().err());
            let results = match answer {
                Ok(results) => results,
                Err(error) => refused_alone(error, batch.len(), WriteResult::Failed)?,
            };
            for (((pod, write), (_, entry)), result) in writes.iter().zip(&entries).skip(at).zip(results) {
                match result {
                    WriteResult::Done => {
                        done += 1;
                        let spiffe_id = &entry.key.spiffe_id;
                        debug!(spiffeID = %spiffe_id, entryID = %write.id, "Successfully updated SPIRE entry");
                        self.ledger.written(pod, write);
                    }
                    WriteResult::NotFound => {
                        blocked.insert((*pod).clone());
                        self.ledger.gone(pod, &write.id);
                    }
                    WriteResult::Failed(failure) => self.failed(pod, write, refusal(&failure), blocked),
                }
            }
            at += batch.len();
        }
        Ok(done)
    }

    async fn delete(&mut self, deletes: &[(&PodKey, &Delete)], until: Instant) -> Result<usize, SpireError> {
        let mut done = 0;
        for batch in deletes.chunks(spire::MAX_BATCH_ENTRIES) {
            let ids: Vec<EntryId> = batch.iter().map(|(_, delete)| delete.id.clone()).collect();
            let started = Instant::now();
            let answer = self.spire.delete(&ids, deadline(until)).await;
            self.called("BatchDeleteEntry", started, answer.as_ref().err());
            for ((pod, delete), result) in batch.iter().zip(answer?) {
                match result {
                    WriteResult::Done => {
                        done += 1;
                        let reason = delete.end.reason();
                        debug!(entryID = %delete.id, reason, "Successfully deleted SPIRE entry");
                        self.ledger.gone(pod, &delete.id);
                    }
                    WriteResult::NotFound => self.ledger.gone(pod, &delete.id),
                    WriteResult::Failed(failure) => {
                        let problem = refusal(&failure);
                        warn!(entryID = %delete.id, %problem, "SPIRE did not delete an entry");
                        self.metrics.entry_failed(problem.reason);
                        self.ledger.failed(pod, None, problem, Instant::now());
                    }
                }
            }
        }
        Ok(done)
    }

    /// The writes with their entries, made for this; without those whose entry does not come out as it was planned.
    fn identified<'a>(
        &mut self,
        writes: &[(&'a PodKey, &'a Write)],
        blocked: &mut HashSet<PodKey>,
    ) -> (Vec<(&'a PodKey, &'a Write)>, Vec<Identified>) {
        let (mut kept, mut entries) = (Vec::new(), Vec::new());
        for (pod, write) in writes {
            match write.wanted.entry() {
                Ok(entry) => {
                    kept.push((*pod, *write));
                    entries.push((write.id.clone(), entry));
                }
                Err(problem) => {
                    error!(pod = %pod.pod, %problem, "an entry cannot be made again and is not written");
                    let problem = Problem::new("DerivedOtherwise", "(entry)", problem);
                    self.failed(pod, write, problem, blocked);
                }
            }
        }
        (kept, entries)
    }

    fn failed(&mut self, pod: &PodKey, write: &Write, problem: Problem, blocked: &mut HashSet<PodKey>) {
        let identity = &write.wanted.identity;
        debug!(entryID = %write.id, pod = %pod.pod, %identity, %problem, "SPIRE did not take an entry");
        self.metrics.entry_failed(problem.reason);
        self.ledger.failed(pod, Some(identity), problem, Instant::now());
        blocked.insert(pod.clone());
    }

    fn called(&self, method: &'static str, started: Instant, error: Option<&SpireError>) {
        let code = error.map_or("OK", SpireError::code);
        self.metrics.spire_called(method, code, started.elapsed().as_secs_f64());
    }

    fn available(&mut self) {
        if self.unavailable.take().is_some() {
            info!("SPIRE can be reached again");
        }
        self.pause = FIRST_PAUSE;
        self.retry_at = None;
    }

    /// A call as a whole gave nothing: pause, and after an unknown outcome ask what SPIRE holds before anything else.
    fn lost(&mut self, error: &SpireError) {
        if error.outcome_unknown() {
            self.ledger.doubt();
        }
        let problem = Problem::new(error.reason(), "(SPIRE)", error);
        if self.unavailable.as_ref() != Some(&problem) {
            warn!(%error, "SPIRE cannot be used now; everything waits and nothing is lost");
            self.unavailable = Some(problem);
        }
        self.retry_at = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn publish(&mut self, outcomes: &watch::Sender<Arc<Outcome>>) {
        let (ours, foreign) = self.ledger.counts();
        self.metrics.entries(ours, foreign);
        self.metrics.backlog(self.ledger.backlog());
        let outcome = self.ledger.outcome(self.unavailable.clone());
        self.metrics.held(&outcome.held);
        outcomes.send_if_modified(|last| {
            let changed = **last != outcome;
            if changed {
                *last = Arc::new(outcome);
            }
            changed
        });
    }
}

fn deadline(until: Instant) -> tokio::time::Instant {
    (Instant::now() + CALL_TIME).min(until).into()
}

fn writes<'a>(
    plans: &'a [PodPlan],
    part: impl Fn(&'a PodPlan) -> &'a Vec<Write>,
) -> Vec<(&'a PodKey, &'a Write)> {
    plans.iter().flat_map(|plan| part(plan).iter().map(|write| (&plan.pod, write))).collect()
}

fn refusal(failure: &Failure) -> Problem {
    Problem::new(
        "SPIRERefused",
        "(entry)",
        format!("SPIRE refused it: {}: {}", failure.code, failure.message),
    )
}

/// A call of one entry that SPIRE refuses as a whole, for its size for example, is that entry's failure alone.
fn refused_alone<T>(
    error: SpireError,
    entries: usize,
    failed: impl FnOnce(Failure) -> T,
) -> Result<Vec<T>, SpireError> {
    match error {
        SpireError::Refuse { code, message, .. } if entries == 1 && code != "PermissionDenied" => {
            Ok(vec![failed(Failure { code, message })])
        }
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_paced_and_what_is_not_used_adds_up_for_a_second_at_most() {
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let mut pace = Pace::new(begin);
        assert_eq!((pace.left(begin), pace.next_at(begin)), (200, None));
        pace.used(200, begin);
        assert_eq!((pace.left(begin), pace.next_at(begin)), (0, Some(at(100))));
        assert_eq!((pace.left(at(100)), pace.next_at(at(100))), (20, None));
        assert_eq!(pace.left(at(500)), 100);
        pace.used(50, at(500));
        assert_eq!(pace.left(at(500)), 50);
        assert_eq!(pace.left(at(60_000)), 200);
    }
}
