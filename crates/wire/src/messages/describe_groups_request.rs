//! `DescribeGroupsRequest` v0–6, flexible from v5. Generated from Kafka's `DescribeGroupsRequest.json`
//! by `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `DescribeGroupsRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeGroupsRequest {
    /// The names of the groups to describe.
    pub groups: Vec<Str>,
    /// Whether to include authorized operations. (v3+)
    pub include_authorized_operations: bool,
}

impl Message for DescribeGroupsRequest {
    const NAME: &'static str = "DescribeGroupsRequest";
    const API_KEY: Option<i16> = Some(15);
    const VERSIONS: (i16, i16) = (0, 6);
    const FLEXIBLE_FROM: i16 = 5;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 5;
        let mut value = Self::default();
        value.groups = input.array("groups", flexible, |input| input.string("groups", flexible))?;
        if version >= 3 {
            value.include_authorized_operations = input.bool("includeAuthorizedOperations")?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 5;
        output.array("groups", &self.groups, flexible, |output, item| {
            output.string("groups", item, flexible)
        })?;
        if version >= 3 {
            output.bool(self.include_authorized_operations);
        } else if self.include_authorized_operations {
            return Err(EncodeError::NotInVersion { field: "includeAuthorizedOperations", version });
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for DescribeGroupsRequest {
    type Response = super::describe_groups_response::DescribeGroupsResponse;
}
