//! The journal of small appends: a start from a data directory whose segments lack what the journal's files hold, or do not hold.
//!
//! | bytes of the input | |
//! |---|---|
//! | 1 | flags, see [`Flags`] |
//! | 1 | what goes wrong in the first start, see [`Trouble`] |
//! | then for each batch | place 1, see [`Section`]; size 2, big-endian; header and frames as in `docs/formats.md` |
//!
//! The first start puts the pieces of good batches into the segments and changes no other byte; it fails only when the disk does, and
//! then names the file. Recovery then serves all that is good, loses no batch that was durable before, and leaves a log offline as
//! it is. A second start, after a kill or a power loss, comes to that, too, also where the first one was broken off.
//!
//! A mutation is given its checksum again, so a piece may say anything. Of a journal whose word on a log's end the segments do not
//! bear out, and of a log that is not good up to where it was synced, less is asked: nothing in the segments changes but their end.

mod base;
mod model;

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use highwater_disk::sim::{Fault, SimDisk};
use highwater_disk::{Disk, OpenMode, Operation, write_all_at};
use highwater_store::{LogStore, PartitionState};
use highwater_store_local::LocalStore;
use highwater_wire::record::crc32c;

use crate::memory::Budget;
use crate::mend;
use base::{BASE, Contents, NAMES, PARTITIONS, PATH};
use model::{BLOCK, Expected, FRAME_SIZE, HEADER_SIZE, MAGIC};

/// The simulated disk keeps three images of each file; a batch is read as large as its header says.
pub(crate) const BUDGET: Budget = Budget { fixed: 16 << 20, factor: 64 };
/// So many batches of an input are looked at: each takes a block.
const SECTIONS_MAX: usize = 48;
const HEAD_SIZE: usize = 2;

/// The first byte of an input.
#[derive(Debug, Clone, Copy)]
struct Flags(u8);

impl Flags {
    /// The first start is followed by a power loss, not by a kill.
    fn power_loss(self) -> bool {
        self.0 & 1 != 0
    }

    /// The segments hold everything that was written.
    fn written(self) -> bool {
        self.0 & 2 != 0
    }

    /// Without what says how far each partition was synced.
    fn forgets_synced_ends(self) -> bool {
        self.0 & 4 != 0
    }

    /// A mutation leaves each file's batches numbered in a row.
    fn chained(self) -> bool {
        self.0 & 8 != 0
    }

    /// A mutation leaves pieces that continue segments, or one another.
    fn joined(self) -> bool {
        self.0 & 16 != 0
    }
}

/// What goes wrong in the first start.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Nothing,
    /// The machine stops within this operation.
    Crash(u64),
    /// An operation on a segment of this partition fails.
    Segment(Operation, i32),
    /// The journal's file cannot be opened, read or removed.
    Journal(Operation, usize),
}

impl Trouble {
    fn new(byte: u8) -> Self {
        let operation = byte / 4;
        let choice = usize::from(byte / 16);
        match byte % 4 {
            0 => Self::Nothing,
            1 => Self::Crash(u64::from(operation) + 1),
            2 => {
                let operation =
                    [Operation::Open, Operation::Write, Operation::Sync][usize::from(operation % 3)];
                Self::Segment(operation, i32::from(byte / 16) % PARTITIONS)
            }
            _ => {
                let operation =
                    [Operation::Open, Operation::Read, Operation::Remove][usize::from(operation % 3)];
                Self::Journal(operation, choice % NAMES.len())
            }
        }
    }

    fn order(self, disk: &SimDisk) {
        match self {
            Self::Nothing => {}
            Self::Crash(operation) => disk.crash_at(operation),
            Self::Segment(operation, partition) => {
                disk.fail_next(operation, &format!("topic-{partition}/00"), Fault::Io);
            }
            Self::Journal(operation, file) => disk.fail_next(operation, NAMES[file], Fault::Io),
        }
    }
}

/// A batch of the input: which file it is in, whether it begins at a new block, where its bytes stand.
struct Section {
    file: usize,
    aligned: bool,
    /// A mutation leaves header and frames as they are.
    raw: bool,
    range: std::ops::Range<usize>,
}

fn parse(input: &[u8]) -> Option<(Flags, Trouble, Vec<Section>)> {
    let head = input.first_chunk::<HEAD_SIZE>()?;
    let mut at = HEAD_SIZE;
    let mut sections = Vec::new();
    while let Some(head) = input.get(at..at + 3).filter(|_| sections.len() < SECTIONS_MAX) {
        let start = at + 3;
        at = input.len().min(start + usize::from(u16::from_be_bytes([head[1], head[2]])));
        let file = usize::from(head[0] & 3) % NAMES.len();
        sections.push(Section { file, aligned: head[0] & 4 == 0, raw: head[0] & 8 != 0, range: start..at });
    }
    Some((Flags(head[0]), Trouble::new(head[1]), sections))
}

