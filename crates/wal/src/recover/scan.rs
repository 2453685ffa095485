//! Finding the end of the good log. Reads only: what is to be done about the rest is a plan ([`Scan`]).

use std::sync::Arc;

use highwater_disk::{DiskError, Operation};
use highwater_types::{LeaderEpoch, Offset, Position};

use super::RecoverFrom;
use super::reader::{Expected, Next, Reader};
use crate::{EntryError, EntryFormat, LogPoint, Segment, WalError};

/// Where scanning starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// Index of the first segment to be scanned.
    pub(super) index: usize,
    pub(super) position: Position,
    offset: Offset,
    /// Whether everything below is known to be synced and good.
    pub(super) trusted: bool,
}

/// Bytes at the end of a segment's file that are not part of the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    pub(super) index: usize,
    pub(super) position: Position,
    /// `None`: nothing but zeros.
    pub(super) reason: Option<EntryError>,
    pub(super) offsets: Option<(Offset, Offset)>,
}

/// What scanning found.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) end: LogPoint,
    pub(super) bytes: u64,
    pub(super) entries: u64,
    pub(super) tails: Vec<Tail>,
    /// Offsets are missing before a segment that may never have been synced: holes are allowed there, but this one
    /// may also be the lost end of the segment before.
    pub(super) gap: bool,
    /// Segments before this index lie wholly below the log's start.
    pub(super) obsolete: usize,
    /// Segments from this index on do not continue the log.
    pub(super) aside: Option<(usize, EntryError)>,
}

/// Scans segments that end where their files do.
pub(super) struct Scanner<'a> {
    pub(super) format: &'a dyn EntryFormat,
    pub(super) from: &'a RecoverFrom,
    pub(super) segments: &'a [Arc<Segment>],
}

