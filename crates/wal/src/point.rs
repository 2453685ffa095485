//! Places in a log.

use highwater_types::{Offset, Position};

/// A place between two entries: the next entry has at least `offset`, in the segment that begins at `segment`, at
/// `position`. Points of one log are ordered as the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPoint {
    /// Offset of the next entry.
    pub offset: Offset,
    /// Base offset of the segment, which need not exist yet while `position` is 0.
    pub segment: Offset,
    /// Byte in the segment's file.
    pub position: Position,
}

impl LogPoint {
    /// The beginning of a segment.
    pub fn start_of(segment: Offset) -> Self {
        Self { offset: segment, segment, position: Position::ZERO }
    }
}

/// Where a staged entry will stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Base offset of its segment.
    pub segment: Offset,
    /// Its first byte in the segment's file.
    pub position: Position,
    /// Whether the segment begins with it.
    pub rolled: bool,
}

/// How a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalOptions {
    /// Bytes after which a segment is full; default 64 MiB. Any value works: a segment holds at least one entry, and
    /// an entry larger than this has a segment of its own.
    pub segment_bytes: u64,
    /// Bytes that one write job takes at most, but at least one entry; default 1 MiB.
    pub max_write_bytes: u64,
    /// Whether the next segment's file is prepared in the background ([`Wal::begin_prepare`](crate::Wal)); default
    /// yes.
    pub prepare: bool,
}

impl Default for WalOptions {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, max_write_bytes: 1 << 20, prepare: true }
    }
}
