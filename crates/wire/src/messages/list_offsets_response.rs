//! `ListOffsetsResponse` v1–11, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;

/// `ListOffsetsResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct ListOffsetsResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero if the request did not violate any quota. (v2+)
    pub throttle_time_ms: i32,
    /// Each topic in the response.
    pub topics: Vec<ListOffsetsTopicResponse>,
}

impl Default for ListOffsetsResponse {
    fn default() -> Self {
        Self { throttle_time_ms: 0, topics: Vec::new() }
    }
}

impl Message for ListOffsetsResponse {
    const NAME: &'static str = "ListOffsetsResponse";
    const API_KEY: Option<i16> = Some(2);
    const VERSIONS: (i16, i16) = (1, 11);
    const FLEXIBLE_FROM: i16 = 6;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version >= 2 {
            value.throttle_time_ms = input.i32("throttle_time_ms")?;
        }
        value.topics =
            input.array("topics", version >= 6, |input| ListOffsetsTopicResponse::decode(input, version))?;
        if version >= 6 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version >= 2 {
            output.i32(self.throttle_time_ms);
        }
        output.array(&self.topics, version >= 6, |output, item| item.encode(output, version))?;
        if version >= 6 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each topic in the response.
#[derive(Debug, Clone, PartialEq)]
pub struct ListOffsetsTopicResponse {
    /// The topic name.
    pub name: Str,
    /// Each partition in the response.
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

impl Default for ListOffsetsTopicResponse {
    fn default() -> Self {
        Self { name: Str::default(), partitions: Vec::new() }
    }
}

impl ListOffsetsTopicResponse {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.string("name", version >= 6)?;
        value.partitions = input.array("partitions", version >= 6, |input| {
            ListOffsetsPartitionResponse::decode(input, version)
        })?;
        if version >= 6 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.string(&self.name, version >= 6)?;
        output.array(&self.partitions, version >= 6, |output, item| item.encode(output, version))?;
        if version >= 6 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each partition in the response.
#[derive(Debug, Clone, PartialEq)]
pub struct ListOffsetsPartitionResponse {
    /// The partition index.
    pub partition_index: i32,
    /// The partition error code, or 0 if there was no error.
    pub error_code: i16,
    /// The timestamp associated with the returned offset.
    pub timestamp: i64,
    /// The returned offset.
    pub offset: i64,
    /// The leader epoch associated with the returned offset. (v4+)
    pub leader_epoch: i32,
}

impl Default for ListOffsetsPartitionResponse {
    fn default() -> Self {
        Self { partition_index: 0, error_code: 0, timestamp: -1, offset: -1, leader_epoch: -1 }
    }
}

impl ListOffsetsPartitionResponse {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.partition_index = input.i32("partition_index")?;
        value.error_code = input.i16("error_code")?;
        value.timestamp = input.i64("timestamp")?;
        value.offset = input.i64("offset")?;
        if version >= 4 {
            value.leader_epoch = input.i32("leader_epoch")?;
        }
        if version >= 6 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.partition_index);
        output.i16(self.error_code);
        output.i64(self.timestamp);
        output.i64(self.offset);
        if version >= 4 {
            output.i32(self.leader_epoch);
        } else if self.leader_epoch != -1 {
            return Err(EncodeError::NotInVersion { field: "leader_epoch", version });
        }
        if version >= 6 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
