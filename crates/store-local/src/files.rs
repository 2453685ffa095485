//! Small whole files: bounded reading and atomic replacement.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use highwater_disk::{Disk, DiskError, File, OpenMode, Operation, write_all_at};

/// Reads a file, at most `size_max` bytes of it; `None` when it does not exist. Memory grows with what is read, not
/// with what the file system claims.
pub(crate) fn read_bounded(
    disk: &dyn Disk,
    path: &Path,
    size_max: usize,
) -> Result<Option<Vec<u8>>, DiskError> {
    let Some(file) = open_if_there(disk, path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    let mut buffer = vec![0; size_max.clamp(1, 64 << 10)];
    while bytes.len() < size_max {
        match file.read_at(&mut buffer, bytes.len() as u64) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(DiskError::at(Operation::Read, path)(error)),
        }
    }
    bytes.truncate(size_max);
    Ok(Some(bytes))
}

/// Reads until the buffer is full or the file ends; how many bytes there were.
pub(crate) fn read_full(file: &dyn File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, position + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Opens a file to be read; `None` when it does not exist.
pub(crate) fn open_if_there(disk: &dyn Disk, path: &Path) -> Result<Option<Arc<dyn File>>, DiskError> {
    match disk.open(path, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some).map_err(DiskError::at(Operation::Open, path)),
    }
}

/// Replaces `<directory>/<name>` by `bytes`, as [`replace_with`].
pub(crate) fn replace(disk: &dyn Disk, directory: &Path, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
    replace_with(disk, directory, name, |file| write_all_at(file, &mut [IoSlice::new(bytes)], 0))
}

/// Replaces `<directory>/<name>` by what `fill` writes: after a crash it is the old or the new content, whole. Durable when
/// this returns.
pub(crate) fn replace_with(
    disk: &dyn Disk,
    directory: &Path,
    name: &str,
    fill: impl FnOnce(&dyn File) -> io::Result<()>,
) -> Result<(), DiskError> {
    let path = directory.join(name);
    let temporary = directory.join(format!("{name}.tmp"));
    remove_if_there(disk, &temporary)?;
    let file =
        disk.open(&temporary, OpenMode::CreateNew).map_err(DiskError::at(Operation::Open, &temporary))?;
    fill(file.as_ref()).map_err(DiskError::at(Operation::Write, &temporary))?;
    file.sync_data().map_err(DiskError::at(Operation::Sync, &temporary))?;
    disk.rename(&temporary, &path).map_err(DiskError::at(Operation::Rename, &path))?;
    sync_directory(disk, directory)
}

/// Removes a file; that it is not there is fine. Returns whether it was.
pub(crate) fn remove_if_there(disk: &dyn Disk, path: &Path) -> Result<bool, DiskError> {
    match disk.remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(DiskError::at(Operation::Remove, path)(error)),
    }
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_directory(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    disk.sync_directory(path).map_err(DiskError::at(Operation::SyncDirectory, path))
}

/// Makes the name of a directory durable, and those of the directories above it: a process that made them may have
/// died before it did. One that may not be opened was not made by us.
pub(crate) fn sync_parents(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    for parent in path.ancestors().skip(1) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        match sync_directory(disk, parent) {
            Err(error) if error.source.kind() == io::ErrorKind::PermissionDenied => {}
            result => result?,
        }
    }
    Ok(())
}

/// Makes a directory and those above it that are missing. Returns whether it made any.
pub(crate) fn create_directories(disk: &dyn Disk, path: &Path) -> Result<bool, DiskError> {
    match disk.create_directory(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
                return Err(DiskError::at(Operation::CreateDirectory, path)(error));
            };
            create_directories(disk, parent)?;
            disk.create_directory(path).map_err(DiskError::at(Operation::CreateDirectory, path))?;
        }
        Err(error) => return Err(DiskError::at(Operation::CreateDirectory, path)(error)),
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_directory(disk, parent)?;
    Ok(true)
}
