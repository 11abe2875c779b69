//! The running world that all tests share: servers, clusters, the registrar, and how a test speaks to them.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use registrar_world::free_port;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::aws::{Aws, CLUSTERS};
use crate::child::{Child, output, program};
use crate::kubernetes::{Cluster, Common, User};
use crate::pki::Pki;
use crate::registrar;
use crate::spire::SpireServer;
use crate::wait::{self, SOON};

/// The repository's folder.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// As whom the registrar speaks to the management cluster: the service account of deploy/kustomize/rbac.yaml.
pub const REGISTRAR_USER: &str = "system:serviceaccount:spire-system:spire-eks-workload-registrar";
/// Where objects of our kinds are.
pub const KINDS: &str = "/apis/eksclusterregistry.spire.spiffe.io/v1alpha1";

/// Everything that runs. What is above uses what is below, and ends before it.
pub struct World {
    registrar: RefCell<Option<Child>>,
    registrar_kubeconfig: PathBuf,
    /// The SPIRE server that the registrar writes to.
    pub spire: SpireServer,
    /// The management cluster.
    pub management: Cluster,
    /// In the order of [`CLUSTERS`].
    clusters: Vec<Cluster>,
    /// EKS, STS and the authenticator.
    pub aws: Aws,
    _etcd: Child,
    etcd_url: String,
    pki: Pki,
    /// Where the servers' programs are.
    pub parts: PathBuf,
    /// Where agents find SPIRE's server.
    pub spire_port: u16,
    /// Where the registrar answers questions.
    pub admin_port: u16,
    /// Where the registrar's metrics are.
    pub metrics_port: u16,
    /// Where the registrar tells of its readiness.
    pub health_port: u16,
    /// `host:port` of the registry of images that plugins may come from; a test that needs it starts it there.
    pub images: String,
    barriers: Cell<u32>,
    /// What runs what is asynchronous.
    pub runtime: Runtime,
    /// Where all files of this run are.
    pub folder: PathBuf,
}

impl World {
    /// Builds what is not built yet, and starts all of it; files go into this folder.
    pub fn start(folder: &Path) -> Self {
        let parts = output(&mut Command::new(Path::new(ROOT).join("tests/real/build")));
        let parts = PathBuf::from(parts.trim());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let pki = Pki::make(folder);
        let [etcd_port, peer_port, management_port, spire_port, images_port] = [(); 5].map(|()| free_port());
        let [metrics_port, health_port, admin_port] = [(); 3].map(|()| free_port());
        let ports = [(); CLUSTERS.len()].map(|()| free_port());

        let etcd_url = format!("http://127.0.0.1:{etcd_port}");
        let etcd = start_etcd(&parts, folder, &etcd_url, &format!("http://127.0.0.1:{peer_port}"));
        let aws = Aws::start(&parts, folder, &pki, &ports);
        let common = Common {
            parts: &parts,
            folder,
            pki: &pki,
            etcd: etcd_url.clone(),
            runtime: runtime.handle().clone(),
        };
        let user = User { name: REGISTRAR_USER.to_owned(), token: "registrar".to_owned() };
        let management = Cluster::start(&common, "management", management_port, &[user], None);
        let clusters: Vec<Cluster> = CLUSTERS
            .iter()
            .zip(ports)
            .map(|(cluster, port)| {
                Cluster::start(&common, cluster.name, port, &[], Some(aws.webhook(cluster)))
            })
            .collect();
        management.wait();
        clusters.iter().for_each(Cluster::wait);

        install(&management);
        let rights = format!("{ROOT}/deploy/workload-cluster/rbac.yaml");
        clusters.iter().for_each(|cluster| drop(cluster.kubectl(&["apply", "-f", &rights])));
        let registrar_kubeconfig = management.kubeconfig_of("registrar", "registrar");

        let attests = Some((CLUSTERS[0].registry, clusters[0].kubeconfig.as_path()));
        let spire = SpireServer::start(&parts, folder, "spire-server", spire_port, attests);
        let images = format!("127.0.0.1:{images_port}");
        registrar::configure(folder, &spire.socket, [metrics_port, health_port, admin_port], &images);
        let world = Self {
            registrar: RefCell::default(),
            registrar_kubeconfig,
            spire,
            management,
            clusters,
            aws,
            _etcd: etcd,
            etcd_url,
            pki,
            parts,
            spire_port,
            metrics_port,
            health_port,
            admin_port,
            images,
            barriers: Cell::default(),
            runtime,
            folder: folder.to_owned(),
        };
        world.start_registrar();
        world
    }

