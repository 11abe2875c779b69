//! Identities whose plugin decides: what it gives, how it is swapped, and what becomes of every kind of hostile one.

use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::BASE64;
use registrar_core::plugin::Digest;
use registrar_world::component::{Guest, RawIdentity, argument, component, reads};
use registrar_world::registry::Registry;
use registrar_world::spire::WriteKind;
use serde_json::{Value, json};

use crate::fleet::{Fleet, PATIENCE, condition, identity, spiffe_id};

/// Where the program is told that plugins are.
fn put_file(fleet: &Fleet, name: &str, bytes: &[u8]) -> PathBuf {
    let path = fleet.world.folder().join(format!("{name}.wasm"));
    std::fs::write(&path, bytes).unwrap();
    path
}

fn sha256(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string().replace("sha256:", "")
}

/// An identity for pods of label `app`, for which the component in this file decides.
fn decided_by(name: &str, app: &str, path: &Path, sha256: &str) -> Value {
    let mut identity = identity(name, app);
    identity["spec"].as_object_mut().unwrap().remove("spiffeIDTemplate");
    identity["spec"]["plugin"] = json!({"source": {"file": path}, "sha256": sha256});
    identity
}

/// The same, with the component put into the file.
fn put_plugin(fleet: &Fleet, name: &str, app: &str, guest: &Guest) {
    let bytes = guest.component();
    let path = put_file(fleet, &format!("{name}-{}", &sha256(&bytes)[..8]), &bytes);
    fleet.identity(decided_by(name, app, &path, &sha256(&bytes)));
}

/// One that says `/pod/` and the pod's name.
fn by_pod_name() -> Guest {
    Guest::new("by-pod-name", reads::POD_NAME).path_of("/pod/", argument::POD_NAME)
}

async fn metric(fleet: &Fleet, name: &str) -> Option<f64> {
    let metrics = crate::replicas::get(fleet.registrar.metrics, "/metrics").await;
    let line = metrics.lines().find(|line| !line.starts_with('#') && line.contains(name))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[tokio::test]
async fn pods_that_are_equal_in_what_a_plugin_reads_share_one_call() {
    let fleet = Fleet::start(&["east"]).await;
    let guest = Guest::new("by-account", reads::NAMESPACE | reads::SERVICE_ACCOUNT);
    put_plugin(&fleet, "web", "web", &guest.path_of("/sa/", argument::SERVICE_ACCOUNT));
    for pod in ["web-1", "web-2", "web-3"] {
        fleet.pod("east", pod, "web");
    }
    fleet.until_entries(3).await;
    assert!(fleet.world.spire.entries().iter().all(|it| spiffe_id(it) == "spiffe://example.org/sa/default"));
    let told = fleet.until_condition("workloadidentities", "web", "PluginLoaded", "True", "Loaded").await;
    assert!(
        told.starts_with("by-account 1.0.0, sha256:") && told.ends_with("reads namespace, service-account."),
        "{told}"
    );
    let calls = metric(&fleet, "plugin_calls_total{outcome=\"Decided\",plugin=\"by-account\"}").await;
    assert_eq!(calls, Some(1.0));
    // The answer is kept for the next one too.
    fleet.pod("east", "web-4", "web");
    fleet.until_entries(4).await;
    let calls = metric(&fleet, "plugin_calls_total{outcome=\"Decided\",plugin=\"by-account\"}").await;
    assert_eq!(calls, Some(1.0));
}

#[tokio::test]
async fn a_skipped_pod_is_for_others_and_a_denied_one_is_for_nobody() {
    let fleet = Fleet::start(&["east"]).await;
    let mut fallback = identity("z-fallback", "web");
    fallback["spec"]["fallback"] = json!(true);
    fleet.identity(fallback);
    put_plugin(&fleet, "web", "web", &Guest::new("picky", 0).skip("not mine"));
    let uid = fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    assert_eq!(spiffe_id(&fleet.entry(&uid)), "spiffe://example.org/ns/shop/pod/web-1");
    put_plugin(&fleet, "web", "web", &Guest::new("strict", 0).deny("no label team"));
    fleet.until_entries(0).await;
    let denied = |view: &registrar_world::kube::View<'_>| {
        let status = view.get("workloadidentities", None, "web").map(|it| it["status"].clone());
        status.is_some_and(|it| {
            let message =
                condition(Some(&json!({"status": it})), "Ready").map(|it| it["message"].to_string());
            let told = "denies 1 pod an identity, among them shop/web-1 in east: strict 1.0.0: no label team";
            it["stats"]["podsDenied"] == 1 && message.is_some_and(|message| message.contains(told))
        })
    };
    fleet.world.management.until("the denial is told", PATIENCE, denied).await;
}

