//! The committer's two steps on one partition.

use std::sync::atomic::Ordering;

use highwater_partition_log::{LogPoint, PartitionLog, SyncDue, SyncJob, SyncPolicy, WriteJob};
use highwater_types::{Instant, Offset};

use super::{Inner, LocalPartition, Mode};
use crate::journal::Round;
use crate::synced_ends::SyncedEnd;
use crate::waiters::Wakers;

/// Most bytes that are written while a sync is in flight which they wait for: what a device has to do for one partition before others'
/// syncs are done is at most this, and as much in the sync.
const AHEAD_OF_SYNC_MAX: u64 = 1 << 20;

/// With so many bytes in the journal a partition's own file is synced without waiting for the journal's turn: much at once would keep
/// the device from others.
const UNFILED_MAX: u64 = 1 << 20;

/// What a write step came to.
#[derive(Debug, Default)]
pub(crate) struct WriteStep {
    /// Bytes written.
    pub(crate) bytes: u64,
    /// More is staged.
    pub(crate) more: bool,
    /// The policy wants a sync now.
    pub(crate) sync_due: bool,
}

impl LocalPartition {
    /// Writes what is staged, at most one job of it, and publishes the written end. What can be made durable by the journal
    /// goes into `round`.
    pub(crate) fn write_step(&self, round: Option<&mut Round>) -> WriteStep {
        // Before the log is asked: what is staged from here on queues the partition again.
        self.write_queued.store(false, Ordering::Release);
        let mut job = {
            let mut inner = self.lock();
            if !inner.mode.takes_jobs() {
                return WriteStep::default();
            }
            if inner.is_ahead_of_sync() {
                inner.write_held = true;
                return WriteStep::default();
            }
            let Some(mut job) = inner.log.as_mut().and_then(|log| log.begin_write()) else {
                return WriteStep::default();
            };
            job.reserve_ahead(self.shared.space.is_ample());
            inner.busy += 1;
            inner.writing = job.bytes();
            job
        };
        let began = self.shared.clock.now();
        let result = job.run();
        self.count_write(&job, began, result.is_ok());
        let round =
            round.filter(|_| result.is_ok()).and_then(|round| round.add(self.id, &job).then_some(round));
        let mut wakers = Wakers::default();
        let mut inner = self.lock();
        inner.writing = 0;
        self.count_staged(&mut inner);
        self.job_done(&mut inner);
        let bytes = job.bytes();
        let (start, end) = (inner.log.as_ref().map(PartitionLog::written_end), job.end());
        let mut step = self.finish_write(&mut inner, job, result, &mut wakers);
        if let Some(round) = round {
            let journals =
                step.sync_due && start.is_some_and(|start| self.begin_journal(&mut inner, start.offset));
            match self.me.upgrade().filter(|_| journals).zip(start) {
                Some((me, start)) => {
                    round.keep(me, start.offset, end, bytes);
                    inner.unfiled = inner.unfiled.saturating_add(bytes);
                }
                None => round.drop_last(bytes),
            }
            step.sync_due &= !journals || inner.unfiled >= UNFILED_MAX;
        }
        self.repair_when_quiet(&mut inner);
        drop(inner);
        self.touched();
        step
    }

    /// Whether what was just written from `start` on goes into the journal.
    fn begin_journal(&self, inner: &mut Inner, start: Offset) -> bool {
        let begun = inner.log.as_mut().is_some_and(|log| log.begin_journal(start));
        inner.journaling += u32::from(begun);
        begun
    }

    /// The journal holds what was on its way into it, up to `end`, durably; `None`: it does not, and a sync must cover it.
    pub(crate) fn journaled(&self, end: Option<LogPoint>, bytes: u64) {
        let mut wakers = Wakers::default();
        let mut inner = self.lock();
        inner.journaling = inner.journaling.saturating_sub(1);
        let mut wanted = false;
        if let Some(log) = inner.log.as_mut() {
            log.end_journal(end);
            wanted = end.is_none() && log.sync_due(self.shared.clock.now()) == SyncDue::Now;
        }
        if end.is_some() {
            inner.unsynced = inner.unsynced.saturating_sub(bytes);
            inner.sync_covers = inner.sync_covers.min(inner.unsynced);
            self.publish(&inner, &mut wakers);
            wanted = self.waiters().want_sync();
        }
        self.repair_when_quiet(&mut inner);
        drop(inner);
        if wanted {
            self.request_sync();
        }
    }

