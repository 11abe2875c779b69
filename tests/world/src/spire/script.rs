//! One fixed script of Entry API calls, whose transcript is the same at a real SPIRE server and at the simulated one.
//!
//! It needs a server of the trust domain `example.org` that has no entries and knows the bundle of `partner.example`.

use std::path::Path;

use registrar_proto::entry::entry_client::EntryClient;
use registrar_proto::entry::{
    BatchCreateEntryRequest, BatchDeleteEntryRequest, BatchUpdateEntryRequest, CountEntriesRequest,
    GetAuthorizedEntriesRequest, GetEntryRequest, ListEntriesRequest, list_entries_request::Filter,
};
use registrar_proto::types::{self, Entry, EntryMask, Selector, SelectorMatch, Spiffeid};
use serde_json::{Map, Value, json};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::rules::ALL;

const HOME: &str = "example.org";

/// What a mask with nothing in it leaves: the id.
const NONE: EntryMask = EntryMask {
    spiffe_id: false,
    parent_id: false,
    selectors: false,
    x509_svid_ttl: false,
    federates_with: false,
    admin: false,
    downstream: false,
    expires_at: false,
    dns_names: false,
    revision_number: false,
    store_svid: false,
    jwt_svid_ttl: false,
    hint: false,
    created_at: false,
    additional_attributes: false,
};

/// Makes the calls at the server that listens at this socket. The transcript is pretty JSON, one object a step, without
/// times, made-up ids and page tokens.
pub async fn transcript(socket: &Path) -> String {
    let endpoint = Endpoint::from_shared(format!("unix:{}", socket.display())).expect("a socket's path");
    let client = EntryClient::new(endpoint.connect_lazy());
    let mut script = Script { client, steps: Vec::new() };
    script.creating().await;
    script.judging().await;
    script.reading().await;
    script.updating().await;
    script.deleting().await;
    let mut text = serde_json::to_string_pretty(&script.steps).expect("JSON");
    text.push('\n');
    text
}

/// An entry as one line.
pub(super) fn told(entry: &Entry) -> String {
    shown(entry).to_string()
}

