//! Small appends, made durable together.

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

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use common::{Driven, PATH, append, batch, id, new_partition, open_with};
use highwater_disk::sim::{Fault, SimDisk};
use highwater_disk::{Disk, File, OpenMode, Operation, write_all_at};
use highwater_store::{Acknowledgement, LogStore, NewPartition, PartitionState};
use highwater_store_local::JournalOptions;
use highwater_store_local::repair::{Inspection, Repair, Severity};
use highwater_types::Timestamp;
use highwater_wire::record::crc32c;

const COUNT: i32 = 4;
const DURABLE: Acknowledgement = Acknowledgement::Durable;

/// Room for a few batches in each half.
const SMALL: JournalOptions = JournalOptions { half_bytes: 16 << 10, partitions_min: 2 };

fn as_disk(disk: &Arc<SimDisk>) -> Arc<dyn Disk> {
    Arc::clone(disk) as _
}

fn partitions() -> Vec<NewPartition> {
    (0..COUNT).map(|partition| new_partition(1, partition)).collect()
}

fn open(disk: &Arc<SimDisk>) -> Driven {
    let driven = open_with(&as_disk(disk), partitions(), Vec::new(), SMALL).unwrap();
    driven.settle();
    driven
}

/// A store with some records in each partition and its journal made.
fn ready(disk: &Arc<SimDisk>) -> Driven {
    ready_with(disk, SMALL)
}

fn ready_with(disk: &Arc<SimDisk>, journal: JournalOptions) -> Driven {
    let driven = open_with(&as_disk(disk), Vec::new(), Vec::new(), journal).unwrap();
    driven.create(partitions());
    // The first write of a partition makes its file; what wants the journal has it made.
    for tag in 0..2 {
        round(&driven, tag);
    }
    driven
}

/// Appends a record to each partition and awaits that all are durable.
fn round(driven: &Driven, tag: u64) {
    let pending: Vec<_> = (0..COUNT)
        .map(|partition| append(driven, id(1, partition), batch(1, 30, tag), DURABLE).unwrap())
        .collect();
    pending.into_iter().for_each(|pending| driven.drive(pending.wait).unwrap());
}

fn counts(disk: &SimDisk, what: &str) -> usize {
    disk.trace().iter().filter(|line| line.contains(what)).count()
}

fn records(driven: &Driven) -> Vec<usize> {
    (0..COUNT).map(|partition| driven.read_all(id(1, partition)).len()).collect()
}

#[test]
fn a_round_of_small_appends_takes_one_sync() {
    let disk = SimDisk::new(1);
    let driven = ready(&disk);
    let counted = |driven: &Driven| {
        let statistics = driven.store.statistics();
        (statistics.journal_batches.get(), statistics.journal_pieces.get())
    };
    let (batches, pieces) = counted(&driven);
    let journal = counts(&disk, "sync /data/journal:");
    let syncs = |disk: &SimDisk| {
        disk.trace().iter().filter(|line| line.contains(" sync ") && line.contains(".log")).count()
    };
    let before = syncs(&disk);
    round(&driven, 9);
    assert_eq!(syncs(&disk), before, "no partition's file was synced");
    assert_eq!(counts(&disk, "sync /data/journal:"), journal + 1);
    assert_eq!(counted(&driven), (batches + 1, pieces + COUNT as u64));
    assert_eq!(records(&driven), [3; COUNT as usize]);
}

#[test]
fn rounds_before_the_journal_is_written_go_into_it_together() {
    let disk = SimDisk::new(1);
    let driven = ready(&disk);
    let batches = driven.store.statistics().journal_batches.get();
    let mut pending = Vec::new();
    for tag in 2..4 {
        for partition in 0..COUNT {
            pending.push(append(&driven, id(1, partition), batch(1, 30, tag), DURABLE).unwrap());
        }
        assert!(driven.store.write_round());
    }
    pending.into_iter().for_each(|pending| driven.drive(pending.wait).unwrap());
    assert_eq!(driven.store.statistics().journal_batches.get(), batches + 1);
    drop(driven);
    assert_eq!(records(&open(&disk.power_loss(1))), [4; COUNT as usize]);
}

/// Appends one record of `size` bytes to a partition; returns how many pieces the journal got.
fn add(driven: &Driven, partition: i32, size: usize, tag: u64) -> u64 {
    let before = driven.store.statistics().journal_pieces.get();
    let pending = append(driven, id(1, partition), batch(1, size, tag), DURABLE).unwrap();
    driven.drive(pending.wait).unwrap();
    driven.store.statistics().journal_pieces.get() - before
}