#[tokio::test]
async fn several_identities_of_a_pod_keep_their_ids_whatever_their_order() {
    let fleet = Fleet::start(&["east"]).await;
    let (inner, outer) = (RawIdentity::new("/inner"), RawIdentity::new("spiffe://example.org/outer"));
    let pair = |identities: &[RawIdentity]| Guest::new("pair", 0).identities(identities);
    put_plugin(&fleet, "web", "web", &pair(&[inner.clone(), outer.clone()]));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(2).await;
    let (ids, writes) = (fleet.ids(), fleet.world.spire.writes().len());
    put_plugin(&fleet, "web", "web", &pair(&[outer.clone(), inner]));
    fleet.until_condition("workloadidentities", "web", "Ready", "True", "InStep").await;
    fleet.until_compared().await;
    assert_eq!((fleet.ids(), fleet.world.spire.writes().len()), (ids.clone(), writes));
    // One of the two goes; the other is not touched.
    put_plugin(&fleet, "web", "web", &pair(&[outer]));
    fleet.until_entries(1).await;
    assert!(fleet.ids().is_subset(&ids));
    assert_eq!(fleet.writes(WriteKind::Update), 0);
    fleet.world.management.terminate("workloadidentities", None, "web");
    fleet.until_entries(0).await;
}

#[tokio::test]
async fn templates_take_over_where_the_plugin_cannot_decide() {
    let fleet = Fleet::start(&["east"]).await;
    let bytes = Guest::new("moody", 0).fail("the label team is missing").component();
    let path = put_file(&fleet, "moody", &bytes);
    let mut web = decided_by("web", "web", &path, &sha256(&bytes));
    web["spec"]["spiffeIDTemplate"] = identity("web", "web")["spec"]["spiffeIDTemplate"].clone();
    web["spec"]["plugin"]["failurePolicy"] = json!("Fallback");
    fleet.identity(web);
    let uid = fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    assert_eq!(spiffe_id(&fleet.entry(&uid)), "spiffe://example.org/ns/shop/pod/web-1");
}

#[tokio::test]
async fn a_component_in_a_config_map_is_swapped_by_its_digest_and_kept_for_a_start_without_it() {
    let mut world = crate::fleet::world(&["east"]).await;
    let cache = world.folder().join("cache");
    world.configure(&json!({"plugins": {"cacheDir": cache}}));
    world.register("east");
    let registrar = world.run(crate::PROGRAM);
    let mut fleet = Fleet { world, registrar };
    let put = |fleet: &Fleet, bytes: &[u8]| {
        let encoded = BASE64.encode(bytes);
        fleet.world.management.put(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"namespace": "spire-system", "name": "plugins"}, "binaryData": {"web.wasm": encoded}}));
    };
    let web = |bytes: &[u8]| {
        let mut web = decided_by("web", "web", Path::new("/"), &sha256(bytes));
        let map = json!({"namespace": "spire-system", "name": "plugins", "key": "web.wasm"});
        web["spec"]["plugin"]["source"] = json!({"configMap": map});
        web
    };
    let first = Guest::new("first", 0).identities(&[RawIdentity::new("/first")]).component();
    put(&fleet, &first);
    fleet.identity(web(&first));
    let uid = fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    // Other bytes alone change nothing; with their digest they are swapped in, and the entry is the same one.
    let second = Guest::new("second", 0).identities(&[RawIdentity::new("/second")]).component();
    put(&fleet, &second);
    fleet.until_compared().await;
    assert_eq!(spiffe_id(&fleet.entry(&uid)), "spiffe://example.org/first");
    let id = fleet.entry(&uid).id;
    fleet.identity(web(&second));
    fleet.until("the second's id", |view| view.spiffe_ids() == ["spiffe://example.org/second"]).await;
    assert_eq!(fleet.entry(&uid).id, id);
    // A start that finds no ConfigMap, and a cache that somebody wrote into: only what is whole there is used.
    fleet.world.management.remove("configmaps", Some("spire-system"), "plugins");
    for file in std::fs::read_dir(&cache).unwrap() {
        let path = file.unwrap().path();
        if std::fs::read(&path).unwrap() == first {
            std::fs::write(path, b"\0asm?").unwrap();
        }
    }
    fleet.registrar.kill().await;
    fleet.registrar = fleet.world.run(crate::PROGRAM);
    fleet.pod("east", "web-2", "web");
    fleet.until_entries(2).await;
    fleet.identity(web(&first));
    let told =
        fleet.until_condition("workloadidentities", "web", "PluginLoaded", "False", "PluginNotFetched").await;
    assert!(
        told.contains("ConfigMap spire-system/plugins, key web.wasm: there is no such ConfigMap"),
        "{told}"
    );
    assert_eq!(fleet.entry(&uid).id, id);
}

