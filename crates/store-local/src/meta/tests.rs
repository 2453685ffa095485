//! The store over the simulated disk: crashes at every operation, full and failing disks; and on the real one.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use highwater_disk::sim::{Fault, SimDisk};
use highwater_disk::{Disk, Operation};
use highwater_store::conformance::{MetaFixture, block_on, meta_store};
use highwater_store::meta::{BrokerConfigRecord, FeatureRecord, ProducerIdsRecord};
use highwater_store::{MetaChange, MetaError, MetaKey, MetaRecord, MetaStore};

use super::{MetaCore, RedbMetaStore};

const FILE: &str = "meta.redb";

thread_local! {
    /// The file size from which on commits have two phases, for the test that runs on this thread.
    static QUICK_REPAIR_FROM: Cell<u64> = const { Cell::new(u64::MAX) };
}

fn open(disk: &Arc<SimDisk>) -> Result<MetaCore, MetaError> {
    MetaCore::open_with(Arc::clone(disk) as Arc<dyn Disk>, Path::new(FILE), QUICK_REPAIR_FROM.get())
}

fn producer_ids(next: i64) -> MetaChange {
    MetaChange::Put(MetaRecord::ProducerIds(ProducerIdsRecord { next }))
}

fn feature(index: i64) -> MetaChange {
    let name = format!("feature-{index}");
    MetaChange::Put(MetaRecord::Feature(FeatureRecord { name, level: 1 }))
}

/// A commit that is recognised when it is there: it moves the counter to `number`, adds a feature of that number and
/// removes the one before the last.
fn numbered(number: i64) -> Vec<MetaChange> {
    let removed = MetaKey::Feature(format!("feature-{}", number - 2));
    vec![producer_ids(number), feature(number), MetaChange::Remove(removed)]
}

/// The number of the last commit, after checking that everything is exactly as that commit leaves it.
fn last_commit(records: &[MetaRecord]) -> i64 {
    let Some(MetaRecord::ProducerIds(counter)) = records.first() else {
        assert_eq!(records, []);
        return 0;
    };
    let features: Vec<_> = (1.max(counter.next - 1)..=counter.next).map(feature).collect();
    let found: Vec<_> = records[1..].iter().cloned().map(MetaChange::Put).collect();
    assert!(
        found.len() == features.len() && features.iter().all(|feature| found.contains(feature)),
        "{records:?}"
    );
    counter.next
}

#[test]
fn a_commit_is_there_after_a_clean_close_and_after_a_crash() {
    let disk = SimDisk::new(1);
    let mut core = open(&disk).unwrap();
    assert_eq!(core.load().unwrap(), []);
    core.commit_many(&[numbered(1), numbered(2)]).unwrap();
    core.commit_many(&[]).unwrap();
    assert_eq!(last_commit(&core.load().unwrap()), 2);
    drop(core);
    let mut core = open(&disk).unwrap();
    assert_eq!(last_commit(&core.load().unwrap()), 2);
    core.commit_many(&[numbered(3)]).unwrap();
    for seed in 0..20 {
        let mut core = open(&disk.power_loss(seed)).unwrap();
        assert_eq!(last_commit(&core.load().unwrap()), 3, "seed {seed}");
    }
}

/// The last commit that was acknowledged and the last one that was begun.
type Progress = (i64, i64);

/// Opens, makes twelve numbered commits in groups of one to three, and closes; stops at the first error.
fn script(disk: &Arc<SimDisk>, progress: Progress) -> Progress {
    let Ok(mut core) = open(disk) else { return progress };
    let Ok(records) = core.load() else { return progress };
    let mut number = last_commit(&records);
    let mut acknowledged = number;
    for size in [1, 3, 2, 1, 3, 2] {
        let group: Vec<_> = (1..=size).map(|step| numbered(number + step)).collect();
        number += size;
        if core.commit_many(&group).is_err() {
            break;
        }
        acknowledged = number;
    }
    (acknowledged, number)
}

