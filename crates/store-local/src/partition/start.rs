//! A partition's recovery at start.

use std::path::Path;

use highwater_disk::{Disk, DiskError, Operation};
use highwater_partition_log::{LogCheckpoint, LogError, LogRecovery, PartitionLog, RecoverLog};
use highwater_store::PartitionProblem;
use highwater_types::{LeaderEpoch, Offset};
use highwater_wal::WalError;

use super::{LocalPartition, Mode};
use crate::checkpoint::Entry;
use crate::files;
use crate::layout;
use crate::synced_ends::SyncedEnd;
use crate::waiters::Wakers;

/// What is known of a partition when its recovery begins.
#[derive(Debug, Clone)]
pub(crate) struct Begin {
    /// Its entry in the checkpoint.
    pub(crate) entry: Option<Entry>,
    /// Its slot of synced ends.
    pub(crate) slot: Option<SyncedEnd>,
    /// Whether the process before this one stopped cleanly.
    pub(crate) clean: bool,
    /// Whether the checkpoint could be read (or there never was one), so that no entry means no data.
    pub(crate) checkpoint_known: bool,
    /// Whether the data directory had a directory of its name.
    pub(crate) directory_exists: bool,
    /// Why what the journal holds of it could not be put into its files.
    pub(crate) journal_problem: Option<String>,
}

/// What a recovery came to.
#[derive(Debug)]
pub(crate) enum Started {
    /// It serves.
    Recovered(LogRecovery),
    /// It was empty and had no directory: one was made.
    Made,
    /// It does not serve, for this reason.
    Failed(String),
    /// It was deleted or closed meanwhile.
    Abandoned,
}

/// Why a log was not opened.
struct Problem {
    cause: String,
    /// It may be tried again when there is space.
    out_of_space: bool,
}

impl From<DiskError> for Problem {
    fn from(error: DiskError) -> Self {
        Self { cause: error.to_string(), out_of_space: may_try_again(&error) }
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        let out_of_space = match &error {
            LogError::Disk(error) | LogError::Wal(WalError::Disk(error)) => may_try_again(error),
            _ => false,
        };
        Self { cause: error.to_string(), out_of_space }
    }
}

/// Whether it was want of space that lost nothing: a sync is never tried again.
fn may_try_again(error: &DiskError) -> bool {
    error.is_out_of_space() && error.operation != Operation::Sync
}

impl LocalPartition {
    /// Recovers the log and puts the partition online, or offline with the cause.
    pub(crate) fn start(&self, begin: &Begin) -> Started {
        {
            let mut inner = self.lock();
            if inner.mode != Mode::Recovering {
                return Started::Abandoned;
            }
            inner.busy += 1;
        }
        let result = self.open_log(begin, self.opened_with.clone());
        let mut wakers = Wakers::default();
        let mut inner = self.lock();
        self.job_done(&mut inner);
        if inner.mode != Mode::Recovering {
            return Started::Abandoned;
        }
        match result {
            Ok((mut log, started)) => {
                log.configure(inner.config.clone());
                self.shared.checkpoints.set(self.id, log.checkpoint(), false);
                inner.log = Some(log);
                inner.mode = Mode::Online;
                self.publish(&inner, &mut wakers);
                self.waiters().reopen();
                drop(inner);
                self.touched();
                started
            }
            Err(Problem { cause, out_of_space: true }) => {
                tracing::warn!(partition = %self, cause, "no space left to recover: it is tried again when there is some");
                inner.start_again = Some(Box::new(begin.clone()));
                self.waiters().refuse(&PartitionProblem::OutOfSpace, &mut wakers);
                drop(inner);
                self.wait_for_space();
                Started::Failed(cause)
            }
            Err(Problem { cause, .. }) => {
                self.take_offline(&mut inner, cause.clone(), &mut wakers);
                Started::Failed(cause)
            }
        }
    }

