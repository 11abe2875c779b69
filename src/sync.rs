//! The only writer: keeps SPIRE's entries in step with what the index gives out, and tells what became of each write.

mod asking;
pub mod audit;
mod former;
mod pace;
mod parts;
mod refusals;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use asking::{Answer, Asking};
use audit::{Act, Audit, Came, Records};
use k8s_openapi::jiff::Timestamp;
use pace::Pace;
use parts::Parts;
use refusals::Refusals;
use registrar_core::api::Problem;
use registrar_core::brake::Budgets;
use registrar_core::desired::PodKey;
use registrar_core::drift::Drift;
use registrar_core::entry::{Entry, EntryId, Nonce};
use registrar_core::ledger::doubt::{Intent, Standing};
use registrar_core::ledger::{Ledger, Mode, Outcome, Round, RoundLimits};
use registrar_core::names::IdentityName;
use registrar_core::plan::{Delete, PodPlan, Write};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::aside;
use crate::leader::Lead;
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::questions::Questions;
use crate::registrar::Settled;
use crate::spire::{self, CreateResult, Failure, Identified, Page, Spire, SpireError, WriteResult};

/// What the writer knows is published at most as often, in time for a report.
const PUBLISH_PAUSE: Duration = Duration::from_millis(100);
/// What one round writes at most: small enough that a new pod does not wait long behind a mass edit.
const ROUND: RoundLimits = RoundLimits { pods: 1000, writes: 400, updates: 200 };
/// How long one call may take.
const CALL_TIME: Duration = Duration::from_secs(20);
/// How often a page of a list is asked for before the list is begun anew.
const PAGE_TRIES: u32 = 3;
/// How soon SPIRE is listed once more because an update found its entry gone.
const SUSPICION_PAUSE: Duration = Duration::from_secs(60);
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
    /// How many updates are made a second at most.
    pub updates_per_second: NonZeroU16,
    /// Entries that the predecessor made are ours as well, where their key is one that a pod is to have.
    pub adopt: bool,
}

/// What the writer is connected to.
#[derive(Debug)]
pub struct Ends {
    /// From the index.
    pub deltas: mpsc::Receiver<Settled>,
    /// To the report.
    pub outcomes: watch::Sender<Arc<Outcome>>,
    /// Until when this replica may write; none while it does not lead.
    pub leading: watch::Receiver<Option<Lead>>,
    /// To the holder of the lease: whether SPIRE answers.
    pub answers: watch::Sender<bool>,
    /// From whoever wants to know something of the book.
    pub questions: Questions<Ledger>,
    /// To the status writer: the number of the last full reconciliation among those that were asked for that is done.
    pub reconciled: watch::Sender<u64>,
    /// To whoever shows the last writes, if anybody does.
    pub records: Option<watch::Sender<Records>>,
}