    /// Whether everything below `offset` is durable, or nobody asks for it any more.
    pub(crate) fn is_synced_to(&self, offset: Offset) -> bool {
        self.lock().log.as_ref().is_none_or(|log| log.synced_point().offset >= offset)
    }

    /// Whether the log's own files hold everything below `offset` durably, or it was deleted.
    pub(crate) fn is_filed_to(&self, offset: Offset) -> bool {
        self.lock().log.as_ref().is_none_or(|log| log.filed_end().offset >= offset)
    }

    /// Has the journal made.
    pub(crate) fn make_journal(&self) {
        let shared = std::sync::Arc::clone(&self.shared);
        self.shared.admin.submit(move || {
            let now = shared.clock.wall();
            shared.committer.journal.make(shared.disk.as_ref(), &shared.path, &shared.synced_ends, now);
        });
    }

    /// Gives back the blocks that were reserved ahead of its writes. Waits for the disk.
    pub(crate) fn give_back_reserved(&self) {
        let job = {
            let mut inner = self.lock();
            let Some(job) = inner.log.as_mut().and_then(PartitionLog::begin_trim) else { return };
            inner.busy += 1;
            job
        };
        if let Err(error) = job.run() {
            tracing::warn!(partition = %self, %error, "blocks stay reserved");
        }
        let mut inner = self.lock();
        self.job_done(&mut inner);
        let Some(log) = inner.log.as_mut() else { return };
        log.end_trim(job);
        let staged = log.staged_bytes() > 0;
        self.repair_when_quiet(&mut inner);
        drop(inner);
        if staged {
            self.request_write();
        }
    }

    fn count_write(&self, job: &WriteJob, began: Instant, succeeded: bool) {
        let statistics = &self.shared.committer.statistics;
        statistics.writes.record_ns(self.shared.clock.now().0.saturating_sub(began.0));
        statistics.rolls.add(job.segments_begun() as u64);
        if succeeded {
            statistics.written_bytes.add(job.bytes());
        } else {
            statistics.failures.increment();
        }
    }

    fn finish_write(
        &self,
        inner: &mut Inner,
        job: WriteJob,
        result: Result<(), highwater_disk::DiskError>,
        wakers: &mut Wakers,
    ) -> WriteStep {
        // A partition deleted meanwhile has no log any more.
        let Some(log) = inner.log.as_mut() else { return WriteStep::default() };
        let (bytes, end) = (job.bytes(), job.end());
        if let Err(failure) = log.end_write(job, result) {
            self.fail(inner, failure, wakers);
            return WriteStep { bytes, ..WriteStep::default() };
        }
        inner.unsynced = inner.unsynced.saturating_add(bytes);
        let more = log.offsets().log_end_offset > end.offset;
        let due = log.sync_due(self.shared.clock.now());
        self.publish(inner, wakers);
        WriteStep { bytes, more, sync_due: self.take_due(due) }
    }

    /// Syncs what is written, publishes the synced end and notes it in its slot.
    pub(crate) fn sync_step(&self) {
        self.sync_queued.store(false, Ordering::Release);
        let job = {
            let mut inner = self.lock();
            if !inner.mode.takes_jobs() {
                return;
            }
            // With a sync in flight there is no job; its end looks again.
            let Some(job) = inner.log.as_mut().and_then(|log| log.begin_sync()) else { return };
            inner.syncing = true;
            inner.sync_covers = inner.unsynced;
            inner.unfiled = 0;
            job
        };
        let began = self.shared.clock.now();
        let result = job.run();
        let statistics = &self.shared.committer.statistics;
        statistics.syncs.record_ns(self.shared.clock.now().0.saturating_sub(began.0));
        if result.is_err() {
            statistics.failures.increment();
        }
        let mut wakers = Wakers::default();
        let mut inner = self.lock();
        inner.syncing = false;
        let (slot, due) = self.finish_sync(&mut inner, job, result, &mut wakers);
        self.repair_when_quiet(&mut inner);
        let held = std::mem::take(&mut inner.write_held);
        drop(inner);
        if held {
            self.request_write();
        }
        drop(wakers);
        if let Some(slot) = slot {
            self.note_synced_end(&slot);
        }
        if due {
            self.request_sync();
        }
        self.touched();
    }

