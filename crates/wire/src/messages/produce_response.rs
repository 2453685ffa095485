//! `ProduceResponse` v3–13, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder, TaggedFields};
use crate::message::Message;
use crate::str::Str;
use highwater_types::TopicId;

/// `ProduceResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct ProduceResponse {
    /// Each produce response.
    pub responses: Vec<TopicProduceResponse>,
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// Endpoints for all current-leaders enumerated in PartitionProduceResponses, with errors NOT_LEADER_OR_FOLLOWER. (v10+)
    pub node_endpoints: Vec<NodeEndpoint>,
}

impl Default for ProduceResponse {
    fn default() -> Self {
        Self { responses: Vec::new(), throttle_time_ms: 0, node_endpoints: Vec::new() }
    }
}

impl Message for ProduceResponse {
    const NAME: &'static str = "ProduceResponse";
    const API_KEY: Option<i16> = Some(0);
    const VERSIONS: (i16, i16) = (3, 13);
    const FLEXIBLE_FROM: i16 = 9;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.responses =
            input.array("responses", version >= 9, |input| TopicProduceResponse::decode(input, version))?;
        value.throttle_time_ms = input.i32("throttle_time_ms")?;
        if version >= 9 {
            input.tagged_fields(|tag, input| {
                match tag {
                    0 if version >= 10 => {
                        value.node_endpoints = input.array("node_endpoints", version >= 9, |input| {
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
        output.array(&self.responses, version >= 9, |output, item| item.encode(output, version))?;
        output.i32(self.throttle_time_ms);
        if version >= 9 {
            let mut tagged = TaggedFields::default();
            if version >= 10 && !self.node_endpoints.is_empty() {
                tagged.field(0, |output| {
                    output.array(&self.node_endpoints, version >= 9, |output, item| {
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

/// Each produce response.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicProduceResponse {
    /// The topic name. (v3–12)
    pub name: Str,
    /// The unique topic ID (v13+)
    pub topic_id: TopicId,
    /// Each partition that we produced to within the topic.
    pub partition_responses: Vec<PartitionProduceResponse>,
}

impl Default for TopicProduceResponse {
    fn default() -> Self {
        Self { name: Str::default(), topic_id: TopicId::default(), partition_responses: Vec::new() }
    }
}

impl TopicProduceResponse {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version <= 12 {
            value.name = input.string("name", version >= 9)?;
        }
        if version >= 13 {
            value.topic_id = input.uuid("topic_id")?;
        }
        value.partition_responses = input.array("partition_responses", version >= 9, |input| {
            PartitionProduceResponse::decode(input, version)
        })?;
        if version >= 9 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version <= 12 {
            output.string(&self.name, version >= 9)?;
        }
        if version >= 13 {
            output.uuid(self.topic_id);
        }
        output.array(&self.partition_responses, version >= 9, |output, item| item.encode(output, version))?;
        if version >= 9 {
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
    /// The timestamp returned by broker after appending the messages. If CreateTime is used for the topic, the timestamp will be -1.  If LogAppendTime is used for the topic, the timestamp will be the broker local time when the messages are appended.
    pub log_append_time_ms: i64,
    /// The log start offset. (v5+)
    pub log_start_offset: i64,
    /// The batch indices of records that caused the batch to be dropped. (v8+)
    pub record_errors: Vec<BatchIndexAndErrorMessage>,
    /// The global error message summarizing the common root cause of the records that caused the batch to be dropped. (v8+)
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
        let mut value = Self::default();
        value.index = input.i32("index")?;
        value.error_code = input.i16("error_code")?;
        value.base_offset = input.i64("base_offset")?;
        value.log_append_time_ms = input.i64("log_append_time_ms")?;
        if version >= 5 {
            value.log_start_offset = input.i64("log_start_offset")?;
        }
        if version >= 8 {
            value.record_errors = input.array("record_errors", version >= 9, |input| {
                BatchIndexAndErrorMessage::decode(input, version)
            })?;
        }
        if version >= 8 {
            value.error_message = input.nullable_string("error_message", version >= 9)?;
        }
        if version >= 9 {
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
        output.i32(self.index);
        output.i16(self.error_code);
        output.i64(self.base_offset);
        output.i64(self.log_append_time_ms);
        if version >= 5 {
            output.i64(self.log_start_offset);
        }
        if version >= 8 {
            output.array(&self.record_errors, version >= 9, |output, item| item.encode(output, version))?;
        }
        if version >= 8 {
            output.nullable_string(self.error_message.as_ref(), version >= 9)?;
        }
        if version >= 9 {
            let mut tagged = TaggedFields::default();
            if version >= 10 && self.current_leader != LeaderIdAndEpoch::default() {
                tagged.field(0, |output| {
                    self.current_leader.encode(output, version)?;
                    Ok(())
                })?;
            }
            output.tagged_fields(tagged)?;
        }
        Ok(())
    }
}

/// The batch indices of records that caused the batch to be dropped.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchIndexAndErrorMessage {
    /// The batch index of the record that caused the batch to be dropped. (v8+)
    pub batch_index: i32,
    /// The error message of the record that caused the batch to be dropped. (v8+)
    pub batch_index_error_message: Option<Str>,
}

impl Default for BatchIndexAndErrorMessage {
    fn default() -> Self {
        Self { batch_index: 0, batch_index_error_message: None }
    }
}

impl BatchIndexAndErrorMessage {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version >= 8 {
            value.batch_index = input.i32("batch_index")?;
        }
        if version >= 8 {
            value.batch_index_error_message =
                input.nullable_string("batch_index_error_message", version >= 9)?;
        }
        if version >= 9 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version >= 8 {
            output.i32(self.batch_index);
        } else if self.batch_index != 0 {
            return Err(EncodeError::NotInVersion { field: "batch_index", version });
        }
        if version >= 8 {
            output.nullable_string(self.batch_index_error_message.as_ref(), version >= 9)?;
        } else if self.batch_index_error_message.is_some() {
            return Err(EncodeError::NotInVersion { field: "batch_index_error_message", version });
        }
        if version >= 9 {
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
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version >= 10 {
            value.leader_id = input.i32("leader_id")?;
        }
        if version >= 10 {
            value.leader_epoch = input.i32("leader_epoch")?;
        }
        if version >= 9 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version >= 10 {
            output.i32(self.leader_id);
        } else if self.leader_id != -1 {
            return Err(EncodeError::NotInVersion { field: "leader_id", version });
        }
        if version >= 10 {
            output.i32(self.leader_epoch);
        } else if self.leader_epoch != -1 {
            return Err(EncodeError::NotInVersion { field: "leader_epoch", version });
        }
        if version >= 9 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Endpoints for all current-leaders enumerated in PartitionProduceResponses, with errors NOT_LEADER_OR_FOLLOWER.
#[derive(Debug, Clone, PartialEq)]
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

impl Default for NodeEndpoint {
    fn default() -> Self {
        Self { node_id: 0, host: Str::default(), port: 0, rack: None }
    }
}

impl NodeEndpoint {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version >= 10 {
            value.node_id = input.i32("node_id")?;
        }
        if version >= 10 {
            value.host = input.string("host", version >= 9)?;
        }
        if version >= 10 {
            value.port = input.i32("port")?;
        }
        if version >= 10 {
            value.rack = input.nullable_string("rack", version >= 9)?;
        }
        if version >= 9 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version >= 10 {
            output.i32(self.node_id);
        } else if self.node_id != 0 {
            return Err(EncodeError::NotInVersion { field: "node_id", version });
        }
        if version >= 10 {
            output.string(&self.host, version >= 9)?;
        } else if self.host != Str::default() {
            return Err(EncodeError::NotInVersion { field: "host", version });
        }
        if version >= 10 {
            output.i32(self.port);
        } else if self.port != 0 {
            return Err(EncodeError::NotInVersion { field: "port", version });
        }
        if version >= 10 {
            output.nullable_string(self.rack.as_ref(), version >= 9)?;
        } else if self.rack.is_some() {
            return Err(EncodeError::NotInVersion { field: "rack", version });
        }
        if version >= 9 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
