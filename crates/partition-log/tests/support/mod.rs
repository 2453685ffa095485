//! A log on the simulated disk, driven step by step, beside a model that keeps every batch in a list. Whatever the log
//! answers is compared with the model. One seed replays a whole run.

#![allow(dead_code)]

pub mod model;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use highwater_disk::sim::{Random, SimDisk};
use highwater_disk::{Disk, DiskError};
use highwater_partition_log::*;
use highwater_types::*;
use highwater_wire::record::*;
use model::{Model, Stored};

/// A partition on a simulated machine.
pub struct Machine {
    pub seed: u64,
    pub random: Random,
    pub disk: Arc<SimDisk>,
    pub config: LogConfig,
    pub log: PartitionLog,
    pub model: Model,
    pub now: Timestamp,
    /// What the store would have made durable.
    pub checkpoint: Option<LogCheckpoint>,
    pub boundary: Option<LogPoint>,
    /// Highest high watermark that was reported.
    pub visible: Offset,
    /// Highest end that was written to files.
    pub written: Offset,
}

pub fn directory() -> PathBuf {
    PathBuf::from("/data/topic-0")
}

pub fn environment(disk: &Arc<SimDisk>) -> LogEnvironment {
    LogEnvironment {
        disk: disk.clone(),
        directory: directory(),
        id: TopicIdPartition { topic_id: TopicId([5; 16]), partition: 0 },
        topic: "topic".into(),
    }
}

pub fn small_config(sync_policy: SyncPolicy) -> LogConfig {
    LogConfig {
        segment_bytes: 2000,
        index_interval_bytes: 300,
        retention_ms: None,
        sync_policy,
        ..LogConfig::default()
    }
}

pub const START: Timestamp = Timestamp(1_700_000_000_000);

/// A disk with the data directory and an empty partition directory, durably.
pub fn new_disk(seed: u64) -> Arc<SimDisk> {
    let disk = SimDisk::new(seed);
    let path = directory();
    disk.create_directory(path.parent().unwrap()).unwrap();
    disk.sync_directory(std::path::Path::new("/")).unwrap();
    disk.create_directory(&path).unwrap();
    disk.sync_directory(path.parent().unwrap()).unwrap();
    disk
}

impl Machine {
    pub fn new(seed: u64, config: LogConfig) -> Self {
        let disk = new_disk(seed);
        let log = PartitionLog::create(environment(&disk), config.clone()).unwrap();
        Self {
            seed,
            random: Random::new(seed ^ 0x5eed),
            disk,
            config,
            log,
            model: Model::default(),
            now: START,
            checkpoint: None,
            boundary: None,
            visible: Offset::ZERO,
            written: Offset::ZERO,
        }
    }

    fn at(&self) -> String {
        format!("seed {}", self.seed)
    }

    /// One random step. Returns `false` when the disk has crashed.
    pub fn step(&mut self) -> bool {
        match self.random.below(20) {
            0..=7 => self.append_something(),
            8..=10 => self.write(),
            11..=12 => self.sync(),
            13 => self.maintain(),
            14 => self.retain(),
            15 if self.random.one_in(4) => self.delete_records(),
            16 => self.check_time(),
            _ => self.check_read(),
        }
        !self.disk.has_crashed()
    }

    pub fn append_something(&mut self) {
        self.now = Timestamp(self.now.0 + self.random.below(50) as i64);
        match self.random.below(8) {
            0..=2 => {
                let batch = self.build(None, false);
                self.append(batch);
            }
            3..=4 => {
                let id = self.random.below(3) as i64;
                let batch = self.build(Some(id), false);
                self.append(batch);
            }
            5 => self.append_duplicate(),
            6 => {
                let id = 10 + self.random.below(2) as i64;
                let batch = self.build(Some(id), true);
                self.append(batch);
            }
            _ => {
                let id = 10 + self.random.below(2) as i64;
                if self.model.open_transaction(id).is_some() {
                    let committed = self.random.coin();
                    self.append_marker(id, committed);
                }
            }
        }
    }

    /// A batch of random records; the next of its producer's sequence.
    pub fn build(&mut self, producer: Option<i64>, transactional: bool) -> Bytes {
        let codec = if self.random.one_in(4) { Compression::Gzip } else { Compression::None };
        let mut builder = BatchBuilder::new().compression(codec, None);
        if let Some(id) = producer {
            let sequence = self.model.next_sequence(id);
            builder = builder.producer(ProducerId(id), ProducerEpoch(0), Sequence(sequence));
        }
        if transactional {
            builder = builder.transactional();
        }
        for _ in 0..=self.random.below(4) {
            let mut value = vec![0; self.random.index(120)];
            self.random.fill(&mut value);
            let timestamp = Timestamp(self.now.0 - self.random.below(200) as i64);
            builder.push(&Record { timestamp, value: Some(value.into()), ..Record::default() });
        }
        builder.build().unwrap()
    }

