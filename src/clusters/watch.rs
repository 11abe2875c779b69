//! The list-and-watch machine: a complete list in pages, then a watch with bookmarks from there on; what is told of
//! each object are its facts, and a bad object costs that object.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt;
use rand::Rng;
use registrar_core::facts::demand::{Demand, Source};
pub use registrar_core::facts::read::{EndpointSlices, Namespaces, Nodes, Pods};
use registrar_core::facts::read::{Event, Item, Reader};
use registrar_core::facts::{Change, ClusterChange, Phase, Watched, read};
use registrar_core::names::ClusterName;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::Instant;
use tokio_util::codec::{Decoder, LinesCodec};
use tracing::info;

use super::connection::{Connection, ConnectionError, reach};
use super::turns::Turn;
use crate::metrics::Metrics;

/// How many objects a page of a list has.
const PAGE_OBJECTS: u32 = 500;
/// How many after an answer that was too large.
const SMALL_PAGE_OBJECTS: u32 = 10;
/// How long a whole list may take.
const LIST_TIME: Duration = Duration::from_secs(300);
/// How often a list may begin anew because its snapshot is gone.
const LIST_TRIES: u32 = 3;
/// How long the rest of an event may take after its first byte.
const EVENT_TIME: Duration = Duration::from_secs(30);
/// How soon it is tried again what may not be read.
const DENIED_PAUSE: Duration = Duration::from_secs(60);
/// How long the API server lets a watch run; a new one goes on from the same version.
const WATCH_SECONDS: u32 = 290;
/// How soon after a watch the next may follow.
const LEAST_WATCH: Duration = Duration::from_secs(1);
/// A watch that goes on for longer is given up: PING says that the connection is alive, not that the watch is.
const LONGEST_WATCH: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 30);
/// How many kinds have to be known for a cluster to be live.
const KINDS: usize = 3;
/// An object has 1.5 MiB in etcd at most; a line that goes on beyond this is none.
const MAX_LINE_BYTES: usize = 16 << 20;

/// A kind that is watched in workload clusters.
pub trait Kind: read::Kind<Facts: Send, Key: Send> {
    /// For people, in the plural: `pods`.
    const NAME: &'static str;
    /// The list's path.
    const PATH: &'static str;
    /// What demand can grow; none where facts depend on none.
    const SOURCE: Option<Source>;
    /// Whether the cluster can be of use without it.
    const IS_OPTIONAL: bool;
    /// Whether anybody reads it now.
    fn is_wanted(_: &Demand) -> bool {
        true
    }
    /// As a change of the cluster.
    fn change(watched: Watched<Self::Facts, Self::Key>) -> ClusterChange;
}

impl Kind for Pods {
    const NAME: &'static str = "pods";
    const PATH: &'static str = "/api/v1/pods";
    const SOURCE: Option<Source> = Some(Source::Pod);
    const IS_OPTIONAL: bool = false;
    fn change(watched: Watched<Self::Facts, Self::Key>) -> ClusterChange {
        ClusterChange::Pods(watched)
    }
}

impl Kind for Nodes {
    const NAME: &'static str = "nodes";
    const PATH: &'static str = "/api/v1/nodes";
    const SOURCE: Option<Source> = Some(Source::Node);
    const IS_OPTIONAL: bool = true;
    fn change(watched: Watched<Self::Facts, Self::Key>) -> ClusterChange {
        ClusterChange::Nodes(watched)
    }
}

impl Kind for Namespaces {
    const NAME: &'static str = "namespaces";
    const PATH: &'static str = "/api/v1/namespaces";
    const SOURCE: Option<Source> = None;
    const IS_OPTIONAL: bool = true;
    fn change(watched: Watched<Self::Facts, Self::Key>) -> ClusterChange {
        ClusterChange::Namespaces(watched)
    }
}

