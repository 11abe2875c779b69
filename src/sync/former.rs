//! What pods were to have that still stands in SPIRE: how an entry that goes is named, while no entry is kept.

use std::collections::HashMap;
use std::sync::Arc;

use registrar_core::desired::{Delta, PodKey, Wanted};
use registrar_core::entry::{Entry, KeyHash};
use registrar_core::ledger::Ledger;

/// Of so many pods at most. What it is made of is facts, which live on with it.
const PODS: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Former(HashMap<PodKey, Vec<Wanted>>);

impl Former {
    /// Notes what pods are not to have any more by this delta, which the book has not taken in yet.
    pub(super) fn note(&mut self, ledger: &Ledger, delta: &Delta) {
        for (pod, now) in &delta.pods {
            let is_wanted = |key: &KeyHash| {
                now.as_ref().is_some_and(|now| now.wanted.iter().any(|wanted| wanted.key == *key))
            };
            if let Some(former) = self.0.get_mut(pod) {
                former.retain(|former| !is_wanted(&former.key));
            }
            let before = ledger.desired().pod(pod).map(|before| &*before.wanted).unwrap_or_default();
            for wanted in
                before.iter().filter(|wanted| !is_wanted(&wanted.key) && stands(ledger, pod, wanted))
            {
                if self.0.len() < PODS || self.0.contains_key(pod) {
                    self.0.entry(pod.clone()).or_default().push(wanted.clone());
                }
            }
        }
    }

    /// The entry of this key that the pod was to have.
    pub(super) fn entry(&self, pod: &PodKey, key: &KeyHash) -> Option<Arc<Entry>> {
        self.0.get(pod)?.iter().find(|former| former.key == *key)?.entry().ok()
    }

    /// Forgets what does not stand any more, of one pod.
    pub(super) fn settle(&mut self, ledger: &Ledger, pod: &PodKey) {
        let Some(former) = self.0.get_mut(pod) else { return };
        former.retain(|former| stands(ledger, pod, former));
        if former.is_empty() {
            self.0.remove(pod);
        }
    }

    /// The same of all.
    pub(super) fn settle_all(&mut self, ledger: &Ledger) {
        self.0.retain(|pod, former| {
            former.retain(|former| stands(ledger, pod, former));
            !former.is_empty()
        });
    }
}

fn stands(ledger: &Ledger, pod: &PodKey, wanted: &Wanted) -> bool {
    let mut rows = ledger.mirror().with_key(&wanted.key);
    rows.any(|(_, row)| row.place.as_ref().is_some_and(|place| place.pod == *pod))
}
