//! A log on the simulated disk beside an oracle that knows what must be there.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use highwater_disk::sim::{Random, SimDisk};
use highwater_disk::{Disk, DiskError, OpenMode};
use highwater_types::{LeaderEpoch, Offset, Position, Timestamp};
use highwater_wal::format::{HEADER_SIZE, SimpleFormat};
use highwater_wal::{
    EntryFormat, LogPoint, ReadMode, RecoverFrom, RecoveryReport, Wal, WalError, WalOptions, hop,
};

pub(crate) const DIRECTORY: &str = "/log";

pub(crate) fn format() -> Arc<dyn EntryFormat> {
    Arc::new(SimpleFormat)
}

pub(crate) fn options(segment_bytes: u64) -> WalOptions {
    WalOptions { segment_bytes, ..WalOptions::default() }
}

/// A disk with the log's directory on it.
pub(crate) fn new_disk(seed: u64) -> Arc<SimDisk> {
    let disk = SimDisk::new(seed);
    disk.create_directory(Path::new(DIRECTORY)).unwrap();
    disk.sync_directory(Path::new("/")).unwrap();
    disk
}

pub(crate) fn create(disk: &Arc<SimDisk>, options: WalOptions) -> Wal {
    Wal::create(disk.clone(), DIRECTORY.into(), format(), options, Offset(0))
}

pub(crate) fn recover(
    disk: &Arc<SimDisk>,
    options: WalOptions,
    from: RecoverFrom,
) -> Result<(Wal, RecoveryReport), WalError> {
    Wal::recover(disk.clone(), DIRECTORY.into(), format(), options, from)
}

/// An entry as the oracle knows it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) base: Offset,
    pub(crate) last: Offset,
    pub(crate) bytes: Vec<u8>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..={} ({} bytes)", self.base, self.last, self.bytes.len())
    }
}

pub(crate) fn known(base: Offset, count: u32, payload: &[u8]) -> Known {
    let last = Offset(base.0 + i64::from(count) - 1);
    Known { base, last, bytes: SimpleFormat::entry(base, count, payload).unwrap() }
}

pub(crate) fn stage(wal: &mut Wal, entry: &Known) -> highwater_wal::Placement {
    let (header, payload) = entry.bytes.split_at(HEADER_SIZE);
    wal.stage(header, Bytes::copy_from_slice(payload), (entry.base, entry.last)).unwrap()
}

/// Stages entries of one offset each behind the end.
pub(crate) fn stage_many(wal: &mut Wal, count: usize, payload_size: usize) -> Vec<Known> {
    let many = (0..count).map(|_| {
        let base = wal.staged_end().offset;
        let payload = vec![u8::try_from(base.0 % 250).unwrap() + 1; payload_size];
        let entry = known(base, 1, &payload);
        stage(wal, &entry);
        entry
    });
    many.collect()
}

pub(crate) fn write(wal: &mut Wal) -> Result<(), String> {
    while let Some(mut job) = wal.begin_write() {
        let result = job.run();
        let failed = result.as_ref().err().map(ToString::to_string);
        wal.end_write(job, result);
        failed.map_or(Ok(()), Err)?;
    }
    Ok(())
}

pub(crate) fn sync(wal: &mut Wal) -> Result<(), String> {
    let Some(job) = wal.begin_sync() else { return Ok(()) };
    let result = job.run();
    let failed = result.as_ref().err().map(ToString::to_string);
    wal.end_sync(job, result);
    failed.map_or(Ok(()), Err)
}

/// All entries, whole and verified.
pub(crate) fn read_all(wal: &Wal) -> Vec<Known> {
    try_read_all(wal).unwrap()
}

fn try_read_all(wal: &Wal) -> Result<Vec<Known>, String> {
    let mut all = Vec::new();
    for segment in wal.segments() {
        let mut headers = Vec::new();
        let visit = |position: Position, header: &highwater_wal::EntryHeader, _: &[u8]| {
            headers.push((position, *header));
            ControlFlow::Continue(())
        };
        let (start, end) = (Position::ZERO, segment.end());
        let stopped = hop(segment, &SimpleFormat, start, end, ReadMode::Blocking, visit);
        assert_eq!(stopped.map_err(|error| error.to_string())?, end);
        for (position, header) in headers {
            let bytes = segment.range(position, Position(position.0 + header.size)).unwrap().read().unwrap();
            let at = |error| format!("{}, position {position}: {error}", segment.path().display());
            SimpleFormat.verify(&bytes).map_err(at)?;
            all.push(Known { base: header.base_offset, last: header.last_offset, bytes });
        }
    }
    Ok(all)
}

