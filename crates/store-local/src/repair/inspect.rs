//! What a data directory says of itself: format, checkpoint, synced ends, metadata, and the directories of partitions.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater_disk::{Disk, DiskError, EntryKind, Operation};
use highwater_store::meta::TopicRecord;
use highwater_store::{MetaError, MetaRecord};
use highwater_types::{TopicId, TopicIdPartition};

use super::{Finding, Severity};
use crate::checkpoint::{self, CHECKPOINT, Entries, Found};
use crate::directory::{CLEAN_STOP, FORMAT, LOCK, check_format, is_locked};
use crate::meta::look;
use crate::names::{self, Named};
use crate::synced_ends::{self, SyncedEnd, ToldJournal};
use crate::{OpenError, journal, unmade};

/// Name of the metadata's file in the data directory.
pub(crate) const METADATA: &str = "meta.redb";

/// What is known of a data directory before its logs are read. Nothing was changed.
#[derive(Debug)]
pub struct Inspection {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) path: PathBuf,
    /// What was found in the directory itself.
    pub(super) findings: Vec<Finding>,
    pub(super) entries: Entries,
    /// Whether the checkpoint could be read, so that no entry means no data.
    pub(super) checkpoint_known: bool,
    pub(super) slots: HashMap<TopicIdPartition, SyncedEnd>,
    /// What is to be believed of the journal.
    pub(super) journal: ToldJournal,
    /// The broker was stopped in order.
    is_clean: bool,
    /// `None`: the metadata cannot be read, or there is none.
    pub(super) topics: Option<Vec<TopicRecord>>,
    pub(super) tombstones: BTreeSet<TopicId>,
    /// Directories with the name of a partition.
    pub(super) directories: BTreeSet<String>,
    /// Directories that were set aside.
    pub(super) strays: Vec<String>,
    /// A file of ours is there, so that the others must be too.
    pub(super) is_ours: bool,
}

impl Inspection {
    /// Reads everything but the logs. Waits for the disk.
    ///
    /// # Errors
    /// [`OpenError`]: the directory cannot be listed, or is of a newer version.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, OpenError> {
        let listed = disk.list(path).map_err(DiskError::at(Operation::List, path))?;
        let mut inspection = Self {
            path: path.to_path_buf(),
            findings: Vec::new(),
            entries: Entries::new(),
            checkpoint_known: true,
            slots: HashMap::new(),
            journal: ToldJournal::Nothing,
            is_clean: listed.iter().any(|entry| entry.name == CLEAN_STOP),
            topics: None,
            tombstones: BTreeSet::new(),
            directories: BTreeSet::new(),
            strays: Vec::new(),
            is_ours: listed.iter().any(|entry| OURS.contains(&entry.name.as_str())),
            disk,
        };
        for entry in listed.iter().filter(|entry| entry.kind == EntryKind::Directory) {
            match names::parse(&entry.name) {
                Named::Partition => drop(inspection.directories.insert(entry.name.clone())),
                Named::Stray => inspection.strays.push(entry.name.clone()),
                Named::Deleted(_) | Named::Other => {}
            }
        }
        if inspection.is_ours {
            for entry in listed.iter().filter(|entry| entry.kind == EntryKind::Directory) {
                inspection.note_obstacle(&entry.name);
            }
            inspection.read_format()?;
            inspection.read_checkpoint();
            inspection.read_synced_ends();
            inspection.read_journal();
            inspection.read_metadata();
            inspection.compare_names();
        }
        Ok(inspection)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was found in the directory itself.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether a process uses the directory now: what it writes meanwhile may look like damage.
    pub fn is_in_use(&self) -> bool {
        is_locked(self.disk.as_ref(), &self.path)
    }

    /// Whether anything in the directory says that it is a broker's.
    pub fn is_data_directory(&self) -> bool {
        self.is_ours
    }

