//! `DescribeTopicPartitionsResponse` v0–0, flexible from v0. Generated from Kafka's
//! `DescribeTopicPartitionsResponse.json` by `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::str::Str;
use highwater_types::TopicId;

/// `DescribeTopicPartitionsResponse`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeTopicPartitionsResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// Each topic in the response.
    pub topics: Vec<DescribeTopicPartitionsResponseTopic>,
    /// The next topic and partition index to fetch details for.
    pub next_cursor: Option<Cursor>,
}

impl Message for DescribeTopicPartitionsResponse {
    const NAME: &'static str = "DescribeTopicPartitionsResponse";
    const API_KEY: Option<i16> = Some(75);
    const VERSIONS: (i16, i16) = (0, 0);
    const FLEXIBLE_FROM: i16 = 0;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttleTimeMs")?;
        value.topics = input
            .array("topics", true, |input| DescribeTopicPartitionsResponseTopic::decode(input, version))?;
        value.next_cursor = input.nullable_struct("nextCursor", |input| Cursor::decode(input, version))?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        output.i32(self.throttle_time_ms);
        output.array("topics", &self.topics, true, |output, item| item.encode(output, version))?;
        output.nullable_struct(self.next_cursor.as_ref(), |output, value| value.encode(output, version))?;
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
            topic_id: TopicId::ZERO,
            is_internal: false,
            partitions: Vec::new(),
            topic_authorized_operations: i32::MIN,
        }
    }
}

impl DescribeTopicPartitionsResponseTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.error_code = input.i16("errorCode")?;
        value.name = input.nullable_string("name", true)?;
        value.topic_id = input.uuid("topicId")?;
        value.is_internal = input.bool("isInternal")?;
        value.partitions = input.array("partitions", true, |input| {
            DescribeTopicPartitionsResponsePartition::decode(input, version)
        })?;
        value.topic_authorized_operations = input.i32("topicAuthorizedOperations")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.error_code(self.error_code);
        output.nullable_string("name", self.name.as_ref(), true)?;
        output.uuid(self.topic_id);
        output.bool(self.is_internal);
        output.array("partitions", &self.partitions, true, |output, item| item.encode(output, version))?;
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
        value.error_code = input.i16("errorCode")?;
        value.partition_index = input.i32("partitionIndex")?;
        value.leader_id = input.i32("leaderId")?;
        value.leader_epoch = input.i32("leaderEpoch")?;
        value.replica_nodes = input.array("replicaNodes", true, |input| input.i32("replicaNodes"))?;
        value.isr_nodes = input.array("isrNodes", true, |input| input.i32("isrNodes"))?;
        value.eligible_leader_replicas = input
            .nullable_array("eligibleLeaderReplicas", true, |input| input.i32("eligibleLeaderReplicas"))?;
        value.last_known_elr =
            input.nullable_array("lastKnownElr", true, |input| input.i32("lastKnownElr"))?;
        value.offline_replicas =
            input.array("offlineReplicas", true, |input| input.i32("offlineReplicas"))?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.error_code(self.error_code);
        output.i32(self.partition_index);
        output.i32(self.leader_id);
        output.i32(self.leader_epoch);
        output.array("replicaNodes", &self.replica_nodes, true, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        output.array("isrNodes", &self.isr_nodes, true, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        output.nullable_array(
            "eligibleLeaderReplicas",
            self.eligible_leader_replicas.as_deref(),
            true,
            |output, item| {
                output.i32(*item);
                Ok(())
            },
        )?;
        output.nullable_array("lastKnownElr", self.last_known_elr.as_deref(), true, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        output.array("offlineReplicas", &self.offline_replicas, true, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        output.no_tagged_fields();
        Ok(())
    }
}

/// The next topic and partition index to fetch details for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cursor {
    /// The name for the first topic to process.
    pub topic_name: Str,
    /// The partition index to start with.
    pub partition_index: i32,
}

impl Cursor {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.topic_name = input.string("topicName", true)?;
        value.partition_index = input.i32("partitionIndex")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.string("topicName", &self.topic_name, true)?;
        output.i32(self.partition_index);
        output.no_tagged_fields();
        Ok(())
    }
}
