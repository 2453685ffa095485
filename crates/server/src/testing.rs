//! What the tests of handlers stand on: stores in memory that keep metadata but no records.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use highwater_partition_log::{
    Appended, EpochEnd, Isolation, LogConfig, LogOffsets, Origin, ReadOutcome, ReadRequest, TimestampedOffset,
};
use highwater_store::meta::{ProducerIdsRecord, TopicRecord};
use highwater_store::{
    Acknowledgement, AppendError, BoxFuture, LogStore, MetaChange, MetaError, MetaKey, MetaRecord, MetaStore,
    NewPartition, Partition, PartitionProblem, PartitionState, ReadError, StoreError, StoreState,
    StoreStatistics, Watch, WatchSet,
};
use highwater_types::{LeaderEpoch, Offset, Timestamp, TopicIdPartition};
use highwater_wire::ApiKey;
use parking_lot::Mutex;

use crate::authorize::Principal;
use crate::broker::{Broker, Loaded, Node};
use crate::config::{Layers, Settings};
use crate::listener::{Endpoint, Listener};
use crate::request::{ConnectionInfo, RequestContext};

/// Metadata in memory, which can be told to fail.
#[derive(Debug, Default)]
pub(crate) struct MemoryMeta {
    records: Mutex<HashMap<MetaKey, MetaRecord>>,
    failing: AtomicBool,
}

impl MemoryMeta {
    pub(crate) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    pub(crate) fn producer_ids(&self) -> Option<ProducerIdsRecord> {
        match self.records.lock().get(&MetaKey::ProducerIds) {
            Some(MetaRecord::ProducerIds(record)) => Some(record.clone()),
            _ => None,
        }
    }

    pub(crate) fn topics(&self) -> Vec<TopicRecord> {
        let records = self.records.lock();
        let topics = records.values().filter_map(|record| match record {
            MetaRecord::Topic(record) => Some(record.clone()),
            _ => None,
        });
        topics.collect()
    }
}

impl MetaStore for MemoryMeta {
    fn load(&self) -> Result<Vec<MetaRecord>, MetaError> {
        Ok(self.records.lock().values().cloned().collect())
    }

    fn commit(&self, changes: Vec<MetaChange>) -> BoxFuture<'static, Result<(), MetaError>> {
        if self.failing.load(Ordering::SeqCst) {
            return Box::pin(async { Err(MetaError::Failed("told to fail".into())) });
        }
        let mut records = self.records.lock();
        for change in changes {
            match change {
                MetaChange::Put(record) => records.insert(record.key(), record),
                MetaChange::Remove(key) => records.remove(&key),
            };
        }
        Box::pin(async { Ok(()) })
    }
}

/// Partitions that exist and have settings, but take no records.
#[derive(Default)]
pub(crate) struct MemoryLogs {
    statistics: StoreStatistics,
    partitions: Mutex<HashMap<TopicIdPartition, Arc<EmptyPartition>>>,
}

impl MemoryLogs {
    pub(crate) fn config(&self, id: TopicIdPartition) -> Option<LogConfig> {
        self.partitions.lock().get(&id).map(|partition| partition.config.lock().clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.partitions.lock().len()
    }
}

struct EmptyPartition {
    id: TopicIdPartition,
    config: Mutex<LogConfig>,
}

impl LogStore for MemoryLogs {
    fn create(&self, partitions: Vec<NewPartition>) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut known = self.partitions.lock();
        for new in partitions {
            known.insert(new.id, Arc::new(EmptyPartition { id: new.id, config: Mutex::new(new.config) }));
        }
        Box::pin(async { Ok(()) })
    }

    fn delete(&self, partitions: Vec<TopicIdPartition>) -> BoxFuture<'_, Result<(), StoreError>> {
        self.partitions.lock().retain(|id, _| !partitions.contains(id));
        Box::pin(async { Ok(()) })
    }

    fn partition(&self, id: TopicIdPartition) -> Option<Arc<dyn Partition>> {
        self.partitions.lock().get(&id).map(|partition| Arc::clone(partition) as Arc<dyn Partition>)
    }

    fn partitions(&self) -> Vec<Arc<dyn Partition>> {
        self.partitions.lock().values().map(|partition| Arc::clone(partition) as Arc<dyn Partition>).collect()
    }

    fn statistics(&self) -> &StoreStatistics {
        &self.statistics
    }

    fn status(&self) -> StoreState {
        StoreState::default()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}