/// Writes until `shutdown`, or until the index ends.
pub async fn run(
    spire: Spire,
    settings: Settings,
    ends: Ends,
    metrics: Metrics,
    pulse: Pulse,
    shutdown: CancellationToken,
) {
    let Ends { mut deltas, outcomes, mut leading, answers, mut questions, reconciled, records } = ends;
    let ledger = Ledger::new(&settings.entry_id_prefix, settings.mode, settings.budgets);
    let mut writer = Writer {
        ledger: if settings.adopt { ledger.adopting() } else { ledger },
        spire,
        metrics,
        audit: Audit::new(records),
        leading: leading.clone(),
        term: None,
        answers,
        gc_interval: settings.gc_interval,
        is_asked: false,
        asked: 0,
        reconciled,
        listed: None,
        listing: None,
        asking: Asking::default(),
        suspicion: Suspicion::default(),
        unavailable: None,
        pause: FIRST_PAUSE,
        retry_at: None,
        refused_writes: Refusals::default(),
        refused_deletes: Refusals::default(),
        pace: Pace::new(settings.updates_per_second, Instant::now()),
        arrived: HashMap::new(),
        behind_since: None,
        told: Told::default(),
        shutdown: shutdown.clone(),
    };
    let mut publish_at = Instant::now();
    loop {
        pulse.works();
        while let Ok(settled) = deltas.try_recv() {
            writer.take_in(&settled);
        }
        while let Some(answer) = writer.asking.ready() {
            writer.hear(answer);
        }
        leading.mark_unchanged();
        writer.begin_or_end_term();
        if !writer.is_paused() {
            let is_busy = writer.is_busy();
            match writer.term {
                Some(_) => aside::turns(is_busy, writer.step()).await,
                None => aside::turns(is_busy, writer.look()).await,
            }
        }
        writer.count_backlog();
        // What is published is as large as there are identities and clusters: not for each new pod.
        let is_published = publish_at <= Instant::now();
        if is_published {
            writer.publish(&outcomes);
            publish_at = Instant::now() + PUBLISH_PAUSE;
        }
        aside::turn(questions.are_open(), || questions.answer(&writer.ledger));
        writer.metrics.leading(writer.leads());
        if writer.can_go_on() {
            if shutdown.is_cancelled() {
                return;
            }
            continue;
        }
        let wake = writer.wakes_at();
        let wake = if is_published { wake } else { wake.min(publish_at) };
        pulse.waits();
        tokio::select! {
            () = shutdown.cancelled() => return,
            delta = deltas.recv() => match delta {
                Some(settled) => writer.take_in(&settled),
                None => return,
            },
            changed = leading.changed() => if changed.is_err() { return },
            answer = writer.asking.next() => writer.hear(answer),
            question = questions.next() => aside::turn(true, || question(&writer.ledger)),
            () = tokio::time::sleep_until(wake.into()) => {}
        }
    }
}

struct Writer {
    ledger: Ledger,
    spire: Spire,
    metrics: Metrics,
    audit: Audit,
    leading: watch::Receiver<Option<Lead>>,
    /// In which this replica leads.
    term: Option<i32>,
    answers: watch::Sender<bool>,
    gc_interval: Duration,
    /// Somebody asked for a comparison that has not begun.
    is_asked: bool,
    /// The number of the last one that was asked for.
    asked: u64,
    reconciled: watch::Sender<u64>,
    listed: Option<Instant>,
    listing: Option<Listing>,
    asking: Asking,
    suspicion: Suspicion,
    unavailable: Option<Problem>,
    pause: Duration,
    /// When SPIRE is asked again after it could not be reached.
    retry_at: Option<Instant>,
    /// Of creates and updates.
    refused_writes: Refusals,
    /// A full disk may still take these.
    refused_deletes: Refusals,
    pace: Pace,
    /// Since when pods without any entry are to have one.
    arrived: HashMap<PodKey, Instant>,
    /// Since when there was no moment without a pod that waits.
    behind_since: Option<Instant>,
    told: Told,
    shutdown: CancellationToken,
}

/// A complete list of SPIRE's entries, page by page.
struct Listing {
    started: Instant,
    /// The number of the last comparison that was asked for before it began.
    asked: u64,
    /// It is the first that this process makes, or tells what others have written or what became of calls: before its end
    /// hardly anything can be written.
    is_first: bool,
    page_token: String,
    /// How often the page was asked for in vain.
    failed: u32,
    /// That page, once it is asked for. What is written after that is newer than it, so nothing is before it was taken in.
    asked_for: JoinSet<Read>,
}

/// A page of a list, or why there is none.
struct Read {
    answer: Result<Page, SpireError>,
    seconds: f64,
}

impl Listing {
    fn is_asked_for(&self) -> bool {
        !self.asked_for.is_empty()
    }

    /// Asks for the page, which comes while other things are done.
    fn ask(&mut self, spire: &Spire) {
        let (spire, page_token) = (spire.clone(), self.page_token.clone());
        self.asked_for.spawn(async move {
            let started = Instant::now();
            let answer = spire.list(&page_token, (started + CALL_TIME).into()).await;
            Read { answer, seconds: started.elapsed().as_secs_f64() }
        });
    }

    /// The page, which is asked for where it was not.
    async fn read(&mut self, spire: &Spire) -> Read {
        loop {
            match self.asked_for.join_next().await {
                Some(Ok(read)) => return read,
                Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime ends, and so will this.
                Some(Err(_)) => return std::future::pending().await,
                None => self.ask(spire),
            }
        }
    }
}

