//! FUSE's operations on the simulated disk. Each is a function that returns a result, and a reply made of it.
//!
//! Everything that a process changes arrives here at once (no write-back cache in the kernel); reads come from the kernel's cache where
//! they can. Locks are the kernel's. Not there: links, attributes beyond lengths, holes.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use highwater_disk::sim::Fault;
use highwater_disk::{Disk, EntryKind, File, OpenMode, Operation};
use nix::libc;

use crate::attributes::attributes;
use crate::faults::Kind;
use crate::machine::Machine;
use crate::tree::{Handle, Node, Tree};

/// Names and lengths change through the kernel only, so it may keep what it was told.
const TTL: Duration = Duration::from_secs(3600);
const GENERATION: Generation = Generation(0);
const BLOCK_SIZE: u32 = 4096;

/// The file system of one machine.
#[derive(Debug)]
pub(crate) struct FaultFs {
    machine: Arc<Machine>,
    tree: Mutex<Tree>,
}

impl FaultFs {
    pub(crate) fn new(machine: &Arc<Machine>) -> Self {
        Self { machine: Arc::clone(machine), tree: Mutex::new(Tree::new()) }
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path_of(&self, parent: INodeNo, name: &OsStr) -> io::Result<PathBuf> {
        Ok(self.tree().path(parent.0)?.join(name))
    }

    fn run<T>(
        &self,
        kind: Kind,
        path: &Path,
        operation: impl FnOnce(&dyn Disk) -> io::Result<T>,
    ) -> io::Result<T> {
        self.machine.run(kind, path, |disk| operation(disk))
    }

    /// What is at a path, as the kernel will know it from here on.
    fn enter(&self, request: &Request, path: &Path) -> io::Result<FileAttr> {
        let found = self.tree().find(path).map(|(_, node)| node);
        let node = match found {
            Some(node) => node,
            None => self.machine.ask(|disk| match disk.open(path, OpenMode::ReadWrite) {
                Ok(file) => Ok(Node::File(file)),
                Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(Node::Directory),
                Err(error) => Err(error),
            })?,
        };
        let number = self.tree().remember(path, node.clone());
        self.machine.ask(|_| attributes(request, number, &node))
    }

    fn attributes_of(&self, request: &Request, number: INodeNo) -> io::Result<FileAttr> {
        let node = self.tree().node(number.0)?;
        self.machine.ask(|_| attributes(request, number.0, &node))
    }

    fn set_length(&self, number: INodeNo, length: u64) -> io::Result<()> {
        let (node, path) = {
            let tree = self.tree();
            (tree.node(number.0)?, tree.path(number.0)?)
        };
        match node {
            Node::File(file) => self.run(Kind::SetLength, &path, |_| file.set_length(length)),
            Node::Directory => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn open_file(&self, number: INodeNo, flags: OpenFlags) -> io::Result<u64> {
        let path = self.tree().path(number.0)?;
        let mode =
            if flags.0 & libc::O_ACCMODE == libc::O_RDONLY { OpenMode::Read } else { OpenMode::ReadWrite };
        let file = self.machine.ask(|disk| disk.open(&path, mode))?;
        if flags.0 & libc::O_TRUNC != 0 {
            self.run(Kind::SetLength, &path, |_| file.set_length(0))?;
        }
        Ok(self.tree().open(Handle::File(file)))
    }

    fn create_file(&self, request: &Request, path: &Path, exclusive: bool) -> io::Result<(FileAttr, u64)> {
        let mode = if exclusive { OpenMode::CreateNew } else { OpenMode::CreateOrOpen };
        let file = self.run(Kind::Create, path, |disk| disk.open(path, mode))?;
        let attributes = self.enter(request, path)?;
        Ok((attributes, self.tree().open(Handle::File(file))))
    }

    fn read_file(&self, handle: FileHandle, position: u64, size: u32) -> io::Result<Vec<u8>> {
        let file = self.tree().file(handle.0)?;
        let mut buffer = vec![0; usize::try_from(size).map_err(|_| io::ErrorKind::InvalidInput)?];
        let count = self.run(Kind::Read, file.path(), |_| file.read_at(&mut buffer, position))?;
        buffer.truncate(count);
        Ok(buffer)
    }

    fn write_file(&self, handle: FileHandle, position: u64, data: &[u8]) -> io::Result<usize> {
        let file = self.tree().file(handle.0)?;
        self.run(Kind::Write, file.path(), |_| file.write_at(&[io::IoSlice::new(data)], position))
    }

    fn remove(&self, path: &Path, is_directory: bool) -> io::Result<()> {
        self.run(Kind::Remove, path, |disk| {
            if is_directory { disk.remove_directory(path) } else { disk.remove_file(path) }
        })?;
        self.tree().removed(path);
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.run(Kind::SyncDirectory, path, |disk| {
            if self.machine.faults.is_a_lie(path) { Ok(()) } else { disk.sync_directory(path) }
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(Kind::Rename, from, |disk| disk.rename(from, to))?;
        self.tree().renamed(from, to);
        Ok(())
    }
}

/// A sync that is told to fail loses what was not durable, as the simulated disk has it.
fn sync(machine: &Machine, file: &dyn File) -> io::Result<()> {
    let path = file.path();
    let failure = match machine.run(Kind::Sync, path, |_| Ok(())) {
        Ok(()) => None,
        Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => Some(Fault::OutOfSpace),
        Err(_) => Some(Fault::Io),
    };
    if failure.is_none() && machine.faults.is_a_lie(path) {
        return Ok(());
    }
    machine.ask(|disk| {
        let pattern = path.to_string_lossy();
        if let Some(fault) = failure {
            disk.fail_next(Operation::Sync, &pattern, fault);
        }
        if let Some(duration) = machine.faults.sync_takes(path) {
            disk.during_next(Operation::Sync, &pattern, move || thread::sleep(duration));
        }
        file.sync_data()
    })
}

/// The number of an error, also of those that the simulated disk makes up.
fn number_of(error: &io::Error) -> Errno {
    if let Some(number) = error.raw_os_error() {
        return Errno::from_i32(number);
    }
    match error.kind() {
        io::ErrorKind::NotFound => Errno::ENOENT,
        io::ErrorKind::AlreadyExists => Errno::EEXIST,
        io::ErrorKind::NotADirectory => Errno::ENOTDIR,
        io::ErrorKind::IsADirectory => Errno::EISDIR,
        io::ErrorKind::DirectoryNotEmpty => Errno::ENOTEMPTY,
        io::ErrorKind::InvalidFilename | io::ErrorKind::InvalidInput => Errno::EINVAL,
        io::ErrorKind::Unsupported => Errno::EOPNOTSUPP,
        io::ErrorKind::FileTooLarge => Errno::EFBIG,
        _ => Errno::EIO,
    }
}

fn answer_entry(reply: ReplyEntry, result: io::Result<FileAttr>) {
    match result {
        Ok(attributes) => reply.entry(&TTL, &attributes, GENERATION),
        Err(error) => reply.error(number_of(&error)),
    }
}

fn answer_attributes(reply: ReplyAttr, result: io::Result<FileAttr>) {
    match result {
        Ok(attributes) => reply.attr(&TTL, &attributes),
        Err(error) => reply.error(number_of(&error)),
    }
}

fn answer_open(reply: ReplyOpen, result: io::Result<u64>) {
    match result {
        Ok(handle) => reply.opened(FileHandle(handle), FopenFlags::empty()),
        Err(error) => reply.error(number_of(&error)),
    }
}

fn answer(reply: ReplyEmpty, result: io::Result<()>) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(number_of(&error)),
    }
}

impl Filesystem for FaultFs {
    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let result = self.path_of(parent, name).and_then(|path| self.enter(request, &path));
        answer_entry(reply, result);
    }

    fn forget(&self, _: &Request, number: INodeNo, lookups: u64) {
        self.tree().forget(number.0, lookups);
    }

    fn getattr(&self, request: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        answer_attributes(reply, self.attributes_of(request, number));
    }

    fn setattr(
        &self,
        request: &Request,
        number: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let result = size.map_or(Ok(()), |length| self.set_length(number, length));
        answer_attributes(reply, result.and_then(|()| self.attributes_of(request, number)));
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let result = self.path_of(parent, name).and_then(|path| {
            self.run(Kind::Create, &path, |disk| disk.create_directory(&path))?;
            self.enter(request, &path)
        });
        answer_entry(reply, result);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.path_of(parent, name).and_then(|path| self.remove(&path, false)));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, self.path_of(parent, name).and_then(|path| self.remove(&path, true)));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        to_parent: INodeNo,
        to_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if !flags.is_empty() {
            return reply.error(Errno::EINVAL);
        }
        let paths = self.path_of(parent, name).and_then(|from| Ok((from, self.path_of(to_parent, to_name)?)));
        answer(reply, paths.and_then(|(from, to)| self.rename(&from, &to)));
    }

