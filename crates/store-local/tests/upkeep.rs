//! What happens by time: policies, retention, checkpoints, and nothing while nothing is due.

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
use std::task::Poll;

use common::{Driven, append, batch, id, open, poll, with_config};
use highwater_disk::Disk;
use highwater_disk::sim::SimDisk;
use highwater_partition_log::{LogConfig, SyncPolicy};
use highwater_store::{Acknowledgement, NewPartition};
use highwater_types::Offset;

const DURABLE: Acknowledgement = Acknowledgement::Durable;

fn with_one(disk: &Arc<SimDisk>, config: &LogConfig) -> Driven {
    let driven = open(&(Arc::clone(disk) as Arc<dyn Disk>), Vec::new());
    driven.create(one(config));
    driven
}

fn one(config: &LogConfig) -> Vec<NewPartition> {
    vec![with_config(1, 0, config.clone())]
}

fn reopen(disk: &Arc<SimDisk>, config: &LogConfig) -> Driven {
    let driven = open(&(Arc::clone(disk) as Arc<dyn Disk>), one(config));
    driven.settle();
    driven
}

/// Batches of one record each.
fn append_batches(driven: &Driven, count: u64) {
    for tag in 0..count {
        driven.drive(append(driven, id(1, 0), batch(1, 100, tag), DURABLE).unwrap().wait).unwrap();
    }
}

#[test]
fn under_an_interval_answers_do_not_wait_and_the_sync_comes_in_time() {
    let policy = SyncPolicy::Interval { ms: Some(200), messages: Some(5) };
    let config = LogConfig { sync_policy: policy, ..LogConfig::default() };
    let disk = SimDisk::new(1);
    let driven = with_one(&disk, &config);
    let partition = driven.partition(id(1, 0));
    driven.drive(append(&driven, id(1, 0), batch(1, 10, 1), DURABLE).unwrap().wait).unwrap();
    driven.settle();
    assert_eq!(partition.offsets().high_watermark, Offset(1));
    assert_eq!(partition.offsets().synced_end, Offset(0));
    driven.pass_ms(150);
    assert_eq!(partition.offsets().synced_end, Offset(0));
    driven.pass_ms(100);
    assert_eq!(partition.offsets().synced_end, Offset(1));
    driven.drive(append(&driven, id(1, 0), batch(6, 10, 2), DURABLE).unwrap().wait).unwrap();
    driven.settle();
    assert_eq!(partition.offsets().synced_end, Offset(7), "enough messages");
}

#[test]
fn under_always_even_a_written_answer_waits_for_the_sync() {
    let config = LogConfig { sync_policy: SyncPolicy::Always, ..LogConfig::default() };
    let disk = SimDisk::new(2);
    let driven = with_one(&disk, &config);
    let mut pending = append(&driven, id(1, 0), batch(1, 10, 1), Acknowledgement::Written).unwrap();
    driven.store.write_round();
    assert!(poll(pending.wait.as_mut()).is_pending());
    driven.store.sync_round();
    assert!(matches!(poll(pending.wait.as_mut()), Poll::Ready(Ok(()))));
}

#[test]
fn an_idle_store_looks_at_its_free_space_now_and_then_and_does_nothing_else() {
    let disk = SimDisk::new(3);
    let driven = with_one(&disk, &LogConfig::default());
    driven.drive(append(&driven, id(1, 0), batch(1, 10, 1), DURABLE).unwrap().wait).unwrap();
    for _ in 0..100 {
        driven.pass_ms(1000);
    }
    let operations = disk.operations();
    let now = || driven.clock.load(std::sync::atomic::Ordering::Relaxed);
    let mut steps = 0;
    let end = now() + 100_000_000_000;
    while now() < end {
        let next = driven.store.maintenance_step().unwrap();
        driven.clock.store(next.0, std::sync::atomic::Ordering::Relaxed);
        steps += 1;
        assert!(!driven.store.write_round() && !driven.store.sync_round() && !driven.store.admin_step());
    }
    assert!(steps <= 11, "{steps} steps in 100 s");
    assert_eq!(disk.operations(), operations);
}

