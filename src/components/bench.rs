//! `make bench-plugin`: what a decision costs beside a bare loop over the same component, where it is known, and loading.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use registrar_core::derive::{ClusterContext, CompiledIdentity, Domains, Subject};
use registrar_core::facts::trim;
use registrar_core::guardrails::Guardrails;
use registrar_core::names::{ClusterName, IdentityName};
use registrar_core::plugin::{
    Answer, DEFAULT_CEILINGS, DEFAULT_LIMITS, Decision, Description, Digest, Plugin, Question, Workload,
};
use registrar_core::spiffe::TrustDomain;
use serde_json::{Value, json};

use super::{Component, Runtime, bindings, compile, limits};

/// One component, and one of its golden cases.
struct Guest {
    name: &'static str,
    folder: &'static str,
    case: &'static str,
    /// Calls of one batch; batches of both kinds take turns.
    calls: u32,
}

const GUESTS: [Guest; 3] = [
    Guest { name: "rust", folder: "team-path", case: "allowed", calls: 500 },
    Guest { name: "javascript", folder: "javascript-example", case: "named", calls: 20 },
    Guest { name: "python", folder: "python-example", case: "first-rule", calls: 10 },
];
const BATCHES: usize = 41;

fn folder(guest: &Guest) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins").join(guest.folder)
}

fn read(path: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(serde_saphyr::from_str(&text).unwrap())
}

fn cluster(guest: &Guest) -> ClusterContext {
    let given = read(&folder(guest).join("cases/cluster.yaml")).unwrap_or_else(|| {
        json!({"metadata": {"name": "blue"}, "spec": {"clusterName": "blue", "region": "us-east-1",
            "accountId": "111122223333", "enabled": true}})
    });
    let object: registrar_core::api::EKSClusterRegistry = serde_json::from_value(given).unwrap();
    ClusterContext {
        name: ClusterName::new(object.metadata.name.unwrap()).unwrap(),
        target: object.spec.target().unwrap(),
        labels: object.spec.labels.iter().collect(),
        allowed: registrar_core::guardrails::Allowed::default(),
    }
}

fn identity(domains: &Domains) -> CompiledIdentity {
    let spec = json!({"applicationName": "bench", "namespace": "any",
        "plugin": {"source": {"file": "/plugin.wasm"}, "sha256": "0".repeat(64)}});
    let spec = serde_json::from_value(spec).unwrap();
    let name = IdentityName::new("bench").unwrap();
    CompiledIdentity::compile(&name, &spec, domains, &Guardrails::default()).unwrap()
}

/// What wasmtime alone takes: an instance and a call, with arguments that were made before.
fn bare(component: &Component, workload: &Workload, config: &str, calls: u32) -> f64 {
    let begun = Instant::now();
    bindings::with_workload(workload, |it| {
        for _ in 0..calls {
            let mut store = limits::unconfined(&component.runtime.engine);
            let instance = component.plugin.instantiate(&mut store).unwrap();
            let guest = instance.spire_eks_workload_registrar_plugin_identity();
            let _ = guest.call_derive(&mut store, it.clone(), config).unwrap();
        }
    });
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
}

/// All that a pod costs, from its facts to its checked entries; the decision made anew, or looked up.
struct Line<'a> {
    component: &'a Component,
    description: &'a Description,
    identity: &'a CompiledIdentity,
    plugin: Arc<Plugin>,
    known: HashMap<Arc<Question>, Answer>,
}

