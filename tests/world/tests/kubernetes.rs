//! A client that others wrote finds what it expects at the simulated API server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::Duration;

use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Config, Error, ResourceExt};
use registrar_world::kube::{KubeApi, Streams, Verb};
use registrar_world::objects;
use serde_json::json;

const SOON: Duration = Duration::from_secs(20);

async fn client(api: &KubeApi) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(&api.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

fn identities(client: Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("eksclusterregistry.spire.spiffe.io", "v1alpha1", "WorkloadIdentity");
    Api::all_with(client, &ApiResource::from_gvk_with_plural(&kind, "workloadidentities"))
}

fn code(error: Error) -> (u16, String) {
    match error {
        Error::Api(status) => (status.code, status.reason),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_watcher_sees_what_happens_across_cuts_and_compaction() {
    let api = KubeApi::start().await;
    api.put(objects::namespace("shop"));
    let put = |name: &str| drop(api.put(objects::pod("shop", name, "node-1", "web")));
    put("before");
    let pods: Api<Pod> = Api::all(client(&api).await);
    let config = watcher::Config::default().page_size(1);
    let events = watcher(pods, config).filter_map(|event| async { event.ok() });
    let names = events.filter_map(|event| async {
        match event {
            Event::InitApply(pod) | Event::Apply(pod) => Some(format!("+{}", pod.name_any())),
            Event::Delete(pod) => Some(format!("-{}", pod.name_any())),
            Event::Init | Event::InitDone => None,
        }
    });
    let mut names = std::pin::pin!(names);
    let mut next = async || tokio::time::timeout(SOON, names.next()).await.unwrap().unwrap();
    assert_eq!(next().await, "+before");
    put("live");
    assert_eq!(next().await, "+live");
    api.remove("pods", Some("shop"), "before");
    assert_eq!(next().await, "-before");
    // A cut watch goes on where it was; one from before a compaction begins anew.
    api.cut_watches();
    put("after-cut");
    assert_eq!(next().await, "+after-cut");
    api.refuse();
    put("while-away");
    api.compact();
    api.come_back();
    let mut again = vec![next().await, next().await, next().await];
    again.sort();
    assert_eq!(again, ["+after-cut", "+live", "+while-away"]);
    api.go_silent();
    put("in-silence");
    api.come_back();
    assert_eq!(next().await, "+in-silence");
    assert!(api.requests(Verb::Watch, "pods") >= 2);
}

#[tokio::test]
async fn a_watch_that_begins_with_all_that_is_there_is_a_list() {
    let api = KubeApi::start().await;
    api.put(objects::namespace("shop"));
    let put = |name: &str| drop(api.put(objects::pod("shop", name, "node-1", "web")));
    put("a");
    put("b");
    let pods: Api<Pod> = Api::all(client(&api).await);
    let events = watcher(pods, watcher::Config::default().streaming_lists());
    let mut events = std::pin::pin!(events.filter_map(|event| async { event.ok() }));
    let mut next = async || match tokio::time::timeout(SOON, events.next()).await.unwrap().unwrap() {
        Event::Init => "begin".to_owned(),
        Event::InitApply(pod) => format!("there {}", pod.name_any()),
        Event::InitDone => "all".to_owned(),
        Event::Apply(pod) => format!("+{}", pod.name_any()),
        Event::Delete(pod) => format!("-{}", pod.name_any()),
    };
    for expected in ["begin", "there a", "there b", "all"] {
        assert_eq!(next().await, expected);
    }
    put("c");
    assert_eq!(next().await, "+c");
    assert_eq!((api.requests(Verb::List, "pods"), api.requests(Verb::Watch, "pods")), (1, 0));
    api.offer_streams(Streams::Refused);
    let path = "/api/v1/pods?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    let refused = client(&api).await.request_text(request).await.unwrap_err();
    assert_eq!(code(refused), (422, "Invalid".to_owned()));
}

#[tokio::test]
async fn bookmarks_are_given_to_who_asks_and_old_revisions_are_gone() {
    let api = KubeApi::start().await;
    let begin = api.revision();
    let client = client(&api).await;
    let watch = async |revision: u64| {
        let path = format!(
            "/api/v1/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=5&resourceVersion={revision}"
        );
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        let lines = client.request_stream(request).await.unwrap().lines();
        let lines = lines.map_ok(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap());
        std::pin::pin!(lines).next().await.unwrap().unwrap()
    };
    let bookmark = watch(begin).await;
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!(bookmark["object"]["metadata"]["resourceVersion"], begin.to_string());
    api.put(objects::namespace("shop"));
    api.compact();
    let gone = watch(begin).await;
    assert_eq!((&gone["type"], &gone["object"]["code"]), (&json!("ERROR"), &json!(410)));
}

#[tokio::test]
async fn status_finalizers_and_apply_are_as_clients_know_them() {
    let api = KubeApi::start().await;
    let identities = identities(client(&api).await);
    api.put(objects::workload_identity("web", "shop", "spiffe://example.org/web"));
    let apply = PatchParams::apply("registrar").force();
    let body = |part: serde_json::Value| {
        let mut body = json!({
            "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1",
            "kind": "WorkloadIdentity",
            "metadata": {"name": "web"},
        });
        body.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        Patch::Apply(body)
    };
    let condition = json!({"type": "Ready", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = body(json!({"status": {"conditions": [condition]}}));
    let applied = identities.patch_status("web", &apply, &status).await.unwrap();
    assert_eq!(applied.data["status"]["conditions"][0]["type"], "Ready");
    assert_eq!(applied.metadata.generation, Some(1));
    api.until("it is ready", SOON, |view| {
        view.condition("workloadidentities", "web", "Ready") == Some("True")
    })
    .await;
    let finalizer = body(json!({"metadata": {"name": "web", "finalizers": ["f"]}}));
    identities.patch("web", &apply, &finalizer).await.unwrap();
    let wrong = Preconditions { uid: Some("another".to_owned()), resource_version: None };
    let wrong = DeleteParams { preconditions: Some(wrong), ..DeleteParams::default() };
    assert_eq!(code(identities.delete("web", &wrong).await.unwrap_err()).0, 409);
    assert!(identities.delete("web", &DeleteParams::default()).await.unwrap().is_left());
    identities.patch("web", &apply, &body(json!({}))).await.unwrap();
    assert!(identities.get_opt("web").await.unwrap().is_none());
    // Nobody applies a status to nothing, and a plain apply creates.
    let nothing = identities.patch_status("web", &apply, &status).await.unwrap_err();
    assert_eq!(code(nothing), (404, "NotFound".to_owned()));
    let spec = json!({"spec": {"applicationName": "a", "namespace": "n", "spiffeIDTemplate": "t"}});
    identities.patch("web", &apply, &body(spec)).await.unwrap();
    assert_eq!(api.objects("workloadidentities").len(), 1);
}

#[tokio::test]
async fn writers_of_a_lease_do_not_overwrite_each_other() {
    let api = KubeApi::start().await;
    let leases: Api<Lease> = Api::namespaced(client(&api).await, "spire-system");
    let lease = Lease {
        metadata: ObjectMeta { name: Some("l".to_owned()), ..ObjectMeta::default() },
        ..Lease::default()
    };
    let params = PostParams::default();
    assert_eq!(code(leases.create(&params, &lease).await.unwrap_err()).0, 404);
    api.put(objects::namespace("spire-system"));
    let mut created = leases.create(&params, &lease).await.unwrap();
    let exists = code(leases.create(&params, &lease).await.unwrap_err());
    assert_eq!(exists, (409, "AlreadyExists".to_owned()));
    created.labels_mut().insert("a".to_owned(), "b".to_owned());
    leases.replace("l", &params, &created).await.unwrap();
    created.labels_mut().clear();
    assert_eq!(code(leases.replace("l", &params, &created).await.unwrap_err()), (409, "Conflict".to_owned()));
    let merged = Patch::Merge(json!({"metadata": {"labels": {"a": null}}}));
    assert!(leases.patch("l", &PatchParams::default(), &merged).await.unwrap().labels().is_empty());
}

#[tokio::test]
async fn failures_come_when_ordered() {
    let api = KubeApi::start().await;
    let namespaces: Api<Namespace> = Api::all(client(&api).await);
    // Not 503, after which the client tries again by itself.
    api.fail_next(Verb::List, 1, 500);
    let params = ListParams::default();
    assert_eq!(code(namespaces.list(&params).await.unwrap_err()).0, 500);
    api.refuse_tokens(true);
    assert_eq!(code(namespaces.list(&params).await.unwrap_err()).0, 401);
    api.refuse_tokens(false);
    api.revoke_tokens();
    assert_eq!(code(namespaces.list(&params).await.unwrap_err()).0, 401);
    assert_eq!((api.unauthorized(), api.requests(Verb::List, "namespaces")), (2, 1));
    let other = KubeApi::start().await;
    other.serve_resource("namespaces", false);
    let namespaces: Api<Namespace> = Api::all(client(&other).await);
    assert_eq!(code(namespaces.list(&params).await.unwrap_err()).0, 404);
    other.refuse();
    assert!(!matches!(namespaces.list(&params).await.unwrap_err(), Error::Api(_)));
}

#[tokio::test]
async fn pages_and_selectors_select() {
    let api = KubeApi::start().await;
    for name in ["a", "b", "c"] {
        api.put(objects::pod("shop", name, &format!("node-{name}"), "web"));
    }
    let pods: Api<Pod> = Api::all(client(&api).await);
    let first = pods.list(&ListParams::default().limit(2)).await.unwrap();
    let token = first.metadata.continue_.unwrap();
    assert_eq!((first.items.len(), first.metadata.remaining_item_count), (2, Some(1)));
    api.compact();
    let late = pods.list(&ListParams::default().limit(2).continue_token(&token)).await.unwrap_err();
    assert_eq!(code(late), (410, "Expired".to_owned()));
    let on_b = pods.list(&ListParams::default().fields("spec.nodeName=node-b")).await.unwrap();
    assert_eq!(on_b.items.len(), 1);
    let labelled = pods.list(&ListParams::default().labels("app in (a, c)")).await.unwrap();
    assert_eq!(labelled.items.len(), 2);
}
