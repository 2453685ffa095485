//! Joining threads, and doing one thing to many partitions at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// Waits for each thread's end. The calling thread, should it be one of them, ends by itself.
pub(crate) fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    let this = std::thread::current().id();
    for thread in threads.into_iter().filter(|thread| thread.thread().id() != this) {
        // Panics were caught, or reported by the hook, where they happened.
        let _ = thread.join();
    }
}

/// Calls `work` with every item, on at most `count` threads besides this one when there is enough to do. Threads that
/// cannot be started are done without.
pub(crate) fn for_each<T: Sync>(items: &[T], count: usize, work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let run = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(item);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..items.len().min(count) {
            // Not started: the others do its share.
            let _ = std::thread::Builder::new().spawn_scoped(scope, run);
        }
        run();
    });
}
