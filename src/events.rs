//! Kubernetes Events: what became another of an object's conditions, where `kubectl describe` shows it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use registrar_core::api::RECONCILE_ANNOTATION;
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::leader::Lead;
use crate::news::{News, Seen, Verdict};

/// What Events name as their controller.
const CONTROLLER: &str = "spire-eks-workload-registrar";
/// How soon one may follow another, over all objects: a fleet that is lost at once is told in turn.
const INTERVAL: Duration = Duration::from_millis(50);
/// So many at once of one object, and one more each [`REFILL`]: what flaps is told by its condition and counted in metrics.
const BURST: u32 = 12;
const REFILL: Duration = Duration::from_secs(60);
/// So many are left to others by a held plan that becomes another again and again.
const RESERVE: u32 = BURST / 2;
/// How many may wait. Events are for people who look: what is more than this is left out.
pub const WAITING: usize = 2048;
const CALL_TIME: Duration = Duration::from_secs(20);
/// Kubernetes takes no longer note.
const MAX_NOTE_BYTES: usize = 1024;

/// One Event to be written.
pub struct Told {
    regarding: ObjectReference,
    event: Event,
    /// It names what releases one plan: it is never counted on another's.
    is_of_plan: bool,
}

impl Told {
    /// The name of the object that it is about.
    pub fn about(&self) -> &str {
        self.regarding.name.as_deref().unwrap_or_default()
    }
}

/// Decides what is told of which object. What it remembers is of the time in which this replica leads.
#[derive(Default)]
pub struct Teller {
    /// By uid.
    objects: BTreeMap<String, Object>,
}

struct Object {
    news: News,
    left: u32,
    /// When what is left was last added to.
    since: Instant,
    later: Option<Later>,
}

/// Conditions of which something is told when it is time.
struct Later {
    at: Instant,
    regarding: ObjectReference,
    conditions: Vec<Condition>,
}

impl Teller {
    /// What is to be told of an object whose conditions were `before` when it was seen and are `now`. Unknown is a state
    /// on the way to another and not told; a reason that several conditions have is told once. What is told later is given
    /// by [`Self::due`], if it still stands then.
    pub fn tell(
        &mut self,
        regarding: &ObjectReference,
        before: &[Condition],
        now: &[Condition],
        at: Instant,
    ) -> Vec<Told> {
        let Some(uid) = regarding.uid.clone() else { return Vec::new() };
        let object = self.objects.entry(uid).or_insert_with(|| {
            let mut news = News::default();
            let known = before.iter().filter(|it| it.status != "Unknown");
            known.for_each(|condition| news.told(&seen(condition), None));
            Object { news, left: BURST, since: at, later: None }
        });
        // One that is not there any more is told when it comes again.
        object.news.retain(|kind| now.iter().any(|it| it.type_ == kind));
        object.refill(at);
        let mut told: Vec<Told> = Vec::new();
        let mut later: Option<Instant> = None;
        // Ready only names the condition that is at fault.
        let (ready, others): (Vec<_>, Vec<_>) = now.iter().partition(|it| it.type_ == "Ready");
        for condition in others.into_iter().chain(ready).filter(|it| it.status != "Unknown") {
            let seen = seen(condition);
            let wait = match object.news.of(&seen, at) {
                Verdict::Nothing => continue,
                Verdict::Later(at) => Some(at),
                Verdict::AnotherPlan if object.left <= RESERVE => Some(object.since + REFILL),
                Verdict::Another | Verdict::AnotherPlan => None,
            };
            if let Some(wait) = wait {
                later = Some(later.map_or(wait, |later| later.min(wait)));
                continue;
            }
            object.news.told(&seen, Some(at));
            let is_told = told.iter().any(|it| it.event.reason == condition.reason);
            if !is_told && object.left > 0 {
                object.left -= 1;
                let (regarding, is_of_plan) = (regarding.clone(), seen.is_of_plan());
                told.push(Told { regarding, event: event(condition), is_of_plan });
            }
        }
        object.later = later.map(|at| Later { at, regarding: regarding.clone(), conditions: now.to_vec() });
        told
    }

    /// What was to wait and whose time has come.
    pub fn due(&mut self, at: Instant) -> Vec<Told> {
        let objects = self.objects.values_mut();
        let due: Vec<Later> =
            objects.filter_map(|object| object.later.take_if(|later| later.at <= at)).collect();
        due.into_iter().flat_map(|later| self.tell(&later.regarding, &[], &later.conditions, at)).collect()
    }