    /// The directories of partitions that are there or should be, by name.
    pub fn partitions(&self) -> Vec<String> {
        let known = self.known().into_keys();
        known.chain(self.directories.iter().cloned()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The partitions that the metadata knows, by the names of their directories.
    pub(super) fn known(&self) -> BTreeMap<String, TopicIdPartition> {
        let partitions = |topic: &TopicRecord| {
            let (id, name) = (TopicId(topic.id), Arc::clone(&topic.name));
            (0..topic.partitions).map(move |partition| {
                (names::partition(&name, partition), TopicIdPartition { topic_id: id, partition })
            })
        };
        self.topics.iter().flatten().flat_map(partitions).collect()
    }

    fn found(&mut self, name: &str, severity: Severity, problem: impl Into<String>) {
        self.findings.push(Finding::new(self.path.join(name), severity, problem));
    }

    /// A directory in the place of a file that holds nothing: a start is refused, and whoever made it knows why.
    fn note_obstacle(&mut self, name: &str) {
        if [LOCK, CLEAN_STOP].contains(&name) {
            let problem = "it is a directory, and a broker refuses to start: move it away";
            self.found(name, Severity::Person, problem);
        }
    }

    fn read_format(&mut self) -> Result<(), OpenError> {
        match check_format(self.disk.as_ref(), &self.path) {
            Ok(true) => {}
            Ok(false) => self.found(FORMAT, Severity::Repair, "it is missing, and a broker refuses to start"),
            Err(error @ OpenError::NewerFormat { .. }) => return Err(error),
            Err(_) => self.found(FORMAT, Severity::Repair, "it does not say the version of the directory"),
        }
        Ok(())
    }

    fn read_checkpoint(&mut self) {
        match checkpoint::load(self.disk.as_ref(), &self.path) {
            Ok(Found::Entries(entries)) => self.entries = entries,
            Ok(Found::Nothing) => {}
            Ok(Found::Unusable(error)) => {
                self.checkpoint_known = false;
                let problem = format!("the next start reads every log from its beginning: {error}");
                self.found(CHECKPOINT, Severity::Note, problem);
            }
            Err(error) => {
                self.checkpoint_known = false;
                self.found(CHECKPOINT, Severity::Repair, error.to_string());
            }
        }
    }

    fn read_synced_ends(&mut self) {
        match synced_ends::read(self.disk.as_ref(), &self.path) {
            Ok(told) => {
                self.slots = told.ends;
                if !self.is_clean {
                    self.journal = told.journal;
                }
                if told.unreadable > 0 {
                    let problem = format!(
                        "{} slots cannot be read: what is torn is known less exactly",
                        told.unreadable
                    );
                    self.found(synced_ends::NAME, Severity::Note, problem);
                }
            }
            Err(error) => self.found(synced_ends::NAME, Severity::Repair, error.to_string()),
        }
    }

    fn read_journal(&mut self) {
        match journal::holds_something(self.disk.as_ref(), &self.path, self.journal) {
            Ok(false) => {}
            Ok(true) => self.found(
                journal::NAME,
                Severity::Note,
                "holds records that the next start puts into their partitions",
            ),
            Err(error) => {
                let kind = error.source.kind();
                let is_damaged = matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::IsADirectory);
                let severity = if is_damaged { Severity::Repair } else { Severity::Person };
                let problem = format!(
                    "{}: it may hold records that were acknowledged, and a broker refuses to start",
                    error.source
                );
                self.findings.push(Finding::new(error.path, severity, problem));
            }
        }
    }

    fn read_metadata(&mut self) {
        match look(&self.disk, &self.path.join(METADATA)) {
            Ok(Some(records)) => self.take_metadata(records),
            Ok(None) if self.directories.is_empty() && self.strays.is_empty() => {}
            Ok(None) => {
                self.found(METADATA, Severity::RebuildMetadata, "it is missing, and there are partitions")
            }
            Err(MetaError::Failed(cause) | MetaError::Corrupt(cause)) => {
                self.found(METADATA, Severity::RebuildMetadata, cause);
            }
            Err(error) => self.found(METADATA, Severity::RebuildMetadata, error.to_string()),
        }
    }

    fn take_metadata(&mut self, records: Vec<MetaRecord>) {
        let mut topics = Vec::new();
        for record in records {
            match record {
                MetaRecord::Topic(topic) => topics.push(topic),
                MetaRecord::Tombstone(tombstone) => drop(self.tombstones.insert(TopicId(tombstone.id))),
                _ => {}
            }
        }
        self.topics = Some(topics);
    }

    /// Directories that the metadata does not know.
    fn compare_names(&mut self) {
        if self.topics.is_none() {
            return;
        }
        let known: HashSet<String> = self.known().into_keys().collect();
        let unknown = self.directories.iter().filter(|name| !known.contains(*name)).cloned();
        let candidates: Vec<_> = unknown
            .map(|name| (name, true))
            .chain(self.strays.iter().cloned().map(|name| (name, false)))
            .collect();
        for (name, is_partition) in candidates {
            let directory = self.path.join(&name);
            if unmade::is_unmade(self.disk.as_ref(), &directory).unwrap_or(false) {
                continue;
            }
            let problem = if is_partition {
                "the metadata does not know it: the next start sets it aside; repair --rebuild-metadata takes it in"
            } else {
                "it was set aside because the metadata does not know it; repair --rebuild-metadata takes it in"
            };
            self.found(&name, Severity::Note, problem);
        }
    }
}

/// Files that only a broker makes.
const OURS: [&str; 4] = [FORMAT, METADATA, CHECKPOINT, synced_ends::NAME];
