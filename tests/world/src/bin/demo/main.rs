//! The whole line on one screen: the real program in a simulated world of two accounts and three clusters.

#![allow(clippy::expect_used, clippy::panic, reason = "a demo that cannot go on ends with a message")]

mod figures;
mod screen;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE64, HEXLOWER};
use figures::{Usage, millis, spread};
use registrar_proto::types::Entry;
use registrar_world::spire::{View, WriteKind};
use registrar_world::{Replica, World, objects};
use screen::Screen;
use serde_json::{Value, json};

const CLUSTERS: [&str; 3] = ["prod-east", "prod-west", "staging"];
const APPS: [&str; 3] = ["web", "api", "worker"];
const PODS_AN_APP: usize = 40;
/// Pods of a cluster over which a plugin decides.
const BILLING_PODS: usize = 10;
const NODES: usize = 5;
/// How long anything may take; what takes longer is a failure.
const PATIENCE: Duration = Duration::from_secs(20);
const SERVE: &str = "--serve";
/// How long the idle program is looked at.
const IDLE: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> ExitCode {
    let mut demo = Demo::start().await;
    demo.entries_appear().await;
    demo.a_deployment_rolls().await;
    demo.an_identity_is_edited().await;
    demo.a_cluster_goes_silent_and_comes_back().await;
    demo.a_change_is_previewed().await;
    demo.a_plugin_decides_and_is_swapped().await;
    demo.an_identity_is_deleted().await;
    demo.summary().await
}

struct Demo {
    world: World,
    replica: Replica,
    screen: Screen,
    began: Instant,
    all_entries: Duration,
    /// From the moment that a pod is bound until its entry stands in SPIRE.
    latencies: Vec<Duration>,
}

impl Demo {
    async fn start() -> Self {
        let began = Instant::now();
        let screen = Screen::new();
        let mut world = World::start().await;
        world.configure(&json!({"gcInterval": "2s", "admin": {"page": true}}));
        world.add_cluster("prod-east").await;
        world.add_cluster("prod-west").await;
        world.add_cluster_by_role("staging", "444455556666", "eu-west-1").await;
        for name in CLUSTERS {
            let api = world.cluster(name);
            for namespace in ["shop", "kube-system"] {
                api.put(objects::namespace(namespace));
            }
            (0..NODES).for_each(|node| {
                api.put(objects::node(&format!("node-{node}")));
            });
            for app in APPS {
                (0..PODS_AN_APP).for_each(|number| {
                    api.put(pod(app, "5d4f8", number));
                });
            }
            api.put(objects::pod("kube-system", "coredns", "node-0", "coredns"));
        }
        for app in APPS {
            world.management.put(identity(app));
        }
        screen.chapter("A world of two accounts and three clusters, and the real program in it");
        screen.say("EKSClusterRegistry prod-east, prod-west (account 111122223333), staging (444455556666, by a role)");
        screen.say("WorkloadIdentity web, api, worker: pods of namespace shop by their label");
        let pods = CLUSTERS.len() * APPS.len() * PODS_AN_APP;
        screen.say(&format!("{pods} pods of shop on {} nodes; SPIRE holds nothing", CLUSTERS.len() * NODES));
        for name in CLUSTERS {
            world.register(name);
        }
        let replica = world.run_with(program(), |command| {
            command.env("LOG_LEVEL", "info");
        });
        screen.say(&format!("its page, while it runs: http://{}/", replica.admin));
        Self { world, replica, screen, began, all_entries: Duration::ZERO, latencies: Vec::new() }
    }

    async fn entries_appear(&mut self) {
        self.screen.chapter("1. Entries appear");
        let pods = CLUSTERS.len() * APPS.len() * PODS_AN_APP;
        self.all_entries = self.entries("an entry for each pod", pods).await;
        let entries = self.world.spire.entries();
        let parents: BTreeSet<String> = entries.iter().map(|entry| path(&entry.parent_id)).collect();
        self.screen.check(
            entries.len() == pods,
            &format!(
                "{} entries in {} after the program was started",
                entries.len(),
                millis(self.all_entries)
            ),
        );
        self.screen.check(
            parents.len() == CLUSTERS.len() * NODES,
            &format!("{} parents: the agent of each pod's node", parents.len()),
        );
        if let Some(entry) = entries.first() {
            self.screen.say(&format!("{}  spiffe://example.org{}", entry.id, path(&entry.spiffe_id)));
        }
        let ready = self.in_step("the identities say Ready", &APPS);
        let took = ready.await;
        self.screen
            .check(true, &format!("each WorkloadIdentity says Ready in its status ({})", millis(took)));
    }

