//! Directories of topics whose creation never came to its commit: made, unknown to the metadata, and without a record ever.
//!
//! They are the one thing that goes without a tombstone, since nothing can be lost with them: nobody could produce to
//! a topic before its commit. What counts is what the directory holds, not what anybody remembers of it.

use std::io;
use std::path::Path;

use highwater_disk::{Disk, DiskError, EntryKind, OpenMode, Operation};

use crate::files;

const FIRST_SEGMENT: &str = "00000000000000000000.log";
/// What creation makes besides the first segment, before the commit.
const MADE_WITH_IT: [&str; 3] = ["partition.metadata", "partition.metadata.tmp", "next.prep"];

/// Removes a directory that never held a record; `false` when it is any other. Not synced: it may as well be removed at
/// the next start.
pub(crate) fn remove(disk: &dyn Disk, directory: &Path) -> Result<bool, DiskError> {
    if !is_unmade(disk, directory)? {
        return Ok(false);
    }
    let entries = disk.list(directory).map_err(DiskError::at(Operation::List, directory))?;
    for entry in &entries {
        files::remove_if_there(disk, &directory.join(&entry.name))?;
    }
    disk.remove_directory(directory).map_err(DiskError::at(Operation::Remove, directory))?;
    Ok(true)
}

/// Whether a directory never held a record.
pub(crate) fn is_unmade(disk: &dyn Disk, directory: &Path) -> Result<bool, DiskError> {
    let entries = disk.list(directory).map_err(DiskError::at(Operation::List, directory))?;
    for entry in entries {
        let unmade = entry.kind == EntryKind::File
            && (MADE_WITH_IT.contains(&entry.name.as_str())
                || entry.name == FIRST_SEGMENT && is_empty(disk, &directory.join(FIRST_SEGMENT))?);
        if !unmade {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_empty(disk: &dyn Disk, path: &Path) -> Result<bool, DiskError> {
    match disk.open(path, OpenMode::Read) {
        Ok(file) => Ok(file.length().map_err(DiskError::at(Operation::Read, path))? == 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(DiskError::at(Operation::Open, path)(error)),
    }
}
