//! What a test tells the simulated disk to do, and what it may ask.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::events::{Event, Events};
use super::faults::{Fault, Lies};
use super::image::FileImages;
use super::world::World;
use crate::Operation;

/// The state that a disk shares with its open files.
#[derive(Debug)]
pub(super) struct Shared {
    world: Mutex<World>,
    meanwhile: Mutex<Vec<Meanwhile>>,
}

/// What happens while an operation takes its time.
struct Meanwhile {
    operation: Operation,
    pattern: String,
    act: Box<dyn FnOnce() + Send>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        // A panicking test must not hide behind a poisoned lock.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn meanwhile(&self) -> MutexGuard<'_, Vec<Meanwhile>> {
        self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called between the beginning of an operation and its effect, without the lock.
    pub(super) fn take_time(&self, operation: Operation, path: &Path) {
        let act = {
            let mut list = self.meanwhile();
            let path = path.to_string_lossy();
            let fits = |one: &Meanwhile| one.operation == operation && path.contains(&one.pattern);
            list.iter().position(fits).map(|index| list.remove(index).act)
        };
        if let Some(act) = act {
            self.lock().count(Event::Slow(operation));
            act();
        }
    }
}

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "during {:?} of {}", self.operation, self.pattern)
    }
}

/// The simulated disk. Paths start at its root whether they begin with a slash or not.
#[derive(Debug)]
pub struct SimDisk {
    pub(super) shared: Arc<Shared>,
}

impl SimDisk {
    /// An empty disk whose chances follow from `seed`.
    pub fn new(seed: u64) -> Arc<Self> {
        Self::of(World::new(seed))
    }

    fn of(world: World) -> Arc<Self> {
        let shared = Shared { world: Mutex::new(world), meanwhile: Mutex::default() };
        Arc::new(Self { shared: Arc::new(shared) })
    }

    // --- crashes --------------------------------------------------------------------------------------------------

    /// Stops the machine within the operation of this number (counted from 1 since the last restart).
    pub fn crash_at(&self, operation: u64) {
        self.shared.lock().faults.crash_at = Some(operation);
    }

    /// Stops the machine now.
    pub fn crash(&self) {
        self.shared.lock().crashed = true;
    }

    /// Whether the machine has stopped: every operation fails.
    pub fn has_crashed(&self) -> bool {
        self.shared.lock().crashed
    }

    /// The disk as the next process finds it after the death of this one: everything written is there, what was not
    /// synced is still not durable. This disk stops; it may be asked again.
    pub fn kill(&self) -> Arc<Self> {
        let mut world = self.shared.lock();
        world.crashed = true;
        Self::of(world.after_kill())
    }

    /// The disk as it is found after a power loss. This disk stops; asked again with another seed it gives another
    /// outcome of the same crash.
    pub fn power_loss(&self, seed: u64) -> Arc<Self> {
        let mut world = self.shared.lock();
        world.crashed = true;
        Self::of(world.after_power_loss(seed))
    }

    // --- faults ---------------------------------------------------------------------------------------------------

