//! AWS: where a cluster's API server is and whom it trusts, and the token by which it knows us.

mod kept;
mod pace;
mod token;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use aws_config::identity::IdentityCache;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_eks::config::endpoint::ResolveEndpoint as _;
use aws_sdk_eks::error::ProvideErrorMetadata;
use aws_sdk_eks::types::{Cluster, ClusterStatus};
use aws_sdk_sts::config::endpoint::ResolveEndpoint as _;
use data_encoding::BASE64;
use registrar_core::api::ClusterTarget;
use registrar_core::config::AwsConfig;
use registrar_core::names::{AccountId, ExternalId, Region, RoleArn};
use tokio::sync::Mutex;
use tracing::info;

use crate::causes;
use kept::{Kept, NotHad};
use pace::Pace;
pub use token::Token;

/// How soon one DescribeCluster may follow another, over all clusters: a fleet that starts or comes back stays below what
/// AWS lets an account ask.
const DESCRIBE_INTERVAL: Duration = Duration::from_millis(100);

/// How long the whole of one question to AWS may take, its retries by the SDK included.
const CALL_TIME: Duration = Duration::from_secs(30);

/// What CloudTrail shows as the session of roles that the registrar assumes.
const SESSION_NAME: &str = "spire-eks-workload-registrar";

/// Where a cluster's API server is and whom it trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its URL.
    pub url: String,
    /// The certificates of its authority, PEM.
    pub authority: Vec<u8>,
    /// The cluster's ARN.
    pub arn: String,
}

/// Why AWS gave no way to a cluster. Nothing is ever sent to a cluster that one of these tells of.
#[derive(Debug, thiserror::Error)]
pub enum EksError {
    /// The configuration does not allow this account.
    #[error("account {0} is not in the configuration's aws.accountIds")]
    AllowAccount(AccountId),
    /// No credentials could be had.
    #[error("cannot get AWS credentials{}: {problem}", role.as_ref().map(|role| format!(" of role {role}")).unwrap_or_default())]
    Credentials {
        /// The role, where one is to be assumed.
        role: Option<RoleArn>,
        /// STS's error code; none where it did not answer.
        code: Option<String>,
        /// AWS's words.
        problem: String,
    },
    /// The configuration's role is not one that could describe the cluster.
    #[error(
        "aws.assumeRoleArn is {role}, which is not of account {account}; give the registry a spec.assumeRoleArn of its own"
    )]
    MatchRole {
        /// The role.
        role: RoleArn,
        /// What the registry says.
        account: AccountId,
    },
    /// EKS did not describe the cluster.
    #[error("EKS did not describe cluster {cluster} in {region}: {problem}")]
    Describe {
        /// The cluster's name in EKS.
        cluster: String,
        /// Its region.
        region: Region,
        /// AWS's error code; none where no answer came.
        code: Option<String>,
        /// AWS's words.
        problem: String,
    },
    /// The cluster is not one that can be connected to now.
    #[error("the cluster's status in EKS is {0}, must be ACTIVE or UPDATING")]
    UseStatus(ClusterStatus),
    /// The cluster is another account's.
    #[error("EKS says that the cluster's ARN is {arn:?}, which by the spec begins with {expected:?}")]
    MatchAccount {
        /// What EKS says.
        arn: String,
        /// Partition, region and account as the registry says.
        expected: String,
    },
    /// EKS's answer lacks something or has it in another form.
    #[error("EKS gave no usable {field}: {problem}")]
    UseAnswer {
        /// The answer's field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// No token could be made.
    #[error("cannot presign the token: {0}")]
    Presign(String),
}

impl EksError {
    /// A fixed CamelCase word: the condition's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::AllowAccount(_) => "AccountNotAllowed",
            Self::Credentials { code, role, .. } => match (code.as_deref(), role) {
                (Some("AccessDenied"), _) => "RoleNotAssumable",
                (Some("Throttling" | "ThrottlingException"), _) => "AWSThrottled",
                (_, Some(_)) => "AssumeRoleFailed",
                (_, None) => "NoCredentials",
            },
            Self::MatchRole { .. } => "RoleNotOfAccount",
            Self::Describe { code, .. } => match code.as_deref() {
                Some("ResourceNotFoundException") => "ClusterNotFound",
                Some("AccessDeniedException") => "DescribeClusterDenied",
                Some(code) if is_of_credentials(code) => "CredentialsRefused",
                Some("ThrottlingException" | "TooManyRequestsException") => "AWSThrottled",
                _ => "DescribeClusterFailed",
            },
            Self::UseStatus(ClusterStatus::Creating) => "ClusterCreating",
            Self::UseStatus(ClusterStatus::Deleting) => "ClusterDeleting",
            Self::UseStatus(ClusterStatus::Failed) => "ClusterFailed",
            Self::UseStatus(_) => "ClusterNotActive",
            Self::MatchAccount { .. } => "AccountMismatch",
            Self::UseAnswer { .. } => "DescribeClusterUnusable",
            Self::Presign(_) => "TokenFailed",
        }
    }
}

