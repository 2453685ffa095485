//! From where a segment can be read again behind bad bytes.
//!
//! - At the place that a believable header of the bad entry names, if a good entry stands there that follows it.
//! - With the bad entry itself, as if the one before were not there: offset and leader epoch of an entry are covered by no
//!   checksum, so that an entry which lies makes the next one look bad.
//! - At the first good entry from which good ones lead to the end of the segment. That half of the rule keeps out what
//!   only looks like an entry: one that is part of the payload of a damaged one leads nowhere.

use std::collections::HashSet;

use highwater_disk::DiskError;
use highwater_types::Offset;

use super::reader::{Expected, Next, Reader};
use crate::{EntryError, EntryFormat};

/// An entry that was taken as good, and what it was expected to continue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub(super) position: u64,
    pub(super) expected: Expected,
}

/// Where the log goes on behind damage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resume {
    /// First bad byte.
    pub(super) from: u64,
    /// Behind the last bad byte.
    pub(super) at: u64,
    /// What stood to come at the first bad byte.
    pub(super) expected: Expected,
    /// Base offset of the good entry that stands behind; `None`: none does.
    pub(super) next: Option<Offset>,
}

/// Looks at what stands at `position`, where the segment's entries end below `limit`.
pub(super) fn look(
    reader: &mut Reader<'_>,
    format: &dyn EntryFormat,
    position: u64,
    expected: &Expected,
    limit: Offset,
) -> Result<Next, DiskError> {
    Ok(match reader.next(format, position, expected)? {
        Next::Entry(header) if header.last_offset >= limit => {
            Next::Bad(EntryError::WrongOffset { expected: limit, found: header.last_offset })
        }
        next => next,
    })
}

/// A search in one segment.
pub(super) struct Search<'a, 'b> {
    format: &'a dyn EntryFormat,
    boundary: Option<Offset>,
    limit: Offset,
    reader: &'a mut Reader<'b>,
    /// Places from which good entries do not lead to the end.
    dead_ends: HashSet<u64>,
}

impl<'a, 'b> Search<'a, 'b> {
    pub(super) fn new(
        format: &'a dyn EntryFormat,
        boundary: Option<Offset>,
        limit: Offset,
        reader: &'a mut Reader<'b>,
    ) -> Self {
        Self { format, boundary, limit, reader, dead_ends: HashSet::new() }
    }

    /// Where to go on behind the bad bytes at `position`. `taken` is the entry right before them.
    pub(super) fn resume(
        &mut self,
        position: u64,
        expected: Expected,
        taken: Option<Taken>,
    ) -> Result<Resume, DiskError> {
        if let Some((at, claimed)) = self.behind_believable(position, &expected)? {
            match self.look(at, &claimed)? {
                Next::Entry(header) => {
                    return Ok(Resume { from: position, at, expected, next: Some(header.base_offset) });
                }
                Next::End | Next::Zeros => return Ok(Resume { from: position, at, expected, next: None }),
                Next::Bad(_) => {}
            }
        }
        if let Some(taken) = taken {
            let holes = Expected { holes_allowed: true, ..taken.expected };
            if let Next::Entry(header) = self.look(position, &holes)?
                && self.leads_to_end(position, &holes)?
            {
                let next = Some(header.base_offset);
                return Ok(Resume { from: taken.position, at: position, expected: taken.expected, next });
            }
        }
        let holes = Expected { holes_allowed: true, ..expected };
        let length = self.reader.length();
        for at in position.saturating_add(1)..length {
            // Most places are no header: asked without the look at all that follows, which tells zeros from other bytes.
            let Ok(header) = self.reader.entry(self.format, at, &holes)? else { continue };
            if header.last_offset < self.limit && self.leads_to_end(at, &holes)? {
                return Ok(Resume { from: position, at, expected, next: Some(header.base_offset) });
            }
        }
        Ok(Resume { from: position, at: length, expected, next: None })
    }

    fn look(&mut self, position: u64, expected: &Expected) -> Result<Next, DiskError> {
        look(self.reader, self.format, position, expected, self.limit)
    }

    /// Where the entry at `position` ends and what it says that follows, if its header continues the log.
    fn behind_believable(
        &mut self,
        position: u64,
        expected: &Expected,
    ) -> Result<Option<(u64, Expected)>, DiskError> {
        let Ok(header) = self.reader.header(self.format, position)? else { return Ok(None) };
        let continues = header.base_offset == expected.offset
            && header.last_offset >= header.base_offset
            && header.last_offset < self.limit;
        let behind = Expected { offset: header.last_offset.next(), ..*expected };
        Ok(continues.then_some((position.saturating_add(header.size), behind)))
    }

    /// Whether good entries lead from `position` to the end of the segment, past entries that are damaged behind a
    /// believable header.
    fn leads_to_end(&mut self, mut position: u64, expected: &Expected) -> Result<bool, DiskError> {
        let mut expected = *expected;
        let mut passed = Vec::new();
        loop {
            if self.dead_ends.contains(&position) {
                break;
            }
            passed.push(position);
            match self.look(position, &expected)? {
                Next::Entry(header) => {
                    position = position.saturating_add(header.size);
                    expected.offset = header.last_offset.next();
                    expected.epoch = header.leader_epoch;
                }
                Next::End | Next::Zeros => return Ok(true),
                // What is torn behind the synced end is another matter.
                Next::Bad(_) if self.boundary.is_some_and(|boundary| expected.offset >= boundary) => {
                    return Ok(true);
                }
                Next::Bad(_) => match self.behind_believable(position, &expected)? {
                    Some((behind, claimed)) => (position, expected) = (behind, claimed),
                    None => break,
                },
            }
        }
        self.dead_ends.extend(passed);
        Ok(false)
    }
}
