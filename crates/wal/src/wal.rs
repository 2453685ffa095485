//! The log itself: what is staged, written and synced, and which work is in flight. Memory only, except
//! [`Wal::close`].
//!
//! Invariants:
//! - filed end ≤ synced end ≤ written end ≤ staged end; the first two differ by what only a journal of the owner's has made
//!   durable.
//! - At most one write, one sync and one preparation are in flight.
//! - `segments` holds what finished writes have made, ascending by base offset; the last one is active.
//! - After a failed job nothing is staged, written or synced any more.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use highwater_disk::{Disk, DiskError, File, Operation};
use highwater_types::{Offset, Position};

use crate::names::{self, Place};
use crate::prepare::{self, Preparation};
use crate::staging::{Chunk, Unsynced};
use crate::{
    EntryFormat, Failure, LogPoint, Placement, PrepareJob, Segment, StageError, SyncJob, TrimJob, WalError,
    WalOptions, WriteJob,
};

/// Chunks that are kept to be used again: one is filled while one is written.
const SPARE_CHUNKS_MAX: usize = 2;
/// Segments that one write job begins at most: a bound on its open files where segments are tiny.
const RUNS_MAX: usize = 64;

/// One log: its segments, and what is on its way into them.
#[derive(Debug)]
pub struct Wal {
    pub(crate) place: Arc<Place>,
    pub(crate) format: Arc<dyn EntryFormat>,
    options: WalOptions,
    pub(crate) segments: Vec<Arc<Segment>>,
    /// Chunks to be written, oldest first; the last one is being filled.
    queue: VecDeque<Chunk>,
    spare_chunks: Vec<Chunk>,
    staged_bytes: u64,
    /// The next entry begins a segment.
    roll: bool,
    pub(crate) staged: LogPoint,
    pub(crate) written: LogPoint,
    pub(crate) synced: LogPoint,
    /// End of what is durable in the log's own files.
    filed: LogPoint,
    /// End of what is on its way into a journal.
    journaled: LogPoint,
    writing: bool,
    syncing: bool,
    /// The sync in flight makes names durable.
    syncing_names: bool,
    unsynced: Vec<Unsynced>,
    /// A name of a written file is not durable.
    names_unsynced: bool,
    unsynced_bytes: u64,
    spare_lists: (Vec<Unsynced>, Vec<Arc<dyn File>>),
    preparation: Preparation,
    /// Bytes that the last sync covered.
    recent_bytes: u64,
    pub(crate) replacing: Option<(Offset, Offset)>,
    failure: Option<Failure>,
    closed: bool,
}

impl Wal {
    /// An empty log whose first entry has at least `base_offset`. Touches no disk: `directory` must exist by the first
    /// write, whose job makes the first file.
    pub fn create(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        format: Arc<dyn EntryFormat>,
        options: WalOptions,
        base_offset: Offset,
    ) -> Self {
        let place = Arc::new(Place { disk, directory });
        Self::assemble(place, format, options, Vec::new(), LogPoint::start_of(base_offset))
    }

    /// A log with these segments, all of them synced; the last one ends at `end`.
    pub(crate) fn assemble(
        place: Arc<Place>,
        format: Arc<dyn EntryFormat>,
        options: WalOptions,
        segments: Vec<Arc<Segment>>,
        end: LogPoint,
    ) -> Self {
        Self {
            place,
            format,
            options,
            roll: segments.is_empty(),
            segments,
            queue: VecDeque::new(),
            spare_chunks: Vec::new(),
            staged_bytes: 0,
            staged: end,
            written: end,
            synced: end,
            filed: end,
            journaled: end,
            writing: false,
            syncing: false,
            syncing_names: false,
            unsynced: Vec::new(),
            names_unsynced: false,
            unsynced_bytes: 0,
            spare_lists: (Vec::new(), Vec::new()),
            preparation: Preparation::Nothing,
            recent_bytes: 0,
            replacing: None,
            failure: None,
            closed: false,
        }
    }

    // --- staging --------------------------------------------------------------------------------------------------

    /// Takes an entry, which covers the offsets from the first to the last of `offsets` (inclusive), into memory. The
    /// header is copied, the payload shared until it is written. The caller vouches that they are an entry that the
    /// format can read back.
    ///
    /// # Errors
    /// [`StageError`]: nothing was taken.
    pub fn stage(
        &mut self,
        header: &[u8],
        payload: Bytes,
        offsets: (Offset, Offset),
    ) -> Result<Placement, StageError> {
        let size = (header.len() as u64).saturating_add(payload.len() as u64);
        let (start, end, begins) = self.plan(size, offsets)?;
        if self.queue.back().is_none_or(|chunk| !self.fits(chunk, size)) {
            self.queue.push_back(self.spare_chunks.pop().unwrap_or_default());
        }
        if let Some(chunk) = self.queue.back_mut() {
            chunk.push(header, payload, start, end, begins);
        }
        self.staged_bytes = self.staged_bytes.saturating_add(size);
        self.staged = end;
        self.roll &= !begins;
        Ok(Placement { segment: end.segment, position: start, rolled: begins })
    }

