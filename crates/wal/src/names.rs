//! The names of a log's files.
//!
//! | name | is |
//! |---|---|
//! | `<base>.log` | a segment; `<base>` is its base offset in 20 digits |
//! | `next.prep` | prepared for the next segment; removed by recovery |
//! | `<base>.log.cleaned` | a replacement that is being written; removed by recovery |
//! | `<base>-<end>.swap` | a whole replacement of the segments that begin within `<base>..<end>`; finished by recovery |
//! | `<base>-<end>.recopy` | as `.swap`, for doubtful segments, which are kept as `.suspect` |
//! | `<base>.log.deleted` | a removed segment; removed by recovery |
//! | `<base>.cut-<position>` | what was cut off a segment; kept |
//! | `<base>.log.suspect` | a segment whose sync failed, or that was damaged, after its good entries were copied; kept |

use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater_disk::{Disk, DiskError, EntryKind, Operation};
use highwater_types::{Offset, Position};

pub(crate) const PREPARED: &str = "next.prep";
pub(crate) const PREPARED_SUFFIX: &str = ".prep";
const DELETED_SUFFIX: &str = ".deleted";

/// A disk and the directory of one log.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
}

impl Place {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn segment_path(&self, base_offset: Offset) -> PathBuf {
        self.path(&segment(base_offset))
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        self.disk.rename(from, to).map_err(DiskError::at(Operation::Rename, from))
    }

    /// Removes a file. Whether it was there.
    pub(crate) fn remove(&self, name: &str) -> Result<bool, DiskError> {
        let path = self.path(name);
        match self.disk.remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            result => result.map(|()| true).map_err(DiskError::at(Operation::Remove, &path)),
        }
    }

    pub(crate) fn sync_directory(&self) -> Result<(), DiskError> {
        let synced = self.disk.sync_directory(&self.directory);
        synced.map_err(DiskError::at(Operation::SyncDirectory, &self.directory))
    }

    /// The names of the regular files, sorted.
    pub(crate) fn list(&self) -> Result<Vec<String>, DiskError> {
        let entries =
            self.disk.list(&self.directory).map_err(DiskError::at(Operation::List, &self.directory))?;
        Ok(entries
            .into_iter()
            .filter(|entry| entry.kind == EntryKind::File)
            .map(|entry| entry.name)
            .collect())
    }

    /// `wanted`, or where that is taken `wanted` with a number: nothing that was kept is ever overwritten.
    pub(crate) fn free_name(&self, wanted: &str) -> Result<String, DiskError> {
        let taken = self.list()?;
        let mut name = wanted.to_string();
        let mut count = 1u64;
        while taken.contains(&name) {
            name = format!("{wanted}-{count}");
            count += 1;
        }
        Ok(name)
    }
}

/// What a name of a file in the directory of a log means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Segment(Offset),
    /// Half-made or removed: nothing is lost with it.
    Leftover,
    Swap {
        base: Offset,
        end: Offset,
        suspect: bool,
    },
    /// Not ours, or kept for people.
    Other,
}

pub(crate) fn segment(base_offset: Offset) -> String {
    format!("{:020}.log", base_offset.0)
}

pub(crate) fn deleted(base_offset: Offset) -> String {
    format!("{:020}.log{DELETED_SUFFIX}", base_offset.0)
}

pub(crate) fn cleaned(base_offset: Offset) -> String {
    format!("{:020}.log.cleaned", base_offset.0)
}

pub(crate) fn suspect(base_offset: Offset) -> String {
    format!("{:020}.log.suspect", base_offset.0)
}

pub(crate) fn cut(base_offset: Offset, position: Position) -> String {
    format!("{:020}.cut-{position}", base_offset.0)
}

pub(crate) fn swap(base: Offset, end: Offset, suspect: bool) -> String {
    let suffix = if suspect { "recopy" } else { "swap" };
    format!("{:020}-{:020}.{suffix}", base.0, end.0)
}

pub(crate) fn meaning(name: &str) -> Meaning {
    if name.ends_with(PREPARED_SUFFIX) {
        return Meaning::Leftover;
    }
    let Some((base, rest)) = leading_offset(name) else { return Meaning::Other };
    match rest {
        ".log" => return Meaning::Segment(base),
        ".log.cleaned" | ".log.deleted" => return Meaning::Leftover,
        _ => {}
    }
    match rest.strip_prefix('-').and_then(leading_offset) {
        Some((end, ".swap")) => Meaning::Swap { base, end, suspect: false },
        Some((end, ".recopy")) => Meaning::Swap { base, end, suspect: true },
        _ => Meaning::Other,
    }
}

/// An offset in 20 digits at the beginning of a name, and what follows.
fn leading_offset(name: &str) -> Option<(Offset, &str)> {
    let (digits, rest) = name.split_at_checked(20)?;
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
    let offset = if plain { digits.parse().ok().map(Offset)? } else { return None };
    Some((offset, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_means_what_it_was_made_for() {
        let (base, end) = (Offset(7), Offset(i64::MAX));
        assert_eq!(meaning(&segment(base)), Meaning::Segment(base));
        assert_eq!(segment(base), "00000000000000000007.log");
        assert_eq!(meaning(&deleted(base)), Meaning::Leftover);
        assert_eq!(meaning(&cleaned(base)), Meaning::Leftover);
        assert_eq!(meaning(PREPARED), Meaning::Leftover);
        for doubtful in [false, true] {
            assert_eq!(meaning(&swap(base, end, doubtful)), Meaning::Swap { base, end, suspect: doubtful });
        }
        assert_eq!(meaning(&cut(base, Position(9))), Meaning::Other);
        assert_eq!(meaning(&suspect(base)), Meaning::Other);
    }

    #[test]
    fn other_names_are_left_alone() {
        for name in
            ["", "7.log", "0000000000000000000é.log", "-0000000000000000007.log", "99999999999999999999.log"]
        {
            assert_eq!(meaning(name), Meaning::Other, "{name}");
        }
        assert_eq!(meaning("00000000000000000007.index"), Meaning::Other);
        assert_eq!(meaning("00000000000000000007.log.txt"), Meaning::Other);
    }
}
