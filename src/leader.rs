//! Which replica writes: a Lease in the management cluster, judged by this process's own monotonic clock.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use registrar_core::config::LeaderElectionConfig;
use registrar_core::reasons;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often a replica that does not lead looks at the lease, at least: so long a released one is nobody's.
const LOOK: Duration = Duration::from_millis(500);
/// How often a replica that cannot use SPIRE has given the lease back in vain until it does so no more often.
const MOST_DOUBLINGS: u32 = 6;

/// Leave to write, until a moment of this process's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lead {
    /// How often the lease has changed hands: with another number than before, others may have written in between.
    pub term: i32,
    /// When it ends, unless it is renewed.
    pub until: Instant,
}

impl Lead {
    /// Whether it still holds.
    pub fn holds(&self) -> bool {
        self.until > Instant::now()
    }
}

/// What the holder of the lease is connected to.
#[derive(Debug)]
pub struct Ends {
    /// Whether SPIRE answers this replica.
    pub spire: watch::Receiver<bool>,
    /// Until when this replica may write; none while it does not lead.
    pub leading: watch::Sender<Option<Lead>>,
}

/// What was last seen of the lease, and when by our own clock. Others' clocks are never compared with ours.
#[derive(Debug, Clone)]
struct Sighting {
    lease: Lease,
    at: Instant,
}

impl Sighting {
    /// A sighting keeps its time as long as the holder does not renew.
    fn of(before: Option<Self>, lease: Lease, now: Instant) -> Self {
        let told = |lease: &Lease| {
            let spec = lease.spec.as_ref();
            spec.map(|spec| (spec.holder_identity.clone(), spec.renew_time.clone()))
        };
        let unchanged = before.filter(|before| told(&before.lease) == told(&lease));
        Self { at: unchanged.map_or(now, |before| before.at), lease }
    }

    fn holder(&self) -> &str {
        let spec = self.lease.spec.as_ref();
        spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
    }

    /// How long the holder may be silent: it says so itself, since its configuration may be another than ours.
    fn duration(&self, ours: Duration) -> Duration {
        let seconds = self.lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let theirs = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
        theirs.map_or(ours, |theirs| theirs.max(ours))
    }
}

/// Whether this replica may try to hold the lease now; `courtesy` is how long it leaves one that is free to others.
fn may_take(seen: Option<&Sighting>, me: &str, duration: Duration, courtesy: Duration, now: Instant) -> bool {
    seen.is_none_or(|seen| {
        let silent = match seen.holder() {
            "" => Duration::ZERO,
            holder if holder == me => return true,
            _ => seen.duration(duration),
        };
        now.duration_since(seen.at) >= silent + courtesy
    })
}

/// When a replica that SPIRE does not answer gives the lease back: after `leaseDuration`, and where nobody else took it,
/// after twice the time, and so on. Somebody has to tell on the objects that SPIRE does not answer anybody.
#[derive(Debug, Default)]
struct Patience {
    unanswered: Option<Instant>,
    in_vain: u32,
}

impl Patience {
    fn is_over(&mut self, is_answered: bool, duration: Duration, now: Instant) -> bool {
        if is_answered {
            *self = Self::default();
            return false;
        }
        let since = *self.unanswered.get_or_insert(now);
        now.duration_since(since) >= duration * (1 << self.in_vain)
    }

    fn used(&mut self) {
        *self = Self { unanswered: None, in_vain: (self.in_vain + 1).min(MOST_DOUBLINGS) };
    }
}

/// Holds the lease whenever it can, and publishes until when this replica may write: `renewDeadline` after the moment
/// right before the last renewal, which ends before `leaseDuration`, after which another may take it. A replica that SPIRE
/// does not answer leaves the lease to others for a while. Gives the lease back at `shutdown`, which therefore must come
/// after the writers have ended. With `leaderElect: false` this replica always may.
pub async fn run(
    client: Client,
    config: LeaderElectionConfig,
    me: String,
    ends: Ends,
    shutdown: CancellationToken,
) {
    let Ends { mut spire, leading } = ends;
    if !config.leader_elect {
        // Renewed all the same, so that no instant has to stand for "always".
        loop {
            leading.send_replace(Some(Lead { term: 0, until: Instant::now() + config.lease_duration }));
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(config.retry_period) => {}
            }
        }
    }
    let mut lease = Held {
        api: Api::namespaced(client, &config.resource_namespace),
        // Others look sooner than that.
        courtesy: config.retry_period * 2,
        config,
        me,
        seen: None,
        told: None,
    };
    let config = lease.config.clone();
    let mut leads = false;
    let mut patience = Patience::default();
    loop {
        let is_answered = *spire.borrow_and_update();
        if leads && patience.is_over(is_answered, config.lease_duration, Instant::now()) {
            warn!("SPIRE does not answer this replica, which leaves the lease to one that it answers");
            patience.used();
            leads = false;
            leading.send_replace(None);
            lease.give_back().await;
        }
        let started = Instant::now();
        let attempt = tokio::time::timeout(config.renew_deadline / 2, lease.try_hold(is_answered)).await;
        match attempt {
            Ok(Ok(Some(term))) => {
                leading.send_replace(Some(Lead { term, until: started + config.renew_deadline }));
                if !std::mem::replace(&mut leads, true) {
                    info!(holder = lease.me, "became leader");
                }
                lease.told = None;
            }
            Ok(Ok(None)) => {
                if std::mem::replace(&mut leads, false) {
                    leading.send_replace(None);
                    warn!("another replica holds the lease");
                }
            }
            // What was published ends by itself.
            Ok(Err(error)) => lease.tell(error.to_string(), next_step(&error)),
            Err(_) => lease.tell("no answer in time".to_owned(), reasons::lease_next_step(0)),
        }
        if leading.borrow().is_some_and(|lead| !lead.holds()) {
            leading.send_replace(None);
            leads = false;
            warn!("the lease could not be renewed in time: writing stops");
        }
        let pause = if leads { config.retry_period } else { lease.next_look(Instant::now()) };
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
            // One that is free is taken as soon as it is known that SPIRE answers.
            Ok(()) = spire.changed(), if !leads => {}
        }
    }
    leading.send_replace(None);
    if leads {
        lease.give_back().await;
    }
}

