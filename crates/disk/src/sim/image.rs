//! One file's images.
//!
//! | image | is |
//! |---|---|
//! | cached | what reads see: `cached` |
//! | device | what the device would return: `durable`, then the changes in `arrived` |
//! | durable | what a power loss cannot take: `durable` |
//!
//! Changes in `dirty` are in memory only. A length is separate from the data: it may reach the device without the
//! bytes, which then read as zeros, and bytes beyond a length are gone.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use super::random::Random;

/// What a device writes whole or not at all.
pub(super) const SECTOR_SIZE: u64 = 512;
/// What a device may destroy when power fails during a write, in the mode that says so.
const PHYSICAL_BLOCK_SIZE: u64 = 4096;
/// Larger files are refused, so that a mad length does not take the machine's memory.
const FILE_SIZE_MAX: u64 = 2 << 30;

/// A change that is not durable yet.
#[derive(Debug, Clone)]
enum Change {
    Write { position: usize, bytes: Vec<u8> },
    SetLength(usize),
}

/// The images of one file.
#[derive(Debug, Clone, Default)]
pub(super) struct FileImages {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// Ascending by number, as `dirty` is, whose numbers are higher.
    arrived: Vec<(u64, Change)>,
    dirty: Vec<(u64, Change)>,
    /// Numbers the changes of this file.
    next_change: u64,
    allocated: u64,
    resident: bool,
    unreadable: Vec<Range<u64>>,
}

impl FileImages {
    pub(super) fn new() -> Self {
        Self { resident: true, ..Self::default() }
    }

    pub(super) fn length(&self) -> u64 {
        self.cached.len() as u64
    }

    /// Bytes that the file takes on the device: its length, or what was reserved when that is more.
    pub(super) fn footprint(&self) -> u64 {
        self.length().max(self.allocated)
    }

    pub(super) fn is_resident(&self) -> bool {
        self.resident
    }

    pub(super) fn read(&mut self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let count = copy(&self.cached, buffer, position);
        self.check_readable(position, count)?;
        self.resident |= count > 0;
        Ok(count)
    }

    /// Reads past the cache. As Linux does, what is dirty is written back first; the length is that of the cache.
    pub(super) fn read_device(&mut self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.arrived.append(&mut self.dirty);
        let mut device = self.device();
        device.resize(self.cached.len(), 0);
        let count = copy(&device, buffer, position);
        self.check_readable(position, count)?;
        Ok(count)
    }

    fn check_readable(&self, position: u64, count: usize) -> io::Result<()> {
        let end = position.saturating_add(count as u64);
        let touches = self.unreadable.iter().any(|range| range.start < end && position < range.end);
        if touches { Err(rustix::io::Errno::IO.into()) } else { Ok(()) }
    }

    fn device(&self) -> Vec<u8> {
        let mut device = self.durable.clone();
        self.arrived.iter().for_each(|(_, change)| change.apply(&mut device));
        device
    }

    pub(super) fn write(&mut self, bytes: &[u8], position: u64) -> io::Result<()> {
        bounded(position.saturating_add(bytes.len() as u64))?;
        let change = Change::Write { position: bounded(position)?, bytes: bytes.to_vec() };
        change.apply(&mut self.cached);
        self.unreadable
            .retain(|range| !(position <= range.start && range.end <= position + bytes.len() as u64));
        self.push(change);
        Ok(())
    }

    fn push(&mut self, change: Change) {
        self.dirty.push((self.next_change, change));
        self.next_change += 1;
    }

    /// What the next change will be numbered: a sync that begins now covers those below.
    pub(super) fn next_change(&self) -> u64 {
        self.next_change
    }

    pub(super) fn set_length(&mut self, length: u64) -> io::Result<()> {
        let change = Change::SetLength(bounded(length)?);
        change.apply(&mut self.cached);
        self.allocated = self.allocated.min(length);
        self.push(change);
        Ok(())
    }

    pub(super) fn allocate(&mut self, end: u64) {
        self.allocated = self.allocated.max(end);
    }

    /// A sync that worked: the changes with numbers below `before` are durable.
    pub(super) fn sync(&mut self, before: u64) {
        for changes in [&mut self.arrived, &mut self.dirty] {
            let count = changes.iter().take_while(|(number, _)| *number < before).count();
            changes.drain(..count).for_each(|(_, change)| change.apply(&mut self.durable));
        }
    }

