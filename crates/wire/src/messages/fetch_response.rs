//! `FetchResponse` v4–18, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder, TaggedFields};
use crate::message::Message;
use crate::records::Records;
use crate::str::Str;
use highwater_types::TopicId;

/// `FetchResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// The top level response error code. (v7+)
    pub error_code: i16,
    /// The fetch session ID, or 0 if this is not part of a fetch session. (v7+)
    pub session_id: i32,
    /// The response topics.
    pub responses: Vec<FetchableTopicResponse>,
    /// Endpoints for all current-leaders enumerated in PartitionData, with errors NOT_LEADER_OR_FOLLOWER & FENCED_LEADER_EPOCH. (v16+)
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl Default for FetchResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            session_id: 0,
            responses: Vec::new(),
            node_endpoints: Vec::new(),
        }
    }
}

impl Message for FetchResponse {
    const NAME: &'static str = "FetchResponse";
    const API_KEY: Option<i16> = Some(1);
    const VERSIONS: (i16, i16) = (4, 18);
    const FLEXIBLE_FROM: i16 = 12;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttle_time_ms")?;
        if version >= 7 {
            value.error_code = input.i16("error_code")?;
        }
        if version >= 7 {
            value.session_id = input.i32("session_id")?;
        }
        value.responses = input
            .array("responses", version >= 12, |input| FetchableTopicResponse::decode(input, version))?;
        if version >= 12 {
            input.tagged_fields(|tag, input| {
                match tag {
                    0 if version >= 16 => {
                        value.node_endpoints = input.array("node_endpoints", version >= 12, |input| {
                            NodeEndpoint::decode(input, version)
                        })?
                    }
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.throttle_time_ms);
        if version >= 7 {
            output.i16(self.error_code);
        }
        if version >= 7 {
            output.i32(self.session_id);
        } else if self.session_id != 0 {
            return Err(EncodeError::NotInVersion { field: "session_id", version });
        }
        output.array(&self.responses, version >= 12, |output, item| item.encode(output, version))?;
        if version >= 12 {
            let mut tagged = TaggedFields::default();
            if version >= 16 && !self.node_endpoints.is_empty() {
                tagged.field(0, |output| {
                    output.array(&self.node_endpoints, version >= 12, |output, item| {
                        item.encode(output, version)
                    })?;
                    Ok(())
                })?;
            }
            output.tagged_fields(tagged)?;
        }
        Ok(())
    }
}

/// The response topics.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchableTopicResponse {
    /// The topic name. (v4–12)
    pub topic: Str,
    /// The unique topic ID. (v13+)
    pub topic_id: TopicId,
    /// The topic partitions.
    pub partitions: Vec<PartitionData>,
}

impl Default for FetchableTopicResponse {
    fn default() -> Self {
        Self { topic: Str::default(), topic_id: TopicId::default(), partitions: Vec::new() }
    }
}

impl FetchableTopicResponse {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version <= 12 {
            value.topic = input.string("topic", version >= 12)?;
        }
        if version >= 13 {
            value.topic_id = input.uuid("topic_id")?;
        }
        value.partitions =
            input.array("partitions", version >= 12, |input| PartitionData::decode(input, version))?;
        if version >= 12 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version <= 12 {
            output.string(&self.topic, version >= 12)?;
        }
        if version >= 13 {
            output.uuid(self.topic_id);
        }
        output.array(&self.partitions, version >= 12, |output, item| item.encode(output, version))?;
        if version >= 12 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The topic partitions.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionData {
    /// The partition index.
    pub partition_index: i32,
    /// The error code, or 0 if there was no fetch error.
    pub error_code: i16,
    /// The current high water mark.
    pub high_watermark: i64,
    /// The last stable offset (or LSO) of the partition. This is the last offset such that the state of all transactional records prior to this offset have been decided (ABORTED or COMMITTED).
    pub last_stable_offset: i64,
    /// The current log start offset. (v5+)
    pub log_start_offset: i64,
    /// In case divergence is detected based on the `LastFetchedEpoch` and `FetchOffset` in the request, this field indicates the largest epoch and its end offset such that subsequent records are known to diverge. (v12+)
    pub diverging_epoch: EpochEndOffset,
    /// The current leader of the partition. (v12+)
    pub current_leader: LeaderIdAndEpoch,
    /// In the case of fetching an offset less than the LogStartOffset, this is the end offset and epoch that should be used in the FetchSnapshot request. (v12+)
    pub snapshot_id: SnapshotId,
    /// The aborted transactions.
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// The preferred read replica for the consumer to use on its next fetch request. (v11+)
    pub preferred_read_replica: i32,
    /// The record data.
    pub records: Option<Records>,
}

impl Default for PartitionData {
    fn default() -> Self {
        Self {
            partition_index: 0,
            error_code: 0,
            high_watermark: 0,
            last_stable_offset: -1,
            log_start_offset: -1,
            diverging_epoch: EpochEndOffset::default(),
            current_leader: LeaderIdAndEpoch::default(),
            snapshot_id: SnapshotId::default(),
            aborted_transactions: Some(Vec::new()),
            preferred_read_replica: -1,
            records: Some(Records::default()),
        }
    }
}

impl PartitionData {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.partition_index = input.i32("partition_index")?;
        value.error_code = input.i16("error_code")?;
        value.high_watermark = input.i64("high_watermark")?;
        value.last_stable_offset = input.i64("last_stable_offset")?;
        if version >= 5 {
            value.log_start_offset = input.i64("log_start_offset")?;
        }
        value.aborted_transactions =
            input.nullable_array("aborted_transactions", version >= 12, |input| {
                AbortedTransaction::decode(input, version)
            })?;
        if version >= 11 {
            value.preferred_read_replica = input.i32("preferred_read_replica")?;
        }
        value.records = input.nullable_records("records", version >= 12)?;
        if version >= 12 {
            input.tagged_fields(|tag, input| {
                match tag {
                    0 if version >= 12 => value.diverging_epoch = EpochEndOffset::decode(input, version)?,
                    1 if version >= 12 => value.current_leader = LeaderIdAndEpoch::decode(input, version)?,
                    2 if version >= 12 => value.snapshot_id = SnapshotId::decode(input, version)?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.partition_index);
        output.i16(self.error_code);
        output.i64(self.high_watermark);
        output.i64(self.last_stable_offset);
        if version >= 5 {
            output.i64(self.log_start_offset);
        }
        output.nullable_array(self.aborted_transactions.as_deref(), version >= 12, |output, item| {
            item.encode(output, version)
        })?;
        if version >= 11 {
            output.i32(self.preferred_read_replica);
        } else if self.preferred_read_replica != -1 {
            return Err(EncodeError::NotInVersion { field: "preferred_read_replica", version });
        }
        output.nullable_records(self.records.as_ref(), version >= 12)?;
        if version >= 12 {
            let mut tagged = TaggedFields::default();
            if version >= 12 && self.diverging_epoch != EpochEndOffset::default() {
                tagged.field(0, |output| {
                    self.diverging_epoch.encode(output, version)?;
                    Ok(())
                })?;
            }
            if version >= 12 && self.current_leader != LeaderIdAndEpoch::default() {
                tagged.field(1, |output| {
                    self.current_leader.encode(output, version)?;
                    Ok(())
                })?;
            }
            if version >= 12 && self.snapshot_id != SnapshotId::default() {
                tagged.field(2, |output| {
                    self.snapshot_id.encode(output, version)?;
                    Ok(())
                })?;
            }
            output.tagged_fields(tagged)?;
        }
        Ok(())
    }
}

/// In case divergence is detected based on the `LastFetchedEpoch` and `FetchOffset` in the request, this field indicates the largest epoch and its end offset such that subsequent records are known to diverge.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochEndOffset {
    /// The largest epoch. (v12+)
    pub epoch: i32,
    /// The end offset of the epoch. (v12+)
    pub end_offset: i64,
}

impl Default for EpochEndOffset {
    fn default() -> Self {
        Self { epoch: -1, end_offset: -1 }
    }
}

impl EpochEndOffset {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version >= 12 {
            value.epoch = input.i32("epoch")?;
        }
        if version >= 12 {
            value.end_offset = input.i64("end_offset")?;
        }
        if version >= 12 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version >= 12 {
            output.i32(self.epoch);
        } else if self.epoch != -1 {
            return Err(EncodeError::NotInVersion { field: "epoch", version });
        }
        if version >= 12 {
            output.i64(self.end_offset);
        } else if self.end_offset != -1 {
            return Err(EncodeError::NotInVersion { field: "end_offset", version });
        }
        if version >= 12 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The current leader of the partition.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaderIdAndEpoch {
    /// The ID of the current leader or -1 if the leader is unknown. (v12+)
    pub leader_id: i32,
    /// The latest known leader epoch. (v12+)
    pub leader_epoch: i32,
}

impl Default for LeaderIdAndEpoch {
    fn default() -> Self {
        Self { leader_id: -1, leader_epoch: -1 }
    }
}

impl LeaderIdAndEpoch {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version >= 12 {
            value.leader_id = input.i32("leader_id")?;
        }
        if version >= 12 {
            value.leader_epoch = input.i32("leader_epoch")?;
        }
        if version >= 12 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version >= 12 {
            output.i32(self.leader_id);
        } else if self.leader_id != -1 {
            return Err(EncodeError::NotInVersion { field: "leader_id", version });
        }
        if version >= 12 {
            output.i32(self.leader_epoch);
        } else if self.leader_epoch != -1 {
            return Err(EncodeError::NotInVersion { field: "leader_epoch", version });
        }
        if version >= 12 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// In the case of fetching an offset less than the LogStartOffset, this is the end offset and epoch that should be used in the FetchSnapshot request.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotId {
    /// The end offset of the epoch.
    pub end_offset: i64,
    /// The largest epoch.
    pub epoch: i32,
}

impl Default for SnapshotId {
    fn default() -> Self {
        Self { end_offset: -1, epoch: -1 }
    }
}

impl SnapshotId {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.end_offset = input.i64("end_offset")?;
        value.epoch = input.i32("epoch")?;
        if version >= 12 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i64(self.end_offset);
        output.i32(self.epoch);
        if version >= 12 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The aborted transactions.
#[derive(Debug, Clone, PartialEq)]
pub struct AbortedTransaction {
    /// The producer id associated with the aborted transaction.
    pub producer_id: i64,
    /// The first offset in the aborted transaction.
    pub first_offset: i64,
}

impl Default for AbortedTransaction {
    fn default() -> Self {
        Self { producer_id: 0, first_offset: 0 }
    }
}

impl AbortedTransaction {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.producer_id = input.i64("producer_id")?;
        value.first_offset = input.i64("first_offset")?;
        if version >= 12 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i64(self.producer_id);
        output.i64(self.first_offset);
        if version >= 12 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Endpoints for all current-leaders enumerated in PartitionData, with errors NOT_LEADER_OR_FOLLOWER & FENCED_LEADER_EPOCH.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeEndpoint {
    /// The ID of the associated node. (v16+)
    pub node_id: i32,
    /// The node's hostname. (v16+)
    pub host: Str,
    /// The node's port. (v16+)
    pub port: i32,
    /// The rack of the node, or null if it has not been assigned to a rack. (v16+)
    pub rack: Option<Str>,
}

impl Default for NodeEndpoint {
    fn default() -> Self {
        Self { node_id: 0, host: Str::default(), port: 0, rack: None }
    }
}

impl NodeEndpoint {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version >= 16 {
            value.node_id = input.i32("node_id")?;
        }
        if version >= 16 {
            value.host = input.string("host", version >= 12)?;
        }
        if version >= 16 {
            value.port = input.i32("port")?;
        }
        if version >= 16 {
            value.rack = input.nullable_string("rack", version >= 12)?;
        }
        if version >= 12 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version >= 16 {
            output.i32(self.node_id);
        } else if self.node_id != 0 {
            return Err(EncodeError::NotInVersion { field: "node_id", version });
        }
        if version >= 16 {
            output.string(&self.host, version >= 12)?;
        } else if self.host != Str::default() {
            return Err(EncodeError::NotInVersion { field: "host", version });
        }
        if version >= 16 {
            output.i32(self.port);
        } else if self.port != 0 {
            return Err(EncodeError::NotInVersion { field: "port", version });
        }
        if version >= 16 {
            output.nullable_string(self.rack.as_ref(), version >= 12)?;
        } else if self.rack.is_some() {
            return Err(EncodeError::NotInVersion { field: "rack", version });
        }
        if version >= 12 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
