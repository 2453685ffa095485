//! `CreatePartitionsRequest` v0–3, flexible from v2. Generated from Kafka's
//! `CreatePartitionsRequest.json` by `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `CreatePartitionsRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatePartitionsRequest {
    /// Each topic that we want to create new partitions inside.
    pub topics: Vec<CreatePartitionsTopic>,
    /// The time in ms to wait for the partitions to be created.
    pub timeout_ms: i32,
    /// If true, then validate the request, but don't actually increase the number of partitions.
    pub validate_only: bool,
}

impl Message for CreatePartitionsRequest {
    const NAME: &'static str = "CreatePartitionsRequest";
    const API_KEY: Option<i16> = Some(37);
    const VERSIONS: (i16, i16) = (0, 3);
    const FLEXIBLE_FROM: i16 = 2;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 2;
        let mut value = Self::default();
        value.topics =
            input.array("topics", flexible, |input| CreatePartitionsTopic::decode(input, version))?;
        value.timeout_ms = input.i32("timeoutMs")?;
        value.validate_only = input.bool("validateOnly")?;
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
        output.bool(self.validate_only);
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each topic that we want to create new partitions inside.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatePartitionsTopic {
    /// The topic name.
    pub name: Str,
    /// The new partition count.
    pub count: i32,
    /// The new partition assignments.
    pub assignments: Option<Vec<CreatePartitionsAssignment>>,
}

impl Default for CreatePartitionsTopic {
    fn default() -> Self {
        Self { name: Str::default(), count: 0, assignments: Some(Vec::new()) }
    }
}

impl CreatePartitionsTopic {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        let mut value = Self::default();
        value.name = input.string("name", flexible)?;
        value.count = input.i32("count")?;
        value.assignments = input.nullable_array("assignments", flexible, |input| {
            CreatePartitionsAssignment::decode(input, version)
        })?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        output.string("name", &self.name, flexible)?;
        output.i32(self.count);
        output.nullable_array("assignments", self.assignments.as_deref(), flexible, |output, item| {
            item.encode(output, version)
        })?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The new partition assignments.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CreatePartitionsAssignment {
    /// The assigned broker IDs.
    pub broker_ids: Vec<i32>,
}

impl CreatePartitionsAssignment {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        let mut value = Self::default();
        value.broker_ids = input.array("brokerIds", flexible, |input| input.i32("brokerIds"))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
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

impl Request for CreatePartitionsRequest {
    type Response = super::create_partitions_response::CreatePartitionsResponse;
}