/// A world with this configuration and a registry whose authority the program trusts.
async fn with_registry(config: impl FnOnce(&Registry) -> Value) -> (Fleet, Registry) {
    let registry = Registry::start().await;
    let mut world = crate::fleet::world(&["east"]).await;
    world.configure(&json!({"plugins": config(&registry)}));
    world.register("east");
    let authority = world.folder().join("authority.pem");
    std::fs::write(&authority, registry.authority()).unwrap();
    let registrar = world.run_with(crate::PROGRAM, |command| {
        command.env("SSL_CERT_FILE", authority);
    });
    (Fleet { world, registrar }, registry)
}

fn from_image(name: &str, image: &str) -> Value {
    let mut identity = decided_by(name, name, Path::new("/"), "");
    identity["spec"]["plugin"] = json!({"source": {"image": image}});
    identity
}

#[tokio::test]
async fn an_image_is_pulled_with_the_login_that_is_bound_to_its_registry() {
    let (mut fleet, registry) = with_registry(|registry| {
        json!({"allowedSources": [format!("oci://{}/plugins/**", registry.host())],
            "pullSecrets": [{"name": "login", "hosts": [registry.host()]}]})
    })
    .await;
    registry.ask_for("reader", "secret-word");
    let image = registry.push("plugins/web", &by_pod_name().component());
    let login = json!({"auths": {registry.host(): {"username": "reader", "password": "secret-word"}}});
    let secret = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "default", "name": name},
            "data": {".dockerconfigjson": BASE64.encode(login.to_string().as_bytes())}})
    };
    fleet.world.management.put(secret("login"));
    fleet.world.management.put(secret("other"));
    let mut web = from_image("web", &image);
    web["spec"]["plugin"]["pullSecret"] = json!("login");
    fleet.identity(web.clone());
    let uid = fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    assert_eq!(spiffe_id(&fleet.entry(&uid)), "spiffe://example.org/pod/web-1");
    // Without a login, with one that is not bound to the registry, and from where nothing may come.
    let other = registry.push("plugins/other", &Guest::new("other", 0).component());
    fleet.identity(from_image("anonymous", &other));
    let told = fleet
        .until_condition("workloadidentities", "anonymous", "PluginLoaded", "False", "PluginNotFetched")
        .await;
    assert!(told.contains("/token answers 401 Unauthorized: see spec.plugin.pullSecret"), "{told}");
    let mut unbound =
        from_image("unbound", &registry.push("plugins/unbound", &Guest::new("unbound", 0).component()));
    unbound["spec"]["plugin"]["pullSecret"] = json!("other");
    fleet.identity(unbound);
    let told = fleet
        .until_condition("workloadidentities", "unbound", "PluginLoaded", "False", "PluginNotFetched")
        .await;
    assert!(told.contains("plugins.pullSecrets does not list it for 127.0.0.1"), "{told}");
    fleet.identity(from_image("elsewhere", &image.replace("/plugins/", "/private/")));
    let told =
        fleet.until_condition("workloadidentities", "elsewhere", "Valid", "False", "GuardrailDenied").await;
    assert!(told.contains("is not allowed by the configuration's plugins.allowedSources"), "{told}");
    fleet.registrar.terminate();
    fleet.registrar.ended(PATIENCE).await;
    assert_eq!(fleet.registrar.logged("secret-word"), 0);
}

