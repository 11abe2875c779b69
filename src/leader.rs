//! Which replica writes: a Lease in the management cluster, judged by this process's own monotonic clock.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use registrar_core::config::LeaderElectionConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

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

/// Whether this replica may try to hold the lease now.
fn may_take(seen: Option<&Sighting>, me: &str, duration: Duration, now: Instant) -> bool {
    seen.is_none_or(|seen| {
        let is_free = seen.holder().is_empty() || seen.holder() == me;
        is_free || now.duration_since(seen.at) >= seen.duration(duration)
    })
}

/// Holds the lease whenever it can, and publishes until when this replica may write: `renewDeadline` after the moment
/// right before the last renewal, which ends before `leaseDuration`, after which another may take it. Gives the lease
/// back at `shutdown`, which therefore must come after the writers have ended. With `leaderElect: false` this replica
/// always may.
pub async fn run(
    client: Client,
    config: LeaderElectionConfig,
    me: String,
    leading: watch::Sender<Option<Instant>>,
    shutdown: CancellationToken,
) {
    if !config.leader_elect {
        // Renewed all the same, so that no instant has to stand for "always".
        loop {
            leading.send_replace(Some(Instant::now() + config.lease_duration));
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(config.retry_period) => {}
            }
        }
    }
    let api: Api<Lease> = Api::namespaced(client, &config.resource_namespace);
    let mut seen: Option<Sighting> = None;
    let mut leads = false;
    let mut told: Option<String> = None;
    loop {
        let started = Instant::now();
        let attempt =
            tokio::time::timeout(config.renew_deadline / 2, try_hold(&api, &config, &me, &mut seen)).await;
        match attempt {
            Ok(Ok(true)) => {
                leading.send_replace(Some(started + config.renew_deadline));
                if !std::mem::replace(&mut leads, true) {
                    info!(holder = me, "became leader");
                }
                told = None;
            }
            Ok(Ok(false)) => {
                if std::mem::replace(&mut leads, false) {
                    leading.send_replace(None);
                    warn!("another replica holds the lease");
                }
            }
            // What was published ends by itself.
            Ok(Err(error)) => tell(&mut told, error.to_string()),
            Err(_) => tell(&mut told, "no answer in time".to_owned()),
        }
        if leading.borrow().is_some_and(|until| until <= Instant::now()) {
            leading.send_replace(None);
            leads = false;
            warn!("the lease could not be renewed in time: writing stops");
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(config.retry_period) => {}
        }
    }
    leading.send_replace(None);
    if leads && let Err(error) = write(&api, &config, "", &mut seen).await {
        warn!(%error, "the lease could not be given back; another replica takes it when it has run out");
    }
}

fn tell(told: &mut Option<String>, error: String) {
    if told.as_ref() != Some(&error) {
        warn!(error, "cannot read or write the lease; trying again");
        *told = Some(error);
    }
}

async fn try_hold(
    api: &Api<Lease>,
    config: &LeaderElectionConfig,
    me: &str,
    seen: &mut Option<Sighting>,
) -> Result<bool, Error> {
    let lease = api.get_opt(&config.resource_name).await?;
    // After the answer: the holder may have renewed while it was on its way, and its time counts from then at the earliest.
    let now = Instant::now();
    *seen = lease.map(|lease| Sighting::of(seen.take(), lease, now));
    if !may_take(seen.as_ref(), me, config.lease_duration, now) {
        return Ok(false);
    }
    match write(api, config, me, seen).await {
        Ok(()) => Ok(true),
        // Another was quicker.
        Err(Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes the lease, guarded by the version that was seen; what others keep on it stays.
async fn write(
    api: &Api<Lease>,
    config: &LeaderElectionConfig,
    holder: &str,
    seen: &mut Option<Sighting>,
) -> Result<(), Error> {
    let before = seen.as_ref().map(|seen| seen.lease.clone());
    let lease = next(before, config, holder, MicroTime(Timestamp::now()));
    let written = match seen {
        None => api.create(&PostParams::default(), &lease).await?,
        Some(_) => api.replace(&config.resource_name, &PostParams::default(), &lease).await?,
    };
    *seen = Some(Sighting::of(seen.take(), written, Instant::now()));
    Ok(())
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
        assert!(!may_take(Some(&seen), "me", DURATION, later(14)));
        assert!(may_take(Some(&seen), "me", DURATION, later(15)));
        // Silence counts from the first sighting of the same renewal; a renewal starts it anew.
        let same = Sighting::of(Some(seen.clone()), lease("other", 1), later(10));
        assert!(may_take(Some(&same), "me", DURATION, later(15)));
        let renewed = Sighting::of(Some(seen), lease("other", 2), later(10));
        assert!(!may_take(Some(&renewed), "me", DURATION, later(15)));
    }

    #[test]
    fn a_holder_that_asks_for_more_time_gets_it() {
        let begin = Instant::now();
        let mut long = lease("other", 1);
        long.spec.as_mut().unwrap().lease_duration_seconds = Some(60);
        let seen = Sighting::of(None, long, begin);
        assert!(!may_take(Some(&seen), "me", DURATION, begin + Duration::from_secs(59)));
        assert!(may_take(Some(&seen), "me", DURATION, begin + Duration::from_secs(60)));
    }

    #[test]
    fn a_released_or_own_lease_is_taken_at_once() {
        let now = Instant::now();
        for holder in ["", "me"] {
            assert!(may_take(Some(&Sighting::of(None, lease(holder, 1), now)), "me", DURATION, now));
        }
        assert!(may_take(None, "me", DURATION, now));
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
