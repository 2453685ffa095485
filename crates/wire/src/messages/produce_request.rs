//! `ProduceRequest` v3–13, flexible from v9. Generated from Kafka's `ProduceRequest.json` by `cargo
//! xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::records::Records;
use crate::str::Str;
use highwater_types::TopicId;

/// `ProduceRequest`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProduceRequest {
    /// The transactional ID, or null if the producer is not transactional.
    pub transactional_id: Option<Str>,
    /// The number of acknowledgments the producer requires the leader to have received before considering a
    /// request complete. Allowed values: 0 for no acknowledgments, 1 for only the leader and -1 for the
    /// full ISR.
    pub acks: i16,
    /// The timeout to await a response in milliseconds.
    pub timeout_ms: i32,
    /// Each topic to produce to.
    pub topic_data: Vec<TopicProduceData>,
}

impl Message for ProduceRequest {
    const NAME: &'static str = "ProduceRequest";
    const API_KEY: Option<i16> = Some(0);
    const VERSIONS: (i16, i16) = (3, 13);
    const FLEXIBLE_FROM: i16 = 9;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 9;
        let mut value = Self::default();
        value.transactional_id = input.nullable_string("transactionalId", flexible)?;
        value.acks = input.i16("acks")?;
        value.timeout_ms = input.i32("timeoutMs")?;
        value.topic_data =
            input.array("topicData", flexible, |input| TopicProduceData::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 9;
        output.nullable_string("transactionalId", self.transactional_id.as_ref(), flexible)?;
        output.i16(self.acks);
        output.i32(self.timeout_ms);
        output.array("topicData", &self.topic_data, flexible, |output, item| item.encode(output, version))?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each topic to produce to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TopicProduceData {
    /// The topic name. (v3–12)
    pub name: Str,
    /// The unique topic ID (v13+)
    pub topic_id: TopicId,
    /// Each partition to produce to.
    pub partition_data: Vec<PartitionProduceData>,
}

impl TopicProduceData {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        let mut value = Self::default();
        if version <= 12 {
            value.name = input.string("name", flexible)?;
        }
        if version >= 13 {
            value.topic_id = input.uuid("topicId")?;
        }
        value.partition_data =
            input.array("partitionData", flexible, |input| PartitionProduceData::decode(input, version))?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        if version <= 12 {
            output.string("name", &self.name, flexible)?;
        }
        if version >= 13 {
            output.uuid(self.topic_id);
        }
        output.array("partitionData", &self.partition_data, flexible, |output, item| {
            item.encode(output, version)
        })?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

/// Each partition to produce to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PartitionProduceData {
    /// The partition index.
    pub index: i32,
    /// The record data to be produced.
    pub records: Option<Records>,
}

impl PartitionProduceData {
    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        let flexible = version >= 9;
        let mut value = Self::default();
        value.index = input.i32("index")?;
        value.records = input.nullable_records("records", flexible)?;
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        let flexible = version >= 9;
        output.i32(self.index);
        output.nullable_records("records", self.records.as_ref(), flexible)?;
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for ProduceRequest {
    type Response = super::produce_response::ProduceResponse;
}
