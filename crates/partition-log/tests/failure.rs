//! Writes and syncs that fail, hints that are damaged, logs with holes, and what reading costs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    unreachable_pub,
    missing_docs
)]

mod support;

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use highwater_disk::sim::{Fault, SimDisk};
use highwater_disk::{Disk, OpenMode, Operation, write_all_at};
use highwater_partition_log::*;
use highwater_types::*;
use highwater_wire::record::*;
use support::{Machine, START, directory, environment, small_config};

fn filled(seed: u64, policy: SyncPolicy) -> Machine {
    let mut machine = Machine::new(seed, small_config(policy));
    for _ in 0..40 {
        machine.append_something();
        machine.settle();
    }
    machine
}

fn names(machine: &Machine, suffix: &str) -> Vec<PathBuf> {
    let entries = machine.disk.list(&directory()).unwrap();
    let wanted = entries.into_iter().filter(|entry| entry.name.ends_with(suffix));
    wanted.map(|entry| directory().join(entry.name)).collect()
}

#[test]
fn a_full_disk_refuses_what_was_staged_and_the_log_goes_on_after_recovery() {
    let mut machine = filled(1, SyncPolicy::Batch);
    let end = machine.log.offsets().log_end_offset;
    let plan = machine
        .log
        .read_plan(ReadRequest {
            offset: Offset::ZERO,
            max_bytes: 1000,
            at_least_one_batch: true,
            isolation: Isolation::ReadUncommitted,
        })
        .unwrap();
    let batch = machine.build(Some(1), false);
    machine.log.append(batch.clone(), Origin::Client, machine.now).unwrap();
    machine.disk.fail_next(Operation::Write, ".log", Fault::OutOfSpace);
    let mut job = machine.log.begin_write().unwrap();
    let result = job.run();
    assert!(matches!(machine.log.end_write(job, result), Err(LogFailure::OutOfSpace(_))));
    let refused = machine.log.append(batch.clone(), Origin::Client, machine.now);
    assert!(matches!(refused, Err(Refusal::Unavailable(_))));
    assert!(machine.log.begin_write().is_none() && machine.log.begin_sync().is_none());
    assert_eq!(machine.log.suspect(), None, "nothing is doubtful");
    machine.checkpoint = Some(machine.log.checkpoint());
    machine.recover(false);
    assert_eq!(machine.log.offsets().log_end_offset, end);
    assert!(!plan.run(ReadMode::Blocking).unwrap().records.is_empty(), "a read planned before goes on");
    machine.append(batch);
    machine.settle();
    machine.check_all();
}

#[test]
fn after_a_failed_sync_only_what_the_device_has_is_served() {
    for seed in 0..30 {
        let mut machine = filled(seed, SyncPolicy::Batch);
        let good = machine.log.offsets().high_watermark;
        for _ in 0..3 {
            let batch = machine.build(Some(1), false);
            machine.append(batch);
            machine.write();
        }
        machine.disk.fail_next_sync(".log");
        let job = machine.log.begin_sync().unwrap();
        let result = job.run();
        assert!(result.is_err());
        assert!(machine.log.end_sync(job, result).is_err());
        assert_eq!(machine.log.suspect().map(|suspect| suspect.offset), Some(good));
        machine.checkpoint = Some(machine.log.checkpoint());
        machine.kill_without_promise();
        assert!(machine.log.offsets().log_end_offset >= good, "seed {seed}");
        machine.checkpoint = Some(machine.log.checkpoint());
        machine.check_all();
        machine.power_loss();
        machine.check_all();
    }
}

