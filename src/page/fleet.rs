//! The fleet at a glance, one cluster, one identity, and what waits for somebody's release.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::Uri;
use axum::response::Response;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::jiff::Timestamp;
use kube::core::Selector;
use registrar_core::api::WorkloadIdentitySpec;
use registrar_core::explain::{NotKnown, held as means, unknown_cluster, unknown_identity};
use registrar_core::held::{Told, Waiting};
use registrar_core::index::{PodCounts, PodRow, Rows, ToldRow};
use registrar_core::ledger::{Mode, Outcome, Tally};
use registrar_core::names::{ClusterName, IdentityName};
use registrar_core::report::{IdentityReport, RegistryReport, Report};

use super::view::{
    ConditionRow, Fact, Numbers, Pages, Standing, Tone, Top, ago, before, clock, counted, rendered,
};
use super::{Page, ROWS};
use crate::admin::Unanswered;
use crate::leader::Lead;

/// How many objects that are not ready are named before anything else.
const ATTENTION: usize = 10;

#[derive(Template)]
#[template(path = "fleet.html")]
struct Fleet {
    top: Top,
    summary: String,
    facts: Vec<Fact>,
    attention: Vec<Attention>,
    /// How many more are not ready.
    more: usize,
    clusters: Vec<Tile>,
    cluster_pages: Pages,
    identities: Vec<IdentityRow>,
    identity_pages: Pages,
}

struct Attention {
    kind: &'static str,
    name: String,
    href: String,
    class: &'static str,
    reason: &'static str,
    message: String,
}

struct Tile {
    name: String,
    class: &'static str,
    word: &'static str,
    reason: &'static str,
    entries: u64,
    pods: usize,
    last_event: String,
}

impl Tile {
    fn of(name: &ClusterName, report: &RegistryReport, heard: &HashMap<String, f64>) -> Self {
        let Standing { class, word, reason, .. } = Standing::of(&report.conditions);
        let heard = heard.get(name.as_str());
        Self {
            name: name.to_string(),
            class,
            word,
            reason,
            entries: report.entries,
            pods: pods(report),
            last_event: heard.map_or_else(|| "none yet".to_owned(), |at| ago(now() - at)),
        }
    }
}

struct IdentityRow {
    name: String,
    class: &'static str,
    word: &'static str,
    reason: &'static str,
    clusters: u64,
    pods: u64,
    entries: u64,
    failures: u64,
}

impl IdentityRow {
    fn of(name: &IdentityName, report: &IdentityReport) -> Self {
        let Standing { class, word, reason, .. } = Standing::of(&report.conditions);
        Self {
            name: name.to_string(),
            class,
            word,
            reason,
            clusters: report.stats.clusters_targeted,
            pods: report.stats.pods_selected,
            entries: report.stats.entries_registered,
            failures: report.stats.entry_failures,
        }
    }
}

fn pods(report: &RegistryReport) -> usize {
    report.objects.iter().find(|(kind, _)| *kind == "pods").map_or(0, |(_, count)| *count)
}

fn now() -> f64 {
    Timestamp::now().as_millisecond() as f64 / 1e3
}

pub(super) async fn fleet(State(page): State<Page>, Query(numbers): Query<Numbers>) -> Response {
    let (report, outcome) = (page.reports.borrow().clone(), page.answers.outcomes.borrow().clone());
    let heard = page.metrics.last_events();
    let (at_clusters, at_identities) = (numbers.clusters.unwrap_or(1), numbers.identities.unwrap_or(1));
    let cluster_pages = Pages::of("clusters", report.registries.len(), numbers.clusters, |number| {
        format!("/?clusters={number}&identities={at_identities}#clusters")
    });
    let identity_pages = Pages::of("identities", report.identities.len(), numbers.identities, |number| {
        format!("/?clusters={at_clusters}&identities={number}#identities")
    });
    let clusters = report.registries.iter().map(|(name, it)| Tile::of(name, it, &heard));
    let identities = report.identities.iter().map(|(name, it)| IdentityRow::of(name, it));
    let (attention, more) = attention(&report);
    rendered(&Fleet {
        top: page.top("Fleet", "/"),
        summary: summary(&report, &outcome),
        facts: page.state(&report, &outcome),
        attention,
        more,
        clusters: cluster_pages.cut(clusters),
        cluster_pages,
        identities: identity_pages.cut(identities),
        identity_pages,
    })
}