/// An update found its entry gone: SPIRE may hold an older state of everything.
#[derive(Default)]
struct Suspicion {
    is_open: bool,
    listed_at: Option<Instant>,
}

impl Suspicion {
    /// When SPIRE is to be listed for it: at once, and not again and again where somebody deletes one entry after another.
    fn due(&self, now: Instant) -> Option<Instant> {
        self.is_open.then(|| self.listed_at.map_or(now, |at| at + SUSPICION_PAUSE))
    }
}

/// What was told in the log and still stands.
#[derive(Default)]
struct Told {
    orphans: BTreeSet<String>,
    vanishing: BTreeSet<IdentityName>,
}

impl Writer {
    fn take_in(&mut self, settled: &Settled) {
        aside::turn(settled.delta.pods.len() > aside::FEW, || self.apply(settled));
    }

    fn apply(&mut self, Settled { since, delta }: &Settled) {
        for (pod, wanted) in &delta.pods {
            // What was there before is not new, and before the first list nobody knows.
            let is_known = || self.ledger.desired().pod(pod).is_some() || self.ledger.holds_any_of(pod);
            if wanted.is_none() {
                self.arrived.remove(pod);
            } else if self.listed.is_some() && !is_known() {
                self.arrived.insert(pod.clone(), *since);
            }
        }
        self.audit.note(&self.ledger, delta);
        self.ledger.apply(delta);
        if let Some(asked) = delta.compare {
            info!("a full reconciliation was asked for");
            self.is_asked = true;
            self.asked = asked;
        }
    }

    /// What others write in a term that is not ours is not known: SPIRE has to be listed again from the beginning.
    fn begin_or_end_term(&mut self) {
        let term = self.leading.borrow().filter(Lead::holds).map(|lead| lead.term);
        if self.term != term {
            self.term = term;
            self.ledger.others_write();
            self.listing = None;
        }
    }

    fn leads(&self) -> bool {
        self.writes_until() > Instant::now()
    }

    /// Until when calls may write in the term that the plans are of; the past where that is over.
    fn writes_until(&self) -> Instant {
        let lead = self.leading.borrow().filter(|lead| Some(lead.term) == self.term);
        lead.map_or_else(Instant::now, |lead| lead.until)
    }

    fn is_paused(&self) -> bool {
        self.retry_at.is_some_and(|at| at > Instant::now())
    }

    /// Whether the next step is a long one: many pods are to be planned, or a page or the end of a list to be compared.
    fn is_busy(&self) -> bool {
        let now = Instant::now();
        let needs_list = self.term.is_some() && self.ledger.needs_list();
        needs_list
            || self.listing.is_some()
            || self.list_due(now) <= now
            || self.ledger.backlog() > aside::FEW
    }

    /// One round of writes, and one page of a list where one is due: what is new does not wait for the rest of a list.
    async fn step(&mut self) {
        self.ask();
        let now = Instant::now();
        for refusals in [&mut self.refused_writes, &mut self.refused_deletes] {
            if refusals.probe_at().is_some_and(|at| at <= now) {
                refusals.probed(now);
                self.ledger.try_one(now);
            }
        }
        let is_asked_for = self.listing.as_ref().is_some_and(Listing::is_asked_for);
        if !is_asked_for && self.has_work() {
            self.round().await;
        }
        if self.is_paused() || self.ledger.is_in_doubt() {
            return;
        }
        let now = Instant::now();
        if self.listing.is_none() && (self.ledger.needs_list() || self.list_due(now) <= now) {
            self.begin_list(now);
        }
        if self.listing.is_some() {
            self.page().await;
        }
    }

    fn has_work(&self) -> bool {
        let now = Instant::now();
        self.ledger.has_work(now, self.pace.left(now) > 0)
    }

    /// One page of a list, where one is due: who does not lead reads along, so that it knows what is there when it does.
    async fn look(&mut self) {
        self.ask();
        if self.ledger.is_in_doubt() {
            return;
        }
        let now = Instant::now();
        if self.listing.is_none() && self.list_due(now) <= now {
            self.begin_list(now);
        }
        if self.listing.is_some() {
            self.page().await;
        }
    }

