//! The entries of one segment's offset and time index, in Kafka's layout and by Kafka's rules (`LogSegment.append`,
//! `OffsetIndex`, `TimeIndex`). Pure: reading and writing the files is the segment's and maintenance's business.
//!
//! `.index`, 8 bytes an entry: last offset of a batch minus the segment's base offset (i32), position of that batch
//! (i32). `.timeindex`, 12 bytes an entry: largest timestamp so far (i64), last offset of the batch that brought it
//! minus the base offset (i32). All big-endian.
//!
//! Invariants: offsets and positions of the offset index rise strictly; timestamps of the time index rise strictly,
//! its offsets do not fall. A batch that lies beyond what 31 bits can say gets no entry.
//!
//! What was read from files may have rotted: its entries are marked, so that whoever uses one compares it with the batch
//! that it tells of, and forgets it where it lies. The largest timestamp that a file tells of counts only when proved.

use highwater_types::{Offset, Position, Timestamp};

/// Size of an entry of the offset index in bytes.
pub(crate) const OFFSET_ENTRY_SIZE: usize = 8;
/// Size of an entry of the time index in bytes.
pub(crate) const TIME_ENTRY_SIZE: usize = 12;

/// An entry of the offset index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    /// Last offset of the batch minus the segment's base offset.
    pub(crate) relative: u32,
    /// Position of the batch.
    pub(crate) position: u32,
}

/// An entry of the time index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    /// Largest timestamp so far.
    pub(crate) timestamp: Timestamp,
    /// Last offset of the batch that brought it, minus the segment's base offset.
    pub(crate) relative: u32,
}

/// The place that an index gives for a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Indexed {
    /// Where to begin: a batch begins there, if the entry does not lie.
    pub(crate) position: Position,
    /// The entry, where it comes from a file: to be compared with its batch. `None`: the position is good.
    pub(crate) doubtful: Option<OffsetEntry>,
}

/// What an index must know of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexedBatch {
    pub(crate) position: Position,
    pub(crate) last_offset: Offset,
    pub(crate) max_timestamp: Timestamp,
    pub(crate) size: u64,
}

/// Both indexes of one segment, with what is needed to go on with them.
#[derive(Debug, Clone)]
pub(crate) struct IndexEntries {
    base_offset: Offset,
    offsets: Vec<OffsetEntry>,
    times: Vec<TimeEntry>,
    /// How many of the first entries come from files.
    read_offsets: usize,
    read_times: usize,
    bytes_since_entry: u64,
    /// Of the batches that were added, and of the files.
    largest: Option<TimeEntry>,
    /// Of the batches that were added.
    added: Option<TimeEntry>,
    /// `largest` rests on what a file says.
    unproved: bool,
}

impl IndexEntries {
    /// The indexes of a segment without batches.
    pub(crate) fn new(base_offset: Offset) -> Self {
        Self {
            base_offset,
            offsets: Vec::new(),
            times: Vec::new(),
            read_offsets: 0,
            read_times: 0,
            bytes_since_entry: 0,
            largest: None,
            added: None,
            unproved: false,
        }
    }

    /// Takes up what was read from files, as far as it is consistent and lies below `end` and `end_offset`. Batches from
    /// [`IndexEntries::resume_position`] on must then be added again.
    pub(crate) fn from_files(
        base_offset: Offset,
        offset_bytes: &[u8],
        time_bytes: &[u8],
        end: Position,
        end_offset: Offset,
    ) -> Self {
        let mut entries = Self::new(base_offset);
        for bytes in offset_bytes.as_chunks::<OFFSET_ENTRY_SIZE>().0 {
            let entry = OffsetEntry { relative: number(bytes, 0), position: number(bytes, 4) };
            let rises = entries
                .offsets
                .last()
                .is_none_or(|last| last.relative < entry.relative && last.position < entry.position);
            let inside = u64::from(entry.position) < end.0 && entries.absolute(entry.relative) < end_offset;
            if !rises || !inside || entry.position == 0 {
                break;
            }
            entries.offsets.push(entry);
        }
        let covered = entries.offsets.last().map(|last| last.relative);
        for bytes in time_bytes.as_chunks::<TIME_ENTRY_SIZE>().0 {
            let timestamp =
                bytes.first_chunk().map_or(Timestamp::NONE, |n| Timestamp(i64::from_be_bytes(*n)));
            let entry = TimeEntry { timestamp, relative: number(bytes, 8) };
            let rises = entries
                .times
                .last()
                .is_none_or(|last| last.timestamp < entry.timestamp && last.relative <= entry.relative);
            if !rises || entry.timestamp.0 < 0 || covered.is_none_or(|covered| entry.relative > covered) {
                break;
            }
            entries.times.push(entry);
        }
        if entries.times.is_empty() {
            // The first entry of the offset index comes with one of the time index, unless no batch has a timestamp.
            return Self::new(base_offset);
        }
        entries.largest = entries.times.last().copied();
        entries.unproved = true;
        (entries.read_offsets, entries.read_times) = entries.counts();
        entries
    }

