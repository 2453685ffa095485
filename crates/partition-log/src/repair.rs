//! Looking at a damaged log, and making it one that recovers: what [`Wal::survey`] and [`Wal::salvage`] do for segments,
//! with the files beside them.
//!
//! - Offsets that are lost stay lost: the log has holes where they were (file `holes`), and what stands behind keeps its
//!   offsets. A hole at the end is covered by a batch without records.
//! - The leader epoch rises, so that a client sees that the log is not the one it knew.
//! - Index files of replaced segments and of segments that are gone are kept as `….suspect`; recovery makes new ones.
//!
//! Not here: the checkpoint and synced ends, whose owner sets them by what [`PartitionLog::repair`] returns.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use highwater_disk::{Disk, DiskError, OpenMode, Operation};
use highwater_types::{LeaderEpoch, Offset, ProducerId, Timestamp};
use highwater_wal::{LogPoint, SeeEntry, Survey, SurveyFrom, Wal};
use highwater_wire::record::empty_batch;

use crate::index_check::IndexCheck;
use crate::maintenance::EPOCHS;
use crate::recovery::{Hints, scan};
use crate::segment::{INDEX, TIME_INDEX};
use crate::{
    KafkaFormat, LeaderEpochs, LogCheckpoint, LogConfig, LogEnvironment, LogError, PartitionLog, RecoverLog,
};
use crate::{files, holes};

/// What files that were taken out of use end with.
const SUSPECT: &str = "suspect";

/// What was found in a log's directory.
#[derive(Debug, Clone, Default)]
pub struct LogSurvey {
    /// The segments.
    pub segments: Survey,
    /// Names of index files that do not fit their segment or have none, and what is wrong with each.
    pub indexes: Vec<(String, &'static str)>,
    /// Whether offsets may be missing.
    pub holes_allowed: bool,
}

/// What a repair did.
#[derive(Debug)]
pub struct LogRepair {
    /// Where the files are that were taken out of use.
    pub kept: Vec<PathBuf>,
    /// What is to be known of the log at its next start.
    pub checkpoint: LogCheckpoint,
}

impl LogSurvey {
    /// Whether there is something to repair.
    pub fn is_damaged(&self) -> bool {
        self.segments.is_damaged() || !self.indexes.is_empty()
    }
}

impl PartitionLog {
    /// Looks at every batch of a log that nobody writes. Changes nothing; waits for the disk.
    ///
    /// # Errors
    /// [`LogError::Disk`]: a file cannot be read.
    pub fn survey(
        disk: &Arc<dyn Disk>,
        directory: PathBuf,
        from: &RecoverLog,
        see: &mut SeeEntry<'_>,
    ) -> Result<LogSurvey, LogError> {
        let hints = scan(disk.as_ref(), &directory)?;
        let start_point = LogPoint::start_of(Offset::ZERO);
        let indexed_to = from.checkpoint.map_or(start_point, |checkpoint| checkpoint.recovery_point);
        let boundary = from.checkpoint.map(|checkpoint| checkpoint.recovery_point).max(from.boundary);
        let start = from.checkpoint.map(|checkpoint| checkpoint.log_start_offset);
        let from = SurveyFrom {
            // As in recovery: nothing is let go without a checkpoint or a snapshot.
            log_start_offset: start.or_else(|| hints.snapshots.is_empty().then_some(Offset::ZERO)),
            boundary: boundary.map(|point| point.offset),
            holes_allowed: hints.holes,
        };
        let mut check = IndexCheck::new(disk, directory.clone(), indexed_to);
        let segments = Wal::survey(
            Arc::clone(disk),
            directory,
            &KafkaFormat,
            from,
            &mut |segment, at, header, batch| {
                check.see(segment, at, header);
                see(segment, at, header, batch);
            },
        )?;
        let mut indexes = check.finish();
        if segments.unfinished.is_empty() {
            indexes.extend(orphans(&hints, from.log_start_offset.unwrap_or(segments.start)));
        }
        Ok(LogSurvey { segments, indexes, holes_allowed: hints.holes })
    }