    /// When all entries are to be listed the next time, as far as is known now: no page is asked for while answers of single
    /// entries are to come, since nobody could say which of both is the newer one.
    fn list_due(&self, now: Instant) -> Instant {
        if self.ledger.is_in_doubt() {
            return now + self.gc_interval;
        }
        let listed = self.listed.filter(|_| !self.is_asked);
        let regular = listed.map_or(now, |listed| listed + self.gc_interval);
        self.suspicion.due(now).map_or(regular, |due| due.min(regular))
    }

    /// Whether there is something to do at once.
    fn can_go_on(&self) -> bool {
        let now = Instant::now();
        let is_known = !self.ledger.is_in_doubt();
        let may_list = is_known && (self.listing.is_some() || self.list_due(now) <= now);
        let has_work = || {
            let may_update = self.pace.next_at(now).is_none();
            is_known && self.ledger.needs_list() || self.ledger.has_work(now, may_update)
        };
        !self.is_paused() && (may_list || self.leads() && has_work())
    }

    fn wakes_at(&self) -> Instant {
        let now = Instant::now();
        if let Some(at) = self.retry_at.filter(|at| *at > now) {
            return at;
        }
        let due = self.list_due(now);
        if !self.leads() {
            return due;
        }
        let paced = self.pace.next_at(now).filter(|_| self.ledger.has_work(now, true));
        let probes = [self.refused_writes.probe_at(), self.refused_deletes.probe_at()];
        let retries =
            [self.ledger.next_due(), paced].into_iter().chain(probes).flatten().filter(|at| *at > now);
        retries.fold(due, Instant::min)
    }

    fn begin_list(&mut self, now: Instant) {
        if self.suspicion.is_open {
            self.suspicion = Suspicion { is_open: false, listed_at: Some(now) };
        }
        self.is_asked = false;
        let is_first = self.ledger.needs_list();
        self.listing = Some(Listing {
            started: now,
            asked: self.asked,
            is_first,
            page_token: String::new(),
            failed: 0,
            asked_for: JoinSet::new(),
        });
        self.ledger.begin_list();
    }

    async fn page(&mut self) {
        let may_write = self.term.is_some() && self.has_work();
        let Some(listing) = &mut self.listing else { return };
        // A list can be left alone at any time, a write cannot.
        let read = self.shutdown.run_until_cancelled(listing.read(&self.spire)).await;
        let Some(Read { answer, seconds }) = read else { return };
        let code = answer.as_ref().err().map_or("OK", SpireError::code);
        self.metrics.spire_called("ListEntries", code, seconds);
        match answer {
            Ok(Page { entries, next }) => {
                listing.failed = 0;
                let is_last = next.is_none();
                if let Some(token) = next {
                    listing.page_token = token;
                    // The next one comes while this one is compared. Later lists take their time: new pods go before each page.
                    if listing.is_first && !may_write {
                        listing.ask(&self.spire);
                    }
                }
                self.ledger.page(entries, Timestamp::now());
                if is_last {
                    self.end_list();
                }
                self.available();
            }
            // A page is asked for once more: with many pages and a server that fails now and then, a list that began
            // anew each time would never end.
            Err(error) => {
                listing.failed += 1;
                if listing.failed >= PAGE_TRIES {
                    self.listing = None;
                    self.ledger.break_list();
                }
                self.pause(&error);
            }
        }
    }

    fn end_list(&mut self) {
        let Some(Listing { started, asked, is_first, .. }) = self.listing.take() else { return };
        let drift = self.ledger.end_list(Timestamp::now());
        self.listed = Some(Instant::now());
        // Others have made their entries.
        self.arrived.retain(|pod, _| !self.ledger.holds_any_of(pod));
        self.audit.listed(&self.ledger);
        let (ours, foreign) = self.ledger.counts();
        let took = started.elapsed().as_secs_f64();
        self.metrics.listed(took);
        self.metrics.drifted(&drift);
        // What others make under our prefix is theirs, and a metric: a registrar's with a longer prefix, for example.
        let Drift { changed, deleted, appeared, under_our_prefix: _ } = drift;
        if changed + deleted + appeared > 0 {
            warn!(changed, deleted, appeared, "entries in SPIRE were not as this registrar had left them");
        }
        let message = match self.term {
            None => "listed SPIRE's entries while another replica writes",
            Some(_) if is_first => "listed SPIRE's entries",
            Some(_) => "garbage collection: compared all entries",
        };
        info!(ours, foreign, seconds = took, "{message}");
        if self.term.is_none() {
            // They go on.
            self.ledger.others_write();
        } else {
            self.reconciled.send_if_modified(|last| asked > std::mem::replace(last, asked));
        }
    }

