//! The bytes of the journal.
//!
//! A *batch* is what one write and one sync make durable. It begins at a multiple of [`BLOCK`], so that no later write
//! touches a block which holds what was promised. All integers little-endian.
//!
//! | bytes | field |
//! |---|---|
//! | 4 | `HWJ1` |
//! | 4 | CRC-32C of all that follows |
//! | 8 | sequence: one more than that of the batch before |
//! | 4 | size of the frames, in bytes |
//! | | the frames, back to back |
//!
//! A *frame* is a piece of one segment:
//!
//! | bytes | field |
//! |---|---|
//! | 16 | topic id |
//! | 4 | partition |
//! | 4 | size of the piece, in bytes |
//! | 24 | the place behind the piece: offset, segment's base offset, position |
//! | | the piece, as it stands in the segment |

use bytes::{Buf, BufMut};
use highwater_types::{Position, TopicId, TopicIdPartition};
use highwater_wal::LogPoint;

use crate::checkpoint::{get_point, put_point};

/// Batches begin at multiples of this.
pub(super) const BLOCK: u64 = 4096;
/// Size of a batch's header.
pub(super) const HEADER_SIZE: usize = 20;
/// Size of a frame without its piece.
pub(super) const FRAME_SIZE: usize = 48;
/// A batch is not larger.
pub(super) const BATCH_BYTES_MAX: usize = 4 << 20;
const MAGIC: [u8; 4] = *b"HWJ1";

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

/// The header of a batch of these frames, which are at most [`BATCH_BYTES_MAX`] bytes.
pub(super) fn header(sequence: u64, frames: &[u8]) -> [u8; HEADER_SIZE] {
    let mut header = [0; HEADER_SIZE];
    let mut covered = [0; HEADER_SIZE - 8];
    let mut out = covered.as_mut_slice();
    out.put_u64_le(sequence);
    out.put_u32_le(u32::try_from(frames.len()).unwrap_or(u32::MAX));
    let mut out = header.as_mut_slice();
    out.put_slice(&MAGIC);
    out.put_u32_le(checksum(&covered, frames));
    out.put_slice(&covered);
    header
}

/// The sequence of a batch and the size of its frames; `None` when these bytes are no header of one.
pub(super) fn parse_header(header: &[u8; HEADER_SIZE]) -> Option<(u64, usize)> {
    let mut rest = header.strip_prefix(&MAGIC)?;
    rest.try_get_u32_le().ok()?;
    let sequence = rest.try_get_u64_le().ok()?;
    let size = usize::try_from(rest.try_get_u32_le().ok()?).ok()?;
    (size <= BATCH_BYTES_MAX).then_some((sequence, size))
}

/// Whether the frames are those of the header.
pub(super) fn verifies(header: &[u8; HEADER_SIZE], frames: &[u8]) -> bool {
    let (head, covered) = header.split_at(8);
    let stored = head.get(4..).unwrap_or_default().try_get_u32_le();
    stored.is_ok_and(|stored| stored == checksum(covered, frames))
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

fn checksum(covered: &[u8], frames: &[u8]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(covered);
    digest.update(frames);
    u32::try_from(digest.finalize()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use highwater_types::Offset;

    use super::*;

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
        let header = header(7, &frames);
        assert_eq!(parse_header(&header), Some((7, frames.len())));
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
            let whole = parse_header(&head).is_some_and(|(_, size)| size == body.len());
            assert!(!whole || !verifies(&head, &body), "bit {bit}");
        }
        for end in (1..frames.len()).filter(|end| *end != FRAME_SIZE + 5) {
            assert!(!visit(&frames[..end], |_, _| {}), "cut at {end}");
        }
    }
}
