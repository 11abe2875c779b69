//! Installed by the chart into an empty cluster, run as its Deployment says, and taken away as the documentation says.

use std::collections::BTreeSet;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use registrar_world::free_port;
use serde_json::{Value, json};

use crate::child::{Child, output};
use crate::kubernetes::Cluster;
use crate::registrar::PROGRAM;
use crate::spire::{SpireServer, TRUST_DOMAIN};
use crate::wait::{self, SOON};
use crate::world::{ROOT, World};

const CHART: &str = "deploy/helm/spire-eks-workload-registrar";
const NAME: &str = "spire-eks-workload-registrar";
const NAMESPACE: &str = "spire-system";
/// Where our own kinds are.
pub const KINDS: &str = "/apis/eksclusterregistry.spire.spiffe.io/v1alpha1";
/// Where identities are.
pub const IDENTITIES: &str = "/apis/eksclusterregistry.spire.spiffe.io/v1alpha1/workloadidentities";
/// Where a container finds what its service account is.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

pub fn helm(world: &World, arguments: &[&str]) -> Command {
    let mut command = Command::new(world.parts.join("helm"));
    command.args(arguments).current_dir(ROOT);
    // Nothing of the user's own.
    for (name, folder) in
        [("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data")]
    {
        command.env(name, world.folder.join("helm").join(folder));
    }
    command
}

