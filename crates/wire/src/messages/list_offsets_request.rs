//! `ListOffsetsRequest` v1–11, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;

/// `ListOffsetsRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct ListOffsetsRequest {
    /// The broker ID of the requester, or -1 if this request is being made by a normal consumer.
    pub replica_id: i32,
    /// This setting controls the visibility of transactional records. Using READ_UNCOMMITTED (isolation_level = 0) makes all records visible. With READ_COMMITTED (isolation_level = 1), non-transactional and COMMITTED transactional records are visible. To be more concrete, READ_COMMITTED returns all data from offsets smaller than the current LSO (last stable offset), and enables the inclusion of the list of aborted transactions in the result, which allows consumers to discard ABORTED transactional records. (v2+)
    pub isolation_level: i8,
    /// Each topic in the request.
    pub topics: Vec<ListOffsetsTopic>,
    /// The timeout to await a response in milliseconds for requests that require reading from remote storage for topics enabled with tiered storage. (v10+)
    pub timeout_ms: i32,
}

impl Default for ListOffsetsRequest {
    fn default() -> Self {
        Self { replica_id: 0, isolation_level: 0, topics: Vec::new(), timeout_ms: 0 }
    }
}

impl Message for ListOffsetsRequest {
    const NAME: &'static str = "ListOffsetsRequest";
    const API_KEY: Option<i16> = Some(2);
    const VERSIONS: (i16, i16) = (1, 11);
    const FLEXIBLE_FROM: i16 = 6;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.replica_id = input.i32("replica_id")?;
        if version >= 2 {
            value.isolation_level = input.i8("isolation_level")?;
        }
        value.topics =
            input.array("topics", version >= 6, |input| ListOffsetsTopic::decode(input, version))?;
        if version >= 10 {
            value.timeout_ms = input.i32("timeout_ms")?;
        }
        if version >= 6 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.replica_id);
        if version >= 2 {
            output.i8(self.isolation_level);
        } else if self.isolation_level != 0 {
            return Err(EncodeError::NotInVersion { field: "isolation_level", version });
        }
        output.array(&self.topics, version >= 6, |output, item| item.encode(output, version))?;
        if version >= 10 {
            output.i32(self.timeout_ms);
        }
        if version >= 6 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each topic in the request.
#[derive(Debug, Clone, PartialEq)]
pub struct ListOffsetsTopic {
    /// The topic name.
    pub name: Str,
    /// Each partition in the request.
    pub partitions: Vec<ListOffsetsPartition>,
}

impl Default for ListOffsetsTopic {
    fn default() -> Self {
        Self { name: Str::default(), partitions: Vec::new() }
    }
}

impl ListOffsetsTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.string("name", version >= 6)?;
        value.partitions =
            input.array("partitions", version >= 6, |input| ListOffsetsPartition::decode(input, version))?;
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

/// Each partition in the request.
#[derive(Debug, Clone, PartialEq)]
pub struct ListOffsetsPartition {
    /// The partition index.
    pub partition_index: i32,
    /// The current leader epoch. (v4+)
    pub current_leader_epoch: i32,
    /// The current timestamp.
    pub timestamp: i64,
}

impl Default for ListOffsetsPartition {
    fn default() -> Self {
        Self { partition_index: 0, current_leader_epoch: -1, timestamp: 0 }
    }
}

impl ListOffsetsPartition {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.partition_index = input.i32("partition_index")?;
        if version >= 4 {
            value.current_leader_epoch = input.i32("current_leader_epoch")?;
        }
        value.timestamp = input.i64("timestamp")?;
        if version >= 6 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.partition_index);
        if version >= 4 {
            output.i32(self.current_leader_epoch);
        }
        output.i64(self.timestamp);
        if version >= 6 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
