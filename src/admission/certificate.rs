//! The webhook's certificate: out of `webhook.certDir`, or made by the registrar and shared by its replicas in a Secret.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use registrar_core::config::WebhookConfig;
use registrar_core::doctor::Certificate;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::server::ParsedCertificate;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tracing::{info, warn};
use x509_parser::extensions::GeneralName;

/// How often files are looked at, and how often the API server is asked for the Secret.
const LOOK_AT_FILES: Duration = Duration::from_secs(3);
const LOOK_AT_SECRET: Duration = Duration::from_secs(10);
/// How long a certificate of our own is good for.
const VALID_DAYS: i64 = 365;
/// How long before its end another is made.
const RENEW_DAYS: i64 = 60;
/// When a certificate of our own ends: an annotation of its Secret.
const ENDS: &str = "eksclusterregistry.spire.spiffe.io/certificate-ends";

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const AUTHORITY: &str = "ca.crt";

/// What may go wrong while a certificate is brought.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// There is none.
    #[error(
        "{dir} has no {CERTIFICATE} and {KEY}: mount the Secret of a certificate there, or set webhook.configurationName \
         and the registrar makes one"
    )]
    Missing {
        /// `webhook.certDir`.
        dir: String,
    },
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{place}: {problem}")]
    Unusable {
        /// Where it is.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It cannot be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The management cluster's API server refused.
    #[error("{action}: {source}")]
    Kubernetes {
        /// What was tried.
        action: String,
        /// Why not.
        source: Box<kube::Error>,
    },
}

/// The certificates that the webhook is to be served with, one after another.
pub(super) struct Certificates {
    client: Client,
    dir: PathBuf,
    /// The ValidatingWebhookConfiguration that is told our own authority; none: certificates come from `dir` alone.
    configuration: Option<String>,
    /// Name of the Service, and of the Secret.
    service: String,
    namespace: String,
    pause: Duration,
    served: Option<Pair>,
    told: Option<String>,
}

