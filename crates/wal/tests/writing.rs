//! Staging, rolling, jobs and what they cover.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use bytes::Bytes;
use highwater_disk::Operation;
use highwater_disk::sim::Fault;
use highwater_types::{Offset, Position};
use highwater_wal::{EntryError, LogPoint, RecoverFrom, StageError, WalError, WalOptions};
use support::{
    Driver, contents, create, known, names, new_disk, options, read_all, recover, segment_name, stage,
    stage_many, sync, write,
};

fn bases(wal: &highwater_wal::Wal) -> Vec<i64> {
    wal.segments().iter().map(|segment| segment.base_offset().0).collect()
}

#[test]
fn a_log_is_made_without_touching_the_disk() {
    let disk = new_disk(1);
    let before = disk.operations();
    let mut wal = create(&disk, options(1000));
    stage_many(&mut wal, 3, 10);
    assert_eq!((disk.operations(), wal.segments().len()), (before, 0));
    assert_eq!(wal.staged_end().offset, Offset(3));
    assert_eq!(
        (wal.written_end(), wal.synced_end()),
        (LogPoint::start_of(Offset(0)), LogPoint::start_of(Offset(0)))
    );
}

#[test]
fn any_segment_size_works_and_a_large_entry_has_a_segment_of_its_own() {
    for segment_bytes in [0, 1, 99, 100, 101, 250, 10_000] {
        let disk = new_disk(1);
        let mut wal = create(&disk, options(segment_bytes));
        let mut entries = stage_many(&mut wal, 5, 68);
        let large = known(Offset(5), 1, &[1; 700]);
        assert_eq!(stage(&mut wal, &large).rolled, segment_bytes < 10_000);
        entries.push(large);
        entries.extend(stage_many(&mut wal, 5, 68));
        write(&mut wal).unwrap();
        assert_eq!(read_all(&wal), entries, "{segment_bytes}");
        for segment in wal.segments() {
            let holds_large = segment.base_offset() == Offset(5);
            let fits = segment.end().0 <= segment_bytes.max(100);
            assert!(fits || holds_large, "{segment_bytes}: {:?}", segment.end());
        }
        let (wal, _) = recover(&disk.kill(), options(segment_bytes), RecoverFrom::default()).unwrap();
        assert_eq!(read_all(&wal), entries);
    }
}

#[test]
fn placements_say_where_entries_will_stand() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(250));
    let placed: Vec<_> = (0..5)
        .map(|offset| {
            let placement = stage(&mut wal, &known(Offset(offset), 1, &[1; 68]));
            (placement.segment.0, placement.position.0, placement.rolled)
        })
        .collect();
    assert_eq!(placed, [(0, 0, true), (0, 100, false), (2, 0, true), (2, 100, false), (4, 0, true)]);
}

#[test]
fn entries_staged_while_a_roll_is_in_flight_go_to_the_new_segment() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(300));
    let mut entries = stage_many(&mut wal, 2, 68);
    write(&mut wal).unwrap();
    wal.roll();
    entries.extend(stage_many(&mut wal, 1, 68));
    let mut job = wal.begin_write().unwrap();
    entries.extend(stage_many(&mut wal, 2, 68));
    assert!(wal.begin_write().is_none());
    let result = job.run();
    entries.extend(stage_many(&mut wal, 1, 68));
    wal.end_write(job, result);
    assert_eq!(bases(&wal), [0, 2]);
    write(&mut wal).unwrap();
    assert_eq!((read_all(&wal), bases(&wal)), (entries, vec![0, 2, 5]));
}

#[test]
fn rolling_an_empty_segment_does_nothing() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(300));
    wal.roll();
    wal.roll();
    stage_many(&mut wal, 1, 68);
    wal.roll();
    wal.roll();
    stage_many(&mut wal, 1, 68);
    write(&mut wal).unwrap();
    assert_eq!(bases(&wal), [0, 1]);
}

