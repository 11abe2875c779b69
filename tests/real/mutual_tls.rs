//! SPIRE's API by mutual TLS: a real agent gives the registrar its SVID, which is renewed while it runs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::child::{Child, output, program};
use crate::registrar::PROGRAM;
use crate::spire::{Entry, SpireServer, TRUST_DOMAIN};
use crate::wait::{self, SOON};
use crate::world::World;

/// As whom SPIRE knows the registrar.
const REGISTRAR: &str = "spiffe://example.org/spire-eks-workload-registrar";
/// As whom the agent is known.
const AGENT: &str = "spiffe://example.org/host";
/// How long an SVID of the registrar is good.
const SVID_SECONDS: &str = "10";

/// The server with what its own command asks of it.
struct Spire {
    server: SpireServer,
    program: PathBuf,
}

impl Spire {
    fn ask(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.program);
        output(command.args(arguments).arg("-socketPath").arg(&self.server.socket))
    }

    /// The entry that an operator makes for the registrar, with its id and revision.
    fn bootstrap(&self) -> Option<Entry> {
        self.server.entries().into_iter().find(|entry| entry.spiffe_id() == REGISTRAR)
    }
}

/// An agent that has joined by a token and knows processes by their user.
struct Agent {
    socket: PathBuf,
    program: PathBuf,
    _child: Child,
}

impl Agent {
    fn start(world: &World, spire: &Spire, port: u16) -> Self {
        let token = spire.ask(&["token", "generate", "-spiffeID", AGENT, "-output", "json"]);
        let token: Value = serde_json::from_str(&token).unwrap();
        let data = world.folder.join("tls-agent");
        std::fs::create_dir(&data).unwrap();
        let socket = world.folder.join("tls-agent.sock");
        let configuration = format!(
            r#"
            agent {{
              data_dir = "{data}"
              server_address = "127.0.0.1"
              server_port = {port}
              socket_path = "{socket}"
              trust_domain = "{TRUST_DOMAIN}"
              insecure_bootstrap = true
              join_token = "{token}"
              experimental {{ sync_interval = "1s" }}
            }}
            plugins {{
              KeyManager "memory" {{ plugin_data {{}} }}
              NodeAttestor "join_token" {{ plugin_data {{}} }}
              WorkloadAttestor "unix" {{ plugin_data {{}} }}
            }}
            "#,
            data = data.display(),
            socket = socket.display(),
            token = token["value"].as_str().unwrap(),
        );
        let file = data.join("agent.hcl");
        std::fs::write(&file, configuration).unwrap();
        let program_path = world.parts.join("spire-agent");
        let mut command = program(&program_path);
        let child = Child::start("tls-agent", command.args(["run", "-config"]).arg(file), &world.folder);
        Self { socket, program: program_path, _child: child }
    }

    /// The times between which the SVID that the agent gives now is good, as it prints them, or why there is none. With a
    /// folder, the SVID is written there.
    fn svid(&self, folder: Option<&Path>) -> Result<(String, String), String> {
        let mut command = Command::new(&self.program);
        command.args(["api", "fetch", "x509", "-timeout", "5s", "-socketPath"]).arg(&self.socket);
        if let Some(folder) = folder {
            command.arg("-write").arg(folder);
        }
        let said = command.output().unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let line = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name));
            found.map(|value| value.trim().to_owned()).ok_or_else(|| format!("{said:?}"))
        };
        Ok((line("SVID Valid After:")?, line("SVID Valid Until:")?))
    }
}

/// A way to the server that can be cut: whoever is connected then has to connect anew.
struct Way {
    port: u16,
    cut: Arc<Notify>,
    _task: JoinSet<()>,
}

