//! `DescribeGroupsResponse` v0–6, flexible from v5. Generated from Kafka's
//! `DescribeGroupsResponse.json` by `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::str::Str;
use bytes::Bytes;

/// `DescribeGroupsResponse`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeGroupsResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota. (v1+)
    pub throttle_time_ms: i32,
    /// Each described group.
    pub groups: Vec<DescribedGroup>,
}

impl Message for DescribeGroupsResponse {
    const NAME: &'static str = "DescribeGroupsResponse";
    const API_KEY: Option<i16> = Some(15);
    const VERSIONS: (i16, i16) = (0, 6);
    const FLEXIBLE_FROM: i16 = 5;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 5;
        let mut value = Self::default();
        if version >= 1 {
            value.throttle_time_ms = input.i32("throttleTimeMs")?;
        }
        value.groups = input.array("groups", flexible, |input| DescribedGroup::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 5;
        if version >= 1 {
            output.i32(self.throttle_time_ms);
        }
        output.array("groups", &self.groups, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each described group.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribedGroup {
    /// The describe error, or 0 if there was no error.
    pub error_code: i16,
    /// The describe error message, or null if there was no error. (v6+)
    pub error_message: Option<Str>,
    /// The group ID string.
    pub group_id: Str,
    /// The group state string, or the empty string.
    pub group_state: Str,
    /// The group protocol type, or the empty string.
    pub protocol_type: Str,
    /// The group protocol data, or the empty string.
    pub protocol_data: Str,
    /// The group members.
    pub members: Vec<DescribedGroupMember>,
    /// 32-bit bitfield to represent authorized operations for this group. (v3+)
    pub authorized_operations: i32,
}

impl Default for DescribedGroup {
    fn default() -> Self {
        Self {
            error_code: 0,
            error_message: None,
            group_id: Str::default(),
            group_state: Str::default(),
            protocol_type: Str::default(),
            protocol_data: Str::default(),
            members: Vec::new(),
            authorized_operations: i32::MIN,
        }
    }
}

impl DescribedGroup {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        let mut value = Self::default();
        value.error_code = input.i16("errorCode")?;
        if version >= 6 {
            value.error_message = input.nullable_string("errorMessage", flexible)?;
        }
        value.group_id = input.string("groupId", flexible)?;
        value.group_state = input.string("groupState", flexible)?;
        value.protocol_type = input.string("protocolType", flexible)?;
        value.protocol_data = input.string("protocolData", flexible)?;
        value.members =
            input.array("members", flexible, |input| DescribedGroupMember::decode(input, version))?;
        if version >= 3 {
            value.authorized_operations = input.i32("authorizedOperations")?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        output.error_code(self.error_code);
        if version >= 6 {
            output.nullable_string("errorMessage", self.error_message.as_ref(), flexible)?;
        } else if self.error_message.is_some() {
            return Err(EncodeError::NotInVersion { field: "errorMessage", version });
        }
        output.string("groupId", &self.group_id, flexible)?;
        output.string("groupState", &self.group_state, flexible)?;
        output.string("protocolType", &self.protocol_type, flexible)?;
        output.string("protocolData", &self.protocol_data, flexible)?;
        output.array("members", &self.members, flexible, |output, item| item.encode(output, version))?;
        if version >= 3 {
            output.i32(self.authorized_operations);
        } else if self.authorized_operations != i32::MIN {
            return Err(EncodeError::NotInVersion { field: "authorizedOperations", version });
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The group members.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribedGroupMember {
    /// The member id.
    pub member_id: Str,
    /// The unique identifier of the consumer instance provided by end user. (v4+)
    pub group_instance_id: Option<Str>,
    /// The client ID used in the member's latest join group request.
    pub client_id: Str,
    /// The client host.
    pub client_host: Str,
    /// The metadata corresponding to the current group protocol in use.
    pub member_metadata: Bytes,
    /// The current assignment provided by the group leader.
    pub member_assignment: Bytes,
}

impl DescribedGroupMember {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 5;
        let mut value = Self::default();
        value.member_id = input.string("memberId", flexible)?;
        if version >= 4 {
            value.group_instance_id = input.nullable_string("groupInstanceId", flexible)?;
        }
        value.client_id = input.string("clientId", flexible)?;
        value.client_host = input.string("clientHost", flexible)?;
        value.member_metadata = input.bytes("memberMetadata", flexible)?;
        value.member_assignment = input.bytes("memberAssignment", flexible)?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 5;
        output.string("memberId", &self.member_id, flexible)?;
        if version >= 4 {
            output.nullable_string("groupInstanceId", self.group_instance_id.as_ref(), flexible)?;
        }
        output.string("clientId", &self.client_id, flexible)?;
        output.string("clientHost", &self.client_host, flexible)?;
        output.bytes("memberMetadata", &self.member_metadata, flexible)?;
        output.bytes("memberAssignment", &self.member_assignment, flexible)?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
