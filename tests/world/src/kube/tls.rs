//! A certificate authority of one server's own, and the server's certificate for 127.0.0.1 and `api.world.invalid`.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// Which certificate a server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// One of the authority that clients were told of.
    Right,
    /// One of another authority.
    OfAnotherAuthority,
    /// One whose time is over.
    Expired,
    /// One of another name.
    OfAnotherName,
}

/// An authority and all that it has signed.
pub(crate) struct Certificates {
    authority: Signer,
    another: Signer,
}

struct Signer {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Signer {
    fn new() -> Self {
        let mut authority = params(Vec::new(), "simulated cluster");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("a key");
        let pem = authority.self_signed(&key).expect("an authority's certificate").pem();
        Self { pem, issuer: Issuer::new(authority, key) }
    }
}

fn params(names: Vec<String>, common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(names).expect("names for a certificate");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

impl Certificates {
    pub(crate) fn new() -> Self {
        Self { authority: Signer::new(), another: Signer::new() }
    }

    /// The authority's certificate as PEM.
    pub(crate) fn authority(&self) -> &str {
        &self.authority.pem
    }

    /// What accepts connections with such a certificate.
    pub(crate) fn acceptor(&self, shown: Shown) -> TlsAcceptor {
        let server_key = KeyPair::generate().expect("a key");
        let names = match shown {
            Shown::OfAnotherName => vec!["another.invalid".to_owned()],
            _ => vec!["127.0.0.1".to_owned(), "api.world.invalid".to_owned()],
        };
        let mut server = params(names, "kube-apiserver");
        if shown == Shown::Expired {
            server.not_before = rcgen::date_time_ymd(2020, 1, 1);
            server.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }
        let signer = if shown == Shown::OfAnotherAuthority { &self.another } else { &self.authority };
        let certificate = server.signed_by(&server_key, &signer.issuer).expect("a server's certificate");
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider's own versions");
        let mut config = config
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("a key that fits its certificate");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}