    /// The last entry, which says where to go on.
    pub(crate) fn last(&self) -> Indexed {
        self.indexed(self.offsets.len())
    }

    /// Where the batch of the last entry stands: what lies before it is indexed completely.
    pub(crate) fn resume_position(&self) -> Position {
        self.last().position
    }

    /// Adds the next batch: first an entry when more than `interval_bytes` were added since the last one.
    pub(crate) fn add(&mut self, batch: IndexedBatch, interval_bytes: u64) {
        let Some(relative) = relative(batch.last_offset, self.base_offset) else { return };
        let entry = TimeEntry { timestamp: batch.max_timestamp, relative };
        if is_younger(entry, self.added) {
            self.added = Some(entry);
            self.raise_largest(Some(entry));
        }
        if self.bytes_since_entry > interval_bytes
            && let Some(position) = u32::try_from(batch.position.0).ok().filter(|&position| fits(position))
            && self.offsets.last().is_none_or(|last| last.relative < relative && last.position < position)
        {
            self.offsets.push(OffsetEntry { relative, position });
            self.add_time();
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry = self.bytes_since_entry.saturating_add(batch.size);
    }

    /// Takes up adding at the batch of the last entry: that batch is not given an entry again.
    pub(crate) fn add_resumed(&mut self, batch: IndexedBatch, interval_bytes: u64) {
        if !self.offsets.is_empty() && batch.position == self.resume_position() {
            self.bytes_since_entry = 0;
            let limit = u64::MAX;
            self.add(batch, limit);
        } else {
            self.add(batch, interval_bytes);
        }
    }

    /// Adds the last entry of the time index, as is done when a segment gets no more batches.
    pub(crate) fn finish(&mut self) {
        self.add_time();
    }

    fn raise_largest(&mut self, entry: Option<TimeEntry>) {
        if let Some(entry) = entry.filter(|entry| is_younger(*entry, self.largest)) {
            self.largest = Some(entry);
        }
    }

    fn add_time(&mut self) {
        // An entry says that nothing before it is younger.
        if let Some(largest) = self.largest.filter(|_| !self.unproved)
            && self.times.last().is_none_or(|last| last.timestamp < largest.timestamp)
        {
            self.times.push(largest);
        }
    }

    /// A position at or before the batch that holds `offset`.
    pub(crate) fn position_of(&self, offset: Offset) -> Indexed {
        self.indexed(self.offsets.partition_point(|entry| self.absolute(entry.relative) <= offset))
    }

    /// The last indexed position at or before `position`.
    pub(crate) fn position_before(&self, position: Position) -> Indexed {
        self.indexed(self.offsets.partition_point(|entry| u64::from(entry.position) <= position.0))
    }

    /// What the last of the first `count` entries says.
    fn indexed(&self, count: usize) -> Indexed {
        let entry = count.checked_sub(1).and_then(|index| self.offsets.get(index)).copied();
        Indexed {
            position: entry.map_or(Position::ZERO, |entry| Position(u64::from(entry.position))),
            doubtful: entry.filter(|_| count <= self.read_offsets),
        }
    }

    /// Takes out an entry that does not tell the truth.
    pub(crate) fn forget(&mut self, lying: OffsetEntry) {
        if let Some(at) = self.offsets.iter().position(|entry| *entry == lying) {
            self.offsets.remove(at);
            self.read_offsets = self.read_offsets.saturating_sub(usize::from(at < self.read_offsets));
        }
    }

    /// Takes out an entry that does not tell the truth.
    pub(crate) fn forget_time(&mut self, lying: TimeEntry) {
        if let Some(at) = self.times.iter().position(|entry| *entry == lying) {
            self.times.remove(at);
            self.read_times = self.read_times.saturating_sub(usize::from(at < self.read_times));
        }
    }

    /// The last entry of the time index's file; `None`: there is none.
    pub(crate) fn last_read_time(&self) -> Option<TimeEntry> {
        self.read_times.checked_sub(1).and_then(|index| self.times.get(index)).copied()
    }

    /// Entries that are known to be incomplete: what they say of the largest timestamp is not proved, also if they are
    /// none.
    #[must_use]
    pub(crate) fn in_doubt(mut self) -> Self {
        self.unproved = true;
        self
    }

    /// Whether the largest timestamp rests on what a file says.
    pub(crate) fn is_unproved(&self) -> bool {
        self.unproved
    }

    /// Takes the largest timestamp of the batches up to some place, which was looked up in the batches. Those behind it
    /// were added here.
    pub(crate) fn prove(&mut self, found: Option<TimeEntry>) {
        self.largest = found;
        self.raise_largest(self.added);
        self.unproved = false;
    }

    /// An offset such that no record before it is younger than `timestamp` or as old; and the entry that says so, where
    /// it comes from a file: to be compared with its batch.
    pub(crate) fn offset_before(&self, timestamp: Timestamp) -> (Offset, Option<TimeEntry>) {
        let below = self.times.partition_point(|entry| entry.timestamp <= timestamp);
        let entry = below.checked_sub(1).and_then(|index| self.times.get(index)).copied();
        let offset = entry.map_or(self.base_offset, |entry| self.absolute(entry.relative));
        (offset, entry.filter(|_| below <= self.read_times))
    }

    /// The largest timestamp and the last offset of the batch that has it, among batches that end before `end` and
    /// were indexed before the last entry below it.
    pub(crate) fn largest_before(&self, end: Offset) -> Option<(Timestamp, Offset)> {
        let largest = self.largest.filter(|largest| self.absolute(largest.relative) < end);
        let entry = largest.or_else(|| {
            let below = self.times.partition_point(|entry| self.absolute(entry.relative) < end);
            below.checked_sub(1).and_then(|index| self.times.get(index)).copied()
        })?;
        Some((entry.timestamp, self.absolute(entry.relative)))
    }

    /// The largest timestamp; `None` when no batch has one.
    pub(crate) fn largest_timestamp(&self) -> Option<Timestamp> {
        self.largest.map(|largest| largest.timestamp)
    }

    /// Whether Kafka would roll because an index of `index_bytes` is full.
    pub(crate) fn is_full(&self, index_bytes: u64) -> bool {
        let holds = |size: usize| usize::try_from(index_bytes).unwrap_or(usize::MAX) / size;
        self.offsets.len() >= holds(OFFSET_ENTRY_SIZE).max(1)
            || self.times.len() >= holds(TIME_ENTRY_SIZE).saturating_sub(1).max(1)
    }

    /// The offset index's bytes from entry `first` on, of batches before `end`; and how many entries stand before them
    /// and in them.
    pub(crate) fn offset_bytes(&self, first: usize, end: Position) -> (Vec<u8>, usize) {
        let below = self.offsets.partition_point(|entry| u64::from(entry.position) < end.0);
        let entries = self.offsets.get(first..below).unwrap_or_default();
        let bytes = entries.iter().flat_map(|entry| pair(entry.relative, entry.position)).collect();
        (bytes, below.max(first))
    }

    /// The same for the time index, of batches before `end_offset`.
    pub(crate) fn time_bytes(&self, first: usize, end_offset: Offset) -> (Vec<u8>, usize) {
        let below = self.times.partition_point(|entry| self.absolute(entry.relative) < end_offset);
        let entries = self.times.get(first..below).unwrap_or_default();
        let bytes = entries.iter().flat_map(time_pair).collect();
        (bytes, below.max(first))
    }

    /// How many entries each index has: offset, time.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.offsets.len(), self.times.len())
    }

