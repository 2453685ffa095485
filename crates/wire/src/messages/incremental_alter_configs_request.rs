//! `IncrementalAlterConfigsRequest` v0–1, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;

/// `IncrementalAlterConfigsRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct IncrementalAlterConfigsRequest {
    /// The incremental updates for each resource.
    pub resources: Vec<AlterConfigsResource>,
    /// True if we should validate the request, but not change the configurations.
    pub validate_only: bool,
}

impl Default for IncrementalAlterConfigsRequest {
    fn default() -> Self {
        Self { resources: Vec::new(), validate_only: false }
    }
}

impl Message for IncrementalAlterConfigsRequest {
    const NAME: &'static str = "IncrementalAlterConfigsRequest";
    const API_KEY: Option<i16> = Some(44);
    const VERSIONS: (i16, i16) = (0, 1);
    const FLEXIBLE_FROM: i16 = 1;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.resources =
            input.array("resources", version >= 1, |input| AlterConfigsResource::decode(input, version))?;
        value.validate_only = input.bool("validate_only")?;
        if version >= 1 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.array(&self.resources, version >= 1, |output, item| item.encode(output, version))?;
        output.bool(self.validate_only);
        if version >= 1 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The incremental updates for each resource.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterConfigsResource {
    /// The resource type.
    pub resource_type: i8,
    /// The resource name.
    pub resource_name: Str,
    /// The configurations.
    pub configs: Vec<AlterableConfig>,
}

impl Default for AlterConfigsResource {
    fn default() -> Self {
        Self { resource_type: 0, resource_name: Str::default(), configs: Vec::new() }
    }
}

impl AlterConfigsResource {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.resource_type = input.i8("resource_type")?;
        value.resource_name = input.string("resource_name", version >= 1)?;
        value.configs =
            input.array("configs", version >= 1, |input| AlterableConfig::decode(input, version))?;
        if version >= 1 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i8(self.resource_type);
        output.string(&self.resource_name, version >= 1)?;
        output.array(&self.configs, version >= 1, |output, item| item.encode(output, version))?;
        if version >= 1 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The configurations.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterableConfig {
    /// The configuration key name.
    pub name: Str,
    /// The type (Set, Delete, Append, Subtract) of operation.
    pub config_operation: i8,
    /// The value to set for the configuration key.
    pub value: Option<Str>,
}

impl Default for AlterableConfig {
    fn default() -> Self {
        Self { name: Str::default(), config_operation: 0, value: Some(Str::default()) }
    }
}

impl AlterableConfig {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.string("name", version >= 1)?;
        value.config_operation = input.i8("config_operation")?;
        value.value = input.nullable_string("value", version >= 1)?;
        if version >= 1 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.string(&self.name, version >= 1)?;
        output.i8(self.config_operation);
        output.nullable_string(self.value.as_ref(), version >= 1)?;
        if version >= 1 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
