//! `ResponseHeader` v0–1, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;

/// `ResponseHeader`.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseHeader {
    /// The correlation ID of this response.
    pub correlation_id: i32,
}

impl Default for ResponseHeader {
    fn default() -> Self {
        Self { correlation_id: 0 }
    }
}

impl Message for ResponseHeader {
    const NAME: &'static str = "ResponseHeader";
    const API_KEY: Option<i16> = None;
    const VERSIONS: (i16, i16) = (0, 1);
    const FLEXIBLE_FROM: i16 = 1;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.correlation_id = input.i32("correlation_id")?;
        if version >= 1 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.correlation_id);
        if version >= 1 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