impl Kind for EndpointSlices {
    const NAME: &'static str = "endpointslices";
    const PATH: &'static str = "/apis/discovery.k8s.io/v1/endpointslices";
    const SOURCE: Option<Source> = None;
    const IS_OPTIONAL: bool = true;
    fn is_wanted(demand: &Demand) -> bool {
        demand.reads_endpoint_slices()
    }
    fn change(watched: Watched<Self::Facts, Self::Key>) -> ClusterChange {
        ClusterChange::EndpointSlices(watched)
    }
}

/// Up to where a kind is known. It outlives a connection: a new one goes on from here.
#[derive(Debug, Default)]
pub struct Position {
    /// The version of the last list, event or bookmark.
    version: Option<String>,
    /// Knows what was kept of each object, and what objects have alike.
    reader: Reader,
}

/// Tells what one attempt at one cluster finds, and that the cluster is live once every kind is known in it.
#[derive(Debug)]
pub struct Reporter {
    cluster: ClusterName,
    session: u64,
    changes: mpsc::Sender<Change>,
    metrics: Metrics,
    /// Given back once the cluster is live, or with the attempt.
    turn: Mutex<Turn>,
    current: Mutex<BTreeSet<&'static str>>,
}

impl Reporter {
    /// One for each attempt.
    pub fn new(
        cluster: ClusterName,
        session: u64,
        changes: mpsc::Sender<Change>,
        metrics: Metrics,
        turn: Turn,
    ) -> Self {
        Self { cluster, session, changes, metrics, turn: Mutex::new(turn), current: Mutex::default() }
    }

    /// Lets another cluster connect.
    pub async fn give_turn_back(&self) {
        drop(self.turn.lock().await.take());
    }

    /// Counts what a watch has sent.
    fn received(&self, kind: &'static str, bytes: usize) {
        self.metrics.watched(self.cluster.as_str(), kind, bytes);
    }

    /// Tells a change; false where nobody wants it any more.
    pub async fn tell(&self, change: ClusterChange) -> bool {
        self.changes.send(Change::Cluster(self.cluster.clone(), self.session, change)).await.is_ok()
    }

    /// Whether every kind was known at once in this attempt.
    pub async fn is_live(&self) -> bool {
        self.current.lock().await.len() == KINDS
    }

    /// Everything up to now of this kind is known, over a connection that works.
    async fn is_current<K: Kind>(&self) {
        if K::NAME == EndpointSlices::NAME {
            return;
        }
        let mut current = self.current.lock().await;
        if current.insert(K::NAME) && current.len() == KINDS {
            info!(cluster = %self.cluster, "the cluster is connected and watched");
            self.tell(ClusterChange::Phase(Phase::Live)).await;
            drop(current);
            self.give_turn_back().await;
        }
    }
}

