//! `DeleteRecordsRequest` v0–2, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;

/// `DeleteRecordsRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct DeleteRecordsRequest {
    /// Each topic that we want to delete records from.
    pub topics: Vec<DeleteRecordsTopic>,
    /// How long to wait for the deletion to complete, in milliseconds.
    pub timeout_ms: i32,
}

impl Default for DeleteRecordsRequest {
    fn default() -> Self {
        Self { topics: Vec::new(), timeout_ms: 0 }
    }
}

impl Message for DeleteRecordsRequest {
    const NAME: &'static str = "DeleteRecordsRequest";
    const API_KEY: Option<i16> = Some(21);
    const VERSIONS: (i16, i16) = (0, 2);
    const FLEXIBLE_FROM: i16 = 2;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.topics =
            input.array("topics", version >= 2, |input| DeleteRecordsTopic::decode(input, version))?;
        value.timeout_ms = input.i32("timeout_ms")?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.array(&self.topics, version >= 2, |output, item| item.encode(output, version))?;
        output.i32(self.timeout_ms);
        if version >= 2 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each topic that we want to delete records from.
#[derive(Debug, Clone, PartialEq)]
pub struct DeleteRecordsTopic {
    /// The topic name.
    pub name: Str,
    /// Each partition that we want to delete records from.
    pub partitions: Vec<DeleteRecordsPartition>,
}

impl Default for DeleteRecordsTopic {
    fn default() -> Self {
        Self { name: Str::default(), partitions: Vec::new() }
    }
}

impl DeleteRecordsTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.string("name", version >= 2)?;
        value.partitions = input
            .array("partitions", version >= 2, |input| DeleteRecordsPartition::decode(input, version))?;
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

/// Each partition that we want to delete records from.
#[derive(Debug, Clone, PartialEq)]
pub struct DeleteRecordsPartition {
    /// The partition index.
    pub partition_index: i32,
    /// The deletion offset. -1 means that records should be truncated to the high watermark.
    pub offset: i64,
}

impl Default for DeleteRecordsPartition {
    fn default() -> Self {
        Self { partition_index: 0, offset: 0 }
    }
}

impl DeleteRecordsPartition {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.partition_index = input.i32("partition_index")?;
        value.offset = input.i64("offset")?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.partition_index);
        output.i64(self.offset);
        if version >= 2 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
