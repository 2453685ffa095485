//! What a log must know of its entries: how long they are, which offsets they cover, whether they are whole.
//!
//! An entry is a header of fixed size and a payload. The log never looks at either; it asks an [`EntryFormat`].

use std::fmt;

use highwater_types::{LeaderEpoch, Offset, Timestamp};

/// Reads the headers of one kind of entry and checks whole entries.
///
/// Bytes come from disk: both functions must answer whatever they are given, without panic and without allocating by
/// a number that the bytes contain.
pub trait EntryFormat: Send + Sync + fmt::Debug + 'static {
    /// Bytes of a header, at least 1; every entry is at least this long.
    fn header_size(&self) -> usize;

    /// Reads a header. `header` has at least [`EntryFormat::header_size`] bytes and may have more.
    ///
    /// # Errors
    /// [`EntryError`]: these bytes are no header. Shorter input is an error too.
    fn parse(&self, header: &[u8]) -> Result<EntryHeader, EntryError>;

    /// Checks a whole entry, header included, against its checksum.
    ///
    /// # Errors
    /// [`EntryError`]: the entry is not as it was written.
    fn verify(&self, entry: &[u8]) -> Result<(), EntryError>;
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHeader {
    /// First offset that the entry covers.
    pub base_offset: Offset,
    /// Last offset that the entry covers, inclusive; not below `base_offset`.
    pub last_offset: Offset,
    /// Bytes of the whole entry, header included.
    pub size: u64,
    /// Leadership under which it was appended.
    pub leader_epoch: LeaderEpoch,
    /// Largest timestamp of its records; [`Timestamp::NONE`] when it has none.
    pub max_timestamp: Timestamp,
}

/// Why bytes are not an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryError {
    /// All bytes of the header are zero: nothing was written there.
    Zeros,
    /// The length field is impossible here: too short for a header, or beyond the end of the file.
    BadLength {
        /// The length that was read, in bytes.
        length: i64,
    },
    /// The checksum does not fit the bytes.
    BadChecksum {
        /// The checksum in the entry.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// Does not continue the log: another offset stood to come.
    WrongOffset {
        /// The offset that follows the entry before.
        expected: Offset,
        /// The entry's base offset.
        found: Offset,
    },
    /// The leader epoch is lower than that of the entry before.
    EpochFell {
        /// The entry before.
        before: LeaderEpoch,
        /// This entry.
        found: LeaderEpoch,
    },
    /// Anything else, in words.
    Malformed(&'static str),
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zeros => f.write_str("zeros"),
            Self::BadLength { length } => write!(f, "impossible length {length}"),
            Self::BadChecksum { stored, computed } => {
                write!(f, "bad checksum: stored {stored:#010x}, computed {computed:#010x}")
            }
            Self::WrongOffset { expected, found } => {
                write!(f, "offset {found} where {expected} was expected")
            }
            Self::EpochFell { before, found } => write!(f, "leader epoch {found} after {before}"),
            Self::Malformed(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for EntryError {}
