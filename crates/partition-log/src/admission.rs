//! Decides whether a batch may enter the log, and in which bytes. Pure: bytes, settings and time in, decision out.
//!
//! Level 1, always, on header and checksum alone: exactly one batch, format 2, checksum, size, counts, no control batch
//! from a client, a sequence where there is a producer id, timestamp not too far ahead. The max timestamp is believed.
//!
//! Level 2, a streaming decode with capped output, only where needed: a compacted topic (every record needs a key),
//! `message.timestamp.before.max.ms` set, another codec wanted, or a max timestamp that level 1 would refuse (to name
//! the records). Then counts and offset deltas are checked too, and a wrong max timestamp is put right, as
//! `LogValidator` does. Under LogAppendTime only the header is rewritten.
//!
//! Not here: sequences and epochs of producers (`producer_state`), which request version may carry zstd
//! ([`requires_produce_v7`] tells), who may write.

use bytes::Bytes;
use highwater_types::{Offset, Timestamp};
use highwater_wire::record::{
    BatchError, BatchHeader, BuildError, Compression, EndTxnMarker, HEADER_SIZE, RecordView, Records,
    RecordsError, default_output_limit, end_transaction_marker, patch_timestamp, recompress, verify,
};

use crate::{LogConfig, Origin, Refusal, TimestampType, TopicCompression};

/// Bad records that are named in an answer; more are only counted.
const RECORD_ERRORS_MAX: usize = 1000;
/// Bad records that are shown in the message, as in Kafka.
const RECORD_ERRORS_SHOWN: usize = 3;

/// What admission depends on besides the batch.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionContext<'a> {
    /// The log's settings.
    pub config: &'a LogConfig,
    /// The broker's wall clock.
    pub now: Timestamp,
}

/// What the log needs to know of an admitted batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmittedBatch {
    /// Its header; offset and leader epoch are as sent.
    pub header: BatchHeader,
    /// The marker in a control batch; `None` in others, and in control batches that are empty or no marker.
    pub marker: Option<EndTxnMarker>,
    /// The timestamp that the broker gave it under LogAppendTime, else [`Timestamp::NONE`].
    pub log_append_time: Timestamp,
}

impl AdmittedBatch {
    /// A batch as it lies in the log. Of one that is no control batch, the 61 header bytes are enough. The checksum is not
    /// checked.
    ///
    /// # Errors
    /// As [`BatchHeader::parse`].
    pub fn read(batch: &[u8]) -> Result<Self, BatchError> {
        Ok(Self::new(batch, BatchHeader::parse(batch)?, Timestamp::NONE))
    }

    fn new(batch: &[u8], header: BatchHeader, log_append_time: Timestamp) -> Self {
        let control = header.attributes.is_control();
        let marker = if control { end_transaction_marker(batch, &header) } else { None };
        Self { header, marker, log_append_time }
    }
}

/// What becomes of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It is stored in the bytes that came.
    Keep(AdmittedBatch),
    /// It is stored in these bytes instead.
    Rewrite(Bytes, AdmittedBatch),
    /// It is not stored.
    Refuse(Refusal),
}

/// Decides about the records of one partition. See the module.
pub fn admit(records: &Bytes, origin: Origin, context: &AdmissionContext<'_>) -> Admission {
    decide(records, origin, context).unwrap_or_else(Admission::Refuse)
}

/// Whether the records may only come in Produce requests of version 7 or later (zstd, KIP-110).
pub fn requires_produce_v7(records: &[u8]) -> bool {
    BatchHeader::parse(records).is_ok_and(|header| header.attributes.compression() == Some(Compression::Zstd))
}