/// Helm's error, which has to be one.
fn refused(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{command:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

fn of_kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    documents.iter().find(|document| document["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

/// The shell blocks below a heading of docs/operations.md.
fn documented(heading: &str) -> String {
    let text = std::fs::read_to_string(Path::new(ROOT).join("docs/operations.md")).unwrap();
    let (_, section) = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let section = section.split("\n#").next().unwrap();
    let blocks: Vec<&str> =
        section.split("```bash\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty(), "{heading} has no commands");
    blocks.concat()
}

/// Runs a script as an operator does whose kubectl is at this cluster.
fn operate(world: &World, cluster: &Cluster, script: &str) -> String {
    let path = format!("{}:{}", world.parts.display(), std::env::var("PATH").unwrap());
    let helm = helm(world, &[]);
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(ROOT);
    command.envs(helm.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", path).env("KUBECONFIG", &cluster.kubeconfig);
    output(&mut command)
}

/// Values as a user writes them, in a file.
pub fn values(world: &World, name: &str, values: &Value) -> String {
    let path = world.folder.join(format!("{name}.values.json"));
    std::fs::write(&path, values.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What `helm template | kubectl apply` installs, the definitions included.
pub fn installed_manifests(world: &World, values: &str) -> String {
    output(&mut helm(
        world,
        &["template", NAME, CHART, "-n", NAMESPACE, "--include-crds", "--values", values],
    ))
}

pub fn the_chart_renders_and_refuses_what_is_no_value(world: &World) {
    output(&mut helm(world, &["lint", "--strict", CHART, "--set", "config.trustDomain=example.org"]));
    let rendered = |more: &[&str]| {
        let mut command = helm(world, &["template", NAME, CHART, "-n", NAMESPACE]);
        command.args(["--set", "config.trustDomain=example.org"]).args(more);
        command
    };
    for (values, told) in [
        ("config.trustDomain=", "/config/trustDomain"),
        ("confg.x=1", "additional properties 'confg' not allowed"),
        ("config.gcIntervall=1m", "additional properties 'gcIntervall' not allowed"),
        ("config.gcInterval=ten minutes", "/config/gcInterval"),
        ("config.mode=Both", "/config/mode"),
        ("spire.access=udp", "/spire/access"),
        ("spire.access=tcp", "config.spireServerAddress: \"\" must be the SPIRE server's host:port"),
        ("config.spireServerAddress=spire:8081", "is for spire.access tcp, which is hostPath"),
        ("config.aws.accountIds={123456789012}", "/config/aws/accountIds/0"),
        ("config.leaderElection.leaderElect=false", "replicas: 2 must be 1"),
        ("spire.access=container", "serviceAccount.create: true must be false"),
    ] {
        let error = refused(rendered(&["--set", values]));
        assert!(error.contains(told), "{values}: {error}");
    }
    let all = documents(&output(&mut rendered(&[])));
    assert!(all.iter().all(|document| document["kind"] != "CustomResourceDefinition"));
    // Variables, which `kubectl set env` changes: an argument would go before them.
    let container = &of_kind(&all, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["args"], json!(["run", "--config=/etc/spire-eks-workload-registrar/config.yaml"]));
    let variables = json!([{"name": "LOG_LEVEL", "value": "info"}, {"name": "LOG_FORMAT", "value": "json"}]);
    assert_eq!(container["env"], variables);
    // Where it may go, by the way to SPIRE: DNS, HTTPS, the agent of EKS Pod Identity, and SPIRE itself where that is by TCP.
    let ports = |documents: &[Value]| -> Vec<u64> {
        let rules = of_kind(documents, "NetworkPolicy")["spec"]["egress"].as_array().unwrap();
        let ports = rules.iter().flat_map(|rule| rule["ports"].as_array().unwrap());
        let ports: BTreeSet<u64> = ports.map(|port| port["port"].as_u64().unwrap()).collect();
        ports.into_iter().collect()
    };
    assert_eq!(ports(&all), [53, 80, 443]);
    let more = rendered(&["--set", "networkPolicy.httpsPorts={443,5000}"]);
    assert_eq!(ports(&documents(&output(&mut { more }))), [53, 80, 443, 5000]);
    let tcp = ["--set", "spire.access=tcp", "--set", "config.spireServerAddress=spire-server:8081"];
    assert_eq!(ports(&documents(&output(&mut rendered(&tcp)))), [53, 80, 443, 8081]);
    // Beside the one that writes: docs/operations.md, "Upgrade".
    let beside = "name=registrar-next,configMapName=registrar-next,config.mode=Observe,config.webhook=null";
    assert!(std::fs::read_to_string(format!("{ROOT}/docs/operations.md")).unwrap().contains(beside));
    let next = documents(&output(&mut rendered(&["--set", beside])));
    for document in &next {
        let name = &document["metadata"]["name"];
        let same = all.iter().any(|it| it["kind"] == document["kind"] && it["metadata"]["name"] == *name);
        assert!(!same, "{} {name} is the other release's", document["kind"]);
    }
    let config = of_kind(&next, "ConfigMap")["data"]["config.yaml"].as_str().unwrap();
    assert!(config.contains("mode: Observe") && !config.contains("webhook:"), "{config}");
    let notes = std::fs::read_to_string(format!("{ROOT}/{CHART}/templates/NOTES.txt")).unwrap();
    let heading = notes.split_once("README.md, \"").and_then(|(_, rest)| rest.split('"').next()).unwrap();
    let readme = std::fs::read_to_string(format!("{ROOT}/README.md")).unwrap();
    assert!(readme.lines().any(|line| line == format!("## {heading}")), "README.md has no {heading:?}");
    let with = documents(&output(&mut rendered(&["--include-crds"])));
    assert_eq!(with.len(), all.len() + 2);
    // What the other way needs is made, and what it does not need is not.
    let container =
        ["spire.access=container", "serviceAccount.create=false", "serviceAccount.name=spire-server"];
    let container: Vec<&str> = container.iter().flat_map(|value| ["--set", *value]).collect();
    let other = documents(&output(&mut rendered(&container)));
    assert_eq!(of_kind(&other, "ClusterRoleBinding")["subjects"][0]["name"], "spire-server");
    for kind in ["Deployment", "ServiceAccount", "NetworkPolicy", "PodDisruptionBudget"] {
        assert!(other.iter().all(|document| document["kind"] != kind), "{kind}");
    }
}

pub fn the_manifests_of_kustomize_are_the_charts(world: &World) {
    let folder = world.folder.join("kustomize");
    std::fs::create_dir(&folder).unwrap();
    let kustomize = Path::new(ROOT).join("deploy/kustomize");
    output(Command::new(kustomize.join("render")).arg(world.parts.join("helm")).arg(&folder));
    for file in std::fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        let (rendered, committed) = (
            std::fs::read_to_string(file.path()).unwrap(),
            std::fs::read_to_string(kustomize.join(file.file_name())).unwrap_or_default(),
        );
        assert!(
            rendered == committed,
            "deploy/kustomize/{} is not the chart's; `make manifests` renders it: {rendered}",
            file.file_name().display()
        );
    }
}

/// A container's file system and rights, made by hand: the machine's own root under an empty layer, read-only, with
/// volumes where the pod has them; user, group and capabilities as the pod says. Its network is the machine's.
/// It is the pod's only one; `volume` tells where on the machine a volume is.
fn container(world: &World, pod: &Value, volume: impl Fn(&str) -> PathBuf) -> Command {
    let (container, user) = (&pod["containers"][0], &pod["securityContext"]);
    assert_eq!(user["runAsNonRoot"], true);
    let rights = &container["securityContext"];
    assert_eq!(rights["allowPrivilegeEscalation"], false);
    assert_eq!(rights["readOnlyRootFilesystem"], true);
    assert_eq!(rights["capabilities"], json!({"drop": ["ALL"]}));
    let base = world.folder.join("container");
    std::fs::create_dir(&base).unwrap();
    let mut script = format!(
        "base={}; mount -t tmpfs tmpfs $base; mkdir $base/upper $base/work $base/root; root=$base/root
             mount -t overlay overlay -o lowerdir=/,upperdir=$base/upper,workdir=$base/work $root
             mount --rbind /proc $root/proc; mount --rbind /dev $root/dev
             touch $root/registrar; mount --bind {PROGRAM} $root/registrar\n",
        base.display()
    );
    let mut mount = |from: &Path, to: &str| {
        // /var/run is a link, which has to be followed inside.
        script += &format!(
            "to=$root$(chroot $root readlink -m {to})
             mkdir -p $to; mount --bind '{from}' $to; mount -o remount,bind,ro $to\n",
            from = from.display()
        );
    };
    mount(&volume("service-account"), ACCOUNT);
    for one in container["volumeMounts"].as_array().unwrap() {
        assert_eq!(one["readOnly"], true, "{one}");
        mount(&volume(one["name"].as_str().unwrap()), one["mountPath"].as_str().unwrap());
    }
    script += &format!(
        "mount -o remount,ro $root
             exec chroot $root setpriv --pdeathsig KILL --reuid {} --regid {} --clear-groups --no-new-privs \
                 --bounding-set=-all --inh-caps=-all -- /registrar \"$@\"",
        user["runAsUser"], user["runAsGroup"]
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "bash", "-euc", &script, "bash"]);
    for argument in container["args"].as_array().unwrap() {
        command.arg(argument.as_str().unwrap());
    }
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    for variable in container["env"].as_array().into_iter().flatten() {
        command.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
    }
    command
}

/// A volume's folder that the container's user may read.
fn folder(world: &World, name: &str, files: &[(&str, &[u8])]) -> PathBuf {
    let folder = world.folder.join("volumes").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    folder
}

/// The chart without the Kubernetes versions that it is for: an API server that is built from its module alone does not
/// know its own.
pub fn unversioned_chart(world: &World) -> String {
    let chart = world.folder.join("chart");
    if !chart.exists() {
        output(Command::new("cp").arg("-r").arg(Path::new(ROOT).join(CHART)).arg(&chart));
    }
    let text = std::fs::read_to_string(chart.join("Chart.yaml")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("kubeVersion:")).collect();
    std::fs::write(chart.join("Chart.yaml"), lines.join("\n")).unwrap();
    chart.to_str().unwrap().to_owned()
}

fn ready(port: u16) -> Result<(), String> {
    let url = format!("http://127.0.0.1:{port}/readyz");
    let answer = Command::new("curl").args(["--silent", "--show-error", "--fail", &url]).output().unwrap();
    if answer.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&answer.stderr).into_owned()) }
}

pub fn condition(cluster: &Cluster, path: &str, kind: &str) -> Value {
    let object = cluster.get(&format!("{KINDS}/{path}")).unwrap_or_default();
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).cloned();
    conditions.into_iter().flatten().find(|one| one["type"] == kind).unwrap_or_default()
}

fn identity(cluster: &Cluster, name: &str, template: &str) {
    let object = json!({
        "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1",
        "kind": "WorkloadIdentity",
        "metadata": {"name": name},
        "spec": {
            "applicationName": name,
            "namespace": "installed",
            "spiffeIDTemplate": format!("spiffe://{{{{ .TrustDomain }}}}{template}"),
            "podSelector": {"matchLabels": {"app": "installed"}},
        },
    });
    cluster.apply(&format!("{KINDS}/workloadidentities/{name}"), &object);
}

fn registry(cluster: &Cluster) {
    let object = json!({
        "apiVersion": "eksclusterregistry.spire.spiffe.io/v1alpha1",
        "kind": "EKSClusterRegistry",
        "metadata": {"name": "production-cluster"},
        "spec": {
            "clusterName": "prod-eks-cluster",
            "region": "us-west-2",
            "accountId": "123456789012",
            "enabled": true,
        },
    });
    cluster.apply(&format!("{KINDS}/eksclusterregistries/production-cluster"), &object);
}

pub fn from_an_empty_cluster_to_an_entry_and_away_again(world: &World) {
    let sockets = folder(world, "spire-server-socket", &[]);
    let spire = SpireServer::start(&world.parts, &sockets, "server", free_port(), None);
    // As SPIRE's own image runs: user and group 1000, socket for both.
    chown(&spire.socket, Some(0), Some(1000)).unwrap();
    let cluster = world.empty_cluster("installed");
    let [metrics, health] = [(); 2].map(|()| free_port());
    let env: Vec<Value> = world
        .aws_variables()
        .into_iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let values = values(
        world,
        "installed",
        &json!({
            "config": {
                "trustDomain": TRUST_DOMAIN,
                "aws": {"region": "us-west-2", "accountIds": ["123456789012"]},
                "metrics": {"bindAddress": format!("127.0.0.1:{metrics}")},
                "admin": {"bindAddress": format!("127.0.0.1:{}", free_port())},
                "health": {"healthProbeBindAddress": format!("127.0.0.1:{health}")},
            },
            "log": {"level": "debug"},
            "extraEnv": env,
        }),
    );

    // The administrator installs, and does nothing more.
    cluster.kubectl(&["create", "namespace", NAMESPACE]);
    let manifests = installed_manifests(world, &values);
    cluster.kubectl_with(&["apply", "-f", "-"], &manifests);
    for kind in ["eksclusterregistries", "workloadidentities"] {
        let kind = format!("crd/{kind}.eksclusterregistry.spire.spiffe.io");
        cluster.kubectl(&["wait", "--for=condition=Established", &kind]);
    }

    // What a kubelet makes of the Deployment.
    let deployment =
        cluster.get(&format!("/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}")).unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], true);
    let account = pod["serviceAccountName"].as_str().unwrap();
    let token = cluster.kubectl(&["create", "token", account, "-n", NAMESPACE]);
    let authority = std::fs::read(world.authority()).unwrap();
    folder(
        world,
        "service-account",
        &[
            ("token", token.trim().as_bytes()),
            ("ca.crt", authority.as_slice()),
            ("namespace", NAMESPACE.as_bytes()),
        ],
    );
    let mut container = container(world, pod, |name| {
        let volumes = pod["volumes"].as_array().unwrap();
        let volume = volumes.iter().find(|volume| volume["name"] == name).cloned().unwrap_or_default();
        if let Some(name) = volume.pointer("/configMap/name") {
            let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/{}", name.as_str().unwrap());
            let data = cluster.get(&path).unwrap()["data"].as_object().unwrap().clone();
            let files: Vec<(&str, &[u8])> =
                data.iter().map(|(name, text)| (name.as_str(), text.as_str().unwrap().as_bytes())).collect();
            return folder(world, "config", &files);
        }
        assert!(name == "service-account" || volume["hostPath"]["path"] == "/run/spire/sockets", "{volume}");
        folder(world, name, &[])
    });
    for (name, value) in [
        ("KUBERNETES_SERVICE_HOST", "127.0.0.1"),
        ("KUBERNETES_SERVICE_PORT", &cluster.port.to_string()),
        ("HOSTNAME", "spire-eks-workload-registrar-0"),
    ] {
        container.env(name, value);
    }
    let mut running = Child::start("registrar-installed", &mut container, &world.folder);
    wait::until("the installed registrar to be ready", SOON, || {
        running.assert_running();
        ready(health)
    });

    // A user uses it.
    let workload = world.cluster("production-cluster");
    workload.node("node-installed");
    registry(&cluster);
    identity(&cluster, "installed", "/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}");
    let pod = workload.pod("installed", "installed-0", "installed", Some("node-installed"));
    let entry = spire.entry_of(&pod);
    assert_eq!(entry.spiffe_id(), "spiffe://example.org/ns/installed/sa/installed");
    for (path, kind) in
        [("workloadidentities/installed", "Ready"), ("eksclusterregistries/production-cluster", "Ready")]
    {
        wait::until(&format!("{path} to be {kind}"), SOON, || {
            let told = condition(&cluster, path, kind);
            if told["status"] == "True" { Ok(()) } else { Err(told.to_string()) }
        });
    }
    // The chart's guardrails hold.
    identity(&cluster, "beyond", "/anything/{{ .PodMeta.Name }}");
    wait::until("the guardrails to deny it", SOON, || {
        let told = condition(&cluster, "workloadidentities/beyond", "Ready");
        if told["reason"] == "GuardrailDenied" { Ok(()) } else { Err(told.to_string()) }
    });
    assert_eq!(spire.entries_of(&pod).len(), 1);
    let log = std::fs::read_to_string(world.folder.join("registrar-installed.log")).unwrap();
    let forbidden: Vec<&str> = log.lines().filter(|line| line.contains("forbidden")).collect();
    assert!(forbidden.is_empty(), "{forbidden:#?}");

    // Away, and the entries stay: it writes no more, and nothing hangs.
    running.stop();
    operate(world, &cluster, &documented("### Entries stay"));
    let manifests_only =
        output(&mut helm(world, &["template", NAME, CHART, "-n", NAMESPACE, "--values", &values]));
    cluster.kubectl_with(&["delete", "-f", "-"], &manifests_only);
    cluster.kubectl(&["delete", "--timeout=20s", "-f", &format!("{ROOT}/crds")]);
    assert_eq!(spire.entries_of(&pod), std::slice::from_ref(&entry));

    // Installed anew, it knows its entries by their ids; nothing is rewritten.
    cluster.kubectl_with(&["apply", "-f", "-"], &manifests);
    let token = cluster.kubectl(&["create", "token", account, "-n", NAMESPACE]);
    folder(world, "service-account", &[("token", token.trim().as_bytes())]);
    let running = Child::start("registrar-installed", &mut container, &world.folder);
    registry(&cluster);
    identity(&cluster, "installed", "/ns/{{ .PodMeta.Namespace }}/sa/{{ .PodSpec.ServiceAccountName }}");
    wait::until("the identity to be Ready again", SOON, || {
        let told = condition(&cluster, "workloadidentities/installed", "Ready");
        if told["status"] == "True" { Ok(()) } else { Err(told.to_string()) }
    });
    assert_eq!(spire.entries_of(&pod), [entry]);

    // Away, and the entries with it.
    operate(world, &cluster, &documented("### Entries go"));
    spire.wait_for_none_of(&pod.uid);
    running.stop();
    cluster.kubectl_with(&["delete", "-f", "-"], &manifests_only);
    cluster.kubectl(&["delete", "--timeout=20s", "-f", &format!("{ROOT}/crds")]);
    pod.delete();

    // As Helm itself does it: the definitions stay when the release goes.
    let chart = unversioned_chart(world);
    let release = |arguments: &[&str]| {
        let mut command = helm(world, arguments);
        output(command.args(["-n", NAMESPACE]).env("KUBECONFIG", &cluster.kubeconfig))
    };
    let notes = release(&["install", NAME, &chart, "--values", &values]);
    assert!(
        notes.contains("kubectl wait --for=condition=Ready eksclusterregistry/workload-cluster"),
        "{notes}"
    );
    release(&["upgrade", NAME, &chart, "--reset-then-reuse-values", "--set", "replicas=3"]);
    release(&["rollback", NAME, "1"]);
    let uninstall = documented("### The release");
    operate(world, &cluster, uninstall.split("kubectl delete -k").next().unwrap());
    let left = cluster.kubectl(&["get", "all,configmaps,rolebindings", "-n", NAMESPACE, "-o", "name"]);
    assert!(!left.contains("registrar") && !left.contains("controller-manager-config"), "{left}");
    assert_eq!(cluster.kubectl(&["get", "crds", "-o", "name"]).lines().count(), 2);
}

