//! Which replica writes: a Lease in the management cluster, judged by this process's own monotonic clock.

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, Error};
use registrar_core::config::LeaderElectionConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// What was last seen of the lease, and when by our own clock. Others' clocks are never compared with ours.
#[derive(Debug, Clone, PartialEq)]
struct Sighting {
    holder: String,
    renewed: Option<Timestamp>,
    resource_version: Option<String>,
    at: Instant,
}

/// Whether this replica may try to hold the lease now.
fn may_take(seen: Option<&Sighting>, me: &str, duration: Duration, now: Instant) -> bool {
    seen.is_none_or(|seen| {
        seen.holder.is_empty() || seen.holder == me || now.duration_since(seen.at) >= duration
    })
}

/// A sighting keeps its time as long as the holder does not renew.
fn sight(before: Option<Sighting>, lease: &Lease, now: Instant) -> Sighting {
    let spec = lease.spec.as_ref();
    let holder = spec.and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
    let renewed = spec.and_then(|spec| spec.renew_time.as_ref()).map(|MicroTime(time)| *time);
    let unchanged = before.filter(|before| before.holder == holder && before.renewed == renewed);
    let at = unchanged.map_or(now, |before| before.at);
    Sighting { holder, renewed, resource_version: lease.metadata.resource_version.clone(), at }
}

/// Holds the lease whenever it can, and publishes until when this replica may write: `renewDeadline` after the moment
/// right before the last renewal, which ends before `leaseDuration`, after which another may take it. Gives the lease
/// back at `shutdown`. With `leaderElect: false` this replica always may.
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
    *seen = lease.map(|lease| sight(seen.take(), &lease, now));
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

/// Writes the lease, guarded by the version that was seen.
async fn write(
    api: &Api<Lease>,
    config: &LeaderElectionConfig,
    holder: &str,
    seen: &mut Option<Sighting>,
) -> Result<(), Error> {
    let now = MicroTime(Timestamp::now());
    let lease = Lease {
        metadata: ObjectMeta {
            name: Some(config.resource_name.clone()),
            resource_version: seen.as_ref().and_then(|seen| seen.resource_version.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: i32::try_from(config.lease_duration.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }),
    };
    let written = match seen {
        None => api.create(&PostParams::default(), &lease).await?,
        Some(_) => api.replace(&config.resource_name, &PostParams::default(), &lease).await?,
    };
    *seen = Some(sight(seen.take(), &written, Instant::now()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, renewed: i64) -> Lease {
        let renew_time = Timestamp::from_second(renewed).ok().map(MicroTime);
        let spec = LeaseSpec { holder_identity: Some(holder.to_owned()), renew_time, ..LeaseSpec::default() };
        Lease { spec: Some(spec), ..Lease::default() }
    }

    #[test]
    fn a_lease_is_taken_only_when_its_holder_has_been_silent_for_its_duration_by_our_clock() {
        let (begin, duration) = (Instant::now(), Duration::from_secs(15));
        let seen = sight(None, &lease("other", 1), begin);
        let later = |seconds| begin + Duration::from_secs(seconds);
        assert!(!may_take(Some(&seen), "me", duration, later(14)));
        assert!(may_take(Some(&seen), "me", duration, later(15)));
        // Silence counts from the first sighting of the same renewal; a renewal starts it anew.
        let same = sight(Some(seen.clone()), &lease("other", 1), later(10));
        assert!(may_take(Some(&same), "me", duration, later(15)));
        let renewed = sight(Some(seen), &lease("other", 2), later(10));
        assert!(!may_take(Some(&renewed), "me", duration, later(15)));
    }

    #[test]
    fn a_released_or_own_lease_is_taken_at_once() {
        let now = Instant::now();
        for holder in ["", "me"] {
            assert!(may_take(Some(&sight(None, &lease(holder, 1), now)), "me", Duration::from_secs(15), now));
        }
        assert!(may_take(None, "me", Duration::from_secs(15), now));
    }
}
