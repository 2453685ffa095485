//! `OffsetFetchRequest` v1–10, flexible from v6. Generated from Kafka's `OffsetFetchRequest.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::encode::present;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;
use highwater_types::TopicId;

/// `OffsetFetchRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetFetchRequest {
    /// The group to fetch offsets for. (v1–7)
    pub group_id: Str,
    /// Each topic we would like to fetch offsets for, or null to fetch offsets for all topics. (v1–7)
    pub topics: Option<Vec<OffsetFetchRequestTopic>>,
    /// Each group we would like to fetch offsets for. (v8+)
    pub groups: Vec<OffsetFetchRequestGroup>,
    /// Whether broker should hold on returning unstable offsets but set a retriable error code for the
    /// partitions. (v7+)
    pub require_stable: bool,
}

impl Default for OffsetFetchRequest {
    fn default() -> Self {
        Self { group_id: Str::default(), topics: Some(Vec::new()), groups: Vec::new(), require_stable: false }
    }
}

impl Message for OffsetFetchRequest {
    const NAME: &'static str = "OffsetFetchRequest";
    const API_KEY: Option<i16> = Some(9);
    const VERSIONS: (i16, i16) = (1, 10);
    const FLEXIBLE_FROM: i16 = 6;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 6;
        let mut value = Self::default();
        if version <= 7 {
            value.group_id = input.string("groupId", flexible)?;
        }
        if version <= 7 {
            value.topics = if version >= 2 {
                input.nullable_array("topics", flexible, |input| {
                    OffsetFetchRequestTopic::decode(input, version)
                })?
            } else {
                Some(
                    input
                        .array("topics", flexible, |input| OffsetFetchRequestTopic::decode(input, version))?,
                )
            };
        }
        if version >= 8 {
            value.groups =
                input.array("groups", flexible, |input| OffsetFetchRequestGroup::decode(input, version))?;
        }
        if version >= 7 {
            value.require_stable = input.bool("requireStable")?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 6;
        if version <= 7 {
            output.string("groupId", &self.group_id, flexible)?;
        } else if !self.group_id.is_empty() {
            return Err(EncodeError::NotInVersion { field: "groupId", version });
        }
        if version <= 7 {
            if version >= 2 {
                output.nullable_array("topics", self.topics.as_deref(), flexible, |output, item| {
                    item.encode(output, version)
                })?;
            } else {
                output.array(
                    "topics",
                    present("topics", self.topics.as_ref())?,
                    flexible,
                    |output, item| item.encode(output, version),
                )?;
            }
        } else if self.topics != Some(Vec::new()) {
            return Err(EncodeError::NotInVersion { field: "topics", version });
        }
        if version >= 8 {
            output.array("groups", &self.groups, flexible, |output, item| item.encode(output, version))?;
        } else if !self.groups.is_empty() {
            return Err(EncodeError::NotInVersion { field: "groups", version });
        }
        if version >= 7 {
            output.bool(self.require_stable);
        } else if self.require_stable {
            return Err(EncodeError::NotInVersion { field: "requireStable", version });
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each topic we would like to fetch offsets for, or null to fetch offsets for all topics.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchRequestTopic {
    /// The topic name. (v1–7)
    pub name: Str,
    /// The partition indexes we would like to fetch offsets for. (v1–7)
    pub partition_indexes: Vec<i32>,
}

impl OffsetFetchRequestTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        let mut value = Self::default();
        value.name = input.string("name", flexible)?;
        value.partition_indexes =
            input.array("partitionIndexes", flexible, |input| input.i32("partitionIndexes"))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        output.string("name", &self.name, flexible)?;
        output.array("partitionIndexes", &self.partition_indexes, flexible, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each group we would like to fetch offsets for.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetFetchRequestGroup {
    /// The group ID. (v8+)
    pub group_id: Str,
    /// The member id. (v9+)
    pub member_id: Option<Str>,
    /// The member epoch if using the new consumer protocol (KIP-848). (v9+)
    pub member_epoch: i32,
    /// Each topic we would like to fetch offsets for, or null to fetch offsets for all topics. (v8+)
    pub topics: Option<Vec<OffsetFetchRequestTopics>>,
}

impl Default for OffsetFetchRequestGroup {
    fn default() -> Self {
        Self { group_id: Str::default(), member_id: None, member_epoch: -1, topics: Some(Vec::new()) }
    }
}

impl OffsetFetchRequestGroup {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.group_id = input.string("groupId", true)?;
        if version >= 9 {
            value.member_id = input.nullable_string("memberId", true)?;
        }
        if version >= 9 {
            value.member_epoch = input.i32("memberEpoch")?;
        }
        value.topics =
            input.nullable_array("topics", true, |input| OffsetFetchRequestTopics::decode(input, version))?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.string("groupId", &self.group_id, true)?;
        if version >= 9 {
            output.nullable_string("memberId", self.member_id.as_ref(), true)?;
        }
        if version >= 9 {
            output.i32(self.member_epoch);
        }
        output.nullable_array("topics", self.topics.as_deref(), true, |output, item| {
            item.encode(output, version)
        })?;
        output.no_tagged_fields();
        Ok(())
    }
}

/// Each topic we would like to fetch offsets for, or null to fetch offsets for all topics.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetFetchRequestTopics {
    /// The topic name. (v8–9)
    pub name: Str,
    /// The topic ID. (v10+)
    pub topic_id: TopicId,
    /// The partition indexes we would like to fetch offsets for. (v8+)
    pub partition_indexes: Vec<i32>,
}

impl OffsetFetchRequestTopics {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version <= 9 {
            value.name = input.string("name", true)?;
        }
        if version >= 10 {
            value.topic_id = input.uuid("topicId")?;
        }
        value.partition_indexes =
            input.array("partitionIndexes", true, |input| input.i32("partitionIndexes"))?;
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
        output.array("partitionIndexes", &self.partition_indexes, true, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        output.no_tagged_fields();
        Ok(())
    }
}

impl Request for OffsetFetchRequest {
    type Response = super::offset_fetch_response::OffsetFetchResponse;
}
