//! What a log keeps beside one segment of its write-ahead log: the offset and time index and the aborted
//! transactions. Shared with running reads; all changes happen under the log's lock, reads under a short lock of the
//! segment's own.
//!
//! The indexes of the active segment live in memory. Those of a sealed one are loaded from their files when they are
//! asked for, completed by hopping from their last good entry to the segment's end, and dropped again when they were not
//! used for a while. Files are hints: one that cannot be read is as good as none, and an entry from one is compared with
//! its batch before anything rests on it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use highwater_disk::Disk;
use highwater_types::{Offset, Position, Timestamp};
use highwater_wal::{EntryFormat, EntryHeader, ReadMode, ReadProblem, Segment, hop};
use parking_lot::RwLock;

use crate::index::{IndexEntries, Indexed, IndexedBatch, TimeEntry, is_younger, relative};
use crate::transactions::AbortedTxn;
use crate::{PlanError, files};

/// Suffix of offset indexes.
pub(crate) const INDEX: &str = "index";
/// Suffix of time indexes.
pub(crate) const TIME_INDEX: &str = "timeindex";
/// Suffix of transaction indexes.
pub(crate) const TXN_INDEX: &str = "txnindex";

/// Where indexes come from.
#[derive(Debug)]
enum State {
    /// In memory; grows while the segment is active.
    Loaded(IndexEntries),
    /// In files.
    Stored,
}

/// How much of the indexes is in their files: entries of the offset index and of the time index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) offsets: usize,
    pub(crate) times: usize,
    /// The files are complete: the segment is sealed and everything is in them.
    pub(crate) complete: bool,
}

/// The indexes of one segment.
#[derive(Debug)]
pub(crate) struct SegmentIndex {
    base_offset: Offset,
    state: RwLock<State>,
    used: AtomicBool,
    /// Largest timestamp of a sealed segment, as far as it is known.
    largest: RwLock<Option<Timestamp>>,
    aborted: RwLock<Vec<AbortedTxn>>,
}

/// What loading a sealed segment's indexes needs.
#[derive(Debug, Clone)]
pub(crate) struct IndexSource {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: Arc<Path>,
    pub(crate) format: Arc<dyn EntryFormat>,
    pub(crate) interval_bytes: u64,
}

impl SegmentIndex {
    /// Indexes in memory: of a new segment, or as recovery made them.
    pub(crate) fn loaded(entries: IndexEntries, base_offset: Offset) -> Self {
        Self {
            base_offset,
            state: RwLock::new(State::Loaded(entries)),
            used: AtomicBool::new(true),
            largest: RwLock::new(None),
            aborted: RwLock::default(),
        }
    }

    /// The indexes of a sealed segment, in their files.
    pub(crate) fn stored(base_offset: Offset) -> Self {
        Self {
            base_offset,
            state: RwLock::new(State::Stored),
            used: AtomicBool::new(false),
            largest: RwLock::new(None),
            aborted: RwLock::default(),
        }
    }

    pub(crate) fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// Adds a batch to the active segment.
    pub(crate) fn add(&self, batch: IndexedBatch, interval_bytes: u64) {
        if let State::Loaded(entries) = &mut *self.state.write() {
            entries.add(batch, interval_bytes);
        }
    }

    /// Adds the batch from which entries read from files are continued.
    pub(crate) fn add_resumed(&self, batch: IndexedBatch, interval_bytes: u64) {
        if let State::Loaded(entries) = &mut *self.state.write() {
            entries.add_resumed(batch, interval_bytes);
        }
    }

    /// Adds the last time entry: no batch follows.
    pub(crate) fn finish(&self) {
        if let State::Loaded(entries) = &mut *self.state.write() {
            entries.finish();
            self.note_largest(entries);
        }
    }

    /// Notes the largest timestamp if it is proved.
    fn note_largest(&self, entries: &IndexEntries) {
        if !entries.is_unproved() {
            *self.largest.write() = Some(entries.largest_timestamp().unwrap_or(Timestamp::NONE));
        }
    }

