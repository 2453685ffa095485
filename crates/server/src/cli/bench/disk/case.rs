//! One way of writing on one kind of ground, by one or more threads with a file each.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::{ReadWriteFlags, pwritev2};

use super::Outcome;

/// Direct writes begin at multiples of this in memory and in the file.
const ALIGNMENT: usize = 4096;
/// `RWF_DONTCACHE` of Linux 6.14: buffered, and dropped from the page cache when written back.
const DONT_CACHE: u32 = 0x80;
/// The file that a thread writes to, which begins again at its start where it does not grow: between these, as much as a case may write.
const FILE_BYTES: std::ops::RangeInclusive<usize> = 4 << 20..=64 << 20;

/// How bytes get to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Through the page cache.
    Buffered,
    /// Through the page cache, which forgets them.
    Uncached,
    /// Past the page cache.
    Direct,
}

/// What the file is before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// Blocks that were written and synced.
    Written,
    /// Blocks that are reserved and never were written.
    Allocated,
    /// Nothing: the file grows.
    Growing,
}

/// One case.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) way: Way,
    pub(super) ground: Ground,
    /// Bytes of a write.
    pub(super) size: usize,
    /// A sync after so many bytes; `usize::MAX`: none, a round is a write.
    pub(super) sync_each: usize,
    /// Threads, each with a file of its own.
    pub(super) threads: usize,
}

impl Case {
    /// What it is called.
    pub(super) fn name(&self) -> String {
        let way = match self.way {
            Way::Buffered => "buffered",
            Way::Uncached => "uncached",
            Way::Direct => "direct",
        };
        let ground = match self.ground {
            Ground::Written => "written",
            Ground::Allocated => "allocated",
            Ground::Growing => "growing",
        };
        let sync = match self.sync_each {
            usize::MAX => String::from("no sync"),
            bytes => format!("sync each {}", size(bytes)),
        };
        format!("{way} {ground}, {} x {}, {sync}", size(self.size), self.threads)
    }

    /// Runs it for `time` or until `bytes_max` bytes are written, at least one round a thread.
    ///
    /// # Errors
    /// What the file system says; `Unsupported` or `InvalidInput` where it has no such way.
    pub(super) fn run(&self, directory: &Path, time: Duration, bytes_max: u64) -> io::Result<Outcome> {
        let share = bytes_max / u64::try_from(self.threads).unwrap_or(u64::MAX).max(1);
        let file_bytes =
            usize::try_from(bytes_max).unwrap_or(usize::MAX).clamp(*FILE_BYTES.start(), *FILE_BYTES.end());
        let files = (0..self.threads)
            .map(|index| self.prepare(&directory.join(index.to_string()), file_bytes))
            .collect::<io::Result<Vec<_>>>()?;
        let began = Instant::now();
        let results: Vec<io::Result<(u64, Vec<Duration>)>> = thread::scope(|scope| {
            let writers: Vec<_> = files
                .iter()
                .map(|file| scope.spawn(move || self.write(file, file_bytes, (time, share))))
                .collect();
            let died = || Err(io::Error::other("a writing thread died"));
            writers.into_iter().map(|writer| writer.join().unwrap_or_else(|_| died())).collect()
        });
        let during = began.elapsed();
        for index in 0..self.threads {
            std::fs::remove_file(directory.join(index.to_string()))?;
        }
        let (mut bytes, mut rounds) = (0, Vec::new());
        for result in results {
            let (written, took) = result?;
            bytes += written;
            rounds.extend(took);
        }
        Ok(Outcome { name: self.name(), bytes, during, rounds })
    }

    fn prepare(&self, path: &Path, file_bytes: usize) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        if self.ground == Ground::Written {
            let (file, chunk) = (options.open(path)?, vec![0xa5; 1 << 20]);
            for position in (0..file_bytes).step_by(chunk.len()) {
                file.write_all_at(&chunk, position as u64)?;
            }
            file.sync_all()?;
        }
        let direct = if self.way == Way::Direct { OFlags::DIRECT } else { OFlags::empty() };
        let flags = i32::try_from(direct.bits()).unwrap_or_default();
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).custom_flags(flags).open(path)?;
        if self.ground == Ground::Allocated {
            fallocate(&file, FallocateFlags::empty(), 0, file_bytes as u64)?;
            file.sync_all()?;
        }
        Ok(file)
    }

    /// Writes for a time or until so many bytes are written.
    fn write(
        &self,
        file: &File,
        file_bytes: usize,
        (time, bytes_max): (Duration, u64),
    ) -> io::Result<(u64, Vec<Duration>)> {
        let memory = vec![0x5a; self.size + ALIGNMENT];
        let skip = memory.as_ptr().align_offset(ALIGNMENT);
        let chunk = memory.get(skip..skip + self.size).unwrap_or_default();
        let (mut position, mut bytes, mut rounds, began) = (0, 0, Vec::new(), Instant::now());
        loop {
            let (round, mut unsynced) = (Instant::now(), 0);
            while unsynced < self.sync_each {
                if self.ground != Ground::Growing && position + self.size > file_bytes {
                    position = 0;
                }
                self.write_once(file, chunk, position as u64)?;
                position += self.size;
                unsynced += self.size;
                if self.sync_each == usize::MAX {
                    break;
                }
            }
            if self.sync_each != usize::MAX {
                file.sync_data()?;
            }
            rounds.push(round.elapsed());
            bytes += unsynced as u64;
            if began.elapsed() >= time || bytes >= bytes_max {
                return Ok((bytes, rounds));
            }
        }
    }

    fn write_once(&self, file: &File, chunk: &[u8], position: u64) -> io::Result<()> {
        if self.way != Way::Uncached {
            return file.write_all_at(chunk, position);
        }
        let flags = ReadWriteFlags::from_bits_retain(DONT_CACHE);
        match pwritev2(file, &[IoSlice::new(chunk)], position, flags)? {
            written if written == chunk.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }
}

fn size(bytes: usize) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
}