    /// Asks for entries of calls whose outcome is not known.
    fn ask(&mut self) {
        self.asking.ask(&self.spire, self.ledger.in_doubt());
    }

    /// Takes in what SPIRE says of one of them.
    fn hear(&mut self, Answer { id, seconds, result }: Answer) {
        let code = result.as_ref().err().map_or("OK", SpireError::code);
        self.metrics.spire_called("GetEntry", code, seconds);
        match result {
            Ok(found) => {
                if let Some((pod, standing)) = self.ledger.answered(&id, found, Timestamp::now()) {
                    self.settle(&id, &pod, standing);
                    self.audit.known(&self.ledger, &id);
                }
                if !self.is_paused() {
                    self.available();
                }
            }
            Err(error) if self.asking.is_in_vain(&id, &error) => {
                warn!(entryID = %id, %error, "SPIRE cannot be asked for an entry; all are listed instead");
                self.ledger.doubt_all();
                self.begin_anew();
            }
            // Others that were asked for at the same time may fail as well.
            Err(error) => {
                if !self.is_paused() {
                    self.pause(&error);
                }
            }
        }
    }

    fn settle(&mut self, id: &EntryId, pod: &PodKey, standing: Standing) {
        debug!(entryID = %id, pod = %pod.pod, ?standing, "SPIRE was asked for an entry");
        match standing {
            Standing::Stands => {
                if let Some(since) = self.arrived.remove(pod) {
                    self.metrics.registered(since.elapsed().as_secs_f64());
                }
            }
            Standing::Absent => {}
            Standing::Vanished => self.vanished(),
        }
        self.asking.told(standing, !self.ledger.is_in_doubt());
    }

    /// An entry that was to be updated is not there.
    fn vanished(&mut self) {
        self.metrics.drifted(&Drift { deleted: 1, ..Drift::default() });
        self.suspicion.is_open = true;
    }

    /// All has to be listed from the beginning, where the book says so: what was begun tells nothing any more.
    fn begin_anew(&mut self) {
        if !self.ledger.is_listing() {
            self.listing = None;
        }
        if !self.ledger.is_in_doubt() {
            self.asking = Asking::default();
        }
    }

