//! The one file that a floor program writes: growing, or a ring of blocks that were written before; through the page cache, or past it.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use highwater_disk::{Disk, File, OpenMode, RealDisk, write_all_at};
use rustix::fs::{OFlags, fcntl_setfl};

use crate::cli::bench::arguments::parse_size;

/// Direct writes begin and end at multiples of this, in memory and in the file.
const BLOCK: usize = 4096;
/// What a ring is filled with at a time.
const FILL_BYTES: usize = 1 << 20;

/// Which file, and how it is written.
#[derive(Debug, Clone, Args)]
pub(super) struct FileArguments {
    /// The file to write, which must not exist.
    #[arg(long)]
    file: PathBuf,
    /// Write so many bytes beforehand and go round in them: no new blocks, so that a sync is one of data only.
    #[arg(long, value_parser = parse_size)]
    ring: Option<u64>,
    /// Write past the page cache.
    #[arg(long)]
    direct: bool,
}

/// The file.
#[derive(Debug)]
pub(super) struct LogFile {
    file: Arc<dyn File>,
    ring: Option<u64>,
    /// Where the next bytes go.
    end: AtomicU64,
}

impl FileArguments {
    /// Whether to write past the page cache.
    pub(super) fn is_direct(&self) -> bool {
        self.direct
    }

    /// Where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.file
    }

    /// Makes the file.
    ///
    /// # Errors
    /// What the file system says; `AlreadyExists`.
    pub(super) fn create(&self) -> io::Result<LogFile> {
        let file = RealDisk::default().open(&self.file, OpenMode::CreateNew)?;
        if let Some(ring) = self.ring {
            let chunk = vec![0xa5; FILL_BYTES];
            for position in (0..ring).step_by(FILL_BYTES) {
                write_all_at(file.as_ref(), &mut [IoSlice::new(&chunk)], position)?;
            }
            file.sync_data()?;
        }
        if self.direct {
            let plain = file.as_std().ok_or(io::ErrorKind::Unsupported)?;
            fcntl_setfl(plain, OFlags::DIRECT)?;
        }
        Ok(LogFile { file, ring: self.ring, end: AtomicU64::new(0) })
    }
}

impl LogFile {
    /// Writes behind what was written, from many threads at a time.
    ///
    /// # Errors
    /// What the file says.
    pub(super) fn append(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        let size: u64 = slices.iter().map(|slice| slice.len() as u64).sum();
        let place = |end: u64| self.place(end, size);
        let end = self.end.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |end| Some(place(end) + size));
        write_all_at(self.file.as_ref(), slices, place(end.unwrap_or_else(|end| end)))
    }

    /// Makes everything durable that was written.
    ///
    /// # Errors
    /// What the file says.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Writes the whole blocks of `chunk` and its last, partial one, which the chunk that
    /// [follows](Chunk::follow) writes again. One thread at a time.
    ///
    /// # Errors
    /// What the file says.
    pub(super) fn append_direct(&self, chunk: &Chunk) -> io::Result<()> {
        let (whole, padded) = (chunk.length / BLOCK * BLOCK, chunk.length.next_multiple_of(BLOCK));
        let position = self.place(self.end.load(Ordering::Relaxed), padded as u64);
        write_all_at(self.file.as_ref(), &mut [IoSlice::new(chunk.blocks(padded))], position)?;
        self.end.store(position + whole as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Where so many bytes go when `end` is the end: in a ring that is too short for them, at the beginning again.
    fn place(&self, end: u64, size: u64) -> u64 {
        if self.ring.is_some_and(|ring| end.saturating_add(size) > ring) { 0 } else { end }
    }
}

/// Bytes that begin at a block, in memory and in the file.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// Of a whole number of blocks and one more.
    memory: Vec<u8>,
    length: usize,
}

impl Chunk {
    /// Bytes in it.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Adds bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if self.blocks(end).len() < end {
            let mut larger =
                Self { memory: vec![0; end.next_power_of_two().max(FILL_BYTES) + BLOCK], length: 0 };
            let kept = self.length;
            larger.fill(0, self.blocks(kept));
            larger.length = kept;
            *self = larger;
        }
        let at = self.length;
        self.fill(at, bytes);
        self.length = end;
    }

    /// Makes it begin with the partial block at the end of `before`.
    pub(super) fn follow(&mut self, before: &Self) {
        self.length = 0;
        let partial = before.length % BLOCK;
        let bytes = before.blocks(before.length);
        self.push(bytes.get(bytes.len() - partial..).unwrap_or_default());
    }

    fn blocks(&self, length: usize) -> &[u8] {
        let skip = self.memory.as_ptr().align_offset(BLOCK).min(self.memory.len());
        let aligned = self.memory.get(skip..).unwrap_or_default();
        aligned.get(..length).unwrap_or(aligned)
    }

    fn fill(&mut self, at: usize, bytes: &[u8]) {
        let skip = self.memory.as_ptr().align_offset(BLOCK).min(self.memory.len());
        let place = self.memory.get_mut(skip + at..).and_then(|rest| rest.get_mut(..bytes.len()));
        if let Some(place) = place {
            place.copy_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(directory: &Path, ring: Option<u64>, direct: bool) -> FileArguments {
        FileArguments { file: directory.join("f"), ring, direct }
    }

    #[test]
    fn direct_chunks_that_follow_each_other_are_one_log() {
        let directory = tempfile::tempdir().unwrap();
        let log = match arguments(directory.path(), None, true).create() {
            Ok(log) => log,
            Err(error) => {
                eprintln!("skipped: no direct writes here: {error}");
                return;
            }
        };
        let (mut current, mut next, mut expected) = (Chunk::default(), Chunk::default(), Vec::new());
        for (number, size) in (1u8..).zip([1, 4095, 4096, 1, 10_000, 3_000_000, 5, 8192]) {
            let bytes = vec![number; size];
            current.push(&bytes);
            expected.extend(bytes);
            next.follow(&current);
            log.append_direct(&current).unwrap();
            std::mem::swap(&mut current, &mut next);
        }
        let written = std::fs::read(directory.path().join("f")).unwrap();
        assert!(written.len() < expected.len() + BLOCK && written[..expected.len()] == expected);
    }

    #[test]
    fn a_ring_is_written_again_from_its_beginning() {
        let directory = tempfile::tempdir().unwrap();
        let log = arguments(directory.path(), Some(2 << 20), false).create().unwrap();
        for number in 1..=3u8 {
            log.append(&mut [IoSlice::new(&vec![number; 900_000])]).unwrap();
        }
        let written = std::fs::read(directory.path().join("f")).unwrap();
        assert_eq!((written.len(), written[0], written[900_000], written[1_800_000]), (2 << 20, 3, 2, 0xa5));
    }
}