#[test]
fn missing_and_damaged_hints_are_rebuilt() {
    for seed in 0..40 {
        let mut machine = filled(seed, SyncPolicy::Batch);
        machine.maintain();
        machine.settle();
        machine.checkpoint = Some(machine.log.close().unwrap());
        let suffix = [".index", ".timeindex", ".snapshot", ".producers", EPOCHS];
        let suffix = suffix[(seed % 5) as usize];
        for path in names(&machine, suffix) {
            match seed / 5 % 3 {
                0 => machine.disk.remove_file(&path).unwrap(),
                1 => drop(machine.disk.flip_bit(&path, 9)),
                _ => {
                    let file = machine.disk.open(&path, OpenMode::ReadWrite).unwrap();
                    let half = file.length().unwrap() / 2;
                    // A time index that lacks whole entries is as good as any.
                    file.set_length(if suffix == ".timeindex" { half.min(11) } else { half }).unwrap();
                }
            }
        }
        machine.boundary = None;
        machine.recover(true);
        machine.check_all();
    }
}

#[test]
fn without_the_epochs_producers_whose_batches_are_gone_stay_known() {
    let mut machine = Machine::new(1, small_config(SyncPolicy::Batch));
    let first = machine.build(Some(9), false);
    let original = machine.append(first.clone());
    while machine.log.segments().len() < 3 {
        let batch = machine.build(None, false);
        machine.append(batch);
        machine.settle();
        machine.maintain();
    }
    let start = machine.log.offsets().high_watermark;
    machine.model.log_start = machine.log.delete_records(start).unwrap();
    machine.retain();
    assert!(machine.log.segments()[0].base_offset() > original.last_offset, "its segment is gone");
    machine.checkpoint = Some(machine.log.close().unwrap());
    for path in names(&machine, EPOCHS) {
        machine.disk.remove_file(&path).unwrap();
    }
    machine.recover(true);
    assert!(machine.log.append(first, Origin::Client, machine.now).unwrap().duplicate);
    assert_eq!(machine.log.end_of_epoch(LeaderEpoch(0)).end_offset, machine.log.offsets().log_end_offset);
    machine.check_all();
}

/// A file that is missing, or lacks whole entries, looks as one does whose transactions were all committed.
#[test]
fn a_transaction_index_that_ends_inside_an_entry_is_rebuilt() {
    let mut rebuilt = 0;
    for seed in 0..20 {
        let mut machine = filled(seed, SyncPolicy::Batch);
        machine.checkpoint = Some(machine.log.close().unwrap());
        for path in names(&machine, ".txnindex") {
            let file = machine.disk.open(&path, OpenMode::ReadWrite).unwrap();
            let length = file.length().unwrap();
            rebuilt += u64::from(length > 0);
            file.set_length(length.saturating_sub(1)).unwrap();
        }
        machine.boundary = None;
        machine.recover(true);
        machine.check_all();
    }
    assert!(rebuilt > 5, "only {rebuilt} indexes were damaged");
}

/// The index is written with a snapshot, and both may survive a power loss that the marker does not. What comes to stand
/// at the marker's offset must not count as the abort.
#[test]
fn an_abort_whose_marker_is_gone_is_forgotten() {
    let mut machine = Machine::new(1, small_config(SyncPolicy::Batch));
    let batch = machine.build(Some(10), true);
    machine.append(batch);
    machine.settle();
    let before = machine.log.close().unwrap();
    machine.checkpoint = Some(before);
    machine.recover(true);
    machine.append_marker(10, false);
    machine.settle();
    machine.log.close().unwrap();
    let [index] = names(&machine, ".txnindex").try_into().unwrap();
    assert!(machine.disk.open(&index, OpenMode::Read).unwrap().length().unwrap() > 0, "the abort is noted");

    let segment = names(&machine, ".log").pop().unwrap();
    let file = machine.disk.open(&segment, OpenMode::ReadWrite).unwrap();
    file.set_length(before.recovery_point.position.0).unwrap();
    file.sync_data().unwrap();
    machine.model.truncate(before.recovery_point.offset);
    (machine.checkpoint, machine.boundary) = (Some(before), None);
    machine.recover(false);
    machine.append_marker(10, true);
    machine.settle();
    machine.checkpoint = Some(machine.log.close().unwrap());
    machine.boundary = None;
    machine.recover(true);
    machine.check_all();
}