/// The lease, as this replica knows it.
struct Held {
    api: Api<Lease>,
    config: LeaderElectionConfig,
    me: String,
    courtesy: Duration,
    seen: Option<Sighting>,
    /// What was last told in the log.
    told: Option<String>,
}

impl Held {
    fn tell(&mut self, error: String, next: &'static str) {
        if self.told.as_ref() != Some(&error) {
            let LeaderElectionConfig { resource_namespace, resource_name, .. } = &self.config;
            warn!(
                error,
                lease = format!("{resource_namespace}/{resource_name}"),
                next,
                "cannot read or write the lease (leaderElection.resourceNamespace, leaderElection.resourceName), so \
                 that nothing is written; trying again"
            );
            self.told = Some(error);
        }
    }

    /// How long a replica that does not lead waits before it looks again: not past the moment when the lease has run out.
    fn next_look(&self, now: Instant) -> Duration {
        let pause = self.config.retry_period.min(LOOK);
        let runs_out = self.seen.as_ref().map(|seen| seen.at + seen.duration(self.config.lease_duration));
        let left = runs_out.map(|at| at.saturating_duration_since(now)).filter(|left| !left.is_zero());
        left.map_or(pause, |left| left.min(pause))
    }

    /// The term, if this replica holds the lease now.
    async fn try_hold(&mut self, is_answered: bool) -> Result<Option<i32>, Error> {
        let lease = self.api.get_opt(&self.config.resource_name).await?;
        // After the answer: the holder may have renewed while it was on its way, and its time counts from then at the earliest.
        let now = Instant::now();
        self.seen = lease.map(|lease| Sighting::of(self.seen.take(), lease, now));
        let courtesy = if is_answered { Duration::ZERO } else { self.courtesy };
        if !may_take(self.seen.as_ref(), &self.me, self.config.lease_duration, courtesy, now) {
            return Ok(None);
        }
        let me = self.me.clone();
        match self.write(&me).await {
            Ok(term) => Ok(Some(term)),
            // Another was quicker.
            Err(Error::Api(status)) if status.code == 409 => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn give_back(&mut self) {
        let written = tokio::time::timeout(self.config.renew_deadline / 2, self.write("")).await;
        let problem = match written {
            Ok(Ok(_)) => return info!("the lease is given back"),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer in time".to_owned(),
        };
        warn!(
            error = problem,
            "the lease could not be given back; another replica takes it when it has run out"
        );
    }

    /// Writes the lease, guarded by the version that was seen; what others keep on it stays. The term that it is in.
    async fn write(&mut self, holder: &str) -> Result<i32, Error> {
        let before = self.seen.as_ref().map(|seen| seen.lease.clone());
        let lease = next(before, &self.config, holder, MicroTime(Timestamp::now()));
        let written = match self.seen {
            None => self.api.create(&PostParams::default(), &lease).await?,
            Some(_) => self.api.replace(&self.config.resource_name, &PostParams::default(), &lease).await?,
        };
        let term = written.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or_default();
        self.seen = Some(Sighting::of(self.seen.take(), written, Instant::now()));
        Ok(term)
    }
}

/// What is to be done where the lease cannot be read or written.
fn next_step(error: &Error) -> &'static str {
    reasons::lease_next_step(match error {
        Error::Api(status) => status.code,
        _ => 0,
    })
}

/// The lease as this holder leaves it.
fn next(before: Option<Lease>, config: &LeaderElectionConfig, holder: &str, now: MicroTime) -> Lease {
    let mut lease = before.unwrap_or_default();
    lease.metadata.name = Some(config.resource_name.clone());
    let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
    // Nobody acquires a lease that is given back.
    if !holder.is_empty() && spec.holder_identity.as_deref() != Some(holder) {
        spec.acquire_time = Some(now.clone());
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default().saturating_add(1));
    }
    spec.holder_identity = Some(holder.to_owned());
    spec.renew_time = Some(now);
    // Whole seconds, rounded up: whoever reads it waits no less than we said.
    let seconds = config.lease_duration.as_secs_f64().ceil() as i32;
    spec.lease_duration_seconds = Some(seconds);
    lease
}

