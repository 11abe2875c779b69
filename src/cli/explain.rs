//! `explain`: why a pod has the entries that it has, or has none; asked of the running registrar, or told from files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use registrar_core::explain::{Asked, Explanation, NotKnown, PodName, explain, origins};
use serde_json::Value;

use super::offline::{Files, Offline};
use super::registrar::{Registrar, block_on, parsed, told, unexpected};
use super::template::object;
use super::{Output, Usage, documents, read_config};

/// Arguments of `explain`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  spire-eks-workload-registrar explain prod-east/shop/web-7d4b9c-x2x4k
  spire-eks-workload-registrar explain prod-east/shop/web-7d4b9c-x2x4k --config config.yaml -f manifests.yaml \\
      --cluster prod-east=dump.yaml
  spire-eks-workload-registrar explain spiffe://example.org/ns/shop/sa/web
  spire-eks-workload-registrar explain --pod pod.yaml --config config.yaml -f manifests.yaml --cluster prod-east=dump.yaml")]
pub struct Arguments {
    /// The pod, CLUSTER being the name of its EKSClusterRegistry; or a SPIFFE ID or an entry's id: where does it come from?
    #[arg(value_name = "CLUSTER/NAMESPACE/POD", required_unless_present = "pod", conflicts_with = "pod")]
    name: Option<Asked>,
    #[command(flatten)]
    registrar: Registrar,
    /// Without asking any registrar: the configuration file, with manifests (-f) and dumps (--cluster).
    #[arg(long, value_name = "FILE", requires = "files")]
    config: Option<PathBuf>,
    #[command(flatten)]
    world: Files,
    /// A pod that no cluster has yet, as a manifest; it is looked at in the one cluster that --cluster names.
    #[arg(long, value_name = "FILE", requires = "config")]
    pod: Option<PathBuf>,
    /// How the answer is printed.
    #[arg(short = 'o', value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// Exit status: 0 explained, 1 the pod is not known, 2 usage.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    let explained = match &arguments.config {
        Some(config) => match offline(arguments, config, &arguments.world)? {
            Ok(explained) => explained,
            Err(code) => return Ok(code),
        },
        None => {
            let name = match &arguments.name {
                Some(Asked::Pod(name)) => name.clone(),
                Some(Asked::Id(id)) => match sought(arguments, id)? {
                    Ok(name) => name,
                    Err(code) => return Ok(code),
                },
                None => return Err(Usage(Vec::new())),
            };
            let path = format!("/explain/{}/{}/{}", name.cluster, name.namespace, name.name);
            match block_on(arguments.registrar.get(&path))?? {
                (404, text) => Err(told(&text)),
                (200, text) => Ok(parsed(&text)?),
                (status, text) => return Err(unexpected(status, &text)),
            }
        }
    };
    let explanation: Explanation = match explained {
        Ok(explanation) => explanation,
        Err(why) => return Ok(not_found(&why)),
    };
    arguments.output.print(&explanation)?;
    Ok(ExitCode::SUCCESS)
}

/// The pod that an id leads to, as the registrar says; otherwise what was printed in its place.
fn sought(arguments: &Arguments, id: &str) -> Result<Result<PodName, ExitCode>, Usage> {
    let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("id", id).finish();
    let (status, text) = block_on(arguments.registrar.get(&format!("/origins?{query}")))??;
    if status != 200 {
        return Ok(Err(not_found(&told(&text))));
    }
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    let pods = answer["pods"].as_array().into_iter().flatten().filter_map(Value::as_str);
    one_of(id, &pods.map(str::to_owned).collect::<Vec<_>>())
}

/// The only pod; several are listed.
fn one_of(id: &str, pods: &[String]) -> Result<Result<PodName, ExitCode>, Usage> {
    match pods {
        [pod] => pod.parse().map(Ok).map_err(|error| Usage(vec![error])),
        [] => Ok(Err(not_found(&format!("no pod of the dumps is to have {id}")))),
        pods => {
            println!("{} pods are to have {id}:", pods.len());
            pods.iter().for_each(|pod| println!("  {pod}"));
            Ok(Err(ExitCode::SUCCESS))
        }
    }
}

fn not_found(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::FAILURE
}

fn offline(
    arguments: &Arguments,
    config: &Path,
    world: &Files,
) -> Result<Result<Result<Explanation, String>, ExitCode>, Usage> {
    let config = read_config(config, false)?;
    let prefix = config.entry_id_prefix.clone();
    let (asked, more) = match (&arguments.name, &arguments.pod) {
        (_, Some(path)) => {
            let [(cluster, _)] = world.clusters.as_slice() else {
                let count = world.clusters.len();
                return Err(Usage(vec![format!(
                    "--pod needs exactly one --cluster NAME=FILE; there are {count}"
                )]));
            };
            let mut pod = object(path)?;
            let of = |field: &str| pod.pointer(field).and_then(Value::as_str).map(str::to_owned);
            let Some(name) = of("/metadata/name") else {
                return Err(Usage(vec![format!("{}: metadata.name: is missing", path.display())]));
            };
            let namespace = of("/metadata/namespace").unwrap_or_else(|| "default".to_owned());
            let asked = PodName { cluster: cluster.to_string(), namespace: namespace.clone(), name };
            as_admitted(&mut pod, &namespace);
            (Asked::Pod(asked), vec![(cluster.clone(), pod)])
        }
        (Some(name), None) => (name.clone(), Vec::new()),
        (None, None) => return Err(Usage(Vec::new())),
    };
    for (cluster, path) in &world.clusters {
        let objects = documents(path)?;
        let has = |kind: &str| objects.iter().any(|object| object["kind"] == kind);
        let missing: Vec<&str> = [("Node", "nodes"), ("Namespace", "namespaces")]
            .into_iter()
            .filter(|(kind, _)| !has(kind))
            .map(|(_, it)| it)
            .collect();
        if !missing.is_empty() {
            let (file, missing) = (path.display(), missing.join(" and "));
            eprintln!(
                "note: {file} has no {missing} of cluster {cluster}; `kubectl get pods,nodes,namespaces,endpointslices -A -o yaml` gives a whole dump"
            );
        }
    }
    let Offline { index, failures } = world.read(config, &more)?;
    failures.iter().for_each(|line| eprintln!("note: {line}"));
    let name = match asked {
        Asked::Pod(name) => name,
        Asked::Id(id) => match one_of(&id, &origins(&index, &id, &prefix))? {
            Ok(name) => name,
            Err(code) => return Ok(Err(code)),
        },
    };
    let has_dump = world.clusters.iter().any(|(cluster, _)| cluster.as_str() == name.cluster);
    Ok(Ok(explain(&index, &name).map_err(|why| match why {
        NotKnown::Pods { name, standing, .. } if !has_dump && standing == "Connecting" => {
            format!(
                "the pods of cluster {name} are not known: no dump of it was given (--cluster {name}=FILE)"
            )
        }
        why => why.to_string(),
    })))
}

/// What an API server would have added to a manifest.
fn as_admitted(pod: &mut Value, namespace: &str) {
    if let Some(pod) = pod.as_object_mut() {
        pod.entry("kind").or_insert_with(|| "Pod".into());
    }
    if let Some(metadata) = pod.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.entry("namespace").or_insert_with(|| namespace.into());
        metadata.entry("uid").or_insert_with(|| "00000000-0000-0000-0000-000000000000".into());
    }
}
