//! AWS: `aws.py`, which is moto's EKS and STS, and `verifier`, aws-iam-authenticator's own code before the API servers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use data_encoding::BASE64;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::child::{Child, output, program};
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

/// The group that deploy/workload-cluster/rbac.yaml is for.
pub const GROUP: &str = "spire-eks-workload-registrar";

/// What `aws.py` tells once it is up.
#[derive(Deserialize)]
struct Ready {
    port: u16,
    sts: u16,
    access_key: String,
    secret_key: String,
}

/// What `verifier` tells once it is up.
#[derive(Deserialize)]
struct Serving {
    port: u16,
}

/// Running.
pub struct Aws {
    ready: Ready,
    authenticator: u16,
    folder: PathBuf,
    authority: PathBuf,
    _children: [Child; 2],
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
        let configuration = json!({"region": REGION, "account": HOME, "clusters": clusters});
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/aws.py");
        let mut command = program(parts.join("python/bin/python"));
        command.arg(script).env("PYTHONDONTWRITEBYTECODE", "1");
        let (aws, ready): (Child, Ready) = start("aws", command, folder, &configuration);
        let configuration = json!({
            "region": REGION,
            "sts": format!("http://127.0.0.1:{}", ready.sts),
            "certificate": pki.certificate,
            "key": pki.key,
            "group": GROUP,
            "clusters": clusters,
        });
        let command = program(parts.join("verifier"));
        let (verifier, serving): (Child, Serving) = start("verifier", command, folder, &configuration);
        Self {
            ready,
            authenticator: serving.port,
            folder: folder.to_owned(),
            authority: pki.authority.clone(),
            _children: [aws, verifier],
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

    /// EKS says another authority of a cluster from now on.
    pub fn describe(&self, cluster: &EksCluster, endpoint: &str, authority: &Path) {
        let authority = BASE64.encode(&std::fs::read(authority).unwrap());
        let change = json!({"endpoint": endpoint, "authority": authority}).to_string();
        let url = format!("http://127.0.0.1:{}/clusters/{}", self.ready.sts, cluster.name);
        output(Command::new("curl").args(["--silent", "--show-error", "--fail", "--data", &change, &url]));
    }

    /// The file by which a cluster's API server finds the authenticator.
    pub fn webhook(&self, cluster: &EksCluster) -> PathBuf {
        let server = format!("https://127.0.0.1:{}/{}", self.authenticator, cluster.name);
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

/// Starts a program with a configuration file and a file in which it tells that it is ready, and what it tells.
fn start<T: DeserializeOwned>(
    name: &str,
    mut command: Command,
    folder: &Path,
    configuration: &Value,
) -> (Child, T) {
    let (file, ready) = (folder.join(format!("{name}.json")), folder.join(format!("{name}-ready.json")));
    std::fs::write(&file, configuration.to_string()).unwrap();
    command.arg(&file).arg(&ready);
    let mut child = Child::start(name, &mut command, folder);
    let told = wait::until(name, Duration::from_secs(60), || {
        child.assert_running();
        std::fs::read(&ready).map_err(|error| error.to_string())
    });
    (child, serde_json::from_slice(&told).unwrap())
}
