//! The `plugin` commands, the committed components, and every command of docs/plugins.md.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(crate::ROOT)
}

fn told(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn plugin(arguments: &[&str]) -> (Option<i32>, String, String) {
    told(Command::new(crate::PROGRAM).current_dir(root()).arg("plugin").args(arguments).output().unwrap())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

#[test]
fn committed_components_are_built_from_the_sources_beside_them() {
    let recorded = std::fs::read_to_string(root().join("plugins/sources.sha256")).unwrap();
    let actual = told(Command::new(root().join("plugins/sources")).output().unwrap());
    assert_eq!((actual.0, actual.2.as_str()), (Some(0), ""));
    let changed: Vec<&str> =
        actual.1.lines().filter(|line| !recorded.lines().any(|it| it == *line)).collect();
    assert!(recorded == actual.1, "`make plugins` rebuilds them; changed since: {changed:#?}");
}

#[test]
fn the_examples_decide_as_recorded() {
    for name in ["team-path", "owner-chain"] {
        let (status, stdout, stderr) = plugin(&["test", &format!("plugins/{name}")]);
        assert_eq!(status, Some(0), "{stdout}{stderr}");
        assert!(stdout.ends_with(" passed, 0 failed\n"), "{stdout}");
    }
}

/// A component that was built when this version of the interface was published, and is never built again.
#[test]
fn a_component_of_interface_0_1_0_runs_for_good() {
    let component = "tests/components/world-0.1.0.wasm";
    let (status, stdout, stderr) =
        plugin(&["test", "tests/components/world-0.1.0", "--component", component]);
    assert_eq!(status, Some(0), "{stdout}{stderr}");
    let (_, stdout, _) = plugin(&["inspect", component, "-o", "json"]);
    let inspected: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(inspected["interface"], "0.1.0");
    assert_eq!(inspected["reads"].as_array().unwrap().len(), 16, "{inspected}");
}

/// Comments may be bettered; the rest of a published interface stays.
#[test]
fn a_published_interface_is_not_changed() {
    let meaning = |path: &str| -> String {
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        text.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    let now = meaning("wit/identity.wit");
    let package = now.lines().find_map(|line| line.strip_prefix("package ")).unwrap();
    let (_, version) = package.trim_end_matches(';').split_once('@').unwrap();
    let published = meaning(&format!("tests/components/world-{version}/wit/identity.wit"));
    assert!(now == published, "{version} is published: a change is a new version");
}

#[test]
fn inspect_tells_what_a_file_is() {
    let (status, stdout, _) = plugin(&["inspect", "plugins/owner-chain/owner-chain.wasm", "-o", "json"]);
    assert_eq!(status, Some(0));
    let told: Value = serde_json::from_str(&stdout).unwrap();
    let size = std::fs::metadata(root().join("plugins/owner-chain/owner-chain.wasm")).unwrap().len();
    assert_eq!((told["size"].as_u64(), &told["problem"]), (Some(size), &Value::Null));
    assert_eq!(told["imports"], serde_json::json!([]));
    for (file, why) in [("README.md", "PluginNotWasm"), ("nosuch", "No such file")] {
        let (status, _, stderr) = plugin(&["inspect", file]);
        assert_eq!(status, Some(if file == "nosuch" { 2 } else { 3 }));
        assert!(stderr.contains(why), "{stderr}");
    }
}

#[test]
fn inspect_tells_code_that_was_compiled_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("team-path.cwasm");
    let component = std::fs::File::open(root().join("plugins/team-path/team-path.wasm")).unwrap();
    let mut compiler = Command::new(crate::PROGRAM);
    compiler.args(["compile-component", "--seconds", "600", "--memory", "4000000000"]);
    let compiled = compiler.stdin(component).output().unwrap();
    assert!(compiled.status.success(), "{compiled:?}");
    std::fs::write(&path, compiled.stdout).unwrap();
    let (status, stdout, stderr) = plugin(&["inspect", path.to_str().unwrap(), "-o", "json"]);
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((status, &told["precompiled"]), (Some(3), &Value::Bool(true)), "{told}");
    assert!(stderr.contains("PluginPrecompiled: is native code that wasmtime compiled before"), "{stderr}");
}

/// `plugin inspect` of an image, with this folder as docker's and with programs of it on the path.
async fn inspect(
    image: &str,
    docker: &Path,
    arguments: &[&str],
    input: &str,
) -> (Option<i32>, String, String) {
    use tokio::io::AsyncWriteExt as _;
    let path = format!("{}:{}", docker.display(), std::env::var("PATH").unwrap());
    let mut command = tokio::process::Command::new(crate::PROGRAM);
    command.args(["plugin", "inspect", image]).args(arguments).env("DOCKER_CONFIG", docker).env("PATH", path);
    command.env("REGISTRY_AUTH_FILE", docker.join("podman.json"));
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    told(child.wait_with_output().await.unwrap())
}

#[tokio::test]
async fn inspect_pulls_an_image_with_the_login_that_its_user_has() {
    use std::os::unix::fs::PermissionsExt as _;
    let registry = registrar_world::registry::Registry::start().await;
    let component = std::fs::read(root().join("plugins/team-path/team-path.wasm")).unwrap();
    let image = registry.push("plugins/team-path", &component);
    let latest = format!("oci://{}/plugins/team-path:latest", registry.host());
    let (folder, nothing) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (docker, nothing) = (folder.path(), nothing.path());
    // A registry that asks for nothing; a tag is told as the digest that it is.
    let (status, stdout, stderr) = inspect(&latest, nothing, &["-o", "json"], "").await;
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((told["image"].as_str(), told["name"].as_str()), (Some(image.as_str()), Some("team-path")));
    registry.ask_for("reader", "secret-word");
    let (status, _, stderr) = inspect(&image, nothing, &[], "").await;
    assert_eq!(status, Some(3));
    assert!(stderr.contains("401 Unauthorized: see --username, or log in as for docker"), "{stderr}");
    let flags = ["--username", "reader", "--password-stdin"];
    assert_eq!(inspect(&image, nothing, &flags, "secret-word\n").await.0, Some(0));
    assert_eq!(inspect(&image, nothing, &flags, "another word").await.0, Some(3));
    let login = serde_json::json!({"username": "reader", "password": "secret-word"});
    let auths = serde_json::json!({"auths": {registry.host(): login}}).to_string();
    std::fs::write(docker.join("podman.json"), &auths).unwrap();
    assert_eq!(inspect(&image, docker, &[], "").await.0, Some(0), "podman's");
    std::fs::remove_file(docker.join("podman.json")).unwrap();
    std::fs::write(docker.join("config.json"), &auths).unwrap();
    assert_eq!(inspect(&latest, docker, &[], "").await.0, Some(0), "docker's");
    // A helper has it, or says that it has not, or is not there.
    let helper = docker.join("docker-credential-drawer");
    let helps = serde_json::json!({"credHelpers": {registry.host(): "drawer"}}).to_string();
    std::fs::write(docker.join("config.json"), helps).unwrap();
    let (status, _, stderr) = inspect(&image, docker, &[], "").await;
    assert!(status == Some(2) && stderr.contains("credential helper"), "{stderr}");
    for (script, expected) in [
        ("cat >/dev/null; echo '{\"Username\": \"reader\", \"Secret\": \"secret-word\"}'", 0),
        ("cat >/dev/null; echo 'credentials not found in native keychain'; exit 1", 3),
        ("cat >/dev/null; echo secret-word; exit 1", 2),
    ] {
        std::fs::write(&helper, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
        let (status, stdout, stderr) = inspect(&image, docker, &[], "").await;
        assert_eq!(status, Some(expected), "{script}: {stderr}");
        assert!(!stdout.contains("secret-word") && !stderr.contains("secret-word"), "{stdout}{stderr}");
    }
    let (status, _, stderr) = inspect("oci://registry.example", nothing, &[], "").await;
    assert!(status == Some(3) && stderr.contains("names no repository"), "{stderr}");
    let (status, _, stderr) = inspect("oci://registry.example/a", nothing, &[], "").await;
    assert!(status == Some(3) && stderr.contains("names neither a digest nor a tag"), "{stderr}");
}

#[test]
fn run_tells_the_decision_and_its_exit_status() {
    let run = |component: &str, case: &str, config: &str| {
        let (node, pod) =
            (format!("{component}/cases/node.yaml"), format!("{component}/cases/{case}/pod.yaml"));
        let name = Path::new(component).file_name().unwrap().to_str().unwrap();
        let file = format!("{component}/{name}.wasm");
        plugin(&["run", &file, "--config", config, "--pod", &pod, "--node", &node, "-o", "json"])
    };
    let (status, stdout, stderr) = run("plugins/owner-chain", "deployment", "{}");
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(told["decision"]["identities"].as_array().unwrap().len(), 4, "{told}");
    assert!(told["used"]["fuel"].as_u64().unwrap() > 1000, "{told}");
    let (status, stdout, _) = run("plugins/owner-chain", "deployment", r#"{"kinds": []}"#);
    assert_eq!(status, Some(3), "{stdout}");
    assert!(stdout.contains("spec.plugin.config.kinds"), "{stdout}");
    let config = "@plugins/team-path/cases/config.json";
    assert_eq!(run("plugins/team-path", "no-segment", config).0, Some(4));
    assert_eq!(run("plugins/team-path", "denied", config).0, Some(0), "a refusal is a decision");
    assert_eq!(run("plugins/team-path", "denied", "{").0, Some(2));
    assert_eq!(run("plugins/team-path", "nosuch", config).0, Some(2));
}

#[test]
fn facts_that_no_file_gives_are_told() {
    let pod = "plugins/team-path/cases/allowed/pod.yaml";
    let world = "tests/components/world-0.1.0.wasm";
    let (status, _, stderr) = plugin(&["run", world, "--pod", pod, "--config", r#"{"say": "deny"}"#]);
    assert_eq!(status, Some(0), "{stderr}");
    for told in [
        "reads node-uid, node-labels, and --node is not given",
        "reads namespace-labels, and --namespace is not given",
        "reads cluster-name, cluster-labels, account-id, region, and --cluster is not given",
    ] {
        assert!(stderr.contains(told), "{stderr}");
    }
}

#[test]
fn a_case_that_differs_is_shown_and_can_be_recorded() {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("plugins/team-path"), folder.path());
    let path = folder.path().to_str().unwrap();
    let decision = folder.path().join("cases/denied/decision.json");
    std::fs::write(&decision, "{\n  \"skip\": \"no\"\n}\n").unwrap();
    let (status, stdout, _) = plugin(&["test", path]);
    assert_eq!(status, Some(1));
    assert!(stdout.contains("-  \"skip\": \"no\"\n+  \"deny\": \"no rule"), "{stdout}");
    assert!(stdout.ends_with("5 passed, 1 failed\n"), "{stdout}");
    let (status, stdout, _) = plugin(&["test", path, "-o", "json"]);
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((status, told["failed"].as_u64()), (Some(1), Some(1)));
    assert_eq!(told["cases"][3]["status"], "differs", "{told}");
    assert_eq!(plugin(&["test", path, "--bless"]).0, Some(0));
    assert_eq!(plugin(&["test", path]).0, Some(0));
    let recorded = root().join("plugins/team-path/cases/denied/decision.json");
    assert_eq!(std::fs::read(decision).unwrap(), std::fs::read(recorded).unwrap());
    std::fs::copy(folder.path().join("team-path.wasm"), folder.path().join("another.wasm")).unwrap();
    let (status, _, stderr) = plugin(&["test", path]);
    assert!(status == Some(2) && stderr.contains("--component must say which"), "{stderr}");
}

#[test]
fn a_new_project_is_written_once_and_under_a_name_that_cargo_takes() {
    let folder = tempfile::tempdir().unwrap();
    let new = |arguments: &[&str]| {
        let mut command = Command::new(crate::PROGRAM);
        told(command.current_dir(folder.path()).args(["plugin", "new"]).args(arguments).output().unwrap())
    };
    let sdk = root().join("plugins/sdk");
    let (status, stdout, stderr) = new(&["mine", "--sdk", sdk.to_str().unwrap()]);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stdout.lines().any(|line| line == "mine/src/lib.rs"), "{stdout}");
    let manifest = std::fs::read_to_string(folder.path().join("mine/Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"mine\"") && manifest.contains("plugins/sdk"), "{manifest}");
    for (arguments, why) in [
        (&["mine", "--sdk", sdk.to_str().unwrap()][..], "File exists"),
        (&["Mine"], "small letters"),
        (&["1st"], "begin with a letter"),
        (&["other"], "--sdk must say where the SDK is"),
        (&["other", "--sdk", "."], "holds no Cargo.toml"),
        (&["other", "--sdk", "https://host/repository"], "must end in #REVISION"),
    ] {
        let (status, _, stderr) = new(arguments);
        assert!(status == Some(2) && stderr.contains(why), "{arguments:?}: {stderr}");
    }
    let (status, _, stderr) = new(&["remote", "--sdk", "https://host/repository#v1"]);
    assert_eq!(status, Some(0), "{stderr}");
    let manifest = std::fs::read_to_string(folder.path().join("remote/Cargo.toml")).unwrap();
    assert!(manifest.contains(r#"{ git = "https://host/repository", rev = "v1" }"#), "{manifest}");
}

/// A block of docs/plugins.md: its mark, its text, and what it is to print, where the document says so.
fn blocks() -> Vec<(String, String, Option<String>)> {
    let text = std::fs::read_to_string(root().join("docs/plugins.md")).unwrap();
    let mut blocks: Vec<(String, String, Option<String>)> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(mark) = line.strip_prefix("```") else { continue };
        let body: String =
            lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        match blocks.last_mut() {
            Some(last) if mark == "text" => last.2 = Some(body),
            _ => blocks.push((mark.to_owned(), body, None)),
        }
    }
    blocks
}

/// Runs a block by bash with the program on its path.
fn bash(folder: &Path, script: &str) -> String {
    let programs = Path::new(crate::PROGRAM).parent().unwrap().to_str().unwrap();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(folder).env("PATH", path);
    // The tutorial's plugin is built where the tutorial says.
    command.env_remove("CARGO_TARGET_DIR").env_remove("RUSTUP_TOOLCHAIN");
    let (status, stdout, stderr) = told(command.output().unwrap());
    assert_eq!(status, Some(0), "{script}\n{stdout}\n{stderr}");
    stdout
}

#[test]
fn the_documents_first_look_is_as_written() {
    let mut count = 0;
    for (_, script, printed) in blocks().into_iter().filter(|(mark, _, _)| mark == "bash try") {
        assert_eq!(bash(&root(), &script), printed.expect(&script), "{script}");
        count += 1;
    }
    assert!(count >= 4, "{count}");
}

/// Needs the compiler for Wasm and what `plugins/build` installs: `make test-plugins`.
#[test]
#[ignore = "needs a compiler for Wasm: make test-plugins"]
fn built_plugins_tutorial_is_as_written() {
    let clone = tempfile::tempdir().unwrap();
    copy(&root().join("plugins/sdk"), &clone.path().join("plugins/sdk"));
    for file in ["plugins/Cargo.toml", "plugins/Cargo.lock"] {
        std::fs::copy(root().join(file), clone.path().join(file)).unwrap();
    }
    for member in ["team-path", "owner-chain"] {
        copy(&root().join("plugins").join(member), &clone.path().join("plugins").join(member));
    }
    let scripts: Vec<String> =
        blocks().into_iter().filter(|(mark, _, _)| mark == "bash build").map(|it| it.1).collect();
    assert!(scripts.len() >= 4, "{}", scripts.len());
    // Where rustup has no compiler for Wasm, the reader takes the one that the document names beside it.
    let compiler = told(Command::new(root().join("plugins/wasm-cargo")).arg("--compiler").output().unwrap());
    assert_eq!(compiler.0, Some(0), "{}", compiler.2);
    let instead = match compiler.1.trim() {
        "debian" => {
            format!(
                "rustup() {{ :; }}; cargo() {{ case \"$1\" in build) {}/plugins/wasm-cargo \"$@\";; *) command cargo \"$@\";; esac; }}\n",
                crate::ROOT
            )
        }
        _ => String::new(),
    };
    // One shell, as a reader has: the first block goes into the project's folder.
    let printed = bash(clone.path(), &(instead + &scripts.join("\n")));
    for told in [
        "cost-centre 0.1.0: 2 passed, 0 failed",
        "+  \"deny\": \"namespace shop has no label cost-centre\"",
        "cost-centre 0.1.0: 1 passed, 2 recorded",
        "spiffe://example.org/cc-4711/shop/web",
    ] {
        assert!(printed.contains(told), "{told} is not in\n{printed}");
    }
}

/// The cases of the examples whose components are not committed, where they were built.
#[test]
#[ignore = "needs what `make plugins` builds"]
fn built_plugins_decide_as_recorded() {
    let mut tested = BTreeMap::new();
    for name in ["javascript-example", "python-example"] {
        let folder = format!("plugins/{name}");
        if !root().join(&folder).join(format!("{name}.wasm")).exists() {
            println!("{name} was not built on this machine");
            continue;
        }
        let (status, stdout, stderr) = plugin(&["test", &folder]);
        assert_eq!(status, Some(0), "{stdout}{stderr}");
        tested.insert(name, stdout);
    }
    assert!(!tested.is_empty(), "neither was built: `make plugins` says why");
}
