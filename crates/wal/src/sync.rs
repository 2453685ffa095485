//! The work of one sync: every file with written bytes that are not durable, and the directory where a name in it is
//! not. The files may be synced in parallel, by whoever owns threads.

use std::path::Path;
use std::sync::Arc;

use highwater_disk::{DiskError, File, Operation};

use crate::LogPoint;
use crate::names::Place;
use crate::staging::Unsynced;

/// Syncs what was written. Made by [`Wal::begin_sync`](crate::Wal::begin_sync), handed back to
/// [`Wal::end_sync`](crate::Wal::end_sync) when all of [`SyncJob::files`] and [`SyncJob::directory`] are synced, or one
/// of them failed. Nothing in it is tried twice.
#[derive(Debug)]
pub struct SyncJob {
    pub(crate) place: Arc<Place>,
    pub(crate) unsynced: Vec<Unsynced>,
    pub(crate) files: Vec<Arc<dyn File>>,
    pub(crate) names: bool,
    pub(crate) end: LogPoint,
    pub(crate) bytes: u64,
}

impl SyncJob {
    /// The files to be synced, each by [`File::sync_data`].
    pub fn files(&self) -> &[Arc<dyn File>] {
        &self.files
    }

    /// The directory to be synced, when a name in it is not durable yet.
    pub fn directory(&self) -> Option<&Path> {
        self.names.then_some(self.place.directory.as_path())
    }

    /// End of what is durable when all of it worked.
    pub fn end(&self) -> LogPoint {
        self.end
    }

    /// Bytes that became unsynced since the last sync was begun.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many independent steps there are: one a file, and one for the directory.
    pub fn steps(&self) -> usize {
        self.files.len() + usize::from(self.names)
    }

    /// Runs one step, `0..steps()`. Waits for the disk. Steps may run at the same time; each is run once.
    ///
    /// # Errors
    /// What the file system says.
    pub fn run_step(&self, step: usize) -> Result<(), DiskError> {
        match self.unsynced.get(step) {
            Some(unsynced) => unsynced.file.sync_data().map_err(|source| DiskError {
                operation: Operation::Sync,
                path: unsynced.segment.path(),
                source,
            }),
            None if self.names => self.place.sync_directory(),
            None => Ok(()),
        }
    }

    /// Runs all steps one after the other.
    ///
    /// # Errors
    /// That of the first step that fails; those behind it are not run.
    pub fn run(&self) -> Result<(), DiskError> {
        (0..self.steps()).try_for_each(|step| self.run_step(step))
    }
}
