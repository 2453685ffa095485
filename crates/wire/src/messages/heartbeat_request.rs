//! `HeartbeatRequest` v0–4, flexible from v4. Generated from Kafka's `HeartbeatRequest.json` by `cargo
//! xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `HeartbeatRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HeartbeatRequest {
    /// The group id.
    pub group_id: Str,
    /// The generation of the group.
    pub generation_id: i32,
    /// The member ID.
    pub member_id: Str,
    /// The unique identifier of the consumer instance provided by end user. (v3+)
    pub group_instance_id: Option<Str>,
}

impl Message for HeartbeatRequest {
    const NAME: &'static str = "HeartbeatRequest";
    const API_KEY: Option<i16> = Some(12);
    const VERSIONS: (i16, i16) = (0, 4);
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
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for HeartbeatRequest {
    type Response = super::heartbeat_response::HeartbeatResponse;
}
