//! `DescribeClusterRequest` v0–2, flexible from v0. Generated from Kafka's
//! `DescribeClusterRequest.json` by `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;

/// `DescribeClusterRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeClusterRequest {
    /// Whether to include cluster authorized operations.
    pub include_cluster_authorized_operations: bool,
    /// The endpoint type to describe. 1=brokers, 2=controllers. (v1+)
    pub endpoint_type: i8,
    /// Whether to include fenced brokers when listing brokers. (v2+)
    pub include_fenced_brokers: bool,
}

impl Default for DescribeClusterRequest {
    fn default() -> Self {
        Self { include_cluster_authorized_operations: false, endpoint_type: 1, include_fenced_brokers: false }
    }
}

impl Message for DescribeClusterRequest {
    const NAME: &'static str = "DescribeClusterRequest";
    const API_KEY: Option<i16> = Some(60);
    const VERSIONS: (i16, i16) = (0, 2);
    const FLEXIBLE_FROM: i16 = 0;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let mut value = Self::default();
        value.include_cluster_authorized_operations = input.bool("includeClusterAuthorizedOperations")?;
        if version >= 1 {
            value.endpoint_type = input.i8("endpointType")?;
        }
        if version >= 2 {
            value.include_fenced_brokers = input.bool("includeFencedBrokers")?;
        }
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        output.bool(self.include_cluster_authorized_operations);
        if version >= 1 {
            output.i8(self.endpoint_type);
        } else if self.endpoint_type != 1 {
            return Err(EncodeError::NotInVersion { field: "endpointType", version });
        }
        if version >= 2 {
            output.bool(self.include_fenced_brokers);
        } else if self.include_fenced_brokers {
            return Err(EncodeError::NotInVersion { field: "includeFencedBrokers", version });
        }
        output.no_tagged_fields();
        Ok(())
    }
}

impl Request for DescribeClusterRequest {
    type Response = super::describe_cluster_response::DescribeClusterResponse;
}
