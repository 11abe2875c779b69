//! What is asked about one cluster: AWS, the network, its API server, in the order in which one depends on another.

use std::sync::Arc;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use k8s_openapi::jiff::Timestamp;
use registrar_core::api::ClusterTarget;
use registrar_core::config::Config;
use registrar_core::doctor::{Described, Failed, Granted, Host, Reached, Registry, target};
use registrar_core::rights::{READINGS, Reading, Right, VERBS};
use serde::Deserialize;

use super::within;
use crate::clusters::{Connection, ConnectionError, clock_ahead};
use crate::eks::{Eks, EksError, Endpoint};

/// Asks as far as the answers allow.
pub(super) async fn ask(through: Option<(&Arc<Eks>, &Config)>, mut registry: Registry) -> Registry {
    let (Some((eks, config)), Some(object)) = (through, &registry.object) else { return registry };
    let Some(cluster) = target(object, config) else { return registry };
    registry.role = eks.role(&cluster).map(ToString::to_string);
    if !names(eks, &cluster, &mut registry).await {
        return registry;
    }
    let of_aws = |error: EksError| Failed::new(error.reason(), error);
    let credentials =
        within("NoCredentials", async { eks.authenticate(&cluster).await.map_err(of_aws) }).await;
    let has_credentials = credentials.is_ok();
    registry.credentials = Some(credentials);
    if !has_credentials {
        return registry;
    }
    let looked = within("DescribeClusterFailed", async { eks.look(&cluster).await.map_err(of_aws) }).await;
    let (endpoint, said) = match looked {
        Ok(found) => found,
        Err(failed) => {
            registry.described = Some(Err(failed));
            return registry;
        }
    };
    let own = cluster.access.endpoint.as_ref().map(|endpoint| endpoint.as_str().to_owned());
    let url = own.unwrap_or_else(|| endpoint.url.clone());
    let mode = said.access_config().and_then(|access| access.authentication_mode());
    registry.described = Some(Ok(Described {
        arn: endpoint.arn.clone(),
        status: said.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        version: said.version().map(str::to_owned),
        authentication_mode: mode.map(|mode| mode.as_str().to_owned()),
        endpoint: url.clone(),
    }));
    if cluster.access.proxy.is_none() {
        let found = host(&url).await;
        let is_found = found.addresses.is_ok();
        registry.endpoint = Some(found);
        if !is_found {
            return registry;
        }
    }
    server(eks, cluster, &endpoint, &mut registry).await;
    registry
}

/// Looks AWS's names up, unless a proxy does; whether to go on.
async fn names(eks: &Eks, cluster: &ClusterTarget, registry: &mut Registry) -> bool {
    let urls = match eks.urls(cluster).await {
        Ok(urls) => urls,
        Err(error) => {
            let name = format!("EKS in {}", cluster.region);
            registry.hosts.push(Host { name, addresses: Err(Failed::new("NameNotResolved", error)) });
            return false;
        }
    };
    let matcher = Matcher::from_env();
    for url in urls {
        let proxy = url.parse::<Uri>().ok().and_then(|url| matcher.intercept(&url));
        match proxy {
            Some(proxy) => registry.proxy = Some(proxy.uri().to_string()),
            None => registry.hosts.push(host(&url).await),
        }
    }
    registry.hosts.dedup();
    registry.hosts.iter().all(|host| host.addresses.is_ok())
}

/// Looks up the host of a URL.
async fn host(url: &str) -> Host {
    let parsed = url.parse::<Uri>().ok();
    let name = parsed.as_ref().and_then(Uri::host).unwrap_or(url).to_owned();
    let port = parsed.as_ref().and_then(Uri::port_u16).unwrap_or(443);
    let bare = name.trim_matches(['[', ']']).to_owned();
    let addresses = within("NameNotResolved", async {
        let found = tokio::net::lookup_host((bare.as_str(), port)).await;
        let found = found.map_err(|error| Failed::new("NameNotResolved", error))?;
        let mut found: Vec<String> = found.map(|address| address.ip().to_string()).collect();
        found.sort();
        found.dedup();
        Ok(found)
    });
    Host { addresses: addresses.await, name }
}

/// Asks the API server: whether it answers, takes the token, which cluster it is, and what may be read there.
async fn server(eks: &Arc<Eks>, cluster: ClusterTarget, endpoint: &Endpoint, registry: &mut Registry) {
    let of_server = |error: ConnectionError| Failed::new(error.reason(), error);
    let connection = match Connection::new(eks.clone(), cluster, endpoint) {
        Ok(connection) => connection,
        Err(error) => {
            registry.reached = Some(Err(of_server(error)));
            return;
        }
    };
    let reached = within("NoAnswer", async { reach(&connection).await.map_err(of_server) }).await;
    // Not everybody who may read pods may ask for the version.
    let is_reached = reached.as_ref().map_or_else(|failed| failed.reason == "Forbidden", |_| true);
    registry.reached = Some(reached);
    if !is_reached {
        return;
    }
    let uid = within("NoAnswer", async { connection.identity(&endpoint.arn).await.map_err(of_server) }).await;
    let is_let_in = uid.as_ref().map_or_else(|failed| failed.reason == "Forbidden", |_| true);
    registry.uid = Some(uid.map(|identity| identity.uid));
    if !is_let_in {
        return;
    }
    let asked =
        READINGS.iter().flat_map(|reading| VERBS.map(|verb| (reading, verb))).map(|(reading, verb)| {
            let right = Right::new(reading.group, reading.resource, verb);
            let connection = &connection;
            async move {
                let is_granted =
                    within("NoAnswer", async { connection.may(&right).await.map_err(of_server) }).await;
                Granted { is_granted, right }
            }
        });
    registry.rights = futures::future::join_all(asked).await;
    let may_list = |reading: &&Reading| {
        let of =
            |granted: &&Granted| granted.right.resource == reading.resource && granted.right.verb == "list";
        registry.rights.iter().find(of).is_some_and(|granted| granted.is_granted == Ok(true))
    };
    let lists = READINGS.iter().filter(may_list).map(|reading| {
        let connection = &connection;
        async move {
            let (call, path) = (format!("list {}", reading.resource), format!("{}?limit=1", reading.path));
            let list =
                within("NoAnswer", async { connection.read(&call, &path).await.map_err(of_server) }).await;
            (reading.resource.to_owned(), list.map(drop))
        }
    });
    registry.lists = futures::future::join_all(lists).await;
}

async fn reach(connection: &Connection) -> Result<Reached, ConnectionError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        git_version: String,
    }
    let (headers, body) = connection.read_with_head("get version", "/version").await?;
    let clock_ahead = clock_ahead(&headers, Timestamp::now());
    let version = serde_json::from_slice::<Version>(&body).ok().map(|version| version.git_version);
    Ok(Reached { version, clock_ahead })
}
