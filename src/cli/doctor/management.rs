//! What the management cluster is asked.

use std::fmt::Debug;

use futures::StreamExt;
use http::Request;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams, PostParams};
use kube::core::DeserializeGuard;
use kube::{Client, CustomResourceExt, Error, Resource, ResourceExt};
use registrar_core::api::{EKSClusterRegistry, WorkloadIdentity};
use registrar_core::config::{Config, WebhookConfig};
use registrar_core::doctor::{
    Answer, Failed, Granted, Kind, LeaseSeen, Management, Server, Webhook, WebhookConfiguration,
    fields_missing,
};
use registrar_core::ledger::Mode;
use registrar_core::reasons;
use registrar_core::rights::{self, Right};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{AT_ONCE, TIME, within};
use crate::admission::certificate;
use crate::causes;

/// What a question that nobody answers is called here.
const REASON: &str = "ManagementUnreachable";
/// The ValidatingWebhookConfiguration of the chart, where the configuration names none.
const WEBHOOK: &str = "spire-eks-workload-registrar";

/// Asks all of it, and gives the registries.
pub(super) async fn ask(config: Option<&Config>) -> (Management, Vec<EKSClusterRegistry>) {
    let mut management = Management::default();
    let (client, url) = match client().await {
        Ok(found) => found,
        Err(error) => {
            management.server = Some(Err(Failed::new(REASON, error)));
            return (management, Vec::new());
        }
    };
    let version =
        within(REASON, async { client.apiserver_version().await.map_err(|error| failed(&error)) }).await;
    let is_reached = version.is_ok();
    management.server = Some(version.map(|version| Server { url, version: version.git_version }));
    if !is_reached {
        return (management, Vec::new());
    }
    let (user, kinds, rights, lease, webhook, identities, registries) = tokio::join!(
        within(REASON, user(&client)),
        kinds(&client),
        all_rights(&client, config),
        lease(&client, config),
        webhook(&client, config),
        within(REASON, list::<WorkloadIdentity>(&client)),
        within(REASON, list::<EKSClusterRegistry>(&client)),
    );
    let mut unreadable = Vec::new();
    let identities = identities.map(|list| list.objects(&mut unreadable));
    let registries = registries.map(|list| list.objects(&mut unreadable));
    let objects = registries.as_deref().unwrap_or_default().to_vec();
    let management = Management {
        user: Some(user),
        kinds,
        rights,
        lease,
        webhook,
        identities: Some(identities),
        registries: Some(registries.map(|all| all.iter().map(ResourceExt::name_any).collect())),
        unreadable,
        ..management
    };
    (management, objects)
}

async fn client() -> Result<(Client, String), String> {
    let missing = |error: &dyn std::fmt::Display| {
        format!("cannot find the management cluster (KUBECONFIG, or in a pod): {error}")
    };
    let mut config = kube::Config::infer().await.map_err(|error| missing(&error))?;
    (config.connect_timeout, config.read_timeout) = (Some(TIME), Some(TIME));
    let url = config.cluster_url.to_string();
    Client::try_from(config).map(|client| (client, url)).map_err(|error| missing(&error))
}

fn code(error: &Error) -> u16 {
    match error {
        Error::Api(status) => status.code,
        _ => 0,
    }
}

fn failed(error: &Error) -> Failed {
    let code = code(error);
    let reason = if code == 403 { "Forbidden" } else { REASON };
    let next = reasons::management_next_step(code).to_owned();
    Failed { reason: reason.to_owned(), message: causes::told(error), next }
}

/// As whom the API server knows us.
async fn user(client: &Client) -> Result<String, Failed> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api.create(&PostParams::default(), &SelfSubjectReview::default()).await;
    let user = review.map_err(|error| failed(&error))?.status.and_then(|status| status.user_info);
    Ok(user.and_then(|user| user.username).unwrap_or_default())
}

/// What of our kinds is served, by a document that everybody who is let in may read.
async fn kinds(client: &Client) -> Vec<Kind> {
    let crds = [EKSClusterRegistry::crd(), WorkloadIdentity::crd()];
    let document = within(REASON, async {
        let path = format!("/openapi/v3/apis/{}", EKSClusterRegistry::api_version(&()));
        let request = Request::get(path).body(Vec::new()).map_err(|error| Failed::new(REASON, error))?;
        match client.request::<Value>(request).await {
            Ok(document) => Ok(document),
            Err(error) if code(&error) == 404 => Ok(json!({})),
            Err(error) => Err(failed(&error)),
        }
    });
    let document = document.await;
    let each = crds.into_iter().map(|crd| {
        let ours = crd.spec.versions.first().and_then(|version| version.schema.as_ref());
        let ours =
            ours.and_then(|schema| serde_json::to_value(&schema.open_api_v3_schema).ok()).unwrap_or_default();
        let missing = document.as_ref().map(|served| fields_missing(&crd.spec.names.kind, &ours, served));
        Kind { plural: crd.spec.names.plural, missing: missing.map_err(Clone::clone) }
    });
    each.collect()
}

