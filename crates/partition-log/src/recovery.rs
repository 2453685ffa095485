//! Starting a log that was there before. The write-ahead log decides which bytes are good, cuts and syncs; here the rest
//! follows from those bytes: indexes, producers, transactions and leader epochs, each taken from its file as far as that
//! can be trusted and continued by hopping batch headers.
//!
//! In this order: whose directory it is; the segments; hints beyond the end removed, durably; replay; a higher leader
//! epoch where readers may have seen records that are gone, durably. Only then may anything be appended or answered.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use highwater_disk::{Disk, DiskError, Entry, EntryKind, Operation};
use highwater_types::{LeaderEpoch, Offset, Timestamp};
use highwater_wal::{LogPoint, RecoverFrom, RecoveryReport, Wal};

use crate::leader_epochs::LeaderEpochs;
use crate::log::{kafka_format, wal_options};
use crate::maintenance::{EPOCHS, SNAPSHOT, WINDOWS};
use crate::producer_snapshot::{decode_snapshot, decode_windows, encode_snapshot};
use crate::producer_state::ProducerState;
use crate::repair::keep;
use crate::retention::{DELETED, LOG};
use crate::segment::{INDEX, TIME_INDEX, TXN_INDEX};
use crate::sums::SUM;
use crate::transactions::{AbortedTxn, decode_index};
use crate::{
    LogCheckpoint, LogConfig, LogEnvironment, LogError, PartitionLog, files, holes, metadata_file, replay,
};

/// Largest snapshot or epoch file that is read: room for five million producers.
const HINT_SIZE_MAX: u64 = 256 << 20;

/// From where a log is recovered.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecoverLog {
    /// What the checkpoint says of this log; `None`: nothing.
    pub checkpoint: Option<LogCheckpoint>,
    /// The last synced end that was noted, where it lies beyond the checkpoint's recovery point.
    pub boundary: Option<LogPoint>,
    /// Whether the log was closed cleanly.
    pub clean: bool,
    /// The log's epoch was as high, also where no checkpoint says so.
    pub leader_epoch: LeaderEpoch,
}

/// What recovery found and did.
#[derive(Debug)]
pub struct LogRecovery {
    /// What was done to the segments.
    pub segments: RecoveryReport,
    /// Batches whose headers were read again for indexes and producers.
    pub replayed_batches: u64,
    /// Whether the leader epoch rose.
    pub epoch_raised: bool,
    /// The leader epoch.
    pub leader_epoch: LeaderEpoch,
    /// Directories that stood where a hint belongs, by their new names.
    pub kept: Vec<PathBuf>,
}

/// The hints in a directory.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    pub(crate) segments: BTreeSet<Offset>,
    pub(crate) snapshots: BTreeSet<Offset>,
    /// Of producers' windows, which are written before their snapshot.
    windows: BTreeSet<Offset>,
    aborted: BTreeSet<Offset>,
    pub(crate) indexes: Vec<(Offset, &'static str)>,
    leftovers: Vec<String>,
    /// Directories with the name of a hint.
    foreign: Vec<String>,
    /// Directories in the place of aborted transactions.
    no_aborted: Vec<String>,
    /// Offsets may be missing between batches.
    pub(crate) holes: bool,
}

/// What replay starts from.
pub(crate) struct Basis {
    /// Producers before this offset are known; `None`: nothing is.
    pub(crate) replay_from: Option<Offset>,
    /// The leader epochs before `replay_from` are known too.
    pub(crate) epochs_known: bool,
    /// Segments below this place have complete index files.
    pub(crate) indexed_to: LogPoint,
    /// Aborted transactions whose markers lie before `replay_from`, by the base offset of the segment that holds them.
    pub(crate) aborted: Vec<(Offset, KnownAborted)>,
}

/// What a `.txnindex` says of the part of the log that need not be replayed.
#[derive(Debug, Default)]
pub(crate) struct KnownAborted {
    /// In the order of their markers.
    pub(crate) entries: Vec<AbortedTxn>,
    /// The file tells of later markers too. They may be gone from the log, and the offsets be given to others.
    pub(crate) is_ahead: bool,
}

