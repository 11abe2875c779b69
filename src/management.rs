//! Watches both own kinds in the management cluster.

use std::fmt::Debug;
use std::sync::Arc;

use futures::TryStreamExt;
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, CustomResourceExt, Error, Resource, ResourceExt};
use registrar_core::api::{EKSClusterRegistry, WorkloadIdentity};
use registrar_core::facts::{Change, Malformed, ObjectChange};
use registrar_core::reasons;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::registrar::Arrived;

/// A kind of ours as a change.
trait Watchable:
    Resource<DynamicType = ()> + CustomResourceExt + DeserializeOwned + Clone + Debug + Send + 'static
{
    fn change(change: ObjectChange<Self>) -> Change;
}

impl Watchable for EKSClusterRegistry {
    fn change(change: ObjectChange<Self>) -> Change {
        Change::Registries(change)
    }
}

impl Watchable for WorkloadIdentity {
    fn change(change: ObjectChange<Self>) -> Change {
        Change::Identities(change)
    }
}

/// Watches both kinds until `shutdown`, or until nobody wants the changes any more. Errors are told and tried again.
pub async fn run(client: Client, changes: mpsc::Sender<Arrived>, shutdown: CancellationToken) {
    let registries = watch::<EKSClusterRegistry>(client.clone(), changes.clone());
    let identities = watch::<WorkloadIdentity>(client, changes);
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = registries => {}
        () = identities => {}
    }
}

async fn watch<K: Watchable>(client: Client, changes: mpsc::Sender<Arrived>) {
    let kind = K::crd_name();
    let api: Api<DeserializeGuard<K>> = Api::all(client);
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()).default_backoff());
    let mut list = Vec::new();
    let mut failing = false;
    loop {
        let event = match events.try_next().await {
            Ok(Some(event)) => event,
            Ok(None) => return,
            Err(error) => {
                // The stream goes on, with a backoff; one line tells of it until it works again.
                if !failing {
                    let next = next_step(&error);
                    warn!(kind, %error, next, "cannot watch {kind} in the management cluster; trying again");
                }
                failing = true;
                continue;
            }
        };
        // Only a list or an event is news from the API server: `Init` comes before any request.
        if !matches!(event, Event::Init) && std::mem::take(&mut failing) {
            info!(kind, "watching {kind} again");
        }
        let change = match event {
            Event::Init => {
                list.clear();
                continue;
            }
            Event::InitApply(object) => {
                list.push(read(object));
                continue;
            }
            Event::InitDone => ObjectChange::Listed(std::mem::take(&mut list)),
            Event::Apply(object) => ObjectChange::Applied(read(object)),
            Event::Delete(object) => ObjectChange::Deleted(name_of(&object)),
        };
        if changes.send(Arrived::now(K::change(change))).await.is_err() {
            return;
        }
    }
}

/// What is to be done where a kind cannot be watched.
fn next_step(error: &watcher::Error) -> &'static str {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    let code = match error {
        InitialListFailed(Error::Api(status))
        | WatchStartFailed(Error::Api(status))
        | WatchFailed(Error::Api(status)) => status.code,
        _ => 0,
    };
    reasons::management_next_step(code)
}

fn read<K: Watchable>(object: DeserializeGuard<K>) -> Result<Arc<K>, Malformed> {
    match object.0 {
        Ok(mut object) => {
            object.managed_fields_mut().clear();
            Ok(Arc::new(object))
        }
        Err(error) => Err(Malformed {
            name: error.metadata.name.clone().unwrap_or_default(),
            uid: error.metadata.uid.clone(),
            problem: error.error,
        }),
    }
}

fn name_of<K: Watchable>(object: &DeserializeGuard<K>) -> String {
    match &object.0 {
        Ok(object) => object.name_any(),
        Err(error) => error.metadata.name.clone().unwrap_or_default(),
    }
}
