//! What appends cost the disk: write calls and syncs, counted on the simulated one. Each promise is a number, so that it holds on
//! any machine; time costs nothing here. What costs processor time instead is in `tests/figures`.

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

use common::{Driven, NO_JOURNAL, append, batch, id, new_partition, open, open_with};
use highwater_disk::Disk;
use highwater_disk::sim::SimDisk;
use highwater_store::Acknowledgement;
use highwater_store_local::JournalOptions;

/// Entries whose header and payload fit into one system call (`wal`: 512 slices).
const ENTRIES_A_WRITE: usize = 256;
const PARTITIONS: i32 = 100;
const VALUE_BYTES: usize = 1000;

/// Operations by what they do and to which kind of file, as in `write segment`.
type Counts = BTreeMap<String, u64>;

/// What the disk did since the last call.
fn counts(disk: &SimDisk) -> Counts {
    let mut counts = Counts::new();
    for line in disk.take_trace() {
        // `17 write /data/topic1-0/0….log 0+1068 took 1068: ok`
        let (_, what) = line.split_once(' ').unwrap();
        let (operation, path) = what.split_once(" /").unwrap();
        let name = path.split([' ', ':']).next().unwrap().rsplit('/').next().unwrap();
        let kind = match name {
            name if name.ends_with(".log") => "segment",
            name if name.starts_with("checkpoint") => "checkpoint",
            name => name,
        };
        *counts.entry(format!("{operation} {kind}")).or_default() += 1;
    }
    counts
}

fn expected<const N: usize>(counts: [(&str, u64); N]) -> Counts {
    counts.into_iter().map(|(what, count)| (what.to_string(), count)).collect()
}

/// A store with so many partitions, each with records in its file and none of them waiting for anything.
fn ready(disk: &Arc<SimDisk>, partitions: i32, journal: JournalOptions) -> Driven {
    let as_disk = Arc::clone(disk) as Arc<dyn Disk>;
    let driven = open_with(&as_disk, Vec::new(), Vec::new(), journal).unwrap();
    driven.create((0..partitions).map(|partition| new_partition(1, partition)).collect());
    // The first write makes the file, the second has the journal made where it is wanted.
    for tag in 0..3 {
        round(&driven, partitions, 1, tag);
    }
    disk.take_trace();
    driven
}

/// Stages so many durable appends to each partition before anything is written, and awaits them all.
fn round(driven: &Driven, partitions: i32, appends: usize, tag: u64) {
    let mut pending = Vec::new();
    for partition in 0..partitions {
        for _ in 0..appends {
            let bytes = batch(1, VALUE_BYTES, tag);
            pending.push(append(driven, id(1, partition), bytes, Acknowledgement::Durable).unwrap());
        }
    }
    pending.into_iter().for_each(|pending| driven.drive(pending.wait).unwrap());
}

#[test]
fn appends_staged_together_take_one_write_and_one_sync() {
    let disk = SimDisk::new(1);
    let driven = ready(&disk, 1, NO_JOURNAL);
    for (appends, writes) in [(1, 1), (10, 1), (200, 1), (ENTRIES_A_WRITE, 1), (900, 4)] {
        round(&driven, 1, appends, 9);
        let mut counts = counts(&disk);
        // Blocks for what is large: one call a write job, and no sync of its own.
        let reserved = counts.remove("allocate segment").unwrap_or(0);
        assert!(
            reserved <= u64::from(appends >= ENTRIES_A_WRITE),
            "{appends} appends reserved {reserved} times"
        );
        let wanted = [("write segment", writes), ("sync segment", 1), ("write synced-ends", 1)];
        assert_eq!(counts, expected(wanted), "{appends} appends");
    }
}

#[test]
fn a_durable_append_to_a_lone_partition_takes_one_sync() {
    let without = [("write segment", 1), ("sync segment", 1), ("write synced-ends", 1)];
    let with = [("write segment", 1), ("write journal", 1), ("sync journal", 1)];
    for (journal, wanted) in [(NO_JOURNAL, without), (JournalOptions::default(), with)] {
        let disk = SimDisk::new(1);
        let driven = ready(&disk, 1, journal);
        for tag in 0..50 {
            round(&driven, 1, 1, tag);
            assert_eq!(counts(&disk), expected(wanted), "append {tag}");
        }
    }
}

