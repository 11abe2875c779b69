//! EKS tokens, checked as aws-iam-authenticator in the cluster's API server checks them and STS behind it.

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};

use crate::aws::Aws;
use crate::sigv4::{self, Credential, Signed};

const PREFIX: &str = "k8s-aws-v1.";
const CLUSTER_HEADER: &str = "x-k8s-aws-id";
const MOST_BYTES: usize = 4096;

/// The parameters that the verifier lets through to STS.
const PARAMETERS: [&str; 10] = [
    "action",
    "version",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
    "x-amz-user-agent",
];

/// The ARN of whom a token speaks for; the error says what is wrong with it.
pub(super) fn caller(token: &str, cluster: &str, aws: &Aws) -> Result<String, String> {
    if token.len() > MOST_BYTES {
        return Err("token is too large".to_owned());
    }
    let encoded = token.strip_prefix(PREFIX).ok_or("token is missing expected \"k8s-aws-v1.\" prefix")?;
    let url = BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|error| error.to_string())?;
    let url = String::from_utf8(url).map_err(|error| error.to_string())?;
    let rest = url.strip_prefix("https://").ok_or("unexpected scheme in pre-signed URL")?;
    let (host, path_and_query) = rest.split_once('/').ok_or("unexpected path in pre-signed URL")?;
    let (path, query) = path_and_query.split_once('?').ok_or("malformed query parameter")?;
    if !path.is_empty() {
        return Err("unexpected path in pre-signed URL".to_owned());
    }
    let pairs = sigv4::decode_pairs(query);
    for (name, _) in &pairs {
        let lower = name.to_ascii_lowercase();
        if !PARAMETERS.contains(&lower.as_str()) {
            return Err(format!("non-whitelisted query parameter {name:?}"));
        }
        if pairs.iter().filter(|(other, _)| other.to_ascii_lowercase() == lower).count() > 1 {
            return Err(format!("query parameter {name:?} with multiple values not supported"));
        }
    }
    let parameter = |name: &str| {
        let found = pairs.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).ok_or_else(|| format!("{name} is missing"))
    };
    if parameter("Action")? != "GetCallerIdentity" {
        return Err("unexpected action parameter in pre-signed URL".to_owned());
    }
    if parameter("Version")? != "2011-06-15" {
        return Err("unexpected version parameter in pre-signed URL".to_owned());
    }
    if parameter("X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" {
        return Err("unexpected algorithm in pre-signed URL".to_owned());
    }
    let signed_headers: Vec<&str> = parameter("X-Amz-SignedHeaders")?.split(';').collect();
    for name in ["host", CLUSTER_HEADER] {
        if !signed_headers.contains(&name) {
            return Err(format!("client did not sign the {name} header in the pre-signed URL"));
        }
    }
    let expires: i64 = parameter("X-Amz-Expires")?.parse().map_err(|_| "invalid X-Amz-Expires parameter")?;
    if !(0..=900).contains(&expires) {
        return Err(format!("invalid X-Amz-Expires parameter in pre-signed URL: {expires}"));
    }
    let date = parameter("X-Amz-Date")?;
    let made = sigv4::date(date).ok_or("error parsing X-Amz-Date parameter")?;
    let age = Timestamp::now().duration_since(made);
    if age > SignedDuration::from_mins(15) {
        return Err("X-Amz-Date parameter is expired".to_owned());
    }
    // From here on it is STS that looks, as the verifier calls the URL.
    if age < -SignedDuration::from_mins(5) {
        return Err("Signature not yet current".to_owned());
    }
    let credential = Credential::parse(parameter("X-Amz-Credential")?).ok_or("malformed X-Amz-Credential")?;
    let suffix = if credential.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    if host != format!("sts.{}.{suffix}", credential.region) || credential.service != "sts" {
        return Err(format!("unexpected hostname {host:?} in pre-signed URL"));
    }
    let key = aws.key(&credential.access_key_id).ok_or("InvalidClientTokenId")?;
    if key.session_token.as_deref() != parameter("X-Amz-Security-Token").ok() {
        return Err("InvalidClientTokenId: the session token is not the key's".to_owned());
    }
    let headers = signed_headers.iter().map(|name| {
        let value = match *name {
            "host" => host,
            CLUSTER_HEADER => cluster,
            _ => "",
        };
        ((*name).to_owned(), value.to_owned())
    });
    let unsigned = pairs.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("X-Amz-Signature"));
    let signed = Signed {
        method: "GET",
        path: "/",
        query: unsigned.cloned().collect(),
        headers: headers.collect(),
        body: b"",
        date,
    };
    if signed.signature(&credential, &key.secret_access_key) != parameter("X-Amz-Signature")? {
        return Err("SignatureDoesNotMatch: of another cluster, or made with another secret".to_owned());
    }
    Ok(key.principal)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use aws_credential_types::Credentials;
    use aws_sigv4::http_request::{
        SignableBody, SignableRequest, SignatureLocation, SigningParams, SigningSettings, sign,
    };
    use aws_sigv4::sign::v4;

    use super::*;
    use crate::aws::{AccessKey, Cluster};

    struct Making {
        cluster: &'static str,
        region: &'static str,
        at: SystemTime,
        expires: Duration,
        path: &'static str,
    }

    fn making() -> Making {
        Making {
            cluster: "eks-one",
            region: "us-west-2",
            at: SystemTime::now(),
            expires: Duration::from_secs(60),
            path: "/?Action=GetCallerIdentity&Version=2011-06-15",
        }
    }

    /// A token made by AWS's own signer.
    fn token(key: &AccessKey, making: &Making) -> String {
        let Making { cluster, region, at, expires, path } = making;
        let session = key.session_token.clone();
        let credentials = Credentials::from_keys(&key.access_key_id, &key.secret_access_key, session);
        let identity = credentials.into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(*expires);
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("sts")
            .time(*at)
            .settings(settings)
            .build()
            .unwrap();
        let host = format!("sts.{region}.amazonaws.com");
        let url = format!("https://{host}{path}");
        let headers = [("host", host.as_str()), (CLUSTER_HEADER, *cluster)];
        let request =
            SignableRequest::new("GET", &url, headers.into_iter(), SignableBody::Bytes(b"")).unwrap();
        let (instructions, _) = sign(request, &SigningParams::V4(params)).unwrap().into_parts();
        let mut request = http::Request::get(url).body(()).unwrap();
        instructions.apply_to_request_http1x(&mut request);
        format!("{PREFIX}{}", BASE64URL_NOPAD.encode(request.uri().to_string().as_bytes()))
    }

    #[tokio::test]
    async fn a_token_is_of_one_cluster_one_key_and_a_quarter_of_an_hour() {
        let aws = Aws::start().await;
        let user = aws.user("111122223333", "registrar");
        let (now, minutes) = (SystemTime::now(), |minutes: u64| Duration::from_secs(60 * minutes));
        let judge = |making: &Making| caller(&token(&user, making), "eks-one", &aws);
        assert_eq!(judge(&making()).unwrap(), "arn:aws:iam::111122223333:user/registrar");
        for (wrong, expected) in [
            (Making { cluster: "eks-two", ..making() }, "SignatureDoesNotMatch"),
            (Making { at: now - minutes(16), ..making() }, "expired"),
            (Making { at: now + minutes(10), ..making() }, "not yet current"),
            (Making { expires: minutes(16), ..making() }, "X-Amz-Expires"),
            (Making { path: "/?Action=GetSessionToken&Version=2011-06-15", ..making() }, "action"),
            (Making { path: "/x?Action=GetCallerIdentity&Version=2011-06-15", ..making() }, "path"),
            (Making { path: "/?Action=GetCallerIdentity&Version=2011-06-15&a=b", ..making() }, "whitelisted"),
        ] {
            let error = judge(&wrong).unwrap_err();
            assert!(error.contains(expected), "{error:?} is not about {expected:?}");
        }
        let unknown = AccessKey { access_key_id: "AKIAUNKNOWN".to_owned(), ..user.clone() };
        assert!(caller(&token(&unknown, &making()), "eks-one", &aws).is_err());
        let forged = AccessKey { secret_access_key: "other".to_owned(), ..user.clone() };
        assert!(caller(&token(&forged, &making()), "eks-one", &aws).is_err());
        assert!(caller("k8s-aws-v1.!", "eks-one", &aws).is_err());
        assert!(caller("a-service-accounts-token", "eks-one", &aws).is_err());
    }

    #[tokio::test]
    async fn a_roles_token_speaks_for_the_role() {
        let aws = Aws::start().await;
        let role = "arn:aws:iam::444455556666:role/reader";
        let cluster = Cluster::new("444455556666", "us-west-2", "eks-one");
        aws.add_role(role, "111122223333", None);
        let key = aws.assume(role);
        assert_eq!(caller(&token(&key, &making()), &cluster.name, &aws).unwrap(), role);
        let bare = AccessKey { session_token: None, ..key };
        assert!(caller(&token(&bare, &making()), &cluster.name, &aws).is_err());
    }
}
