//! What a [`LocalStore`](crate::LocalStore) is opened with.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use highwater_store::NewPartition;
use highwater_types::{Instant, Timestamp, TopicId};

use crate::JournalOptions;

/// The two clocks, as arguments: tests turn them by hand.
#[derive(Clone)]
pub struct Clock {
    /// The clock that never goes back.
    pub instant: Arc<dyn Fn() -> Instant + Send + Sync>,
    /// The wall clock.
    pub timestamp: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Clock {
    /// The clocks of this machine.
    pub fn system() -> Self {
        let start = std::time::Instant::now();
        Self {
            instant: Arc::new(move || Instant(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))),
            timestamp: Arc::new(|| {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        (self.instant)()
    }

    pub(crate) fn wall(&self) -> Timestamp {
        (self.timestamp)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A value that may change while the store runs: asked for whenever it is needed, so it must be cheap.
pub type Live<T> = Arc<dyn Fn() -> T + Send + Sync>;

/// What the store is opened with. [`LocalOptions::new`] fills in the defaults.
#[derive(Clone)]
pub struct LocalOptions {
    /// The clocks.
    pub clock: Clock,
    /// The partitions that the metadata knows.
    pub partitions: Vec<NewPartition>,
    /// Topics that were deleted and whose data may not all be gone. Only their directories are ever removed.
    pub tombstones: Vec<TopicId>,
    /// Called on a thread of the store when no directory of a tombstoned topic is left, so that the tombstone may go.
    /// Must not block for long.
    pub removed: Arc<dyn Fn(TopicId) + Send + Sync>,
    /// Threads that sync files. 0, together with the other two, starts no thread at all: the caller drives the store
    /// by its steps. Default 8.
    pub sync_threads: usize,
    /// Threads that do reads which may wait for the device. Default 4.
    pub reader_threads: usize,
    /// Threads that recover partitions at start. Default 2.
    pub recovery_threads: usize,
    /// The journal for small appends.
    pub journal: JournalOptions,
    /// Bytes staged in memory at which appenders are asked to wait. Default 64 MiB.
    pub staged_bytes_max: u64,
    /// Free bytes of the file system below which clients' appends are refused; 0: never. `None`, the default, is the
    /// smaller of 1 GiB and 5 % of the file system.
    pub free_space_floor: Live<Option<u64>>,
    /// Bytes that the scrub reads in a second; 0: it does not read. Default 8 MiB.
    pub scrub_bytes_per_second: Live<u64>,
    /// Milliseconds after which the scrub reads a segment again. Default a week.
    pub scrub_interval_ms: Live<u64>,
    /// `log.retention.check.interval.ms`: milliseconds between two looks for segments to let go. Default 300 000.
    pub retention_interval_ms: u64,
    /// Milliseconds between two writings of the checkpoint while something changes. Default 5 000.
    pub checkpoint_interval_ms: u64,
    /// Milliseconds after which [`LogStore::close`](highwater_store::LogStore::close) gives up on a device that does
    /// not answer. Default 30 000.
    pub close_timeout_ms: u64,
}

impl LocalOptions {
    /// No partitions and the defaults.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            partitions: Vec::new(),
            tombstones: Vec::new(),
            removed: Arc::new(|_| {}),
            sync_threads: 8,
            reader_threads: 4,
            recovery_threads: 2,
            journal: JournalOptions::default(),
            staged_bytes_max: 64 << 20,
            free_space_floor: Arc::new(|| None),
            scrub_bytes_per_second: Arc::new(|| 8 << 20),
            scrub_interval_ms: Arc::new(|| 7 * 24 * 3_600_000),
            retention_interval_ms: 300_000,
            checkpoint_interval_ms: 5_000,
            close_timeout_ms: 30_000,
        }
    }
}

impl fmt::Debug for LocalOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalOptions").field("partitions", &self.partitions.len()).finish_non_exhaustive()
    }
}