impl Line<'_> {
    fn once(&self, subject: &Subject<'_>, is_known: bool) {
        let workload = self.description.reads.workload(self.identity.application_name(), subject);
        let question = Question { plugin: self.plugin.clone(), workload };
        let answer = match is_known {
            true => self.known.get(&question).unwrap().clone(),
            false => {
                let Question { plugin, workload } = &question;
                self.component.derive(workload, &plugin.config, &plugin.limits).outcome.unwrap()
            }
        };
        let Answer::Decided(Decision::Identities(proposals)) = answer else { panic!("{answer:?}") };
        assert!(!self.identity.derive_decided(subject, self.description, &proposals).unwrap().is_empty());
    }

    fn many(&self, subject: &Subject<'_>, is_known: bool, calls: u32) -> f64 {
        let begun = Instant::now();
        (0..calls).for_each(|_| self.once(subject, is_known));
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn row(guest: &Guest, bytes: &[u8]) -> Value {
    let cases = folder(guest).join("cases");
    let begun = Instant::now();
    let native = compile::here(bytes).unwrap();
    let compile_ms = begun.elapsed().as_secs_f64() * 1e3;
    let runtime = Runtime::new(&DEFAULT_CEILINGS, 2).unwrap();
    let loads = (0..9).map(|_| {
        let begun = Instant::now();
        let _ = runtime.load(&native).unwrap();
        begun.elapsed().as_secs_f64() * 1e3
    });
    let load_ms = median(loads.collect());
    let component = runtime.load(&native).unwrap();
    let description = component.describe(&DEFAULT_LIMITS).outcome.unwrap();
    let config = read(&cases.join("config.json")).unwrap_or_else(|| json!({})).to_string();
    assert_eq!(component.validate(&config, &DEFAULT_LIMITS).outcome.unwrap(), []);
    let demand = description.reads.demand();
    let pod = read(&cases.join(guest.case).join("pod.yaml")).unwrap();
    let pod = Arc::new(trim::pod(&pod, &demand).unwrap());
    let node = json!({"metadata": {"name": "n", "uid": "u", "labels": {"zone": "a"}}});
    let node = Arc::new(trim::node(&node, &demand).unwrap());
    let domains =
        Domains { trust: TrustDomain::new("example.org").unwrap(), cluster: "cluster.local".into() };
    let (cluster, identity) = (cluster(guest), identity(&domains));
    let namespace_labels = Arc::default();
    let subject = Subject {
        domains: &domains,
        cluster: &cluster,
        pod: &pod,
        node: Some(&node),
        namespace_labels: Some(&namespace_labels),
        services: None,
    };
    let plugin = Plugin { digest: Digest::of(bytes), config: config.as_str().into(), limits: DEFAULT_LIMITS };
    let plugin = Arc::new(plugin);
    let workload = description.reads.workload(identity.application_name(), &subject);
    let answer = component.derive(&workload, &config, &DEFAULT_LIMITS).outcome.unwrap();
    let question = Question { plugin: plugin.clone(), workload: workload.clone() };
    let known = HashMap::from([(Arc::new(question), answer)]);
    let line = Line { component: &component, description: &description, identity: &identity, plugin, known };
    let (mut bare_us, mut fresh_us, mut known_us) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..BATCHES {
        bare_us.push(bare(&component, &workload, &config, guest.calls));
        fresh_us.push(line.many(&subject, false, guest.calls));
        known_us.push(line.many(&subject, true, guest.calls));
    }
    let (bare_us, fresh_us, known_us) = (median(bare_us), median(fresh_us), median(known_us));
    println!(
        "{:<12}{bare_us:>10.1}{fresh_us:>10.1}{:>8.2}{known_us:>10.2}{:>8.3}{load_ms:>10.2}{compile_ms:>10.0}",
        guest.name,
        fresh_us / bare_us,
        known_us / bare_us,
    );
    json!({"guest": guest.name, "bare_us": bare_us, "fresh_us": fresh_us, "known_us": known_us, "load_ms": load_ms,
        "compile_ms": compile_ms})
}

#[test]
#[ignore = "a benchmark: make bench-plugin"]
fn bench_plugin() {
    println!(
        "{:<12}{:>10}{:>10}{:>8}{:>10}{:>8}{:>10}{:>10}",
        "guest", "bare µs", "fresh µs", "/bare", "known µs", "/bare", "load ms", "compile ms"
    );
    let mut rows = Vec::new();
    for guest in GUESTS {
        match std::fs::read(folder(&guest).join(guest.folder).with_extension("wasm")) {
            Ok(bytes) => rows.push(row(&guest, &bytes)),
            Err(_) => println!("{:<12}not built: make plugins", guest.name),
        }
    }
    assert!(!rows.is_empty());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!("{:#}\n", json!({ "rows": rows }));
    std::fs::write(folder.join("plugin.json"), text).unwrap();
}