/// A log of which only the last segment is left, which a snapshot says is no beginning that was lost; the snapshot itself
/// lies beyond the end. Nothing else is known of it.
fn last_segment_alone(seed: u64, damage: impl Fn(&mut Vec<u8>)) -> Machine {
    let mut machine = filled(seed, SyncPolicy::Batch);
    machine.log.close().unwrap();
    let mut segments = names(&machine, ".log");
    segments.sort();
    let last = segments.pop().unwrap();
    for path in segments.into_iter().chain(names(&machine, ".snapshot")).chain(names(&machine, ".producers"))
    {
        machine.disk.remove_file(&path).unwrap();
    }
    let base: i64 = last.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    assert!(base > 0, "a later segment");
    let file = machine.disk.open(&last, OpenMode::ReadWrite).unwrap();
    let mut bytes = vec![0; file.length().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    damage(&mut bytes);
    file.set_length(0).unwrap();
    write_all_at(file.as_ref(), &mut [IoSlice::new(&bytes)], 0).unwrap();
    file.sync_data().unwrap();
    let beyond = directory().join(format!("{:020}.snapshot", base + 1000));
    machine.disk.open(&beyond, OpenMode::CreateNew).unwrap().sync_data().unwrap();
    machine.disk.sync_directory(&directory()).unwrap();
    machine
}

#[test]
fn what_a_recovery_without_a_checkpoint_found_the_next_one_finds_too() {
    let foreign = |bytes: &mut Vec<u8>| bytes.fill(b'x');
    let torn = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 5);
    for seed in 0..16 {
        let machine =
            if seed % 2 == 0 { last_segment_alone(seed, foreign) } else { last_segment_alone(seed, torn) };
        let recover = |disk: &Arc<SimDisk>| {
            let recovered = PartitionLog::recover(
                environment(disk),
                machine.config.clone(),
                RecoverLog::default(),
                START,
            );
            let log = recovered.unwrap().0;
            let ends: Vec<_> = log.segments().iter().map(|part| (part.base_offset(), part.end())).collect();
            (log.offsets().log_start_offset, log.offsets().log_end_offset, ends)
        };
        let first = recover(&machine.disk);
        assert!(first.0 > Offset::ZERO, "seed {seed}: {first:?}");
        let disk = if seed / 2 % 2 == 0 { machine.disk.kill() } else { machine.disk.power_loss(seed) };
        assert_eq!(recover(&disk), first, "seed {seed}");
        assert_eq!(recover(&disk.power_loss(seed)), first, "seed {seed}");
    }
}

/// The synced end is known from another file than the checkpoint.
#[test]
fn without_a_checkpoint_a_log_whose_beginning_was_let_go_is_served_from_where_it_begins() {
    let mut machine = Machine::new(2, small_config(SyncPolicy::Batch));
    while machine.log.segments().len() < 4 {
        machine.append_something();
        machine.settle();
        machine.maintain();
    }
    let start = machine.log.segments()[2].base_offset();
    machine.model.log_start = machine.log.delete_records(start).unwrap();
    machine.retain();
    assert_eq!(machine.log.segments()[0].base_offset(), start);
    machine.boundary = Some(machine.log.synced_point());
    machine.disk = machine.disk.kill();
    machine.checkpoint = None;
    machine.recover(false);
    machine.check_all();
}

const EPOCHS: &str = "leader-epoch-checkpoint";

/// Flips random bits of a file.
fn garble(machine: &mut Machine, path: &Path, flips: u64) {
    let file = machine.disk.open(path, OpenMode::ReadWrite).unwrap();
    let length = file.length().unwrap();
    for _ in 0..flips.min(length) {
        let at = machine.random.below(length);
        let mut byte = [0];
        file.read_at(&mut byte, at).unwrap();
        byte[0] ^= 1 << machine.random.below(8);
        write_all_at(file.as_ref(), &mut [IoSlice::new(&byte)], at).unwrap();
    }
    file.sync_data().unwrap();
}

