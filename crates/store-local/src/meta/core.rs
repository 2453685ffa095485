//! The store without its thread: what the simulation drives.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater_disk::{Disk, OpenMode};
use highwater_store::{MetaChange, MetaError, MetaRecord};

use super::backend::Observer;
use super::engine::{EncodedChange, Engine, encode};
use super::look::look;

/// Walking a file after an unclean end took 6 ms a MiB; above this size a second sync in each commit saves it.
const QUICK_REPAIR_FROM_BYTES: u64 = 32 << 20;

/// redb does not look at the checksums of pages after a clean close, and what it cannot find is not there to it. Files up
/// to this size are checked when they are opened, 6 ms a MiB; larger ones by `highwater verify`.
const CHECKED_BYTES_MAX: u64 = 32 << 20;

/// What is said of a file without records.
pub(super) const EMPTY: &str = "the file is empty: its contents were lost";

/// What is said of a link that leads nowhere.
const DANGLING: &str = "it is a link to a file that is not there";

/// Metadata on a disk, committed by whoever calls. Dropping it closes the file cleanly.
pub struct MetaCore {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    observer: Observer,
    quick_repair_from: u64,
    state: State,
}

enum State {
    Open(Engine),
    /// Space ran out: the next call tries to open the file again.
    OutOfSpace,
    Failed(String),
}