fn files(input: &[u8], sections: &[Section]) -> [Vec<u8>; 3] {
    let mut files: [Vec<u8>; 3] = Default::default();
    for section in sections {
        let file = &mut files[section.file];
        if section.aligned {
            file.resize(file.len().next_multiple_of(BLOCK), 0);
        }
        file.extend(&input[section.range.clone()]);
    }
    files
}

pub(crate) fn journal(input: &[u8]) {
    let Some((flags, trouble, sections)) = parse(input) else { return };
    let files = files(input, &sections);
    let mut before = if flags.written() { BASE.written.clone() } else { BASE.durable.clone() };
    if flags.forgets_synced_ends() {
        before.remove("synced-ends");
    }
    let expected = model::expected(&before, &files);
    let disk = directory(&before, &files);
    trouble.order(&disk);
    let first = base::open(&disk, 0);
    match (&first, trouble) {
        (Ok(store), Trouble::Nothing) => {
            let names: Vec<_> = base::contents(&disk).into_keys().collect();
            assert!(!names.iter().any(|name| name.starts_with("journal")), "{names:?}");
            assert!(
                segments(&disk) == only_segments(&expected.contents),
                "the segments are not as they must be"
            );
            base::settle(store);
            check_partitions(&disk, store, &before, &expected);
        }
        (Ok(store), _) => base::settle(store),
        (Err(error), Trouble::Journal(_, file)) => {
            assert!(error.to_string().contains(NAMES[file]), "which file? {error}");
        }
        (Err(_), Trouble::Crash(_)) if disk.has_crashed() => {}
        (Err(error), _) => panic!("{error} after {trouble:?}"),
    }
    let restarted = if flags.power_loss() { disk.power_loss(1) } else { disk.kill() };
    let second = base::open(&restarted, 0).unwrap_or_else(|error| panic!("the second start: {error}"));
    base::settle(&second);
    if let (Ok(first), Trouble::Nothing) = (first, trouble) {
        check_states(&first, &second, &expected);
        check_partitions(&restarted, &second, &before, &expected);
    } else if expected.is_settled {
        // Of pieces that contradict each other a start that is broken off may leave either.
        check_partitions(&restarted, &second, &before, &expected);
    }
}

/// A directory with these files, and the journal's that are not empty.
fn directory(before: &Contents, journal: &[Vec<u8>; 3]) -> Arc<SimDisk> {
    let disk = base::new_disk();
    let root = Path::new(PATH);
    disk.create_directory(root).unwrap();
    let journal = NAMES.into_iter().zip(journal).filter(|(_, bytes)| !bytes.is_empty());
    for (name, bytes) in before.iter().map(|(name, bytes)| (name.as_str(), bytes)).chain(journal) {
        let path = root.join(name);
        let parent = path.parent().unwrap();
        if disk.list(parent).is_err() {
            disk.create_directory(parent).unwrap();
        }
        let file = disk.open(&path, OpenMode::CreateNew).unwrap();
        write_all_at(file.as_ref(), &mut [IoSlice::new(bytes)], 0).unwrap();
        file.sync_data().unwrap();
        disk.sync_directory(parent).unwrap();
    }
    for directory in [root, Path::new("/")] {
        disk.sync_directory(directory).unwrap();
    }
    disk
}

/// Nothing that was durable is lost, what is good is in the log, and nothing was changed but that a log may have lost a bad end.
fn check_partitions(disk: &SimDisk, store: &LocalStore, before: &Contents, expected: &Expected) {
    let after = base::contents(disk);
    for number in 0..PARTITIONS {
        let partition = store.partition(base::id(number)).expect("a partition of the topic");
        let serves = partition.state() == PartitionState::Online;
        let must_serve = must_serve(before, expected, number);
        assert!(serves || !must_serve, "{number}: {:?}", partition.state());
        for (name, bytes) in only_segments(&after).iter().filter(|(name, _)| is_of(name, number)) {
            let whole = expected.contents.get(name).map_or(&[][..], |whole| whole);
            assert!(whole.starts_with(bytes), "{name} was changed");
            let is_as_it_was = whole == bytes || !expected.is_in_row(number);
            assert!(serves || is_as_it_was, "{name} was cut, and then {:?}", partition.state());
        }
        let good = model::row(&expected.contents, number).0;
        let (row, whole) = model::row(&after, number);
        let durable = model::row(before, number).0;
        let kept = durable.iter().zip(&good).take_while(|(one, other)| one == other).count();
        assert!(row.len() >= kept, "{number}: {kept} batches were durable, {row:?} are left");
        if must_serve {
            assert!(whole && row == good, "{number}: {row:?} of {good:?}");
            assert_eq!(partition.offsets().log_end_offset.0, row.last().map_or(0, |end| end.0), "{number}");
        }
    }
}

/// Whether everything in the partition's segments is good, and reaches as far as it was synced. A log that ends before is not put
/// into service; sealed segments before that are read by nobody at a start.
fn must_serve(before: &Contents, expected: &Expected, number: i32) -> bool {
    let good = model::row(&expected.contents, number).0;
    let synced = before.contains_key("synced-ends").then(|| model::row(&BASE.written, number).0);
    expected.is_good(number) && synced.is_none_or(|synced| synced.iter().all(|end| good.contains(end)))
}

