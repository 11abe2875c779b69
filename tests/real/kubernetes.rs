//! A Kubernetes cluster: a real API server, with neither scheduler nor kubelet, so that a test moves its objects.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use http::{Method, Request};
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::child::{Child, program};
use crate::pki::Pki;
use crate::wait;

/// The token of everybody's administrator.
const ADMIN_TOKEN: &str = "administrator";
/// What writes for the tests.
const FIELD_MANAGER: &str = "fieldManager=test&force=true";

/// What API servers have in common.
pub struct Common<'a> {
    /// Where the servers' programs are.
    pub parts: &'a Path,
    /// Where files go.
    pub folder: &'a Path,
    /// Keys and certificates.
    pub pki: &'a Pki,
    /// etcd's URL.
    pub etcd: String,
    /// What runs the clients.
    pub runtime: Handle,
}

/// A user whom the API server knows by a token.
pub struct User {
    /// The name by which rights are given.
    pub name: String,
    /// The bearer token.
    pub token: String,
}

/// A running cluster.
pub struct Cluster {
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    name: String,
    client: RefCell<Client>,
    /// Where its API server listens, on 127.0.0.1.
    pub port: u16,
    url: String,
    authority: RefCell<PathBuf>,
    folder: PathBuf,
    logs: PathBuf,
    program: PathBuf,
    kubectl: PathBuf,
    runtime: Handle,
    /// Each as `--name=value`, by name.
    arguments: RefCell<BTreeMap<&'static str, OsString>>,
    server: RefCell<Option<Child>>,
}