/// What is judged, and what makes it of an entry that is right.
type Case = (&'static str, fn(&mut Entry));

struct Script {
    client: EntryClient<Channel>,
    steps: Vec<Value>,
}

impl Script {
    async fn creating(&mut self) {
        let full = Entry {
            x509_svid_ttl: 3600,
            jwt_svid_ttl: 300,
            federates_with: vec!["partner.example".to_owned()],
            admin: true,
            downstream: true,
            dns_names: vec!["web.shop.svc".to_owned(), "a.shop.svc".to_owned()],
            hint: "outer".to_owned(),
            additional_attributes: Some(types::entry::AdditionalAttributes {
                disable_x509_svid_prefetch: true,
                jwt_svid_include_jti: false,
            }),
            ..entry("full", "/full", &["k8s:ns:shop", "k8s:pod-uid:u1"])
        };
        self.create("an entry with everything", vec![full.clone()], None).await;
        self.create(
            "several entries, each with its status",
            vec![entry("b", "/b", &["a:b"]), entry("c", "/c", &["a:c"])],
            Some(NONE),
        )
        .await;
        self.create("no id: the server makes one up", vec![entry("", "/made-up", &["a:b"])], None).await;
        self.create(
            "a similar entry, selectors in another order and all else different",
            vec![similar(&full)],
            None,
        )
        .await;
        self.create("a similar entry, masked", vec![similar(&full)], Some(NONE)).await;
        self.create("the very same again", vec![full], None).await;
        self.create("an id that is taken, for another entry", vec![entry("b", "/other", &["a:b"])], None)
            .await;
        self.create("a doubled selector", vec![entry("doubled", "/doubled", &["a:b", "a:b"])], None).await;
        self.create(
            "a doubled selector where a similar entry is",
            vec![entry("doubled", "/b", &["a:b", "a:b"])],
            None,
        )
        .await;
        let doubled_name = Entry {
            dns_names: vec!["one.example".to_owned(), "one.example".to_owned()],
            ..entry("doubled", "/doubled", &["a:b"])
        };
        self.create("a doubled DNS name", vec![doubled_name], None).await;
        let federates = |name: &str, with: &[&str]| Entry {
            federates_with: with.iter().map(|name| (*name).to_owned()).collect(),
            ..entry(name, &format!("/{name}"), &["a:b"])
        };
        self.create(
            "federation with one's own trust domain",
            vec![federates("self", &[HOME, "partner.example"])],
            None,
        )
        .await;
        let doubled = federates("twice", &["partner.example", "spiffe://partner.example", "partner.example"]);
        self.create("federation twice with one, once by its SPIFFE ID", vec![doubled], None).await;
        let mixed = vec![
            federates("unknown", &["partner.example", "unknown.example"]),
            entry("after-unknown", "/after-unknown", &["a:b"]),
        ];
        self.create("an unknown federated bundle fails its entry alone", mixed, Some(NONE)).await;
        let parented = |name: &str, path: &str| Entry {
            parent_id: Some(id(HOME, path)),
            ..entry(name, &format!("/{name}"), &["a:b"])
        };
        let parents = vec![parented("of-server", "/spire/server"), parented("of-anything", "/any/thing")];
        self.create("any parent in the trust domain", parents, None).await;
        let attributes = Entry {
            additional_attributes: Some(types::entry::AdditionalAttributes::default()),
            ..entry("attributes", "/attributes", &["a:b"])
        };
        self.create("additional attributes at their defaults", vec![attributes], None).await;
        let long = entry(&"x".repeat(255), "/long-id", &["a:b"]);
        self.create("an id of 255 characters", vec![long], Some(NONE)).await;
        self.create("all characters of ids", vec![entry("A-Z.a_z-09", "/characters", &["a:b"])], Some(NONE))
            .await;
        let revised = Entry { revision_number: 7, created_at: 7, ..entry("revised", "/revised", &["a:b"]) };
        self.create("a revision and a time of one's own", vec![revised], None).await;
        let colons = entry("colons", "/colons", &["unix:path:/bin/a:b", "k8s:pod-label:a:b"]);
        self.create("selectors with colons in their values", vec![colons], None).await;
    }

    async fn judging(&mut self) {
        let cases: [Case; 55] = [
            ("an id with a colon", |entry| entry.id = "a:b".to_owned()),
            ("an id with a slash", |entry| entry.id = "a/b".to_owned()),
            ("an id with a space", |entry| entry.id = "a b".to_owned()),
            ("an id with a letter of another script", |entry| entry.id = "é".to_owned()),
            ("an id of 256 characters", |entry| entry.id = "x".repeat(256)),
            ("no SPIFFE ID", |entry| entry.spiffe_id = None),
            ("no parent", |entry| entry.parent_id = None),
            ("an empty SPIFFE ID", |entry| entry.spiffe_id = Some(id("", ""))),
            ("another trust domain", |entry| entry.spiffe_id = Some(id("other.example", "/x"))),
            ("a parent of another trust domain", |entry| entry.parent_id = Some(id("other.example", "/x"))),
            ("a trust domain with capitals", |entry| entry.spiffe_id = Some(id("Example.org", "/x"))),
            ("a trust domain with a port", |entry| entry.spiffe_id = Some(id("example.org:80", "/x"))),
            ("a trust domain as a SPIFFE ID", |entry| {
                entry.spiffe_id = Some(id("spiffe://other.example", "/x"))
            }),
            ("a trust domain as another URL", |entry| {
                entry.spiffe_id = Some(id("https://example.org", "/x"))
            }),
            ("no path", |entry| entry.spiffe_id = Some(id(HOME, ""))),
            ("a parent without a path", |entry| entry.parent_id = Some(id(HOME, ""))),
            ("a path without a slash", |entry| entry.spiffe_id = Some(id(HOME, "x"))),
            ("a path that is a slash", |entry| entry.spiffe_id = Some(id(HOME, "/"))),
            ("a path that ends with a slash", |entry| entry.spiffe_id = Some(id(HOME, "/x/"))),
            ("an empty segment", |entry| entry.spiffe_id = Some(id(HOME, "/x//y"))),
            ("an empty first segment", |entry| entry.spiffe_id = Some(id(HOME, "//x"))),
            ("a dot segment", |entry| entry.spiffe_id = Some(id(HOME, "/x/./y"))),
            ("a segment of two dots", |entry| entry.spiffe_id = Some(id(HOME, "/x/.."))),
            ("a path with a colon", |entry| entry.spiffe_id = Some(id(HOME, "/x:y"))),
            ("a path with an escape", |entry| entry.spiffe_id = Some(id(HOME, "/x%20y"))),
            ("a colon and an empty segment", |entry| entry.spiffe_id = Some(id(HOME, "/:/"))),
            ("SPIRE's own path", |entry| entry.spiffe_id = Some(id(HOME, "/spire"))),
            ("a path below SPIRE's own", |entry| entry.spiffe_id = Some(id(HOME, "/spire/agent/x"))),
            ("no selectors", |entry| entry.selectors.clear()),
            ("a selector without a type", |entry| entry.selectors = vec![selector("", "b")]),
            ("a selector without a value", |entry| entry.selectors = vec![selector("a", "")]),
            ("a selector with a colon in its type", |entry| entry.selectors = vec![selector("a:b", "c")]),
            ("a lifetime below zero", |entry| entry.x509_svid_ttl = -1),
            ("a JWT lifetime below zero", |entry| entry.jwt_svid_ttl = -1),
            ("a hint of 1025 characters", |entry| entry.hint = "h".repeat(1025)),
            ("a federated trust domain with capitals", |entry| {
                entry.federates_with = vec!["Partner".to_owned()]
            }),
            ("an empty federated trust domain", |entry| entry.federates_with = vec![String::new()]),
            ("an empty DNS name", |entry| entry.dns_names = vec![String::new()]),
            ("a DNS name with an underscore", |entry| entry.dns_names = vec!["a_b.example".to_owned()]),
            ("a DNS name with a space", |entry| entry.dns_names = vec!["a b.example".to_owned()]),
            ("a DNS name with a slash", |entry| entry.dns_names = vec!["a/b.example".to_owned()]),
            ("a DNS name with spaces around it", |entry| entry.dns_names = vec![" web.example ".to_owned()]),
            ("a DNS name with two hyphens in the third place", |entry| {
                entry.dns_names = vec!["ab--c.example".to_owned()];
            }),
            ("a DNS name of encoded letters", |entry| {
                entry.dns_names = vec!["xn--bcher-kva.example".to_owned()]
            }),
            ("a DNS name with capitals", |entry| entry.dns_names = vec!["Web.example".to_owned()]),
            ("a DNS name that ends with a dot", |entry| entry.dns_names = vec!["web.example.".to_owned()]),
            ("a DNS name with an empty label", |entry| entry.dns_names = vec!["web..example".to_owned()]),
            ("a DNS name with a hyphen at an edge", |entry| {
                entry.dns_names = vec!["-web.example".to_owned()]
            }),
            ("a DNS name with a hyphen at the other edge", |entry| {
                entry.dns_names = vec!["web-.example".to_owned()]
            }),
            ("a DNS name with a long label", |entry| {
                entry.dns_names = vec![format!("{}.example", "a".repeat(64))]
            }),
            ("a DNS name of 255 characters", |entry| {
                entry.dns_names = vec![vec!["a".repeat(63); 4].join(".")]
            }),
            ("a DNS name with two wildcards", |entry| entry.dns_names = vec!["*.*.example".to_owned()]),
            ("a wildcard that is not first", |entry| entry.dns_names = vec!["web.*.example".to_owned()]),
            ("a DNS name of another script", |entry| entry.dns_names = vec!["bücher.example".to_owned()]),
            ("selectors of two types with a stored SVID", |entry| {
                entry.store_svid = true;
                entry.selectors.push(selector("c", "d"));
            }),
        ];
        for (number, (what, change)) in cases.into_iter().enumerate() {
            let mut judged = entry(&format!("judged-{number}"), &format!("/judged-{number}"), &["a:b"]);
            change(&mut judged);
            self.create(what, vec![judged], Some(NONE)).await;
        }
        let right = |change: fn(&mut Entry)| {
            let mut right = entry("", "/right", &["a:b"]);
            change(&mut right);
            right
        };
        let accepted: [Case; 4] = [
            ("a wildcard DNS name and its overlap", |entry| {
                entry.dns_names = vec!["*.example".to_owned(), "web.example".to_owned()];
            }),
            ("a hint of 1024 characters", |entry| {
                entry.hint = "h".repeat(1024);
                entry.spiffe_id = Some(id(HOME, "/right-hint"));
            }),
            ("a stored SVID", |entry| {
                entry.store_svid = true;
                entry.spiffe_id = Some(id(HOME, "/right-store"));
            }),
            ("capitals and dots in a path", |entry| entry.spiffe_id = Some(id(HOME, "/A.b_C-d/..."))),
        ];
        for (what, change) in accepted {
            self.create(what, vec![right(change)], Some(NONE)).await;
        }
        // One byte more than gRPC's limit, in a field that is not looked at before.
        let bulky = |bytes: usize| Entry { hint: "h".repeat(bytes), ..entry("bulky", "/bulky", &["a:b"]) };
        let request =
            |bytes| BatchCreateEntryRequest { entries: vec![bulky(bytes)], output_mask: Some(NONE) };
        let limit = 4 << 20;
        let overhead = prost::Message::encoded_len(&request(limit)) - limit;
        self.create("a message of 4 MiB", vec![bulky(limit - overhead)], Some(NONE)).await;
        self.create("a message of a byte more", vec![bulky(limit - overhead + 1)], Some(NONE)).await;
    }

    async fn reading(&mut self) {
        self.get("an entry", "full", None).await;
        self.get("an entry, masked", "full", Some(EntryMask { spiffe_id: true, dns_names: true, ..NONE }))
            .await;
        self.get("an entry that is not there", "nowhere", None).await;
        self.get("no id", "", None).await;
        self.list(
            "everything at once",
            ListEntriesRequest {
                output_mask: Some(EntryMask { spiffe_id: true, ..NONE }),
                ..Default::default()
            },
        )
        .await;
        let below_zero = ListEntriesRequest { page_size: -1, output_mask: Some(NONE), ..Default::default() };
        self.list("a page size below zero", below_zero).await;
        self.pages(7).await;
        let token = ListEntriesRequest { page_size: 2, page_token: "x".to_owned(), ..Default::default() };
        self.list("a page token that is none", token).await;
        let ignored =
            ListEntriesRequest { page_token: "x".to_owned(), output_mask: Some(NONE), ..Default::default() };
        self.list("a page token without pages", ignored).await;
        let by = |filter: Filter| ListEntriesRequest {
            filter: Some(filter),
            output_mask: Some(NONE),
            ..Default::default()
        };
        self.list("by SPIFFE ID", by(Filter { by_spiffe_id: Some(id(HOME, "/full")), ..Default::default() }))
            .await;
        self.list(
            "by parent",
            by(Filter { by_parent_id: Some(id(HOME, "/spire/server")), ..Default::default() }),
        )
        .await;
        self.list("by hint", by(Filter { by_hint: Some("outer".to_owned()), ..Default::default() })).await;
        self.list("by what is downstream", by(Filter { by_downstream: Some(true), ..Default::default() }))
            .await;
        for (what, behavior) in [("exactly", 0), ("a subset of", 1), ("a superset of", 2), ("any of", 3)] {
            let selectors =
                vec![selector("k8s", "pod-uid:u1"), selector("k8s", "ns:shop"), selector("a", "c")];
            let count = if behavior == 1 { 3 } else { 2 };
            let wanted =
                SelectorMatch { selectors: selectors.into_iter().take(count).collect(), r#match: behavior };
            let filter = Filter { by_selectors: Some(wanted), ..Default::default() };
            self.list(&format!("by selectors: {what}"), by(filter)).await;
        }
        let empty = SelectorMatch { selectors: Vec::new(), r#match: 0 };
        self.list("by no selectors", by(Filter { by_selectors: Some(empty), ..Default::default() })).await;
        let reserved = Filter { by_spiffe_id: Some(id(HOME, "/spire/x")), ..Default::default() };
        self.list("by a SPIFFE ID that no entry has", by(reserved)).await;
        let count = self.client.clone().count_entries(CountEntriesRequest { filter: None }).await;
        self.step(
            "CountEntries",
            "all",
            outcome(count.map(|answer| json!({"count": answer.into_inner().count}))),
        );
        let request = GetAuthorizedEntriesRequest { output_mask: None };
        let authorized = self
            .client
            .clone()
            .get_authorized_entries(request)
            .await
            .map(|answer| json!({"entries": answer.into_inner().entries.len()}));
        self.step("GetAuthorizedEntries", "as no agent", outcome(authorized));
    }

    async fn updating(&mut self) {
        let only = |mask: EntryMask| Some(mask);
        let hinted = Entry { hint: "inner".to_owned(), ..bare("full") };
        self.update("one field", hinted, only(EntryMask { hint: true, ..NONE }), None).await;
        let renamed = Entry {
            dns_names: vec!["z.shop.svc".to_owned(), "web.shop.svc".to_owned()],
            ..entry("full", "/ignored", &["ignored:x"])
        };
        self.update("DNS names in another order", renamed, only(EntryMask { dns_names: true, ..NONE }), None)
            .await;
        self.get("DNS names in the order in which they were given", "full", None).await;
        self.update("with no field in the mask", bare("full"), only(NONE), None).await;
        self.update(
            "key and selectors",
            entry("full", "/moved", &["a:z", "a:y"]),
            only(EntryMask { spiffe_id: true, selectors: true, ..NONE }),
            None,
        )
        .await;
        self.get("selectors in the order in which they were given", "full", None).await;
        self.update("without a mask: every field", entry("full", "/full", &["k8s:pod-uid:u1"]), None, None)
            .await;
        self.update("without a change", entry("full", "/full", &["k8s:pod-uid:u1"]), only(ALL), None).await;
        self.update("to the key of another entry", entry("c", "/b", &["a:b"]), only(ALL), None).await;
        self.create("an entry similar to two", vec![entry("third", "/b", &["a:b"])], Some(NONE)).await;
        self.update("answered by its id alone", entry("c", "/c", &["a:c"]), only(ALL), Some(NONE)).await;
        self.update("an entry that is not there", entry("nowhere", "/x", &["a:b"]), only(ALL), None).await;
        self.update("an entry of no id", entry("", "/x", &["a:b"]), only(ALL), None).await;
        let revised = Entry { revision_number: 100, created_at: 5, ..entry("c", "/c", &["a:c"]) };
        self.update("a revision of one's own", revised, only(ALL), None).await;
        self.update("a doubled selector", entry("c", "/c", &["a:c", "a:c"]), only(ALL), None).await;
        let doubled = Entry { dns_names: vec!["one.example".to_owned(); 2], ..entry("c", "/c", &["a:c"]) };
        self.update("a doubled DNS name", doubled, only(ALL), None).await;
        let unknown = Entry { federates_with: vec!["unknown.example".to_owned()], ..bare("c") };
        self.update(
            "an unknown federated bundle",
            unknown,
            only(EntryMask { federates_with: true, ..NONE }),
            None,
        )
        .await;
        let partner = Entry { federates_with: vec!["partner.example".to_owned()], ..bare("c") };
        self.update(
            "a known federated bundle",
            partner,
            only(EntryMask { federates_with: true, ..NONE }),
            None,
        )
        .await;
        self.update(
            "a field beside the federation",
            Entry { admin: true, ..bare("c") },
            only(EntryMask { admin: true, ..NONE }),
            None,
        )
        .await;
        self.update(
            "federation with none",
            bare("c"),
            only(EntryMask { federates_with: true, ..NONE }),
            None,
        )
        .await;
        self.update("no selectors", bare("c"), only(EntryMask { selectors: true, ..NONE }), None).await;
        self.update("no SPIFFE ID", bare("c"), only(EntryMask { spiffe_id: true, ..NONE }), None).await;
        self.update("no parent", bare("c"), only(EntryMask { parent_id: true, ..NONE }), None).await;
        self.update(
            "a lifetime below zero",
            Entry { x509_svid_ttl: -1, ..bare("c") },
            only(EntryMask { x509_svid_ttl: true, ..NONE }),
            None,
        )
        .await;
        let reserved = entry("c", "/spire/agent/x", &["a:c"]);
        self.update("a path below SPIRE's own", reserved, only(EntryMask { spiffe_id: true, ..NONE }), None)
            .await;
        let stored =
            Entry { store_svid: true, selectors: vec![selector("a", "b"), selector("c", "d")], ..bare("c") };
        self.update(
            "selectors of two types with a stored SVID",
            stored,
            only(EntryMask { store_svid: true, selectors: true, ..NONE }),
            None,
        )
        .await;
        self.get("what failed updates left as it was", "c", None).await;
    }

    async fn deleting(&mut self) {
        self.delete("there, not there, no id, there", &["c", "nowhere", "", "b"]).await;
        self.delete("again", &["c"]).await;
        self.delete("none", &[]).await;
        self.create("a deleted id again", vec![entry("c", "/c", &["a:c"])], None).await;
        let last = ListEntriesRequest { output_mask: Some(NONE), ..Default::default() };
        self.list("everything at the end", last).await;
    }

    async fn create(&mut self, what: &str, entries: Vec<Entry>, mask: Option<EntryMask>) {
        let request = BatchCreateEntryRequest { entries, output_mask: mask };
        let answer = self.client.clone().batch_create_entry(request).await;
        let results = answer.map(|answer| {
            let results = answer.into_inner().results;
            json!(results.into_iter().map(|one| result(one.status, one.entry.as_ref())).collect::<Vec<_>>())
        });
        self.step("BatchCreateEntry", what, outcome(results));
    }

    async fn update(
        &mut self,
        what: &str,
        entry: Entry,
        input: Option<EntryMask>,
        output: Option<EntryMask>,
    ) {
        let request =
            BatchUpdateEntryRequest { entries: vec![entry], input_mask: input, output_mask: output };
        let answer = self.client.clone().batch_update_entry(request).await;
        let results = answer.map(|answer| {
            let results = answer.into_inner().results;
            json!(results.into_iter().map(|one| result(one.status, one.entry.as_ref())).collect::<Vec<_>>())
        });
        self.step("BatchUpdateEntry", what, outcome(results));
    }

    async fn delete(&mut self, what: &str, ids: &[&str]) {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        let answer = self.client.clone().batch_delete_entry(BatchDeleteEntryRequest { ids }).await;
        let results = answer.map(|answer| {
            let results = answer.into_inner().results.into_iter();
            let shown = results.map(|one| {
                let mut shown = result(one.status, None);
                shown["id"] = json!(one.id);
                shown
            });
            json!(shown.collect::<Vec<_>>())
        });
        self.step("BatchDeleteEntry", what, outcome(results));
    }

    async fn get(&mut self, what: &str, id: &str, mask: Option<EntryMask>) {
        let request = GetEntryRequest { id: id.to_owned(), output_mask: mask };
        let answer = self.client.clone().get_entry(request).await;
        self.step("GetEntry", what, outcome(answer.map(|answer| shown(&answer.into_inner()))));
    }

    async fn list(&mut self, what: &str, request: ListEntriesRequest) {
        let answer = self.client.clone().list_entries(request).await;
        let listed = answer.map(|answer| {
            let answer = answer.into_inner();
            let entries: Vec<Value> = answer.entries.iter().map(shown).collect();
            json!({"entries": entries, "has a next page": !answer.next_page_token.is_empty()})
        });
        self.step("ListEntries", what, outcome(listed));
    }

    /// Lists in pages to the end.
    async fn pages(&mut self, page_size: i32) {
        let mut page_token = String::new();
        let mut sizes = Vec::new();
        loop {
            let request = ListEntriesRequest { page_size, page_token, output_mask: Some(NONE), filter: None };
            let page = self.client.clone().list_entries(request).await.expect("a page").into_inner();
            sizes.push(page.entries.len());
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        self.step("ListEntries", "in pages", json!({"entries in each page": sizes}));
    }

    fn step(&mut self, call: &str, what: &str, answer: Value) {
        self.steps.push(json!({"call": call, "what": what, "answer": answer}));
    }
}

fn id(trust_domain: &str, path: &str) -> Spiffeid {
    Spiffeid { trust_domain: trust_domain.to_owned(), path: path.to_owned() }
}

fn selector(kind: &str, value: &str) -> Selector {
    Selector { r#type: kind.to_owned(), value: value.to_owned() }
}

fn bare(entry_id: &str) -> Entry {
    Entry { id: entry_id.to_owned(), ..Entry::default() }
}

/// An entry below an agent, with selectors of the form `type:value`.
fn entry(entry_id: &str, path: &str, selectors: &[&str]) -> Entry {
    let selectors = selectors.iter().map(|text| {
        let (kind, value) = text.split_once(':').expect("a selector");
        selector(kind, value)
    });
    Entry {
        spiffe_id: Some(id(HOME, path)),
        parent_id: Some(id(HOME, "/spire/agent/k8s_psat/c/n")),
        selectors: selectors.collect(),
        ..bare(entry_id)
    }
}

fn similar(to: &Entry) -> Entry {
    let mut similar = entry("similar", "/ignored", &["a:b"]);
    similar.spiffe_id.clone_from(&to.spiffe_id);
    similar.selectors = to.selectors.iter().rev().cloned().collect();
    similar
}

fn outcome(answer: Result<Value, Status>) -> Value {
    answer
        .unwrap_or_else(|status| json!({"code": format!("{:?}", status.code()), "message": status.message()}))
}

fn result(status: Option<types::Status>, entry: Option<&Entry>) -> Value {
    let status = status.unwrap_or_default();
    let code = format!("{:?}", tonic::Code::from_i32(status.code));
    let mut result = json!({"code": code, "message": status.message});
    if let Some(entry) = entry {
        result["entry"] = shown(entry);
    }
    result
}

/// An entry without what is at its default, without its time, and without an id that the server made up.
fn shown(entry: &Entry) -> Value {
    let mut fields = Map::new();
    let is_made_up = entry.id.len() == 36 && entry.id.matches('-').count() == 4;
    fields.insert("id".to_owned(), json!(if is_made_up { "(made up)" } else { &entry.id }));
    let mut put = |name: &str, value: Value, is_default: bool| {
        if !is_default {
            fields.insert(name.to_owned(), value);
        }
    };
    let uri = |id: &Option<Spiffeid>| {
        id.as_ref().map(|id| format!("spiffe://{}{}", id.trust_domain, id.path)).unwrap_or_default()
    };
    put("spiffe_id", json!(uri(&entry.spiffe_id)), entry.spiffe_id.is_none());
    put("parent_id", json!(uri(&entry.parent_id)), entry.parent_id.is_none());
    let selectors = entry.selectors.iter().map(|one| format!("{}:{}", one.r#type, one.value));
    put("selectors", json!(selectors.collect::<Vec<_>>()), entry.selectors.is_empty());
    put("x509_svid_ttl", json!(entry.x509_svid_ttl), entry.x509_svid_ttl == 0);
    put("jwt_svid_ttl", json!(entry.jwt_svid_ttl), entry.jwt_svid_ttl == 0);
    put("federates_with", json!(entry.federates_with), entry.federates_with.is_empty());
    put("admin", json!(true), !entry.admin);
    put("downstream", json!(true), !entry.downstream);
    put("store_svid", json!(true), !entry.store_svid);
    put("expires_at", json!(entry.expires_at), entry.expires_at == 0);
    put("dns_names", json!(entry.dns_names), entry.dns_names.is_empty());
    put("hint", json!(entry.hint), entry.hint.is_empty());
    put("revision_number", json!(entry.revision_number), entry.revision_number == 0);
    put("created", json!(true), entry.created_at == 0);
    let attributes = entry.additional_attributes.map(|attributes| {
        json!({
            "disable_x509_svid_prefetch": attributes.disable_x509_svid_prefetch,
            "jwt_svid_include_jti": attributes.jwt_svid_include_jti,
        })
    });
    put("additional_attributes", json!(attributes), attributes.is_none());
    Value::Object(fields)
}
