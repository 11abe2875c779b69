//! Plugins: what the API server refuses of `spec.plugin`, and components out of a ConfigMap and out of a registry whose
//! entries stand in SPIRE.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use data_encoding::BASE64;
use registrar_core::plugin::Digest;
use serde_json::{Value, json};

use crate::images::{Images, PASSWORD, USER};
use crate::registrar::{self, PULL_SECRET, WRONG_SECRET};
use crate::world::{REGISTRAR_USER, ROOT, World};

const SHA: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn identity(name: &str, spec: &Value) -> Value {
    let mut all = json!({"applicationName": name, "namespace": "plugins"});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({"apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1", "kind": "WorkloadIdentity",
        "metadata": {"name": name}, "spec": all})
}

pub fn combinations_that_make_no_sense_are_refused_with_a_sentence(world: &World) {
    let file = json!({"source": {"file": "/a.wasm"}, "sha256": SHA});
    let with = |key: &str, value: Value| {
        let mut plugin = file.clone();
        plugin[key] = value;
        json!({"plugin": plugin})
    };
    let image = format!("oci://registry.example/a@sha256:{SHA}");
    let template = "spiffe://{{ .TrustDomain }}/a";
    let mut both = with("failurePolicy", json!("Keep"));
    both["spiffeIDTemplate"] = json!(template);
    let refused = [
        (json!({}), "spiffeIDTemplate is required where no plugin decides"),
        (both.clone(), "with failurePolicy Keep a plugin decides alone"),
        (with("failurePolicy", json!("Fallback")), "falls back to spiffeIDTemplate, which is absent"),
        (with("failurePolicy", json!("Never")), "supported values: \"Keep\", \"Fallback\""),
        (with("source", json!({})), "exactly one of image, configMap, url and file is required"),
        (
            with("source", json!({"file": "/a", "url": "https://a/b"})),
            "exactly one of image, configMap, url and file",
        ),
        (json!({"plugin": {"source": {"file": "/a"}}}), "sha256 is required, except for an image"),
        (with("sha256", json!("abc")), "spec.plugin.sha256"),
        (with("pullSecret", json!("login")), "pullSecret is for images"),
        (with("source", json!({"image": "registry.example/a:1.0"})), "spec.plugin.source.image"),
    ];
    for (spec, told) in &refused {
        let object = identity("refused", spec).to_string();
        let error = world.management.try_kubectl(&["apply", "-f", "-"], &object).unwrap_err();
        assert!(error.contains(told), "{spec}: {error}");
    }
    both["plugin"]["failurePolicy"] = json!("Fallback");
    both["plugin"]["config"] = json!({"any": [1, {"json": null}], "text": "x"});
    for spec in [
        both,
        json!({"plugin": {"source": {"image": image}, "pullSecret": "login"}}),
        json!({"plugin": file}),
    ] {
        let object = identity("accepted", &spec).to_string();
        world.management.kubectl_with(&["apply", "--dry-run=server", "-f", "-"], &object);
    }
}

