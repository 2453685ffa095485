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
    /// A batch as it lies in the log. The 61 header bytes are enough to know everything but the marker of a control batch,
    /// which must be read again whole: without its marker a transaction would stay open. The checksum is not checked.
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

#[cfg(test)]
mod tests {
    use highwater_types::{LeaderEpoch, ProducerEpoch, ProducerId, Sequence};
    use highwater_wire::record::{BatchBuilder, Record, end_transaction_batch};

    use super::*;

    const NOW: i64 = 1_700_000_000_000;
    const HOUR_MS: i64 = 3_600_000;

    fn record(timestamp: i64, key: Option<&'static str>) -> Record {
        let value = Some(Bytes::from(vec![b'v'; 200]));
        Record { timestamp: Timestamp(timestamp), key: key.map(Bytes::from), value, headers: Vec::new() }
    }

    fn batch_of(builder: BatchBuilder, records: &[Record]) -> Bytes {
        let mut builder = builder;
        for record in records {
            builder.push(record);
        }
        builder.build().unwrap()
    }

    fn plain() -> Bytes {
        batch_of(
            BatchBuilder::new(),
            &[record(NOW, Some("a")), record(NOW + 1, None), record(NOW - 1, Some("b"))],
        )
    }

    /// The batch with header bytes replaced and the checksum made anew.
    fn patched(batch: &Bytes, at: usize, value: &[u8]) -> Bytes {
        let mut bytes = batch.to_vec();
        bytes[at..at + value.len()].copy_from_slice(value);
        let crc = highwater_wire::record::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        Bytes::from(bytes)
    }

    fn admit_with(config: &LogConfig, records: &Bytes) -> Admission {
        admit(records, Origin::Client, &AdmissionContext { config, now: Timestamp(NOW) })
    }

