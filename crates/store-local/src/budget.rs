//! Bounds the bytes that are staged in memory over all partitions.
//!
//! Staging itself never waits and never refuses: an appender asks [`StagedBudget::backpressure`] *before* it appends
//! and waits while the bound is exceeded. What is staged is therefore at most the bound plus one request of each
//! appender that asked at the same moment.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Counts staged bytes.
#[derive(Debug)]
pub(crate) struct StagedBudget {
    limit: u64,
    used: AtomicU64,
    waiting: AtomicUsize,
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl StagedBudget {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            waiters: Mutex::default(),
        })
    }

    /// Counts `bytes` as staged.
    pub(crate) fn take(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::SeqCst);
    }

    /// Counts `bytes` as no longer staged and wakes whoever waits, if that is enough. Never more than was taken.
    pub(crate) fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::SeqCst);
        // A waiter is counted before it looks at `used`, so it sees this release or is seen here.
        if self.waiting.load(Ordering::SeqCst) > 0 && !self.is_exceeded() {
            let wakers = std::mem::take(&mut self.lock().wakers);
            wakers.into_values().for_each(Waker::wake);
        }
    }

    /// Bytes staged now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::SeqCst)
    }

    /// `None` when appending may go on; otherwise a future that resolves when it may.
    pub(crate) fn backpressure(self: &Arc<Self>) -> Option<Backpressure> {
        self.is_exceeded().then(|| Backpressure { budget: Arc::clone(self), registered: None })
    }

    fn is_exceeded(&self) -> bool {
        self.used.load(Ordering::SeqCst) > self.limit
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves when fewer bytes are staged than the bound. Dropping it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Backpressure {
    budget: Arc<StagedBudget>,
    registered: Option<u64>,
}

impl Future for Backpressure {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let budget = Arc::clone(&self.budget);
        let id = {
            let mut waiters = budget.lock();
            let id = *self.registered.get_or_insert_with(|| {
                budget.waiting.fetch_add(1, Ordering::SeqCst);
                waiters.next += 1;
                waiters.next
            });
            waiters.wakers.insert(id, context.waker().clone());
            id
        };
        if budget.is_exceeded() {
            return Poll::Pending;
        }
        budget.lock().wakers.remove(&id);
        Poll::Ready(())
    }
}

impl Drop for Backpressure {
    fn drop(&mut self) {
        if let Some(id) = self.registered {
            self.budget.lock().wakers.remove(&id);
            self.budget.waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;

    use super::*;

    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    fn an_appender_waits_until_enough_was_written() {
        let budget = StagedBudget::new(10);
        budget.take(10);
        assert!(budget.backpressure().is_none(), "the bound itself may be used");
        budget.take(20);
        let mut wait = budget.backpressure().expect("exceeded");
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut context = Context::from_waker(&waker);
        assert_eq!(Pin::new(&mut wait).poll(&mut context), Poll::Pending);
        budget.release(10);
        assert!(!flag.0.load(Ordering::SeqCst), "20 bytes are still too many");
        budget.release(10);
        assert!(flag.0.load(Ordering::SeqCst));
        assert_eq!(Pin::new(&mut wait).poll(&mut context), Poll::Ready(()));
        drop(wait);
        assert_eq!(budget.waiting.load(Ordering::SeqCst), 0);
        assert!(budget.lock().wakers.is_empty());
    }

    #[test]
    fn an_abandoned_wait_leaves_nothing_behind() {
        let budget = StagedBudget::new(0);
        budget.take(1);
        let mut wait = budget.backpressure().expect("exceeded");
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(Pin::new(&mut wait).poll(&mut context), Poll::Pending);
        drop(wait);
        assert_eq!(budget.waiting.load(Ordering::SeqCst), 0);
        assert!(budget.lock().wakers.is_empty());
    }
}
