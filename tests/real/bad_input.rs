//! What cannot be used is told, and costs nobody else anything.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use registrar_world::free_port;
use serde_json::{Value, json};

use crate::child::{Child, program};
use crate::kubernetes::Cluster;
use crate::registrar::PROGRAM;
use crate::spire::PARTNER;
use crate::wait;
use crate::world::World;

/// Within what it is told.
const AT_ONCE: Duration = Duration::from_secs(5);

pub fn an_identity_that_cannot_be_used_is_alone(world: &World) {
    let cluster = world.workload_cluster();
    cluster.node("node-1");
    // The one whose template cannot be read comes first, to be deleted last: it holds up none of the others.
    let identities = [
        (
            "unreadable-template",
            json!({"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/{{ .PodMeta.Name | nope }}"}),
        ),
        ("federates-with-nobody", json!({"federatesWith": ["unknown.example"]})),
        ("federates-with-a-partner", json!({"federatesWith": [PARTNER, "example.org"]})),
        ("reserved-id", json!({"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/spire/{{ .PodMeta.Name }}"})),
        ("well", json!({})),
    ];
    let pods = identities.clone().map(|(name, more)| {
        world.identity(name, "bad", name, name, more);
        cluster.pod("bad", name, name, Some("node-1"))
    });
    let [unreadable, nobody, partner, reserved, well] = &pods;
    let message = |identity: &str, condition: &str, status: &str| {
        let path = format!("workloadidentities/{identity}");
        let told = world.wait_for(&path, condition, status);
        println!("{identity}: {condition}={status}, {}: {}", told["reason"], told["message"]);
        told["message"].as_str().unwrap().to_owned()
    };
    world.spire.entry_of(well);
    message("well", "Ready", "True");
    assert!(message("federates-with-nobody", "Ready", "False").contains("unknown.example"));
    assert!(message("unreadable-template", "Valid", "False").contains("line 1, column 48"));
    assert!(message("reserved-id", "Ready", "False").contains("/spire/"));
    assert!(message("federates-with-a-partner", "Valid", "True").contains("example.org"));
    let federated = world.spire.entry_of(partner);
    assert_eq!(federated.0["federates_with"], json!([PARTNER]));
    for pod in [nobody, unreadable, reserved] {
        assert_eq!(world.spire.entries_of(pod), []);
    }
    // Mended, it is used.
    world.patch("workloadidentities/federates-with-nobody", &json!({"spec": {"federatesWith": [PARTNER]}}));
    world.spire.entry_of(nobody);
    for (name, _) in identities.iter().rev() {
        world.delete(&format!("workloadidentities/{name}"));
        world.wait_until_gone(&format!("workloadidentities/{name}"));
    }
    for pod in pods {
        world.spire.wait_for_none_of(&pod.uid);
        pod.delete();
    }
}

pub fn a_registry_that_cannot_be_used_is_alone(world: &World) {
    let cluster = world.workload_cluster();
    let spec = |cluster: &str, account: &str, role: Option<&str>| {
        json!({
            "clusterName": cluster,
            "region": "us-west-2",
            "accountId": account,
            "enabled": true,
            "assumeRoleArn": role,
        })
    };
    let stranger = Some("arn:aws:iam::123456789012:role/stranger");
    let cases = [
        ("missing", spec("no-such-cluster", "123456789012", None), "Ready", "ClusterNotFound"),
        ("others", spec("prod-eks-cluster", "111111111111", None), "Ready", "AccountMismatch"),
        ("not-allowed", spec("prod-eks-cluster", "999999999999", None), "Ready", "AccountNotAllowed"),
        ("malformed", spec("prod-eks-cluster", "999999999999", stranger), "Valid", "RoleNotOfAccount"),
        // EKS describes the cluster to the role, and its API server does not let the role in.
        ("not-admitted", spec("prod-eks-cluster", "123456789012", stranger), "Ready", "Unauthorized"),
    ];
    for (name, spec, condition, reason) in &cases {
        world.registry(name, spec);
        let told = world.wait_for(&format!("eksclusterregistries/{name}"), condition, "False");
        println!("{name}: {}: {}", told["reason"], told["message"]);
        assert_eq!(told["reason"], *reason);
    }
    // Refused again and again meanwhile; that the API server ends the connection each time is not told for it.
    world.settle(cluster);
    for (name, ..) in &cases {
        world.delete(&format!("eksclusterregistries/{name}"));
        world.wait_until_gone(&format!("eksclusterregistries/{name}"));
    }
}

/// A registrar of its own with this configuration, as whoever the kubeconfig names.
struct Attempt<'a> {
    world: &'a World,
    name: String,
    child: Child,
}

impl<'a> Attempt<'a> {
    fn start(world: &'a World, name: &str, kubeconfig: &Path, more: &Value) -> Self {
        Self::start_with(world, name, kubeconfig, more, program(PROGRAM))
    }

