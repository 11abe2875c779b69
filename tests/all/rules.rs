//! What an identity can say beyond the seed, and what the configuration says over all of them.

use registrar_world::objects;
use registrar_world::spire::WriteKind;
use serde_json::{Value, json};

use crate::fleet::{Fleet, PATIENCE, identity, pod};

fn stats(fleet: &Fleet, name: &str, key: &str) -> u64 {
    fleet.world.management.get("workloadidentities", None, name).unwrap()["status"]["stats"][key]
        .as_u64()
        .unwrap_or(0)
}

#[tokio::test]
async fn namespaces_are_selected_by_their_labels_as_they_come_and_go() {
    let fleet = Fleet::start(&["east"]).await;
    let mut team = identity("team", "web");
    team["spec"]["namespace"] = json!(null);
    team["spec"]["namespaceSelector"] = json!({"matchLabels": {"team": "blue"}});
    fleet.identity(team);
    fleet.pod("east", "web-1", "web");
    let labelled = |team: &str| {
        let mut namespace = objects::namespace("shop");
        namespace["metadata"]["labels"]["team"] = json!(team);
        fleet.cluster("east").put(namespace);
    };
    labelled("blue");
    fleet.until_entries(1).await;
    labelled("red");
    fleet.until_entries(0).await;
}

#[tokio::test]
async fn an_identity_without_a_rule_for_namespaces_selects_nothing() {
    let fleet = Fleet::start(&["east"]).await;
    let mut silent = identity("silent", "web");
    silent["spec"]["namespace"] = json!(null);
    fleet.identity(silent);
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    let told = fleet.until_condition("workloadidentities", "silent", "Valid", "True", "ValidWithNotes").await;
    assert!(told.contains("the identity selects nothing"), "{told}");
    fleet.until_entries(1).await;
    assert_eq!(stats(&fleet, "silent", "podsSelected"), 0);
}

#[tokio::test]
async fn who_is_preferred_hands_the_entry_over_under_its_id() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("a-first", "web"));
    let uid = fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let id = fleet.entry(&uid).id;
    // The same entry, of higher priority and with another TTL: it has the entry now.
    let mut urgent = identity("urgent", "web");
    urgent["spec"]["priority"] = json!(10);
    urgent["spec"]["ttl"] = json!("2h");
    fleet.identity(urgent);
    fleet.until("urgent's TTL", |view| view.entries.iter().all(|entry| entry.x509_svid_ttl == 7200)).await;
    // When it goes, the masked one takes over.
    fleet.world.management.remove("workloadidentities", None, "urgent");
    fleet.until("the first's TTL", |view| view.entries.iter().all(|entry| entry.x509_svid_ttl == 0)).await;
    assert_eq!(fleet.entry(&uid).id, id);
    assert_eq!((fleet.writes(WriteKind::Create), fleet.writes(WriteKind::Delete)), (1, 0));
}

#[tokio::test]
async fn a_fallback_is_for_pods_that_nobody_else_selects() {
    let fleet = Fleet::start(&["east"]).await;
    let mut fallback = objects::workload_identity(
        "a-fallback",
        "shop",
        "spiffe://{{ .TrustDomain }}/any/{{ .PodMeta.Name }}",
    );
    fallback["spec"]["fallback"] = json!(true);
    fleet.identity(fallback);
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.pod("east", "other-1", "other");
    let both = ["spiffe://example.org/any/other-1", "spiffe://example.org/ns/shop/pod/web-1"];
    fleet.until("one each", |view| view.spiffe_ids() == both).await;
    fleet.world.management.remove("workloadidentities", None, "web");
    let any = ["spiffe://example.org/any/other-1", "spiffe://example.org/any/web-1"];
    fleet.until("the fallback for both", |view| view.spiffe_ids() == any).await;
}