/// Reads from every offset, by every kind of search.
fn check_everywhere(machine: &mut Machine) {
    for offset in machine.model.log_start.0..machine.log.offsets().log_end_offset.0 {
        let offset = Offset(offset);
        for max_bytes in [1, 3000] {
            let isolation = Isolation::ReadUncommitted;
            machine.read_and_compare(ReadRequest { offset, max_bytes, at_least_one_batch: true, isolation });
        }
    }
    for _ in 0..50 {
        machine.check_time();
    }
}

#[test]
fn whatever_an_index_says_every_record_is_found() {
    for seed in 0..150 {
        let mut machine = filled(seed, SyncPolicy::Batch);
        machine.checkpoint = Some(machine.log.close().unwrap());
        let suffix = if seed % 2 == 0 { ".index" } else { ".timeindex" };
        for path in names(&machine, suffix) {
            garble(&mut machine, &path, 1 + seed % 3);
        }
        machine.boundary = None;
        machine.recover(true);
        check_everywhere(&mut machine);
    }
}

#[test]
fn a_directory_in_the_place_of_a_hint_is_set_aside_or_passed_over() {
    let hints = [".index", ".timeindex", ".txnindex", ".snapshot", ".producers", EPOCHS];
    for (seed, suffix) in hints.into_iter().enumerate() {
        let mut machine = filled(seed as u64, SyncPolicy::Batch);
        machine.checkpoint = Some(machine.log.close().unwrap());
        machine.boundary = None;
        machine.recover(true);
        let replace = |machine: &Machine| {
            let files = names(machine, suffix);
            assert!(!files.is_empty(), "{suffix}");
            for path in files {
                machine.disk.remove_file(&path).unwrap();
                machine.disk.create_directory(&path).unwrap();
            }
        };
        replace(&machine);
        machine.check_all();
        machine.recover(true);
        assert!(!names(&machine, &format!("{suffix}.suspect")).is_empty(), "{suffix}");
        for _ in 0..20 {
            let batch = machine.build(None, false);
            machine.append(batch);
        }
        machine.restart_clean();
        machine.check_all();
    }
}

#[test]
fn a_time_index_that_was_cut_or_has_rotted_lets_nothing_go_early() {
    for seed in 0..20 {
        let mut machine = filled(seed, SyncPolicy::Batch);
        let second = machine.log.segments()[1].base_offset();
        let (_, youngest) = machine.model.largest(second).unwrap();
        machine.checkpoint = Some(machine.log.close().unwrap());
        for path in names(&machine, ".timeindex") {
            let file = machine.disk.open(&path, OpenMode::ReadWrite).unwrap();
            if seed % 2 == 0 {
                file.set_length(12).unwrap();
            } else {
                let lowest = (START.0 - 300).to_be_bytes();
                let slices = &mut [IoSlice::new(&lowest)];
                write_all_at(file.as_ref(), slices, 0).unwrap();
                file.set_length(12).unwrap();
            }
            file.sync_data().unwrap();
        }
        machine.boundary = None;
        machine.config.retention_ms = Some((machine.now.0 - youngest.0) as u64);
        machine.recover(true);
        for _ in 0..3 {
            let expired: Vec<_> =
                machine.log.retain(machine.now).iter().map(RemovedSegment::base_offset).collect();
            assert_eq!(expired, [], "seed {seed}");
            machine.maintain();
        }
        machine.now = Timestamp(machine.now.0 + 1000);
        assert!(!machine.log.retain(machine.now).is_empty(), "seed {seed}: expired segments still go");
    }
}

#[test]
fn a_directory_of_another_topic_is_refused_and_left_alone() {
    let machine = filled(3, SyncPolicy::Batch);
    let mut other = environment(&machine.disk);
    other.id.topic_id = TopicId([6; 16]);
    let recovered = PartitionLog::recover(other, machine.config.clone(), RecoverLog::default(), START);
    assert!(matches!(recovered, Err(LogError::OtherTopic { .. })));
    machine.disk.remove_file(&directory().join("partition.metadata")).unwrap();
    let recovered = PartitionLog::recover(
        environment(&machine.disk),
        machine.config.clone(),
        RecoverLog::default(),
        START,
    );
    assert!(matches!(recovered, Err(LogError::BadMetadata { .. })));
}