/// Who is not ready, the first few, and how many more there are.
fn attention(report: &Report) -> (Vec<Attention>, usize) {
    let clusters = report
        .registries
        .iter()
        .map(|(name, it)| ("Cluster", name.to_string(), format!("/clusters/{name}"), &it.conditions));
    let identities = report
        .identities
        .iter()
        .map(|(name, it)| ("Identity", name.to_string(), format!("/identities/{name}"), &it.conditions));
    let mut not_ready = clusters.chain(identities).filter_map(|(kind, name, href, conditions)| {
        let Standing { is_ready, class, reason, message, .. } = Standing::of(conditions);
        (!is_ready).then_some(Attention { kind, name, href, class, reason, message })
    });
    let shown = not_ready.by_ref().take(ATTENTION).collect();
    (shown, not_ready.count())
}

fn summary(report: &Report, outcome: &Outcome) -> String {
    let ready = report.registries.values().filter(|it| Standing::of(&it.conditions).is_ready).count();
    let pods: usize = report.registries.values().map(pods).sum();
    let Tally { in_place, pending, failing, .. } = all(outcome);
    let held = registrar_core::held::waiting(outcome).len() as u64;
    let held =
        if held == 0 { "nothing waits".to_owned() } else { format!("{} waits", counted(held, "plan")) };
    let clusters = counted(report.registries.len() as u64, "cluster");
    format!(
        "{clusters}, {ready} ready; {}; {} in place, {pending} to be written, {failing} failing; {held} for a release.",
        counted(pods as u64, "pod"),
        counted(in_place, "entry"),
    )
}

fn all(outcome: &Outcome) -> Tally {
    outcome.clusters.values().fold(Tally::default(), |mut sum, tally| {
        sum.in_place += tally.in_place;
        sum.pending += tally.pending;
        sum.failing += tally.failing;
        sum
    })
}

impl Page {
    fn state(&self, report: &Report, outcome: &Outcome) -> Vec<Fact> {
        let leads = self.leading.borrow().as_ref().is_some_and(Lead::holds);
        let replica = match (self.mode, leads) {
            (Mode::Observe, _) => {
                Fact::state("This replica", Tone::Open, "Observes", "mode: Observe, so nothing is written.")
            }
            (_, true) => Fact::state("This replica", Tone::Good, "Leads", "It writes to SPIRE."),
            (_, false) => {
                Fact::state("This replica", Tone::Open, "Stands by", "Another one writes, or is to.")
            }
        };
        let listed = outcome.listed_at.as_ref().map(|at| format!("listed completely at {} UTC", clock(at)));
        let listed = listed.unwrap_or_else(|| "not listed yet".to_owned());
        let spire = match &outcome.unavailable {
            Some(problem) => Fact::state("SPIRE", Tone::Bad, "Cannot be used", &problem.message),
            None if outcome.listed => Fact::state("SPIRE", Tone::Good, "Answers", format!("{listed}.")),
            None => Fact::state("SPIRE", Tone::Open, "Being listed", format!("{listed}.")),
        };
        let held: u64 = outcome.held.values().sum();
        let identities = report.identities.len() as u64;
        vec![
            replica,
            spire,
            Fact::new("Identities", identities),
            Fact::new("Entries that no pod is to have, and that stay", held),
            Fact::new("Entries of others in SPIRE", outcome.foreign),
        ]
    }
}

#[derive(Template)]
#[template(path = "cluster.html")]
struct ClusterView {
    top: Top,
    name: String,
    tile: Tile,
    summary: String,
    facts: Vec<Fact>,
    conditions: Vec<ConditionRow>,
    pods: Vec<PodRow>,
    pages: Pages,
}

