//! Taking written and synced bytes into account: what the jobs of the write-ahead log have done, when the next sync is
//! due, and what a failure means.

use std::sync::atomic::Ordering;

use highwater_disk::DiskError;
use highwater_types::{Instant, Offset};
use highwater_wal::{LogPoint, SyncJob, TrimJob, WriteJob};

use crate::{LogFailure, PartitionLog, SyncPolicy};

/// Milliseconds between syncs in the background under [`SyncPolicy::Never`].
const BACKGROUND_SYNC_MS: u64 = 30_000;
/// Stands for "no unsynced bytes were noticed".
const NEVER: u64 = u64::MAX;

/// When a log wants to be synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncDue {
    /// At once.
    Now,
    /// At this instant, unless it is due earlier because of what is written until then.
    At(Instant),
    /// Nothing is unsynced.
    No,
}

impl PartitionLog {
    /// Takes what is staged as a job to be run without the log's lock; `None` when nothing is staged or a write is in
    /// flight.
    pub fn begin_write(&mut self) -> Option<WriteJob> {
        if self.failure.is_some() {
            return None;
        }
        self.wal.begin_write()
    }

    /// Takes a finished write into account.
    ///
    /// # Errors
    /// The write failed: the log takes no writes until it is recovered, and nothing above [`PartitionLog::offsets`]'
    /// high watermark may be answered.
    pub fn end_write(&mut self, job: WriteJob, result: Result<(), DiskError>) -> Result<(), LogFailure> {
        let failure = result.as_ref().err().map(|error| (LogFailure::of(error), error.is_out_of_space()));
        self.wal.end_write(job, result);
        if let Some((failure, out_of_space)) = failure {
            return Err(self.fail(failure, !out_of_space));
        }
        if self.failure.is_none() {
            self.raise_high_watermark();
        }
        Ok(())
    }

    /// Takes the giving back of blocks that were reserved ahead as a job to be run without the log's lock; `None` where there is
    /// nothing to give back, or a write is in flight.
    pub fn begin_trim(&mut self) -> Option<TrimJob> {
        self.wal.begin_trim()
    }

    /// Takes a finished trim into account.
    pub fn end_trim(&mut self, job: TrimJob) {
        self.wal.end_trim(job);
    }

    /// Takes everything written and not yet synced as a job; `None` when there is nothing or a sync is in flight.
    pub fn begin_sync(&mut self) -> Option<SyncJob> {
        if self.failure.is_some() {
            return None;
        }
        let job = self.wal.begin_sync();
        if job.is_some() {
            self.unsynced_since.store(NEVER, Ordering::Relaxed);
        }
        job
    }

    /// Takes a finished sync into account.
    ///
    /// # Errors
    /// The sync failed: the log takes no writes until it is recovered, what it covered is doubtful
    /// ([`PartitionLog::suspect`]).
    pub fn end_sync(&mut self, job: SyncJob, result: Result<(), DiskError>) -> Result<(), LogFailure> {
        let failure = result.as_ref().err().map(LogFailure::of);
        self.wal.end_sync(job, result);
        if let Some(failure) = failure {
            return Err(self.fail(failure, true));
        }
        self.raise_high_watermark();
        Ok(())
    }

    /// Whether what was just written from `start` on may be made durable by a journal
    /// ([`Wal::may_journal`](highwater_wal::Wal::may_journal)). If so it is on its way there from now on.
    pub fn begin_journal(&mut self, start: Offset) -> bool {
        let may = self.failure.is_none() && self.wal.may_journal(start);
        if may {
            self.wal.begin_journal();
        }
        may
    }

    /// The journal has taken what was on its way, up to `end`, durably; `None`: it has not, and a sync must cover it.
    pub fn end_journal(&mut self, end: Option<LogPoint>) {
        match end {
            Some(end) => {
                self.wal.end_journal(end);
                self.raise_high_watermark();
            }
            None => self.wal.fail_journal(),
        }
    }

    /// End of what is durable in the log's own files, whatever a journal holds.
    pub fn filed_end(&self) -> LogPoint {
        self.wal.filed_end()
    }

    /// End of what is written.
    pub fn written_end(&self) -> LogPoint {
        self.wal.written_end()
    }

    /// Closes the log for writing. What lies above the end of what its files hold durably is doubtful when the device may have lost it.
    fn fail(&mut self, failure: LogFailure, doubtful: bool) -> LogFailure {
        if doubtful {
            self.suspect.get_or_insert(self.wal.filed_end());
        }
        self.failure.get_or_insert(failure).clone()
    }

    /// When the next sync is due by the log's policy. The age of unsynced bytes counts from the first call that finds
    /// them, so this is to be called after each write.
    pub fn sync_due(&self, now: Instant) -> SyncDue {
        let (written, synced) = (self.wal.written_end(), self.wal.synced_end());
        if self.failure.is_some() || written == synced {
            self.unsynced_since.store(NEVER, Ordering::Relaxed);
            return SyncDue::No;
        }
        let since = match self.unsynced_since.load(Ordering::Relaxed) {
            NEVER => {
                self.unsynced_since.store(now.0, Ordering::Relaxed);
                now
            }
            since => Instant(since),
        };
        let rolled = written.segment != synced.segment;
        let (ms, messages) = match self.config.sync_policy {
            SyncPolicy::Always | SyncPolicy::Batch => return SyncDue::Now,
            SyncPolicy::Interval { ms, messages } => (ms, messages),
            SyncPolicy::Never => (Some(BACKGROUND_SYNC_MS), None),
        };
        let unsynced = written.offset.since(synced.offset);
        if rolled || messages.is_some_and(|messages| unsynced >= messages) {
            return SyncDue::Now;
        }
        let due = since.plus_ms(ms.unwrap_or(BACKGROUND_SYNC_MS));
        if due <= now { SyncDue::Now } else { SyncDue::At(due) }
    }
}
