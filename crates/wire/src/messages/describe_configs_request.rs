//! `DescribeConfigsRequest` v1–4, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;

/// `DescribeConfigsRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeConfigsRequest {
    /// The resources whose configurations we want to describe.
    pub resources: Vec<DescribeConfigsResource>,
    /// True if we should include all synonyms.
    pub include_synonyms: bool,
    /// True if we should include configuration documentation. (v3+)
    pub include_documentation: bool,
}

impl Default for DescribeConfigsRequest {
    fn default() -> Self {
        Self { resources: Vec::new(), include_synonyms: false, include_documentation: false }
    }
}

impl Message for DescribeConfigsRequest {
    const NAME: &'static str = "DescribeConfigsRequest";
    const API_KEY: Option<i16> = Some(32);
    const VERSIONS: (i16, i16) = (1, 4);
    const FLEXIBLE_FROM: i16 = 4;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.resources = input
            .array("resources", version >= 4, |input| DescribeConfigsResource::decode(input, version))?;
        value.include_synonyms = input.bool("include_synonyms")?;
        if version >= 3 {
            value.include_documentation = input.bool("include_documentation")?;
        }
        if version >= 4 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.array(&self.resources, version >= 4, |output, item| item.encode(output, version))?;
        output.bool(self.include_synonyms);
        if version >= 3 {
            output.bool(self.include_documentation);
        } else if self.include_documentation {
            return Err(EncodeError::NotInVersion { field: "include_documentation", version });
        }
        if version >= 4 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The resources whose configurations we want to describe.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeConfigsResource {
    /// The resource type.
    pub resource_type: i8,
    /// The resource name.
    pub resource_name: Str,
    /// The configuration keys to list, or null to list all configuration keys.
    pub configuration_keys: Option<Vec<Str>>,
}

impl Default for DescribeConfigsResource {
    fn default() -> Self {
        Self { resource_type: 0, resource_name: Str::default(), configuration_keys: Some(Vec::new()) }
    }
}

impl DescribeConfigsResource {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.resource_type = input.i8("resource_type")?;
        value.resource_name = input.string("resource_name", version >= 4)?;
        value.configuration_keys = input.nullable_array("configuration_keys", version >= 4, |input| {
            input.string("configuration_keys", version >= 4)
        })?;
        if version >= 4 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i8(self.resource_type);
        output.string(&self.resource_name, version >= 4)?;
        output.nullable_array(self.configuration_keys.as_deref(), version >= 4, |output, item| {
            output.string(item, version >= 4)
        })?;
        if version >= 4 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