#[tokio::test]
async fn a_preview_tells_what_it_would_do_and_does_nothing() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.pod("east", "web-2", "web");
    fleet.until_entries(2).await;
    let (before, writes) = (fleet.ids(), fleet.world.spire.writes().len());
    let management = &fleet.world.management;
    let edit = json!({"spec": {"preview": true, "ttl": "2h", "podSelector": {"matchLabels": {"app": "web"},
        "matchExpressions": [{"key": "canary", "operator": "DoesNotExist"}]}}});
    management.patch("workloadidentities", None, "web", edit);
    // Pods come by another watch: only what is after this comes after the edit.
    fleet.until_condition("workloadidentities", "web", "Ready", "False", "Preview").await;
    fleet.cluster("east").patch(
        "pods",
        Some("shop"),
        "web-2",
        json!({"metadata": {"labels": {"canary": "1"}}}),
    );
    fleet.pod("east", "web-3", "web");
    let counts = json!({"wouldCreate": 1, "wouldUpdate": 1, "wouldDelete": 1});
    management
        .until("the preview's counts", PATIENCE, |view| {
            let stats = view.get("workloadidentities", None, "web").map(|it| &it["status"]["stats"]);
            stats.is_some_and(|stats| {
                counts.as_object().unwrap().iter().all(|(key, count)| stats[key] == *count)
            })
        })
        .await;
    let told = fleet.until_condition("workloadidentities", "web", "Ready", "False", "Preview").await;
    assert!(told.contains("It would create 1, update 1 and delete 1 entries"), "{told}");
    assert_eq!((fleet.ids(), fleet.world.spire.writes().len()), (before, writes));
    management.patch("workloadidentities", None, "web", json!({"spec": {"preview": false}}));
    fleet
        .until("what it said", |view| {
            view.spiffe_ids()
                == ["spiffe://example.org/ns/shop/pod/web-1", "spiffe://example.org/ns/shop/pod/web-3"]
                && view.entries.iter().all(|entry| entry.x509_svid_ttl == 7200)
        })
        .await;
}

#[tokio::test]
async fn guardrails_refuse_what_they_do_not_name_and_the_pod_keeps_what_it_has() {
    let fleet = Fleet::configured(json!({"guardrails": {
        "rules": [{"accounts": ["111122223333"], "spiffeIDs": ["/ns/*/pod/*"]}],
        "admin": [], "federatesWith": [{"identities": ["partner"], "trustDomains": ["partner.example"]}]}}))
    .await;
    fleet.identity(identity("web", "web"));
    let uid = fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let id = fleet.entry(&uid).id;
    let management = &fleet.world.management;
    let refused = json!({"spec": {"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/admin"}});
    management.patch("workloadidentities", None, "web", refused);
    let told = fleet.until_condition("workloadidentities", "web", "Ready", "False", "GuardrailDenied").await;
    assert!(
        told.contains(
            "spiffe://example.org/admin is not allowed by guardrails.rules, which allows /ns/*/pod/*"
        ),
        "{told}"
    );
    assert_eq!(stats(&fleet, "web", "entryFailures"), 1);
    let mut admin = identity("ops", "ops");
    admin["spec"]["admin"] = json!(true);
    admin["spec"]["federatesWith"] = json!(["partner.example"]);
    fleet.identity(admin);
    let told = fleet.until_condition("workloadidentities", "ops", "Valid", "False", "GuardrailDenied").await;
    assert!(told.contains("spec.admin") && told.contains("spec.federatesWith[0]"), "{told}");
    // A registry narrows, whatever its labels say.
    management.patch(
        "eksclusterregistries",
        None,
        "east",
        json!({"spec": {"allowedSPIFFEIDs": ["/ns/shop/**"]}}),
    );
    fleet.identity(identity("partner", "partner"));
    fleet.pod("east", "partner-1", "partner");
    fleet.until_entries(2).await;
    management.patch("eksclusterregistries", None, "east", json!({"spec": {"allowedSPIFFEIDs": ["/none"]}}));
    fleet.until_condition("workloadidentities", "partner", "Ready", "False", "GuardrailDenied").await;
    fleet.until_compared().await;
    assert_eq!((fleet.entry(&uid).id, fleet.ids().len()), (id, 2));
}

