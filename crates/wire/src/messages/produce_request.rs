//! `ProduceRequest` v3–13, generated from Kafka's schema of that name by `cargo xtask codegen`.

use crate::decode::{DecodeError, Decoder};
use crate::encode::{EncodeError, Encoder};
use crate::message::Message;
use crate::records::Records;
use crate::str::Str;
use highwater_types::TopicId;

/// `ProduceRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct ProduceRequest {
    /// The transactional ID, or null if the producer is not transactional.
    pub transactional_id: Option<Str>,
    /// The number of acknowledgments the producer requires the leader to have received before considering a request complete. Allowed values: 0 for no acknowledgments, 1 for only the leader and -1 for the full ISR.
    pub acks: i16,
    /// The timeout to await a response in milliseconds.
    pub timeout_ms: i32,
    /// Each topic to produce to.
    pub topic_data: Vec<TopicProduceData>,
}

impl Default for ProduceRequest {
    fn default() -> Self {
        Self { transactional_id: None, acks: 0, timeout_ms: 0, topic_data: Vec::new() }
    }
}

impl Message for ProduceRequest {
    const NAME: &'static str = "ProduceRequest";
    const API_KEY: Option<i16> = Some(0);
    const VERSIONS: (i16, i16) = (3, 13);
    const FLEXIBLE_FROM: i16 = 9;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.transactional_id = input.nullable_string("transactional_id", version >= 9)?;
        value.acks = input.i16("acks")?;
        value.timeout_ms = input.i32("timeout_ms")?;
        value.topic_data =
            input.array("topic_data", version >= 9, |input| TopicProduceData::decode(input, version))?;
        if version >= 9 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.nullable_string(self.transactional_id.as_ref(), version >= 9)?;
        output.i16(self.acks);
        output.i32(self.timeout_ms);
        output.array(&self.topic_data, version >= 9, |output, item| item.encode(output, version))?;
        if version >= 9 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each topic to produce to.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicProduceData {
    /// The topic name. (v3–12)
    pub name: Str,
    /// The unique topic ID (v13+)
    pub topic_id: TopicId,
    /// Each partition to produce to.
    pub partition_data: Vec<PartitionProduceData>,
}

impl Default for TopicProduceData {
    fn default() -> Self {
        Self { name: Str::default(), topic_id: TopicId::default(), partition_data: Vec::new() }
    }
}

impl TopicProduceData {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        if version <= 12 {
            value.name = input.string("name", version >= 9)?;
        }
        if version >= 13 {
            value.topic_id = input.uuid("topic_id")?;
        }
        value.partition_data = input
            .array("partition_data", version >= 9, |input| PartitionProduceData::decode(input, version))?;
        if version >= 9 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        if version <= 12 {
            output.string(&self.name, version >= 9)?;
        }
        if version >= 13 {
            output.uuid(self.topic_id);
        }
        output.array(&self.partition_data, version >= 9, |output, item| item.encode(output, version))?;
        if version >= 9 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each partition to produce to.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionProduceData {
    /// The partition index.
    pub index: i32,
    /// The record data to be produced.
    pub records: Option<Records>,
}

impl Default for PartitionProduceData {
    fn default() -> Self {
        Self { index: 0, records: Some(Records::default()) }
    }
}

impl PartitionProduceData {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let mut value = Self::default();
        value.index = input.i32("index")?;
        value.records = input.nullable_records("records", version >= 9)?;
        if version >= 9 {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.i32(self.index);
        output.nullable_records(self.records.as_ref(), version >= 9)?;
        if version >= 9 {
            output.no_tagged_fields();
        }
        Ok(())
    }
}