#[tokio::test]
async fn what_comes_over_https_is_what_was_asked_for_and_nothing_leads_to_the_machine_itself() {
    let (fleet, registry) = with_registry(|registry| {
        json!({"allowedSources": [format!("https://{}/**", registry.tls_host()), format!("oci://{}/**", registry.host())]})
    })
    .await;
    let web = |name: &str, file: &str, bytes: &[u8]| {
        let mut web = decided_by(name, name, Path::new("/"), &sha256(bytes));
        web["spec"]["plugin"]["source"] = json!({"url": format!("https://{}/{file}", registry.tls_host())});
        web
    };
    let good = by_pod_name().component();
    registry.put_file("/web.wasm", &good);
    fleet.identity(web("web", "web.wasm", &good));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    registry.put_file("/altered.wasm", &good);
    fleet.identity(web("altered", "altered.wasm", b"something else"));
    fleet
        .until_condition("workloadidentities", "altered", "PluginLoaded", "False", "PluginDigestMismatch")
        .await;
    registry.put_file("/large.wasm", &vec![0; 33 << 20]);
    fleet.identity(web("large", "large.wasm", b"large"));
    let told = fleet
        .until_condition("workloadidentities", "large", "PluginLoaded", "False", "PluginNotFetched")
        .await;
    assert!(told.contains("more than 33554432 bytes (plugins.maxSize)"), "{told}");
    // An image whose registry points to the instance's metadata.
    let image = registry.push("plugins/astray", &good);
    registry.point_elsewhere("https://169.254.169.254/latest/meta-data/");
    fleet.identity(from_image("astray", &image));
    let told = fleet
        .until_condition("workloadidentities", "astray", "PluginLoaded", "False", "PluginNotFetched")
        .await;
    assert!(
        told.contains("169.254.169.254 is an address of the machine itself or of its network's own"),
        "{told}"
    );
}

#[tokio::test]
async fn a_compiler_beyond_its_limits_costs_nothing_but_its_plugin() {
    let mut world = crate::fleet::world(&["east"]).await;
    world.configure(&json!({"plugins": {"compileMemory": "1Mi"}}));
    world.register("east");
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    put_plugin(&fleet, "web", "web", &by_pod_name());
    fleet.identity(identity("other", "other"));
    fleet.pod("east", "other-1", "other");
    let told = fleet
        .until_condition("workloadidentities", "web", "PluginLoaded", "False", "PluginNotCompiled")
        .await;
    assert!(told.contains("most likely beyond 1048576 bytes of memory (plugins.compileMemory)"), "{told}");
    fleet.until_entries(1).await;
}

/// What one hostile component is, and how its author is told.
struct Hostile {
    name: &'static str,
    bytes: Vec<u8>,
    /// The reason on the condition `Ready` where pods are selected.
    reason: &'static str,
    /// A part of the message.
    told: &'static str,
}

