//! One type for each kind of name, checked once, so that no function below has to ask whether a string is fit.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A name that Kubernetes or AWS would not have given out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {value:?} is invalid: {rule}")]
pub struct InvalidName {
    /// What the name names, for example `cluster name`.
    pub kind: &'static str,
    /// The refused text.
    pub value: String,
    /// What would be right.
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Checks the text once; the error says what would be right.
            pub fn new(value: impl AsRef<str>) -> Result<Self, InvalidName> {
                let value = value.as_ref();
                match $check(value) {
                    Ok(()) => Ok(Self(value.into())),
                    Err(rule) => Err(InvalidName { kind: $kind, value: value.to_owned(), rule }),
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, shared without a copy.
            pub fn shared(&self) -> Arc<str> {
                self.0.clone()
            }

            /// Whether others have the same text, shared with this one.
            pub fn is_shared(&self) -> bool {
                Arc::strong_count(&self.0) > 1
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(value: String) -> Result<Self, InvalidName> {
                Self::new(value)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.to_string()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }
    };
}

name!(
    /// The name of an `EKSClusterRegistry` object; what templates call `.ClusterName`.
    ClusterName, "cluster name", dns_subdomain
);
name!(
    /// The name of a `WorkloadIdentity` object.
    IdentityName, "identity name", dns_subdomain
);
name!(
    /// The name of a namespace in a workload cluster.
    NamespaceName, "namespace", dns_label
);
name!(
    /// The name of a pod.
    PodName, "pod name", dns_subdomain
);
name!(
    /// The name of a node.
    NodeName, "node name", dns_subdomain
);
name!(
    /// A pod's `metadata.uid`.
    PodUid, "pod uid", uid
);
name!(
    /// A node's `metadata.uid`.
    NodeUid, "node uid", uid
);
name!(
    /// An AWS account id: twelve digits.
    AccountId, "AWS account id", account_id
);
name!(
    /// An AWS region name such as `us-west-2`.
    Region, "AWS region", region
);
name!(
    /// The name of a cluster in EKS.
    EksClusterName, "EKS cluster name", eks_cluster_name
);
name!(
    /// The ARN of an IAM role.
    RoleArn, "IAM role ARN", role_arn
);
name!(
    /// What a role's trust policy asks for beside the caller (`sts:ExternalId`). No secret by AWS's own word, but a value
    /// that only the two parties need to know.
    ExternalId, "external id", external_id
);
name!(
    /// The address of an API server: `https://host` or `https://host:port`.
    HttpsUrl, "address", https_url
);
name!(
    /// An HTTP proxy: `http://host` or `http://host:port`. It holds no credentials: objects are no place for them.
    ProxyUrl, "proxy", proxy_url
);

impl RoleArn {
    /// The account that the role is of: twelve digits.
    pub fn account(&self) -> &str {
        self.as_str().split(':').nth(4).unwrap_or_default()
    }

    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub fn partition(&self) -> &str {
        self.as_str().split(':').nth(1).unwrap_or_default()
    }
}

impl Region {
    /// The partition that the region is of, as it stands in ARNs.
    pub fn partition(&self) -> &'static str {
        match self.as_str().split('-').collect::<Vec<_>>().as_slice() {
            ["cn", ..] => "aws-cn",
            [_, "gov", ..] => "aws-us-gov",
            _ => "aws",
        }
    }
}

/// RFC 1123 subdomain, as `IsDNS1123Subdomain` in k8s.io/apimachinery/pkg/util/validation has it.
fn dns_subdomain(value: &str) -> Result<(), &'static str> {
    const RULE: &str = "lower-case letters, digits, '-' and '.', each part beginning and ending with a letter or digit, \
                        at most 253 characters";
    let parts_fit = value.split('.').all(|part| is_label(part, usize::MAX));
    if value.len() <= 253 && parts_fit { Ok(()) } else { Err(RULE) }
}

/// RFC 1123 label, as `IsDNS1123Label` in k8s.io/apimachinery/pkg/util/validation has it.
fn dns_label(value: &str) -> Result<(), &'static str> {
    const RULE: &str = "lower-case letters, digits and '-', beginning and ending with a letter or digit, at most 63 characters";
    if is_label(value, 63) { Ok(()) } else { Err(RULE) }
}

fn is_label(value: &str, most: usize) -> bool {
    let bytes = value.as_bytes();
    let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    bytes.len() <= most
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

/// Kubernetes promises only that a UID is a string. It becomes a SPIFFE ID's path segment and a selector's value here,
/// so it has to fit there.
fn uid(value: &str) -> Result<(), &'static str> {
    const RULE: &str = "1 to 128 of the characters A-Z, a-z, 0-9, '-', '_'";
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (1..=128).contains(&value.len()) && value.bytes().all(fits) { Ok(()) } else { Err(RULE) }
}

fn account_id(value: &str) -> Result<(), &'static str> {
    let fits = value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit());
    if fits { Ok(()) } else { Err("twelve digits, in quotes in YAML so that leading zeros stay") }
}

