//! `FetchRequest` v4–18, flexible from v12. Generated from Kafka's `FetchRequest.json` by `cargo xtask
//! codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::encode::TaggedFields;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;
use highwater_types::TopicId;

/// `FetchRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchRequest {
    /// The clusterId if known. This is used to validate metadata fetches prior to broker registration.
    /// (v12+)
    pub cluster_id: Option<Str>,
    /// The broker ID of the follower, of -1 if this request is from a consumer. (v4–14)
    pub replica_id: i32,
    /// The state of the replica in the follower. (v15+)
    pub replica_state: ReplicaState,
    /// The maximum time in milliseconds to wait for the response.
    pub max_wait_ms: i32,
    /// The minimum bytes to accumulate in the response.
    pub min_bytes: i32,
    /// The maximum bytes to fetch. See KIP-74 for cases where this limit may not be honored.
    pub max_bytes: i32,
    /// This setting controls the visibility of transactional records. Using READ_UNCOMMITTED
    /// (isolation_level = 0) makes all records visible. With READ_COMMITTED (isolation_level = 1),
    /// non-transactional and COMMITTED transactional records are visible. To be more concrete,
    /// READ_COMMITTED returns all data from offsets smaller than the current LSO (last stable offset), and
    /// enables the inclusion of the list of aborted transactions in the result, which allows consumers to
    /// discard ABORTED transactional records.
    pub isolation_level: i8,
    /// The fetch session ID. (v7+)
    pub session_id: i32,
    /// The fetch session epoch, which is used for ordering requests in a session. (v7+)
    pub session_epoch: i32,
    /// The topics to fetch.
    pub topics: Vec<FetchTopic>,
    /// In an incremental fetch request, the partitions to remove. (v7+)
    pub forgotten_topics_data: Vec<ForgottenTopic>,
    /// Rack ID of the consumer making this request. (v11+)
    pub rack_id: Str,
}

impl Default for FetchRequest {
    fn default() -> Self {
        Self {
            cluster_id: None,
            replica_id: -1,
            replica_state: ReplicaState::default(),
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: i32::MAX,
            isolation_level: 0,
            session_id: 0,
            session_epoch: -1,
            topics: Vec::new(),
            forgotten_topics_data: Vec::new(),
            rack_id: Str::default(),
        }
    }
}

impl Message for FetchRequest {
    const NAME: &'static str = "FetchRequest";
    const API_KEY: Option<i16> = Some(1);
    const VERSIONS: (i16, i16) = (4, 18);
    const FLEXIBLE_FROM: i16 = 12;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 12;
        let mut value = Self::default();
        if version <= 14 {
            value.replica_id = input.i32("replicaId")?;
        }
        value.max_wait_ms = input.i32("maxWaitMs")?;
        value.min_bytes = input.i32("minBytes")?;
        value.max_bytes = input.i32("maxBytes")?;
        value.isolation_level = input.i8("isolationLevel")?;
        if version >= 7 {
            value.session_id = input.i32("sessionId")?;
        }
        if version >= 7 {
            value.session_epoch = input.i32("sessionEpoch")?;
        }
        value.topics = input.array("topics", flexible, |input| FetchTopic::decode(input, version))?;
        if version >= 7 {
            value.forgotten_topics_data = input
                .array("forgottenTopicsData", flexible, |input| ForgottenTopic::decode(input, version))?;
        }
        if version >= 11 {
            value.rack_id = input.string("rackId", flexible)?;
        }
        if flexible {
            input.tagged_fields(|tag, input| {
                match tag {
                    0 if version >= 12 => value.cluster_id = input.nullable_string("clusterId", true)?,
                    1 if version >= 15 => value.replica_state = ReplicaState::decode(input, version)?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 12;
        if version <= 14 {
            output.i32(self.replica_id);
        } else if self.replica_id != -1 {
            return Err(EncodeError::NotInVersion { field: "replicaId", version });
        }
        output.i32(self.max_wait_ms);
        output.i32(self.min_bytes);
        output.i32(self.max_bytes);
        output.i8(self.isolation_level);
        if version >= 7 {
            output.i32(self.session_id);
        }
        if version >= 7 {
            output.i32(self.session_epoch);
        }
        output.array("topics", &self.topics, flexible, |output, item| item.encode(output, version))?;
        if version >= 7 {
            output.array("forgottenTopicsData", &self.forgotten_topics_data, flexible, |output, item| {
                item.encode(output, version)
            })?;
        } else if !self.forgotten_topics_data.is_empty() {
            return Err(EncodeError::NotInVersion { field: "forgottenTopicsData", version });
        }
        if version >= 11 {
            output.string("rackId", &self.rack_id, flexible)?;
        }
        if version < 15 && self.replica_state != ReplicaState::default() {
            return Err(EncodeError::NotInVersion { field: "replicaState", version });
        }
        if flexible {
            let mut tagged = TaggedFields::default();
            if version >= 12 && self.cluster_id.is_some() {
                tagged.field("clusterId", 0, |output| {
                    output.nullable_string("clusterId", self.cluster_id.as_ref(), true)
                })?;
            }
            if version >= 15 && self.replica_state != ReplicaState::default() {
                tagged.field("replicaState", 1, |output| self.replica_state.encode(output, version))?;
            }
            output.tagged_fields(tagged);
        }
        Ok(())
    }
}

/// The state of the replica in the follower.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaState {
    /// The replica ID of the follower, or -1 if this request is from a consumer. (v15+)
    pub replica_id: i32,
    /// The epoch of this follower, or -1 if not available. (v15+)
    pub replica_epoch: i64,
}

impl Default for ReplicaState {
    fn default() -> Self {
        Self { replica_id: -1, replica_epoch: -1 }
    }
}

impl ReplicaState {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.replica_id = input.i32("replicaId")?;
        value.replica_epoch = input.i64("replicaEpoch")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.i32(self.replica_id);
        output.i64(self.replica_epoch);
        output.no_tagged_fields();
        Ok(())
    }
}

/// The topics to fetch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FetchTopic {
    /// The name of the topic to fetch. (v4–12)
    pub topic: Str,
    /// The unique topic ID. (v13+)
    pub topic_id: TopicId,
    /// The partitions to fetch.
    pub partitions: Vec<FetchPartition>,
}

