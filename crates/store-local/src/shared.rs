//! What all partitions and threads of one store share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use highwater_disk::Disk;
use highwater_types::TopicIdPartition;

use crate::budget::StagedBudget;
use crate::checkpoints::Checkpoints;
use crate::committer::Committer;
use crate::maintenance::Maintenance;
use crate::options::Clock;
use crate::partition::LocalPartition;
use crate::pool::ReaderPool;
use crate::removal::Removals;
use crate::scrub::Scrub;
use crate::space::{Room, Space};
use crate::synced_ends::SyncedEnds;

/// Shared parts; each has its own lock.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    /// The data directory.
    pub(crate) path: PathBuf,
    pub(crate) clock: Clock,
    pub(crate) partitions: RwLock<PartitionMap>,
    pub(crate) budget: Arc<StagedBudget>,
    pub(crate) committer: Committer,
    pub(crate) maintenance: Maintenance,
    pub(crate) readers: Arc<ReaderPool>,
    /// One thread for what takes its time and happens rarely: creating, removing and repairing partitions.
    pub(crate) admin: Arc<ReaderPool>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) synced_ends: SyncedEnds,
    pub(crate) removals: Removals,
    pub(crate) space: Space,
    pub(crate) scrub: Scrub,
    /// Threads that one call may use for many partitions; 1 in a store without threads, which does the same things in
    /// the same order each time.
    pub(crate) threads_per_call: usize,
}

pub(crate) type PartitionMap = HashMap<TopicIdPartition, Arc<LocalPartition>>;

impl Shared {
    /// Every partition, in the order of the keys: what is done to all of them is done in the same order each time.
    pub(crate) fn all_partitions(&self) -> Vec<Arc<LocalPartition>> {
        let mut partitions: Vec<_> = self.partitions().values().cloned().collect();
        partitions.sort_by_key(|partition| partition.key());
        partitions
    }

    pub(crate) fn partitions(&self) -> RwLockReadGuard<'_, PartitionMap> {
        self.partitions.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn partitions_mut(&self) -> RwLockWriteGuard<'_, PartitionMap> {
        self.partitions.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the file system what is free.
    pub(crate) fn look_at_space(&self) {
        let used = || (self.budget.used(), self.partitions().len());
        if self.space.look(self.disk.as_ref(), &self.path, used, self.clock.now()) {
            self.give_back_reserved();
        }
    }

    /// Gives back the blocks that were reserved ahead of writes.
    pub(crate) fn give_back_reserved(&self) {
        self.all_partitions().iter().for_each(|partition| partition.give_back_reserved());
    }

    /// Counts a client's batch against the space that is left. Returns whether it may be appended.
    pub(crate) fn take_space(&self, bytes: u64) -> bool {
        let room = self.space.take(bytes);
        if matches!(room, Room::Dwindling | Room::Exceeded) {
            self.maintenance.look_at_space(self.clock.now());
        }
        matches!(room, Room::Enough | Room::Dwindling)
    }

    /// Where the disk is short of descriptors, closes the files that nobody uses and has those with unsynced bytes synced, whose
    /// descriptors then go too. Until then what is needed opens a file only for as long as it is in use.
    pub(crate) fn release_descriptors(&self) {
        if self.disk.is_short_of_descriptors() {
            self.all_partitions().iter().for_each(|partition| partition.release_descriptors());
        }
    }
}
