//! The Entry API, and beside it that of agents, as a gRPC service: calls, their statuses, and the faults that tests order.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::stream::BoxStream;
use http_body_util::BodyExt;
use hyper::Request as HttpRequest;
use hyper::body::Incoming;
use prost::Message;
use registrar_proto::agent::agent_server::AgentServer;
use registrar_proto::entry::entry_server::{Entry as EntryApi, EntryServer};
use registrar_proto::entry::{
    BatchCreateEntryRequest, BatchCreateEntryResponse, BatchDeleteEntryRequest, BatchDeleteEntryResponse,
    BatchUpdateEntryRequest, BatchUpdateEntryResponse, CountEntriesRequest, CountEntriesResponse,
    GetAuthorizedEntriesRequest, GetAuthorizedEntriesResponse, GetEntryRequest, ListEntriesRequest,
    ListEntriesResponse, SyncAuthorizedEntriesRequest, SyncAuthorizedEntriesResponse,
    batch_create_entry_response, batch_delete_entry_response, batch_update_entry_response,
    count_entries_request, list_entries_request,
};
use registrar_proto::types::federates_with_match::MatchBehavior as DomainsMatch;
use registrar_proto::types::selector_match::MatchBehavior as SelectorsMatch;
use registrar_proto::types::{self, Entry};
use tonic::{Code, Request, Response, Status, Streaming};
use tower::ServiceExt;

use super::agents::Agents;
use super::entries::{Created, Refused, selector_set};
use super::{Call, Faults, Shared, State, Write, WriteKind, lock, rules, spiffe_id};
use crate::serve::{Cutter, Listening, Service};

/// gRPC's own limit on what a server receives, which SPIRE leaves as it is.
const MOST_BYTES: usize = 4 << 20;

/// Serves the API at a socket.
pub(super) fn listen(path: &Path, door: usize, shared: Arc<Shared>) -> Listening {
    // The cutter is of the listening that is made with the service.
    let cutter: Arc<std::sync::OnceLock<Cutter>> = Arc::default();
    let agents = AgentServer::new(Agents(shared.clone()));
    let api = Api { shared, door, cutter: cutter.clone() };
    // Messages that are too long are refused below, with the words of SPIRE's gRPC library.
    let server = EntryServer::new(api).max_decoding_message_size(usize::MAX);
    let service: Service = Arc::new(move |request: HttpRequest<Incoming>| {
        let (server, agents) = (server.clone(), agents.clone());
        Box::pin(async move {
            let answer = match request.uri().path().starts_with("/spire.api.server.agent.v1.Agent/") {
                true => agents.oneshot(request).await,
                false => server.oneshot(request).await,
            };
            let answer = answer.unwrap_or_else(|never| match never {});
            answer.map(|body| body.map_err(Into::into).boxed_unsync())
        })
    });
    let listening = Listening::at_path(path, service);
    cutter.get_or_init(|| listening.cutter());
    listening
}

struct Api {
    shared: Arc<Shared>,
    door: usize,
    cutter: Arc<std::sync::OnceLock<Cutter>>,
}

impl Api {
    /// What comes before every call: it is counted, takes its time, and fails where a test asked for that.
    async fn begin<M: Message>(&self, call: Call, request: Request<M>) -> Result<(M, By), Status> {
        let (latency, refusal, begun) = {
            let mut state = lock(&self.shared.state);
            *state.calls.entry(call).or_default() += 1;
            let faults = &mut state.faults;
            faults.begun += 1;
            let begun = faults.begun;
            let in_turn = faults.every.filter(|(nth, _)| begun.is_multiple_of(*nth)).map(|(_, code)| code);
            (faults.latency, faults.refusals.pop_front().or(in_turn), begun)
        };
        self.shared.beat();
        match call {
            Call::List => self.wait_for(|faults| &mut faults.pages_left).await,
            Call::Get => self.wait_for(|faults| &mut faults.gets_left).await,
            _ => {}
        }
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        if let Some(code) = refusal {
            return Err(Status::new(code, "the simulated SPIRE server was told to fail"));
        }
        let timeout = timeout(&request);
        let message = request.into_inner();
        let length = message.encoded_len();
        if length > MOST_BYTES {
            let message = format!("grpc: received message larger than max ({length} vs. {MOST_BYTES})");
            return Err(Status::resource_exhausted(message));
        }
        Ok((message, By { door: self.door, call: begun, timeout }))
    }

