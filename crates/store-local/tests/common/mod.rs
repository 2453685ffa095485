//! What the tests of the local store share: batches, a store driven by hand on a simulated disk, ways to wait.

#![allow(dead_code, unreachable_pub)]

pub mod gate;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use bytes::Bytes;
use highwater_disk::{Disk, FileRange};
use highwater_partition_log::{Isolation, LogConfig, Origin, ReadOutcome, ReadRequest};
use highwater_store::{
    Acknowledgement, AppendError, BoxFuture, LogStore, NewPartition, Partition, PartitionState,
};
use highwater_store_local::{Clock, DataDirectory, JournalOptions, LocalOptions, LocalStore, OpenError};
use highwater_types::{Instant, Offset, Timestamp, TopicId, TopicIdPartition};
use highwater_wire::record::{BatchBuilder, BatchHeader, Record};

/// Each partition's own file is synced.
pub const NO_JOURNAL: JournalOptions = JournalOptions { half_bytes: 0, partitions_min: 1 };

/// Where the data directory is on a simulated disk.
pub const PATH: &str = "/data";

pub fn id(topic: u8, partition: i32) -> TopicIdPartition {
    TopicIdPartition { topic_id: TopicId([topic; 16]), partition }
}

pub fn new_partition(topic: u8, partition: i32) -> NewPartition {
    with_config(topic, partition, LogConfig::default())
}

pub fn with_config(topic: u8, partition: i32, config: LogConfig) -> NewPartition {
    NewPartition { id: id(topic, partition), topic: format!("topic{topic}").into(), config }
}

/// A batch of `count` records whose values are `size` bytes and begin with `tag`.
pub fn batch(count: usize, size: usize, tag: u64) -> Bytes {
    let mut builder = BatchBuilder::new();
    for index in 0..count {
        let mut value = vec![(tag % 251) as u8; size.max(16)];
        value[..8].copy_from_slice(&tag.to_be_bytes());
        value[8..16].copy_from_slice(&(index as u64).to_be_bytes());
        let timestamp = Timestamp(1_700_000_000_000 + tag as i64);
        builder.push(&Record { timestamp, key: None, value: Some(value.into()), headers: Vec::new() });
    }
    builder.build().unwrap()
}

/// What of a batch the broker never changes: everything from the checksum on, without the place in the log.
pub fn payload(batch: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&batch[17..])
}

/// A store without threads, and the clock it reads.
pub struct Driven {
    pub store: Arc<LocalStore>,
    pub clock: Arc<AtomicU64>,
    pub removed: Arc<Mutex<Vec<TopicId>>>,
}

/// Without a journal, as all that does not say otherwise.
pub fn open(disk: &Arc<dyn Disk>, partitions: Vec<NewPartition>) -> Driven {
    try_open(disk, partitions, Vec::new()).unwrap()
}

pub fn try_open(
    disk: &Arc<dyn Disk>,
    partitions: Vec<NewPartition>,
    tombstones: Vec<TopicId>,
) -> Result<Driven, OpenError> {
    open_with(disk, partitions, tombstones, NO_JOURNAL)
}

pub fn open_with(
    disk: &Arc<dyn Disk>,
    partitions: Vec<NewPartition>,
    tombstones: Vec<TopicId>,
    journal: JournalOptions,
) -> Result<Driven, OpenError> {
    let directory = DataDirectory::open(Arc::clone(disk), Path::new(PATH))?;
    let ticks = Arc::new(AtomicU64::new(1_000_000_000));
    let (instant, wall) = (Arc::clone(&ticks), Arc::clone(&ticks));
    let clock = Clock {
        instant: Arc::new(move || Instant(instant.load(Ordering::Relaxed))),
        timestamp: Arc::new(move || {
            Timestamp(1_700_000_000_000 + (wall.load(Ordering::Relaxed) / 1_000_000) as i64)
        }),
    };
    let removed = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&removed);
    let options = LocalOptions {
        partitions,
        tombstones,
        removed: Arc::new(move |topic| told.lock().unwrap().push(topic)),
        sync_threads: 0,
        reader_threads: 0,
        recovery_threads: 0,
        journal,
        free_space_floor: Arc::new(|| Some(1000)),
        ..LocalOptions::new(clock)
    };
    let store = LocalStore::open(directory, options)?;
    Ok(Driven { store, clock: ticks, removed })
}

