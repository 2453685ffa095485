//! `JoinGroupResponse` v0–9, flexible from v6. Generated from Kafka's `JoinGroupResponse.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::encode::present;
use crate::message::Message;
use crate::str::Str;
use bytes::Bytes;

/// `JoinGroupResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinGroupResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota. (v2+)
    pub throttle_time_ms: i32,
    /// The error code, or 0 if there was no error.
    pub error_code: i16,
    /// The generation ID of the group.
    pub generation_id: i32,
    /// The group protocol name. (v7+)
    pub protocol_type: Option<Str>,
    /// The group protocol selected by the coordinator.
    pub protocol_name: Option<Str>,
    /// The leader of the group.
    pub leader: Str,
    /// True if the leader must skip running the assignment. (v9+)
    pub skip_assignment: bool,
    /// The member ID assigned by the group coordinator.
    pub member_id: Str,
    /// The group members.
    pub members: Vec<JoinGroupResponseMember>,
}

impl Default for JoinGroupResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            generation_id: -1,
            protocol_type: None,
            protocol_name: Some(Str::default()),
            leader: Str::default(),
            skip_assignment: false,
            member_id: Str::default(),
            members: Vec::new(),
        }
    }
}

impl Message for JoinGroupResponse {
    const NAME: &'static str = "JoinGroupResponse";
    const API_KEY: Option<i16> = Some(11);
    const VERSIONS: (i16, i16) = (0, 9);
    const FLEXIBLE_FROM: i16 = 6;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 6;
        let mut value = Self::default();
        if version >= 2 {
            value.throttle_time_ms = input.i32("throttleTimeMs")?;
        }
        value.error_code = input.i16("errorCode")?;
        value.generation_id = input.i32("generationId")?;
        if version >= 7 {
            value.protocol_type = input.nullable_string("protocolType", flexible)?;
        }
        value.protocol_name = if version >= 7 {
            input.nullable_string("protocolName", flexible)?
        } else {
            Some(input.string("protocolName", flexible)?)
        };
        value.leader = input.string("leader", flexible)?;
        if version >= 9 {
            value.skip_assignment = input.bool("skipAssignment")?;
        }
        value.member_id = input.string("memberId", flexible)?;
        value.members =
            input.array("members", flexible, |input| JoinGroupResponseMember::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 6;
        if version >= 2 {
            output.i32(self.throttle_time_ms);
        }
        output.error_code(self.error_code);
        output.i32(self.generation_id);
        if version >= 7 {
            output.nullable_string("protocolType", self.protocol_type.as_ref(), flexible)?;
        }
        if version >= 7 {
            output.nullable_string("protocolName", self.protocol_name.as_ref(), flexible)?;
        } else {
            output.string("protocolName", present("protocolName", self.protocol_name.as_ref())?, flexible)?;
        }
        output.string("leader", &self.leader, flexible)?;
        if version >= 9 {
            output.bool(self.skip_assignment);
        } else if self.skip_assignment {
            return Err(EncodeError::NotInVersion { field: "skipAssignment", version });
        }
        output.string("memberId", &self.member_id, flexible)?;
        output.array("members", &self.members, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The group members.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JoinGroupResponseMember {
    /// The group member ID.
    pub member_id: Str,
    /// The unique identifier of the consumer instance provided by end user. (v5+)
    pub group_instance_id: Option<Str>,
    /// The group member metadata.
    pub metadata: Bytes,
}

impl JoinGroupResponseMember {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        let mut value = Self::default();
        value.member_id = input.string("memberId", flexible)?;
        if version >= 5 {
            value.group_instance_id = input.nullable_string("groupInstanceId", flexible)?;
        }
        value.metadata = input.bytes("metadata", flexible)?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        output.string("memberId", &self.member_id, flexible)?;
        if version >= 5 {
            output.nullable_string("groupInstanceId", self.group_instance_id.as_ref(), flexible)?;
        }
        output.bytes("metadata", &self.metadata, flexible)?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
