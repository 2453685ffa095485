//! One open partition: its log behind one lock, and who waits for it.
//!
//! The lock is held for what costs no I/O; jobs of the log run without it. A job that uses the directory's path is
//! counted as *busy*, so that the directory is renamed or recovered only when there is none. What may be answered is
//! published to [`Waiters`](crate::waiters::Waiters) under the lock, after the log has said so: never before the sync
//! (or write) that covers it has finished.
//!
//! Here: state and publication. `commit`: write and sync steps. `failure`: what follows a failed one. `start`:
//! recovery at start. `upkeep`: maintenance, deletion, closing. `serve`: the trait that the server uses. `wait`: the
//! future of an acknowledgement.

mod commit;
mod failure;
mod serve;
mod start;
mod upkeep;
mod wait;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use highwater_partition_log::{LogConfig, LogEnvironment, LogOffsets, PartitionLog};
use highwater_store::{NewPartition, PartitionProblem, PartitionState};
use highwater_types::{LeaderEpoch, Offset, TopicIdPartition};

use crate::names;
use crate::shared::Shared;
use crate::waiters::{Ends, Waiters, Wakers};

pub(crate) use commit::WriteStep;
pub(crate) use start::{Begin, Started};

/// A partition of the local store.
pub(crate) struct LocalPartition {
    me: Weak<Self>,
    id: TopicIdPartition,
    topic: Arc<str>,
    /// Its directory's name in the data directory.
    name: String,
    shared: Arc<Shared>,
    /// The settings that were committed when it was opened: its recovery at start goes by what was shown under them,
    /// whatever it is given meanwhile.
    opened_with: LogConfig,
    inner: Mutex<Inner>,
    /// Told when a job ends, if somebody waits.
    quiet: Condvar,
    waiters: Mutex<Waiters>,
    write_queued: AtomicBool,
    sync_queued: AtomicBool,
    upkeep_queued: AtomicBool,
    sync_timer_set: AtomicBool,
    /// The last read problem that was logged, so that a client that asks again does not fill the log.
    read_problem: Mutex<String>,
}

struct Inner {
    mode: Mode,
    /// There whenever the mode serves reads, and under [`Mode::Offline`] when a running log failed.
    log: Option<PartitionLog>,
    config: LogConfig,
    /// What [`StagedBudget`](crate::budget::StagedBudget) counts for this partition.
    staged: u64,
    /// Bytes of the write that runs: still in memory, no longer staged in the log.
    writing: u64,
    /// Jobs that run outside the lock and use the directory's path.
    busy: u32,
    syncing: bool,
    /// What recovery begins with when there is space for it again.
    start_again: Option<Box<Begin>>,
    /// Pieces on their way into the journal.
    journaling: u32,
    /// Bytes that were written and are not known to be synced.
    unsynced: u64,
    /// Those of them that the sync in flight covers.
    sync_covers: u64,
    /// Bytes that went into the journal since the last sync began.
    unfiled: u64,
    /// A write waits for the end of the sync in flight.
    write_held: bool,
    /// Somebody waits for [`LocalPartition::quiet`]: telling it costs a system call.
    quiet_awaited: bool,
    /// What is said while there is no log.
    offsets: LogOffsets,
}

/// Whether and how a partition serves.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mode {
    /// Waits for its recovery at start, or is in it.
    Recovering,
    Online,
    /// Out of space: reads are served, appends refused.
    Full(Full),
    Offline(String),
    Gone,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    /// To be recovered, when its jobs in flight are done.
    Repairing,
    /// Recovery itself had no space: it is tried again when there is some.
    Unrepaired,
    /// Recovered; appends are taken when there is space.
    Waiting,
}

const CLOSED: &str = "the store is closed";

impl LocalPartition {
    /// A partition that is still to be recovered.
    pub(crate) fn new(partition: NewPartition, shared: Arc<Shared>) -> Arc<Self> {
        Self::build(partition, shared, Mode::Recovering, None)
    }

    /// A partition that was just created.
    pub(crate) fn created(partition: NewPartition, shared: Arc<Shared>, log: PartitionLog) -> Arc<Self> {
        Self::build(partition, shared, Mode::Online, Some(log))
    }

