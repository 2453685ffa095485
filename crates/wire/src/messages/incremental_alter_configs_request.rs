//! `IncrementalAlterConfigsRequest` v0–1, flexible from v1. Generated from Kafka's
//! `IncrementalAlterConfigsRequest.json` by `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `IncrementalAlterConfigsRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IncrementalAlterConfigsRequest {
    /// The incremental updates for each resource.
    pub resources: Vec<AlterConfigsResource>,
    /// True if we should validate the request, but not change the configurations.
    pub validate_only: bool,
}

impl Message for IncrementalAlterConfigsRequest {
    const NAME: &'static str = "IncrementalAlterConfigsRequest";
    const API_KEY: Option<i16> = Some(44);
    const VERSIONS: (i16, i16) = (0, 1);
    const FLEXIBLE_FROM: i16 = 1;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 1;
        let mut value = Self::default();
        value.resources =
            input.array("resources", flexible, |input| AlterConfigsResource::decode(input, version))?;
        value.validate_only = input.bool("validateOnly")?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 1;
        output.array("resources", &self.resources, flexible, |output, item| item.encode(output, version))?;
        output.bool(self.validate_only);
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The incremental updates for each resource.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterConfigsResource {
    /// The resource type.
    pub resource_type: i8,
    /// The resource name.
    pub resource_name: Str,
    /// The configurations.
    pub configs: Vec<AlterableConfig>,
}

impl AlterConfigsResource {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 1;
        let mut value = Self::default();
        value.resource_type = input.i8("resourceType")?;
        value.resource_name = input.string("resourceName", flexible)?;
        value.configs = input.array("configs", flexible, |input| AlterableConfig::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        output.i8(self.resource_type);
        output.string("resourceName", &self.resource_name, flexible)?;
        output.array("configs", &self.configs, flexible, |output, item| item.encode(output, version))?;
        if flexible {
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
        let flexible = version >= 1;
        let mut value = Self::default();
        value.name = input.string("name", flexible)?;
        value.config_operation = input.i8("configOperation")?;
        value.value = input.nullable_string("value", flexible)?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 1;
        output.string("name", &self.name, flexible)?;
        output.i8(self.config_operation);
        output.nullable_string("value", self.value.as_ref(), flexible)?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for IncrementalAlterConfigsRequest {
    type Response = super::incremental_alter_configs_response::IncrementalAlterConfigsResponse;
}
