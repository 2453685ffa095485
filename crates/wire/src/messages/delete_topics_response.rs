//! `DeleteTopicsResponse` v1–6, flexible from v4. Generated from Kafka's `DeleteTopicsResponse.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::encode::present;
use crate::message::Message;
use crate::str::Str;
use highwater_types::TopicId;

/// `DeleteTopicsResponse`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteTopicsResponse {
    /// The duration in milliseconds for which the request was throttled due to a quota violation, or zero
    /// if the request did not violate any quota.
    pub throttle_time_ms: i32,
    /// The results for each topic we tried to delete.
    pub responses: Vec<DeletableTopicResult>,
}

impl Message for DeleteTopicsResponse {
    const NAME: &'static str = "DeleteTopicsResponse";
    const API_KEY: Option<i16> = Some(20);
    const VERSIONS: (i16, i16) = (1, 6);
    const FLEXIBLE_FROM: i16 = 4;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 4;
        let mut value = Self::default();
        value.throttle_time_ms = input.i32("throttleTimeMs")?;
        value.responses =
            input.array("responses", flexible, |input| DeletableTopicResult::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 4;
        output.i32(self.throttle_time_ms);
        output.array("responses", &self.responses, flexible, |output, item| item.encode(output, version))?;
        if flexible {
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
        Self { name: Some(Str::default()), topic_id: TopicId::ZERO, error_code: 0, error_message: None }
    }
}

impl DeletableTopicResult {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 4;
        let mut value = Self::default();
        value.name = if version >= 6 {
            input.nullable_string("name", flexible)?
        } else {
            Some(input.string("name", flexible)?)
        };
        if version >= 6 {
            value.topic_id = input.uuid("topicId")?;
        }
        value.error_code = input.i16("errorCode")?;
        if version >= 5 {
            value.error_message = input.nullable_string("errorMessage", flexible)?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 4;
        if version >= 6 {
            output.nullable_string("name", self.name.as_ref(), flexible)?;
        } else {
            output.string("name", present("name", self.name.as_ref())?, flexible)?;
        }
        if version >= 6 {
            output.uuid(self.topic_id);
        }
        output.error_code(self.error_code);
        if version >= 5 {
            output.nullable_string("errorMessage", self.error_message.as_ref(), flexible)?;
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
