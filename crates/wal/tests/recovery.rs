//! Which bytes recovery takes, cuts, keeps and refuses.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::sync::Arc;

use highwater_disk::sim::{Random, SimDisk};
use highwater_disk::{Disk, OpenMode};
use highwater_types::{LeaderEpoch, Offset, Position};
use highwater_wal::{EntryError, LogPoint, RecoverFrom, Wal, WalError};
use support::{
    DIRECTORY, Known, contents, create, known, names, new_disk, options, path, read_all, recover,
    segment_name, stage, stage_many, sync, with_epoch, write, write_file,
};

/// Bytes of an entry with a payload of 68.
const ENTRY_SIZE: u64 = 100;

/// A synced log of `count` entries of 100 bytes, `per_segment` in each segment.
fn log(count: usize, per_segment: u64) -> (Arc<SimDisk>, Wal, Vec<Known>) {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(per_segment * ENTRY_SIZE));
    let entries = stage_many(&mut wal, count, 68);
    write(&mut wal).unwrap();
    sync(&mut wal).unwrap();
    (disk, wal, entries)
}

fn known_to(offset: i64) -> RecoverFrom {
    RecoverFrom { boundary: Some(Offset(offset)), ..RecoverFrom::default() }
}

fn append_raw(disk: &SimDisk, name: &str, bytes: &[u8]) {
    let mut whole = contents(disk, name);
    whole.extend_from_slice(bytes);
    write_file(disk, &path(name), &whole).unwrap();
}

fn corruption(
    result: Result<(Wal, highwater_wal::RecoveryReport), WalError>,
) -> (String, Position, Offset, EntryError) {
    match result {
        Err(WalError::Corrupt { file, position, offset_expected, reason }) => {
            (file.file_name().unwrap().to_string_lossy().into_owned(), position, offset_expected, reason)
        }
        other => panic!("expected corruption: {other:?}"),
    }
}

fn everything(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    names(disk).into_iter().map(|name| (name.clone(), contents(disk, &name))).collect()
}

#[test]
fn an_empty_directory_is_an_empty_log() {
    let disk = new_disk(1);
    let from = RecoverFrom { log_start_offset: Offset(7), ..RecoverFrom::default() };
    let (mut wal, report) = recover(&disk, options(1000), from).unwrap();
    assert_eq!((report.end, report.cut, report.unproven), (LogPoint::start_of(Offset(7)), None, false));
    stage_many(&mut wal, 1, 10);
    write(&mut wal).unwrap();
    assert_eq!(names(disk.as_ref()), [segment_name(7)]);
}

#[test]
fn a_torn_tail_is_cut_and_kept() {
    let (disk, _, entries) = log(5, 100);
    let garbage = &entries[0].bytes[..70];
    append_raw(&disk, &segment_name(0), garbage);
    let disk = disk.kill();
    let (wal, report) = recover(&disk, options(10_000), known_to(5)).unwrap();
    assert_eq!(read_all(&wal), entries);
    let cut = report.cut.unwrap();
    assert_eq!((cut.segment, cut.position, cut.bytes), (Offset(0), Position(500), 70));
    assert_eq!(cut.kept_as, [path("00000000000000000000.cut-500")]);
    assert_eq!(contents(disk.as_ref(), "00000000000000000000.cut-500"), garbage);
    assert_eq!(contents(disk.as_ref(), &segment_name(0)).len(), 500);
    assert!(report.unproven);
}

#[test]
fn what_was_kept_is_never_overwritten() {
    let (disk, ..) = log(1, 100);
    let mut disk = disk;
    for torn in [b"first".as_slice(), b"second", b"third"] {
        append_raw(&disk, &segment_name(0), torn);
        disk = disk.kill();
        recover(&disk, options(10_000), known_to(1)).unwrap();
    }
    let kept: Vec<Vec<u8>> = ["", "-1", "-2"]
        .map(|suffix| contents(disk.as_ref(), &format!("00000000000000000000.cut-100{suffix}")))
        .to_vec();
    assert_eq!(kept, [b"first".to_vec(), b"second".to_vec(), b"third".to_vec()]);
}

#[test]
fn zeros_at_the_end_are_cut_without_being_kept() {
    let (disk, _, entries) = log(3, 100);
    for zeros in [1, 31, 32, 5000] {
        append_raw(&disk, &segment_name(0), &vec![0; zeros]);
        let (wal, report) = recover(&disk, options(10_000), known_to(3)).unwrap();
        assert_eq!((read_all(&wal), report.cut), (entries.clone(), None));
        assert!(report.unproven);
        assert_eq!(names(disk.as_ref()), [segment_name(0)]);
        assert_eq!(contents(disk.as_ref(), &segment_name(0)).len(), 300);
    }
}

