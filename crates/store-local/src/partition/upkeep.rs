//! A partition's maintenance, deletion and closing: called on threads that may wait for the disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use highwater_partition_log::{LogCheckpoint, PartitionLog, RemovedSegment, SealedSegment, Segment};
use highwater_store::PartitionProblem;
use highwater_types::ProducerId;

use super::{CLOSED, LocalPartition, Mode};
use crate::waiters::Wakers;

/// Jobs of one log that are run in one turn.
const JOBS_PER_TURN: usize = 4;

impl LocalPartition {
    /// Does the background work that the log has to do now, and takes its checkpoint.
    pub(crate) fn maintain(&self) {
        self.upkeep_queued.store(false, Ordering::Release);
        // A job that failed is due again at once: the rest is left to the next change or look for retention.
        for _ in 0..JOBS_PER_TURN {
            if !self.maintain_once() {
                break;
            }
        }
        let inner = self.lock();
        // Offline partitions have set their entry when they failed; those still recovering keep the one they had.
        if let (Some(log), Mode::Online | Mode::Full(_)) = (&inner.log, &inner.mode) {
            self.shared.checkpoints.set(self.id, log.checkpoint(), false);
        }
    }

    /// One job of background work. Returns whether there was one.
    fn maintain_once(&self) -> bool {
        let now = self.shared.clock.wall();
        let mut job = {
            let mut inner = self.lock();
            if inner.mode != Mode::Online {
                return false;
            }
            let Some(job) = inner.log.as_mut().and_then(|log| log.begin_maintenance(now)) else {
                return false;
            };
            inner.busy += 1;
            job
        };
        let result = job.run();
        let succeeded = result.is_ok();
        if let Err(error) = &result {
            // Nothing is lost: the recovery point stays where it is, and the next change asks again.
            tracing::warn!(partition = %self, %error, "background work of a log failed");
        }
        let mut inner = self.lock();
        self.job_done(&mut inner);
        if let Some(log) = inner.log.as_mut() {
            log.end_maintenance(job, result);
        }
        self.repair_when_quiet(&mut inner);
        succeeded
    }

    /// Segments that may go, taken off the log, and the generation of the checkpoint that holds the new start.
    pub(crate) fn retain(&self) -> (Vec<RemovedSegment>, u64) {
        let mut inner = self.lock();
        if inner.mode.change_problem().is_some() {
            return (Vec::new(), 0);
        }
        let Some(log) = inner.log.as_mut() else { return (Vec::new(), 0) };
        let removed = log.retain(self.shared.clock.wall());
        if removed.is_empty() {
            return (removed, 0);
        }
        let generation = self.shared.checkpoints.set(self.id, log.checkpoint(), false);
        (removed, generation)
    }

    /// Runs what uses the directory's path. `None` when the partition was deleted: another topic's may have the path.
    pub(crate) fn in_directory<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        {
            let mut inner = self.lock();
            if inner.mode == Mode::Gone {
                return None;
            }
            inner.busy += 1;
        }
        let result = act();
        let mut inner = self.lock();
        self.job_done(&mut inner);
        self.repair_when_quiet(&mut inner);
        Some(result)
    }

    /// How long files of removed segments stay.
    pub(crate) fn file_delete_delay_ms(&self) -> u64 {
        self.lock().config.file_delete_delay_ms
    }

    /// The largest producer id in its log; `NONE` when there is none or no log.
    pub(crate) fn max_producer_id(&self) -> ProducerId {
        self.lock().log.as_ref().map_or(ProducerId::NONE, |log| log.max_producer_id())
    }

    /// The segments of its log.
    pub(crate) fn segments(&self) -> Vec<Arc<Segment>> {
        self.lock().log.as_ref().map_or_else(Vec::new, |log| log.segments().to_vec())
    }

    /// Closes its files that are not in use, and has those synced that have to be before.
    pub(crate) fn release_descriptors(&self) {
        let (segments, unsynced) = {
            let inner = self.lock();
            let Some(log) = &inner.log else { return };
            (log.segments().to_vec(), log.filed_end() < log.written_end())
        };
        for segment in segments {
            segment.release();
        }
        if unsynced {
            self.request_sync();
        }
    }

    /// The sealed segments of its log, as long as it serves.
    pub(crate) fn sealed_segments(&self) -> Vec<SealedSegment> {
        let inner = self.lock();
        if inner.mode.change_problem().is_some() {
            return Vec::new();
        }
        inner.log.as_ref().map_or_else(Vec::new, PartitionLog::sealed_segments)
    }

    /// Takes it out of service for good: waits are refused, watchers told. Returns its segments.
    pub(crate) fn retire(&self) -> Vec<Arc<Segment>> {
        let mut wakers = Wakers::default();
        let mut inner = self.lock();
        inner.mode = Mode::Gone;
        let log = inner.log.take();
        self.count_staged(&mut inner);
        self.waiters().refuse(&PartitionProblem::Gone, &mut wakers);
        log.map_or_else(Vec::new, |log| log.segments().to_vec())
    }

    /// Takes no more appends; what is staged will still be written and synced.
    pub(crate) fn refuse_appends(&self) {
        let mut inner = self.lock();
        if inner.mode == Mode::Online {
            inner.mode = Mode::Closed;
        }
    }

    /// Whether something is staged or written and not yet synced, and may still become so.
    pub(crate) fn is_dirty(&self) -> bool {
        let inner = self.lock();
        let Some(log) = &inner.log else { return false };
        let offsets = log.offsets();
        matches!(inner.mode, Mode::Online | Mode::Closed) && offsets.synced_end < offsets.log_end_offset
    }

    /// Closes the log: files cut to their ends, indexes complete, everything synced. `None` when there is no log to
    /// close cleanly; its last entry in the checkpoint stays.
    pub(crate) fn close(&self) -> Option<LogCheckpoint> {
        let mut wakers = Wakers::default();
        let mut inner = self.lock();
        if !matches!(inner.mode, Mode::Closed) {
            return None;
        }
        let result = inner.log.as_mut().map(PartitionLog::close)?;
        self.waiters().refuse(&PartitionProblem::Storage(CLOSED.to_owned()), &mut wakers);
        match result {
            Ok(checkpoint) => Some(checkpoint),
            Err(error) => {
                self.take_offline(&mut inner, error.to_string(), &mut wakers);
                None
            }
        }
    }
}