async fn all_rights(client: &Client, config: Option<&Config>) -> Vec<Granted> {
    let needs = config.map(rights::management).unwrap_or_default();
    let asked = needs.into_iter().map(|need| async move {
        let is_granted = within(REASON, may(client, &need.right)).await;
        Granted { right: need.right, is_granted }
    });
    futures::stream::iter(asked).buffered(AT_ONCE).collect().await
}

async fn may(client: &Client, right: &Right) -> Result<bool, Failed> {
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let attributes = ResourceAttributes {
        group: some(&right.group),
        resource: some(&right.resource),
        subresource: some(&right.subresource),
        namespace: right.namespace.clone(),
        name: right.name.clone(),
        verb: some(&right.verb),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let review = api.create(&PostParams::default(), &review).await.map_err(|error| failed(&error))?;
    Ok(review.status.is_some_and(|status| status.allowed))
}

async fn lease(client: &Client, config: Option<&Config>) -> Answer<Option<LeaseSeen>> {
    let config = config?;
    let election = &config.leader_election;
    if !election.leader_elect || config.mode == Mode::Observe {
        return None;
    }
    let namespace = &election.resource_namespace;
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let refused =
        |error: &Error| Failed { next: reasons::lease_next_step(code(error)).to_owned(), ..failed(error) };
    let lease = within(REASON, async {
        leases.get_opt(&election.resource_name).await.map_err(|error| refused(&error))
    });
    let spec = match lease.await {
        Err(failed) => return Some(Err(failed)),
        Ok(None) => return Some(Ok(None)),
        Ok(Some(lease)) => lease.spec.unwrap_or_default(),
    };
    let holder = spec.holder_identity.unwrap_or_default();
    // The holder is the pod's name and a number of the process.
    let name = holder.rsplit_once('_').map_or(holder.as_str(), |(name, _)| name);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pod = match name {
        "" => None,
        name => {
            Some(within(REASON, async { pods.get_opt(name).await.map_err(|error| failed(&error)) }).await)
        }
    };
    let pod = pod.map(|pod| pod.map(|pod| pod.is_some()));
    let renewed = spec.renew_time.map(|time| time.0);
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    Some(Ok(Some(LeaseSeen { holder, renewed, seconds, pod })))
}

async fn webhook(client: &Client, config: Option<&Config>) -> Option<Webhook> {
    let config = config?;
    let webhook = config.webhook.as_ref()?;
    let namespace = &config.leader_election.resource_namespace;
    let name = webhook.configuration_name.clone().unwrap_or_else(|| WEBHOOK.to_owned());
    let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let found = within(REASON, async { api.get_opt(&name).await.map_err(|error| failed(&error)) }).await;
    let mut authority = None;
    let configuration = found.map(|found| {
        let hook = found?.webhooks?.into_iter().next()?;
        authority = hook.client_config.ca_bundle.map(|bundle| bundle.0).filter(|bundle| !bundle.is_empty());
        let service =
            hook.client_config.service.map(|service| format!("{}/{}", service.namespace, service.name));
        Some(WebhookConfiguration {
            service: service.unwrap_or_default(),
            has_authority: authority.is_some(),
        })
    });
    let (certificate, endpoints) = tokio::join!(
        within(REASON, async {
            let seen = certificate::seen(client.clone(), webhook, namespace, authority.as_deref()).await;
            seen.map_err(|error| Failed::new(REASON, causes::told(&error)))
        }),
        within(REASON, endpoints(client, webhook, namespace)),
    );
    Some(Webhook { name, configuration, certificate, endpoints })
}

/// How many endpoints of the webhook's Service are ready.
async fn endpoints(client: &Client, webhook: &WebhookConfig, namespace: &str) -> Result<usize, Failed> {
    let api: Api<EndpointSlice> = Api::namespaced(client.clone(), namespace);
    let of_service =
        ListParams::default().labels(&format!("kubernetes.io/service-name={}", webhook.service_name));
    let slices = api.list(&of_service).await.map_err(|error| match code(&error) {
        403 => Failed::new(REASON, "endpoint slices of the management cluster may not be read from here"),
        _ => failed(&error),
    })?;
    let ready = slices.items.iter().flat_map(|slice| &slice.endpoints);
    // Kubernetes: what is not told counts as ready.
    let ready =
        ready.filter(|endpoint| endpoint.conditions.as_ref().is_none_or(|it| it.ready != Some(false)));
    Ok(ready.count())
}

/// Objects of one kind, those apart that cannot be read.
struct Listed<K> {
    objects: Vec<K>,
    unreadable: Vec<String>,
}

impl<K> Listed<K> {
    fn objects(self, unreadable: &mut Vec<String>) -> Vec<K> {
        unreadable.extend(self.unreadable);
        self.objects
    }
}

async fn list<K>(client: &Client) -> Result<Listed<K>, Failed>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<DeserializeGuard<K>> = Api::all(client.clone());
    let list = api.list(&ListParams::default()).await.map_err(|error| failed(&error))?;
    let (mut objects, mut unreadable) = (Vec::new(), Vec::new());
    for object in list {
        match object.0 {
            Ok(object) => objects.push(object),
            Err(error) => {
                let name = error.metadata.name.unwrap_or_default();
                unreadable.push(format!("{}/{name}: {}", K::kind(&()), error.error));
            }
        }
    }
    Ok(Listed { objects, unreadable })
}
