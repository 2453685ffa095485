//! A store that has more files than descriptors serves everything.

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

use std::sync::Arc;

use common::{Driven, append, batch, batches, id, open, open_with, request, with_config};
use highwater_disk::Disk;
use highwater_disk::sim::SimDisk;
use highwater_partition_log::{LogConfig, ReadRequest, SyncPolicy};
use highwater_store::{Acknowledgement, LogStore, NewPartition};
use highwater_store_local::JournalOptions;
use highwater_types::Offset;

const PARTITIONS: i32 = 100;
/// The disk is short from the first number of open files on, and opens none beyond the second.
const LIMITS: (usize, usize) = (20, 30);
const SPACE_LOOK_MS: u64 = 10_001;

fn partitions(config: &LogConfig) -> Vec<NewPartition> {
    (0..PARTITIONS).map(|partition| with_config(1, partition, config.clone())).collect()
}

fn with_all(disk: &Arc<SimDisk>, config: &LogConfig) -> Driven {
    let as_disk = Arc::clone(disk) as Arc<dyn Disk>;
    let driven = open_with(&as_disk, Vec::new(), Vec::new(), JournalOptions::default()).unwrap();
    driven.create(partitions(config));
    driven
}

/// Appends a batch to every partition before any of them is written, and waits until all are acknowledged.
fn fill(driven: &Driven, tag: u64, level: Acknowledgement) {
    let pending: Vec<_> = (0..PARTITIONS)
        .map(|partition| append(driven, id(1, partition), batch(1, 100, tag), level).unwrap())
        .collect();
    for one in pending {
        driven.drive(one.wait).unwrap();
    }
}

fn check(driven: &Driven, count: usize) {
    for partition in 0..PARTITIONS {
        assert_eq!(driven.read_all(id(1, partition)).len(), count, "partition {partition}");
    }
}

#[test]
fn more_partitions_than_descriptors_are_written_read_and_recovered_under_every_policy() {
    let interval = SyncPolicy::Interval { ms: Some(600_000), messages: None };
    for policy in [SyncPolicy::Always, SyncPolicy::Batch, interval, SyncPolicy::Never] {
        let config = LogConfig { sync_policy: policy, ..LogConfig::default() };
        let disk = SimDisk::new(1);
        disk.set_descriptor_limits(Some(LIMITS));
        let driven = with_all(&disk, &config);
        for tag in 0..3 {
            fill(&driven, tag, Acknowledgement::Written);
        }
        check(&driven, 3);
        drop(driven);
        let driven = open(&(Arc::clone(&disk) as Arc<dyn Disk>), partitions(&config));
        driven.settle();
        fill(&driven, 3, Acknowledgement::Written);
        check(&driven, 4);
    }
}

#[test]
fn what_the_journal_keeps_open_is_given_back_when_descriptors_become_short() {
    let disk = SimDisk::new(2);
    let driven = with_all(&disk, &LogConfig::default());
    for tag in 0..3 {
        fill(&driven, tag, Acknowledgement::Durable);
    }
    let journaled = driven.store.statistics().journal_batches.get();
    assert!(journaled > 0);
    let open_files = || disk.open_files();
    assert!(open_files() >= PARTITIONS as usize);
    disk.set_descriptor_limits(Some((LIMITS.0, usize::MAX)));
    driven.pass_ms(SPACE_LOOK_MS);
    assert!(open_files() < LIMITS.0, "{}", open_files());
    disk.set_descriptor_limits(Some(LIMITS));
    fill(&driven, 3, Acknowledgement::Durable);
    check(&driven, 4);
    assert!(driven.partition(id(1, 0)).offsets().synced_end == Offset(4));
}

#[test]
fn a_reader_of_more_segments_than_descriptors_comes_to_their_end() {
    let config = LogConfig { segment_bytes: 500, ..LogConfig::default() };
    let disk = SimDisk::new(3);
    disk.set_descriptor_limits(Some(LIMITS));
    let driven = with_all(&disk, &config);
    let durable = Acknowledgement::Durable;
    for tag in 0..400 {
        driven.drive(append(&driven, id(1, 0), batch(1, 100, tag), durable).unwrap().wait).unwrap();
    }
    assert!(driven.partition(id(1, 0)).segment_count() > 100);
    assert_eq!(driven.read_all(id(1, 0)).len(), 400);
    // What was read keeps its files open until it is sent.
    disk.set_descriptor_limits(Some((0, usize::MAX)));
    driven.pass_ms(SPACE_LOOK_MS);
    let partition = driven.partition(id(1, 0));
    let outcome = driven.drive(partition.read(request(Offset(0)))).unwrap();
    assert_eq!(outcome.records.len(), 1);
    assert!(!batches(&outcome).is_empty());
    let beside = ReadRequest { at_least_one_batch: false, ..request(Offset(0)) };
    assert!(driven.drive(partition.read(beside)).unwrap().records.is_empty());
}
