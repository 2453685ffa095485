//! A data directory after a crash: what its segments hold durably, and what its journal holds beyond.
//!
//! Made by a store on a simulated disk. The last segment of each partition ends where the journal's first piece of it begins; the
//! others were synced when the next one was begun. The journal's mark, a random one, is replaced by the same one every time.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use highwater_disk::sim::SimDisk;
use highwater_disk::{Disk, EntryKind, OpenMode};
use highwater_partition_log::{LogConfig, Origin};
use highwater_store::{LogStore, NewPartition};
use highwater_store_local::{Clock, DataDirectory, JournalOptions, LocalOptions, LocalStore, OpenError};
use highwater_types::{Instant, Timestamp, TopicId, TopicIdPartition};
use highwater_wire::record::{BatchBuilder, Record, crc32c};

use super::input::MARK;
use super::mending::{seal_batch, seal_turn};
use super::model::{self, BLOCK, Files, HALVES_AT, TURN_SIZE, Told};
use super::segments::{self, End};

pub(super) const PATH: &str = "/data";
pub(super) const TOPIC: TopicId = TopicId([1; 16]);
pub(super) const PARTITIONS: i32 = 3;
/// The journal's files.
pub(super) const NAMES: [&str; 2] = ["journal", "journal-kept"];
/// What tells of it.
pub(super) const SYNCED_ENDS: &str = "synced-ends";
const SLOT_SIZE: usize = 64;
const SLOT_MAGIC: &[u8] = b"HWSJ";
/// When the journal is made.
pub(super) const MADE: i64 = 1_700_000_000_000;
const NOW: Timestamp = Timestamp(MADE);
/// As many rounds as fill both halves of the journal and begin the first one anew.
const ROUNDS: u8 = 9;
const HALF_BYTES: u64 = 3 * BLOCK as u64;

/// Files of a data directory, by path below it.
pub(super) type Contents = BTreeMap<String, Vec<u8>>;

/// A data directory after a crash.
pub(super) struct Base {
    /// Without the journal and what tells of it; segments as far as they are durable.
    pub(super) durable: Contents,
    /// Segments with everything that was written.
    pub(super) written: Contents,
    pub(super) journal: Journal,
}

/// What a journal holds.
pub(super) struct Journal {
    /// What tells of each half's turn.
    pub(super) turns: [Vec<u8>; 2],
    /// Of each half the whole batches, header and frames, those of the turn before the last two behind those of its last one.
    pub(super) batches: [Vec<Vec<u8>>; 2],
}

pub(super) static BASE: LazyLock<Base> = LazyLock::new(Base::new);

impl Base {
    fn new() -> Self {
        let disk = new_disk();
        let store = open(&disk, HALF_BYTES).expect("an empty disk");
        settle(&store);
        for round in 0..ROUNDS {
            (0..PARTITIONS).for_each(|partition| append(&store, partition, round));
            settle(&store);
        }
        let mut written = contents(&disk.kill());
        let files = Files { journal: written.remove(NAMES[0]), kept: written.remove(NAMES[1]) };
        written.retain(|name, _| !name.ends_with("index"));
        let told = written.get_mut(SYNCED_ENDS).expect("it is there");
        *told = without_journal(told);
        let mut durable = written.clone();
        for piece in model::pieces(&files, Told::There(MADE)).expect("a journal of ours") {
            let name = segments::name_of(&piece);
            let is_last = segments::last_of(&written, piece.partition) == Some(&name);
            let begin = piece.position().expect("a piece of ours");
            if let Some(bytes) = durable.get_mut(&name).filter(|bytes| is_last && bytes.len() > begin) {
                bytes.truncate(begin);
            }
        }
        let lost = contents(&disk.power_loss(1));
        for (name, bytes) in durable.iter().filter(|(name, _)| name.ends_with(".log")) {
            assert!(
                lost[name].starts_with(bytes),
                "{name} is durable: {} of {}",
                lost[name].len(),
                bytes.len()
            );
        }
        Self { durable, written, journal: Journal::of(&files.journal.expect("it is there")) }
    }
}

impl Journal {
    fn of(file: &[u8]) -> Self {
        let mark = model::number(file, 8, 8).unwrap();
        let turns = [0, 1].map(|half| {
            let mut turn = file[(1 + half) * BLOCK..][..TURN_SIZE].to_vec();
            seal_turn(&mut turn, MARK);
            turn
        });
        let size = usize::try_from(HALF_BYTES).unwrap();
        let batches = [0, 1].map(|half| {
            let half = &file[HALVES_AT + half * size..][..size];
            let mut batches: Vec<_> = model::whole(half, mark, 0).into_iter().map(<[u8]>::to_vec).collect();
            batches.iter_mut().for_each(|batch| seal_batch(batch, MARK));
            batches
        });
        Self { turns, batches }
    }
}

