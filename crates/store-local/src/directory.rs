//! The data directory before anything in it is opened: who may use it, in which layout it is, how it was left.
//!
//! | file | holds |
//! |---|---|
//! | `format` | `highwater <version>` and a line feed |
//! | `lock` | nothing; locked by flock while a process uses the directory |
//! | `clean-stop` | `clean` and a line feed; there only between a clean stop and the next start |
//!
//! A directory that is locked, newer or not ours is refused with nothing in it touched. Not here: the files of
//! partitions and metadata.

use std::fs::TryLockError;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use highwater_disk::{Disk, DiskError, File, OpenMode, Operation};

use crate::OpenError;
use crate::files;

/// The newest layout that is understood.
const FORMAT_VERSION: u32 = 1;
/// Longest `format` file that is looked at.
const FORMAT_SIZE_MAX: usize = 64;

pub(crate) const FORMAT: &str = "format";
pub(crate) const LOCK: &str = "lock";
pub(crate) const CLEAN_STOP: &str = "clean-stop";
/// What an otherwise empty directory may hold: a crash may leave the first two, a mount point the last.
const HARMLESS: [&str; 3] = [LOCK, "format.tmp", "lost+found"];

/// A data directory that this process has to itself until the store in it is closed, or the value dropped.
#[derive(Debug)]
pub struct DataDirectory {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    clean: bool,
    lock: Mutex<Option<Arc<dyn File>>>,
}

