//! Appends some lines to a log in a directory, then recovers it and prints them.
//!
//! `cargo run -p highwater-wal --example append_and_recover -- DIRECTORY LINE...`

use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use highwater_disk::{Disk, RealDisk};
use highwater_types::Position;
use highwater_wal::format::{HEADER_SIZE, SimpleFormat};
use highwater_wal::{ReadMode, RecoverFrom, Wal, WalOptions, hop};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("usage: append_and_recover DIRECTORY LINE...")?);
    if !directory.exists() {
        RealDisk::default().create_directory(&directory)?;
    }
    let mut wal = recover(&directory)?;
    for line in arguments {
        let entry =
            SimpleFormat::entry(wal.staged_end().offset, 1, line.as_bytes()).ok_or("line too long")?;
        wal.stage_copy(&entry)?;
    }
    // One write and one sync, however many lines.
    while let Some(mut job) = wal.begin_write() {
        let result = job.run();
        wal.end_write(job, result);
    }
    if let Some(job) = wal.begin_sync() {
        let result = job.run();
        wal.end_sync(job, result);
    }
    if let Some(failure) = wal.failure() {
        return Err(failure.to_string().into());
    }
    println!("durable up to offset {}", wal.synced_end().offset);
    print(&recover(&directory)?)
}

/// Scans the whole log: this program keeps no recovery point.
fn recover(directory: &std::path::Path) -> Result<Wal, Box<dyn Error>> {
    let (format, options) = (Arc::new(SimpleFormat), WalOptions::default());
    let disk = Arc::new(RealDisk::default());
    let (wal, report) = Wal::recover(disk, directory.into(), format, options, RecoverFrom::default())?;
    if let Some(cut) = report.cut {
        println!("cut {} bytes ({}), kept as {:?}", cut.bytes, cut.reason, cut.kept_as);
    }
    Ok(wal)
}

fn print(wal: &Wal) -> Result<(), Box<dyn Error>> {
    for segment in wal.segments() {
        let mut payloads = Vec::new();
        let end = segment.end();
        hop(segment, &SimpleFormat, Position::ZERO, end, ReadMode::Blocking, |position, header, _| {
            let start = Position(position.0 + HEADER_SIZE as u64);
            payloads.push((header.base_offset, start, Position(position.0 + header.size)));
            ControlFlow::Continue(())
        })?;
        for (offset, start, end) in payloads {
            let payload = segment.range(start, end)?.read()?;
            println!("{offset}: {}", String::from_utf8_lossy(&payload));
        }
    }
    Ok(())
}
