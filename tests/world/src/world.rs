//! The parts tied together for the program under test: its clusters, its SPIRE server, its AWS and its configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::aws::{AccessKey, Aws, Cluster};
use crate::kube::KubeApi;
use crate::spire::SpireServer;
use crate::{Process, objects};

/// The account whose user the program runs as.
const HOME_ACCOUNT: &str = "111122223333";
const HOME_REGION: &str = "us-west-2";

/// The trust domain of the SPIRE server.
const TRUST_DOMAIN: &str = "example.org";

/// Everything around one program under test. Dropping it ends everything but the processes that were started.
pub struct World {
    /// The management cluster, which has the namespaces `default` and `spire-system`.
    pub management: KubeApi,
    /// The SPIRE server of `example.org`, which knows the bundle of `partner.example`.
    pub spire: SpireServer,
    /// EKS and STS.
    pub aws: Aws,
    clusters: BTreeMap<String, WorkloadCluster>,
    user: AccessKey,
    config: Value,
    replicas: u32,
    folder: TempDir,
}

/// An EKS cluster that a registry object can name.
pub struct WorkloadCluster {
    /// The name of its registry object.
    pub name: String,
    /// What EKS knows of it.
    pub eks: Cluster,
    /// The role by which it is reached; none for one that the program's own user may use.
    pub role: Option<String>,
    /// Its API server.
    pub api: KubeApi,
}