impl FetchTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        let mut value = Self::default();
        if version <= 12 {
            value.topic = input.string("topic", flexible)?;
        }
        if version >= 13 {
            value.topic_id = input.uuid("topicId")?;
        }
        value.partitions =
            input.array("partitions", flexible, |input| FetchPartition::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        if version <= 12 {
            output.string("topic", &self.topic, flexible)?;
        }
        if version >= 13 {
            output.uuid(self.topic_id);
        }
        output
            .array("partitions", &self.partitions, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The partitions to fetch.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchPartition {
    /// The partition index.
    pub partition: i32,
    /// The current leader epoch of the partition. (v9+)
    pub current_leader_epoch: i32,
    /// The message offset.
    pub fetch_offset: i64,
    /// The epoch of the last fetched record or -1 if there is none. (v12+)
    pub last_fetched_epoch: i32,
    /// The earliest available offset of the follower replica. The field is only used when the request is
    /// sent by the follower. (v5+)
    pub log_start_offset: i64,
    /// The maximum bytes to fetch from this partition. See KIP-74 for cases where this limit may not be
    /// honored.
    pub partition_max_bytes: i32,
    /// The directory id of the follower fetching. (v17+)
    pub replica_directory_id: TopicId,
    /// The high-watermark known by the replica. -1 if the high-watermark is not known and
    /// 9223372036854775807 if the feature is not supported. (v18+)
    pub high_watermark: i64,
}

impl Default for FetchPartition {
    fn default() -> Self {
        Self {
            partition: 0,
            current_leader_epoch: -1,
            fetch_offset: 0,
            last_fetched_epoch: -1,
            log_start_offset: -1,
            partition_max_bytes: 0,
            replica_directory_id: TopicId::ZERO,
            high_watermark: i64::MAX,
        }
    }
}

impl FetchPartition {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        let mut value = Self::default();
        value.partition = input.i32("partition")?;
        if version >= 9 {
            value.current_leader_epoch = input.i32("currentLeaderEpoch")?;
        }
        value.fetch_offset = input.i64("fetchOffset")?;
        if version >= 12 {
            value.last_fetched_epoch = input.i32("lastFetchedEpoch")?;
        }
        if version >= 5 {
            value.log_start_offset = input.i64("logStartOffset")?;
        }
        value.partition_max_bytes = input.i32("partitionMaxBytes")?;
        if flexible {
            input.tagged_fields(|tag, input| {
                match tag {
                    0 if version >= 17 => value.replica_directory_id = input.uuid("replicaDirectoryId")?,
                    1 if version >= 18 => value.high_watermark = input.i64("highWatermark")?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        output.i32(self.partition);
        if version >= 9 {
            output.i32(self.current_leader_epoch);
        }
        output.i64(self.fetch_offset);
        if version >= 12 {
            output.i32(self.last_fetched_epoch);
        } else if self.last_fetched_epoch != -1 {
            return Err(EncodeError::NotInVersion { field: "lastFetchedEpoch", version });
        }
        if version >= 5 {
            output.i64(self.log_start_offset);
        }
        output.i32(self.partition_max_bytes);
        if flexible {
            let mut tagged = TaggedFields::default();
            if version >= 17 && self.replica_directory_id != TopicId::ZERO {
                tagged.field("replicaDirectoryId", 0, |output| {
                    output.uuid(self.replica_directory_id);
                    Ok(())
                })?;
            }
            if version >= 18 && self.high_watermark != i64::MAX {
                tagged.field("highWatermark", 1, |output| {
                    output.i64(self.high_watermark);
                    Ok(())
                })?;
            }
            output.tagged_fields(tagged);
        }
        Ok(())
    }
}

/// In an incremental fetch request, the partitions to remove.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ForgottenTopic {
    /// The topic name. (v7–12)
    pub topic: Str,
    /// The unique topic ID. (v13+)
    pub topic_id: TopicId,
    /// The partitions indexes to forget. (v7+)
    pub partitions: Vec<i32>,
}

impl ForgottenTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        let mut value = Self::default();
        if version <= 12 {
            value.topic = input.string("topic", flexible)?;
        }
        if version >= 13 {
            value.topic_id = input.uuid("topicId")?;
        }
        value.partitions = input.array("partitions", flexible, |input| input.i32("partitions"))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        if version <= 12 {
            output.string("topic", &self.topic, flexible)?;
        }
        if version >= 13 {
            output.uuid(self.topic_id);
        }
        output.array("partitions", &self.partitions, flexible, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for FetchRequest {
    type Response = super::fetch_response::FetchResponse;
}
