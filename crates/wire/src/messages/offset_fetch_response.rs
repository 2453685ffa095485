//! `OffsetFetchResponse` v1–10, flexible from v6. Generated from Kafka's `OffsetFetchResponse.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::str::Str;
use highwater_types::TopicId;

/// `OffsetFetchResponse`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota. (v3+)
    pub throttle_time_ms: i32,
    /// The responses per topic. (v1–7)
    pub topics: Vec<OffsetFetchResponseTopic>,
    /// The top-level error code, or 0 if there was no error. (v2–7)
    pub error_code: i16,
    /// The responses per group id. (v8+)
    pub groups: Vec<OffsetFetchResponseGroup>,
}

impl Message for OffsetFetchResponse {
    const NAME: &'static str = "OffsetFetchResponse";
    const API_KEY: Option<i16> = Some(9);
    const VERSIONS: (i16, i16) = (1, 10);
    const FLEXIBLE_FROM: i16 = 6;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 6;
        let mut value = Self::default();
        if version >= 3 {
            value.throttle_time_ms = input.i32("throttleTimeMs")?;
        }
        if version <= 7 {
            value.topics =
                input.array("topics", flexible, |input| OffsetFetchResponseTopic::decode(input, version))?;
        }
        if (2..=7).contains(&version) {
            value.error_code = input.i16("errorCode")?;
        }
        if version >= 8 {
            value.groups =
                input.array("groups", flexible, |input| OffsetFetchResponseGroup::decode(input, version))?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 6;
        if version >= 3 {
            output.i32(self.throttle_time_ms);
        }
        if version <= 7 {
            output.array("topics", &self.topics, flexible, |output, item| item.encode(output, version))?;
        } else if !self.topics.is_empty() {
            return Err(EncodeError::NotInVersion { field: "topics", version });
        }
        if (2..=7).contains(&version) {
            output.error_code(self.error_code);
        }
        if version >= 8 {
            output.array("groups", &self.groups, flexible, |output, item| item.encode(output, version))?;
        } else if !self.groups.is_empty() {
            return Err(EncodeError::NotInVersion { field: "groups", version });
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The responses per topic.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchResponseTopic {
    /// The topic name. (v1–7)
    pub name: Str,
    /// The responses per partition. (v1–7)
    pub partitions: Vec<OffsetFetchResponsePartition>,
}

impl OffsetFetchResponseTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        let mut value = Self::default();
        value.name = input.string("name", flexible)?;
        value.partitions = input
            .array("partitions", flexible, |input| OffsetFetchResponsePartition::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        output.string("name", &self.name, flexible)?;
        output
            .array("partitions", &self.partitions, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The responses per partition.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetFetchResponsePartition {
    /// The partition index. (v1–7)
    pub partition_index: i32,
    /// The committed message offset. (v1–7)
    pub committed_offset: i64,
    /// The leader epoch. (v5–7)
    pub committed_leader_epoch: i32,
    /// The partition metadata. (v1–7)
    pub metadata: Option<Str>,
    /// The error code, or 0 if there was no error. (v1–7)
    pub error_code: i16,
}

impl Default for OffsetFetchResponsePartition {
    fn default() -> Self {
        Self {
            partition_index: 0,
            committed_offset: 0,
            committed_leader_epoch: -1,
            metadata: Some(Str::default()),
            error_code: 0,
        }
    }
}

impl OffsetFetchResponsePartition {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        let mut value = Self::default();
        value.partition_index = input.i32("partitionIndex")?;
        value.committed_offset = input.i64("committedOffset")?;
        if version >= 5 {
            value.committed_leader_epoch = input.i32("committedLeaderEpoch")?;
        }
        value.metadata = input.nullable_string("metadata", flexible)?;
        value.error_code = input.i16("errorCode")?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        output.i32(self.partition_index);
        output.i64(self.committed_offset);
        if version >= 5 {
            output.i32(self.committed_leader_epoch);
        }
        output.nullable_string("metadata", self.metadata.as_ref(), flexible)?;
        output.error_code(self.error_code);
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The responses per group id.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchResponseGroup {
    /// The group ID. (v8+)
    pub group_id: Str,
    /// The responses per topic. (v8+)
    pub topics: Vec<OffsetFetchResponseTopics>,
    /// The group-level error code, or 0 if there was no error. (v8+)
    pub error_code: i16,
}

impl OffsetFetchResponseGroup {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.group_id = input.string("groupId", true)?;
        value.topics =
            input.array("topics", true, |input| OffsetFetchResponseTopics::decode(input, version))?;
        value.error_code = input.i16("errorCode")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.string("groupId", &self.group_id, true)?;
        output.array("topics", &self.topics, true, |output, item| item.encode(output, version))?;
        output.error_code(self.error_code);
        output.no_tagged_fields();
        Ok(())
    }
}

/// The responses per topic.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchResponseTopics {
    /// The topic name. (v8–9)
    pub name: Str,
    /// The topic ID. (v10+)
    pub topic_id: TopicId,
    /// The responses per partition. (v8+)
    pub partitions: Vec<OffsetFetchResponsePartitions>,
}

impl OffsetFetchResponseTopics {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version <= 9 {
            value.name = input.string("name", true)?;
        }
        if version >= 10 {
            value.topic_id = input.uuid("topicId")?;
        }
        value.partitions =
            input.array("partitions", true, |input| OffsetFetchResponsePartitions::decode(input, version))?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version <= 9 {
            output.string("name", &self.name, true)?;
        }
        if version >= 10 {
            output.uuid(self.topic_id);
        }
        output.array("partitions", &self.partitions, true, |output, item| item.encode(output, version))?;
        output.no_tagged_fields();
        Ok(())
    }
}

/// The responses per partition.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetFetchResponsePartitions {
    /// The partition index. (v8+)
    pub partition_index: i32,
    /// The committed message offset. (v8+)
    pub committed_offset: i64,
    /// The leader epoch. (v8+)
    pub committed_leader_epoch: i32,
    /// The partition metadata. (v8+)
    pub metadata: Option<Str>,
    /// The partition-level error code, or 0 if there was no error. (v8+)
    pub error_code: i16,
}

impl Default for OffsetFetchResponsePartitions {
    fn default() -> Self {
        Self {
            partition_index: 0,
            committed_offset: 0,
            committed_leader_epoch: -1,
            metadata: Some(Str::default()),
            error_code: 0,
        }
    }
}

impl OffsetFetchResponsePartitions {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.partition_index = input.i32("partitionIndex")?;
        value.committed_offset = input.i64("committedOffset")?;
        value.committed_leader_epoch = input.i32("committedLeaderEpoch")?;
        value.metadata = input.nullable_string("metadata", true)?;
        value.error_code = input.i16("errorCode")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.i32(self.partition_index);
        output.i64(self.committed_offset);
        output.i32(self.committed_leader_epoch);
        output.nullable_string("metadata", self.metadata.as_ref(), true)?;
        output.error_code(self.error_code);
        output.no_tagged_fields();
        Ok(())
    }
}
