//! Damaged data directories: what is found, what a repair does, what is served afterwards.

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
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use common::{Driven, PATH, append, batch, id, open, with_config};
use highwater_disk::sim::{Random, SimDisk};
use highwater_disk::{Disk, EntryKind, FileRange, OpenMode, write_all_at};
use highwater_partition_log::LogConfig;
use highwater_store::meta::TopicRecord;
use highwater_store::{Acknowledgement, LogStore, MetaChange, MetaRecord, NewPartition, PartitionState};
use highwater_store_local::meta::MetaCore;
use highwater_store_local::repair::{Finding, Inspection, Repair, Severity};
use highwater_types::{Timestamp, TopicId, TopicIdPartition};

const PARTITIONS: i32 = 3;
const NOW: Timestamp = Timestamp(1_700_000_000_000);

type Batches = Vec<(i64, Bytes)>;
type Expected = BTreeMap<TopicIdPartition, Batches>;

fn as_disk(disk: &Arc<SimDisk>) -> Arc<dyn Disk> {
    Arc::clone(disk) as _
}

fn partitions() -> Vec<NewPartition> {
    let config = LogConfig { segment_bytes: 1500, index_interval_bytes: 200, ..LogConfig::default() };
    (0..PARTITIONS).map(|partition| with_config(1, partition, config.clone())).collect()
}

fn topic(number: u8, partitions: i32) -> MetaChange {
    let name = format!("topic{number}").into();
    MetaChange::Put(MetaRecord::Topic(TopicRecord {
        id: [number; 16],
        name,
        partitions,
        configs: BTreeMap::new(),
    }))
}

fn meta_path() -> PathBuf {
    Path::new(PATH).join("meta.redb")
}

/// A directory with metadata and some batches in each partition, stopped cleanly or not, and what is in it.
fn made(random: &mut Random, seed: u64, clean: bool) -> (Arc<SimDisk>, Expected) {
    let disk = SimDisk::new(seed);
    let driven = open(&as_disk(&disk), Vec::new());
    let mut meta = MetaCore::open(as_disk(&disk), &meta_path()).unwrap();
    meta.commit_many(&[vec![topic(1, PARTITIONS)]]).unwrap();
    drop(meta);
    driven.create(partitions());
    let mut expected = Expected::new();
    for round in 0..5 + random.below(25) {
        for partition in 0..PARTITIONS {
            let count = 1 + random.index(4);
            let bytes = batch(count, 20 + random.index(200), round * 10 + partition as u64);
            let pending = append(&driven, id(1, partition), bytes, Acknowledgement::Durable).unwrap();
            expected.entry(id(1, partition)).or_default().push((pending.base_offset, pending.payload));
            driven.drive(pending.wait).unwrap();
        }
        if random.below(6) == 0 {
            driven.pass_ms(120_000);
        }
    }
    if clean {
        driven.drive(driven.store.close()).unwrap();
    }
    drop(driven);
    // What was written is as good as synced in what follows, where no power is lost.
    (disk.kill(), expected)
}

fn served(driven: &Driven) -> Expected {
    driven.settle();
    (0..PARTITIONS).map(|partition| (id(1, partition), driven.read_all(id(1, partition)))).collect()
}

fn inspect(disk: &Arc<SimDisk>) -> Vec<Finding> {
    let inspection = Inspection::open(as_disk(disk), Path::new(PATH)).unwrap();
    let mut findings = inspection.findings().to_vec();
    for name in inspection.partitions() {
        findings.extend(inspection.partition(&name, &mut |_, _, _, _| {}).findings);
    }
    findings
}

fn damage(disk: &Arc<SimDisk>) -> Vec<Finding> {
    inspect(disk).into_iter().filter(Finding::is_damage).collect()
}

/// Repairs everything; returns what was done.
fn repair(disk: &Arc<SimDisk>, rebuild: bool) -> Vec<String> {
    let mut repair = Repair::open(as_disk(disk), Path::new(PATH)).unwrap();
    if rebuild {
        repair.rebuild_metadata().unwrap();
    }
    for name in repair.inspection().partitions() {
        let report = repair.inspection().partition(&name, &mut |_, _, _, _| {});
        repair.partition(&report, NOW).unwrap();
    }
    repair.take_done().into_iter().map(|done| format!("{}: {}", done.path.display(), done.what)).collect()
}

/// Every file, with its content; directories end with a slash.
fn files(disk: &SimDisk, directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in disk.list(directory).unwrap() {
        let path = directory.join(&entry.name);
        match entry.kind {
            EntryKind::Directory => found.extend(files(disk, &path)),
            _ => found.push(path),
        }
    }
    found
}