fn hostile() -> Vec<Hostile> {
    let guest = || Guest::new("hostile", 0);
    let endless = "(loop $on (br $on))";
    let row = |name, guest: Guest, reason, told| Hostile { name, bytes: guest.component(), reason, told };
    let raw = |name, bytes, reason, told| Hostile { name, bytes, reason, told };
    let id =
        |name, id: &[u8], reason, told| row(name, guest().identities(&[RawIdentity::new(id)]), reason, told);
    let whole = guest().component();
    let sockets = "package wasi:sockets@0.2.0;
        interface tcp { create: func() -> u32; }
        world greedy { import tcp; export spire-eks-workload-registrar:plugin/identity@0.1.0; }";
    let import = "(module (import \"wasi:sockets/tcp@0.2.0\" \"create\" (func (result i32)))";
    let greedy = guest().text().replacen("(module", import, 1);
    let recursion = guest().fields("(func $deeper (call $deeper) (call $deeper))");
    let grow = |pages: u32| guest().before_derive(&format!("(drop (memory.grow (i32.const {pages})))"));
    let table = guest().fields("(table $t 1 funcref)");
    let same = RawIdentity::new("/same");
    let with = |part: RawIdentity| guest().identities(&[part]);
    let many: Vec<RawIdentity> = (0..17).map(|index| RawIdentity::new(format!("/{index}"))).collect();
    vec![
        row(
            "endless-loop",
            guest().before_derive(endless),
            "PluginTimeLimit",
            "derive did not end within 200ms",
        ),
        row("endless-describe", guest().before_describe(endless), "PluginTimeLimit", "describe did not end"),
        row("endless-validate", guest().before_validate(endless), "PluginTimeLimit", "validate did not end"),
        row(
            "endless-start",
            guest().fields("(func $on (loop $on (br $on))) (start $on)"),
            "PluginTimeLimit",
            "describe did not end",
        ),
        row("recursion", recursion.before_derive("(call $deeper)"), "PluginStackLimit", "ran out of stack"),
        row("memory", grow(3000), "PluginMemoryLimit", "134217728 are allowed (limits.memory)"),
        row("memory-at-once", guest().pages(4000), "PluginMemoryLimit", "limits.memory"),
        row(
            "table",
            table.before_derive("(drop (table.grow $t (ref.null func) (i32.const 1000000)))"),
            "PluginTableLimit",
            "table elements",
        ),
        row(
            "long-string",
            guest().pages(1200).deny_zeros(64 << 20),
            "PluginOutputTooLarge",
            "more than 262144 bytes (limits.output)",
        ),
        row("a-million", guest().many(&same, 1_000_000), "PluginOutputTooLarge", "limits.output"),
        row(
            "seventeen",
            guest().identities(&many),
            "PluginOutputTooLarge",
            "identities: has 17 items, at most 16",
        ),
        row("none", guest().identities(&[]), "PluginOutputInvalid", "returns skip or deny"),
        row(
            "duplicates",
            guest().identities(&[same.clone(), same.clone()]),
            "PluginOutputInvalid",
            "of identities[0]",
        ),
        id("nul", b"/a\0b", "InvalidSPIFFEID", "hostile 1.0.0: identities[0].spiffe-id"),
        id("newline", b"/a\nb", "InvalidSPIFFEID", "hostile 1.0.0: identities[0].spiffe-id"),
        id("no-text", b"/a\xff\xfe", "PluginOutputInvalid", "utf-8"),
        id("other-domain", b"spiffe://evil.example/a", "InvalidSPIFFEID", "must be \"example.org\""),
        id("dots", b"/a/../../spire/server", "InvalidSPIFFEID", "hostile 1.0.0: identities[0].spiffe-id"),
        id("reserved", b"/spire/server", "InvalidSPIFFEID", "reserved for SPIRE's own"),
        id("no-slash", b"a/b", "InvalidSPIFFEID", "must begin with /"),
        row(
            "other-pod",
            with(RawIdentity { selectors: vec![(b"k8s".to_vec(), b"pod-uid:x".to_vec())], ..same.clone() }),
            "InvalidSelector",
            "names another pod",
        ),
        row(
            "colon",
            with(RawIdentity { selectors: vec![(b"k8s:ns".to_vec(), b"x".to_vec())], ..same.clone() }),
            "InvalidSelector",
            "the type has no colon",
        ),
        row(
            "bad-name",
            with(RawIdentity { dns_names: vec![b"a b".to_vec()], ..same }),
            "InvalidDNSName",
            "dns-names[0]",
        ),
        row("trap-describe", guest().before_describe("unreachable"), "PluginTrapped", "describe trapped"),
        row("trap-validate", guest().before_validate("unreachable"), "PluginTrapped", "validate trapped"),
        row("trap-derive", guest().before_derive("unreachable"), "PluginTrapped", "derive trapped"),
        row(
            "config",
            guest().invalid_config("teams", "is required"),
            "PluginConfigInvalid",
            "spec.plugin.config.teams: is required",
        ),
        raw(
            "imports",
            component(&greedy, "greedy", Some(sockets)),
            "PluginImports",
            "imports wasi:sockets/tcp@0.2.0",
        ),
        raw("core-module", b"\0asm\x01\0\0\0".to_vec(), "PluginCoreModule", "wasm-tools component new"),
        raw("truncated", whole[..whole.len() - 40].to_vec(), "PluginInvalid", "not a valid component"),
        raw("compressed", b"\x1f\x8b\x08\0".to_vec(), "PluginNotWasm", "compressed by gzip"),
        raw(
            "hundred-megabytes",
            with_custom_section(&whole, 100 << 20),
            "PluginTooLarge",
            "at most 33554432",
        ),
    ]
}