    fn open_log(
        &self,
        begin: &Begin,
        config: highwater_partition_log::LogConfig,
    ) -> Result<(PartitionLog, Started), Problem> {
        if let Some(problem) = &begin.journal_problem {
            let cause = format!("what the journal holds of it is not in its files: {problem}");
            return Err(Problem { cause, out_of_space: false });
        }
        if begin.directory_exists && self.owns_directory(begin)? {
            let from = begin.recover();
            // Recovery removes what lies below the log's start. A slot may be torn by its next write, and with it the start that
            // nothing else tells of.
            let told_by_slot = |entry: &Entry| {
                from.checkpoint.is_some_and(|known| known.log_start_offset > entry.log.log_start_offset)
            };
            if begin.entry.as_ref().is_some_and(told_by_slot) {
                self.keep_log_start(from.checkpoint.as_ref())?;
            }
            let (log, recovery) =
                PartitionLog::recover(self.environment(), config, from, self.shared.clock.wall())?;
            return Ok((log, Started::Recovered(recovery)));
        }
        if let Some(cause) = begin.missing_data(&self.directory()) {
            return Err(Problem { cause, out_of_space: false });
        }
        self.make_directory()?;
        let log = PartitionLog::create(self.environment(), config)?;
        files::sync_directory(self.shared.disk.as_ref(), &self.shared.path)?;
        Ok((log, Started::Made))
    }

    fn make_directory(&self) -> Result<(), DiskError> {
        let directory = self.directory();
        self.shared
            .disk
            .create_directory(&directory)
            .map_err(DiskError::at(Operation::CreateDirectory, &directory))
    }

    /// Makes the directory of a partition that is being created, and its log. What a failure leaves behind is removed
    /// by the caller.
    pub(crate) fn create_log(
        disk: &std::sync::Arc<dyn Disk>,
        directory: &Path,
        partition: &highwater_store::NewPartition,
    ) -> Result<PartitionLog, LogError> {
        disk.create_directory(directory)
            .map_err(DiskError::at(Operation::CreateDirectory, directory))
            .map_err(LogError::Disk)?;
        let environment = highwater_partition_log::LogEnvironment {
            disk: std::sync::Arc::clone(disk),
            directory: directory.to_path_buf(),
            id: partition.id,
            topic: std::sync::Arc::clone(&partition.topic),
        };
        PartitionLog::create(environment, partition.config.clone())
    }

    /// Whether the directory of its name is its own; one of another topic is set aside. After a clean stop nobody can
    /// have exchanged it.
    fn owns_directory(&self, begin: &Begin) -> Result<bool, DiskError> {
        if begin.clean {
            return Ok(true);
        }
        let (disk, path) = (self.shared.disk.as_ref(), self.shared.path.as_path());
        match layout::owner(disk, &self.directory())? {
            Some(other) if other != self.id.topic_id => {
                let aside = layout::set_aside(disk, path, &self.name, Some(other))?;
                tracing::warn!(partition = %self, other = %other, aside, "a directory of another topic was set aside");
                files::sync_directory(disk, path)?;
                Ok(false)
            }
            _ => Ok(true),
        }
    }
}

impl Begin {
    pub(crate) fn recover(&self) -> RecoverLog {
        let slot_start = self.slot.map_or(Offset::ZERO, |slot| slot.log_start_offset);
        let leader_epoch = self.slot.map_or(LeaderEpoch::ZERO, |slot| slot.leader_epoch);
        let checkpoint = self.entry.as_ref().map(|entry| LogCheckpoint {
            log_start_offset: entry.log.log_start_offset.max(slot_start),
            leader_epoch: entry.log.leader_epoch.max(leader_epoch),
            ..entry.log
        });
        let clean = self.clean && self.entry.as_ref().is_some_and(|entry| entry.clean);
        RecoverLog { checkpoint, boundary: self.slot.map(|slot| slot.end), clean, leader_epoch }
    }

    /// Why a missing directory is not an empty partition; `None` when it is one.
    pub(crate) fn missing_data(&self, directory: &Path) -> Option<String> {
        let slot = self.slot.map(|slot| slot.end.offset).filter(|&end| end > Offset::ZERO);
        let entry = self.entry.as_ref().filter(|entry| entry.holds_data());
        let end = slot.max(entry.map(|entry| entry.log.recovery_point.offset));
        match end {
            Some(end) => Some(format!(
                "the directory {} is missing; its log reached offset {end}",
                directory.display()
            )),
            None if !self.checkpoint_known => Some(format!(
                "the directory {} is missing, and without a readable checkpoint nobody knows whether it held records",
                directory.display()
            )),
            None => None,
        }
    }
}
