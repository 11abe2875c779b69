//! The search for a pod, a SPIFFE ID or an entry, and the explanation that it ends in.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use registrar_core::explain::{Asked, Explanation, PodName};
use serde::Deserialize;

use super::view::{Link, Search, Tone, Top, redirect, rendered};
use super::{Page, ROWS};
use crate::admin::Unanswered;

/// How many seconds lie between two looks at one pod: each asks SPIRE for its agents.
const EVERY: u32 = 3;

#[derive(Template)]
#[template(path = "pod.html")]
struct PodView {
    top: Top,
    it: Explanation,
}

pub(super) async fn pod(
    State(page): State<Page>,
    Path((cluster, namespace, name)): Path<(String, String, String)>,
) -> Response {
    let asked = PodName { cluster, namespace, name };
    let query = asked.to_string();
    match page.answers.explain(asked).await {
        Ok(it) => {
            let top = Top { every: EVERY, ..page.top(format!("Pod {query}"), "") };
            rendered(&PodView { top: Top { query, ..top }, it })
        }
        Err(why) => page.refused(&query, &why),
    }
}

/// What is looked for.
#[derive(Deserialize)]
pub(super) struct Sought {
    #[serde(default)]
    q: String,
}

pub(super) async fn search(State(page): State<Page>, Query(Sought { q }): Query<Sought>) -> Response {
    let sought = q.trim();
    if sought.is_empty() {
        let answer = "Name a pod as CLUSTER/NAMESPACE/POD, CLUSTER being the registry's name, or by the beginning of its name; \
                      or a SPIFFE ID or an entry's id.";
        return page.found("Search", sought, answer.to_owned(), Vec::new());
    }
    let id = match sought.parse() {
        Ok(Asked::Pod(name)) => return redirect(&path(&name)),
        Ok(Asked::Id(id)) => Some(id),
        Err(_) => None,
    };
    let why = match &id {
        Some(id) => match page.answers.origins(id, ROWS + 1).await {
            Ok(pods) => return page.pods(sought, &format!("are to have {sought}"), pods),
            Err(why @ Unanswered::Stopping) => return page.refused(sought, &why),
            Err(why) => why,
        },
        None => Unanswered::Unwanted(format!("no pod is called {sought}")),
    };
    // It may be a part of a pod's name, which has no other form than an entry's id.
    if sought.contains("://") {
        return page.refused(sought, &why);
    }
    match page.answers.pods_like(sought, ROWS + 1).await {
        Some(pods) if pods.is_empty() => page.refused(sought, &why),
        Some(pods) => page.pods(sought, &format!("have a name that begins with {sought}"), pods),
        None => page.refused(sought, &Unanswered::Stopping),
    }
}

/// Where a pod is explained.
fn path(PodName { cluster, namespace, name }: &PodName) -> String {
    let encoded = [cluster, namespace, name]
        .map(|part| form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>());
    // A plus is a space in queries alone.
    format!("/pods/{}", encoded.join("/").replace('+', "%20"))
}

impl Page {
    /// The one pod, or a list of several.
    fn pods(&self, sought: &str, what: &str, pods: Vec<String>) -> Response {
        let names: Vec<PodName> = pods.iter().filter_map(|name| name.parse().ok()).collect();
        if let [name] = names.as_slice() {
            return redirect(&path(name));
        }
        let answer = match names.len() {
            count if count > ROWS => format!("More than {ROWS} pods {what}; these are some of them."),
            count => format!("{count} pods {what}."),
        };
        let links = names.iter().take(ROWS).map(|name| Link { href: path(name), text: name.to_string() });
        self.found("Pods", sought, answer, links.collect())
    }

    fn found(&self, title: &str, sought: &str, answer: String, links: Vec<Link>) -> Response {
        let top = Top { query: sought.to_owned(), every: 0, ..self.top(title, "") };
        rendered(&Search { top, answer, links })
    }
}
