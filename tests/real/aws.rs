//! AWS: `aws.py`, which is moto's EKS and STS, and the authenticator that EKS puts before its API servers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::json;

use crate::child::{Child, program};
use crate::pki::Pki;
use crate::wait;

/// The region of everything.
pub const REGION: &str = "us-west-2";
/// The registrar's own account.
const HOME: &str = "123456789012";

/// A cluster of the seed's examples.
pub struct EksCluster {
    /// Its `EKSClusterRegistry` object's name.
    pub registry: &'static str,
    /// Its name in EKS.
    pub name: &'static str,
    /// The account that owns it.
    pub account: &'static str,
    /// The role that is admitted; none: the registrar's own user.
    pub role: Option<&'static str>,
}

/// All clusters of the seed: of its section on both kinds, then of Examples 1, 2 (two) and 3.
pub const CLUSTERS: [EksCluster; 5] = [
    EksCluster {
        registry: "workload-cluster",
        name: "spire-agent-cluster",
        account: "072422391281",
        role: None,
    },
    EksCluster { registry: "production-cluster", name: "prod-eks-cluster", account: HOME, role: None },
    EksCluster {
        registry: "us-west-cluster",
        name: "microservices-west-1",
        account: "111111111111",
        role: None,
    },
    EksCluster {
        registry: "us-east-cluster",
        name: "microservices-west-2",
        account: "222222222222",
        role: None,
    },
    EksCluster {
        registry: "dev-account-cluster",
        name: "dev-cluster",
        account: "333333333333",
        role: Some("arn:aws:iam::333333333333:role/SpireControllerRole"),
    },
];

/// What `aws.py` tells once it is up.
#[derive(Deserialize)]
struct Ready {
    port: u16,
    authenticator: u16,
    access_key: String,
    secret_key: String,
}

/// Running.
pub struct Aws {
    ready: Ready,
    folder: PathBuf,
    authority: PathBuf,
    _child: Child,
}

impl Aws {
    /// Starts it; the clusters' API servers are or will be at these ports.
    pub fn start(parts: &Path, folder: &Path, pki: &Pki, ports: &[u16; CLUSTERS.len()]) -> Self {
        let authority = BASE64.encode(&std::fs::read(&pki.authority).unwrap());
        let user = format!("arn:aws:iam::{HOME}:user/spire-registrar");
        let clusters: Vec<_> = CLUSTERS
            .iter()
            .zip(ports)
            .map(|(cluster, port)| {
                json!({
                    "name": cluster.name,
                    "account": cluster.account,
                    "endpoint": format!("https://127.0.0.1:{port}"),
                    "authority": authority,
                    "principal": cluster.role.unwrap_or(&user),
                })
            })
            .collect();
        let configuration = json!({
            "region": REGION,
            "account": HOME,
            "certificate": pki.certificate,
            "key": pki.key,
            "clusters": clusters,
        });
        let (file, ready) = (folder.join("aws.json"), folder.join("aws-ready.json"));
        std::fs::write(&file, configuration.to_string()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/aws.py");
        let mut command = program(parts.join("python/bin/python"));
        command.arg(script).arg(&file).arg(&ready).env("PYTHONDONTWRITEBYTECODE", "1");
        let mut child = Child::start("aws", &mut command, folder);
        let ready = wait::until("AWS's stand-in", Duration::from_secs(60), || {
            child.assert_running();
            std::fs::read(&ready).map_err(|error| error.to_string())
        });
        Self {
            ready: serde_json::from_slice(&ready).unwrap(),
            folder: folder.to_owned(),
            authority: pki.authority.clone(),
            _child: child,
        }
    }

    /// Gives a process AWS's endpoints and the user's credentials, by the SDK's own variables and by nothing else.
    pub fn give(&self, command: &mut Command) {
        let endpoint = format!("http://127.0.0.1:{}", self.ready.port);
        command
            .env("AWS_ENDPOINT_URL_EKS", &endpoint)
            .env("AWS_ENDPOINT_URL_STS", &endpoint)
            .env("AWS_ACCESS_KEY_ID", &self.ready.access_key)
            .env("AWS_SECRET_ACCESS_KEY", &self.ready.secret_key)
            .env("AWS_EC2_METADATA_DISABLED", "true");
    }

    /// The file by which a cluster's API server finds the authenticator.
    pub fn webhook(&self, cluster: &EksCluster) -> PathBuf {
        let server = format!("https://127.0.0.1:{}/{}", self.ready.authenticator, cluster.name);
        let webhook = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": "authenticator",
                "cluster": {"server": server, "certificate-authority": self.authority},
            }],
            "contexts": [{"name": "authenticator", "context": {"cluster": "authenticator", "user": "api-server"}}],
            "current-context": "authenticator",
            "users": [{"name": "api-server", "user": {}}],
        });
        let path = self.folder.join(format!("{}-authenticator.json", cluster.name));
        std::fs::write(&path, webhook.to_string()).unwrap();
        path
    }
}
