//! Memory for requests and for answers over all connections (`queued.max.request.bytes`, `queued.max.response.bytes`).
//!
//! A request pays for what has arrived of it, not for what its first four bytes promise, and small ones do not wait at all: a
//! peer that announces much and sends little holds nobody up. When the bound is reached, requests that have begun wait,
//! all but one, which may overdraw until it was handled: so they never wait for one another, and memory is bounded by the
//! bound and one request of the largest size. Answers, of which each pays once it is there, have a bound of their own for
//! the same reason. While somebody waits, the bound is *contended*, and whoever holds a share without hurrying is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// What one permit stands for, in bytes: a semaphore counts to 2^29 on small machines.
const UNIT: u64 = 1024;

/// The bound.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    units: u32,
    semaphore: Option<Arc<Semaphore>>,
    overdraft: Arc<Semaphore>,
    demand: Arc<Demand>,
}

/// Who waits.
#[derive(Debug, Default)]
struct Demand {
    waiting: AtomicUsize,
    risen: Notify,
}

/// Counts one who waits, for as long as it lives.
struct Waiter<'a>(&'a Demand);

impl<'a> Waiter<'a> {
    fn new(demand: &'a Demand) -> Self {
        demand.waiting.fetch_add(1, Ordering::SeqCst);
        demand.risen.notify_waiters();
        Self(demand)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What one request or answer holds; dropping it gives it back.
#[derive(Debug, Default)]
pub(crate) struct Share {
    permit: Option<OwnedSemaphorePermit>,
    overdraft: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Whether it holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.permit.is_none() && self.overdraft.is_none()
    }
}

impl Budget {
    /// A bound of so many bytes; `None` is no bound.
    pub(crate) fn new(bytes: Option<u64>) -> Self {
        let units = bytes.map(|bytes| u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX));
        let units = units.map(|units| units.clamp(1, u32::MAX >> 4));
        Self {
            units: units.unwrap_or(0),
            semaphore: units.map(|units| Arc::new(Semaphore::new(units as usize))),
            overdraft: Arc::new(Semaphore::new(1)),
            demand: Arc::default(),
        }
    }

    /// Bytes that are held, and how many may be; `None` without a bound.
    pub(crate) fn used(&self) -> Option<(u64, u64)> {
        let semaphore = self.semaphore.as_ref()?;
        let limit = u64::from(self.units).saturating_mul(UNIT);
        let free = (semaphore.available_permits() as u64).saturating_mul(UNIT);
        Some((limit.saturating_sub(free), limit))
    }

    /// Waits until `share` may hold so many bytes more, in the order of asking. Dropping it leaves `share` as it was.
    pub(crate) async fn grow(&self, share: &mut Share, bytes: usize) {
        let Some(semaphore) = self.semaphore.as_ref().filter(|_| share.overdraft.is_none()) else { return };
        if self.try_grow(share, bytes) {
            return;
        }
        let units = self.units_of(bytes);
        // Neither semaphore is ever closed. The first has waiters only while it has no room.
        let _waiter = Waiter::new(&self.demand);
        tokio::select! {
            biased;
            permit = Arc::clone(semaphore).acquire_many_owned(units) => {
                if let Ok(permit) = permit {
                    share.add(permit);
                }
            }
            overdraft = Arc::clone(&self.overdraft).acquire_owned() => share.overdraft = overdraft.ok(),
        }
    }

    /// Lets `share` hold so many bytes more if there is room at once; whether it does.
    pub(crate) fn try_grow(&self, share: &mut Share, bytes: usize) -> bool {
        let Some(semaphore) = self.semaphore.as_ref() else { return true };
        let permit = Arc::clone(semaphore).try_acquire_many_owned(self.units_of(bytes));
        permit.map(|permit| share.add(permit)).is_ok()
    }

    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from((bytes as u64).div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units)
    }

    /// Resolves as soon as somebody waits.
    pub(crate) async fn contended(&self) {
        loop {
            let risen = self.demand.risen.notified();
            if self.demand.waiting.load(Ordering::SeqCst) > 0 {
                return;
            }
            risen.await;
        }
    }
}

impl Share {
    fn add(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.permit {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    fn is_ready<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn one_request_may_overdraw_and_others_wait_until_there_is_room() {
        let budget = Budget::new(Some(10 * 1024));
        let (mut first, mut second, mut third) = (Share::default(), Share::default(), Share::default());
        budget.grow(&mut first, 8 * 1024).await;
        budget.grow(&mut second, 4 * 1024).await;
        assert!(second.overdraft.is_some());
        budget.grow(&mut second, 100 << 20).await;
        let mut waiting = Box::pin(budget.grow(&mut third, 4 * 1024));
        assert!(!is_ready(waiting.as_mut()));
        drop(first);
        assert!(is_ready(waiting.as_mut()));
    }

    #[tokio::test]
    async fn it_is_contended_while_somebody_waits() {
        let budget = Budget::new(Some(1024));
        let (mut first, mut second, mut third) = (Share::default(), Share::default(), Share::default());
        budget.grow(&mut first, 1024).await;
        budget.grow(&mut second, 1024).await;
        let mut contended = Box::pin(budget.contended());
        assert!(!is_ready(contended.as_mut()), "the overdraft holds up nobody yet");
        let mut waiting = Box::pin(budget.grow(&mut third, 1024));
        assert!(!is_ready(waiting.as_mut()));
        assert!(is_ready(contended.as_mut()));
        drop(waiting);
        assert!(!is_ready(pin!(budget.contended())));
    }

    #[tokio::test]
    async fn a_request_larger_than_the_bound_is_served() {
        let budget = Budget::new(Some(1024));
        let mut share = Share::default();
        for _ in 0..100 {
            assert!(is_ready(pin!(budget.grow(&mut share, 1 << 20)).as_mut()));
        }
        assert!(is_ready(pin!(Budget::new(None).grow(&mut Share::default(), usize::MAX)).as_mut()));
    }
}