#[tokio::test]
async fn a_dns_name_that_guardrails_refuse_is_told_by_what_gave_it() {
    let fleet = Fleet::configured(json!({"guardrails": {"rules": [{"dnsNames": ["*.allowed"]}]}})).await;
    let mut web = identity("web", "web");
    web["spec"]["dnsNameTemplates"] = json!(["{{ .PodMeta.Name }}.allowed"]);
    fleet.identity(web);
    let uid = fleet.pod("east", "web-1", "web");
    fleet.cluster("east").put(slice("front-1", "front", &[&uid]));
    fleet.until_entries(1).await;
    let entry = fleet.entry(&uid);
    assert_eq!(entry.dns_names, ["web-1.allowed"]);
    let edit = |spec: Value| {
        fleet.world.management.patch("workloadidentities", None, "web", json!({"spec": spec}));
    };
    edit(json!({"autoPopulateDNSNames": true}));
    let by = "not allowed by guardrails.rules, which allows *.allowed";
    let told = fleet.until_condition("workloadidentities", "web", "Ready", "False", "GuardrailDenied").await;
    assert!(told.contains(&format!("spec.autoPopulateDNSNames: front is {by}")), "{told}");
    edit(json!({"autoPopulateDNSNames": false, "dnsNameTemplates": ["{{ .PodMeta.Name }}.other"]}));
    let told = format!("spec.dnsNameTemplates: web-1.other is {by}");
    let is_told = |view: &registrar_world::kube::View<'_>| {
        let object = view.get("workloadidentities", None, "web");
        let ready = crate::fleet::condition(object, "Ready");
        ready.is_some_and(|it| it["message"].as_str().unwrap().contains(&told))
    };
    fleet.world.management.until("the template's name is refused", PATIENCE, is_told).await;
    fleet.until_compared().await;
    assert_eq!(fleet.entry(&uid), entry, "the pod keeps what it has");
}

#[tokio::test]
async fn pods_on_fargate_have_no_agent() {
    let fleet = Fleet::start(&["east"]).await;
    let mut fargate = objects::node("fargate");
    fargate["metadata"]["labels"]["eks.amazonaws.com/compute-type"] = json!("fargate");
    fleet.cluster("east").put(fargate);
    let mut lonely = pod("web-f", "web");
    lonely["spec"]["nodeName"] = json!("fargate");
    fleet.cluster("east").put(lonely);
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let told = fleet.until_condition("workloadidentities", "web", "Ready", "False", "NoAgentOnNode").await;
    assert!(told.contains("node fargate is Fargate's"), "{told}");
}

#[tokio::test]
async fn in_upsert_only_deletes_are_told_and_not_done() {
    let fleet = Fleet::configured(json!({"mode": "UpsertOnly"})).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.pod("east", "web-2", "web");
    fleet.until_entries(2).await;
    fleet.cluster("east").remove("pods", Some("shop"), "web-1");
    fleet.pod("east", "web-3", "web");
    fleet.until_entries(3).await;
    fleet.until_compared().await;
    assert_eq!(fleet.writes(WriteKind::Delete), 0);
    let metrics = crate::replicas::get(fleet.registrar.metrics, "/metrics").await;
    assert!(metrics.contains("held_entries{reason=\"UpsertOnly\"} 1"), "{metrics}");
}

#[tokio::test]
async fn who_observes_writes_nothing_anywhere() {
    let fleet = Fleet::configured(json!({"mode": "Observe"})).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.registrar.until_logged("condition=\"Ready\" reason=\"Connected\"", PATIENCE).await;
    fleet.until_compared().await;
    assert!(fleet.world.spire.writes().is_empty());
    assert!(fleet.world.management.objects("leases").is_empty());
    let identity = fleet.world.management.get("workloadidentities", None, "web").unwrap();
    assert!(identity["status"].is_null() && identity["metadata"]["finalizers"].is_null(), "{identity}");
}

