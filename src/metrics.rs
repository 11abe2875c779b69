//! The registrar's metrics, in the Prometheus exposition format.

mod standing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};
use registrar_core::drift::Drift;
use registrar_core::ledger::Outcome;
use registrar_core::report::Report;
use standing::Standing;

/// What the page keeps of the last hour, as it is at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// Pods whose entries may not be in step.
    pub backlog: i64,
    /// Changes that wait for the index.
    pub changes_waiting: i64,
    /// Of `pod_registration_seconds`: each bucket's upper bound in seconds, and how many were at most that since the start.
    pub registrations: Vec<(f64, u64)>,
    /// How many there were, those beyond the last bucket too.
    pub registered: u64,
}

/// All metrics; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    /// The process's own figures, whose names have no prefix by convention.
    process: Registry,
    spire_calls: IntCounterVec,
    spire_seconds: HistogramVec,
    entry_failures: IntCounterVec,
    entries: IntGaugeVec,
    backlog: IntGauge,
    backlog_age: Gauge,
    registration_seconds: Histogram,
    changes_waiting: IntGauge,
    changes_age: Gauge,
    drift: IntCounterVec,
    pods: IntGauge,
    last_list: Gauge,
    settle_seconds: Histogram,
    leading: IntGauge,
    clusters: ClusterMetrics,
    plugins: PluginMetrics,
    standing: Standing,
}

/// What is told of plugins, by the names that they give themselves.
#[derive(Debug, Clone)]
struct PluginMetrics {
    calls: IntCounterVec,
    seconds: HistogramVec,
    questions: IntGaugeVec,
    load_failures: IntCounterVec,
}

impl PluginMetrics {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            calls: IntCounterVec::new(
                Opts::new("plugin_calls_total", "Calls of plugins' derive, by what came of them."),
                &["plugin", "outcome"],
            )?,
            seconds: HistogramVec::new(
                HistogramOpts::new(
                    "plugin_call_seconds",
                    "How long calls of plugins' derive take, a fresh instance each.",
                )
                .buckets(vec![1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 2.5e-3, 1e-2, 0.1, 1.0]),
                &["plugin"],
            )?,
            questions: IntGaugeVec::new(
                Opts::new("plugin_questions", "Questions that pods depend on: answered, or open."),
                &["state"],
            )?,
            load_failures: IntCounterVec::new(
                Opts::new("plugin_load_failures_total", "Components that could not be loaded, by reason."),
                &["reason"],
            )?,
        };
        registry.register(Box::new(metrics.calls.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.questions.clone()))?;
        registry.register(Box::new(metrics.load_failures.clone()))?;
        Ok(metrics)
    }
}

/// What is told of each workload cluster.
#[derive(Debug, Clone)]
struct ClusterMetrics {
    last_event: GaugeVec,
    bytes: IntCounterVec,
    reconnects: IntCounterVec,
}

impl ClusterMetrics {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            last_event: GaugeVec::new(
                Opts::new(
                    "cluster_last_event_timestamp_seconds",
                    "When a watch last sent anything, bookmarks included; time() less this is the seconds since.",
                ),
                &["cluster"],
            )?,
            bytes: IntCounterVec::new(
                Opts::new("cluster_watch_bytes_total", "Bytes that watches have sent, by kind."),
                &["cluster", "kind"],
            )?,
            reconnects: IntCounterVec::new(
                Opts::new("cluster_reconnects_total", "Connections that ended or never began, by reason."),
                &["cluster", "reason"],
            )?,
        };
        registry.register(Box::new(metrics.last_event.clone()))?;
        registry.register(Box::new(metrics.bytes.clone()))?;
        registry.register(Box::new(metrics.reconnects.clone()))?;
        Ok(metrics)
    }

    /// What is told of one that is not watched any more goes.
    fn forget(&self, cluster: &str) {
        for counters in [&self.bytes, &self.reconnects] {
            for metric in counters.collect().iter().flat_map(|family| family.get_metric()) {
                let labels = metric.get_label().iter().map(|label| (label.name(), label.value()));
                let labels: HashMap<&str, &str> = labels.collect();
                if labels.get("cluster") == Some(&cluster) {
                    // An error says that it is gone already.
                    let _ = counters.remove(&labels);
                }
            }
        }
        let _ = self.last_event.remove(&HashMap::from([("cluster", cluster)]));
    }
}

