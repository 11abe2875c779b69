//! EKS and STS as far as the registrar uses them: accounts, users, roles and clusters at one plain HTTP address.

mod answer;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;

use crate::serve::{Listening, Service};

/// An access key, long-lived or of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`; none for a user's own key.
    pub session_token: Option<String>,
    /// The account it belongs to.
    pub account: String,
    /// The ARN of the user or the role that it speaks for.
    pub principal: String,
}

/// A cluster as EKS describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The account that owns it.
    pub account: String,
    /// Its region.
    pub region: String,
    /// Its name in EKS.
    pub name: String,
    /// `CREATING`, `ACTIVE`, `UPDATING`, `DELETING`, `FAILED`.
    pub status: String,
    /// The API server's address; empty while there is none.
    pub endpoint: String,
    /// The API server's authority, PEM.
    pub certificate_authority: String,
    /// What EKS says its ARN is.
    pub arn: String,
    /// `API`, `API_AND_CONFIG_MAP`, `CONFIG_MAP`.
    pub authentication_mode: String,
}

impl Cluster {
    /// An active cluster that has no API server yet.
    pub fn new(account: &str, region: &str, name: &str) -> Self {
        let partition = if region.starts_with("cn-") { "aws-cn" } else { "aws" };
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            name: name.to_owned(),
            status: "ACTIVE".to_owned(),
            endpoint: String::new(),
            certificate_authority: String::new(),
            arn: format!("arn:{partition}:eks:{region}:{account}:cluster/{name}"),
            authentication_mode: "API".to_owned(),
        }
    }
}

/// The operations that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// EKS.
    DescribeCluster,
    /// STS.
    AssumeRole,
    /// STS.
    GetCallerIdentity,
}

/// The simulated AWS. Clones are the same one.
#[derive(Clone)]
pub struct Aws {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    listening: Arc<Listening>,
}

#[derive(Debug, Default)]
struct State {
    keys: BTreeMap<String, AccessKey>,
    roles: BTreeMap<String, Role>,
    clusters: BTreeMap<(String, String, String), Cluster>,
    /// Who may use which cluster, by account, region and name.
    access: BTreeSet<(String, String, String, String)>,
    failures: BTreeMap<Operation, VecDeque<(u16, String)>>,
    calls: BTreeMap<Operation, u64>,
    made: u64,
}

#[derive(Debug)]
struct Role {
    trusted_account: String,
    external_id: Option<String>,
}

impl Aws {
    /// Starts it with no account.
    pub async fn start() -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let shared = state.clone();
        let service: Service = Arc::new(move |request: Request<Incoming>| {
            let state = shared.clone();
            Box::pin(async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                answer::answer(&mut lock(&state), &head, &body)
            })
        });
        let (listening, address) = Listening::at_loopback(None, service).await;
        Self { address, state, listening: Arc::new(listening) }
    }

    /// For `AWS_ENDPOINT_URL_EKS` and `AWS_ENDPOINT_URL_STS`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A new access key of a user.
    pub fn user(&self, account: &str, name: &str) -> AccessKey {
        self.lock().issue(account, format!("arn:aws:iam::{account}:user/{name}"), false)
    }

    /// A role that the principals of another account may assume, with the external id if one is asked for.
    pub fn add_role(&self, arn: &str, trusted_account: &str, external_id: Option<&str>) {
        let role =
            Role { trusted_account: trusted_account.to_owned(), external_id: external_id.map(str::to_owned) };
        self.lock().roles.insert(arn.to_owned(), role);
    }

    /// Nobody can assume the role any more; keys that were issued go on.
    pub fn remove_role(&self, arn: &str) {
        self.lock().roles.remove(arn);
    }

    /// A key of a role's session, without asking.
    pub fn assume(&self, role: &str) -> AccessKey {
        self.lock().session(role)
    }

    /// The key of this id, if it is known and was not revoked.
    pub fn key(&self, access_key_id: &str) -> Option<AccessKey> {
        self.lock().keys.get(access_key_id).cloned()
    }

    /// Everything that was issued and that nobody but its owner may see.
    pub fn secrets(&self) -> Vec<String> {
        let state = self.lock();
        let keys = state.keys.values();
        keys.flat_map(|key| [Some(key.secret_access_key.clone()), key.session_token.clone()])
            .flatten()
            .collect()
    }

    /// Revokes all keys of sessions; users' own go on.
    pub fn revoke_sessions(&self) {
        self.lock().keys.retain(|_, key| key.session_token.is_none());
    }

    /// Adds a cluster or changes what EKS says of it.
    pub fn put_cluster(&self, cluster: Cluster) {
        let id = (cluster.account.clone(), cluster.region.clone(), cluster.name.clone());
        self.lock().clusters.insert(id, cluster);
    }

    /// EKS knows the cluster no more.
    pub fn remove_cluster(&self, account: &str, region: &str, name: &str) {
        self.lock().clusters.remove(&(account.to_owned(), region.to_owned(), name.to_owned()));
    }

    /// Gives a user or role an access entry in a cluster.
    pub fn allow(&self, principal: &str, cluster: &Cluster) {
        self.lock().access.insert(access(principal, &cluster.account, &cluster.region, &cluster.name));
    }

    /// Takes an access entry back.
    pub fn disallow(&self, principal: &str, cluster: &Cluster) {
        self.lock().access.remove(&access(principal, &cluster.account, &cluster.region, &cluster.name));
    }

    /// Whether a principal may use a cluster.
    pub(crate) fn allows(&self, principal: &str, account: &str, region: &str, name: &str) -> bool {
        self.lock().access.contains(&access(principal, account, region, name))
    }

    /// The next calls of an operation fail with this HTTP status and error code, such as
    /// `(400, "ThrottlingException")` for EKS and `(400, "Throttling")` for STS.
    pub fn fail_next(&self, operation: Operation, count: usize, status: u16, code: &str) {
        let failures = std::iter::repeat_n((status, code.to_owned()), count);
        self.lock().failures.entry(operation).or_default().extend(failures);
    }

    /// How often an operation was called, refusals included.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.lock().calls.get(&operation).copied().unwrap_or_default()
    }

    /// From now on nothing is answered.
    pub fn go_silent(&self) {
        self.listening.go_silent();
    }

    /// From now on connections are closed at once.
    pub fn refuse(&self) {
        self.listening.refuse();
    }

    /// Ends silence or refusal.
    pub fn come_back(&self) {
        self.listening.come_back();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn issue(&mut self, account: &str, principal: String, is_session: bool) -> AccessKey {
        self.made += 1;
        let number = self.made;
        let prefix = if is_session { "ASIA" } else { "AKIA" };
        let secret: u128 = rand::random();
        let key = AccessKey {
            access_key_id: format!("{prefix}{number:016}"),
            secret_access_key: format!("{secret:040x}"),
            // Slashes, plus and equals signs are what real ones have, and what encodings go wrong about.
            session_token: is_session.then(|| format!("session/{number}+token=={secret:x}")),
            account: account.to_owned(),
            principal,
        };
        self.keys.insert(key.access_key_id.clone(), key.clone());
        key
    }

    fn session(&mut self, role: &str) -> AccessKey {
        let account = role.split(':').nth(4).unwrap_or_default().to_owned();
        self.issue(&account, role.to_owned(), true)
    }
}

fn access(principal: &str, account: &str, region: &str, name: &str) -> (String, String, String, String) {
    (principal.to_owned(), account.to_owned(), region.to_owned(), name.to_owned())
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