    /// Takes out what is damaged and recovers the log as the next start would. Waits for the disk. Every record that is
    /// good stays at its offset, and no file is removed.
    ///
    /// # Errors
    /// [`LogError`]. What is half done is finished by another repair.
    pub fn repair(
        environment: LogEnvironment,
        from: &RecoverLog,
        now: Timestamp,
    ) -> Result<LogRepair, LogError> {
        let (disk, directory) = (environment.disk.clone(), environment.directory.clone());
        Wal::finish_replacements(disk.clone(), directory.clone())?;
        let survey = Self::survey(&disk, directory.clone(), from, &mut |_, _, _, _| {})?;
        if survey.segments.is_damaged() {
            holes::allow(disk.as_ref(), &directory)?;
        }
        let bridge = bridge(&survey.segments);
        let salvaged = Wal::salvage(disk.clone(), directory.clone(), &survey.segments, bridge.as_deref())?;
        let mut kept: Vec<PathBuf> = salvaged.kept.iter().map(|(_, path)| path.clone()).collect();
        for name in salvaged
            .kept
            .iter()
            .flat_map(|(base, _)| [INDEX, TIME_INDEX].map(|suffix| files::name(*base, suffix)))
            .chain(survey.indexes.into_iter().map(|(name, _)| name))
        {
            kept.extend(keep(disk.as_ref(), &directory, &name)?);
        }
        files::sync_directory(disk.as_ref(), &directory)?;
        let known = from.checkpoint;
        let latest = latest_epoch(disk.as_ref(), &directory)?;
        let checkpoint = LogCheckpoint {
            recovery_point: salvaged.start,
            log_start_offset: known.map_or(salvaged.start.offset, |known| known.log_start_offset),
            leader_epoch: known.map_or(latest, |known| known.leader_epoch.max(latest)).next(),
            suspect: None,
            max_producer_id: known.map_or(ProducerId::NONE, |known| known.max_producer_id),
        };
        let from = RecoverLog { checkpoint: Some(checkpoint), ..RecoverLog::default() };
        let (mut log, _) = Self::recover(environment, LogConfig::default(), from, now)?;
        Ok(LogRepair { kept, checkpoint: log.close()? })
    }
}

/// A batch without records over the offsets that are lost at the end, as compaction leaves one: clients step over it to
/// the end, where they would wait for ever for the batch that ends there. Of the epoch and time of the last good batch, so
/// that it stands as long as that one, and who has read the lost records is not told that he must go back.
fn bridge(survey: &Survey) -> Option<Bytes> {
    let (last, (from, end)) = survey.last.zip(survey.lost_end)?;
    empty_batch(from, end, last.leader_epoch, last.max_timestamp)
}

/// Largest epoch file that is read.
const EPOCHS_SIZE_MAX: u64 = 64 << 20;

/// The highest epoch in the epoch file.
fn latest_epoch(disk: &dyn Disk, directory: &Path) -> Result<LeaderEpoch, DiskError> {
    let bytes = files::read(disk, &directory.join(EPOCHS), EPOCHS_SIZE_MAX)?;
    let epochs = bytes.and_then(|bytes| LeaderEpochs::decode(&bytes).ok()).unwrap_or_default();
    Ok(epochs.latest().map_or(LeaderEpoch::ZERO, |latest| latest.epoch))
}

/// Index files whose segment is not there and was not removed with the beginning of the log.
fn orphans(hints: &Hints, start: Offset) -> Vec<(String, &'static str)> {
    let is_orphan = |base: &Offset| *base >= start && !hints.segments.contains(base);
    let indexes = hints.indexes.iter().filter(|(base, _)| is_orphan(base));
    indexes.map(|(base, suffix)| (files::name(*base, suffix), "its segment is not there")).collect()
}

/// Renames a file to `<name>.suspect`, or to a name like it that is free. `None`: it is not there.
pub(crate) fn keep(disk: &dyn Disk, directory: &Path, name: &str) -> Result<Option<PathBuf>, DiskError> {
    let path = directory.join(name);
    match disk.open(&path, OpenMode::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        _ => {}
    }
    let taken = disk.list(directory).map_err(DiskError::at(Operation::List, directory))?;
    let names = std::iter::once(format!("{name}.{SUSPECT}"))
        .chain((1..).map(|number: u64| format!("{name}.{SUSPECT}-{number}")));
    let mut free = names.filter(|name| taken.iter().all(|entry| entry.name != *name));
    let Some(free) = free.next() else { return Ok(None) };
    let kept = directory.join(free);
    files::rename(disk, &path, &kept)?;
    Ok(Some(kept))
}
