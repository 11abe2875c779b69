//! AWS's own clients find what they expect at the simulated AWS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_eks::error::ProvideErrorMetadata;
use registrar_world::aws::{AccessKey, Aws, Cluster, Operation};

const HOME: &str = "111122223333";
const AWAY: &str = "444455556666";

async fn config(aws: &Aws, key: &AccessKey, region: &str) -> SdkConfig {
    let credentials =
        Credentials::from_keys(&key.access_key_id, &key.secret_access_key, key.session_token.clone());
    aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(aws.endpoint())
        .credentials_provider(credentials)
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .load()
        .await
}

#[tokio::test]
async fn a_role_is_assumed_and_its_accounts_cluster_is_described() {
    let aws = Aws::start().await;
    let user = aws.user(HOME, "registrar");
    let role = format!("arn:aws:iam::{AWAY}:role/reader");
    aws.add_role(&role, HOME, Some("secret"));
    let mut cluster = Cluster::new(AWAY, "eu-central-1", "one");
    cluster.endpoint = "https://127.0.0.1:1".to_owned();
    cluster.certificate_authority = "PEM".to_owned();
    aws.put_cluster(cluster.clone());
    let sts = aws_sdk_sts::Client::new(&config(&aws, &user, "us-west-2").await);
    let assume = || sts.assume_role().role_arn(&role).role_session_name("session=1,@x");
    let refused = assume().send().await.unwrap_err();
    assert_eq!(refused.code(), Some("AccessDenied"));
    let assumed = assume().external_id("secret").duration_seconds(900).send().await.unwrap();
    let credentials = assumed.credentials().unwrap();
    let key = aws.key(credentials.access_key_id()).unwrap();
    assert_eq!((&key.principal, key.session_token.as_deref()), (&role, Some(credentials.session_token())));
    let caller = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(caller.account(), Some(HOME));
    let eks = aws_sdk_eks::Client::new(&config(&aws, &key, "eu-central-1").await);
    let described = eks.describe_cluster().name("one").send().await.unwrap();
    let described = described.cluster().unwrap();
    assert_eq!(described.arn(), Some("arn:aws:eks:eu-central-1:444455556666:cluster/one"));
    assert_eq!(described.status().unwrap().as_str(), "ACTIVE");
    assert_eq!(described.endpoint(), Some("https://127.0.0.1:1"));
    assert_eq!(described.certificate_authority().unwrap().data(), Some("UEVN"));
    assert_eq!(aws.calls(Operation::AssumeRole), 2);
}

#[tokio::test]
async fn clusters_of_others_are_not_found_and_failures_come_when_ordered() {
    let aws = Aws::start().await;
    let user = aws.user(HOME, "registrar");
    aws.put_cluster(Cluster::new(HOME, "us-west-2", "one"));
    let describe = async |key: &AccessKey, region: &str| {
        let eks = aws_sdk_eks::Client::new(&config(&aws, key, region).await);
        let described = eks.describe_cluster().name("one").send().await;
        described.map(drop).map_err(|error| error.code().unwrap_or_default().to_owned())
    };
    assert_eq!(describe(&user, "us-west-2").await, Ok(()));
    assert_eq!(describe(&user, "us-east-1").await.unwrap_err(), "ResourceNotFoundException");
    let stranger = aws.user(AWAY, "stranger");
    assert_eq!(describe(&stranger, "us-west-2").await.unwrap_err(), "ResourceNotFoundException");
    let forged = AccessKey { secret_access_key: "other".to_owned(), ..user.clone() };
    assert_eq!(describe(&forged, "us-west-2").await.unwrap_err(), "SignatureDoesNotMatch");
    aws.fail_next(Operation::DescribeCluster, 1, 429, "ThrottlingException");
    assert_eq!(describe(&user, "us-west-2").await.unwrap_err(), "ThrottlingException");
    assert_eq!(describe(&user, "us-west-2").await, Ok(()));
}
