//! Looking at a whole log without changing it: which entries are good, what is damaged, which offsets are lost with it,
//! and from where the log can be read again behind that.
//!
//! - An entry is good by the rule of recovery. It also ends below the next segment's first offset.
//! - Behind bad bytes the log goes on where it can be proved to ([`resume`](super::resume)).
//! - What recovery would cut as a torn tail is not damage: [`Survey::tail`].
//! - Offsets that are missing at the very end are damage also where holes are allowed: no entry behind them leads a reader
//!   to the end of the log.
//!
//! Not here: doing something about it ([`Wal::salvage`](crate::Wal::salvage)).

use std::path::PathBuf;
use std::sync::Arc;

use highwater_disk::{Disk, DiskError, Operation};
use highwater_types::{LeaderEpoch, Offset, Position};

use super::listing;
use super::reader::{Expected, Next, Reader};
use super::resume::{Resume, Search, Taken, look};
use crate::names::{self, Meaning, Place};
use crate::{EntryError, EntryFormat, EntryHeader, Segment, Wal};

/// What is known of a log that is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct SurveyFrom {
    /// First offset that may be read; `None`: not known, so that the log begins where its first segment does.
    pub log_start_offset: Option<Offset>,
    /// Everything below was synced; `None`: not known, so that only the end of the last segment may be torn.
    pub boundary: Option<Offset>,
    /// Whether base offsets may skip.
    pub holes_allowed: bool,
}

/// What was found. Nothing was changed.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// First offset of the first segment.
    pub start: Offset,
    /// Offset behind the last good entry.
    pub end: Offset,
    /// How many segments there are.
    pub segments: usize,
    /// Good entries.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is not as it was written, in the order of the log.
    pub damage: Vec<Damage>,
    /// What the next recovery cuts off.
    pub tail: Option<Damage>,
    /// Offsets (the second exclusive) that are missing where they may be.
    pub holes: Vec<(Offset, Offset)>,
    /// Names of replacements that are half made: recovery finishes them, and what is damaged cannot be told before.
    pub unfinished: Vec<String>,
    /// The last good entry.
    pub last: Option<EntryHeader>,
    /// Offsets (the second exclusive) between the last good entry and the end of the log, when its end is lost.
    pub lost_end: Option<(Offset, Offset)>,
    pub(super) parts: Vec<Part>,
    /// Where the log is to go on, when its end is lost.
    pub(super) resume_at: Option<Offset>,
}

/// Bytes that are no part of the log, or offsets that are not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment's file; for offsets that no file holds, the one that should have come before them, or after.
    pub file: PathBuf,
    /// Base offset of that segment.
    pub segment: Offset,
    /// Where in it.
    pub position: Position,
    /// How many bytes; 0 for offsets that no file holds.
    pub bytes: u64,
    /// First offset that is lost, and the one behind the last; equal when none is.
    pub lost: (Offset, Offset),
    /// What is wrong; `None`: the offsets are in no file.
    pub reason: Option<EntryError>,
}

/// One segment's good bytes.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) segment: Arc<Segment>,
    pub(super) kept: Vec<(u64, u64)>,
    pub(super) damaged: bool,
}

/// Sees each good entry: base offset of its segment, position, header, the whole entry.
pub type SeeEntry<'a> = dyn FnMut(Offset, Position, &EntryHeader, &[u8]) + 'a;

