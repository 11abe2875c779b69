//! The registrar's metrics, in the Prometheus exposition format.

use std::collections::BTreeMap;

use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};
use registrar_core::desired::Hold;
use registrar_core::report::{ConditionStatus, Report};

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
    held: IntGaugeVec,
    pods: IntGauge,
    last_list: Gauge,
    settle_seconds: Histogram,
    ready: GaugeVec,
    leading: IntGauge,
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
            held: IntGaugeVec::new(
                Opts::new(
                    "held_entries",
                    "Entries of ours that no pod is to have and that stay, by the reason.",
                ),
                &["reason"],
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
            ready: GaugeVec::new(
                Opts::new("ready", "Whether an object's Ready condition is True, by kind and name."),
                &["kind", "name"],
            )?,
            leading: IntGauge::new("leading", "Whether this replica may write to SPIRE.")?,
            registry,
            process: Registry::new(),
        };
        metrics.registry.register(Box::new(metrics.spire_calls.clone()))?;
        metrics.registry.register(Box::new(metrics.spire_seconds.clone()))?;
        metrics.registry.register(Box::new(metrics.entry_failures.clone()))?;
        metrics.registry.register(Box::new(metrics.entries.clone()))?;
        metrics.registry.register(Box::new(metrics.backlog.clone()))?;
        metrics.registry.register(Box::new(metrics.held.clone()))?;
        metrics.registry.register(Box::new(metrics.pods.clone()))?;
        metrics.registry.register(Box::new(metrics.last_list.clone()))?;
        metrics.registry.register(Box::new(metrics.settle_seconds.clone()))?;
        metrics.registry.register(Box::new(metrics.ready.clone()))?;
        metrics.registry.register(Box::new(metrics.leading.clone()))?;
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

    /// How many pods may not be in step.
    pub fn backlog(&self, pods: usize) {
        self.backlog.set(count(pods));
    }

    /// What stays although no pod is to have it.
    pub fn held(&self, held: &BTreeMap<Hold, u64>) {
        for (hold, entries) in held {
            let entries = i64::try_from(*entries).unwrap_or(i64::MAX);
            self.held.with_label_values(&[hold.reason()]).set(entries);
        }
    }

    /// SPIRE's entries were listed completely.
    pub fn listed(&self, seconds: f64) {
        self.last_list.set(seconds);
    }

    /// A burst of changes was settled.
    pub fn settled(&self, seconds: f64) {
        self.settle_seconds.observe(seconds);
    }

    /// A report was made.
    pub fn reported(&self, report: &Report, pods: usize) {
        self.pods.set(count(pods));
        // Objects that are gone must not be shown for ever.
        self.ready.reset();
        let registries =
            report.registries.iter().map(|(name, it)| ("EKSClusterRegistry", name.as_str(), &it.conditions));
        let identities =
            report.identities.iter().map(|(name, it)| ("WorkloadIdentity", name.as_str(), &it.conditions));
        for (kind, name, conditions) in registries.chain(identities) {
            let is_ready =
                conditions.iter().any(|it| it.kind == "Ready" && it.status == ConditionStatus::True);
            self.ready.with_label_values(&[kind, name]).set(f64::from(u8::from(is_ready)));
        }
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

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_can_be_registered_and_shown() {
        let metrics = Metrics::new().unwrap();
        metrics.spire_called("ListEntries", "OK", 0.1);
        metrics.entries(3, 1);
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        for expected in [
            "spire_eks_workload_registrar_entries{owner=\"ours\"} 3",
            "spire_eks_workload_registrar_build_info{version=",
            "process_resident_memory_bytes ",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
}