impl World {
    /// Starts everything, with no workload cluster.
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("world-").tempdir().expect("a temporary folder");
        let management = KubeApi::start().await;
        for name in ["default", "spire-system"] {
            management.put(objects::namespace(name));
        }
        let spire = SpireServer::start(folder.path().join("spire.sock"), TRUST_DOMAIN);
        spire.add_bundle("partner.example");
        let aws = Aws::start().await;
        let user = aws.user(HOME_ACCOUNT, "registrar");
        // Short, so that tests see within seconds what takes minutes elsewhere.
        let config = json!({
            "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1",
            "kind": "ControllerManagerConfig",
            "trustDomain": TRUST_DOMAIN,
            "clusterName": "management",
            "spireServerSocketPath": spire.path(),
            "gcInterval": "5s",
            "syncPeriod": "1s",
            "aws": {"region": HOME_REGION},
            "leaderElection": {
                "leaderElect": true,
                "resourceNamespace": "spire-system",
                "leaseDuration": "3s",
                "renewDeadline": "2s",
                "retryPeriod": "500ms",
            },
        });
        let clusters = BTreeMap::new();
        Self { management, spire, aws, clusters, user, config, replicas: 0, folder }
    }

    /// Adds a cluster of the program's own account and region, which its user may use. Its name in EKS is `eks-NAME`.
    /// The registry object is not put: see [`registry`](Self::registry).
    pub async fn add_cluster(&mut self, name: &str) -> &WorkloadCluster {
        let cluster = Cluster::new(HOME_ACCOUNT, HOME_REGION, &format!("eks-{name}"));
        self.add(name, cluster, None).await
    }

    /// Adds a cluster of another account and region, which a role of that account may use that the program's user may
    /// assume.
    pub async fn add_cluster_by_role(&mut self, name: &str, account: &str, region: &str) -> &WorkloadCluster {
        let cluster = Cluster::new(account, region, &format!("eks-{name}"));
        let role = format!("arn:aws:iam::{account}:role/registrar-{name}");
        self.aws.add_role(&role, HOME_ACCOUNT, None);
        self.add(name, cluster, Some(role)).await
    }

    async fn add(&mut self, name: &str, mut eks: Cluster, role: Option<String>) -> &WorkloadCluster {
        let api = KubeApi::start_in(&self.aws, &eks).await;
        api.put(objects::namespace("kube-system"));
        eks.endpoint = api.url();
        eks.certificate_authority = api.certificate_authority().to_owned();
        self.aws.allow(role.as_deref().unwrap_or(&self.user.principal), &eks);
        self.aws.put_cluster(eks.clone());
        let cluster = WorkloadCluster { name: name.to_owned(), eks, role, api };
        self.clusters.entry(name.to_owned()).insert_entry(cluster).into_mut()
    }

    /// The API server of a workload cluster.
    pub fn cluster(&self, name: &str) -> &KubeApi {
        &self.workload_cluster(name).api
    }

    /// A workload cluster.
    pub fn workload_cluster(&self, name: &str) -> &WorkloadCluster {
        self.clusters.get(name).unwrap_or_else(|| panic!("there is no cluster {name:?}"))
    }

    /// A workload cluster's registry object, enabled, to be put into the management cluster.
    pub fn registry(&self, name: &str) -> Value {
        let WorkloadCluster { eks, role, .. } = self.workload_cluster(name);
        json!({
            "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1",
            "kind": "EKSClusterRegistry",
            "metadata": {"name": name},
            "spec": {
                "clusterName": eks.name,
                "region": eks.region,
                "accountId": eks.account,
                "enabled": true,
                "assumeRoleArn": role.clone().unwrap_or_default(),
                "labels": {"cluster": name},
            },
        })
    }

    /// Puts a workload cluster's registry object into the management cluster.
    pub fn register(&self, name: &str) {
        self.management.put(self.registry(name));
    }

    /// Merges a JSON merge patch into the configuration of programs that are started from now on.
    pub fn configure(&mut self, patch: &Value) {
        crate::kube::merge(&mut self.config, patch);
    }

    /// A folder that goes with the world.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts one more replica of a program with `run --config FILE` and nothing in its environment but what tells it
    /// where this world is. It logs all that it can, so that every test is one of what it never logs.
    pub fn run(&mut self, program: impl AsRef<Path>) -> Replica {
        self.run_with(program, |_| ())
    }

    /// As [`run`](Self::run), with a command that is changed before it is started.
    pub fn run_with(&mut self, program: impl AsRef<Path>, change: impl FnOnce(&mut Command)) -> Replica {
        self.replicas += 1;
        let (metrics, health) = (free_address(), free_address());
        let mut config = self.config.clone();
        crate::kube::merge(
            &mut config,
            &json!({
                "metrics": {"bindAddress": metrics.to_string()},
                "health": {"healthProbeBindAddress": health.to_string()},
            }),
        );
        // JSON is YAML.
        let path = self.write(&format!("config-{}.yaml", self.replicas), &format!("{config:#}\n"));
        let mut command = self.command(program);
        command.arg("run").arg("--config").arg(path).env("POD_NAME", format!("registrar-{}", self.replicas));
        command.env("HOSTNAME", format!("registrar-{}", self.replicas)).env("LOG_LEVEL", "trace");
        change(&mut command);
        Replica { process: Process::start(command), metrics, health }
    }

    /// A program with nothing in its environment but what tells it where this world is, and no arguments.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let kubeconfig = self.write("kubeconfig", &self.management.kubeconfig());
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .env("AWS_ENDPOINT_URL_EKS", self.aws.endpoint())
            .env("AWS_ENDPOINT_URL_STS", self.aws.endpoint())
            .env("AWS_ACCESS_KEY_ID", &self.user.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &self.user.secret_access_key)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            // Without a home there is no file of anybody's own that changes what a test sees.
            .env("HOME", self.folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        for name in ["PATH", "RUST_LOG", "RUST_BACKTRACE", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }
}

/// One running replica of the program under test.
pub struct Replica {
    /// The process.
    pub process: Process,
    /// Where its metrics are served.
    pub metrics: SocketAddr,
    /// Where its health is served.
    pub health: SocketAddr,
}

impl std::ops::Deref for Replica {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl std::ops::DerefMut for Replica {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// A port of 127.0.0.1 that nobody listens at and that no connection is given as its own: below those that the system
/// gives out (`ip_local_port_range`), and no port twice in this process.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let port = rand::random_range(10_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && given.insert(port) {
            return port;
        }
    }
}

fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port()))
}
