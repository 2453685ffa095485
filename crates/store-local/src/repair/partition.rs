//! One partition's directory: what is wrong in it, and setting it right.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater_disk::{DiskError, Operation};
use highwater_partition_log::{Damage, LogEnvironment, LogError, LogSurvey, PartitionLog, SeeEntry};
use highwater_types::{Offset, Timestamp, TopicIdPartition};

use super::{Done, Finding, Inspection, Severity};
use crate::checkpoint::Entry;
use crate::partition::Begin;
use crate::synced_ends::SyncedEnd;
use crate::{files, layout, unmade};

const PARTITION_METADATA: &str = "partition.metadata";

/// What was found in one partition.
#[derive(Debug, Clone)]
pub struct PartitionReport {
    /// Name of its directory.
    pub name: String,
    /// The segments; what could be read of them.
    pub log: LogSurvey,
    /// In the order of the log.
    pub findings: Vec<Finding>,
}

impl Inspection {
    /// Looks at one of [`Inspection::partitions`]: reads all of its log, showing each good batch. Waits for the disk.
    pub fn partition(&self, name: &str, see: &mut SeeEntry<'_>) -> PartitionReport {
        let mut report =
            PartitionReport { name: name.to_owned(), log: LogSurvey::default(), findings: Vec::new() };
        let directory = self.path.join(name);
        let (begin, id) = match self.owner(name) {
            Ok((id, finding)) => {
                report.findings.extend(finding);
                (self.begin(name, id), id)
            }
            Err(finding) => {
                report.findings.push(finding);
                (self.begin(name, None), None)
            }
        };
        if !begin.directory_exists {
            report.findings.extend(self.missing(&directory, id, &begin));
            return report;
        }
        match PartitionLog::survey(&self.disk, directory.clone(), &begin.recover(), see) {
            Ok(survey) => {
                report.findings.extend(of_survey(&directory, &survey));
                report.log = survey;
            }
            Err(error) => report.findings.push(Finding::new(directory, Severity::Person, error.to_string())),
        }
        report
    }

    /// Whose a directory is, by what it says and by what the metadata says of its name.
    fn owner(&self, name: &str) -> Result<(Option<TopicIdPartition>, Option<Finding>), Finding> {
        let known = self.known().get(name).copied();
        let path = self.path.join(name).join(PARTITION_METADATA);
        if !self.directories.contains(name) {
            return Ok((known, None));
        }
        let stated = layout::owner(self.disk.as_ref(), &self.path.join(name));
        let partition = name.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or_default();
        let stated = match stated {
            Ok(Some(topic_id)) => TopicIdPartition { topic_id, partition },
            // A creation was broken off before its commit.
            Ok(None) if self.topics.is_some() && known.is_none() && self.is_unmade(name) => {
                let problem = "it never held a record and belongs to no topic: the next start removes it";
                return Ok((None, Some(Finding::new(self.path.join(name), Severity::Note, problem))));
            }
            unreadable => {
                let problem = match unreadable {
                    Err(error) => error.to_string(),
                    Ok(_) => "it is missing or has no topic id".to_owned(),
                };
                let severity = match known {
                    Some(_) => Severity::Repair,
                    None if self.is_ours && self.topics.is_none() => Severity::RebuildMetadata,
                    None => Severity::Person,
                };
                return Ok((known, Some(Finding::new(path, severity, problem))));
            }
        };
        match known {
            Some(known) if known != stated => {
                let problem = format!(
                    "it is of topic {}, the metadata says {}: a start sets the directory aside",
                    stated.topic_id, known.topic_id
                );
                Err(Finding::new(path, Severity::RebuildMetadata, problem))
            }
            _ => Ok((Some(stated), None)),
        }
    }

    fn is_unmade(&self, name: &str) -> bool {
        unmade::is_unmade(self.disk.as_ref(), &self.path.join(name)).unwrap_or(false)
    }

    /// What a start would know of the partition.
    pub(super) fn begin(&self, name: &str, id: Option<TopicIdPartition>) -> Begin {
        Begin {
            entry: id.and_then(|id| self.entries.get(&id).cloned()),
            slot: id.and_then(|id| self.slots.get(&id).copied()),
            clean: false,
            checkpoint_known: self.checkpoint_known,
            journal_problem: None,
            directory_exists: self.directories.contains(name),
        }
    }

    /// A directory that is not there.
    fn missing(&self, directory: &Path, id: Option<TopicIdPartition>, begin: &Begin) -> Option<Finding> {
        let Some(cause) = begin.missing_data(directory).filter(|_| id.is_some()) else {
            let problem = "the directory is missing; it was empty, and the next start makes it";
            return Some(Finding::new(directory.to_path_buf(), Severity::Note, problem));
        };
        let recover = begin.recover();
        let end = recover.checkpoint.map(|checkpoint| checkpoint.recovery_point).max(recover.boundary);
        let start = recover.checkpoint.map_or(Offset::ZERO, |checkpoint| checkpoint.log_start_offset);
        let lost = end.map(|end| (start, end.offset));
        Some(Finding { lost, ..Finding::new(directory.to_path_buf(), Severity::Repair, cause) })
    }
}

