//! The page at `admin.bindAddress`, without a browser: each view, what it escapes, its headers, whom it refuses.

use std::net::SocketAddr;
use std::time::Duration;

use registrar_world::{Process, World, objects};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::fleet::{Fleet, PATIENCE, identity, pod, uid};

const EVIL: &str = "<script>alert(1)</script>";
const ESCAPED: &str = "&#60;script&#62;alert(1)&#60;/script&#62;";

/// What is answered to one request.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    #[track_caller]
    fn has(&self, texts: &[&str]) {
        for text in texts {
            assert!(self.body.contains(text), "{text:?} in {}\n{}", self.head, self.body);
        }
    }
}

async fn ask(address: SocketAddr, method: &str, path: &str, host: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

async fn get(fleet: &Fleet, path: &str) -> Answer {
    let answer = ask(fleet.registrar.admin, "GET", path, &fleet.registrar.admin.to_string()).await;
    let scripts = answer.body.matches("<script").count();
    assert!(scripts <= 1 && !answer.body.contains("<img"), "{path}: {}", answer.body);
    answer
}

/// Waits until a view shows this.
async fn until(fleet: &Fleet, path: &str, text: &str) -> Answer {
    let mut changes = Changes::of(fleet.registrar.admin).await;
    let looking = async {
        loop {
            let answer = get(fleet, path).await;
            if answer.body.contains(text) {
                return answer;
            }
            changes.next().await;
        }
    };
    let looked = tokio::time::timeout(PATIENCE, looking).await;
    match looked {
        Ok(answer) => answer,
        Err(_) => panic!("{path} never had {text:?}: {}", get(fleet, path).await.body),
    }
}

/// The stream of changes, as a browser has it.
struct Changes(BufReader<TcpStream>);

impl Changes {
    async fn of(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /changes HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Self(BufReader::new(stream))
    }

    /// Whether one more change is told before the stream ends.
    async fn next(&mut self) -> bool {
        let (mut line, mut is_changed) = (String::new(), false);
        while self.0.read_line(&mut line).await.unwrap() > 0 {
            is_changed |= line == "event: changed\n";
            // A browser passes over an event without data.
            if is_changed && line.starts_with("data:") {
                return true;
            }
            line.clear();
        }
        false
    }
}

async fn start(mut world: World, clusters: &[&str]) -> Fleet {
    world.configure(&json!({"admin": {"page": true}}));
    clusters.iter().for_each(|name| world.register(name));
    let registrar = world.run(crate::PROGRAM);
    registrar.until_logged("key=\"admin.bindAddress\"", PATIENCE).await;
    Fleet { world, registrar }
}

#[tokio::test]
async fn there_is_no_page_unless_it_is_configured() {
    let fleet = Fleet::start(&["east"]).await;
    fleet.registrar.until_logged("key=\"admin.bindAddress\"", PATIENCE).await;
    for path in ["/", "/clusters/east", "/page.css", "/changes", "/waiting"] {
        assert_eq!(get(&fleet, path).await.status, 404, "{path}");
    }
    assert_eq!(get(&fleet, "/held").await.status, 200);
}

#[tokio::test]
async fn a_page_without_an_address_is_no_configuration() {
    let mut world = World::start().await;
    world.configure(&json!({"admin": {"page": true}}));
    let config = world.folder().join("config.yaml");
    let text = json!({"trustDomain": "example.org", "admin": {"page": true}});
    std::fs::write(&config, text.to_string()).unwrap();
    let mut command = world.command(crate::PROGRAM);
    command.arg("run").arg("--config").arg(&config);
    let mut process = Process::start(command);
    let status = process.ended(PATIENCE).await;
    assert_eq!(status.code(), Some(2));
    assert_eq!(process.logged("admin.page: true must be false where bindAddress is \"0\""), 1, "{process:?}");
}

#[tokio::test]
async fn each_view_shows_what_there_is() {
    let mut world = crate::fleet::world(&["east", "west"]).await;
    world.configure(&json!({"brake": {"scopeNumber": 1, "fleetNumber": 100}}));
    let fleet = start(world, &["east", "west"]).await;
    fleet.identity(identity("web", "web"));
    fleet.identity(identity("web-too", "web"));
    for name in ["web-1", "web-2", "web-3"] {
        fleet.pod("east", name, "web");
    }
    fleet.until_entries(3).await;
    fleet.until_condition("workloadidentities", "web-too", "Ready", "True", "InStep").await;
    fleet.cluster("west").refuse();
    fleet.cluster("west").cut_watches();
    let home = until(&fleet, "/", "Cluster west").await;
    assert_eq!(home.status, 200);
    home.has(&[
        "2 clusters, 1 ready",
        "3 pods; 3 entries in place",
        "Leads",
        "id=\"cluster-west\"",
        "Not ready",
    ]);
    home.has(&["href=\"/identities/web-too\"", "s ago", "Answers"]);

    let cluster = get(&fleet, "/clusters/east").await;
    cluster.has(&["eks-east", "Watching 3 pods in 2 namespaces.", "shop/web-2"]);
    cluster.has(&["spiffe://example.org/ns/shop/pod/web-2", "web-too: Masked"]);
    let gone = get(&fleet, "/clusters/eats").await;
    assert_eq!(gone.status, 404);
    gone.has(&["no EKSClusterRegistry &#34;eats&#34; is known; there is east", "href=\"/clusters/east\""]);

    let web = until(&fleet, "/identities/web-too", "Masked").await;
    web.has(&["app=web", "spiffeIDTemplate", "Not connected: 1 of 2 clusters"]);
    web.has(&["<dt>Masked by another identity</dt><dd>3</dd>", "href=\"/clusters/east\""]);
    assert_eq!(get(&fleet, "/identities/nobody").await.status, 404);

    let writes = get(&fleet, "/writes").await;
    writes.has(&["create", "Done", "spiffe://example.org/ns/shop/pod/web-1"]);
    let past = get(&fleet, "/past").await;
    past.has(&["<svg", "role=\"img\"", "Pods whose entries may not be in step"]);
    get(&fleet, "/waiting").await.has(&["Nothing waits for a release."]);

    // What is held, with the command that releases it.
    let edit = json!({"spec": {"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/new/{{ .PodMeta.Name }}"}});
    fleet.world.management.patch("workloadidentities", None, "web-too", json!({"spec": {"preview": true}}));
    fleet.world.management.patch("workloadidentities", None, "web", edit);
    fleet.until_condition("workloadidentities", "web", "WithinBudgets", "False", "Braked").await;
    let held = until(&fleet, "/waiting", "kubectl annotate workloadidentity web ").await;
    held.has(&["2 plans wait for a release.", "3 changes of SPIFFE ID", "--overwrite"]);
    assert_eq!(get(&fleet, "/no/such/page").await.status, 404);
}

#[tokio::test]
async fn a_search_ends_in_the_explanation() {
    let fleet = start(crate::fleet::world(&["east"]).await, &["east"]).await;
    let mut shared = identity("shared", "api");
    shared["spec"]["spiffeIDTemplate"] = "spiffe://{{ .TrustDomain }}/api/{{ .NodeMeta.Name }}".into();
    fleet.world.cluster("east").put(objects::node("n2"));
    shared["spec"]["parentIDTemplate"] = "spiffe://{{ .TrustDomain }}/parent/{{ .PodMeta.Name }}".into();
    fleet.identity(identity("web", "web"));
    fleet.identity(shared);
    for (name, app) in [("web-1", "web"), ("api-1", "api"), ("api-2", "api")] {
        fleet.pod("east", name, app);
    }
    fleet.until_entries(3).await;
    let web = "/pods/east/shop/web-1";
    let entries = fleet.world.spire.entries();
    let id = entries.iter().find(|it| crate::fleet::spiffe_id(it).ends_with("web-1")).unwrap().id.clone();
    let by_spiffe_id = "/search?q=spiffe%3A%2F%2Fexample.org%2Fns%2Fshop%2Fpod%2Fweb-1";
    for path in ["/search?q=east/shop/web-1", by_spiffe_id, &format!("/search?q={id}"), "/search?q=+we"] {
        let answer = get(&fleet, path).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some(web)), "{path}");
    }
    let explained = get(&fleet, web).await;
    let told = fleet
        .world
        .command(crate::PROGRAM)
        .args(["explain", "east/shop/web-1", "--registrar", &fleet.registrar.admin.to_string()])
        .output()
        .await
        .unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    explained.has(&[
        &told.lines().next().unwrap().replace('\'', "&#39;"),
        "NotAttested",
        "InStep",
        &id,
        "podSelector: app=api wanted",
    ]);

    let several = get(&fleet, "/search?q=spiffe://example.org/api/n1").await;
    several.has(&["2 pods are to have spiffe://example.org/api/n1.", "href=\"/pods/east/shop/api-2\""]);
    get(&fleet, "/search?q=shop/api").await.has(&["2 pods have a name that begins with shop/api."]);
    let near = get(&fleet, "/pods/east/shop/web-9").await;
    assert_eq!(near.status, 404);
    near.has(&[
        "cluster east has no pod shop/web-9; there is shop/web-1",
        "href=\"/search?q=east%2Fshop%2Fweb-1\"",
    ]);
    for (path, told) in [
        ("/search?q=spiffe://example.org/nobody", "no pod is to have spiffe://example.org/nobody"),
        ("/search?q=eks-nothing", "SPIRE holds no entry of that id"),
        ("/search?q=shop/nothing", "no pod is called shop/nothing"),
    ] {
        let answer = get(&fleet, path).await;
        assert_eq!(answer.status, 404, "{path}");
        answer.has(&[told]);
    }
    get(&fleet, "/search?q=").await.has(&["Name a pod as CLUSTER/NAMESPACE/POD"]);
}

