//! Who may connect now: so many at once, and clusters that failed the last time not in the way of those that did not.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Turns of both kinds.
#[derive(Debug)]
pub struct Turns {
    first: Arc<Semaphore>,
    again: Arc<Semaphore>,
}

/// Held while a cluster is being connected to and listed.
pub type Turn = Option<OwnedSemaphorePermit>;

impl Turns {
    /// `at_once` turns, two at the least; a quarter of them, and one at the least, is for those that failed.
    pub fn new(at_once: usize) -> Self {
        let again = (at_once / 4).max(1);
        let first = at_once.saturating_sub(again).max(1);
        Self { first: Arc::new(Semaphore::new(first)), again: Arc::new(Semaphore::new(again)) }
    }

    /// Waits for a turn: among those that come from a connection that worked or none yet, or among those that failed.
    pub async fn wait(&self, is_first: bool) -> Turn {
        let turns = if is_first { &self.first } else { &self.again };
        // An error would be a semaphore that was closed, which these never are.
        turns.clone().acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn those_that_failed_are_not_in_the_way_of_others() {
        let turns = Turns::new(4);
        let _failed = turns.wait(false).await.unwrap();
        assert!(turns.wait(false).now_or_never().is_none());
        let first = [turns.wait(true).await, turns.wait(true).await, turns.wait(true).await];
        assert!(turns.wait(true).now_or_never().is_none());
        drop(first);
        assert!(turns.wait(true).now_or_never().is_some());
    }
}
