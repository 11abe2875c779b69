//! `explain` and `diff`: each reason why a pod has no identity, and each write of a change, from files and by the running program.

use std::path::Path;
use std::process::{Command, Output};

use registrar_proto::types::{Agent, Spiffeid};
use serde_json::Value;
use tonic::Code;

use crate::fleet::{Fleet, identity, uid};

/// Every pod of the files, some that are not there, and clusters that tell nothing.
const ASKED: &[&str] = &[
    "east/shop/web-1",
    "east/shop/api-1",
    "east/shop/web-pending",
    "east/shop/web-done",
    "east/shop/web-lost",
    "east/shop/web-fargate",
    "east/shop/odd-1",
    "east/batch/job-1",
    "east/tiers/a-1",
    "east/vault/v-1",
    "east/mend/m-1",
    "east/lab/l-1",
    "east/kube-system/dns-1",
    "east/team-b/b-1",
    "east/ghost/g-1",
    "east/twins/t-1",
    "east/payments/p-1",
    "east/payments/p-2",
    "east/unloaded/u-1",
    "east/waves/r-1",
    "east/shop/web-2",
    "east/shop/nothing-like-it",
    "eats/shop/web-1",
    "west/shop/web-1",
    "switched-off/shop/web-1",
    "mistyped/shop/web-1",
    "misread/shop/web-1",
];

