//! Each promise of the model is a test; those about chances try every seed of a range and say what must and what may
//! happen.

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use super::{Fault, Lies, Random, SimDisk};
use crate::{Disk, Entry, EntryKind, File, OpenMode, Operation, write_all_at};

fn seeds() -> std::ops::Range<u64> {
    0..200
}

fn path(name: &str) -> &Path {
    Path::new(name)
}

fn create(disk: &SimDisk, name: &str) -> Arc<dyn File> {
    disk.open(path(name), OpenMode::CreateNew).unwrap()
}

fn write(file: &dyn File, position: u64, bytes: &[u8]) {
    write_all_at(file, &mut [IoSlice::new(bytes)], position).unwrap();
}

fn contents(file: &dyn File) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
    let count = file.read_at(&mut bytes, 0).unwrap();
    assert_eq!(count, bytes.len());
    bytes
}

/// The content of a file by name; `None` when it is not there.
fn found(disk: &SimDisk, name: &str) -> Option<Vec<u8>> {
    disk.open(path(name), OpenMode::Read).ok().map(|file| contents(file.as_ref()))
}

fn names(disk: &SimDisk, name: &str) -> Vec<String> {
    disk.list(path(name)).unwrap().into_iter().map(|entry| entry.name).collect()
}

/// A disk with a durable file `a` of these bytes, and an open handle.
fn with_durable_file(bytes: &[u8]) -> (Arc<SimDisk>, Arc<dyn File>) {
    let disk = SimDisk::new(1);
    let file = create(&disk, "a");
    write(file.as_ref(), 0, bytes);
    file.sync_data().unwrap();
    disk.sync_directory(path("")).unwrap();
    (disk, file)
}

fn is_crash(result: io::Result<impl Sized>) -> bool {
    result.err().is_some_and(|error| error.to_string().contains("crashed"))
}

#[test]
fn it_reads_back_what_was_written() {
    let disk = SimDisk::new(1);
    let file = create(&disk, "a");
    write(file.as_ref(), 3, b"abc");
    assert_eq!(contents(file.as_ref()), b"\0\0\0abc");
    let mut buffer = [9; 4];
    assert_eq!(file.read_at(&mut buffer, 4).unwrap(), 2);
    assert_eq!(file.read_at(&mut buffer, 6).unwrap(), 0);
    assert_eq!(file.read_at(&mut buffer, u64::MAX).unwrap(), 0);
    file.set_length(4).unwrap();
    file.set_length(5).unwrap();
    assert_eq!(contents(file.as_ref()), b"\0\0\0a\0");
}

#[test]
fn names_behave_as_those_of_the_real_disk() {
    let disk = SimDisk::new(1);
    let kind = |result: io::Result<()>| result.err().map(|error| error.kind());
    disk.create_directory(path("/d")).unwrap();
    assert_eq!(kind(disk.create_directory(path("d"))), Some(io::ErrorKind::AlreadyExists));
    assert_eq!(kind(disk.create_directory(path("x/y"))), Some(io::ErrorKind::NotFound));
    let file = create(&disk, "d/a");
    write(file.as_ref(), 0, b"a");
    create(&disk, "/d/b");
    assert_eq!(
        kind(disk.open(path("d/a"), OpenMode::CreateNew).map(drop)),
        Some(io::ErrorKind::AlreadyExists)
    );
    assert_eq!(kind(disk.open(path("d/c"), OpenMode::Read).map(drop)), Some(io::ErrorKind::NotFound));
    assert_eq!(kind(disk.open(path("d"), OpenMode::Read).map(drop)), Some(io::ErrorKind::IsADirectory));
    assert_eq!(kind(disk.remove_directory(path("d"))), Some(io::ErrorKind::DirectoryNotEmpty));
    disk.rename(path("d/a"), path("d/b")).unwrap();
    assert_eq!(disk.list(path("d")).unwrap(), [Entry { name: "b".into(), kind: EntryKind::File }]);
    disk.remove_file(path("d/b")).unwrap();
    assert_eq!(contents(file.as_ref()), b"a", "an open file outlives its name");
    disk.remove_directory(path("d")).unwrap();
    assert_eq!(kind(disk.remove_file(path("d"))), Some(io::ErrorKind::NotFound));
    let reader =
        disk.open(path("r"), OpenMode::CreateOrOpen).and_then(|_| disk.open(path("r"), OpenMode::Read));
    assert!(reader.unwrap().write_at(&[IoSlice::new(b"no")], 0).is_err());
}

