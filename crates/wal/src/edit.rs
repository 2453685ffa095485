//! Changing what is already written: removing from the beginning, cutting the end, replacing in the middle. Reads that
//! run meanwhile hold their segments open and see them as they were: no file is ever shortened or overwritten here.

use std::path::PathBuf;
use std::sync::Arc;

use highwater_disk::{DiskError, OpenMode, Operation};
use highwater_types::{Offset, Position};

use crate::names::{self, Place};
use crate::swap::{self, Swap};
use crate::{LogPoint, Segment, Wal, WalError};

/// Puts one file in the place of some sealed segments. Made by [`Wal::begin_replace`], handed back to
/// [`Wal::end_replace`] with the result of [`ReplaceJob::run`].
#[derive(Debug)]
pub struct ReplaceJob {
    place: Arc<Place>,
    old: Vec<Arc<Segment>>,
    swap: Swap,
    end: Position,
}

impl ReplaceJob {
    /// Syncs the replacement and renames. Waits for the disk.
    ///
    /// # Errors
    /// What the file system says. What is half done, recovery finishes or undoes.
    pub fn run(&self) -> Result<(), DiskError> {
        for segment in &self.old {
            segment.retire()?;
        }
        let path = self.place.path(&names::cleaned(self.swap.base));
        let file = self.place.disk.open(&path, OpenMode::ReadWrite);
        let file = file.map_err(DiskError::at(Operation::Open, &path))?;
        file.sync_data().map_err(DiskError::at(Operation::Sync, &path))?;
        let old: Vec<Offset> = self.old.iter().map(|segment| segment.base_offset()).collect();
        self.swap.run(&self.place, &old)
    }
}

impl Wal {
    /// Takes out of the list, oldest first, the sealed segments all of whose offsets are below `offset`; the active one
    /// too when [`Wal::roll`] was called and nothing is staged or in flight. Memory only: the caller makes the new
    /// beginning of the log durable, then renames the files to `<base>.log.deleted` and at last unlinks them.
    pub fn remove_before(&mut self, offset: Offset) -> Vec<Arc<Segment>> {
        let next_bases = self.segments.iter().skip(1).map(|next| next.base_offset());
        let mut count = next_bases.take_while(|next| *next <= offset).count();
        let all_but_last = count + 1 == self.segments.len();
        if all_but_last && self.is_sealed_at_end() && self.written.offset <= offset {
            count += 1;
        }
        if let Some((base, _)) = self.replacing {
            count =
                count.min(self.segments.iter().take_while(|segment| segment.base_offset() < base).count());
        }
        let removed: Vec<_> = self.segments.drain(..count).collect();
        if self.segments.is_empty() && !removed.is_empty() {
            self.restart_at_end();
        }
        removed
    }

    /// Where the replacement of segments, the first of which begins at `base`, is to be written before
    /// [`Wal::begin_replace`]. Recovery removes it as long as that has not run.
    pub fn replacement_path(&self, base: Offset) -> PathBuf {
        self.place.path(&names::cleaned(base))
    }

    /// Takes the replacement of the segments with these base offsets by the file at [`Wal::replacement_path`] of the
    /// first one, whose entries end at `end`, as a job. The offsets of its entries rise within the old range. What is
    /// left may have holes, so the log is to be recovered with [`RecoverFrom::holes_allowed`](crate::RecoverFrom).
    ///
    /// # Errors
    /// [`WalError::OutOfRange`]: these are not consecutive, sealed and synced segments of the log.
    /// [`WalError::Busy`]: another replacement is in flight. [`WalError::Closed`].
    pub fn begin_replace(&mut self, old: &[Offset], end: Position) -> Result<ReplaceJob, WalError> {
        if self.is_closed() {
            return Err(WalError::Closed);
        }
        if self.replacing.is_some() {
            return Err(WalError::Busy);
        }
        let base = old.first().copied().unwrap_or_default();
        let out_of_range = WalError::OutOfRange(LogPoint::start_of(base));
        let first = self.segments.iter().position(|segment| segment.base_offset() == base);
        let first = first.filter(|_| !old.is_empty());
        let Some(first) = first else { return Err(out_of_range) };
        let covered = self.segments.get(first..first + old.len()).unwrap_or_default();
        let same = covered.iter().map(|segment| segment.base_offset()).eq(old.iter().copied());
        let next = self.segments.get(first + old.len()).map(|next| next.base_offset());
        match next.filter(|next| same && *next <= self.synced.offset) {
            Some(next) => {
                self.replacing = Some((base, next));
                let swap = Swap { base, end: next, suspect: false };
                Ok(ReplaceJob { place: self.place.clone(), old: covered.to_vec(), swap, end })
            }
            None => Err(out_of_range),
        }
    }