    /// Asks the entries something, if they are in memory.
    pub(crate) fn if_loaded<T>(&self, ask: impl FnOnce(&IndexEntries) -> T) -> Option<T> {
        match &*self.state.read() {
            State::Loaded(entries) => {
                self.used.store(true, Ordering::Relaxed);
                Some(ask(entries))
            }
            State::Stored => None,
        }
    }

    /// Asks the entries something, loading them first when they are not in memory.
    ///
    /// # Errors
    /// [`PlanError::WouldBlock`] in resident mode when they are not in memory.
    pub(crate) fn ask<T>(
        &self,
        segment: &Segment,
        source: &IndexSource,
        mode: ReadMode,
        ask: impl FnOnce(&IndexEntries) -> T,
    ) -> Result<T, PlanError> {
        if matches!(*self.state.read(), State::Stored) {
            if matches!(mode, ReadMode::Resident) {
                return Err(PlanError::WouldBlock);
            }
            let loaded = load(segment, source)?;
            self.note_largest(&loaded);
            *self.state.write() = State::Loaded(loaded);
        }
        let guard = self.state.read();
        self.used.store(true, Ordering::Relaxed);
        match &*guard {
            State::Loaded(entries) => Ok(ask(entries)),
            State::Stored => Ok(ask(&IndexEntries::new(self.base_offset))),
        }
    }

    /// Where to begin a search that `choose` answers. An entry that does not tell of the batch that stands there is
    /// forgotten, and the one before it taken.
    pub(crate) fn begin(
        &self,
        segment: &Segment,
        source: &IndexSource,
        mode: ReadMode,
        choose: impl Fn(&IndexEntries) -> Indexed,
    ) -> Result<Position, PlanError> {
        loop {
            let ask = |entries: &IndexEntries| {
                let found = choose(entries);
                (found, found.doubtful.map(|entry| entries.absolute(entry.relative)))
            };
            let (found, last_offset) = self.ask(segment, source, mode, ask)?;
            let (Some(entry), Some(last_offset)) = (found.doubtful, last_offset) else {
                return Ok(found.position);
            };
            let batch = batch_at(segment, source, found.position, mode)?;
            if batch.is_some_and(|batch| batch.last_offset == last_offset) {
                return Ok(found.position);
            }
            self.if_writable(|entries| entries.forget(entry));
        }
    }

    /// The offset from which on records may be as young as `timestamp`. An entry that tells of no batch is forgotten.
    pub(crate) fn begin_at_time(
        &self,
        segment: &Segment,
        source: &IndexSource,
        mode: ReadMode,
        timestamp: Timestamp,
    ) -> Result<Offset, PlanError> {
        loop {
            let (offset, doubtful) =
                self.ask(segment, source, mode, |entries| entries.offset_before(timestamp))?;
            match doubtful {
                Some(entry) if self.batch_of(segment, source, mode, entry, offset)?.is_none() => {
                    self.if_writable(|entries| entries.forget_time(entry));
                }
                _ => return Ok(offset),
            }
        }
    }

    /// The position of the batch that an entry of the time index tells of, which ends at `last_offset`; `None`: there is
    /// none such.
    fn batch_of(
        &self,
        segment: &Segment,
        source: &IndexSource,
        mode: ReadMode,
        entry: TimeEntry,
        last_offset: Offset,
    ) -> Result<Option<Position>, PlanError> {
        let from = self.begin(segment, source, mode, |entries| entries.position_of(last_offset))?;
        let mut found = None;
        visit_headers(segment, source.format.as_ref(), from, segment.end(), mode, |position, header, _| {
            let is_it = header.last_offset == last_offset && header.max_timestamp == entry.timestamp;
            found = is_it.then_some(position);
            Ok(header.last_offset < last_offset)
        })?;
        Ok(found)
    }

    /// The largest timestamp, [`Timestamp::NONE`] when no batch has one. Where only a file tells it, that is proved: its
    /// last entry is compared with the batch, and what follows that is looked at, so that a file that was cut or has
    /// rotted does not make a segment look older than it is.
    ///
    /// # Errors
    /// As [`SegmentIndex::ask`].
    pub(crate) fn largest(
        &self,
        segment: &Segment,
        source: &IndexSource,
        mode: ReadMode,
    ) -> Result<Timestamp, PlanError> {
        match self.known_largest() {
            Some(known) => Ok(known),
            None => self.prove_largest(segment, source, mode),
        }
    }

