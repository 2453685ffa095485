//! `ProduceResponse` v3–13, flexible from v9. Generated from Kafka's `ProduceResponse.json` by `cargo
//! xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::encode::TaggedFields;
use crate::message::Message;
use crate::str::Str;
use highwater_types::TopicId;

/// `ProduceResponse`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProduceResponse {
    /// Each produce response.
    pub responses: Vec<TopicProduceResponse>,
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// Endpoints for all current-leaders enumerated in PartitionProduceResponses, with errors
    /// NOT_LEADER_OR_FOLLOWER. (v10+)
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl Message for ProduceResponse {
    const NAME: &'static str = "ProduceResponse";
    const API_KEY: Option<i16> = Some(0);
    const VERSIONS: (i16, i16) = (3, 13);
    const FLEXIBLE_FROM: i16 = 9;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 9;
        let mut value = Self::default();
        value.responses =
            input.array("responses", flexible, |input| TopicProduceResponse::decode(input, version))?;
        value.throttle_time_ms = input.i32("throttleTimeMs")?;
        if flexible {
            input.tagged_fields(|tag, input| {
                match tag {
                    0 if version >= 10 => {
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
        let flexible = version >= 9;
        output.array("responses", &self.responses, flexible, |output, item| item.encode(output, version))?;
        output.i32(self.throttle_time_ms);
        if version < 10 && !self.node_endpoints.is_empty() {
            return Err(EncodeError::NotInVersion { field: "nodeEndpoints", version });
        }
        if flexible {
            let mut tagged = TaggedFields::default();
            if version >= 10 && !self.node_endpoints.is_empty() {
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

/// Each produce response.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TopicProduceResponse {
    /// The topic name. (v3–12)
    pub name: Str,
    /// The unique topic ID (v13+)
    pub topic_id: TopicId,
    /// Each partition that we produced to within the topic.
    pub partition_responses: Vec<PartitionProduceResponse>,
}

impl TopicProduceResponse {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        let mut value = Self::default();
        if version <= 12 {
            value.name = input.string("name", flexible)?;
        }
        if version >= 13 {
            value.topic_id = input.uuid("topicId")?;
        }
        value.partition_responses = input.array("partitionResponses", flexible, |input| {
            PartitionProduceResponse::decode(input, version)
        })?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        if version <= 12 {
            output.string("name", &self.name, flexible)?;
        }
        if version >= 13 {
            output.uuid(self.topic_id);
        }
        output.array("partitionResponses", &self.partition_responses, flexible, |output, item| {
            item.encode(output, version)
        })?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each partition that we produced to within the topic.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionProduceResponse {
    /// The partition index.
    pub index: i32,
    /// The error code, or 0 if there was no error.
    pub error_code: i16,
    /// The base offset.
    pub base_offset: i64,
    /// The timestamp returned by broker after appending the messages. If CreateTime is used for the topic,
    /// the timestamp will be -1. If LogAppendTime is used for the topic, the timestamp will be the broker
    /// local time when the messages are appended.
    pub log_append_time_ms: i64,
    /// The log start offset. (v5+)
    pub log_start_offset: i64,
    /// The batch indices of records that caused the batch to be dropped. (v8+)
    pub record_errors: Vec<BatchIndexAndErrorMessage>,
    /// The global error message summarizing the common root cause of the records that caused the batch to
    /// be dropped. (v8+)
    pub error_message: Option<Str>,
    /// The leader broker that the producer should use for future requests. (v10+)
    pub current_leader: LeaderIdAndEpoch,
}

impl Default for PartitionProduceResponse {
    fn default() -> Self {
        Self {
            index: 0,
            error_code: 0,
            base_offset: 0,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: Vec::new(),
            error_message: None,
            current_leader: LeaderIdAndEpoch::default(),
        }
    }
}

impl PartitionProduceResponse {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        let mut value = Self::default();
        value.index = input.i32("index")?;
        value.error_code = input.i16("errorCode")?;
        value.base_offset = input.i64("baseOffset")?;
        value.log_append_time_ms = input.i64("logAppendTimeMs")?;
        if version >= 5 {
            value.log_start_offset = input.i64("logStartOffset")?;
        }
        if version >= 8 {
            value.record_errors = input
                .array("recordErrors", flexible, |input| BatchIndexAndErrorMessage::decode(input, version))?;
        }
        if version >= 8 {
            value.error_message = input.nullable_string("errorMessage", flexible)?;
        }
        if flexible {
            input.tagged_fields(|tag, input| {
                match tag {
                    0 if version >= 10 => value.current_leader = LeaderIdAndEpoch::decode(input, version)?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        output.i32(self.index);
        output.error_code(self.error_code);
        output.i64(self.base_offset);
        output.i64(self.log_append_time_ms);
        if version >= 5 {
            output.i64(self.log_start_offset);
        }
        if version >= 8 {
            output.array("recordErrors", &self.record_errors, flexible, |output, item| {
                item.encode(output, version)
            })?;
        }
        if version >= 8 {
            output.nullable_string("errorMessage", self.error_message.as_ref(), flexible)?;
        }
        if version < 10 && self.current_leader != LeaderIdAndEpoch::default() {
            return Err(EncodeError::NotInVersion { field: "currentLeader", version });
        }
        if flexible {
            let mut tagged = TaggedFields::default();
            if version >= 10 && self.current_leader != LeaderIdAndEpoch::default() {
                tagged.field("currentLeader", 0, |output| self.current_leader.encode(output, version))?;
            }
            output.tagged_fields(tagged);
        }
        Ok(())
    }
}

/// The batch indices of records that caused the batch to be dropped.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BatchIndexAndErrorMessage {
    /// The batch index of the record that caused the batch to be dropped. (v8+)
    pub batch_index: i32,
    /// The error message of the record that caused the batch to be dropped. (v8+)
    pub batch_index_error_message: Option<Str>,
}

impl BatchIndexAndErrorMessage {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        let mut value = Self::default();
        value.batch_index = input.i32("batchIndex")?;
        value.batch_index_error_message = input.nullable_string("batchIndexErrorMessage", flexible)?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        output.i32(self.batch_index);
        output.nullable_string(
            "batchIndexErrorMessage",
            self.batch_index_error_message.as_ref(),
            flexible,
        )?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The leader broker that the producer should use for future requests.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaderIdAndEpoch {
    /// The ID of the current leader or -1 if the leader is unknown. (v10+)
    pub leader_id: i32,
    /// The latest known leader epoch. (v10+)
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

/// Endpoints for all current-leaders enumerated in PartitionProduceResponses, with errors
/// NOT_LEADER_OR_FOLLOWER.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodeEndpoint {
    /// The ID of the associated node. (v10+)
    pub node_id: i32,
    /// The node's hostname. (v10+)
    pub host: Str,
    /// The node's port. (v10+)
    pub port: i32,
    /// The rack of the node, or null if it has not been assigned to a rack. (v10+)
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