pub(super) async fn cluster(
    State(page): State<Page>,
    Path(asked): Path<String>,
    Query(numbers): Query<Numbers>,
) -> Response {
    let (report, outcome) = (page.reports.borrow().clone(), page.answers.outcomes.borrow().clone());
    let Some((name, registry)) = report.registries.get_key_value(asked.as_str()) else {
        return page.not_known(&asked, unknown_cluster).await;
    };
    let (cluster, skip) = (name.clone(), before(numbers.pods));
    let Some(Rows { rows, all }) =
        page.answers.index.ask(move |index| index.pod_rows(&cluster, skip, ROWS)).await
    else {
        return page.refused("", &Unanswered::Stopping);
    };
    let tile = Tile::of(name, registry, &page.metrics.last_events());
    let pages = Pages::of("pods", all, numbers.pods, |number| format!("/clusters/{name}?pods={number}#pods"));
    let none = Tally::default();
    let tally = outcome.clusters.get(name).unwrap_or(&none);
    let spec = &registry.object.spec;
    let mut facts = vec![
        Fact::new("Name in EKS", &spec.cluster_name),
        Fact::new("Region and account", format!("{}, {}", spec.region, spec.account_id)),
        Fact::new("Enabled", spec.enabled),
        Fact::new("Entries in place", tally.in_place),
        Fact::new("Entries to be written", tally.pending),
        Fact::new("Entries failing", tally.failing),
    ];
    let objects = registry.objects.iter().map(|(kind, count)| format!("{count} {kind}"));
    facts.push(Fact::new("Objects known", objects.collect::<Vec<_>>().join(", ")));
    facts.push(Fact::new("Last event", &tile.last_event));
    facts.extend(registry.identity.as_ref().map(|it| Fact::new("ARN", &it.arn)));
    facts.extend(registry.last_sync.map(|at| Fact::new("In step at", at)));
    let labels = spec.labels.iter().map(|(key, value)| format!("{key}={value}"));
    facts.push(Fact::new("Labels", labels.collect::<Vec<_>>().join(", ")));
    rendered(&ClusterView {
        top: page.top(format!("Cluster {name}"), "/"),
        name: name.to_string(),
        summary: Standing::of(&registry.conditions).message,
        tile,
        facts,
        conditions: registry.conditions.iter().map(ConditionRow::of).collect(),
        pods: rows,
        pages,
    })
}