/// A certificate with its key, as PEM.
#[derive(Clone, PartialEq, Eq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Certificates {
    pub(super) fn new(client: Client, config: &WebhookConfig, namespace: String) -> Self {
        Self {
            client,
            dir: config.cert_dir.clone().into(),
            configuration: config.configuration_name.clone(),
            service: config.service_name.clone(),
            namespace,
            pause: LOOK_AT_FILES,
            served: None,
            told: None,
        }
    }

    /// Waits for a certificate other than the last. What goes wrong is told once, and tried again.
    pub(super) async fn next(&mut self) -> Arc<ServerConfig> {
        loop {
            match self.look().await {
                Ok(Some(config)) => {
                    self.told = None;
                    return config;
                }
                Ok(None) => self.told = None,
                Err(error) => {
                    let error = error.to_string();
                    if self.told.as_ref() != Some(&error) {
                        let still = if self.served.is_some() {
                            "the last one is served on"
                        } else {
                            "admission is not served"
                        };
                        warn!(error, "no certificate for the admission webhook: {still} until there is one");
                        self.told = Some(error);
                    }
                }
            }
            tokio::time::sleep(self.pause).await;
        }
    }

    async fn look(&mut self) -> Result<Option<Arc<ServerConfig>>, CertificateError> {
        self.pause = LOOK_AT_FILES;
        let (pair, place) = match (self.of_files().await?, &self.configuration) {
            (Some(pair), _) => (pair, self.dir.display().to_string()),
            (None, Some(configuration)) => {
                self.pause = LOOK_AT_SECRET;
                let secret = self.of_secret().await?;
                self.tell_authority(configuration, &secret).await?;
                (pair_of(&secret, &self.service)?, format!("Secret/{}", self.service))
            }
            (None, None) => {
                return Err(CertificateError::Missing { dir: self.dir.display().to_string() });
            }
        };
        if self.served.as_ref() == Some(&pair) {
            return Ok(None);
        }
        let config = pair
            .server_config()
            .map_err(|problem| CertificateError::Unusable { place: place.clone(), problem })?;
        let host = format!("{}.{}.svc", self.service, self.namespace);
        if let Err(problem) = pair.is_of(&host) {
            warn!(
                problem,
                "{place}: {CERTIFICATE} is not of {host}, the Service's name by which the API server calls: it takes no \
                 answer, and with failurePolicy Ignore every object passes unseen. Mount a certificate of that name; \
                 webhook.serviceName and leaderElection.resourceNamespace make it up"
            );
        }
        self.served = Some(pair);
        Ok(Some(config))
    }

    async fn of_files(&self) -> Result<Option<Pair>, CertificateError> {
        let read = async |name: &str| {
            let path = self.dir.join(name);
            match tokio::fs::read(&path).await {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(source) => Err(CertificateError::Read { path: path.display().to_string(), source }),
            }
        };
        Ok(read(CERTIFICATE).await?.zip(read(KEY).await?).map(|(certificate, key)| Pair { certificate, key }))
    }

    /// Our own, made where there is none or where it ends soon. Whoever of several replicas is first has made it for all.
    async fn of_secret(&self) -> Result<Secret, CertificateError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let name = &self.service;
        let failed = |verb: &str| {
            let action = format!("cannot {verb} Secret {}/{name}", self.namespace);
            move |source| CertificateError::Kubernetes { action, source: Box::new(source) }
        };
        let before = api.get_opt(name).await.map_err(failed("read"))?;
        if let Some(secret) = before.as_ref().filter(|secret| !ends_soon(secret, Timestamp::now())) {
            return Ok(secret.clone());
        }
        let secret = self.made(before.as_ref())?;
        let written = match &before {
            None => api.create(&PostParams::default(), &secret).await,
            Some(_) => api.replace(name, &PostParams::default(), &secret).await,
        };
        match written {
            Ok(secret) => {
                info!(secret = name, "made a certificate for the admission webhook");
                Ok(secret)
            }
            // Another replica was first.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                api.get(name).await.map_err(failed("read"))
            }
            Err(error) => Err(failed("write")(error)),
        }
    }

    fn made(&self, before: Option<&Secret>) -> Result<Secret, CertificateError> {
        let days = |days: i64| Timestamp::now() + SignedDuration::from_hours(24 * days);
        let ends = days(VALID_DAYS);
        let date = |time: Timestamp| {
            let date = time.to_zoned(k8s_openapi::jiff::tz::TimeZone::UTC).date();
            rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
        };
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority.distinguished_name.push(DnType::CommonName, format!("{} authority", self.service));
        (authority.not_before, authority.not_after) = (date(days(-1)), date(ends));
        let authority_key = KeyPair::generate()?;
        let authority_certificate = authority.self_signed(&authority_key)?;
        // Its key is not kept: the next certificate comes with another authority.
        let issuer = Issuer::new(authority, authority_key);
        let host = format!("{}.{}.svc", self.service, self.namespace);
        let mut server = CertificateParams::new(vec![host.clone(), format!("{host}.cluster.local")])?;
        server.distinguished_name.push(DnType::CommonName, self.service.clone());
        (server.not_before, server.not_after) = (date(days(-1)), date(ends));
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &issuer)?;
        // Beside the one before, which other replicas serve for some seconds more.
        let last = before.and_then(|secret| secret.data.as_ref()?.get(AUTHORITY).cloned());
        let last = last.and_then(|ByteString(pem)| String::from_utf8(pem).ok()).unwrap_or_default();
        let end = "-----END CERTIFICATE-----";
        let last = last.split_inclusive(end).next().unwrap_or_default();
        let authorities = format!("{}{}\n", authority_certificate.pem(), last.trim_start());
        let data = [(CERTIFICATE, certificate.pem()), (KEY, key.serialize_pem()), (AUTHORITY, authorities)];
        Ok(Secret {
            metadata: ObjectMeta {
                name: Some(self.service.clone()),
                resource_version: before.and_then(|secret| secret.resource_version()),
                annotations: Some(BTreeMap::from([(ENDS.to_owned(), ends.to_string())])),
                ..ObjectMeta::default()
            },
            type_: Some("kubernetes.io/tls".to_owned()),
            data: Some(
                data.into_iter().map(|(name, pem)| (name.to_owned(), ByteString(pem.into_bytes()))).collect(),
            ),
            ..Secret::default()
        })
    }

    /// Makes the API server trust our own authority for each webhook of the configuration.
    async fn tell_authority(&self, name: &str, secret: &Secret) -> Result<(), CertificateError> {
        let api: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
        let failed = |verb: &str| {
            let action = format!("cannot {verb} ValidatingWebhookConfiguration {name}");
            move |source| CertificateError::Kubernetes { action, source: Box::new(source) }
        };
        let authority = secret.data.as_ref().and_then(|data| data.get(AUTHORITY).cloned());
        let mut configuration = api.get(name).await.map_err(failed("read"))?;
        let mut changed = false;
        for webhook in configuration.webhooks.iter_mut().flatten() {
            if webhook.client_config.ca_bundle != authority {
                webhook.client_config.ca_bundle.clone_from(&authority);
                changed = true;
            }
        }
        if !changed {
            return Ok(());
        }
        match api.replace(name, &PostParams::default(), &configuration).await {
            Ok(_) => Ok(()),
            // Somebody wrote it in between: the next look sees what it is now.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(failed("write")(error)),
        }
    }
}