fn decide(records: &Bytes, origin: Origin, context: &AdmissionContext<'_>) -> Result<Admission, Refusal> {
    let header = check_envelope(records, origin, context.config.max_message_bytes)?;
    let Some(codec) = header.attributes.compression() else {
        let code = header.attributes.codec();
        return Err(Refusal::UnsupportedCompression(format!("Unknown compression type id: {code}")));
    };
    if origin == Origin::Import || header.attributes.is_control() && origin == Origin::Coordinator {
        return Ok(Admission::Keep(AdmittedBatch::new(records, header, Timestamp::NONE)));
    }
    if origin == Origin::Client {
        check_client(&header)?;
    }
    check_timestamp_type(&header, context)?;
    let wanted = match context.config.compression {
        TopicCompression::Codec(wanted, level) if wanted != codec => Some((wanted, level)),
        _ => None,
    };
    let mut max_timestamp = header.max_timestamp;
    let mut recompressed = None;
    if wanted.is_some() || needs_records(&header, context) {
        let mut walk = Walk::new(&header, context);
        match wanted {
            Some(target) => recompressed = Some(walk.recompress(records, target)?),
            None => walk.read(records)?,
        }
        max_timestamp = walk.finish()?;
    }
    if context.config.timestamp_type == TimestampType::LogAppendTime {
        max_timestamp = context.now;
    }
    rewrite(records, recompressed, header, max_timestamp, context.config)
}

/// Puts timestamp type and max timestamp right where they differ, and says which bytes are stored.
fn rewrite(
    records: &Bytes,
    recompressed: Option<Bytes>,
    header: BatchHeader,
    max_timestamp: Timestamp,
    config: &LogConfig,
) -> Result<Admission, Refusal> {
    let wanted = config.timestamp_type;
    let log_append_time =
        if wanted == TimestampType::LogAppendTime { max_timestamp } else { Timestamp::NONE };
    let as_stored = header.attributes.timestamp_type() == wanted && header.max_timestamp == max_timestamp;
    if as_stored && recompressed.is_none() {
        return Ok(Admission::Keep(AdmittedBatch { header, marker: None, log_append_time }));
    }
    let mut bytes = recompressed.unwrap_or_else(|| records.clone());
    if !as_stored {
        bytes = with_timestamp(&bytes, wanted, max_timestamp);
    }
    check_size(bytes.len() as u64, config.max_message_bytes)?;
    let header = BatchHeader::parse(&bytes).map_err(refuse_envelope)?;
    Ok(Admission::Rewrite(bytes, AdmittedBatch { header, marker: None, log_append_time }))
}

fn with_timestamp(batch: &Bytes, timestamp_type: TimestampType, max_timestamp: Timestamp) -> Bytes {
    let Some((head, payload)) = batch.split_first_chunk::<HEADER_SIZE>() else { return batch.clone() };
    let mut head = *head;
    patch_timestamp(&mut head, timestamp_type, max_timestamp, payload);
    let mut bytes = Vec::with_capacity(batch.len());
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(payload);
    Bytes::from(bytes)
}

/// Exactly one whole batch, of a size that is allowed, with a good checksum.
fn check_envelope(records: &Bytes, origin: Origin, size_limit: u64) -> Result<BatchHeader, Refusal> {
    let header = match BatchHeader::parse(records) {
        // The checksum decides whether an impossible number is damage or the client's mistake.
        Err(BatchError::Count { .. } | BatchError::OffsetRange { .. }) => verify(records),
        parsed => parsed,
    }
    .map_err(refuse_envelope)?;
    let (size, available) = (header.size(), records.len() as u64);
    if size > available {
        return Err(refuse_envelope(BatchError::Truncated { size: available, needed: size }));
    }
    if size < available {
        return Err(invalid(
            "Produce requests are only allowed to contain exactly one record batch per partition",
        ));
    }
    if origin == Origin::Client && header.base_offset != Offset::ZERO {
        return Err(refuse_base_offset(header.base_offset.0));
    }
    if origin != Origin::Import {
        check_size(size, size_limit)?;
    }
    verify(records).map_err(refuse_envelope)
}

fn check_size(size: u64, limit: u64) -> Result<(), Refusal> {
    if size > limit { Err(Refusal::TooLarge { size, limit }) } else { Ok(()) }
}

