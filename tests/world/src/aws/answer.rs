//! One request to EKS or STS and what is answered: EKS in JSON, STS in its query protocol's XML.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{AccessKey, Operation, State};
use crate::serve::{Body, whole};
use crate::sigv4::{self, Credential, Signed};

/// An error as AWS tells it.
struct Refusal {
    status: u16,
    code: String,
    message: String,
}

fn refusal(status: u16, code: &str, message: impl Into<String>) -> Refusal {
    Refusal { status, code: code.to_owned(), message: message.into() }
}

/// The answer to a request.
pub(super) fn answer(state: &mut State, head: &Parts, body: &[u8]) -> Response<Body> {
    let is_sts = head.uri.path() == "/";
    let answered = match is_sts {
        true => sts(state, head, body).map(|text| ("text/xml", text)),
        false => eks(state, head, body).map(|value| ("application/json", value.to_string())),
    };
    let (status, kind, code, text) = match answered {
        Ok((kind, text)) => (200, kind, None, text),
        Err(Refusal { status, code, message }) if is_sts => {
            let text = format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
                 <Code>{code}</Code><Message>{}</Message></Error><RequestId>simulated</RequestId></ErrorResponse>",
                escaped(&message)
            );
            (status, "text/xml", None, text)
        }
        Err(Refusal { status, code, message }) => {
            (status, "application/json", Some(code), json!({"message": message}).to_string())
        }
    };
    let mut response = Response::builder().status(status).header(CONTENT_TYPE, kind);
    if let Some(code) = code {
        response = response.header("x-amzn-errortype", code);
    }
    response.header("x-amzn-requestid", "simulated").body(whole(text)).expect("a response of known headers")
}

fn eks(state: &mut State, head: &Parts, body: &[u8]) -> Result<Value, Refusal> {
    let name = head.uri.path().strip_prefix("/clusters/").filter(|name| !name.is_empty());
    let name =
        name.ok_or_else(|| refusal(404, "UnknownOperationException", "only DescribeCluster is simulated"))?;
    begin(state, Operation::DescribeCluster)?;
    let (key, credential) = caller(state, head, body, "eks", "UnrecognizedClientException")?;
    let id = (key.account.clone(), credential.region, name.to_owned());
    let Some(cluster) = state.clusters.get(&id) else {
        return Err(refusal(404, "ResourceNotFoundException", format!("No cluster found for name: {name}.")));
    };
    let mut described = json!({
        "name": cluster.name,
        "arn": cluster.arn,
        "createdAt": 1_700_000_000.5,
        "version": "1.34",
        "status": cluster.status,
        "accessConfig": {"authenticationMode": cluster.authentication_mode},
        "tags": {},
    });
    if !cluster.endpoint.is_empty() {
        described["endpoint"] = json!(cluster.endpoint);
        described["certificateAuthority"] =
            json!({"data": BASE64.encode(cluster.certificate_authority.as_bytes())});
    }
    Ok(json!({ "cluster": described }))
}

