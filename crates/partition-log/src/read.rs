//! From an offset to byte ranges of whole batches. Planning, under the log's lock, touches no file: it collects
//! reference-counted segments and indexes and the bound. Running the plan, without the lock, looks up the index, hops
//! batch headers to the batch that holds the offset and, where the bound is not reached, to the last one that fits.
//! Payloads are never read.

use std::sync::Arc;

use highwater_disk::{DiskError, FileRange, Operation};
use highwater_types::{Offset, Position};
use highwater_wal::{EntryError, LogPoint, ReadMode, Segment};

use crate::segment::{IndexSource, SegmentIndex, visit_headers};
use crate::transactions::collect_aborted;
use crate::{
    AbortedTransaction, Isolation, LogOffsets, OutOfRange, PartitionLog, PlanError, ReadOutcome, ReadRequest,
};

/// Segments that one read may touch at most.
const SEGMENTS_MAX: usize = 64;

/// One segment of a plan.
#[derive(Debug, Clone)]
pub(crate) struct PlanSegment {
    pub(crate) segment: Arc<Segment>,
    pub(crate) index: Arc<SegmentIndex>,
    /// End of what may be read in it.
    pub(crate) end: Position,
}

/// A read whose segments and bound are fixed. Holding it keeps the bytes readable, also when they are deleted.
#[derive(Debug, Clone)]
pub struct ReadPlan {
    request: ReadRequest,
    segments: Vec<PlanSegment>,
    /// The last stable offset, where its position is not known.
    stop_before: Option<Offset>,
    /// End of what may be read.
    bound: Offset,
    /// Segments from the first one read on, whose aborted transactions may overlap.
    aborted: Vec<Arc<SegmentIndex>>,
    offsets: LogOffsets,
    source: IndexSource,
    /// Offsets may be missing between batches.
    holes: bool,
}

impl PartitionLog {
    /// Fixes what a read may see. No I/O.
    ///
    /// # Errors
    /// The offset is below the log's start or above its end. Between the high watermark and the end the answer is
    /// empty, as in Kafka.
    pub fn read_plan(&self, request: ReadRequest) -> Result<ReadPlan, OutOfRange> {
        let offsets = self.offsets();
        if request.offset < offsets.log_start_offset || request.offset > offsets.log_end_offset {
            return Err(OutOfRange {
                log_start_offset: offsets.log_start_offset,
                high_watermark: offsets.high_watermark,
            });
        }
        let (bound, point) = self.bound(request.isolation, &offsets);
        let segments =
            if request.offset < bound { self.plan_segments(request, bound, point) } else { Vec::new() };
        let first = segments.first().map(|part| part.index.base_offset());
        let aborted = match (request.isolation, first) {
            (Isolation::ReadCommitted, Some(first)) => self.segments_with_aborted(first),
            _ => Vec::new(),
        };
        let stop_before = point.is_none().then_some(bound);
        let (source, holes) = (self.source.clone(), self.holes);
        Ok(ReadPlan { request, segments, stop_before, bound, aborted, offsets, source, holes })
    }

    /// The offset before which a reader must stop, and its place if it is known.
    pub(crate) fn bound(&self, isolation: Isolation, offsets: &LogOffsets) -> (Offset, Option<LogPoint>) {
        if isolation == Isolation::ReadUncommitted || offsets.last_stable_offset == offsets.high_watermark {
            return (offsets.high_watermark, Some(self.high_watermark));
        }
        let stable = offsets.last_stable_offset;
        (stable, self.unstable.get(&stable).copied())
    }

    fn plan_segments(
        &self,
        request: ReadRequest,
        bound: Offset,
        point: Option<LogPoint>,
    ) -> Vec<PlanSegment> {
        let segments = self.wal.segments();
        let after = segments.partition_point(|segment| segment.base_offset() <= request.offset);
        let mut parts = Vec::new();
        let mut available = 0u64;
        for segment in segments.iter().skip(after.saturating_sub(1)).take(SEGMENTS_MAX) {
            let enough = parts.len() > 1 && available >= request.max_bytes;
            if segment.base_offset() >= bound || enough {
                break;
            }
            let Some(part) = self.plan_segment(segment, point) else { break };
            if !parts.is_empty() {
                available = available.saturating_add(part.end.0);
            }
            parts.push(part);
        }
        parts
    }

