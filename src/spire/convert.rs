//! Entries between our form and the one that SPIRE's API speaks.

use std::collections::BTreeSet;

use registrar_core::entry::{Content, ContentHash, Entry, EntryId, KeyHash};
use registrar_core::mirror::Observed;
use registrar_core::names::PodUid;
use registrar_core::spiffe::{DnsName, Selector, SpiffeId, TrustDomain, trust_domain};
use registrar_proto::types;

/// An entry whose key is nothing that an entry of ours could have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {id} cannot be read: {problem}")]
pub struct UnreadableEntry {
    /// Its id.
    pub id: EntryId,
    /// What is odd about it.
    pub problem: String,
}

/// Every field that an entry of ours determines, including those it determines to be absent, so that an update
/// leaves nothing behind of what somebody else has set.
pub(super) const ALL_FIELDS: types::EntryMask = types::EntryMask {
    spiffe_id: true,
    parent_id: true,
    selectors: true,
    x509_svid_ttl: true,
    federates_with: true,
    admin: true,
    downstream: true,
    expires_at: true,
    dns_names: true,
    revision_number: false,
    store_svid: true,
    jwt_svid_ttl: true,
    hint: true,
    created_at: false,
    additional_attributes: true,
};

/// Nothing but the id, which SPIRE always gives.
pub(super) const ID_ONLY: types::EntryMask = types::EntryMask {
    spiffe_id: false,
    parent_id: false,
    selectors: false,
    x509_svid_ttl: false,
    federates_with: false,
    admin: false,
    downstream: false,
    expires_at: false,
    dns_names: false,
    revision_number: false,
    store_svid: false,
    jwt_svid_ttl: false,
    hint: false,
    created_at: false,
    additional_attributes: false,
};

/// The entry as SPIRE is to hold it.
pub(super) fn to_proto(id: &EntryId, entry: &Entry) -> types::Entry {
    let selector = |selector: &Selector| types::Selector {
        r#type: selector.kind().to_owned(),
        value: selector.value().to_owned(),
    };
    // Before it creates an entry, SPIRE looks for one of the same key, by what each selector finds, in their order. With 12,000
    // entries in sqlite that takes 2.5 ms of its CPU when the pod's own comes first, and 8 ms when the namespace's does.
    let (pods, others): (Vec<&Selector>, Vec<&Selector>) =
        entry.key.selectors.iter().partition(|selector| selector.is_pod_uid());
    types::Entry {
        id: id.to_string(),
        spiffe_id: Some(id_to_proto(&entry.key.spiffe_id)),
        parent_id: Some(id_to_proto(&entry.key.parent_id)),
        selectors: pods.into_iter().chain(others).map(selector).collect(),
        x509_svid_ttl: entry.x509_svid_ttl,
        jwt_svid_ttl: entry.jwt_svid_ttl,
        federates_with: entry.federates_with.iter().map(|domain| domain.as_str().to_owned()).collect(),
        admin: entry.admin,
        downstream: entry.downstream,
        dns_names: entry.dns_names.iter().map(|name| name.as_str().to_owned()).collect(),
        hint: entry.hint.clone(),
        ..types::Entry::default()
    }
}

/// No less than the bytes that [`to_proto`]'s result takes in a batch.
pub(super) fn encoded_bound(id: &EntryId, entry: &Entry) -> usize {
    // A tag and a length, or a tag and a number, take at most 11 bytes; messages in messages have two such.
    const FIELD: usize = 11;
    let id_bytes = |id: &SpiffeId| 3 * FIELD + id.trust_domain_name().len() + id.path().len();
    let selectors = entry.key.selectors.iter();
    let selectors = selectors.map(|selector| 3 * FIELD + selector.kind().len() + selector.value().len());
    let domains = entry.federates_with.iter().map(|domain| FIELD + domain.as_str().len());
    let names = entry.dns_names.iter().map(|name| FIELD + name.as_str().len());
    let fixed = 7 * FIELD + id.as_str().len() + entry.hint.len();
    fixed
        + id_bytes(&entry.key.spiffe_id)
        + id_bytes(&entry.key.parent_id)
        + selectors.chain(domains).chain(names).sum::<usize>()
}

/// What is kept of an entry that SPIRE tells of. Its content equals that of no entry of ours where anything in it is
/// such as we never write.
pub fn observe(proto: types::Entry) -> Result<Observed, UnreadableEntry> {
    let id = EntryId::observed(&proto.id);
    match key_of(&proto) {
        Ok((key, pod)) => Ok(Observed { id, key, content: content_of(&key, &proto), pod }),
        Err(problem) => Err(UnreadableEntry { id, problem }),
    }
}

