//! Reading what the journal holds, and telling its end from damage.
//!
//! A batch is written when the one before it is durable. So what a crash leaves is whole batches that follow each other, and
//! at most one that is not whole, behind all others. Where a batch should stand and does not, a later one that is whole says
//! that it did; so does the turn that begins behind it. Bytes behind the end are of earlier turns: their batches have lower
//! sequences.
//!
//! A turn that is not readable was being written when the crash came, or is told of by the one after it.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use highwater_disk::File;
use highwater_types::Timestamp;

use super::format::{self, BLOCK, BLOCK_SIZE, Frame, HEADER_SIZE, Head, Turn};
use crate::files::read_full;

/// Blocks that are looked at in one go.
const SCANNED_AT_ONCE: usize = 64 * BLOCK_SIZE;

/// A piece, and where its bytes stand.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) source: Arc<dyn File>,
    pub(super) at: u64,
    pub(super) frame: Frame,
}

/// The block that tells of a half's turn.
#[derive(Clone, Copy)]
enum Told {
    /// That half had no turn so far.
    Nothing,
    Turn(Turn),
    Unreadable,
}

struct Reader<'a> {
    file: &'a Arc<dyn File>,
    mark: u64,
    /// Frames of the batch that was read last.
    frames: Vec<u8>,
}

/// A whole batch.
struct Batch {
    sequence: u64,
    frames_at: u64,
    /// Where the next one begins.
    next: u64,
}

/// When a journal was made, if its header can be read.
pub(super) fn made(file: &dyn File) -> io::Result<Option<Timestamp>> {
    Ok(read_head(file)?.map(|head| head.made))
}

/// Everything in the journal, the oldest first.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`]: something in it is damaged. Or what the disk says.
pub(super) fn read(file: &Arc<dyn File>) -> io::Result<Vec<Piece>> {
    let head = read_head(file.as_ref())?.ok_or_else(|| damaged("its header cannot be read"))?;
    let length = file.length()?;
    if length != head.file_bytes() {
        return Err(damaged(format!("it has {length} bytes of {}", head.file_bytes())));
    }
    let mut reader = Reader { file, mark: head.mark, frames: Vec::new() };
    let (first, second) = (reader.told(0)?, reader.told(1)?);
    let turn = newest([first, second]).ok_or_else(|| damaged("it does not say where its batches begin"))?;
    let other = if turn.half() == 0 { second } else { first };
    let is_in_row = match other {
        Told::Nothing => turn.number == 0,
        Told::Turn(before) => before.number.checked_add(1) == Some(turn.number),
        Told::Unreadable => true,
    };
    if !is_in_row {
        return Err(damaged("its halves do not follow each other"));
    }
    let mut pieces = Vec::new();
    let (half, before) = (head.half(turn.half()), head.half(1 - turn.half()));
    if turn.number > 0 {
        let (next, at) = reader.follow(before.clone(), turn.before, &mut pieces)?;
        if next != turn.first {
            return Err(lost(next, at));
        }
    }
    let (next, at) = reader.follow(half.clone(), turn.first, &mut pieces)?;
    let mut is_followed = reader.holds_later(at..half.end, next)?;
    if !matches!(other, Told::Turn(_)) {
        is_followed |= reader.holds_later(before, next)?;
    }
    if is_followed { Err(lost(next, at)) } else { Ok(pieces) }
}

/// Everything in a file whose batches end with it.
///
/// # Errors
/// As [`read`].
pub(super) fn read_kept(file: &Arc<dyn File>) -> io::Result<Vec<Piece>> {
    let head = read_head(file.as_ref())?.ok_or_else(|| damaged("its header cannot be read"))?;
    let mut pieces = Vec::new();
    let mut reader = Reader { file, mark: head.mark, frames: Vec::new() };
    let (next, at) = reader.follow(head.half(0), 1, &mut pieces)?;
    let is_whole = at == head.half(0).end && file.length()? == at;
    if is_whole { Ok(pieces) } else { Err(lost(next, at)) }
}

/// What can be read of a damaged journal, the oldest first: of whole batches, wherever they stand.
pub(super) fn salvage(file: &Arc<dyn File>) -> io::Result<Vec<Piece>> {
    // Without a mark nothing tells a batch from what clients sent.
    let Some(head) = read_head(file.as_ref())? else { return Ok(Vec::new()) };
    let mut reader = Reader { file, mark: head.mark, frames: Vec::new() };
    let oldest = newest([reader.told(0)?, reader.told(1)?]).map_or(0, |turn| turn.before);
    let mut batches = Vec::new();
    for half in [head.half(0), head.half(1)] {
        let mut from = half.start;
        while let Some(batch) = reader.find(from..half.end, oldest)? {
            let mut pieces = Vec::new();
            // A piece that is whole is good, whatever follows it.
            let _ = reader.add_pieces(&batch, &mut pieces);
            from = batch.next;
            batches.push((batch.sequence, pieces));
        }
    }
    batches.sort_by_key(|(sequence, _)| *sequence);
    Ok(batches.into_iter().flat_map(|(_, pieces)| pieces).collect())
}

