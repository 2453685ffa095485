//! `LeaveGroupRequest` v0–5, flexible from v4. Generated from Kafka's `LeaveGroupRequest.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `LeaveGroupRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeaveGroupRequest {
    /// The ID of the group to leave.
    pub group_id: Str,
    /// The member ID to remove from the group. (v0–2)
    pub member_id: Str,
    /// List of leaving member identities. (v3+)
    pub members: Vec<MemberIdentity>,
}

impl Message for LeaveGroupRequest {
    const NAME: &'static str = "LeaveGroupRequest";
    const API_KEY: Option<i16> = Some(13);
    const VERSIONS: (i16, i16) = (0, 5);
    const FLEXIBLE_FROM: i16 = 4;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 4;
        let mut value = Self::default();
        value.group_id = input.string("groupId", flexible)?;
        if version <= 2 {
            value.member_id = input.string("memberId", flexible)?;
        }
        if version >= 3 {
            value.members =
                input.array("members", flexible, |input| MemberIdentity::decode(input, version))?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 4;
        output.string("groupId", &self.group_id, flexible)?;
        if version <= 2 {
            output.string("memberId", &self.member_id, flexible)?;
        } else if !self.member_id.is_empty() {
            return Err(EncodeError::NotInVersion { field: "memberId", version });
        }
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

/// List of leaving member identities.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemberIdentity {
    /// The member ID to remove from the group. (v3+)
    pub member_id: Str,
    /// The group instance ID to remove from the group. (v3+)
    pub group_instance_id: Option<Str>,
    /// The reason why the member left the group. (v5+)
    pub reason: Option<Str>,
}

impl MemberIdentity {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        let mut value = Self::default();
        value.member_id = input.string("memberId", flexible)?;
        value.group_instance_id = input.nullable_string("groupInstanceId", flexible)?;
        if version >= 5 {
            value.reason = input.nullable_string("reason", flexible)?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        output.string("memberId", &self.member_id, flexible)?;
        output.nullable_string("groupInstanceId", self.group_instance_id.as_ref(), flexible)?;
        if version >= 5 {
            output.nullable_string("reason", self.reason.as_ref(), flexible)?;
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for LeaveGroupRequest {
    type Response = super::leave_group_response::LeaveGroupResponse;
}
