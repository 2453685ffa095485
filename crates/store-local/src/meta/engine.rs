//! One open redb database: opening, loading, one transaction. Every error is final for the value; what to do about it
//! is decided in [`core`](super::core).

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use highwater_disk::{Disk, File, OpenMode, Operation};
use highwater_store::{MetaChange, MetaError, MetaKey, MetaRecord};
use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::backend::{FileBackend, Observer};

/// redb's default is 1 GiB.
const CACHE_BYTES: usize = 4 << 20;

const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

/// A change as bytes; `None` removes.
pub(super) type EncodedChange = (Vec<u8>, Option<Vec<u8>>);

pub(super) fn encode(changes: &[MetaChange]) -> Result<Vec<EncodedChange>, MetaError> {
    let encode = |change: &MetaChange| match change {
        MetaChange::Put(record) => Ok((record.key().encode(), Some(record.encode()?))),
        MetaChange::Remove(key) => Ok((key.encode(), None)),
    };
    changes.iter().map(encode).collect()
}

pub(super) struct Engine {
    database: Database,
    file: Arc<dyn File>,
    /// From this file size on, commits leave behind what saves the walk after an unclean end.
    quick_repair_from: u64,
    observer: Observer,
}

impl Engine {
    /// Opens a file that is there. Everything in it is durable when this returns. An empty file becomes a
    /// database in which the first [`Engine::write`] makes the table.
    pub(super) fn open(
        disk: &dyn Disk,
        path: &Path,
        observer: &Observer,
        quick_repair_from: u64,
    ) -> Result<Self, redb::Error> {
        observer.forget();
        let file = observer.watch(Operation::Open, disk.open(path, OpenMode::ReadWrite))?;
        observer.watch(Operation::Sync, file.sync_data())?;
        observer.watch(Operation::Read, file.drop_cache())?;
        let backend = FileBackend { file: Arc::clone(&file), observer: observer.clone() };
        let open = || Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend);
        Ok(Self { database: guard(open)?, file, quick_repair_from, observer: observer.clone() })
    }

    /// Over a database that is open, for loading.
    pub(super) fn over(database: Database, file: Arc<dyn File>, observer: Observer) -> Self {
        Self { database, file, quick_repair_from: u64::MAX, observer }
    }

    /// Applies the changes of all commits, in order, in one durable transaction.
    pub(super) fn write(&self, commits: &[Vec<EncodedChange>]) -> Result<(), redb::Error> {
        self.observer.forget();
        let quick_repair = self.file.length()? >= self.quick_repair_from;
        guard(|| {
            let mut transaction = self.database.begin_write()?;
            transaction.set_quick_repair(quick_repair);
            {
                let mut table = transaction.open_table(RECORDS)?;
                for (key, value) in commits.iter().flatten() {
                    match value {
                        Some(value) => drop(table.insert(key.as_slice(), value.as_slice())?),
                        None => drop(table.remove(key.as_slice())?),
                    }
                }
            }
            Ok::<_, redb::Error>(transaction.commit()?)
        })
    }

    /// Every record, in the order of the keys.
    pub(super) fn load(&self) -> Result<Result<Vec<MetaRecord>, MetaError>, redb::Error> {
        guard(|| {
            let table = self.database.begin_read()?.open_table(RECORDS)?;
            let mut records = Vec::new();
            for entry in table.iter()? {
                let (key, value) = entry?;
                let record =
                    MetaKey::decode(key.value()).and_then(|key| MetaRecord::decode(&key, value.value()));
                match record {
                    Ok(record) => records.push(record),
                    Err(error) => return Ok::<_, redb::Error>(Err(error)),
                }
            }
            Ok(Ok(records))
        })
    }

    /// Whether the records are as they would be after these commits.
    pub(super) fn holds(&self, commits: &[Vec<EncodedChange>]) -> Result<bool, redb::Error> {
        let last: BTreeMap<_, _> = commits.iter().flatten().map(|(key, value)| (key, value)).collect();
        guard(|| {
            let table = self.database.begin_read()?.open_table(RECORDS)?;
            for (key, value) in last {
                let found = table.get(key.as_slice())?;
                if found.as_ref().map(redb::AccessGuard::value) != value.as_deref() {
                    return Ok::<_, redb::Error>(false);
                }
            }
            Ok(true)
        })
    }
}

/// redb asserts what it believes of its pages; in a damaged file that may be wrong, and must be an error of ours.
pub(super) fn guard<T, E: Into<redb::Error>>(call: impl FnOnce() -> Result<T, E>) -> Result<T, redb::Error> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(redb::Error::Corrupted("redb found its own structures broken".to_string())),
    }
}