    async fn a_deployment_rolls(&mut self) {
        self.screen.chapter("2. A Deployment rolls: web in prod-east, pod by pod");
        let api = self.world.cluster("prod-east");
        let before = ids(&self.world.spire.entries());
        let mut bound = BTreeMap::new();
        let started = Instant::now();
        for number in 0..PODS_AN_APP {
            let stored = api.put(pod("web", "7c9b6", number));
            let uid = stored["metadata"]["uid"].as_str().expect("a uid").to_owned();
            bound.insert(uid.clone(), SystemTime::now());
            let what = format!("an entry for new pod {number}");
            let appeared = |view: &View<'_>| view.entries.iter().any(|entry| pod_uid(entry) == Some(&uid));
            self.world.spire.until(&what, PATIENCE, appeared).await;
            api.remove("pods", Some("shop"), &pod_name("web", "5d4f8", number));
        }
        let pods = CLUSTERS.len() * APPS.len() * PODS_AN_APP;
        self.entries("the old pods' entries gone", pods).await;
        let took = started.elapsed();
        let entries = self.world.spire.entries();
        for write in self.world.spire.writes().iter().filter(|write| write.kind == WriteKind::Create) {
            let uid = entries.iter().find(|entry| entry.id == write.id).and_then(pod_uid);
            if let Some(at) = uid.and_then(|uid| bound.get(uid)) {
                self.latencies.push(write.at.duration_since(*at).unwrap_or_default());
            }
        }
        let kept = ids(&entries).intersection(&before).count();
        self.screen.check(
            kept == pods - PODS_AN_APP,
            &format!(
                "{PODS_AN_APP} pods replaced in {}; the other {kept} entries were not touched",
                millis(took)
            ),
        );
        self.screen.check(
            self.latencies.len() == PODS_AN_APP,
            &format!("pod bound to entry in SPIRE: {}", spread(&self.latencies)),
        );
    }

    async fn an_identity_is_edited(&mut self) {
        self.screen.chapter("3. An identity is edited: api gets a TTL and a DNS name");
        let before = ids(&self.world.spire.entries());
        let writes = self.world.spire.writes().len();
        let edit = json!({"spec": {"ttl": "2h", "dnsNameTemplates": ["{{ .PodMeta.Name }}.shop.svc"]}});
        self.world.management.patch("workloadidentities", None, "api", edit);
        let wanted = CLUSTERS.len() * PODS_AN_APP;
        let edited = |entry: &Entry| entry.x509_svid_ttl == 7200 && entry.dns_names.len() == 1;
        let until = self.world.spire.until("api's entries updated", PATIENCE, |view| {
            view.entries.iter().filter(|it| edited(it)).count() == wanted
        });
        let progress =
            || format!("{}/{wanted}", self.world.spire.entries().iter().filter(|it| edited(it)).count());
        let took = self.screen.wait("entries are updated", until, progress).await;
        let new = self.world.spire.writes().split_off(writes);
        self.screen.check(
            ids(&self.world.spire.entries()) == before,
            &format!("{wanted} entries updated in {}, all under the ids that they had", millis(took)),
        );
        let updates = new.iter().filter(|write| write.kind == WriteKind::Update).count();
        self.screen.check(
            (updates, new.len()) == (wanted, wanted),
            &format!("{updates} updates and nothing else was written"),
        );
    }

    async fn a_cluster_goes_silent_and_comes_back(&mut self) {
        self.screen.chapter("4. Cluster staging goes silent, and comes back");
        let api = self.world.cluster("staging");
        let before = ids(&self.world.spire.entries());
        api.go_silent();
        let until = self.world.management.until("staging's Ready is False", PATIENCE, |view| {
            view.condition("eksclusterregistries", "staging", "Ready") == Some("False")
        });
        let took = self.screen.wait("no byte comes from it", until, String::new).await;
        let condition = ready_message(&self.world, "staging");
        self.screen.check(true, &format!("told after {}: {condition}", millis(took)));
        (0..10).for_each(|number| api.remove("pods", Some("shop"), &pod_name("worker", "5d4f8", number)));
        // A full comparison goes over it meanwhile, and deletes nothing of it.
        let compared = self.replica.logged("garbage collection");
        let until = self.world.spire.until("a comparison of all entries", PATIENCE, |_| {
            self.replica.logged("garbage collection") > compared
        });
        self.screen.wait("garbage collection goes over all entries", until, String::new).await;
        self.screen.check(
            ids(&self.world.spire.entries()) == before,
            "10 of its pods end unseen, all entries are compared, and its entries stay",
        );
        api.come_back();
        let pods = CLUSTERS.len() * APPS.len() * PODS_AN_APP - 10;
        let took = self.entries("it is seen again", pods).await;
        let left = ids(&self.world.spire.entries());
        self.screen.check(
            left.len() == pods && left.is_subset(&before),
            &format!("it comes back: the 10 entries are gone after {}, no other was touched", millis(took)),
        );
    }

