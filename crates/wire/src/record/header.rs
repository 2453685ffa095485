//! The header of a record batch, format 2 (`DefaultRecordBatch`): parsed, checked and patched without touching the
//! records. All numbers are big-endian.
//!
//! | at | field | type | |
//! |---|---|---|---|
//! | 0 | base_offset | i64 | offset of the first record; outside the checksum |
//! | 8 | batch_length | i32 | bytes that follow this field; outside the checksum |
//! | 12 | partition_leader_epoch | i32 | outside the checksum |
//! | 16 | magic | i8 | 2; in formats 0 and 1 it is at the same place |
//! | 17 | crc | u32 | CRC-32C of everything from `attributes` to the end |
//! | 21 | attributes | i16 | bits 0-2 codec, 3 LogAppendTime, 4 transactional, 5 control, 6 delete horizon |
//! | 23 | last_offset_delta | i32 | last offset minus base offset, also after compaction removed that record |
//! | 27 | base_timestamp | i64 | what timestamp deltas are added to; the delete horizon if bit 6 is set |
//! | 35 | max_timestamp | i64 | largest timestamp; the append time if bit 3 is set |
//! | 43 | producer_id | i64 | -1: not idempotent |
//! | 51 | producer_epoch | i16 | |
//! | 53 | base_sequence | i32 | sequence of the first record; -1: none |
//! | 57 | records_count | i32 | records that are there; less than offsets after compaction |
//! | 61 | records | | one compressed block, or records back to back |
//!
//! Checked by [`BatchHeader::parse`]: format, length, that offsets and count are no impossible numbers. Not checked
//! here: what only a client must keep to (admission does), and the checksum (see [`verify`]).

use highwater_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

use super::{BatchError, Compression, TimestampType, crc32c};

/// Size of the header in bytes; the records follow.
pub const HEADER_SIZE: usize = 61;
/// Bytes before the part that `batch_length` counts.
pub const LENGTH_OVERHEAD: usize = 12;
/// Bytes that must be there to tell the format.
const MAGIC_END: usize = 17;
/// First byte that the checksum covers.
pub const CHECKSUM_START: usize = 21;
/// `batch_length` of a batch without records.
const LENGTH_MIN: u32 = 49;
const MAGIC: i8 = 2;

const CODEC_MASK: u16 = 0b111;
const LOG_APPEND_TIME: u16 = 1 << 3;
const TRANSACTIONAL: u16 = 1 << 4;
const CONTROL: u16 = 1 << 5;
const DELETE_HORIZON: u16 = 1 << 6;

/// The attribute bits of a batch. Unknown bits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Attributes(pub u16);

impl Attributes {
    /// The codec number, 0 to 7; only 0 to 4 are codecs.
    pub fn codec(self) -> u8 {
        u8::try_from(self.0 & CODEC_MASK).unwrap_or(0)
    }

    /// The codec; `None` for the numbers 5 to 7.
    pub fn compression(self) -> Option<Compression> {
        Compression::from_code(self.codec())
    }

    /// Who stamped the records.
    pub fn timestamp_type(self) -> TimestampType {
        if self.0 & LOG_APPEND_TIME == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(self) -> bool {
        self.0 & TRANSACTIONAL != 0
    }

    /// Whether its records are markers for the machinery, never shown to consumers.
    pub fn is_control(self) -> bool {
        self.0 & CONTROL != 0
    }

    /// Whether `base_timestamp` is the time from which tombstones may go (set by compaction only).
    pub fn has_delete_horizon(self) -> bool {
        self.0 & DELETE_HORIZON != 0
    }

    /// The same with another codec.
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Self {
        Self((self.0 & !CODEC_MASK) | u16::from(compression.code()))
    }

    /// The same with another timestamp type.
    #[must_use]
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        self.with(LOG_APPEND_TIME, timestamp_type == TimestampType::LogAppendTime)
    }

    /// The same with the transactional bit as given.
    #[must_use]
    pub fn with_transactional(self, on: bool) -> Self {
        self.with(TRANSACTIONAL, on)
    }

    /// The same with the control bit as given.
    #[must_use]
    pub fn with_control(self, on: bool) -> Self {
        self.with(CONTROL, on)
    }

    fn with(self, bit: u16, on: bool) -> Self {
        Self(if on { self.0 | bit } else { self.0 & !bit })
    }
}

/// A parsed batch header. See the module for each field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; never negative.
    pub base_offset: Offset,
    /// Bytes after the length field; at least 49.
    pub batch_length: u32,
    /// Leader epoch of the append; -1 as a client sends it.
    pub leader_epoch: LeaderEpoch,
    /// Stored checksum.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: Attributes,
    /// Last offset minus base offset; never negative, and their sum never overflows.
    pub last_offset_delta: u32,
    /// Base of timestamp deltas (or the delete horizon).
    pub base_timestamp: Timestamp,
    /// Largest timestamp, or the append time.
    pub max_timestamp: Timestamp,
    /// Producer id; [`ProducerId::NONE`] for a producer that is not idempotent.
    pub producer_id: ProducerId,
    /// Producer epoch.
    pub producer_epoch: ProducerEpoch,
    /// Sequence of the first record.
    pub base_sequence: Sequence,
    /// Records that are there; 0 is possible in compacted logs.
    pub record_count: u32,
}

