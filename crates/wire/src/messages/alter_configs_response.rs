//! `AlterConfigsResponse` v0–2, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;

/// `AlterConfigsResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterConfigsResponse {
    /// Duration in milliseconds for which the request was throttled due to a quota violation, or zero if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// The responses for each resource.
    pub responses: Vec<AlterConfigsResourceResponse>,
}

impl Default for AlterConfigsResponse {
    fn default() -> Self {
        Self { throttle_time_ms: 0, responses: Vec::new() }
    }
}

impl Message for AlterConfigsResponse {
    const NAME: &'static str = "AlterConfigsResponse";
    const API_KEY: Option<i16> = Some(33);
    const VERSIONS: (i16, i16) = (0, 2);
    const FLEXIBLE_FROM: i16 = 2;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttle_time_ms")?;
        value.responses = input
            .array("responses", version >= 2, |input| AlterConfigsResourceResponse::decode(input, version))?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.throttle_time_ms);
        output.array(&self.responses, version >= 2, |output, item| item.encode(output, version))?;
        if version >= 2 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The responses for each resource.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterConfigsResourceResponse {
    /// The resource error code.
    pub error_code: i16,
    /// The resource error message, or null if there was no error.
    pub error_message: Option<Str>,
    /// The resource type.
    pub resource_type: i8,
    /// The resource name.
    pub resource_name: Str,
}

impl Default for AlterConfigsResourceResponse {
    fn default() -> Self {
        Self {
            error_code: 0,
            error_message: Some(Str::default()),
            resource_type: 0,
            resource_name: Str::default(),
        }
    }
}

impl AlterConfigsResourceResponse {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.error_code = input.i16("error_code")?;
        value.error_message = input.nullable_string("error_message", version >= 2)?;
        value.resource_type = input.i8("resource_type")?;
        value.resource_name = input.string("resource_name", version >= 2)?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i16(self.error_code);
        output.nullable_string(self.error_message.as_ref(), version >= 2)?;
        output.i8(self.resource_type);
        output.string(&self.resource_name, version >= 2)?;
        if version >= 2 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
