//! A Kubernetes API server over HTTPS, with the rules that clients rely on and faults to order.

mod apply;
mod http;
mod patch;
mod refusal;
mod resource;
mod selector;
mod store;
mod tls;
mod token;
mod watch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use serde_json::Value;
use tokio::sync::{broadcast, watch as channel};

pub(crate) use self::tls::Certificates;
pub use self::tls::Shown;

use self::resource::Resource;
use self::store::{Key, Patch, Store, Writer};
use crate::aws::{Aws, Cluster};
use crate::serve::Listening;
use crate::until::until;

/// What a request asks for, for counts and ordered failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Get one object.
    Get,
    /// List objects, or a further page of them.
    List,
    /// Watch objects.
    Watch,
    /// Create an object.
    Create,
    /// Replace an object or its status.
    Update,
    /// Patch an object or its status.
    Patch,
    /// Delete an object.
    Delete,
}

/// An API server. Dropping it ends it.
pub struct KubeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Listening,
    certificates: Certificates,
}

/// What a condition that is waited for can look at.
pub struct View<'a> {
    store: &'a Store,
    faults: &'a Faults,
}

/// What requests share.
struct Shared {
    store: Mutex<Store>,
    faults: Mutex<Faults>,
    access: Access,
    /// Counts writes and requests, for those who wait for either.
    pulse: channel::Sender<u64>,
    /// A watch lives no longer than the epoch it was begun in.
    watches: channel::Sender<u64>,
    /// What watches of a resource are to say beside what happens: the resource, the bytes.
    sayings: broadcast::Sender<(&'static str, Bytes)>,
}

/// How an API server takes a watch that is to begin with all that is there (`sendInitialEvents`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Streams {
    /// As servers do that have the feature.
    #[default]
    Offered,
    /// As servers do that know of the feature and do not have it.
    Refused,
    /// As servers do that do not know of the feature.
    Ignored,
}

/// Who is let in.
enum Access {
    /// Whoever has this bearer token.
    Token(String),
    /// Whoever IAM and the cluster's access entries let in.
    Eks { aws: Aws, cluster: Box<Cluster> },
}

#[derive(Debug, Default)]
struct Faults {
    failures: BTreeMap<Verb, VecDeque<u16>>,
    /// What the third and further pages of lists are answered with, so many times.
    page_failures: VecDeque<u16>,
    pages: BTreeMap<&'static str, u32>,
    forbidden: BTreeSet<&'static str>,
    /// Verbs on resources that reviews say are not allowed.
    verbs_forbidden: Vec<(&'static str, &'static str)>,
    /// As whom reviews know whoever asks.
    user: String,
    /// Fields of our own kinds' specs that the served definitions lack.
    fields_unknown: Vec<&'static str>,
    retry_after: Option<u64>,
    /// By how many seconds the clock that answers tell of is off.
    clock: i64,
    /// How many bytes more than it would have an answer to a list has.
    bloat: usize,
    repeats_pages: bool,
    empties_lists: bool,
    streams: Streams,
    withdrawn: BTreeSet<&'static str>,
    refuses_tokens: bool,
    tokens_seen: BTreeSet<String>,
    tokens_revoked: BTreeSet<String>,
    refused: u64,
    requests: BTreeMap<(Verb, &'static str), u64>,
}

impl KubeApi {
    /// A server that lets in whoever has the token in [`kubeconfig`](Self::kubeconfig).
    pub async fn start() -> Self {
        Self::with(Access::Token(format!("token-{}", crate::random_uuid()))).await
    }

    /// An EKS cluster's server, which lets in whoever IAM and the cluster's access entries let in.
    pub async fn start_in(aws: &Aws, cluster: &Cluster) -> Self {
        Self::with(Access::Eks { aws: aws.clone(), cluster: Box::new(cluster.clone()) }).await
    }

    async fn with(access: Access) -> Self {
        let certificates = Certificates::new();
        let tls = certificates.acceptor(Shown::Right);
        let shared = Arc::new(Shared {
            store: Mutex::default(),
            faults: Mutex::default(),
            access,
            pulse: channel::Sender::new(0),
            watches: channel::Sender::new(0),
            sayings: broadcast::Sender::new(64),
        });
        let (listening, address) = Listening::at_loopback(Some(tls), http::service(shared.clone())).await;
        Self { address, shared, listening, certificates }
    }

