//! What an error of a connection says about its cause, found among the layers that it is wrapped in.

use std::error::Error;
use std::io;

use hyper_util::client::legacy;
use rustls::CertificateError;

/// Why no connection came about, or why one broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// DNS knows no address of the name, or does not answer.
    Name,
    /// Nobody listens there.
    Refused,
    /// No connection with TLS in time.
    Time,
    /// The server's certificate is of another authority than the cluster's.
    Authority,
    /// The server's certificate is not valid any more, or not yet.
    Expired,
    /// The server's certificate is of another name.
    ServerName,
    /// TLS failed in another way.
    Tls,
    /// The proxy did not open a tunnel.
    Proxy,
    /// No connection for another reason.
    Connect,
    /// A connection that was there broke.
    Broken,
}

impl Cause {
    /// Looks for it in an error and everything that the error carries.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        if let Some(found) = find::<rustls::Error>(error) {
            return match found {
                rustls::Error::InvalidCertificate(problem) => of_certificate(problem),
                _ => Self::Tls,
            };
        }
        let is_new = find::<legacy::Error>(error).is_some_and(legacy::Error::is_connect);
        match find_kind(error) {
            _ if !is_new => Self::Broken,
            // Its type is not public.
            _ if tells(error, "tunnel error") => Self::Proxy,
            Some(io::ErrorKind::ConnectionRefused) => Self::Refused,
            Some(io::ErrorKind::TimedOut) => Self::Time,
            _ if tells(error, "dns error") => Self::Name,
            _ => Self::Connect,
        }
    }

    /// A fixed CamelCase word: the condition's reason.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Name => "NameNotResolved",
            Self::Refused => "ConnectionRefused",
            Self::Time => "ConnectTimeout",
            Self::Authority => "CertificateNotTrusted",
            Self::Expired => "CertificateExpired",
            Self::ServerName => "CertificateNameMismatch",
            Self::Tls => "TLSFailed",
            Self::Proxy => "ProxyFailed",
            Self::Connect | Self::Broken => "ConnectionFailed",
        }
    }

    /// Whether another endpoint or authority than the one that is kept could explain it.
    pub fn is_of_endpoint(self) -> bool {
        !matches!(self, Self::Proxy | Self::Broken)
    }
}

fn of_certificate(problem: &CertificateError) -> Cause {
    match problem {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Cause::Expired,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Cause::ServerName
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Cause::Authority,
        _ => Cause::Tls,
    }
}

/// The error itself and every one that it carries. An `io::Error` does not name the one that it wraps as its source.
fn each<'a, T>(
    error: &'a (dyn Error + 'static),
    look: &mut impl FnMut(&'a (dyn Error + 'static)) -> Option<T>,
) -> Option<T> {
    if let Some(found) = look(error) {
        return Some(found);
    }
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match inner {
        Some(inner) => each(inner, look),
        None => each(error.source()?, look),
    }
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    each(error, &mut |error| error.downcast_ref::<T>())
}

fn find_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let kind = |error: &io::Error| error.kind();
    each(error, &mut |error| {
        let found = error.downcast_ref::<io::Error>().map(kind);
        found.filter(|kind| matches!(kind, io::ErrorKind::ConnectionRefused | io::ErrorKind::TimedOut))
    })
}

fn tells(error: &(dyn Error + 'static), text: &str) -> bool {
    each(error, &mut |error| error.to_string().contains(text).then_some(())).is_some()
}