impl Driven {
    /// Takes steps until none has anything to do.
    pub fn settle(&self) {
        let store = &self.store;
        while store.recovery_step()
            || store.admin_step()
            || store.reader_step()
            || store.write_round()
            || store.sync_round()
        {}
    }

    /// Turns the clock and does what is due by then.
    pub fn pass_ms(&self, ms: u64) {
        self.clock.fetch_add(ms * 1_000_000, Ordering::Relaxed);
        self.store.maintenance_step();
        self.settle();
    }

    /// Takes steps until the future resolves.
    pub fn drive<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        for _ in 0..100_000 {
            if let Poll::Ready(value) = poll(future.as_mut()) {
                return value;
            }
            self.settle();
        }
        panic!("the future does not resolve");
    }

    pub fn create(&self, partitions: Vec<NewPartition>) {
        self.drive(self.store.create(partitions)).unwrap();
    }

    pub fn partition(&self, id: TopicIdPartition) -> Arc<dyn Partition> {
        self.store.partition(id).unwrap()
    }

    /// Every batch below the high watermark: base offset and payload.
    pub fn read_all(&self, id: TopicIdPartition) -> Vec<(i64, Bytes)> {
        let partition = self.partition(id);
        assert_eq!(partition.state(), PartitionState::Online, "{id}");
        let mut next = partition.offsets().log_start_offset;
        let mut found = Vec::new();
        loop {
            let outcome = self.drive(partition.read(request(next))).unwrap();
            let batches = batches(&outcome);
            let Some((header, _)) = batches.last() else {
                assert_eq!(next, partition.offsets().high_watermark, "reading ends at the end");
                return found;
            };
            assert!(header.next_offset() > next, "reading goes on");
            next = header.next_offset();
            let with_records = batches.into_iter().filter(|(header, _)| header.record_count > 0);
            found.extend(with_records.map(|(header, bytes)| (header.base_offset.0, payload(&bytes))));
        }
    }
}

pub fn request(offset: Offset) -> ReadRequest {
    ReadRequest {
        offset,
        max_bytes: 1 << 20,
        at_least_one_batch: true,
        isolation: Isolation::ReadUncommitted,
    }
}

/// The batches in what was read.
pub fn batches(outcome: &ReadOutcome) -> Vec<(BatchHeader, Bytes)> {
    let bytes: Vec<u8> = outcome.records.iter().flat_map(|range| FileRange::read(range).unwrap()).collect();
    let mut rest = Bytes::from(bytes);
    let mut found = Vec::new();
    while !rest.is_empty() {
        let header = BatchHeader::parse(&rest).unwrap();
        found.push((header, rest.split_to(header.size() as usize)));
    }
    found
}

/// An append whose acknowledgement is waited for.
pub struct Pending {
    pub id: TopicIdPartition,
    pub base_offset: i64,
    pub payload: Bytes,
    pub wait: BoxFuture<'static, Result<(), AppendError>>,
}

pub fn append(
    driven: &Driven,
    id: TopicIdPartition,
    bytes: Bytes,
    level: Acknowledgement,
) -> Result<Pending, AppendError> {
    let partition = driven.partition(id);
    let payload = payload(&bytes);
    let appended = partition.append(bytes, Origin::Client, Timestamp(1_700_000_000_000))?;
    let wait = partition.acknowledged(&appended, level);
    Ok(Pending { id, base_offset: appended.base_offset.0, payload, wait })
}

pub fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits on this thread, asking again only when woken: a wake-up that is lost is a test that hangs.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}

/// A directory of its own, removed with the value.
pub struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("highwater-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A store with threads on a disk.
pub fn open_threaded(disk: Arc<dyn Disk>, path: &Path, partitions: Vec<NewPartition>) -> Arc<LocalStore> {
    let directory = DataDirectory::open(disk, path).unwrap();
    let journal = JournalOptions { half_bytes: 1 << 20, ..JournalOptions::default() };
    let options = LocalOptions { partitions, journal, ..LocalOptions::new(Clock::system()) };
    let store = LocalStore::open(directory, options).unwrap();
    block_on(store.recovered());
    store
}
