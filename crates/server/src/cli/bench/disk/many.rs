//! Many files with a little in each, synced together: what a round over many partitions costs.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Outcome;

/// Bytes written to each file before a sync.
const CHUNK: [u8; 1024] = [0x5a; 1024];
/// Files, and threads that sync them.
pub(super) const SIZES: [(usize, usize); 9] =
    [(1, 1), (8, 1), (8, 8), (64, 1), (64, 8), (64, 32), (1000, 1), (1000, 8), (1000, 32)];

/// What a case is called.
pub(super) fn name(files: usize, threads: usize) -> String {
    format!("sync {files} files of 1 KiB more each by {threads} threads")
}

/// Rounds of one write to each file, then one sync of each, for `time`; at least one.
///
/// # Errors
/// What the file system says.
pub(super) fn run(directory: &Path, files: usize, threads: usize, time: Duration) -> io::Result<Outcome> {
    let path = |index: usize| directory.join(index.to_string());
    let open = (0..files).map(|index| File::create_new(path(index))).collect::<io::Result<Vec<_>>>()?;
    let (mut rounds, mut position, began) = (Vec::new(), 0, Instant::now());
    while rounds.is_empty() || began.elapsed() < time {
        let round = Instant::now();
        for file in &open {
            file.write_all_at(&CHUNK, position)?;
        }
        sync_all(&open, threads)?;
        rounds.push(round.elapsed());
        position += CHUNK.len() as u64;
    }
    let during = began.elapsed();
    for index in 0..files {
        std::fs::remove_file(path(index))?;
    }
    Ok(Outcome { name: name(files, threads), bytes: position * files as u64, during, rounds })
}

fn sync_all(files: &[File], threads: usize) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let worker = || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            file.sync_data()?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let died = || Err(io::Error::other("a syncing thread died"));
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| died()))
    })
}
