//! Requests of the Kubernetes API, from a URL to the store and back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use serde_json::{Value, json};

use super::refusal::Refusal;
use super::resource::Resource;
use super::selector::Selector;
use super::store::{Key, Patch, Writer};
use super::watch::{self, Asked};
use super::{Access, Shared, Streams, Verb, lock, token};
use crate::serve::{Body, Service, whole};
use crate::sigv4::decode_pairs;

const REGISTRIES: &str =
    include_str!("../../../../crds/eksclusterregistries.eksclusterregistry.spire.spiffe.io.yaml");
const IDENTITIES: &str =
    include_str!("../../../../crds/workloadidentities.eksclusterregistry.spire.spiffe.io.yaml");

/// What answers a server's requests.
pub(super) fn service(shared: Arc<Shared>) -> Service {
    Arc::new(move |request: Request<Incoming>| {
        let shared = shared.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let answer = answer(&shared, &head, &body);
            shared.beat();
            let mut answer = match answer {
                Ok(answer) => answer,
                Err(refusal) => response(refusal.code, whole(refusal.body())),
            };
            let faults = lock(&shared.faults);
            let is_busy = matches!(answer.status().as_u16(), 429 | 503);
            if let Some(seconds) = faults.retry_after.filter(|_| is_busy) {
                answer.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            if faults.clock != 0 {
                let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(faults.clock);
                let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
                answer.headers_mut().insert(DATE, date.parse().expect("a date as a header"));
            }
            drop(faults);
            answer
        })
    })
}

fn response(status: u16, body: Body) -> Response<Body> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    response.body(body).expect("a response of known headers")
}

fn json_response(status: u16, value: &Value) -> Response<Body> {
    response(status, whole(value.to_string()))
}

/// What a URL's path names.
struct Target {
    resource: &'static Resource,
    namespace: Option<String>,
    name: Option<String>,
    /// Empty for the main resource.
    subresource: String,
}

impl Target {
    fn at(path: &str) -> Option<Self> {
        let mut steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
        let (group, version) = match *steps.first()? {
            "api" if steps.len() > 2 => ("", steps.drain(..2).nth(1)?),
            "apis" if steps.len() > 3 => {
                let [_, group, version] = steps.drain(..3).collect::<Vec<_>>().try_into().ok()?;
                (group, version)
            }
            _ => return None,
        };
        // `namespaces/x/status` is of the namespace itself, `namespaces/x/pods` is of what is in it.
        let namespace = match steps.as_slice() {
            ["namespaces", namespace, plural, ..] if !matches!(*plural, "status" | "finalize") => {
                Some((*namespace).to_owned())
            }
            _ => None,
        };
        if namespace.is_some() {
            steps.drain(..2);
        }
        let mut steps = steps.into_iter();
        let resource = Resource::at(group, version, steps.next()?)?;
        let name = steps.next().map(str::to_owned);
        let subresource = steps.next().unwrap_or_default().to_owned();
        let is_right = steps.next().is_none()
            && (resource.is_namespaced || namespace.is_none())
            && (!resource.is_namespaced || namespace.is_some() || name.is_none())
            && (subresource.is_empty() || subresource == "status" && resource.has_status);
        is_right.then_some(Self { resource, namespace, name, subresource })
    }

    fn key(&self, name: &str) -> Key {
        let namespace = self.namespace.clone().unwrap_or_default();
        Key { resource: self.resource, namespace, name: name.to_owned() }
    }
}

struct Query(BTreeMap<String, String>);

impl Query {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    fn is_set(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1")
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        match self.get(name) {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| Refusal::bad_request(format!("{name}: {text:?} is no number"))),
        }
    }

    fn selector(&self) -> Result<Selector, Refusal> {
        Selector::parse(self.get("labelSelector"), self.get("fieldSelector")).map_err(Refusal::bad_request)
    }
}

