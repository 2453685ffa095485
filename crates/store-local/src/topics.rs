//! Making and removing partitions: the work behind [`LogStore`](highwater_store::LogStore), on the admin thread.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use highwater_disk::{Disk, DiskError, Operation};
use highwater_partition_log::{LogError, PartitionLog};
use highwater_store::{NewPartition, StoreError};
use highwater_types::{TopicId, TopicIdPartition};
use highwater_wal::Segment;

use crate::layout;
use crate::partition::LocalPartition;
use crate::removal::Removal;
use crate::shared::Shared;
use crate::{files, names, threads};

/// Makes all of the partitions or none; they survive a power loss when this returns.
pub(crate) fn create(shared: &Arc<Shared>, partitions: Vec<NewPartition>) -> Result<(), StoreError> {
    check_names(shared, &partitions)?;
    let logs: Mutex<Vec<(usize, Result<PartitionLog, LogError>)>> = Mutex::default();
    let indexed: Vec<_> = partitions.iter().enumerate().collect();
    threads::for_each(&indexed, shared.threads_per_call, |(index, partition)| {
        let result = create_log(shared, partition);
        logs.lock().unwrap_or_else(PoisonError::into_inner).push((*index, result));
    });
    let mut logs = logs.into_inner().unwrap_or_else(PoisonError::into_inner);
    logs.sort_by_key(|(index, _)| *index);
    let logs: Result<Vec<_>, _> = logs.into_iter().map(|(_, result)| result).collect();
    let synced = logs.and_then(|logs| {
        files::sync_directory(shared.disk.as_ref(), &shared.path).map_err(LogError::Disk)?;
        Ok(logs)
    });
    let logs = synced.map_err(|error| {
        undo(shared, &partitions);
        store_error(&error)
    })?;
    let mut map = shared.partitions_mut();
    for (partition, log) in partitions.into_iter().zip(logs) {
        let id = partition.id;
        map.insert(id, LocalPartition::created(partition, Arc::clone(shared), log));
    }
    Ok(())
}

/// Refuses what would share a directory with a partition that is there.
fn check_names(shared: &Shared, partitions: &[NewPartition]) -> Result<(), StoreError> {
    let map = shared.partitions();
    let mut taken: HashSet<String> = map.values().map(|partition| partition.name().to_owned()).collect();
    for partition in partitions {
        let name = names::partition(&partition.topic, partition.id.partition);
        if map.contains_key(&partition.id) || taken.contains(&name) {
            return Err(StoreError::Storage(format!("the directory {name} belongs to another partition")));
        }
        taken.insert(name);
    }
    Ok(())
}

/// Makes one directory and the log in it. A directory that nobody knows, left by a creation that was not completed,
/// is set aside.
fn create_log(shared: &Shared, partition: &NewPartition) -> Result<PartitionLog, LogError> {
    let name = names::partition(&partition.topic, partition.id.partition);
    let directory = shared.path.join(&name);
    match LocalPartition::create_log(&shared.disk, &directory, partition) {
        Err(LogError::Disk(error))
            if error.operation == Operation::CreateDirectory
                && error.source.kind() == io::ErrorKind::AlreadyExists =>
        {
            set_aside(shared.disk.as_ref(), &shared.path, &name).map_err(LogError::Disk)?;
            LocalPartition::create_log(&shared.disk, &directory, partition)
        }
        result => result,
    }
}

fn set_aside(disk: &dyn Disk, path: &Path, name: &str) -> Result<(), DiskError> {
    let owner = layout::owner(disk, &path.join(name))?;
    let aside = layout::set_aside(disk, path, name, owner)?;
    tracing::warn!(name, aside, "a directory that the metadata does not know was set aside");
    Ok(())
}

/// Removes what a creation that failed has made. What cannot be removed is set aside at the next start.
fn undo(shared: &Shared, partitions: &[NewPartition]) {
    let disk = shared.disk.as_ref();
    for partition in partitions {
        let directory = shared.path.join(names::partition(&partition.topic, partition.id.partition));
        // Only a directory that states this topic's id, or states none yet, was made just now.
        let ours = matches!(layout::owner(disk, &directory), Ok(owner) if owner.is_none_or(|id| id == partition.id.topic_id));
        if !ours {
            continue;
        }
        for entry in disk.list(&directory).unwrap_or_default() {
            let _ = disk.remove_file(&directory.join(entry.name));
        }
        if let Err(error) = disk.remove_directory(&directory)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(directory = %directory.display(), %error, "a directory of a failed creation is left");
        }
    }
}

/// Partitions taken out of service, with the segments that running sends may still read.
pub(crate) struct Retired {
    partitions: Vec<(Arc<LocalPartition>, Vec<Arc<Segment>>)>,
    topics: BTreeSet<TopicId>,
}

/// Takes partitions out of service at once: nobody finds them, their waits are refused.
pub(crate) fn retire(shared: &Shared, ids: &[TopicIdPartition]) -> Retired {
    let removed: Vec<_> = {
        let mut map = shared.partitions_mut();
        ids.iter().filter_map(|id| map.remove(id)).collect()
    };
    let partitions = removed
        .into_iter()
        .map(|partition| {
            let segments = partition.retire();
            // Counted now: the topic is gone only when each of these directories is.
            shared.removals.begin(partition.key().topic_id);
            (partition, segments)
        })
        .collect();
    Retired { partitions, topics: ids.iter().map(|id| id.topic_id).collect() }
}

/// Renames the directories of retired partitions, so that their names are free, and begins their removal.
pub(crate) fn remove(shared: &Shared, retired: Retired) -> Result<(), StoreError> {
    let mut result = Ok(());
    let mut topics = retired.topics;
    let mut removals = Vec::new();
    for (partition, segments) in retired.partitions {
        let id = partition.key();
        topics.remove(&id.topic_id);
        partition.wait_until_quiet();
        shared.checkpoints.remove(id);
        if let Err(error) = shared.synced_ends.remove(id) {
            tracing::debug!(%partition, %error, "the slot of a deleted partition was not cleared");
        }
        match layout::mark_deleted(shared.disk.as_ref(), &shared.path, partition.name(), id.topic_id) {
            Ok(name) => {
                removals.push(Removal::new(id.topic_id, shared.path.join(name), segments));
            }
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => shared.removals.done(id.topic_id),
            // The tombstone stays, so the next start removes it.
            Err(error) => {
                tracing::error!(%partition, %error, "the directory of a deleted partition was not renamed");
                result = Err(disk_error(&error));
            }
        }
    }
    topics.into_iter().for_each(|topic_id| shared.removals.done(topic_id));
    if removals.is_empty() {
        return result;
    }
    // A power loss must not bring back the old name of a directory whose files are partly gone.
    files::sync_directory(shared.disk.as_ref(), &shared.path).map_err(|error| disk_error(&error))?;
    for removal in removals {
        shared.maintenance.remove(removal, shared.clock.now());
    }
    result
}

fn store_error(error: &LogError) -> StoreError {
    match error.is_out_of_space() {
        true => StoreError::OutOfSpace,
        false => StoreError::Storage(error.to_string()),
    }
}

fn disk_error(error: &DiskError) -> StoreError {
    match error.is_out_of_space() {
        true => StoreError::OutOfSpace,
        false => StoreError::Storage(error.to_string()),
    }
}