    fn build(
        partition: NewPartition,
        shared: Arc<Shared>,
        mode: Mode,
        log: Option<PartitionLog>,
    ) -> Arc<Self> {
        let opened_with = partition.config.clone();
        let inner = Inner {
            mode,
            log,
            config: partition.config,
            staged: 0,
            writing: 0,
            busy: 0,
            syncing: false,
            start_again: None,
            journaling: 0,
            unsynced: 0,
            sync_covers: 0,
            unfiled: 0,
            write_held: false,
            quiet_awaited: false,
            offsets: NO_OFFSETS,
        };
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            id: partition.id,
            name: names::partition(&partition.topic, partition.id.partition),
            topic: partition.topic,
            shared,
            opened_with,
            inner: Mutex::new(inner),
            quiet: Condvar::new(),
            waiters: Mutex::default(),
            write_queued: AtomicBool::new(false),
            sync_queued: AtomicBool::new(false),
            upkeep_queued: AtomicBool::new(false),
            sync_timer_set: AtomicBool::new(false),
            read_problem: Mutex::default(),
        })
    }

    pub(crate) fn key(&self) -> TopicIdPartition {
        self.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    fn directory(&self) -> PathBuf {
        self.shared.path.join(&self.name)
    }

    fn environment(&self) -> LogEnvironment {
        LogEnvironment {
            disk: Arc::clone(&self.shared.disk),
            directory: self.directory(),
            id: self.id,
            topic: Arc::clone(&self.topic),
        }
    }

    /// Returns whether it was not queued for a write before; then the caller queues it.
    pub(crate) fn mark_write_queued(&self) -> bool {
        !self.write_queued.swap(true, Ordering::AcqRel)
    }

    /// Returns whether it was not queued for a sync before; then the caller queues it.
    pub(crate) fn mark_sync_queued(&self) -> bool {
        !self.sync_queued.swap(true, Ordering::AcqRel)
    }

    /// The log's lock. A panic under it leaves the log in doubt: the partition goes offline.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        match self.inner.lock() {
            Ok(inner) => inner,
            Err(poisoned) => {
                self.inner.clear_poison();
                let mut inner = poisoned.into_inner();
                let mut wakers = Wakers::default();
                self.take_offline(
                    &mut inner,
                    "a fault of the broker left the log in doubt".to_owned(),
                    &mut wakers,
                );
                inner
            }
        }
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters> {
        // Collections of wakers: a panic leaves at worst a wake-up too many.
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers what the log says may be answered.
    fn publish(&self, inner: &Inner, wakers: &mut Wakers) {
        let Some(log) = &inner.log else { return };
        let offsets = log.offsets();
        let ends = Ends {
            written: log.acknowledged_end(false),
            durable: log.acknowledged_end(true),
            synced: offsets.synced_end,
            high_watermark: offsets.high_watermark,
            last_stable_offset: offsets.last_stable_offset,
        };
        self.waiters().advance(ends, wakers);
    }

    /// One job less that uses the directory's path.
    fn job_done(&self, inner: &mut Inner) {
        inner.busy = inner.busy.saturating_sub(1);
        if inner.quiet_awaited {
            self.quiet.notify_all();
        }
    }

    /// Waits until no job uses the directory's path.
    pub(crate) fn wait_until_quiet(&self) {
        let mut inner = self.lock();
        while inner.busy > 0 {
            inner.quiet_awaited = true;
            inner = self.quiet.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        inner.quiet_awaited = false;
    }

    /// Counts what the log has staged now against the store's budget.
    fn count_staged(&self, inner: &mut Inner) {
        let takes = matches!(inner.mode, Mode::Online | Mode::Closed);
        let staged = inner.log.as_ref().filter(|_| takes).map_or(0, PartitionLog::staged_bytes);
        let now = staged.saturating_add(inner.writing);
        let before = std::mem::replace(&mut inner.staged, now);
        if now > before {
            self.shared.budget.take(now - before);
        } else {
            self.shared.budget.release(before - now);
        }
    }

    /// Bytes that are staged or being written.
    pub(crate) fn staged_bytes(&self) -> u64 {
        self.lock().staged
    }

    fn state_of(inner: &Inner) -> PartitionState {
        match inner.mode.read_problem() {
            None => PartitionState::Online,
            Some(problem) => PartitionState::Unavailable(problem),
        }
    }
}

impl Mode {
    /// Why nothing can be read; `None` when it can.
    fn read_problem(&self) -> Option<PartitionProblem> {
        match self {
            Self::Online | Self::Full(_) => None,
            Self::Recovering => Some(PartitionProblem::Recovering),
            Self::Offline(cause) => Some(PartitionProblem::Storage(cause.clone())),
            Self::Gone => Some(PartitionProblem::Gone),
            Self::Closed => Some(PartitionProblem::Storage(CLOSED.to_owned())),
        }
    }

    /// Why its start cannot be raised; `None` when it can. That frees space, so a want of space forbids it only while the
    /// log is about to be replaced by a repaired one.
    fn change_problem(&self) -> Option<PartitionProblem> {
        match self {
            Self::Full(Full::Repairing | Full::Unrepaired) => Some(PartitionProblem::OutOfSpace),
            other => other.read_problem(),
        }
    }

    /// Why nothing can be appended; `None` when it can.
    fn append_problem(&self) -> Option<PartitionProblem> {
        match self {
            Self::Full(_) => Some(PartitionProblem::OutOfSpace),
            other => other.read_problem(),
        }
    }
}

impl fmt::Debug for LocalPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&names::readable(&self.topic, self.id))
    }
}

impl fmt::Display for LocalPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&names::readable(&self.topic, self.id))
    }
}

const NO_OFFSETS: LogOffsets = LogOffsets {
    log_start_offset: Offset::ZERO,
    high_watermark: Offset::ZERO,
    last_stable_offset: Offset::ZERO,
    log_end_offset: Offset::ZERO,
    synced_end: Offset::ZERO,
    leader_epoch: LeaderEpoch::ZERO,
};