    async fn a_change_is_previewed(&mut self) {
        self.screen.chapter("5. A change is previewed: web only where a pod has no label canary");
        let api = self.world.cluster("prod-west");
        (0..5).for_each(|number| {
            let label = json!({"metadata": {"labels": {"canary": "yes"}}});
            api.patch("pods", Some("shop"), &pod_name("web", "5d4f8", number), label);
        });
        let writes = self.world.spire.writes().len();
        let without = json!([{"key": "canary", "operator": "DoesNotExist"}]);
        let edit = json!({"spec": {"preview": true, "podSelector": {"matchExpressions": without}}});
        self.world.management.patch("workloadidentities", None, "web", edit);
        let told = self.condition("web", "Ready", "Preview").await;
        self.screen.check(told.contains("delete 5 entries"), &told);
        let wrote = self.world.spire.writes().len() - writes;
        self.screen.check(wrote == 0, "and nothing was written");
        let back = json!({"spec": {"preview": false, "podSelector": {"matchExpressions": null}}});
        self.world.management.patch("workloadidentities", None, "web", back);
        let took = self.in_step("the edit is taken back", &["web"]).await;
        self.screen.check(
            self.world.spire.writes().len() == writes,
            &format!("the edit is taken back: Ready again after {}, and nothing was written", millis(took)),
        );
    }

    async fn a_plugin_decides_and_is_swapped(&mut self) {
        self.screen
            .chapter("6. A plugin decides in the templates' place, and is swapped while all runs: billing");
        let (before, writes) = (ids(&self.world.spire.entries()), self.world.spire.writes().len());
        for name in CLUSTERS {
            (0..BILLING_PODS).for_each(|number| drop(self.world.cluster(name).put(billing(number))));
        }
        let wanted = CLUSTERS.len() * BILLING_PODS;
        let config = json!({"path": [{"text": "teams"}, {"label": "team"}, {"label": "app"}],
            "allow": [{"namespaces": ["shop"], "paths": ["/teams/payments/*"]}]});
        self.put_plugin("team-path", &config);
        let took = self.decided("team-path decides", "/teams/payments/billing").await;
        let told = self.condition("billing", "PluginLoaded", "Loaded").await;
        self.screen.say(&format!("out of a ConfigMap: {told}"));
        let own = &ids(&self.world.spire.entries()) - &before;
        self.screen.check(
            own.len() == wanted && self.world.spire.writes().len() == writes + wanted,
            &format!("{wanted} entries {} after a plugin was named: fetched, compiled, asked", millis(took)),
        );
        let calls = self.plugin_calls("team-path").await;
        let text = format!("{calls} call decides over {wanted} pods, which are equal in what it reads");
        self.screen.check(calls == 1.0, &text);
        self.put_plugin("owner-chain", &json!({}));
        let took = self.decided("owner-chain decides", "/ns/shop/deployment/billing/main").await;
        let text =
            format!("swapped for owner-chain in {}; the entries keep the ids that they had", millis(took));
        self.screen.check(&ids(&self.world.spire.entries()) - &before == own, &text);
        let writes = self.world.spire.writes().len();
        let other = json!({"spec": {"plugin": {"sha256": "0".repeat(64)}}});
        self.world.management.patch("workloadidentities", None, "billing", other);
        let told = self.condition("billing", "PluginLoaded", "PluginDigestMismatch").await;
        let text = format!("a wrong digest writes nothing: {told}");
        self.screen.check(self.world.spire.writes().len() == writes, &text);
        self.put_plugin("owner-chain", &json!({}));
        let took = self.in_step("the digest is put right", &["billing"]).await;
        let text = format!("put right: Ready again after {}, and nothing was written", millis(took));
        self.screen.check(self.world.spire.writes().len() == writes, &text);
    }

