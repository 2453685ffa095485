//! What a store counts while it works, for `/metrics` and `/status`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use highwater_types::{Counter, Histogram, Offset};

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
    /// Batches refused for want of space.
    pub refused_for_space: Counter,
    /// Rounds in which staged bytes were written.
    pub write_rounds: Counter,
    /// Bytes written.
    pub written_bytes: Counter,
    /// Each write of one partition.
    pub writes: Histogram,
    /// Each sync of one partition.
    pub syncs: Histogram,
    /// Batches that one write and sync of the journal made durable.
    pub journal_batches: Counter,
    /// Pieces of partitions in them, which needed no sync of their own.
    pub journal_pieces: Counter,
    /// Bytes of those pieces.
    pub journal_bytes: Counter,
    /// Partitions whose files the start completed from the journal.
    pub journal_replayed: Counter,
    /// Writes and syncs that failed.
    pub failures: Counter,
    /// Bytes that the scrub has read.
    pub scrubbed_bytes: Counter,
    /// Segments that the scrub has read to their ends.
    pub scrubbed_segments: Counter,
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

/// What is left of the file system that a [`LogStore`](crate::LogStore) lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceState {
    /// Bytes of the whole file system.
    pub total_bytes: u64,
    /// Those of them that may still be used.
    pub free_bytes: u64,
    /// Free bytes below which clients' appends are refused; 0: never.
    pub floor_bytes: u64,
    /// Whether they are refused.
    pub low: bool,
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
    /// What the scrub has found.
    pub scrub: ScrubState,
}

/// What reading sealed segments again has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScrubState {
    /// Nanoseconds from when segments were due until none was, the last time; `None` before that.
    pub pass_ns: Option<u64>,
    /// Segments that are no longer as they were written.
    pub damaged: Vec<DamagedSegment>,
}

/// A sealed segment that is no longer as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedSegment {
    /// The topic's name.
    pub topic: Arc<str>,
    /// 0-based index.
    pub partition: i32,
    /// The segment's file.
    pub file: PathBuf,
    /// Where in the file the damage begins, or the piece of 1 MiB or the batch that has it.
    pub position: u64,
    /// The first offset that cannot be relied on.
    pub first_offset: Offset,
    /// The offset after the last one that cannot be relied on.
    pub end_offset: Offset,
    /// What is wrong, in words.
    pub problem: String,
}
