//! `DeleteRecordsResponse` v0–2, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;

/// `DeleteRecordsResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct DeleteRecordsResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// Each topic that we wanted to delete records from.
    pub topics: Vec<DeleteRecordsTopicResult>,
}

impl Default for DeleteRecordsResponse {
    fn default() -> Self {
        Self { throttle_time_ms: 0, topics: Vec::new() }
    }
}

impl Message for DeleteRecordsResponse {
    const NAME: &'static str = "DeleteRecordsResponse";
    const API_KEY: Option<i16> = Some(21);
    const VERSIONS: (i16, i16) = (0, 2);
    const FLEXIBLE_FROM: i16 = 2;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttle_time_ms")?;
        value.topics =
            input.array("topics", version >= 2, |input| DeleteRecordsTopicResult::decode(input, version))?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.throttle_time_ms);
        output.array(&self.topics, version >= 2, |output, item| item.encode(output, version))?;
        if version >= 2 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each topic that we wanted to delete records from.
#[derive(Debug, Clone, PartialEq)]
pub struct DeleteRecordsTopicResult {
    /// The topic name.
    pub name: Str,
    /// Each partition that we wanted to delete records from.
    pub partitions: Vec<DeleteRecordsPartitionResult>,
}

impl Default for DeleteRecordsTopicResult {
    fn default() -> Self {
        Self { name: Str::default(), partitions: Vec::new() }
    }
}

impl DeleteRecordsTopicResult {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.string("name", version >= 2)?;
        value.partitions = input.array("partitions", version >= 2, |input| {
            DeleteRecordsPartitionResult::decode(input, version)
        })?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.string(&self.name, version >= 2)?;
        output.array(&self.partitions, version >= 2, |output, item| item.encode(output, version))?;
        if version >= 2 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each partition that we wanted to delete records from.
#[derive(Debug, Clone, PartialEq)]
pub struct DeleteRecordsPartitionResult {
    /// The partition index.
    pub partition_index: i32,
    /// The partition low water mark.
    pub low_watermark: i64,
    /// The deletion error code, or 0 if the deletion succeeded.
    pub error_code: i16,
}

impl Default for DeleteRecordsPartitionResult {
    fn default() -> Self {
        Self { partition_index: 0, low_watermark: 0, error_code: 0 }
    }
}

impl DeleteRecordsPartitionResult {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.partition_index = input.i32("partition_index")?;
        value.low_watermark = input.i64("low_watermark")?;
        value.error_code = input.i16("error_code")?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.partition_index);
        output.i64(self.low_watermark);
        output.i16(self.error_code);
        if version >= 2 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
