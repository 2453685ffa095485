//! Writes and syncs that fail: what is closed, what is doubtful, what comes back.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use highwater_disk::Operation;
use highwater_disk::sim::Fault;
use highwater_types::{Offset, Position};
use highwater_wal::{LogPoint, RecoverFrom, StageError, WalError};
use support::{
    Driver, Oracle, contents, create, names, new_disk, options, path, read_all, recover, segment_name,
    stage_many, sync, write,
};

fn known_to(offset: Offset) -> RecoverFrom {
    let recovery_point = Some(LogPoint::start_of(Offset(0)));
    RecoverFrom { recovery_point, boundary: Some(offset), ..RecoverFrom::default() }
}

#[test]
fn a_failed_sync_closes_the_log_and_is_not_tried_again() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(10_000));
    stage_many(&mut wal, 3, 68);
    write(&mut wal).unwrap();
    sync(&mut wal).unwrap();
    let synced = wal.synced_end();
    stage_many(&mut wal, 3, 68);
    write(&mut wal).unwrap();
    disk.fail_next_sync(".log");
    assert!(sync(&mut wal).is_err());
    let failure = wal.failure().unwrap();
    assert_eq!((failure.suspect, failure.error.operation), (Some(synced), Operation::Sync));
    assert_eq!(failure.error.path, path(&segment_name(0)));
    assert!(wal.begin_sync().is_none() && wal.begin_write().is_none() && wal.begin_prepare().is_none());
    let entry = support::known(wal.staged_end().offset, 1, b"x");
    assert_eq!(wal.stage_copy(&entry.bytes), Err(StageError::Closed));
    assert!(matches!(wal.close(), Err(WalError::Closed)));
    assert_eq!(wal.synced_end(), synced);
}

#[test]
fn after_a_failed_sync_good_entries_are_copied_from_the_device() {
    for seed in 0..100 {
        let disk = new_disk(seed);
        let mut wal = create(&disk, options(500));
        let entries = stage_many(&mut wal, 12, 68);
        write(&mut wal).unwrap();
        sync(&mut wal).unwrap();
        let more = stage_many(&mut wal, 6, 68);
        write(&mut wal).unwrap();
        disk.fail_next_sync(&segment_name(10));
        assert!(sync(&mut wal).is_err());
        let suspect = wal.failure().unwrap().suspect.unwrap();
        drop(wal);
        let from = RecoverFrom { suspect: Some(suspect), ..known_to(suspect.offset) };
        let (mut wal, report) = recover(&disk, options(500), from).unwrap();
        let all = [entries, more].concat();
        let found = read_all(&wal);
        assert!(found.len() >= 12 && found == all[..found.len()], "seed {seed}: {report:?}");
        assert!(names(disk.as_ref()).contains(&format!("{}.suspect", segment_name(10))), "seed {seed}");
        assert!(!disk.trace().iter().any(|line| line.contains("sync /log/00000000000000000010.log.suspect")));
        // What was copied is durable, and the log goes on.
        stage_many(&mut wal, 3, 68);
        write(&mut wal).unwrap();
        sync(&mut wal).unwrap();
        let expected = read_all(&wal);
        let end = wal.synced_end();
        let (wal, _) = recover(&disk.power_loss(seed), options(500), known_to(end.offset)).unwrap();
        assert_eq!(read_all(&wal), expected, "seed {seed}");
    }
}

#[test]
fn crashes_while_doubtful_segments_are_copied_lose_nothing() {
    for crash_at in 1..40 {
        for seed in 0..4 {
            let disk = new_disk(seed);
            let mut wal = create(&disk, options(500));
            let entries = stage_many(&mut wal, 12, 68);
            write(&mut wal).unwrap();
            sync(&mut wal).unwrap();
            stage_many(&mut wal, 6, 68);
            write(&mut wal).unwrap();
            disk.fail_next_sync(".log");
            assert!(sync(&mut wal).is_err());
            let suspect = wal.failure().unwrap().suspect.unwrap();
            let from = RecoverFrom { suspect: Some(suspect), ..known_to(suspect.offset) };
            disk.crash_at(disk.operations() + crash_at);
            let first = recover(&disk, options(500), from);
            assert_eq!(first.is_err(), disk.has_crashed());
            let disk = if seed == 0 { disk.kill() } else { disk.power_loss(seed) };
            let (wal, _) = recover(&disk, options(500), from).unwrap();
            let found = read_all(&wal);
            assert!(found.len() >= 12 && found[..12] == entries, "operation {crash_at}, seed {seed}");
        }
    }
}