    fn start_with(
        world: &'a World,
        name: &str,
        kubeconfig: &Path,
        more: &Value,
        mut command: Command,
    ) -> Self {
        let mut config = json!({
            "trustDomain": "example.org",
            "spireServerSocketPath": world.spire.socket,
            "entryIDPrefix": "attempt-",
            "aws": {"region": "us-west-2"},
            "metrics": {"bindAddress": "0"},
            "health": {"healthProbeBindAddress": "0"},
        });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let name = format!("attempt-{name}");
        let file = world.folder.join(format!("{name}.yaml"));
        std::fs::write(&file, config.to_string()).unwrap();
        command.args(["run", "--config"]).arg(file).env("KUBECONFIG", kubeconfig);
        command.envs(world.aws_variables());
        Self { world, child: Child::start(&name, &mut command, &world.folder), name }
    }

    /// One line has all of these words.
    fn tells(&mut self, words: &[&str]) {
        let path = self.world.folder.join(format!("{}.log", self.name));
        let line = wait::until(&format!("{} to tell {words:?}", self.name), AT_ONCE, || {
            let log = std::fs::read_to_string(&path).unwrap_or_default();
            let found = log.lines().find(|line| words.iter().all(|word| line.contains(word)));
            found.map(str::to_owned).ok_or(log)
        });
        println!("{}: {line}", self.name);
    }

    fn ends(mut self, words: &[&str]) {
        self.tells(words);
        let status = wait::until(&format!("{} to end", self.name), AT_ONCE, || self.child.ended());
        assert!(!status.success(), "{}: {status}", self.name);
    }

    fn goes_on(mut self) {
        self.child.assert_running();
        self.child.stop();
    }
}

fn service_account(cluster: &Cluster, name: &str) -> std::path::PathBuf {
    cluster.kubectl(&["create", "serviceaccount", name, "-n", "default"]);
    let token = cluster.kubectl(&["create", "token", name, "-n", "default"]);
    cluster.kubeconfig_of(name, token.trim())
}