    /// Makes the operation of this number fail. A failed sync loses the pages, see the module's documentation.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.shared.lock().faults.fail_at(operation, fault);
    }

    /// Makes the next operation of this kind on a path that contains `pattern` fail. Several calls, several failures.
    pub fn fail_next(&self, operation: Operation, pattern: &str, fault: Fault) {
        self.shared.lock().faults.fail_next(operation, pattern, fault);
    }

    /// Makes the next sync of a file whose path contains `pattern` fail with EIO.
    pub fn fail_next_sync(&self, pattern: &str) {
        self.fail_next(Operation::Sync, pattern, Fault::Io);
    }

    /// Writes the file's dirty pages back in the background, and fails: who has it open is told at the next sync.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn fail_write_back(&self, path: &Path) -> io::Result<()> {
        let mut world = self.shared.lock();
        let node = world.lookup(path)?;
        world.fail_write_back(node, Fault::Io)
    }

    /// Bounds the bytes that files may take together; `None` lifts the bound.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.shared.lock().capacity = bytes;
    }

    /// Makes the disk short of descriptors while `budget` files or more are open, and opening fail (EMFILE) while `max` are;
    /// `None` lifts both bounds.
    pub fn set_descriptor_limits(&self, limits: Option<(usize, usize)>) {
        self.shared.lock().descriptor_limits = limits;
    }

    /// Cuts a write short once in `count` times on average; 0: never.
    pub fn set_short_writes(&self, one_in: u64) {
        self.shared.lock().faults.short_writes_one_in = one_in;
    }

    /// Interrupts a read or write (EINTR, nothing done) once in `count` times on average; 0: never.
    pub fn set_interruptions(&self, one_in: u64) {
        self.shared.lock().faults.interruptions_one_in = one_in;
    }

    /// Whether a power loss fills one of the 4096-byte blocks that were being written in a file with garbage.
    pub fn set_destroys_blocks(&self, destroys: bool) {
        self.shared.lock().faults.destroys_blocks = destroys;
    }

    /// Makes the next write or sync of a file whose path contains `pattern` slow: `act` happens when it has begun and
    /// before it has any effect. A sync covers what was written before it began. When the machine dies in `act`, the
    /// operation was in flight. `act` may use the disk; what the caller of the operation has locked, it may not.
    pub fn during_next(&self, operation: Operation, pattern: &str, act: impl FnOnce() + Send + 'static) {
        let act: Box<dyn FnOnce() + Send> = Box::new(act);
        self.shared.meanwhile().push(Meanwhile { operation, pattern: pattern.to_string(), act });
    }

    /// Forgets what [`SimDisk::during_next`] ordered and no operation has met.
    pub fn forget_slow_operations(&self) {
        let forgotten = std::mem::take(&mut *self.shared.meanwhile());
        drop(forgotten);
    }

    /// Which syncs report success and do nothing.
    pub fn set_lies(&self, lies: Lies) {
        self.shared.lock().faults.lies = lies;
    }

    // --- damage at rest -------------------------------------------------------------------------------------------

    /// Flips the lowest bit of a byte.
    ///
    /// # Errors
    /// When there is no such file or byte.
    pub fn flip_bit(&self, path: &Path, position: u64) -> io::Result<()> {
        self.damage(path, |file| {
            let byte = file.byte(position).ok_or(io::ErrorKind::UnexpectedEof)?;
            file.overwrite(position, &[byte ^ 1]);
            Ok(())
        })
    }

    /// Flips the lowest bit of a byte on the device, under the page cache: reads of the cache do not see it until it is
    /// dropped or lost, reads past it do.
    ///
    /// # Errors
    /// When there is no such file or durable byte.
    pub fn flip_bit_under_cache(&self, path: &Path, position: u64) -> io::Result<()> {
        self.damage(path, |file| {
            if file.flip_under_cache(position) { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        })
    }

    /// Replaces bytes within the file, as a misdirected or stale write would.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn overwrite_at_rest(&self, path: &Path, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.damage(path, |file| {
            file.overwrite(position, bytes);
            Ok(())
        })
    }

    /// Makes reads that touch these bytes fail with EIO until they are written anew.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn make_unreadable(&self, path: &Path, range: Range<u64>) -> io::Result<()> {
        self.damage(path, |file| {
            file.make_unreadable(range);
            Ok(())
        })
    }

    fn damage(&self, path: &Path, change: impl FnOnce(&mut FileImages) -> io::Result<()>) -> io::Result<()> {
        let mut world = self.shared.lock();
        let node = world.lookup(path)?;
        change(world.file_mut(node)?)
    }

    // --- questions ------------------------------------------------------------------------------------------------

    /// How many operations that change something were begun since the last restart.
    pub fn operations(&self) -> u64 {
        self.shared.lock().operations
    }

    /// How many files are open.
    pub fn open_files(&self) -> usize {
        self.shared.lock().open_files()
    }

    /// What happened since the last call.
    pub fn take_events(&self) -> Events {
        std::mem::take(&mut self.shared.lock().events)
    }

    /// A line for each operation and restart, from the first disk on.
    pub fn trace(&self) -> Vec<String> {
        self.shared.lock().trace.clone()
    }

    /// The lines since the last call; the trace is empty afterwards.
    pub fn take_trace(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().trace)
    }

    /// Whether operations are traced, which takes a good part of a long run's time; they are unless this says no.
    pub fn set_tracing(&self, tracing: bool) {
        self.shared.lock().tracing = tracing;
    }
}
