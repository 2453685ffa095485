//! What `docs/formats.md` says of the journal, read a second time: the pieces that are in a journal, and the segments as they must be
//! once these are in their places.

use std::collections::BTreeMap;

use highwater_types::{LeaderEpoch, Offset};
use highwater_wire::record::{self, BatchHeader, crc32c, verify};

use super::base::{Contents, TOPIC};

pub(super) const BLOCK: usize = 4096;
pub(super) const HEADER_SIZE: usize = 20;
pub(super) const FRAME_SIZE: usize = 48;
pub(super) const MAGIC: &[u8] = b"HWJ1";

/// A place in a partition's log: offset, base offset of the segment, position.
pub(super) type End = (i64, i64, u64);

/// A piece of a segment.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    topic: [u8; 16],
    pub(super) partition: u32,
    end_offset: i64,
    base_offset: i64,
    end: u64,
    bytes: Vec<u8>,
}

impl Piece {
    /// Where it begins in its segment.
    pub(super) fn position(&self) -> Option<usize> {
        usize::try_from(self.end.checked_sub(self.bytes.len() as u64)?).ok()
    }
}

/// What the segments must be.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) contents: Contents,
    /// Every piece has a place, and no two of them say different things: in whichever order and how often they are put there,
    /// the outcome is the same.
    pub(super) is_settled: bool,
    /// Of each partition with a piece in its place, the end that the last one states.
    ends: BTreeMap<u32, End>,
}

/// The pieces of a journal's three files, the oldest first.
pub(super) fn pieces(files: &[Vec<u8>; 3]) -> Vec<Piece> {
    let [first, second, kept] = files;
    let mut turns = [first, second];
    turns.sort_by_key(|file| batches(file).next().map_or(0, sequence));
    let in_order = [kept].into_iter().chain(turns);
    in_order.flat_map(|file| batches(file).flat_map(frames).collect::<Vec<_>>()).collect()
}

/// The batches of a file: header and frames.
pub(super) fn batches(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut at, mut expected) = (0, None);
    std::iter::from_fn(move || {
        let rest = file.get(at..)?;
        let size = usize::try_from(number(rest, 16, 4)?).ok()?;
        let batch = rest.get(..HEADER_SIZE + size).filter(|_| size <= 4 << 20 && rest.starts_with(MAGIC))?;
        let checksum = u32::try_from(number(batch, 4, 4)?).ok()?;
        if checksum != crc32c(&batch[8..]) || expected.is_some_and(|expected| expected != sequence(batch)) {
            return None;
        }
        expected = Some(sequence(batch).wrapping_add(1));
        at = (at + batch.len()).next_multiple_of(BLOCK);
        Some(batch)
    })
}

fn sequence(batch: &[u8]) -> u64 {
    number(batch, 8, 8).unwrap()
}

/// The frames of a batch, up to one that is none.
fn frames(batch: &[u8]) -> Vec<Piece> {
    let mut rest = &batch[HEADER_SIZE..];
    let mut found = Vec::new();
    while let Some(piece) = frame(rest) {
        rest = &rest[FRAME_SIZE + piece.bytes.len()..];
        found.push(piece);
    }
    found
}

fn frame(bytes: &[u8]) -> Option<Piece> {
    let size = usize::try_from(number(bytes, 20, 4)?).ok()?;
    let piece = Piece {
        topic: bytes.get(..16)?.try_into().ok()?,
        partition: u32::try_from(number(bytes, 16, 4)?).ok()?,
        end_offset: number(bytes, 24, 8)?.cast_signed(),
        base_offset: number(bytes, 32, 8)?.cast_signed(),
        end: number(bytes, 40, 8)?,
        bytes: bytes.get(FRAME_SIZE..)?.get(..size)?.to_vec(),
    };
    let is_place = (0..=piece.end_offset).contains(&piece.base_offset);
    (is_place && i32::try_from(piece.partition).is_ok()).then_some(piece)
}

/// A little-endian number of so many bytes.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + size)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// Where the piece's segment stands in the data directory.
pub(super) fn segment_name(piece: &Piece) -> String {
    format!("topic-{}/{:020}.log", piece.partition, piece.base_offset)
}

