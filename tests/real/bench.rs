//! What benchmarks against real servers share: one cluster that is managed and watched at once, pods as large as real ones,
//! and what a process has used.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use http::Request;
use registrar_proto::entry::entry_client::EntryClient;
use registrar_proto::entry::{CountEntriesRequest, ListEntriesRequest};
use registrar_proto::types::Entry;
use registrar_world::free_port;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};

use crate::aws::{Aws, CLUSTERS, EksCluster, REGION};
use crate::child::{Child, output, program};
use crate::kubernetes::{Cluster, Common};
use crate::pki::Pki;
use crate::registrar;
use crate::spire::{SpireServer, TRUST_DOMAIN};
use crate::world::{KINDS, ROOT, install, start_etcd};

/// The cluster, by its registry.
const CLUSTER: &EksCluster = &CLUSTERS[0];
/// How many namespaces the pods are in, and how many pods one node and one Deployment have.
const NAMESPACES: usize = 10;
const PODS_ON_NODE: usize = 30;
const REPLICAS: usize = 10;
/// How many requests are under way while pods are made.
const AT_ONCE: usize = 16;
/// The service account, and so the end of the SPIFFE ID, of pods that come one by one.
pub const LATER: &str = "later";

/// Servers for one controller at a time.
pub struct Servers {
    /// The cluster that has the pods and the objects of both controllers.
    pub cluster: Cluster,
    aws: Aws,
    _etcd: Child,
    /// Where the servers' programs are.
    pub parts: PathBuf,
    /// Where all files of this run are.
    pub folder: PathBuf,
    /// What runs what is asynchronous.
    pub runtime: Runtime,
}

impl Servers {
    /// Starts them, with this registrar's kinds, its registry of the cluster and ten namespaces.
    pub fn start(folder: &Path) -> Self {
        let parts = output(&mut Command::new(Path::new(ROOT).join("tests/real/build")));
        let parts = PathBuf::from(parts.trim());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let pki = Pki::make(folder);
        let [etcd_port, peer_port, port] = [(); 3].map(|()| free_port());
        let etcd_url = format!("http://127.0.0.1:{etcd_port}");
        let etcd = start_etcd(&parts, folder, &etcd_url, &format!("http://127.0.0.1:{peer_port}"));
        let aws = Aws::start(&parts, folder, &pki, &[port; CLUSTERS.len()]);
        let common =
            Common { parts: &parts, folder, pki: &pki, etcd: etcd_url, runtime: runtime.handle().clone() };
        let cluster = Cluster::start(&common, CLUSTER.name, port, &[], Some(aws.webhook(CLUSTER)));
        cluster.wait();
        install(&cluster);
        cluster.kubectl(&["apply", "-f", &format!("{ROOT}/deploy/workload-cluster/rbac.yaml")]);
        let servers = Self { cluster, aws, _etcd: etcd, parts, folder: folder.to_owned(), runtime };
        (0..NAMESPACES).for_each(|number| {
            let name = namespace(number);
            let labels = json!({"identities": "fleet"});
            let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
            servers.cluster.apply(&format!("/api/v1/namespaces/{name}"), &object);
        });
        let registry = json!({
            "clusterName": CLUSTER.name,
            "region": REGION,
            "accountId": CLUSTER.account,
            "enabled": true,
            "labels": {"type": "workload"},
        });
        servers.object(
            "EKSClusterRegistry",
            &format!("eksclusterregistries/{}", CLUSTER.registry),
            &registry,
        );
        servers
    }

    /// Puts an object of this registrar's kinds.
    pub fn object(&self, kind: &str, path: &str, spec: &Value) {
        let object = json!({
            "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1",
            "kind": kind,
            "metadata": {"name": path.rsplit_once('/').unwrap().1},
            "spec": spec,
        });
        self.cluster.apply(&format!("{KINDS}/{path}"), &object);
    }

    /// Makes the pods of these numbers, and their nodes.
    pub fn add_pods(&self, numbers: std::ops::Range<usize>) {
        let nodes = numbers.start.div_ceil(PODS_ON_NODE)..numbers.end.div_ceil(PODS_ON_NODE);
        nodes.for_each(|number| drop(self.cluster.node(&node(number))));
        let client = self.cluster.client();
        let requests = stream::iter(numbers).map(|number| {
            let application = format!("app-{}", number / REPLICAS);
            let name = format!("{application}-{number}");
            let client = client.clone();
            let path = pods_path(number / REPLICAS);
            let body = pod(&name, &application, &node(number / PODS_ON_NODE)).to_string().into_bytes();
            let request = Request::post(path).header("content-type", "application/json").body(body).unwrap();
            async move { client.request_text(request).await }
        });
        let made = requests.buffer_unordered(AT_ONCE).try_for_each(|_| std::future::ready(Ok(())));
        self.runtime.block_on(made).unwrap();
    }

    /// Makes one pod more on the first node; where it is.
    pub fn add_later(&self, name: &str) -> String {
        let path = pods_path(0);
        self.cluster.create(&path, &pod(name, LATER, &node(0)));
        format!("{path}/{name}")
    }

    /// The size of a pod as the API server sends it, in bytes.
    pub fn pod_bytes(&self) -> usize {
        let path = format!("{}/app-0-0", pods_path(0));
        self.cluster.get(&path).unwrap().to_string().len()
    }

    /// A SPIRE server with no entries and its defaults.
    pub fn spire(&self, name: &str) -> SpireServer {
        SpireServer::configured(&self.parts, &self.folder, name, free_port(), None, "")
    }