#[tokio::test]
async fn what_others_write_is_text_and_never_markup() {
    let fleet = start(crate::fleet::world(&["east"]).await, &["east"]).await;
    let template = "spiffe://{{ .TrustDomain }}/{{ .PodMeta.Annotations.note }}";
    let mut evil = identity("evil", "evil");
    evil["spec"]["spiffeIDTemplate"] = template.into();
    evil["spec"]["applicationName"] = EVIL.into();
    fleet.identity(evil);
    let mut broken = identity("broken", "web");
    broken["spec"]["ttl"] = EVIL.into();
    fleet.identity(broken);
    let mut bad = pod("bad-1", "evil");
    bad["metadata"]["labels"]["evil"] = EVIL.into();
    bad["metadata"]["annotations"] = json!({"note": EVIL});
    fleet.cluster("east").put(bad);
    // A name that no API server gives out: the object cannot be read, and is told.
    let mut named = pod(EVIL, "web");
    named["metadata"]["name"] = EVIL.into();
    fleet.cluster("east").put(named);
    until(&fleet, "/identities/evil", ESCAPED).await.has(&["bad-1", "Failing"]);
    until(&fleet, "/identities/broken", ESCAPED).await.has(&["spec.ttl"]);
    until(&fleet, "/clusters/east", ESCAPED).await.has(&["MalformedObjects"]);
    until(&fleet, "/", ESCAPED).await;
    get(&fleet, "/pods/east/shop/bad-1").await.has(&[&format!("evil={ESCAPED}"), "Failing"]);
    let sought = "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    get(&fleet, &format!("/search?q={sought}")).await.has(&[&format!("value=\"&#34;&#62;{ESCAPED}\"")]);
    for path in
        [format!("/pods/{sought}/a/b"), format!("/clusters/{sought}"), format!("/identities/{sought}")]
    {
        let answer = get(&fleet, &path).await;
        assert_eq!(answer.status, 404, "{path}");
        answer.has(&[ESCAPED]);
    }
    assert_eq!(get(&fleet, "/pods/%ff/a/b").await.status, 400);
    assert_eq!(get(&fleet, "/?clusters=-1").await.status, 400);
}