fn check_after_crash(disk: &Arc<SimDisk>, (acknowledged, begun): Progress, what: &str) -> i64 {
    let mut core = open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let last = last_commit(&core.load().unwrap_or_else(|error| panic!("{what}: {error}")));
    assert!(
        last == acknowledged || last == begun,
        "{what}: acknowledged {acknowledged}, begun {begun}, found {last}"
    );
    last
}

#[test]
fn a_crash_at_every_operation_keeps_what_was_committed_and_nothing_by_halves() {
    crash_at_every_operation();
}

#[test]
fn so_it_does_with_commits_in_two_phases() {
    QUICK_REPAIR_FROM.set(0);
    crash_at_every_operation();
}

fn crash_at_every_operation() {
    let whole = SimDisk::new(0);
    assert_eq!(script(&whole, script(&whole, (0, 0))), (24, 24));
    let operations = whole.operations();
    assert!(operations > 50, "{operations}");
    for crash in 1..=operations {
        let disk = SimDisk::new(crash);
        disk.crash_at(crash);
        let progress = script(&disk, script(&disk, (0, 0)));
        assert_eq!(disk.operations(), crash, "it stopped there");
        check_after_crash(&disk.kill(), progress, &format!("killed at {crash}"));
        for seed in 0..4 {
            let what = format!("power lost at {crash}, seed {seed}");
            let lost = disk.power_loss(seed);
            let last = check_after_crash(&lost, progress, &what);
            if seed == 0 {
                assert_eq!(script(&lost, (0, 0)).0, last + 12, "{what}: it goes on from there");
            }
        }
        // What was served after the kill is there after the power loss that follows.
        let killed = disk.kill();
        let mut core = open(&killed).unwrap();
        let served = last_commit(&core.load().unwrap());
        for seed in 0..2 {
            let mut core = open(&killed.power_loss(seed)).unwrap();
            let last = last_commit(&core.load().unwrap());
            assert_eq!(last, served, "killed at {crash}, then power lost, seed {seed}");
        }
    }
}

#[test]
fn a_crash_during_recovery_loses_nothing() {
    let disk = SimDisk::new(5);
    let mut core = open(&disk).unwrap();
    core.commit_many(&[numbered(1)]).unwrap();
    core.commit_many(&[numbered(2)]).unwrap();
    let crashed = disk.power_loss(1);
    let before = open(&crashed).unwrap();
    let operations = crashed.operations();
    drop(before);
    for crash in 1..=operations {
        for seed in 0..4 {
            let first = disk.power_loss(1);
            first.crash_at(crash);
            let _ = open(&first);
            let mut core = open(&first.power_loss(seed)).unwrap();
            assert_eq!(last_commit(&core.load().unwrap()), 2, "crash at {crash}, seed {seed}");
        }
    }
}