    /// A write-back that failed: the pages are clean from here on, whether they arrived or not, and reads still return
    /// them. Returns whether there were any.
    pub(super) fn lose_dirty(&mut self, random: &mut Random) -> bool {
        if self.dirty.is_empty() {
            return false;
        }
        let arrived = survivors(&self.dirty, self.device().len(), random);
        let number = self.next_change.saturating_sub(1);
        self.arrived.extend(arrived.into_iter().map(|change| (number, change)));
        self.dirty.clear();
        true
    }

    /// Clean pages are read again from the device, dirty ones stay.
    pub(super) fn drop_cache(&mut self) {
        self.cached.clone_from(&self.durable);
        self.arrived.iter().chain(&self.dirty).for_each(|(_, change)| change.apply(&mut self.cached));
        self.resident = false;
    }

    /// What is left after a power loss: the durable image and any part of what came since.
    /// Returns whether anything was not durable, and whether a block was destroyed.
    pub(super) fn lose_power(&mut self, random: &mut Random, destroys_blocks: bool) -> (bool, bool) {
        self.arrived.append(&mut self.dirty);
        let blocks: Vec<u64> = self.arrived.iter().filter_map(|(_, change)| change.first_block()).collect();
        for change in survivors(&self.arrived, self.durable.len(), random) {
            change.apply(&mut self.durable);
        }
        let unsynced = !self.arrived.is_empty();
        self.arrived.clear();
        let mut destroyed = false;
        if destroys_blocks && let Some(block) = blocks.get(random.index(blocks.len())) {
            destroyed = destroy(&mut self.durable, *block, random);
        }
        self.cached.clone_from(&self.durable);
        self.resident = false;
        (unsynced, destroyed)
    }

    /// Damage at rest: replaces bytes in every image, as far as they lie within it.
    pub(super) fn overwrite(&mut self, position: u64, bytes: &[u8]) {
        overwrite(&mut self.cached, position, bytes);
        overwrite(&mut self.durable, position, bytes);
    }

    /// Damage at rest under pages that are cached: what is durable changes, what reads see does not yet. Bytes that are
    /// not durable stay. Returns whether there is such a byte.
    pub(super) fn flip_under_cache(&mut self, position: u64) -> bool {
        let byte = usize::try_from(position).ok().and_then(|at| self.durable.get_mut(at));
        byte.map(|byte| *byte ^= 1).is_some()
    }

    /// Damage at rest: reads that touch the range fail until it is written anew.
    pub(super) fn make_unreadable(&mut self, range: Range<u64>) {
        self.unreadable.push(range);
    }

    /// The byte at a position, as reads see it.
    pub(super) fn byte(&self, position: u64) -> Option<u8> {
        self.cached.get(usize::try_from(position).ok()?).copied()
    }
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::SetLength(length) => image.resize(*length, 0),
            Self::Write { position, bytes } => {
                let end = position.saturating_add(bytes.len());
                if image.len() < end {
                    image.resize(end, 0);
                }
                if let Some(target) = image.get_mut(*position..end) {
                    target.copy_from_slice(bytes);
                }
            }
        }
    }

    /// Where it ends, and the pieces of a write that lie in one sector each.
    fn pieces(&self) -> impl Iterator<Item = (u64, Self)> {
        let (mut position, mut rest) = match self {
            Self::Write { position, bytes } => (*position, bytes.as_slice()),
            Self::SetLength(_) => (0, [].as_slice()),
        };
        std::iter::from_fn(move || {
            let sector = position as u64 / SECTOR_SIZE;
            let room = (sector + 1) * SECTOR_SIZE - position as u64;
            let (piece, behind) = rest.split_at(rest.len().min(usize::try_from(room).ok()?));
            let change = Self::Write { position, bytes: piece.to_vec() };
            (position, rest) = (position + piece.len(), behind);
            (!piece.is_empty()).then_some((sector, change))
        })
    }

    fn first_block(&self) -> Option<u64> {
        match self {
            Self::Write { position, .. } => Some(*position as u64 / PHYSICAL_BLOCK_SIZE),
            Self::SetLength(_) => None,
        }
    }
}