#[test]
fn an_imported_log_keeps_its_offsets_epochs_and_holes() {
    let mut machine = Machine::new(4, small_config(SyncPolicy::Batch));
    let mut skipping = BatchBuilder::new().position(Offset(3), LeaderEpoch(0));
    skipping.push(&Record { timestamp: START, ..Record::default() });
    let skipping = skipping.build().unwrap();
    assert!(machine.log.append(skipping, Origin::Import, START).is_err());
    machine.log.allow_holes().unwrap();
    let mut offsets = Vec::new();
    for (index, base) in [0i64, 5, 6, 40, 41, 90, 200].into_iter().enumerate() {
        let epoch = LeaderEpoch(index as i32 / 3);
        let mut builder = BatchBuilder::new().position(Offset(base), epoch);
        let value = Some(vec![7; 500].into());
        builder.push(&Record { timestamp: Timestamp(START.0 + base), value, ..Record::default() });
        let batch = builder.build().unwrap();
        let appended = machine.log.append(batch.clone(), Origin::Import, START).unwrap();
        assert_eq!(appended.base_offset, Offset(base));
        machine.model.append(&batch, Offset(base), epoch);
        offsets.push(base);
    }
    let backwards = BatchBuilder::new().position(Offset(10), LeaderEpoch(0)).build().unwrap();
    assert!(machine.log.append(backwards, Origin::Import, START).is_err());
    machine.now = Timestamp(START.0 + 300);
    machine.settle();
    machine.check_all();
    machine.kill();
    machine.check_all();
    for wanted in 0..=200 {
        let request = ReadRequest {
            offset: Offset(wanted),
            max_bytes: 1,
            at_least_one_batch: true,
            isolation: Isolation::ReadUncommitted,
        };
        machine.read_and_compare(request);
    }
    assert_eq!(machine.log.end_of_epoch(LeaderEpoch(0)).end_offset, Offset(40));
}

#[test]
fn a_log_that_was_never_written_stops_and_starts_without_a_file() {
    let mut machine = Machine::new(6, small_config(SyncPolicy::Batch));
    machine.restart_clean();
    machine.restart_clean();
    assert_eq!(machine.disk.list(&directory()).unwrap().len(), 1, "partition.metadata");
    machine.kill();
    let batch = machine.build(None, false);
    machine.append(batch);
    machine.settle();
    machine.check_all();
}

#[test]
fn an_expired_log_is_emptied_and_goes_on_where_it_ended() {
    let mut machine = filled(5, SyncPolicy::Batch);
    machine.config.retention_ms = Some(1000);
    machine.log.configure(machine.config.clone());
    let end = machine.log.offsets().log_end_offset;
    machine.now = Timestamp(machine.now.0 + 100_000);
    machine.retain();
    machine.maintain();
    machine.maintain();
    machine.retain();
    assert_eq!(machine.log.offsets().log_start_offset, end);
    assert_eq!((machine.log.size(), names(&machine, ".log").len()), (0, 0));
    machine.kill();
    assert_eq!(machine.log.offsets().log_end_offset, end);
    let batch = machine.build(Some(1), false);
    assert_eq!(machine.append(batch).base_offset, end, "the producer is still known");
    machine.settle();
    machine.check_all();
    machine.power_loss();
    machine.check_all();
}

/// Counts reads of segments.
#[derive(Debug)]
struct Counting(highwater_disk::RealDisk, Arc<AtomicU64>);

#[derive(Debug)]
struct CountingFile(Arc<dyn highwater_disk::File>, Arc<AtomicU64>);

