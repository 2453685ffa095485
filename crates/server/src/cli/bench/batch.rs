//! The batch that a benchmark sends again and again: built once, checksum and all, as a producer without idempotence sends it.
//!
//! With a stamp its first record begins with the time at which it was meant to be sent, so that a consumer in the same process can
//! tell how long it took; only then is the batch copied and its checksum made anew for each request.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use highwater_types::Timestamp;
use highwater_wire::record::{
    BatchBuilder, BatchHeader, CHECKSUM_START, Compression, HEADER_SIZE, Record, Records, crc32c,
};

use crate::client::ClientError;

/// Bytes of a stamp.
pub(super) const STAMP_BYTES: usize = 8;
/// Where the checksum stands in a batch.
const CRC_AT: usize = 17;

/// What a batch is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Bytes of a record's value.
    pub(super) record_bytes: usize,
    /// Records in a batch.
    pub(super) records: usize,
    /// The codec.
    pub(super) codec: Compression,
}

/// A batch ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Prebuilt {
    /// Its bytes.
    pub(super) bytes: Bytes,
    /// Its records.
    pub(super) records: u64,
    /// Bytes of all values: what throughput is counted in, as Kafka's own tools do.
    pub(super) payload_bytes: u64,
    /// Where the stamp goes, if there is to be one.
    stamp_at: Option<usize>,
}

impl Prebuilt {
    /// Builds it. `stamped` batches are not compressed and their records have room for the stamp.
    ///
    /// # Errors
    /// [`ClientError::Usage`] for a batch that cannot be.
    pub(super) fn new(shape: Shape, stamped: bool) -> Result<Self, ClientError> {
        let usage = |message: String| Err(ClientError::Usage(message));
        if shape.records == 0 {
            return usage("a batch needs a record".to_owned());
        }
        if stamped && (shape.codec != Compression::None || shape.record_bytes < STAMP_BYTES) {
            return usage(format!(
                "end-to-end latency needs records of at least {STAMP_BYTES} bytes and no codec"
            ));
        }
        let mut letters = Letters(0x9e37_79b9_7f4a_7c15);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let timestamp = Timestamp(i64::try_from(now).unwrap_or(i64::MAX));
        let mut builder = BatchBuilder::new().compression(shape.codec, None);
        for _ in 0..shape.records {
            let value: Vec<u8> = (0..shape.record_bytes).map(|_| letters.next_letter()).collect();
            builder.push(&Record { timestamp, key: None, value: Some(value.into()), headers: Vec::new() });
        }
        let bytes = builder.build().map_err(|error| ClientError::Usage(error.to_string()))?;
        let stamp_at = if stamped { Some(first_value_at(&bytes, shape.record_bytes)?) } else { None };
        let (records, record_bytes) = (shape.records as u64, shape.record_bytes as u64);
        Ok(Self { bytes, records, payload_bytes: records.saturating_mul(record_bytes), stamp_at })
    }

    /// Where the stamp is in each batch; `None` without.
    pub(super) fn stamp_at(&self) -> Option<usize> {
        self.stamp_at
    }

    /// Copies the batch into `target` with `stamp` in it.
    pub(super) fn stamped(&self, stamp: u64, target: &mut Vec<u8>) {
        target.clear();
        target.extend_from_slice(&self.bytes);
        put(target, self.stamp_at.unwrap_or(usize::MAX), &stamp.to_be_bytes());
        let crc = crc32c(target.get(CHECKSUM_START..).unwrap_or_default());
        put(target, CRC_AT, &crc.to_be_bytes());
    }
}

/// Where the value of the first record begins.
fn first_value_at(batch: &[u8], record_bytes: usize) -> Result<usize, ClientError> {
    let unreadable = || ClientError::Usage("the batch that was built cannot be read".to_owned());
    let header = BatchHeader::parse(batch).map_err(|_| unreadable())?;
    let mut records = Records::new(batch, &header, batch.len() as u64).map_err(|_| unreadable())?;
    let (_, raw) = records.next_record().map_err(|_| unreadable())?.ok_or_else(unreadable)?;
    // Behind the value there is only the count of headers, zero.
    let before = raw.len().checked_sub(record_bytes + 1).ok_or_else(unreadable)?;
    Ok(HEADER_SIZE + before)
}

/// Overwrites what is at `at`; nothing when that is not within.
pub(super) fn put<const N: usize>(target: &mut [u8], at: usize, value: &[u8; N]) {
    if let Some(place) = target.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = *value;
    }
}

/// Capital letters in no order, as `kafka-producer-perf-test` sends them: codecs find little in them.
struct Letters(u64);

impl Letters {
    fn next_letter(&mut self) -> u8 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let [high, ..] = self.0.to_be_bytes();
        b'A' + high % 26
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use highwater_partition_log::{Admission, AdmissionContext, LogConfig, Origin, admit};
    use highwater_wire::record::verify;

    fn shape(record_bytes: usize, records: usize, codec: Compression) -> Shape {
        Shape { record_bytes, records, codec }
    }

    #[test]
    fn batches_of_every_shape_are_whole() {
        for codec in Compression::ALL {
            for (record_bytes, records) in [(0, 1), (1024, 1), (100, 160), (1024, 128)] {
                let batch = Prebuilt::new(shape(record_bytes, records, codec), false).unwrap();
                let header = verify(&batch.bytes).unwrap();
                assert_eq!(u64::from(header.record_count), batch.records);
                assert_eq!(batch.payload_bytes, (record_bytes * records) as u64);
                let config = LogConfig::default();
                let context = AdmissionContext { config: &config, now: header.max_timestamp };
                let admitted = admit(&batch.bytes, Origin::Client, &context);
                assert!(matches!(admitted, Admission::Keep(_)), "{codec:?} {records}: {admitted:?}");
            }
        }
    }

    #[test]
    fn a_stamp_is_the_beginning_of_the_first_value_and_the_batch_stays_whole() {
        for (record_bytes, records) in [(8, 1), (100, 1), (1024, 128)] {
            let batch = Prebuilt::new(shape(record_bytes, records, Compression::None), true).unwrap();
            let mut stamped = Vec::new();
            batch.stamped(0x0102_0304_0506_0708, &mut stamped);
            let header = verify(&stamped).unwrap();
            let mut read = Records::new(&stamped, &header, 1 << 20).unwrap();
            let value = read.next_record().unwrap().unwrap().0.value.unwrap();
            assert_eq!((value.len(), &value[..8]), (record_bytes, &[1, 2, 3, 4, 5, 6, 7, 8][..]));
            assert_eq!(&stamped[batch.stamp_at().unwrap()..][..8], &value[..8]);
        }
    }

    #[test]
    fn a_stamp_needs_room_and_no_codec() {
        assert!(Prebuilt::new(shape(7, 1, Compression::None), true).is_err());
        assert!(Prebuilt::new(shape(100, 1, Compression::Lz4), true).is_err());
        assert!(Prebuilt::new(shape(100, 0, Compression::None), false).is_err());
    }
}