#[test]
fn a_kill_keeps_what_was_written_and_the_next_power_loss_still_may_not() {
    let disk = SimDisk::new(1);
    let file = create(&disk, "a");
    disk.sync_directory(path("")).unwrap();
    write(file.as_ref(), 0, b"written");
    let killed = disk.kill();
    assert_eq!(found(&killed, "a").unwrap(), b"written");
    assert!(is_crash(file.length()), "the old process is gone");
    let lost = seeds().filter(|seed| found(&killed.power_loss(*seed), "a").unwrap() != b"written").count();
    assert!(lost > 0 && lost < seeds().count(), "{lost}");
    // What the process after a kill syncs is durable, also what the one before it wrote.
    let killed = disk.kill();
    killed.open(path("a"), OpenMode::Read).unwrap().sync_data().unwrap();
    assert!(seeds().all(|seed| found(&killed.power_loss(seed), "a").unwrap() == b"written"));
}

#[test]
fn what_was_synced_survives_every_power_loss() {
    let (disk, file) = with_durable_file(&[7; 3_000]);
    write(file.as_ref(), 3_000, &[8; 3_000]);
    for seed in seeds() {
        let bytes = found(&disk.power_loss(seed), "a").unwrap();
        assert!(bytes.len() >= 3_000, "seed {seed}");
        assert_eq!(bytes[..3_000], [7; 3_000], "seed {seed}");
    }
}

#[test]
fn a_power_loss_keeps_any_subset_of_sectors() {
    let (disk, file) = with_durable_file(&[1; 2_048]);
    write(file.as_ref(), 0, &[2; 2_048]);
    let mut outcomes = BTreeSet::new();
    for seed in seeds() {
        let bytes = found(&disk.power_loss(seed), "a").unwrap();
        let sectors: Vec<u8> = bytes.chunks(512).map(|sector| sector[0]).collect();
        assert!(bytes.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])), "seed {seed}");
        outcomes.insert(sectors);
    }
    assert_eq!(outcomes.len(), 16, "all subsets of four sectors: {outcomes:?}");
}

#[test]
fn a_sector_written_twice_may_keep_either_version() {
    let (disk, file) = with_durable_file(&[1; 512]);
    write(file.as_ref(), 0, &[2; 512]);
    write(file.as_ref(), 0, &[3; 512]);
    let outcomes: BTreeSet<_> = seeds().map(|seed| found(&disk.power_loss(seed), "a").unwrap()[0]).collect();
    assert_eq!(outcomes, BTreeSet::from([1, 2, 3]));
}

#[test]
fn files_are_lost_independently_of_the_order_of_the_writes() {
    let disk = SimDisk::new(1);
    let files = ["a", "b"].map(|name| create(&disk, name));
    disk.sync_directory(path("")).unwrap();
    files.iter().for_each(|file| write(file.as_ref(), 0, b"x"));
    let outcomes: BTreeSet<_> = seeds()
        .map(|seed| disk.power_loss(seed))
        .map(|disk| ["a", "b"].map(|name| found(&disk, name).unwrap() == b"x"))
        .collect();
    assert_eq!(outcomes.len(), 4, "{outcomes:?}");
}