    fn open(&self, _: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        answer_open(reply, self.open_file(number, flags));
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        _mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let exclusive = flags & libc::O_EXCL != 0;
        let created = self.path_of(parent, name).and_then(|path| self.create_file(request, &path, exclusive));
        match created {
            Ok((attributes, handle)) => {
                reply.created(&TTL, &attributes, GENERATION, FileHandle(handle), FopenFlags::empty());
            }
            Err(error) => reply.error(number_of(&error)),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        position: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.read_file(handle, position, size) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(number_of(&error)),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        position: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.write_file(handle, position, data) {
            Ok(count) => reply.written(u32::try_from(count).unwrap_or(u32::MAX)),
            Err(error) => reply.error(number_of(&error)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.tree().close(handle.0);
        reply.ok();
    }

    /// One that takes its time does so beside the other operations.
    fn fsync(&self, _: &Request, _: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        let file = match self.tree().file(handle.0) {
            Ok(file) => file,
            Err(error) => return reply.error(number_of(&error)),
        };
        let machine = Arc::clone(&self.machine);
        let is_slow = machine.faults.sync_takes(file.path()).is_some();
        let work = move || answer(reply, sync(&machine, file.as_ref()));
        if is_slow {
            thread::spawn(work);
        } else {
            work();
        }
    }

    fn opendir(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let path = self.tree().path(number.0);
        let entries = path.and_then(|path| self.machine.ask(|disk| disk.list(&path)));
        answer_open(reply, entries.map(|entries| self.tree().open(Handle::Directory(entries.into()))));
    }

    fn readdir(&self, _: &Request, _: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let entries = match self.tree().entries(handle.0) {
            Ok(entries) => entries,
            Err(error) => return reply.error(number_of(&error)),
        };
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
        for (entry, next) in entries.iter().zip(1..).skip(skipped) {
            let kind =
                if entry.kind == EntryKind::Directory { FileType::Directory } else { FileType::RegularFile };
            // The number is only a hint: 0 would hide the entry.
            if reply.add(INodeNo(u64::MAX), next, kind, &entry.name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.tree().close(handle.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let path = self.tree().path(number.0);
        answer(reply, path.and_then(|path| self.sync_directory(&path)));
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        match self.machine.ask(|disk| disk.space(Path::new(""))) {
            Ok(space) => {
                let [all, free] = [space.total, space.free].map(|bytes| bytes / u64::from(BLOCK_SIZE));
                reply.statfs(all, free, free, 0, 0, BLOCK_SIZE, 255, BLOCK_SIZE);
            }
            Err(error) => reply.error(number_of(&error)),
        }
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        position: u64,
        size: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode != libc::FALLOC_FL_KEEP_SIZE {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let file = self.tree().file(handle.0);
        answer(
            reply,
            file.and_then(|file| self.run(Kind::Allocate, file.path(), |_| file.allocate(position, size))),
        );
    }
}