    fn refusal(config: &LogConfig, records: &Bytes) -> Refusal {
        match admit_with(config, records) {
            Admission::Refuse(refusal) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    fn invalid_record(config: &LogConfig, records: &Bytes) -> String {
        match refusal(config, records) {
            Refusal::InvalidRecord { message, .. } => message,
            other => panic!("another refusal: {other:?}"),
        }
    }

    fn rewritten(config: &LogConfig, records: &Bytes) -> (Bytes, AdmittedBatch) {
        match admit_with(config, records) {
            Admission::Rewrite(bytes, batch) => {
                assert_eq!(verify(&bytes), Ok(batch.header));
                (bytes, batch)
            }
            other => panic!("not rewritten: {other:?}"),
        }
    }

    fn values(batch: &[u8]) -> Vec<(i64, Option<Vec<u8>>)> {
        let header = verify(batch).unwrap();
        let mut records = Records::new(batch, &header, u64::MAX).unwrap();
        let mut values = Vec::new();
        while let Some((record, _)) = records.next_record().unwrap() {
            values.push((header.base_timestamp.0 + record.timestamp_delta, record.key.map(<[u8]>::to_vec)));
        }
        values
    }

    #[test]
    fn a_good_batch_is_kept_as_it_came() {
        let config = LogConfig::default();
        for codec in Compression::ALL {
            let batch = batch_of(BatchBuilder::new().compression(codec, None), &[record(NOW, None)]);
            let header = verify(&batch).unwrap();
            let kept = AdmittedBatch { header, marker: None, log_append_time: Timestamp::NONE };
            assert_eq!(admit_with(&config, &batch), Admission::Keep(kept), "{codec:?}");
            assert_eq!(requires_produce_v7(&batch), codec == Compression::Zstd);
        }
    }

    #[test]
    fn anything_but_exactly_one_batch_is_an_invalid_record() {
        let config = LogConfig::default();
        let one = plain();
        for end in 0..one.len() {
            let message = invalid_record(&config, &one.slice(..end));
            assert_eq!(
                message, "Produce requests must have at least one record batch per partition",
                "{end}"
            );
        }
        let two = Bytes::from([one.clone(), one.clone()].concat());
        assert!(invalid_record(&config, &two).contains("exactly one record batch"));
        let trailing = Bytes::from([&one[..], &[0]].concat());
        assert!(invalid_record(&config, &trailing).contains("exactly one record batch"));
    }

    #[test]
    fn old_formats_are_invalid_and_unknown_ones_corrupt() {
        let config = LogConfig::default();
        for magic in [0, 1] {
            assert!(invalid_record(&config, &patched(&plain(), 16, &[magic])).contains("magic version 2"));
        }
        assert!(matches!(refusal(&config, &patched(&plain(), 16, &[3])), Refusal::Corrupt(_)));
        assert!(matches!(refusal(&config, &patched(&plain(), 8, &[0, 0, 0, 9])), Refusal::Corrupt(_)));
    }

    #[test]
    fn a_flipped_bit_under_the_checksum_is_corrupt() {
        let config = LogConfig::default();
        let good = plain();
        for bit in 17 * 8..good.len() * 8 {
            let mut bytes = good.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(refusal(&config, &Bytes::from(bytes)), Refusal::Corrupt(_)), "bit {bit}");
        }
    }

    #[test]
    fn a_batch_over_the_limit_is_too_large_and_one_at_it_is_not() {
        let batch = plain();
        let size = batch.len() as u64;
        let config = LogConfig { max_message_bytes: size, ..LogConfig::default() };
        assert!(matches!(admit_with(&config, &batch), Admission::Keep(_)));
        let config = LogConfig { max_message_bytes: size - 1, ..LogConfig::default() };
        assert_eq!(refusal(&config, &batch), Refusal::TooLarge { size, limit: size - 1 });
    }

    #[test]
    fn counts_that_contradict_the_offsets_are_invalid() {
        let config = LogConfig::default();
        let message = invalid_record(&config, &patched(&plain(), 57, &4i32.to_be_bytes()));
        assert_eq!(message, "Inconsistent batch offset range [0, 2] and count of records 4");
        let message = invalid_record(&config, &patched(&plain(), 57, &0i32.to_be_bytes()));
        assert_eq!(message, "Invalid reported count for record batch: 0");
        let message = invalid_record(&config, &patched(&plain(), 57, &(-1i32).to_be_bytes()));
        assert_eq!(message, "Invalid reported count for record batch: -1");
        let message = invalid_record(&config, &patched(&plain(), 23, &(-1i32).to_be_bytes()));
        assert_eq!(message, "Batch has an invalid offset range: [0, -1]");
    }

    #[test]
    fn a_client_begins_at_offset_zero_and_an_import_where_it_was() {
        let config = LogConfig::default();
        let batch = batch_of(BatchBuilder::new().position(Offset(5), LeaderEpoch(3)), &[record(NOW, None)]);
        let expected = "The baseOffset of the record batch should be 0, but it is 5";
        assert_eq!(invalid_record(&config, &batch), expected);
        let context = AdmissionContext { config: &config, now: Timestamp(NOW) };
        let Admission::Keep(kept) = admit(&batch, Origin::Import, &context) else { panic!("not kept") };
        assert_eq!((kept.header.base_offset, kept.header.leader_epoch), (Offset(5), LeaderEpoch(3)));
    }

    #[test]
    fn control_batches_come_from_coordinators_only_and_their_marker_is_read() {
        let config = LogConfig { compact: true, max_message_bytes: 1000, ..LogConfig::default() };
        let marker = EndTxnMarker { committed: true, coordinator_epoch: 4 };
        let batch = end_transaction_batch(marker, ProducerId(1), ProducerEpoch(2), Timestamp(5)).unwrap();
        assert_eq!(invalid_record(&config, &batch), "Clients are not allowed to write control records");
        let context = AdmissionContext { config: &config, now: Timestamp(NOW) };
        for origin in [Origin::Coordinator, Origin::Import] {
            let Admission::Keep(kept) = admit(&batch, origin, &context) else { panic!("not kept") };
            assert_eq!(kept.marker, Some(marker));
            assert!(kept.header.attributes.is_transactional());
        }
        assert_eq!(AdmittedBatch::read(&batch).map(|batch| batch.marker), Ok(Some(marker)));
        assert_eq!(AdmittedBatch::read(&batch[..HEADER_SIZE]).map(|batch| batch.marker), Ok(None));
        assert_eq!(AdmittedBatch::read(&plain()[..HEADER_SIZE]), AdmittedBatch::read(&plain()));
    }

    #[test]
    fn a_producer_id_needs_a_sequence() {
        let config = LogConfig::default();
        let builder = BatchBuilder::new().producer(ProducerId(3), ProducerEpoch(0), Sequence::NONE);
        let message = invalid_record(&config, &batch_of(builder, &[record(NOW, None)]));
        assert_eq!(message, "Invalid sequence number -1 in record batch with producerId 3");
    }

    #[test]
    fn an_unknown_codec_is_unsupported() {
        let refused = refusal(&LogConfig::default(), &patched(&plain(), 21, &[0, 5]));
        assert_eq!(refused, Refusal::UnsupportedCompression("Unknown compression type id: 5".into()));
    }

    #[test]
    fn records_too_far_ahead_are_named() {
        let config = LogConfig::default();
        let late = [record(NOW, None), record(NOW + HOUR_MS + 1, None), record(NOW + HOUR_MS, None)];
        let expected = Refusal::InvalidTimestamp {
            message: "One or more records have been rejected due to invalid timestamp".into(),
            records: vec![(
                1,
                format!(
                    "Timestamp {} of message with offset 1 is out of range. The timestamp should be within [{}, {}]",
                    NOW + HOUR_MS + 1,
                    NOW.wrapping_sub(i64::MAX),
                    NOW + HOUR_MS
                ),
            )],
        };
        for codec in Compression::ALL {
            let batch = batch_of(BatchBuilder::new().compression(codec, None), &late);
            assert_eq!(refusal(&config, &batch), expected, "{codec:?}");
        }
        let unlimited = LogConfig { timestamp_after_max_ms: None, ..LogConfig::default() };
        assert!(matches!(admit_with(&unlimited, &batch_of(BatchBuilder::new(), &late)), Admission::Keep(_)));
    }

    #[test]
    fn records_too_old_are_named_and_records_without_a_time_are_not() {
        let config = LogConfig { timestamp_before_max_ms: Some(10), ..LogConfig::default() };
        let batch = batch_of(BatchBuilder::new(), &[record(NOW - 10, None), record(NOW - 11, None)]);
        let Refusal::InvalidTimestamp { records, .. } = refusal(&config, &batch) else { panic!("another") };
        assert_eq!(records.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1]);
        let timeless = batch_of(BatchBuilder::new(), &[record(-1, None)]);
        assert!(matches!(admit_with(&config, &timeless), Admission::Keep(_)));
    }