impl Wal {
    /// Looks at every entry of a log that nobody writes. Changes nothing, syncs nothing; waits for the disk.
    ///
    /// # Errors
    /// [`DiskError`]: a file cannot be read.
    pub fn survey(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        format: &dyn EntryFormat,
        from: SurveyFrom,
        see: &mut SeeEntry<'_>,
    ) -> Result<Survey, DiskError> {
        let place = Arc::new(Place { disk, directory });
        let names = place.list()?;
        let unfinished: Vec<_> = names
            .iter()
            .filter(|name| matches!(names::meaning(name), Meaning::Swap { .. }))
            .cloned()
            .collect();
        let segments = listing::bases(&names)
            .map(|base| listing::open(&place, base).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        let mut surveyor = Surveyor::new(&place, format, from, &segments, see);
        surveyor.survey.unfinished = unfinished;
        if surveyor.survey.unfinished.is_empty() {
            surveyor.run()?;
        }
        Ok(surveyor.survey)
    }
}

impl Survey {
    /// Whether there is something to salvage.
    pub fn is_damaged(&self) -> bool {
        !self.damage.is_empty()
    }
}

struct Surveyor<'a, 'b> {
    place: &'a Place,
    format: &'a dyn EntryFormat,
    from: SurveyFrom,
    segments: &'a [Arc<Segment>],
    see: &'a mut SeeEntry<'b>,
    expected: Expected,
    survey: Survey,
}

impl<'a, 'b> Surveyor<'a, 'b> {
    fn new(
        place: &'a Place,
        format: &'a dyn EntryFormat,
        from: SurveyFrom,
        segments: &'a [Arc<Segment>],
        see: &'a mut SeeEntry<'b>,
    ) -> Self {
        let first = segments.first().map(|segment| segment.base_offset());
        let start = from.log_start_offset.or(first).unwrap_or_default();
        let expected = Expected {
            offset: first.map_or(start, |first| first.min(start)),
            epoch: LeaderEpoch(i32::MIN),
            holes_allowed: from.holes_allowed,
        };
        let survey = Survey { start: first.unwrap_or(start), segments: segments.len(), ..Survey::default() };
        Self { place, format, from, segments, see, expected, survey }
    }

    fn run(&mut self) -> Result<(), DiskError> {
        for index in 0..self.segments.len() {
            if !self.segment(index)? {
                break;
            }
        }
        self.survey.end = self.expected.offset;
        let boundary = self.from.boundary.unwrap_or_default();
        if self.survey.tail.is_none() && boundary > self.expected.offset {
            let last = self.segments.last();
            let position = last.map_or(Position::ZERO, |last| last.end());
            let base = last.map_or(self.expected.offset, |last| last.base_offset());
            self.missing(base, position, boundary);
            self.survey.resume_at = Some(boundary);
        }
        self.end();
        Ok(())
    }

    /// Notes offsets that are lost between the last good entry and the end.
    fn end(&mut self) {
        let end = self.survey.resume_at.unwrap_or(self.expected.offset);
        let Some(last) = self.survey.last else { return };
        let lost = (last.last_offset.next(), end);
        if lost.0 >= lost.1 {
            return;
        }
        self.survey.lost_end = Some(lost);
        // An allowed hole is none where nothing stands behind it.
        if self.survey.holes.last().is_some_and(|hole| hole.1 == end) {
            self.survey.holes.pop();
            let base = self.segments.last().map_or(end, |last| last.base_offset());
            self.expected.offset = lost.0;
            self.missing(base, Position::ZERO, end);
        }
    }

    /// The first offset behind this segment.
    fn limit(&self, index: usize) -> Offset {
        self.segments.get(index + 1).map_or(Offset(i64::MAX), |next| next.base_offset())
    }

    /// Whether what does not go on here would be cut by recovery as torn.
    fn is_torn(&self, index: usize) -> bool {
        match self.from.boundary {
            Some(boundary) => self.expected.offset >= boundary,
            None => index + 1 == self.segments.len(),
        }
    }

    /// Notes offsets that are in no file.
    fn missing(&mut self, segment: Offset, position: Position, until: Offset) {
        let damage = Damage {
            file: self.place.segment_path(segment),
            segment,
            position,
            bytes: 0,
            lost: (self.expected.offset, until),
            reason: None,
        };
        self.survey.damage.push(damage);
    }

    /// Looks at one segment. Returns whether the log goes on behind it.
    fn segment(&mut self, index: usize) -> Result<bool, DiskError> {
        let Some(segment) = self.segments.get(index).cloned() else { return Ok(false) };
        let base = segment.base_offset();
        if base > self.expected.offset {
            let gap = (self.expected.offset, base);
            if self.from.holes_allowed {
                self.survey.holes.push(gap);
            } else if self.from.boundary.is_some() && self.is_torn(index) {
                let reason = EntryError::WrongOffset { expected: gap.0, found: base };
                self.tail(&segment, 0, reason);
                return Ok(false);
            } else {
                self.missing(base, Position::ZERO, base);
            }
            self.expected.offset = base;
        }
        let path = segment.path();
        let file = segment.file().map_err(DiskError::at(Operation::Open, &path))?;
        let mut reader = Reader::new(&segment, file.as_ref(), segment.end().0);
        let mut part = Part { segment: Arc::clone(&segment), kept: Vec::new(), damaged: false };
        let goes_on = self.entries(&mut reader, index, &mut part)?;
        part.damaged |= part.kept.is_empty() && index + 1 < self.segments.len();
        self.survey.parts.push(part);
        segment.release();
        Ok(goes_on)
    }

