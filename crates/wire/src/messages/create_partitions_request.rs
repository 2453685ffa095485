//! `CreatePartitionsRequest` v0–3, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;

/// `CreatePartitionsRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatePartitionsRequest {
    /// Each topic that we want to create new partitions inside.
    pub topics: Vec<CreatePartitionsTopic>,
    /// The time in ms to wait for the partitions to be created.
    pub timeout_ms: i32,
    /// If true, then validate the request, but don't actually increase the number of partitions.
    pub validate_only: bool,
}

impl Default for CreatePartitionsRequest {
    fn default() -> Self {
        Self { topics: Vec::new(), timeout_ms: 0, validate_only: false }
    }
}

impl Message for CreatePartitionsRequest {
    const NAME: &'static str = "CreatePartitionsRequest";
    const API_KEY: Option<i16> = Some(37);
    const VERSIONS: (i16, i16) = (0, 3);
    const FLEXIBLE_FROM: i16 = 2;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.topics =
            input.array("topics", version >= 2, |input| CreatePartitionsTopic::decode(input, version))?;
        value.timeout_ms = input.i32("timeout_ms")?;
        value.validate_only = input.bool("validate_only")?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.array(&self.topics, version >= 2, |output, item| item.encode(output, version))?;
        output.i32(self.timeout_ms);
        output.bool(self.validate_only);
        if version >= 2 {
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
        let mut value = Self::default();
        value.name = input.string("name", version >= 2)?;
        value.count = input.i32("count")?;
        value.assignments = input.nullable_array("assignments", version >= 2, |input| {
            CreatePartitionsAssignment::decode(input, version)
        })?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.string(&self.name, version >= 2)?;
        output.i32(self.count);
        output.nullable_array(self.assignments.as_deref(), version >= 2, |output, item| {
            item.encode(output, version)
        })?;
        if version >= 2 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The new partition assignments.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatePartitionsAssignment {
    /// The assigned broker IDs.
    pub broker_ids: Vec<i32>,
}

impl Default for CreatePartitionsAssignment {
    fn default() -> Self {
        Self { broker_ids: Vec::new() }
    }
}

impl CreatePartitionsAssignment {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.broker_ids = input.array("broker_ids", version >= 2, |input| input.i32("broker_ids"))?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.array(&self.broker_ids, version >= 2, |output, item| {
            output.i32(*item);
            Ok(())
        })?;
        if version >= 2 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