    #[test]
    fn a_wrong_max_timestamp_is_put_right_when_the_records_are_read() {
        let config = LogConfig { compact: true, ..LogConfig::default() };
        let good = batch_of(BatchBuilder::new(), &[record(NOW, Some("k")), record(NOW + 7, Some("k"))]);
        for wrong in [NOW, NOW + 100, NOW + HOUR_MS * 2] {
            let (bytes, batch) = rewritten(&config, &patched(&good, 35, &wrong.to_be_bytes()));
            assert_eq!(batch.header.max_timestamp, Timestamp(NOW + 7));
            assert_eq!(bytes, good);
        }
    }

    #[test]
    fn compacted_topics_need_keys_and_every_record_without_one_is_named() {
        let config = LogConfig { compact: true, ..LogConfig::default() };
        let keyed = [record(NOW, Some("a")), record(NOW, Some(""))];
        for codec in Compression::ALL {
            let builder = || BatchBuilder::new().compression(codec, None);
            assert!(matches!(admit_with(&config, &batch_of(builder(), &keyed)), Admission::Keep(_)));
            let mixed = [record(NOW, None), record(NOW, Some("a")), record(NOW, None)];
            let Refusal::InvalidRecord { message, records } = refusal(&config, &batch_of(builder(), &mixed))
            else {
                panic!("another refusal")
            };
            let text = "Compacted topic cannot accept message without key";
            assert_eq!(records, [(0, text.to_string()), (2, text.to_string())], "{codec:?}");
            assert_eq!(
                message,
                format!(
                    "One or more records have been rejected due to 2 record errors in total, and only showing the first \
                     three errors at most: [RecordError(batchIndex=0, message='{text}'), RecordError(batchIndex=2, \
                     message='{text}')]"
                )
            );
        }
    }

    #[test]
    fn a_batch_of_bad_records_is_answered_in_bounded_memory() {
        let config = LogConfig { compact: true, ..LogConfig::default() };
        let empty = Record { timestamp: Timestamp(NOW), ..Record::default() };
        let records = vec![empty; RECORD_ERRORS_MAX + 500];
        let Refusal::InvalidRecord { message, records } =
            refusal(&config, &batch_of(BatchBuilder::new().compression(Compression::Zstd, None), &records))
        else {
            panic!("another refusal")
        };
        assert_eq!(records.len(), RECORD_ERRORS_MAX);
        assert!(message.contains("due to 1500 record errors"), "{message}");
    }

