//! The way to a cluster: roles and external ids, private links and proxies, partial permissions, the right cluster.

use registrar_world::aws::Operation;
use registrar_world::spire::WriteKind;
use registrar_world::{Proxy, objects};
use serde_json::json;

use crate::fleet::{Fleet, PATIENCE, identity, pod};

const REGISTRIES: &str = "eksclusterregistries";

#[tokio::test]
async fn a_role_is_assumed_once_for_all_its_clusters_and_with_its_external_id() {
    let mut world = crate::fleet::world(&["a", "b", "c"]).await;
    let role = "arn:aws:iam::111122223333:role/registrar";
    world.aws.add_role(role, "111122223333", Some("team-7"));
    for name in ["a", "b", "c"] {
        world.aws.allow(role, &world.workload_cluster(name).eks);
        let mut registry = world.registry(name);
        registry["spec"]["assumeRoleArn"] = json!(role);
        registry["spec"]["externalId"] = json!(if name == "a" { "another" } else { "team-7" });
        world.management.put(registry);
    }
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    for name in ["b", "c"] {
        fleet.until_condition(REGISTRIES, name, "Ready", "True", "Connected").await;
    }
    let message =
        fleet.until_condition(REGISTRIES, "a", "CredentialsValid", "False", "RoleNotAssumable").await;
    assert!(message.contains("deploy/iam"), "{message}");
    let edit = json!({"spec": {"externalId": "team-7"}});
    fleet.world.management.patch(REGISTRIES, None, "a", edit);
    fleet.until_condition(REGISTRIES, "a", "Ready", "True", "Connected").await;
    // What is kept is used again, for tokens and for descriptions, and what breaks without EKS at fault does not ask it.
    let calls = |operation| fleet.world.aws.calls(operation);
    let before = (calls(Operation::AssumeRole), calls(Operation::DescribeCluster));
    for name in ["a", "b", "c"] {
        fleet.cluster(name).revoke_tokens();
        fleet.cluster(name).fail_next(registrar_world::kube::Verb::Watch, 2, 500);
        fleet.cluster(name).cut_watches();
    }
    fleet.identity(identity("web", "web"));
    for name in ["a", "b", "c"] {
        fleet.pod(name, "web-1", "web");
    }
    fleet.until_entries(3).await;
    assert_eq!((calls(Operation::AssumeRole), calls(Operation::DescribeCluster)), before);
}

#[tokio::test]
async fn a_role_of_another_account_is_a_problem_of_the_spec() {
    let mut world = crate::fleet::world(&["east"]).await;
    let mut registry = world.registry("east");
    registry["spec"]["assumeRoleArn"] = json!("arn:aws:iam::999999999999:role/registrar");
    world.management.put(registry);
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    let message = fleet.until_condition(REGISTRIES, "east", "Valid", "False", "RoleNotOfAccount").await;
    assert!(message.contains("spec.assumeRoleArn") && message.contains("111122223333"), "{message}");
    assert_eq!(fleet.world.aws.calls(Operation::AssumeRole), 0);
}

#[tokio::test]
async fn a_role_beyond_the_guardrails_is_a_problem_of_the_spec() {
    let mut world = crate::fleet::world(&["east"]).await;
    world.configure(&json!({"guardrails": {"roleARNs": ["arn:aws:iam::*:role/registrar"]}}));
    let mut registry = world.registry("east");
    registry["spec"]["assumeRoleArn"] = json!("arn:aws:iam::111122223333:role/admin");
    world.management.put(registry);
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    let message = fleet.until_condition(REGISTRIES, "east", "Valid", "False", "GuardrailDenied").await;
    assert!(message.contains("guardrails.roleARNs, which allows arn:aws:iam::*:role/registrar"), "{message}");
    let calls = |operation| fleet.world.aws.calls(operation);
    assert_eq!((calls(Operation::AssumeRole), calls(Operation::DescribeCluster)), (0, 0));
}