#[test]
fn a_length_without_data_is_zeros_and_data_without_length_is_gone() {
    let disk = SimDisk::new(1);
    let file = create(&disk, "a");
    disk.sync_directory(path("")).unwrap();
    write(file.as_ref(), 0, &[5; 1_024]);
    write(file.as_ref(), 1_024, &[6; 1_024]);
    let (mut zeros, mut gone, mut torn) = (0, 0, 0);
    for seed in seeds() {
        let bytes = found(&disk.power_loss(seed), "a").unwrap();
        zeros += u32::from(bytes.contains(&0));
        gone += u32::from(bytes.len() < 2_048);
        torn += u32::from(!bytes.len().is_multiple_of(1_024));
    }
    assert!(zeros > 0 && gone > 0 && torn > 0, "{zeros} {gone} {torn}");
}

#[test]
fn bytes_cut_off_never_come_back_inside_a_longer_file() {
    let (disk, file) = with_durable_file(&[1; 2_048]);
    file.set_length(0).unwrap();
    write(file.as_ref(), 1_536, &[2; 512]);
    for seed in seeds() {
        let bytes = found(&disk.power_loss(seed), "a").unwrap();
        let cut = bytes.first() != Some(&1);
        assert!(!cut || !bytes.contains(&1), "seed {seed}");
    }
}

#[test]
fn a_synced_file_without_a_synced_directory_may_have_no_name() {
    let disk = SimDisk::new(1);
    let file = create(&disk, "a");
    write(file.as_ref(), 0, b"x");
    file.sync_data().unwrap();
    let outcomes: BTreeSet<_> = seeds().map(|seed| found(&disk.power_loss(seed), "a")).collect();
    assert_eq!(outcomes, BTreeSet::from([None, Some(b"x".to_vec())]));
}

#[test]
fn a_rename_without_syncing_the_file_first_may_show_an_empty_file() {
    let disk = SimDisk::new(1);
    let file = create(&disk, "a.tmp");
    write(file.as_ref(), 0, b"x");
    disk.rename(path("a.tmp"), path("a")).unwrap();
    disk.sync_directory(path("")).unwrap();
    let outcomes: BTreeSet<_> = seeds().map(|seed| found(&disk.power_loss(seed), "a")).collect();
    assert!(outcomes.contains(&Some(Vec::new())), "{outcomes:?}");
    assert!(!outcomes.contains(&None), "the directory was synced");
}

#[test]
fn a_rename_over_a_file_leaves_the_old_or_the_new_one() {
    let (disk, _) = with_durable_file(b"old");
    let file = create(&disk, "a.tmp");
    write(file.as_ref(), 0, b"new");
    file.sync_data().unwrap();
    disk.sync_directory(path("")).unwrap();
    disk.rename(path("a.tmp"), path("a")).unwrap();
    for seed in seeds() {
        let disk = disk.power_loss(seed);
        let both = (found(&disk, "a").unwrap(), found(&disk, "a.tmp"));
        let expected = [(b"old".to_vec(), Some(b"new".to_vec())), (b"new".to_vec(), None)];
        assert!(expected.contains(&both), "seed {seed}: {both:?}");
    }
}

#[test]
fn a_change_of_a_name_is_never_kept_without_the_earlier_ones() {
    let (disk, _) = with_durable_file(b"precious");
    disk.rename(path("a"), path("b")).unwrap();
    create(&disk, "a");
    for seed in seeds() {
        let disk = disk.power_loss(seed);
        let kept = [found(&disk, "a"), found(&disk, "b")].contains(&Some(b"precious".to_vec()));
        assert!(kept, "seed {seed}: {:?}", names(&disk, ""));
    }
}

#[test]
fn a_removal_may_be_undone_until_the_directory_is_synced() {
    let (disk, _) = with_durable_file(b"x");
    disk.remove_file(path("a")).unwrap();
    let outcomes: BTreeSet<_> = seeds().map(|seed| found(&disk.power_loss(seed), "a").is_some()).collect();
    assert_eq!(outcomes, BTreeSet::from([false, true]));
    let disk = disk.kill();
    disk.sync_directory(path("")).unwrap();
    assert!(seeds().all(|seed| found(&disk.power_loss(seed), "a").is_none()));
}

