//! What can go wrong: recovering, staging, reading, and after a failed job everything that writes.

use std::fmt;
use std::path::PathBuf;

use highwater_disk::DiskError;
use highwater_types::{Offset, Position};

use crate::{EntryError, LogPoint};

/// Why a log could not be recovered, changed or closed.
#[derive(Debug)]
pub enum WalError {
    /// The file system refused something.
    Disk(DiskError),
    /// Bytes that were known to be synced are not there or not good. Nothing was changed.
    Corrupt {
        /// The segment's file.
        file: PathBuf,
        /// Where in it.
        position: Position,
        /// Offset that stood to come there.
        offset_expected: Offset,
        /// What is wrong.
        reason: EntryError,
    },
    /// Something is staged or in flight.
    Busy,
    /// The log was closed, or failed before and must be recovered.
    Closed,
    /// No such segment, or a point outside the log.
    OutOfRange(LogPoint),
}

impl From<DiskError> for WalError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl fmt::Display for WalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => error.fmt(f),
            Self::Corrupt { file, position, offset_expected, reason } => write!(
                f,
                "{}: corrupt at position {position}, where offset {offset_expected} was expected: {reason}",
                file.display()
            ),
            Self::Busy => f.write_str("the log has bytes that are staged or in flight"),
            Self::Closed => f.write_str("the log is closed for writing"),
            Self::OutOfRange(point) => write!(
                f,
                "the log has no place at offset {}, segment {}, position {}",
                point.offset, point.segment, point.position
            ),
        }
    }
}

impl std::error::Error for WalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Disk(error) => Some(error),
            Self::Corrupt { reason, .. } => Some(reason),
            _ => None,
        }
    }
}

/// Why an entry was not staged. The log is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageError {
    /// The log was closed, or a job failed: see [`Wal::failure`](crate::Wal::failure).
    Closed,
    /// The offsets do not follow the log's end, or run backwards, or reach the end of the number range.
    Offsets {
        /// First offset of the entry.
        base: Offset,
        /// Last offset of the entry.
        last: Offset,
        /// End of the log.
        end: Offset,
    },
    /// The entry is shorter than a header.
    TooShort {
        /// Its bytes.
        size: u64,
    },
    /// [`Wal::stage_copy`](crate::Wal::stage_copy) only: the bytes are no entry.
    Entry(EntryError),
}

impl fmt::Display for StageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the log is closed for writing"),
            Self::Offsets { base, last, end } => {
                write!(f, "offsets {base} to {last} cannot follow the log's end {end}")
            }
            Self::TooShort { size } => write!(f, "{size} bytes are shorter than a header"),
            Self::Entry(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StageError {}

/// Why headers could not be read.
#[derive(Debug)]
pub enum ReadProblem {
    /// Only in [`ReadMode::Resident`](crate::ReadMode::Resident): the bytes are not in memory.
    WouldBlock,
    /// Bytes below the end are no entry.
    Corrupt {
        /// The segment's file.
        file: PathBuf,
        /// Where in it.
        position: Position,
        /// What is wrong.
        reason: EntryError,
    },
    /// A read failed.
    Disk(DiskError),
}

impl fmt::Display for ReadProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => f.write_str("the bytes are not in memory"),
            Self::Corrupt { file, position, reason } => {
                write!(f, "{}: bad entry at position {position}: {reason}", file.display())
            }
            Self::Disk(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadProblem {}

/// Why a log is closed for writing until it is recovered.
#[derive(Debug)]
pub struct Failure {
    /// What failed, on which file.
    pub error: DiskError,
    /// The last good synced end: what was written from here on is doubtful and must be read from the device again.
    /// `None` when a write found no space: nothing is doubtful then, since no sync failed.
    pub suspect: Option<LogPoint>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        self.suspect.map_or(Ok(()), |suspect| write!(f, "; doubtful from offset {} on", suspect.offset))
    }
}

impl std::error::Error for Failure {}
