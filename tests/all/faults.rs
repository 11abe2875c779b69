//! SPIRE and AWS misbehave: nothing is lost, doubled or fought over.

use registrar_world::aws::Operation;
use registrar_world::kube::Verb;
use registrar_world::spire::WriteKind;
use serde_json::json;
use tonic::Code;

use crate::fleet::{Fleet, PATIENCE, identity, pod, spiffe_id};

#[tokio::test]
async fn a_spire_server_that_is_away_is_told_and_caught_up_with() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    fleet.world.spire.stop();
    fleet.pod("east", "web-2", "web");
    fleet.until_condition("workloadidentities", "web", "Ready", "Unknown", "SPIREUnreachable").await;
    fleet.cluster("east").remove("pods", Some("shop"), "web-1");
    fleet.world.spire.come_back();
    fleet.until("only web-2", |view| view.spiffe_ids() == ["spiffe://example.org/ns/shop/pod/web-2"]).await;
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
}

#[tokio::test]
async fn answers_that_never_come_double_nothing() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    // Carried out and the connection broken; carried out and never answered.
    fleet.world.spire.lose_answers(1);
    (0..20).for_each(|number| {
        fleet.pod("east", &format!("web-{number}"), "web");
    });
    fleet.until_entries(20).await;
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    fleet.world.spire.withhold_answers(1);
    (20..30).for_each(|number| {
        fleet.pod("east", &format!("web-{number}"), "web");
    });
    fleet.until_entries(30).await;
    fleet.until_compared().await;
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    assert_eq!((fleet.writes(WriteKind::Create), fleet.writes(WriteKind::Delete)), (30, 0));
}

#[tokio::test]
async fn an_entry_that_spire_refuses_costs_itself_and_is_tried_again() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.world.spire.refuse_entries("pod/bad", Code::Internal);
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "bad-1", "web");
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let message = fleet.until_condition("workloadidentities", "web", "Ready", "False", "SPIRERefused").await;
    assert!(message.starts_with("Not in place: 1 entry, because (of one)"), "{message}");
    fleet.pod("east", "web-2", "web");
    fleet.until_entries(2).await;
    fleet.world.spire.accept_entries();
    fleet.until_entries(3).await;
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
}

#[tokio::test]
async fn a_server_whose_disk_is_full_loses_nothing_and_is_caught_up_with_as_soon_as_it_takes_entries_again() {
    const NEW: usize = 300;
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "old-1", "web");
    fleet.pod("east", "old-2", "web");
    fleet.until_entries(2).await;
    let (before, spire) = (fleet.ids(), &fleet.world.spire);
    // The calls succeed; each entry is refused for itself.
    spire.refuse_entries("", Code::Internal);
    (0..NEW).for_each(|number| {
        fleet.pod("east", &format!("new-{number}"), "web");
    });
    fleet.cluster("east").remove("pods", Some("shop"), "old-1");
    // After 1, 2, 4 and 8 seconds at most; the next time would be in 8 to 16, each pod at its own.
    let five_times = 5 * (NEW as u64 + 1);
    fleet.until("all were refused five times", |view| view.refusals >= five_times).await;
    let message = fleet.until_condition("workloadidentities", "web", "Ready", "False", "SPIRERefused").await;
    assert!(message.contains("the simulated SPIRE server was told to fail"), "{message}");
    let metric = async |name: &str| -> f64 {
        let metrics = crate::replicas::get(fleet.registrar.metrics, "/metrics").await;
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(&format!("spire_eks_workload_registrar_{name} ")));
        line.unwrap_or_else(|| panic!("{name} in {metrics}")).parse().unwrap()
    };
    assert_eq!((metric("backlog_pods").await as usize, fleet.ids()), (NEW + 1, before));
    assert!(metric("backlog_age_seconds").await > 5.0);
    spire.accept_entries();
    let new_and_old = |view: &registrar_world::spire::View<'_>| {
        view.entries.len() == NEW + 1 && !view.spiffe_ids().iter().any(|id| id.ends_with("/old-1"))
    };
    fleet.until("all of it", new_and_old).await;
    let writes = spire.writes();
    let caught_up = || writes.iter().skip(2).map(|write| write.at);
    let took = caught_up().max().unwrap().duration_since(caught_up().min().unwrap()).unwrap();
    assert!(took.as_secs_f64() < 3.0, "once one was taken, no other waited: {took:?}");
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    assert_eq!((fleet.writes(WriteKind::Create), fleet.writes(WriteKind::Delete)), (NEW + 2, 1));
    assert_eq!(metric("backlog_pods").await, 0.0);
}