impl Metrics {
    /// Registers every metric; the error is a name or help text that Prometheus does not accept.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("spire_eks_workload_registrar".to_owned()), None)?;
        let metrics = Self {
            spire_calls: IntCounterVec::new(
                Opts::new("spire_calls_total", "Calls of SPIRE's Entry API by method and gRPC code."),
                &["method", "code"],
            )?,
            spire_seconds: HistogramVec::new(
                HistogramOpts::new("spire_call_seconds", "How long calls of SPIRE's Entry API take."),
                &["method"],
            )?,
            entry_failures: IntCounterVec::new(
                Opts::new("entry_failures_total", "Entries that SPIRE did not take, by reason."),
                &["reason"],
            )?,
            entries: IntGaugeVec::new(
                Opts::new("entries", "Entries in SPIRE by owner: ours or foreign."),
                &["owner"],
            )?,
            backlog: IntGauge::new("backlog_pods", "Pods whose entries may not be in step.")?,
            backlog_age: Gauge::new(
                "backlog_age_seconds",
                "Since when there was no moment without such a pod; 0 while there is none.",
            )?,
            registration_seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "pod_registration_seconds",
                    "From the event by which a pod was to have its first entry to that entry in SPIRE.",
                )
                .buckets(vec![
                    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
                ]),
            )?,
            changes_waiting: IntGauge::new("changes_waiting", "Changes that wait for the index.")?,
            changes_age: Gauge::new(
                "changes_age_seconds",
                "How long the oldest of the changes that the index took last had waited.",
            )?,
            drift: IntCounterVec::new(
                Opts::new(
                    "drift_total",
                    "Entries that SPIRE held otherwise than this registrar had left them, by cause.",
                ),
                &["cause"],
            )?,
            pods: IntGauge::new("pods", "Pods known in all clusters.")?,
            last_list: Gauge::new(
                "last_list_seconds",
                "How long the last complete list of SPIRE's entries took.",
            )?,
            settle_seconds: Histogram::with_opts(HistogramOpts::new(
                "settle_seconds",
                "How long a burst of changes takes to become desired entries.",
            ))?,
            leading: IntGauge::new("leading", "Whether this replica may write to SPIRE.")?,
            clusters: ClusterMetrics::new(&registry)?,
            plugins: PluginMetrics::new(&registry)?,
            standing: Standing::new(&registry)?,
            registry,
            process: Registry::new(),
        };
        metrics.registry.register(Box::new(metrics.spire_calls.clone()))?;
        metrics.registry.register(Box::new(metrics.spire_seconds.clone()))?;
        metrics.registry.register(Box::new(metrics.entry_failures.clone()))?;
        metrics.registry.register(Box::new(metrics.entries.clone()))?;
        metrics.registry.register(Box::new(metrics.backlog.clone()))?;
        metrics.registry.register(Box::new(metrics.backlog_age.clone()))?;
        metrics.registry.register(Box::new(metrics.registration_seconds.clone()))?;
        metrics.registry.register(Box::new(metrics.changes_waiting.clone()))?;
        metrics.registry.register(Box::new(metrics.changes_age.clone()))?;
        metrics.registry.register(Box::new(metrics.drift.clone()))?;
        metrics.registry.register(Box::new(metrics.pods.clone()))?;
        metrics.registry.register(Box::new(metrics.last_list.clone()))?;
        metrics.registry.register(Box::new(metrics.settle_seconds.clone()))?;
        metrics.registry.register(Box::new(metrics.leading.clone()))?;
        for (cause, entries) in Drift::default().by_cause() {
            metrics.drift.with_label_values(&[cause]).inc_by(entries);
        }
        let build =
            IntGaugeVec::new(Opts::new("build_info", "Always 1; the version is a label."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        metrics.registry.register(Box::new(build))?;
        // Memory, CPU time, open files; Linux only, which is where this runs.
        let process = Registry::new();
        process.register(Box::new(ProcessCollector::for_self()))?;
        Ok(Self { process, ..metrics })
    }

    /// A call of SPIRE's Entry API has ended.
    pub fn spire_called(&self, method: &str, code: &str, seconds: f64) {
        self.spire_calls.with_label_values(&[method, code]).inc();
        self.spire_seconds.with_label_values(&[method]).observe(seconds);
    }

    /// SPIRE did not take an entry.
    pub fn entry_failed(&self, reason: &str) {
        self.entry_failures.with_label_values(&[reason]).inc();
    }

    /// How many entries SPIRE holds.
    pub fn entries(&self, ours: usize, foreign: usize) {
        self.entries.with_label_values(&["ours"]).set(count(ours));
        self.entries.with_label_values(&["foreign"]).set(count(foreign));
    }

    /// How many pods may not be in step, and since when there were some all the time.
    pub fn backlog(&self, pods: usize, since: Option<Instant>) {
        self.backlog.set(count(pods));
        self.backlog_age.set(since.map_or(0.0, |since| since.elapsed().as_secs_f64()));
    }

    /// SPIRE held something otherwise than this registrar had left it.
    pub fn drifted(&self, drift: &Drift) {
        for (cause, entries) in drift.by_cause() {
            self.drift.with_label_values(&[cause]).inc_by(entries);
        }
    }

    /// The writer has told how far it is.
    pub fn published(&self, outcome: Arc<Outcome>) {
        self.standing.published(outcome);
    }

    /// SPIRE's entries were listed completely.
    pub fn listed(&self, seconds: f64) {
        self.last_list.set(seconds);
    }

    /// A pod has its first entry.
    pub fn registered(&self, seconds: f64) {
        self.registration_seconds.observe(seconds);
    }

    /// The index has taken changes, the oldest of which came then; so many wait.
    pub fn queued(&self, waiting: usize, since: Instant) {
        self.changes_waiting.set(count(waiting));
        self.changes_age.set(since.elapsed().as_secs_f64());
    }

    /// A burst of changes was settled.
    pub fn settled(&self, seconds: f64) {
        self.settle_seconds.observe(seconds);
    }

    /// A watch of a cluster has sent something.
    pub fn watched(&self, cluster: &str, kind: &str, bytes: usize) {
        self.clusters.bytes.with_label_values(&[cluster, kind]).inc_by(bytes as u64);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.clusters.last_event.with_label_values(&[cluster]).set(now.as_secs_f64());
    }

    /// When a watch of each cluster last sent anything, in seconds since 1970.
    pub fn last_events(&self) -> HashMap<String, f64> {
        let families = self.clusters.last_event.collect();
        let metrics = families.iter().flat_map(|family| family.get_metric());
        let each = metrics.filter_map(|metric| {
            let label = metric.get_label().iter().find(|label| label.name() == "cluster")?;
            Some((label.value().to_owned(), metric.get_gauge().get_value()))
        });
        each.collect()
    }

    /// What the page keeps of the last hour, as it is now.
    pub fn reading(&self) -> Reading {
        let families = self.registration_seconds.collect();
        let histogram = families.first().and_then(|family| family.get_metric().first());
        let histogram = histogram.map(|metric| metric.get_histogram());
        let buckets = histogram.iter().flat_map(|histogram| histogram.get_bucket());
        Reading {
            backlog: self.backlog.get(),
            changes_waiting: self.changes_waiting.get(),
            registrations: buckets.map(|it| (it.upper_bound(), it.cumulative_count())).collect(),
            registered: histogram.map_or(0, |histogram| histogram.get_sample_count()),
        }
    }

    /// A connection to a cluster has ended, or none came about.
    pub fn disconnected(&self, cluster: &str, reason: &str) {
        self.clusters.reconnects.with_label_values(&[cluster, reason]).inc();
    }

    /// A cluster is connected to no more.
    pub fn forget(&self, cluster: &str) {
        self.clusters.forget(cluster);
    }

    /// A call of a plugin has ended; `outcome` is what came of it in a word.
    pub fn plugin_called(&self, plugin: &str, outcome: &str, seconds: f64) {
        self.plugins.calls.with_label_values(&[plugin, outcome]).inc();
        self.plugins.seconds.with_label_values(&[plugin]).observe(seconds);
    }

    /// A component could not be loaded.
    pub fn plugin_not_loaded(&self, reason: &str) {
        self.plugins.load_failures.with_label_values(&[reason]).inc();
    }

    /// How many questions there are, and how many of them are open.
    pub fn questions(&self, all: usize, open: usize) {
        self.plugins.questions.with_label_values(&["answered"]).set(count(all - open));
        self.plugins.questions.with_label_values(&["open"]).set(count(open));
    }

    /// A report was made.
    pub fn reported(&self, report: Arc<Report>, pods: usize) {
        self.pods.set(count(pods));
        self.standing.reported(report);
    }

    /// Whether this replica may write.
    pub fn leading(&self, is_leading: bool) {
        self.leading.set(i64::from(is_leading));
    }

    /// Everything as text.
    pub fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        for registry in [&self.registry, &self.process] {
            TextEncoder::new().encode(&registry.gather(), &mut text)?;
        }
        Ok(text)
    }
}

fn count(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_can_be_registered_and_shown() {
        let metrics = Metrics::new().unwrap();
        metrics.spire_called("ListEntries", "OK", 0.1);
        metrics.entries(3, 1);
        metrics.watched("east", "pods", 7);
        metrics.disconnected("west", "ConnectionRefused");
        metrics.watched("gone", "pods", 7);
        metrics.disconnected("gone", "ConnectionRefused");
        metrics.forget("gone");
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        for expected in [
            "spire_eks_workload_registrar_entries{owner=\"ours\"} 3",
            "spire_eks_workload_registrar_cluster_watch_bytes_total{cluster=\"east\",kind=\"pods\"} 7",
            "spire_eks_workload_registrar_cluster_reconnects_total{cluster=\"west\",reason=\"ConnectionRefused\"} 1",
            "spire_eks_workload_registrar_build_info{version=",
            "process_resident_memory_bytes ",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
        assert!(!text.contains("gone"), "{text}");
    }
}