impl PartitionLog {
    /// Recovers a log from its directory; also one that failed in this process, while reads of it go on. Waits for the
    /// disk.
    ///
    /// # Errors
    /// [`LogError`]: the partition cannot be served. Nothing was lost by trying.
    pub fn recover(
        environment: LogEnvironment,
        config: LogConfig,
        from: RecoverLog,
        now: Timestamp,
    ) -> Result<(Self, LogRecovery), LogError> {
        let disk = environment.disk.clone();
        let directory = environment.directory.clone();
        metadata_file::check(disk.as_ref(), &directory, environment.id.topic_id)?;
        let found = scan(disk.as_ref(), &directory)?;
        let mut kept = set_aside(disk.as_ref(), &directory, &found.foreign)?;
        let (wal, report) = Wal::recover(
            disk.clone(),
            directory.clone(),
            kafka_format(),
            wal_options(&config),
            wal_start(&from, &found),
        )?;
        let mut log = Self::assemble(environment, config, wal);
        log.age.created = now;
        log.holes = found.holes;
        let end = log.wal.staged_end().offset;
        let first = log.wal.segments().first().map_or(end, |first| first.base_offset());
        log.log_start_offset = first;
        if let Some(checkpoint) = &from.checkpoint {
            log.log_start_offset = first.max(checkpoint.log_start_offset).min(end);
            log.max_producer_id = checkpoint.max_producer_id;
        }
        let hints = log.remove_stale_hints(scan(disk.as_ref(), &directory)?)?;
        let no_aborted = hints.no_aborted.clone();
        let (known_epoch, epochs_known) = log.read_epochs(&from)?;
        let basis = log.read_basis(&from, &hints, epochs_known)?;
        log.recovery_point = basis.indexed_to;
        log.snapshots = hints.snapshots;
        let replayed_batches = replay::replay(&mut log, basis)?;
        log.producers.on_high_watermark(log.wal.synced_end().offset);
        let doubtful = from.checkpoint.is_some_and(|checkpoint| checkpoint.suspect.is_some());
        let visible_may_be_gone = !from.clean && (doubtful || !log.config.sync_policy.waits_for_sync());
        let epoch_raised = log.settle_epoch(known_epoch, report.unproven || visible_may_be_gone)?;
        if !no_aborted.is_empty() {
            // Their files must be made before a start finds nothing in their place: that would mean that nothing aborted.
            kept.extend(set_aside(disk.as_ref(), &directory, &no_aborted)?);
            log.flush_now()?;
        }
        let leader_epoch = log.leader_epoch;
        Ok((log, LogRecovery { segments: report, replayed_batches, epoch_raised, leader_epoch, kept }))
    }

    /// Removes files that speak of what is not there, so that they cannot come true later.
    fn remove_stale_hints(&self, mut hints: Hints) -> Result<Hints, LogError> {
        let (disk, directory) = (self.environment.disk.as_ref(), self.directory());
        let end = self.wal.staged_end().offset;
        let bases: BTreeSet<Offset> =
            self.wal.segments().iter().map(|segment| segment.base_offset()).collect();
        let mut removed = false;
        for name in &hints.leftovers {
            removed |= files::remove(disk, &directory.join(name))?;
        }
        for (base_offset, suffix) in
            hints.indexes.iter().filter(|(base_offset, _)| !bases.contains(base_offset))
        {
            removed |= files::remove(disk, &files::path(directory, *base_offset, suffix))?;
        }
        let beyond = hints.snapshots.split_off(&end.next());
        if !beyond.is_empty() && hints.snapshots.is_empty() {
            hints.snapshots.extend(self.keep_beginning()?);
        }
        for offset in beyond {
            removed |= files::remove(disk, &files::path(directory, offset, SNAPSHOT))?;
        }
        for offset in hints.windows.difference(&hints.snapshots) {
            removed |= files::remove(disk, &files::path(directory, *offset, WINDOWS))?;
        }
        hints.aborted.retain(|base_offset| bases.contains(base_offset));
        if removed {
            files::sync_directory(disk, directory)?;
        }
        Ok(hints)
    }

    /// Before the last snapshot goes, puts one without producers where the first segment begins: without any, the next
    /// recovery would take a log that does not begin at 0 for the rest of one ([`wal_start`]).
    fn keep_beginning(&self) -> Result<Option<Offset>, LogError> {
        let first = self.wal.segments().first().map(|segment| segment.base_offset());
        let Some(base_offset) = first.filter(|first| *first > Offset::ZERO) else { return Ok(None) };
        let (disk, directory) = (self.environment.disk.as_ref(), self.directory());
        let path = files::path(directory, base_offset, SNAPSHOT);
        files::replace(disk, &path, &encode_snapshot(&ProducerState::default()))?;
        files::sync_directory(disk, directory)?;
        Ok(Some(base_offset))
    }

    /// Reads the epochs as far as they lie below the end. Returns the highest epoch ever heard of, and whether the file
    /// told of any: of a log whose records were all deleted none may be left below the end.
    fn read_epochs(&mut self, from: &RecoverLog) -> Result<(LeaderEpoch, bool), LogError> {
        let bytes =
            files::read(self.environment.disk.as_ref(), &self.directory().join(EPOCHS), HINT_SIZE_MAX)?;
        let checkpointed = from.checkpoint.map_or(LeaderEpoch::ZERO, |checkpoint| checkpoint.leader_epoch);
        let known_before = checkpointed.max(from.leader_epoch);
        self.epochs = bytes.and_then(|bytes| LeaderEpochs::decode(&bytes).ok()).unwrap_or_default();
        let known = !self.epochs.entries().is_empty();
        self.epochs_changed = !known;
        let latest = self.epochs.latest().map_or(LeaderEpoch::ZERO, |latest| latest.epoch);
        self.epochs_changed |= self.epochs.truncate_from_end(self.wal.staged_end().offset);
        Ok((known_before.max(latest), known))
    }

