//! `FindCoordinatorResponse` v0–6, flexible from v3. Generated from Kafka's
//! `FindCoordinatorResponse.json` by `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::str::Str;

/// `FindCoordinatorResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct FindCoordinatorResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota. (v1+)
    pub throttle_time_ms: i32,
    /// The error code, or 0 if there was no error. (v0–3)
    pub error_code: i16,
    /// The error message, or null if there was no error. (v1–3)
    pub error_message: Option<Str>,
    /// The node id. (v0–3)
    pub node_id: i32,
    /// The host name. (v0–3)
    pub host: Str,
    /// The port. (v0–3)
    pub port: i32,
    /// Each coordinator result in the response. (v4+)
    pub coordinators: Vec<Coordinator>,
}

impl Default for FindCoordinatorResponse {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            error_message: Some(Str::default()),
            node_id: 0,
            host: Str::default(),
            port: 0,
            coordinators: Vec::new(),
        }
    }
}

impl Message for FindCoordinatorResponse {
    const NAME: &'static str = "FindCoordinatorResponse";
    const API_KEY: Option<i16> = Some(10);
    const VERSIONS: (i16, i16) = (0, 6);
    const FLEXIBLE_FROM: i16 = 3;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 3;
        let mut value = Self::default();
        if version >= 1 {
            value.throttle_time_ms = input.i32("throttleTimeMs")?;
        }
        if version <= 3 {
            value.error_code = input.i16("errorCode")?;
        }
        if (1..=3).contains(&version) {
            value.error_message = input.nullable_string("errorMessage", flexible)?;
        }
        if version <= 3 {
            value.node_id = input.i32("nodeId")?;
        }
        if version <= 3 {
            value.host = input.string("host", flexible)?;
        }
        if version <= 3 {
            value.port = input.i32("port")?;
        }
        if version >= 4 {
            value.coordinators =
                input.array("coordinators", flexible, |input| Coordinator::decode(input, version))?;
        }
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
        if version <= 3 {
            output.error_code(self.error_code);
        } else if self.error_code != 0 {
            return Err(EncodeError::NotInVersion { field: "errorCode", version });
        }
        if (1..=3).contains(&version) {
            output.nullable_string("errorMessage", self.error_message.as_ref(), flexible)?;
        }
        if version <= 3 {
            output.i32(self.node_id);
        } else if self.node_id != 0 {
            return Err(EncodeError::NotInVersion { field: "nodeId", version });
        }
        if version <= 3 {
            output.string("host", &self.host, flexible)?;
        } else if !self.host.is_empty() {
            return Err(EncodeError::NotInVersion { field: "host", version });
        }
        if version <= 3 {
            output.i32(self.port);
        } else if self.port != 0 {
            return Err(EncodeError::NotInVersion { field: "port", version });
        }
        if version >= 4 {
            output.array("coordinators", &self.coordinators, flexible, |output, item| {
                item.encode(output, version)
            })?;
        } else if !self.coordinators.is_empty() {
            return Err(EncodeError::NotInVersion { field: "coordinators", version });
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each coordinator result in the response.
#[derive(Debug, Clone, PartialEq)]
pub struct Coordinator {
    /// The coordinator key. (v4+)
    pub key: Str,
    /// The node id. (v4+)
    pub node_id: i32,
    /// The host name. (v4+)
    pub host: Str,
    /// The port. (v4+)
    pub port: i32,
    /// The error code, or 0 if there was no error. (v4+)
    pub error_code: i16,
    /// The error message, or null if there was no error. (v4+)
    pub error_message: Option<Str>,
}

impl Default for Coordinator {
    fn default() -> Self {
        Self {
            key: Str::default(),
            node_id: 0,
            host: Str::default(),
            port: 0,
            error_code: 0,
            error_message: Some(Str::default()),
        }
    }
}

impl Coordinator {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.key = input.string("key", true)?;
        value.node_id = input.i32("nodeId")?;
        value.host = input.string("host", true)?;
        value.port = input.i32("port")?;
        value.error_code = input.i16("errorCode")?;
        value.error_message = input.nullable_string("errorMessage", true)?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.string("key", &self.key, true)?;
        output.i32(self.node_id);
        output.string("host", &self.host, true)?;
        output.i32(self.port);
        output.error_code(self.error_code);
        output.nullable_string("errorMessage", self.error_message.as_ref(), true)?;
        output.no_tagged_fields();
        Ok(())
    }
}