    async fn round(&mut self) {
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
            created = self.create(&creates, &mut blocked).await?;
            updated = self.update(&updates, &mut blocked).await?;
            // Whoever did not get what it is to have keeps what it has.
            let unblocked = plans.iter().filter(|plan| !blocked.contains(&plan.pod));
            let deletes = unblocked.flat_map(|plan| plan.deletes.iter().map(|delete| (&plan.pod, delete)));
            let deletes: Vec<(&PodKey, &Delete)> = deletes.collect();
            deleted = self.delete(&deletes).await?;
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
            // Nobody was asked.
            Ok(()) if plans.is_empty() => {}
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
        blocked: &mut HashSet<PodKey>,
    ) -> Result<usize, SpireError> {
        let (writes, entries) = self.identified(writes, blocked);
        let (mut done, mut at) = (0, 0);
        let mut parts = Parts::new(spire::batches(&entries));
        while let Some(part) = parts.next() {
            let started = Instant::now();
            let answer = self.spire.create(part, self.deadline()).await;
            self.called("BatchCreateEntry", started, answer.as_ref().err());
            let of_part = || of_part(&writes, &entries, at, part.len());
            let lost = |came: &Came<'_>| {
                of_part().for_each(|(pod, write, entry)| {
                    self.audit.write(&self.ledger, "create", pod, write, entry, came);
                });
            };
            let results = results(&self.audit, answer, &mut parts, part, CreateResult::Failed, lost);
            let acts = || of_part().map(|(pod, write, _)| (pod, &write.id, Act::Create(write.clone())));
            let results = results.map_err(|error| self.unanswered(error, acts()))?;
            let Some(results) = results else { continue };
            let (done_before, mut refused) = (done, 0);
            for ((pod, write, entry), result) in of_part().zip(results) {
                let audit = |came: Came<'_>| {
                    self.audit.write(&self.ledger, "create", pod, write, entry, &came);
                };
                match &result {
                    CreateResult::Created => audit(Came::DONE),
                    CreateResult::Similar(observed) => audit(Came::exists(&observed.id)),
                    CreateResult::IdTaken => audit(Came::exists(&write.id)),
                    CreateResult::Failed(failure) => audit(Came::refused(&failure.message)),
                }
                match result {
                    CreateResult::Created => {
                        done += 1;
                        if let Some(since) = self.arrived.remove(pod) {
                            self.metrics.registered(since.elapsed().as_secs_f64());
                        }
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
                    CreateResult::Failed(failure) => {
                        refused += 1;
                        self.failed(pod, write, refusal(&failure), blocked);
                    }
                }
            }
            at += part.len();
            self.heard(Intent::Write, started, done - done_before, refused);
        }
        Ok(done)
    }

    async fn update(
        &mut self,
        writes: &[(&PodKey, &Write)],
        blocked: &mut HashSet<PodKey>,
    ) -> Result<usize, SpireError> {
        let (writes, entries) = self.identified(writes, blocked);
        let (mut done, mut at) = (0, 0);
        let mut parts = Parts::new(spire::batches(&entries));
        while let Some(part) = parts.next() {
            let started = Instant::now();
            let answer = self.spire.update(part, self.deadline()).await;
            self.called("BatchUpdateEntry", started, answer.as_ref().err());
            let of_part = || of_part(&writes, &entries, at, part.len());
            let lost = |came: &Came<'_>| {
                of_part().for_each(|(pod, write, entry)| {
                    self.audit.write(&self.ledger, "update", pod, write, entry, came);
                });
            };
            let results = results(&self.audit, answer, &mut parts, part, WriteResult::Failed, lost);
            let acts = || of_part().map(|(pod, write, _)| (pod, &write.id, Act::Update(write.clone())));
            let results = results.map_err(|error| self.unanswered(error, acts()))?;
            let Some(results) = results else { continue };
            let (done_before, mut refused) = (done, 0);
            for ((pod, write, entry), result) in of_part().zip(results) {
                self.audit.write(&self.ledger, "update", pod, write, entry, &came(&result));
                match result {
                    WriteResult::Done => {
                        done += 1;
                        let spiffe_id = &entry.key.spiffe_id;
                        debug!(spiffeID = %spiffe_id, entryID = %write.id, "Successfully updated SPIRE entry");
                        self.ledger.written(pod, write);
                        self.audit.taken_in(&self.ledger, pod);
                    }
                    WriteResult::NotFound => {
                        blocked.insert((*pod).clone());
                        self.ledger.vanished(pod, &write.id, Timestamp::now());
                        self.vanished();
                    }
                    WriteResult::Failed(failure) => {
                        refused += 1;
                        self.failed(pod, write, refusal(&failure), blocked);
                    }
                }
            }
            at += part.len();
            self.heard(Intent::Write, started, done - done_before, refused);
        }
        Ok(done)
    }

    async fn delete(&mut self, deletes: &[(&PodKey, &Delete)]) -> Result<usize, SpireError> {
        let mut done = 0;
        let mut parts = Parts::new(deletes.chunks(spire::MAX_BATCH_ENTRIES));
        while let Some(part) = parts.next() {
            let ids: Vec<EntryId> = part.iter().map(|(_, delete)| delete.id.clone()).collect();
            let started = Instant::now();
            let answer = self.spire.delete(&ids, self.deadline()).await;
            self.called("BatchDeleteEntry", started, answer.as_ref().err());
            let lost = |came: &Came<'_>| {
                part.iter().for_each(|(pod, delete)| self.audit.delete(&self.ledger, pod, delete, came));
            };
            let results = results(&self.audit, answer, &mut parts, part, WriteResult::Failed, lost);
            let acts = || part.iter().map(|(pod, delete)| (*pod, &delete.id, Act::Delete((*delete).clone())));
            let results = results.map_err(|error| self.unanswered(error, acts()))?;
            let Some(results) = results else { continue };
            let (done_before, mut refused) = (done, 0);
            for ((pod, delete), result) in part.iter().zip(results) {
                self.audit.delete(&self.ledger, pod, delete, &came(&result));
                match result {
                    WriteResult::Done => {
                        done += 1;
                        let reason = delete.end.reason();
                        debug!(entryID = %delete.id, reason, "Successfully deleted SPIRE entry");
                        self.ledger.gone(pod, &delete.id);
                        self.audit.taken_in(&self.ledger, pod);
                    }
                    WriteResult::NotFound => {
                        self.ledger.gone(pod, &delete.id);
                        self.audit.taken_in(&self.ledger, pod);
                    }
                    WriteResult::Failed(failure) => {
                        let problem = refusal(&failure);
                        warn!(entryID = %delete.id, %problem, "SPIRE did not delete an entry");
                        self.metrics.entry_failed(problem.reason);
                        self.ledger.failed(pod, None, problem, Instant::now());
                        refused += 1;
                    }
                }
            }
            self.heard(Intent::Delete, started, done - done_before, refused);
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

    /// When a writing call that begins now has to be over: before another could lead. Who was asked to stop begins none.
    fn deadline(&self) -> tokio::time::Instant {
        let time = if self.shutdown.is_cancelled() { Duration::ZERO } else { CALL_TIME };
        (Instant::now() + time).min(self.writes_until()).into()
    }

    fn failed(&mut self, pod: &PodKey, write: &Write, problem: Problem, blocked: &mut HashSet<PodKey>) {
        let identity = &write.wanted.identity;
        debug!(entryID = %write.id, pod = %pod.pod, %identity, %problem, "SPIRE did not take an entry");
        self.metrics.entry_failed(problem.reason);
        self.ledger.failed(pod, Some(identity), problem, Instant::now());
        blocked.insert(pod.clone());
    }

    /// A call that began then took so many entries and refused so many.
    fn heard(&mut self, intent: Intent, started: Instant, taken: usize, refused: usize) {
        let now = Instant::now();
        let since = match intent {
            // Who has room for these has room for all.
            Intent::Write => self
                .refused_writes
                .heard(started, now, taken, refused)
                .map(|since| self.refused_deletes.since().map_or(since, |deletes| deletes.min(since))),
            Intent::Delete => self.refused_deletes.heard(started, now, taken, refused),
        };
        if let Some(since) = since {
            self.ledger.takes_again(since, now);
        }
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
        self.answers.send_if_modified(|answers| !std::mem::replace(answers, true));
    }

    /// A writing call as a whole gave nothing. Where SPIRE may have carried it out, its entries are asked for before anything
    /// else is done for their pods.
    fn unanswered<'a>(
        &mut self,
        error: SpireError,
        entries: impl Iterator<Item = (&'a PodKey, &'a EntryId, Act)>,
    ) -> SpireError {
        if error.outcome_unknown() {
            let mut count = 0;
            for (pod, id, act) in entries {
                let intent = if matches!(act, Act::Delete(_)) { Intent::Delete } else { Intent::Write };
                self.audit.doubt(&self.ledger, pod, id, || act);
                self.ledger.doubt(pod, id, intent);
                count += 1;
            }
            info!(entries = count, "whether SPIRE has carried out a call is not known; it is asked");
            self.begin_anew();
        }
        error
    }

    /// A writing call as a whole gave nothing: pause.
    fn lost(&mut self, error: &SpireError) {
        // That the lease has run out says nothing of SPIRE.
        if !matches!(error, SpireError::Send { .. }) {
            self.pause(error);
        }
    }

    /// SPIRE is left alone for a while.
    fn pause(&mut self, error: &SpireError) {
        let problem = Problem::new(error.reason(), "(SPIRE)", error);
        if self.unavailable.as_ref() != Some(&problem) {
            warn!(%error, "SPIRE cannot be used now; everything waits and nothing is lost");
            self.unavailable = Some(problem);
        }
        self.answers.send_if_modified(|answers| std::mem::replace(answers, false));
        self.retry_at = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn count_backlog(&mut self) {
        let (ours, foreign) = self.ledger.counts();
        self.metrics.entries(ours, foreign);
        let backlog = self.ledger.backlog();
        self.behind_since =
            if backlog == 0 { None } else { self.behind_since.or_else(|| Some(Instant::now())) };
        self.metrics.backlog(backlog, self.behind_since);
    }

    fn publish(&mut self, outcomes: &watch::Sender<Arc<Outcome>>) {
        let outcome = self.ledger.outcome(self.unavailable.clone());
        self.tell(&outcome);
        if **outcomes.borrow() != outcome {
            let outcome = Arc::new(outcome);
            self.metrics.published(outcome.clone());
            outcomes.send_replace(outcome);
        }
    }
}