/// What only a client must keep to.
fn check_client(header: &BatchHeader) -> Result<(), Refusal> {
    let count = header.record_count;
    if count == 0 {
        return Err(invalid("Invalid reported count for record batch: 0"));
    }
    if u64::from(count) != u64::from(header.last_offset_delta) + 1 {
        return Err(invalid(&format!(
            "Inconsistent batch offset range [{}, {}] and count of records {count}",
            header.base_offset,
            header.last_offset()
        )));
    }
    if header.attributes.is_control() {
        return Err(invalid("Clients are not allowed to write control records"));
    }
    if header.has_producer_id() && header.base_sequence.0 < 0 {
        return Err(invalid(&format!(
            "Invalid sequence number {} in record batch with producerId {}",
            header.base_sequence, header.producer_id
        )));
    }
    Ok(())
}

/// A producer must not say that the broker stamped its records: refused under LogAppendTime, and under CreateTime where
/// no time can be taken from it.
fn check_timestamp_type(header: &BatchHeader, context: &AdmissionContext<'_>) -> Result<(), Refusal> {
    let create_time = context.config.timestamp_type == TimestampType::CreateTime;
    let by_broker = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
    if !by_broker || (create_time && header.max_timestamp != Timestamp::NONE) {
        return Ok(());
    }
    let message =
        "Invalid timestamp type in message. Producer should not set timestamp type to LogAppendTime.";
    Err(Refusal::InvalidTimestamp { message: message.into(), records: Vec::new() })
}

/// Whether level 1 is not enough (another codec aside).
fn needs_records(header: &BatchHeader, context: &AdmissionContext<'_>) -> bool {
    let config = context.config;
    let create_time = config.timestamp_type == TimestampType::CreateTime;
    config.compact
        || create_time
            && (config.timestamp_before_max_ms.is_some() || !in_range(header.max_timestamp, context))
}

/// Whether a producer's timestamp is near enough to the broker's clock. None at all always is.
fn in_range(timestamp: Timestamp, context: &AdmissionContext<'_>) -> bool {
    let age_ms = context.now.0.saturating_sub(timestamp.0);
    let limit = if age_ms > 0 {
        context.config.timestamp_before_max_ms
    } else {
        context.config.timestamp_after_max_ms
    };
    timestamp == Timestamp::NONE || limit.is_none_or(|limit| age_ms.unsigned_abs() <= limit)
}

/// Looks at each record and collects what is wrong with them.
struct Walk<'a> {
    header: &'a BatchHeader,
    context: &'a AdmissionContext<'a>,
    index: u32,
    max_timestamp: Timestamp,
    errors: Vec<(i32, String)>,
    error_count: u32,
    bad_timestamp: bool,
}

impl<'a> Walk<'a> {
    fn new(header: &'a BatchHeader, context: &'a AdmissionContext<'a>) -> Self {
        Self {
            header,
            context,
            index: 0,
            max_timestamp: Timestamp::NONE,
            errors: Vec::new(),
            error_count: 0,
            bad_timestamp: false,
        }
    }

    fn read(&mut self, batch: &[u8]) -> Result<(), Refusal> {
        let limit = default_output_limit(self.header.size());
        let mut records = Records::new(batch, self.header, limit).map_err(refuse_records)?;
        while let Some((record, _)) = records.next_record().map_err(refuse_records)? {
            self.see(&record)?;
        }
        Ok(())
    }

    fn recompress(&mut self, batch: &[u8], target: (Compression, Option<i32>)) -> Result<Bytes, Refusal> {
        let limit = default_output_limit(self.header.size());
        recompress(batch, self.header, target, limit, |record| self.see(record))
    }

    fn see(&mut self, record: &RecordView<'_>) -> Result<(), Refusal> {
        let (index, config) = (self.index, self.context.config);
        self.index += 1;
        if record.offset_delta != index {
            return Err(invalid(&format!(
                "Record {index} of the batch has offset delta {}",
                record.offset_delta
            )));
        }
        let timestamp = self.timestamp(record);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        if config.compact && record.key.is_none() {
            self.error(index, || "Compacted topic cannot accept message without key".into());
        } else if config.timestamp_type == TimestampType::CreateTime && !in_range(timestamp, self.context) {
            self.bad_timestamp = true;
            let range = self.range();
            self.error(index, || {
                format!(
                    "Timestamp {timestamp} of message with offset {index} is out of range. The timestamp should be \
                     within {range}"
                )
            });
        }
        Ok(())
    }