#[test]
fn a_rename_between_directories_is_durable_in_each_by_itself() {
    let (disk, _) = with_durable_file(b"x");
    disk.create_directory(path("d")).unwrap();
    disk.sync_directory(path("")).unwrap();
    disk.rename(path("a"), path("d/a")).unwrap();
    let places = |disk: &SimDisk| ["a", "d/a"].map(|name| found(disk, name).is_some());
    let outcomes: BTreeSet<_> = seeds().map(|seed| places(&disk.power_loss(seed))).collect();
    assert_eq!(outcomes.len(), 4, "{outcomes:?}");
    let disk = disk.kill();
    disk.sync_directory(path("d")).unwrap();
    assert!(seeds().all(|seed| places(&disk.power_loss(seed))[1]));
    let moved = disk.kill().rename(path("d"), path("d/e"));
    assert!(moved.is_err(), "a directory into itself");
}

#[test]
fn a_directory_whose_own_name_is_not_durable_takes_its_files_along() {
    let disk = SimDisk::new(1);
    disk.create_directory(path("d")).unwrap();
    create(&disk, "d/a").sync_data().unwrap();
    disk.sync_directory(path("d")).unwrap();
    let outcomes: BTreeSet<_> = seeds().map(|seed| found(&disk.power_loss(seed), "d/a").is_some()).collect();
    assert_eq!(outcomes, BTreeSet::from([false, true]));
}

#[test]
fn the_operation_in_flight_at_a_crash_is_partly_done() {
    let mut lengths = BTreeSet::new();
    for seed in seeds() {
        let disk = SimDisk::new(seed);
        let file = create(&disk, "a");
        disk.crash_at(2);
        assert!(is_crash(file.write_at(&[IoSlice::new(&[1; 4])], 0)), "seed {seed}");
        assert!(disk.has_crashed());
        assert!(is_crash(file.sync_data()) && is_crash(disk.list(path(""))) && is_crash(file.length()));
        lengths.insert(found(&disk.kill(), "a").unwrap().len());
    }
    assert_eq!(lengths, BTreeSet::from([1, 2, 3, 4]));
    let renamed: BTreeSet<_> = seeds()
        .map(|seed| {
            let disk = SimDisk::new(seed);
            create(&disk, "a");
            disk.crash_at(2);
            assert!(is_crash(disk.rename(path("a"), path("b"))));
            names(&disk.kill(), "")
        })
        .collect();
    assert_eq!(renamed, BTreeSet::from([vec!["a".to_string()], vec!["b".to_string()]]));
}

#[test]
fn a_sync_in_flight_at_a_crash_made_any_subset_durable() {
    let (disk, file) = with_durable_file(&[1; 1_024]);
    write(file.as_ref(), 0, &[2; 1_024]);
    disk.crash_at(disk.operations() + 1);
    assert!(is_crash(file.sync_data()));
    let outcomes: BTreeSet<_> = seeds()
        .map(|seed| found(&disk.power_loss(seed), "a").unwrap())
        .map(|bytes| (bytes[0], bytes[512]))
        .collect();
    assert_eq!(outcomes.len(), 4, "{outcomes:?}");
}

#[test]
fn a_slow_sync_covers_what_was_written_before_it_began() {
    let (disk, file) = with_durable_file(&[1; 1_024]);
    write(file.as_ref(), 0, &[2; 512]);
    let other = disk.open(path("a"), OpenMode::ReadWrite).unwrap();
    disk.during_next(Operation::Sync, "a", move || write(other.as_ref(), 512, &[3; 512]));
    file.sync_data().unwrap();
    assert_eq!((contents(file.as_ref())[0], contents(file.as_ref())[512]), (2, 3));
    let outcomes: BTreeSet<_> = seeds()
        .map(|seed| found(&disk.power_loss(seed), "a").unwrap())
        .map(|bytes| (bytes[0], bytes[512]))
        .collect();
    assert_eq!(outcomes, BTreeSet::from([(2, 1), (2, 3)]));
    let disk = disk.kill();
    disk.open(path("a"), OpenMode::Read).unwrap().sync_data().unwrap();
    assert!(seeds().all(|seed| found(&disk.power_loss(seed), "a").unwrap()[512] == 3));
}

