//! `ListOffsetsRequest` v1–11, flexible from v6. Generated from Kafka's `ListOffsetsRequest.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `ListOffsetsRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListOffsetsRequest {
    /// The broker ID of the requester, or -1 if this request is being made by a normal consumer.
    pub replica_id: i32,
    /// This setting controls the visibility of transactional records. Using READ_UNCOMMITTED
    /// (isolation_level = 0) makes all records visible. With READ_COMMITTED (isolation_level = 1),
    /// non-transactional and COMMITTED transactional records are visible. To be more concrete,
    /// READ_COMMITTED returns all data from offsets smaller than the current LSO (last stable offset), and
    /// enables the inclusion of the list of aborted transactions in the result, which allows consumers to
    /// discard ABORTED transactional records. (v2+)
    pub isolation_level: i8,
    /// Each topic in the request.
    pub topics: Vec<ListOffsetsTopic>,
    /// The timeout to await a response in milliseconds for requests that require reading from remote
    /// storage for topics enabled with tiered storage. (v10+)
    pub timeout_ms: i32,
}

impl Message for ListOffsetsRequest {
    const NAME: &'static str = "ListOffsetsRequest";
    const API_KEY: Option<i16> = Some(2);
    const VERSIONS: (i16, i16) = (1, 11);
    const FLEXIBLE_FROM: i16 = 6;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 6;
        let mut value = Self::default();
        value.replica_id = input.i32("replicaId")?;
        if version >= 2 {
            value.isolation_level = input.i8("isolationLevel")?;
        }
        value.topics = input.array("topics", flexible, |input| ListOffsetsTopic::decode(input, version))?;
        if version >= 10 {
            value.timeout_ms = input.i32("timeoutMs")?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 6;
        output.i32(self.replica_id);
        if version >= 2 {
            output.i8(self.isolation_level);
        } else if self.isolation_level != 0 {
            return Err(EncodeError::NotInVersion { field: "isolationLevel", version });
        }
        output.array("topics", &self.topics, flexible, |output, item| item.encode(output, version))?;
        if version >= 10 {
            output.i32(self.timeout_ms);
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each topic in the request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListOffsetsTopic {
    /// The topic name.
    pub name: Str,
    /// Each partition in the request.
    pub partitions: Vec<ListOffsetsPartition>,
}

impl ListOffsetsTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        let mut value = Self::default();
        value.name = input.string("name", flexible)?;
        value.partitions =
            input.array("partitions", flexible, |input| ListOffsetsPartition::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        output.string("name", &self.name, flexible)?;
        output
            .array("partitions", &self.partitions, flexible, |output, item| item.encode(output, version))?;
        if flexible {
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
        let flexible = version >= 6;
        let mut value = Self::default();
        value.partition_index = input.i32("partitionIndex")?;
        if version >= 4 {
            value.current_leader_epoch = input.i32("currentLeaderEpoch")?;
        }
        value.timestamp = input.i64("timestamp")?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        output.i32(self.partition_index);
        if version >= 4 {
            output.i32(self.current_leader_epoch);
        }
        output.i64(self.timestamp);
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for ListOffsetsRequest {
    type Response = super::list_offsets_response::ListOffsetsResponse;
}
