//! Bounds the bytes that are staged in memory over all partitions.
//!
//! Staging itself never waits and never refuses: an appender asks [`StagedBudget::backpressure`] *before* it appends
//! and waits while the bound is exceeded. What is staged is therefore at most the bound plus one request of each
//! appender that asked at the same moment.
//!
//! A partition that is sent more than the disk takes fills what there is. So appenders to partitions with much staged have a lower
//! bound, and what lies between is kept for the others: a firehose waits for the disk, and nobody waits for a firehose.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// With more bytes staged, which is more than one write takes, a partition has a backlog.
pub(crate) const BACKLOG_BYTES: u64 = 1 << 20;
/// The part of the bound that is kept for partitions without a backlog.
const KEPT_ONE_IN: u64 = 4;

/// Counts staged bytes.
#[derive(Debug)]
pub(crate) struct StagedBudget {
    used: AtomicU64,
    /// Where a partition has a backlog.
    behind: Queue,
    /// Where none has.
    prompt: Queue,
}

/// Appenders that wait until no more than `limit` bytes are staged.
#[derive(Debug)]
struct Queue {
    limit: u64,
    waiting: AtomicUsize,
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Queue {
    fn new(limit: u64) -> Self {
        Self { limit, waiting: AtomicUsize::new(0), waiters: Mutex::default() }
    }

    /// Wakes whoever waits, if that few bytes are enough.
    fn wake(&self, used: u64) {
        // A waiter is counted before it looks at `used`, so it sees the release or is seen here.
        if self.waiting.load(Ordering::SeqCst) > 0 && used <= self.limit {
            let wakers = std::mem::take(&mut self.lock().wakers);
            wakers.into_values().for_each(Waker::wake);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StagedBudget {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            used: AtomicU64::new(0),
            behind: Queue::new(limit - limit / KEPT_ONE_IN),
            prompt: Queue::new(limit),
        })
    }

    /// Counts `bytes` as staged.
    pub(crate) fn take(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::SeqCst);
    }

    /// Counts `bytes` as no longer staged and wakes whoever waits, if that is enough. Never more than was taken.
    pub(crate) fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::SeqCst);
        let used = self.used();
        self.prompt.wake(used);
        self.behind.wake(used);
    }

    /// Bytes staged now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::SeqCst)
    }

    /// `None` when appending may go on; otherwise a future that resolves when it may. `has_backlog` tells whether more than
    /// [`BACKLOG_BYTES`] are staged where it appends; it is asked only where that matters.
    pub(crate) fn backpressure(self: &Arc<Self>, has_backlog: impl FnOnce() -> bool) -> Option<Backpressure> {
        if self.used() <= self.behind.limit {
            return None;
        }
        let is_behind = has_backlog();
        let is_exceeded = self.used() > self.queue(is_behind).limit;
        is_exceeded.then(|| Backpressure { budget: Arc::clone(self), is_behind, registered: None })
    }

    fn queue(&self, is_behind: bool) -> &Queue {
        if is_behind { &self.behind } else { &self.prompt }
    }
}

/// Resolves when few enough bytes are staged. Dropping it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Backpressure {
    budget: Arc<StagedBudget>,
    is_behind: bool,
    registered: Option<u64>,
}

impl Future for Backpressure {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let queue = this.budget.queue(this.is_behind);
        let id = {
            let mut waiters = queue.lock();
            let id = *this.registered.get_or_insert_with(|| {
                queue.waiting.fetch_add(1, Ordering::SeqCst);
                waiters.next += 1;
                waiters.next
            });
            waiters.wakers.insert(id, context.waker().clone());
            id
        };
        if this.budget.used() > queue.limit {
            return Poll::Pending;
        }
        queue.lock().wakers.remove(&id);
        Poll::Ready(())
    }
}

impl Drop for Backpressure {
    fn drop(&mut self) {
        if let Some(id) = self.registered {
            let queue = self.budget.queue(self.is_behind);
            queue.lock().wakers.remove(&id);
            queue.waiting.fetch_sub(1, Ordering::SeqCst);
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

    fn flag() -> (Arc<Flag>, Waker) {
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        (Arc::clone(&flag), Waker::from(flag))
    }

    #[test]
    fn an_appender_waits_until_enough_was_written() {
        let budget = StagedBudget::new(10);
        budget.take(10);
        assert!(budget.backpressure(|| false).is_none(), "the bound itself may be used");
        budget.take(20);
        let mut wait = budget.backpressure(|| false).expect("exceeded");
        let (flag, waker) = flag();
        let mut context = Context::from_waker(&waker);
        assert_eq!(Pin::new(&mut wait).poll(&mut context), Poll::Pending);
        budget.release(10);
        assert!(!flag.0.load(Ordering::SeqCst), "20 bytes are still too many");
        budget.release(10);
        assert!(flag.0.load(Ordering::SeqCst));
        assert_eq!(Pin::new(&mut wait).poll(&mut context), Poll::Ready(()));
        drop(wait);
        assert_eq!(budget.prompt.waiting.load(Ordering::SeqCst), 0);
        assert!(budget.prompt.lock().wakers.is_empty());
    }

    #[test]
    fn who_has_a_backlog_waits_earlier_and_longer() {
        let budget = StagedBudget::new(100);
        budget.take(75);
        assert!(budget.backpressure(|| unreachable!("nobody has to wait")).is_none());
        budget.take(25);
        assert!(budget.backpressure(|| false).is_none(), "a quarter is kept for it");
        let mut behind = budget.backpressure(|| true).expect("none is kept for it");
        budget.take(1);
        let mut prompt = budget.backpressure(|| false).expect("all is used");
        let (flags, wakers): (Vec<_>, Vec<_>) = [flag(), flag()].into_iter().unzip();
        for (wait, waker) in [&mut behind, &mut prompt].into_iter().zip(&wakers) {
            assert_eq!(Pin::new(wait).poll(&mut Context::from_waker(waker)), Poll::Pending);
        }
        let woken = || flags.iter().map(|flag| flag.0.load(Ordering::SeqCst)).collect::<Vec<_>>();
        budget.release(1);
        assert_eq!(woken(), [false, true]);
        budget.release(24);
        assert_eq!(woken(), [false, true]);
        budget.release(1);
        assert_eq!(woken(), [true, true]);
    }

    #[test]
    fn an_abandoned_wait_leaves_nothing_behind() {
        let budget = StagedBudget::new(0);
        budget.take(1);
        let mut wait = budget.backpressure(|| true).expect("exceeded");
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(Pin::new(&mut wait).poll(&mut context), Poll::Pending);
        drop(wait);
        assert_eq!(budget.behind.waiting.load(Ordering::SeqCst), 0);
        assert!(budget.behind.lock().wakers.is_empty());
    }
}