#[test]
fn a_crash_within_a_slow_operation_leaves_it_partly_done() {
    let mut outcomes = BTreeSet::new();
    for seed in seeds() {
        let disk = SimDisk::new(seed);
        let file = create(&disk, "a");
        let machine = Arc::clone(&disk);
        disk.during_next(Operation::Write, "a", move || machine.crash());
        assert!(is_crash(file.write_at(&[IoSlice::new(&[1; 3])], 0)), "seed {seed}");
        outcomes.insert(found(&disk.kill(), "a").unwrap().len());
    }
    assert_eq!(outcomes, BTreeSet::from([1, 2, 3]));
    let (disk, file) = with_durable_file(&[1; 512]);
    write(file.as_ref(), 0, &[2; 512]);
    let machine = Arc::clone(&disk);
    disk.during_next(Operation::Sync, "a", move || machine.crash());
    assert!(is_crash(file.sync_data()));
    let outcomes: BTreeSet<_> = seeds().map(|seed| found(&disk.power_loss(seed), "a").unwrap()[0]).collect();
    assert_eq!(outcomes, BTreeSet::from([1, 2]), "the sync was in flight");
}

#[test]
fn an_order_that_no_operation_met_can_be_taken_back() {
    let (disk, file) = with_durable_file(&[1; 512]);
    let machine = Arc::clone(&disk);
    disk.during_next(Operation::Sync, "b", move || machine.crash());
    file.sync_data().unwrap();
    disk.forget_slow_operations();
    create(&disk, "b").sync_data().unwrap();
}

#[test]
fn a_trace_can_be_taken_in_pieces_or_left_out() {
    let disk = SimDisk::new(1);
    create(&disk, "a");
    assert_eq!(disk.take_trace().len(), 1);
    create(&disk, "b");
    assert_eq!(disk.trace().len(), 1);
    disk.set_tracing(false);
    create(&disk, "c");
    assert_eq!((disk.take_trace().len(), disk.trace().len()), (1, 0));
    assert_eq!(disk.kill().trace().len(), 0, "a restart does not switch it on");
}

#[test]
fn after_a_failed_sync_reads_are_new_the_device_is_not_and_the_next_sync_succeeds() {
    let mut outcomes = BTreeSet::new();
    for seed in seeds() {
        let disk = SimDisk::new(seed);
        let file = create(&disk, "a");
        write(file.as_ref(), 0, &[1; 1_024]);
        file.sync_data().unwrap();
        disk.sync_directory(path("")).unwrap();
        write(file.as_ref(), 0, &[2; 1_024]);
        disk.fail_next_sync("a");
        assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(5), "seed {seed}");
        assert_eq!(contents(file.as_ref()), [2; 1_024], "seed {seed}");
        file.sync_data().unwrap();
        let lost = found(&disk.power_loss(seed), "a").unwrap();
        outcomes.insert((lost[0], lost[512]));
        let killed = disk.kill();
        let file = killed.open(path("a"), OpenMode::Read).unwrap();
        assert_eq!(contents(file.as_ref()), [2; 1_024], "seed {seed}");
        file.drop_cache().unwrap();
        assert_eq!(file.read_resident_at(&mut [0], 0).unwrap(), None);
        assert_eq!(contents(file.as_ref()), lost, "seed {seed}: the device has what a power loss leaves");
        assert_eq!(file.read_resident_at(&mut [0], 0).unwrap(), Some(1));
    }
    assert_eq!(outcomes.len(), 4, "any subset arrived: {outcomes:?}");
}

