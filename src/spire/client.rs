//! The client itself: one writing call in flight at a time is the caller's rule, a deadline for each call is this file's.

use std::error::Error as _;
use std::future::Future;
use std::io;

use registrar_core::entry::EntryId;
use registrar_core::mirror::Observed;
use registrar_core::spiffe::TrustDomain;
use registrar_proto::agent::agent_client::AgentClient;
use registrar_proto::entry::entry_client::EntryClient;
use registrar_proto::entry::{
    BatchCreateEntryRequest, BatchDeleteEntryRequest, BatchUpdateEntryRequest, CountEntriesRequest,
    GetEntryRequest, ListEntriesRequest, batch_create_entry_response, list_entries_request,
};
use registrar_proto::types;
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Code, ConnectError, Request, Response, Status};
use tracing::warn;

use super::connect::Server;
use super::convert::{ALL_FIELDS, ID_ONLY, observe, to_proto};
use super::framed::Framed;
use super::{CreateResult, Failure, Identified, Page, SpireError, WriteResult};

const PAGE_ENTRIES: i32 = 500;

/// What a page or a batch's answer may take. SPIRE's own limit is on what it receives, not on what it sends.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A client of the Entry API that connects when it is first used and again whenever the connection is lost.
#[derive(Debug, Clone)]
pub struct Spire {
    key: &'static str,
    place: String,
    entries: EntryClient<Framed>,
    pub(super) agents: AgentClient<Channel>,
}

impl Spire {
    /// A client of this server. Nothing is connected yet.
    pub fn new(server: &Server) -> Result<Self, SpireError> {
        let (key, place) = (server.key(), server.place().to_owned());
        match server.channel() {
            Ok(channel) => {
                let agents = AgentClient::new(channel.clone());
                let entries = EntryClient::new(Framed(channel)).max_decoding_message_size(MAX_ANSWER_BYTES);
                Ok(Self { key, place, entries, agents })
            }
            Err(problem) => Err(SpireError::Locate { place, problem }),
        }
    }

    /// One page of all the entries that SPIRE holds, ours and others', from a token that the page before has given; an
    /// empty one is the first page's. An entry that no entry of ours could ever be in the way of is left out, with a
    /// warning.
    pub async fn list(&self, page_token: &str, deadline: Instant) -> Result<Page, SpireError> {
        const CALL: &str = "ListEntries";
        let request = ListEntriesRequest {
            filter: None,
            output_mask: Some(ALL_FIELDS),
            page_size: PAGE_ENTRIES,
            page_token: page_token.to_owned(),
        };
        let mut client = self.entries.clone();
        let page = self
            .call(CALL, deadline, request, |request| async move { client.list_entries(request).await })
            .await?;
        if !page_token.is_empty() && page.next_page_token == page_token {
            return Err(unusable(CALL, format!("page {page_token:?} names itself as the next")));
        }
        let entries = page.entries.into_iter().filter_map(told).collect();
        Ok(Page { entries, next: Some(page.next_page_token).filter(|token| !token.is_empty()) })
    }

    /// The entry of this id, as a list would tell it; none where SPIRE holds none, or one that a list would leave out.
    pub async fn get(&self, id: &EntryId, deadline: Instant) -> Result<Option<Observed>, SpireError> {
        const CALL: &str = "GetEntry";
        let request = GetEntryRequest { id: id.to_string(), output_mask: Some(ALL_FIELDS) };
        let mut client = self.entries.clone();
        let send = |request| async move {
            match client.get_entry(request).await {
                Ok(entry) => Ok(entry.map(Some)),
                Err(status) if status.code() == Code::NotFound => Ok(Response::new(None)),
                Err(status) => Err(status),
            }
        };
        let entry = self.call(CALL, deadline, request, send).await?;
        match entry.and_then(told) {
            Some(other) if other.id != *id => Err(unusable(CALL, format!("it is of entry {}", other.id))),
            observed => Ok(observed),
        }
    }