fn explain(arguments: &[&str]) -> Output {
    let root = Path::new(crate::ROOT);
    let mut command = Command::new(crate::PROGRAM);
    command.current_dir(root.join("tests/cases/explain"));
    command.args([
        "explain",
        "--config",
        "config.yaml",
        "-f",
        "manifests.yaml",
        "--cluster",
        "east=east.yaml",
    ]);
    command.arg("--plugin").arg("../../../plugins/team-path/team-path.wasm").args(arguments).output().unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// The first line for everything that is asked.
fn answers() -> String {
    let answers = ASKED.iter().map(|name| {
        let Output { status, stdout, stderr } = explain(&[name]);
        let (stdout, stderr) = (text(stdout), text(stderr));
        let refused = stderr.lines().find(|line| line.starts_with("error: "));
        match (status.code(), stdout.lines().next(), refused) {
            (Some(0), Some(answer), None) => format!("{name}\n  {answer}\n"),
            (Some(1), None, Some(refused)) => format!("{name}\n  {refused}\n"),
            other => panic!("{name}: {other:?}: {stdout}{stderr}"),
        }
    });
    answers.collect()
}

#[test]
fn each_reason_is_answered_in_the_first_line() {
    crate::golden("tests/cases/explain/answers.txt", &answers());
}

#[test]
fn what_the_answer_is_made_of_follows_it() {
    for name in ["east/shop/web-1", "east/twins/t-1", "east/shop/api-1"] {
        let output = explain(&[name]);
        let file = format!("tests/cases/explain/{}.txt", name.rsplit('/').next().unwrap());
        crate::golden(&file, &text(output.stdout));
    }
    let output = explain(&["east/shop/web-1", "-o", "json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let web = json["identities"].as_array().unwrap().iter().find(|it| it["name"] == "web").unwrap();
    assert_eq!(web["entries"][0]["spiffeID"], "spiffe://example.org/ns/shop/sa/web");
    assert_eq!(json["spire"], Value::Null, "nobody asked SPIRE");
}

#[test]
fn an_id_leads_to_the_pods_that_are_to_have_it() {
    let first = |id: &str| text(explain(&[id]).stdout).lines().next().unwrap_or_default().to_owned();
    let answer = first("spiffe://example.org/teams/payments");
    assert_eq!(answer, "Pod east/payments/p-1 is to have spiffe://example.org/teams/payments.");
    let output = explain(&["spiffe://example.org/nobody"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(output.stderr).contains("no pod of the dumps is to have spiffe://example.org/nobody"));
}

#[test]
fn a_pod_that_is_only_a_manifest_is_looked_at_in_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let pod = folder.path().join("pod.yaml");
    std::fs::write(
        &pod,
        "{metadata: {name: new, namespace: shop, labels: {app: web}}, spec: {nodeName: n1}}",
    )
    .unwrap();
    let output = explain(&["--pod", pod.to_str().unwrap()]);
    let stdout = text(output.stdout);
    let answer = stdout.lines().next().unwrap();
    assert_eq!(
        answer,
        "Pod east/shop/new is to have spiffe://example.org/ns/shop/sa/default.",
        "{}",
        text(output.stderr)
    );
}

#[test]
fn bad_usage_says_what_would_be_right() {
    for (arguments, told) in [
        (
            &["shop/web-1"][..],
            "must be CLUSTER/NAMESPACE/POD, CLUSTER being the registry's name, or a SPIFFE ID",
        ),
        (&["east/shop/web-1", "--pod", "a"], "cannot be used with"),
        (&["--pod", "does-not-exist.yaml"], "does-not-exist.yaml: No such file"),
    ] {
        let output = explain(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let stderr = text(output.stderr);
        assert!(stderr.contains(told), "{stderr}");
    }
    let alone = Command::new(crate::PROGRAM)
        .args(["explain", "east/shop/web-1", "--registrar", "127.0.0.1:9"])
        .output()
        .unwrap();
    let stderr = text(alone.stderr);
    assert_eq!(alone.status.code(), Some(2));
    assert!(stderr.contains("127.0.0.1:9") && stderr.contains("--config FILE -f MANIFESTS"), "{stderr}");
}

/// What the running registrar says of a pod: the first line, and all of it as JSON.
async fn asked(fleet: &Fleet, name: &str) -> (Option<i32>, String, Value) {
    let ask = |output: &str| {
        let mut command = fleet.world.command(crate::PROGRAM);
        let admin = fleet.registrar.admin.to_string();
        command.args(["explain", name, "--registrar", &admin, "-o", output]);
        async move { command.output().await.unwrap() }
    };
    let (people, machines) = (ask("text").await, ask("json").await);
    let (stdout, stderr) = (text(people.stdout), text(people.stderr));
    let first = stdout.lines().chain(stderr.lines()).next().unwrap_or_default().to_owned();
    (people.status.code(), first, serde_json::from_slice(&machines.stdout).unwrap_or_default())
}

#[tokio::test]
async fn the_running_registrar_explains_a_pod_down_to_its_agent() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let node = uid(&fleet.cluster("east").get("nodes", None, "n1").unwrap());
    let path = format!("/spire/agent/k8s_psat/east/{node}");
    let (status, answer, json) = asked(&fleet, "east/shop/web-1").await;
    assert_eq!(status, Some(0), "{answer}");
    assert!(answer.contains("SPIRE knows no agent") && answer.contains(&path), "{answer}");
    assert_eq!(json["spire"]["entries"][0]["state"], "InStep");
    assert_eq!(json["agents"][0]["state"], "NotAttested");
    let agent = Agent {
        id: Some(Spiffeid { trust_domain: "example.org".to_owned(), path }),
        attestation_type: "k8s_psat".to_owned(),
        x509svid_expires_at: i64::from(u32::MAX),
        ..Agent::default()
    };
    fleet.world.spire.attest(agent.clone());
    let (_, answer, _) = asked(&fleet, "east/shop/web-1").await;
    assert!(answer.ends_with(", in step with SPIRE."), "{answer}");
    fleet.world.spire.attest(Agent { banned: true, ..agent });
    let (_, answer, _) = asked(&fleet, "east/shop/web-1").await;
    assert!(answer.contains("SPIRE has banned its agent"), "{answer}");
    // By its SPIFFE ID and by its entry's id the same pod is found.
    let id = json["spire"]["entries"][0]["id"].as_str().unwrap();
    for sought in ["spiffe://example.org/ns/shop/pod/web-1", id] {
        let (_, by_id, _) = asked(&fleet, sought).await;
        assert_eq!(by_id, answer);
    }
    let (status, answer, _) = asked(&fleet, "eks-nothing").await;
    assert_eq!(status, Some(1));
    assert!(answer.contains("SPIRE holds no entry of that id"), "{answer}");
    let (status, answer, _) = asked(&fleet, "east/shop/web-2").await;
    assert_eq!(
        (status, answer.as_str()),
        (Some(1), "error: cluster east has no pod shop/web-2; there is shop/web-1")
    );
}

#[tokio::test]
async fn what_spire_refuses_or_others_hold_is_the_answer() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.world.spire.refuse_entries("/web-1", Code::Internal);
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_condition("workloadidentities", "web", "Ready", "False", "SPIRERefused").await;
    let (_, answer, _) = asked(&fleet, "east/shop/web-1").await;
    assert!(answer.contains("SPIRE refused it: Internal") && answer.contains("tried again in"), "{answer}");
    fleet.pod("east", "alone", "other");
    fleet.pod("east", "web-2", "web");
    fleet.until_entries(1).await;
    let (_, answer, _) = asked(&fleet, "east/shop/alone").await;
    assert!(answer.contains("podSelector: app=web wanted, the pod has app=other"), "{answer}");
}

/// Runs a command over the files of `explain`.
fn offline(arguments: &[&str]) -> Output {
    let folder = Path::new(crate::ROOT).join("tests/cases/explain");
    Command::new(crate::PROGRAM).current_dir(folder).args(arguments).output().unwrap()
}

const PLUGIN: &str = "../../../plugins/team-path/team-path.wasm";

/// Runs `diff` of a file against the files of `explain`, with the entries in place that those give.
fn diff(file: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let entries = folder.path().join("entries.json");
    let world = ["--cluster", "east=east.yaml", "--plugin", PLUGIN];
    let render = ["render", "--config", "config.yaml", "-f", "manifests.yaml", "-o", "json"];
    // What is rendered has the shape of what SPIRE's own command prints.
    std::fs::write(&entries, offline(&[&render[..], &world].concat()).stdout).unwrap();
    let current = ["--current", "manifests.yaml", "--current-config", "config.yaml"];
    let arguments = ["diff", "-f", file, "--entries", entries.to_str().unwrap()];
    let output = offline(&[&arguments[..], &current, &world, more].concat());
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_change_is_told_entry_by_entry_before_it_is_made() {
    let (status, told, stderr) = diff("../diff/changed.yaml", &[]);
    assert_eq!(status, Some(1), "{told}{stderr}");
    crate::golden("tests/cases/diff/changed.txt", &told);
    let (_, json, _) = diff("../diff/changed.yaml", &["-o", "json", "--full"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["isCut"], false);
    let (status, told, _) = diff("manifests.yaml", &[]);
    assert_eq!(status, Some(2), "one of them cannot be used: {told}");
    let folder = tempfile::tempdir().unwrap();
    let same = folder.path().join("same.yaml");
    let manifests =
        std::fs::read_to_string(Path::new(crate::ROOT).join("tests/cases/explain/manifests.yaml")).unwrap();
    let web = manifests.split("---").find(|it| it.contains("name: web}")).unwrap();
    std::fs::write(&same, web).unwrap();
    let (status, told, stderr) = diff(same.to_str().unwrap(), &[]);
    assert_eq!((status, told.as_str()), (Some(0), "Would change no entry.\n"), "{stderr}");
}

#[test]
fn another_configuration_is_told_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    let now =
        std::fs::read_to_string(Path::new(crate::ROOT).join("tests/cases/explain/config.yaml")).unwrap();
    std::fs::write(&config, now.replace("^kube-system$", "^(kube-system|shop)$")).unwrap();
    let output = offline(&[
        "diff",
        "--config",
        config.to_str().unwrap(),
        "--current",
        "manifests.yaml",
        "--current-config",
        "config.yaml",
        "--cluster",
        "east=east.yaml",
        "--plugin",
        PLUGIN,
    ]);
    let (told, stderr) = (text(output.stdout), text(output.stderr));
    // Nothing stands in SPIRE by these files, so that nothing would be deleted; and an identity of them cannot be used.
    assert!(told.contains("mend-me: spec.ttl"), "{told}{stderr}");
}

/// docs/troubleshooting.md is made of its text and of what the commands print.
#[test]
fn the_documentation_shows_what_the_commands_print() {
    let root = Path::new(crate::ROOT);
    let source = std::fs::read_to_string(root.join("tests/cases/explain/troubleshooting.md")).unwrap();
    let lines = source.lines().map(|line| {
        let shown = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
        match shown {
            Some("answers") => answers(),
            Some("change") => diff("../diff/changed.yaml", &[]).1,
            Some("doctor") => crate::doctor::printed("stranger"),
            Some(pod) => text(explain(&[pod]).stdout),
            None => format!("{line}\n"),
        }
    });
    crate::golden("docs/troubleshooting.md", &lines.collect::<String>());
}

#[tokio::test]
async fn files_and_the_running_registrar_say_the_same() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.pod("east", "api-1", "api");
    fleet.until_entries(1).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, objects: Vec<Value>| {
        let path = folder.path().join(name);
        std::fs::write(&path, serde_json::json!({"kind": "List", "items": objects}).to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let of = |api: &registrar_world::kube::KubeApi, plurals: &[&str]| -> Vec<Value> {
        plurals.iter().flat_map(|plural| api.objects(plural)).collect()
    };
    let manifests =
        write("manifests.json", of(&fleet.world.management, &["eksclusterregistries", "workloadidentities"]));
    let dump = write("dump.json", of(fleet.cluster("east"), &["pods", "nodes", "namespaces"]));
    let config = folder.path().join("config.yaml");
    std::fs::write(&config, "{apiVersion: eksclusterregistry.spire.spiffe.io/v1alpha1, kind: ControllerManagerConfig, trustDomain: example.org}").unwrap();
    for pod in ["east/shop/web-1", "east/shop/api-1"] {
        let (_, answer, live) = asked(&fleet, pod).await;
        let output = Command::new(crate::PROGRAM)
            .args([
                "explain",
                pod,
                "-f",
                &manifests,
                "--cluster",
                &format!("east={dump}"),
                "-o",
                "json",
                "--config",
            ])
            .arg(&config)
            .output()
            .unwrap();
        let offline: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(output.stderr)));
        for part in ["pod", "cluster", "identities", "held"] {
            assert_eq!(live[part], offline[part], "{pod}: {answer}");
        }
    }
}

#[tokio::test]
async fn the_running_registrar_says_what_a_change_would_do() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    for pod in ["web-1", "web-2", "web-3"] {
        fleet.pod("east", pod, "web");
    }
    fleet.until_entries(3).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.json");
    let ask = async |spec: fn(&mut Value)| {
        let mut changed = identity("web", "web");
        spec(&mut changed["spec"]);
        std::fs::write(&file, changed.to_string()).unwrap();
        let mut command = fleet.world.command(crate::PROGRAM);
        let admin = fleet.registrar.admin.to_string();
        command.arg("diff").arg("-f").arg(&file).args(["--registrar", &admin]);
        let output = command.output().await.unwrap();
        let told = text(output.stdout) + &text(output.stderr);
        (output.status.code(), told.lines().next().unwrap_or_default().to_owned())
    };
    let same = ask(|_| ()).await;
    assert_eq!(same, (Some(0), "Would change no entry.".to_owned()));
    let ttl = ask(|spec| spec["ttl"] = "1h".into()).await;
    assert_eq!(ttl, (Some(1), "Would update 3 entries in 1 cluster.".to_owned()));
    let other = ask(|spec| spec["spiffeIDTemplate"] = "spiffe://{{ .TrustDomain }}/other".into()).await;
    let told = "Would update 3 (3 of them with another SPIFFE ID, parent or selectors) entries in 1 cluster.";
    assert_eq!(other, (Some(1), told.to_owned()));
    let none = ask(|spec| spec["namespace"] = "elsewhere".into()).await;
    assert_eq!(none, (Some(1), "Would delete 3 entries in 1 cluster.".to_owned()));
    let wrong = ask(|spec| spec["ttl"] = "soon".into()).await;
    assert_eq!(wrong.0, Some(2));
    assert!(wrong.1.starts_with("Cannot be used: WorkloadIdentity/web: spec.ttl"), "{wrong:?}");
    assert_eq!(fleet.ids().len(), 3, "asking changes nothing");
}
