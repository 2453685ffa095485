//! What can be wrong with the bytes of a batch or of its records.

use std::fmt;

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
