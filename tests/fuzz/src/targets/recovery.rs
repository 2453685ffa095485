//! The recovery of one partition's log from a directory with any files under a checkpoint that says anything: segments, indexes,
//! snapshots, epochs, half-made replacements.
//!
//! | bytes of the input | |
//! |---|---|
//! | 1 | flags, see [`Flags`] |
//! | 11, under [`Flags::checkpoint`] | offset 2, segment 1, position 2, log start 2, leader epoch 1, boundary 2, kind of disk 1 |
//! | then for each file | kind 1, base offset 1, size 2, bytes |
//!
//! When recovery succeeds, every batch above the recovery point verifies and offsets rise; reading and looking up by time answer or
//! say what is wrong; a second recovery, after a kill or a power loss, changes nothing. When it fails, no segment has changed.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater_disk::sim::SimDisk;
use highwater_disk::{Disk, OpenMode, write_all_at};
use highwater_partition_log::{
    Isolation, LogCheckpoint, LogConfig, LogEnvironment, LogError, LogOffsets, LogPoint, LogRecovery, Origin,
    PartitionLog, ReadMode, ReadRequest, RecoverLog,
};
use highwater_types::{
    LeaderEpoch, Offset, Position, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicId, TopicIdPartition,
};
use highwater_wal::WalError;
use highwater_wire::record::{BatchBuilder, EndTxnMarker, Record, batches, end_transaction_batch, verify};

use crate::memory::Budget;
use crate::mend;

/// The simulated disk keeps three images of each file and copies of the whole for a restart.
pub(crate) const BUDGET: Budget = Budget { fixed: 16 << 20, factor: 256 };
const DIRECTORY: &str = "/data/topic-0";
const NOW: Timestamp = Timestamp(1_700_000_000_000);
/// Kinds of files by number. Behind `-` stands the base offset again, raised by eight.
const KINDS: [&str; 14] = [
    "log",
    "index",
    "timeindex",
    "txnindex",
    "snapshot",
    "producers",
    "log.cleaned",
    "log.deleted",
    "-swap",
    "-recopy",
    "leader-epoch-checkpoint",
    "partition.metadata",
    "holes",
    "next.prep",
];
/// From here on names stand alone.
const PLAIN_NAMES: usize = 10;
const CHECKPOINT_SIZE: usize = 11;

/// The first byte of an input.
#[derive(Debug, Clone, Copy)]
struct Flags(u8);

impl Flags {
    fn checkpoint(self) -> bool {
        self.0 & 1 != 0
    }

    fn clean(self) -> bool {
        self.0 & 2 != 0
    }

    fn boundary(self) -> bool {
        self.0 & 4 != 0
    }

    fn suspect(self) -> bool {
        self.0 & 8 != 0
    }

    fn power_loss(self) -> bool {
        self.0 & 16 != 0
    }

    /// Batches are given the offsets that follow each other.
    fn chained(self) -> bool {
        self.0 & 32 != 0
    }
}

/// A file of the input: kind and base offset, and where its bytes stand.
type Section = (usize, u8, std::ops::Range<usize>);

fn parse(input: &[u8]) -> Option<(Flags, RecoverLog, Vec<Section>)> {
    let flags = Flags(*input.first()?);
    let mut at = 1;
    let mut from = RecoverLog { clean: flags.clean(), ..RecoverLog::default() };
    if flags.checkpoint() {
        let fields = input.get(1..1 + CHECKPOINT_SIZE)?;
        at += CHECKPOINT_SIZE;
        let short = |at: usize| i64::from(u16::from_be_bytes([fields[at], fields[at + 1]]));
        let point = LogPoint {
            offset: Offset(short(0)),
            segment: Offset(fields[2].into()),
            position: Position(short(3).unsigned_abs()),
        };
        from.checkpoint = Some(LogCheckpoint {
            recovery_point: point,
            log_start_offset: Offset(short(5)),
            leader_epoch: LeaderEpoch(fields[7].into()),
            suspect: flags.suspect().then_some(point),
            max_producer_id: ProducerId::NONE,
        });
        from.boundary = flags.boundary().then_some(LogPoint { offset: Offset(short(8)), ..point });
    }
    let mut sections = Vec::new();
    while let Some(head) = input.get(at..at + 4) {
        let start = at + 4;
        let end = input.len().min(start + usize::from(u16::from_be_bytes([head[2], head[3]])));
        sections.push((usize::from(head[0]) % KINDS.len(), head[1], start..end));
        at = end;
    }
    Some((flags, from, sections))
}

