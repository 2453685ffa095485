//! Reading a metadata file without changing it: redb sets a file right when it opens it, so it is given a copy in memory.

use std::io;
use std::path::Path;
use std::sync::Arc;

use highwater_disk::{Disk, File, OpenMode};
use highwater_store::{MetaError, MetaRecord};
use redb::backends::InMemoryBackend;
use redb::{Builder, StorageBackend};

use super::backend::{Observer, read_exact_at};
use super::engine::{Engine, guard};

/// Larger files are not looked at.
const FILE_SIZE_MAX: u64 = 1 << 30;
const COPY_SIZE: usize = 256 << 10;

/// What stands in the metadata file `path`, in the order of the keys; `None` when there is no such file.
///
/// # Errors
/// [`MetaError`] with the file's name: it cannot be read, or is larger than 1 GiB.
pub fn look(disk: &Arc<dyn Disk>, path: &Path) -> Result<Option<Vec<MetaRecord>>, MetaError> {
    let named = |cause: String| MetaError::Failed(format!("{}: {cause}", path.display()));
    let file = match disk.open(path, OpenMode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| named(error.to_string()))?,
    };
    let length = file.length().map_err(|error| named(error.to_string()))?;
    if length > FILE_SIZE_MAX {
        return Err(named(format!("{length} bytes are too many to be looked at")));
    }
    if length == 0 {
        return Err(named(super::core::EMPTY.to_owned()));
    }
    let copy = copy(file.as_ref(), length).map_err(|error| named(error.to_string()))?;
    let checked = || {
        let mut database = Builder::new().create_with_backend(copy)?;
        let whole = database.check_integrity()?;
        Ok::<_, redb::DatabaseError>(whole.then_some(database))
    };
    let database = guard(checked).map_err(|error| named(error.to_string()))?;
    let database = database.ok_or_else(|| named("the last commit is damaged".to_owned()))?;
    let engine = Engine::over(database, file, Observer::default());
    match engine.load() {
        Ok(records) => records.map(Some),
        Err(redb::Error::TableDoesNotExist(_)) => Err(named(super::core::EMPTY.to_owned())),
        Err(error) => Err(named(error.to_string())),
    }
}

/// The file in memory, which grows with what is read.
fn copy(file: &dyn File, length: u64) -> io::Result<InMemoryBackend> {
    let copy = InMemoryBackend::new();
    let mut position = 0;
    let mut buffer = vec![0; COPY_SIZE];
    while position < length {
        let wanted = usize::try_from(length - position).unwrap_or(COPY_SIZE).min(COPY_SIZE);
        let piece = buffer.get_mut(..wanted).unwrap_or_default();
        read_exact_at(file, piece, position)?;
        copy.set_len(position + wanted as u64)?;
        copy.write(position, piece)?;
        position += wanted as u64;
    }
    Ok(copy)
}
