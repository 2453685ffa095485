//! Putting one file in the place of segments, so that a crash at any moment leaves either the old ones or the new one.
//!
//! 1. The replacement is complete and synced as `<base>.log.cleaned`.
//! 2. It becomes `<base>-<end>.swap`; the directory is synced. From here on recovery finishes what is left.
//! 3. The segments that begin within `base..end` lose their names; the directory is synced. Were it not, a crash could
//!    bring them back beside the replacement.
//! 4. The replacement becomes `<base>.log`, in one rename over the old one of that name; the directory is synced.

use std::io::IoSlice;
use std::path::Path;

use highwater_disk::{DiskError, File, OpenMode, Operation, write_all_at};
use highwater_types::Offset;

use crate::names::{self, Place};

/// Bytes that are copied at a time.
const COPY_SIZE: usize = 256 << 10;

/// A replacement whose file is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Swap {
    pub(crate) base: Offset,
    /// Segments that begin from `base` up to here (exclusive) are replaced.
    pub(crate) end: Offset,
    /// The replaced ones are kept as `.suspect`.
    pub(crate) suspect: bool,
}

impl Swap {
    fn name(self) -> String {
        names::swap(self.base, self.end, self.suspect)
    }

    /// Steps 2 to 4, with `old` the base offsets of the segments that are there.
    pub(crate) fn run(self, place: &Place, old: &[Offset]) -> Result<(), DiskError> {
        let cleaned = place.path(&names::cleaned(self.base));
        place.rename(&cleaned, &place.path(&self.name()))?;
        place.sync_directory()?;
        self.finish(place, old)
    }

    /// Steps 3 and 4.
    pub(crate) fn finish(self, place: &Place, old: &[Offset]) -> Result<(), DiskError> {
        let covered = old.iter().copied().filter(|base| (self.base..self.end).contains(base));
        for base in covered {
            let name = match (self.suspect, base == self.base) {
                (true, _) => place.free_name(&names::suspect(base))?,
                (false, true) => continue,
                (false, false) => names::deleted(base),
            };
            place.rename(&place.segment_path(base), &place.path(&name))?;
        }
        place.sync_directory()?;
        place.rename(&place.path(&self.name()), &place.segment_path(self.base))?;
        place.sync_directory()
    }
}

/// Copies the bytes `start..end` of a file into a new one at `path`, replacing what a failed attempt left there, and
/// syncs it.
pub(crate) fn copy(
    place: &Place,
    from: &dyn File,
    from_path: &Path,
    range: (u64, u64),
    path: &Path,
) -> Result<(), DiskError> {
    copy_ranges(place, from, from_path, &[range], path)
}

/// As [`copy`], several ranges one behind the other.
pub(crate) fn copy_ranges(
    place: &Place,
    from: &dyn File,
    from_path: &Path,
    ranges: &[(u64, u64)],
    path: &Path,
) -> Result<(), DiskError> {
    let to = place.disk.open(path, OpenMode::CreateOrOpen).map_err(DiskError::at(Operation::Open, path))?;
    to.set_length(0).map_err(DiskError::at(Operation::SetLength, path))?;
    let mut buffer = vec![0; COPY_SIZE];
    let mut written = 0;
    for &(start, end) in ranges {
        let mut done = start;
        while done < end {
            let left = usize::try_from(end - done).unwrap_or(usize::MAX);
            let piece = buffer.get_mut(..left.min(COPY_SIZE)).unwrap_or_default();
            let count = read_some(from, piece, done).map_err(DiskError::at(Operation::Read, from_path))?;
            let Some(read) = piece.get(..count).filter(|read| !read.is_empty()) else {
                let short = std::io::ErrorKind::UnexpectedEof.into();
                return Err(DiskError::at(Operation::Read, from_path)(short));
            };
            write_all_at(to.as_ref(), &mut [IoSlice::new(read)], written)
                .map_err(DiskError::at(Operation::Write, path))?;
            done += count as u64;
            written += count as u64;
        }
    }
    to.sync_data().map_err(DiskError::at(Operation::Sync, path))
}

/// One read, repeated when interrupted; 0 at the end of the file.
pub(crate) fn read_some(file: &dyn File, buffer: &mut [u8], position: u64) -> std::io::Result<usize> {
    loop {
        match file.read_at(buffer, position) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Saves the bytes `start..end` of a segment's file as `<base>.cut-<position>`, durably with its name. Returns the name.
pub(crate) fn save_cut(
    place: &Place,
    base: Offset,
    file: &dyn File,
    (start, end): (u64, u64),
) -> Result<String, DiskError> {
    let wanted = names::cut(base, highwater_types::Position(start));
    let half_made = place.path(&format!("{wanted}{}", names::PREPARED_SUFFIX));
    copy(place, file, &place.segment_path(base), (start, end), &half_made)?;
    let name = place.free_name(&wanted)?;
    place.rename(&half_made, &place.path(&name))?;
    place.sync_directory()?;
    Ok(name)
}
