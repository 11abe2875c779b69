//! The list-and-watch machine: a complete list, by the watch itself where the API server offers that and in pages where
//! not, then a watch with bookmarks from there on; what is told of each object are its facts, and a bad object costs that
//! object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use http_body_util::BodyExt;
use rand::Rng;
use registrar_core::facts::demand::{Demand, Source};
pub use registrar_core::facts::read::{EndpointSlices, Namespaces, Nodes, Pods};
use registrar_core::facts::read::{Event, Item, Reader};
use registrar_core::facts::{Change, ClusterChange, Malformed, Phase, Watched, read};
use registrar_core::names::ClusterName;
use registrar_core::rights;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::Instant;
use tokio_util::codec::{Decoder, LinesCodec, LinesCodecError};
use tracing::info;

use super::connection::{Connection, ConnectionError, reach};
use super::turns::{Turn, Turns};
use crate::metrics::Metrics;
use crate::registrar::Arrived;

/// How long a cluster is connected to in its turn; longer than this it is waited for without one.
const TURN_TIME: Duration = Duration::from_secs(1);
/// How many objects a page of a list has.
const PAGE_OBJECTS: u32 = 500;
/// How many events are read at a stretch before what waits for this thread has its turn: events of other clusters.
const STRETCH_OBJECTS: usize = 16;
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
pub trait Kind: read::Kind<Facts: Send, Key: Send + Ord> {
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
    const NAME: &'static str = rights::PODS.resource;
    const PATH: &'static str = rights::PODS.path;
    const SOURCE: Option<Source> = Some(Source::Pod);
    const IS_OPTIONAL: bool = false;
    fn change(watched: Watched<Self::Facts, Self::Key>) -> ClusterChange {
        ClusterChange::Pods(watched)
    }
}

impl Kind for Nodes {
    const NAME: &'static str = rights::NODES.resource;
    const PATH: &'static str = rights::NODES.path;
    const SOURCE: Option<Source> = Some(Source::Node);
    const IS_OPTIONAL: bool = true;
    fn change(watched: Watched<Self::Facts, Self::Key>) -> ClusterChange {
        ClusterChange::Nodes(watched)
    }
}

impl Kind for Namespaces {
    const NAME: &'static str = rights::NAMESPACES.resource;
    const PATH: &'static str = rights::NAMESPACES.path;
    const SOURCE: Option<Source> = None;
    const IS_OPTIONAL: bool = true;
    fn change(watched: Watched<Self::Facts, Self::Key>) -> ClusterChange {
        ClusterChange::Namespaces(watched)
    }
}

impl Kind for EndpointSlices {
    const NAME: &'static str = rights::ENDPOINT_SLICES.resource;
    const PATH: &'static str = rights::ENDPOINT_SLICES.path;
    const SOURCE: Option<Source> = None;
    const IS_OPTIONAL: bool = true;
    fn is_wanted(demand: &Demand) -> bool {
        demand.reads_endpoint_slices()
    }
    fn change(watched: Watched<Self::Facts, Self::Key>) -> ClusterChange {
        ClusterChange::EndpointSlices(watched)
    }
}

/// Whether an API server begins a watch with all that is there. It is asked to until it refuses or takes no notice.
#[derive(Debug)]
pub struct Streams(AtomicBool);

impl Default for Streams {
    fn default() -> Self {
        Self(AtomicBool::new(true))
    }
}

impl Streams {
    fn are_offered(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn are_not_offered(&self) {
        self.0.store(false, Ordering::Relaxed);
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
    changes: mpsc::Sender<Arrived>,
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
        changes: mpsc::Sender<Arrived>,
        metrics: Metrics,
        turn: Turn,
    ) -> Self {
        Self { cluster, session, changes, metrics, turn: Mutex::new(turn), current: Mutex::default() }
    }

    /// Lets another cluster connect.
    pub async fn give_turn_back(&self) {
        drop(self.turn.lock().await.take());
    }

    /// Waits for something, with the turn as long as it may be that it is being worked on: what is silent, and may be so
    /// for long, costs nobody else anything.
    pub async fn while_it_goes_on<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = std::pin::pin!(call);
        match tokio::time::timeout(TURN_TIME, &mut call).await {
            Ok(done) => done,
            Err(_) => {
                self.give_turn_back().await;
                call.await
            }
        }
    }

