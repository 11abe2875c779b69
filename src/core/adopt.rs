//! Moving in: entries that the predecessor (the registrar written in Go) made are ours where a pod is to have their key.

use crate::desired::{Desired, PodKey};
use crate::entry::EntryId;
use crate::mirror::{Mirror, Place};

/// Characters of a SHA-256 in hexadecimal digits.
const HEX_CHARACTERS: usize = 64;

/// Whether the predecessor would have made this id: the prefix and the SHA-256 of the entry's key.
pub fn is_predecessors(id: &EntryId, prefix: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let rest = id.as_str().strip_prefix(prefix);
    rest.is_some_and(|rest| rest.len() == HEX_CHARACTERS && rest.bytes().all(hex))
}

/// Gives a pod those of the predecessor's entries whose keys it is to have; whether there were any.
pub fn claim(pod: &PodKey, desired: &Desired, mirror: &mut Mirror) -> bool {
    let Some(wanted) = desired.pod(pod).filter(|_| mirror.has_unclaimed(&pod.pod)) else { return false };
    let mut has_claimed = false;
    for want in &wanted.wanted {
        if mirror.of_pod(pod).any(|(_, row)| row.key == want.key) {
            continue;
        }
        let is_free = |place: &Place| place.pod.cluster.is_predecessor() && place.pod.pod == pod.pod;
        let with_key = mirror.with_key(&want.key);
        let mut free = with_key.filter(|(_, row)| row.place.as_ref().is_some_and(is_free));
        let found = free.next().map(|(id, _)| id);
        drop(free);
        if let Some(id) = found {
            mirror.put(&id, Place { pod: pod.clone(), digest: want.digest });
            has_claimed = true;
        }
    }
    has_claimed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_prefix_and_a_sha256_is_the_predecessors() {
        let hex = "0123456789abcdef".repeat(4);
        let is = |id: &str| is_predecessors(&EntryId::observed(id), "eks-");
        assert!(is(&format!("eks-{hex}")));
        for other in [
            hex.clone(),
            format!("eks-workload-{hex}"),
            format!("eks-{hex}0"),
            format!("eks-{}", &hex[1..]),
            format!("eks-{}", hex.to_uppercase()),
            format!("eks-{}", hex.replace('0', "g")),
            "eks-1acf83a6-0000-4000-8000-000000000000".to_owned(),
        ] {
            assert!(!is(&other), "{other}");
        }
    }
}
