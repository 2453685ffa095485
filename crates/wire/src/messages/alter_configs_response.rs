//! `AlterConfigsResponse` v0–2, flexible from v2. Generated from Kafka's `AlterConfigsResponse.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::str::Str;

/// `AlterConfigsResponse`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlterConfigsResponse {
    /// Duration in milliseconds for which the request was throttled due to a quota violation, or zero if
    /// the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// The responses for each resource.
    pub responses: Vec<AlterConfigsResourceResponse>,
}

impl Message for AlterConfigsResponse {
    const NAME: &'static str = "AlterConfigsResponse";
    const API_KEY: Option<i16> = Some(33);
    const VERSIONS: (i16, i16) = (0, 2);
    const FLEXIBLE_FROM: i16 = 2;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 2;
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttleTimeMs")?;
        value.responses = input
            .array("responses", flexible, |input| AlterConfigsResourceResponse::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 2;
        output.i32(self.throttle_time_ms);
        output.array("responses", &self.responses, flexible, |output, item| item.encode(output, version))?;
        if flexible {
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
        let flexible = version >= 2;
        let mut value = Self::default();
        value.error_code = input.i16("errorCode")?;
        value.error_message = input.nullable_string("errorMessage", flexible)?;
        value.resource_type = input.i8("resourceType")?;
        value.resource_name = input.string("resourceName", flexible)?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        output.error_code(self.error_code);
        output.nullable_string("errorMessage", self.error_message.as_ref(), flexible)?;
        output.i8(self.resource_type);
        output.string("resourceName", &self.resource_name, flexible)?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
