//! `DeleteGroupsResponse` v0–3, flexible from v2. Generated from Kafka's `DeleteGroupsResponse.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::str::Str;

/// `DeleteGroupsResponse`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteGroupsResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// The deletion results.
    pub results: Vec<DeletableGroupResult>,
}

impl Message for DeleteGroupsResponse {
    const NAME: &'static str = "DeleteGroupsResponse";
    const API_KEY: Option<i16> = Some(42);
    const VERSIONS: (i16, i16) = (0, 3);
    const FLEXIBLE_FROM: i16 = 2;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 2;
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttleTimeMs")?;
        value.results =
            input.array("results", flexible, |input| DeletableGroupResult::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 2;
        output.i32(self.throttle_time_ms);
        output.array("results", &self.results, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The deletion results.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeletableGroupResult {
    /// The group id.
    pub group_id: Str,
    /// The deletion error, or 0 if the deletion succeeded.
    pub error_code: i16,
    /// The error message, or null if there was no error. (v3+)
    pub error_message: Option<Str>,
}

impl DeletableGroupResult {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 2;
        let mut value = Self::default();
        value.group_id = input.string("groupId", flexible)?;
        value.error_code = input.i16("errorCode")?;
        if version >= 3 {
            value.error_message = input.nullable_string("errorMessage", flexible)?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 2;
        output.string("groupId", &self.group_id, flexible)?;
        output.error_code(self.error_code);
        if version >= 3 {
            output.nullable_string("errorMessage", self.error_message.as_ref(), flexible)?;
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