    /// Calls go one by one where a test rations them.
    async fn wait_for(&self, ration: fn(&mut Faults) -> &mut Option<usize>) {
        let mut beats = self.shared.pulse.subscribe();
        // The sender is part of what is shared, so that it can't be gone.
        let _ = beats
            .wait_for(|_| {
                let mut state = lock(&self.shared.state);
                let left = ration(&mut state.faults);
                let may = *left != Some(0);
                *left = left.map(|left| left.saturating_sub(1));
                may
            })
            .await;
    }

    /// What a writing call as a whole is refused for.
    fn digest(&self, entries: usize, mut ids: impl Iterator<Item = String>) -> Result<(), Status> {
        let faults = &lock(&self.shared.state).faults;
        let is_too_many = faults.most_entries.is_some_and(|most| entries > most);
        let chokes = faults.indigestible.as_ref().is_some_and(|text| ids.any(|id| id.contains(text)));
        if is_too_many || chokes {
            return Err(Status::resource_exhausted("grpc: received message larger than max"));
        }
        Ok(())
    }

    /// What comes after every writing call: not after each of its entries, because who waits looks at all there are.
    async fn answered<M>(&self, answer: M) -> Result<Response<M>, Status> {
        self.shared.beat();
        let (is_lost, is_withheld) = {
            let faults = &mut lock(&self.shared.state).faults;
            let take = |count: &mut usize| {
                let is_left = *count > 0;
                *count -= usize::from(is_left);
                is_left
            };
            let is_lost = take(&mut faults.answers_lost);
            (is_lost, !is_lost && take(&mut faults.answers_withheld))
        };
        if is_lost && let Some(cutter) = self.cutter.get() {
            cutter.cut();
        }
        if is_lost || is_withheld {
            std::future::pending::<()>().await;
        }
        Ok(Response::new(answer))
    }
}

/// By whom something is written, and in which of all calls.
#[derive(Clone, Copy)]
pub(super) struct By {
    door: usize,
    call: u64,
    timeout: Option<Duration>,
}

/// What the header `grpc-timeout` says: a number of up to eight digits and a unit.
fn timeout<M>(request: &Request<M>) -> Option<Duration> {
    let text = request.metadata().get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = number.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number) * 3600,
        "M" => Duration::from_secs(number) * 60,
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

impl Shared {
    pub(super) fn beat(&self) {
        self.pulse.send_modify(|count| *count += 1);
    }

    pub(super) fn create(&self, entry: &Entry, by: Option<By>) -> (types::Status, Option<Entry>) {
        let mut state = lock(&self.state);
        let created = match ordered_refusal(&mut state, entry) {
            Some(refused) => Err(refused),
            None => state.entries.create(entry),
        };
        match created {
            Ok(Created::New(entry)) => {
                state.note(WriteKind::Create, &entry, by);
                (ok(), Some(entry))
            }
            Ok(Created::Similar(entry)) => {
                (status(Code::AlreadyExists, "similar entry already exists"), Some(entry))
            }
            Err(refused) => (refused_as(&refused, "create"), None),
        }
    }

    fn update(
        &self,
        entry: &Entry,
        mask: Option<&types::EntryMask>,
        by: By,
    ) -> (types::Status, Option<Entry>) {
        let mut state = lock(&self.state);
        let updated = match ordered_refusal(&mut state, entry) {
            Some(refused) => Err(refused),
            None => state.entries.update(entry, mask),
        };
        match updated {
            Ok(entry) => {
                state.note(WriteKind::Update, &entry, Some(by));
                (ok(), Some(entry))
            }
            Err(refused) => (refused_as(&refused, "update"), None),
        }
    }