    /// Starts this registrar as it is after an ordinary installation, but alone: without a lease.
    pub fn start_registrar(&self, name: &str, spire: &SpireServer) -> Child {
        let text = format!(
            r#"
apiVersion: eksclusterregistry.spire.spiffe.io/v1alpha1
kind: ControllerManagerConfig
trustDomain: {TRUST_DOMAIN}
clusterName: management-cluster
spireServerSocketPath: {}
ignoreNamespaces: [kube-system, kube-public, spire-system]
aws:
  region: {REGION}
  accountIds: ["{}"]
leaderElection: {{leaderElect: false}}
metrics: {{bindAddress: "0"}}
health: {{healthProbeBindAddress: "0"}}
"#,
            spire.socket.display(),
            CLUSTER.account
        );
        let file = self.folder.join(format!("{name}.yaml"));
        fs::write(&file, text).unwrap();
        let mut command = program(registrar::PROGRAM);
        command.args(["run", "--config"]).arg(file).env("KUBECONFIG", &self.cluster.kubeconfig);
        command.env_remove("LOG_LEVEL").env_remove("RUST_LOG");
        self.aws.give(&mut command);
        Child::start(name, &mut command, &self.folder)
    }

    /// The registry's name, by which parents are called.
    pub fn cluster_name(&self) -> &'static str {
        CLUSTER.registry
    }
}

fn namespace(number: usize) -> String {
    format!("team-{}", number % NAMESPACES)
}

fn node(number: usize) -> String {
    format!("ip-10-0-{}-{}.us-west-2.compute.internal", number / 250, number % 250)
}

fn pods_path(deployment: usize) -> String {
    format!("/api/v1/namespaces/{}/pods", namespace(deployment))
}

/// A pod of a Deployment, with 12 labels, 3 containers and a status as it is right after it was bound; the API server adds
/// who manages which field.
fn pod(name: &str, application: &str, node: &str) -> Value {
    let container = |(index, name): (usize, &str)| {
        json!({
            "name": name,
            "image": format!("111111111111.dkr.ecr.us-west-2.amazonaws.com/{name}:1.14.2"),
            "ports": [{"name": "http", "containerPort": 8080 + index, "protocol": "TCP"}],
            "env": [
                {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "LOG_LEVEL", "value": "info"},
                {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": application, "key": "url"}}},
            ],
            "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}],
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10},
        })
    };
    let containers: Vec<Value> =
        ["app", "envoy", "telemetry"].into_iter().enumerate().map(container).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {
                "app.kubernetes.io/name": application,
                "app.kubernetes.io/instance": format!("{application}-production"),
                "app.kubernetes.io/version": "1.14.2",
                "app.kubernetes.io/component": "backend",
                "app.kubernetes.io/part-of": "platform",
                "app.kubernetes.io/managed-by": "Helm",
                "helm.sh/chart": "service-4.2.0",
                "environment": "production",
                "team": "platform",
                "tier": "web",
                "cost-center": "cc-1",
                "pod-template-hash": "5d4f8c7b9",
            },
            "annotations": {
                "kubectl.kubernetes.io/restartedAt": "2026-05-04T09:12:40Z",
                "prometheus.io/scrape": "true",
                "prometheus.io/port": "8080",
                "checksum/config": "5f0b8f4f3a0a4d57c5e1fd5d3f0e7f9a2b4e0b7f9cba6a3a4a9be7f0ce3b1d22",
            },
            "ownerReferences": [{
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": format!("{application}-5d4f8c7b9"),
                "uid": "7c0b4b8e-3b7f-4a52-9d7a-1f0d2c9b6e55",
                "controller": true,
                "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "nodeName": node,
            "serviceAccountName": application,
            "securityContext": {"runAsNonRoot": true, "fsGroup": 2000},
            "volumes": [{"name": "config", "configMap": {"name": format!("{application}-config")}}],
            "containers": containers,
        },
    })
}

/// A client of a server's entries.
pub struct Entries<'a> {
    runtime: &'a Runtime,
    /// The client itself.
    pub client: EntryClient<Channel>,
}

impl<'a> Entries<'a> {
    /// Of this server.
    pub fn of(spire: &SpireServer, runtime: &'a Runtime) -> Self {
        let endpoint = Endpoint::from_shared(format!("unix:{}", spire.socket.display())).unwrap();
        let channel = runtime.block_on(async { endpoint.connect_lazy() });
        Self { runtime, client: EntryClient::new(channel).max_decoding_message_size(64 << 20) }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let mut client = self.client.clone();
        let answer = self.runtime.block_on(client.count_entries(CountEntriesRequest { filter: None }));
        usize::try_from(answer.unwrap().into_inner().count).unwrap()
    }

    /// All of them.
    pub fn list(&self) -> Vec<Entry> {
        let (mut client, mut all, mut token) = (self.client.clone(), Vec::new(), String::new());
        loop {
            let request = ListEntriesRequest { page_size: 500, page_token: token, ..Default::default() };
            let page = self.runtime.block_on(client.list_entries(request)).unwrap().into_inner();
            all.extend(page.entries);
            token = page.next_page_token;
            if token.is_empty() {
                return all;
            }
        }
    }
}

/// Bytes of a process's memory.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// `VmRSS`: resident.
    pub resident: u64,
    /// `RssAnon`: resident without the pages of files, such as the program's own.
    pub anonymous: u64,
}

/// What a process has now.
pub fn memory(pid: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    };
    Memory { resident: field("VmRSS:"), anonymous: field("RssAnon:") }
}

/// How much runs on this machine: the average of the last minute.
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Lets time go by, in which things are as they are.
pub fn quiet(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::thread::sleep(time.saturating_sub(begin.elapsed()));
    }
}

/// Writes `target/bench/NAME.json`.
pub fn write(name: &str, rows: &[Value]) {
    let folder = Path::new(ROOT).join("target/bench");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}.json")), format!("{:#}\n", json!({"rows": rows}))).unwrap();
}
