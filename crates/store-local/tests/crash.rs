//! What was acknowledged is there after any crash, driven step by step on the simulated disk.

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

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use common::{Driven, NO_JOURNAL, Pending, append, batch, id, open_with, poll};
use highwater_disk::Disk;
use highwater_disk::sim::{Random, SimDisk};
use highwater_partition_log::LogConfig;
use highwater_store::{Acknowledgement, LogStore, NewPartition, PartitionState};
use highwater_store_local::JournalOptions;
use highwater_types::TopicIdPartition;

const PARTITIONS: i32 = 3;

/// What the clients were told.
#[derive(Default)]
struct Clients {
    pending: Vec<(Pending, Acknowledgement)>,
    /// By partition and base offset.
    durable: BTreeMap<(TopicIdPartition, i64), Bytes>,
    written: BTreeMap<(TopicIdPartition, i64), Bytes>,
}

impl Clients {
    /// Takes the answers that are there.
    fn look(&mut self) {
        for (mut pending, level) in std::mem::take(&mut self.pending) {
            match poll(pending.wait.as_mut()) {
                Poll::Pending => self.pending.push((pending, level)),
                Poll::Ready(Err(_)) => {}
                Poll::Ready(Ok(())) => {
                    let list = match level {
                        Acknowledgement::Durable => &mut self.durable,
                        Acknowledgement::Written => &mut self.written,
                    };
                    list.insert((pending.id, pending.base_offset), pending.payload);
                }
            }
        }
    }
}

fn partitions() -> Vec<NewPartition> {
    // Small segments, so that rolls are among the crash points.
    let config = LogConfig { segment_bytes: 700, ..LogConfig::default() };
    (0..PARTITIONS).map(|partition| common::with_config(1, partition, config.clone())).collect()
}

/// Appends at random, with the steps of the committer in between, until the end of the script or of the machine.
fn serve(driven: &Driven, disk: &SimDisk, random: &mut Random, clients: &mut Clients, turns: u64) {
    for _ in 0..turns {
        if disk.has_crashed() {
            return;
        }
        match random.below(10) {
            0..=4 => {
                let partition = id(1, random.index(PARTITIONS as usize) as i32);
                let level = if random.coin() { Acknowledgement::Durable } else { Acknowledgement::Written };
                let bytes = batch(1 + random.index(3), random.index(200), random.below(u64::MAX));
                if let Ok(pending) = append(driven, partition, bytes, level) {
                    clients.pending.push((pending, level));
                }
            }
            5 | 6 => drop(driven.store.write_round()),
            7 | 8 => drop(driven.store.sync_round()),
            _ => {
                driven.clock.fetch_add(random.below(2_000) * 1_000_000, std::sync::atomic::Ordering::Relaxed);
                driven.store.maintenance_step();
            }
        }
        clients.look();
    }
}

fn reopen(disk: &Arc<SimDisk>) -> Driven {
    let disk: Arc<dyn Disk> = Arc::clone(disk) as _;
    let driven = common::open(&disk, partitions());
    driven.settle();
    driven
}

/// Everything in `expected` is in the log, at its offset; what the log holds is whole and without gaps.
fn check(driven: &Driven, expected: &BTreeMap<(TopicIdPartition, i64), Bytes>, what: &str) {
    for partition in partitions() {
        let state = driven.partition(partition.id).state();
        assert_eq!(state, PartitionState::Online, "{what}: {}", partition.id);
        let found: BTreeMap<i64, Bytes> = driven.read_all(partition.id).into_iter().collect();
        for ((id, base_offset), payload) in expected {
            if *id == partition.id {
                assert_eq!(found.get(base_offset), Some(payload), "{what}: {id} at {base_offset}");
            }
        }
    }
}