#[tokio::test]
async fn federation_with_an_unknown_bundle_is_told_in_spires_words_and_costs_nobody_else() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    let mut federated = identity("federated", "api");
    federated["spec"]["federatesWith"] = json!(["stranger.example"]);
    fleet.identity(federated);
    fleet.pod("east", "api-1", "api");
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let message =
        fleet.until_condition("workloadidentities", "federated", "Ready", "False", "SPIRERefused").await;
    assert!(message.contains("stranger.example") || message.contains("federated"), "{message}");
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    fleet.world.spire.add_bundle("stranger.example");
    fleet.until_entries(2).await;
}

#[tokio::test]
async fn what_others_do_to_our_entries_is_mended_and_theirs_is_left_alone() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    let uid = fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let ours = fleet.entry(&uid);
    let mut foreign = ours.clone();
    foreign.id = "somebody-elses".to_owned();
    foreign.spiffe_id.as_mut().unwrap().path = "/ns/shop/pod/other".to_owned();
    fleet.world.spire.insert_foreign(foreign);
    // An entry of somebody else for what our pod is to have: not ours to change, and a conflict where it differs.
    let second = crate::fleet::uid(&pod_with_uid(&fleet, "web-2"));
    fleet.until_entries(3).await;
    let taken = fleet.entry(&second);
    fleet.world.spire.delete_foreign(&ours.id);
    fleet
        .until("ours is there again", |view| {
            view.entries.iter().any(|entry| spiffe_id(entry) == spiffe_id(&ours) && entry.id != ours.id)
        })
        .await;
    assert!(fleet.ids().contains("somebody-elses") && fleet.ids().contains(&taken.id));
    fleet.world.management.remove("workloadidentities", None, "web");
    fleet
        .until("only the other's", |view| {
            view.entries.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>() == ["somebody-elses"]
        })
        .await;
}

fn pod_with_uid(fleet: &Fleet, name: &str) -> serde_json::Value {
    fleet.cluster("east").put(pod(name, "web"))
}

