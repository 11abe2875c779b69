//! The program under test, as a user starts it.

use std::path::Path;
use std::process::Command;

use crate::aws::{Aws, CLUSTERS, REGION};
use crate::child::{Child, program};
use crate::spire::TRUST_DOMAIN;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_spire-eks-workload-registrar");
/// What its log is called.
pub const NAME: &str = "registrar";
/// What the ids of its entries begin with.
pub const PREFIX: &str = "eks-";

/// Secrets that may be shown to the registry of images: the one with the right password, and the other.
pub const PULL_SECRET: &str = "images";
pub const WRONG_SECRET: &str = "images-wrong";

/// The seed's configuration file, with this world's socket, accounts and addresses and with a short lease: whoever
/// starts after a kill waits for its end. Plugins may come from the registry of images too.
pub fn configure(folder: &Path, spire_socket: &Path, [metrics, health, admin]: [u16; 3], images: &str) {
    let accounts: Vec<String> = CLUSTERS.iter().map(|cluster| format!("\"{}\"", cluster.account)).collect();
    let text = format!(
        r#"
apiVersion: eksclusterregistry.spire.spiffe.io/v1alpha1
kind: ControllerManagerConfig
trustDomain: {TRUST_DOMAIN}
clusterName: management-cluster
spireServerSocketPath: {}
entryIDPrefix: {PREFIX}
gcInterval: 10m
ignoreNamespaces:
  - "^kube-system$"
  - "^kube-public$"
  - "^kube-node-lease$"
  - "^spire-.*"
aws:
  region: {REGION}
  accountIds: [{}]
  assumeRoleArn: ""
syncPeriod: 30s
leaderElection:
  leaderElect: true
  resourceName: spire-eks-workload-registrar.spire.io
  resourceNamespace: spire-system
  leaseDuration: 3s
  renewDeadline: 2s
  retryPeriod: 500ms
metrics:
  bindAddress: 127.0.0.1:{metrics}
admin:
  bindAddress: 127.0.0.1:{admin}
health:
  healthProbeBindAddress: 127.0.0.1:{health}
  readinessEndpointName: readyz
  livenessEndpointName: healthz
plugins:
  allowedSources: ["configmap://**", "oci://{images}/plugins/*"]
  pullSecrets:
    - {{name: {PULL_SECRET}, hosts: ["{images}"]}}
    - {{name: {WRONG_SECRET}, hosts: ["{images}"]}}
  cacheDir: {}
"#,
        spire_socket.display(),
        accounts.join(", "),
        folder.join("plugins").display(),
    );
    std::fs::write(folder.join("config.yaml"), text).unwrap();
}

/// Starts it.
pub fn start(folder: &Path, kubeconfig: &Path, aws: &Aws) -> Child {
    let mut command = program(PROGRAM);
    command.args(["run", "--config"]).arg(folder.join("config.yaml")).env("KUBECONFIG", kubeconfig);
    // All that it can say, so that what it never says is known.
    command.env("LOG_LEVEL", "trace");
    aws.give(&mut command);
    Child::start(NAME, &mut command, folder)
}

/// A command of the program that needs no cluster.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments);
    command
}
