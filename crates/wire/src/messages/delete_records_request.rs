//! `DeleteRecordsRequest` v0–2, flexible from v2. Generated from Kafka's `DeleteRecordsRequest.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `DeleteRecordsRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteRecordsRequest {
    /// Each topic that we want to delete records from.
    pub topics: Vec<DeleteRecordsTopic>,
    /// How long to wait for the deletion to complete, in milliseconds.
    pub timeout_ms: i32,
}

impl Message for DeleteRecordsRequest {
    const NAME: &'static str = "DeleteRecordsRequest";
    const API_KEY: Option<i16> = Some(21);
    const VERSIONS: (i16, i16) = (0, 2);
    const FLEXIBLE_FROM: i16 = 2;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 2;
        let mut value = Self::default();
        value.topics = input.array("topics", flexible, |input| DeleteRecordsTopic::decode(input, version))?;
        value.timeout_ms = input.i32("timeoutMs")?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 2;
        output.array("topics", &self.topics, flexible, |output, item| item.encode(output, version))?;
        output.i32(self.timeout_ms);
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each topic that we want to delete records from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteRecordsTopic {
    /// The topic name.
    pub name: Str,
    /// Each partition that we want to delete records from.
    pub partitions: Vec<DeleteRecordsPartition>,
}

impl DeleteRecordsTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        let mut value = Self::default();
        value.name = input.string("name", flexible)?;
        value.partitions =
            input.array("partitions", flexible, |input| DeleteRecordsPartition::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        output.string("name", &self.name, flexible)?;
        output
            .array("partitions", &self.partitions, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each partition that we want to delete records from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteRecordsPartition {
    /// The partition index.
    pub partition_index: i32,
    /// The deletion offset. -1 means that records should be truncated to the high watermark.
    pub offset: i64,
}

impl DeleteRecordsPartition {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        let mut value = Self::default();
        value.partition_index = input.i32("partitionIndex")?;
        value.offset = input.i64("offset")?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        output.i32(self.partition_index);
        output.i64(self.offset);
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for DeleteRecordsRequest {
    type Response = super::delete_records_response::DeleteRecordsResponse;
}