fn contents(disk: &SimDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, OpenMode::Read).unwrap();
    let size = file.length().unwrap();
    FileRange { file, position: 0, size }.read().unwrap()
}

fn write(disk: &SimDisk, path: &Path, bytes: &[u8]) {
    let file = disk.open(path, OpenMode::CreateOrOpen).unwrap();
    file.set_length(0).unwrap();
    write_all_at(file.as_ref(), &mut [IoSlice::new(bytes)], 0).unwrap();
    file.sync_data().unwrap();
}

/// Damages one file at random. Returns what was done, the file, and what it holds now.
fn spoil(disk: &SimDisk, random: &mut Random) -> (String, PathBuf, Vec<u8>) {
    let all: Vec<_> =
        files(disk, Path::new(PATH)).into_iter().filter(|path| !path.ends_with("lock")).collect();
    let path = &all[random.index(all.len())];
    let mut bytes = contents(disk, path);
    let at = random.index(bytes.len().max(1));
    let end = (at + 1 + random.index(100)).min(bytes.len());
    let way = if bytes.is_empty() { 4 + random.below(2) } else { random.below(6) };
    match way {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => random.fill(&mut bytes[at..end]),
        2 => bytes[at..end].fill(0),
        3 => bytes.truncate(at),
        4 => bytes.extend((0..1 + random.index(80)).map(|_| 0xb7)),
        _ => {
            disk.remove_file(path).unwrap();
            return (format!("{} removed", path.display()), path.clone(), Vec::new());
        }
    }
    write(disk, path, &bytes);
    (format!("{} changed in way {way} at {at}..{end}", path.display()), path.clone(), bytes)
}

#[test]
fn a_whole_directory_has_no_damage_and_a_repair_does_nothing() {
    for seed in 0..20 {
        let (disk, expected) = made(&mut Random::new(seed), seed, seed.is_multiple_of(2));
        assert_eq!(damage(&disk), [], "seed {seed}");
        assert_eq!(repair(&disk, true), [] as [String; 0], "seed {seed}");
        assert_eq!(served(&open(&as_disk(&disk), partitions())), expected, "seed {seed}");
    }
}

#[test]
fn a_directory_in_the_place_of_the_lock_or_the_marker_is_for_a_person() {
    for name in ["lock", "clean-stop"] {
        let (disk, _) = made(&mut Random::new(9), 9, false);
        let path = Path::new(PATH).join(name);
        let _ = disk.remove_file(&path);
        disk.create_directory(&path).unwrap();
        let found = damage(&disk);
        let found: Vec<_> = found.iter().map(|finding| (finding.path.clone(), finding.severity)).collect();
        assert_eq!(found, [(path, Severity::Person)]);
    }
}

#[test]
fn what_a_creation_left_before_its_commit_is_no_damage() {
    let (disk, expected) = made(&mut Random::new(3), 3, false);
    let left = format!("topic1-{PARTITIONS}");
    disk.create_directory(&Path::new(PATH).join(&left)).unwrap();
    assert!(damage(&disk).is_empty());
    assert!(inspect(&disk).iter().any(|found| found.path.ends_with(&left)), "it is worth knowing");
    let driven = open(&as_disk(&disk), partitions());
    assert_eq!(served(&driven), expected);
    assert!(driven.store.strays().is_empty());
}

#[test]
fn what_is_damaged_is_found_and_repaired_and_all_else_is_served() {
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
    for seed in seed.map_or(0..150, |seed: u64| seed..seed + 1) {
        println!("seed {seed}");
        any_damage(seed);
    }
}

fn any_damage(seed: u64) {
    let mut random = Random::new(seed);
    let (disk, expected) = made(&mut random, seed, seed.is_multiple_of(2));
    let (what, spoiled, bytes) = spoil(&disk, &mut random);
    let what = format!("seed {seed}: {what}");
    let found = damage(&disk);
    if found.is_empty() {
        // What inspection does not mind, a start must cope with: nothing is missing, nothing is made up.
        assert_eq!(served(&open(&as_disk(&disk), partitions())), expected, "{what}");
        return;
    }
    assert!(found.iter().all(|finding| finding.severity != Severity::Person), "{what}: {found:?}");
    let rebuild = found.iter().any(|finding| finding.severity == Severity::RebuildMetadata);
    let done = repair(&disk, rebuild);
    assert!(!done.is_empty(), "{what}: {found:?}");
    assert_eq!(damage(&disk), [], "{what}: {done:?}");
    if !bytes.is_empty() && found.iter().any(|finding| finding.path == spoiled) {
        let mut after = files(&disk, Path::new(PATH)).into_iter().map(|path| contents(&disk, &path));
        assert!(after.any(|after| after == bytes), "{what}: the old file is kept: {done:?}");
    }
    let is_lost = |partition: i32, offset: i64| {
        found.iter().any(|finding| {
            let ours = finding.path.starts_with(Path::new(PATH).join(format!("topic1-{partition}")));
            ours && finding.lost.is_some_and(|(from, to)| from.0 <= offset && offset < to.0)
        })
    };
    let mut left = expected;
    for (partition, batches) in &mut left {
        batches.retain(|(offset, _)| !is_lost(partition.partition, *offset));
    }
    let driven = open(&as_disk(&disk), partitions());
    assert_eq!(served(&driven), left, "{what}: {found:?}, {done:?}");
    for partition in 0..PARTITIONS {
        assert_eq!(driven.partition(id(1, partition)).state(), PartitionState::Online);
        let pending = append(&driven, id(1, partition), batch(1, 50, 7), Acknowledgement::Durable).unwrap();
        driven.drive(pending.wait).unwrap();
    }
}