#[tokio::test]
async fn a_region_that_is_edited_there_and_back_costs_nothing() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let edit = |region: &str| {
        fleet.world.management.patch(REGISTRIES, None, "east", json!({"spec": {"region": region}}));
    };
    let region = fleet.world.workload_cluster("east").eks.region.clone();
    edit("eu-central-1");
    fleet.until_condition(REGISTRIES, "east", "ClusterReachable", "False", "ClusterNotFound").await;
    fleet.until_condition("workloadidentities", "web", "Ready", "Unknown", "ClustersNotReady").await;
    edit(&region);
    fleet.until_condition(REGISTRIES, "east", "Synced", "True", "InStep").await;
    fleet.until_compared().await;
    let writes = |kind| fleet.writes(kind);
    let all = (writes(WriteKind::Create), writes(WriteKind::Update), writes(WriteKind::Delete));
    assert_eq!(all, (1, 0, 0));
}

#[tokio::test]
async fn a_private_link_and_a_proxy_lead_to_the_cluster_and_keep_what_is_known() {
    let mut world = crate::fleet::world(&["east", "west"]).await;
    // What EKS tells cannot be reached from here; the certificate is of that name all the same.
    for name in ["east", "west"] {
        let mut eks = world.workload_cluster(name).eks.clone();
        eks.endpoint = "https://api.world.invalid".to_owned();
        world.aws.put_cluster(eks);
    }
    let (east, west) = (world.cluster("east").url(), world.cluster("west").url());
    let address = west.strip_prefix("https://").unwrap().parse().unwrap();
    let proxy = Proxy::start(&[("api.world.invalid:443", address)]).await;
    world.register("east");
    world.management.put(identity("web", "web"));
    world.cluster("east").put(pod("web-1", "web"));
    world.cluster("west").put(pod("web-1", "web"));
    let mut registry = world.registry("west");
    registry["spec"]["proxyURL"] = json!(proxy.url());
    world.management.put(registry);
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    let message =
        fleet.until_condition(REGISTRIES, "east", "ClusterReachable", "False", "NameNotResolved").await;
    assert!(message.contains("api.world.invalid") || message.contains("dns error"), "{message}");
    fleet.until_condition(REGISTRIES, "west", "Ready", "True", "Connected").await;
    proxy.until_used(PATIENCE).await;
    let edit = |spec| fleet.world.management.patch(REGISTRIES, None, "east", json!({ "spec": spec }));
    edit(json!({"endpoint": east}));
    fleet.until_condition(REGISTRIES, "east", "Ready", "True", "Connected").await;
    fleet.until_entries(2).await;
    // Another way to the same cluster, and one that leads nowhere: nothing is written for either.
    let proxy = Proxy::start(&[]).await;
    edit(json!({"proxyURL": proxy.url()}));
    proxy.until_used(PATIENCE).await;
    fleet.pod("east", "web-2", "web");
    fleet.until_entries(3).await;
    edit(json!({"endpoint": "https://10.255.255.1"}));
    fleet.until_condition(REGISTRIES, "east", "ClusterReachable", "False", "ProxyFailed").await;
    fleet.until_compared().await;
    assert_eq!((fleet.writes(WriteKind::Create), fleet.writes(WriteKind::Delete)), (3, 0));
}

#[tokio::test]
async fn permissions_may_be_partial() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let before = fleet.ids();
    let east = fleet.cluster("east");
    for plural in ["nodes", "namespaces"] {
        east.forbid(plural, true);
    }
    east.compact();
    east.cut_watches();
    let message = fleet.until_condition(REGISTRIES, "east", "Ready", "True", "PartialPermissions").await;
    assert!(message.contains("deploy/workload-cluster/rbac.yaml"), "{message}");
    // Who cannot be asked which cluster it is is not taken for the one that it was.
    east.refuse();
    fleet.until_condition(REGISTRIES, "east", "Ready", "False", "ConnectionFailed").await;
    east.come_back();
    fleet.until_condition(REGISTRIES, "east", "Ready", "False", "Forbidden").await;
    east.forbid("namespaces", false);
    fleet.until_condition(REGISTRIES, "east", "Ready", "True", "PartialPermissions").await;
    // A pod on a node that is not known gets nothing and says why; what stands stays.
    let mut pod = pod("web-2", "web");
    pod["spec"]["nodeName"] = json!("n2");
    east.put(pod);
    let message =
        fleet.until_condition("workloadidentities", "web", "Ready", "False", "NodesForbidden").await;
    assert!(message.contains("shop/web-2 in east"), "{message}");
    assert_eq!(fleet.ids(), before);
    // What is the same on every node needs none.
    let mut own = identity("own", "own");
    own["spec"]["parentIDTemplate"] = json!("spiffe://{{ .TrustDomain }}/agent/{{ .ClusterName }}");
    fleet.identity(own);
    let mut pod = crate::fleet::pod("own-1", "own");
    pod["spec"]["nodeName"] = json!("n2");
    east.put(pod);
    fleet.until("own-1 without a node", |view| view.entries.len() == before.len() + 1).await;
}

