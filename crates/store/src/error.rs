//! What a store may answer instead of success. The server turns each into a Kafka error code in one place.

use std::fmt;

use highwater_partition_log::Refusal;
use highwater_types::Offset;

/// Why records were not appended or not acknowledged.
#[derive(Debug, Clone)]
pub enum AppendError {
    /// The client's mistake; nothing was appended.
    Refused(Refusal),
    /// The partition does not take writes: its storage failed, or it is being recovered or deleted.
    Unavailable(PartitionProblem),
}

/// Why records could not be read.
#[derive(Debug, Clone)]
pub enum ReadError {
    /// Below the log's start or above its end.
    OutOfRange {
        /// First readable offset.
        log_start_offset: Offset,
        /// End of what may be read.
        high_watermark: Offset,
    },
    /// The partition does not serve reads, or these bytes cannot be read.
    Unavailable(PartitionProblem),
}

/// Why a partition does not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionProblem {
    /// Start-up recovery is still running: ask again.
    Recovering,
    /// Out of space: what was staged is refused; writing resumes by itself when there is space.
    OutOfSpace,
    /// A write, sync or read failed, or the log is corrupt: cause with file and position.
    Storage(String),
    /// Deleted.
    Gone,
}

/// Why partitions could not be created or deleted.
#[derive(Debug, Clone)]
pub enum StoreError {
    /// The operation failed on storage: cause with file name. Nothing was created.
    Storage(String),
    /// Out of space.
    OutOfSpace,
}

/// Why metadata could not be committed.
#[derive(Debug, Clone)]
pub enum MetaError {
    /// The store failed: whether this commit is there is known after the restart of the process, and none is taken
    /// until then. Cause with file name.
    Failed(String),
    /// Out of space: nothing of this commit is there; a later one may succeed.
    OutOfSpace,
    /// Too many commits wait: nothing of this commit is there; a later one may succeed.
    Busy,
    /// A stored record cannot be read: which, and why.
    Corrupt(String),
}

impl fmt::Display for PartitionProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recovering => f.write_str("the partition is still being recovered"),
            Self::OutOfSpace => f.write_str("no space left on the device"),
            Self::Storage(cause) => f.write_str(cause),
            Self::Gone => f.write_str("the partition was deleted"),
        }
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Unavailable(problem) => problem.fmt(f),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { log_start_offset, high_watermark } => {
                write!(f, "offset out of range {log_start_offset}..{high_watermark}")
            }
            Self::Unavailable(problem) => problem.fmt(f),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(cause) => f.write_str(cause),
            Self::OutOfSpace => f.write_str("no space left on the device"),
        }
    }
}

impl fmt::Display for MetaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(cause) | Self::Corrupt(cause) => f.write_str(cause),
            Self::OutOfSpace => f.write_str("no space left on the device"),
            Self::Busy => f.write_str("too many changes of metadata wait to be written"),
        }
    }
}

impl std::error::Error for AppendError {}
impl std::error::Error for ReadError {}
impl std::error::Error for StoreError {}
impl std::error::Error for MetaError {}
