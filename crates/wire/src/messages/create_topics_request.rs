//! `CreateTopicsRequest` v2–7, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;

/// `CreateTopicsRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTopicsRequest {
    /// The topics to create.
    pub topics: Vec<CreatableTopic>,
    /// How long to wait in milliseconds before timing out the request.
    pub timeout_ms: i32,
    /// If true, check that the topics can be created as specified, but don't create anything.
    pub validate_only: bool,
}

impl Default for CreateTopicsRequest {
    fn default() -> Self {
        Self { topics: Vec::new(), timeout_ms: 60000, validate_only: false }
    }
}

impl Message for CreateTopicsRequest {
    const NAME: &'static str = "CreateTopicsRequest";
    const API_KEY: Option<i16> = Some(19);
    const VERSIONS: (i16, i16) = (2, 7);
    const FLEXIBLE_FROM: i16 = 5;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.topics = input.array("topics", version >= 5, |input| CreatableTopic::decode(input, version))?;
        value.timeout_ms = input.i32("timeout_ms")?;
        value.validate_only = input.bool("validate_only")?;
        if version >= 5 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.array(&self.topics, version >= 5, |output, item| item.encode(output, version))?;
        output.i32(self.timeout_ms);
        output.bool(self.validate_only);
        if version >= 5 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The topics to create.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatableTopic {
    /// The topic name.
    pub name: Str,
    /// The number of partitions to create in the topic, or -1 if we are either specifying a manual partition assignment or using the default partitions.
    pub num_partitions: i32,
    /// The number of replicas to create for each partition in the topic, or -1 if we are either specifying a manual partition assignment or using the default replication factor.
    pub replication_factor: i16,
    /// The manual partition assignment, or the empty array if we are using automatic assignment.
    pub assignments: Vec<CreatableReplicaAssignment>,
    /// The custom topic configurations to set.
    pub configs: Vec<CreatableTopicConfig>,
}

impl Default for CreatableTopic {
    fn default() -> Self {
        Self {
            name: Str::default(),
            num_partitions: 0,
            replication_factor: 0,
            assignments: Vec::new(),
            configs: Vec::new(),
        }
    }
}

impl CreatableTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.string("name", version >= 5)?;
        value.num_partitions = input.i32("num_partitions")?;
        value.replication_factor = input.i16("replication_factor")?;
        value.assignments = input
            .array("assignments", version >= 5, |input| CreatableReplicaAssignment::decode(input, version))?;
        value.configs =
            input.array("configs", version >= 5, |input| CreatableTopicConfig::decode(input, version))?;
        if version >= 5 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.string(&self.name, version >= 5)?;
        output.i32(self.num_partitions);
        output.i16(self.replication_factor);
        output.array(&self.assignments, version >= 5, |output, item| item.encode(output, version))?;
        output.array(&self.configs, version >= 5, |output, item| item.encode(output, version))?;
        if version >= 5 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The manual partition assignment, or the empty array if we are using automatic assignment.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatableReplicaAssignment {
    /// The partition index.
    pub partition_index: i32,
    /// The brokers to place the partition on.
    pub broker_ids: Vec<i32>,
}

impl Default for CreatableReplicaAssignment {
    fn default() -> Self {
        Self { partition_index: 0, broker_ids: Vec::new() }
    }
}

impl CreatableReplicaAssignment {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.partition_index = input.i32("partition_index")?;
        value.broker_ids = input.array("broker_ids", version >= 5, |input| input.i32("broker_ids"))?;
        if version >= 5 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.partition_index);
        output.array(&self.broker_ids, version >= 5, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        if version >= 5 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The custom topic configurations to set.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatableTopicConfig {
    /// The configuration name.
    pub name: Str,
    /// The configuration value.
    pub value: Option<Str>,
}

impl Default for CreatableTopicConfig {
    fn default() -> Self {
        Self { name: Str::default(), value: Some(Str::default()) }
    }
}

impl CreatableTopicConfig {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.string("name", version >= 5)?;
        value.value = input.nullable_string("value", version >= 5)?;
        if version >= 5 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.string(&self.name, version >= 5)?;
        output.nullable_string(self.value.as_ref(), version >= 5)?;
        if version >= 5 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
