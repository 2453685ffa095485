//! Bytes of requests in memory over all connections (`queued.max.request.bytes`).
//!
//! A request pays for what has arrived of it, not for what its first four bytes promise, and small ones do not wait at all: a
//! peer that announces much and sends little holds nobody up. When the bound is reached, requests that have begun wait,
//! all but one, which may overdraw until it was handled: so they never wait for one another, and memory is bounded by the
//! bound and one request of the largest size.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit stands for, in bytes: a semaphore counts to 2^29 on small machines.
const UNIT: u64 = 1024;

/// The bound.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    units: u32,
    semaphore: Option<Arc<Semaphore>>,
    overdraft: Arc<Semaphore>,
}

/// What one request holds; dropping it gives it back.
#[derive(Debug, Default)]
pub(crate) struct Share {
    permit: Option<OwnedSemaphorePermit>,
    overdraft: Option<OwnedSemaphorePermit>,
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
        }
    }

    /// Bytes that requests hold, and how many they may; `None` without a bound.
    pub(crate) fn used(&self) -> Option<(u64, u64)> {
        let semaphore = self.semaphore.as_ref()?;
        let limit = u64::from(self.units).saturating_mul(UNIT);
        let free = (semaphore.available_permits() as u64).saturating_mul(UNIT);
        Some((limit.saturating_sub(free), limit))
    }

    /// Waits until `share` may hold so many bytes more, in the order of asking. Dropping it leaves `share` as it was.
    pub(crate) async fn grow(&self, share: &mut Share, bytes: usize) {
        let Some(semaphore) = self.semaphore.as_ref().filter(|_| share.overdraft.is_none()) else { return };
        let units = u32::try_from((bytes as u64).div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        // Neither semaphore is ever closed.
        tokio::select! {
            biased;
            permit = Arc::clone(semaphore).acquire_many_owned(units) => match (&mut share.permit, permit) {
                (Some(held), Ok(permit)) => held.merge(permit),
                (none, permit) => *none = permit.ok(),
            },
            overdraft = Arc::clone(&self.overdraft).acquire_owned() => share.overdraft = overdraft.ok(),
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
    async fn a_request_larger_than_the_bound_is_served() {
        let budget = Budget::new(Some(1024));
        let mut share = Share::default();
        for _ in 0..100 {
            assert!(is_ready(pin!(budget.grow(&mut share, 1 << 20)).as_mut()));
        }
        assert!(is_ready(pin!(Budget::new(None).grow(&mut Share::default(), usize::MAX)).as_mut()));
    }
}
