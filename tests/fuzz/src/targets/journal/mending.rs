//! Makes mutated inputs plausible again, but for their sections that are raw.

use super::base::{PARTITIONS, TOPIC};
use super::input::{Input, KEPT_HEAD, KEPT_ROW, MARK, Place, Section, put, seal};
use super::model::{
    BATCH_MAGIC, BLOCK, FRAME_SIZE, HEAD_MAGIC, HEAD_SIZE, HEADER_SIZE, TURN_MAGIC, TURN_SIZE, number,
};
use super::segments;
use crate::mend;

/// Batches of the half whose turn it is come behind those of the other one.
struct Numbered {
    half: usize,
    /// Number of the turn, and the sequences of its first batch and of the first one of the turn before.
    turn: u64,
    first: u64,
    before: u64,
}

/// Marks, checksums, and those of what is in pieces; under [`Flags`](super::input::Flags) sequences and places, too.
pub(crate) fn mend(bytes: &mut [u8]) {
    let Some(input) = Input::parse(bytes) else { return };
    let sizes = input.rows(bytes).map(|row| row.len() as u64);
    let sections: Vec<_> = input.sections.iter().filter(|section| !section.raw).cloned().collect();
    let mut ends: Vec<_> = (0..PARTITIONS).map(|number| segments::end(input.base(), number)).collect();
    let numbered = input.flags.chained().then(|| number_batches(bytes, &sections));
    for section in sections {
        let bytes = &mut bytes[section.range];
        match section.place {
            Place::Row { row, .. } if bytes.len() >= HEADER_SIZE => {
                mend_frames(&mut bytes[HEADER_SIZE..], input.flags.joined().then_some(&mut ends));
                seal_batch(bytes, if row == KEPT_ROW { 0 } else { MARK });
            }
            Place::Block(0) if bytes.len() >= HEAD_SIZE => {
                mend_head(bytes, MARK, numbered.is_some().then_some(sizes[0]));
            }
            Place::Block(KEPT_HEAD) if bytes.len() >= HEAD_SIZE => {
                mend_head(bytes, 0, numbered.is_some().then_some(sizes[KEPT_ROW]));
            }
            Place::Block(block @ 1..=2) if bytes.len() >= TURN_SIZE => {
                mend_turn(bytes, block - 1, numbered.as_ref());
            }
            _ => {}
        }
    }
}

/// Gives a batch the mark, the size of its frames and its checksum.
pub(super) fn seal_batch(bytes: &mut [u8], mark: u64) {
    let size = u32::try_from(bytes.len() - HEADER_SIZE).unwrap();
    put(bytes, 8, mark);
    bytes[24..28].copy_from_slice(&size.to_le_bytes());
    seal(bytes, BATCH_MAGIC);
}

/// Gives what tells of a turn the mark and its checksum.
pub(super) fn seal_turn(bytes: &mut [u8], mark: u64) {
    put(bytes, 8, mark);
    seal(&mut bytes[..TURN_SIZE], TURN_MAGIC);
}

/// A size of halves that is possible, or this one.
fn mend_head(bytes: &mut [u8], mark: u64, half_bytes: Option<u64>) {
    let stated = number(bytes, 24, 8).unwrap();
    put(bytes, 8, mark);
    put(bytes, 24, half_bytes.unwrap_or(stated - stated % BLOCK as u64));
    seal(&mut bytes[..HEAD_SIZE], HEAD_MAGIC);
}

fn mend_turn(bytes: &mut [u8], half: usize, numbered: Option<&Numbered>) {
    let stated = turn_number(bytes, half);
    put(bytes, 16, stated);
    match numbered {
        Some(numbered) if numbered.half == half => {
            put(bytes, 24, numbered.first);
            put(bytes, 32, numbered.before);
        }
        Some(numbered) => {
            put(bytes, 16, numbered.turn.wrapping_sub(1));
            put(bytes, 24, numbered.before);
        }
        None => {}
    }
    seal_turn(bytes, MARK);
}

/// The number that is stated, or the one below that is of this half.
fn turn_number(bytes: &[u8], half: usize) -> u64 {
    let stated = number(bytes, 16, 8).unwrap();
    stated - stated % 2 + half as u64
}

/// Gives batches that were kept the sequences from 1 on, and those of the journal some in a row.
fn number_batches(bytes: &mut [u8], sections: &[Section]) -> Numbered {
    number_row(bytes, sections, KEPT_ROW, Some(1));
    let turns = sections.iter().filter_map(|section| match section.place {
        Place::Block(block @ 1..=2) if section.range.len() >= TURN_SIZE => {
            Some((turn_number(&bytes[section.range.clone()], block - 1), block - 1))
        }
        _ => None,
    });
    let (turn, half) = turns.max().unwrap_or_default();
    let older = number_row(bytes, sections, 1 - half, None);
    let newer = number_row(bytes, sections, half, older.map(|(_, next)| next));
    let first = newer.or(older.map(|(_, next)| (next, next))).map_or(1, |(first, _)| first);
    Numbered { half, turn, first, before: older.map_or(first, |(first, _)| first) }
}

/// Gives the batches of a row sequences from `next` on, or from what the first one says. Returns the first one and the one that would
/// come next; `None` without batches.
fn number_row(bytes: &mut [u8], sections: &[Section], row: usize, next: Option<u64>) -> Option<(u64, u64)> {
    let mut numbers: Option<(u64, u64)> = None;
    for section in sections {
        let is_batch = matches!(section.place, Place::Row { row: of, .. } if of == row);
        let Some(batch) = bytes.get_mut(section.range.clone()).filter(|batch| batch.len() >= HEADER_SIZE)
        else {
            continue;
        };
        if is_batch {
            let stated = number(batch, 16, 8).unwrap();
            let (first, sequence) = numbers.unwrap_or_else(|| {
                let first = next.unwrap_or(stated);
                (first, first)
            });
            put(batch, 16, sequence);
            numbers = Some((first, sequence.wrapping_add(1)));
        }
    }
    numbers
}

/// Gives frames sizes that lie within the bytes, and places behind `ends`, if any.
fn mend_frames(mut rest: &mut [u8], mut ends: Option<&mut Vec<segments::End>>) {
    while let Some((frame, behind)) = rest.split_first_chunk_mut::<FRAME_SIZE>() {
        let stated = u32::from_le_bytes(frame[20..24].try_into().unwrap());
        let size = usize::try_from(stated).unwrap().min(behind.len());
        frame[20..24].copy_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
        let (piece, behind) = behind.split_at_mut(size);
        if let Some(ends) = ends.as_deref_mut() {
            let number = usize::from(frame[16]) % ends.len();
            let end = &mut ends[number];
            mend::chain(piece, &mut end.0);
            end.2 += size as u64;
            frame[..16].copy_from_slice(&TOPIC.0);
            frame[16..20].copy_from_slice(&u32::try_from(number).unwrap().to_le_bytes());
            frame[24..32].copy_from_slice(&end.0.to_le_bytes());
            frame[32..40].copy_from_slice(&end.1.to_le_bytes());
            frame[40..48].copy_from_slice(&end.2.to_le_bytes());
        }
        mend::batches(piece);
        rest = behind;
    }
}
