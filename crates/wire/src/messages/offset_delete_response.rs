//! `OffsetDeleteResponse` v0–0. Generated from Kafka's `OffsetDeleteResponse.json` by `cargo xtask
//! codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::str::Str;

/// `OffsetDeleteResponse`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteResponse {
    /// The top-level error code, or 0 if there was no error.
    pub error_code: i16,
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// The responses for each topic.
    pub topics: Vec<OffsetDeleteResponseTopic>,
}

impl Message for OffsetDeleteResponse {
    const NAME: &'static str = "OffsetDeleteResponse";
    const API_KEY: Option<i16> = Some(47);
    const VERSIONS: (i16, i16) = (0, 0);
    const FLEXIBLE_FROM: i16 = i16::MAX;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let mut value = Self::default();
        value.error_code = input.i16("errorCode")?;
        value.throttle_time_ms = input.i32("throttleTimeMs")?;
        value.topics =
            input.array("topics", false, |input| OffsetDeleteResponseTopic::decode(input, version))?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        output.error_code(self.error_code);
        output.i32(self.throttle_time_ms);
        output.array("topics", &self.topics, false, |output, item| item.encode(output, version))?;
        Ok(())
    }
}

/// The responses for each topic.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteResponseTopic {
    /// The topic name.
    pub name: Str,
    /// The responses for each partition in the topic.
    pub partitions: Vec<OffsetDeleteResponsePartition>,
}

impl OffsetDeleteResponseTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.string("name", false)?;
        value.partitions = input
            .array("partitions", false, |input| OffsetDeleteResponsePartition::decode(input, version))?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.string("name", &self.name, false)?;
        output.array("partitions", &self.partitions, false, |output, item| item.encode(output, version))?;
        Ok(())
    }
}

/// The responses for each partition in the topic.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetDeleteResponsePartition {
    /// The partition index.
    pub partition_index: i32,
    /// The error code, or 0 if there was no error.
    pub error_code: i16,
}

impl OffsetDeleteResponsePartition {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.partition_index = input.i32("partitionIndex")?;
        value.error_code = input.i16("errorCode")?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.i32(self.partition_index);
        output.error_code(self.error_code);
        Ok(())
    }
}