pub(crate) fn names(disk: &dyn Disk) -> Vec<String> {
    disk.list(Path::new(DIRECTORY)).unwrap().into_iter().map(|entry| entry.name).collect()
}

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

pub(crate) fn contents(disk: &dyn Disk, name: &str) -> Vec<u8> {
    let file = disk.open(&path(name), OpenMode::Read).unwrap();
    let size = file.length().unwrap();
    highwater_disk::FileRange { file, position: 0, size }.read().unwrap()
}

pub(crate) fn segment_name(base: i64) -> String {
    format!("{base:020}.log")
}

/// What must be there.
#[derive(Debug, Clone)]
pub(crate) struct Oracle {
    /// The log, in order.
    pub(crate) timeline: Vec<Known>,
    /// What the log is instead, while a replacement is in flight.
    pub(crate) alternative: Option<Vec<Known>>,
    /// Everything below was acknowledged.
    pub(crate) acknowledged: Offset,
    pub(crate) log_start: Offset,
    pub(crate) holes: bool,
    pub(crate) recovery_point: Option<LogPoint>,
}

impl Oracle {
    pub(crate) fn new() -> Self {
        Self {
            timeline: Vec::new(),
            alternative: None,
            acknowledged: Offset(0),
            log_start: Offset(0),
            holes: false,
            recovery_point: Some(LogPoint::start_of(Offset(0))),
        }
    }

    fn fits(&self, timeline: &[Known], found: &[Known]) -> Result<(), String> {
        let visible = |all: &[Known]| -> Vec<Known> {
            all.iter().filter(|entry| entry.last >= self.log_start).cloned().collect()
        };
        let (timeline, found) = (visible(timeline), visible(found));
        let same = timeline.iter().zip(&found).take_while(|(left, right)| left == right).count();
        let must = timeline.iter().filter(|entry| entry.last < self.acknowledged).count();
        let bases = |all: &[Known]| all.iter().map(|entry| entry.base.0).collect::<Vec<_>>();
        // Where holes are allowed, one before a segment whose predecessor was never synced cannot be told from others.
        let mut rest = timeline.iter().skip(same);
        let known = found.iter().skip(same).all(|entry| rest.any(|known| known == entry));
        if same < found.len() && !(self.holes && known) {
            return Err(format!(
                "entries that were never staged there: {:?} of {:?}",
                bases(&found),
                bases(&timeline)
            ));
        }
        if same < must {
            return Err(format!(
                "acknowledged entries are missing: {:?} of {:?}",
                bases(&found),
                bases(&timeline)
            ));
        }
        Ok(())
    }

    /// Checks a recovered log, and takes what it holds as what must be there from now on.
    pub(crate) fn check(&mut self, wal: &Wal, context: &str) {
        let found = try_read_all(wal).unwrap_or_else(|error| panic!("{context}: {error}"));
        let fits = self.fits(&self.timeline, &found);
        let alternative = self.alternative.take().map(|timeline| self.fits(&timeline, &found));
        if let (Err(error), None | Some(Err(_))) = (fits, &alternative) {
            panic!("{context}: {error}; else {alternative:?}");
        }
        let end = wal.staged_end();
        assert_eq!((wal.written_end(), wal.synced_end()), (end, end), "{context}");
        if let Some(last) = found.last() {
            assert!(end.offset >= last.last.next(), "{context}");
        }
        self.timeline = found;
        self.acknowledged = end.offset;
    }

    pub(crate) fn recover_from(&self, boundary: Option<Offset>) -> RecoverFrom {
        RecoverFrom {
            recovery_point: self.recovery_point,
            boundary,
            clean: false,
            log_start_offset: self.log_start,
            holes_allowed: self.holes,
            suspect: None,
        }
    }
}

/// A log under random operations.
pub(crate) struct Driver {
    pub(crate) disk: Arc<SimDisk>,
    pub(crate) wal: Wal,
    pub(crate) oracle: Oracle,
    pub(crate) random: Random,
    pub(crate) options: WalOptions,
}

impl Driver {
    pub(crate) fn new(disk: Arc<SimDisk>, seed: u64, options: WalOptions) -> Self {
        let wal = create(&disk, options);
        Self { disk, wal, oracle: Oracle::new(), random: Random::new(seed), options }
    }

    /// Runs `steps` random steps; ends early when the disk fails.
    pub(crate) fn run(&mut self, steps: usize) -> Result<(), String> {
        (0..steps).try_for_each(|_| self.step())
    }

