//! Checks the bytes of a whole sealed segment as they come, in pieces of any size and in memory that does not depend on
//! what is in them: each batch's header and checksum, that offsets and leader epochs continue, and where the segment has
//! [`SegmentSums`], the bytes that no batch's checksum covers. Pure; not here: reading, and what to do about damage.

use std::fmt;

use highwater_types::{LeaderEpoch, Offset, Timestamp};
use highwater_wal::{EntryError, EntryFormat, EntryHeader};
use highwater_wire::record::{BatchHeader, CHECKSUM_START, Crc32c, HEADER_SIZE};

use crate::KafkaFormat;
use crate::sums::{PIECE_SIZE, SegmentSums};

/// What a sealed segment must be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentShape {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Offset of the first record of the segment that follows.
    pub next_offset: Offset,
    /// Bytes of its batches.
    pub size: u64,
    /// Offsets may be missing between batches.
    pub holes: bool,
}

/// The first damage in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentDamage {
    /// Position in the file of the first batch that is not as it was written, or of the first piece of 1 MiB with such a
    /// batch.
    pub position: u64,
    /// The first offset that cannot be relied on.
    pub first_offset: Offset,
    /// The offset after the last one that cannot be relied on.
    pub end_offset: Offset,
    /// What is wrong.
    pub problem: SegmentProblem,
}

/// What is wrong in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SegmentProblem {
    /// A batch is not as it was written, or does not continue the one before.
    Batch(EntryError),
    /// The batches end before the segment that follows begins.
    Missing,
    /// Base offset, length or leader epoch of a batch was something else when the sums were made.
    Sum,
    /// The device does not give the bytes.
    Unreadable(String),
}

impl fmt::Display for SegmentProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch(error) => error.fmt(f),
            Self::Missing => f.write_str("batches are missing at the end"),
            Self::Sum => f.write_str("base offset, length or leader epoch of a batch has changed"),
            Self::Unreadable(cause) => write!(f, "cannot be read: {cause}"),
        }
    }
}

/// Checks one segment.
#[derive(Debug)]
pub struct SegmentCheck {
    shape: SegmentShape,
    /// Position behind what was given.
    position: u64,
    /// Where the batch that is being read begins.
    start: u64,
    /// Position and offset of the batch before.
    before: (u64, Offset),
    header: Vec<u8>,
    /// The batch whose payload is being read.
    batch: Option<OpenBatch>,
    expected: Offset,
    epoch: LeaderEpoch,
    /// Of the checksum fields of the batches.
    batches: Crc32c,
    piece: Crc32c,
    pieces: Vec<u32>,
    /// First offset of each piece, as far as it is known.
    piece_offsets: Vec<Offset>,
    damage: Option<SegmentDamage>,
}

#[derive(Debug)]
struct OpenBatch {
    entry: EntryHeader,
    stored: u32,
    sum: Crc32c,
    /// Bytes that are still to come.
    left: u64,
}

impl SegmentCheck {
    /// Expects the bytes from the segment's beginning on.
    pub fn new(shape: SegmentShape) -> Self {
        Self {
            shape,
            position: 0,
            start: 0,
            before: (0, shape.base_offset),
            header: Vec::with_capacity(HEADER_SIZE),
            batch: None,
            expected: shape.base_offset,
            epoch: LeaderEpoch(i32::MIN),
            batches: Crc32c::default(),
            piece: Crc32c::default(),
            pieces: Vec::new(),
            piece_offsets: Vec::new(),
            damage: None,
        }
    }

    /// How many bytes are still to be given.
    pub fn left(&self) -> u64 {
        self.shape.size.saturating_sub(self.position)
    }

    /// Takes the next bytes; what is more than the segment has is left out.
    pub fn add(&mut self, bytes: &[u8]) {
        let left = usize::try_from(self.left()).unwrap_or(usize::MAX);
        let mut rest = bytes.get(..left).unwrap_or(bytes);
        while !rest.is_empty() {
            let within = self.position % PIECE_SIZE;
            if within == 0 {
                self.piece_offsets.push(self.expected);
            }
            let room = usize::try_from(PIECE_SIZE - within).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.add_to_batches(now);
            self.piece.update(now);
            self.position = self.position.saturating_add(now.len() as u64);
            if self.position.is_multiple_of(PIECE_SIZE) {
                self.pieces.push(std::mem::take(&mut self.piece).finish());
            }
            rest = later;
        }
    }

    /// Notes that the bytes that come next cannot be read.
    pub fn unreadable(&mut self, cause: String) {
        self.damaged(SegmentProblem::Unreadable(cause), self.shape.next_offset);
        self.position = self.shape.size;
    }

