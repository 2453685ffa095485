//! The two traits on the simulated disk.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};

use super::control::{Shared, SimDisk};
use super::entries::{DirectoryImages, NodeId};
use super::faults::Fault;
use super::image::FileImages;
use super::random::Random;
use super::world::{Course, Node, World, crash_error};
use crate::{Disk, DiskSpace, Entry, EntryKind, File, OpenMode, Operation};

/// What a disk without a bound says of its size.
const SIZE_WITHOUT_BOUND: u64 = 1 << 40;

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut world = self.shared.lock();
        world.check_descriptor_left()?;
        let node = match world.lookup(path) {
            Ok(_) if mode == OpenMode::CreateNew => Err(io::ErrorKind::AlreadyExists.into()),
            Ok(node) => world.check_read(Operation::Open, path).map(|()| node),
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && matches!(mode, OpenMode::CreateNew | OpenMode::CreateOrOpen) =>
            {
                world.run(Operation::Open, path, format_args!("create {}", path.display()), |world| {
                    world.create(path, Node::File(FileImages::new()))
                })
            }
            Err(error) => Err(error),
        };
        let node = if world.crashed { Err(crash_error()) } else { node }?;
        world.file(node)?;
        let view = if mode == OpenMode::Read { View::ReadOnly } else { View::Writable };
        Ok(Arc::new(SimFile::new(&self.shared, &mut world, path, node, view)))
    }

    fn open_device(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut world = self.shared.lock();
        world.check_descriptor_left()?;
        let node = world.lookup(path)?;
        world.check_read(Operation::Open, path)?;
        world.file(node)?;
        Ok(Arc::new(SimFile::new(&self.shared, &mut world, path, node, View::Direct)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let what = format_args!("rename {} to {}", from.display(), to.display());
        self.shared.lock().run(Operation::Rename, from, what, |world| world.rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let what = format_args!("remove {}", path.display());
        self.shared.lock().run(Operation::Remove, path, what, |world| world.remove(path, false))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let what = format_args!("create directory {}", path.display());
        self.shared.lock().run(Operation::CreateDirectory, path, what, |world| {
            world.create(path, Node::Directory(DirectoryImages::default())).map(drop)
        })
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let what = format_args!("remove directory {}", path.display());
        self.shared.lock().run(Operation::Remove, path, what, |world| world.remove(path, true))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let what = format_args!("sync directory {}", path.display());
        self.shared.lock().run(Operation::SyncDirectory, path, what, |world| world.sync_directory(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut world = self.shared.lock();
        world.check_read(Operation::List, path)?;
        let directory = world.lookup(path)?;
        let entries = world.directory(directory)?.entries().map(|(name, node)| {
            let kind = if world.file(node).is_ok() { EntryKind::File } else { EntryKind::Directory };
            Entry { name: name.clone(), kind }
        });
        Ok(entries.collect())
    }

    fn space(&self, _: &Path) -> io::Result<DiskSpace> {
        let world = self.shared.lock();
        if world.crashed {
            return Err(crash_error());
        }
        Ok(DiskSpace {
            total: world.capacity.unwrap_or(SIZE_WITHOUT_BOUND),
            free: world.free().unwrap_or(SIZE_WITHOUT_BOUND),
        })
    }

    fn is_short_of_descriptors(&self) -> bool {
        self.shared.lock().is_short_of_descriptors()
    }
}

/// An open file of the simulated disk.
#[derive(Debug)]
struct SimFile {
    shared: Arc<Shared>,
    path: PathBuf,
    node: NodeId,
    descriptor: u64,
    view: View,
}

/// What a descriptor may do and sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Writable,
    ReadOnly,
    /// Reads past the cache.
    Direct,
}

impl SimFile {
    fn new(shared: &Arc<Shared>, world: &mut World, path: &Path, node: NodeId, view: View) -> Self {
        let descriptor = world.open(node);
        Self { shared: Arc::clone(shared), path: path.to_path_buf(), node, descriptor, view }
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.view == View::Writable { Ok(()) } else { Err(rustix::io::Errno::BADF.into()) }
    }

    /// Lets happen what is to happen while the operation is in flight. It is partly done if the machine dies meanwhile.
    fn take_time<'a>(
        &'a self,
        world: MutexGuard<'a, World>,
        course: Course,
        operation: Operation,
    ) -> (MutexGuard<'a, World>, Course) {
        if world.crashed {
            return (world, course);
        }
        drop(world);
        self.shared.take_time(operation, &self.path);
        let world = self.shared.lock();
        let course = if world.crashed { Course::Crash } else { course };
        (world, course)
    }

    /// Writes what fits on the disk; an error when that is nothing.
    fn write(&self, world: &mut World, bytes: &[u8], position: u64) -> io::Result<usize> {
        let room = world.room(self.node)?.saturating_sub(position);
        let fitting = bytes.get(..usize::try_from(room).unwrap_or(usize::MAX)).unwrap_or(bytes);
        if fitting.is_empty() && !bytes.is_empty() {
            return Err(Fault::OutOfSpace.error());
        }
        world.file_mut(self.node)?.write(fitting, position)?;
        Ok(fitting.len())
    }
}

/// Some first part of `bytes`, at least one byte where there is one.
fn part<'a>(random: &mut Random, bytes: &'a [u8]) -> &'a [u8] {
    let count = 1 + random.index(bytes.len());
    bytes.get(..count).unwrap_or(bytes)
}

