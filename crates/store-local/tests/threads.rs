//! The store with its threads, on the real disk.

// Helpers of tests are not tests to clippy; a panic is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::gate::{Gate, GateDisk, OpenAtEnd};
use common::{TemporaryDirectory, batch, block_on, id, new_partition, open_threaded, poll, request};
use highwater_disk::sim::SimDisk;
use highwater_disk::{Disk, RealDisk};
use highwater_partition_log::Origin;
use highwater_store::{Acknowledgement, LogStore, NewPartition, Partition, PartitionState, WatchSet};
use highwater_store_local::{Clock, DataDirectory, LocalOptions, LocalStore, OpenError};
use highwater_types::{Offset, Timestamp};

/// What the wall clock says to appends; the batches are stamped about then.
const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn partitions(count: i32) -> Vec<NewPartition> {
    (0..count).map(|partition| new_partition(1, partition)).collect()
}

fn created(path: &Path, count: i32) -> Arc<LocalStore> {
    let store = open_threaded(Arc::new(RealDisk::default()), path, Vec::new());
    block_on(store.create(partitions(count))).unwrap();
    store
}

/// A store with two partitions, whose syncs the gate can hold back.
fn gated(path: &Path, gate: &Arc<Gate>) -> Arc<LocalStore> {
    let disk: Arc<dyn Disk> =
        Arc::new(GateDisk { disk: Arc::new(RealDisk::default()), gate: Arc::clone(gate) });
    let store = open_threaded(disk, path, Vec::new());
    block_on(store.create(partitions(2))).unwrap();
    store
}

