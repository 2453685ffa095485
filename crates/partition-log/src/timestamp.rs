//! Records by time: the first at or after a timestamp, and the first with the largest one. As for a read, planning
//! touches no file; running looks up the time index, hops headers and decodes one batch, with a cap on its output.

use bytes::Bytes;
use highwater_disk::{DiskError, Operation};
use highwater_types::{Offset, Position, Timestamp};
use highwater_wal::{EntryError, ReadMode};
use highwater_wire::record::{BatchHeader, Records, default_output_limit};

use crate::read::PlanSegment;
use crate::segment::{IndexSource, visit_headers};
use crate::{Isolation, PartitionLog, PlanError, TimestampType, TimestampedOffset};

#[derive(Debug, Clone, Copy)]
enum Wanted {
    AtOrAfter(Timestamp),
    Largest,
}

/// A search by time whose segments and bound are fixed.
#[derive(Debug, Clone)]
pub struct TimestampPlan {
    wanted: Wanted,
    segments: Vec<PlanSegment>,
    log_start_offset: Offset,
    bound: Offset,
    source: IndexSource,
}

impl PartitionLog {
    /// Fixes where the first record at or after `timestamp` is searched. No I/O.
    pub fn timestamp_plan(&self, timestamp: Timestamp, isolation: Isolation) -> TimestampPlan {
        self.time_plan(Wanted::AtOrAfter(timestamp), isolation)
    }

    /// Fixes where the first record with the largest timestamp is searched. No I/O.
    pub fn max_timestamp_plan(&self) -> TimestampPlan {
        self.time_plan(Wanted::Largest, Isolation::ReadUncommitted)
    }

    fn time_plan(&self, wanted: Wanted, isolation: Isolation) -> TimestampPlan {
        let (bound, point) = self.bound(isolation, &self.offsets());
        let below = self.wal.segments().iter().filter(|segment| segment.base_offset() < bound);
        TimestampPlan {
            wanted,
            segments: below.filter_map(|segment| self.plan_segment(segment, point)).collect(),
            log_start_offset: self.log_start_offset,
            bound,
            source: self.source.clone(),
        }
    }
}

/// A batch that was found.
struct Found {
    position: Position,
    header: BatchHeader,
}

impl TimestampPlan {
    /// Searches. `None` when there is no such record within the bound.
    ///
    /// # Errors
    /// As [`ReadPlan::run`](crate::ReadPlan::run).
    pub fn run(&self, mode: ReadMode) -> Result<Option<TimestampedOffset>, PlanError> {
        match self.wanted {
            Wanted::AtOrAfter(timestamp) => self.first_at_or_after(timestamp, mode),
            Wanted::Largest => self.largest(mode),
        }
    }

    fn first_at_or_after(
        &self,
        timestamp: Timestamp,
        mode: ReadMode,
    ) -> Result<Option<TimestampedOffset>, PlanError> {
        for part in &self.segments {
            if part.index.largest(&part.segment, &self.source, mode)? < timestamp {
                continue;
            }
            let first = part.index.begin_at_time(&part.segment, &self.source, mode, timestamp)?;
            let from = self.begin(part, mode, first.max(self.log_start_offset))?;
            let mut result = None;
            self.visit(part, from, mode, |found| {
                if found.header.max_timestamp >= timestamp
                    && found.header.last_offset() >= self.log_start_offset
                {
                    result = self.record_in(part, found, mode, |stamp| stamp >= timestamp)?;
                }
                Ok(result.is_none())
            })?;
            if result.is_some() {
                return Ok(result);
            }
        }
        Ok(None)
    }

    /// Where to begin hopping to the batch that holds `offset`.
    fn begin(&self, part: &PlanSegment, mode: ReadMode, offset: Offset) -> Result<Position, PlanError> {
        part.index.begin(&part.segment, &self.source, mode, |entries| entries.position_of(offset))
    }

