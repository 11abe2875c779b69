//! A watch as the body of an answer: one JSON line for each event, until the time is over or watches are cut.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{broadcast, watch as channel};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::refusal::Refusal;
use super::resource::Resource;
use super::selector::Selector;
use super::store::{Happening, Told};
use super::{Shared, lock};
use crate::serve::Body;

/// What to watch, from where, and for how long.
pub(super) struct Asked {
    pub(super) resource: &'static Resource,
    pub(super) namespace: Option<String>,
    pub(super) selector: Selector,
    /// None or zero: from the objects that are there now, told as added.
    pub(super) revision: Option<u64>,
    /// The objects that are there now are a list, whose end is told.
    pub(super) is_list: bool,
    pub(super) bookmarks: bool,
    pub(super) timeout: Option<Duration>,
}

/// After how many objects a list's third page would begin.
const TWO_PAGES: usize = 1000;

/// How often a watch that asked for bookmarks is given one. A real server does so about once a minute.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(1);

struct Watch {
    shared: Arc<Shared>,
    asked: Asked,
    revision: u64,
    waiting: VecDeque<Bytes>,
    is_over: bool,
    bookmarks: Option<Interval>,
    end: Option<Instant>,
    beats: channel::Receiver<u64>,
    epoch: channel::Receiver<u64>,
    sayings: broadcast::Receiver<(&'static str, Bytes)>,
}

/// The body that tells what happens.
pub(super) fn body(shared: Arc<Shared>, asked: Asked) -> Body {
    let mut beats = shared.pulse.subscribe();
    beats.mark_changed();
    let mut epoch = shared.watches.subscribe();
    epoch.mark_unchanged();
    let store = lock(&shared.store);
    let (revision, mut waiting) = match asked.revision.filter(|revision| *revision > 0) {
        Some(revision) => (revision, VecDeque::new()),
        None => {
            let fits = |object: &&Arc<Value>| {
                let namespace = &object["metadata"]["namespace"];
                asked.namespace.as_ref().is_none_or(|wanted| namespace == wanted)
                    && asked.selector.fits(object)
            };
            let now = store.all(asked.resource).filter(fits);
            (store.revision(), beside(|| now.map(|object| line("ADDED", object)).collect()))
        }
    };
    drop(store);
    let is_over = asked.is_list && end_list(&shared, &asked, revision, &mut waiting);
    let bookmarks = asked.bookmarks.then(|| {
        let mut interval = tokio::time::interval_at(Instant::now() + BOOKMARK_PERIOD, BOOKMARK_PERIOD);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        interval
    });
    let end = asked.timeout.map(|timeout| Instant::now() + timeout);
    let sayings = shared.sayings.subscribe();
    let watch = Watch { sayings, shared, asked, revision, waiting, is_over, bookmarks, end, beats, epoch };
    let lines = stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((Ok(Frame::data(line)), watch))
    });
    StreamBody::new(lines).boxed_unsync()
}

/// Does what takes long where it holds nobody else up that is served on this thread: another server, for one. A runtime of one
/// thread has no other place.
fn beside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Makes of what is there a list as tests ordered it, with its end; whether the watch ends with it.
fn end_list(shared: &Shared, asked: &Asked, revision: u64, waiting: &mut VecDeque<Bytes>) -> bool {
    let mut faults = lock(&shared.faults);
    if faults.empties_lists {
        waiting.clear();
    }
    if faults.repeats_pages {
        waiting.extend(waiting.clone());
    }
    if waiting.len() > TWO_PAGES
        && let Some(code) = faults.page_failures.pop_front()
    {
        waiting.truncate(TWO_PAGES);
        waiting.push_back(failure(&Refusal::ordered(code)));
        return true;
    }
    let mut end = bookmark(asked.resource, revision);
    end["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    // In pieces, so that whoever does not read it to its end costs nobody the whole.
    let piece = Bytes::from(vec![b' '; 1 << 20]);
    waiting.extend(std::iter::repeat_n(piece, faults.bloat >> 20));
    waiting.push_back(line("BOOKMARK", &end));
    false
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.waiting.pop_front() {
                return Some(line);
            }
            if self.is_over {
                return None;
            }
            let due = async {
                match &mut self.bookmarks {
                    Some(interval) => drop(interval.tick().await),
                    None => std::future::pending().await,
                }
            };
            let end = async {
                match self.end {
                    Some(end) => tokio::time::sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = self.epoch.changed() => return None,
                _ = self.beats.changed() => self.look(),
                Ok((plural, bytes)) = self.sayings.recv() => match bytes.is_empty() {
                    _ if plural != self.asked.resource.plural => {}
                    true => self.is_over = true,
                    false => self.waiting.push_back(bytes),
                },
                () = end => return None,
                () = due => {
                    // What happened until now is told before, so that the bookmark is true.
                    self.look();
                    let object = bookmark(self.asked.resource, self.revision);
                    self.waiting.push_back(line("BOOKMARK", &object));
                }
            }
        }
    }

    fn look(&mut self) {
        let Asked { resource, namespace, selector, .. } = &self.asked;
        let told = lock(&self.shared.store).since(self.revision, resource, namespace.as_deref(), selector);
        match told {
            Ok((told, revision)) => {
                self.revision = revision;
                self.waiting.extend(told.iter().map(event));
            }
            Err(refusal) => {
                self.waiting.push_back(failure(&refusal));
                self.is_over = true;
            }
        }
    }
}

fn bookmark(resource: &Resource, revision: u64) -> Value {
    json!({
        "kind": resource.kind,
        "apiVersion": resource.api_version(),
        "metadata": {"resourceVersion": revision.to_string(), "creationTimestamp": null},
    })
}

fn event(told: &Told) -> Bytes {
    let kind = match told.happening {
        Happening::Added => "ADDED",
        Happening::Modified => "MODIFIED",
        Happening::Deleted => "DELETED",
    };
    line(kind, &told.object)
}

fn failure(refusal: &Refusal) -> Bytes {
    line("ERROR", &refusal.status())
}

fn line(kind: &str, object: &Value) -> Bytes {
    let mut line = json!({"type": kind, "object": object}).to_string();
    line.push('\n');
    line.into()
}