    pub(super) fn delete(&self, id: &str, by: Option<By>) -> types::Status {
        if id.is_empty() {
            return status(Code::InvalidArgument, "missing entry ID");
        }
        let mut state = lock(&self.state);
        // Those who delete at its back are no callers.
        let known = by.and_then(|_| state.entries.get(id).cloned());
        if let Some(refused) = known.and_then(|entry| ordered_refusal(&mut state, &entry)) {
            return refused_as(&refused, "delete");
        }
        let Some(entry) = state.entries.delete(id) else { return status(Code::NotFound, "entry not found") };
        state.note(WriteKind::Delete, &entry, by);
        ok()
    }
}

impl State {
    fn note(&mut self, kind: WriteKind, entry: &Entry, by: Option<By>) {
        let (call, door) = (by.map(|by| by.call), by.map(|by| by.door).unwrap_or_default());
        let (id, spiffe_id) = (entry.id.clone(), spiffe_id(entry));
        let timeout = by.and_then(|by| by.timeout);
        self.writes.push(Write { at: SystemTime::now(), call, door, timeout, kind, id, spiffe_id });
    }
}

fn ordered_refusal(state: &mut State, entry: &Entry) -> Option<Refused> {
    let id = spiffe_id(entry);
    let (_, code) = state.faults.entry_refusals.iter().find(|(text, _)| id.contains(text))?;
    state.refusals += 1;
    let problem = "the simulated SPIRE server was told to fail".to_owned();
    Some(Refused::stored(*code, Some(problem)))
}

fn ok() -> types::Status {
    status(Code::Ok, "OK")
}

fn status(code: Code, message: &str) -> types::Status {
    types::Status { code: code as i32, message: message.to_owned() }
}

fn refused_as(refused: &Refused, verb: &str) -> types::Status {
    let step = if refused.in_conversion { "convert" } else { verb };
    match &refused.problem {
        Some(problem) => status(refused.code, &format!("failed to {step} entry: {problem}")),
        None => status(refused.code, &format!("failed to {step} entry")),
    }
}

