//! The `synced-ends` file: how far each log is known to be on stable storage, so that recovery can tell a torn tail
//! from corruption.
//!
//! It is a row of slots of 64 bytes, each written in place after a finished sync of its partition and made durable at
//! most once a second: exact after the death of the process, a second old after a power loss. A slot never runs ahead
//! of its log. All integers little-endian.
//!
//! | bytes | field |
//! |---|---|
//! | 4 | `HWS1` |
//! | 4 | CRC-32C of the other 60 bytes |
//! | 16 | topic id |
//! | 4 | partition |
//! | 4 | leader epoch |
//! | 24 | synced end: offset, segment's base offset, position |
//! | 8 | log start offset |
//!
//! One more slot says that there is a [`journal`](crate::journal). It is durable before anything is in that, and gone before the
//! journal is:
//!
//! | bytes | field |
//! |---|---|
//! | 4 | `HWSJ` |
//! | 4 | CRC-32C of the other 60 bytes |
//! | 8 | when the journal was made: milliseconds since the epoch |
//! | 8 | inode number of this file: another one says that it was copied |
//! | | zeros |
//!
//! A slot that does not read back is ignored and used again.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, BufMut};
use highwater_disk::{Disk, DiskError, File, OpenMode, Operation, write_all_at};
use highwater_types::{LeaderEpoch, Offset, Timestamp, TopicId, TopicIdPartition};
use highwater_wal::LogPoint;

use crate::checkpoint::{crc32c, get_point, put_point};
use crate::files::{open_if_there, read_full};

pub(crate) const NAME: &str = "synced-ends";
const MAGIC: [u8; 4] = *b"HWS1";
const JOURNAL_MAGIC: [u8; 4] = *b"HWSJ";
const SLOT_SIZE: usize = 64;
/// Slots beyond these are not looked at.
const SLOTS_MAX: u64 = 1 << 20;
const READ_SIZE: usize = 1024 * SLOT_SIZE;

/// What one slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyncedEnd {
    /// Everything below is on stable storage.
    pub(crate) end: LogPoint,
    /// The log's epoch.
    pub(crate) leader_epoch: LeaderEpoch,
    /// The log's start.
    pub(crate) log_start_offset: Offset,
}

impl SyncedEnd {
    /// What `slot` says, but of this end where it tells of less, or of nothing.
    pub(crate) fn at_least(slot: Option<Self>, end: LogPoint) -> Self {
        let unknown = Self { end, leader_epoch: LeaderEpoch::ZERO, log_start_offset: Offset::ZERO };
        let slot = slot.unwrap_or(unknown);
        Self { end: slot.end.max(end), ..slot }
    }
}

/// The open file.
#[derive(Debug)]
pub(crate) struct SyncedEnds {
    file: Arc<dyn File>,
    slots: Mutex<Slots>,
    unsynced: AtomicBool,
}

#[derive(Debug, Default)]
struct Slots {
    of: HashMap<TopicIdPartition, u64>,
    free: Vec<u64>,
    /// The first slot that was never used.
    next: u64,
    /// The one that tells of the journal.
    journal: Option<u64>,
}

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) ends: HashMap<TopicIdPartition, SyncedEnd>,
    pub(crate) journal: ToldJournal,
    /// Slots that cannot be read.
    pub(crate) unreadable: usize,
}

/// What the file says of the journal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ToldJournal {
    #[default]
    Nothing,
    /// It must be there, not older than this.
    There(Timestamp),
    /// The directory is a copy, perhaps of one in use, whose files were not copied at the same moment.
    Copied,
}

/// What one slot holds.
enum Slot {
    End(TopicIdPartition, SyncedEnd),
    Journal {
        made: Timestamp,
        /// Number of the file in which the slot was written.
        number: u64,
    },
    Free,
    Unreadable,
}

impl SyncedEnds {
    /// Opens the file, making it when missing, and returns what it says of the journal, and of the partitions that `known`
    /// accepts.
    pub(crate) fn open(
        disk: &dyn Disk,
        directory: &Path,
        known: impl Fn(&TopicIdPartition) -> bool,
    ) -> Result<(Self, Told), DiskError> {
        let path = directory.join(NAME);
        let file = disk.open(&path, OpenMode::CreateOrOpen).map_err(DiskError::at(Operation::Open, &path))?;
        // Recovery acts on what is read here, removing segments below a log's start: it must be there after the next crash.
        file.sync_data().map_err(DiskError::at(Operation::Sync, &path))?;
        file.drop_cache().map_err(DiskError::at(Operation::Read, &path))?;
        let mut slots = Slots::default();
        let mut told = Told::default();
        let file_number = file.number().map_err(DiskError::at(Operation::Read, &path))?;
        read_slots(file.as_ref(), |number, slot| {
            slots.next = number + 1;
            match slot {
                Slot::End(id, end) if known(&id) && !told.ends.contains_key(&id) => {
                    told.ends.insert(id, end);
                    slots.of.insert(id, number);
                }
                Slot::Journal { made, number: of } if slots.journal.is_none() => {
                    told.journal = ToldJournal::of(made, of == file_number);
                    slots.journal = Some(number);
                }
                _ => slots.free.push(number),
            }
        })
        .map_err(DiskError::at(Operation::Read, &path))?;
        Ok((Self { file, slots: Mutex::new(slots), unsynced: AtomicBool::new(false) }, told))
    }

