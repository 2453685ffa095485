//! The file system of this machine. Interrupted calls are repeated; every other error is handed up as it came. Only
//! what std lacks goes to the system directly, and where a system lacks that too, the call says so (`Unsupported`, or
//! `None` for a read that must not wait).

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::statvfs;
use rustix::io::{Errno, pwritev, retry_on_intr};

use crate::{Disk, DiskSpace, Entry, EntryKind, File, OpenMode};

/// Slices that one call of the system takes (`IOV_MAX`).
const SLICES_MAX: usize = 1024;

/// The file system of this machine. Relative paths start at the working directory. Clones count their open files together.
#[derive(Debug, Clone, Default)]
pub struct RealDisk {
    open_files: Arc<AtomicUsize>,
    /// Open files from which on it is short of descriptors; `None`: never.
    descriptor_budget: Option<usize>,
}

impl RealDisk {
    /// A disk that is short of descriptors while so many files, or more, are open.
    pub fn with_descriptor_budget(budget: usize) -> Self {
        Self { descriptor_budget: Some(budget), ..Self::default() }
    }

    fn count(&self, file: fs::File, path: &Path) -> RealFile {
        self.open_files.fetch_add(1, Ordering::Relaxed);
        RealFile { file, path: path.to_path_buf(), open_files: Arc::clone(&self.open_files) }
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::ReadWrite => options.write(true),
            OpenMode::CreateNew => options.write(true).create_new(true),
            OpenMode::CreateOrOpen => options.write(true).create(true).truncate(false),
        };
        Ok(Arc::new(self.count(options.open(path)?, path)))
    }

    fn open_device(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        match system::open_direct(path) {
            Ok(file) => Ok(Arc::new(DirectFile::new(self.count(file, path)))),
            // Not every file system can.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
            {
                let file = self.open(path, OpenMode::Read)?;
                file.drop_cache()?;
                Ok(file)
            }
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for found in fs::read_dir(path)? {
            let found = found?;
            let kind = match found.file_type()? {
                kind if kind.is_file() => EntryKind::File,
                kind if kind.is_dir() => EntryKind::Directory,
                _ => EntryKind::Other,
            };
            if let Ok(name) = OsString::into_string(found.file_name()) {
                entries.push(Entry { name, kind });
            }
        }
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    fn space(&self, path: &Path) -> io::Result<DiskSpace> {
        let state = retry_on_intr(|| statvfs(path))?;
        Ok(DiskSpace {
            total: state.f_blocks.saturating_mul(state.f_frsize),
            free: state.f_bavail.saturating_mul(state.f_frsize),
        })
    }

    fn is_short_of_descriptors(&self) -> bool {
        self.descriptor_budget.is_some_and(|budget| self.open_files.load(Ordering::Relaxed) >= budget)
    }
}

/// Positions, sizes and addresses of reads past the cache are multiples of this.
const ALIGNMENT: usize = 4096;
/// Bytes of one read past the cache.
const DIRECT_READ_MAX: usize = 1 << 20;

/// A file that is read past the cache, through an aligned buffer of its own.
#[derive(Debug)]
struct DirectFile {
    file: RealFile,
    buffer: Mutex<Vec<u8>>,
}

impl DirectFile {
    fn new(file: RealFile) -> Self {
        Self { file, buffer: Mutex::default() }
    }
}

impl File for DirectFile {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let skip = usize::try_from(position % ALIGNMENT as u64).unwrap_or(0);
        let wanted = buffer.len().min(DIRECT_READ_MAX);
        let size = skip.saturating_add(wanted).next_multiple_of(ALIGNMENT);
        let mut own = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        own.resize(DIRECT_READ_MAX + 3 * ALIGNMENT, 0);
        let begin = own.as_ptr().align_offset(ALIGNMENT);
        let aligned = own.get_mut(begin..begin.saturating_add(size)).ok_or(io::ErrorKind::InvalidInput)?;
        let start = position - skip as u64;
        let mut read = || retry_on_intr(|| rustix::io::pread(&self.file.file, &mut *aligned, start));
        let count = match read() {
            // It was opened so, and cannot be read so.
            Err(Errno::INVAL) => {
                system::leave_direct(&self.file.file)?;
                self.file.drop_cache()?;
                read()?
            }
            result => result?,
        };
        let read = aligned.get(skip..count).unwrap_or_default();
        let taken = read.len().min(wanted);
        if let (Some(to), Some(from)) = (buffer.get_mut(..taken), read.get(..taken)) {
            to.copy_from_slice(from);
        }
        Ok(taken)
    }

    fn read_resident_at(&self, _: &mut [u8], _: u64) -> io::Result<Option<usize>> {
        Ok(None)
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
        Ok(())
    }

    fn as_std(&self) -> Option<&fs::File> {
        None
    }
}

/// An open file of the real disk.
#[derive(Debug)]
struct RealFile {
    file: fs::File,
    path: PathBuf,
    open_files: Arc<AtomicUsize>,
}