/// Whether AWS said that it knows the credentials not, or not any more.
fn is_of_credentials(code: &str) -> bool {
    matches!(
        code,
        "ExpiredTokenException"
            | "ExpiredToken"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "UnrecognizedClientException"
    )
}

/// The registrar's access to AWS, by the SDK's own rules: its chain of credentials, its endpoint and proxy variables.
#[derive(Debug)]
pub struct Eks {
    /// Its credentials are kept ones.
    base: SdkConfig,
    accounts: BTreeSet<AccountId>,
    default_role: Option<RoleArn>,
    /// Clusters share what a role gives.
    sessions: Mutex<HashMap<SessionKey, Session>>,
    describes: Pace,
}

/// What credentials depend on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SessionKey {
    role: Option<RoleArn>,
    external_id: Option<ExternalId>,
    region: Region,
}

#[derive(Debug, Clone)]
struct Session {
    eks: aws_sdk_eks::Client,
    credentials: Kept,
}

impl Eks {
    /// Access as the environment gives it; nothing is asked yet.
    pub async fn new(config: AwsConfig) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = &config.region {
            loader = loader.region(aws_config::Region::new(region.to_string()));
        }
        let found = loader.load().await;
        let chain = found.credentials_provider();
        let chain = chain.unwrap_or_else(|| SharedCredentialsProvider::new(NoCredentials));
        let base = found
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(Kept::new(chain)))
            // What is kept here is given out as it is: renewed in one place only.
            .identity_cache(IdentityCache::no_cache())
            .build();
        Self {
            base,
            accounts: config.account_ids,
            default_role: config.assume_role_arn,
            sessions: Mutex::default(),
            describes: Pace::new(DESCRIBE_INTERVAL),
        }
    }

    /// Whether a region is known in which to ask for what is of no cluster.
    pub fn has_region(&self) -> bool {
        self.base.region().is_some()
    }

    /// Who AWS takes this process for, an ARN; the error is AWS's words.
    pub async fn caller(&self) -> Result<String, String> {
        let client = aws_sdk_sts::Client::new(&self.base);
        match tokio::time::timeout(CALL_TIME, client.get_caller_identity().send()).await {
            Ok(Ok(identity)) => Ok(identity.arn().unwrap_or_default().to_owned()),
            Ok(Err(error)) => Err(causes::told(&error)),
            Err(_) => Err(format!("no answer within {CALL_TIME:?}")),
        }
    }

    /// Tells in the log who AWS takes this process for: the first thing to know when a cluster cannot be reached.
    pub async fn tell_identity(&self) {
        match self.caller().await {
            Ok(arn) => info!(arn, "AWS credentials found"),
            Err(error) => {
                info!(error, "AWS does not tell who this process is; clusters tell what they need");
            }
        }
    }

    /// Where AWS is asked about a cluster: the URLs of EKS and STS, as the SDK resolves them.
    pub async fn urls(&self, target: &ClusterTarget) -> Result<[String; 2], String> {
        let (region, fips, dual) = (target.region.as_str(), self.base.use_fips(), self.base.use_dual_stack());
        let set = |service: &str| {
            let of_service = std::env::var(format!("AWS_ENDPOINT_URL_{service}")).ok();
            of_service.or_else(|| self.base.endpoint_url().map(str::to_owned))
        };
        let wrong = |error: &dyn std::fmt::Display| error.to_string();
        let eks = aws_sdk_eks::config::endpoint::Params::builder()
            .region(region)
            .use_fips(fips.unwrap_or_default())
            .use_dual_stack(dual.unwrap_or_default())
            .set_endpoint(set("EKS"))
            .build()
            .map_err(|error| wrong(&error))?;
        let sts = aws_sdk_sts::config::endpoint::Params::builder()
            .region(region)
            .use_fips(fips.unwrap_or_default())
            .use_dual_stack(dual.unwrap_or_default())
            .use_global_endpoint(false)
            .set_endpoint(set("STS"))
            .build()
            .map_err(|error| wrong(&error))?;
        let eks = aws_sdk_eks::config::endpoint::DefaultResolver::new().resolve_endpoint(&eks).await;
        let sts = aws_sdk_sts::config::endpoint::DefaultResolver::new().resolve_endpoint(&sts).await;
        let [eks, sts] = [eks.map_err(|error| wrong(&error))?, sts.map_err(|error| wrong(&error))?];
        Ok([eks.url().to_owned(), sts.url().to_owned()])
    }

    /// The role by which a cluster is asked for; none: this process's own credentials.
    pub fn role<'a>(&'a self, target: &'a ClusterTarget) -> Option<&'a RoleArn> {
        target.access.role.as_ref().or(self.default_role.as_ref())
    }

    /// Whether a cluster may be asked for at all, before anything is sent for it.
    fn allow(&self, target: &ClusterTarget) -> Result<(), EksError> {
        if !self.accounts.is_empty() && !self.accounts.contains(&target.account) {
            return Err(EksError::AllowAccount(target.account.clone()));
        }
        if let (None, Some(role)) = (&target.access.role, &self.default_role)
            && role.account() != target.account.as_str()
        {
            return Err(EksError::MatchRole { role: role.clone(), account: target.account.clone() });
        }
        Ok(())
    }

    /// Has credentials for a cluster, which are kept for its description and its tokens.
    pub async fn authenticate(&self, target: &ClusterTarget) -> Result<(), EksError> {
        self.allow(target)?;
        let session = self.session(target).await;
        self.credentials(&session, target).await.map(drop)
    }

    /// Asks EKS where the cluster's API server is; refuses a cluster of another account than the registry names.
    pub async fn describe(&self, target: &ClusterTarget) -> Result<Endpoint, EksError> {
        self.look(target).await.map(|(endpoint, _)| endpoint)
    }

    /// The same, with all that EKS says of the cluster.
    pub async fn look(&self, target: &ClusterTarget) -> Result<(Endpoint, Cluster), EksError> {
        self.allow(target)?;
        let session = self.session(target).await;
        // On their own first, so that missing credentials are not told as EKS's failure.
        self.credentials(&session, target).await?;
        self.describes.turn().await;
        let call = session.eks.describe_cluster().name(target.eks_name.as_str()).send();
        let failed = |code: Option<&str>, problem: String| EksError::Describe {
            cluster: target.eks_name.to_string(),
            region: target.region.clone(),
            code: code.map(str::to_owned),
            problem,
        };
        let answer = match tokio::time::timeout(CALL_TIME, call).await {
            Err(_) => return Err(failed(None, format!("no answer within {CALL_TIME:?}"))),
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                if error.code().is_some_and(is_of_credentials) {
                    session.credentials.refused().await;
                }
                return Err(failed(error.code(), causes::told(&error)));
            }
        };
        let cluster = answer
            .cluster
            .ok_or_else(|| EksError::UseAnswer { field: "cluster", problem: "is missing".to_owned() })?;
        endpoint(&cluster, target).map(|endpoint| (endpoint, cluster))
    }

    /// A token for the cluster's API server, good for some minutes. `refused` says that the API server took the last one
    /// not: perhaps it is the credentials that have ended.
    pub async fn token(&self, target: &ClusterTarget, refused: bool) -> Result<Token, EksError> {
        let session = self.session(target).await;
        if refused {
            session.credentials.refused().await;
        }
        let credentials = self.credentials(&session, target).await?;
        token::presign(credentials, target)
    }

    async fn session(&self, target: &ClusterTarget) -> Session {
        let role = self.role(target).cloned();
        let mut sessions = self.sessions.lock().await;
        let external_id = target.access.external_id.clone().filter(|_| role.is_some());
        let key = SessionKey { role, external_id, region: target.region.clone() };
        if let Some(session) = sessions.get(&key) {
            return session.clone();
        }
        let region = aws_config::Region::new(target.region.to_string());
        let provider = match &key.role {
            None => {
                let base = self.base.credentials_provider();
                base.unwrap_or_else(|| SharedCredentialsProvider::new(NoCredentials))
            }
            Some(role) => {
                let mut provider = AssumeRoleProvider::builder(role.as_str())
                    .configure(&self.base)
                    .region(region.clone())
                    .session_name(SESSION_NAME);
                if let Some(external_id) = &key.external_id {
                    provider = provider.external_id(external_id.as_str());
                }
                SharedCredentialsProvider::new(provider.build().await)
            }
        };
        let credentials = Kept::new(provider);
        let config = aws_sdk_eks::config::Builder::from(&self.base)
            .region(region)
            .identity_cache(IdentityCache::no_cache())
            .credentials_provider(SharedCredentialsProvider::new(credentials.clone()));
        let session = Session { eks: aws_sdk_eks::Client::from_conf(config.build()), credentials };
        sessions.insert(key, session.clone());
        session
    }

    async fn credentials(&self, session: &Session, target: &ClusterTarget) -> Result<Credentials, EksError> {
        session.credentials.get().await.map_err(|NotHad { code, problem }| EksError::Credentials {
            role: self.role(target).cloned(),
            code,
            problem,
        })
    }
}

