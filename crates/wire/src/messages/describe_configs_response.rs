//! `DescribeConfigsResponse` v1–4, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;

/// `DescribeConfigsResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeConfigsResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// The results for each resource.
    pub results: Vec<DescribeConfigsResult>,
}

impl Default for DescribeConfigsResponse {
    fn default() -> Self {
        Self { throttle_time_ms: 0, results: Vec::new() }
    }
}

impl Message for DescribeConfigsResponse {
    const NAME: &'static str = "DescribeConfigsResponse";
    const API_KEY: Option<i16> = Some(32);
    const VERSIONS: (i16, i16) = (1, 4);
    const FLEXIBLE_FROM: i16 = 4;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttle_time_ms")?;
        value.results =
            input.array("results", version >= 4, |input| DescribeConfigsResult::decode(input, version))?;
        if version >= 4 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.throttle_time_ms);
        output.array(&self.results, version >= 4, |output, item| item.encode(output, version))?;
        if version >= 4 {
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
        let mut value = Self::default();
        value.error_code = input.i16("error_code")?;
        value.error_message = input.nullable_string("error_message", version >= 4)?;
        value.resource_type = input.i8("resource_type")?;
        value.resource_name = input.string("resource_name", version >= 4)?;
        value.configs = input
            .array("configs", version >= 4, |input| DescribeConfigsResourceResult::decode(input, version))?;
        if version >= 4 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i16(self.error_code);
        output.nullable_string(self.error_message.as_ref(), version >= 4)?;
        output.i8(self.resource_type);
        output.string(&self.resource_name, version >= 4)?;
        output.array(&self.configs, version >= 4, |output, item| item.encode(output, version))?;
        if version >= 4 {
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
    /// The configuration data type. Type can be one of the following values - BOOLEAN, STRING, INT, SHORT, LONG, DOUBLE, LIST, CLASS, PASSWORD. (v3+)
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
        let mut value = Self::default();
        value.name = input.string("name", version >= 4)?;
        value.value = input.nullable_string("value", version >= 4)?;
        value.read_only = input.bool("read_only")?;
        value.config_source = input.i8("config_source")?;
        value.is_sensitive = input.bool("is_sensitive")?;
        value.synonyms =
            input.array("synonyms", version >= 4, |input| DescribeConfigsSynonym::decode(input, version))?;
        if version >= 3 {
            value.config_type = input.i8("config_type")?;
        }
        if version >= 3 {
            value.documentation = input.nullable_string("documentation", version >= 4)?;
        }
        if version >= 4 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.string(&self.name, version >= 4)?;
        output.nullable_string(self.value.as_ref(), version >= 4)?;
        output.bool(self.read_only);
        output.i8(self.config_source);
        output.bool(self.is_sensitive);
        output.array(&self.synonyms, version >= 4, |output, item| item.encode(output, version))?;
        if version >= 3 {
            output.i8(self.config_type);
        }
        if version >= 3 {
            output.nullable_string(self.documentation.as_ref(), version >= 4)?;
        }
        if version >= 4 {
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
        let mut value = Self::default();
        value.name = input.string("name", version >= 4)?;
        value.value = input.nullable_string("value", version >= 4)?;
        value.source = input.i8("source")?;
        if version >= 4 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.string(&self.name, version >= 4)?;
        output.nullable_string(self.value.as_ref(), version >= 4)?;
        output.i8(self.source);
        if version >= 4 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