impl Way {
    fn open(world: &World, to: u16) -> Self {
        let cut = Arc::new(Notify::new());
        let mut task = JoinSet::new();
        let listener = world.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let whenever = cut.clone();
        task.spawn_on(
            async move {
                let mut connections = JoinSet::new();
                loop {
                    tokio::select! {
                        () = whenever.notified() => connections.abort_all(),
                        accepted = listener.accept() => {
                            let (mut from, _) = accepted.unwrap();
                            connections.spawn(async move {
                                let mut to = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                                // Either side may end it as it likes.
                                let _ = copy_bidirectional(&mut from, &mut to).await;
                            });
                        }
                    }
                }
            },
            world.runtime.handle(),
        );
        Self { port, cut, _task: task }
    }
}

fn logged(world: &World, name: &str, text: &str) -> String {
    wait::until(&format!("{name} to log {text:?}"), SOON, || {
        let log = std::fs::read_to_string(world.folder.join(format!("{name}.log"))).unwrap_or_default();
        let found = log.lines().find(|line| line.contains(text)).map(str::to_owned);
        found.ok_or(log)
    })
}

/// A registrar of its own, in a management cluster of its own, which speaks to SPIRE at this port.
fn start(world: &World, name: &str, kubeconfig: &Path, agent: &Agent, port: u16) -> Child {
    // JSON is YAML.
    let config = json!({
        "trustDomain": TRUST_DOMAIN,
        "spireServerAddress": format!("127.0.0.1:{port}"),
        "workloadAPISocketPath": agent.socket,
        "aws": {"region": "us-west-2"},
        "leaderElection": {"leaderElect": false},
        "metrics": {"bindAddress": "0"},
        "health": {"healthProbeBindAddress": "0"},
    });
    let file = world.folder.join(format!("{name}.yaml"));
    std::fs::write(&file, config.to_string()).unwrap();
    let mut command = program(PROGRAM);
    command.args(["run", "--config"]).arg(file).env("KUBECONFIG", kubeconfig).envs(world.aws_variables());
    Child::start(name, &mut command, &world.folder)
}

/// What `doctor` says of SPIRE with the configuration of that registrar: verdict and what was found, by what was looked at.
fn examined(world: &World, name: &str, kubeconfig: &Path, check: &str) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(["doctor", "--config"]).arg(world.folder.join(format!("{name}.yaml")));
    let said = command.env("KUBECONFIG", kubeconfig).envs(world.aws_variables()).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let lines = text.lines().skip_while(|line| !line.starts_with("SPIRE server ")).skip(1);
    let mut lines = lines.take_while(|line| !line.is_empty());
    let found = lines.find(|line| line.get(9..).is_some_and(|rest| rest.trim_start().starts_with(check)));
    found.unwrap_or_else(|| panic!("{check}: {text}")).to_owned()
}

