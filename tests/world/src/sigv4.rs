//! AWS Signature Version 4 from the verifier's side, in headers and in presigned URLs.

use aws_lc_rs::{digest, hmac};
use data_encoding::HEXLOWER;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// A key's scope: `<key id>/<date>/<region>/<service>/aws4_request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) access_key_id: String,
    date: String,
    pub(crate) region: String,
    pub(crate) service: String,
}

impl Credential {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let &[key, date, region, service, "aws4_request"] = parts.as_slice() else { return None };
        Some(Self {
            access_key_id: key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
        })
    }
}

/// What a signature is over.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    /// As it is in the URL.
    pub(crate) path: &'a str,
    /// Decoded names and values, without `X-Amz-Signature`.
    pub(crate) query: Vec<(String, String)>,
    /// Names, in lower case, and values of the signed headers, in the order of `SignedHeaders`.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: &'a [u8],
    /// `X-Amz-Date`.
    pub(crate) date: &'a str,
}

impl Signed<'_> {
    /// The signature that the owner of the secret makes.
    pub(crate) fn signature(&self, credential: &Credential, secret: &str) -> String {
        let Credential { date, region, service, .. } = credential;
        let scope = format!("{date}/{region}/{service}/aws4_request");
        let canonical = sha256(self.canonical().as_bytes());
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{canonical}", self.date);
        let secret = format!("AWS4{secret}");
        let steps = [date, region, service, "aws4_request"];
        let key = steps.iter().fold(secret.into_bytes(), |key, step| hmac_sha256(&key, step));
        HEXLOWER.encode(&hmac_sha256(&key, &text))
    }

    fn canonical(&self) -> String {
        let mut query: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        query.sort();
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}:{}\n", squeezed(value))).collect();
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        // Every service but S3 encodes the path of the URL once more.
        let path: Vec<String> = self.path.split('/').map(encode).collect();
        let (method, path, query, names) = (self.method, path.join("/"), query.join("&"), names.join(";"));
        format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{}", sha256(self.body))
    }
}

/// Reads `X-Amz-Date`.
pub(crate) fn date(text: &str) -> Option<Timestamp> {
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Whether a time is within this many minutes from now, before or after.
pub(crate) fn is_about_now(time: Timestamp, minutes: i64) -> bool {
    Timestamp::now().duration_since(time).abs() <= SignedDuration::from_mins(minutes)
}

/// Decodes a query or form into names and values, in their order.
pub(crate) fn decode_pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| *first == b'%');
        let byte = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn encode(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

fn squeezed(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}
