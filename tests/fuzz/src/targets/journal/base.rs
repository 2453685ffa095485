//! A data directory after a crash: what its segments hold durably, and what its journal holds beyond.
//!
//! Made by a store on a simulated disk. The last segment of each partition ends where the journal's first piece of it begins; the
//! others were synced when the next one was begun.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use highwater_disk::sim::SimDisk;
use highwater_disk::{Disk, EntryKind, OpenMode};
use highwater_partition_log::{LogConfig, Origin};
use highwater_store::{LogStore, NewPartition};
use highwater_store_local::{Clock, DataDirectory, JournalOptions, LocalOptions, LocalStore, OpenError};
use highwater_types::{Instant, Timestamp, TopicId, TopicIdPartition};
use highwater_wire::record::{BatchBuilder, Record};

use super::model;

pub(super) const PATH: &str = "/data";
pub(super) const TOPIC: TopicId = TopicId([1; 16]);
pub(super) const PARTITIONS: i32 = 3;
/// The journal's files.
pub(super) const NAMES: [&str; 3] = ["journal-0", "journal-1", "journal-kept"];
const NOW: Timestamp = Timestamp(1_700_000_000_000);
/// As many rounds as fill more than one file of the journal.
const ROUNDS: u8 = 7;
const FILE_BYTES: u64 = 16 << 10;

/// Files of a data directory, by path below it.
pub(super) type Contents = BTreeMap<String, Vec<u8>>;

/// A data directory after a crash.
pub(super) struct Base {
    /// Without the journal; segments as far as they are durable.
    pub(super) durable: Contents,
    /// Segments with everything that was written.
    pub(super) written: Contents,
    /// What the journal holds: for each file its batches, header and frames.
    pub(super) journal: [Vec<Vec<u8>>; 2],
}

pub(super) static BASE: LazyLock<Base> = LazyLock::new(Base::new);

impl Base {
    fn new() -> Self {
        let disk = new_disk();
        let store = open(&disk, FILE_BYTES).expect("an empty disk");
        settle(&store);
        for round in 0..ROUNDS {
            (0..PARTITIONS).for_each(|partition| append(&store, partition, round));
            settle(&store);
        }
        let mut written = contents(&disk.kill());
        let files = NAMES.map(|name| written.remove(name).unwrap_or_default());
        written.retain(|name, _| !name.ends_with("index"));
        let mut durable = written.clone();
        for piece in model::pieces(&files) {
            let name = model::segment_name(&piece);
            let is_last = model::last_segment(&written, piece.partition) == Some(&name);
            if let Some(bytes) = durable.get_mut(&name).filter(|_| is_last) {
                bytes.truncate(piece.position().expect("a piece of ours"));
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
        let [first, second, _] = files.map(|file| model::batches(&file).map(<[u8]>::to_vec).collect());
        Self { durable, written, journal: [first, second] }
    }
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
