//! A SPIRE server, asked and told by its own command.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::child::{Child, output, program};
use crate::kubernetes::Pod;
use crate::wait;

/// The trust domain of all tests.
pub const TRUST_DOMAIN: &str = "example.org";
/// A trust domain whose bundle the server has.
pub const PARTNER: &str = "partner.example";

/// A running server.
pub struct SpireServer {
    /// Its API's socket.
    pub socket: PathBuf,
    program: PathBuf,
    name: String,
    data: PathBuf,
    logs: PathBuf,
    child: RefCell<Option<Child>>,
}

/// How many seconds apart the server reads its database and an agent asks the server: `SPIRE_INTERVALS`, such as `5,5`.
pub fn intervals() -> [u64; 2] {
    let Ok(text) = std::env::var("SPIRE_INTERVALS") else { return [1, 1] };
    let both = text.split_once(',').and_then(|(a, b)| Some([a.parse().ok()?, b.parse().ok()?]));
    both.unwrap_or_else(|| panic!("SPIRE_INTERVALS={text:?} must be seconds, such as 5,5"))
}

impl SpireServer {
    /// Starts one at a port. Agents of the cluster named here are attested by its tokens, asked of its API server.
    pub fn start(parts: &Path, folder: &Path, name: &str, port: u16, attests: Option<(&str, &Path)>) -> Self {
        let [reload, _] = intervals();
        let more = format!(r#"experimental {{ cache_reload_interval = "{reload}s" }}"#);
        Self::configured(parts, folder, name, port, attests, &more)
    }

    /// The same with what else is said of the server in its configuration file.
    pub fn configured(
        parts: &Path,
        folder: &Path,
        name: &str,
        port: u16,
        attests: Option<(&str, &Path)>,
        more: &str,
    ) -> Self {
        let program_path = parts.join("spire-server");
        let (socket, data) = (folder.join(format!("{name}.sock")), folder.join(name));
        std::fs::create_dir(&data).unwrap();
        let attestor = match attests {
            None => r#""join_token" { plugin_data {} }"#.to_owned(),
            Some((cluster, kubeconfig)) => format!(
                r#""k8s_psat" {{ plugin_data {{ clusters = {{ "{cluster}" = {{
                    service_account_allow_list = ["spire:spire-agent"]
                    kube_config_file = "{}"
                }} }} }} }}"#,
                kubeconfig.display()
            ),
        };
        let configuration = format!(
            r#"
            server {{
              bind_address = "127.0.0.1"
              bind_port = {port}
              socket_path = "{socket}"
              trust_domain = "{TRUST_DOMAIN}"
              data_dir = "{data}"
              default_x509_svid_ttl = "1h"
              {more}
            }}
            plugins {{
              DataStore "sql" {{ plugin_data {{
                database_type = "sqlite3"
                connection_string = "{data}/entries.sqlite3"
              }} }}
              KeyManager "memory" {{ plugin_data {{}} }}
              NodeAttestor {attestor}
            }}
            "#,
            socket = socket.display(),
            data = data.display(),
        );
        let file = data.join("server.hcl");
        std::fs::write(&file, configuration).unwrap();
        let (name, logs) = (name.to_owned(), folder.to_owned());
        let server =
            Self { socket, program: program_path, name, data: data.clone(), logs, child: RefCell::default() };
        server.launch();
        // Any bundle will do for a trust domain that nobody of ours is in; so it is given our own authorities.
        let bundle = output(&mut server.command(&["bundle", "show", "-format", "spiffe"]));
        let file = data.join("partner.json");
        std::fs::write(&file, bundle).unwrap();
        let id = format!("spiffe://{PARTNER}");
        let path = file.to_str().unwrap();
        output(&mut server.command(&["bundle", "set", "-format", "spiffe", "-id", &id, "-path", path]));
        server
    }

    /// Starts it with the data that it has, and waits until it is healthy.
    pub fn launch(&self) {
        let mut command = program(&self.program);
        command.args(["run", "-config"]).arg(self.data.join("server.hcl"));
        let child = Child::start(&self.name, &mut command, &self.logs);
        assert!(self.child.replace(Some(child)).is_none(), "a server runs already");
        wait::until("SPIRE's server to be healthy", Duration::from_secs(60), || {
            let healthy = self.command(&["healthcheck"]).output().unwrap();
            if healthy.status.success() {
                Ok(())
            } else {
                Err(String::from_utf8_lossy(&healthy.stderr).into_owned())
            }
        });
    }

    /// Ends it as a machine does that fails.
    pub fn kill(&self) {
        self.child.take().expect("a server that runs").kill();
    }

    /// Ends it in good order.
    pub fn stop(&self) {
        self.child.take().expect("a server that runs").stop();
    }

    /// Lets it do nothing, with its connections open.
    pub fn pause(&self) {
        self.child.borrow().as_ref().expect("a server that runs").signal(Signal::STOP);
    }

    /// Ends the pause.
    pub fn go_on(&self) {
        self.child.borrow().as_ref().expect("a server that runs").signal(Signal::CONT);
    }

    /// The process id of the one that runs.
    pub fn pid(&self) -> u32 {
        self.child.borrow().as_ref().expect("a server that runs").pid()
    }

    /// Its database as it is while it does not run.
    pub fn database(&self) -> Vec<u8> {
        std::fs::read(self.data.join("entries.sqlite3")).unwrap()
    }

    /// Puts another copy of the database in its place while it does not run.
    pub fn restore(&self, database: &[u8]) {
        for left in ["entries.sqlite3-wal", "entries.sqlite3-shm"] {
            let _ = std::fs::remove_file(self.data.join(left));
        }
        std::fs::write(self.data.join("entries.sqlite3"), database).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("-socketPath").arg(&self.socket);
        command
    }

    /// What `spire-server entry show -output json` says.
    pub fn entries(&self) -> Vec<Entry> {
        let said = output(&mut self.command(&["entry", "show", "-output", "json"]));
        let said: Value = serde_json::from_str(&said).unwrap();
        said["entries"].as_array().unwrap().iter().cloned().map(Entry).collect()
    }

    /// The entries of a pod.
    pub fn entries_of(&self, pod: &Pod<'_>) -> Vec<Entry> {
        self.entries().into_iter().filter(|entry| entry.pod_uid() == Some(&pod.uid)).collect()
    }

    /// Waits until a pod has exactly one entry, and that one is as asked.
    pub fn entry_when(&self, pod: &Pod<'_>, what: &str, is_so: impl Fn(&Entry) -> bool) -> Entry {
        wait::until(&format!("pod {} to have one entry, {what}", pod.name), wait::SOON, || {
            let mut entries = self.entries_of(pod);
            match entries.pop() {
                Some(entry) if entries.is_empty() && is_so(&entry) => Ok(entry),
                last => Err(format!("{entries:?} {last:?}")),
            }
        })
    }

    /// Waits until a pod has exactly one entry.
    pub fn entry_of(&self, pod: &Pod<'_>) -> Entry {
        self.entry_when(pod, "whichever", |_| true)
    }

    /// Waits until no entry is left of a pod of this uid.
    pub fn wait_for_none_of(&self, pod_uid: &str) {
        wait::until(&format!("no entry of pod {pod_uid}"), wait::SOON, || {
            let left: Vec<Entry> =
                self.entries().into_iter().filter(|entry| entry.pod_uid() == Some(pod_uid)).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        });
    }
}

