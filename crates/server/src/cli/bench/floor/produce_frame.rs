//! Produce v9–12 as our own client sends it, one batch a request: found in its frame without decoding, and answered without encoding.
//!
//! | request (behind the size) | |
//! |---|---|
//! | header v2 | api_key i16 = 0, version i16, correlation_id i32, client_id nullable string, tags |
//! | body | transactional_id compact string (null), acks i16, timeout_ms i32, one topic: name compact string, |
//! | | one partition: index i32, records compact bytes |
//!
//! What is otherwise is refused: the connection is closed.

use std::ops::Range;

use highwater_wire::record::HEADER_SIZE;

/// A request, as places in its frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProduceFrame {
    /// Given back in the answer.
    pub(super) correlation_id: i32,
    /// The topic's name with its length in front, as the answer has it, too.
    pub(super) topic: Range<usize>,
    /// The partition.
    pub(super) partition: i32,
    /// -1, 0 or 1.
    pub(super) acks: i16,
    /// The batch.
    pub(super) records: Range<usize>,
}

/// Bytes of an answer beside the topic's name.
const ANSWER_BYTES: usize = 46;

impl ProduceFrame {
    /// Finds the parts of a frame (without its size); `None` when it is none of this form.
    pub(super) fn parse(frame: &[u8]) -> Option<Self> {
        let mut cursor = Cursor { frame, at: 0 };
        let (api_key, version) = (cursor.i16()?, cursor.i16()?);
        if api_key != 0 || !(9..=12).contains(&version) {
            return None;
        }
        let correlation_id = cursor.i32()?;
        let client_id = usize::try_from(cursor.i16()?).unwrap_or(0);
        cursor.skip(client_id)?;
        cursor.expect(0)?;
        // No transactional id.
        cursor.expect(0)?;
        let acks = cursor.i16()?;
        let _timeout_ms = cursor.i32()?;
        cursor.expect(2)?;
        let topic_start = cursor.at;
        let name = cursor.compact_length()?;
        cursor.skip(name)?;
        let topic = topic_start..cursor.at;
        cursor.expect(2)?;
        let partition = cursor.i32()?;
        let size = cursor.compact_length()?;
        let start = cursor.at;
        cursor.skip(size)?;
        if size < HEADER_SIZE {
            return None;
        }
        Some(Self { correlation_id, topic, partition, acks, records: start..start + size })
    }

    /// Adds the answer to `answers`: written at `base_offset`.
    pub(super) fn answer(&self, frame: &[u8], base_offset: i64, answers: &mut Vec<u8>) -> Option<()> {
        let topic = frame.get(self.topic.clone())?;
        let size = i32::try_from(ANSWER_BYTES + topic.len()).ok()?;
        answers.extend_from_slice(&size.to_be_bytes());
        answers.extend_from_slice(&self.correlation_id.to_be_bytes());
        // Tags of the header; one topic.
        answers.extend_from_slice(&[0, 2]);
        answers.extend_from_slice(topic);
        // One partition without an error.
        answers.push(2);
        answers.extend_from_slice(&self.partition.to_be_bytes());
        answers.extend_from_slice(&[0, 0]);
        answers.extend_from_slice(&base_offset.to_be_bytes());
        // No append time; the log starts at 0.
        answers.extend_from_slice(&(-1i64).to_be_bytes());
        answers.extend_from_slice(&0i64.to_be_bytes());
        // No record errors, no message, no tags of partition and topic, not throttled, no tags.
        answers.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0]);
        Some(())
    }
}

/// Where reading is.
struct Cursor<'a> {
    frame: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.frame.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(*bytes)
    }

    fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.take::<1>()? == [byte]).then_some(())
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count).filter(|at| *at <= self.frame.len())?;
        Some(())
    }

    /// A length that is sent plus one, seven bits a byte; `None` for null.
    fn compact_length(&mut self) -> Option<usize> {
        let mut value = 0usize;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take::<1>()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value.checked_sub(1);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::batch::{Prebuilt, Shape};
    use super::super::super::template::Template;
    use super::*;
    use bytes::Bytes;
    use highwater_wire::header::decode_response;
    use highwater_wire::messages::ProduceRequest;
    use highwater_wire::record::Compression;

    fn frame(template: &Template, batch: &Bytes) -> Vec<u8> {
        let mut frame = Vec::new();
        template.head(99, &mut frame);
        frame.extend_from_slice(batch);
        frame.extend_from_slice(template.tail());
        frame[4..].to_vec()
    }

    #[test]
    fn requests_of_the_client_are_found_and_answered_so_that_it_is_content() {
        for (records, version) in [(1, 9), (1, 10), (200, 11), (200, 12)] {
            let shape = Shape { record_bytes: 1024, records, codec: Compression::None };
            let batch = Prebuilt::new(shape, false).unwrap().bytes;
            let template = Template::new(("some-topic", 7), &batch, -1, version).unwrap();
            let frame = frame(&template, &batch);
            let found = ProduceFrame::parse(&frame).unwrap();
            assert_eq!((found.correlation_id, found.partition, found.acks), (99, 7, -1));
            assert_eq!(frame[found.records.clone()], batch);
            let mut answers = Vec::new();
            found.answer(&frame, 12_345, &mut answers).unwrap();
            let size = i32::from_be_bytes(*answers.first_chunk().unwrap());
            assert_eq!(usize::try_from(size).unwrap(), answers.len() - 4);
            let answer = Bytes::from(answers).slice(4..);
            template.check(&answer).unwrap();
            let (correlation_id, decoded) = decode_response::<ProduceRequest>(answer, version).unwrap();
            let partition = &decoded.responses[0].partition_responses[0];
            assert_eq!((correlation_id, partition.index, partition.base_offset), (99, 7, 12_345));
        }
    }

    #[test]
    fn what_is_otherwise_or_cut_off_is_refused() {
        let shape = Shape { record_bytes: 10, records: 1, codec: Compression::None };
        let batch = Prebuilt::new(shape, false).unwrap().bytes;
        let good = frame(&Template::new(("t", 0), &batch, -1, 12).unwrap(), &batch);
        for end in 0..good.len() - 3 {
            assert_eq!(ProduceFrame::parse(&good[..end]), None, "cut off at {end}");
        }
        let old = frame(&Template::new(("t", 0), &batch, -1, 8).unwrap(), &batch);
        assert_eq!(ProduceFrame::parse(&old), None);
    }
}