#[derive(Template)]
#[template(path = "identity.html")]
struct IdentityPage {
    top: Top,
    row: IdentityRow,
    summary: String,
    facts: Vec<Fact>,
    counts: Vec<(&'static str, u64)>,
    failing: Vec<(&'static str, u64)>,
    conditions: Vec<ConditionRow>,
    without: Vec<ToldRow>,
    without_pages: Pages,
    clusters: Vec<(ClusterName, PodCounts)>,
    cluster_pages: Pages,
}

pub(super) async fn identity(
    State(page): State<Page>,
    Path(asked): Path<String>,
    Query(numbers): Query<Numbers>,
) -> Response {
    let report = page.reports.borrow().clone();
    let Some((name, identity)) = report.identities.get_key_value(asked.as_str()) else {
        return page.not_known(&asked, unknown_identity).await;
    };
    let (asked, skip) = (name.clone(), before(numbers.pods));
    let found = page
        .answers
        .index
        .ask(move |index| (index.rows_without_entry(&asked, skip, ROWS), index.selected_by_cluster(&asked)));
    let Some((Rows { rows, all }, clusters)) = found.await else {
        return page.refused("", &Unanswered::Stopping);
    };
    let (at_clusters, at_pods) = (numbers.clusters.unwrap_or(1), numbers.pods.unwrap_or(1));
    let without_pages = Pages::of("pods", all, numbers.pods, |number| {
        format!("/identities/{name}?clusters={at_clusters}&pods={number}#without")
    });
    let cluster_pages = Pages::of("clusters", clusters.len(), numbers.clusters, |number| {
        format!("/identities/{name}?clusters={number}&pods={at_pods}#by-cluster")
    });
    let sum = |part: fn(&PodCounts) -> u64| clusters.iter().map(|(_, counts)| part(counts)).sum::<u64>();
    let stats = &identity.stats;
    let mut counts = vec![
        ("Clusters", stats.clusters_targeted),
        ("Namespaces", stats.namespaces_found),
        ("Pods selected", stats.pods_selected),
        ("Entries in place", stats.entries_registered),
        ("Failures", stats.entry_failures),
        ("Masked by another identity", sum(|it| it.masked)),
        ("Waiting", sum(|it| it.waiting)),
        ("Denied by a plugin", stats.pods_denied),
    ];
    if identity.object.spec.preview {
        counts.push(("Would create", stats.would_create));
        counts.push(("Would update", stats.would_update));
        counts.push(("Would delete", stats.would_delete));
    }
    rendered(&IdentityPage {
        top: page.top(format!("Identity {name}"), "/"),
        row: IdentityRow::of(name, identity),
        summary: Standing::of(&identity.conditions).message,
        facts: spec(&identity.object.spec),
        counts,
        failing: identity.failing.iter().map(|(reason, pods)| (*reason, *pods)).collect(),
        conditions: identity.conditions.iter().map(ConditionRow::of).collect(),
        without: rows,
        without_pages,
        clusters: cluster_pages.cut(clusters.into_iter()),
        cluster_pages,
    })
}

/// What is shown of a spec: not a plugin's configuration, which may be anything.
fn spec(spec: &WorkloadIdentitySpec) -> Vec<Fact> {
    let mut facts = vec![Fact::new("applicationName", &spec.application_name)];
    facts.extend(spec.namespace.iter().map(|it| Fact::new("namespace", it)));
    let selectors = [
        ("namespaceSelector", &spec.namespace_selector),
        ("podSelector", &spec.pod_selector),
        ("clusterSelector", &spec.cluster_selector),
    ];
    facts.extend(
        selectors.into_iter().filter_map(|(name, it)| Some(Fact::code(name, selector(it.as_ref()?)))),
    );
    let templates =
        [("spiffeIDTemplate", &spec.spiffe_id_template), ("parentIDTemplate", &spec.parent_id_template)];
    facts.extend(templates.into_iter().filter_map(|(name, it)| Some(Fact::code(name, it.as_ref()?))));
    facts.extend(spec.dns_name_templates.iter().map(|it| Fact::code("dnsNameTemplates", it)));
    facts.extend(
        spec.workload_selector_templates.iter().map(|it| Fact::code("workloadSelectorTemplates", it)),
    );
    facts.extend(spec.federates_with.iter().map(|it| Fact::new("federatesWith", it)));
    let lifetimes = [("ttl", &spec.ttl), ("jwtTTL", &spec.jwt_ttl), ("hint", &spec.hint)];
    facts.extend(lifetimes.into_iter().filter_map(|(name, it)| Some(Fact::new(name, it.as_ref()?))));
    let flags = [
        ("admin", spec.admin),
        ("downstream", spec.downstream),
        ("autoPopulateDNSNames", spec.auto_populate_dns_names),
        ("fallback", spec.fallback),
        ("preview", spec.preview),
    ];
    facts.extend(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| Fact::new(name, true)));
    if spec.priority != 0 {
        facts.push(Fact::new("priority", spec.priority));
    }
    facts
}

/// A selector as kubectl writes it; as JSON where it is none.
fn selector(selector: &LabelSelector) -> String {
    match Selector::try_from(selector.clone()) {
        Ok(it) if it.clone().into_iter().next().is_none() => "(everything)".to_owned(),
        Ok(it) => it.to_string(),
        Err(_) => serde_json::to_string(selector).unwrap_or_default(),
    }
}

#[derive(Template)]
#[template(path = "held.html")]
struct HeldView {
    top: Top,
    summary: String,
    plans: Vec<Waiting>,
    entries: Vec<(&'static str, &'static str, u64)>,
}

pub(super) async fn waiting(State(page): State<Page>) -> Response {
    let outcome = page.answers.outcomes.borrow().clone();
    let Told { listed, held } = Told::of(&outcome);
    let summary = match (listed, held.len()) {
        (false, _) => "SPIRE's entries are not listed yet, so not all that waits is known.".to_owned(),
        (true, 0) => "Nothing waits for a release.".to_owned(),
        (true, count) => format!(
            "{} for a release.",
            if count == 1 { "1 plan waits".to_owned() } else { format!("{count} plans wait") }
        ),
    };
    let entries = outcome.held.iter().filter(|(_, count)| **count > 0);
    let entries = entries.map(|(hold, count)| (hold.reason(), means(*hold), *count));
    rendered(&HeldView {
        top: page.top("Held", "/waiting"),
        summary,
        plans: held,
        entries: entries.collect(),
    })
}

impl Page {
    /// What is said of an object that nobody knows.
    async fn not_known(
        &self,
        asked: &str,
        why: impl FnOnce(&registrar_core::index::Index, &str) -> NotKnown + Send + 'static,
    ) -> Response {
        let name = asked.to_owned();
        let why = self.answers.index.ask(move |index| why(index, &name)).await;
        self.refused(asked, &why.map_or(Unanswered::Stopping, Unanswered::NotKnown))
    }
}

/// Everything else at this address.
pub(super) async fn nothing(State(page): State<Page>, asked: Uri) -> Response {
    page.refused("", &Unanswered::Unwanted(format!("there is no page {}", asked.path())))
}
