//! What the tests of the running program have in common: a world with clusters, the program in it, and questions.

use std::collections::BTreeSet;
use std::time::Duration;

use registrar_proto::types::Entry;
use registrar_world::kube::KubeApi;
use registrar_world::spire::{self, View, WriteKind};
use registrar_world::{Replica, World, objects};
use serde_json::{Value, json};

/// How long anything may take on a slow machine. What takes longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A world and the program in it.
pub struct Fleet {
    pub world: World,
    pub registrar: Replica,
}

impl Fleet {
    /// Clusters with namespace `shop` and node `n1`, registered; the program started.
    pub async fn start(clusters: &[&str]) -> Self {
        let mut world = world(clusters).await;
        clusters.iter().for_each(|name| world.register(name));
        let registrar = world.run(crate::PROGRAM);
        Self { world, registrar }
    }

    /// One cluster, `east`, and this in the registrar's configuration.
    pub async fn configured(patch: Value) -> Self {
        let mut world = world(&["east"]).await;
        world.configure(&patch);
        world.register("east");
        let registrar = world.run(crate::PROGRAM);
        Self { world, registrar }
    }

    pub fn cluster(&self, name: &str) -> &KubeApi {
        self.world.cluster(name)
    }

    /// Puts a pod of namespace `shop` and label `app` on node `n1`; its uid.
    pub fn pod(&self, cluster: &str, name: &str, app: &str) -> String {
        uid(&self.cluster(cluster).put(pod(name, app)))
    }

    pub fn identity(&self, identity: Value) {
        self.world.management.put(identity);
    }

    /// Waits until SPIRE holds what the condition says.
    pub async fn until(&self, what: &str, condition: impl Fn(&View<'_>) -> bool) {
        self.world.spire.until(what, PATIENCE, condition).await;
    }

    /// Waits until SPIRE holds so many entries.
    pub async fn until_entries(&self, count: usize) {
        self.until(&format!("{count} entries"), |view| view.entries.len() == count).await;
    }

    /// Waits until a condition of an object has this status and reason; its message.
    pub async fn until_condition(
        &self,
        plural: &str,
        name: &str,
        kind: &str,
        status: &str,
        reason: &str,
    ) -> String {
        let what = format!("{plural} {name} has {kind} {status} {reason}");
        let holds = |object: Option<&Value>| {
            condition(object, kind).is_some_and(|it| it["status"] == status && it["reason"] == reason)
        };
        self.world.management.until(&what, PATIENCE, |view| holds(view.get(plural, None, name))).await;
        let object = self.world.management.get(plural, None, name);
        condition(object.as_ref(), kind).unwrap()["message"].as_str().unwrap().to_owned()
    }

    /// Waits until a full comparison of all entries has been made from now on.
    pub async fn until_compared(&self) {
        let before = self.registrar.logged("garbage collection");
        self.until("a comparison of all entries", |_| self.registrar.logged("garbage collection") > before)
            .await;
    }

    /// The only entry of a pod.
    pub fn entry(&self, pod: &str) -> Entry {
        let entries = self.world.spire.entries();
        let mut of_pod = entries.into_iter().filter(|entry| pod_uid(entry) == Some(pod));
        let entry = of_pod.next().unwrap_or_else(|| panic!("pod {pod} has an entry"));
        assert!(of_pod.next().is_none(), "pod {pod} has one entry");
        entry
    }

    pub fn ids(&self) -> BTreeSet<String> {
        self.world.spire.entries().into_iter().map(|entry| entry.id).collect()
    }

    /// How many entries were written in some way so far.
    pub fn writes(&self, kind: WriteKind) -> usize {
        self.world.spire.writes().iter().filter(|write| write.kind == kind).count()
    }
}

/// A world with these clusters, each with namespace `shop` and node `n1`; nothing is registered and nothing runs.
pub async fn world(clusters: &[&str]) -> World {
    let mut world = World::start().await;
    for name in clusters {
        world.add_cluster(name).await;
        world.cluster(name).put(objects::namespace("shop"));
        world.cluster(name).put(objects::node("n1"));
    }
    world
}

pub fn pod(name: &str, app: &str) -> Value {
    let mut pod = objects::pod("shop", name, "n1", "default");
    pod["metadata"]["labels"] = json!({"app": app});
    pod
}

/// An identity of pods of namespace `shop` with this label `app`; each pod has a SPIFFE ID of its own.
pub fn identity(name: &str, app: &str) -> Value {
    let template = "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/pod/{{ .PodMeta.Name }}";
    let mut identity = objects::workload_identity(name, "shop", template);
    identity["spec"]["podSelector"] = json!({"matchLabels": {"app": app}});
    identity
}

pub fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

pub fn pod_uid(entry: &Entry) -> Option<&str> {
    entry.selectors.iter().find_map(|selector| selector.value.strip_prefix("pod-uid:"))
}

pub fn condition<'a>(object: Option<&'a Value>, kind: &str) -> Option<&'a Value> {
    object?["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

pub fn spiffe_id(entry: &Entry) -> String {
    spire::spiffe_id(entry)
}
