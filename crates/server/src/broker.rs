//! What all connections share.

use std::collections::BTreeMap;
use std::sync::Arc;

use highwater_store::meta::{ClusterRecord, GroupRecord, OffsetRecord, TopicRecord};
use highwater_store::{LogStore, MetaRecord, MetaStore, Partition};
use highwater_types::{TopicId, TopicIdPartition};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Settings;
use crate::fetch_session::FetchSessions;
use crate::groups::GroupCoordinator;
use crate::metrics::Metrics;
use crate::producer_ids::ProducerIds;
use crate::topic_changes::Changes;
use crate::topics::{Topic, Topics};

/// Who this broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// `node.id`.
    pub(crate) node_id: i32,
    /// The cluster's id, 22 characters of URL-safe base64.
    pub(crate) cluster_id: String,
}

/// The broker.
pub(crate) struct Broker {
    /// Who it is.
    pub(crate) node: Arc<Node>,
    /// Its records.
    pub(crate) store: Arc<dyn LogStore>,
    /// Its topics.
    pub(crate) topics: Arc<Topics>,
    /// The settings in force.
    pub(crate) settings: Arc<Settings>,
    /// What changes topics and settings.
    pub(crate) changes: Changes,
    /// Consumer groups.
    pub(crate) groups: Arc<GroupCoordinator>,
    /// Where producer ids come from.
    pub(crate) producer_ids: ProducerIds,
    /// Incremental fetches.
    pub(crate) fetch_sessions: FetchSessions,
    /// What it has counted.
    pub(crate) metrics: Metrics,
    /// Its metadata.
    pub(crate) meta: Arc<dyn MetaStore>,
    /// The time.
    pub(crate) clock: Clock,
    /// Turns true when it stops: what waits for records is answered then.
    pub(crate) stopping: watch::Sender<bool>,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("node", &self.node).finish_non_exhaustive()
    }
}

/// The metadata as it was at start.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// Identity of the cluster and of this node; `None` at the first start.
    pub(crate) cluster: Option<ClusterRecord>,
    /// Topics.
    pub(crate) topics: Vec<TopicRecord>,
    /// Topics whose data is still to be removed.
    pub(crate) tombstones: Vec<TopicId>,
    /// How far producer ids were reserved.
    pub(crate) producer_ids: Option<highwater_store::meta::ProducerIdsRecord>,
    /// Groups.
    pub(crate) groups: Vec<GroupRecord>,
    /// Committed offsets.
    pub(crate) offsets: Vec<OffsetRecord>,
    /// Settings changed at run time: of the broker with that id, or of the cluster when empty.
    pub(crate) broker_configs: BTreeMap<String, BTreeMap<String, String>>,
}

impl Loaded {
    /// Sorts records by what they are.
    pub(crate) fn new(records: Vec<MetaRecord>) -> Self {
        let mut loaded = Self::default();
        for record in records {
            match record {
                MetaRecord::Cluster(record) => loaded.cluster = Some(record),
                MetaRecord::Topic(record) => loaded.topics.push(record),
                MetaRecord::Tombstone(record) => loaded.tombstones.push(TopicId(record.id)),
                MetaRecord::ProducerIds(record) => loaded.producer_ids = Some(record),
                MetaRecord::BrokerConfig(record) => {
                    loaded.broker_configs.insert(record.broker, record.configs);
                }
                MetaRecord::Group(record) => loaded.groups.push(record),
                MetaRecord::Offset(record) => loaded.offsets.push(record),
                // Levels are those of the table until UpdateFeatures can change them.
                MetaRecord::Feature(_) => {}
            }
        }
        loaded
    }

    /// What was changed at run time for the cluster, and for the broker `node_id`.
    pub(crate) fn dynamic_configs(
        &self,
        node_id: i32,
    ) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
        let of = |name: &str| self.broker_configs.get(name).cloned().unwrap_or_default();
        (of(""), of(&node_id.to_string()))
    }
}

impl Broker {
    /// A broker over these stores.
    pub(crate) fn new(
        node: Node,
        settings: Arc<Settings>,
        loaded: Loaded,
        store: Arc<dyn LogStore>,
        meta: Arc<dyn MetaStore>,
        session_seed: i32,
    ) -> Self {
        let node = Arc::new(node);
        let producer_ids = ProducerIds::new(Arc::clone(&meta), loaded.producer_ids.as_ref());
        let topics = Arc::new(Topics::new(loaded.topics));
        let clock = Clock::system();
        let groups = GroupCoordinator::new(
            &settings,
            Arc::clone(&meta),
            &clock,
            &topics,
            loaded.groups,
            loaded.offsets,
        );
        let groups = Arc::new(groups);
        let changes = Changes::new(
            Arc::clone(&node),
            Arc::clone(&topics),
            Arc::clone(&groups),
            Arc::clone(&settings),
            Arc::clone(&store),
            Arc::clone(&meta),
        );
        let slots = settings.count("max.incremental.fetch.session.cache.slots");
        let fetch_sessions = FetchSessions::new(usize::try_from(slots).unwrap_or(usize::MAX), session_seed);
        let metrics = Metrics::new();
        Self {
            node,
            store,
            topics,
            settings,
            changes,
            groups,
            producer_ids,
            fetch_sessions,
            metrics,
            meta,
            clock,
            stopping: watch::Sender::new(false),
        }
    }

    /// Has everything answered that waits for something to happen, members or records, now and from now on.
    pub(crate) fn stop_waiting(&self) {
        self.groups.stop();
        self.stopping.send_replace(true);
    }

    /// A partition of a topic, if this broker leads it. On one node it leads all of them: nothing else may assume so.
    pub(crate) fn partition(&self, topic: &Topic, index: i32) -> Option<Arc<dyn Partition>> {
        self.store.partition(TopicIdPartition { topic_id: topic.id, partition: index })
    }
}