    /// `https://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate, PEM, of the authority that signed the server's.
    pub fn certificate_authority(&self) -> &str {
        self.certificates.authority()
    }

    /// The token that lets in; none for an EKS cluster's server.
    pub fn token(&self) -> Option<&str> {
        match &self.shared.access {
            Access::Token(token) => Some(token),
            Access::Eks { .. } => None,
        }
    }

    /// A kubeconfig file for this server; that of an EKS cluster has no user.
    pub fn kubeconfig(&self) -> String {
        let authority = data_encoding::BASE64.encode(self.certificate_authority().as_bytes());
        let user = match &self.shared.access {
            Access::Token(token) => format!("{{token: {token}}}"),
            Access::Eks { .. } => "{}".to_owned(),
        };
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: world\n\
             contexts: [{{name: world, context: {{cluster: world, user: world}}}}]\n\
             users: [{{name: world, user: {user}}}]\n\
             clusters:\n- name: world\n  cluster:\n    server: {url}\n    certificate-authority-data: {authority}\n",
            url = self.url()
        )
    }

    /// Writes a whole object, status and all, as the cluster's own controllers together would. Nothing is checked but
    /// `apiVersion`, `kind` and `metadata.name`, so that malformed objects can be put too. An object with another uid
    /// takes the place of one that was deleted. The answer is the object as it is stored.
    pub fn put(&self, object: Value) -> Value {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let resource =
            Resource::of(&version.expect("an object with apiVersion"), &kind.expect("an object with kind"));
        let name = text(&object["metadata"]["name"]).expect("an object with metadata.name");
        let namespace = text(&object["metadata"]["namespace"]).unwrap_or_default();
        assert_eq!(
            resource.is_namespaced,
            !namespace.is_empty(),
            "the namespace of {kind} {name}",
            kind = resource.kind
        );
        self.change(|store| Value::clone(&store.put(&Key { resource, namespace, name }, object)))
    }

    /// Merges a JSON merge patch into an object, status and all. The answer is the object as it is stored.
    pub fn patch(&self, plural: &str, namespace: Option<&str>, name: &str, patch: Value) -> Value {
        let key = key(plural, namespace, name);
        self.change(|store| {
            let live = store.get(&key).unwrap_or_else(|| panic!("{key:?} is there"));
            let mut after = Value::clone(live);
            patch::merge(&mut after, &patch);
            Value::clone(&store.put(&key, after))
        })
    }

    /// Applies a configuration by server-side apply, as another manager than the registrar would, with force.
    pub fn apply(&self, manager: &str, plural: &str, namespace: Option<&str>, wanted: Value) -> Value {
        let name = wanted["metadata"]["name"].as_str().expect("metadata.name").to_owned();
        let key = key(plural, namespace, &name);
        let writer = Writer { manager, subresource: "" };
        self.change(|store| {
            let applied = store.patch(&key, Patch::Apply { wanted, force: true }, writer);
            Value::clone(&applied.unwrap_or_else(|refusal| panic!("{}", refusal.status())))
        })
    }

    /// Deletes an object as `kubectl delete --wait=false` does: one with finalizers is marked and goes with the last of
    /// them. Panics when there is none.
    pub fn remove(&self, plural: &str, namespace: Option<&str>, name: &str) {
        let key = key(plural, namespace, name);
        let deleted = self.change(|store| store.delete(&key, None, None));
        deleted.unwrap_or_else(|refusal| panic!("{}", refusal.status()));
    }

    /// Marks an object as being deleted and leaves it there, as a pod is between its deletion and its end.
    pub fn terminate(&self, plural: &str, namespace: Option<&str>, name: &str) {
        let mark = serde_json::json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        self.patch(plural, namespace, name, mark);
    }

    /// An object as it is now.
    pub fn get(&self, plural: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
        lock(&self.shared.store).get(&key(plural, namespace, name)).map(|object| Value::clone(object))
    }

    /// All objects of a resource, by namespace and name.
    pub fn objects(&self, plural: &str) -> Vec<Value> {
        lock(&self.shared.store).all(Resource::named(plural)).map(|object| Value::clone(object)).collect()
    }