#[test]
fn a_bad_entry_below_the_boundary_is_corruption_and_changes_nothing() {
    for bad in 0..6u64 {
        let (disk, ..) = log(6, 2);
        let file = segment_name(i64::try_from(bad / 2 * 2).unwrap());
        disk.flip_bit(&path(&file), bad % 2 * ENTRY_SIZE + 50).unwrap();
        let before = everything(&disk);
        let (named, position, expected, reason) = corruption(recover(&disk, options(200), known_to(6)));
        assert_eq!(
            (named, position.0, expected.0),
            (file, bad % 2 * ENTRY_SIZE, i64::try_from(bad).unwrap())
        );
        assert!(matches!(reason, EntryError::BadChecksum { .. }));
        assert_eq!(everything(&disk), before);
    }
}

#[test]
fn the_same_bad_entry_above_the_boundary_is_cut_with_what_follows() {
    for bad in 0..6u64 {
        let (disk, _, entries) = log(6, 2);
        let bad_offset = i64::try_from(bad).unwrap();
        disk.flip_bit(&path(&segment_name(bad_offset / 2 * 2)), bad % 2 * ENTRY_SIZE + 50).unwrap();
        let (mut wal, report) = recover(&disk, options(200), known_to(bad_offset)).unwrap();
        assert_eq!(read_all(&wal), entries[..usize::try_from(bad).unwrap()]);
        let cut = report.cut.unwrap();
        assert_eq!(cut.bytes, (6 - bad) * ENTRY_SIZE);
        assert_eq!((cut.first_offset, cut.last_offset.is_some()), (Some(Offset(bad_offset)), true));
        let kept: usize =
            cut.kept_as.iter().map(|kept| contents(disk.as_ref(), kept.to_str().unwrap()).len()).sum();
        assert_eq!(kept as u64, cut.bytes);
        stage_many(&mut wal, 6, 68);
        write(&mut wal).unwrap();
        assert_eq!(read_all(&wal).len() as u64, bad + 6);
    }
}

#[test]
fn a_missing_or_short_file_below_the_boundary_is_corruption() {
    for base in [0, 2, 4] {
        let (disk, ..) = log(6, 2);
        let from = RecoverFrom { recovery_point: Some(LogPoint::start_of(Offset(0))), ..known_to(6) };
        disk.remove_file(&path(&segment_name(base))).unwrap();
        corruption(recover(&disk, options(200), from));

        let (disk, ..) = log(6, 2);
        disk.open(&path(&segment_name(base)), OpenMode::ReadWrite).unwrap().set_length(100).unwrap();
        corruption(recover(&disk, options(200), from));
    }
    let (disk, ..) = log(2, 2);
    disk.remove_file(&path(&segment_name(0))).unwrap();
    let (_, position, expected, _) = corruption(recover(&disk, options(200), known_to(2)));
    assert_eq!((position, expected), (Position(0), Offset(0)));
}

#[test]
fn a_gap_between_segments_above_the_boundary_sets_the_rest_aside() {
    let (disk, _, entries) = log(6, 2);
    disk.remove_file(&path(&segment_name(2))).unwrap();
    let (wal, report) = recover(&disk, options(200), known_to(2)).unwrap();
    assert_eq!(read_all(&wal), entries[..2]);
    let cut = report.cut.unwrap();
    assert_eq!(cut.reason, EntryError::WrongOffset { expected: Offset(2), found: Offset(4) });
    assert_eq!(cut.kept_as, [path("00000000000000000004.cut-0")]);
}

#[test]
fn holes_are_accepted_only_where_they_are_allowed() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(1000));
    let entries = [known(Offset(3), 2, b"a"), known(Offset(9), 1, b"b")];
    for entry in &entries {
        stage(&mut wal, entry);
    }
    write(&mut wal).unwrap();
    sync(&mut wal).unwrap();
    assert_eq!(wal.segments()[0].base_offset(), Offset(3));
    let from = RecoverFrom { holes_allowed: true, ..known_to(10) };
    let (wal, _) = recover(&disk, options(1000), from).unwrap();
    assert_eq!(read_all(&wal), entries);
    let reason = corruption(recover(&disk, options(1000), known_to(10))).3;
    assert_eq!(reason, EntryError::WrongOffset { expected: Offset(5), found: Offset(9) });
}