#[tonic::async_trait]
impl EntryApi for Api {
    async fn count_entries(
        &self,
        request: Request<CountEntriesRequest>,
    ) -> Result<Response<CountEntriesResponse>, Status> {
        let (CountEntriesRequest { filter }, _) = self.begin(Call::Count, request).await?;
        let state = lock(&self.shared.state);
        let filter = filter.map(Filter::from).unwrap_or_default().checked(state.entries.home())?;
        let count = state.entries.after(0).filter(|(_, entry)| filter.fits(entry)).count();
        let count = i32::try_from(count).map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(CountEntriesResponse { count }))
    }

    async fn list_entries(
        &self,
        request: Request<ListEntriesRequest>,
    ) -> Result<Response<ListEntriesResponse>, Status> {
        let (request, _) = self.begin(Call::List, request).await?;
        let state = lock(&self.shared.state);
        let filter = request.filter.map(Filter::from).unwrap_or_default().checked(state.entries.home())?;
        // Zero, and what is below, is no page at all.
        let page = usize::try_from(request.page_size).ok().filter(|size| *size > 0);
        let begin = match (page, request.page_token.as_str()) {
            (None, _) | (_, "") => 0,
            (Some(_), token) => token.parse().map_err(|_| {
                let cause =
                    format!("rpc error: code = InvalidArgument desc = could not parse token '{token}'");
                Status::internal(format!("failed to list entries: datastore-sql: {cause}"))
            })?,
        };
        let fitting = state.entries.after(begin).filter(|(_, entry)| filter.fits(entry));
        let rows: Vec<(u64, &Entry)> = fitting.take(page.unwrap_or(usize::MAX)).collect();
        // A token is given with every page that has entries, also with the last.
        let last = rows.last().filter(|_| page.is_some()).map(|(row, _)| row.to_string());
        let mask = request.output_mask.as_ref();
        let entries = rows.into_iter().map(|(_, entry)| rules::masked(entry.clone(), mask)).collect();
        Ok(Response::new(ListEntriesResponse { entries, next_page_token: last.unwrap_or_default() }))
    }

    async fn get_entry(&self, request: Request<GetEntryRequest>) -> Result<Response<Entry>, Status> {
        lock(&self.shared.state).asked.push(request.get_ref().id.clone());
        let (GetEntryRequest { id, output_mask }, _) = self.begin(Call::Get, request).await?;
        if id.is_empty() {
            return Err(Status::invalid_argument("missing ID"));
        }
        let state = lock(&self.shared.state);
        let entry = state.entries.get(&id).ok_or_else(|| Status::not_found("entry not found"))?;
        Ok(Response::new(rules::masked(entry.clone(), output_mask.as_ref())))
    }

    async fn batch_create_entry(
        &self,
        request: Request<BatchCreateEntryRequest>,
    ) -> Result<Response<BatchCreateEntryResponse>, Status> {
        let (request, by) = self.begin(Call::Create, request).await?;
        self.digest(request.entries.len(), request.entries.iter().map(spiffe_id))?;
        let mask = request.output_mask.as_ref();
        let results = request.entries.iter().map(|entry| {
            let (status, entry) = self.shared.create(entry, Some(by));
            let entry = entry.map(|entry| rules::masked(entry, mask));
            batch_create_entry_response::Result { status: Some(status), entry }
        });
        let results = results.collect();
        self.answered(BatchCreateEntryResponse { results }).await
    }

    async fn batch_update_entry(
        &self,
        request: Request<BatchUpdateEntryRequest>,
    ) -> Result<Response<BatchUpdateEntryResponse>, Status> {
        let (request, by) = self.begin(Call::Update, request).await?;
        self.digest(request.entries.len(), request.entries.iter().map(spiffe_id))?;
        let (input, output) = (request.input_mask.as_ref(), request.output_mask.as_ref());
        let results = request.entries.iter().map(|entry| {
            let (status, entry) = self.shared.update(entry, input, by);
            let entry = entry.map(|entry| rules::masked(entry, output));
            batch_update_entry_response::Result { status: Some(status), entry }
        });
        let results = results.collect();
        self.answered(BatchUpdateEntryResponse { results }).await
    }

    async fn batch_delete_entry(
        &self,
        request: Request<BatchDeleteEntryRequest>,
    ) -> Result<Response<BatchDeleteEntryResponse>, Status> {
        let (request, by) = self.begin(Call::Delete, request).await?;
        self.digest(request.ids.len(), std::iter::empty())?;
        let results = request.ids.into_iter().map(|id| {
            let status = Some(self.shared.delete(&id, Some(by)));
            batch_delete_entry_response::Result { status, id }
        });
        let results = results.collect();
        self.answered(BatchDeleteEntryResponse { results }).await
    }

    async fn get_authorized_entries(
        &self,
        _: Request<GetAuthorizedEntriesRequest>,
    ) -> Result<Response<GetAuthorizedEntriesResponse>, Status> {
        Err(for_agents("GetAuthorizedEntries"))
    }

    type SyncAuthorizedEntriesStream = BoxStream<'static, Result<SyncAuthorizedEntriesResponse, Status>>;

    async fn sync_authorized_entries(
        &self,
        _: Request<Streaming<SyncAuthorizedEntriesRequest>>,
    ) -> Result<Response<Self::SyncAuthorizedEntriesStream>, Status> {
        Err(for_agents("SyncAuthorizedEntries"))
    }
}

/// What a caller at the socket, who is an administrator and no agent, is told.
fn for_agents(method: &str) -> Status {
    let method = format!("/spire.api.server.entry.v1.Entry/{method}");
    Status::permission_denied(format!("authorization denied for method {method}"))
}

