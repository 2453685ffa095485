//! redb's storage on a [`File`], and what it met: redb's own errors do not tell an operation from another.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use highwater_disk::{File, Operation, write_all_at};
use redb::StorageBackend;

/// Where redb keeps the slots that say which commit is the last.
const HEADER_SIZE: u64 = 4096;

/// What the backend met since it was last asked to forget.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// The first operation that failed.
    failure: Option<Failure>,
    /// Whether the header was written: a commit may be there from then on.
    pub(super) header_written: bool,
}

#[derive(Debug, Clone)]
struct Failure {
    operation: Operation,
    kind: io::ErrorKind,
    cause: String,
}

impl Observed {
    /// Whether space ran out where the file's content is not in doubt. A failed sync leaves it in doubt, whatever the
    /// reason.
    pub(super) fn is_out_of_space(&self) -> bool {
        self.failure.as_ref().is_some_and(|failure| {
            failure.operation != Operation::Sync
                && matches!(failure.kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        })
    }

    /// The operation and the system's words; `None` when the disk did not fail.
    pub(super) fn cause(&self) -> Option<String> {
        self.failure.as_ref().map(|failure| format!("{:?} failed: {}", failure.operation, failure.cause))
    }
}

/// [`Observed`], shared with whoever asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Observer(Arc<Mutex<Observed>>);

impl Observer {
    pub(super) fn lock(&self) -> MutexGuard<'_, Observed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget(&self) {
        *self.lock() = Observed::default();
    }

    pub(super) fn watch<T>(&self, operation: Operation, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            let failure = Failure { operation, kind: error.kind(), cause: error.to_string() };
            self.lock().failure.get_or_insert(failure);
        }
        result
    }
}

/// A file as redb wants it.
#[derive(Debug)]
pub(super) struct FileBackend {
    pub(super) file: Arc<dyn File>,
    pub(super) observer: Observer,
}

impl FileBackend {
    /// Reserves the blocks first, so that space runs out here and not at a later write or sync.
    fn grow(&self, length: u64) -> io::Result<()> {
        let old = self.file.length()?;
        match self.file.allocate(old, length.saturating_sub(old)) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            result => result?,
        }
        self.file.set_length(length)
    }
}

impl StorageBackend for FileBackend {
    fn len(&self) -> io::Result<u64> {
        self.observer.watch(Operation::Read, self.file.length())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.observer.watch(Operation::Read, read_exact_at(self.file.as_ref(), out, offset))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.observer.watch(Operation::SetLength, self.grow(length))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.observer.watch(Operation::Sync, self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if offset < HEADER_SIZE {
            self.observer.lock().header_written = true;
        }
        let result = write_all_at(self.file.as_ref(), &mut [IoSlice::new(data)], offset);
        self.observer.watch(Operation::Write, result)
    }
}

pub(super) fn read_exact_at(file: &dyn File, mut buffer: &mut [u8], mut position: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(buffer, position) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer = buffer.get_mut(count..).unwrap_or_default();
                position = position.saturating_add(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
