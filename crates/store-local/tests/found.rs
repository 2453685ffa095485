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
use highwater_partition_log::{Isolation, LogConfig, SyncPolicy};
use highwater_store::{Acknowledgement, LogStore};
use highwater_store_local::DataDirectory;
use highwater_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use highwater_wire::record::{BatchBuilder, Record};

const DURABLE: Acknowledgement = Acknowledgement::Durable;

fn as_disk(disk: &Arc<SimDisk>) -> Arc<dyn Disk> {
    Arc::clone(disk) as _
}

fn never() -> LogConfig {
    LogConfig { sync_policy: SyncPolicy::Never, ..LogConfig::default() }
}

/// A partition under `never` with some batches of one record that are visible and not durable.
fn visible_only(disk: &Arc<SimDisk>, count: u64) -> Driven {
    let driven = open(&as_disk(disk), Vec::new());
    driven.create(vec![with_config(1, 0, never())]);
    for tag in 0..count {
        driven.drive(append(&driven, id(1, 0), batch(1, 900, tag), DURABLE).unwrap().wait).unwrap();
    }
    let offsets = driven.partition(id(1, 0)).offsets();
    assert_eq!((offsets.synced_end.0, offsets.high_watermark.0), (0, count as i64));
    driven
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
    let disk = SimDisk::new(1);
    let driven = open(&as_disk(&disk), Vec::new());
    driven.create(vec![with_config(1, 0, never())]);
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

#[test]
fn a_start_that_was_told_and_the_records_from_it_on_survive_a_power_loss_under_never() {
    for seed in 0..30 {
        let disk = SimDisk::new(seed);
        let driven = visible_only(&disk, 6);
        assert_eq!(driven.drive(driven.partition(id(1, 0)).delete_records(Offset(4))).unwrap(), Offset(4));
        let lost = disk.power_loss(seed);
        drop(driven);
        let driven = open(&as_disk(&lost), vec![with_config(1, 0, never())]);
        driven.settle();
        let offsets = driven.partition(id(1, 0)).offsets();
        assert_eq!(offsets.log_start_offset, Offset(4), "seed {seed}");
        assert!(offsets.high_watermark >= Offset(4), "seed {seed}: {offsets:?}");
    }
}

#[test]
fn what_was_visible_survives_once_a_stricter_policy_is_in_force() {
    for seed in 0..30 {
        let disk = SimDisk::new(seed);
        let driven = visible_only(&disk, 5);
        let partition = driven.partition(id(1, 0));
        partition.configure(LogConfig::default());
        driven.drive(partition.synced()).unwrap();
        assert_eq!(partition.offsets().synced_end, Offset(5));
        let lost = disk.power_loss(seed);
        drop((partition, driven));
        assert_eq!(reopen(&lost).read_all(id(1, 0)).len(), 5, "seed {seed}");
    }
}

#[test]
fn a_stricter_policy_given_before_recovery_does_not_hide_what_the_looser_one_lost() {
    let mut losses = 0;
    for seed in 0..30 {
        let disk = SimDisk::new(seed);
        let driven = visible_only(&disk, 5);
        let lost = disk.power_loss(seed);
        drop(driven);
        let driven = open(&as_disk(&lost), vec![with_config(1, 0, never())]);
        let partition = driven.partition(id(1, 0));
        partition.configure(LogConfig::default());
        driven.settle();
        let offsets = partition.offsets();
        losses += u64::from(offsets.high_watermark < Offset(5));
        assert!(offsets.leader_epoch > LeaderEpoch(0), "seed {seed}: {offsets:?}");
    }
    assert!(losses > 0, "some power loss takes something");
}

#[test]
fn a_log_that_nobody_looked_at_since_a_crash_is_not_passed_on_as_clean() {
    let mut losses = 0;
    for seed in 0..30 {
        let disk = SimDisk::new(seed);
        let known = || vec![with_config(1, 0, never())];
        let driven = visible_only(&disk, 0);
        driven.drive(driven.store.close()).unwrap();
        drop(driven);
        let driven = open(&as_disk(&disk), known());
        driven.settle();
        for tag in 0..5 {
            driven.drive(append(&driven, id(1, 0), batch(1, 900, tag), DURABLE).unwrap().wait).unwrap();
        }
        let lost = disk.power_loss(seed);
        drop(driven);
        // A start, and a clean stop before the partition's recovery.
        let driven = open(&as_disk(&lost), known());
        driven.drive(driven.store.close()).unwrap();
        drop(driven);
        let driven = open(&as_disk(&lost), known());
        driven.settle();
        let offsets = driven.partition(id(1, 0)).offsets();
        losses += u64::from(offsets.high_watermark < Offset(5));
        assert!(offsets.leader_epoch > LeaderEpoch(0), "seed {seed}: {offsets:?}");
        driven.read_all(id(1, 0));
    }
    assert!(losses > 0, "some power loss takes something");
}

#[test]
fn a_search_by_time_goes_on_when_a_read_is_interrupted() {
    let disk = SimDisk::new(1);
    let driven = visible_only(&disk, 8);
    let partition = driven.partition(id(1, 0));
    disk.set_interruptions(2);
    for tag in 0..64 {
        let (wanted, isolation) = (Timestamp(1_700_000_000_000 + tag % 8), Isolation::ReadUncommitted);
        let found = driven.drive(partition.offset_for_timestamp(wanted, isolation)).unwrap().unwrap();
        assert_eq!(found.offset, Offset(tag % 8));
    }
}

#[test]
fn the_largest_timestamp_is_one_that_is_left_when_the_log_starts_within_a_batch() {
    let disk = SimDisk::new(1);
    let driven = visible_only(&disk, 1);
    let mut builder = BatchBuilder::new();
    for ms in [900, 500, 700, 600] {
        let timestamp = Timestamp(1_700_000_000_000 + ms);
        builder.push(&Record { timestamp, value: Some("x".into()), ..Record::default() });
    }
    driven.drive(append(&driven, id(1, 0), builder.build().unwrap(), DURABLE).unwrap().wait).unwrap();
    let partition = driven.partition(id(1, 0));
    let largest = || driven.drive(partition.max_timestamp()).unwrap().map(|found| found.offset);
    assert_eq!(largest(), Some(Offset(1)));
    driven.drive(partition.delete_records(Offset(2))).unwrap();
    assert_eq!(largest(), Some(Offset(3)), "the batch's header tells of one that is gone");
    driven.drive(partition.delete_records(Offset(4))).unwrap();
    assert_eq!(largest(), Some(Offset(4)));
}