fn of_survey(directory: &Path, survey: &LogSurvey) -> Vec<Finding> {
    let segments = &survey.segments;
    let mut findings: Vec<_> =
        segments.damage.iter().map(|damage| of_damage(damage, Severity::Repair)).collect();
    let indexes = survey.indexes.iter();
    findings.extend(indexes.map(|(name, what)| Finding::new(directory.join(name), Severity::Repair, *what)));
    if let Some(tail) = &segments.tail {
        findings.push(of_damage(tail, Severity::Note));
    }
    let unfinished = segments.unfinished.iter().map(|name| {
        let problem =
            "a replacement of segments is half made: what else is wrong can be told when a repair has finished it";
        Finding::new(directory.join(name), Severity::Repair, problem)
    });
    findings.extend(unfinished);
    let holes = segments.holes.iter().map(|(from, to)| {
        let problem = format!("offsets {from}..{to} are not there, which this log allows");
        Finding { lost: Some((*from, *to)), ..Finding::new(directory.join("holes"), Severity::Note, problem) }
    });
    findings.extend(holes);
    findings
}

fn of_damage(damage: &Damage, severity: Severity) -> Finding {
    let problem = match (severity, &damage.reason) {
        (Severity::Note, Some(reason)) => {
            format!("a torn tail, which was never known to be synced: the next start cuts it off: {reason}")
        }
        (_, Some(reason)) => reason.to_string(),
        (_, None) => format!("no file holds offsets {}..{}", damage.lost.0, damage.lost.1),
    };
    Finding {
        path: damage.file.clone(),
        position: Some(damage.position.0),
        bytes: damage.bytes,
        lost: Some(damage.lost).filter(|(from, to)| from < to),
        problem,
        severity,
    }
}

/// What is to be noted of a partition after its repair.
pub(super) struct Repaired {
    pub(super) id: TopicIdPartition,
    pub(super) entry: Entry,
    pub(super) synced_end: SyncedEnd,
    pub(super) done: Vec<Done>,
}

impl Inspection {
    /// Sets one partition right. `None`: there is nothing that a repair does.
    pub(super) fn repair_partition(
        &self,
        report: &PartitionReport,
        now: Timestamp,
    ) -> Result<Option<Repaired>, LogError> {
        if !report.findings.iter().any(|finding| finding.severity == Severity::Repair) {
            return Ok(None);
        }
        let Ok((Some(id), _)) = self.owner(&report.name) else { return Ok(None) };
        let directory = self.path.join(&report.name);
        let mut done = self.prepare(&directory, &report.name, id)?;
        let environment = LogEnvironment {
            disk: Arc::clone(&self.disk),
            directory: directory.clone(),
            id,
            topic: report.name.rsplit_once('-').map_or("", |(topic, _)| topic).into(),
        };
        let repaired = PartitionLog::repair(environment, &self.begin(&report.name, Some(id)).recover(), now)?;
        done.extend(repaired.kept.into_iter().map(|path| Done::new(path, "kept, out of use")));
        let checkpoint = repaired.checkpoint;
        done.push(Done::new(
            directory,
            format!(
                "serves offsets {}..{} but for what is lost; leader epoch {}",
                checkpoint.log_start_offset, checkpoint.recovery_point.offset, checkpoint.leader_epoch
            ),
        ));
        let synced_end = SyncedEnd {
            end: checkpoint.recovery_point,
            leader_epoch: checkpoint.leader_epoch,
            log_start_offset: checkpoint.log_start_offset,
        };
        Ok(Some(Repaired { id, entry: Entry { log: checkpoint, clean: false }, synced_end, done }))
    }

    /// Makes a directory that is missing, and a `partition.metadata` that cannot be read.
    fn prepare(&self, directory: &Path, name: &str, id: TopicIdPartition) -> Result<Vec<Done>, LogError> {
        let disk = self.disk.as_ref();
        let mut done = Vec::new();
        if !self.directories.contains(name) {
            disk.create_directory(directory).map_err(DiskError::at(Operation::CreateDirectory, directory))?;
            files::sync_directory(disk, &self.path)?;
            done.push(Done::new(directory.to_path_buf(), "made anew"));
        }
        let stated = layout::owner(disk, directory);
        if !matches!(stated, Ok(Some(_))) {
            let kept = keep(disk, directory, PARTITION_METADATA)?;
            done.extend(kept.map(|path| Done::new(path, "kept, out of use")));
            let text = format!("version: 0\ntopic_id: {}\n", id.topic_id);
            files::replace(disk, directory, PARTITION_METADATA, text.as_bytes())?;
            let path = directory.join(PARTITION_METADATA);
            done.push(Done::new(path, format!("written for topic id {}", id.topic_id)));
        }
        Ok(done)
    }
}

/// Renames a file or directory to `<name>.suspect`, or to a name like it that is free. `None`: it is not there. The
/// caller syncs the directory.
pub(super) fn keep(
    disk: &dyn highwater_disk::Disk,
    directory: &Path,
    name: &str,
) -> Result<Option<PathBuf>, DiskError> {
    let listed = disk.list(directory).map_err(DiskError::at(Operation::List, directory))?;
    let is_there = |name: &str| listed.iter().any(|entry| entry.name == name);
    if !is_there(name) {
        return Ok(None);
    }
    let numbered = (1..).map(|number: u64| format!("{name}.suspect-{number}"));
    let mut names = std::iter::once(format!("{name}.suspect")).chain(numbered);
    let Some(free) = names.find(|name| !is_there(name)) else { return Ok(None) };
    let (path, kept) = (directory.join(name), directory.join(free));
    disk.rename(&path, &kept).map_err(DiskError::at(Operation::Rename, &path))?;
    Ok(Some(kept))
}
