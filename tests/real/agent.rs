//! A SPIRE agent on a node, and processes that are or are not in the cgroup of a pod on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::child::{Child, program};
use crate::kubelet::Kubelet;
use crate::spire::{TRUST_DOMAIN, intervals};
use crate::wait;
use crate::world::World;

/// A running agent.
pub struct Agent {
    socket: PathBuf,
    program: PathBuf,
    _child: Child,
    _kubelet: Kubelet,
}

impl Agent {
    /// Starts one on a node of the seed's `workload-cluster`, in a pod of its own by whose token it is attested.
    pub fn start(world: &World, server_port: u16, node: &str) -> Self {
        let cluster = world.cluster("workload-cluster");
        let kubelet = Kubelet::start(world.runtime.handle(), cluster.client(), node);
        let pod = cluster.pod("spire", "spire-agent", "spire-agent", Some(node));
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "spire-agent"}});
        let accounts = "/api/v1/namespaces/spire/serviceaccounts";
        cluster.apply(&format!("{accounts}/spire-agent"), &account);
        let request = json!({"spec": {
            "audiences": ["spire-server"],
            "expirationSeconds": 3600,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid},
        }});
        let token = cluster.create(&format!("{accounts}/spire-agent/token"), &request);
        let data = world.folder.join("spire-agent");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("token"), token["status"]["token"].as_str().unwrap()).unwrap();
        let socket = world.folder.join("spire-agent.sock");
        let [_, sync] = intervals();
        let configuration = format!(
            r#"
            agent {{
              data_dir = "{data}"
              server_address = "127.0.0.1"
              server_port = {server_port}
              socket_path = "{socket}"
              trust_domain = "{TRUST_DOMAIN}"
              insecure_bootstrap = true
              experimental {{ sync_interval = "{sync}s" }}
            }}
            plugins {{
              KeyManager "memory" {{ plugin_data {{}} }}
              NodeAttestor "k8s_psat" {{ plugin_data {{
                cluster = "workload-cluster"
                token_path = "{data}/token"
              }} }}
              WorkloadAttestor "k8s" {{ plugin_data {{ kubelet_read_only_port = {kubelet_port} }} }}
            }}
            "#,
            data = data.display(),
            socket = socket.display(),
            kubelet_port = kubelet.port,
        );
        let file = data.join("agent.hcl");
        std::fs::write(&file, configuration).unwrap();
        let program_path = world.parts.join("spire-agent");
        let mut command = program(&program_path);
        let child = Child::start("spire-agent", command.args(["run", "-config"]).arg(file), &world.folder);
        let agent = Self { socket, program: program_path, _child: child, _kubelet: kubelet };
        wait::until("SPIRE's agent to be healthy", Duration::from_secs(60), || {
            let mut command = Command::new(&agent.program);
            let answer = command.arg("healthcheck").arg("-socketPath").arg(&agent.socket).output().unwrap();
            if answer.status.success() {
                Ok(())
            } else {
                Err(String::from_utf8_lossy(&answer.stderr).into_owned())
            }
        });
        agent
    }

    /// Asks once for an SVID, from outside every pod.
    pub fn fetch_outside(&self) -> Output {
        let mut command = Command::new(&self.program);
        command.args(["api", "fetch", "x509", "-timeout", "5s", "-socketPath"]).arg(&self.socket);
        command.output().unwrap()
    }

    /// Asks from inside a container until there is an SVID; what the agent's own client says then.
    pub fn fetch_inside(&self, container: &Container, limit: Duration) -> String {
        // The shell goes into the cgroup first, so that whatever it starts is born there. The client gives up at the
        // first refusal, so it is started anew.
        let script = r#"echo $$ > "$1/cgroup.procs"
            until "$2" api fetch x509 -timeout 5s -socketPath "$3" 2>/dev/null; do sleep 0.02; done"#;
        let seconds = limit.as_secs().to_string();
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", &seconds, "sh", "-c", script, "sh"]);
        command.args([&container.group, &self.program, &self.socket]).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "no SVID within {limit:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The cgroup of a pod's container, as container runtimes name them; gone when dropped.
pub struct Container {
    group: PathBuf,
    /// How many folders of the path are ours.
    depth: usize,
}

impl Container {
    /// Makes it, in the hierarchy that the machine has.
    pub fn make(pod_uid: &str, id: &str) -> Self {
        let (root, path) = if Path::new("/sys/fs/cgroup/pids").is_dir() {
            ("/sys/fs/cgroup/pids", format!("kubepods/burstable/pod{pod_uid}/{id}"))
        } else {
            let pod = format!("kubepods-burstable-pod{}.slice", pod_uid.replace('-', "_"));
            (
                "/sys/fs/cgroup",
                format!("kubepods.slice/kubepods-burstable.slice/{pod}/cri-containerd-{id}.scope"),
            )
        };
        let (group, depth) = (Path::new(root).join(&path), path.split('/').count());
        std::fs::create_dir_all(&group)
            .unwrap_or_else(|error| panic!("{}: {error}; this test has to run as root", group.display()));
        Self { group, depth }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // From the leaf up; a folder that another pod still uses is not empty, and stays.
        for folder in self.group.ancestors().take(self.depth) {
            if std::fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
}