#[test]
fn small_appends_go_into_it_and_large_ones_are_synced_by_themselves() {
    let disk = SimDisk::new(1);
    let driven = ready_with(&disk, JournalOptions::default());
    let syncs = || counts(&disk, "sync /data/topic1-0/");
    let before = syncs();
    assert_eq!([30, 100 << 10].map(|size| add(&driven, 0, size, 2)), [1, 1]);
    assert_eq!(syncs(), before);
    assert_eq!(add(&driven, 0, 120 << 10, 3), 0);
    assert_eq!(syncs(), before + 1);
    assert_eq!(add(&driven, 0, 30, 4), 1, "after a large one too");
    drop(driven);
    let driven = open(&disk.power_loss(1));
    assert_eq!(driven.read_all(id(1, 0)).len(), 6);
}

#[test]
fn the_file_of_a_partition_is_synced_before_much_of_it_is_in_the_journal() {
    let disk = SimDisk::new(1);
    let driven = ready_with(&disk, JournalOptions::default());
    let syncs = || counts(&disk, "sync /data/topic1-0/");
    let before = syncs();
    for tag in 0..10 {
        assert_eq!(add(&driven, 0, 100 << 10, tag), 1);
    }
    assert_eq!(syncs(), before);
    assert_eq!(add(&driven, 0, 100 << 10, 10), 1, "the answer comes from the journal");
    driven.settle();
    assert_eq!(syncs(), before + 1);
}

#[test]
fn what_only_the_journal_holds_survives_a_power_loss() {
    for seed in 0..30 {
        let disk = SimDisk::new(seed);
        let driven = ready(&disk);
        for tag in 2..5 {
            round(&driven, tag);
        }
        drop(driven);
        let disk = disk.power_loss(seed);
        let driven = open(&disk);
        assert_eq!(records(&driven), [5; COUNT as usize], "seed {seed}");
        assert_eq!(driven.store.statistics().journal_replayed.get(), COUNT as u64);
        let names: Vec<_> = disk.list(Path::new(PATH)).unwrap().into_iter().map(|entry| entry.name).collect();
        assert!(!names.iter().any(|name| name.starts_with("journal")), "{names:?}");
        drop(driven);
        assert_eq!(records(&open(&disk.power_loss(seed))), [5; COUNT as usize], "again, without a journal");
    }
}

#[test]
fn how_far_the_journal_told_a_log_to_reach_is_known_when_it_is_gone() {
    let disk = SimDisk::new(6);
    let driven = ready(&disk);
    for tag in 2..5 {
        round(&driven, tag);
    }
    drop(driven);
    // Old, as after a power loss: only the journal says that five records are durable.
    let disk = disk.power_loss(6);
    disk.remove_file(&Path::new(PATH).join("synced-ends")).unwrap();
    drop(open_with(&as_disk(&disk), partitions(), Vec::new(), SMALL).unwrap());
    let disk = disk.power_loss(6);
    let segment = format!("{PATH}/topic1-0/00000000000000000000.log");
    disk.open(Path::new(&segment), OpenMode::ReadWrite).unwrap().set_length(98).unwrap();
    let driven = open(&disk);
    assert_ne!(driven.partition(id(1, 0)).state(), PartitionState::Online, "its durable records are gone");
    assert_eq!(driven.read_all(id(1, 1)).len(), 5);
}

#[test]
fn a_half_of_the_journal_is_used_again_when_the_segments_hold_what_is_in_it() {
    let disk = SimDisk::new(3);
    let driven = ready(&disk);
    for tag in 2..60 {
        round(&driven, tag);
    }
    assert!(driven.store.statistics().journal_batches.get() > 40, "most rounds found room");
    drop(driven);
    assert_eq!(records(&open(&disk.power_loss(3))), [60; COUNT as usize]);
}

#[test]
fn a_journal_that_fails_is_given_up_and_nothing_else() {
    for operation in [Operation::Write, Operation::Sync] {
        let disk = SimDisk::new(4);
        let driven = ready(&disk);
        round(&driven, 2);
        let batches = driven.store.statistics().journal_batches.get();
        disk.fail_next(operation, "journal", Fault::Io);
        for tag in 3..6 {
            round(&driven, tag);
        }
        assert_eq!(driven.store.statistics().journal_batches.get(), batches);
        assert_eq!(driven.store.statistics().failures.get(), 1);
        drop(driven);
        assert_eq!(records(&open(&disk.power_loss(4))), [6; COUNT as usize], "{operation:?}");
    }
}

