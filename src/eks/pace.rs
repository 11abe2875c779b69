//! One pace for calls of which AWS allows so many a second, whoever makes them.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Turns that come one interval after another at the soonest.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// The first turn comes at once.
    pub fn new(interval: Duration) -> Self {
        Self { interval, next: Mutex::default() }
    }

    /// Waits for a turn; who gives up waiting has used it up.
    pub async fn turn(&self) {
        let turn = {
            let mut next = self.next.lock().await;
            let now = Instant::now();
            let turn = next.map_or(now, |next| next.max(now));
            *next = Some(turn + self.interval);
            turn
        };
        tokio::time::sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_keep_their_distance() {
        let pace = Pace::new(Duration::from_millis(20));
        let started = Instant::now();
        futures::future::join_all((0..6).map(|_| pace.turn())).await;
        assert!(started.elapsed() >= Duration::from_millis(100));
    }
}