fn sts(state: &mut State, head: &Parts, body: &[u8]) -> Result<String, Refusal> {
    let text = String::from_utf8_lossy(body);
    let mut form: BTreeMap<String, String> =
        sigv4::decode_pairs(head.uri.query().unwrap_or_default()).into_iter().collect();
    form.extend(sigv4::decode_pairs(&text));
    let parameter = |name: &str| {
        let found = form.get(name).map(String::as_str).filter(|value| !value.is_empty());
        found.ok_or_else(|| refusal(400, "ValidationError", format!("{name} is missing")))
    };
    match parameter("Action")? {
        "GetCallerIdentity" => {
            begin(state, Operation::GetCallerIdentity)?;
            let (key, _) = caller(state, head, body, "sts", "InvalidClientTokenId")?;
            let result = format!(
                "<Arn>{}</Arn><UserId>{}</UserId><Account>{}</Account>",
                key.principal, key.access_key_id, key.account
            );
            Ok(enveloped("GetCallerIdentity", &result))
        }
        "AssumeRole" => {
            begin(state, Operation::AssumeRole)?;
            let (key, _) = caller(state, head, body, "sts", "InvalidClientTokenId")?;
            let (arn, session) = (parameter("RoleArn")?, parameter("RoleSessionName")?);
            let role = state.roles.get(arn);
            let trusted = role.is_some_and(|role| {
                let external_id = form.get("ExternalId");
                role.trusted_account == key.account
                    && role.external_id.as_ref().is_none_or(|wanted| Some(wanted) == external_id)
            });
            if !trusted {
                let message = format!(
                    "User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}",
                    key.principal
                );
                return Err(refusal(403, "AccessDenied", message));
            }
            let seconds: i64 = form.get("DurationSeconds").map_or(Ok(3600), |text| text.parse()).unwrap_or(0);
            if !(900..=43_200).contains(&seconds) {
                return Err(refusal(400, "ValidationError", "DurationSeconds must be between 900 and 43200"));
            }
            let issued = state.session(arn);
            let expires = Timestamp::now() + SignedDuration::from_secs(seconds);
            let result = format!(
                "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
                 <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>\
                 <AssumedRoleUser><AssumedRoleId>{}:{session}</AssumedRoleId><Arn>{}</Arn></AssumedRoleUser>",
                issued.access_key_id,
                issued.secret_access_key,
                escaped(issued.session_token.as_deref().unwrap_or_default()),
                expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
                issued.access_key_id,
                escaped(&assumed_role(arn, session)),
            );
            Ok(enveloped("AssumeRole", &result))
        }
        other => Err(refusal(400, "InvalidAction", format!("Could not find operation {other}"))),
    }
}

/// Counts a call, and fails it where a test asked for that.
fn begin(state: &mut State, operation: Operation) -> Result<(), Refusal> {
    *state.calls.entry(operation).or_default() += 1;
    match state.failures.get_mut(&operation).and_then(|failures| failures.pop_front()) {
        None => Ok(()),
        Some((status, code)) => Err(refusal(status, &code, "the simulated AWS was told to fail")),
    }
}

/// Who calls, by the signature in the `Authorization` header.
fn caller(
    state: &State,
    head: &Parts,
    body: &[u8],
    service: &str,
    unknown: &str,
) -> Result<(AccessKey, Credential), Refusal> {
    let header =
        |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let authorization = header("authorization").strip_prefix("AWS4-HMAC-SHA256 ");
    let authorization = authorization.ok_or_else(|| {
        refusal(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    })?;
    let parts: BTreeMap<&str, &str> =
        authorization.split(',').filter_map(|part| part.trim().split_once('=')).collect();
    let part = |name: &str| parts.get(name).copied().unwrap_or_default();
    let incomplete = || refusal(400, "IncompleteSignature", "Authorization header requires a Credential");
    let credential = Credential::parse(part("Credential")).ok_or_else(incomplete)?;
    let key = state.keys.get(&credential.access_key_id);
    let key =
        key.ok_or_else(|| refusal(403, unknown, "The security token included in the request is invalid."))?;
    if credential.service != service
        || key.session_token.as_deref().unwrap_or_default() != header("x-amz-security-token")
    {
        return Err(refusal(403, unknown, "The security token included in the request is invalid."));
    }
    let date = header("x-amz-date");
    if !sigv4::date(date).is_some_and(|date| sigv4::is_about_now(date, 5)) {
        return Err(refusal(403, "SignatureDoesNotMatch", "Signature expired or not yet current"));
    }
    let signed = part("SignedHeaders").split(';').map(|name| {
        let value = if name == HOST.as_str() && header(name).is_empty() {
            head.uri.authority().map_or("", |authority| authority.as_str())
        } else {
            header(name)
        };
        (name.to_owned(), value.to_owned())
    });
    let signed = Signed {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: sigv4::decode_pairs(head.uri.query().unwrap_or_default()),
        headers: signed.collect(),
        body,
        date,
    };
    if signed.signature(&credential, &key.secret_access_key) != part("Signature") {
        let message = "The request signature we calculated does not match the signature you provided.";
        return Err(refusal(403, "SignatureDoesNotMatch", message));
    }
    Ok((key.clone(), credential))
}

/// `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`.
fn assumed_role(role: &str, session: &str) -> String {
    let account = role.split(':').nth(4).unwrap_or_default();
    let name = role.rsplit('/').next().unwrap_or_default();
    format!("arn:aws:sts::{account}:assumed-role/{name}/{session}")
}

fn enveloped(action: &str, result: &str) -> String {
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>simulated</RequestId></ResponseMetadata></{action}Response>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