#[test]
fn a_job_takes_no_more_than_it_may_but_at_least_one_entry() {
    let disk = new_disk(1);
    let mut wal = create(&disk, WalOptions { max_write_bytes: 250, ..options(10_000) });
    let mut entries = stage_many(&mut wal, 5, 68);
    let large = known(Offset(5), 1, &[1; 700]);
    stage(&mut wal, &large);
    entries.push(large);
    let mut sizes = Vec::new();
    while let Some(mut job) = wal.begin_write() {
        sizes.push((job.bytes(), job.end().offset.0));
        assert_eq!(wal.staged_bytes() + sizes.iter().map(|(bytes, _)| bytes).sum::<u64>(), 1232);
        let result = job.run();
        wal.end_write(job, result);
    }
    assert_eq!(sizes, [(200, 2), (200, 4), (100, 5), (732, 6)]);
    assert_eq!(read_all(&wal), entries);
}

#[test]
fn many_entries_are_few_writes() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(1 << 30));
    let entries = stage_many(&mut wal, 2000, 68);
    write(&mut wal).unwrap();
    let writes = disk.trace().iter().filter(|line| line.contains(" write ")).count();
    assert!(writes <= 8, "{writes}");
    assert_eq!(read_all(&wal), entries);
}

#[test]
fn a_sync_covers_what_was_written_before_it_and_nothing_else() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(200));
    stage_many(&mut wal, 3, 68);
    write(&mut wal).unwrap();
    let job = wal.begin_sync().unwrap();
    assert_eq!((job.files().len(), job.directory().is_some(), job.steps()), (2, true, 3));
    assert!(wal.begin_sync().is_none());
    stage_many(&mut wal, 2, 68);
    write(&mut wal).unwrap();
    let result = job.run();
    let end = job.end();
    wal.end_sync(job, result);
    assert_eq!((wal.synced_end(), end.offset), (end, Offset(3)));
    let job = wal.begin_sync().unwrap();
    assert_eq!((job.files().len(), job.directory().is_some()), (2, true));
    let result = (0..job.steps()).rev().try_for_each(|step| job.run_step(step));
    wal.end_sync(job, result);
    assert_eq!(wal.synced_end(), wal.staged_end());
    assert!(wal.begin_sync().is_none());
    stage_many(&mut wal, 1, 8);
    write(&mut wal).unwrap();
    let job = wal.begin_sync().unwrap();
    assert_eq!((job.files().len(), job.directory()), (1, None));
}

#[test]
fn a_prepared_file_becomes_the_next_segment() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(300));
    stage_many(&mut wal, 1, 68);
    write(&mut wal).unwrap();
    assert!(wal.begin_prepare().is_none(), "less than half full");
    stage_many(&mut wal, 1, 68);
    write(&mut wal).unwrap();
    let job = wal.begin_prepare().unwrap();
    assert!(wal.begin_prepare().is_none(), "one is in flight");
    let result = job.run();
    wal.end_prepare(job, result);
    assert!(wal.begin_prepare().is_none(), "one is ready");
    assert_eq!(names(disk.as_ref()), [segment_name(0), "next.prep".into()]);
    let entries = stage_many(&mut wal, 3, 68);
    write(&mut wal).unwrap();
    assert_eq!(names(disk.as_ref()), [segment_name(0), segment_name(3)]);
    assert_eq!(read_all(&wal)[2..], entries);
    wal.roll();
    stage_many(&mut wal, 1, 68);
    write(&mut wal).unwrap();
    let trimmed = format!("set length /log/{} 200: ok", segment_name(3));
    assert!(disk.trace().iter().any(|line| line.ends_with(&trimmed)), "what was reserved is given back");
}

#[test]
fn large_writes_reserve_ahead_what_a_stop_gives_back() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(4000));
    let seen = |what: &str| disk.trace().iter().filter(|line| line.contains(what)).count();
    stage_many(&mut wal, 3, 68);
    write(&mut wal).unwrap();
    assert_eq!(seen("allocate"), 0, "a small write");
    for _ in 0..3 {
        stage_many(&mut wal, 10, 68);
        write(&mut wal).unwrap();
    }
    assert_eq!((seen("allocate"), seen("300+3700: ok")), (1, 1));
    sync(&mut wal).unwrap();
    wal.close().unwrap();
    assert_eq!(seen(&format!("set length /log/{} 3300: ok", segment_name(0))), 1);
}

