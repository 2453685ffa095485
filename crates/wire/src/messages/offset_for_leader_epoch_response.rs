//! `OffsetForLeaderEpochResponse` v2–4, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;

/// `OffsetForLeaderEpochResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetForLeaderEpochResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// Each topic we fetched offsets for.
    pub topics: Vec<OffsetForLeaderTopicResult>,
}

impl Default for OffsetForLeaderEpochResponse {
    fn default() -> Self {
        Self { throttle_time_ms: 0, topics: Vec::new() }
    }
}

impl Message for OffsetForLeaderEpochResponse {
    const NAME: &'static str = "OffsetForLeaderEpochResponse";
    const API_KEY: Option<i16> = Some(23);
    const VERSIONS: (i16, i16) = (2, 4);
    const FLEXIBLE_FROM: i16 = 4;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttle_time_ms")?;
        value.topics = input
            .array("topics", version >= 4, |input| OffsetForLeaderTopicResult::decode(input, version))?;
        if version >= 4 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.throttle_time_ms);
        output.array(&self.topics, version >= 4, |output, item| item.encode(output, version))?;
        if version >= 4 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each topic we fetched offsets for.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetForLeaderTopicResult {
    /// The topic name.
    pub topic: Str,
    /// Each partition in the topic we fetched offsets for.
    pub partitions: Vec<EpochEndOffset>,
}

impl Default for OffsetForLeaderTopicResult {
    fn default() -> Self {
        Self { topic: Str::default(), partitions: Vec::new() }
    }
}

impl OffsetForLeaderTopicResult {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.topic = input.string("topic", version >= 4)?;
        value.partitions =
            input.array("partitions", version >= 4, |input| EpochEndOffset::decode(input, version))?;
        if version >= 4 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.string(&self.topic, version >= 4)?;
        output.array(&self.partitions, version >= 4, |output, item| item.encode(output, version))?;
        if version >= 4 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each partition in the topic we fetched offsets for.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochEndOffset {
    /// The error code 0, or if there was no error.
    pub error_code: i16,
    /// The partition index.
    pub partition: i32,
    /// The leader epoch of the partition.
    pub leader_epoch: i32,
    /// The end offset of the epoch.
    pub end_offset: i64,
}

impl Default for EpochEndOffset {
    fn default() -> Self {
        Self { error_code: 0, partition: 0, leader_epoch: -1, end_offset: -1 }
    }
}

impl EpochEndOffset {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.error_code = input.i16("error_code")?;
        value.partition = input.i32("partition")?;
        value.leader_epoch = input.i32("leader_epoch")?;
        value.end_offset = input.i64("end_offset")?;
        if version >= 4 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i16(self.error_code);
        output.i32(self.partition);
        output.i32(self.leader_epoch);
        output.i64(self.end_offset);
        if version >= 4 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
