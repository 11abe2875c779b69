//! The committed definitions are those that the program prints.

use std::process::Command;

#[test]
fn the_committed_definitions_are_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(crate::PROGRAM).args(["crds", "--out"]).arg(folder.path()).status().unwrap();
    assert!(status.success());
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let printed = std::fs::read_to_string(folder.path().join(&name)).unwrap();
        // Helm takes nothing from outside the chart.
        for place in ["crds", "deploy/helm/spire-eks-workload-registrar/crds"] {
            crate::golden(&format!("{place}/{name}"), &printed);
        }
        names.push(name);
    }
    names.sort();
    let group = "eksclusterregistry.spire.spiffe.io.yaml";
    assert_eq!(names, [format!("eksclusterregistries.{group}"), format!("workloadidentities.{group}")]);
}
