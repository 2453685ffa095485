//! A journal for small appends: those of all partitions are made durable by one write and one sync of one file that has its
//! blocks, where each partition's own file, which grows, would need a sync of its own and of what the file system knows of it.
//!
//! The segments get the same bytes, as ever, before the journal does; readers, indexes and formats know nothing of it. A
//! partition that is in the journal counts as synced; its file is synced when that half of the journal is to be used again, when
//! something else asks for it, or at a clean stop. The two halves of the file take turns.
//!
//! - What goes in: a piece of a segment that exists durably, of at most [`PIECE_BYTES_MAX`], in a round of at least
//!   [`JournalOptions::partitions_min`] partitions, when everything before it is durable or on its way into the journal.
//!   All else is synced by itself. So whatever stands in the journal continues what is durable.
//! - A batch that finds no room, or fails, is given up: its partitions are synced by themselves.
//! - At a start [`replay`] puts every piece in its place, durably, and removes the journal, before any log is recovered. The
//!   same is done for one partition that ran out of space at a sync. A piece that was once in the journal is never
//!   contradicted by its segment: logs grow, are cut only above what is durable, and lose whole segments at their beginning.
//!
//! The `synced-ends` say that there is a journal, and which, while there is one: it cannot go missing without a word.
//!
//! Memory: three batches. Disk: two halves of [`JournalOptions::half_bytes`], made when they are first wanted.

mod file;
mod format;
mod reading;
mod replay;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use highwater_disk::{Disk, DiskError};
use highwater_partition_log::WriteJob;
use highwater_store::StoreStatistics;
use highwater_types::{Offset, Timestamp, TopicIdPartition};
use highwater_wal::LogPoint;

use crate::partition::LocalPartition;
use crate::synced_ends::SyncedEnds;
use file::{JournalFile, Written};
use format::{BATCH_BYTES_MAX, FRAME_SIZE, Frame};

pub(crate) use file::NAME;
pub(crate) use replay::{KEPT, Known, Replayed, holds_something, replay, salvage};

/// Larger pieces are synced by themselves.
const PIECE_BYTES_MAX: u64 = 112 << 10;
/// The journal is made only where its size is so small a part of what is free.
const SPACE_ONE_IN: u64 = 16;

/// What the journal is made with.
#[derive(Debug, Clone, Copy)]
pub struct JournalOptions {
    /// Size of each of its two halves in bytes; 0: there is none. Default 32 MiB.
    pub half_bytes: u64,
    /// Partitions in a round from which on it is used; 0: it is made at the start. Default 1.
    pub partitions_min: usize,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { half_bytes: 32 << 20, partitions_min: 1 }
    }
}

/// A piece of a partition on its way into the journal.
#[derive(Debug)]
struct Entry {
    partition: Arc<LocalPartition>,
    /// What must be durable before.
    start: Offset,
    end: LogPoint,
    bytes: u64,
}

/// Pieces that are written together.
#[derive(Debug, Default)]
struct Batch {
    frames: Vec<u8>,
    entries: Vec<Entry>,
}

/// What a write round has for the journal.
#[derive(Debug)]
pub(crate) struct Round {
    batch: Batch,
    /// Bytes that there is room for.
    room: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not wanted so far.
    Absent,
    Making,
    Ready,
    /// Not to be had, failed, or stopped.
    Closed,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// To be written next.
    filled: Batch,
    spare: Vec<Batch>,
    parked: bool,
    stopped: bool,
}

/// The journal of one data directory.
#[derive(Debug)]
pub(crate) struct Journal {
    options: JournalOptions,
    state: Mutex<State>,
    woken: Condvar,
    /// Locked while it is written or read.
    file: Mutex<Option<JournalFile>>,
}

impl Round {
    /// Adds what the job has just written, if that is a piece for the journal. [`Round::keep`] or [`Round::drop_last`] says
    /// whether it stays.
    pub(crate) fn add(&mut self, id: TopicIdPartition, job: &WriteJob) -> bool {
        let size = usize::try_from(job.bytes()).unwrap_or(usize::MAX).saturating_add(FRAME_SIZE);
        let fits = job.bytes() <= PIECE_BYTES_MAX
            && self.batch.frames.len().saturating_add(size) <= self.room
            && job.segments_begun() == 0;
        let Some((_, _, piece)) = job.piece().filter(|_| fits) else { return false };
        let frame = Frame { id, end: job.end(), size: u32::try_from(job.bytes()).unwrap_or(u32::MAX) };
        format::push(&mut self.batch.frames, &frame, piece);
        true
    }

