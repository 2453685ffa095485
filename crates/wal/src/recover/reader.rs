//! Reading a segment from one entry to the next in chunks of bounded size.

use highwater_disk::{DiskError, File, Operation};
use highwater_types::{LeaderEpoch, Offset};

use crate::{EntryError, EntryFormat, EntryHeader, Segment, swap};

/// Bytes of a read. The buffer grows beyond that to the size of an entry, which the file really has.
const CHUNK_SIZE: usize = 1 << 20;

/// What the next entry must continue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub(super) offset: Offset,
    pub(super) epoch: LeaderEpoch,
    pub(super) holes_allowed: bool,
}

/// What stands at a position.
#[derive(Debug)]
pub(super) enum Next {
    /// A whole, verified entry that continues the log.
    Entry(EntryHeader),
    /// The file ends here.
    End,
    /// Nothing but zeros up to the end of the file.
    Zeros,
    /// Something else.
    Bad(EntryError),
}

/// A window over a file.
pub(super) struct Reader<'a> {
    segment: &'a Segment,
    file: &'a dyn File,
    length: u64,
    buffer: Vec<u8>,
    /// Position of the buffer's first byte.
    start: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(segment: &'a Segment, file: &'a dyn File, length: u64) -> Self {
        Self { segment, file, length, buffer: Vec::new(), start: 0 }
    }

    /// Bytes of the file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Looks at what stands at `position`.
    pub(super) fn next(
        &mut self,
        format: &dyn EntryFormat,
        position: u64,
        expected: &Expected,
    ) -> Result<Next, DiskError> {
        if position >= self.length {
            return Ok(Next::End);
        }
        match self.entry(format, position, expected)? {
            Ok(header) => Ok(Next::Entry(header)),
            Err(_) if self.is_zero_from(position)? => Ok(Next::Zeros),
            Err(reason) => Ok(Next::Bad(reason)),
        }
    }

    /// The whole entry at `position`, if it continues the log.
    pub(super) fn entry(
        &mut self,
        format: &dyn EntryFormat,
        position: u64,
        expected: &Expected,
    ) -> Result<Result<EntryHeader, EntryError>, DiskError> {
        let header = match self.header(format, position)? {
            Ok(header) => header,
            Err(reason) => return Ok(Err(reason)),
        };
        if let Err(reason) = expected.check(&header) {
            return Ok(Err(reason));
        }
        let size = usize::try_from(header.size).unwrap_or(usize::MAX);
        let entry = self.bytes(position, size)?;
        Ok(format.verify(entry.get(..size).unwrap_or(entry)).map(|()| header))
    }

    /// The header at `position`, whose entry ends within the file.
    pub(super) fn header(
        &mut self,
        format: &dyn EntryFormat,
        position: u64,
    ) -> Result<Result<EntryHeader, EntryError>, DiskError> {
        let (size, left) = (format.header_size(), self.length.saturating_sub(position));
        let bytes = self.bytes(position, size)?;
        if bytes.len() < size {
            return Ok(Err(EntryError::Malformed("the file ends within a header")));
        }
        Ok(format.parse(bytes).and_then(|header| {
            let fits = header.size >= size as u64 && header.size <= left;
            let length = i64::try_from(header.size).unwrap_or(i64::MAX);
            if fits { Ok(header) } else { Err(EntryError::BadLength { length }) }
        }))
    }

    /// At least `wanted` bytes at `position`, fewer only where the file ends.
    pub(super) fn bytes(&mut self, position: u64, wanted: usize) -> Result<&[u8], DiskError> {
        let skip = usize::try_from(position.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let held = self.buffer.len().saturating_sub(skip);
        if position < self.start || held < wanted {
            self.fill(position, wanted)?;
            return Ok(&self.buffer);
        }
        Ok(self.buffer.get(skip..).unwrap_or_default())
    }

    fn fill(&mut self, position: u64, wanted: usize) -> Result<(), DiskError> {
        let left = usize::try_from(self.length.saturating_sub(position)).unwrap_or(usize::MAX);
        let skip = usize::try_from(position.saturating_sub(self.start)).unwrap_or(usize::MAX);
        if position < self.start || skip >= self.buffer.len() {
            self.buffer.clear();
        } else {
            self.buffer.drain(..skip);
        }
        self.start = position;
        let mut filled = self.buffer.len();
        self.buffer.resize(wanted.max(CHUNK_SIZE).min(left), 0);
        while filled < wanted.min(left) {
            let room = self.buffer.get_mut(filled..).unwrap_or_default();
            let read = swap::read_some(self.file, room, position.saturating_add(filled as u64));
            match read.map_err(DiskError::at(Operation::Read, &self.segment.path()))? {
                0 => break,
                count => filled += count,
            }
        }
        self.buffer.truncate(filled);
        Ok(())
    }

    fn is_zero_from(&mut self, mut position: u64) -> Result<bool, DiskError> {
        while position < self.length {
            let bytes = self.bytes(position, 1)?;
            if bytes.is_empty() {
                break;
            }
            if bytes.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            position = position.saturating_add(bytes.len() as u64);
        }
        Ok(true)
    }

    /// The offsets that headers from `position` on claim, as far as they lead from one to the next.
    pub(super) fn claimed_offsets(
        &mut self,
        format: &dyn EntryFormat,
        mut position: u64,
    ) -> Result<Option<(Offset, Offset)>, DiskError> {
        let mut seen: Option<(Offset, Offset)> = None;
        while position < self.length
            && let Ok(header) = self.header(format, position)?
        {
            let (first, last) = seen.unwrap_or((header.base_offset, header.last_offset));
            seen = Some((first.min(header.base_offset), last.max(header.last_offset)));
            position = position.saturating_add(header.size);
        }
        Ok(seen)
    }
}

impl Expected {
    fn check(&self, header: &EntryHeader) -> Result<(), EntryError> {
        let (found, expected) = (header.base_offset, self.offset);
        if found < expected || (found > expected && !self.holes_allowed) {
            return Err(EntryError::WrongOffset { expected, found });
        }
        if header.last_offset < found || header.last_offset.0 == i64::MAX {
            return Err(EntryError::Malformed("impossible offset range"));
        }
        if header.leader_epoch < self.epoch {
            return Err(EntryError::EpochFell { before: self.epoch, found: header.leader_epoch });
        }
        Ok(())
    }
}
