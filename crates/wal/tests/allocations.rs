//! The append path and the heap.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use allocation_counter::measure;
use bytes::Bytes;
use highwater_disk::RealDisk;
use highwater_types::{LeaderEpoch, Offset, Timestamp};
use highwater_wal::format::{HEADER_SIZE, SimpleFormat};
use highwater_wal::{Wal, WalOptions};
use std::sync::Arc;

const ROUNDS: usize = 100;
const ENTRIES: usize = 50;

struct Bench {
    directory: std::path::PathBuf,
    wal: Wal,
    header: [u8; HEADER_SIZE],
    payload: Bytes,
}

impl Bench {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("highwater-wal-{name}-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let options = WalOptions::default();
        let wal = Wal::create(
            Arc::new(RealDisk::default()),
            directory.clone(),
            Arc::new(SimpleFormat),
            options,
            Offset(0),
        );
        let payload = Bytes::from(vec![1; 200]);
        let header =
            SimpleFormat::header(Offset(0), 1, LeaderEpoch::ZERO, Timestamp::NONE, &payload).unwrap();
        Self { directory, wal, header, payload }
    }

    fn stage(&mut self) {
        for _ in 0..ENTRIES {
            let offset = self.wal.staged_end().offset;
            self.wal.stage(&self.header, self.payload.clone(), (offset, offset)).unwrap();
        }
    }

    fn round(&mut self) {
        self.stage();
        let mut job = self.wal.begin_write().unwrap();
        let written = job.run();
        self.wal.end_write(job, written);
        let job = self.wal.begin_sync().unwrap();
        let synced = job.run();
        self.wal.end_sync(job, synced);
        assert_eq!(self.wal.synced_end(), self.wal.staged_end());
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.directory).unwrap();
    }
}

#[test]
fn an_append_allocates_nothing() {
    let mut bench = Bench::new("append");
    (0..3).for_each(|_| bench.round());
    let counted = measure(|| bench.stage());
    assert_eq!(counted.count_total, 0);
}

#[test]
fn a_round_of_write_and_sync_allocates_nothing() {
    let mut bench = Bench::new("round");
    (0..3).for_each(|_| bench.round());
    let counted = measure(|| (0..ROUNDS).for_each(|_| bench.round()));
    assert_eq!(counted.count_total, 0, "allocations in {ROUNDS} rounds of {ENTRIES} entries");
}

#[test]
fn copied_entries_allocate_nothing() {
    let mut bench = Bench::new("copied");
    let entry = SimpleFormat::entry(Offset(1_000_000), 1, &[9; 300]).unwrap();
    let copy = |bench: &mut Bench, offset: i64| {
        let mut entry = entry.clone();
        entry.get_mut(..8).unwrap().copy_from_slice(&offset.to_be_bytes());
        let counted = measure(|| {
            bench.wal.stage_copy(&entry).unwrap();
        });
        counted.count_total
    };
    let _: u64 = (0..20).map(|offset| copy(&mut bench, offset)).sum();
    let mut job = bench.wal.begin_write().unwrap();
    let written = job.run();
    bench.wal.end_write(job, written);
    let counted: u64 = (20..40).map(|offset| copy(&mut bench, offset)).sum();
    assert_eq!(counted, 0);
}