    /// Waits for a condition, which is looked at after every write and every request. Panics with the state when the
    /// time is over.
    pub async fn until(&self, what: &str, timeout: Duration, condition: impl Fn(&View<'_>) -> bool) {
        let look = || {
            let (store, faults) = (lock(&self.shared.store), lock(&self.shared.faults));
            condition(&View { store: &store, faults: &faults })
        };
        until(what, timeout, self.shared.pulse.subscribe(), look, || format!("{self:?}")).await;
    }

    /// How many requests of a kind came in and were let in, refusals for other reasons included.
    pub fn requests(&self, verb: Verb, plural: &str) -> u64 {
        let faults = lock(&self.shared.faults);
        faults.requests.get(&(verb, Resource::named(plural).plural)).copied().unwrap_or_default()
    }

    /// How many requests were not let in.
    pub fn unauthorized(&self) -> u64 {
        lock(&self.shared.faults).refused
    }

    /// The latest revision of the server.
    pub fn revision(&self) -> u64 {
        lock(&self.shared.store).revision()
    }

    /// Connections are accepted and nothing is answered; watches tell nothing. No byte comes or goes.
    pub fn go_silent(&self) {
        self.listening.go_silent();
    }

    /// Connections are cut, and new ones closed at once.
    pub fn refuse(&self) {
        self.listening.refuse();
    }

    /// Ends silence or refusal. Connections that were silent go on.
    pub fn come_back(&self) {
        self.listening.come_back();
    }

    /// Forgets the past: watches and pages of lists from before are answered with 410. Watches that run go on.
    pub fn compact(&self) {
        self.change(Store::compact);
    }

    /// Ends all watches, as a server does now and then.
    pub fn cut_watches(&self) {
        self.shared.watches.send_modify(|epoch| *epoch += 1);
    }

    /// The next requests of a kind are answered with this status.
    pub fn fail_next(&self, verb: Verb, count: usize, status: u16) {
        let failures = std::iter::repeat_n(status, count);
        lock(&self.shared.faults).failures.entry(verb).or_default().extend(failures);
    }

    /// Ends what [`fail_next`](Self::fail_next) and [`fail_pages`](Self::fail_pages) have ordered.
    pub fn fail_no_more(&self) {
        let mut faults = lock(&self.shared.faults);
        faults.failures.clear();
        faults.page_failures.clear();
    }

    /// The next third pages of lists are answered with this status.
    pub fn fail_pages(&self, count: usize, status: u16) {
        lock(&self.shared.faults).page_failures.extend(std::iter::repeat_n(status, count));
    }

    /// Whether whoever asks may not read or write a resource.
    pub fn forbid(&self, plural: &str, is_forbidden: bool) {
        let name = Resource::named(plural).plural;
        let mut faults = lock(&self.shared.faults);
        if is_forbidden {
            faults.forbidden.insert(name);
        } else {
            faults.forbidden.remove(name);
        }
    }

    /// Reviews say that this verb on a resource is not allowed, although it is.
    pub fn deny(&self, verb: &'static str, plural: &'static str) {
        lock(&self.shared.faults).verbs_forbidden.push((verb, plural));
    }

    /// As whom reviews know whoever asks.
    pub fn call_user(&self, name: &str) {
        lock(&self.shared.faults).user = name.to_owned();
    }

    /// The served definitions of our own kinds lack this field of the spec, as older ones do.
    pub fn forget_field(&self, field: &'static str) {
        lock(&self.shared.faults).fields_unknown.push(field);
    }

    /// What refusals with 429 and 503 say of when to come back, in seconds.
    pub fn retry_after(&self, seconds: Option<u64>) {
        lock(&self.shared.faults).retry_after = seconds;
    }

    /// By how many seconds the server's clock is ahead.
    pub fn set_clock(&self, seconds: i64) {
        lock(&self.shared.faults).clock = seconds;
    }

    /// Answers to lists are larger by so many bytes, in whole MiB.
    pub fn bloat_lists(&self, bytes: usize) {
        lock(&self.shared.faults).bloat = bytes;
    }

    /// Whether lists can be had by a watch that begins with all that is there. Such a beginning counts as a list, and what
    /// is ordered for lists holds for it too: its third page begins after its thousandth object.
    pub fn offer_streams(&self, streams: Streams) {
        lock(&self.shared.faults).streams = streams;
    }

    /// Whether each page of a list has the page before it once more.
    pub fn repeat_pages(&self, are_repeated: bool) {
        lock(&self.shared.faults).repeats_pages = are_repeated;
    }

    /// Whether lists have no items, whatever there is.
    pub fn empty_lists(&self, are_empty: bool) {
        lock(&self.shared.faults).empties_lists = are_empty;
    }

    /// Watches of a resource send these bytes beside what happens; empty ones end them.
    pub fn say(&self, plural: &str, bytes: impl Into<Bytes>) {
        // An error says that nobody watches.
        let _ = self.shared.sayings.send((Resource::named(plural).plural, bytes.into()));
    }

    /// A byte a second is all that comes out of each connection.
    pub fn trickle(&self) {
        self.listening.trickle();
    }

    /// New connections see this certificate; those that are there are cut.
    pub fn show(&self, shown: Shown) {
        self.listening.accept_with(self.certificates.acceptor(shown));
        self.listening.cutter().cut();
    }

    /// Takes a resource out of the API, as one whose definition is not installed, or puts it back.
    pub fn serve_resource(&self, plural: &str, is_served: bool) {
        let name = Resource::named(plural).plural;
        let mut faults = lock(&self.shared.faults);
        if is_served {
            faults.withdrawn.remove(name);
        } else {
            faults.withdrawn.insert(name);
        }
    }

    /// Every token that was used until now is refused from now on. A token made within the same second as one of them
    /// is the very same.
    pub fn revoke_tokens(&self) {
        let mut faults = lock(&self.shared.faults);
        let seen = std::mem::take(&mut faults.tokens_seen);
        faults.tokens_revoked.extend(seen);
    }

    /// Whether all tokens are refused.
    pub fn refuse_tokens(&self, are_refused: bool) {
        lock(&self.shared.faults).refuses_tokens = are_refused;
    }

    fn change<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let changed = change(&mut lock(&self.shared.store));
        self.shared.beat();
        changed
    }
}