    /// As [`Wal::stage`], of an entry in one piece that is copied and whose header tells its offsets. It is not checked
    /// against its checksum.
    ///
    /// # Errors
    /// [`StageError`]: nothing was taken.
    pub fn stage_copy(&mut self, entry: &[u8]) -> Result<Placement, StageError> {
        let size = entry.len() as u64;
        if entry.len() < self.format.header_size() {
            return Err(StageError::TooShort { size });
        }
        let header = self.format.parse(entry).map_err(StageError::Entry)?;
        if header.size != size {
            let length = i64::try_from(header.size).unwrap_or(i64::MAX);
            return Err(StageError::Entry(crate::EntryError::BadLength { length }));
        }
        self.stage(entry, Bytes::new(), (header.base_offset, header.last_offset))
    }

    /// Where an entry goes: its first byte, the place behind it, and whether it begins a segment.
    fn plan(
        &self,
        size: u64,
        (base, last): (Offset, Offset),
    ) -> Result<(Position, LogPoint, bool), StageError> {
        if self.closed || self.failure.is_some() {
            return Err(StageError::Closed);
        }
        if size < self.format.header_size() as u64 {
            return Err(StageError::TooShort { size });
        }
        if base < self.staged.offset || last < base || last.0 == i64::MAX {
            return Err(StageError::Offsets { base, last, end: self.staged.offset });
        }
        let position = self.staged.position;
        let behind = position.checked_add(size).filter(|end| end.0 <= self.options.segment_bytes);
        let begins = self.roll || (position > Position::ZERO && behind.is_none());
        let (segment, start) = if begins { (base, Position::ZERO) } else { (self.staged.segment, position) };
        let end = Position(start.0.saturating_add(size));
        Ok((start, LogPoint { offset: last.next(), segment, position: end }, begins))
    }

    fn fits(&self, chunk: &Chunk, size: u64) -> bool {
        let runs_max = if self.place.disk.is_short_of_descriptors() { 1 } else { RUNS_MAX };
        let room = chunk.bytes.saturating_add(size) <= self.options.max_write_bytes;
        chunk.is_empty() || (room && chunk.runs.len() < runs_max)
    }

    /// Lets the next staged entry begin a new segment. Without effect while the active one is empty.
    pub fn roll(&mut self) {
        self.roll |= self.staged.position > Position::ZERO;
    }

    // --- writing --------------------------------------------------------------------------------------------------

    /// Takes what is staged, up to [`WalOptions::max_write_bytes`], as a job. `None` when nothing is staged or a write
    /// is in flight.
    pub fn begin_write(&mut self) -> Option<WriteJob> {
        if self.writing || self.failure.is_some() {
            return None;
        }
        let chunk = self.queue.pop_front()?;
        self.writing = true;
        self.staged_bytes = self.staged_bytes.saturating_sub(chunk.bytes);
        let rolls = chunk.runs.iter().any(|run| run.begins);
        let prepared = rolls && self.preparation == Preparation::Ready;
        if prepared {
            self.preparation = Preparation::Nothing;
        }
        Some(WriteJob {
            place: self.place.clone(),
            end: chunk.end.unwrap_or(self.written),
            chunk,
            active: self.segments.last().cloned(),
            segment_bytes: self.options.segment_bytes,
            reserves: true,
            prepared,
            created: Vec::new(),
        })
    }

    /// Takes a finished write into account: its entries may be read. An error closes the log for writing.
    pub fn end_write(&mut self, mut job: WriteJob, result: Result<(), DiskError>) {
        self.writing = false;
        let ok = result.is_ok();
        self.names_unsynced |= !job.created.is_empty();
        for unsynced in job.chunk.written.drain(..) {
            let known = self.unsynced.iter().any(|known| Arc::ptr_eq(&known.segment, &unsynced.segment));
            if !known {
                self.unsynced.push(unsynced);
            }
        }
        if let Err(error) = result {
            self.fail(error);
        }
        if !ok || self.failure.is_some() {
            // What it created keeps its descriptors through `unsynced`; recovery decides about the files.
            return;
        }
        self.segments.append(&mut job.created);
        for run in &job.chunk.runs {
            let segment = self.segments.iter().rfind(|segment| segment.base_offset() == run.segment);
            segment.into_iter().for_each(|segment| segment.set_end(run.end));
        }
        self.written = job.end;
        self.unsynced_bytes = self.unsynced_bytes.saturating_add(job.chunk.bytes);
        if self.spare_chunks.len() < SPARE_CHUNKS_MAX {
            job.chunk.clear();
            self.spare_chunks.push(job.chunk);
        }
    }