/// One run with a crash within operation `at` (none at 0). Returns the operations of the run.
fn run(seed: u64, at: u64, turns: u64, journal: JournalOptions) -> u64 {
    println!("seed {seed}, crash at {at}");
    let what = |stage: &str| format!("seed {seed}, crash at {at}, {stage}");
    let disk = SimDisk::new(seed);
    let driven = open_empty(&disk, journal);
    driven.create(partitions());
    let before = disk.operations();
    if at > 0 {
        disk.crash_at(before + at);
    }
    let mut random = Random::new(seed);
    let mut clients = Clients::default();
    serve(&driven, &disk, &mut random, &mut clients, turns);
    let operations = disk.operations() - before;
    drop(driven);

    // Death of the process: what was written is there, acks=1 included.
    let mut everything = clients.durable.clone();
    everything.extend(clients.written);
    let killed = disk.kill();
    let driven = reopen(&killed);
    check(&driven, &everything, &what("kill"));
    // It serves, and what it shows survives a power loss.
    let shown: Vec<_> = partitions().iter().map(|new| (new.id, driven.read_all(new.id))).collect();
    let mut later = Clients::default();
    serve(&driven, &killed, &mut random, &mut later, 30);
    drop(driven);
    let lost = killed.power_loss(seed ^ 1);
    let driven = reopen(&lost);
    for (id, batches) in shown {
        later.durable.extend(batches.into_iter().map(|(base_offset, payload)| ((id, base_offset), payload)));
    }
    check(&driven, &later.durable, &what("kill, serve, power loss"));
    drop(driven);

    // Power loss at once, twice.
    let lost = disk.power_loss(seed ^ 2);
    let driven = reopen(&lost);
    check(&driven, &clients.durable, &what("power loss"));
    drop(driven);
    let driven = reopen(&lost.power_loss(seed ^ 3));
    check(&driven, &clients.durable, &what("two power losses"));
    operations
}

fn open_empty(disk: &Arc<SimDisk>, journal: JournalOptions) -> Driven {
    let disk: Arc<dyn Disk> = Arc::clone(disk) as _;
    open_with(&disk, Vec::new(), Vec::new(), journal).unwrap()
}

#[test]
fn what_was_acknowledged_survives_a_crash_at_any_operation() {
    // Every operation of a short run, and some of longer ones.
    for journal in [NO_JOURNAL, JournalOptions { half_bytes: 16 << 10, partitions_min: 0 }] {
        for (seed, turns, stride) in [(1, 80, 1), (2, 150, 3), (3, 150, 5)] {
            let operations = run(seed, 0, turns, journal);
            assert!(operations > 20, "seed {seed}: only {operations} operations");
            for at in (1..=operations).step_by(stride) {
                run(seed, at, turns, journal);
            }
        }
    }
}

#[test]
fn a_crash_during_recovery_loses_nothing() {
    let seed = 77;
    let disk = SimDisk::new(seed);
    let driven = open_empty(&disk, NO_JOURNAL);
    driven.create(partitions());
    let mut clients = Clients::default();
    serve(&driven, &disk, &mut Random::new(seed), &mut clients, 200);
    drop(driven);
    assert!(!clients.durable.is_empty());
    let whole = disk.power_loss(5);
    let driven = reopen(&whole.power_loss(0));
    drop(driven);
    for at in 1..200 {
        let first = disk.power_loss(5);
        first.crash_at(at);
        let as_disk: Arc<dyn Disk> = Arc::clone(&first) as _;
        if let Ok(driven) = common::try_open(&as_disk, partitions(), Vec::new()) {
            driven.settle();
        }
        let done = !first.has_crashed();
        let driven = reopen(&first.power_loss(at));
        check(&driven, &clients.durable, &format!("crash at {at} of recovery"));
        if done {
            return;
        }
    }
    panic!("recovery never came to its end");
}

#[test]
fn a_clean_stop_needs_no_scan_and_loses_nothing() {
    let seed = 78;
    let disk = SimDisk::new(seed);
    let driven = open_empty(&disk, NO_JOURNAL);
    driven.create(partitions());
    let mut clients = Clients::default();
    serve(&driven, &disk, &mut Random::new(seed), &mut clients, 100);
    driven.drive(driven.store.close()).unwrap();
    driven.drive(driven.store.close()).unwrap();
    clients.look();
    assert!(clients.pending.is_empty(), "closing answers whoever waits");
    let mut everything = clients.durable;
    everything.extend(clients.written);
    drop(driven);
    let driven = reopen(&disk.power_loss(9));
    assert_eq!(driven.store.recovery().scanned_bytes, 0);
    check(&driven, &everything, "clean stop, power loss");
}