impl Scanner<'_> {
    /// Where to start: at the recovery point if an entry with its offset stands there, or the file ends there;
    /// otherwise at the beginning of the segment that must hold it.
    pub(super) fn start(&self) -> Result<Start, DiskError> {
        if self.segments.first().is_some_and(|first| self.from.lacks_beginning(first.base_offset())) {
            let offset = self.from.log_start_offset;
            return Ok(Start { index: 0, position: Position::ZERO, offset, trusted: true });
        }
        let doubtful = self.from.suspect.map(|suspect| LogPoint::start_of(suspect.segment));
        let point = match (self.from.recovery_point, doubtful) {
            (Some(point), Some(doubtful)) => Some(point.min(doubtful)),
            (point, _) => point,
        };
        if let Some(point) = point
            && let Some(index) =
                self.segments.iter().position(|segment| segment.base_offset() == point.segment)
            && self.holds(point, index)?
        {
            return Ok(Start { index, position: point.position, offset: point.offset, trusted: true });
        }
        let offset = point.map_or(Offset(i64::MIN), |point| point.offset);
        let behind = self.segments.partition_point(|segment| segment.base_offset() <= offset);
        let index = behind.saturating_sub(1);
        let offset = self.segments.get(index).map_or(offset, |segment| segment.base_offset());
        // Where the segments below the recovery point were removed, nothing is missing.
        let trusted = point.is_some_and(|point| point.offset <= offset);
        Ok(Start { index, position: Position::ZERO, offset, trusted })
    }

    /// Whether an entry with the point's offset can stand at the point.
    fn holds(&self, point: LogPoint, index: usize) -> Result<bool, DiskError> {
        let Some(segment) = self.segments.get(index) else { return Ok(false) };
        let fits = |found: Offset| found == point.offset || (self.from.holes_allowed && found > point.offset);
        if point.position > segment.end()
            || (point.position == Position::ZERO && point.offset != point.segment)
        {
            return Ok(false);
        }
        if point.position == segment.end() {
            return Ok(self.segments.get(index + 1).is_none_or(|next| fits(next.base_offset())));
        }
        let path = segment.path();
        let file = segment.file().map_err(DiskError::at(Operation::Open, &path))?;
        let header =
            Reader::new(segment, file.as_ref(), segment.end().0).header(self.format, point.position.0)?;
        Ok(header.is_ok_and(|header| fits(header.base_offset)))
    }

    /// Scans to the end of the good log.
    pub(super) fn run(&self, start: Start) -> Result<Scan, WalError> {
        let mut expected = Expected {
            offset: start.offset,
            epoch: LeaderEpoch(i32::MIN),
            holes_allowed: self.from.holes_allowed,
        };
        let end = LogPoint::start_of(start.offset);
        let mut scan =
            Scan { end, bytes: 0, entries: 0, tails: Vec::new(), gap: false, obsolete: 0, aside: None };
        for (index, segment) in self.segments.iter().enumerate().skip(start.index) {
            let position = if index == start.index { start.position } else { Position::ZERO };
            let base = segment.base_offset();
            if position == Position::ZERO
                && base > expected.offset
                && expected.offset < self.from.log_start_offset
            {
                expected.offset = self.skip_to_log_start(&mut scan, index);
            }
            let continues = base == expected.offset || (self.from.holes_allowed && base > expected.offset);
            if position == Position::ZERO && !continues {
                let reason = EntryError::WrongOffset { expected: expected.offset, found: base };
                if self.was_synced(expected.offset.min(base)) {
                    return Err(corrupt(segment, Position::ZERO, expected.offset, reason));
                }
                scan.aside = Some((index, reason));
                break;
            }
            scan.gap |= base > expected.offset && !self.was_synced(expected.offset);
            expected.offset = expected.offset.max(base);
            let position = self.segment(&mut scan, index, position, &mut expected)?;
            scan.end = LogPoint { offset: expected.offset, segment: base, position };
        }
        if scan.end.offset < self.from.log_start_offset {
            let kept = scan.aside.map_or(self.segments.len(), |(index, _)| index);
            self.skip_to_log_start(&mut scan, kept);
        }
        self.check_reached(&scan)?;
        Ok(scan)
    }

    /// The entries end below the log's start, which is durable: what was scanned was removed before, and a crash brought
    /// its names back. The log begins at its start.
    fn skip_to_log_start(&self, scan: &mut Scan, obsolete: usize) -> Offset {
        scan.obsolete = obsolete;
        scan.end = LogPoint::start_of(self.from.log_start_offset);
        self.from.log_start_offset
    }

    /// Scans one segment. Returns where its good entries end.
    fn segment(
        &self,
        scan: &mut Scan,
        index: usize,
        mut position: Position,
        expected: &mut Expected,
    ) -> Result<Position, WalError> {
        let Some(segment) = self.segments.get(index) else { return Ok(position) };
        if position == segment.end() {
            return Ok(position);
        }
        let opened = segment.file().map_err(DiskError::at(Operation::Open, &segment.path()));
        let file = opened?;
        let mut reader = Reader::new(segment, file.as_ref(), segment.end().0);
        loop {
            let header = match reader.next(self.format, position.0, expected)? {
                Next::Entry(header) => header,
                Next::End => return Ok(position),
                Next::Zeros => {
                    scan.tails.push(Tail { index, position, reason: None, offsets: None });
                    return Ok(position);
                }
                Next::Bad(reason) if self.was_synced(expected.offset) => {
                    return Err(corrupt(segment, position, expected.offset, reason));
                }
                Next::Bad(reason) => {
                    let offsets = reader.claimed_offsets(self.format, position.0)?;
                    scan.tails.push(Tail { index, position, reason: Some(reason), offsets });
                    return Ok(position);
                }
            };
            expected.offset = header.last_offset.next();
            expected.epoch = header.leader_epoch;
            position = Position(position.0.saturating_add(header.size));
            scan.bytes = scan.bytes.saturating_add(header.size);
            scan.entries += 1;
        }
    }

    /// Everything below the boundary must be there.
    fn check_reached(&self, scan: &Scan) -> Result<(), WalError> {
        if !self.was_synced(scan.end.offset) {
            return Ok(());
        }
        let last = self.segments.iter().rfind(|segment| segment.base_offset() == scan.end.segment);
        let reason = EntryError::Malformed("the entries end before the last one that was synced");
        Err(match last {
            Some(segment) => corrupt(segment, scan.end.position, scan.end.offset, reason),
            None => WalError::OutOfRange(scan.end),
        })
    }

    fn was_synced(&self, offset: Offset) -> bool {
        self.from.synced_below().is_some_and(|synced| offset < synced)
    }
}

fn corrupt(segment: &Segment, position: Position, offset_expected: Offset, reason: EntryError) -> WalError {
    WalError::Corrupt { file: segment.path(), position, offset_expected, reason }
}
