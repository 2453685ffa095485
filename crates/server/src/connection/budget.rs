//! Bytes of requests in memory over all connections (`queued.max.request.bytes`).

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit stands for, in bytes: a semaphore counts to 2^29 on small machines.
const UNIT: u64 = 1024;

/// The bound.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    units: u32,
    semaphore: Option<Arc<Semaphore>>,
}

/// What one request holds; dropping it gives it back.
#[derive(Debug, Default)]
pub(crate) struct Share {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// A bound of so many bytes; `None` is no bound.
    pub(crate) fn new(bytes: Option<u64>) -> Self {
        let Some(bytes) = bytes else { return Self { units: 0, semaphore: None } };
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX >> 4).clamp(1, u32::MAX >> 4);
        Self { units, semaphore: Some(Arc::new(Semaphore::new(units as usize))) }
    }

    /// Waits until so many bytes fit, in the order of asking. More than the whole bound gets all of it: such a request is
    /// alone in memory, but served.
    pub(crate) async fn take(&self, bytes: usize) -> Share {
        let Some(semaphore) = &self.semaphore else { return Share::default() };
        let units = u32::try_from((bytes as u64).div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        // The semaphore is never closed.
        Share { _permit: Arc::clone(semaphore).acquire_many_owned(units).await.ok() }
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
    async fn a_request_waits_until_there_is_room() {
        let budget = Budget::new(Some(10 * 1024));
        let first = budget.take(8 * 1024).await;
        let mut second = pin!(budget.take(4 * 1024));
        assert!(!is_ready(second.as_mut()));
        drop(first);
        assert!(is_ready(second.as_mut()));
    }

    #[tokio::test]
    async fn a_request_larger_than_the_bound_is_served_alone() {
        let budget = Budget::new(Some(1024));
        let all = budget.take(100 << 20).await;
        let mut other = pin!(budget.take(1));
        assert!(!is_ready(other.as_mut()));
        drop(all);
        assert!(is_ready(other.as_mut()));
        let _none = Budget::new(None).take(usize::MAX).await;
    }
}