pub fn a_component_in_a_config_map_gives_entries(world: &World) {
    let cluster = world.workload_cluster();
    cluster.node("node-1");
    let component = std::fs::read(format!("{ROOT}/plugins/team-path/team-path.wasm")).unwrap();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "team-path", "namespace": "spire-system"},
        "binaryData": {"team-path.wasm": BASE64.encode(&component)}});
    world.management.kubectl_with(&["apply", "-f", "-"], &map.to_string());
    let source =
        json!({"configMap": {"namespace": "spire-system", "name": "team-path", "key": "team-path.wasm"}});
    let digest = |bytes: &[u8]| Digest::of(bytes).to_string().replace("sha256:", "");
    let config = json!({"path": [{"text": "teams"}, {"label": "app"}],
        "allow": [{"namespaces": ["plugins"], "paths": ["/teams/*"]}]});
    let plugin = |sha: String| {
        identity(
            "team-path",
            &json!({"plugin": {"source": source, "sha256": sha, "config": config},
            "podSelector": {"matchLabels": {"app": "payments"}}, "clusterSelector": {"matchLabels": {"type": "workload"}}}),
        )
        .to_string()
    };
    let apply = |object: &str| drop(world.management.kubectl_with(&["apply", "-f", "-"], object));
    apply(&plugin(digest(&component)));
    let pod = cluster.pod("plugins", "payments-1", "payments", Some("node-1"));
    let entry = world.spire.entry_of(&pod);
    assert_eq!(entry.0["spiffe_id"]["path"], "/teams/payments");
    world.wait_for("workloadidentities/team-path", "Ready", "True");
    let loaded = world.wait_for("workloadidentities/team-path", "PluginLoaded", "True");
    println!("team-path: {}", loaded["message"]);
    // A digest that nothing there has: the entry stands, and why is told.
    apply(&plugin(digest(b"nothing")));
    let told = world.wait_for("workloadidentities/team-path", "PluginLoaded", "False");
    assert_eq!(told["reason"], "PluginDigestMismatch");
    assert_eq!(world.spire.entry_of(&pod).0["id"], entry.0["id"]);
    world.delete("workloadidentities/team-path");
    world.wait_until_gone("workloadidentities/team-path");
    world.spire.wait_for_none_of(&pod.uid);
    pod.delete();
    world.management.kubectl(&["delete", "configmap", "team-path", "--namespace", "spire-system"]);
}

/// An example, its configuration, and the path that it gives the pod of its own name.
struct Example {
    name: &'static str,
    language: &'static str,
    config: Value,
    path: &'static str,
}

fn examples() -> [Example; 3] {
    let teams = json!({"path": [{"text": "teams"}, {"label": "app"}],
        "allow": [{"namespaces": ["plugins"], "paths": ["/teams/*"]}]});
    [
        Example { name: "team-path", language: "rust", config: teams, path: "/teams/team-path" },
        Example {
            name: "javascript-example",
            language: "javascript",
            config: json!({"environments": {"test": "try"}}),
            path: "/try/plugins/javascript-example",
        },
        Example {
            name: "python-example",
            language: "python",
            config: json!({"rules": [{"namespace": "plugins", "path": "/python/{serviceAccount}"}]}),
            path: "/python/python-example",
        },
    ]
}

impl Example {
    fn file(&self) -> PathBuf {
        Path::new(ROOT).join(format!("plugins/{0}/{0}.wasm", self.name))
    }

    fn identity(&self, image: &str, pull_secret: &str) -> Value {
        identity(
            self.name,
            &json!({"plugin": {"source": {"image": image}, "pullSecret": pull_secret, "config": self.config},
            "podSelector": {"matchLabels": {"app": self.name}}, "clusterSelector": {"matchLabels": {"type": "workload"}}}),
        )
    }
}

