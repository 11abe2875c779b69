//! What one rendering costs: beside Go over the real types, minijinja by hand, and `format!`; and what the limits cost.
//!
//! `make bench-template` runs it, prints a table and writes `target/bench/template.json`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot go on ends"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use minijinja::{Environment, Value, context};
use registrar_core::derive::template::{Scope, Template, Variables};
use registrar_core::facts::Labels;
use serde_json::{Value as Json, json};

const RANGE: &str = "{{ range $k, $v := .PodMeta.Labels }}{{ printf \"%s=%s,\" $k $v }}{{ end }}";
const FRONT: &str = "{{ if eq (index .PodMeta.Labels \"tier\") \"front\" }}spiffe://{{ .TrustDomain }}/front/{{ .PodMeta.Name }}{{ else }}spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}{{ end }}";

/// A name, Go's template, and the same by hand for minijinja over plain maps.
const TEMPLATES: &[(&str, &str, &str)] = &[
    (
        "spiffe-id",
        "spiffe://{{ .TrustDomain }}/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}",
        "spiffe://{{ trust_domain }}/ns/{{ pod.namespace }}/sa/{{ spec.service_account }}",
    ),
    (
        "parent",
        "spiffe://{{ .TrustDomain }}/spire/agent/k8s_psat/{{ .ClusterName }}/{{ .NodeMeta.UID }}",
        "spiffe://{{ trust_domain }}/spire/agent/k8s_psat/{{ cluster_name }}/{{ node.uid }}",
    ),
    (
        "dns-short",
        "{{ .PodMeta.Name }}.{{ .PodMeta.Namespace }}.svc",
        "{{ pod.name }}.{{ pod.namespace }}.svc",
    ),
    (
        "dns-long",
        "{{ .PodMeta.Name }}.{{ .PodMeta.Namespace }}.svc.cluster.local",
        "{{ pod.name }}.{{ pod.namespace }}.svc.cluster.local",
    ),
    (
        "condition",
        FRONT,
        "{% if pod.labels[\"tier\"] == \"front\" %}spiffe://{{ trust_domain }}/front/{{ pod.name }}{% else %}spiffe://{{ trust_domain }}/ns/{{ pod.namespace }}/sa/{{ spec.service_account }}{% endif %}",
    ),
    ("range-printf", RANGE, "{% for k in pod.labels %}{{ k ~ \"=\" ~ pod.labels[k] ~ \",\" }}{% endfor %}"),
];

/// The fastest round of each, in nanoseconds a call: rounds take turns, so that what else the machine does meets all alike.
fn measure<const N: usize>(mut runs: [&mut dyn FnMut(); N]) -> [f64; N] {
    const CALLS: u32 = 4_000;
    let mut best = [f64::INFINITY; N];
    for _ in 0..75 {
        for (run, best) in runs.iter_mut().zip(&mut best) {
            let started = Instant::now();
            for _ in 0..CALLS {
                run();
            }
            *best = best.min(started.elapsed().as_nanos() as f64 / f64::from(CALLS));
        }
    }
    best
}

fn scope(facts: &Json) -> Scope {
    let text = |key: &str| Arc::from(facts[key].as_str().unwrap_or_default());
    let variables = Variables {
        trust_domain: text("trustDomain"),
        cluster_name: text("clusterName"),
        eks_cluster_name: text("clusterName"),
        cluster_domain: text("clusterDomain"),
        application_name: text("applicationName"),
        account_id: text("accountID"),
        region: text("region"),
        instance_id: Some("i-1234567890abcdef0".into()),
        cluster_labels: Labels::default(),
        aliases: true,
    };
    Scope::new(&variables, &facts["pod"], &facts["node"])
}

/// The same facts as plain values of the engine, made once as well.
fn by_hand(facts: &Json) -> Value {
    let text = |pointer: &str| facts.pointer(pointer).and_then(Json::as_str).unwrap_or_default().to_owned();
    let labels: BTreeMap<String, String> =
        serde_json::from_value(facts.pointer("/pod/metadata/labels").cloned().unwrap()).unwrap();
    context! {
        trust_domain => text("/trustDomain"),
        cluster_name => text("/clusterName"),
        pod => context! {
            name => text("/pod/metadata/name"),
            namespace => text("/pod/metadata/namespace"),
            labels => labels,
        },
        spec => context! { service_account => text("/pod/spec/serviceAccountName") },
        node => context! { uid => text("/node/metadata/uid") },
    }
}

fn formatted(name: &str, facts: &Json) -> Box<dyn Fn() -> String> {
    let text = |pointer: &str| facts.pointer(pointer).and_then(Json::as_str).unwrap_or_default().to_owned();
    let (domain, cluster) = (text("/trustDomain"), text("/clusterName"));
    let (pod, namespace) = (text("/pod/metadata/name"), text("/pod/metadata/namespace"));
    let (account, uid) = (text("/pod/spec/serviceAccountName"), text("/node/metadata/uid"));
    let labels: BTreeMap<String, String> =
        serde_json::from_value(facts.pointer("/pod/metadata/labels").cloned().unwrap()).unwrap();
    match name {
        "spiffe-id" => Box::new(move || format!("spiffe://{domain}/ns/{namespace}/sa/{account}")),
        "parent" => Box::new(move || format!("spiffe://{domain}/spire/agent/k8s_psat/{cluster}/{uid}")),
        "dns-short" => Box::new(move || format!("{pod}.{namespace}.svc")),
        "dns-long" => Box::new(move || format!("{pod}.{namespace}.svc.cluster.local")),
        "condition" => Box::new(move || match labels.get("tier").is_some_and(|tier| tier == "front") {
            true => format!("spiffe://{domain}/front/{pod}"),
            false => format!("spiffe://{domain}/ns/{namespace}/sa/{account}"),
        }),
        _ => Box::new(move || labels.iter().map(|(key, value)| format!("{key}={value},")).collect()),
    }
}

