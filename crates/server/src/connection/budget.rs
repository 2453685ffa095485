//! Memory for requests and for answers over all connections (`queued.max.request.bytes`, `queued.max.response.bytes`).
//!
//! A request pays for what has arrived of it, not for what its first four bytes promise, and small ones do not wait at all: a
//! peer that announces much and sends little holds nobody up. When the bound is reached, requests that have begun wait,
//! all but one, which may overdraw until it was handled: so they never wait for one another, and memory is bounded by the
//! bound and one request of the largest size. Answers, of which each pays once it is there, have a bound of their own for
//! the same reason. While somebody waits, the bound is *contended*, and whoever holds a share without hurrying is told.
//!
//! A part of the bound is *kept* for clients that have shown to be prompt: they give back soon what they take, and never wait
//! behind a crowd that does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::frames::SMALL_MAX;

/// What one permit stands for, in bytes: a semaphore counts to 2^29 on small machines.
const UNIT: u64 = 1024;
/// The part that is kept for prompt clients, where one is: a quarter.
const KEPT_DIVISOR: u32 = 4;
/// Requests that may have room in it at a time, at least.
const KEPT_REQUESTS: u64 = 16;

/// The bound.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    parts: Option<Parts>,
    overdraft: Arc<Semaphore>,
    demand: Arc<Demand>,
}

/// A bound's two parts.
#[derive(Debug, Clone)]
struct Parts {
    common: Part,
    kept: Part,
}

#[derive(Debug, Clone)]
struct Part {
    units: u32,
    free: Arc<Semaphore>,
}

impl Part {
    fn new(units: u32) -> Self {
        Self { units, free: Arc::new(Semaphore::new(units as usize)) }
    }

    /// What so many bytes take of it, at most all.
    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from((bytes as u64).div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units)
    }

    async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        // Never closed.
        Arc::clone(&self.free).acquire_many_owned(self.units_of(bytes)).await.ok()
    }

    fn try_take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_many_owned(self.units_of(bytes)).ok()
    }
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
    common: Option<OwnedSemaphorePermit>,
    kept: Option<OwnedSemaphorePermit>,
    overdraft: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Whether it holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.common.is_none() && self.kept.is_none() && self.overdraft.is_none()
    }
}

impl Budget {
    /// A bound of so many bytes; `None` is no bound.
    pub(crate) fn new(bytes: Option<u64>) -> Self {
        Self::divided(bytes, |_| 0)
    }

    /// The same, with a part that is kept for prompt clients, unless only requests would have room there that wait for nothing.
    pub(crate) fn with_kept(bytes: Option<u64>) -> Self {
        Self::divided(bytes, |units| {
            let kept = units / KEPT_DIVISOR;
            if kept_request_max(kept) > SMALL_MAX { kept } else { 0 }
        })
    }

    fn divided(bytes: Option<u64>, kept: impl FnOnce(u32) -> u32) -> Self {
        let units = bytes.map(|bytes| u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX));
        let parts = units.map(|units| units.clamp(1, u32::MAX >> 4)).map(|units| {
            let kept = kept(units);
            Parts { common: Part::new(units - kept), kept: Part::new(kept) }
        });
        Self { parts, overdraft: Arc::new(Semaphore::new(1)), demand: Arc::default() }
    }

    /// Bytes that are held, and how many may be; `None` without a bound.
    pub(crate) fn used(&self) -> Option<(u64, u64)> {
        let Parts { common, kept } = self.parts.as_ref()?;
        let limit = (u64::from(common.units) + u64::from(kept.units)).saturating_mul(UNIT);
        let free = (common.free.available_permits() + kept.free.available_permits()) as u64;
        Some((limit.saturating_sub(free.saturating_mul(UNIT)), limit))
    }

    /// The largest request that may have room in the part that is kept for prompt clients; 0 where none is kept.
    pub(crate) fn kept_request_max(&self) -> usize {
        self.parts.as_ref().map_or(0, |parts| kept_request_max(parts.kept.units))
    }

    /// Waits until `share` may hold so many bytes more, in the order of asking. Dropping it leaves `share` as it was.
    pub(crate) async fn grow(&self, share: &mut Share, bytes: usize) {
        self.grow_as(share, bytes, false).await;
    }

    /// The same for a client that may be prompt: then the kept part is asked too.
    pub(crate) async fn grow_as(&self, share: &mut Share, bytes: usize, is_prompt: bool) {
        let Some(Parts { common, kept }) = self.parts.as_ref().filter(|_| share.overdraft.is_none()) else {
            return;
        };
        if self.try_grow(share, bytes) {
            return;
        }
        let is_prompt = is_prompt && kept.units > 0;
        if let Some(permit) = kept.try_take(bytes).filter(|_| is_prompt) {
            add(&mut share.kept, permit);
            return;
        }
        // The common part has waiters only while it has no room.
        let _waiter = Waiter::new(&self.demand);
        tokio::select! {
            biased;
            Some(permit) = kept.take(bytes), if is_prompt => add(&mut share.kept, permit),
            Some(permit) = common.take(bytes) => add(&mut share.common, permit),
            overdraft = Arc::clone(&self.overdraft).acquire_owned() => share.overdraft = overdraft.ok(),
        }
    }

    /// Lets `share` hold so many bytes more if there is room at once; whether it does.
    pub(crate) fn try_grow(&self, share: &mut Share, bytes: usize) -> bool {
        let Some(parts) = self.parts.as_ref() else { return true };
        parts.common.try_take(bytes).map(|permit| add(&mut share.common, permit)).is_some()
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

/// The largest request that has room in a kept part of so many units.
fn kept_request_max(units: u32) -> usize {
    usize::try_from(u64::from(units).saturating_mul(UNIT) / KEPT_REQUESTS).unwrap_or(usize::MAX)
}

fn add(held: &mut Option<OwnedSemaphorePermit>, permit: OwnedSemaphorePermit) {
    match held {
        Some(held) => held.merge(permit),
        none => *none = Some(permit),
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
    async fn a_part_is_kept_for_who_is_prompt() {
        const MIB: usize = 1 << 20;
        assert_eq!(Budget::with_kept(Some(1 << 20)).kept_request_max(), 0);
        let budget = Budget::with_kept(Some(64 << 20));
        assert_eq!(budget.kept_request_max(), MIB);
        let (mut crowd, mut overdraft) = (Share::default(), Share::default());
        budget.grow(&mut crowd, 48 * MIB).await;
        budget.grow(&mut overdraft, MIB).await;
        let (mut waits, mut first, mut second) = (Share::default(), Share::default(), Share::default());
        let mut waiting = Box::pin(budget.grow(&mut waits, MIB));
        assert!(!is_ready(waiting.as_mut()));
        budget.grow_as(&mut first, 16 * MIB, true).await;
        assert_eq!(budget.used(), Some((64 << 20, 64 << 20)));
        {
            let mut next = Box::pin(budget.grow_as(&mut second, MIB, true));
            assert!(!is_ready(next.as_mut()));
            drop(first);
            assert!(is_ready(next.as_mut()));
        }
        assert!(!is_ready(waiting.as_mut()), "it is not for everybody");
        drop(crowd);
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