/// Lists and watches one kind until the connection fails, or until nobody wants to know.
pub async fn run<K: Kind>(
    connection: &Connection,
    position: &mut Position,
    mut demand: watch::Receiver<Arc<Demand>>,
    reporter: &Reporter,
) -> Result<(), ConnectionError> {
    loop {
        let wanted = demand.borrow_and_update().clone();
        if !K::is_wanted(&wanted) {
            *position = Position::default();
            if demand.changed().await.is_err() {
                return Ok(());
            }
            continue;
        }
        let covered = K::SOURCE.is_none_or(|source| position.reader.demand().covers_in(source, &wanted));
        if !covered {
            position.version = None;
        }
        let version = match position.version.clone() {
            Some(version) => version,
            None => {
                position.reader.set_demand(wanted);
                let listed = tokio::time::timeout(LIST_TIME, list::<K>(connection, &mut position.reader)).await;
                let listed = listed.unwrap_or_else(|_| {
                    Err(ConnectionError::Trickle { call: format!("list {}", K::NAME), time: LIST_TIME })
                });
                let (change, version) = match listed {
                    Err(error) if K::IS_OPTIONAL && error.is_forbidden() => {
                        if !reporter.tell(ClusterChange::Denied(K::NAME, error.to_string())).await {
                            return Ok(());
                        }
                        reporter.is_current::<K>().await;
                        let part = rand::rng().random_range(0.75..1.25);
                        tokio::time::sleep(DENIED_PAUSE.mul_f64(part)).await;
                        continue;
                    }
                    listed => listed?,
                };
                if !reporter.tell(change).await {
                    return Ok(());
                }
                position.version = Some(version.clone());
                reporter.is_current::<K>().await;
                version
            }
        };
        let opened = Instant::now();
        let followed = follow::<K>(connection, position, &version, &mut demand, reporter).await;
        let followed = match followed {
            // What may not be watched any more is listed, to be told as such.
            Err(error) if K::IS_OPTIONAL && error.is_forbidden() => Followed::Expired,
            // What cannot be read would come again from the same version: only a list leads past it.
            Err(error @ ConnectionError::Read { .. }) => {
                position.version = None;
                return Err(error);
            }
            followed => followed?,
        };
        match followed {
            // A server that ends each watch at once is not asked without pause.
            Followed::Ended => tokio::time::sleep_until(opened + LEAST_WATCH).await,
            Followed::DemandChanged => {}
            Followed::Expired => position.version = None,
            Followed::Unwanted => return Ok(()),
        }
    }
}

/// A complete and consistent list, and its version.
async fn list<K: Kind>(
    connection: &Connection,
    reader: &mut Reader,
) -> Result<(ClusterChange, String), ConnectionError> {
    let call = format!("list {}", K::NAME);
    let (mut items, mut malformed) = (Vec::new(), Vec::new());
    let mut next: Option<String> = None;
    let (mut limit, mut tries) = (PAGE_OBJECTS, 1);
    loop {
        let text = limit.to_string();
        let mut query = vec![("limit", text.as_str())];
        query.extend(next.as_deref().map(|next| ("continue", next)));
        let path = with_query(K::PATH, &query);
        let body = match connection.read(&call, &path).await {
            // The list's snapshot is gone: what was read of it is of no use.
            Err(error) if error.is_expired() && next.is_some() && tries < LIST_TRIES => {
                (items, malformed, next, tries) = (Vec::new(), Vec::new(), None, tries + 1);
                continue;
            }
            Err(ConnectionError::Oversize { .. }) if limit > SMALL_PAGE_OBJECTS => {
                limit = SMALL_PAGE_OBJECTS;
                continue;
            }
            body => body?,
        };
        let page = read::page::<K>(&body, reader, &mut items, &mut malformed)
            .map_err(|error| unreadable(&call, &error))?;
        let before = std::mem::replace(&mut next, page.next);
        if next.is_some() && next == before {
            let problem = "a page names itself as the next".to_owned();
            return Err(ConnectionError::Read { call, problem });
        }
        if next.is_none() {
            let listed = Watched::Listed { items, malformed, demand: reader.demand().clone() };
            return Ok((K::change(listed), page.version));
        }
    }
}

enum Followed {
    /// The API server ended the watch in good order.
    Ended,
    /// Other fields are read now.
    DemandChanged,
    /// The API server does not know the version any more.
    Expired,
    /// Nobody wants to know any more.
    Unwanted,
}