fn name((kind, base, _): &Section) -> String {
    let suffix = KINDS[*kind];
    match suffix.strip_prefix('-') {
        Some(suffix) => format!("{base:020}-{:020}.{suffix}", u32::from(*base) + 8),
        None if *kind >= PLAIN_NAMES => suffix.to_owned(),
        None => format!("{base:020}.{suffix}"),
    }
}

pub(crate) fn recovery(input: &[u8]) {
    let Some((flags, mut from, sections)) = parse(input) else { return };
    let disk = new_disk();
    let id = format!("version: 0\ntopic_id: {}\n", environment(&disk).id.topic_id);
    write(&disk, "partition.metadata", id.as_bytes());
    for section in &sections {
        write(&disk, &name(section), &input[section.2.clone()]);
    }
    disk.sync_directory(Path::new(DIRECTORY)).unwrap();
    let before = contents(&disk);
    let (log, report) = match recover(&disk, from) {
        Ok(recovered) => recovered,
        Err(error) => {
            // Corruption is found before anything is done, but for replacements that are finished first.
            let corrupt = matches!(error, LogError::Wal(WalError::Corrupt { .. }));
            let replacing = sections.iter().any(|(kind, ..)| KINDS[*kind].starts_with('-'));
            let unchanged = || segments(&before) == segments(&contents(&disk));
            assert!(!corrupt || replacing || unchanged(), "a segment changed: {error}");
            return;
        }
    };
    check_batches(&log, from);
    check_reads(&log);
    let restarted = |disk: &SimDisk| if flags.power_loss() { disk.power_loss(1) } else { disk.kill() };
    let again = |disk: &Arc<SimDisk>, from, first: &LogRecovery| {
        recover(disk, from).unwrap_or_else(|error| panic!("once more: {error}; {first:?}"))
    };
    // Of a checkpoint that contradicts the log one start may believe what the next one, which finds other files, does not. A
    // broker writes a new one, as it does where doubtful bytes were copied; from then on nothing changes.
    let settled =
        |checkpoint: &LogCheckpoint| checkpoint.suspect.is_none() && is_in(&log, checkpoint.recovery_point);
    let (disk, log, report) = if from.checkpoint.is_some_and(|checkpoint| !settled(&checkpoint)) {
        let recovery_point = report.segments.end;
        from.checkpoint = Some(LogCheckpoint { recovery_point, suspect: None, ..log.checkpoint() });
        from.boundary = None;
        let disk = restarted(&disk);
        let (log, report) = again(&disk, from, &report);
        check_reads(&log);
        (disk, log, report)
    } else {
        (disk, log, report)
    };
    let (offsets, ends) = (log.offsets(), ends(&log));
    let mut after = contents(&disk);
    let disk = restarted(&disk);
    let (again, second) = again(&disk, from, &report);
    // Where it cannot be proved that nothing is missing, each start raises the epoch.
    let same_epoch = LogOffsets { leader_epoch: offsets.leader_epoch, ..again.offsets() };
    assert!(again.offsets().leader_epoch >= offsets.leader_epoch, "{report:?}, then {second:?}");
    assert_eq!((same_epoch, self::ends(&again)), (offsets, ends), "{report:?}, then {second:?}");
    assert_eq!(second.segments.cut, None, "cut again after {report:?}");
    let mut now = contents(&disk);
    for files in [&mut now, &mut after] {
        files.remove("leader-epoch-checkpoint");
    }
    assert!(now == after, "other files after a second recovery: {report:?}, then {second:?}");
}

/// Whether a batch with the offset stands at the point, or the log ends there.
fn is_in(log: &PartitionLog, point: LogPoint) -> bool {
    let Some(segment) = log.segments().iter().find(|segment| segment.base_offset() == point.segment) else {
        return false;
    };
    let bytes = segment.range(Position::ZERO, segment.end()).unwrap().read().unwrap();
    let mut next = LogPoint::start_of(segment.base_offset());
    for item in batches(bytes.into()) {
        let Ok((header, batch)) = item else { return false };
        if (header.base_offset, next.position) == (point.offset, point.position) {
            return true;
        }
        next.position.0 += batch.len() as u64;
        next.offset = header.next_offset();
    }
    next == point
}

