//! What follows a failed write or sync.
//!
//! Out of space: what was staged is refused, the log is recovered in this process and the partition stays online; it
//! takes appends again when there is space. Anything else takes the partition offline until the next start; its
//! suspect point goes into the checkpoint, so that the doubtful bytes are then read from the device. Each is logged
//! here, once. Other partitions are not touched.

use std::sync::Arc;

use highwater_partition_log::{LogCheckpoint, LogError, LogFailure, PartitionLog, RecoverLog};
use highwater_store::PartitionProblem;

use super::{Full, Inner, LocalPartition, Mode};
use crate::waiters::Wakers;

impl LocalPartition {
    /// Takes in that the log closed for writing.
    pub(super) fn fail(&self, inner: &mut Inner, failure: LogFailure, wakers: &mut Wakers) {
        match failure {
            LogFailure::Storage(cause) => self.take_offline(inner, cause, wakers),
            // The log says so again for each job that was in flight.
            LogFailure::OutOfSpace(_) if inner.mode != Mode::Online && inner.mode != Mode::Closed => {}
            LogFailure::OutOfSpace(cause) => {
                tracing::warn!(partition = %self, cause, "no space left: appends are refused until there is some");
                // Waits stay until the repair has found what survives; a store that is closing repairs at its next start.
                if inner.mode == Mode::Closed {
                    self.waiters().refuse(&PartitionProblem::OutOfSpace, wakers);
                }
                inner.mode = Mode::Full(Full::Repairing);
                self.count_staged(inner);
            }
        }
    }

    /// Refuses everything from now on.
    pub(super) fn take_offline(&self, inner: &mut Inner, cause: String, wakers: &mut Wakers) {
        if matches!(inner.mode, Mode::Offline(_) | Mode::Gone) {
            return;
        }
        tracing::error!(partition = %self, cause, "the partition is offline");
        if let Some(log) = &inner.log {
            inner.offsets = log.offsets();
            // Whatever closes the store now must not call this log clean.
            self.shared.checkpoints.set(self.id, log.checkpoint(), false);
        } else {
            self.shared.checkpoints.set_unclean(self.id);
        }
        inner.mode = Mode::Offline(cause.clone());
        self.count_staged(inner);
        self.waiters().refuse(&PartitionProblem::Storage(cause), wakers);
        self.shared.maintenance.checkpoint_at(self.shared.clock.now());
    }

    /// Begins the repair that a failure asked for, once no job is in flight.
    pub(super) fn repair_when_quiet(&self, inner: &mut Inner) {
        let quiet = inner.busy == 0 && !inner.syncing && inner.journaling == 0;
        if inner.mode != Mode::Full(Full::Repairing) || !quiet {
            return;
        }
        let Some(me) = self.me.upgrade() else { return };
        if self.shared.admin.submit(move || me.repair()) {
            inner.busy += 1;
        }
    }

    /// Recovers the log after it ran out of space. The old one serves reads meanwhile.
    fn repair(&self) {
        let (from, config) = {
            let mut inner = self.lock();
            if inner.mode != Mode::Full(Full::Repairing) {
                self.job_done(&mut inner);
                return;
            }
            let checkpoint = inner.log.as_ref().map(PartitionLog::checkpoint);
            let boundary = inner.log.as_ref().map(PartitionLog::synced_point);
            (RecoverLog { checkpoint, boundary, ..RecoverLog::default() }, inner.config.clone())
        };
        let result = self
            .keep_log_start(from.checkpoint.as_ref())
            .and_then(|()| self.replay_journal())
            .and_then(|()| PartitionLog::recover(self.environment(), config, from, self.shared.clock.wall()));
        let mut wakers = Wakers::default();
        let mut inner = self.lock();
        self.job_done(&mut inner);
        if inner.mode != Mode::Full(Full::Repairing) {
            return;
        }
        match result {
            Ok((mut log, _)) => {
                log.configure(inner.config.clone());
                inner.log = Some(log);
                // Recovery has synced what it accepted.
                inner.unsynced = 0;
                inner.mode = Mode::Full(Full::Waiting);
                self.publish(&inner, &mut wakers);
            }
            Err(error) if error.is_out_of_space() => inner.mode = Mode::Full(Full::Unrepaired),
            Err(error) => return self.take_offline(&mut inner, error.to_string(), &mut wakers),
        }
        self.waiters().refuse(&PartitionProblem::OutOfSpace, &mut wakers);
        drop(inner);
        self.wait_for_space();
        self.touched();
    }

    /// What only the journal holds durably is not in the log's files after a sync that failed.
    fn replay_journal(&self) -> Result<(), LogError> {
        let (shared, journal) = (&self.shared, &self.shared.committer.journal);
        journal.replay_one(&shared.disk, &shared.path, self.id, &self.name).map_err(LogError::from)
    }

    /// Makes the log's start durable: recovery removes what lies below it, and a later start that knew of an older one would
    /// miss it.
    pub(super) fn keep_log_start(&self, checkpoint: Option<&LogCheckpoint>) -> Result<(), LogError> {
        let Some(checkpoint) = checkpoint else { return Ok(()) };
        let shared = &self.shared;
        let generation = shared.checkpoints.set(self.id, *checkpoint, false);
        shared
            .checkpoints
            .write_covering(generation, shared.disk.as_ref(), &shared.path)
            .map_err(LogError::from)
    }

    pub(super) fn wait_for_space(&self) {
        if let Some(me) = self.me.upgrade() {
            self.shared.maintenance.look_for_space(me, self.shared.clock.now());
        }
    }

    /// Takes appends again, or goes on with the repair, if there is space now.
    pub(crate) fn space_timer(self: &Arc<Self>) {
        let enough = self.shared.space.may_resume(self.shared.disk.as_ref(), &self.shared.path);
        let mut inner = self.lock();
        match inner.mode {
            Mode::Full(_) | Mode::Recovering if !enough => {
                drop(inner);
                self.shared.give_back_reserved();
                self.wait_for_space();
            }
            Mode::Full(Full::Waiting) => {
                inner.mode = Mode::Online;
                self.waiters().reopen();
                tracing::info!(partition = %self, "there is space again: appends are taken");
            }
            Mode::Recovering => {
                if let Some(begin) = inner.start_again.take() {
                    let me = Arc::clone(self);
                    self.shared.admin.submit(move || drop(me.start(&begin)));
                }
            }
            Mode::Full(Full::Unrepaired) => {
                inner.mode = Mode::Full(Full::Repairing);
                self.repair_when_quiet(&mut inner);
            }
            _ => {}
        }
    }
}
