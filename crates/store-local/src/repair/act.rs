//! Setting a data directory right, under its lock.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use highwater_disk::{Disk, DiskError, Operation};
use highwater_partition_log::LogError;
use highwater_types::{Timestamp, TopicIdPartition};

use super::partition::keep;
use super::{Done, Finding, Inspection, PartitionReport, Severity};
use crate::checkpoint::{self, CHECKPOINT, Entries, Found, encode};
use crate::directory::{self, FORMAT, write_format};
use crate::synced_ends::{self, SyncedEnd, SyncedEnds};
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
            for finding in repairs(&inspection).filter(|finding| !is_journal(finding)) {
                done.extend(set_right(disk.as_ref(), path, finding)?);
            }
            drop(lock);
        }
        let directory = DataDirectory::open(Arc::clone(&disk), path)?;
        done.extend(settle_journal(&disk, path, &inspection)?);
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
        ends.write(repaired.id, &repaired.synced_end).map_err(failed(path))?;
        ends.sync().map_err(failed(path))?;
        self.inspection.slots.insert(repaired.id, repaired.synced_end);
        self.done.extend(repaired.done);
        Ok(())
    }
}

/// A hint that could not be written.
fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> DiskError {
    let path = path.join(synced_ends::NAME);
    move |source| DiskError { operation: Operation::Write, path, source }
}

fn repairs(inspection: &Inspection) -> impl Iterator<Item = &Finding> {
    inspection.findings().iter().filter(|found| found.severity == Severity::Repair)
}

fn is_journal(finding: &Finding) -> bool {
    [journal::NAME, journal::KEPT].iter().any(|name| finding.path.ends_with(name))
}

/// Puts what the journal holds into the logs, before anything is cut or copied there.
fn settle_journal(disk: &Arc<dyn Disk>, path: &Path, found: &Inspection) -> Result<Vec<Done>, OpenError> {
    let is_damaged = repairs(found).any(is_journal);
    if !is_damaged && !journal::holds_something(disk.as_ref(), path, found.journal)? {
        return Ok(Vec::new());
    }
    let mut names = HashMap::new();
    for name in &found.directories {
        let number = name.rsplit_once('-').and_then(|(_, number)| number.parse().ok());
        let owner = layout::owner(disk.as_ref(), &path.join(name))?;
        if let Some((topic_id, partition)) = owner.zip(number) {
            names.insert(TopicIdPartition { topic_id, partition }, name.clone());
        }
    }
    let name_of = |id| names.get(&id).cloned();
    let (ends, told) = SyncedEnds::open(disk.as_ref(), path, |_| true)?;
    if is_damaged {
        return salvage_journal(disk, path, name_of, &ends, &told.ends);
    }
    let known = journal::Known { ends: &ends, slots: &told.ends, journal: found.journal };
    let replayed = journal::replay(disk, path, name_of, known, 1)?;
    let what = match replayed.failed.len() {
        0 => "its records were put into their partitions".to_owned(),
        count => {
            format!("its records were put into their partitions; kept for {count} that could not be written")
        }
    };
    Ok(vec![Done::new(path.join(journal::NAME), what)])
}

/// Puts what can be read of a damaged journal into the logs, and keeps it out of use.
fn salvage_journal(
    disk: &Arc<dyn Disk>,
    path: &Path,
    name_of: impl Fn(TopicIdPartition) -> Option<String>,
    ends: &SyncedEnds,
    slots: &HashMap<TopicIdPartition, SyncedEnd>,
) -> Result<Vec<Done>, OpenError> {
    let salvaged = journal::salvage(disk, path, name_of)?;
    ends.raise(slots, &salvaged).map_err(failed(path))?;
    raise_epochs(disk.as_ref(), path, ends)?;
    ends.note_journal(disk.as_ref(), path, None)?;
    let what = format!("what can be read of it was put into {} partitions", salvaged.len());
    let mut done = vec![Done::new(path.join(journal::NAME), what)];
    for name in [journal::NAME, journal::KEPT] {
        done.extend(keep(disk.as_ref(), path, name)?.map(|kept| Done::new(kept, "kept, out of use")));
    }
    files::sync_directory(disk.as_ref(), path)?;
    Ok(done)
}

/// Readers may have seen what is gone, of any log: the next start gives each a higher leader epoch.
fn raise_epochs(disk: &dyn Disk, path: &Path, ends: &SyncedEnds) -> Result<(), OpenError> {
    let mut entries = match checkpoint::load(disk, path)? {
        Found::Entries(entries) => entries,
        Found::Nothing | Found::Unusable(_) => Entries::new(),
    };
    if !entries.is_empty() {
        entries.values_mut().for_each(|entry| entry.log.suspect = Some(entry.log.recovery_point));
        files::replace(disk, path, CHECKPOINT, &encode(&entries))?;
    }
    for (id, slot) in synced_ends::read(disk, path)?.ends.iter().filter(|(id, _)| !entries.contains_key(id)) {
        let raised = SyncedEnd { leader_epoch: slot.leader_epoch.next(), ..*slot };
        ends.write(*id, &raised).map_err(failed(path))?;
    }
    Ok(ends.sync().map_err(failed(path))?)
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
