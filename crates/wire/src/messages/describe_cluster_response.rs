//! `DescribeClusterResponse` v0–2, flexible from v0. Generated from Kafka's
//! `DescribeClusterResponse.json` by `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::str::Str;

/// `DescribeClusterResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeClusterResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// The top-level error code, or 0 if there was no error.
    pub error_code: i16,
    /// The top-level error message, or null if there was no error.
    pub error_message: Option<Str>,
    /// The endpoint type that was described. 1=brokers, 2=controllers. (v1+)
    pub endpoint_type: i8,
    /// The cluster ID that responding broker belongs to.
    pub cluster_id: Str,
    /// The ID of the controller. When handled by a controller, returns the current voter leader ID. When
    /// handled by a broker, returns a random alive broker ID as a fallback.
    pub controller_id: i32,
    /// Each broker in the response.
    pub brokers: Vec<DescribeClusterBroker>,
    /// 32-bit bitfield to represent authorized operations for this cluster.
    pub cluster_authorized_operations: i32,
}

impl Default for DescribeClusterResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            error_message: None,
            endpoint_type: 1,
            cluster_id: Str::default(),
            controller_id: -1,
            brokers: Vec::new(),
            cluster_authorized_operations: i32::MIN,
        }
    }
}

impl Message for DescribeClusterResponse {
    const NAME: &'static str = "DescribeClusterResponse";
    const API_KEY: Option<i16> = Some(60);
    const VERSIONS: (i16, i16) = (0, 2);
    const FLEXIBLE_FROM: i16 = 0;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttleTimeMs")?;
        value.error_code = input.i16("errorCode")?;
        value.error_message = input.nullable_string("errorMessage", true)?;
        if version >= 1 {
            value.endpoint_type = input.i8("endpointType")?;
        }
        value.cluster_id = input.string("clusterId", true)?;
        value.controller_id = input.i32("controllerId")?;
        value.brokers =
            input.array("brokers", true, |input| DescribeClusterBroker::decode(input, version))?;
        value.cluster_authorized_operations = input.i32("clusterAuthorizedOperations")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        output.i32(self.throttle_time_ms);
        output.error_code(self.error_code);
        output.nullable_string("errorMessage", self.error_message.as_ref(), true)?;
        if version >= 1 {
            output.i8(self.endpoint_type);
        } else if self.endpoint_type != 1 {
            return Err(EncodeError::NotInVersion { field: "endpointType", version });
        }
        output.string("clusterId", &self.cluster_id, true)?;
        output.i32(self.controller_id);
        output.array("brokers", &self.brokers, true, |output, item| item.encode(output, version))?;
        output.i32(self.cluster_authorized_operations);
        output.no_tagged_fields();
        Ok(())
    }
}

/// Each broker in the response.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DescribeClusterBroker {
    /// The broker ID.
    pub broker_id: i32,
    /// The broker hostname.
    pub host: Str,
    /// The broker port.
    pub port: i32,
    /// The rack of the broker, or null if it has not been assigned to a rack.
    pub rack: Option<Str>,
    /// Whether the broker is fenced (v2+)
    pub is_fenced: bool,
}

impl DescribeClusterBroker {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.broker_id = input.i32("brokerId")?;
        value.host = input.string("host", true)?;
        value.port = input.i32("port")?;
        value.rack = input.nullable_string("rack", true)?;
        if version >= 2 {
            value.is_fenced = input.bool("isFenced")?;
        }
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.broker_id);
        output.string("host", &self.host, true)?;
        output.i32(self.port);
        output.nullable_string("rack", self.rack.as_ref(), true)?;
        if version >= 2 {
            output.bool(self.is_fenced);
        } else if self.is_fenced {
            return Err(EncodeError::NotInVersion { field: "isFenced", version });
        }
        output.no_tagged_fields();
        Ok(())
    }
}