#[test]
fn a_failed_directory_sync_closes_the_log_too() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(10_000));
    stage_many(&mut wal, 1, 10);
    write(&mut wal).unwrap();
    disk.fail_next(Operation::SyncDirectory, "log", Fault::Io);
    assert!(sync(&mut wal).is_err());
    assert_eq!(wal.failure().unwrap().error.operation, Operation::SyncDirectory);
    assert_eq!(wal.synced_end(), LogPoint::start_of(Offset(0)));
}

#[test]
fn a_full_disk_takes_nothing_and_loses_nothing() {
    for prepared in [false, true] {
        for room in [0, 1, 50, 150, 250, 350, 650] {
            let disk = new_disk(room);
            let mut wal = create(&disk, options(300));
            let mut entries = stage_many(&mut wal, 8, 68);
            write(&mut wal).unwrap();
            sync(&mut wal).unwrap();
            if prepared {
                let job = wal.begin_prepare().unwrap();
                let result = job.run();
                wal.end_prepare(job, result);
            }
            // Entries up to 8 stand in segments 0, 3 and 6.
            let reserved = if prepared { 64 << 10 } else { 0 };
            disk.set_capacity(Some(800 + reserved + room));
            stage_many(&mut wal, 8, 68);
            assert!(write(&mut wal).is_err() || prepared, "room {room}");
            let Some(failure) = wal.failure() else { continue };
            assert!(failure.error.is_out_of_space() && failure.suspect.is_none());
            // The partition stays online: recovery needs no space, since the failed write was taken back.
            let (mut again, report) = recover(&disk, options(300), known_to(Offset(8))).unwrap();
            assert_eq!((read_all(&again), report.cut), (entries.clone(), None), "room {room}");
            if !prepared {
                stage_many(&mut again, 8, 68);
                assert!(write(&mut again).is_err(), "room {room}");
            }
            disk.set_capacity(None);
            let (mut again, _) = recover(&disk, options(300), known_to(Offset(8))).unwrap();
            entries.extend(stage_many(&mut again, 8, 68));
            write(&mut again).unwrap();
            sync(&mut again).unwrap();
            assert_eq!(read_all(&again), entries);
        }
    }
}

#[test]
fn every_operation_may_fail_and_recovery_brings_everything_acknowledged_back() {
    for fault in [Fault::Io, Fault::OutOfSpace] {
        for seed in 0..3 {
            for at in 1.. {
                let disk = new_disk(seed);
                let start = disk.operations();
                disk.fail_at(start + at, fault);
                let mut driver = Driver::new(disk.clone(), seed, options(600));
                let result = driver.run(60);
                if disk.operations() < start + at {
                    assert!(result.is_ok() && at > 30, "{result:?}");
                    break;
                }
                // A failure that nobody was told of (of a preparation, say) is no failure of the log.
                let suspect = driver.wal.failure().and_then(|failure| failure.suspect);
                let mut oracle: Oracle = driver.oracle.clone();
                let from = RecoverFrom { suspect, ..oracle.recover_from(Some(oracle.acknowledged)) };
                drop(driver);
                let context = format!("{fault:?} at {at}, seed {seed}: {result:?}");
                let (wal, report) = match recover(&disk, options(600), from) {
                    Ok(recovered) => recovered,
                    Err(error) => panic!("{context}: {error}\n{}", disk.trace().join("\n")),
                };
                oracle.check(&wal, &context);
                oracle.recovery_point = Some(report.end);
                let from = oracle.recover_from(Some(oracle.acknowledged));
                let (wal, _) = recover(&disk.power_loss(seed), options(600), from).unwrap();
                oracle.check(&wal, &context);
            }
        }
    }
}

#[test]
fn short_and_interrupted_writes_and_reads_are_gone_on_with() {
    let disk = new_disk(5);
    disk.set_short_writes(2);
    disk.set_interruptions(3);
    let mut wal = create(&disk, options(2000));
    let entries = stage_many(&mut wal, 100, 68);
    write(&mut wal).unwrap();
    sync(&mut wal).unwrap();
    let (wal, _) = recover(&disk.kill(), options(2000), known_to(Offset(100))).unwrap();
    assert_eq!(read_all(&wal), entries);
}

#[test]
fn bytes_that_cannot_be_read_are_an_error_not_an_end() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(10_000));
    stage_many(&mut wal, 5, 68);
    write(&mut wal).unwrap();
    sync(&mut wal).unwrap();
    disk.make_unreadable(&path(&segment_name(0)), 210..220).unwrap();
    assert!(matches!(recover(&disk, options(10_000), known_to(Offset(5))), Err(WalError::Disk(_))));
    assert!(matches!(recover(&disk, options(10_000), RecoverFrom::default()), Err(WalError::Disk(_))));
    assert_eq!(wal.segments()[0].end(), Position(500));
    assert_eq!(names(disk.as_ref()), [segment_name(0)]);
    assert!(std::panic::catch_unwind(|| contents(disk.as_ref(), &segment_name(0))).is_err());
}