fn no_records() -> PartitionProblem {
    PartitionProblem::Storage("partitions of this test keep no records".into())
}

impl Partition for EmptyPartition {
    fn id(&self) -> TopicIdPartition {
        self.id
    }

    fn state(&self) -> PartitionState {
        PartitionState::Online
    }

    fn offsets(&self) -> LogOffsets {
        LogOffsets {
            log_start_offset: Offset(0),
            high_watermark: Offset(0),
            last_stable_offset: Offset(0),
            log_end_offset: Offset(0),
            synced_end: Offset(0),
            leader_epoch: LeaderEpoch(0),
        }
    }

    fn size(&self) -> u64 {
        0
    }

    fn append_problem(&self) -> Option<PartitionProblem> {
        Some(no_records())
    }

    fn unsynced_bytes(&self) -> u64 {
        0
    }

    fn segment_count(&self) -> usize {
        1
    }

    fn append(&self, _: Bytes, _: Origin, _: Timestamp) -> Result<Appended, AppendError> {
        Err(AppendError::Unavailable(no_records()))
    }

    fn acknowledged(&self, _: &Appended, _: Acknowledgement) -> BoxFuture<'static, Result<(), AppendError>> {
        Box::pin(async { Err(AppendError::Unavailable(no_records())) })
    }

    fn read(&self, _: ReadRequest) -> BoxFuture<'static, Result<ReadOutcome, ReadError>> {
        Box::pin(async { Err(ReadError::Unavailable(no_records())) })
    }

    fn offset_for_timestamp(
        &self,
        _: Timestamp,
        _: Isolation,
    ) -> BoxFuture<'static, Result<Option<TimestampedOffset>, ReadError>> {
        Box::pin(async { Ok(None) })
    }

    fn max_timestamp(&self) -> BoxFuture<'static, Result<Option<TimestampedOffset>, ReadError>> {
        Box::pin(async { Ok(None) })
    }

    fn end_of_epoch(&self, _: LeaderEpoch) -> EpochEnd {
        EpochEnd { leader_epoch: LeaderEpoch::NONE, end_offset: Offset(-1) }
    }

    fn earliest_epoch(&self) -> LeaderEpoch {
        LeaderEpoch::NONE
    }

    fn watch(self: Arc<Self>, _: &Arc<WatchSet>, _: u32) -> Watch {
        Watch::new(|| {})
    }

    fn configure(&self, config: LogConfig) {
        *self.config.lock() = config;
    }

    fn synced(&self) -> BoxFuture<'static, Result<(), PartitionProblem>> {
        Box::pin(async { Ok(()) })
    }

    fn delete_records(&self, before: Offset) -> BoxFuture<'static, Result<Offset, ReadError>> {
        Box::pin(async move { Ok(before) })
    }
}

/// A broker over stores in memory.
pub(crate) struct TestBroker {
    pub(crate) broker: Arc<Broker>,
    pub(crate) meta: Arc<MemoryMeta>,
    pub(crate) logs: Arc<MemoryLogs>,
}

/// A broker with these settings given at start.
pub(crate) fn broker_with(given: &[(&str, &str)]) -> TestBroker {
    let (meta, logs) = (Arc::new(MemoryMeta::default()), Arc::new(MemoryLogs::default()));
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = Arc::new(Settings::new(Layers { given, ..Layers::default() }));
    let node = Node { node_id: 1, cluster_id: "AAAAAAAAAAAAAAAAAAAAAQ".to_owned() };
    let broker = Broker::new(node, settings, Loaded::default(), logs.clone(), meta.clone(), 1);
    TestBroker { broker: Arc::new(broker), meta, logs }
}

/// A broker with the default settings.
pub(crate) fn broker() -> TestBroker {
    broker_with(&[])
}

/// A request of `api` in `version` on the listener that is advertised as `a.example:9092`.
pub(crate) fn context(api: ApiKey, version: i16) -> RequestContext {
    let listener = Listener {
        name: "PLAINTEXT".to_owned(),
        local: ([127, 0, 0, 1], 9092).into(),
        advertised: Endpoint { host: "a.example".to_owned(), port: 9092 },
    };
    let connection = ConnectionInfo {
        peer: ([127, 0, 0, 1], 50000).into(),
        listener: Arc::new(listener),
        principal: Principal::Anonymous,
        software: Mutex::new(None),
    };
    RequestContext { api, version, correlation_id: 7, client_id: None, connection: Arc::new(connection) }
}