#[tokio::test]
async fn another_cluster_in_the_old_ones_place_is_held_until_it_is_accepted() {
    let fleet = Fleet::start(&["east", "west"]).await;
    fleet.identity(identity("web", "web"));
    let old = fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    fleet.until_condition(REGISTRIES, "east", "Synced", "True", "InStep").await;
    let status = || fleet.world.management.get(REGISTRIES, None, "east").unwrap()["status"].clone();
    let pinned = status()["clusterUID"].as_str().unwrap().to_owned();
    assert!(status()["clusterARN"].as_str().unwrap().ends_with(":cluster/eks-east"));
    // Rebuilt under the same name: other namespaces, other pods.
    let east = fleet.cluster("east");
    east.refuse();
    east.remove("namespaces", None, "kube-system");
    let rebuilt = crate::fleet::uid(&east.put(objects::namespace("kube-system")));
    assert_ne!(pinned, rebuilt);
    east.remove("pods", Some("shop"), "web-1");
    fleet.pod("east", "web-2", "web");
    east.compact();
    east.come_back();
    let message = fleet.until_condition(REGISTRIES, "east", "Synced", "False", "AnotherCluster").await;
    assert!(message.contains(&pinned) && message.contains(&rebuilt), "{message}");
    fleet.until_compared().await;
    fleet.entry(&old);
    assert_eq!(fleet.writes(WriteKind::Create), 1);
    assert_eq!(status()["clusterUID"], json!(pinned));
    let accept =
        json!({"metadata": {"annotations": {"eksclusterregistry.spire.spiffe.io/accept-cluster": rebuilt}}});
    fleet.world.management.patch(REGISTRIES, None, "east", accept);
    fleet
        .until("web-2 instead of web-1", |view| {
            view.spiffe_ids() == ["spiffe://example.org/ns/shop/pod/web-2"]
        })
        .await;
    let what = "the new pin";
    fleet
        .world
        .management
        .until(what, PATIENCE, |view| {
            view.get(REGISTRIES, None, "east").is_some_and(|it| it["status"]["clusterUID"] == json!(rebuilt))
        })
        .await;
}

#[tokio::test]
async fn of_two_registries_of_one_cluster_the_younger_does_nothing() {
    let mut fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let mut younger = fleet.world.registry("east");
    younger["metadata"]["name"] = json!("another");
    younger["metadata"]["creationTimestamp"] = json!("2099-01-01T00:00:00Z");
    fleet.world.management.put(younger);
    let message = fleet.until_condition(REGISTRIES, "another", "Synced", "False", "SameCluster").await;
    assert!(message.contains("Registry east"), "{message}");
    fleet.until_compared().await;
    assert_eq!((fleet.ids().len(), fleet.writes(WriteKind::Create)), (1, 1));
    // It takes over when the older one is gone, also in a process that knew neither.
    fleet.world.management.remove(REGISTRIES, None, "east");
    fleet.until_condition(REGISTRIES, "another", "Ready", "True", "Connected").await;
    fleet
        .until("the other registry's entry", |view| {
            view.entries.len() == 1
                && view.entries[0].parent_id.as_ref().is_some_and(|it| it.path.contains("/another/"))
        })
        .await;
    fleet.registrar.kill().await;
}
