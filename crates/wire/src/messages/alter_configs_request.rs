//! `AlterConfigsRequest` v0–2, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;

/// `AlterConfigsRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterConfigsRequest {
    /// The updates for each resource.
    pub resources: Vec<AlterConfigsResource>,
    /// True if we should validate the request, but not change the configurations.
    pub validate_only: bool,
}

impl Default for AlterConfigsRequest {
    fn default() -> Self {
        Self { resources: Vec::new(), validate_only: false }
    }
}

impl Message for AlterConfigsRequest {
    const NAME: &'static str = "AlterConfigsRequest";
    const API_KEY: Option<i16> = Some(33);
    const VERSIONS: (i16, i16) = (0, 2);
    const FLEXIBLE_FROM: i16 = 2;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.resources =
            input.array("resources", version >= 2, |input| AlterConfigsResource::decode(input, version))?;
        value.validate_only = input.bool("validate_only")?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.array(&self.resources, version >= 2, |output, item| item.encode(output, version))?;
        output.bool(self.validate_only);
        if version >= 2 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The updates for each resource.
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
        value.resource_name = input.string("resource_name", version >= 2)?;
        value.configs =
            input.array("configs", version >= 2, |input| AlterableConfig::decode(input, version))?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i8(self.resource_type);
        output.string(&self.resource_name, version >= 2)?;
        output.array(&self.configs, version >= 2, |output, item| item.encode(output, version))?;
        if version >= 2 {
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
    /// The value to set for the configuration key.
    pub value: Option<Str>,
}

impl Default for AlterableConfig {
    fn default() -> Self {
        Self { name: Str::default(), value: Some(Str::default()) }
    }
}

impl AlterableConfig {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.string("name", version >= 2)?;
        value.value = input.nullable_string("value", version >= 2)?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.string(&self.name, version >= 2)?;
        output.nullable_string(self.value.as_ref(), version >= 2)?;
        if version >= 2 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