#[tokio::test]
async fn every_answer_has_the_headers_and_none_has_a_secret() {
    let mut world = crate::fleet::world(&["east"]).await;
    world.add_cluster_by_role("west", "444455556666", "eu-west-1").await;
    let fleet = start(world, &["east", "west"]).await;
    fleet.identity(identity("web", "web"));
    fleet.pod("east", "web-1", "web");
    fleet.until_entries(1).await;
    let mut secrets = fleet.world.aws.secrets();
    secrets.extend(fleet.world.management.token().map(str::to_owned));
    assert!(secrets.len() > 1);
    let views = [
        "/",
        "/clusters/east",
        "/clusters/west",
        "/identities/web",
        "/pods/east/shop/web-1",
        "/waiting",
        "/past",
        "/writes",
        "/search?q=web",
        "/search",
        "/nothing",
        "/page.css",
        "/page.js",
        "/clusters/x",
        "/pods/%ff/a/b",
    ];
    for path in views {
        let answer = get(&fleet, path).await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'; "), "{path}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path} {name}");
        }
        for inline in [" style=", " onclick=", "<style", "javascript:", "http://", "https://"] {
            assert!(!answer.body.contains(inline), "{path} has {inline}");
        }
        let secret = secrets.iter().find(|secret| answer.body.contains(secret.as_str()));
        assert_eq!(secret, None, "{path}");
        assert_eq!(registrar_world::secrets::found(&answer.body), None, "{path}");
        let own = fleet.registrar.admin.to_string();
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let status = ask(fleet.registrar.admin, method, path, &own).await.status;
            assert!(matches!(status, 404 | 405), "{method} {path}: {status}");
        }
        // A browser that was led here by somebody else's name.
        let rebound = ask(fleet.registrar.admin, "GET", path, "evil.example:8083").await;
        assert_eq!((rebound.status, rebound.body.contains("<html")), (421, false), "{path}");
    }
    assert_eq!(ask(fleet.registrar.admin, "GET", "/", "localhost:8083").await.status, 200);
}

