//! A SPIRE server's Entry API at a unix socket, with SPIRE's own rules and faults to order.

mod agents;
mod entries;
mod rules;
pub mod script;
mod service;
mod spiffe_id;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use registrar_proto::types::{Agent, Entry};
use tokio::sync::watch;
use tonic::Code;

use self::entries::Entries;
use crate::serve::Listening;
use crate::until::until;

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WriteKind {
    /// An entry was created.
    Create,
    /// An entry was updated.
    Update,
    /// An entry was deleted.
    Delete,
}

/// One entry written, through the API or by [`SpireServer::insert_foreign`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// When it was done.
    pub at: SystemTime,
    /// Which call did it, counted over all calls in the order in which they came in; none of [`SpireServer::insert_foreign`].
    pub call: Option<u64>,
    /// By which of the server's sockets it came: see [`SpireServer::add_door`].
    pub door: usize,
    /// How long the call was to take at most, as its header `grpc-timeout` says; none where it says nothing.
    pub timeout: Option<Duration>,
    /// What was done.
    pub kind: WriteKind,
    /// The entry's id.
    pub id: String,
    /// The entry's SPIFFE ID after the write; of a deleted one, before.
    pub spiffe_id: String,
}

/// The calls that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// CountEntries.
    Count,
    /// ListEntries.
    List,
    /// GetEntry.
    Get,
    /// BatchCreateEntry.
    Create,
    /// BatchUpdateEntry.
    Update,
    /// BatchDeleteEntry.
    Delete,
}

/// A SPIRE server. Dropping it ends it.
pub struct SpireServer {
    path: PathBuf,
    shared: Arc<Shared>,
    listening: Mutex<Option<Listening>>,
    doors: Mutex<Vec<Listening>>,
}

/// What a condition that is waited for can look at.
pub struct View<'a> {
    /// All entries in the order of their creation.
    pub entries: Vec<&'a Entry>,
    /// Everything written so far.
    pub writes: &'a [Write],
    /// How many entries were refused each on its own, because of [`SpireServer::refuse_entries`].
    pub refusals: u64,
    calls: &'a BTreeMap<Call, u64>,
}

struct Shared {
    state: Mutex<State>,
    /// Counts writes and calls, for those who wait for either.
    pulse: watch::Sender<u64>,
}

struct State {
    entries: Entries,
    writes: Vec<Write>,
    calls: BTreeMap<Call, u64>,
    /// The ids of all calls of GetEntry.
    asked: Vec<String>,
    faults: Faults,
    /// How many entries were refused each on its own.
    refusals: u64,
    agents: Vec<Agent>,
}

#[derive(Default)]
struct Faults {
    refusals: VecDeque<Code>,
    entry_refusals: Vec<(String, Code)>,
    answers_lost: usize,
    answers_withheld: usize,
    latency: Duration,
    /// Every so manieth call fails with this code.
    every: Option<(u64, Code)>,
    begun: u64,
    /// Writing calls of more entries than this are refused as a whole.
    most_entries: Option<usize>,
    /// Writing calls of an entry with this text in its SPIFFE ID are refused as a whole.
    indigestible: Option<String>,
    /// How many more pages are listed before the rest has to wait.
    pages_left: Option<usize>,
    /// How many more single entries are told of before the rest has to wait.
    gets_left: Option<usize>,
}

/// All that a server holds at one time.
pub struct Backup(Entries);

