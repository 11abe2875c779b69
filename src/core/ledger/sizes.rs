//! How many entries the fleet, a cluster and an identity have: what the brake's shares are shares of.

use hashbrown::HashMap;

use crate::brake::{MadeFor, Scope};
use crate::desired::Desired;
use crate::mirror::{Mirror, Ours};
use crate::names::IdentityName;
use crate::parallel;

/// The numbers of these scopes' entries, in their order, with one look at each entry however many they are. Of entries that
/// nobody wants any more `made_for` tells whose they were; the others are tried with each identity.
pub(super) fn of(desired: &Desired, mirror: &Mirror, scopes: &[&Scope], made_for: &MadeFor<'_>) -> Vec<u64> {
    let of_identity = |scope: &&'_ Scope| match scope {
        Scope::Identity(name) => Some(name.clone()),
        Scope::Fleet | Scope::Cluster(_) => None,
    };
    let asked: Vec<IdentityName> = scopes.iter().filter_map(of_identity).collect();
    let entries: Vec<Ours<'_>> = if asked.is_empty() { Vec::new() } else { mirror.ours().collect() };
    let parts = parallel::in_parts(&entries, |entries| {
        let mut counts: HashMap<&IdentityName, u64> = HashMap::new();
        for entry in entries {
            let place = entry.place;
            let pod = desired.pod(&place.pod);
            let mut wanted = pod.into_iter().flat_map(|pod| pod.wanted.iter().chain(&pod.previewed));
            let by_pod = wanted.find(|wanted| wanted.digest.is_beside(&place.digest));
            let by_trial = || asked.iter().find(|name| place.digest.is_of(name, &place.pod.pod));
            let name = by_pod.map(|wanted| &wanted.identity);
            if let Some(name) = name.or_else(|| made_for.get(&entry.id()).copied()).or_else(by_trial) {
                *counts.entry(name).or_default() += 1;
            }
        }
        counts
    });
    let of_name = |name: &IdentityName| parts.iter().filter_map(|counts| counts.get(name)).sum();
    let size = |scope: &&'_ Scope| match scope {
        Scope::Fleet => mirror.counts().0 as u64,
        Scope::Cluster(tag) => mirror.count_of(tag) as u64,
        Scope::Identity(name) => of_name(name),
    };
    scopes.iter().map(size).collect()
}
