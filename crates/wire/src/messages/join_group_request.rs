//! `JoinGroupRequest` v0–9, flexible from v6. Generated from Kafka's `JoinGroupRequest.json` by `cargo
//! xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;
use bytes::Bytes;

/// `JoinGroupRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinGroupRequest {
    /// The group identifier.
    pub group_id: Str,
    /// The coordinator considers the consumer dead if it receives no heartbeat after this timeout in
    /// milliseconds.
    pub session_timeout_ms: i32,
    /// The maximum time in milliseconds that the coordinator will wait for each member to rejoin when
    /// rebalancing the group. (v1+)
    pub rebalance_timeout_ms: i32,
    /// The member id assigned by the group coordinator.
    pub member_id: Str,
    /// The unique identifier of the consumer instance provided by end user. (v5+)
    pub group_instance_id: Option<Str>,
    /// The unique name the for class of protocols implemented by the group we want to join.
    pub protocol_type: Str,
    /// The list of protocols that the member supports.
    pub protocols: Vec<JoinGroupRequestProtocol>,
    /// The reason why the member (re-)joins the group. (v8+)
    pub reason: Option<Str>,
}

impl Default for JoinGroupRequest {
    fn default() -> Self {
        Self {
            group_id: Str::default(),
            session_timeout_ms: 0,
            rebalance_timeout_ms: -1,
            member_id: Str::default(),
            group_instance_id: None,
            protocol_type: Str::default(),
            protocols: Vec::new(),
            reason: None,
        }
    }
}

impl Message for JoinGroupRequest {
    const NAME: &'static str = "JoinGroupRequest";
    const API_KEY: Option<i16> = Some(11);
    const VERSIONS: (i16, i16) = (0, 9);
    const FLEXIBLE_FROM: i16 = 6;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 6;
        let mut value = Self::default();
        value.group_id = input.string("groupId", flexible)?;
        value.session_timeout_ms = input.i32("sessionTimeoutMs")?;
        if version >= 1 {
            value.rebalance_timeout_ms = input.i32("rebalanceTimeoutMs")?;
        }
        value.member_id = input.string("memberId", flexible)?;
        if version >= 5 {
            value.group_instance_id = input.nullable_string("groupInstanceId", flexible)?;
        }
        value.protocol_type = input.string("protocolType", flexible)?;
        value.protocols =
            input.array("protocols", flexible, |input| JoinGroupRequestProtocol::decode(input, version))?;
        if version >= 8 {
            value.reason = input.nullable_string("reason", flexible)?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 6;
        output.string("groupId", &self.group_id, flexible)?;
        output.i32(self.session_timeout_ms);
        if version >= 1 {
            output.i32(self.rebalance_timeout_ms);
        }
        output.string("memberId", &self.member_id, flexible)?;
        if version >= 5 {
            output.nullable_string("groupInstanceId", self.group_instance_id.as_ref(), flexible)?;
        } else if self.group_instance_id.is_some() {
            return Err(EncodeError::NotInVersion { field: "groupInstanceId", version });
        }
        output.string("protocolType", &self.protocol_type, flexible)?;
        output.array("protocols", &self.protocols, flexible, |output, item| item.encode(output, version))?;
        if version >= 8 {
            output.nullable_string("reason", self.reason.as_ref(), flexible)?;
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The list of protocols that the member supports.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JoinGroupRequestProtocol {
    /// The protocol name.
    pub name: Str,
    /// The protocol metadata.
    pub metadata: Bytes,
}

impl JoinGroupRequestProtocol {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 6;
        let mut value = Self::default();
        value.name = input.string("name", flexible)?;
        value.metadata = input.bytes("metadata", flexible)?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 6;
        output.string("name", &self.name, flexible)?;
        output.bytes("metadata", &self.metadata, flexible)?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for JoinGroupRequest {
    type Response = super::join_group_response::JoinGroupResponse;
}
