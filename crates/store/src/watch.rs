//! Waiting for many partitions at once: a [`WatchSet`] collects the tokens of those that changed, so that a long poll
//! over ten thousand partitions wakes once and looks only at what changed.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Tokens that were told and not yet taken.
#[derive(Debug, Default)]
pub struct WatchSet {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    changed: BTreeSet<u32>,
    waker: Option<Waker>,
}

impl WatchSet {
    /// An empty set.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Adds `token` and wakes whoever waits in [`WatchSet::changed`].
    pub fn tell(&self, token: u32) {
        let waker = {
            let mut state = self.lock();
            state.changed.insert(token);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes every token told since the last call, in ascending order, without waiting.
    pub fn take(&self) -> BTreeSet<u32> {
        std::mem::take(&mut self.lock().changed)
    }

    /// Waits until at least one token was told, then takes them all. One waiter at a time: a second replaces the
    /// first. Dropping the future loses nothing.
    pub async fn changed(&self) -> BTreeSet<u32> {
        poll_fn(|context| {
            let mut state = self.lock();
            if state.changed.is_empty() {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            } else {
                Poll::Ready(std::mem::take(&mut state.changed))
            }
        })
        .await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic elsewhere cannot leave a set of integers half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a registration alive; dropping it ends it.
pub struct Watch {
    cancel: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Watch {
    /// A registration that `cancel` ends.
    pub fn new(cancel: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self { cancel: Some(Box::new(cancel)) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(cancel) = self.cancel.take() {
            cancel();
        }
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}
