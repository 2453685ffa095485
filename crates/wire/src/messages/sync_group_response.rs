//! `SyncGroupResponse` v0–5, flexible from v4. Generated from Kafka's `SyncGroupResponse.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::str::Str;
use bytes::Bytes;

/// `SyncGroupResponse`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SyncGroupResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota. (v1+)
    pub throttle_time_ms: i32,
    /// The error code, or 0 if there was no error.
    pub error_code: i16,
    /// The group protocol type. (v5+)
    pub protocol_type: Option<Str>,
    /// The group protocol name. (v5+)
    pub protocol_name: Option<Str>,
    /// The member assignment.
    pub assignment: Bytes,
}

impl Message for SyncGroupResponse {
    const NAME: &'static str = "SyncGroupResponse";
    const API_KEY: Option<i16> = Some(14);
    const VERSIONS: (i16, i16) = (0, 5);
    const FLEXIBLE_FROM: i16 = 4;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 4;
        let mut value = Self::default();
        if version >= 1 {
            value.throttle_time_ms = input.i32("throttleTimeMs")?;
        }
        value.error_code = input.i16("errorCode")?;
        if version >= 5 {
            value.protocol_type = input.nullable_string("protocolType", flexible)?;
        }
        if version >= 5 {
            value.protocol_name = input.nullable_string("protocolName", flexible)?;
        }
        value.assignment = input.bytes("assignment", flexible)?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 4;
        if version >= 1 {
            output.i32(self.throttle_time_ms);
        }
        output.error_code(self.error_code);
        if version >= 5 {
            output.nullable_string("protocolType", self.protocol_type.as_ref(), flexible)?;
        }
        if version >= 5 {
            output.nullable_string("protocolName", self.protocol_name.as_ref(), flexible)?;
        }
        output.bytes("assignment", &self.assignment, flexible)?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
