//! The bodies of metadata records. A field is never added to a body that was ever stored: the record gets a new
//! version, and [`RecordBody::decode`] goes on reading the old one.

use std::collections::BTreeMap;
use std::sync::Arc;

use highwater_types::{ProducerId, TopicId, TopicIdPartition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What can be stored as the body of a metadata record.
pub trait RecordBody: Serialize + DeserializeOwned {
    /// The version that is written.
    const VERSION: u8 = 1;

    /// Reads a body of any version that was ever written.
    ///
    /// # Errors
    /// [`BadBody`] for an unknown version, and for bytes that are not such a body, whole and with nothing behind it.
    fn decode(version: u8, bytes: &[u8]) -> Result<Self, BadBody> {
        if version == Self::VERSION { decode_postcard(bytes) } else { Err(BadBody::Version(version)) }
    }
}

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadBody {
    /// Written by a program that knows a version of the record that this one does not.
    Version(u8),
    /// No version in front.
    Empty,
    /// Not what postcard would have written.
    Malformed,
}

/// Reads one value that fills `bytes`.
fn decode_postcard<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BadBody> {
    match postcard::take_from_bytes(bytes) {
        Ok((body, [])) => Ok(body),
        _ => Err(BadBody::Malformed),
    }
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

/// A group, whole. A group id has one record, and so one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// `group.id`.
    pub group_id: Arc<str>,
    /// What the group is, by its type.
    pub state: GroupStateRecord,
}

/// A group's state, by the type of the group. A new type is a new variant behind the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupStateRecord {
    /// The classic protocol: JoinGroup and SyncGroup.
    Classic(ClassicGroupRecord),
}

/// A classic group at the end of a rebalance, or when it became empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassicGroupRecord {
    /// Such as `consumer` or `connect`; `None` before the first member.
    pub protocol_type: Option<Arc<str>>,
    /// Rises by one with each rebalance that completes.
    pub generation: i32,
    /// The chosen protocol; `None` without members.
    pub protocol: Option<Arc<str>>,
    /// The leader's member id; `None` without members.
    pub leader: Option<Arc<str>>,
    /// When it came into this state, in milliseconds since 1970. Offsets of an empty group expire from then on.
    pub since_ms: i64,
    /// Its members; none when it is empty.
    pub members: Vec<ClassicMemberRecord>,
}

/// A member of a classic group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassicMemberRecord {
    /// Given by the coordinator.
    pub member_id: Arc<str>,
    /// `group.instance.id` of a static member (KIP-345).
    pub instance_id: Option<Arc<str>>,
    /// `client.id`.
    pub client_id: Arc<str>,
    /// The address it joined from.
    pub client_host: Arc<str>,
    /// Milliseconds that it may take to rejoin.
    pub rebalance_timeout_ms: i32,
    /// Milliseconds that it may be silent.
    pub session_timeout_ms: i32,
    /// The protocols that it supports in its order of preference, each with its metadata.
    pub protocols: Vec<(Arc<str>, Vec<u8>)>,
    /// What the leader assigned to it.
    pub assignment: Vec<u8>,
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffsetRecord {
    /// `group.id`.
    pub group_id: Arc<str>,
    /// The topic's identity: a topic made anew under the name starts without offsets.
    pub topic_id: [u8; 16],
    /// 0-based index of the partition.
    pub partition: i32,
    /// The next offset to be consumed.
    pub offset: i64,
    /// Leader epoch of the last record consumed, -1 when not given.
    pub leader_epoch: i32,
    /// What the client wants to remember.
    pub metadata: Arc<str>,
    /// When it was committed, in milliseconds since 1970.
    pub commit_ms: i64,
    /// When it expires if the commit said so itself (OffsetCommit v2–4), in milliseconds since 1970.
    pub expire_ms: Option<i64>,
}

/// Names a committed offset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OffsetKey {
    /// `group.id`.
    pub group_id: Arc<str>,
    /// What it was committed for.
    pub partition: TopicIdPartition,
}

impl OffsetRecord {
    /// What it was committed for.
    pub fn topic_partition(&self) -> TopicIdPartition {
        TopicIdPartition { topic_id: TopicId(self.topic_id), partition: self.partition }
    }

    /// What names it.
    pub fn key(&self) -> OffsetKey {
        OffsetKey { group_id: Arc::clone(&self.group_id), partition: self.topic_partition() }
    }
}

impl RecordBody for GroupRecord {}
impl RecordBody for OffsetRecord {}
impl RecordBody for ClusterRecord {}
impl RecordBody for TopicRecord {}
impl RecordBody for TombstoneRecord {}
impl RecordBody for ProducerIdsRecord {}
impl RecordBody for BrokerConfigRecord {}
impl RecordBody for FeatureRecord {}