impl fmt::Debug for KubeApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (store, faults) = (lock(&self.shared.store), lock(&self.shared.faults));
        let Faults { requests, refused, .. } = &*faults;
        writeln!(
            f,
            "API server {} at revision {}: {requests:?}, not let in {refused}",
            self.url(),
            store.revision()
        )?;
        store.objects().try_for_each(|object| writeln!(f, "{object:#}"))
    }
}

impl View<'_> {
    /// An object.
    pub fn get(&self, plural: &str, namespace: Option<&str>, name: &str) -> Option<&Value> {
        self.store.get(&key(plural, namespace, name)).map(|object| &**object)
    }

    /// All objects of a resource, by namespace and name.
    pub fn objects(&self, plural: &str) -> Vec<&Value> {
        self.store.all(Resource::named(plural)).map(|object| &**object).collect()
    }

    /// The status of a condition (`True`, `False`, `Unknown`) of an object that is in no namespace.
    pub fn condition(&self, plural: &str, name: &str, kind: &str) -> Option<&str> {
        let conditions = self.get(plural, None, name)?["status"]["conditions"].as_array()?;
        conditions.iter().find(|condition| condition["type"] == kind)?["status"].as_str()
    }

    /// How many requests of a kind came in and were let in.
    pub fn requests(&self, verb: Verb, plural: &str) -> u64 {
        self.faults.requests.get(&(verb, Resource::named(plural).plural)).copied().unwrap_or_default()
    }

    /// How many requests were not let in.
    pub fn unauthorized(&self) -> u64 {
        self.faults.refused
    }
}

impl Shared {
    fn beat(&self) {
        self.pulse.send_modify(|count| *count += 1);
    }
}

fn key(plural: &str, namespace: Option<&str>, name: &str) -> Key {
    let resource = Resource::named(plural);
    assert_eq!(resource.is_namespaced, namespace.is_some(), "the namespace of {plural} {name}");
    Key { resource, namespace: namespace.unwrap_or_default().to_owned(), name: name.to_owned() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A condition that panicked while it looked has changed nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Merges a JSON merge patch into a value.
pub(crate) fn merge(value: &mut Value, patch: &Value) {
    patch::merge(value, patch);
}