    fn largest(&self, mode: ReadMode) -> Result<Option<TimestampedOffset>, PlanError> {
        let mut best: Option<(usize, Timestamp, Offset)> = None;
        for (at, part) in self.segments.iter().enumerate() {
            if best.is_some_and(|(_, best, _)| part.index.known_largest().is_some_and(|known| known <= best))
            {
                continue;
            }
            if let Some((timestamp, offset)) = self.largest_in(part, mode)?
                && best.is_none_or(|(_, best, _)| timestamp > best)
            {
                best = Some((at, timestamp, offset));
            }
        }
        let Some((part, timestamp, offset)) =
            best.and_then(|(at, timestamp, offset)| Some((self.segments.get(at)?, timestamp, offset)))
        else {
            return Ok(None);
        };
        let offset = offset.max(self.log_start_offset);
        let from = self.begin(part, mode, offset)?;
        let mut result = None;
        self.visit(part, from, mode, |found| {
            // The batch within which the log starts may have had a larger one.
            if found.header.max_timestamp >= timestamp && found.header.last_offset() >= offset {
                result = self.record_in(part, found, mode, |stamp| stamp == timestamp)?;
            }
            Ok(result.is_none())
        })?;
        Ok(result)
    }

    /// The largest timestamp below the bound and the last offset of the batch that has it. The index may know younger
    /// batches above the bound; then the batches since the entry before are looked at.
    fn largest_in(
        &self,
        part: &PlanSegment,
        mode: ReadMode,
    ) -> Result<Option<(Timestamp, Offset)>, PlanError> {
        let bound = self.bound;
        let largest = part.index.largest_in_entries(&part.segment, &self.source, mode)?;
        let cut = self.cut_by_the_start(part, mode)?;
        let floor = cut.map_or(self.log_start_offset, |(last, _)| last.next());
        let (mut best, known) = part.index.ask(&part.segment, &self.source, mode, |entries| {
            let best = entries.largest_before(bound).filter(|(_, offset)| *offset >= floor);
            (best, best.map_or(Timestamp::NONE, |(timestamp, _)| timestamp) == largest)
        })?;
        if !known {
            // What is behind the entry may be younger; without one above the log's start, everything from there on.
            let from = self.begin(part, mode, best.map_or(floor, |(_, offset)| offset))?;
            self.visit(part, from, mode, |found| {
                let (timestamp, offset) = (found.header.max_timestamp, found.header.last_offset());
                let readable = timestamp.0 >= 0 && offset >= floor;
                if readable && best.is_none_or(|(best, _)| timestamp > best) {
                    best = Some((timestamp, offset));
                }
                Ok(true)
            })?;
        }
        // It comes before all others: they must be larger.
        if let Some((last, Some(timestamp))) = cut
            && best.is_none_or(|(best, _)| best <= timestamp)
        {
            best = Some((timestamp, last));
        }
        Ok(best)
    }

    /// The batch within which the log starts, if it is in this segment: its last offset, and the largest timestamp of the
    /// records that are left of it. Its header and the index speak of the others too.
    fn cut_by_the_start(
        &self,
        part: &PlanSegment,
        mode: ReadMode,
    ) -> Result<Option<(Offset, Option<Timestamp>)>, PlanError> {
        let start = self.log_start_offset;
        if part.segment.base_offset() >= start {
            return Ok(None);
        }
        let from = self.begin(part, mode, start)?;
        let mut cut = None;
        self.visit(part, from, mode, |found| {
            let last = found.header.last_offset();
            if last >= start && found.header.base_offset < start {
                let mut largest = None;
                self.records_in(part, found, mode, |record| {
                    largest = largest.max((record.timestamp.0 >= 0).then_some(record.timestamp));
                    true
                })?;
                cut = Some((last, largest));
            }
            Ok(last < start)
        })?;
        Ok(cut)
    }