impl BatchHeader {
    /// Parses the header at the start of `bytes`, which may end right after it or hold anything behind it. Numbers are
    /// checked as the module says; the checksum is not.
    ///
    /// # Errors
    /// Any [`BatchError`] but `Checksum`. An old format is recognised from 17 bytes on.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        RawHeader::read(bytes)?.check()
    }

    /// The header's 61 bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        let fields: [&[u8]; 13] = [
            &self.base_offset.0.to_be_bytes(),
            &self.batch_length.to_be_bytes(),
            &self.leader_epoch.0.to_be_bytes(),
            &MAGIC.to_be_bytes(),
            &self.crc.to_be_bytes(),
            &self.attributes.0.to_be_bytes(),
            &self.last_offset_delta.to_be_bytes(),
            &self.base_timestamp.0.to_be_bytes(),
            &self.max_timestamp.0.to_be_bytes(),
            &self.producer_id.0.to_be_bytes(),
            &self.producer_epoch.0.to_be_bytes(),
            &self.base_sequence.0.to_be_bytes(),
            &self.record_count.to_be_bytes(),
        ];
        for (target, source) in bytes.iter_mut().zip(fields.iter().copied().flatten()) {
            *target = *source;
        }
        bytes
    }

    /// Size of the whole batch in bytes, header included.
    pub fn size(&self) -> u64 {
        u64::from(self.batch_length) + LENGTH_OVERHEAD as u64
    }

    /// Offset of the last record (or of what compaction left of it).
    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset.0.saturating_add(i64::from(self.last_offset_delta)))
    }

    /// Offset after the last one.
    pub fn next_offset(&self) -> Offset {
        self.last_offset().next()
    }

    /// Sequence of the last record, wrapping after `i32::MAX`; [`Sequence::NONE`] without sequences.
    pub fn last_sequence(&self) -> Sequence {
        if self.base_sequence.0 < 0 {
            Sequence::NONE
        } else {
            self.base_sequence.advance(self.last_offset_delta)
        }
    }

    /// Whether the batch comes from an idempotent or transactional producer.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id.0 > ProducerId::NONE.0
    }
}

/// Field values before any check.
struct RawHeader {
    base_offset: i64,
    length: i32,
    leader_epoch: i32,
    crc: u32,
    attributes: u16,
    last_offset_delta: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    count: i32,
}

impl RawHeader {
    fn read(bytes: &[u8]) -> Result<Self, BatchError> {
        let truncated =
            |needed: usize| BatchError::Truncated { size: bytes.len() as u64, needed: needed as u64 };
        let magic = i8::from_be_bytes(field(bytes, 16).ok_or(truncated(MAGIC_END))?);
        match magic {
            MAGIC => Self::read_fields(bytes).ok_or(truncated(HEADER_SIZE)),
            0 | 1 => Err(BatchError::OldMagic { magic }),
            _ => Err(BatchError::UnknownMagic { magic }),
        }
    }

    /// The fields as they stand; `None` when bytes are missing.
    fn read_fields(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            base_offset: i64::from_be_bytes(field(bytes, 0)?),
            length: i32::from_be_bytes(field(bytes, 8)?),
            leader_epoch: i32::from_be_bytes(field(bytes, 12)?),
            crc: u32::from_be_bytes(field(bytes, 17)?),
            attributes: u16::from_be_bytes(field(bytes, 21)?),
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)?),
            base_timestamp: i64::from_be_bytes(field(bytes, 27)?),
            max_timestamp: i64::from_be_bytes(field(bytes, 35)?),
            producer_id: i64::from_be_bytes(field(bytes, 43)?),
            producer_epoch: i16::from_be_bytes(field(bytes, 51)?),
            base_sequence: i32::from_be_bytes(field(bytes, 53)?),
            count: i32::from_be_bytes(field(bytes, 57)?),
        })
    }

    /// The length field; at least [`LENGTH_MIN`].
    fn batch_length(&self) -> Result<u32, BatchError> {
        let error = BatchError::Length { length: self.length };
        let length = u32::try_from(self.length).map_err(|_| error)?;
        if length < LENGTH_MIN { Err(error) } else { Ok(length) }
    }

    fn check(&self) -> Result<BatchHeader, BatchError> {
        let batch_length = self.batch_length()?;
        let range_error = BatchError::OffsetRange {
            base_offset: self.base_offset,
            last_offset_delta: self.last_offset_delta,
        };
        let last_offset_delta = u32::try_from(self.last_offset_delta).map_err(|_| range_error)?;
        if self.base_offset < 0 || self.base_offset.checked_add(i64::from(last_offset_delta)).is_none() {
            return Err(range_error);
        }
        let record_count = u32::try_from(self.count).map_err(|_| BatchError::Count { count: self.count })?;
        Ok(BatchHeader {
            base_offset: Offset(self.base_offset),
            batch_length,
            leader_epoch: LeaderEpoch(self.leader_epoch),
            crc: self.crc,
            attributes: Attributes(self.attributes),
            last_offset_delta,
            base_timestamp: Timestamp(self.base_timestamp),
            max_timestamp: Timestamp(self.max_timestamp),
            producer_id: ProducerId(self.producer_id),
            producer_epoch: ProducerEpoch(self.producer_epoch),
            base_sequence: Sequence(self.base_sequence),
            record_count,
        })
    }
}

