//! Pods of which a write was refused, and when each is tried again.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use crate::api::Problem;
use crate::desired::PodKey;
use crate::names::IdentityName;

/// The first pause after a failed write; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two tries of one pod.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What was refused of one pod's plan.
#[derive(Debug)]
pub(super) struct Failure {
    tries: u32,
    /// When it was refused first.
    since: Instant,
    pub(super) due: Instant,
    pub(super) problems: Vec<(Option<IdentityName>, Problem)>,
}

/// All of them: SPIRE may refuse every entry of a fleet.
#[derive(Debug, Default)]
pub(super) struct Failures {
    pods: HashMap<PodKey, Failure>,
    by_due: BTreeSet<(Instant, PodKey)>,
}

impl Failures {
    /// Notes that a write was refused. Refused together, at one time, is refused once.
    pub(super) fn add(
        &mut self,
        pod: &PodKey,
        identity: Option<&IdentityName>,
        problem: Problem,
        now: Instant,
    ) {
        let new = || Failure { tries: 0, since: now, due: now, problems: Vec::new() };
        let failure = self.pods.entry_ref(pod).or_insert_with(new);
        if failure.due <= now {
            failure.tries += 1;
            failure.problems.clear();
            self.by_due.remove(&(failure.due, pod.clone()));
            failure.due = now + pause(pod, failure.tries);
            self.by_due.insert((failure.due, pod.clone()));
        }
        failure.problems.push((identity.cloned(), problem));
    }

    pub(super) fn remove(&mut self, pod: &PodKey) {
        if let Some(failure) = self.pods.remove(pod) {
            self.by_due.remove(&(failure.due, pod.clone()));
        }
    }

    pub(super) fn get(&self, pod: &PodKey) -> Option<&Failure> {
        self.pods.get(pod)
    }

    pub(super) fn contains(&self, pod: &PodKey) -> bool {
        self.pods.contains_key(pod)
    }

    pub(super) fn len(&self) -> usize {
        self.pods.len()
    }

    /// Lets those be due now that were first refused at that time or later.
    pub(super) fn hasten(&mut self, since: Instant, now: Instant) {
        let is_of_it = |pod: &PodKey| self.pods.get(pod).is_some_and(|failure| failure.since >= since);
        let waiting = self.by_due.iter().filter(|(due, pod)| *due > now && is_of_it(pod));
        let waiting = waiting.cloned().collect();
        self.all_due(waiting, now);
    }

    /// Lets the one be due now that is the next to be.
    pub(super) fn hasten_first(&mut self, now: Instant) {
        let first = self.by_due.iter().find(|(due, _)| *due > now);
        let first = first.cloned().into_iter().collect();
        self.all_due(first, now);
    }

    fn all_due(&mut self, waiting: Vec<(Instant, PodKey)>, now: Instant) {
        for (due, pod) in waiting {
            if let Some(failure) = self.pods.get_mut(&pod) {
                failure.due = now;
            }
            self.by_due.remove(&(due, pod.clone()));
            self.by_due.insert((now, pod));
        }
    }

    /// Whether a pod has to wait before it is tried again.
    pub(super) fn waits(&self, pod: &PodKey, now: Instant) -> bool {
        self.get(pod).is_some_and(|failure| failure.due > now)
    }

    /// Pods that are to be tried again, the longest due first.
    pub(super) fn due(&self, now: Instant) -> impl Iterator<Item = &PodKey> {
        self.all().take_while(move |(due, _)| *due <= now).map(|(_, pod)| pod)
    }

    /// All, with the time at which each is tried again, the first first.
    pub(super) fn all(&self) -> impl Iterator<Item = (Instant, &PodKey)> {
        self.by_due.iter().map(|(due, pod)| (*due, pod))
    }
}

/// How long a pod waits after so many failures. Pods that fail together are not tried again together: each waits between
/// half the pause and all of it, by its own uid, which is as good as a random number and the same in every replay.
fn pause(pod: &PodKey, tries: u32) -> Duration {
    let factor = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE);
    let mut hasher = DefaultHasher::new();
    (pod, tries).hash(&mut hasher);
    let spread = (hasher.finish() % 1000) as u32;
    pause / 2 + pause / 2000 * spread
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::ClusterTag;
    use crate::names::{ClusterName, PodUid};

    fn pod(number: u32) -> PodKey {
        let cluster = ClusterTag::of(&ClusterName::new("east").unwrap());
        PodKey { cluster, pod: PodUid::new(format!("u{number}")).unwrap() }
    }

    #[test]
    fn what_was_refused_is_due_once_after_each_refusal() {
        let (mut failures, begin) = (Failures::default(), Instant::now());
        let refused = || Problem::new("Refused", "(entry)", "no");
        failures.add(&pod(1), None, refused(), begin);
        failures.add(&pod(1), None, refused(), begin);
        failures.add(&pod(2), None, refused(), begin + LONGEST_PAUSE);
        let due = |failures: &Failures, after| failures.due(begin + after).cloned().collect::<Vec<_>>();
        assert_eq!(
            failures.get(&pod(1)).map(|failure| (failure.tries, failure.problems.len())),
            Some((1, 2))
        );
        assert!(failures.waits(&pod(1), begin) && due(&failures, Duration::ZERO).is_empty());
        assert_eq!(due(&failures, FIRST_PAUSE), [pod(1)]);
        assert_eq!(failures.all().count(), failures.len());
        failures.add(&pod(1), None, refused(), begin + FIRST_PAUSE);
        assert_eq!(
            failures.get(&pod(1)).map(|failure| (failure.tries, failure.problems.len())),
            Some((2, 1))
        );
        assert_eq!((failures.all().count(), failures.len()), (2, 2));
        failures.remove(&pod(1));
        assert_eq!(due(&failures, LONGEST_PAUSE * 2), [pod(2)]);
        // Before their time: those that were first refused since then, or the next one.
        (3..6).for_each(|number| failures.add(&pod(number), None, refused(), begin));
        failures.hasten(begin + LONGEST_PAUSE, begin);
        assert_eq!(due(&failures, Duration::ZERO), [pod(2)]);
        let first = failures.all().find(|(due, _)| *due > begin).map(|(_, pod)| pod.clone()).unwrap();
        failures.hasten_first(begin);
        let mut both = [pod(2), first];
        both.sort();
        assert_eq!(due(&failures, Duration::ZERO), both);
        failures.hasten(begin, begin);
        assert_eq!((due(&failures, Duration::ZERO).len(), failures.all().count()), (4, failures.len()));
    }

    #[test]
    fn pods_that_fail_together_are_not_tried_again_together() {
        let pauses = |tries: u32| (0..200).map(move |number| pause(&pod(number), tries));
        for (tries, longest) in [(1, FIRST_PAUSE), (4, FIRST_PAUSE * 8), (40, LONGEST_PAUSE)] {
            assert!(pauses(tries).all(|pause| longest / 2 <= pause && pause <= longest), "{tries}");
            let tenth = |pause: Duration| (pause.as_secs_f64() / longest.as_secs_f64() * 10.0) as u32;
            let tenths: BTreeSet<u32> = pauses(tries).map(tenth).collect();
            assert_eq!(tenths.len(), 5, "all of the upper half: {tenths:?}");
        }
    }
}
