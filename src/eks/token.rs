//! The token that an EKS cluster's API server accepts: a presigned STS GetCallerIdentity, as aws-iam-authenticator
//! defines it (<https://github.com/kubernetes-sigs/aws-iam-authenticator>, `pkg/token`).

use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use data_encoding::BASE64URL_NOPAD;
use registrar_core::api::ClusterTarget;

use super::{EksError, until};

/// The header that binds a token to one cluster.
const CLUSTER_HEADER: &str = "x-k8s-aws-id";
/// How long the presigned URL says that it is good for.
const URL_LIFE: Duration = Duration::from_secs(60);
/// The authenticator takes a token for 15 minutes after its signing time; two are left for clocks that differ.
const LONGEST_LIFE: Duration = Duration::from_secs(13 * 60);

/// A bearer token. Its text is a credential and never shown.
#[derive(Clone)]
pub struct Token {
    text: String,
    /// When a new one is due.
    pub good_until: Instant,
}

impl Token {
    /// The bearer token itself.
    pub fn secret(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("good_until", &self.good_until).finish_non_exhaustive()
    }
}

/// Presigns with these credentials. The host is always AWS's own regional one: the verifier accepts no other.
pub(super) fn presign(credentials: Credentials, target: &ClusterTarget) -> Result<Token, EksError> {
    let good_until = until(credentials.expiry(), LONGEST_LIFE);
    let url = presigned_url(credentials, target, SystemTime::now())?;
    let text = format!("k8s-aws-v1.{}", BASE64URL_NOPAD.encode(url.as_bytes()));
    Ok(Token { text, good_until })
}

fn presigned_url(
    credentials: Credentials,
    target: &ClusterTarget,
    now: SystemTime,
) -> Result<String, EksError> {
    let failed = |error: &dyn std::fmt::Display| EksError::Presign(error.to_string());
    let suffix = if target.region.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
    let region = target.region.as_str();
    let url = format!("https://sts.{region}.{suffix}/?Action=GetCallerIdentity&Version=2011-06-15");
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(URL_LIFE);
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let headers = [(CLUSTER_HEADER, target.eks_name.as_str())];
    let signable = SignableRequest::new("GET", &url, headers.into_iter(), SignableBody::Bytes(b""))
        .map_err(|error| failed(&error))?;
    let (instructions, _) = sign(signable, &parameters).map_err(|error| failed(&error))?.into_parts();
    let mut request = http::Request::get(&url).body(()).map_err(|error| failed(&error))?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(request.uri().to_string())
}

#[cfg(test)]
mod tests {
    use registrar_core::names::Region;

    use super::super::tests::target;
    use super::*;

    fn credentials() -> Credentials {
        Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "test")
    }

    #[test]
    fn the_presigned_url_has_what_the_authenticator_asks_for() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_756_802_908);
        let url = presigned_url(credentials(), &target(), now).unwrap();
        let (host, query) = url.split_once("/?").unwrap();
        assert_eq!(host, "https://sts.us-west-2.amazonaws.com");
        let names: Vec<&str> = query.split('&').map(|pair| pair.split_once('=').unwrap().0).collect();
        let expected = [
            "Action",
            "Version",
            "X-Amz-Algorithm",
            "X-Amz-Credential",
            "X-Amz-Date",
            "X-Amz-Expires",
            "X-Amz-SignedHeaders",
            "X-Amz-Signature",
        ];
        assert_eq!(names.len(), expected.len(), "{url}");
        assert!(expected.iter().all(|name| names.contains(name)), "{url}");
        for part in [
            "X-Amz-SignedHeaders=host%3Bx-k8s-aws-id",
            "X-Amz-Expires=60",
            "X-Amz-Date=20250902T084828Z",
            "X-Amz-Credential=AKIDEXAMPLE%2F20250902%2Fus-west-2%2Fsts%2Faws4_request",
        ] {
            assert!(query.contains(part), "{part} in {url}");
        }
    }

    #[test]
    fn china_has_its_own_host_and_another_cluster_another_signature() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_756_802_908);
        let china = ClusterTarget { region: Region::new("cn-north-1").unwrap(), ..target() };
        let url = presigned_url(credentials(), &china, now).unwrap();
        assert!(url.starts_with("https://sts.cn-north-1.amazonaws.com.cn/?"), "{url}");
        let other = ClusterTarget { eks_name: "other".to_owned().try_into().unwrap(), ..target() };
        let signature = |target| {
            let url = presigned_url(credentials(), target, now).unwrap();
            url.rsplit_once("X-Amz-Signature=").unwrap().1.to_owned()
        };
        assert_ne!(signature(&target()), signature(&other));
    }

    #[test]
    fn a_token_ends_before_its_credentials_and_does_not_show_itself() {
        let expiry = SystemTime::now() + Duration::from_secs(100);
        let short = Credentials::new("AKIDEXAMPLE", "secret", None, Some(expiry), "test");
        let token = presign(short, &target()).unwrap();
        assert!(token.good_until <= Instant::now() + Duration::from_secs(100));
        assert!(token.secret().starts_with("k8s-aws-v1."));
        assert!(!format!("{token:?}").contains("k8s-aws-v1"));
    }
}
