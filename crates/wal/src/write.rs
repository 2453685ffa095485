//! The work of one write: beginning segments where the log rolls, and gathered writes. Runs without any lock.

use std::io::{ErrorKind, IoSlice};
use std::path::Path;
use std::sync::Arc;

use highwater_disk::{DiskError, File, OpenMode, Operation, write_all_at};
use highwater_types::{Offset, Position};

use crate::names::{self, PREPARED, Place};
use crate::staging::{Chunk, Run, Unsynced};
use crate::{LogPoint, Segment, prepare};

/// Slices of one system call: half of what Linux takes, so that they fit on the stack of a small thread.
const SLICES_MAX: usize = 512;

/// Writes what was staged. Made by [`Wal::begin_write`](crate::Wal::begin_write), handed back to
/// [`Wal::end_write`](crate::Wal::end_write) with the result of [`WriteJob::run`], which is called once.
#[derive(Debug)]
pub struct WriteJob {
    pub(crate) place: Arc<Place>,
    pub(crate) chunk: Chunk,
    /// The segment that was active before; `None` when there was none.
    pub(crate) active: Option<Arc<Segment>>,
    /// Size of a full segment.
    pub(crate) segment_bytes: u64,
    /// Whether blocks may be reserved ahead.
    pub(crate) reserves: bool,
    /// Whether `next.prep` may be taken.
    pub(crate) prepared: bool,
    /// Segments that the job began, ascending.
    pub(crate) created: Vec<Arc<Segment>>,
    pub(crate) end: LogPoint,
}

impl WriteJob {
    /// Writes. Waits for the disk.
    ///
    /// # Errors
    /// Lack of space: everything that the job wrote was taken back. Anything else: it is unknown how much was written.
    pub fn run(&mut self) -> Result<(), DiskError> {
        let error = match self.write() {
            Err(error) if error.is_out_of_space() => error,
            result => return result,
        };
        match self.take_back() {
            Ok(()) => Err(error),
            // What is in the files now is doubtful, which lack of space alone does not say.
            Err(DiskError { operation, path, source }) => {
                Err(DiskError { operation, path, source: std::io::Error::other(source) })
            }
        }
    }

    /// Whether it may reserve blocks ahead of what it writes, where it would; so it is unless it is said not to.
    pub fn reserve_ahead(&mut self, may: bool) {
        self.reserves = may;
    }

    /// Bytes that it writes.
    pub fn bytes(&self) -> u64 {
        self.chunk.bytes
    }

    /// Segments that it began.
    pub fn segments_begun(&self) -> usize {
        self.created.len()
    }

    /// Place behind the last entry that it writes.
    pub fn end(&self) -> LogPoint {
        self.end
    }

    /// What it writes, where that is one piece of a segment that was there before: the segment, the position of its first byte,
    /// and its bytes in slices.
    pub fn piece(&self) -> Option<(Offset, Position, impl Iterator<Item = &[u8]>)> {
        match self.chunk.runs.as_slice() {
            [run] if !run.begins => Some((run.segment, run.start, self.chunk.slices(run))),
            _ => None,
        }
    }

    fn write(&mut self) -> Result<(), DiskError> {
        let mut current = self.active.clone();
        let mut end = current.as_ref().map_or(Position::ZERO, |segment| segment.end());
        for index in 0..self.chunk.runs.len() {
            let Some(run) = self.chunk.runs.get(index).copied() else { break };
            let segment = match current.take().filter(|_| !run.begins) {
                Some(segment) => segment,
                None => {
                    self.seal(end)?;
                    self.begin_segment(run.segment)?
                }
            };
            let file = segment.writable_file()?;
            self.chunk.written.push(Unsynced { segment: segment.clone(), file: file.clone() });
            self.write_run(file.as_ref(), &run, &segment)?;
            end = run.end;
            current = Some(segment);
        }
        Ok(())
    }

    /// Gives back what was reserved behind the end of the segment that gets no more entries.
    fn seal(&self, end: Position) -> Result<(), DiskError> {
        let sealed = self.created.last().or(self.active.as_ref());
        sealed.map_or(Ok(()), |segment| segment.trim(end).map(drop))
    }

    fn begin_segment(&mut self, base_offset: Offset) -> Result<Arc<Segment>, DiskError> {
        let segment = Arc::new(Segment::new(self.place.clone(), base_offset, Position::ZERO));
        let path = segment.path();
        let renamed = std::mem::take(&mut self.prepared) && self.take_prepared(&path)?;
        segment.set_reserved(renamed);
        let mode = if renamed { OpenMode::ReadWrite } else { OpenMode::CreateNew };
        self.created.push(segment.clone());
        let file = self.place.disk.open(&path, mode).map_err(DiskError::at(Operation::Open, &path))?;
        segment.set_writable_file(file);
        Ok(segment)
    }

    /// Gives the prepared file its name; `false` when it is gone.
    fn take_prepared(&self, path: &Path) -> Result<bool, DiskError> {
        match self.place.rename(&self.place.path(PREPARED), path) {
            Err(error) if error.source.kind() == ErrorKind::NotFound => Ok(false),
            result => result.map(|()| true),
        }
    }

    fn write_run(&self, file: &dyn File, run: &Run, segment: &Segment) -> Result<(), DiskError> {
        let mut slices = self.chunk.slices(run);
        let mut buffer = [IoSlice::new(&[]); SLICES_MAX];
        let mut position = run.start.0;
        let window = prepare::ahead(self.segment_bytes, run.start, run.end);
        if let Some(window) = window.filter(|_| self.reserves) {
            segment.reserve(file, run.start, run.end, window);
        }
        loop {
            let count = slices.fill(&mut buffer);
            let Some(filled) = buffer.get_mut(..count).filter(|filled| !filled.is_empty()) else {
                return Ok(());
            };
            let size: u64 = filled.iter().map(|slice| slice.len() as u64).sum();
            write_all_at(file, filled, position).map_err(|source| DiskError {
                operation: Operation::Write,
                path: segment.path(),
                source,
            })?;
            position = position.saturating_add(size);
        }
    }

    /// Gives back the space that the job took, durably: nothing of it was published, and recovery then finds the log as
    /// it was, without needing space itself.
    fn take_back(&mut self) -> Result<(), DiskError> {
        let begun = !self.created.is_empty();
        while let Some(segment) = self.created.pop() {
            self.place.remove(&names::segment(segment.base_offset()))?;
        }
        if begun {
            self.place.sync_directory()?;
        }
        let first = self.chunk.runs.first().filter(|run| !run.begins);
        if let (Some(run), Some(active)) = (first, &self.active) {
            let (file, path) = (active.writable_file()?, active.path());
            file.set_length(run.start.0).map_err(DiskError::at(Operation::SetLength, &path))?;
            file.sync_data().map_err(DiskError::at(Operation::Sync, &path))?;
            active.set_reserved(false);
        }
        Ok(())
    }
}
