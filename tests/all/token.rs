//! `token` and `kubeconfig`: an operator's kubectl sees what the registrar sees.

use std::process::Output;

use registrar_world::World;
use serde_json::{Value, json};

async fn run(world: &World, args: &[&str]) -> Output {
    let mut command = world.command(crate::PROGRAM);
    command.args(args);
    command.output().await.unwrap()
}

fn read(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the API server says to the user of a kubeconfig.
async fn pods(world: &World, config: &Value) -> Result<usize, String> {
    let mut config: Value = config.clone();
    // The exec's environment is the test's own, which lacks what the world's programs are told.
    let command = world.command(crate::PROGRAM);
    let variables = command.as_std().get_envs();
    let variables = variables
        .filter_map(|(name, value)| Some(json!({"name": name.to_str()?, "value": value?.to_str()?})));
    config["users"][0]["user"]["exec"]["env"] = variables.collect();
    let config: kube::config::Kubeconfig = serde_json::from_value(config).unwrap();
    let config = kube::Config::from_custom_kubeconfig(config, &Default::default())
        .await
        .map_err(|it| it.to_string())?;
    let client = kube::Client::try_from(config).map_err(|it| it.to_string())?;
    let pods: kube::Api<k8s_openapi::api::core::v1::Pod> = kube::Api::all(client);
    let listed = pods.list(&Default::default()).await.map_err(|it| it.to_string())?;
    Ok(listed.items.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubeconfig_of_a_registry_lets_kubectl_in() {
    let mut world = crate::fleet::world(&["east"]).await;
    world.cluster("east").put(crate::fleet::pod("web-1", "web"));
    world.register("east");
    let config = read(&run(&world, &["kubeconfig", "--registry", "east"]).await);
    assert_eq!(config["clusters"][0]["cluster"]["server"], world.cluster("east").url());
    assert_eq!(pods(&world, &config).await, Ok(1));
    // By a role with an external id.
    world.add_cluster_by_role("west", "444455556666", "eu-west-1").await;
    let role = world.workload_cluster("west").role.clone().unwrap();
    world.aws.add_role(&role, "111122223333", Some("team-7"));
    let mut registry = world.registry("west");
    registry["spec"]["externalId"] = json!("team-7");
    world.management.put(registry);
    let config = read(&run(&world, &["kubeconfig", "--registry", "west"]).await);
    assert_eq!(pods(&world, &config).await, Ok(0));
    let output = run(&world, &["kubeconfig", "--registry", "north"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("north"));
}

#[tokio::test]
async fn a_token_is_an_exec_credential_and_failures_are_aws_words() {
    let world = crate::fleet::world(&[]).await;
    let plain = ["token", "--cluster-name", "eks-east", "--region", "us-west-2"];
    let credential = read(&run(&world, &plain).await);
    assert_eq!(credential["apiVersion"], "client.authentication.k8s.io/v1");
    assert!(credential["status"]["token"].as_str().unwrap().starts_with("k8s-aws-v1."));
    let role = "arn:aws:iam::444455556666:role/none";
    let output = run(&world, &[&plain[..], &["--role-arn", role]].concat()).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("not authorized to perform: sts:AssumeRole") && output.stdout.is_empty(), "{told}");
    let output = run(&world, &["token", "--cluster-name", "-", "--region", "mars"]).await;
    assert_eq!(output.status.code(), Some(2));
}
