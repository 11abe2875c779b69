//! `render` over committed manifests and dumps gives committed entries and lines.

use std::path::Path;
use std::process::{Command, Output};

fn render(folder: &str, extra: &[&str]) -> Output {
    let folder = Path::new(crate::ROOT).join("tests/cases/render").join(folder);
    let mut command = Command::new(crate::PROGRAM);
    command
        .current_dir(folder)
        .args(["render", "--config", "config.yaml", "-f", "manifests.yaml"])
        .args(extra);
    command.output().unwrap()
}

#[test]
fn the_seeds_examples_give_their_entries_and_bad_input_is_told_line_by_line() {
    let output = render("seed", &["--cluster", "production-cluster=production-cluster.yaml", "-o", "json"]);
    assert_eq!(output.status.code(), Some(1), "two identities and two pods are at fault");
    crate::golden("tests/cases/render/seed/expected.json", &String::from_utf8(output.stdout).unwrap());
    crate::golden("tests/cases/render/seed/expected.stderr", &String::from_utf8(output.stderr).unwrap());
}

#[test]
fn the_table_marks_what_a_preview_would_give() {
    let output = render("seed", &["--cluster", "production-cluster=production-cluster.yaml"]);
    let table = String::from_utf8(output.stdout).unwrap();
    let of = |identity: &str| table.lines().filter(|line| line.contains(identity)).collect::<Vec<_>>();
    assert_eq!((of("(preview)").len(), of("tried (preview)")), (1, of("/tried/gw")), "{table}");
}

#[test]
fn wrong_usage_is_exit_status_2() {
    for (extra, told) in [
        (["--cluster", "nofile"], "must be NAME=FILE"),
        (["--cluster", "production-cluster=/does/not/exist"], "/does/not/exist: No such file"),
    ] {
        let output = render("seed", &extra);
        assert_eq!(output.status.code(), Some(2), "{extra:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(told), "{stderr}");
    }
}

#[test]
fn the_example_configuration_is_accepted() {
    let config = Path::new(crate::ROOT).join("deploy/config.yaml");
    let manifests = Path::new(crate::ROOT).join("tests/cases/render/seed/manifests.yaml");
    let output = Command::new(crate::PROGRAM)
        .args(["render", "--config"])
        .arg(config)
        .arg("-f")
        .arg(manifests)
        .output();
    let stderr = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(!stderr.contains("config.yaml"), "{stderr}");
}