    /// Hops batches from `from` up to the bound.
    fn visit(
        &self,
        part: &PlanSegment,
        from: Position,
        mode: ReadMode,
        mut look: impl FnMut(&Found) -> Result<bool, PlanError>,
    ) -> Result<(), PlanError> {
        let format = self.source.format.as_ref();
        visit_headers(&part.segment, format, from, part.end, mode, |position, entry, bytes| {
            if entry.base_offset >= self.bound {
                return Ok(false);
            }
            let header = BatchHeader::parse(bytes)
                .map_err(|_| corrupt(part, position, EntryError::Malformed("impossible batch header")))?;
            look(&Found { position, header })
        })
    }

    /// The first record of a batch, not below the log's start, whose timestamp fits.
    fn record_in(
        &self,
        part: &PlanSegment,
        found: &Found,
        mode: ReadMode,
        fits: impl Fn(Timestamp) -> bool,
    ) -> Result<Option<TimestampedOffset>, PlanError> {
        let mut first = None;
        self.records_in(part, found, mode, |record| {
            first = fits(record.timestamp).then_some(record);
            first.is_none()
        })?;
        Ok(first.filter(|record| record.offset < self.bound))
    }

    /// Shows the records of a batch that are not below the log's start, until `look` has seen enough.
    fn records_in(
        &self,
        part: &PlanSegment,
        found: &Found,
        mode: ReadMode,
        mut look: impl FnMut(TimestampedOffset) -> bool,
    ) -> Result<(), PlanError> {
        let bytes = read_batch(part, found, mode)?;
        let header = &found.header;
        let leader_epoch = header.leader_epoch;
        let unreadable = |_| corrupt(part, found.position, EntryError::Malformed("unreadable records"));
        let mut records =
            Records::new(&bytes, header, default_output_limit(header.size())).map_err(unreadable)?;
        while let Some((record, _)) = records.next_record().map_err(unreadable)? {
            let timestamp = match header.attributes.timestamp_type() {
                TimestampType::LogAppendTime => header.max_timestamp,
                TimestampType::CreateTime => {
                    Timestamp(header.base_timestamp.0.saturating_add(record.timestamp_delta))
                }
            };
            let offset = Offset(header.base_offset.0.saturating_add(i64::from(record.offset_delta)));
            if offset >= self.log_start_offset && !look(TimestampedOffset { offset, timestamp, leader_epoch })
            {
                break;
            }
        }
        Ok(())
    }
}

/// The whole batch, in memory.
fn read_batch(part: &PlanSegment, found: &Found, mode: ReadMode) -> Result<Bytes, PlanError> {
    let path = part.segment.path();
    let stop = Position(found.position.0.saturating_add(found.header.size()));
    if stop > part.segment.end() {
        let length = i64::from(found.header.batch_length);
        return Err(corrupt(part, found.position, EntryError::BadLength { length }));
    }
    let range = part.segment.range(found.position, stop).map_err(DiskError::at(Operation::Open, &path))?;
    let bytes = match mode {
        ReadMode::Resident => read_resident(&range).map_err(DiskError::at(Operation::Read, &path))?,
        ReadMode::Blocking => Some(range.read().map_err(DiskError::at(Operation::Read, &path))?),
    };
    bytes.map(Bytes::from).ok_or(PlanError::WouldBlock)
}

fn read_resident(range: &highwater_disk::FileRange) -> std::io::Result<Option<Vec<u8>>> {
    let Ok(size) = usize::try_from(range.size) else { return Ok(None) };
    let mut buffer = vec![0; size];
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match range.file.read_resident_at(rest, range.position.saturating_add(done as u64)) {
            Ok(None | Some(0)) => return Ok(None),
            Ok(Some(count)) => done += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(buffer))
}

fn corrupt(part: &PlanSegment, position: Position, reason: EntryError) -> PlanError {
    PlanError::Corrupt { file: part.segment.path(), position, reason }
}
