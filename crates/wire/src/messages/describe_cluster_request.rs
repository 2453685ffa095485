//! `DescribeClusterRequest` v0–2, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;

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
        let mut value = Self::default();
        value.include_cluster_authorized_operations = input.bool("include_cluster_authorized_operations")?;
        if version >= 1 {
            value.endpoint_type = input.i8("endpoint_type")?;
        }
        if version >= 2 {
            value.include_fenced_brokers = input.bool("include_fenced_brokers")?;
        }
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.bool(self.include_cluster_authorized_operations);
        if version >= 1 {
            output.i8(self.endpoint_type);
        } else if self.endpoint_type != 1 {
            return Err(EncodeError::NotInVersion { field: "endpoint_type", version });
        }
        if version >= 2 {
            output.bool(self.include_fenced_brokers);
        } else if self.include_fenced_brokers {
            return Err(EncodeError::NotInVersion { field: "include_fenced_brokers", version });
        }
        output.no_tagged_fields();
        Ok(())
    }
}