    /// Puts a built example into a ConfigMap, and lets it decide over billing's pods.
    fn put_plugin(&self, name: &str, config: &Value) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins");
        let component = std::fs::read(format!("{path}/{name}/{name}.wasm")).expect("a committed component");
        let file = format!("{name}.wasm");
        self.world.management.put(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"namespace": "spire-system", "name": "plugins"},
            "binaryData": {&file: BASE64.encode(&component)}}));
        let mut identity = identity("billing");
        let spec = identity["spec"].as_object_mut().expect("a spec");
        spec.retain(|field, _| !field.ends_with("Template") && !field.ends_with("Templates"));
        let source = json!({"configMap": {"namespace": "spire-system", "name": "plugins", "key": file}});
        let sha256 = HEXLOWER.encode(digest(&SHA256, &component).as_ref());
        spec.insert("plugin".to_owned(), json!({"source": source, "sha256": sha256, "config": config}));
        self.world.management.put(identity);
    }

    /// Waits until all of billing's pods have an entry of this path.
    async fn decided(&self, what: &str, wanted: &str) -> Duration {
        let is_so = |entry: &Entry| path(&entry.spiffe_id) == wanted;
        let all = CLUSTERS.len() * BILLING_PODS;
        let until = self
            .world
            .spire
            .until(what, PATIENCE, |view| view.entries.iter().filter(|it| is_so(it)).count() == all);
        let count = || self.world.spire.entries().iter().filter(|it| is_so(it)).count();
        self.screen.wait(what, until, || format!("{}/{all}", count())).await
    }

    /// How many calls of a plugin there were.
    async fn plugin_calls(&self, plugin: &str) -> f64 {
        let name = format!("plugin_calls_total{{outcome=\"Decided\",plugin=\"{plugin}\"}}");
        figures::metric(self.replica.metrics, &name).await.unwrap_or_default()
    }

    async fn an_identity_is_deleted(&mut self) {
        self.screen.chapter(
            "7. An identity is deleted: worker. The brake holds it until somebody says that it is meant",
        );
        let before = ids(&self.world.spire.entries());
        self.world.management.remove("workloadidentities", None, "worker");
        let told = self.condition("worker", "WithinBudgets", "Braked").await;
        self.screen.check(ids(&self.world.spire.entries()) == before, &told);
        let digest = told.rsplit_once('=').map_or("", |(_, digest)| digest);
        let annotations = json!({"eksclusterregistry.spire.spiffe.io/release": digest});
        self.world.management.patch(
            "workloadidentities",
            None,
            "worker",
            json!({"metadata": {"annotations": annotations}}),
        );
        let left = CLUSTERS.len() * (2 * PODS_AN_APP + BILLING_PODS);
        let took = self.entries("its entries go", left).await;
        let until = self.world.management.until("the object is gone", PATIENCE, |view| {
            view.get("workloadidentities", None, "worker").is_none()
        });
        self.screen.wait("the object goes when nothing of it is left", until, String::new).await;
        let after = ids(&self.world.spire.entries());
        self.screen.check(
            after.is_subset(&before) && after.len() == left,
            &format!(
                "released: {} entries are gone after {}, then the object",
                before.len() - left,
                millis(took)
            ),
        );
    }

    async fn summary(mut self) -> ExitCode {
        self.screen.chapter("Summary");
        let earlier = Usage::of(self.replica.pid());
        let until = tokio::time::sleep(IDLE);
        self.screen.wait("the program is left idle", until, String::new).await;
        let usage = Usage::of(self.replica.pid());
        let writes = self.world.spire.writes();
        let count = |kind| writes.iter().filter(|write| write.kind == kind).count();
        let entries = self.world.spire.entries().len();
        let status: u64 = CLUSTERS.iter().filter_map(|name| registered(&self.world, name)).sum();
        self.screen.check(
            status == entries as u64,
            &format!("the registries' status counts {status} entries, SPIRE has {entries}"),
        );
        let took = self.began.elapsed();
        if serves() {
            self.screen.say(&format!("The page is open at http://{}/ until Ctrl-C.", self.replica.admin));
            tokio::signal::ctrl_c().await.expect("Ctrl-C can be waited for");
        }
        self.replica.terminate();
        let ended = self.replica.ended(PATIENCE).await;
        self.screen.check(ended.success(), "asked to end, it ends with status 0");
        let (created, updated, deleted) =
            (count(WriteKind::Create), count(WriteKind::Update), count(WriteKind::Delete));
        self.screen.table(&[
            ("entries", format!("{entries}: {created} created, {updated} updated, {deleted} deleted")),
            ("from start to all entries", millis(self.all_entries)),
            ("pod bound to entry", spread(&self.latencies)),
            (
                "idle program",
                format!(
                    "{:.0} MiB resident, {:.1} % of a core",
                    usage.resident,
                    usage.cpu_percent_since(&earlier)
                ),
            ),
            ("whole demo", millis(took)),
        ]);
        if !serves() {
            let page = format!("http://{}/", self.replica.admin);
            self.screen.say(&format!("The page was at {page}; `make demo ARGS=--serve` keeps it open."));
        }
        if self.screen.verdict() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Waits until SPIRE holds so many entries.
    async fn entries(&self, what: &str, count: usize) -> Duration {
        let until = self.world.spire.until(what, PATIENCE, |view| view.entries.len() == count);
        self.screen.wait(what, until, || format!("{}, to be {count}", self.world.spire.entries().len())).await
    }

    /// Waits until a condition of an identity has this reason; its message.
    async fn condition(&self, name: &str, kind: &str, reason: &str) -> String {
        let find = |object: Option<&Value>| {
            let conditions = object?["status"]["conditions"].as_array()?;
            conditions.iter().find(|it| it["type"] == kind && it["reason"] == reason).cloned()
        };
        let what = format!("{name}: {kind}, {reason}");
        let until = self
            .world
            .management
            .until(&what, PATIENCE, |view| find(view.get("workloadidentities", None, name)).is_some());
        self.screen.wait(&what, until, String::new).await;
        let object = self.world.management.get("workloadidentities", None, name);
        let condition = find(object.as_ref()).unwrap_or_default();
        condition["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until these identities say that they are in step.
    async fn in_step(&self, what: &str, names: &[&str]) -> Duration {
        let until = self.world.management.until(what, PATIENCE, |view| {
            names.iter().all(|name| view.condition("workloadidentities", name, "Ready") == Some("True"))
        });
        self.screen.wait(what, until, String::new).await
    }
}

/// Whether the world stays until Ctrl-C, for those who look at the page.
fn serves() -> bool {
    std::env::args_os().any(|argument| argument == SERVE)
}

/// The program: named by an argument, or beside this one.
fn program() -> PathBuf {
    let beside = || {
        let own = std::env::current_exe().expect("this program's own path");
        own.with_file_name("spire-eks-workload-registrar")
    };
    std::env::args_os().skip(1).find(|argument| argument != SERVE).map_or_else(beside, PathBuf::from)
}

fn pod_name(app: &str, revision: &str, number: usize) -> String {
    format!("{app}-{revision}-{number:02}")
}

fn pod(app: &str, revision: &str, number: usize) -> Value {
    let node = format!("node-{}", number % NODES);
    let mut pod = objects::pod("shop", &pod_name(app, revision, number), &node, app);
    pod["metadata"]["labels"] = json!({"app": app, "pod-template-hash": revision});
    pod
}

/// A pod of a Deployment, as its owner references tell.
fn billing(number: usize) -> Value {
    let mut pod = pod("billing", "6b8c4", number);
    pod["metadata"]["labels"]["team"] = json!("payments");
    pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "name": "billing-6b8c4", "uid": "3c1f0d3e-4b5a-4c8e-9d55-0d6a7f0b1c20", "controller": true}]);
    pod
}

