//! Hopping headers: how many reads it costs, and that it never waits where it must not. Reads go on while segments
//! are removed, replaced and cut.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::io::{self, IoSlice};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use highwater_disk::sim::SimDisk;
use highwater_disk::{Disk, Entry, File, OpenMode};
use highwater_types::{Offset, Position};
use highwater_wal::format::SimpleFormat;
use highwater_wal::{LogPoint, ReadMode, ReadProblem, Segment, Wal, WalError, hop};
use support::{
    DIRECTORY, Known, create, format, known, names, new_disk, options, path, read_all, segment_name, stage,
    stage_many, sync, write, write_file,
};

/// Counts reads, and the bytes that they return.
#[derive(Debug)]
struct CountingDisk {
    disk: Arc<SimDisk>,
    counts: Arc<(AtomicU64, AtomicU64)>,
}

#[derive(Debug)]
struct CountingFile {
    file: Arc<dyn File>,
    counts: Arc<(AtomicU64, AtomicU64)>,
}

impl Disk for CountingDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(CountingFile { file: self.disk.open(path, mode)?, counts: self.counts.clone() }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.create_directory(path)
    }
    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_directory(path)
    }
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_directory(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.disk.list(path)
    }
    fn space(&self, path: &Path) -> io::Result<highwater_disk::DiskSpace> {
        self.disk.space(path)
    }
}

impl File for CountingFile {
    fn path(&self) -> &Path {
        self.file.path()
    }
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let count = self.file.read_at(buffer, position)?;
        self.counts.0.fetch_add(1, Ordering::Relaxed);
        self.counts.1.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
    fn read_resident_at(&self, buffer: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        self.file.read_resident_at(buffer, position)
    }
    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        self.file.write_at(slices, position)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_length(length)
    }
    fn allocate(&self, position: u64, size: u64) -> io::Result<()> {
        self.file.allocate(position, size)
    }
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
    fn drop_cache(&self) -> io::Result<()> {
        self.file.drop_cache()
    }
    fn as_std(&self) -> Option<&std::fs::File> {
        self.file.as_std()
    }
}

/// A segment of entries with these payload sizes, whose reads are counted.
fn counted(sizes: &[usize]) -> (Arc<Segment>, Arc<(AtomicU64, AtomicU64)>) {
    let counts = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
    let disk = Arc::new(CountingDisk { disk: new_disk(1), counts: counts.clone() });
    let mut wal = Wal::create(disk, DIRECTORY.into(), format(), options(1 << 30), Offset(0));
    for size in sizes {
        let entry = known(wal.staged_end().offset, 1, &vec![1; *size]);
        stage(&mut wal, &entry);
    }
    write(&mut wal).unwrap();
    (wal.segments()[0].clone(), counts)
}

fn find(
    segment: &Segment,
    from: Position,
    offset: i64,
    mode: ReadMode,
) -> Result<Option<Position>, ReadProblem> {
    let mut found = None;
    hop(segment, &SimpleFormat, from, segment.end(), mode, |position, header, bytes| {
        assert!(bytes.len() >= 32 && header.base_offset.0 >= 0);
        if header.last_offset.0 >= offset {
            found = Some(position);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

#[test]
fn an_entry_near_an_indexed_place_is_found_with_one_read() {
    let (segment, counts) = counted(&[968; 1000]);
    for (from, offset) in [(0, 0), (0, 3), (996_000, 998), (500_000, 503)] {
        counts.0.store(0, Ordering::Relaxed);
        let found = find(&segment, Position(from), offset, ReadMode::Blocking).unwrap();
        assert_eq!(found, Some(Position(u64::try_from(offset).unwrap() * 1000)));
        assert_eq!(counts.0.load(Ordering::Relaxed), 1, "offset {offset}");
    }
}

#[test]
fn payloads_of_large_entries_are_not_read() {
    let (segment, counts) = counted(&[100_000; 20]);
    assert_eq!(find(&segment, Position(0), 19, ReadMode::Blocking).unwrap(), Some(Position(19 * 100_032)));
    assert_eq!(counts.0.load(Ordering::Relaxed), 20);
    assert!(counts.1.load(Ordering::Relaxed) <= 20 * 4096);
}

#[test]
fn reads_grow_while_entries_are_small() {
    let (segment, counts) = counted(&[68; 10_000]);
    assert_eq!(find(&segment, Position(0), 9_999, ReadMode::Blocking).unwrap(), Some(Position(999_900)));
    assert!(counts.0.load(Ordering::Relaxed) < 25, "{counts:?}");
}

#[test]
fn resident_mode_never_opens_a_file_and_never_waits() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(1 << 20));
    stage_many(&mut wal, 100, 68);
    write(&mut wal).unwrap();
    sync(&mut wal).unwrap();
    let segment = wal.segments()[0].clone();
    assert_eq!(find(&segment, Position(0), 99, ReadMode::Resident).unwrap(), Some(Position(9_900)));
    segment.file().unwrap().drop_cache().unwrap();
    let problem = find(&segment, Position(0), 99, ReadMode::Resident);
    assert!(matches!(problem, Err(ReadProblem::WouldBlock)));
    assert!(segment.release());
    let problem = find(&segment, Position(0), 99, ReadMode::Resident);
    assert!(matches!(problem, Err(ReadProblem::WouldBlock)));
}

#[test]
fn bytes_that_are_no_entry_are_reported_with_file_and_position() {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(1 << 20));
    stage_many(&mut wal, 3, 68);
    write(&mut wal).unwrap();
    let segment = wal.segments()[0].clone();
    for damage in [vec![0; 32], vec![255; 32]] {
        disk.overwrite_at_rest(&path(&segment_name(0)), 100, &damage).unwrap();
        match find(&segment, Position(0), 9, ReadMode::Blocking) {
            Err(ReadProblem::Corrupt { file, position, .. }) => {
                assert_eq!((file, position), (path(&segment_name(0)), Position(100)));
            }
            other => panic!("{other:?}"),
        }
    }
    let beyond = hop(&segment, &SimpleFormat, Position(200), Position(290), ReadMode::Blocking, |_, _, _| {
        ControlFlow::Continue(())
    });
    assert!(matches!(beyond, Err(ReadProblem::Corrupt { .. })));
}

/// A synced log of three segments of two entries.
fn three_segments() -> (Arc<SimDisk>, Wal, Vec<Known>) {
    let disk = new_disk(1);
    let mut wal = create(&disk, options(200));
    let entries = stage_many(&mut wal, 6, 68);
    write(&mut wal).unwrap();
    sync(&mut wal).unwrap();
    (disk, wal, entries)
}

fn bytes_of(entries: &[Known]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.bytes.clone()).collect()
}

