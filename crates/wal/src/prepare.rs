//! Blocks and files ahead of what is written. The next segment's file is made in the background, so that a roll is a
//! rename; before large writes blocks are reserved. How much is reserved follows what the log writes; one that is idle
//! reserves nothing.

use std::io;
use std::sync::Arc;

use highwater_disk::{DiskError, OpenMode, Operation};
use highwater_types::Position;

use crate::Segment;
use crate::names::{PREPARED, Place};

const WINDOW_MIN: u64 = 64 << 10;
const WINDOW_MAX: u64 = 4 << 20;
/// Smaller writes reserve nothing.
const AHEAD_FROM: u64 = 256 << 10;
/// No write reserves more bytes than this, or than it writes itself.
pub const AHEAD_BYTES_MAX: u64 = 64 * AHEAD_FROM;

/// Makes the file. Handed back to [`Wal::end_prepare`](crate::Wal::end_prepare) with the result of
/// [`PrepareJob::run`].
#[derive(Debug)]
pub struct PrepareJob {
    pub(crate) place: Arc<Place>,
    pub(crate) window: u64,
}

/// Gives back blocks that were reserved behind the end of the active segment. Handed back to
/// [`Wal::end_trim`](crate::Wal::end_trim) after [`TrimJob::run`].
#[derive(Debug)]
pub struct TrimJob {
    pub(crate) segment: Arc<Segment>,
    pub(crate) end: Position,
}

impl TrimJob {
    /// Cuts the file to its end. Waits for the disk.
    ///
    /// # Errors
    /// What the file system says; the blocks stay reserved.
    pub fn run(&self) -> Result<(), DiskError> {
        self.segment.trim(self.end).map(drop)
    }
}

/// Where the preparation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preparation {
    Nothing,
    InFlight,
    Ready,
}

/// Bytes to reserve for a log that writes `recent` bytes between two syncs.
pub(crate) fn window(recent: u64) -> u64 {
    recent.saturating_mul(2).clamp(WINDOW_MIN, WINDOW_MAX)
}

/// Bytes of blocks to reserve from `start` on before a write that ends at `end`; `None` for a small one. A file that grows by
/// what is written has the file system look for blocks at each sync, and holds the bytes back until it has some:
/// large writes take several times as long (docs/decisions/0016).
pub(crate) fn ahead(segment_bytes: u64, start: Position, end: Position) -> Option<u64> {
    let size = end.0.saturating_sub(start.0);
    let from = AHEAD_FROM.min(segment_bytes / 8);
    let room = segment_bytes.saturating_sub(start.0).max(size);
    let window = size.saturating_mul(4).clamp(from.saturating_mul(16), from.saturating_mul(64));
    (size >= from.max(1)).then_some(window.clamp(size, room))
}

impl PrepareJob {
    /// Creates `next.prep`, reserves blocks where the file system can, and syncs it. Waits for the disk.
    ///
    /// # Errors
    /// What the file system says. The log is as it was; a roll then makes its file itself.
    pub fn run(&self) -> Result<(), DiskError> {
        let result = self.prepare();
        if result.is_err() {
            let _ = self.place.remove(PREPARED);
        }
        result
    }

    fn prepare(&self) -> Result<(), DiskError> {
        let path = self.place.path(PREPARED);
        // One that a failed attempt left behind is empty, since nothing but a roll makes it a segment.
        let file = self.place.disk.open(&path, OpenMode::CreateOrOpen);
        let file = file.map_err(DiskError::at(Operation::Open, &path))?;
        match file.allocate(0, self.window) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            result => result.map_err(DiskError::at(Operation::Allocate, &path))?,
        }
        file.sync_data().map_err(DiskError::at(Operation::Sync, &path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_follows_what_is_written_within_bounds() {
        assert_eq!((window(0), window(100 << 10), window(u64::MAX)), (WINDOW_MIN, 200 << 10, WINDOW_MAX));
    }

    #[test]
    fn large_writes_reserve_ahead_up_to_the_segments_end() {
        let mib = |count: u64| Position(count << 20);
        let gib = 1 << 30;
        assert_eq!(ahead(gib, mib(5), Position(mib(5).0 + AHEAD_FROM - 1)), None);
        assert_eq!(ahead(gib, mib(5), mib(6)), Some(4 << 20));
        assert_eq!(ahead(gib, mib(5), mib(9)), Some(16 << 20));
        assert_eq!(ahead(gib, mib(5), mib(105)), Some(100 << 20), "at least what is written");
        assert_eq!(ahead(gib, mib(1022), mib(1023)), Some(2 << 20));
        assert_eq!(ahead(800, Position(100), Position(200)), Some(700));
        assert_eq!(ahead(0, Position(0), Position(100)), Some(100));
    }
}
