//! The scrub finds what rots in sealed segments, wherever it is, and accuses nobody else.

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

use common::{Driven, append, batch, id, open, with_config};
use highwater_disk::sim::SimDisk;
use highwater_disk::{Disk, OpenMode};
use highwater_partition_log::LogConfig;
use highwater_store::{Acknowledgement, DamagedSegment, LogStore, NewPartition};
use highwater_types::Offset;

/// What a store waits until it looks at a segment again, and some more.
const WEEK_MS: u64 = 8 * 24 * 3_600_000;

fn partition() -> NewPartition {
    let config = LogConfig {
        segment_bytes: 2_000,
        retention_ms: None,
        file_delete_delay_ms: 0,
        ..LogConfig::default()
    };
    with_config(1, 0, config)
}

/// A store with three sealed segments of three batches and an active one.
fn filled(disk: &Arc<SimDisk>) -> Driven {
    disk.create_directory("/data".as_ref()).unwrap();
    disk.sync_directory("/".as_ref()).unwrap();
    let driven = open(&(Arc::clone(disk) as Arc<dyn Disk>), Vec::new());
    driven.create(vec![partition()]);
    for tag in 0..10 {
        let pending = append(&driven, id(1, 0), batch(1, 500, tag), Acknowledgement::Durable).unwrap();
        driven.drive(pending.wait).unwrap();
    }
    assert_eq!(driven.partition(id(1, 0)).segment_count(), 4);
    driven
}

fn reopened(disk: &Arc<SimDisk>) -> Driven {
    let driven = open(&(Arc::clone(disk) as Arc<dyn Disk>), vec![partition()]);
    driven.settle();
    driven
}

/// Scrubs until nothing is due, as far as it goes in a minute.
fn scrub(driven: &Driven) -> Vec<DamagedSegment> {
    driven.pass_ms(60_000);
    let steps = (0..1000).take_while(|_| driven.store.scrub_step()).count();
    assert!(steps < 1000, "there is always something due");
    driven.store.status().scrub.damaged
}

fn segment(base: u64) -> String {
    format!("/data/topic1-0/{base:020}.log")
}

fn exists(disk: &SimDisk, path: &str) -> bool {
    disk.open(path.as_ref(), OpenMode::Read).is_ok()
}

#[test]
fn rot_in_any_part_of_a_sealed_segment_is_reported() {
    // Payload and header under the checksum, the checksum itself, magic, leader epoch, length, base offset.
    for within in [200, 61, 30, 18, 16, 15, 12, 11, 9, 7, 0] {
        let disk = SimDisk::new(1);
        let driven = filled(&disk);
        let size = disk.open(segment(3).as_ref(), OpenMode::Read).unwrap().length().unwrap() / 3;
        assert_eq!(scrub(&driven), []);
        for base in [0, 3, 6] {
            assert!(exists(&disk, &segment(base).replace(".log", ".sum")), "good segments have sums");
        }
        disk.flip_bit(segment(3).as_ref(), 2 * size + within).unwrap();
        assert_eq!(scrub(&driven), [], "it was looked at a minute ago");
        driven.pass_ms(WEEK_MS);
        let found = scrub(&driven);
        assert_eq!(found.len(), 1, "byte {within}: {found:?}");
        assert_eq!(found[0].file.to_str(), Some(segment(3).as_str()), "byte {within}");
        assert!(
            found[0].position <= 2 * size + within && found[0].end_offset == Offset(6),
            "byte {within}: {found:?}"
        );
        let read = driven.store.statistics().scrubbed_bytes.get();
        assert_eq!(scrub(&driven), found, "it is told as long as it is so");
        assert_eq!(driven.store.statistics().scrubbed_bytes.get(), read, "and not read all the time");
        // After a restart it comes first, and when it is as it was, it is forgotten.
        drop(driven);
        let disk = disk.kill();
        let driven = reopened(&disk);
        // The clock of tests begins anew with each store.
        driven.pass_ms(WEEK_MS + 600_000);
        assert_eq!(scrub(&driven), found, "byte {within}");
        assert_eq!(
            driven.store.statistics().scrubbed_bytes.get() / (3 * size),
            2,
            "the others were good a while ago"
        );
        disk.flip_bit(segment(3).as_ref(), 2 * size + within).unwrap();
        driven.pass_ms(WEEK_MS);
        assert_eq!(scrub(&driven), [], "byte {within}");
    }
}

#[test]
fn bytes_that_the_device_does_not_give_are_damage() {
    let disk = SimDisk::new(2);
    let driven = filled(&disk);
    disk.make_unreadable(segment(0).as_ref(), 700..701).unwrap();
    let found = scrub(&driven);
    assert!(found.len() == 1 && found[0].problem.contains("cannot be read"), "{found:?}");
}

#[test]
fn a_segment_that_goes_while_it_is_read_accuses_nobody_and_leaves_nothing() {
    for steps in 0..8 {
        let disk = SimDisk::new(3);
        let driven = filled(&disk);
        disk.flip_bit(segment(0).as_ref(), 300).unwrap();
        driven.pass_ms(60_000);
        for _ in 0..steps {
            driven.store.scrub_step();
        }
        driven.drive(driven.partition(id(1, 0)).delete_records(Offset(9))).unwrap();
        for _ in 0..5 {
            driven.pass_ms(1_000);
        }
        assert_eq!(scrub(&driven), [], "after {steps} steps");
        let left: Vec<_> =
            disk.list("/data/topic1-0".as_ref()).unwrap().into_iter().map(|entry| entry.name).collect();
        let base = |name: &String| {
            name.starts_with("0000000000000000000") && !name.starts_with("00000000000000000009")
        };
        let left: Vec<_> = left
            .into_iter()
            .filter(|name| base(name) && !name.ends_with(".snapshot") && !name.ends_with(".producers"))
            .collect();
        assert_eq!(left, Vec::<String>::new(), "after {steps} steps");
    }
}

#[test]
fn a_deleted_topic_is_no_longer_read() {
    let disk = SimDisk::new(4);
    let driven = filled(&disk);
    disk.flip_bit(segment(0).as_ref(), 300).unwrap();
    assert_eq!(scrub(&driven).len(), 1);
    driven.drive(driven.store.delete(vec![id(1, 0)])).unwrap();
    assert_eq!(scrub(&driven), []);
}

#[test]
fn sums_that_do_not_check_themselves_are_made_again() {
    let disk = SimDisk::new(5);
    let driven = filled(&disk);
    assert_eq!(scrub(&driven), []);
    let sums = segment(0).replace(".log", ".sum");
    for position in [0, 10, 20, 24, 31] {
        disk.flip_bit(sums.as_ref(), position).unwrap();
        driven.pass_ms(WEEK_MS);
        assert_eq!(scrub(&driven), [], "byte {position} of the sums");
    }
}
