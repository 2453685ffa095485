//! What is written beside the segments, and when: index entries, aborted transactions, leader epochs and producer
//! snapshots, each time a segment was sealed or enough bytes were synced. Only when all of that is durable does the
//! recovery point move.
//!
//! The snapshot is written last and describes the log's end, which may lie above the synced end: should the tail be lost,
//! recovery finds a snapshot beyond the end and removes it. So an older one is kept until the recovery point has passed a
//! newer one.
//!
//! Not here: when this is called, and on which thread a job runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use highwater_disk::{DiskError, Operation};
use highwater_types::{Offset, Position, Timestamp};
use highwater_wal::{LogPoint, PrepareJob, ReadMode, Segment};

use crate::index::{OFFSET_ENTRY_SIZE, TIME_ENTRY_SIZE};
use crate::producer_snapshot::{encode_snapshot, encode_windows};
use crate::segment::{INDEX, IndexSource, SegmentIndex, Stored, TIME_INDEX, TXN_INDEX};
use crate::{PartitionLog, files};

/// Bytes synced since the recovery point at which it is moved.
const FLUSH_BYTES: u64 = 64 << 20;
/// Snapshots at or below the recovery point that are kept: the newest, and one should that be unreadable.
const SNAPSHOTS_KEPT: usize = 2;
/// Segments of which one job learns the largest timestamp.
const LEARN_MAX: usize = 16;
/// Index files that are open together: of many small segments there are many.
const FILES_AT_ONCE: usize = 16;

/// Suffix of Kafka's producer snapshots.
pub(crate) const SNAPSHOT: &str = "snapshot";
/// Suffix of the producers' windows beside them.
pub(crate) const WINDOWS: &str = "producers";
/// Kafka's file of leader epochs.
pub(crate) const EPOCHS: &str = "leader-epoch-checkpoint";

/// Bytes to be written into a file, behind which it then ends.
#[derive(Debug)]
struct Tail {
    base_offset: Offset,
    suffix: &'static str,
    position: u64,
    bytes: Vec<u8>,
}

/// Everything that must be durable before the recovery point moves to `target`.
#[derive(Debug)]
pub(crate) struct Flush {
    target: LogPoint,
    tails: Vec<Tail>,
    stored: Vec<(Offset, Stored)>,
    aborted: Vec<(Offset, Vec<u8>)>,
    epochs: Option<String>,
    snapshot: (Offset, Vec<u8>, Vec<u8>),
    obsolete: Vec<Offset>,
    source: IndexSource,
}

/// Work in the background, to be run without the log's lock.
#[derive(Debug)]
pub struct MaintenanceJob {
    prepare: Option<(PrepareJob, Option<Result<(), DiskError>>)>,
    flush: Option<Flush>,
    learn: Vec<(Arc<Segment>, Arc<SegmentIndex>)>,
    source: IndexSource,
}

impl MaintenanceJob {
    /// Does the work. Waits for the disk.
    ///
    /// # Errors
    /// Nothing is lost by a failure; the recovery point stays where it is.
    pub fn run(&mut self) -> Result<(), DiskError> {
        if let Some((job, result)) = &mut self.prepare {
            *result = Some(job.run());
        }
        for (segment, index) in &self.learn {
            // A segment that cannot be read keeps its timestamp unknown; reading it will say why.
            let _ = index.largest(segment, &self.source, ReadMode::Blocking);
        }
        self.flush.as_ref().map_or(Ok(()), Flush::run)
    }
}

