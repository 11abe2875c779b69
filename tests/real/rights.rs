//! What the registrar may do, by the manifests in `deploy/`, and as whom the clusters know it.

use std::process::Command;

use crate::aws::{CLUSTERS, GROUP, REGION};
use crate::child::output;
use crate::kubernetes::Cluster;
use crate::registrar;
use crate::wait::{self, SOON};
use crate::world::{REGISTRAR_USER, World};

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
    let events = "events.events.k8s.io";
    for verb in ["create", "patch"] {
        assert!(management(verb, events, &["-n", "default"]), "{verb}");
        assert!(!management(verb, events, &["-n", "spire-system"]), "{verb}");
    }
    assert!(!management("get", events, &["-n", "default"]));
    for resource in ["secrets", "pods"] {
        assert!(!management("get", resource, &["-n", "spire-system"]), "{resource}");
    }
    // Plugins may be in ConfigMaps of its own namespace.
    assert!(management("get", "configmaps", &["-n", "spire-system"]));
    assert!(!management("list", "configmaps", &["-n", "spire-system"]));
    assert!(!management("get", "configmaps", &["-n", "default"]));
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
    let cluster = world.workload_cluster();
    let name = CLUSTERS[0].name;
    let log = || std::fs::read_to_string(world.folder.join("verifier.log")).unwrap();
    let known = format!("{name}: arn:aws:iam::123456789012:user/spire-registrar");
    assert!(log().contains(&known), "{}", log());
    let refused = |token: &str, why: &str| {
        let kubeconfig = cluster.kubeconfig_of("refused", token);
        let arguments = ["--kubeconfig", kubeconfig.to_str().unwrap(), "get", "pods"];
        let said = cluster.try_kubectl(&arguments, "").unwrap_err();
        assert!(said.to_lowercase().contains("unauthorized") || said.contains("logged in"), "{said}");
        wait::until("the authenticator to have refused it", SOON, || {
            let is_told =
                log().lines().any(|line| line.contains(&format!("{name}: refused: ")) && line.contains(why));
            if is_told { Ok(()) } else { Err(log()) }
        });
    };
    // What is no token of ours, the API server refuses on the authenticator's word.
    refused("k8s-aws-v1.aHR0cHM6Ly9ldmlsLmV4YW1wbGUv", "unexpected hostname \"evil.example\"");
    // One for another cluster has another signature.
    let mut command =
        registrar::command(&["token", "--cluster-name", "prod-eks-cluster", "--region", REGION]);
    world.aws.give(&mut command);
    let credential: serde_json::Value = serde_json::from_str(&output(&mut command)).unwrap();
    refused(credential["status"]["token"].as_str().unwrap(), "the signature is wrong");
}

/// As long as no server was rebuilt or started anew: until its rights are there, one that is forbids everything.
pub fn nothing_was_forbidden(world: &World) {
    never_logged(world, &["forbidden"]);
}

pub fn nothing_broke(world: &World) {
    never_logged(world, &["panicked", "PlanFault", "a part of the registrar ended"]);
}

fn never_logged(world: &World, words: &[&str]) {
    let log = world.registrar_log();
    for word in words {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(word)).collect();
        assert!(lines.is_empty(), "{lines:#?}");
    }
}