/// Watches from a version on.
async fn follow<K: Kind>(
    connection: &Connection,
    position: &mut Position,
    version: &str,
    demand: &mut watch::Receiver<Arc<Demand>>,
    reporter: &Reporter,
) -> Result<Followed, ConnectionError> {
    let call = format!("watch {}", K::NAME);
    let seconds = WATCH_SECONDS.to_string();
    let path = with_query(
        K::PATH,
        &[
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", &seconds),
            ("resourceVersion", version),
        ],
    );
    let answer = match connection.get(&call, &path).await {
        Err(error) if error.is_expired() => return Ok(Followed::Expired),
        answer => answer?,
    };
    reporter.is_current::<K>().await;
    let mut body = answer.into_body();
    let (mut lines, mut received) = (LinesCodec::new_with_max_length(MAX_LINE_BYTES), BytesMut::new());
    let end = Instant::now() + LONGEST_WATCH;
    // Since when an event has begun and not ended.
    let mut begun: Option<Instant> = None;
    loop {
        let patience = begun.map_or(end, |begun| begun + EVENT_TIME);
        let frame = tokio::select! {
            changed = demand.changed() => match changed {
                Ok(()) => return Ok(Followed::DemandChanged),
                Err(_) => return Ok(Followed::Unwanted),
            },
            frame = tokio::time::timeout_at(patience, body.frame()) => frame,
        };
        let frame = match frame {
            Ok(Some(frame)) => frame.map_err(|error| reach(&call, &error))?,
            Ok(None) => return Ok(Followed::Ended),
            Err(_) if begun.is_none() => return Ok(Followed::Ended),
            Err(_) => return Err(ConnectionError::Trickle { call, time: EVENT_TIME }),
        };
        let Ok(data) = frame.into_data() else { continue };
        reporter.received(K::NAME, data.len());
        received.extend_from_slice(&data);
        loop {
            let line = lines.decode(&mut received);
            // Too long, or no UTF-8.
            let line = line
                .map_err(|error| ConnectionError::Read { call: call.clone(), problem: error.to_string() })?;
            let Some(line) = line else { break };
            begun = None;
            if line.trim().is_empty() {
                continue;
            }
            let event = read::event::<K>(&line, &mut position.reader);
            let watched = match event.map_err(|error| unreadable(&call, &error))? {
                Event::Bookmark(version) => {
                    advance(position, &version);
                    continue;
                }
                Event::Error { code, message } => {
                    let error = ConnectionError::Refuse { call, code, message, retry_after: None };
                    return if error.is_expired() { Ok(Followed::Expired) } else { Err(error) };
                }
                Event::Changed(Item { version, facts, .. }) => {
                    advance(position, &version);
                    match facts {
                        Ok(facts) => Watched::Applied(facts),
                        Err(malformed) => Watched::Malformed(malformed),
                    }
                }
                Event::Deleted(Item { version, key, .. }) => {
                    advance(position, &version);
                    match key {
                        Ok(key) => Watched::Gone(key),
                        // Whose end this is cannot be said: only a complete list can.
                        Err(_) => return Ok(Followed::Expired),
                    }
                }
                Event::Unknown(kind) => {
                    let problem = format!("an event of type {kind:?}");
                    return Err(ConnectionError::Read { call, problem });
                }
                Event::Unreadable(malformed) => Watched::Malformed(malformed),
            };
            if !reporter.tell(K::change(watched)).await {
                return Ok(Followed::Unwanted);
            }
        }
        begun = begun.or_else(|| (!received.is_empty()).then(Instant::now));
    }
}

fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("{path}?{query}")
}

fn advance(position: &mut Position, version: &str) {
    // One that goes back would make the next watch tell the past once more.
    let number = |version: &str| version.parse::<u64>().ok();
    let known = position.version.as_deref().and_then(number);
    let is_back = known.zip(number(version)).is_some_and(|(known, version)| known > version);
    if !version.is_empty() && !is_back {
        position.version = Some(version.to_owned());
    }
}

fn unreadable(call: &str, error: &serde_json::Error) -> ConnectionError {
    // The error's text can quote the answer, which can hold secrets of pods: only its place and kind are told.
    let problem = format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column());
    ConnectionError::Read { call: call.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_answer_is_told_without_its_text() {
        let answer = b"{\"metadata\": \"s3cret\"}";
        let (mut items, mut malformed) = (Vec::new(), Vec::new());
        let error = read::page::<Pods>(answer, &mut Reader::default(), &mut items, &mut malformed).unwrap_err();
        assert!(!unreadable("list pods", &error).to_string().contains("s3cret"));
    }
}
