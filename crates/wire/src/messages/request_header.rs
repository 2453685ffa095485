//! `RequestHeader` v1–2, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;

/// `RequestHeader`.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestHeader {
    /// The API key of this request.
    pub request_api_key: i16,
    /// The API version of this request.
    pub request_api_version: i16,
    /// The correlation ID of this request.
    pub correlation_id: i32,
    /// The client ID string.
    pub client_id: Option<Str>,
}

impl Default for RequestHeader {
    fn default() -> Self {
        Self {
            request_api_key: 0,
            request_api_version: 0,
            correlation_id: 0,
            client_id: Some(Str::default()),
        }
    }
}

impl Message for RequestHeader {
    const NAME: &'static str = "RequestHeader";
    const API_KEY: Option<i16> = None;
    const VERSIONS: (i16, i16) = (1, 2);
    const FLEXIBLE_FROM: i16 = 2;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.request_api_key = input.i16("request_api_key")?;
        value.request_api_version = input.i16("request_api_version")?;
        value.correlation_id = input.i32("correlation_id")?;
        value.client_id = input.nullable_string("client_id", false)?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i16(self.request_api_key);
        output.i16(self.request_api_version);
        output.i32(self.correlation_id);
        output.nullable_string(self.client_id.as_ref(), false)?;
        if version >= 2 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