fn identity(app: &str) -> Value {
    let template =
        "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}";
    let mut identity = objects::workload_identity(app, "shop", template);
    identity["spec"]["podSelector"] = json!({"matchLabels": {"app": app}});
    identity["spec"]["workloadSelectorTemplates"] = json!(["k8s:ns:{{ .PodMeta.Namespace }}"]);
    identity
}

fn ids(entries: &[Entry]) -> BTreeSet<String> {
    entries.iter().map(|entry| entry.id.clone()).collect()
}

fn path(id: &Option<registrar_proto::types::Spiffeid>) -> String {
    id.as_ref().map(|id| id.path.clone()).unwrap_or_default()
}

fn pod_uid(entry: &Entry) -> Option<&str> {
    entry.selectors.iter().find_map(|selector| selector.value.strip_prefix("pod-uid:"))
}

fn ready_message(world: &World, registry: &str) -> String {
    let object = world.management.get("eksclusterregistries", None, registry).unwrap_or_default();
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    ready.map_or_else(String::new, |ready| {
        let text = |key: &str| ready[key].as_str().unwrap_or_default().to_owned();
        format!("{}, {}", text("reason"), text("message"))
    })
}

fn registered(world: &World, registry: &str) -> Option<u64> {
    world.management.get("eksclusterregistries", None, registry)?["status"]["entriesRegistered"].as_u64()
}