impl Writer {
    /// One line for each thing that an operator has to know of, when it comes about.
    fn tell(&mut self, outcome: &Outcome) {
        let orphans = outcome.orphans.iter().map(|plan| plan.to_string());
        let orphans: BTreeSet<String> = orphans.collect();
        orphans.difference(&self.told.orphans).for_each(|plan| warn!("{plan}"));
        self.told.orphans = orphans;
        for (identity, vanishing) in &outcome.vanishing {
            if !self.told.vanishing.contains(identity) {
                warn!(%identity, "{vanishing}");
            }
        }
        self.told.vanishing = outcome.vanishing.keys().cloned().collect();
    }
}

fn writes<'a>(
    plans: &'a [PodPlan],
    part: impl Fn(&'a PodPlan) -> &'a Vec<Write>,
) -> Vec<(&'a PodKey, &'a Write)> {
    plans.iter().flat_map(|plan| part(plan).iter().map(|write| (&plan.pod, write))).collect()
}

/// The writes of one call, with their entries.
fn of_part<'a>(
    writes: &'a [(&'a PodKey, &'a Write)],
    entries: &'a [Identified],
    at: usize,
    count: usize,
) -> impl Iterator<Item = (&'a PodKey, &'a Write, &'a Entry)> {
    let each = writes.iter().zip(entries).skip(at).take(count);
    each.map(|((pod, write), (_, entry))| (*pod, *write, &**entry))
}