/// The same component with so many zeros in it that mean nothing.
fn with_custom_section(component: &[u8], zeros: usize) -> Vec<u8> {
    let name = [4, b'z', b'e', b'r', b'o'];
    let mut section = component.to_vec();
    section.push(0);
    let mut size = zeros + name.len();
    while size >= 0x80 {
        section.push((size & 0x7f) as u8 | 0x80);
        size >>= 7;
    }
    section.push(size as u8);
    section.extend(name);
    section.resize(section.len() + zeros, 0);
    section
}

/// Half a megabyte that is seconds of work to the compiler: functions of a few bytes, each compiled on its own.
fn unfolding() -> Vec<u8> {
    let function = "(func (param i64) (result i64) (i64.div_s (local.get 0) (i64.const 3)))";
    Guest::new("unfolding", 0).fields(&function.repeat(60_000)).component()
}

#[tokio::test]
async fn a_component_that_unfolds_while_it_is_compiled_is_stopped_and_delays_nobody() {
    let mut world = crate::fleet::world(&["east"]).await;
    world.configure(&json!({"plugins": {"compileTime": "1s", "compileMemory": "512Mi"}}));
    world.register("east");
    let registrar = world.run(crate::PROGRAM);
    let fleet = Fleet { world, registrar };
    let bytes = unfolding();
    assert!(bytes.len() < 1 << 20, "{} bytes", bytes.len());
    let path = put_file(&fleet, "unfolding", &bytes);
    fleet.identity(decided_by("unfolding", "unfolding", &path, &sha256(&bytes)));
    fleet.pod("east", "unfolding-0", "unfolding");
    fleet.identity(identity("other", "other"));
    fleet.pod("east", "other-1", "other");
    fleet.until_entries(1).await;
    fleet
        .until_condition("workloadidentities", "unfolding", "PluginLoaded", "False", "PluginNotCompiled")
        .await;
    let resident = metric(&fleet, "process_resident_memory_bytes ").await.unwrap();
    assert!(resident < f64::from(512 << 20), "{resident} bytes are resident");
}

#[tokio::test]
async fn a_digest_that_changes_between_loads_is_told_and_the_entries_stand() {
    let mut fleet = Fleet::start(&["east"]).await;
    let good = by_pod_name().component();
    let path = put_file(&fleet, "web", &good);
    fleet.identity(decided_by("web", "web", &path, &sha256(&good)));
    let uid = fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let id = fleet.entry(&uid).id;
    // While it runs nothing is loaded again; the next start finds other bytes at the place.
    std::fs::write(&path, Guest::new("other", 0).identities(&[RawIdentity::new("/other")]).component())
        .unwrap();
    fleet.pod("east", "web-2", "web");
    fleet.until_entries(2).await;
    fleet.registrar.kill().await;
    fleet.registrar = fleet.world.run(crate::PROGRAM);
    let told = fleet
        .until_condition("workloadidentities", "web", "PluginLoaded", "False", "PluginDigestMismatch")
        .await;
    assert!(told.ends_with("was asked for; entries stay as they are."), "{told}");
    fleet.pod("east", "web-3", "web");
    fleet.until_compared().await;
    assert_eq!((fleet.entry(&uid).id, fleet.ids().len()), (id.clone(), 2));
    // With the right bytes back it goes on by itself.
    std::fs::write(&path, &good).unwrap();
    fleet.until_entries(3).await;
    assert_eq!(fleet.entry(&uid).id, id);
}

