//! `token` and `kubeconfig`: what the registrar shows an API server, for an operator's own kubectl.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use data_encoding::BASE64;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::Api;
use registrar_core::api::{ClusterAccess, ClusterTarget, EKSClusterRegistry, told};
use registrar_core::config::AwsConfig;
use registrar_core::names::{AccountId, EksClusterName, ExternalId, InvalidName, Region, RoleArn};
use serde_json::{Value, json};

use super::registrar::block_on;
use super::{Usage, read_config};
use crate::eks::{Eks, Endpoint};

/// Arguments of `token`.
#[derive(clap::Args)]
#[command(after_help = "Example:
  spire-eks-workload-registrar token --cluster-name prod --region us-west-2 --role-arn arn:aws:iam::111122223333:role/registrar")]
pub struct Token {
    /// The cluster's name in EKS.
    #[arg(long, value_name = "NAME")]
    cluster_name: String,
    /// The cluster's region.
    #[arg(long, value_name = "REGION")]
    region: String,
    /// The role to assume; without it, this process's own credentials.
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,
    /// The external id that the role's trust policy asks for.
    #[arg(long, value_name = "ID", requires = "role_arn")]
    external_id: Option<String>,
}

/// Arguments of `kubeconfig`.
#[derive(clap::Args)]
#[command(after_help = "Example:
  spire-eks-workload-registrar kubeconfig --registry prod-east --out prod-east.json")]
pub struct Kubeconfig {
    /// The name of the EKSClusterRegistry object in the management cluster (KUBECONFIG, or in a pod).
    #[arg(long, value_name = "NAME")]
    registry: String,
    /// The configuration file, for `aws`; without it, every default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to write it; without it, to standard output.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Prints an ExecCredential (`client.authentication.k8s.io/v1`). The token goes to standard output and nowhere else.
pub fn token(arguments: &Token) -> Result<ExitCode, Usage> {
    let wrong = |error: InvalidName| Usage(vec![error.to_string()]);
    let role = arguments.role_arn.as_deref().map(RoleArn::new).transpose().map_err(wrong)?;
    let external_id = arguments.external_id.as_deref().map(ExternalId::new).transpose().map_err(wrong)?;
    // The token names no account.
    let account = role.as_ref().map_or("000000000000", RoleArn::account);
    let target = ClusterTarget {
        eks_name: EksClusterName::new(&arguments.cluster_name).map_err(wrong)?,
        region: Region::new(&arguments.region).map_err(wrong)?,
        account: AccountId::new(account).map_err(wrong)?,
        access: ClusterAccess { role, external_id, ..ClusterAccess::default() },
    };
    block_on(async {
        let region = Some(target.region.clone());
        let eks = Eks::new(AwsConfig { region, ..AwsConfig::default() }).await;
        match eks.token(&target, false).await {
            Err(error) => Ok(failed(&error)),
            Ok(token) => {
                let left = token.good_until.saturating_duration_since(Instant::now());
                print(&format!("{}\n", exec_credential(token.secret(), left, Timestamp::now())))
            }
        }
    })?
}

/// Reads the registry, asks EKS, and writes a kubeconfig whose user is this program's `token`.
pub fn kubeconfig(arguments: &Kubeconfig) -> Result<ExitCode, Usage> {
    let aws = match &arguments.config {
        Some(path) => read_config(path, false)?.aws,
        None => AwsConfig::default(),
    };
    let program = std::env::current_exe().map_err(|error| Usage(vec![format!("own path: {error}")]))?;
    let program = program.to_string_lossy().into_owned();
    let default_role = aws.assume_role_arn.clone();
    block_on(async {
        let client = kube::Client::try_default().await.map_err(|error| {
            Usage(vec![format!("cannot find the management cluster (KUBECONFIG, or in a pod): {error}")])
        })?;
        let registries: Api<EKSClusterRegistry> = Api::all(client);
        let registry = match registries.get(&arguments.registry).await {
            Ok(registry) => registry,
            Err(error) => return Ok(failed(&error)),
        };
        let mut target = registry.spec.target().map_err(|problems| Usage(vec![told(&problems)]))?;
        let endpoint = match Eks::new(aws).await.describe(&target).await {
            Ok(endpoint) => endpoint,
            Err(error) => return Ok(failed(&error)),
        };
        target.access.role = target.access.role.or(default_role);
        let text = format!("{:#}\n", document(&arguments.registry, &program, &target, &endpoint));
        match &arguments.out {
            None => print(&text),
            Some(path) => std::fs::write(path, text)
                .map(|()| ExitCode::SUCCESS)
                .map_err(|error| Usage(vec![format!("{}: {error}", path.display())])),
        }
    })?
}

/// JSON, which kubectl takes for YAML.
fn exec_credential(token: &str, left: Duration, now: Timestamp) -> Value {
    let left = SignedDuration::try_from(left).unwrap_or_default();
    let expires = now.saturating_add(left).unwrap_or(now);
    json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "spec": {"interactive": false},
        "status": {
            "expirationTimestamp": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "token": token,
        },
    })
}