/// The name of the partition's last segment.
pub(super) fn last_segment(contents: &Contents, partition: u32) -> Option<&String> {
    let prefix = format!("topic-{partition}/");
    contents.keys().rfind(|name| name.starts_with(&prefix) && name.ends_with(".log"))
}

/// Puts the pieces in their places.
pub(super) fn expected(before: &Contents, files: &[Vec<u8>; 3]) -> Expected {
    let mut expected = Expected { contents: before.clone(), is_settled: true, ends: BTreeMap::new() };
    let mut written: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    let mut broken: Vec<String> = Vec::new();
    let mut last: BTreeMap<(u32, i64), End> = BTreeMap::new();
    for piece in pieces(files) {
        let name = segment_name(&piece);
        let Some(segment) = expected.contents.get_mut(&name).filter(|_| piece.topic == TOPIC.0) else {
            continue;
        };
        let place = piece.position().filter(|position| *position <= segment.len() && !broken.contains(&name));
        let Some(position) = place else {
            expected.is_settled = false;
            broken.push(name);
            continue;
        };
        let end = position + piece.bytes.len();
        segment.resize(segment.len().max(end), 0);
        let written = written.entry(name).or_default();
        written.resize(segment.len(), false);
        for (index, byte) in (position..end).zip(&piece.bytes) {
            expected.is_settled &= !written[index] || segment[index] == *byte;
            (written[index], segment[index]) = (true, *byte);
        }
        last.insert((piece.partition, piece.base_offset), (piece.end_offset, piece.base_offset, piece.end));
    }
    expected.ends = last.into_iter().map(|((partition, _), end)| (partition, end)).collect();
    expected
}

/// The batches of a partition's segments that verify and follow each other from the first one, and whether nothing else is there.
/// Of each the place behind it.
pub(super) fn row(contents: &Contents, partition: i32) -> (Vec<End>, bool) {
    let prefix = format!("topic-{partition}/");
    let segments = contents.iter().filter(|(name, _)| name.starts_with(&prefix) && name.ends_with(".log"));
    let (mut ends, mut next, mut epoch) = (Vec::new(), Offset::ZERO, LeaderEpoch::ZERO);
    for (name, bytes) in segments {
        let base = name[prefix.len()..name.len() - 4].parse::<i64>().unwrap();
        if base != next.0 {
            return (ends, false);
        }
        let mut position = 0;
        for item in record::batches(bytes.clone().into()) {
            let follows = |header: &BatchHeader| header.base_offset == next && header.leader_epoch >= epoch;
            let good = item.ok().filter(|(header, batch)| follows(header) && verify(batch).is_ok());
            let Some((header, batch)) = good else { return (ends, false) };
            epoch = header.leader_epoch;
            position += batch.len() as u64;
            next = header.next_offset();
            ends.push((next.0, base, position));
        }
        if position != bytes.len() as u64 {
            return (ends, false);
        }
    }
    (ends, true)
}

/// Where the partition's log ends, if all of it is good.
pub(super) fn end(contents: &Contents, partition: i32) -> End {
    let mut end = row(contents, partition).0.last().copied().unwrap_or_default();
    let last = last_segment(contents, partition.unsigned_abs());
    let base = last.and_then(|name| name.strip_suffix(".log")?.split_once('/')?.1.parse::<i64>().ok());
    if let Some(base) = base.filter(|base| *base > end.1) {
        end = (base, base, 0);
    }
    end
}

impl Expected {
    /// Whether the partition's segments are good to their end, and what the journal says of it agrees with them.
    pub(super) fn is_good(&self, partition: i32) -> bool {
        row(&self.contents, partition).1 && self.is_in_row(partition)
    }

    /// Whether good batches reach where the journal says that they do.
    pub(super) fn is_in_row(&self, partition: i32) -> bool {
        let row = row(&self.contents, partition).0;
        self.ends.get(&partition.unsigned_abs()).is_none_or(|end| row.contains(end))
    }
}