    /// Takes the giving back of blocks that were reserved behind the end as a job; no write runs meanwhile. `None` while one
    /// does, or where nothing is reserved.
    pub fn begin_trim(&mut self) -> Option<TrimJob> {
        let active = self.segments.last().filter(|active| active.is_reserved())?;
        if self.writing || self.is_closed() {
            return None;
        }
        let job = TrimJob { segment: active.clone(), end: self.written.position };
        self.writing = true;
        Some(job)
    }

    /// Takes a finished trim into account.
    pub fn end_trim(&mut self, job: TrimJob) {
        drop(job);
        self.writing = false;
    }

    // --- syncing --------------------------------------------------------------------------------------------------

    /// Takes everything that is written and not synced as a job. `None` when there is nothing or a sync is in flight.
    pub fn begin_sync(&mut self) -> Option<SyncJob> {
        let idle = self.unsynced.is_empty() && !self.names_unsynced;
        if self.syncing || self.failure.is_some() || idle {
            return None;
        }
        self.syncing = true;
        self.syncing_names = self.names_unsynced;
        let (spare, mut files) = std::mem::take(&mut self.spare_lists);
        let unsynced = std::mem::replace(&mut self.unsynced, spare);
        files.extend(unsynced.iter().map(|unsynced| unsynced.file.clone()));
        Some(SyncJob {
            place: self.place.clone(),
            unsynced,
            files,
            names: std::mem::take(&mut self.names_unsynced),
            end: self.written,
            bytes: std::mem::take(&mut self.unsynced_bytes),
        })
    }

    /// Takes a finished sync into account: what it covered is durable. An error closes the log for writing; the sync is
    /// not tried again.
    pub fn end_sync(&mut self, mut job: SyncJob, result: Result<(), DiskError>) {
        self.syncing = false;
        self.syncing_names = false;
        match result {
            Ok(()) => {
                // The same place may have become the beginning of a segment meanwhile, when all segments were removed.
                let all = job.end.offset == self.written.offset;
                self.filed = self.filed.max(if all { self.written } else { job.end });
                self.synced = self.synced.max(self.filed);
                self.recent_bytes = job.bytes;
                job.files.clear();
                for Unsynced { segment, file } in job.unsynced.drain(..) {
                    drop(file);
                    segment.release_if_short();
                }
                self.spare_lists = (job.unsynced, job.files);
            }
            Err(error) => {
                self.unsynced.append(&mut job.unsynced);
                self.fail(error);
            }
        }
    }

    pub(crate) fn fail(&mut self, error: DiskError) {
        let harmless = error.is_out_of_space() && error.operation != Operation::Sync;
        let suspect = (!harmless).then_some(self.filed);
        let failure = self.failure.get_or_insert(Failure { error, suspect });
        failure.suspect = failure.suspect.or(suspect);
        self.queue.clear();
        self.staged_bytes = 0;
    }

    // --- journaling -----------------------------------------------------------------------------------------------

    /// Whether what was just written from `start` on may be made durable by a journal, instead of a sync: everything before it
    /// is durable or on its way into the journal, and so is the name of its file.
    pub fn may_journal(&self, start: Offset) -> bool {
        let names_durable = !self.names_unsynced && !self.syncing_names;
        let follows = start == self.synced.offset.max(self.journaled.offset);
        names_durable && follows && !self.is_closed()
    }

    /// Everything up to the written end is on its way into a journal.
    pub fn begin_journal(&mut self) {
        self.journaled = self.written;
    }

    /// The owner's journal holds everything up to `end`, durably, and keeps it until the log's own files do
    /// ([`Wal::filed_end`]). Without effect on a log that failed meanwhile.
    pub fn end_journal(&mut self, end: LogPoint) {
        if self.failure.is_none() {
            let all = end.offset == self.written.offset;
            self.synced = self.synced.max(if all { self.written } else { end });
        }
    }

    /// The journal did not take what was on its way: a sync must cover it.
    pub fn fail_journal(&mut self) {
        self.journaled = self.synced;
    }

    // --- preparing ------------------------------------------------------------------------------------------------

    /// Takes the preparation of the next segment's file as a job to be run in the background. `None` while it is not
    /// worth it: the active segment is less than half full, one is prepared already, or options say no.
    pub fn begin_prepare(&mut self) -> Option<PrepareJob> {
        let half_full = self.staged.position.0 >= self.options.segment_bytes / 2;
        let wanted = self.options.prepare && half_full && !self.segments.is_empty();
        let possible = self.preparation == Preparation::Nothing && self.failure.is_none() && !self.closed;
        if !wanted || !possible {
            return None;
        }
        self.preparation = Preparation::InFlight;
        Some(PrepareJob { place: self.place.clone(), window: prepare::window(self.recent_bytes) })
    }