#[tokio::test]
async fn long_lists_come_a_hundred_rows_at_a_time() {
    let fleet = start(crate::fleet::world(&["east"]).await, &["east"]).await;
    fleet.identity(identity("web", "web"));
    (0..130).for_each(|number| drop(fleet.pod("east", &format!("web-{number:03}"), "web")));
    fleet.until_entries(130).await;
    let first = until(&fleet, "/clusters/east", "1 to 100 of 130 pods.").await;
    first.has(&["shop/web-000", "shop/web-099", "href=\"/clusters/east?pods=2#pods\""]);
    assert!(!first.body.contains("shop/web-100"));
    let second = get(&fleet, "/clusters/east?pods=2").await;
    second.has(&["101 to 130 of 130 pods.", "shop/web-100", "shop/web-129", "?pods=1#pods"]);
    assert!(!second.body.contains("shop/web-099"));
    let writes = until(&fleet, "/writes", "1 to 100 of 130 writes.").await;
    assert_eq!(writes.body.matches("<tr id=").count(), 100);
    get(&fleet, "/search?q=web-0").await.has(&["100 pods have a name that begins with web-0."]);
    get(&fleet, "/search?q=web-").await.has(&["More than 100 pods"]);
}

#[tokio::test]
async fn who_looks_is_told_of_changes_and_keeps_nobody_from_ending() {
    let mut fleet = start(crate::fleet::world(&["east"]).await, &["east"]).await;
    fleet.identity(identity("web", "web"));
    let mut changes = Changes::of(fleet.registrar.admin).await;
    assert!(changes.next().await, "at once");
    let made = fleet.cluster("east").put(pod("web-1", "web"));
    assert!(!uid(&made).is_empty());
    fleet.until_entries(1).await;
    assert!(tokio::time::timeout(PATIENCE, changes.next()).await.unwrap());
    fleet.registrar.terminate();
    let ended = async { while changes.next().await {} };
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
    assert!(fleet.registrar.ended(PATIENCE).await.success());
}
