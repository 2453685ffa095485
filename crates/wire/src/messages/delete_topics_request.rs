//! `DeleteTopicsRequest` v1–6, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::str::Str;
use highwater_types::TopicId;

/// `DeleteTopicsRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct DeleteTopicsRequest {
    /// The name or topic ID of the topic. (v6+)
    pub topics: Vec<DeleteTopicState>,
    /// The names of the topics to delete. (v1–5)
    pub topic_names: Vec<Str>,
    /// The length of time in milliseconds to wait for the deletions to complete.
    pub timeout_ms: i32,
}

impl Default for DeleteTopicsRequest {
    fn default() -> Self {
        Self { topics: Vec::new(), topic_names: Vec::new(), timeout_ms: 0 }
    }
}

impl Message for DeleteTopicsRequest {
    const NAME: &'static str = "DeleteTopicsRequest";
    const API_KEY: Option<i16> = Some(20);
    const VERSIONS: (i16, i16) = (1, 6);
    const FLEXIBLE_FROM: i16 = 4;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version >= 6 {
            value.topics =
                input.array("topics", version >= 4, |input| DeleteTopicState::decode(input, version))?;
        }
        if version <= 5 {
            value.topic_names = input
                .array("topic_names", version >= 4, |input| input.string("topic_names", version >= 4))?;
        }
        value.timeout_ms = input.i32("timeout_ms")?;
        if version >= 4 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version >= 6 {
            output.array(&self.topics, version >= 4, |output, item| item.encode(output, version))?;
        } else if !self.topics.is_empty() {
            return Err(EncodeError::NotInVersion { field: "topics", version });
        }
        if version <= 5 {
            output
                .array(&self.topic_names, version >= 4, |output, item| output.string(item, version >= 4))?;
        }
        output.i32(self.timeout_ms);
        if version >= 4 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// The name or topic ID of the topic.
#[derive(Debug, Clone, PartialEq)]
pub struct DeleteTopicState {
    /// The topic name. (v6+)
    pub name: Option<Str>,
    /// The unique topic ID. (v6+)
    pub topic_id: TopicId,
}

impl Default for DeleteTopicState {
    fn default() -> Self {
        Self { name: None, topic_id: TopicId::default() }
    }
}

impl DeleteTopicState {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version >= 6 {
            value.name = input.nullable_string("name", version >= 4)?;
        }
        if version >= 6 {
            value.topic_id = input.uuid("topic_id")?;
        }
        if version >= 4 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version >= 6 {
            output.nullable_string(self.name.as_ref(), version >= 4)?;
        } else if self.name.is_some() {
            return Err(EncodeError::NotInVersion { field: "name", version });
        }
        if version >= 6 {
            output.uuid(self.topic_id);
        } else if self.topic_id != TopicId::default() {
            return Err(EncodeError::NotInVersion { field: "topic_id", version });
        }
        if version >= 4 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
