//! One segment: a file of entries back to back. Shared by reference count between the log, its jobs and running
//! reads, which go on when the segment leaves the log.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use highwater_disk::{DiskError, File, FileRange, OpenMode, Operation};
use highwater_types::{Offset, Position};

use crate::names::{self, Place};

/// One file of a log.
#[derive(Debug)]
pub struct Segment {
    place: Arc<Place>,
    base_offset: Offset,
    end: AtomicU64,
    handle: Mutex<Option<Handle>>,
    /// The file may have blocks beyond its end.
    reserved: AtomicBool,
    /// How far blocks were reserved ahead of the entries; below the end where they were not.
    reserved_end: AtomicU64,
    /// Out of the log: the handle is kept, since the name may go or come to mean another file.
    retired: AtomicBool,
}

#[derive(Debug)]
struct Handle {
    file: Arc<dyn File>,
    writable: bool,
}

impl Segment {
    pub(crate) fn new(place: Arc<Place>, base_offset: Offset, end: Position) -> Self {
        Self {
            place,
            base_offset,
            end: AtomicU64::new(end.0),
            handle: Mutex::new(None),
            reserved: AtomicBool::new(false),
            reserved_end: AtomicU64::new(0),
            retired: AtomicBool::new(false),
        }
    }

    /// The offset in its name: not above that of its first entry.
    pub fn base_offset(&self) -> Offset {
        self.base_offset
    }

    /// End of the written entries. Grows while the segment is active; the file may be longer.
    pub fn end(&self) -> Position {
        Position(self.end.load(Ordering::Acquire))
    }

    /// Where the file is. After removal it may have gone from there.
    pub fn path(&self) -> PathBuf {
        self.place.segment_path(self.base_offset)
    }

    /// The open file; opened for reading when it is not open, and then kept open unless the disk is short of descriptors.
    ///
    /// # Errors
    /// What opening says; `NotFound` when the segment was removed and its file unlinked before anybody opened it.
    pub fn file(&self) -> io::Result<Arc<dyn File>> {
        let mut handle = self.lock();
        if let Some(open) = &*handle {
            return Ok(open.file.clone());
        }
        let open = self.place.disk.open(&self.path(), OpenMode::Read);
        let file = match open {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let deleted = self.place.path(&names::deleted(self.base_offset));
                self.place.disk.open(&deleted, OpenMode::Read).map_err(|_| error)?
            }
            result => result?,
        };
        if self.retired.load(Ordering::Relaxed) || !self.place.disk.is_short_of_descriptors() {
            *handle = Some(Handle { file: file.clone(), writable: false });
        }
        Ok(file)
    }

    /// Whether reading it now takes no descriptor that others may need: it is open, or the disk has plenty.
    pub fn is_open_or_may_be(&self) -> bool {
        self.lock().is_some() || !self.place.disk.is_short_of_descriptors()
    }

    /// The open file, if it is open.
    pub fn cached_file(&self) -> Option<Arc<dyn File>> {
        self.lock().as_ref().map(|open| open.file.clone())
    }

    /// Closes the file to save a descriptor, unless it is in use: unsynced bytes and running reads keep it. Returns
    /// whether it was closed; it is opened again on demand.
    pub fn release(&self) -> bool {
        let mut handle = self.lock();
        let idle = handle.as_ref().is_some_and(|open| Arc::strong_count(&open.file) == 1);
        let closes = idle && !self.retired.load(Ordering::Relaxed);
        if closes {
            *handle = None;
        }
        closes
    }

    /// As [`Segment::release`], where the disk is short of descriptors.
    pub(crate) fn release_if_short(&self) {
        if self.place.disk.is_short_of_descriptors() {
            self.release();
        }
    }

    /// The bytes `from..to` of the file; empty when `to` is not above `from`.
    ///
    /// # Errors
    /// What opening the file says.
    pub fn range(&self, from: Position, to: Position) -> io::Result<FileRange> {
        let size = to.0.saturating_sub(from.0);
        Ok(FileRange { file: self.file()?, position: from.0, size })
    }

    /// The open file for writing.
    pub(crate) fn writable_file(&self) -> Result<Arc<dyn File>, DiskError> {
        let mut handle = self.lock();
        if let Some(open) = handle.as_ref().filter(|open| open.writable) {
            return Ok(open.file.clone());
        }
        let path = self.path();
        let file = self.place.disk.open(&path, OpenMode::ReadWrite);
        let file = file.map_err(DiskError::at(Operation::Open, &path))?;
        *handle = Some(Handle { file: file.clone(), writable: true });
        Ok(file)
    }

    pub(crate) fn set_writable_file(&self, file: Arc<dyn File>) {
        *self.lock() = Some(Handle { file, writable: true });
    }

    pub(crate) fn set_end(&self, end: Position) {
        self.end.store(end.0, Ordering::Release);
    }

    pub(crate) fn set_reserved(&self, reserved: bool) {
        self.reserved.store(reserved, Ordering::Relaxed);
        self.reserved_end.store(0, Ordering::Relaxed);
    }

    /// Reserves `window` bytes of blocks from `start` on, unless those of a write up to `end` are reserved already. Only a head
    /// start: what cannot be had, the write is told.
    pub(crate) fn reserve(&self, file: &dyn File, start: Position, end: Position, window: u64) {
        if end.0 <= self.reserved_end.load(Ordering::Relaxed) {
            return;
        }
        self.reserved.store(true, Ordering::Relaxed);
        self.reserved_end.store(start.0.saturating_add(window), Ordering::Relaxed);
        let _ = file.allocate(start.0, window);
    }

    pub(crate) fn is_reserved(&self) -> bool {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Cuts the file to `end` where blocks were reserved beyond it.
    pub(crate) fn trim(&self, end: Position) -> Result<bool, DiskError> {
        if !self.reserved.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let file = self.writable_file()?;
        file.set_length(end.0).map_err(DiskError::at(Operation::SetLength, &self.path()))?;
        self.set_reserved(false);
        drop(file);
        self.release_if_short();
        Ok(true)
    }

    /// Opens the file and keeps it open, because another file is about to take its name.
    pub(crate) fn retire(&self) -> Result<(), DiskError> {
        self.retired.store(true, Ordering::Relaxed);
        self.file().map(drop).map_err(DiskError::at(Operation::Open, &self.path()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Handle>> {
        // No code that panics runs under the lock.
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