pub fn an_svid_that_is_renewed_writes_entries(world: &World) {
    let folder = world.folder.join("tls-spire");
    std::fs::create_dir(&folder).unwrap();
    let port = registrar_world::free_port();
    let server = SpireServer::start(&world.parts, &folder, "server", port, None);
    let spire = Spire { server, program: world.parts.join("spire-server") };
    let agent = Agent::start(world, &spire, port);
    let way = Way::open(world, port);
    let management = world.empty_cluster("tls");
    management.kubectl(&["apply", "-f", &format!("{}/crds", crate::world::ROOT)]);
    let workload = world.cluster("production-cluster");
    workload.node("node-tls");
    let kinds = "/apis/eksclusterregistry.spire.spiffe.io/v1alpha1";
    let object = |kind: &str, path: &str, spec: Value| {
        let name = path.rsplit_once('/').unwrap().1;
        let object = json!({
            "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1",
            "kind": kind, "metadata": {"name": name}, "spec": spec,
        });
        wait::until("the kind to be served", SOON, || {
            let served = management.try_kubectl(&["apply", "--server-side", "-f", "-"], &object.to_string());
            served.map(drop)
        });
    };
    let registry = json!({
        "clusterName": "prod-eks-cluster", "region": "us-west-2", "accountId": "123456789012", "enabled": true,
    });
    object("EKSClusterRegistry", "eksclusterregistries/production-cluster", registry);
    let identity = json!({
        "applicationName": "tls",
        "namespace": "tls",
        "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/tls/{{ .PodMeta.Name }}",
    });
    object("WorkloadIdentity", "workloadidentities/tls", identity);

    // Without an entry for it, it says what it lacks and goes on asking.
    let mut registrar = start(world, "registrar-tls", &management.kubeconfig, &agent, way.port);
    let told = logged(world, "registrar-tls", "gives this process no SVID");
    assert!(told.contains("workloadAPISocketPath") && told.contains("Ways to SPIRE"), "{told}");
    registrar.assert_running();
    let examine = |name: &str, check: &str| examined(world, name, &management.kubeconfig, check);
    let told = examine("registrar-tls", "own SVID");
    assert!(told.contains("FAILURE") && told.contains("gives this process no SVID"), "{told}");

    // As docs/operations.md says.
    let entry = [
        "entry",
        "create",
        "-admin",
        "-spiffeID",
        REGISTRAR,
        "-parentID",
        AGENT,
        "-selector",
        "unix:uid:0",
        "-x509SVIDTTL",
        SVID_SECONDS,
    ];
    spire.ask(&entry);
    let before = spire.bootstrap().unwrap();
    let first = workload.pod("tls", "tls-0", "tls", Some("node-tls"));
    spire.server.entry_of(&first);
    logged(world, "registrar-tls", REGISTRAR);
    let told = examine("registrar-tls", "own SVID");
    assert!(told.contains(&format!("{REGISTRAR}, valid until ")), "{told}");
    let told = examine("registrar-tls", "rights");
    assert!(told.contains("ok") && told.contains("may list entries"), "{told}");

    // What it began with has expired; whoever connects now shows what has come since.
    let (_, first_until) = wait::until("an SVID", SOON, || agent.svid(None));
    wait::until("an SVID that begins after the first has ended", Duration::from_secs(60), || {
        let (after, until) = agent.svid(None)?;
        if after > first_until {
            Ok(())
        } else {
            Err(format!("{after} to {until}; the first until {first_until}"))
        }
    });
    way.cut.notify_one();
    let second = workload.pod("tls", "tls-1", "tls", Some("node-tls"));
    spire.server.entry_of(&second);
    registrar.assert_running();

    // Another server of the trust domain is not SPIRE's.
    let written = world.folder.join("tls-svid");
    std::fs::create_dir(&written).unwrap();
    wait::until("an SVID to be written", SOON, || agent.svid(Some(&written)));
    let impostor = impostor(world, &written);
    let mut fooled = start(world, "registrar-fooled", &management.kubeconfig, &agent, impostor.port);
    let told = logged(world, "registrar-fooled", "cannot connect to the SPIRE server");
    assert!(told.contains("SPIRE cannot be used now"), "{told}");
    fooled.assert_running();
    fooled.kill();
    let told = examine("registrar-fooled", "connection");
    assert!(told.contains("FAILURE") && told.contains("no connection"), "{told}");

    // The entry by which it is let in is nobody's of ours.
    management.delete(&format!("{kinds}/workloadidentities/tls"), 0);
    for pod in [&first, &second] {
        spire.server.wait_for_none_of(&pod.uid);
    }
    assert_eq!(spire.bootstrap(), Some(before));
    registrar.stop();
    first.delete();
    second.delete();
}

/// A TLS server with a good SVID of the trust domain that is not the SPIRE server's.
fn impostor(world: &World, svid: &Path) -> Way {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = CertificateDer::pem_file_iter(svid.join("svid.0.pem")).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(svid.join("svid.0.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = world.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut task = JoinSet::new();
    task.spawn_on(
        async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // The client breaks it off.
                let _ = acceptor.accept(stream).await;
            }
        },
        world.runtime.handle(),
    );
    Way { port, cut: Arc::default(), _task: task }
}
