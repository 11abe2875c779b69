//! README.md and docs/operations.md as a user follows them: every command in them is run, every object in README.md is applied
//! or is the seed's.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use registrar_world::free_port;
use serde_json::{Value, json};

use crate::child::{Child, output, program};
use crate::install::{KINDS, condition, documents, helm, unversioned_chart};
use crate::kubernetes::Cluster;
use crate::registrar::PROGRAM;
use crate::spire::SpireServer;
use crate::wait::{self, SOON};
use crate::world::{ROOT, World};

const NAMESPACE: &str = "spire-system";
const LOG: &str = "registrar-readme";

/// A fenced block, with the heading that it stands under.
struct Block {
    heading: String,
    language: String,
    text: String,
}

fn blocks(file: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(Path::new(ROOT).join(file)).unwrap();
    let (mut blocks, mut heading, mut open) = (Vec::new(), String::new(), None::<Block>);
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                let (heading, language) = (heading.clone(), language.to_owned());
                open = Some(Block { heading, language, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.text += &format!("{line}\n"),
            (None, None) if line.starts_with('#') => {
                heading = line.trim_start_matches(['#', ' ']).to_owned();
            }
            (None, None) => {}
        }
    }
    blocks
}

/// A folder with the checkout's files in it, where commands may write.
struct Desk<'a> {
    world: &'a World,
    folder: PathBuf,
    kubeconfig: PathBuf,
}

impl<'a> Desk<'a> {
    /// For a user whose kubectl is at this management cluster, and by context `workload` at a workload cluster.
    fn set(world: &'a World, name: &str, management: &Cluster, spire: &SpireServer) -> Self {
        let folder = world.folder.join(name);
        std::fs::create_dir(&folder).unwrap();
        for entry in ["crds", "plugins", "tests"] {
            symlink(Path::new(ROOT).join(entry), folder.join(entry)).unwrap();
        }
        // What a user edits, and the chart without the versions that it is for: see install.
        output(Command::new("cp").arg("-r").arg(Path::new(ROOT).join("deploy")).arg(folder.join("deploy")));
        let chart = folder.join("deploy/helm/spire-eks-workload-registrar/Chart.yaml");
        std::fs::copy(Path::new(&unversioned_chart(world)).join("Chart.yaml"), chart).unwrap();

        let part = |cluster: &Cluster, kind: &str, name: &str| {
            let text = std::fs::read_to_string(&cluster.kubeconfig).unwrap();
            let mut part = serde_json::from_str::<Value>(&text).unwrap()[kind][0].clone();
            part["name"] = json!(name);
            part
        };
        let workload = world.cluster("workload-cluster");
        let both =
            |kind: &str| json!([part(management, kind, "management"), part(workload, kind, "workload")]);
        let context = |name: &str| json!({"name": name, "context": {"cluster": name, "user": name}});
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "management",
            "clusters": both("clusters"), "users": both("users"),
            "contexts": [context("management"), context("workload")],
        });
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, config.to_string()).unwrap();

        // There is no kubelet here: what it would be asked is answered in its place.
        let bin = folder.join("bin");
        std::fs::create_dir(&bin).unwrap();
        let kubectl = format!(
            r#"#!/usr/bin/env bash
            set -euo pipefail
            case $1 in
            logs) cat '{log}' ;;
            exec)
                while [ "$1" != -- ]; do shift; done
                [ "$2" = /opt/spire/bin/spire-server ]
                shift 2
                '{parts}/spire-server' "$@" -socketPath '{socket}'
                ;;
            *) '{parts}/kubectl' "$@" ;;
            esac
            "#,
            log = world.folder.join(format!("{LOG}.log")).display(),
            parts = world.parts.display(),
            socket = spire.socket.display(),
        );
        let spire_server = format!(
            "#!/usr/bin/env bash\nexec '{}/spire-server' \"$@\" -socketPath '{}'\n",
            world.parts.display(),
            spire.socket.display()
        );
        for (name, script) in [("kubectl", kubectl), ("spire-server", spire_server)] {
            std::fs::write(bin.join(name), script).unwrap();
            std::fs::set_permissions(bin.join(name), PermissionsExt::from_mode(0o755)).unwrap();
        }
        Self { world, folder, kubeconfig }
    }

    fn run(&self, block: &Block) -> String {
        // What a user puts in.
        let script = block.text.replace("REGISTRY/", "registry.example/");
        let script = script.replace("eksclusterregistry NAME ", "eksclusterregistry workload-cluster ");
        let script = script.replace("workloadidentity NAME ", "workloadidentity test-app-identity ");
        let helm = helm(self.world, &[]);
        let program = Path::new(PROGRAM).parent().unwrap();
        let inherited = std::env::var("PATH").unwrap();
        let path = [&self.folder.join("bin"), &self.world.parts, program]
            .map(|folder: &Path| folder.display().to_string())
            .join(":");
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &script]).current_dir(&self.folder);
        command.envs(helm.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.envs(self.world.aws_variables());
        command.env("PATH", format!("{path}:{inherited}")).env("KUBECONFIG", &self.kubeconfig);
        let said = output(&mut command);
        println!("--- {}\n{}{said}", block.heading, block.text);
        said
    }
}

