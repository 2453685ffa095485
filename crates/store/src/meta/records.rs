//! The bodies of metadata records. A field is never added to a body that was ever stored: the record gets a new
//! version, and [`RecordBody::decode`] goes on reading the old one.

use std::collections::BTreeMap;
use std::sync::Arc;

use highwater_types::ProducerId;
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

impl RecordBody for ClusterRecord {}
impl RecordBody for TopicRecord {}
impl RecordBody for TombstoneRecord {}
impl RecordBody for ProducerIdsRecord {}
impl RecordBody for BrokerConfigRecord {}
impl RecordBody for FeatureRecord {}
