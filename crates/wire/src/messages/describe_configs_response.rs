//! `DescribeConfigsResponse` v1–4, flexible from v4. Generated from Kafka's
//! `DescribeConfigsResponse.json` by `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::str::Str;

/// `DescribeConfigsResponse`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeConfigsResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// The results for each resource.
    pub results: Vec<DescribeConfigsResult>,
}

impl Message for DescribeConfigsResponse {
    const NAME: &'static str = "DescribeConfigsResponse";
    const API_KEY: Option<i16> = Some(32);
    const VERSIONS: (i16, i16) = (1, 4);
    const FLEXIBLE_FROM: i16 = 4;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 4;
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttleTimeMs")?;
        value.results =
            input.array("results", flexible, |input| DescribeConfigsResult::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 4;
        output.i32(self.throttle_time_ms);
        output.array("results", &self.results, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The results for each resource.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeConfigsResult {
    /// The error code, or 0 if we were able to successfully describe the configurations.
    pub error_code: i16,
    /// The error message, or null if we were able to successfully describe the configurations.
    pub error_message: Option<Str>,
    /// The resource type.
    pub resource_type: i8,
    /// The resource name.
    pub resource_name: Str,
    /// Each listed configuration.
    pub configs: Vec<DescribeConfigsResourceResult>,
}

impl Default for DescribeConfigsResult {
    fn default() -> Self {
        Self {
            error_code: 0,
            error_message: Some(Str::default()),
            resource_type: 0,
            resource_name: Str::default(),
            configs: Vec::new(),
        }
    }
}

impl DescribeConfigsResult {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        let mut value = Self::default();
        value.error_code = input.i16("errorCode")?;
        value.error_message = input.nullable_string("errorMessage", flexible)?;
        value.resource_type = input.i8("resourceType")?;
        value.resource_name = input.string("resourceName", flexible)?;
        value.configs = input
            .array("configs", flexible, |input| DescribeConfigsResourceResult::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        output.error_code(self.error_code);
        output.nullable_string("errorMessage", self.error_message.as_ref(), flexible)?;
        output.i8(self.resource_type);
        output.string("resourceName", &self.resource_name, flexible)?;
        output.array("configs", &self.configs, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each listed configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeConfigsResourceResult {
    /// The configuration name.
    pub name: Str,
    /// The configuration value.
    pub value: Option<Str>,
    /// True if the configuration is read-only.
    pub read_only: bool,
    /// The configuration source.
    pub config_source: i8,
    /// True if this configuration is sensitive.
    pub is_sensitive: bool,
    /// The synonyms for this configuration key.
    pub synonyms: Vec<DescribeConfigsSynonym>,
    /// The configuration data type. Type can be one of the following values - BOOLEAN, STRING, INT, SHORT,
    /// LONG, DOUBLE, LIST, CLASS, PASSWORD. (v3+)
    pub config_type: i8,
    /// The configuration documentation. (v3+)
    pub documentation: Option<Str>,
}

impl Default for DescribeConfigsResourceResult {
    fn default() -> Self {
        Self {
            name: Str::default(),
            value: Some(Str::default()),
            read_only: false,
            config_source: -1,
            is_sensitive: false,
            synonyms: Vec::new(),
            config_type: 0,
            documentation: Some(Str::default()),
        }
    }
}

impl DescribeConfigsResourceResult {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        let mut value = Self::default();
        value.name = input.string("name", flexible)?;
        value.value = input.nullable_string("value", flexible)?;
        value.read_only = input.bool("readOnly")?;
        value.config_source = input.i8("configSource")?;
        value.is_sensitive = input.bool("isSensitive")?;
        value.synonyms =
            input.array("synonyms", flexible, |input| DescribeConfigsSynonym::decode(input, version))?;
        if version >= 3 {
            value.config_type = input.i8("configType")?;
        }
        if version >= 3 {
            value.documentation = input.nullable_string("documentation", flexible)?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        output.string("name", &self.name, flexible)?;
        output.nullable_string("value", self.value.as_ref(), flexible)?;
        output.bool(self.read_only);
        output.i8(self.config_source);
        output.bool(self.is_sensitive);
        output.array("synonyms", &self.synonyms, flexible, |output, item| item.encode(output, version))?;
        if version >= 3 {
            output.i8(self.config_type);
        }
        if version >= 3 {
            output.nullable_string("documentation", self.documentation.as_ref(), flexible)?;
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The synonyms for this configuration key.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeConfigsSynonym {
    /// The synonym name.
    pub name: Str,
    /// The synonym value.
    pub value: Option<Str>,
    /// The synonym source.
    pub source: i8,
}

impl Default for DescribeConfigsSynonym {
    fn default() -> Self {
        Self { name: Str::default(), value: Some(Str::default()), source: 0 }
    }
}

impl DescribeConfigsSynonym {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        let mut value = Self::default();
        value.name = input.string("name", flexible)?;
        value.value = input.nullable_string("value", flexible)?;
        value.source = input.i8("source")?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        output.string("name", &self.name, flexible)?;
        output.nullable_string("value", self.value.as_ref(), flexible)?;
        output.i8(self.source);
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