    fn entries(&mut self, reader: &mut Reader<'_>, index: usize, part: &mut Part) -> Result<bool, DiskError> {
        let limit = self.limit(index);
        let mut position = 0;
        let mut taken = None;
        loop {
            match look(reader, self.format, position, &self.expected, limit)? {
                Next::Entry(header) => {
                    taken = Some(Taken { position, expected: self.expected });
                    position = self.take(reader, part, position, &header)?;
                }
                Next::End => return Ok(true),
                // Reserved, or torn: recovery cuts it. In a sealed segment reads would run into it.
                Next::Zeros if self.is_torn(index) || self.from.boundary.is_none() => return Ok(true),
                Next::Zeros if index + 1 == self.segments.len() => return Ok(true),
                Next::Bad(reason) if self.is_torn(index) => {
                    self.tail(&part.segment, position, reason);
                    return Ok(false);
                }
                found => {
                    let reason = if let Next::Bad(reason) = found { reason } else { EntryError::Zeros };
                    let mut search = Search::new(self.format, self.from.boundary, limit, reader);
                    let resume = search.resume(position, self.expected, taken)?;
                    self.damage(part, &resume, limit, reason);
                    position = resume.at;
                    taken = None;
                }
            }
        }
    }

    /// Takes a good entry. Returns where the next one stands.
    fn take(
        &mut self,
        reader: &mut Reader<'_>,
        part: &mut Part,
        position: u64,
        header: &EntryHeader,
    ) -> Result<u64, DiskError> {
        if header.base_offset > self.expected.offset && self.from.holes_allowed {
            self.survey.holes.push((self.expected.offset, header.base_offset));
        }
        let size = usize::try_from(header.size).unwrap_or(usize::MAX);
        let bytes = reader.bytes(position, size)?;
        (self.see)(
            part.segment.base_offset(),
            Position(position),
            header,
            bytes.get(..size).unwrap_or(bytes),
        );
        self.expected.offset = header.last_offset.next();
        self.expected.epoch = header.leader_epoch;
        self.survey.last = Some(*header);
        self.survey.entries += 1;
        self.survey.bytes = self.survey.bytes.saturating_add(header.size);
        let end = position.saturating_add(header.size);
        match part.kept.last_mut().filter(|(_, kept_end)| *kept_end == position) {
            Some((_, kept_end)) => *kept_end = end,
            None => part.kept.push((position, end)),
        }
        Ok(end)
    }

    /// Notes bad bytes, and goes on behind them.
    fn damage(&mut self, part: &mut Part, resume: &Resume, limit: Offset, reason: EntryError) {
        if let Some((start, end)) = part.kept.last_mut()
            && *end > resume.from
        {
            // The entry before was the one that lied.
            *end = resume.from;
            if *start == *end {
                part.kept.pop();
            }
        }
        part.damaged = true;
        self.expected = resume.expected;
        let first = self.expected.offset;
        let until = match resume.next {
            Some(next) => next,
            None if limit < Offset(i64::MAX) => limit,
            None => {
                let end = self.from.boundary.unwrap_or(first).max(first);
                self.survey.resume_at = Some(end);
                end
            }
        };
        self.expected.offset = until;
        self.survey.damage.push(Damage {
            file: part.segment.path(),
            segment: part.segment.base_offset(),
            position: Position(resume.from),
            bytes: resume.at.saturating_sub(resume.from),
            lost: (first, until),
            reason: Some(reason),
        });
    }

    fn tail(&mut self, segment: &Segment, position: u64, reason: EntryError) {
        self.survey.tail = Some(Damage {
            file: segment.path(),
            segment: segment.base_offset(),
            position: Position(position),
            bytes: segment.end().0.saturating_sub(position),
            lost: (self.expected.offset, self.expected.offset),
            reason: Some(reason),
        });
    }
}
