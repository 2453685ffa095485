//! `ResponseHeader` v0–1, flexible from v1. Generated from Kafka's `ResponseHeader.json` by `cargo
//! xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;

/// `ResponseHeader`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResponseHeader {
    /// The correlation ID of this response.
    pub correlation_id: i32,
}

impl Message for ResponseHeader {
    const NAME: &'static str = "ResponseHeader";
    const API_KEY: Option<i16> = None;
    const VERSIONS: (i16, i16) = (0, 1);
    const FLEXIBLE_FROM: i16 = 1;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 1;
        let mut value = Self::default();
        value.correlation_id = input.i32("correlationId")?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 1;
        output.i32(self.correlation_id);
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