/// Stands in where the SDK was built to look for credentials nowhere, so that this too is an error with a name.
#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let error =
            aws_credential_types::provider::error::CredentialsError::not_loaded("no provider is set up");
        aws_credential_types::provider::future::ProvideCredentials::ready(Err(error))
    }
}

fn endpoint(cluster: &Cluster, target: &ClusterTarget) -> Result<Endpoint, EksError> {
    let missing = |field| EksError::UseAnswer { field, problem: "is missing".to_owned() };
    let arn = cluster.arn().ok_or_else(|| missing("cluster.arn"))?;
    let expected = format!("arn:{}:eks:{}:{}:", target.region.partition(), target.region, target.account);
    if !arn.starts_with(&expected) {
        return Err(EksError::MatchAccount { arn: arn.to_owned(), expected });
    }
    match cluster.status() {
        Some(ClusterStatus::Active | ClusterStatus::Updating) => {}
        Some(other) => return Err(EksError::UseStatus(other.clone())),
        None => return Err(missing("cluster.status")),
    }
    let url = cluster.endpoint().ok_or_else(|| missing("cluster.endpoint"))?;
    if !url.starts_with("https://") {
        let problem = format!("{url:?} is no https URL");
        return Err(EksError::UseAnswer { field: "cluster.endpoint", problem });
    }
    let authority = cluster.certificate_authority().and_then(|authority| authority.data());
    let authority = authority.ok_or_else(|| missing("cluster.certificateAuthority.data"))?;
    let authority = BASE64.decode(authority.as_bytes()).map_err(|error| EksError::UseAnswer {
        field: "cluster.certificateAuthority.data",
        problem: format!("is not base64: {error}"),
    })?;
    Ok(Endpoint { url: url.to_owned(), authority, arn: arn.to_owned() })
}