    /// A segment up to the bound, or up to its end where the bound lies behind it or is not known.
    pub(crate) fn plan_segment(
        &self,
        segment: &Arc<Segment>,
        point: Option<LogPoint>,
    ) -> Option<PlanSegment> {
        let base_offset = segment.base_offset();
        let end = point
            .filter(|point| point.segment == base_offset)
            .map_or(segment.end(), |point| point.position.min(segment.end()));
        let index = self.slot(base_offset)?.index.clone();
        Some(PlanSegment { segment: segment.clone(), index, end })
    }

    fn segments_with_aborted(&self, first: Offset) -> Vec<Arc<SegmentIndex>> {
        let from = self.slots.iter().skip_while(|slot| slot.index.base_offset() < first);
        let with_some = from.filter(|slot| slot.index.with_aborted(|aborted| !aborted.is_empty()));
        with_some.map(|slot| slot.index.clone()).collect()
    }
}

/// A stretch of whole batches in one segment.
struct Stretch {
    start: Position,
    stop: Position,
    /// Offset behind the last batch, where hopping told it.
    next_offset: Option<Offset>,
}

/// What a read has found so far.
struct Found {
    records: Vec<FileRange>,
    /// Bytes that are still wanted.
    left: u64,
    /// No record from here on was found.
    end_offset: Offset,
}

impl ReadPlan {
    /// Finds the byte ranges. They end in front of what is damaged.
    ///
    /// # Errors
    /// [`PlanError::WouldBlock`] in resident mode: run it again where waiting is allowed. Otherwise corruption or a
    /// failed read, with nothing in front of it that could be returned.
    pub fn run(&self, mode: ReadMode) -> Result<ReadOutcome, PlanError> {
        let left = self.request.max_bytes;
        let mut found = Found { records: Vec::new(), left, end_offset: self.bound };
        let mut previous = None;
        for part in &self.segments {
            let awaited = found.records.is_empty() && self.request.at_least_one_batch;
            if !awaited && !part.segment.is_open_or_may_be() {
                found.end_offset = part.segment.base_offset();
                break;
            }
            match self.read_segment(previous.replace(part), part, &mut found, mode) {
                Ok(true) => {}
                Ok(false) => break,
                Err(PlanError::WouldBlock) => return Err(PlanError::WouldBlock),
                Err(error) if found.records.is_empty() => return Err(error),
                // The read that goes on from here is told.
                Err(_) => {
                    found.end_offset = part.segment.base_offset();
                    break;
                }
            }
        }
        let aborted = self.aborted_before(found.end_offset, !found.records.is_empty());
        Ok(ReadOutcome { records: found.records, offsets: self.offsets, aborted })
    }

    /// Adds what is wanted of one segment. Returns whether the read goes on behind it.
    fn read_segment(
        &self,
        previous: Option<&PlanSegment>,
        part: &PlanSegment,
        found: &mut Found,
        mode: ReadMode,
    ) -> Result<bool, PlanError> {
        self.check_joined(previous, part, mode)?;
        let (end, damage) = match self.end_of(part, mode) {
            // All batches between here and the place that was looked for may be read.
            Err(error @ PlanError::Corrupt { position, .. }) => (position, Some(error)),
            end => (end?, None),
        };
        let ranges = found.records.len();
        let goes_on = self.take(part, end, found, mode)?;
        match damage {
            Some(error) if found.records.len() == ranges => Err(error),
            Some(_) => Ok(false),
            None => Ok(goes_on),
        }
    }

    /// Adds what is wanted of a segment up to `end`. Returns whether all of that is taken and more is wanted.
    fn take(
        &self,
        part: &PlanSegment,
        end: Position,
        found: &mut Found,
        mode: ReadMode,
    ) -> Result<bool, PlanError> {
        let first = found.records.is_empty();
        let start = if first { self.locate(part, end, mode)? } else { Some(Position::ZERO) };
        let Some(start) = start else { return Ok(true) };
        let stretch = self.stretch(part, start, end, found.left, first, mode)?;
        if stretch.stop > stretch.start {
            let range = part.segment.range(stretch.start, stretch.stop);
            let range = range.map_err(DiskError::at(Operation::Open, &part.segment.path()))?;
            found.left = found.left.saturating_sub(range.size);
            found.records.push(range);
        }
        if stretch.stop < end || found.left == 0 {
            found.end_offset = stretch.next_offset.unwrap_or(self.bound);
            return Ok(false);
        }
        Ok(true)
    }

