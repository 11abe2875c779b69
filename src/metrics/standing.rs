//! Gauges of what stands, made of the last report and outcome when somebody asks: objects come and go, and whoever asks
//! sees one report whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Error, GaugeVec, IntGauge, IntGaugeVec, Opts, Registry};
use registrar_core::desired::Hold;
use registrar_core::held;
use registrar_core::ledger::Outcome;
use registrar_core::report::{ConditionReport, ConditionStatus, Report};

use super::count;

/// Holds that alerts look at: they are there from the start, so that none can be told from no answer.
const WATCHED: [Hold; 3] = [Hold::Brake, Hold::UnknownCluster, Hold::UnknownIdentity];

/// What was told last, and the gauges that are made of it.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    last: Arc<Mutex<Last>>,
    failing_pods: IntGaugeVec,
    held: IntGaugeVec,
    held_plans: IntGaugeVec,
    vanishing: IntGauge,
    ready: GaugeVec,
    cluster_phase: IntGaugeVec,
    cluster_entries: IntGaugeVec,
    cluster_objects: IntGaugeVec,
    plugin_loaded: IntGaugeVec,
}

#[derive(Debug, Default)]
struct Last {
    report: Arc<Report>,
    outcome: Arc<Outcome>,
}

impl Standing {
    /// Registers its gauges; the error is a name or help text that Prometheus does not accept.
    pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
        let gauges =
            |name: &str, help: &str, labels: &[&str]| IntGaugeVec::new(Opts::new(name, help), labels);
        let standing = Self {
            last: Arc::default(),
            failing_pods: gauges(
                "failing_pods",
                "Pods whose entry does not come out right, by identity and reason.",
                &["identity", "reason"],
            )?,
            held: gauges(
                "held_entries",
                "Entries of ours that no pod is to have and that stay, by the reason.",
                &["reason"],
            )?,
            held_plans: gauges(
                "held_plans",
                "Plans that wait for somebody's release, by cause: see /held.",
                &["cause"],
            )?,
            vanishing: IntGauge::with_opts(Opts::new(
                "vanishing_entries",
                "Entries of ours that somebody else has deleted three times within an hour or more.",
            ))?,
            ready: GaugeVec::new(
                Opts::new("ready", "Whether an object's Ready condition is True, by kind and name."),
                &["kind", "name"],
            )?,
            cluster_phase: gauges(
                "cluster_phase",
                "1 for where the cluster's connection stands, by its reason.",
                &["cluster", "phase", "reason"],
            )?,
            cluster_entries: gauges(
                "cluster_entries",
                "Entries that pods of a cluster are to have: in place, still to be written, or failing.",
                &["cluster", "state"],
            )?,
            cluster_objects: gauges(
                "cluster_objects",
                "Objects known of a cluster, by kind.",
                &["cluster", "kind"],
            )?,
            plugin_loaded: gauges(
                "plugin_loaded",
                "Whether an identity's plugin can be asked, with the condition's reason.",
                &["identity", "reason"],
            )?,
        };
        registry.register(Box::new(standing.clone()))?;
        Ok(standing)
    }

    /// A report was made.
    pub(super) fn reported(&self, report: Arc<Report>) {
        self.last().report = report;
    }

    /// The writer has told how far it is.
    pub(super) fn published(&self, outcome: Arc<Outcome>) {
        self.last().outcome = outcome;
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn all(&self) -> [&dyn Collector; 9] {
        [
            &self.failing_pods,
            &self.held,
            &self.held_plans,
            &self.vanishing,
            &self.ready,
            &self.cluster_phase,
            &self.cluster_entries,
            &self.cluster_objects,
            &self.plugin_loaded,
        ]
    }

    fn show_outcome(&self, outcome: &Outcome) {
        self.held.reset();
        self.held_plans.reset();
        for hold in WATCHED {
            self.held.with_label_values(&[hold.reason()]).set(0);
            self.held_plans.with_label_values(&[hold.reason()]).set(0);
        }
        for (hold, entries) in &outcome.held {
            self.held.with_label_values(&[hold.reason()]).set(count(*entries));
        }
        for plan in held::waiting(outcome) {
            self.held_plans.with_label_values(&[plan.cause]).inc();
        }
        self.vanishing.set(count(outcome.vanishing.values().map(|vanishing| vanishing.entries).sum::<u64>()));
        self.cluster_entries.reset();
        for (name, tally) in &outcome.clusters {
            let states =
                [("InPlace", tally.in_place), ("Pending", tally.pending), ("Failing", tally.failing)];
            for (state, entries) in states {
                self.cluster_entries.with_label_values(&[name.as_str(), state]).set(count(entries));
            }
        }
    }

    fn show_report(&self, report: &Report) {
        self.failing_pods.reset();
        self.plugin_loaded.reset();
        self.cluster_phase.reset();
        self.cluster_objects.reset();
        self.ready.reset();
        for (name, identity) in &report.identities {
            for (reason, pods) in &identity.failing {
                self.failing_pods.with_label_values(&[name.as_str(), reason]).set(count(*pods));
            }
            if let Some(loaded) = condition(&identity.conditions, "PluginLoaded") {
                let is_loaded = i64::from(loaded.status == ConditionStatus::True);
                self.plugin_loaded.with_label_values(&[name.as_str(), loaded.reason]).set(is_loaded);
            }
            self.show_ready("WorkloadIdentity", name.as_str(), &identity.conditions);
        }
        for (name, registry) in &report.registries {
            if let Some(ready) = condition(&registry.conditions, "Ready") {
                let phase = match ready.status {
                    ConditionStatus::True => "Live",
                    ConditionStatus::False => "NotConnected",
                    ConditionStatus::Unknown => "Connecting",
                };
                self.cluster_phase.with_label_values(&[name.as_str(), phase, ready.reason]).set(1);
            }
            for (kind, objects) in registry.objects {
                self.cluster_objects.with_label_values(&[name.as_str(), kind]).set(count(objects));
            }
            self.show_ready("EKSClusterRegistry", name.as_str(), &registry.conditions);
        }
    }

    fn show_ready(&self, kind: &str, name: &str, conditions: &[ConditionReport]) {
        let is_ready = condition(conditions, "Ready").is_some_and(|it| it.status == ConditionStatus::True);
        self.ready.with_label_values(&[kind, name]).set(f64::from(u8::from(is_ready)));
    }
}

