//! A plan that is carried out leaves what was desired, and nothing to do.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::desired::{ClusterStanding, Delta, PodDesired};
use crate::entry::{ClusterTag, Entry, EntryKey, Nonce};
use crate::mirror::{Observed, Place};
use crate::names::{ClusterName, PodUid};
use crate::spiffe::{Selector, SpiffeId};

const PREFIX: &str = "t-";
const IDENTITIES: u8 = 3;
const SLOTS: u8 = 2;
const PATHS: u8 = 4;

/// An entry that an identity gives the pod, or that stands in SPIRE.
#[derive(Debug, Clone)]
struct Given {
    /// None: somebody else's.
    owner: Option<(u8, u8)>,
    path: u8,
    hint: bool,
}

/// Of this many percent it is known whose they are.
fn given(ours: u32) -> impl Strategy<Value = Given> {
    let own = (0..IDENTITIES, 0..SLOTS).prop_map(Some);
    let owner = prop_oneof![ours => own, 100 - ours => Just(None)];
    (owner, 0..PATHS, any::<bool>()).prop_map(|(owner, path, hint)| Given { owner, path, hint })
}

fn pod() -> PodKey {
    PodKey { cluster: ClusterTag::of(&cluster()), pod: PodUid::new("u").unwrap() }
}

fn cluster() -> ClusterName {
    ClusterName::new("east").unwrap()
}

fn identity(number: u8) -> IdentityName {
    IdentityName::new(format!("i{number}")).unwrap()
}

fn entry(given: &Given) -> Entry {
    let id = |path: &str| SpiffeId::new(format!("spiffe://example.org/{path}")).unwrap();
    let key = EntryKey {
        spiffe_id: id(&format!("f{}", given.path)),
        parent_id: id("node"),
        selectors: [Selector::pod_uid(&pod().pod)].into(),
    };
    Entry { hint: if given.hint { "h" } else { "" }.to_owned(), ..Entry::of_key(key) }
}

fn desired(
    wanted: &[Given],
    is_known: bool,
    hold: bool,
    standing: ClusterStanding,
    identities: &[Option<IdentityStanding>],
) -> Desired {
    let mut list: Vec<Wanted> = Vec::new();
    for given in wanted {
        let Some((number, slot)) = given.owner else { continue };
        let want = Wanted::new(&identity(number), &pod().pod, usize::from(slot), entry(given));
        if !list.iter().any(|other| other.key == want.key || other.digest == want.digest) {
            list.push(want);
        }
    }
    let hold = hold.then_some(Hold::NotDerived);
    let desired = PodDesired { wanted: list.into(), previewed: Box::default(), hold };
    let standings = (0..).zip(identities).map(|(number, standing)| (identity(number), *standing));
    let mut all = Desired::default();
    all.apply(&Delta {
        ready: true,
        clusters: vec![(cluster(), Some(standing))],
        identities: standings.collect(),
        pods: vec![(pod(), is_known.then(|| Arc::new(desired)))],
        ..Delta::default()
    });
    all
}

fn mirror(rows: &[Given]) -> Mirror {
    let mut mirror = Mirror::new(PREFIX);
    for (number, given) in rows.iter().enumerate() {
        let id = match given.owner {
            None => EntryId::observed(&format!("other-{number}")),
            Some((identity, slot)) => {
                let digest = EntryDigest::of(&self::identity(identity), &pod().pod, usize::from(slot));
                EntryId::make(PREFIX, &pod().cluster, &digest, &Nonce::new(number as u64))
            }
        };
        mirror.insert(Observed::of(id, &entry(given)));
    }
    mirror
}

fn plan_of(desired: &Desired, mirror: &Mirror) -> PodPlan {
    let mut made = 1 << 40;
    let plan = plan(&pod(), desired, mirror, |digest| {
        made += 1;
        EntryId::make(PREFIX, &pod().cluster, digest, &Nonce::new(made))
    });
    assert_eq!(check(&plan, desired, mirror, PREFIX), Ok(()));
    plan
}

