//! `ListGroupsRequest` v0–5, flexible from v3. Generated from Kafka's `ListGroupsRequest.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `ListGroupsRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListGroupsRequest {
    /// The states of the groups we want to list. If empty, all groups are returned with their state. (v4+)
    pub states_filter: Vec<Str>,
    /// The types of the groups we want to list. If empty, all groups are returned with their type. (v5+)
    pub types_filter: Vec<Str>,
}

impl Message for ListGroupsRequest {
    const NAME: &'static str = "ListGroupsRequest";
    const API_KEY: Option<i16> = Some(16);
    const VERSIONS: (i16, i16) = (0, 5);
    const FLEXIBLE_FROM: i16 = 3;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 3;
        let mut value = Self::default();
        if version >= 4 {
            value.states_filter =
                input.array("statesFilter", flexible, |input| input.string("statesFilter", flexible))?;
        }
        if version >= 5 {
            value.types_filter =
                input.array("typesFilter", flexible, |input| input.string("typesFilter", flexible))?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 3;
        if version >= 4 {
            output.array("statesFilter", &self.states_filter, flexible, |output, item| {
                output.string("statesFilter", item, flexible)
            })?;
        } else if !self.states_filter.is_empty() {
            return Err(EncodeError::NotInVersion { field: "statesFilter", version });
        }
        if version >= 5 {
            output.array("typesFilter", &self.types_filter, flexible, |output, item| {
                output.string("typesFilter", item, flexible)
            })?;
        } else if !self.types_filter.is_empty() {
            return Err(EncodeError::NotInVersion { field: "typesFilter", version });
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for ListGroupsRequest {
    type Response = super::list_groups_response::ListGroupsResponse;
}
