//! What goes into and comes out of a log: the words that `store` and the server share with it.

use std::fmt;

use highwater_disk::FileRange;
use highwater_types::{LeaderEpoch, Offset, Timestamp};

/// Who appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A Produce request: control batches are refused, every rule is applied.
    Client,
    /// A coordinator of ours: control batches (transaction markers) are allowed.
    Coordinator,
    /// A copy of an existing log: offsets, epochs and timestamps are kept as they are, holes allowed.
    Import,
}

/// Which records a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Up to the high watermark.
    ReadUncommitted,
    /// Up to the last stable offset, with the list of aborted transactions.
    ReadCommitted,
}

/// An accepted batch. Not yet durable, nor written: only its place is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// The broker's timestamp under LogAppendTime, else [`Timestamp::NONE`]; of a duplicate its original's timestamp.
    pub log_append_time: Timestamp,
    /// The log's start when it was accepted.
    pub log_start_offset: Offset,
    /// Whether it repeats a batch that is there already; nothing was appended, the offsets are the original's.
    pub duplicate: bool,
}

/// Why a batch was refused. Each is one Kafka error code; nothing was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// CORRUPT_MESSAGE: checksum, length or header do not fit.
    Corrupt(String),
    /// INVALID_RECORD: well-formed but not allowed (old magic, counts, missing keys, control batch, several batches).
    InvalidRecord {
        /// What is wrong, for `error_message`.
        message: String,
        /// `(index in the batch, message)` of each bad record; may be empty.
        records: Vec<(i32, String)>,
    },
    /// INVALID_TIMESTAMP: outside `message.timestamp.before.max.ms`/`after.max.ms`.
    InvalidTimestamp {
        /// What is wrong.
        message: String,
        /// `(index in the batch, message)` of each bad record; may be empty.
        records: Vec<(i32, String)>,
    },
    /// MESSAGE_TOO_LARGE: larger than `max.message.bytes`.
    TooLarge {
        /// Size of the batch in bytes.
        size: u64,
        /// `max.message.bytes`.
        limit: u64,
    },
    /// UNSUPPORTED_COMPRESSION_TYPE: codec not allowed for this request version, or unknown.
    UnsupportedCompression(String),
    /// OUT_OF_ORDER_SEQUENCE_NUMBER.
    OutOfOrderSequence(String),
    /// INVALID_PRODUCER_EPOCH: older than the partition's.
    InvalidProducerEpoch(String),
    /// INVALID_TXN_STATE: transactional batch without an ongoing transaction that allows it.
    InvalidTransactionState(String),
    /// TRANSACTION_COORDINATOR_FENCED: a marker of an older coordinator.
    CoordinatorFenced(String),
    /// UNSUPPORTED_FOR_MESSAGE_FORMAT: magic 0 or 1 where only 2 is stored.
    UnsupportedFormat(String),
    /// KAFKA_STORAGE_ERROR: a write or sync failed before, and the log takes nothing until it is recovered.
    Unavailable(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(message)
            | Self::InvalidRecord { message, .. }
            | Self::InvalidTimestamp { message, .. }
            | Self::UnsupportedCompression(message)
            | Self::OutOfOrderSequence(message)
            | Self::InvalidProducerEpoch(message)
            | Self::InvalidTransactionState(message)
            | Self::CoordinatorFenced(message)
            | Self::UnsupportedFormat(message)
            | Self::Unavailable(message) => f.write_str(message),
            Self::TooLarge { size, limit } => {
                write!(f, "The batch size of {size} bytes exceeds max.message.bytes, which is {limit}.")
            }
        }
    }
}

/// Where a log begins and ends, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOffsets {
    /// First offset that may be read.
    pub log_start_offset: Offset,
    /// End of what readers see.
    pub high_watermark: Offset,
    /// End of what read_committed readers see: the first open transaction's start, at most the high watermark.
    pub last_stable_offset: Offset,
    /// End of what was accepted.
    pub log_end_offset: Offset,
    /// End of what is on stable storage.
    pub synced_end: Offset,
    /// The current leader epoch.
    pub leader_epoch: LeaderEpoch,
}

/// What to read.
#[derive(Debug, Clone, Copy)]
pub struct ReadRequest {
    /// First offset wanted.
    pub offset: Offset,
    /// Bytes wanted at most; the first batch comes whole even when larger if `at_least_one_batch`.
    pub max_bytes: u64,
    /// Return the first batch even when it is larger than `max_bytes`.
    pub at_least_one_batch: bool,
    /// Which records may be seen.
    pub isolation: Isolation,
}

/// An aborted transaction that overlaps a read_committed read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AbortedTransaction {
    /// The producer.
    pub producer_id: highwater_types::ProducerId,
    /// First offset of the transaction.
    pub first_offset: Offset,
}

/// Whole batches, as ranges of segment files, never parsed.
#[derive(Debug, Clone)]
pub struct ReadOutcome {
    /// The bytes, in order; empty at the end of the log. The first batch may begin before the offset asked for.
    pub records: Vec<FileRange>,
    /// Watermarks when the bound was taken.
    pub offsets: LogOffsets,
    /// For read_committed: aborted transactions that overlap the range.
    pub aborted: Vec<AbortedTransaction>,
}

impl ReadOutcome {
    /// Total bytes.
    pub fn size(&self) -> u64 {
        self.records.iter().map(|range| range.size).sum()
    }
}

/// A record found by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampedOffset {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// The epoch of its batch.
    pub leader_epoch: LeaderEpoch,
}

/// Answer to "where does this epoch end?" (OffsetForLeaderEpoch).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch at or below the one asked for; [`LeaderEpoch::NONE`] when there is none.
    pub leader_epoch: LeaderEpoch,
    /// Its end (exclusive), -1 when there is none.
    pub end_offset: Offset,
}
