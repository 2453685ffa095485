//! `CreateTopicsRequest` v2–7, flexible from v5. Generated from Kafka's `CreateTopicsRequest.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
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
        input.check_version::<Self>(version)?;
        let flexible = version >= 5;
        let mut value = Self::default();
        value.topics = input.array("topics", flexible, |input| CreatableTopic::decode(input, version))?;
        value.timeout_ms = input.i32("timeoutMs")?;
        value.validate_only = input.bool("validateOnly")?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 5;
        output.array("topics", &self.topics, flexible, |output, item| item.encode(output, version))?;
        output.i32(self.timeout_ms);
        output.bool(self.validate_only);
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The topics to create.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatableTopic {
    /// The topic name.
    pub name: Str,
    /// The number of partitions to create in the topic, or -1 if we are either specifying a manual
    /// partition assignment or using the default partitions.
    pub num_partitions: i32,
    /// The number of replicas to create for each partition in the topic, or -1 if we are either specifying
    /// a manual partition assignment or using the default replication factor.
    pub replication_factor: i16,
    /// The manual partition assignment, or the empty array if we are using automatic assignment.
    pub assignments: Vec<CreatableReplicaAssignment>,
    /// The custom topic configurations to set.
    pub configs: Vec<CreatableTopicConfig>,
}

impl CreatableTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        let mut value = Self::default();
        value.name = input.string("name", flexible)?;
        value.num_partitions = input.i32("numPartitions")?;
        value.replication_factor = input.i16("replicationFactor")?;
        value.assignments = input
            .array("assignments", flexible, |input| CreatableReplicaAssignment::decode(input, version))?;
        value.configs =
            input.array("configs", flexible, |input| CreatableTopicConfig::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        output.string("name", &self.name, flexible)?;
        output.i32(self.num_partitions);
        output.i16(self.replication_factor);
        output
            .array("assignments", &self.assignments, flexible, |output, item| item.encode(output, version))?;
        output.array("configs", &self.configs, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The manual partition assignment, or the empty array if we are using automatic assignment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatableReplicaAssignment {
    /// The partition index.
    pub partition_index: i32,
    /// The brokers to place the partition on.
    pub broker_ids: Vec<i32>,
}

impl CreatableReplicaAssignment {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        let mut value = Self::default();
        value.partition_index = input.i32("partitionIndex")?;
        value.broker_ids = input.array("brokerIds", flexible, |input| input.i32("brokerIds"))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        output.i32(self.partition_index);
        output.array("brokerIds", &self.broker_ids, flexible, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        if flexible {
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
        let flexible = version >= 5;
        let mut value = Self::default();
        value.name = input.string("name", flexible)?;
        value.value = input.nullable_string("value", flexible)?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        output.string("name", &self.name, flexible)?;
        output.nullable_string("value", self.value.as_ref(), flexible)?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for CreateTopicsRequest {
    type Response = super::create_topics_response::CreateTopicsResponse;
}
