//! `OffsetDeleteRequest` v0–0. Generated from Kafka's `OffsetDeleteRequest.json` by `cargo xtask
//! codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `OffsetDeleteRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteRequest {
    /// The unique group identifier.
    pub group_id: Str,
    /// The topics to delete offsets for.
    pub topics: Vec<OffsetDeleteRequestTopic>,
}

impl Message for OffsetDeleteRequest {
    const NAME: &'static str = "OffsetDeleteRequest";
    const API_KEY: Option<i16> = Some(47);
    const VERSIONS: (i16, i16) = (0, 0);
    const FLEXIBLE_FROM: i16 = i16::MAX;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let mut value = Self::default();
        value.group_id = input.string("groupId", false)?;
        value.topics =
            input.array("topics", false, |input| OffsetDeleteRequestTopic::decode(input, version))?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        output.string("groupId", &self.group_id, false)?;
        output.array("topics", &self.topics, false, |output, item| item.encode(output, version))?;
        Ok(())
    }
}

/// The topics to delete offsets for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteRequestTopic {
    /// The topic name.
    pub name: Str,
    /// Each partition to delete offsets for.
    pub partitions: Vec<OffsetDeleteRequestPartition>,
}

impl OffsetDeleteRequestTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.string("name", false)?;
        value.partitions =
            input.array("partitions", false, |input| OffsetDeleteRequestPartition::decode(input, version))?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.string("name", &self.name, false)?;
        output.array("partitions", &self.partitions, false, |output, item| item.encode(output, version))?;
        Ok(())
    }
}

/// Each partition to delete offsets for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteRequestPartition {
    /// The partition index.
    pub partition_index: i32,
}

impl OffsetDeleteRequestPartition {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.partition_index = input.i32("partitionIndex")?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.i32(self.partition_index);
        Ok(())
    }
}

impl Request for OffsetDeleteRequest {
    type Response = super::offset_delete_response::OffsetDeleteResponse;
}