    /// Waits for a turn where it was given back: before all that is there is listed.
    pub async fn have_turn(&self, turns: &Turns) {
        let mut turn = self.turn.lock().await;
        if turn.is_none() {
            *turn = turns.wait(true).await;
        }
    }

    /// Counts what a watch has sent.
    fn received(&self, kind: &'static str, bytes: usize) {
        self.metrics.watched(self.cluster.as_str(), kind, bytes);
    }

    /// Tells a change; false where nobody wants it any more.
    pub async fn tell(&self, change: ClusterChange) -> bool {
        let change = Change::Cluster(self.cluster.clone(), self.session, change);
        self.changes.send(Arrived::now(change)).await.is_ok()
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
    streams: &Streams,
    position: &mut Position,
    mut demand: watch::Receiver<Arc<Demand>>,
    reporter: &Reporter,
) -> Result<(), ConnectionError> {
    // Lists begun one after another and none of them come to its end.
    let mut tries = 0;
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
        if position.version.is_none() {
            position.reader.set_demand(wanted);
        }
        let was_known = position.version.is_some();
        let opened = Instant::now();
        let followed = async {
            let listed = match position.version {
                None if !streams.are_offered() => {
                    let listed = list::<K>(connection, &mut position.reader);
                    let listed = tokio::time::timeout(LIST_TIME, listed).await;
                    let (change, version) = listed.unwrap_or_else(|_| Err(list_too_slow::<K>()))?;
                    position.take_in::<K>(change, version, reporter).await
                }
                _ => true,
            };
            match listed {
                false => Ok(Followed::Unwanted),
                true => follow::<K>(connection, position, &mut demand, reporter).await,
            }
        };
        let followed = match followed.await {
            Err(error) if K::IS_OPTIONAL && error.is_forbidden() && !was_known => {
                if !reporter.tell(ClusterChange::Denied(K::NAME, error.to_string())).await {
                    return Ok(());
                }
                reporter.is_current::<K>().await;
                let part = rand::rng().random_range(0.75..1.25);
                tokio::time::sleep(DENIED_PAUSE.mul_f64(part)).await;
                continue;
            }
            // What may not be watched any more is listed, to be told as such.
            Err(error) if K::IS_OPTIONAL && error.is_forbidden() => Followed::Expired(error),
            // What cannot be read would come again from the same version: only a list leads past it.
            Err(error @ (ConnectionError::Read { .. } | ConnectionError::Oversize { .. })) => {
                position.version = None;
                return Err(error);
            }
            followed => followed?,
        };
        match followed {
            // A server that ends each watch at once is not asked without pause.
            Followed::Ended => tokio::time::sleep_until(opened + LEAST_WATCH).await,
            Followed::DemandChanged => {}
            Followed::Expired(error) => {
                let was_listed = position.version.take().is_some();
                tries = if was_listed { 0 } else { tries + 1 };
                if tries >= LIST_TRIES {
                    return Err(error);
                }
                // Nor is one that at once forgets what it has listed.
                if !was_known {
                    tokio::time::sleep_until(opened + LEAST_WATCH).await;
                }
            }
            Followed::NotOffered => streams.are_not_offered(),
            Followed::Unwanted => return Ok(()),
        }
    }
}

fn list_too_slow<K: Kind>() -> ConnectionError {
    ConnectionError::Trickle { call: format!("list {}", K::NAME), time: LIST_TIME }
}

