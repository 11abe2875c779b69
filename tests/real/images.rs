//! A registry of images, Debian's `docker-registry`, that asks for user and password; spoken to by curl.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use registrar_core::plugin::Digest;
use serde_json::json;

use crate::child::{Child, output, program};
use crate::wait;
use crate::world::World;

/// Who may pull and push.
pub const USER: &str = "reader";
/// The user's password.
pub const PASSWORD: &str = "a word of the tests";
/// Both, as `htpasswd -nbBC 5` prints them.
const HTPASSWD: &str = "reader:$2y$05$abcdefghijklmnopqrstuu.Lsvlcg4BsIILG37MCRiKxiH06AMvK6";

/// Running.
pub struct Images {
    host: String,
    folder: PathBuf,
    _child: Child,
}

impl Images {
    /// Starts it where the registrar may fetch from.
    pub fn start(world: &World) -> Self {
        let folder = world.folder.join("images");
        std::fs::create_dir(&folder).unwrap();
        let (passwords, storage) = (folder.join("htpasswd"), folder.join("storage"));
        std::fs::write(&passwords, HTPASSWD).unwrap();
        let configuration = json!({
            "version": "0.1",
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": storage}},
            "http": {"addr": world.images, "secret": "of one replica"},
            "auth": {"htpasswd": {"realm": "images", "path": passwords}},
        });
        let file = folder.join("config.yml");
        std::fs::write(&file, configuration.to_string()).unwrap();
        let mut command = program(world.parts.join("docker-registry"));
        command.arg("serve").arg(&file);
        let mut child = Child::start("images", &mut command, &world.folder);
        let url = format!("http://{}/v2/", world.images);
        wait::until("the registry of images", Duration::from_secs(20), || {
            child.assert_running();
            let login = format!("{USER}:{PASSWORD}");
            let answer = Command::new("curl").args(["-sSf", "--user", &login, &url]).output().unwrap();
            match answer.status.success() {
                true => Ok(()),
                false => Err(String::from_utf8_lossy(&answer.stderr).into_owned()),
            }
        });
        Self { host: world.images.clone(), folder, _child: child }
    }

    /// Pushes a component in the layout of Wasm artifacts under the tag `latest`; its reference by digest.
    pub fn push(&self, name: &str, component: &[u8]) -> String {
        let layer = self.blob(name, component);
        let config = json!({"architecture": "wasm", "os": "wasip2", "layerDigests": [layer]}).to_string();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": self.blob(name, config.as_bytes()),
                "size": config.len()},
            "layers": [{"mediaType": "application/wasm", "digest": layer, "size": component.len()}],
        });
        let manifest = manifest.to_string();
        let url = format!("http://{}/v2/plugins/{name}/manifests/latest", self.host);
        self.put(&url, MANIFEST, manifest.as_bytes());
        format!("oci://{}/plugins/{name}@{}", self.host, Digest::of(manifest.as_bytes()))
    }

    fn blob(&self, name: &str, bytes: &[u8]) -> String {
        let digest = Digest::of(bytes).to_string();
        let url = format!("http://{}/v2/plugins/{name}/blobs/uploads/", self.host);
        let said = output(self.curl().args(["--request", "POST", "--dump-header", "-", &url]));
        let header =
            said.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap_or_else(|| panic!("{said}"));
        self.put(&format!("{}&digest={digest}", header.trim()), "application/octet-stream", bytes);
        digest
    }

    fn put(&self, url: &str, media_type: &str, bytes: &[u8]) {
        let file = self.folder.join("put");
        std::fs::write(&file, bytes).unwrap();
        let (body, kind) = (format!("@{}", file.display()), format!("Content-Type: {media_type}"));
        output(self.curl().args(["--request", "PUT", "--header", &kind, "--data-binary", &body, url]));
    }

    fn curl(&self) -> Command {
        let mut command = Command::new("curl");
        command.args(["-sSf", "--user", &format!("{USER}:{PASSWORD}")]);
        command
    }
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