fn load(disk: &Arc<SimDisk>) -> Vec<MetaRecord> {
    MetaCore::open(as_disk(disk), &meta_path()).unwrap().load().unwrap()
}

#[test]
fn without_metadata_topics_come_back_from_their_directories() {
    for spoil in 0..3 {
        let (disk, expected) = made(&mut Random::new(3), 3, spoil == 0);
        match spoil {
            0 => disk.remove_file(&meta_path()).unwrap(),
            1 => write(&disk, &meta_path(), &[]),
            _ => write(&disk, &meta_path(), &[0xee; 9000]),
        }
        let found = damage(&disk);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].severity, Severity::RebuildMetadata);
        assert!(repair(&disk, false).is_empty(), "only when asked");
        let done = repair(&disk, true);
        assert!(done.iter().any(|done| done.contains("topic topic1 is known again")), "{done:?}");
        assert_eq!(damage(&disk), []);
        let MetaRecord::Topic(topic) = &load(&disk)[0] else { panic!() };
        assert_eq!((&*topic.name, topic.id, topic.partitions), ("topic1", [1; 16], PARTITIONS));
        assert_eq!(served(&open(&as_disk(&disk), partitions())), expected);
        let kept = files(&disk, Path::new(PATH)).iter().any(|path| path.ends_with("meta.redb.suspect"));
        assert_eq!(kept, spoil > 0);
    }
}

#[test]
fn yesterdays_metadata_is_completed_and_directories_set_aside_come_back() {
    let (disk, expected) = made(&mut Random::new(4), 4, true);
    let mut meta = MetaCore::open(as_disk(&disk), &meta_path()).unwrap();
    let gone = MetaChange::Remove(highwater_store::MetaKey::Topic(TopicId([1; 16])));
    meta.commit_many(&[vec![gone, topic(9, 1)]]).unwrap();
    drop(meta);
    // Before a start it is noted, and by the start set aside; afterwards it is noted still.
    assert_eq!(inspect(&disk).iter().filter(|found| found.problem.contains("rebuild")).count(), 3);
    let driven = open(&as_disk(&disk), Vec::new());
    assert_eq!(driven.store.strays().len(), 3);
    drop(driven);
    let disk = disk.kill();
    assert_eq!(inspect(&disk).iter().filter(|found| found.problem.contains("rebuild")).count(), 3);
    let done = repair(&disk, true);
    assert_eq!(done.iter().filter(|done| done.contains("again")).count(), 4, "{done:?}");
    assert_eq!(load(&disk).len(), 2, "the other topic stays");
    assert_eq!(served(&open(&as_disk(&disk), partitions())), expected);
}

#[test]
fn a_topic_made_anew_after_the_metadata_was_saved_wins_over_the_empty_one() {
    let (disk, expected) = made(&mut Random::new(5), 5, true);
    let mut meta = MetaCore::open(as_disk(&disk), &meta_path()).unwrap();
    let gone = MetaChange::Remove(highwater_store::MetaKey::Topic(TopicId([1; 16])));
    let MetaChange::Put(MetaRecord::Topic(mut old)) = topic(1, PARTITIONS) else { panic!() };
    old.id = [8; 16];
    meta.commit_many(&[vec![gone, MetaChange::Put(MetaRecord::Topic(old))]]).unwrap();
    drop(meta);
    // A start under the old metadata sets the directories aside and makes empty ones.
    let mut old = partitions();
    old.iter_mut().for_each(|partition| partition.id.topic_id = TopicId([8; 16]));
    let driven = open(&as_disk(&disk), old);
    driven.settle();
    drop(driven);
    let disk = disk.kill();
    repair(&disk, true);
    assert_eq!(damage(&disk), []);
    let MetaRecord::Topic(topic) = &load(&disk)[0] else { panic!() };
    assert_eq!(topic.id, [1; 16]);
    assert_eq!(served(&open(&as_disk(&disk), partitions())), expected);
}

