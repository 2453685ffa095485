//! `DeleteGroupsRequest` v0–3, flexible from v2. Generated from Kafka's `DeleteGroupsRequest.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `DeleteGroupsRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteGroupsRequest {
    /// The group names to delete.
    pub groups_names: Vec<Str>,
}

impl Message for DeleteGroupsRequest {
    const NAME: &'static str = "DeleteGroupsRequest";
    const API_KEY: Option<i16> = Some(42);
    const VERSIONS: (i16, i16) = (0, 3);
    const FLEXIBLE_FROM: i16 = 2;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 2;
        let mut value = Self::default();
        value.groups_names =
            input.array("groupsNames", flexible, |input| input.string("groupsNames", flexible))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 2;
        output.array("groupsNames", &self.groups_names, flexible, |output, item| {
            output.string("groupsNames", item, flexible)
        })?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for DeleteGroupsRequest {
    type Response = super::delete_groups_response::DeleteGroupsResponse;
}
