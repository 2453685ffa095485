//! The journal's file. One half of it is written while what is in the other becomes durable in the segments.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater_disk::{Disk, DiskError, File, OpenMode, Operation, write_all_at};
use highwater_types::{Offset, Timestamp, TopicIdPartition};

use super::format::{self, BLOCK, HEADER_SIZE, Head, Turn};
use crate::files;
use crate::partition::LocalPartition;

/// Name of the file.
pub(crate) const NAME: &str = "journal";
const ZEROS_AT_ONCE: usize = 1 << 20;

/// Partitions with bytes in a half, and the end of those bytes.
type Holds = BTreeMap<TopicIdPartition, (Arc<LocalPartition>, Offset)>;

/// What a write came to.
pub(super) enum Written {
    /// It is durable. With the partitions whose own files are to be synced now, so that the half that was left can be used again.
    Durable(Vec<Arc<LocalPartition>>),
    /// The half is full, and the other one still holds what nothing else does; or a write failed before.
    NoRoom,
}

/// The file, open.
#[derive(Debug)]
pub(super) struct JournalFile {
    file: Arc<dyn File>,
    path: PathBuf,
    head: Head,
    turn: Turn,
    /// Where the next batch goes.
    position: u64,
    /// Sequence of the next batch.
    sequence: u64,
    /// Of the half whose turn it is, and of the other one.
    holds: [Holds; 2],
    /// A write or a sync failed. A later batch would stand behind one that may not be there, where no start finds it.
    failed: bool,
}

impl JournalFile {
    /// Makes the file, durably. It is full of zeros: a sync of what is written over them need not tell the file system's journal
    /// anything.
    pub(super) fn make(
        disk: &dyn Disk,
        directory: &Path,
        half_bytes: u64,
        made: Timestamp,
    ) -> Result<Self, DiskError> {
        let mut mark = [0; 8];
        let path = directory.join(NAME);
        getrandom::fill(&mut mark)
            .map_err(io::Error::other)
            .map_err(DiskError::at(Operation::Write, &path))?;
        let half_bytes = half_bytes.next_multiple_of(BLOCK);
        let head = Head { mark: u64::from_le_bytes(mark), made, half_bytes };
        let turn = Turn { number: 0, first: 1, before: 1 };
        // With its name it has its header: what has none was not just being made.
        files::replace_with(disk, directory, NAME, |file| fill(file, head, turn))?;
        let file = disk.open(&path, OpenMode::ReadWrite).map_err(DiskError::at(Operation::Open, &path))?;
        let position = head.half(turn.half()).start;
        Ok(Self { file, path, head, turn, position, sequence: 1, holds: Default::default(), failed: false })
    }

    /// When it was made.
    pub(super) fn made(&self) -> Timestamp {
        self.head.made
    }

    /// Writes a batch and makes it durable. After a failure there is no room for any other. Waits for the disk.
    pub(super) fn write(&mut self, frames: &[u8], entries: &[super::Entry]) -> Result<Written, DiskError> {
        let bytes = (HEADER_SIZE + frames.len()) as u64;
        let mut left = Vec::new();
        if self.failed || bytes > self.head.half_bytes {
            return Ok(Written::NoRoom);
        }
        if self.position.saturating_add(bytes) > self.head.half(self.turn.half()).end {
            let [active, other] = &self.holds;
            if !are_filed(other) {
                return Ok(Written::NoRoom);
            }
            left.extend(active.values().map(|(partition, _)| partition.clone()));
            self.begin_turn()?;
        }
        let header = format::header(self.head.mark, self.sequence, frames);
        self.put(&mut [IoSlice::new(&header), IoSlice::new(frames)], self.position)?;
        self.sequence += 1;
        self.position = (self.position + bytes).next_multiple_of(BLOCK);
        let [active, _] = &mut self.holds;
        for entry in entries {
            active.insert(entry.partition.key(), (entry.partition.clone(), entry.end.offset));
        }
        Ok(Written::Durable(left))
    }

    /// Goes on in the other half, which holds nothing that is needed.
    fn begin_turn(&mut self) -> Result<(), DiskError> {
        let turn = Turn { number: self.turn.number + 1, first: self.sequence, before: self.turn.first };
        self.put(&mut [IoSlice::new(&turn.encode(self.head.mark))], Turn::position(turn.half()))?;
        self.turn = turn;
        self.position = self.head.half(turn.half()).start;
        self.holds.swap(0, 1);
        let [active, _] = &mut self.holds;
        active.clear();
        Ok(())
    }

    /// Writes and syncs; the last time if that fails.
    fn put(&mut self, slices: &mut [IoSlice<'_>], position: u64) -> Result<(), DiskError> {
        self.try_put(slices, position).inspect_err(|_| self.failed = true)
    }

    fn try_put(&self, slices: &mut [IoSlice<'_>], position: u64) -> Result<(), DiskError> {
        write_all_at(self.file.as_ref(), slices, position)
            .map_err(DiskError::at(Operation::Write, &self.path))?;
        self.file.sync_data().map_err(DiskError::at(Operation::Sync, &self.path))
    }

    /// Whether the segments hold everything durably.
    pub(super) fn is_free(&self) -> bool {
        self.holds.iter().all(are_filed)
    }

    /// Every partition with bytes in the file.
    pub(super) fn holders(&self) -> Vec<Arc<LocalPartition>> {
        self.holds.iter().flat_map(Holds::values).map(|(partition, _)| partition.clone()).collect()
    }
}

fn are_filed(holds: &Holds) -> bool {
    holds.values().all(|(partition, end)| partition.is_filed_to(*end))
}

/// Writes the whole of a new file.
fn fill(file: &dyn File, head: Head, turn: Turn) -> io::Result<()> {
    let size = head.file_bytes();
    let zeros = vec![0; usize::try_from(size).unwrap_or(ZEROS_AT_ONCE).min(ZEROS_AT_ONCE)];
    let mut position = 0;
    while position < size {
        let rest = usize::try_from(size - position).unwrap_or(usize::MAX);
        let slice = zeros.get(..rest).unwrap_or(&zeros);
        write_all_at(file, &mut [IoSlice::new(slice)], position)?;
        position += slice.len() as u64;
    }
    write_all_at(file, &mut [IoSlice::new(&head.encode())], 0)?;
    write_all_at(file, &mut [IoSlice::new(&turn.encode(head.mark))], Turn::position(turn.half()))
}

/// Removes the file, if it is there. Durable after syncing the directory.
pub(super) fn remove(disk: &dyn Disk, directory: &Path) -> Result<bool, DiskError> {
    files::remove_if_there(disk, &directory.join(NAME))
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
            let mut journal =
                JournalFile::make(disk.as_ref(), directory, 1 << 16, Timestamp(1)).expect("made");
            assert!(matches!(journal.write(&[1; 100], &[]), Ok(Written::Durable(_))));
            disk.fail_next(operation, NAME, Fault::Io);
            assert!(journal.write(&[2; 100], &[]).is_err());
            // The device takes the next one: a failure is told once.
            assert!(matches!(journal.write(&[3; 100], &[]), Ok(Written::NoRoom)), "{operation:?}");
        }
    }
}