/// The key's digest, and the pod that it names. Nothing of the key is kept, so that nothing of it is copied.
fn key_of(proto: &types::Entry) -> Result<(KeyHash, Option<PodUid>), String> {
    let spiffe_id = id_of(proto.spiffe_id.as_ref()).map_err(|problem| format!("SPIFFE ID: {problem}"))?;
    let parent_id = id_of(proto.parent_id.as_ref()).map_err(|problem| format!("parent: {problem}"))?;
    let selectors = proto.selectors.iter().map(selector_of).collect::<Result<Vec<_>, _>>();
    let mut selectors = selectors?;
    selectors.sort_unstable();
    selectors.dedup();
    let named = selectors.iter().filter_map(|(kind, value)| Selector::pod_named_by(kind, value));
    let pod = Observed::only_pod(named);
    Ok((KeyHash::of(spiffe_id, parent_id, selectors.into_iter()), pod))
}

/// The content's digest; none where it is not all that SPIRE told.
fn content_of(key: &KeyHash, proto: &types::Entry) -> Option<ContentHash> {
    let dns_names: Vec<DnsName> =
        proto.dns_names.iter().filter_map(|name| DnsName::parse(name).ok()).collect();
    let federates_with: BTreeSet<TrustDomain> =
        proto.federates_with.iter().filter_map(|name| trust_domain(name).ok()).collect();
    let attributes = proto.additional_attributes.unwrap_or_default();
    let is_complete = proto.expires_at == 0
        && !proto.store_svid
        && attributes == types::entry::AdditionalAttributes::default()
        && proto.x509_svid_ttl >= 0
        && proto.jwt_svid_ttl >= 0
        && dns_names.len() == proto.dns_names.len()
        && federates_with.len() == proto.federates_with.len();
    let content = Content {
        x509_svid_ttl: proto.x509_svid_ttl,
        jwt_svid_ttl: proto.jwt_svid_ttl,
        federates_with: &federates_with,
        admin: proto.admin,
        downstream: proto.downstream,
        dns_names: &dns_names,
        hint: &proto.hint,
    };
    is_complete.then(|| content.hash(key))
}

fn id_to_proto(id: &SpiffeId) -> types::Spiffeid {
    types::Spiffeid { trust_domain: id.trust_domain_name().to_owned(), path: id.path().to_owned() }
}

fn id_of(proto: Option<&types::Spiffeid>) -> Result<(&str, &str), String> {
    let Some(types::Spiffeid { trust_domain, path }) = proto else { return Err("is missing".to_owned()) };
    let text = format!("spiffe://{trust_domain}{path}");
    let id = SpiffeId::new(&text).map_err(|error| format!("{text:?}: {error}"))?;
    let is_same = id.trust_domain_name() == trust_domain && id.path() == path;
    let id = is_same.then_some((trust_domain.as_str(), path.as_str()));
    id.ok_or_else(|| format!("trust domain {trust_domain:?} with path {path:?}"))
}

