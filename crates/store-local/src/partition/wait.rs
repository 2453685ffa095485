//! The future of an acknowledgement.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use highwater_store::{Acknowledgement, AppendError};
use highwater_types::Offset;

use super::LocalPartition;
use crate::waiters::{Registered, WaitKey};

/// Resolves when the partition's end has passed a target, or never will. Dropping it leaves nothing behind.
pub(super) struct AcknowledgementWait {
    partition: Arc<LocalPartition>,
    level: Acknowledgement,
    key: WaitKey,
}

impl LocalPartition {
    /// Registers a wait for everything below `target`; the answer at once where there is one.
    pub(super) fn wait_for(
        self: Arc<Self>,
        level: Acknowledgement,
        target: Offset,
    ) -> Result<AcknowledgementWait, Result<(), AppendError>> {
        let registered = self.waiters().register(level, target);
        match registered {
            Registered::Settled(result) => Err(result.map_err(AppendError::Unavailable)),
            Registered::Waiting(key) => Ok(AcknowledgementWait { partition: self, level, key }),
        }
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