/// The certificate that a registrar of this configuration serves, or would serve; none where there is none yet. Nothing is
/// made or written. `authority` is what the API server was told to trust, PEM; none: it was not told.
pub async fn seen(
    client: Client,
    config: &WebhookConfig,
    namespace: &str,
    authority: Option<&[u8]>,
) -> Result<Option<Certificate>, CertificateError> {
    let certificates = Certificates::new(client, config, namespace.to_owned());
    let (pair, place) = match certificates.of_files().await? {
        Some(pair) => (pair, format!("{}/{CERTIFICATE}", config.cert_dir)),
        None => {
            let api: Api<Secret> = Api::namespaced(certificates.client, namespace);
            let place = format!("Secret {namespace}/{}", config.service_name);
            let secret =
                api.get_opt(&config.service_name).await.map_err(|source| CertificateError::Kubernetes {
                    action: format!("cannot read {place}"),
                    source: Box::new(source),
                })?;
            let Some(secret) = secret else { return Ok(None) };
            (pair_of(&secret, &config.service_name)?, place)
        }
    };
    let host = format!("{}.{namespace}.svc", config.service_name);
    let unusable = |problem: String| CertificateError::Unusable { place: place.clone(), problem };
    let chain = pair.chain().map_err(unusable)?;
    let [first, rest @ ..] = chain.as_slice() else {
        return Err(unusable(format!("{CERTIFICATE} has no certificate")));
    };
    let (_, read) = x509_parser::parse_x509_certificate(first)
        .map_err(|error| unusable(format!("{CERTIFICATE} is no X.509 certificate: {error}")))?;
    let names = read.subject_alternative_name().ok().flatten();
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    let names = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    Ok(Some(Certificate {
        names: names.collect(),
        ends: Timestamp::from_second(read.validity().not_after.timestamp()).unwrap_or_default(),
        refused: authority.and_then(|authority| refusal(authority, first, rest, &host).err()),
        place,
    }))
}

/// Whether whoever trusts this authority takes the certificate for this host now; the error says why not.
fn refusal(
    authority: &[u8],
    certificate: &CertificateDer<'_>,
    chain: &[CertificateDer<'_>],
    host: &str,
) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(authority) {
        let root = root.map_err(|error| format!("caBundle is no PEM of certificates: {error}"))?;
        roots.add(root).map_err(|error| format!("caBundle has no usable authority: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|error| format!("caBundle has no usable authority: {error}"))?;
    let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
    let verified = verifier.verify_server_cert(certificate, chain, &name, &[], UnixTime::now());
    verified.map(drop).map_err(|error| format!("for {host}: {error}"))
}

fn pair_of(secret: &Secret, name: &str) -> Result<Pair, CertificateError> {
    let get = |key: &str| secret.data.as_ref().and_then(|data| data.get(key)).map(|bytes| bytes.0.clone());
    match (get(CERTIFICATE), get(KEY)) {
        (Some(certificate), Some(key)) => Ok(Pair { certificate, key }),
        _ => Err(CertificateError::Unusable {
            place: format!("Secret/{name}"),
            problem: format!("it lacks {CERTIFICATE} or {KEY}; delete it, and the registrar makes it anew"),
        }),
    }
}

/// Whether a certificate of our own has to be replaced; one whose end nobody noted is not of our making, and is.
fn ends_soon(secret: &Secret, now: Timestamp) -> bool {
    let ends = secret.annotations().get(ENDS).and_then(|text| text.parse::<Timestamp>().ok());
    ends.is_none_or(|ends| ends - SignedDuration::from_hours(24 * RENEW_DAYS) < now)
}

impl Pair {
    /// Whether the certificate is of this name; the error says why not.
    fn is_of(&self, host: &str) -> Result<(), String> {
        let chain = self.chain()?;
        let first = chain.first().ok_or_else(|| format!("{CERTIFICATE} has no certificate"))?;
        let read = ParsedCertificate::try_from(first).map_err(|error| error.to_string())?;
        let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
        verify_server_name(&read, &name).map_err(|error| error.to_string())
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let chain: Result<_, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        chain.map_err(|error| format!("{CERTIFICATE} is no PEM of certificates: {error}"))
    }

    fn server_config(&self) -> Result<Arc<ServerConfig>, String> {
        let chain = self.chain()?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|error| format!("{KEY} is no PEM of a private key: {error}"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| format!("{CERTIFICATE} and {KEY} do not fit: {error}"))?;
        let mut config = config;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}
