//! Numbers that must not be mixed up. Each wraps the integer that Kafka's protocol or the file system uses.

use std::fmt;

/// A record's number in a partition. `0..` for records; the end of an empty log is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub i64);

impl Offset {
    /// The first offset of a partition.
    pub const ZERO: Self = Self(0);

    /// The offset `count` records further on; `None` past `i64::MAX`.
    pub fn checked_add(self, count: u64) -> Option<Self> {
        self.0.checked_add_unsigned(count).map(Self)
    }

    /// The offset after this one; stays at `i64::MAX` there.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many offsets lie from `earlier` (inclusive) to `self` (exclusive); 0 when `self` is not above it.
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

/// A byte's place in a segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

impl Position {
    /// The first byte.
    pub const ZERO: Self = Self(0);

    /// The position `size` bytes further on; `None` past `u64::MAX`.
    pub fn checked_add(self, size: u64) -> Option<Self> {
        self.0.checked_add(size).map(Self)
    }
}

/// Counts the leaderships of a partition; rises when records that were visible may be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LeaderEpoch(pub i32);

impl LeaderEpoch {
    /// What Kafka's protocol says where no epoch is known.
    pub const NONE: Self = Self(-1);
    /// The epoch of a new partition.
    pub const ZERO: Self = Self(0);

    /// The epoch after this one; stays at `i32::MAX` there.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Names an idempotent or transactional producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub i64);

impl ProducerId {
    /// A batch of a producer that is not idempotent.
    pub const NONE: Self = Self(-1);
}

/// Fences earlier incarnations of a producer id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerEpoch(pub i16);

impl ProducerEpoch {
    /// A batch of a producer that is not idempotent.
    pub const NONE: Self = Self(-1);
}

/// A record's number in the stream of one producer into one partition. After 2147483647 comes 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub i32);

impl Sequence {
    /// A batch without a sequence.
    pub const NONE: Self = Self(-1);
    /// The first of a producer epoch.
    pub const ZERO: Self = Self(0);

    /// The sequence `count` records after this one, wrapping from `i32::MAX` to 0 (`DefaultRecordBatch`).
    pub fn advance(self, count: u32) -> Self {
        let sum = i64::from(self.0) + i64::from(count);
        Self(i32::try_from(sum % (i64::from(i32::MAX) + 1)).unwrap_or(0))
    }

    /// The sequence after this one.
    pub fn next(self) -> Self {
        self.advance(1)
    }
}

macro_rules! display_inner {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
display_inner!(Offset, Position, LeaderEpoch, ProducerId, ProducerEpoch, Sequence);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_wraps_to_zero() {
        assert_eq!(Sequence(i32::MAX).next(), Sequence::ZERO);
        assert_eq!(Sequence(i32::MAX - 1).advance(3), Sequence(1));
        assert_eq!(Sequence(5).advance(0), Sequence(5));
    }

    #[test]
    fn offsets_never_overflow() {
        assert_eq!(Offset(i64::MAX).checked_add(1), None);
        assert_eq!(Offset(i64::MAX).next(), Offset(i64::MAX));
        assert_eq!(Offset(3).since(Offset(5)), 0);
        assert_eq!(Offset(5).since(Offset(3)), 2);
    }
}