fn selector_of(proto: &types::Selector) -> Result<(&str, &str), String> {
    let types::Selector { r#type: kind, value } = proto;
    let selector = Selector::fits(kind, value).then_some((kind.as_str(), value.as_str()));
    selector.ok_or_else(|| format!("selector of type {kind:?} with value {value:?}"))
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use registrar_core::entry::EntryKey;

    use super::*;

    fn selectors(texts: &[&str]) -> BTreeSet<Selector> {
        texts.iter().map(|text| Selector::parse(text).unwrap()).collect()
    }

    fn entry() -> Entry {
        Entry {
            key: EntryKey {
                spiffe_id: SpiffeId::new("spiffe://example.org/ns/shop/sa/web").unwrap(),
                parent_id: SpiffeId::new("spiffe://example.org/spire/agent/k8s_psat/c/n1").unwrap(),
                selectors: selectors(&["k8s:pod-uid:u1", "k8s:ns:shop", "unix:path:/bin/a:b"]),
            },
            x509_svid_ttl: 3600,
            jwt_svid_ttl: 300,
            federates_with: ["b.org", "a.org"].into_iter().map(|name| trust_domain(name).unwrap()).collect(),
            admin: true,
            downstream: true,
            dns_names: ["web.shop.svc", "a.shop.svc"].map(|name| DnsName::parse(name).unwrap()).to_vec(),
            hint: "outer".to_owned(),
        }
    }

    fn id() -> EntryId {
        EntryId::observed("eks-v1.a.b.c")
    }

    #[test]
    fn what_is_written_is_observed_as_it_was() {
        let observed = observe(to_proto(&id(), &entry())).unwrap();
        assert_eq!(observed, Observed::of(id(), &entry()));
        assert_eq!(observed.pod.unwrap().as_str(), "u1");
    }

    #[test]
    fn the_selector_of_the_pod_comes_first() {
        let proto = to_proto(&id(), &entry());
        let values: Vec<&str> = proto.selectors.iter().map(|selector| selector.value.as_str()).collect();
        assert_eq!(values, ["pod-uid:u1", "ns:shop", "path:/bin/a:b"]);
    }

    #[test]
    fn sets_are_sets_and_dns_names_are_a_list() {
        let expected = Observed::of(id(), &entry());
        let mut proto = to_proto(&id(), &entry());
        proto.selectors.reverse();
        proto.selectors.push(proto.selectors[1].clone());
        proto.federates_with.reverse();
        proto.revision_number = 7;
        proto.created_at = 1_700_000_000;
        proto.additional_attributes = Some(types::entry::AdditionalAttributes::default());
        assert_eq!(observe(proto.clone()).unwrap(), expected);
        proto.dns_names.reverse();
        let observed = observe(proto).unwrap();
        assert_eq!(observed.key, expected.key);
        assert_ne!(observed.content, expected.content);
    }

    #[test]
    fn what_we_never_write_makes_the_content_equal_to_none_of_ours() {
        let alterations: [fn(&mut types::Entry); 8] = [
            |proto| proto.expires_at = 1,
            |proto| proto.store_svid = true,
            |proto| proto.dns_names.push("under_score".to_owned()),
            |proto| proto.federates_with.push("spiffe://c.org/path".to_owned()),
            |proto| proto.federates_with.push("a.org".to_owned()),
            |proto| proto.x509_svid_ttl = -1,
            |proto| proto.jwt_svid_ttl = -1,
            |proto| {
                let prefetch_off = types::entry::AdditionalAttributes {
                    disable_x509_svid_prefetch: true,
                    ..types::entry::AdditionalAttributes::default()
                };
                proto.additional_attributes = Some(prefetch_off);
            },
        ];
        for (number, alter) in alterations.into_iter().enumerate() {
            let mut proto = to_proto(&id(), &entry());
            alter(&mut proto);
            let observed = observe(proto).unwrap();
            assert_eq!(observed.key, entry().key.hash(), "{number}");
            assert_eq!(observed.content, None, "{number}");
        }
    }

    #[test]
    fn an_entry_with_an_odd_key_is_told_with_its_id() {
        let alterations: [fn(&mut types::Entry); 4] = [
            |proto| proto.spiffe_id = None,
            |proto| proto.parent_id.as_mut().unwrap().path = "no/slash".to_owned(),
            |proto| proto.selectors[0].value.clear(),
            |proto| proto.selectors[0].r#type = "k8s:x".to_owned(),
        ];
        for (number, alter) in alterations.into_iter().enumerate() {
            let mut proto = to_proto(&id(), &entry());
            alter(&mut proto);
            assert_eq!(observe(proto).unwrap_err().id, id(), "{number}");
        }
    }

    #[test]
    fn an_entry_of_two_pods_belongs_to_neither() {
        let mut two = entry();
        two.key.selectors.extend(selectors(&["k8s:pod-uid:u2"]));
        assert_eq!(observe(to_proto(&id(), &two)).unwrap().pod, None);
    }

    #[test]
    fn the_bound_is_no_less_than_the_encoding() {
        let mut least = entry();
        least.key.selectors = selectors(&["a:b"]);
        least.federates_with.clear();
        least.dns_names.clear();
        least.hint.clear();
        let mut most = entry();
        most.x509_svid_ttl = i32::MAX;
        most.jwt_svid_ttl = i32::MAX;
        most.hint = "h".repeat(100_000);
        most.dns_names = (0..500).map(|n| DnsName::parse(&format!("n{n}.example.org")).unwrap()).collect();
        for entry in [least, entry(), most] {
            let batch = registrar_proto::entry::BatchCreateEntryRequest {
                entries: vec![to_proto(&id(), &entry)],
                output_mask: None,
            };
            let (bound, encoded) = (encoded_bound(&id(), &entry), batch.encoded_len());
            assert!(bound >= encoded, "{bound} < {encoded}");
            assert!(bound < encoded * 3 + 200, "{bound} is far more than {encoded}");
        }
    }
}
