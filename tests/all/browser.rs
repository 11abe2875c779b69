//! The page in a real Chromium, as people and screen readers have it: `make test-page`.

mod webdriver;

use std::path::Path;
use std::time::{Duration, Instant};

use futures::FutureExt;
use serde_json::{Value, json};
use webdriver::{Driver, ENTER, TAB};

use crate::fleet::{Fleet, PATIENCE, identity, pod};

const KINDS: [&str; 4] = ["batch", "prod-east", "prod-west", "staging"];
const EACH: usize = 25;

/// A browser on the page.
struct Browser {
    driver: Driver,
    page: String,
    _folder: tempfile::TempDir,
}

impl Browser {
    async fn start(page: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { driver: Driver::start(folder.path()).await, page, _folder: folder }
    }

    async fn open(&self, path: &str) {
        self.driver.open(&format!("{}{path}", self.page)).await;
        self.until("document.readyState === 'complete' && document.querySelector('h1')").await;
        self.check_accessibility(path).await;
    }

    /// What a JavaScript expression comes to.
    async fn eval(&self, expression: &str) -> Value {
        self.driver.run(&format!("return {expression};")).await
    }

    /// Waits until a JavaScript expression is true: it is looked at now and after each change of the document.
    async fn until(&self, expression: &str) {
        let script = format!(
            "const done = arguments[arguments.length - 1];
             const holds = () => {{ try {{ return Boolean({expression}); }} catch {{ return false; }} }};
             if (holds()) return done(true);
             const observer = new MutationObserver(() => {{ if (holds()) {{ observer.disconnect(); done(true); }} }});
             observer.observe(document, {{subtree: true, childList: true, characterData: true, attributes: true}});"
        );
        // A document that is left takes its script with it: the next one is asked again.
        let began = Instant::now();
        while let Err(error) = self.driver.run_async(&script).await {
            if began.elapsed() > PATIENCE {
                let text = self.eval("document.body.innerText").await;
                panic!("it did not come to {expression}: {error}\n{}", text.as_str().unwrap_or_default());
            }
        }
    }

    async fn until_text(&self, text: &str) {
        let text = json!(text);
        self.until(&format!("document.body.innerText.includes({text})")).await;
    }

    async fn cdp(&self, method: &str, parameters: Value) -> Value {
        self.driver.devtools(method, parameters).await
    }

    async fn in_scheme(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.cdp("Emulation.setEmulatedMedia", features).await;
    }

    /// What a screen reader is told: every control has a name, there is one first heading, none is left out, and landmarks.
    async fn check_accessibility(&self, path: &str) {
        let tree = self.cdp("Accessibility.getFullAXTree", json!({})).await;
        let nodes: Vec<&Value> =
            tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] != true).collect();
        let role = |node: &Value| node["role"]["value"].as_str().unwrap_or_default().to_owned();
        let name = |node: &Value| node["name"]["value"].as_str().unwrap_or_default().to_owned();
        let count = |wanted: &str| nodes.iter().filter(|node| role(node) == wanted).count();
        let mut controls = 0;
        for node in &nodes {
            let is_named = match role(node).as_str() {
                "link" | "button" | "searchbox" | "textbox" => {
                    controls += 1;
                    true
                }
                "heading" | "table" | "region" | "navigation" | "image" | "columnheader" => true,
                _ => false,
            };
            assert!(!is_named || !name(node).trim().is_empty(), "{path}: {node:#} has no name");
        }
        assert!(controls > 6, "{path}: {controls}");
        for landmark in ["banner", "navigation", "main", "search"] {
            assert_eq!(count(landmark), 1, "{path}: {landmark}");
        }
        let headings = nodes.iter().filter(|node| role(node) == "heading");
        let levels: Vec<u64> = headings
            .filter_map(|node| {
                node["properties"].as_array()?.iter().find(|it| it["name"] == "level")?["value"]["value"]
                    .as_u64()
            })
            .collect();
        assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1, "{path}: {levels:?}");
        assert_eq!(levels[0], 1, "{path}: {levels:?}");
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{path}: {levels:?}");
        let without_scope = "document.querySelectorAll('th:not([scope])').length";
        assert_eq!(self.eval(without_scope).await, 0, "{path}");
    }

    /// Every text against what it stands on, by WCAG's formula.
    async fn check_contrast(&self, about: &str) {
        let faint = self.driver.run(CONTRAST).await;
        assert_eq!(faint["faint"], json!([]), "{about}");
        assert!(faint["texts"].as_u64().unwrap() > 10, "{about}: {faint}");
    }

    /// A picture of what is in the window; kept under docs/images with BLESS set.
    async fn picture(&self, name: &str) -> Vec<u8> {
        let picture = self.driver.picture().await;
        assert!(picture.len() > 10_000, "{name} shows nothing");
        if std::env::var_os("BLESS").is_some() {
            let folder = Path::new(crate::ROOT).join("docs/images");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("{name}.png")), &picture).unwrap();
        }
        picture
    }
}

