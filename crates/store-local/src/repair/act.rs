//! Setting a data directory right, under its lock.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use highwater_disk::Disk;
use highwater_partition_log::LogError;
use highwater_types::{Timestamp, TopicIdPartition};

use super::partition::keep;
use super::{Done, Finding, Inspection, PartitionReport, Severity};
use crate::checkpoint::{CHECKPOINT, encode};
use crate::directory::{self, FORMAT, write_format};
use crate::synced_ends::{self, SyncedEnds};
use crate::{DataDirectory, OpenError, files, journal, layout};

/// A data directory under repair. Nobody else can use it meanwhile.
#[derive(Debug)]
pub struct Repair {
    /// Holds the lock.
    directory: DataDirectory,
    pub(super) inspection: Inspection,
    pub(super) done: Vec<Done>,
}

impl Repair {
    /// Locks the directory and sets right what would keep a broker from opening it: its format file, and what stands in
    /// the place of other files.
    ///
    /// # Errors
    /// [`OpenError`]: a process uses it, it is of a newer version, it is not a data directory, or the disk fails.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, OpenError> {
        let mut inspection = Inspection::open(Arc::clone(&disk), path)?;
        let mut done = Vec::new();
        if inspection.is_data_directory() {
            let lock = directory::lock(disk.as_ref(), path)?;
            for finding in inspection.findings().iter().filter(|found| found.severity == Severity::Repair) {
                done.extend(set_right(disk.as_ref(), path, finding)?);
            }
            drop(lock);
        }
        let directory = DataDirectory::open(Arc::clone(&disk), path)?;
        done.extend(replay_journal(&disk, path, &inspection)?);
        inspection = Inspection::open(disk, path)?;
        Ok(Self { directory, inspection, done })
    }

    /// The directory as it is now.
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }

    /// What was done since this was last asked.
    pub fn take_done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.done)
    }

    /// Sets one partition right, of which [`Inspection::partition`] said `report`; durable when it returns. Does nothing
    /// where there is nothing to repair.
    ///
    /// # Errors
    /// [`LogError`]: it could not be repaired. Nothing was lost by trying.
    pub fn partition(&mut self, report: &PartitionReport, now: Timestamp) -> Result<(), LogError> {
        let Some(repaired) = self.inspection.repair_partition(report, now)? else { return Ok(()) };
        let (disk, path) = (self.directory.disk().as_ref(), self.directory.path());
        self.inspection.directories.insert(report.name.clone());
        // Without a checkpoint that could be read the next one is the next start's: no entry would mean no data.
        if self.inspection.checkpoint_known && !self.inspection.entries.is_empty() {
            self.inspection.entries.insert(repaired.id, repaired.entry);
            files::replace(disk, path, CHECKPOINT, &encode(&self.inspection.entries))?;
        }
        let (ends, _) = SyncedEnds::open(disk, path, |_| true)?;
        let failed = |source| highwater_disk::DiskError {
            operation: highwater_disk::Operation::Write,
            path: path.join(synced_ends::NAME),
            source,
        };
        ends.write(repaired.id, &repaired.synced_end).map_err(failed)?;
        ends.sync().map_err(failed)?;
        self.inspection.slots.insert(repaired.id, repaired.synced_end);
        self.done.extend(repaired.done);
        Ok(())
    }
}

/// Puts what the journal holds into the logs, before anything is cut or copied there.
fn replay_journal(disk: &Arc<dyn Disk>, path: &Path, found: &Inspection) -> Result<Option<Done>, OpenError> {
    if !journal::holds_something(disk.as_ref(), path)? {
        return Ok(None);
    }
    let mut names = HashMap::new();
    for name in &found.directories {
        let number = name.rsplit_once('-').and_then(|(_, number)| number.parse().ok());
        let owner = layout::owner(disk.as_ref(), &path.join(name))?;
        if let Some((topic_id, partition)) = owner.zip(number) {
            names.insert(TopicIdPartition { topic_id, partition }, name.clone());
        }
    }
    let note = |found: &HashMap<_, _>| {
        // What is in the way of the file is set right later.
        let (ends, slots) = SyncedEnds::open(disk.as_ref(), path, |_| true).map_err(std::io::Error::other)?;
        ends.raise(&slots, found)
    };
    let replayed = journal::replay(disk, path, |id| names.get(&id).cloned(), note, 1)?;
    let what = match replayed.failed.len() {
        0 => "its records were put into their partitions".to_owned(),
        count => {
            format!("its records were put into their partitions; kept for {count} that could not be written")
        }
    };
    Ok(Some(Done::new(path.join(journal::NAMES[0]), what)))
}

/// Keeps what is in the way of a file, and writes the format anew.
fn set_right(disk: &dyn Disk, path: &Path, finding: &Finding) -> Result<Vec<Done>, OpenError> {
    let mut done = Vec::new();
    let Some(name) = finding.path.file_name().and_then(|name| name.to_str()) else { return Ok(done) };
    done.extend(keep(disk, path, name)?.map(|kept| Done::new(kept, "kept, out of use")));
    if name == FORMAT {
        write_format(disk, path)?;
        done.push(Done::new(finding.path.clone(), "written"));
    }
    files::sync_directory(disk, path)?;
    Ok(done)
}
