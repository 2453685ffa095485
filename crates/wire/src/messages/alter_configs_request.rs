//! `AlterConfigsRequest` v0–2, flexible from v2. Generated from Kafka's `AlterConfigsRequest.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `AlterConfigsRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterConfigsRequest {
    /// The updates for each resource.
    pub resources: Vec<AlterConfigsResource>,
    /// True if we should validate the request, but not change the configurations.
    pub validate_only: bool,
}

impl Message for AlterConfigsRequest {
    const NAME: &'static str = "AlterConfigsRequest";
    const API_KEY: Option<i16> = Some(33);
    const VERSIONS: (i16, i16) = (0, 2);
    const FLEXIBLE_FROM: i16 = 2;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 2;
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
        let flexible = version >= 2;
        output.array("resources", &self.resources, flexible, |output, item| item.encode(output, version))?;
        output.bool(self.validate_only);
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The updates for each resource.
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
        let flexible = version >= 2;
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
        let flexible = version >= 2;
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
        let flexible = version >= 2;
        let mut value = Self::default();
        value.name = input.string("name", flexible)?;
        value.value = input.nullable_string("value", flexible)?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        output.string("name", &self.name, flexible)?;
        output.nullable_string("value", self.value.as_ref(), flexible)?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for AlterConfigsRequest {
    type Response = super::alter_configs_response::AlterConfigsResponse;
}