fn refusal(failure: &Failure) -> Problem {
    let Failure { code, message } = failure;
    // SPIRE's own words, which do not say where to look.
    let is_elsewhere = message.contains("is not a member of trust domain");
    let next =
        if is_elsewhere { "; trustDomain of the configuration has to be the SPIRE server's" } else { "" };
    Problem::new("SPIRERefused", "(entry)", format!("SPIRE refused it: {code}: {message}{next}"))
}

/// What came of each entry of a part; none where SPIRE refused it as a whole, for its size for example, and its halves are
/// next. One entry that is refused so is that entry's failure alone. Any other error is the call's, and told by `lost`.
fn results<'a, T, R>(
    audit: &Audit,
    answer: Result<Vec<R>, SpireError>,
    parts: &mut Parts<'a, T>,
    part: &'a [T],
    failed: fn(Failure) -> R,
    lost: impl FnOnce(&Came<'_>),
) -> Result<Option<Vec<R>>, SpireError> {
    match answer {
        Ok(results) => Ok(Some(results)),
        Err(error) if error.may_be_split() && parts.halve(part) => Ok(None),
        Err(error) if error.may_be_split() && part.len() == 1 => {
            Ok(Some(vec![failed(Failure { code: error.code(), message: error.to_string() })]))
        }
        Err(error) => {
            audit.lost(&error, lost);
            Err(error)
        }
    }
}

fn came(result: &WriteResult) -> Came<'_> {
    match result {
        WriteResult::Done => Came::DONE,
        WriteResult::NotFound => Came::NOT_FOUND,
        WriteResult::Failed(failure) => Came::refused(&failure.message),
    }
}