impl SpireServer {
    /// Starts a server with no entries and no bundle but its own.
    pub fn start(path: impl Into<PathBuf>, trust_domain: &str) -> Self {
        let state = State {
            entries: Entries::new(trust_domain),
            writes: Vec::new(),
            calls: BTreeMap::new(),
            asked: Vec::new(),
            faults: Faults::default(),
            refusals: 0,
            agents: Vec::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), pulse: watch::Sender::new(0) });
        let server = Self { path: path.into(), shared, listening: Mutex::new(None), doors: Mutex::default() };
        server.come_back();
        server
    }

    /// Its socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Serves at one more socket, to tell who writes what; the number by which its writes are known. The first socket has
    /// number 0. Faults of connections are the first one's alone.
    pub fn add_door(&self, path: &Path) -> usize {
        let mut doors = lock(&self.doors);
        let number = doors.len() + 1;
        doors.push(service::listen(path, number, self.shared.clone()));
        number
    }

    /// Ends the server; its entries and its socket's file stay, as after a crash. Calls under way have no answer.
    pub fn stop(&self) {
        lock(&self.listening).take();
    }

    /// Starts it again where it was stopped, or ends its silence.
    pub fn come_back(&self) {
        let mut listening = lock(&self.listening);
        match &*listening {
            Some(listening) => listening.come_back(),
            None => *listening = Some(service::listen(&self.path, 0, self.shared.clone())),
        }
    }

    /// Connections are accepted and nothing is answered, until it comes back.
    pub fn go_silent(&self) {
        if let Some(listening) = &*lock(&self.listening) {
            listening.go_silent();
        }
    }

    /// An agent attests, or renews its SVID.
    pub fn attest(&self, agent: Agent) {
        let agents = &mut self.lock().agents;
        agents.retain(|known| known.id != agent.id);
        agents.push(agent);
    }

    /// Makes the bundle of another trust domain known, so that entries can federate with it.
    pub fn add_bundle(&self, trust_domain: &str) {
        self.lock().entries.add_bundle(trust_domain);
    }

    /// All entries in the order of their creation.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.all()
    }

    /// Puts an entry in as somebody else would through the API, and returns it. Panics when SPIRE would refuse it.
    pub fn insert_foreign(&self, entry: Entry) -> Entry {
        let (status, created) = self.shared.create(&entry, None);
        self.shared.beat();
        assert_eq!(status.code, Code::Ok as i32, "{}", status.message);
        created.expect("a created entry")
    }

    /// Takes an entry out as somebody else would through the API. Panics when there is none of this id.
    pub fn delete_foreign(&self, id: &str) {
        let status = self.shared.delete(id, None);
        self.shared.beat();
        assert_eq!(status.code, Code::Ok as i32, "{}", status.message);
    }

    /// Everything written so far, in order.
    pub fn writes(&self) -> Vec<Write> {
        self.lock().writes.clone()
    }

    /// How many entries there are.
    pub fn entry_count(&self) -> usize {
        self.lock().entries.iter().count()
    }

    /// How often a call was made, those refused included.
    pub fn calls(&self, call: Call) -> u64 {
        self.lock().calls.get(&call).copied().unwrap_or_default()
    }

    /// Waits for a condition, which is looked at after every write and every call. Panics with the entries and the
    /// writes when the time is over.
    pub async fn until(&self, what: &str, timeout: Duration, condition: impl Fn(&View<'_>) -> bool) {
        let look = || {
            let state = self.lock();
            let entries = state.entries.iter().collect();
            condition(&View { entries, writes: &state.writes, refusals: state.refusals, calls: &state.calls })
        };
        until(what, timeout, self.shared.pulse.subscribe(), look, || format!("{self:?}")).await;
    }

    /// Waits until a pod has an entry, which costs little however many there are; one of them, and when it was created.
    pub async fn until_entry_of(&self, pod_uid: &str, what: &str, timeout: Duration) -> (Entry, SystemTime) {
        let look = || self.lock().entries.of_pod(pod_uid).next().is_some();
        until(what, timeout, self.shared.pulse.subscribe(), look, || format!("{self:?}")).await;
        let state = self.lock();
        let entry = state.entries.of_pod(pod_uid).next().expect("an entry that was just there").clone();
        let created = |write: &&Write| write.kind == WriteKind::Create && write.id == entry.id;
        let write = state.writes.iter().rev().find(created).expect("the write that created it");
        let at = write.at;
        (entry, at)
    }

    /// The next writing calls are carried out, and then the connection breaks instead of an answer.
    pub fn lose_answers(&self, count: usize) {
        self.lock().faults.answers_lost += count;
    }

    /// The next writing calls are carried out and never answered.
    pub fn withhold_answers(&self, count: usize) {
        self.lock().faults.answers_withheld += count;
    }

    /// The next calls of any kind fail as a whole with this code; nothing is carried out.
    pub fn refuse_calls(&self, count: usize, code: Code) {
        self.lock().faults.refusals.extend(std::iter::repeat_n(code, count));
    }

    /// Creates, updates and deletes of entries with this text in their SPIFFE ID fail with this code, each on its own, until
    /// [`accept_entries`](Self::accept_entries).
    pub fn refuse_entries(&self, text: &str, code: Code) {
        self.lock().faults.entry_refusals.push((text.to_owned(), code));
    }

    /// Ends what [`refuse_entries`](Self::refuse_entries) began.
    pub fn accept_entries(&self) {
        self.lock().faults.entry_refusals.clear();
    }

    /// Every so manieth call of any kind fails as a whole with this code, and nothing of it is carried out, until
    /// [`fail_no_more`](Self::fail_no_more).
    pub fn fail_each(&self, nth: u64, code: Code) {
        self.lock().faults.every = Some((nth, code));
    }

    /// Ends what [`fail_each`](Self::fail_each) began.
    pub fn fail_no_more(&self) {
        self.lock().faults.every = None;
    }

    /// Writing calls of more entries than this are refused as a whole with RESOURCE_EXHAUSTED, as those over 4 MiB are.
    pub fn set_most_entries(&self, most: usize) {
        self.lock().faults.most_entries = Some(most);
    }

    /// Writing calls of an entry with this text in its SPIFFE ID are refused as a whole with RESOURCE_EXHAUSTED.
    pub fn choke_on(&self, text: &str) {
        self.lock().faults.indigestible = Some(text.to_owned());
    }

    /// So many pages are listed from now on, and calls for more of them wait; `None` lets them all go.
    pub fn ration_pages(&self, pages: Option<usize>) {
        self.lock().faults.pages_left = pages;
        self.shared.beat();
    }

    /// So many calls of GetEntry are answered from now on, and others wait; `None` lets them all go.
    pub fn ration_gets(&self, gets: Option<usize>) {
        self.lock().faults.gets_left = gets;
        self.shared.beat();
    }

    /// The ids that GetEntry was called with so far, in order.
    pub fn asked(&self) -> Vec<String> {
        self.lock().asked.clone()
    }

    /// What it holds now, to be restored later.
    pub fn back_up(&self) -> Backup {
        Backup(self.lock().entries.clone())
    }

    /// Holds what it held when this was made, as after its database was restored. Nobody is told.
    pub fn restore(&self, backup: &Backup) {
        self.lock().entries = backup.0.clone();
        self.shared.beat();
    }

    /// Each call takes at least this long from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().faults.latency = latency;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.state)
    }
}

impl fmt::Debug for SpireServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        writeln!(f, "SPIRE server with calls {:?}, entries:", state.calls)?;
        state.entries.all().iter().try_for_each(|entry| writeln!(f, "  {}", script::told(entry)))?;
        writeln!(f, "and writes:")?;
        let mut writes = state.writes.iter();
        writes.try_for_each(|write| writeln!(f, "  {:?} {} {}", write.kind, write.id, write.spiffe_id))
    }
}

impl View<'_> {
    /// How often a call was made, those refused included.
    pub fn calls(&self, call: Call) -> u64 {
        self.calls.get(&call).copied().unwrap_or_default()
    }

    /// The SPIFFE IDs of all entries, sorted.
    pub fn spiffe_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.entries.iter().map(|entry| spiffe_id(entry)).collect();
        ids.sort();
        ids
    }
}

/// An entry's SPIFFE ID as text.
pub fn spiffe_id(entry: &Entry) -> String {
    let id = entry.spiffe_id.clone().unwrap_or_default();
    format!("spiffe://{}{}", id.trust_domain, id.path)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A condition that panicked while it looked has changed nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