#[tokio::test]
async fn a_hostile_plugin_costs_its_author_a_message_and_nobody_else_anything() {
    let fleet = Fleet::start(&["east"]).await;
    let rows = hostile();
    // Everybody has a good plugin first, and an entry of it.
    let good = by_pod_name().component();
    let path = put_file(&fleet, "good", &good);
    for Hostile { name, .. } in &rows {
        fleet.identity(decided_by(name, name, &path, &sha256(&good)));
        fleet.pod("east", &format!("{name}-0"), name);
    }
    fleet.identity(decided_by("mismatch", "mismatch", &path, &sha256(&good)));
    fleet.pod("east", "mismatch-0", "mismatch");
    fleet.identity(identity("bystander", "bystander"));
    fleet.until_entries(rows.len() + 1).await;
    let before = fleet.ids();
    for Hostile { name, bytes, .. } in &rows {
        let path = put_file(&fleet, name, bytes);
        fleet.identity(decided_by(name, name, &path, &sha256(bytes)));
    }
    let digest = sha256(b"something else");
    fleet.identity(decided_by("mismatch", "mismatch", &path, &digest));
    // While all of that is refused, killed and told, others go on.
    fleet.pod("east", "bystander-1", "bystander");
    fleet.until_entries(rows.len() + 2).await;
    for Hostile { name, reason, told, .. } in &rows {
        let message = fleet.until_condition("workloadidentities", name, "Ready", "False", reason).await;
        assert!(message.contains(told), "{name}: {message}");
    }
    let told = fleet
        .until_condition("workloadidentities", "mismatch", "PluginLoaded", "False", "PluginDigestMismatch")
        .await;
    assert!(
        told.contains(&format!("has sha256:{}, and sha256:{digest} was asked for", sha256(&good))),
        "{told}"
    );
    fleet.pod("east", "bystander-2", "bystander");
    fleet.until_entries(rows.len() + 3).await;
    fleet.until_compared().await;
    assert!(fleet.ids().is_superset(&before), "the last good entries stand");
    assert_eq!((fleet.writes(WriteKind::Update), fleet.writes(WriteKind::Delete)), (0, 0));
    let resident = metric(&fleet, "process_resident_memory_bytes ").await.unwrap();
    assert!(resident < f64::from(1 << 30), "{resident} bytes are resident");
}

#[test]
fn render_asks_plugins_too() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        name.to_owned()
    };
    let bytes = by_pod_name().component();
    std::fs::write(folder.path().join("plugin.wasm"), &bytes).unwrap();
    let registry = json!({"kind": "EKSClusterRegistry", "metadata": {"name": "east"}, "spec": {"clusterName": "one",
        "region": "us-west-2", "accountId": "111122223333", "enabled": true}});
    // Whatever source the identity names: the given file has its digest.
    let mut web = decided_by("web", "web", Path::new("/"), &sha256(&bytes));
    web["spec"]["plugin"]["source"] = json!({"configMap": {"namespace": "a", "name": "b", "key": "c"}});
    let manifests = json!({"items": [registry, web]});
    let mut pod = crate::fleet::pod("web-1", "web");
    pod["metadata"]["uid"] = json!("u1");
    let dump = json!({"items": [pod, {"kind": "Node", "metadata": {"name": "n1", "uid": "n1"}},
        {"kind": "Namespace", "metadata": {"name": "shop"}}]});
    let config = write("config.yaml", "trustDomain: example.org\n");
    let manifests = write("manifests.yaml", &manifests.to_string());
    let dump = write("east.yaml", &dump.to_string());
    let render = |more: &[&str]| {
        let mut command = Command::new(crate::PROGRAM);
        command.current_dir(folder.path()).args(["render", "--config", &config, "-f", &manifests]);
        command.args(["--cluster", &format!("east={dump}"), "-o", "json"]).args(more).output().unwrap()
    };
    let output = render(&["--plugin", "plugin.wasm"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let entries: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(entries["entries"][0]["spiffe_id"]["path"], "/pod/web-1");
    let output = render(&[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("nothing is fetched here: give the file that is sha256:"), "{told}");
}