    /// Notes when the journal was made that there is now, or that there is none; durable when it returns. Waits for the disk.
    pub(crate) fn note_journal(
        &self,
        disk: &dyn Disk,
        directory: &Path,
        made: Option<Timestamp>,
    ) -> Result<(), DiskError> {
        let path = directory.join(NAME);
        let number = self.file.number().map_err(DiskError::at(Operation::Read, &path))?;
        let bytes = made.map_or([0; SLOT_SIZE], |made| encode_journal(made, number));
        let slot = {
            let mut slots = self.lock();
            match (slots.journal, made) {
                (None, None) => return Ok(()),
                (Some(slot), _) => slot,
                (None, Some(_)) => {
                    let slot = slots.unused();
                    slots.journal = Some(slot);
                    slot
                }
            }
        };
        self.write_slot(slot, &bytes).map_err(DiskError::at(Operation::Write, &path))?;
        self.file.sync_data().map_err(DiskError::at(Operation::Sync, &path))?;
        // The file may be as new as the journal.
        crate::files::sync_directory(disk, directory)
    }

    /// Notes a synced end. Returns whether nothing was unsynced before, so that somebody must see to
    /// [`SyncedEnds::sync`].
    ///
    /// # Errors
    /// What the file says. The slot is then as old as before, or unreadable: a hint less, nothing worse.
    pub(crate) fn write(&self, id: TopicIdPartition, end: &SyncedEnd) -> io::Result<bool> {
        let slot = self.lock().slot_of(id);
        self.write_slot(slot, &encode(id, end))?;
        Ok(!self.unsynced.swap(true, Ordering::AcqRel))
    }

    /// Notes ends that were found elsewhere, durably, where the slots tell of less.
    ///
    /// # Errors
    /// What the file says. The slots that are left are as old as before: hints less, nothing worse.
    pub(crate) fn raise(
        &self,
        slots: &HashMap<TopicIdPartition, SyncedEnd>,
        ends: &HashMap<TopicIdPartition, LogPoint>,
    ) -> io::Result<()> {
        for (id, end) in ends {
            let slot = slots.get(id).copied();
            if slot.is_none_or(|slot| slot.end < *end) {
                self.write(*id, &SyncedEnd::at_least(slot, *end))?;
            }
        }
        self.sync()
    }

    /// Forgets a partition and frees its slot.
    ///
    /// # Errors
    /// What the file says; the slot is then not used again before the next start.
    pub(crate) fn remove(&self, id: TopicIdPartition) -> io::Result<()> {
        let Some(slot) = self.lock().of.remove(&id) else { return Ok(()) };
        self.write_slot(slot, &[0; SLOT_SIZE])?;
        self.lock().free.push(slot);
        Ok(())
    }