fn of<'a>(blocks: &'a [Block], heading: &str, language: &str) -> &'a Block {
    let found = blocks.iter().find(|block| block.heading == heading && block.language == language);
    found.unwrap_or_else(|| panic!("README.md has no {language} under {heading:?}"))
}

/// What a kubelet makes of the Deployment, but for its container.
fn start(world: &World, cluster: &Cluster, spire: &SpireServer) -> Child {
    let map =
        cluster.get(&format!("/api/v1/namespaces/{NAMESPACE}/configmaps/controller-manager-config")).unwrap();
    let mut config = documents(map["data"]["config.yaml"].as_str().unwrap()).remove(0);
    config["spireServerSocketPath"] = json!(spire.socket);
    // So that all is compared while the test looks; and the kinds' sections show what safe guardrails do not allow.
    config["gcInterval"] = json!("2s");
    for key in ["metrics", "health", "webhook", "guardrails"] {
        config.as_object_mut().unwrap().remove(key);
    }
    config["metrics"] = json!({"bindAddress": "0"});
    config["admin"] = json!({"bindAddress": "0"});
    config["health"] = json!({"healthProbeBindAddress": "0"});
    let file = world.folder.join("readme.yaml");
    std::fs::write(&file, config.to_string()).unwrap();
    let token = cluster.kubectl(&["create", "token", "spire-eks-workload-registrar", "-n", NAMESPACE]);
    let kubeconfig = cluster.kubeconfig_of("registrar", token.trim());
    let mut command = program(PROGRAM);
    command.args(["run", "--config"]).arg(file).env("KUBECONFIG", kubeconfig).envs(world.aws_variables());
    command.env("LOG_LEVEL", "info,spire_eks_workload_registrar=debug");
    Child::start(LOG, &mut command, &world.folder)
}