    /// Bytes of memory that the entries take.
    pub(crate) fn memory(&self) -> usize {
        self.offsets.len() * size_of::<OffsetEntry>() + self.times.len() * size_of::<TimeEntry>()
    }

    /// The offset of which an entry says how far it lies above the base offset.
    pub(crate) fn absolute(&self, relative: u32) -> Offset {
        Offset(self.base_offset.0.saturating_add(i64::from(relative)))
    }
}

/// `offset` counted from `base`; `None` when 31 bits cannot say it, which makes Kafka roll.
pub(crate) fn relative(offset: Offset, base: Offset) -> Option<u32> {
    let relative = offset.0.checked_sub(base.0)?;
    u32::try_from(relative).ok().filter(|&relative| fits(relative))
}

/// Whether an entry's timestamp is larger than that of the largest so far; timestamps below 0 are none.
pub(crate) fn is_younger(entry: TimeEntry, largest: Option<TimeEntry>) -> bool {
    entry.timestamp > largest.map_or(Timestamp::NONE, |largest| largest.timestamp)
}

fn fits(number: u32) -> bool {
    i32::try_from(number).is_ok()
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |n| u32::from_be_bytes(*n))
}

fn pair(relative: u32, position: u32) -> [u8; OFFSET_ENTRY_SIZE] {
    ((u64::from(relative) << 32) | u64::from(position)).to_be_bytes()
}