    /// Takes a finished replacement into account and returns the replaced segments, whose files are called
    /// `<base>.log.deleted` or have no name any more. An error closes the log for writing.
    pub fn end_replace(&mut self, job: ReplaceJob, result: Result<(), DiskError>) -> Vec<Arc<Segment>> {
        self.replacing = None;
        if let Err(error) = result {
            self.fail(error);
            return Vec::new();
        }
        let first = self.segments.partition_point(|segment| segment.base_offset() < job.swap.base);
        let behind = self.segments.partition_point(|segment| segment.base_offset() < job.swap.end);
        let new = Arc::new(Segment::new(self.place.clone(), job.swap.base, job.end));
        self.segments.splice(first..behind, [new]);
        job.old
    }

    /// Ends the log at `to`. What was behind it is kept as `<base>.cut-<position>`, one file a segment. Waits for the
    /// disk: the part of the last segment that stays is copied, so that running reads see the old one to its end. The
    /// caller lowers its recovery point and boundary to `to` first, durably: otherwise a crash in between is reported
    /// as corruption.
    ///
    /// # Errors
    /// [`WalError::OutOfRange`]: no such place; [`WalError::Busy`]: something is staged or in flight;
    /// [`WalError::Closed`]. [`WalError::Disk`]: the log is closed for writing, and ends at `to` or behind it.
    pub fn truncate(&mut self, to: LogPoint) -> Result<(), WalError> {
        if self.is_closed() {
            return Err(WalError::Closed);
        }
        if self.is_busy() || self.replacing.is_some() {
            return Err(WalError::Busy);
        }
        if to == self.written {
            return Ok(());
        }
        let index = self.segments.iter().position(|segment| segment.base_offset() == to.segment);
        let last = index.and_then(|index| self.segments.get(index)).filter(|last| to.position <= last.end());
        let (Some(index), Some(last)) = (index, last.cloned()) else { return Err(WalError::OutOfRange(to)) };
        if to > self.written {
            return Err(WalError::OutOfRange(to));
        }
        let result = self.cut_files(&last, index, to.position);
        match result {
            Ok(()) => {
                self.segments.truncate(index);
                self.segments.push(Arc::new(Segment::new(self.place.clone(), to.segment, to.position)));
                self.end_at(to);
                Ok(())
            }
            Err(error) => {
                self.fail(crate::wal::copy_of(&error));
                Err(WalError::Disk(error))
            }
        }
    }

    /// Later segments go first, last one first, each durably: whatever a crash leaves is the beginning of the log.
    fn cut_files(&self, last: &Arc<Segment>, index: usize, position: Position) -> Result<(), DiskError> {
        for later in self.segments.get(index + 1..).unwrap_or_default().iter().rev() {
            later.retire()?;
            let name = self.place.free_name(&names::cut(later.base_offset(), Position::ZERO))?;
            self.place.rename(&later.path(), &self.place.path(&name))?;
            self.place.sync_directory()?;
        }
        last.retire()?;
        let (base, path) = (last.base_offset(), last.path());
        let file = last.file().map_err(DiskError::at(Operation::Open, &path))?;
        if position < last.end() {
            swap::save_cut(&self.place, base, file.as_ref(), (position.0, last.end().0))?;
        }
        let cleaned = self.place.path(&names::cleaned(base));
        swap::copy(&self.place, file.as_ref(), &path, (0, position.0), &cleaned)?;
        Swap { base, end: base.next(), suspect: false }.run(&self.place, &[base])
    }
}