    fn finish_sync(
        &self,
        inner: &mut Inner,
        job: SyncJob,
        result: Result<(), highwater_disk::DiskError>,
        wakers: &mut Wakers,
    ) -> (Option<SyncedEnd>, bool) {
        let Some(log) = inner.log.as_mut() else { return (None, false) };
        let end = job.end();
        if let Err(failure) = log.end_sync(job, result) {
            self.fail(inner, failure, wakers);
            return (None, false);
        }
        inner.unsynced = inner.unsynced.saturating_sub(std::mem::take(&mut inner.sync_covers));
        let offsets = log.offsets();
        let due = log.sync_due(self.shared.clock.now());
        // What was written during the sync keeps its descriptor.
        let costly = end.offset < log.written_end().offset && self.shared.disk.is_short_of_descriptors();
        self.publish(inner, wakers);
        let wanted = self.waiters().want_sync() || costly;
        let slot =
            SyncedEnd { end, leader_epoch: offsets.leader_epoch, log_start_offset: offsets.log_start_offset };
        (Some(slot), self.take_due(due) || wanted)
    }

    /// Whether a sync is due now; sets a timer when it is due later.
    pub(super) fn take_due(&self, due: SyncDue) -> bool {
        match due {
            SyncDue::Now => true,
            SyncDue::No => false,
            SyncDue::At(instant) => {
                self.set_sync_timer(instant);
                false
            }
        }
    }

    fn set_sync_timer(&self, at: Instant) {
        if !self.sync_timer_set.swap(true, Ordering::AcqRel)
            && let Some(me) = self.me.upgrade()
        {
            self.shared.maintenance.sync_at(at, me);
        }
    }

    /// The timer of an interval policy has run out.
    pub(crate) fn sync_timer(&self) {
        self.sync_timer_set.store(false, Ordering::Release);
        let due = {
            let inner = self.lock();
            if !inner.mode.takes_jobs() {
                return;
            }
            inner.log.as_ref().map_or(SyncDue::No, |log| log.sync_due(self.shared.clock.now()))
        };
        if self.take_due(due) {
            self.request_sync();
        }
    }

    /// Queues a write.
    pub(super) fn request_write(&self) {
        if self.mark_write_queued()
            && let Some(me) = self.me.upgrade()
        {
            self.shared.committer.staged(me);
        }
    }

    /// Queues a sync.
    pub(crate) fn request_sync(&self) {
        if self.mark_sync_queued()
            && let Some(me) = self.me.upgrade()
        {
            self.shared.committer.written([me]);
        }
    }

    /// The slot is a hint: when it cannot be written, recovery takes an older one.
    fn note_synced_end(&self, slot: &SyncedEnd) {
        match self.shared.synced_ends.write(self.id, slot) {
            Ok(true) => self.shared.maintenance.sync_ends_soon(self.shared.clock.now()),
            Ok(false) => {}
            Err(error) => tracing::debug!(partition = %self, %error, "the synced end was not noted"),
        }
    }

    /// Queues it for maintenance.
    pub(super) fn touched(&self) {
        if !self.upkeep_queued.swap(true, Ordering::AcqRel)
            && let Some(me) = self.me.upgrade()
        {
            self.shared.maintenance.touched(me, self.shared.clock.now());
        }
    }
}

impl Inner {
    /// Whether so much was written since the sync in flight began that the next write has to wait for its end.
    fn is_ahead_of_sync(&self) -> bool {
        let waits = matches!(self.config.sync_policy, SyncPolicy::Always | SyncPolicy::Batch);
        self.syncing && waits && self.unsynced.saturating_sub(self.sync_covers) >= AHEAD_OF_SYNC_MAX
    }
}

impl Mode {
    /// Whether writes and syncs of its log may be begun.
    fn takes_jobs(&self) -> bool {
        matches!(self, Self::Online | Self::Closed)
    }
}