impl Cluster {
    /// Starts the API server; `webhook` is the file by which it finds the authenticator of tokens.
    pub fn start(
        common: &Common<'_>,
        name: &str,
        port: u16,
        users: &[User],
        webhook: Option<PathBuf>,
    ) -> Self {
        let folder = common.folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        let mut tokens = format!("{ADMIN_TOKEN},admin,admin,system:masters\n");
        users.iter().for_each(|user| tokens += &format!("{},{},{}\n", user.token, user.name, user.name));
        std::fs::write(folder.join("tokens.csv"), tokens).unwrap();
        let mut arguments = BTreeMap::new();
        let mut argument = |name: &'static str, value: &dyn AsRef<OsStr>| {
            arguments.insert(name, value.as_ref().to_owned());
        };
        argument("bind-address", &"127.0.0.1");
        argument("secure-port", &port.to_string());
        argument("tls-cert-file", &common.pki.certificate);
        argument("tls-private-key-file", &common.pki.key);
        argument("cert-dir", &folder);
        argument("etcd-servers", &common.etcd);
        argument("etcd-prefix", &format!("/{name}"));
        argument("authorization-mode", &"RBAC");
        argument("token-auth-file", &folder.join("tokens.csv"));
        argument("service-account-issuer", &"https://kubernetes.default.svc");
        argument("service-account-key-file", &common.pki.token_public);
        argument("service-account-signing-key-file", &common.pki.token_key);
        argument("service-cluster-ip-range", &"10.0.0.0/24");
        argument("endpoint-reconciler-type", &"none");
        // It asks for service accounts that only a controller would make.
        argument("disable-admission-plugins", &"ServiceAccount");
        if let Some(webhook) = webhook {
            argument("authentication-token-webhook-config-file", &webhook);
        }
        let url = format!("https://127.0.0.1:{port}");
        let kubeconfig =
            write_kubeconfig(&folder, "admin", &url, &common.pki.authority, ADMIN_TOKEN, "default");
        let version = std::env::var("KUBERNETES").ok().filter(|version| !version.is_empty());
        let version = version.map(|version| format!("-{version}")).unwrap_or_default();
        let cluster = Self {
            name: name.to_owned(),
            client: RefCell::new(client(&common.runtime, &kubeconfig)),
            kubeconfig,
            port,
            url,
            authority: RefCell::new(common.pki.authority.clone()),
            folder,
            logs: common.folder.to_owned(),
            program: common.parts.join(format!("kube-apiserver{version}")),
            kubectl: common.parts.join("kubectl"),
            runtime: common.runtime.clone(),
            arguments: RefCell::new(arguments),
            server: RefCell::default(),
        };
        cluster.launch();
        cluster
    }

    /// Starts the API server, as what is stored now says.
    pub fn launch(&self) {
        let mut command = program(&self.program);
        for (name, value) in &*self.arguments.borrow() {
            let mut argument = OsString::from(format!("--{name}="));
            argument.push(value);
            command.arg(argument);
        }
        let server = Child::start(&format!("{}-api-server", self.name), &mut command, &self.logs);
        assert!(self.server.replace(Some(server)).is_none(), "an API server runs already");
    }

    /// Ends the API server as a machine does that fails.
    pub fn kill(&self) {
        self.server.take().expect("an API server that runs").kill();
    }

    /// Lets it do nothing, with its connections open.
    pub fn pause(&self) {
        self.server.borrow().as_ref().expect("an API server that runs").signal(Signal::STOP);
    }

    /// Ends the pause.
    pub fn go_on(&self) {
        self.server.borrow().as_ref().expect("an API server that runs").signal(Signal::CONT);
    }

    /// What it is started with the next time is of this authority.
    pub fn trust(&self, pki: &Pki) {
        let mut arguments = self.arguments.borrow_mut();
        arguments.insert("tls-cert-file", pki.certificate.clone().into());
        arguments.insert("tls-private-key-file", pki.key.clone().into());
        write_kubeconfig(&self.folder, "admin", &self.url, &pki.authority, ADMIN_TOKEN, "default");
        self.authority.replace(pki.authority.clone());
        self.client.replace(client(&self.runtime, &self.kubeconfig));
    }

    /// What it is started with the next time has nothing in it.
    pub fn empty(&self) {
        self.arguments.borrow_mut().insert("etcd-prefix", format!("/{}-rebuilt", self.name).into());
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The administrator's client.
    pub fn client(&self) -> Client {
        self.client.borrow().clone()
    }

    /// Waits until the API server is ready.
    pub fn wait(&self) {
        wait::until("the API server to be ready", Duration::from_secs(60), || {
            let request = Request::get("/readyz").body(Vec::new()).unwrap();
            self.runtime.block_on(self.client().request_text(request)).map_err(|error| error.to_string())
        });
    }

    /// A kubeconfig of another user, whose own namespace is the registrar's.
    pub fn kubeconfig_of(&self, name: &str, token: &str) -> PathBuf {
        write_kubeconfig(&self.folder, name, &self.url, &self.authority.borrow(), token, "spire-system")
    }

    /// Runs kubectl as administrator, or with another kubeconfig by `--kubeconfig`; what it prints, or its error.
    pub fn try_kubectl(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut command = Command::new(&self.kubectl);
        command
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", self.folder.join("cache"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Runs kubectl as administrator; what it prints.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_with(arguments, "")
    }

    /// The same with an input.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> String {
        self.try_kubectl(arguments, input).unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"))
    }

    fn send(&self, method: Method, path: &str, kind: &str, body: &Value) -> Result<Value, kube::Error> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request =
            Request::builder().method(method).uri(path).header("content-type", kind).body(body).unwrap();
        self.runtime.block_on(self.client().request(request))
    }

    fn done(path: &str, result: Result<Value, kube::Error>) -> Value {
        result.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The object at a path, if there is one.
    pub fn get(&self, path: &str) -> Option<Value> {
        match self.send(Method::GET, path, "application/json", &Value::Null) {
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            result => Some(Self::done(path, result)),
        }
    }

    /// Creates an object in the list at a path.
    pub fn create(&self, path: &str, object: &Value) -> Value {
        Self::done(path, self.send(Method::POST, path, "application/json", object))
    }

    /// Merges something into the object at a path.
    pub fn patch(&self, path: &str, change: &Value) -> Value {
        Self::done(path, self.send(Method::PATCH, path, "application/merge-patch+json", change))
    }

    /// Makes the object at a path be there and be so, as `kubectl apply` does.
    pub fn apply(&self, path: &str, object: &Value) -> Value {
        let path = format!("{path}?{FIELD_MANAGER}");
        Self::done(&path, self.send(Method::PATCH, &path, "application/apply-patch+yaml", object))
    }

    /// Asks for the end of the object at a path; what the API server says.
    pub fn delete(&self, path: &str, grace_seconds: u32) -> Value {
        let options =
            json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": grace_seconds});
        Self::done(path, self.send(Method::DELETE, path, "application/json", &options))
    }

    /// A namespace, which may be there already.
    pub fn namespace(&self, name: &str) {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.apply(&format!("/api/v1/namespaces/{name}"), &object);
    }

    /// A node, which may be there already; its uid.
    pub fn node(&self, name: &str) -> String {
        let object = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name},
            "spec": {"providerID": format!("aws:///us-west-2a/i-{name}")},
        });
        uid(&self.apply(&format!("/api/v1/nodes/{name}"), &object))
    }

    /// A new pod of an application, bound to a node or to none. Its service account is called as the application.
    pub fn pod(&self, namespace: &str, name: &str, application: &str, node: Option<&str>) -> Pod<'_> {
        self.namespace(namespace);
        let object = json!({
            "metadata": {"name": name, "labels": {"app": application}},
            "spec": {
                "nodeName": node,
                "serviceAccountName": application,
                "containers": [{"name": "main", "image": "example.org/main"}],
            },
        });
        let pods = format!("/api/v1/namespaces/{namespace}/pods");
        let created = self.create(&pods, &object);
        Pod { cluster: self, path: format!("{pods}/{name}"), name: name.to_owned(), uid: uid(&created) }
    }
}