    /// As [`SegmentIndex::largest`]; also the entries speak of it then. Those that were let go and read again need not:
    /// where the index went on from what a file said, the file may lack the last ones.
    ///
    /// # Errors
    /// As [`SegmentIndex::ask`].
    pub(crate) fn largest_in_entries(
        &self,
        segment: &Segment,
        source: &IndexSource,
        mode: ReadMode,
    ) -> Result<Timestamp, PlanError> {
        let unproved = self.ask(segment, source, mode, IndexEntries::is_unproved)?;
        if unproved { self.prove_largest(segment, source, mode) } else { self.largest(segment, source, mode) }
    }

    fn prove_largest(
        &self,
        segment: &Segment,
        source: &IndexSource,
        mode: ReadMode,
    ) -> Result<Timestamp, PlanError> {
        let mut from = Position::ZERO;
        let mut largest = None;
        while let Some(entry) = self.ask(segment, source, mode, IndexEntries::last_read_time)? {
            let last_offset = Offset(self.base_offset.0.saturating_add(i64::from(entry.relative)));
            if let Some(position) = self.batch_of(segment, source, mode, entry, last_offset)? {
                (from, largest) = (position, Some(entry));
                break;
            }
            self.if_writable(|entries| entries.forget_time(entry));
        }
        visit_headers(segment, source.format.as_ref(), from, segment.end(), mode, |_, header, _| {
            if let Some(relative) = relative(header.last_offset, self.base_offset) {
                let entry = TimeEntry { timestamp: header.max_timestamp, relative };
                largest = Some(entry).filter(|entry| is_younger(*entry, largest)).or(largest);
            }
            Ok(true)
        })?;
        self.if_writable(|entries| entries.prove(largest));
        let found = largest.map_or(Timestamp::NONE, |largest| largest.timestamp);
        Ok(self.known_largest().unwrap_or(found))
    }

    /// Whether the entries are in memory and the largest timestamp rests on what a file says.
    pub(crate) fn is_unproved(&self) -> bool {
        matches!(&*self.state.read(), State::Loaded(entries) if entries.is_unproved())
    }

    fn if_writable(&self, change: impl FnOnce(&mut IndexEntries)) {
        if let State::Loaded(entries) = &mut *self.state.write() {
            change(entries);
        }
    }

    /// Largest timestamp, where it is known without reading: [`Timestamp::NONE`] when no batch has one.
    pub(crate) fn known_largest(&self) -> Option<Timestamp> {
        let known = *self.largest.read();
        let ask = |entries: &IndexEntries| {
            let largest = entries.largest_timestamp().unwrap_or(Timestamp::NONE);
            (!entries.is_unproved()).then_some(largest)
        };
        known.or_else(|| self.if_loaded(ask).flatten())
    }

    /// Drops the entries of a sealed segment, whose files are complete, if they were not used since the last call.
    pub(crate) fn release(&self) -> usize {
        if self.used.swap(false, Ordering::Relaxed) {
            return 0;
        }
        let mut state = self.state.write();
        match &*state {
            State::Loaded(entries) => {
                let freed = entries.memory();
                self.note_largest(entries);
                *state = State::Stored;
                freed
            }
            State::Stored => 0,
        }
    }

    /// Notes an aborted transaction whose marker is in this segment.
    pub(crate) fn add_aborted(&self, aborted: AbortedTxn) {
        self.aborted.write().push(aborted);
    }

    /// Replaces the aborted transactions.
    pub(crate) fn set_aborted(&self, aborted: Vec<AbortedTxn>) {
        *self.aborted.write() = aborted;
    }

    /// The aborted transactions whose markers are in this segment.
    pub(crate) fn with_aborted<T>(&self, ask: impl FnOnce(&[AbortedTxn]) -> T) -> T {
        ask(&self.aborted.read())
    }
}

