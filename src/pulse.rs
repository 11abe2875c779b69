//! Whether the loops still turn: each tells when it begins to work and when it waits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One loop's; clones share it.
#[derive(Debug, Clone)]
pub struct Pulse {
    name: &'static str,
    busy_since: Arc<Mutex<Option<Instant>>>,
}

impl Pulse {
    /// Of a loop that has not begun yet.
    pub fn new(name: &'static str) -> Self {
        Self { name, busy_since: Arc::default() }
    }

    /// A turn begins.
    pub fn works(&self) {
        self.set(Some(Instant::now()));
    }

    /// The turn is done: from here on it waits for others, however long they take.
    pub fn waits(&self) {
        self.set(None);
    }

    /// What is said of a loop whose turn takes longer than this.
    pub fn stuck(&self, limit: Duration) -> Option<String> {
        let since = *self.busy_since.lock().unwrap_or_else(PoisonError::into_inner);
        let busy = since?.elapsed();
        (busy > limit).then(|| format!("{}: one turn has taken {:.0?} and goes on", self.name, busy))
    }

    fn set(&self, since: Option<Instant>) {
        *self.busy_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_that_goes_on_too_long_is_stuck() {
        let pulse = Pulse::new("index");
        assert_eq!(pulse.stuck(Duration::ZERO), None);
        pulse.works();
        assert_eq!(pulse.stuck(Duration::from_secs(60)), None);
        let told = pulse.stuck(Duration::ZERO).unwrap();
        assert!(told.starts_with("index: one turn has taken "), "{told}");
        pulse.waits();
        assert_eq!(pulse.stuck(Duration::ZERO), None);
    }
}