impl Collector for Standing {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Until all is read, so that two who ask at a time do not read each other's.
        let last = self.last();
        self.show_outcome(&last.outcome);
        self.show_report(&last.report);
        self.all().into_iter().flat_map(Collector::collect).collect()
    }
}

fn condition<'a>(conditions: &'a [ConditionReport], kind: &str) -> Option<&'a ConditionReport> {
    conditions.iter().find(|condition| condition.kind == kind)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prometheus::TextEncoder;
    use registrar_core::ledger::Tally;
    use registrar_core::names::ClusterName;

    use super::*;

    #[test]
    fn what_is_gone_is_shown_no_more_and_what_alerts_look_at_is_there_from_the_start() {
        let registry = Registry::new();
        let standing = Standing::new(&registry).unwrap();
        let text = || TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        assert!(text().contains("held_plans{cause=\"Brake\"} 0\n"), "{}", text());
        let east = ClusterName::new("east").unwrap();
        let tally = Tally { in_place: 2, ..Tally::default() };
        let outcome = Outcome {
            clusters: BTreeMap::from([(east, tally)]),
            held: BTreeMap::from([(Hold::Preview, 3)]),
            ..Outcome::default()
        };
        standing.published(Arc::new(outcome));
        for expected in [
            "cluster_entries{cluster=\"east\",state=\"InPlace\"} 2\n",
            "held_entries{reason=\"Preview\"} 3\n",
        ] {
            assert!(text().contains(expected), "{expected} in {}", text());
        }
        standing.published(Arc::default());
        let left = text();
        assert!(!left.contains("east") && !left.contains("Preview"), "{left}");
        assert!(left.contains("held_entries{reason=\"Brake\"} 0\n"), "{left}");
    }
}