    pub fn append(&mut self, batch: Bytes) -> Appended {
        let appended = self.log.append(batch.clone(), Origin::Client, self.now);
        let appended = appended.unwrap_or_else(|refusal| panic!("{}: {refusal}", self.at()));
        assert!(!appended.duplicate, "{}", self.at());
        assert_eq!(appended.base_offset, self.model.end(), "{}", self.at());
        self.model.append(&batch, appended.base_offset, self.log.offsets().leader_epoch);
        appended
    }

    fn append_duplicate(&mut self) {
        let id = self.random.below(3) as i64;
        let window: Vec<Stored> = self.model.window(id);
        if window.is_empty() {
            return;
        }
        let original = window[self.random.index(window.len())].clone();
        let appended = self.log.append(original.sent.clone(), Origin::Client, self.now).unwrap();
        assert!(appended.duplicate, "{}", self.at());
        assert_eq!(
            (appended.base_offset, appended.last_offset),
            (original.base, original.last),
            "{}",
            self.at()
        );
    }

    /// Ends a producer's transaction.
    pub fn append_marker(&mut self, id: i64, committed: bool) {
        let marker = EndTxnMarker { committed, coordinator_epoch: 0 };
        let batch = end_transaction_batch(marker, ProducerId(id), ProducerEpoch(0), self.now).unwrap();
        let appended = self.log.append(batch.clone(), Origin::Coordinator, self.now).unwrap();
        self.model.append(&batch, appended.base_offset, self.log.offsets().leader_epoch);
    }

    pub fn write(&mut self) {
        if let Some(mut job) = self.log.begin_write() {
            let result = job.run();
            let crashed = result.is_err();
            let ended = self.log.end_write(job, result);
            assert_eq!(ended.is_err(), crashed);
            self.note();
        }
    }

    pub fn sync(&mut self) {
        if let Some(job) = self.log.begin_sync() {
            let result = job.run();
            let crashed = result.is_err();
            let ended = self.log.end_sync(job, result);
            assert_eq!(ended.is_err(), crashed);
            self.note();
            if !crashed && self.random.coin() {
                self.boundary = Some(self.log.synced_point());
            }
        }
    }

    /// Everything accepted is written and synced.
    pub fn settle(&mut self) {
        while self.log.offsets().synced_end < self.log.offsets().log_end_offset && !self.disk.has_crashed() {
            self.write();
            self.sync();
        }
    }

    fn note(&mut self) {
        let offsets = self.log.offsets();
        self.visible = self.visible.max(offsets.high_watermark);
        self.written = self.written.max(self.log.acknowledged_end(false));
        assert!(offsets.log_start_offset <= offsets.last_stable_offset, "{}", self.at());
        assert!(offsets.last_stable_offset <= offsets.high_watermark, "{}", self.at());
        assert!(offsets.high_watermark <= offsets.log_end_offset, "{}", self.at());
    }

    pub fn maintain(&mut self) {
        if let Some(mut job) = self.log.begin_maintenance(self.now) {
            let result = job.run();
            self.log.end_maintenance(job, result);
            if !self.disk.has_crashed() && self.random.coin() {
                self.checkpoint = Some(self.log.checkpoint());
            }
        }
    }

    pub fn retain(&mut self) {
        let removed = self.log.retain(self.now);
        if removed.is_empty() {
            return;
        }
        self.checkpoint = Some(self.log.checkpoint());
        self.model.log_start = self.log.offsets().log_start_offset;
        for segment in removed {
            let _: Result<(), DiskError> = segment.rename().and_then(|()| segment.unlink());
        }
    }

    pub fn delete_records(&mut self) {
        let offsets = self.log.offsets();
        let span = offsets.high_watermark.since(offsets.log_start_offset);
        let before = Offset(offsets.log_start_offset.0 + self.random.below(span / 4 + 1) as i64);
        let start = self.log.delete_records(before).unwrap();
        assert_eq!(start, before.max(offsets.log_start_offset), "{}", self.at());
        self.model.log_start = start;
        self.checkpoint = Some(self.log.checkpoint());
    }

    pub fn check_read(&mut self) {
        let isolation =
            if self.random.coin() { Isolation::ReadCommitted } else { Isolation::ReadUncommitted };
        let offsets = self.log.offsets();
        let span = offsets.log_end_offset.since(offsets.log_start_offset);
        let offset = Offset(offsets.log_start_offset.0 + self.random.below(span + 2) as i64);
        let max_bytes = [1, 100, 700, 5000, 1 << 20][self.random.index(5)];
        let at_least_one_batch = self.random.coin();
        self.read_and_compare(ReadRequest { offset, max_bytes, at_least_one_batch, isolation });
    }