    /// A cluster of its own with nothing in it.
    pub fn empty_cluster(&self, name: &str) -> Cluster {
        let port = free_port();
        let common = Common {
            parts: &self.parts,
            folder: &self.folder,
            pki: &self.pki,
            etcd: self.etcd_url.clone(),
            runtime: self.runtime.handle().clone(),
        };
        let cluster = Cluster::start(&common, name, port, &[], None);
        cluster.wait();
        cluster
    }

    /// The authority that has signed every API server's certificate, as a file.
    pub fn authority(&self) -> &Path {
        &self.pki.authority
    }

    /// The variables by which a process finds AWS and the registrar's own user there.
    pub fn aws_variables(&self) -> Vec<(String, String)> {
        let mut command = Command::new("env");
        self.aws.give(&mut command);
        let text = |text: &std::ffi::OsStr| text.to_str().unwrap().to_owned();
        command.get_envs().map(|(name, value)| (text(name), text(value.unwrap()))).collect()
    }

    /// All that the registrar has logged.
    pub fn registrar_log(&self) -> String {
        std::fs::read_to_string(self.folder.join("registrar.log")).unwrap()
    }

    /// Starts the registrar; it begins to write when it has the lease.
    pub fn start_registrar(&self) {
        let child = registrar::start(&self.folder, &self.registrar_kubeconfig, &self.aws);
        assert!(self.registrar.replace(Some(child)).is_none(), "a registrar is running already");
    }

    /// Ends the registrar as a machine does that fails.
    pub fn kill_registrar(&self) {
        self.registrar.take().expect("a registrar that runs").kill();
    }

    /// Ends the registrar as Kubernetes does.
    pub fn stop_registrar(&self) {
        self.registrar.take().expect("a registrar that runs").stop();
    }

    /// The cluster of a registry.
    pub fn cluster(&self, registry: &str) -> &Cluster {
        let at = CLUSTERS.iter().position(|cluster| cluster.registry == registry).unwrap();
        &self.clusters[at]
    }

    /// Clusters with the names of their registries.
    pub fn clusters(&self) -> impl Iterator<Item = (&'static str, &Cluster)> {
        CLUSTERS.iter().map(|cluster| cluster.registry).zip(&self.clusters)
    }

    /// Applies manifests of the seed to the management cluster.
    pub fn apply_seed(&self, file: &str) {
        self.management.kubectl(&["apply", "-f", &seed(file)]);
    }

    /// Registers the seed's `workload-cluster`, waits until it is watched, and gives it.
    pub fn workload_cluster(&self) -> &Cluster {
        let registry = json!({
            "clusterName": "spire-agent-cluster",
            "region": "us-west-2",
            "accountId": "072422391281",
            "enabled": true,
            "labels": {"environment": "test", "type": "workload"},
        });
        self.registry("workload-cluster", &registry);
        self.wait_for("eksclusterregistries/workload-cluster", "Ready", "True");
        self.cluster("workload-cluster")
    }

    /// An `EKSClusterRegistry`.
    pub fn registry(&self, name: &str, spec: &Value) {
        self.object("EKSClusterRegistry", &format!("eksclusterregistries/{name}"), spec);
    }

    /// A `WorkloadIdentity` for a namespace of the workload cluster: one entry a pod of the application, with the SPIFFE
    /// ID `spiffe://example.org/<what>/<pod>`. `more` is merged into its spec.
    pub fn identity(&self, name: &str, namespace: &str, application: &str, what: &str, more: Value) {
        let mut spec = json!({
            "applicationName": application,
            "namespace": namespace,
            "spiffeIDTemplate": format!("spiffe://{{{{ .TrustDomain }}}}/{what}/{{{{ .PodMeta.Name }}}}"),
            "podSelector": {"matchLabels": {"app": application}},
            "clusterSelector": {"matchLabels": {"type": "workload"}},
        });
        spec.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        self.object("WorkloadIdentity", &format!("workloadidentities/{name}"), &spec);
    }

