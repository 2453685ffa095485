//! `FetchResponse` v4–18, flexible from v12. Generated from Kafka's `FetchResponse.json` by `cargo
//! xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::encode::TaggedFields;
use crate::message::Message;
use crate::records::Records;
use crate::str::Str;
use highwater_types::TopicId;

/// `FetchResponse`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FetchResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// The top level response error code. (v7+)
    pub error_code: i16,
    /// The fetch session ID, or 0 if this is not part of a fetch session. (v7+)
    pub session_id: i32,
    /// The response topics.
    pub responses: Vec<FetchableTopicResponse>,
    /// Endpoints for all current-leaders enumerated in PartitionData, with errors NOT_LEADER_OR_FOLLOWER &
    /// FENCED_LEADER_EPOCH. (v16+)
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl Message for FetchResponse {
    const NAME: &'static str = "FetchResponse";
    const API_KEY: Option<i16> = Some(1);
    const VERSIONS: (i16, i16) = (4, 18);
    const FLEXIBLE_FROM: i16 = 12;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 12;
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttleTimeMs")?;
        if version >= 7 {
            value.error_code = input.i16("errorCode")?;
        }
        if version >= 7 {
            value.session_id = input.i32("sessionId")?;
        }
        value.responses =
            input.array("responses", flexible, |input| FetchableTopicResponse::decode(input, version))?;
        if flexible {
            input.tagged_fields(|tag, input| {
                match tag {
                    0 if version >= 16 => {
                        value.node_endpoints = input
                            .array("nodeEndpoints", true, |input| NodeEndpoint::decode(input, version))?
                    }
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
        output.i32(self.throttle_time_ms);
        if version >= 7 {
            output.error_code(self.error_code);
        }
        if version >= 7 {
            output.i32(self.session_id);
        } else if self.session_id != 0 {
            return Err(EncodeError::NotInVersion { field: "sessionId", version });
        }
        output.array("responses", &self.responses, flexible, |output, item| item.encode(output, version))?;
        if version < 16 && !self.node_endpoints.is_empty() {
            return Err(EncodeError::NotInVersion { field: "nodeEndpoints", version });
        }
        if flexible {
            let mut tagged = TaggedFields::default();
            if version >= 16 && !self.node_endpoints.is_empty() {
                tagged.field("nodeEndpoints", 0, |output| {
                    output.array("nodeEndpoints", &self.node_endpoints, true, |output, item| {
                        item.encode(output, version)
                    })
                })?;
            }
            output.tagged_fields(tagged);
        }
        Ok(())
    }
}

/// The response topics.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FetchableTopicResponse {
    /// The topic name. (v4–12)
    pub topic: Str,
    /// The unique topic ID. (v13+)
    pub topic_id: TopicId,
    /// The topic partitions.
    pub partitions: Vec<PartitionData>,
}

impl FetchableTopicResponse {
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
            input.array("partitions", flexible, |input| PartitionData::decode(input, version))?;
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

/// The topic partitions.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionData {
    /// The partition index.
    pub partition_index: i32,
    /// The error code, or 0 if there was no fetch error.
    pub error_code: i16,
    /// The current high water mark.
    pub high_watermark: i64,
    /// The last stable offset (or LSO) of the partition. This is the last offset such that the state of all
    /// transactional records prior to this offset have been decided (ABORTED or COMMITTED).
    pub last_stable_offset: i64,
    /// The current log start offset. (v5+)
    pub log_start_offset: i64,
    /// In case divergence is detected based on the `LastFetchedEpoch` and `FetchOffset` in the request,
    /// this field indicates the largest epoch and its end offset such that subsequent records are known to
    /// diverge. (v12+)
    pub diverging_epoch: EpochEndOffset,
    /// The current leader of the partition. (v12+)
    pub current_leader: LeaderIdAndEpoch,
    /// In the case of fetching an offset less than the LogStartOffset, this is the end offset and epoch
    /// that should be used in the FetchSnapshot request. (v12+)
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
            records: None,
        }
    }
}

