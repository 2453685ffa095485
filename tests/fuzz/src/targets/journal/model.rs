//! What `docs/formats.md` says of the journal, read a second time: the pieces that its files hold, or that one of them is damaged.

use highwater_wire::record::crc32c;

pub(super) const BLOCK: usize = 4096;
/// Size of what stands before the halves.
pub(super) const HALVES_AT: usize = 3 * BLOCK;
/// Sizes of the file's header, of what tells of a turn, of a batch's header, of a frame without its piece.
pub(super) const HEAD_SIZE: usize = 32;
pub(super) const TURN_SIZE: usize = 40;
pub(super) const HEADER_SIZE: usize = 28;
pub(super) const FRAME_SIZE: usize = 48;
pub(super) const HEAD_MAGIC: &[u8; 4] = b"HWJ2";
pub(super) const TURN_MAGIC: &[u8; 4] = b"HWJT";
pub(super) const BATCH_MAGIC: &[u8; 4] = b"HWJB";
const FRAMES_SIZE_MAX: u64 = 4 << 20;

/// What `synced-ends` tells of a journal.
#[derive(Debug, Clone, Copy)]
pub(super) enum Told {
    Nothing,
    /// It is there, and was not made before.
    There(i64),
    /// Another file of that name told of one: this directory is a copy.
    Copied,
}

/// The bytes of the journal's files, of those that are there.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) journal: Option<Vec<u8>>,
    pub(super) kept: Option<Vec<u8>>,
}

/// A piece of a segment.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub(super) topic: [u8; 16],
    pub(super) partition: u32,
    pub(super) end_offset: i64,
    pub(super) base_offset: i64,
    pub(super) end: u64,
    pub(super) bytes: Vec<u8>,
}

impl Piece {
    /// Where it begins in its segment.
    pub(super) fn position(&self) -> Option<usize> {
        usize::try_from(self.end.checked_sub(self.bytes.len() as u64)?).ok()
    }
}

struct Head {
    mark: u64,
    made: i64,
    half_bytes: u64,
}

#[derive(Clone, Copy)]
struct Turn {
    number: u64,
    first: u64,
    before: u64,
}

/// The pieces that a start finds, the oldest first. `None`: one of the files is damaged or is not there, and a start is refused.
pub(super) fn pieces(files: &Files, told: Told) -> Option<Vec<Piece>> {
    let mut pieces = match &files.kept {
        Some(kept) => of_kept(kept)?,
        None => Vec::new(),
    };
    pieces.extend(match (&files.journal, told) {
        (None, Told::There(_)) => return None,
        (None, Told::Nothing | Told::Copied) => Vec::new(),
        (Some(journal), Told::Nothing) => of_journal(journal)?,
        (Some(journal), Told::There(made)) => {
            of_journal(journal).filter(|_| head(journal).is_some_and(|head| head.made >= made))?
        }
        (Some(journal), Told::Copied) => of_journal(journal).unwrap_or_else(|| readable(journal)),
    });
    Some(pieces)
}

/// The pieces that a repair of damaged files puts into the segments.
pub(super) fn salvaged(files: &Files) -> Vec<Piece> {
    [&files.kept, &files.journal].into_iter().flatten().flat_map(|file| readable(file)).collect()
}

/// `None`: it is damaged.
fn of_journal(file: &[u8]) -> Option<Vec<Piece>> {
    let head = head(file)?;
    if Some(file.len() as u64) != head.half_bytes.checked_mul(2)?.checked_add(HALVES_AT as u64) {
        return None;
    }
    let last = last_turn(file, head.mark)?;
    let (number, other) = (last.number % 2, 1 - last.number % 2);
    let before = turn(file, head.mark, other);
    let is_in_row = match before {
        Some(before) => before.number.checked_add(1) == Some(last.number),
        None => last.number == 0 || block(file, other).iter().any(|byte| *byte != 0),
    };
    if !is_in_row {
        return None;
    }
    let (active, other) = (half(file, &head, number), half(file, &head, other));
    let mut batches = Vec::new();
    if last.number > 0 {
        let (leading, next, _) = row(other, head.mark, last.before);
        batches = (next == last.first).then_some(leading)?;
    }
    let (row, next, behind) = row(active, head.mark, last.first);
    batches.extend(row);
    let is_followed =
        holds_from(behind, head.mark, next) || before.is_none() && holds_from(other, head.mark, next);
    if is_followed { None } else { all_pieces(&batches) }
}

/// `None`: it is damaged.
fn of_kept(file: &[u8]) -> Option<Vec<Piece>> {
    let head = head(file)?;
    let half = half(file, &head, 0);
    let (batches, _, behind) = row(half, head.mark, 1);
    let is_whole = half.len() as u64 == head.half_bytes && file.len() == HALVES_AT + half.len();
    if is_whole && behind.is_empty() { all_pieces(&batches) } else { None }
}

/// What can be read of a damaged file: batches that are whole, wherever they stand in the halves, but for those of turns before the
/// last two.
fn readable(file: &[u8]) -> Vec<Piece> {
    let Some(head) = head(file) else { return Vec::new() };
    let oldest = last_turn(file, head.mark).map_or(0, |turn| turn.before);
    let mut batches: Vec<_> =
        [0, 1].into_iter().flat_map(|number| whole(half(file, &head, number), head.mark, oldest)).collect();
    batches.sort_by_key(|batch| sequence(batch));
    batches.into_iter().flat_map(|batch| frames(batch).0).collect()
}