    /// When [`Self::due`] has something the next time, as far as is known.
    pub fn next_at(&self) -> Option<Instant> {
        self.objects.values().filter_map(|object| object.later.as_ref().map(|later| later.at)).min()
    }

    /// Forgets objects that are gone.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.objects.retain(|uid, _| is_there(uid));
    }

    /// Another replica tells from now on.
    pub fn forget(&mut self) {
        self.objects.clear();
    }
}

fn seen(condition: &Condition) -> Seen<'_> {
    Seen::new(&condition.type_, &condition.status, &condition.reason, &condition.message)
}

impl Object {
    fn refill(&mut self, at: Instant) {
        let passed = at.saturating_duration_since(self.since).as_secs() / REFILL.as_secs();
        let more = u32::try_from(passed).unwrap_or(BURST);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(BURST);
            self.since = at;
        }
    }
}

/// That the full reconciliation is done that an object's annotation asked for.
pub fn reconciled(regarding: ObjectReference, request: &str) -> Told {
    let mut note = format!(
        "All of SPIRE's entries were listed and compared, as {RECONCILE_ANNOTATION}={request} asked. The annotation is taken \
         away; set it again to ask again."
    );
    note.truncate(note.floor_char_boundary(MAX_NOTE_BYTES));
    let event = Event {
        type_: EventType::Normal,
        reason: "Reconciled".to_owned(),
        note: Some(note),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    Told { regarding, event, is_of_plan: false }
}

fn event(condition: &Condition) -> Event {
    let mut note = format!("{} is {}: {}", condition.type_, condition.status, condition.message);
    let end = note.floor_char_boundary(MAX_NOTE_BYTES);
    note.truncate(end);
    Event {
        type_: if condition.status == "True" { EventType::Normal } else { EventType::Warning },
        reason: condition.reason.clone(),
        note: Some(note),
        action: condition.type_.clone(),
        secondary: None,
    }
}

/// What the writer of Events is connected to.
pub struct Ends {
    /// From the status writer.
    pub events: mpsc::Receiver<Told>,
    /// Until when this replica may write; none while it does not lead.
    pub leading: watch::Receiver<Option<Lead>>,
}

/// Writes Events one after another until `shutdown`; what waited while this replica ceased to lead is left out.
pub async fn run(client: Client, instance: String, mut ends: Ends, shutdown: CancellationToken) {
    let reporter = Reporter { controller: CONTROLLER.to_owned(), instance: Some(instance) };
    // It counts what comes again within minutes on the Event that is there already.
    let recorder = Recorder::new(client.clone(), reporter.clone());
    let mut pace = tokio::time::interval(INTERVAL);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_failing = false;
    while let Some(Some(told)) = shutdown.run_until_cancelled(ends.events.recv()).await {
        let Told { regarding, event, is_of_plan } = told;
        let leads = ends.leading.borrow().is_some_and(|lead| lead.holds());
        if !leads {
            continue;
        }
        let written = async {
            pace.tick().await;
            // What is counted on an Event keeps that one's words: a new recorder knows of none.
            let anew = is_of_plan.then(|| Recorder::new(client.clone(), reporter.clone()));
            let recorder = anew.as_ref().unwrap_or(&recorder);
            tokio::time::timeout(CALL_TIME, recorder.publish(&event, &regarding)).await
        };
        let problem = match shutdown.run_until_cancelled(written).await {
            None => return,
            Some(Ok(Ok(()))) => {
                is_failing = false;
                continue;
            }
            Some(Ok(Err(error))) => error.to_string(),
            Some(Err(_)) => format!("no answer within {CALL_TIME:?}"),
        };
        if !std::mem::replace(&mut is_failing, true) {
            warn!(problem, "cannot write Kubernetes Events; conditions and logs tell the same");
        }
    }
    // Without the status writer there is nothing to tell, and the process is ending.
    shutdown.cancelled().await;
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn condition(kind: &str, status: &str, reason: &str) -> Condition {
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: "what and why".to_owned(),
            observed_generation: None,
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        }
    }

    fn object() -> ObjectReference {
        ObjectReference { uid: Some("u".to_owned()), name: Some("east".to_owned()), ..Default::default() }
    }

    fn told(teller: &mut Teller, before: &[Condition], now: &[Condition], at: Instant) -> Vec<String> {
        let told = teller.tell(&object(), before, now, at).into_iter();
        told.map(|it| format!("{} {}", it.event.reason, it.event.note.unwrap())).collect()
    }

    #[test]
    fn what_became_another_is_told_once_and_unknown_never() {
        let (mut teller, at) = (Teller::default(), Instant::now());
        let well =
            [condition("Ready", "True", "Connected"), condition("ClusterReachable", "True", "Reachable")];
        assert!(told(&mut teller, &well, &well, at).is_empty(), "another process told it");
        let lost =
            [condition("Ready", "False", "NoAnswer"), condition("ClusterReachable", "False", "NoAnswer")];
        assert_eq!(told(&mut teller, &well, &lost, at), ["NoAnswer ClusterReachable is False: what and why"]);
        assert!(told(&mut teller, &well, &lost, at).is_empty(), "the object was not seen again since");
        let on_the_way = [condition("Ready", "Unknown", "Connecting"), lost[1].clone()];
        assert!(told(&mut teller, &lost, &on_the_way, at).is_empty());
        assert!(told(&mut teller, &on_the_way, &lost, at).is_empty(), "and back");
        assert_eq!(told(&mut teller, &lost, &well, at).len(), 2);
    }

    #[test]
    fn what_flaps_is_told_so_often_and_what_comes_back_is_told_again() {
        let (mut teller, at) = (Teller::default(), Instant::now());
        let states = ["True", "False"].map(|status| [condition("Synced", status, status)]);
        let flaps = |teller: &mut Teller, at| -> usize {
            (0..100).map(|turn| told(teller, &[], &states[turn % 2], at).len()).sum()
        };
        assert_eq!(flaps(&mut teller, at), BURST as usize);
        assert_eq!(flaps(&mut teller, at + REFILL * 3), 3);
        let (mut teller, braked) = (Teller::default(), [condition("WithinBudgets", "False", "Braked")]);
        assert_eq!(told(&mut teller, &[], &braked, at).len(), 1);
        assert!(told(&mut teller, &braked, &[], at).is_empty());
        assert_eq!(told(&mut teller, &braked, &braked, at).len(), 1);
    }

    #[test]
    fn a_plan_that_becomes_another_is_told_in_its_time_and_leaves_enough_to_others() {
        let held = |digest: usize| {
            let message =
                format!("Held: release it with {}=d{digest}", registrar_core::api::RELEASE_ANNOTATION);
            let condition =
                |kind| Condition { message: message.clone(), ..condition(kind, "False", "Braked") };
            [condition("Ready"), condition("WithinBudgets")]
        };
        let (mut teller, begin) = (Teller::default(), Instant::now());
        let at = |second| begin + Duration::from_secs(second);
        let note = |digest: usize| format!("Braked WithinBudgets is False: {}", held(digest)[0].message);
        let due = |teller: &mut Teller, at| -> Vec<String> {
            let told = teller.due(at).into_iter().inspect(|told| assert!(told.is_of_plan));
            told.map(|it| format!("{} {}", it.event.reason, it.event.note.unwrap())).collect()
        };
        assert_eq!(told(&mut teller, &[], &held(0), at(0)), [note(0)]);
        assert!(told(&mut teller, &[], &held(1), at(1)).is_empty());
        assert!(told(&mut teller, &[], &held(2), at(2)).is_empty());
        assert_eq!(teller.next_at(), Some(at(10)));
        assert!(due(&mut teller, at(9)).is_empty());
        assert_eq!(due(&mut teller, at(10)), [note(2)]);
        assert_eq!((due(&mut teller, at(100)), teller.next_at()), (Vec::new(), None));
        // What is not held any more by then is not told.
        assert!(told(&mut teller, &[], &held(3), at(11)).is_empty());
        assert!(told(&mut teller, &[], &[], at(12)).is_empty());
        assert!(due(&mut teller, at(100)).is_empty());
        // One that is another each second for a quarter of an hour.
        let mut count = 0;
        for second in 200..1100 {
            count += told(&mut teller, &[], &held(second as usize), at(second)).len();
            count += due(&mut teller, at(second)).len();
        }
        assert!((18..24).contains(&count), "{count}");
        let lost = [condition("ClusterReachable", "False", "NoAnswer")];
        assert_eq!(told(&mut teller, &[], &lost, at(1100)).len(), 1);
    }

    #[test]
    fn a_note_is_no_longer_than_kubernetes_takes() {
        let long = Condition { message: "ä".repeat(2000), ..condition("Synced", "False", "R") };
        assert!(event(&long).note.unwrap().len() <= MAX_NOTE_BYTES);
    }
}
