//! `holes`: an empty file that says that offsets may be missing between the batches of this log, because it was imported
//! or compacted. It is durable before the first hole is, so that recovery takes a gap for damage wherever it is missing.
//! Kafka leaves files alone that it does not know.

use std::path::Path;

use highwater_disk::{Disk, DiskError, OpenMode, Operation};

/// The file's name.
pub(crate) const NAME: &str = "holes";

/// Makes the file, durably with its name.
pub(crate) fn allow(disk: &dyn Disk, directory: &Path) -> Result<(), DiskError> {
    let path = directory.join(NAME);
    disk.open(&path, OpenMode::CreateOrOpen).map_err(DiskError::at(Operation::Open, &path))?;
    disk.sync_directory(directory).map_err(DiskError::at(Operation::SyncDirectory, directory))
}
