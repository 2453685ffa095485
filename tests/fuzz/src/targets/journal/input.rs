//! What an input says: which files the directory has, what is told of them, and what goes wrong.

use std::ops::Range;

use highwater_disk::Operation;
use highwater_disk::sim::{Fault, SimDisk};
use highwater_wire::record::crc32c;

use super::base::{BASE, Contents, MADE, NAMES, PARTITIONS, SYNCED_ENDS};
use super::model::{BLOCK, Files, HALVES_AT, HEAD_MAGIC, HEAD_SIZE, Told};

/// So many sections of an input are looked at: each takes a block.
const SECTIONS_MAX: usize = 48;
const START_SIZE: usize = 2;
/// Of every journal that is not told another one.
pub(super) const MARK: u64 = 0x4857_4a55_5246_5a5a;
/// The row of batches that is not a half of the journal.
pub(super) const KEPT_ROW: usize = 2;
/// The block that is not one of the journal's, but the header of what was kept.
pub(super) const KEPT_HEAD: usize = 3;
/// Ways in which an operation of a file of the directory itself may fail, and the files.
const OPERATIONS: [Operation; 5] =
    [Operation::Open, Operation::Read, Operation::Remove, Operation::Write, Operation::Sync];
const FAILING: [&str; 3] = [NAMES[0], NAMES[1], SYNCED_ENDS];

/// The first byte of an input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flags(pub(super) u8);

/// What goes wrong in the first start, or comes before it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trouble {
    Nothing,
    /// A repair.
    Repair,
    /// The machine stops within this operation.
    Crash(u64),
    /// An operation on a segment of this partition fails.
    Segment(Operation, i32),
    /// An operation on the file of this name fails.
    File(Operation, &'static str),
}

/// Where the bytes of a section stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a half of the journal, or in [`KEPT_ROW`]; what begins at no block follows what is before it.
    Row { row: usize, is_aligned: bool },
    /// One of the journal's first three blocks begins with them, or [`KEPT_HEAD`] does: the section's first byte says which.
    Block(usize),
}

#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) place: Place,
    /// A mutation leaves it as it is.
    pub(super) raw: bool,
    pub(super) range: Range<usize>,
}

#[derive(Debug)]
pub(super) struct Input {
    pub(super) flags: Flags,
    pub(super) trouble: Trouble,
    pub(super) sections: Vec<Section>,
}

impl Flags {
    pub(super) const POWER_LOSS: u8 = 1;
    pub(super) const WRITTEN: u8 = 2;
    pub(super) const FORGETS: u8 = 4;
    pub(super) const CHAINED: u8 = 8;
    pub(super) const JOINED: u8 = 16;
    pub(super) const THERE: u8 = 32;
    pub(super) const COPIED: u8 = 64;
    pub(super) const NEWER: u8 = 96;
    pub(super) const CUT: u8 = 128;

    fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }

    /// The first start is followed by a power loss, not by a kill.
    pub(super) fn power_loss(self) -> bool {
        self.has(Self::POWER_LOSS)
    }

    /// The segments hold everything that was written.
    pub(super) fn written(self) -> bool {
        self.has(Self::WRITTEN)
    }

    /// Without what says how far each partition was synced.
    pub(super) fn forgets_synced_ends(self) -> bool {
        self.has(Self::FORGETS)
    }

    /// A mutation leaves batches numbered in a row, and turns that say so.
    pub(super) fn chained(self) -> bool {
        self.has(Self::CHAINED)
    }

    /// A mutation leaves pieces that continue segments, or one another.
    pub(super) fn joined(self) -> bool {
        self.has(Self::JOINED)
    }

    /// What is told of the journal. One that is there was made when a header says that is not given, or has to be newer.
    pub(super) fn told(self) -> Told {
        match self.0 & Self::NEWER {
            0 => Told::Nothing,
            Self::THERE => Told::There(MADE),
            Self::COPIED => Told::Copied,
            _ => Told::There(MADE + 1),
        }
    }

    /// The journal lacks its last block.
    pub(super) fn cut(self) -> bool {
        self.has(Self::CUT)
    }
}

impl Trouble {
    fn new(byte: u8) -> Self {
        let operation = byte / 4;
        let choice = usize::from(byte / 16);
        match byte % 4 {
            0 if operation.is_multiple_of(2) => Self::Nothing,
            0 => Self::Repair,
            1 => Self::Crash(u64::from(operation) + 1),
            2 => {
                let operation =
                    [Operation::Open, Operation::Write, Operation::Sync][usize::from(operation % 3)];
                Self::Segment(operation, i32::from(byte / 16) % PARTITIONS)
            }
            _ => Self::File(
                OPERATIONS[usize::from(operation) % OPERATIONS.len()],
                FAILING[choice % FAILING.len()],
            ),
        }
    }

    pub(super) fn is_crash(self) -> bool {
        matches!(self, Self::Crash(_))
    }