#[test]
fn a_file_whose_sync_fails_later_is_completed_from_the_journal_at_the_next_start() {
    let disk = SimDisk::new(5);
    let driven = ready(&disk);
    round(&driven, 2);
    // Too large for the journal: the partition's own file is synced, and that fails.
    disk.fail_next(Operation::Sync, "topic1-0", Fault::Io);
    let large = append(&driven, id(1, 0), batch(1, 80 << 10, 3), DURABLE).unwrap();
    driven.drive(large.wait).unwrap_err();
    assert!(matches!(driven.partition(id(1, 0)).state(), PartitionState::Unavailable(_)));
    driven.pass_ms(10_000);
    drop(driven);
    let driven = open(&disk.power_loss(5));
    assert!(driven.read_all(id(1, 0)).len() >= 3, "what was acknowledged before the failure");
}

#[test]
fn a_partition_that_runs_out_of_space_at_a_sync_keeps_what_was_journaled() {
    let disk = SimDisk::new(6);
    let driven = ready(&disk);
    round(&driven, 2);
    disk.fail_next(Operation::Sync, "topic1-0", Fault::OutOfSpace);
    let large = append(&driven, id(1, 0), batch(1, 80 << 10, 3), DURABLE).unwrap();
    driven.drive(large.wait).unwrap_err();
    driven.settle();
    assert!(driven.read_all(id(1, 0)).len() >= 3);
    drop(driven);
    assert!(open(&disk.power_loss(6)).read_all(id(1, 0)).len() >= 3);
}

#[test]
fn what_cannot_be_put_in_its_place_is_kept_and_keeps_its_partition_offline() {
    let disk = SimDisk::new(7);
    let driven = ready(&disk);
    round(&driven, 2);
    drop(driven);
    let disk = disk.power_loss(7);
    disk.fail_next(Operation::Sync, "topic1-2/00000000000000000000.log", Fault::Io);
    let driven = open(&disk);
    let PartitionState::Unavailable(problem) = driven.partition(id(1, 2)).state() else {
        panic!("it serves")
    };
    assert!(format!("{problem:?}").contains("journal"), "{problem:?}");
    assert_eq!(driven.read_all(id(1, 1)).len(), 3);
    drop(driven);
    assert_eq!(records(&open(&disk.power_loss(7))), [3; COUNT as usize]);
}

#[test]
fn a_clean_stop_leaves_no_journal() {
    let disk = SimDisk::new(8);
    let driven = ready(&disk);
    round(&driven, 2);
    driven.drive(driven.store.close()).unwrap();
    drop(driven);
    let names: Vec<_> = disk.list(Path::new(PATH)).unwrap().into_iter().map(|entry| entry.name).collect();
    assert!(
        names.contains(&"clean-stop".to_owned()) && !names.iter().any(|name| name.starts_with("journal"))
    );
    assert_eq!(records(&open(&disk.power_loss(8))), [3; COUNT as usize]);
}

const BLOCK: u64 = 4096;
/// Of what stands before the halves.
const HEAD: u64 = 3 * BLOCK;

/// After a power loss that the journal survives, and of the segments as much as comes. Its first batch holds a record of each
/// partition, as does each of so many rounds that follow.
fn lost(seed: u64, rounds: u64) -> Arc<SimDisk> {
    let disk = SimDisk::new(seed);
    let driven = ready(&disk);
    for tag in 2..2 + rounds {
        round(&driven, tag);
    }
    drop(driven);
    disk.power_loss(seed)
}

fn path(name: &str) -> std::path::PathBuf {
    Path::new(PATH).join(name)
}

fn refusal(disk: &Arc<SimDisk>) -> String {
    let opened = open_with(&as_disk(disk), partitions(), Vec::new(), SMALL);
    opened.err().expect("a start is refused").to_string()
}

/// What needs a repair, as `verify` says.
fn findings(disk: &Arc<SimDisk>) -> Vec<String> {
    let inspection = Inspection::open(as_disk(disk), Path::new(PATH)).unwrap();
    let repairs = inspection.findings().iter().filter(|finding| finding.severity == Severity::Repair);
    repairs.map(|finding| format!("{}: {}", finding.path.display(), finding.problem)).collect()
}

