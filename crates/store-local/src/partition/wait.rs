//! The futures of acknowledgements, and of being on stable storage.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use highwater_store::{AppendError, Partition, PartitionProblem, WatchSet};
use highwater_types::Offset;

use super::{LocalPartition, Mode};
use crate::waiters::{Level, Registered, WaitKey};

/// Resolves when the partition's end has passed a target, or never will. Dropping it leaves nothing behind.
pub(super) struct AcknowledgementWait {
    partition: Arc<LocalPartition>,
    level: Level,
    key: WaitKey,
}

impl LocalPartition {
    /// Registers a wait for everything below `target`; the answer at once where there is one.
    pub(super) fn wait_for(
        self: Arc<Self>,
        level: Level,
        target: Offset,
    ) -> Result<AcknowledgementWait, Result<(), AppendError>> {
        let registered = self.waiters().register(level, target);
        match registered {
            Registered::Settled(result) => Err(result.map_err(AppendError::Unavailable)),
            Registered::Waiting(key) => Ok(AcknowledgementWait { partition: self, level, key }),
        }
    }

    /// Has what lies below `target`, which must be visible, synced whatever the policy, and resolves when it is.
    pub(super) async fn sync_up_to(self: Arc<Self>, target: Offset) -> Result<(), PartitionProblem> {
        let answer = match Arc::clone(&self).wait_for(Level::Synced, target) {
            Err(answer) => answer,
            Ok(wait) => {
                // The end of a sync that is in flight asks for the next one.
                self.request_sync();
                wait.await
            }
        };
        match answer {
            Err(AppendError::Unavailable(problem)) => Err(problem),
            _ => Ok(()),
        }
    }

    /// Waits for the recovery at start, then for the sync of what is visible.
    pub(super) async fn sync_visible(self: Arc<Self>) -> Result<(), PartitionProblem> {
        let changes = WatchSet::new();
        let _watch = Arc::clone(&self).watch(&changes, 0);
        let target = loop {
            {
                let inner = self.lock();
                match (&inner.mode, &inner.log) {
                    (Mode::Recovering, _) if inner.start_again.is_some() => {
                        return Err(PartitionProblem::OutOfSpace);
                    }
                    (Mode::Recovering, _) => {}
                    (Mode::Online, Some(log)) => break log.offsets().high_watermark,
                    (mode, _) => return Err(mode.append_problem().unwrap_or(PartitionProblem::Gone)),
                }
            }
            let _ = changes.changed().await;
        };
        self.sync_up_to(target).await
    }
}

impl Future for AcknowledgementWait {
    type Output = Result<(), AppendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = self.partition.waiters().poll(self.level, self.key, context.waker());
        answer.map_err(AppendError::Unavailable)
    }
}

impl Drop for AcknowledgementWait {
    fn drop(&mut self) {
        self.partition.waiters().forget(self.level, self.key);
    }
}
