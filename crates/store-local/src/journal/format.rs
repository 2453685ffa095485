//! The bytes of the journal.
//!
//! The file has a *header* in its first block of [`BLOCK`] bytes, a block for each of two halves that tells of that half's
//! *turn*, and the halves. All integers little-endian; a CRC-32C covers all that follows it.
//!
//! | bytes | of the header: written once, before the file has its name |
//! |---|---|
//! | 4 | `HWJ2` |
//! | 4 | CRC-32C |
//! | 8 | mark: a random number, which no client knows. What a client sent can so not be taken for anything of the journal's own |
//! | 8 | when it was made: milliseconds since the epoch |
//! | 8 | size of each half, in bytes: a multiple of [`BLOCK`] |
//!
//! | bytes | of a turn: durable before the half's first batch is written; half 0 has the even ones |
//! |---|---|
//! | 4 | `HWJT` |
//! | 4 | CRC-32C |
//! | 8 | mark |
//! | 8 | number of the turn: one more than that of the turn before |
//! | 8 | sequence of its first batch |
//! | 8 | sequence of the first batch of the turn before |
//!
//! A *batch* is what one write and one sync make durable. It begins at a multiple of [`BLOCK`], so that no later write
//! touches a block which holds what was promised.
//!
//! | bytes | of a batch |
//! |---|---|
//! | 4 | `HWJB` |
//! | 4 | CRC-32C |
//! | 8 | mark |
//! | 8 | sequence: one more than that of the batch before |
//! | 4 | size of the frames, in bytes |
//! | | the frames, back to back |
//!
//! A *frame* is a piece of one segment:
//!
//! | bytes | |
//! |---|---|
//! | 16 | topic id |
//! | 4 | partition |
//! | 4 | size of the piece, in bytes |
//! | 24 | the place behind the piece: offset, segment's base offset, position |
//! | | the piece, as it stands in the segment |

use bytes::{Buf, BufMut};
use highwater_types::{Position, Timestamp, TopicId, TopicIdPartition};
use highwater_wal::LogPoint;

use crate::checkpoint::{crc32c, get_point, put_point};

/// Batches begin at multiples of this.
pub(super) const BLOCK: u64 = BLOCK_SIZE as u64;
/// The same, of bytes in memory.
pub(super) const BLOCK_SIZE: usize = 4096;
/// Size of a batch's header.
pub(super) const HEADER_SIZE: usize = 28;
/// Size of a frame without its piece.
pub(super) const FRAME_SIZE: usize = 48;
/// A batch is not larger.
pub(super) const BATCH_BYTES_MAX: usize = 4 << 20;
/// Blocks before the halves.
pub(super) const HEAD_BLOCKS: usize = 3;
const HALVES_AT: u64 = (HEAD_BLOCKS * BLOCK_SIZE) as u64;
const HEAD_SIZE: usize = 32;
const TURN_SIZE: usize = 40;
const HEAD_MAGIC: [u8; 4] = *b"HWJ2";
const TURN_MAGIC: [u8; 4] = *b"HWJT";
const BATCH_MAGIC: [u8; 4] = *b"HWJB";

/// The file's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) mark: u64,
    pub(super) made: Timestamp,
    /// Size of each half in bytes.
    pub(super) half_bytes: u64,
}

/// The turn of a half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) number: u64,
    /// Sequence of its first batch.
    pub(super) first: u64,
    /// Sequence of the first batch of the turn before.
    pub(super) before: u64,
}

/// Which piece of which segment a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) id: TopicIdPartition,
    /// The place behind the piece.
    pub(super) end: LogPoint,
    /// Bytes of the piece.
    pub(super) size: u32,
}

impl Frame {
    /// Where the piece stands in its segment; `None` when it would begin before it.
    pub(super) fn position(&self) -> Option<Position> {
        self.end.position.0.checked_sub(self.size.into()).map(Position)
    }
}

/// Adds a frame whose piece comes in slices.
pub(super) fn push<'a>(bytes: &mut Vec<u8>, frame: &Frame, piece: impl Iterator<Item = &'a [u8]>) {
    bytes.put_slice(&frame.id.topic_id.0);
    bytes.put_i32_le(frame.id.partition);
    bytes.put_u32_le(frame.size);
    put_point(bytes, frame.end);
    piece.for_each(|slice| bytes.put_slice(slice));
}