#[cfg(test)]
mod tests {
    use super::*;

    const DURATION: Duration = Duration::from_secs(15);

    fn config() -> LeaderElectionConfig {
        registrar_core::config::Config::parse("trustDomain: example.org").unwrap().leader_election
    }

    fn lease(holder: &str, renewed: i64) -> Lease {
        next(None, &config(), holder, MicroTime(Timestamp::from_second(renewed).unwrap()))
    }

    #[test]
    fn a_lease_is_taken_only_when_its_holder_has_been_silent_for_its_duration_by_our_clock() {
        let begin = Instant::now();
        let seen = Sighting::of(None, lease("other", 1), begin);
        let later = |seconds| begin + Duration::from_secs(seconds);
        let taken = |seen, now| may_take(Some(seen), "me", DURATION, Duration::ZERO, now);
        assert!(!taken(&seen, later(14)));
        assert!(taken(&seen, later(15)));
        // Silence counts from the first sighting of the same renewal; a renewal starts it anew.
        let same = Sighting::of(Some(seen.clone()), lease("other", 1), later(10));
        assert!(taken(&same, later(15)));
        let renewed = Sighting::of(Some(seen.clone()), lease("other", 2), later(10));
        assert!(!taken(&renewed, later(15)));
    }

    #[test]
    fn a_holder_that_asks_for_more_time_gets_it() {
        let begin = Instant::now();
        let mut long = lease("other", 1);
        long.spec.as_mut().unwrap().lease_duration_seconds = Some(60);
        let seen = Sighting::of(None, long, begin);
        let taken = |seconds| {
            may_take(Some(&seen), "me", DURATION, Duration::ZERO, begin + Duration::from_secs(seconds))
        };
        assert!(!taken(59));
        assert!(taken(60));
    }

    #[test]
    fn a_released_or_own_lease_is_taken_at_once() {
        let now = Instant::now();
        let none = Duration::ZERO;
        for holder in ["", "me"] {
            assert!(may_take(Some(&Sighting::of(None, lease(holder, 1), now)), "me", DURATION, none, now));
        }
        assert!(may_take(None, "me", DURATION, none, now));
    }

    #[test]
    fn whoever_spire_does_not_answer_leaves_a_free_lease_to_others_for_a_while() {
        let begin = Instant::now();
        let courtesy = Duration::from_secs(4);
        for (holder, taken_after) in [("", 4), ("other", 19), ("me", 0)] {
            let seen = Sighting::of(None, lease(holder, 1), begin);
            let taken = |seconds| {
                may_take(Some(&seen), "me", DURATION, courtesy, begin + Duration::from_secs(seconds))
            };
            assert!(taken_after == 0 || !taken(taken_after - 1), "{holder}");
            assert!(taken(taken_after), "{holder}");
        }
    }

    #[test]
    fn whoever_spire_does_not_answer_gives_the_lease_back_and_in_vain_ever_more_seldom() {
        let begin = Instant::now();
        let later = |seconds| begin + Duration::from_secs(seconds);
        let mut patience = Patience::default();
        assert!(!patience.is_over(true, DURATION, later(0)));
        assert!(!patience.is_over(false, DURATION, later(1)));
        assert!(!patience.is_over(false, DURATION, later(15)));
        assert!(patience.is_over(false, DURATION, later(16)));
        patience.used();
        assert!(!patience.is_over(false, DURATION, later(20)));
        assert!(!patience.is_over(false, DURATION, later(49)));
        assert!(patience.is_over(false, DURATION, later(50)));
        // An answer is the end of it.
        assert!(!patience.is_over(true, DURATION, later(51)));
        assert!(!patience.is_over(false, DURATION, later(52)));
        assert!(patience.is_over(false, DURATION, later(67)));
    }

    #[test]
    fn a_renewal_keeps_what_others_put_there_and_when_it_was_acquired() {
        let time = |second| MicroTime(Timestamp::from_second(second).unwrap());
        let mut held = lease("me", 1);
        held.metadata.labels = Some([("team".to_owned(), "a".to_owned())].into());
        let renewed = next(Some(held.clone()), &config(), "me", time(2));
        let spec = renewed.spec.clone().unwrap();
        assert_eq!((spec.acquire_time, spec.renew_time), (Some(time(1)), Some(time(2))));
        assert_eq!(renewed.metadata.labels, held.metadata.labels);
        let taken = next(Some(renewed), &config(), "other", time(3)).spec.unwrap();
        assert_eq!((taken.acquire_time, taken.lease_transitions), (Some(time(3)), Some(2)));
    }
}
