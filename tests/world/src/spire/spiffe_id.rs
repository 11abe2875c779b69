//! SPIFFE IDs as SPIRE judges them, with its words.

use registrar_proto::types::Spiffeid;

/// A trust domain's name, out of a name or a SPIFFE ID.
pub(super) fn trust_domain(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("trust domain is missing".to_owned());
    }
    let name = match text.split_once(":/") {
        // What looks like a URL is taken for a SPIFFE ID.
        Some(_) => {
            let rest = text.strip_prefix("spiffe://").ok_or("scheme is missing or invalid")?;
            let (name, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
            check_name(name)?;
            check_path(path)?;
            name
        }
        None => text,
    };
    check_name(name)?;
    Ok(name.to_owned())
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("trust domain is missing".to_owned());
    }
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte);
    if name.bytes().all(fits) {
        return Ok(());
    }
    Err("trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores"
        .to_owned())
}

fn check_path(path: &str) -> Result<(), String> {
    let problem = match path.strip_prefix('/') {
        None if path.is_empty() => return Ok(()),
        None => "path must have a leading slash",
        Some("") => "path cannot have a trailing slash",
        Some(rest) => {
            let mut segments = rest.split('/');
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            let last_is_empty = rest.ends_with('/');
            match segments.find_map(|segment| match segment {
                "" => Some(1),
                "." | ".." => Some(2),
                _ if !segment.bytes().all(fits) => Some(3),
                _ => None,
            }) {
                None => return Ok(()),
                Some(1) if last_is_empty && !rest.contains("//") => "path cannot have a trailing slash",
                Some(1) => "path cannot contain empty segments",
                Some(2) => "path cannot contain dot segments",
                Some(_) => {
                    "path segment characters are limited to letters, numbers, dots, dashes, and underscores"
                }
            }
        }
    };
    Err(problem.to_owned())
}

/// A whole SPIFFE ID.
fn whole(id: Option<&Spiffeid>) -> Result<(String, String), String> {
    let id = id.ok_or("request must specify SPIFFE ID")?;
    let name = trust_domain(&id.trust_domain)?;
    check_path(&id.path)?;
    Ok((name, id.path.clone()))
}

/// What a parent may be: anything in the trust domain.
pub(super) fn member(id: Option<&Spiffeid>, home: &str) -> Result<Spiffeid, String> {
    let (name, path) = whole(id)?;
    let problem = if name != home {
        ""
    } else if path.is_empty() {
        "; path is empty"
    } else {
        return Ok(Spiffeid { trust_domain: name, path });
    };
    Err(format!("\"spiffe://{name}{path}\" is not a member of trust domain {home:?}{problem}"))
}

/// What an entry may be of: what is in the trust domain and is not SPIRE's own.
pub(super) fn workload(id: Option<&Spiffeid>, home: &str) -> Result<Spiffeid, String> {
    let (name, path) = whole(id)?;
    let problem = if name != home {
        return Err(format!("\"spiffe://{name}{path}\" is not a member of trust domain {home:?}"));
    } else if path.is_empty() {
        "path is empty"
    } else if path == "/spire" || path.starts_with("/spire/") {
        "path is in the reserved namespace"
    } else {
        return Ok(Spiffeid { trust_domain: name, path });
    };
    Err(format!("\"spiffe://{name}{path}\" is not a workload in trust domain {home:?}; {problem}"))
}
