//! The segments as they must be once the journal's pieces are in their places, and what is good of them.

use std::collections::BTreeMap;

use highwater_types::{LeaderEpoch, Offset};
use highwater_wire::record::{self, BatchHeader, verify};

use super::base::{Contents, TOPIC};
use super::model::Piece;

/// A place in a partition's log: offset, base offset of the segment, position.
pub(super) type End = (i64, i64, u64);

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

/// Where the piece's segment stands in the data directory.
pub(super) fn name_of(piece: &Piece) -> String {
    format!("topic-{}/{:020}.log", piece.partition, piece.base_offset)
}

/// The name of the partition's last segment.
pub(super) fn last_of(contents: &Contents, partition: u32) -> Option<&String> {
    let prefix = format!("topic-{partition}/");
    contents.keys().rfind(|name| name.starts_with(&prefix) && name.ends_with(".log"))
}

/// Puts the pieces in their places.
pub(super) fn expected(before: &Contents, pieces: Vec<Piece>) -> Expected {
    let mut expected = Expected { contents: before.clone(), is_settled: true, ends: BTreeMap::new() };
    let mut written: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    let mut broken: Vec<String> = Vec::new();
    let mut last: BTreeMap<(u32, i64), End> = BTreeMap::new();
    for piece in pieces {
        let name = name_of(&piece);
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
    let last = last_of(contents, partition.unsigned_abs());
    let base = last.and_then(|name| name.strip_suffix(".log")?.split_once('/')?.1.parse::<i64>().ok());
    if let Some(base) = base.filter(|base| *base > end.1) {
        end = (base, base, 0);
    }
    end
}

impl Expected {
    /// The end that the last piece of the partition states.
    pub(super) fn end(&self, partition: i32) -> Option<End> {
        self.ends.get(&partition.unsigned_abs()).copied()
    }

    /// Whether the partition's segments are good to their end, and what the journal says of it agrees with them.
    pub(super) fn is_good(&self, partition: i32) -> bool {
        row(&self.contents, partition).1 && self.is_in_row(partition)
    }

    /// Whether good batches reach where the journal says that they do.
    pub(super) fn is_in_row(&self, partition: i32) -> bool {
        let row = row(&self.contents, partition).0;
        self.end(partition).is_none_or(|end| row.contains(&end))
    }
}