pub fn what_is_missing_around_it_is_told_within_seconds(world: &World) {
    let bare = world.empty_cluster("bare");
    bare.namespace("default");

    // Nothing is installed, nothing is mounted.
    let nowhere = json!({"spireServerSocketPath": "/nowhere/server.sock"});
    let mut attempt = Attempt::start(world, "nothing", &bare.kubeconfig, &nowhere);
    let definitions = "kubectl apply -f crds/";
    attempt.tells(&["cannot watch eksclusterregistries.eksclusterregistry.spire.spiffe.io", definitions]);
    attempt.tells(&["cannot watch workloadidentities.eksclusterregistry.spire.spiffe.io", definitions]);
    attempt.tells(&["\"/nowhere/server.sock\" (spireServerSocketPath)", "mount the folder"]);
    attempt.tells(&["lease", "leaderElection.resourceNamespace", "spire-system", "make the namespace"]);
    attempt.goes_on();

    // No rights, and a socket that belongs to somebody else.
    let stranger = service_account(&bare, "stranger");
    let socket = world.folder.join("others.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    chown(&socket, Some(1000), Some(1000)).unwrap();
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o770)).unwrap();
    let mut bound = Command::new("setpriv");
    // As any user is: not let in everywhere.
    bound.args(["--pdeathsig", "KILL", "--bounding-set", "-dac_override,-dac_read_search", "--", PROGRAM]);
    let others = json!({"spireServerSocketPath": socket});
    let mut attempt = Attempt::start_with(world, "no-rights", &stranger, &others, bound);
    attempt.tells(&[
        "cannot watch eksclusterregistries",
        "forbidden",
        "ClusterRole",
        "deploy/kustomize/rbac.yaml",
    ]);
    attempt.tells(&[
        "leases",
        "forbidden",
        "leaderElection.resourceName",
        "Role: deploy/kustomize/rbac.yaml",
    ]);
    attempt.tells(&["others.sock", "spireServerSocketPath", "Permission denied", "podSecurityContext"]);
    attempt.goes_on();

    // Ports of others.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let certificates = world.folder.join("attempt-certificates");
    std::fs::create_dir(&certificates).unwrap();
    for (from, to) in [("server.pem", "tls.crt"), ("server.key", "tls.key")] {
        std::fs::copy(world.folder.join(from), certificates.join(to)).unwrap();
    }
    // The key of another certificate, and a certificate of another name than the Service's.
    let key = certificates.join("tls.key");
    std::fs::write(&key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let webhook = json!({"webhook": {"host": "127.0.0.1", "port": free_port(), "certDir": certificates}});
    let mut attempt = Attempt::start(world, "another-key", &bare.kubeconfig, &webhook);
    let folder = certificates.to_str().unwrap();
    attempt.tells(&["certificate for the admission webhook", folder, "tls.crt and tls.key do not fit"]);
    std::fs::copy(world.folder.join("server.key"), &key).unwrap();
    attempt.tells(&[
        folder,
        "is not of spire-eks-workload-registrar-webhook.spire-system.svc",
        "webhook.serviceName",
    ]);
    attempt.goes_on();
    for (name, key, more) in [
        ("metrics", "metrics.bindAddress", json!({"metrics": {"bindAddress": address.to_string()}})),
        (
            "health",
            "health.healthProbeBindAddress",
            json!({"health": {"healthProbeBindAddress": address.to_string()}}),
        ),
        (
            "webhook",
            "webhook.port",
            json!({"webhook": {"host": "127.0.0.1", "port": address.port(), "certDir": certificates}}),
        ),
    ] {
        let attempt = Attempt::start(world, name, &bare.kubeconfig, &more);
        attempt.ends(&[key, &address.port().to_string(), "in use", "Choose another"]);
    }
    // No management cluster, and a configuration that says nothing.
    let attempt = Attempt::start(world, "nowhere", Path::new("/nowhere/kubeconfig"), &json!({}));
    attempt.ends(&["management cluster", "KUBECONFIG", "/nowhere/kubeconfig"]);
    let attempt = Attempt::start(world, "typo", &bare.kubeconfig, &json!({"trustDomian": "example.org"}));
    attempt.ends(&["trustDomian", "is no key of this file"]);

    // What is missing is named where readiness is asked too.
    let health = format!("127.0.0.1:{}", free_port());
    let more = json!({"health": {"healthProbeBindAddress": health}});
    let attempt = Attempt::start(world, "no-kinds", &bare.kubeconfig, &more);
    wait::until("readiness to name both kinds", AT_ONCE, || {
        let mut curl = Command::new("curl");
        let told = curl.args(["--silent", &format!("http://{health}/readyz")]).output().unwrap();
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        let names = |kind: &str| told.contains(&format!("not listed in the management cluster yet: {kind}"));
        if names("eksclusterregistries") && names("workloadidentities") { Ok(()) } else { Err(told) }
    });
    attempt.goes_on();

    // SPIRE is another trust domain's: its first refusal says so, on the identity.
    crate::world::install(&bare);
    let cluster = world.cluster("production-cluster");
    cluster.node("node-bad");
    let kinds = "/apis/eksclusterregistry.spire.spiffe.io/v1alpha1";
    let object = |kind: &str, path: &str, spec: Value| {
        let name = path.rsplit_once('/').unwrap().1;
        let object = json!({
            "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1",
            "kind": kind, "metadata": {"name": name}, "spec": spec,
        });
        bare.apply(&format!("{kinds}/{path}"), &object);
    };
    let registry = json!({
        "clusterName": "prod-eks-cluster", "region": "us-west-2", "accountId": "123456789012", "enabled": true,
    });
    object("EKSClusterRegistry", "eksclusterregistries/production-cluster", registry);
    let identity = json!({
        "applicationName": "elsewhere",
        "namespace": "elsewhere",
        "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/elsewhere/{{ .PodMeta.Name }}",
    });
    object("WorkloadIdentity", "workloadidentities/elsewhere", identity);
    let pod = cluster.pod("elsewhere", "elsewhere-0", "elsewhere", Some("node-bad"));
    // Without its socket, the identity says so.
    let nowhere =
        json!({"spireServerSocketPath": "/nowhere/server.sock", "leaderElection": {"leaderElect": false}});
    let attempt = Attempt::start(world, "no-socket", &bare.kubeconfig, &nowhere);
    wait::until("the condition", AT_ONCE, || {
        let told = crate::install::condition(&bare, "workloadidentities/elsewhere", "Ready");
        let message = told["message"].as_str().unwrap_or_default();
        let is_told = message.contains("/nowhere/server.sock") && told["status"] == "Unknown";
        if is_told && told["reason"] == "SPIREUnreachable" { Ok(()) } else { Err(told.to_string()) }
    });
    attempt.goes_on();
    let other = json!({"trustDomain": "other.example", "leaderElection": {"leaderElect": false}});
    let attempt = Attempt::start(world, "trust-domain", &bare.kubeconfig, &other);
    wait::until("the condition", AT_ONCE, || {
        let told = crate::install::condition(&bare, "workloadidentities/elsewhere", "Ready");
        let message = told["message"].as_str().unwrap_or_default();
        let is_told = ["other.example", "example.org", "trustDomain of the configuration"]
            .iter()
            .all(|word| message.contains(word));
        if is_told && told["status"] == "False" { Ok(()) } else { Err(told.to_string()) }
    });
    attempt.goes_on();
    pod.delete();
}