#[test]
fn dropping_the_cache_keeps_dirty_pages() {
    let (_, file) = with_durable_file(b"old");
    write(file.as_ref(), 3, b"new");
    file.drop_cache().unwrap();
    assert_eq!(contents(file.as_ref()), b"oldnew");
}

#[test]
fn a_failed_write_back_is_told_once_to_each_descriptor_open_at_that_time() {
    let (disk, file) = with_durable_file(b"x");
    let second = disk.open(path("a"), OpenMode::ReadWrite).unwrap();
    write(file.as_ref(), 0, b"y");
    disk.fail_write_back(path("a")).unwrap();
    let third = disk.open(path("a"), OpenMode::ReadWrite).unwrap();
    assert_eq!([&file, &second, &third].map(|file| file.sync_data().is_err()), [true, true, false]);
    assert_eq!([&file, &second, &third].map(|file| file.sync_data().is_err()), [false, false, false]);
    // A sync that fails tells its caller by the answer, the others later.
    write(file.as_ref(), 0, b"z");
    disk.fail_next_sync("a");
    assert!(file.sync_data().is_err());
    assert_eq!([&file, &second].map(|file| file.sync_data().is_err()), [false, true]);
}

#[test]
fn a_failed_write_back_is_told_to_nobody_when_the_file_was_closed() {
    let (disk, file) = with_durable_file(&[1; 512]);
    write(file.as_ref(), 0, &[2; 512]);
    drop(file);
    disk.fail_write_back(path("a")).unwrap();
    disk.open(path("a"), OpenMode::ReadWrite).unwrap().sync_data().unwrap();
    let outcomes: BTreeSet<_> = seeds().map(|seed| found(&disk.power_loss(seed), "a").unwrap()[0]).collect();
    assert_eq!(outcomes.len(), 1, "what arrived was drawn when it failed");
}

#[test]
fn a_full_disk_takes_what_fits_and_goes_on_when_there_is_room() {
    let disk = SimDisk::new(1);
    let (first, second) = (create(&disk, "a"), create(&disk, "b"));
    disk.set_capacity(Some(10));
    assert_eq!(disk.free_bytes(path("")).unwrap(), 10);
    second.allocate(0, 4).unwrap();
    assert_eq!(second.length().unwrap(), 0);
    assert_eq!(first.write_at(&[IoSlice::new(&[1; 8])], 0).unwrap(), 6);
    let full = |error: io::Error| error.kind() == io::ErrorKind::StorageFull;
    assert!(full(first.write_at(&[IoSlice::new(&[1])], 6).unwrap_err()));
    assert!(full(first.set_length(7).unwrap_err()));
    assert!(full(first.allocate(0, 7).unwrap_err()));
    assert!(full(disk.open(path("c"), OpenMode::CreateNew).map(drop).unwrap_err()));
    assert!(full(disk.rename(path("a"), path("c")).unwrap_err()));
    assert_eq!(second.write_at(&[IoSlice::new(&[1; 8])], 0).unwrap(), 4, "reserved blocks are there");
    assert_eq!(first.write_at(&[IoSlice::new(&[2; 6])], 0).unwrap(), 6, "overwriting needs no room");
    disk.fail_next(Operation::Sync, "a", Fault::OutOfSpace);
    assert!(full(first.sync_data().unwrap_err()), "delayed allocation fails at the sync");
    disk.remove_file(path("b")).unwrap();
    assert!(full(first.set_length(7).unwrap_err()), "an open file keeps its blocks");
    drop(second);
    first.set_length(7).unwrap();
    disk.set_capacity(None);
    first.set_length(100).unwrap();
}

