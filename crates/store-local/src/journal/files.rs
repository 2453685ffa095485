//! The journal's two files, which take turns: one is written while the other's bytes become durable in the segments.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater_disk::{Disk, DiskError, File, OpenMode, Operation, write_all_at};
use highwater_types::{Offset, TopicIdPartition};

use super::frame::{self, BLOCK, HEADER_SIZE};
use crate::files;
use crate::partition::LocalPartition;

/// Names of the files.
pub(crate) const NAMES: [&str; 2] = ["journal-0", "journal-1"];
const ZEROS_AT_ONCE: usize = 1 << 20;

/// Partitions with bytes in a file, and the end of those bytes.
pub(super) type Holds = BTreeMap<TopicIdPartition, (Arc<LocalPartition>, Offset)>;

/// What a write came to.
pub(super) enum Written {
    /// It is durable. With the partitions whose own files are to be synced now, so that the file that was left can be used again.
    Durable(Vec<Arc<LocalPartition>>),
    /// The file is full, and the other one still holds what nothing else does; or a write failed before.
    NoRoom,
}

/// One file.
#[derive(Debug)]
struct JournalFile {
    file: Arc<dyn File>,
    path: PathBuf,
    /// Where the next batch goes.
    position: u64,
    holds: Holds,
}

/// Both files.
#[derive(Debug)]
pub(super) struct Files {
    active: JournalFile,
    other: JournalFile,
    size: u64,
    sequence: u64,
    /// A write or a sync failed. A later batch would stand behind one that may not be there, where no start finds it.
    failed: bool,
}

impl Files {
    /// Makes the files, full of zeros: a sync of what is written over them need not tell the file system's journal anything.
    pub(super) fn make(disk: &dyn Disk, directory: &Path, size: u64) -> Result<Self, DiskError> {
        let [active, other] = NAMES.map(|name| make(disk, &directory.join(name), size));
        let made = Self { active: active?, other: other?, size, sequence: 0, failed: false };
        files::sync_directory(disk, directory)?;
        Ok(made)
    }

    /// Writes a batch and makes it durable. After a failure there is no room for any other. Waits for the disk.
    pub(super) fn write(&mut self, frames: &[u8], entries: &[super::Entry]) -> Result<Written, DiskError> {
        if self.failed {
            return Ok(Written::NoRoom);
        }
        let bytes = (HEADER_SIZE + frames.len()) as u64;
        let mut left = Vec::new();
        if self.active.position.saturating_add(bytes) > self.size {
            if bytes > self.size || !self.other.is_free() {
                return Ok(Written::NoRoom);
            }
            self.other.position = 0;
            self.other.holds.clear();
            left.extend(self.active.holds.values().map(|(partition, _)| partition.clone()));
            std::mem::swap(&mut self.active, &mut self.other);
        }
        self.sequence += 1;
        let header = frame::header(self.sequence, frames);
        self.active.write(&header, frames).inspect_err(|_| self.failed = true)?;
        self.active.position = (self.active.position + bytes).next_multiple_of(BLOCK);
        for entry in entries {
            let held = (entry.partition.clone(), entry.end.offset);
            self.active.holds.insert(entry.partition.key(), held);
        }
        Ok(Written::Durable(left))
    }

    /// Whether the segments hold everything durably.
    pub(super) fn are_free(&self) -> bool {
        self.active.is_free() && self.other.is_free()
    }

    /// Every partition with bytes in the files.
    pub(super) fn holders(&self) -> Vec<Arc<LocalPartition>> {
        let all = self.active.holds.values().chain(self.other.holds.values());
        all.map(|(partition, _)| partition.clone()).collect()
    }
}

impl JournalFile {
    fn write(&self, header: &[u8; HEADER_SIZE], frames: &[u8]) -> Result<(), DiskError> {
        let mut slices = [IoSlice::new(header), IoSlice::new(frames)];
        write_all_at(self.file.as_ref(), &mut slices, self.position)
            .map_err(DiskError::at(Operation::Write, &self.path))?;
        self.file.sync_data().map_err(DiskError::at(Operation::Sync, &self.path))
    }

    fn is_free(&self) -> bool {
        self.holds.values().all(|(partition, end)| partition.is_filed_to(*end))
    }
}

/// Makes one file of zeros, durably but for its name.
fn make(disk: &dyn Disk, path: &Path, size: u64) -> Result<JournalFile, DiskError> {
    files::remove_if_there(disk, path)?;
    let file = disk.open(path, OpenMode::CreateNew).map_err(DiskError::at(Operation::Open, path))?;
    let zeros = vec![0; usize::try_from(size).unwrap_or(ZEROS_AT_ONCE).min(ZEROS_AT_ONCE)];
    let mut position = 0;
    while position < size {
        let rest = usize::try_from(size - position).unwrap_or(usize::MAX);
        let slice = zeros.get(..rest).unwrap_or(&zeros);
        write_all_at(file.as_ref(), &mut [IoSlice::new(slice)], position)
            .map_err(DiskError::at(Operation::Write, path))?;
        position += slice.len() as u64;
    }
    file.sync_data().map_err(DiskError::at(Operation::Sync, path))?;
    Ok(JournalFile { file, path: path.to_path_buf(), position: 0, holds: Holds::new() })
}

/// Removes the files that are there. Durable after syncing the directory.
pub(super) fn remove(disk: &dyn Disk, directory: &Path) -> Result<bool, DiskError> {
    let mut removed = false;
    for name in NAMES {
        removed |= files::remove_if_there(disk, &directory.join(name))?;
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use highwater_disk::sim::{Fault, SimDisk};

    use super::*;

    #[test]
    fn nothing_is_written_behind_a_batch_that_failed() {
        for operation in [Operation::Write, Operation::Sync] {
            let disk = SimDisk::new(1);
            let directory = Path::new("/data");
            disk.create_directory(directory).expect("made");
            let mut files = Files::make(disk.as_ref(), directory, 1 << 16).expect("made");
            assert!(matches!(files.write(&[1; 100], &[]), Ok(Written::Durable(_))));
            disk.fail_next(operation, "journal-", Fault::Io);
            assert!(files.write(&[2; 100], &[]).is_err());
            // The device takes the next one: a failure is told once.
            assert!(matches!(files.write(&[3; 100], &[]), Ok(Written::NoRoom)), "{operation:?}");
        }
    }
}