impl File for SimFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut world = self.shared.lock();
        world.check_read(Operation::Read, &self.path)?;
        let file = world.file_mut(self.node)?;
        if self.view == View::Direct {
            file.read_device(buffer, position)
        } else {
            file.read(buffer, position)
        }
    }

    fn read_resident_at(&self, buffer: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        let mut world = self.shared.lock();
        world.check_read(Operation::Read, &self.path)?;
        let file = world.file_mut(self.node)?;
        if self.view != View::Direct && file.is_resident() {
            file.read(buffer, position).map(Some)
        } else {
            Ok(None)
        }
    }

    fn write_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        self.check_writable()?;
        let mut bytes = Vec::new();
        slices.iter().for_each(|slice| bytes.extend_from_slice(slice));
        let mut world = self.shared.lock();
        let course = world.begin(Operation::Write, &self.path)?;
        let (mut world, course) = self.take_time(world, course, Operation::Write);
        // A planned failure was counted when it was met.
        let planned = matches!(course, Course::Fail(_));
        let result = match course {
            Course::Fail(fault) => Err(fault.error()),
            Course::Crash => {
                let bytes = if world.random.coin() { &bytes } else { part(&mut world.random, &bytes) };
                let _ = self.write(&mut world, bytes, position);
                Err(crash_error())
            }
            Course::Normal if world.is_interrupted() => Err(Fault::Interrupted.error()),
            Course::Normal if world.is_cut_short() => {
                let bytes = part(&mut world.random, &bytes);
                self.write(&mut world, bytes, position)
            }
            Course::Normal => self.write(&mut world, &bytes, position),
        };
        if !planned {
            world.count_full(Operation::Write, &result);
        }
        let taken = result.as_ref().map_or(0, |count| *count);
        let what = format!("write {} {position}+{} took {taken}", self.path.display(), bytes.len());
        world.end(what, result)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = self.shared.lock();
        let course = world.begin(Operation::Sync, &self.path)?;
        let before = world.file(self.node)?.next_change();
        let (mut world, course) = self.take_time(world, course, Operation::Sync);
        let result = match course {
            Course::Normal => world.sync(self.descriptor, self.node, before),
            Course::Fail(fault) => world.fail_sync(self.descriptor, self.node, fault),
            // Whatever part of it was done, a power loss draws.
            Course::Crash => Err(crash_error()),
        };
        world.end(format_args!("sync {}", self.path.display()), result)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.check_writable()?;
        let what = format_args!("set length {} {length}", self.path.display());
        self.shared.lock().run(Operation::SetLength, &self.path, what, |world| {
            if length > world.room(self.node)? {
                return Err(Fault::OutOfSpace.error());
            }
            world.file_mut(self.node)?.set_length(length)
        })
    }

    fn allocate(&self, position: u64, size: u64) -> io::Result<()> {
        self.check_writable()?;
        let what = format_args!("allocate {} {position}+{size}", self.path.display());
        self.shared.lock().run(Operation::Allocate, &self.path, what, |world| {
            let end = position.saturating_add(size);
            if end > world.room(self.node)? {
                return Err(Fault::OutOfSpace.error());
            }
            world.file_mut(self.node)?.allocate(end);
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        let world = self.shared.lock();
        if world.crashed { Err(crash_error()) } else { world.file(self.node).map(FileImages::length) }
    }

    fn drop_cache(&self) -> io::Result<()> {
        let mut world = self.shared.lock();
        if world.crashed {
            return Err(crash_error());
        }
        if self.view != View::Direct {
            world.file_mut(self.node)?.drop_cache();
        }
        Ok(())
    }

    fn as_std(&self) -> Option<&std::fs::File> {
        None
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.shared.lock().close(self.descriptor);
    }
}