fn answer(shared: &Arc<Shared>, head: &Parts, body: &[u8]) -> Result<Response<Body>, Refusal> {
    let path = head.uri.path();
    match path {
        "/healthz" | "/livez" | "/readyz" => return Ok(response(200, whole("ok"))),
        "/version" => {
            let version =
                json!({"major": "1", "minor": "34", "gitVersion": "v1.34.2", "platform": "linux/amd64"});
            return Ok(json_response(200, &version));
        }
        _ => {}
    }
    authenticate(shared, head)?;
    if let Some(answer) = about_oneself(shared, path, body)? {
        return Ok(json_response(201, &answer));
    }
    if path == "/openapi/v3/apis/eksclusterregistry.spire.spiffe.io/v1alpha1" {
        return openapi(shared)
            .map(|document| json_response(200, &document))
            .ok_or_else(Refusal::no_such_resource);
    }
    let target = Target::at(path).ok_or_else(Refusal::no_such_resource)?;
    let query = Query(decode_pairs(head.uri.query().unwrap_or_default()).into_iter().collect());
    let verb = verb(&head.method, &target, &query)?;
    let is_list = verb == Verb::Watch && is_streamed_list(shared, &query);
    begin(shared, if is_list { Verb::List } else { verb }, target.resource)?;
    match (verb, target.name.clone()) {
        (Verb::List, _) => list(shared, &target, &query),
        (Verb::Watch, _) => watch(shared, &target, &query),
        (Verb::Create, _) => create(shared, &target, &query, body),
        (Verb::Get, Some(name)) => {
            let store = lock(&shared.store);
            let found = store.get(&target.key(&name));
            found
                .map(|object| json_response(200, object))
                .ok_or_else(|| Refusal::not_found(target.resource, &name))
        }
        (Verb::Update, Some(name)) => {
            let manager = manager(&query, head);
            let writer = Writer { manager: &manager, subresource: &target.subresource };
            let (key, object) = (target.key(&name), object(body)?);
            let mut store = lock(&shared.store);
            // The one kind here that a replacement creates where there is none.
            if target.resource.plural == "leases" && store.get(&key).is_none() {
                return Ok(json_response(201, &*store.create(&key, object, &manager)?));
            }
            Ok(json_response(200, &*store.replace(&key, object, writer)?))
        }
        (Verb::Patch, Some(name)) => patch(shared, &target, &name, &query, head, body),
        (Verb::Delete, Some(name)) => delete(shared, &target, &name, body),
        _ => Err(Refusal::method_not_allowed()),
    }
}

/// Reviews, which are stored nowhere: who one is, and what one may do.
fn about_oneself(shared: &Shared, path: &str, body: &[u8]) -> Result<Option<Value>, Refusal> {
    match path {
        "/apis/authentication.k8s.io/v1/selfsubjectreviews" => {
            let mut review = object(body)?;
            let username = lock(&shared.faults).user.clone();
            review["status"] = json!({"userInfo": {"username": username}});
            Ok(Some(review))
        }
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" => {
            let mut review = object(body)?;
            let asked = &review["spec"]["resourceAttributes"];
            let text = |name: &str| asked[name].as_str().unwrap_or_default();
            let is = |(verb, plural): &(&str, &str)| *verb == text("verb") && *plural == text("resource");
            let faults = lock(&shared.faults);
            let denied = faults.forbidden.contains(text("resource")) || faults.verbs_forbidden.iter().any(is);
            review["status"] = json!({"allowed": !denied});
            Ok(Some(review))
        }
        _ => Ok(None),
    }
}

/// What is served of our own kinds, as the committed definitions have them; none where neither is.
fn openapi(shared: &Shared) -> Option<Value> {
    let faults = lock(&shared.faults);
    let mut schemas = serde_json::Map::new();
    for (plural, kind, text) in [
        ("eksclusterregistries", "EKSClusterRegistry", REGISTRIES),
        ("workloadidentities", "WorkloadIdentity", IDENTITIES),
    ] {
        if faults.withdrawn.contains(plural) {
            continue;
        }
        let definition: Value = serde_saphyr::from_str(text).expect("a committed definition");
        let mut schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
        for field in &faults.fields_unknown {
            let above = schema.pointer_mut("/properties/spec/properties").and_then(Value::as_object_mut);
            above.and_then(|fields| fields.remove(*field));
        }
        schema["x-kubernetes-group-version-kind"] = json!([{"kind": kind}]);
        schemas.insert(kind.to_owned(), schema);
    }
    (!schemas.is_empty()).then(|| json!({"components": {"schemas": schemas}}))
}

fn authenticate(shared: &Shared, head: &Parts) -> Result<(), Refusal> {
    let header = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = header.strip_prefix("Bearer ").unwrap_or_default();
    let is_known = match &shared.access {
        Access::Token(token) => given == token,
        Access::Eks { aws, cluster } => token::caller(given, &cluster.name, aws)
            .is_ok_and(|caller| aws.allows(&caller, &cluster.account, &cluster.region, &cluster.name)),
    };
    let mut faults = lock(&shared.faults);
    if !is_known || faults.refuses_tokens || faults.tokens_revoked.contains(given) {
        faults.refused += 1;
        return Err(Refusal::unauthorized());
    }
    faults.tokens_seen.insert(given.to_owned());
    Ok(())
}