/// Whatever was scanned is good: batches verify and follow each other.
fn check_batches(log: &PartitionLog, from: RecoverLog) {
    let offsets = log.offsets();
    assert!(offsets.log_start_offset <= offsets.last_stable_offset, "{offsets:?}");
    assert!(offsets.last_stable_offset <= offsets.high_watermark, "{offsets:?}");
    assert!(offsets.high_watermark <= offsets.log_end_offset, "{offsets:?}");
    assert_eq!(offsets.synced_end, offsets.log_end_offset, "recovery returned what is not durable");
    if from.clean || from.checkpoint.is_some() || from.boundary.is_some() {
        return;
    }
    let mut expected = Offset::ZERO;
    for segment in log.segments() {
        let bytes = segment.range(Position::ZERO, segment.end()).unwrap().read().unwrap();
        for item in batches(bytes.into()) {
            let (header, batch) = item.expect("a segment of whole batches");
            verify(&batch).expect("a published batch verifies");
            assert!(header.base_offset >= expected, "{header:?} where {expected} was expected");
            expected = header.next_offset();
        }
    }
    assert!(expected <= offsets.log_end_offset);
}

/// Reads give whole batches, or an error.
fn check_reads(log: &PartitionLog) {
    let offsets = log.offsets();
    let wanted =
        |offset, isolation| ReadRequest { offset, max_bytes: 1 << 20, at_least_one_batch: true, isolation };
    for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
        for offset in
            [offsets.log_start_offset, offsets.high_watermark.min(Offset(offsets.log_start_offset.0 + 5))]
        {
            let plan = log.read_plan(wanted(offset, isolation)).expect("the offset is in the log");
            if let Ok(outcome) = plan.run(ReadMode::Blocking) {
                let end = outcome
                    .records
                    .iter()
                    .map(|range| range.read().expect("what was promised is there").len())
                    .sum::<usize>();
                assert_eq!(end as u64, outcome.size());
            }
        }
        let _ = log.timestamp_plan(Timestamp(NOW.0 + 1), isolation).run(ReadMode::Blocking);
    }
    let _ = log.max_timestamp_plan().run(ReadMode::Blocking);
    let _ = log.end_of_epoch(LeaderEpoch(1));
}

fn recover(disk: &Arc<SimDisk>, from: RecoverLog) -> Result<(PartitionLog, LogRecovery), LogError> {
    PartitionLog::recover(environment(disk), config(), from, NOW)
}

fn config() -> LogConfig {
    LogConfig { segment_bytes: 300, index_interval_bytes: 100, retention_ms: None, ..LogConfig::default() }
}

fn environment(disk: &Arc<SimDisk>) -> LogEnvironment {
    LogEnvironment {
        disk: disk.clone(),
        directory: PathBuf::from(DIRECTORY),
        id: TopicIdPartition { topic_id: TopicId([5; 16]), partition: 0 },
        topic: "topic".into(),
    }
}

fn new_disk() -> Arc<SimDisk> {
    let disk = SimDisk::new(1);
    disk.set_tracing(false);
    for (parent, directory) in [("/", "/data"), ("/data", DIRECTORY)] {
        disk.create_directory(Path::new(directory)).unwrap();
        disk.sync_directory(Path::new(parent)).unwrap();
    }
    disk
}

fn write(disk: &SimDisk, name: &str, bytes: &[u8]) {
    let file = disk.open(&Path::new(DIRECTORY).join(name), OpenMode::CreateOrOpen).unwrap();
    file.set_length(0).unwrap();
    write_all_at(file.as_ref(), &mut [IoSlice::new(bytes)], 0).unwrap();
    file.sync_data().unwrap();
}

