//! A browser by the WebDriver protocol, as far as the page's tests speak it. No crate for it comes without a price: `thirtyfour` has
//! serde_json keep the order of keys in the program under test too, a part of `fantoccini` has a licence that we do not take, and
//! `chromiumoxide` takes minutes to build.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use data_encoding::BASE64;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use registrar_world::{Process, free_port};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::fleet::PATIENCE;

/// Keys as the protocol writes them.
pub const ENTER: &str = "\u{e007}";
pub const TAB: &str = "\u{e004}";

/// How long a script is waited for that hands something to its last argument.
const SCRIPT_MILLISECONDS: u64 = 2000;
/// What names an element in answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser without a window, and the driver that it hangs on.
pub struct Driver {
    address: SocketAddr,
    session: String,
    _process: Process,
}

impl Driver {
    /// Starts both; what they keep goes into the folder.
    pub async fn start(folder: &Path) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = tokio::process::Command::new("chromedriver");
        command.arg(format!("--port={}", address.port())).env("HOME", folder).env("TMPDIR", folder);
        command.stdin(Stdio::null()).kill_on_drop(true);
        let process = Process::start(command);
        process.until_logged("started successfully", PATIENCE).await;
        let profile = format!("--user-data-dir={}", folder.join("profile").display());
        let mut arguments =
            vec!["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
        arguments.extend(["--hide-scrollbars", "--window-size=1280,900", &profile]);
        // Chromium's own sandbox is not for root.
        if rustix::process::geteuid().is_root() {
            arguments.push("--no-sandbox");
        }
        let wanted = json!({
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": SCRIPT_MILLISECONDS},
        });
        let mut driver = Self { address, session: String::new(), _process: process };
        let session = driver.post("", json!({"capabilities": {"alwaysMatch": wanted}})).await.unwrap();
        driver.session = format!("/{}", session["sessionId"].as_str().unwrap());
        driver
    }

    /// Ends the browser, which outlives its driver otherwise.
    pub async fn quit(&self) {
        self.call(Method::DELETE, "", None).await.unwrap();
    }

    pub async fn open(&self, url: &str) {
        self.post("/url", json!({"url": url})).await.unwrap();
    }

    /// What a script returns.
    pub async fn run(&self, script: &str) -> Value {
        let ran = self.post("/execute/sync", json!({"script": script, "args": []})).await;
        ran.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// What a script hands to its last argument, or why it did not.
    pub async fn run_async(&self, script: &str) -> Result<Value, String> {
        self.post("/execute/async", json!({"script": script, "args": []})).await
    }

    pub async fn click(&self, using: &str, what: &str) {
        let element = self.element(using, what).await;
        self.post(&format!("/element/{element}/click"), json!({})).await.unwrap();
    }

    /// Types into an element.
    pub async fn type_into(&self, css: &str, text: &str) {
        let element = self.element("css selector", css).await;
        self.post(&format!("/element/{element}/value"), json!({"text": text})).await.unwrap();
    }

    /// Presses a key, wherever the focus is.
    pub async fn press(&self, key: &str) {
        let press = json!([{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]);
        let keys = json!({"actions": [{"type": "key", "id": "keys", "actions": press}]});
        self.post("/actions", keys).await.unwrap();
    }

    /// Waits until the document has this title; the driver is asked, so that no script has to run.
    pub async fn until_title(&self, title: &str) {
        let began = Instant::now();
        loop {
            let now = self.call(Method::GET, "/title", None).await.unwrap();
            if now == title {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "the title is {now}, not {title}");
        }
    }

    /// A command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let done = self.post("/goog/cdp/execute", json!({"cmd": command, "params": parameters})).await;
        done.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// What the browser wrote into its console since the last time.
    pub async fn console(&self) -> Vec<String> {
        let log = self.post("/se/log", json!({"type": "browser"})).await.unwrap();
        log.as_array().unwrap().iter().map(|entry| entry["message"].to_string()).collect()
    }

    /// What is in the window, as PNG.
    pub async fn picture(&self) -> Vec<u8> {
        let picture = self.call(Method::GET, "/screenshot", None).await.unwrap();
        BASE64.decode(picture.as_str().unwrap().as_bytes()).unwrap()
    }

    async fn element(&self, using: &str, what: &str) -> String {
        let found = self.post("/element", json!({"using": using, "value": what})).await;
        let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// One command; the error is the driver's words.
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, String> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("/session{}{path}", self.session))
            .header("host", self.address.to_string())
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        // The connection ends when the answer is read and the sender is gone; what breaks it, the answer tells.
        let asked = async move {
            let answer = sender.send_request(request).await.unwrap();
            (answer.status(), answer.into_body().collect().await.unwrap().to_bytes())
        };
        let (_, (status, answer)) = tokio::join!(connection, asked);
        let mut answer: Value = serde_json::from_slice(&answer).unwrap();
        let value = answer["value"].take();
        if status.is_success() { Ok(value) } else { Err(value["message"].to_string()) }
    }
}