fn region(value: &str) -> Result<(), &'static str> {
    const RULE: &str = "an AWS region name such as us-west-2";
    let mut parts = value.split('-');
    let lower = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let area = parts.next().is_some_and(lower);
    let rest: Vec<&str> = parts.collect();
    let Some((number, middle)) = rest.split_last() else { return Err(RULE) };
    let digits = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
    let fits =
        area && digits && !middle.is_empty() && middle.iter().all(|part| lower(part)) && value.len() <= 32;
    if fits { Ok(()) } else { Err(RULE) }
}

/// The pattern of `name` in the EKS API reference (CreateCluster).
fn eks_cluster_name(value: &str) -> Result<(), &'static str> {
    let first = value.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if first && value.len() <= 100 && value.bytes().all(fits) {
        Ok(())
    } else {
        Err("letters, digits, '-' and '_', beginning with a letter or digit, at most 100 characters")
    }
}

fn role_arn(value: &str) -> Result<(), &'static str> {
    const RULE: &str = "arn:aws:iam::<twelve digits>:role/<name> (partition aws, aws-cn or aws-us-gov)";
    let parts: Vec<&str> = value.splitn(6, ':').collect();
    let &["arn", partition, "iam", "", account, resource] = parts.as_slice() else { return Err(RULE) };
    let path_fits = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&b);
    let name = resource.strip_prefix("role/").unwrap_or_default();
    let fits = matches!(partition, "aws" | "aws-cn" | "aws-us-gov")
        && account_id(account).is_ok()
        && !name.is_empty()
        && !name.ends_with('/')
        && name.len() <= 576
        && name.bytes().all(path_fits);
    if fits { Ok(()) } else { Err(RULE) }
}

/// The pattern of `ExternalId` in the STS API reference (AssumeRole).
fn external_id(value: &str) -> Result<(), &'static str> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b);
    let right = (2..=1224).contains(&value.len()) && value.bytes().all(fits);
    if right { Ok(()) } else { Err("2 to 1224 of A-Z, a-z, 0-9 and _+=,.@:/-") }
}

fn https_url(value: &str) -> Result<(), &'static str> {
    if is_origin(value, "https://") { Ok(()) } else { Err("https://<host> or https://<host>:<port>") }
}

fn proxy_url(value: &str) -> Result<(), &'static str> {
    const RULE: &str = "http://<host> or http://<host>:<port>, without user and password";
    if is_origin(value, "http://") { Ok(()) } else { Err(RULE) }
}

/// Scheme, host and perhaps a port: no user, no path, no query.
fn is_origin(value: &str, scheme: &str) -> bool {
    let Some(rest) = value.strip_prefix(scheme) else { return false };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_fits = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
            (1..=253).contains(&host.len()) && host.bytes().all(fits)
        }
    };
    let is_port = |port: &str| {
        let digits = port.bytes().all(|b| b.is_ascii_digit());
        digits && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    host_fits && port.is_none_or(is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_origins_and_proxies_hold_no_password() {
        for good in ["https://a.example", "https://a.example:8443/", "https://[::1]:443", "https://10.0.0.1"]
        {
            assert!(HttpsUrl::new(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a",
            "https://",
            "https://a/path",
            "https://u:p@a",
            "https://a:0",
            "https://a:x",
            "https://a:+1",
            "a",
        ] {
            assert!(HttpsUrl::new(bad).is_err(), "{bad}");
        }
        assert!(ProxyUrl::new("http://proxy.example:3128").is_ok());
        assert!(ProxyUrl::new("http://user:password@proxy.example:3128").is_err());
    }

    #[test]
    fn a_role_and_a_region_tell_account_and_partition() {
        let role = RoleArn::new("arn:aws-us-gov:iam::333333333333:role/a/b").unwrap();
        assert_eq!((role.account(), role.partition()), ("333333333333", "aws-us-gov"));
        for (region, partition) in
            [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn"), ("eu-west-1", "aws")]
        {
            assert_eq!(Region::new(region).unwrap().partition(), partition);
        }
        assert!(ExternalId::new("a:b/c-1").is_ok() && ExternalId::new("a").is_err());
    }

    #[test]
    fn names_are_checked_with_the_rule_in_the_error() {
        assert!(ClusterName::new("eu.prod.1").is_ok());
        assert!(NamespaceName::new("a.b").is_err());
        assert!(AccountId::new("072422391281").is_ok());
        assert_eq!(
            AccountId::new("72422391281").unwrap_err().to_string(),
            "AWS account id \"72422391281\" is invalid: twelve digits, in quotes in YAML so that leading zeros stay"
        );
    }

    #[test]
    fn regions_and_roles() {
        for good in ["us-west-2", "ap-southeast-10", "us-gov-west-1", "cn-north-1", "us-iso-east-1"] {
            assert!(Region::new(good).is_ok(), "{good}");
        }
        for bad in ["", "us", "us-west", "US-WEST-2", "us west 2", "mars", "us--2"] {
            assert!(Region::new(bad).is_err(), "{bad}");
        }
        assert!(RoleArn::new("arn:aws:iam::333333333333:role/SpireControllerRole").is_ok());
        for bad in [
            "arn:aws:iam::3:role/x",
            "arn:aws:iam::333333333333:user/x",
            "SpireControllerRole",
            "arn:aws:iam::333333333333:role/",
        ] {
            assert!(RoleArn::new(bad).is_err(), "{bad}");
        }
    }
}