/// The digest that a condition names.
fn digest(told: &str) -> String {
    told.rsplit_once('=').unwrap().1.to_owned()
}

#[tokio::test]
async fn the_brake_holds_what_goes_beyond_a_budget_until_exactly_that_is_released() {
    let mut fleet = Fleet::configured(json!({"brake": {"scopeNumber": 3, "fleetNumber": 100}})).await;
    fleet.identity(identity("web", "web"));
    (0..10).for_each(|number| {
        fleet.pod("east", &format!("web-{number}"), "web");
    });
    fleet.until_entries(10).await;
    let before = fleet.ids();
    // Pods that end while they are watched are nobody's mistake.
    (4..10).for_each(|number| fleet.cluster("east").remove("pods", Some("shop"), &format!("web-{number}")));
    fleet.until_entries(4).await;
    let kept = fleet.ids();
    assert!(kept.is_subset(&before));
    // An edit that gives all of them another SPIFFE ID, and one of their TTL: that one flows on.
    let edit = json!({"spec": {"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/new/{{ .PodMeta.Name }}"}});
    fleet.world.management.patch("workloadidentities", None, "web", edit);
    let told = fleet.until_condition("workloadidentities", "web", "WithinBudgets", "False", "Braked").await;
    assert!(
        told.starts_with(
            "Held: 0 deletes and 4 changes of SPIFFE ID, parent or selectors, of the identity's 4 entries."
        ),
        "{told}"
    );
    // The alert goes by this one: no entry of a held change is one that no pod is to have.
    let metrics = crate::replicas::get(fleet.registrar.metrics, "/metrics").await;
    assert!(
        metrics.contains("held_plans{cause=\"Brake\"} 2"),
        "of the identity and of the cluster: {metrics}"
    );
    assert!(metrics.contains("held_entries{reason=\"Brake\"} 0"), "{metrics}");
    fleet.pod("east", "web-new", "web");
    fleet.until_entries(5).await;
    let old = |view: &registrar_world::spire::View<'_>| {
        view.spiffe_ids().iter().filter(|id| id.contains("/ns/shop/pod/")).count()
    };
    fleet.until_compared().await;
    fleet.until("the four as they were", |view| old(view) == 4).await;
    // A restart remembers nothing and comes to the same plan, with the same digest.
    fleet.registrar.kill().await;
    fleet.registrar = fleet.world.run(crate::PROGRAM);
    fleet.registrar.until_logged("condition=\"WithinBudgets\" reason=\"Braked\"", PATIENCE).await;
    let release = |digest: &str| {
        let annotations = json!({"eksclusterregistry.spire.spiffe.io/release": digest});
        fleet.world.management.patch(
            "workloadidentities",
            None,
            "web",
            json!({"metadata": {"annotations": annotations}}),
        );
    };
    release("anything");
    fleet.until_compared().await;
    fleet.until("the four as they were", |view| old(view) == 4).await;
    release(&digest(&told));
    fleet.until("the four changed", |view| old(view) == 0 && view.entries.len() == 5).await;
    assert!(fleet.ids().is_superset(&kept), "under their ids");
    // The deletion of the identity is another plan.
    fleet.world.management.remove("workloadidentities", None, "web");
    let what = "the deletion is held";
    fleet
        .world
        .management
        .until(what, PATIENCE, |view| {
            let braked =
                crate::fleet::condition(view.get("workloadidentities", None, "web"), "WithinBudgets");
            braked.is_some_and(|it| it["message"].as_str().unwrap().starts_with("Held: 5 deletes"))
        })
        .await;
    fleet.until_compared().await;
    assert_eq!(fleet.ids().len(), 5);
    let object = fleet.world.management.get("workloadidentities", None, "web").unwrap();
    let told = crate::fleet::condition(Some(&object), "WithinBudgets").unwrap()["message"]
        .as_str()
        .unwrap()
        .to_owned();
    release(&digest(&told));
    fleet.until_entries(0).await;
    fleet
        .world
        .management
        .until("it is gone", PATIENCE, |view| view.get("workloadidentities", None, "web").is_none())
        .await;
}