    fn object(&self, kind: &str, path: &str, spec: &Value) {
        let object = json!({
            "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1",
            "kind": kind,
            "metadata": {"name": path.rsplit_once('/').unwrap().1},
            "spec": spec,
        });
        self.management.apply(&format!("{KINDS}/{path}"), &object);
    }

    /// An object of ours, such as `workloadidentities/web-app`.
    pub fn get(&self, path: &str) -> Option<Value> {
        self.management.get(&format!("{KINDS}/{path}"))
    }

    /// Merges something into an object of ours.
    pub fn patch(&self, path: &str, change: &Value) {
        self.management.patch(&format!("{KINDS}/{path}"), change);
    }

    /// Asks for the end of an object of ours.
    pub fn delete(&self, path: &str) {
        self.management.delete(&format!("{KINDS}/{path}"), 0);
    }

    /// Waits until an object of ours is gone: its finalizer was released.
    pub fn wait_until_gone(&self, path: &str) {
        wait::until(&format!("{path} to be gone"), SOON, || match self.get(path) {
            None => Ok(()),
            Some(object) => Err(object.to_string()),
        });
    }

    /// Waits until a condition has a status for the object as it is now; the condition.
    pub fn wait_for(&self, path: &str, condition: &str, status: &str) -> Value {
        self.wait_within(SOON, path, condition, status)
    }

    /// The same, for what may take longer.
    pub fn wait_within(&self, limit: Duration, path: &str, condition: &str, status: &str) -> Value {
        wait::until(&format!("{path} to be {condition}={status}"), limit, || {
            let object = self.get(path).ok_or("it is not there")?;
            let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
            let found = conditions.into_iter().flatten().find(|one| one["type"] == condition);
            let is_so = |one: &&Value| {
                one["status"] == status && one["observedGeneration"] == object["metadata"]["generation"]
            };
            found.filter(is_so).cloned().ok_or_else(|| object["status"].to_string())
        })
    }

    /// Waits until the registrar has seen and done all that happened in a cluster before: a new pod on a new node, whose
    /// watches are in order, has its entry, and after their end it is gone.
    pub fn settle(&self, cluster: &Cluster) {
        let name = format!("barrier-{}", self.barriers.replace(self.barriers.get() + 1));
        self.identity("barrier", "barrier", "barrier", "barrier", json!({}));
        cluster.node(&name);
        let pod = cluster.pod("barrier", &name, "barrier", Some(&name));
        self.spire.entry_of(&pod);
        let uid = pod.uid.clone();
        pod.delete();
        self.spire.wait_for_none_of(&uid);
        cluster.delete(&format!("/api/v1/nodes/{name}"), 0);
    }
}

/// A file of the seed's manifests.
pub fn seed(file: &str) -> String {
    format!("{ROOT}/tests/real/seed/{file}")
}

/// Installs the registrar's part of the management cluster as a user does.
pub fn install(management: &Cluster) {
    let definitions = output(&mut registrar::command(&["crds"]));
    management.kubectl_with(&["apply", "-f", "-"], &definitions);
    let kinds = ["crd/eksclusterregistries", "crd/workloadidentities"]
        .map(|kind| format!("{kind}.eksclusterregistry.spire.spiffe.io"));
    management.kubectl(&["wait", "--for=condition=Established", &kinds[0], &kinds[1]]);
    management.kubectl(&["create", "namespace", "spire-system"]);
    management.kubectl(&["apply", "-f", &format!("{ROOT}/deploy/kustomize/rbac.yaml")]);
}

/// Starts etcd at these two URLs.
pub fn start_etcd(parts: &Path, folder: &Path, client: &str, peer: &str) -> Child {
    let mut command = program(parts.join("etcd"));
    // A test loses nothing with its machine.
    command.args(["--unsafe-no-fsync", "--log-level", "warn", "--data-dir"]).arg(folder.join("etcd"));
    command.args(["--listen-client-urls", client, "--advertise-client-urls", client]);
    command.args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]);
    command.args(["--initial-cluster", &format!("default={peer}")]);
    Child::start("etcd", &mut command, folder)
}