pub fn every_command_is_run(world: &World) {
    let blocks = blocks("README.md");
    for block in &blocks {
        // What is not run is what was said, or a drawing.
        let is_known = ["bash", "yaml", "console", ""].contains(&block.language.as_str());
        assert!(is_known, "README.md, {}: {} is neither run nor shown", block.heading, block.language);
    }
    let mut left: Vec<&Block> = blocks.iter().filter(|block| block.language == "bash").collect();
    let mut take = |heading: &str| {
        let at = left.iter().position(|block| block.heading == heading);
        left.remove(at.unwrap_or_else(|| panic!("README.md has no commands under {heading:?}")))
    };
    let folder = world.folder.join("readme-spire");
    std::fs::create_dir(&folder).unwrap();
    let spire = SpireServer::start(&world.parts, &folder, "server", free_port(), None);

    // Installed once as the one section says, and once as the other.
    let by_helm = world.empty_cluster("readme-helm");
    let desk = Desk::set(world, "readme-helm-desk", &by_helm, &spire);
    let notes = desk.run(take("Production Deployment"));
    assert!(
        notes.contains("kubectl wait --for=condition=Ready eksclusterregistry/workload-cluster"),
        "{notes}"
    );
    drop(by_helm);
    let cluster = world.empty_cluster("readme");
    let desk = Desk::set(world, "readme-desk", &cluster, &spire);
    let map = desk.folder.join("deploy/kustomize/configmap.yaml");
    let text = std::fs::read_to_string(&map).unwrap();
    let text = text.replace("trustDomain: \"\"", "trustDomain: example.org");
    let text = text.replace("region: \"\"", "region: us-west-2");
    std::fs::write(&map, text).unwrap();
    desk.run(take("Quick Install"));

    // Its own objects, and a pod for them.
    let running = start(world, &cluster, &spire);
    let kinds =
        ["EKSClusterRegistry", "WorkloadIdentity"].map(|kind| of(&blocks, kind, "yaml").text.as_str());
    let manifests = kinds.join("---\n");
    std::fs::write(desk.folder.join("manifests.yaml"), &manifests).unwrap();
    cluster.kubectl_with(&["apply", "-f", "-"], &manifests);
    let workload = world.cluster("workload-cluster");
    workload.node("node-1");
    let pod = workload.pod("test-app", "readme-0", "test-app", Some("node-1"));
    assert_eq!(spire.entry_of(&pod).spiffe_id(), "spiffe://example.org/ns/test-app/sa/test-app");
    for path in ["eksclusterregistries/workload-cluster", "workloadidentities/test-app-identity"] {
        wait::until(&format!("{path} to be Ready"), SOON, || {
            let told = condition(&cluster, path, "Ready");
            if told["status"] == "True" { Ok(()) } else { Err(told.to_string()) }
        });
    }
    wait::until("all entries to be compared", SOON, || {
        let log = std::fs::read_to_string(world.folder.join(format!("{LOG}.log"))).unwrap();
        if log.contains("garbage collection") { Ok(()) } else { Err(log) }
    });

    // All else, as it comes.
    let kinds_of_others = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "clusterspiffeids.spire.spiffe.io"},
        "spec": {
            "group": "spire.spiffe.io",
            "scope": "Cluster",
            "names": {"kind": "ClusterSPIFFEID", "plural": "clusterspiffeids"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    cluster.kubectl_with(&["apply", "-f", "-"], &kinds_of_others.to_string());
    cluster.kubectl(&["wait", "--for=condition=Established", "crd/clusterspiffeids.spire.spiffe.io"]);
    let theirs = format!("{ROOT}/tests/cases/migrate/all-fields/clusterspiffeids.yaml");
    wait::until("the kind to be served", SOON, || {
        cluster.try_kubectl(&["apply", "-f", &theirs], "").map(drop)
    });
    for (heading, told) in [
        ("Plugins", "cost-centre"),
        ("Guardrails, the brake, modes", "test-app-identity annotated"),
        ("Moving in", ""),
        ("Which entries would my pods get?", "spiffe://example.org/ns/test-app/sa/test-app"),
        ("Check Controller Status", "Successfully created SPIRE entry"),
        ("Verify Resources", "InStep"),
        ("Verify SPIRE Entries", "spiffe://example.org/ns/test-app/sa/test-app"),
        ("Cluster Connection Failures", "pod/readme-0"),
        ("No Entries Created", "readme-0"),
        ("Stale Entries", "garbage collection"),
    ] {
        let said = desk.run(take(heading));
        assert!(said.contains(told), "README.md, {heading}: {told:?} is not in {said}");
    }
    wait::until("the full reconciliation to be told", SOON, || {
        let path = format!("{KINDS}/workloadidentities/test-app-identity");
        let asked = cluster.get(&path).unwrap().pointer("/metadata/annotations/reconcile").cloned();
        let events = cluster.kubectl(&["get", "events", "--field-selector", "reason=Reconciled"]);
        let is_told = events.contains("workloadidentity/test-app-identity");
        if asked.is_none() && is_told { Ok(()) } else { Err(format!("{asked:?}, {events}")) }
    });
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/spire-eks-workload-registrar");
    let installed = cluster.get(&path).unwrap();
    let variables = installed["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    assert!(variables.contains(&json!({"name": "LOG_LEVEL", "value": "debug"})), "{variables:?}");
    assert!(left.is_empty(), "README.md, {}: no test runs it", left[0].heading);
    let identities = std::fs::read_to_string(desk.folder.join("identities.yaml")).unwrap();
    assert!(
        documents(&identities).iter().all(|document| document["kind"] == "WorkloadIdentity"),
        "{identities}"
    );

    // An image takes too long here: what it would be made by.
    let text = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    assert!(text.contains("`make image IMAGE=REGISTRY/spire-eks-workload-registrar`"));
    let image = "registry.example/spire-eks-workload-registrar";
    let mut make = Command::new("make");
    make.args(["--dry-run", "image", &format!("IMAGE={image}")]).current_dir(ROOT);
    assert!(output(&mut make).contains(image));

    // The examples are the seed's, which other tests apply.
    for (heading, file) in [
        ("Example 1: Basic Web Application", "example-1.yaml"),
        ("Example 2: Multi-cluster Microservices", "example-2.yaml"),
        ("Example 3: Cross-Account Setup", "example-3.yaml"),
    ] {
        let seed = std::fs::read_to_string(crate::world::seed(file)).unwrap();
        assert_eq!(documents(&of(&blocks, heading, "yaml").text), documents(&seed), "README.md, {heading}");
    }
    for path in ["workloadidentities/test-app-identity", "eksclusterregistries/workload-cluster"] {
        cluster.delete(&format!("/apis/eksclusterregistry.spire.spiffe.io/v1alpha1/{path}"), 0);
    }
    spire.wait_for_none_of(&pod.uid);
    running.stop();
    pod.delete();
}

pub fn every_command_of_operations_is_run(world: &World) {
    let blocks = blocks("docs/operations.md");
    let mut left: Vec<&Block> = blocks.iter().filter(|block| block.language == "bash").collect();
    let mut take = |heading: &str| {
        let at = left.iter().position(|block| block.heading == heading);
        left.remove(at.unwrap_or_else(|| panic!("docs/operations.md has no commands under {heading:?}")))
    };
    let folder = world.folder.join("operations-spire");
    std::fs::create_dir(&folder).unwrap();
    let spire = SpireServer::start(&world.parts, &folder, "server", free_port(), None);
    let by_helm = world.empty_cluster("operations-helm");
    let desk = Desk::set(world, "operations-helm-desk", &by_helm, &spire);
    desk.run(take("Install"));
    assert!(desk.run(take("Upgrade")).contains("REVISION: 2"));
    assert!(desk.run(take("Roll back")).contains("Rollback was a success"));
    desk.run(take("The release"));
    drop(by_helm);
    let cluster = world.empty_cluster("operations");
    let desk = Desk::set(world, "operations-desk", &cluster, &spire);
    let map = desk.folder.join("deploy/kustomize/configmap.yaml");
    let text =
        std::fs::read_to_string(&map).unwrap().replace("trustDomain: \"\"", "trustDomain: example.org");
    std::fs::write(&map, text).unwrap();
    desk.run(take("Install"));
    desk.run(take("Install"));
    for file in ["kinds.yaml", "example-1.yaml"] {
        cluster.kubectl(&["apply", "-f", &crate::world::seed(file)]);
    }
    assert!(desk.run(take("Ways to SPIRE")).contains("spiffe://example.org/spire-eks-workload-registrar"));
    assert!(desk.run(take("RegistrarClusterSilent")).contains("patched"));
    for heading in
        ["The right cluster", "SPIRE restored from an old backup", "A cluster or an account is closed"]
    {
        let said = desk.run(take(heading));
        assert!(said.contains("annotated") || said.contains("deleted"), "{heading}: {said}");
    }
    // There is no registrar here: what it would tell of a rollout is told in its place.
    let web = json!({
        "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1", "kind": "WorkloadIdentity",
        "metadata": {"name": "web"},
        "spec": {"applicationName": "web", "namespace": "web", "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/web"},
    });
    let path = format!("{KINDS}/workloadidentities/web");
    cluster.apply(&path, &web);
    let done = json!({"type": "RolledOut", "status": "True", "reason": "Complete", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let rollout = json!({"stableSpec": {}, "progress": "3/30"});
    cluster.patch(&format!("{path}/status"), &json!({"status": {"conditions": [done], "rollout": rollout}}));
    let said = desk.run(take("Rolling an edit out"));
    assert!(said.contains("3/30") && said.contains("condition met"), "{said}");
    let said = desk.run(take("The release"));
    assert!(said.contains("deleted"), "{said}");
    // Those need the registrar, and run in the order in which it is installed and taken away: see install.
    for heading in ["Entries go", "Entries stay"] {
        take(heading);
    }
    assert!(left.is_empty(), "docs/operations.md, {}: no test runs it", left[0].heading);
}