#[test]
fn a_raised_log_start_is_durable_when_it_is_answered() {
    let config = LogConfig { segment_bytes: 500, ..LogConfig::default() };
    let disk = SimDisk::new(4);
    let driven = with_one(&disk, &config);
    append_batches(&driven, 20);
    let partition = driven.partition(id(1, 0));
    assert_eq!(driven.drive(partition.delete_records(Offset(13))).unwrap(), Offset(13));
    assert!(driven.drive(partition.delete_records(Offset(21))).is_err(), "beyond the high watermark");
    drop(partition);
    // Before any file was removed, and after.
    let before = disk.power_loss(1);
    let check = |disk: &Arc<SimDisk>| {
        let driven = reopen(disk, &config);
        let offsets = driven.partition(id(1, 0)).offsets();
        assert_eq!((offsets.log_start_offset, offsets.high_watermark), (Offset(13), Offset(20)));
        assert_eq!(driven.read_all(id(1, 0)).last().map(|(base_offset, _)| *base_offset), Some(19));
    };
    check(&before);
}

#[test]
fn segments_that_retention_lets_go_are_removed_after_the_delay() {
    let config = LogConfig {
        segment_bytes: 500,
        retention_bytes: Some(1000),
        file_delete_delay_ms: 5_000,
        ..LogConfig::default()
    };
    let disk = SimDisk::new(5);
    let driven = with_one(&disk, &config);
    append_batches(&driven, 40);
    let files = |suffix: &str| {
        let entries = disk.list("/data/topic1-0".as_ref()).unwrap();
        entries.iter().filter(|entry| entry.name.ends_with(suffix)).count()
    };
    let before = files(".log");
    assert!(before > 8, "{before} segments");
    driven.pass_ms(31_000);
    driven.pass_ms(10);
    let start = driven.partition(id(1, 0)).offsets().log_start_offset;
    assert!(start > Offset(0));
    assert!(files(".log") < before);
    assert!(files(".deleted") > 0, "the files stay for a while");
    driven.pass_ms(6_000);
    assert_eq!(files(".deleted"), 0);
    assert_eq!(driven.read_all(id(1, 0)).last().map(|(base_offset, _)| *base_offset), Some(39));
    drop(driven);
    let driven = reopen(&disk.power_loss(1), &config);
    assert_eq!(driven.partition(id(1, 0)).offsets().log_start_offset, start, "it never goes back");
}

#[test]
fn a_firehose_leaves_room_for_others_in_a_round() {
    let disk = SimDisk::new(6);
    let config = LogConfig { max_message_bytes: 2 << 20, ..LogConfig::default() };
    let driven = open(&(Arc::clone(&disk) as Arc<dyn Disk>), Vec::new());
    driven.create((0..2).map(|partition| with_config(1, partition, config.clone())).collect());
    let firehose: Vec<_> = (0..10)
        .map(|tag| append(&driven, id(1, 0), batch(1, 1 << 20, tag), Acknowledgement::Written).unwrap())
        .collect();
    let mut small = append(&driven, id(1, 1), batch(1, 10, 1), Acknowledgement::Written).unwrap();
    driven.store.write_round();
    assert!(matches!(poll(small.wait.as_mut()), Poll::Ready(Ok(()))), "one round is enough");
    let mut waits: Vec<_> = firehose.into_iter().map(|pending| pending.wait).collect();
    let answered = waits
        .iter_mut()
        .filter_map(|wait| matches!(poll(wait.as_mut()), Poll::Ready(Ok(()))).then_some(()))
        .count();
    assert!((1..=4).contains(&answered), "at most 4 MiB a round: {answered}");
    while driven.store.write_round() {}
    assert_eq!(driven.store.staged_bytes(), 0);
}

#[test]
fn a_kill_of_a_young_partition_that_wrote_much_reads_little_of_it_again() {
    let config = LogConfig { segment_bytes: 500, ..LogConfig::default() };
    let disk = SimDisk::new(7);
    let driven = with_one(&disk, &config);
    append_batches(&driven, 40);
    let epoch = driven.partition(id(1, 0)).offsets().leader_epoch;
    // Its first recovery point, and what follows from it.
    driven.pass_ms(150);
    driven.pass_ms(300);
    drop(driven);
    let driven = reopen(&disk.kill(), &config);
    assert_eq!(driven.store.recovery().scanned_bytes, 0);
    assert_eq!(driven.partition(id(1, 0)).offsets().leader_epoch, epoch, "nothing is in doubt");
    assert_eq!(driven.read_all(id(1, 0)).len(), 40);
}