#[test]
fn without_room_to_reserve_a_write_that_fits_is_made() {
    let disk = new_disk(1);
    disk.set_capacity(Some(1500));
    let mut wal = create(&disk, options(4000));
    let entries = stage_many(&mut wal, 10, 68);
    write(&mut wal).unwrap();
    assert!(disk.trace().iter().any(|line| line.contains("allocate") && !line.ends_with("ok")));
    assert_eq!(read_all(&wal), entries);
}

#[test]
fn a_preparation_that_fails_or_is_lost_only_costs_the_file() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(300));
    stage_many(&mut wal, 2, 68);
    write(&mut wal).unwrap();
    disk.fail_next(Operation::Allocate, "next.prep", Fault::OutOfSpace);
    let job = wal.begin_prepare().unwrap();
    let result = job.run();
    assert!(result.is_err());
    wal.end_prepare(job, result);
    assert_eq!(names(disk.as_ref()), [segment_name(0)]);
    let job = wal.begin_prepare().unwrap();
    let result = job.run();
    wal.end_prepare(job, result);
    disk_remove(&disk, "next.prep");
    stage_many(&mut wal, 3, 68);
    write(&mut wal).unwrap();
    assert_eq!((read_all(&wal).len(), bases(&wal)), (5, vec![0, 3]));
}

fn disk_remove(disk: &highwater_disk::sim::SimDisk, name: &str) {
    highwater_disk::Disk::remove_file(disk, &support::path(name)).unwrap();
}

#[test]
fn offsets_that_do_not_follow_are_refused_and_change_nothing() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(300));
    stage_many(&mut wal, 3, 68);
    let end = wal.staged_end();
    for (base, last) in [(2, 2), (5, 4), (-1, 0), (3, i64::MAX)] {
        let result = wal.stage(&[1; 32], Bytes::new(), (Offset(base), Offset(last)));
        assert!(matches!(result, Err(StageError::Offsets { .. })), "{base}..={last}");
    }
    assert!(matches!(
        wal.stage(&[1; 31], Bytes::new(), (Offset(3), Offset(3))),
        Err(StageError::TooShort { size: 31 })
    ));
    let entry = known(Offset(3), 1, b"x").bytes;
    assert!(matches!(
        wal.stage_copy(&[entry.clone(), vec![0]].concat()),
        Err(StageError::Entry(EntryError::BadLength { .. }))
    ));
    assert!(wal.stage_copy(&[0; 40]).is_err());
    assert_eq!((wal.staged_end(), wal.staged_bytes()), (end, 300));
    assert!(wal.stage_copy(&entry).is_ok());
}

#[test]
fn removing_everything_leaves_a_log_that_begins_at_its_end() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(200));
    stage_many(&mut wal, 5, 68);
    write(&mut wal).unwrap();
    sync(&mut wal).unwrap();
    assert_eq!(wal.remove_before(Offset(3)).len(), 1);
    assert_eq!(wal.remove_before(Offset(5)).len(), 1, "the active segment stays");
    wal.roll();
    assert_eq!(wal.remove_before(Offset(5)).len(), 1);
    let end = LogPoint::start_of(Offset(5));
    assert_eq!((wal.staged_end(), wal.written_end(), wal.synced_end()), (end, end, end));
    assert!(wal.begin_sync().is_none());
    stage_many(&mut wal, 1, 68);
    write(&mut wal).unwrap();
    assert_eq!(bases(&wal), [5]);
}

#[test]
fn removing_unsynced_segments_does_not_hold_back_the_synced_end() {
    for in_flight in [false, true] {
        let disk = new_disk(1);
        let mut wal = create(&disk, options(1000));
        stage_many(&mut wal, 5, 68);
        write(&mut wal).unwrap();
        wal.roll();
        let job = if in_flight {
            let job = wal.begin_sync().unwrap();
            assert!(wal.remove_before(Offset(5)).is_empty(), "not while a sync is in flight");
            job
        } else {
            assert_eq!(wal.remove_before(Offset(5)).len(), 1);
            wal.begin_sync().unwrap()
        };
        let result = job.run();
        wal.end_sync(job, result);
        assert_eq!(wal.synced_end(), wal.written_end());
        assert_eq!(wal.synced_end().offset, Offset(5));
    }
}

