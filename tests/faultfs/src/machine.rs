//! The machine that the disk is in: runs, or stands still between `cut` and `lose`.
//!
//! While it stands still every operation hangs, as if it took for ever; none is answered with an error that a process could tell
//! its clients. They fail when the machine is released, after the process was killed.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use highwater_disk::sim::SimDisk;

use crate::faults::{Faults, Kind};

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    released: bool,
}

/// One life of the disk, from a mount to a power loss.
#[derive(Debug)]
pub(crate) struct Machine {
    disk: Arc<SimDisk>,
    pub(crate) faults: Arc<Faults>,
    state: Mutex<State>,
    changed: Condvar,
}

impl Machine {
    pub(crate) fn start(disk: Arc<SimDisk>, faults: &Arc<Faults>) -> Arc<Self> {
        disk.set_tracing(false);
        Arc::new(Self { disk, faults: Arc::clone(faults), state: Mutex::default(), changed: Condvar::new() })
    }

    pub(crate) fn disk(&self) -> &SimDisk {
        &self.disk
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out an operation unless a rule has it fail. Hangs when the machine stands still, or stops within it.
    pub(crate) fn run<T>(
        &self,
        kind: Kind,
        path: &Path,
        operation: impl FnOnce(&SimDisk) -> io::Result<T>,
    ) -> io::Result<T> {
        self.hang_if_stopped()?;
        if let Some(errno) = self.faults.meet(kind, path) {
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.ask(operation)
    }

    /// As [`Machine::run`], for what no rule is about.
    pub(crate) fn ask<T>(&self, operation: impl FnOnce(&SimDisk) -> io::Result<T>) -> io::Result<T> {
        let result = operation(&self.disk);
        self.hang_if_stopped()?;
        result
    }

    fn hang_if_stopped(&self) -> io::Result<()> {
        if !self.disk.has_crashed() {
            return Ok(());
        }
        let mut state = self.lock();
        state.stopped = true;
        self.changed.notify_all();
        while !state.released {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Err(io::Error::from_raw_os_error(nix::libc::EIO))
    }

    /// Stops the machine within the `after`-th change from now, or when the time is up. Returns the last change.
    pub(crate) fn cut(&self, after: u64, limit: Duration) -> String {
        self.disk.crash_at(self.disk.operations().saturating_add(after.max(1)));
        let state = self.lock();
        let waiting = self.changed.wait_timeout_while(state, limit, |state| !state.stopped);
        let (state, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        let within = if state.stopped { "within" } else { "after" };
        drop(state);
        self.disk.crash();
        format!("{within} {}", self.faults.last_change())
    }

    /// Lets what hangs fail.
    pub(crate) fn release(&self) {
        self.lock().released = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use highwater_disk::{Disk, OpenMode};

    #[test]
    fn operations_hang_while_the_machine_stands_still_and_fail_when_it_is_released() {
        let machine = Machine::start(SimDisk::new(1), &Arc::default());
        assert_eq!(machine.cut(1, Duration::ZERO), "after ");
        let there = Arc::clone(&machine);
        let path = Path::new("a");
        let hanging = std::thread::spawn(move || {
            there.run(Kind::Create, path, |disk| disk.open(path, OpenMode::CreateNew).map(drop))
        });
        assert_eq!(machine.cut(1, Duration::from_secs(60)), "within ");
        assert!(!hanging.is_finished());
        machine.release();
        assert!(hanging.join().unwrap().is_err());
    }

    #[test]
    fn a_cut_is_within_the_change_that_it_counts_to() {
        let machine = Machine::start(SimDisk::new(1), &Arc::default());
        let there = Arc::clone(&machine);
        let writing = std::thread::spawn(move || {
            for name in 0..=u32::MAX {
                let path = Path::new("a").with_extension(name.to_string());
                there.run(Kind::Create, &path, |disk| disk.open(&path, OpenMode::CreateNew).map(drop))?;
            }
            io::Result::Ok(())
        });
        assert!(machine.cut(2, Duration::from_secs(60)).starts_with("within Create a."));
        machine.release();
        assert!(writing.join().unwrap().is_err());
    }
}
