//! `RequestHeader` v1–2, flexible from v2. Generated from Kafka's `RequestHeader.json` by `cargo xtask
//! codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
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
        input.check_version::<Self>(version)?;
        let flexible = version >= 2;
        let mut value = Self::default();
        value.request_api_key = input.i16("requestApiKey")?;
        value.request_api_version = input.i16("requestApiVersion")?;
        value.correlation_id = input.i32("correlationId")?;
        value.client_id = input.nullable_string("clientId", false)?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 2;
        output.i16(self.request_api_key);
        output.i16(self.request_api_version);
        output.i32(self.correlation_id);
        output.nullable_string("clientId", self.client_id.as_ref(), false)?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
