//! An I/O error together with what was attempted on which file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What was attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Opening or creating a file.
    Open,
    /// Reading bytes.
    Read,
    /// Writing bytes.
    Write,
    /// Reserving blocks.
    Allocate,
    /// Changing a file's length.
    SetLength,
    /// Making data durable.
    Sync,
    /// Making directory entries durable.
    SyncDirectory,
    /// Giving a file another name.
    Rename,
    /// Removing a file or directory.
    Remove,
    /// Making a directory.
    CreateDirectory,
    /// Listing a directory.
    List,
}

/// An I/O error with the file and the operation that met it.
#[derive(Debug)]
pub struct DiskError {
    /// What was attempted.
    pub operation: Operation,
    /// On which file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl DiskError {
    /// Names `path` and `operation` beside `source`; made for `map_err`.
    pub fn at(operation: Operation, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self { operation, path, source }
    }

    /// Whether space or quota ran out (ENOSPC, EDQUOT): nothing is doubtful, writing may go on when space is back.
    pub fn is_out_of_space(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} failed: {}", self.operation, self.path.display(), self.source)
    }
}

impl std::error::Error for DiskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