fn standing() -> impl Strategy<Value = ClusterStanding> {
    prop::sample::select(vec![
        ClusterStanding::Synced { complete: true },
        ClusterStanding::Synced { complete: true },
        ClusterStanding::Synced { complete: false },
        ClusterStanding::Held(Hold::Unreachable),
        ClusterStanding::Ended,
    ])
}

fn identities() -> impl Strategy<Value = Vec<Option<IdentityStanding>>> {
    let known = [IdentityStanding::Live, IdentityStanding::Preview, IdentityStanding::Ended];
    let one = prop::option::weighted(0.8, prop::sample::select(known.to_vec()));
    prop::collection::vec(one, usize::from(IDENTITIES))
}

proptest! {
    #[test]
    fn what_is_planned_and_carried_out_is_what_was_desired(
        wanted in prop::collection::vec(given(99), 0..5),
        rows in prop::collection::vec(given(80), 0..6),
        (is_known, hold) in (prop::bool::weighted(0.9), prop::bool::weighted(0.2)),
        standing in standing(),
        identities in identities(),
    ) {
        let desired = desired(&wanted, is_known, hold, standing, &identities);
        let mut mirror = mirror(&rows);
        let others = |mirror: &Mirror| mirror.counts().1;
        let (foreign, before) = (others(&mirror), plan_of(&desired, &mirror));
        for (id, digest) in &before.taken_over {
            mirror.put(id, Place { pod: pod(), digest: *digest });
        }
        for write in before.creates.iter().chain(&before.updates) {
            mirror.insert(Observed::of(write.id.clone(), &write.wanted.entry().unwrap()));
        }
        for delete in &before.deletes {
            mirror.remove(&delete.id);
        }
        let after = plan_of(&desired, &mirror);
        prop_assert!(after.is_empty(), "{before:?}\n{after:?}");
        prop_assert_eq!(others(&mirror), foreign);
        prop_assert_eq!(&after.holds, &before.holds);
        prop_assert_eq!(&after.conflicts, &before.conflicts);
        // What is neither wanted nor held is gone; each wanted entry stands once, ours or somebody else's that is equal.
        let is_synced = matches!(standing, ClusterStanding::Synced { .. });
        let wants = desired.pod(&pod()).map(|pod| pod.wanted.clone()).unwrap_or_default();
        let waits = !is_synced || hold;
        let held: BTreeSet<&EntryId> = after.holds.iter().map(|(id, _)| id).collect();
        let mut open: Vec<&Wanted> = wants.iter().collect();
        for (id, row) in mirror.of_pod(&pod()).filter(|(id, _)| !held.contains(id)) {
            let equal = |want: &&Wanted| row.content == Some(want.content) || waits && row.key == want.key;
            let serves = open.iter().position(equal);
            prop_assert!(serves.is_some(), "{id} {before:?}");
            serves.map(|at| open.swap_remove(at));
        }
        open.retain(|want| {
            let mut same = mirror.with_key(&want.key);
            !same.any(|(_, row)| row.place.is_none() && row.content == Some(want.content))
        });
        prop_assert!(open.len() <= after.conflicts.len() + after.waiting.len(), "{open:?} {before:?}");
        prop_assert!(waits || after.waiting.is_empty());
    }
}

#[test]
fn what_was_made_for_another_is_not_altered_while_nobody_can_say_what_that_one_wants() {
    let given = |identity, hint| Given { owner: Some((identity, 0)), path: 0, hint };
    let mirror = mirror(&[given(0, true)]);
    let live = vec![Some(IdentityStanding::Live); usize::from(IDENTITIES)];
    let synced = ClusterStanding::Synced { complete: true };
    let waits = plan_of(&desired(&[given(1, false)], true, true, synced, &live), &mirror);
    assert_eq!((waits.is_empty(), waits.waiting, waits.taken_over), (true, vec![identity(1)], Vec::new()));
    let takes = plan_of(&desired(&[given(1, false)], true, false, synced, &live), &mirror);
    assert_eq!((takes.updates.len(), takes.taken_over.len()), (1, 1));
}
