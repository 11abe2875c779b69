//! What SPIRE asks of an entry before it looks at what is stored, with its words.

use registrar_proto::types::{Entry, EntryMask, Selector};

use super::spiffe_id;

/// The mask that no mask stands for.
pub(super) const ALL: EntryMask = EntryMask {
    spiffe_id: true,
    parent_id: true,
    selectors: true,
    x509_svid_ttl: true,
    federates_with: true,
    admin: true,
    downstream: true,
    expires_at: true,
    dns_names: true,
    revision_number: true,
    store_svid: true,
    jwt_svid_ttl: true,
    hint: true,
    created_at: true,
    additional_attributes: true,
};

const MOST_HINT_BYTES: usize = 1024;
const MOST_ID_BYTES: usize = 255;

/// An entry as it would be stored, of the fields in the mask alone. The error is that of a conversion, which comes
/// before anything stored is looked at.
pub(super) fn converted(entry: &Entry, mask: &EntryMask, home: &str) -> Result<Entry, String> {
    let mut kept = Entry { id: entry.id.clone(), ..Entry::default() };
    if mask.parent_id {
        let parent = spiffe_id::member(entry.parent_id.as_ref(), home);
        kept.parent_id = Some(parent.map_err(|problem| format!("invalid parent ID: {problem}"))?);
    }
    if mask.spiffe_id {
        let id = spiffe_id::workload(entry.spiffe_id.as_ref(), home);
        kept.spiffe_id = Some(id.map_err(|problem| format!("invalid spiffe ID: {problem}"))?);
    }
    if mask.dns_names {
        for name in &entry.dns_names {
            dns_name(name).map_err(|problem| format!("invalid DNS name: {problem}"))?;
        }
        kept.dns_names.clone_from(&entry.dns_names);
    }
    if mask.federates_with {
        let domains = entry.federates_with.iter().map(|name| spiffe_id::trust_domain(name));
        let domains: Result<Vec<String>, String> = domains.collect();
        kept.federates_with =
            domains.map_err(|problem| format!("invalid federated trust domain: {problem}"))?;
    }
    if mask.selectors {
        if entry.selectors.is_empty() {
            return Err("selector list is empty".to_owned());
        }
        selectors(&entry.selectors)?;
        kept.selectors.clone_from(&entry.selectors);
    }
    if mask.hint {
        if entry.hint.len() > MOST_HINT_BYTES {
            return Err(format!("hint is too long, max length is {MOST_HINT_BYTES} characters"));
        }
        kept.hint.clone_from(&entry.hint);
    }
    kept.admin = mask.admin && entry.admin;
    kept.downstream = mask.downstream && entry.downstream;
    kept.store_svid = mask.store_svid && entry.store_svid;
    kept.expires_at = if mask.expires_at { entry.expires_at } else { 0 };
    kept.x509_svid_ttl = if mask.x509_svid_ttl { entry.x509_svid_ttl } else { 0 };
    kept.jwt_svid_ttl = if mask.jwt_svid_ttl { entry.jwt_svid_ttl } else { 0 };
    // Attributes that are all at their defaults are encoded as nothing, and read back as none.
    let attributes = entry.additional_attributes.filter(|attributes| *attributes != Default::default());
    kept.additional_attributes = if mask.additional_attributes { attributes } else { None };
    Ok(kept)
}

/// What is asked of selectors wherever they occur.
pub(super) fn selectors(selectors: &[Selector]) -> Result<(), String> {
    selectors.iter().try_for_each(|Selector { r#type: kind, value }| {
        let problem = if kind.is_empty() {
            "missing selector type"
        } else if kind.contains(':') {
            "selector type contains ':'"
        } else if value.is_empty() {
            "missing selector value"
        } else {
            return Ok(());
        };
        Err(problem.to_owned())
    })
}