    /// How many entries SPIRE holds.
    pub async fn count(&self, deadline: Instant) -> Result<u32, SpireError> {
        let mut client = self.entries.clone();
        let request = CountEntriesRequest { filter: None };
        let answer = self.call("CountEntries", deadline, request, |request| async move {
            client.count_entries(request).await
        });
        Ok(answer.await?.count.unsigned_abs())
    }

    /// Whether SPIRE's trust domain is this one: it refuses to look for an id of another (`InvalidArgument`), and says which
    /// its own is.
    pub async fn is_of(&self, trust_domain: &TrustDomain, deadline: Instant) -> Result<(), SpireError> {
        let id = types::Spiffeid {
            trust_domain: trust_domain.as_str().to_owned(),
            path: format!("/{}", env!("CARGO_PKG_NAME")),
        };
        let filter = list_entries_request::Filter { by_spiffe_id: Some(id), ..Default::default() };
        let request = ListEntriesRequest {
            filter: Some(filter),
            output_mask: Some(ID_ONLY),
            page_size: 1,
            page_token: String::new(),
        };
        let mut client = self.entries.clone();
        let answer = self.call("ListEntries", deadline, request, |request| async move {
            client.list_entries(request).await
        });
        answer.await.map(drop)
    }

    /// Creates entries under the ids given here; one result for each, in their order.
    pub async fn create(
        &self,
        entries: &[Identified],
        deadline: Instant,
    ) -> Result<Vec<CreateResult>, SpireError> {
        const CALL: &str = "BatchCreateEntry";
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let protos = entries.iter().map(|(id, entry)| to_proto(id, entry)).collect();
        // All fields, because what already exists has to be known as exactly as if it had been listed.
        let request = BatchCreateEntryRequest { entries: protos, output_mask: Some(ALL_FIELDS) };
        let mut client = self.entries.clone();
        let answer = self
            .call(CALL, deadline, request, |request| async move { client.batch_create_entry(request).await })
            .await?;
        all_answered(CALL, entries.len(), answer.results.len())?;
        Ok(entries.iter().zip(answer.results).map(|(asked, result)| created(asked, result)).collect())
    }

    /// Makes entries in SPIRE equal to these in every field; one result for each, in their order.
    pub async fn update(
        &self,
        entries: &[Identified],
        deadline: Instant,
    ) -> Result<Vec<WriteResult>, SpireError> {
        const CALL: &str = "BatchUpdateEntry";
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let request = BatchUpdateEntryRequest {
            entries: entries.iter().map(|(id, entry)| to_proto(id, entry)).collect(),
            input_mask: Some(ALL_FIELDS),
            output_mask: Some(ID_ONLY),
        };
        let mut client = self.entries.clone();
        let answer = self
            .call(CALL, deadline, request, |request| async move { client.batch_update_entry(request).await })
            .await?;
        all_answered(CALL, entries.len(), answer.results.len())?;
        Ok(answer.results.into_iter().map(|result| written(result.status)).collect())
    }

    /// Deletes entries; one result for each, in their order.
    pub async fn delete(&self, ids: &[EntryId], deadline: Instant) -> Result<Vec<WriteResult>, SpireError> {
        const CALL: &str = "BatchDeleteEntry";
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let request = BatchDeleteEntryRequest { ids: ids.iter().map(EntryId::to_string).collect() };
        let mut client = self.entries.clone();
        let answer = self
            .call(CALL, deadline, request, |request| async move { client.batch_delete_entry(request).await })
            .await?;
        all_answered(CALL, ids.len(), answer.results.len())?;
        Ok(answer.results.into_iter().map(|result| written(result.status)).collect())
    }