    /// Takes producers and aborted transactions from their files, if these can be trusted.
    fn read_basis(
        &mut self,
        from: &RecoverLog,
        hints: &Hints,
        epochs_known: bool,
    ) -> Result<Basis, LogError> {
        let indexed_to = self.indexed_to(from);
        let nothing = Basis { replay_from: None, epochs_known, indexed_to, aborted: Vec::new() };
        let Some((offset, producers)) = self.read_snapshot(hints)? else { return Ok(nothing) };
        let Some(aborted) = self.read_aborted(hints, offset)? else { return Ok(nothing) };
        self.max_producer_id = self.max_producer_id.max(producers.max_producer_id());
        self.producers = producers;
        Ok(Basis { replay_from: Some(offset), epochs_known, indexed_to, aborted })
    }

    /// The recovery point, if it still is a place in this log.
    fn indexed_to(&self, from: &RecoverLog) -> LogPoint {
        let segments = self.wal.segments();
        let start =
            segments.first().map_or(self.wal.staged_end(), |first| LogPoint::start_of(first.base_offset()));
        let point = from.checkpoint.map_or(start, |checkpoint| checkpoint.recovery_point);
        let segment = segments.iter().find(|segment| segment.base_offset() == point.segment);
        let inside = segment.is_some_and(|segment| point.position <= segment.end());
        if inside && point.offset <= self.wal.staged_end().offset { point } else { start }
    }

    /// The newest snapshot that can be read.
    fn read_snapshot(&self, hints: &Hints) -> Result<Option<(Offset, ProducerState)>, LogError> {
        let read = |offset, suffix| {
            let path = files::path(self.directory(), offset, suffix);
            files::read(self.environment.disk.as_ref(), &path, HINT_SIZE_MAX)
        };
        for &offset in hints.snapshots.iter().rev() {
            let snapshot = read(offset, SNAPSHOT)?;
            let Some(entries) = snapshot.and_then(|bytes| decode_snapshot(&bytes).ok()) else { continue };
            let windows = read(offset, WINDOWS)?.and_then(|bytes| decode_windows(&bytes).ok());
            return Ok(Some((offset, ProducerState::restore(entries, windows.unwrap_or_default()))));
        }
        Ok(None)
    }

    /// The aborted transactions decided before `before`, by segment; `None` when a file is damaged.
    fn read_aborted(
        &self,
        hints: &Hints,
        before: Offset,
    ) -> Result<Option<Vec<(Offset, KnownAborted)>>, LogError> {
        if !hints.no_aborted.is_empty() {
            return Ok(None);
        }
        let mut all = Vec::new();
        for &base_offset in &hints.aborted {
            let path = files::path(self.directory(), base_offset, TXN_INDEX);
            let bytes = files::read(self.environment.disk.as_ref(), &path, HINT_SIZE_MAX)?;
            let Ok(mut entries) = decode_index(&bytes.unwrap_or_default()) else { return Ok(None) };
            let in_file = entries.len();
            entries.retain(|entry| entry.last_offset < before);
            let is_ahead = entries.len() < in_file;
            all.push((base_offset, KnownAborted { entries, is_ahead }));
        }
        Ok(Some(all))
    }

    /// Fixes the leader epoch. One that is higher than any before is durable when this returns.
    fn settle_epoch(&mut self, known: LeaderEpoch, raise: bool) -> Result<bool, LogError> {
        let latest = self.epochs.latest().map_or(LeaderEpoch::ZERO, |latest| latest.epoch);
        let known = known.max(latest);
        self.leader_epoch = if raise { known.next() } else { known };
        self.epochs_changed |= self.epochs.assign(self.leader_epoch, self.wal.staged_end().offset);
        if raise {
            let disk = self.environment.disk.as_ref();
            let path = self.directory().join(EPOCHS);
            files::replace(disk, &path, self.epochs.encode().as_bytes())?;
            files::sync_directory(disk, self.directory())?;
            self.epochs_changed = false;
        }
        Ok(raise)
    }
}

