//! Nothing that lets anybody in is ever logged, at whatever level, nor told in a status, an event or a metric.

use registrar_world::aws::Operation;
use registrar_world::objects;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fleet::{Fleet, identity};

const REGISTRIES: &str = "eksclusterregistries";

#[tokio::test]
async fn no_credential_is_logged_at_trace_level_or_told() {
    let mut world = crate::fleet::world(&["east"]).await;
    world.add_cluster_by_role("west", "444455556666", "eu-west-1").await;
    world.cluster("west").put(objects::namespace("shop"));
    world.cluster("west").put(objects::node("n1"));
    let role = world.workload_cluster("west").role.clone().unwrap();
    world.aws.add_role(&role, "111122223333", Some("team-7"));
    world.register("east");
    world.register("west");
    world.management.put(identity("web", "web"));
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    // What works, what is refused, and what is refused with AWS's and the API server's own words.
    fleet.until_condition(REGISTRIES, "west", "CredentialsValid", "False", "RoleNotAssumable").await;
    fleet.world.aws.fail_next(Operation::DescribeCluster, 3, 403, "UnrecognizedClientException");
    fleet.world.management.patch(REGISTRIES, None, "west", json!({"spec": {"externalId": "team-7"}}));
    fleet.until_condition(REGISTRIES, "west", "Ready", "True", "Connected").await;
    fleet.cluster("east").refuse_tokens(true);
    fleet.cluster("east").cut_watches();
    fleet.until_condition(REGISTRIES, "east", "CredentialsValid", "False", "Unauthorized").await;
    fleet.cluster("east").refuse_tokens(false);
    fleet.until_condition(REGISTRIES, "east", "Ready", "True", "Connected").await;
    fleet.pod("west", "web-1", "web");
    fleet.until_entries(1).await;
    fleet.until_compared().await;
    let mut secrets = fleet.world.aws.secrets();
    assert!(secrets.len() >= 3, "a user's secret, a session's secret and its token");
    secrets.extend(fleet.world.management.token().map(str::to_owned));
    let log = fleet.registrar.log();
    assert!(log.iter().any(|line| line.contains("TRACE")), "the level is not what it is meant to be");
    let told = |text: &str| {
        let issued = secrets.iter().find(|secret| text.contains(secret.as_str())).cloned();
        issued.or_else(|| registrar_world::secrets::found(text).map(str::to_owned))
    };
    for line in &log {
        if let Some(secret) = told(line) {
            panic!("{secret:?} is logged: {}", line.chars().take(400).collect::<String>());
        }
    }
    let objects = fleet.world.management.objects(REGISTRIES).into_iter();
    for object in objects.chain(fleet.world.management.objects("workloadidentities")) {
        assert_eq!(told(&object["status"].to_string()), None);
    }
    let events = fleet.world.management.objects("events.events.k8s.io");
    assert!(!events.is_empty(), "the failures are Events too");
    assert_eq!(events.iter().find_map(|event| told(&event.to_string())), None);
    let mut metrics = tokio::net::TcpStream::connect(fleet.registrar.metrics).await.unwrap();
    metrics.write_all(b"GET /metrics HTTP/1.0\r\nhost: a\r\n\r\n").await.unwrap();
    let mut text = String::new();
    metrics.read_to_string(&mut text).await.unwrap();
    assert!(text.contains("spire_eks_workload_registrar_cluster_watch_bytes_total"), "{text}");
    assert_eq!(told(&text), None);
}
