//! Removing the directories of deleted topics, a bounded step at a time.
//!
//! Files are unlinked; a big one is shortened first, 64 MiB a step, because freeing many blocks at once holds up every
//! other writer of the file system. A file that a running send still reads is never shortened: it is unlinked when the
//! send has ended, or whole when that takes too long (an unlinked file stays readable).

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use highwater_disk::{Disk, DiskError, EntryKind, OpenMode, Operation};
use highwater_types::TopicId;
use highwater_wal::Segment;

use crate::files;

/// How much a file is shortened at once.
const SHRINK_STEP: u64 = 64 << 20;
/// Files unlinked in one step.
const FILES_PER_STEP: usize = 16;
/// Times that a file in use is looked at again before it is unlinked whole.
const PATIENCE: u32 = 300;

/// A directory on its way out.
#[derive(Debug)]
pub(crate) struct Removal {
    pub(crate) topic_id: TopicId,
    path: PathBuf,
    /// Kept so that nobody's running send is disturbed.
    segments: Vec<Arc<Segment>>,
    waited: u32,
}

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is more to do, soon.
    More,
    /// A send still reads; look again later.
    InUse,
    /// The directory is gone.
    Done,
}

impl Removal {
    pub(crate) fn new(topic_id: TopicId, path: PathBuf, segments: Vec<Arc<Segment>>) -> Self {
        Self { topic_id, path, segments, waited: 0 }
    }

    /// Does a bounded part of the work.
    pub(crate) fn step(&mut self, disk: &dyn Disk) -> Result<Progress, DiskError> {
        let entries = match disk.list(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Progress::Done),
            Err(error) => return Err(DiskError::at(Operation::List, &self.path)(error)),
        };
        if entries.is_empty() {
            disk.remove_directory(&self.path).map_err(DiskError::at(Operation::Remove, &self.path))?;
            return Ok(Progress::Done);
        }
        for entry in entries.iter().take(FILES_PER_STEP) {
            let file = self.path.join(&entry.name);
            if entry.kind == EntryKind::File {
                match self.shrink(disk, &file)? {
                    Progress::Done => {}
                    progress => return Ok(progress),
                }
            }
            files::remove_if_there(disk, &file)?;
        }
        Ok(Progress::More)
    }

    /// Shortens a file by a step if it is big; `Done` when it may be unlinked.
    fn shrink(&mut self, disk: &dyn Disk, path: &Path) -> Result<Progress, DiskError> {
        let file = match disk.open(path, OpenMode::ReadWrite) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Progress::Done),
            Err(error) => return Err(DiskError::at(Operation::Open, path)(error)),
        };
        let length = file.length().map_err(DiskError::at(Operation::Read, path))?;
        if length <= SHRINK_STEP {
            return Ok(Progress::Done);
        }
        if self.is_read(path) {
            self.waited += 1;
            return Ok(if self.waited > PATIENCE { Progress::Done } else { Progress::InUse });
        }
        file.set_length(length - SHRINK_STEP).map_err(DiskError::at(Operation::SetLength, path))?;
        Ok(Progress::More)
    }

    /// Whether anybody besides the segment itself and this function holds its file.
    fn is_read(&self, path: &Path) -> bool {
        let name = path.file_name();
        let segment = self.segments.iter().find(|segment| segment.path().file_name() == name);
        segment.and_then(|segment| segment.cached_file()).is_some_and(|file| Arc::strong_count(&file) > 2)
    }
}

/// Counts the directories that are left of each deleted topic.
pub(crate) struct Removals {
    left: Mutex<HashMap<TopicId, usize>>,
    removed: Arc<dyn Fn(TopicId) + Send + Sync>,
}

impl Removals {
    pub(crate) fn new(removed: Arc<dyn Fn(TopicId) + Send + Sync>) -> Self {
        Self { left: Mutex::default(), removed }
    }

    /// Counts a directory that will be removed; [`Removals::done`] takes it back.
    pub(crate) fn begin(&self, topic_id: TopicId) {
        *self.left().entry(topic_id).or_default() += 1;
    }

    /// One directory less. Tells that the topic is gone when it was the last.
    pub(crate) fn done(&self, topic_id: TopicId) {
        let last = {
            let mut left = self.left();
            let count = left.get(&topic_id).copied().unwrap_or(0).saturating_sub(1);
            if count == 0 {
                left.remove(&topic_id)
            } else {
                left.insert(topic_id, count)
            };
            count == 0
        };
        if last {
            (self.removed)(topic_id);
        }
    }

    fn left(&self) -> MutexGuard<'_, HashMap<TopicId, usize>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Removals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Removals").field("left", &*self.left()).finish_non_exhaustive()
    }
}
