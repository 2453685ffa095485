//! `OffsetCommitRequest` v2–10, flexible from v8. Generated from Kafka's `OffsetCommitRequest.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;
use highwater_types::TopicId;

/// `OffsetCommitRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetCommitRequest {
    /// The unique group identifier.
    pub group_id: Str,
    /// The generation of the group if using the classic group protocol or the member epoch if using the
    /// consumer protocol.
    pub generation_id_or_member_epoch: i32,
    /// The member ID assigned by the group coordinator.
    pub member_id: Str,
    /// The unique identifier of the consumer instance provided by end user. (v7+)
    pub group_instance_id: Option<Str>,
    /// The time period in ms to retain the offset. (v2–4)
    pub retention_time_ms: i64,
    /// The topics to commit offsets for.
    pub topics: Vec<OffsetCommitRequestTopic>,
}

impl Default for OffsetCommitRequest {
    fn default() -> Self {
        Self {
            group_id: Str::default(),
            generation_id_or_member_epoch: -1,
            member_id: Str::default(),
            group_instance_id: None,
            retention_time_ms: -1,
            topics: Vec::new(),
        }
    }
}

impl Message for OffsetCommitRequest {
    const NAME: &'static str = "OffsetCommitRequest";
    const API_KEY: Option<i16> = Some(8);
    const VERSIONS: (i16, i16) = (2, 10);
    const FLEXIBLE_FROM: i16 = 8;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 8;
        let mut value = Self::default();
        value.group_id = input.string("groupId", flexible)?;
        value.generation_id_or_member_epoch = input.i32("generationIdOrMemberEpoch")?;
        value.member_id = input.string("memberId", flexible)?;
        if version >= 7 {
            value.group_instance_id = input.nullable_string("groupInstanceId", flexible)?;
        }
        if version <= 4 {
            value.retention_time_ms = input.i64("retentionTimeMs")?;
        }
        value.topics =
            input.array("topics", flexible, |input| OffsetCommitRequestTopic::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 8;
        output.string("groupId", &self.group_id, flexible)?;
        output.i32(self.generation_id_or_member_epoch);
        output.string("memberId", &self.member_id, flexible)?;
        if version >= 7 {
            output.nullable_string("groupInstanceId", self.group_instance_id.as_ref(), flexible)?;
        } else if self.group_instance_id.is_some() {
            return Err(EncodeError::NotInVersion { field: "groupInstanceId", version });
        }
        if version <= 4 {
            output.i64(self.retention_time_ms);
        }
        output.array("topics", &self.topics, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The topics to commit offsets for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetCommitRequestTopic {
    /// The topic name. (v2–9)
    pub name: Str,
    /// The topic ID. (v10+)
    pub topic_id: TopicId,
    /// Each partition to commit offsets for.
    pub partitions: Vec<OffsetCommitRequestPartition>,
}

impl OffsetCommitRequestTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 8;
        let mut value = Self::default();
        if version <= 9 {
            value.name = input.string("name", flexible)?;
        }
        if version >= 10 {
            value.topic_id = input.uuid("topicId")?;
        }
        value.partitions = input
            .array("partitions", flexible, |input| OffsetCommitRequestPartition::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 8;
        if version <= 9 {
            output.string("name", &self.name, flexible)?;
        }
        if version >= 10 {
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

/// Each partition to commit offsets for.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetCommitRequestPartition {
    /// The partition index.
    pub partition_index: i32,
    /// The message offset to be committed.
    pub committed_offset: i64,
    /// The leader epoch of this partition. (v6+)
    pub committed_leader_epoch: i32,
    /// Any associated metadata the client wants to keep.
    pub committed_metadata: Option<Str>,
}

impl Default for OffsetCommitRequestPartition {
    fn default() -> Self {
        Self {
            partition_index: 0,
            committed_offset: 0,
            committed_leader_epoch: -1,
            committed_metadata: Some(Str::default()),
        }
    }
}

impl OffsetCommitRequestPartition {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 8;
        let mut value = Self::default();
        value.partition_index = input.i32("partitionIndex")?;
        value.committed_offset = input.i64("committedOffset")?;
        if version >= 6 {
            value.committed_leader_epoch = input.i32("committedLeaderEpoch")?;
        }
        value.committed_metadata = input.nullable_string("committedMetadata", flexible)?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 8;
        output.i32(self.partition_index);
        output.i64(self.committed_offset);
        if version >= 6 {
            output.i32(self.committed_leader_epoch);
        }
        output.nullable_string("committedMetadata", self.committed_metadata.as_ref(), flexible)?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for OffsetCommitRequest {
    type Response = super::offset_commit_response::OffsetCommitResponse;
}