impl MetaCore {
    /// Opens the file `path`, making it when it is not there. Its directory must exist.
    ///
    /// # Errors
    /// [`MetaError::OutOfSpace`], or [`MetaError::Failed`] with the file's name.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, MetaError> {
        Self::open_with(disk, path, QUICK_REPAIR_FROM_BYTES)
    }

    /// As [`MetaCore::open`], but refuses a file in which something is damaged, up to 32 MiB.
    pub(super) fn open_checked(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, MetaError> {
        // A copy is checked: opening sets the file right by leaving out what is damaged.
        let length = disk.open(path, OpenMode::Read).and_then(|file| file.length());
        if length.is_ok_and(|length| length <= CHECKED_BYTES_MAX) {
            look(&disk, path)?;
        }
        Self::open(disk, path)
    }

    pub(super) fn open_with(
        disk: Arc<dyn Disk>,
        path: &Path,
        quick_repair_from: u64,
    ) -> Result<Self, MetaError> {
        let (path, observer, state) = (path.to_path_buf(), Observer::default(), State::OutOfSpace);
        let mut core = Self { disk, path, observer, quick_repair_from, state };
        core.create_if_missing()?;
        core.engine()?;
        Ok(core)
    }

    /// Every record, in the order of the keys.
    ///
    /// # Errors
    /// As [`MetaStore::load`](highwater_store::MetaStore::load).
    pub fn load(&mut self) -> Result<Vec<MetaRecord>, MetaError> {
        match self.engine()?.load() {
            Ok(records) => records,
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Applies all of `commits`, in order, in one durable step, or none of them.
    ///
    /// # Errors
    /// As [`MetaStore::commit`](highwater_store::MetaStore::commit), for all of them.
    pub fn commit_many(&mut self, commits: &[Vec<MetaChange>]) -> Result<(), MetaError> {
        let encoded = commits.iter().map(|changes| encode(changes)).collect::<Result<Vec<_>, _>>()?;
        self.commit_encoded(&encoded)
    }

    pub(super) fn commit_encoded(&mut self, commits: &[Vec<EncodedChange>]) -> Result<(), MetaError> {
        match self.engine()?.write(commits) {
            Ok(()) => Ok(()),
            Err(error) => self.settle(commits, error),
        }
    }

    /// After a failed transaction: says whether it is there, and whether the store goes on.
    fn settle(&mut self, commits: &[Vec<EncodedChange>], error: redb::Error) -> Result<(), MetaError> {
        let (out_of_space, header_written) = {
            let observed = self.observer.lock();
            (observed.is_out_of_space(), observed.header_written)
        };
        if !out_of_space {
            return Err(self.fail(error));
        }
        // redb takes nothing more after an error; what is in the file is found by opening it again.
        self.state = State::OutOfSpace;
        match self.engine() {
            Ok(engine) => match engine.holds(commits) {
                Ok(true) => Ok(()),
                Ok(false) => Err(MetaError::OutOfSpace),
                Err(error) => Err(self.fail(error)),
            },
            // Without the header nothing of the commit can be there.
            Err(MetaError::OutOfSpace) if !header_written => Err(MetaError::OutOfSpace),
            Err(_) => Err(self.fail(error)),
        }
    }

    fn engine(&mut self) -> Result<&Engine, MetaError> {
        if let State::OutOfSpace = self.state {
            match self.open_engine(&self.path) {
                Ok(engine) => self.state = State::Open(engine),
                Err(_) if self.observer.lock().is_out_of_space() => return Err(MetaError::OutOfSpace),
                Err(error) => return Err(self.fail(error)),
            }
        }
        match &self.state {
            State::Open(engine) => Ok(engine),
            State::OutOfSpace => Err(MetaError::OutOfSpace),
            State::Failed(cause) => Err(MetaError::Failed(cause.clone())),
        }
    }

    fn open_engine(&self, path: &Path) -> Result<Engine, redb::Error> {
        Engine::open(self.disk.as_ref(), path, &self.observer, self.quick_repair_from)
    }

    fn fail(&mut self, error: redb::Error) -> MetaError {
        let cause = self.observer.lock().cause().unwrap_or_else(|| match error {
            // A new file gets its table before its name.
            redb::Error::TableDoesNotExist(_) => EMPTY.to_owned(),
            error => error.to_string(),
        });
        let cause = format!("{}: {cause}", self.path.display());
        self.state = State::Failed(cause.clone());
        MetaError::Failed(cause)
    }

    /// Makes an empty database beside `path` and gives it the name when it is whole and durable.
    fn create_if_missing(&mut self) -> Result<(), MetaError> {
        let mut unfinished = self.path.clone().into_os_string();
        unfinished.push(".new");
        let unfinished = PathBuf::from(unfinished);
        match self.disk.remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.cannot_create(&error)),
            _ => {}
        }
        match self.disk.open(&self.path, OpenMode::Read) {
            Ok(_) => self.sync_directory(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.check_unnamed()?;
                self.create(&unfinished)
            }
            Err(error) => Err(self.cannot_create(&error)),
        }
    }

    /// A name that leads to no file is a link whose target is away, with everything that stands there: a new file would
    /// take its place.
    fn check_unnamed(&self) -> Result<(), MetaError> {
        let parent = self.path.parent().unwrap_or(Path::new("."));
        let listed = self.disk.list(parent).map_err(|error| self.cannot_create(&error))?;
        match listed.iter().any(|entry| self.path.ends_with(&entry.name)) {
            true => Err(MetaError::Failed(format!("{}: {DANGLING}", self.path.display()))),
            false => Ok(()),
        }
    }

    fn create(&mut self, unfinished: &Path) -> Result<(), MetaError> {
        self.disk.open(unfinished, OpenMode::CreateNew).map_err(|error| self.cannot_create(&error))?;
        let made = self.open_engine(unfinished);
        match made.and_then(|engine| engine.write(&[])) {
            Ok(()) => {}
            Err(_) if self.observer.lock().is_out_of_space() => return Err(MetaError::OutOfSpace),
            Err(error) => return Err(self.fail(error)),
        }
        let file = self.disk.open(unfinished, OpenMode::ReadWrite);
        let synced = file.and_then(|file| file.sync_data());
        synced.map_err(|error| self.cannot_create(&error))?;
        self.disk.rename(unfinished, &self.path).map_err(|error| self.cannot_create(&error))?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> Result<(), MetaError> {
        let parent = self.path.parent().unwrap_or(Path::new("."));
        self.disk.sync_directory(parent).map_err(|error| self.cannot_create(&error))
    }

    fn cannot_create(&self, error: &io::Error) -> MetaError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => MetaError::OutOfSpace,
            _ => MetaError::Failed(format!("{}: {error}", self.path.display())),
        }
    }
}

impl std::fmt::Debug for MetaCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetaCore").field("path", &self.path).finish_non_exhaustive()
    }
}