    pub(super) async fn call<Q, A, F>(
        &self,
        call: &'static str,
        deadline: Instant,
        message: Q,
        send: impl FnOnce(Request<Q>) -> F,
    ) -> Result<A, SpireError>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(SpireError::Send { call });
        }
        let mut request = Request::new(message);
        // SPIRE is told too, so that it gives up when we do.
        request.set_timeout(left);
        match tokio::time::timeout_at(deadline, send(request)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.failed(call, &status)),
            Err(_) => Err(SpireError::Answer {
                call,
                code: code_name(Code::DeadlineExceeded),
                problem: format!("none came within {left:?}"),
            }),
        }
    }

    fn failed(&self, call: &'static str, status: &Status) -> SpireError {
        let code = code_name(status.code());
        let Some(cause) = status.source() else {
            let message = status.message().to_owned();
            return match status.code() {
                Code::InvalidArgument
                | Code::PermissionDenied
                | Code::Unauthenticated
                | Code::Unimplemented
                | Code::ResourceExhausted => SpireError::Refuse { call, code, message },
                _ => SpireError::Answer { call, code, problem: format!("{code}: {message}") },
            };
        };
        // A status with a cause was made on this side, from what happened to the connection.
        let mut root = cause;
        let mut in_connecting = cause.is::<ConnectError>();
        while let Some(deeper) = root.source() {
            root = deeper;
            in_connecting |= root.is::<ConnectError>();
        }
        let problem = root.to_string();
        if in_connecting {
            let next = next_step(root.downcast_ref::<io::Error>().map(io::Error::kind));
            return SpireError::Connect { key: self.key, place: self.place.clone(), problem, next };
        }
        SpireError::Answer { call, code, problem }
    }
}

/// What is kept of an entry; none of one that no entry of ours could ever be in the way of, with a warning.
fn told(entry: types::Entry) -> Option<Observed> {
    let observed = observe(entry);
    observed.inspect_err(|error| warn!(%error, "an entry in SPIRE is left out of account")).ok()
}

/// What is to be done where no connection comes about.
fn next_step(kind: Option<io::ErrorKind>) -> &'static str {
    match kind {
        Some(io::ErrorKind::NotFound) => {
            "Nothing is there: mount the folder in which the SPIRE server makes its socket, on a node where it runs \
             (docs/operations.md, Ways to SPIRE)"
        }
        Some(io::ErrorKind::PermissionDenied) => {
            "Run the registrar as a user or in a group that may open it (podSecurityContext of the chart)"
        }
        Some(io::ErrorKind::ConnectionRefused) => {
            "Nobody listens there: start the SPIRE server, or name the place where it listens"
        }
        _ => "See docs/operations.md, Ways to SPIRE",
    }
}

fn created((id, entry): &Identified, result: batch_create_entry_response::Result) -> CreateResult {
    let status = result.status.unwrap_or_else(no_status);
    match Code::from_i32(status.code) {
        Code::Ok => CreateResult::Created,
        Code::AlreadyExists => match result.entry.map(observe) {
            // Our own, from a call whose answer was lost.
            Some(Ok(observed)) if observed.id == *id && observed.content == Some(entry.hash()) => {
                CreateResult::Created
            }
            Some(Ok(observed)) => CreateResult::Similar(observed),
            Some(Err(error)) => {
                let code = code_name(Code::AlreadyExists);
                CreateResult::Failed(Failure { code, message: error.to_string() })
            }
            None => CreateResult::IdTaken,
        },
        code => CreateResult::Failed(Failure { code: code_name(code), message: status.message }),
    }
}

fn written(status: Option<types::Status>) -> WriteResult {
    let status = status.unwrap_or_else(no_status);
    match Code::from_i32(status.code) {
        Code::Ok => WriteResult::Done,
        Code::NotFound => WriteResult::NotFound,
        code => WriteResult::Failed(Failure { code: code_name(code), message: status.message }),
    }
}

fn no_status() -> types::Status {
    types::Status { code: Code::Unknown as i32, message: "SPIRE's answer has no status".to_owned() }
}