impl IndexedBatch {
    pub(crate) fn of(position: Position, header: &EntryHeader) -> Self {
        Self {
            position,
            last_offset: header.last_offset,
            max_timestamp: header.max_timestamp,
            size: header.size,
        }
    }
}

/// The header of the batch at `position`; `None`: there stands none.
fn batch_at(
    segment: &Segment,
    source: &IndexSource,
    position: Position,
    mode: ReadMode,
) -> Result<Option<EntryHeader>, PlanError> {
    let mut found = None;
    let visited =
        visit_headers(segment, source.format.as_ref(), position, segment.end(), mode, |_, header, _| {
            found = Some(*header);
            Ok(false)
        });
    match visited {
        Ok(()) | Err(PlanError::Corrupt { .. }) => Ok(found),
        Err(error) => Err(error),
    }
}

/// The entries in a segment's index files, as far as these can be read, are consistent and lie below `end`.
pub(crate) fn read_files(
    base_offset: Offset,
    source: &IndexSource,
    end: Position,
    end_offset: Offset,
) -> IndexEntries {
    // An index never has more entries than its segment has batches, and a batch has at least 61 bytes.
    let size_max = end.0;
    let read = |suffix| {
        let path = files::path(&source.directory, base_offset, suffix);
        files::read(source.disk.as_ref(), &path, size_max).ok().flatten().unwrap_or_default()
    };
    IndexEntries::from_files(base_offset, &read(INDEX), &read(TIME_INDEX), end, end_offset)
}

/// Reads the files of a sealed segment and completes what they lack.
fn load(segment: &Segment, source: &IndexSource) -> Result<IndexEntries, PlanError> {
    let (base, end) = (segment.base_offset(), segment.end());
    let stored = read_files(base, source, end, Offset(i64::MAX));
    let completed = complete(stored.clone(), segment, source, end, |_, _| ()).or_else(|error| match error {
        // The files may lead to a place where no batch begins; then the segment alone decides.
        PlanError::Corrupt { .. } => complete(IndexEntries::new(base), segment, source, end, |_, _| ()),
        other => Err(other),
    });
    match completed {
        Ok(mut entries) => {
            entries.finish();
            Ok(entries)
        }
        // The segment is damaged: what the files say leads to the batches in front of that and behind it.
        Err(PlanError::Corrupt { .. }) => Ok(stored.in_doubt()),
        Err(error) => Err(error),
    }
}

/// Hops from the last good entry to `end` and adds what is missing.
pub(crate) fn complete(
    mut entries: IndexEntries,
    segment: &Segment,
    source: &IndexSource,
    end: Position,
    mut visit: impl FnMut(Position, &EntryHeader),
) -> Result<IndexEntries, PlanError> {
    let from = entries.resume_position();
    let mut first = true;
    visit_headers(segment, source.format.as_ref(), from, end, ReadMode::Blocking, |position, header, _| {
        let batch = IndexedBatch::of(position, header);
        if first {
            entries.add_resumed(batch, source.interval_bytes);
            first = false;
        } else {
            entries.add(batch, source.interval_bytes);
        }
        visit(position, header);
        Ok(true)
    })?;
    Ok(entries)
}

/// Hops headers from `position` to `end` until `visit` says `false` or fails.
pub(crate) fn visit_headers(
    segment: &Segment,
    format: &dyn EntryFormat,
    position: Position,
    end: Position,
    mode: ReadMode,
    mut visit: impl FnMut(Position, &EntryHeader, &[u8]) -> Result<bool, PlanError>,
) -> Result<(), PlanError> {
    let mut failure = None;
    let result: Result<_, ReadProblem> =
        hop(segment, format, position, end, mode, |at, header, bytes| match visit(at, header, bytes) {
            Ok(true) => std::ops::ControlFlow::Continue(()),
            Ok(false) => std::ops::ControlFlow::Break(()),
            Err(error) => {
                failure = Some(error);
                std::ops::ControlFlow::Break(())
            }
        });
    result?;
    failure.map_or(Ok(()), Err)
}
