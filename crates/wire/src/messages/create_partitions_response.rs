//! `CreatePartitionsResponse` v0–3, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;

/// `CreatePartitionsResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatePartitionsResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// The partition creation results for each topic.
    pub results: Vec<CreatePartitionsTopicResult>,
}

impl Default for CreatePartitionsResponse {
    fn default() -> Self {
        Self { throttle_time_ms: 0, results: Vec::new() }
    }
}

impl Message for CreatePartitionsResponse {
    const NAME: &'static str = "CreatePartitionsResponse";
    const API_KEY: Option<i16> = Some(37);
    const VERSIONS: (i16, i16) = (0, 3);
    const FLEXIBLE_FROM: i16 = 2;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttle_time_ms")?;
        value.results = input
            .array("results", version >= 2, |input| CreatePartitionsTopicResult::decode(input, version))?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.throttle_time_ms);
        output.array(&self.results, version >= 2, |output, item| item.encode(output, version))?;
        if version >= 2 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The partition creation results for each topic.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatePartitionsTopicResult {
    /// The topic name.
    pub name: Str,
    /// The result error, or zero if there was no error.
    pub error_code: i16,
    /// The result message, or null if there was no error.
    pub error_message: Option<Str>,
}

impl Default for CreatePartitionsTopicResult {
    fn default() -> Self {
        Self { name: Str::default(), error_code: 0, error_message: None }
    }
}

impl CreatePartitionsTopicResult {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.string("name", version >= 2)?;
        value.error_code = input.i16("error_code")?;
        value.error_message = input.nullable_string("error_message", version >= 2)?;
        if version >= 2 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.string(&self.name, version >= 2)?;
        output.i16(self.error_code);
        output.nullable_string(self.error_message.as_ref(), version >= 2)?;
        if version >= 2 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