#[tokio::test]
async fn what_is_beyond_the_fleets_budget_alone_is_told_on_every_object_and_released_by_its_digest() {
    let mut world = crate::fleet::world(&["east", "west"]).await;
    world.configure(&json!({"brake": {"fleetNumber": 3, "scopeNumber": 100}}));
    ["east", "west"].into_iter().for_each(|name| world.register(name));
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    let identities = ["api", "web"];
    identities.into_iter().for_each(|app| fleet.identity(identity(app, app)));
    for (number, cluster) in ["east", "west", "east", "west"].into_iter().enumerate() {
        fleet.pod(cluster, &format!("api-{number}"), "api");
        fleet.pod(cluster, &format!("web-{number}"), "web");
    }
    fleet.until_entries(8).await;
    let before = fleet.ids();
    // Of each identity and in each cluster it is few.
    let edit = json!({"spec": {"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/new/{{ .PodMeta.Name }}"}});
    fleet.world.management.patch("workloadidentities", None, "web", edit);
    let objects = [
        ("workloadidentities", "api"),
        ("workloadidentities", "web"),
        ("eksclusterregistries", "east"),
        ("eksclusterregistries", "west"),
    ];
    let mut digests = std::collections::BTreeSet::new();
    for (plural, name) in objects {
        let told = fleet.until_condition(plural, name, "WithinBudgets", "False", "Braked").await;
        let held = "Held: 0 deletes and 4 changes of SPIFFE ID, parent or selectors, of all 8 entries.";
        assert!(told.starts_with(held), "{plural} {name}: {told}");
        digests.insert(digest(&told));
    }
    assert_eq!(digests.len(), 1, "one plan: {digests:?}");
    let digest = digests.pop_first().unwrap();
    let plans = crate::writer::held(&fleet, "the fleet's plan", |held| held.len() == 1).await;
    assert_eq!((&plans[0]["scope"], &plans[0]["name"]), (&json!("fleet"), &Value::Null));
    assert_eq!((&plans[0]["digest"], &plans[0]["updates"]), (&json!(digest), &json!(4)));
    fleet.until_compared().await;
    let new = |view: &registrar_world::spire::View<'_>| {
        view.spiffe_ids().iter().filter(|id| id.contains("/new/")).count()
    };
    fleet.until("nothing of it is done", |view| new(view) == 0).await;
    // On any object: here on one that has nothing to do with it.
    crate::writer::annotate(&fleet, "workloadidentities", "api", &digest);
    fleet.until("it is done", |view| new(view) == 4).await;
    assert_eq!(fleet.ids(), before, "under their ids");
    let is_over = |view: &registrar_world::kube::View<'_>| {
        objects.iter().all(|(plural, name)| {
            crate::fleet::condition(view.get(plural, None, name), "WithinBudgets").is_none()
        })
    };
    fleet.world.management.until("nobody tells of it any more", PATIENCE, is_over).await;
}

