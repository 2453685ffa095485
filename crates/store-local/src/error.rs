//! Why a data directory cannot be opened.

use std::fmt;
use std::io;
use std::path::PathBuf;

use highwater_disk::DiskError;
use highwater_store::MetaError;

/// Why a data directory or the store in it was not opened. The text is one line for the person who started the
/// broker.
#[derive(Debug)]
pub enum OpenError {
    /// Another process holds it.
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// A newer version of this program made it.
    NewerFormat {
        /// The data directory.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that is understood.
        supported: u32,
    },
    /// Its `format` file is not one of ours.
    BadFormat {
        /// The `format` file.
        path: PathBuf,
    },
    /// It holds other things and no `format` file.
    NotADataDirectory {
        /// The directory.
        path: PathBuf,
        /// Something in it that is not ours.
        found: String,
    },
    /// It is a file.
    NotADirectory {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused something.
    Disk(DiskError),
    /// The metadata could not be read or written.
    Metadata(MetaError),
    /// A thread could not be started.
    Thread(io::Error),
}

impl From<DiskError> for OpenError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { path } => {
                write!(f, "the data directory {} is in use by another process", path.display())
            }
            Self::NewerFormat { path, found, supported } => write!(
                f,
                "the data directory {} has format version {found}; this program understands versions up to {supported}",
                path.display()
            ),
            Self::BadFormat { path } => {
                write!(f, "{} is not a format file of a data directory", path.display())
            }
            Self::NotADataDirectory { path, found } => write!(
                f,
                "{} is not a data directory: it has no format file and already holds {found:?}",
                path.display()
            ),
            Self::NotADirectory { path } => {
                write!(f, "{} cannot be the data directory: it is a file", path.display())
            }
            Self::Disk(error) => error.fmt(f),
            Self::Metadata(error) => error.fmt(f),
            Self::Thread(error) => write!(f, "a thread could not be started: {error}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Disk(error) => Some(error),
            Self::Metadata(error) => Some(error),
            Self::Thread(error) => Some(error),
            _ => None,
        }
    }
}