fn read_head(file: &dyn File) -> io::Result<Option<Head>> {
    Ok(Head::decode(&read_block(file, 0)?))
}

fn read_block(file: &dyn File, position: u64) -> io::Result<[u8; BLOCK_SIZE]> {
    let mut block = [0; BLOCK_SIZE];
    read_full(file, &mut block, position)?;
    Ok(block)
}

/// The last turn that is told of.
fn newest(told: [Told; 2]) -> Option<Turn> {
    let turns = told.into_iter().filter_map(|told| match told {
        Told::Turn(turn) => Some(turn),
        Told::Nothing | Told::Unreadable => None,
    });
    turns.max_by_key(|turn| turn.number)
}

pub(super) fn damaged(problem: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.into())
}

fn lost(sequence: u64, position: u64) -> io::Error {
    damaged(format!("batch {sequence} at byte {position} is damaged, and what follows it is not"))
}

impl Reader<'_> {
    fn told(&self, half: u64) -> io::Result<Told> {
        let block = read_block(self.file.as_ref(), Turn::position(half))?;
        Ok(match Turn::decode(&block, self.mark, half) {
            Some(turn) => Told::Turn(turn),
            None if block.iter().all(|byte| *byte == 0) => Told::Nothing,
            None => Told::Unreadable,
        })
    }

    /// Adds the pieces of the batches that follow each other from the beginning of `half` on. Returns the sequence of the first
    /// batch that is not there, and where it should be.
    fn follow(&mut self, half: Range<u64>, first: u64, pieces: &mut Vec<Piece>) -> io::Result<(u64, u64)> {
        let (mut next, mut position) = (first, half.start);
        while let Some(batch) = self.batch(position..half.end)?.filter(|batch| batch.sequence == next) {
            self.add_pieces(&batch, pieces)?;
            next = next.wrapping_add(1);
            position = batch.next;
        }
        Ok((next, position))
    }

    /// The batch at the beginning of `range`, if one stands there that is whole.
    fn batch(&mut self, range: Range<u64>) -> io::Result<Option<Batch>> {
        let mut header = [0; HEADER_SIZE];
        let frames_at = range.start.saturating_add(HEADER_SIZE as u64);
        if frames_at > range.end || read_full(self.file.as_ref(), &mut header, range.start)? < HEADER_SIZE {
            return Ok(None);
        }
        let Some((sequence, size)) = format::parse_header(&header, self.mark) else { return Ok(None) };
        if size as u64 > range.end - frames_at {
            return Ok(None);
        }
        // At most a batch: its size was checked with the header.
        self.frames.resize(size, 0);
        let whole = read_full(self.file.as_ref(), &mut self.frames, frames_at)? == size
            && format::verifies(&header, &self.frames);
        let next = (frames_at + size as u64).next_multiple_of(BLOCK);
        Ok(whole.then_some(Batch { sequence, frames_at, next }))
    }

    /// Adds the pieces of the batch that was read last.
    fn add_pieces(&self, batch: &Batch, pieces: &mut Vec<Piece>) -> io::Result<()> {
        let are_whole = format::visit(&self.frames, |frame, at| {
            pieces.push(Piece { source: Arc::clone(self.file), at: batch.frames_at + at as u64, frame });
        });
        if are_whole { Ok(()) } else { Err(lost(batch.sequence, batch.frames_at)) }
    }

    fn holds_later(&mut self, range: Range<u64>, sequence: u64) -> io::Result<bool> {
        Ok(self.find(range, sequence)?.is_some())
    }

    /// The first whole batch in `range` whose sequence is not lower.
    fn find(&mut self, range: Range<u64>, sequence: u64) -> io::Result<Option<Batch>> {
        // As a rule one stands right behind another.
        let first = self.batch(range.clone())?.filter(|batch| batch.sequence >= sequence);
        if first.is_some() {
            return Ok(first);
        }
        let mut blocks = vec![0; SCANNED_AT_ONCE];
        let mut position = range.start;
        while position < range.end {
            let size = usize::try_from(range.end - position).unwrap_or(usize::MAX).min(SCANNED_AT_ONCE);
            let read = read_full(self.file.as_ref(), blocks.get_mut(..size).unwrap_or_default(), position)?;
            for block in blocks.get(..read).unwrap_or_default().chunks(BLOCK_SIZE) {
                let stated = format::parse_header(block, self.mark);
                if stated.is_some_and(|(stated, _)| stated >= sequence)
                    && let Some(batch) = self.batch(position..range.end)?
                {
                    return Ok(Some(batch));
                }
                position += BLOCK;
            }
            if read < size {
                break;
            }
        }
        Ok(None)
    }
}