#[tokio::test]
async fn a_selector_that_loses_its_pods_is_braked_and_an_edit_back_takes_the_brake_off() {
    let fleet = Fleet::configured(json!({"brake": {"scopeNumber": 3}})).await;
    fleet.identity(identity("web", "web"));
    (0..6).for_each(|number| {
        fleet.pod("east", &format!("web-{number}"), "web");
    });
    fleet.until_entries(6).await;
    let before = fleet.ids();
    let select = |app: &str| {
        let selector = json!({"spec": {"podSelector": {"matchLabels": {"app": app}}}});
        fleet.world.management.patch("workloadidentities", None, "web", selector);
    };
    select("wbe");
    fleet.until_condition("workloadidentities", "web", "WithinBudgets", "False", "Braked").await;
    fleet.until_compared().await;
    assert_eq!(fleet.ids(), before);
    select("web");
    let management = &fleet.world.management;
    management
        .until("the condition is gone", PATIENCE, |view| {
            let object = view.get("workloadidentities", None, "web");
            crate::fleet::condition(object, "WithinBudgets").is_none()
                && crate::fleet::condition(object, "Ready").is_some_and(|it| it["reason"] == "InStep")
        })
        .await;
    assert_eq!((fleet.ids(), fleet.writes(WriteKind::Delete)), (before, 0));
}

/// An endpoint slice of a Service of namespace `shop`.
fn slice(name: &str, service: &str, pods: &[&str]) -> Value {
    let endpoints: Vec<Value> =
        pods.iter().map(|uid| json!({"targetRef": {"kind": "Pod", "uid": uid}})).collect();
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"namespace": "shop", "name": name, "labels": {"kubernetes.io/service-name": service}},
        "endpoints": endpoints})
}

#[tokio::test]
async fn names_of_services_come_and_go_with_their_endpoints() {
    let fleet = Fleet::start(&["east"]).await;
    let east = fleet.cluster("east");
    let mut web = identity("web", "web");
    web["spec"]["autoPopulateDNSNames"] = json!(true);
    web["spec"]["dnsNameTemplates"] = json!(["{{ .PodMeta.Name }}", "front.shop"]);
    fleet.identity(web);
    let uid = fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    assert_eq!(fleet.entry(&uid).dns_names, ["web-1", "front.shop"]);
    east.put(slice("front-1", "front", &[&uid]));
    east.put(slice("front-2", "front", &["another", &uid]));
    // After the templates' own, and none twice.
    let all = ["web-1", "front.shop", "front", "front.shop.svc", "front.shop.svc.cluster.local"];
    fleet.until("front's names", |view| view.entries.iter().all(|entry| entry.dns_names == all)).await;
    let id = fleet.entry(&uid).id;
    east.put(slice("front-1", "front", &[]));
    east.put(slice("front-2", "front", &[]));
    fleet.until("its own names", |view| view.entries.iter().all(|entry| entry.dns_names.len() == 2)).await;
    assert_eq!(fleet.entry(&uid).id, id);
    // Nobody asks for them any more: they are no longer watched.
    fleet.world.management.patch(
        "workloadidentities",
        None,
        "web",
        json!({"spec": {"autoPopulateDNSNames": false}}),
    );
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
}

#[tokio::test]
async fn a_mass_edit_is_paced_and_a_new_pod_goes_before_the_rest_of_it() {
    let fleet = Fleet::configured(json!({"updatesPerSecond": 150})).await;
    fleet.identity(identity("web", "web"));
    (0..500).for_each(|number| {
        fleet.pod("east", &format!("web-{number}"), "web");
    });
    fleet.until_entries(500).await;
    let begin = std::time::Instant::now();
    fleet.world.management.patch("workloadidentities", None, "web", json!({"spec": {"hint": "new"}}));
    fleet.until("the first updates", |view| view.entries.iter().any(|entry| entry.hint == "new")).await;
    fleet.pod("east", "web-new", "web");
    fleet
        .until("all of it", |view| {
            view.entries.len() == 501 && view.entries.iter().all(|entry| entry.hint == "new")
        })
        .await;
    // 150 at once, and then 150 a second: with the default of 200 it would have been over in a second and a half.
    assert!(begin.elapsed() >= std::time::Duration::from_millis(2300), "{:?}", begin.elapsed());
    let writes = fleet.world.spire.writes();
    let created = writes.iter().position(|write| write.spiffe_id.ends_with("/web-new")).unwrap();
    assert!(
        writes[created..].iter().any(|write| write.kind == WriteKind::Update),
        "it did not wait for the edit"
    );
}
