//! What the registrar may do, by the manifests in `deploy/`, and as whom the clusters know it.

use std::process::Command;

use crate::aws::CLUSTERS;
use crate::kubernetes::Cluster;
use crate::wait::{self, SOON};
use crate::world::{REGISTRAR_USER, World};

/// The group of deploy/rbac-workload-cluster.yaml.
const GROUP: &str = "spire-eks-workload-registrar";

fn may(cluster: &Cluster, user: &[&str], verb: &str, resource: &str, more: &[&str]) -> bool {
    let mut arguments = vec!["auth", "can-i", verb, resource];
    arguments.extend(user);
    arguments.extend(more);
    // kubectl fails where the answer is no.
    cluster.try_kubectl(&arguments, "").is_ok_and(|said| said.trim() == "yes")
}

pub fn those_of_deploy_are_exactly_what_is_needed(world: &World) {
    let management = |verb: &str, resource: &str, more: &[&str]| {
        may(&world.management, &["--as", REGISTRAR_USER], verb, resource, more)
    };
    let kind = "workloadidentities.eksclusterregistry.spire.spiffe.io";
    for verb in ["get", "list", "watch", "update", "patch"] {
        assert!(management(verb, kind, &[]), "{verb}");
    }
    for verb in ["create", "delete", "deletecollection"] {
        assert!(!management(verb, kind, &[]), "{verb}");
    }
    assert!(management("patch", kind, &["--subresource=status"]));
    let lease = "leases.coordination.k8s.io/spire-eks-workload-registrar.spire.io";
    assert!(management("update", lease, &["-n", "spire-system"]));
    assert!(!management("update", "leases.coordination.k8s.io/other", &["-n", "spire-system"]));
    for resource in ["secrets", "pods", "configmaps"] {
        assert!(!management("get", resource, &["-n", "spire-system"]), "{resource}");
    }
    let cluster = world.cluster("production-cluster");
    let user = ["--as", "somebody", "--as-group", GROUP];
    for resource in ["pods", "nodes", "namespaces", "endpointslices"] {
        for verb in ["get", "list", "watch"] {
            assert!(may(cluster, &user, verb, resource, &["-A"]), "{verb} {resource}");
        }
        for verb in ["create", "update", "patch", "delete"] {
            assert!(!may(cluster, &user, verb, resource, &["-A"]), "{verb} {resource}");
        }
    }
    assert!(!may(cluster, &user, "get", "secrets", &["-A"]));
    // They are enough: all other tests run with them, and this one sees readiness by them.
    wait::until("the registrar to be ready", SOON, || {
        let url = format!("http://127.0.0.1:{}/readyz", world.health_port);
        let answer =
            Command::new("curl").args(["--silent", "--show-error", "--fail", &url]).output().unwrap();
        if answer.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&answer.stderr).into_owned())
        }
    });
}

pub fn a_token_is_good_for_its_cluster_alone(world: &World) {
    world.workload_cluster();
    let log = std::fs::read_to_string(world.folder.join("aws.log")).unwrap();
    let known = format!("{}: arn:aws:iam::123456789012:user/spire-registrar", CLUSTERS[0].name);
    assert!(log.contains(&known), "{log}");
    // What is no token of ours, the API server refuses on the authenticator's word.
    let forged =
        world.cluster("workload-cluster").kubeconfig_of("forged", "k8s-aws-v1.aHR0cHM6Ly9ldmlsLmV4YW1wbGUv");
    let arguments = ["--kubeconfig", forged.to_str().unwrap(), "get", "pods"];
    let refused = world.cluster("workload-cluster").try_kubectl(&arguments, "").unwrap_err();
    assert!(refused.to_lowercase().contains("unauthorized") || refused.contains("logged in"), "{refused}");
    wait::until("the authenticator to have refused it", SOON, || {
        let log = std::fs::read_to_string(world.folder.join("aws.log")).unwrap();
        let told = format!("{}: refused: evil.example is not STS's host", CLUSTERS[0].name);
        if log.contains(&told) { Ok(()) } else { Err(log) }
    });
}

pub fn nothing_was_forbidden_and_nothing_broke(world: &World) {
    let log = world.registrar_log();
    // A word of the API server, and words of defects.
    for word in ["forbidden", "panicked", "PlanFault", "a part of the registrar ended"] {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(word)).collect();
        assert!(lines.is_empty(), "{lines:#?}");
    }
}
