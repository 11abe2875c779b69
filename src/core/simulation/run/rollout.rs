//! How far rollouts are, as the leader writes it, and what must hold of each wave.

use super::{Simulation, Violation};
use crate::desired::IdentityStanding;
use crate::ledger::Mode;
use crate::names::IdentityName;
use crate::rollout::{RolloutReport, Standing};
use crate::simulation::outside::{IdentityState, RolloutState, cluster_name, identity_name, stable_spec};
use crate::simulation::rules::{Known, former};
use crate::simulation::schedule::{CLUSTERS, Health, IDENTITIES, PAUSE};

impl Simulation {
    /// Writes what is decided, on objects that are still as the leader has seen them; whether something is told after that.
    pub(super) fn write_rollouts(&mut self) -> Result<bool, Violation> {
        let mut is_news = false;
        let now = self.now;
        let replica = &mut self.replicas[self.leader];
        let outcome = replica.ledger.outcome(None);
        let mut decided = replica.rollouts.decide(&replica.index, &outcome, now);
        for name in 0..IDENTITIES {
            let state = self.outside.identities[usize::from(name)].as_deref().cloned();
            let Some(state) = state.filter(|it| it.health != Health::Unreadable) else { continue };
            let told = &self.replicas[self.leader].told;
            let has_seen =
                matches!(&told.identities[usize::from(name)], Some(Known::Seen(it)) if **it == state);
            if !has_seen {
                continue;
            }
            let report = decided.remove(&IdentityName::new(identity_name(name)).unwrap());
            if report.is_some() != state.spec.rollout {
                return Err(format!("identity {name}: a rollout is told of {report:?}"));
            }
            let next = read(&state, report.as_ref())?;
            if next == state.rollout {
                continue;
            }
            self.check_wave(name, &state, next)?;
            self.tally.waves += u64::from(former(&state).is_some());
            self.put_identity(name, IdentityState { rollout: next, ..state });
            is_news = true;
        }
        Ok(is_news)
    }

    /// One cluster first; the others when it has been in step for long enough, and nobody there is worse off.
    fn check_wave(
        &self,
        name: u8,
        state: &IdentityState,
        next: Option<RolloutState>,
    ) -> Result<(), Violation> {
        let (Some(stable), Some(before)) = (former(state), state.rollout) else { return Ok(()) };
        let broken = |rule: &str| Err(format!("the rollout of {name} goes on: {rule}"));
        if state.health != Health::Fine {
            return broken("the spec cannot be used");
        }
        let told = &self.replicas[self.leader].told;
        let targets: Vec<u8> =
            (0..CLUSTERS).filter(|it| told.is_target(*it, [&state.spec, &stable])).collect();
        let has_now = |cluster: &u8| match next {
            Some(next) if next.stable == stable => next.updated[usize::from(*cluster)],
            _ => true,
        };
        let had = |cluster: &u8| before.updated[usize::from(*cluster)];
        if targets.iter().any(|it| had(it) && !has_now(it)) {
            return broken("a cluster loses the edit");
        }
        let watched: Vec<u8> = targets.iter().copied().filter(had).collect();
        if watched.is_empty() {
            return match targets.iter().filter(|it| has_now(it)).count() {
                count if count > 1 => broken("more than one cluster is the first"),
                _ => Ok(()),
            };
        }
        if targets.iter().all(|it| had(it) == has_now(it)) && !targets.iter().all(had) {
            return Ok(());
        }
        if self.now.duration_since(self.edited[usize::from(name)]) < PAUSE {
            return broken("the pause is not over");
        }
        // Whether a fallback is needed at all is said by the other identities.
        let is_asked = !state.spec.fallback;
        for cluster in watched.into_iter().filter(|it| told.is_synced(*it) && is_asked) {
            for pod in told.clusters[usize::from(cluster)].iter().flat_map(|it| it.pods.keys()) {
                if told.is_without(&state.spec, *pod) && !told.is_without(&stable, *pod) {
                    return broken(&format!("{pod:?} gets nothing of it"));
                }
            }
        }
        Ok(())
    }

    /// Where nothing is in the way, every rollout has come to its end.
    pub(super) fn check_rollouts_end(&mut self) -> Result<(), Violation> {
        if self.setup.mode == Mode::Observe {
            return Ok(());
        }
        let now = self.now;
        let replica = &mut self.replicas[self.leader];
        let outcome = replica.ledger.outcome(None);
        let decided = replica.rollouts.decide(&replica.index, &outcome, now);
        for view in replica.index.rollouts().filter(|view| view.standing == IdentityStanding::Live) {
            let report = decided.get(view.name).ok_or("a rollout of which nothing is told")?;
            if let Standing::Progressing(message) = &report.standing {
                return Err(format!("the rollout of {} has not come to its end: {message}", view.name));
            }
        }
        Ok(())
    }
}

/// What is written, in the model's words.
fn read(state: &IdentityState, report: Option<&RolloutReport>) -> Result<Option<RolloutState>, Violation> {
    let Some(status) = report.and_then(|report| report.status.as_ref()) else { return Ok(None) };
    let now = state.spec.rolled_out();
    let before = state.rollout.map(|rollout| rollout.stable);
    let is_it = |spec: &_| stable_spec(spec) == status.stable_spec;
    let stable = match before.filter(is_it) {
        Some(stable) => stable,
        None if is_it(&now) && state.health == Health::Fine => now,
        None => return Err(format!("{} is kept, which no object said", status.stable_spec)),
    };
    let mut updated = [false; CLUSTERS as usize];
    for cluster in 0..CLUSTERS {
        let has_it = status.updated_clusters.iter().any(|it| it == cluster_name(cluster).as_str());
        updated[usize::from(cluster)] = has_it;
    }
    Ok(Some(RolloutState { stable, updated }))
}