#[test]
fn repeated_offsets_and_falling_epochs_break_the_rule() {
    for (entry, reason) in [
        (with_epoch(Offset(1), 6, b"x"), EntryError::WrongOffset { expected: Offset(2), found: Offset(1) }),
        (
            with_epoch(Offset(2), 4, b"x"),
            EntryError::EpochFell { before: LeaderEpoch(5), found: LeaderEpoch(4) },
        ),
    ] {
        let disk = new_disk(1);
        let good: Vec<u8> = [with_epoch(Offset(0), 2, b"x"), with_epoch(Offset(1), 5, b"x")]
            .iter()
            .flat_map(|entry| entry.bytes.clone())
            .collect();
        write_file(disk.as_ref(), &path(&segment_name(0)), &[good, entry.bytes].concat()).unwrap();
        for holes_allowed in [false, true] {
            let from = RecoverFrom { holes_allowed, ..known_to(3) };
            assert_eq!(corruption(recover(&disk, options(1000), from)).3, reason);
        }
        let (wal, report) = recover(&disk, options(1000), known_to(2)).unwrap();
        assert_eq!((read_all(&wal).len(), report.cut.unwrap().reason), (2, reason));
    }
}

#[test]
fn scanning_starts_at_the_recovery_point() {
    let (disk, wal, entries) = log(6, 4);
    let point = LogPoint { offset: Offset(3), segment: Offset(0), position: Position(300) };
    disk.flip_bit(&path(&segment_name(0)), 50).unwrap();
    let from = RecoverFrom { recovery_point: Some(point), ..known_to(6) };
    let (recovered, report) = recover(&disk, options(400), from).unwrap();
    assert_eq!((report.scanned_entries, report.scanned_bytes, report.unproven), (3, 300, false));
    assert_eq!((recovered.staged_end(), recovered.segments().len()), (wal.staged_end(), 2));
    assert_eq!(entries.len(), 6);
}

#[test]
fn a_recovery_point_that_holds_no_such_entry_is_not_trusted() {
    for position in [299, 301, 200, 600, 0] {
        let (disk, ..) = log(6, 4);
        let point = LogPoint { offset: Offset(3), segment: Offset(0), position: Position(position) };
        let from = RecoverFrom { recovery_point: Some(point), ..known_to(6) };
        let (wal, report) = recover(&disk, options(400), from).unwrap();
        assert_eq!((report.scanned_entries, read_all(&wal).len()), (6, 6), "position {position}");
    }
}

#[test]
fn a_torn_entry_right_at_the_recovery_point_is_cut() {
    let (disk, _, entries) = log(3, 100);
    append_raw(&disk, &segment_name(0), &[7; 40]);
    let point = LogPoint { offset: Offset(3), segment: Offset(0), position: Position(300) };
    let from = RecoverFrom { recovery_point: Some(point), ..known_to(3) };
    let (wal, report) = recover(&disk, options(10_000), from).unwrap();
    assert_eq!((read_all(&wal), report.cut.unwrap().bytes), (entries, 40));
}

#[test]
fn a_clean_stop_is_believed_only_if_the_length_fits() {
    let (disk, mut wal, entries) = log(5, 4);
    let end = wal.staged_end();
    wal.close().unwrap();
    let from = RecoverFrom { recovery_point: Some(end), clean: true, ..known_to(5) };
    let (recovered, report) = recover(&disk, options(400), from).unwrap();
    assert_eq!((read_all(&recovered), report.scanned_bytes, report.unproven), (entries.clone(), 0, false));

    append_raw(&disk, &segment_name(4), b"more");
    let (recovered, report) = recover(&disk, options(400), from).unwrap();
    assert_eq!((read_all(&recovered), report.cut.unwrap().bytes), (entries, 4));
}

#[test]
fn half_made_files_are_removed_and_others_are_left_alone() {
    let (disk, _, entries) = log(3, 2);
    let (half_made, others) = (
        ["next.prep", "00000000000000000000.log.cleaned", "00000000000000000000.log.deleted", "x.prep"],
        ["00000000000000000000.index", "00000000000000000000.log.suspect", "partition.metadata"],
    );
    half_made.iter().chain(&others).for_each(|name| write_file(disk.as_ref(), &path(name), b"?").unwrap());
    let (wal, report) = recover(&disk, options(200), known_to(3)).unwrap();
    assert_eq!(read_all(&wal), entries);
    let mut finished = report.finished;
    finished.sort();
    let mut expected = half_made.map(str::to_string);
    expected.sort();
    assert_eq!(finished, expected);
    let left = names(disk.as_ref());
    assert!(others.iter().all(|name| left.contains(&(*name).to_string())));
    assert_eq!(left.len(), others.len() + 2);
}

#[test]
fn segments_wholly_below_the_log_start_are_removed() {
    let (disk, _, entries) = log(6, 2);
    let from = RecoverFrom { log_start_offset: Offset(3), ..known_to(6) };
    let (wal, report) = recover(&disk, options(200), from).unwrap();
    assert_eq!((read_all(&wal), report.finished), (entries[2..].to_vec(), vec![segment_name(0)]));
}

