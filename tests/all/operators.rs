//! What operators type beside `explain` and `diff`: `release`, `status`, `completions` and `man`.

use std::process::Command;

use registrar_world::{World, objects};
use serde_json::json;

use crate::fleet::{Fleet, identity};

/// What a command says, both outputs, and its exit status.
async fn said(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let output = world.command(crate::PROGRAM).args(arguments).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout) + &text(output.stderr))
}

#[tokio::test]
async fn what_is_held_is_listed_and_exactly_one_plan_is_let_through() {
    let mut world = crate::fleet::world(&["east"]).await;
    world.configure(&json!({"brake": {"scopeNumber": 1, "fleetNumber": 100}}));
    world.register("east");
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    let admin = fleet.registrar.admin.to_string();
    fleet.identity(identity("web", "web"));
    for pod in ["web-1", "web-2", "web-3"] {
        fleet.pod("east", pod, "web");
    }
    fleet.until_entries(3).await;
    let (status, told) = said(&fleet.world, &["release", "--registrar", &admin]).await;
    assert!(status == Some(0) && told.starts_with("Nothing waits for a release.\n"), "{told}");
    let edit = json!({"spec": {"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/new/{{ .PodMeta.Name }}"}});
    fleet.world.management.patch("workloadidentities", None, "web", edit);
    fleet.until_condition("workloadidentities", "web", "WithinBudgets", "False", "Braked").await;
    let (_, list) = said(&fleet.world, &["release", "--registrar", &admin]).await;
    let row = list.lines().find(|line| line.contains("identity/web")).unwrap_or_else(|| panic!("{list}"));
    let digest = row.split_whitespace().next().unwrap();
    assert!(row.contains("Brake") && list.contains("3 changes of SPIFFE ID"), "{list}");
    let (status, told) = said(&fleet.world, &["release", "nothing-like-it", "--registrar", &admin]).await;
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("what does: ") && told.contains(digest), "{told}");
    let (status, told) = said(&fleet.world, &["release", digest, "--registrar", &admin]).await;
    assert_eq!(status, Some(0), "{told}");
    let is_new = |id: &String| id.contains("/new/");
    fleet
        .until("the three changed", |view| view.spiffe_ids().iter().filter(|id| is_new(id)).count() == 3)
        .await;
}

#[tokio::test]
async fn status_shows_every_object_and_whether_all_are_ready() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    fleet.until_condition("eksclusterregistries", "east", "Ready", "True", "Connected").await;
    let (status, told) = said(&fleet.world, &["status"]).await;
    let row = |name: &str| {
        let row = told.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{told}"));
        row.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("east")[..5], ["east", "eks-east", "us-west-2", "True", "Connected"], "{told}");
    assert_eq!(row("web")[..7], ["web", "True", "InStep", "1", "1", "1", "0"], "{told}");
    assert_eq!(status, Some(0), "{told}");
    let mut bad = objects::workload_identity("bad", "shop", "{{ if }}");
    bad["spec"]["ttl"] = "soon".into();
    fleet.identity(bad);
    fleet.until_condition("workloadidentities", "bad", "Valid", "False", "InvalidTemplate").await;
    let (status, told) = said(&fleet.world, &["status"]).await;
    assert_eq!(status, Some(1), "{told}");
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let run = |arguments: &[&str]| {
        let output = Command::new(crate::PROGRAM).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (bash, page) = (run(&["completions", "bash"]), run(&["man"]));
    let folder = tempfile::tempdir().unwrap();
    run(&["man", "--out", folder.path().to_str().unwrap()]);
    for command in ["explain", "diff", "doctor", "release", "status", "render", "template", "plugin", "run"] {
        assert!(bash.contains(command) && page.contains(command), "{command}");
        let file = folder.path().join(format!("spire-eks-workload-registrar-{command}.1"));
        assert!(std::fs::read_to_string(&file).unwrap().contains(".SH SYNOPSIS"), "{}", file.display());
    }
}

#[test]
fn every_commands_help_has_an_example() {
    let help = |arguments: &[&str]| {
        let output = Command::new(crate::PROGRAM).args(arguments).arg("--help").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let commands = |text: &str| -> Vec<String> {
        let listed = text.lines().skip_while(|line| *line != "Commands:").skip(1);
        let listed = listed.take_while(|line| !line.is_empty());
        let names = listed.filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
        names.filter(|name| *name != "help").map(str::to_owned).collect()
    };
    let all = commands(&help(&[]));
    assert!(all.len() > 12, "{all:?}");
    for command in &all {
        let text = help(&[command]);
        let inner = commands(&text);
        if inner.is_empty() {
            assert!(text.contains("\nExample"), "{command}: {text}");
        }
        for inner in inner {
            let text = help(&[command, &inner]);
            assert!(text.contains("\nExample"), "{command} {inner}: {text}");
        }
    }
}
