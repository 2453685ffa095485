//! `OffsetForLeaderEpochRequest` v2–4, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
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
        let mut value = Self::default();
        if version >= 3 {
            value.replica_id = input.i32("replica_id")?;
        }
        value.topics =
            input.array("topics", version >= 4, |input| OffsetForLeaderTopic::decode(input, version))?;
        if version >= 4 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version >= 3 {
            output.i32(self.replica_id);
        }
        output.array(&self.topics, version >= 4, |output, item| item.encode(output, version))?;
        if version >= 4 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each topic to get offsets for.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetForLeaderTopic {
    /// The topic name.
    pub topic: Str,
    /// Each partition to get offsets for.
    pub partitions: Vec<OffsetForLeaderPartition>,
}

impl Default for OffsetForLeaderTopic {
    fn default() -> Self {
        Self { topic: Str::default(), partitions: Vec::new() }
    }
}

impl OffsetForLeaderTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.topic = input.string("topic", version >= 4)?;
        value.partitions = input
            .array("partitions", version >= 4, |input| OffsetForLeaderPartition::decode(input, version))?;
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

/// Each partition to get offsets for.
#[derive(Debug, Clone, PartialEq)]
pub struct OffsetForLeaderPartition {
    /// The partition index.
    pub partition: i32,
    /// An epoch used to fence consumers/replicas with old metadata. If the epoch provided by the client is larger than the current epoch known to the broker, then the UNKNOWN_LEADER_EPOCH error code will be returned. If the provided epoch is smaller, then the FENCED_LEADER_EPOCH error code will be returned.
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
        let mut value = Self::default();
        value.partition = input.i32("partition")?;
        value.current_leader_epoch = input.i32("current_leader_epoch")?;
        value.leader_epoch = input.i32("leader_epoch")?;
        if version >= 4 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.partition);
        output.i32(self.current_leader_epoch);
        output.i32(self.leader_epoch);
        if version >= 4 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