const CONTRAST: &str = r"
const parse = (text) => { const it = text.match(/[\d.]+/g).map(Number); return {rgb: it.slice(0, 3), alpha: it[3] ?? 1}; };
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((it) => it / 255).map((it) => it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.alpha === 1) return colour.rgb;
    if (colour.alpha !== 0) return undefined;
  }
  return undefined;
};
const faint = [];
let texts = 0;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
  texts += 1;
  const on = ground(element);
  const text = luminance(parse(getComputedStyle(element).color).rgb);
  const other = on ? luminance(on) : text;
  const ratio = (Math.max(text, other) + 0.05) / (Math.min(text, other) + 0.05);
  if (ratio < 4.5) faint.push(`${walker.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
}
return {faint, texts};
";

fn clusters() -> Vec<String> {
    KINDS.iter().flat_map(|kind| (0..EACH).map(move |number| format!("{kind}-{number:02}"))).collect()
}

/// A hundred clusters of two pods each, three identities, one cluster that refuses and one pod with a bad label.
async fn fleet() -> Fleet {
    let names = clusters();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = crate::fleet::world(&names).await;
    world.configure(&json!({"admin": {"page": true}, "brake": {"scopeNumber": 2, "scopeShare": 0, "fleetNumber": 100000}}));
    for name in &names {
        world.register(name);
        for (pod_name, app) in [("web-1", "web"), ("api-1", "api")] {
            world.cluster(name).put(pod(pod_name, app));
        }
    }
    for app in ["web", "api"] {
        world.management.put(identity(app, app));
    }
    let mut bad = identity("by-team", "evil");
    bad["spec"]["spiffeIDTemplate"] = "spiffe://{{ .TrustDomain }}/teams/{{ .PodMeta.Labels.team }}".into();
    world.management.put(bad);
    let mut evil = pod("evil-1", "evil");
    evil["metadata"]["labels"]["team"] =
        "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>".into();
    world.cluster("staging-07").put(evil);
    world.cluster("prod-west-03").refuse();
    let registrar = world.run_with(crate::PROGRAM, |command| {
        command.env("LOG_LEVEL", "info");
    });
    let fleet = Fleet { world, registrar };
    fleet.until_entries(2 * (names.len() - 1)).await;
    fleet
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium: make test-page"]
async fn browser_sees_a_hundred_clusters() {
    let fleet = fleet().await;
    let browser = Browser::start(format!("http://{}", fleet.registrar.admin)).await;
    // The browser ends in any case: its driver would leave it behind.
    let looked = std::panic::AssertUnwindSafe(look(&fleet, &browser)).catch_unwind();
    let looked = tokio::time::timeout(Duration::from_secs(300), looked).await;
    browser.driver.quit().await;
    if let Err(panic) = looked.expect("the browser was looked at in time") {
        std::panic::resume_unwind(panic);
    }
}

async fn look(fleet: &Fleet, browser: &Browser) {
    views(browser).await;
    changes_come_without_a_reload(fleet, browser).await;
    keys_alone_are_enough(browser).await;
    both_schemes_can_be_read(browser).await;
    what_is_held_is_told_as_it_comes(fleet, browser).await;
    the_last_hour_has_bars(browser).await;
    let complaints = browser.driver.console().await;
    assert_eq!(complaints, Vec::<String>::new());
    without_scripts(browser).await;
}

async fn views(browser: &Browser) {
    browser.open("/").await;
    browser.until_text("100 clusters, 99 ready; 199 pods; 198 entries in place").await;
    browser.until("document.querySelectorAll('li.tile').length === 100").await;
    let refused = browser.eval("document.querySelector('#cluster-prod-west-03').innerText").await;
    assert!(refused.as_str().unwrap().contains("Not ready"), "{refused}");
    assert_eq!(browser.eval("document.querySelectorAll('li.tile.good').length").await, 99);
    browser.until("document.querySelector('#attention-Identity-by-team')").await;
    browser.check_accessibility("/").await;

    // From a tile to the cluster, to its pod, to the explanation.
    browser.driver.click("link text", "staging-07").await;
    browser.until_text("Watching 3 pods in 2 namespaces.").await;
    browser.check_accessibility("a cluster").await;
    browser.driver.click("link text", "shop/evil-1").await;
    browser.until("document.querySelector('h1').innerText === 'Pod staging-07/shop/evil-1'").await;
    browser.until_text("team=<script>window.hacked = 1</script><img src=x").await;
    browser.check_accessibility("a pod").await;
    browser.open("/identities/by-team").await;
    browser.until_text("window.hacked = 1").await;
    browser.until("document.getElementById('without/staging-07/shop/evil-1')").await;
    assert_eq!(browser.eval("typeof window.hacked").await, "undefined");

    // Looked up by name, by SPIFFE ID and by the entry's id.
    for sought in ["batch-03/shop/web-1", "spiffe://example.org/ns/shop/pod/nobody", "batch-3/shop/web-1"] {
        browser.open("/past").await;
        browser.driver.type_into("#q", sought).await;
        browser.driver.type_into("#q", ENTER).await;
        browser.until("location.pathname !== '/past' && document.querySelector('.answer')").await;
        let answer = browser.eval("document.querySelector('.answer').innerText").await;
        let told = match sought {
            "batch-03/shop/web-1" => {
                "Pod batch-03/shop/web-1 has spiffe://example.org/ns/shop/pod/web-1 in SPIRE"
            }
            "batch-3/shop/web-1" => "no EKSClusterRegistry \"batch-3\" is known; there is batch-03",
            _ => "no pod is to have spiffe://example.org/ns/shop/pod/nobody",
        };
        assert!(answer.as_str().unwrap().contains(told), "{sought}: {answer}");
        browser.check_accessibility(sought).await;
    }
    browser.open("/writes").await;
    browser.until_text("1 to 100 of 198 writes.").await;
    browser.driver.click("link text", "Next writes").await;
    browser.until_text("101 to 198 of 198 writes.").await;
    browser.open("/past").await;
    browser.until("document.querySelectorAll('svg[role=img]').length === 2").await;
    browser.open("/waiting").await;
    browser.until_text("Nothing waits for a release.").await;
    // What is not found is told by the browser as well, each time.
    assert!(browser.driver.console().await.iter().all(|it| it.contains("404 (Not Found)")));
}

async fn changes_come_without_a_reload(fleet: &Fleet, browser: &Browser) {
    browser.open("/").await;
    browser.eval("(window.isSameDocument = true)").await;
    browser.driver.type_into("#q", "prod-east-07/shop/new-1").await;
    browser.eval("document.getElementById('q').setSelectionRange(2, 5)").await;
    browser.eval("window.scrollTo(0, 300)").await;
    fleet.pod("prod-east-07", "new-1", "web");
    browser
        .until("document.querySelector('#summary').innerText.includes('200 pods; 199 entries in place')")
        .await;
    browser.until("document.querySelector('#cluster-prod-east-07 dd').innerText === '3'").await;
    let state = "[window.isSameDocument, document.activeElement.id, document.activeElement.value,
        document.activeElement.selectionStart, document.activeElement.selectionEnd, window.scrollY]";
    assert_eq!(browser.eval(state).await, json!([true, "q", "prod-east-07/shop/new-1", 2, 5, 300]));
    // The focus stays on a tile too, and a text that was selected in another.
    browser.eval("document.querySelector('#cluster-batch-02 a').focus({preventScroll: true})").await;
    browser.eval("getSelection().selectAllChildren(document.querySelector('#cluster-batch-05 h3'))").await;
    fleet.cluster("prod-east-07").remove("pods", Some("shop"), "new-1");
    browser
        .until("document.querySelector('#summary').innerText.includes('199 pods; 198 entries in place')")
        .await;
    let state = "[window.isSameDocument, document.activeElement.innerText, getSelection().toString()]";
    assert_eq!(browser.eval(state).await, json!([true, "batch-02", "batch-05"]));
}

async fn keys_alone_are_enough(browser: &Browser) {
    browser.open("/").await;
    browser.driver.press(TAB).await;
    let first = browser
        .eval("[document.activeElement.className, document.activeElement.getBoundingClientRect().left >= 0]")
        .await;
    assert_eq!(first, json!(["skip", true]), "the first stop leads to the content, and is seen");
    let outline = browser.eval("getComputedStyle(document.activeElement).outlineStyle").await;
    assert_eq!(outline, "solid");
    browser.driver.press(ENTER).await;
    browser.until("location.hash === '#main'").await;
    browser.driver.press(TAB).await;
    assert_eq!(browser.eval("document.getElementById('main').contains(document.activeElement)").await, true);
    assert_eq!(browser.eval("document.activeElement.nodeName").await, "A");
}

async fn both_schemes_can_be_read(browser: &Browser) {
    let mut pictures = Vec::new();
    for scheme in ["light", "dark"] {
        browser.in_scheme(scheme).await;
        for path in [
            "/",
            "/clusters/staging-07",
            "/identities/by-team",
            "/pods/staging-07/shop/evil-1",
            "/past",
            "/writes",
            "/waiting",
        ] {
            browser.open(path).await;
            browser.check_contrast(&format!("{path} {scheme}")).await;
        }
        browser.open("/").await;
        browser.until("document.querySelectorAll('li.tile').length === 100").await;
        pictures.push(browser.picture(&format!("page-fleet-{scheme}")).await);
    }
    assert_ne!(pictures[0], pictures[1]);
    browser.in_scheme("light").await;
    browser.open("/pods/batch-03/shop/web-1").await;
    browser.picture("page-pod").await;
}

async fn what_is_held_is_told_as_it_comes(fleet: &Fleet, browser: &Browser) {
    browser.open("/waiting").await;
    let edit = json!({"spec": {"spiffeIDTemplate": "spiffe://{{ .TrustDomain }}/new/{{ .PodMeta.Name }}"}});
    fleet.world.management.patch("workloadidentities", None, "api", edit);
    browser
        .until(
            "document.querySelector('pre')?.innerText.startsWith('kubectl annotate workloadidentity api ')",
        )
        .await;
    browser.until("document.querySelector('#summary').innerText === '1 plan waits for a release.'").await;
    browser.check_accessibility("a held plan").await;
}

/// A pod got its first entry meanwhile, and it is looked again and again how things are.
async fn the_last_hour_has_bars(browser: &Browser) {
    browser.open("/past").await;
    browser.until("document.querySelectorAll('#latency ~ svg rect.strong').length > 0").await;
    browser.until("/^[1-9][0-9]* pods? got a first entry; at most/.test(document.querySelector('#summary').innerText)").await;
}

/// Everything works by links and forms.
async fn without_scripts(browser: &Browser) {
    browser.cdp("Emulation.setScriptExecutionDisabled", json!({"value": true})).await;
    browser.driver.open(&format!("{}/", browser.page)).await;
    browser.driver.type_into("#q", "batch-03/shop/web-1").await;
    browser.driver.click("css selector", "form button").await;
    browser.driver.until_title("Pod batch-03/shop/web-1 · example.org").await;
    browser.cdp("Emulation.setScriptExecutionDisabled", json!({"value": false})).await;
}
