//! Workload clusters: a task each, which connects, lists, watches and comes back on its own; none waits for another.

mod connection;
mod failure;
mod turns;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use rand::Rng;
use registrar_core::facts::demand::Demand;
use registrar_core::facts::{ClusterChange, Phase, Session};
use registrar_core::names::ClusterName;
use tokio::sync::{mpsc, watch as channel};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::eks::{Eks, Endpoint};
use crate::metrics::Metrics;
use crate::registrar::Arrived;
pub use connection::{Connection, ConnectionError, clock_ahead};
use turns::Turns;
use watch::{EndpointSlices, Namespaces, Nodes, Pods, Position, Reporter, Streams};

/// Within how long it is tried again after a failure: at any moment of it, so that clusters that failed together do not
/// come back together. It doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How soon it is tried again at the soonest.
const LEAST_PAUSE: Duration = Duration::from_millis(100);
/// A connection that held for so long had not failed for a reason that is still there.
const STEADY: Duration = Duration::from_secs(60);

/// What the connections are connected to.
#[derive(Debug)]
pub struct Ends {
    /// From the index: which clusters.
    pub sessions: channel::Receiver<Arc<BTreeMap<ClusterName, Session>>>,
    /// From the index: which fields.
    pub demand: channel::Receiver<Arc<Demand>>,
    /// To the index.
    pub changes: mpsc::Sender<Arrived>,
}

/// Keeps one task for each session that the index asks for, until `shutdown` or until the index ends.
/// `at_once` clusters are being connected to at a time.
pub async fn run(
    eks: Arc<Eks>,
    at_once: usize,
    mut ends: Ends,
    metrics: Metrics,
    shutdown: CancellationToken,
) {
    let turns = Arc::new(Turns::new(at_once));
    let mut tasks = JoinSet::new();
    let mut running: HashMap<ClusterName, (Session, CancellationToken)> = HashMap::new();
    loop {
        let wanted = ends.sessions.borrow_and_update().clone();
        running.retain(|name, (session, stop)| {
            let stays = wanted.get(name) == Some(session);
            if !stays {
                info!(cluster = %name, "disconnecting from the cluster");
                stop.cancel();
                metrics.forget(name.as_str());
            }
            stays
        });
        for (name, session) in wanted.iter() {
            if running.contains_key(name) {
                continue;
            }
            let stop = shutdown.child_token();
            running.insert(name.clone(), (session.clone(), stop.clone()));
            let cluster = Cluster {
                name: name.clone(),
                session: session.clone(),
                eks: eks.clone(),
                demand: ends.demand.clone(),
                changes: ends.changes.clone(),
                turns: turns.clone(),
                metrics: metrics.clone(),
            };
            tasks.spawn(async move {
                // Dropped in the middle of whatever it does: it owns nothing that outlives it.
                stop.run_until_cancelled(cluster.keep()).await;
            });
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = ends.sessions.changed() => if changed.is_err() { break },
            // A task ends when it was stopped, or with the index; `keep` tells of its own defects.
            Some(_) = tasks.join_next() => {}
        }
    }
    running.into_values().for_each(|(_, stop)| stop.cancel());
    while tasks.join_next().await.is_some() {}
}

/// One cluster in one session.
struct Cluster {
    name: ClusterName,
    session: Session,
    eks: Arc<Eks>,
    demand: channel::Receiver<Arc<Demand>>,
    changes: mpsc::Sender<Arrived>,
    turns: Arc<Turns>,
    metrics: Metrics,
}

/// How far each kind is known; it outlives a connection.
#[derive(Debug, Default)]
struct Positions {
    /// Of which cluster.
    uid: Option<String>,
    streams: Streams,
    pods: Position,
    nodes: Position,
    namespaces: Position,
    slices: Position,
}

impl Cluster {
    /// Connects again and again; ends when the index does.
    async fn keep(self) {
        let mut pause = FIRST_PAUSE;
        let mut positions = Positions::default();
        let mut endpoint: Option<Endpoint> = None;
        let mut told: Option<&'static str> = None;
        loop {
            let turn = self.turns.wait(told.is_none()).await;
            let started = Instant::now();
            let reporter = Reporter::new(
                self.name.clone(),
                self.session.number,
                self.changes.clone(),
                self.metrics.clone(),
                turn,
            );
            let attempt = self.attempt(&mut positions, &mut endpoint, &reporter);
            let (reason, message, retry_after) = match AssertUnwindSafe(attempt).catch_unwind().await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => {
                    // What EKS said is kept, except where it may be out of date.
                    endpoint = endpoint.filter(|_| !error.is_of_endpoint());
                    (error.reason(), error.to_string(), error.retry_after())
                }
                Err(_) => {
                    error!(cluster = %self.name, "a defect in this program ended the cluster's connection");
                    positions = Positions::default();
                    ("Defect", "a defect in this program ended the connection; see its log".to_owned(), None)
                }
            };
            self.metrics.disconnected(self.name.as_str(), reason);
            if reporter.is_live().await {
                told = None;
                if started.elapsed() >= STEADY {
                    // Any connection breaks some day: it is told only when it cannot be made again.
                    info!(cluster = %self.name, reason, message, "the connection broke; connecting again");
                    pause = FIRST_PAUSE;
                    continue;
                }
            }
            // What others wait for is not held on to.
            reporter.give_turn_back().await;
            if told != Some(reason) {
                warn!(cluster = %self.name, reason, message, "the cluster cannot be watched; its entries stay as they are");
                told = Some(reason);
            }
            if !reporter.tell(ClusterChange::Phase(Phase::Unreachable { reason, message })).await {
                return;
            }
            let part = rand::rng().random_range(0.0..1.0);
            let wait = pause.mul_f64(part).max(LEAST_PAUSE);
            tokio::time::sleep(retry_after.map_or(wait, |asked| asked + wait)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(
        &self,
        positions: &mut Positions,
        endpoint: &mut Option<Endpoint>,
        reporter: &Reporter,
    ) -> Result<(), ConnectionError> {
        let connecting = async {
            let endpoint = match endpoint {
                Some(endpoint) => endpoint,
                None => endpoint.insert(self.eks.describe(&self.session.target).await?),
            };
            let connection = Connection::new(self.eks.clone(), self.session.target.clone(), endpoint)?;
            // Before anything is told of it: another cluster's silence on our pods would be taken for their end.
            let identity = connection.identity(&endpoint.arn).await?;
            Ok::<_, ConnectionError>((connection, identity))
        };
        let (connection, identity) = reporter.while_it_goes_on(connecting).await?;
        reporter.have_turn(&self.turns).await;
        if positions.uid.as_ref() != Some(&identity.uid) {
            *positions = Positions { uid: Some(identity.uid.clone()), ..Positions::default() };
        }
        if !reporter.tell(ClusterChange::Identified(identity)).await {
            return Ok(());
        }
        let demand = || self.demand.clone();
        let streams = &positions.streams;
        tokio::try_join!(
            watch::run::<Namespaces>(&connection, streams, &mut positions.namespaces, demand(), reporter),
            watch::run::<Nodes>(&connection, streams, &mut positions.nodes, demand(), reporter),
            watch::run::<Pods>(&connection, streams, &mut positions.pods, demand(), reporter),
            watch::run::<EndpointSlices>(&connection, streams, &mut positions.slices, demand(), reporter),
        )?;
        Ok(())
    }
}