    pub fn read_and_compare(&mut self, request: ReadRequest) {
        let offsets = self.log.offsets();
        let context = format!("{} {request:?} {offsets:?}", self.at());
        let plan = match self.log.read_plan(request) {
            Err(_) => return assert!(request.offset > offsets.log_end_offset, "{context}"),
            Ok(plan) => plan,
        };
        let outcome = match plan.run(ReadMode::Blocking) {
            Err(error) => return assert!(self.disk.has_crashed(), "{context}: {error}"),
            Ok(outcome) => outcome,
        };
        if self.disk.has_crashed() {
            return;
        }
        let found: Vec<u8> = outcome.records.iter().flat_map(|range| range.read().unwrap()).collect();
        let bound = match request.isolation {
            Isolation::ReadCommitted => self.model.last_stable(offsets.high_watermark),
            Isolation::ReadUncommitted => offsets.high_watermark,
        };
        if request.isolation == Isolation::ReadCommitted {
            assert_eq!(offsets.last_stable_offset, bound, "{context}");
        }
        let (expected, end) = self.model.read(request, bound);
        assert!(found == expected, "{context}: {} bytes, expected {}", found.len(), expected.len());
        if request.isolation == Isolation::ReadCommitted && !found.is_empty() {
            self.model.check_aborted(&outcome.aborted, request.offset, end, &context);
        }
    }

    pub fn check_time(&mut self) {
        let offsets = self.log.offsets();
        let wanted = Timestamp(START.0 - 100 + self.random.below((self.now.0 - START.0 + 200) as u64) as i64);
        let found = self.log.timestamp_plan(wanted, Isolation::ReadUncommitted).run(ReadMode::Blocking);
        let largest = self.log.max_timestamp_plan().run(ReadMode::Blocking);
        let (Ok(found), Ok(largest)) = (found, largest) else {
            return assert!(self.disk.has_crashed(), "{}", self.at());
        };
        if self.disk.has_crashed() {
            return;
        }
        let found = found.map(|found| (found.offset, found.timestamp));
        let expected = self.model.first_at_or_after(wanted, offsets.high_watermark);
        assert_eq!(found, expected, "{} at {wanted} {offsets:?}", self.at());
        let largest = largest.map(|found| (found.offset, found.timestamp));
        assert_eq!(largest, self.model.largest(offsets.high_watermark), "{} {offsets:?}", self.at());
    }

    /// A stop in order, then a start.
    pub fn restart_clean(&mut self) {
        self.settle();
        let end = self.log.offsets().log_end_offset;
        match self.log.close() {
            Ok(checkpoint) => self.checkpoint = Some(checkpoint),
            Err(error) => return assert!(self.disk.has_crashed(), "{}: {error}", self.at()),
        }
        self.boundary = None;
        self.recover(true);
        if !self.disk.has_crashed() {
            assert_eq!(self.log.offsets().log_end_offset, end, "{}", self.at());
            assert_eq!(self.log.offsets().high_watermark, end, "{}", self.at());
        }
    }

    /// The process dies: files stay as they are.
    pub fn kill(&mut self) {
        let disk = self.disk.kill();
        self.restart_on(disk);
        assert!(self.model.end() >= self.written, "{}: a kill loses nothing that was written", self.at());
    }

    /// The process dies after a failure: what was written may be gone, what was visible may not.
    pub fn kill_without_promise(&mut self) {
        let disk = self.disk.kill();
        self.restart_on(disk);
    }

    /// The power fails: what was not synced may be gone.
    pub fn power_loss(&mut self) {
        let seed = self.random.number();
        let disk = self.disk.power_loss(seed);
        self.restart_on(disk);
    }

    fn restart_on(&mut self, disk: Arc<SimDisk>) {
        self.disk = disk;
        self.recover(false);
        let end = self.log.offsets().log_end_offset;
        self.model.truncate(end);
        assert_eq!(self.model.end(), end, "{}: the end is not between two batches", self.at());
        if self.config.sync_policy.waits_for_sync() {
            assert!(end >= self.visible, "{}: end {end}, visible {}", self.at(), self.visible);
        }
        self.written = end.min(self.written);
        self.visible = end.min(self.visible);
    }

    pub fn recover(&mut self, clean: bool) {
        let (checkpoint, boundary) = (self.checkpoint, self.boundary);
        let from = RecoverLog { checkpoint, boundary, clean, ..RecoverLog::default() };
        let recovered = PartitionLog::recover(environment(&self.disk), self.config.clone(), from, self.now);
        match recovered {
            Ok((log, _)) => self.log = log,
            Err(error) => return assert!(self.disk.has_crashed(), "{}: {error}", self.at()),
        }
        let offsets = self.log.offsets();
        assert_eq!(offsets.high_watermark, offsets.log_end_offset, "{}", self.at());
        assert_eq!(offsets.synced_end, offsets.log_end_offset, "{}", self.at());
        assert_eq!(offsets.log_start_offset, self.model.log_start, "{}", self.at());
        if self.random.coin() {
            self.checkpoint = Some(self.log.checkpoint());
            self.boundary = None;
        }
        self.note();
    }

    /// Reads everything, once per isolation, in pieces.
    pub fn check_all(&mut self) {
        for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
            let mut offset = self.model.log_start;
            while let Some(next) = self.model.next_after(offset) {
                let request = ReadRequest { offset, max_bytes: 900, at_least_one_batch: true, isolation };
                self.read_and_compare(request);
                offset = next;
            }
        }
        for _ in 0..5 {
            self.check_time();
        }
    }
}
