//! Long turns: one thread runs everything that waits, so what computes for long does it beside that thread.

use tokio::runtime::Handle;
use tokio::task::block_in_place;

/// How many threads run what waits. A new pod is a chain of short turns in several tasks, each of which hands on to the next:
/// with a second thread each link wakes it in vain, which costs more than the work itself.
pub const THREADS: usize = 1;
/// Turns over at most so many pods or entries are short: less than a millisecond.
pub const FEW: usize = 64;

/// Runs a turn; while a long one runs, another thread goes on with all other tasks.
pub fn turn<T>(is_long: bool, turn: impl FnOnce() -> T) -> T {
    if is_long { block_in_place(turn) } else { turn() }
}

/// The same of a turn that also waits: a long one has a thread of its own until its end.
pub async fn turns<T>(are_long: bool, turns: impl Future<Output = T>) -> T {
    if are_long { block_in_place(|| Handle::current().block_on(turns)) } else { turns.await }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::task::JoinSet;

    use super::*;

    #[test]
    fn other_tasks_go_on_while_a_long_turn_computes_or_waits() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).build().unwrap();
        let patience = Duration::from_secs(60);
        let (gone_on, has_gone_on) = mpsc::channel();
        let (gone_on_too, has_gone_on_too) = tokio::sync::oneshot::channel();
        let mut long = JoinSet::new();
        long.spawn_on(
            async move {
                let mut others = JoinSet::new();
                others.spawn(async move { gone_on.send(()).unwrap() });
                turn(true, || has_gone_on.recv_timeout(patience)).unwrap();
                others.spawn(async move { gone_on_too.send(()).unwrap() });
                turns(true, has_gone_on_too).await.unwrap();
                others.join_all().await;
                turn(false, || "ends")
            },
            runtime.handle(),
        );
        assert_eq!(runtime.block_on(long.join_all()), ["ends"]);
    }
}
