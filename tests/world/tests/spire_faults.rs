//! The simulated SPIRE server fails as ordered, and tells what was written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::Duration;

use registrar_proto::entry::entry_client::EntryClient;
use registrar_proto::entry::{BatchCreateEntryRequest, ListEntriesRequest};
use registrar_proto::types::{Entry, Selector, Spiffeid};
use registrar_world::spire::{Call, SpireServer, WriteKind};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

const SOON: Duration = Duration::from_secs(20);

fn entry(id: &str) -> Entry {
    let spiffe_id =
        |path: &str| Some(Spiffeid { trust_domain: "example.org".to_owned(), path: path.to_owned() });
    Entry {
        id: id.to_owned(),
        spiffe_id: spiffe_id(&format!("/{id}")),
        parent_id: spiffe_id("/node"),
        selectors: vec![Selector { r#type: "a".to_owned(), value: "b".to_owned() }],
        ..Entry::default()
    }
}

fn client(server: &SpireServer) -> EntryClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("unix:{}", server.path().display())).unwrap();
    EntryClient::new(endpoint.connect_lazy())
}

async fn create(client: &mut EntryClient<Channel>, id: &str) -> Result<Code, Status> {
    let request = BatchCreateEntryRequest { entries: vec![entry(id)], output_mask: None };
    let answer = client.batch_create_entry(request).await?.into_inner();
    Ok(Code::from_i32(answer.results[0].status.as_ref().unwrap().code))
}

#[tokio::test]
async fn a_lost_answer_is_of_a_call_that_was_carried_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = SpireServer::start(folder.path().join("s"), "example.org");
    let mut client = client(&server);
    server.lose_answers(1);
    let lost = create(&mut client, "one").await.unwrap_err();
    assert!(
        matches!(lost.code(), Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled),
        "{lost:?}"
    );
    assert_eq!(create(&mut client, "one").await.unwrap(), Code::AlreadyExists);
    server.withhold_answers(1);
    let mut waiting = client.clone();
    let answer = create(&mut waiting, "two");
    tokio::select! {
        answer = answer => panic!("{answer:?}"),
        () = server.until("the entry is there", SOON, |view| view.entries.len() == 2) => {}
    }
    server.refuse_calls(1, Code::Unavailable);
    assert_eq!(create(&mut client, "three").await.unwrap_err().code(), Code::Unavailable);
    server.refuse_entries("/three", Code::Internal);
    assert_eq!(create(&mut client, "three").await.unwrap(), Code::Internal);
    server.accept_entries();
    assert_eq!(create(&mut client, "three").await.unwrap(), Code::Ok);
    let writes: Vec<(WriteKind, String)> =
        server.writes().into_iter().map(|write| (write.kind, write.spiffe_id)).collect();
    let created = |id: &str| (WriteKind::Create, format!("spiffe://example.org/{id}"));
    assert_eq!(writes, [created("one"), created("two"), created("three")]);
    assert_eq!(server.calls(Call::Create), 6);
}

#[tokio::test]
async fn a_stopped_server_keeps_its_entries() {
    let folder = tempfile::tempdir().unwrap();
    let server = SpireServer::start(folder.path().join("s"), "example.org");
    server.insert_foreign(entry("one"));
    let mut client = client(&server);
    let mut count = async || {
        let listed = client.list_entries(ListEntriesRequest::default()).await;
        listed.map(|answer| answer.into_inner().entries.len())
    };
    assert_eq!(count().await.unwrap(), 1);
    server.stop();
    assert!(count().await.is_err());
    server.come_back();
    assert_eq!(count().await.unwrap(), 1);
    server.delete_foreign("one");
    assert_eq!(count().await.unwrap(), 0);
}
