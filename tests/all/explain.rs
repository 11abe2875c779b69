//! `explain`: each reason why a pod has no identity is answered in the first line, from files and by the running program.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

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
    "east/shop/web-2",
    "east/shop/nothing-like-it",
    "eats/shop/web-1",
    "west/shop/web-1",
    "switched-off/shop/web-1",
    "mistyped/shop/web-1",
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

#[test]
fn each_reason_is_answered_in_the_first_line() {
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
    crate::golden("tests/cases/explain/answers.txt", &answers.collect::<String>());
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
    assert_eq!(json["identities"][0]["verdict"], "NotSelected");
    let web = json["identities"].as_array().unwrap().iter().find(|it| it["name"] == "web").unwrap();
    assert_eq!(web["entries"][0]["spiffeID"], "spiffe://example.org/ns/shop/sa/web");
    assert_eq!(json["spire"], Value::Null, "nobody asked SPIRE");
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
        (&["shop/web-1"][..], "must be CLUSTER/NAMESPACE/POD"),
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