/// Parses and checks the whole batch at the start of `bytes`: header, length and checksum. What follows the batch is
/// not looked at. Impossible numbers are only reported when the checksum vouches for them.
///
/// # Errors
/// Any [`BatchError`].
pub fn verify(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    let raw = RawHeader::read(bytes)?;
    let size = u64::from(raw.batch_length()?) + LENGTH_OVERHEAD as u64;
    let truncated = BatchError::Truncated { size: bytes.len() as u64, needed: size };
    let end = usize::try_from(size).map_err(|_| truncated)?;
    let computed = crc32c(bytes.get(CHECKSUM_START..end).ok_or(truncated)?);
    if computed != raw.crc {
        return Err(BatchError::Checksum { stored: raw.crc, computed });
    }
    raw.check()
}

/// Sets offset and leader epoch in a copy of a header. Both lie outside the checksum, so the batch stays valid.
pub fn patch_position(header: &mut [u8; HEADER_SIZE], base_offset: Offset, leader_epoch: LeaderEpoch) {
    put(header, 0, &base_offset.0.to_be_bytes());
    put(header, 12, &leader_epoch.0.to_be_bytes());
}

/// Sets type bit and max timestamp in a copy of a header, and makes the checksum anew over header and `records`. The
/// caller has checked the old checksum; without that check this would bless damaged bytes.
pub fn patch_timestamp(
    header: &mut [u8; HEADER_SIZE],
    timestamp_type: TimestampType,
    max_timestamp: Timestamp,
    records: &[u8],
) {
    let attributes =
        Attributes(u16::from_be_bytes([header[21], header[22]])).with_timestamp_type(timestamp_type);
    put(header, 21, &attributes.0.to_be_bytes());
    put(header, 35, &max_timestamp.0.to_be_bytes());
    seal(header, records);
}

/// Writes the checksum of header and `records` into the header.
pub(super) fn seal(header: &mut [u8; HEADER_SIZE], records: &[u8]) {
    let mut checksum = super::Crc32c::default();
    checksum.update(header.get(CHECKSUM_START..).unwrap_or_default());
    checksum.update(records);
    put(header, 17, &checksum.finish().to_be_bytes());
}