impl Disk for Counting {
    fn open(&self, path: &Path, mode: OpenMode) -> std::io::Result<Arc<dyn highwater_disk::File>> {
        Ok(Arc::new(CountingFile(self.0.open(path, mode)?, self.1.clone())))
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> std::io::Result<()> {
        self.0.remove_file(path)
    }
    fn create_directory(&self, path: &Path) -> std::io::Result<()> {
        self.0.create_directory(path)
    }
    fn remove_directory(&self, path: &Path) -> std::io::Result<()> {
        self.0.remove_directory(path)
    }
    fn sync_directory(&self, path: &Path) -> std::io::Result<()> {
        self.0.sync_directory(path)
    }
    fn list(&self, path: &Path) -> std::io::Result<Vec<highwater_disk::Entry>> {
        self.0.list(path)
    }
    fn space(&self, path: &Path) -> std::io::Result<highwater_disk::DiskSpace> {
        self.0.space(path)
    }
}

impl highwater_disk::File for CountingFile {
    fn path(&self) -> &Path {
        self.0.path()
    }
    fn read_at(&self, buffer: &mut [u8], position: u64) -> std::io::Result<usize> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read_at(buffer, position)
    }
    fn read_resident_at(&self, buffer: &mut [u8], position: u64) -> std::io::Result<Option<usize>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read_resident_at(buffer, position)
    }
    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> std::io::Result<usize> {
        self.0.write_at(slices, position)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }
    fn set_length(&self, length: u64) -> std::io::Result<()> {
        self.0.set_length(length)
    }
    fn allocate(&self, position: u64, size: u64) -> std::io::Result<()> {
        self.0.allocate(position, size)
    }
    fn length(&self) -> std::io::Result<u64> {
        self.0.length()
    }
    fn drop_cache(&self) -> std::io::Result<()> {
        self.0.drop_cache()
    }
    fn as_std(&self) -> Option<&std::fs::File> {
        self.0.as_std()
    }
}

#[test]
fn a_read_costs_the_same_at_both_ends_of_a_gigabyte() {
    let path = std::env::temp_dir().join(format!("highwater-log-{}", std::process::id()));
    std::fs::create_dir(&path).unwrap();
    let reads = Arc::new(AtomicU64::new(0));
    let environment = LogEnvironment {
        disk: Arc::new(Counting(highwater_disk::RealDisk::default(), reads.clone())),
        directory: path.clone(),
        id: TopicIdPartition { topic_id: TopicId([5; 16]), partition: 0 },
        topic: "topic".into(),
    };
    let config = LogConfig { sync_policy: SyncPolicy::Never, ..LogConfig::default() };
    let mut log = PartitionLog::create(environment, config).unwrap();
    let mut builder = BatchBuilder::new();
    let value = Some(vec![7; 255 << 10].into());
    builder.push(&Record { timestamp: START, value, ..Record::default() });
    let batch = builder.build().unwrap();
    let count = 4100;
    for _ in 0..count {
        log.append(batch.clone(), Origin::Client, START).unwrap();
        if log.staged_bytes() > 4 << 20 {
            let mut job = log.begin_write().unwrap();
            let result = job.run();
            log.end_write(job, result).unwrap();
        }
    }
    while let Some(mut job) = log.begin_write() {
        let result = job.run();
        log.end_write(job, result).unwrap();
    }
    let mut cost = |offset: i64| {
        let request = ReadRequest {
            offset: Offset(offset),
            max_bytes: 1 << 20,
            at_least_one_batch: true,
            isolation: Isolation::ReadUncommitted,
        };
        let before = reads.load(Ordering::Relaxed);
        let outcome = log.read_plan(request).unwrap().run(ReadMode::Blocking).unwrap();
        assert!(outcome.size() > 200 << 10);
        reads.load(Ordering::Relaxed) - before
    };
    let costs: Vec<u64> = [1, 10, count / 2, count - 20, count - 1].into_iter().map(&mut cost).collect();
    std::fs::remove_dir_all(&path).unwrap();
    assert!(costs.iter().all(|&cost| cost <= 8), "{costs:?}");
    assert!(costs[1] == costs[2] && costs[2] == costs[3], "{costs:?}");
}