/// Refused with the file's name, told by `verify`, served after a repair. Returns the records that are left.
fn repaired(disk: &Arc<SimDisk>, name: &str) -> Vec<usize> {
    let before = refusal(disk);
    assert!(before.contains(name), "{before}");
    assert_eq!(refusal(disk), before, "again, so nothing was changed");
    let found = findings(disk);
    assert!(found.len() == 1 && found[0].contains(name), "{found:?}");
    let mut repair = Repair::open(as_disk(disk), Path::new(PATH)).unwrap();
    for name in repair.inspection().partitions() {
        let report = repair.inspection().partition(&name, &mut |_, _, _, _| {});
        repair.partition(&report, Timestamp(1_700_000_000_000)).unwrap();
    }
    drop(repair);
    assert_eq!(findings(disk), Vec::<String>::new());
    let driven = open(disk);
    for partition in 0..COUNT {
        assert_eq!(driven.partition(id(1, partition)).state(), PartitionState::Online);
        let epoch = driven.partition(id(1, partition)).offsets().leader_epoch.0;
        assert!(epoch > 0, "readers are told that the log may have lost what they saw");
    }
    records(&driven)
}

#[test]
fn damage_in_the_middle_of_the_journal_is_told_and_a_start_refused() {
    for bit in [3, 9, 17, 25, 40, 200] {
        let disk = lost(10, 3);
        disk.flip_bit(&path("journal"), HEAD + BLOCK + bit).unwrap();
        assert!(refusal(&disk).contains("batch 2 at byte 16384"), "{}", refusal(&disk));
        // What the later ones continue may not be there.
        assert_eq!(repaired(&disk, "journal").iter().min(), Some(&2));
        let kept = path("journal.suspect");
        assert_eq!(disk.open(&kept, OpenMode::Read).unwrap().length().unwrap(), HEAD + (32 << 10));
    }
}

/// Nobody was answered for what was being written when the power failed, and nothing is behind it.
#[test]
fn the_last_batch_of_the_journal_may_be_torn() {
    let disk = lost(11, 3);
    disk.flip_bit(&path("journal"), HEAD + 3 * BLOCK + 70).unwrap();
    assert_eq!(records(&open(&disk)).iter().min(), Some(&4));
}

#[test]
fn damage_in_either_half_of_the_journal_is_told() {
    // Four batches fill a half; the second half has three.
    for block in 0..6 {
        let disk = lost(12, 6);
        disk.flip_bit(&path("journal"), HEAD + block * BLOCK + 30).unwrap();
        repaired(&disk, "journal");
    }
    let disk = lost(12, 6);
    disk.flip_bit(&path("journal"), HEAD + 6 * BLOCK + 30).unwrap();
    assert_eq!(records(&open(&disk)).iter().min(), Some(&7), "the last one");
}

#[test]
fn a_journal_without_its_beginning_its_end_or_its_turns_is_told() {
    type Damage = fn(&SimDisk);
    let damage: [(&str, Damage); 4] = [
        ("its header", |disk| drop(disk.flip_bit(&path("journal"), 9))),
        ("where its batches begin", |disk| {
            disk.flip_bit(&path("journal"), BLOCK + 9).unwrap();
            disk.flip_bit(&path("journal"), 2 * BLOCK + 9).unwrap();
        }),
        ("is damaged", |disk| drop(disk.flip_bit(&path("journal"), 2 * BLOCK + 9))),
        ("bytes of", |disk| {
            let file = disk.open(&path("journal"), OpenMode::ReadWrite).unwrap();
            file.set_length(HEAD + 2 * BLOCK).unwrap();
        }),
    ];
    for (told, damage) in damage {
        let disk = lost(13, 6);
        damage(&disk);
        assert!(refusal(&disk).contains(told), "{told}: {}", refusal(&disk));
        repaired(&disk, "journal");
    }
    // The turn before is also told of by the one that followed it.
    let disk = lost(13, 6);
    disk.flip_bit(&path("journal"), BLOCK + 9).unwrap();
    assert_eq!(records(&open(&disk)), [8; COUNT as usize]);
}

#[test]
fn a_journal_that_is_missing_or_another_one_is_told() {
    let disk = lost(14, 3);
    disk.remove_file(&path("journal")).unwrap();
    assert_eq!(repaired(&disk, "journal").iter().min(), Some(&1));

    let disk = lost(15, 3);
    tell(&disk, |made| (made + 1, 0));
    assert!(refusal(&disk).contains("is not there"), "it is older than the one that was in use");
    repaired(&disk, "journal");
    // Yesterday's synced ends tell of an older one.
    let disk = lost(16, 3);
    tell(&disk, |made| (made - 1, 0));
    assert_eq!(records(&open(&disk)), [5; COUNT as usize]);
}

