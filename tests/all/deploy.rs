//! What lies in deploy/ fits the program and its documentation: configuration keys, versions, alerts.

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use registrar_core::config::Config;
use registrar_core::rights::{self, READINGS, Right, VERBS};
use serde_json::{Map, Value, json};

fn chart() -> PathBuf {
    Path::new(crate::ROOT).join("deploy/helm/spire-eks-workload-registrar")
}

fn yaml(path: &Path) -> Value {
    serde_saphyr::from_str(&read_to_string(path).unwrap()).unwrap()
}

/// Every key that the configuration file may have, as a path such as `guardrails.rules[].accounts`. The reader itself is
/// asked: of a key that it does not know it tells which it knows.
fn keys() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut above = vec![String::new()];
    while let Some(section) = above.pop() {
        for key in known(&section) {
            let path = if section.is_empty() { key } else { format!("{section}.{key}") };
            for deeper in [path.clone(), format!("{path}[]")] {
                if !known(&deeper).is_empty() {
                    above.push(deeper);
                }
            }
            found.insert(path);
        }
    }
    found
}

/// The keys that a section knows; none where the path is no section.
fn known(section: &str) -> Vec<String> {
    const NO_KEY: &str = "?";
    let steps = section.split('.').filter(|step| !step.is_empty()).rev();
    let file = steps.fold(json!({NO_KEY: 0}), |inner, step| match step.strip_suffix("[]") {
        Some(key) => json!({key: [inner]}),
        None => json!({step: inner}),
    });
    let place = section.replace("[]", "[0]");
    let place = if place.is_empty() { NO_KEY.to_owned() } else { format!("{place}.{NO_KEY}") };
    let told = Config::parse(&file.to_string()).unwrap_err().into_iter().map(|problem| problem.to_string());
    let mut list = told.filter_map(|told| {
        let told = told.strip_prefix(&format!("{place}: is no key of this file; known keys: "))?.to_owned();
        Some(told.split(", ").map(str::to_owned).collect())
    });
    list.next_back().unwrap_or_default()
}

/// The keys of a JSON schema, in the same form.
fn keys_of_schema(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    assert_eq!(schema["additionalProperties"], false, "{path} lets keys through that nobody knows");
    for (key, inner) in properties {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        keys_of_schema(inner, &path, found);
        keys_of_schema(&inner["items"], &format!("{path}[]"), found);
        found.insert(path);
    }
}

fn keys_of_values(values: &Map<String, Value>, path: &str, found: &mut BTreeSet<String>) {
    for (key, inner) in values {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if let Some(inner) = inner.as_object() {
            keys_of_values(inner, &path, found);
        }
        found.insert(path);
    }
}

#[test]
fn the_chart_knows_every_key_of_the_configuration_file() {
    let keys = keys();
    for key in ["trustDomain", "guardrails.rules[].accounts", "leaderElection.renewDeadline"] {
        assert!(keys.contains(key), "{key} in {keys:?}");
    }
    let schema: Value =
        serde_json::from_str(&read_to_string(chart().join("values.schema.json")).unwrap()).unwrap();
    let mut in_schema = BTreeSet::new();
    keys_of_schema(&schema["properties"]["config"], "", &mut in_schema);
    assert_eq!(in_schema, keys, "values.schema.json, config");

    let values = yaml(&chart().join("values.yaml"));
    let mut in_values = BTreeSet::new();
    keys_of_values(values["config"].as_object().unwrap(), "", &mut in_values);
    // What a list's items may be has no default; metadata is allowed and means nothing.
    let expected = keys.iter().filter(|key| !key.contains("[]") && *key != "metadata").cloned().collect();
    assert_eq!(in_values, expected, "values.yaml, config");

    let sample = read_to_string(Path::new(crate::ROOT).join("deploy/config.yaml")).unwrap();
    for key in keys.iter().filter(|key| *key != "metadata") {
        let name = format!("{}:", key.rsplit('.').next().unwrap());
        // Some are shown as comments, and some within a line.
        let is_shown = sample.lines().any(|line| line.contains(&name));
        assert!(is_shown, "deploy/config.yaml does not show {key}");
    }
}

#[test]
fn the_charts_configuration_is_a_good_one_once_it_names_the_trust_domain() {
    let mut config = yaml(&chart().join("values.yaml"))["config"].clone();
    assert_eq!(config["trustDomain"], "", "nobody can guess it");
    config["trustDomain"] = "example.org".into();
    let config = Config::parse(&config.to_string()).unwrap();
    // Safe ones: who may write our objects gets nothing beyond a pod's own name.
    let guardrails = config.guardrails;
    assert_eq!(guardrails.admin.map(|it| it.len()), Some(0));
    assert_eq!(guardrails.downstream.map(|it| it.len()), Some(0));
    assert_eq!(guardrails.federates_with.map(|it| it.len()), Some(0));
    for rule in guardrails.rules.unwrap() {
        assert!(
            rule.spiffe_ids.is_some() && rule.parent_ids.is_some() && rule.dns_names.is_some(),
            "{rule:?}"
        );
    }
}

