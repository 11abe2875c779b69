//! What deploy/monitoring asks, asked of a real Prometheus that has read the running registrar's metrics.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use registrar_world::free_port;
use serde_json::{Value, json};

use crate::child::{Child, output, program};
use crate::kubernetes::Pod;
use crate::wait;
use crate::world::{ROOT, World};

const PREFIX: &str = "spire_eks_workload_registrar_";

fn rules() -> Value {
    let text =
        std::fs::read_to_string(Path::new(ROOT).join("deploy/monitoring/prometheusrule.yaml")).unwrap();
    let rules: Value = serde_saphyr::from_str(&text).unwrap();
    rules["spec"].clone()
}

/// Every query, by what shows it.
fn queries() -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut queries = Vec::new();
    for rule in rules()["groups"].as_array().unwrap().iter().flat_map(|it| it["rules"].as_array().unwrap()) {
        queries.push((text(&rule["alert"]), text(&rule["expr"])));
    }
    let dashboard = std::fs::read(Path::new(ROOT).join("deploy/monitoring/dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_slice(&dashboard).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            queries.push((text(&panel["title"]), text(&target["expr"])));
        }
    }
    assert!(queries.len() > 30, "{queries:?}");
    queries
}

/// The names of our metrics, and of the process's, in a query.
fn names(query: &str) -> BTreeSet<String> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with(PREFIX) || word.starts_with("process_")).map(str::to_owned).collect()
}

/// Everything that the queries are about has happened: a cluster that is connected and one that is not, an entry that is
/// there, one that SPIRE does not take, one that does not come out right, and a plugin, out of a ConfigMap, that is asked.
fn happen(world: &World) -> Pod<'_> {
    let cluster = world.workload_cluster();
    let missing = json!({
        "clusterName": "no-such-cluster", "region": "us-west-2", "accountId": "123456789012", "enabled": true,
    });
    world.registry("monitored-missing", &missing);
    world.wait_for("eksclusterregistries/monitored-missing", "Ready", "False");
    cluster.node("node-1");
    world.identity("monitored", "monitored", "monitored", "monitored", json!({}));
    let federates = json!({"federatesWith": ["unknown.example"]});
    world.identity("monitored-refused", "monitored", "refused", "refused", federates);
    let pod = cluster.pod("monitored", "monitored-0", "monitored", Some("node-1"));
    let refused = cluster.pod("monitored", "refused-0", "refused", Some("node-1"));
    let wrong = json!({"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/{{ .PodMeta.Labels.nothing }}"});
    world.identity("monitored-wrong", "monitored", "wrong", "wrong", wrong);
    let component = Path::new(ROOT).join("plugins/owner-chain/owner-chain.wasm");
    let from = format!("--from-file=owner-chain.wasm={}", component.display());
    world.management.kubectl(&["create", "configmap", "owner-chain", "-n", "spire-system", &from]);
    let digest = output(Command::new("sha256sum").arg(&component));
    let plugin = json!({"plugin": {
        "source": {"configMap": {"namespace": "spire-system", "name": "owner-chain", "key": "owner-chain.wasm"}},
        "sha256": digest.split_whitespace().next().unwrap(),
        "failurePolicy": "Fallback",
    }});
    world.identity("monitored-plugin", "monitored", "plugin", "plugin", plugin);
    let wrong = cluster.pod("monitored", "wrong-0", "wrong", Some("node-1"));
    let asked = cluster.pod("monitored", "plugin-0", "plugin", Some("node-1"));
    world.spire.entry_of(&pod);
    world.wait_for("workloadidentities/monitored-refused", "Ready", "False");
    world.wait_for("workloadidentities/monitored-wrong", "Ready", "False");
    world.wait_for("workloadidentities/monitored-plugin", "PluginLoaded", "True");
    // Asked as soon as it is loaded; the answer is counted before the condition of all pods says so.
    world.wait_for("workloadidentities/monitored-plugin", "Ready", "True");
    for pod in [pod, refused, asked] {
        pod.delete();
    }
    // Shown as long as it is there.
    wrong
}

fn away(world: &World) {
    for path in [
        "workloadidentities/monitored",
        "workloadidentities/monitored-refused",
        "workloadidentities/monitored-wrong",
        "workloadidentities/monitored-plugin",
        "eksclusterregistries/monitored-missing",
    ] {
        world.delete(path);
        world.wait_until_gone(path);
    }
}

/// What Prometheus answers a query: the series.
fn ask(port: u16, query: &str) -> Result<Vec<Value>, String> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--get", &format!("http://127.0.0.1:{port}/api/v1/query")]);
    command.arg("--data-urlencode").arg(format!("query={query}"));
    let answer = command.output().unwrap();
    let said = String::from_utf8_lossy(&answer.stdout).into_owned();
    let answer: Value = serde_json::from_str(&said)
        .map_err(|error| format!("{error}: {said} {}", String::from_utf8_lossy(&answer.stderr)))?;
    if answer["status"] != "success" {
        return Err(answer.to_string());
    }
    Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
}

pub fn a_prometheus_answers_every_query(world: &World) {
    let wrong = happen(world);
    let url = format!("127.0.0.1:{}", world.metrics_port);
    let text = output(Command::new("curl").args(["--silent", "--fail", &format!("http://{url}/metrics")]));
    let mut check = Command::new(world.parts.join("promtool"));
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut check = check.spawn().unwrap();
    check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let told = check.wait_with_output().unwrap();
    let told = (told.status.success(), String::from_utf8_lossy(&told.stderr).into_owned());
    assert_eq!(told, (true, String::new()), "promtool check metrics");

    let exported: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    for (shown, query) in queries() {
        for name in names(&query) {
            assert!(
                exported.contains(name.as_str()),
                "{shown} asks for {name}, which is not exported: {exported:#?}"
            );
        }
    }

    let folder = world.folder.join("prometheus");
    std::fs::create_dir(&folder).unwrap();
    // JSON is YAML.
    std::fs::write(folder.join("rules.yaml"), rules().to_string()).unwrap();
    let configuration = json!({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [folder.join("rules.yaml")],
        "scrape_configs": [{"job_name": "registrar", "static_configs": [{"targets": [url]}]}],
    });
    std::fs::write(folder.join("prometheus.yaml"), configuration.to_string()).unwrap();
    let port = free_port();
    let mut command = program(world.parts.join("prometheus"));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    command.arg(format!("--config.file={}", folder.join("prometheus.yaml").display()));
    command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
    let mut prometheus = Child::start("prometheus", &mut command, &world.folder);
    // A rate needs two samples.
    wait::until("Prometheus to have read the metrics three times", Duration::from_secs(60), || {
        prometheus.assert_running();
        let read = ask(port, r#"count_over_time(up{job="registrar"}[5m]) >= 3"#)?;
        if read.is_empty() { Err("not yet".to_owned()) } else { Ok(()) }
    });
    let mut empty = Vec::new();
    for (shown, query) in queries() {
        let series = ask(port, &query).unwrap_or_else(|error| panic!("{shown}, {query}: {error}"));
        // What compares shows nothing where all is well.
        let compares = [">", "<", "==", "absent"].iter().any(|word| query.contains(word));
        if series.is_empty() && !compares {
            empty.push((shown, query));
        }
    }
    assert!(empty.is_empty(), "nothing is shown by {empty:#?}");
    away(world);
    wrong.delete();
}