    fn step(&mut self) -> Result<(), String> {
        match self.random.below(24) {
            0..=7 => {
                self.stage();
                Ok(())
            }
            8..=11 => self.write(),
            12..=14 => self.sync(),
            15 => self.overlap(),
            16 => {
                self.wal.roll();
                Ok(())
            }
            17 | 18 => self.prepare(),
            19 => {
                self.oracle.recovery_point = Some(self.wal.synced_end());
                Ok(())
            }
            20 => self.remove(),
            21 => self.truncate(),
            22 => self.replace(),
            _ => self.restart(),
        }
    }

    pub(crate) fn stage(&mut self) {
        for _ in 0..=self.random.below(4) {
            let size = if self.random.one_in(12) { 900 } else { self.random.index(200) };
            let mut payload = vec![0; size];
            self.random.fill(&mut payload);
            let count = 1 + u32::try_from(self.random.below(3)).unwrap();
            let skip = if self.oracle.holes { self.random.below(3) } else { 0 };
            let base = self.wal.staged_end().offset.checked_add(skip).unwrap();
            let entry = known(base, count, &payload);
            if self.random.coin() {
                stage(&mut self.wal, &entry);
            } else {
                self.wal.stage_copy(&entry.bytes).unwrap();
            }
            self.oracle.timeline.push(entry);
        }
    }

    pub(crate) fn write(&mut self) -> Result<(), String> {
        write(&mut self.wal)
    }

    pub(crate) fn sync(&mut self) -> Result<(), String> {
        sync(&mut self.wal)?;
        self.oracle.acknowledged = self.oracle.acknowledged.max(self.wal.synced_end().offset);
        Ok(())
    }

    /// A write while a sync is in flight: the sync does not cover it.
    fn overlap(&mut self) -> Result<(), String> {
        self.write()?;
        let Some(job) = self.wal.begin_sync() else { return Ok(()) };
        let end = job.end();
        self.stage();
        let written = self.write();
        let result = job.run();
        let failed = result.as_ref().err().map(ToString::to_string);
        self.wal.end_sync(job, result);
        written?;
        failed.map_or(Ok(()), Err)?;
        assert_eq!(self.wal.synced_end(), end);
        self.oracle.acknowledged = self.oracle.acknowledged.max(end.offset);
        Ok(())
    }

    fn prepare(&mut self) -> Result<(), String> {
        let Some(job) = self.wal.begin_prepare() else { return Ok(()) };
        let result = job.run();
        let failed = result.as_ref().err().map(ToString::to_string);
        self.wal.end_prepare(job, result);
        failed.map_or(Ok(()), Err)
    }

