//! Makes batches: for our own producers (the command line, transaction markers), for recompression and for tests.
//! Records of clients are never rebuilt: recompression takes their bytes as they are.

use std::fmt;
use std::io;

use bytes::Bytes;
use highwater_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

use super::varint::put_varlong;
use super::{
    Attributes, BatchHeader, Compression, EndTxnMarker, HEADER_SIZE, LENGTH_OVERHEAD, Records, RecordsError,
    codec, header,
};

/// A record to be put into a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Milliseconds since 1970, or [`Timestamp::NONE`].
    pub timestamp: Timestamp,
    /// The key; `None` is null.
    pub key: Option<Bytes>,
    /// The value; `None` is null, a tombstone.
    pub value: Option<Bytes>,
    /// Names and values, in order.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

/// Why a batch could not be made.
#[derive(Debug)]
pub enum BuildError {
    /// It would be larger than a length field can say.
    TooLarge,
    /// The codec failed.
    Compression {
        /// Which.
        codec: Compression,
        /// What it said.
        kind: io::ErrorKind,
    },
    /// The batch to be recompressed cannot be read.
    Records(RecordsError),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the batch is larger than its length field can say"),
            Self::Compression { codec, kind } => write!(f, "cannot compress {}: {kind}", codec.name()),
            Self::Records(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BuildError {}

/// Collects records and encodes them as one batch.
///
/// ```
/// use highwater_wire::record::{BatchBuilder, Compression, Record, verify};
///
/// let mut builder = BatchBuilder::new().compression(Compression::Zstd, None);
/// builder.push(&Record { value: Some("hello".into()), ..Record::default() });
/// let batch = builder.build()?;
/// assert_eq!(verify(&batch).map(|header| header.record_count), Ok(1));
/// # Ok::<(), highwater_wire::record::BuildError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    header: BatchHeader,
    compression: Compression,
    level: Option<i32>,
    records: Vec<u8>,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBuilder {
    /// An empty batch as a producer without idempotence sends it.
    pub fn new() -> Self {
        Self {
            header: BatchHeader {
                base_offset: Offset::ZERO,
                batch_length: 0,
                leader_epoch: LeaderEpoch::NONE,
                crc: 0,
                attributes: Attributes::default(),
                last_offset_delta: 0,
                base_timestamp: Timestamp::NONE,
                max_timestamp: Timestamp::NONE,
                producer_id: ProducerId::NONE,
                producer_epoch: ProducerEpoch::NONE,
                base_sequence: Sequence::NONE,
                record_count: 0,
            },
            compression: Compression::None,
            level: None,
            records: Vec::new(),
        }
    }

    /// Sets codec and level: gzip 1 to 9, zstd -131072 to 22; `None` is the codec's default. Others have one level.
    #[must_use]
    pub fn compression(mut self, compression: Compression, level: Option<i32>) -> Self {
        (self.compression, self.level) = (compression, level);
        self
    }

    /// Sets base offset and leader epoch; by default 0 and -1, as producers send them.
    #[must_use]
    pub fn position(mut self, base_offset: Offset, leader_epoch: LeaderEpoch) -> Self {
        (self.header.base_offset, self.header.leader_epoch) = (base_offset, leader_epoch);
        self
    }

    /// Makes it the batch of an idempotent producer.
    #[must_use]
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: Sequence) -> Self {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Makes it part of a transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.header.attributes = self.header.attributes.with_transactional(true);
        self
    }

    /// How many records there are.
    pub fn count(&self) -> u32 {
        self.header.record_count
    }

    /// Bytes of the records so far, before compression.
    pub fn size(&self) -> usize {
        self.records.len()
    }

    /// Adds a record at the next offset. The first one gives the base timestamp.
    pub fn push(&mut self, record: &Record) {
        if self.header.record_count == 0 {
            self.header.base_timestamp = record.timestamp;
        }
        self.header.last_offset_delta = self.header.record_count;
        self.header.record_count = self.header.record_count.saturating_add(1);
        self.header.max_timestamp = self.header.max_timestamp.max(record.timestamp);
        let mut body = vec![0];
        put_varlong(&mut body, record.timestamp.0.wrapping_sub(self.header.base_timestamp.0));
        put_varlong(&mut body, i64::from(self.header.last_offset_delta));
        put_nullable(&mut body, record.key.as_deref());
        put_nullable(&mut body, record.value.as_deref());
        put_length(&mut body, record.headers.len());
        for (key, value) in &record.headers {
            put_nullable(&mut body, Some(key));
            put_nullable(&mut body, value.as_deref());
        }
        put_length(&mut self.records, body.len());
        self.records.append(&mut body);
    }

    /// The batch's bytes.
    ///
    /// # Errors
    /// [`BuildError::TooLarge`], [`BuildError::Compression`].
    pub fn build(self) -> Result<Bytes, BuildError> {
        finish(self.header, self.compression, self.level, &self.records)
    }
}

/// A batch without records that covers the offsets from `base_offset` up to `end`, as compaction leaves one where all
/// records are gone (`DefaultRecordBatch.writeEmptyHeader`); of no producer. `None`: there is no such offset, or more of
/// them than a batch can cover.
pub fn empty_batch(
    base_offset: Offset,
    end: Offset,
    leader_epoch: LeaderEpoch,
    timestamp: Timestamp,
) -> Option<Bytes> {
    let last_offset_delta = i32::try_from(end.0.checked_sub(base_offset.0)?.checked_sub(1)?).ok()?;
    let mut builder = BatchBuilder::new().position(base_offset, leader_epoch);
    builder.header.last_offset_delta = u32::try_from(last_offset_delta).ok()?;
    (builder.header.base_timestamp, builder.header.max_timestamp) = (timestamp, timestamp);
    builder.build().ok()
}

/// A control batch that ends a producer's transaction (`MemoryRecords.withEndTransactionMarker`).
///
/// # Errors
/// None in practice: [`BuildError`] of a batch that is far too small for them.
pub fn end_transaction_batch(
    marker: EndTxnMarker,
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    timestamp: Timestamp,
) -> Result<Bytes, BuildError> {
    let mut builder =
        BatchBuilder::new().producer(producer_id, producer_epoch, Sequence::NONE).transactional();
    builder.header.attributes = builder.header.attributes.with_control(true);
    builder.push(&Record {
        timestamp,
        key: Some(Bytes::copy_from_slice(&marker.key())),
        value: Some(Bytes::copy_from_slice(&marker.value())),
        headers: Vec::new(),
    });
    builder.build()
}

/// The marker of a control batch; `None` when the batch is empty (compacted), malformed or another control record.
pub fn end_transaction_marker(batch: &[u8], header: &BatchHeader) -> Option<EndTxnMarker> {
    let mut records = Records::new(batch, header, CONTROL_LIMIT).ok()?;
    let (record, _) = records.next_record().ok()??;
    EndTxnMarker::parse(record.key?, record.value?)
}

/// Control batches hold one small record, and may be compressed.
const CONTROL_LIMIT: u64 = 64 << 10;

/// The batch with its records in another codec. Records, offsets and timestamps stay as they are; the caller has
/// checked the checksum. `limit` caps the decompressed bytes, all of which are in memory meanwhile; `check` sees each
/// record and stops the work with its own error.
///
/// # Errors
/// `check`'s, or [`BuildError`] turned into the same type.
pub fn recompress<E: From<BuildError>>(
    batch: &[u8],
    header: &BatchHeader,
    (compression, level): (Compression, Option<i32>),
    limit: u64,
    mut check: impl FnMut(&super::RecordView<'_>) -> Result<(), E>,
) -> Result<Bytes, E> {
    let unreadable = |error| E::from(BuildError::Records(error));
    let mut records = Records::new(batch, header, limit).map_err(unreadable)?;
    let mut plain = Vec::new();
    while let Some((record, raw)) = records.next_record().map_err(unreadable)? {
        check(&record)?;
        plain.extend_from_slice(raw);
    }
    Ok(finish(*header, compression, level, &plain)?)
}

/// Compresses, completes the header and seals it.
fn finish(
    mut head: BatchHeader,
    compression: Compression,
    level: Option<i32>,
    plain: &[u8],
) -> Result<Bytes, BuildError> {
    let payload = codec::compress(compression, level, plain)
        .map_err(|error| BuildError::Compression { codec: compression, kind: error.kind() })?;
    let length = payload.len().saturating_add(HEADER_SIZE - LENGTH_OVERHEAD);
    let length = i32::try_from(length).map_err(|_| BuildError::TooLarge)?;
    head.batch_length = length.cast_unsigned();
    head.attributes = head.attributes.with_compression(compression);
    let mut bytes = head.to_bytes();
    header::seal(&mut bytes, &payload);
    let mut batch = Vec::with_capacity(HEADER_SIZE.saturating_add(payload.len()));
    batch.extend_from_slice(&bytes);
    batch.extend_from_slice(&payload);
    Ok(Bytes::from(batch))
}

fn put_nullable(target: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varlong(target, -1),
        Some(bytes) => {
            put_length(target, bytes.len());
            target.extend_from_slice(bytes);
        }
    }
}

/// Lengths above what a batch can hold make the batch fail as a whole in `finish`.
fn put_length(target: &mut Vec<u8>, length: usize) {
    put_varlong(target, i64::try_from(length).unwrap_or(i64::MAX));
}
