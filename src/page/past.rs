//! The last hour: how long pods waited for their first entry and how many still do, and the last writes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use k8s_openapi::jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Page;
use super::view::{Numbers, Pages, Tone, Top, clock, counted, rendered};
use crate::metrics::{Metrics, Reading};
use crate::sync::audit::Record;

/// How often it is looked how things are.
const EVERY: Duration = Duration::from_secs(15);
/// How many looks are kept: those of an hour.
const KEPT: usize = 240;
/// How many seconds one row of the table has.
const ROW: i64 = 300;

/// What was seen at one look.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    at: Timestamp,
    backlog: u64,
    changes_waiting: u64,
    /// Pods that got their first entry since the look before.
    registered: u64,
    /// How many seconds half of them waited at most, and 99 of 100; estimated from buckets as Prometheus does it.
    waited: Option<(f64, f64)>,
}

/// Looks again and again until `shutdown`, and tells the last hour.
pub async fn sample(metrics: Metrics, told: watch::Sender<Arc<[Sample]>>, shutdown: CancellationToken) {
    let mut kept: VecDeque<Sample> = VecDeque::new();
    let mut before = Reading::default();
    let mut looks = tokio::time::interval(EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = looks.tick() => {}
        }
        let now = metrics.reading();
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(Sample::between(&before, &now, Timestamp::now()));
        before = now;
        told.send_replace(kept.iter().cloned().collect());
    }
}

impl Sample {
    fn between(before: &Reading, now: &Reading, at: Timestamp) -> Self {
        let had = |at: usize| before.registrations.get(at).map_or(0, |(_, count)| *count);
        let buckets = now.registrations.iter().enumerate();
        let buckets: Vec<(f64, u64)> =
            buckets.map(|(at, (bound, count))| (*bound, count.saturating_sub(had(at)))).collect();
        let registered = now.registered.saturating_sub(before.registered);
        let waited = quantile(&buckets, registered, 0.5).zip(quantile(&buckets, registered, 0.99));
        Self {
            at,
            backlog: u64::try_from(now.backlog).unwrap_or(0),
            changes_waiting: u64::try_from(now.changes_waiting).unwrap_or(0),
            registered,
            waited,
        }
    }
}

/// What this share of all is at most: within its bucket, all are taken to be spread evenly. Beyond the last bucket it is
/// the last bound.
fn quantile(buckets: &[(f64, u64)], all: u64, share: f64) -> Option<f64> {
    if all == 0 {
        return None;
    }
    let rank = share * all as f64;
    let (mut below, mut least) = (0, 0.0);
    for (bound, count) in buckets {
        if *count as f64 >= rank && *count > below {
            let part = (rank - below as f64) / (count - below) as f64;
            return Some(least + (bound - least) * part);
        }
        (below, least) = (*count, *bound);
    }
    Some(least)
}

/// A plot of bars, one a sample.
struct Plot {
    id: &'static str,
    title: &'static str,
    /// What the plot shows, for those who do not see it.
    text: String,
    from: String,
    to: String,
    bars: Vec<Bar>,
}

struct Bar {
    class: &'static str,
    x: String,
    y: String,
    width: &'static str,
    height: String,
}

/// The look of bars, and how high each is.
type Series<'a> = (&'static str, &'a dyn Fn(&Sample) -> Option<f64>);

impl Plot {
    const WIDTH: usize = 3 * KEPT;
    const HEIGHT: usize = 144;

