//! The tree of nodes behind the mutex: looking up names, counting and tracing operations, and what each one does.
//!
//! Operations that change something are counted from 1 and traced; reads are neither, so that concurrent readers do
//! not disturb a replay.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::io;
use std::path::{Component, Path};

use super::entries::{DirectoryImages, NodeId};
use super::events::{Event, Events};
use super::faults::{Fault, Faults};
use super::image::FileImages;
use super::random::Random;
use crate::Operation;

const ROOT: NodeId = 0;
/// Traced lines beyond this are counted only: a bound on memory, far above what a simulated run makes.
const TRACE_LINES_MAX: usize = 1 << 20;

#[derive(Debug, Clone)]
pub(super) enum Node {
    File(FileImages),
    Directory(DirectoryImages),
}

/// An open file as the system sees it.
#[derive(Debug, Clone)]
struct Descriptor {
    node: NodeId,
    /// A write-back failed while this was open and it was not told yet.
    failed: Option<Fault>,
}

#[derive(Debug, Clone)]
pub(super) struct World {
    nodes: BTreeMap<NodeId, Node>,
    next_node: NodeId,
    descriptors: BTreeMap<u64, Descriptor>,
    next_descriptor: u64,
    pub(super) random: Random,
    pub(super) faults: Faults,
    pub(super) capacity: Option<u64>,
    /// Open files from which on the disk is short of descriptors, and beyond which none is opened.
    pub(super) descriptor_limits: Option<(usize, usize)>,
    pub(super) operations: u64,
    pub(super) crashed: bool,
    pub(super) trace: Vec<String>,
    pub(super) tracing: bool,
    pub(super) events: Events,
}

/// How an operation goes.
pub(super) enum Course {
    Normal,
    /// The machine dies during it.
    Crash,
    Fail(Fault),
}

