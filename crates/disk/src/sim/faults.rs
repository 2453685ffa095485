//! What is to go wrong, and when.

use std::collections::BTreeMap;
use std::io;

use rustix::io::Errno;

use crate::Operation;

/// An error that an operation is made to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// EIO.
    Io,
    /// ENOSPC.
    OutOfSpace,
    /// EINTR: nothing was done. Meant for reads and writes.
    Interrupted,
}

impl Fault {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Io => Errno::IO.into(),
            Self::OutOfSpace => Errno::NOSPC.into(),
            Self::Interrupted => Errno::INTR.into(),
        }
    }
}

/// Syncs that report success without making anything durable: wrong devices, or the wrong builds that a checker must
/// catch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lies {
    /// [`File::sync_data`](crate::File::sync_data) lies.
    pub sync: bool,
    /// [`Disk::sync_directory`](crate::Disk::sync_directory) lies.
    pub sync_directory: bool,
}

/// The next operation of a kind on a path that contains a text.
#[derive(Debug, Clone)]
struct Rule {
    operation: Operation,
    pattern: String,
    fault: Fault,
}

/// Everything that is to go wrong.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    pub(super) crash_at: Option<u64>,
    pub(super) lies: Lies,
    pub(super) short_writes_one_in: u64,
    pub(super) interruptions_one_in: u64,
    pub(super) destroys_blocks: bool,
    at: BTreeMap<u64, Fault>,
    next: Vec<Rule>,
}

impl Faults {
    pub(super) fn fail_at(&mut self, operation: u64, fault: Fault) {
        self.at.insert(operation, fault);
    }

    pub(super) fn fail_next(&mut self, operation: Operation, pattern: &str, fault: Fault) {
        self.next.push(Rule { operation, pattern: pattern.to_string(), fault });
    }

    /// Takes what the rules say for this operation, the earliest rule first.
    pub(super) fn take(&mut self, number: Option<u64>, operation: Operation, path: &str) -> Option<Fault> {
        if let Some(fault) = number.and_then(|number| self.at.remove(&number)) {
            return Some(fault);
        }
        let fits = |rule: &Rule| rule.operation == operation && path.contains(&rule.pattern);
        let index = self.next.iter().position(fits)?;
        Some(self.next.remove(index).fault)
    }

    /// What is still in force after a restart: how the device is, not what was planned for single operations.
    pub(super) fn after_restart(&self) -> Self {
        Self { crash_at: None, at: BTreeMap::new(), next: Vec::new(), ..self.clone() }
    }
}