    /// What was added last is on its way.
    pub(crate) fn keep(&mut self, partition: Arc<LocalPartition>, start: Offset, end: LogPoint, bytes: u64) {
        self.batch.entries.push(Entry { partition, start, end, bytes });
    }

    /// Takes back what was added last.
    pub(crate) fn drop_last(&mut self, bytes: u64) {
        let size = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_add(FRAME_SIZE);
        let frames = &mut self.batch.frames;
        frames.truncate(frames.len().saturating_sub(size));
    }

    /// How much is in it, for [`Round::rewind`].
    pub(crate) fn mark(&self) -> (usize, usize) {
        (self.batch.frames.len(), self.batch.entries.len())
    }

    /// Takes back everything that was added since.
    pub(crate) fn rewind(&mut self, (frames, entries): (usize, usize)) {
        self.batch.frames.truncate(frames);
        self.batch.entries.truncate(entries);
    }
}

impl Batch {
    /// Puts what the other has behind what is there, and leaves it empty.
    fn append(&mut self, other: &mut Self) {
        if self.entries.is_empty() {
            std::mem::swap(self, other);
            return;
        }
        self.frames.append(&mut other.frames);
        self.entries.append(&mut other.entries);
    }

    fn clear(&mut self) {
        self.frames.clear();
        self.entries.clear();
    }

    /// Whether everything that the pieces continue is durable, or comes before them in this batch.
    fn continues(&self) -> bool {
        let mut ends: HashMap<TopicIdPartition, Offset> = HashMap::with_capacity(self.entries.len());
        self.entries.iter().all(|entry| {
            let before = ends.insert(entry.partition.key(), entry.end.offset);
            before.map_or_else(|| entry.partition.is_synced_to(entry.start), |before| before == entry.start)
        })
    }
}

impl Journal {
    pub(crate) fn new(options: JournalOptions) -> Self {
        let phase = if options.half_bytes == 0 { Phase::Closed } else { Phase::Absent };
        let state =
            State { phase, filled: Batch::default(), spare: Vec::new(), parked: false, stopped: false };
        Self { options, state: Mutex::new(state), woken: Condvar::new(), file: Mutex::new(None) }
    }

    /// What a round of so many partitions is to fill and to end with [`Journal::end_round`]; `None` when its partitions are
    /// synced by themselves.
    /// What is in the journal keeps the files of its partitions open.
    pub(crate) fn begin_round(&self, partitions: usize, disk: &dyn Disk) -> Option<Round> {
        let mut state = self.lock();
        let wanted = partitions >= self.options.partitions_min && !disk.is_short_of_descriptors();
        (state.phase == Phase::Ready && wanted).then(|| {
            let batch = state.spare.pop().unwrap_or_default();
            Round { batch, room: BATCH_BYTES_MAX.saturating_sub(state.filled.frames.len()) }
        })
    }

    /// Whether a round of so many partitions would use the journal if it were there. The caller then has it made.
    pub(crate) fn is_wanted(&self, partitions: usize) -> bool {
        partitions >= self.options.partitions_min && {
            let mut state = self.lock();
            let wanted = state.phase == Phase::Absent;
            if wanted {
                state.phase = Phase::Making;
            }
            wanted
        }
    }

    /// Takes what a round has so far, which is written soon.
    pub(crate) fn hand_over(&self, round: &mut Round) {
        if round.batch.entries.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.filled.append(&mut round.batch);
        round.room = BATCH_BYTES_MAX.saturating_sub(state.filled.frames.len());
        self.wake(state);
    }

    /// Takes what a round has.
    pub(crate) fn end_round(&self, mut round: Round) {
        let mut state = self.lock();
        state.filled.append(&mut round.batch);
        state.spare.push(round.batch);
        self.wake(state);
    }

    /// Wakes the journal's thread where it has something to do.
    fn wake(&self, state: MutexGuard<'_, State>) {
        let asleep = state.parked && !state.filled.entries.is_empty();
        // Woken under the lock it would at once sleep again, waiting for that.
        drop(state);
        if asleep {
            self.woken.notify_one();
        }
    }