impl Drop for RealFile {
    fn drop(&mut self) {
        self.open_files.fetch_sub(1, Ordering::Relaxed);
    }
}

impl File for RealFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::io::pread(&self.file, &mut *buffer, position))?)
    }

    fn read_resident_at(&self, buffer: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        system::read_resident_at(&self.file, buffer, position)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        let slices = slices.get(..SLICES_MAX).unwrap_or(slices);
        Ok(retry_on_intr(|| pwritev(&self.file, slices, position))?)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn allocate(&self, position: u64, size: u64) -> io::Result<()> {
        if size == 0 {
            return Ok(());
        }
        system::allocate(&self.file, position, size)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn number(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.ino())
    }

    fn drop_cache(&self) -> io::Result<()> {
        system::drop_cache(&self.file)
    }

    fn as_std(&self) -> Option<&fs::File> {
        Some(&self.file)
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs::File;
    use std::io::{self, IoSliceMut};

    use rustix::fs::{
        Advice, FallocateFlags, Mode, OFlags, fadvise, fallocate, fcntl_getfl, fcntl_setfl, open,
    };
    use rustix::io::{Errno, ReadWriteFlags, preadv2, retry_on_intr};

    pub(super) fn read_resident_at(
        file: &File,
        buffer: &mut [u8],
        position: u64,
    ) -> io::Result<Option<usize>> {
        let mut slices = [IoSliceMut::new(buffer)];
        match retry_on_intr(|| preadv2(file, &mut slices, position, ReadWriteFlags::NOWAIT)) {
            Ok(count) => Ok(Some(count)),
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn open_direct(path: &std::path::Path) -> io::Result<File> {
        let flags = OFlags::DIRECT | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(retry_on_intr(|| open(path, flags, Mode::empty()))?.into())
    }

    pub(super) fn leave_direct(file: &File) -> io::Result<()> {
        Ok(fcntl_setfl(file, fcntl_getfl(file)? - OFlags::DIRECT)?)
    }

    pub(super) fn allocate(file: &File, position: u64, size: u64) -> io::Result<()> {
        match retry_on_intr(|| fallocate(file, FallocateFlags::KEEP_SIZE, position, size)) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Err(io::ErrorKind::Unsupported.into()),
            result => Ok(result?),
        }
    }

    pub(super) fn drop_cache(file: &File) -> io::Result<()> {
        Ok(retry_on_intr(|| fadvise(file, 0, None, Advice::DontNeed))?)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::fs::File;
    use std::io;

    pub(super) fn read_resident_at(_: &File, _: &mut [u8], _: u64) -> io::Result<Option<usize>> {
        Ok(None)
    }

    pub(super) fn open_direct(_: &std::path::Path) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn leave_direct(_: &File) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn allocate(_: &File, _: u64, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn drop_cache(_: &File) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TemporaryDirectory;
    use crate::write_all_at;

    fn create(directory: &TemporaryDirectory, name: &str) -> Arc<dyn File> {
        RealDisk::default().open(&directory.path().join(name), OpenMode::CreateNew).unwrap()
    }

    fn contents(file: &dyn File) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 16];
        let count = file.read_at(&mut bytes, 0).unwrap();
        bytes.truncate(count);
        bytes
    }

    #[test]
    fn slices_are_written_one_behind_the_other() {
        let directory = TemporaryDirectory::new();
        let file = create(&directory, "a");
        let mut slices = [IoSlice::new(b"one"), IoSlice::new(b""), IoSlice::new(b"two")];
        write_all_at(file.as_ref(), &mut slices, 2).unwrap();
        assert_eq!(contents(file.as_ref()), b"\0\0onetwo");
        assert_eq!(file.length().unwrap(), 8);
        file.sync_data().unwrap();
    }

    #[test]
    fn more_slices_than_the_system_takes_at_once_are_all_written() {
        let directory = TemporaryDirectory::new();
        let file = create(&directory, "a");
        let bytes: Vec<u8> = (0..5_000u32).map(|index| (index % 251) as u8).collect();
        let mut slices: Vec<IoSlice<'_>> = bytes.chunks(1).map(IoSlice::new).collect();
        write_all_at(file.as_ref(), &mut slices, 0).unwrap();
        assert_eq!(contents(file.as_ref()), bytes);
    }

    #[test]
    fn reading_past_the_cache_gives_the_same_bytes_at_any_position() {
        let directory = TemporaryDirectory::new();
        let file = create(&directory, "a");
        let bytes: Vec<u8> = (0..3_000_001u32).map(|index| (index % 251) as u8).collect();
        write_all_at(file.as_ref(), &mut [IoSlice::new(&bytes)], 0).unwrap();
        file.sync_data().unwrap();
        let device = RealDisk::default().open_device(&directory.path().join("a")).unwrap();
        for (position, size) in
            [(0, 4096), (1, 10), (4095, 2), (1 << 20, 1 << 20), (2_999_990, 100), (0, 5 << 20)]
        {
            let mut buffer = vec![0; size];
            let count = device.read_at(&mut buffer, position as u64).unwrap();
            assert!(
                count > 0 && buffer[..count] == bytes[position..position + count],
                "{position}+{size}: {count}"
            );
        }
        assert_eq!(device.read_at(&mut [0; 10], 3_000_001).unwrap(), 0);
        let missing = RealDisk::default().open_device(&directory.path().join("b")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_disk_is_short_of_descriptors_while_as_many_files_are_open_as_its_budget_says() {
        let directory = TemporaryDirectory::new();
        let disk = RealDisk::with_descriptor_budget(2);
        let path = directory.path().join("a");
        let first = disk.open(&path, OpenMode::CreateNew).unwrap();
        assert!(disk.open(&path, OpenMode::CreateNew).is_err(), "what does not open does not count");
        assert!(!disk.is_short_of_descriptors());
        let second = disk.clone().open_device(&path).unwrap();
        assert!(disk.is_short_of_descriptors());
        let third = disk.open(&path, OpenMode::Read).unwrap();
        drop((first, third));
        assert!(!disk.is_short_of_descriptors());
        drop(second);
        assert!(!RealDisk::default().is_short_of_descriptors());
    }

    #[test]
    fn each_open_mode_asks_for_what_it_says() {
        let directory = TemporaryDirectory::new();
        let path = directory.path().join("a");
        let kind = |mode| RealDisk::default().open(&path, mode).err().map(|error| error.kind());
        assert_eq!(kind(OpenMode::Read), Some(io::ErrorKind::NotFound));
        assert_eq!(kind(OpenMode::ReadWrite), Some(io::ErrorKind::NotFound));
        assert_eq!(kind(OpenMode::CreateNew), None);
        assert_eq!(kind(OpenMode::CreateNew), Some(io::ErrorKind::AlreadyExists));
        let file = RealDisk::default().open(&path, OpenMode::ReadWrite).unwrap();
        file.write_at(&[IoSlice::new(b"kept")], 0).unwrap();
        assert_eq!(
            contents(RealDisk::default().open(&path, OpenMode::CreateOrOpen).unwrap().as_ref()),
            b"kept"
        );
        let reader = RealDisk::default().open(&path, OpenMode::Read).unwrap();
        assert!(reader.write_at(&[IoSlice::new(b"no")], 0).is_err());
    }

    #[test]
    fn a_removed_or_renamed_file_stays_readable_through_its_handle() {
        let directory = TemporaryDirectory::new();
        let file = create(&directory, "a");
        file.write_at(&[IoSlice::new(b"bytes")], 0).unwrap();
        RealDisk::default().rename(&directory.path().join("a"), &directory.path().join("b")).unwrap();
        RealDisk::default().remove_file(&directory.path().join("b")).unwrap();
        RealDisk::default().sync_directory(directory.path()).unwrap();
        assert_eq!(contents(file.as_ref()), b"bytes");
        assert_eq!(RealDisk::default().list(directory.path()).unwrap(), []);
    }

    #[test]
    fn a_directory_lists_its_entries_by_name() {
        let directory = TemporaryDirectory::new();
        create(&directory, "b");
        create(&directory, "a");
        RealDisk::default().create_directory(&directory.path().join("c")).unwrap();
        let names: Vec<_> = RealDisk::default()
            .list(directory.path())
            .unwrap()
            .into_iter()
            .map(|entry| (entry.name, entry.kind))
            .collect();
        let expected = [("a", EntryKind::File), ("b", EntryKind::File), ("c", EntryKind::Directory)];
        assert_eq!(names, expected.map(|(name, kind)| (name.to_string(), kind)));
        let error = RealDisk::default().create_directory(&directory.path().join("c")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        RealDisk::default().remove_directory(&directory.path().join("c")).unwrap();
    }

    #[test]
    fn allocating_changes_no_length_and_setting_a_length_reads_as_zeros() {
        let directory = TemporaryDirectory::new();
        let file = create(&directory, "a");
        match file.allocate(0, 1 << 20) {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported),
        }
        assert_eq!(file.length().unwrap(), 0);
        file.set_length(3).unwrap();
        assert_eq!(contents(file.as_ref()), [0; 3]);
        file.set_length(1).unwrap();
        assert_eq!(file.length().unwrap(), 1);
    }

    #[test]
    fn a_read_that_may_not_wait_returns_the_bytes_or_nothing() {
        let directory = TemporaryDirectory::new();
        let file = create(&directory, "a");
        file.write_at(&[IoSlice::new(b"resident")], 0).unwrap();
        let mut buffer = [0; 16];
        if let Some(count) = file.read_resident_at(&mut buffer, 0).unwrap() {
            assert_eq!(&buffer[..count], b"resident");
        }
        file.sync_data().unwrap();
        file.drop_cache().unwrap();
        assert_eq!(contents(file.as_ref()), b"resident");
        let space = RealDisk::default().space(directory.path()).unwrap();
        assert!(space.free > 0 && space.free <= space.total, "{space:?}");
    }
}