/// The whole batches at the beginning of what was read, up to the first one that is none.
fn good_batches(mut bytes: &[u8]) -> Vec<BatchHeader> {
    let mut found = Vec::new();
    while let Ok(header) = verify(bytes) {
        bytes = &bytes[header.size() as usize..];
        found.push(header);
    }
    found
}

/// Reads on from the beginning as a consumer does, up to the first error. Returns where that is, and its text.
fn consume(machine: &Machine, max_bytes: u64, isolation: Isolation) -> (Offset, String) {
    let mut offset = Offset::ZERO;
    loop {
        let request = ReadRequest { offset, max_bytes, at_least_one_batch: true, isolation };
        let outcome = match machine.log.read_plan(request).unwrap().run(ReadMode::Blocking) {
            Err(error) => return (offset, error.to_string()),
            Ok(outcome) => outcome,
        };
        let bytes: Vec<u8> = outcome.records.iter().flat_map(|range| range.read().unwrap()).collect();
        assert_eq!(bytes.len() as u64, outcome.size());
        let good = good_batches(&bytes);
        let context = format!("seed {} {request:?}", machine.seed);
        let next = good.last().unwrap_or_else(|| panic!("{context}: nothing good")).last_offset().next();
        if isolation == Isolation::ReadCommitted {
            machine.model.check_aborted(&outcome.aborted, offset, next, &context);
        }
        offset = next;
    }
}

/// Destroys the length of the batch at `base`.
fn destroy_length(machine: &Machine, base: Offset) -> PathBuf {
    let logs = names(machine, ".log");
    for path in logs {
        let file = machine.disk.open(&path, OpenMode::ReadWrite).unwrap();
        let mut bytes = vec![0; file.length().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        let mut position = 0;
        for header in good_batches(&bytes) {
            if header.base_offset == base {
                write_all_at(file.as_ref(), &mut [IoSlice::new(&[0x7f; 4])], position + 8).unwrap();
                file.sync_data().unwrap();
                return path;
            }
            position += header.size();
        }
    }
    panic!("no batch at {base}");
}

#[test]
fn all_batches_in_front_of_a_damaged_one_are_served() {
    for seed in 0..40 {
        for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
            let mut machine = filled(seed, SyncPolicy::Batch);
            let stable = machine.log.offsets().last_stable_offset;
            let stable = if isolation == Isolation::ReadCommitted { stable } else { machine.model.end() };
            let below = machine.model.batches.iter().filter(|batch| batch.base < stable);
            let bases: Vec<Offset> = below.map(|batch| batch.base).skip(1).collect();
            let Some(count) = std::num::NonZero::new(bases.len()) else { continue };
            let base = bases[machine.random.index(count.get())];
            if machine.random.coin() {
                // Indexes come from their files.
                machine.maintain();
                machine.restart_clean();
            }
            let file = destroy_length(&machine, base);
            for max_bytes in [1, 500, 1500, 3000, 1 << 20] {
                let (offset, error) = consume(&machine, max_bytes, isolation);
                assert_eq!(offset, base, "seed {seed}, {max_bytes} bytes, {isolation:?}: {error}");
                assert!(error.contains(file.to_str().unwrap()), "{error}");
            }
        }
    }
}

#[test]
fn segments_in_front_of_a_missing_one_are_served() {
    let mut machine = filled(3, SyncPolicy::Batch);
    let bases: Vec<i64> = names(&machine, ".log")
        .iter()
        .map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap())
        .collect();
    assert!(bases.len() > 3, "{bases:?}");
    machine.disk.remove_file(&directory().join(format!("{:020}.log", bases[2]))).unwrap();
    machine.restart_clean();
    for max_bytes in [1, 1 << 20] {
        let (offset, _) = consume(&machine, max_bytes, Isolation::ReadUncommitted);
        assert_eq!(offset, Offset(bases[2]), "{max_bytes} bytes");
    }
}