    /// The verdict once nothing is left: the sums of a good segment, or the damage. `known` are the sums from before.
    ///
    /// # Errors
    /// [`SegmentDamage`].
    pub fn finish(
        mut self,
        known: Option<&SegmentSums>,
        now: Timestamp,
    ) -> Result<SegmentSums, SegmentDamage> {
        let complete = self.batch.is_none() && self.header.is_empty();
        let reaches = self.expected == self.shape.next_offset
            || self.shape.holes && self.expected < self.shape.next_offset;
        if !complete || !reaches || self.left() > 0 {
            self.damaged(SegmentProblem::Missing, self.shape.next_offset);
        }
        if let Some(damage) = self.damage {
            return Err(damage);
        }
        if !self.shape.size.is_multiple_of(PIECE_SIZE) {
            self.pieces.push(self.piece.finish());
        }
        let found = SegmentSums {
            size: self.shape.size,
            looked_at: now,
            batches: self.batches.finish(),
            pieces: self.pieces,
        };
        match known.and_then(|known| found.differs(known)) {
            None => Ok(found),
            Some(piece) => Err(SegmentDamage {
                position: piece as u64 * PIECE_SIZE,
                first_offset: self.piece_offsets.get(piece).copied().unwrap_or(self.shape.base_offset),
                end_offset: self.piece_offsets.get(piece + 1).copied().unwrap_or(self.shape.next_offset),
                problem: SegmentProblem::Sum,
            }),
        }
    }

    fn add_to_batches(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.damage.is_none() {
            let taken = if self.batch.is_some() { self.take_payload(bytes) } else { self.take_header(bytes) };
            bytes = bytes.get(taken..).unwrap_or_default();
        }
    }

    fn take_header(&mut self, bytes: &[u8]) -> usize {
        let wanted = HEADER_SIZE.saturating_sub(self.header.len()).min(bytes.len());
        self.header.extend_from_slice(bytes.get(..wanted).unwrap_or_default());
        if self.header.len() == HEADER_SIZE {
            match self.begin_batch() {
                Ok(batch) => self.batch = Some(batch),
                Err(error) => self.damaged(SegmentProblem::Batch(error), self.shape.next_offset),
            }
            self.header.clear();
            self.end_batch();
        }
        wanted
    }

    fn begin_batch(&self) -> Result<OpenBatch, EntryError> {
        let entry = KafkaFormat.parse(&self.header)?;
        let left = entry.size.checked_sub(HEADER_SIZE as u64);
        let fits = entry.size <= self.shape.size.saturating_sub(self.start);
        let length = i64::try_from(entry.size).unwrap_or(i64::MAX);
        let left = left.filter(|_| fits).ok_or(EntryError::BadLength { length })?;
        let (found, expected) = (entry.base_offset, self.expected);
        if found < expected || found > expected && !self.shape.holes {
            return Err(EntryError::WrongOffset { expected, found });
        }
        if entry.last_offset >= self.shape.next_offset {
            let (expected, found) = (self.shape.next_offset, entry.last_offset.next());
            return Err(EntryError::WrongOffset { expected, found });
        }
        if entry.leader_epoch < self.epoch {
            return Err(EntryError::EpochFell { before: self.epoch, found: entry.leader_epoch });
        }
        let stored = BatchHeader::parse(&self.header).map_or(0, |batch| batch.crc);
        let mut sum = Crc32c::default();
        sum.update(self.header.get(CHECKSUM_START..).unwrap_or_default());
        Ok(OpenBatch { entry, stored, sum, left })
    }

    fn take_payload(&mut self, bytes: &[u8]) -> usize {
        let Some(batch) = &mut self.batch else { return bytes.len() };
        let left = usize::try_from(batch.left).unwrap_or(usize::MAX);
        let now = bytes.get(..left).unwrap_or(bytes);
        batch.sum.update(now);
        batch.left -= now.len() as u64;
        self.end_batch();
        now.len()
    }

    /// Judges the batch if it is read to its end.
    fn end_batch(&mut self) {
        let Some(OpenBatch { entry, stored, sum, .. }) = self.batch.take_if(|batch| batch.left == 0) else {
            return;
        };
        let computed = sum.finish();
        if computed != stored {
            let problem = SegmentProblem::Batch(EntryError::BadChecksum { stored, computed });
            return self.damaged(problem, entry.last_offset.next());
        }
        self.batches.update(&stored.to_be_bytes());
        self.before = (self.start, self.expected);
        self.expected = entry.last_offset.next();
        self.epoch = entry.leader_epoch;
        self.start = self.start.saturating_add(entry.size);
    }

    /// Notes the first damage: at the batch that is being read.
    fn damaged(&mut self, problem: SegmentProblem, end_offset: Offset) {
        if self.damage.is_none() {
            // Of two epochs in the wrong order, either may be the wrong one.
            let either = matches!(problem, SegmentProblem::Batch(EntryError::EpochFell { .. }));
            let (position, first_offset) = if either { self.before } else { (self.start, self.expected) };
            self.damage = Some(SegmentDamage { position, first_offset, end_offset, problem });
        }
    }
}