    /// `series` are drawn one over the other, each as high as it is beside the largest of all.
    fn bars(samples: &[Sample], series: &[Series<'_>]) -> Vec<Bar> {
        let values = series.iter().flat_map(|(_, value)| samples.iter().filter_map(value));
        let most = values.fold(0.0, f64::max);
        let first = KEPT.saturating_sub(samples.len());
        let mut bars = Vec::new();
        for (class, value) in series {
            for (number, sample) in samples.iter().enumerate() {
                let Some(value) = value(sample).filter(|value| *value > 0.0) else { continue };
                let height = (value / most * Self::HEIGHT as f64).max(1.0);
                bars.push(Bar {
                    class,
                    x: (3 * (first + number)).to_string(),
                    y: format!("{:.1}", Self::HEIGHT as f64 - height),
                    width: "2",
                    height: format!("{height:.1}"),
                });
            }
        }
        bars
    }
}

/// Five minutes.
struct Row {
    at: Timestamp,
    clock: String,
    registered: u64,
    median: String,
    most: String,
    backlog: u64,
    changes: u64,
}

#[derive(Template)]
#[template(path = "past.html")]
struct PastView {
    top: Top,
    summary: String,
    plots: [Plot; 2],
    rows: Vec<Row>,
}

pub(super) async fn past(State(page): State<Page>) -> Response {
    let samples = page.samples.borrow().clone();
    let registered: u64 = samples.iter().map(|sample| sample.registered).sum();
    let longest = samples.iter().filter_map(|sample| sample.waited).map(|(_, most)| most).fold(0.0, f64::max);
    let backlog = samples.iter().map(|sample| sample.backlog).max().unwrap_or(0);
    let now = samples.last().map_or(0, |sample| sample.backlog);
    let at = |sample: Option<&Sample>| sample.map(|it| format!("{} UTC", clock(&it.at))).unwrap_or_default();
    let (from, to) = (at(samples.first()), at(samples.last()));
    let waited = match registered {
        0 => "no pod got its first entry".to_owned(),
        _ => format!("at most {} for 99 of 100 pods", seconds(longest)),
    };
    let latency = Plot {
        id: "latency",
        title: "From a pod's event to its first entry",
        text: format!("half of the pods (strong) and 99 of 100; {waited}"),
        from: from.clone(),
        to: to.clone(),
        bars: Plot::bars(
            &samples,
            &[
                ("", &|sample| sample.waited.map(|(_, most)| most)),
                ("strong", &|sample| sample.waited.map(|(median, _)| median)),
            ],
        ),
    };
    let behind = |sample: &Sample| Some(sample.backlog as f64);
    let waiting = Plot {
        id: "backlog",
        title: "Pods whose entries may not be in step",
        text: format!("at most {backlog}, now {now}"),
        from,
        to,
        bars: Plot::bars(&samples, &[("", &behind)]),
    };
    rendered(&PastView {
        top: page.top("Last hour", "/past"),
        summary: format!(
            "{} got a first entry; {waited}; {} behind now, {backlog} at most.",
            counted(registered, "pod"),
            counted(now, "pod")
        ),
        plots: [latency, waiting],
        rows: rows(&samples),
    })
}

fn rows(samples: &[Sample]) -> Vec<Row> {
    let mut by_time: BTreeMap<i64, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        by_time.entry(sample.at.as_second().div_euclid(ROW)).or_default().push(sample);
    }
    let rows = by_time.into_iter().rev().filter_map(|(number, samples)| {
        let at = Timestamp::from_second(number * ROW).ok()?;
        let waited = samples.iter().filter_map(|sample| sample.waited);
        let (medians, most): (Vec<f64>, Vec<f64>) = waited.unzip();
        let largest =
            |values: Vec<f64>| values.into_iter().reduce(f64::max).map_or_else(|| "none".to_owned(), seconds);
        Some(Row {
            clock: at.strftime("%H:%M").to_string(),
            at,
            registered: samples.iter().map(|sample| sample.registered).sum(),
            median: largest(medians),
            most: largest(most),
            backlog: samples.iter().map(|sample| sample.backlog).max().unwrap_or(0),
            changes: samples.iter().map(|sample| sample.changes_waiting).max().unwrap_or(0),
        })
    });
    rows.collect()
}

fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

#[derive(Template)]
#[template(path = "writes.html")]
struct WritesView {
    top: Top,
    summary: String,
    records: Vec<Arc<Record>>,
    pages: Pages,
}

pub(super) async fn writes(State(page): State<Page>, Query(numbers): Query<Numbers>) -> Response {
    let records = page.records.borrow().clone();
    let pages =
        Pages::of("writes", records.len(), numbers.writes, |number| format!("/writes?writes={number}"));
    let summary = match records.back() {
        None => "This replica has written nothing yet.".to_owned(),
        Some(last) => format!("The last write was at {} UTC; the audit record has all.", clock(&last.at)),
    };
    let records = pages.cut(records.into_iter().rev());
    rendered(&WritesView { top: page.top("Last writes", "/writes"), summary, records, pages })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_estimated_as_prometheus_does_it() {
        let buckets = [(0.1, 0), (0.2, 10), (0.4, 10), (0.8, 20)];
        assert_eq!(quantile(&buckets, 20, 0.5), Some(0.2));
        assert_eq!(quantile(&buckets, 20, 0.75), Some(0.6000000000000001));
        assert_eq!(quantile(&buckets, 40, 0.99), Some(0.8), "beyond the last bucket");
        assert_eq!(quantile(&buckets, 0, 0.5), None);
    }

    #[test]
    fn a_sample_is_what_came_since_the_one_before() {
        let reading = |counts: [u64; 2], registered| Reading {
            backlog: 3,
            changes_waiting: -1,
            registrations: vec![(1.0, counts[0]), (2.0, counts[1])],
            registered,
        };
        let at = Timestamp::UNIX_EPOCH;
        let sample = Sample::between(&reading([5, 5], 5), &reading([5, 9], 9), at);
        assert_eq!((sample.registered, sample.backlog, sample.changes_waiting), (4, 3, 0));
        assert_eq!(sample.waited, Some((1.5, 1.99)));
        let rows = rows(&[sample.clone(), Sample { registered: 2, waited: None, ..sample }]);
        assert_eq!((rows.len(), rows[0].registered, rows[0].median.as_str()), (1, 6, "1.5 s"));
    }
}