impl Head {
    pub(super) fn encode(self) -> [u8; HEAD_SIZE] {
        let mut bytes = [0; HEAD_SIZE];
        let mut out = bytes.as_mut_slice();
        out.put_slice(&HEAD_MAGIC);
        out.put_u32_le(0);
        out.put_u64_le(self.mark);
        out.put_i64_le(self.made.0);
        out.put_u64_le(self.half_bytes);
        put_checksum(&mut bytes, &[]);
        bytes
    }

    /// `None` when these bytes begin with no header.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEAD_SIZE).filter(|bytes| has_checksum(bytes, &[]))?;
        let mut rest = bytes.strip_prefix(&HEAD_MAGIC)?.get(4..)?;
        let mark = rest.try_get_u64_le().ok()?;
        let made = Timestamp(rest.try_get_i64_le().ok()?);
        let half_bytes = rest.try_get_u64_le().ok().filter(|size| size.is_multiple_of(BLOCK))?;
        Some(Self { mark, made, half_bytes })
    }

    /// Size of the whole file in bytes.
    pub(super) fn file_bytes(self) -> u64 {
        self.half_bytes.saturating_mul(2).saturating_add(HALVES_AT)
    }

    /// Where a half begins and ends.
    pub(super) fn half(self, half: u64) -> std::ops::Range<u64> {
        let begin = HALVES_AT.saturating_add(self.half_bytes.saturating_mul(half));
        begin..begin.saturating_add(self.half_bytes)
    }
}

impl Turn {
    /// The half whose turn it is.
    pub(super) fn half(self) -> u64 {
        self.number % 2
    }

    /// Where it is told of, in the file.
    pub(super) fn position(half: u64) -> u64 {
        (1 + half) * BLOCK
    }

    pub(super) fn encode(self, mark: u64) -> [u8; TURN_SIZE] {
        let mut bytes = [0; TURN_SIZE];
        let mut out = bytes.as_mut_slice();
        out.put_slice(&TURN_MAGIC);
        out.put_u32_le(0);
        [mark, self.number, self.first, self.before].into_iter().for_each(|number| out.put_u64_le(number));
        put_checksum(&mut bytes, &[]);
        bytes
    }

    /// `None` when these bytes begin with no turn of that half.
    pub(super) fn decode(bytes: &[u8], mark: u64, half: u64) -> Option<Self> {
        let bytes = bytes.get(..TURN_SIZE).filter(|bytes| has_checksum(bytes, &[]))?;
        let mut rest = bytes.strip_prefix(&TURN_MAGIC)?.get(4..)?;
        let mut next = || rest.try_get_u64_le().ok();
        let is_ours = next()? == mark;
        let turn = Self { number: next()?, first: next()?, before: next()? };
        (is_ours && turn.half() == half).then_some(turn)
    }
}

/// The header of a batch of these frames, which are at most [`BATCH_BYTES_MAX`] bytes.
pub(super) fn header(mark: u64, sequence: u64, frames: &[u8]) -> [u8; HEADER_SIZE] {
    let mut header = [0; HEADER_SIZE];
    let mut out = header.as_mut_slice();
    out.put_slice(&BATCH_MAGIC);
    out.put_u32_le(0);
    out.put_u64_le(mark);
    out.put_u64_le(sequence);
    out.put_u32_le(u32::try_from(frames.len()).unwrap_or(u32::MAX));
    put_checksum(&mut header, frames);
    header
}

/// The sequence of a batch and the size of its frames; `None` when these bytes begin with no header of one.
pub(super) fn parse_header(bytes: &[u8], mark: u64) -> Option<(u64, usize)> {
    let mut rest = bytes.strip_prefix(&BATCH_MAGIC)?.get(4..)?;
    let is_ours = rest.try_get_u64_le().ok()? == mark;
    let sequence = rest.try_get_u64_le().ok()?;
    let size = usize::try_from(rest.try_get_u32_le().ok()?).ok()?;
    (is_ours && size <= BATCH_BYTES_MAX).then_some((sequence, size))
}

/// Whether the frames are those of the header.
pub(super) fn verifies(header: &[u8; HEADER_SIZE], frames: &[u8]) -> bool {
    has_checksum(header, frames)
}

/// Calls `visit` with every frame and its piece's place among the bytes. Returns whether the bytes are whole frames.
pub(super) fn visit(frames: &[u8], mut visit: impl FnMut(Frame, usize)) -> bool {
    let mut rest = frames;
    while !rest.is_empty() {
        let Some(frame) = take(&mut rest) else { return false };
        let at = frames.len() - rest.len();
        let Some(behind) = rest.get(frame.size as usize..) else { return false };
        rest = behind;
        visit(frame, at);
    }
    true
}