#[test]
fn errors_come_where_they_were_ordered() {
    let disk = SimDisk::new(1);
    let file = create(&disk, "a");
    disk.fail_at(2, Fault::Io);
    assert_eq!(file.write_at(&[IoSlice::new(b"x")], 0).unwrap_err().raw_os_error(), Some(5));
    assert_eq!(file.length().unwrap(), 0);
    disk.fail_next(Operation::Write, "other", Fault::Io);
    write(file.as_ref(), 0, b"x");
    disk.fail_next(Operation::Read, "a", Fault::Io);
    assert!(file.read_at(&mut [0], 0).is_err());
    assert_eq!(contents(file.as_ref()), b"x");
    disk.fail_next(Operation::Rename, "a", Fault::OutOfSpace);
    assert!(disk.rename(path("a"), path("b")).is_err());
    assert_eq!(names(&disk, ""), ["a"]);
}

#[test]
fn short_and_interrupted_calls_are_gone_on_with() {
    let disk = SimDisk::new(1);
    let file = create(&disk, "a");
    disk.set_short_writes(2);
    disk.set_interruptions(3);
    let bytes: Vec<u8> = (0..=255).collect();
    for index in 0..50 {
        write(file.as_ref(), index * 256, &bytes);
    }
    disk.set_interruptions(0);
    assert_eq!(contents(file.as_ref()), bytes.repeat(50));
    let trace = disk.trace().join("\n");
    assert!(disk.operations() > 100 && trace.contains("Interrupted"), "{trace}");
}

#[test]
fn a_lying_sync_makes_nothing_durable() {
    let (disk, file) = with_durable_file(&[1; 512]);
    disk.set_lies(Lies { sync: true, sync_directory: true });
    write(file.as_ref(), 0, &[2; 512]);
    file.sync_data().unwrap();
    disk.rename(path("a"), path("b")).unwrap();
    disk.sync_directory(path("")).unwrap();
    let disk = disk.kill();
    disk.set_lies(Lies::default());
    assert!(seeds().map(|seed| disk.power_loss(seed)).any(|disk| found(&disk, "a").is_some()));
    let bytes =
        seeds().map(|seed| disk.power_loss(seed)).filter_map(|disk| found(&disk, "a").or(found(&disk, "b")));
    assert!(bytes.map(|bytes| bytes[0]).collect::<BTreeSet<_>>().contains(&1));
}

#[test]
fn a_destroyed_block_takes_durable_neighbours_along() {
    let (disk, file) = with_durable_file(&[1; 8_192]);
    write(file.as_ref(), 4_096, &[2; 512]);
    disk.set_destroys_blocks(true);
    for seed in seeds() {
        let bytes = found(&disk.power_loss(seed), "a").unwrap();
        assert_eq!(bytes[..4_096], [1; 4_096], "seed {seed}: a block that was not written is whole");
        assert!(bytes[5_000..].iter().any(|byte| *byte != 1), "seed {seed}");
    }
}

#[test]
fn damage_at_rest_is_seen_until_it_is_overwritten() {
    let (disk, file) = with_durable_file(&[1; 1_024]);
    disk.flip_bit(path("a"), 700).unwrap();
    assert_eq!(contents(file.as_ref())[700], 0);
    assert!(disk.flip_bit(path("a"), 1_024).is_err());
    disk.overwrite_at_rest(path("a"), 1_023, b"xyz").unwrap();
    assert_eq!((contents(file.as_ref())[1_023], file.length().unwrap()), (b'x', 1_024));
    disk.make_unreadable(path("a"), 512..1_024).unwrap();
    assert!(file.read_at(&mut [0; 513], 0).is_err());
    assert_eq!(file.read_at(&mut [0; 512], 0).unwrap(), 512);
    assert!(file.read_at(&mut [0], 1_023).is_err());
    let disk = disk.power_loss(1);
    let file = disk.open(path("a"), OpenMode::ReadWrite).unwrap();
    assert!(file.read_at(&mut [0], 512).is_err(), "it is still bad after a restart");
    write(file.as_ref(), 512, &[3; 512]);
    assert_eq!(contents(file.as_ref())[512..], [3; 512]);
}

