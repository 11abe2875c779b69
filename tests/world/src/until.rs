//! Waiting for what a test expects, without polling.

use std::time::Duration;

use tokio::sync::watch;

/// Looks at a condition now and at every beat until it holds; panics with the state when the time is over.
pub(crate) async fn until(
    what: &str,
    timeout: Duration,
    mut beats: watch::Receiver<u64>,
    holds: impl Fn() -> bool,
    state: impl Fn() -> String,
) {
    let waiting = async {
        loop {
            // Before it looks, so that no beat in between is missed.
            beats.mark_unchanged();
            if holds() {
                return;
            }
            if beats.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    if tokio::time::timeout(timeout, waiting).await.is_err() {
        panic!("in {timeout:?} it did not come to this: {what}. It is:\n{}", state());
    }
}