#[test]
fn without_space_nothing_is_there_and_it_goes_on_when_space_is_back() {
    let disk = SimDisk::new(1);
    let mut core = open(&disk).unwrap();
    core.commit_many(&[numbered(1)]).unwrap();
    let used = (1 << 40) - disk.free_bytes(Path::new("")).unwrap();
    assert_eq!(used, 0, "without a bound everything is free");
    let length = disk.open(Path::new(FILE), highwater_disk::OpenMode::Read).unwrap().length().unwrap();
    disk.set_capacity(Some(length));
    let big = |index: i64| {
        let configs = [("key".to_string(), "x".repeat(100_000))].into();
        MetaChange::Put(MetaRecord::BrokerConfig(BrokerConfigRecord { broker: index.to_string(), configs }))
    };
    let mut refused = 0;
    for index in 0..200 {
        match core.commit_many(&[vec![big(index)]]) {
            Ok(()) => assert_eq!(refused, 0),
            Err(MetaError::OutOfSpace) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 0);
    assert_eq!(core.load().unwrap().len(), 2 + 200 - refused);
    // Small changes fit into what is left, or are refused cleanly; with space everything does.
    disk.set_capacity(None);
    core.commit_many(&[numbered(2)]).unwrap();
    let records = core.load().unwrap();
    assert_eq!(records.len(), 3 + 200 - refused);
    for seed in 0..5 {
        assert_eq!(open(&disk.power_loss(seed)).unwrap().load().unwrap(), records, "seed {seed}");
    }
}

#[test]
fn the_end_of_a_want_of_space_is_noticed_without_a_commit() {
    let disk = SimDisk::new(1);
    let store = RedbMetaStore::open(Arc::clone(&disk) as Arc<dyn Disk>, Path::new(FILE)).unwrap();
    disk.set_capacity(Some(0));
    let configs = [("key".to_string(), "x".repeat(4 << 20))].into();
    let big = BrokerConfigRecord { broker: "1".to_string(), configs };
    let refused = block_on(store.commit(vec![MetaChange::Put(MetaRecord::BrokerConfig(big))]));
    assert!(matches!(refused, Err(MetaError::OutOfSpace)), "{refused:?}");
    let is_failing = || store.statistics().unwrap().is_failing.load(std::sync::atomic::Ordering::Relaxed);
    assert!(is_failing());
    disk.set_capacity(None);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while is_failing() {
        assert!(std::time::Instant::now() < deadline, "nothing is tried");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn out_of_space_at_any_operation_is_all_or_nothing() {
    let count = |fault: Option<u64>| {
        let disk = SimDisk::new(3);
        let mut core = open(&disk).unwrap();
        core.commit_many(&[numbered(1)]).unwrap();
        let before = disk.operations();
        if let Some(index) = fault {
            disk.fail_at(before + index, Fault::OutOfSpace);
        }
        (core.commit_many(&[numbered(2)]), disk.operations() - before, core, disk)
    };
    let (_, operations, ..) = count(None);
    assert!(operations > 1);
    for index in 1..=operations {
        let (result, _, mut core, disk) = count(Some(index));
        match result {
            Ok(()) => assert_eq!(last_commit(&core.load().unwrap()), 2, "at {index}"),
            Err(MetaError::OutOfSpace) => {
                assert_eq!(last_commit(&core.load().unwrap()), 1, "at {index}");
                core.commit_many(&[numbered(2)]).unwrap();
                let mut core = open(&disk.power_loss(index)).unwrap();
                assert_eq!(last_commit(&core.load().unwrap()), 2, "at {index}");
            }
            Err(MetaError::Failed(_)) => {
                let last = last_commit(&open(&disk.kill()).unwrap().load().unwrap());
                assert!([1, 2].contains(&last), "at {index}: {last}");
            }
            Err(error) => panic!("at {index}: {error}"),
        }
    }
}

#[test]
fn after_an_io_error_nothing_is_taken_until_the_restart() {
    for operation in [Operation::Write, Operation::Sync] {
        let disk = SimDisk::new(1);
        let mut core = open(&disk).unwrap();
        core.commit_many(&[numbered(1)]).unwrap();
        disk.fail_next(operation, FILE, Fault::Io);
        let error = core.commit_many(&[numbered(2)]).unwrap_err();
        let MetaError::Failed(cause) = &error else { panic!("{error}") };
        assert!(cause.starts_with(&format!("{FILE}: {operation:?} failed")), "{cause}");
        assert!(matches!(core.commit_many(&[numbered(2)]), Err(MetaError::Failed(again)) if again == *cause));
        drop(core);
        // What the next process serves is what the device has, not what a failed sync left in memory.
        let disk = disk.kill();
        let mut core = open(&disk).unwrap();
        let served = last_commit(&core.load().unwrap());
        assert!(served == 1 || served == 2);
        for seed in 0..10 {
            let mut core = open(&disk.power_loss(seed)).unwrap();
            assert_eq!(last_commit(&core.load().unwrap()), served, "{operation:?}, seed {seed}");
        }
    }
}

#[test]
fn a_damaged_file_is_an_error_or_intact_and_never_a_panic() {
    for is_clean in [false, true] {
        let disk = SimDisk::new(1);
        let mut core = open(&disk).unwrap();
        core.commit_many(&(0..40).map(numbered).collect::<Vec<_>>()).unwrap();
        core.commit_many(&[numbered(40), numbered(41)]).unwrap();
        let known = core.load().unwrap();
        if is_clean {
            drop(core);
        }
        let disk = disk.kill();
        let file = disk.open(Path::new(FILE), highwater_disk::OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
        file.read_at(&mut bytes, 0).unwrap();
        let written = (0..).zip(&bytes).filter(|(_, byte)| **byte != 0).map(|(position, _)| position);
        let mut refused = 0;
        for position in written.step_by(149) {
            let damaged = disk.kill();
            damaged.flip_bit(Path::new(FILE), position).unwrap();
            let opened = MetaCore::open_checked(Arc::clone(&damaged) as Arc<dyn Disk>, Path::new(FILE));
            match opened.and_then(|mut core| core.load()) {
                Ok(records) if is_clean => assert_eq!(records, known, "byte {position}"),
                // After a crash, the last commit looks like one that was not finished.
                Ok(records) => assert!([39, 41].contains(&last_commit(&records)), "byte {position}"),
                Err(MetaError::Failed(cause) | MetaError::Corrupt(cause)) => {
                    assert!(cause.contains(FILE), "byte {position}: {cause}");
                    refused += 1;
                }
                Err(error) => panic!("byte {position}: {error}"),
            }
        }
        assert!(!is_clean || refused > 3, "{refused} damages were noticed");
    }
}

/// The suite's fixture: a simulated disk that loses power at each crash.
struct Fixture {
    disk: Arc<SimDisk>,
    store: Option<Arc<RedbMetaStore>>,
}

impl MetaFixture for Fixture {
    fn open(&mut self) -> Arc<dyn MetaStore> {
        let store = RedbMetaStore::open(Arc::clone(&self.disk) as Arc<dyn Disk>, Path::new(FILE)).unwrap();
        self.store = Some(Arc::clone(&store));
        store
    }

    fn close(&mut self, _: Arc<dyn MetaStore>) {
        self.store.take().unwrap().close();
    }

    fn crash(&mut self, _: Arc<dyn MetaStore>) {
        self.disk = self.disk.power_loss(1);
    }
}

#[test]
fn the_store_conforms() {
    meta_store(|| Fixture { disk: SimDisk::new(1), store: None });
}

#[test]
fn a_closed_store_finishes_what_waits_and_takes_nothing_more() {
    let disk = SimDisk::new(1);
    let store = RedbMetaStore::open(Arc::clone(&disk) as Arc<dyn Disk>, Path::new(FILE)).unwrap();
    let waiting: Vec<_> = (1..=50).map(|number| store.commit(numbered(number))).collect();
    store.close();
    store.close();
    waiting.into_iter().for_each(|commit| block_on(commit).unwrap());
    assert!(matches!(block_on(store.commit(numbered(51))), Err(MetaError::Failed(_))));
    assert!(store.load().is_err());
    assert_eq!(last_commit(&open(&disk).unwrap().load().unwrap()), 50);
}

#[test]
fn commits_that_wait_share_one_transaction() {
    let disk = SimDisk::new(1);
    let store = RedbMetaStore::open(Arc::clone(&disk) as Arc<dyn Disk>, Path::new(FILE)).unwrap();
    let before = disk.operations();
    let waiting: Vec<_> = (1..=1_000).map(|number| store.commit(numbered(number))).collect();
    waiting.into_iter().for_each(|commit| block_on(commit).unwrap());
    let operations = disk.operations() - before;
    assert!(operations < 1_000, "{operations} operations for 1000 commits");
}

#[test]
fn a_link_that_leads_nowhere_is_refused_and_stays() {
    let directory = std::env::temp_dir().join(format!("highwater-link-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join(FILE);
    std::os::unix::fs::symlink(directory.join("away"), &path).unwrap();
    let opened = MetaCore::open(Arc::new(highwater_disk::RealDisk::default()) as Arc<dyn Disk>, &path);
    let stays = path.is_symlink();
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(matches!(opened, Err(MetaError::Failed(cause)) if cause.contains(FILE)));
    assert!(stays);
}
