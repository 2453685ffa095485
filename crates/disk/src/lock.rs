//! One process at a time in a directory: an advisory lock (`flock`) on a file in it.

use std::fmt;
use std::fs::{self, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Holds the lock until it is dropped or the process ends, however it ends. The file stays; it means nothing by itself.
#[derive(Debug)]
pub struct DirectoryLock {
    // Closing the file is what releases the lock.
    _file: fs::File,
}

/// Why a directory was not locked.
#[derive(Debug)]
pub enum LockError {
    /// Another process (or another lock of this one) holds it.
    Held {
        /// The lock file.
        path: PathBuf,
    },
    /// The file could not be opened or locked.
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DirectoryLock {
    /// Locks `path`, a file that is made when it is missing, without waiting.
    ///
    /// # Errors
    /// [`LockError::Held`] when somebody has it.
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { path: path.to_path_buf(), source };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Held { path: path.to_path_buf() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { path } => write!(f, "{} is locked by another process", path.display()),
            Self::Io { path, source } => write!(f, "cannot lock {}: {source}", path.display()),
        }
    }
}

impl std::error::Error for LockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Held { .. } => None,
            Self::Io { source, .. } => Some(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TemporaryDirectory;

    #[test]
    fn a_held_lock_is_refused_and_a_dropped_one_is_free() {
        let directory = TemporaryDirectory::new();
        let path = directory.path().join("lock");
        let lock = DirectoryLock::acquire(&path).unwrap();
        let refused = DirectoryLock::acquire(&path).unwrap_err();
        assert!(refused.to_string().ends_with("lock is locked by another process"), "{refused}");
        drop(lock);
        DirectoryLock::acquire(&path).unwrap();
    }

    #[test]
    fn a_lock_in_a_missing_directory_names_the_file() {
        let directory = TemporaryDirectory::new();
        let error = DirectoryLock::acquire(&directory.path().join("gone/lock")).unwrap_err();
        assert!(matches!(&error, LockError::Io { path, .. } if path.ends_with("gone/lock")), "{error}");
    }
}
