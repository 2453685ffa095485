//! Record batches, format 2: the unit in which records are produced, stored and fetched. No I/O; the bytes are a
//! client's or a disk's and may be anything. Formats 0 and 1 are recognised, not read.

mod builder;
mod checksum;
mod codec;
mod error;
mod header;
mod iter;
mod marker;
mod records;
mod varint;
mod view;

pub use builder::{
    BatchBuilder, BuildError, Record, empty_batch, end_transaction_batch, end_transaction_marker, recompress,
};
pub use checksum::{Crc32c, crc32c};
pub use error::{BatchError, RecordsError};
pub use header::{
    Attributes, BatchHeader, CHECKSUM_START, HEADER_SIZE, LENGTH_OVERHEAD, patch_position, patch_timestamp,
    verify,
};
pub use iter::batches;
pub use marker::EndTxnMarker;
pub use records::{Records, default_output_limit};
pub use view::{HeaderView, RecordView};

/// A codec of record batches (attributes bits 0-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// 0: not compressed.
    None,
    /// 1.
    Gzip,
    /// 2.
    Snappy,
    /// 3.
    Lz4,
    /// 4.
    Zstd,
}

impl Compression {
    /// All codecs, by number.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec's number in the attributes.
    pub fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The codec of a number; `None` above 4.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.code() == code)
    }

    /// Kafka's name, as clients' `compression.type` has it. Topics say `uncompressed` where this says `none`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec of a name; `uncompressed` is `none`.
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "uncompressed" {
            return Some(Self::None);
        }
        Self::ALL.into_iter().find(|codec| codec.name() == name)
    }
}

/// Who stamps records (attributes bit 3, `message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer.
    CreateTime,
    /// The broker, at append: type bit, max timestamp and checksum of the batch are rewritten.
    LogAppendTime,
}