/// Random operations, with a crash or two.
fn run(seed: u64) -> Vec<String> {
    let mut random = Random::new(seed);
    let mut disk = SimDisk::new(seed);
    disk.set_short_writes(5);
    for step in 0..300 {
        let name = ["a", "b", "c"][random.index(3)];
        let other = ["a", "b", "c"][random.index(3)];
        if random.one_in(100) {
            disk.crash_at(disk.operations() + 1 + random.below(5));
        }
        let result = match random.below(6) {
            0 => disk.rename(path(name), path(other)),
            1 => disk.remove_file(path(name)),
            2 => disk.sync_directory(path("")),
            3 => disk.open(path(name), OpenMode::ReadWrite).and_then(|file| file.sync_data()),
            _ => disk.open(path(name), OpenMode::CreateOrOpen).and_then(|file| {
                let bytes = vec![1; random.index(2_000)];
                file.write_at(&[IoSlice::new(&bytes)], random.below(2_000)).map(drop)
            }),
        };
        drop(result);
        if disk.has_crashed() {
            disk = if random.coin() { disk.kill() } else { disk.power_loss(seed + step) };
        }
    }
    let mut trace = disk.trace();
    trace.extend(names(&disk, "").iter().map(|name| format!("{name}: {:?}", found(&disk, name))));
    trace
}

#[test]
fn the_same_seed_twice_gives_the_same_trace() {
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(1), run(2));
    let trace = run(3);
    assert!(trace.iter().any(|line| line.contains("write a")), "{trace:#?}");
}

#[test]
fn a_mad_length_is_refused() {
    let disk = SimDisk::new(1);
    let file = create(&disk, "a");
    assert_eq!(file.set_length(u64::MAX).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    assert!(file.write_at(&[IoSlice::new(b"x")], u64::MAX - 1).is_err());
    assert_eq!(file.length().unwrap(), 0);
}

#[test]
fn a_view_past_the_cache_shows_the_device_and_leaves_the_cache_alone() {
    let (disk, file) = with_durable_file(&[1; 512]);
    let direct = disk.open_device(path("a")).unwrap();
    write(file.as_ref(), 0, &[2; 512]);
    assert_eq!(contents(direct.as_ref()), [2; 512], "what is dirty is written back first");
    assert!(direct.write_at(&[IoSlice::new(&[3])], 0).is_err());
    let mut differed = 0;
    for seed in seeds() {
        let disk = SimDisk::new(seed);
        let file = create(&disk, "a");
        write(file.as_ref(), 0, &[1; 512]);
        file.sync_data().unwrap();
        write(file.as_ref(), 0, &[2; 512]);
        disk.fail_write_back(path("a")).unwrap();
        let direct = disk.open_device(path("a")).unwrap();
        let device = contents(direct.as_ref());
        direct.drop_cache().unwrap();
        assert_eq!(contents(file.as_ref()), [2; 512], "the pages look clean");
        differed += u32::from(device != [2; 512]);
        assert_eq!(direct.read_resident_at(&mut [0], 0).unwrap(), None);
        file.drop_cache().unwrap();
        assert_eq!(contents(file.as_ref()), device);
    }
    assert!(differed > 0, "some write-back loses something");
}

#[test]
fn rot_under_the_cache_is_seen_past_it_only() {
    let (disk, file) = with_durable_file(b"abc");
    disk.flip_bit_under_cache(path("a"), 1).unwrap();
    assert!(disk.flip_bit_under_cache(path("a"), 3).is_err());
    assert_eq!(contents(file.as_ref()), b"abc");
    assert_eq!(contents(disk.open_device(path("a")).unwrap().as_ref()), b"acc");
    file.drop_cache().unwrap();
    assert_eq!(contents(file.as_ref()), b"acc");
}
