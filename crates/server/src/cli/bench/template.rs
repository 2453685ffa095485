//! A Produce request to one partition, encoded once: for each further one only the correlation id is patched. Of its answer it is
//! known where the error code stands.

use bytes::Bytes;
use highwater_wire::header::{decode_response, encode_request, encode_response};
use highwater_wire::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use highwater_wire::messages::produce_response::{
    PartitionProduceResponse, ProduceResponse, TopicProduceResponse,
};
use highwater_wire::{ApiKey, RecordsPart};

use super::batch::put;
use crate::client::{ClientError, refuse};

/// Newer versions name topics by id.
pub(super) const LAST_VERSION_BY_NAME: i16 = 12;
const API: &str = "Produce";
const CLIENT_ID: &str = "highwater-bench";
const TIMEOUT_MS: i32 = 60_000;
/// Where the correlation id stands in a request: behind size, API key and version.
const CORRELATION_AT: usize = 8;
const CORRELATION_BYTES: usize = 4;

/// A request to one partition, without its records.
#[derive(Debug, Clone)]
pub(super) struct Template {
    head: Bytes,
    tail: Bytes,
    version: i16,
    /// The answer as it begins behind the correlation id when all is well, up to and with the error code.
    good: Bytes,
}

impl Template {
    /// For a batch as large as `batch`. `acks` is -1, 0 or 1.
    ///
    /// # Errors
    /// [`ClientError::Encode`].
    pub(super) fn new(
        (topic, partition): (&str, i32),
        batch: &Bytes,
        acks: i16,
        version: i16,
    ) -> Result<Self, ClientError> {
        let data = PartitionProduceData { index: partition, records: Some(batch.clone().into()) };
        let topic_data = vec![TopicProduceData {
            name: topic.into(),
            partition_data: vec![data],
            ..TopicProduceData::default()
        }];
        let request =
            ProduceRequest { acks, timeout_ms: TIMEOUT_MS, topic_data, ..ProduceRequest::default() };
        let frame = encode_request(&request, version, 0, CLIENT_ID)
            .map_err(|source| ClientError::Encode { api: API, source })?;
        let mut parts = frame.into_parts().into_iter().map(|part| match part {
            RecordsPart::Memory(bytes) => bytes,
            RecordsPart::File(_) => Bytes::new(),
        });
        // Records stay a part of their own: what is behind them may be nothing.
        let (head, _records, tail) = (parts.next(), parts.next(), parts.next());
        let good = good_answer(topic, partition, version)?;
        Ok(Self { head: head.unwrap_or_default(), tail: tail.unwrap_or_default(), version, good })
    }

    /// Writes what comes before the records.
    pub(super) fn head(&self, correlation_id: i32, target: &mut Vec<u8>) {
        target.clear();
        target.extend_from_slice(&self.head);
        put(target, CORRELATION_AT, &correlation_id.to_be_bytes());
    }

    /// What comes behind the records.
    pub(super) fn tail(&self) -> &Bytes {
        &self.tail
    }

    /// Looks whether an answer (from its correlation id) says that all is well.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with what the broker says; [`ClientError::Decode`].
    pub(super) fn check(&self, answer: &[u8]) -> Result<(), ClientError> {
        let body = answer.get(CORRELATION_BYTES..).unwrap_or_default();
        if body.starts_with(&self.good) {
            return Ok(());
        }
        let decoded = decode_response::<ProduceRequest>(Bytes::copy_from_slice(answer), self.version);
        let (_, decoded) = decoded.map_err(|source| ClientError::Decode { api: API, source })?;
        let mut partitions = decoded.responses.iter().flat_map(|topic| &topic.partition_responses);
        partitions
            .try_for_each(|partition| refuse(partition.error_code, API, partition.error_message.as_deref()))
    }
}

/// The beginning of the answer without an error: all up to the error code depends on the request only.
fn good_answer(topic: &str, partition: i32, version: i16) -> Result<Bytes, ClientError> {
    let answer = |error_code| {
        let response = PartitionProduceResponse { index: partition, error_code, ..Default::default() };
        let topics = vec![TopicProduceResponse {
            name: topic.into(),
            partition_responses: vec![response],
            ..TopicProduceResponse::default()
        }];
        let response = ProduceResponse { responses: topics, ..ProduceResponse::default() };
        let frame = encode_response(&response, ApiKey::Produce, version, 0)
            .map_err(|source| ClientError::Encode { api: API, source })?;
        Ok::<_, ClientError>(frame.read()?)
    };
    let (good, bad) = (answer(0)?, answer(-1)?);
    let end = good.iter().zip(&bad).take_while(|(good, bad)| good == bad).count() + size_of::<i16>();
    let start = highwater_wire::frame::FrameSize::PREFIX + CORRELATION_BYTES;
    Ok(Bytes::copy_from_slice(good.get(start..end).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use highwater_wire::header::RequestFrame;
    use highwater_wire::{ErrorCode, Message};

    fn answer(error_code: i16, version: i16, partition: i32) -> Vec<u8> {
        let response = PartitionProduceResponse {
            index: partition,
            error_code,
            base_offset: 77,
            error_message: (version >= 8 && error_code != 0).then(|| "no room".into()),
            ..Default::default()
        };
        let topics = vec![TopicProduceResponse {
            name: "t".into(),
            partition_responses: vec![response],
            ..Default::default()
        }];
        let response = ProduceResponse { responses: topics, ..Default::default() };
        encode_response(&response, ApiKey::Produce, version, 9).unwrap().read().unwrap()[4..].to_vec()
    }

    #[test]
    fn a_request_is_what_the_codec_reads_in_every_version() {
        let batch = Bytes::from_static(&[7; 300]);
        for version in 3..=LAST_VERSION_BY_NAME {
            let template = Template::new(("t", 5), &batch, -1, version).unwrap();
            let mut bytes = Vec::new();
            template.head(1234, &mut bytes);
            bytes.extend_from_slice(&batch);
            bytes.extend_from_slice(template.tail());
            let size = i32::from_be_bytes(*bytes.first_chunk().unwrap());
            assert_eq!(usize::try_from(size).unwrap() + 4, bytes.len(), "v{version}");
            let mut frame = RequestFrame::decode(Bytes::from(bytes).slice(4..)).unwrap();
            assert_eq!((frame.api_key, frame.version, frame.correlation_id), (0, version, 1234));
            let request = ProduceRequest::decode(&mut frame.body, version).unwrap();
            let data = &request.topic_data[0].partition_data[0];
            assert_eq!((data.index, data.records.clone()), (5, Some(batch.clone().into())));
        }
    }

    #[test]
    fn an_error_in_an_answer_is_told_in_every_version() {
        for version in 3..=LAST_VERSION_BY_NAME {
            let template = Template::new(("t", 5), &Bytes::from_static(b"x"), -1, version).unwrap();
            template.check(&answer(0, version, 5)).unwrap();
            for code in [ErrorCode::NotEnoughReplicas.code(), -1, 256] {
                assert!(template.check(&answer(code, version, 5)).is_err(), "v{version}: {code}");
            }
            assert!(template.check(&answer(0, version, 5)[..9]).is_err(), "v{version}: cut off");
        }
        let template = Template::new(("t", 5), &Bytes::from_static(b"x"), -1, 9).unwrap();
        let error = template.check(&answer(ErrorCode::KafkaStorageError.code(), 9, 5)).unwrap_err();
        assert_eq!(error.to_string(), "Produce: KAFKA_STORAGE_ERROR: no room");
    }
}
