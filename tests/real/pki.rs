//! The keys and certificates of the servers, all on 127.0.0.1 and of one authority.

use std::fs::write;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Files in PEM.
pub struct Pki {
    /// The authority's certificate.
    pub authority: PathBuf,
    /// The servers' certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The key that signs service account tokens.
    pub token_key: PathBuf,
    /// Its public half.
    pub token_public: PathBuf,
}

impl Pki {
    /// Makes all of them in a folder.
    pub fn make(folder: &Path) -> Self {
        let file = |name: &str, text: String| {
            let path = folder.join(name);
            write(&path, text).unwrap();
            path
        };
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "authority");
        let authority_certificate = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let mut server = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        server.distinguished_name.push(DnType::CommonName, "server");
        let certificate = server.signed_by(&key, &issuer).unwrap();
        let token_key = KeyPair::generate().unwrap();
        Self {
            authority: file("authority.pem", authority_certificate.pem()),
            certificate: file("server.pem", certificate.pem()),
            key: file("server.key", key.serialize_pem()),
            token_key: file("token.key", token_key.serialize_pem()),
            token_public: file("token.pub", token_key.public_key_pem()),
        }
    }
}