/// How long a token or session is good for, at most until `expiry`.
fn until(expiry: Option<std::time::SystemTime>, longest: Duration) -> Instant {
    let left = expiry.map(|at| at.duration_since(std::time::SystemTime::now()).unwrap_or_default());
    Instant::now() + left.map_or(longest, |left| left.min(longest))
}

#[cfg(test)]
mod tests {
    use aws_sdk_eks::types::Certificate;
    use registrar_core::api::ClusterAccess;
    use registrar_core::names::EksClusterName;

    use super::*;

    pub(super) fn target() -> ClusterTarget {
        ClusterTarget {
            eks_name: EksClusterName::new("prod").unwrap(),
            region: Region::new("us-west-2").unwrap(),
            account: AccountId::new("123456789012").unwrap(),
            access: ClusterAccess::default(),
        }
    }

    fn described() -> aws_sdk_eks::types::builders::ClusterBuilder {
        Cluster::builder()
            .arn("arn:aws:eks:us-west-2:123456789012:cluster/prod")
            .status(ClusterStatus::Active)
            .endpoint("https://A.gr7.us-west-2.eks.amazonaws.com")
            .certificate_authority(Certificate::builder().data(BASE64.encode(b"PEM")).build())
    }

    #[test]
    fn a_cluster_is_used_when_it_is_the_registrys_and_active() {
        let found = endpoint(&described().build(), &target()).unwrap();
        assert_eq!(found.url, "https://A.gr7.us-west-2.eks.amazonaws.com");
        assert_eq!(found.authority, b"PEM");
        assert!(endpoint(&described().status(ClusterStatus::Updating).build(), &target()).is_ok());
    }

    #[test]
    fn every_reason_not_to_use_a_cluster_has_its_name() {
        let other = "arn:aws:eks:us-west-2:999999999999:cluster/prod";
        for (cluster, reason) in [
            (described().arn(other), "AccountMismatch"),
            (described().arn("arn:aws-cn:eks:us-west-2:123456789012:cluster/prod"), "AccountMismatch"),
            (described().status(ClusterStatus::Creating), "ClusterCreating"),
            (described().status(ClusterStatus::Deleting), "ClusterDeleting"),
            (described().status(ClusterStatus::Failed), "ClusterFailed"),
            (described().status(ClusterStatus::Pending), "ClusterNotActive"),
            (described().endpoint("http://plain"), "DescribeClusterUnusable"),
            (described().set_endpoint(None), "DescribeClusterUnusable"),
            (
                described().certificate_authority(Certificate::builder().data("%").build()),
                "DescribeClusterUnusable",
            ),
        ] {
            assert_eq!(endpoint(&cluster.build(), &target()).unwrap_err().reason(), reason);
        }
    }
}
