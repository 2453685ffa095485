//! What the simulation has found, each reduced to its few steps.

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

use common::{Driven, append, batch, id, new_partition, open, poll, with_config};
use highwater_disk::sim::{Fault, SimDisk};
use highwater_disk::{Disk, OpenMode};
use highwater_partition_log::{LogConfig, SyncPolicy};
use highwater_store::{Acknowledgement, LogStore};
use highwater_store_local::DataDirectory;
use highwater_types::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use highwater_wire::record::{BatchBuilder, Record};

const DURABLE: Acknowledgement = Acknowledgement::Durable;

fn as_disk(disk: &Arc<SimDisk>) -> Arc<dyn Disk> {
    Arc::clone(disk) as _
}

fn reopen(disk: &Arc<SimDisk>) -> Driven {
    let driven = open(&as_disk(disk), vec![new_partition(1, 0)]);
    driven.settle();
    driven
}

#[test]
fn a_topic_made_anew_keeps_its_files_when_segments_of_the_old_one_are_to_go() {
    let config = LogConfig { segment_bytes: 300, file_delete_delay_ms: 5_000, ..LogConfig::default() };
    let disk = SimDisk::new(1);
    let driven = open(&as_disk(&disk), Vec::new());
    driven.create(vec![with_config(1, 0, config.clone())]);
    for tag in 0..6 {
        driven.drive(append(&driven, id(1, 0), batch(1, 150, tag), DURABLE).unwrap().wait).unwrap();
        driven.pass_ms(200);
    }
    driven.drive(driven.partition(id(1, 0)).delete_records(Offset(4))).unwrap();
    driven.pass_ms(100);
    driven.pass_ms(100);
    driven.drive(driven.store.delete(vec![id(1, 0)])).unwrap();
    let mut again = with_config(2, 0, config);
    again.topic = "topic1".into();
    driven.create(vec![again]);
    driven.drive(append(&driven, id(2, 0), batch(1, 150, 9), DURABLE).unwrap().wait).unwrap();
    for _ in 0..10 {
        driven.pass_ms(2_000);
    }
    let first = Path::new("/data/topic1-0/00000000000000000000.log");
    assert!(disk.open(first, OpenMode::Read).is_ok(), "the new topic's first segment is there");
    assert_eq!(driven.read_all(id(2, 0)).len(), 1);
}

#[test]
fn after_a_failed_sync_that_nobody_noted_only_what_the_device_has_is_shown() {
    for seed in 0..20 {
        let disk = SimDisk::new(seed);
        let driven = open(&as_disk(&disk), Vec::new());
        driven.create(vec![new_partition(1, 0)]);
        driven.drive(append(&driven, id(1, 0), batch(1, 900, 1), DURABLE).unwrap().wait).unwrap();
        let lost = append(&driven, id(1, 0), batch(1, 900, 2), DURABLE).unwrap();
        disk.fail_next_sync(".log");
        assert!(driven.drive(lost.wait).is_err());
        // No maintenance, so no checkpoint: the process dies with what it knew.
        let killed = disk.kill();
        drop(driven);
        let driven = reopen(&killed);
        let shown = driven.read_all(id(1, 0));
        assert!(!shown.is_empty());
        let lost = killed.power_loss(seed);
        drop(driven);
        assert_eq!(reopen(&lost).read_all(id(1, 0)), shown, "seed {seed}");
    }
}

#[test]
fn a_batch_repeated_under_a_stricter_policy_waits_for_its_sync() {
    let config = LogConfig { sync_policy: SyncPolicy::Never, ..LogConfig::default() };
    let disk = SimDisk::new(1);
    let driven = open(&as_disk(&disk), Vec::new());
    driven.create(vec![with_config(1, 0, config)]);
    let mut builder = BatchBuilder::new().producer(ProducerId(7), ProducerEpoch(0), Sequence(0));
    let timestamp = Timestamp(1_700_000_000_000);
    builder.push(&Record { timestamp, value: Some("x".into()), ..Record::default() });
    let bytes = builder.build().unwrap();
    driven.drive(append(&driven, id(1, 0), bytes.clone(), DURABLE).unwrap().wait).unwrap();
    let partition = driven.partition(id(1, 0));
    assert_eq!(partition.offsets().synced_end, Offset(0));
    partition.configure(LogConfig::default());
    let mut repeated = append(&driven, id(1, 0), bytes, DURABLE).unwrap();
    assert_eq!(repeated.base_offset, 0);
    assert!(poll(repeated.wait.as_mut()).is_pending(), "it is visible and not durable");
    driven.drive(repeated.wait).unwrap();
    assert_eq!(partition.offsets().synced_end, Offset(1));
}

#[test]
fn the_names_of_a_data_directory_are_durable_before_anything_in_it() {
    for operation in 1..12 {
        let disk = SimDisk::new(operation);
        disk.fail_at(operation, Fault::Io);
        let _ = DataDirectory::open(as_disk(&disk), Path::new("/data"));
        let killed = disk.kill();
        DataDirectory::open(as_disk(&killed), Path::new("/data")).unwrap();
        killed.create_directory(Path::new("/data/anything")).unwrap();
        killed.sync_directory(Path::new("/data")).unwrap();
        for seed in 0..20 {
            let lost = killed.power_loss(seed);
            DataDirectory::open(as_disk(&lost), Path::new("/data")).unwrap();
            assert!(lost.list(Path::new("/data/anything")).is_ok(), "operation {operation}, seed {seed}");
        }
    }
}
