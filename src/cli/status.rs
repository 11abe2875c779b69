//! `status`: all clusters and identities at a glance, as their objects' status tells them.

use std::fmt::Debug;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Api, ListParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use registrar_core::api::{EKSClusterRegistry, WorkloadIdentity};
use serde::de::DeserializeOwned;

use super::Usage;
use super::registrar::block_on;
use super::table::table;
use crate::causes;

/// How soon after a change the table is printed again, so that a burst prints one.
const DELAY: Duration = Duration::from_millis(500);

/// Arguments of `status`.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  spire-eks-workload-registrar status
  spire-eks-workload-registrar status --watch")]
pub struct Arguments {
    /// Print it again whenever something changes.
    #[arg(long, short)]
    watch: bool,
}

/// Exit status: 0 everything is ready, 1 something is not, 2 usage.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Usage> {
    block_on(async {
        let client = Client::try_default().await.map_err(|error| {
            Usage(vec![format!("cannot find the management cluster (KUBECONFIG, or in a pod): {error}")])
        })?;
        let registries: Api<EKSClusterRegistry> = Api::all(client.clone());
        let identities: Api<WorkloadIdentity> = Api::all(client);
        let (text, ready) = shown(&registries, &identities).await?;
        print(&text, false)?;
        if !arguments.watch {
            return Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        let mut last = text;
        let mut changes = futures::stream::select(changes(registries.clone()), changes(identities.clone()));
        while changes.next().await.is_some() {
            let _ = tokio::time::timeout(DELAY, async { while changes.next().await.is_some() {} }).await;
            let (text, _) = shown(&registries, &identities).await?;
            if text != last {
                print(&text, true)?;
                last = text;
            }
        }
        Ok(ExitCode::SUCCESS)
    })?
}

fn changes<K>(api: Api<K>) -> impl futures::Stream<Item = ()> + Unpin
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    // What cannot be watched now is watched again; the table stays as it is meanwhile.
    let events = watcher(api, watcher::Config::default()).default_backoff();
    Box::pin(events.filter_map(|event| std::future::ready(event.ok().map(drop))))
}

fn print(text: &str, again: bool) -> Result<(), Usage> {
    let mut out = std::io::stdout().lock();
    let clear = if again && out.is_terminal() { "\x1b[2J\x1b[H" } else { "" };
    let between = if again && clear.is_empty() { "\n" } else { "" };
    let written = write!(out, "{clear}{between}{text}").and_then(|()| out.flush());
    written.map_err(|error| Usage(vec![format!("standard output: {error}")]))
}

/// Both tables, and whether everything is ready.
async fn shown(
    registries: &Api<EKSClusterRegistry>,
    identities: &Api<WorkloadIdentity>,
) -> Result<(String, bool), Usage> {
    let all = ListParams::default();
    let listed = async { Ok::<_, kube::Error>((registries.list(&all).await?, identities.list(&all).await?)) };
    let (registries, identities) = listed.await.map_err(|error| {
        let error = causes::told(&error);
        Usage(vec![
            format!("the registries and identities cannot be listed: {error}"),
            "are the CRDs applied (`crds`), and may you list them?".to_owned(),
        ])
    })?;
    let mut ready = true;
    let mut state = |conditions: &[Condition]| {
        let (status, reason) = ready_of(conditions);
        ready &= status == "True";
        (status, reason)
    };
    let clusters = registries.iter().map(|it| {
        let told = it.status.clone().unwrap_or_default();
        let (status, reason) = state(&told.conditions);
        let (namespaces, entries) = (told.namespaces_count.to_string(), told.entries_registered.to_string());
        let spec = &it.spec;
        [
            it.name_any(),
            spec.cluster_name.clone(),
            spec.region.clone(),
            status,
            reason,
            namespaces,
            entries,
            when(told.last_sync.as_ref()),
        ]
    });
    let clusters: Vec<[String; 8]> = clusters.collect();
    let identities = identities.iter().map(|it| {
        let told = it.status.clone().unwrap_or_default();
        let (status, reason) = state(&told.conditions);
        let stats = told.stats;
        let [clusters, pods, entries, failures] =
            [stats.clusters_targeted, stats.pods_selected, stats.entries_registered, stats.entry_failures]
                .map(|it| it.to_string());
        [
            it.name_any(),
            status,
            reason,
            clusters,
            pods,
            entries,
            failures,
            when(told.last_reconciliation.as_ref()),
        ]
    });
    let identities: Vec<[String; 8]> = identities.collect();
    let head = ["CLUSTER", "EKS NAME", "REGION", "READY", "REASON", "NAMESPACES", "ENTRIES", "LAST SYNC"];
    let mut text = table(&head, &clusters);
    let head =
        ["IDENTITY", "READY", "REASON", "CLUSTERS", "PODS", "ENTRIES", "FAILURES", "LAST RECONCILIATION"];
    text += "\n";
    text += &table(&head, &identities);
    Ok((text, ready))
}

/// Status and reason of `Ready`; where the spec cannot be used, those of `Valid`.
fn ready_of(conditions: &[Condition]) -> (String, String) {
    let of = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
    let invalid = of("Valid").filter(|valid| valid.status == "False");
    match invalid.or_else(|| of("Ready")) {
        Some(condition) => (condition.status.clone(), condition.reason.clone()),
        None => ("Unknown".to_owned(), "NotSeen".to_owned()),
    }
}

fn when(time: Option<&Time>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| time.0.to_string())
}