impl PartitionData {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        let mut value = Self::default();
        value.partition_index = input.i32("partitionIndex")?;
        value.error_code = input.i16("errorCode")?;
        value.high_watermark = input.i64("highWatermark")?;
        value.last_stable_offset = input.i64("lastStableOffset")?;
        if version >= 5 {
            value.log_start_offset = input.i64("logStartOffset")?;
        }
        value.aborted_transactions = input.nullable_array("abortedTransactions", flexible, |input| {
            AbortedTransaction::decode(input, version)
        })?;
        if version >= 11 {
            value.preferred_read_replica = input.i32("preferredReadReplica")?;
        }
        value.records = input.nullable_records("records", flexible)?;
        if flexible {
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
        let flexible = version >= 12;
        output.i32(self.partition_index);
        output.error_code(self.error_code);
        output.i64(self.high_watermark);
        output.i64(self.last_stable_offset);
        if version >= 5 {
            output.i64(self.log_start_offset);
        }
        output.nullable_array(
            "abortedTransactions",
            self.aborted_transactions.as_deref(),
            flexible,
            |output, item| item.encode(output, version),
        )?;
        if version >= 11 {
            output.i32(self.preferred_read_replica);
        } else if self.preferred_read_replica != -1 {
            return Err(EncodeError::NotInVersion { field: "preferredReadReplica", version });
        }
        output.nullable_records("records", self.records.as_ref(), flexible)?;
        if version < 12 && self.diverging_epoch != EpochEndOffset::default() {
            return Err(EncodeError::NotInVersion { field: "divergingEpoch", version });
        }
        if version < 12 && self.current_leader != LeaderIdAndEpoch::default() {
            return Err(EncodeError::NotInVersion { field: "currentLeader", version });
        }
        if version < 12 && self.snapshot_id != SnapshotId::default() {
            return Err(EncodeError::NotInVersion { field: "snapshotId", version });
        }
        if flexible {
            let mut tagged = TaggedFields::default();
            if version >= 12 && self.diverging_epoch != EpochEndOffset::default() {
                tagged.field("divergingEpoch", 0, |output| self.diverging_epoch.encode(output, version))?;
            }
            if version >= 12 && self.current_leader != LeaderIdAndEpoch::default() {
                tagged.field("currentLeader", 1, |output| self.current_leader.encode(output, version))?;
            }
            if version >= 12 && self.snapshot_id != SnapshotId::default() {
                tagged.field("snapshotId", 2, |output| self.snapshot_id.encode(output, version))?;
            }
            output.tagged_fields(tagged);
        }
        Ok(())
    }
}

/// In case divergence is detected based on the `LastFetchedEpoch` and `FetchOffset` in the request,
/// this field indicates the largest epoch and its end offset such that subsequent records are known to
/// diverge.
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
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.epoch = input.i32("epoch")?;
        value.end_offset = input.i64("endOffset")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.i32(self.epoch);
        output.i64(self.end_offset);
        output.no_tagged_fields();
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
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.leader_id = input.i32("leaderId")?;
        value.leader_epoch = input.i32("leaderEpoch")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.i32(self.leader_id);
        output.i32(self.leader_epoch);
        output.no_tagged_fields();
        Ok(())
    }
}

/// In the case of fetching an offset less than the LogStartOffset, this is the end offset and epoch
/// that should be used in the FetchSnapshot request.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotId {
    /// The end offset of the epoch. (v12+)
    pub end_offset: i64,
    /// The largest epoch. (v12+)
    pub epoch: i32,
}

impl Default for SnapshotId {
    fn default() -> Self {
        Self { end_offset: -1, epoch: -1 }
    }
}

impl SnapshotId {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.end_offset = input.i64("endOffset")?;
        value.epoch = input.i32("epoch")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.i64(self.end_offset);
        output.i32(self.epoch);
        output.no_tagged_fields();
        Ok(())
    }
}

/// The aborted transactions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AbortedTransaction {
    /// The producer id associated with the aborted transaction.
    pub producer_id: i64,
    /// The first offset in the aborted transaction.
    pub first_offset: i64,
}

impl AbortedTransaction {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 12;
        let mut value = Self::default();
        value.producer_id = input.i64("producerId")?;
        value.first_offset = input.i64("firstOffset")?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 12;
        output.i64(self.producer_id);
        output.i64(self.first_offset);
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Endpoints for all current-leaders enumerated in PartitionData, with errors NOT_LEADER_OR_FOLLOWER &
/// FENCED_LEADER_EPOCH.
#[derive(Debug, Clone, PartialEq, Default)]
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

impl NodeEndpoint {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.node_id = input.i32("nodeId")?;
        value.host = input.string("host", true)?;
        value.port = input.i32("port")?;
        value.rack = input.nullable_string("rack", true)?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.i32(self.node_id);
        output.string("host", &self.host, true)?;
        output.i32(self.port);
        output.nullable_string("rack", self.rack.as_ref(), true)?;
        output.no_tagged_fields();
        Ok(())
    }
}