    fn timestamp(&self, record: &RecordView<'_>) -> Timestamp {
        match self.header.attributes.timestamp_type() {
            TimestampType::LogAppendTime => self.header.max_timestamp,
            TimestampType::CreateTime => {
                Timestamp(self.header.base_timestamp.0.wrapping_add(record.timestamp_delta))
            }
        }
    }

    /// The allowed timestamps in Kafka's words; no bound is `Long.MAX_VALUE` there, and its sums wrap.
    fn range(&self) -> String {
        let bound = |limit: Option<u64>| limit.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(i64::MAX);
        let (now, config) = (self.context.now.0, self.context.config);
        let from = now.wrapping_sub(bound(config.timestamp_before_max_ms));
        let to = now.wrapping_add(bound(config.timestamp_after_max_ms));
        format!("[{from}, {to}]")
    }

    fn error(&mut self, index: u32, message: impl FnOnce() -> String) {
        self.error_count += 1;
        if self.errors.len() < RECORD_ERRORS_MAX {
            self.errors.push((i32::try_from(index).unwrap_or(i32::MAX), message()));
        }
    }

    /// The largest timestamp, or a refusal in Kafka's words that names the bad records.
    fn finish(self) -> Result<Timestamp, Refusal> {
        if self.error_count == 0 {
            return Ok(self.max_timestamp);
        }
        if self.bad_timestamp {
            let message = "One or more records have been rejected due to invalid timestamp".into();
            return Err(Refusal::InvalidTimestamp { message, records: self.errors });
        }
        let shown: Vec<String> = self
            .errors
            .iter()
            .take(RECORD_ERRORS_SHOWN)
            .map(|(index, message)| format!("RecordError(batchIndex={index}, message='{message}')"))
            .collect();
        let message = format!(
            "One or more records have been rejected due to {} record errors in total, and only showing the first \
             three errors at most: [{}]",
            self.error_count,
            shown.join(", ")
        );
        Err(Refusal::InvalidRecord { message, records: self.errors })
    }
}

impl From<BuildError> for Refusal {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Records(error) => refuse_records(error),
            BuildError::TooLarge | BuildError::Compression { .. } => invalid(&error.to_string()),
        }
    }
}

fn invalid(message: &str) -> Refusal {
    Refusal::InvalidRecord { message: message.into(), records: Vec::new() }
}

fn refuse_base_offset(base_offset: i64) -> Refusal {
    invalid(&format!("The baseOffset of the record batch should be 0, but it is {base_offset}"))
}

fn refuse_envelope(error: BatchError) -> Refusal {
    match error {
        // Kafka's reader finds no batch in bytes that end before it does.
        BatchError::Truncated { .. } => {
            invalid("Produce requests must have at least one record batch per partition")
        }
        BatchError::OldMagic { .. } => {
            invalid("Produce requests are only allowed to contain record batches with magic version 2")
        }
        BatchError::OffsetRange { base_offset, .. } if base_offset != 0 => refuse_base_offset(base_offset),
        BatchError::OffsetRange { last_offset_delta, .. } => {
            invalid(&format!("Batch has an invalid offset range: [0, {last_offset_delta}]"))
        }
        BatchError::Count { count } => invalid(&format!("Invalid reported count for record batch: {count}")),
        BatchError::UnknownMagic { magic } => {
            Refusal::Corrupt(format!("Invalid magic found in record: {magic}"))
        }
        BatchError::Checksum { stored, computed } => {
            Refusal::Corrupt(format!("Record is corrupt (stored crc = {stored}, computed crc = {computed})"))
        }
        BatchError::Length { .. } => Refusal::Corrupt(error.to_string()),
    }
}

/// The checksum was good, so the client made the records as they are: sending them again is of no use.
fn refuse_records(error: RecordsError) -> Refusal {
    match error {
        RecordsError::UnknownCodec { .. } => Refusal::UnsupportedCompression(error.to_string()),
        _ => invalid(&format!("The records of the batch cannot be read: {error}")),
    }
}
