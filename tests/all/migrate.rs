//! `migrate` over committed manifests gives committed manifests and lines, which `render` and `run` take.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn migrate(case: &str, extra: &[&str]) -> Output {
    let file = Path::new(crate::ROOT).join("tests/cases/migrate").join(case).join("clusterspiffeids.yaml");
    Command::new(crate::PROGRAM).arg("migrate").arg("-f").arg(file).args(extra).output().unwrap()
}

fn golden(case: &str, output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    crate::golden(&format!("tests/cases/migrate/{case}/expected.yaml"), &text(&output.stdout));
    crate::golden(&format!("tests/cases/migrate/{case}/expected.stderr"), &text(&output.stderr));
}

#[test]
fn every_field_that_has_an_equal_is_carried_over() {
    let output = migrate("all-fields", &["--cluster-label", "environment=prod", "--beside"]);
    golden("all-fields", &output);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_has_no_equal_or_cannot_be_used_is_told_field_by_field() {
    let output = migrate("troubles", &[]);
    golden("troubles", &output);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn with_a_configuration_its_trust_domain_and_guardrails_are_asked() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    let text = "trustDomain: partner.example\nguardrails: {admin: []}\n";
    std::fs::write(&config, text).unwrap();
    let output = migrate("all-fields", &["--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("ClusterSPIFFEID/backend: spec.admin: "), "{told}");
    // Without the guardrail, the server's own trust domain is worth a note.
    std::fs::write(&config, "trustDomain: partner.example\n").unwrap();
    let output = migrate("all-fields", &["--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("note: spec.federatesWith[0]: \"partner.example\" is this server's own"), "{told}");
}

#[test]
fn manifests_come_from_standard_input_and_go_to_render() {
    let mut command = Command::new(crate::PROGRAM);
    command.args(["migrate", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let manifest = "{apiVersion: spire.spiffe.io/v1alpha1, kind: ClusterSPIFFEID, metadata: {name: all}, spec: \
                    {spiffeIDTemplate: 'spiffe://{{ .TrustDomain }}/pod/{{ .PodMeta.Name }}'}}";
    child.stdin.take().unwrap().write_all(manifest.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    // In every namespace of the seed's cluster, as there.
    let seed = Path::new(crate::ROOT).join("tests/cases/render/seed");
    let folder = tempfile::tempdir().unwrap();
    let identities = folder.path().join("identities.yaml");
    std::fs::write(&identities, output.stdout).unwrap();
    let registry = folder.path().join("registry.yaml");
    let object = "{apiVersion: eksclusterregistry.spire.spiffe.io/v1alpha1, kind: EKSClusterRegistry, metadata: {name: \
                  production-cluster}, spec: {clusterName: production, region: us-west-2, accountId: '072422391281', \
                  enabled: true}}";
    std::fs::write(&registry, object).unwrap();
    let mut render = Command::new(crate::PROGRAM);
    render.current_dir(&seed).args(["render", "--config", "config.yaml", "-o", "json"]);
    render.args(["--cluster", "production-cluster=production-cluster.yaml"]);
    let output = render.arg("-f").arg(&identities).arg("-f").arg(&registry).output().unwrap();
    let entries: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let entries = entries["entries"].as_array().unwrap();
    let namespaced = |entry: &&serde_json::Value| entry["identity"] == "all";
    assert!(entries.iter().filter(namespaced).count() > 1, "{entries:?}");
}

#[test]
fn wrong_usage_is_exit_status_2() {
    for (extra, told) in
        [(["--cluster-label", "prod"], "must be KEY=VALUE"), (["-f", "/does/not/exist"], "No such file")]
    {
        let output = migrate("all-fields", &extra);
        assert_eq!(output.status.code(), Some(2), "{extra:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(told), "{stderr}");
    }
}
