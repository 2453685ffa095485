//! What an append costs: staging entries of 1 KB alone, and with its share of writes of about 1 MB, nothing synced.
//!
//! `cargo run --release -p highwater-wal --example append_bench -- DIRECTORY`

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use highwater_disk::{Disk, RealDisk};
use highwater_types::{LeaderEpoch, Offset, Timestamp};
use highwater_wal::format::{HEADER_SIZE, SimpleFormat};
use highwater_wal::{Wal, WalOptions};

const ENTRY_SIZE: usize = 1024;
const ENTRIES_A_WRITE: usize = 1024;
const WRITES: usize = 512;

/// Time spent staging and writing.
#[derive(Default)]
struct Spent {
    staging: Duration,
    writing: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).ok_or("usage: append_bench DIRECTORY")?);
    for (name, copied) in [("payload shared", false), ("payload copied", true)] {
        let path = directory.join(if copied { "copied" } else { "shared" });
        RealDisk::default().create_directory(&path)?;
        // The first run warms up buffers and the page cache.
        run(&path, copied, ENTRIES_A_WRITE, 8)?;
        let spent = run(&path, copied, ENTRIES_A_WRITE, WRITES)?;
        let count = u32::try_from(ENTRIES_A_WRITE * WRITES)?;
        println!(
            "{name}: {} ns to stage, {} ns with its share of the write",
            (spent.staging / count).as_nanos(),
            ((spent.staging + spent.writing) / count).as_nanos()
        );
        for entry in RealDisk::default().list(&path)? {
            RealDisk::default().remove_file(&path.join(entry.name))?;
        }
        RealDisk::default().remove_directory(&path)?;
    }
    Ok(())
}

fn run(directory: &Path, copied: bool, entries: usize, writes: usize) -> Result<Spent, Box<dyn Error>> {
    let (disk, format) = (Arc::new(RealDisk::default()), Arc::new(SimpleFormat));
    // Logs in one directory: each run begins at an offset of its own.
    let base = Offset(i64::try_from(writes)? << 32);
    let mut wal = Wal::create(disk, directory.into(), format, WalOptions::default(), base);
    let payload = Bytes::from(vec![7; ENTRY_SIZE - HEADER_SIZE]);
    let header =
        SimpleFormat::header(base, 1, LeaderEpoch::ZERO, Timestamp::NONE, &payload).ok_or("too large")?;
    let mut spent = Spent::default();
    for _ in 0..writes {
        let begin = Instant::now();
        for _ in 0..entries {
            let offset = wal.staged_end().offset;
            // As a broker does: the offset is patched into a copy of the header, which the checksum does not cover there.
            let mut header = header;
            header[..8].copy_from_slice(&offset.0.to_be_bytes());
            if copied {
                let mut entry = [0; ENTRY_SIZE];
                entry[..HEADER_SIZE].copy_from_slice(&header);
                entry[HEADER_SIZE..].copy_from_slice(&payload);
                black_box(wal.stage_copy(&entry)?);
            } else {
                black_box(wal.stage(&header, payload.clone(), (offset, offset))?);
            }
        }
        spent.staging += begin.elapsed();
        let begin = Instant::now();
        while let Some(mut job) = wal.begin_write() {
            let result = job.run();
            wal.end_write(job, result);
        }
        spent.writing += begin.elapsed();
        if let Some(failure) = wal.failure() {
            return Err(failure.to_string().into());
        }
    }
    Ok(spent)
}