/// The file, and what is in it.
fn synced_ends(disk: &SimDisk) -> (Arc<dyn File>, Vec<u8>) {
    let file = disk.open(&path("synced-ends"), OpenMode::ReadWrite).unwrap();
    let mut bytes = vec![0; file.length().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    (file, bytes)
}

/// Changes what the synced ends say of the journal, as `docs/formats.md` has it: when it was made, and in a file of which number.
fn tell(disk: &SimDisk, change: impl Fn(i64) -> (i64, u64)) {
    let (file, bytes) = synced_ends(disk);
    let slot = bytes.chunks(64).position(|slot| slot.starts_with(b"HWSJ")).unwrap();
    let made = i64::from_le_bytes(bytes[slot * 64 + 8..][..8].try_into().unwrap());
    let (made, number) = change(made);
    let body = [&made.to_le_bytes()[..], &number.to_le_bytes(), &[0; 40]].concat();
    let checksum = crc32c(&[b"HWSJ", &body[..]].concat());
    let changed = [b"HWSJ", &checksum.to_le_bytes()[..], &body].concat();
    write_all_at(file.as_ref(), &mut [IoSlice::new(&changed)], slot as u64 * 64).unwrap();
}

/// A directory of eight records in each partition, whose journal holds most of them, and that says that it is a copy.
fn copied(seed: u64) -> Arc<SimDisk> {
    let disk = SimDisk::new(seed);
    let driven = ready(&disk);
    (2..8).for_each(|tag| round(&driven, tag));
    drop(driven);
    let disk = disk.kill();
    tell(&disk, |made| (made, 7));
    disk
}

/// Files that were copied one after the other while they were written do not fit together, and hold everything in the segments.
#[test]
fn of_a_copied_journal_what_can_be_read_is_used() {
    for damage in 0..4 {
        let disk = copied(18);
        match damage {
            0 => drop(disk.flip_bit(&path("journal"), HEAD + BLOCK + 40)),
            1 => drop(disk.flip_bit(&path("journal"), 2 * BLOCK + 40)),
            2 => drop(disk.remove_file(&path("journal"))),
            _ => disk.open(&path("journal"), OpenMode::ReadWrite).unwrap().set_length(HEAD + BLOCK).unwrap(),
        }
        assert_eq!(findings(&disk), Vec::<String>::new());
        assert_eq!(records(&open(&disk)), [8; COUNT as usize], "{damage}");
    }
}

#[test]
fn what_was_kept_of_the_journal_is_not_lost_in_silence_either() {
    let disk = lost(17, 3);
    disk.fail_next(Operation::Sync, "topic1-2/00000000000000000000.log", Fault::Io);
    drop(open(&disk));
    let disk = disk.power_loss(17);
    let kept = path("journal-kept");
    let length = disk.open(&kept, OpenMode::Read).unwrap().length().unwrap();
    disk.flip_bit(&kept, length - BLOCK + 60).unwrap();
    assert_eq!(repaired(&disk, "journal-kept")[0], 5);
}

/// Yesterday's synced ends, put back after a clean stop, tell of a journal that is gone.
#[test]
fn after_a_clean_stop_a_repair_does_not_ask_for_a_journal_either() {
    let disk = SimDisk::new(30);
    let driven = ready(&disk);
    round(&driven, 2);
    let (_, old) = synced_ends(&disk);
    driven.drive(driven.store.close()).unwrap();
    drop(driven);
    let disk = disk.kill();
    write_all_at(synced_ends(&disk).0.as_ref(), &mut [IoSlice::new(&old)], 0).unwrap();
    assert_eq!(findings(&disk), Vec::<String>::new());
    let repaired = Repair::open(as_disk(&disk), Path::new(PATH));
    assert!(repaired.is_ok(), "{}", repaired.unwrap_err());
    drop(repaired);
    assert_eq!(records(&open(&disk)), [3; COUNT as usize]);
}

/// The turn that begins the second half was acknowledged by the disk and is not there; its batches are.
#[test]
fn a_first_turn_that_is_lost_is_told() {
    let disk = lost(31, 5);
    disk.overwrite_at_rest(&path("journal"), 2 * BLOCK, &[0; BLOCK as usize]).unwrap();
    assert_eq!(findings(&disk).len(), 1, "{:?}", records(&open(&disk)));
}

/// A start that stops while it lets go of a copied journal is followed by one that knows that it was copied.
#[test]
fn a_start_on_a_copied_journal_may_be_broken_off_anywhere() {
    for operation in 1..80 {
        let disk = copied(32);
        disk.flip_bit(&path("journal"), HEAD + BLOCK + 40).unwrap();
        disk.crash_at(disk.operations() + operation);
        drop(open_with(&as_disk(&disk), partitions(), Vec::new(), SMALL));
        let disk = disk.kill();
        assert_eq!(records(&open(&disk)), [8; COUNT as usize], "operation {operation}");
    }
}