impl Position {
    /// Tells a complete list; false where nobody wants it.
    async fn take_in<K: Kind>(
        &mut self,
        listed: ClusterChange,
        version: String,
        reporter: &Reporter,
    ) -> bool {
        if !reporter.tell(listed).await {
            return false;
        }
        self.version = Some(version);
        reporter.is_current::<K>().await;
        true
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
        // Reading a page takes milliseconds: other clusters' tasks have their turn after it.
        tokio::task::yield_now().await;
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
    /// Only a list leads on: the API server does not know the version any more, for example.
    Expired(ConnectionError),
    /// The API server does not begin a watch with all that is there.
    NotOffered,
    /// Nobody wants to know any more.
    Unwanted,
}

/// All that a watch has told so far of what was there when it began; what happens before its end replaces that. What has
/// no key is found by its name.
struct Initial<K: Kind>(BTreeMap<Result<K::Key, String>, Result<K::Facts, Malformed>>);

impl<K: Kind> Initial<K> {
    fn put(&mut self, Item { facts, key, .. }: Item<K>) {
        let name = || facts.as_ref().err().map(|malformed| malformed.name.clone()).unwrap_or_default();
        let key = key.map_err(|_| name());
        self.0.insert(key, facts);
    }

    fn into_change(self, demand: &Arc<Demand>) -> ClusterChange {
        let (mut items, mut malformed) = (Vec::new(), Vec::new());
        for facts in self.0.into_values() {
            match facts {
                Ok(facts) => items.push(facts),
                Err(problem) => malformed.push(problem),
            }
        }
        K::change(Watched::Listed { items, malformed, demand: demand.clone() })
    }
}

/// Watches from the version that is known on; without one, from all that is there.
async fn follow<K: Kind>(
    connection: &Connection,
    position: &mut Position,
    demand: &mut watch::Receiver<Arc<Demand>>,
    reporter: &Reporter,
) -> Result<Followed, ConnectionError> {
    let begins_empty = position.version.is_none();
    let mut call = format!("{} {}", if begins_empty { "list" } else { "watch" }, K::NAME);
    let seconds = WATCH_SECONDS.to_string();
    let mut query = vec![("watch", "true"), ("allowWatchBookmarks", "true"), ("timeoutSeconds", &*seconds)];
    match &position.version {
        Some(version) => query.push(("resourceVersion", version)),
        None => query.extend([("sendInitialEvents", "true"), ("resourceVersionMatch", "NotOlderThan")]),
    }
    let answer = match connection.get(&call, &with_query(K::PATH, &query)).await {
        Err(error) if begins_empty && error.is_of_request() => return Ok(Followed::NotOffered),
        Err(error) if error.is_expired() => return Ok(Followed::Expired(error)),
        answer => answer?,
    };
    let mut initial = begins_empty.then(|| Initial::<K>(BTreeMap::new()));
    if initial.is_none() {
        reporter.is_current::<K>().await;
    }
    let mut body = answer.into_body();
    let (mut lines, mut received) = (LinesCodec::new_with_max_length(MAX_LINE_BYTES), BytesMut::new());
    let opened = Instant::now();
    let end = opened + LONGEST_WATCH;
    // Since when an event has begun and not ended.
    let mut begun: Option<Instant> = None;
    let mut events: usize = 0;
    let mut last = opened;
    loop {
        let patience = match (begun, &initial) {
            (Some(begun), _) => begun + EVENT_TIME,
            (None, Some(_)) => (last + EVENT_TIME).min(opened + LIST_TIME),
            (None, None) => end,
        };
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
            Err(_) if begun.is_some() => return Err(ConnectionError::Trickle { call, time: EVENT_TIME }),
            Err(_) if initial.is_none() => return Ok(Followed::Ended),
            Err(_) if opened.elapsed() >= LIST_TIME => return Err(list_too_slow::<K>()),
            // It sends what is there, and does not say when that is all.
            Err(_) => return Ok(Followed::NotOffered),
        };
        let Ok(data) = frame.into_data() else { continue };
        last = Instant::now();
        reporter.received(K::NAME, data.len());
        received.extend_from_slice(&data);
        loop {
            let line = match lines.decode(&mut received) {
                Err(LinesCodecError::MaxLineLengthExceeded) => {
                    return Err(ConnectionError::Oversize { call });
                }
                // It is no UTF-8.
                Err(error) => return Err(ConnectionError::Read { call, problem: error.to_string() }),
                Ok(line) => line,
            };
            let Some(line) = line else { break };
            begun = None;
            events += 1;
            if events.is_multiple_of(STRETCH_OBJECTS) {
                tokio::task::yield_now().await;
            }
            if line.trim().is_empty() {
                continue;
            }
            let event = read::event::<K>(&line, &mut position.reader);
            let watched = match (event.map_err(|error| unreadable(&call, &error))?, &mut initial) {
                (Event::Bookmark { version, .. }, None) => {
                    advance(position, &version);
                    continue;
                }
                (Event::Bookmark { version, ends_initial }, Some(_)) => {
                    let Some(initial) = initial.take().filter(|_| ends_initial) else {
                        return Ok(Followed::NotOffered);
                    };
                    call = format!("watch {}", K::NAME);
                    let listed = initial.into_change(position.reader.demand());
                    if !position.take_in::<K>(listed, version, reporter).await {
                        return Ok(Followed::Unwanted);
                    }
                    continue;
                }
                (Event::Error { code, message }, _) => {
                    let error = ConnectionError::Refuse { call, code, message, retry_after: None };
                    return if error.is_expired() { Ok(Followed::Expired(error)) } else { Err(error) };
                }
                (Event::Changed(item), Some(initial)) => {
                    initial.put(item);
                    continue;
                }
                (Event::Changed(Item { version, facts, .. }), None) => {
                    advance(position, &version);
                    match facts {
                        Ok(facts) => Watched::Applied(facts),
                        Err(malformed) => Watched::Malformed(malformed),
                    }
                }
                (Event::Deleted(Item { version, key, .. }), initial) => {
                    let key = match key {
                        Ok(key) => key,
                        // Whose end this is cannot be said: only a complete list can.
                        Err(problem) => {
                            return Ok(Followed::Expired(ConnectionError::Read { call, problem }));
                        }
                    };
                    if let Some(initial) = initial {
                        initial.0.remove(&Ok(key));
                        continue;
                    }
                    advance(position, &version);
                    Watched::Gone(key)
                }
                (Event::Unknown(kind), _) => {
                    let problem = format!("an event of type {kind:?}");
                    return Err(ConnectionError::Read { call, problem });
                }
                (Event::Unreadable(malformed), Some(initial)) => {
                    initial.0.insert(Err(malformed.name.clone()), Err(malformed));
                    continue;
                }
                (Event::Unreadable(malformed), None) => Watched::Malformed(malformed),
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
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_silent_cluster_gives_its_turn_to_another() {
        let turns = Turns::new(2);
        let (changes, _kept) = mpsc::channel(1);
        let name = ClusterName::new("east").unwrap();
        let turn = turns.wait(false).await;
        let reporter = Reporter::new(name, 1, changes, Metrics::new().unwrap(), turn);
        let silent = reporter.while_it_goes_on(std::future::pending::<()>());
        tokio::select! {
            () = silent => {}
            other = turns.wait(false) => assert!(other.is_some()),
        }
        // What has answered lists in a turn of those that have not failed.
        reporter.have_turn(&turns).await;
        assert!(turns.wait(true).now_or_never().is_none());
    }

    #[test]
    fn an_unreadable_answer_is_told_without_its_text() {
        let answer = b"{\"metadata\": \"s3cret\"}";
        let (mut items, mut malformed) = (Vec::new(), Vec::new());
        let error =
            read::page::<Pods>(answer, &mut Reader::default(), &mut items, &mut malformed).unwrap_err();
        assert!(!unreadable("list pods", &error).to_string().contains("s3cret"));
    }
}
