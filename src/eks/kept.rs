//! Credentials that are kept for as long as they are good, and renewed before they end by whoever asks next.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_eks::error::ProvideErrorMetadata;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use rand::Rng;
use tokio::sync::Mutex;

use super::CALL_TIME;
use crate::causes;

/// How long credentials are kept that name no end: those of files and variables may be changed.
const WITHOUT_END: Duration = Duration::from_secs(15 * 60);
/// What is left of their time is not used: what is signed with them has to be good for a while too.
const LEAST_LEFT: Duration = Duration::from_secs(60);
/// Whoever asks within this time after a failure is told the same.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// How soon credentials that work may be tried again to renew, after that failed.
const RETRY: Duration = Duration::from_secs(60);
/// Credentials that were refused are renewed early only when they are older than this: a cluster that does not know a
/// role must not have it assumed anew all the time.
const LEAST_AGE: Duration = Duration::from_secs(300);

/// Why there are no credentials.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{problem}")]
pub struct NotHad {
    /// STS's error code; none where it did not answer or was not asked.
    pub code: Option<String>,
    /// AWS's words.
    pub problem: String,
}

/// What a provider gives, kept. One renewal is in flight at a time; all others wait for it. Clones share it.
#[derive(Debug, Clone)]
pub struct Kept {
    provider: SharedCredentialsProvider,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    kept: Option<Had>,
    failed: Option<(Instant, NotHad)>,
}

#[derive(Debug)]
struct Had {
    credentials: Credentials,
    since: Instant,
    renew_at: Instant,
    ends_at: Option<Instant>,
}

impl Kept {
    /// Nothing is asked yet.
    pub fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, state: Arc::default() }
    }

    /// Credentials that are good for a minute at least.
    pub async fn get(&self) -> Result<Credentials, NotHad> {
        let mut state = self.state.lock().await;
        let now = Instant::now();
        if let Some(had) = state.kept.as_ref().filter(|had| now < had.renew_at) {
            return Ok(had.credentials.clone());
        }
        if let Some((at, failure)) = &state.failed
            && now.duration_since(*at) < AFTER_FAILURE
        {
            return Err(failure.clone());
        }
        match self.ask().await {
            Ok(credentials) => {
                let now = Instant::now();
                let left = credentials.expiry();
                let left = left.map(|at| at.duration_since(SystemTime::now()).unwrap_or_default());
                let renew_at = now + due(left, rand::rng().random_range(0.0..1.0));
                let ends_at = left.map(|left| now + left.saturating_sub(LEAST_LEFT));
                *state = State::default();
                state.kept = Some(Had { credentials: credentials.clone(), since: now, renew_at, ends_at });
                Ok(credentials)
            }
            Err(failure) => {
                let now = Instant::now();
                // STS may fail for a while: what is still good is still used.
                if let Some(had) = state.kept.as_mut().filter(|had| had.ends_at.is_none_or(|end| now < end)) {
                    had.renew_at = now + RETRY;
                    return Ok(had.credentials.clone());
                }
                state.kept = None;
                state.failed = Some((now, failure.clone()));
                Err(failure)
            }
        }
    }

    /// Somebody who should know them did not: the next who asks has new ones, unless these are new.
    pub async fn refused(&self) {
        let mut state = self.state.lock().await;
        if state.kept.as_ref().is_some_and(|had| had.since.elapsed() >= LEAST_AGE) {
            state.kept = None;
        }
    }

    async fn ask(&self) -> Result<Credentials, NotHad> {
        match tokio::time::timeout(CALL_TIME, self.provider.provide_credentials()).await {
            Err(_) => Err(NotHad { code: None, problem: format!("none within {CALL_TIME:?}") }),
            Ok(Err(error)) => {
                Err(of_sts(&error).unwrap_or_else(|| NotHad { code: None, problem: causes::told(&error) }))
            }
            Ok(Ok(credentials)) => Ok(credentials),
        }
    }
}

