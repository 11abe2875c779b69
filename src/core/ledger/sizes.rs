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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::desired::{Delta, PodDesired, PodKey, Wanted};
    use crate::entry::{ClusterTag, Entry, EntryDigest, EntryId, EntryKey, Nonce};
    use crate::mirror::Observed;
    use crate::names::{ClusterName, PodUid};
    use crate::spiffe::{Selector, SpiffeId};

    fn entry(pod: &PodUid) -> Entry {
        let id = |path: &str| SpiffeId::new(format!("spiffe://example.org/{path}")).unwrap();
        let selectors = [Selector::pod_uid(pod)].into();
        Entry {
            key: EntryKey { spiffe_id: id("web"), parent_id: id("node"), selectors },
            x509_svid_ttl: 0,
            jwt_svid_ttl: 0,
            federates_with: BTreeSet::new(),
            admin: false,
            downstream: false,
            dns_names: Vec::new(),
            hint: String::new(),
        }
    }

    /// More than are looked at by one thread.
    #[test]
    fn entries_count_for_who_wants_them_or_for_whom_they_were_made() {
        let [a, b, c] = ["a", "b", "c"].map(|name| IdentityName::new(name).unwrap());
        let tag = |name: &str| ClusterTag::of(&ClusterName::new(name).unwrap());
        let (east, west) = (tag("east"), tag("west"));
        let (mut mirror, mut delta, mut gone) = (Mirror::new("t-"), Delta::default(), Vec::new());
        for number in 0..3000 {
            let pod = PodUid::new(format!("u{number}")).unwrap();
            let (owner, cluster) = [(&a, east), (&b, east), (&c, west)][number % 3];
            let digest = EntryDigest::of(owner, &pod, 0);
            let id = EntryId::make("t-", &cluster, &digest, &Nonce::new(0));
            mirror.insert(Observed::of(id.clone(), &entry(&pod)));
            // Of `a` all are wanted; of `b` none, which is known of half of them; of `c` likewise.
            if owner == &a {
                let desired = PodDesired {
                    wanted: [Wanted::new(&a, &pod, 0, entry(&pod))].into(),
                    ..PodDesired::default()
                };
                delta.pods.push((PodKey { cluster, pod }, Some(Arc::new(desired))));
            } else if number % 2 == 0 {
                gone.push((id, owner));
            }
        }
        mirror.insert(Observed::of(EntryId::observed("other"), &entry(&PodUid::new("u0").unwrap())));
        let desired = Desired::default().with(&delta);
        let made_for: MadeFor<'_> = gone.iter().map(|(id, owner)| (id, *owner)).collect();
        let of = |name: &IdentityName| Scope::Identity(name.clone());
        let nobody = IdentityName::new("nobody").unwrap();
        let scopes = [Scope::Fleet, Scope::Cluster(east), of(&a), of(&b), of(&nobody), Scope::Cluster(west)];
        let scopes: Vec<&Scope> = scopes.iter().collect();
        assert_eq!(super::of(&desired, &mirror, &scopes, &made_for), [3000, 2000, 1000, 1000, 0, 1000]);
    }
}