    pub(super) fn order(self, disk: &SimDisk) {
        match self {
            Self::Nothing | Self::Repair => {}
            Self::Crash(operation) => disk.crash_at(disk.operations() + operation),
            Self::Segment(operation, partition) => {
                disk.fail_next(operation, &format!("topic-{partition}/00"), Fault::Io);
            }
            Self::File(operation, name) => disk.fail_next(operation, name, Fault::Io),
        }
    }
}

impl Section {
    fn new(place: u8, input: &[u8], range: Range<usize>) -> Self {
        let raw = place & 8 != 0;
        match usize::from(place & 3) {
            3 => {
                let block = input.get(range.clone()).and_then(<[u8]>::first).map_or(0, |first| first % 4);
                let range = range.end.min(range.start + 1)..range.end;
                Self { place: Place::Block(block.into()), raw, range }
            }
            row => Self { place: Place::Row { row, is_aligned: place & 4 == 0 }, raw, range },
        }
    }

    /// Whether it is of the journal, not of what was kept.
    fn is_of_journal(&self) -> bool {
        !matches!(self.place, Place::Row { row: KEPT_ROW, .. } | Place::Block(KEPT_HEAD))
    }
}

impl Input {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let [flags, trouble] = *bytes.first_chunk::<START_SIZE>()?;
        let mut at = START_SIZE;
        let mut sections = Vec::new();
        while let Some(head) = bytes.get(at..at + 3).filter(|_| sections.len() < SECTIONS_MAX) {
            let start = at + 3;
            at = bytes.len().min(start + usize::from(u16::from_be_bytes([head[1], head[2]])));
            sections.push(Section::new(head[0], bytes, start..at));
        }
        Some(Self { flags: Flags(flags), trouble: Trouble::new(trouble), sections })
    }

    /// The directory without the journal and what tells of it.
    pub(super) fn before(&self) -> Contents {
        let mut before = self.base().clone();
        if self.flags.forgets_synced_ends() {
            before.remove(SYNCED_ENDS);
        }
        before
    }

    /// The segments that the journal's pieces continue, and what else there is.
    pub(super) fn base(&self) -> &'static Contents {
        if self.flags.written() { &BASE.written } else { &BASE.durable }
    }

    /// The batches of each half, as large as the larger one, and those of what was kept.
    pub(super) fn rows(&self, bytes: &[u8]) -> [Vec<u8>; 3] {
        let mut rows: [Vec<u8>; 3] = Default::default();
        for section in &self.sections {
            let Place::Row { row, is_aligned } = section.place else { continue };
            let row = &mut rows[row];
            if is_aligned {
                pad(row);
            }
            row.extend(&bytes[section.range.clone()]);
        }
        rows.iter_mut().for_each(pad);
        let size = rows[0].len().max(rows[1].len());
        rows[..2].iter_mut().for_each(|half| half.resize(size, 0));
        rows
    }

    /// The journal's files. One that no section is of is not there.
    pub(super) fn files(&self, bytes: &[u8]) -> Files {
        let [first, second, kept] = self.rows(bytes);
        let blocks = |file: Vec<u8>, wanted: Range<usize>| {
            let mut file = file;
            file.resize(HALVES_AT, 0);
            for section in &self.sections {
                let Place::Block(block) = section.place else { continue };
                if wanted.contains(&block) {
                    let bytes = &bytes[section.range.clone()];
                    let size = bytes.len().min(BLOCK);
                    file[(block - wanted.start) * BLOCK..][..size].copy_from_slice(&bytes[..size]);
                }
            }
            file
        };
        let is_there = |of_journal| self.sections.iter().any(|section| section.is_of_journal() == of_journal);
        let journal = is_there(true).then(|| {
            let file = blocks(head(MARK, MADE, first.len()), 0..KEPT_HEAD);
            let mut file = [file, first, second].concat();
            if self.flags.cut() {
                file.truncate(file.len() - BLOCK);
            }
            file
        });
        let kept = is_there(false)
            .then(|| [blocks(head(0, 0, kept.len()), KEPT_HEAD..KEPT_HEAD + 1), kept].concat());
        Files { journal, kept }
    }
}

fn pad(row: &mut Vec<u8>) {
    row.resize(row.len().next_multiple_of(BLOCK), 0);
}

/// The header of a file.
pub(super) fn head(mark: u64, made: i64, half_bytes: usize) -> Vec<u8> {
    let mut head = vec![0; HEAD_SIZE];
    put(&mut head, 8, mark);
    put(&mut head, 16, made.cast_unsigned());
    put(&mut head, 24, half_bytes as u64);
    seal(&mut head, HEAD_MAGIC);
    head
}

/// Writes a number.
pub(super) fn put(bytes: &mut [u8], at: usize, number: u64) {
    bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

/// Writes the magic, and behind it the checksum of what follows.
pub(super) fn seal(bytes: &mut [u8], magic: &[u8; 4]) {
    bytes[..4].copy_from_slice(magic);
    let checksum = crc32c(&bytes[8..]);
    bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
}