/// Go's nanoseconds by template; none where Go is not installed.
fn go(root: &Path) -> Option<BTreeMap<String, f64>> {
    let templates: BTreeMap<&str, &str> = TEMPLATES.iter().map(|(name, text, _)| (*name, *text)).collect();
    let file = root.join("target/bench/templates.json");
    std::fs::create_dir_all(file.parent()?).ok()?;
    std::fs::write(&file, serde_json::to_vec(&templates).ok()?).ok()?;
    let output = Command::new("go")
        .current_dir(root.join("tests/gotemplate"))
        .args(["run", ".", "-facts", "../cases/gotemplate/facts", "-bench"])
        .arg(&file)
        .output()
        .ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("tests/cases/gotemplate/facts/web.yaml")).unwrap();
    let facts: Json = serde_saphyr::from_str(&text).unwrap();
    let scope = scope(&facts);
    let hand_facts = by_hand(&facts);
    let go = go(&root);
    let mut rows = Vec::new();
    println!(
        "{:<14}{:>9}{:>11}{:>11}{:>10}{:>9}{:>9}",
        "template", "ns", "go", "minijinja", "format!", "go/we", "we/hand"
    );
    for (name, template, hand) in TEMPLATES {
        let compiled = Template::compile(template).unwrap();
        let mut environment = Environment::empty();
        environment.add_template("t", hand).unwrap();
        let hand = environment.get_template("t").unwrap();
        let format = formatted(name, &facts);
        let expected = format();
        assert_eq!(compiled.render(&scope).unwrap(), expected, "{name}");
        assert_eq!(hand.render(hand_facts.clone()).unwrap(), expected, "{name}");
        let [ns, minijinja_ns, format_ns] = measure([
            &mut || drop(black_box(compiled.render(black_box(&scope)))),
            &mut || drop(black_box(hand.render(black_box(hand_facts.clone())))),
            &mut || drop(black_box(format())),
        ]);
        let go_ns = go.as_ref().and_then(|go| go.get(*name)).copied();
        let (shown, ratio) = match go_ns {
            Some(go) => (format!("{go:.0}"), format!("{:.2}", go / ns)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        println!(
            "{name:<14}{ns:>9.0}{shown:>11}{minijinja_ns:>11.0}{format_ns:>10.0}{ratio:>9}{:>9.2}",
            ns / minijinja_ns
        );
        rows.push(json!({"name": name, "template": template, "ns": ns, "go_ns": go_ns, "minijinja_ns": minijinja_ns, "format_ns": format_ns}));
    }
    let limits = limits(&scope);
    let file = root.join("target/bench/template.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, serde_json::to_string_pretty(&json!({"rows": rows, "limits": limits})).unwrap())
        .unwrap();
}

/// What templates that would not end take until they are ended.
fn limits(scope: &Scope) -> Vec<Json> {
    let deep =
        |open: &str, close: &str, times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
    let cases = [
        ("endless range", "{{ range 9999999999 }}{{ end }}".to_owned()),
        ("range of text", "{{ range 99999 }}{{ range 99999 }}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{{ end }}{{ end }}".to_owned()),
        ("recursion", "{{ define \"a\" }}{{ template \"b\" . }}{{ end }}{{ define \"b\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}".to_owned()),
        ("doubling", "{{ $x := \"x\" }}{{ range 99 }}{{ $x = print $x $x }}{{ end }}".to_owned()),
        ("wide", "{{ range 99 }}{{ printf \"%999999d\" 1 }}{{ end }}".to_owned()),
        ("wider", "{{ printf \"%999999999d\" 1 }}".to_owned()),
        ("parentheses", format!("{{{{ {} }}}}", deep("(", ")", 9999))),
        ("nested if", deep("{{ if true }}", "{{ end }}", 9999)),
        ("nested range", deep("{{ range 2 }}", "{{ end }}", 55)),
        ("64 KiB of actions", "{{.Region}}".repeat((64 << 10) / 11)),
        ("64 KiB unknown", "{{.Regoin}}".repeat((64 << 10) / 11)),
        ("a megabyte", "{{ .Region }}".repeat(80_000)),
    ];
    println!("\n{:<20}{:>9}{:>9}  ends with", "limit", "ms", "peak MiB");
    let mut rows = Vec::new();
    for (name, text) in cases {
        let before = peak_mib();
        let started = Instant::now();
        let told = match Template::compile(&text) {
            Err(error) => error.problem,
            Ok(template) => match template.render(scope) {
                Err(error) => error.to_string().rsplit(": ").next().unwrap_or_default().to_owned(),
                Ok(output) => format!("{} bytes", output.len()),
            },
        };
        let ms = started.elapsed().as_secs_f64() * 1e3;
        let grown = peak_mib() - before;
        println!("{name:<20}{ms:>9.2}{grown:>9.1}  {told}");
        rows.push(json!({"name": name, "ms": ms, "peak_mib": grown}));
    }
    rows
}

/// The most memory that this process ever had, where the system tells.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / 1024.0
}
