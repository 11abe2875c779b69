//! `doctor` on real servers, with the rights that the chart gives: all is well, and exactly what was taken out is named.

use std::path::Path;

use serde_json::{Value, json};

use crate::aws::REGION;
use crate::kubernetes::Cluster;
use crate::registrar;
use crate::spire::TRUST_DOMAIN;
use crate::wait::{self, SOON};
use crate::world::World;

const NAME: &str = "spire-eks-workload-registrar";
/// Where a cluster's roles are.
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1";

/// All lines that the registrar's own service account is told, each with the section that it is in.
fn lines(world: &World, config: &Path) -> (Option<i32>, Vec<Value>) {
    let mut command =
        registrar::command(&["doctor", "-o", "json", "--registry", "workload-cluster", "--config"]);
    command.arg(config).env("KUBECONFIG", world.management.kubeconfig_of("registrar", "registrar"));
    world.aws.give(&mut command);
    let output = command.output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let lines = said["sections"].as_array().unwrap().iter().flat_map(|section| {
        section["lines"].as_array().unwrap().iter().map(|line| {
            let mut line = line.clone();
            line["about"] = section["about"].clone();
            line
        })
    });
    (output.status.code(), lines.collect())
}

/// Takes a verb out of the rule for a resource, and gives what puts it back.
fn take_out(cluster: &Cluster, role: &str, resource: &str, verb: &str) -> Value {
    let before = cluster.get(role).unwrap();
    let mut rules = before["rules"].clone();
    for rule in rules.as_array_mut().unwrap() {
        if rule["resources"].as_array().unwrap().contains(&json!(resource)) {
            rule["verbs"].as_array_mut().unwrap().retain(|known| known != verb);
        }
    }
    assert_ne!(rules, before["rules"]);
    cluster.patch(role, &json!({"rules": rules}));
    json!({"rules": before["rules"]})
}

pub fn all_is_well_and_a_missing_verb_is_named(world: &World) {
    let cluster = world.workload_cluster();
    let config = |trust_domain: &str| {
        let path = world.folder.join(format!("doctor-{trust_domain}.yaml"));
        let text = json!({
            "trustDomain": trust_domain,
            "spireServerSocketPath": world.spire.socket,
            "aws": {"region": REGION},
            "admin": {"bindAddress": "127.0.0.1:8083"},
            "guardrails": {"rules": [{"spiffeIDs": ["/**"]}], "roleARNs": ["arn:aws:iam::*:role/**"]},
        });
        std::fs::write(&path, text.to_string()).unwrap();
        path
    };
    // SPIRE's own word on an id of another trust domain than its own.
    let (status, other) = lines(world, &config("other.example"));
    let line = other.iter().find(|line| line["check"] == "trust domain").unwrap();
    assert_eq!((status, &line["verdict"]), (Some(1), &json!("failure")), "{line}");
    let found = line["found"].as_str().unwrap();
    assert!(found.contains("other.example") && found.contains(TRUST_DOMAIN), "{found}");
    let config = config(TRUST_DOMAIN);
    let others = || {
        let (status, lines) = lines(world, &config);
        // Whether an agent has attested is another test's matter.
        let others: Vec<Value> =
            lines.into_iter().filter(|line| line["verdict"] != "ok" && line["check"] != "agents").collect();
        (status, others)
    };
    // The Lease may be on its way from one replica to the next.
    wait::until("every line to be ok", SOON, || match others() {
        (Some(0), others) if others.is_empty() => Ok(()),
        (status, others) => Err(format!("{status:?}: {others:#?}")),
    });
    // Two that the running registrar does without for as long.
    let taken = [
        (cluster, format!("{ROLES}/clusterroles/{NAME}"), "endpointslices", "watch"),
        (&world.management, format!("{ROLES}/namespaces/default/roles/{NAME}-events"), "events", "patch"),
    ];
    let back =
        taken.each_ref().map(|(cluster, role, resource, verb)| take_out(cluster, role, resource, verb));
    let found = wait::until("both to be named", SOON, || match others() {
        (Some(0), others) if others.len() == 2 => Ok(others),
        (status, others) => Err(format!("{status:?}: {others:#?}")),
    });
    for ((cluster, role, ..), rules) in taken.iter().zip(&back) {
        cluster.patch(role, rules);
    }
    let told = |line: &Value| format!("{}: {}: {}", line["about"], line["check"], line["found"]);
    println!("{}\n{}", told(&found[0]), told(&found[1]));
    let (events, slices) = (&found[0], &found[1]);
    assert!(
        events["found"].as_str().unwrap().contains("may not patch events in namespace default: "),
        "{events}"
    );
    assert_eq!(slices["check"], "endpointslices");
    assert!(slices["found"].as_str().unwrap().starts_with("may not watch them: "), "{slices}");
    assert!(found.iter().all(|line| line["verdict"] == "warning"), "{found:#?}");
}