    /// Makes the file. Waits for the disk.
    pub(crate) fn make(&self, disk: &dyn Disk, directory: &Path, ends: &SyncedEnds, now: Timestamp) {
        let size = self.options.half_bytes.saturating_mul(2);
        let room = disk.free_bytes(directory).is_ok_and(|free| free / SPACE_ONE_IN >= size);
        let make = || {
            let made = JournalFile::make(disk, directory, self.options.half_bytes, now)?;
            ends.note_journal(disk, directory, Some(made.made()))?;
            Ok::<_, DiskError>(made)
        };
        let phase = match room.then(make).transpose() {
            Ok(Some(made)) => {
                *self.lock_file() = Some(made);
                Phase::Ready
            }
            Ok(None) => Phase::Closed,
            Err(error) => {
                tracing::warn!(%error, "no journal for small appends");
                // Without a batch it may stay or go.
                let _ = Self::forget(disk, directory, ends);
                Phase::Closed
            }
        };
        let mut state = self.lock();
        if !state.stopped {
            state.phase = phase;
        }
    }

    /// Writes what is filled and tells its partitions. Returns whether there was anything.
    pub(crate) fn step(&self, statistics: &StoreStatistics) -> bool {
        let batch = {
            let mut state = self.lock();
            if state.filled.entries.is_empty() {
                return false;
            }
            let spare = state.spare.pop().unwrap_or_default();
            std::mem::replace(&mut state.filled, spare)
        };
        self.commit(batch, statistics);
        true
    }

    fn commit(&self, mut batch: Batch, statistics: &StoreStatistics) {
        let mut file = self.lock_file();
        let written = match file.as_mut() {
            Some(file) if batch.continues() => file.write(&batch.frames, &batch.entries),
            _ => Ok(Written::NoRoom),
        };
        let mut to_sync = Vec::new();
        let durable = match written {
            Ok(Written::Durable(left)) => {
                to_sync = left;
                statistics.journal_batches.increment();
                statistics.journal_pieces.add(batch.entries.len() as u64);
                statistics.journal_bytes.add(batch.entries.iter().map(|entry| entry.bytes).sum());
                true
            }
            Ok(Written::NoRoom) => false,
            Err(error) => {
                tracing::error!(%error, "the journal for small appends failed: each partition is synced by itself");
                to_sync = file.as_ref().map(JournalFile::holders).unwrap_or_default();
                statistics.failures.increment();
                self.lock().phase = Phase::Closed;
                false
            }
        };
        drop(file);
        for entry in batch.entries.drain(..) {
            entry.partition.journaled(durable.then_some(entry.end), entry.bytes);
        }
        to_sync.iter().for_each(|partition| partition.request_sync());
        batch.clear();
        self.lock().spare.push(batch);
    }

    /// Waits until something is filled; false when stopped and nothing is.
    pub(crate) fn wait(&self) -> bool {
        let mut state = self.lock();
        while state.filled.entries.is_empty() && !state.stopped {
            state.parked = true;
            state = self.woken.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.parked = false;
        }
        !state.filled.entries.is_empty()
    }

    /// Takes nothing more; the thread ends when what is filled is written.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        state.phase = Phase::Closed;
        self.woken.notify_all();
    }

    /// Puts the pieces of one partition in their places again, durably.
    pub(crate) fn replay_one(
        &self,
        disk: &Arc<dyn Disk>,
        directory: &Path,
        id: TopicIdPartition,
        name: &str,
    ) -> Result<(), DiskError> {
        let file = self.lock_file();
        if file.is_none() {
            return Ok(());
        }
        replay::replay_one(disk, directory, id, name)
    }

    /// Removes the file where the segments hold everything. Durable after syncing the directory.
    pub(crate) fn remove(
        &self,
        disk: &dyn Disk,
        directory: &Path,
        ends: &SyncedEnds,
    ) -> Result<(), DiskError> {
        let taken = self.lock_file().take();
        if taken.is_some_and(|file| file.is_free()) { Self::forget(disk, directory, ends) } else { Ok(()) }
    }

    fn forget(disk: &dyn Disk, directory: &Path, ends: &SyncedEnds) -> Result<(), DiskError> {
        ends.note_journal(disk, directory, None)?;
        file::remove(disk, directory).map(drop)
    }

    /// Forgets what is filled and held.
    pub(crate) fn clear(&self) {
        self.lock().filled.clear();
        *self.lock_file() = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_file(&self) -> MutexGuard<'_, Option<JournalFile>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