/// Every file by name.
fn contents(disk: &SimDisk) -> BTreeMap<String, Vec<u8>> {
    let read = |name: &str| {
        let file = disk.open(&Path::new(DIRECTORY).join(name), OpenMode::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
        let count = if bytes.is_empty() { 0 } else { file.read_at(&mut bytes, 0).unwrap() };
        bytes.truncate(count);
        bytes
    };
    let entries = disk.list(Path::new(DIRECTORY)).unwrap();
    entries.into_iter().map(|entry| (entry.name.clone(), read(&entry.name))).collect()
}

fn segments(contents: &BTreeMap<String, Vec<u8>>) -> Vec<(&String, &Vec<u8>)> {
    contents.iter().filter(|(name, _)| name.ends_with(".log")).collect()
}

fn ends(log: &PartitionLog) -> Vec<(Offset, Position)> {
    log.segments().iter().map(|segment| (segment.base_offset(), segment.end())).collect()
}

pub(crate) fn mend(bytes: &mut [u8]) {
    let Some((flags, _, sections)) = parse(bytes) else { return };
    let mut next = 0;
    for (kind, base, range) in sections {
        let file = &mut bytes[range];
        match KINDS[kind] {
            "log" | "log.cleaned" | "-swap" | "-recopy" => {
                if flags.chained() {
                    next = next.max(base.into());
                    mend::chain(file, &mut next);
                }
                mend::batches(file);
            }
            "snapshot" => mend::crc_before(file, 6),
            "producers" => mend::crc_before(file, 10),
            _ => {}
        }
    }
}

/// A log of several segments, with a producer, an aborted transaction and everything that is kept beside; without a checkpoint, with
/// one, cut off, and closed cleanly.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let disk = new_disk();
    let mut log = PartitionLog::create(environment(&disk), config()).unwrap();
    for index in 0..6 {
        append(&mut log, index);
    }
    let checkpoint = log.close().unwrap();
    let files = contents(&disk);
    let mut fields = Vec::new();
    let point = checkpoint.recovery_point;
    fields.extend(u16::try_from(point.offset.0).unwrap().to_be_bytes());
    fields.push(u8::try_from(point.segment.0).unwrap());
    fields.extend(u16::try_from(point.position.0).unwrap().to_be_bytes());
    fields.extend([0, 0, 0]);
    fields.extend(u16::try_from(point.offset.0).unwrap().to_be_bytes());
    fields.push(0);
    assert_eq!(fields.len(), CHECKPOINT_SIZE);
    let whole = sections(&files, |name, bytes| (!name.is_empty()).then_some(bytes));
    let bare = sections(&files, |name, bytes| name.ends_with(".log").then_some(bytes));
    let torn = sections(&files, |name, bytes| name.ends_with(".log").then_some(&bytes[..bytes.len() - 5]));
    let early = [0, 1, 0, 0, 90, 0, 0, 0, 0, 2, 0];
    let mut seeds: Vec<Vec<u8>> = [0u8, 16, 32].map(|flags| [&[flags], &whole[..]].concat()).to_vec();
    seeds.extend([[&[0], &bare[..]].concat(), [&[16], &torn[..]].concat()]);
    for flags in [1u8, 3, 5, 9, 17] {
        seeds.push([&[flags], &fields[..], &whole[..]].concat());
        seeds.push([&[flags], &early[..], &torn[..]].concat());
    }
    seeds
}

fn append(log: &mut PartitionLog, index: i32) {
    let mut builder = BatchBuilder::new().producer(ProducerId(9), ProducerEpoch(0), Sequence(index));
    builder.push(&Record {
        timestamp: Timestamp(NOW.0 + i64::from(index)),
        value: Some(vec![b'v'; 20].into()),
        ..Record::default()
    });
    log.append(builder.build().unwrap(), Origin::Client, NOW).unwrap();
    let mut builder =
        BatchBuilder::new().producer(ProducerId(5), ProducerEpoch(0), Sequence(index)).transactional();
    builder.push(&Record { timestamp: NOW, ..Record::default() });
    log.append(builder.build().unwrap(), Origin::Client, NOW).unwrap();
    if index % 2 == 1 {
        let marker = EndTxnMarker { committed: index == 3, coordinator_epoch: 0 };
        let marker = end_transaction_batch(marker, ProducerId(5), ProducerEpoch(0), NOW).unwrap();
        log.append(marker, Origin::Coordinator, NOW).unwrap();
    }
    let mut job = log.begin_write().unwrap();
    let result = job.run();
    log.end_write(job, result).unwrap();
    let job = log.begin_sync().unwrap();
    let result = job.run();
    log.end_sync(job, result).unwrap();
}

fn sections<'a>(
    files: &'a BTreeMap<String, Vec<u8>>,
    choose: impl Fn(&str, &'a [u8]) -> Option<&'a [u8]>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files {
        let (base, suffix) =
            name.split_once('.').map_or(("", name.as_str()), |(base, suffix)| (base, suffix));
        let (base, suffix) = base.parse::<u8>().map_or((0, name.as_str()), |base| (base, suffix));
        let kind = KINDS.iter().position(|kind| *kind == suffix);
        let (Some(kind), Some(content)) = (kind, choose(name, content)) else { continue };
        bytes.extend([u8::try_from(kind).unwrap(), base]);
        bytes.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        bytes.extend(content);
    }
    bytes
}