impl ProvideCredentials for Kept {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.get().await.map_err(CredentialsError::provider_error) })
    }
}

/// How long after they were had credentials are renewed: at three quarters of their time at the soonest, and a part of
/// the rest is left to `chance` (0 to 1), so that roles that were assumed together are not renewed together.
fn due(left: Option<Duration>, chance: f64) -> Duration {
    let Some(left) = left else { return WITHOUT_END.mul_f64(1.0 - chance / 5.0) };
    left.saturating_sub(LEAST_LEFT).mul_f64(0.75 + chance * 0.2)
}

/// What STS itself said, somewhere among the causes; none where it is not at fault.
fn of_sts(error: &(dyn Error + 'static)) -> Option<NotHad> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<AssumeRoleError>() {
            let code = error.code()?;
            let problem = format!("STS says {code}: {}", error.message().unwrap_or_default());
            return Some(NotHad { code: Some(code.to_owned()), problem });
        }
        // The credentials by which a role is assumed are kept here too.
        if let Some(inner) = error.downcast_ref::<NotHad>() {
            return Some(inner.clone());
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Debug)]
    struct Counting {
        asked: Arc<AtomicU32>,
        /// How long the credentials are good; after the first so many there are none.
        good: Option<Duration>,
        count: u32,
    }

    impl ProvideCredentials for Counting {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.asked.fetch_add(1, Ordering::Relaxed);
            let expiry = self.good.map(|good| SystemTime::now() + good);
            future::ProvideCredentials::new(async move {
                tokio::task::yield_now().await;
                if number < self.count {
                    return Ok(Credentials::new(format!("AKIA{number}"), "secret", None, expiry, "test"));
                }
                Err(CredentialsError::not_loaded("there are no more"))
            })
        }
    }

    fn counting(good: Option<Duration>, count: u32) -> (Kept, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let provider = SharedCredentialsProvider::new(Counting { asked: asked.clone(), good, count });
        (Kept::new(provider), asked)
    }

    #[tokio::test]
    async fn many_who_ask_at_once_are_one_call() {
        let (kept, asked) = counting(Some(Duration::from_secs(3600)), 1);
        let all = futures::future::join_all((0..50).map(|_| kept.get())).await;
        assert!(all.iter().all(Result::is_ok));
        kept.refused().await;
        kept.get().await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 1, "new ones that are refused are not renewed");
        let (kept, asked) = counting(None, 0);
        let all = futures::future::join_all((0..50).map(|_| kept.get())).await;
        assert!(all.iter().all(Result::is_err));
        assert_eq!(asked.load(Ordering::Relaxed), 1, "a failure is told to all who ask");
    }

    #[tokio::test]
    async fn what_is_still_good_is_used_when_it_cannot_be_renewed() {
        let (kept, asked) = counting(Some(Duration::from_secs(3600)), 1);
        kept.get().await.unwrap();
        kept.state.lock().await.kept.as_mut().unwrap().renew_at = Instant::now();
        assert_eq!(kept.get().await.unwrap().access_key_id(), "AKIA0");
        kept.get().await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2, "and not tried again at once");
        let had = Instant::now();
        let mut state = kept.state.lock().await;
        let kept_state = state.kept.as_mut().unwrap();
        (kept_state.renew_at, kept_state.ends_at) = (had, Some(had));
        drop(state);
        assert!(kept.get().await.is_err());
    }

    #[test]
    fn renewal_is_due_well_before_the_end_and_not_for_all_at_once() {
        let hour = Duration::from_secs(3600);
        let (first, last) = (due(Some(hour), 0.0), due(Some(hour), 1.0));
        assert!(first >= hour / 2 && last < hour - LEAST_LEFT && last - first > Duration::from_secs(300));
        assert_eq!(due(Some(Duration::from_secs(10)), 0.5), Duration::ZERO);
        assert!(due(None, 1.0) < due(None, 0.0));
    }
}
