//! Everything but records: typed, versioned, independent of the engine that keeps it.
//!
//! A key is a type tag followed by its fields in an order that sorts as people expect; a value is a version byte
//! followed by the body in postcard. A new field means a new version beside the old one, which stays readable.

use std::collections::BTreeMap;
use std::sync::Arc;

use highwater_types::{ProducerId, TopicId};
use serde::{Deserialize, Serialize};

use crate::{BoxFuture, MetaError};

/// Where metadata is kept.
pub trait MetaStore: Send + Sync + 'static {
    /// Every record, in the order of its keys. Called once, at start.
    ///
    /// # Errors
    /// [`MetaError::Corrupt`] naming the record; [`MetaError::Failed`].
    fn load(&self) -> Result<Vec<MetaRecord>, MetaError>;

    /// Applies all of `changes` or none. Commits take effect in the order of the calls; many that wait share one
    /// durable write. When it resolves, the change survives a power loss.
    fn commit(&self, changes: Vec<MetaChange>) -> BoxFuture<'static, Result<(), MetaError>>;
}

/// One change of a commit.
#[derive(Debug, Clone, PartialEq)]
pub enum MetaChange {
    /// Writes a record, replacing the one of the same key.
    Put(MetaRecord),
    /// Removes a record, if it is there.
    Remove(MetaKey),
}

/// Names a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetaKey {
    /// The one [`ClusterRecord`].
    Cluster,
    /// A [`TopicRecord`].
    Topic(TopicId),
    /// A [`TombstoneRecord`].
    Tombstone(TopicId),
    /// The one [`ProducerIdsRecord`].
    ProducerIds,
    /// A [`BrokerConfigRecord`]: of the broker with that id, or the cluster's default when empty.
    BrokerConfig(String),
    /// A [`FeatureRecord`].
    Feature(String),
}

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub enum MetaRecord {
    /// Identity of the cluster and of this node.
    Cluster(ClusterRecord),
    /// A topic.
    Topic(TopicRecord),
    /// A topic whose data is still to be removed.
    Tombstone(TombstoneRecord),
    /// How far producer ids were reserved.
    ProducerIds(ProducerIdsRecord),
    /// Settings changed at run time.
    BrokerConfig(BrokerConfigRecord),
    /// A finalized feature level (KIP-584).
    Feature(FeatureRecord),
}

/// Identity of the cluster and of this node; written once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// 22 characters of URL-safe base64, as `meta.properties` has it.
    pub cluster_id: String,
    /// `node.id`.
    pub node_id: i32,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRecord {
    /// Its identity.
    pub id: [u8; 16],
    /// Its name.
    pub name: Arc<str>,
    /// How many partitions, numbered from 0.
    pub partitions: i32,
    /// Settings given for this topic: Kafka's name and value. Defaults are not stored.
    pub configs: BTreeMap<String, String>,
}

/// A deleted topic; goes when its last directory is gone. Only a directory whose topic id stands in a tombstone may
/// be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TombstoneRecord {
    /// The topic's identity.
    pub id: [u8; 16],
    /// The name it had.
    pub name: Arc<str>,
    /// How many partitions it had.
    pub partitions: i32,
}

/// How far producer ids were reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerIdsRecord {
    /// The first id that was never reserved.
    pub next: i64,
}

impl ProducerIdsRecord {
    /// [`ProducerIdsRecord::next`] as an id.
    pub fn next_id(&self) -> ProducerId {
        ProducerId(self.next)
    }
}

/// Settings changed at run time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerConfigRecord {
    /// `node.id` as text, or empty for the cluster's default.
    pub broker: String,
    /// Kafka's name and value.
    pub configs: BTreeMap<String, String>,
}

/// A finalized feature level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureRecord {
    /// Kafka's name.
    pub name: String,
    /// The level.
    pub level: i16,
}