/// These slots of `synced-ends`, but the one that tells of a journal.
pub(super) fn without_journal(slots: &[u8]) -> Vec<u8> {
    slots.chunks(SLOT_SIZE).filter(|slot| !slot.starts_with(SLOT_MAGIC)).flatten().copied().collect()
}

/// How far these slots say that the partition was synced.
pub(super) fn synced_end(slots: &[u8], partition: i32) -> Option<End> {
    let key = [&TOPIC.0[..], &partition.to_le_bytes()].concat();
    let slot = slots.chunks(SLOT_SIZE).find(|slot| slot.starts_with(b"HWS1") && slot[8..28] == key)?;
    let number = |at| model::number(slot, at, 8).unwrap();
    Some((number(32).cast_signed(), number(40).cast_signed(), number(48)))
}

/// The slot of `synced-ends` that tells of a journal; the simulated disk's files have the number 0.
pub(super) fn slot(told: Told) -> Option<Vec<u8>> {
    let (made, number): (i64, u64) = match told {
        Told::Nothing => return None,
        Told::There(made) => (made, 0),
        Told::Copied => (MADE, 1),
    };
    let body = [&made.to_le_bytes()[..], &number.to_le_bytes(), &[0; 40]].concat();
    let checksum = crc32c(&[SLOT_MAGIC, &body].concat());
    Some([SLOT_MAGIC, &checksum.to_le_bytes(), &body].concat())
}

fn append(store: &LocalStore, partition: i32, round: u8) {
    let mut builder = BatchBuilder::new();
    builder.push(&Record { timestamp: NOW, value: Some(vec![round; 20].into()), ..Record::default() });
    let partition = store.partition(id(partition)).expect("a partition of the topic");
    let appended = partition.append(builder.build().unwrap(), Origin::Client, NOW);
    appended.expect("it is online");
}

/// Opens the store; a journal is made for rounds of two partitions, unless it has no bytes.
pub(super) fn open(disk: &Arc<SimDisk>, half_bytes: u64) -> Result<Arc<LocalStore>, OpenError> {
    let directory = DataDirectory::open(Arc::clone(disk) as Arc<dyn Disk>, Path::new(PATH))?;
    let clock = Clock { instant: Arc::new(|| Instant(1_000_000_000)), timestamp: Arc::new(|| NOW) };
    let options = LocalOptions {
        partitions: (0..PARTITIONS).map(new_partition).collect(),
        sync_threads: 0,
        reader_threads: 0,
        recovery_threads: 0,
        journal: JournalOptions { half_bytes, partitions_min: 2 },
        ..LocalOptions::new(clock)
    };
    LocalStore::open(directory, options)
}

/// Takes steps until none has anything to do.
pub(super) fn settle(store: &LocalStore) {
    while store.recovery_step() || store.admin_step() || store.write_round() || store.sync_round() {}
}

fn new_partition(partition: i32) -> NewPartition {
    // The last one has several segments.
    let segment_bytes = if partition + 1 == PARTITIONS { 250 } else { 1 << 20 };
    let config = LogConfig { segment_bytes, retention_ms: None, ..LogConfig::default() };
    NewPartition { id: id(partition), topic: "topic".into(), config }
}

pub(super) fn id(partition: i32) -> TopicIdPartition {
    TopicIdPartition { topic_id: TOPIC, partition }
}

pub(super) fn new_disk() -> Arc<SimDisk> {
    let disk = SimDisk::new(1);
    disk.set_tracing(false);
    disk
}

/// Every file below the data directory.
pub(super) fn contents(disk: &SimDisk) -> Contents {
    let mut found = Contents::new();
    let root = Path::new(PATH);
    for entry in disk.list(root).unwrap() {
        match entry.kind {
            EntryKind::Directory => {
                for file in disk.list(&root.join(&entry.name)).unwrap() {
                    let name = format!("{}/{}", entry.name, file.name);
                    found.insert(name.clone(), read(disk, &root.join(name)));
                }
            }
            _ => drop(found.insert(entry.name.clone(), read(disk, &root.join(entry.name)))),
        }
    }
    found
}

fn read(disk: &SimDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, OpenMode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
    let count = if bytes.is_empty() { 0 } else { file.read_at(&mut bytes, 0).unwrap() };
    bytes.truncate(count);
    bytes
}