impl Flush {
    fn run(&self) -> Result<(), DiskError> {
        let (disk, directory) = (self.source.disk.as_ref(), &self.source.directory);
        for tails in self.tails.chunks(FILES_AT_ONCE) {
            let mut written = Vec::with_capacity(tails.len());
            for tail in tails {
                let path = files::path(directory, tail.base_offset, tail.suffix);
                written.push((files::write_tail(disk, &path, tail.position, &tail.bytes)?, path));
            }
            for (file, path) in &written {
                file.sync_data().map_err(DiskError::at(Operation::Sync, path))?;
            }
        }
        for (base_offset, bytes) in &self.aborted {
            files::replace(disk, &files::path(directory, *base_offset, TXN_INDEX), bytes)?;
        }
        if let Some(epochs) = &self.epochs {
            files::replace(disk, &directory.join(EPOCHS), epochs.as_bytes())?;
        }
        let (offset, snapshot, windows) = &self.snapshot;
        files::replace(disk, &files::path(directory, *offset, WINDOWS), windows)?;
        // The names so far must be durable before the snapshot is: it says that nothing before it need be read again.
        files::sync_directory(disk, directory)?;
        files::replace(disk, &files::path(directory, *offset, SNAPSHOT), snapshot)?;
        files::sync_directory(disk, directory)?;
        for offset in &self.obsolete {
            files::remove(disk, &files::path(directory, *offset, SNAPSHOT))?;
            files::remove(disk, &files::path(directory, *offset, WINDOWS))?;
        }
        Ok(())
    }
}

impl PartitionLog {
    /// Looks for work in the background: preparing the next segment, moving the recovery point, forgetting idle
    /// producers and unused indexes. `None` when there is nothing to run, or a job is running.
    pub fn begin_maintenance(&mut self, now: Timestamp) -> Option<MaintenanceJob> {
        if self.maintaining || self.failure.is_some() {
            return None;
        }
        self.producers.expire(now, self.config.producer_id_expiration_ms);
        self.release_indexes();
        let prepare = self.wal.begin_prepare().map(|job| (job, None));
        let flush = self.flush_is_due().then(|| self.plan_flush(self.wal.synced_end()));
        let learn = self.unknown_timestamps();
        if prepare.is_none() && flush.is_none() && learn.is_empty() {
            return None;
        }
        self.maintaining = true;
        Some(MaintenanceJob { prepare, flush, learn, source: self.source.clone() })
    }

    /// Takes a finished job into account. A failed one is made again by the next call of
    /// [`PartitionLog::begin_maintenance`] that finds it due.
    pub fn end_maintenance(&mut self, job: MaintenanceJob, result: Result<(), DiskError>) {
        self.maintaining = false;
        if let Some((job, Some(result))) = job.prepare {
            self.wal.end_prepare(job, result);
        }
        if let Some(flush) = job.flush {
            self.end_flush(flush, result.is_ok());
        }
    }

    fn flush_is_due(&self) -> bool {
        let (synced, point) = (self.wal.synced_end(), self.recovery_point);
        if self.flush_wanted {
            return synced.offset > point.offset || !self.snapshots.contains(&point.offset);
        }
        if synced.segment != point.segment {
            return synced.offset > point.offset;
        }
        synced.position.0.saturating_sub(point.position.0) >= FLUSH_BYTES
    }

    /// Collects what is to be written so that the recovery point may move to `target`, which is synced.
    pub(crate) fn plan_flush(&mut self, target: LogPoint) -> Flush {
        let mut flush = Flush {
            target,
            tails: Vec::new(),
            stored: Vec::new(),
            aborted: Vec::new(),
            epochs: std::mem::take(&mut self.epochs_changed).then(|| self.epochs.encode()),
            snapshot: (
                self.wal.staged_end().offset,
                encode_snapshot(&self.producers),
                encode_windows(&self.producers),
            ),
            obsolete: Vec::new(),
            source: self.source.clone(),
        };
        for slot in &mut self.slots {
            let base_offset = slot.index.base_offset();
            if std::mem::take(&mut slot.aborted_changed) {
                let encode = |aborted: &[crate::AbortedTxn]| {
                    aborted.iter().flat_map(crate::AbortedTxn::encode).collect()
                };
                flush.aborted.push((base_offset, slot.index.with_aborted(encode)));
            }
            if !slot.stored.complete && base_offset <= target.segment {
                flush.add_indexes(&slot.index, slot.stored);
            }
        }
        flush.obsolete = obsolete(&self.snapshots, flush.snapshot.0, target.offset);
        flush
    }

    /// Takes a flush into account.
    pub(crate) fn end_flush(&mut self, flush: Flush, done: bool) {
        if !done {
            self.epochs_changed |= flush.epochs.is_some();
            for (base_offset, _) in &flush.aborted {
                self.with_slot(*base_offset, |slot| slot.aborted_changed = true);
            }
            return;
        }
        for (base_offset, stored) in flush.stored {
            self.with_slot(base_offset, |slot| slot.stored = stored);
        }
        self.flush_wanted = false;
        self.snapshots.insert(flush.snapshot.0);
        for offset in &flush.obsolete {
            self.snapshots.remove(offset);
        }
        self.recovery_point = self.recovery_point.max(flush.target);
    }

