//! What can go wrong with a log: opening it, writing it, reading it.

use std::fmt;
use std::path::PathBuf;

use highwater_disk::DiskError;
use highwater_types::{Offset, Position, TopicId};
use highwater_wal::{EntryError, ReadProblem, WalError};

/// Why a log could not be created, recovered or closed.
#[derive(Debug)]
pub enum LogError {
    /// The file system refused something.
    Disk(DiskError),
    /// The segments cannot be recovered: a disk error, or bad bytes below what was known to be good.
    Wal(WalError),
    /// A batch below the recovered end cannot be read.
    Corrupt {
        /// The segment file.
        file: PathBuf,
        /// Where in it.
        position: Position,
        /// What is wrong.
        reason: EntryError,
    },
    /// `partition.metadata` names another topic: the directory is not this partition's.
    OtherTopic {
        /// The file.
        path: PathBuf,
        /// The id that was expected.
        expected: TopicId,
        /// The id in the file.
        found: TopicId,
    },
    /// `partition.metadata` is missing or unreadable: whose the directory is cannot be told.
    BadMetadata {
        /// The file.
        path: PathBuf,
    },
    /// Something is still staged or in flight.
    Busy,
    /// A write or sync failed before.
    Failed(LogFailure),
}

impl From<DiskError> for LogError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl From<WalError> for LogError {
    fn from(error: WalError) -> Self {
        match error {
            WalError::Disk(error) => Self::Disk(error),
            other => Self::Wal(other),
        }
    }
}

impl From<PlanError> for LogError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::WouldBlock => Self::Busy,
            PlanError::Corrupt { file, position, reason } => Self::Corrupt { file, position, reason },
            PlanError::Disk(error) => Self::Disk(error),
        }
    }
}

impl LogError {
    /// Whether space or quota ran out: it may be tried again when there is space.
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, Self::Disk(error) if error.is_out_of_space())
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => error.fmt(f),
            Self::Wal(error) => error.fmt(f),
            Self::Corrupt { file, position, reason } => {
                write!(f, "{}: bad batch at position {position}: {reason}", file.display())
            }
            Self::OtherTopic { path, expected, found } => {
                write!(f, "{} is of topic {found}, expected {expected}", path.display())
            }
            Self::BadMetadata { path } => write!(f, "{} is missing or has no topic id", path.display()),
            Self::Busy => f.write_str("the log has bytes that are staged or being written"),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for LogError {}

/// Why a log takes no more writes until it is recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFailure {
    /// Space ran out: recovery cuts the tail and the log goes on when there is space.
    OutOfSpace(String),
    /// A write or sync failed: cause with file name.
    Storage(String),
}

impl LogFailure {
    pub(crate) fn of(error: &DiskError) -> Self {
        if error.is_out_of_space() {
            Self::OutOfSpace(error.to_string())
        } else {
            Self::Storage(error.to_string())
        }
    }
}

impl fmt::Display for LogFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfSpace(cause) | Self::Storage(cause) => f.write_str(cause),
        }
    }
}

impl std::error::Error for LogFailure {}

/// Why a plan could not be run.
#[derive(Debug)]
pub enum PlanError {
    /// Only in resident mode: bytes are not in memory. Run the plan again where waiting is allowed.
    WouldBlock,
    /// Bytes below the end are no batch.
    Corrupt {
        /// The segment file.
        file: PathBuf,
        /// Where in it.
        position: Position,
        /// What is wrong.
        reason: EntryError,
    },
    /// A read failed.
    Disk(DiskError),
}

impl From<DiskError> for PlanError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl From<ReadProblem> for PlanError {
    fn from(problem: ReadProblem) -> Self {
        match problem {
            ReadProblem::WouldBlock => Self::WouldBlock,
            ReadProblem::Corrupt { file, position, reason } => Self::Corrupt { file, position, reason },
            ReadProblem::Disk(error) => Self::Disk(error),
        }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("the bytes are not in memory"),
            Self::Corrupt { file, position, reason } => {
                write!(f, "{}: bad batch at position {position}: {reason}", file.display())
            }
            Self::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PlanError {}

/// An offset below the log's start or above its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfRange {
    /// First readable offset.
    pub log_start_offset: Offset,
    /// End of what may be read.
    pub high_watermark: Offset,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset out of range {}..{}", self.log_start_offset, self.high_watermark)
    }
}

impl std::error::Error for OutOfRange {}