fn take(bytes: &mut &[u8]) -> Option<Frame> {
    let mut topic_id = [0; 16];
    bytes.try_copy_to_slice(&mut topic_id).ok()?;
    let partition = bytes.try_get_i32_le().ok().filter(|&partition| partition >= 0)?;
    let size = bytes.try_get_u32_le().ok()?;
    let end = get_point(bytes)?;
    Some(Frame { id: TopicIdPartition { topic_id: TopicId(topic_id), partition }, end, size })
}

/// Puts the checksum of what follows it there, and of what stands behind.
fn put_checksum(bytes: &mut [u8], behind: &[u8]) {
    let sum = crc32c(bytes.get(8..).unwrap_or_default(), behind);
    if let Some(place) = bytes.get_mut(4..8) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
}

fn has_checksum(bytes: &[u8], behind: &[u8]) -> bool {
    let stored = bytes.get(4..).unwrap_or_default().try_get_u32_le();
    stored.is_ok_and(|stored| stored == crc32c(bytes.get(8..).unwrap_or_default(), behind))
}

#[cfg(test)]
mod tests {
    use highwater_types::Offset;

    use super::*;

    const MARK: u64 = 0x0102_0304_0506_0708;

    #[test]
    fn headers_and_turns_read_back_and_any_damage_makes_them_unreadable() {
        let head = Head { mark: MARK, made: Timestamp(9), half_bytes: 3 * BLOCK };
        let turn = Turn { number: 5, first: 70, before: 40 };
        let (head_bytes, turn_bytes) = (head.encode(), turn.encode(MARK));
        assert_eq!(Head::decode(&head_bytes), Some(head));
        assert_eq!(Turn::decode(&turn_bytes, MARK, 1), Some(turn));
        assert_eq!(Turn::decode(&turn_bytes, MARK, 0), None, "of the other half");
        assert_eq!(Turn::decode(&turn_bytes, MARK + 1, 1), None, "another journal's");
        for bit in 0..HEAD_SIZE * 8 {
            let mut damaged = head_bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::decode(&damaged), None, "bit {bit}");
        }
        for bit in 0..TURN_SIZE * 8 {
            let mut damaged = turn_bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Turn::decode(&damaged, MARK, 1), None, "bit {bit}");
        }
        assert_eq!(Head::decode(&Head { half_bytes: 100, ..head }.encode()), None);
    }

    fn frame(number: u8, size: u32) -> Frame {
        let end = LogPoint { offset: Offset(9), segment: Offset(4), position: Position(100) };
        let id = TopicIdPartition { topic_id: TopicId([number; 16]), partition: i32::from(number) };
        Frame { id, end, size }
    }

    #[test]
    fn a_batch_reads_back_and_any_damage_makes_it_unreadable() {
        let mut frames = Vec::new();
        push(&mut frames, &frame(1, 5), [b"ab".as_slice(), b"cde"].into_iter());
        push(&mut frames, &frame(2, 0), std::iter::empty());
        let header = header(MARK, 7, &frames);
        assert_eq!(parse_header(&header, MARK), Some((7, frames.len())));
        assert_eq!(parse_header(&header, MARK + 1), None, "another journal's");
        assert!(verifies(&header, &frames));
        let mut found = Vec::new();
        assert!(visit(&frames, |frame, at| found.push((frame, at))));
        assert_eq!(found, [(frame(1, 5), FRAME_SIZE), (frame(2, 0), 2 * FRAME_SIZE + 5)]);
        assert_eq!(found[0].0.position(), Some(Position(95)));
        for bit in 0..(HEADER_SIZE + frames.len()) * 8 {
            let (mut head, mut body) = (header, frames.clone());
            match bit / 8 {
                at if at < HEADER_SIZE => head[at] ^= 1 << (bit % 8),
                at => body[at - HEADER_SIZE] ^= 1 << (bit % 8),
            }
            let whole = parse_header(&head, MARK).is_some_and(|(_, size)| size == body.len());
            assert!(!whole || !verifies(&head, &body), "bit {bit}");
        }
        for end in (1..frames.len()).filter(|end| *end != FRAME_SIZE + 5) {
            assert!(!visit(&frames[..end], |_, _| {}), "cut at {end}");
        }
    }
}