#[test]
fn a_second_process_is_refused() {
    let directory = TemporaryDirectory::new();
    let store = created(directory.path(), 1);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
    let error = DataDirectory::open(Arc::clone(&disk), directory.path()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    block_on(store.close()).unwrap();
    drop(store);
    DataDirectory::open(disk, directory.path()).unwrap();
}

#[test]
fn while_a_sync_is_held_its_answer_waits_and_other_partitions_go_on() {
    let directory = TemporaryDirectory::new();
    let gate = Arc::new(Gate::default());
    let store = gated(directory.path(), &gate);
    let (held, free) = (store.partition(id(1, 0)).unwrap(), store.partition(id(1, 1)).unwrap());
    gate.close("topic1-0/");
    let _open = OpenAtEnd(Arc::clone(&gate));
    let append = |partition: &Arc<dyn Partition>, tag| {
        partition.append(batch(1, 100, tag), Origin::Client, NOW).unwrap()
    };
    let first = append(&held, 1);
    let mut durable = held.acknowledged(&first, Acknowledgement::Durable);
    block_on(held.acknowledged(&first, Acknowledgement::Written)).unwrap();
    gate.wait_for_sync();
    for tag in 0..50 {
        let appended = append(&free, tag);
        block_on(free.acknowledged(&appended, Acknowledgement::Durable)).unwrap();
        // Writes of the held partition go on as well.
        let written = append(&held, 100 + tag);
        block_on(held.acknowledged(&written, Acknowledgement::Written)).unwrap();
        assert!(poll(durable.as_mut()).is_pending(), "its sync has not finished");
        assert_eq!(held.offsets().high_watermark, Offset(0));
    }
    gate.open();
    block_on(durable).unwrap();
    block_on(store.close()).unwrap();
    assert_eq!(held.offsets().synced_end, Offset(51));
}

/// The next batch is filled while a sync of the journal runs, which fails; the device tells of that once.
#[test]
fn nothing_is_answered_from_behind_a_batch_of_the_journal_that_failed() {
    for seed in 0..8 {
        let disk = SimDisk::new(seed);
        let gate = Arc::new(Gate::default());
        let path = Path::new("/data");
        let gated = GateDisk { disk: Arc::clone(&disk) as _, gate: Arc::clone(&gate) };
        let store = open_threaded(Arc::new(gated), path, Vec::new());
        block_on(store.create(partitions(2))).unwrap();
        let (first, second) = (store.partition(id(1, 0)).unwrap(), store.partition(id(1, 1)).unwrap());
        let append = |partition: &Arc<dyn Partition>, tag| {
            let appended = partition.append(batch(1, 100, tag), Origin::Client, NOW).unwrap();
            partition.acknowledged(&appended, Acknowledgement::Durable)
        };
        for tag in 0.. {
            block_on(append(&first, tag)).unwrap();
            block_on(append(&second, tag)).unwrap();
            if store.statistics().journal_batches.get() > 2 {
                break;
            }
        }
        gate.close("/journal");
        let _open = OpenAtEnd(Arc::clone(&gate));
        let durable = append(&first, 1000);
        gate.wait_for_sync();
        let behind = append(&second, 1000);
        disk.fail_next_sync("/journal");
        gate.open();
        block_on(durable).unwrap();
        block_on(behind).unwrap();
        let ends = [&first, &second].map(|partition| partition.offsets().log_end_offset);
        let disk = disk.power_loss(seed);
        drop((first, second, store));
        let store = open_threaded(disk, path, partitions(2));
        let found =
            [0, 1].map(|partition| store.partition(id(1, partition)).unwrap().offsets().log_end_offset);
        assert_eq!(found, ends, "seed {seed}");
    }
}

#[test]
fn what_is_written_ahead_of_a_held_sync_is_bounded_and_goes_on_behind_it() {
    const SIZE: usize = 1_000_000;
    let directory = TemporaryDirectory::new();
    let gate = Arc::new(Gate::default());
    let store = gated(directory.path(), &gate);
    let (held, free) = (store.partition(id(1, 0)).unwrap(), store.partition(id(1, 1)).unwrap());
    gate.close("topic1-0/");
    let _open = OpenAtEnd(Arc::clone(&gate));
    let append = |partition: &Arc<dyn Partition>, size, tag| {
        partition.append(batch(1, size, tag), Origin::Client, NOW).unwrap()
    };
    append(&held, 100, 0);
    gate.wait_for_sync();
    let appended: Vec<_> = (1..=8).map(|tag| append(&held, SIZE, tag)).collect();
    block_on(held.acknowledged(&appended[0], Acknowledgement::Written)).unwrap();
    for tag in 0..20 {
        // Each takes a write round.
        let round = append(&free, 100, tag);
        block_on(free.acknowledged(&round, Acknowledgement::Durable)).unwrap();
    }
    let mut last = held.acknowledged(&appended[7], Acknowledgement::Written);
    assert!(poll(last.as_mut()).is_pending(), "the writer has had its time");
    gate.open();
    block_on(last).unwrap();
    block_on(held.acknowledged(&appended[7], Acknowledgement::Durable)).unwrap();
    block_on(store.close()).unwrap();
    assert_eq!(held.offsets().synced_end, Offset(9));
}

#[test]
fn closing_gives_up_on_a_device_that_does_not_answer() {
    let directory = TemporaryDirectory::new();
    let gate = Arc::new(Gate::default());
    let disk: Arc<dyn Disk> =
        Arc::new(GateDisk { disk: Arc::new(RealDisk::default()), gate: Arc::clone(&gate) });
    let data = DataDirectory::open(Arc::clone(&disk), directory.path()).unwrap();
    let options = LocalOptions { close_timeout_ms: 50, ..LocalOptions::new(Clock::system()) };
    let store = LocalStore::open(data, options).unwrap();
    block_on(store.create(partitions(1))).unwrap();
    gate.close("topic1-0/");
    let _open = OpenAtEnd(Arc::clone(&gate));
    let partition = store.partition(id(1, 0)).unwrap();
    partition.append(batch(1, 100, 1), Origin::Client, NOW).unwrap();
    gate.wait_for_sync();
    assert!(block_on(store.close()).is_err());
    assert!(!directory.path().join("clean-stop").exists());
    gate.open();
}

#[test]
fn thousands_of_appends_from_many_threads_are_all_there_in_order() {
    const THREADS: u64 = 8;
    const APPENDS: u64 = 500;
    let directory = TemporaryDirectory::new();
    let store = created(directory.path(), 5);
    let appended = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, appended) = (&store, &appended);
            scope.spawn(move || {
                let mut waits = Vec::new();
                for index in 0..APPENDS {
                    let partition = store.partition(id(1, ((thread + index) % 5) as i32)).unwrap();
                    if let Some(wait) = store.backpressure(&mut std::iter::once(partition.id())) {
                        block_on(wait);
                    }
                    let bytes = batch(2, 100, thread * APPENDS + index);
                    let result = partition.append(bytes, Origin::Client, NOW).unwrap();
                    let level =
                        if index % 3 == 0 { Acknowledgement::Written } else { Acknowledgement::Durable };
                    waits.push(partition.acknowledged(&result, level));
                    appended.fetch_add(2, Ordering::Relaxed);
                }
                for wait in waits {
                    block_on(wait).unwrap();
                }
            });
        }
    });
    block_on(store.close()).unwrap();
    drop(store);
    let store = open_threaded(Arc::new(RealDisk::default()), directory.path(), partitions(5));
    let ends: i64 = store.partitions().iter().map(|partition| partition.offsets().high_watermark.0).sum();
    assert_eq!(ends as u64, appended.into_inner());
    assert_eq!(store.staged_bytes(), 0);
    for partition in store.partitions() {
        let mut next = Offset(0);
        while next < partition.offsets().high_watermark {
            for (header, bytes) in common::batches(&block_on(partition.read(request(next))).unwrap()) {
                assert_eq!(header.base_offset, next);
                highwater_wire::record::verify(&bytes).unwrap();
                next = header.next_offset();
            }
        }
    }
}

