//! The groups that this broker coordinates: all of them, in shards by a hash of the group's id.
//!
//! A shard is [`Groups`] behind a mutex with the requests that wait for an answer. Its effects are carried out under the
//! mutex: commits go to the metadata store in the order in which they were made, and are awaited outside.
//!
//! Not here: the rules (`coordinator`), and what a version of a request means (`handlers`).

mod settings;
mod shard;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use highwater_coordinator::{Answer, Groups, Request};
use highwater_store::meta::{GroupRecord, OffsetRecord};
use highwater_store::{MetaChange, MetaKey, MetaStore};
use highwater_types::TopicId;
use highwater_wire::ErrorCode;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::Settings;
use crate::topics::Topics;
use shard::{Shard, Submitted};

/// How many shards; a power of two.
const SHARDS: usize = 16;
/// Offsets that are removed in one commit at start.
const REMOVED_AT_ONCE: usize = 1000;

/// Coordinates groups.
pub(crate) struct GroupCoordinator {
    shards: Vec<Arc<Shard>>,
    hasher: RandomState,
    meta: Arc<dyn MetaStore>,
    /// Offsets of topics that are gone, found at start and still to be removed.
    orphans: Mutex<Vec<MetaKey>>,
}

impl std::fmt::Debug for GroupCoordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GroupCoordinator")
    }
}

impl GroupCoordinator {
    /// Takes in what the store held. Offsets of topics that are gone are left out, and removed by
    /// [`GroupCoordinator::start`].
    pub(crate) fn new(
        settings: &Settings,
        meta: Arc<dyn MetaStore>,
        clock: &Clock,
        topics: &Arc<Topics>,
        groups: Vec<GroupRecord>,
        offsets: Vec<OffsetRecord>,
    ) -> Self {
        let config = settings::group_config(settings);
        let group_bytes_max = settings::group_bytes_max(settings);
        let shard = |_| {
            Arc::new(Shard::new(
                config,
                Arc::clone(topics),
                Arc::clone(&meta),
                clock.clone(),
                group_bytes_max,
            ))
        };
        let shards = (0..SHARDS).map(shard).collect();
        let coordinator =
            Self { shards, hasher: RandomState::new(), meta: Arc::clone(&meta), orphans: Mutex::default() };
        coordinator.load(topics, groups, offsets);
        coordinator
    }

    fn load(&self, topics: &Topics, groups: Vec<GroupRecord>, offsets: Vec<OffsetRecord>) {
        let mut of_shards: Vec<(Vec<_>, Vec<_>)> = (0..SHARDS).map(|_| Default::default()).collect();
        for record in groups {
            if let Some((groups, _)) = of_shards.get_mut(self.index_of(&record.group_id)) {
                groups.push(record);
            }
        }
        for record in offsets {
            match topics.by_id(TopicId(record.topic_id)) {
                None => self.orphans.lock().push(MetaKey::Offset(record.key())),
                Some(topic) => {
                    if let Some((_, offsets)) = of_shards.get_mut(self.index_of(&record.group_id)) {
                        offsets.push((record, Arc::clone(&topic.name)));
                    }
                }
            }
        }
        for (shard, (groups, offsets)) in self.shards.iter().zip(of_shards) {
            shard.load(groups, offsets);
        }
    }

    /// Starts a task that keeps time for the groups and ends at [`GroupCoordinator::stop`]. Without it nothing expires.
    pub(crate) fn start(self: &Arc<Self>) {
        tokio::spawn(Arc::clone(self).keep_time());
    }

    async fn keep_time(self: Arc<Self>) {
        self.remove_orphans().await;
        let mut timers = JoinSet::new();
        self.shards.iter().for_each(|shard| {
            timers.spawn(Arc::clone(shard).keep_time());
        });
        while timers.join_next().await.is_some() {}
    }

    async fn remove_orphans(&self) {
        let orphans = std::mem::take(&mut *self.orphans.lock());
        for keys in orphans.chunks(REMOVED_AT_ONCE) {
            let removes = keys.iter().cloned().map(MetaChange::Remove).collect();
            // The next start finds them again.
            if let Err(error) = self.meta.commit(removes).await {
                tracing::warn!(%error, "offsets of deleted topics stay until the next start");
                return;
            }
        }
    }

    /// Ends the keeping of time and answers who waits for other members: COORDINATOR_NOT_AVAILABLE, as to everybody who
    /// would wait for them from now on.
    pub(crate) fn stop(&self) {
        self.shards.iter().for_each(|shard| shard.stop());
    }

    /// Takes a request to a group and waits for its answer. Dropping the future loses the answer and nothing else.
    ///
    /// # Errors
    /// COORDINATOR_NOT_AVAILABLE after [`GroupCoordinator::stop`].
    pub(crate) async fn call(&self, group_id: &str, request: Request) -> Result<Answer, ErrorCode> {
        let shard = self.shards.get(self.index_of(group_id)).ok_or(ErrorCode::UnknownServerError)?;
        match shard.submit(request) {
            Submitted::Answered(answer) => Ok(answer),
            Submitted::Waiting(answer) => answer.await.map_err(|_| ErrorCode::CoordinatorNotAvailable),
            Submitted::Refused(code) => Err(code),
        }
    }

    /// Looks at the groups among which that one is, if it is there. They stand still meanwhile.
    pub(crate) fn read<T: Default>(&self, group_id: &str, look: impl FnOnce(&Groups) -> T) -> T {
        self.shards.get(self.index_of(group_id)).map_or_else(T::default, |shard| shard.read(look))
    }

    /// Looks at all groups, a shard at a time.
    pub(crate) fn for_each_shard(&self, mut look: impl FnMut(&Groups)) {
        self.shards.iter().for_each(|shard| shard.read(&mut look));
    }

    /// Forgets the offsets of a topic that is deleted: it must be out of the table of topics, so that none is committed
    /// after this.
    pub(crate) fn forget_topic(&self, topic: TopicId) {
        self.shards.iter().for_each(|shard| shard.forget_topic(topic));
    }

    fn index_of(&self, group_id: &str) -> usize {
        let hash = self.hasher.hash_one(group_id);
        // The remainder is below SHARDS.
        usize::try_from(hash % SHARDS as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