fn head(file: &[u8]) -> Option<Head> {
    let head = sealed(file, HEAD_MAGIC, HEAD_SIZE)?;
    let half_bytes = number(head, 24, 8)?;
    let made = number(head, 16, 8)?.cast_signed();
    half_bytes.is_multiple_of(BLOCK as u64).then_some(Head { mark: number(head, 8, 8)?, made, half_bytes })
}

/// The turn of a half, if its block tells of one.
fn turn(file: &[u8], mark: u64, half: u64) -> Option<Turn> {
    let block = sealed(block(file, half), TURN_MAGIC, TURN_SIZE)?;
    let turn =
        Turn { number: number(block, 16, 8)?, first: number(block, 24, 8)?, before: number(block, 32, 8)? };
    (number(block, 8, 8)? == mark && turn.number % 2 == half).then_some(turn)
}

fn last_turn(file: &[u8], mark: u64) -> Option<Turn> {
    [0, 1].into_iter().filter_map(|half| turn(file, mark, half)).max_by_key(|turn| turn.number)
}

/// The block that tells of a half's turn.
fn block(file: &[u8], half: u64) -> &[u8] {
    let at = if half == 0 { BLOCK } else { 2 * BLOCK };
    let rest = file.get(at..).unwrap_or_default();
    rest.get(..BLOCK).unwrap_or(rest)
}

/// As much of a half as the file has.
fn half<'a>(file: &'a [u8], head: &Head, number: u64) -> &'a [u8] {
    let begin = head.half_bytes.saturating_mul(number).saturating_add(HALVES_AT as u64);
    let rest = usize::try_from(begin).ok().and_then(|begin| file.get(begin..)).unwrap_or_default();
    usize::try_from(head.half_bytes).ok().and_then(|size| rest.get(..size)).unwrap_or(rest)
}

/// The batches from the beginning of a half on that have sequences in a row, the sequence that would come next, and what stands from
/// there on.
fn row(half: &[u8], mark: u64, first: u64) -> (Vec<&[u8]>, u64, &[u8]) {
    let (mut batches, mut next, mut rest) = (Vec::new(), first, half);
    while let Some(batch) = batch(rest, mark).filter(|batch| sequence(batch) == next) {
        batches.push(batch);
        next = next.wrapping_add(1);
        rest = rest.get(batch.len().next_multiple_of(BLOCK)..).unwrap_or_default();
    }
    (batches, next, rest)
}

/// Whether a whole batch with that sequence or a higher one begins at one of the blocks.
fn holds_from(bytes: &[u8], mark: u64, first: u64) -> bool {
    let mut blocks = (0..bytes.len()).step_by(BLOCK);
    blocks.any(|at| batch(&bytes[at..], mark).is_some_and(|batch| sequence(batch) >= first))
}

/// The whole batches of a half with that sequence or a higher one.
pub(super) fn whole(half: &[u8], mark: u64, first: u64) -> Vec<&[u8]> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < half.len() {
        let batch = batch(&half[at..], mark).filter(|batch| sequence(batch) >= first);
        found.extend(batch);
        at += batch.map_or(BLOCK, |batch| batch.len().next_multiple_of(BLOCK));
    }
    found
}

/// The batch that these bytes begin with: header and frames.
fn batch(bytes: &[u8], mark: u64) -> Option<&[u8]> {
    let size = number(bytes, 24, 4).filter(|size| *size <= FRAMES_SIZE_MAX)?;
    let batch = sealed(bytes, BATCH_MAGIC, HEADER_SIZE + usize::try_from(size).ok()?)?;
    (number(batch, 8, 8)? == mark).then_some(batch)
}

fn sequence(batch: &[u8]) -> u64 {
    number(batch, 16, 8).unwrap()
}

/// So many bytes, if they begin with the magic, and the checksum of what follows that.
fn sealed<'a>(bytes: &'a [u8], magic: &[u8; 4], size: usize) -> Option<&'a [u8]> {
    let bytes = bytes.get(..size)?;
    let is_whole = bytes.starts_with(magic) && number(bytes, 4, 4)? == crc32c(&bytes[8..]).into();
    is_whole.then_some(bytes)
}

/// `None`: a batch's frames are not whole.
fn all_pieces(batches: &[&[u8]]) -> Option<Vec<Piece>> {
    let of_batches: Option<Vec<_>> = batches
        .iter()
        .map(|batch| {
            let (pieces, rest) = frames(batch);
            rest.is_empty().then_some(pieces)
        })
        .collect();
    Some(of_batches?.concat())
}

/// The frames of a batch up to one that is none, and the bytes from there on.
fn frames(batch: &[u8]) -> (Vec<Piece>, &[u8]) {
    let mut rest = &batch[HEADER_SIZE..];
    let mut found = Vec::new();
    while let Some(piece) = frame(rest) {
        rest = &rest[FRAME_SIZE + piece.bytes.len()..];
        found.push(piece);
    }
    (found, rest)
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
pub(super) fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + size)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
