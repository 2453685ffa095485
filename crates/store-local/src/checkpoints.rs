//! The entries of the checkpoint, and their way into the file.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use highwater_disk::{Disk, DiskError};
use highwater_partition_log::LogCheckpoint;
use highwater_types::{Offset, ProducerId, TopicIdPartition};

use crate::checkpoint::{CHECKPOINT, Entries, Entry, encode};
use crate::files;

/// All entries, as they are now and as far as they were written.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    current: Mutex<Current>,
    /// Held while the file is written; the generation that it holds.
    written: Mutex<u64>,
}

#[derive(Debug)]
struct Current {
    entries: Entries,
    /// Counts changes.
    generation: u64,
    /// A log was added, or its recovery point moved, since the file was last put together.
    is_behind: bool,
}

impl Checkpoints {
    pub(crate) fn new(entries: Entries) -> Self {
        Self {
            current: Mutex::new(Current { entries, generation: 0, is_behind: false }),
            written: Mutex::new(0),
        }
    }

    /// Sets a partition's entry. Returns the generation that holds it.
    pub(crate) fn set(&self, id: TopicIdPartition, log: LogCheckpoint, clean: bool) -> u64 {
        let mut current = self.current();
        let entry = Entry { log, clean };
        if current.entries.get(&id) != Some(&entry) {
            let point = entry.log.recovery_point;
            let before = current.entries.insert(id, entry);
            current.is_behind |= before.is_none_or(|before| before.log.recovery_point != point);
            current.generation += 1;
        }
        current.generation
    }

    /// Whether a start after a kill would have more to read than it must: the file knows nothing of some log, which would be
    /// read whole, or has a recovery point that lies further back than it could.
    pub(crate) fn is_behind(&self) -> bool {
        self.current().is_behind
    }

    /// Says of a partition that could not be recovered that its log is not to be trusted as clean.
    pub(crate) fn set_unclean(&self, id: TopicIdPartition) {
        let mut current = self.current();
        if let Some(entry) = current.entries.get_mut(&id).filter(|entry| entry.clean) {
            entry.clean = false;
            current.generation += 1;
        }
    }

    /// Says that no log is to be trusted as clean: some may have taken records in a life that did not end cleanly, and a
    /// clean stop before their recovery would pass them on as they stand in the file.
    pub(crate) fn set_all_unclean(&self) {
        let mut current = self.current();
        current.entries.values_mut().for_each(|entry| entry.clean = false);
        current.generation += 1;
    }

    /// Forgets a partition.
    pub(crate) fn remove(&self, id: TopicIdPartition) {
        let mut current = self.current();
        if current.entries.remove(&id).is_some() {
            current.generation += 1;
        }
    }

    pub(crate) fn get(&self, id: TopicIdPartition) -> Option<Entry> {
        self.current().entries.get(&id).cloned()
    }

    /// The largest producer id in any entry.
    pub(crate) fn max_producer_id(&self) -> ProducerId {
        let current = self.current();
        current.entries.values().map(|entry| entry.log.max_producer_id).max().unwrap_or(ProducerId::NONE)
    }

    /// Writes the file if anything changed since it was written.
    pub(crate) fn write(&self, disk: &dyn Disk, directory: &Path) -> Result<(), DiskError> {
        let generation = self.current().generation;
        self.write_covering(generation, disk, directory)
    }

    /// Writes the file unless it holds `generation` already; durable when it returns. Several that wait share one
    /// writing.
    pub(crate) fn write_covering(
        &self,
        generation: u64,
        disk: &dyn Disk,
        directory: &Path,
    ) -> Result<(), DiskError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if *written >= generation {
            return Ok(());
        }
        let (bytes, generation) = {
            let mut current = self.current();
            current.is_behind = false;
            (encode(&current.entries), current.generation)
        };
        files::replace(disk, directory, CHECKPOINT, &bytes)?;
        *written = generation;
        Ok(())
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Whether the log held something at that point.
    pub(crate) fn holds_data(&self) -> bool {
        self.log.recovery_point.offset > Offset::ZERO
    }
}
