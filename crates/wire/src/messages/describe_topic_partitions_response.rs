//! `DescribeTopicPartitionsResponse` v0–0, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;
use highwater_types::TopicId;

/// `DescribeTopicPartitionsResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeTopicPartitionsResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// Each topic in the response.
    pub topics: Vec<DescribeTopicPartitionsResponseTopic>,
    /// The next topic and partition index to fetch details for.
    pub next_cursor: Option<Cursor>,
}

impl Default for DescribeTopicPartitionsResponse {
    fn default() -> Self {
        Self { throttle_time_ms: 0, topics: Vec::new(), next_cursor: None }
    }
}

impl Message for DescribeTopicPartitionsResponse {
    const NAME: &'static str = "DescribeTopicPartitionsResponse";
    const API_KEY: Option<i16> = Some(75);
    const VERSIONS: (i16, i16) = (0, 0);
    const FLEXIBLE_FROM: i16 = 0;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttle_time_ms")?;
        value.topics = input
            .array("topics", true, |input| DescribeTopicPartitionsResponseTopic::decode(input, version))?;
        value.next_cursor = input.nullable_struct("next_cursor", |input| Cursor::decode(input, version))?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.throttle_time_ms);
        output.array(&self.topics, true, |output, item| item.encode(output, version))?;
        output.nullable_struct(self.next_cursor.as_ref(), |output, item| item.encode(output, version))?;
        output.no_tagged_fields();
        Ok(())
    }
}

/// Each topic in the response.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeTopicPartitionsResponseTopic {
    /// The topic error, or 0 if there was no error.
    pub error_code: i16,
    /// The topic name.
    pub name: Option<Str>,
    /// The topic id.
    pub topic_id: TopicId,
    /// True if the topic is internal.
    pub is_internal: bool,
    /// Each partition in the topic.
    pub partitions: Vec<DescribeTopicPartitionsResponsePartition>,
    /// 32-bit bitfield to represent authorized operations for this topic.
    pub topic_authorized_operations: i32,
}

impl Default for DescribeTopicPartitionsResponseTopic {
    fn default() -> Self {
        Self {
            error_code: 0,
            name: Some(Str::default()),
            topic_id: TopicId::default(),
            is_internal: false,
            partitions: Vec::new(),
            topic_authorized_operations: -2147483648,
        }
    }
}

impl DescribeTopicPartitionsResponseTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.error_code = input.i16("error_code")?;
        value.name = input.nullable_string("name", true)?;
        value.topic_id = input.uuid("topic_id")?;
        value.is_internal = input.bool("is_internal")?;
        value.partitions = input.array("partitions", true, |input| {
            DescribeTopicPartitionsResponsePartition::decode(input, version)
        })?;
        value.topic_authorized_operations = input.i32("topic_authorized_operations")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i16(self.error_code);
        output.nullable_string(self.name.as_ref(), true)?;
        output.uuid(self.topic_id);
        output.bool(self.is_internal);
        output.array(&self.partitions, true, |output, item| item.encode(output, version))?;
        output.i32(self.topic_authorized_operations);
        output.no_tagged_fields();
        Ok(())
    }
}

/// Each partition in the topic.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeTopicPartitionsResponsePartition {
    /// The partition error, or 0 if there was no error.
    pub error_code: i16,
    /// The partition index.
    pub partition_index: i32,
    /// The ID of the leader broker.
    pub leader_id: i32,
    /// The leader epoch of this partition.
    pub leader_epoch: i32,
    /// The set of all nodes that host this partition.
    pub replica_nodes: Vec<i32>,
    /// The set of nodes that are in sync with the leader for this partition.
    pub isr_nodes: Vec<i32>,
    /// The new eligible leader replicas otherwise.
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// The last known ELR.
    pub last_known_elr: Option<Vec<i32>>,
    /// The set of offline replicas of this partition.
    pub offline_replicas: Vec<i32>,
}

impl Default for DescribeTopicPartitionsResponsePartition {
    fn default() -> Self {
        Self {
            error_code: 0,
            partition_index: 0,
            leader_id: 0,
            leader_epoch: -1,
            replica_nodes: Vec::new(),
            isr_nodes: Vec::new(),
            eligible_leader_replicas: None,
            last_known_elr: None,
            offline_replicas: Vec::new(),
        }
    }
}

impl DescribeTopicPartitionsResponsePartition {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.error_code = input.i16("error_code")?;
        value.partition_index = input.i32("partition_index")?;
        value.leader_id = input.i32("leader_id")?;
        value.leader_epoch = input.i32("leader_epoch")?;
        value.replica_nodes = input.array("replica_nodes", true, |input| input.i32("replica_nodes"))?;
        value.isr_nodes = input.array("isr_nodes", true, |input| input.i32("isr_nodes"))?;
        value.eligible_leader_replicas = input.nullable_array("eligible_leader_replicas", true, |input| {
            input.i32("eligible_leader_replicas")
        })?;
        value.last_known_elr =
            input.nullable_array("last_known_elr", true, |input| input.i32("last_known_elr"))?;
        value.offline_replicas =
            input.array("offline_replicas", true, |input| input.i32("offline_replicas"))?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.i16(self.error_code);
        output.i32(self.partition_index);
        output.i32(self.leader_id);
        output.i32(self.leader_epoch);
        output.array(&self.replica_nodes, true, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        output.array(&self.isr_nodes, true, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        output.nullable_array(self.eligible_leader_replicas.as_deref(), true, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        output.nullable_array(self.last_known_elr.as_deref(), true, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        output.array(&self.offline_replicas, true, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        output.no_tagged_fields();
        Ok(())
    }
}

/// The next topic and partition index to fetch details for.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    /// The name for the first topic to process.
    pub topic_name: Str,
    /// The partition index to start with.
    pub partition_index: i32,
}

impl Default for Cursor {
    fn default() -> Self {
        Self { topic_name: Str::default(), partition_index: 0 }
    }
}

impl Cursor {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.topic_name = input.string("topic_name", true)?;
        value.partition_index = input.i32("partition_index")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.string(&self.topic_name, true)?;
        output.i32(self.partition_index);
        output.no_tagged_fields();
        Ok(())
    }
}