fn time_pair(entry: &TimeEntry) -> impl Iterator<Item = u8> {
    entry.timestamp.0.to_be_bytes().into_iter().chain(entry.relative.to_be_bytes())
}

#[cfg(test)]
#[allow(clippy::cast_possible_wrap, clippy::cast_sign_loss)]
mod tests {
    use super::*;

    fn batch(position: u64, last_offset: i64, max_timestamp: i64, size: u64) -> IndexedBatch {
        IndexedBatch {
            position: Position(position),
            last_offset: Offset(last_offset),
            max_timestamp: Timestamp(max_timestamp),
            size,
        }
    }

    /// Ten batches of 100 bytes and two records each, an entry after more than 250 bytes.
    fn ten() -> IndexEntries {
        let mut entries = IndexEntries::new(Offset(1000));
        for index in 0..10u64 {
            let last = 1001 + 2 * index as i64;
            entries.add(batch(index * 100, last, 50 + (index as i64 % 7), 100), 250);
        }
        entries
    }

    #[test]
    fn an_entry_comes_before_the_batch_that_follows_more_than_the_interval() {
        let entries = ten();
        let list: Vec<_> = entries.offsets.iter().map(|entry| (entry.relative, entry.position)).collect();
        assert_eq!(list, [(7, 300), (13, 600), (19, 900)]);
        let times: Vec<_> = entries.times.iter().map(|entry| (entry.timestamp.0, entry.relative)).collect();
        assert_eq!(times, [(53, 7), (56, 13)]);
    }

    #[test]
    fn lookups_never_pass_the_batch_asked_for() {
        let entries = ten();
        for offset in 1000..1020 {
            let position = entries.position_of(Offset(offset)).position.0;
            let batch = (offset as u64 - 1000) / 2 * 100;
            assert!(position <= batch && batch - position <= 300, "{offset}: {position}");
        }
        assert_eq!(entries.position_before(Position(599)).position, Position(300));
        assert_eq!(entries.position_before(Position(600)).position, Position(600));
        assert_eq!(entries.offset_before(Timestamp(52)).0, Offset(1000));
        assert_eq!(entries.offset_before(Timestamp(53)).0, Offset(1007));
    }

    #[test]
    fn files_read_back_and_going_on_gives_the_same_entries() {
        let whole = ten();
        for end in 0..=10u64 {
            let (end_position, end_offset) = (Position(end * 100), Offset(1000 + 2 * end as i64));
            let (offset_bytes, _) = whole.offset_bytes(0, end_position);
            let (time_bytes, _) = whole.time_bytes(0, end_offset);
            let mut read =
                IndexEntries::from_files(Offset(1000), &offset_bytes, &time_bytes, end_position, end_offset);
            read.prove(read.last_read_time());
            for index in read.resume_position().0 / 100..10 {
                let last = 1001 + 2 * index as i64;
                read.add_resumed(batch(index * 100, last, 50 + (index as i64 % 7), 100), 250);
            }
            assert_eq!((&read.offsets, &read.times), (&whole.offsets, &whole.times), "end {end}");
            assert_eq!(read.largest, whole.largest);
        }
    }

    #[test]
    fn damaged_files_are_taken_up_only_as_far_as_they_are_consistent() {
        let whole = ten();
        let (mut bytes, _) = whole.offset_bytes(0, Position(1000));
        let (times, _) = whole.time_bytes(0, Offset(1020));
        bytes[8..16].fill(0);
        let read = IndexEntries::from_files(Offset(1000), &bytes, &times, Position(1000), Offset(1020));
        assert_eq!(read.counts(), (1, 1));
        let cut = IndexEntries::from_files(Offset(1000), &bytes[..7], &times, Position(1000), Offset(1020));
        assert_eq!(cut.counts(), (0, 0));
        let beyond = IndexEntries::from_files(Offset(1000), &bytes, &times, Position(300), Offset(1006));
        assert_eq!(beyond.counts(), (0, 0));
    }

    #[test]
    fn offsets_beyond_thirty_one_bits_are_not_relative() {
        assert_eq!(relative(Offset(i64::from(i32::MAX) + 5), Offset(5)), Some(i32::MAX as u32));
        assert_eq!(relative(Offset(i64::from(i32::MAX) + 6), Offset(5)), None);
        assert_eq!(relative(Offset(4), Offset(5)), None);
    }
}
