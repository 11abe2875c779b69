//! Work over many things that leaves them as they are, on as many threads as it is worth.

use rayon::prelude::*;

/// So many pods or entries are worth being handed to another thread.
const WORTH_A_THREAD: usize = 500;

/// What comes of the items, part by part and in their order.
pub fn in_parts<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> R + Sync + Send) -> Vec<R> {
    // Few are done here: another thread would have to be woken.
    if items.len() < 2 * WORTH_A_THREAD {
        return vec![work(items)];
    }
    items.par_chunks(WORTH_A_THREAD).map(work).collect()
}

/// What comes of each, where each is a lot of work.
pub fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    match items {
        [] => Vec::new(),
        [only] => vec![work(only)],
        items => items.par_iter().map(work).collect(),
    }
}

/// Sorts; equal ones come in any order.
pub fn sort<T: Ord + Send>(items: &mut [T]) {
    if items.len() < 2 * WORTH_A_THREAD {
        items.sort_unstable();
    } else {
        items.par_sort_unstable();
    }
}

/// Frees something of many parts while nobody waits for it.
pub fn free<T: Send + 'static>(what: T) {
    rayon::spawn(move || drop(what));
}
