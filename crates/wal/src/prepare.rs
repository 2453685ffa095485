//! Preparing the next segment's file in the background, so that a roll is a rename. How much is reserved follows what
//! the log writes between two syncs; an idle log reserves nothing.

use std::io;
use std::sync::Arc;

use highwater_disk::{DiskError, OpenMode, Operation};

use crate::names::{PREPARED, Place};

const WINDOW_MIN: u64 = 64 << 10;
const WINDOW_MAX: u64 = 4 << 20;

/// Makes the file. Handed back to [`Wal::end_prepare`](crate::Wal::end_prepare) with the result of
/// [`PrepareJob::run`].
#[derive(Debug)]
pub struct PrepareJob {
    pub(crate) place: Arc<Place>,
    pub(crate) window: u64,
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
}