/// What the datastore asks of a new entry.
pub(super) fn creatable(entry: &Entry) -> Result<(), String> {
    if entry.store_svid {
        if entry.additional_attributes.is_some_and(|attributes| attributes.disable_x509_svid_prefetch) {
            return Err("specifying cache behaviour is incompatible with storable SVIDs".to_owned());
        }
        storable(&entry.selectors)?;
    }
    if entry.id.len() > MOST_ID_BYTES {
        return Err("invalid registration entry: entry ID too long".to_owned());
    }
    if !entry.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        return Err("invalid registration entry: entry ID contains invalid characters".to_owned());
    }
    lifetimes(entry)
}

/// What the datastore asks of the fields of an update.
pub(super) fn lifetimes(entry: &Entry) -> Result<(), String> {
    if entry.x509_svid_ttl < 0 {
        return Err("invalid registration entry: X509SvidTtl is not set".to_owned());
    }
    if entry.jwt_svid_ttl < 0 {
        return Err("invalid registration entry: JwtSvidTtl is not set".to_owned());
    }
    Ok(())
}

/// What is asked of the selectors of an entry whose SVID is stored elsewhere.
pub(super) fn storable(selectors: &[Selector]) -> Result<(), String> {
    let mut kinds = selectors.iter().map(|selector| &selector.r#type);
    let first = kinds.next();
    if kinds.all(|kind| Some(kind) == first) {
        return Ok(());
    }
    let problem = "selector types must be the same when store SVID is enabled";
    Err(format!("invalid registration entry: {problem}"))
}

fn dns_name(name: &str) -> Result<(), String> {
    if !name.is_ascii() {
        return Err("name must be ascii".to_owned());
    }
    let plain = match name.matches('*').count() {
        0 => name,
        1 => name.strip_prefix("*.").ok_or("wildcard must be first label")?,
        _ => return Err("too many wildcards".to_owned()),
    };
    let plain = plain.trim();
    if plain.is_empty() {
        return Err("empty or only whitespace".to_owned());
    }
    if plain.ends_with('.') {
        return Err("domain ends with dot".to_owned());
    }
    idna(plain).map_err(|problem| format!("idna error\nidna: {problem}"))
}

/// The part of IDNA's rules that a name of ASCII can break. SPIRE maps nothing before it looks, so that capitals and
/// underscores pass.
fn idna(name: &str) -> Result<(), String> {
    let wrong = |label: &str| Err(format!("invalid label {label:?}"));
    for label in name.split('.') {
        if label.is_empty() {
            return wrong(name);
        }
        let is_encoded = label.starts_with("xn--");
        if label.starts_with('-') || label.ends_with('-') || label.get(2..4) == Some("--") && !is_encoded {
            return wrong(label);
        }
    }
    match name.split('.').find(|label| label.len() > 63) {
        Some(label) => wrong(label),
        None if name.len() > 253 => wrong(name),
        None => Ok(()),
    }
}

/// Takes what is not in the mask out of an answer's entry. The id is always in.
pub(super) fn masked(mut entry: Entry, mask: Option<&EntryMask>) -> Entry {
    let Some(mask) = mask else { return entry };
    if !mask.spiffe_id {
        entry.spiffe_id = None;
    }
    if !mask.parent_id {
        entry.parent_id = None;
    }
    if !mask.selectors {
        entry.selectors.clear();
    }
    if !mask.federates_with {
        entry.federates_with.clear();
    }
    if !mask.dns_names {
        entry.dns_names.clear();
    }
    if !mask.hint {
        entry.hint.clear();
    }
    if !mask.additional_attributes {
        entry.additional_attributes = None;
    }
    entry.admin &= mask.admin;
    entry.downstream &= mask.downstream;
    entry.store_svid &= mask.store_svid;
    entry.expires_at *= i64::from(mask.expires_at);
    entry.revision_number *= i64::from(mask.revision_number);
    entry.created_at *= i64::from(mask.created_at);
    entry.x509_svid_ttl *= i32::from(mask.x509_svid_ttl);
    entry.jwt_svid_ttl *= i32::from(mask.jwt_svid_ttl);
    entry
}