fn document(name: &str, program: &str, target: &ClusterTarget, endpoint: &Endpoint) -> Value {
    let mut args =
        vec!["token", "--cluster-name", target.eks_name.as_str(), "--region", target.region.as_str()];
    if let Some(role) = &target.access.role {
        args.extend(["--role-arn", role.as_str()]);
        args.extend(target.access.external_id.iter().flat_map(|id| ["--external-id", id.as_str()]));
    }
    let mut cluster = json!({
        "server": target.access.endpoint.as_ref().map_or(endpoint.url.as_str(), |endpoint| endpoint.as_str()),
        "certificate-authority-data": BASE64.encode(&endpoint.authority),
    });
    if target.access.endpoint.is_some() {
        let host = endpoint.url.strip_prefix("https://").unwrap_or(&endpoint.url);
        cluster["tls-server-name"] = json!(host.split([':', '/']).next().unwrap_or(host));
    }
    if let Some(proxy) = &target.access.proxy {
        cluster["proxy-url"] = json!(proxy.as_str());
    }
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": program,
        "args": args,
        "interactiveMode": "Never",
    });
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"exec": exec}}],
    })
}

pub(super) fn print(text: &str) -> Result<ExitCode, Usage> {
    let written = std::io::stdout().write_all(text.as_bytes());
    written.map(|()| ExitCode::SUCCESS).map_err(|error| Usage(vec![format!("standard output: {error}")]))
}

fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    eprintln!("error: {}", crate::causes::told(error));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use registrar_core::api::EKSClusterRegistrySpec;

    use super::*;

    #[test]
    fn an_exec_credential_ends_with_its_token() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let credential = exec_credential("k8s-aws-v1.x", Duration::from_secs(780), now);
        let status = json!({"expirationTimestamp": "2026-01-01T00:13:00Z", "token": "k8s-aws-v1.x"});
        assert_eq!(credential["status"], status);
    }

    #[test]
    fn a_private_link_keeps_the_name_that_the_certificate_is_of() {
        let spec = json!({"clusterName": "prod", "region": "us-west-2", "accountId": "111122223333", "enabled": true,
            "endpoint": "https://vpce.example", "proxyURL": "http://proxy:3128", "externalId": "team-7",
            "assumeRoleArn": "arn:aws:iam::111122223333:role/r"});
        let spec: EKSClusterRegistrySpec = serde_json::from_value(spec).unwrap();
        let url = "https://ABC.gr7.us-west-2.eks.amazonaws.com".to_owned();
        let endpoint = Endpoint { url, authority: b"PEM".to_vec(), arn: String::new() };
        let config = document("east", "/bin/registrar", &spec.target().unwrap(), &endpoint);
        let cluster = &config["clusters"][0]["cluster"];
        assert_eq!(cluster["server"], "https://vpce.example");
        assert_eq!(cluster["tls-server-name"], "ABC.gr7.us-west-2.eks.amazonaws.com");
        assert_eq!(cluster["proxy-url"], "http://proxy:3128");
        let args = &config["users"][0]["user"]["exec"]["args"];
        let expected = [
            "token",
            "--cluster-name",
            "prod",
            "--region",
            "us-west-2",
            "--role-arn",
            "arn:aws:iam::111122223333:role/r",
            "--external-id",
            "team-7",
        ];
        assert_eq!(*args, json!(expected));
    }
}
