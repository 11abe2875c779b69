//! `release`: what the brake holds and which entries are orphans, and how one such plan is let through.

use std::process::ExitCode;

use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource, ResourceExt};
use registrar_core::api::{EKSClusterRegistry, RELEASE_ANNOTATION, WorkloadIdentity, release};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::registrar::{Registrar, block_on};
use super::table::table;
use super::{Output, Usage};
use crate::causes;

/// Arguments of `release`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  spire-eks-workload-registrar release
  spire-eks-workload-registrar release 3f9c2ab1c7d04e55")]
pub struct Arguments {
    /// The plan to let through; without it, all that waits is listed.
    digest: Option<String>,
    #[command(flatten)]
    registrar: Registrar,
    /// How the list is printed.
    #[arg(short = 'o', value_name = "FORMAT", default_value = "text", conflicts_with = "digest")]
    output: Output,
}

/// Exit status: 0 listed or released, 1 no such plan waits, 2 usage.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    block_on(async {
        let (status, text) = arguments.registrar.get("/held").await?;
        let told: Value = serde_json::from_str(&text)
            .ok()
            .filter(|_| status == 200)
            .ok_or_else(|| Usage(vec![format!("the registrar answered {status}: {text}")]))?;
        let held = told["held"].as_array().map(Vec::as_slice).unwrap_or_default();
        if told["listed"] != true {
            eprintln!("note: SPIRE's entries are not listed yet, so not all that waits is known");
        }
        match &arguments.digest {
            None if arguments.output == Output::Json => println!("{told:#}"),
            None => print!("{}", shown(held)),
            Some(digest) => {
                let Some(plan) = held.iter().find(|plan| plan["digest"] == **digest) else {
                    let digests: Vec<&str> = held.iter().filter_map(|plan| plan["digest"].as_str()).collect();
                    let there = if digests.is_empty() {
                        "nothing does".to_owned()
                    } else {
                        format!("what does: {}", digests.join(", "))
                    };
                    eprintln!(
                        "error: no plan {digest} waits for a release; {there}. A plan that has changed has another digest."
                    );
                    return Ok(ExitCode::FAILURE);
                };
                let others = held.iter().filter_map(|plan| plan["digest"].as_str());
                let_through(plan, digest, &others.collect::<Vec<_>>()).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })?
}

fn shown(held: &[Value]) -> String {
    if held.is_empty() {
        return "Nothing waits for a release.\n".to_owned();
    }
    let text = |plan: &Value, field: &str| plan[field].as_str().unwrap_or("-").to_owned();
    let rows = held.iter().map(|plan| {
        let scope = [text(plan, "scope"), text(plan, "name")].join("/");
        let count = |field: &str| plan[field].as_u64().unwrap_or_default().to_string();
        [
            text(plan, "digest"),
            text(plan, "cause"),
            scope.replace("/-", ""),
            count("deletes"),
            count("updates"),
        ]
    });
    let mut shown = table(&["DIGEST", "CAUSE", "SCOPE", "DELETES", "UPDATES"], &rows.collect::<Vec<_>>());
    for plan in held {
        shown += &format!("\n{}\n", text(plan, "message"));
        let examples = plan["examples"].as_array().into_iter().flatten().filter_map(Value::as_str);
        examples.for_each(|id| shown += &format!("  {id}\n"));
    }
    shown
}

async fn let_through(plan: &Value, digest: &str, held: &[&str]) -> Result<(), Usage> {
    let (kind, name) = (plan["object"]["kind"].as_str(), plan["object"]["name"].as_str());
    let (Some(kind), Some(name)) = (kind, name) else {
        return Err(Usage(vec![format!("plan {digest} names no object that it can be released on: {plan}")]));
    };
    let client = Client::try_default().await.map_err(|error| {
        Usage(vec![format!("cannot find the management cluster (KUBECONFIG, or in a pod): {error}")])
    })?;
    match kind {
        "workloadidentity" => annotate(Api::<WorkloadIdentity>::all(client), name, digest, held).await,
        _ => annotate(Api::<EKSClusterRegistry>::all(client), name, digest, held).await,
    }
    .map_err(|error| Usage(vec![format!("{kind} {name} cannot be annotated: {}", causes::told(&error))]))?;
    println!("{kind}/{name} now names {digest}: {}", plan["message"].as_str().unwrap_or_default());
    Ok(())
}

/// Writes the digest beside those on the object that still wait.
async fn annotate<K>(objects: Api<K>, name: &str, digest: &str, held: &[&str]) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let object = objects.get(name).await?;
    let before = release(&object).map(String::as_str).unwrap_or_default();
    let mut digests: Vec<&str> =
        before.split([',', ' ']).filter(|it| held.contains(it) && *it != digest).collect();
    digests.push(digest);
    let patch = json!({"metadata": {"annotations": {RELEASE_ANNOTATION: digests.join(",")},
        "resourceVersion": object.resource_version()}});
    objects.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
}