impl SegmentSums {
    /// The first piece that is other than it was; `None` too when `known` tells of other batches.
    fn differs(&self, known: &Self) -> Option<usize> {
        let same_batches = self.size == known.size && self.batches == known.batches;
        let differs = || self.pieces.iter().zip(&known.pieces).position(|(now, then)| now != then);
        same_batches.then(differs).flatten()
    }
}

#[cfg(test)]
mod tests {
    use highwater_wire::record::{BatchBuilder, Record};

    use super::*;

    fn batch(offset: i32, epoch: i32, size: usize) -> Vec<u8> {
        let mut builder = BatchBuilder::new().position(Offset(offset.into()), LeaderEpoch(epoch));
        for letter in [b'a', b'b'] {
            let value = vec![letter; size];
            builder.push(&Record { value: Some(value.into()), ..Record::default() });
        }
        builder.build().unwrap().to_vec()
    }

    /// Four batches of two records.
    fn segment() -> Vec<u8> {
        (0..4).flat_map(|index| batch(10 + 2 * index, 3 + index, 500)).collect()
    }

    fn shape(size: usize) -> SegmentShape {
        let (base_offset, next_offset) = (Offset(10), Offset(18));
        SegmentShape { base_offset, next_offset, size: size as u64, holes: false }
    }

    fn check(bytes: &[u8], step: usize, known: Option<&SegmentSums>) -> Result<SegmentSums, SegmentDamage> {
        let mut check = SegmentCheck::new(shape(bytes.len()));
        bytes.chunks(step).for_each(|piece| check.add(piece));
        assert_eq!(check.left(), 0);
        check.finish(known, Timestamp(1))
    }

    #[test]
    fn a_good_segment_is_good_however_it_is_cut_into_pieces() {
        let bytes = segment();
        let sums = check(&bytes, bytes.len(), None).unwrap();
        for step in [1, 7, 60, 61, 62, 1000] {
            assert_eq!(check(&bytes, step, Some(&sums)), Ok(sums.clone()), "in pieces of {step}");
        }
    }

    #[test]
    fn a_flip_of_any_bit_is_found() {
        let bytes = segment();
        let sums = check(&bytes, bytes.len(), None).unwrap();
        let second = bytes.len() / 4;
        for position in (0..bytes.len()).filter(|position| position % second < 70 || position % 13 == 0) {
            for bit in 0..8 {
                let mut rotten = bytes.clone();
                rotten[position] ^= 1 << bit;
                let damage = check(&rotten, 1000, Some(&sums)).expect_err("a flipped bit is found");
                assert!(damage.position <= position as u64, "{damage:?} for {position}");
                assert!(damage.first_offset < damage.end_offset, "{damage:?}");
            }
        }
    }

    #[test]
    fn without_sums_only_a_higher_leader_epoch_at_the_end_goes_unseen() {
        let mut bytes = segment();
        let last = bytes.len() / 4 * 3;
        bytes[last + 15] ^= 8;
        assert!(check(&bytes, 1000, None).is_ok());
        let sums = check(&segment(), 1000, None).unwrap();
        let damage = check(&bytes, 1000, Some(&sums)).unwrap_err();
        assert_eq!(
            (damage.problem, damage.first_offset, damage.end_offset),
            (SegmentProblem::Sum, Offset(10), Offset(18))
        );
    }

    #[test]
    fn sums_of_other_batches_accuse_nobody() {
        let bytes = segment();
        let other: Vec<u8> =
            (0..4).flat_map(|index| batch(10 + 2 * index, 3, 499 + usize::from(index == 3) * 4)).collect();
        let stale = SegmentSums { size: bytes.len() as u64, ..check(&other, 1000, None).unwrap() };
        assert!(check(&bytes, 1000, Some(&stale)).is_ok());
    }

    #[test]
    fn a_segment_that_ends_early_or_cannot_be_read_is_damaged() {
        let bytes = segment();
        let mut short = SegmentCheck::new(shape(bytes.len()));
        short.add(&bytes[..bytes.len() / 2]);
        let damage = short.finish(None, Timestamp(1)).unwrap_err();
        assert_eq!((damage.problem, damage.first_offset), (SegmentProblem::Missing, Offset(14)));
        let mut unreadable = SegmentCheck::new(shape(bytes.len()));
        unreadable.add(&bytes[..bytes.len() / 2 + 9]);
        unreadable.unreadable("EIO".to_owned());
        let damage = unreadable.finish(None, Timestamp(1)).unwrap_err();
        assert_eq!((damage.position, damage.first_offset), (bytes.len() as u64 / 2, Offset(14)));
    }

    #[test]
    fn lengths_that_bytes_claim_take_no_memory() {
        let mut bytes = batch(10, 0, 10);
        bytes[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
        let damage = check(&bytes, 1000, None).unwrap_err();
        assert!(matches!(damage.problem, SegmentProblem::Batch(EntryError::BadLength { .. })), "{damage:?}");
    }
}
