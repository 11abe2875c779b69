//! The `template` command: recorded answers in one process, exit statuses, and every example of the documentation.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(crate::ROOT).join("tests/cases/gotemplate")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(crate::PROGRAM);
    command.current_dir(folder()).arg("template").args(arguments);
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    told(command(arguments).output().unwrap())
}

fn told(output: Output) -> (Option<i32>, String, String) {
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_batch_agrees_with_what_go_answered() {
    for file in ["recorded.jsonl", "more.jsonl", "random.jsonl"] {
        let (status, stdout, stderr) = run(&["--batch", file, "--facts", "facts"]);
        assert_eq!((status, stderr.as_str()), (Some(0), ""));
        let parse =
            |text: &str| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
        let recorded = parse(&std::fs::read_to_string(folder().join(file)).unwrap());
        let answers = parse(&stdout);
        assert_eq!(recorded.len(), answers.len());
        for (recorded, answer) in recorded.iter().zip(&answers) {
            for key in ["name", "output", "fails"] {
                assert_eq!(recorded.get(key).unwrap_or(&Value::Null), &answer[key], "{recorded}\n{answer}");
            }
        }
    }
}

#[test]
fn exit_statuses_tell_what_became_of_it() {
    let facts = "facts/web.yaml";
    let one = |template: &str| run(&["--facts", facts, "--template", template]);
    assert_eq!(one("{{ .Region }}\n"), (Some(0), "us-west-2\n".to_owned(), String::new()));
    assert_eq!(one("{{ .Namespace }}/{{ .ServiceAccount }}").1, "shop/web", "aliases are there");
    let (status, stdout, stderr) = one("{{ .Region");
    assert_eq!((status, stdout.as_str()), (Some(3), ""));
    assert_eq!(stderr, "error: line 1, column 11: \"{{ .Region\": unclosed action\n");
    let (status, stdout, stderr) = one("x{{ .Nope }}");
    assert_eq!((status, stdout.as_str()), (Some(4), ""));
    assert!(
        stderr.contains("warning: line 1, column 5") && stderr.contains("error: line 1, column 5"),
        "{stderr}"
    );
    for usage in [
        &["--facts", facts][..],
        &["--template", "x"],
        &["--facts", "nosuch", "--template", "x"],
        &["--fields"],
    ] {
        assert_eq!(run(usage).0, Some(2), "{usage:?}");
    }
}

#[test]
fn a_template_can_come_from_standard_input() {
    let mut child = command(&["--facts", "facts/web.yaml", "--template", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"{{ .AccountID }}").unwrap();
    assert_eq!(told(child.wait_with_output().unwrap()), (Some(0), "072422391281".to_owned(), String::new()));
}

#[test]
fn fields_lists_what_there_is() {
    let (status, stdout, _) = run(&["--facts", "facts/web.yaml", "--fields"]);
    assert_eq!(status, Some(0));
    for row in [
        ".Region\tstring\tus-west-2",
        ".PodMeta.UID\ttypes.UID\t0a1b2c3d-4e5f-6789-abcd-ef0123456789",
        ".PodSpec.Priority\t*int32\t100",
        ".NodeSpec.PodCIDR\tstring\t10.0.1.0/24",
    ] {
        assert!(stdout.lines().any(|line| line == row), "{row} is not in\n{stdout}");
    }
}

#[test]
fn a_pod_and_a_node_as_kubectl_prints_them_do_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pod = write(
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b, uid: c}\nspec: {nodeName: n}\n",
    );
    let node = write(
        "node.json",
        r#"{"metadata": {"name": "n", "uid": "u"}, "spec": {"providerID": "aws:///a/i-1"}}"#,
    );
    let config = format!("{}/deploy/config.yaml", crate::ROOT);
    let text = "{{ .TrustDomain }} {{ .PodMeta.Name }} {{ .PodSpec.ServiceAccountName }} {{ .InstanceID }}";
    let (status, stdout, stderr) =
        run(&["--pod", &pod, "--node", &node, "--config", &config, "--template", text]);
    assert_eq!((status, stdout.as_str()), (Some(0), "example.org a default i-1"), "{stderr}");
}

/// The examples of docs/templates.md: a template up to a line that begins with an arrow or a cross.
#[test]
fn every_example_of_the_documentation_is_true() {
    let text = std::fs::read_to_string(PathBuf::from(crate::ROOT).join("docs/templates.md")).unwrap();
    let mut count = 0;
    for block in text.split("\n```template\n").skip(1) {
        let (block, _) = block.split_once("\n```").unwrap();
        let (template, expected) = block.rsplit_once('\n').unwrap();
        let (status, stdout, stderr) = run(&["--facts", "facts/web.yaml", "--template", template]);
        if let Some(output) = expected.strip_prefix("→ ") {
            assert_eq!((status, stdout.as_str()), (Some(0), output), "{template}\n{stderr}");
        } else if let Some(message) = expected.strip_prefix("✗ parse ") {
            assert_eq!(status, Some(3), "{template}");
            assert!(stderr.contains(message), "{stderr}");
        } else {
            let message = expected.strip_prefix("✗ exec ").unwrap();
            assert_eq!(status, Some(4), "{template}");
            assert!(stderr.contains(message), "{stderr}");
        }
        count += 1;
    }
    assert!(count > 15, "{count}");
}