/// The two kinds of the Prometheus operator, with the fields of theirs that ours have: any other is refused.
fn kinds_of_the_prometheus_operator() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "object", "additionalProperties": text});
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let list = |item: Value| json!({"type": "array", "items": item});
    let definition = |kind: &str, plural: &str, spec: Value| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.monitoring.coreos.com")},
            "spec": {
                "group": "monitoring.coreos.com",
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": object(json!({"spec": spec}))}}],
            },
        })
    };
    let endpoint = object(json!({"port": text, "interval": text}));
    let monitor = json!({"selector": object(json!({"matchLabels": texts})), "endpoints": list(endpoint)});
    let rule = json!({"alert": text, "record": text, "expr": text, "for": text, "labels": texts, "annotations": texts});
    let group = object(json!({"name": text, "interval": text, "rules": list(object(rule))}));
    json!({"apiVersion": "v1", "kind": "List", "items": [
        definition("ServiceMonitor", "servicemonitors", object(monitor)),
        definition("PrometheusRule", "prometheusrules", object(json!({"groups": list(group)}))),
    ]})
}

pub fn the_api_server_accepts_every_manifest(world: &World) {
    let cluster = world.empty_cluster("dry-run");
    let dry_run = |manifests: &str| {
        cluster.try_kubectl(&["apply", "--dry-run=server", "--validate=strict", "-f", "-"], manifests)
    };
    cluster.kubectl(&["create", "namespace", NAMESPACE]);
    cluster.kubectl(&["apply", "-f", &format!("{ROOT}/crds")]);
    cluster.kubectl_with(&["apply", "-f", "-"], &kinds_of_the_prometheus_operator().to_string());
    for kind in ["servicemonitors", "prometheusrules"] {
        let kind = format!("crd/{kind}.monitoring.coreos.com");
        cluster.kubectl(&["wait", "--for=condition=Established", &kind]);
    }
    // Everything that the chart can render, and what kustomize does.
    let everything = json!({
        "config": {"trustDomain": TRUST_DOMAIN},
        "imagePullSecrets": [{"name": "pull"}],
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/registrar"}},
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca"}],
        "podLabels": {"team": "platform"},
        "podAnnotations": {"note": "any"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "spire", "operator": "Exists"}],
        "service": {"annotations": {"note": "any"}},
        "serviceMonitor": {"create": true, "labels": {"release": "prometheus"}},
        "networkPolicy": {
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "dnsTo": [{"namespaceSelector": {}}],
            "extraEgress": [{"ports": [{"port": 3128, "protocol": "TCP"}]}],
        },
    });
    let everything = values(world, "everything", &everything);
    let rendered =
        output(&mut helm(world, &["template", NAME, CHART, "-n", NAMESPACE, "--values", &everything]));
    // That a kind is served, each client learns a moment later.
    let accepted = wait::until("the operator's kinds to be served", SOON, || dry_run(&rendered));
    println!("{accepted}");
    assert!(accepted.contains("servicemonitor.monitoring.coreos.com"), "{accepted}");
    for file in ["servicemonitor", "prometheusrule"] {
        let path = format!("{ROOT}/deploy/monitoring/{file}.yaml");
        dry_run(&std::fs::read_to_string(path).unwrap()).unwrap();
    }
    let kustomized = cluster.kubectl(&["kustomize", &format!("{ROOT}/deploy/kustomize")]);
    dry_run(&kustomized).unwrap();
    let rights = std::fs::read_to_string(format!("{ROOT}/deploy/workload-cluster/rbac.yaml")).unwrap();
    dry_run(&rights).unwrap();

    // Pod Security level restricted lets the pod in but for its hostPath, which no level below privileged allows.
    let level = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    cluster.patch(&format!("/api/v1/namespaces/{NAMESPACE}"), &level);
    let documents = documents(&rendered);
    let template = of_kind(&documents, "Deployment")["spec"]["template"].clone();
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]});
    pod["metadata"] = json!({"name": "registrar", "namespace": NAMESPACE});
    let told = dry_run(&pod.to_string()).unwrap_err();
    let only = r#"violates PodSecurity "restricted:latest": restricted volume types (volume "spire-server-socket" uses restricted volume type "hostPath")"#;
    assert!(told.contains(only), "{told}");

    // By mutual TLS the level lets it in.
    let tcp =
        ["config.trustDomain=example.org", "spire.access=tcp", "config.spireServerAddress=spire-server:8081"];
    let mut tcp_template = helm(world, &["template", NAME, CHART, "-n", NAMESPACE]);
    tcp_template.args(tcp.iter().flat_map(|value| ["--set", *value]));
    let by_tcp = output(&mut tcp_template);
    dry_run(&by_tcp).unwrap();
    pod["spec"] = of_kind(&self::documents(&by_tcp), "Deployment")["spec"]["template"]["spec"].clone();
    dry_run(&pod.to_string()).unwrap();

    // The container that the notes print, in a pod of the SPIRE server.
    let arguments = [
        "install",
        NAME,
        CHART,
        "-n",
        NAMESPACE,
        "--dry-run=client",
        "--set",
        "config.trustDomain=example.org",
    ];
    let mut install = helm(world, &arguments);
    let container =
        ["spire.access=container", "serviceAccount.create=false", "serviceAccount.name=spire-server"];
    install.args(container.iter().flat_map(|value| ["--set", *value]));
    let notes = output(install.env("KUBECONFIG", &cluster.kubeconfig));
    let (_, printed) = notes.split_once("\ncontainers:\n").unwrap();
    let printed = format!("containers:\n{}", printed.split("\n\n").next().unwrap());
    let mut spec: Value = serde_saphyr::from_str(&printed).unwrap();
    spec["securityContext"] = template["spec"]["securityContext"].clone();
    spec["volumes"].as_array_mut().unwrap().push(json!({"name": "spire-server-socket", "emptyDir": {}}));
    pod["spec"] = spec;
    dry_run(&pod.to_string()).unwrap();
}
