//! `SyncGroupRequest` v0–5, flexible from v4. Generated from Kafka's `SyncGroupRequest.json` by `cargo
//! xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;
use bytes::Bytes;

/// `SyncGroupRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SyncGroupRequest {
    /// The unique group identifier.
    pub group_id: Str,
    /// The generation of the group.
    pub generation_id: i32,
    /// The member ID assigned by the group.
    pub member_id: Str,
    /// The unique identifier of the consumer instance provided by end user. (v3+)
    pub group_instance_id: Option<Str>,
    /// The group protocol type. (v5+)
    pub protocol_type: Option<Str>,
    /// The group protocol name. (v5+)
    pub protocol_name: Option<Str>,
    /// Each assignment.
    pub assignments: Vec<SyncGroupRequestAssignment>,
}

impl Message for SyncGroupRequest {
    const NAME: &'static str = "SyncGroupRequest";
    const API_KEY: Option<i16> = Some(14);
    const VERSIONS: (i16, i16) = (0, 5);
    const FLEXIBLE_FROM: i16 = 4;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 4;
        let mut value = Self::default();
        value.group_id = input.string("groupId", flexible)?;
        value.generation_id = input.i32("generationId")?;
        value.member_id = input.string("memberId", flexible)?;
        if version >= 3 {
            value.group_instance_id = input.nullable_string("groupInstanceId", flexible)?;
        }
        if version >= 5 {
            value.protocol_type = input.nullable_string("protocolType", flexible)?;
        }
        if version >= 5 {
            value.protocol_name = input.nullable_string("protocolName", flexible)?;
        }
        value.assignments = input
            .array("assignments", flexible, |input| SyncGroupRequestAssignment::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 4;
        output.string("groupId", &self.group_id, flexible)?;
        output.i32(self.generation_id);
        output.string("memberId", &self.member_id, flexible)?;
        if version >= 3 {
            output.nullable_string("groupInstanceId", self.group_instance_id.as_ref(), flexible)?;
        } else if self.group_instance_id.is_some() {
            return Err(EncodeError::NotInVersion { field: "groupInstanceId", version });
        }
        if version >= 5 {
            output.nullable_string("protocolType", self.protocol_type.as_ref(), flexible)?;
        }
        if version >= 5 {
            output.nullable_string("protocolName", self.protocol_name.as_ref(), flexible)?;
        }
        output
            .array("assignments", &self.assignments, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each assignment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SyncGroupRequestAssignment {
    /// The ID of the member to assign.
    pub member_id: Str,
    /// The member assignment.
    pub assignment: Bytes,
}

impl SyncGroupRequestAssignment {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        let mut value = Self::default();
        value.member_id = input.string("memberId", flexible)?;
        value.assignment = input.bytes("assignment", flexible)?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        output.string("memberId", &self.member_id, flexible)?;
        output.bytes("assignment", &self.assignment, flexible)?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for SyncGroupRequest {
    type Response = super::sync_group_response::SyncGroupResponse;
}
