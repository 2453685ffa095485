//! What a store counts while it works, for `/metrics` and `/status`.

use std::sync::atomic::AtomicBool;

use highwater_types::{Counter, Histogram};

/// Counters of a [`LogStore`](crate::LogStore), all since its start.
#[derive(Debug, Default)]
pub struct StoreStatistics {
    /// Batches accepted; a duplicate is not one.
    pub appended_batches: Counter,
    /// Records accepted.
    pub appended_records: Counter,
    /// Bytes of batches accepted.
    pub appended_bytes: Counter,
    /// Batches that were there already.
    pub duplicate_batches: Counter,
    /// Batches refused.
    pub refused_batches: Counter,
    /// Rounds in which staged bytes were written.
    pub write_rounds: Counter,
    /// Bytes written.
    pub written_bytes: Counter,
    /// Each write of one partition.
    pub writes: Histogram,
    /// Each sync of one partition.
    pub syncs: Histogram,
    /// Writes and syncs that failed.
    pub failures: Counter,
    /// Segments that were begun because another was full.
    pub rolls: Counter,
}

/// Counters of a [`MetaStore`](crate::MetaStore), all since its start.
#[derive(Debug, Default)]
pub struct MetaStatistics {
    /// Commits asked for.
    pub commits: Counter,
    /// Commits refused.
    pub refused: Counter,
    /// Whether the last durable write failed.
    pub is_failing: AtomicBool,
    /// Each durable write; many commits share one.
    pub writes: Histogram,
}

/// What a [`LogStore`](crate::LogStore) holds and has to do at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreState {
    /// Bytes in memory that are still to be written.
    pub staged_bytes: u64,
    /// Partitions that were there at start.
    pub recovering_total: usize,
    /// Those of them that are recovered or have failed.
    pub recovering_done: usize,
    /// Bytes that recovery read to find the logs' ends.
    pub recovery_scanned_bytes: u64,
    /// Nanoseconds that recovery took, or has taken until now.
    pub recovery_ns: u64,
    /// What recovery found beyond clean ends, in words: partition and finding.
    pub recovery_found: Vec<(String, String)>,
}