pub(super) fn crash_error() -> io::Error {
    io::Error::other("the simulated machine has crashed")
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::Directory(DirectoryImages::default()))]),
            next_node: ROOT + 1,
            descriptors: BTreeMap::new(),
            next_descriptor: 0,
            random: Random::new(seed),
            faults: Faults::default(),
            capacity: None,
            descriptor_limits: None,
            operations: 0,
            crashed: false,
            trace: Vec::new(),
            tracing: true,
            events: Events::new(),
        }
    }

    // --- operations -----------------------------------------------------------------------------------------------

    /// Counts an operation and says how it goes.
    pub(super) fn begin(&mut self, operation: Operation, path: &Path) -> io::Result<Course> {
        if self.crashed {
            return Err(crash_error());
        }
        self.operations += 1;
        if self.faults.crash_at == Some(self.operations) {
            self.crashed = true;
            self.count(Event::Death(operation));
            return Ok(Course::Crash);
        }
        let fault = self.faults.take(Some(self.operations), operation, &path.to_string_lossy());
        if let Some(fault) = fault {
            self.count(Event::Failure(fault, operation));
        }
        Ok(fault.map_or(Course::Normal, Course::Fail))
    }

    pub(super) fn count(&mut self, event: Event) {
        *self.events.entry(event).or_default() += 1;
    }

    /// Counts a failure for want of space, which nobody planned.
    pub(super) fn count_full<T>(&mut self, operation: Operation, result: &io::Result<T>) {
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::StorageFull) {
            self.count(Event::Failure(Fault::OutOfSpace, operation));
        }
    }

    /// Traces how an operation went, and hands the result through.
    pub(super) fn end<T>(&mut self, what: impl Display, result: io::Result<T>) -> io::Result<T> {
        if self.tracing {
            let outcome = match &result {
                Ok(_) => "ok".to_string(),
                Err(error) => error.to_string(),
            };
            self.note(format!("{} {what}: {outcome}", self.operations));
        }
        result
    }

    pub(super) fn note(&mut self, line: String) {
        if self.tracing && self.trace.len() < TRACE_LINES_MAX {
            self.trace.push(line);
        }
    }

    /// An operation that happens whole or not at all, also when the machine dies during it.
    pub(super) fn run<T>(
        &mut self,
        operation: Operation,
        path: &Path,
        what: impl Display,
        apply: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        let result = match self.begin(operation, path)? {
            Course::Normal => {
                let result = apply(self);
                self.count_full(operation, &result);
                result
            }
            Course::Fail(fault) => Err(fault.error()),
            Course::Crash => {
                if self.random.coin() {
                    let _ = apply(self);
                }
                Err(crash_error())
            }
        };
        self.end(what, result)
    }

    /// Lets a read through, or says why not.
    pub(super) fn check_read(&mut self, operation: Operation, path: &Path) -> io::Result<()> {
        if self.crashed {
            return Err(crash_error());
        }
        match self.faults.take(None, operation, &path.to_string_lossy()) {
            Some(fault) => {
                self.count(Event::Failure(fault, operation));
                Err(fault.error())
            }
            None if operation == Operation::Read && self.is_interrupted() => Err(Fault::Interrupted.error()),
            None => Ok(()),
        }
    }

    /// Draws whether a read or write is interrupted before it did anything.
    pub(super) fn is_interrupted(&mut self) -> bool {
        let interrupted = self.random.one_in(self.faults.interruptions_one_in);
        if interrupted {
            self.count(Event::Interruption);
        }
        interrupted
    }

    /// Draws whether a write takes less than it was given.
    pub(super) fn is_cut_short(&mut self) -> bool {
        let short = self.random.one_in(self.faults.short_writes_one_in);
        if short {
            self.count(Event::ShortWrite);
        }
        short
    }

    // --- names ----------------------------------------------------------------------------------------------------

    pub(super) fn lookup(&self, path: &Path) -> io::Result<NodeId> {
        let mut node = ROOT;
        for component in path.components() {
            match component {
                Component::RootDir | Component::CurDir => {}
                Component::Normal(name) => {
                    let name = name.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
                    node = self.directory(node)?.get(name).ok_or(io::ErrorKind::NotFound)?;
                }
                Component::ParentDir | Component::Prefix(_) => return Err(io::ErrorKind::Unsupported.into()),
            }
        }
        Ok(node)
    }

    pub(super) fn parent_and_name<'a>(&self, path: &'a Path) -> io::Result<(NodeId, &'a str)> {
        let parent = self.lookup(path.parent().unwrap_or(Path::new("")))?;
        self.directory(parent)?;
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidFilename)?;
        Ok((parent, name))
    }

    pub(super) fn node(&self, id: NodeId) -> io::Result<&Node> {
        self.nodes.get(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn directory(&self, id: NodeId) -> io::Result<&DirectoryImages> {
        match self.node(id)? {
            Node::Directory(images) => Ok(images),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn directory_mut(&mut self, id: NodeId) -> io::Result<&mut DirectoryImages> {
        match self.nodes.get_mut(&id) {
            Some(Node::Directory(images)) => Ok(images),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn file(&self, id: NodeId) -> io::Result<&FileImages> {
        match self.node(id)? {
            Node::File(images) => Ok(images),
            Node::Directory(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn file_mut(&mut self, id: NodeId) -> io::Result<&mut FileImages> {
        self.file_and_random(id).map(|(file, _)| file)
    }

    fn file_and_random(&mut self, id: NodeId) -> io::Result<(&mut FileImages, &mut Random)> {
        match self.nodes.get_mut(&id) {
            Some(Node::File(images)) => Ok((images, &mut self.random)),
            Some(Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn create(&mut self, path: &Path, node: Node) -> io::Result<NodeId> {
        let (parent, name) = self.parent_and_name(path)?;
        if self.directory(parent)?.get(name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.check_room_for_name()?;
        let id = self.next_node;
        self.next_node += 1;
        self.nodes.insert(id, node);
        self.directory_mut(parent)?.link(name, id);
        Ok(id)
    }

    pub(super) fn remove(&mut self, path: &Path, is_directory: bool) -> io::Result<()> {
        let (parent, name) = self.parent_and_name(path)?;
        match self.node(self.lookup(path)?)? {
            Node::File(_) if is_directory => return Err(io::ErrorKind::NotADirectory.into()),
            Node::Directory(_) if !is_directory => return Err(io::ErrorKind::IsADirectory.into()),
            Node::Directory(images) if !images.is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            _ => {}
        }
        self.directory_mut(parent)?.unlink(name);
        Ok(())
    }

    /// Between two directories a rename is two changes, each durable on its own; directories stay in their parent.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.lookup(from)?;
        let (from_parent, from_name) = self.parent_and_name(from)?;
        let (to_parent, to_name) = self.parent_and_name(to)?;
        let is_directory = self.directory(node).is_ok();
        match self.directory(to_parent)?.get(to_name) {
            Some(there) if there == node => return Ok(()),
            Some(there) if is_directory || self.directory(there).is_ok() => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Some(_) => {}
            None => self.check_room_for_name()?,
        }
        if from_parent == to_parent {
            self.directory_mut(from_parent)?.rename(from_name, to_name, node);
        } else if is_directory {
            return Err(io::ErrorKind::Unsupported.into());
        } else {
            self.directory_mut(to_parent)?.link(to_name, node);
            self.directory_mut(from_parent)?.unlink(from_name);
        }
        Ok(())
    }

    pub(super) fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        let node = self.lookup(path)?;
        let lies = self.faults.lies.sync_directory;
        let directory = self.directory_mut(node)?;
        if !lies {
            directory.sync();
        }
        Ok(())
    }

    // --- space ----------------------------------------------------------------------------------------------------

    /// Bytes taken by files that have a name or a descriptor.
    fn used(&self) -> u64 {
        let mut alive: BTreeSet<NodeId> =
            self.descriptors.values().map(|descriptor| descriptor.node).collect();
        for node in self.nodes.values() {
            if let Node::Directory(images) = node {
                alive.extend(images.entries().map(|(_, id)| id));
            }
        }
        alive.iter().filter_map(|id| self.file(*id).ok()).map(FileImages::footprint).sum()
    }

    /// `None` on a disk without bound.
    pub(super) fn free(&self) -> Option<u64> {
        self.capacity.map(|capacity| capacity.saturating_sub(self.used()))
    }

    /// How far a file may grow now.
    pub(super) fn room(&self, node: NodeId) -> io::Result<u64> {
        let footprint = self.file(node)?.footprint();
        Ok(self.free().map_or(u64::MAX, |free| footprint.saturating_add(free)))
    }

    /// A full disk has no room for the name either.
    fn check_room_for_name(&self) -> io::Result<()> {
        if self.free() == Some(0) { Err(Fault::OutOfSpace.error()) } else { Ok(()) }
    }

    // --- descriptors and write-back -------------------------------------------------------------------------------

    pub(super) fn open_files(&self) -> usize {
        self.descriptors.len()
    }

    pub(super) fn is_short_of_descriptors(&self) -> bool {
        self.descriptor_limits.is_some_and(|(budget, _)| self.descriptors.len() >= budget)
    }

    pub(super) fn check_descriptor_left(&self) -> io::Result<()> {
        match self.descriptor_limits {
            Some((_, max)) if self.descriptors.len() >= max => Err(rustix::io::Errno::MFILE.into()),
            _ => Ok(()),
        }
    }

    pub(super) fn open(&mut self, node: NodeId) -> u64 {
        self.next_descriptor += 1;
        self.descriptors.insert(self.next_descriptor, Descriptor { node, failed: None });
        self.next_descriptor
    }

    pub(super) fn close(&mut self, descriptor: u64) {
        self.descriptors.remove(&descriptor);
    }

    /// Writes back and flushes what came before the change of this number. An earlier failure that this descriptor was
    /// not told is told now, once.
    pub(super) fn sync(&mut self, descriptor: u64, node: NodeId, before: u64) -> io::Result<()> {
        if !self.faults.lies.sync {
            self.file_mut(node)?.sync(before);
        }
        match self.descriptors.get_mut(&descriptor).and_then(|open| open.failed.take()) {
            Some(fault) => {
                self.count(Event::DescriptorTold);
                Err(fault.error())
            }
            None => Ok(()),
        }
    }

    /// A write-back fails: pages are clean, and every descriptor that is open now will be told once.
    pub(super) fn fail_write_back(&mut self, node: NodeId, fault: Fault) -> io::Result<()> {
        let (file, random) = self.file_and_random(node)?;
        if file.lose_dirty(random) {
            let open = self.descriptors.values_mut().filter(|descriptor| descriptor.node == node);
            open.for_each(|descriptor| descriptor.failed = Some(fault));
            self.count(Event::WriteBackFailure);
        }
        Ok(())
    }

    /// As [`World::fail_write_back`] within a sync of `descriptor`, which is told by the answer.
    pub(super) fn fail_sync(&mut self, descriptor: u64, node: NodeId, fault: Fault) -> io::Result<()> {
        self.fail_write_back(node, fault)?;
        if let Some(open) = self.descriptors.get_mut(&descriptor) {
            open.failed = None;
        }
        Err(fault.error())
    }

    // --- restarts -------------------------------------------------------------------------------------------------

    /// The machine's memory is intact, the process is gone.
    pub(super) fn after_kill(&self) -> Self {
        let mut world = self.clone();
        world.restart();
        world.note("killed".to_string());
        world
    }

    /// What is left on the device after a power loss.
    pub(super) fn after_power_loss(&self, seed: u64) -> Self {
        let mut world = self.clone();
        world.restart();
        world.random = Random::new(seed);
        let destroys_blocks = world.faults.destroys_blocks;
        let (mut unsynced, mut destroyed) = (0, 0);
        for node in world.nodes.values_mut() {
            match node {
                Node::File(images) => {
                    let (had_unsynced, lost_a_block) = images.lose_power(&mut world.random, destroys_blocks);
                    unsynced += u64::from(had_unsynced);
                    destroyed += u64::from(lost_a_block);
                }
                Node::Directory(images) => images.lose_power(&mut world.random),
            }
        }
        for (event, count) in [(Event::UnsyncedAtPowerLoss, unsynced), (Event::BlockDestroyed, destroyed)] {
            if count > 0 {
                *world.events.entry(event).or_default() += count;
            }
        }
        world.forget_unreachable();
        world.note(format!("power lost, seed {seed}"));
        world
    }

    fn restart(&mut self) {
        self.descriptors.clear();
        self.faults = self.faults.after_restart();
        self.operations = 0;
        self.crashed = false;
    }

    fn forget_unreachable(&mut self) {
        let mut reachable = BTreeSet::from([ROOT]);
        let mut left = vec![ROOT];
        while let Some(id) = left.pop() {
            if let Ok(directory) = self.directory(id) {
                left.extend(
                    directory.entries().map(|(_, child)| child).filter(|child| reachable.insert(*child)),
                );
            }
        }
        self.nodes.retain(|id, _| reachable.contains(id));
    }
}