fn verb(method: &Method, target: &Target, query: &Query) -> Result<Verb, Refusal> {
    Ok(match (method, &target.name) {
        (&Method::GET, None) if query.is_set("watch") => Verb::Watch,
        (&Method::GET, None) => Verb::List,
        (&Method::GET, Some(_)) => Verb::Get,
        (&Method::POST, None) => Verb::Create,
        (&Method::PUT, Some(_)) => Verb::Update,
        (&Method::PATCH, Some(_)) => Verb::Patch,
        (&Method::DELETE, Some(_)) if target.subresource.is_empty() => Verb::Delete,
        _ => return Err(Refusal::method_not_allowed()),
    })
}

/// Counts a request, and fails it where a test asked for that.
fn begin(shared: &Shared, verb: Verb, resource: &'static Resource) -> Result<(), Refusal> {
    let mut faults = lock(&shared.faults);
    *faults.requests.entry((verb, resource.plural)).or_default() += 1;
    if faults.withdrawn.contains(resource.plural) {
        return Err(Refusal::no_such_resource());
    }
    if faults.forbidden.contains(resource.plural) {
        return Err(Refusal::forbidden(resource));
    }
    match faults.failures.get_mut(&verb).and_then(|failures| failures.pop_front()) {
        Some(code) => Err(Refusal::ordered(code)),
        None => Ok(()),
    }
}

fn list(shared: &Shared, target: &Target, query: &Query) -> Result<Response<Body>, Refusal> {
    let limit = query.number("limit")?.unwrap_or(0);
    let continuation = Some(query.get("continue")).filter(|token| !token.is_empty());
    let selector = query.selector()?;
    let namespace = target.namespace.as_deref();
    let (bloat, repeats, is_empty) = {
        let mut faults = lock(&shared.faults);
        let number = faults.pages.entry(target.resource.plural).or_default();
        *number = if continuation.is_some() { *number + 1 } else { 1 };
        if *number >= 3
            && let Some(code) = faults.page_failures.pop_front()
        {
            return Err(Refusal::ordered(code));
        }
        (faults.bloat, faults.repeats_pages, faults.empties_lists)
    };
    let mut page = lock(&shared.store).list(target.resource, namespace, &selector, limit, continuation)?;
    if is_empty {
        (page.items, page.continuation) = (Vec::new(), None);
    }
    if repeats {
        page.items.extend_from_within(..);
    }
    let mut metadata = json!({"resourceVersion": page.revision.to_string()});
    if let Some(continuation) = page.continuation {
        metadata["continue"] = json!(continuation);
        metadata["remainingItemCount"] = json!(page.remaining);
    }
    let items: Vec<Value> = page.items.iter().map(|item| in_list(target.resource, item)).collect();
    let list = json!({
        "kind": format!("{}List", target.resource.kind),
        "apiVersion": target.resource.api_version(),
        "metadata": metadata,
        "items": items,
    });
    if bloat > 0 {
        // In pieces, so that whoever does not read it to its end costs nobody the whole.
        let piece = Bytes::from(vec![b' '; 1 << 20]);
        let pieces = std::iter::repeat_n(piece, bloat >> 20);
        let all = std::iter::once(Bytes::from(list.to_string())).chain(pieces);
        let frames = futures::stream::iter(all.map(|piece| Ok(Frame::data(piece))));
        return Ok(response(200, StreamBody::new(frames).boxed_unsync()));
    }
    Ok(json_response(200, &list))
}