    /// Takes a finished preparation into account. An error changes nothing: a roll then makes its file itself.
    pub fn end_prepare(&mut self, job: PrepareJob, result: Result<(), DiskError>) {
        drop(job);
        self.preparation = if result.is_ok() { Preparation::Ready } else { Preparation::Nothing };
    }

    // --- questions ------------------------------------------------------------------------------------------------

    /// End of what was taken into memory.
    pub fn staged_end(&self) -> LogPoint {
        self.staged
    }

    /// End of what is in files: it survives the death of the process.
    pub fn written_end(&self) -> LogPoint {
        self.written
    }

    /// End of what is durable: it survives power loss.
    pub fn synced_end(&self) -> LogPoint {
        self.synced
    }

    /// End of what is durable in the log's own files, whatever a journal holds.
    pub fn filed_end(&self) -> LogPoint {
        self.filed
    }

    /// Bytes that are staged and not yet taken by a write job.
    pub fn staged_bytes(&self) -> u64 {
        self.staged_bytes
    }

    /// Why the log is closed for writing until it is recovered; `None` while it is not.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// The segments that finished writes have made, ascending by base offset. The last is the active one; none before
    /// the first write.
    pub fn segments(&self) -> &[Arc<Segment>] {
        &self.segments
    }

    /// The format of the entries.
    pub fn format(&self) -> &Arc<dyn EntryFormat> {
        &self.format
    }

    /// The options in force.
    pub fn options(&self) -> WalOptions {
        self.options
    }

    /// Takes other options, from the next staged entry on.
    pub fn set_options(&mut self, options: WalOptions) {
        self.options = options;
    }

    /// Frees buffers that are kept to be used again. For a log that has become idle.
    pub fn release_memory(&mut self) {
        self.spare_chunks = Vec::new();
        self.spare_lists = (Vec::new(), Vec::new());
        self.queue.shrink_to_fit();
    }

    /// Whether a write or sync is in flight or something is staged.
    pub(crate) fn is_busy(&self) -> bool {
        self.writing || self.syncing || !self.queue.is_empty()
    }

    /// Whether nothing may be written any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed || self.failure.is_some()
    }

    /// Whether the active segment gets no more entries, since the next one begins another.
    pub(crate) fn is_sealed_at_end(&self) -> bool {
        self.roll && !self.is_busy()
    }

    /// The log begins anew at its end: its segments are gone.
    pub(crate) fn restart_at_end(&mut self) {
        let end = LogPoint::start_of(self.staged.offset);
        if self.synced == self.written {
            (self.synced, self.filed, self.journaled) = (end, end, end);
        }
        (self.staged, self.written) = (end, end);
        self.roll = true;
    }

    /// The log ends at `end`, in the last of its segments.
    pub(crate) fn end_at(&mut self, end: LogPoint) {
        (self.staged, self.written, self.synced) = (end, end, end);
        (self.filed, self.journaled) = (end, end);
        self.roll = self.segments.is_empty();
    }

    // --- the end --------------------------------------------------------------------------------------------------

    /// The clean stop: syncs what is not, cuts every file to its end and removes what was prepared. Waits for the
    /// disk. The log takes nothing afterwards.
    ///
    /// # Errors
    /// [`WalError::Busy`] while something is staged or in flight; [`WalError::Closed`] when a job failed before;
    /// otherwise what the file system says, and the log is closed for writing.
    pub fn close(&mut self) -> Result<(), WalError> {
        if self.failure.is_some() {
            return Err(WalError::Closed);
        }
        if self.is_busy() || self.preparation == Preparation::InFlight {
            return Err(WalError::Busy);
        }
        self.closed = true;
        if let Some(active) = self.segments.last()
            && active.trim(self.written.position)?
        {
            let file = active.writable_file()?;
            self.unsynced.push(Unsynced { segment: active.clone(), file });
        }
        if self.preparation == Preparation::Ready {
            self.place.remove(names::PREPARED)?;
            self.preparation = Preparation::Nothing;
        }
        let Some(job) = self.begin_sync() else { return Ok(()) };
        let result = job.run();
        let failed = result.as_ref().err().map(copy_of);
        self.end_sync(job, result);
        failed.map_or(Ok(()), |error| Err(WalError::Disk(error)))
    }
}

/// The same error once more: one for the caller, one to remember.
pub(crate) fn copy_of(error: &DiskError) -> DiskError {
    let source = match error.source.raw_os_error() {
        Some(code) => std::io::Error::from_raw_os_error(code),
        None => std::io::Error::new(error.source.kind(), error.source.to_string()),
    };
    DiskError { operation: error.operation, path: error.path.clone(), source }
}
