//! `DeleteTopicsResponse` v1–6, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;
use highwater_types::TopicId;

/// `DeleteTopicsResponse`.
#[derive(Debug, Clone, PartialEq)]
pub struct DeleteTopicsResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// The results for each topic we tried to delete.
    pub responses: Vec<DeletableTopicResult>,
}

impl Default for DeleteTopicsResponse {
    fn default() -> Self {
        Self { throttle_time_ms: 0, responses: Vec::new() }
    }
}

impl Message for DeleteTopicsResponse {
    const NAME: &'static str = "DeleteTopicsResponse";
    const API_KEY: Option<i16> = Some(20);
    const VERSIONS: (i16, i16) = (1, 6);
    const FLEXIBLE_FROM: i16 = 4;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttle_time_ms")?;
        value.responses =
            input.array("responses", version >= 4, |input| DeletableTopicResult::decode(input, version))?;
        if version >= 4 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.throttle_time_ms);
        output.array(&self.responses, version >= 4, |output, item| item.encode(output, version))?;
        if version >= 4 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The results for each topic we tried to delete.
#[derive(Debug, Clone, PartialEq)]
pub struct DeletableTopicResult {
    /// The topic name.
    pub name: Option<Str>,
    /// The unique topic ID. (v6+)
    pub topic_id: TopicId,
    /// The deletion error, or 0 if the deletion succeeded.
    pub error_code: i16,
    /// The error message, or null if there was no error. (v5+)
    pub error_message: Option<Str>,
}

impl Default for DeletableTopicResult {
    fn default() -> Self {
        Self { name: Some(Str::default()), topic_id: TopicId::default(), error_code: 0, error_message: None }
    }
}

impl DeletableTopicResult {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.nullable_string("name", version >= 4)?;
        if version >= 6 {
            value.topic_id = input.uuid("topic_id")?;
        }
        value.error_code = input.i16("error_code")?;
        if version >= 5 {
            value.error_message = input.nullable_string("error_message", version >= 4)?;
        }
        if version >= 4 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.nullable_string(self.name.as_ref(), version >= 4)?;
        if version >= 6 {
            output.uuid(self.topic_id);
        }
        output.i16(self.error_code);
        if version >= 5 {
            output.nullable_string(self.error_message.as_ref(), version >= 4)?;
        }
        if version >= 4 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