#[test]
fn a_partition_without_its_directory_is_empty_and_ends_where_it_did() {
    let (disk, mut expected) = made(&mut Random::new(6), 6, true);
    let directory = Path::new(PATH).join("topic1-1");
    for path in files(&disk, &directory) {
        disk.remove_file(&path).unwrap();
    }
    disk.remove_directory(&directory).unwrap();
    let found = damage(&disk);
    let end = found[0].lost.unwrap().1;
    repair(&disk, false);
    assert_eq!(damage(&disk), []);
    expected.insert(id(1, 1), Vec::new());
    let driven = open(&as_disk(&disk), partitions());
    assert_eq!(served(&driven), expected);
    let pending = append(&driven, id(1, 1), batch(1, 50, 7), Acknowledgement::Durable).unwrap();
    assert_eq!(pending.base_offset, end.0, "no offset is given out twice");
}

#[test]
fn readers_come_to_the_end_of_a_log_whose_end_is_lost() {
    let (disk, mut expected) = made(&mut Random::new(8), 8, false);
    let directory = Path::new(PATH).join("topic1-0");
    let last = files(&disk, &directory).into_iter().rfind(|path| path.extension() == Some("log".as_ref()));
    let last = last.unwrap();
    let bytes = contents(&disk, &last);
    write(&disk, &last, &bytes[..bytes.len() - 1]);
    let end = damage(&disk)[0].lost.unwrap().1;
    repair(&disk, false);
    assert_eq!(damage(&disk), []);
    expected.get_mut(&id(1, 0)).unwrap().pop();
    let driven = open(&as_disk(&disk), partitions());
    // Reads on until nothing comes, which is at the end.
    assert_eq!(served(&driven), expected);
    assert_eq!(driven.partition(id(1, 0)).offsets().high_watermark, end);
    let pending = append(&driven, id(1, 0), batch(1, 50, 7), Acknowledgement::Durable).unwrap();
    assert_eq!(pending.base_offset, end.0, "no offset is given out twice, and none is left out");
}

#[test]
fn a_repair_that_is_killed_anywhere_is_done_again() {
    let spoiled = || {
        let (disk, expected) = made(&mut Random::new(7), 7, false);
        let directory = Path::new(PATH).join("topic1-0");
        let segment =
            files(&disk, &directory).into_iter().find(|path| path.ends_with("00000000000000000000.log"));
        let segment = segment.unwrap();
        let mut bytes = contents(&disk, &segment);
        bytes[100] ^= 1;
        write(&disk, &segment, &bytes);
        write(&disk, &directory.join("partition.metadata"), b"?");
        (disk, expected)
    };
    let (disk, mut expected) = spoiled();
    let before = disk.operations();
    repair(&disk, false);
    expected.get_mut(&id(1, 0)).unwrap().remove(0);
    assert_eq!(served(&open(&as_disk(&disk.kill()), partitions())), expected);
    for crash in (before..disk.operations()).step_by(3) {
        let (disk, _) = spoiled();
        disk.crash_at(crash);
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| repair(&disk, false)));
        let disk = disk.kill();
        repair(&disk, false);
        assert_eq!(damage(&disk), [], "crash at {crash}");
        assert_eq!(served(&open(&as_disk(&disk), partitions())), expected, "crash at {crash}");
    }
}

#[test]
fn a_repair_of_two_segments_that_is_killed_anywhere_is_finished_by_the_next() {
    let spoiled = || {
        let (disk, _) = made(&mut Random::new(7), 7, false);
        let mut segments = files(&disk, &Path::new(PATH).join("topic1-0"));
        segments.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        segments.sort();
        for segment in &segments[..2] {
            let mut bytes = contents(&disk, segment);
            bytes[100] ^= 1;
            write(&disk, segment, &bytes);
        }
        disk
    };
    let disk = spoiled();
    let before = disk.operations();
    repair(&disk, false);
    let expected = served(&open(&as_disk(&disk.kill()), partitions()));
    let mut broken_off = 0;
    for crash in (before..disk.operations()).step_by(2) {
        let disk = spoiled();
        disk.crash_at(crash);
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| repair(&disk, false)));
        let disk = disk.kill();
        broken_off += usize::from(inspect(&disk).iter().any(|found| found.problem.contains("half made")));
        repair(&disk, false);
        assert_eq!(damage(&disk), [], "crash at {crash}");
        assert_eq!(served(&open(&as_disk(&disk), partitions())), expected, "crash at {crash}");
    }
    assert!(broken_off > 0, "no crash left a replacement half made");
}