#[test]
fn the_seeds_own_configuration_means_what_the_seed_says() {
    let map = yaml(&Path::new(crate::ROOT).join("tests/real/seed/configmap.yaml"));
    let config = Config::parse(map["data"]["config.yaml"].as_str().unwrap()).unwrap();
    assert_eq!((config.trust_domain.as_str(), &*config.entry_id_prefix), ("example.org", "eks-"));
    assert_eq!(config.cluster_name, "management-cluster");
    let ignores = |namespace: &str| config.ignore_namespaces.iter().any(|it| it.is_match(namespace));
    assert!(["kube-system", "kube-public", "kube-node-lease", "spire-server"].iter().all(|it| ignores(it)));
    assert!(!ignores("default"));
    assert_eq!(config.aws.region.unwrap().as_str(), "us-west-2");
    let accounts: Vec<&str> = config.aws.account_ids.iter().map(|it| it.as_str()).collect();
    assert_eq!(accounts, ["072422391281", "123456789012"]);
    assert!(config.aws.assume_role_arn.is_none(), "empty is absent");
    let election = config.leader_election;
    let times = [config.gc_interval, config.sync_period, election.lease_duration, election.renew_deadline];
    assert_eq!(times.map(|it| it.as_secs()), [600, 30, 15, 10]);
    assert_eq!((election.leader_elect, election.retry_period.as_secs()), (true, 2));
    assert_eq!(election.resource_name, "spire-eks-workload-registrar.spire.io");
    assert_eq!(election.resource_namespace, "spire-system");
    assert_eq!((&*config.metrics_bind_address, &*config.health.bind_address), (":8080", ":8081"));
    let health = config.health;
    assert_eq!((&*health.readiness_endpoint_name, &*health.liveness_endpoint_name), ("readyz", "healthz"));
    let webhook = config.webhook.unwrap();
    assert_eq!((webhook.port, &*webhook.cert_dir), (9443, "/tmp/k8s-webhook-server/serving-certs"));
}

#[test]
fn all_versions_are_the_programs() {
    let version = env!("CARGO_PKG_VERSION");
    let told = yaml(&chart().join("Chart.yaml"));
    assert_eq!([&told["version"], &told["appVersion"]], [version, version]);
    let kustomization = yaml(&Path::new(crate::ROOT).join("deploy/kustomize/kustomization.yaml"));
    assert_eq!(kustomization["images"][0]["newTag"], version);
}

#[test]
fn every_alert_has_a_runbook_and_a_test_in_which_it_fires() {
    let text = |path: &str| read_to_string(Path::new(crate::ROOT).join(path)).unwrap();
    let rules = yaml(&Path::new(crate::ROOT).join("deploy/monitoring/prometheusrule.yaml"));
    let rules = rules["spec"]["groups"][0]["rules"].as_array().unwrap().clone();
    let operations = text("docs/operations.md");
    let tests: Value = serde_saphyr::from_str(&text("tests/monitoring/alerts.yaml")).unwrap();
    let cases: Vec<&Value> = tests["tests"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|test| test["alert_rule_test"].as_array().unwrap())
        .collect();
    assert!(rules.len() > 10, "{rules:?}");
    for rule in rules {
        let alert = rule["alert"].as_str().unwrap();
        let anchor = format!("docs/operations.md#{}", alert.to_lowercase());
        assert_eq!(rule["annotations"]["runbook_url"], anchor, "{alert}");
        assert!(operations.contains(&format!("\n### {alert}\n")), "{alert} has no runbook");
        let of_alert = || cases.iter().filter(|case| case["alertname"] == alert);
        assert!(of_alert().any(|case| case["exp_alerts"].is_array()), "{alert} fires in no test");
        assert!(of_alert().any(|case| case["exp_alerts"].is_null()), "{alert} is never quiet in a test");
    }
}

/// Every right that the roles of a file give.
fn granted(path: &str) -> BTreeSet<Right> {
    let text = read_to_string(Path::new(crate::ROOT).join(path)).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let mut granted = BTreeSet::new();
    for role in documents.iter().filter(|it| it["kind"] == "ClusterRole" || it["kind"] == "Role") {
        for rule in role["rules"].as_array().unwrap() {
            let texts = |key: &str| -> Vec<Option<String>> {
                let list = rule[key].as_array().into_iter().flatten();
                list.map(|text| text.as_str().map(str::to_owned)).collect()
            };
            let names = match texts("resourceNames") {
                names if names.is_empty() => vec![None],
                names => names,
            };
            for ((group, resource), verb) in texts("apiGroups")
                .into_iter()
                .flatten()
                .flat_map(|group| texts("resources").into_iter().flatten().map(move |it| (group.clone(), it)))
                .flat_map(|what| texts("verbs").into_iter().flatten().map(move |verb| (what.clone(), verb)))
            {
                let (resource, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
                granted.extend(names.iter().map(|name| Right {
                    subresource: subresource.to_owned(),
                    namespace: role["metadata"]["namespace"].as_str().map(str::to_owned),
                    name: name.clone(),
                    ..Right::new(&group, resource, &verb)
                }));
            }
        }
    }
    granted
}

#[test]
fn the_roles_give_what_the_program_uses_and_nothing_else() {
    let map = yaml(&Path::new(crate::ROOT).join("deploy/kustomize/configmap.yaml"));
    let config = Config::parse(map["data"]["config.yaml"].as_str().unwrap()).unwrap();
    let used: BTreeSet<Right> = rights::management(&config).into_iter().map(|need| need.right).collect();
    let granted_there = granted("deploy/kustomize/rbac.yaml");
    assert!(used.is_subset(&granted_there), "{:#?}", used.difference(&granted_there));
    // The predecessor's manifests give these too; this program patches and never asks for one object.
    let spare = |right: &&Right| {
        right.group == "eksclusterregistry.spire.spiffe.io"
            && ["get", "update"].contains(&right.verb.as_str())
    };
    let more: Vec<&Right> = granted_there.difference(&used).filter(|right| !spare(right)).collect();
    assert!(more.is_empty(), "{more:#?}");

    let read = READINGS
        .iter()
        .flat_map(|reading| VERBS.map(|verb| Right::new(reading.group, reading.resource, verb)));
    assert_eq!(granted("deploy/workload-cluster/rbac.yaml"), read.collect());
}
