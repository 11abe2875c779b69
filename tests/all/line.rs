//! The line from a pod to its entry, as long as everything works.

use registrar_world::objects;
use registrar_world::spire::WriteKind;
use serde_json::{Value, json};

use crate::fleet::{Fleet, identity, pod, spiffe_id, uid};

#[tokio::test]
async fn every_field_of_an_identity_reaches_the_entry() {
    let fleet = Fleet::start(&["east"]).await;
    let mut full = identity("full", "web");
    let spec = json!({
        "spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/{{ .ClusterName }}/{{ .EKSClusterName }}/{{ .AccountID }}/{{ .Region }}/{{ .ServiceAccount }}",
        "parentIDTemplate": "spiffe://{{ .TrustDomain }}/spire/agent/x509pop/{{ .NodeMeta.Name }}",
        "ttl": "1h30m", "jwtTtl": "5m", "hint": "outer", "admin": true, "downstream": true,
        "federatesWith": ["partner.example", "example.org"],
        "dnsNameTemplates": ["{{ .PodMeta.Name }}.{{ .Namespace }}.svc.{{ .ClusterDomain }}", "{{ .ApplicationName }}"],
        "workloadSelectorTemplates": ["k8s:ns:{{ .PodMeta.Namespace }}", "k8s:instance:{{ .InstanceID }}"],
    });
    merge(&mut full["spec"], spec);
    fleet.identity(full);
    let uid = fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let entry = fleet.entry(&uid);
    assert_eq!(spiffe_id(&entry), "spiffe://example.org/east/eks-east/111122223333/us-west-2/default");
    assert_eq!(entry.parent_id.unwrap().path, "/spire/agent/x509pop/n1");
    assert_eq!((entry.x509_svid_ttl, entry.jwt_svid_ttl), (5400, 300));
    assert_eq!((entry.admin, entry.downstream, entry.hint.as_str()), (true, true, "outer"));
    // Our own trust domain would stop the agents: it is left out and told.
    assert_eq!(entry.federates_with, ["partner.example"]);
    assert_eq!(entry.dns_names, ["web-1.shop.svc.cluster.local", "full"]);
    let mut selectors: Vec<String> =
        entry.selectors.iter().map(|it| format!("{}:{}", it.r#type, it.value)).collect();
    selectors.sort();
    let node = fleet.cluster("east").get("nodes", None, "n1").unwrap();
    let provider = node["spec"]["providerID"].as_str().unwrap();
    let instance = provider.rsplit_once('/').unwrap().1;
    let expected =
        [format!("k8s:instance:{instance}"), "k8s:ns:shop".to_owned(), format!("k8s:pod-uid:{uid}")];
    assert_eq!(selectors, expected);
    let told = fleet.until_condition("workloadidentities", "full", "Valid", "True", "ValidWithNotes").await;
    assert!(told.contains("spec.federatesWith[1]: \"example.org\" is this server's own"), "{told}");
}

#[tokio::test]
async fn the_default_parent_is_the_k8s_psat_agent_of_the_pods_node() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    let uid_of_pod = fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let node = uid(&fleet.cluster("east").get("nodes", None, "n1").unwrap());
    let entry = fleet.entry(&uid_of_pod);
    assert_eq!(entry.parent_id.unwrap().path, format!("/spire/agent/k8s_psat/east/{node}"));
    assert!(entry.id.starts_with("eks-workload-v1."), "{}", entry.id);
}

#[tokio::test]
async fn a_pod_has_an_entry_from_its_binding_to_its_end() {
    let fleet = Fleet::start(&["east"]).await;
    let east = fleet.cluster("east");
    fleet.identity(identity("web", "web"));
    let mut unbound = pod("web-1", "web");
    unbound["spec"]["nodeName"] = Value::Null;
    unbound["status"]["phase"] = json!("Pending");
    let pod = uid(&east.put(unbound));
    // A pod that comes later and has its entry shows that the first was looked at.
    fleet.pod("east", "web-2", "web");
    fleet.until_entries(1).await;
    east.patch("pods", Some("shop"), "web-1", json!({"spec": {"nodeName": "n1"}}));
    fleet.until_entries(2).await;
    let id = fleet.entry(&pod).id;
    // Relabelled out, and in again: an id never comes back.
    east.patch("pods", Some("shop"), "web-1", json!({"metadata": {"labels": {"app": "other"}}}));
    fleet.until_entries(1).await;
    east.patch("pods", Some("shop"), "web-1", json!({"metadata": {"labels": {"app": "web"}}}));
    fleet.until_entries(2).await;
    let again = fleet.entry(&pod).id;
    assert_ne!(again, id);
    // A terminating pod still runs.
    east.terminate("pods", Some("shop"), "web-1");
    fleet.until_compared().await;
    assert_eq!(fleet.entry(&pod).id, again);
    east.remove("pods", Some("shop"), "web-1");
    fleet.until_entries(1).await;
    east.patch("pods", Some("shop"), "web-2", json!({"status": {"phase": "Succeeded"}}));
    fleet.until_entries(0).await;
}

#[tokio::test]
async fn a_pod_that_moves_to_another_identity_keeps_what_it_has() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("first", "web"));
    fleet.identity(identity("second", "api"));
    let pod = fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let (id, writes) = (fleet.entry(&pod).id, fleet.world.spire.writes().len());
    fleet.cluster("east").patch(
        "pods",
        Some("shop"),
        "web-1",
        json!({"metadata": {"labels": {"app": "api"}}}),
    );
    fleet
        .world
        .management
        .until("second has the entry", crate::fleet::PATIENCE, |view| {
            let stats = view.get("workloadidentities", None, "second").map(|it| &it["status"]["stats"]);
            stats.is_some_and(|stats| stats["entriesRegistered"] == 1)
        })
        .await;
    assert_eq!(fleet.entry(&pod).id, id);
    assert_eq!(
        fleet.world.spire.writes().len(),
        writes,
        "the workload sees no difference: nothing is written"
    );
}

