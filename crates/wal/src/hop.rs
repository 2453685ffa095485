//! Reading headers without payloads: from the start of one entry to the next.
//!
//! Reads are small at first (one finds an entry near a place that an index knows) and grow while little of a payload
//! would be left out between them.

use std::io;
use std::ops::ControlFlow;

use highwater_disk::{DiskError, File, Operation};
use highwater_types::Position;

use crate::{EntryError, EntryFormat, EntryHeader, ReadProblem, Segment};

/// Bytes of the first read, and of one that follows a jump.
const CHUNK_SIZE: usize = 4 << 10;
/// Bytes of the largest read.
const CHUNK_SIZE_MAX: usize = 64 << 10;

/// Whether reading may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMode {
    /// Never waits for the device, nor for opening a file: [`ReadProblem::WouldBlock`] instead.
    Resident,
    /// Waits.
    Blocking,
}

/// Goes from header to header, from `position`, where an entry begins, to `end`, where one ends. Calls
/// `visit(position, header, bytes)` for each, whose bytes begin with the header and may hold more, until it breaks.
/// Returns where it stopped: `end`, or the entry at which `visit` broke. Payloads are not read, except as part of a
/// chunk, and not verified.
///
/// # Errors
/// [`ReadProblem`]. An entry that cannot be parsed or does not end by `end` is corruption.
pub fn hop(
    segment: &Segment,
    format: &dyn EntryFormat,
    position: Position,
    end: Position,
    mode: ReadMode,
    mut visit: impl FnMut(Position, &EntryHeader, &[u8]) -> ControlFlow<()>,
) -> Result<Position, ReadProblem> {
    let mut position = position;
    if position >= end {
        return Ok(end);
    }
    let file = match mode {
        ReadMode::Resident => segment.cached_file().ok_or(ReadProblem::WouldBlock)?,
        ReadMode::Blocking => segment
            .file()
            .map_err(DiskError::at(Operation::Open, &segment.path()))
            .map_err(ReadProblem::Disk)?,
    };
    let header_size = format.header_size();
    let mut chunk =
        Chunk { segment, file: file.as_ref(), mode, start: position.0, bytes: Vec::new(), size: 0 };
    while position < end {
        let corrupt = |reason| ReadProblem::Corrupt { file: segment.path(), position, reason };
        let bytes = chunk.at(position.0, header_size, end.0)?;
        let header = format.parse(bytes).map_err(corrupt)?;
        let too_short = header.size < header_size as u64;
        let next = position.checked_add(header.size).filter(|next| *next <= end && !too_short);
        let next = next.ok_or_else(|| {
            let length = i64::try_from(header.size).unwrap_or(i64::MAX);
            corrupt(EntryError::BadLength { length })
        })?;
        if visit(position, &header, bytes).is_break() {
            return Ok(position);
        }
        position = next;
    }
    Ok(position)
}

/// The last piece that was read.
struct Chunk<'a> {
    segment: &'a Segment,
    file: &'a dyn File,
    mode: ReadMode,
    start: u64,
    bytes: Vec<u8>,
    /// Bytes that the last read asked for.
    size: usize,
}

impl Chunk<'_> {
    /// At least `wanted` bytes at `position`, none of them at or behind `end`.
    fn at(&mut self, position: u64, wanted: usize, end: u64) -> Result<&[u8], ReadProblem> {
        let skip = usize::try_from(position.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let held = self.bytes.len().saturating_sub(skip);
        if held < wanted {
            self.read(position, wanted, end)?;
            return Ok(&self.bytes);
        }
        Ok(self.bytes.get(skip..).unwrap_or_default())
    }

    fn read(&mut self, position: u64, wanted: usize, end: u64) -> Result<(), ReadProblem> {
        let chunk_end = self.start.saturating_add(self.bytes.len() as u64);
        let is_near = self.size > 0 && position.saturating_sub(chunk_end) < CHUNK_SIZE as u64;
        let size = if is_near { (self.size * 2).min(CHUNK_SIZE_MAX) } else { CHUNK_SIZE };
        self.size = size.max(wanted);
        let left = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
        self.start = position;
        self.bytes.resize(self.size.min(left), 0);
        let mut filled = 0;
        while filled < wanted {
            let count = self.read_some(filled)?;
            if count == 0 {
                return Err(ReadProblem::Corrupt {
                    file: self.segment.path(),
                    position: Position(position),
                    reason: EntryError::Malformed("the entries end within a header"),
                });
            }
            filled += count;
        }
        self.bytes.truncate(filled);
        Ok(())
    }

    /// One read behind the first `filled` bytes; 0 when there is no room or the file ends.
    fn read_some(&mut self, filled: usize) -> Result<usize, ReadProblem> {
        let place = self.start.saturating_add(filled as u64);
        let room = self.bytes.get_mut(filled..).unwrap_or_default();
        let read = loop {
            let read = match self.mode {
                ReadMode::Blocking => self.file.read_at(room, place).map(Some),
                ReadMode::Resident => self.file.read_resident_at(room, place),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let read = read.map_err(DiskError::at(Operation::Read, &self.segment.path()));
        read.map_err(ReadProblem::Disk)?.ok_or(ReadProblem::WouldBlock)
    }
}