    /// Makes what was noted durable, if anything was.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if self.unsynced.swap(false, Ordering::AcqRel) { self.file.sync_data() } else { Ok(()) }
    }

    fn write_slot(&self, slot: u64, bytes: &[u8; SLOT_SIZE]) -> io::Result<()> {
        write_all_at(self.file.as_ref(), &mut [IoSlice::new(bytes)], slot.saturating_mul(SLOT_SIZE as u64))
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the file without changing anything. No file says nothing.
pub(crate) fn read(disk: &dyn Disk, directory: &Path) -> Result<Told, DiskError> {
    let path = directory.join(NAME);
    let mut told = Told::default();
    let Some(file) = open_if_there(disk, &path)? else { return Ok(told) };
    let file_number = file.number().map_err(DiskError::at(Operation::Read, &path))?;
    read_slots(file.as_ref(), |_, slot| match slot {
        Slot::End(id, end) => drop(told.ends.entry(id).or_insert(end)),
        Slot::Journal { made, number } => told.journal = ToldJournal::of(made, number == file_number),
        Slot::Free => {}
        Slot::Unreadable => told.unreadable += 1,
    })
    .map_err(DiskError::at(Operation::Read, &path))?;
    Ok(told)
}

impl Slots {
    fn slot_of(&mut self, id: TopicIdPartition) -> u64 {
        if let Some(slot) = self.of.get(&id) {
            return *slot;
        }
        let slot = self.unused();
        self.of.insert(id, slot);
        slot
    }

    fn unused(&mut self) -> u64 {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }
}

/// Calls `visit` with every whole slot.
fn read_slots(file: &dyn File, mut visit: impl FnMut(u64, Slot)) -> io::Result<()> {
    let mut buffer = vec![0; READ_SIZE];
    let mut slot = 0;
    while slot < SLOTS_MAX {
        let filled = read_full(file, &mut buffer, slot * SLOT_SIZE as u64)?;
        let (slots, _) = buffer.get(..filled).unwrap_or_default().as_chunks::<SLOT_SIZE>();
        for bytes in slots {
            visit(slot, Slot::of(bytes));
            slot += 1;
        }
        if filled < READ_SIZE {
            break;
        }
    }
    Ok(())
}

impl ToldJournal {
    fn of(made: Timestamp, is_original: bool) -> Self {
        if is_original { Self::There(made) } else { Self::Copied }
    }
}

impl Slot {
    fn of(bytes: &[u8; SLOT_SIZE]) -> Self {
        if let Some((id, end)) = decode(bytes) {
            return Self::End(id, end);
        }
        match decode_journal(bytes) {
            Some((made, number)) => Self::Journal { made, number },
            None if bytes.iter().all(|byte| *byte == 0) => Self::Free,
            None => Self::Unreadable,
        }
    }
}

fn encode(id: TopicIdPartition, end: &SyncedEnd) -> [u8; SLOT_SIZE] {
    let mut body = [0; SLOT_SIZE - 8];
    let mut out = body.as_mut_slice();
    out.put_slice(&id.topic_id.0);
    out.put_i32_le(id.partition);
    out.put_i32_le(end.leader_epoch.0);
    put_point(&mut out, end.end);
    out.put_i64_le(end.log_start_offset.0);
    seal(MAGIC, &body)
}

fn encode_journal(made: Timestamp, number: u64) -> [u8; SLOT_SIZE] {
    let mut body = [0; SLOT_SIZE - 8];
    let mut out = body.as_mut_slice();
    out.put_i64_le(made.0);
    out.put_u64_le(number);
    seal(JOURNAL_MAGIC, &body)
}

fn seal(magic: [u8; 4], body: &[u8; SLOT_SIZE - 8]) -> [u8; SLOT_SIZE] {
    let mut slot = [0; SLOT_SIZE];
    let mut out = slot.as_mut_slice();
    out.put_slice(&magic);
    out.put_u32_le(crc32c(&magic, body));
    out.put_slice(body);
    slot
}

fn decode(slot: &[u8; SLOT_SIZE]) -> Option<(TopicIdPartition, SyncedEnd)> {
    let mut body = unseal(MAGIC, slot)?;
    let mut topic_id = [0; 16];
    body.try_copy_to_slice(&mut topic_id).ok()?;
    let partition = body.try_get_i32_le().ok().filter(|&partition| partition >= 0)?;
    let leader_epoch = LeaderEpoch(body.try_get_i32_le().ok()?);
    let end = get_point(&mut body)?;
    let log_start_offset = Offset(body.try_get_i64_le().ok().filter(|&start| start >= 0)?);
    let id = TopicIdPartition { topic_id: TopicId(topic_id), partition };
    Some((id, SyncedEnd { end, leader_epoch, log_start_offset }))
}

fn decode_journal(slot: &[u8; SLOT_SIZE]) -> Option<(Timestamp, u64)> {
    let mut body = unseal(JOURNAL_MAGIC, slot)?;
    Some((Timestamp(body.try_get_i64_le().ok()?), body.try_get_u64_le().ok()?))
}

/// What a slot of this kind says, if its checksum is right.
fn unseal(magic: [u8; 4], slot: &[u8; SLOT_SIZE]) -> Option<&[u8]> {
    let (stored, body) = slot.strip_prefix(&magic)?.split_first_chunk::<4>()?;
    (u32::from_le_bytes(*stored) == crc32c(&magic, body)).then_some(body)
}

#[cfg(test)]
mod tests {
    use highwater_disk::sim::{Random, SimDisk};
    use highwater_types::Position;

    use super::*;

    fn id(number: u8) -> TopicIdPartition {
        TopicIdPartition { topic_id: TopicId([number; 16]), partition: i32::from(number) }
    }

    fn end(offset: i64) -> SyncedEnd {
        let end = LogPoint { offset: Offset(offset), segment: Offset(offset / 2), position: Position(77) };
        SyncedEnd { end, leader_epoch: LeaderEpoch(3), log_start_offset: Offset(offset / 4) }
    }

    fn open(disk: &SimDisk) -> (SyncedEnds, HashMap<TopicIdPartition, SyncedEnd>) {
        let (ends, told) = SyncedEnds::open(disk, Path::new("/"), |id| id.partition != 9).unwrap();
        (ends, told.ends)
    }

    #[test]
    fn a_slot_reads_back_and_any_damage_makes_it_unreadable() {
        let bytes = encode(id(5), &end(100));
        assert_eq!(decode(&bytes), Some((id(5), end(100))));
        for bit in 0..SLOT_SIZE * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged), None, "bit {bit}");
        }
        let mut random = Random::new(4);
        for _ in 0..1000 {
            let mut noise = [0; SLOT_SIZE];
            random.fill(&mut noise);
            assert_eq!(decode(&noise), None);
        }
        assert_eq!(decode(&[0; SLOT_SIZE]), None);
    }

    #[test]
    fn ends_survive_the_process_and_slots_are_used_again() {
        let disk = SimDisk::new(1);
        let (ends, found) = open(&disk);
        assert!(found.is_empty());
        assert!(ends.write(id(1), &end(10)).unwrap(), "somebody must see to the sync");
        assert!(!ends.write(id(2), &end(20)).unwrap());
        ends.write(id(1), &end(11)).unwrap();
        ends.write(id(9), &end(90)).unwrap();
        ends.remove(id(2)).unwrap();
        ends.sync().unwrap();
        let (ends, found) = open(&disk);
        assert_eq!(found, HashMap::from([(id(1), end(11))]), "one removed, one unknown");
        ends.write(id(3), &end(30)).unwrap();
        ends.write(id(4), &end(40)).unwrap();
        ends.write(id(5), &end(50)).unwrap();
        let file = disk.open(Path::new("/synced-ends"), OpenMode::Read).unwrap();
        assert_eq!(file.length().unwrap(), 4 * SLOT_SIZE as u64, "two slots were free, one is new");
        assert_eq!(open(&disk).1.len(), 4);
    }

    #[test]
    fn which_journal_there_is_is_told_until_it_is_gone() {
        let disk = SimDisk::new(1);
        let root = Path::new("/");
        let told = |disk: &SimDisk| read(disk, root).unwrap();
        let there = |made| ToldJournal::There(Timestamp(made));
        let (ends, _) = open(&disk);
        ends.write(id(1), &end(10)).unwrap();
        ends.note_journal(disk.as_ref(), root, Some(Timestamp(7))).unwrap();
        let lost = disk.power_loss(1);
        assert_eq!(told(&lost).journal, there(7), "durably");
        let (ends, noted) = SyncedEnds::open(lost.as_ref(), root, |_| true).unwrap();
        assert_eq!(noted.journal, there(7));
        ends.note_journal(lost.as_ref(), root, Some(Timestamp(8))).unwrap();
        assert_eq!((told(&lost).journal, told(&lost).ends.len()), (there(8), 1));
        ends.note_journal(lost.as_ref(), root, None).unwrap();
        assert_eq!((told(&lost).journal, told(&lost).unreadable), (ToldJournal::Nothing, 0));
        ends.note_journal(lost.as_ref(), root, Some(Timestamp(0))).unwrap();
        assert_eq!(told(&lost).journal, there(0));
        let copied = Slot::of(&encode_journal(Timestamp(7), 1));
        assert!(matches!(copied, Slot::Journal { number: 1, .. }));
        ends.write_slot(9, &encode_journal(Timestamp(7), 1)).unwrap();
        assert_eq!(told(&lost).journal, ToldJournal::Copied);
    }

    #[test]
    fn a_damaged_slot_costs_only_itself() {
        let disk = SimDisk::new(1);
        let (ends, _) = open(&disk);
        for number in 1..=8 {
            ends.write(id(number), &end(i64::from(number))).unwrap();
        }
        let path = Path::new("/synced-ends");
        ends.sync().unwrap();
        disk.flip_bit(path, 3 * SLOT_SIZE as u64 + 40).unwrap();
        disk.open(path, OpenMode::ReadWrite).unwrap().set_length(8 * SLOT_SIZE as u64 - 1).unwrap();
        let (_, found) = open(&disk);
        assert_eq!(found.len(), 6);
        assert!(!found.contains_key(&id(4)) && !found.contains_key(&id(8)));
    }
}