#[test]
fn a_descriptor_with_unsynced_bytes_is_never_closed() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(1000));
    stage_many(&mut wal, 5, 68);
    write(&mut wal).unwrap();
    let segment = wal.segments()[0].clone();
    assert!(!segment.release());
    let job = wal.begin_sync().unwrap();
    assert!(!segment.release());
    let result = job.run();
    wal.end_sync(job, result);
    let range = segment.range(Position(0), Position(100)).unwrap();
    assert!(!segment.release(), "a read holds it");
    drop(range);
    assert!(segment.release());
    assert!(!segment.release());
    stage_many(&mut wal, 1, 68);
    write(&mut wal).unwrap();
    assert_eq!(read_all(&wal).len(), 6);
}

#[test]
fn while_descriptors_are_short_files_are_open_only_as_long_as_they_are_needed() {
    let disk = new_disk(1);
    disk.set_descriptor_limits(Some((0, usize::MAX)));
    let mut wal = create(&disk, options(150));
    stage_many(&mut wal, 5, 68);
    while wal.staged_bytes() > 0 {
        write(&mut wal).unwrap();
    }
    assert!(wal.segments().len() > 2);
    let is_open =
        |wal: &highwater_wal::Wal| wal.segments().iter().any(|segment| segment.cached_file().is_some());
    assert!(wal.segments().iter().all(|segment| !segment.release()), "unsynced bytes keep theirs");
    let job = wal.begin_sync().unwrap();
    let result = job.run();
    wal.end_sync(job, result);
    assert!(!is_open(&wal), "synced");
    let range = wal.segments()[0].range(Position(0), Position(100)).unwrap();
    assert_eq!(range.read().unwrap().len(), 100);
    assert!(!is_open(&wal), "a read keeps its own");
    disk.set_descriptor_limits(None);
    assert_eq!(read_all(&wal).len(), 5);
    assert!(is_open(&wal), "there are plenty again");
}

#[test]
fn a_clean_stop_leaves_files_that_end_at_their_last_entry() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(300));
    stage_many(&mut wal, 2, 68);
    write(&mut wal).unwrap();
    let job = wal.begin_prepare().unwrap();
    assert!(matches!(wal.close(), Err(WalError::Busy)));
    let result = job.run();
    wal.end_prepare(job, result);
    stage_many(&mut wal, 1, 8);
    assert!(matches!(wal.close(), Err(WalError::Busy)));
    write(&mut wal).unwrap();
    wal.close().unwrap();
    assert_eq!(wal.synced_end(), wal.staged_end());
    assert_eq!(names(disk.as_ref()), [segment_name(0)]);
    assert_eq!(contents(disk.as_ref(), &segment_name(0)).len(), 240);
    assert!(wal.begin_write().is_none());
    assert_eq!(wal.stage_copy(&known(Offset(3), 1, b"x").bytes), Err(StageError::Closed));
    let disk = disk.power_loss(3);
    let from = RecoverFrom { boundary: Some(Offset(3)), ..RecoverFrom::default() };
    assert_eq!(read_all(&recover(&disk, options(300), from).unwrap().0).len(), 3);
}

#[test]
fn random_runs_agree_with_the_model() {
    for seed in 0..200 {
        let disk = new_disk(seed);
        let segment_bytes = [1, 150, 600, 5_000][usize::try_from(seed % 4).unwrap()];
        let mut driver = Driver::new(disk, seed, options(segment_bytes));
        driver.run(150).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        driver.write().unwrap();
        driver.sync().unwrap();
        let wal = driver.wal;
        driver.oracle.check(&wal, &format!("seed {seed}"));
    }
}

#[test]
fn a_seed_gives_the_same_run_twice() {
    let trace = |seed| {
        let disk = new_disk(seed);
        Driver::new(disk.clone(), seed, options(600)).run(150).unwrap();
        disk.trace()
    };
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}