#[test]
fn what_recovery_returned_survives_a_power_loss_after_a_kill() {
    for seed in 0..50 {
        let disk = new_disk(seed);
        let mut wal = create(&disk, options(300));
        let entries = stage_many(&mut wal, 10, 68);
        write(&mut wal).unwrap();
        let disk = disk.kill();
        let (wal, report) = recover(&disk, options(300), RecoverFrom::default()).unwrap();
        assert_eq!((read_all(&wal), report.end), (entries.clone(), wal.synced_end()));
        let disk = disk.power_loss(seed);
        let (wal, _) = recover(&disk, options(300), known_to(10)).unwrap();
        assert_eq!(read_all(&wal), entries, "seed {seed}");
    }
}

#[test]
fn a_sync_that_fails_in_recovery_fails_recovery() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(300));
    stage_many(&mut wal, 10, 68);
    write(&mut wal).unwrap();
    let disk = disk.kill();
    disk.fail_next_sync(".log");
    assert!(matches!(recover(&disk, options(300), RecoverFrom::default()), Err(WalError::Disk(_))));
}

#[test]
fn recovering_twice_gives_the_same() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let (disk, ..) = log(8, 3);
        for _ in 0..random.below(3) {
            let name = segment_name([0, 3, 6][random.index(3)]);
            let length = contents(disk.as_ref(), &name).len() as u64;
            disk.flip_bit(&path(&name), random.below(length)).unwrap();
        }
        if random.coin() {
            let mut garbage = vec![0; random.index(300)];
            random.fill(&mut garbage);
            append_raw(&disk, &segment_name(6), &garbage);
        }
        let (first, one) = recover(&disk, options(300), RecoverFrom::default()).unwrap();
        let files = everything(&disk);
        let (second, two) = recover(&disk, options(300), RecoverFrom::default()).unwrap();
        assert_eq!((read_all(&first), one.end), (read_all(&second), two.end), "seed {seed}");
        assert_eq!((two.cut, everything(&disk)), (None, files), "seed {seed}");
    }
}

#[test]
fn random_bytes_never_panic_and_never_grow_memory_by_what_they_claim() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let disk = new_disk(seed);
        let mut bytes = vec![0; random.index(3000)];
        random.fill(&mut bytes);
        if random.coin() {
            let mut header = highwater_wal::format::SimpleFormat::entry(Offset(0), 1, b"payload").unwrap();
            header[24..28].copy_from_slice(&u32::MAX.to_be_bytes());
            bytes.splice(..0, header);
        }
        write_file(disk.as_ref(), &path(&segment_name(0)), &bytes).unwrap();
        let (wal, report) = recover(&disk, options(300), RecoverFrom::default()).unwrap();
        assert_eq!((wal.staged_end().offset, report.scanned_entries), (Offset(0), 0), "seed {seed}");
        assert_eq!(disk.list(DIRECTORY.as_ref()).unwrap().len(), if bytes.is_empty() { 1 } else { 2 });
    }
}

#[test]
fn an_entry_larger_than_a_read_is_verified() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(1000));
    let entries =
        [known(Offset(0), 1, b"small"), known(Offset(1), 1, &vec![5; 3 << 20]), known(Offset(2), 1, b"x")];
    for entry in &entries {
        stage(&mut wal, entry);
    }
    write(&mut wal).unwrap();
    assert_eq!(wal.segments().len(), 3);
    let (wal, _) = recover(&disk.kill(), options(1000), RecoverFrom::default()).unwrap();
    assert_eq!(read_all(&wal), entries);
}

#[test]
fn what_a_killed_recovery_cut_stays_cut_after_the_next_one() {
    let mut killed = 0;
    for crash_at in 1..15 {
        for seed in 0..10 {
            let (disk, _, entries) = log(5, 100);
            append_raw(&disk, &segment_name(0), &[7; 40]);
            let point = LogPoint { offset: Offset(5), segment: Offset(0), position: Position(500) };
            let from = RecoverFrom { recovery_point: Some(point), ..known_to(5) };
            disk.crash_at(disk.operations() + crash_at);
            killed += u32::from(recover(&disk, options(10_000), from).is_err());
            let disk = disk.kill();
            recover(&disk, options(10_000), from).unwrap();
            let disk = disk.power_loss(seed);
            let whole: Vec<u8> = entries.iter().flat_map(|entry| entry.bytes.clone()).collect();
            assert!(contents(disk.as_ref(), &segment_name(0)) == whole, "operation {crash_at}, seed {seed}");
        }
    }
    assert!(killed >= 50, "{killed}");
}
