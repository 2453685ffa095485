//! The clean stop of one log.

use highwater_types::{LeaderEpoch, Offset};

use crate::{LogCheckpoint, LogError, PartitionLog};

impl PartitionLog {
    /// Makes everything durable and leaves files that end at their last batch, complete indexes and a snapshot at the
    /// log's end. Waits for the disk. The log takes nothing afterwards.
    ///
    /// # Errors
    /// [`LogError::Busy`] while something is staged or in flight; [`LogError::Failed`] when a write or sync failed before;
    /// otherwise what the file system says: then the stop is not a clean one.
    pub fn close(&mut self) -> Result<LogCheckpoint, LogError> {
        if let Some(failure) = &self.failure {
            return Err(LogError::Failed(failure.clone()));
        }
        if self.wal.staged_end() != self.wal.written_end() {
            return Err(LogError::Busy);
        }
        self.wal.close()?;
        self.raise_high_watermark();
        let end = self.wal.synced_end();
        if let Some(active) = self.slots.last() {
            active.index.finish();
        }
        let untouched =
            self.slots.is_empty() && end.offset == Offset::ZERO && self.leader_epoch == LeaderEpoch::ZERO;
        if !untouched && (end != self.recovery_point || self.epochs_changed) {
            self.flush_now()?;
        }
        Ok(self.checkpoint())
    }
}