#[tokio::test]
async fn edits_and_replaced_nodes_update_entries_under_their_ids() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    let pod = fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let id = fleet.entry(&pod).id;
    let edit = json!({"spec": {"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/new/{{ .PodMeta.Name }}"}});
    fleet.world.management.patch("workloadidentities", None, "web", edit);
    fleet.until("the new SPIFFE ID", |view| view.spiffe_ids() == ["spiffe://example.org/new/web-1"]).await;
    assert_eq!(fleet.entry(&pod).id, id);
    // The node goes before its pods, as autoscalers do it, and comes back under its name as another.
    let east = fleet.cluster("east");
    east.remove("nodes", None, "n1");
    fleet.until_compared().await;
    assert_eq!(fleet.entry(&pod).id, id);
    let node = uid(&east.put(objects::node("n1")));
    let parent = format!("/spire/agent/k8s_psat/east/{node}");
    fleet
        .until("the new parent", |view| {
            view.entries.iter().all(|it| it.parent_id.as_ref().is_some_and(|it| it.path == parent))
        })
        .await;
    assert_eq!(fleet.entry(&pod).id, id);
    assert_eq!((fleet.writes(WriteKind::Create), fleet.writes(WriteKind::Delete)), (1, 0));
}

#[tokio::test]
async fn status_counts_and_finalizers_follow_the_entries() {
    let fleet = Fleet::start(&["east", "west"]).await;
    let management = &fleet.world.management;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.pod("east", "web-2", "web");
    fleet.pod("west", "web-1", "web");
    fleet.until_entries(3).await;
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    fleet.until_condition("eksclusterregistries", "east", "Ready", "True", "Connected").await;
    let status = |plural, name| management.get(plural, None, name).unwrap()["status"].clone();
    let stats = json!({"clustersTargeted": 2, "namespacesFound": 2, "podsSelected": 3, "entriesRegistered": 3, "entryFailures": 0});
    // The condition may have been true of the first pod alone.
    management
        .until("all three are counted", crate::fleet::PATIENCE, |view| {
            view.get("workloadidentities", None, "web").is_some_and(|it| it["status"]["stats"] == stats)
        })
        .await;
    assert!(status("workloadidentities", "web")["lastReconciliation"].is_string());
    management
        .until("east's two are counted", crate::fleet::PATIENCE, |view| {
            view.get("eksclusterregistries", None, "east").is_some_and(|it| {
                let status = &it["status"];
                status["namespacesCount"] == 2 && status["entriesRegistered"] == 2
            })
        })
        .await;
    let east = status("eksclusterregistries", "east");
    assert!(east["lastSync"].is_string());
    // Both kinds carry the finalizer, and an object goes when nothing of it is left.
    let finalizers =
        |plural, name| management.get(plural, None, name).unwrap()["metadata"]["finalizers"].clone();
    let ours = json!(["eksclusterregistry.spire.spiffe.io/entries"]);
    assert_eq!(finalizers("workloadidentities", "web"), ours);
    assert_eq!(finalizers("eksclusterregistries", "west"), ours);
    management.remove("eksclusterregistries", None, "west");
    fleet.until_entries(2).await;
    let gone = |plural, name| {
        management.until("the object is gone", crate::fleet::PATIENCE, move |view| {
            view.get(plural, None, name).is_none()
        })
    };
    gone("eksclusterregistries", "west").await;
    management.remove("workloadidentities", None, "web");
    fleet.until_entries(0).await;
    gone("workloadidentities", "web").await;
}