#[test]
fn no_wake_up_is_lost() {
    let directory = TemporaryDirectory::new();
    let store = created(directory.path(), 2);
    let set = WatchSet::new();
    let _watch = store.partition(id(1, 1)).unwrap().watch(&set, 3);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let store = &store;
            scope.spawn(move || {
                // Every wait is for the only append there is: one lost wake-up hangs the test.
                let partition = store.partition(id(1, thread)).unwrap();
                for tag in 0..1000 {
                    let appended = partition.append(batch(1, 16, tag), Origin::Client, NOW).unwrap();
                    block_on(partition.acknowledged(&appended, Acknowledgement::Durable)).unwrap();
                }
            });
        }
        let (set, store) = (&set, &store);
        scope.spawn(move || {
            let partition = store.partition(id(1, 1)).unwrap();
            while partition.offsets().high_watermark < Offset(1000) {
                block_on(set.changed());
            }
        });
    });
    block_on(store.close()).unwrap();
}

#[test]
fn deleting_while_reading_and_appending_disturbs_nobody_else() {
    let directory = TemporaryDirectory::new();
    let store = created(directory.path(), 2);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (store, stop) = (&store, &stop);
        scope.spawn(move || {
            for round in 0..20u8 {
                let mut topic = new_partition(100 + round, 0);
                topic.topic = "coming-and-going".into();
                block_on(store.create(vec![topic])).unwrap();
                let partition = store.partition(id(100 + round, 0)).unwrap();
                let mut last = None;
                for tag in 0..20 {
                    let appended = partition.append(batch(1, 1000, tag), Origin::Client, NOW).unwrap();
                    last = Some(partition.acknowledged(&appended, Acknowledgement::Durable));
                }
                if round % 2 == 0 {
                    block_on(last.unwrap()).unwrap();
                    let outcome = block_on(partition.read(request(Offset(0)))).unwrap();
                    block_on(store.delete(vec![id(100 + round, 0)])).unwrap();
                    assert_eq!(common::batches(&outcome).len(), 20);
                } else {
                    block_on(store.delete(vec![id(100 + round, 0)])).unwrap();
                    // Settled either way, never left hanging.
                    let _ = block_on(last.unwrap());
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        scope.spawn(move || {
            let partition = store.partition(id(1, 0)).unwrap();
            let mut tag = 0;
            while !stop.load(Ordering::Relaxed) {
                tag += 1;
                let appended = partition.append(batch(1, 100, tag), Origin::Client, NOW).unwrap();
                block_on(partition.acknowledged(&appended, Acknowledgement::Durable)).unwrap();
            }
        });
    });
    assert_eq!(store.partitions().len(), 2);
    block_on(store.close()).unwrap();
}

#[test]
fn waits_work_on_a_runtime_and_dropping_them_is_harmless() {
    let directory = TemporaryDirectory::new();
    let store = created(directory.path(), 1);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let partition = store.partition(id(1, 0)).unwrap();
        let mut tasks = Vec::new();
        for tag in 0..2000 {
            let appended = partition.append(batch(1, 50, tag), Origin::Client, NOW).unwrap();
            let wait = partition.acknowledged(&appended, Acknowledgement::Durable);
            if tag % 4 == 0 {
                drop(wait);
            } else {
                tasks.push(tokio::spawn(wait));
            }
        }
        for task in tasks {
            tokio::time::timeout(Duration::from_secs(60), task).await.unwrap().unwrap().unwrap();
        }
    });
    block_on(store.close()).unwrap();
}

#[test]
fn many_partitions_start_quickly_after_a_clean_stop() {
    const COUNT: i32 = 1000;
    let directory = TemporaryDirectory::new();
    let store = created(directory.path(), COUNT);
    block_on(store.close()).unwrap();
    drop(store);
    let start = Instant::now();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
    let data = DataDirectory::open(disk, directory.path()).unwrap();
    assert!(data.was_stopped_cleanly());
    let options = LocalOptions { partitions: partitions(COUNT), ..LocalOptions::new(Clock::system()) };
    let store = LocalStore::open(data, options).unwrap();
    let opened = start.elapsed();
    block_on(store.recovered());
    println!("{COUNT} partitions: open {opened:?}, all online {:?}", start.elapsed());
    assert!(store.partitions().iter().all(|partition| partition.state() == PartitionState::Online));
    assert!(start.elapsed() < Duration::from_secs(20));
}