fn all_answered(call: &'static str, asked: usize, answered: usize) -> Result<(), SpireError> {
    if asked == answered {
        return Ok(());
    }
    Err(unusable(call, format!("it has {answered} results for {asked} entries")))
}

fn unusable(call: &'static str, problem: String) -> SpireError {
    SpireError::Answer { call, code: code_name(Code::Internal), problem }
}

fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use tokio::net::UnixListener;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    fn socket(path: &Path) -> Server {
        Server::Socket { path: path.to_str().unwrap().to_owned() }
    }

    fn ids() -> Vec<EntryId> {
        vec![EntryId::observed("a")]
    }

    #[tokio::test]
    async fn a_socket_nobody_listens_at_is_not_an_unknown_outcome() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.sock");
        let error = Spire::new(&socket(&path)).unwrap().delete(&ids(), soon()).await.unwrap_err();
        assert!(matches!(error, SpireError::Connect { .. }), "{error:?}");
        assert!(!error.outcome_unknown());
        assert!(error.to_string().contains("server.sock"), "{error}");
    }

    #[tokio::test]
    async fn a_connection_that_breaks_leaves_the_outcome_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let spire = Spire::new(&socket(&path)).unwrap();
        let asked = ids();
        let accept_and_close = async { drop(listener.accept().await.unwrap()) };
        let (_, result) = tokio::join!(accept_and_close, spire.delete(&asked, soon()));
        let error = result.unwrap_err();
        assert!(error.outcome_unknown(), "{error:?}");
    }

    #[tokio::test]
    async fn a_server_that_never_answers_costs_no_more_than_the_deadline() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.sock");
        let _silent = UnixListener::bind(&path).unwrap();
        let deadline = Instant::now() + Duration::from_millis(50);
        let error = Spire::new(&socket(&path)).unwrap().delete(&ids(), deadline).await.unwrap_err();
        assert!(error.outcome_unknown(), "{error:?}");
        assert_eq!(error.reason(), "SPIREAnswerMissing");
    }

    #[tokio::test]
    async fn nothing_is_sent_once_the_deadline_has_passed() {
        let spire = Spire::new(&socket(Path::new("/nowhere/server.sock"))).unwrap();
        let error = spire.delete(&ids(), Instant::now()).await.unwrap_err();
        assert!(matches!(error, SpireError::Send { .. }), "{error:?}");
        assert!(!error.outcome_unknown());
    }

    #[test]
    fn already_exists_has_two_meanings() {
        let status = Some(types::Status { code: Code::AlreadyExists as i32, message: String::new() });
        let asked = crate::spire::tests::one_entry();
        let result = |entry| batch_create_entry_response::Result { status: status.clone(), entry };
        assert_eq!(created(&asked, result(None)), CreateResult::IdTaken);
        let ours = to_proto(&asked.0, &asked.1);
        assert_eq!(created(&asked, result(Some(ours))), CreateResult::Created);
        let other = EntryId::observed("other");
        let theirs = to_proto(&other, &asked.1);
        let similar = Observed::of(other, &asked.1);
        assert_eq!(created(&asked, result(Some(theirs))), CreateResult::Similar(similar));
    }

    #[test]
    fn only_a_refusal_by_the_server_is_known_to_have_done_nothing() {
        let spire_less = |status: Status| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _entered = runtime.enter();
            Spire::new(&socket(Path::new("/s")))
                .unwrap()
                .failed("BatchCreateEntry", &status)
                .outcome_unknown()
        };
        assert!(!spire_less(Status::permission_denied("no")));
        assert!(!spire_less(Status::resource_exhausted("grpc: received message larger than max")));
        assert!(spire_less(Status::unavailable("shutting down")));
        assert!(spire_less(Status::internal("database is locked")));
        assert!(spire_less(Status::out_of_range("decoded message length too large")));
    }
}
