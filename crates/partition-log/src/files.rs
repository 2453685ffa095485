//! Small files: bounded reading, plain writing at a place, replacing as a whole.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use highwater_disk::{Disk, DiskError, File, OpenMode, Operation, write_all_at};
use highwater_types::Offset;

/// Bytes that are read at a time; memory grows with what is there, not with what a length claims.
const CHUNK_SIZE: usize = 64 << 10;

/// `<20 digits of offset>.<suffix>`.
pub(crate) fn name(offset: Offset, suffix: &str) -> String {
    format!("{:020}.{suffix}", offset.0)
}

/// `<directory>/<20 digits of offset>.<suffix>`.
pub(crate) fn path(directory: &Path, offset: Offset, suffix: &str) -> PathBuf {
    directory.join(name(offset, suffix))
}

/// The offset of a name that [`name`] made with this suffix.
pub(crate) fn parse_name(name: &str, suffix: &str) -> Option<Offset> {
    let digits = name.strip_suffix(suffix)?.strip_suffix('.')?;
    let plain = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
    plain.then(|| digits.parse().ok().map(Offset)).flatten()
}

/// The first `size_max` bytes of a file; `None` when it does not exist.
pub(crate) fn read(disk: &dyn Disk, path: &Path, size_max: u64) -> Result<Option<Vec<u8>>, DiskError> {
    let file = match disk.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DiskError::at(Operation::Open, path)(error)),
    };
    let length = file.length().map_err(DiskError::at(Operation::Read, path))?.min(size_max);
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < length {
        let wanted = usize::try_from(length - bytes.len() as u64).unwrap_or(CHUNK_SIZE);
        let wanted = if bytes.is_empty() { wanted.min(CHUNK_SIZE) } else { wanted.min(16 * CHUNK_SIZE) };
        let start = bytes.len();
        bytes.resize(start + wanted, 0);
        let count = read_some(file.as_ref(), bytes.get_mut(start..).unwrap_or_default(), start as u64)
            .map_err(DiskError::at(Operation::Read, path))?;
        bytes.truncate(start + count);
        if count == 0 {
            break;
        }
    }
    Ok(Some(bytes))
}

fn read_some(file: &dyn File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, position) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Writes `bytes` at `position` of a file, which is made when missing and then ends behind them. Nothing is synced;
/// the handle is given back for that.
pub(crate) fn write_tail(
    disk: &dyn Disk,
    path: &Path,
    position: u64,
    bytes: &[u8],
) -> Result<std::sync::Arc<dyn File>, DiskError> {
    let file = disk.open(path, OpenMode::CreateOrOpen).map_err(DiskError::at(Operation::Open, path))?;
    if !bytes.is_empty() {
        write_all_at(file.as_ref(), &mut [IoSlice::new(bytes)], position)
            .map_err(DiskError::at(Operation::Write, path))?;
    }
    let end = position.saturating_add(bytes.len() as u64);
    let length = file.length().map_err(DiskError::at(Operation::Read, path))?;
    if length != end {
        file.set_length(end).map_err(DiskError::at(Operation::SetLength, path))?;
    }
    Ok(file)
}

/// Replaces a file: after a crash it has its old content or the new one. The name becomes durable with the next sync
/// of the directory.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(TEMPORARY);
    let temporary = PathBuf::from(temporary);
    let file = write_tail(disk, &temporary, 0, bytes)?;
    file.sync_data().map_err(DiskError::at(Operation::Sync, &temporary))?;
    disk.rename(&temporary, path).map_err(DiskError::at(Operation::Rename, path))
}

/// What a file that [`replace`] had not finished ends with.
pub(crate) const TEMPORARY: &str = ".tmp";

/// Makes the entries of a directory durable.
pub(crate) fn sync_directory(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    disk.sync_directory(path).map_err(DiskError::at(Operation::SyncDirectory, path))
}

/// Removes a file; that it is not there is fine. Returns whether it was.
pub(crate) fn remove(disk: &dyn Disk, path: &Path) -> Result<bool, DiskError> {
    match disk.remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(DiskError::at(Operation::Remove, path)(error)),
    }
}

/// Renames a file; that it is not there is fine.
pub(crate) fn rename(disk: &dyn Disk, from: &Path, to: &Path) -> Result<(), DiskError> {
    match disk.rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DiskError::at(Operation::Rename, from)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_twenty_digits_and_reads_back() {
        assert_eq!(name(Offset(42), "index"), "00000000000000000042.index");
        assert_eq!(parse_name("00000000000000000042.index", "index"), Some(Offset(42)));
        for other in [
            "42.index",
            "0000000000000000042x.index",
            "00000000000000000042.log",
            "99999999999999999999.index",
        ] {
            assert_eq!(parse_name(other, "index"), None, "{other}");
        }
    }
}