#[tokio::test]
async fn a_key_that_somebody_else_holds_is_a_conflict_until_it_is_free() {
    let mut world = crate::fleet::world(&["east"]).await;
    let uid = crate::fleet::uid(&world.cluster("east").put(pod("web-1", "web")));
    let node = crate::fleet::uid(&world.cluster("east").get("nodes", None, "n1").unwrap());
    let id = |path: String| {
        Some(registrar_proto::types::Spiffeid { trust_domain: "example.org".to_owned(), path })
    };
    let selector =
        registrar_proto::types::Selector { r#type: "k8s".to_owned(), value: format!("pod-uid:{uid}") };
    let foreign = registrar_proto::types::Entry {
        id: "somebody-elses".to_owned(),
        spiffe_id: id("/ns/shop/pod/web-1".to_owned()),
        parent_id: id(format!("/spire/agent/k8s_psat/east/{node}")),
        selectors: vec![selector],
        admin: true,
        ..Default::default()
    };
    world.spire.insert_foreign(foreign);
    world.register("east");
    world.management.put(identity("web", "web"));
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    let message = fleet.until_condition("workloadidentities", "web", "Ready", "False", "Conflict").await;
    assert!(message.contains("somebody-elses"), "{message}");
    fleet.until_compared().await;
    assert_eq!(fleet.world.spire.writes().len(), 1, "nobody fights over it");
    fleet.world.spire.delete_foreign("somebody-elses");
    fleet
        .until("our own", |view| view.entries.iter().any(|entry| entry.id.starts_with("eks-workload-v1.")))
        .await;
}

#[tokio::test]
async fn a_cluster_of_another_account_than_the_registry_says_is_never_spoken_to() {
    let mut world = crate::fleet::world(&["east", "west"]).await;
    // EKS names an account in the ARN that is not the registry's.
    let mut eks = world.workload_cluster("east").eks.clone();
    eks.arn = eks.arn.replace("111122223333", "999999999999");
    world.aws.put_cluster(eks);
    let mut west = world.registry("west");
    west["spec"]["accountId"] = json!("222222222222");
    world.management.put(west);
    world.configure(&json!({"aws": {"accountIds": ["111122223333"]}}));
    world.register("east");
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    fleet.until_condition("eksclusterregistries", "east", "Ready", "False", "AccountMismatch").await;
    let message = fleet
        .until_condition("eksclusterregistries", "east", "ClusterReachable", "False", "AccountMismatch")
        .await;
    assert!(message.contains("999999999999") && message.contains("111122223333"), "{message}");
    fleet.until_condition("eksclusterregistries", "west", "Ready", "False", "AccountNotAllowed").await;
    for name in ["east", "west"] {
        assert_eq!(fleet.cluster(name).requests(Verb::List, "pods") + fleet.cluster(name).unauthorized(), 0);
    }
}

#[tokio::test]
async fn each_failure_of_aws_has_its_reason_and_ends() {
    let mut world = crate::fleet::world(&["creating", "missing", "throttled"]).await;
    world.add_cluster_by_role("by-role", "444455556666", "eu-west-1").await;
    let mut creating = world.workload_cluster("creating").eks.clone();
    creating.status = "CREATING".to_owned();
    world.aws.put_cluster(creating.clone());
    let missing = world.workload_cluster("missing").eks.clone();
    world.aws.remove_cluster(&missing.account, &missing.region, &missing.name);
    let role = world.workload_cluster("by-role").role.clone().unwrap();
    world.aws.remove_role(&role);
    ["creating", "missing", "by-role"].iter().for_each(|name| world.register(name));
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    for (name, reason) in
        [("creating", "ClusterCreating"), ("missing", "ClusterNotFound"), ("by-role", "RoleNotAssumable")]
    {
        let message = fleet.until_condition("eksclusterregistries", name, "Ready", "False", reason).await;
        assert!(message.ends_with("its entries stay as they are."), "{message}");
        let told = match reason {
            "RoleNotAssumable" => "CredentialsValid",
            _ => "ClusterReachable",
        };
        fleet.until_condition("eksclusterregistries", name, told, "False", reason).await;
    }
    creating.status = "ACTIVE".to_owned();
    fleet.world.aws.put_cluster(creating);
    fleet.world.aws.put_cluster(missing);
    fleet.world.aws.add_role(&role, "111122223333", None);
    for name in ["creating", "missing", "by-role"] {
        fleet.until_condition("eksclusterregistries", name, "Ready", "True", "Connected").await;
    }
    // The SDK's own three tries are not enough, and ours, which may follow soon, are not at first.
    fleet.world.aws.fail_next(Operation::DescribeCluster, 15, 429, "ThrottlingException");
    fleet.world.register("throttled");
    fleet.until_condition("eksclusterregistries", "throttled", "Ready", "False", "AWSThrottled").await;
    fleet.until_condition("eksclusterregistries", "throttled", "Ready", "True", "Connected").await;
}

#[tokio::test]
async fn a_spec_that_cannot_be_used_is_told_with_every_field() {
    let fleet = Fleet::start(&[]).await;
    fleet.world.management.put(json!({
        "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1", "kind": "EKSClusterRegistry",
        "metadata": {"name": "bad"},
        "spec": {"clusterName": "-", "region": "mars", "accountId": "1", "enabled": true, "assumeRoleArn": "role"},
    }));
    let told = fleet.until_condition("eksclusterregistries", "bad", "Valid", "False", "InvalidSpec").await;
    for field in ["spec.clusterName", "spec.region", "spec.accountId", "spec.assumeRoleArn"] {
        assert!(told.contains(field), "{field} in {told}");
    }
    let mut bad = identity("bad", "web");
    bad["spec"]["federatesWith"] = json!(["https://a"]);
    bad["spec"]["workloadSelectorTemplates"] = json!(["{{ nope }}"]);
    bad["spec"]["jwtTtl"] = json!("5 minutes");
    fleet.identity(bad);
    let management = &fleet.world.management;
    management
        .until("all problems of the identity", PATIENCE, |view| {
            let valid = crate::fleet::condition(view.get("workloadidentities", None, "bad"), "Valid");
            let told = valid.and_then(|it| it["message"].as_str()).unwrap_or_default();
            ["spec.federatesWith[0]", "spec.workloadSelectorTemplates[0]", "spec.jwtTtl"]
                .iter()
                .all(|it| told.contains(it))
        })
        .await;
    // One line a problem of an object, however often it is looked at.
    fleet.until_compared().await;
    assert_eq!(fleet.registrar.logged("name=\"bad\" condition=\"Valid\""), 2);
}
