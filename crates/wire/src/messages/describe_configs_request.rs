//! `DescribeConfigsRequest` v1–4, flexible from v4. Generated from Kafka's
//! `DescribeConfigsRequest.json` by `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `DescribeConfigsRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeConfigsRequest {
    /// The resources whose configurations we want to describe.
    pub resources: Vec<DescribeConfigsResource>,
    /// True if we should include all synonyms.
    pub include_synonyms: bool,
    /// True if we should include configuration documentation. (v3+)
    pub include_documentation: bool,
}

impl Message for DescribeConfigsRequest {
    const NAME: &'static str = "DescribeConfigsRequest";
    const API_KEY: Option<i16> = Some(32);
    const VERSIONS: (i16, i16) = (1, 4);
    const FLEXIBLE_FROM: i16 = 4;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 4;
        let mut value = Self::default();
        value.resources =
            input.array("resources", flexible, |input| DescribeConfigsResource::decode(input, version))?;
        value.include_synonyms = input.bool("includeSynonyms")?;
        if version >= 3 {
            value.include_documentation = input.bool("includeDocumentation")?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 4;
        output.array("resources", &self.resources, flexible, |output, item| item.encode(output, version))?;
        output.bool(self.include_synonyms);
        if version >= 3 {
            output.bool(self.include_documentation);
        } else if self.include_documentation {
            return Err(EncodeError::NotInVersion { field: "includeDocumentation", version });
        }
        if flexible {
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
        let flexible = version >= 4;
        let mut value = Self::default();
        value.resource_type = input.i8("resourceType")?;
        value.resource_name = input.string("resourceName", flexible)?;
        value.configuration_keys = input.nullable_array("configurationKeys", flexible, |input| {
            input.string("configurationKeys", flexible)
        })?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        output.i8(self.resource_type);
        output.string("resourceName", &self.resource_name, flexible)?;
        output.nullable_array(
            "configurationKeys",
            self.configuration_keys.as_deref(),
            flexible,
            |output, item| output.string("configurationKeys", item, flexible),
        )?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for DescribeConfigsRequest {
    type Response = super::describe_configs_response::DescribeConfigsResponse;
}
