//! A certificate authority of one server's own, and the server's certificate for 127.0.0.1.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// The authority's certificate as PEM, and what accepts connections.
pub(super) fn authority_and_acceptor() -> (String, TlsAcceptor) {
    let key = || KeyPair::generate().expect("a key");
    let params = |names: Vec<String>, common_name: &str| {
        let mut params = CertificateParams::new(names).expect("names for a certificate");
        params.distinguished_name.push(DnType::CommonName, common_name);
        params
    };
    let mut authority = params(Vec::new(), "simulated cluster");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let authority_key = key();
    let pem = authority.self_signed(&authority_key).expect("an authority's certificate").pem();
    let issuer = Issuer::new(authority, authority_key);
    let server_key = key();
    let server = params(vec!["127.0.0.1".to_owned()], "kube-apiserver");
    let certificate = server.signed_by(&server_key, &issuer).expect("a server's certificate");
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
    (pem, TlsAcceptor::from(Arc::new(config)))
}