/// An entry as the command prints it.
#[derive(Clone, PartialEq)]
pub struct Entry(pub Value);

impl Entry {
    fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_else(|| panic!("{} has no {field}", self.0))
    }

    fn spiffe(&self, field: &str) -> String {
        let id = &self.0[field];
        format!("spiffe://{}{}", id["trust_domain"].as_str().unwrap(), id["path"].as_str().unwrap())
    }

    /// Its id.
    pub fn id(&self) -> &str {
        self.text("id")
    }

    /// Its id without the part that is random.
    pub fn id_without_nonce(&self) -> &str {
        self.id().rsplit_once('.').unwrap_or_else(|| panic!("{} is not an id of ours", self.id())).0
    }

    /// How often it was updated.
    pub fn revision(&self) -> u64 {
        self.text("revision_number").parse().unwrap()
    }

    /// The workload's SPIFFE ID.
    pub fn spiffe_id(&self) -> String {
        self.spiffe("spiffe_id")
    }

    /// The agent's.
    pub fn parent_id(&self) -> String {
        self.spiffe("parent_id")
    }

    /// The pod that its selectors name.
    pub fn pod_uid(&self) -> Option<&str> {
        let selectors = self.0["selectors"].as_array()?;
        selectors.iter().find_map(|selector| selector["value"].as_str()?.strip_prefix("pod-uid:"))
    }

    /// What `render` says of an entry too: all but what SPIRE and chance add.
    pub fn rendered(&self) -> Value {
        let mut rendered = self.0.clone();
        rendered["id"] = self.id_without_nonce().into();
        let fields = rendered.as_object_mut().unwrap();
        // Neither kind has fields for these two; both are SPIRE's "none".
        assert_eq!(fields.remove("expires_at"), Some("0".into()), "{self:?}");
        assert_eq!(fields.remove("store_svid"), Some(false.into()), "{self:?}");
        for field in ["created_at", "revision_number"] {
            fields.remove(field).unwrap();
        }
        rendered
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
