//! `LeaveGroupResponse` v0–5, flexible from v4. Generated from Kafka's `LeaveGroupResponse.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::str::Str;

/// `LeaveGroupResponse`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeaveGroupResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota. (v1+)
    pub throttle_time_ms: i32,
    /// The error code, or 0 if there was no error.
    pub error_code: i16,
    /// List of leaving member responses. (v3+)
    pub members: Vec<MemberResponse>,
}

impl Message for LeaveGroupResponse {
    const NAME: &'static str = "LeaveGroupResponse";
    const API_KEY: Option<i16> = Some(13);
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
        if version >= 3 {
            value.members =
                input.array("members", flexible, |input| MemberResponse::decode(input, version))?;
        }
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
        if version >= 3 {
            output.array("members", &self.members, flexible, |output, item| item.encode(output, version))?;
        } else if !self.members.is_empty() {
            return Err(EncodeError::NotInVersion { field: "members", version });
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// List of leaving member responses.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberResponse {
    /// The member ID to remove from the group. (v3+)
    pub member_id: Str,
    /// The group instance ID to remove from the group. (v3+)
    pub group_instance_id: Option<Str>,
    /// The error code, or 0 if there was no error. (v3+)
    pub error_code: i16,
}

impl Default for MemberResponse {
    fn default() -> Self {
        Self { member_id: Str::default(), group_instance_id: Some(Str::default()), error_code: 0 }
    }
}

impl MemberResponse {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        let mut value = Self::default();
        value.member_id = input.string("memberId", flexible)?;
        value.group_instance_id = input.nullable_string("groupInstanceId", flexible)?;
        value.error_code = input.i16("errorCode")?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        output.string("memberId", &self.member_id, flexible)?;
        output.nullable_string("groupInstanceId", self.group_instance_id.as_ref(), flexible)?;
        output.error_code(self.error_code);
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