#[tokio::test]
async fn selection_is_by_cluster_namespace_and_labels() {
    let mut world = crate::fleet::world(&["east", "west"]).await;
    world.configure(&json!({"ignoreNamespaces": ["^kube-"]}));
    let mut west = world.registry("west");
    west["spec"]["labels"] = json!({"tier": "compute"});
    world.management.put(west);
    world.register("east");
    for cluster in ["east", "west"] {
        world.cluster(cluster).put(objects::namespace("kube-public"));
        world.cluster(cluster).put(pod("web-1", "web"));
        world.cluster(cluster).put(pod("api-1", "api"));
        world.cluster(cluster).put(objects::pod("kube-public", "web-2", "n1", "default"));
    }
    let mut compute = identity("compute", "web");
    compute["spec"]["clusterSelector"] = json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]});
    compute["spec"]["podSelector"] =
        json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "none"]}]});
    world.management.put(compute);
    world.management.put(objects::workload_identity(
        "public",
        "kube-public",
        "spiffe://{{ .TrustDomain }}/public",
    ));
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    fleet.until_entries(1).await;
    fleet.until_condition("workloadidentities", "compute", "Ready", "True", "InStep").await;
    fleet.until_condition("workloadidentities", "public", "Ready", "True", "InStep").await;
    fleet.until_compared().await;
    let expected = ["spiffe://example.org/ns/shop/pod/web-1"];
    fleet.until("only what is selected", |view| view.spiffe_ids() == expected).await;
    assert!(fleet.world.spire.entries()[0].parent_id.as_ref().unwrap().path.contains("/k8s_psat/west/"));
}

#[tokio::test]
async fn logs_are_those_that_operators_grep_for() {
    let mut world = crate::fleet::world(&["east"]).await;
    world.register("east");
    world.cluster("east").put(pod("web-1", "web"));
    world.management.put(identity("web", "web"));
    // The level that the seed's example of a log shows.
    let registrar = world.run_with(crate::PROGRAM, |command| {
        command.env("LOG_LEVEL", "info,spire_eks_workload_registrar::sync=debug");
    });
    let fleet = Fleet { world, registrar };
    let created =
        fleet.registrar.until_logged("Successfully created SPIRE entry", crate::fleet::PATIENCE).await;
    let entry = &fleet.world.spire.entries()[0];
    assert!(created.contains("spiffeID=spiffe://example.org/ns/shop/pod/web-1"), "{created}");
    assert!(created.contains(&format!("entryID={}", entry.id)), "{created}");
    let line = "WorkloadIdentity resource changed, using targeted reconciliation";
    fleet.registrar.until_logged(line, crate::fleet::PATIENCE).await;
    fleet.registrar.until_logged("garbage collection", crate::fleet::PATIENCE).await;
    // The seed's way to ask for a full reconciliation.
    let annotation = json!({"metadata": {"annotations": {"reconcile": "now"}}});
    fleet.world.management.patch("workloadidentities", None, "web", annotation);
    fleet.registrar.until_logged("a full reconciliation was asked for", crate::fleet::PATIENCE).await;
}

fn merge(into: &mut Value, from: Value) {
    let (Value::Object(into), Value::Object(from)) = (into, from) else { panic!("two objects") };
    into.extend(from);
}