/// A partition that served serves again, if what the journal said of its end is so. Where its segments are not good, the second
/// start may see another end: how far they were synced was told by the journal alone, which is gone.
fn check_states(first: &LocalStore, second: &LocalStore, expected: &Expected) {
    let serves = |store: &LocalStore, number| {
        store.partition(base::id(number)).expect("it is there").state() == PartitionState::Online
    };
    for number in (0..PARTITIONS).filter(|number| expected.is_in_row(*number) && serves(first, *number)) {
        assert!(serves(second, number), "{number} does not serve after a second start");
    }
}

fn segments(disk: &SimDisk) -> Contents {
    only_segments(&base::contents(disk))
}

fn only_segments(contents: &Contents) -> Contents {
    let segments = contents.iter().filter(|(name, _)| name.ends_with(".log"));
    segments.map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
}

fn is_of(name: &str, partition: i32) -> bool {
    name.starts_with(&format!("topic-{partition}/"))
}

/// Checksums of batches and of what is in their pieces; under [`Flags`] sequences and places, too.
pub(crate) fn mend(bytes: &mut [u8]) {
    let Some((flags, _, sections)) = parse(bytes) else { return };
    let mut sequences = [None; 3];
    let before = if flags.written() { &BASE.written } else { &BASE.durable };
    let mut ends: Vec<_> = (0..PARTITIONS).map(|number| model::end(before, number)).collect();
    for section in sections.into_iter().filter(|section| !section.raw) {
        let batch = &mut bytes[section.range];
        let Some((header, frames)) = batch.split_first_chunk_mut::<HEADER_SIZE>() else { continue };
        mend_frames(frames, flags.joined().then_some(&mut ends));
        header[..4].copy_from_slice(MAGIC);
        let sequence = &mut sequences[section.file];
        if let Some(sequence) = sequence.filter(|_| flags.chained()) {
            header[8..16].copy_from_slice(&u64::to_le_bytes(sequence));
        }
        *sequence = Some(u64::from_le_bytes(header[8..16].try_into().unwrap()).wrapping_add(1));
        header[16..].copy_from_slice(&u32::try_from(frames.len()).unwrap().to_le_bytes());
        let checksum = crc32c(&batch[8..]);
        batch[4..8].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Gives frames sizes that lie within the bytes, and places behind `ends`, if any.
fn mend_frames(mut rest: &mut [u8], mut ends: Option<&mut Vec<model::End>>) {
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
            frame[..16].copy_from_slice(&base::TOPIC.0);
            frame[16..20].copy_from_slice(&u32::try_from(number).unwrap().to_le_bytes());
            frame[24..32].copy_from_slice(&end.0.to_le_bytes());
            frame[32..40].copy_from_slice(&end.1.to_le_bytes());
            frame[40..48].copy_from_slice(&end.2.to_le_bytes());
        }
        mend::batches(piece);
        rest = behind;
    }
}

/// What a store left: whole, torn, with a batch of which a bit changed, in turns and as what was kept; with and without trouble.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let [first, second] = &BASE.journal;
    assert!(!first.is_empty() && !second.is_empty(), "both files are in use");
    let both = [(0, first), (1, second)];
    let whole: Vec<_> =
        both.iter().flat_map(|(place, file)| file.iter().map(|batch| (*place, batch.clone()))).collect();
    let mut seeds: Vec<_> = (0..8).map(|flags| input(flags, 0, &whole)).collect();
    let troubles = [1, 17, 33, 49, 65, 81, 97, 113, 2, 6, 10, 26, 42, 3, 7, 11, 23];
    seeds.extend(troubles.map(|trouble| input(trouble & 1, trouble, &whole)));
    for damaged in 0..whole.len() {
        let mut batches = whole.clone();
        let (place, batch) = &mut batches[damaged];
        // As it is.
        *place |= 8;
        match damaged % 3 {
            0 => batch.truncate(batch.len() - 1),
            1 => batch[HEADER_SIZE + FRAME_SIZE + 9] ^= 4,
            _ => batch[9] ^= 1,
        }
        seeds.push(input(4, 0, &batches));
    }
    let kept: Vec<_> = whole.iter().map(|(_, batch)| (2, batch.clone())).collect();
    seeds.push(input(8, 0, &kept));
    seeds.push(input(24, 0, &whole[..2]));
    seeds.push(input(25, 2, &[&kept[..1], &whole[1..]].concat()));
    seeds.push(input(0, 0, &[]));
    seeds
}

fn input(flags: u8, trouble: u8, batches: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut input = vec![flags, trouble];
    for (place, batch) in batches {
        input.push(*place);
        input.extend(u16::try_from(batch.len()).unwrap().to_be_bytes());
        input.extend(batch);
    }
    input
}