    /// A segment must begin where the one before it ends, unless holes are allowed: a segment that is gone is told, never
    /// skipped.
    fn check_joined(
        &self,
        previous: Option<&PlanSegment>,
        part: &PlanSegment,
        mode: ReadMode,
    ) -> Result<(), PlanError> {
        let Some(previous) = previous.filter(|_| !self.holes) else { return Ok(()) };
        let last = Offset(part.segment.base_offset().0.saturating_sub(1));
        let from = previous
            .index
            .begin(&previous.segment, &self.source, mode, |entries| entries.position_of(last))?;
        match find_batch(previous, &self.source, from, previous.end, last, mode)? {
            Some(_) => Ok(()),
            None => Err(PlanError::Corrupt {
                file: part.segment.path(),
                position: Position::ZERO,
                reason: EntryError::Malformed("offsets before this segment are missing"),
            }),
        }
    }

    /// Watermarks when the plan was made.
    pub fn offsets(&self) -> LogOffsets {
        self.offsets
    }

    /// End of what may be read in a segment: the batch at the last stable offset is looked up when its place is not
    /// known.
    fn end_of(&self, part: &PlanSegment, mode: ReadMode) -> Result<Position, PlanError> {
        let Some(stop) = self.stop_before else { return Ok(part.end) };
        let from =
            part.index.begin(&part.segment, &self.source, mode, |entries| entries.position_of(stop))?;
        let found = find_batch(part, &self.source, from, part.end, stop, mode)?;
        Ok(found.map_or(part.end, |(position, _)| position))
    }

    /// Where the batch begins that holds the offset asked for, or the first one behind it.
    fn locate(
        &self,
        part: &PlanSegment,
        end: Position,
        mode: ReadMode,
    ) -> Result<Option<Position>, PlanError> {
        let offset = self.request.offset;
        let from = if offset <= part.segment.base_offset() {
            Position::ZERO
        } else {
            part.index.begin(&part.segment, &self.source, mode, |entries| entries.position_of(offset))?
        };
        let found = find_batch(part, &self.source, from, end, offset, mode)?;
        Ok(found.map(|(position, _)| position))
    }

    /// Whole batches from `start` on: all up to `end` if they fit, else as many as fit; the first one of a read even
    /// when it does not, if that was asked for. It ends in front of a header that is damaged.
    fn stretch(
        &self,
        part: &PlanSegment,
        start: Position,
        end: Position,
        left: u64,
        first: bool,
        mode: ReadMode,
    ) -> Result<Stretch, PlanError> {
        let limit = Position(start.0.saturating_add(left));
        if end <= limit {
            return Ok(Stretch { start, stop: end, next_offset: None });
        }
        let before = |entries: &crate::index::IndexEntries| entries.position_before(limit);
        let from = part.index.begin(&part.segment, &self.source, mode, before)?.max(start);
        let whole_first = first && self.request.at_least_one_batch;
        let mut stretch = Stretch { start, stop: from, next_offset: None };
        let format = self.source.format.as_ref();
        let visited = visit_headers(&part.segment, format, from, end, mode, |position, header, _| {
            let stop = Position(position.0.saturating_add(header.size));
            if stop <= limit || (whole_first && position == start) {
                stretch.stop = stop;
                stretch.next_offset = Some(header.last_offset.next());
            }
            Ok(stop < limit)
        });
        match visited {
            Err(PlanError::WouldBlock) => Err(PlanError::WouldBlock),
            Err(error) if stretch.stop == start => Err(error),
            _ => Ok(stretch),
        }
    }

    fn aborted_before(&self, end_offset: Offset, any: bool) -> Vec<AbortedTransaction> {
        let mut found = Vec::new();
        if any {
            for index in &self.aborted {
                let search = |entries: &[crate::AbortedTxn]| {
                    collect_aborted(entries, self.request.offset, end_offset, &mut found)
                };
                if index.with_aborted(search) {
                    break;
                }
            }
        }
        found
    }
}

/// The first batch from `from` on, before `end`, whose last offset is at or above `offset`.
pub(crate) fn find_batch(
    part: &PlanSegment,
    source: &IndexSource,
    from: Position,
    end: Position,
    offset: Offset,
    mode: ReadMode,
) -> Result<Option<(Position, u64)>, PlanError> {
    let mut found = None;
    visit_headers(&part.segment, source.format.as_ref(), from, end, mode, |position, header, _| {
        if header.last_offset >= offset {
            found = Some((position, header.size));
        }
        Ok(found.is_none())
    })?;
    Ok(found)
}