#[test]
fn an_append_that_waits_for_no_sync_takes_one_write() {
    let disk = SimDisk::new(1);
    let as_disk = Arc::clone(&disk) as Arc<dyn Disk>;
    let driven = open(&as_disk, Vec::new());
    driven.create(vec![new_partition(1, 0)]);
    round(&driven, 1, 1, 0);
    disk.take_trace();
    let written = append(&driven, id(1, 0), batch(1, VALUE_BYTES, 1), Acknowledgement::Written).unwrap();
    assert!(driven.store.write_round());
    let mut wait = written.wait;
    assert!(common::poll(wait.as_mut()).is_ready(), "answered by the write alone");
    assert_eq!(counts(&disk), expected([("write segment", 1)]));
}

#[test]
fn a_round_of_a_hundred_partitions_takes_one_sync() {
    let disk = SimDisk::new(1);
    let driven = ready(&disk, PARTITIONS, JournalOptions::default());
    for tag in 3..13 {
        round(&driven, PARTITIONS, 1, tag);
        let wanted = [("write segment", PARTITIONS as u64), ("write journal", 1), ("sync journal", 1)];
        assert_eq!(counts(&disk), expected(wanted), "round {tag}");
    }
}

/// What the journal puts off is not left out: each partition's file is synced, and its end noted, once for each half of the
/// journal that was filled.
#[test]
fn the_syncs_that_the_journal_puts_off_are_one_a_partition_and_half() {
    let disk = SimDisk::new(1);
    let half_bytes = 4 << 20;
    let driven = ready(&disk, PARTITIONS, JournalOptions { half_bytes, ..JournalOptions::default() });
    let rounds: u64 = 120;
    for tag in 0..rounds {
        round(&driven, PARTITIONS, 1, tag);
    }
    let counts = counts(&disk);
    let of = |what: &str| counts.get(what).copied().unwrap_or(0);
    let partitions = PARTITIONS as u64;
    // A piece takes its bytes and 48 more, and a batch whole blocks.
    let round_bytes = partitions * (batch(1, VALUE_BYTES, 0).len() as u64 + 48);
    let filled = rounds.div_ceil(half_bytes / (round_bytes + 4096));
    assert!(filled >= 3, "the halves took turns");
    assert_eq!(of("write segment"), rounds * partitions);
    // What tells of a half's turn is written and synced before its first batch.
    let written = of("write journal");
    assert!((rounds..rounds + filled).contains(&written), "{counts:?}, {filled} halves");
    assert_eq!(of("sync journal"), written);
    assert!(of("sync segment") <= filled * partitions, "{counts:?}, {filled} halves");
    assert_eq!(of("write synced-ends"), of("sync segment"));
}

/// Checkpoint and synced ends follow the clock: ten times the appends in the same time cost not one operation more.
#[test]
fn upkeep_costs_by_time_and_not_by_appends() {
    const SECONDS: u64 = 20;
    let upkeep = |appends_a_second: u64| {
        let disk = SimDisk::new(1);
        let driven = ready(&disk, 1, NO_JOURNAL);
        for tag in 0..SECONDS * appends_a_second {
            round(&driven, 1, 1, tag);
            driven.pass_ms(1000 / appends_a_second);
        }
        let mut counts = counts(&disk);
        let appends = SECONDS * appends_a_second;
        for what in ["write segment", "sync segment", "write synced-ends"] {
            assert_eq!(counts.remove(what), Some(appends), "{what}");
        }
        counts
    };
    let few = upkeep(4);
    println!("upkeep in {SECONDS} s: {few:?}");
    assert_eq!(few, upkeep(40));
    assert!(few.get("sync synced-ends").is_some_and(|&syncs| syncs <= SECONDS), "{few:?}");
    // Each time: a new file is written, synced, renamed, and the directory synced.
    let times = SECONDS / 5;
    for what in ["write checkpoint", "sync checkpoint", "rename checkpoint", "sync directory data"] {
        assert!(few.get(what).is_none_or(|&count| count <= times), "{what}: {few:?}");
    }
}