    #[test]
    fn log_append_time_replaces_the_time_under_a_new_checksum() {
        let config = LogConfig { timestamp_type: TimestampType::LogAppendTime, ..LogConfig::default() };
        let far_ahead = batch_of(BatchBuilder::new(), &[record(NOW + 9 * HOUR_MS, None), record(5, None)]);
        let (bytes, batch) = rewritten(&config, &far_ahead);
        assert_eq!(batch.log_append_time, Timestamp(NOW));
        assert_eq!(batch.header.max_timestamp, Timestamp(NOW));
        assert_eq!(batch.header.attributes.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!(bytes[HEADER_SIZE..], far_ahead[HEADER_SIZE..]);
        let mut damaged = far_ahead.to_vec();
        damaged[HEADER_SIZE] ^= 1;
        assert!(
            matches!(refusal(&config, &Bytes::from(damaged)), Refusal::Corrupt(_)),
            "the old checksum counts"
        );
    }

    #[test]
    fn a_producer_must_not_stamp_for_the_broker() {
        let by_broker = patched(&plain(), 21, &[0, 8]);
        let append_time = LogConfig { timestamp_type: TimestampType::LogAppendTime, ..LogConfig::default() };
        assert!(matches!(refusal(&append_time, &by_broker), Refusal::InvalidTimestamp { .. }));
        let create_time = LogConfig::default();
        let (bytes, batch) = rewritten(&create_time, &by_broker);
        assert_eq!(batch.log_append_time, Timestamp::NONE);
        assert_eq!(bytes, plain(), "the bit is taken off");
        let timeless = patched(&by_broker, 35, &(-1i64).to_be_bytes());
        assert!(matches!(refusal(&create_time, &timeless), Refusal::InvalidTimestamp { .. }));
    }

    #[test]
    fn another_codec_is_recompressed_to_the_topics_and_the_same_is_kept() {
        let builder =
            || BatchBuilder::new().producer(ProducerId(3), ProducerEpoch(1), Sequence(8)).transactional();
        let records = [record(NOW, Some("a")), record(NOW + 1, None), record(NOW - 1, Some("b"))];
        for from in Compression::ALL {
            let batch = batch_of(builder().compression(from, None), &records);
            for to in Compression::ALL {
                let compression = TopicCompression::Codec(to, None);
                let config = LogConfig { compression, ..LogConfig::default() };
                if from == to {
                    assert!(matches!(admit_with(&config, &batch), Admission::Keep(_)));
                    continue;
                }
                let (bytes, admitted) = rewritten(&config, &batch);
                assert_eq!(values(&bytes), values(&batch), "{from:?} to {to:?}");
                assert_eq!(admitted.header.attributes.compression(), Some(to));
                let before = verify(&batch).unwrap();
                let same = BatchHeader {
                    crc: before.crc,
                    batch_length: before.batch_length,
                    attributes: admitted.header.attributes.with_compression(from),
                    ..admitted.header
                };
                assert_eq!(same, before);
            }
        }
    }

    #[test]
    fn a_batch_that_recompression_makes_too_large_is_refused() {
        let batch = batch_of(BatchBuilder::new().compression(Compression::Gzip, None), &[record(NOW, None)]);
        let config = LogConfig {
            compression: TopicCompression::Codec(Compression::None, None),
            max_message_bytes: batch.len() as u64,
            ..LogConfig::default()
        };
        assert!(matches!(refusal(&config, &batch), Refusal::TooLarge { .. }));
    }

    #[test]
    fn records_that_contradict_the_header_are_invalid_where_they_are_read() {
        let config = LogConfig { compact: true, ..LogConfig::default() };
        let keyed = batch_of(BatchBuilder::new(), &[record(NOW, Some("a")), record(NOW, Some("b"))]);
        let more = patched(&patched(&keyed, 57, &3i32.to_be_bytes()), 23, &2i32.to_be_bytes());
        assert!(invalid_record(&config, &more).contains("2 records where the batch states 3"));
        let fewer = patched(&patched(&keyed, 57, &1i32.to_be_bytes()), 23, &0i32.to_be_bytes());
        assert!(invalid_record(&config, &fewer).contains("bytes after the last of 1 records"));
        // length (2 bytes), attributes, timestamp delta, then the offset delta of the first record.
        let jump = patched(&keyed, HEADER_SIZE + 4, &[2]);
        assert_eq!(invalid_record(&config, &jump), "Record 0 of the batch has offset delta 1");
        let other_codec = patched(&keyed, 21, &[0, 1]);
        assert!(invalid_record(&config, &other_codec).contains("cannot decompress gzip"));
        let unread = LogConfig::default();
        assert!(matches!(admit_with(&unread, &jump), Admission::Keep(_)), "level 1 does not look");
    }

    #[test]
    fn hostile_bytes_never_panic() {
        let seed = 0x5eed_ad31_u64;
        let mut random = seed;
        let config = LogConfig {
            compact: true,
            compression: TopicCompression::Codec(Compression::Lz4, None),
            ..LogConfig::default()
        };
        let context = AdmissionContext { config: &config, now: Timestamp(NOW) };
        for round in 0..4000u32 {
            let codec = Compression::ALL[round as usize % 5];
            let mut bytes =
                batch_of(BatchBuilder::new().compression(codec, None), &[record(NOW, Some("key"))]).to_vec();
            for _ in 0..1 + round % 4 {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let bit = usize::try_from(random >> 33).unwrap() % ((bytes.len() - 21) * 8);
                bytes[21 + bit / 8] ^= 1 << (bit % 8);
            }
            let batch = patched(&Bytes::from(bytes), 21, &[0, codec.code()]);
            for origin in [Origin::Client, Origin::Coordinator, Origin::Import] {
                let admission = admit(&batch, origin, &context);
                if let Admission::Rewrite(bytes, _) = admission {
                    assert!(verify(&bytes).is_ok(), "seed {seed} round {round}");
                }
            }
        }
    }
}
