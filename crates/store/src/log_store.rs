//! Where records are kept. Appending has two stages, so that a connection can go on while durability is awaited:
//! [`Partition::append`] fixes the order and returns at once, [`Partition::acknowledged`] waits.

use std::sync::Arc;

use bytes::Bytes;
use highwater_partition_log::{
    Appended, EpochEnd, Isolation, LogConfig, LogOffsets, Origin, ReadOutcome, ReadRequest, TimestampedOffset,
};
use highwater_types::{LeaderEpoch, Offset, Timestamp, TopicIdPartition};

use crate::{
    AppendError, BoxFuture, PartitionProblem, ReadError, SpaceState, StoreError, StoreState, StoreStatistics,
    Watch, WatchSet,
};

/// A partition to be made.
#[derive(Debug, Clone)]
pub struct NewPartition {
    /// Its key.
    pub id: TopicIdPartition,
    /// The topic's name, for people and directories.
    pub topic: Arc<str>,
    /// Its settings.
    pub config: LogConfig,
}

/// What an acknowledgement waits for. How it is reached is the sync policy's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acknowledgement {
    /// acks=1: survives the death of the process (under [`SyncPolicy::Always`]: of the power too).
    ///
    /// [`SyncPolicy::Always`]: highwater_partition_log::SyncPolicy::Always
    Written,
    /// acks=all: below the high watermark.
    Durable,
}

/// Whether a partition serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionState {
    /// Reads and writes are served.
    Online,
    /// Neither is, for this reason.
    Unavailable(PartitionProblem),
}

/// All partitions of this broker.
pub trait LogStore: Send + Sync + 'static {
    /// Makes partitions: when it resolves, they survive a power loss, empty. The metadata commit that follows is what
    /// makes the topic exist; without it they are set aside at the next start. All or none.
    fn create(&self, partitions: Vec<NewPartition>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Forgets partitions at once and removes their data in the background. The caller has committed the tombstone.
    fn delete(&self, partitions: Vec<TopicIdPartition>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// A partition, or `None` when there is none of that id.
    fn partition(&self, id: TopicIdPartition) -> Option<Arc<dyn Partition>>;

    /// Every partition, in no order.
    fn partitions(&self) -> Vec<Arc<dyn Partition>>;

    /// Awaited before [`Partition::append`], so that memory stays bounded: `None` when appending to all of these partitions may go on,
    /// otherwise a future that resolves when it may. Appending itself never waits and never refuses for this reason. `to` is looked at
    /// only where memory is short: then whoever appends where much is staged already waits earlier than others.
    fn backpressure(&self, to: &mut dyn Iterator<Item = TopicIdPartition>) -> Option<BoxFuture<'static, ()>> {
        let _ = to;
        None
    }

    /// What it has counted.
    fn statistics(&self) -> &StoreStatistics;

    /// Where it stands.
    fn status(&self) -> StoreState;

    /// What is left of the file system under it; `None` when there is none or it does not tell. May wait for it.
    fn space(&self) -> Option<SpaceState> {
        None
    }

    /// Stops taking appends, makes everything durable and leaves the marker of a clean stop. Idempotent.
    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// One partition's log.
pub trait Partition: Send + Sync + 'static {
    /// Its key.
    fn id(&self) -> TopicIdPartition;

    /// Whether it serves.
    fn state(&self) -> PartitionState;

    /// Where it begins and ends.
    fn offsets(&self) -> LogOffsets;

    /// Bytes of its segments up to their logical ends.
    fn size(&self) -> u64;

    /// Why nothing can be appended; `None` when it can. Lack of space refuses appends and still serves reads.
    fn append_problem(&self) -> Option<PartitionProblem>;

    /// Bytes that were accepted and are not known to be on stable storage.
    fn unsynced_bytes(&self) -> u64;

    /// How many segments it has.
    fn segment_count(&self) -> usize;

    /// Checks one batch and gives it its offsets. Never blocks on the disk. The answer may be given to the client only
    /// when [`Partition::acknowledged`] resolves, also for a duplicate.
    ///
    /// # Errors
    /// [`AppendError::Refused`] with nothing appended; [`AppendError::Unavailable`].
    fn append(&self, records: Bytes, origin: Origin, now: Timestamp) -> Result<Appended, AppendError>;

    /// Resolves when `appended` is as safe as `level` asks. Called right after [`Partition::append`], before anything is
    /// awaited: the wait begins at the call. Dropping it abandons the wait, not the records.
    fn acknowledged(
        &self,
        appended: &Appended,
        level: Acknowledgement,
    ) -> BoxFuture<'static, Result<(), AppendError>>;

    /// Byte ranges of whole batches from an offset on. Resolves at its first poll when what it must look at is in
    /// memory.
    fn read(&self, request: ReadRequest) -> BoxFuture<'static, Result<ReadOutcome, ReadError>>;

    /// The first record at or after a time, within what `isolation` may see; `None` when there is none.
    fn offset_for_timestamp(
        &self,
        timestamp: Timestamp,
        isolation: Isolation,
    ) -> BoxFuture<'static, Result<Option<TimestampedOffset>, ReadError>>;

    /// The first of the records with the largest timestamp; `None` in an empty log.
    fn max_timestamp(&self) -> BoxFuture<'static, Result<Option<TimestampedOffset>, ReadError>>;

    /// Where an epoch ends.
    fn end_of_epoch(&self, epoch: LeaderEpoch) -> EpochEnd;

    /// The epoch of the first record; the current one while there is none.
    fn earliest_epoch(&self) -> LeaderEpoch;

    /// Has `set` told `token` whenever the high watermark or last stable offset rises, or the state changes, until the
    /// returned guard is dropped. Costs nothing while nothing happens.
    fn watch(self: Arc<Self>, set: &Arc<WatchSet>, token: u32) -> Watch;

    /// Resolves when everything that was visible at the call is on stable storage, whatever the policy. Waits for the
    /// recovery at start.
    fn synced(&self) -> BoxFuture<'static, Result<(), PartitionProblem>>;

    /// Takes new settings from the next append on. To a policy under which only what is durable is visible, call this
    /// before the change is committed, and commit when [`Partition::synced`] has resolved: recovery knows the policy
    /// that was committed, and under that one it tells of no loss of what was visible.
    fn configure(&self, config: LogConfig);

    /// Raises the log start offset (never lowers it) and drops whole segments below it. Durable when it resolves.
    fn delete_records(&self, before: Offset) -> BoxFuture<'static, Result<Offset, ReadError>>;
}