    /// Writes everything up to the log's synced end and waits for it.
    pub(crate) fn flush_now(&mut self) -> Result<(), DiskError> {
        let flush = self.plan_flush(self.wal.synced_end());
        let result = flush.run();
        self.end_flush(flush, result.is_ok());
        result
    }

    fn with_slot(&mut self, base_offset: Offset, change: impl FnOnce(&mut crate::log::Slot)) {
        let found = self.slots.binary_search_by_key(&base_offset, |slot| slot.index.base_offset());
        if let Some(slot) = found.ok().and_then(|at| self.slots.get_mut(at)) {
            change(slot);
        }
    }

    /// Segments whose largest timestamp is to be looked up: sealed ones when retention must know it, and whatever the index
    /// goes on from what a file said.
    fn unknown_timestamps(&self) -> Vec<(Arc<Segment>, Arc<SegmentIndex>)> {
        let retention = self.config.delete && self.config.retention_ms.is_some();
        let active = self.wal.segments().last().map(|segment| segment.base_offset());
        let pairs = self.wal.segments().iter().filter_map(|segment| {
            let index = &self.slot(segment.base_offset())?.index;
            let wanted = index.is_unproved() || retention && Some(segment.base_offset()) != active;
            (wanted && index.known_largest().is_none()).then(|| (segment.clone(), index.clone()))
        });
        pairs.take(LEARN_MAX).collect()
    }

    /// Drops indexes of sealed segments that nobody used since the last call.
    fn release_indexes(&self) {
        for slot in self.slots.iter().rev().skip(1) {
            if slot.stored.complete {
                slot.index.release();
            }
        }
    }
}

impl Flush {
    /// Adds what the index files of a segment lack: everything if it is sealed, else the batches below the target.
    fn add_indexes(&mut self, index: &SegmentIndex, stored: Stored) {
        let base_offset = index.base_offset();
        let complete = base_offset < self.target.segment;
        let (end, end_offset) = if complete {
            (Position(u64::MAX), Offset(i64::MAX))
        } else {
            (self.target.position, self.target.offset)
        };
        let bytes = index.if_loaded(|entries| {
            (entries.offset_bytes(stored.offsets, end), entries.time_bytes(stored.times, end_offset))
        });
        let Some(((offset_bytes, offsets), (time_bytes, times))) = bytes else { return };
        let mut add = |suffix, first: usize, size: usize, bytes| {
            let position = (first as u64).saturating_mul(size as u64);
            self.tails.push(Tail { base_offset, suffix, position, bytes });
        };
        add(INDEX, stored.offsets, OFFSET_ENTRY_SIZE, offset_bytes);
        add(TIME_INDEX, stored.times, TIME_ENTRY_SIZE, time_bytes);
        self.stored.push((base_offset, Stored { offsets, times, complete }));
    }
}

/// Snapshots that are no longer needed once `new` is there and everything below `target` is durable.
fn obsolete(snapshots: &BTreeSet<Offset>, new: Offset, target: Offset) -> Vec<Offset> {
    let mut below: Vec<Offset> = snapshots.iter().copied().filter(|offset| *offset <= target).collect();
    if new <= target && !snapshots.contains(&new) {
        below.push(new);
    }
    below.truncate(below.len().saturating_sub(SNAPSHOTS_KEPT));
    below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_goes_only_when_two_newer_ones_are_covered_by_synced_bytes() {
        let there: BTreeSet<Offset> = [3, 5, 9].map(Offset).into();
        assert_eq!(obsolete(&there, Offset(12), Offset(8)), []);
        assert_eq!(obsolete(&there, Offset(12), Offset(10)), [Offset(3)]);
        assert_eq!(obsolete(&there, Offset(12), Offset(12)), [Offset(3), Offset(5)]);
        assert_eq!(obsolete(&there, Offset(9), Offset(9)), [Offset(3)]);
    }
}