    fn remove(&mut self) -> Result<(), String> {
        if self.random.one_in(4) {
            self.wal.roll();
        }
        let start =
            self.wal.segments().get(1).map_or(self.wal.synced_end().offset, |next| next.base_offset());
        if start > self.wal.synced_end().offset {
            return Ok(());
        }
        self.oracle.log_start = self.oracle.log_start.max(start);
        for segment in self.wal.remove_before(start) {
            let name = segment_name(segment.base_offset().0);
            let deleted = path(&format!("{name}.deleted"));
            self.disk.rename(&path(&name), &deleted).map_err(|error| error.to_string())?;
            if self.random.coin() {
                self.disk.remove_file(&deleted).map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    fn truncate(&mut self) -> Result<(), String> {
        self.settle()?;
        let segments = self.wal.segments();
        let Some(segment) = segments.get(self.random.index(segments.len())).cloned() else { return Ok(()) };
        let mut places = vec![LogPoint::start_of(segment.base_offset())];
        let visit = |position: Position, header: &highwater_wal::EntryHeader, _: &[u8]| {
            let position = Position(position.0 + header.size);
            places.push(LogPoint {
                offset: header.last_offset.next(),
                segment: segment.base_offset(),
                position,
            });
            ControlFlow::Continue(())
        };
        let (start, end) = (Position::ZERO, segment.end());
        hop(&segment, &SimpleFormat, start, end, ReadMode::Blocking, visit)
            .map_err(|error| error.to_string())?;
        let to = places[self.random.index(places.len())];
        if to.offset < self.oracle.log_start {
            return Ok(());
        }
        self.oracle.acknowledged = self.oracle.acknowledged.min(to.offset);
        self.oracle.recovery_point = self.oracle.recovery_point.map(|point| point.min(to));
        self.wal.truncate(to).map_err(|error| error.to_string())?;
        self.oracle.timeline.retain(|entry| entry.base < to.offset);
        assert_eq!(self.wal.staged_end(), to);
        Ok(())
    }

    /// Keeps about half of the entries of some sealed segments.
    fn replace(&mut self) -> Result<(), String> {
        self.settle()?;
        let bases: Vec<Offset> = self.wal.segments().iter().map(|segment| segment.base_offset()).collect();
        if bases.len() < 2 || !self.random.one_in(3) {
            return Ok(());
        }
        let first = self.random.index(bases.len() - 1);
        let count = 1 + self.random.index(bases.len() - 1 - first);
        let (old, next) = (&bases[first..first + count], bases[first + count]);
        if next > self.wal.synced_end().offset {
            return Ok(());
        }
        self.oracle.recovery_point = Some(self.wal.synced_end());
        self.oracle.holes = true;
        let mut kept = self.oracle.timeline.clone();
        kept.retain(|entry| entry.base < old[0] || entry.base >= next || self.random.coin());
        let new: Vec<u8> = kept
            .iter()
            .filter(|entry| entry.base >= old[0] && entry.base < next)
            .flat_map(|entry| entry.bytes.clone())
            .collect();
        write_file(self.disk.as_ref(), &self.wal.replacement_path(old[0]), &new)
            .map_err(|error| error.to_string())?;
        self.oracle.alternative = Some(kept.clone());
        let job = self.wal.begin_replace(old, Position(new.len() as u64)).unwrap();
        let result = job.run();
        let failed = result.as_ref().err().map(ToString::to_string);
        let replaced = self.wal.end_replace(job, result);
        failed.map_or(Ok(()), Err)?;
        assert_eq!(replaced.len(), old.len());
        self.oracle.timeline = kept;
        self.oracle.alternative = None;
        Ok(())
    }

    /// Everything staged is written and synced.
    fn settle(&mut self) -> Result<(), String> {
        self.write()?;
        self.sync()
    }

    /// A clean stop and start.
    fn restart(&mut self) -> Result<(), String> {
        self.settle()?;
        let end = self.wal.staged_end();
        match self.wal.close() {
            Err(WalError::Disk(error)) => return Err(error.to_string()),
            result => result.unwrap(),
        }
        let from = RecoverFrom {
            recovery_point: Some(end),
            clean: true,
            ..self.oracle.recover_from(Some(end.offset))
        };
        let before = self.disk.operations();
        let (wal, report) = match recover(&self.disk, self.options, from) {
            Err(WalError::Disk(error)) => return Err(error.to_string()),
            result => result.unwrap(),
        };
        assert_eq!((report.end, report.scanned_bytes, report.unproven), (end, 0, false));
        assert_eq!(self.disk.operations() - before, report.finished.len() as u64, "{:?}", report.finished);
        self.oracle.recovery_point = Some(end);
        self.wal = wal;
        self.oracle.check(&self.wal, "clean restart");
        Ok(())
    }

    /// Goes on with what `disk` holds after a crash.
    pub(crate) fn revive(
        disk: Arc<SimDisk>,
        oracle: Oracle,
        seed: u64,
        options: WalOptions,
        context: &str,
    ) -> Option<Self> {
        let mut oracle = oracle;
        let mut random = Random::new(seed);
        let boundary = match random.below(3) {
            0 => None,
            1 => oracle.recovery_point.map(|point| point.offset),
            _ => Some(oracle.acknowledged),
        };
        let from = oracle.recover_from(boundary);
        match recover(&disk, options, from) {
            Ok((wal, report)) => {
                oracle.check(&wal, &format!("{context}: {report:?}\n{}", disk.trace().join("\n")));
                oracle.recovery_point = Some(report.end);
                Some(Self { disk, wal, oracle, random, options })
            }
            Err(WalError::Disk(_)) if disk.has_crashed() => None,
            Err(error) => {
                let files =
                    names(disk.as_ref()).into_iter().map(|name| (contents(disk.as_ref(), &name).len(), name));
                let files: Vec<_> = files.collect();
                panic!("{context}: {error}\n{from:?}\n{files:?}\n{}", disk.trace().join("\n"))
            }
        }
    }
}

pub(crate) fn write_file(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let at =
        |source| DiskError { operation: highwater_disk::Operation::Write, path: path.to_path_buf(), source };
    let file = disk.open(path, OpenMode::CreateOrOpen).map_err(at)?;
    file.set_length(0).map_err(at)?;
    let mut slices = [std::io::IoSlice::new(bytes)];
    highwater_disk::write_all_at(file.as_ref(), &mut slices, 0).map_err(at)
}

/// An entry with an epoch.
pub(crate) fn with_epoch(base: Offset, epoch: i32, payload: &[u8]) -> Known {
    let header = SimpleFormat::header(base, 1, LeaderEpoch(epoch), Timestamp::NONE, payload).unwrap();
    Known { base, last: base, bytes: [header.as_slice(), payload].concat() }
}