/// A pod that a test made.
pub struct Pod<'a> {
    cluster: &'a Cluster,
    path: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
}

impl Pod<'_> {
    /// Makes it another application's, or nobody's.
    pub fn relabel(&self, application: Option<&str>) {
        self.cluster.patch(&self.path, &json!({"metadata": {"labels": {"app": application}}}));
    }

    /// Binds it to a node, as a scheduler does.
    pub fn bind(&self, node: &str) {
        let binding = json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": self.name},
            "target": {"kind": "Node", "name": node},
        });
        self.cluster.create(&format!("{}/binding", self.path), &binding);
    }

    /// Merges something into its status, as a kubelet does.
    pub fn report(&self, status: &Value) {
        self.cluster.patch(&format!("{}/status", self.path), &json!({"status": status}));
    }

    /// Asks for its end; it goes on terminating.
    pub fn terminate(&self) {
        let told = self.cluster.delete(&self.path, 30);
        assert!(told.pointer("/metadata/deletionTimestamp").is_some(), "{told}");
    }

    /// Ends it at once.
    pub fn delete(self) {
        self.cluster.delete(&self.path, 0);
        assert_eq!(self.cluster.get(&self.path), None);
    }
}

/// An object's `metadata.uid`.
pub fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_else(|| panic!("{object} has no uid")).to_owned()
}

fn client(runtime: &Handle, kubeconfig: &Path) -> Client {
    runtime.block_on(async {
        let file = Kubeconfig::read_from(kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        Client::try_from(config).unwrap()
    })
}

fn write_kubeconfig(
    folder: &Path,
    name: &str,
    url: &str,
    authority: &Path,
    token: &str,
    namespace: &str,
) -> PathBuf {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "this", "cluster": {"server": url, "certificate-authority": authority}}],
        "contexts": [{"name": "this", "context": {"cluster": "this", "user": name, "namespace": namespace}}],
        "current-context": "this",
        "users": [{"name": name, "user": {"token": token}}],
    });
    let path = folder.join(format!("{name}.kubeconfig"));
    std::fs::write(&path, config.to_string()).unwrap();
    path
}
