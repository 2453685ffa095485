//! `ListGroupsResponse` v0–5, flexible from v3. Generated from Kafka's `ListGroupsResponse.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::str::Str;

/// `ListGroupsResponse`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListGroupsResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota. (v1+)
    pub throttle_time_ms: i32,
    /// The error code, or 0 if there was no error.
    pub error_code: i16,
    /// Each group in the response.
    pub groups: Vec<ListedGroup>,
}

impl Message for ListGroupsResponse {
    const NAME: &'static str = "ListGroupsResponse";
    const API_KEY: Option<i16> = Some(16);
    const VERSIONS: (i16, i16) = (0, 5);
    const FLEXIBLE_FROM: i16 = 3;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 3;
        let mut value = Self::default();
        if version >= 1 {
            value.throttle_time_ms = input.i32("throttleTimeMs")?;
        }
        value.error_code = input.i16("errorCode")?;
        value.groups = input.array("groups", flexible, |input| ListedGroup::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 3;
        if version >= 1 {
            output.i32(self.throttle_time_ms);
        }
        output.error_code(self.error_code);
        output.array("groups", &self.groups, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each group in the response.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListedGroup {
    /// The group ID.
    pub group_id: Str,
    /// The group protocol type.
    pub protocol_type: Str,
    /// The group state name. (v4+)
    pub group_state: Str,
    /// The group type name. (v5+)
    pub group_type: Str,
}

impl ListedGroup {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 3;
        let mut value = Self::default();
        value.group_id = input.string("groupId", flexible)?;
        value.protocol_type = input.string("protocolType", flexible)?;
        if version >= 4 {
            value.group_state = input.string("groupState", flexible)?;
        }
        if version >= 5 {
            value.group_type = input.string("groupType", flexible)?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 3;
        output.string("groupId", &self.group_id, flexible)?;
        output.string("protocolType", &self.protocol_type, flexible)?;
        if version >= 4 {
            output.string("groupState", &self.group_state, flexible)?;
        }
        if version >= 5 {
            output.string("groupType", &self.group_type, flexible)?;
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