/// Which of the changes reached the device.
enum Fate {
    Nothing,
    Everything,
    /// The changes before this one, and any sectors and any part of the length of this one.
    UpTo(usize),
    /// Of each sector any number of its versions, and the lengths before this change.
    Scattered {
        versions: BTreeMap<u64, u64>,
        lengths: usize,
    },
}

impl Fate {
    fn draw(changes: &[(u64, Change)], random: &mut Random) -> Self {
        match random.below(6) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2 | 3 => Self::UpTo(random.index(changes.len() + 1)),
            _ => {
                let mut versions: BTreeMap<u64, u64> = BTreeMap::new();
                for (sector, _) in changes.iter().flat_map(|(_, change)| change.pieces()) {
                    *versions.entry(sector).or_default() += 1;
                }
                versions.values_mut().for_each(|count| *count = random.below(*count + 1));
                Self::Scattered { versions, lengths: random.index(changes.len() + 1) }
            }
        }
    }

    fn keeps_length(&self, index: usize) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::UpTo(end) | Self::Scattered { lengths: end, .. } => index < *end,
        }
    }

    /// How many of a write's bytes the file's length covers; `None` when it did not grow at all.
    fn kept_growth(&self, index: usize, size: usize, random: &mut Random) -> Option<usize> {
        match self {
            Self::UpTo(end) if index == *end => Some(random.index(size + 1)),
            _ => self.keeps_length(index).then_some(size),
        }
    }

    fn keeps_piece(&mut self, index: usize, sector: u64, random: &mut Random) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::UpTo(end) => index < *end || (index == *end && random.coin()),
            Self::Scattered { versions, .. } => match versions.get_mut(&sector) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    true
                }
                _ => false,
            },
        }
    }
}

/// The changes to a file of `length` bytes that reached the device, in pieces of a sector. Lengths are kept in order
/// (a journal does that), sectors in any.
fn survivors(changes: &[(u64, Change)], mut length: usize, random: &mut Random) -> Vec<Change> {
    let mut fate = Fate::draw(changes, random);
    let mut kept = Vec::new();
    for (index, (_, change)) in changes.iter().enumerate() {
        for (sector, piece) in change.pieces() {
            if fate.keeps_piece(index, sector, random) {
                kept.push(piece);
            }
        }
        match change {
            Change::SetLength(new) if fate.keeps_length(index) => {
                kept.push(Change::SetLength(*new));
                length = *new;
            }
            Change::SetLength(_) => {}
            Change::Write { position, bytes } => {
                if let Some(size) = fate.kept_growth(index, bytes.len(), random) {
                    length = length.max(position.saturating_add(size));
                }
            }
        }
    }
    kept.push(Change::SetLength(length));
    kept
}

/// Copies what there is of an image at a position. Returns how many bytes.
fn copy(image: &[u8], buffer: &mut [u8], position: u64) -> usize {
    let source = usize::try_from(position).ok().and_then(|start| image.get(start..)).unwrap_or_default();
    buffer.iter_mut().zip(source).map(|(to, from)| *to = *from).count()
}

fn overwrite(image: &mut [u8], position: u64, bytes: &[u8]) {
    let target = usize::try_from(position).ok().and_then(|start| image.get_mut(start..));
    target.into_iter().flatten().zip(bytes).for_each(|(to, from)| *to = *from);
}

/// Fills a physical block with garbage, as far as it lies in the file. Returns whether any of it does.
fn destroy(image: &mut [u8], block: u64, random: &mut Random) -> bool {
    let start = usize::try_from(block * PHYSICAL_BLOCK_SIZE).unwrap_or(usize::MAX);
    let tail = image.get_mut(start..).unwrap_or_default();
    let size = tail.len().min(4096);
    if let Some(target) = tail.get_mut(..size) {
        random.fill(target);
    }
    size > 0
}

fn bounded(length: u64) -> io::Result<usize> {
    match usize::try_from(length) {
        Ok(length) if length as u64 <= FILE_SIZE_MAX => Ok(length),
        _ => Err(io::ErrorKind::FileTooLarge.into()),
    }
}