fn put<const N: usize>(header: &mut [u8; HEADER_SIZE], at: usize, value: &[u8; N]) {
    for (target, source) in header.iter_mut().skip(at).zip(value) {
        *target = *source;
    }
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch whose records are not looked at by this module.
    fn batch(records: &[u8]) -> Vec<u8> {
        let header = BatchHeader {
            base_offset: Offset(0x0102_0304_0506_0708),
            batch_length: LENGTH_MIN + u32::try_from(records.len()).unwrap(),
            leader_epoch: LeaderEpoch(9),
            crc: 0,
            attributes: Attributes::default().with_compression(Compression::Zstd).with_transactional(true),
            last_offset_delta: 2,
            base_timestamp: Timestamp(1_700_000_000_000),
            max_timestamp: Timestamp(1_700_000_000_005),
            producer_id: ProducerId(77),
            producer_epoch: ProducerEpoch(3),
            base_sequence: Sequence(i32::MAX),
            record_count: 3,
        };
        let mut head = header.to_bytes();
        seal(&mut head, records);
        [&head[..], records].concat()
    }

    #[test]
    fn a_header_reads_back_what_it_writes_at_the_documented_places() {
        let bytes = batch(b"records");
        let header = verify(&bytes).unwrap();
        assert_eq!(header.to_bytes()[..], bytes[..HEADER_SIZE]);
        assert_eq!(bytes[..8], [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(bytes[8..12], [0, 0, 0, 56]);
        assert_eq!(bytes[12..17], [0, 0, 0, 9, 2]);
        assert_eq!(bytes[21..27], [0, 0x14, 0, 0, 0, 2]);
        assert_eq!(bytes[43..61], [0, 0, 0, 0, 0, 0, 0, 77, 0, 3, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 3]);
        assert_eq!(header.size(), bytes.len() as u64);
        assert_eq!(header.last_offset(), Offset(0x0102_0304_0506_070a));
        assert_eq!(header.last_sequence(), Sequence(1));
        assert_eq!(header.attributes.compression(), Some(Compression::Zstd));
        assert!(header.attributes.is_transactional() && !header.attributes.is_control());
    }

    #[test]
    fn a_batch_cut_anywhere_is_truncated_and_nothing_else() {
        let bytes = batch(b"records");
        for end in 0..bytes.len() {
            assert!(matches!(verify(&bytes[..end]), Err(BatchError::Truncated { .. })), "cut at {end}");
        }
        assert!(verify(&[&bytes[..], b"next batch"].concat()).is_ok());
    }

    #[test]
    fn every_flipped_bit_under_the_checksum_is_noticed() {
        let bytes = batch(b"records");
        for bit in (CHECKSUM_START - 4) * 8..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn offset_and_epoch_are_patched_without_breaking_the_checksum() {
        let mut bytes = batch(b"records");
        let mut head: [u8; HEADER_SIZE] = *bytes.first_chunk().unwrap();
        patch_position(&mut head, Offset(42), LeaderEpoch(5));
        bytes[..HEADER_SIZE].copy_from_slice(&head);
        let header = verify(&bytes).unwrap();
        assert_eq!((header.base_offset, header.leader_epoch), (Offset(42), LeaderEpoch(5)));
    }

    #[test]
    fn a_new_append_time_comes_with_a_new_checksum() {
        let mut bytes = batch(b"records");
        let before = verify(&bytes).unwrap();
        let mut head: [u8; HEADER_SIZE] = *bytes.first_chunk().unwrap();
        patch_timestamp(&mut head, TimestampType::LogAppendTime, Timestamp(99), b"records");
        bytes[..HEADER_SIZE].copy_from_slice(&head);
        let after = verify(&bytes).unwrap();
        assert_ne!(after.crc, before.crc);
        assert_eq!(after.attributes.timestamp_type(), TimestampType::LogAppendTime);
        let expected = BatchHeader {
            crc: after.crc,
            attributes: before.attributes.with_timestamp_type(TimestampType::LogAppendTime),
            max_timestamp: Timestamp(99),
            ..before
        };
        assert_eq!(after, expected);
    }

    #[test]
    fn impossible_headers_are_named() {
        let with = |at: usize, value: &[u8]| {
            let mut bytes = batch(b"");
            bytes[at..at + value.len()].copy_from_slice(value);
            BatchHeader::parse(&bytes).unwrap_err()
        };
        assert_eq!(with(16, &[0]), BatchError::OldMagic { magic: 0 });
        assert_eq!(with(16, &[1]), BatchError::OldMagic { magic: 1 });
        assert_eq!(with(16, &[3]), BatchError::UnknownMagic { magic: 3 });
        assert_eq!(with(8, &48i32.to_be_bytes()), BatchError::Length { length: 48 });
        assert_eq!(with(8, &(-1i32).to_be_bytes()), BatchError::Length { length: -1 });
        assert_eq!(with(57, &(-2i32).to_be_bytes()), BatchError::Count { count: -2 });
        let range = BatchError::OffsetRange { base_offset: i64::MAX - 1, last_offset_delta: 2 };
        assert_eq!(with(0, &(i64::MAX - 1).to_be_bytes()), range);
        assert!(matches!(with(0, &(-1i64).to_be_bytes()), BatchError::OffsetRange { base_offset: -1, .. }));
        assert!(matches!(
            with(23, &(-1i32).to_be_bytes()),
            BatchError::OffsetRange { last_offset_delta: -1, .. }
        ));
    }

    #[test]
    fn damage_is_reported_as_damage_even_where_it_makes_a_number_impossible() {
        let mut bytes = batch(b"");
        bytes[57] = 0x80;
        assert!(matches!(BatchHeader::parse(&bytes), Err(BatchError::Count { .. })));
        assert!(matches!(verify(&bytes), Err(BatchError::Checksum { .. })));
        let mut head: [u8; HEADER_SIZE] = *bytes.first_chunk().unwrap();
        seal(&mut head, b"");
        assert!(matches!(verify(&head), Err(BatchError::Count { .. })));
    }

    #[test]
    fn an_old_message_is_recognised_although_it_is_shorter_than_a_batch_header() {
        // Format 1: offset, size, crc, magic, attributes, timestamp, key and value lengths.
        let mut bytes = vec![0u8; 34];
        bytes[11] = 22;
        bytes[16] = 1;
        assert_eq!(BatchHeader::parse(&bytes), Err(BatchError::OldMagic { magic: 1 }));
    }
}
