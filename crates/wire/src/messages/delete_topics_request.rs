//! `DeleteTopicsRequest` v1–6, flexible from v4. Generated from Kafka's `DeleteTopicsRequest.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;
use highwater_types::TopicId;

/// `DeleteTopicsRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteTopicsRequest {
    /// The name or topic ID of the topic. (v6+)
    pub topics: Vec<DeleteTopicState>,
    /// The names of the topics to delete. (v1–5)
    pub topic_names: Vec<Str>,
    /// The length of time in milliseconds to wait for the deletions to complete.
    pub timeout_ms: i32,
}

impl Message for DeleteTopicsRequest {
    const NAME: &'static str = "DeleteTopicsRequest";
    const API_KEY: Option<i16> = Some(20);
    const VERSIONS: (i16, i16) = (1, 6);
    const FLEXIBLE_FROM: i16 = 4;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 4;
        let mut value = Self::default();
        if version >= 6 {
            value.topics =
                input.array("topics", flexible, |input| DeleteTopicState::decode(input, version))?;
        }
        if version <= 5 {
            value.topic_names =
                input.array("topicNames", flexible, |input| input.string("topicNames", flexible))?;
        }
        value.timeout_ms = input.i32("timeoutMs")?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 4;
        if version >= 6 {
            output.array("topics", &self.topics, flexible, |output, item| item.encode(output, version))?;
        } else if !self.topics.is_empty() {
            return Err(EncodeError::NotInVersion { field: "topics", version });
        }
        if version <= 5 {
            output.array("topicNames", &self.topic_names, flexible, |output, item| {
                output.string("topicNames", item, flexible)
            })?;
        }
        output.i32(self.timeout_ms);
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The name or topic ID of the topic.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeleteTopicState {
    /// The topic name. (v6+)
    pub name: Option<Str>,
    /// The unique topic ID. (v6+)
    pub topic_id: TopicId,
}

impl DeleteTopicState {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.nullable_string("name", true)?;
        value.topic_id = input.uuid("topicId")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.nullable_string("name", self.name.as_ref(), true)?;
        output.uuid(self.topic_id);
        output.no_tagged_fields();
        Ok(())
    }
}

impl Request for DeleteTopicsRequest {
    type Response = super::delete_topics_response::DeleteTopicsResponse;
}
