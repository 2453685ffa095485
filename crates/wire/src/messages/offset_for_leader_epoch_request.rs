//! `OffsetForLeaderEpochRequest` v2–4, flexible from v4. Generated from Kafka's
//! `OffsetForLeaderEpochRequest.json` by `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `OffsetForLeaderEpochRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetForLeaderEpochRequest {
    /// The broker ID of the follower, of -1 if this request is from a consumer. (v3+)
    pub replica_id: i32,
    /// Each topic to get offsets for.
    pub topics: Vec<OffsetForLeaderTopic>,
}

impl Default for OffsetForLeaderEpochRequest {
    fn default() -> Self {
        Self { replica_id: -2, topics: Vec::new() }
    }
}

impl Message for OffsetForLeaderEpochRequest {
    const NAME: &'static str = "OffsetForLeaderEpochRequest";
    const API_KEY: Option<i16> = Some(23);
    const VERSIONS: (i16, i16) = (2, 4);
    const FLEXIBLE_FROM: i16 = 4;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 4;
        let mut value = Self::default();
        if version >= 3 {
            value.replica_id = input.i32("replicaId")?;
        }
        value.topics =
            input.array("topics", flexible, |input| OffsetForLeaderTopic::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 4;
        if version >= 3 {
            output.i32(self.replica_id);
        }
        output.array("topics", &self.topics, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each topic to get offsets for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetForLeaderTopic {
    /// The topic name.
    pub topic: Str,
    /// Each partition to get offsets for.
    pub partitions: Vec<OffsetForLeaderPartition>,
}

impl OffsetForLeaderTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        let mut value = Self::default();
        value.topic = input.string("topic", flexible)?;
        value.partitions =
            input.array("partitions", flexible, |input| OffsetForLeaderPartition::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        output.string("topic", &self.topic, flexible)?;
        output
            .array("partitions", &self.partitions, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each partition to get offsets for.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetForLeaderPartition {
    /// The partition index.
    pub partition: i32,
    /// An epoch used to fence consumers/replicas with old metadata. If the epoch provided by the client is
    /// larger than the current epoch known to the broker, then the UNKNOWN_LEADER_EPOCH error code will be
    /// returned. If the provided epoch is smaller, then the FENCED_LEADER_EPOCH error code will be
    /// returned.
    pub current_leader_epoch: i32,
    /// The epoch to look up an offset for.
    pub leader_epoch: i32,
}

impl Default for OffsetForLeaderPartition {
    fn default() -> Self {
        Self { partition: 0, current_leader_epoch: -1, leader_epoch: 0 }
    }
}

impl OffsetForLeaderPartition {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        let mut value = Self::default();
        value.partition = input.i32("partition")?;
        value.current_leader_epoch = input.i32("currentLeaderEpoch")?;
        value.leader_epoch = input.i32("leaderEpoch")?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        output.i32(self.partition);
        output.i32(self.current_leader_epoch);
        output.i32(self.leader_epoch);
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for OffsetForLeaderEpochRequest {
    type Response = super::offset_for_leader_epoch_response::OffsetForLeaderEpochResponse;
}