/// Items of built-in kinds' lists name neither version nor kind; those of kinds that a definition brought do.
fn in_list(resource: &Resource, item: &Value) -> Value {
    let mut item = item.clone();
    if !resource.is_custom()
        && let Some(fields) = item.as_object_mut()
    {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    item
}

/// Whether a watch is one that begins with all that is there and tells when that is all.
fn is_streamed_list(shared: &Shared, query: &Query) -> bool {
    query.is_set("sendInitialEvents") && lock(&shared.faults).streams == Streams::Offered
}

fn watch(shared: &Arc<Shared>, target: &Target, query: &Query) -> Result<Response<Body>, Refusal> {
    let invalid = |why: &str| {
        Refusal::invalid(format!(
            "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: {why}"
        ))
    };
    if query.is_set("sendInitialEvents") {
        match lock(&shared.faults).streams {
            Streams::Ignored => {}
            Streams::Refused => {
                let why =
                    "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
                return Err(invalid(why));
            }
            Streams::Offered if query.get("resourceVersionMatch") != "NotOlderThan" => {
                return Err(invalid(
                    "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
                ));
            }
            Streams::Offered => {}
        }
    }
    let asked = Asked {
        resource: target.resource,
        namespace: target.namespace.clone(),
        selector: query.selector()?,
        revision: query.number("resourceVersion")?,
        is_list: is_streamed_list(shared, query),
        bookmarks: query.is_set("allowWatchBookmarks"),
        timeout: query.number("timeoutSeconds")?.map(Duration::from_secs),
    };
    Ok(response(200, watch::body(shared.clone(), asked)))
}

fn object(body: &[u8]) -> Result<Value, Refusal> {
    let object: Value =
        serde_json::from_slice(body).map_err(|error| Refusal::bad_request(error.to_string()))?;
    if object.is_object() { Ok(object) } else { Err(Refusal::bad_request("the body is no object")) }
}

fn manager(query: &Query, head: &Parts) -> String {
    let agent = head.headers.get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or("unknown");
    match query.get("fieldManager") {
        "" => agent.split('/').next().unwrap_or_default().to_owned(),
        manager => manager.to_owned(),
    }
}

fn create(shared: &Shared, target: &Target, query: &Query, body: &[u8]) -> Result<Response<Body>, Refusal> {
    if target.resource.is_namespaced && target.namespace.is_none() {
        return Err(Refusal::method_not_allowed());
    }
    let object = object(body)?;
    let metadata = &object["metadata"];
    let name = match (metadata["name"].as_str().unwrap_or_default(), metadata["generateName"].as_str()) {
        ("", Some(prefix)) => format!("{prefix}{}", &crate::random_uuid()[..5]),
        ("", None) => {
            return Err(Refusal::invalid("metadata.name: Required value: name or generateName is required"));
        }
        (name, _) => name.to_owned(),
    };
    let manager = match query.get("fieldManager") {
        "" => "unknown",
        manager => manager,
    };
    let created = lock(&shared.store).create(&target.key(&name), object, manager)?;
    Ok(json_response(201, &created))
}

fn patch(
    shared: &Shared,
    target: &Target,
    name: &str,
    query: &Query,
    head: &Parts,
    body: &[u8],
) -> Result<Response<Body>, Refusal> {
    let content = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let patch = match content.split(';').next().unwrap_or_default() {
        "application/apply-patch+yaml" => {
            if query.get("fieldManager").is_empty() {
                let why = "fieldManager: Required value: is required for apply patch";
                return Err(Refusal::invalid(format!("PatchOptions.meta.k8s.io \"\" is invalid: {why}")));
            }
            let wanted = object(body)?;
            let is = |name: &str, expected: &str| wanted[name].as_str() == Some(expected);
            if !is("apiVersion", &target.resource.api_version()) || !is("kind", target.resource.kind) {
                return Err(Refusal::bad_request(
                    "apiVersion and kind must be set and be those of the resource",
                ));
            }
            if wanted["metadata"].get("managedFields").is_some_and(|fields| !fields.is_null()) {
                return Err(Refusal::bad_request("metadata.managedFields must be nil"));
            }
            Patch::Apply { wanted, force: query.is_set("force") }
        }
        "application/merge-patch+json" => Patch::Merge(object(body)?),
        "application/json-patch+json" => {
            let operations = serde_json::from_slice(body);
            Patch::Json(operations.map_err(|error| Refusal::bad_request(error.to_string()))?)
        }
        other => return Err(Refusal::unsupported_media_type(other)),
    };
    let manager = manager(query, head);
    let writer = Writer { manager: &manager, subresource: &target.subresource };
    let key = target.key(name);
    let mut store = lock(&shared.store);
    let is_new = store.get(&key).is_none();
    let patched = store.patch(&key, patch, writer)?;
    Ok(json_response(if is_new { 201 } else { 200 }, &patched))
}

fn delete(shared: &Shared, target: &Target, name: &str, body: &[u8]) -> Result<Response<Body>, Refusal> {
    let options = if body.is_empty() { Value::Null } else { object(body)? };
    let precondition = |name: &str| options["preconditions"][name].as_str();
    let mut store = lock(&shared.store);
    let key = target.key(name);
    let deleted = store.delete(&key, precondition("uid"), precondition("resourceVersion"))?;
    if store.get(&key).is_some() {
        return Ok(json_response(200, &deleted));
    }
    let details = json!({
        "name": name,
        "group": target.resource.group,
        "kind": target.resource.plural,
        "uid": deleted["metadata"]["uid"],
    });
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
    Ok(json_response(200, &status))
}
