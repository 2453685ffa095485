//! The two traits and the values that pass through them.

use std::fmt;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How [`Disk::open`] treats a file that is or is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist; reads only.
    Read,
    /// Must exist; reads and writes.
    ReadWrite,
    /// Must not exist (`io::ErrorKind::AlreadyExists` otherwise); reads and writes.
    CreateNew,
    /// Made when missing, kept as it is when there; reads and writes.
    CreateOrOpen,
}

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything else.
    Other,
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name within its directory. Names that are not UTF-8 are left out of listings: nothing of ours has one.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What a file system has, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// How large it is.
    pub total: u64,
    /// How much of it an unprivileged writer may still use.
    pub free: u64,
}

/// A tree of files. Paths are absolute or relative to whatever the implementation calls its root.
pub trait Disk: Send + Sync + fmt::Debug + 'static {
    /// Opens a file. A created file's *name* is durable only after [`Disk::sync_directory`] of its directory.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// Opens a file to be read as the device has it, where the system can: reads do not come from the cache and leave
    /// nothing in it.
    fn open_device(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = self.open(path, OpenMode::Read)?;
        file.drop_cache()?;
        Ok(file)
    }
    /// Gives a file or directory another name, replacing a file of that name. Durable after syncing the directories.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name. Open handles keep reading. Durable after syncing the directory.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Makes one directory, whose parent must exist (`AlreadyExists` when it is there already).
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals of the entries of `path` durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// The entries of a directory, sorted by name.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;
    /// How large the file system of `path` is, and how much of it is free.
    fn space(&self, path: &Path) -> io::Result<DiskSpace>;

    /// Whether no more files should be open at once than are now. Who keeps files open for later then closes them; what is
    /// needed now is still opened. Cheap.
    fn is_short_of_descriptors(&self) -> bool {
        false
    }

    /// Bytes that an unprivileged writer may still use on the file system of `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        Ok(self.space(path)?.free)
    }
}

/// An open file. Shared by reference count: reading goes on after the name is gone.
pub trait File: Send + Sync + fmt::Debug {
    /// Where it was opened (its name may have changed since).
    fn path(&self) -> &Path;
    /// Reads up to `buffer.len()` bytes at `position`; 0 at or past the end. May be short.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// As [`File::read_at`], but never waits for the device: `Ok(None)` when the bytes are not in memory (or the
    /// system cannot tell).
    fn read_resident_at(&self, buffer: &mut [u8], position: u64) -> io::Result<Option<usize>>;
    /// Writes the slices one behind the other at `position`; returns how many bytes were taken, which may be fewer.
    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<usize>;
    /// Makes the file's data and length durable (fdatasync). Not its name.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or extends (with zeros) the file.
    fn set_length(&self, length: u64) -> io::Result<()>;
    /// Reserves blocks for `position..position + size` without changing the length. A system that cannot says
    /// `Unsupported`.
    fn allocate(&self, position: u64, size: u64) -> io::Result<()>;
    /// Length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// What a copy of the file has another of, as a rule: its inode number. 0 where files have none.
    fn number(&self) -> io::Result<u64> {
        Ok(0)
    }
    /// Drops cached clean pages, so that the next read asks the device. Best effort.
    fn drop_cache(&self) -> io::Result<()>;
    /// The system's file, for `sendfile`; `None` where there is none (simulation).
    fn as_std(&self) -> Option<&std::fs::File>;
}

/// Writes all of `slices` at `position`, going on after short writes and interruptions.
///
/// # Errors
/// The first error other than `Interrupted`; `WriteZero` when the file takes nothing. How much was written is unknown.
pub fn write_all_at(file: &dyn File, slices: &mut [IoSlice<'_>], mut position: u64) -> io::Result<()> {
    let mut rest = slices;
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match file.write_at(rest, position) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                position = position.saturating_add(written as u64);
                IoSlice::advance_slices(&mut rest, written);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A byte range of an open file. Holding it keeps the bytes readable even when the file is deleted meanwhile.
#[derive(Debug, Clone)]
pub struct FileRange {
    /// The file.
    pub file: Arc<dyn File>,
    /// First byte.
    pub position: u64,
    /// How many bytes.
    pub size: u64,
}

impl FileRange {
    /// Reads the whole range into memory.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends inside the range; otherwise what the file says.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let size = usize::try_from(self.size).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut buffer = vec![0; size];
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, self.position.saturating_add(done as u64)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(buffer)
    }

    /// Where the file was opened.
    pub fn path(&self) -> PathBuf {
        self.file.path().to_path_buf()
    }
}