/// Whether `plugin inspect` likes an image, and what it says of it.
fn inspect(image: &str, docker_config: &Path, arguments: &[&str], input: Stdio) -> (bool, String) {
    let mut command = registrar::command(&["plugin", "inspect", image]);
    command.args(arguments).env("DOCKER_CONFIG", docker_config).stdin(input);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

pub fn components_of_every_language_come_from_a_registry_that_asks_for_a_password(world: &World) {
    // A Python component is compiled by a debug build here.
    const COMPILED: Duration = Duration::from_secs(180);
    let cluster = world.workload_cluster();
    cluster.node("node-1");
    let images = Images::start(world);
    let login = |password: &str| json!({"auths": {&world.images: {"username": USER, "password": password}}});
    let secret = |name: &str, password: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": name, "namespace": "spire-system"},
            "stringData": {".dockerconfigjson": login(password).to_string()}})
    };
    // As the chart does for what `plugins.pullSecrets` names.
    let (_, user) = REGISTRAR_USER.rsplit_once(':').unwrap();
    let metadata = json!({"name": "pull-secrets", "namespace": "spire-system"});
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [PULL_SECRET, WRONG_SECRET],
            "verbs": ["get"]}]});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pull-secrets"},
        "subjects": [{"kind": "ServiceAccount", "name": user, "namespace": "spire-system"}]});
    let apply =
        |object: &Value| drop(world.management.kubectl_with(&["apply", "-f", "-"], &object.to_string()));
    [role, binding, secret(PULL_SECRET, PASSWORD), secret(WRONG_SECRET, "another word")]
        .iter()
        .for_each(apply);

    let mut pods = Vec::new();
    for example in examples() {
        let Ok(component) = std::fs::read(example.file()) else {
            println!(
                "left out: {}: `plugins/build {}` says why it is not there",
                example.name, example.language
            );
            continue;
        };
        let image = images.push(example.name, &component);
        let path = format!("workloadidentities/{}", example.name);
        let pod = cluster.pod("plugins", &format!("{}-1", example.name), example.name, Some("node-1"));
        if example.language == "rust" {
            // A wrong password is told as the registry's answer; the right one is all that it needs.
            apply(&example.identity(&image, WRONG_SECRET));
            let told = world.wait_for(&path, "PluginLoaded", "False");
            assert_eq!(told["reason"], "PluginNotFetched");
            let message = told["message"].as_str().unwrap();
            assert!(message.contains("answers 401 Unauthorized: see spec.plugin.pullSecret"), "{message}");
            inspected(world, &image, &login(PASSWORD));
        }
        apply(&example.identity(&image, PULL_SECRET));
        let loaded = world.wait_within(COMPILED, &path, "PluginLoaded", "True");
        println!("{}: {}", example.language, loaded["message"]);
        let entry = world.spire.entry_of(&pod);
        assert_eq!(entry.0["spiffe_id"]["path"], example.path);
        world.wait_for(&path, "Ready", "True");
        pods.push((pod, path));
    }
    // The registry goes down, and the registrar starts without it: what it kept is enough.
    drop(images);
    for (pod, path) in pods.iter().skip(1) {
        world.delete(path);
        world.wait_until_gone(path);
        world.spire.wait_for_none_of(&pod.uid);
    }
    world.stop_registrar();
    world.start_registrar();
    let late = cluster.pod("plugins", "team-path-2", "team-path", Some("node-1"));
    assert_eq!(world.spire.entry_of(&late).0["spiffe_id"]["path"], "/teams/team-path");
    let (first, path) = &pods[0];
    world.delete(path);
    world.wait_until_gone(path);
    for pod in [first, &late] {
        world.spire.wait_for_none_of(&pod.uid);
    }
    let log = world.registrar_log();
    let encoded = BASE64.encode(format!("{USER}:{PASSWORD}").as_bytes());
    assert!(!log.contains(PASSWORD) && !log.contains(&encoded), "the password is in the registrar's log");
    pods.into_iter().for_each(|(pod, _)| pod.delete());
    late.delete();
    for object in ["secret/images", "secret/images-wrong", "role/pull-secrets", "rolebinding/pull-secrets"] {
        world.management.kubectl(&["delete", object, "--namespace", "spire-system"]);
    }
}

/// `plugin inspect` with docker's login, with one by flags, and with none.
fn inspected(world: &World, image: &str, login: &Value) {
    let (with, without) = (world.folder.join("docker"), world.folder.join("no-docker"));
    std::fs::create_dir(&with).unwrap();
    std::fs::write(with.join("config.json"), login.to_string()).unwrap();
    let word = world.folder.join("password");
    std::fs::write(&word, format!("{PASSWORD}\n")).unwrap();
    let (repository, _) = image.split_once('@').unwrap();
    let latest = format!("{repository}:latest");
    let flags = ["--username", USER, "--password-stdin"];
    for (arguments, config, input) in
        [(&[][..], &with, Stdio::null()), (&flags[..], &without, std::fs::File::open(&word).unwrap().into())]
    {
        let (is_well, said) = inspect(&latest, config, arguments, input);
        assert!(is_well && said.contains(image) && said.contains("name       team-path"), "{said}");
    }
    let (is_well, said) = inspect(image, &without, &[], Stdio::null());
    assert!(!is_well && said.contains("asks for user and password: see --username"), "{said}");
}