impl DataDirectory {
    /// Locks the directory, making it when it is missing, and checks its format.
    ///
    /// # Errors
    /// [`OpenError`] when another process uses it, when it is newer than this program, or when it is not a data
    /// directory; then nothing in it was touched.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, OpenError> {
        files::create_directories(disk.as_ref(), path)?;
        let known = check_format(disk.as_ref(), path)?;
        if !known {
            check_empty(disk.as_ref(), path)?;
        }
        let lock = lock(disk.as_ref(), path)?;
        if known {
            // Seen after the death of a process its name need not be durable; nothing may be in here without it.
            files::sync_directory(disk.as_ref(), path)?;
        }
        // Whoever held the lock may have written it meanwhile.
        if !check_format(disk.as_ref(), path)? {
            files::sync_parents(disk.as_ref(), path)?;
            write_format(disk.as_ref(), path)?;
        }
        let marker = files::read_bounded(disk.as_ref(), &path.join(CLEAN_STOP), 1)?;
        Ok(Self { disk, path: path.to_path_buf(), clean: marker.is_some(), lock: Mutex::new(Some(lock)) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The disk it is on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Whether the process before this one left the marker of a clean stop.
    pub fn was_stopped_cleanly(&self) -> bool {
        self.clean
    }

    /// Removes the marker, durably: from here on a crash is a crash.
    pub(crate) fn remove_marker(&self) -> Result<(), DiskError> {
        if files::remove_if_there(self.disk.as_ref(), &self.path.join(CLEAN_STOP))? {
            files::sync_directory(self.disk.as_ref(), &self.path)?;
        }
        Ok(())
    }

    /// Lets another process in. Nothing of this one writes any more.
    pub(crate) fn unlock(&self) {
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Leaves the marker, durably.
    pub(crate) fn write_marker(&self) -> Result<(), DiskError> {
        files::replace(self.disk.as_ref(), &self.path, CLEAN_STOP, b"clean\n")
    }
}

/// Writes the format file, durably.
pub(crate) fn write_format(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    files::replace(disk, path, FORMAT, format!("highwater {FORMAT_VERSION}\n").as_bytes())
}

/// Whether there is a format file; an error when it is not one that is understood.
pub(crate) fn check_format(disk: &dyn Disk, path: &Path) -> Result<bool, OpenError> {
    let file = path.join(FORMAT);
    let bytes = match files::read_bounded(disk, &file, FORMAT_SIZE_MAX) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(false),
        Err(error) if error.source.kind() == io::ErrorKind::NotADirectory => {
            return Err(OpenError::NotADirectory { path: path.to_path_buf() });
        }
        Err(error) => return Err(error.into()),
    };
    let version = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.strip_suffix('\n')?.strip_prefix("highwater ")?.parse::<u32>().ok());
    match version {
        None | Some(0) => Err(OpenError::BadFormat { path: file }),
        Some(found) if found > FORMAT_VERSION => {
            Err(OpenError::NewerFormat { path: path.to_path_buf(), found, supported: FORMAT_VERSION })
        }
        Some(_) => Ok(true),
    }
}

fn check_empty(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    let entries = disk.list(path).map_err(DiskError::at(Operation::List, path))?;
    match entries.into_iter().find(|entry| !HARMLESS.contains(&entry.name.as_str())) {
        Some(entry) => Err(OpenError::NotADataDirectory { path: path.to_path_buf(), found: entry.name }),
        None => Ok(()),
    }
}

/// Takes the lock. A disk without system files is one process's own and needs none.
pub(crate) fn lock(disk: &dyn Disk, path: &Path) -> Result<Arc<dyn File>, OpenError> {
    let name = path.join(LOCK);
    let file = disk.open(&name, OpenMode::CreateOrOpen).map_err(DiskError::at(Operation::Open, &name))?;
    match file.as_std().map(std::fs::File::try_lock) {
        None | Some(Ok(())) => Ok(file),
        Some(Err(TryLockError::WouldBlock)) => Err(OpenError::Locked { path: path.to_path_buf() }),
        Some(Err(TryLockError::Error(error))) => Err(OpenError::Disk(lock_error(&name, error))),
    }
}

/// Whether another process holds the lock. Makes no file.
pub(crate) fn is_locked(disk: &dyn Disk, path: &Path) -> bool {
    let Ok(file) = disk.open(&path.join(LOCK), OpenMode::Read) else { return false };
    matches!(file.as_std().map(std::fs::File::try_lock_shared), Some(Err(TryLockError::WouldBlock)))
}

fn lock_error(name: &Path, error: io::Error) -> DiskError {
    DiskError { operation: Operation::Open, path: name.to_path_buf(), source: error }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use highwater_disk::sim::SimDisk;
    use highwater_disk::write_all_at;

    use super::*;

    const PATH: &str = "/some/where/data";

    fn put(disk: &SimDisk, name: &str, text: &str) {
        let file = disk.open(&Path::new(PATH).join(name), OpenMode::CreateOrOpen).unwrap();
        write_all_at(file.as_ref(), &mut [IoSlice::new(text.as_bytes())], 0).unwrap();
    }

    fn open(disk: &Arc<SimDisk>) -> Result<DataDirectory, OpenError> {
        DataDirectory::open(Arc::clone(disk) as Arc<dyn Disk>, Path::new(PATH))
    }

    fn names(disk: &SimDisk) -> Vec<String> {
        disk.list(Path::new(PATH)).unwrap().into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn a_new_directory_is_made_with_its_parents_and_survives_a_power_loss() {
        let disk = SimDisk::new(1);
        let directory = open(&disk).unwrap();
        assert!(!directory.was_stopped_cleanly());
        let disk = disk.power_loss(2);
        open(&disk).unwrap();
        assert_eq!(names(&disk), [FORMAT, LOCK]);
    }

    #[test]
    fn the_marker_lasts_from_a_clean_stop_to_the_next_start() {
        let disk = SimDisk::new(1);
        open(&disk).unwrap().write_marker().unwrap();
        let disk = disk.power_loss(2);
        let directory = open(&disk).unwrap();
        assert!(directory.was_stopped_cleanly());
        directory.remove_marker().unwrap();
        assert!(!open(&disk.power_loss(3)).unwrap().was_stopped_cleanly());
    }

    #[test]
    fn what_is_newer_foreign_or_garbled_is_refused_and_not_touched() {
        type Check = fn(&OpenError) -> bool;
        let cases: [(&str, &str, Check); 4] = [
            (FORMAT, "highwater 2\n", |error| matches!(error, OpenError::NewerFormat { found: 2, .. })),
            (FORMAT, "highwater 1", |error| matches!(error, OpenError::BadFormat { .. })),
            (FORMAT, "\u{0}\u{0}", |error| matches!(error, OpenError::BadFormat { .. })),
            ("thesis.doc", "", |error| matches!(error, OpenError::NotADataDirectory { .. })),
        ];
        for (name, text, expected) in cases {
            let disk = SimDisk::new(1);
            files::create_directories(disk.as_ref(), Path::new(PATH)).unwrap();
            put(&disk, name, text);
            let before = disk.operations();
            let error = open(&disk).unwrap_err();
            assert!(expected(&error), "{text:?}: {error}");
            assert_eq!(names(&disk), [name]);
            // Trying to make the directory, which is there, is no change.
            assert!(disk.operations() <= before + 1, "{:?}", disk.trace());
        }
    }
}