/// What lists and counts are limited to.
#[derive(Default)]
struct Filter {
    spiffe_id: Option<types::Spiffeid>,
    parent_id: Option<types::Spiffeid>,
    selectors: Option<types::SelectorMatch>,
    federates_with: Option<types::FederatesWithMatch>,
    hint: Option<String>,
    downstream: Option<bool>,
}

impl From<list_entries_request::Filter> for Filter {
    fn from(filter: list_entries_request::Filter) -> Self {
        Self {
            spiffe_id: filter.by_spiffe_id,
            parent_id: filter.by_parent_id,
            selectors: filter.by_selectors,
            federates_with: filter.by_federates_with,
            hint: filter.by_hint,
            downstream: filter.by_downstream,
        }
    }
}

impl From<count_entries_request::Filter> for Filter {
    fn from(filter: count_entries_request::Filter) -> Self {
        Self {
            spiffe_id: filter.by_spiffe_id,
            parent_id: filter.by_parent_id,
            selectors: filter.by_selectors,
            federates_with: filter.by_federates_with,
            hint: filter.by_hint,
            downstream: filter.by_downstream,
        }
    }
}

impl Filter {
    fn checked(self, home: &str) -> Result<Self, Status> {
        let malformed = |what: &str, problem: &str| {
            Status::invalid_argument(format!("malformed {what} filter: {problem}"))
        };
        if self.parent_id.is_some() {
            let parent = spiffe_id::member(self.parent_id.as_ref(), home);
            parent.map_err(|problem| malformed("parent ID", &problem))?;
        }
        if self.spiffe_id.is_some() {
            let id = spiffe_id::workload(self.spiffe_id.as_ref(), home);
            id.map_err(|problem| malformed("SPIFFE ID", &problem))?;
        }
        if let Some(wanted) = &self.selectors {
            rules::selectors(&wanted.selectors).map_err(|problem| malformed("selectors", &problem))?;
            if wanted.selectors.is_empty() {
                return Err(malformed("selectors", "empty selector set"));
            }
        }
        if let Some(wanted) = &self.federates_with {
            for name in &wanted.trust_domains {
                spiffe_id::trust_domain(name).map_err(|problem| malformed("federates with", &problem))?;
            }
            if wanted.trust_domains.is_empty() {
                return Err(malformed("federates with", "empty trust domain set"));
            }
        }
        Ok(self)
    }

    fn fits(&self, entry: &Entry) -> bool {
        let is =
            |wanted: &Option<types::Spiffeid>, id: &Option<types::Spiffeid>| wanted.is_none() || wanted == id;
        let selectors = self.selectors.as_ref().is_none_or(|wanted| {
            let (has, wants) = (selector_set(&entry.selectors), selector_set(&wanted.selectors));
            match wanted.r#match() {
                SelectorsMatch::MatchExact => has == wants,
                SelectorsMatch::MatchSubset => has.is_subset(&wants),
                SelectorsMatch::MatchSuperset => has.is_superset(&wants),
                SelectorsMatch::MatchAny => !has.is_disjoint(&wants),
            }
        });
        let domains = self.federates_with.as_ref().is_none_or(|wanted| {
            let has: BTreeSet<&String> = entry.federates_with.iter().collect();
            let wants: BTreeSet<&String> = wanted.trust_domains.iter().collect();
            match wanted.r#match() {
                DomainsMatch::MatchExact => has == wants,
                DomainsMatch::MatchSubset => !has.is_empty() && has.is_subset(&wants),
                DomainsMatch::MatchSuperset => has.is_superset(&wants),
                DomainsMatch::MatchAny => !has.is_disjoint(&wants),
            }
        });
        is(&self.spiffe_id, &entry.spiffe_id)
            && is(&self.parent_id, &entry.parent_id)
            && selectors
            && domains
            // An empty hint is none, and `downstream: false` finds all.
            && self.hint.as_ref().is_none_or(|hint| hint.is_empty() || *hint == entry.hint)
            && (self.downstream != Some(true) || entry.downstream)
    }
}