#[test]
fn reads_go_on_when_their_segment_is_removed() {
    let (disk, mut wal, entries) = three_segments();
    assert!(wal.segments().iter().all(|segment| segment.release()));
    let planned = wal.segments()[0].clone();
    let range = wal.segments()[1].range(Position(0), Position(200)).unwrap();
    let removed = wal.remove_before(Offset(4));
    assert_eq!(removed.len(), 2);
    for segment in &removed {
        let name = segment_name(segment.base_offset().0);
        disk.rename(&path(&name), &path(&format!("{name}.deleted"))).unwrap();
    }
    let found = planned.range(Position(0), Position(200)).unwrap().read().unwrap();
    assert_eq!(found, bytes_of(&entries[..2]));
    disk.remove_file(&path("00000000000000000002.log.deleted")).unwrap();
    assert_eq!(range.read().unwrap(), bytes_of(&entries[2..4]));
    assert_eq!(read_all(&wal), entries[4..]);
}

#[test]
fn reads_go_on_when_their_segments_are_replaced() {
    let (disk, mut wal, entries) = three_segments();
    assert!(wal.segments().iter().all(|segment| segment.release()));
    let old: Vec<Arc<Segment>> = wal.segments()[..2].to_vec();
    let new = bytes_of(&entries[1..3]);
    write_file(disk.as_ref(), &wal.replacement_path(Offset(0)), &new).unwrap();
    let job = wal.begin_replace(&[Offset(0), Offset(2)], Position(200)).unwrap();
    assert!(matches!(wal.begin_replace(&[Offset(0)], Position(0)), Err(WalError::Busy)));
    assert!(wal.remove_before(Offset(6)).is_empty());
    let result = job.run();
    assert_eq!(wal.end_replace(job, result).len(), 2);
    for (index, segment) in old.iter().enumerate() {
        assert!(!segment.release());
        let found = segment.range(Position(0), Position(200)).unwrap().read().unwrap();
        assert_eq!(found, bytes_of(&entries[index * 2..index * 2 + 2]));
    }
    assert_eq!(read_all(&wal), [&entries[1..3], &entries[4..]].concat());
}

#[test]
fn only_sealed_synced_neighbours_can_be_replaced() {
    let (_, mut wal, _) = three_segments();
    for old in [&[][..], &[Offset(4)], &[Offset(1)], &[Offset(0), Offset(4)], &[Offset(2), Offset(4)]] {
        assert!(matches!(wal.begin_replace(old, Position(0)), Err(WalError::OutOfRange(_))), "{old:?}");
    }
}

#[test]
fn reads_go_on_when_the_log_is_truncated_and_what_is_cut_is_kept() {
    let (disk, mut wal, entries) = three_segments();
    assert!(wal.segments().iter().all(|segment| segment.release()));
    let old: Vec<Arc<Segment>> = wal.segments()[1..].to_vec();
    let to = LogPoint { offset: Offset(3), segment: Offset(2), position: Position(100) };
    wal.truncate(to).unwrap();
    assert_eq!(read_all(&wal), entries[..3]);
    assert_eq!((wal.staged_end(), wal.written_end(), wal.synced_end()), (to, to, to));
    for (index, segment) in old.iter().enumerate() {
        let found = segment.range(Position(0), Position(200)).unwrap().read().unwrap();
        assert_eq!(found, bytes_of(&entries[2 + index * 2..4 + index * 2]));
    }
    let kept = |name: &str| support::contents(disk.as_ref(), name);
    assert_eq!(kept("00000000000000000002.cut-100"), bytes_of(&entries[3..4]));
    assert_eq!(kept("00000000000000000004.cut-0"), bytes_of(&entries[4..]));
    assert_eq!(names(disk.as_ref()).len(), 4);
    stage_many(&mut wal, 1, 68);
    write(&mut wal).unwrap();
    assert_eq!(read_all(&wal).len(), 4);
}

#[test]
fn a_truncation_needs_a_place_in_a_quiet_log() {
    let (_, mut wal, _) = three_segments();
    let place = |offset, segment, position| LogPoint {
        offset: Offset(offset),
        segment: Offset(segment),
        position: Position(position),
    };
    for to in [place(0, 1, 0), place(7, 4, 300), place(3, 2, 201)] {
        assert!(matches!(wal.truncate(to), Err(WalError::OutOfRange(_))), "{to:?}");
    }
    stage_many(&mut wal, 1, 10);
    assert!(matches!(wal.truncate(place(0, 0, 0)), Err(WalError::Busy)));
}
