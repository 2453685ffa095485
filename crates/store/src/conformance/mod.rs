//! What every implementation of the traits must do, as tests that it runs over itself: [`log_store`] and
//! [`meta_store`] take a closure that makes a fixture on empty storage and panic, with the promise's name on the
//! stack, where a promise is broken.
//!
//! Futures are awaited without a runtime, so an implementation must make progress by threads of its own. What is
//! particular to one engine (crashes at every operation, failing disks) is not here but in its own tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod log_store;
mod meta_store;
#[cfg(test)]
mod tests;

pub use log_store::{LogFixture, log_store};
pub use meta_store::{MetaFixture, meta_store};

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Far longer than anything here takes: a future that is still pending then will never resolve.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a future on this thread.
///
/// # Panics
/// When it has not resolved after a minute.
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    let start = Instant::now();
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "a future did not resolve within {PATIENCE:?}");
        std::thread::park_timeout(PATIENCE);
    }
}
