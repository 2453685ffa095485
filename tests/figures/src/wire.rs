//! A request's way through the codec.

use std::hint::black_box;

use bytes::Bytes;
use highwater_wire::header::{RequestFrame, encode_request, encode_response};
use highwater_wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use highwater_wire::messages::produce_response::{
    PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use highwater_wire::{ApiKey, Frame, Message};

use crate::Done;
use crate::append::batch_of;

/// The newest version that names topics.
const VERSION: i16 = 12;
const SIZE_PREFIX: usize = 4;

/// Reads a Produce request with one batch of about so many bytes and writes its answer, `count` times.
pub(crate) fn produce(batch_bytes: usize, count: usize) -> Done {
    let request = request(&batch_of(batch_bytes)?)?;
    for _ in 0..count {
        let mut frame = RequestFrame::decode(request.clone())?;
        let asked = ProduceRequest::decode(&mut frame.body, frame.version)?;
        black_box(answer(asked, frame.correlation_id)?);
    }
    Ok(())
}

/// The frame without its size.
fn request(batch: &Bytes) -> Result<Bytes, Box<dyn std::error::Error>> {
    let data = PartitionProduceData { index: 3, records: Some(batch.clone().into()) };
    let topic =
        TopicProduceData { name: "orders".into(), partition_data: vec![data], ..TopicProduceData::default() };
    let request =
        ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..ProduceRequest::default() };
    let frame = encode_request(&request, VERSION, 77, "producer")?;
    Ok(Bytes::from(frame.read()?).slice(SIZE_PREFIX..))
}

fn answer(request: ProduceRequest, correlation_id: i32) -> Result<Frame, Box<dyn std::error::Error>> {
    let answer_topic = |topic: TopicProduceData| TopicProduceResponse {
        name: topic.name,
        topic_id: topic.topic_id,
        partition_responses: topic.partition_data.iter().map(answer_partition).collect(),
    };
    let responses = request.topic_data.into_iter().map(answer_topic).collect();
    let response = ProduceResponse { responses, ..ProduceResponse::default() };
    Ok(encode_response(&response, ApiKey::Produce, VERSION, correlation_id)?)
}

fn answer_partition(data: &PartitionProduceData) -> PartitionProduceResponse {
    PartitionProduceResponse {
        index: data.index,
        base_offset: 1234,
        log_start_offset: 0,
        ..Default::default()
    }
}
