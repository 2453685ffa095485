//! `DescribeTopicPartitionsRequest` v0–0, flexible from v0. Generated from Kafka's
//! `DescribeTopicPartitionsRequest.json` by `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `DescribeTopicPartitionsRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribeTopicPartitionsRequest {
    /// The topics to fetch details for.
    pub topics: Vec<TopicRequest>,
    /// The maximum number of partitions included in the response.
    pub response_partition_limit: i32,
    /// The first topic and partition index to fetch details for.
    pub cursor: Option<Cursor>,
}

impl Default for DescribeTopicPartitionsRequest {
    fn default() -> Self {
        Self { topics: Vec::new(), response_partition_limit: 2000, cursor: None }
    }
}

impl Message for DescribeTopicPartitionsRequest {
    const NAME: &'static str = "DescribeTopicPartitionsRequest";
    const API_KEY: Option<i16> = Some(75);
    const VERSIONS: (i16, i16) = (0, 0);
    const FLEXIBLE_FROM: i16 = 0;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let mut value = Self::default();
        value.topics = input.array("topics", true, |input| TopicRequest::decode(input, version))?;
        value.response_partition_limit = input.i32("responsePartitionLimit")?;
        value.cursor = input.nullable_struct("cursor", |input| Cursor::decode(input, version))?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        output.array("topics", &self.topics, true, |output, item| item.encode(output, version))?;
        output.i32(self.response_partition_limit);
        output.nullable_struct(self.cursor.as_ref(), |output, value| value.encode(output, version))?;
        output.no_tagged_fields();
        Ok(())
    }
}

/// The topics to fetch details for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TopicRequest {
    /// The topic name.
    pub name: Str,
}

impl TopicRequest {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.name = input.string("name", true)?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.string("name", &self.name, true)?;
        output.no_tagged_fields();
        Ok(())
    }
}

/// The first topic and partition index to fetch details for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cursor {
    /// The name for the first topic to process.
    pub topic_name: Str,
    /// The partition index to start with.
    pub partition_index: i32,
}

impl Cursor {
    fn decode(input: &mut Decoder, _version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.topic_name = input.string("topicName", true)?;
        value.partition_index = input.i32("partitionIndex")?;
        input.skip_tagged_fields()?;
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, _version: i16) -> Result<(), EncodeError> {
        output.string("topicName", &self.topic_name, true)?;
        output.i32(self.partition_index);
        output.no_tagged_fields();
        Ok(())
    }
}

impl Request for DescribeTopicPartitionsRequest {
    type Response = super::describe_topic_partitions_response::DescribeTopicPartitionsResponse;
}