/// What the write-ahead log starts from. Segments below the log start stay until a snapshot below the recovery point
/// covers them, as in retention: producers that wrote into them must not be forgotten.
fn wal_start(from: &RecoverLog, hints: &Hints) -> RecoverFrom {
    // Segments are let go only under a checkpoint, when a snapshot covers them: without either the log begins at 0, and a
    // later segment alone is the rest of writes whose beginning was lost.
    let whole = || hints.snapshots.is_empty().then(|| LogPoint::start_of(Offset::ZERO));
    let recovery_point = from.checkpoint.map(|checkpoint| checkpoint.recovery_point).or_else(whole);
    // A synced end alone does not say where the log begins.
    let synced = recovery_point.and_then(|point| Some(point).max(from.boundary));
    let removable = from.checkpoint.map_or(Offset::ZERO, |checkpoint| {
        let covered = hints.snapshots.range(..=checkpoint.recovery_point.offset).next_back();
        let first = hints.segments.first();
        checkpoint.log_start_offset.min(
            first.map_or(Offset(i64::MAX), |first| covered.map_or(*first, |covered| *covered.max(first))),
        )
    });
    RecoverFrom {
        recovery_point: synced,
        boundary: synced.max(from.boundary).map(|point| point.offset),
        clean: from.clean,
        log_start_offset: removable,
        holes_allowed: hints.holes,
        suspect: from.checkpoint.and_then(|checkpoint| checkpoint.suspect),
    }
}

/// Lists the hints of a directory.
pub(crate) fn scan(disk: &dyn Disk, directory: &Path) -> Result<Hints, LogError> {
    let mut hints = Hints::default();
    for entry in disk.list(directory).map_err(DiskError::at(Operation::List, directory))? {
        match entry.kind {
            EntryKind::File => hints.note(entry),
            EntryKind::Directory if files::parse_name(&entry.name, TXN_INDEX).is_some() => {
                hints.no_aborted.push(entry.name);
            }
            EntryKind::Directory if is_hint(&entry.name) => hints.foreign.push(entry.name),
            _ => {}
        }
    }
    Ok(hints)
}

fn is_hint(name: &str) -> bool {
    let suffixes = [INDEX, TIME_INDEX, SUM, SNAPSHOT, WINDOWS];
    name == EPOCHS || suffixes.iter().any(|suffix| files::parse_name(name, suffix).is_some())
}

/// Gives directories other names that stand where a hint is to be written.
fn set_aside(disk: &dyn Disk, directory: &Path, names: &[String]) -> Result<Vec<PathBuf>, LogError> {
    let mut kept = Vec::new();
    for name in names {
        kept.extend(keep(disk, directory, name)?);
    }
    if !kept.is_empty() {
        files::sync_directory(disk, directory)?;
    }
    Ok(kept)
}

impl Hints {
    fn note(&mut self, entry: Entry) {
        let name = entry.name;
        if name.ends_with(files::TEMPORARY) || name.ends_with(DELETED) {
            self.leftovers.push(name);
            return;
        }
        self.holes |= name == holes::NAME;
        self.segments.extend(files::parse_name(&name, LOG));
        self.snapshots.extend(files::parse_name(&name, SNAPSHOT));
        self.windows.extend(files::parse_name(&name, WINDOWS));
        for suffix in [INDEX, TIME_INDEX, TXN_INDEX, SUM] {
            if let Some(base_offset) = files::parse_name(&name, suffix) {
                self.indexes.push((base_offset, suffix));
                if suffix == TXN_INDEX {
                    self.aborted.insert(base_offset);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use highwater_disk::OpenMode;
    use highwater_disk::sim::SimDisk;
    use highwater_types::{Position, ProducerId};

    use super::*;

    /// What recovery begins with under such names, a log start of 41 and a recovery point of 57.
    fn begins_with(names: &[&str]) -> RecoverFrom {
        let disk = SimDisk::new(1);
        for name in names {
            disk.open(name.as_ref(), OpenMode::CreateNew).unwrap();
        }
        let checkpoint = LogCheckpoint {
            recovery_point: LogPoint { offset: Offset(57), segment: Offset(50), position: Position(9) },
            log_start_offset: Offset(41),
            leader_epoch: LeaderEpoch(0),
            max_producer_id: ProducerId(0),
            suspect: None,
        };
        let from = RecoverLog { checkpoint: Some(checkpoint), ..RecoverLog::default() };
        wal_start(&from, &scan(disk.as_ref(), "/".as_ref()).unwrap())
    }

    #[test]
    fn windows_whose_snapshot_was_never_written_let_no_segment_go() {
        let log = |base: u64| format!("{base:020}.log");
        let snapshot = |offset: u64, suffix: &str| format!("{offset:020}.{suffix}");
        let mut names = vec![log(28), log(40), log(50), snapshot(37, SNAPSHOT), snapshot(37, WINDOWS)];
        names.push(snapshot(40, WINDOWS));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(begins_with(&names).log_start_offset, Offset(37), "markers from 37 on are still needed");
    }
}
