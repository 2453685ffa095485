//! What can be wrong with the bytes of a batch or of its records.

use std::fmt;
use std::io;

use super::Compression;

/// Why bytes are not a record batch that can be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchError {
    /// The bytes end before the header, or before the length that the header states.
    Truncated {
        /// Bytes at hand.
        size: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// The length field is negative or smaller than a header without records.
    Length {
        /// `batch_length` as stored.
        length: i32,
    },
    /// A message set of format 0 or 1.
    OldMagic {
        /// 0 or 1.
        magic: i8,
    },
    /// A format that does not exist.
    UnknownMagic {
        /// The magic byte.
        magic: i8,
    },
    /// The checksum does not fit the bytes.
    Checksum {
        /// CRC-32C in the header.
        stored: u32,
        /// CRC-32C of the bytes.
        computed: u32,
    },
    /// A negative offset, a negative delta, or a last offset beyond `i64::MAX`.
    OffsetRange {
        /// `base_offset` as stored.
        base_offset: i64,
        /// `last_offset_delta` as stored.
        last_offset_delta: i32,
    },
    /// A negative number of records.
    Count {
        /// `records_count` as stored.
        count: i32,
    },
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { size, needed } => write!(f, "batch is cut off: {size} bytes of {needed}"),
            Self::Length { length } => write!(f, "batch length {length} is smaller than a batch header"),
            Self::OldMagic { magic } => write!(f, "message format {magic} is older than record batches (2)"),
            Self::UnknownMagic { magic } => write!(f, "unknown message format {magic}"),
            Self::Checksum { stored, computed } => {
                write!(f, "bad checksum: stored {stored:#010x}, computed {computed:#010x}")
            }
            Self::OffsetRange { base_offset, last_offset_delta } => {
                write!(
                    f,
                    "impossible offset range: base {base_offset}, last offset delta {last_offset_delta}"
                )
            }
            Self::Count { count } => write!(f, "impossible number of records: {count}"),
        }
    }
}

impl std::error::Error for BatchError {}

/// Why the records of a batch cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordsError {
    /// A codec number from 5 to 7.
    UnknownCodec {
        /// The number.
        code: u8,
    },
    /// The compressed bytes are damaged or of another codec.
    Decompression {
        /// The codec of the attributes.
        codec: Compression,
        /// What its decoder said.
        kind: io::ErrorKind,
    },
    /// More decompressed bytes than allowed; reading stopped there.
    OutputLimit {
        /// The limit in bytes.
        limit: u64,
    },
    /// A record is malformed.
    Malformed {
        /// 0-based index of the record in the batch.
        index: u32,
        /// What is wrong.
        what: &'static str,
    },
    /// Fewer records than the header states.
    TooFew {
        /// Records that are there.
        found: u32,
        /// `records_count` of the header.
        stated: u32,
    },
    /// Bytes follow the last record.
    Remaining {
        /// `records_count` of the header.
        stated: u32,
    },
}

impl fmt::Display for RecordsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCodec { code } => write!(f, "unknown compression type id {code}"),
            Self::Decompression { codec, kind } => write!(f, "cannot decompress {}: {kind}", codec.name()),
            Self::OutputLimit { limit } => write!(f, "more than {limit} bytes when decompressed"),
            Self::Malformed { index, what } => write!(f, "record {index}: {what}"),
            Self::TooFew { found, stated } => write!(f, "{found} records where the batch states {stated}"),
            Self::Remaining { stated } => write!(f, "bytes after the last of {stated} records"),
        }
    }
}

impl std::error::Error for RecordsError {}
